//! Expressions: compiled once when the file is checked, evaluated many times over a [`Frame`].
//!
//! The language is Jinja's expression language, by minijinja in strict mode with a fuel limit. Knows nothing of nodes:
//! which names exist is the plan's business, values come in a [`Frame`].

mod compile;
mod convert;
mod functions;
mod names;
mod report;
#[cfg(test)]
mod said;
mod split;
mod template;
#[cfg(test)]
mod tests;

pub use functions::{FILTERS, FUNCTIONS, RESERVED_FUNCTIONS, TESTS};
pub use names::{Frame, Names};
pub use split::literals;
pub use template::{Known, Template};

use crate::diag::Span;
use std::ops::Range;
use std::sync::Arc;

/// One dotted name that an expression reads: `params.multiplier`, `sample.fq1`, `process_data.compute.value`.
/// Only constant attributes belong to the path; `samples[0].x` reads `samples`, `row['sample-id']` reads both names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRead {
    /// The names, outermost first; never empty.
    pub path: Vec<Arc<str>>,
    /// Where the path stands in the text that holds the expression (bytes of [`Text::value`](crate::lang::model::Text)).
    pub range: Range<usize>,
    /// Whether null is fine here, so that a skipped node is no reason to skip the reader:
    /// inside `first(…)`, `… | default(…)`, `… is none`, `… is not none`, or anywhere in an expression that asks
    /// `is none` of the same path.
    pub tolerates_null: bool,
}

/// What the string is for; decides how holes are filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// A value: a string that is one single `{{ … }}` keeps its native type, any other is text.
    Value,
    /// A command for a shell of the Bourne family: holes are quoted for the place where they stand.
    Command,
    /// A command for a shell that we cannot quote for: a hole is an error at check.
    ForeignCommand,
}

/// Why an expression could not be evaluated, or its value not be put where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalError {
    /// One sentence.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The hole.
    pub span: Span,
}
