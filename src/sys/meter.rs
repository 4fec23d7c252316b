//! Where this program's own time goes, for `--timings` and `--trace`. Nothing is measured unless it was asked for.
//!
//! What a thread does in a span counts for the span's phase, less what it does in spans inside.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What time is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Files of the pipeline: read, checked, made into a plan.
    Reading,
    /// Deciding what is next; lists, keys and commands of instances.
    Planning,
    /// Reading files for their digests.
    Hashing,
    /// Asking and writing the database.
    Store,
    /// Writing the journal.
    Journal,
    /// Handing work over, and starting processes.
    Spawning,
    /// Showing and recording what happened.
    Telling,
    /// Nothing to do.
    Waiting,
}

/// All, in the order in which they are told.
pub const PHASES: [(Phase, &str); 8] = [
    (Phase::Reading, "reading"),
    (Phase::Planning, "planning"),
    (Phase::Hashing, "hashing"),
    (Phase::Store, "store"),
    (Phase::Journal, "journal"),
    (Phase::Spawning, "spawning"),
    (Phase::Telling, "telling"),
    (Phase::Waiting, "waiting"),
];

/// One span, for a trace.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// What it was spent on.
    pub phase: Phase,
    /// The number of the thread, from 1.
    pub thread: u32,
    /// Microseconds since the epoch.
    pub begin_us: u64,
    /// Microseconds.
    pub took_us: u64,
}

/// What a phase took so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Of all threads together.
    pub time: Duration,
    /// How many spans.
    pub times: u64,
}

struct Meter {
    begin: Instant,
    /// Microseconds since the epoch at `begin`.
    epoch_us: u64,
    spent: [(AtomicU64, AtomicU64); PHASES.len()],
    spans: Option<Mutex<Vec<Span>>>,
    threads: AtomicU64,
}

static METER: OnceLock<Meter> = OnceLock::new();

thread_local! {
    static THREAD: Cell<u32> = const { Cell::new(0) };
    /// What spans inside of the one that is open took, nanoseconds.
    static INSIDE: Cell<u64> = const { Cell::new(0) };
}

/// Begins to measure, for the rest of the process; `spans`: also each span by itself.
pub fn begin(spans: bool) {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let _ = METER.set(Meter {
        begin: Instant::now(),
        epoch_us: micros(epoch),
        spent: Default::default(),
        spans: spans.then(Mutex::default),
        threads: AtomicU64::new(0),
    });
}

/// Whether anything is measured.
pub fn is_on() -> bool {
    METER.get().is_some()
}

/// Measures until it is dropped.
#[must_use]
pub fn span(phase: Phase) -> Open {
    let open = METER.get().map(|meter| (meter, Instant::now(), INSIDE.replace(0)));
    Open { phase, open }
}

/// What was measured elsewhere.
pub fn add(phase: Phase, time: Duration, times: u64) {
    if let Some(meter) = METER.get() {
        meter.add(phase, nanos(time), times);
    }
}

/// What every phase took so far, in the order of [`PHASES`]; and the time since the beginning.
pub fn totals() -> ([Total; PHASES.len()], Duration) {
    let Some(meter) = METER.get() else { return Default::default() };
    let total = |(nanos, times): &(AtomicU64, AtomicU64)| Total {
        time: Duration::from_nanos(nanos.load(Ordering::Relaxed)),
        times: times.load(Ordering::Relaxed),
    };
    (meter.spent.each_ref().map(total), meter.begin.elapsed())
}

/// The spans that have ended since the last call.
pub fn take_spans() -> Vec<Span> {
    let spans = METER.get().and_then(|meter| meter.spans.as_ref());
    spans.map_or_else(Vec::new, |spans| std::mem::take(&mut *spans.lock().unwrap_or_else(PoisonError::into_inner)))
}

impl Meter {
    fn add(&self, phase: Phase, nanos: u64, times: u64) {
        let (spent, count) = &self.spent[phase as usize];
        spent.fetch_add(nanos, Ordering::Relaxed);
        count.fetch_add(times, Ordering::Relaxed);
    }

    fn thread(&self) -> u32 {
        let known = THREAD.get();
        if known != 0 {
            return known;
        }
        let number = u32::try_from(self.threads.fetch_add(1, Ordering::Relaxed) + 1).unwrap_or(u32::MAX);
        THREAD.set(number);
        number
    }
}

/// An open span.
pub struct Open {
    phase: Phase,
    open: Option<(&'static Meter, Instant, u64)>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some((meter, begin, outer)) = self.open else { return };
        let took = nanos(begin.elapsed());
        let inside = INSIDE.replace(outer.saturating_add(took));
        meter.add(self.phase, took.saturating_sub(inside), 1);
        if let Some(spans) = &meter.spans {
            let begin_us = meter.epoch_us + micros(begin.saturating_duration_since(meter.begin));
            let span = Span { phase: self.phase, thread: meter.thread(), begin_us, took_us: took / 1000 };
            spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_counts_once() {
        begin(true);
        {
            let _outer = span(Phase::Planning);
            std::thread::sleep(Duration::from_millis(2));
            let _inner = span(Phase::Hashing);
            std::thread::sleep(Duration::from_millis(20));
        }
        let (totals, all) = totals();
        let [planning, hashing] = [Phase::Planning, Phase::Hashing].map(|phase| totals[phase as usize]);
        assert!(planning.time + hashing.time <= all);
        assert!(hashing.time >= Duration::from_millis(20) && hashing.times == 1);
        let spans = take_spans();
        assert_eq!(spans.iter().map(|span| span.phase).collect::<Vec<_>>(), [Phase::Hashing, Phase::Planning]);
        assert!(spans[1].took_us >= spans[0].took_us && spans[1].begin_us <= spans[0].begin_us);
    }
}
