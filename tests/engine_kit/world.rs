//! Random pipelines, and a world that answers the engine by pure functions of the values it is handed.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use super::{Build, ROOT, read};
use flowrun::base::id::{BodyId, Id};
use flowrun::base::{Digest, NodeId, Value};
use flowrun::engine::{Capacities, Capacity, Needs};
use flowrun::event::Cause;
use flowrun::plan::{Allowance, CauseWord, From, NodeKind, OnError, Plan, Read, Require, Retry, Shape, Share, Way};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One node of a random pipeline; indices are taken modulo what there is.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Whether it holds others.
    pub holds: bool,
    /// How: see [`NodeSpec::form`].
    pub form: u8,
    /// Among the bodies before it, or the root.
    pub parent: u8,
    /// Nodes before it; and whether it reads it, and tolerates its skip.
    pub deps: Vec<(u8, bool, bool)>,
    pub reads_item: bool,
    pub reads_index: bool,
    pub priority: i8,
    pub salt: u8,
    /// Tasks: whether it has a key. Maps: whether it names its results.
    pub flag: bool,
    pub max_parallel: Option<u8>,
    /// What failures mean: see [`NodeSpec::on_error`] and its like.
    pub policy: u16,
}

/// What a node that holds others is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Map,
    Branch,
    Loop,
    Call,
}

impl NodeSpec {
    pub fn form(&self) -> Form {
        [Form::Map, Form::Map, Form::Branch, Form::Loop, Form::Call][usize::from(self.form) % 5]
    }

    pub fn on_error(&self) -> OnError {
        match self.policy % 8 {
            0 => OnError::Continue,
            1 => OnError::Ignore,
            _ => OnError::Fail,
        }
    }

    pub fn max_failures(&self) -> Option<Allowance> {
        match self.policy >> 3 & 3 {
            0 => Some(Allowance::Count(u32::from(self.policy >> 5) % 3)),
            1 => Some(Allowance::Share(Share::new(f64::from(self.policy >> 5 & 7) / 7.0))),
            _ => None,
        }
    }

    pub fn require(&self) -> Option<Require> {
        match (self.policy >> 8) % 5 {
            0 => Some(Require::All),
            1 => Some(Require::Any),
            2 => Some(Require::Share(Share::new(0.5))),
            _ => None,
        }
    }
}

/// A random pipeline, and the chances of its world: 1 in so many, 0: never.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub nodes: Vec<NodeSpec>,
    pub fails: u8,
    pub skips: u8,
    pub refuses: u8,
    pub hits: u8,
    pub longest: u8,
    pub keep_going: bool,
    pub cpus: u8,
    pub gpus: u8,
    pub window: u8,
    pub wanted: u8,
    pub retries: bool,
    pub losses: u8,
    pub policies: bool,
    pub elsewhere: u8,
}

pub fn recipes() -> impl Strategy<Value = Recipe> {
    let node = (
        prop::option::weighted(0.4, any::<u8>()),
        any::<u8>(),
        prop::collection::vec((any::<u8>(), any::<bool>(), prop::bool::weighted(0.3)), 0..4),
        any::<bool>(),
        prop::bool::weighted(0.3),
        -1..2i8,
        0..6u8,
        prop::bool::weighted(0.7),
        prop::option::weighted(0.4, 1..4u8),
        any::<u16>(),
    )
        .prop_map(|(form, parent, deps, reads_item, reads_index, priority, salt, flag, max_parallel, policy)| {
            let (holds, form) = (form.is_some(), form.unwrap_or(0));
            NodeSpec { holds, form, parent, deps, reads_item, reads_index, priority, salt, flag, max_parallel, policy }
        });
    let nodes = prop::collection::vec(node, 1..11);
    let chance = || prop_oneof![2 => Just(0u8), 1 => 3..12u8];
    let machine = (1..5u8, 1..3u8, 1..5u8);
    let policy = (any::<bool>(), chance(), any::<bool>(), chance());
    (nodes, chance(), chance(), chance(), chance(), 1..7u8, any::<bool>(), machine, chance(), policy).prop_map(
        |(nodes, fails, skips, refuses, hits, longest, keep_going, machine, wanted, policy)| Recipe {
            nodes,
            fails,
            skips,
            refuses,
            hits,
            longest,
            keep_going,
            cpus: machine.0,
            gpus: machine.1,
            window: machine.2,
            wanted,
            retries: policy.0,
            losses: policy.1,
            policies: policy.2,
            elsewhere: policy.3,
        },
    )
}

