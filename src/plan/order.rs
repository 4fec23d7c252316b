//! Edges to graph: one edge a pair, no cycles, heights.
//!
//! A node takes two points of the graph: its beginning, before all that it holds, and its end, after all of it. Who
//! reads it waits for its end. Strongly connected components by Tarjan's algorithm (1972), without recursion.

use super::declare::World;
use super::gather::{Edge, Findings, Why};
use super::model::Dep;
use crate::base::NodeId;
use crate::base::id::Id;
use crate::diag::{Diagnostic, codes};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// The graph of a file without cycles.
pub(super) struct Order {
    /// For each node what it waits for.
    pub deps: Vec<Vec<Dep>>,
    /// For each node the longest path to an end.
    pub heights: Vec<u32>,
    /// All points, each after those it waits for.
    pub points: Vec<Point>,
}

/// A point of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Begin(NodeId),
    End(NodeId),
}

fn begin(node: NodeId) -> u32 {
    node.0 * 2
}

fn end(node: NodeId) -> u32 {
    node.0 * 2 + 1
}

/// Why a point waits for another.
const CONTAINED: u32 = u32::MAX;

/// Finds the order, or reports the cycles and gives `None`.
pub(super) fn find(world: &World<'_>, found: &mut Findings) -> Option<Order> {
    let mut edges = std::mem::take(&mut found.edges);
    let (mut waits, mut components) = (Vec::new(), Vec::new());
    // edges that are only possible go when they close a circle, all those of one circle at once
    for _ in 0..2 {
        waits = graph(world, &edges);
        components = strongly_connected(&waits);
        let mut component = vec![0; waits.len()];
        for (i, members) in components.iter().enumerate() {
            members.iter().for_each(|v| component[*v as usize] = i);
        }
        let before = edges.len();
        edges.retain(|e| {
            let circle = component[begin(e.reader) as usize] == component[end(e.node) as usize];
            !(circle && e.why == Why::MaybePath)
        });
        if edges.len() == before {
            break;
        }
    }
    let mut cyclic = false;
    for members in &components {
        let loops = members.len() > 1 || waits[members[0] as usize].iter().any(|(to, _)| *to == members[0]);
        if loops {
            cyclic = true;
            found.diagnostics.push(report(world, &edges, &waits, members));
        }
    }
    if cyclic {
        return None;
    }
    let weight = |v: u32| u32::from(v.is_multiple_of(2));
    let mut heights: Vec<u32> = (0..waits.len() as u32).map(weight).collect();
    for v in components.iter().rev().map(|c| c[0]) {
        for (to, _) in &waits[v as usize] {
            heights[*to as usize] = heights[*to as usize].max(weight(*to) + heights[v as usize]);
        }
    }
    let points = components.iter().map(|c| match NodeId(c[0] / 2) {
        node if c[0] % 2 == 0 => Point::Begin(node),
        node => Point::End(node),
    });
    Some(Order {
        deps: deps(world.nodes.len(), &edges),
        heights: world.nodes.ids().map(|id| heights[begin(id) as usize]).collect(),
        points: points.collect(),
    })
}

/// One edge for each pair; it tolerates a skip when every reason for it does.
fn deps(nodes: usize, edges: &[Edge]) -> Vec<Vec<Dep>> {
    let mut deps: Vec<Vec<Dep>> = vec![Vec::new(); nodes];
    let mut known: FxHashMap<(NodeId, NodeId), usize> = FxHashMap::default();
    for edge in edges {
        let list = &mut deps[edge.reader.index()];
        let at = *known.entry((edge.reader, edge.node)).or_insert_with(|| {
            list.push(Dep { node: edge.node, up: edge.up, tolerates_skip: true });
            list.len() - 1
        });
        list[at].tolerates_skip &= edge.tolerates_skip;
    }
    deps
}

/// What each point waits for, and by which edge.
fn graph(world: &World<'_>, edges: &[Edge]) -> Vec<Vec<(u32, u32)>> {
    let mut waits: Vec<Vec<(u32, u32)>> = vec![Vec::new(); world.nodes.len() * 2];
    for (id, decl) in world.nodes.iter() {
        waits[end(id) as usize].push((begin(id), CONTAINED));
        if let Some((holder, _)) = world.bodies[decl.body].owner {
            waits[begin(id) as usize].push((begin(holder), CONTAINED));
            waits[end(holder) as usize].push((end(id), CONTAINED));
        }
    }
    for (i, edge) in edges.iter().enumerate() {
        waits[begin(edge.reader) as usize].push((end(edge.node), i as u32));
    }
    waits
}

