//! What is known of a run once it is over: its outputs and its failures.

use crate::driver::asked::is_wanted;
use crate::driver::history::failure_item;
use crate::driver::rundir::RunDir;
use crate::driver::scene::refused;
use crate::driver::session::Closed;
use crate::driver::settings::{End, Ended, FailedKind, FailureItem};
use crate::driver::wrong::Wrong;
use crate::event::RunState;
use crate::lang::expr::{EvalError, Frame};
use crate::plan::{Plan, Shape};
use std::sync::Arc;

/// The pipeline's outputs, the failures with the ends of their logs, the counts.
pub fn conclude(plan: &Plan, wanted: &[bool], (run, dir): (u64, &RunDir), closed: &Closed, began: u64) -> Ended {
    let mut failures: Vec<FailureItem> =
        closed.engine.failures().map(|failed| failure_item(closed.engine.ledger(), &dir.logs(), failed)).collect();
    let mut outputs = Vec::new();
    let mut end = match closed.state {
        Some(state) => End::Finished(state),
        None if closed.cancelled => End::Cancelled,
        None => End::Stopped { signal: closed.signal.unwrap_or(2) },
    };
    if closed.state == Some(RunState::Succeeded) {
        let frame = Frame::new(&plan.output_names, closed.engine.outputs());
        for (name, shape) in &plan.outputs {
            if reads_unwanted(plan, wanted, shape) {
                continue;
            }
            match shape.eval(&frame) {
                Ok(value) => outputs.push((name.clone(), value)),
                Err(error) => {
                    end = End::Finished(RunState::Failed);
                    failures.push(output_failure(plan, name, error));
                }
            }
        }
    }
    let wall_ms = closed.last.saturating_sub(began);
    Ended { run, end, outputs, counts: *closed.engine.counts(), wall_ms, failures, by: None }
}

fn reads_unwanted(plan: &Plan, wanted: &[bool], shape: &Shape) -> bool {
    let unwanted = |name: &Arc<str>| {
        plan.nodes.iter().any(|(_, node)| node.body.0 == 0 && node.name == *name && !is_wanted(plan, wanted, node))
    };
    match shape {
        Shape::Plain(_) => false,
        Shape::Template(template) => template.reads().iter().any(|read| unwanted(&read.path[0])),
        Shape::List(items) => items.iter().any(|item| reads_unwanted(plan, wanted, item)),
        Shape::Map(entries) => entries.iter().any(|(_, item)| reads_unwanted(plan, wanted, item)),
    }
}

fn output_failure(plan: &Plan, name: &str, error: EvalError) -> FailureItem {
    let (message, span) = (error.message, error.span);
    let failure = Wrong { failure: refused(message, error.help), span: Some(span) }.said(&plan.sources);
    FailureItem {
        instance: format!("outputs.{name}").into(),
        kind: FailedKind::Output,
        attempt: 0,
        cause: failure.cause,
        message: failure.message,
        help: failure.help,
        ignored: false,
        tail: Vec::new(),
        has_log: false,
        usage: Default::default(),
        host: None,
    }
}