/// Whether `from` waits for `to`, directly or not, among nodes of one body.
fn reaches(edges: &BTreeSet<(NodeId, NodeId)>, from: NodeId, to: NodeId) -> bool {
    from == to || edges.iter().any(|(a, b)| *a == from && reaches(edges, *b, to))
}

/// The node of `body` that is `node` or holds it.
pub fn around(plan: &Plan, mut node: NodeId, body: BodyId) -> Option<NodeId> {
    while plan.nodes[node].body != body {
        node = plan.bodies[plan.nodes[node].body].owner?;
    }
    Some(node)
}

impl Recipe {
    pub fn capacity(&self) -> Capacity {
        Capacity {
            cpus: self.cpus.into(),
            nodes: 1,
            memory: 100,
            gpus: (0..self.gpus).map(|gpu| gpu.to_string().into()).collect(),
            limits: vec![2],
            window: self.window.into(),
        }
    }

    /// Those of the run's backends: another one besides, which has something else.
    pub fn capacities(&self) -> Capacities {
        let first = self.capacity();
        let gpus = vec!["other".into()];
        Capacities::new(vec![first.clone(), Capacity { cpus: self.gpus.into(), memory: 100, gpus, ..first }])
    }

    /// The plan, and each node's salt.
    pub fn plan(&self) -> (Arc<Plan>, Vec<NodeSpec>) {
        let mut b = Build::new();
        let mut specs = Vec::new();
        let mut bodies = vec![ROOT];
        let mut edges = BTreeSet::new();
        for (i, spec) in self.nodes.iter().enumerate() {
            let body = bodies[spec.parent as usize % bodies.len()];
            let node = if spec.holds && b.plan.bodies[body].depth < 4 {
                self.holder(&mut b, body, i, spec, &mut bodies)
            } else {
                b.task(body, &format!("t{i}"), &["out"])
            };
            b.plan.nodes[node].priority = spec.priority.into();
            if self.policies {
                b.plan.nodes[node].on_error = spec.on_error();
                b.plan.nodes[node].require = spec.require();
            }
            match &mut b.plan.nodes[node].kind {
                NodeKind::Map(map) if self.policies => map.max_failures = spec.max_failures(),
                NodeKind::Task(task) => task.retry = self.retry(spec.salt),
                _ => {}
            }
            specs.push(spec.clone());
            for (on, _, tolerates) in &spec.deps {
                let on = NodeId::from_index(*on as usize % (i + 1));
                // Only what stands in this body or one around it, is not around us, and does not wait for us.
                let Some(holder) = around(&b.plan, node, b.plan.nodes[on].body) else { continue };
                if holder == on || reaches(&edges, on, holder) {
                    continue;
                }
                edges.insert((holder, on));
                b.edge(node, on, *tolerates);
            }
        }
        for body in bodies {
            let may_be_empty = b.plan.bodies[body].owner.is_some_and(|owner| match &b.plan.nodes[owner].kind {
                NodeKind::Branch(branch) => branch.cases[0].body != body && specs[owner.index()].salt.is_multiple_of(2),
                _ => false,
            });
            if b.plan.bodies[body].nodes.is_empty() && !may_be_empty {
                let i = specs.len();
                let node = b.task(body, &format!("t{i}"), &["out"]);
                let filler = NodeSpec { holds: false, deps: Vec::new(), reads_item: true, ..self.nodes[0].clone() };
                if let NodeKind::Task(task) = &mut b.plan.nodes[node].kind {
                    task.retry = self.retry(filler.salt);
                }
                specs.push(filler);
            }
        }
        for node in b.plan.nodes.ids() {
            self.add_reads(&mut b, node, &specs[node.index()]);
        }
        (b.finish(), specs)
    }

    /// Of equal keys, which have one salt, one is as good as the other.
    pub fn retry(&self, salt: u8) -> Option<Retry> {
        let n = hash(&["retry", &salt.to_string()]);
        let attempts = 1 + (n % 4) as u32;
        (self.retries && attempts > 1).then(|| Retry {
            attempts,
            backoff_ms: (n >> 8) % 2 * 1000,
            on: match (n >> 16) % 3 {
                0 => None,
                1 => Some(vec![CauseWord::Exit(Some(75)), CauseWord::Timeout, CauseWord::Lost]),
                _ => Some(vec![CauseWord::Oom, CauseWord::Exit(None), CauseWord::OutputInvalid]),
            },
            memory: None,
            time: None,
            memory_cap: None,
            time_cap: None,
        })
    }

