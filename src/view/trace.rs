//! `--trace FILE`: what flowrun did and when tasks ran, in the JSON that Chrome's `about:tracing` and
//! <https://ui.perfetto.dev> read. Threads of flowrun stand above, tasks below, each in a lane of its own while it runs.

use crate::base::InstanceId;
use crate::engine::Counts;
use crate::event::{Event, Outcome, Time};
use crate::port::{Named, Sink};
use crate::sys::meter::{self, PHASES};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{BufWriter, Write};

/// The two processes that are shown.
const FLOWRUN: u32 = 1;
const TASKS: u32 = 2;

/// Writes a trace.
pub struct Trace<W: Write> {
    out: BufWriter<W>,
    begun: bool,
    /// The first error of writing; nothing is written after it.
    broken: Option<std::io::Error>,
    lost: Box<dyn FnMut(&std::io::Error) + Send>,
    lanes: FxHashMap<InstanceId, u32>,
    free: BinaryHeap<Reverse<u32>>,
    /// When the last task of each lane ended, microseconds since the epoch.
    ends: Vec<u64>,
    running: u32,
}

/// One entry of the file.
#[derive(Default, Serialize)]
struct Entry<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cat: &'a str,
    ph: &'a str,
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<serde_json::Value>,
}

impl<W: Write> Trace<W> {
    /// Writes to `out`; `lost` is told once, at the end, when something could not be written.
    pub fn new(out: W, lost: impl FnMut(&std::io::Error) + Send + 'static) -> Self {
        Self {
            out: BufWriter::with_capacity(1 << 16, out),
            begun: false,
            broken: None,
            lost: Box::new(lost),
            lanes: FxHashMap::default(),
            free: BinaryHeap::new(),
            ends: Vec::new(),
            running: 0,
        }
    }

    fn put(&mut self, entry: &Entry<'_>) {
        if self.broken.is_some() {
            return;
        }
        let before: &[u8] = if std::mem::replace(&mut self.begun, true) { b",\n" } else { b"[\n" };
        let written = self.out.write_all(before);
        let entry = |()| serde_json::to_writer(&mut self.out, entry).map_err(std::io::Error::from);
        self.broken = written.and_then(entry).err();
    }

    fn heading(&mut self) {
        for (pid, name) in [(FLOWRUN, "flowrun"), (TASKS, "tasks")] {
            let args = Some(serde_json::json!({ "name": name }));
            self.put(&Entry { name: "process_name", ph: "M", pid, args, ..Entry::default() });
        }
    }

    fn spans(&mut self) {
        for span in meter::take_spans() {
            let (_, name) = PHASES[span.phase as usize];
            let (ts, dur) = (span.begin_us, Some(span.took_us));
            self.put(&Entry { name, cat: "flowrun", ph: "X", ts, dur, pid: FLOWRUN, tid: span.thread, args: None });
        }
    }

    fn lane(&mut self, instance: InstanceId) -> u32 {
        let (free, ends) = (&mut self.free, &mut self.ends);
        *self.lanes.entry(instance).or_insert_with(|| match free.pop() {
            Some(Reverse(lane)) => lane,
            None => {
                ends.push(0);
                u32::try_from(ends.len()).unwrap_or(u32::MAX)
            }
        })
    }

    fn ended(&mut self, now: Time, (instance, name): (InstanceId, &str), attempt: u32, outcome: &Outcome) {
        let lane = self.lane(instance);
        let usage = &outcome.usage;
        // Its begin is known to the millisecond: two tasks of a lane must not overlap for that.
        let last = &mut self.ends[lane as usize - 1];
        let begin = if usage.began == 0 { now * 1000 } else { usage.began * 1000 };
        let begin = begin.max(*last);
        *last = begin + usage.wall_us;
        let result = outcome.result.as_ref().map_or_else(|failure| failure.cause.word(), |_| "succeeded");
        let args = serde_json::json!({
            "attempt": attempt,
            "result": result,
            "cpu_ms": (usage.user_us + usage.system_us) as f64 / 1000.0,
            "peak_bytes": usage.peak_bytes,
        });
        let (dur, args) = (Some(usage.wall_us), Some(args));
        self.put(&Entry { name, cat: "task", ph: "X", ts: begin, dur, pid: TASKS, tid: lane, args });
        self.lanes.remove(&instance);
        self.free.push(Reverse(lane));
    }
}

impl<W: Write + Send> Sink for Trace<W> {
    fn turn(&mut self, now: Time, events: &[Named<'_>], counts: &Counts) {
        if !self.begun {
            self.heading();
        }
        self.spans();
        for Named { event, name } in events {
            match event {
                Event::Submitted { instance, .. } => drop(self.lane(*instance)),
                Event::Ended { instance, attempt, outcome } => self.ended(now, (*instance, name), *attempt, outcome),
                _ => {}
            }
        }
        if counts.running != self.running {
            self.running = counts.running;
            let args = Some(serde_json::json!({ "running": self.running }));
            self.put(&Entry { name: "tasks", ph: "C", ts: now * 1000, pid: TASKS, args, ..Entry::default() });
        }
    }

    fn note(&mut self, _text: &str) {}

    fn end(&mut self, _now: Time, _counts: &Counts) {
        if !self.begun {
            self.heading();
        }
        self.spans();
        if self.broken.is_none() {
            self.broken = self.out.write_all(b"\n]\n").and_then(|()| self.out.flush()).err();
        }
        if let Some(error) = &self.broken {
            (self.lost)(error);
        }
    }
}
