//! What a backend would hand on if a run began now: the data of `plan` for backends that gather instances.

use crate::port::Job;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// An instance that would be submitted: its node's path and its job, without what no backend groups by (the command,
/// variables, outputs).
pub struct Handed {
    /// `process_data.compute`
    pub node: Arc<str>,
    /// What it asks for.
    pub job: Job,
}

/// What would be submitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Submissions {
    /// In the order in which they would go out.
    pub arrays: Vec<Submission>,
    /// Instances that would run and have no room yet: limits of the file, or `-j`.
    pub waiting: u64,
    /// What is not known here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Instances that go out together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Submission {
    /// The paths of their nodes.
    pub nodes: Vec<Arc<str>>,
    /// How many instances.
    pub instances: u64,
    /// How many jobs, or elements of an array, run them.
    pub elements: u64,
    /// What each asks for.
    pub resources: Resources,
    /// Options of the scheduler besides, as words of a command line.
    pub options: Vec<String>,
    /// The command line.
    pub command: Vec<String>,
    /// What goes to its standard input.
    pub script: String,
}

/// What an instance asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resources {
    /// Cores.
    pub cpus: u32,
    /// Bytes; `None`: as the scheduler says.
    pub memory: Option<u64>,
    /// GPUs.
    pub gpus: u32,
    /// Seconds; `None`: as the scheduler says.
    pub time_s: Option<u64>,
}

/// Says what would be submitted for these instances of a run with this folder, absolute. Nothing is submitted or
/// written.
pub type Preview = fn(&Path, Vec<Handed>) -> Submissions;
