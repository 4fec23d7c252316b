//! What worker threads do for a run: they look, evaluate and prepare, while the loop goes on.

use crate::base::{InstanceId, NodeId};
use crate::driver::begin;
use crate::driver::fetch::{Fetcher, Told};
use crate::driver::in_order::Number;
use crate::driver::lease;
use crate::driver::prepare::Workshop;
use crate::engine::{Input, Preparing, Values};
use crate::event::{Artifact, Produced};
use crate::plan::{NodeKind, Plan};
use crate::sys::Fault;
use crate::sys::meter::{self, Phase};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// What workers are asked.
pub enum Work {
    /// The list of a map, the case of a branch, the beginning of a loop or a call.
    List {
        instance: InstanceId,
        node: NodeId,
        values: Values,
    },
    Record {
        instance: InstanceId,
        node: NodeId,
        rows: Vec<Option<Values>>,
    },
    Turn {
        instance: InstanceId,
        node: NodeId,
        index: u32,
        values: Values,
    },
    Prepare {
        node: NodeId,
        batch: Vec<Preparing>,
        names: Vec<Arc<str>>,
    },
    /// Keep the bytes of results in the artifact folder.
    Keep(crate::event::Results),
}

/// What workers answer.
pub enum Answer {
    Input(Number, Input),
    /// One thread gives them, in the order of the questions.
    Leased(lease::Answers),
    /// Something that no instance is to blame for.
    Broken(anyhow::Error),
    Note(String),
    /// From threads that fetch inputs.
    Told(Told),
}

/// Carries out one piece of work.
pub fn answer(plan: &Plan, workshop: &Workshop, fetcher: &Arc<Fetcher>, number: Number, work: Work) -> Option<Answer> {
    let _planning = meter::span(Phase::Planning);
    match work {
        Work::List { instance, node, values } => {
            let answer = begin::begin(plan, &plan.nodes[node], &workshop.project, values);
            Some(Answer::Input(number, Input::Listed { instance, answer }))
        }
        Work::Record { instance, node, rows } => {
            let answer = begin::record(plan, &plan.nodes[node].kind, rows);
            Some(Answer::Input(number, Input::Recorded { instance, answer }))
        }
        Work::Turn { instance, node, index, values } => {
            let NodeKind::Loop(looped) = &plan.nodes[node].kind else { return None };
            let answer = begin::turn(plan, looped, values);
            Some(Answer::Input(number, Input::Turned { instance, index, answer }))
        }
        Work::Prepare { node, batch, names } => Some(match workshop.prepare(node, batch, &names) {
            Ok(answers) => Answer::Input(number, Input::Prepared(fetcher.first(workshop, answers))),
            Err(error) => Answer::Broken(error),
        }),
        Work::Keep(results) => keep(workshop, &results).err().map(|error| {
            let help = error.downcast_ref::<Fault>().and_then(|fault| fault.help.as_deref());
            Answer::Note(help.map_or_else(|| format!("{error:#}"), |help| format!("{error:#}; {help}")))
        }),
    }
}

/// Puts the bytes of file outputs into the artifact folder.
fn keep(workshop: &Workshop, results: &[Produced]) -> anyhow::Result<()> {
    let Some(artifacts) = &workshop.artifacts else { return Ok(()) };
    for produced in results {
        for Artifact { path, digest, dir, .. } in produced.artifacts() {
            let path = workshop.project.join(OsStr::from_bytes(path.as_bytes().unwrap_or_default()));
            artifacts.put(&path, &digest, dir)?;
        }
    }
    Ok(())
}
