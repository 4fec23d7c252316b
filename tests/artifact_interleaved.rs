//! The protocol of the artifact store under random interleavings: processes that put, restore, verify, sweep, die at
//! any step or with the power, on disks that fill up and rot. They are of two users, whose stores do not know each other.
//! Whatever happens: nothing is handed out that is not what was asked for, and nothing is lost that a store refers to,
//! that a run has put which has not ended, or that is young.

#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

mod artifact {
    pub mod disk;
    pub mod gate;
    pub mod memory;
}

use artifact::gate::{Gate, Random, Turns, World};
use artifact::memory::Memory;
use common::{figure, long};
use flowrun::base::Digest;
use flowrun::store::artifacts::{Artifacts, Condition, Sweep, User};
use flowrun::sys::content::{Leaf, Tree};
use flowrun::sys::files::{Disk, Files};
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const GRACE: u64 = 1000;
/// The clock of a real file system goes in steps.
const STEP: u64 = 50;
const PROCESSES: usize = 4;
const USERS: usize = 2;
const ACTIONS: usize = 5;

/// What a task may give.
#[derive(Clone, Debug)]
struct Output {
    digest: Digest,
    dir: bool,
    /// Relative paths, bytes, exec bits; a file has the one path "".
    files: Vec<(&'static str, &'static str, bool)>,
}

impl Output {
    fn all() -> Vec<Self> {
        let file =
            |text, exec| Self { digest: Digest::of(str::as_bytes(text)), dir: false, files: vec![("", text, exec)] };
        let folder = |files: &[(&'static str, &'static str, bool)]| {
            let leaf = |(path, text, exec): &(&str, &str, bool)| {
                let leaf = Leaf::File { digest: Digest::of(text.as_bytes()), size: text.len() as u64, exec: *exec };
                (PathBuf::from(path), leaf)
            };
            let digest = Tree { entries: files.iter().map(leaf).collect() }.digest();
            Self { digest, dir: true, files: files.to_vec() }
        };
        vec![
            file("", false),
            file("sorted", false),
            // The same bytes as a program.
            file("sorted", true),
            file("merged", false),
            file("a longer one, of several blocks", false),
            folder(&[("a", "sorted", false), ("b", "merged", true)]),
            folder(&[("a", "sorted", true)]),
            folder(&[]),
        ]
    }

    /// The objects that it is kept as.
    fn parts(&self) -> impl Iterator<Item = Digest> {
        let files = self.files.iter().map(|(_, text, _)| Digest::of(text.as_bytes()));
        std::iter::once(self.digest).chain(files)
    }

    fn make(&self, world: &impl Files, at: &Path) -> std::io::Result<()> {
        if self.dir {
            world.make_folder(at)?;
        }
        for (path, text, exec) in &self.files {
            let path = if path.is_empty() { at.to_owned() } else { at.join(path) };
            let mut file = world.create(&path, *exec)?;
            world.write(&mut file, text.as_bytes())?;
        }
        Ok(())
    }

    /// What stands at a path of a project, as a tree of it and its folder would say.
    fn seen(&self) -> Vec<(PathBuf, bool, Digest)> {
        self.files.iter().map(|(path, text, exec)| (path.into(), *exec, Digest::of(text.as_bytes()))).collect()
    }
}

/// Of each file of a result its path, whether it may be executed, and what it holds.
type Held = Vec<(PathBuf, bool, Digest)>;

fn seen(world: &impl Files, project: &Path, name: &str) -> Option<(bool, Held)> {
    let about = world.about(&project.join(name)).ok()?;
    let tree = world.tree(project).unwrap();
    let files = tree.entries.iter().filter_map(|(path, leaf)| match leaf {
        Leaf::File { digest, exec, .. } => Some((path.strip_prefix(name).ok()?.to_owned(), *exec, *digest)),
        _ => None,
    });
    Some((about.dir, files.collect()))
}

/// What is known of an object of the store.
#[derive(Clone, Copy, Default)]
struct Known {
    /// When the last whole put began.
    put: Option<u64>,
    /// Its bytes were changed by nobody.
    spoiled: bool,
    /// Counts what ends a reference.
    ended: u32,
}

#[derive(Default)]
struct Model {
    known: FxHashMap<Digest, Known>,
    /// What each store refers to.
    references: [FxHashSet<Digest>; USERS],
    /// What runs have put that have not ended, or died.
    runs: FxHashMap<u64, Option<Digest>>,
    /// What the world's clock does not show.
    aged: u64,
    busy: usize,
    restored: u64,
    refused: u64,
}

impl Model {
    fn is_spoiled(&self, output: &Output) -> bool {
        output.parts().any(|part| self.known.get(&part).is_some_and(|known| known.spoiled))
    }

