//! Who may start: admission by cores, memory, GPUs and limits.
//!
//! Prepared instances that ask for the same (one *shape*) stand in one line, ordered by rank; lines are looked at in the
//! order of their heads. A head that does not fit is passed over, so that smaller work of another shape goes on. It
//! must not be passed over for ever: once as many others have overtaken it as the machine has cores (about one
//! machine-full of work), what it lacks is kept for it, and whoever needs some of that waits too. Work that needs
//! nothing of what it lacks (it waits for a GPU, they do not) is never held back. Cores, memory and GPUs are a
//! backend's own; the limits are the run's.
//!
//! Knows nothing of the graph.

use crate::engine::api::{Capacities, Capacity, Needs};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;
use std::sync::Arc;

/// A place in the order of all work: the node's class, then the instance.
pub(super) type Rank = u64;

/// One shape, by its place in [`Budget`].
pub(super) type ShapeId = u32;

struct Shape {
    needs: Needs,
    line: BinaryHeap<Reverse<Rank>>,
    /// How many others were started before its head.
    overtaken: u32,
    /// Jobs that know this shape; without any it is forgotten.
    users: u32,
}

/// What is free of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) cpus: u32,
    pub(super) memory: u64,
    pub(super) gpus: BTreeSet<u32>,
}

impl Room {
    pub(super) fn of(capacity: &Capacity) -> Self {
        let gpus = (0..u32::try_from(capacity.gpus.len()).expect("GPUs fit `u32`")).collect();
        Self { cpus: capacity.cpus, memory: capacity.memory, gpus }
    }
}

/// What there is, what is free, and who waits for it.
pub(super) struct Budget {
    pub(super) capacities: Capacities,
    pub(super) rooms: Vec<Room>,
    pub(super) limits: Vec<u32>,
    shapes: Vec<Shape>,
    vacant: Vec<ShapeId>,
    by_needs: FxHashMap<Needs, ShapeId>,
    heads: BTreeSet<(Rank, ShapeId)>,
}

/// A set of resources: of each backend a bit for cores, memory and GPUs, then the limits. Backends beyond the seventh
/// share their bits with it, limits that find none share the last.
type Set = u64;

/// The first bit of the limits.
const LIMITS: usize = 21;

fn bits(backend: u8) -> usize {
    3 * usize::from(backend).min(LIMITS / 3 - 1)
}

/// One walk over the lines, in which resources only become fewer.
#[derive(Default)]
pub(super) struct Walk {
    last: Option<(Rank, ShapeId)>,
    /// Of each backend.
    starts: [u32; LIMITS / 3],
    passed: Vec<(ShapeId, u32)>,
    kept: Set,
}

impl Walk {
    fn starts_of(&self, backend: u8) -> u32 {
        self.starts[bits(backend) / 3]
    }
}

impl Budget {
    pub(super) fn new(capacities: Capacities) -> Self {
        Self {
            rooms: capacities.all().iter().map(Room::of).collect(),
            limits: capacities.limits().to_vec(),
            capacities,
            shapes: Vec::new(),
            vacant: Vec::new(),
            by_needs: FxHashMap::default(),
            heads: BTreeSet::new(),
        }
    }

    /// The shape of these needs; it is kept until as many [`Budget::forget`]s.
    pub(super) fn shape(&mut self, mut needs: Needs) -> ShapeId {
        // No cores free must mean that nothing can start.
        needs.cpus = needs.cpus.max(1);
        if let Some(&shape) = self.by_needs.get(&needs) {
            self.shapes[shape as usize].users += 1;
            return shape;
        }
        let entry = Shape { needs: needs.clone(), line: BinaryHeap::new(), overtaken: 0, users: 1 };
        let shape = match self.vacant.pop() {
            Some(shape) => {
                self.shapes[shape as usize] = entry;
                shape
            }
            None => {
                self.shapes.push(entry);
                u32::try_from(self.shapes.len() - 1).expect("fewer shapes than instances")
            }
        };
        self.by_needs.insert(needs, shape);
        shape
    }

    /// One job less knows the shape.
    pub(super) fn forget(&mut self, shape: ShapeId) {
        let entry = &mut self.shapes[shape as usize];
        entry.users -= 1;
        if entry.users == 0 {
            self.by_needs.remove(&entry.needs);
            self.vacant.push(shape);
        }
    }

    pub(super) fn needs(&self, shape: ShapeId) -> &Needs {
        &self.shapes[shape as usize].needs
    }

    /// What these needs ask for beyond all that there is: name, asked, there.
    pub(super) fn beyond(&self, needs: &Needs, limit: impl Fn(usize) -> Arc<str>) -> Option<(Arc<str>, u64, u64)> {
        let all = self.capacities.of(needs.backend);
        let mut asked = vec![
            (Arc::from("cpus"), u64::from(needs.cpus), u64::from(all.cpus)),
            (Arc::from("memory"), needs.memory, all.memory),
            (Arc::from("gpus"), u64::from(needs.gpus), all.gpus.len() as u64),
        ];
        for (i, &asks) in needs.limits.iter().enumerate() {
            asked.push((limit(i), u64::from(asks), self.capacities.limits().get(i).copied().unwrap_or(0).into()));
        }
        asked.into_iter().find(|(_, asks, there)| asks > there)
    }

