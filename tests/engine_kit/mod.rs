//! Plans built by hand, and small helpers, for the tests of the engine.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

pub mod story;
pub mod world;

use flowrun::base::id::{BodyId, Id};
use flowrun::base::{NodeId, Value};
use flowrun::diag::Span;
use flowrun::plan::{self, Body, Dep, From, Map, Node, NodeKind, Plan, Read, Run, Shape, Source, Task};
use std::sync::Arc;

/// The root body.
pub const ROOT: BodyId = BodyId(0);

/// A plan in the making.
pub struct Build {
    pub plan: Plan,
}

impl Build {
    pub fn new() -> Self {
        Self { plan: Plan::new("test") }
    }

    fn node(&mut self, body: BodyId, name: &str, kind: NodeKind) -> NodeId {
        let path = match self.plan.bodies[body].owner {
            Some(map) => format!("{}.{name}", self.plan.nodes[map].path),
            None => name.to_owned(),
        };
        let slot = self.plan.bodies[body].nodes.len() as u32;
        let id = self.plan.nodes.push(Node {
            name: name.into(),
            path: path.into(),
            body,
            slot,
            deps: Vec::new(),
            dependents: Vec::new(),
            when: None,
            priority: 0,
            height: 0,
            on_error: plan::OnError::Fail,
            require: None,
            kind,
            span: Span::default(),
        });
        self.plan.bodies[body].nodes.push(id);
        id
    }

    /// A task with these outputs.
    pub fn task(&mut self, body: BodyId, name: &str, outputs: &[&str]) -> NodeId {
        let mut task = Task::new(Run::Script { text: "true".into(), interpreter: Vec::new() });
        for output in outputs {
            task.outputs.push(plan::Output {
                name: (*output).into(),
                kind: plan::OutputKind::Value(flowrun::lang::types::Type::Json),
                demand: Default::default(),
                span: Span::default(),
            });
        }
        self.node(body, name, NodeKind::Task(Box::new(task)))
    }

    /// A map with an empty body.
    pub fn map(&mut self, body: BodyId, name: &str) -> (NodeId, BodyId) {
        let depth = self.plan.bodies[body].depth + 1;
        let owner = self.plan.nodes.next_id();
        let inner = self.plan.bodies.push(Body { owner: Some(owner), nodes: Vec::new(), depth });
        let map = Map::new(Source::Value(Shape::Plain(Value::Null)), inner);
        (self.node(body, name, NodeKind::Map(Box::new(map))), inner)
    }

    pub fn map_mut(&mut self, node: NodeId) -> &mut Map {
        match &mut self.plan.nodes[node].kind {
            NodeKind::Map(map) => map,
            NodeKind::Task(_) => panic!("a task"),
        }
    }

    /// How many bodies out of `body` another one lies.
    pub fn up(&self, body: BodyId, outer: BodyId) -> u32 {
        self.plan.bodies[body].depth - self.plan.bodies[outer].depth
    }

    /// An edge.
    pub fn needs(&mut self, node: NodeId, on: NodeId) {
        self.edge(node, on, false);
    }

    pub fn edge(&mut self, node: NodeId, on: NodeId, tolerates_skip: bool) {
        if self.plan.nodes[node].deps.iter().any(|dep| dep.node == on) {
            return;
        }
        let up = self.up(self.plan.nodes[node].body, self.plan.nodes[on].body);
        self.plan.nodes[node].deps.push(Dep { node: on, up, tolerates_skip });
    }

    pub fn reads(&mut self, node: NodeId) -> &mut Vec<Read> {
        match &mut self.plan.nodes[node].kind {
            NodeKind::Map(map) => &mut map.reads,
            NodeKind::Task(task) => &mut task.reads,
        }
    }

    pub fn read(&mut self, node: NodeId, from: From) {
        self.reads(node).push(read("value", from, &[]));
    }

    /// A read of another node's first output (through the nodes of `inner`), with its edge.
    pub fn uses(&mut self, node: NodeId, on: NodeId, inner: &[NodeId]) {
        self.edge(node, on, false);
        let up = self.up(self.plan.nodes[node].body, self.plan.nodes[on].body);
        self.read(node, From::Output { node: on, up, inner: inner.to_vec(), output: Some(0) });
    }

    /// Fills in dependents and heights.
    pub fn finish(mut self) -> Arc<Plan> {
        let ids: Vec<NodeId> = self.plan.nodes.ids().collect();
        for &node in &ids {
            for dep in self.plan.nodes[node].deps.clone() {
                self.plan.nodes[dep.node].dependents.push(node);
            }
        }
        let mut heights = vec![0; ids.len()];
        for &node in &ids {
            height(&self.plan, node, &mut heights);
        }
        for &node in &ids {
            self.plan.nodes[node].height = heights[node.index()];
        }
        Arc::new(self.plan)
    }
}

fn height(plan: &Plan, node: NodeId, heights: &mut [u32]) -> u32 {
    if heights[node.index()] == 0 {
        let after = plan.nodes[node].dependents.iter().map(|next| height(plan, *next, heights)).max();
        heights[node.index()] = 1 + after.unwrap_or(0);
    }
    heights[node.index()]
}

pub fn read(name: &str, from: From, path: &[&str]) -> Read {
    let path = path.iter().map(|name| (*name).into()).collect();
    Read { name: name.into(), from, path, ty: plan::Ty::Any, keyed: true }
}
