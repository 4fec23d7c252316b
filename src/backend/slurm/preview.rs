//! What would be submitted if a run began now, for `plan`: the arrays with their command lines and scripts. Nothing is
//! submitted or written; the limits are asked for, and where there is no Slurm, its usual ones are taken.

use super::commands::Shape;
use super::desk;
use super::order::{Order, elements, terms};
use super::site::Site;
use super::survey;
use crate::backend::spool::Spool;
use crate::port::submission::{Handed, Resources, Submission, Submissions};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::sync::Arc;

/// Instances of one shape.
#[derive(Default)]
struct Group {
    nodes: Vec<Arc<str>>,
    instances: u64,
}

/// The arrays for these instances.
pub fn preview(run_dir: &Path, handed: Vec<Handed>) -> Submissions {
    let mut order: Vec<Shape> = Vec::new();
    let mut groups: FxHashMap<Shape, Group> = FxHashMap::default();
    for Handed { node, job } in &handed {
        let shape = Shape::of(job);
        let group = groups.entry(shape.clone()).or_insert_with(|| {
            order.push(shape);
            Group::default()
        });
        group.instances += 1;
        if !group.nodes.contains(node) {
            group.nodes.push(node.clone());
        }
    }
    let mut notes = Vec::new();
    let site = survey::site().unwrap_or_else(|error| {
        notes.push(format!("the limits are Slurm's usual ones, not those of a cluster: {error}"));
        Arc::new(Site::default())
    });
    let (spool, prefix) = (Spool::of(run_dir), desk::prefix(run_dir));
    let arrays = order.iter().zip(0..).map(|(shape, batch)| {
        let Group { nodes, instances } = groups.remove(shape).unwrap_or_default();
        let terms = terms(shape, &site);
        let elements = elements(desk::needed_first(shape, terms, instances), &site);
        let order = Order::new(&prefix, &spool, batch, 0, elements, (shape, terms));
        let (command, script) = (order.array().words(), order.array().script());
        let (needs, memory) = (&shape.needs, Some(shape.needs.memory).filter(|bytes| *bytes > 0));
        let resources = Resources { cpus: needs.cpus, memory, gpus: needs.gpus, time_s: shape.time_s };
        let options = shape.option_words(terms.width).collect();
        Submission { nodes, instances, elements: elements.unwrap_or(1).into(), resources, options, command, script }
    });
    let arrays = arrays.collect();
    Submissions { arrays, waiting: 0, notes }
}
