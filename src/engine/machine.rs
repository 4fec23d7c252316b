//! The machine itself: what is in it, and what each input does. Waking what waits is in `flow`, handing out work in
//! `supply`, nodes that hold others in `bodies`.

use crate::base::digest::Key;
use crate::base::id::{Id, ScopeId};
use crate::base::{InstanceId, NodeId, Value};
use crate::engine::api::*;
use crate::engine::budget::{Budget, ShapeId};
use crate::engine::graph::Graph;
use crate::engine::keep::Keeps;
use crate::engine::ledger::Ledger;
use crate::engine::policy::Watch;
use crate::engine::space::ROOT;
use crate::engine::values::Gathered;
use crate::event::{Cause, Event, Failure, LogRange, MapEnd, Outcome, Results, RunState, Time};
use crate::plan::Plan;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The state machine of a run.
pub struct Engine {
    pub(super) graph: Arc<Graph>,
    pub(super) options: Options,
    pub(super) ledger: Ledger,
    pub(super) phase: Phase,
    pub(super) works: Vec<Work>,
    pub(super) queues: Vec<Queue>,
    /// Nodes whose queue may be served again.
    pub(super) hungry: Vec<NodeId>,
    pub(super) budget: Budget,
    /// Instances that are ready, or with a backend.
    pub(super) held: FxHashMap<InstanceId, Held>,
    /// Keys at work, and who waits for their end.
    pub(super) flights: FxHashMap<Key, Flight>,
    /// Keys that ended well in this run (their first half: 16 bytes of BLAKE3 tell a million keys apart).
    pub(super) settled: FxHashMap<[u8; 16], InstanceId>,
    /// Ended instances whose dependents have not been told.
    pub(super) ended: VecDeque<InstanceId>,
    /// Lists through maps that were built for a reader.
    pub(super) lists: FxHashMap<Gathered, Value>,
    /// The records of maps and the like that name their results; of a loop its results.
    pub(super) records: FxHashMap<InstanceId, Value>,
    /// Maps and the like whose records are being made, and how they will end.
    pub(super) recording: FxHashMap<InstanceId, MapEnd>,
    /// What another process computed when it was looked at last.
    pub(super) elsewhere: FxHashMap<InstanceId, Elsewhere>,
    /// Loops of which it is asked whether there is another iteration, and the one that has ended.
    pub(super) turning: FxHashMap<InstanceId, ScopeId>,
    /// Outputs that go, and what is made again.
    pub(super) keeps: Keeps,
    /// Retries, and looks at what is computed elsewhere, by the time when they are due.
    pub(super) delayed: BTreeSet<(Time, InstanceId)>,
    /// The time of the last `Wake`, until it has come.
    pub(super) woken: Option<Time>,
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before `Begin`.
    Fresh { resumed: bool },
    /// New work starts.
    Going,
    /// Something failed: what runs ends, the rest was cancelled.
    Failing,
    /// Stopped from outside: what runs is asked to end, the rest is left for a later process.
    Stopping,
    /// `Done` was said.
    Over,
}

/// What the engine counts of a scope.
pub(super) struct Work {
    /// Instances that have not ended.
    pub(super) open: u32,
    pub(super) failed: bool,
    pub(super) cancelled: bool,
    /// Whether its owner waits again, after a restore: nothing in it starts.
    pub(super) closed: bool,
    /// Whether this scope or one around it has a throttle.
    pub(super) throttled: bool,
    /// One for each slot.
    pub(super) gates: Box<[Gate]>,
    pub(super) throttle: Option<Box<Throttle>>,
    pub(super) watch: Option<Box<Watch>>,
}

/// What all instances of a slot wait for: nodes further out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    pub(super) missing: u32,
    /// Known once nothing is missing.
    pub(super) fate: Fate,
}

/// What becomes of an instance when all that it needs has ended. The worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Go,
    Skip,
    /// What it requires of a map is not met.
    Refuse,
    Cancel,
}

/// `max_parallel`: an item is at work from when its first instance must run until all of its instances have ended.
pub(super) struct Throttle {
    pub(super) max: u32,
    pub(super) busy: u32,
    /// Of each item: whether it is at work, and how many of its instances have not ended.
    pub(super) items: Vec<(bool, u32)>,
    /// Ready instances of items that are not at work.
    pub(super) parked: BTreeMap<u32, Vec<InstanceId>>,
}

/// What the engine counts of a node.
#[derive(Default)]
pub(super) struct Queue {
    /// All that they need has ended; state `Waiting`.
    pub(super) ripe: Runs,
    /// To be prepared once more, before the others; state `Ready` or `Delayed`.
    pub(super) again: VecDeque<InstanceId>,
    /// Being prepared, or prepared and in line for resources.
    pub(super) ahead: u32,
    /// Parked instances whose job the driver keeps.
    pub(super) kept: u32,
    pub(super) hungry: bool,
}

