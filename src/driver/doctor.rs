//! `doctor`: what a run needs of this machine whatever the backend: the project's folder, the store, shells and
//! containers. Each finding is told as soon as it is known. Nothing is left behind.

use crate::base::text::{and, count, elapsed, quote, size};
use crate::driver::asked::Place;
use crate::driver::container::usable;
use crate::driver::settings::{Error, Settings};
use crate::driver::{dry, load, now};
use crate::lang::model::ContainerEngine;
use crate::port::doctor::Finding;
use crate::port::{Access, Job};
use crate::sys::lock::{Lock, Who};
use crate::sys::{Fault, fault, find, mount, tool};
use serde_json::json;
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);
/// With less room than this a run may well come to a stop.
const LITTLE: u64 = 1 << 30;
const FEW_FILES: u64 = 1000;
/// Clocks that differ by more make times of files doubtful.
const APART: Duration = Duration::from_secs(2);
/// A store that takes longer for one question is felt by a run.
const SLOW: Duration = Duration::from_millis(100);

type Tell<'a> = &'a mut dyn FnMut(Finding);

/// Looks at the pipeline file and the folders of its project. The answer is an empty folder where those of runs lie, if
/// one can be made there: what it holds goes with it.
///
/// # Errors
/// When the pipeline file or its folder cannot be read.
pub fn project(settings: &Settings, tell: Tell<'_>) -> Result<Option<TempDir>, Error> {
    pipeline(settings, tell)?;
    let place = Place::of(&settings.pipeline)?;
    let state = place.project.join(".flowrun");
    let home = if state.is_dir() { &state } else { &place.project };
    file_system("folder", &place.project, tell);
    if mount::kind(home) != mount::kind(&place.project) || mount::network(home) != mount::network(&place.project) {
        file_system("state", &state, tell);
    }
    let made = tempfile::Builder::new().prefix(".doctor-").tempdir_in(home);
    let made = made.and_then(|made| {
        let file = made.path().join("x");
        std::fs::write(&file, b"x")?;
        let apart = apart(file.metadata()?.modified()?);
        std::fs::remove_file(file)?;
        Ok((made, apart))
    });
    let scratch = match made {
        Ok((made, apart)) => {
            tell(Finding::fine("writing", format!("files can be made in {}", shown(home))));
            if apart > APART {
                let text = format!("the time of a new file is {} off", elapsed(apart.as_millis() as u64));
                let help = "have this machine and the file server set their clocks (chrony, ntpd): times of files \
                            tell flowrun what has changed";
                tell(Finding::wrong("file times", text, help));
            }
            made
        }
        Err(error) => {
            let fault = Fault::io("write in", home, &error);
            let help = fault.help.unwrap_or_else(|| "run flowrun in a folder of your own".to_owned());
            tell(Finding::wrong("writing", fault.what, help));
            return Ok(None);
        }
    };
    room(home, tell);
    locks(scratch.path(), tell);
    let shares = mount::shares_bytes(scratch.path()).unwrap_or(false);
    let text = match shares {
        true => "supported: the artifact store takes outputs without copying them",
        false => "not supported here: outputs are kept by their content only in a folder named by `--artifacts`",
    };
    tell(Finding::fine("reflink", text).data(json!({ "reflink": shares })));
    Ok(Some(scratch))
}

/// How far a moment is from now, whichever comes first.
fn apart(moment: SystemTime) -> Duration {
    moment.elapsed().unwrap_or_else(|ahead| ahead.duration())
}

