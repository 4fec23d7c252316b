//! An attempt in a container: the command line and the environment of the engine, and the end of what would outlive it.
//!
//! A container of podman or docker is no descendant of ours. It has a name, by which it is removed when its attempt was
//! stopped, and at the end of the executor.

use super::attempt::Files;
use super::environment::{OUTPUT, VARS, Variable};
use super::explain;
use crate::event::Failure;
use crate::port::Job;
use crate::port::container::Inside;
use crate::sys::tool;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long an engine may take to remove a container.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is started in place of the job's own words.
pub struct Boxed {
    /// The engine's command line.
    pub words: Vec<Vec<u8>>,
    /// Variables for the engine, on top of what is inherited.
    pub variables: Vec<Variable>,
    /// What removes the container, if it does not end with the engine.
    pub kill: Option<Vec<Vec<u8>>>,
}

impl Boxed {
    /// `None`: the job runs in no container.
    pub fn of(job: &Job, files: &Files) -> Result<Option<Self>, Failure> {
        let Some(container) = &job.container else { return Ok(None) };
        let mut env: Vec<(&[u8], &[u8])> = job.env.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        env.retain(|(name, _)| *name != OUTPUT.as_bytes() && *name != VARS.as_bytes());
        env.push((OUTPUT.as_bytes(), files.output.as_os_str().as_bytes()));
        if job.vars.is_some() {
            env.push((VARS.as_bytes(), files.vars.as_os_str().as_bytes()));
        }
        // Two executors may be at work for one instance, if one of them is about to die.
        let name = format!("flowrun-{}-{}-{}", job.instance.0, job.attempt, std::process::id());
        let script = job.script.as_ref().map(|_| files.script.as_os_str().as_bytes());
        let inside = Inside {
            name: &name,
            workdir: files.scratch.as_deref().or(job.workdir.as_deref()).unwrap_or(&job.project),
            env: env.clone(),
            secrets: job.secrets.iter().map(|(name, _)| &**name).collect(),
            words: job.argv.iter().map(Vec::as_slice).chain(script).collect(),
        };
        let words = container.command(&inside);
        let passed: Vec<(&[u8], Vec<u8>)> = container
            .pass_env
            .iter()
            .filter_map(|name| Some((name.as_bytes(), std::env::var_os(&**name)?.as_bytes().to_vec())))
            .collect();
        env.extend(passed.iter().map(|(name, value)| (*name, value.as_slice())));
        let variables = container
            .env(&env)
            .into_iter()
            .map(|(name, value)| Variable::new(&name, value).ok_or_else(|| explain::nul("a variable")))
            .collect::<Result<_, _>>()?;
        Ok(Some(Self { words, variables, kill: container.kill(&name) }))
    }
}

/// The containers of attempts that are at work.
#[derive(Default)]
pub struct Containers(Mutex<Vec<Vec<Vec<u8>>>>);

impl Containers {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One is about to be started.
    pub fn begin(&self, kill: &[Vec<u8>]) {
        self.list().push(kill.to_vec());
    }

    /// Its attempt is over; one that was stopped is removed.
    pub fn end(&self, kill: &[Vec<u8>], stopped: bool) {
        if stopped {
            remove(kill);
        }
        self.list().retain(|other| other != kill);
    }

    /// Removes all that are there.
    pub fn remove_all(&self) {
        let all = std::mem::take(&mut *self.list());
        std::thread::scope(|scope| {
            for kill in &all {
                scope.spawn(|| remove(kill));
            }
        });
    }
}

/// One that is gone already is no error, and an engine that does not answer cannot be made to.
fn remove(kill: &[Vec<u8>]) {
    let words: Vec<_> = kill.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let _ = tool::ask(&words.iter().map(|word| &**word).collect::<Vec<_>>(), "", PATIENCE);
}
