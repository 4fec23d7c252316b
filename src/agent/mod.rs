//! Floor 6: flowrun on another machine. It takes instances of a shape one after another, or several at once, runs each by
//! the backend that it was given, and reports through the spool. When nothing is left it waits a little for more, so
//! that what follows on what it has done needs no other job. It reads batches, never the pipeline, and knows no scheduler
//! but by the names that it was started with.

mod outbox;
mod work;

use crate::backend::nodes::{self, Here};
use crate::backend::spool::{Doing, Spool, Terms, Worker};
use crate::base::InstanceId;
use crate::driver::{BackendAsk, OpenBackend};
use crate::event::{Cause, Outcome};
use crate::port::{Backend, Job, Report};
use crate::sys::mount;
use crossbeam::channel::{Receiver, after, never, select, unbounded};
use outbox::{Outbox, PACE};
use rustc_hash::FxHashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use work::Work;

/// How long a worker that has nothing waits for more, and how often it looks. On a network file system words take longer.
const LINGER: Duration = Duration::from_secs(5);
const FAR_LINGER: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);
const FAR_LOOK: Duration = Duration::from_millis(300);
/// How often a worker that runs several instances looks whether one of them is to be stopped.
const STOPS: Duration = Duration::from_secs(2);
/// How long a worker takes new instances when nobody has said how long it may run.
const WINDOW: Duration = Duration::from_secs(60);

/// Where a worker finds itself.
pub struct Place {
    /// Who it is.
    pub worker: Worker,
    /// The node that it is on.
    pub node: String,
    /// How many workers its array has.
    pub workers: u32,
    /// When the scheduler ends it, where it says so, from now.
    pub ends_in: Option<Duration>,
}

/// Runs as one worker until nothing is left that it may take.
///
/// # Errors
/// A spool that cannot be used, or a backend that breaks; what was taken and not reported is then lost, which the driver
/// finds out from the scheduler.
pub fn run(spool: &Path, batch: u32, place: Place, open: &OpenBackend) -> anyhow::Result<()> {
    let begin = Instant::now();
    let first = Spool::at(spool).open_batch(batch)?;
    let run_dir = PathBuf::from(OsString::from_vec(first.head.run_dir.clone()));
    let spool = Spool::of(&run_dir);
    let far = mount::network(&run_dir).is_some();
    let worker = place.worker;
    let (sender, reports) = unbounded();
    let work = spool.work(&worker);
    let ask = BackendAsk {
        jobs: None,
        pace: None,
        limits: Vec::new(),
        run_dir,
        work: Some(work),
        reports: sender,
        lock: None,
    };
    let backend = open(ask)?;
    let outbox = Outbox::new(spool.clone(), first.head.shape.clone(), worker.clone());
    let done = outbox.done_before()?;
    let terms = first.head.terms;
    let mut agent = Agent {
        host: nodes::place(&place.node, &worker.name()).into(),
        here: Here::on(place.node, &spool),
        work: Work::new(spool, worker, place.workers, &first, done),
        outbox,
        signals: crate::sys::signals::signals()?,
        backend,
        reports,
        terms,
        budget: Budget::new(begin, terms, place.ends_in),
        running: FxHashMap::default(),
        idle: None,
        linger: if far { FAR_LINGER } else { LINGER },
        look: if far { FAR_LOOK } else { LOOK },
        gpus: std::env::var("CUDA_VISIBLE_DEVICES").map_or_else(|_| Vec::new(), |named| listed(&named)),
        stopped: false,
    };
    agent.serve()?;
    // Its tasks are gone before the last word is said.
    drop(agent.backend);
    // Who said that nothing more comes needs no answer.
    if agent.work.is_over() && agent.outbox.due().is_none() { Ok(()) } else { agent.outbox.end() }
}

