//! The state of a run from its events alone. Decides nothing: `status`, `report` and `resume` see what the engine saw.

use crate::base::digest::Key;
use crate::base::id::Id;
use crate::base::{Digest, InstanceId};
use crate::engine::api::{AtWork, Failed, Items, State};
use crate::engine::ledger::Ledger;
use crate::event::{Cause, Event, Failure, MapEnd, Outcome, RunState, Time};
use crate::plan::Plan;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A journal that does not fit the plan it is read with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJournal {
    /// An event speaks of an instance that no list has made.
    #[error("the journal speaks of instance {0}, which does not exist")]
    NoInstance(u32),
    /// An event speaks of a map or the like where there is a task, or of a task where there is none.
    #[error("the journal speaks of `{0}` as what it is not")]
    WrongKind(String),
    /// A list that the journal names is gone, or is not the one.
    #[error("the list {list} of `{map}` is missing or changed")]
    NoList {
        /// The map's instance.
        map: String,
        /// What the journal names.
        list: Digest,
    },
}

/// A run as its journal tells it.
#[derive(Clone)]
pub struct Fold {
    pub(super) ledger: Ledger,
    /// The keys under which instances were submitted.
    pub(super) keys: FxHashMap<InstanceId, Key>,
    /// Why and until when an instance waits for its next attempt; entries of those that do not are stale.
    delayed: BTreeMap<InstanceId, (Time, Failure)>,
    /// Which other process computes what an instance waits for; entries of those that do not wait are stale.
    elsewhere: BTreeMap<InstanceId, Arc<str>>,
    /// Outputs that were let go.
    pub(super) gone: FxHashSet<(InstanceId, u32)>,
    now: Time,
    begun: bool,
    stopping: Option<Arc<str>>,
    finished: Option<RunState>,
}

impl Fold {
    /// A run that has not begun; `wanted` as in [`Options`](crate::engine::Options).
    pub fn new(plan: Arc<Plan>, wanted: &[bool]) -> Self {
        Self {
            ledger: Ledger::new(plan, wanted),
            keys: FxHashMap::default(),
            delayed: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            gone: FxHashSet::default(),
            now: 0,
            begun: false,
            stopping: None,
            finished: None,
        }
    }

    /// The time of the events that follow.
    pub fn at(&mut self, now: Time) {
        self.now = now;
    }

    /// Takes one event; `list` belongs to an event that names one and is for names (and for going on with the run).
    pub fn apply(&mut self, event: &Event, list: Option<Arc<Items>>) -> Result<(), BadJournal> {
        match event {
            Event::Begun { .. } => self.begun = true,
            Event::Resumed { .. } => self.reset(),
            Event::Listed { instance, len, .. } => self.opened(event, *instance, *len, list)?,
            Event::Chosen { instance, .. } | Event::Called { instance, .. } | Event::Iterated { instance, .. } => {
                self.opened(event, *instance, 1, list)?;
            }
            Event::Cached { from, count } => self.range(*from, *count, State::Cached)?,
            Event::Skipped { from, count } => self.range(*from, *count, State::Skipped)?,
            Event::Cancelled { from, count } => self.range(*from, *count, State::Cancelled)?,
            Event::Submitted { instance, attempt, key, .. } => {
                self.task(*instance)?;
                self.ledger.attempts[instance.index()] = *attempt;
                self.elsewhere.remove(instance);
                if let Some(key) = key {
                    self.keys.insert(*instance, *key);
                }
                self.ledger.force(*instance, true, State::Submitted);
                let work = AtWork { instance: *instance, attempt: *attempt, since: self.now, started: false };
                self.ledger.at_work.insert(*instance, work);
            }
            Event::Started { instance, .. } => {
                self.task(*instance)?;
                self.ledger.force(*instance, true, State::Running);
                if let Some(work) = self.ledger.at_work.get_mut(instance) {
                    (work.since, work.started) = (self.now, true);
                }
            }
            Event::Ended { instance, attempt, outcome } => {
                self.task(*instance)?;
                let state = self.ledger.ended(*instance, *attempt, outcome);
                self.ledger.force(*instance, true, state);
            }
            Event::Delayed { instance, until } => {
                self.task(*instance)?;
                if let Some(failed) = self.ledger.delayed(*instance) {
                    self.delayed.insert(*instance, (*until, failed.failure));
                }
                self.ledger.force(*instance, true, State::Delayed);
            }
            Event::Elsewhere { instance, by } => {
                self.task(*instance)?;
                self.ledger.force(*instance, true, State::Waiting { missing: 0 });
                self.elsewhere.insert(*instance, Arc::clone(by));
            }
            Event::MapEnded { instance, end } => {
                self.map(*instance)?;
                self.ledger.force(*instance, false, end.state());
            }
            Event::Refused { instance, error } => {
                self.known(*instance)?;
                let task = self.ledger.is_task(*instance);
                self.ledger.force(*instance, task, State::Failed);
                self.ledger.refused(*instance, error);
            }
            Event::Ignored { instance } => {
                self.known(*instance)?;
                let task = self.ledger.is_task(*instance);
                self.ledger.force(*instance, task, State::Ignored);
                self.ledger.let_be(*instance);
            }
            Event::LetGo { instance, outputs } => {
                self.task(*instance)?;
                self.gone.extend(outputs.iter().map(|output| (*instance, *output)));
            }
            Event::Again { instance } => {
                self.task(*instance)?;
                self.gone.retain(|(gone, _)| gone != instance);
                self.ledger.results[instance.index()] = None;
                self.ledger.force(*instance, true, State::Waiting { missing: 0 });
            }
            Event::Stopping { reason } => self.stopping = Some(Arc::clone(reason)),
            Event::Finished { state } => self.finished = Some(*state),
        }
        Ok(())
    }

