//! What an end means, in a sentence.

use crate::base::amount::show_duration;
use crate::base::text::quote;
use crate::event::{Cause, Failure};
use crate::sys::find::NotFound;
use crate::sys::spawn::{End, NotSpawned, Stage};
use std::ffi::OsStr;
use std::path::Path;

/// `SIGKILL (9)`.
pub fn signal(number: i32) -> String {
    match name(number) {
        Some(name) => format!("{name} (signal {number})"),
        None => format!("signal {number}"),
    }
}

fn name(number: i32) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    NAMES.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}

fn failure(cause: Cause, message: String, help: Option<String>) -> Failure {
    Failure { cause, message: message.into(), help: help.map(Into::into) }
}

/// An attempt that was killed for lack of memory.
pub fn out_of_memory() -> Failure {
    let help = "give it more with `resources.memory`, or run fewer at once with `-j`";
    failure(Cause::Oom, "killed for lack of memory".to_owned(), Some(help.to_owned()))
}

/// An attempt that ended badly on a disk without room, whatever it said itself.
pub fn full_disk(failure: Failure, folder: &Path) -> Failure {
    let place = quote(&folder.to_string_lossy());
    let help = format!("free some space on the file system of {place}, then give the same command again");
    let message = format!("{}: the disk is full", failure.message);
    Failure { message: message.into(), help: failure.help.or(Some(help.into())), ..failure }
}

/// An attempt that ran too long.
pub fn timeout(limit_ms: u64) -> Failure {
    let message = format!("stopped: it ran longer than its `time`, {}", show_duration(limit_ms));
    failure(Cause::Timeout, message, Some("give it more with `resources.time`".to_owned()))
}

/// An attempt that was stopped on request.
pub fn stopped() -> Failure {
    failure(Cause::Stopped, "stopped on request".to_owned(), None)
}

/// A process that ended badly. `errors` are the last lines of its standard error, `path` is where it looks for programs.
pub fn ended(end: End, errors: &[u8], path: &OsStr) -> Failure {
    let status = match end {
        End::Signal(number) => return failure(Cause::Signal(number), format!("killed by {}", signal(number)), None),
        End::Exit(status) => status,
    };
    let text = String::from_utf8_lossy(errors);
    // What sh, dash, bash, ksh and zsh say, and env.
    let named = |endings: &[&str]| {
        text.lines().rev().find_map(|line| {
            let line = line.trim_end();
            if let Some((_, word)) = line.split_once("command not found: ") {
                return Some(word.to_owned());
            }
            let before = endings.iter().find_map(|ending| line.strip_suffix(ending))?;
            Some(before.rsplit(": ").next()?.trim_matches(['‘', '’', '\'', '"']).to_owned())
        })
    };
    let (message, help) = match status {
        127 => match named(&[
            ": command not found",
            ": not found",
            ": inaccessible or not found",
            ": No such file or directory",
        ]) {
            Some(word) if word.contains('/') => (format!("exit status 127: there is no {}", quote(&word)), None),
            Some(word) => (
                format!("exit status 127: the command {} was not found", quote(&word)),
                Some(looked_in(path, Path::new("."))),
            ),
            None => ("exit status 127: a command was not found".to_owned(), Some(looked_in(path, Path::new(".")))),
        },
        126 => match named(&[": Permission denied", ": cannot execute", ": Is a directory"]) {
            Some(word) => (
                format!("exit status 126: {} cannot be executed", quote(&word)),
                Some(format!("`chmod +x {word}`, if it is a program")),
            ),
            None => ("exit status 126: a command cannot be executed".to_owned(), None),
        },
        129..=159 => match name(status - 128) {
            Some(name) => (format!("exit status {status}: a process in it was ended by {name}"), None),
            None => (format!("exit status {status}"), None),
        },
        _ => (format!("exit status {status}"), None),
    };
    failure(Cause::Exit(status), message, help)
}

/// The same, for what ran in a container: where it looked is the image's matter.
pub fn ended_inside(end: End, engine: &str, failure: Failure) -> Failure {
    let help = match end {
        End::Exit(125) => format!("`{engine}` could not run the container: the log says why"),
        End::Exit(126 | 127) => "the command and its shell are looked for in the image; `shell = [\"sh\", \"-euc\"]` \
                                 where it has no bash"
            .to_owned(),
        _ => return failure,
    };
    Failure { help: Some(help.into()), ..failure }
}