    /// Puts an instance in the line of its shape.
    pub(super) fn push(&mut self, shape: ShapeId, rank: Rank) {
        let line = &mut self.shapes[shape as usize].line;
        let old = line.peek().map(|head| head.0);
        line.push(Reverse(rank));
        if old.is_none_or(|old| rank < old) {
            if let Some(old) = old {
                self.heads.remove(&(old, shape));
            }
            self.heads.insert((rank, shape));
        }
    }

    /// Takes the head from a line.
    pub(super) fn pop(&mut self, shape: ShapeId) {
        let line = &mut self.shapes[shape as usize].line;
        if let Some(Reverse(head)) = line.pop() {
            let next = line.peek().map(|next| next.0);
            self.heads.remove(&(head, shape));
            if let Some(next) = next {
                self.heads.insert((next, shape));
            }
        }
    }

    /// Empties all lines.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.shapes.iter_mut().for_each(|shape| shape.line.clear());
    }

    /// The next head in order that fits. The caller takes it from its line, and may start it.
    pub(super) fn next(&mut self, walk: &mut Walk) -> Option<(Rank, ShapeId)> {
        let from = walk.last.map_or(Bound::Unbounded, Bound::Excluded);
        for &(rank, shape) in self.heads.range((from, Bound::Unbounded)) {
            if self.rooms.iter().all(|room| room.cpus == 0) {
                return None;
            }
            let entry = &self.shapes[shape as usize];
            walk.last = Some((rank, shape));
            let lacks = self.lacks(&entry.needs);
            if lacks == 0 && asks(&entry.needs) & walk.kept == 0 {
                return walk.last;
            }
            walk.passed.push((shape, walk.starts_of(entry.needs.backend)));
            if entry.overtaken >= self.capacities.of(entry.needs.backend).cpus {
                walk.kept |= lacks;
            }
        }
        None
    }

    /// Gives a shape what it needs; the GPUs' places in the capacity.
    pub(super) fn take(&mut self, shape: ShapeId, walk: &mut Walk) -> Box<[u32]> {
        let entry = &mut self.shapes[shape as usize];
        let room = &mut self.rooms[usize::from(entry.needs.backend)];
        entry.overtaken = 0;
        walk.starts[bits(entry.needs.backend) / 3] += 1;
        room.cpus -= entry.needs.cpus;
        room.memory -= entry.needs.memory;
        for (free, asks) in self.limits.iter_mut().zip(&entry.needs.limits) {
            *free -= asks;
        }
        (0..entry.needs.gpus).map(|_| room.gpus.pop_first().expect("it fits")).collect()
    }

    /// Ends a walk: those that were passed remember it.
    pub(super) fn end(&mut self, walk: Walk) {
        for (shape, before) in &walk.passed {
            let entry = &mut self.shapes[*shape as usize];
            entry.overtaken += walk.starts_of(entry.needs.backend) - before;
        }
    }

    /// Takes back what [`Budget::take`] gave.
    pub(super) fn give(&mut self, shape: ShapeId, gpus: &[u32]) {
        let needs = &self.shapes[shape as usize].needs;
        let room = &mut self.rooms[usize::from(needs.backend)];
        room.cpus += needs.cpus;
        room.memory += needs.memory;
        room.gpus.extend(gpus);
        for (free, asks) in self.limits.iter_mut().zip(&needs.limits) {
            *free += asks;
        }
    }

    fn lacks(&self, needs: &Needs) -> Set {
        let (room, at) = (&self.rooms[usize::from(needs.backend)], bits(needs.backend));
        let mut set = Set::from(needs.cpus > room.cpus) << at;
        set |= Set::from(needs.memory > room.memory) << (at + 1);
        set |= Set::from(needs.gpus as usize > room.gpus.len()) << (at + 2);
        for (i, (asks, free)) in needs.limits.iter().zip(&self.limits).enumerate() {
            set |= Set::from(asks > free) << (i + LIMITS).min(63);
        }
        set
    }

    /// How many prepared instances a node may have waiting.
    pub(super) fn window(&self) -> u32 {
        self.capacities.all().iter().map(|capacity| capacity.window).max().unwrap_or(1)
    }

    /// The ids of GPUs that a shape was given.
    pub(super) fn gpu_ids(&self, shape: ShapeId, gpus: &[u32]) -> Vec<Arc<str>> {
        let all = &self.capacities.of(self.needs(shape).backend).gpus;
        gpus.iter().map(|gpu| Arc::clone(&all[*gpu as usize])).collect()
    }

    /// The names of what these needs lack now.
    pub(super) fn lacking(&self, shape: ShapeId, limit: impl Fn(usize) -> Arc<str>) -> Vec<Arc<str>> {
        let needs = self.needs(shape);
        let room = &self.rooms[usize::from(needs.backend)];
        let mut names = Vec::new();
        if needs.cpus > room.cpus {
            names.push("cpus".into());
        }
        if needs.memory > room.memory {
            names.push("memory".into());
        }
        if needs.gpus as usize > room.gpus.len() {
            names.push("gpus".into());
        }
        let limits = needs.limits.iter().zip(&self.limits).enumerate();
        names.extend(limits.filter(|(_, (asks, free))| asks > free).map(|(i, _)| limit(i)));
        names
    }
}

/// What these needs ask for at all.
fn asks(needs: &Needs) -> Set {
    let mut set = Set::from(needs.cpus > 0) | Set::from(needs.memory > 0) << 1 | Set::from(needs.gpus > 0) << 2;
    set <<= bits(needs.backend);
    for (i, asks) in needs.limits.iter().enumerate() {
        set |= Set::from(*asks > 0) << (i + LIMITS).min(63);
    }
    set
}
