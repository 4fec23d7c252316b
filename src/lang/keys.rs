//! The one table of all keys of the pipeline file. The reader, the "did you mean", the JSON Schema and the reference
//! page come from it; nothing else may know a key that does not stand here.

mod body;
mod kind;
mod policy;
mod table;
mod task;
mod top;

pub use kind::Kind;
pub use table::Table;

use crate::lang::expr::RESERVED_FUNCTIONS;
use crate::lang::{settings, trial};

/// One key of one table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table that it stands in.
    pub table: Table,
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// What holds when it is left out, in words or as written; empty when nothing does.
    pub default: &'static str,
    /// What it means: one or two sentences of Markdown.
    pub doc: &'static str,
    /// A few lines of TOML that show it in its table; `tests/lang/reference.rs` checks them as part of a pipeline.
    pub example: &'static str,
    /// Whether this version has it.
    pub status: Status,
}

/// Whether this version has a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// May be left out.
    Optional,
    /// Must be given.
    Required,
    /// Part of the language, not of this version.
    Planned,
}

use Status::{Optional, Planned, Required};

const fn key(
    table: Table,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Key {
    Key { table, name, kind, default, doc, example, status: Optional }
}

const fn required(table: Table, name: &'static str, kind: Kind, doc: &'static str, example: &'static str) -> Key {
    Key { table, name, kind, default: "", doc, example, status: Required }
}

const fn planned(table: Table, name: &'static str, doc: &'static str) -> Key {
    Key { table, name, kind: Kind::Value, default: "", doc, example: "", status: Planned }
}

const U32: i64 = u32::MAX as i64;

/// Every key, those of `flowrun.toml` last; each table's in the order of the reference page.
pub fn all() -> impl Iterator<Item = &'static Key> {
    [top::KEYS, task::KEYS, body::KEYS, policy::KEYS, trial::KEYS].into_iter().flatten().chain(settings::keys())
}

/// The words of `on_max`.
pub const ON_MAX: [&str; 2] = ["fail", "accept"];

const MAX_FAILURES: &str = "How many items may fail: a number, or a share of the whole list (`\"5%\"`). Up to there a \
    failure in the body counts for its item alone, whose results are null; beyond it the map fails.";
const ON_ERROR: &str = "What a failure means: `fail` starts nothing new, `continue` goes on with what does not need it, \
    `ignore` lets it be: the outputs are null, and the run ends with exit code 4.";
const REQUIRE: &str = "How many items of each map that it reads must have ended well: `all`, `any`, or a share \
    (`\"80%\"`). It then runs also after a map that failed; what failed is null.";

/// Names that every expression may use; nothing else may be called so.
pub const SCOPE_NAMES: &[&str] =
    &["params", "inputs", "outputs", "vars", "resources", "item", "index", "attempt", "run", "project", "env", "carry"];

/// Words that the grammar of expressions keeps for itself.
pub const GRAMMAR_WORDS: &[&str] =
    &["and", "else", "false", "False", "if", "in", "is", "loop", "none", "None", "not", "or", "self", "true", "True"];

/// What is reserved about a name; `None` when it is free.
pub fn reserved(name: &str) -> Option<&'static str> {
    if SCOPE_NAMES.contains(&name) {
        Some("has a meaning of its own in expressions")
    } else if RESERVED_FUNCTIONS.contains(&name) {
        Some("is a function of the expression language")
    } else if GRAMMAR_WORDS.contains(&name) {
        Some("is a word of the expression language")
    } else {
        None
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once() {
        for (i, key) in all().enumerate() {
            let same = |other: &&Key| other.table == key.table && other.name == key.name;
            assert!(!all().take(i).any(|other| same(&other)), "{:?}.{}", key.table, key.name);
            assert!(key.doc.ends_with(['.', '`', ')']), "{:?}.{} has no sentence", key.table, key.name);
        }
    }

    #[test]
    fn a_shorthand_takes_what_its_map_takes() {
        for name in ["over", "as", "key", "where", "group_by", "chunk", "max_parallel", "max_failures"] {
            let kind = |table: Table| table.key(name).map(|key| key.kind);
            assert_eq!(kind(Table::Task), kind(Table::Map), "{name}");
        }
    }

    #[test]
    fn names_are_letters_digits_and_underscores() {
        assert!(["a", "_", "A1_b"].into_iter().all(is_name));
        assert!(!["", "1a", "a-b", "é", "a.b", "a b"].into_iter().any(is_name));
        assert_eq!(reserved("params"), Some("has a meaning of its own in expressions"));
        assert_eq!(reserved("first"), Some("is a function of the expression language"));
        assert_eq!(reserved("in"), Some("is a word of the expression language"));
        assert_eq!(reserved("align"), None);
    }
}
