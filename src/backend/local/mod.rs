//! The local backend: attempts on this machine.
//!
//! ```text
//!   driver process                         executor process ("fr-exec", a session of its own)
//!   Local ── Order ──> socket pair ──────> main thread ──> slots: one thread each, the whole attempt
//!     ^                                                       staging, spawn, wait, measure, check, digest, rename
//!     └── reader thread <── Report ────────────────────────── one frame each
//! ```
//!
//! The process that holds the graph never forks and never waits for a child of a task. The executor is small, it adopts
//! every orphan of its tasks, and when the socket closes, for whatever reason, it kills all that descends from it and
//! ends. It keeps the pipeline's lock open until then, so that a later run begins when nothing of this one is left.

mod attempt;
mod blot;
mod boxed;
mod doctor;
mod ensure;
mod environment;
mod executor;
mod explain;
mod logs;
mod matched;
mod output;
mod running;
mod staging;
mod wire;

pub use doctor::examine;
pub use executor::executor_main;

use crate::base::InstanceId;
use crate::engine::Capacity;
use crate::port::{Backend, Job, Report, ReportSink};
use crate::sys::meter::{self, Phase};
use crate::sys::process;
use crate::sys::spawn::{self, Leads, Spawn};
use anyhow::Context as _;
use rustix::process::{Pid, Signal};
use std::ffi::{CStr, CString};
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::{Frames, Order, Said, Setup};

/// How the local backend is made.
pub struct Options {
    /// The run's folder; `logs/` and `work/` are made inside.
    pub run_dir: PathBuf,
    /// Where scratch files go, one folder an executor at a time; `None`: `work` in the run's folder.
    pub work: Option<PathBuf>,
    /// `-j`: cores; `None`: those that this process may use.
    pub jobs: Option<u32>,
    /// `[limits]` of the plan, by position.
    pub limits: Vec<u32>,
    /// The pipeline's lock (`flock`), which the executor keeps until nothing of the run is left.
    pub lock: Option<OwnedFd>,
    /// The flowrun binary.
    pub program: PathBuf,
}

impl Options {
    /// With this program as executor, all cores, no limits, no lock.
    pub fn new(run_dir: impl Into<PathBuf>) -> Self {
        Self {
            run_dir: run_dir.into(),
            work: None,
            jobs: None,
            limits: Vec::new(),
            lock: None,
            // The file that runs now, even when another was installed meanwhile.
            program: "/proc/self/exe".into(),
        }
    }
}

/// The local backend. Dropping it kills what still runs and returns when nothing is left.
pub struct Local {
    options: Options,
    capacity: Capacity,
    reports: ReportSink,
    link: Option<Link>,
}

/// The connection to a living executor.
struct Link {
    stream: UnixStream,
    closing: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

/// What this machine can give; `-j` wins over its cores.
pub fn capacity(jobs: Option<u32>, limits: &[u32]) -> Capacity {
    let cpus = wanted(jobs).min(slots(crate::sys::open_files()));
    Capacity {
        cpus,
        nodes: 1,
        memory: crate::sys::memory(),
        gpus: crate::sys::gpus(),
        limits: limits.to_vec(),
        window: cpus.saturating_mul(8).max(256),
    }
}

fn wanted(jobs: Option<u32>) -> u32 {
    jobs.unwrap_or_else(crate::sys::cores).max(1)
}

/// How many attempts at once so many open files allow. Each needs two logs and its process, and when it begins or ends
/// a few more for a moment.
fn slots(open_files: u64) -> u32 {
    const OWN: u64 = 20;
    const EACH: u64 = 6;
    u32::try_from(open_files.saturating_sub(OWN) / EACH).unwrap_or(u32::MAX).max(1)
}

impl Local {
    /// Puts back what earlier, killed executors had moved aside. The executor itself is started with the
    /// first attempt, for a run in which nothing runs needs none.
    pub fn open(options: Options, reports: ReportSink) -> anyhow::Result<Self> {
        match &options.work {
            Some(work) => staging::recover_work(work)?,
            None => staging::recover(&options.run_dir)?,
        }
        let capacity = capacity(options.jobs, &options.limits);
        Ok(Self { options, capacity, reports, link: None })
    }

    fn link(&mut self) -> anyhow::Result<&mut Link> {
        if self.link.is_none() {
            self.link = Some(self.start().context("cannot start the process that executes tasks")?);
        }
        Ok(self.link.as_mut().expect("just made"))
    }

