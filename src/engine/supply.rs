//! From ripe to running: preparing in batches, throttles of maps, one run for equal keys, admission.

use crate::base::digest::Key;
use crate::base::id::{Id, ScopeId};
use crate::base::{InstanceId, NodeId};
use crate::engine::api::*;
use crate::engine::budget::{Rank, Walk};
use crate::engine::machine::{Elsewhere, Engine, Flight, Held, Job, Out, Phase};
use crate::event::{Event, Results, Time};
use std::sync::Arc;

/// How many instances one `Prepare` holds at most.
const BATCH: usize = 1000;

/// When a key that another process computes is looked at again: at first, and at the longest.
const LOOK: Time = 250;
const LONGEST_LOOK: Time = 2_000;

impl Engine {
    /// The node's queue may be served again.
    pub(super) fn hunger(&mut self, node: NodeId) {
        let queue = &mut self.queues[node.index()];
        if !queue.hungry {
            queue.hungry = true;
            self.hungry.push(node);
        }
    }

    /// One that was being prepared, or in line, is so no more.
    pub(super) fn served(&mut self, node: NodeId) {
        let queue = &mut self.queues[node.index()];
        queue.ahead -= 1;
        self.hunger(node);
    }

    /// Issues `Prepare` and `List` for what is ripe, a window full a node. A window is refilled when half of it is gone,
    /// so that batches stay large.
    pub(super) fn prepare_more(&mut self, out: &mut Out) {
        if self.hungry.is_empty() {
            return;
        }
        let graph = Arc::clone(&self.graph);
        let mut hungry = std::mem::take(&mut self.hungry);
        hungry.sort_unstable_by_key(|node| (graph.info(*node).class, *node));
        let window = self.budget.window().max(1);
        for &node in &hungry {
            let queue = &mut self.queues[node.index()];
            queue.hungry = false;
            if queue.ahead > window / 2 {
                continue;
            }
            let mut batch = Vec::new();
            while self.queues[node.index()].ahead < window {
                let queue = &mut self.queues[node.index()];
                let Some(instance) = queue.again.pop_front().or_else(|| queue.ripe.pop()) else { break };
                queue.ahead += 1;
                let place = self.ledger.space.place(instance);
                self.ledger.set(instance, graph.info(node).task, State::Preparing);
                if !graph.info(node).task {
                    let reads = graph.plan.nodes[node].kind.reads();
                    let values = self.collect_shared(reads, place.scope, place.item);
                    out.effect(Effect::List { instance, node, values });
                    continue;
                }
                let values = self.collect_shared(&graph.task(node).reads, place.scope, place.item);
                let raised = self.ledger.tally(instance).raised;
                let (attempt, whole) = (self.ledger.attempt(instance) + 1, self.must_be_whole(instance, node));
                batch.push(Preparing { instance, attempt, raised, whole, values });
                if batch.len() == BATCH {
                    out.effect(Effect::Prepare { node, batch: std::mem::take(&mut batch) });
                }
            }
            if !batch.is_empty() {
                out.effect(Effect::Prepare { node, batch });
            }
        }
    }

    /// A ready instance whose key ended well in this run has its results; one whose key is at work waits for its end.
    /// Any other gets its job back.
    pub(super) fn unless_known(&mut self, instance: InstanceId, node: NodeId, job: Job, out: &mut Out) -> Option<Job> {
        let Some(key) = job.key else { return Some(job) };
        // What is made again has its own key among them.
        if let Some(&first) = self.settled.get(&key.half()).filter(|first| **first != instance) {
            let results = self.ledger.results(first).cloned().expect("what ended well has results");
            self.release(instance, node, &job, out);
            self.cached(instance, results, out);
            return None;
        }
        if let Some(flight) = self.flights.get_mut(&key).filter(|flight| flight.leader != instance) {
            flight.followers.push(instance);
            let leader = flight.leader;
            self.release(instance, node, &job, out);
            self.held.insert(instance, Held::Follows(leader));
            return None;
        }
        Some(job)
    }

    fn release(&mut self, instance: InstanceId, node: NodeId, job: &Job, out: &mut Out) {
        out.effect(Effect::Drop { instance });
        self.budget.forget(job.shape);
        self.served(node);
    }

