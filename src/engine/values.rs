//! The values that expressions read of a run: params, items, outputs of other instances, lists through maps.

use crate::base::id::ScopeId;
use crate::base::{InstanceId, NodeId, Value};
use crate::engine::api::*;
use crate::engine::machine::Engine;
use crate::engine::space::ROOT;
use crate::plan::{From, NodeKind, Read};
use std::sync::Arc;

impl Engine {
    /// The values of `[outputs]`, one for each of the plan's `output_reads`. They are whole once the run is over.
    pub fn outputs(&self) -> Values {
        self.collect(&self.graph.plan.output_reads, ROOT, 0)
    }

    /// The values of `reads` for a reader in this scope and item.
    pub(super) fn collect(&self, reads: &[Read], scope: ScopeId, item: u32) -> Values {
        reads.iter().map(|read| at_path(self.source(&read.from, scope, item), &read.path)).collect()
    }

    /// The same; lists through maps are kept, so that all readers share them. Only for readers whose needs have ended.
    pub(super) fn collect_shared(&mut self, reads: &[Read], reader: ScopeId, index: u32) -> Values {
        let mut values = Vec::with_capacity(reads.len());
        for read in reads {
            let whole = match &read.from {
                From::Output { node, up, inner, output } if !inner.is_empty() => {
                    let (scope, item) = self.ledger.space.out(reader, index, *up);
                    let top = self.ledger.space.instance(scope, *node, item);
                    let last = inner.last().copied().unwrap_or(*node);
                    match self.lists.get(&(top, last, *output)) {
                        Some(list) => list.clone(),
                        None => {
                            let list = self.gather(top, *node, inner, *output);
                            self.lists.insert((top, last, *output), list.clone());
                            list
                        }
                    }
                }
                from => self.source(from, reader, index),
            };
            values.push(at_path(whole, &read.path));
        }
        values
    }

    fn source(&self, from: &From, scope: ScopeId, item: u32) -> Value {
        match from {
            From::Param(param) => self.graph.plan.params[*param as usize].value.clone(),
            From::Item { up } => {
                let (scope, item) = self.ledger.space.out(scope, item, *up);
                let list = self.ledger.space.scopes()[scope].list.as_ref();
                list.and_then(|list| list.items().get(item as usize)).cloned().unwrap_or_default()
            }
            From::Index { up } => Value::Int(self.ledger.space.out(scope, item, *up).1.into()),
            From::Output { node, up, inner, output } => {
                let (scope, item) = self.ledger.space.out(scope, item, *up);
                self.gather(self.ledger.space.instance(scope, *node, item), *node, inner, *output)
            }
        }
    }

    /// What an instance gave; through maps a list for each, in item order. Null where there is nothing.
    fn gather(&self, instance: InstanceId, node: NodeId, inner: &[NodeId], output: Option<u32>) -> Value {
        if let Some((next, deeper)) = inner.split_first() {
            let Some(scope) = self.ledger.space.scope_of(instance) else { return Value::Null };
            let len = self.ledger.space.scopes()[scope].len;
            let of = |item| self.gather(self.ledger.space.instance(scope, *next, item), *next, deeper, output);
            return Value::list((0..len).map(of).collect());
        }
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
            NodeKind::Map(map) => {
                let Some(records) = self.records.get(&instance) else { return Value::Null };
                let Some(name) = output.and_then(|output| map.outputs.get(output as usize)).map(|(name, _)| name)
                else {
                    return records.clone();
                };
                let field = |record: &Value| record.field(name).cloned().unwrap_or_default();
                Value::list(records.as_list().unwrap_or_default().iter().map(field).collect())
            }
        }
    }
}

/// The value at a path. Below null everything is null; a field that a value does not have is `None`.
pub fn at_path(whole: Value, path: &[Arc<str>]) -> Option<Value> {
    let mut at = &whole;
    for name in path {
        if at.is_null() {
            break;
        }
        at = at.field(name)?;
    }
    Some(at.clone())
}
