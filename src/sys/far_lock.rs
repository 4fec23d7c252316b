//! A lock that several hosts respect, made of nothing but files: for network file systems, whose own locks are not to be
//! relied on.
//!
//! ```text
//! FOLDER/7     who holds it, and a counter that the holder raises every ten seconds
//! ```
//!
//! The file with the highest number is the lock. Who finds that one given back or dead makes the next number, which can
//! be made once (`link`), and removes the lower ones; the highest is never removed, so that a number never comes again.
//! A holder that stood still for a minute of the waiter's own time is dead; should it wake up, it finds a higher number,
//! and stops.
//!
//! On one host nobody waits for a counter: an abstract socket named after the folder is held by the holder and by those
//! that inherit it, and is free when all of them are dead.

use super::durable;
use super::fault::{At, Fault, FaultKind, Result};
use super::lock::{Held, NoLock, Who};
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the lock's time goes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two raises of the counter.
    pub beat: Duration,
    /// A counter that stood still for so long is a dead holder's.
    pub dead: Duration,
    /// How often a waiter looks.
    pub look: Duration,
}

impl Pace {
    /// That of every lock; tests have their own.
    pub const USUAL: Pace =
        Pace { beat: Duration::from_secs(10), dead: Duration::from_secs(60), look: Duration::from_millis(500) };
}

/// How long the tasks of a killed driver of this host may take to die before the lock counts as held.
const DYING: Duration = Duration::from_secs(10);

/// The text of the lock's file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Text {
    #[serde(flatten)]
    who: Who,
    /// The network namespace, within which abstract sockets are seen.
    net: String,
    /// The file's inode: in a copy it is another one.
    file: u64,
    /// Raised again and again.
    count: u64,
    /// Given back.
    over: bool,
}

