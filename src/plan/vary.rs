//! Which maps' items and which loops' iterations a node's work depends on: a path that does not name its item would be
//! made twice, and a map none of whose cached tasks reads the item would do one thing many times.

use super::declare::{Form, MapView, What, World};
use super::gather::{Findings, Seen};
use super::model::{From, Local, Node, NodeKind};
use super::order::Point;
use super::task::Trace;
use crate::base::id::{BodyId, Id};
use crate::base::{Arena, NodeId};
use crate::diag::{Diagnostic, codes};

/// A set of depths: bit `d` is what holds the body of depth `d`.
type Depths = u64;

fn bit(depth: u32) -> Depths {
    1u64.checked_shl(depth).unwrap_or(0)
}

/// What each node's strings read.
#[derive(Default)]
pub(super) struct Traces {
    /// One for each node; empty of what is no task.
    pub tasks: Vec<Option<Box<Trace>>>,
    /// One for each node: what a map's list, a branch's case, a loop's or a call's beginning reads; a task's is empty.
    pub sources: Vec<Option<Seen>>,
}

/// Checks every map and every output path in one. `points` has each node after those that it reads.
pub(super) fn check(
    world: &World<'_>,
    nodes: &Arena<NodeId, Node>,
    traces: &Traces,
    points: &[Point],
    found: &mut Findings,
) {
    let mut vary = Vary { world, nodes: vec![0; world.nodes.len()], sources: vec![0; world.nodes.len()] };
    for point in points {
        match *point {
            Point::Begin(id) => {
                let body = world.nodes[id].body;
                if let Some(source) = &traces.sources[id.index()] {
                    vary.sources[id.index()] = vary.seen(body, None, source);
                }
                if let Some(trace) = &traces.tasks[id.index()] {
                    vary.nodes[id.index()] = vary.task(body, trace);
                }
            }
            Point::End(id) => {
                let bodies = world.nodes[id].what.bodies();
                if !bodies.is_empty() {
                    let nodes = bodies.iter().flat_map(|body| &world.bodies[*body].nodes);
                    let body = nodes.map(|n| vary.nodes[n.index()]).fold(0, |a, b| a | b);
                    vary.nodes[id.index()] = body | vary.sources[id.index()];
                }
            }
        }
    }
    let mut cached: Vec<(bool, Depths)> = vec![(false, 0); world.bodies.len()];
    for (id, decl) in world.nodes.iter() {
        let What::Task(task) = &decl.what else { continue };
        let Some(trace) = &traces.tasks[id.index()] else { continue };
        if found.broken.contains(&id) {
            // it may have meant to read the item
            world.outwards(decl.body).for_each(|body| cached[body.index()].1 |= Depths::MAX);
            continue;
        }
        if let NodeKind::Task(built) = &nodes[id].kind
            && built.cache
        {
            for body in world.outwards(decl.body) {
                let entry = &mut cached[body.index()];
                *entry = (true, entry.1 | vary.nodes[id.index()]);
            }
        }
        for (output, seen) in task.outputs.iter().zip(&trace.outputs) {
            let Some(text) = output.kind.path() else { continue };
            let names = vary.seen(decl.body, Some(trace), seen);
            let missing = world.outwards(decl.body).filter(|b| {
                matches!(world.holder(*b), Some((_, What::Map(_) | What::Loop(..))))
                    && names & bit(world.bodies[*b].depth) == 0
            });
            let Some((holder, what)) = missing.last().and_then(|b| world.holder(b)) else { continue };
            let name = &world.nodes[holder].name;
            let called = text.span.file != name.span.file;
            let (each, help) = match what {
                What::Map(_) if called => (
                    "item",
                    "let the call hand a name of the item over as a param, and put that into the path".to_owned(),
                ),
                What::Map(MapView { item, .. }) => (
                    "item",
                    format!(
                        "let the path name its item: put `{{{{ {item} }}}}`, a field of it or `{{{{ index }}}}` into it"
                    ),
                ),
                _ => ("iteration", "let the path name its iteration: put `{{ index }}` into it".to_owned()),
            };
            let message = format!("every {each} of `{}` would write this one path", name.value);
            found.diagnostics.push(
                Diagnostic::error(codes::SAME_FOR_EVERY_ITEM, text.span, message)
                    .also(name.span, format!("the {}", what.word()))
                    .help(help),
            );
        }
    }
    for (body, room) in world.bodies.iter() {
        let (any, depths) = cached[body.index()];
        let same = any && depths & bit(room.depth) == 0;
        if let Some((id, What::Loop(..))) = world.holder(body)
            && same
        {
            let name = &world.nodes[id].name;
            let message = format!(
                "no cached task of `{}` reads `carry` or `index`: every iteration would be the same work",
                name.value
            );
            let help = "read `{{ carry.NAME }}` in a task of it, or `{{ index }}`, or write `cache = false`";
            found.diagnostics.push(Diagnostic::error(codes::CONSTANT_MAP, name.span, message).help(help));
        }
        if let Some((map, view)) = world.owner(body)
            && same
        {
            let name = &world.nodes[map].name;
            let what = match view.form {
                Form::Map(_) => "no cached task of",
                Form::Shorthand(_) | Form::Calls(_) => "nothing in",
            };
            let message =
                format!("{what} `{}` reads `{}` or `index`: every item would be the same work", name.value, view.item);
            found.diagnostics.push(Diagnostic::error(codes::CONSTANT_MAP, name.span, message).help(format!(
                "read `{{{{ {} }}}}` in a task of it, or `{{{{ index }}}}`, or write `cache = false`",
                view.item
            )));
        }
    }
}

