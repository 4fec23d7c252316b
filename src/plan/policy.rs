//! What a failure of each node means: what it says itself, else what the nodes around it say. And whether that can be
//! meant: something must be there to be raised or required.

use super::declare::{What, World};
use super::gather::{Edge, Findings};
use crate::base::NodeId;
use crate::base::amount;
use crate::base::id::BodyId;
use crate::diag::{Diagnostic, Span, codes};
use crate::lang::model::TaskDecl;
use crate::lang::policy::{OnError, Require, Retry};

/// What a failure of a node means. A map with a limit of its own takes the failures in its body upon itself.
pub(super) fn on_error(world: &World<'_>, id: NodeId) -> OnError {
    let decl = &world.nodes[id];
    if let Some(own) = &decl.what.policy().on_error {
        return own.value;
    }
    for body in world.outwards(decl.body) {
        let Some((_, what)) = world.holder(body) else { break };
        if let What::Map(view) = what
            && view.over.max_failures.is_some()
        {
            break;
        }
        if let Some(outer) = &what.policy().on_error {
            return outer.value;
        }
    }
    OnError::Fail
}

/// `require`; of a task with `over` it holds for what its list reads and for what its items read.
pub(super) fn require(world: &World<'_>, id: NodeId) -> Option<Require> {
    world.nodes[id].what.policy().require.as_ref().map(|require| require.value)
}

/// Every `require` must have a map to speak of.
pub(super) fn check_requires(world: &World<'_>, found: &mut Findings) {
    let is_map = |edge: &Edge| matches!(world.nodes[edge.node].what, What::Map(_));
    let mut good: Vec<Span> = Vec::new();
    for edge in found.edges.iter().filter(|edge| is_map(edge)) {
        good.extend(world.nodes[edge.reader].what.policy().require.as_ref().map(|require| require.span));
    }
    for (id, decl) in world.nodes.iter() {
        let Some(require) = &decl.what.policy().require else { continue };
        if good.contains(&require.span) || found.broken.contains(&id) {
            continue;
        }
        let message = format!("`require` has no meaning: `{}` reads no map", decl.path);
        let d = Diagnostic::error(codes::REQUIRES_NO_MAP, require.span, message);
        found.diagnostics.push(d.help("leave it out, or read a map's results: `{{ some_map.task.output }}`"));
    }
}

/// The `retry` of a task: its own, else that of the nearest node around it that has one.
pub(super) fn retry(world: &World<'_>, body: BodyId, task: &TaskDecl, found: &mut Findings) -> Option<Retry> {
    let outer = || {
        // that of a shorthand stands on its task too
        world.outwards(body).find_map(|body| world.holder(body)?.1.policy().retry.as_ref())
    };
    let decl = task.policy.retry.as_ref().or_else(outer)?;
    let resources = world.resources(body, task);
    let name = &task.name.value;
    let parts = [
        ("memory", decl.memory, decl.retry.memory_cap.zip(decl.memory_cap)),
        ("time", decl.time, decl.retry.time_cap.zip(decl.time_cap)),
    ];
    for (resource, raised, cap) in parts {
        let Some(raised) = raised else { continue };
        let Some((_, datum)) = resources.iter().find(|(name, _)| &*name.value == resource) else {
            let message = format!("`{name}` asks for no `{resource}` that could be raised");
            let d = Diagnostic::error(codes::NOTHING_TO_RAISE, raised, message);
            found.diagnostics.push(d.help(format!("say what the first attempt gets: `resources.{resource} = …`")));
            continue;
        };
        let value = datum.literal();
        let asked = match resource {
            "memory" => amount::bytes_of(&value),
            _ => amount::duration_of(&value),
        };
        if let (Some((cap, span)), Ok(asked)) = (cap, asked)
            && cap < asked
        {
            let message = format!("the cap is below the `{resource}` that `{name}` asks for at first");
            let d = Diagnostic::error(codes::NOTHING_TO_RAISE, span, message);
            found.diagnostics.push(d.also(datum.span(), "asked for here").help("raise the cap, or ask for less"));
        }
    }
    Some(decl.retry.clone())
}
