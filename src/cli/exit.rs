//! Every exit code, in one table: the help, the man page and the code itself read it from here.

use crate::driver::Error;
use crate::event::RunState;
use crate::port::ended::{End, Ended};
use crate::sys::{Fault, FaultKind};

/// All went well.
pub const OK: u8 = 0;
/// A task failed.
pub const FAILED: u8 = 1;
/// What was typed is wrong.
pub const USAGE: u8 = 2;
/// Store or backend.
pub const MACHINE: u8 = 3;
/// Failures that the file allows.
pub const TOLERATED: u8 = 4;
/// The lock is taken.
pub const HELD: u8 = 75;
/// A panic.
pub const BUG: u8 = 101;

/// Code and meaning, as help and man page print them.
pub const TABLE: &[(&str, &str)] = &[
    ("0", "all succeeded"),
    ("1", "a task failed"),
    ("2", "the command line, the pipeline file or the parameters are wrong; nothing was run"),
    ("3", "the store or the backend could not be used"),
    ("4", "finished, with failures that the pipeline allows"),
    ("75", "another run holds this pipeline (`--wait` to wait)"),
    ("101", "a mistake of flowrun itself"),
    ("130, 143", "stopped by SIGINT, by SIGTERM or `flowrun cancel`"),
];

/// The code of a run that is over or was stopped.
pub fn of_run(ended: &Ended) -> u8 {
    match ended.end {
        End::Stopped { signal } => of_signal(signal),
        End::Cancelled => of_signal(15),
        End::Finished(RunState::Failed) => FAILED,
        End::Finished(RunState::Succeeded) if ended.has_ignored() => TOLERATED,
        End::Finished(RunState::Succeeded) | End::Detached => OK,
    }
}

/// The code of what a signal stopped.
pub fn of_signal(signal: i32) -> u8 {
    128u8.saturating_add(u8::try_from(signal).unwrap_or(0))
}

/// The code of a command that came to no end.
pub fn of_error(error: &Error) -> u8 {
    match error {
        Error::Diagnostics { .. } | Error::Usage { .. } => USAGE,
        Error::Fault(fault) if fault.kind == FaultKind::Held => HELD,
        Error::Store(error) if error.downcast_ref::<Fault>().is_some_and(|f| f.kind == FaultKind::Held) => HELD,
        Error::Store(_) | Error::Backend(_) | Error::Fault(_) => MACHINE,
        Error::Held { .. } | Error::AtWork { .. } => HELD,
    }
}

/// The table as the help shows it, 80 columns at most.
pub fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in TABLE {
        let mut line = format!("  {code:<9}");
        for word in meaning.split(' ') {
            if line.len() + word.len() > 78 {
                text.push_str(line.trim_end());
                text.push('\n');
                line = " ".repeat(11);
            }
            line.push_str(word);
            line.push(' ');
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.pop();
    text
}