struct Vary<'a, 'm> {
    world: &'a World<'m>,
    /// What a node's results depend on.
    nodes: Vec<Depths>,
    /// What a map's list depends on.
    sources: Vec<Depths>,
}

impl Vary<'_, '_> {
    fn task(&self, body: BodyId, trace: &Trace) -> Depths {
        let own = [&trace.vars, &trace.env, &trace.inputs, &trace.outputs];
        let each = own.into_iter().flatten().chain([&trace.run]);
        each.map(|seen| self.seen(body, Some(trace), seen)).fold(0, |a, b| a | b)
    }

    fn seen(&self, body: BodyId, trace: Option<&Trace>, seen: &Seen) -> Depths {
        let mut depths = seen.from.iter().map(|from| self.from(body, from)).fold(0, |a, b| a | b);
        let Some(trace) = trace else { return depths };
        let mut known: Vec<Local> = Vec::new();
        let mut next = seen.locals.clone();
        while let Some(local) = next.pop() {
            // what resources are is no part of the work
            if known.contains(&local) || matches!(local, Local::Resource(_)) {
                continue;
            }
            known.push(local);
            let inner = trace.of(local);
            depths |= inner.from.iter().map(|from| self.from(body, from)).fold(0, |a, b| a | b);
            next.extend(&inner.locals);
        }
        depths
    }

    fn from(&self, body: BodyId, from: &From) -> Depths {
        let depth = self.world.bodies[body].depth;
        let owner = |up: u32| {
            let body = self.world.outwards(body).nth(up as usize)?;
            self.world.holder(body)
        };
        match from {
            From::Param(_) => 0,
            From::Index { up } => bit(depth - up),
            From::Item { up } => {
                let derived = owner(*up).map_or(0, |(id, _)| self.sources[id.index()]);
                bit(depth - up) | derived
            }
            From::Output { .. } | From::Cases { .. } => {
                // what lies deeper than the named node has become a list
                let around = |up: u32| bit(depth - up + 1).wrapping_sub(1);
                from.nodes().map(|(node, up)| self.nodes[node.index()] & around(up)).fold(0, |a, b| a | b)
            }
        }
    }
}