/// A lock that is held by this process. Dropping it gives it back.
#[derive(Debug)]
pub struct FarLock {
    holding: Arc<Holding>,
    socket: OwnedFd,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Holding {
    folder: PathBuf,
    number: u64,
    file: File,
    text: Mutex<Text>,
    pace: Pace,
    lost: AtomicBool,
    /// When the lock was last seen to be ours, milliseconds of [`uptime`].
    seen: AtomicU64,
}

/// What a look at the lock says.
enum Look {
    /// It can be taken: the number of the next file.
    Free(u64),
    /// Somebody has it, who is on this host and alive.
    Held(Text),
    /// Somebody has it, of whom only the counter tells.
    Far(Far),
}

struct Far {
    number: u64,
    text: Option<Text>,
    /// All bytes of the file: when they change, the holder lives.
    bytes: Vec<u8>,
    /// By the clock of the file server, it was written a moment ago.
    fresh: bool,
}

/// Holders whose counter stood still: what else they held is free without another wait.
static DEAD: Mutex<Vec<Who>> = Mutex::new(Vec::new());

fn dead() -> std::sync::MutexGuard<'static, Vec<Who>> {
    DEAD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FarLock {
    /// Takes the lock, or says who has it. A holder on another host of which it is not known whether it lives is watched
    /// until its counter moves, or has stood still for long enough; `look` is told of it each time, and ends the watch
    /// by saying false. `patient`: a living holder is waited for, too.
    pub fn acquire(
        folder: &Path,
        who: &Who,
        pace: Pace,
        patient: bool,
        look: &mut dyn FnMut(&Held) -> bool,
    ) -> std::result::Result<Self, NoLock> {
        durable::make_folders(folder)?;
        let begin = uptime();
        let mut watched: Option<(Far, Duration)> = None;
        loop {
            // Without the socket a process of this host is at it, or what it has left.
            let socket = guard(folder).at("lock", folder)?;
            let seen = Self::look(folder, socket.is_some(), pace)?;
            let (held, living) = match (seen, socket) {
                (Look::Free(number), Some(socket)) => match Self::take(folder, number, who, pace, socket)? {
                    Some(lock) => return Ok(lock),
                    None => continue,
                },
                (Look::Free(_), None) => (Held { by: None }, uptime() - begin > DYING),
                (Look::Held(text), _) => {
                    let dying = !text.who.is_alive() && uptime() - begin <= DYING;
                    (Held { by: Some(text.who) }, !dying)
                }
                (Look::Far(far), socket) => {
                    let held = Held { by: far.text.as_ref().map(|text| text.who.clone()) };
                    let before =
                        watched.as_ref().filter(|(old, _)| (old.number, &old.bytes) == (far.number, &far.bytes));
                    let since = before.map_or_else(uptime, |(_, since)| *since);
                    let moved = before.is_none() && watched.as_ref().is_some_and(|(old, _)| old.number == far.number);
                    if let Some(socket) = socket
                        && uptime() - since >= pace.dead
                    {
                        dead().extend(held.by);
                        if let Some(lock) = Self::take(folder, far.number + 1, who, pace, socket)? {
                            return Ok(lock);
                        }
                        continue;
                    }
                    let living = moved || far.fresh;
                    watched = Some((far, since));
                    (held, living)
                }
            };
            if (living && !patient) || !look(&held) {
                return Err(NoLock::Held(held));
            }
            std::thread::sleep(pace.look);
        }
    }

    /// Who holds the lock now, as far as can be told at once: a holder on another host counts as living.
    pub fn holder(folder: &Path) -> Option<Who> {
        let far = read(folder, highest(folder).ok()??).ok()?;
        let text = far.text.filter(|text| !text.over)?;
        if is_near(&text) && !is_guarded(folder) && !text.who.is_alive() {
            return None;
        }
        (text.file == far.inode).then_some(text.who)
    }

    /// Writes the run's number into the lock.
    pub fn name_run(&self, run: u64) -> Result<()> {
        self.holding.write(|text| text.who.run = Some(run))
    }

    /// That the lock is still ours.
    ///
    /// # Errors
    /// When this process stood still for so long that another one took the lock.
    pub fn still_held(&self) -> Result<()> {
        let holding = &self.holding;
        // While the counter is raised in time nobody takes the lock.
        let still = uptime().saturating_sub(Duration::from_millis(holding.seen.load(Ordering::Relaxed)));
        if still > holding.pace.dead.mul_f64(0.6) {
            holding.beat();
        }
        if !holding.lost.load(Ordering::Relaxed) {
            return Ok(());
        }
        let what = format!(
            "another process has taken the lock `{}`, for this one stood still for longer than {} s",
            holding.folder.display(),
            holding.pace.dead.as_secs()
        );
        Err(Fault::new(FaultKind::Held, what).help("what it has finished is in its journal; the other process goes on"))
    }

    fn look(folder: &Path, guarded_by_us: bool, pace: Pace) -> Result<Look> {
        let Some(number) = highest(folder)? else { return Ok(Look::Free(1)) };
        let seen = match read(folder, number) {
            Ok(seen) => seen,
            // Removed since: there is a higher one.
            Err(fault) if fault.kind == FaultKind::Missing => return Ok(Look::Free(number + 1)),
            Err(fault) => return Err(fault),
        };
        if let Some(text) = &seen.text {
            let same = |who: &Who| (who.pid, who.started, who.boot.clone(), who.space.clone());
            if text.over || dead().iter().any(|who| same(who) == same(&text.who)) {
                return Ok(Look::Free(number + 1));
            }
            if is_near(text) {
                if !guarded_by_us {
                    return Ok(Look::Held(text.clone()));
                }
                // Nobody on this host guards this folder: its holder is dead, or it is a copy of what another holds.
                // Else it is held by another way to the same folder.
                if !text.who.is_alive() || text.file != seen.inode {
                    return Ok(Look::Free(number + 1));
                }
            }
        }
        let fresh = server_now(folder)? - seen.written < pace.beat.mul_f64(2.5).as_nanos() as i128;
        Ok(Look::Far(Far { number, text: seen.text, bytes: seen.bytes, fresh }))
    }

    /// Makes the file of this number; `None`: somebody else was faster.
    fn take(folder: &Path, number: u64, who: &Who, pace: Pace, socket: OwnedFd) -> Result<Option<Self>> {
        let path = folder.join(number.to_string());
        let new = durable::temporary_beside(&path)?;
        let made = (|| {
            let file = File::options().write(true).create_new(true).open(&new).at("write", &path)?;
            let inode = file.metadata().at("look at", &path)?.ino();
            let text = Text { who: who.clone(), net: net_space(), file: inode, count: 0, over: false };
            let seen = AtomicU64::new(millis(uptime()));
            let holding = Holding {
                folder: folder.to_owned(),
                number,
                file,
                text: Mutex::new(text),
                pace,
                lost: AtomicBool::new(false),
                seen,
            };
            holding.write(|_| {})?;
            match std::fs::hard_link(&new, &path) {
                Ok(()) => Ok(Some(holding)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(None),
                // Some have no links. A rename would replace another's file; between the look and the rename lies a
                // moment, which is all that can be had there.
                Err(_) if !path.exists() => std::fs::rename(&new, &path).map(|()| Some(holding)).at("lock", &path),
                Err(error) => Err(Fault::io("lock", &path, &error)),
            }
        })();
        let _ = std::fs::remove_file(&new);
        let Some(holding) = made? else { return Ok(None) };
        // A listing may have been an old one; now that we have changed the folder it is not.
        if highest(folder)? != Some(number) {
            let _ = std::fs::remove_file(&path);
            return Ok(None);
        }
        for lower in numbers(folder)?.into_iter().filter(|lower| *lower < number) {
            // Best effort: what is lower than the highest means nothing.
            let _ = std::fs::remove_file(folder.join(lower.to_string()));
        }
        let holding = Arc::new(holding);
        let (stop, stopped) = bounded::<()>(0);
        let thread = std::thread::Builder::new().name("lock".to_owned()).spawn({
            let holding = holding.clone();
            move || {
                while stopped.recv_timeout(pace.beat) == Err(RecvTimeoutError::Timeout) {
                    holding.beat();
                }
            }
        });
        Ok(Some(Self { holding, socket, stop: Some(stop), thread: Some(thread.at("start a thread for", folder)?) }))
    }
}

impl Drop for FarLock {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if !self.holding.lost.load(Ordering::Relaxed) {
            // If it cannot be said, the next one waits until the counter has stood still.
            let _ = self.holding.write(|text| text.over = true);
        }
    }
}

/// What a child inherits, so that the lock is not free on this host before it is dead.
impl AsFd for FarLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Holding {
    /// Raises the counter, and looks whether somebody has taken the lock.
    fn beat(&self) {
        // One that cannot be written now may be written the next time.
        let _ = self.write(|text| text.count += 1);
        match highest(&self.folder) {
            Ok(number) if number == Some(self.number) => self.seen.store(millis(uptime()), Ordering::Relaxed),
            Ok(_) => self.lost.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
    }

    fn write(&self, change: impl FnOnce(&mut Text)) -> Result<()> {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut text);
        let mut line = serde_json::to_vec(&*text).unwrap_or_default();
        line.push(b'\n');
        let path = self.folder.join(self.number.to_string());
        self.file.write_all_at(&line, 0).at("write", &path)?;
        self.file.set_len(line.len() as u64).at("write", &path)?;
        // Other hosts see what has reached the server.
        self.file.sync_data().at("write", &path)
    }
}

/// The file of a number.
struct Seen {
    text: Option<Text>,
    bytes: Vec<u8>,
    inode: u64,
    /// When it was written, by the server's clock, nanoseconds.
    written: i128,
}

fn read(folder: &Path, number: u64) -> Result<Seen> {
    let path = folder.join(number.to_string());
    let file = File::open(&path).at("read", &path)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut &file, &mut bytes).at("read", &path)?;
    let meta = file.metadata().at("look at", &path)?;
    let text = bytes.split(|byte| *byte == b'\n').next().and_then(|line| serde_json::from_slice(line).ok());
    Ok(Seen { text, bytes, inode: meta.ino(), written: written(&meta) })
}

