//! Random pipelines, a world that answers the engine by pure functions of the values it is handed, and an oracle that
//! evaluates the same pipeline by plain recursion, without an engine.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use super::{Build, ROOT, read};
use flowrun::base::id::{BodyId, Id};
use flowrun::base::{Digest, NodeId, Value};
use flowrun::engine::{Capacity, Needs};
use flowrun::plan::{From, NodeKind, Plan, Read, Shape};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One node of a random pipeline; indices are taken modulo what there is.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    pub map: bool,
    /// Among the maps before it, or the root.
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
}

pub fn recipes() -> impl Strategy<Value = Recipe> {
    let node =
        (
            prop::bool::weighted(0.35),
            any::<u8>(),
            prop::collection::vec((any::<u8>(), any::<bool>(), prop::bool::weighted(0.3)), 0..4),
            any::<bool>(),
            prop::bool::weighted(0.3),
            -1..2i8,
            0..6u8,
            prop::bool::weighted(0.7),
            prop::option::weighted(0.4, 1..4u8),
        )
            .prop_map(|(map, parent, deps, reads_item, reads_index, priority, salt, flag, max_parallel)| {
                NodeSpec { map, parent, deps, reads_item, reads_index, priority, salt, flag, max_parallel }
            });
    let nodes = prop::collection::vec(node, 1..11);
    let chance = || prop_oneof![2 => Just(0u8), 1 => 3..12u8];
    (nodes, chance(), chance(), chance(), chance(), 1..7u8, any::<bool>(), 1..5u8, 1..3u8, 1..5u8, chance()).prop_map(
        |(nodes, fails, skips, refuses, hits, longest, keep_going, cpus, gpus, window, wanted)| Recipe {
            nodes,
            fails,
            skips,
            refuses,
            hits,
            longest,
            keep_going,
            cpus,
            gpus,
            window,
            wanted,
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
            let node = if spec.map && b.plan.bodies[body].depth < 3 {
                let (node, inner) = b.map(body, &format!("m{i}"));
                b.map_mut(node).max_parallel = spec.max_parallel.map(u32::from);
                bodies.push(inner);
                node
            } else {
                b.task(body, &format!("t{i}"), &["out"])
            };
            b.plan.nodes[node].priority = spec.priority.into();
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
            if b.plan.bodies[body].nodes.is_empty() {
                let i = specs.len();
                b.task(body, &format!("t{i}"), &["out"]);
                let filler = NodeSpec { map: false, deps: Vec::new(), reads_item: true, ..self.nodes[0].clone() };
                specs.push(filler);
            }
        }
        for node in b.plan.nodes.ids() {
            self.add_reads(&mut b, node, &specs[node.index()]);
        }
        (b.finish(), specs)
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
        // A map with records: they hold what the first node of its body gave, and the item.
        if spec.flag
            && let NodeKind::Map(map) = &b.plan.nodes[node].kind
            && spec.salt.is_multiple_of(2)
        {
            let first = b.plan.bodies[map.body].nodes[0];
            let reads = vec![output_of(b, first, 0, spec.salt), read("item", From::Item { up: 0 }, &[])];
            let map = b.map_mut(node);
            map.outputs.push(("r".into(), Shape::Plain(Value::Null)));
            map.output_reads = reads;
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

/// A read of a task's output, of a list through a map, or of a map's records.
fn output_of(b: &Build, node: NodeId, up: u32, salt: u8) -> Read {
    let mut inner = Vec::new();
    let mut at = node;
    let mut output = Some(0);
    while let NodeKind::Map(map) = &b.plan.nodes[at].kind {
        if !map.outputs.is_empty() && salt.is_multiple_of(3) {
            output = if salt == 0 { None } else { Some(0) };
            break;
        }
        let nodes = &b.plan.bodies[map.body].nodes;
        at = nodes[usize::from(salt) % nodes.len()];
        inner.push(at);
    }
    read("value", From::Output { node, up, inner, output }, &[])
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
    Run { key: Option<Digest>, result: Option<Value>, needs: Needs },
}

fn chance(n: u64, one_in: u8) -> bool {
    one_in != 0 && n.is_multiple_of(u64::from(one_in))
}

impl Truth {
    pub fn list(&self, node: NodeId, values: &[Value]) -> ListTruth {
        let salt = self.specs[node.index()].salt.to_string();
        let seed = text(values);
        if chance(hash(&["when", &salt, &seed]), self.recipe.skips) {
            return ListTruth::Skip;
        }
        if chance(hash(&["refuse", &salt, &seed]), self.recipe.refuses) {
            return ListTruth::Failed;
        }
        let len = hash(&["len", &salt, &seed]) % u64::from(self.recipe.longest);
        let item = |i: u64| match hash(&["item", &salt, &seed, &i.to_string()]) % 5 {
            0 => Value::Null,
            n => Value::Int((n % 3) as i64),
        };
        ListTruth::Items((0..len).map(item).collect())
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
        let fails = chance(hash(&["fails", &salt, &seed]), self.recipe.fails);
        let result = (!fails).then(|| Value::str(format!("{:x}", hash(&["result", &salt, &seed]) % 65536)));
        let n = hash(&["needs", &salt, &seed]);
        let needs = Needs {
            cpus: 1 + (n % u64::from(self.recipe.cpus)) as u32,
            memory: (n >> 8) % 101,
            gpus: ((n >> 16) % 4).saturating_sub(2) as u32 % (u32::from(self.recipe.gpus) + 1),
            limits: if n >> 24 & 1 == 0 { Vec::new() } else { vec![(n >> 25) as u32 % 3] },
        };
        TaskTruth::Run { key, result, needs }
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
    Skipped,
    Cancelled,
    Unwanted,
}

/// One node in one item, evaluated.
struct Cell {
    fate: Fate,
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
        let end = |fate| Cell { fate, value: Value::Null, items: Vec::new(), records: Value::Null };
        let n = &self.plan.nodes[node];
        if n.body == ROOT && !self.wanted[n.slot as usize] {
            return end(Fate::Unwanted);
        }
        if around.items.last().is_some_and(|(item, _)| item.is_null()) {
            return end(Fate::Skipped);
        }
        let mut fate = Fate::Well;
        for dep in &n.deps {
            match self.at(around, dep.node, dep.up).fate {
                Fate::Failed | Fate::Cancelled => fate = Fate::Cancelled,
                Fate::Skipped if !dep.tolerates_skip && fate == Fate::Well => fate = Fate::Skipped,
                _ => {}
            }
        }
        if fate != Fate::Well {
            return end(fate);
        }
        let of = |reads: &[Read]| reads.iter().map(|read| self.value(around, &read.from)).collect::<Vec<_>>();
        match &n.kind {
            NodeKind::Task(task) => match self.truth.task(node, &of(&task.reads)) {
                TaskTruth::Skip => end(Fate::Skipped),
                TaskTruth::Refused => end(Fate::Failed),
                TaskTruth::Run { result: None, .. } => end(Fate::Failed),
                TaskTruth::Run { result: Some(value), .. } => Cell { value, ..end(Fate::Well) },
            },
            NodeKind::Map(map) => {
                let list = match self.truth.list(node, &of(&map.reads)) {
                    ListTruth::Items(items) => items,
                    ListTruth::Skip => return end(Fate::Skipped),
                    ListTruth::Failed => return end(Fate::Failed),
                };
                let mut cell = end(Fate::Well);
                for (i, item) in list.iter().enumerate() {
                    let mut items = around.items.clone();
                    items.push((item.clone(), i));
                    let inside = Around { bodies: around.bodies.clone(), items };
                    cell.items.push(self.body(map.body, &inside, &format!("{name}[{i}]")));
                }
                let fates = || cell.items.iter().flat_map(|cells| cells.values()).map(|cell| cell.fate);
                if fates().any(|fate| fate == Fate::Failed) {
                    cell.fate = Fate::Failed;
                } else if fates().any(|fate| fate == Fate::Cancelled) {
                    cell.fate = Fate::Cancelled;
                } else if !map.outputs.is_empty() {
                    if self.truth.records_fail(node, list.len()) {
                        cell.fate = Fate::Failed;
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
                        records.push(if item.is_null() { Value::Null } else { self.truth.record(node, &values) });
                    }
                    cell.records = Value::list(records);
                }
                cell
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
            From::Output { node, up, inner, output } => through(self.at(around, *node, *up), inner, *output),
        }
    }
}

fn through(cell: &Cell, inner: &[NodeId], output: Option<u32>) -> Value {
    let Some((next, deeper)) = inner.split_first() else {
        let Some(records) = cell.records.as_list() else { return cell.value.clone() };
        return match output {
            None => cell.records.clone(),
            Some(_) => Value::list(records.iter().map(|r| r.field("r").cloned().unwrap_or_default()).collect()),
        };
    };
    // A map without a list gives null; one with an empty list an empty list.
    if matches!(cell.fate, Fate::Skipped | Fate::Unwanted) {
        return Value::Null;
    }
    Value::list(cell.items.iter().map(|cells| through(&cells[next], deeper, output)).collect())
}
