//! The Slurm backend: arrays of workers that take instances from batches in a folder which driver and nodes share.
//!
//! ```text
//!   driver process                        shared folder, runs/N/spool        nodes
//!   Slurm ── Ask ──> desk thread ── writes batch/B ──────────────────────────> flowrun __agent (an array's element)
//!     ^                  │  sbatch --array=0-E        claims/I.A <── link ──────── takes instances, one after another
//!     └──── Report ──────┴── reads <── reports/… <───── rename ────────────────── says what has happened
//! ```
//!
//! A worker serves a shape, what instances ask of the scheduler: it takes one after another of all batches of its shape,
//! and when nothing is left it waits some seconds for the next. So what is short is packed, what follows on something
//! runs in the same element, and workers are submitted only for what those that are there cannot take (`desk::crew`).
//! When nothing of a shape is left for a while, its workers that still wait in the queue are cancelled. The driver tells
//! workers by `boards/S` which batches there are and when nothing more comes; who hears nothing ends by itself.
//!
//! The scheduler is asked when workers fall silent, and then once for all of them. What it does not answer is not
//! known, and never a verdict.

mod clusters;
mod commands;
mod desk;
mod doctor;
mod driver;
mod order;
mod preview;
mod refusal;
mod site;
mod survey;

use crate::backend::spool::Spool;
use crate::base::InstanceId;
use crate::engine::Capacity;
use crate::port::site::Site;
use crate::port::{Backend, Job, ReportSink};
use commands::Shape;
use crossbeam::channel::{Sender, unbounded};
use desk::{Ask, Desk, Left};
pub use doctor::examine;
pub use driver::Queue;
pub use preview::preview;
use rustc_hash::FxHashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the queue is looked at for what is being cancelled.
const LOOK_LEFT: Duration = Duration::from_secs(1);

/// How the backend is made.
pub struct Options {
    /// The run's folder, absolute, as the nodes see it too.
    pub run_dir: PathBuf,
    /// `-j`.
    pub jobs: Option<u32>,
    /// Submissions a minute; `None`: one a second.
    pub pace: Option<u32>,
    /// `[limits]` of the plan, by position.
    pub limits: Vec<u32>,
}

/// What a cluster can give: it says itself what it cannot. `-j` is the number of cores that may be at work at once.
pub fn capacity(jobs: Option<u32>, limits: &[u32]) -> Capacity {
    let gpus = vec!["".into(); 1 << 12];
    let (cpus, limits) = (jobs.unwrap_or(1 << 24), limits.to_vec());
    Capacity { cpus, nodes: u32::MAX, memory: u64::MAX, gpus, limits, window: 100_000 }
}

/// The cluster: asked for what it has and allows, once.
///
/// # Errors
/// There is no Slurm here, or it does not answer.
pub fn survey() -> anyhow::Result<Arc<dyn Site>> {
    Ok(survey::site()?)
}

/// The Slurm backend. Dropping it leaves the jobs alone.
pub struct Slurm {
    capacity: Capacity,
    ask: Option<Sender<Ask>>,
    spool: Spool,
    desk: Option<JoinHandle<()>>,
}

impl Slurm {
    /// Makes the spool, or finds the jobs of an earlier driver in it.
    ///
    /// # Errors
    /// No Slurm here, or a spool that cannot be used.
    pub fn open(options: Options, reports: ReportSink) -> anyhow::Result<Self> {
        let desk = Desk::open(&options.run_dir, options.pace, reports)?;
        let (ask, asked) = unbounded();
        let desk = std::thread::Builder::new().name("slurm".to_owned()).spawn(move || desk.serve(&asked))?;
        Ok(Self {
            capacity: capacity(options.jobs, &options.limits),
            ask: Some(ask),
            spool: Spool::of(&options.run_dir),
            desk: Some(desk),
        })
    }

    fn tell(&self, ask: Ask) -> anyhow::Result<()> {
        let desk = self.ask.as_ref().expect("until it is dropped");
        desk.send(ask).map_err(|_| anyhow::anyhow!("the thread that speaks with Slurm has ended"))
    }
}

/// Whether jobs that an earlier driver of a run had submitted may still be there.
pub fn has_left(run_dir: &Path) -> bool {
    let spool = Spool::of(run_dir);
    spool.path().is_dir() && spool.batches().is_ok_and(|batches| !batches.is_empty())
}

/// Cancels what an earlier driver of a run left in the queue, known by its name, and waits until it is gone; how many
/// there were.
///
/// # Errors
/// Slurm does not answer, or does not do it.
fn stop_left(run_dir: &Path) -> anyhow::Result<usize> {
    let spool = Spool::of(run_dir);
    if !spool.path().is_dir() || spool.batches()?.is_empty() {
        return Ok(0);
    }
    let ours = clusters::Ours::of(run_dir);
    let mut all = FxHashSet::default();
    loop {
        let mut queue = commands::squeue(&ours).map_err(|error| anyhow::anyhow!("Slurm does not answer: {error}"))?;
        queue.retain(commands::Queued::is_alive);
        if queue.is_empty() {
            return Ok(all.len());
        }
        let mut jobs: Vec<String> = queue.iter().map(|queued| queued.job.to_string()).collect();
        jobs.sort();
        jobs.dedup();
        all.extend(queue.into_iter().map(|queued| (queued.job, queued.element)));
        commands::scancel(&jobs, true).map_err(|error| anyhow::anyhow!("Slurm does not cancel: {error}"))?;
        std::thread::sleep(LOOK_LEFT);
    }
}

impl Backend for Slurm {
    fn capacity(&self) -> Capacity {
        self.capacity.clone()
    }
    fn submit(&mut self, jobs: Vec<Job>) -> anyhow::Result<()> {
        self.tell(Ask::Submit(jobs))
    }
    fn cancel(&mut self, instances: &[InstanceId], hard: bool) -> anyhow::Result<()> {
        self.tell(Ask::Cancel(instances.to_vec(), hard))
    }
    fn outlives_driver(&self) -> bool {
        true
    }
    fn adopt(&mut self, open: &[InstanceId]) -> anyhow::Result<Vec<(InstanceId, u32)>> {
        let mut open: FxHashSet<InstanceId> = open.iter().copied().collect();
        let (mut adopted, mut batches) = (Vec::new(), Vec::new());
        for number in self.spool.batches()?.into_iter().rev() {
            let batch = self.spool.open_batch(number)?;
            let mut jobs = batch.head.attempts.clone();
            jobs.retain(|(instance, _)| open.remove(instance));
            adopted.extend(&jobs);
            let sent = desk::read_sent(&self.spool, number);
            if !jobs.is_empty() || !sent.is_empty() {
                let first = batch.job(0)?;
                batches.push(Left { number, shape: Shape::of(&first), name: first.name, jobs, sent });
            }
        }
        self.tell(Ask::Adopt(batches))?;
        Ok(adopted)
    }
    fn written(&mut self, reports: usize) {
        // A desk that is gone needs nothing any more.
        let _ = self.tell(Ask::Written(reports));
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(desk) = self.desk.take() {
            let _ = desk.join();
        }
    }
}
