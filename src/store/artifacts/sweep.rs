//! Looking after the artifact folder: what is there, whether it is whole, and what may go.
//!
//! The rule of removal: only what was neither put nor refreshed for a while (the grace) and is not referenced. A writer
//! refreshes an object by its name; a sweep first takes the name away and then looks at the time once more. So either
//! the sweep sees the new time and gives the name back, or the writer finds no name and writes the object anew. References
//! are asked for after the time was noted: what is recorded later was put later, and is young. The time is always the
//! file system's own, so that clocks of hosts that differ do no harm. What users of other stores need is on their lists,
//! see `users`.

use super::users::{Listed, Other};
use super::{Artifacts, DAMAGED, GONE, TREE, is_temporary};
use crate::base::Digest;
use crate::sys::content::{Leaf, Tree};
use crate::sys::durable;
use crate::sys::fault::Result;
use crate::sys::files::Files;
use crate::sys::{At, Fault, FaultKind};
use rustc_hash::FxHashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Whether an object can be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is there, and its bytes have its digest.
    Whole,
    /// Its bytes are not those of its digest.
    Damaged,
    /// It is not there; of a folder, also when a file of it is not.
    Missing,
}

/// One object of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name: of a file's bytes, or of a folder's list of entries.
    pub digest: Digest,
    /// Whether it is the list of a folder; the files of the folder are objects of their own.
    pub dir: bool,
    /// Bytes.
    pub size: u64,
    /// When it was put last, by the clock of the folder's file system: milliseconds since the epoch.
    pub put: u64,
}

/// What a sweep may remove.
pub struct Sweep<'a> {
    /// What was put so lately stays: on a network, lists are seen a little later than they are written.
    pub grace: Duration,
    /// Lists of other users that were not used for so long count no more, and go.
    pub idle: Option<Duration>,
    /// Whether a run of this user has ended, so that its store names what the run kept.
    pub ended: &'a dyn Fn(u64) -> bool,
    /// Nothing is removed.
    pub dry: bool,
}

/// What a sweep removed, or would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The objects.
    pub objects: Vec<Object>,
    /// Files of writers and sweeps that died, and old damaged objects.
    pub leftovers: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// Objects that stay for their youth alone.
    pub young: u64,
    /// Objects that stay for others alone, and their bytes.
    pub foreign: (u64, u64),
    /// For whom.
    pub others: Vec<Other>,
    /// Whose lists were idle, and count no more.
    pub idle: Vec<Other>,
}

