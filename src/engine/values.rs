//! The values that expressions read of a run: params, items, outputs of other instances, lists through maps.

use crate::base::id::ScopeId;
use crate::base::{InstanceId, Lack, NodeId, Value};
use crate::engine::api::*;
use crate::engine::machine::Engine;
use crate::engine::space::ROOT;
use crate::plan::{From, NodeKind, Read, Way};
use std::sync::Arc;

impl Engine {
    /// The values of `[outputs]`, one for each of the plan's `output_reads`. They are whole once the run is over.
    pub fn outputs(&self) -> Values {
        self.collect(&self.graph.plan.output_reads, ROOT, 0)
    }

    /// What a task's expressions read for one of its instances, as far as it is there; nothing for a map.
    pub fn values_of(&self, instance: InstanceId) -> Values {
        let place = self.ledger.space.place(instance);
        match &self.graph.plan.nodes[place.node].kind {
            NodeKind::Task(task) => self.collect(&task.reads, place.scope, place.item),
            _ => Values::default(),
        }
    }

    /// The values of `reads` for a reader in this scope and item.
    pub(super) fn collect(&self, reads: &[Read], scope: ScopeId, item: u32) -> Values {
        reads.iter().map(|read| at_path(self.source(&read.from, scope, item), &read.path)).collect()
    }

    /// The same; lists through maps are kept, so that all readers share them. Only for readers whose needs have ended.
    pub(super) fn collect_shared(&mut self, reads: &[Read], reader: ScopeId, index: u32) -> Values {
        let mut values = Vec::with_capacity(reads.len());
        for read in reads {
            let whole = match self.shared(&read.from, reader, index) {
                Some(place) => match self.lists.get(&place) {
                    Some(list) => list.clone(),
                    None => {
                        let list = self.source(&read.from, reader, index);
                        self.lists.insert(place, list.clone());
                        list
                    }
                },
                None => self.source(&read.from, reader, index),
            };
            values.push(at_path(whole, &read.path));
        }
        values
    }

    /// Where a value that is made of many is kept.
    fn shared(&self, from: &From, reader: ScopeId, index: u32) -> Option<Gathered> {
        let (first, up) = from.nodes().next()?;
        let (scope, item) = self.ledger.space.out(reader, index, up);
        if self.graph.plan.nodes[first].body != self.ledger.space.scopes()[scope].body {
            return None;
        }
        let top = self.ledger.space.instance(scope, first, item);
        match from {
            From::Output { inner, output, .. } => Some(Gathered::One(top, *inner.last()?, *output)),
            From::Cases { ways, .. } if ways[0].nodes.len() > 1 => Some(Gathered::OfCases(top, ways.clone())),
            _ => None,
        }
    }

    fn source(&self, from: &From, scope: ScopeId, item: u32) -> Value {
        match from {
            From::Param(param) => self.graph.plan.params[*param as usize].value.clone(),
            From::Item { up } => {
                let (scope, item) = self.ledger.space.out(scope, item, *up);
                let list = self.ledger.space.scopes()[scope].list.as_ref();
                list.and_then(|list| list.items().get(item as usize)).cloned().unwrap_or_default()
            }
            From::Index { up } => {
                let (scope, item) = self.ledger.space.out(scope, item, *up);
                Value::Int((self.ledger.space.scopes()[scope].turn + item).into())
            }
            From::Output { node, up, inner, output } => {
                let (scope, item) = self.ledger.space.out(scope, item, *up);
                self.gather(self.ledger.space.instance(scope, *node, item), *node, &[(inner, *output)])
            }
            From::Cases { up, ways } => {
                let (scope, item) = self.ledger.space.out(scope, item, *up);
                let ways: Vec<Path<'_>> = ways.iter().map(|way| (way.nodes.as_slice(), way.output)).collect();
                self.follow(scope, item, &ways)
            }
        }
    }

    /// What the ways lead to that begin in the body of this scope; null when none does.
    fn follow(&self, scope: ScopeId, item: u32, ways: &[Path<'_>]) -> Value {
        let body = self.ledger.space.scopes()[scope].body;
        let here = ways.iter().filter(|(nodes, _)| self.graph.plan.nodes[nodes[0]].body == body);
        let here: Vec<Path<'_>> = here.map(|(nodes, output)| (&nodes[1..], *output)).collect();
        // A name is there once in a body.
        let first = ways.iter().map(|(nodes, _)| nodes[0]).find(|node| self.graph.plan.nodes[*node].body == body);
        let Some(node) = first else { return Value::Null };
        self.gather(self.ledger.space.instance(scope, node, item), node, &here)
    }

    /// What an instance gave; through maps a list for each, in item order. Null where there is nothing.
    fn gather(&self, instance: InstanceId, node: NodeId, ways: &[Path<'_>]) -> Value {
        if !ways[0].0.is_empty() {
            let Some(scope) = self.ledger.space.scope_of(instance) else { return Value::Null };
            if self.graph.map(node).is_none() {
                return self.follow(scope, 0, ways);
            }
            let len = self.ledger.space.scopes()[scope].len;
            if let [(inner, output)] = ways {
                let next = inner[0];
                let deeper = [(&inner[1..], *output)];
                let of = |item| self.gather(self.ledger.space.instance(scope, next, item), next, &deeper);
                return Value::list((0..len).map(of).collect());
            }
            return Value::list((0..len).map(|item| self.follow(scope, item, ways)).collect());
        }
        let output = ways[0].1;
        match &self.graph.plan.nodes[node].kind {
            NodeKind::Task(task) => {
                let Some(results) = self.ledger.results(instance) else { return Value::Null };
                let value = |i: usize| results.get(i).map(|p| p.value().into_owned()).unwrap_or_default();
                match output {
                    Some(output) => value(output as usize),
                    None => {
                        let fields = task.outputs.iter().enumerate();
                        Value::map(fields.map(|(i, output)| (Arc::clone(&output.name), value(i))).collect())
                    }
                }
            }
            kind => {
                let Some(records) = self.records.get(&instance) else { return Value::Null };
                let name = match (output, kind) {
                    (None, _) => None,
                    (Some(output), NodeKind::Loop(looped)) => Some(looped.result_name(output)),
                    (Some(output), kind) => kind.results().0.get(output as usize).map(|(name, _)| &**name),
                };
                let field = |record: &Value| match name {
                    Some(name) => record.field(name).cloned().unwrap_or_default(),
                    None => record.clone(),
                };
                match (kind, records.as_list()) {
                    (NodeKind::Map(_), Some(records)) => Value::list(records.iter().map(field).collect()),
                    (_, Some(records)) => records.first().map(field).unwrap_or_default(),
                    (_, None) => field(records),
                }
            }
        }
    }
}

/// What a kept value was made of: the outermost instance, and the way or ways from there.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Gathered {
    /// The node that has the output, and which output: there is one way to a node.
    One(InstanceId, NodeId, Option<u32>),
    /// Through cases of a branch.
    OfCases(InstanceId, Vec<Way>),
}

/// The nodes below one down to the one that has an output, and which output.
type Path<'a> = (&'a [NodeId], Option<u32>);

/// The value at a path. Below null everything is null.
pub fn at_path(whole: Value, path: &[Arc<str>]) -> Result<Value, Lack> {
    let mut at = &whole;
    for (i, name) in path.iter().enumerate() {
        if at.is_null() {
            break;
        }
        at = at.field(name).ok_or_else(|| Lack::of(at, path.len() - i))?;
    }
    Ok(at.clone())
}
