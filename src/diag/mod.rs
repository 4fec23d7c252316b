//! Diagnostics: what is wrong with a pipeline file, where, and the way out.
//!
//! Every mistake has a code ([`codes`]), a place, one sentence and one way out.

pub mod codes;
mod json;
mod render;
#[cfg(test)]
mod tests;

pub use json::to_json;
pub use render::render;

use crate::base::text::floor;
use serde::Serialize;

/// A file that was read, by its place in [`Sources`].
pub type FileId = u16;

/// A range of bytes in one source file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span {
    /// Which file of [`Sources`].
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// Something with its place in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spanned<T> {
    /// The thing.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

/// The texts that spans point into.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct Sources {
    /// Path as the user named it, and text.
    pub files: Vec<(String, std::sync::Arc<str>)>,
}

impl Sources {
    /// Takes a file in and gives the id that its spans carry.
    ///
    /// Panics beyond 65,536 files.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<std::sync::Arc<str>>) -> FileId {
        let id = FileId::try_from(self.files.len()).expect("more than 65,536 source files");
        self.files.push((path.into(), text.into()));
        id
    }
    /// The path as the user named it; empty for a file that is not there.
    pub fn path(&self, file: FileId) -> &str {
        self.files.get(usize::from(file)).map_or("", |(path, _)| path)
    }
    /// The text; empty for a file that is not there.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(usize::from(file)).map_or("", |(_, text)| text)
    }
    /// What stands at a place; empty where the place is not in the text.
    pub fn snippet(&self, span: Span) -> &str {
        self.text(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }
    /// Line and column of an offset, both from 1; the column counts characters. An offset past the end is the end of
    /// the last line.
    pub fn line_column(&self, file: FileId, offset: u32) -> (u32, u32) {
        let text = self.text(file);
        let before = &text[..within(text, offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.bytes().filter(|b| *b == b'\n').count();
        let column = 1 + before[line_start..].chars().count();
        (line as u32, column as u32)
    }
}

/// The offset, on a character of the text; past the end it is the end of the last line.
fn within(text: &str, offset: u32) -> usize {
    let last = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text).len();
    let offset = offset as usize;
    floor(text, if offset < text.len() { offset } else { last })
}

/// Brings diagnostics into the order of the file and drops repetitions; those without a place come first.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let place = |d: &Diagnostic| d.primary.as_ref().map(|label| label.span);
        place(a).cmp(&place(b)).then_with(|| a.code.cmp(b.code)).then_with(|| a.message.cmp(&b.message))
    });
    diagnostics.dedup();
}

/// An underlined place with a word about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What stands there; may be empty.
    pub text: String,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// Said, and the run goes on.
    Warning,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The code, from [`codes`].
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// The place that is wrong; `None` for the command line.
    pub primary: Option<Label>,
    /// Other places that belong to it (the first of two duplicates).
    pub others: Vec<Label>,
    /// How to mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            primary: Some(Label { span, text: String::new() }),
            others: Vec::new(),
            help: None,
        }
    }
    /// An error that has no place in a file: the command line or the environment.
    pub fn bare(code: &'static str, message: impl Into<String>) -> Self {
        Self { primary: None, ..Self::error(code, Span::default(), message) }
    }
    /// Makes it a warning.
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
    /// The word under the underline.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = &mut self.primary {
            label.text = text.into();
        }
        self
    }
    /// Another place that belongs to it.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.others.push(Label { span, text: text.into() });
        self
    }
    /// The way out.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}