fn pipeline(settings: &Settings, tell: Tell<'_>) -> Result<(), Error> {
    let path = &settings.pipeline;
    let name = shown(path);
    if !path.exists() {
        tell(Finding::note("pipeline", "there is no `pipeline.toml` in this folder"));
        return Ok(());
    }
    match load::load(path, &settings.params, false) {
        Ok(loaded) => {
            let nodes = loaded.plan.nodes.len();
            let text = format!("{name} is right: {}", count(nodes as u64, "node"));
            tell(Finding::fine("pipeline", text).data(json!({ "file": path, "nodes": nodes })));
        }
        Err(Error::Diagnostics { list, .. }) => {
            let text = format!("{name} has {}", count(list.len() as u64, "mistake"));
            tell(Finding::wrong("pipeline", text, "`flowrun check` shows them"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn file_system(about: &str, path: &Path, tell: Tell<'_>) {
    let kind = mount::kind(path);
    let network = mount::network(path);
    let data = json!({ "path": path, "kind": network.as_ref().or(kind.as_ref()), "network": network.is_some() });
    let text = match (&network, &kind) {
        (Some(network), _) => format!("{} is on {network}, a network file system", path.display()),
        (None, Some(kind)) => format!("{} is on {kind}, a disk of this machine", path.display()),
        (None, None) => format!("{} is on a disk of this machine", path.display()),
    };
    tell(Finding::fine(about, text).data(data));
}

fn room(folder: &Path, tell: Tell<'_>) {
    let Ok(room) = mount::room(folder) else { return };
    let data = json!({ "bytes": room.bytes, "of": room.of, "files": room.files });
    let few = room.files.filter(|files| *files < FEW_FILES);
    let files = few.map_or(String::new(), |files| format!(", {}", count(files, "file")));
    let text = format!("{} of {}{files}", size(room.bytes), size(room.of));
    let help = "make room, or move the project: a run that finds the disk full stops and goes on later";
    let finding = if fault::is_full(folder) || room.files == Some(0) {
        Finding::wrong("free", text, help)
    } else if room.bytes < LITTLE || few.is_some() {
        Finding::note("free", text).help(help)
    } else {
        Finding::fine("free", text)
    };
    tell(finding.data(data));
}

fn locks(scratch: &Path, tell: Tell<'_>) {
    let path = scratch.join("lock");
    let way = match mount::network(&path) {
        Some(_) => "by files that hosts renew; the store is one process's at a time",
        None => "work",
    };
    match Lock::acquire(&path, Who::me(now())) {
        Ok(lock) => {
            lock.release();
            tell(Finding::fine("locks", way));
        }
        Err(error) => tell(Finding::wrong("locks", error.to_string(), "put the project on a file system with locks")),
    }
}

/// Opens the store for reading and asks it something.
pub fn store(settings: &Settings, tell: Tell<'_>) {
    let begin = Instant::now();
    let opened = Place::of(&settings.pipeline).and_then(|place| {
        let there = place.home.store().exists() || settings.store.is_some();
        let mut store = (settings.open_store)(place.home.path(), Access::Read).map_err(Error::Store)?;
        let version = store.version().map_err(Error::Store)?;
        let open = begin.elapsed();
        let begin = Instant::now();
        store.version().map_err(Error::Store)?;
        Ok((store, version, open, begin.elapsed(), there))
    });
    let (store, version, open, answer, there) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let help = match &error {
                Error::Store(error) => error.downcast_ref::<Fault>().and_then(|fault| fault.help.clone()),
                _ => None,
            };
            let help = help.unwrap_or_else(|| "see `store` in the settings above".to_owned());
            tell(Finding::wrong("store", error.to_string(), help));
            return;
        }
    };
    let name = match store.name() {
        name if name.is_empty() => ".flowrun/store.db".to_owned(),
        name => name,
    };
    let ms = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    let data = json!({ "name": name, "version": version, "open_ms": ms(open), "answer_ms": ms(answer) });
    let text = match there {
        true => format!("{}: {version}, opened in {} ms, answers in {} ms", quote(&name), ms(open), ms(answer)),
        false => format!("{}: {version}, made by the first run", quote(&name)),
    };
    let finding = match store.note() {
        Some(note) => Finding::note("store", text).lines([note]),
        None if answer > SLOW => Finding::note("store", text).help("use a store that is nearer to this machine"),
        None => Finding::fine("store", text),
    };
    tell(finding.data(data));
}

/// Looks at what tasks may be run with: shells and container engines.
pub fn tools(tell: Tell<'_>) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| find::program(OsStr::new(name), &path, Path::new("/")).is_ok();
    let version = |name: &str, script: &str| {
        let said = tool::ask(&[name, "-c", script], "", PATIENCE).ok()?;
        let word = said.out.split(['(', ' ']).find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?.trim();
        (!word.is_empty()).then(|| word.to_owned())
    };
    let mut shells = Vec::new();
    for (name, script) in [
        ("bash", "echo $BASH_VERSION"),
        ("sh", ""),
        ("dash", ""),
        ("ksh", "echo ${.sh.version}"),
        ("zsh", "echo $ZSH_VERSION"),
        ("fish", "echo $FISH_VERSION"),
    ] {
        if is_there(name) {
            let version = (!script.is_empty()).then(|| version(name, script)).flatten();
            shells.push(version.map_or(name.to_owned(), |version| format!("{name} {version}")));
        }
    }
    let text = shells.join(", ");
    let finding = match is_there("bash") {
        true => Finding::fine("shells", text),
        false => {
            let help = "install bash, in which commands run, or write `shell` in the tasks";
            Finding::wrong("shells", format!("there is no `bash`; there are {text}"), help)
        }
    };
    tell(finding.data(json!({ "shells": shells })));

    let (mut engines, mut not) = (Vec::new(), Vec::new());
    for engine in ContainerEngine::ALL {
        match usable(engine) {
            Ok(program) => {
                let said = tool::ask(&[&program.to_string_lossy(), "--version"], "", PATIENCE).ok();
                let said = said.map(|said| said.out.lines().next().unwrap_or_default().to_owned());
                engines.push(said.filter(|said| !said.is_empty()).unwrap_or_else(|| engine.word().to_owned()));
            }
            Err(why) if !why.starts_with("there is no") => not.push(why.to_string()),
            Err(_) => {}
        }
    }
    let finding = match engines.is_empty() {
        false => Finding::fine("containers", engines.join(", ")),
        true => {
            let text = format!("there is none of {}: tasks with `container` cannot run", and(ContainerEngine::WORDS));
            Finding::note("containers", text)
        }
    };
    tell(finding.lines(not).data(json!({ "engines": engines })));
}

/// The job of a task that says nothing of itself; `None` where its defaults are wrong or depend on more than themselves.
pub fn default_job(settings: &Settings) -> Option<Job> {
    dry::default_job(settings).ok().flatten()
}

/// Of each backend whether a task of the pipeline is its own; the first is used in any case.
pub fn used(settings: &Settings) -> Vec<bool> {
    let plan = load::load(&settings.pipeline, &settings.params, false).ok().map(|loaded| loaded.plan);
    let assigned = plan.and_then(|plan| settings.backends.assign(&plan, &[]).ok());
    let is_used = |at: usize| at == 0 || assigned.as_ref().is_some_and(|(assigned, _)| assigned.is_used(at));
    (0..settings.backends.kinds.len()).map(is_used).collect()
}

fn shown(path: &Path) -> String {
    quote(&path.display().to_string())
}
