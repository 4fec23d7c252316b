//! Whether the engine's books agree with each other. For tests: it walks over everything.

use crate::base::id::Id;
use crate::base::{InstanceId, NodeId};
use crate::engine::api::*;
use crate::engine::budget::Room;
use crate::engine::machine::{Engine, Held, Phase};
use rustc_hash::FxHashMap;

/// Fails with a sentence.
macro_rules! hold {
    ($condition:expr, $($sentence:tt)*) => {
        if !$condition {
            return Err(format!($($sentence)*));
        }
    };
}

impl Engine {
    /// Recounts everything that is kept as a count, between two steps; what does not agree is said.
    pub fn check(&self) -> Result<(), String> {
        self.check_counts()?;
        self.check_scopes()?;
        self.check_held()?;
        self.check_budget()?;
        self.check_queues()
    }

    fn check_counts(&self) -> Result<(), String> {
        use State::*;
        let mut counts = Counts::default();
        for id in self.all() {
            if !self.ledger.is_task(id) {
                continue;
            }
            *match self.ledger.state(id) {
                Waiting { .. } | Preparing | Ready | Delayed => &mut counts.waiting,
                Submitted | Running | Unknown => &mut counts.running,
                Succeeded => &mut counts.succeeded,
                Cached => &mut counts.cached,
                Failed => &mut counts.failed,
                Ignored => &mut counts.ignored,
                Skipped => &mut counts.skipped,
                Cancelled => &mut counts.cancelled,
                Unwanted => continue,
            } += 1;
        }
        hold!(counts == self.ledger.counts, "counts {:?}, recounted {counts:?}", self.ledger.counts);
        hold!(self.ended.is_empty(), "dependents were not told");
        Ok(())
    }

    fn check_scopes(&self) -> Result<(), String> {
        let space = &self.ledger.space;
        for (scope, s) in space.scopes().iter() {
            let work = &self.works[scope.index()];
            let mut open = 0;
            let mut left = vec![0; s.len as usize];
            for (slot, gate) in work.gates.iter().enumerate() {
                let node = self.node_at(scope, slot as u32);
                let info = self.graph.info(node);
                let missing = info.far.iter().filter(|dep| {
                    let (outer, item) = space.out(scope, 0, dep.up);
                    !self.has_ended(space.instance(outer, dep.node, item))
                });
                let missing = missing.count() as u32 + u32::from(work.closed);
                hold!(missing == gate.missing, "slot {slot} of {scope:?} misses {missing}, counted {}", gate.missing);
                for item in 0..s.len {
                    let id = space.at(scope, slot as u32, item);
                    let place = Place { node, scope, item };
                    hold!(space.place(id) == place, "{id:?} stands at {:?}, not {place:?}", space.place(id));
                    let state = self.ledger.state(id);
                    if self.has_ended(id) {
                        continue;
                    }
                    open += 1;
                    left[item as usize] += 1;
                    let near = info.near.iter().filter(|d| !self.has_ended(space.at(scope, d.slot, item)));
                    let near = near.count() as u32;
                    match state {
                        State::Waiting { missing } => {
                            hold!(missing == near, "{id:?} misses {near}, counted {missing}");
                        }
                        _ => hold!(near == 0, "{id:?} is {state:?} and misses {near}"),
                    }
                }
            }
            hold!(open == work.open, "{scope:?} has {open} open, counted {}", work.open);
            if let Some(owner) = s.owner {
                let running = self.ledger.state(owner) == State::Running;
                let asked = self.recording.contains_key(&owner) || self.turning.contains_key(&owner);
                let done = !asked && self.current(owner).iter().all(|scope| self.works[scope.index()].open == 0);
                hold!(!running || !done, "{owner:?} runs and all in it has ended");
            }
            if let Some(throttle) = &work.throttle {
                let busy = throttle.items.iter().filter(|(busy, _)| *busy).count() as u32;
                hold!(busy == throttle.busy && busy <= throttle.max, "{scope:?}: {busy} items at work");
                let kept: Vec<u32> = throttle.items.iter().map(|(_, left)| *left).collect();
                hold!(kept == left, "{scope:?}: items have {left:?} open, counted {kept:?}");
                let full = throttle.parked.is_empty() || throttle.busy == throttle.max;
                hold!(full, "{scope:?} has room and parked items");
            }
        }
        Ok(())
    }

