//! The oracle: the whole pipeline by plain recursion, without an engine.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use super::ROOT;
use super::world::{ListTruth, TaskTruth, Truth, around};
use flowrun::base::id::BodyId;
use flowrun::base::{NodeId, Value};
use flowrun::plan::{From, NodeKind, OnError, Plan, Read};
use std::collections::{BTreeMap, BTreeSet};

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
