//! What is known of every instance: its state, attempts and results. The engine keeps one, and so does whoever reads a
//! journal ([`Fold`](crate::engine::Fold)); both change a state by [`Ledger::set`] alone, which keeps the counts.

use crate::base::id::{Id, ScopeId};
use crate::base::{InstanceId, NodeId};
use crate::engine::api::{AtWork, Counts, Failed, Raised, State};
use crate::engine::space::{ROOT, Space};
use crate::event::Results;
use crate::plan::{NodeKind, Plan};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

impl State {
    /// Whether nothing more will happen to it in this run.
    pub fn is_end(self) -> bool {
        use State::*;
        matches!(self, Succeeded | Cached | Failed | Ignored | Skipped | Cancelled | Unwanted)
    }

    /// Whether a backend has it.
    pub fn is_at_work(self) -> bool {
        matches!(self, State::Submitted | State::Running | State::Unknown)
    }

    /// The table of legal moves, the only one.
    fn may_become(self, to: State) -> bool {
        use State::*;
        match self {
            Waiting { .. } => {
                matches!(to, Waiting { .. } | Preparing | Running | Failed | Ignored | Skipped | Cancelled)
            }
            Preparing => matches!(to, Ready | Running | Cached | Failed | Ignored | Skipped | Cancelled),
            Ready => matches!(to, Preparing | Submitted | Cached | Cancelled),
            // As it was before it was made again.
            Delayed => matches!(to, Preparing | Cached | Cancelled),
            Submitted => matches!(to, Running | Unknown | Succeeded | Failed | Ignored | Delayed | Ready | Cancelled),
            Running => matches!(to, Unknown | Succeeded | Failed | Ignored | Delayed | Ready | Cancelled),
            Unknown => matches!(to, Running | Succeeded | Failed | Ignored | Delayed | Ready | Cancelled),
            // An output that `keep` let go is made again.
            Succeeded | Cached => matches!(to, Ready),
            Failed | Ignored | Skipped | Cancelled | Unwanted => false,
        }
    }

    /// What a reader of the journal can know of it.
    pub fn as_told(self) -> State {
        match self {
            State::Waiting { .. } | State::Preparing | State::Ready | State::Delayed => State::Waiting { missing: 0 },
            told => told,
        }
    }
}

impl Counts {
    fn of(&mut self, state: State) -> Option<&mut u32> {
        use State::*;
        match state {
            Waiting { .. } | Preparing | Ready | Delayed => Some(&mut self.waiting),
            Submitted | Running | Unknown => Some(&mut self.running),
            Succeeded => Some(&mut self.succeeded),
            Cached => Some(&mut self.cached),
            Failed => Some(&mut self.failed),
            Ignored => Some(&mut self.ignored),
            Skipped => Some(&mut self.skipped),
            Cancelled => Some(&mut self.cancelled),
            Unwanted => None,
        }
    }
}

/// The state of every instance of a run.
#[derive(Clone)]
pub struct Ledger {
    pub(super) space: Space,
    states: Vec<State>,
    pub(super) attempts: Vec<u32>,
    pub(super) results: Vec<Option<Results>>,
    pub(super) counts: Counts,
    pub(super) at_work: BTreeMap<InstanceId, AtWork>,
    pub(super) failures: BTreeMap<InstanceId, Failed>,
    pub(super) tallies: FxHashMap<InstanceId, Tally>,
}

/// How often attempts of an instance have failed, over all processes of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Failures that count.
    pub failures: u32,
    /// Attempts that were lost.
    pub losses: u32,
    /// Those that had too little.
    pub raised: Raised,
}

