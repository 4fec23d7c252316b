//! From a pipeline file on disk to a checked plan.

use super::{Error, Params};
use crate::diag::{Diagnostic, Sources};
use crate::plan::Plan;
use std::path::Path;

/// A pipeline that was read and found right.
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// The texts that `warnings` point into.
    pub sources: Sources,
    /// What is said and does not stop a run.
    pub warnings: Vec<Diagnostic>,
}

/// Reads and checks a pipeline file with its params; `complete` asks for a value of every param, as a run needs it.
pub fn load(pipeline: &Path, params: &Params, complete: bool) -> Result<Loaded, Error> {
    let _ = (pipeline, params, complete);
    todo!()
}