/// A queue of instances in which neighbours take no space.
#[derive(Default)]
pub(super) struct Runs(VecDeque<(u32, u32)>);

impl Runs {
    pub(super) fn push(&mut self, instance: InstanceId) {
        match self.0.back_mut() {
            Some((_, end)) if *end == instance.0 => *end += 1,
            _ => self.0.push_back((instance.0, instance.0 + 1)),
        }
    }
    pub(super) fn pop(&mut self) -> Option<InstanceId> {
        let (first, end) = self.0.front_mut()?;
        let instance = InstanceId(*first);
        *first += 1;
        if first == end {
            self.0.pop_front();
        }
        Some(instance)
    }
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A prepared job, which the driver keeps.
pub(super) struct Job {
    pub(super) shape: ShapeId,
    pub(super) key: Option<Key>,
    pub(super) why: Option<Arc<str>>,
}

/// Why an instance is where it is.
pub(super) enum Held {
    /// In line for resources.
    InLine(Job),
    /// Its item must wait for another item's end; without a job it is prepared again.
    Parked(Option<Job>),
    /// Waits for the end of another one with its key.
    Follows(InstanceId),
    /// Has what it needs, and waits for the lease on its key.
    Asks { job: Job, gpus: Box<[u32]> },
    /// Another process computes its key.
    Elsewhere,
    /// So many that it reads are made again first.
    Bytes { missing: u32 },
    /// A backend has it.
    Given {
        job: Job,
        gpus: Box<[u32]>,
        /// Whether it was asked to stop.
        stopping: bool,
    },
}

/// One key at work.
pub(super) struct Flight {
    pub(super) leader: InstanceId,
    pub(super) followers: Vec<InstanceId>,
}

/// A key at work in another process. Who waits for it leads a flight as if it were at work here.
pub(super) struct Elsewhere {
    pub(super) key: Key,
    /// Which one.
    pub(super) by: Arc<str>,
    /// How often it was looked at in vain.
    pub(super) looks: u32,
}

/// Where a step writes.
pub(super) struct Out<'a> {
    pub(super) now: Time,
    events: &'a mut Vec<Event>,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Out<'_> {
    pub(super) fn event(&mut self, event: Event) {
        self.events.push(event);
    }
    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
    /// One instance went to a state that is told in ranges: the last event grows where it can.
    pub(super) fn ended(&mut self, instance: InstanceId, state: State) {
        let (from, count) = match (self.events.last_mut(), state) {
            (Some(Event::Cached { from, count }), State::Cached) => (from, count),
            (Some(Event::Skipped { from, count }), State::Skipped) => (from, count),
            (Some(Event::Cancelled { from, count }), State::Cancelled) => (from, count),
            _ => return self.event(one(instance, state)),
        };
        if from.0 + *count == instance.0 {
            *count += 1;
        } else {
            self.event(one(instance, state));
        }
    }
}

fn one(from: InstanceId, state: State) -> Event {
    match state {
        State::Cached => Event::Cached { from, count: 1 },
        State::Skipped => Event::Skipped { from, count: 1 },
        State::Cancelled => Event::Cancelled { from, count: 1 },
        other => unreachable!("{other:?} is not told in ranges"),
    }
}

/// Half a key.
impl Engine {
    /// A run that has not begun.
    pub fn new(plan: Arc<Plan>, capacities: impl Into<Capacities>, options: Options) -> Self {
        let ledger = Ledger::new(Arc::clone(&plan), &options.wanted);
        Self::with(plan, capacities.into(), options, ledger, false)
    }

    pub(super) fn with(
        plan: Arc<Plan>,
        capacities: Capacities,
        options: Options,
        ledger: Ledger,
        resumed: bool,
    ) -> Self {
        let mut engine = Self {
            keeps: Keeps::new(&plan),
            queues: plan.nodes.ids().map(|_| Queue::default()).collect(),
            graph: Arc::new(Graph::new(plan, &options.times)),
            options,
            ledger,
            phase: Phase::Fresh { resumed },
            works: Vec::new(),
            hungry: Vec::new(),
            budget: Budget::new(capacities),
            held: FxHashMap::default(),
            flights: FxHashMap::default(),
            settled: FxHashMap::default(),
            ended: VecDeque::new(),
            lists: FxHashMap::default(),
            records: FxHashMap::default(),
            recording: FxHashMap::default(),
            elsewhere: FxHashMap::default(),
            turning: FxHashMap::default(),
            delayed: BTreeSet::new(),
            woken: None,
        };
        let scopes: Vec<ScopeId> = engine.ledger.space.scopes().ids().collect();
        for scope in scopes {
            engine.furnish(scope, scope != ROOT);
        }
        engine
    }

