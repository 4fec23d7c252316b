//! The words that an instance executes: its command, `argv` or script, rendered, with `setup` before it.

use crate::driver::scene::{Scene, refused};
use crate::event::Failure;
use crate::plan::{Run, Task};
use std::sync::Arc;

/// A command longer than this goes to the shell as a file, for one argument holds 128 KiB at most.
const LONG_COMMAND: usize = 100_000;

/// The largest single argument that Linux passes on (`MAX_ARG_STRLEN`, with its final NUL byte).
const LONGEST_ARGUMENT: usize = 128 * 1024 - 1;

/// The argument vector, and the text that goes to a file.
pub type Words = (Vec<Vec<u8>>, Option<Vec<u8>>);

/// What an instance executes, `setup` before it.
///
/// # Errors
/// When a value cannot stand where it is to stand, or is too long.
pub fn command(task: &Task, scene: &Scene<'_>) -> Result<Words, Failure> {
    let mut setup = setup(task, scene)?;
    let (argv, script) = words(task, scene, &setup)?;
    if setup.is_empty() || matches!(task.run, Run::Command { .. }) {
        return Ok((argv, script));
    }
    // The shell becomes what it has made ready: `bash -euo pipefail -c 'LINES exec "$@"' bash PROGRAM ARGUMENTS…`.
    setup.extend_from_slice(b"exec \"$@\"");
    if setup.len() > LONGEST_ARGUMENT {
        return Err(refused(format!("`setup` has {} bytes, and 128 KiB is the most", setup.len()), None));
    }
    let mut wrapped: Vec<Vec<u8>> = task.setup.shell.iter().map(|word| word.as_bytes().to_vec()).collect();
    let name = wrapped.first().cloned().unwrap_or_default();
    wrapped.extend([setup, name]);
    wrapped.extend(argv);
    Ok((wrapped, script))
}

/// The lines that go before what the task runs, each with its end; empty: none.
///
/// # Errors
/// When a value cannot stand where it is to stand.
pub fn setup(task: &Task, scene: &Scene<'_>) -> Result<Vec<u8>, Failure> {
    let mut setup = Vec::new();
    for line in &task.setup.lines {
        setup.extend(line.eval_command(&scene.frame).map_err(|e| scene.failure("setup", e))?);
        setup.push(b'\n');
    }
    Ok(setup)
}

/// What the task runs; a command has `setup` before it.
fn words(task: &Task, scene: &Scene<'_>, setup: &[u8]) -> Result<Words, Failure> {
    let bytes = |words: &[Arc<str>]| -> Vec<Vec<u8>> { words.iter().map(|w| w.as_bytes().to_vec()).collect() };
    match &task.run {
        Run::Command { template, shell } => {
            let command = template.eval_command(&scene.frame).map_err(|e| scene.failure("command", e))?;
            let text = [setup, &command].concat();
            let mut argv = bytes(shell);
            if text.len() <= LONG_COMMAND {
                argv.push(text);
                return Ok((argv, None));
            }
            // `bash -euo pipefail -c TEXT` becomes `bash -euo pipefail FILE`.
            if let Some(last) = argv.last_mut() {
                match last.as_slice() {
                    b"-c" => {
                        argv.pop();
                    }
                    [b'-', flags @ .., b'c'] if !flags.contains(&b'-') => {
                        last.pop();
                    }
                    _ => {}
                }
            }
            Ok((argv, Some(text)))
        }
        Run::Argv(templates) => {
            let mut argv = Vec::with_capacity(templates.len());
            for (i, template) in templates.iter().enumerate() {
                let place = format!("argv[{i}]");
                argv.extend(template.eval_words(&scene.frame).map_err(|e| scene.failure(&place, e))?);
            }
            if let Some(at) = argv.iter().position(|word| word.len() > LONGEST_ARGUMENT) {
                return Err(refused(
                    format!("argument {at} has {} bytes, and one argument holds 128 KiB at most", argv[at].len()),
                    Some("declare it under `vars` and read it from the JSON file `$FLOWRUN_VARS`".into()),
                ));
            }
            if argv.first().is_none_or(|program| program.is_empty()) {
                return Err(refused("`argv` names no program".into(), None));
            }
            Ok((argv, None))
        }
        Run::Script { text, interpreter } => Ok((bytes(interpreter), Some(text.as_bytes().to_vec()))),
    }
}
