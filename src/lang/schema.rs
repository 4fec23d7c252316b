//! The table of keys for editors: a JSON Schema (draft 4, as taplo reads it).

use super::keys::{Key, Kind, Status, Table};
use super::slurm::{OPTIONS, PACK};
use serde_json::{Map, Value, json};

const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
const SHARE: &str = "^[0-9.]+ *%$";

/// The JSON Schema of the pipeline file. Keys of later versions are not in it.
pub fn schema() -> Value {
    let mut definitions: Map<String, Value> = Table::ALL
        .into_iter()
        .filter(|table| *table != Table::File && !table.of_settings() && available(*table).next().is_some())
        .map(|table| (definition(table), table_schema(table)))
        .collect();
    let item = json!({ "type": ["string", "integer"] });
    let option = json!({ "type": ["string", "integer", "boolean", "array"], "items": item });
    let mut options: Map<String, Value> = OPTIONS.iter().map(|name| ((*name).to_owned(), option.clone())).collect();
    options.insert(PACK.to_owned(), pointer(Table::Pack));
    definitions
        .insert("sbatch".to_owned(), json!({ "type": "object", "properties": options, "additionalProperties": false }));
    let mut root = json!({ "$schema": "http://json-schema.org/draft-04/schema#", "title": "flowrun pipeline" });
    if let (Value::Object(root), Value::Object(file)) = (&mut root, table_schema(Table::File)) {
        root.extend(file);
    }
    root["definitions"] = Value::Object(definitions);
    root
}

pub(super) fn available(table: Table) -> impl Iterator<Item = &'static Key> {
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
        Kind::SlurmOptions => json!({ "$ref": "#/definitions/sbatch" }),
        Kind::Literals => json!({ "type": "array", "minItems": 1 }),
        Kind::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Names => json!({ "type": "array", "items": { "type": "string", "pattern": NAME } }),
        Kind::Words => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::ContainerValue => json!({ "anyOf": [{ "type": "string" }, pointer(Table::Container)] }),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
        assert!(!text.contains("Options for this machine"), "a key of a later version is in the schema");
    }
}
