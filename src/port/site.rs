//! What a place to which tasks are sent says of them beforehand.

use crate::base::Value;
use std::sync::Arc;

/// Why a task can never run there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The resource or option that it is about, as the pipeline file names it: `memory`, `slurm.partition`.
    pub about: Arc<str>,
    /// Whether it names something that is not there, or not for this user; else it asks for too much.
    pub absent: bool,
    /// What the task asks for and why it is not to be had; `asks for` stands before it.
    pub message: String,
    /// The way out.
    pub help: String,
}

/// A place that was asked what it has.
pub trait Site: Send + Sync {
    /// What stands against a task that asks for this: its resources and options by their names, as far as they are known.
    fn objections(&self, asked: &[(Arc<str>, Value)]) -> Vec<Objection>;
}
