//! Files that are whole or not there: written under a temporary name in the same folder, then renamed.

use super::fault::{At, Fault, FaultKind, Result};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether the bytes must be on the disk when the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// File and folder are flushed: a power cut keeps the file.
    Now,
    /// The caller flushes later, or a power cut may take the file.
    Later,
}

/// Writes a file as a whole; a file of that name is replaced at once.
pub fn write(path: &Path, bytes: &[u8], sync: Sync) -> Result<()> {
    write_with(path, sync, |file| file.write_all(bytes))
}

/// The same, with the file in hand.
pub fn write_with(path: &Path, sync: Sync, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let folder = parent(path)?;
    let temporary = temporary_beside(path)?;
    let done = (|| {
        let mut file = File::create_new(&temporary).at("write", path)?;
        fill(&mut file).at("write", path)?;
        if sync == Sync::Now {
            file.sync_all().at("write", path)?;
        }
        std::fs::rename(&temporary, path).at("write", path)
    })();
    if done.is_err() {
        // What is half-written must not stay; that it cannot be removed changes nothing about the error.
        let _ = std::fs::remove_file(&temporary);
    }
    done?;
    if sync == Sync::Now { sync_folder(folder) } else { Ok(()) }
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).at("read", path)
}

/// Makes a folder and those above it; one that is there already is fine.
pub fn make_folders(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).at("make the folder", path)
}

/// Flushes a file or a folder to the disk. Some file systems cannot flush folders; there nothing can be done.
pub fn flush(path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    match file.sync_all() {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput && file.metadata()?.is_dir() => Ok(()),
        done => done,
    }
}

/// Flushes the names in a folder to the disk: what was made, renamed or removed in it.
pub fn sync_folder(path: &Path) -> Result<()> {
    flush(path).at("flush the folder", path)
}

/// Renames; nothing but an empty folder may stand under the new name when a folder is renamed.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).at(&format!("rename `{}` to", from.display()), to)
}

/// A name in the same folder that no other process or thread uses, on this host or another: `.flowrun-TOKEN.part`.
pub fn temporary_beside(path: &Path) -> Result<PathBuf> {
    Ok(parent(path)?.join(format!("{TEMPORARY}{}.part", token())))
}

/// What the names of temporary files begin with.
pub const TEMPORARY: &str = ".flowrun-";

/// A word that no other call gives, in this process or another: `4711-0-9f86d081884c7d65`. Process numbers alone are not
/// enough where several hosts, or containers, share a folder.
pub fn token() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static RANDOM: OnceLock<u64> = OnceLock::new();
    let random = RANDOM.get_or_init(|| RandomState::new().build_hasher().finish());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{count}-{random:016x}", std::process::id())
}

fn parent(path: &Path) -> Result<&Path> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(folder) => Ok(folder),
        None => Err(Fault::new(FaultKind::Other, format!("cannot write `{}`: it is no file name", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan");
        write(&path, b"one", Sync::Now).unwrap();
        write(&path, b"two", Sync::Later).unwrap();
        assert_eq!(read(&path).unwrap(), b"two");

        let blocked = dir.path().join("folder");
        std::fs::create_dir(&blocked).unwrap();
        let error = write(&blocked, b"three", Sync::Now).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write `{}`: is a directory", blocked.display()));
        let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["folder", "plan"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let path = Path::new("/no/such/folder/file");
        let error = write(path, b"", Sync::Now).unwrap_err();
        assert_eq!(error.kind, FaultKind::Missing);
        assert_eq!(error.to_string(), "cannot write `/no/such/folder/file`: no such file or directory");
    }
}
