//! Runs whose driver is a job of a cluster, or a process without a terminal: what is handed over to it, and how others know
//! that it is about to begin.
//!
//! ```text
//! control/hand     how the run is to be driven; for the driver alone
//! control/driver   that a job drives it, until the run has ended
//! driver.log       what the driver says
//! ```

use super::asked::Place;
use super::history::file_of;
use super::rundir::RunDir;
use super::settings::Error;
use crate::port::afar::Afar;
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use crate::sys::{At, lock};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often `--wait` looks at a driver that has not begun.
const LOOK: Duration = Duration::from_secs(10);

/// So many runs are looked at: an older one has no driver in the queue any more.
const RECENT: usize = 100;

/// What is handed over.
pub struct HandOver {
    /// The run.
    pub run: u64,
    /// Its folder, absolute.
    pub run_dir: PathBuf,
    /// The project's folder, absolute.
    pub project: PathBuf,
    /// The pipeline file's name there.
    pub file: String,
    /// The lock, absolute: the driver has begun when it has it.
    pub lock: PathBuf,
    /// The length of the journal.
    pub journal: u64,
}

/// Starts a driver for what is handed over; says what it is, for people: `job 17 of Slurm`.
pub type Launch = Box<dyn FnOnce(&HandOver) -> anyhow::Result<String> + Send>;

/// Who drives a run.
#[derive(Default)]
pub enum Drive {
    /// This process, for whoever has started it.
    #[default]
    Here,
    /// Another one, which is started here.
    Elsewhere(Launch),
    /// This process, to which the run was handed over.
    Handed {
        /// The length of the journal then: if the run has ended and it has grown, somebody else has driven it meanwhile.
        journal: u64,
        /// Of a job, which may be begun anew: submits the next one, when its time is nearly up. Returns at once.
        next: Option<Next>,
    },
}

/// Sees to it that somebody goes on when this process can no longer.
pub type Next = Box<dyn FnOnce() + Send>;

impl Drive {
    /// Whether this process is a job.
    pub fn is_job(&self) -> bool {
        matches!(self, Drive::Handed { next: Some(_), .. })
    }
}

/// The signal by which a driver that is a job is told that its time is nearly up.
pub const TIME_IS_UP: i32 = libc::SIGUSR1;

/// Where a driver says what it says.
pub fn log(run_dir: &Path) -> PathBuf {
    run_dir.join("driver.log")
}

fn mark(run_dir: &Path) -> PathBuf {
    run_dir.join("control/driver")
}

/// Where what is handed over is written.
pub fn hand(run_dir: &Path) -> PathBuf {
    run_dir.join("control/hand")
}

/// Makes it known that a job drives the run.
pub fn announce(run_dir: &Path, by: &str) -> Result<()> {
    durable::write(&mark(run_dir), by.as_bytes(), Sync::Now)
}

/// The job that drives a run, or is about to.
pub fn announced(run_dir: &Path) -> Option<String> {
    std::fs::read_to_string(mark(run_dir)).ok()
}

/// Makes it known that none does any more.
pub fn withdraw(run_dir: &Path) -> Result<()> {
    match std::fs::remove_file(mark(run_dir)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", &mark(run_dir)),
        _ => Ok(()),
    }
}

/// What the job of a run does; `None`: it is not there. A scheduler that does not answer leaves it as it was.
pub fn look(afar: &dyn Afar, run_dir: &Path) -> Option<String> {
    let by = announced(run_dir)?;
    match afar.driver(run_dir) {
        Ok(said) => said,
        Err(error) => Some(format!("{by} ({error:#})")),
    }
}

/// That no driver of the pipeline's newest run is about to begin. `wait`: waits until it has.
pub(super) fn none_is_due(
    place: &Place,
    wait: bool,
    afar: &dyn Afar,
    note: &mut dyn FnMut(&str),
) -> std::result::Result<(), Error> {
    let ours = |run: &u64| {
        let plan = || RunDir::open(&place.home, *run).and_then(|dir| dir.read_plan());
        announced(&place.run_dir(*run)).is_some() && plan().is_ok_and(|plan| file_of(&plan) == place.file)
    };
    let Some(run) = place.home.runs()?.into_iter().rev().take(RECENT).find(ours) else { return Ok(()) };
    let (run_dir, mut told) = (place.run_dir(run), false);
    loop {
        if announced(&run_dir).is_none() || lock::holder(&place.home.lock(Path::new(&place.file))).is_some() {
            // The lock says it.
            return Ok(());
        }
        let Some(does) = look(afar, &run_dir) else {
            withdraw(&run_dir)?;
            return Ok(());
        };
        if !wait {
            return Err(Error::Held { by: format!("run {run}, whose driver has not begun: {does}") });
        }
        if !std::mem::replace(&mut told, true) {
            note(&format!("waiting for run {run}, whose driver has not begun: {does}"));
        }
        std::thread::sleep(LOOK);
    }
}
