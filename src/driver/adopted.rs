//! Attempts that an earlier driver of the run handed to a backend that outlived it. When the engine starts the same
//! instance again under the same key, the old attempt is taken for the new one, whether it still runs or has ended
//! meanwhile; under another key it is stopped first.

use crate::base::InstanceId;
use crate::base::digest::Key;
use crate::event::{Event, LogRange};
use crate::port::{Job, Report};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// An attempt that was handed over and of whose end the journal knows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub attempt: u32,
    /// The key of its result.
    pub key: Option<Key>,
    /// If it has begun: its log, and where.
    pub begun: Option<Begun>,
}

type Begun = (Option<LogRange>, Option<Arc<str>>);

/// What a journal knows of attempts that were handed over.
#[derive(Default)]
pub struct Handed {
    keys: FxHashMap<(InstanceId, u32), Option<Key>>,
    last: FxHashMap<InstanceId, u32>,
    ended: FxHashMap<InstanceId, u32>,
    begun: FxHashMap<(InstanceId, u32), Begun>,
}

impl Handed {
    /// Takes one event.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Submitted { instance, attempt, key, .. } => {
                self.keys.insert((*instance, *attempt), *key);
                self.last.insert(*instance, *attempt);
            }
            Event::Started { instance, attempt, log, host: host @ Some(_) } => {
                self.begun.insert((*instance, *attempt), (*log, host.clone()));
            }
            Event::Ended { instance, attempt, .. } => {
                self.ended.insert(*instance, *attempt);
            }
            _ => {}
        }
    }

    /// Instances whose last attempt has not ended.
    pub fn open(&self) -> Vec<InstanceId> {
        let open = |(instance, last): (&InstanceId, &u32)| self.is_open(*instance, *last).then_some(*instance);
        self.last.iter().filter_map(open).collect()
    }

    /// Of these attempts, which a backend has, those that have not ended. A backend counts as the driver did that gave
    /// it the attempt; later drivers have counted on.
    pub fn still_open(&self, has: Vec<(InstanceId, u32)>) -> impl Iterator<Item = (InstanceId, Open)> {
        has.into_iter().filter(|(instance, attempt)| self.is_open(*instance, *attempt)).filter_map(
            |(instance, attempt)| {
                let key = *self.keys.get(&(instance, attempt))?;
                let begun = self.begun.get(&(instance, attempt)).cloned();
                Some((instance, Open { attempt, key, begun }))
            },
        )
    }

    fn is_open(&self, instance: InstanceId, attempt: u32) -> bool {
        self.ended.get(&instance).is_none_or(|ended| *ended < attempt)
    }
}

/// What is to be done with an attempt that the engine starts.
pub enum Start {
    /// It is new.
    Submit(Box<Job>),
    /// The old one counts as this one; or, if it must be stopped, this one follows when it has ended.
    Instead {
        /// Whether to stop the old one.
        stop: bool,
    },
}

/// What has become possible.
pub enum Ready {
    /// The old attempt had reported before it was asked for.
    Report(Box<Report>),
    /// The old attempt is gone.
    Submit(Box<Job>),
}

/// One attempt that was taken over.
struct Old {
    open: Open,
    /// The number under which the engine knows it; `None`: not started yet.
    now: Option<u32>,
    /// What it has said before that.
    early: Vec<Report>,
    /// What follows on its end.
    next: Option<Job>,
}

/// All that were taken over.
#[derive(Default)]
pub struct Adopted {
    old: FxHashMap<InstanceId, Old>,
    ready: Vec<Ready>,
}

impl Adopted {
    /// These, which a backend has said to have.
    pub fn new(open: impl IntoIterator<Item = (InstanceId, Open)>) -> Self {
        let old = |open| Old { open, now: None, early: Vec::new(), next: None };
        Self { old: open.into_iter().map(|(instance, open)| (instance, old(open))).collect(), ready: Vec::new() }
    }

    /// The engine starts an attempt.
    pub fn start(&mut self, job: Job, key: Option<Key>) -> Start {
        let Some(old) = self.old.get_mut(&job.instance) else { return Start::Submit(Box::new(job)) };
        let ended = old.early.iter().any(|report| matches!(report, Report::Ended { .. }));
        if old.open.key != key {
            if ended {
                self.old.remove(&job.instance);
                return Start::Submit(Box::new(job));
            }
            old.next = Some(job);
            return Start::Instead { stop: true };
        }
        let (instance, attempt) = (job.instance, job.attempt);
        old.now = Some(attempt);
        let mut early = std::mem::take(&mut old.early);
        if let Some((log, host)) = old.open.begun.take() {
            early.insert(0, Report::Started { instance, attempt, log, host });
        }
        if ended {
            self.old.remove(&instance);
        }
        self.ready.extend(early.into_iter().map(|report| Ready::Report(Box::new(under(report, attempt)))));
        Start::Instead { stop: false }
    }

    /// A report as the engine may know it; `None`: not now, or never.
    pub fn translated(&mut self, report: Report) -> Option<Report> {
        let (instance, attempt, ended) = match &report {
            Report::Started { instance, attempt, .. } => (*instance, *attempt, false),
            Report::Ended { instance, attempt, .. } => (*instance, *attempt, true),
            Report::Note(_) | Report::Waiting(_) | Report::Broken(..) => return Some(report),
        };
        let Some(old) = self.old.get_mut(&instance).filter(|old| old.open.attempt == attempt) else {
            return Some(report);
        };
        if let Some(next) = old.next.take_if(|_| ended) {
            self.old.remove(&instance);
            self.ready.push(Ready::Submit(Box::new(next)));
            return None;
        }
        let Some(now) = old.now else {
            old.early.push(report);
            return None;
        };
        if ended {
            self.old.remove(&instance);
        }
        Some(under(report, now))
    }

    /// What has become possible since the last call.
    pub fn take_ready(&mut self) -> Vec<Ready> {
        std::mem::take(&mut self.ready)
    }

    /// Whether something was reported that nobody has asked for yet.
    pub fn holds_back(&self) -> bool {
        self.old.values().any(|old| !old.early.is_empty())
    }

    /// Those that nobody has asked for: the plan has no use for them any more.
    pub fn left(&self) -> Vec<InstanceId> {
        self.old.iter().filter(|(_, old)| old.now.is_none()).map(|(instance, _)| *instance).collect()
    }
}

/// The report under another number of its attempt.
fn under(mut report: Report, number: u32) -> Report {
    if let Report::Started { attempt, .. } | Report::Ended { attempt, .. } = &mut report {
        *attempt = number;
    }
    report
}
