//! Who is woken when something ends: scopes, gates, skips, cancellations. All by arithmetic over the plan's edges. How
//! a node that holds others begins and ends is in `bodies`.

use crate::base::id::{Id, ScopeId};
use crate::base::{InstanceId, NodeId};
use crate::engine::api::*;
use crate::engine::machine::{Engine, Fate, Gate, Held, Out, Phase, Throttle, Work};
use crate::engine::policy::{BAD, Watch};
use crate::engine::space::ROOT;
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
        let map = owner.and_then(|owner| graph.map(owner));
        let max = map.and_then(|map| map.max_parallel);
        let mut throttle = max.map(|max| {
            Box::new(Throttle {
                max: max.max(1),
                busy: 0,
                items: vec![(false, 0); len as usize],
                parked: BTreeMap::new(),
            })
        });
        let limit = map.and_then(|map| map.max_failures).map(|allowance| allowance.of(len));
        let counted = owner.is_some_and(|map| graph.info(map).counted);
        let watch = (limit.is_some() || counted)
            .then(|| Box::new(Watch { limit, hurt: 0, items: vec![0; len as usize], good: None }));
        let mut gates = vec![Gate { missing: u32::from(closed), fate: Fate::Go }; nodes.len()];
        let mut open = 0;
        for (gate, node) in gates.iter_mut().zip(nodes) {
            let info = graph.info(*node);
            let ended = |dep: &crate::plan::Dep| {
                let (outer, item) = self.ledger.space.out(scope, 0, dep.up);
                self.has_ended(self.ledger.space.instance(outer, dep.node, item))
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
                Some(_) => self.go_on(instance, out),
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

    /// Skips or cancels an instance that waits; of a restored map all that waits in it too.
    pub(super) fn drop_waiting(&mut self, instance: InstanceId, state: State, out: &mut Out) {
        if self.ledger.state(instance).is_end() {
            return;
        }
        out.ended(instance, state);
        self.end(instance, state);
        self.drop_below(instance, state, out);
    }

    pub(super) fn drop_below(&mut self, instance: InstanceId, state: State, out: &mut Out) {
        let scopes: Vec<ScopeId> = self.ledger.space.scopes_of(instance).collect();
        for scope in scopes {
            self.drop_scope(scope, state, out);
        }
    }

    /// Skips or cancels all that waits in a scope.
    pub(super) fn drop_scope(&mut self, scope: ScopeId, state: State, out: &mut Out) {
        let s = &self.ledger.space.scopes()[scope];
        let slots = self.works[scope.index()].gates.len() as u32;
        for id in s.first.0..s.first.0 + slots * s.len {
            self.drop_waiting(InstanceId(id), state, out);
        }
    }

    /// Tells all that wait for what ended in this step.
    pub(super) fn tell_dependents(&mut self, out: &mut Out) {
        let graph = Arc::clone(&self.graph);
        let mut below = Vec::new();
        while let Some(instance) = self.ended.pop_front() {
            if self.keeps.again.contains_key(&instance) {
                self.ended_again(instance, out);
                continue;
            }
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
            self.consumed(instance, out);
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

    /// An instance that had ended before and was at work once more holds no item of the maps around it any longer.
    pub(super) fn leave_throttles(&mut self, instance: InstanceId, out: &mut Out) {
        let Place { mut scope, mut item, .. } = self.ledger.space.place(instance);
        while scope != ROOT {
            if let Some(throttle) = &mut self.works[scope.index()].throttle {
                let (busy, left) = &mut throttle.items[item as usize];
                if *left == 0 && *busy {
                    *busy = false;
                    throttle.busy -= 1;
                    self.unpark(scope, out);
                }
            }
            (scope, item) = self.ledger.space.scopes()[scope].parent;
        }
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
            if self.stays_as_it_was(id, out) {
                continue;
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
