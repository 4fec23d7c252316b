//! Diagnostics for programs: `check --output json`.

use super::{Diagnostic, Sources};
use serde_json::{Value, json};

/// `{"diagnostics": [{"code", "message", "file", "line", "column", "help", "severity"}]}`.
/// `file`, `line` and `column` are null for what has no place in a file; lines and columns count from 1, columns in
/// characters.
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    let entries: Vec<Value> = diagnostics.iter().map(|diagnostic| entry(diagnostic, sources)).collect();
    json!({ "diagnostics": entries })
}

fn entry(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let place = diagnostic.primary.as_ref().map(|label| {
        let (line, column) = sources.line_column(label.span.file, label.span.start);
        (sources.path(label.span.file), line, column)
    });
    json!({
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": place.map(|(file, _, _)| file),
        "line": place.map(|(_, line, _)| line),
        "column": place.map(|(_, _, column)| column),
        "help": diagnostic.help,
        "severity": diagnostic.severity,
    })
}
