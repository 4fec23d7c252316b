//! `cancel`: a live run is asked through its `control` folder; of a run whose driver is gone, what it left at work is
//! stopped. What a run has done stays, and the same command goes on from there.

use super::asked::Place;
use super::ending;
use super::history::{self, Story};
use super::run::acquire;
use super::rundir::RunDir;
use super::{End, Error, detached};
use crate::port::afar::Afar;
use crate::port::status::Life;
use crate::sys::durable::{self, Sync};
use crate::sys::lock::Lock;
use crate::sys::{Fault, lock};
use crossbeam::channel::{Receiver, never, tick};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a driver looks for a request, and who made it for an answer.
const LOOK: Duration = Duration::from_millis(500);

/// How often it is asked whether a driver that takes its time could stop its jobs at all.
const ASK: Duration = Duration::from_secs(10);

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// The run.
    pub run: u64,
    /// What it did before.
    pub was: Was,
    /// Jobs that no driver looked after any more, and that were cancelled.
    pub jobs: usize,
}

/// What a run did before it was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// It was at work: its driver has stopped it.
    Live,
    /// Its driver had not begun, and is taken back.
    Due,
    /// Nobody drove it.
    Interrupted,
    /// It was over.
    Over,
}

/// Cancels a run of a pipeline file; `None`: the newest. Returns when nothing of it is at work any more.
///
/// # Errors
/// There is no such run, somebody else holds the pipeline, or what was left at work cannot be stopped.
pub fn cancel(pipeline: &Path, run: Option<u64>, afar: &dyn Afar) -> Result<Cancelled, Error> {
    let place = Place::of(pipeline)?;
    let status = history::status(pipeline, run, None)?;
    let run = status.run;
    let was = match status.life {
        Life::Ended(_) => return Ok(Cancelled { run, was: Was::Over, jobs: 0 }),
        Life::Live(_) => Was::Live,
        Life::Due(_) => Was::Due,
        Life::Interrupted => Was::Interrupted,
    };
    let run_dir = place.run_dir(run);
    // A driver that ends takes back what it announced, not another that waits for its place.
    let a_job = detached::announced(&run_dir).is_some();
    if was == Was::Live {
        durable::write(&request(&RunDir::open(&place.home, run)?), b"", Sync::Later)?;
        let file = place.home.lock(Path::new(&place.file));
        let (mut asked, driver) = (Instant::now(), lock::holder(&file).map(|who| (who.boot, who.pid, who.started)));
        while lock::holder(&file)
            .is_some_and(|who| who.run == Some(run) && driver == Some((who.boot, who.pid, who.started)))
        {
            if asked.elapsed() >= ASK {
                // Who cannot stop its jobs now tries on; nobody need wait for that.
                afar.answers(&run_dir).map_err(|error| {
                    let what = format!("run {run} is to stop, and its driver goes on trying");
                    Error::Backend(error.context(what))
                })?;
                asked = Instant::now();
            }
            std::thread::sleep(LOOK);
        }
    }
    if a_job || detached::announced(&run_dir).is_some() {
        afar.stop_driver(&run_dir).map_err(Error::Backend)?;
        detached::withdraw(&run_dir)?;
    }
    // Nobody may go on with it meanwhile.
    let lock = alone(&place)?;
    let jobs = afar.stop_left(&run_dir).map_err(Error::Backend)?;
    if jobs > 0 {
        let dir = RunDir::open(&place.home, run)?;
        ending::keep(&dir, &ending::bare(&Story::read(&place.home, run)?, End::Cancelled))?;
    }
    lock.release();
    Ok(Cancelled { run, was, jobs })
}

/// Takes the lock. Who else cancels the run holds it for moments.
fn alone(place: &Place) -> Result<Lock, Error> {
    let begin = Instant::now();
    loop {
        let named = || lock::holder(&place.home.lock(Path::new(&place.file))).is_some_and(|who| who.run.is_some());
        match acquire(place, false, &mut []) {
            Err(Error::Held { .. }) if !named() && begin.elapsed() < ASK => std::thread::sleep(LOOK),
            taken => return taken,
        }
    }
}

fn request(dir: &RunDir) -> PathBuf {
    dir.control().join("cancel")
}

/// Where a driver finds what it is asked.
pub struct Requests {
    path: PathBuf,
    /// Comes when it is time to look.
    pub look: Receiver<Instant>,
}

impl Requests {
    /// For a run. What was asked of an earlier driver is void.
    pub fn of(dir: &RunDir) -> Result<Self, Error> {
        let path = request(dir);
        if path.exists() {
            std::fs::remove_file(&path).map_err(|error| Fault::io("remove", &path, &error))?;
        }
        Ok(Self { path, look: tick(LOOK) })
    }

    /// Whether the run is to be cancelled; says so once.
    pub fn cancel(&mut self) -> bool {
        let asked = self.path.exists();
        if asked {
            self.look = never();
        }
        asked
    }
}
