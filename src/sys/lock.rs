//! The lock of a pipeline on a local file system: `flock` on a file whose text says who holds it.
//!
//! The lock belongs to the open file, not to a process: the executor inherits it and keeps it until the last task of a
//! killed driver is dead. So a lock whose text names a dead process is about to be free, and `acquire` waits for it.
//! On a network file system `flock` cannot be relied on; there it is a `FarLock`, in a folder beside the file.

use super::durable;
use super::far_lock::{FarLock, Pace};
use super::fault::{At, Fault, FaultKind, Result};
use super::mount;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the tasks of a killed driver may take to die before the lock counts as held.
const DYING: Duration = Duration::from_secs(10);
/// How often a lock that is not free is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often `--wait` looks.
const LOOK_WAITING: Duration = Duration::from_millis(200);

/// Who holds a lock: what tells a living process from a later one with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The host's name, for people.
    pub host: String,
    /// The kernel's boot id.
    pub boot: String,
    /// The namespace of process numbers: a container's processes are not ours.
    pub space: String,
    /// The process.
    pub pid: u32,
    /// Its start time, in the kernel's ticks since boot.
    pub started: u64,
    /// The run, once it has a number.
    pub run: Option<u64>,
    /// When the lock was taken, milliseconds since the epoch.
    pub since: u64,
}

impl Who {
    /// This process.
    pub fn me(now: u64) -> Self {
        let pid = std::process::id();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: boot_id(),
            space: pid_space(),
            pid,
            started: start_of(pid).unwrap_or(0),
            run: None,
            since: now,
        }
    }

    /// Whether the process can be seen from here: it is of this machine, since it was started, and of no other container.
    pub fn is_visible(&self) -> bool {
        self.boot == boot_id() && self.space == pid_space()
    }

    /// Whether the process still lives. One that cannot be seen from here counts as living.
    pub fn is_alive(&self) -> bool {
        !self.is_visible() || start_of(self.pid) == Some(self.started)
    }
}

/// The text of a lock's file: who holds it, and which file it is, for a copy of it is nobody's lock.
#[derive(Serialize, Deserialize)]
struct Text {
    #[serde(flatten)]
    who: Who,
    /// Device and inode.
    #[serde(default)]
    file: (u64, u64),
}

/// A lock that is held by this process. Dropping it closes it; children that inherited it keep it.
#[derive(Debug)]
pub struct Lock {
    kind: Kind,
    path: PathBuf,
    who: Who,
}

#[derive(Debug)]
enum Kind {
    Near(File),
    Far(FarLock),
}

/// Somebody else has the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who; `None` when the file does not say.
    pub by: Option<Who>,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum NoLock {
    /// Somebody else has it.
    #[error("{0}")]
    Held(Held),
    /// The lock's file cannot be used.
    #[error("{0}")]
    Fault(#[from] Fault),
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(who) = &self.by else { return f.write_str("a process that did not say its name") };
        match who.run {
            Some(run) => write!(f, "run {run}, process {}", who.pid)?,
            None => write!(f, "process {}", who.pid)?,
        }
        write!(
            f,
            " on `{}`, since {}",
            who.host,
            crate::base::human::moment(who.since, &jiff::tz::TimeZone::system())
        )?;
        if !who.is_alive() {
            f.write_str("; that process is dead, but tasks of it still live")?;
        }
        Ok(())
    }
}

impl Held {
    /// The way out.
    pub fn help(&self) -> &'static str {
        match &self.by {
            Some(who) if !who.is_alive() => "give the same command again when they are gone, or with `--wait`",
            _ => "`--wait` waits for it; `flowrun status` shows what it does",
        }
    }
}

impl Lock {
    /// Takes the lock, or says who has it. A dead holder is waited for, ten seconds at most.
    pub fn acquire(path: &Path, who: Who) -> std::result::Result<Self, NoLock> {
        Self::acquire_watching(path, who, &mut |_| true)
    }

