//! An SQLite store on a network file system, whose locks and shared memory are not to be relied on: one process has it
//! at a time, by a lock made of files, and SQLite neither locks nor keeps a write-ahead log.

use super::open::{self, Alone};
use crate::port::Access;
use crate::sys::fault::Result;
use crate::sys::lock::{self, Lock, NoLock, Who};
use crate::sys::{Fault, FaultKind};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Opens the store at `path`, on a file system of this kind, with what keeps other processes from it.
///
/// # Errors
/// [`FaultKind::Held`] while another process has it.
pub(super) fn open(path: &Path, access: Access, kind: &str) -> Result<(Connection, Option<Lock>)> {
    if access == Access::Read && !path.exists() {
        return Ok((open::open(path, access, Alone::No)?, None));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    match Lock::acquire(&name, Who::me(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))) {
        Ok(lock) => Ok((open::open(path, access, Alone::Locked)?, Some(lock))),
        Err(NoLock::Held(held)) => Err(taken(path, kind, &held.to_string())),
        // Who may only read cannot say that it reads; as long as nobody is at it, nobody writes.
        Err(NoLock::Fault(fault))
            if access == Access::Read && matches!(fault.kind, FaultKind::Denied | FaultKind::ReadOnly) =>
        {
            match lock::holder(&name) {
                Some(who) => Err(taken(path, kind, &lock::Held { by: Some(who) }.to_string())),
                None => Ok((open::open(path, access, Alone::Still)?, None)),
            }
        }
        Err(NoLock::Fault(fault)) => Err(fault),
    }
}

fn taken(path: &Path, kind: &str, by: &str) -> Fault {
    let what = format!(
        "the store `{}` lies on a network file system ({kind}), where one process uses it at a time: {by}",
        path.display()
    );
    Fault::new(FaultKind::Held, what).help(
        "wait until it has ended (`flowrun run --wait`); `flowrun status` and `flowrun log` need no store. Several at once \
         can use a store on a local disk (`--store sqlite:PATH`) or on a server (`--store postgres://…`)",
    )
}
