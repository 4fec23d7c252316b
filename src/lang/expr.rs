//! Expressions: compiled once when the file is checked, evaluated many times over a [`Frame`].
//!
//! The language is Jinja's expression language, by minijinja in strict mode with a fuel limit.

use crate::base::Value;
use crate::diag::Diagnostic;
use crate::lang::model::Text;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// One dotted name that an expression reads: `params.multiplier`, `sample.fq1`, `process_data.compute.value`.
/// Only constant attributes belong to the path; `samples[0].x` reads `samples`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRead {
    /// The names, outermost first; never empty.
    pub path: Vec<Arc<str>>,
    /// Where the path stands in the text that holds the expression (bytes of [`Text::value`]).
    pub range: Range<usize>,
    /// Whether null is fine here, so that a skipped node is no reason to skip the reader:
    /// inside `first(…)`, `… | default(…)`, `… is none`, `… is not none`.
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

/// A string with `{{ expression }}` in it, split and compiled.
#[derive(Debug)]
pub struct Template {
    pieces: Vec<Piece>,
    usage: Use,
    text: Text,
}

#[derive(Debug)]
enum Piece {
    Literal(Range<usize>),
}

/// Why an expression could not be evaluated, or its value not be put where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalError {
    /// One sentence.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The hole, in bytes of the text.
    pub range: Range<usize>,
}

/// Names that the expressions of one node may look up: a tree of dotted names whose leaves are slots of a [`Frame`].
/// Where both `sample` and `sample.fq1` are asked for, `sample` is the leaf.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    leaves: BTreeMap<Vec<Arc<str>>, u32>,
}

/// The values of one node's names for one instance. A slot that was never set is an error when it is read.
#[derive(Clone, Debug)]
pub struct Frame {
    names: Arc<Names>,
    values: Vec<Option<Value>>,
}

impl Names {
    /// Slots are given in the order of the paths; of two paths where one begins the other, only the shorter one
    /// gets a slot.
    pub fn new(paths: impl IntoIterator<Item = Vec<Arc<str>>>) -> Self {
        let _ = paths;
        unimplemented!()
    }
    /// The slot that holds this path, or a beginning of it.
    pub fn slot(&self, path: &[Arc<str>]) -> Option<usize> {
        let _ = (&self.leaves, path);
        unimplemented!()
    }
    /// Every path that has a slot, in slot order.
    pub fn paths(&self) -> Vec<&[Arc<str>]> {
        unimplemented!()
    }
}

impl Frame {
    /// A frame whose first slots hold `values`; `None`: the value that was asked for has no such field.
    pub fn new(names: &Arc<Names>, values: Vec<Option<Value>>) -> Self {
        let _ = (names, values);
        unimplemented!()
    }
    /// Sets the leaf of a path; does nothing when no expression asks for it.
    pub fn set(&mut self, path: &[&str], value: Value) {
        let _ = (&self.names, &mut self.values, path, value);
        unimplemented!()
    }
    /// Whether some expression asks for this path (or a beginning of it), so that its value must be found.
    pub fn wants(&self, path: &[&str]) -> bool {
        let _ = path;
        unimplemented!()
    }
}

impl Template {
    /// Splits and compiles; mistakes go to `diagnostics` and give `None`.
    pub fn compile(text: &Text, usage: Use, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let _ = (text, usage, diagnostics);
        unimplemented!()
    }
    /// The literal text when there is no hole.
    pub fn as_literal(&self) -> Option<&str> {
        unimplemented!()
    }
    /// The text as written; it is what counts in a key.
    pub fn source(&self) -> &Text {
        &self.text
    }
    /// Whether the string is one single `{{ … }}`.
    pub fn is_single(&self) -> bool {
        let _ = (&self.pieces, self.usage);
        unimplemented!()
    }
    /// Every name that the holes read.
    pub fn reads(&self) -> Vec<PathRead> {
        unimplemented!()
    }
    /// The text with each hole replaced by `*` (what is known of a path before it runs).
    pub fn as_pattern(&self) -> String {
        unimplemented!()
    }
    /// The native value of a single hole, else text. Null and lists with null are kept.
    pub fn eval(&self, frame: &Frame) -> Result<Value, EvalError> {
        let _ = frame;
        unimplemented!()
    }
    /// Text: what an environment variable or a path becomes. Null and lists with null are errors.
    pub fn eval_text(&self, frame: &Frame) -> Result<Vec<u8>, EvalError> {
        let _ = frame;
        unimplemented!()
    }
    /// Arguments: a single hole with a list gives one argument an element, anything else one argument.
    pub fn eval_words(&self, frame: &Frame) -> Result<Vec<Vec<u8>>, EvalError> {
        let _ = frame;
        unimplemented!()
    }
    /// A command with every hole quoted for its place ([`Use::Command`]).
    pub fn eval_command(&self, frame: &Frame) -> Result<Vec<u8>, EvalError> {
        let _ = frame;
        unimplemented!()
    }
}
