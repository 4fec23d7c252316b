//! Colours for text on a terminal, or none. Whether to colour is decided by the command line, never here.

use std::fmt::Display;

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// With colours.
    pub const ON: Paint = Paint { on: true };
    /// Without.
    pub const OFF: Paint = Paint { on: false };

    /// Colours when `on`.
    pub fn new(on: bool) -> Self {
        Self { on }
    }
    /// Whether it colours.
    pub fn is_on(self) -> bool {
        self.on
    }
    fn sgr(self, code: &str, text: impl Display) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
    /// Headings and verdicts.
    pub fn bold(self, text: impl Display) -> String {
        self.sgr("1", text)
    }
    /// What matters less.
    pub fn dim(self, text: impl Display) -> String {
        self.sgr("2", text)
    }
    /// Failures.
    pub fn red(self, text: impl Display) -> String {
        self.sgr("1;31", text)
    }
    /// Successes.
    pub fn green(self, text: impl Display) -> String {
        self.sgr("32", text)
    }
    /// Warnings and what waits.
    pub fn yellow(self, text: impl Display) -> String {
        self.sgr("33", text)
    }
    /// The way out, and what is at work.
    pub fn cyan(self, text: impl Display) -> String {
        self.sgr("36", text)
    }
}
