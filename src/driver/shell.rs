//! `flowrun shell`: a process in the place of an instance, with its environment, folder, container and inputs, on what
//! the cache has of the nodes before it. What is made there is removed at the end.

use crate::base::text::quote;
use crate::driver::asked::Place;
use crate::driver::dry::rehearse;
use crate::driver::prepare::Dry;
use crate::driver::run::acquire;
use crate::driver::settings::{Error, Settings};
use crate::lang::model::ContainerEngine;
use crate::port::container::{Inside, shown};
use crate::port::{Access, Job, JobOutputKind, staged_path};
use crate::store::fetched::Want;
use crate::sys::http::Client;
use crate::sys::{At, Fault, durable, secret, tool};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What an instance would run, and what must be there.
pub struct Scenery {
    /// Its job.
    pub job: Job,
    /// The lines of `setup`, rendered, and the shell that runs them; empty: none.
    pub setup: (Vec<u8>, Vec<Arc<str>>),
    /// Inputs that come from elsewhere.
    pub wants: Vec<Want>,
}

/// Runs `words` (a shell, when there are none) in the place of the instance `settings.show`; its exit code.
///
/// # Errors
/// When there is no such instance, when what it reads is not known yet, and when a run is at work.
pub fn shell(settings: Settings, words: Vec<OsString>, say: &mut dyn FnMut(&str)) -> Result<u8, Error> {
    let name = settings.show.clone().unwrap_or_default();
    let place = Place::of(&settings.pipeline)?;
    place.home.make()?;
    // Its staged paths are those of an attempt.
    let _lock = acquire(&place, settings.wait, &mut [])?;
    let (workshop, engine, failures) = rehearse(&settings, &[], Dry::Reasons, Access::Read, |_| Ok(None))?;
    let usage = |message: String, help: &str| Error::Usage { message, help: Some(help.to_owned()) };
    let Some((node, asked)) = workshop.shown() else {
        let of_node = |plain: &str| plain.strip_prefix(&*name).is_some_and(|rest| rest.starts_with('['));
        let instances = (0..engine.ledger().space().instances()).map(crate::base::InstanceId);
        let like: Vec<String> = instances.map(|id| engine.name(id)).filter(|n| **n == *name || of_node(n)).collect();
        return Err(match like.iter().find(|other| **other != *name).or(like.first()) {
            None => usage(format!("there is no instance {}", quote(&name)), "`flowrun plan` lists them"),
            Some(one) if **one == *name => usage(
                format!("what {} reads is not known yet", quote(&name)),
                "run what it needs first; `flowrun explain` says what that is",
            ),
            Some(one) => usage(format!("{} has instances", quote(&name)), &format!("name one: `{one}`")),
        });
    };
    if let Some(message) = failures.get(&asked.instance) {
        return Err(usage(format!("{} cannot be prepared: {message}", quote(&name)), "mend that first"));
    }
    let scenery = workshop.scenery(node, asked).map_err(|failure| Error::Usage {
        message: failure.message.to_string(),
        help: failure.help.map(|help| help.to_string()),
    })?;
    for want in &scenery.wants {
        say(&format!("fetching {}", want.shown()));
        workshop.fetched.fetch(&Client::new(), want, &AtomicBool::new(false), &mut |_| {})?;
    }
    let stage = Stage::set(&place.project, &scenery.job)?;
    let job = &scenery.job;
    let folder = job.workdir.clone().unwrap_or_else(|| stage.folder.join("scratch"));
    let container = job.container.as_ref().map_or(String::new(), |c| format!(", in the image `{}`", c.image));
    say(&format!("in the place of {}: {}{container}", quote(&name), folder.display()));
    say(&format!("it would run: {}", shown(&job.argv)));
    for path in &stage.staged {
        say(&format!("what is written to `{}` is removed at the end", path.display()));
    }
    Ok(stage.run(&scenery, &folder, words)?)
}

/// The files of one shell; dropping it removes them, and what was staged.
struct Stage {
    folder: PathBuf,
    staged: Vec<PathBuf>,
}

impl Stage {
    fn set(project: &Path, job: &Job) -> Result<Self, Fault> {
        let folder = project.join(".flowrun").join(format!("shell-{}", durable::token()));
        durable::make_folders(&folder.join("scratch"))?;
        let mut stage = Self { folder, staged: Vec::new() };
        for (name, bytes) in [("vars.json", &job.vars), ("script", &job.script)] {
            if let Some(bytes) = bytes {
                let path = stage.folder.join(name);
                std::fs::write(&path, bytes).at("write", &path)?;
            }
        }
        for output in &job.outputs {
            let (path, dir) = match &output.kind {
                JobOutputKind::File(path) => (path, false),
                JobOutputKind::Dir(path) => (path, true),
                _ => continue,
            };
            let path = project.join(OsStr::from_bytes(&staged_path(path)));
            remove(&path);
            let needed = if dir { Some(path.as_path()) } else { path.parent() };
            needed.map_or(Ok(()), durable::make_folders)?;
            stage.staged.push(path);
        }
        Ok(stage)
    }

    fn run(&self, scenery: &Scenery, folder: &Path, words: Vec<OsString>) -> Result<u8, Fault> {
        let job = &scenery.job;
        let mut words: Vec<Vec<u8>> = words.into_iter().map(OsString::into_vec).collect();
        if words.is_empty() {
            words = match &job.container {
                Some(_) => ["sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"].map(Vec::from).to_vec(),
                None => vec![std::env::var_os("SHELL").map_or_else(|| b"bash".to_vec(), OsString::into_vec)],
            };
        }
        let (setup, shell) = &scenery.setup;
        if !setup.is_empty() {
            let before = shell.iter().map(|word| word.as_bytes().to_vec());
            let text = [setup.as_slice(), b"exec \"$@\""].concat();
            words = before.chain([text, b"shell".to_vec()]).chain(words).collect();
        }
        let file = |name: &str| self.folder.join(name).into_os_string().into_vec();
        let mut env: Vec<(Vec<u8>, Vec<u8>)> = job.env.clone();
        env.push((b"FLOWRUN_OUTPUT".to_vec(), file("output")));
        env.push((b"FLOWRUN_VARS".to_vec(), file("vars.json")));
        let mut secrets = Vec::new();
        for (name, from) in &job.secrets {
            let inside = job.container.as_ref().map_or_else(|| name.to_string(), |c| c.secret_name(name));
            secrets.push((inside.into_bytes(), secret::value(from, &job.project)?));
        }
        let Some(container) = &job.container else {
            return tool::hand_over(&words, &[env, secrets].concat(), folder);
        };
        let mut container = container.clone();
        if container.engine != ContainerEngine::Apptainer {
            container.options.push("--interactive".into());
            if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
                container.options.push("--tty".into());
            }
        }
        let plain: Vec<(&[u8], &[u8])> = env.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        let inside = Inside {
            name: &format!("flowrun-shell-{}", std::process::id()),
            workdir: folder,
            env: plain.clone(),
            secrets: job.secrets.iter().map(|(name, _)| &**name).collect(),
            words: words.iter().map(Vec::as_slice).collect(),
        };
        let line = container.command(&inside);
        let mut outer: Vec<(Vec<u8>, Vec<u8>)> =
            container.env(&plain).into_iter().map(|(name, value)| (name, value.to_vec())).collect();
        outer.extend(secrets);
        tool::hand_over(&line, &outer, folder)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.staged.iter().for_each(|path| remove(path));
        remove(&self.folder);
    }
}

/// Best effort: what is left has a name that no attempt takes for its own work.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir_all(path));
}