fn looked_in(path: &OsStr, dir: &Path) -> String {
    if path.is_empty() {
        return "`PATH` is empty".to_owned();
    }
    let mut folders: Vec<String> = Vec::new();
    for folder in std::env::split_paths(path).map(|p| quote(&dir.join(p).to_string_lossy())) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    format!("looked in {}", folders.join(", "))
}

/// A program that is not there.
pub fn no_program(name: &OsStr, why: &NotFound, path: &OsStr, dir: &Path) -> Failure {
    let shown = quote(&name.to_string_lossy());
    let (message, help) = match why {
        NotFound::Nowhere if name.is_empty() => ("the name of the program is empty".to_owned(), None),
        NotFound::Nowhere if name.to_string_lossy().contains('/') => {
            let whole = dir.join(name);
            let help = (whole != Path::new(name)).then(|| format!("looked for {}", quote(&whole.to_string_lossy())));
            (format!("the program {shown} does not exist"), help)
        }
        NotFound::Nowhere => (format!("the program {shown} was not found"), Some(looked_in(path, dir))),
        NotFound::NotExecutable(file) => {
            let file = file.to_string_lossy();
            (format!("{} is not executable", quote(&file)), Some(format!("`chmod +x {file}`, if it is a program")))
        }
        NotFound::Folder(file) => (format!("{} is a folder, not a program", quote(&file.to_string_lossy())), None),
    };
    failure(Cause::NotStarted, message, help)
}

/// A program that is there and could not be started.
pub fn not_spawned(error: &NotSpawned, program: &Path, dir: &Path) -> Failure {
    let reason = crate::sys::fault::reason(&error.error);
    let shown = quote(&program.to_string_lossy());
    let code = error.error.raw_os_error();
    let (message, help) = match error.stage {
        Stage::Folder => (format!("cannot start in the folder {}: {reason}", quote(&dir.to_string_lossy())), None),
        Stage::Program if code == Some(libc::ENOENT) => match interpreter(program) {
            Some(line) => (
                format!("{shown} cannot be started: its first line names {}, which does not exist", quote(&line)),
                Some("install that program, or mend the line".to_owned()),
            ),
            None => (
                format!("{shown} cannot be started: {reason}"),
                Some("its loader or a part of it is missing; is it made for this system?".to_owned()),
            ),
        },
        Stage::Program if code == Some(libc::ENOEXEC) => (
            format!("{shown} is neither a program for this system nor a script"),
            Some("a script begins with a line such as `#!/bin/sh`".to_owned()),
        ),
        Stage::Program if code == Some(libc::E2BIG) => {
            (format!("the arguments and the environment of {shown} are too long together"), Some(hand_over()))
        }
        Stage::Program => (format!("{shown} cannot be started: {reason}"), None),
        Stage::Process if code == Some(libc::EAGAIN) => (
            format!("no process could be started: {reason}"),
            Some("the limit of processes is reached (`ulimit -u`, or of the control group)".to_owned()),
        ),
        Stage::Process | Stage::Setup => (format!("no process could be started: {reason}"), None),
    };
    failure(Cause::NotStarted, message, help)
}

/// What stands behind `#!`.
fn interpreter(program: &Path) -> Option<String> {
    use std::io::Read;
    let mut head = [0; 256];
    let n = std::fs::File::open(program).and_then(|mut f| f.read(&mut head)).ok()?;
    let line = head[..n].strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    String::from_utf8_lossy(line).split_whitespace().next().map(str::to_owned)
}

/// A word that the system would not take. `what` is `argument 2 of `wc``.
pub fn too_long(what: &str, bytes: usize, longest: usize) -> Failure {
    let message = format!("{what} has {bytes} bytes; the system takes {longest} at most");
    failure(Cause::NotStarted, message, Some(hand_over()))
}

fn hand_over() -> String {
    "hand long values over in a file: declare them in `vars` and read them from the JSON file `$FLOWRUN_VARS`"
        .to_owned()
}

/// A NUL where none can be.
pub fn nul(what: &str) -> Failure {
    failure(Cause::NotStarted, format!("{what} holds a NUL byte, which no process can be given"), None)
}

/// Something of the machine that stood in the way before the process was started.
pub fn fault(fault: crate::sys::Fault) -> Failure {
    failure(Cause::Prepare, fault.what, fault.help)
}
