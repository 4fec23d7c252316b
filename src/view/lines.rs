//! Without a terminal: one line an event, to be read in a log.
//!
//! Cached, skipped and cancelled instances come as one line a node, however many pieces the run took them in.

use super::words::{self, Next, Ranges};
use crate::base::paint::Paint;
use crate::base::{human, text};
use crate::engine::Counts;
use crate::event::{Cause, Event, Failure, Time};
use crate::port::{Fetch, Named, Sink, Waiting};
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

/// Ranges are told at the latest after so many milliseconds, whatever happens meanwhile.
const PATIENCE_MS: u64 = 1000;

/// One line an event.
pub struct Lines<W> {
    out: W,
    paint: Paint,
    ranges: Ranges,
    ranges_since: Time,
    done: u64,
    total: u64,
    /// Addresses of transfers that were told.
    fetching: Vec<Arc<str>>,
    /// Kinds of reasons to wait that were told.
    waited: Vec<Arc<str>>,
    /// The text of one turn, written at once.
    text: String,
}

impl<W: Write + Send> Lines<W> {
    /// Writes to `out`.
    pub fn new(out: W, paint: Paint) -> Self {
        Self {
            out,
            paint,
            ranges: Ranges::default(),
            ranges_since: 0,
            done: 0,
            total: 0,
            fetching: Vec::new(),
            waited: Vec::new(),
            text: String::new(),
        }
    }

    fn line(&mut self, verb: &str, name: &str, more: &str) {
        let width = self.total.max(1).ilog10() as usize + 1;
        let painted = match verb {
            "failed" => self.paint.red(format_args!("{verb:<9}")),
            "done" => self.paint.green(format_args!("{verb:<9}")),
            "cached" | "skipped" | "started" | "fetching" | "fetched" => self.paint.dim(format_args!("{verb:<9}")),
            _ => self.paint.yellow(format_args!("{verb:<9}")),
        };
        let gap = if more.is_empty() { "" } else { "  " };
        let _ = writeln!(
            self.text,
            "[{:>width$}/{}] {painted} {}{gap}{more}",
            self.done.min(self.total),
            self.total,
            human::plain(name)
        );
    }

    fn tell_ranges(&mut self) {
        for range in self.ranges.take() {
            let more = if range.count == 1 { String::new() } else { text::count(range.count, "instance") };
            self.line(range.verb, &range.name, &more);
        }
    }

    fn range(&mut self, now: Time, verb: &'static str, name: &str, count: u32) {
        if self.ranges.is_empty() {
            self.ranges_since = now;
        }
        self.done += u64::from(count);
        self.ranges.add(verb, name, count);
    }

