//! Stopping attempts: SIGTERM, a grace period, SIGKILL, for the process group and whatever has left it.
//!
//! One rule keeps signals from going astray: a bare number is signalled only while its process, living or dead, has not
//! been reaped, and that is decided under the attempt's own lock. What has left the group is held by a handle.

use crate::sys::process::{self, Handle, Table};
use rustix::process::{Pid, Signal};
use std::cell::LazyCell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicUsize, Ordering as Memory};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant};

/// How long what was killed may take to be gone before we go on.
const DYING: Duration = Duration::from_secs(2);

/// The processes of the machine, read when the first one asks.
pub type Snapshot = LazyCell<Table>;

/// Why an attempt is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its time was over.
    Time,
    /// The driver asked for it.
    Asked,
}

/// Closed when the executor ends: then nothing is started and nothing signalled any more but by the end itself.
#[derive(Default)]
pub struct Gate(RwLock<bool>);

impl Gate {
    /// Holds the gate open; `None`: it is closed.
    pub fn pass(&self) -> Option<RwLockReadGuard<'_, bool>> {
        let guard = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (!*guard).then_some(guard)
    }
    /// Closes it for good, once nobody stands in it.
    pub fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
    /// For a thread that found it closed: the process is about to end.
    pub fn wait_for_the_end(&self) -> ! {
        loop {
            std::thread::park();
        }
    }
}

/// An attempt from its order to its report, as those see it who may stop it.
pub struct Running {
    grace: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    phase: Phase,
    stop: Option<Stop>,
}

#[derive(Clone, Copy, Default)]
enum Phase {
    /// Not started yet.
    #[default]
    Before,
    /// Its process has not been reaped.
    Alive(Pid),
    /// Its process is gone, or never was.
    Over,
}

struct Stop {
    why: Why,
    /// When what still lives is killed.
    kill_at: Instant,
    /// Its descendants when it was asked to end.
    strays: Arc<Vec<Handle>>,
}