    /// The same. On a network file system it may take a minute to see whether a holder on another host lives: `look` is
    /// called with it a few times a second.
    pub fn acquire_watching(
        path: &Path,
        who: Who,
        look: &mut dyn FnMut(&Held) -> bool,
    ) -> std::result::Result<Self, NoLock> {
        if let Some(folder) = far(path) {
            return Self::acquire_far(&folder, path, who, false, look);
        }
        let mut file = open(path)?;
        let begin = Instant::now();
        loop {
            if let Some(lock) = attempt(&mut file, path, &who)? {
                return Ok(lock);
            }
            let by = holder_in(&file);
            // An empty text: it is being taken or given back at this moment.
            let passing = by.as_ref().is_none_or(|who| !who.is_alive());
            if !passing || begin.elapsed() > DYING {
                return Err(NoLock::Held(Held { by }));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Takes the lock as soon as it is free. `look` is called with the holder each time it is not, a few times a second;
    /// when it says false, the waiting ends.
    pub fn acquire_waiting(
        path: &Path,
        who: Who,
        look: &mut dyn FnMut(&Held) -> bool,
    ) -> std::result::Result<Self, NoLock> {
        if let Some(folder) = far(path) {
            return Self::acquire_far(&folder, path, who, true, look);
        }
        let mut file = open(path)?;
        loop {
            if let Some(lock) = attempt(&mut file, path, &who)? {
                return Ok(lock);
            }
            let held = Held { by: holder_in(&file) };
            if !look(&held) {
                return Err(NoLock::Held(held));
            }
            std::thread::sleep(LOOK_WAITING);
        }
    }

    fn acquire_far(
        folder: &Path,
        path: &Path,
        who: Who,
        patient: bool,
        look: &mut dyn FnMut(&Held) -> bool,
    ) -> std::result::Result<Self, NoLock> {
        let lock = FarLock::acquire(folder, &who, Pace::USUAL, patient, look)?;
        // Whoever lists the locks finds it by its usual name.
        drop(open(path)?);
        Ok(Self { kind: Kind::Far(lock), path: path.to_owned(), who })
    }

    /// Writes the run's number into the lock.
    pub fn name_run(&mut self, run: u64) -> Result<()> {
        self.who.run = Some(run);
        match &self.kind {
            Kind::Near(file) => self.describe(file),
            Kind::Far(lock) => lock.name_run(run),
        }
    }

    /// That the lock is still ours: on a network file system a process that stood still for a minute may lose it.
    pub fn still_held(&self) -> Result<()> {
        match &self.kind {
            Kind::Near(_) => Ok(()),
            Kind::Far(lock) => lock.still_held(),
        }
    }

    /// Gives the lock back, for every process that inherited it too. Only when all tasks have ended.
    pub fn release(self) {
        if let Kind::Near(file) = &self.kind {
            // Both only make the next `acquire` faster: the kernel frees the lock with the last descriptor anyhow.
            let _ = file.set_len(0);
            let _ = rustix::fs::flock(file, FlockOperation::Unlock);
        }
    }

    fn describe(&self, file: &File) -> Result<()> {
        let which = identity(file).at("look at", &self.path)?;
        let mut text = serde_json::to_vec(&Text { who: self.who.clone(), file: which }).unwrap_or_default();
        text.push(b'\n');
        // Longer first, then cut: a reader takes the first line only.
        file.write_all_at(&text, 0).at("write", &self.path)?;
        file.set_len(text.len() as u64).at("write", &self.path)
    }
}

/// A copy of the descriptor, given to a child as one of its streams, makes the child hold the lock too. The child must
/// set it to close on `exec`, else a daemon that a task leaves behind holds the lock for ever.
impl AsFd for Lock {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match &self.kind {
            Kind::Near(file) => file.as_fd(),
            Kind::Far(lock) => lock.as_fd(),
        }
    }
}

/// The folder that stands for a lock's file on a network file system: `p.lock.hosts`; `None`: it is on none.
fn far(path: &Path) -> Option<PathBuf> {
    mount::network(path)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".hosts");
    Some(PathBuf::from(name))
}

/// Who holds the lock now, without touching it: `None` when nobody alive does.
pub fn holder(path: &Path) -> Option<Who> {
    if let Some(folder) = far(path) {
        return FarLock::holder(&folder);
    }
    let file = File::open(path).ok()?;
    let text = text_in(&file)?;
    (text.file == identity(&file).ok()?).then_some(text.who).filter(Who::is_alive)
}

fn identity(file: &File) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        durable::make_folders(folder)?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).at("write", path)
}

/// One try; `Ok(None)`: somebody else has it.
fn attempt(file: &mut File, path: &Path, who: &Who) -> std::result::Result<Option<Lock>, NoLock> {
    match rustix::fs::flock(&*file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => return Ok(None),
        Err(errno) => {
            let help = "the file system must be able to lock files; work in a folder on a local disk";
            return Err(Fault::io("lock", path, &errno.into()).help(help).into());
        }
    }
    let fresh = open(path)?;
    let same = match (identity(file), identity(&fresh)) {
        (Ok(ours), Ok(named)) => ours == named,
        _ => false,
    };
    if !same {
        // The file was removed or replaced while we waited: what we locked is no longer the lock.
        *file = fresh;
        return Ok(None);
    }
    let ours = file.try_clone().at("lock", path)?;
    let lock = Lock { kind: Kind::Near(ours), path: path.to_owned(), who: who.clone() };
    lock.describe(file)?;
    Ok(Some(lock))
}

fn holder_in(file: &File) -> Option<Who> {
    text_in(file).map(|text| text.who)
}

fn text_in(mut file: &File) -> Option<Text> {
    use std::io::Seek;
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(64 * 1024).read_to_string(&mut text).ok()?;
    let (line, _) = text.split_once('\n')?;
    serde_json::from_str(line).ok()
}

/// When a process started, in ticks since boot; `None` if it is not there or only its exit status is left of it.
pub fn start_of(pid: u32) -> Option<u64> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything, parentheses too.
    let end = text.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(&text[end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // `state` is the third field, the start time the 22nd.
    fields.nth(18)?.parse().ok()
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn pid_space() -> String {
    std::fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A fault for those who have no better words for a lock that is held.
impl From<Held> for Fault {
    fn from(held: Held) -> Self {
        let help = held.help();
        Fault::new(FaultKind::Busy, format!("another run holds this pipeline: {held}")).help(help)
    }
}
