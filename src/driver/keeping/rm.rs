//! `runs rm`: runs that go with all their folder holds, or only their logs.

use super::super::earlier::salvage;
use super::super::history::Past;
use super::super::rundir::RunDir;
use super::super::{Error, OpenStore};
use super::{Keeper, Locks, now};
use crate::base::text::count;
use crate::port::keeping::{GoneRun, RmAsk, RunsRemoved, Where};
use crate::port::{Access, RunRow};
use crate::sys::{At, durable};
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::Path;
use std::sync::Arc;

/// A run that could go.
struct Known {
    run: u64,
    file: Arc<str>,
    began: Option<u64>,
    /// When it ended, or when something last happened in it.
    last: u64,
    ended: bool,
    row: bool,
    bytes: u64,
}

/// Removes runs, or says which would go.
pub fn rm(place: &Where, open: &OpenStore, ask: &RmAsk) -> Result<RunsRemoved, Error> {
    let access = if ask.dry { Access::Read } else { Access::Write };
    let mut keeper = Keeper::open(&Where { named: false, ..place.clone() }, open, access)?;
    let locks = Locks::of(&keeper.home, !ask.dry)?;
    let done = remove(&mut keeper, &locks, place, ask);
    locks.release();
    done
}

fn remove(keeper: &mut Keeper, locks: &Locks, place: &Where, ask: &RmAsk) -> Result<RunsRemoved, Error> {
    let mut known = known(keeper, ask.logs)?;
    if place.named {
        let file = place.pipeline.file_name().unwrap_or_default().to_string_lossy();
        known.retain(|run| *run.file == *file || ask.runs.contains(&run.run));
    }
    let mut told = RunsRemoved { of: known.len() as u64, logs: ask.logs, dry: ask.dry, ..RunsRemoved::default() };
    for run in &ask.runs {
        if let Some(live) = locks.runs(*run) {
            return Err(Error::AtWork { run: live.words.clone() });
        }
        if !known.iter().any(|known| known.run == *run) {
            let message = format!("there is no run {run} here");
            return Err(Error::Usage { message, help: Some("`flowrun runs` lists them".to_owned()) });
        }
    }
    let chosen = chosen(&known, locks, ask, &mut told.notes);
    let mut salvaged = 0;
    let mut gone = Vec::new();
    for run in known.iter().filter(|run| chosen.contains(&run.run)) {
        let folder = keeper.home.run(run.run);
        if ask.logs {
            if !ask.dry {
                empty(&folder.join("logs"))?;
            }
        } else if !ask.dry {
            // What it had finished and could not write must not go with its journal.
            if !run.ended && folder.join("journal").is_file() {
                let dir = RunDir::open(&keeper.home, run.run)?;
                salvage(&dir, keeper.store.as_mut(), run.run).map_err(Error::Store)?;
                salvaged += 1;
            }
            vanish(&folder)?;
        }
        gone.push(run);
    }
    if !ask.logs && !ask.dry {
        let rows: Vec<u64> = gone.iter().filter(|run| run.row).map(|run| run.run).collect();
        if !rows.is_empty() {
            keeper.store.remove_runs(&rows).map_err(Error::Store)?;
        }
    }
    if salvaged > 0 {
        let runs = count(salvaged, "interrupted run");
        told.notes.push(format!("what {runs} had finished is in the cache"));
    }
    let shown = |run: &Known| GoneRun { run: run.run, file: run.file.clone(), began: run.began, bytes: run.bytes };
    told.runs = gone.into_iter().map(shown).collect();
    Ok(told)
}