impl Ledger {
    /// The root's instances, all waiting; `wanted` as in [`Options`](crate::engine::Options).
    pub(super) fn new(plan: Arc<Plan>, wanted: &[bool]) -> Self {
        let mut ledger = Self {
            space: Space::new(plan),
            states: Vec::new(),
            attempts: Vec::new(),
            results: Vec::new(),
            counts: Counts::default(),
            at_work: BTreeMap::new(),
            failures: BTreeMap::new(),
            tallies: FxHashMap::default(),
        };
        ledger.furnish(ROOT);
        for (slot, _) in wanted.iter().enumerate().filter(|(_, wanted)| !**wanted) {
            let instance = InstanceId::from_index(slot);
            ledger.force(instance, ledger.is_task(instance), State::Unwanted);
        }
        ledger
    }

    /// Gives the instances of new scopes, from this one on, their rows.
    pub(super) fn furnish_from(&mut self, first: ScopeId) {
        for scope in first.index()..self.space.scopes().len() {
            self.furnish(ScopeId::from_index(scope));
        }
    }

    /// Gives a new scope's instances their rows, all waiting.
    pub(super) fn furnish(&mut self, scope: ScopeId) {
        let s = &self.space.scopes()[scope];
        let plan = self.space.plan();
        let nodes = &plan.bodies[s.body].nodes;
        let tasks = nodes.iter().filter(|n| matches!(plan.nodes[**n].kind, NodeKind::Task(_))).count();
        self.counts.waiting += u32::try_from(tasks).expect("a node has a `u32` id") * s.len;
        let rows = s.first.index() + nodes.len() * s.len as usize;
        self.states.resize(rows, State::Waiting { missing: 0 });
        self.attempts.resize(rows, 0);
        self.results.resize(rows, None);
    }

    /// The one place where a state changes. `task`: whether the instance is a task's, for only those are counted.
    pub(super) fn set(&mut self, instance: InstanceId, task: bool, to: State) {
        let from = self.states[instance.index()];
        assert!(from.may_become(to), "`{}` cannot go from {from:?} to {to:?}", self.space.name(instance));
        self.force(instance, task, to);
    }

    /// Changes a state without the table: for what is read from a journal, where the states between are not told.
    pub(super) fn force(&mut self, instance: InstanceId, task: bool, to: State) {
        let state = &mut self.states[instance.index()];
        let from = std::mem::replace(state, to);
        if task {
            if let Some(count) = self.counts.of(from) {
                *count -= 1;
            }
            if let Some(count) = self.counts.of(to) {
                *count += 1;
            }
        }
    }

    /// The state of an instance.
    pub fn state(&self, instance: InstanceId) -> State {
        self.states[instance.index()]
    }
    /// All states by instance.
    pub fn states(&self) -> &[State] {
        &self.states
    }
    /// Whether the instance is a task's, not that of a node that holds others.
    pub fn is_task(&self, instance: InstanceId) -> bool {
        self.is_task_node(self.space.place(instance).node)
    }
    fn is_task_node(&self, node: NodeId) -> bool {
        matches!(self.space.plan().nodes[node].kind, NodeKind::Task(_))
    }
    /// Scopes, places and names.
    pub fn space(&self) -> &Space {
        &self.space
    }
    /// How many task instances are in each state.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
    /// The last attempt of an instance; 0: none was made.
    pub fn attempt(&self, instance: InstanceId) -> u32 {
        self.attempts[instance.index()]
    }
    /// How often attempts of an instance have failed.
    pub fn tally(&self, instance: InstanceId) -> Tally {
        self.tallies.get(&instance).copied().unwrap_or_default()
    }
    /// What an instance gave, of those that succeeded (or are cached, as far as the owner of this ledger knows).
    pub fn results(&self, instance: InstanceId) -> Option<&Results> {
        self.results[instance.index()].as_ref()
    }
    /// What backends have, by instance.
    pub fn at_work(&self) -> impl Iterator<Item = &AtWork> {
        self.at_work.values()
    }
    /// What failed by itself, by instance.
    pub fn failures(&self) -> impl Iterator<Item = &Failed> {
        self.failures.values()
    }
}