    fn add_reads(&self, b: &mut Build, node: NodeId, spec: &NodeSpec) {
        let depth = b.plan.bodies[b.plan.nodes[node].body].depth;
        let mut reads = Vec::new();
        if depth > 0 && spec.reads_item {
            reads.push(read("item", From::Item { up: u32::from(spec.salt) % depth }, &[]));
        }
        if depth > 0 && spec.reads_index {
            reads.push(read("index", From::Index { up: 0 }, &[]));
        }
        for (i, dep) in b.plan.nodes[node].deps.clone().into_iter().enumerate() {
            if spec.deps.get(i).is_none_or(|dep| dep.1) {
                reads.push(output_of(b, dep.node, dep.up, spec.salt));
            }
        }
        *b.reads(node) = reads;
        let bodies = b.plan.nodes[node].kind.bodies();
        if bodies.is_empty() {
            return;
        }
        // What the first node of each body gave, and the item.
        let first = bodies.iter().filter_map(|body| b.plan.bodies[*body].nodes.first().copied());
        let ways: Vec<Way> = first.flat_map(|first| ways_of(b, first, spec.salt)).collect();
        let from = match (&b.plan.nodes[node].kind, &ways[..]) {
            (NodeKind::Branch(_), _) | (_, [_, _, ..]) => From::Cases { up: 0, ways },
            (_, [way]) => {
                From::Output { node: way.nodes[0], up: 0, inner: way.nodes[1..].to_vec(), output: way.output }
            }
            (_, []) => unreachable!("the first body has a node"),
        };
        let inside = vec![read("value", from, &[]), read("item", From::Item { up: 0 }, &[])];
        if let NodeKind::Loop(looped) = &mut b.plan.nodes[node].kind {
            looped.turn_reads = inside.clone();
        }
        if !(spec.flag && spec.salt.is_multiple_of(2)) {
            return;
        }
        let fields = vec![("r".into(), Shape::Plain(Value::Null))];
        let results = match &mut b.plan.nodes[node].kind {
            NodeKind::Task(_) => return,
            NodeKind::Map(map) => {
                (map.outputs, map.output_reads) = (fields, inside);
                return;
            }
            NodeKind::Branch(branch) => &mut branch.results,
            NodeKind::Loop(looped) => &mut looped.results,
            NodeKind::Call(call) => &mut call.results,
        };
        (results.fields, results.reads) = (fields, inside);
    }

    fn holder(&self, b: &mut Build, body: BodyId, i: usize, spec: &NodeSpec, bodies: &mut Vec<BodyId>) -> NodeId {
        let salt = spec.salt;
        match spec.form() {
            Form::Map => {
                let (node, inner) = b.map(body, &format!("m{i}"));
                b.map_mut(node).max_parallel = spec.max_parallel.map(u32::from);
                bodies.push(inner);
                node
            }
            Form::Branch => {
                let (node, inner) = b.branch(body, &format!("b{i}"), &["0", "1", "2"], salt.is_multiple_of(2));
                bodies.extend(inner);
                node
            }
            Form::Loop => {
                let (node, inner) = b.looped(body, &format!("l{i}"), &["x"], 1 + u32::from(salt) % 4);
                b.loop_mut(node).accept = spec.policy & 1 == 0;
                if spec.policy & 6 == 0 {
                    b.loop_mut(node).until = None;
                }
                bodies.push(inner);
                node
            }
            Form::Call => {
                let (node, inner) = b.call(body, &format!("c{i}"));
                bodies.push(inner);
                node
            }
        }
    }

    pub fn wanted(&self, plan: &Plan) -> Vec<bool> {
        let root = &plan.bodies[ROOT].nodes;
        let mut wanted: Vec<bool> = (0..root.len())
            .map(|i| !(i * 7 + 1).is_multiple_of(usize::from(self.wanted).max(1)) || self.wanted == 0)
            .collect();
        // With a node goes all that it, or what it holds, needs.
        for _ in root {
            for (id, node) in plan.nodes.iter() {
                let holder = around(plan, id, ROOT).unwrap();
                if wanted[plan.nodes[holder].slot as usize] {
                    for dep in node.deps.iter().filter(|dep| plan.nodes[dep.node].body == ROOT) {
                        wanted[plan.nodes[dep.node].slot as usize] = true;
                    }
                }
            }
        }
        wanted
    }
}