    /// Takes one input; appends what changed and what is to be done. `now` is the driver's clock.
    ///
    /// `events` may hold what earlier steps of the same turn of the driver appended; a range at its end may grow.
    pub fn step(&mut self, now: Time, input: Input, events: &mut Vec<Event>, effects: &mut Vec<Effect>) {
        let out = &mut Out { now, events, effects };
        match input {
            Input::Begin { by } => self.begin(by, out),
            Input::Listed { instance, answer } => self.listed(instance, answer, out),
            Input::Prepared(answers) => {
                for (instance, answer) in answers {
                    self.prepared(instance, answer, out);
                }
            }
            Input::Leased(answers) => {
                for (instance, key, answer) in answers {
                    self.leased(instance, key, answer, out);
                }
            }
            Input::Recorded { instance, answer } => self.recorded(instance, answer, out),
            Input::Turned { instance, index, answer } => self.turned(instance, index, answer, out),
            Input::Started { instance, attempt, log, host } => self.started(instance, attempt, (log, host), out),
            Input::Ended { instance, attempt, outcome } => self.attempt_ended(instance, attempt, outcome, out),
            Input::Stop(stop) => self.stop(stop, out),
            Input::Tick => {}
        }
        loop {
            self.tell_dependents(out);
            if self.phase == Phase::Going {
                self.take_due(now);
                self.admit(out);
                self.prepare_more(out);
            }
            if self.ended.is_empty() {
                break;
            }
        }
        self.wake(out);
        self.close(out);
    }

    fn begin(&mut self, by: Arc<str>, out: &mut Out) {
        let Phase::Fresh { resumed } = self.phase else { return };
        self.phase = Phase::Going;
        out.event(if resumed { Event::Resumed { by } } else { Event::Begun { by } });
        self.let_go_again(out);
        let slots = self.works[ROOT.index()].gates.len();
        for slot in 0..slots {
            self.open_gate(ROOT, u32::try_from(slot).expect("a node has a `u32` id"), out);
        }
    }

    fn listed(&mut self, map: InstanceId, answer: ListAnswer, out: &mut Out) {
        if !self.expects(map, State::Preparing, false) {
            return;
        }
        let node = self.ledger.space.place(map).node;
        self.served(node);
        match answer {
            ListAnswer::Skip => {
                out.ended(map, State::Skipped);
                self.end(map, State::Skipped);
            }
            ListAnswer::Failed(error) => self.refuse(map, error, out),
            ListAnswer::Items(list) => self.begin_body(map, list, out),
        }
    }

    fn prepared(&mut self, instance: InstanceId, answer: Prepared, out: &mut Out) {
        if !self.expects(instance, State::Preparing, true) {
            if matches!(answer, Prepared::Run { .. }) {
                out.effect(Effect::Drop { instance });
            }
            return;
        }
        if self.is_stale(instance, &answer, out) {
            return;
        }
        let node = self.ledger.space.place(instance).node;
        self.seen_elsewhere(instance, &answer, out);
        match answer {
            Prepared::Known { results, gone, .. } => {
                self.served(node);
                self.known(instance, results, &gone, out);
            }
            Prepared::Hit { results, .. } => {
                self.served(node);
                self.cached(instance, results, out);
            }
            Prepared::Skip => {
                self.served(node);
                out.ended(instance, State::Skipped);
                self.end(instance, State::Skipped);
            }
            Prepared::Failed(error) => {
                self.served(node);
                self.refuse(instance, error, out);
            }
            Prepared::Run { .. } if self.waits_for_bytes(instance, out) => {}
            Prepared::Run { key, needs, why } => {
                let plan = Arc::clone(&self.graph.plan);
                if let Some((name, asks, there)) = self.budget.beyond(&needs, |i| limit_name(&plan, i)) {
                    self.served(node);
                    out.effect(Effect::Drop { instance });
                    let message = format!("it needs {asks} of `{name}`, and there are {there} in all");
                    self.refuse(instance, Failure { cause: Cause::Prepare, message: message.into(), help: None }, out);
                    return;
                }
                self.ledger.set(instance, true, State::Ready);
                if self.options.rehearse {
                    self.served(node);
                    return;
                }
                let job = Job { shape: self.budget.shape(needs), key, why };
                if let Some(job) = self.unless_known(instance, node, job, out) {
                    self.line_up(instance, job, out);
                }
            }
        }
    }

    fn started(
        &mut self,
        instance: InstanceId,
        attempt: u32,
        (log, host): (Option<LogRange>, Option<Arc<str>>),
        out: &mut Out,
    ) {
        if !self.expects(instance, State::Submitted, true) || self.ledger.attempt(instance) != attempt {
            return;
        }
        self.ledger.set(instance, true, State::Running);
        if let Some(work) = self.ledger.at_work.get_mut(&instance) {
            (work.since, work.started) = (out.now, true);
        }
        out.event(Event::Started { instance, attempt, log, host });
    }

