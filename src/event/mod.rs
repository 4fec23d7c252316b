//! The one event type: every change of a run's state, as the journal keeps it and every view reads it.
//!
//! `fold(events)` decides nothing; it is how `status`, `report` and `resume` learn the state of a run.

mod meaning;

use crate::base::digest::Key;
use crate::base::{Digest, InstanceId, Value};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// Milliseconds since the Unix epoch, from the driver's clock.
pub type Time = u64;

/// A change of a run's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum Event {
    /// The first line of a journal.
    Begun {
        /// Which driver: host, process, version.
        by: Arc<str>,
    },
    /// A later process goes on with the run: what ended well stays so, everything else is decided anew. What ran
    /// locally ended with its driver.
    Resumed {
        /// Which driver.
        by: Arc<str>,
    },
    /// A map's list is known; its scope and the instances of its body are the next free ids. A second one for the same
    /// map, after `Resumed`, says that its items go on.
    Listed {
        /// The map's instance.
        instance: InstanceId,
        /// How many items.
        len: u32,
        /// Names the file in the run's `lists` folder.
        list: Digest,
    },
    /// A branch takes a case. The instances of all of its cases are the next free ids, case by case; the others than
    /// the one that is taken are skipped. A second one for the same branch, after `Resumed`, says that it goes on.
    Chosen {
        /// The branch's instance.
        instance: InstanceId,
        /// The case.
        case: Arc<str>,
        /// Names the file that holds what `on` gave.
        list: Digest,
    },
    /// A call begins; the instances of its body are the next free ids. A second one for the same call, after `Resumed`,
    /// says that it goes on.
    Called {
        /// The call's instance.
        instance: InstanceId,
        /// Names the file that holds the values of its params.
        list: Digest,
    },
    /// An iteration of a loop begins; the instances of its body are the next free ids. A second one with the same
    /// number, after `Resumed`, says that it goes on.
    Iterated {
        /// The loop's instance.
        instance: InstanceId,
        /// Counts from 0.
        index: u32,
        /// Names the file that holds what the loop carries into it.
        list: Digest,
    },
    /// `count` instances with consecutive ids were taken from the cache.
    Cached {
        /// The first.
        from: InstanceId,
        /// How many.
        count: u32,
    },
    /// `count` instances with consecutive ids did not run because a `when` was false or what they name was skipped.
    Skipped {
        /// The first.
        from: InstanceId,
        /// How many.
        count: u32,
    },
    /// `count` instances with consecutive ids will not run: what they need failed, or the run stops.
    Cancelled {
        /// The first.
        from: InstanceId,
        /// How many.
        count: u32,
    },
    /// An attempt is handed to the backend (journaled before that happens).
    Submitted {
        /// Which instance.
        instance: InstanceId,
        /// Counts from 1.
        attempt: u32,
        /// The key of its result; `None` for a task that is not cached.
        key: Option<Key>,
        /// Why it runs, when an earlier result is known: `command changed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Arc<str>>,
    },
    /// An attempt has begun on some host.
    Started {
        /// Which instance.
        instance: InstanceId,
        /// Counts from 1.
        attempt: u32,
        /// Where its log begins; the lengths are not known yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<LogRange>,
        /// Where it runs; `None` for the driver's own host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<Arc<str>>,
    },
    /// An attempt has ended; for a success, its results are in place. One that was stopped on request
    /// ([`Cause::Stopped`]) has not failed: it counts as not run.
    Ended {
        /// Which instance.
        instance: InstanceId,
        /// Counts from 1.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// After a failed attempt another one will follow, not before `until`.
    Delayed {
        /// Which instance.
        instance: InstanceId,
        /// When the next attempt may begin.
        until: Time,
    },
    /// Another process computes the key of an instance that could start: it waits for that one's end.
    Elsewhere {
        /// Which instance.
        instance: InstanceId,
        /// Which process: `run 7 on host h`.
        by: Arc<str>,
    },
    /// A map, branch, loop or call has ended, for all in it has.
    MapEnded {
        /// Its instance.
        instance: InstanceId,
        /// How.
        end: MapEnd,
    },
    /// What could not be prepared, listed or recorded: an expression failed, a source could not be read. Nothing was
    /// started, and the instance has failed.
    Refused {
        /// Which instance.
        instance: InstanceId,
        /// Why, and the way out.
        error: Failure,
    },
    /// The failure that was told before is one that the file lets be.
    Ignored {
        /// Which instance.
        instance: InstanceId,
    },
    /// The bytes of these outputs go: all that reads them has ended well (journaled before that happens).
    LetGo {
        /// Which instance.
        instance: InstanceId,
        /// Which of its outputs, by position.
        outputs: Vec<u32>,
    },
    /// What had ended well is at it once more: something that reads what was let go must run, or what it was keyed by
    /// has changed.
    Again {
        /// Which instance.
        instance: InstanceId,
    },
    /// Nothing new will start.
    Stopping {
        /// Why: a failure, or a signal's name.
        reason: Arc<str>,
    },
    /// The last line: the run has reached its end (a run stopped by a signal has none, and is continued later).
    Finished {
        /// How.
        state: RunState,
    },
}

