//! One run, from its first event to its last: inbox -> `engine.step` -> journal -> views -> effects.

use crate::base::digest::Key;
use crate::base::{Digest, InstanceId, NodeId};
use crate::driver::adopted::{Adopted, Ready, Start};
use crate::driver::backends::Crew;
use crate::driver::cancel::Requests;
use crate::driver::detached::{Next, TIME_IS_UP};
use crate::driver::early::Lists;
use crate::driver::fetch::{Fetcher, Told};
use crate::driver::gone;
use crate::driver::in_order::{InOrder, Number};
use crate::driver::journal::Journal;
use crate::driver::lease::{self, Asking, Leases};
use crate::driver::now;
use crate::driver::patient::{PAUSE, is_away};
use crate::driver::prepare::{Origin, Workshop};
use crate::driver::ranges::by_node;
use crate::driver::rundir::RunDir;
use crate::driver::settings::Error;
use crate::driver::work::{Answer, Work, answer};
use crate::engine::{Effect, Engine, Input, ListAnswer, Prepared, Stop, Turn};
use crate::event::{Artifact, Event, Produced, RunState, Time};
use crate::lang::outputs::Keep;
use crate::plan::{NodeKind, Output, Plan};
use crate::port::{Entry, Made, Named, Report, Sink, Stat, Store};
use crate::sys::lock::Lock;
use crate::sys::meter::{self, Phase};
use crate::sys::{Fault, FaultKind};
use crossbeam::channel::{Receiver, Sender, after, never, select};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How many messages are handled in one turn, so that one write of the journal serves them all.
const TURN: usize = 512;

/// Results are written to the store when so many wait, or the first has waited so long (milliseconds).
const FLUSH: (usize, u64) = (512, 250);

/// What could not be written is tried again after so long (milliseconds).
const AGAIN_MS: u64 = 2_000;

/// Everything that a run is made of.
pub struct Session<'a> {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The state machine, new or restored.
    pub engine: Engine,
    /// The journal of the run.
    pub journal: Journal,
    /// The run's folder.
    pub dir: &'a RunDir,
    /// What keeps others from this run.
    pub lock: &'a Lock,
    /// What `prepare` works with.
    pub workshop: Arc<Workshop>,
    /// What executes attempts.
    pub crew: Crew,
    /// Where its reports come from.
    pub reports: Receiver<Report>,
    /// Signals that came in.
    pub signals: Receiver<i32>,
    /// Whether somebody cancels the run.
    pub requests: Requests,
    /// Readers of the events.
    pub sinks: Vec<Box<dyn Sink>>,
    /// What is written into entries.
    pub made: Made,
    /// Lists that are known already.
    pub lists: Lists,
    /// Attempts of an earlier driver that the backend still has.
    pub adopted: Adopted,
    /// Submits who goes on when this process can no longer.
    pub next: Option<Next>,
    /// When the run began, if it begins here: the time of its first events.
    pub began: Option<Time>,
}

/// How the loop ended.
pub struct Closed {
    /// The engine in its last state.
    pub engine: Engine,
    /// `None`: stopped by a signal.
    pub state: Option<RunState>,
    /// The signal that stopped it.
    pub signal: Option<i32>,
    /// Whether `flowrun cancel` stopped it.
    pub cancelled: bool,
    /// The time of its last events.
    pub last: Time,
    /// Results that could not be written to the store; they are in the journal.
    pub store_error: Option<anyhow::Error>,
}

/// What changes while the loop goes on.
struct Loop<'a> {
    session: Session<'a>,
    fetcher: Arc<Fetcher>,
    work: Sender<(Number, Work)>,
    answers: InOrder<Input>,
    leases: Leases,
    /// What workers had noted so far.
    told: FxHashSet<String>,
    origins: FxHashMap<InstanceId, Origin>,
    entries: Vec<Entry>,
    entries_since: Option<Time>,
    taken: FxHashMap<NodeId, Vec<(Key, Arc<str>)>>,
    files: Vec<(Vec<u8>, Stat, Digest)>,
    /// The last thing that went wrong when results were written; they wait.
    store_error: Option<anyhow::Error>,
    /// The store could not be asked, and did not come back: what runs is awaited, then the run breaks off.
    broken: Option<anyhow::Error>,
    /// Attempts that the backend has.
    running: usize,
    wake: Option<Time>,
    /// The first signal, and how many there were.
    signal: Option<i32>,
    signals: u32,
    cancelled: bool,
    /// Nothing is waited for but what ends with this process.
    leaving: bool,
    done: Option<Option<RunState>>,
    last: Time,
    events: Vec<Event>,
    effects: Vec<Effect>,
}

