//! The artifact store: a folder that keeps the bytes of outputs under their digest, so that an output that was deleted
//! or overwritten comes back without running its task. Several projects, users and hosts may share it.
//!
//! ```text
//! ab/cdef…          a file            ab/cdef….tree       the list of a folder's entries
//! damaged/abcdef…   set aside         ab/cdef….gone-…     on its way out, see `sweep`
//! users/…           who needs what, see `users`
//! ```
//!
//! An object is written under a name of its own, flushed, and renamed: it is whole or not there. What is there already
//! gets a new time instead, so that a sweep at the same moment leaves it. Nothing is handed out before its bytes were
//! read and digested. Bytes enter as a reflink, which costs no space until the file changes; as a copy only where the
//! user named the folder. Never as a hard link: writing to the path would change the object.

mod sweep;
mod users;

pub use sweep::{Condition, Object, Sweep, Swept};
pub use users::{Other, User};

use crate::base::Digest;
use crate::sys::content::{Leaf, Tree};
use crate::sys::durable::{self, TEMPORARY};
use crate::sys::fault::Result;
use crate::sys::files::{Disk, Files};
use crate::sys::{At, Fault, FaultKind};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes read at once.
const BLOCK: usize = 256 * 1024;

/// A folder of objects.
#[derive(Debug)]
pub struct Artifacts<F: Files = Disk> {
    files: F,
    folder: PathBuf,
    copies: bool,
    /// Whether the file system said that it has no reflinks: then nothing more is tried.
    refused: AtomicBool,
    /// Where this process lists what it puts.
    listing: Option<users::Listing<F::File>>,
}

impl Artifacts {
    /// The folder by default: objects enter by reflink alone. Nothing is made until there is an object.
    pub fn by_reflink(folder: impl Into<PathBuf>) -> Self {
        Self::over(Disk, folder, false)
    }

    /// A folder that the user named: objects are copied where they cannot be reflinked.
    pub fn named(folder: impl Into<PathBuf>) -> Self {
        Self::over(Disk, folder, true)
    }
}

