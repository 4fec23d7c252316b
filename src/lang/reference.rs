//! The table of keys for people: the reference page, in Markdown. The man page is made from it.

use super::constructs::CONSTRUCTS;
use super::expr::{FILTERS, FUNCTIONS, RESERVED_FUNCTIONS, TESTS};
use super::keys::{SCOPE_NAMES, Status, Table};
use super::schema::available;
use crate::base::text::{and, or};
use std::fmt::Write;

/// The reference page of the pipeline file, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for table in Table::ALL.into_iter().filter(|table| available(*table).next().is_some()) {
        let _ = write!(page, "\n## {}\n{}\n\n", table.heading(), table.doc());
        page.push_str("| key | type | when left out | meaning | example |\n| --- | --- | --- | --- | --- |\n");
        for key in available(table) {
            let default = if key.status == Status::Required { "an error" } else { key.default };
            let lines: Vec<String> =
                key.example.lines().map(|line| format!("`{}`", line.replace('|', "\\|"))).collect();
            let (name, kind, example) = (key.name, key.kind.reference(), lines.join("<br>"));
            let _ = writeln!(page, "| `{name}` | {kind} | {default} | {} | {example} |", key.doc);
        }
        let planned: Vec<&str> = table.keys().filter(|key| key.status == Status::Planned).map(|key| key.name).collect();
        if !planned.is_empty() {
            let _ = write!(page, "\nPart of the language, not of this version: {}.\n", and(planned));
        }
    }
    let _ = write!(
        page,
        "\n## Names\nNames are `[A-Za-z_][A-Za-z0-9_]*`. No node and no item may be called {}, or like a function of the \
         expression language: {}.\n",
        or(SCOPE_NAMES.iter().copied()),
        and(RESERVED_FUNCTIONS.iter().copied())
    );
    page.push_str(FORMS);
    let word = |names: &[&str]| {
        let names = names.iter().map(|name| format!("`{name}`"));
        names.collect::<Vec<_>>().join(" ")
    };
    let _ = write!(page, "{EXPRESSIONS}\nThe filters, `value | filter`:\n{}\n", word(FILTERS));
    let _ = write!(page, "\nThe tests, `value is test`:\n{}\n\nThe functions:\n", word(TESTS));
    page.push_str("| function | value |\n| --- | --- |\n");
    for (form, meaning) in FUNCTIONS {
        let _ = writeln!(page, "| `{form}` | {meaning} |");
    }
    page.push_str(CONSTRUCTS_HEAD);
    for (construct, answer) in CONSTRUCTS {
        let _ = writeln!(page, "| {construct} | {answer} |");
    }
    page
}

const INTRODUCTION: &str = "\
# The pipeline file
<!-- Made from src/lang/keys.rs; `cargo test reference` says when it is stale. -->
A pipeline is one TOML file. These are its tables and their keys. A *template* is a string that may hold
`{{ expression }}`; an *expression* is a string that must. Where a template is one single `{{ … }}`, the value keeps its
type.
";

const FORMS: &str = "
## Types
| type | value |
| --- | --- |
| `bool` | `true` or `false` |
| `int` | a whole number of 64 bits with a sign |
| `float` | a finite number; a whole number is taken as one |
| `string` | text |
| `path` | text; the content of the file counts in the cache's key |
| `list<T>` | a list of values of one type; `list` alone is `list<json>` |
| `map<T>` | a record whose values have one type; `map` alone is `map<json>` |
| `json` | anything |

From text (`-p NAME=VALUE`, a line of `$FLOWRUN_OUTPUT`) a `string` or `path` is taken as it stands, unless it begins
with a quote and is a whole JSON string. Every other type is JSON.

## Amounts
Memory and disk are a number and one of `B kB MB GB TB PB` (powers of 1000) or `KiB MiB GiB TiB PiB` (powers of 1024), in
any case: `512MiB`, `1.5 GB`. A number alone is bytes. `4G` is refused, for it can be read in two ways.

Times are parts of `d h m s ms`, the largest first: `2d`, `1h30m`, `90s`. A number alone is seconds.
";

const EXPRESSIONS: &str = "
## Expressions
The expression language is Jinja's: names and attributes (`sample.fq1`, `row['sample-id']`), indexes and slices (`list[0]`,
`list[1:]`), `+ - * / // % **`, `~` to join text, comparisons, `in`, `and or not`, `a if condition else b`, literals
(`1`, `2.5`, `'text'`, `true`, `none`, `[1, 2]`, `{'key': value}`), filters and tests. There are no statements. What each
filter and test does is told at https://docs.rs/minijinja under `filters` and `tests`. Of flowrun itself are

| filter | value |
| --- | --- |
| `lists \\| flat` | the elements of the lists in a list, in order; what is no list stays. `flat(2)` does it twice |
| `a \\| zip(b, …)` | lists of the elements that stand at one place; lists of unequal lengths are an error |
| `a \\| product(b, …)` | every combination as a list; the last list runs fastest |
| `path \\| basename`, `dirname` | the last name of a path, and what stands before it |
| `path \\| stem`, `extension` | the last name without its ending, and the ending without its dot |
| `text \\| fromjson`, `lines` | the value of a JSON text; the lines of a text |
| `value \\| raw` | at the end of a hole in a command: the value as it is, not quoted |
";

const CONSTRUCTS_HEAD: &str = "
## How is it written?
What well-known pipelines of other tools are made of, and the form for it here.

| construct | form |
| --- | --- |
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `FLOWRUN_BLESS=1 cargo test reference` writes the page anew.
    #[test]
    fn the_reference_page_is_not_stale() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/man/reference.md");
        if std::env::var_os("FLOWRUN_BLESS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == reference(), "man/reference.md is stale: FLOWRUN_BLESS=1 cargo test reference");
    }
}
