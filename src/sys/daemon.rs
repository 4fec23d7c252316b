//! A process of ours that goes on when we end, and the terminal with us.

use super::fault::{At, Fault, Result};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts this very program with other words. What it says is added to a file. It calls [`leave_terminal`] itself.
///
/// # Errors
/// The file cannot be written, or there is no room for a process.
pub fn start(words: &[&OsStr], folder: &Path, log: &Path) -> Result<Child> {
    let said = OpenOptions::new().append(true).create(true).open(log).at("write", log)?;
    let program = std::env::current_exe().map_err(|error| Fault::io("find", Path::new("flowrun"), &error))?;
    Command::new(&program)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(said.try_clone().at("write", log)?)
        .stderr(said)
        .spawn()
        .at("start", &program)
}

/// Leads a session without a terminal from now on: whose terminal it was takes nothing along.
pub fn leave_terminal() {
    // Whoever leads a session already has left it.
    let _ = rustix::process::setsid();
}