    /// A key's attempt has ended, well or not: those that waited for it have its results, or are prepared again.
    pub(super) fn land(&mut self, key: Key, leader: InstanceId, results: Option<Results>, out: &mut Out) {
        let Some(flight) = self.flights.remove(&key) else { return };
        debug_assert_eq!(flight.leader, leader);
        if results.is_some() {
            self.settled.insert(key.half(), leader);
        }
        for follower in flight.followers {
            self.held.remove(&follower);
            match &results {
                Some(results) => self.cached(follower, Arc::clone(results), out),
                None => self.prepare_again(follower),
            }
        }
    }

    pub(super) fn prepare_again(&mut self, instance: InstanceId) {
        let node = self.ledger.space.place(instance).node;
        self.queues[node.index()].again.push_back(instance);
        self.hunger(node);
    }

    /// Puts a ready instance in line, if the maps around it allow one more item at work. Else it is parked; a node keeps
    /// a window full of parked jobs, the others are prepared again when their turn comes.
    pub(super) fn line_up(&mut self, instance: InstanceId, job: Job, out: &mut Out) {
        let place = self.ledger.space.place(instance);
        match self.occupy(place) {
            Ok(()) => {
                self.budget.push(job.shape, self.rank(instance, place.node));
                self.held.insert(instance, Held::InLine(job));
            }
            Err((scope, item)) => {
                self.served(place.node);
                let queue = &mut self.queues[place.node.index()];
                let keep = queue.kept < self.budget.window();
                if keep {
                    queue.kept += 1;
                } else {
                    self.budget.forget(job.shape);
                    out.effect(Effect::Drop { instance });
                }
                self.held.insert(instance, Held::Parked(keep.then_some(job)));
                let throttle = self.works[scope.index()].throttle.as_mut().expect("it refused");
                throttle.parked.entry(item).or_default().push(instance);
            }
        }
    }

    /// Counts the items around a place as at work, or says which scope has no room for which item. Where an inner scope
    /// has no room, the items around it are at work already, so nothing is counted in vain.
    fn occupy(&mut self, place: Place) -> Result<(), (ScopeId, u32)> {
        if !self.works[place.scope.index()].throttled {
            return Ok(());
        }
        let mut around = Vec::new();
        let (mut scope, mut item) = (place.scope, place.item);
        while let Some(work) = Some(&self.works[scope.index()]).filter(|work| work.throttled) {
            if work.throttle.is_some() {
                around.push((scope, item));
            }
            (scope, item) = self.ledger.space.scopes()[scope].parent;
        }
        for (scope, item) in around.into_iter().rev() {
            let throttle = self.works[scope.index()].throttle.as_mut().expect("only those were taken");
            let busy = &mut throttle.items[item as usize].0;
            if *busy {
                continue;
            }
            if throttle.busy >= throttle.max {
                return Err((scope, item));
            }
            *busy = true;
            throttle.busy += 1;
        }
        Ok(())
    }

    /// A throttle has room: the next parked items go to work, in their order.
    pub(super) fn unpark(&mut self, scope: ScopeId, out: &mut Out) {
        loop {
            let throttle = self.works[scope.index()].throttle.as_mut().expect("it has room");
            if throttle.busy >= throttle.max {
                return;
            }
            let Some((item, parked)) = throttle.parked.pop_first() else { return };
            throttle.busy += 1;
            throttle.items[item as usize].0 = true;
            for instance in parked {
                let Some(Held::Parked(job)) = self.held.remove(&instance) else {
                    unreachable!("what is parked is held so")
                };
                match job {
                    Some(job) => {
                        let queue = &mut self.queues[self.ledger.space.place(instance).node.index()];
                        queue.kept -= 1;
                        queue.ahead += 1;
                        self.line_up(instance, job, out);
                    }
                    None => self.prepare_again(instance),
                }
            }
        }
    }

    /// Starts what fits, best rank first.
    pub(super) fn admit(&mut self, out: &mut Out) {
        let mut walk = Walk::default();
        while let Some((rank, shape)) = self.budget.next(&mut walk) {
            self.budget.pop(shape);
            let instance = InstanceId(rank as u32);
            let node = self.ledger.space.place(instance).node;
            let Some(Held::InLine(job)) = self.held.remove(&instance) else {
                unreachable!("what is in line is held so")
            };
            if let Some(job) = self.unless_known(instance, node, job, out) {
                let gpus = self.budget.take(shape, &mut walk);
                self.served(node);
                match job.key {
                    Some(key) => self.ask(instance, key, job, gpus, out),
                    None => self.start(instance, job, gpus, out),
                }
            }
        }
        self.budget.end(walk);
    }

