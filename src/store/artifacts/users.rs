//! Who uses an artifact folder, and what for: so that a sweep of one project leaves what another one still names, without
//! opening the other's store.
//!
//! ```text
//! users/ID/run-7-TOKEN    what run 7 has kept: a line that says who, then a digest a line
//! users/ID/all-TOKEN      what the project's store named when it was swept last
//! ```
//!
//! A user is a project with a store. Each process writes lists of its own, so that nobody appends to another's file.
//! A digest is on a list, and the list on the disk, *before* its object appears or gets a new time. A sweep notes the
//! time, reads the lists, and then looks at the times of objects: an object whose line came too late for it is younger
//! than the time that it noted, and stays.
//!
//! Lists get shorter in a sweep of their own user only: it looks which runs have ended (the store names what they
//! kept), asks the store, writes a new list, and removes the old ones last. Whoever dies when, a digest is listed for
//! too long rather than not at all. A project that was deleted stays on the lists until somebody says that users who
//! have been away for so long count no more.

use super::Artifacts;
use crate::base::Digest;
use crate::sys::fault::Result;
use crate::sys::files::Files;
use crate::sys::{At, FaultKind, durable};
use rustc_hash::FxHashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The folder of the lists.
const USERS: &str = "users";
/// What the names of lists begin with that stand for a whole store.
const ALL: &str = "all-";
/// How often lists are read again that change while they are read.
const TRIES: u32 = 100;

/// Who keeps objects in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    id: String,
    name: String,
}

impl User {
    /// The user whom `mark` tells from all others, with a name for people: one line.
    pub fn new(mark: &str, name: &str) -> Self {
        let id = Digest::of(mark.as_bytes()).to_string()[..32].to_owned();
        Self { id, name: name.replace('\n', " ") }
    }
}

/// The list that this process writes.
pub(super) struct Listing<T> {
    user: User,
    run: u64,
    /// What threads want on the list: one of them writes and flushes for all that wait.
    wanted: Mutex<Vec<Vec<Digest>>>,
    /// Outputs that are on the list, with their parts.
    noted: Mutex<FxHashSet<Digest>>,
    open: Mutex<Option<(T, PathBuf)>>,
    /// Whether it was said that the folder is in use.
    told: AtomicBool,
}

impl<T> std::fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.user)
    }
}

/// What another user has in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its name.
    pub name: String,
    /// When it used the folder last, milliseconds since the epoch by the clock of its file system.
    pub used: u64,
}

