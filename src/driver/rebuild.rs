//! A store that was lost, or that is new to this project, gets what the journals of the project's runs know.

use crate::driver::asked::Place;
use crate::driver::earlier::salvage;
use crate::driver::history;
use crate::driver::rundir::RunDir;
use crate::driver::settings::Error;
use crate::port::status::Life;
use crate::port::{RunRow, Store};
use std::path::Path;

/// Writes results, and the runs themselves, to a store that knows no run of this project; whether there were any
/// results.
///
/// # Errors
/// When the store cannot be asked. A run that cannot be read is noted.
pub fn rebuild(place: &Place, store: &mut dyn Store, note: &mut dyn FnMut(&str)) -> Result<bool, Error> {
    if !store.runs(None, 1).map_err(Error::Store)?.is_empty() {
        return Ok(false);
    }
    let runs = place.home.runs()?;
    let mut taken = 0;
    for run in &runs {
        match RunDir::open(&place.home, *run).map_err(Into::into).and_then(|dir| salvage(&dir, store, *run)) {
            Ok(count) => taken += count,
            Err(error) => note(&format!("what run {run} had finished could not be read: {error:#}")),
        }
    }
    // Last: a store that knows a run is not looked at again.
    if !store.mixes_projects() {
        for run in &runs {
            index(place, store, *run).map_err(Error::Store)?;
        }
    }
    if taken > 0 {
        let results = crate::base::text::count(taken as u64, "result");
        note(&format!("the store knew no run of this project: {results} of earlier runs came from their journals"));
    }
    Ok(taken > 0)
}

/// The run's row, as its journal tells it. One that cannot be read is nobody's any more.
fn index(place: &Place, store: &mut dyn Store, run: u64) -> anyhow::Result<()> {
    let Ok(stored) = RunDir::open(&place.home, run).and_then(|dir| dir.read_plan()) else { return Ok(()) };
    let Ok(status) = history::status(&place.project.join(&place.file), Some(run), None) else { return Ok(()) };
    let file = stored
        .pipeline
        .as_str()
        .map_or(place.file.as_str(), |path| Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path));
    let mut row = RunRow {
        run,
        pipeline: stored.name.as_str().into(),
        file: file.into(),
        identity: stored.identity,
        began: status.began,
        ended: None,
        state: None,
        counts: Default::default(),
    };
    if store.begin_run(&row)? == run
        && let Life::Ended(state) = status.life
    {
        row = RunRow { ended: Some(status.last), state: Some(state), counts: status.counts, ..row };
        store.end_run(&row)?;
    }
    Ok(())
}