impl<F: Files> Artifacts<F> {
    /// A folder in some file system.
    pub fn over(files: F, folder: impl Into<PathBuf>, copies: bool) -> Self {
        Self { files, folder: folder.into(), copies, refused: AtomicBool::new(false), listing: None }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the bytes of an output that was digested just now. `Ok(false)`: not kept, since the file system has no
    /// reflink or the path no longer holds what was digested.
    pub fn put(&self, path: &Path, digest: &Digest, dir: bool) -> Result<bool> {
        if self.refused.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let put = if dir { self.put_folder(path, digest) } else { self.put_file(path, digest, &[*digest]) };
        put.map_err(|fault| match fault.kind {
            // One sentence for all objects, so that a run says it once.
            FaultKind::Full => self.unkept("there is no space left").help("free some space there"),
            FaultKind::Denied => self.unkept("you may not write there").help(
                "see to it that the folder and those in it can be written by all who share it (`chmod -R g+rws`)",
            ),
            FaultKind::ReadOnly => self.unkept("the file system is mounted read-only"),
            _ => fault,
        })
    }

    fn unkept(&self, reason: &str) -> Fault {
        Fault::new(FaultKind::Other, format!("outputs are not kept in `{}`: {reason}", self.folder.display()))
    }

    fn put_folder(&self, path: &Path, digest: &Digest) -> Result<bool> {
        let text = self.files.tree(path)?;
        let (tree, text) = (&text, text.encode());
        if Tree::digest_of(&text) != *digest {
            return Ok(false);
        }
        let files = tree.entries.iter().filter_map(|(_, leaf)| match leaf {
            Leaf::File { digest, .. } => Some(*digest),
            Leaf::Dir | Leaf::Link { .. } => None,
        });
        let parts: Vec<Digest> = std::iter::once(*digest).chain(files).collect();
        // The files first: where the list is, they are.
        for (below, leaf) in &tree.entries {
            if let Leaf::File { digest, .. } = leaf
                && !self.put_file(&path.join(below), digest, &parts)?
            {
                return Ok(false);
            }
        }
        let object = self.tree(digest);
        if self.refresh(&object, text.len() as u64, &parts)? {
            return Ok(true);
        }
        self.enter(&object, &parts, |target| {
            self.files.write(target, &text).at("write", &object)?;
            Ok(true)
        })
    }

    /// Keeps a file, as one of the `parts` of an output.
    fn put_file(&self, path: &Path, digest: &Digest, parts: &[Digest]) -> Result<bool> {
        let object = self.object(digest);
        let size = self.files.about(path).at("look at", path)?.size;
        if self.refresh(&object, size, parts)? {
            return Ok(true);
        }
        let mut source = self.files.open(path).at("read", path)?;
        self.enter(&object, parts, |target| match self.files.share(&source, target) {
            Ok(()) => Ok(true),
            Err(error) if is_full(&error) => Err(Fault::io("write", &object, &error)),
            Err(_) if self.copies => Ok(self.copy((&mut source, path), (target, &object))? == *digest),
            Err(error) => {
                // From another file system it cannot be, from its own it may.
                self.refused.fetch_or(error.kind() != io::ErrorKind::CrossesDevices, Ordering::Relaxed);
                Ok(false)
            }
        })
    }

    /// Sets the time of an object to now; `Ok(false)`: it must be written, for it is not there or not whole, or belongs
    /// to a user who did not allow it.
    fn refresh(&self, object: &Path, size: u64, parts: &[Digest]) -> Result<bool> {
        let fresh = match self.files.about(object) {
            Ok(about) if about.size == size => {
                self.note(parts)?;
                self.files.touch(object)
            }
            Ok(_) => return Ok(false),
            Err(error) => Err(error),
        };
        match fresh.map_err(|error| (FaultKind::of(&error), error)) {
            Ok(()) => {
                // Its writer may not have come to that yet, and we promise it from now on.
                let folder = object.parent().unwrap_or(&self.folder);
                self.files.flush_names(folder).at("flush the folder", folder)?;
                Ok(true)
            }
            Err((FaultKind::Missing | FaultKind::Denied, _)) => Ok(false),
            // It is there and cannot go away either.
            Err((FaultKind::ReadOnly, _)) => Ok(true),
            Err((_, error)) => Err(Fault::io("write", object, &error)),
        }
    }

    /// Writes an object as a whole; `fill` says whether it is what it should be.
    fn enter(&self, object: &Path, parts: &[Digest], fill: impl FnOnce(&mut F::File) -> Result<bool>) -> Result<bool> {
        let folder = object.parent().unwrap_or(&self.folder);
        let made = self.files.about(&self.folder).is_err();
        self.files.make_folders(&self.folder).at("make the folder", &self.folder)?;
        self.files.make_shared_folder(&self.folder, folder).at("make the folder", folder)?;
        let temporary = durable::temporary_beside(object)?;
        let entered = (|| {
            let mut target = self.files.create(&temporary, false).at("write", object)?;
            if !fill(&mut target)? {
                return Ok(false);
            }
            self.files.seal(&target, &self.folder).at("write", object)?;
            if self.listing.is_some() {
                self.note(parts)?;
                // Younger than its line, see `users`.
                self.files.touch(&temporary).at("write", object)?;
            }
            self.files.rename(&temporary, object).at("write", object)?;
            self.files.flush_names(folder).at("flush the folder", folder)?;
            Ok(true)
        })();
        if !matches!(entered, Ok(true)) {
            // Best effort: a name of this kind is nobody's object, and a sweep removes it.
            let _ = self.files.remove(&temporary);
            if made {
                // An empty folder would look as if something were kept.
                let _ = self.files.remove(folder);
                let _ = self.files.remove(&self.folder);
            }
        }
        entered
    }

    /// Puts what is kept under this digest at a path, at once and in place of a file or folder of the same kind. Where
    /// it is not whole nothing is changed at the path; a damaged object is set aside in `damaged/`.
    pub fn restore(&self, digest: &Digest, path: &Path, exec: bool) -> Result<Condition> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            self.files.make_folders(folder).at("make the folder", folder)?;
        }
        let temporary = durable::temporary_beside(path)?;
        let placed = self.restore_beside(digest, &temporary, exec).and_then(|found| {
            if found == Condition::Whole {
                self.replace(&temporary, path)?;
                self.tell_use();
            }
            Ok(found)
        });
        // Best effort: what is left has a name that nobody takes for an output.
        let _ = self.files.remove_all(&temporary);
        placed
    }

    /// Makes the output at a new name; it may be incomplete there when the answer is not `Whole`.
    fn restore_beside(&self, digest: &Digest, new: &Path, exec: bool) -> Result<Condition> {
        match self.restore_file(digest, new, exec)? {
            Condition::Missing => {}
            found => return Ok(found),
        }
        let tree = match self.read_tree(digest)? {
            Ok(tree) => tree,
            Err(why) => {
                if why == Condition::Damaged {
                    self.set_aside(digest, &self.tree(digest))?;
                }
                return Ok(why);
            }
        };
        self.files.make_folder(new).at("make the folder", new)?;
        for (below, leaf) in &tree.entries {
            let to = new.join(below);
            match leaf {
                Leaf::Dir => self.files.make_folder(&to).at("make the folder", &to)?,
                Leaf::Link { target } => self.files.link(target, &to).at("make the link", &to)?,
                Leaf::File { digest, exec, .. } => match self.restore_file(digest, &to, *exec)? {
                    Condition::Whole => {}
                    found => return Ok(found),
                },
            }
        }
        Ok(Condition::Whole)
    }

    fn restore_file(&self, digest: &Digest, new: &Path, exec: bool) -> Result<Condition> {
        let object = self.object(digest);
        let Some(mut source) = self.open(&object)? else { return Ok(Condition::Missing) };
        let mut target = self.files.create(new, exec).at("write", new)?;
        let found = match self.files.share(&source, &target) {
            Ok(()) => {
                let mut back = self.files.open(new).at("read", new)?;
                self.digest((&mut back, new))?
            }
            Err(_) => self.copy((&mut source, &object), (&mut target, new))?,
        };
        if found == *digest {
            return Ok(Condition::Whole);
        }
        self.set_aside(digest, &object)?;
        Ok(Condition::Damaged)
    }

    /// Puts a new name in the place of an old one.
    fn replace(&self, new: &Path, path: &Path) -> Result<()> {
        let (is, was) = (self.files.about(new).at("look at", new)?, self.files.about(path).ok());
        let what = |dir| if dir { "a folder" } else { "a file" };
        match was {
            None => {}
            Some(was) if was.dir != is.dir => {
                let text = format!("`{}` is {}, not {}", path.display(), what(was.dir), what(is.dir));
                return Err(Fault::new(FaultKind::Exists, text).help("move it away"));
            }
            // What stood there is removed by the caller, under the temporary name.
            Some(was) if was.dir && self.files.exchange(new, path).is_ok() => return Ok(()),
            Some(was) if was.dir => {
                let old = durable::temporary_beside(path)?;
                self.files.rename(path, &old).at("move aside", path)?;
                let renamed = self.files.rename(new, path).at("put into place", path);
                match renamed {
                    Ok(()) => drop(self.files.remove_all(&old)),
                    Err(_) => self.files.rename(&old, path).at("put back", path)?,
                }
                return renamed;
            }
            Some(_) => {}
        }
        self.files.rename(new, path).at("put into place", path)
    }

    /// The list of a folder, or why there is none.
    fn read_tree(&self, digest: &Digest) -> Result<std::result::Result<Tree, Condition>> {
        let list = self.tree(digest);
        let Some(mut file) = self.open(&list)? else { return Ok(Err(Condition::Missing)) };
        let mut text = Vec::new();
        self.each_block((&mut file, &list), |block| {
            text.extend_from_slice(block);
            Ok(())
        })?;
        let whole = if Tree::digest_of(&text) == *digest { Tree::decode(&text) } else { None };
        Ok(whole.ok_or(Condition::Damaged))
    }

    /// Opens an object, also one that a sweep has moved away and will perhaps move back.
    fn open(&self, object: &Path) -> Result<Option<F::File>> {
        for _ in 0..2 {
            match self.files.open(object) {
                Err(error) if FaultKind::of(&error) == FaultKind::Missing => {}
                opened => return opened.map(Some).at("read", object),
            }
            for gone in self.going(object)? {
                match self.files.open(&gone) {
                    // Moved back in the meantime, or removed.
                    Err(error) if FaultKind::of(&error) == FaultKind::Missing => {}
                    opened => return opened.map(Some).at("read", &gone),
                }
            }
        }
        Ok(None)
    }

    /// The names under which an object is on its way out.
    fn going(&self, object: &Path) -> Result<Vec<PathBuf>> {
        let folder = object.parent().unwrap_or(&self.folder);
        let mut prefix = object.file_name().unwrap_or_default().to_owned();
        prefix.push(GONE);
        let names = match self.files.names(folder) {
            Err(error) if FaultKind::of(&error) == FaultKind::Missing => return Ok(Vec::new()),
            names => names.at("list", folder)?,
        };
        let begins = |name: &OsString| name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes());
        Ok(names.into_iter().filter(begins).map(|name| folder.join(name)).collect())
    }

    /// Moves a damaged object out of the way. Somebody may have put a whole one in its place since we read it: that one
    /// is put back.
    fn set_aside(&self, digest: &Digest, object: &Path) -> Result<()> {
        let aside = self.folder.join(DAMAGED);
        let place = aside.join(digest.to_string());
        let moved =
            self.files.make_shared_folder(&self.folder, &aside).and_then(|()| self.files.rename(object, &place));
        match moved.map_err(|error| FaultKind::of(&error)) {
            Ok(()) => {}
            // Somebody else was faster, or we may not: it is not handed out in any case.
            Err(_) => return Ok(()),
        }
        if self.is_whole(digest, &place)? {
            return self.files.rename(&place, object).at("put back", object);
        }
        Ok(())
    }

    fn is_whole(&self, digest: &Digest, at: &Path) -> Result<bool> {
        let mut file = match self.files.open(at) {
            Err(error) if FaultKind::of(&error) == FaultKind::Missing => return Ok(false),
            opened => opened.at("read", at)?,
        };
        let (mut bytes, mut list) = (blake3::Hasher::new(), Tree::hasher());
        self.each_block((&mut file, at), |block| {
            bytes.update(block);
            list.update(block);
            Ok(())
        })?;
        Ok([bytes, list].iter().any(|hasher| *hasher.finalize().as_bytes() == digest.0))
    }

    fn digest(&self, (file, at): (&mut F::File, &Path)) -> Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        self.each_block((file, at), |block| {
            hasher.update(block);
            Ok(())
        })?;
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// Copies to the end; the digest is that of the bytes that went through.
    fn copy(&self, from: (&mut F::File, &Path), (to, at): (&mut F::File, &Path)) -> Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        self.each_block(from, |block| {
            hasher.update(block);
            self.files.write(to, block).at("write", at)
        })?;
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    fn each_block(&self, (file, at): (&mut F::File, &Path), mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut block = vec![0; BLOCK];
        loop {
            match self.files.read(file, &mut block).at("read", at)? {
                0 => return Ok(()),
                n => each(&block[..n])?,
            }
        }
    }

    fn object(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(&name[..2]).join(&name[2..])
    }

    fn tree(&self, digest: &Digest) -> PathBuf {
        self.object(digest).with_extension(TREE)
    }
}

/// The ending of a folder's list.
const TREE: &str = "tree";
/// Stands between the name of an object on its way out and a word of its own.
const GONE: &str = ".gone-";
/// The folder of what was found damaged.
const DAMAGED: &str = "damaged";

/// Whether a name is that of a file that was being written.
fn is_temporary(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// Space, or a disk that cannot say so better: a reflink that fails so would fail as a copy.
fn is_full(error: &io::Error) -> bool {
    FaultKind::of(error) == FaultKind::Full || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}
