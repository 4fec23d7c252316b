//! Which outputs can be let go (`keep = "until_consumed"`): those of which everything that reads them says when it is done.

use super::edges::Taken;
use super::model::{From, Node, NodeKind, Read};
use crate::base::NodeId;
use crate::base::id::{Arena, Id};
use crate::lang::outputs::Keep;
use rustc_hash::FxHashSet;

/// Keeps what must stay: what nothing reads, what the pipeline returns, and what is read in a way that does not tell when
/// it is done with. Notes in each task what it reads by path.
pub(super) fn settle(nodes: &mut Arena<NodeId, Node>, returned: &[Read], taken: &[Taken]) {
    let goes = |node: &Node| matches!(&node.kind, NodeKind::Task(task) if task.outputs.iter().any(|o| o.keep == Keep::UntilConsumed));
    if !nodes.iter().any(|(_, node)| goes(node)) {
        return;
    }
    let mut consumed: FxHashSet<(NodeId, Option<u32>)> = FxHashSet::default();
    let mut stays = FxHashSet::default();
    for (_, node) in nodes.iter() {
        let reads = node.kind.reads();
        match &node.kind {
            NodeKind::Task(_) | NodeKind::Map(_) => consumed.extend(reads.iter().filter_map(output)),
            // They hand on what they read.
            NodeKind::Branch(_) | NodeKind::Loop(_) | NodeKind::Call(_) => stays.extend(reads.iter().flat_map(any)),
        }
        let ways = |read: &&Read| matches!(read.from, From::Cases { .. });
        stays.extend(reads.iter().filter(ways).flat_map(any));
        if let NodeKind::Loop(looped) = &node.kind {
            stays.extend(looped.turn_reads.iter().flat_map(any));
        }
        stays.extend(node.kind.results().2.iter().flat_map(any));
    }
    stays.extend(returned.iter().flat_map(any));
    for taken in taken {
        match &mut nodes[taken.reader].kind {
            NodeKind::Task(task) if taken.exact => {
                task.by_path.push((taken.task, taken.up, taken.output));
                consumed.insert((taken.task, Some(taken.output)));
            }
            _ => {
                stays.insert((taken.task, Some(taken.output)));
            }
        }
    }
    for at in 0..nodes.len() {
        let id = NodeId::from_index(at);
        let NodeKind::Task(task) = &mut nodes[id].kind else { continue };
        for (i, output) in task.outputs.iter_mut().enumerate() {
            let of = |set: &FxHashSet<_>| set.contains(&(id, None)) || set.contains(&(id, Some(i as u32)));
            if of(&stays) || !of(&consumed) {
                output.keep = Keep::Always;
            }
        }
    }
}

/// The same of a value that may be of one of several, by the case of a branch.
fn any(read: &Read) -> Vec<(NodeId, Option<u32>)> {
    match &read.from {
        From::Cases { ways, .. } => ways.iter().map(|way| (way.nodes[way.nodes.len() - 1], way.output)).collect(),
        _ => output(read).into_iter().collect(),
    }
}

/// Which output of which task a value is of; `None`: the record of all.
fn output(read: &Read) -> Option<(NodeId, Option<u32>)> {
    match &read.from {
        From::Output { node, inner, output, .. } => Some((inner.last().copied().unwrap_or(*node), *output)),
        _ => None,
    }
}
