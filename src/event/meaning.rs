//! What the end of a process meant, for people.

use super::{Cause, Event};
use crate::base::{Digest, InstanceId};

impl Cause {
    /// The word for it: `exit`, `signal`, `timeout`, … as `retry.on` has it.
    pub fn word(&self) -> &'static str {
        match self {
            Cause::Exit(_) => "exit",
            Cause::Signal(_) => "signal",
            Cause::Timeout => "timeout",
            Cause::Oom => "oom",
            Cause::OutputMissing => "output missing",
            Cause::OutputInvalid => "output invalid",
            Cause::NotStarted => "not started",
            Cause::Prepare => "prepare",
            Cause::Lost => "lost",
            Cause::Stopped => "stopped",
        }
    }

    /// The exit status as a shell would tell it, where there is one.
    pub fn status(&self) -> Option<i32> {
        match self {
            Cause::Exit(status) => Some(*status),
            Cause::Signal(signal) => Some(128 + signal),
            _ => None,
        }
    }

    /// What a status or signal most often means, where that is more than its name says.
    pub fn meaning(&self) -> Option<&'static str> {
        match self {
            // A shell tells the signal that ended its command as 128 plus its number.
            Cause::Exit(status @ 129..=192) => signal(status - 128),
            Cause::Exit(124) => Some("this is how `timeout` says that the time was over"),
            Cause::Signal(number) => signal(*number),
            _ => None,
        }
    }
}

fn signal(number: i32) -> Option<&'static str> {
    Some(match number {
        4 => "it is not made for this processor",
        6 => "it gave up by itself",
        7 => "a file or memory under it went away",
        8 => "a division by zero or the like",
        9 => "most often for lack of memory",
        11 => "it touched memory that is not its own",
        13 => "the reader of its output was gone",
        24 => "the limit of cpu time was reached",
        25 => "the limit of a file's size was reached",
        31 => "a system call that is not allowed",
        _ => return None,
    })
}

impl Event {
    /// The list in the run's folder that it names, if it names one.
    pub fn list(&self) -> Option<&Digest> {
        match self {
            Event::Listed { list, .. }
            | Event::Chosen { list, .. }
            | Event::Called { list, .. }
            | Event::Iterated { list, .. } => Some(list),
            _ => None,
        }
    }

    /// The instance that it speaks of (the first one of a range); `None`: of the run.
    pub fn instance(&self) -> Option<InstanceId> {
        match self {
            Event::Listed { instance, .. }
            | Event::Chosen { instance, .. }
            | Event::Called { instance, .. }
            | Event::Iterated { instance, .. }
            | Event::Submitted { instance, .. }
            | Event::Started { instance, .. }
            | Event::Ended { instance, .. }
            | Event::Delayed { instance, .. }
            | Event::Elsewhere { instance, .. }
            | Event::MapEnded { instance, .. }
            | Event::Refused { instance, .. }
            | Event::LetGo { instance, .. }
            | Event::Again { instance }
            | Event::Ignored { instance } => Some(*instance),
            Event::Cached { from, .. } | Event::Skipped { from, .. } | Event::Cancelled { from, .. } => Some(*from),
            Event::Begun { .. } | Event::Resumed { .. } | Event::Stopping { .. } | Event::Finished { .. } => None,
        }
    }
}
