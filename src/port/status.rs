//! The state of a run as its journal tells it: the data of `status`, and the place of a log.

use crate::engine::Counts;
use crate::event::{RunState, Time};
use crate::port::ended::FailureItem;
use std::path::PathBuf;
use std::sync::Arc;

/// A run, live or over.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its number.
    pub run: u64,
    /// The pipeline's name.
    pub pipeline: Arc<str>,
    /// What it does now.
    pub life: Life,
    /// When it began.
    pub began: Time,
    /// The time of its last event.
    pub last: Time,
    /// All its task instances.
    pub counts: Counts,
    /// The same by task, in plan order, with the node's path.
    pub nodes: Vec<(Arc<str>, Counts)>,
    /// What is at work, or was left to others than this machine.
    pub running: Vec<AtWork>,
    /// What waits for another attempt.
    pub delayed: Vec<Delayed>,
    /// What another run computes.
    pub elsewhere: Vec<Elsewhere>,
    /// What failed, in order of time.
    pub failures: Vec<FailureItem>,
}

/// What a run does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// It reached its end.
    Ended(RunState),
    /// A process is at it: `process 4711 on host h`.
    Live(String),
    /// A job is to drive it, and nobody is at it yet: `job 17 of Slurm waits: Priority`.
    Due(String),
    /// It has no end and nobody is at it: the same command continues it.
    Interrupted,
}

/// An instance at work.
#[derive(Clone, Debug)]
pub struct AtWork {
    /// Its name.
    pub instance: Arc<str>,
    /// Counts from 1.
    pub attempt: u32,
    /// When the attempt began, or was handed over.
    pub since: Time,
    /// Whether it has begun.
    pub begun: bool,
    /// Where, if not on the driver's host: `n1, job 17_3`.
    pub host: Option<Arc<str>>,
}

/// An instance that is tried again later.
#[derive(Clone, Debug)]
pub struct Delayed {
    /// Its name.
    pub instance: Arc<str>,
    /// The attempt that follows.
    pub attempt: u32,
    /// When it may begin.
    pub until: Time,
    /// How the last one failed, in one sentence.
    pub message: Arc<str>,
}

/// An instance whose key another run computes.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// Its name.
    pub instance: Arc<str>,
    /// Which run: `run 7 on host h`.
    pub by: Arc<str>,
}

/// Where the log of an attempt is.
#[derive(Clone, Debug)]
pub struct LogPlace {
    /// The run.
    pub run: u64,
    /// The attempt; counts from 1.
    pub attempt: u32,
    /// Standard output: file, first byte, length (`None`: to its end, for the attempt is still at work).
    pub out: (PathBuf, u64, Option<u64>),
    /// Standard error, likewise.
    pub err: (PathBuf, u64, Option<u64>),
}