    fn check_held(&self) -> Result<(), String> {
        for id in self.all() {
            let state = self.ledger.state(id);
            let task = self.ledger.is_task(id);
            let at_work = task && state.is_at_work();
            hold!(self.ledger.at_work.contains_key(&id) == at_work, "{id:?}: at work or not");
            match self.held.get(&id) {
                Some(Held::Given { .. }) => hold!(at_work, "{id:?} is {state:?} and with a backend"),
                Some(_) => hold!(state == State::Ready, "{id:?} is {state:?} and held"),
                None => hold!(!at_work, "{id:?} is {state:?} and not held"),
            }
            let again = self.keeps.again.contains_key(&id);
            let results = task && (again || matches!(state, State::Succeeded | State::Cached));
            hold!(self.ledger.results(id).is_some() == results, "{id:?} is {state:?}: results or not");
        }
        Ok(())
    }

    fn check_budget(&self) -> Result<(), String> {
        let all = &self.budget.capacities;
        let mut rooms: Vec<Room> = all.all().iter().map(Room::of).collect();
        let mut limits = all.limits().to_vec();
        for held in self.held.values() {
            let (Held::Given { job, gpus: given, .. } | Held::Asks { job, gpus: given }) = held else { continue };
            let needs = self.budget.needs(job.shape);
            let room = &mut rooms[usize::from(needs.backend)];
            room.cpus = room.cpus.checked_sub(needs.cpus).ok_or("cores over budget")?;
            room.memory = room.memory.checked_sub(needs.memory).ok_or("memory over budget")?;
            for gpu in given {
                hold!(room.gpus.remove(gpu), "GPU {gpu} given twice");
            }
            for (left, asks) in limits.iter_mut().zip(&needs.limits) {
                *left = left.checked_sub(*asks).ok_or("a limit over budget")?;
            }
        }
        let free = (&self.budget.rooms, &self.budget.limits);
        hold!(free == (&rooms, &limits), "free {free:?}, recounted {:?}", (&rooms, &limits));
        Ok(())
    }

    fn check_queues(&self) -> Result<(), String> {
        if matches!(self.phase, Phase::Failing | Phase::Fresh { .. } | Phase::Over) {
            return Ok(());
        }
        let mut ahead: FxHashMap<NodeId, u32> = FxHashMap::default();
        let mut kept: FxHashMap<NodeId, u32> = FxHashMap::default();
        for id in self.all() {
            let node = self.ledger.space.place(id).node;
            match (self.ledger.state(id), self.held.get(&id)) {
                (State::Preparing, _) | (State::Ready, Some(Held::InLine(_))) => *ahead.entry(node).or_default() += 1,
                (State::Ready, Some(Held::Parked(Some(_)))) => *kept.entry(node).or_default() += 1,
                _ => {}
            }
        }
        for (i, queue) in self.queues.iter().enumerate() {
            let node = NodeId::from_index(i);
            let counted = (ahead.remove(&node).unwrap_or(0), kept.remove(&node).unwrap_or(0));
            hold!(
                counted == (queue.ahead, queue.kept),
                "{node:?}: {counted:?}, counted {:?}",
                (queue.ahead, queue.kept)
            );
        }
        let moves = !self.ledger.at_work.is_empty()
            || !self.recording.is_empty()
            || !self.turning.is_empty()
            || !self.delayed.is_empty()
            || self.held.values().any(|held| matches!(held, Held::Asks { .. }))
            || self.all().any(|id| self.ledger.state(id) == State::Preparing);
        hold!(self.phase != Phase::Going || moves, "nothing moves, and {} are left", self.works[0].open);
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = InstanceId> + use<> {
        (0..self.ledger.space.instances()).map(InstanceId)
    }
}