    fn start(&self) -> anyhow::Result<Link> {
        let run_dir = std::path::absolute(&self.options.run_dir)?;
        let work = self.options.work.clone().unwrap_or_else(|| run_dir.join("work"));
        for folder in [&run_dir.join("logs"), &work] {
            crate::sys::durable::make_folders(folder)?;
        }
        let (ours, theirs) = UnixStream::pair()?;
        let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
        let variables: Vec<CString> = std::env::vars_os()
            .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
            .collect();
        let stderr = std::io::stderr();
        let pid = spawn::spawn(&Spawn {
            program: &CString::new(self.options.program.clone().into_os_string().into_vec())?,
            // `pkill flowrun` and `pkill -f flowrun` mean the driver, so the name stands nowhere here.
            args: &[c"fr-exec".to_owned(), c"__executor".to_owned()],
            env: &variables.iter().map(CString::as_c_str).collect::<Vec<&CStr>>(),
            dir: None,
            stdio: [
                theirs.as_fd(),
                self.options.lock.as_ref().map_or(nothing.as_fd(), |lock| lock.as_fd()),
                stderr.as_fd(),
            ],
            leads: Leads::Session,
            open_files: None,
        })
        .map_err(|e| e.error)?;
        drop(theirs);
        let closing = Arc::new(AtomicBool::new(false));
        let reader = std::thread::Builder::new().name("executor".to_owned()).spawn({
            let (stream, reports, closing) = (ours.try_clone()?, self.reports.clone(), closing.clone());
            move || read_reports(stream, &reports, &closing, pid)
        })?;
        let mut link = Link { stream: ours, closing, reader: Some(reader) };
        link.send(&[Order::Setup(Setup { run_dir, work })]);
        Ok(link)
    }
}

impl Link {
    /// An executor that is gone is not an error here: its reader says so.
    fn send(&mut self, orders: &[Order]) {
        let mut bytes = Vec::new();
        for order in orders {
            wire::encode(&mut bytes, order);
        }
        let _ = self.stream.write_all(&bytes);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = self.stream.shutdown(Shutdown::Write);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Backend for Local {
    fn capacity(&self) -> Capacity {
        self.capacity.clone()
    }

    fn note(&self) -> Option<String> {
        let (wanted, held) = (wanted(self.options.jobs), self.capacity.cpus);
        (held < wanted).then(|| {
            format!(
                "{} run at once, not {wanted}: a process may open {} files here; raise the hard limit (`ulimit -Hn`) \
                 for more",
                crate::base::text::count(held.into(), "task"),
                crate::sys::open_files()
            )
        })
    }

    fn submit(&mut self, jobs: Vec<Job>) -> anyhow::Result<()> {
        let orders: Vec<Order> = jobs.into_iter().map(|job| Order::Start(Box::new(job))).collect();
        self.link()?.send(&orders);
        Ok(())
    }

    fn cancel(&mut self, instances: &[InstanceId], hard: bool) -> anyhow::Result<()> {
        if let Some(link) = &mut self.link {
            link.send(&[Order::Cancel { instances: instances.to_vec(), hard }]);
        }
        Ok(())
    }
}

/// Hands reports on until the executor has ended; then nothing of it is left.
fn read_reports(stream: UnixStream, reports: &ReportSink, closing: &AtomicBool, pid: Pid) {
    let mut frames = Frames::new(stream);
    let trouble = loop {
        match frames.next::<Said<Report>>() {
            Ok(Some(Said::Spent { times, nanos })) => {
                meter::add(Phase::Spawning, Duration::from_nanos(nanos), times);
            }
            Ok(Some(Said::Report(report))) => {
                // Nobody listens any more; go on reading, so that the executor is not held up.
                let _ = reports.send(report);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let broken = !closing.load(Ordering::SeqCst);
    if broken {
        // Its direct children die with it; what they have started is still in its session.
        if let Some(executor) = process::Handle::open(pid) {
            executor.signal(Signal::KILL);
        }
        process::wait(pid);
        for left in process::session(pid) {
            left.signal(Signal::KILL);
        }
    }
    let end = spawn::reap(pid).map(|(end, _)| end);
    if broken {
        let how = match (trouble, end) {
            (Some(error), _) => format!("its messages cannot be read: {error}"),
            (None, Some(spawn::End::Signal(signal))) => format!("it was killed by {}", explain::signal(signal)),
            (None, Some(spawn::End::Exit(status))) => format!("it ended with status {status}"),
            (None, None) => "it is gone".to_owned(),
        };
        let _ = reports.send(Report::Broken(format!("the process that executes tasks has failed: {how}"), None));
    }
}