    fn attempt_ended(&mut self, instance: InstanceId, attempt: u32, mut outcome: Outcome, out: &mut Out) {
        let known = self.phase != Phase::Over && instance.0 < self.ledger.space.instances();
        if !known || !self.ledger.at_work.contains_key(&instance) || self.ledger.attempt(instance) != attempt {
            return;
        }
        let Some(Held::Given { job, gpus, stopping }) = self.held.remove(&instance) else {
            unreachable!("what is at work was given to a backend")
        };
        self.budget.give(job.shape, &gpus);
        self.budget.forget(job.shape);
        if let Err(failure) = &mut outcome.result {
            // Whatever a process answers to being stopped is no failure of its own, and a journal must say so.
            if stopping {
                failure.cause = Cause::Stopped;
            } else if failure.cause == Cause::Stopped {
                failure.cause = Cause::Lost;
            }
        }
        let state = self.ledger.ended(instance, attempt, &outcome);
        let (results, cause) = match &outcome.result {
            Ok(results) => (Some(results.clone()), None),
            Err(failure) => (None, Some(failure.cause)),
        };
        out.event(Event::Ended { instance, attempt, outcome });
        match (state, cause) {
            (State::Failed, Some(cause)) => match self.tried_again(instance, cause, out.now) {
                Some(until) => {
                    self.ledger.delayed(instance);
                    self.ledger.set(instance, true, State::Delayed);
                    self.delayed.insert((until, instance));
                    out.event(Event::Delayed { instance, until });
                }
                None => self.fail(instance, out),
            },
            (State::Succeeded, _) => self.end(instance, State::Succeeded),
            (state, _) => self.ledger.set(instance, true, state),
        }
        if let Some(key) = job.key {
            self.land(key, instance, results, out);
        }
    }

    fn stop(&mut self, stop: Stop, out: &mut Out) {
        let (reason, hard) = match stop {
            Stop::Soft(reason) => (reason, false),
            Stop::Hard(reason) => (reason, true),
        };
        if self.phase == Phase::Over || (self.phase == Phase::Stopping && !hard) {
            return;
        }
        if self.phase != Phase::Stopping {
            self.phase = Phase::Stopping;
            out.event(Event::Stopping { reason });
        }
        for work in self.ledger.at_work.values() {
            if let Some(Held::Given { stopping, .. }) = self.held.get_mut(&work.instance) {
                *stopping = true;
            }
            out.effect(Effect::Cancel { instance: work.instance, hard });
        }
    }

    /// It has failed without having been started.
    pub(super) fn refuse(&mut self, instance: InstanceId, error: Failure, out: &mut Out) {
        self.ledger.refused(instance, &error);
        out.event(Event::Refused { instance, error });
        self.fail(instance, out);
    }

    pub(super) fn cached(&mut self, instance: InstanceId, results: Results, out: &mut Out) {
        self.ledger.results[instance.index()] = Some(results);
        out.ended(instance, State::Cached);
        self.end(instance, State::Cached);
    }

    /// Sets an end; dependents are told later in the step.
    pub(super) fn end(&mut self, instance: InstanceId, state: State) {
        let task = self.ledger.is_task(instance);
        self.ledger.set(instance, task, state);
        self.ended.push_back(instance);
    }

    /// Whether an answer for this instance, in this state, is awaited; late and foreign ones are dropped.
    fn expects(&self, instance: InstanceId, state: State, task: bool) -> bool {
        self.phase != Phase::Over
            && instance.0 < self.ledger.space.instances()
            && self.ledger.state(instance) == state
            && self.ledger.is_task(instance) == task
    }

    fn close(&mut self, out: &mut Out) {
        if matches!(self.phase, Phase::Over | Phase::Fresh { .. }) {
            return;
        }
        if self.works[ROOT.index()].open == 0 && self.keeps.again.is_empty() {
            let failed = self.ledger.failures.values().any(|failed| !failed.ignored);
            let state = if failed { RunState::Failed } else { RunState::Succeeded };
            self.phase = Phase::Over;
            out.event(Event::Finished { state });
            out.effect(Effect::Done(Some(state)));
        } else if self.phase == Phase::Stopping && self.ledger.at_work.is_empty() {
            self.phase = Phase::Over;
            out.effect(Effect::Done(None));
        }
    }
}

/// The name of a limit in the pipeline file.
pub(super) fn limit_name(plan: &Plan, position: usize) -> Arc<str> {
    plan.limits.get(position).map_or_else(|| "limit".into(), |(name, _)| Arc::clone(name))
}
