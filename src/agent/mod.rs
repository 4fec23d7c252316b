//! Floor 6: flowrun on another machine. It takes instances of a batch one after another, runs each by the backend that
//! it was given, and reports through the spool. It reads a batch file, never the pipeline, and knows no scheduler but by
//! the names that it was started with.

use crate::backend::spool::{Batch, Message, Spool, Worker, claim_name};
use crate::base::InstanceId;
use crate::driver::{BackendAsk, OpenBackend};
use crate::event::{Cause, Outcome};
use crate::port::{Backend, Job, Report};
use crossbeam::channel::{Receiver, after, never, select, unbounded};
use rustc_hash::FxHashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A worker writes at most one message in so long a time, but for its last.
const PACE: Duration = Duration::from_millis(900);

/// Runs as one worker of a batch until nothing is left that it may take.
///
/// # Errors
/// A spool that cannot be used, or a backend that breaks; what was taken and not reported is then lost, which the driver
/// finds out from the scheduler.
pub fn run(spool: &Path, batch: u32, worker: Worker, open: &OpenBackend) -> anyhow::Result<()> {
    let begin = Instant::now();
    let batch = Spool::at(spool).read_batch(batch)?;
    let run_dir = PathBuf::from(OsString::from_vec(batch.run_dir.clone()));
    let spool = Spool::of(&run_dir);
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
    let host = format!("{}, job {}", crate::sys::host(), worker.name());
    let mut agent = Agent {
        outbox: Outbox::new(spool.clone(), batch.number, worker.clone())?,
        signals: crate::sys::signals::signals()?,
        backend,
        reports,
        host: host.into(),
        stopped: false,
    };
    let mut queue = Queue::new(&spool, &batch, &worker, agent.outbox.done.clone())?;
    while !agent.stopped && (queue.taken == 0 || begin.elapsed().as_secs() < batch.window_s) {
        let Some(job) = queue.next()? else { break };
        agent.execute(job)?;
    }
    // Its tasks are gone before the last word is said.
    drop(agent.backend);
    // Who has done nothing has nothing to say.
    agent.outbox.message.over = queue.taken > 0;
    agent.outbox.send()
}

struct Agent {
    outbox: Outbox,
    signals: Receiver<i32>,
    backend: Box<dyn Backend>,
    reports: Receiver<Report>,
    host: Arc<str>,
    stopped: bool,
}

impl Agent {
    /// One instance, to its end.
    fn execute(&mut self, job: Job) -> anyhow::Result<()> {
        let instance = job.instance;
        self.backend.submit(vec![job])?;
        loop {
            let due = self.outbox.due().map_or_else(never, after);
            select! {
                recv(self.reports) -> report => {
                    let mut report = report?;
                    self.stopped |= self.is_stopped_with(&report);
                    let over = match &mut report {
                        Report::Broken(what, _) => anyhow::bail!("{what}"),
                        // The scheduler knows who stopped it.
                        Report::Ended { instance, attempt, outcome: Outcome { result: Err(_), .. }, .. }
                            if self.stopped =>
                        {
                            self.outbox.message.left.push((*instance, *attempt));
                            return Ok(());
                        }
                        Report::Ended { outcome, .. } => {
                            outcome.host = Some(self.host.clone());
                            true
                        }
                        Report::Started { .. } | Report::Note(_) | Report::Waiting(_) => false,
                    };
                    self.outbox.push(report)?;
                    if over {
                        return Ok(());
                    }
                }
                recv(self.signals) -> _ => {
                    self.backend.cancel(&[instance], self.stopped)?;
                    self.stopped = true;
                }
                recv(due) -> _ => self.outbox.send()?,
            }
        }
    }
}

impl Agent {
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

/// What has not been said yet.
struct Outbox {
    spool: Spool,
    message: Message,
    serial: u32,
    sent: Option<Instant>,
    /// What this worker has ended, also before it was begun anew.
    done: FxHashSet<(InstanceId, u32)>,
}

impl Outbox {
    fn new(spool: Spool, batch: u32, worker: Worker) -> anyhow::Result<Self> {
        let mut done = FxHashSet::default();
        if worker.restart > 0 {
            done.extend(spool.read_done(&worker)?);
            let ours = format!("{batch}.{}.", worker.name());
            for name in spool.messages()?.iter().filter(|name| name.starts_with(&ours)) {
                for report in spool.read_message(name)?.reports {
                    if let Report::Ended { instance, attempt, .. } = report {
                        done.insert((instance, attempt));
                    }
                }
            }
        }
        let message = Message { batch, worker, reports: Vec::new(), left: Vec::new(), over: false };
        Ok(Self { spool, message, serial: 0, sent: None, done })
    }

    /// When the next message must go, from now.
    fn due(&self) -> Option<Duration> {
        let wait = || self.sent.map_or(Duration::ZERO, |sent| PACE.saturating_sub(sent.elapsed()));
        (!self.message.reports.is_empty()).then(wait)
    }

    fn push(&mut self, report: Report) -> anyhow::Result<()> {
        self.message.reports.push(report);
        if self.due() == Some(Duration::ZERO) { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> anyhow::Result<()> {
        if self.message.reports.is_empty() && self.message.left.is_empty() && !self.message.over {
            return Ok(());
        }
        self.spool.write_message(&self.message, self.serial)?;
        self.serial += 1;
        let known = self.done.len();
        self.done.extend(self.message.reports.iter().filter_map(|report| match report {
            Report::Ended { instance, attempt, .. } => Some((*instance, *attempt)),
            _ => None,
        }));
        if self.done.len() > known {
            // After the message: what nobody was told counts as not done.
            self.spool.write_done(&self.message.worker, &self.done.iter().copied().collect::<Vec<_>>())?;
        }
        self.message.reports.clear();
        self.sent = Some(Instant::now());
        Ok(())
    }
}

/// The instances of a batch that nobody has taken yet. A worker begins with the one of its own number and then takes
/// from the end, where the workers stand that the scheduler begins last.
struct Queue<'a> {
    spool: &'a Spool,
    worker: &'a Worker,
    jobs: &'a [Job],
    left: Vec<usize>,
    taken: usize,
}

impl<'a> Queue<'a> {
    fn new(
        spool: &'a Spool,
        batch: &'a Batch,
        worker: &'a Worker,
        done: FxHashSet<(InstanceId, u32)>,
    ) -> anyhow::Result<Self> {
        let claimed: FxHashSet<String> = spool.claims()?.into_iter().collect();
        let own = worker.element as usize;
        let free = |job: &Job| {
            // Begun anew, what it had taken before is its own and is asked for again.
            let maybe = worker.restart > 0 || !claimed.contains(&claim_name(job.instance, job.attempt));
            maybe && !done.contains(&(job.instance, job.attempt))
        };
        let mut left: Vec<usize> = (0..batch.jobs.len()).filter(|i| *i != own && free(&batch.jobs[*i])).collect();
        if own < batch.jobs.len() && free(&batch.jobs[own]) {
            left.push(own);
        }
        Ok(Self { spool, worker, jobs: &batch.jobs, left, taken: 0 })
    }

    fn next(&mut self) -> anyhow::Result<Option<Job>> {
        while let Some(at) = self.left.pop() {
            let job = &self.jobs[at];
            if self.spool.claim(job.instance, job.attempt, self.worker)? {
                self.taken += 1;
                return Ok(Some(job.clone()));
            }
        }
        Ok(None)
    }
}
