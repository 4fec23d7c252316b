//! What is known of a run once it is over: the data of the last lines on the screen and of `--output json`.

use crate::base::Value;
use crate::engine::Counts;
use crate::event::{Cause, RunState, Usage};
use std::sync::Arc;

/// A run that is over, or that was stopped.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its number.
    pub run: u64,
    /// How it ended.
    pub end: End,
    /// The pipeline's `[outputs]`; empty when it did not succeed.
    pub outputs: Vec<(Arc<str>, Value)>,
    /// Task instances by their end.
    pub counts: Counts,
    /// From begin to end of this process's part, milliseconds.
    pub wall_ms: u64,
    /// What failed, also what the file tolerates, in order of time.
    pub failures: Vec<FailureItem>,
    /// What drives it on, if it goes on: `job 17 of Slurm`.
    pub by: Option<Arc<str>>,
}

impl Ended {
    /// Whether something failed that the file lets fail.
    pub fn has_ignored(&self) -> bool {
        self.counts.ignored > 0 || self.failures.iter().any(|failed| failed.ignored)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It reached its end.
    Finished(RunState),
    /// A signal stopped it; the same command continues it.
    Stopped {
        /// Its number: 2, 15, 1.
        signal: i32,
    },
    /// `flowrun cancel` stopped it; the same command continues it.
    Cancelled,
    /// It goes on without this process.
    Detached,
}

/// What failed. Only tasks are counted in [`Counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedKind {
    /// An instance of a task.
    Task,
    /// What holds others, by the word of the file for it (`map`, `loop`): how it begins or goes on, or its record of
    /// results.
    Holder(&'static str),
    /// An output of the pipeline.
    Output,
}

/// One instance that failed.
#[derive(Clone, Debug)]
pub struct FailureItem {
    /// Its name: `align[NA12878]`.
    pub instance: Arc<str>,
    /// What it is.
    pub kind: FailedKind,
    /// The last attempt; counts from 1, 0 when none was started.
    pub attempt: u32,
    /// What kind of end.
    pub cause: Cause,
    /// One sentence.
    pub message: Arc<str>,
    /// The way out, where there is one.
    pub help: Option<Arc<str>>,
    /// Whether the file lets it fail.
    pub ignored: bool,
    /// The last bytes of its standard error (of its standard output when that is empty): some 4 KiB are enough.
    pub tail: Vec<u8>,
    /// Whether it wrote a log at all.
    pub has_log: bool,
    /// What it used.
    pub usage: Usage,
    /// Where it ran; `None` for the driver's own host.
    pub host: Option<Arc<str>>,
}