impl Session<'_> {
    /// Drives the run to its end, or until a signal has stopped it.
    ///
    /// # Errors
    /// When the journal, the store (for reading) or the backend cannot be used; what had finished is in the journal.
    pub fn drive(self, by: Arc<str>, workers: usize) -> Result<Closed, Error> {
        let (work, todo) = crossbeam::channel::unbounded::<(Number, Work)>();
        let (answers, answered) = crossbeam::channel::unbounded::<Answer>();
        let (asking, asked) = crossbeam::channel::unbounded::<Vec<Asking>>();
        let (workshop, plan) = (self.workshop.clone(), self.plan.clone());
        let tell = answers.clone();
        let fetcher = Fetcher::new(workshop.fetched.clone(), move |told| {
            // When the loop is gone, nobody wants to know.
            let _ = tell.send(Answer::Told(told));
        });
        std::thread::scope(|scope| {
            let (leased, workshop) = (answers.clone(), &workshop);
            scope.spawn(move || {
                // When the loop is gone, nobody wants an answer.
                let answer = |answer: anyhow::Result<lease::Answers>| {
                    let answer = answer.map_or_else(Answer::Broken, Answer::Leased);
                    let _ = leased.send(answer);
                };
                let served = std::panic::catch_unwind(AssertUnwindSafe(|| lease::serve(workshop, &asked, answer)));
                if served.is_err() {
                    answer(Err(anyhow::anyhow!("a worker thread panicked")));
                }
            });
            let (leases, (_renewing, over)) = (Leases::new(asking), crossbeam::channel::bounded::<()>(0));
            let any = leases.any();
            scope.spawn(move || lease::renew(workshop, &any, &over));
            for _ in 0..workers.max(1) {
                let (todo, answers, workshop, plan) = (todo.clone(), answers.clone(), workshop, &plan);
                let fetcher = &fetcher;
                scope.spawn(move || {
                    for (number, work) in todo {
                        // A panic is told by its hook; here it must not leave the loop waiting for ever.
                        let answer = std::panic::catch_unwind(AssertUnwindSafe(|| {
                            answer(plan, workshop, fetcher, number, work)
                        }))
                        .unwrap_or_else(|_| Some(Answer::Broken(anyhow::anyhow!("a worker thread panicked"))));
                        // The loop is gone when the run ended in an error: nobody wants the answer.
                        if let Some(answer) = answer
                            && answers.send(answer).is_err()
                        {
                            return;
                        }
                    }
                });
            }
            drop((todo, answers));
            let state = Loop {
                session: self,
                fetcher: fetcher.clone(),
                work,
                answers: InOrder::default(),
                leases,
                told: FxHashSet::default(),
                origins: FxHashMap::default(),
                entries: Vec::new(),
                entries_since: None,
                taken: FxHashMap::default(),
                files: Vec::new(),
                store_error: None,
                broken: None,
                running: 0,
                wake: None,
                signal: None,
                signals: 0,
                cancelled: false,
                leaving: false,
                done: None,
                last: now(),
                events: Vec::new(),
                effects: Vec::new(),
            };
            state.run(by, &answered)
            // `state` is dropped here with the sending end of the work channel, which ends the workers.
        })
    }
}

