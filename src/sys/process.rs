//! Other processes, seen through `/proc`: who descends from whom, what they have read and written.
//! Everything here may be out of date when it is returned; nothing here sends a signal to a bare pid.

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Blocks until a child of ours has ended, and leaves it to be reaped. False: it is no child of ours any more.
pub fn wait(pid: Pid) -> bool {
    loop {
        match rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

/// The bytes that a process and its waited-for children have read and written, by calls of the `read` and `write` kind.
///
/// To be opened while it lives: of a process that has ended the file belongs to root, but it can still be read.
pub struct Io(Option<File>);

impl Io {
    /// Opens the counters of a living process.
    pub fn open(pid: Pid) -> Self {
        Self(File::open(format!("/proc/{}/io", pid.as_raw_nonzero())).ok())
    }
    /// Bytes read and written until now; zeroes where the system does not say. Call it before the process is reaped.
    pub fn read(&self) -> (u64, u64) {
        let mut buffer = [0; 512];
        let Some(n) = self.0.as_ref().and_then(|file| file.read_at(&mut buffer, 0).ok()) else { return (0, 0) };
        let text = String::from_utf8_lossy(&buffer[..n]);
        let field = |name: &str| {
            text.lines().find_map(|l| l.strip_prefix(name)).and_then(|v| v.trim().parse().ok()).unwrap_or(0)
        };
        (field("rchar:"), field("wchar:"))
    }
}

/// The processes that came to us because their parents died (we are a subreaper). The kernel gives them to the first
/// thread, so that thread must start no process itself.
pub struct Orphans(Option<File>);

impl Orphans {
    /// Of this process.
    pub fn open() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero();
        Self(File::open(format!("/proc/self/task/{pid}/children")).ok())
    }
    /// The orphans that live, those that ended are reaped on the way; `None`: the kernel does not say.
    pub fn living(&self) -> Option<Vec<Pid>> {
        let file = self.0.as_ref()?;
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match file.read_at(&mut buffer, text.len() as u64).ok()? {
                0 => break,
                n => text.extend_from_slice(&buffer[..n]),
            }
        }
        if text.is_empty() {
            return Some(Vec::new());
        }
        let ended = |pid: &Pid| {
            let answer = rustix::process::waitid(WaitId::Pid(*pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
            matches!(answer, Ok(Some(_)) | Err(_))
        };
        Some(pids(&text).filter(|pid| !ended(pid)).collect())
    }
}

fn pids(text: &[u8]) -> impl Iterator<Item = Pid> {
    text.split(|b| b.is_ascii_whitespace())
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .filter_map(Pid::from_raw)
}

/// Every process of the machine (of our pid namespace), as `/proc` shows them at about one time.
pub struct Table(Vec<Entry>);

#[derive(Clone, Copy)]
struct Entry {
    pid: Pid,
    parent: i32,
    group: i32,
    session: i32,
}

impl Table {
    /// Now.
    pub fn read() -> Self {
        let Ok(folder) = std::fs::read_dir("/proc") else { return Self(Vec::new()) };
        Self(folder.flatten().filter_map(|e| entry(e.file_name().to_str()?)).collect())
    }
    fn children(&self, parent: Pid) -> impl Iterator<Item = &Entry> {
        let parent = number(parent);
        self.0.iter().filter(move |e| e.parent == parent)
    }
    fn descendants(&self, roots: &[Pid]) -> Vec<Entry> {
        let mut found: Vec<Entry> = roots.iter().flat_map(|&root| self.children(root)).copied().collect();
        let mut next = 0;
        while next < found.len() {
            let parent = found[next].pid;
            found.extend(self.children(parent));
            next += 1;
        }
        found
    }
    /// What descends from `roots`, and whatever else of this process's descendants is in one of the `groups`.
    pub fn family(&self, roots: &[Pid], groups: &[Pid]) -> Vec<Handle> {
        let mut found = self.descendants(roots);
        let ours = self.descendants(&[rustix::process::getpid()]);
        let new = |e: &Entry, found: &[Entry]| !found.iter().any(|f| f.pid == e.pid);
        for entry in ours.into_iter().filter(|e| groups.iter().any(|&g| number(g) == e.group)) {
            if new(&entry, &found) && !roots.contains(&entry.pid) {
                found.push(entry);
            }
        }
        found.into_iter().filter_map(Handle::of).collect()
    }
}

fn number(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

fn entry(pid: &str) -> Option<Entry> {
    let pid = Pid::from_raw(pid.parse().ok()?)?;
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name in brackets may hold anything, so count from the last bracket: state, parent, group, session.
    let rest = &stat[stat.iter().rposition(|&b| b == b')')? + 1..];
    let mut fields = std::str::from_utf8(rest).ok()?.split_ascii_whitespace().skip(1).map(str::parse);
    let mut field = || fields.next()?.ok();
    Some(Entry { pid, parent: field()?, group: field()?, session: field()? })
}

/// The processes of a session.
pub fn session(leader: Pid) -> Vec<Handle> {
    let table = Table::read();
    table.0.into_iter().filter(|e| e.session == number(leader)).filter_map(Handle::of).collect()
}

/// A process that cannot be mistaken for a later one with its number.
#[derive(Debug)]
pub struct Handle {
    pid: Pid,
    group: Pid,
    fd: OwnedFd,
}

impl Handle {
    /// Of a child of ours. `None`: the kernel has no such handles.
    pub fn open(pid: Pid) -> Option<Self> {
        Some(Self { pid, group: pid, fd: pidfd_open(pid, PidfdFlags::empty()).ok()? })
    }
    fn of(entry: Entry) -> Option<Self> {
        let fd = pidfd_open(entry.pid, PidfdFlags::empty()).ok()?;
        Some(Self { pid: entry.pid, group: Pid::from_raw(entry.group)?, fd })
    }
    /// Another handle of the same process.
    pub fn try_clone(&self) -> Option<Self> {
        Some(Self { fd: self.fd.try_clone().ok()?, ..*self })
    }
    /// Its number, its own while it is alive.
    pub fn pid(&self) -> Pid {
        self.pid
    }
    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        !wait_all(std::slice::from_ref(self), Instant::now())
    }
    /// Its process group when it was looked at.
    pub fn group(&self) -> Pid {
        self.group
    }
    /// Sends a signal; one that has ended does not mind.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.fd, signal);
    }
}

/// Blocks until all have ended or the time has come; says whether all have ended.
pub fn wait_all(handles: &[Handle], until: Instant) -> bool {
    handles.iter().all(|handle| {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = rustix::time::Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let mut fds = [rustix::event::PollFd::new(&handle.fd, rustix::event::PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&timeout)) {
                Ok(0) if left > Duration::ZERO => {}
                Err(rustix::io::Errno::INTR) => {}
                Ok(0) | Err(_) => return false,
                Ok(_) => return true,
            }
        }
    })
}

/// Kills every descendant of this process, those that come up meanwhile too, and returns when none is left.
///
/// The process must be a subreaper; no other thread of it may start or reap anything any more.
pub fn kill_descendants() {
    let none = || {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(rustix::process::waitid(WaitId::All, look), Err(rustix::io::Errno::CHILD))
    };
    // Mostly there is no child left, and then all of `/proc` need not be read.
    while !none() {
        for child in Table::read().children(rustix::process::getpid()) {
            // A child of ours cannot be reaped by anybody else, so the number is still its own.
            let _ = rustix::process::kill_process(child.pid, Signal::KILL);
        }
        let mut wait = WaitIdOptions::EXITED;
        loop {
            match rustix::process::waitid(WaitId::All, wait) {
                Ok(Some(_)) => wait |= WaitIdOptions::NOHANG,
                Ok(None) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}
