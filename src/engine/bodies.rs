//! Nodes that hold others: how their bodies begin, go on after a restore, and end. A map has one expansion with an
//! instance for each item; a branch one expansion a case, of which all but one are skipped; a loop one an iteration; a
//! call one.

use crate::base::id::{Id, ScopeId};
use crate::base::{InstanceId, Value};
use crate::engine::api::*;
use crate::engine::machine::{Engine, Out, Phase};
use crate::engine::space::TooMany;
use crate::event::{Cause, Event, Failure, MapEnd};
use crate::plan::{Loop, NodeKind, taken};
use std::sync::Arc;

impl Engine {
    /// The list of an instance is known, so its body begins.
    pub(super) fn begin_body(&mut self, owner: InstanceId, list: Arc<Items>, out: &mut Out) {
        let len = u32::try_from(list.items().len()).unwrap_or(u32::MAX);
        match self.ledger.space.open(owner, len, Some(Arc::clone(&list))) {
            Ok(first) => {
                self.ledger.furnish_from(first);
                self.furnish_from(first);
                self.tell_beginning(owner, first, out);
                self.ledger.set(owner, false, State::Running);
                self.enter_body(owner, first, out);
            }
            Err(TooMany) => {
                let message =
                    format!("a list of {} items makes more instances than a run can number", list.items().len());
                let help = "use `chunk`, so that one instance takes many items";
                self.refuse(owner, refusal(message, Some(help)), out);
            }
        }
    }

    /// A restored body takes up the list that it had; a loop begins with its first iteration again.
    pub(super) fn go_on(&mut self, owner: InstanceId, out: &mut Out) {
        let first = self.ledger.space.scopes_of(owner).next().expect("it had a list");
        self.tell_beginning(owner, first, out);
        self.ledger.set(owner, false, State::Running);
        let looped = self.looped(owner).is_some();
        let scopes: Vec<ScopeId> = self.ledger.space.scopes_of(owner).collect();
        for &scope in if looped { &scopes[..1] } else { &scopes[..] } {
            self.unclose(scope);
        }
        self.enter_body(owner, first, out);
    }

    fn unclose(&mut self, scope: ScopeId) {
        let work = &mut self.works[scope.index()];
        work.closed = false;
        work.gates.iter_mut().for_each(|gate| gate.missing -= 1);
    }

    fn tell_beginning(&mut self, instance: InstanceId, scope: ScopeId, out: &mut Out) {
        let s = &self.ledger.space.scopes()[scope];
        let items = s.list.as_ref().expect("whoever goes on with a run has its lists");
        let list = items.digest();
        out.event(match &self.graph.plan.nodes[self.ledger.space.place(instance).node].kind {
            NodeKind::Map(_) | NodeKind::Task(_) => Event::Listed { instance, len: s.len, list },
            NodeKind::Branch(branch) => {
                let case = taken(items.items()).and_then(|on| branch.case(on));
                let case = Arc::clone(&case.expect("a branch has the case that it takes").name);
                Event::Chosen { instance, case, list }
            }
            NodeKind::Loop(_) => Event::Iterated { instance, index: s.turn, list },
            NodeKind::Call(_) => Event::Called { instance, list },
        });
    }

    /// What is in a body begins; of a branch in the case that was taken, all else is skipped.
    fn enter_body(&mut self, owner: InstanceId, first: ScopeId, out: &mut Out) {
        let node = self.ledger.space.place(owner).node;
        if !matches!(self.graph.plan.nodes[node].kind, NodeKind::Branch(_)) {
            return self.enter(first, out);
        }
        let scopes: Vec<ScopeId> = self.ledger.space.scopes_of(owner).collect();
        let taken = self.ledger.space.scope_of(owner);
        for scope in scopes {
            if Some(scope) != taken {
                self.drop_scope(scope, State::Skipped, out);
            }
        }
        if let Some(taken) = taken {
            self.enter(taken, out);
        }
    }

    /// The items of a scope begin: null items are skipped, open gates opened.
    fn enter(&mut self, scope: ScopeId, out: &mut Out) {
        let slots = self.works[scope.index()].gates.len() as u32;
        let len = self.ledger.space.scopes()[scope].len;
        let nulls: Vec<u32> = (0..len).filter(|item| self.ledger.space.is_null(scope, *item)).collect();
        for slot in 0..slots {
            for item in &nulls {
                self.drop_waiting(self.ledger.space.at(scope, slot, *item), State::Skipped, out);
            }
        }
        for slot in 0..slots {
            self.open_gate(scope, slot, out);
        }
        if self.works[scope.index()].open == 0 {
            self.items_ended(scope, out);
        }
    }

