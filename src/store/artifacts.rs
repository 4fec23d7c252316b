//! The artifact store: a folder that keeps the bytes of outputs under their digest, so that an output that was deleted
//! or overwritten comes back without running its task.
//!
//! `ab/cdef…` is a file, `ab/cdef….tree` the list of a folder's entries. Bytes enter as a reflink, which costs no space
//! until the file changes; as a copy only where the user named the folder. Never as a hard link: writing to the path
//! would change the object.

use crate::base::Digest;
use crate::sys::content::{Leaf, Tree, digest_file, is_executable};
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use crate::sys::{At, Fault, FaultKind};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A folder of objects.
#[derive(Debug)]
pub struct Artifacts {
    folder: PathBuf,
    copies: bool,
    /// Whether a reflink was refused: then nothing more is tried.
    refused: AtomicBool,
}

impl Artifacts {
    /// The folder by default: objects enter by reflink alone. Nothing is made until there is an object.
    pub fn by_reflink(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), copies: false, refused: AtomicBool::new(false) }
    }

    /// A folder that the user named: objects are copied where they cannot be reflinked.
    pub fn named(folder: impl Into<PathBuf>) -> Self {
        Self { copies: true, ..Self::by_reflink(folder) }
    }

    /// Whether something is kept under this digest.
    pub fn has(&self, digest: &Digest) -> bool {
        self.object(digest).exists() || self.tree(digest).exists()
    }

    /// Keeps the bytes of an output that was digested just now. `Ok(false)`: not kept, since the file system has no
    /// reflink or the path no longer holds what was digested.
    pub fn put(&self, path: &Path, digest: &Digest, dir: bool) -> Result<bool> {
        if self.refused.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if self.has(digest) {
            return Ok(true);
        }
        if !dir {
            return self.put_file(path, digest);
        }
        let tree = Tree::scan(path, &mut digest_file)?;
        let text = tree.encode();
        if Tree::digest_of(&text) != *digest {
            return Ok(false);
        }
        for (below, leaf) in &tree.entries {
            if let Leaf::File { digest, .. } = leaf
                && !self.object(digest).exists()
                && !self.put_file(&path.join(below), digest)?
            {
                return Ok(false);
            }
        }
        let object = self.tree(digest);
        durable::make_folders(object.parent().unwrap_or(&self.folder))?;
        durable::write(&object, &text, Sync::Now)?;
        Ok(true)
    }

    /// Puts what is kept under this digest at a path, in place of what stands there. `Ok(false)`: there is nothing, or
    /// it was damaged and is now set aside in `damaged/`.
    pub fn restore(&self, digest: &Digest, path: &Path) -> Result<bool> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            durable::make_folders(folder)?;
        }
        let temporary = durable::temporary_beside(path)?;
        let placed = self.restore_beside(digest, &temporary).and_then(|whole| {
            if whole {
                replace(&temporary, path)?;
            }
            Ok(whole)
        });
        if !matches!(placed, Ok(true)) {
            remove(&temporary);
        }
        placed
    }

    /// Makes the output at a new name; it may be incomplete there when the answer is not `Ok(true)`.
    fn restore_beside(&self, digest: &Digest, new: &Path) -> Result<bool> {
        let object = self.object(digest);
        if object.exists() {
            let exec = is_executable(&object.metadata().at("look at", &object)?);
            return self.restore_file(digest, new, exec);
        }
        let list = self.tree(digest);
        let text = match std::fs::read(&list) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Fault::io("read", &list, &error)),
        };
        let tree = if Tree::digest_of(&text) == *digest { Tree::decode(&text) } else { None };
        let Some(tree) = tree else {
            self.set_aside(&list)?;
            return Ok(false);
        };
        std::fs::create_dir(new).at("make the folder", new)?;
        for (below, leaf) in &tree.entries {
            let to = new.join(below);
            match leaf {
                Leaf::Dir => std::fs::create_dir(&to).at("make the folder", &to)?,
                Leaf::File { digest, exec, .. } => {
                    if !self.restore_file(digest, &to, *exec)? {
                        return Ok(false);
                    }
                }
                Leaf::Link { target } => symlink(target, &to).at("make the link", &to)?,
            }
        }
        Ok(true)
    }

    fn restore_file(&self, digest: &Digest, new: &Path, exec: bool) -> Result<bool> {
        let object = self.object(digest);
        let source = match File::open(&object) {
            Ok(source) => source,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Fault::io("read", &object, &error)),
        };
        let target = create(new, if exec { 0o777 } else { 0o666 })?;
        if clone(&source, &target).is_err() {
            copy(&source, &target, new)?;
        }
        drop(target);
        if digest_file(new)?.0 == *digest {
            return Ok(true);
        }
        self.set_aside(&object)?;
        Ok(false)
    }

    fn put_file(&self, path: &Path, digest: &Digest) -> Result<bool> {
        let object = self.object(digest);
        let folder = object.parent().unwrap_or(&self.folder);
        let source = File::open(path).at("read", path)?;
        let exec = is_executable(&source.metadata().at("look at", path)?);
        let made = !self.folder.exists();
        durable::make_folders(folder)?;
        let temporary = durable::temporary_beside(&object)?;
        let kept = self.fill(&source, &temporary, &object, exec);
        if !matches!(kept, Ok(true)) {
            remove(&temporary);
            if made {
                // An empty folder would look as if something were kept.
                let _ = std::fs::remove_dir(folder);
                let _ = std::fs::remove_dir(&self.folder);
            }
        }
        kept
    }

    fn fill(&self, source: &File, temporary: &Path, object: &Path, exec: bool) -> Result<bool> {
        let target = create(temporary, 0o600)?;
        match clone(source, &target) {
            Ok(()) => {}
            Err(Errno::NOSPC | Errno::DQUOT | Errno::IO) => {
                return Err(Fault::new(FaultKind::Full, format!("no space left in `{}`", self.folder.display()))
                    .help("free some space there, then give the same command again"));
            }
            Err(_) if self.copies => copy(source, &target, object)?,
            Err(_) => {
                self.refused.store(true, Ordering::Relaxed);
                return Ok(false);
            }
        }
        let mode = if exec { 0o555 } else { 0o444 };
        target.set_permissions(std::fs::Permissions::from_mode(mode)).at("write", object)?;
        target.sync_all().at("write", object)?;
        durable::rename(temporary, object)?;
        Ok(true)
    }

    fn set_aside(&self, object: &Path) -> Result<()> {
        let folder = self.folder.join("damaged");
        durable::make_folders(&folder)?;
        let mut name = OsString::from(object.parent().and_then(Path::file_name).unwrap_or_default());
        name.push(object.file_name().unwrap_or_default());
        durable::rename(object, &folder.join(name))
    }

    fn object(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(&name[..2]).join(&name[2..])
    }

    fn tree(&self, digest: &Digest) -> PathBuf {
        self.object(digest).with_extension("tree")
    }
}

fn create(path: &Path, mode: u32) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path).at("write", path)
}

fn clone(source: &File, target: &File) -> rustix::io::Result<()> {
    rustix::fs::ioctl_ficlone(target, source)
}

fn copy(mut source: &File, mut target: &File, shown: &Path) -> Result<()> {
    std::io::copy(&mut source, &mut target).at("write", shown)?;
    Ok(())
}

/// Renames over whatever stands there, a folder too.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    if to.symlink_metadata().is_err() || (!is_folder(from) && !is_folder(to)) {
        return durable::rename(from, to);
    }
    let old = durable::temporary_beside(to)?;
    durable::rename(to, &old)?;
    let renamed = durable::rename(from, to);
    match renamed {
        Ok(()) => remove(&old),
        Err(_) => durable::rename(&old, to)?,
    }
    renamed
}

/// Best effort: what is left has a name that nobody takes for an output.
fn remove(path: &Path) {
    let _ = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
}
