//! The file system as a protocol over shared files sees it: few operations, each of which other processes see as a whole
//! or not at all. [`Disk`] is the real one; tests put another in its place, which interleaves, fails and crashes on
//! demand.

use super::content::{Tree, read};
use super::durable::{TEMPORARY, token};
use super::fault::Result as Faulty;
use rustix::fs::{AtFlags, CWD, RenameFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Bytes.
    pub size: u64,
    /// When it was written or touched last, by the clock of the file system: milliseconds since the epoch.
    pub changed: u64,
    /// Whether it is a folder.
    pub dir: bool,
}

/// Operations on files.
pub trait Files: Debug + Send + Sync {
    /// An open file. It stays readable when its name goes away.
    type File;

    /// Looks at a name; a symbolic link is not followed.
    fn about(&self, path: &Path) -> io::Result<About>;
    /// The names in a folder, in any order.
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>>;
    /// Everything below a folder.
    fn tree(&self, root: &Path) -> Faulty<Tree>;
    /// Opens for reading.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a new file for writing, with the mode that the umask leaves of 0666, or of 0777.
    fn create(&self, path: &Path, exec: bool) -> io::Result<Self::File>;
    /// Reads the next bytes; 0 at the end.
    fn read(&self, file: &mut Self::File, into: &mut [u8]) -> io::Result<usize>;
    /// Appends.
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Makes the new file share the bytes of another, where the file system can (a reflink).
    fn share(&self, from: &Self::File, to: &Self::File) -> io::Result<()>;
    /// Takes the right to write from a new file, and flushes it to the disk. Where `folder` is shared, those who share
    /// it may read the file, whatever the umask.
    fn seal(&self, file: &Self::File, folder: &Path) -> io::Result<()>;
    /// Flushes the names in a folder to the disk.
    fn flush_names(&self, folder: &Path) -> io::Result<()>;
    /// Renames; a file of that name is replaced at once.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Exchanges what two names stand for; an error where the file system cannot.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;
    /// Sets the time of a file to now, by the clock of the file system.
    fn touch(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder in `root` that whoever may write there may write to as well; one that is there is fine.
    fn make_shared_folder(&self, root: &Path, path: &Path) -> io::Result<()>;
    /// Makes a folder and those above it; one that is there is fine.
    fn make_folders(&self, path: &Path) -> io::Result<()>;
    /// Makes a symbolic link.
    fn link(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Removes a file or a link, or an empty folder.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a file or a link, or a folder with everything in it.
    fn remove_all(&self, path: &Path) -> io::Result<()>;
}

/// The file systems of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

/// The bits of a mode by which a folder is shared: to write for the group, or for everybody.
const SHARED: u32 = 0o022;

impl Files for Disk {
    type File = File;

    fn about(&self, path: &Path) -> io::Result<About> {
        let meta = path.symlink_metadata()?;
        let nanos = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        let changed = u64::try_from(nanos / 1_000_000).unwrap_or(0);
        Ok(About { size: meta.len(), changed, dir: meta.is_dir() })
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn tree(&self, root: &Path) -> Faulty<Tree> {
        Tree::scan(root, &mut read)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn create(&self, path: &Path, exec: bool) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(if exec { 0o777 } else { 0o666 }).open(path)
    }

    fn read(&self, file: &mut File, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match file.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn share(&self, from: &File, to: &File) -> io::Result<()> {
        Ok(rustix::fs::ioctl_ficlone(to, from)?)
    }

    fn seal(&self, file: &File, folder: &Path) -> io::Result<()> {
        let sharers = (folder.metadata()?.mode() & SHARED) << 1;
        let mode = file.metadata()?.mode() & 0o444 | sharers;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()
    }

    fn flush_names(&self, folder: &Path) -> io::Result<()> {
        super::durable::flush(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
        match rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW) {
            // Only the owner may leave one of the two times as it is; who may write can still set both.
            Err(rustix::io::Errno::PERM) => {
                let both = Timestamps { last_access: time(UTIME_NOW), last_modification: time(UTIME_NOW) };
                Ok(rustix::fs::utimensat(CWD, path, &both, AtFlags::SYMLINK_NOFOLLOW)?)
            }
            done => Ok(done?),
        }
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    fn make_shared_folder(&self, root: &Path, path: &Path) -> io::Result<()> {
        let mode = root.metadata()?.mode();
        if path.is_dir() {
            return Ok(());
        }
        if mode & SHARED == 0 {
            return std::fs::create_dir_all(path);
        }
        // Never there with the narrower mode that the umask gives: a crash would leave it so.
        let new = root.join(format!("{TEMPORARY}{}.part", token()));
        std::fs::create_dir(&new)?;
        let bits = new.metadata()?.mode() | mode & 0o3777;
        let done = std::fs::set_permissions(&new, Permissions::from_mode(bits & 0o7777))
            .and_then(|()| std::fs::rename(&new, path));
        match done {
            Err(_) if path.is_dir() => std::fs::remove_dir(&new),
            done => done,
        }
    }

    fn make_folders(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn link(&self, target: &Path, path: &Path) -> io::Result<()> {
        symlink(target, path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if path.symlink_metadata()?.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) }
    }

    fn remove_all(&self, path: &Path) -> io::Result<()> {
        if path.symlink_metadata()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
    }
}
