//! Where a program is: the search that a shell does, made by us so that we can say where we looked.

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a program was not found.
#[derive(Debug, PartialEq, Eq)]
pub enum NotFound {
    /// No such file anywhere.
    Nowhere,
    /// The first file of that name may not be executed.
    NotExecutable(PathBuf),
    /// It is a folder.
    Folder(PathBuf),
}

/// The file that `name` means in the folder `dir` with this `PATH`. A name with a `/` is a path; the folders of a
/// relative one, and relative entries of `PATH`, are inside `dir`.
pub fn program(name: &OsStr, path: &OsStr, dir: &Path) -> Result<PathBuf, NotFound> {
    if name.as_bytes().contains(&b'/') {
        return judge(dir.join(name)).unwrap_or(Err(NotFound::Nowhere));
    }
    let mut worse = NotFound::Nowhere;
    if !name.is_empty() && !path.is_empty() {
        for entry in std::env::split_paths(path) {
            match judge(dir.join(entry).join(name)) {
                Some(Ok(found)) => return Ok(found),
                Some(Err(why @ NotFound::NotExecutable(_))) if worse == NotFound::Nowhere => worse = why,
                _ => {}
            }
        }
    }
    Err(worse)
}

/// `None`: nothing there.
fn judge(path: PathBuf) -> Option<Result<PathBuf, NotFound>> {
    match accessat(CWD, &path, Access::EXEC_OK, AtFlags::EACCESS) {
        // Folders are executable in their own way; only they need a second look.
        Ok(()) if path.is_dir() => Some(Err(NotFound::Folder(path))),
        Ok(()) => Some(Ok(path)),
        Err(Errno::NOENT | Errno::NOTDIR) => None,
        Err(_) if path.exists() => Some(Err(NotFound::NotExecutable(path))),
        Err(_) => None,
    }
}