    /// Whether an event that names a list makes new instances: else its body has been there before.
    pub(super) fn opens(&self, event: &Event) -> bool {
        let Some(instance) = event.instance().filter(|instance| self.known(*instance).is_ok()) else { return false };
        let mut scopes = self.ledger.space.scopes_of(instance);
        match event {
            Event::Iterated { index, .. } => scopes.nth(*index as usize).is_none(),
            _ => scopes.next().is_none(),
        }
    }

    fn opened(
        &mut self,
        event: &Event,
        owner: InstanceId,
        len: u32,
        list: Option<Arc<Items>>,
    ) -> Result<(), BadJournal> {
        self.map(owner)?;
        if self.opens(event) {
            let space = &mut self.ledger.space;
            let first = match event {
                Event::Iterated { index: 1.., .. } => space.turn(owner, list),
                _ => space.open(owner, len, list),
            };
            let first = first.map_err(|_| BadJournal::NoInstance(u32::MAX))?;
            self.ledger.furnish_from(first);
        }
        self.ledger.force(owner, false, State::Running);
        Ok(())
    }

    fn range(&mut self, from: InstanceId, count: u32, state: State) -> Result<(), BadJournal> {
        self.known(InstanceId(from.0.saturating_add(count.max(1) - 1)))?;
        for id in (from.0..from.0 + count).map(InstanceId) {
            let task = self.ledger.is_task(id);
            self.ledger.force(id, task, state);
        }
        Ok(())
    }

    /// What a later process finds: what ended well stays so, all else waits.
    pub(super) fn reset(&mut self) {
        for id in (0..self.ledger.space.instances()).map(InstanceId) {
            let task = self.ledger.is_task(id);
            let kept = match self.ledger.state(id) {
                State::Succeeded => task,
                State::Unwanted => true,
                _ => false,
            };
            if !kept {
                self.ledger.results[id.index()] = None;
                self.ledger.force(id, task, State::Waiting { missing: 0 });
            }
        }
        let ledger = &self.ledger;
        self.gone.retain(|(instance, _)| ledger.state(*instance) == State::Succeeded);
        self.elsewhere.clear();
        self.ledger.at_work.clear();
        self.ledger.failures.clear();
        if self.finished.is_some() {
            // It is the user who tries again what had failed for good.
            self.ledger.tallies.clear();
        }
        (self.stopping, self.finished) = (None, None);
    }