/// A read of a task's output, through whatever holds it, or of the record of what holds it.
fn output_of(b: &Build, node: NodeId, up: u32, salt: u8) -> Read {
    let mut ways = ways_of(b, node, salt);
    let from = if ways.len() == 1 {
        let mut way = ways.remove(0);
        let node = way.nodes.remove(0);
        From::Output { node, up, inner: way.nodes, output: way.output }
    } else {
        From::Cases { up, ways }
    };
    read("value", from, &[])
}

/// The ways from a node to an output in it.
fn ways_of(b: &Build, node: NodeId, salt: u8) -> Vec<Way> {
    let kind = &b.plan.nodes[node].kind;
    let here = |output| vec![Way { nodes: vec![node], output }];
    match kind {
        NodeKind::Task(_) => return here(Some(0)),
        NodeKind::Loop(_) if salt.is_multiple_of(3) => {
            return here((salt > 0).then(|| u32::from(salt / 3 % 2) + kind.results().0.len() as u32));
        }
        _ if !kind.results().0.is_empty() && salt.is_multiple_of(3) => return here((salt > 0).then_some(0)),
        _ => {}
    }
    let bodies = kind.bodies();
    let nodes = bodies.iter().map(|body| &b.plan.bodies[*body].nodes).filter(|nodes| !nodes.is_empty());
    let ways = nodes.flat_map(|nodes| ways_of(b, nodes[usize::from(salt) % nodes.len()], salt));
    let longer = |way: Way| Way { nodes: [vec![node], way.nodes].concat(), ..way };
    ways.map(longer).collect()
}

/// A number from anything.
fn hash(parts: &[&str]) -> u64 {
    let digest = Digest::of(parts.join("\u{1f}").as_bytes());
    u64::from_le_bytes(digest.0[..8].try_into().unwrap())
}

fn text(values: &[Value]) -> String {
    Value::list(values.to_vec()).to_json()
}

/// What the world answers: functions of the node's salt and the values alone.
#[derive(Clone)]
pub struct Truth {
    pub recipe: Recipe,
    pub specs: Vec<NodeSpec>,
}

/// What a map's list is.
pub enum ListTruth {
    Items(Vec<Value>),
    Skip,
    Failed,
}

/// What becomes of a task.
pub enum TaskTruth {
    Skip,
    Refused,
    Run { key: Option<Digest>, course: Course, needs: Needs },
}

/// The attempts of a task.
#[derive(Clone, Debug)]
pub struct Course {
    /// How many fail, if there are so many.
    pub fails: u32,
    pub cause: Cause,
    /// Whether every attempt is lost.
    pub lost: bool,
    /// How many failures there can be before it has failed.
    pub allowed: u32,
    result: Value,
}

impl Course {
    /// What it gives in the end.
    pub fn result(&self) -> Option<&Value> {
        (!self.lost && self.fails < self.allowed).then_some(&self.result)
    }

    /// How the attempt ends that comes after so many failures.
    pub fn attempt(&self, failures: u32) -> Result<&Value, Cause> {
        match self.lost {
            true => Err(Cause::Lost),
            false if failures.min(self.allowed - 1) < self.fails => Err(self.cause),
            false => Ok(&self.result),
        }
    }
}

fn carried(n: u64) -> Value {
    Value::map(vec![("x".into(), Value::Int((n % 4) as i64))])
}

fn chance(n: u64, one_in: u8) -> bool {
    one_in != 0 && n.is_multiple_of(u64::from(one_in))
}