/// How a map, branch, loop or call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapEnd {
    /// Every item succeeded, was cached or skipped, or failed as the file lets it.
    Succeeded,
    /// An item failed, or more than may.
    Failed,
    /// More items failed than may, and the file lets that be.
    Ignored,
    /// Items were cancelled, none failed.
    Cancelled,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Everything succeeded, was cached or skipped, or failed as the file lets it.
    Succeeded,
    /// Something failed.
    Failed,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Results, or why there are none.
    pub result: Result<Results, Failure>,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// Where its standard output and error are.
    #[serde(default)]
    pub log: Option<LogRange>,
    /// Where it ran; `None` for the driver's own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<str>>,
    /// An input changed while it ran: the run goes on with its results, and later runs do not take them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
}

/// What a successful instance gives, in the order of the task's `outputs`.
pub type Results = Arc<Vec<Produced>>;

/// One output of a successful instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Produced {
    /// A file or directory, in place.
    Artifact {
        /// The final path as the project sees it (relative to the project unless declared absolute).
        path: Value,
        /// Of the content (of a directory: of the sorted list of its entries' paths, modes and digests).
        digest: Digest,
        /// Bytes.
        size: u64,
        /// Whether it is a directory.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dir: bool,
        /// Of a file: whether its owner may execute it. A folder's digest says it of each file.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        exec: bool,
    },
    /// A value; null also stands for a file that may be missing, and is.
    Value(Value),
    /// The files that a pattern matched, in place, sorted bytewise.
    Files(Vec<Matched>),
}

/// One of the files that a pattern matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matched {
    /// The final path as the project sees it.
    pub path: Value,
    /// Of the content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Whether its owner may execute it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exec: bool,
}

/// A file or directory of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Artifact<'a> {
    /// The final path as the project sees it.
    pub path: &'a Value,
    /// Of the content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Whether it is a directory.
    pub dir: bool,
    /// Of a file: whether its owner may execute it.
    pub exec: bool,
}

impl Produced {
    /// What an expression sees: the value, the path, or the list of paths.
    pub fn value(&self) -> Cow<'_, Value> {
        match self {
            Produced::Value(value) => Cow::Borrowed(value),
            Produced::Artifact { path, .. } => Cow::Borrowed(path),
            Produced::Files(files) => Cow::Owned(Value::list(files.iter().map(|file| file.path.clone()).collect())),
        }
    }

    /// The files and directories that it is.
    pub fn artifacts(&self) -> impl Iterator<Item = Artifact<'_>> {
        let (one, many) = match self {
            Produced::Artifact { path, digest, size, dir, exec } => {
                (Some(Artifact { path, digest: *digest, size: *size, dir: *dir, exec: *exec }), [].as_slice())
            }
            Produced::Files(files) => (None, files.as_slice()),
            Produced::Value(_) => (None, [].as_slice()),
        };
        one.into_iter().chain(many.iter().map(|file| {
            let Matched { path, digest, size, exec } = file;
            Artifact { path, digest: *digest, size: *size, dir: false, exec: *exec }
        }))
    }
}

/// Why an attempt failed, for people and for `retry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of end.
    pub cause: Cause,
    /// One sentence: `exit status 2`, `the output `html` was not written`.
    pub message: Arc<str>,
    /// The way out, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<Arc<str>>,
}

/// The cause of a failure, as `retry.on` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The process ended with this status, not 0.
    Exit(i32),
    /// A signal ended the process.
    Signal(i32),
    /// Its `time` was over.
    Timeout,
    /// It was killed for lack of memory.
    Oom,
    /// It ended well without a declared output.
    OutputMissing,
    /// An output is not what was declared.
    OutputInvalid,
    /// The program could not be started at all.
    NotStarted,
    /// It could not be prepared: an expression, a source, an input file.
    Prepare,
    /// Nobody knows what became of it.
    Lost,
    /// It was stopped on request.
    Stopped,
}

/// What an attempt used. Times in microseconds, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Begin, milliseconds since the epoch.
    pub began: Time,
    /// Wall time.
    pub wall_us: u64,
    /// User time of the process and its waited-for children.
    pub user_us: u64,
    /// System time.
    pub system_us: u64,
    /// Peak resident memory of the largest process.
    pub peak_bytes: u64,
    /// Bytes read by `read` and its kin.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

/// The place of an attempt's standard output and error in the run's log segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// The segment pair `logs/<segment>.out` and `logs/<segment>.err`.
    pub segment: u32,
    /// First byte and length in `.out`.
    pub out: (u64, u64),
    /// First byte and length in `.err`.
    pub err: (u64, u64),
}
