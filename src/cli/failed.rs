//! A command that came to no end: what is said, and the exit code.

use super::args::Output;
use super::exit;
use super::screen::{Screen, complain, print};
use crate::base::paint::Paint;
use crate::diag::{self, Diagnostic, Sources};
use crate::driver::Error;
use crate::report::json;
use crate::sys::Fault;
use std::path::Path;

/// Why a command ends here, with its exit code.
#[derive(Debug)]
pub struct Failed {
    /// From the table in `exit`.
    pub code: u8,
    /// One sentence; of mistakes in a file, their count.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// Mistakes in the file or the params.
    pub diagnostics: Option<(Vec<Diagnostic>, Sources)>,
}

impl Failed {
    fn new(code: u8, message: impl Into<String>, help: Option<String>) -> Self {
        Self { code, message: message.into(), help, diagnostics: None }
    }
    /// What was typed is wrong.
    pub fn usage(message: impl Into<String>, help: Option<String>) -> Self {
        Self::new(exit::USAGE, message, help)
    }
    /// A file that the user named cannot be written.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        let fault = Fault::io("write", path, error);
        Self::usage(fault.what, fault.help)
    }
    /// The store or the backend, or the machine under them, cannot be used.
    pub fn machine(message: impl Into<String>, help: Option<String>) -> Self {
        Self::new(exit::MACHINE, message, help)
    }

    /// Says it on standard error; with `--output json` mistakes also go to standard output as one document.
    pub fn say(&self, screen: Screen, output: Output) {
        let json = output == Output::Json;
        match &self.diagnostics {
            Some((list, sources)) => {
                if json {
                    let _ = print(json::line(&diag::to_json(list, sources)));
                }
                complain(diag::render(list, sources, screen.err.is_on()));
            }
            None => complain(self.text(screen.err)),
        }
    }

    fn text(&self, paint: Paint) -> String {
        let mut text = format!("{} {}\n", paint.red("error:"), self.message);
        if let Some(help) = &self.help {
            text.push_str(&format!("  {} {help}\n", paint.cyan("help:")));
        }
        text
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let code = exit::of_error(&error);
        let message = error.to_string();
        match error {
            Error::Diagnostics { list, sources } => {
                Self { diagnostics: Some((list, sources)), ..Self::new(code, message, None) }
            }
            Error::Usage { help, .. } => Self::new(code, message, help),
            Error::Store(error) | Error::Backend(error) => {
                let help = error.downcast_ref::<Fault>().and_then(|fault| fault.help.clone());
                Self::new(code, message, help)
            }
            Error::Held { .. } => Self::new(
                code,
                message,
                Some("`--wait` waits until it has ended; `flowrun status` shows what it does".to_owned()),
            ),
            Error::AtWork { .. } => {
                Self::new(code, message, Some("what it has can be removed when it has ended".to_owned()))
            }
            Error::Fault(fault) => Self::new(code, message, fault.help),
        }
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::machine(fault.what, fault.help)
    }
}
