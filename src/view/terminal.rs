//! On a terminal: a header, the tasks at work, and failures above them for good.
//!
//! An event only changes the board; a thread of its own draws it ten times a second, so that ten thousand tasks a
//! second cost no more drawing than one.

use super::words::{self, Next};
use crate::base::id::InstanceId;
use crate::base::paint::Paint;
use crate::base::{human, text};
use crate::engine::Counts;
use crate::event::{Cause, Event, Time};
use crate::port::{Fetch, Named, Sink, Waiting};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustc_hash::FxHashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two drawings.
const FRAME: Duration = Duration::from_millis(100);
/// Tasks shown at work, the longest first.
const SHOWN: usize = 8;
/// Failures told one by one between two drawings; more are only counted.
const FAILURES_A_FRAME: usize = 20;

/// The progress display.
pub struct Terminal {
    shared: Arc<Shared>,
    drawer: Option<JoinHandle<()>>,
}

struct Shared {
    board: Mutex<Board>,
    over: Condvar,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        // A panic while drawing must not take the run down with it.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terminal {
    /// Draws on standard error.
    pub fn new(paint: Paint) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { board: Mutex::new(Board::new(Instant::now(), paint)), over: Condvar::new() });
        let for_drawer = Arc::clone(&shared);
        let drawer = std::thread::Builder::new().name("display".into()).spawn(move || draw(&for_drawer))?;
        Ok(Self { shared, drawer: Some(drawer) })
    }

    fn stop(&mut self) {
        self.shared.board().over = true;
        self.shared.over.notify_all();
        if let Some(drawer) = self.drawer.take() {
            let _ = drawer.join();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.stop();
    }
}

fn draw(shared: &Shared) {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(20));
    let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    let mut board = shared.board();
    loop {
        let waited = shared.over.wait_timeout_while(board, FRAME, |board| !board.over);
        board = waited.unwrap_or_else(PoisonError::into_inner).0;
        let above = board.take_above();
        let over = board.over;
        let (height, width) = console::Term::stderr().size();
        let frame = board.frame(Instant::now(), width.into(), height.into());
        drop(board);
        if !above.is_empty() {
            // `println` of a bar that was never drawn would be lost.
            bar.suspend(|| print_above(&above));
        }
        if over {
            bar.finish_and_clear();
            return;
        }
        bar.set_message(frame.join("\n"));
        board = shared.board();
    }
}

