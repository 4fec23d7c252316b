//! Runs as their journals tell them, live or over: for `status` and `log`. Reads only, and never the store.

use super::Error;
use crate::port::status::{LogPlace, Status};
use std::path::Path;

/// The state of a run; `None`: of the newest. `state_dir` is the pipeline's `.flowrun`.
pub fn status(state_dir: &Path, run: Option<u64>) -> Result<Status, Error> {
    let _ = (state_dir, run);
    todo!()
}

/// Where the log of an instance is; `None`: of the newest run that has it, of its last attempt.
pub fn log(state_dir: &Path, run: Option<u64>, instance: &str, attempt: Option<u32>) -> Result<LogPlace, Error> {
    let _ = (state_dir, run, instance, attempt);
    todo!()
}
