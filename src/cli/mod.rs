//! Floor 7: arguments -> settings -> one function a command. The only place that names concrete backends, stores and
//! views, and that prints.

pub mod args;
pub mod exit;
pub mod registry;
pub mod settings;

use clap::Parser;
use std::process::ExitCode;

/// Why a command ends here, with its exit code.
#[derive(Debug)]
pub struct Failed {
    /// From the table in `exit`.
    pub code: u8,
    /// One sentence.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Failed {
    /// What was typed is wrong.
    pub fn usage(message: impl Into<String>, help: Option<String>) -> Self {
        Self { code: exit::USAGE, message: message.into(), help }
    }
    /// The store or the backend cannot be used.
    pub fn machine(message: impl Into<String>, help: Option<String>) -> Self {
        Self { code: exit::MACHINE, message: message.into(), help }
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let _ = cli;
    ExitCode::from(exit::OK)
}
