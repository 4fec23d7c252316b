//! `--detach`, and the driver to which a run is handed over: a process without a terminal, or a job of the cluster.

use super::args::{FreshArgs, PlaceArgs, WatchArgs};
use super::run::{last_words, view};
use super::screen::{Screen, complain};
use super::settings::{self, DEFAULT_PIPELINE, Target};
use super::{Failed, registry};
use crate::driver::detached::{self, Drive, HandOver, Launch, Next};
use crate::driver::doctor::default_job;
use crate::driver::{self, End, Params, Settings};
use crate::port::Sink;
use crate::port::afar::DriverAsk;
use crate::sys::fault::{At, Result as Done};
use crate::sys::{Fault, FaultKind, daemon, durable, lock};
use crate::view::JsonLines;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// How often it is looked at whether a driver has begun.
const LOOK: Duration = Duration::from_millis(10);
/// Between two tries to hand the run over once more.
const AGAIN: Duration = Duration::from_secs(5);

/// How a run is to be driven. Only its owner may read it: the address of a store may hold a password.
#[derive(Serialize, Deserialize)]
struct Hand {
    run: u64,
    file: String,
    journal: u64,
    job: bool,
    backend: Option<String>,
    jobs: Option<u32>,
    store: Option<String>,
    artifacts: Option<PathBuf>,
    profile: Option<String>,
    events: Option<PathBuf>,
    lease: Option<u64>,
}

impl Hand {
    fn write(&self, run_dir: &Path) -> Done<()> {
        let path = detached::hand(run_dir);
        let new = durable::temporary_beside(&path)?;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new).at("write", &path)?;
        let text = serde_json::to_vec(self)
            .map_err(|error| Fault::new(FaultKind::Other, format!("cannot write `{}`: {error}", path.display())))?;
        file.write_all(&text).and_then(|()| file.sync_all()).at("write", &path)?;
        durable::rename(&new, &path)
    }

    fn read(run_dir: &Path) -> Done<Self> {
        let path = detached::hand(run_dir);
        let damaged = |error| Fault::new(FaultKind::Damaged, format!("`{}` cannot be read: {error}", path.display()));
        serde_json::from_slice(&durable::read(&path)?).map_err(damaged)
    }
}

/// The settings of a run that is handed over as soon as it has passed all that keeps a run from beginning.
pub fn detached(settings: Settings, target: &Target, place: &PlaceArgs, watch: &WatchArgs) -> Result<Settings, Failed> {
    let backend = target.backend(place)?;
    let options = default_job(&settings).map(|job| job.options).unwrap_or_default();
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Failed::from(Fault::io("find", path, &error)));
    let store = match settings.store.as_deref().map(|url| (url, registry::file_of(url))) {
        Some((_, Some(path))) => Some(absolute(Path::new(path))?.display().to_string()),
        Some((url, None)) => Some(url.to_owned()),
        None => None,
    };
    if let Some(path) = &watch.events {
        File::create(path).map_err(|error| Failed::file(path, &error))?;
    }
    let mut hand = Hand {
        run: 0,
        file: String::new(),
        journal: 0,
        job: registry::drivers_are_jobs(backend.as_deref()),
        backend,
        jobs: settings.backends.kinds.first().and_then(|kind| kind.jobs),
        store,
        artifacts: settings.artifacts.as_deref().map(absolute).transpose()?,
        profile: place.profile.clone(),
        events: watch.events.as_deref().map(absolute).transpose()?,
        lease: watch.lease,
    };
    let launch: Launch = Box::new(move |handed: &HandOver| {
        (hand.run, hand.file, hand.journal) = (handed.run, handed.file.clone(), handed.journal);
        hand.write(&handed.run_dir)?;
        if !hand.job {
            return begun(handed);
        }
        let (run_dir, project) = (handed.run_dir.clone(), handed.project.clone());
        let by = registry::afar().drive(&DriverAsk { run_dir, project, options, follows: false })?;
        detached::announce(&handed.run_dir, &by)?;
        Ok(by)
    });
    Ok(Settings { drive: Drive::Elsewhere(launch), ..settings })
}

