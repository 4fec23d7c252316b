//! Leases on the keys of what starts: asked for, in batches, by a thread of its own, so that a store that is slow or
//! away keeps no report waiting; and renewed as long as the run goes on.

use crate::base::digest::Key;
use crate::base::{InstanceId, NodeId};
use crate::driver::patient::is_away;
use crate::driver::prepare::Workshop;
use crate::engine::Leased;
use crate::port::{Hit, Lease};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Between two renewals. A lease that was not renewed ends after six times as long.
const RENEW: Duration = Duration::from_secs(10);

/// Who asks for a lease.
pub struct Asking {
    /// The instance.
    pub instance: InstanceId,
    /// Its task.
    pub node: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Its key.
    pub key: Key,
}

/// The answers to a batch.
pub type Answers = Vec<(InstanceId, Key, Leased)>;

/// Answers until nobody asks any more.
pub fn serve(workshop: &Workshop, asked: &Receiver<Vec<Asking>>, answer: impl Fn(anyhow::Result<Answers>)) {
    let (mut renewed, mut any) = (Instant::now(), false);
    loop {
        match asked.recv_timeout(RENEW.saturating_sub(renewed.elapsed())) {
            Ok(mut batch) => {
                batch.extend(asked.try_iter().flatten());
                any = true;
                answer(ask(workshop, &batch));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if renewed.elapsed() >= RENEW {
            renewed = Instant::now();
            if any {
                // One that fails is followed by others, long before a lease ends.
                let _ = workshop.store.lock().unwrap_or_else(PoisonError::into_inner).renew(workshop.run);
            }
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
        let leases = store.lease(workshop.run, &keys)?;
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
            (Lease::Held { run, host }, _) => Leased::Elsewhere(format!("run {run} on host {host}").into()),
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
