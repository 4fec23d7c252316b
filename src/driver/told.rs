//! What a rehearsal found, told instance by instance in the order of the plan: a plan may hold a million, so that nothing
//! is kept of an instance but what the engine and the workshop have.

use crate::base::InstanceId;
use crate::base::digest::Half;
use crate::base::text::and;
use crate::driver::dry::Failures;
use crate::driver::lease;
use crate::driver::prepare::{Dry, Looked, Workshop};
use crate::driver::settings::{Action, Error, Planned, Reason};
use crate::engine::key::Change;
use crate::engine::{Engine, State, Why};
use crate::plan::NodeKind;
use crate::port::forecast::{ForecastCounts, Instances};
use crate::port::submission::Handed;
use crate::port::{Job, Lease, Made};
use rustc_hash::FxHashMap;
use std::sync::{Arc, PoisonError};

/// A plan that was rehearsed.
pub struct Told {
    engine: Engine,
    workshop: Workshop,
    failures: Failures,
    /// Keys at work in other processes.
    elsewhere: FxHashMap<Half, Lease>,
    /// In the order of the plan.
    order: Vec<InstanceId>,
    /// Instances whose key an earlier one has.
    same: FxHashMap<InstanceId, InstanceId>,
}

/// What becomes of an instance.
enum Fate<'a> {
    Cached,
    Fails(&'a str),
    Waits,
    /// Takes the result of this one.
    Same(InstanceId),
    Elsewhere(&'a Lease),
    Runs,
}

impl Fate<'_> {
    fn action(&self) -> Action {
        match self {
            Self::Cached => Action::Cached,
            Self::Fails(_) => Action::Fail,
            Self::Waits | Self::Same(_) | Self::Elsewhere(_) => Action::Unknown,
            Self::Runs => Action::Run,
        }
    }
}

