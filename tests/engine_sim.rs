//! The engine in a random world: random graphs, failures, orders of completion, stops and restarts.
//!
//! `FLOWRUN_LONG=1` runs 10,000 cases of each, else a tenth. A failing case is printed with its recipe and seed, small.

#![allow(clippy::unwrap_used)]

mod engine_kit;

use engine_kit::oracle::{Fate, Oracle};
use engine_kit::world::{Course, ListTruth, NodeSpec, Recipe, TaskTruth, Truth, recipes};
use flowrun::base::digest::Key;
use flowrun::base::id::ScopeId;
use flowrun::base::{InstanceId, NodeId, Value};
use flowrun::engine::*;
use flowrun::event::{Cause, Event, Failure, Outcome, Produced, RunState, Usage};
use flowrun::plan::{NodeKind, OnError, Plan};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRunner};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A small random number generator: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % sides as u64) as usize
    }
}

/// A prepared job that waits for its start.
#[derive(Clone)]
struct Job {
    key: Option<Key>,
    needs: Needs,
    course: Course,
}

/// Something the world owes the engine.
enum Owed {
    List(InstanceId, NodeId, Vec<Value>),
    Prepare(NodeId, Vec<(InstanceId, Vec<Value>)>),
    Record(InstanceId, NodeId, Vec<Option<Vec<Value>>>),
    Turn(InstanceId, NodeId, u32, Vec<Value>),
    Run { instance: InstanceId, attempt: u32, started: bool, job: Job, gpus: Vec<Arc<str>>, stopped: bool },
    Lease(InstanceId, Key),
    Wake(u64),
}

/// What outlives a process.
#[derive(Default)]
struct Disk {
    journal: Vec<Event>,
    lists: HashMap<flowrun::base::Digest, Arc<Items>>,
    cache: HashMap<Key, Value>,
    /// Keys that another process of this world computes now.
    elsewhere: BTreeSet<Key>,
}

/// One process: an engine and its world.
struct World<'a> {
    truth: &'a Truth,
    plan: Arc<Plan>,
    engine: Engine,
    fold: Fold,
    disk: &'a mut Disk,
    events: Vec<Event>,
    effects: Vec<Effect>,
    owed: Vec<Owed>,
    jobs: BTreeMap<InstanceId, Job>,
    /// Leases of this process that no attempt has yet.
    leases: HashMap<InstanceId, Key>,
    ends: HashMap<InstanceId, u32>,
    over: Option<Option<RunState>>,
    last: Vec<Input>,
    /// Items of throttled scopes that began in this process.
    begun: BTreeSet<(u32, u32)>,
    /// What ended well in the journal of earlier processes.
    kept: HashSet<InstanceId>,
    won: HashSet<Key>,
    /// How attempts have failed, in all processes.
    failed: HashMap<InstanceId, Vec<Cause>>,
    now: u64,
}

fn some(values: Values) -> Vec<Value> {
    values.into_iter().map(Result::unwrap).collect()
}

impl<'a> World<'a> {
    fn new(plan: &Arc<Plan>, truth: &'a Truth, disk: &'a mut Disk) -> Self {
        let options =
            Options { keep_going: truth.recipe.keep_going, wanted: truth.recipe.wanted(plan), ..Options::default() };
        let mut fold = Fold::new(Arc::clone(plan), &options.wanted);
        let (mut kept, mut won, mut keys) = (HashSet::new(), HashSet::new(), HashMap::new());
        let mut failed = HashMap::new();
        for event in &disk.journal {
            note_failure(&mut failed, event);
            if matches!(event, Event::Finished { .. }) {
                // Who goes on after an end begins to count anew.
                failed.clear();
            }
            match event {
                Event::Submitted { instance, key, .. } => {
                    keys.insert(*instance, *key);
                }
                Event::Ended { instance, outcome, .. } if outcome.result.is_ok() => {
                    kept.insert(*instance);
                    won.extend(keys[instance]);
                }
                _ => {}
            }
            let list = event.list().and_then(|list| disk.lists.get(list)).cloned();
            fold.apply(event, list).unwrap();
        }
        let lists = &disk.lists;
        let events = disk.journal.clone();
        let engine =
            Engine::restore(Arc::clone(plan), truth.recipe.capacities(), options, events, |d| lists.get(&d).cloned())
                .unwrap();
        Self {
            truth,
            plan: Arc::clone(plan),
            engine,
            fold,
            disk,
            events: Vec::new(),
            effects: Vec::new(),
            owed: Vec::new(),
            jobs: BTreeMap::new(),
            leases: HashMap::new(),
            ends: HashMap::new(),
            over: None,
            last: Vec::new(),
            begun: BTreeSet::new(),
            kept,
            won,
            failed,
            now: 7,
        }
    }

