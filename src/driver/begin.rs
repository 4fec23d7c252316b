//! How nodes that hold others begin, and what follows an iteration of a loop: the case of a branch, what a loop
//! carries, the params of a call. The list of a map is made in `list`.

use crate::base::{Value, text};
use crate::driver::list;
use crate::driver::scene::boolean;
use crate::driver::wrong::Wrong;
use crate::engine::{Items, ListAnswer, Turn, Values};
use crate::event::Failure;
use crate::lang::expr::{Frame, Names};
use crate::plan::{Branch, Call, Loop, Node, NodeKind, Plan, Shape, accept};
use std::path::Path;
use std::sync::Arc;

/// Answers `Effect::List` for any node that holds others. `values` are those of its reads.
pub fn begin(plan: &Plan, node: &Node, project: &Path, values: Values) -> ListAnswer {
    let item = match &node.kind {
        NodeKind::Map(map) => return list::list(plan, node, map, project, values),
        NodeKind::Branch(branch) => when(node, &branch.names, values, |frame| case(branch, frame)),
        NodeKind::Loop(looped) => when(node, &looped.names, values, |frame| first(looped, frame)),
        NodeKind::Call(call) => when(node, &call.names, values, |frame| params(call, frame)),
        NodeKind::Task(_) => Err(Wrong::new("a task has no list".to_owned(), None)),
    };
    match item {
        Ok(Some(item)) => ListAnswer::Items(one(item)),
        Ok(None) => ListAnswer::Skip,
        Err(wrong) => ListAnswer::Failed(wrong.said(&plan.sources)),
    }
}

/// The only item of what is executed once.
fn one(item: Value) -> Arc<Items> {
    Arc::new(Items::new(vec![item], Vec::new()))
}

/// The item, if the node's `when` lets it.
fn when(
    node: &Node,
    names: &Arc<Names>,
    values: Values,
    item: impl FnOnce(&Frame) -> Result<Value, Wrong>,
) -> Result<Option<Value>, Wrong> {
    let frame = Frame::new(names, values);
    match &node.when {
        Some(when) if !boolean(when, &frame, "when")? => Ok(None),
        _ => item(&frame).map(Some),
    }
}

/// The text that `on` gives, for which there is a case.
fn case(branch: &Branch, frame: &Frame) -> Result<Value, Wrong> {
    let on = branch.on.eval_text(frame).map_err(|error| Wrong::of("on", error))?;
    let on = String::from_utf8_lossy(&on).into_owned();
    if branch.case(&on).is_some() {
        return Ok(Value::str(on));
    }
    let cases = text::and(branch.cases.iter().map(|case| &*case.name));
    let message = format!("`on` is {}, and the cases are {cases}", text::quote(&on));
    Err(Wrong::new(message, Some("add a case for it, or a `default`")).at(&branch.on))
}

fn evaluated(place: &str, shape: &Shape, frame: &Frame) -> Result<Value, Wrong> {
    shape.eval(frame).map_err(|error| Wrong::of(place, error))
}

/// What a loop carries into its first iteration.
fn first(looped: &Loop, frame: &Frame) -> Result<Value, Wrong> {
    let init = looped.carry.iter().map(|carry| {
        let value = evaluated(&format!("carry.{}.init", carry.name), &carry.init, frame)?;
        Ok((carry.name.clone(), value))
    });
    Ok(Value::map(init.collect::<Result<_, Wrong>>()?))
}

/// What a call gives to the params of the called file, each as declared there.
fn params(call: &Call, frame: &Frame) -> Result<Value, Wrong> {
    let given = call.params.iter().map(|argument| {
        let name = &argument.param.name.value;
        let value = evaluated(&format!("params.{name}"), &argument.value, frame)?;
        let value = accept(&argument.param, &value).map_err(|wrong| {
            Wrong::new(format!("{}: {}", call.file, wrong.message), wrong.help.as_deref()).at_shape(&argument.value)
        })?;
        Ok((name.clone(), value))
    });
    Ok(Value::map(given.collect::<Result<_, Wrong>>()?))
}

/// Answers `Effect::Turn`: what a loop carries on, and whether it is done. `values` are those of its `turn_reads`.
pub fn turn(plan: &Plan, looped: &Loop, values: Values) -> Result<Turn, Failure> {
    let frame = Frame::new(&looped.turn_names, values);
    let turn = || {
        let next = looped.carry.iter().map(|carry| {
            let value = evaluated(&format!("carry.{}.next", carry.name), &carry.next, &frame)?;
            Ok((carry.name.clone(), value))
        });
        let carry = one(Value::map(next.collect::<Result<_, Wrong>>()?));
        let done = looped.until.as_ref().map(|until| boolean(until, &frame, "until")).transpose()?;
        Ok(Turn { carry, done })
    };
    turn().map_err(|wrong: Wrong| wrong.said(&plan.sources))
}

/// Answers `Effect::Record`: the record of each item of a node that names its results; null for a null item.
pub fn record(plan: &Plan, kind: &NodeKind, rows: Vec<Option<Values>>) -> Result<Vec<Value>, Failure> {
    let (fields, names, _) = kind.results();
    let one = |row: Option<Values>| {
        let Some(values) = row else { return Ok(Value::Null) };
        let frame = Frame::new(names, values);
        let field = |(name, shape): &(Arc<str>, Shape)| {
            let value = evaluated(&format!("outputs.{name}"), shape, &frame);
            Ok((name.clone(), value.map_err(|wrong| wrong.said(&plan.sources))?))
        };
        Ok(Value::map(fields.iter().map(field).collect::<Result<_, Failure>>()?))
    };
    rows.into_iter().map(one).collect()
}