    /// Whether it must come back; the number changes when a promise ends.
    fn promised(&self, output: &Output, now: u64, grace: u64) -> Option<u32> {
        let digest = &output.digest;
        let known = self.known.get(digest)?;
        let young = known.put.is_some_and(|put| now < (put + grace).saturating_sub(STEP));
        let listed = self.runs.values().any(|put| *put == Some(*digest));
        let referenced = self.references.iter().any(|references| references.contains(digest));
        (!self.is_spoiled(output) && (referenced || listed || young)).then_some(known.ended)
    }

    fn is_open(&self, run: u64) -> bool {
        self.runs.contains_key(&run)
    }

    /// A run is over, and its store has what it put.
    fn end(&mut self, run: u64) {
        if let Some(Some(digest)) = self.runs.remove(&run) {
            self.known.entry(digest).or_default().ended += 1;
        }
    }
}

struct Process<'a, W: World> {
    gate: Gate<W>,
    world: &'a Arc<W>,
    turns: &'a Arc<Turns>,
    model: &'a Mutex<Model>,
    outputs: &'a [Output],
    close: bool,
    random: Random,
    root: &'a Path,
    me: usize,
    run: u64,
    grace: u64,
}

fn user(me: usize) -> User {
    User::new(&format!("user {}", me % USERS), "a project")
}

impl<W: World> Process<'_, W> {
    fn artifacts(&self) -> Artifacts<Gate<W>> {
        Artifacts::over(self.gate.clone(), self.store(), true).used_by(user(self.me), self.run)
    }

    fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    fn project(&self) -> PathBuf {
        self.root.join(format!("p{}", self.me))
    }

    fn step<T>(&self, act: impl FnOnce(&W, &mut Model, u64) -> T) -> Option<T> {
        self.gate.step(|world| {
            let mut model = self.model.lock().unwrap();
            let now = world.time() + model.aged;
            act(world, &mut model, now)
        })
    }

    fn act(mut self) -> Option<()> {
        let output = &self.outputs[self.random.below(self.outputs.len())];
        let store = self.store();
        if self.close && self.grace == 0 {
            // Only about lists: who needs what, while it is swept.
            return match self.random.below(8) {
                0..=2 => self.put(output),
                3..=6 => self.sweep(),
                _ => self.forget(output),
            };
        }
        match self.random.below(if self.close { 15 } else { 20 }) {
            14 if self.close => self.forget(output),
            0..=5 => self.put(output),
            6..=10 => self.restore(output),
            11..=13 => self.sweep(),
            14 => self.verify(),
            15 => self.forget(output),
            16 | 17 => {
                let ms = self.random.next() % (2 * GRACE);
                self.step(|world, model, _| {
                    if W::AGES_AT_ANY_TIME || model.busy == 1 {
                        model.aged += world.age(&store, ms);
                    }
                })
            }
            18 => {
                let chance = self.random.next();
                self.step(|world, model, _| {
                    let found = objects(world, &store);
                    if let Some((path, digest)) = found.get((chance as usize) % found.len().max(1)) {
                        world.spoil(path);
                        model.known.entry(*digest).or_default().spoiled = true;
                    }
                })
            }
            _ => {
                self.turns.power_cut(self.me, || {
                    self.world.power_cut();
                    // What was touched last may look old again.
                    self.model.lock().unwrap().known.values_mut().for_each(|known| known.put = None);
                });
                None
            }
        }
    }

    /// A user has the result removed from the store of results.
    fn forget(&self, output: &Output) -> Option<()> {
        self.step(|_, model, _| {
            model.references[self.me % USERS].remove(&output.digest);
            model.known.entry(output.digest).or_default().ended += 1;
        })
    }

    fn put(&self, output: &Output) -> Option<()> {
        let path = self.project().join("made");
        let begin = self.step(|world, _, now| {
            let _ = world.remove_all(&path);
            output.make(world, &path).ok().map(|()| now)
        })??;
        let kept = self.artifacts().put(&path, &output.digest, output.dir);
        if !matches!(kept, Ok(true)) {
            // A full disk, or death.
            return Some(());
        }
        self.step(|_, model, _| {
            let known = model.known.entry(output.digest).or_default();
            known.put = known.put.max(Some(begin));
            model.runs.insert(self.run, Some(output.digest));
        })?;
        // The store of results, any time later.
        self.step(|_, model, _| {
            model.references[self.me % USERS].insert(output.digest);
        })
    }

    fn restore(&self, output: &Output) -> Option<()> {
        let (project, path) = (self.project(), self.project().join("back"));
        let old = &self.outputs[(self.random.0 >> 32) as usize % self.outputs.len()];
        let (promised, before) = self.step(|world, model, now| {
            let _ = world.remove_all(&path);
            if old.dir == output.dir && old.make(world, &path).is_err() {
                let _ = world.remove_all(&path);
            }
            (model.promised(output, now, self.grace), seen(world, &project, "back"))
        })?;
        let exec = output.files.first().is_some_and(|(_, _, exec)| *exec);
        let found = self.artifacts().restore(&output.digest, &path, exec);
        let whole = Some((output.dir, output.seen()));
        let told = self.step(|world, model, now| {
            let after = seen(world, &project, "back");
            match &found {
                Ok(Condition::Whole) => {
                    assert_eq!(after, whole, "what was handed out is not what was asked for");
                    model.restored += 1;
                }
                _ => assert_eq!(after, before, "what stood there was changed, and nothing was handed out"),
            }
            if let Ok(found) = found
                && found != Condition::Whole
            {
                model.refused += 1;
                let promised = promised.is_some() && promised == model.promised(output, now, self.grace);
                assert!(!promised, "{output:?} was promised and is {found:?}");
                assert!(found == Condition::Missing || model.is_spoiled(output), "{output:?} is {found:?}");
            }
        });
        let (cuts, after) = self.turns.look(self.me, || seen(&**self.world, &project, "back"));
        if told.is_none() && cuts == self.gate.cuts() {
            let between = after.is_none() && output.dir;
            assert!(between || after == before || after == whole, "it died and left {after:?}");
        }
        told
    }

    fn sweep(&self) -> Option<()> {
        let mine = self.me % USERS;
        let ended = |run| self.step(|_, model, _| !model.is_open(run)).unwrap_or(false);
        let mut references = || Ok(self.step(|_, model, _| model.references[mine].clone()).unwrap_or_default());
        let sweep = Sweep { grace: Duration::from_millis(self.grace), idle: None, ended: &ended, dry: false };
        let done = self.artifacts().sweep(&sweep, &mut references);
        // On a full disk the time cannot be seen, and nothing is removed.
        let _ = done;
        Some(())
    }

    fn verify(&self) -> Option<()> {
        let artifacts = self.artifacts();
        for object in artifacts.list().ok()? {
            let found = artifacts.verify(&object).ok()?;
            self.step(|_, model, _| {
                let spoiled = model.known.get(&object.digest).is_some_and(|known| known.spoiled);
                assert!(found != Condition::Damaged || spoiled, "{object:?} is {found:?}");
            })?;
        }
        Some(())
    }
}

