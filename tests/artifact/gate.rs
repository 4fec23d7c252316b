//! Processes that take turns: each operation on files waits for its turn, which chance gives, so that a seed is an
//! interleaving. At each turn a process may die: nothing that it does afterwards has any effect.

use flowrun::sys::content::Tree;
use flowrun::sys::fault::{Fault, FaultKind, Result as Faulty};
use flowrun::sys::files::{About, Files};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// SplitMix64: enough chance, and the same everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

/// A file system that can be treated badly.
pub trait World: Files {
    /// Milliseconds.
    fn time(&self) -> u64;
    /// Lets time pass for the files of a folder; gives what [`World::time`] does not show of it.
    fn age(&self, store: &Path, ms: u64) -> u64;
    /// Whether time may pass while somebody sweeps.
    const AGES_AT_ANY_TIME: bool;
    /// Changes a bit of a file, whatever its mode.
    fn spoil(&self, path: &Path);
    /// Takes what was not flushed.
    fn power_cut(&self);
}

/// Whose turn it is.
pub struct Turns {
    state: Mutex<State>,
    changed: Vec<Condvar>,
}

struct State {
    random: Random,
    alive: Vec<usize>,
    turn: usize,
    /// One turn in so many is the last one of its process; 0: none.
    deadly: u64,
    /// Counts power cuts: a process of an earlier count is dead.
    cuts: u64,
}

impl Turns {
    pub fn new(seed: u64, processes: usize, deadly: u64) -> Self {
        let mut random = Random(seed);
        let turn = random.below(processes);
        let state = State { random, alive: (0..processes).collect(), turn, deadly, cuts: 0 };
        Self { state: Mutex::new(state), changed: (0..processes).map(|_| Condvar::new()).collect() }
    }

    /// Waits for the turn of a process, does something in it, and passes it on.
    fn take<T>(&self, me: usize, ends: bool, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        while state.turn != me {
            state = self.changed[me].wait(state).unwrap();
        }
        let result = act(&mut state);
        if ends {
            state.alive.retain(|other| *other != me);
        }
        if !state.alive.is_empty() {
            let State { random, alive, .. } = &mut *state;
            let next = alive[random.below(alive.len())];
            state.turn = next;
            self.changed[next].notify_one();
        }
        result
    }

    /// A turn in which nobody dies; with it how often the power was cut by then.
    pub fn look<T>(&self, me: usize, act: impl FnOnce() -> T) -> (u64, T) {
        self.take(me, false, |state| (state.cuts, act()))
    }

    /// A turn in which all die that are at work.
    pub fn power_cut(&self, me: usize, act: impl FnOnce()) {
        self.take(me, false, |state| {
            act();
            state.cuts += 1;
        });
    }

    /// The last turn of a process.
    pub fn leave(&self, me: usize) {
        self.take(me, true, |_| ());
    }
}

/// A process's view of the files.
pub struct Gate<W>(Arc<Process<W>>);

struct Process<W> {
    world: Arc<W>,
    /// `None`: it is alone, and does not wait.
    turns: Option<(Arc<Turns>, usize)>,
    cuts: u64,
    dead: AtomicBool,
}

impl<W> Clone for Gate<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W> std::fmt::Debug for Gate<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("gate")
    }
}

impl<W: World> Gate<W> {
    /// A process that is started now.
    pub fn new(world: &Arc<W>, turns: &Arc<Turns>, me: usize) -> Self {
        let cuts = turns.take(me, false, |state| state.cuts);
        let turns = Some((turns.clone(), me));
        Self(Arc::new(Process { world: world.clone(), turns, cuts, dead: AtomicBool::new(false) }))
    }

    /// A process while the others stand still.
    pub fn alone(world: &Arc<W>) -> Self {
        Self(Arc::new(Process { world: world.clone(), turns: None, cuts: 0, dead: AtomicBool::new(false) }))
    }

    /// How often the power was cut before it was started.
    pub fn cuts(&self) -> u64 {
        self.0.cuts
    }

    /// One step: `None` if the process is dead.
    pub fn step<T>(&self, act: impl FnOnce(&W) -> T) -> Option<T> {
        let Process { world, turns, cuts, dead } = &*self.0;
        let Some((turns, me)) = turns else { return Some(act(world)) };
        if dead.load(Ordering::Relaxed) {
            return None;
        }
        turns.take(*me, false, |state| {
            let dies = state.deadly > 0 && {
                let deadly = state.deadly;
                state.random.one_in(deadly)
            };
            if dies || state.cuts != *cuts {
                dead.store(true, Ordering::Relaxed);
                return None;
            }
            Some(act(world))
        })
    }

    fn io<T>(&self, act: impl FnOnce(&W) -> io::Result<T>) -> io::Result<T> {
        self.step(act).unwrap_or_else(|| Err(io::Error::other("the process is dead")))
    }
}

impl<W: World> Files for Gate<W> {
    type File = W::File;

    fn about(&self, path: &Path) -> io::Result<About> {
        self.io(|world| world.about(path))
    }
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        self.io(|world| world.names(folder))
    }
    fn tree(&self, root: &Path) -> Faulty<Tree> {
        self.step(|world| world.tree(root)).unwrap_or_else(|| Err(Fault::new(FaultKind::Other, "dead")))
    }
    fn open(&self, path: &Path) -> io::Result<W::File> {
        self.io(|world| world.open(path))
    }
    fn create(&self, path: &Path, exec: bool) -> io::Result<W::File> {
        self.io(|world| world.create(path, exec))
    }
    fn read(&self, file: &mut W::File, into: &mut [u8]) -> io::Result<usize> {
        self.io(|world| world.read(file, into))
    }
    fn write(&self, file: &mut W::File, bytes: &[u8]) -> io::Result<()> {
        self.io(|world| world.write(file, bytes))
    }
    fn share(&self, from: &W::File, to: &W::File) -> io::Result<()> {
        self.io(|world| world.share(from, to))
    }
    fn seal(&self, file: &W::File, folder: &Path) -> io::Result<()> {
        self.io(|world| world.seal(file, folder))
    }
    fn flush_names(&self, folder: &Path) -> io::Result<()> {
        self.io(|world| world.flush_names(folder))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.io(|world| world.rename(from, to))
    }
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.io(|world| world.exchange(one, other))
    }
    fn touch(&self, path: &Path) -> io::Result<()> {
        self.io(|world| world.touch(path))
    }
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.io(|world| world.make_folder(path))
    }
    fn make_shared_folder(&self, root: &Path, path: &Path) -> io::Result<()> {
        self.io(|world| world.make_shared_folder(root, path))
    }
    fn make_folders(&self, path: &Path) -> io::Result<()> {
        self.io(|world| world.make_folders(path))
    }
    fn link(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.io(|world| world.link(target, path))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.io(|world| world.remove(path))
    }
    fn remove_all(&self, path: &Path) -> io::Result<()> {
        self.io(|world| world.remove_all(path))
    }
}
