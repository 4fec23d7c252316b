//! Random pipelines, a world that answers the engine by pure functions of the values it is handed, and an oracle that
//! evaluates the same pipeline by plain recursion, without an engine.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use super::{Build, ROOT, read};
use flowrun::base::id::{BodyId, Id};
use flowrun::base::{Digest, NodeId, Value};
use flowrun::engine::{Capacity, Needs};
use flowrun::event::Cause;
use flowrun::plan::{Allowance, CauseWord, From, NodeKind, OnError, Plan, Read, Require, Retry, Shape, Share, Way};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
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
fn around(plan: &Plan, mut node: NodeId, body: BodyId) -> Option<NodeId> {
    while plan.nodes[node].body != body {
        node = plan.bodies[plan.nodes[node].body].owner?;
    }
    Some(node)
}

impl Recipe {
    pub fn capacity(&self) -> Capacity {
        Capacity {
            cpus: self.cpus.into(),
            memory: 100,
            gpus: (0..self.gpus).map(|gpu| gpu.to_string().into()).collect(),
            limits: vec![2],
            window: self.window.into(),
        }
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
        let needs = Needs {
            cpus: 1 + (n % u64::from(self.recipe.cpus)) as u32,
            memory: (n >> 8) % 101,
            gpus: ((n >> 16) % 4).saturating_sub(2) as u32 % (u32::from(self.recipe.gpus) + 1),
            limits: if n >> 24 & 1 == 0 { Vec::new() } else { vec![(n >> 25) as u32 % 3] },
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

/// How an instance ends when nothing stops the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Succeeded or cached.
    Well,
    Failed,
    /// A map whose items failed.
    MapFailed,
    /// Failed, and the file lets it be.
    Ignored,
    /// Failed in a map that has more failures than may be: the first ones were let be.
    FailedOrIgnored,
    Skipped,
    Cancelled,
    Unwanted,
}

/// One node in one item, evaluated. Here `Ignored` is what the node itself lets be.
struct Cell {
    fate: Fate,
    /// A map: whether it has a list.
    listed: bool,
    /// Whether a failure in it is one for what is around it.
    escapes: bool,
    /// A map whose items came to an end: how many ended well, and of how many.
    good: Option<(u32, u32)>,
    value: Value,
    items: Vec<BTreeMap<NodeId, Cell>>,
    records: Value,
}

/// The whole pipeline by plain recursion: the end of each instance by name, and its value.
pub struct Oracle<'a> {
    plan: &'a Plan,
    truth: &'a Truth,
    wanted: &'a [bool],
    pub ends: BTreeMap<String, (Fate, Value)>,
}

/// Where a reader stands: the cells around it and the items, outermost first.
struct Around<'a> {
    bodies: Vec<&'a BTreeMap<NodeId, Cell>>,
    items: Vec<(Value, usize)>,
}

impl<'a> Oracle<'a> {
    pub fn new(plan: &'a Plan, truth: &'a Truth, wanted: &'a [bool]) -> Self {
        let mut oracle = Self { plan, truth, wanted, ends: BTreeMap::new() };
        let empty = Around { bodies: Vec::new(), items: Vec::new() };
        oracle.body(ROOT, &empty, "");
        oracle
    }

    /// The nodes of a body, each after all that it, or what it holds, needs.
    fn order(&self, body: BodyId) -> Vec<NodeId> {
        let nodes = &self.plan.bodies[body].nodes;
        let mut needs: BTreeSet<(NodeId, NodeId)> = BTreeSet::new();
        for (id, node) in self.plan.nodes.iter() {
            for dep in &node.deps {
                if self.plan.nodes[dep.node].body == body
                    && let Some(holder) = around(self.plan, id, body)
                {
                    needs.insert((holder, dep.node));
                }
            }
        }
        let mut order: Vec<NodeId> = Vec::new();
        while order.len() < nodes.len() {
            let ready = |n: &NodeId| needs.iter().all(|(a, b)| a != n || order.contains(b));
            let next = nodes.iter().find(|n| !order.contains(n) && ready(n)).copied().unwrap();
            order.push(next);
        }
        order
    }

    fn body(&mut self, body: BodyId, around: &Around, prefix: &str) -> BTreeMap<NodeId, Cell> {
        let mut cells = BTreeMap::new();
        for node in self.order(body) {
            let name = match prefix {
                "" => self.plan.nodes[node].name.to_string(),
                prefix => format!("{prefix}.{}", self.plan.nodes[node].name),
            };
            let mut bodies = around.bodies.clone();
            bodies.push(&cells);
            let here = Around { bodies, items: around.items.clone() };
            let cell = self.cell(node, &here, &name);
            self.ends.insert(name, (cell.fate, cell.value.clone()));
            cells.insert(node, cell);
        }
        cells
    }