impl Truth {
    pub fn list(&self, node: NodeId, kind: &NodeKind, values: &[Value]) -> ListTruth {
        let salt = self.specs[node.index()].salt.to_string();
        let seed = text(values);
        if chance(hash(&["when", &salt, &seed]), self.recipe.skips) {
            return ListTruth::Skip;
        }
        if chance(hash(&["refuse", &salt, &seed]), self.recipe.refuses) {
            return ListTruth::Failed;
        }
        let n = hash(&["item", &salt, &seed]) % 3;
        match &kind {
            NodeKind::Map(_) | NodeKind::Task(_) => {}
            NodeKind::Branch(_) => return ListTruth::Items(vec![Value::str(n.to_string())]),
            NodeKind::Loop(_) => return ListTruth::Items(vec![carried(n)]),
            NodeKind::Call(_) => return ListTruth::Items(vec![Value::map(vec![("p".into(), Value::Int(n as i64))])]),
        }
        let len = hash(&["len", &salt, &seed]) % u64::from(self.recipe.longest);
        let item = |i: u64| match hash(&["item", &salt, &seed, &i.to_string()]) % 5 {
            0 => Value::Null,
            n => Value::Int((n % 3) as i64),
        };
        ListTruth::Items((0..len).map(item).collect())
    }

    /// What a loop carries on, and whether it is done; `None`: that cannot be said.
    pub fn turn(&self, node: NodeId, kind: &NodeKind, values: &[Value]) -> Option<(Value, Option<bool>)> {
        let NodeKind::Loop(looped) = kind else { unreachable!("only loops turn") };
        let salt = self.specs[node.index()].salt.to_string();
        let n = hash(&["turn", &salt, &text(values)]);
        let done = looped.until.as_ref().map(|_| n.is_multiple_of(3));
        (!chance(n >> 8, self.recipe.refuses)).then(|| (carried(n >> 16), done))
    }

    pub fn task(&self, node: NodeId, values: &[Value]) -> TaskTruth {
        let spec = &self.specs[node.index()];
        let salt = spec.salt.to_string();
        let seed = text(values);
        if chance(hash(&["when", &salt, &seed]), self.recipe.skips) {
            return TaskTruth::Skip;
        }
        if chance(hash(&["refuse", &salt, &seed]), self.recipe.refuses) {
            return TaskTruth::Refused;
        }
        let key = spec.flag.then(|| Digest::of(format!("{salt} {seed}").as_bytes()));
        let n = hash(&["fails", &salt, &seed]);
        let fails = if chance(n, self.recipe.fails) { 1 + (n >> 40) as u32 % 4 } else { 0 };
        let causes =
            [Cause::Exit(1), Cause::Exit(75), Cause::Timeout, Cause::Oom, Cause::OutputInvalid, Cause::Signal(9)];
        let cause = causes[(n >> 32) as usize % causes.len()];
        let allowed = self.recipe.retry(spec.salt).map_or(1, |retry| {
            let again = match &retry.on {
                None => cause != Cause::OutputInvalid,
                Some(on) if on.contains(&CauseWord::Timeout) => matches!(cause, Cause::Exit(75) | Cause::Timeout),
                Some(_) => matches!(cause, Cause::Exit(_) | Cause::Oom | Cause::OutputInvalid),
            };
            if again { retry.attempts } else { 1 }
        });
        let lost = chance(hash(&["lost", &salt, &seed]), self.recipe.losses.saturating_mul(4));
        let result = Value::str(format!("{:x}", hash(&["result", &salt, &seed]) % 65536));
        let course = Course { fails, cause, lost, allowed, result };
        let n = hash(&["needs", &salt, &seed]);
        let backend = (n >> 32 & 1) as u8;
        let there = self.recipe.capacities().of(backend).clone();
        let needs = Needs {
            backend,
            cpus: 1 + n as u32 % there.cpus,
            memory: (n >> 8) % 101,
            gpus: ((n >> 16) % 4).saturating_sub(2) as u32 % (there.gpus.len() as u32 + 1),
            limits: if n >> 24 & 1 == 0 { Vec::new() } else { vec![(n >> 25) as u32 % 3] },
            ..Needs::default()
        };
        TaskTruth::Run { key, course, needs }
    }

    pub fn record(&self, node: NodeId, values: &[Value]) -> Value {
        let salt = self.specs[node.index()].salt.to_string();
        let record = format!("{:x}", hash(&["record", &salt, &text(values)]) % 65536);
        Value::map(vec![("r".into(), Value::str(record))])
    }

    pub fn records_fail(&self, node: NodeId, rows: usize) -> bool {
        let salt = self.specs[node.index()].salt.to_string();
        chance(hash(&["records", &salt, &rows.to_string()]), self.recipe.refuses)
    }

    /// Whether the cache knows this key before the first run.
    pub fn is_hit(&self, key: &Digest) -> bool {
        chance(u64::from(key.0[5]), self.recipe.hits)
    }
}
