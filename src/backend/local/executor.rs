//! The executor: a process that takes orders, runs each attempt on a thread of its own, and leaves nothing behind.

use super::attempt::Slot;
use super::boxed::Containers;
use super::environment::Environment;
use super::logs::Logs;
use super::running::{Gate, Running, Snapshot, Timer, Why};
use super::staging::Notes;
use super::wire::{Frames, Order, Said, Setup, encode};
use crate::base::InstanceId;
use crate::event::{Failure, Outcome, Usage};
use crate::port::{Job, Report};
use crate::sys::process::Orphans;
use crate::sys::{Fault, cgroup, process, spawn};
use crossbeam::channel::{Receiver, Sender, unbounded};
use rustc_hash::FxHashMap;
use rustix::process::{Resource, Rlimit};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// A slot's thread needs little; a digest's buffer is on the heap.
const STACK: usize = 512 * 1024;

/// What all slots share.
pub struct World {
    /// The run's `work` folder.
    pub work: PathBuf,
    /// Log segments.
    pub logs: Logs,
    /// Notes of what is moved aside.
    pub notes: Notes,
    /// What tasks inherit.
    pub environment: Environment,
    /// `/dev/null`, the standard input of every task.
    pub nothing: File,
    /// The soft limit of open files that tasks get; ours was raised.
    pub open_files: Option<libc::rlimit>,
    /// Processes that came to us.
    pub orphans: Orphans,
    /// Whether anything may be started or signalled.
    pub gate: Gate,
    /// Containers that would outlive their attempts.
    pub containers: Containers,
    /// Deadlines.
    pub timer: Timer,
    /// How many processes the kernel was known to have killed for lack of memory, when it was last looked at.
    pub oom_kills: AtomicU64,
    /// How often a process was started, and nanoseconds that it took.
    pub spawned: [AtomicU64; 2],
    stream: Mutex<UnixStream>,
    running: Mutex<FxHashMap<InstanceId, Arc<Running>>>,
    /// Slots that wait for an order less orders that wait for a slot.
    idle: AtomicI64,
    timer_thread: OnceLock<()>,
}

type Task = (Box<Job>, Arc<Running>);

/// The hidden subcommand: standard input is the socket to the driver, standard output the pipeline's lock.
///
/// The exit code: 0 when the driver has closed the socket, 2 when flowrun did not start this.
pub fn executor_main() -> u8 {
    spawn::shield_from_signals();
    if serve().is_ok() { 0 } else { 2 }
}

fn serve() -> anyhow::Result<()> {
    let _ = rustix::thread::set_name(c"fr-exec");
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let private = |fd: rustix::fd::BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 3);
    let stream = UnixStream::from(private(rustix::stdio::stdin())?);
    let _lock: OwnedFd = private(rustix::stdio::stdout())?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    let open_files = raise_open_files();

    let mut frames = Frames::new(stream.try_clone()?);
    let Some(Order::Setup(setup)) = frames.next()? else { anyhow::bail!("no setup") };
    let world = match World::new(setup, stream.try_clone()?, nothing, open_files) {
        Ok(world) => Arc::new(world),
        Err(fault) => return say_broken(stream, &fault),
    };
    let (sender, receiver) = unbounded();
    let served = world.take_orders(&mut frames, &sender, &receiver);
    world.gate.close();
    world.containers.remove_all();
    process::kill_descendants();
    world.last_word();
    if world.running().is_empty() {
        // Nothing was cut off: there is nothing to put back.
        let _ = std::fs::remove_file(world.work.join("kept"));
        let _ = std::fs::remove_dir(&world.work);
    }
    served
}

/// Tells the driver why nothing can be executed, and waits until it has heard.
fn say_broken(mut stream: UnixStream, fault: &Fault) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    encode(&mut bytes, &Said::Report(Report::Broken(fault.what.clone(), fault.help.clone())));
    stream.write_all(&bytes)?;
    std::io::copy(&mut stream, &mut std::io::sink())?;
    Ok(())
}

/// Many attempts at once need many files; a task gets the limit that we were given.
fn raise_open_files() -> Option<libc::rlimit> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let (current, maximum) = (limit.current?, limit.maximum);
    if maximum == Some(current) {
        return None;
    }
    // Without a hard limit there is still `fs.nr_open`; this many are enough.
    let raised = maximum.unwrap_or(1 << 20);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).ok()?;
    Some(libc::rlimit { rlim_cur: current, rlim_max: maximum.unwrap_or(libc::RLIM_INFINITY) })
}

impl World {
    fn new(
        setup: Setup,
        stream: UnixStream,
        nothing: File,
        open_files: Option<libc::rlimit>,
    ) -> crate::sys::fault::Result<Self> {
        let work = setup.work;
        Ok(Self {
            logs: Logs::open(setup.run_dir.join("logs"))?,
            notes: Notes::open(&work)?,
            work,
            environment: Environment::inherited(),
            nothing,
            open_files,
            orphans: Orphans::open(),
            gate: Gate::default(),
            containers: Containers::default(),
            timer: Timer::default(),
            oom_kills: AtomicU64::new(cgroup::oom_kills()),
            spawned: Default::default(),
            stream: Mutex::new(stream),
            running: Mutex::default(),
            idle: AtomicI64::new(0),
            timer_thread: OnceLock::new(),
        })
    }