/// Every object in the store, with its digest.
fn objects(world: &impl Files, store: &Path) -> Vec<(PathBuf, Digest)> {
    let mut found = Vec::new();
    for folder in world.names(store).unwrap_or_default() {
        for name in world.names(&store.join(&folder)).unwrap_or_default() {
            let text = format!("{}{}", folder.to_str().unwrap(), name.to_str().unwrap());
            if let Ok(digest) = text.split('.').next().unwrap().parse()
                && folder.len() == 2
            {
                found.push((store.join(&folder).join(&name), digest));
            }
        }
    }
    found
}

/// Half an object is never visible, whoever died when.
fn all_whole<W: World>(world: &Arc<W>, store: &Path, model: &Model) {
    let artifacts = Artifacts::over(Gate::alone(world), store, true);
    for object in artifacts.list().unwrap() {
        let spoiled = model.known.get(&object.digest).is_some_and(|known| known.spoiled);
        let found = artifacts.check(&object.digest).unwrap();
        // Of a folder a file may be missing, but not half.
        assert!(spoiled || found != Condition::Damaged || object.dir, "{object:?} is {found:?}");
    }
}

/// One interleaving; gives how often something was handed out, and how often not.
fn interleave<W: World + 'static>(world: W, root: &Path, seed: u64) -> (u64, u64) {
    let world = Arc::new(world);
    let mut random = Random(seed);
    // Few, so that processes meet.
    let mut outputs = Output::all();
    outputs.rotate_left(random.below(8));
    // Half of the worlds are only about sweeping what somebody is about to use.
    let close = random.one_in(2);
    outputs.truncate(if close { 1 } else { 3 });
    let deadly = if close { 0 } else { [0, 40, 200][random.below(3)] };
    let grace = if random.one_in(2) { GRACE } else { 0 };
    let turns = Arc::new(Turns::new(random.next(), PROCESSES, deadly));
    let model = Mutex::new(Model::default());
    (0..PROCESSES).for_each(|me| world.make_folders(&root.join(format!("p{me}"))).unwrap());
    world.flush_names(root).unwrap();
    let store = root.join("store");
    if close {
        put_and_forget(&world, &root.join("p0/made"), &store, &outputs[0]);
    }
    std::thread::scope(|scope| {
        for me in 0..PROCESSES {
            let mut random = Random(random.next());
            let (world, turns, model, outputs, store) = (&world, &turns, &model, &outputs, &store);
            scope.spawn(move || {
                let _leaving = Leaving(turns, me);
                for action in 0..ACTIONS {
                    // A process is started, does one thing and ends, or dies.
                    let run = (action * PROCESSES + me) as u64;
                    turns.look(me, || {
                        let mut model = model.lock().unwrap();
                        model.busy += 1;
                        model.runs.insert(run, None);
                    });
                    let (gate, random) = (Gate::new(world, turns, me), Random(random.next()));
                    let process = Process { gate, world, turns, model, outputs, close, random, root, me, run, grace };
                    let ends = process.act().is_some();
                    turns.look(me, || {
                        let mut model = model.lock().unwrap();
                        model.busy -= 1;
                        if ends {
                            model.end(run);
                        }
                        all_whole(world, store, &model);
                    });
                }
            });
        }
    });
    let mut model = model.into_inner().unwrap();
    // A year later nothing is young, and no run is open. What a store refers to is there, and nothing else.
    model.aged += world.age(&store, 100 * GRACE);
    model.runs.clear();
    for me in 0..USERS {
        let artifacts = Artifacts::over(Gate::alone(&world), &store, true).used_by(user(me), u64::MAX);
        let ask = Sweep { grace: Duration::from_millis(grace), idle: None, ended: &|_| true, dry: false };
        let sweep = |_| artifacts.sweep(&ask, &mut || Ok(model.references[me].clone()));
        // The disk may be full once more.
        (0..10).map(sweep).find(Result::is_ok).unwrap().unwrap();
    }
    all_whole(&world, &store, &model);
    let artifacts = Artifacts::over(Gate::alone(&world), &store, true);
    let now = world.time() + model.aged;
    for output in &outputs {
        if model.promised(output, now, grace).is_some() {
            assert_eq!(artifacts.check(&output.digest).unwrap(), Condition::Whole, "{output:?} was promised");
        }
    }
    let referenced = |output: &&Output| model.references.iter().any(|references| references.contains(&output.digest));
    let live: FxHashSet<Digest> = outputs.iter().filter(referenced).flat_map(|output| output.parts()).collect();
    for (path, digest) in objects(&*world, &store) {
        assert!(live.contains(&digest), "{} is left", path.display());
        assert!(!path.to_str().unwrap().contains("gone"), "{} is left", path.display());
    }
    (model.restored, model.refused)
}

