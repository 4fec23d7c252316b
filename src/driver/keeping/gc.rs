//! `cache gc`: what of the cache goes, by age, number and reach, and what of the artifacts goes with it.
//!
//! Entries go first, then the bytes that nobody refers to any more: no entry of any project of this store, and no list of
//! another user of the artifact folder (`store::artifacts`), so that other stores need not be opened. A run at work keeps
//! everything of its pipeline; what it puts is on a list of its own until it has ended. Entries that another project of
//! the store made are that project's to remove.

use super::super::{Error, OpenStore};
use super::look::made_elsewhere;
use super::past::Reach;
use super::{Keeper, Locks, now};
use crate::base::Digest;
use crate::base::text::{self, count, quote};
use crate::event::Produced;
use crate::port::keeping::{Because, Collected, GcAsk, Where};
use crate::port::{Access, Listed};
use crate::store::artifacts::{Object, Sweep};
use crate::sys::{Fault, FaultKind};
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::Duration;

/// In a folder that others use, perhaps over a network, what was put so lately stays.
const GRACE: Duration = Duration::from_secs(600);

/// Removes what may go, or says what would.
pub fn gc(place: &Where, open: &OpenStore, ask: &GcAsk) -> Result<Collected, Error> {
    let access = if ask.dry { Access::Read } else { Access::Write };
    let mut keeper = Keeper::open(place, open, access)?;
    let mut locks = Locks::of(&keeper.home, !ask.dry)?;
    locks.live.extend(keeper.live_elsewhere()?);
    let done = collect(&mut keeper, &locks, place.artifacts.is_some(), ask);
    locks.release();
    done
}

fn collect(keeper: &mut Keeper, locks: &Locks, named: bool, ask: &GcAsk) -> Result<Collected, Error> {
    let reach = Reach::of(&keeper.home)?;
    let mut entries = Vec::new();
    keeper.store.list(&mut |entry| entries.push(entry)).map_err(Error::Store)?;
    let mut told = Collected { of_entries: entries.len() as u64, dry: ask.dry, ..Collected::default() };
    for live in &locks.live {
        let kept = match &live.pipeline {
            Some(name) => format!("what {} has is kept", quote(name)),
            None => "everything is kept".to_owned(),
        };
        told.notes.push(format!("{}: {kept}", live.words));
    }
    let others = if ask.unreachable { pipelines_of_others(keeper)? } else { FxHashSet::default() };
    let elsewhere = made_elsewhere(keeper)?;
    let may_go = |entry: &Listed| {
        let own = keeper.is_meant(&entry.pipeline) && !elsewhere.contains(&entry.made.run);
        own && locks.needs(&entry.pipeline).is_none()
    };
    let mut gone = vec![None; entries.len()];
    for (entry, gone) in entries.iter().zip(&mut gone) {
        if may_go(entry) {
            let reached = !ask.unreachable || others.contains(&*entry.pipeline) || reach.has(entry);
            *gone = verdict(ask, entry, reach.used(entry), reached);
        }
    }

    let objects = keeper.artifacts.list()?;
    told.of_objects = objects.len() as u64;
    let grace = if named { GRACE } else { Duration::ZERO };
    let evicted = match ask.limits.max_size {
        Some(limit) if !objects.is_empty() => {
            let before = keeper.artifacts.now()?.saturating_sub(millis(grace));
            let room = Room { keeper, limit, before, objects: &objects, reach: &reach };
            room.evict(&may_go, &entries, &mut gone)?
        }
        _ => FxHashSet::default(),
    };
    let leaving = Leaving::new(&entries, &gone, evicted);
    told.entries = entries.into_iter().zip(gone).filter_map(|(entry, gone)| Some((entry, gone?))).collect();
    if !ask.dry && !told.entries.is_empty() {
        let entries: Vec<Listed> = told.entries.iter().map(|(entry, _)| entry.clone()).collect();
        keeper.store.remove(&entries).map_err(Error::Store)?;
    }
    sweep(keeper, locks, grace, ask, &leaving, &objects, &mut told)?;
    Ok(told)
}

