//! `run --only`: what the nodes around the named ones gave last, whatever has changed since. None of them runs.

use crate::base::digest::Key;
use crate::base::id::BodyId;
use crate::base::{InstanceId, NodeId};
use crate::driver::facts::Facts;
use crate::driver::history;
use crate::driver::prepare::Workshop;
use crate::driver::rundir::Home;
use crate::driver::scene::{self, Scene, refused};
use crate::engine::{Prepared, Preparing};
use crate::event::{Failure, Results};
use crate::plan::{Plan, Task};
use std::sync::Arc;

/// Of each node whether it is taken as it was: all but those named and what is in them.
pub fn taken(plan: &Plan, named: &[String]) -> Vec<bool> {
    let inside =
        |path: &str, name: &String| path == name || path.strip_prefix(name).is_some_and(|s| s.starts_with('.'));
    plan.nodes.iter().map(|(_, node)| !named.iter().any(|name| inside(&node.path, name))).collect()
}

/// Of each node of the root whether something of it runs.
pub fn run(plan: &Plan, named: &[String]) -> Vec<bool> {
    let mut runs = vec![false; plan.bodies[BodyId(0)].nodes.len()];
    for node in named.iter().filter_map(|name| plan.find(name)) {
        runs[plan.nodes[plan.outermost(node)].slot as usize] = true;
    }
    runs
}

impl Workshop {
    /// Answers `Effect::Prepare` of a node that is taken as it was.
    pub(super) fn take_latest(
        &self,
        node: NodeId,
        task: &Task,
        facts: &Facts,
        batch: Vec<Preparing>,
        names: &[Arc<str>],
    ) -> anyhow::Result<Vec<(InstanceId, Prepared)>> {
        let path = &self.plan.nodes[node].path;
        // The journals alone know what was not to be cached. Other keys than those of the cache are as good as any.
        let last: Vec<Option<(Key, Results)>> = if task.cache {
            let entries = self.patient.ask(&self.store, |store| store.latest(&self.plan.name, path, names))?;
            entries.into_iter().map(|entry| entry.map(|entry| (entry.key, entry.results))).collect()
        } else if task.outputs.is_empty() {
            names.iter().map(|name| Some((Key::of(name.as_bytes()), Results::default()))).collect()
        } else {
            let home = Home::at(self.project.join(".flowrun"));
            let results = history::results_of(&home, &self.plan.name, self.run, names);
            let key = |name: &Arc<str>| Key::of(name.as_bytes());
            names.iter().zip(results).map(|(name, results)| Some((key(name), results?))).collect()
        };
        let mut answers = Vec::with_capacity(batch.len());
        for ((one, name), last) in batch.into_iter().zip(names).zip(last) {
            let instance = one.instance;
            let given = self.given.get(name).map(|results| (Key::of(name.as_bytes()), results.clone()));
            let answer = match self.is_skipped(node, task, facts, one) {
                Ok(true) => Prepared::Skip,
                Ok(false) => self.as_it_was(path, task, given.or(last)).unwrap_or_else(Prepared::Failed),
                Err(failure) => Prepared::Failed(failure),
            };
            answers.push((instance, answer));
        }
        Ok(answers)
    }

    fn is_skipped(&self, node: NodeId, task: &Task, facts: &Facts, one: Preparing) -> Result<bool, Failure> {
        let Some(when) = &self.plan.nodes[node].when else { return Ok(false) };
        let place = self.place();
        let mut scene = Scene::new(&place, task, facts, &one.values, (one.attempt, one.raised));
        for local in &task.order[..task.before_when as usize] {
            scene.evaluate(*local)?;
        }
        let runs = scene::boolean(when, &scene.frame, "when").map_err(|wrong| wrong.said(&self.plan.sources))?;
        Ok(!runs)
    }

    fn as_it_was(&self, path: &str, task: &Task, last: Option<(Key, Results)>) -> Result<Prepared, Failure> {
        let again = Some(format!("`flowrun run {path}` makes it"));
        let Some((key, results)) = last else {
            return Err(refused("there is no earlier result".into(), again));
        };
        if results.len() != task.outputs.len() {
            return Err(refused("its last result has other outputs than are declared now".into(), again));
        }
        for (output, produced) in task.outputs.iter().zip(results.iter()) {
            for artifact in produced.artifacts() {
                self.in_place(&output.name, &artifact).map_err(|change| {
                    let now = change.new.unwrap_or_default();
                    refused(format!("what it gave last is not there any more: {now}"), again.clone())
                })?;
            }
        }
        Ok(Prepared::Hit { key, results })
    }
}