/// Starts a driver on this machine, and waits until it has taken the run.
fn begun(handed: &HandOver) -> anyhow::Result<String> {
    let log = detached::log(&handed.run_dir);
    let before = log.metadata().map_or(0, |meta| meta.len());
    let words = [OsStr::new("__drive"), handed.run_dir.as_os_str()];
    let mut driver = daemon::start(&words, &handed.project, &log)?;
    let by = format!("process {} on host {}", driver.id(), crate::sys::host());
    let has_it = |driver: &Child| {
        lock::holder(&handed.lock).is_some_and(|who| who.pid == driver.id() && who.run == Some(handed.run))
    };
    while !has_it(&driver) {
        if let Some(status) = driver.try_wait()? {
            let said = std::fs::read(&log).unwrap_or_default();
            let said = String::from_utf8_lossy(said.get(before as usize..).unwrap_or_default()).trim().to_owned();
            // It may have been done at once.
            let done = [super::exit::OK, super::exit::FAILED, super::exit::TOLERATED];
            anyhow::ensure!(
                done.iter().any(|code| status.code() == Some((*code).into())),
                "the driver has ended: {said}"
            );
            break;
        }
        std::thread::sleep(LOOK);
    }
    Ok(by)
}

/// Drives a run that was handed over. The folder that this process is in is the project's.
pub fn drive(run_dir: &Path, screen: Screen) -> Result<u8, Failed> {
    daemon::leave_terminal();
    let hand = Hand::read(run_dir)?;
    let target = Target { pipeline: PathBuf::from(&hand.file), named: hand.file != DEFAULT_PIPELINE, rest: Vec::new() };
    let Hand { jobs, backend, store, artifacts, profile, .. } = hand;
    let place = PlaceArgs { jobs, backend, store, artifacts, profile };
    let settings = settings::settings(&target, Params::default(), &place, &FreshArgs::default())?;
    let options = default_job(&settings).map(|job| job.options).unwrap_or_default();
    let mut sinks = vec![view(screen)];
    if let Some(path) = &hand.events {
        let file = File::options().append(true).create(true).open(path).map_err(|error| Failed::file(path, &error))?;
        sinks.push(Box::new(JsonLines::new(file, |error| {
            complain(format!("warning: the events are not complete: {error}\n"));
        })) as Box<dyn Sink>);
    }
    let project = std::env::current_dir().map_err(|error| Fault::io("find", Path::new("."), &error))?;
    let ask = DriverAsk { run_dir: run_dir.to_owned(), project, options, follows: true };
    let next: Next = Box::new(move || {
        // Without a thread the run is interrupted when its time is up.
        let _ = std::thread::Builder::new().name("next".to_owned()).spawn(move || submit_next(&ask));
    });
    let settings = Settings {
        resume: Some(Some(hand.run)),
        drive: Drive::Handed { journal: hand.journal, next: hand.job.then_some(next) },
        lease: hand.lease.map(Duration::from_secs),
        ..settings
    };
    let ended = driver::run(settings, sinks)?;
    if hand.job
        && !matches!(ended.end, End::Stopped { .. })
        && let Err(error) = registry::afar().dismiss_next(run_dir)
    {
        // It would find that the run is over.
        complain(format!("the next driver may still wait: {error:#}\n"));
    }
    last_words(&ended, &target, super::args::Output::Human, screen)
}

/// Submits the job that goes on with the run, as long as there is time.
fn submit_next(ask: &DriverAsk) {
    let afar = registry::afar();
    let next = || {
        let by = afar.drive(ask)?;
        detached::announce(&ask.run_dir, &by)?;
        anyhow::Ok(by)
    };
    loop {
        match next() {
            Ok(by) => return complain(format!("the time of this job is nearly up: {by} waits for its end\n")),
            Err(error) => complain(format!("the next driver is not submitted yet: {error:#}\n")),
        }
        std::thread::sleep(AGAIN);
    }
}