    fn step(&mut self, input: Input) {
        self.engine.step(self.now, input, &mut self.events, &mut self.effects);
        if let Err(sentence) = self.engine.check() {
            panic!("{sentence}");
        }
    }

    /// As a driver does: the events of some steps into the journal, then their effects.
    fn turn(&mut self) {
        for event in std::mem::take(&mut self.events) {
            self.take_event(&event);
            self.disk.journal.push(event);
        }
        self.compare();
        for effect in std::mem::take(&mut self.effects) {
            self.take_effect(effect);
        }
        self.check_budget();
    }

    fn take_event(&mut self, event: &Event) {
        let list = event.list().map(|list| Arc::clone(&self.disk.lists[list]));
        self.fold.at(self.now);
        note_failure(&mut self.failed, event);
        self.fold.apply(event, list).unwrap();
        match event {
            Event::Cached { from, count } | Event::Skipped { from, count } | Event::Cancelled { from, count } => {
                for id in from.0..from.0 + count {
                    self.end(InstanceId(id));
                }
            }
            Event::Ended { instance, outcome, .. } => match &outcome.result {
                Err(failure) if failure.cause == Cause::Stopped => {}
                _ => self.end(*instance),
            },
            Event::MapEnded { instance, .. } | Event::Refused { instance, .. } => self.end(*instance),
            Event::Delayed { instance, until } => {
                assert!(*until >= self.now);
                *self.ends.get_mut(instance).unwrap() -= 1;
                self.may_be_tried_again(*instance);
            }
            _ => {}
        }
    }

    fn may_be_tried_again(&self, instance: InstanceId) {
        let node = self.engine.place(instance).node;
        let NodeKind::Task(task) = &self.plan.nodes[node].kind else { panic!("a map is tried again") };
        let causes = &self.failed[&instance];
        let losses = causes.iter().filter(|cause| **cause == Cause::Lost).count();
        match causes.last() {
            Some(Cause::Lost) => assert!(losses < 5, "lost {losses} times"),
            _ => {
                let attempts = task.retry.as_ref().map_or(1, |retry| retry.attempts as usize);
                assert!(causes.len() - losses < attempts, "more than {attempts} attempts");
            }
        }
    }

    fn end(&mut self, instance: InstanceId) {
        *self.ends.entry(instance).or_default() += 1;
    }

    /// The fold of the events is the engine's own state.
    fn compare(&self) {
        let (own, told) = (self.engine.ledger(), self.fold.ledger());
        assert_eq!(own.space().instances(), told.space().instances());
        for id in (0..own.space().instances()).map(InstanceId) {
            let name = self.engine.name(id);
            assert_eq!(own.state(id).as_told(), told.state(id).as_told(), "{name}");
            assert_eq!(own.attempt(id), told.attempt(id), "{name}");
            if own.state(id) == State::Succeeded {
                assert_eq!(own.results(id), told.results(id), "{name}");
            }
            assert_eq!(name, told.space().name(id));
        }
        assert_eq!(own.counts(), told.counts());
        assert!(own.failures().eq(told.failures()));
        assert!(own.at_work().eq(told.at_work()));
        for (own, told) in own.space().scopes().iter().zip(told.space().scopes().iter()) {
            assert_eq!(
                (own.1.owner, own.1.parent, own.1.first, own.1.len, own.1.turn, own.1.next),
                (told.1.owner, told.1.parent, told.1.first, told.1.len, told.1.turn, told.1.next)
            );
        }
    }

