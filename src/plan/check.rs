//! From a model to a plan: everything that can be found wrong without running anything is found here, all at once.

use super::declare::{Form, What, World};
use super::gather::{Findings, Gather};
use super::model::{Body, Node, NodeKind, Plan};
use super::params::{self, Given};
use super::vary::{self, Traces};
use super::words::Place;
use super::{edges, holder, keep, map, order, policy, task, trial};
use crate::base::id::BodyId;
use crate::base::{Arena, NodeId};
use crate::diag::{Diagnostic, Severity};
use crate::lang::model::Model;
use std::sync::Arc;

/// Checks a model with what the run was given. There is a plan when no diagnostic is an error.
pub fn check(model: &Model, given: &Given) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut found = Findings::default();
    let params = params::resolve(model, given, &mut found.diagnostics);
    let world = World::declare(model, &mut found.diagnostics);
    let mut traces = Traces::default();
    let mut nodes: Arena<NodeId, Node> = Arena::default();
    for (id, decl) in world.nodes.iter() {
        let (kind, when, priority) = match &decl.what {
            What::Task(task) => {
                let built = task::build(&world, id, decl.body, task, &mut found);
                traces.tasks.push(Some(Box::new(built.trace)));
                traces.sources.push(None);
                let priority = task.priority.as_ref().map_or(0, |p| p.value);
                (NodeKind::Task(Box::new(built.task)), built.when, priority)
            }
            What::Map(view) => {
                let built = map::build(&world, id, decl.body, view, &mut found);
                traces.tasks.push(None);
                traces.sources.push(Some(built.source));
                let priority = match view.form {
                    Form::Shorthand(task) => task.priority.as_ref().map_or(0, |p| p.value),
                    Form::Map(_) | Form::Calls(_) => 0,
                };
                (NodeKind::Map(Box::new(built.map)), built.when, priority)
            }
            holder => {
                let at = (id, decl.body);
                let built = match holder {
                    What::Branch(branch, cases) => holder::branch(&world, at, branch, cases, &mut found),
                    What::Loop(looped, inner) => holder::looped(&world, at, looped, *inner, &mut found),
                    What::Call(call, inner) => holder::call(&world, at, call, *inner, &mut found),
                    What::Task(_) | What::Map(_) => unreachable!("these are above"),
                };
                traces.tasks.push(None);
                traces.sources.push(Some(built.source));
                (built.kind, built.when, 0)
            }
        };
        nodes.push(Node {
            name: decl.name.value.clone(),
            path: decl.path.clone(),
            body: decl.body,
            slot: decl.slot,
            deps: Vec::new(),
            dependents: Vec::new(),
            when,
            priority,
            height: 0,
            on_error: policy::on_error(&world, id),
            require: policy::require(&world, id),
            kind,
            span: decl.name.span,
        });
    }
    let mut g = Gather::new(&world, BodyId(0), None, None);
    let outputs = model.outputs.iter().map(|(name, datum)| {
        let (shape, _) = g.shape(Place::PipelineOutputs, datum, &mut found);
        (name.value.clone(), shape)
    });
    let outputs: Vec<_> = outputs.collect();
    let (output_names, output_reads) = g.finish();

    let project = given.project.as_deref();
    let declared = edges::by_paths(&world, &params, given, &mut found);
    policy::check_requires(&world, &mut found);
    let order = order::find(&world, &mut found);
    if let Some(order) = &order {
        vary::check(&world, &nodes, &traces, &order.points, &mut found);
    }
    if found.broken.is_empty() {
        for (i, file) in world.files.iter().enumerate() {
            let used = |name: &Arc<str>| found.used_params.contains(&(i as u32, name.clone()));
            params::unused(file.model, used, &mut found.diagnostics);
        }
    }
    let diagnostics = sorted(found.diagnostics);
    let (Some(order), true) = (order, diagnostics.iter().all(|d| d.severity == Severity::Warning)) else {
        return (None, diagnostics);
    };

    keep::settle(&mut nodes, &output_reads, &found.taken);
    for (id, (deps, height)) in nodes.ids().zip(order.deps.into_iter().zip(order.heights)) {
        for dep in &deps {
            nodes[dep.node].dependents.push(id);
        }
        (nodes[id].deps, nodes[id].height) = (deps, height);
        if let NodeKind::Task(task) = &mut nodes[id].kind {
            task.words.retain(|word| !declared.holds(word, project));
        }
    }
    let mut bodies: Arena<BodyId, Body> = Arena::default();
    for (_, room) in world.bodies.iter() {
        let owner = room.owner.map(|(owner, _)| owner);
        bodies.push(Body { owner, nodes: room.nodes.clone(), depth: room.depth });
    }
    let mut limits: Vec<(Arc<str>, u32)> = Vec::new();
    for (name, n) in world.limits() {
        if limits.iter().all(|(known, _)| *known != name.value) {
            limits.push((name.value.clone(), n.value));
        }
    }
    let mut plan = Plan {
        name: model.name.as_ref().map_or_else(|| "pipeline".into(), |name| name.value.clone()),
        description: model.description.as_ref().map(|text| text.value.clone()),
        params,
        limits,
        nodes,
        bodies,
        outputs,
        output_names,
        output_deps: output_deps(&output_reads),
        output_reads,
        trials: Vec::new(),
        sources: Default::default(),
    };
    let mut diagnostics = diagnostics;
    plan.trials = trial::check(model, &plan, &mut diagnostics);
    let right = diagnostics.iter().all(|d| d.severity == Severity::Warning);
    (right.then_some(plan), sorted(diagnostics))
}

fn output_deps(reads: &[super::Read]) -> Vec<NodeId> {
    let mut deps: Vec<NodeId> = Vec::new();
    for read in reads {
        for (node, _) in read.from.nodes() {
            if !deps.contains(&node) {
                deps.push(node);
            }
        }
    }
    deps
}

/// In the order of the file, each once; what has no place comes first.
fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|d| d.primary.as_ref().map(|label| label.span));
    diagnostics.dedup();
    diagnostics
}