    /// What could start asks whether another process computes its key. It has its resources already, so that the answer
    /// is all that it waits for: who holds a lease never waits for anything.
    fn ask(&mut self, instance: InstanceId, key: Key, job: Job, gpus: Box<[u32]>, out: &mut Out) {
        self.flights.entry(key).or_insert_with(|| Flight { leader: instance, followers: Vec::new() });
        self.held.insert(instance, Held::Asks { job, gpus });
        out.effect(Effect::Lease { instance, key });
    }

    /// The answer: it starts, or gives everything back and is prepared again, at once or later.
    pub(super) fn leased(&mut self, instance: InstanceId, key: Key, answer: Leased, out: &mut Out) {
        let waits = self.phase == Phase::Going && matches!(self.held.get(&instance), Some(Held::Asks { .. }));
        let Some(Held::Asks { job, gpus }) = waits.then(|| self.held.remove(&instance)).flatten() else {
            if answer == Leased::Ours {
                out.effect(Effect::Release { key });
            }
            return;
        };
        if answer == Leased::Ours {
            self.elsewhere.remove(&instance);
            return self.start(instance, job, gpus, out);
        }
        self.give_back(instance, job, &gpus, out);
        let before = self.elsewhere.remove(&instance);
        let Leased::Elsewhere(by) = answer else {
            self.land(key, instance, None, out);
            return self.prepare_again(instance);
        };
        let looks = before.as_ref().map_or(0, |before| before.looks);
        if before.is_none_or(|before| before.by != by) {
            out.event(Event::Elsewhere { instance, by: Arc::clone(&by) });
        }
        self.elsewhere.insert(instance, Elsewhere { key, by, looks: looks + 1 });
        self.held.insert(instance, Held::Elsewhere);
        self.delayed.insert((out.now + LOOK.checked_shl(looks).unwrap_or(LONGEST_LOOK).min(LONGEST_LOOK), instance));
    }

    /// What waited for another process was prepared again: unless it asks once more, its flight is over.
    pub(super) fn seen_elsewhere(&mut self, instance: InstanceId, answer: &Prepared, out: &mut Out) {
        let Some(Elsewhere { key, .. }) = self.elsewhere.get(&instance) else { return };
        let key = *key;
        let results = match answer {
            Prepared::Run { key: Some(again), .. } if *again == key => return,
            Prepared::Hit { key: found, results } if *found == key => Some(Arc::clone(results)),
            _ => None,
        };
        self.elsewhere.remove(&instance);
        if let Some(results) = &results {
            self.ledger.results[instance.index()] = Some(Arc::clone(results));
        }
        self.land(key, instance, results, out);
    }

    /// Takes back what an instance had that was about to start.
    pub(super) fn give_back(&mut self, instance: InstanceId, job: Job, gpus: &[u32], out: &mut Out) {
        self.budget.give(job.shape, gpus);
        self.budget.forget(job.shape);
        out.effect(Effect::Drop { instance });
    }

    fn start(&mut self, instance: InstanceId, job: Job, gpus: Box<[u32]>, out: &mut Out) {
        let attempt = self.ledger.attempt(instance) + 1;
        self.ledger.attempts[instance.index()] = attempt;
        self.ledger.set(instance, true, State::Submitted);
        self.ledger.at_work.insert(instance, AtWork { instance, attempt, since: out.now, started: false });
        out.event(Event::Submitted { instance, attempt, key: job.key, why: job.why.clone() });
        let ids = self.budget.gpu_ids(job.shape, &gpus);
        out.effect(Effect::Start { instance, attempt, gpus: ids });
        self.held.insert(instance, Held::Given { job, gpus, stopping: false });
    }

    fn rank(&self, instance: InstanceId, node: NodeId) -> Rank {
        Rank::from(self.graph.info(node).class) << 32 | Rank::from(instance.0)
    }
}