impl Running {
    /// `grace` lies between SIGTERM and SIGKILL.
    pub fn new(grace: Duration) -> Arc<Self> {
        Arc::new(Self { grace, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts its process by `spawn`; `Ok(None)`: it was stopped before.
    pub fn start<E>(&self, spawn: impl FnOnce() -> Result<Pid, E>) -> Result<Option<Pid>, E> {
        let mut inner = self.lock();
        if inner.stop.is_some() {
            return Ok(None);
        }
        let pid = spawn()?;
        inner.phase = Phase::Alive(pid);
        Ok(Some(pid))
    }

    /// Asks it to end (or kills it, `hard`); what does not end by itself is killed after the grace period.
    pub fn stop(self: &Arc<Self>, why: Why, hard: bool, gate: &Gate, timer: &Timer, table: &Snapshot) {
        let Some(_open) = gate.pass() else { return };
        let mut inner = self.lock();
        let phase = inner.phase;
        let first = inner.stop.is_none();
        let kill_at = Instant::now() + if hard { Duration::ZERO } else { self.grace };
        let stop = inner.stop.get_or_insert_with(|| Stop { why, kill_at, strays: Arc::default() });
        stop.kill_at = stop.kill_at.min(kill_at);
        let Phase::Alive(pid) = phase else { return };
        if hard {
            let strays = family(table, pid, &stop.strays);
            kill(pid, &strays);
            stop.strays = Arc::new(strays);
        } else if first {
            let strays = family(table, pid, &[]);
            let _ = rustix::process::kill_process_group(pid, Signal::TERM);
            for stray in strays.iter().filter(|s| s.group() != pid) {
                stray.signal(Signal::TERM);
            }
            // One that was stopped would not hear it.
            let _ = rustix::process::kill_process_group(pid, Signal::CONT);
            stop.strays = Arc::new(strays);
            timer.add(kill_at, Then::Kill, self);
        }
    }

    /// After its process has ended, before it is reaped: nobody signals it any more. An attempt that was being stopped
    /// first waits until what it has started has ended too, or is killed. Says why it was stopped.
    pub fn ended(&self, gate: &Gate) -> Option<Why> {
        loop {
            let mut inner = self.lock();
            let Some(stop) = &inner.stop else {
                inner.phase = Phase::Over;
                return None;
            };
            let (why, until, strays) = (stop.why, stop.kill_at, stop.strays.clone());
            drop(inner);
            let all_gone = process::wait_all(&strays, until);
            let Some(_open) = gate.pass() else { gate.wait_for_the_end() };
            let mut inner = self.lock();
            if !all_gone && inner.stop.as_ref().is_some_and(|s| s.kill_at != until) {
                continue;
            }
            let Phase::Alive(pid) = inner.phase else { return Some(why) };
            // Also what was born since they were looked at.
            let last = family(&Table::read(), pid, &strays);
            kill(pid, &last);
            inner.phase = Phase::Over;
            drop(inner);
            process::wait_all(&last, Instant::now() + DYING);
            return Some(why);
        }
    }
}

/// What descends from a process or is in its group, the same of those of `before`, and `before` itself, all as far as
/// they live.
fn family(table: &Table, pid: Pid, before: &[Handle]) -> Vec<Handle> {
    let mut roots = vec![pid];
    roots.extend(before.iter().filter(|h| h.is_alive()).map(Handle::pid));
    let mut groups = vec![pid];
    groups.extend(before.iter().map(Handle::group));
    let mut all = table.family(&roots, &groups);
    all.extend(before.iter().filter(|h| h.is_alive()).filter_map(|h| h.try_clone()));
    all
}

/// Kills a group and the strays with their groups: a child that is being born dies with its group.
fn kill(group: Pid, strays: &[Handle]) {
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    let mut groups: Vec<Pid> = strays.iter().filter(|s| s.is_alive()).map(Handle::group).collect();
    groups.sort_unstable_by_key(|g| g.as_raw_nonzero());
    groups.dedup();
    for other in groups.into_iter().filter(|&g| g != group && g != rustix::process::getpgrp()) {
        let _ = rustix::process::kill_process_group(other, Signal::KILL);
    }
    for stray in strays {
        stray.signal(Signal::KILL);
    }
}

/// What happens when a time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The attempt has run long enough.
    Stop,
    /// The grace period is over.
    Kill,
}

/// Deadlines, served by one thread. An attempt that has ended takes its own out of force.
#[derive(Default)]
pub struct Timer {
    heap: Mutex<BinaryHeap<Deadline>>,
    changed: Condvar,
    /// The heap is cleared of what is over when it has grown to this.
    crowded: AtomicUsize,
}

struct Deadline {
    at: Instant,
    then: Then,
    whose: Weak<Running>,
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Deadline {}

impl Timer {
    /// Adds a deadline; wakes the thread only for one that is due before all others.
    pub fn add(&self, at: Instant, then: Then, whose: &Arc<Running>) {
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        let first = heap.peek().is_none_or(|next| at < next.at);
        heap.push(Deadline { at, then, whose: Arc::downgrade(whose) });
        if heap.len() > self.crowded.load(Memory::Relaxed).max(1024) {
            heap.retain(|d| d.whose.strong_count() > 0);
            self.crowded.store(heap.len() * 2, Memory::Relaxed);
        }
        if first {
            self.changed.notify_one();
        }
    }

    /// Serves deadlines for ever.
    pub fn run(&self, gate: &Gate) -> ! {
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            let mut due = Vec::new();
            while heap.peek().is_some_and(|d| d.at <= now || d.whose.strong_count() == 0) {
                due.extend(heap.pop().and_then(|d| Some((d.then, d.whose.upgrade()?))));
            }
            if !due.is_empty() {
                drop(heap);
                let table = Snapshot::new(Table::read);
                for (then, running) in due {
                    running.stop(Why::Time, then == Then::Kill, gate, self, &table);
                }
                heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            heap = match heap.peek().map(|d| d.at.saturating_duration_since(Instant::now())) {
                Some(left) => self.changed.wait_timeout(heap, left).map_or_else(|e| e.into_inner().0, |(heap, _)| heap),
                None => self.changed.wait(heap).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
