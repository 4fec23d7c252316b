//! What is at work for a run although no process on this machine is: jobs that a driver has left, and drivers that are
//! jobs themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Looks after it. Runs are told apart by their folders, absolute.
pub trait Afar: Send {
    /// What the jobs do that drive a run or are about to, in a few words: `job 17 of Slurm waits: Priority`; `None`:
    /// there is none.
    ///
    /// # Errors
    /// The scheduler does not answer.
    fn driver(&self, run_dir: &Path) -> anyhow::Result<Option<String>>;
    /// Submits a job that drives a run: its name for people, `job 17 of Slurm`.
    ///
    /// # Errors
    /// The scheduler does not take it, or does not answer.
    fn drive(&self, ask: &DriverAsk) -> anyhow::Result<String>;
    /// Takes back those that wait to drive a run that is over.
    ///
    /// # Errors
    /// The scheduler does not answer.
    fn dismiss_next(&self, run_dir: &Path) -> anyhow::Result<()>;
    /// Takes back the jobs that drive a run, and waits until they are gone.
    ///
    /// # Errors
    /// The scheduler does not answer, or does not do it.
    fn stop_driver(&self, run_dir: &Path) -> anyhow::Result<()>;
    /// Stops all other jobs of a run whose driver is gone, and waits until they are: how many there were.
    ///
    /// # Errors
    /// The scheduler does not answer, or does not do it.
    fn stop_left(&self, run_dir: &Path) -> anyhow::Result<usize>;
    /// Whether jobs of a run could be stopped now.
    ///
    /// # Errors
    /// The scheduler does not answer.
    fn answers(&self, run_dir: &Path) -> anyhow::Result<()>;
}

/// A job that is to drive a run.
#[derive(Clone, Debug)]
pub struct DriverAsk {
    /// The run's folder, absolute.
    pub run_dir: PathBuf,
    /// The project's folder, absolute, where it starts.
    pub project: PathBuf,
    /// Options of the scheduler for tasks that say nothing of their own.
    pub options: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// It begins when the one before it has ended.
    pub follows: bool,
}
