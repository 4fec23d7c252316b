//! Plans built by hand, and small helpers, for the tests of the engine.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

pub mod oracle;
pub mod story;
pub mod world;

use flowrun::base::id::{BodyId, Id};
use flowrun::base::{NodeId, Value};
use flowrun::diag::Span;
use flowrun::lang::expr::{Template, Use};
use flowrun::lang::model::Text;
use flowrun::plan::{
    self, Body, Branch, Call, Carry, Case, Dep, From, Loop, Map, Node, NodeKind, Plan, Read, Run, Shape, Source, Task,
};
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
                keep: Default::default(),
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

    fn body(&mut self, outer: BodyId) -> BodyId {
        let depth = self.plan.bodies[outer].depth + 1;
        let owner = self.plan.nodes.next_id();
        self.plan.bodies.push(Body { owner: Some(owner), nodes: Vec::new(), depth })
    }

    /// A branch with an empty body for each of these cases.
    pub fn branch(&mut self, body: BodyId, name: &str, cases: &[&str], has_default: bool) -> (NodeId, Vec<BodyId>) {
        let bodies: Vec<BodyId> = cases.iter().map(|_| self.body(body)).collect();
        let case = |(name, body): (&&str, &BodyId)| Case { name: (*name).into(), body: *body };
        let branch = Branch {
            on: template("{{ params.on }}"),
            cases: cases.iter().zip(&bodies).map(case).collect(),
            has_default,
            names: Arc::default(),
            reads: Vec::new(),
            results: plan::Results::default(),
        };
        (self.node(body, name, NodeKind::Branch(Box::new(branch))), bodies)
    }

    /// A loop with an empty body that carries these.
    pub fn looped(&mut self, body: BodyId, name: &str, carry: &[&str], max: u32) -> (NodeId, BodyId) {
        let inner = self.body(body);
        let null = || Shape::Plain(Value::Null);
        let carry = carry.iter().map(|name| Carry { name: (*name).into(), init: null(), next: null() });
        let looped = Loop {
            body: inner,
            carry: carry.collect(),
            until: Some(template("{{ params.until }}")),
            max,
            accept: false,
            names: Arc::default(),
            reads: Vec::new(),
            turn_names: Arc::default(),
            turn_reads: Vec::new(),
            results: plan::Results::default(),
        };
        (self.node(body, name, NodeKind::Loop(Box::new(looped))), inner)
    }

    /// A call with an empty body.
    pub fn call(&mut self, body: BodyId, name: &str) -> (NodeId, BodyId) {
        let inner = self.body(body);
        let call = Call {
            file: "called.toml".into(),
            body: inner,
            params: Vec::new(),
            names: Arc::default(),
            reads: Vec::new(),
            results: plan::Results::default(),
        };
        (self.node(body, name, NodeKind::Call(Box::new(call))), inner)
    }

    pub fn loop_mut(&mut self, node: NodeId) -> &mut Loop {
        match &mut self.plan.nodes[node].kind {
            NodeKind::Loop(looped) => looped,
            other => panic!("a {}", other.word()),
        }
    }

    pub fn map_mut(&mut self, node: NodeId) -> &mut Map {
        match &mut self.plan.nodes[node].kind {
            NodeKind::Map(map) => map,
            other => panic!("a {}", other.word()),
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
            NodeKind::Branch(branch) => &mut branch.reads,
            NodeKind::Loop(looped) => &mut looped.reads,
            NodeKind::Call(call) => &mut call.reads,
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

/// An expression that nothing here evaluates.
fn template(text: &str) -> Template {
    let text = Text { value: text.into(), span: Span::default(), offsets: None, body: 0 };
    Template::compile(&text, Use::Value, &mut Vec::new()).unwrap()
}