/// Whether an entry goes by itself.
fn verdict(ask: &GcAsk, entry: &Listed, used: u64, reached: bool) -> Option<Because> {
    let limits = &ask.limits;
    if !reached {
        return Some(Because::Unreachable);
    }
    let last = limits.keep_last.map(|n| entry.newer < n);
    match (last, limits.older_than) {
        (Some(true), _) => None,
        (_, Some(age)) if used < now().saturating_sub(age) => Some(Because::Old),
        (Some(false), None) => Some(Because::Superseded),
        _ => None,
    }
}

/// In a store that mixes projects the journals of the others are elsewhere: what may be theirs is reached.
fn pipelines_of_others(keeper: &mut Keeper) -> Result<FxHashSet<String>, Error> {
    if !keeper.store.mixes_projects() {
        return Ok(FxHashSet::default());
    }
    Ok(keeper.runs_elsewhere()?.into_iter().map(|run| run.row.pipeline.to_string()).collect())
}

/// The room that objects may take.
struct Room<'a> {
    keeper: &'a Keeper,
    limit: u64,
    /// What was put later stays; by the clock of the folder.
    before: u64,
    objects: &'a [Object],
    reach: &'a Reach,
}

impl Room<'_> {
    /// The outputs whose bytes go so that the rest fits: those of the entries that were used longest ago. An entry whose
    /// outputs do not stand in the project either goes with them.
    fn evict(
        &self,
        may_go: &dyn Fn(&Listed) -> bool,
        entries: &[Listed],
        gone: &mut [Option<Because>],
    ) -> Result<FxHashSet<Digest>, Error> {
        let mut evicted = FxHashSet::default();
        let mut sizes: FxHashMap<Digest, u64> = FxHashMap::default();
        self.objects.iter().for_each(|object| *sizes.entry(object.digest).or_insert(0) += object.size);
        let young: FxHashSet<Digest> =
            self.objects.iter().filter(|object| object.put > self.before).map(|object| object.digest).collect();
        // Of each output that stays when it was last used; `None`: its bytes may not go.
        let mut used: FxHashMap<Digest, Option<u64>> = FxHashMap::default();
        let mut in_place = FxHashSet::default();
        for (entry, _) in entries.iter().zip(gone.iter()).filter(|(_, gone)| gone.is_none()) {
            let at = self.reach.used(entry);
            let free = may_go(entry);
            for digest in outputs(entry) {
                let last = used.entry(digest).or_insert(Some(0));
                *last = last.filter(|_| free).map(|last| last.max(at));
                if entry.newer == 0 {
                    in_place.insert((entry.instance.clone(), digest));
                }
            }
        }
        let mut by_age = Vec::new();
        let mut holders: FxHashMap<Digest, u32> = FxHashMap::default();
        for (digest, at) in used {
            let mut parts = FxHashSet::default();
            self.keeper.artifacts.add_files_of(&[digest], &mut parts)?;
            parts.insert(digest);
            let parts: Vec<Digest> = parts.into_iter().filter(|part| sizes.contains_key(part)).collect();
            parts.iter().for_each(|part| *holders.entry(*part).or_insert(0) += 1);
            let stays = parts.is_empty() || parts.iter().any(|part| young.contains(part));
            by_age.push((at.filter(|_| !stays), digest, parts));
        }
        by_age.sort_by_key(|(at, digest, _)| (*at, digest.0));
        let mut total: u64 = holders.keys().map(|digest| sizes[digest]).sum();
        for (_, digest, parts) in by_age.into_iter().filter(|(at, ..)| at.is_some()) {
            if total <= self.limit {
                break;
            }
            evicted.insert(digest);
            for part in parts {
                let holders = holders.entry(part).or_insert(1);
                *holders -= 1;
                if *holders == 0 {
                    total -= sizes[&part];
                }
            }
        }
        for (entry, gone) in entries.iter().zip(gone.iter_mut()).filter(|(entry, _)| entry.newer > 0) {
            let nowhere = |digest| evicted.contains(&digest) && !in_place.contains(&(entry.instance.clone(), digest));
            if gone.is_none() && outputs(entry).any(nowhere) {
                *gone = Some(Because::Evicted);
            }
        }
        Ok(evicted)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Removes the bytes that nobody refers to.
fn sweep(
    keeper: &mut Keeper,
    locks: &Locks,
    grace: Duration,
    ask: &GcAsk,
    leaving: &Leaving,
    objects: &[Object],
    told: &mut Collected,
) -> Result<(), Error> {
    let open = keeper.open_runs()?;
    let Keeper { store, artifacts, .. } = keeper;
    let mut referenced = || {
        let mut counts: FxHashMap<Digest, u32> = FxHashMap::default();
        store.digests(&mut |digest| *counts.entry(digest).or_insert(0) += 1).map_err(as_fault)?;
        if ask.dry {
            for digest in &leaving.outputs {
                counts.entry(*digest).and_modify(|n| *n = n.saturating_sub(1));
            }
        }
        let mut live: FxHashSet<Digest> =
            counts.into_iter().filter(|(_, n)| *n > 0).map(|(digest, _)| digest).collect();
        live.retain(|digest| !leaving.evicted.contains(digest));
        Ok(live)
    };
    let ended = |run: u64| !open.contains(&run) && locks.runs(run).is_none();
    let sweep = Sweep { grace, idle: ask.idle.map(Duration::from_millis), ended: &ended, dry: ask.dry };
    let swept = artifacts.sweep(&sweep, &mut referenced)?;
    let going: FxHashSet<(Digest, bool)> = swept.objects.iter().map(|object| (object.digest, object.dir)).collect();
    let stay = objects.iter().filter(|object| !going.contains(&(object.digest, object.dir)));
    (told.objects, told.leftovers, told.bytes) = (swept.objects.len() as u64, swept.leftovers, swept.bytes);
    told.left = stay.map(|object| object.size).sum();
    told.foreign = swept.foreign;
    told.others = swept.others.into_iter().map(|other| (other.name, other.used)).collect();
    told.idle = swept.idle.into_iter().map(|other| (other.name, other.used)).collect();
    if swept.young > 0 {
        let (was, stays) = if swept.young == 1 { ("was", "stays") } else { ("were", "stay") };
        told.notes.push(format!(
            "{} that nobody refers to {was} put in the last {} minutes, and {stays} for now",
            count(swept.young, "object"),
            grace.as_secs() / 60
        ));
    }
    if ask.limits.max_size.is_some_and(|limit| told.left > limit) {
        let why = "they are of a run at work, too new, or of others";
        told.notes.push(format!("{} of objects stay: {why}", text::size(told.left)));
    }
    Ok(())
}

fn as_fault(error: anyhow::Error) -> Fault {
    error.downcast().unwrap_or_else(|error| Fault::new(FaultKind::Other, format!("{error:#}")))
}

/// What goes with the entries that go.
struct Leaving {
    /// The outputs of keys that no entry of the project has any more, once for each key.
    outputs: Vec<Digest>,
    /// Outputs that stay in their entries, and whose bytes go.
    evicted: FxHashSet<Digest>,
}

impl Leaving {
    fn new(entries: &[Listed], gone: &[Option<Because>], evicted: FxHashSet<Digest>) -> Self {
        let both = || entries.iter().zip(gone);
        let mut keys: FxHashSet<Digest> =
            both().filter(|(_, gone)| gone.is_none()).map(|(entry, _)| entry.key).collect();
        let mut outputs_of_gone = Vec::new();
        for (entry, _) in both().filter(|(_, gone)| gone.is_some()) {
            if keys.insert(entry.key) {
                outputs_of_gone.extend(outputs(entry));
            }
        }
        Self { outputs: outputs_of_gone, evicted }
    }
}

/// The files and folders that an entry has as results.
fn outputs(entry: &Listed) -> impl Iterator<Item = Digest> + '_ {
    entry.results.iter().flat_map(Produced::artifacts).map(|artifact| artifact.digest)
}