/// An old object that nothing refers to.
fn put_and_forget<W: World>(world: &Arc<W>, made: &Path, store: &Path, output: &Output) {
    let kept = output.make(&**world, made).is_ok()
        && Artifacts::over(Gate::alone(world), store, true).put(made, &output.digest, output.dir).is_ok();
    if kept {
        world.age(store, 2 * GRACE);
    }
}

struct Leaving<'a>(&'a Turns, usize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

#[test]
fn in_memory() {
    let (mut restored, mut refused) = (0, 0);
    let seeds = seeds(long(10_000, 1_000));
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let counted = with_seed(seed, || interleave(Memory::new(seed), Path::new("/"), seed));
        (restored, refused) = (restored + counted.0, refused + counted.1);
    }
    assert!(count == 1 || restored > count / 2 && refused > count / 2, "{restored} handed out, {refused} not");
    figure(&format!("artifact store, {count} interleavings in memory: {restored} handed out, {refused} not there"));
}

#[test]
fn on_the_disk() {
    let (mut restored, mut refused) = (0, 0);
    let seeds = seeds(long(1_000, 200));
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let dir = tempfile::tempdir().unwrap();
        let counted = with_seed(seed, || interleave(Disk, dir.path(), seed));
        (restored, refused) = (restored + counted.0, refused + counted.1);
    }
    assert!(count == 1 || restored > count / 2 && refused > count / 2, "{restored} handed out, {refused} not");
    figure(&format!("artifact store, {count} interleavings on disk: {restored} handed out, {refused} not there"));
}

/// `ARTIFACT_SEED` repeats one.
fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("ARTIFACT_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).unwrap(),
        Err(_) => 0..count,
    }
}

fn with_seed<T>(seed: u64, act: impl FnOnce() -> T) -> T {
    let act = std::panic::AssertUnwindSafe(act);
    std::panic::catch_unwind(act).unwrap_or_else(|panic| {
        figure(&format!("to see it again: ARTIFACT_SEED={seed}"));
        std::panic::resume_unwind(panic)
    })
}