impl Loop<'_> {
    fn run(mut self, by: Arc<str>, answered: &Receiver<Answer>) -> Result<Closed, Error> {
        let driven = self.drive_to_the_end(by, answered);
        // Workers that still wait for the store would be waited for.
        self.session.workshop.patient.give_up();
        self.fetcher.give_up();
        let counts = self.session.engine.counts();
        for sink in &mut self.session.sinks {
            sink.end(now(), counts);
        }
        driven?;
        Ok(Closed {
            engine: self.session.engine,
            state: self.done.flatten(),
            signal: self.signal,
            cancelled: self.cancelled,
            last: self.last,
            store_error: self.store_error,
        })
    }

    fn drive_to_the_end(&mut self, by: Arc<str>, answered: &Receiver<Answer>) -> Result<(), Error> {
        self.step(Input::Begin { by });
        self.turn()?;
        while self.done.is_none() {
            if self.broken.is_some() && self.running == 0 {
                break;
            }
            self.wait(answered)?;
            self.turn()?;
        }
        if self.done.flatten().is_some() {
            // Jobs of an earlier driver that the plan has no use for any more.
            let left = self.session.adopted.left();
            if !left.is_empty() {
                self.session.crew.cancel(&left, true).map_err(Error::Backend)?;
            }
        }
        self.settle();
        self.session.journal.sync()?;
        match self.broken.take() {
            Some(error) if self.done.is_none() && self.signal.is_none() && !self.cancelled => {
                let what = "what has finished is safe in the run's journal, and the same command goes on";
                Err(Error::Store(error.context(what)))
            }
            _ => Ok(()),
        }
    }

    /// Waits for something to happen, and takes all that has happened, up to the size of a turn.
    fn wait(&mut self, answered: &Receiver<Answer>) -> Result<(), Error> {
        let (reports, signals) = (self.session.reports.clone(), self.session.signals.clone());
        let look = self.session.requests.look.clone();
        let begin = now();
        let flush = self.entries_since.map(|since| since + FLUSH.1);
        let due = [self.wake, flush].into_iter().flatten().min();
        let due = due.map(|due| Duration::from_millis(due.saturating_sub(begin)));
        let turn = self.answers.due().map(|due| due.saturating_duration_since(Instant::now()));
        let timer = due.into_iter().chain(turn).min().map_or_else(never, after);
        let waiting = meter::span(Phase::Waiting);
        select! {
            recv(reports) -> report => self.report(report.map_err(|_| backend_gone())?)?,
            recv(answered) -> answer => self.answered(answer.map_err(|_| workers_gone())?)?,
            recv(look) -> _ => if self.session.requests.cancel() { self.cancelled() },
            recv(signals) -> signal => if let Ok(signal) = signal { self.signalled(signal) },
            recv(timer) -> _ => {}
        }
        drop(waiting);
        for _ in 0..TURN {
            if let Ok(report) = reports.try_recv() {
                self.report(report)?;
            } else if let Ok(answer) = answered.try_recv() {
                self.answered(answer)?;
            } else {
                break;
            }
        }
        self.take_answers()?;
        let now = now();
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
            self.step(Input::Tick);
        }
        let many = self.entries.len() >= FLUSH.0 && self.store_error.is_none();
        if many || self.entries_since.is_some_and(|since| since + FLUSH.1 <= now) {
            self.flush();
        }
        Ok(())
    }

    fn step(&mut self, input: Input) {
        let _planning = meter::span(Phase::Planning);
        self.session.engine.step(now(), input, &mut self.events, &mut self.effects);
    }

    fn answered(&mut self, answer: Answer) -> Result<(), Error> {
        match answer {
            Answer::Input(number, input) => {
                self.answers.answer(number, input);
                self.take_answers()
            }
            Answer::Leased(answers) => {
                let waited = self.leases.answered(answers, now());
                if self.leases.is_due() {
                    self.entries_since.get_or_insert_with(now);
                }
                if !waited.is_empty() {
                    self.step(Input::Leased(waited));
                }
                Ok(())
            }
            Answer::Broken(error) if is_away(&error) => {
                if self.broken.is_none() {
                    self.note(&format!("{error:#}; nothing new starts, and what runs is awaited"));
                    self.session.workshop.patient.give_up();
                    self.broken = Some(error);
                }
                Ok(())
            }
            Answer::Broken(error) => Err(Error::Store(error)),
            Answer::Note(text) => {
                // What is so for one is so for all that follow.
                if self.told.insert(text.clone()) {
                    self.note(&text);
                }
                Ok(())
            }
            Answer::Told(Told::Fetch(fetch)) => {
                self.session.sinks.iter_mut().for_each(|sink| sink.fetch(&fetch));
                Ok(())
            }
            Answer::Told(Told::Prepared(instance, answer)) => {
                if !matches!(answer, Prepared::Run { .. }) {
                    self.session.workshop.take(instance);
                }
                self.take_answer(Input::Prepared(vec![(instance, answer)]))
            }
        }
    }

    /// Hands the engine the answers whose turn it is.
    fn take_answers(&mut self) -> Result<(), Error> {
        while let Some(input) = self.answers.next(Instant::now()) {
            self.take_answer(input)?;
        }
        Ok(())
    }

    fn take_answer(&mut self, input: Input) -> Result<(), Error> {
        // A list is kept before the journal speaks of it.
        if let Input::Listed { answer: ListAnswer::Items(items), .. }
        | Input::Turned { answer: Ok(Turn { carry: items, .. }), .. } = &input
        {
            self.session.dir.write_list(items)?;
        }
        if let Input::Prepared(answers) = &input {
            self.leases.prepared(&self.session.engine, answers);
        }
        self.step(input);
        Ok(())
    }

    fn report(&mut self, report: Report) -> Result<(), Error> {
        self.session.crew.heard(&report);
        let Some(report) = self.session.adopted.translated(report) else { return Ok(()) };
        self.take_report(report)
    }

    fn take_report(&mut self, report: Report) -> Result<(), Error> {
        match report {
            Report::Started { instance, attempt, log, host } => {
                self.step(Input::Started { instance, attempt, log, host })
            }
            Report::Ended { instance, attempt, mut outcome, stats, trusted } => {
                outcome.doubtful = outcome.result.is_ok() && !trusted;
                self.running = self.running.saturating_sub(1);
                let results = outcome.result.as_ref().ok().cloned();
                let wall_us = outcome.usage.wall_us;
                let before = self.events.len();
                self.step(Input::Ended { instance, attempt, outcome });
                // A late report of an older attempt changes nothing, and its results are not recorded.
                let accepted = self.events[before..].iter().any(|event| {
                    matches!(event, Event::Ended { instance: i, attempt: a, .. } if *i == instance && *a == attempt)
                });
                let origin = self.origins.remove(&instance);
                match results.filter(|_| accepted) {
                    Some(results) => self.ended_well(instance, origin, results, &stats, trusted, wall_us),
                    None => self.let_go(origin.map(|origin| origin.key)),
                }
            }
            Report::Note(text) => self.note(&text),
            Report::Waiting(waiting) => {
                self.session.sinks.iter_mut().for_each(|sink| sink.waiting(waiting.as_ref()));
            }
            Report::Broken(what, help) => {
                return Err(Error::Backend(Fault { kind: FaultKind::Other, what, help }.into()));
            }
        }
        Ok(())
    }

    fn ended_well(
        &mut self,
        instance: InstanceId,
        origin: Option<Origin>,
        results: crate::event::Results,
        stats: &[Option<Stat>],
        trusted: bool,
        wall_us: u64,
    ) {
        let workshop = &self.session.workshop;
        for (Artifact { path, digest, .. }, stat) in results.iter().flat_map(Produced::artifacts).zip(stats) {
            if let Some(stat) = stat {
                let path = workshop.project.join(OsStr::from_bytes(path.as_bytes().unwrap_or_default()));
                workshop.memo.learn(&path, *stat, digest);
            }
        }
        results.iter().for_each(|produced| workshop.gone.came_back(&workshop.project, produced));
        let Some(origin) = origin else { return };
        let name: Arc<str> = self.session.engine.name(instance).into();
        if !trusted {
            self.note(&format!("{name}: an input changed while it ran, so that its result is not kept for later runs"));
            self.let_go(Some(origin.key));
            return;
        }
        let node = self.session.engine.place(instance).node;
        let kept: Vec<Produced> = match &self.session.plan.nodes[node].kind {
            NodeKind::Task(task) => {
                let stays = |(_, output): &(&Produced, &Output)| output.keep == Keep::Always;
                results.iter().zip(&task.outputs).filter(stays).map(|(produced, _)| produced.clone()).collect()
            }
            _ => Vec::new(),
        };
        if workshop.artifacts.is_some() && kept.iter().any(|p| p.artifacts().next().is_some()) {
            // The workers outlive the loop. Nobody waits for an answer, so that the number does not matter.
            let _ = self.work.send((0, Work::Keep(kept.into())));
        }
        self.entries_since.get_or_insert_with(now);
        self.entries.push(Entry {
            key: origin.key,
            pipeline: self.session.plan.name.clone(),
            node: self.session.plan.nodes[node].path.clone(),
            instance: name,
            fixed: origin.fixed,
            own: origin.own,
            results,
            made: Made { at: now(), wall_us, ..self.session.made.clone() },
        });
    }

    /// Removes outputs that nobody needs any more.
    fn remove_bytes(&mut self, instance: InstanceId, outputs: &[u32]) {
        let workshop = self.session.workshop.clone();
        let Some(results) = self.session.engine.ledger().results(instance).cloned() else { return };
        for produced in outputs.iter().filter_map(|output| results.get(*output as usize)) {
            workshop.gone.add(&workshop.project, produced);
            if let Err(fault) = gone::remove(&workshop.project, &workshop.memo, produced) {
                self.note(&format!("an output that nobody needs any more stays: {fault}"));
            }
        }
    }

    /// Gives a lease back, with the next writing.
    fn let_go(&mut self, key: Option<Key>) {
        if let Some(key) = key {
            self.leases.let_go(key);
            self.entries_since.get_or_insert_with(now);
        }
    }

    /// The ladder: nothing new starts; what runs is killed; nothing more is waited for (the executor ends with us and
    /// takes its tasks along).
    fn signalled(&mut self, signal: i32) {
        if signal == TIME_IS_UP {
            if let Some(next) = self.session.next.take() {
                next();
            }
            return;
        }
        let name = signal_name(signal);
        self.signals += 1;
        match self.signals {
            1 => {
                self.signal = Some(signal);
                // What runs elsewhere goes on; the next driver takes it over.
                self.leaving = self.session.crew.outlives_driver();
                self.session.workshop.patient.give_up();
                self.fetcher.give_up();
                self.step(Input::Stop(Stop::Soft(name.into())));
            }
            2 => {
                self.leaving = false;
                self.step(Input::Stop(Stop::Hard(name.into())));
            }
            _ => self.done = Some(None),
        }
    }

    /// All that runs is killed, wherever it does.
    fn cancelled(&mut self) {
        self.cancelled = true;
        self.leaving = false;
        self.session.workshop.patient.give_up();
        self.fetcher.give_up();
        self.step(Input::Stop(Stop::Hard("`flowrun cancel`".into())));
    }

    /// The journal first, then the views, then the effects.
    fn turn(&mut self) -> Result<(), Error> {
        while !(self.events.is_empty() && self.effects.is_empty()) {
            self.lease()?;
            let events = std::mem::take(&mut self.events);
            let effects = std::mem::take(&mut self.effects);
            if !events.is_empty() {
                self.session.lock.still_held()?;
                let time = self.session.began.take().unwrap_or_else(now);
                self.last = time;
                self.session.journal.append(time, &events)?;
                self.show(time, &events);
            }
            // What is held back for an attempt that has not begun is in no journal.
            if !self.session.adopted.holds_back() {
                self.session.crew.written();
            }
            self.carry_out(effects)?;
        }
        if self.leaving && self.session.crew.all_stay() {
            self.done.get_or_insert(None);
        }
        Ok(())
    }

    /// Leases that were taken ahead need no turn of their own.
    fn lease(&mut self) -> Result<(), Error> {
        loop {
            let mut wanted = Vec::new();
            self.effects.retain(|effect| match effect {
                Effect::Lease { instance, key } => {
                    wanted.push((*instance, *key));
                    false
                }
                _ => true,
            });
            if wanted.is_empty() {
                return Ok(());
            }
            let ours = self.leases.need(&self.session.engine, wanted, now()).map_err(|_| workers_gone())?;
            if !ours.is_empty() {
                self.step(Input::Leased(ours));
            }
        }
    }

    fn show(&mut self, time: Time, events: &[Event]) {
        let _telling = meter::span(Phase::Telling);
        let engine = &self.session.engine;
        let counts = engine.counts();
        let events = by_node(engine.ledger().space(), events);
        let name = |event: &Event| event.instance().map(|i| engine.name(i)).unwrap_or_default();
        let names: Vec<String> = events.iter().map(name).collect();
        let named: Vec<Named<'_>> = events.iter().zip(&names).map(|(event, name)| Named { event, name }).collect();
        for sink in &mut self.session.sinks {
            sink.turn(time, &named, counts);
        }
    }

    fn note(&mut self, text: &str) {
        for sink in &mut self.session.sinks {
            sink.note(text);
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Error> {
        let mut jobs = Vec::new();
        let (mut soft, mut hard) = (Vec::new(), Vec::new());
        for effect in effects {
            let work = match effect {
                Effect::List { instance, node, values } => match self.session.lists.remove(&node) {
                    Some(answer) => {
                        self.take_answer(Input::Listed { instance, answer })?;
                        continue;
                    }
                    None => Work::List { instance, node, values },
                },
                Effect::Record { instance, node, rows } => Work::Record { instance, node, rows },
                Effect::Turn { instance, node, index, values } => Work::Turn { instance, node, index, values },
                Effect::Prepare { node, batch } => {
                    let engine = &self.session.engine;
                    let names = batch.iter().map(|p| engine.name(p.instance).into()).collect();
                    Work::Prepare { node, batch, names }
                }
                // They were taken out before.
                Effect::Lease { .. } => continue,
                Effect::Release { key } => {
                    self.let_go(Some(key));
                    continue;
                }
                Effect::Start { instance, attempt, gpus } => {
                    let Some(mut ready) = self.session.workshop.take(instance) else {
                        return Err(Error::Backend(anyhow::anyhow!("instance {} was not prepared", instance.0)));
                    };
                    ready.job.attempt = attempt;
                    ready.job.name = self.session.engine.name(instance).into();
                    let capacity = self.session.workshop.assigned.capacities.of(ready.job.needs.backend);
                    if capacity.gpus.first().is_some_and(|id| !id.is_empty()) {
                        let value = gpus.join(",").into_bytes();
                        ready.job.env.push((b"CUDA_VISIBLE_DEVICES".to_vec(), value));
                        if let Some(container) = &mut ready.job.container {
                            container.gpus = gpus;
                        }
                    }
                    let key = ready.origin.as_ref().map(|origin| origin.key);
                    if let Some(origin) = ready.origin {
                        self.origins.insert(instance, origin);
                    }
                    match self.session.adopted.start(ready.job, key) {
                        Start::Submit(job) => jobs.push(*job),
                        Start::Instead { stop } => {
                            self.running += 1;
                            hard.extend(stop.then_some(instance));
                        }
                    }
                    continue;
                }
                Effect::Drop { instance } => {
                    self.leases.dropped(&self.session.engine, instance);
                    self.session.workshop.take(instance);
                    continue;
                }
                Effect::Cancel { instance, hard: true } => {
                    hard.push(instance);
                    continue;
                }
                Effect::Cancel { instance, hard: false } => {
                    if !(self.leaving && self.session.crew.stays(instance)) {
                        soft.push(instance);
                    }
                    continue;
                }
                Effect::LetGo { instance, outputs } => {
                    self.remove_bytes(instance, &outputs);
                    continue;
                }
                Effect::Wake(time) => {
                    self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
                    continue;
                }
                Effect::Done(state) => {
                    self.done = Some(state);
                    continue;
                }
            };
            let number = self.answers.ask(Instant::now());
            self.work.send((number, work)).map_err(|_| workers_gone())?;
        }
        if !jobs.is_empty() {
            self.running += jobs.len();
            let _spawning = meter::span(Phase::Spawning);
            self.session.crew.submit(jobs).map_err(Error::Backend)?;
        }
        for (instances, hard) in [(soft, false), (hard, true)] {
            if !instances.is_empty() {
                self.session.crew.cancel(&instances, hard).map_err(Error::Backend)?;
            }
        }
        for ready in self.session.adopted.take_ready() {
            match ready {
                Ready::Report(report) => self.take_report(*report)?,
                Ready::Submit(job) => self.session.crew.submit(vec![*job]).map_err(Error::Backend)?,
            }
        }
        Ok(())
    }

    /// Writes results to the store. A store that is away harms no task: the journal has everything, and what could not
    /// be written waits for the next time.
    fn flush(&mut self) {
        let _store = meter::span(Phase::Store);
        let workshop = self.session.workshop.clone();
        let mut store = match workshop.store.try_lock() {
            Ok(store) => store,
            Err(TryLockError::Poisoned(store)) => store.into_inner(),
            // A worker asks the store, which may take long when it is away: reports must not wait for that.
            Err(TryLockError::WouldBlock) if self.entries.len() < 8 * FLUSH.0 || self.store_error.is_some() => {
                self.entries_since = Some(now());
                return;
            }
            Err(TryLockError::WouldBlock) => workshop.store.lock().unwrap_or_else(PoisonError::into_inner),
        };
        for (node, taken) in workshop.taken() {
            self.taken.entry(node).or_default().extend(taken);
        }
        self.files.extend(workshop.memo.take_fresh());
        let written = self.write(store.as_mut());
        drop(store);
        match written {
            Ok(()) => {
                self.entries_since = self.leases.is_due().then(now);
                if self.store_error.take().is_some() {
                    self.note("the store is back, and has what had waited for it");
                }
            }
            Err(error) => {
                if self.store_error.is_none() {
                    self.note(&format!("results cannot be written to the store, and wait in the journal: {error:#}"));
                }
                self.entries_since = Some(now() + AGAIN_MS - FLUSH.1);
                self.store_error = Some(error);
            }
        }
    }

    fn write(&mut self, store: &mut dyn Store) -> anyhow::Result<()> {
        if !self.entries.is_empty() {
            store.record(&self.entries)?;
            self.entries.clear();
        }
        let let_go = self.leases.returning(now());
        if !let_go.is_empty() {
            store.release(self.session.made.run, Some(let_go))?;
            self.leases.returned();
        }
        while let Some(node) = self.taken.keys().next().copied() {
            store.take(&self.session.plan.name, &self.session.plan.nodes[node].path, &self.taken[&node])?;
            self.taken.remove(&node);
        }
        if !self.files.is_empty() {
            store.remember(&self.files)?;
            self.files.clear();
        }
        Ok(())
    }

    /// The last writing. A store that is away is waited for, unless somebody stops it or it was waited for already.
    fn settle(&mut self) {
        let workshop = self.session.workshop.clone();
        // Nobody is given a lease after all were given back.
        workshop.patient.give_up();
        self.leases.end();
        let patience = workshop.store.lock().unwrap_or_else(PoisonError::into_inner).patience();
        let begin = Instant::now();
        let mut told = self.broken.is_some();
        loop {
            self.entries_since = None;
            self.flush();
            // A worker that asked at this moment is no reason to lose what waits.
            let waits = self.store_error.as_ref().map_or(self.entries_since.is_some(), is_away);
            let stopped = self.broken.is_some() || self.session.signals.try_recv().is_ok();
            if !waits || stopped || begin.elapsed() >= patience.max(PAUSE) {
                break;
            }
            if self.store_error.is_some() && !told {
                self.note(&format!("waiting up to {} s for the store", patience.as_secs()));
                told = true;
            }
            std::thread::sleep(PAUSE);
        }
        // What goes on without this process keeps its leases.
        let goes_on = self.done.flatten().is_none() && self.session.crew.outlives_driver();
        if self.leases.any().load(Ordering::Relaxed) && self.store_error.is_none() && !goes_on {
            // What is left ends by itself.
            let _ = workshop.store.lock().unwrap_or_else(PoisonError::into_inner).release(workshop.run, None);
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGINT => "SIGINT",
        libc::SIGTERM => "SIGTERM",
        _ => "SIGHUP",
    }
}

fn backend_gone() -> Error {
    Error::Backend(anyhow::anyhow!("the backend is gone"))
}

fn workers_gone() -> Error {
    Error::Backend(anyhow::anyhow!("a worker thread ended before its time"))
}