/// The parts of a list with commas.
fn listed(text: &str) -> Vec<String> {
    text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// How much a worker may still begin.
struct Budget {
    begin: Instant,
    terms: Terms,
    end: Option<Duration>,
    taken: u32,
    /// What each may take at most, or as long as the longest so far took.
    limit: Option<Duration>,
    longest: Duration,
}

impl Budget {
    fn new(begin: Instant, terms: Terms, ends_in: Option<Duration>) -> Self {
        let end = terms.run_s.map(Duration::from_secs).or(ends_in);
        Self { begin, terms, end, taken: 0, limit: None, longest: Duration::ZERO }
    }
    /// Whether it may begin another: it has room, and time, as far as is known. The first it begins in any case.
    fn allows(&self) -> bool {
        if self.taken == 0 {
            return true;
        }
        let elapsed = self.begin.elapsed();
        let fits = match self.end {
            Some(end) => elapsed + self.limit.unwrap_or(self.longest * 2) <= end,
            None => elapsed <= WINDOW,
        };
        fits && self.terms.most.is_none_or(|most| self.taken < most)
    }
}

struct Agent {
    work: Work,
    outbox: Outbox,
    signals: Receiver<i32>,
    backend: Box<dyn Backend>,
    reports: Receiver<Report>,
    host: Arc<str>,
    here: Here,
    terms: Terms,
    budget: Budget,
    running: FxHashMap<InstanceId, Running>,
    /// Since when nothing is at work.
    idle: Option<Instant>,
    linger: Duration,
    look: Duration,
    /// What the scheduler has given.
    gpus: Vec<String>,
    stopped: bool,
}

struct Running {
    attempt: u32,
    lane: u32,
    since: Instant,
}

impl Agent {
    fn serve(&mut self) -> anyhow::Result<()> {
        loop {
            self.fill()?;
            let waits = self.may_take();
            if self.running.is_empty() {
                let new = self.idle.is_none();
                let since = *self.idle.get_or_insert_with(Instant::now);
                // Where each job runs one instance, nothing can follow.
                let lingers = waits && self.terms.most != Some(1);
                if !lingers || self.work.is_over() || since.elapsed() >= self.linger {
                    return Ok(());
                }
                if new {
                    self.outbox.wait_for(self.linger);
                }
            } else {
                let free = if waits { self.terms.width - self.running.len() as u32 } else { 0 };
                self.outbox.message.doing = Doing::Work(free);
            }
            if self.outbox.due() == Some(Duration::ZERO) {
                self.outbox.send()?;
            }
            self.wait(waits)?;
        }
    }

    fn may_take(&mut self) -> bool {
        let room = !self.stopped && (self.running.len() as u32) < self.terms.width;
        room && self.budget.allows() && !self.here.is_excluded()
    }

    /// Takes what it may.
    fn fill(&mut self) -> anyhow::Result<()> {
        while self.may_take() {
            let Some(job) = self.work.take()? else { break };
            self.begin(job)?;
        }
        Ok(())
    }

    fn begin(&mut self, mut job: Job) -> anyhow::Result<()> {
        self.idle = None;
        self.outbox.works();
        self.budget.taken += 1;
        self.budget.limit = job.time_ms.map(Duration::from_millis);
        let lane = (0..).find(|lane| self.running.values().all(|running| running.lane != *lane)).unwrap_or_default();
        let gpus = job.needs.gpus as usize;
        let first = lane as usize * gpus;
        // Where the scheduler has not named them there is nothing to divide, and an empty list would hide them all.
        if let Some(own) = self.gpus.get(first..first + gpus).filter(|own| self.terms.width > 1 && !own.is_empty()) {
            job.env.push((b"CUDA_VISIBLE_DEVICES".to_vec(), own.join(",").into_bytes()));
        }
        self.running.insert(job.instance, Running { attempt: job.attempt, lane, since: Instant::now() });
        self.backend.submit(vec![job])
    }

    /// Waits until something happens, or it is time to look for more, or to speak.
    fn wait(&mut self, for_more: bool) -> anyhow::Result<()> {
        let due = self.outbox.due().map_or_else(never, after);
        let look = if for_more {
            after(self.look)
        } else if self.terms.width > 1 && !self.stopped {
            after(STOPS)
        } else {
            never()
        };
        select! {
            recv(self.reports) -> report => self.take_report(report?)?,
            recv(self.signals) -> _ => self.stop()?,
            recv(due) -> _ => {}
            recv(look) -> _ => {
                self.work.look()?;
                let stops = self.work.take_stops().into_iter();
                let ours = |(instance, attempt): &(InstanceId, u32)| {
                    self.running.get(instance).is_some_and(|running| running.attempt == *attempt)
                };
                let stops: Vec<InstanceId> = stops.filter(ours).map(|(instance, _)| instance).collect();
                if !stops.is_empty() {
                    self.backend.cancel(&stops, false)?;
                }
            }
        }
        Ok(())
    }

    /// Stops all that runs; the second time without patience.
    fn stop(&mut self) -> anyhow::Result<()> {
        let all: Vec<InstanceId> = self.running.keys().copied().collect();
        self.backend.cancel(&all, self.stopped)?;
        self.stopped = true;
        Ok(())
    }

    fn take_report(&mut self, mut report: Report) -> anyhow::Result<()> {
        if !self.stopped && self.is_stopped_with(&report) {
            self.stop()?;
        }
        match &mut report {
            Report::Broken(what, _) => anyhow::bail!("{what}"),
            Report::Ended { instance, attempt, outcome, .. } => {
                if let Some(running) = self.running.remove(instance) {
                    self.budget.longest = self.budget.longest.max(running.since.elapsed());
                }
                // The scheduler knows who stopped it.
                if self.stopped && outcome.result.is_err() {
                    self.outbox.leave(*instance, *attempt);
                    return Ok(());
                }
                outcome.host = Some(self.host.clone());
            }
            Report::Started { host, .. } => *host = Some(self.host.clone()),
            Report::Note(_) | Report::Waiting(_) => {}
        }
        self.outbox.push(report);
        Ok(())
    }

    /// Whether what ended in a failure did so because the scheduler ends the job: it signals tasks and worker alike, and
    /// the task's end may be known first.
    fn is_stopped_with(&self, report: &Report) -> bool {
        let Report::Ended { outcome: Outcome { result: Err(failure), .. }, .. } = report else { return false };
        match failure.cause {
            Cause::Signal(15) | Cause::Exit(143) => self.signals.recv_timeout(PACE).is_ok(),
            _ => self.signals.try_recv().is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn near_its_end_a_worker_begins_nothing_that_does_not_fit() {
        let secs = Duration::from_secs;
        let begun = |ago| Instant::now().checked_sub(secs(ago)).unwrap();
        let budget = |ago, run_s, most, limit, longest| {
            let budget = Budget::new(begun(ago), Terms { most, width: 1, run_s }, None);
            Budget { taken: 3, limit, longest, ..budget }
        };
        assert!(budget(30, Some(600), None, Some(secs(300)), secs(1)).allows());
        assert!(!budget(301, Some(600), None, Some(secs(300)), secs(1)).allows(), "its time limit counts");
        assert!(!budget(500, Some(600), None, None, secs(60)).allows(), "without one, twice the longest so far");
        assert!(budget(500, Some(600), None, None, secs(10)).allows());
        assert!(budget(50, None, None, None, secs(10)).allows() && !budget(61, None, None, None, secs(1)).allows());
        assert!(!budget(1, Some(600), Some(3), None, secs(1)).allows());
        assert!(Budget { taken: 0, ..budget(900, Some(600), Some(1), None, secs(1)) }.allows(), "one in any case");
    }
}