    fn cell(&mut self, node: NodeId, around: &Around, name: &str) -> Cell {
        let end = |fate| Cell {
            fate,
            listed: false,
            escapes: false,
            good: None,
            value: Value::Null,
            items: Vec::new(),
            records: Value::Null,
        };
        let n = &self.plan.nodes[node];
        let failed = || match n.on_error {
            OnError::Ignore => end(Fate::Ignored),
            _ => Cell { escapes: true, ..end(Fate::Failed) },
        };
        if n.body == ROOT && !self.wanted[n.slot as usize] {
            return end(Fate::Unwanted);
        }
        if around.items.last().is_some_and(|(item, _)| item.is_null()) {
            return end(Fate::Skipped);
        }
        let (mut cancel, mut refuse, mut skip) = (false, false, false);
        for dep in &n.deps {
            let needed = self.at(around, dep.node, dep.up);
            let bad = is_bad(needed.fate);
            match (n.require, needed.good) {
                _ if needed.fate == Fate::Skipped => skip |= !dep.tolerates_skip,
                (Some(require), Some((good, of))) if require.is_met(good, of) => {}
                (Some(_), Some(_)) if !bad => refuse = true,
                _ => cancel |= bad,
            }
        }
        if cancel || refuse || skip {
            return if cancel {
                end(Fate::Cancelled)
            } else if refuse {
                failed()
            } else {
                end(Fate::Skipped)
            };
        }
        let of = |reads: &[Read]| reads.iter().map(|read| self.value(around, &read.from)).collect::<Vec<_>>();
        match &n.kind {
            NodeKind::Task(task) => match self.truth.task(node, &of(&task.reads)) {
                TaskTruth::Skip => end(Fate::Skipped),
                TaskTruth::Refused => failed(),
                TaskTruth::Run { course, .. } => match course.result() {
                    Some(value) => Cell { value: value.clone(), ..end(Fate::Well) },
                    None => failed(),
                },
            },
            NodeKind::Branch(_) | NodeKind::Loop(_) | NodeKind::Call(_) => {
                let item = match self.truth.list(node, &n.kind, &of(n.kind.reads())) {
                    ListTruth::Items(items) => items.into_iter().next().unwrap(),
                    ListTruth::Skip => return end(Fate::Skipped),
                    ListTruth::Failed => return failed(),
                };
                let NodeKind::Branch(branch) = &n.kind else { return self.again(node, around, name, item, failed()) };
                let Some(taken) = branch.case(item.as_str().unwrap()).map(|case| case.body) else {
                    return failed();
                };
                for case in branch.cases.iter().filter(|case| case.body != taken) {
                    for node in &self.plan.bodies[case.body].nodes {
                        let name = format!("{name}.{}", self.plan.nodes[*node].name);
                        self.ends.insert(name, (Fate::Skipped, Value::Null));
                    }
                }
                self.once(node, around, taken, name, (item, 0), failed()).1
            }
            NodeKind::Map(map) => {
                let list = match self.truth.list(node, &n.kind, &of(&map.reads)) {
                    ListTruth::Items(items) => items,
                    ListTruth::Skip => return end(Fate::Skipped),
                    ListTruth::Failed => return failed(),
                };
                let mut cell = Cell { listed: true, ..end(Fate::Well) };
                for (i, item) in list.iter().enumerate() {
                    let mut items = around.items.clone();
                    items.push((item.clone(), i));
                    let inside = Around { bodies: around.bodies.clone(), items };
                    cell.items.push(self.body(map.body, &inside, &format!("{name}[{i}]")));
                }
                let any = |of: &dyn Fn(&Cell) -> bool| -> Vec<bool> {
                    cell.items.iter().map(|cells| cells.values().any(of)).collect()
                };
                let (bad, hurt) = (any(&|cell| is_bad(cell.fate)), any(&|cell| cell.escapes));
                let failed_in = any(&|cell| matches!(cell.fate, Fate::Failed | Fate::MapFailed));
                let nulls = list.iter().filter(|item| item.is_null()).count();
                let good = list.len() - nulls - bad.iter().filter(|bad| **bad).count();
                cell.good = Some((good as u32, (list.len() - nulls) as u32));
                let ignores = n.on_error == OnError::Ignore;
                let hurts = hurt.iter().filter(|hurt| **hurt).count() as u32;
                match map.max_failures.map(|limit| hurts > limit.of(list.len() as u32)) {
                    None => {
                        cell.escapes = hurts > 0;
                        if failed_in.contains(&true) {
                            cell.fate = Fate::MapFailed;
                        } else if bad.contains(&true) {
                            cell.fate = Fate::Cancelled;
                        }
                    }
                    Some(true) => {
                        (cell.escapes, cell.fate) = (!ignores, if ignores { Fate::Ignored } else { Fate::MapFailed });
                        self.relabel(name, if ignores { Fate::Ignored } else { Fate::FailedOrIgnored });
                    }
                    Some(false) => {
                        if bad.iter().zip(&hurt).any(|(bad, hurt)| *bad && !hurt) {
                            cell.fate = Fate::Cancelled;
                        }
                        self.relabel(name, Fate::Ignored);
                    }
                }
                let counted = n.dependents.iter().any(|next| self.plan.nodes[*next].require.is_some());
                if !map.outputs.is_empty() && (counted || matches!(cell.fate, Fate::Well | Fate::Ignored)) {
                    if self.truth.records_fail(node, list.len()) {
                        cell.good = None;
                        cell.fate = failed().fate;
                        cell.escapes |= !ignores;
                        return cell;
                    }
                    let mut records = Vec::new();
                    for (i, item) in list.iter().enumerate() {
                        let mut items = around.items.clone();
                        items.push((item.clone(), i));
                        let mut bodies = around.bodies.clone();
                        bodies.push(&cell.items[i]);
                        let inside = Around { bodies, items };
                        let values: Vec<_> = map.output_reads.iter().map(|r| self.value(&inside, &r.from)).collect();
                        records.push(if item.is_null() || bad[i] {
                            Value::Null
                        } else {
                            self.truth.record(node, &values)
                        });
                    }
                    cell.records = Value::list(records);
                }
                cell
            }
        }
    }

