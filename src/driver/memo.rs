//! The memory of file digests: a file whose stat is the remembered one is not read again.
//!
//! Rows come from the store when the first file is asked for, and new ones go back to it in batches. It knows no store,
//! only rows.

use crate::base::Digest;
use crate::base::digest::Stat;
use crate::sys::content::{self, Content};
use crate::sys::fault::Result;
use crate::sys::meter::{self, Phase};
use rustc_hash::FxHashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// Path as the project sees it, stat, digest.
pub type Row = (Vec<u8>, Stat, Digest);

/// Gives the rows of earlier runs, once.
pub type Load = Box<dyn FnOnce() -> Vec<Row> + Send>;

/// A file that changed less than this before it was read may change again without a new time stamp.
const RACY_NS: i64 = 2_000_000_000;

/// Digests of files, for several threads at once.
pub struct FileMemo {
    project: PathBuf,
    clock: fn() -> i64,
    load: Mutex<Option<Load>>,
    known: OnceLock<RwLock<Known>>,
    fresh: Mutex<Vec<Row>>,
    /// Files that are being read: who comes second waits, and does not read.
    flights: Mutex<FxHashMap<Vec<u8>, Arc<Flight>>>,
    read: AtomicU64,
}

/// By path.
type Known = FxHashMap<Vec<u8>, (Stat, Digest)>;

/// The result of a read, once there is one.
type Flight = Mutex<Option<(Digest, Stat)>>;

impl FileMemo {
    /// A memory for a project's folder. When the store cannot give its rows, `load` gives none: that costs time only.
    pub fn new(project: impl Into<PathBuf>, load: Load) -> Self {
        Self::with_clock(project, load, now)
    }

    fn with_clock(project: impl Into<PathBuf>, load: Load, clock: fn() -> i64) -> Self {
        Self {
            project: project.into(),
            clock,
            load: Mutex::new(Some(load)),
            known: OnceLock::new(),
            fresh: Mutex::default(),
            flights: Mutex::default(),
            read: AtomicU64::new(0),
        }
    }

    /// What a file or a folder holds; of a folder each file is remembered, and the names are listed each time.
    pub fn digest_of(&self, path: &Path) -> Result<Content> {
        content::digest_path_with(path, &mut |file, stat| self.file(file, stat))
    }

    /// Takes in what was found elsewhere right after a file was put in place, for this run alone: it has changed too
    /// short a time ago to be remembered for later ones.
    pub fn learn(&self, path: &Path, stat: Stat, digest: Digest) {
        let key = path.strip_prefix(&self.project).unwrap_or(path).as_os_str().as_bytes().to_vec();
        self.known().write().unwrap_or_else(PoisonError::into_inner).insert(key, (stat, digest));
    }

    /// The rows that are new since the last call, for the store.
    pub fn take_fresh(&self) -> Vec<Row> {
        std::mem::take(&mut *lock(&self.fresh))
    }

    /// How many files were read, by this memory.
    pub fn files_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn file(&self, path: &Path, stat: Stat) -> Result<(Digest, Stat)> {
        let key = path.strip_prefix(&self.project).unwrap_or(path).as_os_str().as_bytes();
        if let Some(digest) = self.remembered(key, stat) {
            return Ok((digest, stat));
        }
        let flight = lock(&self.flights).entry(key.to_vec()).or_default().clone();
        let mut result = lock(&flight);
        if let Some((digest, read)) = *result
            && read == stat
        {
            return Ok((digest, stat));
        }
        // The one before us may have ended between our look and our flight.
        if let Some(digest) = self.remembered(key, stat) {
            return Ok((digest, stat));
        }
        let begin = (self.clock)();
        self.read.fetch_add(1, Ordering::Relaxed);
        let hashing = meter::span(Phase::Hashing);
        let done = content::digest_file(path);
        drop(hashing);
        if let Ok((digest, stat)) = done {
            *result = Some((digest, stat));
            if begin.saturating_sub(changed(stat, begin)) >= RACY_NS {
                let mut known = self.known().write().unwrap_or_else(PoisonError::into_inner);
                known.insert(key.to_vec(), (stat, digest));
                lock(&self.fresh).push((key.to_vec(), stat, digest));
            }
        }
        lock(&self.flights).remove(key);
        done
    }