/// The components, each after those it waits for.
fn strongly_connected(waits: &[Vec<(u32, u32)>]) -> Vec<Vec<u32>> {
    const NEW: u32 = u32::MAX;
    let n = waits.len();
    let (mut number, mut low, mut on_stack) = (vec![NEW; n], vec![0; n], vec![false; n]);
    let (mut stack, mut components, mut next) = (Vec::new(), Vec::new(), 0);
    let mut work: Vec<(u32, usize)> = Vec::new();
    for root in 0..n as u32 {
        if number[root as usize] != NEW {
            continue;
        }
        work.push((root, 0));
        while let Some((v, at)) = work.pop() {
            let i = v as usize;
            if at == 0 {
                (number[i], low[i]) = (next, next);
                next += 1;
                stack.push(v);
                on_stack[i] = true;
            }
            match waits[i].get(at) {
                Some((to, _)) => {
                    work.push((v, at + 1));
                    let to = *to as usize;
                    if number[to] == NEW {
                        work.push((to as u32, 0));
                    } else if on_stack[to] {
                        low[i] = low[i].min(number[to]);
                    }
                }
                None => {
                    if low[i] == number[i] {
                        let from = stack.iter().rposition(|w| *w == v).unwrap_or(0);
                        let members = stack.split_off(from);
                        members.iter().for_each(|w| on_stack[*w as usize] = false);
                        components.push(members);
                    }
                    if let Some((parent, _)) = work.last() {
                        let parent = *parent as usize;
                        low[parent] = low[parent].min(low[i]);
                    }
                }
            }
        }
    }
    components
}

/// The shortest circle through the first node of a component.
fn report(world: &World<'_>, edges: &[Edge], waits: &[Vec<(u32, u32)>], members: &[u32]) -> Diagnostic {
    let first = members.iter().copied().min().unwrap_or(0);
    let members: FxHashSet<u32> = members.iter().copied().collect();
    let mut came: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
    let mut queue = VecDeque::from([first]);
    'search: while let Some(v) = queue.pop_front() {
        for (to, why) in &waits[v as usize] {
            if members.contains(to) && !came.contains_key(to) {
                came.insert(*to, (v, *why));
                if *to == first {
                    break 'search;
                }
                queue.push_back(*to);
            }
        }
    }
    // walked backwards from the first point, the reasons come in the order in which things would have to run
    let mut steps: Vec<&Edge> = Vec::new();
    let mut at = first;
    while let Some((from, why)) = came.get(&at).copied() {
        if why != CONTAINED {
            steps.push(&edges[why as usize]);
        }
        at = from;
        if at == first {
            break;
        }
    }
    // begin with the step that leaves the first node, or its body
    let start = NodeId(first / 2);
    let turn = steps.iter().position(|e| e.node == start).unwrap_or(0);
    steps.rotate_left(turn);
    let mut names: Vec<NodeId> = Vec::new();
    for edge in &steps {
        if names.last() != Some(&edge.node) {
            names.push(edge.node);
        }
        names.push(edge.reader);
    }
    if names.last() != names.first() {
        names.extend(names.first().copied());
    }
    let path: Vec<&str> = names.iter().map(|node| &*world.nodes[*node].path).collect();
    let mut labels = steps.iter().map(|edge| {
        let (reader, node) = (&world.nodes[edge.reader].path, &world.nodes[edge.node].path);
        let text = match edge.why {
            Why::Reads => format!("`{reader}` reads `{node}`"),
            Why::After => format!("`{reader}` is to come after `{node}`"),
            Why::Path | Why::MaybePath => format!("`{reader}` reads what `{node}` makes"),
        };
        (edge.span, text)
    });
    let (span, text) = labels.next().unwrap_or_else(|| (world.nodes[start].name.span, String::new()));
    if let [edge] = steps.as_slice()
        && edge.reader == edge.node
    {
        let message = format!("`{0}` waits for itself: {0} -> {0}", path[0]);
        let d = Diagnostic::error(codes::CYCLE, span, message).label("its own body makes what this takes");
        return d.help("let the body write elsewhere, or let the source leave that out");
    }
    let message = format!("these nodes wait for each other: {}", path.join(" -> "));
    let mut d = Diagnostic::error(codes::CYCLE, span, message).label(text);
    for (span, text) in labels {
        d = d.also(span, text);
    }
    d.help("one of them must do without the one before it")
}