    /// All that an instance needs has ended, as the journal tells it.
    fn inputs_ended(&self, instance: InstanceId) {
        let ledger = self.fold.ledger();
        let place = ledger.space().place(instance);
        for dep in &self.plan.nodes[place.node].deps {
            let (scope, item) = ledger.space().out(place.scope, place.item, dep.up);
            let need = ledger.space().instance(scope, dep.node, item);
            let state = ledger.state(need);
            assert!(
                state.is_end(),
                "{} goes on, and {} is {state:?}",
                self.engine.name(instance),
                self.engine.name(need)
            );
        }
    }

    fn take_effect(&mut self, effect: Effect) {
        match effect {
            Effect::List { instance, node, values } => {
                self.inputs_ended(instance);
                self.owed.push(Owed::List(instance, node, some(values)));
            }
            Effect::Prepare { node, batch } => {
                assert!(!batch.is_empty() && batch.len() <= 1000);
                for one in &batch {
                    self.inputs_ended(one.instance);
                    assert_eq!(one.attempt, self.engine.ledger().attempt(one.instance) + 1);
                    let causes = self.failed.get(&one.instance).map_or(&[][..], |causes| causes);
                    let of = |cause| causes.iter().filter(|c| **c == cause).count() as u32;
                    assert_eq!(one.raised, Raised { memory: of(Cause::Oom), time: of(Cause::Timeout) });
                }
                self.owed.push(Owed::Prepare(node, batch.into_iter().map(|p| (p.instance, some(p.values))).collect()));
            }
            Effect::Record { instance, node, rows } => {
                self.owed.push(Owed::Record(instance, node, rows.into_iter().map(|row| row.map(some)).collect()));
            }
            Effect::Turn { instance, node, index, values } => {
                self.owed.push(Owed::Turn(instance, node, index, some(values)));
            }
            Effect::Start { instance, attempt, gpus } => {
                self.inputs_ended(instance);
                let job = self.jobs.remove(&instance).expect("only a prepared job is started");
                assert_eq!(gpus.len(), job.needs.gpus as usize);
                assert!(!self.kept.contains(&instance), "{} runs again", self.engine.name(instance));
                assert_eq!(self.leases.remove(&instance), job.key, "an attempt has the lease on its key");
                if let Some(key) = job.key {
                    assert!(!self.won.contains(&key), "a key that ended well runs again");
                    let equal = self.owed.iter().any(|o| matches!(o, Owed::Run { job, .. } if job.key == Some(key)));
                    assert!(!equal, "one key runs twice");
                }
                self.count_item(instance);
                self.owed.push(Owed::Run { instance, attempt, started: false, job, gpus, stopped: false });
            }
            Effect::Lease { instance, key } => {
                assert_eq!(self.jobs[&instance].key, Some(key));
                let twice = self.owed.iter().any(|o| matches!(o, Owed::Lease(_, k) if *k == key));
                assert!(!twice, "one key is asked for twice at once");
                self.owed.push(Owed::Lease(instance, key));
            }
            Effect::Release { key } => {
                let held = self.leases.iter().find(|(_, held)| **held == key).map(|(instance, _)| *instance);
                self.leases.remove(&held.expect("it was granted"));
            }
            Effect::Drop { instance } => {
                self.jobs.remove(&instance).expect("only a prepared job is dropped");
            }
            Effect::Cancel { instance, .. } => {
                let one = |o: &&mut Owed| matches!(o, Owed::Run { instance: i, .. } if *i == instance);
                let Some(Owed::Run { stopped, .. }) = self.owed.iter_mut().find(one) else { panic!("it does not run") };
                *stopped = true;
            }
            Effect::LetGo { instance, .. } => panic!("{} has nothing that goes", self.engine.name(instance)),
            Effect::Wake(at) => {
                let recipe = &self.truth.recipe;
                assert!(recipe.retries || recipe.losses > 0 || recipe.elsewhere > 0);
                self.owed.push(Owed::Wake(at));
            }
            Effect::Done(state) => {
                assert!(self.over.is_none(), "two ends");
                self.over = Some(state);
            }
        }
    }

