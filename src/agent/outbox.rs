//! What a worker has not said yet. It says at most so much, but nothing waits longer than it must: the first word after a
//! pause goes at once, and what has begun and ended since the last one is one word.

use crate::backend::spool::{Doing, Message, Spool, Worker};
use crate::base::InstanceId;
use crate::port::Report;
use crate::sys::FaultKind;
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::{Duration, Instant};

/// A worker writes at most one message in so long a time, but for its last.
pub const PACE: Duration = Duration::from_millis(900);

/// A disk that is full is waited for so long.
const FULL: Duration = Duration::from_secs(600);

/// The messages of a worker.
pub struct Outbox {
    spool: Spool,
    /// The next one.
    pub message: Message,
    serial: u32,
    sent: Option<Instant>,
    /// What runs and was not said to have begun: since when.
    begun: FxHashMap<InstanceId, (Instant, Report)>,
    /// Whether the driver must know at once what the worker is about.
    turned: bool,
}

impl Outbox {
    pub fn new(spool: Spool, shape: String, worker: Worker) -> Self {
        let message = Message { shape, worker, doing: Doing::Work(0), reports: Vec::new(), left: Vec::new() };
        Self { spool, message, serial: 0, sent: None, begun: FxHashMap::default(), turned: false }
    }

    /// What this worker has ended and said before it was begun anew.
    pub fn done_before(&self) -> anyhow::Result<FxHashSet<(InstanceId, u32)>> {
        let (spool, worker) = (&self.spool, &self.message.worker);
        let mut done = FxHashSet::default();
        if worker.restart > 0 {
            done.extend(spool.read_done(worker)?);
            let ours = format!("{}.", worker.name());
            for name in spool.messages()?.iter().filter(|name| name.starts_with(&ours)) {
                for report in spool.read_message(name)?.reports {
                    if let Report::Ended { instance, attempt, .. } = report {
                        done.insert((instance, attempt));
                    }
                }
            }
        }
        Ok(done)
    }

    /// When the next message must go, from now.
    pub fn due(&self) -> Option<Duration> {
        let pause = || self.sent.map_or(Duration::ZERO, |sent| PACE.saturating_sub(sent.elapsed()));
        if self.turned || !self.message.reports.is_empty() || !self.message.left.is_empty() {
            return Some(pause());
        }
        // What is short need not be said to have begun.
        let oldest = self.begun.values().map(|(since, _)| *since).min()?;
        Some(pause().max(PACE.saturating_sub(oldest.elapsed())))
    }

    pub fn push(&mut self, report: Report) {
        match report {
            Report::Started { instance, .. } => {
                self.begun.insert(instance, (Instant::now(), report));
            }
            report => {
                if let Report::Ended { instance, .. } = &report {
                    self.begun.remove(instance);
                }
                self.message.reports.push(report);
            }
        }
    }

    /// What was taken and will not be reported.
    pub fn leave(&mut self, instance: InstanceId, attempt: u32) {
        self.begun.remove(&instance);
        self.message.left.push((instance, attempt));
    }

    /// The driver must know at once that the worker waits for more, for so long.
    pub fn wait_for(&mut self, long: Duration) {
        self.message.doing = Doing::Wait(long.as_millis() as u64);
        self.turned = true;
    }

    /// That it works is seen from what has begun.
    pub fn works(&mut self) {
        self.turned = false;
    }

    /// The last word.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.message.doing = Doing::End;
        self.send()
    }

    pub fn send(&mut self) -> anyhow::Result<()> {
        self.message.reports.extend(self.begun.drain().map(|(_, (_, report))| report));
        let begin = Instant::now();
        // Work that is done is not given up for a disk that is full for a while.
        while let Err(fault) = self.spool.write_message(&self.message, self.serial) {
            if fault.kind != FaultKind::Full || begin.elapsed() >= FULL {
                return Err(fault.into());
            }
            std::thread::sleep(PACE);
        }
        self.serial += 1;
        let ended = |report: &Report| match report {
            Report::Ended { instance, attempt, .. } => Some((*instance, *attempt)),
            _ => None,
        };
        let done: Vec<(InstanceId, u32)> = self.message.reports.iter().filter_map(ended).collect();
        if !done.is_empty() {
            // After the message: what nobody was told counts as not done.
            self.spool.add_done(&self.message.worker, &done)?;
        }
        self.message.reports.clear();
        self.message.left.clear();
        self.turned = false;
        self.sent = Some(Instant::now());
        Ok(())
    }
}