fn written(meta: &std::fs::Metadata) -> i128 {
    i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
}

/// What the server's clock says. The new file also makes a client forget the listing that it has kept.
fn server_now(folder: &Path) -> Result<i128> {
    let path = durable::temporary_beside(&folder.join("now"))?;
    let file = OpenOptions::new().write(true).create_new(true).open(&path).at("write", &path)?;
    let now = file.metadata().map(|meta| written(&meta));
    let _ = std::fs::remove_file(&path);
    now.at("look at", &path)
}

fn numbers(folder: &Path) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder).at("list", folder)? {
        numbers.extend(entry.at("list", folder)?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    Ok(numbers)
}

fn highest(folder: &Path) -> Result<Option<u64>> {
    Ok(numbers(folder)?.into_iter().max())
}

/// Whether the holder would be seen from here: same kernel, same processes, same sockets.
fn is_near(text: &Text) -> bool {
    text.who.is_visible() && text.net == net_space()
}

fn net_space() -> String {
    std::fs::read_link("/proc/self/ns/net").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

fn address(folder: &Path) -> std::io::Result<SocketAddrUnix> {
    let meta = folder.metadata()?;
    Ok(SocketAddrUnix::new_abstract_name(format!("flowrun-lock-{:x}-{:x}", meta.dev(), meta.ino()).as_bytes())?)
}

/// The socket that says that somebody on this host is at it; `None`: somebody is.
fn guard(folder: &Path) -> std::io::Result<Option<OwnedFd>> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    match bind(&socket, &address(folder)?) {
        Ok(()) => Ok(Some(socket)),
        Err(rustix::io::Errno::ADDRINUSE) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether somebody on this host has the socket, without touching it.
fn is_guarded(folder: &Path) -> bool {
    let asked = || -> std::io::Result<()> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(connect(&socket, &address(folder)?)?)
    };
    asked().is_ok()
}

/// A clock that goes on while the machine sleeps.
fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