    /// The items of throttled maps around an instance that starts.
    fn count_item(&mut self, instance: InstanceId) {
        let space = self.engine.ledger().space();
        let place = space.place(instance);
        let (mut scope, mut item) = (place.scope, place.item);
        while let Some(owner) = space.scopes()[scope].owner {
            let node = space.place(owner).node;
            if self.plan.nodes[node].kind.as_map().is_some_and(|map| map.max_parallel.is_some()) {
                self.begun.insert((scope.0, item));
            }
            (scope, item) = space.scopes()[scope].parent;
        }
    }

    fn check_budget(&self) {
        let capacities = self.truth.recipe.capacities();
        let (mut used, mut limit, mut ids) = ([(0, 0); 2], 0, HashSet::new());
        for owed in &self.owed {
            let Owed::Run { job, gpus, .. } = owed else { continue };
            let (cpus, memory) = &mut used[usize::from(job.needs.backend)];
            *cpus += job.needs.cpus;
            *memory += job.needs.memory;
            limit += job.needs.limits.first().copied().unwrap_or(0);
            for gpu in gpus {
                let there = &capacities.of(job.needs.backend).gpus;
                assert!(there.contains(gpu) && ids.insert(Arc::clone(gpu)), "GPU {gpu} twice");
            }
        }
        for (capacity, (cpus, memory)) in capacities.all().iter().zip(used) {
            assert!(cpus <= capacity.cpus && memory <= capacity.memory, "over budget");
        }
        assert!(limit <= capacities.limits()[0], "over budget");
        let window = u32::from(self.truth.recipe.window);
        let mut kept: BTreeMap<NodeId, u32> = BTreeMap::new();
        let about_to_start = |id: &InstanceId| {
            self.leases.contains_key(id) || self.owed.iter().any(|o| matches!(o, Owed::Lease(asks, _) if asks == id))
        };
        for instance in self.jobs.keys().filter(|id| !about_to_start(id)) {
            *kept.entry(self.engine.place(*instance).node).or_default() += 1;
        }
        // A window in line, and a window parked.
        assert!(kept.values().all(|kept| *kept <= 2 * window), "too many prepared jobs: {kept:?}");
        self.check_throttles();
    }

    fn check_throttles(&self) {
        let space = self.engine.ledger().space();
        let mut busy: BTreeMap<u32, u32> = BTreeMap::new();
        for (scope, item) in &self.begun {
            let s = &space.scopes()[ScopeId(*scope)];
            let slots = self.plan.bodies[s.body].nodes.len() as u32;
            let open = |slot| !self.engine.state(space.at(ScopeId(*scope), slot, *item)).is_end();
            if (0..slots).any(open) {
                *busy.entry(*scope).or_default() += 1;
            }
        }
        for (scope, busy) in busy {
            let map = space.place(space.scopes()[ScopeId(scope)].owner.unwrap()).node;
            let NodeKind::Map(map) = &self.plan.nodes[map].kind else { unreachable!() };
            assert!(busy <= map.max_parallel.unwrap(), "{busy} items at work");
        }
    }