/// All runs of the project, oldest first: those of the store and those that have a folder.
fn known(keeper: &mut Keeper, logs: bool) -> Result<Vec<Known>, Error> {
    let rows = keeper.store.runs(None, u32::MAX).map_err(Error::Store)?;
    let mut rows: FxHashMap<u64, RunRow> = rows.into_iter().map(|row| (row.run, row)).collect();
    let mut all = Vec::new();
    for run in keeper.home.runs()? {
        let row = rows.remove(&run);
        let folder = keeper.home.run(run);
        let past = Past::read(&keeper.home, run).ok();
        let times = past.as_ref().map(Past::times);
        let file = match &row {
            Some(row) => row.file.clone(),
            None => past.as_ref().map_or_else(|| "".into(), Past::file),
        };
        let ended = row.as_ref().and_then(|row| row.ended);
        let bytes = size_of(&if logs { folder.join("logs") } else { folder.clone() })?;
        all.push(Known {
            run,
            file,
            began: row.as_ref().map(|row| row.began).or(times.map(|(began, _)| began)),
            last: ended.or(times.map(|(_, last)| last)).unwrap_or_else(|| changed(&folder)),
            ended: ended.is_some(),
            row: row.is_some(),
            bytes,
        });
    }
    for (run, row) in rows.into_iter().filter(|_| !logs) {
        all.push(Known {
            run,
            file: row.file,
            began: Some(row.began),
            last: row.ended.unwrap_or(row.began),
            ended: true,
            row: true,
            bytes: 0,
        });
    }
    all.sort_unstable_by_key(|run| run.run);
    Ok(all)
}

/// The numbers of the runs that go. What a plain `run` would continue stays unless it is named.
fn chosen(known: &[Known], locks: &Locks, ask: &RmAsk, notes: &mut Vec<String>) -> FxHashSet<u64> {
    let mut chosen: FxHashSet<u64> = ask.runs.iter().copied().collect();
    if !ask.limits.any() {
        return chosen;
    }
    let limits = &ask.limits;
    let mut newer: FxHashMap<&str, u32> = FxHashMap::default();
    let mut free = Vec::new();
    for run in known.iter().rev() {
        let place = newer.entry(&run.file).or_insert(0);
        let place = std::mem::replace(place, *place + 1);
        if let Some(live) = locks.runs(run.run) {
            notes.push(format!("{}: it stays", live.words));
        } else if place == 0 && !run.ended && !ask.logs {
            notes.push(format!("run {} was interrupted and would be continued: it stays unless it is named", run.run));
        } else {
            free.push((run, place));
        }
    }
    let mut left: u64 = known.iter().filter(|run| !chosen.contains(&run.run)).map(|run| run.bytes).sum();
    // Oldest first, so that the size is met with the newest runs.
    free.sort_by_key(|(run, _)| (run.last, run.run));
    for (run, place) in free.into_iter().filter(|(run, _)| !ask.runs.contains(&run.run)) {
        let last = limits.keep_last.map(|n| place < n);
        let old = limits.older_than.is_some_and(|age| run.last < now().saturating_sub(age));
        let large = limits.max_size.is_some_and(|limit| left > limit);
        let others = limits.older_than.is_some() || limits.max_size.is_some();
        let goes = last != Some(true) && (old || large || (last == Some(false) && !others));
        if goes {
            left = left.saturating_sub(run.bytes);
            chosen.insert(run.run);
        }
    }
    chosen
}

/// Removes a folder at once for all who look: what is half-removed has a name that is no run's.
fn vanish(folder: &Path) -> Result<(), Error> {
    if folder.symlink_metadata().is_err() {
        return Ok(());
    }
    let gone = durable::temporary_beside(folder)?;
    durable::rename(folder, &gone)?;
    Ok(std::fs::remove_dir_all(&gone).at("remove", folder)?)
}

fn empty(folder: &Path) -> Result<(), Error> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.at("list", folder)?,
    };
    for entry in entries {
        let path = entry.at("list", folder)?.path();
        match path.is_dir() && !path.is_symlink() {
            true => std::fs::remove_dir_all(&path).at("remove", &path)?,
            false => std::fs::remove_file(&path).at("remove", &path)?,
        }
    }
    Ok(())
}

/// Bytes of all files below a folder.
fn size_of(folder: &Path) -> Result<u64, Error> {
    let (mut todo, mut bytes) = (vec![folder.to_owned()], 0);
    while let Some(path) = todo.pop() {
        let meta = match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            meta => meta.at("look at", &path)?,
        };
        if meta.is_dir() {
            for entry in std::fs::read_dir(&path).at("list", &path)? {
                todo.push(entry.at("list", &path)?.path());
            }
        } else {
            bytes += meta.len();
        }
    }
    Ok(bytes)
}

/// When a folder last changed, milliseconds since the epoch.
fn changed(folder: &Path) -> u64 {
    let changed = folder.symlink_metadata().and_then(|meta| meta.modified()).ok();
    let since = changed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