fn print_above(lines: &[String]) {
    use std::io::Write;
    let mut text = lines.join("\n");
    text.push('\n');
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

impl Sink for Terminal {
    fn turn(&mut self, now: Time, events: &[Named<'_>], counts: &Counts) {
        let now = instant_of(now);
        let mut board = self.shared.board();
        board.began = board.began.min(now);
        board.counts = *counts;
        for at in 0..events.len() {
            board.event(now, events, at);
        }
    }

    fn note(&mut self, text: &str) {
        self.shared.board().above.push(text.to_owned());
    }

    fn waiting(&mut self, waiting: Option<&Waiting>) {
        self.shared.board().waiting = waiting.map(|waiting| waiting.text.clone());
    }

    fn fetch(&mut self, fetch: &Fetch) {
        let mut board = self.shared.board();
        board.fetches.retain(|(_, old)| old.url != fetch.url || fetch.over.is_none());
        if fetch.over.is_none() {
            match board.fetches.iter_mut().find(|(_, old)| old.url == fetch.url) {
                Some((_, old)) => *old = fetch.clone(),
                None => board.fetches.push((Instant::now(), fetch.clone())),
            }
        }
    }

    fn end(&mut self, _now: Time, counts: &Counts) {
        self.shared.board().counts = *counts;
        self.stop();
    }
}

/// When something happened: a run that is followed from elsewhere has begun before its display has.
fn instant_of(time: Time) -> Instant {
    let now = Instant::now();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    now.checked_sub(Duration::from_millis(since.saturating_sub(time))).unwrap_or(now)
}

fn verb(events: &[Named<'_>], at: usize) -> &'static str {
    match words::next(events, at) {
        Next::Again(_) => "failed, will run again",
        Next::LetBe => "failed, as the file allows:",
        Next::Failed => "failed",
    }
}

/// What is shown.
struct Board {
    paint: Paint,
    began: Instant,
    counts: Counts,
    /// Position in `tasks` of each task at work.
    places: FxHashMap<InstanceId, usize>,
    /// Tasks at work, in no order; free places are used again with their text.
    tasks: Vec<Task>,
    free: Vec<usize>,
    /// Transfers of inputs, and since when.
    fetches: Vec<(Instant, Fetch)>,
    /// What keeps more from beginning.
    waiting: Option<Arc<str>>,
    /// Lines to print above.
    above: Vec<String>,
    failures: usize,
    stopping: Option<String>,
    /// Which other run was last said to compute something: it is not told for each instance.
    waits_for: Option<Arc<str>>,
    over: bool,
}

struct Task {
    name: String,
    since: Option<Instant>,
}

impl Board {
    fn new(now: Instant, paint: Paint) -> Self {
        Self {
            paint,
            began: now,
            counts: Counts::default(),
            places: FxHashMap::default(),
            tasks: Vec::new(),
            free: Vec::new(),
            fetches: Vec::new(),
            waiting: None,
            above: Vec::new(),
            failures: 0,
            stopping: None,
            waits_for: None,
            over: false,
        }
    }

    fn event(&mut self, now: Instant, events: &[Named<'_>], at: usize) {
        let name = events[at].name;
        match events[at].event {
            Event::Started { instance, .. } => self.started(*instance, name, now),
            Event::Ended { instance, outcome, .. } => {
                self.ended(*instance);
                if let Err(failure) = &outcome.result
                    && failure.cause != Cause::Stopped
                {
                    self.failed(verb(events, at), name, &words::failure(failure));
                }
            }
            Event::Elsewhere { by, .. } if self.waits_for.as_ref() != Some(by) => {
                let text = format!("{} waits: {} computes it", human::plain(name), human::plain(by));
                self.above.push(text);
                self.waits_for = Some(Arc::clone(by));
            }
            Event::Refused { error, .. } => self.failed(verb(events, at), name, &words::failure(error)),
            Event::Cancelled { from, count } => {
                // Few are at work when many are cancelled.
                let at_work: Vec<_> =
                    self.places.keys().copied().filter(|id| id.0.wrapping_sub(from.0) < *count).collect();
                at_work.into_iter().for_each(|id| self.ended(id));
            }
            Event::Stopping { reason } => self.stopping = Some(human::plain(reason).into_owned()),
            _ => {}
        }
    }

    fn started(&mut self, instance: InstanceId, name: &str, now: Instant) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(Task { name: String::new(), since: None });
            self.tasks.len() - 1
        });
        let task = &mut self.tasks[place];
        task.name.clear();
        task.name.push_str(name);
        task.since = Some(now);
        if let Some(old) = self.places.insert(instance, place) {
            self.tasks[old].since = None;
            self.free.push(old);
        }
    }

    fn ended(&mut self, instance: InstanceId) {
        if let Some(place) = self.places.remove(&instance) {
            self.tasks[place].since = None;
            self.free.push(place);
        }
    }

    fn failed(&mut self, verb: &str, name: &str, text: &str) {
        self.failures += 1;
        if self.failures <= FAILURES_A_FRAME {
            self.above.push(format!("{} {}: {text}", self.paint.red(verb), human::plain(name)));
        }
    }

    /// The lines that are to stay above, told once.
    fn take_above(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.above);
        if self.failures > FAILURES_A_FRAME {
            lines.push(format!("{} {} more", self.paint.red("failed"), self.failures - FAILURES_A_FRAME));
        }
        self.failures = 0;
        lines
    }

    /// The lines of one drawing, none longer than the terminal is wide, not more than it is high.
    fn frame(&self, now: Instant, width: usize, height: usize) -> Vec<String> {
        let width = width.max(20);
        let mut lines = vec![self.header(now, width)];
        if let Some(waiting) = self.waiting.as_ref().filter(|_| height > 3) {
            let line = format!("  waiting: {}", human::plain(waiting));
            lines.push(self.paint.yellow(console::truncate_str(&line, width, "…")));
        }
        for (since, fetch) in self.fetches.iter().take(height.saturating_sub(lines.len() + 2).min(SHOWN)) {
            let far = match fetch.total {
                Some(total) if total > 0 => format!("{} of {}", text::size(fetch.got), text::size(total)),
                _ => text::size(fetch.got),
            };
            let clock = human::clock(now.duration_since(*since).as_millis() as u64);
            let line = format!("  fetching {}  {far}  {clock}", human::plain(&fetch.url));
            lines.push(self.paint.dim(console::truncate_str(&line, width, "…")));
        }
        let mut at_work: Vec<(Instant, &str)> =
            self.tasks.iter().filter_map(|task| Some((task.since?, task.name.as_str()))).collect();
        let shown = SHOWN.min(height.saturating_sub(lines.len() + 2)).min(at_work.len());
        // Only the longest are put in order: there may be thousands.
        if shown > 0 && shown < at_work.len() {
            at_work.select_nth_unstable(shown - 1);
        }
        let rest = at_work.len() - shown;
        at_work.truncate(shown);
        at_work.sort_unstable();
        for (since, name) in at_work {
            let clock = human::clock(now.duration_since(since).as_millis() as u64);
            let room = width.saturating_sub(clock.len() + 4);
            let name = human::plain(name);
            let name = console::truncate_str(&name, room, "…");
            let gap = " ".repeat(room.min(60).saturating_sub(console::measure_text_width(&name)));
            lines.push(format!("  {name}{gap}  {}", self.paint.dim(clock)));
        }
        if rest > 0 {
            lines.push(self.paint.dim(format_args!("  and {rest} more")));
        }
        lines
    }

    fn header(&self, now: Instant, width: usize) -> String {
        let c = &self.counts;
        let paint = self.paint;
        let mut parts = vec![human::clock(now.duration_since(self.began).as_millis() as u64)];
        parts.push(paint.green(format_args!("{} done", c.succeeded)));
        if c.cached > 0 {
            parts.push(format!("{} cached", c.cached));
        }
        parts.push(paint.cyan(format_args!("{} running", c.running)));
        parts.push(format!("{} waiting", c.waiting));
        if c.skipped + c.cancelled > 0 {
            parts.push(format!("{} not run", c.skipped + c.cancelled));
        }
        let failed = c.failed + c.ignored;
        let text = format!("{failed} failed");
        parts.push(if failed > 0 { paint.red(text) } else { text });
        if let Some(reason) = &self.stopping {
            parts.push(paint.yellow(format_args!("stopping: {reason}")));
        }
        let text = parts.join(" · ");
        let ended = u64::from(c.succeeded + c.cached + c.skipped + c.cancelled) + u64::from(failed);
        let known = ended + u64::from(c.running) + u64::from(c.waiting);
        // The bar takes what the words leave, up to a size where it says nothing more.
        let room = width.saturating_sub(console::measure_text_width(&text) + 1).min(24);
        if room < 6 || known == 0 {
            return console::truncate_str(&text, width, "…").into_owned();
        }
        let full = (ended as usize * room) / known as usize;
        format!("{}{} {text}", paint.green("━".repeat(full)), paint.dim("─".repeat(room - full)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::{Failure, Outcome};

    fn started(id: u32) -> Event {
        Event::Started { instance: InstanceId(id), attempt: 1, log: None, host: None }
    }

    fn ended(id: u32, result: Result<(), Cause>) -> Event {
        let result = match result {
            Ok(()) => Ok(Arc::default()),
            Err(cause) => Err(Failure { cause, message: "exit status 137".into(), help: None }),
        };
        let outcome = Outcome { result, usage: Default::default(), log: None, host: None, doubtful: false };
        Event::Ended { instance: InstanceId(id), attempt: 1, outcome }
    }

    fn tell(board: &mut Board, now: Instant, event: Event, name: &str) {
        board.event(now, &[Named { event: &event, name }], 0);
    }

    #[test]
    fn the_board_shows_the_longest_tasks_and_fits_its_terminal() {
        let t0 = Instant::now();
        let at = |s: u64| t0 + Duration::from_secs(s);
        let mut board = Board::new(t0, Paint::OFF);
        for i in 0..12u32 {
            tell(&mut board, at(i.into()), started(i), &format!("align[sample-{i}]"));
        }
        tell(&mut board, at(12), ended(0, Ok(())), "align[sample-0]");
        tell(&mut board, at(12), ended(3, Err(Cause::Exit(137))), "align[sample-3]");
        tell(
            &mut board,
            at(12),
            started(20),
            "a_node_with_a_name[that is far longer than any terminal is wide, really]",
        );
        board.counts = Counts { succeeded: 1, cached: 4, failed: 1, running: 11, waiting: 30, ..Counts::default() };
        board.waiting = Some("QOS limit 500/500".into());
        assert_eq!(board.frame(at(70), 80, 24)[1], "  waiting: QOS limit 500/500");
        board.waiting = None;
        assert_eq!(
            board.frame(at(70), 80, 24).join("\n"),
            "\
━━──────────────── 1:10 · 1 done · 4 cached · 11 running · 30 waiting · 1 failed
  align[sample-1]                                               1:09
  align[sample-2]                                               1:08
  align[sample-4]                                               1:06
  align[sample-5]                                               1:05
  align[sample-6]                                               1:04
  align[sample-7]                                               1:03
  align[sample-8]                                               1:02
  align[sample-9]                                               1:01
  and 3 more"
        );
        assert_eq!(board.take_above(), ["failed align[sample-3]: exit status 137: most often for lack of memory"]);
        assert_eq!(board.take_above(), [""; 0]);
        for i in [1, 2, 4, 5, 6, 7, 8, 9, 10, 11] {
            tell(&mut board, at(71), ended(i, Ok(())), "");
        }
        assert_eq!(
            board.frame(at(75), 44, 24).join("\n"),
            "\
1:15 · 1 done · 4 cached · 11 running · 30 …
  a_node_with_a_name[that is far long…  1:03"
        );
    }

    #[test]
    fn a_flood_of_failures_is_counted() {
        let now = Instant::now();
        let mut board = Board::new(now, Paint::OFF);
        for i in 0..1000 {
            tell(&mut board, now, ended(i, Err(Cause::Exit(1))), &format!("t[{i}]"));
        }
        let lines = board.take_above();
        assert_eq!((lines.len(), lines[20].as_str()), (21, "failed 980 more"));
    }
}
