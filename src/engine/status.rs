//! What others may ask the engine, for displays and messages.

use crate::base::InstanceId;
use crate::base::id::Id;
use crate::engine::api::*;
use crate::engine::ledger::Ledger;
use crate::engine::machine::{Engine, Held, Phase, limit_name};

impl Engine {
    /// The state of every instance, scopes and names.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    /// `gen_data`, `process_data[17].compute`, `align[NA12878]`.
    pub fn name(&self, instance: InstanceId) -> String {
        self.ledger.space.name(instance)
    }
    /// Where an instance stands.
    pub fn place(&self, instance: InstanceId) -> Place {
        self.ledger.space.place(instance)
    }
    /// The state of an instance.
    pub fn state(&self, instance: InstanceId) -> State {
        self.ledger.state(instance)
    }
    /// How many task instances are in each state.
    pub fn counts(&self) -> &Counts {
        self.ledger.counts()
    }
    /// What backends have, by instance.
    pub fn running(&self) -> impl Iterator<Item = &AtWork> {
        self.ledger.at_work()
    }
    /// What failed by itself, by instance.
    pub fn failures(&self) -> impl Iterator<Item = &Failed> {
        self.ledger.failures()
    }

    /// Why an instance has not started.
    pub fn why_waiting(&self, instance: InstanceId) -> Why {
        let state = self.ledger.state(instance);
        if state.is_end() || state.is_at_work() {
            return Why::NotWaiting;
        }
        if matches!(self.phase, Phase::Failing | Phase::Stopping | Phase::Over) {
            return Why::Stopping;
        }
        match state {
            State::Waiting { .. } => self.why_not_ripe(instance),
            State::Preparing => Why::Preparing,
            State::Delayed => Why::Delayed,
            _ => match self.held.get(&instance) {
                None => Why::Queue,
                Some(Held::Follows(leader)) => Why::SameKey(*leader),
                Some(Held::Asks { .. }) => Why::Lease,
                Some(Held::Elsewhere) => match self.elsewhere.get(&instance) {
                    Some(elsewhere) => Why::Elsewhere(elsewhere.by.clone()),
                    None => Why::Turn,
                },
                Some(Held::Bytes { .. }) => {
                    let again = self.keeps.again.iter().filter(|(_, again)| again.waiting.contains(&instance));
                    Why::Needs(again.map(|(made, _)| *made).collect())
                }
                Some(Held::Parked(_)) => self.why_parked(instance),
                Some(Held::InLine(job) | Held::Given { job, .. }) => {
                    let lacking = self.budget.lacking(job.shape, |i| limit_name(&self.graph.plan, i));
                    if lacking.is_empty() { Why::Turn } else { Why::Resources(lacking) }
                }
            },
        }
    }

    fn why_not_ripe(&self, instance: InstanceId) -> Why {
        let place = self.ledger.space.place(instance);
        let space = &self.ledger.space;
        let mut needs: Vec<InstanceId> = Vec::new();
        for dep in &self.graph.plan.nodes[place.node].deps {
            let (scope, item) = space.out(place.scope, place.item, dep.up);
            needs.push(space.instance(scope, dep.node, item));
        }
        needs.retain(|need| !self.ledger.state(*need).is_end());
        if self.works[place.scope.index()].closed {
            needs.extend(space.scopes()[place.scope].owner);
        }
        if needs.is_empty() { Why::Queue } else { Why::Needs(needs) }
    }

    fn why_parked(&self, instance: InstanceId) -> Why {
        let place = self.ledger.space.place(instance);
        let mut full = None;
        let (mut scope, mut item) = (place.scope, place.item);
        while let Some(owner) = self.ledger.space.scopes()[scope].owner {
            if self.works[scope.index()].throttle.as_ref().is_some_and(|t| !t.items[item as usize].0) {
                full = Some(owner);
            }
            (scope, item) = self.ledger.space.scopes()[scope].parent;
        }
        full.map_or(Why::Turn, Why::Throttle)
    }
}
