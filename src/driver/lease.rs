//! Leases on the keys of what starts: one process computes a key, the others wait for it. The loop's side keeps count of
//! them; the store is asked by a thread of its own, in batches, so that one that is slow or away keeps no report waiting.
//!
//! Short tasks would spend their time asking, so leases on what is next in line are taken along: as many as were needed
//! within the last moment, hence none where tasks are long. They never wait for other leases, only for tasks that run.

use crate::base::digest::Key;
use crate::base::{InstanceId, NodeId};
use crate::driver::patient::is_away;
use crate::driver::prepare::Workshop;
use crate::engine::{Engine, Leased, Prepared};
use crate::event::Time;
use crate::port::{Hit, Lease, Term};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// As many leases are taken ahead as were needed within so long (milliseconds), up to a number.
const MOMENT: Time = 50;
const MOST_AHEAD: usize = 500;

/// One that was taken ahead and is not needed within so long (milliseconds) is given back. One that is older must not be
/// used either: where it could not be given back, somebody else may have it by now.
const UNUSED: Time = 1_000;

/// Who asks for a lease.
pub struct Asking {
    instance: InstanceId,
    /// Its task.
    node: NodeId,
    name: Arc<str>,
    key: Key,
}

/// The answers to a batch.
pub type Answers = Vec<(InstanceId, Key, Leased)>;

/// The loop's side.
pub struct Leases {
    asking: Sender<Vec<Asking>>,
    any: Arc<AtomicBool>,
    /// What is prepared and was not asked for.
    next: BTreeMap<(NodeId, InstanceId), Key>,
    /// When the last ones were needed.
    needed: VecDeque<Time>,
    /// Keys that are asked for; by whom, where somebody waits for the answer.
    asked: FxHashMap<Key, Option<InstanceId>>,
    /// Leases that were taken ahead, and when.
    ahead: FxHashMap<Key, Time>,
    /// To be given back with the next writing.
    let_go: Vec<Key>,
}

impl Leases {
    /// Without any; questions go to [`serve`].
    pub fn new(asking: Sender<Vec<Asking>>) -> Self {
        Self {
            asking,
            any: Arc::default(),
            next: BTreeMap::new(),
            needed: VecDeque::new(),
            asked: FxHashMap::default(),
            ahead: FxHashMap::default(),
            let_go: Vec::new(),
        }
    }

    /// Whether a lease was ever asked for.
    pub fn any(&self) -> Arc<AtomicBool> {
        self.any.clone()
    }

    /// These will be needed.
    pub fn prepared(&mut self, engine: &Engine, answers: &[(InstanceId, Prepared)]) {
        for (instance, answer) in answers {
            if let Prepared::Run { key: Some(key), .. } = answer {
                self.next.insert((engine.place(*instance).node, *instance), *key);
            }
        }
    }

    /// This one will not.
    pub fn dropped(&mut self, engine: &Engine, instance: InstanceId) {
        self.next.remove(&(engine.place(instance).node, instance));
    }

    /// What is needed now, and has the lease already or not; the others are asked for, and some that are next.
    ///
    /// # Errors
    /// When nobody serves.
    pub fn need(
        &mut self,
        engine: &Engine,
        wanted: Vec<(InstanceId, Key)>,
        now: Time,
    ) -> Result<Answers, crossbeam::channel::SendError<Vec<Asking>>> {
        let (mut ours, mut batch) = (Vec::new(), Vec::new());
        while self.needed.front().is_some_and(|at| at + MOMENT < now) {
            self.needed.pop_front();
        }
        let enough = self.needed.len().min(MOST_AHEAD);
        let mut from = Vec::new();
        for (instance, key) in wanted {
            let node = engine.place(instance).node;
            self.next.remove(&(node, instance));
            // It may be needed again: the attempt before has failed.
            self.let_go.retain(|other| *other != key);
            self.needed.push_back(now);
            from.push((node, instance));
            match self.ahead.remove(&key) {
                Some(at) if now < at + UNUSED => ours.push((instance, key, Leased::Ours)),
                _ => {
                    if self.asked.insert(key, Some(instance)).is_none() {
                        batch.push(Asking { instance, node, name: engine.name(instance).into(), key });
                    }
                }
            }
        }
        // Half of them is there still: the answer will come before the last of them is needed.
        if !batch.is_empty() || self.ahead.len() + self.asked.len() < enough / 2 {
            from.dedup_by_key(|(node, _)| *node);
            let share = enough / from.len().max(1);
            for start in from {
                self.ask_ahead(engine, start, share, &mut batch);
            }
        }
        if !batch.is_empty() {
            self.any.store(true, Ordering::Relaxed);
            self.asking.send(batch)?;
        }
        Ok(ours)
    }

    fn ask_ahead(&mut self, engine: &Engine, start: (NodeId, InstanceId), most: usize, batch: &mut Vec<Asking>) {
        let mut passed = Vec::new();
        for (&(node, instance), &key) in self.next.range(start..).take(most) {
            passed.push((node, instance));
            if !self.asked.contains_key(&key) && !self.ahead.contains_key(&key) {
                self.asked.insert(key, None);
                batch.push(Asking { instance, node, name: engine.name(instance).into(), key });
            }
        }
        for one in passed {
            self.next.remove(&one);
        }
    }

