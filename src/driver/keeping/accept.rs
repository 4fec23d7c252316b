//! `cache accept`: earlier results count under new keys, where only words of the file have changed.

use super::super::asked::Place;
use super::super::dry::rehearse;
use super::super::prepare::{Accepting, Dry};
use super::super::run::acquire;
use super::super::{Error, Settings};
use crate::base::InstanceId;
use crate::base::text::did_you_mean;
use crate::plan::Plan;
use crate::port::Access;
use crate::port::keeping::Accepted;
use std::sync::{Arc, PoisonError};

/// Blesses the earlier results of the nodes in `settings.select`; with `values` also where values and inputs differ.
///
/// # Errors
/// What keeps a run from beginning, and names that no node has.
pub fn accept(settings: &Settings, values: bool, dry: bool) -> Result<Accepted, Error> {
    let place = Place::of(&settings.pipeline)?;
    // A run at work may be making at this moment what would be accepted.
    let lock = if dry || !place.home.path().is_dir() { None } else { Some(acquire(&place, settings.wait, &mut [])?) };
    let access = if lock.is_some() { Access::Write } else { Access::Read };
    let accepting = |plan: &Plan| {
        let nodes = meant(plan, &settings.select)?;
        Ok(Some(Accepting { nodes, values, restore: !dry, ..Accepting::default() }))
    };
    let (workshop, engine, failures) = rehearse(settings, &[], Dry::Reasons, access, accepting)?;
    let Some(accepting) = &workshop.accepting else { return Ok(Accepted::default()) };
    let mut entries = std::mem::take(&mut *accepting.accepted.lock().unwrap_or_else(PoisonError::into_inner));
    let mut refused = std::mem::take(&mut *accepting.refused.lock().unwrap_or_else(PoisonError::into_inner));
    // Batches are prepared on many threads.
    let mut names: Vec<(InstanceId, String)> =
        (0..engine.ledger().space().instances()).map(InstanceId).map(|id| (id, engine.name(id))).collect();
    let mut unknown: Vec<Arc<str>> = Vec::new();
    for (id, name) in &names {
        let node = engine.place(*id).node;
        if !accepting.nodes[node.0 as usize] {
            continue;
        }
        let path = &workshop.plan.nodes[node].path;
        match failures.get(id) {
            Some(message) => refused.push((name.as_str().into(), message.to_string())),
            None if matches!(engine.state(*id), crate::engine::State::Waiting { .. }) && !unknown.contains(path) => {
                unknown.push(path.clone());
            }
            None => {}
        }
    }
    names.sort_by_key(|(id, _)| {
        let place = engine.place(*id);
        (place.node, place.scope, place.item)
    });
    let order: rustc_hash::FxHashMap<&str, usize> =
        names.iter().enumerate().map(|(at, (_, name))| (&**name, at)).collect();
    entries.sort_by_key(|(entry, _)| order.get(&*entry.instance));
    refused.sort_by_key(|(name, _)| order.get(&**name));
    if !dry && !entries.is_empty() {
        let rows: Vec<_> = entries.iter().map(|(entry, _)| entry.clone()).collect();
        workshop.store.lock().unwrap_or_else(PoisonError::into_inner).record(&rows).map_err(Error::Store)?;
    }
    if let Some(lock) = lock {
        lock.release();
    }
    Ok(Accepted { entries, refused, unknown, dry })
}

/// Of each node whether it is named, or lies in one that is.
fn meant(plan: &Plan, names: &[String]) -> Result<Vec<bool>, Error> {
    let mut meant = vec![false; plan.nodes.len()];
    for name in names {
        let below = format!("{name}.");
        let mut found = false;
        for (id, node) in plan.nodes.iter() {
            if *node.path == **name || node.path.starts_with(&below) {
                meant[id.0 as usize] = true;
                found = true;
            }
        }
        if !found {
            let help = did_you_mean(name, plan.nodes.iter().map(|(_, node)| &*node.path));
            return Err(Error::Usage { message: format!("there is no node `{name}`"), help });
        }
    }
    Ok(meant)
}
