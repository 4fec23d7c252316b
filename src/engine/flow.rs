//! Who is woken when something ends: scopes, gates, skips, cancellations, the ends of maps. All by arithmetic over the
//! plan's edges.

use crate::base::id::{Id, ScopeId};
use crate::base::{InstanceId, NodeId};
use crate::engine::api::*;
use crate::engine::machine::{Engine, Fate, Gate, Held, Out, Phase, Throttle, Work};
use crate::engine::policy::{BAD, Watch};
use crate::engine::space::ROOT;
use crate::event::{Event, MapEnd};
use crate::plan::Require;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// What becomes of a node that needs this instance of `node`, which has ended.
    fn fate_after(&self, needed: InstanceId, node: NodeId, tolerates_skip: bool, require: Option<Require>) -> Fate {
        let state = self.ledger.state(needed);
        let bad = match state {
            State::Failed | State::Cancelled => true,
            // What a map lets fail counts for its item; what the node itself lets be gives null.
            State::Ignored => !self.graph.info(node).ignores,
            State::Skipped if !tolerates_skip => return Fate::Skip,
            _ => false,
        };
        match require.and_then(|require| self.is_met(needed, require)) {
            Some(true) => Fate::Go,
            Some(false) if !bad && state != State::Skipped => Fate::Refuse,
            _ if bad => Fate::Cancel,
            _ => Fate::Go,
        }
    }

    /// Counts what a new scope's instances wait for (of a restored one: still wait for).
    pub(super) fn furnish(&mut self, scope: ScopeId, closed: bool) {
        debug_assert_eq!(self.works.len(), scope.index());
        let graph = Arc::clone(&self.graph);
        let s = &self.ledger.space.scopes()[scope];
        let (len, nodes) = (s.len, &graph.plan.bodies[s.body].nodes);
        let owner = graph.plan.bodies[s.body].owner;
        let max = owner.and_then(|map| graph.map(map).max_parallel);
        let mut throttle = max.map(|max| {
            Box::new(Throttle {
                max: max.max(1),
                busy: 0,
                items: vec![(false, 0); len as usize],
                parked: BTreeMap::new(),
            })
        });
        let limit = owner.and_then(|map| graph.map(map).max_failures).map(|allowance| allowance.of(len));
        let counted = owner.is_some_and(|map| graph.info(map).counted);
        let watch = (limit.is_some() || counted)
            .then(|| Box::new(Watch { limit, hurt: 0, items: vec![0; len as usize], good: None }));
        let mut gates = vec![Gate { missing: u32::from(closed), fate: Fate::Go }; nodes.len()];
        let mut open = 0;
        for (gate, node) in gates.iter_mut().zip(nodes) {
            let info = graph.info(*node);
            let ended = |dep: &crate::plan::Dep| {
                let (outer, item) = self.ledger.space.out(scope, 0, dep.up);
                self.ledger.state(self.ledger.space.instance(outer, dep.node, item)).is_end()
            };
            gate.missing += info.far.iter().filter(|dep| !ended(dep)).count() as u32;
            for item in 0..len {
                let instance = self.ledger.space.at(scope, info.slot, item);
                if self.ledger.state(instance).is_end() {
                    continue;
                }
                open += 1;
                if let Some(throttle) = &mut throttle {
                    throttle.items[item as usize].1 += 1;
                }
                let near = |slot| self.ledger.state(self.ledger.space.at(scope, slot, item));
                let missing = info.near.iter().filter(|dep| !near(dep.slot).is_end()).count() as u32;
                if missing > 0 {
                    self.ledger.set(instance, info.task, State::Waiting { missing });
                }
            }
        }
        let parent = self.ledger.space.scopes()[scope].parent.0;
        let throttled = throttle.is_some() || (scope != ROOT && self.works[parent.index()].throttled);
        self.works.push(Work {
            open,
            failed: false,
            cancelled: false,
            closed,
            throttled,
            gates: gates.into(),
            throttle,
            watch,
        });
    }

    /// A map's items begin: null items are skipped, open gates opened.
    pub(super) fn enter(&mut self, scope: ScopeId, out: &mut Out) {
        let slots = self.works[scope.index()].gates.len() as u32;
        let len = self.ledger.space.scopes()[scope].len;
        let nulls: Vec<u32> = (0..len).filter(|item| self.ledger.space.is_null(scope, *item)).collect();
        for slot in 0..slots {
            for item in &nulls {
                self.drop_waiting(self.ledger.space.at(scope, slot, *item), State::Skipped, out);
            }
        }
        for slot in 0..slots {
            self.open_gate(scope, slot, out);
        }
        if self.works[scope.index()].open == 0 {
            self.items_ended(scope, out);
        }
    }

    /// Wakes the items of a slot if nothing further out is missing.
    pub(super) fn open_gate(&mut self, scope: ScopeId, slot: u32, out: &mut Out) {
        let gate = self.works[scope.index()].gates[slot as usize];
        if gate.missing > 0 {
            return;
        }
        let graph = Arc::clone(&self.graph);
        let s = &self.ledger.space.scopes()[scope];
        let (node, len) = (graph.plan.bodies[s.body].nodes[slot as usize], s.len);
        let require = graph.plan.nodes[node].require;
        let fates = graph.info(node).far.iter().map(|dep| {
            let (outer, item) = self.ledger.space.out(scope, 0, dep.up);
            let needed = self.ledger.space.instance(outer, dep.node, item);
            self.fate_after(needed, dep.node, dep.tolerates_skip, require)
        });
        let fate = fates.max().unwrap_or(Fate::Go);
        self.works[scope.index()].gates[slot as usize].fate = fate;
        for item in 0..len {
            let instance = self.ledger.space.at(scope, slot, item);
            if self.ledger.state(instance) == (State::Waiting { missing: 0 }) {
                self.ripe(instance, Place { node, scope, item }, out);
            }
        }
    }

    /// All that an instance needs has ended.
    fn ripe(&mut self, instance: InstanceId, place: Place, out: &mut Out) {
        let graph = Arc::clone(&self.graph);
        let info = graph.info(place.node);
        let require = graph.plan.nodes[place.node].require;
        let near = info.near.iter().map(|dep| {
            let needed = self.ledger.space.at(place.scope, dep.slot, place.item);
            self.fate_after(needed, self.node_at(place.scope, dep.slot), dep.tolerates_skip, require)
        });
        let gate = self.works[place.scope.index()].gates[info.slot as usize].fate;
        match near.fold(gate, Fate::max) {
            Fate::Cancel => self.drop_waiting(instance, State::Cancelled, out),
            Fate::Skip => self.drop_waiting(instance, State::Skipped, out),
            Fate::Refuse => self.refuse_waiting(instance, place, out),
            Fate::Go => match self.ledger.space.scope_of(instance) {
                Some(scope) => self.go_on(instance, scope, out),
                None => {
                    self.queues[place.node.index()].ripe.push(instance);
                    self.hunger(place.node);
                }
            },
        }
    }

    /// What an instance requires is not met, so it fails; of a restored map all that waits in it is cancelled.
    fn refuse_waiting(&mut self, instance: InstanceId, place: Place, out: &mut Out) {
        let failure = self.unmet(place);
        self.refuse(instance, failure, out);
        self.drop_below(instance, State::Cancelled, out);
    }

    /// A restored map takes up the list that it had.
    fn go_on(&mut self, map: InstanceId, scope: ScopeId, out: &mut Out) {
        let s = &self.ledger.space.scopes()[scope];
        let list = s.list.as_ref().expect("a restored map has its list").digest();
        out.event(Event::Listed { instance: map, len: s.len, list });
        self.ledger.set(map, false, State::Running);
        let work = &mut self.works[scope.index()];
        work.closed = false;
        work.gates.iter_mut().for_each(|gate| gate.missing -= 1);
        self.enter(scope, out);
    }

    /// Skips or cancels an instance that waits; of a restored map all that waits in it too.
    fn drop_waiting(&mut self, instance: InstanceId, state: State, out: &mut Out) {
        if self.ledger.state(instance).is_end() {
            return;
        }
        out.ended(instance, state);
        self.end(instance, state);
        self.drop_below(instance, state, out);
    }

    fn drop_below(&mut self, instance: InstanceId, state: State, out: &mut Out) {
        if let Some(scope) = self.ledger.space.scope_of(instance) {
            let s = &self.ledger.space.scopes()[scope];
            let slots = self.works[scope.index()].gates.len() as u32;
            for id in s.first.0..s.first.0 + slots * s.len {
                self.drop_waiting(InstanceId(id), state, out);
            }
        }
    }

    /// Tells all that wait for what ended in this step.
    pub(super) fn tell_dependents(&mut self, out: &mut Out) {
        let graph = Arc::clone(&self.graph);
        let mut below = Vec::new();
        while let Some(instance) = self.ended.pop_front() {
            let Place { node, scope, item } = self.ledger.space.place(instance);
            for wake in &graph.info(node).wakes {
                if wake.through.is_empty() {
                    self.tell(Place { node: self.node_at(scope, wake.slot), scope, item }, out);
                    continue;
                }
                below.clear();
                self.ledger.space.below(scope, item, &wake.through, &mut below);
                for &inner in &below {
                    self.works[inner.index()].gates[wake.slot as usize].missing -= 1;
                    self.open_gate(inner, wake.slot, out);
                }
            }
            self.leave(instance, scope, item, out);
        }
    }

    fn tell(&mut self, place: Place, out: &mut Out) {
        let info = self.graph.info(place.node);
        let (slot, task) = (info.slot, info.task);
        let instance = self.ledger.space.at(place.scope, slot, place.item);
        if let State::Waiting { missing } = self.ledger.state(instance) {
            self.ledger.set(instance, task, State::Waiting { missing: missing - 1 });
            if missing == 1 && self.works[place.scope.index()].gates[slot as usize].missing == 0 {
                self.ripe(instance, place, out);
            }
        }
    }

    /// Takes an ended instance out of its scope's counts.
    fn leave(&mut self, instance: InstanceId, scope: ScopeId, item: u32, out: &mut Out) {
        let ignores = self.graph.info(self.ledger.space.place(instance).node).ignores;
        let work = &mut self.works[scope.index()];
        work.open -= 1;
        let (failed, cancelled) = match self.ledger.state(instance) {
            State::Failed => (true, false),
            State::Ignored => (!ignores, false),
            State::Cancelled => (false, true),
            _ => (false, false),
        };
        work.failed |= failed;
        work.cancelled |= cancelled;
        if let Some(watch) = work.watch.as_mut().filter(|_| failed || cancelled) {
            watch.items[item as usize] |= BAD;
        }
        let open = work.open;
        if let Some(throttle) = &mut work.throttle {
            let (busy, left) = &mut throttle.items[item as usize];
            *left -= 1;
            if *left == 0 && *busy {
                *busy = false;
                throttle.busy -= 1;
                self.unpark(scope, out);
            }
        }
        if open == 0 && scope != ROOT {
            self.items_ended(scope, out);
        }
    }

    /// All items of a map have ended, so it ends; one that names its results has them recorded first.
    fn items_ended(&mut self, scope: ScopeId, out: &mut Out) {
        let Some(map) = self.ledger.space.scopes()[scope].map else { return };
        if self.ledger.state(map) != State::Running {
            return;
        }
        let cancelled_alone = self.count_good(scope);
        let node = self.ledger.space.place(map).node;
        let graph = Arc::clone(&self.graph);
        let info = graph.info(node);
        let work = &self.works[scope.index()];
        let limit = work.watch.as_ref().and_then(|watch| Some((watch.hurt, watch.limit?)));
        let end = match (limit, work.failed, work.cancelled) {
            (Some((hurt, limit)), ..) if hurt > limit && info.ignores => MapEnd::Ignored,
            (Some((hurt, limit)), ..) if hurt > limit => MapEnd::Failed,
            (Some(_), ..) if cancelled_alone => MapEnd::Cancelled,
            (Some(_), ..) => MapEnd::Succeeded,
            (None, true, _) => MapEnd::Failed,
            (None, false, true) => MapEnd::Cancelled,
            (None, false, false) => MapEnd::Succeeded,
        };
        let read = matches!(end, MapEnd::Succeeded | MapEnd::Ignored) || info.counted;
        if !read || graph.map(node).outputs.is_empty() {
            return self.end_map(map, end, out);
        }
        self.recording.insert(map, end);
        let reads = &graph.map(node).output_reads;
        let items = 0..self.ledger.space.scopes()[scope].len;
        let rows = items.map(|item| {
            let bad = self.works[scope.index()].watch.as_ref().is_some_and(|watch| watch.items[item as usize] != 0);
            let null = bad || self.ledger.space.is_null(scope, item);
            (!null).then(|| self.collect_shared(reads, scope, item))
        });
        let rows = rows.collect();
        out.effect(Effect::Record { instance: map, node, rows });
    }

    pub(super) fn end_map(&mut self, map: InstanceId, end: MapEnd, out: &mut Out) {
        out.event(Event::MapEnded { instance: map, end });
        self.end(map, end.state());
    }

    /// Nothing new starts: all that is not with a backend ends here. Maps whose items are at work end with them.
    pub(super) fn cancel_rest(&mut self, out: &mut Out) {
        for id in (0..self.ledger.space.instances()).map(InstanceId) {
            match self.ledger.state(id) {
                State::Waiting { .. } | State::Preparing | State::Ready | State::Delayed => {}
                _ => continue,
            }
            match self.held.remove(&id) {
                Some(Held::InLine(job) | Held::Parked(Some(job))) => {
                    self.budget.forget(job.shape);
                    out.effect(Effect::Drop { instance: id });
                }
                Some(Held::Asks { job, gpus }) => self.give_back(id, job, &gpus, out),
                _ => {}
            }
            out.ended(id, State::Cancelled);
            self.end(id, State::Cancelled);
        }
        self.delayed.clear();
        self.elsewhere.clear();
        self.budget.clear();
        for queue in &mut self.queues {
            queue.ripe.clear();
            queue.again.clear();
            (queue.ahead, queue.kept) = (0, 0);
        }
        for flight in self.flights.values_mut() {
            flight.followers.clear();
        }
        for throttle in self.works.iter_mut().filter_map(|work| work.throttle.as_mut()) {
            throttle.parked.clear();
        }
        debug_assert_eq!(self.phase, Phase::Failing);
    }

    pub(super) fn node_at(&self, scope: ScopeId, slot: u32) -> NodeId {
        self.graph.plan.bodies[self.ledger.space.scopes()[scope].body].nodes[slot as usize]
    }
}