/// All lists of one user.
pub(super) struct Listed {
    pub other: Other,
    pub folder: PathBuf,
    pub digests: FxHashSet<Digest>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: Files> Artifacts<F> {
    /// For a run of a user, which is on record for what it puts.
    pub fn used_by(mut self, user: User, run: u64) -> Self {
        let (wanted, noted, open) = (Mutex::default(), Mutex::default(), Mutex::new(None));
        self.listing = Some(Listing { user, run, wanted, noted, open, told: AtomicBool::new(false) });
        self
    }

    /// For results that the store has from elsewhere: their bytes may be here, and are needed from now on.
    pub fn need(&self, digests: &[Digest]) -> Result<()> {
        if self.files.about(&self.folder).is_err() { Ok(()) } else { self.note(digests) }
    }

    /// Puts an output on the list, and the list on the disk: its own digest, then those of its parts.
    pub(super) fn note(&self, output: &[Digest]) -> Result<()> {
        let (Some(listing), Some(first)) = (&self.listing, output.first()) else { return Ok(()) };
        // What was noted with its parts needs no second look at each of them.
        let is_noted = || lock(&listing.noted).contains(first);
        if is_noted() {
            return Ok(());
        }
        lock(&listing.wanted).push(output.to_vec());
        let mut open = lock(&listing.open);
        if is_noted() {
            return Ok(());
        }
        let mut wanted = std::mem::take(&mut *lock(&listing.wanted));
        // Another thread may have taken ours along, and failed.
        wanted.push(output.to_vec());
        let fresh: FxHashSet<Digest> = wanted.iter().flatten().copied().collect();
        if open.is_none() {
            *open = Some(self.new_list(&listing.user, &format!("run-{}-", listing.run))?);
        }
        let Some((list, path)) = &mut *open else { return Ok(()) };
        if let Err(fault) = self.add(list, path, &fresh.iter().copied().collect::<Vec<_>>()) {
            // Its last line may be torn.
            *open = None;
            return Err(fault);
        }
        lock(&listing.noted).extend(wanted.iter().filter_map(|output| output.first()));
        Ok(())
    }

    fn new_list(&self, user: &User, kind: &str) -> Result<(F::File, PathBuf)> {
        let users = self.folder.join(USERS);
        let own = users.join(&user.id);
        self.files.make_folders(&self.folder).at("make the folder", &self.folder)?;
        self.files.make_shared_folder(&self.folder, &users).at("make the folder", &users)?;
        self.files.make_shared_folder(&self.folder, &own).at("make the folder", &own)?;
        let path = own.join(format!("{kind}{}", durable::token()));
        let mut list = self.files.create(&path, false).at("write", &path)?;
        self.files.write(&mut list, format!("# {}\n", user.name).as_bytes()).at("write", &path)?;
        for folder in [&own, &users, &self.folder] {
            self.files.flush_names(folder).at("flush the folder", folder)?;
        }
        Ok((list, path))
    }

    fn add(&self, list: &mut F::File, path: &Path, digests: &[Digest]) -> Result<()> {
        let lines: String = digests.iter().map(|digest| format!("{digest}\n")).collect();
        self.files.write(list, lines.as_bytes()).at("write", path)?;
        self.files.seal(list, &self.folder).at("write", path)
    }

    /// Says that what is on the lists is still of use. Once for a process is enough.
    pub(super) fn tell_use(&self) {
        let Some(listing) = &self.listing else { return };
        if listing.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let own = self.folder.join(USERS).join(&listing.user.id);
        for name in self.files.names(&own).unwrap_or_default() {
            // Best effort: it only makes a user look less idle.
            let _ = self.files.touch(&own.join(name));
        }
    }

    /// The lists of this user that a new one can stand for: earlier ones of that kind, and those of runs that have
    /// ended.
    pub(super) fn superseded(&self, ended: &dyn Fn(u64) -> bool) -> Result<Vec<PathBuf>> {
        let Some(listing) = &self.listing else { return Ok(Vec::new()) };
        let own = self.folder.join(USERS).join(&listing.user.id);
        let goes = |name: &str| match name.strip_prefix("run-") {
            Some(rest) => rest.split('-').next().and_then(|run| run.parse().ok()).is_some_and(ended),
            None => name.starts_with(ALL),
        };
        let names = self.names(&own)?;
        Ok(names.iter().filter(|name| name.to_str().is_some_and(goes)).map(|name| own.join(name)).collect())
    }

    /// Puts one list of these digests in the place of old ones.
    pub(super) fn relist(&self, digests: &FxHashSet<Digest>, old: &[PathBuf]) -> Result<()> {
        let Some(listing) = &self.listing else { return Ok(()) };
        if !digests.is_empty() {
            let (mut list, path) = self.new_list(&listing.user, ALL)?;
            let mut sorted: Vec<Digest> = digests.iter().copied().collect();
            sorted.sort_unstable();
            self.add(&mut list, &path, &sorted)?;
        }
        for path in old {
            match self.files.remove(path) {
                Err(error) if FaultKind::of(&error) == FaultKind::Missing => {}
                removed => removed.at("remove", path)?,
            }
        }
        Ok(())
    }

    /// What every user has listed, but for the lists of `old`.
    pub(super) fn listed(&self, old: &[PathBuf]) -> Result<Vec<Listed>> {
        let users = self.folder.join(USERS);
        let mut all = Vec::new();
        for name in self.names(&users)? {
            let folder = users.join(&name);
            let mut tries = 0;
            let listed = loop {
                match self.listed_in(&folder, old)? {
                    Some(listed) => break listed,
                    // Its user is sweeping too: what was on a list that is gone is on one that was not there yet.
                    None if tries < TRIES => tries += 1,
                    None => {
                        return Err(crate::sys::Fault::new(
                            FaultKind::Busy,
                            format!("the lists in `{}` change all the time", folder.display()),
                        ));
                    }
                }
            };
            all.extend(listed);
        }
        Ok(all)
    }

    /// What one user has listed; `None`: a list went while it was to be read.
    fn listed_in(&self, folder: &Path, old: &[PathBuf]) -> Result<Option<Option<Listed>>> {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut listed =
            Listed { other: Other { name: id, used: 0 }, folder: folder.to_owned(), digests: FxHashSet::default() };
        let mut any = false;
        let names = self.names(folder)?;
        for name in &names {
            let path = folder.join(name);
            if old.contains(&path) {
                continue;
            }
            let (about, mut list) = match self.files.about(&path).and_then(|about| Ok((about, self.files.open(&path)?)))
            {
                Err(error) if FaultKind::of(&error) == FaultKind::Missing => return Ok(None),
                opened => opened.at("read", &path)?,
            };
            let mut text = Vec::new();
            self.each_block((&mut list, &path), |block| {
                text.extend_from_slice(block);
                Ok(())
            })?;
            any = true;
            // A last line without its end was being written: its object is not there yet.
            for line in String::from_utf8_lossy(&text).split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
            {
                match line.strip_prefix("# ") {
                    Some(name) if about.changed >= listed.other.used => name.clone_into(&mut listed.other.name),
                    Some(_) => {}
                    None => listed.digests.extend(line.parse::<Digest>().ok()),
                }
            }
            listed.other.used = listed.other.used.max(about.changed);
        }
        // A folder that changes while it is listed may have shown neither the old list nor the new one.
        let is_new = |name: &OsString| name.as_encoded_bytes().starts_with(ALL.as_bytes()) && !names.contains(name);
        if self.names(folder)?.iter().any(is_new) {
            return Ok(None);
        }
        Ok(Some(any.then_some(listed)))
    }

    /// Whether a folder of lists is that of this user.
    pub(super) fn is_own(&self, folder: &Path) -> bool {
        self.listing.as_ref().is_some_and(|listing| folder.ends_with(&listing.user.id))
    }
}
