//! The shells of the Bourne family, as far as flowrun must know them: where in a command a hole stands ([`read`]), how
//! a value is written there ([`fill`]), and which literal words a command has.
//!
//! The rule of this house: no value ever becomes syntax. Where the reader is not certain, or where two shells read
//! one text differently, a hole is refused at check. Knows nothing of expressions, files or runs.

mod commands;
mod document;
mod expansion;
pub mod plain;
mod programs;
mod quote;
mod reader;
#[cfg(test)]
mod tests;

pub use quote::{Refusal, check_doc, fill, text};
pub use reader::read;

use std::ops::Range;
use std::sync::Arc;

/// What is known of a command from its literal text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// One for each hole, in order.
    pub spots: Vec<Spot>,
    /// The here-documents that hold holes.
    pub docs: Vec<Doc>,
    /// Literal words that might name a file; never the target of `>` or `>>`.
    pub words: Vec<Arc<str>>,
    /// Holes that become part of a program for another interpreter: which hole, and the interpreter's name.
    pub handed_on: Vec<(usize, Arc<str>)>,
}

/// Where a hole stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// The quotes around it.
    pub place: Place,
    /// Whether only a number may stand there, for the shell computes with it.
    pub demand: Option<Demand>,
    /// What a list may become.
    pub lists: Lists,
    /// The here-documents around it, by their positions in [`Reading::docs`].
    pub docs: Vec<usize>,
    /// Whether it stands in backticks, which take away one level of backslashes.
    pub backticks: bool,
    /// Why no value can be put there.
    pub problem: Option<Problem>,
}

/// The quotes around a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Outside quotes.
    Word,
    /// Inside `"…"`.
    Double,
    /// Inside `'…'`.
    Single,
    /// Where the shell computes: bare.
    Arithmetic,
    /// In the body of a here-document, by its position in [`Reading::docs`].
    HereDoc(usize),
    /// In a comment: nothing is put there.
    Comment,
}

/// A number that must stand somewhere, for the shell computes with whatever stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// An integer; a negative one is `(-5)`, so that no sign before it changes its meaning.
    Integer,
    /// An integer; a negative one is `-5`: an operand of `[`, an argument of `exit`.
    PlainInteger,
    /// An integer or a fraction: an argument of `printf '%f'`.
    Number,
}

/// What a list may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// One word an element.
    Words,
    /// One word an element, but at least one: with none, the next word would become the command.
    SomeWords,
    /// Nothing: the hole is attached to text, in quotes, or where the shell wants one word.
    Refused,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq)]
pub struct Doc {
    /// The line that ends it.
    pub delimiter: Vec<u8>,
    /// Whether the delimiter was quoted, so that the shell leaves the body alone.
    pub quoted: bool,
    /// Whether the shell takes tabs away from the beginning of its lines (`<<-`).
    pub strips_tabs: bool,
    /// Whether it stands in `$(…)`, where ksh joins lines that end with a backslash even when the delimiter was quoted.
    pub nested: bool,
}

/// Why no value can be put at a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Behind a backslash, which would take the first quote away.
    Backslash,
    /// Behind `$`, which together with a quote or a name means something else.
    Dollar,
    /// Behind `$name` in a here-document, whose name it would lengthen.
    Name,
    /// In a subscript that some shells see and others do not: `$name[…]`.
    Subscript,
    /// Inside `$'…'`.
    AnsiC,
    /// Inside `${…}`, but for offsets and subscripts.
    Expansion,
    /// The delimiter of a here-document.
    Delimiter,
    /// Inside backticks within backticks, within `${…}` or arithmetic, or around a here-document.
    Backticks,
    /// In a pattern in parentheses, or a list in parentheses that only some shells know.
    Parentheses,
    /// The name of a variable, in which the shell evaluates subscripts: `unset`, `read`, `[[ -v`.
    Variable(Arc<str>),
    /// A name that the shell wants as it stands: of a loop's variable, a function.
    Literal(&'static str),
    /// The number of a file descriptor.
    Descriptor,
    /// After something that is never closed; where that begins in the text, and what it is.
    Unclosed(Range<usize>, &'static str),
    /// After something that shells read differently; where that is in the text, and what it is.
    Lost(Range<usize>, &'static str),
}

/// Whether the argument vector is a shell of the Bourne family that takes a command as its last word:
/// `sh`, `dash`, `bash`, `ksh` or `zsh`, by whatever path, maybe through `env`.
pub fn is_bourne<S: AsRef<str>>(argv: &[S]) -> bool {
    let mut words = argv.iter().map(AsRef::as_ref);
    let mut program = words.next().map(name_of);
    if program == Some("env") {
        program = words.find(|word| !word.starts_with('-') && !word.contains('=')).map(name_of);
    }
    program.is_some_and(|name| SHELLS.contains(&name))
}

const SHELLS: &[&str] = &["sh", "dash", "bash", "ksh", "ksh93", "mksh", "zsh", "ash"];

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The literal words of a command that might name a file of the project, as [`Reading::words`].
pub fn words(text: &str) -> Vec<Arc<str>> {
    read(text, &[]).words
}
