//! What an instance of each node takes, learnt from earlier runs, so that the longest way to the end begins first. Kept
//! beside the runs; losing it costs time only.

use crate::base::human::node_of;
use crate::base::id::Id;
use crate::driver::rundir::Home;
use crate::engine::Counts;
use crate::event::{Event, Time};
use crate::plan::Plan;
use crate::port::{Named, Sink};
use crate::sys::durable::{self, Sync};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Microseconds by node and pipeline.
type Known = BTreeMap<Arc<str>, BTreeMap<Arc<str>, u64>>;

fn read(home: &Home) -> Known {
    let bytes = std::fs::read(home.times()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// What is shorter counts as this: among short tasks the order would follow chance alone.
const LEAST: u64 = 1_000_000;

/// The times of a plan's nodes, by id; 0: not known. Empty: nothing takes long.
pub fn times(home: &Home, plan: &Plan) -> Vec<u64> {
    let known = read(home);
    let Some(known) = known.get(&plan.name).filter(|known| known.values().any(|time| *time > LEAST)) else {
        return Vec::new();
    };
    let mut times = vec![0; plan.nodes.len()];
    for (id, node) in plan.nodes.iter() {
        times[id.index()] = known.get(&node.path).map_or(0, |time| (*time).max(LEAST));
    }
    times
}

/// What the instances of this run took: how many, and in all.
#[derive(Clone, Default)]
pub struct Pace(Arc<Mutex<FxHashMap<String, (u64, u64)>>>);

impl Sink for Pace {
    fn turn(&mut self, _: Time, events: &[Named<'_>], _: &Counts) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Named { event, name } in events {
            if let Event::Ended { outcome, .. } = event
                && outcome.result.is_ok()
            {
                let (count, sum) = taken.entry(node_of(name)).or_default();
                *count += 1;
                *sum = sum.saturating_add(outcome.usage.wall_us);
            }
        }
    }
    fn note(&mut self, _: &str) {}
    fn end(&mut self, _: Time, _: &Counts) {}
}

impl Pace {
    /// Adds what was learnt to what was known: half of each, so that what has changed is known soon.
    pub fn keep(&self, home: &Home, plan: &Plan) {
        let taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if taken.is_empty() {
            return;
        }
        let mut known = read(home);
        let ours = known.entry(plan.name.clone()).or_default();
        let paths: FxHashSet<&str> = plan.nodes.iter().map(|(_, node)| &*node.path).collect();
        ours.retain(|path, _| paths.contains(&**path));
        for (path, (count, sum)) in taken {
            let mean = (sum / count).max(1);
            ours.entry(path.into()).and_modify(|time| *time = (*time).midpoint(mean)).or_insert(mean);
        }
        // The next run goes in another order without it, and to the same end.
        if let Ok(bytes) = serde_json::to_vec(&known) {
            let _ = durable::write(&home.times(), &bytes, Sync::Later);
        }
    }
}