impl<F: Files> Artifacts<F> {
    /// All objects, by digest. A folder that is not there is an empty one.
    pub fn list(&self) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        self.walk(&mut |path, name| {
            objects.extend(self.object_at(path, name)?);
            Ok(())
        })?;
        objects.sort_unstable_by_key(|object| object.digest.0);
        Ok(objects)
    }

    /// Bytes of all objects.
    pub fn size(&self) -> Result<u64> {
        Ok(self.list()?.iter().map(|object| object.size).sum())
    }

    /// The time by the clock of the folder's file system, milliseconds since the epoch.
    pub fn now(&self) -> Result<u64> {
        let probe = durable::temporary_beside(&self.folder.join("now"))?;
        let seen = self.files.create(&probe, false).and_then(|_| self.files.about(&probe));
        let _ = self.files.remove(&probe);
        Ok(seen.at("write", &self.folder)?.changed)
    }

    /// Whether what is kept under this digest, of a folder every file too, could be handed out now. Changes nothing.
    pub fn check(&self, digest: &Digest) -> Result<Condition> {
        let file = self.check_file(digest)?;
        if file != Condition::Missing {
            return Ok(file);
        }
        let tree = match self.read_tree(digest)? {
            Ok(tree) => tree,
            Err(why) => return Ok(why),
        };
        for (_, leaf) in &tree.entries {
            if let Leaf::File { digest, .. } = leaf {
                let file = self.check_file(digest)?;
                if file != Condition::Whole {
                    return Ok(file);
                }
            }
        }
        Ok(Condition::Whole)
    }

    /// Reads one object; if it is damaged it is set aside. Of a folder's list the files must be there too; whether they
    /// are whole is for their own verification to say.
    pub fn verify(&self, object: &Object) -> Result<Condition> {
        let digest = &object.digest;
        let found = match object.dir {
            false => self.check_file(digest)?,
            true => match self.read_tree(digest)? {
                Err(why) => why,
                Ok(tree) if self.has_files_of(&tree)? => Condition::Whole,
                Ok(_) => Condition::Missing,
            },
        };
        if found == Condition::Damaged {
            self.set_aside(digest, &self.place(object))?;
        }
        Ok(found)
    }

    fn has_files_of(&self, tree: &Tree) -> Result<bool> {
        for (_, leaf) in &tree.entries {
            if let Leaf::File { digest, .. } = leaf
                && self.open(&self.object(digest))?.is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn check_file(&self, digest: &Digest) -> Result<Condition> {
        let object = self.object(digest);
        let Some(mut file) = self.open(&object)? else { return Ok(Condition::Missing) };
        let found = self.digest((&mut file, &object))?;
        Ok(if found == *digest { Condition::Whole } else { Condition::Damaged })
    }

    /// Removes one object, unless it was put after `before` (by the clock of [`Self::now`]); `Ok(false)`: it stays, or
    /// is not there. Whoever calls this has made sure that nothing refers to it, see [`Self::sweep`].
    pub fn remove(&self, object: &Object, before: u64) -> Result<bool> {
        let place = self.place(object);
        match self.files.about(&place) {
            Ok(about) if about.changed > before => return Ok(false),
            Err(error) if FaultKind::of(&error) == FaultKind::Missing => return Ok(false),
            about => drop(about.at("look at", &place)?),
        }
        let mut gone = place.clone().into_os_string();
        gone.push(GONE);
        gone.push(durable::token());
        let gone = PathBuf::from(gone);
        match self.files.rename(&place, &gone) {
            Err(error) if FaultKind::of(&error) == FaultKind::Missing => return Ok(false),
            renamed => renamed.at("remove", &place)?,
        }
        self.finish(&gone, &place, before)
    }

    /// The second half of a removal: the name is taken away, and the time is looked at once more.
    fn finish(&self, gone: &Path, place: &Path, before: u64) -> Result<bool> {
        let done = match self.files.about(gone) {
            Ok(about) if about.changed > before => self.give_back(gone, place).map(|()| false),
            Ok(_) => self.files.remove(gone).map(|()| true),
            Err(error) => Err(error),
        };
        match done {
            // Another sweep took it for the leftover of a dead one, and decided as we would.
            Err(error) if FaultKind::of(&error) == FaultKind::Missing => Ok(false),
            done => done.at("remove", place),
        }
    }

    fn give_back(&self, gone: &Path, place: &Path) -> std::io::Result<()> {
        // It may take the place of one that was put since then, and must not make that one look old. The owner of a
        // foreign object will see to it.
        let _ = self.files.touch(gone);
        self.files.rename(gone, place)?;
        self.files.flush_names(place.parent().unwrap_or(&self.folder))
    }

    /// Removes what was not put for the time of the grace, is not referenced, and is on no other user's list.
    /// `referenced` is called once, and gives the digests of all results that this user's store keeps; the files of a
    /// folder are found from its digest.
    pub fn sweep(&self, ask: &Sweep<'_>, referenced: &mut dyn FnMut() -> Result<FxHashSet<Digest>>) -> Result<Swept> {
        let mut swept = Swept::default();
        if matches!(self.files.about(&self.folder), Err(error) if FaultKind::of(&error) == FaultKind::Missing) {
            return Ok(swept);
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // The order is the point: time, references, objects.
        let now = self.now()?;
        let before = now.saturating_sub(millis(ask.grace).max(1));
        let old = self.superseded(ask.ended)?;
        let mut live = referenced()?;
        if !ask.dry {
            self.relist(&live, &old)?;
        }
        let mut foreign = Vec::new();
        for mut listed in self.listed(&old)? {
            let own = self.is_own(&listed.folder);
            if !own && ask.idle.is_some_and(|idle| listed.other.used < now.saturating_sub(millis(idle))) {
                if !ask.dry {
                    self.files.remove_all(&listed.folder).at("remove", &listed.folder)?;
                }
                swept.idle.push(listed.other);
            } else if own {
                live.extend(listed.digests);
            } else {
                let top: Vec<Digest> = listed.digests.iter().copied().collect();
                self.add_files_of(&top, &mut listed.digests)?;
                foreign.push(listed);
            }
        }
        let objects = self.list()?;
        let young = objects.iter().filter(|object| object.dir && object.put > before).map(|object| object.digest);
        let folders: Vec<Digest> = live.iter().copied().chain(young).collect();
        self.add_files_of(&folders, &mut live)?;
        let mut all = live.clone();
        foreign.iter().for_each(|listed| all.extend(&listed.digests));
        self.leftovers(before, &all, ask.dry, &mut swept)?;
        for object in objects {
            if live.contains(&object.digest) {
                continue;
            }
            if all.contains(&object.digest) {
                swept.foreign = (swept.foreign.0 + 1, swept.foreign.1 + object.size);
                let needs = foreign.iter().filter(|listed| listed.digests.contains(&object.digest));
                for Listed { other, .. } in needs {
                    if !swept.others.contains(other) {
                        swept.others.push(other.clone());
                    }
                }
            } else if object.put > before {
                swept.young += 1;
            } else if ask.dry || self.remove(&object, before)? {
                swept.bytes += object.size;
                swept.objects.push(object);
            }
        }
        Ok(swept)
    }

    /// Adds the files of those among these digests that are kept folders.
    pub fn add_files_of(&self, digests: &[Digest], to: &mut FxHashSet<Digest>) -> Result<()> {
        for digest in digests {
            let Ok(tree) = self.read_tree(digest)? else { continue };
            to.extend(tree.entries.iter().filter_map(|(_, leaf)| match leaf {
                Leaf::File { digest, .. } => Some(*digest),
                Leaf::Dir | Leaf::Link { .. } => None,
            }));
        }
        Ok(())
    }

    /// What those left behind who died at work.
    fn leftovers(&self, before: u64, live: &FxHashSet<Digest>, dry: bool, swept: &mut Swept) -> Result<()> {
        let mut found = Vec::new();
        self.walk(&mut |path, name| {
            if is_temporary(name) || path.parent().is_some_and(|folder| folder.ends_with(DAMAGED)) {
                found.push((path.to_owned(), None));
            } else if let Some((object, _)) = name.to_str().and_then(|name| name.split_once(GONE)) {
                found.push((path.to_owned(), Some(path.with_file_name(object))));
            }
            Ok(())
        })?;
        for (path, object) in found {
            let about = match self.files.about(&path) {
                Err(error) if FaultKind::of(&error) == FaultKind::Missing => continue,
                about => about.at("look at", &path)?,
            };
            let referenced = object.as_ref().is_some_and(|object| {
                let name = object.file_name().unwrap_or_default().to_owned();
                self.object_at_name(object, &name).is_some_and(|(digest, _)| live.contains(&digest))
            });
            match object {
                Some(object) if referenced && !dry => {
                    if self.files.about(&object).is_err() {
                        drop(self.give_back(&path, &object));
                    } else {
                        drop(self.files.remove(&path));
                    }
                }
                Some(_) if referenced => {}
                Some(object) if !dry && !self.finish(&path, &object, before)? => {}
                None if about.changed > before => {}
                None if !dry && self.files.remove_all(&path).is_err() => {}
                _ => {
                    swept.leftovers += 1;
                    swept.bytes += about.size;
                }
            }
        }
        Ok(())
    }

    /// Every name in the folders of the folder, and temporary ones in itself.
    fn walk(&self, each: &mut dyn FnMut(&Path, &OsString) -> Result<()>) -> Result<()> {
        for top in self.names(&self.folder)? {
            let folder = self.folder.join(&top);
            if is_temporary(&top) {
                each(&folder, &top)?;
            } else if top.len() == 2 || top == DAMAGED {
                for name in self.names(&folder)? {
                    each(&folder.join(&name), &name)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn names(&self, folder: &Path) -> Result<Vec<OsString>> {
        match self.files.names(folder) {
            Err(error) if FaultKind::of(&error) == FaultKind::Missing => Ok(Vec::new()),
            names => names.at("list", folder),
        }
    }

    fn object_at(&self, path: &Path, name: &OsString) -> Result<Option<Object>> {
        let Some((digest, dir)) = self.object_at_name(path, name) else { return Ok(None) };
        match self.files.about(path) {
            Ok(about) => Ok(Some(Object { digest, dir, size: about.size, put: about.changed })),
            Err(error) if FaultKind::of(&error) == FaultKind::Missing => Ok(None),
            Err(error) => Err(Fault::io("look at", path, &error)),
        }
    }

    fn object_at_name(&self, path: &Path, name: &OsString) -> Option<(Digest, bool)> {
        let folder = path.parent()?.file_name()?.to_str()?;
        let name = name.to_str()?;
        let (rest, dir) = match name.split_once('.') {
            Some((rest, TREE)) => (rest, true),
            Some(_) => return None,
            None => (name, false),
        };
        Some((format!("{folder}{rest}").parse().ok()?, dir))
    }

    fn place(&self, object: &Object) -> PathBuf {
        if object.dir { self.tree(&object.digest) } else { self.object(&object.digest) }
    }
}
