//! How a run ended, kept in its folder for whoever followed it from elsewhere: what its journal does not tell. Counts and
//! failures of tasks it does.

use crate::base::Value;
use crate::driver::history::Story;
use crate::driver::rundir::RunDir;
use crate::driver::settings::{End, Ended, FailedKind, FailureItem};
use crate::event::{Failure, RunState};
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The length of the journal: what is kept is void when it has grown.
    journal: u64,
    how: How,
    wall_ms: u64,
    outputs: Vec<(Arc<str>, Value)>,
    /// Outputs of the pipeline that could not be made.
    refused: Vec<(Arc<str>, Failure)>,
}

#[derive(Serialize, Deserialize)]
enum How {
    Finished(RunState),
    Stopped(i32),
    Cancelled,
}

fn path(dir: &RunDir) -> PathBuf {
    dir.path().join("end")
}

/// Keeps it.
pub fn keep(dir: &RunDir, ended: &Ended) -> Result<()> {
    let refused = |item: &&FailureItem| item.kind == FailedKind::Output;
    let failure = |item: &FailureItem| {
        let failure = Failure { cause: item.cause, message: item.message.clone(), help: item.help.clone() };
        (item.instance.clone(), failure)
    };
    let how = match ended.end {
        End::Finished(state) => How::Finished(state),
        End::Stopped { signal } => How::Stopped(signal),
        End::Cancelled => How::Cancelled,
        End::Detached => return Ok(()),
    };
    let kept = Kept {
        journal: dir.length()?,
        how,
        wall_ms: ended.wall_ms,
        outputs: ended.outputs.clone(),
        refused: ended.failures.iter().filter(refused).map(failure).collect(),
    };
    let text = serde_json::to_vec(&kept).unwrap_or_default();
    durable::write(&path(dir), &text, Sync::Later)
}

/// Whether the run was cancelled, and nothing has happened since.
pub(super) fn is_cancelled(story: &Story, dir: &RunDir) -> bool {
    of(story, dir).is_some_and(|ended| ended.end == End::Cancelled)
}

/// The end of a run that has one, or that was stopped; `None`: nobody said it yet, or never will.
pub(super) fn of(story: &Story, dir: &RunDir) -> Option<Ended> {
    let kept: Kept = serde_json::from_slice(&std::fs::read(path(dir)).ok()?).ok()?;
    if kept.journal != story.read {
        return None;
    }
    let end = match kept.how {
        How::Finished(state) => End::Finished(state),
        How::Stopped(signal) => End::Stopped { signal },
        How::Cancelled => End::Cancelled,
    };
    let refused = kept.refused.into_iter().map(|(instance, failure)| FailureItem {
        instance,
        kind: FailedKind::Output,
        attempt: 0,
        cause: failure.cause,
        message: failure.message,
        help: failure.help,
        ignored: false,
        tail: Vec::new(),
        has_log: false,
        usage: Default::default(),
        host: None,
    });
    let failures = story.failures().into_iter().chain(refused).collect();
    Some(Ended { end, outputs: kept.outputs, wall_ms: kept.wall_ms, failures, ..bare(story, end) })
}

/// The end of a run as far as its journal tells it.
pub(super) fn bare(story: &Story, end: End) -> Ended {
    Ended {
        run: story.run,
        end,
        outputs: Vec::new(),
        counts: *story.fold.ledger().counts(),
        wall_ms: story.last.saturating_sub(story.began),
        failures: story.failures(),
        by: None,
    }
}
