//! What earlier runs had and did, from their journals.

use super::super::history::Past;
use super::super::rundir::Home;
use super::super::{Error, OpenStore};
use super::Keeper;
use crate::port::keeping::{SeenRun, Where};
use crate::port::status::Life;
use crate::port::{Access, Listed};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::sync::Arc;

/// What the runs that are kept know of the instances of the project's pipelines.
#[derive(Default)]
pub struct Reach {
    /// By pipeline and instance: when it last ended well or was taken from the cache; 0: never.
    instances: FxHashMap<(Arc<str>, Arc<str>), u64>,
    /// Pipelines of which a run cannot be read: all of them counts as reached.
    dark: Vec<Arc<str>>,
    /// A run of which not even the pipeline can be told.
    blind: bool,
}

impl Reach {
    /// Reads the journal of every run that has a folder.
    pub fn of(home: &Home) -> Result<Self, Error> {
        let mut reach = Self::default();
        for run in home.runs()? {
            match Past::read(home, run) {
                Ok(past) => {
                    let pipeline = past.pipeline();
                    for (instance, at) in past.instances() {
                        let last = reach.instances.entry((pipeline.clone(), instance)).or_insert(0);
                        *last = (*last).max(at);
                    }
                }
                Err(_) => match super::RunDir::open(home, run).and_then(|dir| dir.read_plan()) {
                    Ok(plan) => reach.dark.push(plan.name.into()),
                    Err(_) => reach.blind = true,
                },
            }
        }
        Ok(reach)
    }

    /// Whether a kept run has the entry's instance, or may have it.
    pub fn has(&self, entry: &Listed) -> bool {
        self.blind
            || self.dark.contains(&entry.pipeline)
            || self.instances.contains_key(&(entry.pipeline.clone(), entry.instance.clone()))
    }

    /// When an entry was last made or taken, milliseconds since the epoch.
    pub fn used(&self, entry: &Listed) -> u64 {
        // What a run took is the newest entry of its instance from then on.
        let taken = match entry.newer {
            0 => self.instances.get(&(entry.pipeline.clone(), entry.instance.clone())).copied().unwrap_or(0),
            _ => 0,
        };
        taken.max(entry.made.at)
    }
}

/// The newest runs of all projects of the store; what is at work is asked of its journal, where that can be read.
pub fn everywhere(place: &Where, open: &OpenStore, limit: u32) -> Result<Vec<SeenRun>, Error> {
    let mut keeper = Keeper::open(&Where { named: false, ..place.clone() }, open, Access::Read)?;
    let runs = keeper.store.all_runs(limit).map_err(Error::Store)?;
    let own = keeper.home.clone();
    let at_work = keeper.at_work()?;
    Ok(runs
        .into_iter()
        .map(|run| {
            if run.row.state.is_some() {
                let (life, counts) = (run.row.state.map(Life::Ended), Some(run.row.counts));
                return SeenRun { run, life, counts };
            }
            let homes = match run.project.is_empty() {
                true => vec![own.clone()],
                false => vec![Home::at(Path::new(&*run.project).join(".flowrun")), own.clone()],
            };
            let past = homes.iter().find_map(|home| Past::of_identity(home, run.row.run, &run.row.identity));
            let (life, counts) = match past {
                Some(past) => (Some(past.life()), Some(past.counts())),
                // Its journal is elsewhere, but it holds leases on what it computes.
                None if at_work.contains(&run.row.run) => {
                    (Some(Life::Live(format!("{} on host {}", run.user, run.host))), None)
                }
                None => (None, None),
            };
            SeenRun { run, life, counts }
        })
        .collect())
}
