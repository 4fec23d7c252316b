//! The journal of a run: a file of JSON lines, one an event, that is only ever appended to. It is the truth of the run.
//!
//! A turn of the driver is one `write`, which survives the death of the process. A thread of its own follows with
//! `fdatasync` within [`GROUP`], so that a power cut costs no more than that, and a turn never waits for the disk.
//! After a failed write the file is cut back to the last whole turn; a torn last line is cut when the run goes on.

use crate::event::{Event, Time};
use crate::sys::fault::Result;
use crate::sys::meter::{self, Phase};
use crate::sys::{At, Fault, FaultKind, durable};
use serde::Deserialize;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long written lines wait for the disk. With the flush itself it stays below the promised 100 ms.
const GROUP: Duration = Duration::from_millis(80);

/// Files and folders that must be on the disk before the journal's next lines are: lists, the plan.
pub type Unflushed = Arc<Mutex<Vec<PathBuf>>>;

/// Takes an event in; `Ok(false)`: it cannot be used, and the journal counts as ending before it.
pub type Use<'a> = &'a mut dyn FnMut(Time, Event) -> Result<bool>;

/// The end of the journal, where lines are added.
pub struct Journal {
    path: PathBuf,
    shared: Arc<Shared>,
    /// Length up to the last whole turn.
    length: u64,
    /// Something half-written stands after `length` and could not be cut off yet.
    torn: bool,
    buffer: Vec<u8>,
    flusher: Option<JoinHandle<()>>,
}

struct Shared {
    file: File,
    unflushed: Unflushed,
    /// Held while flushing, so that `sync` never returns before a flush that began earlier.
    flushing: Mutex<()>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    dirty: bool,
    closing: bool,
    failed: Option<std::io::Error>,
}

impl Journal {
    /// Makes a journal; none may be there.
    pub fn create(path: &Path, unflushed: Unflushed) -> Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path).at("write", path)?;
        Ok(Self::new(file, path, 0, unflushed))
    }

    /// Opens a journal to go on with it, and hands every event to `each`. The journal ends before the first line that
    /// is torn, or for which `each` says that it cannot be used: what stands there and after it is cut off.
    pub fn resume(path: &Path, unflushed: Unflushed, each: Use<'_>) -> Result<Self> {
        let file = OpenOptions::new().read(true).append(true).open(path).at("write", path)?;
        let seen = scan(&file, path, 0, each)?;
        if seen.torn > 0 {
            file.set_len(seen.good).at("write", path)?;
        }
        Ok(Self::new(file, path, seen.good, unflushed))
    }

    fn new(file: File, path: &Path, length: u64, unflushed: Unflushed) -> Self {
        let shared =
            Shared { file, unflushed, flushing: Mutex::default(), state: Mutex::default(), wake: Condvar::new() };
        Self { path: path.to_owned(), shared: Arc::new(shared), length, torn: false, buffer: Vec::new(), flusher: None }
    }

    /// Adds the events of one turn by one write. After an error none of them is in the journal.
    pub fn append(&mut self, now: Time, events: &[Event]) -> Result<()> {
        if let Some(error) = lock(&self.shared.state).failed.take() {
            return Err(Fault::io("flush", &self.path, &error));
        }
        if events.is_empty() {
            return Ok(());
        }
        let _journal = meter::span(Phase::Journal);
        self.repair()?;
        self.buffer.clear();
        for event in events {
            line(&mut self.buffer, now, event);
        }
        if let Err(error) = (&self.shared.file).write_all(&self.buffer) {
            self.torn = true;
            // The first error is the one to tell; what cannot be cut now is cut before the next write or on resume.
            let _ = self.repair();
            return Err(Fault::io("write", &self.path, &error));
        }
        self.length += self.buffer.len() as u64;
        self.mark_dirty();
        Ok(())
    }

    /// Flushes everything to the disk: before a submission that outlives this process, and at the end.
    pub fn sync(&mut self) -> Result<()> {
        let _journal = meter::span(Phase::Journal);
        lock(&self.shared.state).dirty = false;
        self.shared.flush().at("flush", &self.path)?;
        match lock(&self.shared.state).failed.take() {
            Some(error) => Err(Fault::io("flush", &self.path, &error)),
            None => Ok(()),
        }
    }

    /// Bytes up to the last whole turn.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn repair(&mut self) -> Result<()> {
        if self.torn {
            self.shared.file.set_len(self.length).at("write", &self.path)?;
            self.torn = false;
        }
        Ok(())
    }

    fn mark_dirty(&mut self) {
        let mut state = lock(&self.shared.state);
        if state.dirty {
            return;
        }
        state.dirty = true;
        drop(state);
        self.shared.wake.notify_one();
        if self.flusher.is_none() {
            let shared = self.shared.clone();
            // Without a thread the journal is still flushed by `sync`.
            self.flusher = std::thread::Builder::new().name("journal".into()).spawn(move || shared.follow()).ok();
        }
    }
}

