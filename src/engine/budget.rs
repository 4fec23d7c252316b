//! Who may start: admission by cores, memory, GPUs and limits.
//!
//! Prepared instances that ask for the same (one *shape*) stand in one line, ordered by rank; lines are looked at in the
//! order of their heads. A head that does not fit is passed over, so that smaller work of another shape goes on. It
//! must not be passed over for ever: once as many others have overtaken it as the machine has cores (about one
//! machine-full of work), what it lacks is kept for it, and whoever needs some of that waits too. Work that needs
//! nothing of what it lacks (it waits for a GPU, they do not) is never held back.
//!
//! Knows nothing of the graph.

use crate::engine::api::{Capacity, Needs};
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

/// What there is, what is free, and who waits for it.
pub(super) struct Budget {
    pub(super) capacity: Capacity,
    pub(super) cpus: u32,
    pub(super) memory: u64,
    pub(super) gpus: BTreeSet<u32>,
    pub(super) limits: Vec<u32>,
    shapes: Vec<Shape>,
    vacant: Vec<ShapeId>,
    by_needs: FxHashMap<Needs, ShapeId>,
    heads: BTreeSet<(Rank, ShapeId)>,
}

/// A set of resources: bit 0 cores, 1 memory, 2 GPUs, then the limits (those beyond the 61st share the last bit).
type Set = u64;

/// One walk over the lines, in which resources only become fewer.
#[derive(Default)]
pub(super) struct Walk {
    last: Option<(Rank, ShapeId)>,
    starts: u32,
    passed: Vec<(ShapeId, u32)>,
    kept: Set,
}

impl Budget {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            cpus: capacity.cpus,
            memory: capacity.memory,
            gpus: (0..u32::try_from(capacity.gpus.len()).expect("GPUs fit `u32`")).collect(),
            limits: capacity.limits.clone(),
            capacity,
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
        let all = &self.capacity;
        let mut asked = vec![
            (Arc::from("cpus"), u64::from(needs.cpus), u64::from(all.cpus)),
            (Arc::from("memory"), needs.memory, all.memory),
            (Arc::from("gpus"), u64::from(needs.gpus), all.gpus.len() as u64),
        ];
        for (i, &asks) in needs.limits.iter().enumerate() {
            asked.push((limit(i), u64::from(asks), all.limits.get(i).copied().unwrap_or(0).into()));
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
            if self.cpus == 0 {
                return None;
            }
            let entry = &self.shapes[shape as usize];
            walk.last = Some((rank, shape));
            let lacks = self.lacks(&entry.needs);
            if lacks == 0 && asks(&entry.needs) & walk.kept == 0 {
                return walk.last;
            }
            walk.passed.push((shape, walk.starts));
            if entry.overtaken >= self.capacity.cpus {
                walk.kept |= lacks;
            }
        }
        None
    }

    /// Gives a shape what it needs; the GPUs' places in the capacity.
    pub(super) fn take(&mut self, shape: ShapeId, walk: &mut Walk) -> Box<[u32]> {
        let entry = &mut self.shapes[shape as usize];
        entry.overtaken = 0;
        walk.starts += 1;
        self.cpus -= entry.needs.cpus;
        self.memory -= entry.needs.memory;
        for (free, asks) in self.limits.iter_mut().zip(&entry.needs.limits) {
            *free -= asks;
        }
        (0..entry.needs.gpus).map(|_| self.gpus.pop_first().expect("it fits")).collect()
    }

    /// Ends a walk: those that were passed remember it.
    pub(super) fn end(&mut self, walk: Walk) {
        for (shape, before) in walk.passed {
            self.shapes[shape as usize].overtaken += walk.starts - before;
        }
    }

    /// Takes back what [`Budget::take`] gave.
    pub(super) fn give(&mut self, shape: ShapeId, gpus: &[u32]) {
        let needs = &self.shapes[shape as usize].needs;
        self.cpus += needs.cpus;
        self.memory += needs.memory;
        self.gpus.extend(gpus);
        for (free, asks) in self.limits.iter_mut().zip(&needs.limits) {
            *free += asks;
        }
    }

    fn lacks(&self, needs: &Needs) -> Set {
        let mut set = Set::from(needs.cpus > self.cpus);
        set |= Set::from(needs.memory > self.memory) << 1;
        set |= Set::from(needs.gpus as usize > self.gpus.len()) << 2;
        for (i, (asks, free)) in needs.limits.iter().zip(&self.limits).enumerate() {
            set |= Set::from(asks > free) << (i + 3).min(63);
        }
        set
    }

    /// The names of what these needs lack now.
    pub(super) fn lacking(&self, shape: ShapeId, limit: impl Fn(usize) -> Arc<str>) -> Vec<Arc<str>> {
        let needs = self.needs(shape);
        let mut names = Vec::new();
        if needs.cpus > self.cpus {
            names.push("cpus".into());
        }
        if needs.memory > self.memory {
            names.push("memory".into());
        }
        if needs.gpus as usize > self.gpus.len() {
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
    for (i, asks) in needs.limits.iter().enumerate() {
        set |= Set::from(*asks > 0) << (i + 3).min(63);
    }
    set
}
