//! What work goes first: what has the longest way to the end of the run before it.

use crate::base::NodeId;
use crate::base::id::Id;
use crate::plan::{NodeKind, Plan};

/// Of each node the time from its beginning to the end of the run, if nothing ever waits for room. `times` says what one
/// instance of each node takes, in microseconds, 0 where that is not known; such a node counts as much as the known ones
/// do on average. Where no time is known, the nodes on the way are counted instead.
pub(super) fn ways(plan: &Plan, times: &[u64]) -> Vec<u64> {
    let known = times.iter().filter(|time| **time > 0);
    let (count, sum) = known.fold((0u64, 0u64), |(count, sum), time| (count + 1, sum.saturating_add(*time)));
    if count == 0 {
        return plan.nodes.iter().map(|(_, node)| u64::from(node.height)).collect();
    }
    let average = (sum / count).max(1);
    let mut within: Vec<Vec<NodeId>> = vec![Vec::new(); plan.nodes.len()];
    for (_, body) in plan.bodies.iter() {
        if let Some(owner) = body.owner {
            within[owner.index()].extend(&body.nodes);
        }
    }
    let mut ways = vec![0; plan.nodes.len()];
    // What comes after a node, and what lies within it, is less high than the node itself.
    let mut order: Vec<NodeId> = plan.nodes.ids().collect();
    order.sort_by_key(|node| plan.nodes[*node].height);
    for node in order {
        ways[node.index()] = match &plan.nodes[node].kind {
            NodeKind::Task(_) => {
                let own = times.get(node.index()).copied().filter(|time| *time > 0).unwrap_or(average);
                own.saturating_add(after(plan, node, &ways))
            }
            _ => {
                let inner = within[node.index()].iter().map(|inner| ways[inner.index()]).max();
                inner.unwrap_or(0).max(after(plan, node, &ways))
            }
        };
    }
    ways
}

/// The longest way from a node's end: through what waits for it, or for the map or the like around it.
fn after(plan: &Plan, node: NodeId, ways: &[u64]) -> u64 {
    let (mut longest, mut around) = (0, Some(node));
    while let Some(node) = around {
        let next = plan.nodes[node].dependents.iter().map(|next| ways[next.index()]).max();
        longest = longest.max(next.unwrap_or(0));
        around = plan.bodies[plan.nodes[node].body].owner;
    }
    longest
}
