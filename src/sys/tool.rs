//! External programs that answer a question: each call with its input, its output and a time-out of its own.

use super::fault::{self, Fault};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It could not be started.
    #[error("`{program}` cannot be started: {error}")]
    NotStarted {
        /// Its name.
        program: String,
        /// Why.
        error: std::io::Error,
    },
    /// It did not end in time and was killed: what it was to do may have been done.
    #[error("`{program}` did not answer within {seconds} s")]
    Silent {
        /// Its name.
        program: String,
        /// The time-out.
        seconds: u64,
        /// What it had written to standard error until then.
        err: String,
    },
}

/// Runs a program with this input until it ends, at most so long.
pub fn ask(words: &[&str], input: &str, limit: Duration) -> Result<Answer, NoAnswer> {
    let program = words[0].to_owned();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| NoAnswer::NotStarted { program: program.clone(), error })?;
    let (done, over) = crossbeam::channel::bounded::<()>(1);
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = child.stdout.take().expect("piped");
    let mut stderr = child.stderr.take().expect("piped");
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let input = input.as_bytes();
        // A program that does not read its input is none of our business.
        scope.spawn(move || stdin.write_all(input).ok());
        let err = scope.spawn(move || text(&mut stderr));
        let out = scope.spawn(move || {
            let out = text(&mut stdout);
            drop(done);
            out
        });
        // The end of its output is the end of the program; whoever inherited it is killed with it.
        let silent = matches!(over.recv_timeout(limit), Err(crossbeam::channel::RecvTimeoutError::Timeout));
        let left = limit.saturating_sub(begin.elapsed());
        let status = if silent { None } else { ended(&mut child, left) };
        if status.is_none() {
            if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
                // It has ended by itself meanwhile, or is killed here.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = child.wait();
        }
        let read = |thread: std::thread::ScopedJoinHandle<'_, String>| thread.join().unwrap_or_default();
        let (out, err) = (read(out), read(err));
        match status {
            Some(status) => Ok(Answer { code: status.code(), out, err }),
            None => Err(NoAnswer::Silent { program, seconds: limit.as_secs(), err }),
        }
    })
}

/// Hands our place over to a program: its input and output are ours, and so is the terminal. Signals from there are its
/// business as long as it lives. Its exit code, as a shell tells it.
///
/// # Errors
/// When it cannot be started.
pub fn hand_over(words: &[Vec<u8>], env: &[(Vec<u8>, Vec<u8>)], folder: &Path) -> fault::Result<u8> {
    let word = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let program = word(&words[0]);
    let signals = crate::sys::signals::signals();
    let variables = env.iter().map(|(name, value)| (word(name), word(value)));
    let status = Command::new(&program)
        .args(words[1..].iter().map(|bytes| word(bytes)))
        .envs(variables)
        .current_dir(folder)
        .status()
        .map_err(|error| Fault::io("start", Path::new(&program), &error))?;
    drop(signals);
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    Ok(u8::try_from(status.code().or(signal).unwrap_or(1)).unwrap_or(1))
}

fn text(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read until then is all there is.
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for a program that has closed its output, which is a matter of moments.
fn ended(child: &mut std::process::Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begin.elapsed() < limit => std::thread::sleep(Duration::from_millis(1)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_program_answers_or_is_killed() {
        let long = Duration::from_secs(20);
        let said = ask(&["sh", "-c", "cat; echo err >&2; exit 3"], "in\n", long).unwrap();
        assert_eq!(said, Answer { code: Some(3), out: "in\n".into(), err: "err\n".into() });
        let silent = ask(&["sh", "-c", "sleep 50 & sleep 60"], "", Duration::from_millis(50)).unwrap_err();
        assert_eq!(silent.to_string(), "`sh` did not answer within 0 s");
        let closed = ask(&["sh", "-c", "exec >&- 2>&-; sleep 60"], "", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(closed, NoAnswer::Silent { .. }));
        let none = ask(&["no-such-program"], "", long).unwrap_err();
        assert!(none.to_string().starts_with("`no-such-program` cannot be started: "), "{none}");
    }
}