impl Drop for Journal {
    /// Lines that were written stay written; whoever needs them on the disk calls [`Journal::sync`] first.
    fn drop(&mut self) {
        lock(&self.shared.state).closing = true;
        self.shared.wake.notify_one();
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.join();
        }
    }
}

impl Shared {
    /// The flusher's life.
    fn follow(&self) {
        loop {
            let mut state = lock(&self.state);
            while !state.dirty && !state.closing {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closing {
                return;
            }
            let waited = self.wake.wait_timeout_while(state, GROUP, |state| !state.closing);
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.closing {
                return;
            }
            if !std::mem::take(&mut state.dirty) {
                continue;
            }
            drop(state);
            if let Err(error) = self.flush() {
                lock(&self.state).failed.get_or_insert(error);
            }
        }
    }

    /// What the lines speak of first, then the lines.
    fn flush(&self) -> std::io::Result<()> {
        let _turn = lock(&self.flushing);
        let mut first = std::mem::take(&mut *lock(&self.unflushed));
        first.sort();
        first.dedup();
        for path in first {
            match durable::flush(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file.sync_data()
    }
}

/// What reading a journal found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The offset after the last line that was used.
    pub good: u64,
    /// Bytes after it: a line that is being written now, or was torn.
    pub torn: u64,
}

/// Reads a journal from an offset (0, or `good` of an earlier reading), also while a run writes it. Changes nothing.
pub fn read(path: &Path, from: u64, each: Use<'_>) -> Result<Seen> {
    let mut file = File::open(path).at("read", path)?;
    file.seek(SeekFrom::Start(from)).at("read", path)?;
    scan(&file, path, from, each)
}

/// One line of the file.
#[derive(Deserialize)]
struct Line {
    t: Time,
    #[serde(flatten)]
    event: Event,
}

fn line(out: &mut Vec<u8>, now: Time, event: &Event) {
    // Written by hand so that `t` comes first; an event is always an object.
    let start = out.len();
    let _ = write!(out, "{{\"t\":{now},");
    let body = out.len();
    serde_json::to_writer(&mut *out, event).expect("an event is always JSON");
    debug_assert!(start < body && out[body] == b'{');
    out.remove(body);
    out.push(b'\n');
}

fn scan(file: &File, path: &Path, from: u64, each: Use<'_>) -> Result<Seen> {
    let mut input = BufReader::with_capacity(256 * 1024, file);
    let mut text = Vec::new();
    let mut good = from;
    let mut number = 0_u64;
    let end = |good| -> Result<Seen> {
        let length = file.metadata().at("look at", path)?.len();
        Ok(Seen { good, torn: length.saturating_sub(good) })
    };
    loop {
        text.clear();
        input.read_until(b'\n', &mut text).at("read", path)?;
        if text.last() != Some(&b'\n') {
            return end(good);
        }
        number += 1;
        match serde_json::from_slice::<Line>(&text) {
            Ok(Line { t, event }) => {
                if !each(t, event)? {
                    return end(good);
                }
                good += text.len() as u64;
            }
            Err(error) => {
                let place = Damage { path, number, whole_file: from == 0, good };
                return if place.is_middle(&mut input, &text)? { Err(place.fault(&text, &error)) } else { end(good) };
            }
        }
    }
}

/// A line that cannot be read.
struct Damage<'a> {
    path: &'a Path,
    number: u64,
    whole_file: bool,
    good: u64,
}

impl Damage<'_> {
    /// A tail torn by a power cut has nothing readable in it or behind it.
    fn is_middle(&self, rest: &mut dyn BufRead, bad: &[u8]) -> Result<bool> {
        if is_json(bad) {
            return Ok(true);
        }
        let mut text = Vec::new();
        while rest.read_until(b'\n', &mut text).at("read", self.path)? > 0 {
            if text.last() == Some(&b'\n') && is_json(&text) {
                return Ok(true);
            }
            text.clear();
        }
        Ok(false)
    }

    fn fault(&self, bad: &[u8], error: &serde_json::Error) -> Fault {
        let path = self.path.display();
        let place =
            if self.whole_file { format!("line {}", self.number) } else { format!("the line at byte {}", self.good) };
        if is_json(bad) {
            return Fault::new(
                FaultKind::Newer,
                format!("{place} of `{path}` is no event that this flowrun knows: {error}"),
            )
            .help("it was written by a newer flowrun: use that one");
        }
        Fault::new(FaultKind::Damaged, format!("{place} of `{path}` is damaged, and lines after it are not")).help(
            format!(
                "`truncate -s {} '{path}'` goes on from there; what ended later runs again unless the cache has it",
                self.good
            ),
        )
    }
}

fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
