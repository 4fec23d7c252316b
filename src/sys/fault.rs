//! The one error of everything that touches the machine: what could not be done, and the way out.
//! It knows no exit code; `cli` gives one.

use std::io;
use std::path::Path;

/// Something that the machine would not do.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Fault {
    /// What kind, for code that must tell them apart.
    pub kind: FaultKind,
    /// One sentence, with every path in it.
    pub what: String,
    /// The way out, where there is one.
    pub help: Option<String>,
}

/// Kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No space, or a quota reached.
    Full,
    /// A read-only file system.
    ReadOnly,
    /// The permissions do not allow it.
    Denied,
    /// It is not there.
    Missing,
    /// It is there already.
    Exists,
    /// What stands there is not what was written.
    Damaged,
    /// Written by a newer version.
    Newer,
    /// Somebody else holds it for too long.
    Busy,
    /// Another run, or a command like it, has it for as long as it lasts.
    Held,
    /// A server that cannot be reached; the same may work later.
    Away,
    /// Anything else.
    Other,
}

/// A result of this floor.
pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    /// A fault that is no system call's.
    pub fn new(kind: FaultKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), help: None }
    }

    /// `cannot {action} `{path}`: {reason}`, with the usual way out.
    pub fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        let kind = FaultKind::of(error);
        let reason = reason(error);
        let help = match kind {
            FaultKind::Full => Some(format!(
                "free some space on the file system of `{}` (or raise the quota), then give the same command again",
                holder(path).display()
            )),
            FaultKind::ReadOnly => Some("the file system is mounted read-only: work on a copy elsewhere".to_owned()),
            FaultKind::Denied => Some(format!("see to it that you may {} `{}`", verb(action), holder(path).display())),
            _ => None,
        };
        Self { kind, what: format!("cannot {action} `{}`: {reason}", path.display()), help }
    }

    /// The way out.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

impl FaultKind {
    /// The kind of a system's error.
    pub fn of(error: &io::Error) -> Self {
        use io::ErrorKind as E;
        match error.kind() {
            E::StorageFull | E::QuotaExceeded | E::FileTooLarge => Self::Full,
            E::ReadOnlyFilesystem => Self::ReadOnly,
            E::PermissionDenied => Self::Denied,
            E::NotFound | E::NotADirectory => Self::Missing,
            E::AlreadyExists | E::DirectoryNotEmpty => Self::Exists,
            E::InvalidData => Self::Damaged,
            _ => Self::Other,
        }
    }
}

/// What the system said, without Rust's number behind it: `no space left on device`.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => lower_first(&text[..end]),
        None => text,
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// What the permission is missing on: the nearest folder that is there, when the file is not.
fn holder(path: &Path) -> &Path {
    let there = path.ancestors().find(|at| at.as_os_str().is_empty() || at.symlink_metadata().is_ok());
    there.filter(|at| !at.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether the file system of a folder has no room for anything that is worth writing: less than 64 KiB.
pub fn is_full(folder: &Path) -> bool {
    const ROOM: u64 = 64 << 10;
    rustix::fs::statvfs(folder).is_ok_and(|room| room.f_bavail.saturating_mul(room.f_frsize) < ROOM)
}

fn verb(action: &str) -> &str {
    if action.starts_with("read") || action.starts_with("list") || action.starts_with("look") {
        "read"
    } else {
        "write"
    }
}

/// Names the path in an `io::Error`.
pub trait At<T> {
    /// `cannot {action} `{path}`: …`.
    fn at(self, action: &str, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &str, path: &Path) -> Result<T> {
        self.map_err(|error| Fault::io(action, path, &error))
    }
}

impl<T> At<T> for rustix::io::Result<T> {
    fn at(self, action: &str, path: &Path) -> Result<T> {
        self.map_err(|errno| Fault::io(action, path, &errno.into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_error_names_the_path_and_the_way_out() {
        let full = io::Error::from_raw_os_error(28);
        let fault = Fault::io("write", Path::new("/no/such/journal"), &full);
        assert_eq!(fault.kind, FaultKind::Full);
        assert_eq!(fault.to_string(), "cannot write `/no/such/journal`: no space left on device");
        assert_eq!(
            fault.help.unwrap(),
            "free some space on the file system of `/` (or raise the quota), then give the same command again"
        );
        let denied = Err::<(), _>(io::Error::from_raw_os_error(13)).at("read", Path::new("/")).unwrap_err();
        assert_eq!(denied.to_string(), "cannot read `/`: permission denied");
        assert_eq!(denied.help.unwrap(), "see to it that you may read `/`");
    }
}
