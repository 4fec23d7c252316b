//! `--events FILE`: every event as one line of JSON, with names in place of ids.

use crate::engine::Counts;
use crate::event::{Event, Failure, MapEnd, Produced, RunState, Time, Usage};
use crate::port::{Named, Sink};
use serde::Serialize;
use std::io::{BufWriter, Write};

/// JSON lines.
pub struct JsonLines<W: Write> {
    out: BufWriter<W>,
    /// The first error of writing; nothing is written after it.
    broken: Option<std::io::Error>,
    lost: Box<dyn FnMut(&std::io::Error) + Send>,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`; `lost` is told once, at the end, when a line could not be written.
    pub fn new(out: W, lost: impl FnMut(&std::io::Error) + Send + 'static) -> Self {
        Self { out: BufWriter::with_capacity(1 << 16, out), broken: None, lost: Box::new(lost) }
    }

    fn put(&mut self, line: &impl Serialize) {
        if self.broken.is_none() {
            let written = serde_json::to_writer(&mut self.out, line).map_err(std::io::Error::from);
            self.broken = written.and_then(|()| self.out.write_all(b"\n")).err();
        }
    }

    fn flush(&mut self) {
        if self.broken.is_none() {
            self.broken = self.out.flush().err();
        }
    }
}

/// One line: `at` in milliseconds since the epoch, `event`, and what belongs to that event.
#[derive(Default, Serialize)]
struct Line<'a> {
    at: Time,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    /// How many instances the event speaks of; `instance` is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<crate::base::Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<&'a [Produced]>,
    #[serde(flatten)]
    failure: Option<Failed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<&'a Counts>,
}

#[derive(Serialize)]
struct Failed<'a> {
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<i32>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

impl<'a> From<&'a Failure> for Failed<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            cause: failure.cause.word(),
            exit: failure.cause.status(),
            message: &failure.message,
            help: failure.help.as_deref(),
        }
    }
}

fn line<'a>(at: Time, named: &'a Named<'a>) -> Line<'a> {
    let instance = Some(named.name).filter(|name| !name.is_empty());
    let base = Line { at, instance, ..Line::default() };
    match named.event {
        Event::Begun { by } => Line { event: "begun", by: Some(by), ..base },
        Event::Resumed { by } => Line { event: "resumed", by: Some(by), ..base },
        Event::Listed { len, .. } => Line { event: "listed", count: Some(*len), ..base },
        Event::Chosen { case, .. } => Line { event: "chosen", case: Some(case), ..base },
        Event::Called { .. } => Line { event: "called", ..base },
        Event::Iterated { index, .. } => Line { event: "iterated", index: Some(*index), ..base },
        Event::Cached { count, .. } => Line { event: "cached", count: Some(*count), ..base },
        Event::Skipped { count, .. } => Line { event: "skipped", count: Some(*count), ..base },
        Event::Cancelled { count, .. } => Line { event: "cancelled", count: Some(*count), ..base },
        Event::Submitted { attempt, key, why, .. } => {
            Line { event: "submitted", attempt: Some(*attempt), key: *key, why: why.as_deref(), ..base }
        }
        Event::Started { attempt, host, .. } => {
            Line { event: "started", attempt: Some(*attempt), host: host.as_deref(), ..base }
        }
        Event::Ended { attempt, outcome, .. } => Line {
            event: "ended",
            attempt: Some(*attempt),
            state: Some(if outcome.result.is_ok() { "succeeded" } else { "failed" }),
            results: outcome.result.as_ref().ok().map(|results| results.as_slice()),
            failure: outcome.result.as_ref().err().map(Failed::from),
            usage: Some(&outcome.usage),
            host: outcome.host.as_deref(),
            ..base
        },
        Event::Elsewhere { by, .. } => Line { event: "elsewhere", by: Some(by), ..base },
        Event::Delayed { until, .. } => Line { event: "delayed", until: Some(*until), ..base },
        Event::MapEnded { end, .. } => {
            let state = match end {
                MapEnd::Succeeded => "succeeded",
                MapEnd::Failed => "failed",
                MapEnd::Ignored => "ignored",
                MapEnd::Cancelled => "cancelled",
            };
            Line { event: "map_ended", state: Some(state), ..base }
        }
        Event::Refused { error, .. } => {
            Line { event: "refused", state: Some("failed"), failure: Some(error.into()), ..base }
        }
        Event::LetGo { outputs, .. } => Line { event: "let_go", count: Some(outputs.len() as u32), ..base },
        Event::Again { .. } => Line { event: "again", ..base },
        Event::Ignored { .. } => Line { event: "ignored", state: Some("ignored"), ..base },
        Event::Stopping { reason } => Line { event: "stopping", why: Some(reason), ..base },
        Event::Finished { state } => {
            let state = match state {
                RunState::Succeeded => "succeeded",
                RunState::Failed => "failed",
            };
            Line { event: "finished", state: Some(state), ..base }
        }
    }
}

impl<W: Write + Send> Sink for JsonLines<W> {
    fn turn(&mut self, now: Time, events: &[Named<'_>], _counts: &Counts) {
        for named in events {
            self.put(&line(now, named));
        }
        self.flush();
    }

    fn note(&mut self, _text: &str) {}

    fn end(&mut self, now: Time, counts: &Counts) {
        self.put(&Line { at: now, event: "end", counts: Some(counts), ..Line::default() });
        self.flush();
        if let Some(error) = &self.broken {
            (self.lost)(error);
        }
    }
}