    /// One execution of a body that has no list; whether it went well.
    fn once(
        &mut self,
        node: NodeId,
        around: &Around,
        body: BodyId,
        name: &str,
        item: (Value, usize),
        failed: Cell,
    ) -> (bool, Cell) {
        let mut items = around.items.clone();
        items.push(item);
        let inside = Around { bodies: around.bodies.clone(), items: items.clone() };
        let cells = self.body(body, &inside, name);
        let any = |of: &dyn Fn(&Cell) -> bool| cells.values().any(of);
        let escapes = any(&|cell| cell.escapes);
        let fate = if any(&|cell| matches!(cell.fate, Fate::Failed | Fate::MapFailed)) {
            Fate::MapFailed
        } else if any(&|cell| is_bad(cell.fate)) {
            Fate::Cancelled
        } else {
            Fate::Well
        };
        let kind = &self.plan.nodes[node].kind;
        let mut records = Value::Null;
        if fate == Fate::Well && !kind.results().0.is_empty() && !matches!(kind, NodeKind::Loop(_)) {
            match self.recorded(node, around, &cells, items) {
                Some(record) => records = record,
                None => return (false, Cell { listed: true, items: vec![cells], ..failed }),
            }
        }
        let value = Value::Null;
        (fate == Fate::Well, Cell { fate, listed: true, escapes, good: None, value, items: vec![cells], records })
    }

    fn recorded(
        &self,
        node: NodeId,
        around: &Around,
        cells: &BTreeMap<NodeId, Cell>,
        items: Vec<(Value, usize)>,
    ) -> Option<Value> {
        if self.truth.records_fail(node, 1) {
            return None;
        }
        let reads = self.plan.nodes[node].kind.results().2;
        Some(self.truth.record(node, &self.inside(around, cells, items, reads)))
    }

    /// What is read from within a body.
    fn inside(
        &self,
        around: &Around,
        cells: &BTreeMap<NodeId, Cell>,
        items: Vec<(Value, usize)>,
        reads: &[Read],
    ) -> Vec<Value> {
        let mut bodies = around.bodies.clone();
        bodies.push(cells);
        let inside = Around { bodies, items };
        reads.iter().map(|read| self.value(&inside, &read.from)).collect()
    }