    /// Answers one thing that is owed, any of them.
    fn answer(&mut self, dice: &mut Dice) {
        let pick = dice.roll(self.owed.len());
        let input = match self.owed.swap_remove(pick) {
            Owed::List(instance, node, values) => Input::Listed { instance, answer: self.list(node, &values) },
            Owed::Prepare(node, mut batch) => {
                let portion = 1 + dice.roll(batch.len());
                let rest = batch.split_off(portion);
                if !rest.is_empty() {
                    self.owed.push(Owed::Prepare(node, rest));
                }
                let answers =
                    batch.into_iter().map(|(instance, values)| (instance, self.prepare(instance, node, &values)));
                Input::Prepared(answers.collect())
            }
            Owed::Record(instance, node, rows) => {
                let answer = if self.truth.records_fail(node, rows.len()) {
                    Err(failure(Cause::Prepare))
                } else {
                    let record = |row: Option<Vec<Value>>| row.map_or(Value::Null, |row| self.truth.record(node, &row));
                    Ok(rows.into_iter().map(record).collect())
                };
                Input::Recorded { instance, answer }
            }
            Owed::Turn(instance, node, index, values) => {
                let answer = match self.truth.turn(node, &self.plan.nodes[node].kind, &values) {
                    None => Err(failure(Cause::Prepare)),
                    Some((carry, done)) => {
                        let carry = Arc::new(Items::new(vec![carry], Vec::new()));
                        self.disk.lists.insert(carry.digest(), Arc::clone(&carry));
                        Ok(Turn { carry, done })
                    }
                };
                Input::Turned { instance, index, answer }
            }
            Owed::Run { instance, attempt, started: false, job, gpus, stopped } if dice.roll(3) > 0 => {
                self.owed.push(Owed::Run { instance, attempt, started: true, job, gpus, stopped });
                Input::Started { instance, attempt, log: None, host: None }
            }
            Owed::Lease(instance, key) => Input::Leased(vec![(instance, key, self.lease(instance, key, dice))]),
            Owed::Wake(at) => {
                self.turn();
                self.now = self.now.max(at);
                Input::Tick
            }
            Owed::Run { instance, attempt, job, stopped, .. } => {
                let causes = self.failed.get(&instance).map_or(&[][..], |causes| causes);
                let losses = causes.iter().filter(|cause| **cause == Cause::Lost).count();
                let failures = (causes.len() - losses) as u32;
                let result = match job.course.attempt(failures) {
                    _ if stopped && dice.roll(3) > 0 => Err(failure(Cause::Signal(15))),
                    _ if losses < 4 && self.truth.recipe.losses > 0 && dice.roll(12) == 0 => Err(failure(Cause::Lost)),
                    Ok(value) => Ok(Arc::new(vec![Produced::Value(value.clone())])),
                    Err(cause) => Err(failure(cause)),
                };
                if let (Ok(_), Some(value), Some(key)) = (&result, job.course.result(), job.key) {
                    self.disk.cache.insert(key, value.clone());
                    self.won.insert(key);
                }
                let outcome = Outcome { result, usage: Usage::default(), log: None, host: None, doubtful: false };
                Input::Ended { instance, attempt, outcome }
            }
        };
        self.step(input.clone());
        if dice.roll(3) > 0 || self.owed.is_empty() {
            self.turn();
        }
        if dice.roll(8) == 0 {
            self.repeat(input, dice);
        }
        if !matches!(self.last.len(), 20..) {
            return;
        }
        self.last.remove(0);
    }

    /// Reports come late and twice; nothing follows from them.
    fn repeat(&mut self, input: Input, dice: &mut Dice) {
        let repeated = matches!(
            input,
            Input::Listed { .. }
                | Input::Started { .. }
                | Input::Ended { .. }
                | Input::Recorded { .. }
                | Input::Turned { .. }
        );
        if repeated {
            self.last.push(input);
        }
        if self.last.is_empty() {
            return;
        }
        let late = self.last[dice.roll(self.last.len())].clone();
        // A second process may await what a first one has had; within one, nothing repeats itself.
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        self.engine.step(self.now, late, &mut events, &mut effects);
        assert!(events.is_empty() && effects.is_empty(), "a late report had consequences: {events:?}");
    }