    fn remembered(&self, key: &[u8], stat: Stat) -> Option<Digest> {
        let known = self.known().read().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(remembered, _)| *remembered == stat).map(|(_, digest)| *digest)
    }

    fn known(&self) -> &RwLock<Known> {
        self.known.get_or_init(|| {
            let rows = lock(&self.load).take().map_or_else(Vec::new, |load| load());
            RwLock::new(rows.into_iter().map(|(path, stat, digest)| (path, (stat, digest))).collect())
        })
    }
}

/// When a file last changed. A modification time can be set to anything, also to the future; a change time cannot.
fn changed(stat: Stat, now: i64) -> i64 {
    if stat.mtime > now { stat.ctime } else { stat.ctime.max(stat.mtime) }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A minute after now: no file is young.
    fn later() -> i64 {
        now() + 60_000_000_000
    }

    fn nothing() -> Load {
        Box::new(Vec::new)
    }

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn an_unchanged_file_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reads.fq");
        write(&path, "reads");
        let memo = FileMemo::with_clock(dir.path(), nothing(), later);
        let first = memo.digest_of(&path).unwrap();
        assert_eq!(first.digest, Digest::of(b"reads"));
        assert_eq!(memo.digest_of(&path).unwrap(), first);
        assert_eq!(memo.files_read(), 1);
        let rows = memo.take_fresh();
        assert_eq!(rows, [(b"reads.fq".to_vec(), first.stat, first.digest)]);
        assert_eq!(memo.take_fresh(), []);

        // The next run, also when the project was moved: the row is relative to it.
        let moved = dir.path().join("moved");
        std::fs::create_dir(&moved).unwrap();
        let memo = FileMemo::with_clock(dir.path(), Box::new(move || rows), later);
        assert_eq!(memo.digest_of(&path).unwrap(), first);
        assert_eq!((memo.files_read(), memo.take_fresh().len()), (0, 0));

        // Another text of the same length.
        write(&path, "READS");
        assert_eq!(memo.digest_of(&path).unwrap().digest, Digest::of(b"READS"));
        assert_eq!((memo.files_read(), memo.take_fresh().len()), (1, 1));
    }

    #[test]
    fn a_file_that_has_just_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("young");
        write(&path, "one");
        let memo = FileMemo::new(dir.path(), nothing());
        memo.digest_of(&path).unwrap();
        memo.digest_of(&path).unwrap();
        assert_eq!((memo.files_read(), memo.take_fresh()), (2, vec![]));
    }

    #[test]
    fn young_is_what_changed_less_than_two_seconds_before_it_was_read() {
        let stat = |mtime, ctime| Stat { size: 0, mtime, ctime, inode: 0 };
        let second = 1_000_000_000;
        let now = 100 * second;
        assert_eq!(changed(stat(10 * second, 98 * second), now), 98 * second);
        assert_eq!(changed(stat(99 * second, 10 * second), now), 99 * second);
        // A time of modification in the future was set by hand; it must not make the file young for ever.
        assert_eq!(changed(stat(500 * second, 10 * second), now), 10 * second);
    }

    #[test]
    fn many_threads_read_a_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..20).map(|i| dir.path().join(format!("{i}"))).collect();
        paths.iter().for_each(|path| write(path, &"x".repeat(100_000)));
        let memo = FileMemo::with_clock(dir.path(), nothing(), later);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for path in &paths {
                        memo.digest_of(path).unwrap();
                    }
                });
            }
        });
        assert_eq!((memo.files_read(), memo.take_fresh().len()), (20, 20));
    }

    #[test]
    fn the_files_of_a_folder_are_remembered_one_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("index");
        std::fs::create_dir(&root).unwrap();
        write(&root.join("a"), "a");
        write(&root.join("b"), "b");
        let memo = FileMemo::with_clock(dir.path(), nothing(), later);
        let first = memo.digest_of(&root).unwrap();
        assert_eq!(first.digest, content::digest_path(&root).unwrap().digest);
        assert_eq!(memo.digest_of(&root).unwrap(), first);
        assert_eq!(memo.files_read(), 2);
        write(&root.join("b"), "c");
        assert_ne!(memo.digest_of(&root).unwrap().digest, first.digest);
        assert_eq!(memo.files_read(), 3);
    }

    #[test]
    fn what_is_not_there_is_an_error_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let memo = FileMemo::with_clock(dir.path(), nothing(), later);
        let path = dir.path().join("gone");
        for _ in 0..2 {
            assert_eq!(memo.digest_of(&path).unwrap_err().kind, crate::sys::FaultKind::Missing);
        }
        write(&path, "here");
        assert_eq!(memo.digest_of(&path).unwrap().digest, Digest::of(b"here"));
    }
}