    /// Until the driver closes the socket.
    fn take_orders(
        self: &Arc<Self>,
        frames: &mut Frames<UnixStream>,
        sender: &Sender<Task>,
        receiver: &Receiver<Task>,
    ) -> anyhow::Result<()> {
        while let Some(order) = frames.next()? {
            match order {
                Order::Setup(_) => {}
                Order::Start(job) => self.start(job, sender, receiver),
                Order::Cancel { instances, hard } => {
                    let table = Snapshot::new(process::Table::read);
                    for instance in instances {
                        let running = self.running().get(&instance).cloned();
                        if let Some(running) = running {
                            running.stop(Why::Asked, hard, &self.gate, &self.timer, &table);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn running(&self) -> std::sync::MutexGuard<'_, FxHashMap<InstanceId, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, job: Box<Job>, sender: &Sender<Task>, receiver: &Receiver<Task>) {
        let running = Running::new(Duration::from_millis(job.grace_ms));
        self.running().insert(job.instance, running.clone());
        if self.idle.fetch_sub(1, Ordering::AcqRel) <= 0 {
            let (world, receiver) = (self.clone(), receiver.clone());
            let thread = std::thread::Builder::new().name("slot".to_owned()).stack_size(STACK);
            if let Err(error) = thread.spawn(move || world.slot(&receiver)) {
                // With other slots at work one of them takes it later; with none nothing would ever.
                if self.running().len() == 1 {
                    let message = format!("no thread could be started: {error}");
                    let failure =
                        Failure { cause: crate::event::Cause::NotStarted, message: message.into(), help: None };
                    self.idle.fetch_add(1, Ordering::AcqRel);
                    self.over(job.instance);
                    self.send(&[ended(&job, Err(failure))]);
                    return;
                }
            } else {
                self.idle.fetch_add(1, Ordering::AcqRel);
            }
        }
        // The receiver lives in the caller.
        let _ = sender.send((job, running));
    }

    /// One slot: attempts one after another. It must not end before the process does, for its children die with it.
    fn slot(self: &Arc<Self>, orders: &Receiver<Task>) {
        let mut slot = Slot::new(self.clone());
        while let Ok((job, running)) = orders.recv() {
            let run = std::panic::AssertUnwindSafe(|| slot.execute(&job, &running));
            let report = std::panic::catch_unwind(run).unwrap_or_else(|_| {
                let message = "flowrun itself failed here; please report this".into();
                ended(&job, Err(Failure { cause: crate::event::Cause::NotStarted, message, help: None }))
            });
            self.over(job.instance);
            self.idle.fetch_add(1, Ordering::AcqRel);
            match slot.untold() {
                Some(started) => self.send(&[started, report]),
                None => self.send(&[report]),
            }
        }
    }

    fn over(&self, instance: InstanceId) {
        self.running().remove(&instance);
    }

    /// Sends reports. That the driver is gone is learnt by reading.
    pub fn send(&self, reports: &[Report]) {
        let mut bytes = Vec::with_capacity(512);
        reports.iter().for_each(|report| encode(&mut bytes, &Said::Report(report)));
        let _ = self.stream.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes);
    }

    /// What starting processes cost; a driver that is gone does not hear it.
    fn last_word(&self) {
        let [times, nanos] = self.spawned.each_ref().map(|count| count.load(Ordering::Relaxed));
        let mut bytes = Vec::new();
        encode(&mut bytes, &Said::<Report>::Spent { times, nanos });
        let _ = self.stream.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes);
    }

    /// Sees to it that deadlines are served.
    pub fn serve_timer(self: &Arc<Self>) {
        self.timer_thread.get_or_init(|| {
            let world = self.clone();
            let thread = std::thread::Builder::new().name("timer".to_owned()).stack_size(STACK);
            thread.spawn(move || world.timer.run(&world.gate)).map(drop).unwrap_or_default();
        });
    }

    /// Whether since `before` (see [`World::oom_kills`]) a process was killed for lack of memory.
    pub fn killed_for_memory(&self, before: u64) -> bool {
        let now = cgroup::oom_kills();
        self.oom_kills.fetch_max(now, Ordering::Relaxed);
        now > before
    }
}

/// A report of an attempt that has used nothing.
fn ended(job: &Job, result: Result<crate::event::Results, Failure>) -> Report {
    Report::Ended {
        instance: job.instance,
        attempt: job.attempt,
        outcome: Outcome { result, usage: Usage::default(), log: None, host: None, doubtful: false },
        stats: Vec::new(),
        trusted: false,
    }
}
