//! A file system in memory, for the protocol of the artifact store: with a clock that is set, a disk that fills up, and
//! power cuts that take what was not flushed.

use super::gate::{Random, World};
use flowrun::base::Digest;
use flowrun::sys::content::{Leaf, Tree};
use flowrun::sys::fault::{At, Result as Faulty};
use flowrun::sys::files::{About, Files};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Dir,
    File(usize),
    Link(PathBuf),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    changed: u64,
    exec: bool,
    /// So many bytes are on the disk.
    flushed: usize,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Entry>,
    /// The names as the disk has them: what a power cut leaves.
    durable: BTreeMap<PathBuf, Entry>,
    inodes: Vec<Inode>,
    clock: u64,
    reflinks: bool,
    exchanges: bool,
    random: Random,
    /// One write in so many finds the disk full.
    full: u64,
}

/// The file system.
#[derive(Debug)]
pub struct Memory(Mutex<State>);

/// An open file.
pub struct Handle {
    inode: usize,
    at: usize,
}

fn error(kind: io::ErrorKind) -> io::Error {
    io::Error::from(kind)
}

fn missing() -> io::Error {
    error(io::ErrorKind::NotFound)
}

impl Memory {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let (reflinks, exchanges, full) = (random.one_in(3), random.one_in(2), [0, 0, 20][random.below(3)]);
        let mut state = State { reflinks, exchanges, full, clock: 1_000_000, random, ..State::default() };
        state.names.insert(PathBuf::from("/"), Entry::Dir);
        state.durable = state.names.clone();
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap();
        state.clock += state.random.below(2) as u64;
        state
    }
}

impl State {
    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Dir) => Err(error(io::ErrorKind::IsADirectory)),
            _ => Err(missing()),
        }
    }

    fn below(&self, path: &Path) -> Vec<PathBuf> {
        self.names.keys().filter(|name| name.starts_with(path) && *name != path).cloned().collect()
    }

    fn parent_is_there(&self, path: &Path) -> io::Result<()> {
        if self.names.get(path.parent().unwrap()) == Some(&Entry::Dir) { Ok(()) } else { Err(missing()) }
    }

    /// Takes a name and everything below it away.
    fn take(&mut self, path: &Path) -> io::Result<Vec<(PathBuf, Entry)>> {
        let own = self.names.remove(path).ok_or_else(missing)?;
        let mut taken = vec![(PathBuf::new(), own)];
        for name in self.below(path) {
            let entry = self.names.remove(&name).unwrap();
            taken.push((name.strip_prefix(path).unwrap().to_owned(), entry));
        }
        Ok(taken)
    }

    fn give(&mut self, path: &Path, taken: Vec<(PathBuf, Entry)>) {
        for (below, entry) in taken {
            let name = if below.as_os_str().is_empty() { path.to_owned() } else { path.join(below) };
            self.names.insert(name, entry);
        }
    }
}

impl Files for Memory {
    type File = Handle;

    fn about(&self, path: &Path) -> io::Result<About> {
        let state = self.state();
        match state.names.get(path).ok_or_else(missing)? {
            Entry::File(inode) => {
                let inode = &state.inodes[*inode];
                Ok(About { size: inode.bytes.len() as u64, changed: inode.changed, dir: false })
            }
            Entry::Dir => Ok(About { size: 0, changed: 0, dir: true }),
            Entry::Link(_) => Ok(About { size: 0, changed: 0, dir: false }),
        }
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state();
        if !state.names.contains_key(folder) {
            return Err(missing());
        }
        let inside = state.names.keys().filter(|name| name.parent() == Some(folder));
        Ok(inside.map(|name| name.file_name().unwrap().to_owned()).collect())
    }

    fn tree(&self, root: &Path) -> Faulty<Tree> {
        let state = self.state();
        if !state.names.contains_key(root) {
            return Err(missing()).at("list", root);
        }
        let leaf = |name: &PathBuf| match &state.names[name] {
            Entry::Dir => Leaf::Dir,
            Entry::Link(target) => Leaf::Link { target: target.clone() },
            Entry::File(inode) => {
                let Inode { bytes, exec, .. } = &state.inodes[*inode];
                Leaf::File { digest: Digest::of(bytes), size: bytes.len() as u64, exec: *exec }
            }
        };
        let below = state.below(root);
        Ok(Tree {
            entries: below.iter().map(|name| (name.strip_prefix(root).unwrap().to_owned(), leaf(name))).collect(),
        })
    }

    fn open(&self, path: &Path) -> io::Result<Handle> {
        Ok(Handle { inode: self.state().file(path)?, at: 0 })
    }

    fn create(&self, path: &Path, exec: bool) -> io::Result<Handle> {
        let mut state = self.state();
        state.parent_is_there(path)?;
        if state.names.contains_key(path) {
            return Err(error(io::ErrorKind::AlreadyExists));
        }
        let (inode, changed) = (state.inodes.len(), state.clock);
        state.inodes.push(Inode { changed, exec, ..Inode::default() });
        state.names.insert(path.to_owned(), Entry::File(inode));
        Ok(Handle { inode, at: 0 })
    }

