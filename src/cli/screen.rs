//! Where text goes and how it may look: colours, a live display, and writing that survives a reader that went away.

use super::Failed;
use crate::base::paint::Paint;
use std::io::{ErrorKind, IsTerminal, Write};

/// What standard output and standard error are, and what the environment asks for.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// For standard output.
    pub out: Paint,
    /// For standard error.
    pub err: Paint,
    /// Whether a display may be drawn on standard error.
    pub live: bool,
}

impl Screen {
    /// As this process was started.
    pub fn here() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let paint = |terminal: bool| {
            let asked = set("CLICOLOR_FORCE") || (terminal && !dumb);
            let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            Paint::new(asked && !refused)
        };
        let err = std::io::stderr().is_terminal();
        Self { out: paint(std::io::stdout().is_terminal()), err: paint(err), live: err && !dumb && !set("CI") }
    }
}

/// Writes to standard output. That nobody reads it any more (`| head`) is no error.
pub fn print(text: impl AsRef<[u8]>) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(cannot_print(&error)),
        _ => Ok(()),
    }
}

/// Writes to standard output what is too long to be held in memory.
pub fn stream(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Failed> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(cannot_print(&error)),
        _ => Ok(()),
    }
}

/// Whatever went wrong with standard output.
pub fn cannot_print(error: &std::io::Error) -> Failed {
    Failed::machine(format!("cannot write to standard output: {error}"), None)
}

/// Writes to standard error, which must not fail.
pub fn complain(text: impl AsRef<[u8]>) {
    let _ = std::io::stderr().lock().write_all(text.as_ref());
}