    fn event(&mut self, now: Time, events: &[Named<'_>], at: usize) {
        let Named { event, name } = events[at];
        match event {
            Event::Cached { count, .. } => return self.range(now, "cached", name, *count),
            Event::Skipped { count, .. } => return self.range(now, "skipped", name, *count),
            Event::Cancelled { count, .. } => return self.range(now, "cancelled", name, *count),
            Event::Begun { .. } | Event::Started { .. } | Event::MapEnded { .. } | Event::Finished { .. } => return,
            // What is called tells its own story.
            Event::Called { .. } => return,
            // Told with the failure.
            Event::Delayed { .. } | Event::Ignored { .. } => return,
            _ => self.tell_ranges(),
        }
        match event {
            Event::Listed { len, .. } => self.line("listed", name, &text::count((*len).into(), "item")),
            Event::Chosen { case, .. } => self.line("chosen", name, &human::plain(case)),
            Event::Iterated { index, .. } => self.line("iterated", name, &format!("iteration {index}")),
            Event::Submitted { attempt, why, .. } => {
                let mut more = String::new();
                if *attempt > 1 {
                    let _ = write!(more, "attempt {attempt}");
                }
                // Why it runs was told with the first attempt.
                if let Some(why) = why.as_ref().filter(|_| *attempt == 1) {
                    more.push_str(&human::plain(why));
                }
                self.line("started", name, &more);
            }
            Event::Elsewhere { by, .. } => self.line("waiting", name, &format!("computed by {}", human::plain(by))),
            Event::Ended { outcome, .. } => match &outcome.result {
                Ok(_) => {
                    self.done += 1;
                    self.line("done", name, &text::elapsed(outcome.usage.wall_us / 1000));
                }
                Err(failure) if failure.cause == Cause::Stopped => {
                    self.done += 1;
                    self.line("stopped", name, "");
                }
                Err(failure) => self.failed(now, events, at, failure),
            },
            Event::Refused { error, .. } => self.failed(now, events, at, error),
            Event::Stopping { reason } => {
                let _ = writeln!(self.text, "nothing new starts: {}", human::plain(reason));
            }
            Event::Resumed { by } => {
                let _ = writeln!(self.text, "continued by {}", human::plain(by));
            }
            _ => {}
        }
    }

    fn failed(&mut self, now: Time, events: &[Named<'_>], at: usize, failure: &Failure) {
        let (name, text) = (events[at].name, words::failure(failure));
        match (words::next(events, at), events[at].event) {
            (Next::Again(until), Event::Ended { attempt, .. }) => {
                let pause = until.saturating_sub(now);
                let when = if pause == 0 { "at once".to_owned() } else { format!("in {}", text::elapsed(pause)) };
                self.line("failed", name, &format!("{text}; attempt {} {when}", attempt + 1));
            }
            (next, _) => {
                self.done += 1;
                let allowed = if next == Next::LetBe { "; the file allows it" } else { "" };
                self.line("failed", name, &format!("{text}{allowed}"));
            }
        }
    }

    fn write(&mut self) {
        // Who reads this log may be gone; the run goes on.
        let _ = self.out.write_all(self.text.as_bytes());
        let _ = self.out.flush();
        self.text.clear();
    }
}

/// How many instances have ended, and how many are known.
fn totals(counts: &Counts) -> (u64, u64) {
    let done = [counts.succeeded, counts.cached, counts.failed, counts.ignored, counts.skipped, counts.cancelled]
        .into_iter()
        .map(u64::from)
        .sum();
    (done, done + u64::from(counts.running) + u64::from(counts.waiting))
}

impl<W: Write + Send> Sink for Lines<W> {
    fn turn(&mut self, now: Time, events: &[Named<'_>], counts: &Counts) {
        let (done, total) = totals(counts);
        self.total = total;
        if !self.ranges.is_empty() && now.saturating_sub(self.ranges_since) >= PATIENCE_MS {
            self.tell_ranges();
        }
        for at in 0..events.len() {
            self.event(now, events, at);
        }
        // Events speak of maps too, the counts of tasks only.
        self.done = done;
        if !self.text.is_empty() {
            self.write();
        }
    }

    fn note(&mut self, text: &str) {
        self.tell_ranges();
        self.text.push_str(text);
        self.text.push('\n');
        self.write();
    }

    fn waiting(&mut self, waiting: Option<&Waiting>) {
        if let Some(waiting) = waiting.filter(|waiting| !self.waited.contains(&waiting.kind)) {
            self.waited.push(waiting.kind.clone());
            self.note(&format!("waiting: {}", human::plain(&waiting.text)));
        }
    }

    fn fetch(&mut self, fetch: &Fetch) {
        let size = fetch.total.map_or_else(String::new, text::size);
        match fetch.over {
            Some((true, took)) => {
                let took = text::elapsed(took.as_millis() as u64);
                self.line("fetched", &fetch.url, &format!("{} in {took}", text::size(fetch.got)));
            }
            // What went wrong is told with those that waited for it.
            Some((false, _)) => {
                self.fetching.retain(|url| *url != fetch.url);
                return;
            }
            None if self.fetching.contains(&fetch.url) => return,
            None => self.line("fetching", &fetch.url, &size),
        }
        match fetch.over {
            Some(_) => self.fetching.retain(|url| *url != fetch.url),
            None => self.fetching.push(fetch.url.clone()),
        }
        self.write();
    }

    fn end(&mut self, _now: Time, counts: &Counts) {
        (self.done, self.total) = totals(counts);
        self.tell_ranges();
        self.write();
    }
}
