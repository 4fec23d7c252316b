//! What became of a test of one task: the data of `flowrun test`.

use crate::base::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// One test that ran.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The test's name.
    pub name: Arc<str>,
    /// The task's path.
    pub node: Arc<str>,
    /// Where its header stands.
    pub file: String,
    /// Line of the header, from 1.
    pub line: u32,
    /// How long it took, milliseconds.
    pub wall_ms: u64,
    /// What is not as expected; nothing: it passed.
    pub wrong: Vec<Wrong>,
    /// The last bytes of what the task wrote to its standard output and error.
    pub log: Vec<u8>,
    /// The folder in which it ran, if that was kept.
    pub folder: Option<PathBuf>,
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// One sentence.
    pub what: String,
    /// The texts that differ: what was expected, and what was found.
    pub differ: Option<(String, String)>,
}

impl Wrong {
    /// Without texts to compare.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), differ: None }
    }
    /// With two values to compare.
    pub fn values(what: impl Into<String>, expected: &Value, found: &Value) -> Self {
        let shown = |value: &Value| match value {
            Value::List(_) | Value::Map(_) => serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_json()),
            other => other.to_json(),
        };
        Self { what: what.into(), differ: Some((shown(expected) + "\n", shown(found) + "\n")) }
    }
}