    /// Another process may compute the key; when it is seen again, that one may have ended well or not.
    fn lease(&mut self, instance: InstanceId, key: Key, dice: &mut Dice) -> Leased {
        let elsewhere = usize::from(self.truth.recipe.elsewhere);
        if elsewhere > 0 && dice.roll(elsewhere) == 0 && !self.disk.cache.contains_key(&key) {
            self.disk.elsewhere.insert(key);
        }
        if self.disk.elsewhere.contains(&key) {
            if dice.roll(3) > 0 {
                return Leased::Elsewhere(format!("run {}", dice.roll(2)).into());
            }
            self.disk.elsewhere.remove(&key);
            let course = self.jobs.get(&instance).map(|job| job.course.clone());
            if let Some(value) = course.as_ref().and_then(Course::result)
                && dice.roll(3) > 0
            {
                self.disk.cache.insert(key, value.clone());
                // It is seen now, or when the instance is prepared once more.
                return if dice.roll(2) == 0 { Leased::Known } else { Leased::Elsewhere("run 0".into()) };
            }
        }
        self.leases.insert(instance, key);
        Leased::Ours
    }

    fn list(&mut self, node: NodeId, values: &[Value]) -> ListAnswer {
        let kind = &self.plan.nodes[node].kind;
        match self.truth.list(node, kind, values) {
            ListTruth::Skip => ListAnswer::Skip,
            ListTruth::Failed => ListAnswer::Failed(failure(Cause::Prepare)),
            ListTruth::Items(items) => {
                // Who makes the list says that there is no case.
                if let NodeKind::Branch(branch) = kind
                    && branch.case(items[0].as_str().unwrap()).is_none()
                {
                    return ListAnswer::Failed(failure(Cause::Prepare));
                }
                let items = Arc::new(Items::new(items, Vec::new()));
                assert_eq!(Items::from_bytes(&items.to_bytes()).unwrap(), *items);
                self.disk.lists.insert(items.digest(), Arc::clone(&items));
                ListAnswer::Items(items)
            }
        }
    }

    fn prepare(&mut self, instance: InstanceId, node: NodeId, values: &[Value]) -> Prepared {
        match self.truth.task(node, values) {
            TaskTruth::Skip => Prepared::Skip,
            TaskTruth::Refused => Prepared::Failed(failure(Cause::Prepare)),
            TaskTruth::Run { key, course, needs } => {
                if let Some(key) = key {
                    let hit = self.disk.cache.get(&key).cloned();
                    let first = if self.truth.is_hit(&key) { course.result().cloned() } else { None };
                    if let Some(value) = hit.or(first) {
                        return Prepared::Hit { key, results: Arc::new(vec![Produced::Value(value)]) };
                    }
                }
                let old = self.jobs.insert(instance, Job { key, needs: needs.clone(), course });
                assert!(old.is_none(), "prepared twice at once");
                Prepared::Run { key, needs, why: None }
            }
        }
    }

    /// Runs until the end, or until `steps` are done; whether the end was reached.
    fn go(&mut self, dice: &mut Dice, steps: usize) -> bool {
        self.step(Input::Begin { by: "sim".into() });
        self.turn();
        for _ in 0..steps {
            if self.over.is_some() {
                return true;
            }
            assert!(!self.owed.is_empty(), "nothing is owed, and the run is not over");
            self.answer(dice);
        }
        self.over.is_some()
    }

    /// After a signal only what runs ends; a second signal may come.
    fn finish_stop(&mut self, dice: &mut Dice) {
        let starts = |journal: &[Event]| journal.iter().filter(|e| matches!(e, Event::Submitted { .. })).count();
        let before = starts(&self.disk.journal);
        while self.over.is_none() {
            if dice.roll(5) == 0 {
                self.step(Input::Stop(Stop::Hard("SIGINT".into())));
                self.turn();
            } else {
                self.answer(dice);
            }
        }
        assert_eq!(before, starts(&self.disk.journal), "something started after the signal");
        assert!(!self.owed.iter().any(|owed| matches!(owed, Owed::Run { .. })), "something still runs");
        if self.over == Some(None) {
            assert!(!matches!(self.disk.journal.last(), Some(Event::Finished { .. })));
        }
    }