    /// The answers that somebody waits for.
    pub fn answered(&mut self, answers: Answers, now: Time) -> Answers {
        let mut waited = Vec::new();
        for (_, key, answer) in answers {
            match (self.asked.remove(&key).flatten(), &answer) {
                (Some(instance), _) => waited.push((instance, key, answer)),
                (None, Leased::Ours) => {
                    self.ahead.insert(key, now);
                }
                // It is asked for again when it is needed.
                (None, Leased::Elsewhere(_) | Leased::Known) => {}
            }
        }
        waited
    }

    /// Gives a lease back, with the next writing.
    pub fn let_go(&mut self, key: Key) {
        self.let_go.push(key);
    }

    /// All that is to be given back now, until it [was](Leases::returned).
    pub fn returning(&mut self, now: Time) -> &[Key] {
        let let_go = &mut self.let_go;
        self.ahead.retain(|key, at| {
            let used = now < *at + UNUSED;
            if !used {
                let_go.push(*key);
            }
            used
        });
        let_go
    }

    /// It was given back.
    pub fn returned(&mut self) {
        self.let_go.clear();
    }

    /// Nothing starts any more.
    pub fn end(&mut self) {
        self.let_go.extend(self.ahead.drain().map(|(key, _)| key));
    }

    /// Whether something will have to be given back.
    pub fn is_due(&self) -> bool {
        !(self.let_go.is_empty() && self.ahead.is_empty())
    }
}

/// Answers until nobody asks any more.
pub fn serve(workshop: &Workshop, asked: &Receiver<Vec<Asking>>, answer: impl Fn(anyhow::Result<Answers>)) {
    for mut batch in asked {
        batch.extend(asked.try_iter().flatten());
        answer(ask(workshop, &batch));
    }
}

/// Renews what the run holds, if `any`, until the other end of `over` is dropped. Not done by [`serve`], which may have to
/// look at large files.
pub fn renew(workshop: &Workshop, any: &AtomicBool, over: &Receiver<()>) {
    // Six times in a term, so that one that fails does no harm.
    let pause = (workshop.lease.lasts / 6).min(RENEW);
    while let Err(RecvTimeoutError::Timeout) = over.recv_timeout(pause) {
        if any.load(Ordering::Relaxed) {
            let _ = workshop.store.lock().unwrap_or_else(PoisonError::into_inner).renew(workshop.run, workshop.lease);
        }
    }
}

fn ask(workshop: &Workshop, batch: &[Asking]) -> anyhow::Result<Answers> {
    let keys: Vec<Key> = batch.iter().map(|one| one.key).collect();
    let asked = workshop.patient.ask(&workshop.store, |store| {
        // Nothing starts any more, and all leases were given back.
        if workshop.patient.is_over() {
            return Ok(Vec::new());
        }
        let leases = store.lease(workshop.run, &keys, workshop.lease)?;
        // Another process may have computed it after it was prepared, and given its lease back.
        let mut hits: Vec<Option<Hit>> = vec![None; batch.len()];
        let mut ours: Vec<usize> = (0..batch.len())
            .filter(|i| leases[*i] == Lease::Ours && !workshop.force[batch[*i].node.0 as usize])
            .collect();
        ours.sort_by_key(|i| batch[*i].node);
        for same in ours.chunk_by(|a, b| batch[*a].node == batch[*b].node) {
            let asked: Vec<_> = same.iter().map(|i| (batch[*i].key, batch[*i].name.clone())).collect();
            let path = &workshop.plan.nodes[batch[same[0]].node].path;
            for (i, hit) in same.iter().zip(store.lookup(&workshop.plan.name, path, &asked)?) {
                hits[*i] = hit;
            }
        }
        Ok(leases.into_iter().zip(hits).collect())
    });
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) if is_away(&error) => return Err(error),
        // A store that cannot be written stops no run: its results wait in the journal.
        Err(_) => batch.iter().map(|_| (Lease::Ours, None)).collect(),
    };
    let mut answers = Vec::with_capacity(batch.len());
    let mut known = Vec::new();
    for (one, (lease, hit)) in batch.iter().zip(asked) {
        let answer = match (lease, hit) {
            (Lease::Held { run, user, host }, _) => Leased::Elsewhere(told(run, &user, &host).into()),
            (Lease::Ours, Some(hit)) if workshop.is_whole(one.instance, &hit) => {
                known.push(one.key);
                Leased::Known
            }
            (Lease::Ours, _) => Leased::Ours,
        };
        answers.push((one.instance, one.key, answer));
    }
    if !known.is_empty() {
        // If not now, they end with the run.
        let _ = workshop.patient.ask(&workshop.store, |store| store.release(workshop.run, Some(&known)));
    }
    Ok(answers)
}

/// Who holds a lease, in words.
pub fn told(run: u64, user: &str, host: &str) -> String {
    match user {
        "" => format!("run {run} on host {host}"),
        user => format!("run {run} of {user} on host {host}"),
    }
}

/// How long a lease lasts that is not renewed.
pub fn term(outlives: bool) -> Term {
    // What runs elsewhere is adopted by its run when that goes on; nobody else can see whether it still runs.
    let lasts = if outlives { Duration::from_secs(24 * 60 * 60) } else { Duration::from_secs(60) };
    Term { lasts, outlives }
}

/// Between two renewals, at the longest: a renewal writes every lease of the run.
const RENEW: Duration = Duration::from_secs(10 * 60);
