//! What the engine asks of a plan many times, computed once: who wakes whom, and in which order work goes.

use crate::base::NodeId;
use crate::base::id::{BodyId, Id};
use crate::engine::urgency::ways;
use crate::plan::{Dep, Map, Node, NodeKind, OnError, Plan, Task};
use std::cmp::Reverse;
use std::sync::Arc;

/// A plan, and for each node what `step` needs of it.
pub(super) struct Graph {
    pub(super) plan: Arc<Plan>,
    nodes: Vec<Info>,
}

/// One node.
pub(super) struct Info {
    pub(super) task: bool,
    /// Whether a failure of it is let be, and its outputs are null.
    pub(super) ignores: bool,
    /// A map: whether somebody asks how many of its items ended well.
    pub(super) counted: bool,
    pub(super) slot: u32,
    /// Nodes that are equal in priority and in their way to the end have one class; a smaller class goes first.
    pub(super) class: u32,
    /// Dependencies within the body.
    pub(super) near: Vec<Near>,
    /// Dependencies further out.
    pub(super) far: Vec<Dep>,
    /// Those that wait for this node.
    pub(super) wakes: Vec<Wake>,
}

/// A dependency on the node at `slot` of the same body.
#[derive(Clone, Copy)]
pub(super) struct Near {
    pub(super) slot: u32,
    pub(super) tolerates_skip: bool,
}

/// A node that waits, and how many bodies deeper it stands.
#[derive(Clone)]
pub(super) struct Wake {
    pub(super) slot: u32,
    /// The bodies that lead from the awaited node's body down to the waiting node's; empty: the same body.
    pub(super) through: Vec<BodyId>,
}

impl Graph {
    pub(super) fn new(plan: Arc<Plan>, times: &[u64]) -> Self {
        let ways = ways(&plan, times);
        let order = |(id, node): (NodeId, &Node)| (Reverse(node.priority), Reverse(ways[id.index()]));
        let mut classes: Vec<_> = plan.nodes.iter().map(order).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut nodes: Vec<Info> = Vec::with_capacity(plan.nodes.len());
        for (id, node) in plan.nodes.iter() {
            let class = classes.partition_point(|c| *c < order((id, node)));
            let near = |d: &Dep| Near { slot: plan.nodes[d.node].slot, tolerates_skip: d.tolerates_skip };
            nodes.push(Info {
                task: matches!(node.kind, NodeKind::Task(_)),
                ignores: node.on_error == OnError::Ignore,
                counted: node.kind.as_map().is_some()
                    && node.dependents.iter().any(|next| plan.nodes[*next].require.is_some()),
                slot: node.slot,
                class: u32::try_from(class).expect("no more classes than nodes"),
                near: node.deps.iter().filter(|d| d.up == 0).map(near).collect(),
                far: node.deps.iter().filter(|d| d.up > 0).copied().collect(),
                wakes: Vec::new(),
            });
        }
        for (_, node) in plan.nodes.iter() {
            for dep in &node.deps {
                let mut through = Vec::new();
                let mut body = node.body;
                for _ in 0..dep.up {
                    through.push(body);
                    let owner = plan.bodies[body].owner.expect("a body that is not the root has an owner");
                    body = plan.nodes[owner].body;
                }
                through.reverse();
                nodes[dep.node.index()].wakes.push(Wake { slot: node.slot, through });
            }
        }
        Self { plan, nodes }
    }

    pub(super) fn info(&self, node: NodeId) -> &Info {
        &self.nodes[node.index()]
    }

    pub(super) fn map(&self, node: NodeId) -> Option<&Map> {
        self.plan.nodes[node].kind.as_map()
    }

    pub(super) fn task(&self, node: NodeId) -> &Task {
        match &self.plan.nodes[node].kind {
            NodeKind::Task(task) => task,
            other => unreachable!("`{}` is a {}", self.plan.nodes[node].path, other.word()),
        }
    }
}