    /// The end agrees with the oracle.
    fn judge(&self, oracle: &Oracle) {
        let ledger = self.engine.ledger();
        // A failure that stops the run leaves open what the rest would have become.
        let last = self.disk.journal.iter().rposition(|e| matches!(e, Event::Begun { .. } | Event::Resumed { .. }));
        let halted = self.disk.journal[last.unwrap()..].iter().any(|e| matches!(e, Event::Stopping { .. }));
        let mut failed = false;
        for id in (0..ledger.space().instances()).map(InstanceId) {
            let name = self.engine.name(id);
            let (fate, value) = oracle.ends.get(&name).unwrap_or_else(|| panic!("`{name}` should not exist"));
            let own = match ledger.state(id) {
                State::Succeeded | State::Cached => Fate::Well,
                State::Failed => Fate::Failed,
                State::Ignored => Fate::Ignored,
                State::Skipped => Fate::Skipped,
                State::Cancelled => Fate::Cancelled,
                State::Unwanted => Fate::Unwanted,
                other => panic!("`{name}` is {other:?} at the end"),
            };
            let blamed = ledger.failures().any(|f| f.instance == id && !f.ignored);
            assert!(!ledger.is_task(id) || blamed == (own == Fate::Failed), "`{name}`");
            failed |= blamed;
            let same = match (own, *fate) {
                (Fate::Failed, Fate::MapFailed) => !ledger.is_task(id),
                (Fate::Failed | Fate::Ignored, Fate::FailedOrIgnored) => true,
                (own, fate) => own == fate,
            };
            // Where the run stopped, what had no time to end otherwise is cancelled, and nothing is tried again.
            let cut = halted && (own == Fate::Cancelled || (own != Fate::Well && *fate != Fate::Skipped));
            assert!(same || cut, "`{name}` is {own:?}, and should be {fate:?}");
            if own == Fate::Well && ledger.is_task(id) {
                assert_eq!(ledger.results(id).unwrap()[0].value(), std::borrow::Cow::Borrowed(value), "{name}");
            }
            let ends = self.ends.get(&id).copied().unwrap_or(0);
            let before = self.kept.contains(&id) || own == Fate::Unwanted;
            assert_eq!(ends, u32::from(!before), "`{name}` ended {ends} times");
        }
        assert_eq!(self.over, Some(Some(if failed { RunState::Failed } else { RunState::Succeeded })));
        assert!(!halted || (failed && !self.truth.recipe.keep_going), "stopped without a reason");
        let must_halt = |failed: &Failed| {
            let node = &self.plan.nodes[self.engine.place(failed.instance).node];
            !failed.ignored && node.body == flowrun::base::id::BodyId(0) && node.on_error == OnError::Fail
        };
        let must_halt = !self.truth.recipe.keep_going && ledger.failures().any(must_halt);
        assert!(!must_halt || halted, "a failure that did not stop the run");
        if !halted {
            assert_eq!(ledger.space().instances() as usize, oracle.ends.len());
        }
        assert!(self.leases.is_empty(), "leases are left");
        assert!(self.jobs.is_empty(), "prepared jobs are left: {:?}", self.jobs.keys());
        assert!(
            self.owed.iter().all(|owed| !matches!(owed, Owed::Run { .. } | Owed::Record(..) | Owed::Turn(..))),
            "work is left"
        );
        assert!(matches!(self.disk.journal.last(), Some(Event::Finished { .. })));
    }
}

fn note_failure(failed: &mut HashMap<InstanceId, Vec<Cause>>, event: &Event) {
    if let Event::Ended { instance, outcome: Outcome { result: Err(failure), .. }, .. } = event
        && failure.cause != Cause::Stopped
    {
        failed.entry(*instance).or_default().push(failure.cause);
    }
}

fn failure(cause: Cause) -> Failure {
    Failure { cause, message: "as it must".into(), help: None }
}