    fn known(&self, instance: InstanceId) -> Result<(), BadJournal> {
        if instance.0 < self.ledger.space.instances() { Ok(()) } else { Err(BadJournal::NoInstance(instance.0)) }
    }
    fn task(&self, instance: InstanceId) -> Result<(), BadJournal> {
        self.kind(instance, true)
    }
    fn map(&self, instance: InstanceId) -> Result<(), BadJournal> {
        self.kind(instance, false)
    }
    fn kind(&self, instance: InstanceId, task: bool) -> Result<(), BadJournal> {
        self.known(instance)?;
        if self.ledger.is_task(instance) == task {
            Ok(())
        } else {
            Err(BadJournal::WrongKind(self.ledger.space.name(instance)))
        }
    }

    /// The state of every instance.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    /// What waits for another attempt: until when, and how the last one failed.
    pub fn delayed(&self) -> impl Iterator<Item = (InstanceId, Time, &Failure)> {
        let waits = |(instance, _): &(&InstanceId, _)| self.ledger.state(**instance) == State::Delayed;
        self.delayed.iter().filter(waits).map(|(instance, (until, failure))| (*instance, *until, failure))
    }
    /// What another process computes, and which one.
    pub fn elsewhere(&self) -> impl Iterator<Item = (InstanceId, &Arc<str>)> {
        let waits = |(instance, _): &(&InstanceId, _)| {
            let state = self.ledger.state(**instance);
            !state.is_end() && !state.is_at_work()
        };
        self.elsewhere.iter().filter(waits).map(|(instance, by)| (*instance, by))
    }
    /// Whether the journal has a beginning.
    pub fn begun(&self) -> bool {
        self.begun
    }
    /// Why nothing new starts, if so.
    pub fn stopping(&self) -> Option<&Arc<str>> {
        self.stopping.as_ref()
    }
    /// How the run ended, if it has.
    pub fn finished(&self) -> Option<RunState> {
        self.finished
    }
}

impl MapEnd {
    /// The state of a map that ended so.
    pub(super) fn state(self) -> State {
        match self {
            MapEnd::Succeeded => State::Succeeded,
            MapEnd::Failed => State::Failed,
            MapEnd::Ignored => State::Ignored,
            MapEnd::Cancelled => State::Cancelled,
        }
    }
}

impl Ledger {
    /// Books the end of an attempt, and says the state that follows.
    pub(super) fn ended(&mut self, instance: InstanceId, attempt: u32, outcome: &Outcome) -> State {
        self.at_work.remove(&instance);
        match &outcome.result {
            Ok(results) => {
                self.results[instance.index()] = Some(Arc::clone(results));
                State::Succeeded
            }
            Err(failure) if failure.cause == Cause::Stopped => State::Ready,
            Err(failure) => {
                let tally = self.tallies.entry(instance).or_default();
                match failure.cause {
                    Cause::Lost => tally.losses += 1,
                    _ => tally.failures += 1,
                }
                tally.raised.memory += u32::from(failure.cause == Cause::Oom);
                tally.raised.time += u32::from(failure.cause == Cause::Timeout);
                let failed = Failed {
                    instance,
                    attempt,
                    failure: failure.clone(),
                    usage: outcome.usage.clone(),
                    log: outcome.log,
                    host: outcome.host.clone(),
                    ignored: false,
                };
                self.failures.insert(instance, failed);
                State::Failed
            }
        }
    }

    /// A booked failure is followed by another attempt.
    pub(super) fn delayed(&mut self, instance: InstanceId) -> Option<Failed> {
        self.failures.remove(&instance)
    }

    /// A booked failure is let be.
    pub(super) fn let_be(&mut self, instance: InstanceId) {
        if let Some(failed) = self.failures.get_mut(&instance) {
            failed.ignored = true;
        }
    }

    /// Books why nothing was started.
    pub(super) fn refused(&mut self, instance: InstanceId, error: &Failure) {
        let failed = Failed {
            instance,
            attempt: 0,
            failure: error.clone(),
            usage: Default::default(),
            log: None,
            host: None,
            ignored: false,
        };
        self.failures.insert(instance, failed);
    }
}
