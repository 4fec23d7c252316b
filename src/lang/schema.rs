//! The table of keys for editors and for people: a JSON Schema (draft 4, as taplo reads it) and the reference page.

use super::expr::{FILTERS, FUNCTIONS, RESERVED_FUNCTIONS, TESTS};
use super::keys::{Key, Kind, SCOPE_NAMES, Status, Table};
use crate::base::text::{and, or};
use serde_json::{Map, Value, json};
use std::fmt::Write;

const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
const SHARE: &str = "^[0-9.]+ *%$";

/// The JSON Schema of the pipeline file. Keys of later versions are not in it.
pub fn schema() -> Value {
    let definitions: Map<String, Value> = Table::ALL
        .into_iter()
        .filter(|table| *table != Table::File && !table.of_settings() && available(*table).next().is_some())
        .map(|table| (definition(table), table_schema(table)))
        .collect();
    let mut root = json!({ "$schema": "http://json-schema.org/draft-04/schema#", "title": "flowrun pipeline" });
    if let (Value::Object(root), Value::Object(file)) = (&mut root, table_schema(Table::File)) {
        root.extend(file);
    }
    root["definitions"] = Value::Object(definitions);
    root
}

fn available(table: Table) -> impl Iterator<Item = &'static Key> {
    table.keys().filter(|key| key.status != Status::Planned)
}

fn definition(table: Table) -> String {
    format!("{table:?}").to_lowercase()
}

fn table_schema(table: Table) -> Value {
    let properties: Map<String, Value> = available(table).map(|key| (key.name.to_owned(), key_schema(key))).collect();
    let mut schema = json!({ "type": "object", "description": table.doc(), "properties": properties });
    let required: Vec<&str> =
        available(table).filter(|key| key.status == Status::Required).map(|key| key.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    match table {
        // names of `[limits]`
        Table::Resources => schema["patternProperties"] = json!({ NAME: kind_schema(Kind::Count(0)) }),
        Table::Task => schema["oneOf"] = one_of(&["command", "argv", "script"]),
        Table::Input => schema["required"] = json!(["url", "sha256"]),
        Table::Secret => schema["oneOf"] = one_of(&["env", "file"]),
        Table::Output => schema["oneOf"] = one_of(&["type", "file", "files", "dir"]),
        Table::Source => {
            schema["minProperties"] = json!(1);
            schema["maxProperties"] = json!(1);
        }
        _ => {}
    }
    schema["additionalProperties"] = json!(false);
    schema
}

fn one_of(keys: &[&str]) -> Value {
    keys.iter().map(|key| json!({ "required": [key] })).collect()
}

fn key_schema(key: &Key) -> Value {
    let mut schema = match kind_schema(key.kind) {
        // in draft 4 nothing may stand beside a reference
        reference if reference.get("$ref").is_some() => json!({ "allOf": [reference] }),
        schema => schema,
    };
    let default = if key.default.is_empty() { String::new() } else { format!(" Left out: {}.", key.default) };
    schema["description"] = json!(format!("{}{default}", key.doc));
    schema
}

fn kind_schema(kind: Kind) -> Value {
    match kind {
        Kind::Plain | Kind::Template | Kind::Type => json!({ "type": "string" }),
        Kind::Expression => json!({ "type": "string", "pattern": "\\{\\{" }),
        Kind::Name => json!({ "type": "string", "pattern": NAME }),
        Kind::Condition => json!({ "type": ["boolean", "string"] }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int(i64::MIN, _) => json!({ "type": "integer" }),
        Kind::Int(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Count(least) => json!({ "type": ["integer", "string"], "minimum": least }),
        Kind::Memory | Kind::Duration => json!({ "type": ["integer", "string"], "minimum": 0 }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Value | Kind::Literal => json!({}),
        Kind::Literals => json!({ "type": "array", "minItems": 1 }),
        Kind::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Names => json!({ "type": "array", "items": { "type": "string", "pattern": NAME } }),
        Kind::Words => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Lines => json!({ "type": ["string", "array"], "items": { "type": "string" } }),
        Kind::Program => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
        Kind::InputValue => {
            let list = json!({ "type": "array", "items": { "type": "string" } });
            json!({ "anyOf": [{ "type": "string" }, list, pointer(Table::Input)] })
        }
        Kind::OutputValue => json!({ "anyOf": [{ "type": "string" }, pointer(Table::Output)] }),
        Kind::SourceValue => json!({ "anyOf": [{ "type": "string" }, { "type": "array" }, pointer(Table::Source)] }),
        Kind::RangeValue => {
            json!({ "type": "array", "items": { "type": ["integer", "string"] }, "minItems": 2, "maxItems": 3 })
        }
        Kind::Axes => named(kind_schema(Kind::SourceValue)),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Allowance => json!({ "type": ["integer", "string"], "minimum": 0, "pattern": SHARE }),
        Kind::Requirement => json!({ "type": "string", "pattern": format!("^(all|any)$|{SHARE}") }),
        Kind::Causes => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
        Kind::Factor => json!({ "type": "string", "pattern": "^[xX]" }),
        Kind::PlainMemory | Kind::PlainDuration => json!({ "type": ["integer", "string"], "minimum": 0 }),
        Kind::OneOrMore => {
            json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
        }
        Kind::Content => json!({ "anyOf": [{ "type": "string" }, pointer(Table::Content)] }),
        Kind::Contents => json!({ "type": "object", "additionalProperties": kind_schema(Kind::Content) }),
        Kind::Table(table) => pointer(table),
        Kind::Cases => json!({ "type": "object", "additionalProperties": pointer(Table::Case) }),
        Kind::Named(inner) => named(kind_schema(*inner)),
    }
}

fn pointer(table: Table) -> Value {
    json!({ "$ref": format!("#/definitions/{}", definition(table)) })
}

fn named(inner: Value) -> Value {
    json!({ "type": "object", "patternProperties": { NAME: inner }, "additionalProperties": false })
}

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

    #[test]
    fn the_schema_refers_to_what_it_defines() {
        let schema = schema();
        let text = schema.to_string();
        for reference in text.split("\"#/definitions/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schema["definitions"].get(name).is_some(), "{name}");
        }
        assert_eq!(
            schema["definitions"]["source"]["properties"]["range"],
            json!({
                "type": "array",
                "items": { "type": ["integer", "string"] },
                "minItems": 2,
                "maxItems": 3,
                "description": "`[from, to]` or `[from, to, step]`: whole numbers without `to`."
            })
        );
        assert_eq!(schema["definitions"]["map"]["required"], json!(["over"]));
        assert!(!text.contains("until_consumed"), "a key of a later version is in the schema");
    }
}