fn cases() -> u32 {
    if std::env::var_os("FLOWRUN_LONG").is_some_and(|long| long != "0") { 10_000 } else { 1_000 }
}

/// Runs a property over random recipes and seeds; a seed of the whole comes from `FLOWRUN_SEED`, else from the clock.
fn over_recipes(property: impl Fn(&Arc<Plan>, &Truth, &mut Dice)) {
    let seed: u64 = std::env::var("FLOWRUN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    });
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let rng = proptest::test_runner::TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&(recipes(), any::<u64>()), |(recipe, seed): (Recipe, u64)| {
        let (plan, specs): (Arc<Plan>, Vec<NodeSpec>) = recipe.plan();
        let truth = Truth { recipe, specs };
        property(&plan, &truth, &mut Dice(seed));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("FLOWRUN_SEED={seed} shows it again\n{error}");
    }
}

/// Far more than any of these runs takes.
const ENOUGH: usize = 100_000;

#[test]
fn any_order_gives_the_same_end() {
    over_recipes(|plan, truth, dice| {
        let wanted = truth.recipe.wanted(plan);
        let oracle = Oracle::new(plan, truth, &wanted);
        let mut disk = Disk::default();
        let mut world = World::new(plan, truth, &mut disk);
        assert!(world.go(dice, ENOUGH));
        world.judge(&oracle);
    });
}

/// A process is killed at any moment, and its journal may end anywhere in what it wrote; the next ones go on.
#[test]
fn a_journal_cut_anywhere_comes_to_the_same_end() {
    over_recipes(|plan, truth, dice| {
        let wanted = truth.recipe.wanted(plan);
        let oracle = Oracle::new(plan, truth, &wanted);
        let mut disk = Disk::default();
        for _ in 0..dice.roll(4) {
            let before = disk.journal.len();
            let steps = dice.roll(40);
            World::new(plan, truth, &mut disk).go(dice, steps);
            let kept = before + dice.roll(disk.journal.len() - before + 1);
            disk.journal.truncate(kept);
        }
        let mut world = World::new(plan, truth, &mut disk);
        assert!(world.go(dice, ENOUGH));
        world.judge(&oracle);
        attempts_rise(&disk.journal);
    });
}

/// A signal at any moment, a second one maybe; then the run goes on to its end.
#[test]
fn a_stopped_run_is_continued() {
    over_recipes(|plan, truth, dice| {
        let wanted = truth.recipe.wanted(plan);
        let oracle = Oracle::new(plan, truth, &wanted);
        let mut disk = Disk::default();
        for _ in 0..1 + dice.roll(2) {
            let mut world = World::new(plan, truth, &mut disk);
            let steps = dice.roll(40);
            if !world.go(dice, steps) {
                world.turn();
                world.step(Input::Stop(Stop::Soft("SIGINT".into())));
                world.turn();
                world.finish_stop(dice);
            }
        }
        let mut world = World::new(plan, truth, &mut disk);
        assert!(world.go(dice, ENOUGH));
        world.judge(&oracle);
        attempts_rise(&disk.journal);
    });
}

/// The same seed gives the same journal: nothing depends on the order of a hash table.
#[test]
fn the_same_inputs_give_the_same_events() {
    over_recipes(|plan, truth, dice| {
        let seed = dice.roll(usize::MAX) as u64;
        let run = || {
            let mut disk = Disk::default();
            let mut world = World::new(plan, truth, &mut disk);
            world.go(&mut Dice(seed), ENOUGH);
            disk.journal
        };
        assert_eq!(run(), run());
    });
}

fn attempts_rise(journal: &[Event]) {
    let mut attempts: HashMap<InstanceId, u32> = HashMap::new();
    for event in journal {
        if let Event::Submitted { instance, attempt, .. } = event {
            let before = attempts.insert(*instance, *attempt).unwrap_or(0);
            assert_eq!(*attempt, before + 1, "attempts of {instance:?}");
        }
    }
}