    /// Counts what the instances of new scopes wait for, from this one on.
    fn furnish_from(&mut self, first: ScopeId) {
        for scope in first.index()..self.ledger.space.scopes().len() {
            self.furnish(ScopeId::from_index(scope), false);
        }
    }

    fn looped(&self, owner: InstanceId) -> Option<&Loop> {
        match &self.graph.plan.nodes[self.ledger.space.place(owner).node].kind {
            NodeKind::Loop(looped) => Some(looped),
            _ => None,
        }
    }

    /// All in a scope has ended, so what holds it ends; what names its results has them recorded first, and of a loop
    /// it is asked whether there is another iteration.
    pub(super) fn items_ended(&mut self, scope: ScopeId, out: &mut Out) {
        let Some(owner) = self.ledger.space.scopes()[scope].owner else { return };
        // Of a loop that goes on after a restore the later iterations may be cancelled while an earlier one is at work.
        if self.ledger.state(owner) != State::Running || self.works[scope.index()].closed {
            return;
        }
        let graph = Arc::clone(&self.graph);
        let node = self.ledger.space.place(owner).node;
        let kind = &graph.plan.nodes[node].kind;
        let scope = match kind {
            NodeKind::Branch(_) => {
                if self.ledger.space.scopes_of(owner).any(|case| self.works[case.index()].open > 0) {
                    return;
                }
                self.ledger.space.scope_of(owner).unwrap_or(scope)
            }
            _ => scope,
        };
        let end = self.end_of(scope, graph.info(node).ignores);
        if let NodeKind::Loop(looped) = kind {
            if end != MapEnd::Succeeded {
                self.drop_below(owner, State::Cancelled, out);
                return self.end_body(owner, end, out);
            }
            self.turning.insert(owner, scope);
            match self.ledger.space.scopes()[scope].next {
                Some(next) => self.iterate(owner, next, out),
                None => {
                    let values = self.collect_shared(&looped.turn_reads, scope, 0);
                    let index = self.ledger.space.scopes()[scope].turn;
                    out.effect(Effect::Turn { instance: owner, node, index, values });
                }
            }
            return;
        }
        let read = matches!(end, MapEnd::Succeeded | MapEnd::Ignored) || graph.info(node).counted;
        if !read || kind.results().0.is_empty() {
            return self.end_body(owner, end, out);
        }
        self.record(owner, scope, end, out);
    }

    /// Asks for the record of each item of a scope.
    fn record(&mut self, owner: InstanceId, scope: ScopeId, end: MapEnd, out: &mut Out) {
        let graph = Arc::clone(&self.graph);
        let node = self.ledger.space.place(owner).node;
        let reads = graph.plan.nodes[node].kind.results().2;
        self.recording.insert(owner, end);
        let items = 0..self.ledger.space.scopes()[scope].len;
        let rows = items.map(|item| {
            let bad = self.works[scope.index()].watch.as_ref().is_some_and(|watch| watch.items[item as usize] != 0);
            let null = bad || self.ledger.space.is_null(scope, item);
            (!null).then(|| self.collect_shared(reads, scope, item))
        });
        let rows = rows.collect();
        out.effect(Effect::Record { instance: owner, node, rows });
    }

    /// How what holds a scope ends, as far as that scope says.
    fn end_of(&mut self, scope: ScopeId, ignores: bool) -> MapEnd {
        let cancelled_alone = self.count_good(scope);
        let work = &self.works[scope.index()];
        let limit = work.watch.as_ref().and_then(|watch| Some((watch.hurt, watch.limit?)));
        match (limit, work.failed, work.cancelled) {
            (Some((hurt, limit)), ..) if hurt > limit && ignores => MapEnd::Ignored,
            (Some((hurt, limit)), ..) if hurt > limit => MapEnd::Failed,
            (Some(_), ..) if cancelled_alone => MapEnd::Cancelled,
            (Some(_), ..) => MapEnd::Succeeded,
            (None, true, _) => MapEnd::Failed,
            (None, false, true) => MapEnd::Cancelled,
            (None, false, false) => MapEnd::Succeeded,
        }
    }