    /// A few bytes at a time, so that much can happen between.
    fn read(&self, file: &mut Handle, into: &mut [u8]) -> io::Result<usize> {
        let state = self.state();
        let rest = &state.inodes[file.inode].bytes;
        let rest = &rest[file.at.min(rest.len())..];
        let n = rest.len().min(into.len()).min(4);
        into[..n].copy_from_slice(&rest[..n]);
        file.at += n;
        Ok(n)
    }

    fn write(&self, file: &mut Handle, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let full = state.full > 0 && {
            let full = state.full;
            state.random.one_in(full)
        };
        let room = if full { bytes.len() / 2 } else { bytes.len() };
        let clock = state.clock;
        let inode = &mut state.inodes[file.inode];
        inode.bytes.extend_from_slice(&bytes[..room]);
        inode.changed = clock;
        if full { Err(error(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn share(&self, from: &Handle, to: &Handle) -> io::Result<()> {
        let mut state = self.state();
        if !state.reflinks {
            return Err(error(io::ErrorKind::Unsupported));
        }
        state.inodes[to.inode].bytes = state.inodes[from.inode].bytes.clone();
        Ok(())
    }

    fn seal(&self, file: &Handle, _folder: &Path) -> io::Result<()> {
        let inode = &mut self.state().inodes[file.inode];
        inode.flushed = inode.bytes.len();
        Ok(())
    }

    fn flush_names(&self, folder: &Path) -> io::Result<()> {
        let mut guard = self.state();
        let state = &mut *guard;
        let inside = |name: &Path| name.parent() == Some(folder) || folder.starts_with(name);
        state.durable.retain(|name, _| !inside(name));
        let now = state.names.iter().filter(|(name, _)| inside(name));
        state.durable.extend(now.map(|(name, entry)| (name.clone(), entry.clone())));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.parent_is_there(to)?;
        let is_dir = state.names.get(from).ok_or_else(missing)? == &Entry::Dir;
        match state.names.get(to) {
            Some(Entry::Dir) if !is_dir => return Err(error(io::ErrorKind::IsADirectory)),
            Some(Entry::Dir) if !state.below(to).is_empty() => return Err(error(io::ErrorKind::DirectoryNotEmpty)),
            Some(Entry::File(_) | Entry::Link(_)) if is_dir => return Err(error(io::ErrorKind::NotADirectory)),
            _ => {}
        }
        let taken = state.take(from)?;
        state.give(to, taken);
        Ok(())
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.exchanges {
            return Err(error(io::ErrorKind::InvalidInput));
        }
        if !state.names.contains_key(other) {
            return Err(missing());
        }
        let (first, second) = (state.take(one)?, state.take(other)?);
        state.give(other, first);
        state.give(one, second);
        Ok(())
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.file(path)?;
        state.inodes[inode].changed = state.clock;
        Ok(())
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.parent_is_there(path)?;
        if state.names.contains_key(path) {
            return Err(error(io::ErrorKind::AlreadyExists));
        }
        state.names.insert(path.to_owned(), Entry::Dir);
        Ok(())
    }

    fn make_shared_folder(&self, _root: &Path, path: &Path) -> io::Result<()> {
        self.make_folders(path)
    }

    fn make_folders(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        path.ancestors().for_each(|at| drop(state.names.insert(at.to_owned(), Entry::Dir)));
        Ok(())
    }

    fn link(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.state().names.insert(path.to_owned(), Entry::Link(target.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.below(path).is_empty() {
            return Err(error(io::ErrorKind::DirectoryNotEmpty));
        }
        state.take(path).map(drop)
    }

    fn remove_all(&self, path: &Path) -> io::Result<()> {
        self.state().take(path).map(drop)
    }
}

impl World for Memory {
    fn time(&self) -> u64 {
        self.0.lock().unwrap().clock
    }

    const AGES_AT_ANY_TIME: bool = true;

    fn age(&self, _store: &Path, ms: u64) -> u64 {
        self.0.lock().unwrap().clock += ms;
        0
    }

    fn spoil(&self, path: &Path) {
        let mut state = self.0.lock().unwrap();
        if let Ok(inode) = state.file(path) {
            let bytes = &mut state.inodes[inode].bytes;
            match bytes.first_mut() {
                Some(first) => *first ^= 0x40,
                None => bytes.push(0),
            }
        }
    }

    /// What was not flushed is there or not, as it happens, and bytes that were not flushed are cut.
    fn power_cut(&self) {
        let mut guard = self.0.lock().unwrap();
        let state = &mut *guard;
        let mut names: Vec<PathBuf> = state.names.keys().chain(state.durable.keys()).cloned().collect();
        names.sort();
        names.dedup();
        for name in names {
            if state.random.one_in(2) {
                match state.durable.get(&name) {
                    Some(entry) => drop(state.names.insert(name, entry.clone())),
                    None => drop(state.names.remove(&name)),
                }
            }
        }
        // A name needs its folders.
        for name in state.names.keys().cloned().collect::<Vec<_>>() {
            name.ancestors().skip(1).for_each(|at| drop(state.names.insert(at.to_owned(), Entry::Dir)));
        }
        for inode in &mut state.inodes {
            let lost = inode.bytes.len().saturating_sub(inode.flushed).div_ceil(2);
            inode.bytes.truncate(inode.bytes.len() - lost);
        }
        state.durable = state.names.clone();
    }
}