impl Told {
    /// Of what a rehearsal left.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of((workshop, engine, failures): (Workshop, Engine, Failures)) -> Result<Self, Error> {
        let leases = workshop.store.lock().unwrap_or_else(PoisonError::into_inner).leases().map_err(Error::Store)?;
        let elsewhere = leases.into_iter().map(|(key, lease)| (key.half(), lease)).collect();
        let mut order: Vec<InstanceId> = (0..engine.ledger().space().instances()).map(InstanceId).collect();
        order.sort_by_key(|instance| {
            let place = engine.place(*instance);
            (place.node, place.scope, place.item)
        });
        let mut told = Self { engine, workshop, failures, elsewhere, order, same: FxHashMap::default() };
        told.same = told.find_same();
        Ok(told)
    }

    /// Of instances that would run under one key all but the first.
    fn find_same(&self) -> FxHashMap<InstanceId, InstanceId> {
        let mut keys: Vec<(Half, u32)> = Vec::new();
        for (at, instance) in self.order.iter().enumerate() {
            if let (true, Some(key)) = (self.would_run(*instance), self.looked(*instance).and_then(|looked| looked.key))
            {
                keys.push((key, at as u32));
            }
        }
        keys.sort_unstable();
        let mut same = FxHashMap::default();
        let mut first = None;
        for (key, at) in keys {
            match first {
                Some((known, leader)) if known == key => {
                    same.insert(self.order[at as usize], leader);
                }
                _ => first = Some((key, self.order[at as usize])),
            }
        }
        same
    }

    fn looked(&self, instance: InstanceId) -> Option<Looked> {
        self.workshop.looked(instance)
    }

    fn is_task(&self, instance: InstanceId) -> bool {
        matches!(self.workshop.plan.nodes[self.engine.place(instance).node].kind, NodeKind::Task(_))
    }

    fn would_run(&self, instance: InstanceId) -> bool {
        use State::{Delayed, Ready, Running, Submitted, Unknown};
        matches!(self.engine.state(instance), Ready | Submitted | Running | Delayed | Unknown) && self.is_task(instance)
    }

    /// `None`: there is nothing to tell of it.
    fn fate(&self, instance: InstanceId) -> Option<Fate<'_>> {
        match self.engine.state(instance) {
            State::Cached => Some(Fate::Cached),
            State::Failed | State::Ignored => self.failures.get(&instance).map(|message| Fate::Fails(message)),
            State::Waiting { .. } | State::Preparing | State::Cancelled => {
                let tells = self.is_task(instance) || self.engine.ledger().space().scope_of(instance).is_none();
                tells.then_some(Fate::Waits)
            }
            _ if !self.would_run(instance) => None,
            _ => Some(match self.same.get(&instance) {
                Some(first) => Fate::Same(*first),
                None => match self.looked(instance).and_then(|looked| self.elsewhere.get(&looked.key?)) {
                    Some(lease @ Lease::Held { .. }) => Fate::Elsewhere(lease),
                    _ => Fate::Runs,
                },
            }),
        }
    }

    /// Instances by action.
    pub fn counts(&self) -> ForecastCounts {
        let mut counts = ForecastCounts::default();
        for fate in self.order.iter().filter_map(|instance| self.fate(*instance)) {
            *match fate.action() {
                Action::Run => &mut counts.run,
                Action::Cached => &mut counts.cached,
                Action::Unknown => &mut counts.unknown,
                Action::Fail => &mut counts.fail,
            } += 1;
        }
        counts
    }

    /// Each instance with what is told of it.
    pub fn each(&self, visit: &mut dyn FnMut(Planned, Option<Looked>)) {
        let said = |text: String| vec![Reason { component: text.into(), old: None, new: None }];
        for instance in &self.order {
            let Some(fate) = self.fate(*instance) else { continue };
            let looked = self.looked(*instance);
            let reasons = match &fate {
                Fate::Cached => Vec::new(),
                Fate::Fails(message) => said((*message).to_owned()),
                Fate::Waits => said(self.waits(*instance)),
                Fate::Same(first) => {
                    said(format!("takes the result of `{}`, which has the same key", self.engine.name(*first)))
                }
                Fate::Elsewhere(Lease::Held { run, user, host }) => {
                    said(format!("computed now by {}", lease::told(*run, user, host)))
                }
                _ => looked.iter().flat_map(|looked| looked.reasons.iter()).map(reason).collect(),
            };
            let planned = Planned {
                name: self.engine.name(*instance).into(),
                node: self.workshop.plan.nodes[self.engine.place(*instance).node].path.clone(),
                action: fate.action(),
                reasons,
                made: None,
                why: None,
                components: Vec::new(),
                container: None,
            };
            visit(planned, looked);
        }
    }

    /// What would be submitted at once; `None`: no backend gathers instances.
    pub fn handed(&self) -> Option<Vec<Handed>> {
        if self.workshop.dry != Some(Dry::Jobs) {
            return None;
        }
        let mut handed = Vec::new();
        for instance in &self.order {
            // Whether another process computes it, a run asks when there is room.
            let room = self.engine.state(*instance) == State::Submitted
                || matches!(self.engine.why_waiting(*instance), Why::Lease);
            let job = |looked: Looked| looked.more.and_then(|more| more.job.clone());
            if let (true, Some(Fate::Runs)) = (room, self.fate(*instance))
                && let Some(job) = self.looked(*instance).and_then(job)
            {
                let node = self.workshop.plan.nodes[self.engine.place(*instance).node].path.clone();
                handed.push(Handed { node, job: Job { name: self.engine.name(*instance).into(), ..job } });
            }
        }
        Some(handed)
    }

    /// What an instance waits for, in words: by node, so that the items of a map say the same.
    fn waits(&self, instance: InstanceId) -> String {
        let Why::Needs(needs) = self.engine.why_waiting(instance) else {
            return "needs something that cannot run".to_owned();
        };
        let mut paths: Vec<&str> = Vec::new();
        for need in needs {
            let path = &*self.workshop.plan.nodes[self.engine.place(need).node].path;
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        match paths.as_slice() {
            [] => "waits for something that runs".to_owned(),
            paths => format!("waits for {}", and(paths.iter().copied())),
        }
    }

    /// Where cached results come from, for instances in the order of the plan.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn origins(&self, planned: &mut [Planned]) -> Result<(), Error> {
        let mut store = self.workshop.store.lock().unwrap_or_else(PoisonError::into_inner);
        for group in planned.chunk_by_mut(|a, b| a.node == b.node) {
            let cached: Vec<&mut Planned> = group.iter_mut().filter(|one| one.action == Action::Cached).collect();
            let names: Vec<Arc<str>> = cached.iter().map(|one| one.name.clone()).collect();
            let Some(first) = cached.first() else { continue };
            let entries = store.latest(&self.workshop.plan.name, &first.node, &names).map_err(Error::Store)?;
            for (one, entry) in cached.into_iter().zip(entries) {
                one.made = entry.map(|entry| -> Made { entry.made });
            }
        }
        Ok(())
    }
}

impl Instances for Told {
    fn each(&self, visit: &mut dyn FnMut(Planned)) {
        Told::each(self, &mut |planned, _| visit(planned));
    }
}

fn reason(change: &Change) -> Reason {
    Reason { component: change.component.clone(), old: change.old.clone(), new: change.new.clone() }
}