    pub(super) fn recorded(&mut self, owner: InstanceId, answer: Result<Vec<Value>, Failure>, out: &mut Out) {
        if self.phase == Phase::Over {
            return;
        }
        let Some(end) = self.recording.remove(&owner) else { return };
        match answer {
            Ok(records) => {
                let records = match (self.records.remove(&owner), records.first()) {
                    // What the loop carries is there already.
                    (Some(Value::Map(carried)), Some(Value::Map(fields))) => {
                        Value::map(fields.iter().chain(carried.iter()).cloned().collect())
                    }
                    _ => Value::list(records),
                };
                self.records.insert(owner, records);
                self.end_body(owner, end, out);
            }
            Err(error) => {
                self.records.remove(&owner);
                // Its items are of no use to anybody now.
                if let Some(scope) = self.ledger.space.scope_of(owner)
                    && let Some(watch) = &mut self.works[scope.index()].watch
                {
                    watch.good = None;
                }
                self.refuse(owner, error, out);
            }
        }
    }

    /// What follows an iteration: another one, or the end of the loop.
    pub(super) fn turned(&mut self, owner: InstanceId, index: u32, answer: Result<Turn, Failure>, out: &mut Out) {
        // Of a run that stops, a later process asks again.
        if matches!(self.phase, Phase::Over | Phase::Stopping) {
            return;
        }
        let asked = self.turning.get(&owner).copied();
        let Some(scope) = asked.filter(|scope| self.ledger.space.scopes()[*scope].turn == index) else { return };
        let turn = match answer {
            Ok(turn) => turn,
            Err(error) => {
                self.turning.remove(&owner);
                return self.refuse(owner, error, out);
            }
        };
        let looped = self.looped(owner).expect("only a loop is asked");
        let (max, accepts, names_results) = (looped.max, looped.accept, !looped.results.fields.is_empty());
        let count = index + 1;
        let last = count >= max;
        if turn.done == Some(true) || last && (accepts || turn.done.is_none()) {
            let mut record = match turn.carry.items().first() {
                Some(Value::Map(carried)) => carried.to_vec(),
                _ => Vec::new(),
            };
            record.push((Loop::ITERATIONS.into(), Value::Int(count.into())));
            self.records.insert(owner, Value::map(record));
            self.turning.remove(&owner);
            if names_results {
                return self.record(owner, scope, MapEnd::Succeeded, out);
            }
            return self.end_body(owner, MapEnd::Succeeded, out);
        }
        if last {
            self.turning.remove(&owner);
            let message = format!("`until` is not true after {}", crate::base::text::count(count.into(), "iteration"));
            let help = "raise `max`, or write `on_max = \"accept\"` to go on with what the last iteration gave";
            return self.refuse(owner, refusal(message, Some(help)), out);
        }
        if self.phase == Phase::Failing {
            self.turning.remove(&owner);
            return self.end_body(owner, MapEnd::Cancelled, out);
        }
        match self.ledger.space.turn(owner, Some(turn.carry)) {
            Ok(next) => {
                self.ledger.furnish_from(next);
                self.furnish_from(next);
                self.iterate(owner, next, out);
            }
            Err(TooMany) => {
                self.turning.remove(&owner);
                let message = format!("after {count} iterations there are more instances than a run can number");
                self.refuse(owner, refusal(message, None), out);
            }
        }
    }

    /// The next iteration of a loop begins, or, after a restore, goes on.
    fn iterate(&mut self, owner: InstanceId, next: ScopeId, out: &mut Out) {
        match self.phase {
            Phase::Going => {
                self.turning.remove(&owner);
                if self.works[next.index()].closed {
                    self.unclose(next);
                }
                self.tell_beginning(owner, next, out);
                self.enter(next, out);
            }
            // All in it was cancelled.
            Phase::Failing => {
                self.turning.remove(&owner);
                self.end_body(owner, MapEnd::Cancelled, out);
            }
            Phase::Fresh { .. } | Phase::Stopping | Phase::Over => {}
        }
    }

    fn end_body(&mut self, owner: InstanceId, end: MapEnd, out: &mut Out) {
        out.event(Event::MapEnded { instance: owner, end });
        self.end(owner, end.state());
    }

    /// The scopes of an instance that have begun, and of which it waits for the end.
    pub(super) fn current(&self, owner: InstanceId) -> Vec<ScopeId> {
        let scopes = self.ledger.space.scopes_of(owner);
        match self.looped(owner) {
            Some(_) => scopes.filter(|scope| !self.works[scope.index()].closed).last().into_iter().collect(),
            None => scopes.collect(),
        }
    }
}

fn refusal(message: String, help: Option<&str>) -> Failure {
    Failure { cause: Cause::Prepare, message: message.into(), help: help.map(Into::into) }
}