    /// A call, or a loop.
    fn again(&mut self, node: NodeId, around: &Around, name: &str, mut item: Value, failed: Cell) -> Cell {
        let kind = &self.plan.nodes[node].kind;
        let NodeKind::Loop(looped) = kind else {
            return self.once(node, around, kind.bodies()[0], name, (item, 0), failed).1;
        };
        for index in 0.. {
            let here = (item.clone(), index as usize);
            let called = format!("{name}[{index}]");
            let (well, mut cell) = self.once(node, around, looped.body, &called, here.clone(), failed_as(&failed));
            if !well {
                return cell;
            }
            let mut items = around.items.clone();
            items.push(here);
            let values = self.inside(around, &cell.items[0], items.clone(), &looped.turn_reads);
            let refused = |cell: Cell| Cell { listed: true, items: cell.items, ..failed_as(&failed) };
            let Some((next, done)) = self.truth.turn(node, kind, &values) else { return refused(cell) };
            item = next;
            let last = index + 1 >= looped.max;
            if done == Some(true) || last && (looped.accept || done.is_none()) {
                let mut record = match item {
                    Value::Map(carried) => carried.to_vec(),
                    _ => unreachable!(),
                };
                record.push(("iterations".into(), Value::Int(i64::from(index) + 1)));
                if !looped.results.fields.is_empty() {
                    match self.recorded(node, around, &cell.items[0], items) {
                        Some(Value::Map(fields)) => record = [fields.to_vec(), record].concat(),
                        _ => return refused(cell),
                    }
                }
                cell.records = Value::map(record);
                return cell;
            }
            if last {
                return refused(cell);
            }
        }
        unreachable!()
    }

    /// What failed in a map is let be, or some of it.
    fn relabel(&mut self, map: &str, to: Fate) {
        let inside = format!("{map}[");
        for (_, (fate, _)) in self.ends.range_mut(inside.clone()..).take_while(|(name, _)| name.starts_with(&inside)) {
            if matches!(fate, Fate::Failed | Fate::FailedOrIgnored) {
                *fate = to;
            }
        }
    }

    fn at<'c>(&self, around: &Around<'c>, node: NodeId, up: u32) -> &'c Cell {
        let body: &'c BTreeMap<NodeId, Cell> = around.bodies[around.bodies.len() - 1 - up as usize];
        &body[&node]
    }

    fn value(&self, around: &Around, from: &From) -> Value {
        match from {
            From::Param(_) => unreachable!(),
            From::Item { up } => around.items[around.items.len() - 1 - *up as usize].0.clone(),
            From::Index { up } => Value::Int(around.items[around.items.len() - 1 - *up as usize].1 as i64),
            From::Output { node, up, inner, output } => {
                self.through(self.at(around, *node, *up), *node, &[(inner, *output)])
            }
            From::Cases { up, ways } => {
                let cells = around.bodies[around.bodies.len() - 1 - *up as usize];
                let ways: Vec<Path> = ways.iter().map(|way| (way.nodes.as_slice(), way.output)).collect();
                self.follow(cells, &ways)
            }
        }
    }

    fn follow(&self, cells: &BTreeMap<NodeId, Cell>, ways: &[Path]) -> Value {
        let here: Vec<&Path> = ways.iter().filter(|(nodes, _)| cells.contains_key(&nodes[0])).collect();
        let Some((nodes, _)) = here.first() else { return Value::Null };
        let next = nodes[0];
        let deeper: Vec<Path> = here.iter().map(|(nodes, output)| (&nodes[1..], *output)).collect();
        self.through(&cells[&next], next, &deeper)
    }

    fn through(&self, cell: &Cell, node: NodeId, ways: &[Path]) -> Value {
        let kind = &self.plan.nodes[node].kind;
        let is_map = matches!(kind, NodeKind::Map(_));
        if !ways[0].0.is_empty() {
            // What has no list gives null; a map with an empty one an empty list.
            return match (cell.listed, is_map) {
                (false, _) => Value::Null,
                (true, true) => Value::list(cell.items.iter().map(|cells| self.follow(cells, ways)).collect()),
                (true, false) => cell.items.last().map_or(Value::Null, |cells| self.follow(cells, ways)),
            };
        }
        if let NodeKind::Task(_) = kind {
            return cell.value.clone();
        }
        let name = |at: u32| match kind {
            NodeKind::Loop(looped) => looped.result_name(at).to_owned(),
            _ => "r".to_owned(),
        };
        let field = |record: &Value| match ways[0].1 {
            None => record.clone(),
            Some(at) => record.field(&name(at)).cloned().unwrap_or_default(),
        };
        match cell.records.as_list() {
            Some(records) => Value::list(records.iter().map(field).collect()),
            None if cell.records.is_null() => Value::Null,
            None => field(&cell.records),
        }
    }
}

type Path<'a> = (&'a [NodeId], Option<u32>);

/// The end of what failed by itself.
fn failed_as(failed: &Cell) -> Cell {
    Cell { items: Vec::new(), value: Value::Null, records: Value::Null, ..*failed }
}

/// What needs it cannot go on.
fn is_bad(fate: Fate) -> bool {
    matches!(fate, Fate::Failed | Fate::MapFailed | Fate::Cancelled)
}
