//! The functions, filters and tests of the language: minijinja's that are pure and make sense here, and a few of our
//! own. None of them touches a file, a clock or a random number.

use super::convert::{self, from_jinja, to_jinja};
use crate::base::Value;
use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, filters, functions, tests};
use std::borrow::Cow;
use std::sync::LazyLock;

type Jinja = minijinja::Value;

/// Steps that one evaluation may take; far beyond what an expression needs.
const FUEL: u64 = 1_000_000;

/// Names of functions; no node may bear one.
pub const RESERVED_FUNCTIONS: &[&str] = &["first", "range"];

/// What the functions give, in order, for the reference.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("first(a, b, …)", "the first of them that is not null; null when all are"),
    ("range(n)", "the numbers from 0 to n - 1; `range(from, to, step)` as in Python"),
];

/// The one environment of all expressions.
pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

macro_rules! table {
    ($(#[$about:meta])* $add:ident, $names:ident, $install:ident: $($name:literal => $what:expr),* $(,)?) => {
        $(#[$about])*
        pub const $names: &[&str] = &[$($name),*];
        fn $install(environment: &mut Environment<'static>) {
            $(environment.$add($name, $what);)*
        }
    };
}

table! {
    /// Names of the filters.
    add_filter, FILTERS, install_filters:
    "abs" => filters::abs,
    "attr" => filters::attr,
    "basename" => |path: &str| basename(path).to_owned(),
    "batch" => filters::batch,
    "bool" => filters::bool,
    "capitalize" => filters::capitalize,
    "chain" => filters::chain,
    "count" => filters::length,
    "d" => filters::default,
    "default" => filters::default,
    "dictsort" => filters::dictsort,
    "dirname" => |path: &str| dirname(path).to_owned(),
    "extension" => |path: &str| extension(path).to_owned(),
    "first" => filters::first,
    "flat" => flat,
    "float" => filters::float,
    "format" => filters::format,
    "fromjson" => fromjson,
    "groupby" => filters::groupby,
    "indent" => filters::indent,
    "int" => filters::int,
    "items" => filters::items,
    "join" => join,
    "last" => filters::last,
    "length" => filters::length,
    "lines" => filters::lines,
    "list" => filters::list,
    "lower" => filters::lower,
    "map" => filters::map,
    "max" => filters::max,
    "min" => filters::min,
    "product" => product,
    "raw" => raw,
    "reject" => filters::reject,
    "rejectattr" => filters::rejectattr,
    "replace" => filters::replace,
    "reverse" => filters::reverse,
    "round" => filters::round,
    "select" => filters::select,
    "selectattr" => filters::selectattr,
    "slice" => filters::slice,
    "sort" => filters::sort,
    "split" => filters::split,
    "stem" => |path: &str| stem(path).to_owned(),
    "string" => string,
    "sum" => filters::sum,
    "title" => filters::title,
    "tojson" => tojson,
    "trim" => filters::trim,
    "unique" => filters::unique,
    "upper" => filters::upper,
    "zip" => zip,
}

table! {
    /// Names of the tests.
    add_test, TESTS, install_tests:
    "!=" => tests::is_ne,
    "<" => tests::is_lt,
    "<=" => tests::is_le,
    "==" => tests::is_eq,
    ">" => tests::is_gt,
    ">=" => tests::is_ge,
    "boolean" => tests::is_boolean,
    "defined" => tests::is_defined,
    "divisibleby" => tests::is_divisibleby,
    "endingwith" => tests::is_endingwith,
    "eq" => tests::is_eq,
    "equalto" => tests::is_eq,
    "even" => tests::is_even,
    "false" => tests::is_false,
    "float" => tests::is_float,
    "ge" => tests::is_ge,
    "greaterthan" => tests::is_gt,
    "gt" => tests::is_gt,
    "in" => tests::is_in,
    "int" => tests::is_integer,
    "integer" => tests::is_integer,
    "iterable" => tests::is_iterable,
    "le" => tests::is_le,
    "lessthan" => tests::is_lt,
    "lower" => tests::is_lower,
    "lt" => tests::is_lt,
    "mapping" => tests::is_mapping,
    "ne" => tests::is_ne,
    "none" => tests::is_none,
    "number" => tests::is_number,
    "odd" => tests::is_odd,
    "sameas" => tests::is_sameas,
    "sequence" => tests::is_sequence,
    "startingwith" => tests::is_startingwith,
    "string" => tests::is_string,
    "true" => tests::is_true,
    "undefined" => tests::is_undefined,
    "upper" => tests::is_upper,
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    install_filters(&mut environment);
    install_tests(&mut environment);
    environment.add_function("first", first);
    environment.add_function("range", functions::range);
    environment
}

fn wrong(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// `first(a, b, …)`: the first that is not null; null when all are.
fn first(candidates: Rest<Jinja>) -> Jinja {
    candidates
        .iter()
        .find(|value| !value.is_none() && !value.is_undefined())
        .cloned()
        .unwrap_or_else(|| Jinja::from(()))
}

/// What turns quoting off. The template takes it away where it may stand; what is left of it does nothing.
fn raw(value: Jinja) -> Jinja {
    value
}

/// The text that a value becomes between other text.
fn text(value: &Jinja) -> Result<Cow<'_, str>, Error> {
    if let Some(text) = value.as_str() {
        return Ok(Cow::Borrowed(text));
    }
    match from_jinja(value).map_err(wrong)? {
        Value::Bytes(bytes) => Ok(Cow::Owned(convert::encode(&bytes))),
        value => Ok(Cow::Owned(value.to_json())),
    }
}

/// Jinja's `join`, but null is an error: it would silently become the text `none`.
fn join(value: &Jinja, joiner: Option<&str>) -> Result<String, Error> {
    let mut out = String::new();
    for (i, item) in value.try_iter()?.enumerate() {
        if item.is_none() || item.is_undefined() {
            return Err(wrong(format!(
                "element {i} of the list is null: write `| reject('none') | join(…)` to leave it out"
            )));
        }
        if i > 0 {
            out.push_str(joiner.unwrap_or_default());
        }
        out.push_str(&text(&item)?);
    }
    Ok(out)
}

fn string(value: &Jinja) -> Result<Jinja, Error> {
    if value.is_none() {
        return Err(wrong("null has no text: write `| default('x', true)` before `| string`"));
    }
    Ok(if value.as_str().is_some() { value.clone() } else { Jinja::from(text(value)?.into_owned()) })
}

fn tojson(value: &Jinja) -> Result<String, Error> {
    Ok(from_jinja(value).map_err(wrong)?.to_json())
}

fn fromjson(text: &str) -> Result<Jinja, Error> {
    Value::from_json(text).map(|value| to_jinja(&value)).map_err(|e| wrong(format!("this is not JSON: {e}")))
}

/// Elements of a list made from lists; more is a slip, and would take all memory.
const MOST: usize = 10_000_000;

/// The elements of a list.
fn elements(value: &Jinja, filter: &str) -> Result<Vec<Jinja>, Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let found = match value.kind() {
            ValueKind::None | ValueKind::Undefined => "null",
            ValueKind::String => "a text",
            ValueKind::Number => "a number",
            ValueKind::Bool => "a boolean",
            ValueKind::Map => "a record",
            _ => "something else",
        };
        return Err(wrong(format!("`{filter}` needs a list, and this is {found}")));
    }
    Ok(value.try_iter()?.collect())
}

/// `lists | flat`: the elements of the lists in a list, in order; what is no list stays as it is. `flat(2)` does it twice.
fn flat(value: &Jinja, levels: Option<u32>) -> Result<Jinja, Error> {
    let mut list = elements(value, "flat")?;
    for _ in 0..levels.unwrap_or(1) {
        if !list.iter().any(|element| element.kind() == ValueKind::Seq) {
            break;
        }
        let mut next = Vec::with_capacity(list.len());
        for element in list {
            match element.kind() {
                ValueKind::Seq => next.extend(element.try_iter()?),
                _ => next.push(element),
            }
        }
        list = next;
    }
    Ok(Jinja::from(list))
}

/// `a | zip(b, …)`: lists of the elements that stand at one place; of unequal lengths it is an error.
fn zip(value: &Jinja, others: Rest<Jinja>) -> Result<Jinja, Error> {
    let lists = lists(value, &others, "zip")?;
    if let Some((i, other)) = lists.iter().enumerate().find(|(_, list)| list.len() != lists[0].len()) {
        let (first, other) = (lists[0].len(), other.len());
        return Err(wrong(format!("`zip` needs lists of one length: list 1 has {first}, list {} has {other}", i + 1)));
    }
    let row = |i: usize| Jinja::from(lists.iter().map(|list| list[i].clone()).collect::<Vec<_>>());
    Ok(Jinja::from((0..lists[0].len()).map(row).collect::<Vec<_>>()))
}

/// `a | product(b, …)`: every combination as a list; the last list runs fastest.
fn product(value: &Jinja, others: Rest<Jinja>) -> Result<Jinja, Error> {
    let lists = lists(value, &others, "product")?;
    let size = lists.iter().try_fold(1usize, |size, list| size.checked_mul(list.len()));
    if size.is_none_or(|size| size > MOST) {
        return Err(wrong(format!("`product` would have more than {MOST} elements")));
    }
    let mut rows: Vec<Vec<Jinja>> = vec![Vec::new()];
    for list in &lists {
        let longer = |row: &Vec<Jinja>| {
            let row = row.clone();
            list.iter().map(move |element| row.iter().cloned().chain([element.clone()]).collect())
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    Ok(Jinja::from(rows.into_iter().map(Jinja::from).collect::<Vec<_>>()))
}

fn lists(value: &Jinja, others: &[Jinja], filter: &str) -> Result<Vec<Vec<Jinja>>, Error> {
    [value].into_iter().chain(others).map(|list| elements(list, filter)).collect()
}

/// The last name of a path.
fn basename(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// All but the last name of a path; `.` when there is one name only.
fn dirname(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((parent, _)) if !parent.trim_end_matches('/').is_empty() => parent.trim_end_matches('/'),
        Some(_) => "/",
        None if trimmed.is_empty() && !path.is_empty() => "/",
        None => ".",
    }
}

/// The last name of a path without its last ending: `reads.fastq` of `a/reads.fastq.gz`.
fn stem(path: &str) -> &str {
    let name = basename(path);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// The last ending of a path without its dot: `gz` of `a/reads.fastq.gz`; empty when there is none.
fn extension(path: &str) -> &str {
    match basename(path).rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension,
        _ => "",
    }
}

#[cfg(test)]
mod own_tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let shown = |path| [dirname(path), basename(path), stem(path), extension(path)];
        assert_eq!(shown("a/b/reads.fastq.gz"), ["a/b", "reads.fastq.gz", "reads.fastq", "gz"]);
        assert_eq!(shown("reads"), [".", "reads", "reads", ""]);
        assert_eq!(shown("/x"), ["/", "x", "x", ""]);
        assert_eq!(shown("a/.profile"), ["a", ".profile", ".profile", ""]);
        assert_eq!(shown("dir/"), [".", "dir", "dir", ""]);
        assert_eq!(shown("/"), ["/", "", "", ""]);
    }

    #[test]
    fn the_names_stand_in_order() {
        for names in [FILTERS, TESTS, RESERVED_FUNCTIONS] {
            assert!(names.is_sorted());
        }
    }
}
