//! Looking after what is kept: the cache, its artifacts, the runs and their logs. Nothing here is done by a run.
//!
//! What goes is decided from three sources: the entries of the store, the journals of the runs that are kept (they say
//! which instances there were, and when a result was last taken), and the locks (they say which runs are at work).

mod accept;
mod gc;
mod look;
mod past;
mod rm;

pub use accept::accept;
pub use gc::gc;
pub use look::{list, show, verify};
pub use past::everywhere;
pub use rm::rm;

use super::history::Past;
use super::kept;
use super::load::load;
use super::rundir::{Home, RunDir};
use super::{Error, OpenStore, Params, now};
use crate::base::text::quote;
use crate::port::keeping::Where;
use crate::port::status::Life;
use crate::port::{Access, AnyRun, Lease, Store};
use crate::store::artifacts::Artifacts;
use crate::sys::At;
use crate::sys::lock::{self, Lock, NoLock, Who};
use rustc_hash::FxHashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A project's state, opened to look after it.
struct Keeper {
    home: Home,
    /// The project's folder, absolute.
    project: PathBuf,
    store: Box<dyn Store>,
    artifacts: Artifacts,
    /// Only entries of the pipeline of this name are meant.
    pipeline: Option<Arc<str>>,
}

impl Keeper {
    fn open(place: &Where, open: &OpenStore, access: Access) -> Result<Self, Error> {
        let folder = place.pipeline.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let project = folder.canonicalize().at("find the folder", folder)?;
        // A pipeline that was named must be right, for it says under which name its results are.
        let pipeline = match place.named {
            true => Some(load(&place.pipeline, &Params::default(), false)?.plan.name),
            false => None,
        };
        let home = Home::beside(&place.pipeline);
        // A store is not made just to be looked after.
        let access = if home.path().is_dir() { access } else { Access::Read };
        let store = open(home.path(), access).map_err(Error::Store)?;
        let artifacts = kept::artifacts(&home, place.artifacts.as_deref());
        let artifacts = match kept::user(&home, store.as_ref(), access == Access::Write)? {
            Some(user) => artifacts.used_by(user, 0),
            None => artifacts,
        };
        Ok(Self { home, project, store, artifacts, pipeline })
    }

    /// The runs of the project that have not ended, so that not all of what they did need be in the store.
    fn open_runs(&mut self) -> Result<FxHashSet<u64>, Error> {
        let rows = self.store.runs(None, u32::MAX).map_err(Error::Store)?;
        let ended: FxHashSet<u64> = rows.iter().filter(|row| row.state.is_some()).map(|row| row.run).collect();
        let with_row = rows.iter().map(|row| row.run);
        Ok(with_row.chain(self.home.runs()?).filter(|run| !ended.contains(run)).collect())
    }

    /// The runs of other projects. One that has moved has earlier runs under another path: whose folder is here is its
    /// own.
    fn runs_elsewhere(&mut self) -> Result<Vec<AnyRun>, Error> {
        let own = self.project.to_string_lossy().into_owned();
        let here: FxHashSet<u64> = self.home.runs()?.into_iter().collect();
        let runs = self.store.all_runs(u32::MAX).map_err(Error::Store)?;
        let elsewhere = |run: &AnyRun| !run.project.is_empty() && *run.project != *own && !here.contains(&run.row.run);
        Ok(runs.into_iter().filter(elsewhere).collect())
    }

    /// Runs of any project that compute something now, as far as the store can tell.
    fn at_work(&mut self) -> Result<FxHashSet<u64>, Error> {
        let leases = self.store.leases().map_err(Error::Store)?;
        Ok(leases
            .into_iter()
            .filter_map(|(_, lease)| if let Lease::Held { run, .. } = lease { Some(run) } else { None })
            .collect())
    }

    /// Runs of other projects of the store that are at work, or may be: of what cannot be looked at from here nobody
    /// knows, for a while.
    fn live_elsewhere(&mut self) -> Result<Vec<Live>, Error> {
        let at_work = self.at_work()?;
        let mut live = Vec::new();
        for run in self.runs_elsewhere()?.into_iter().filter(|run| run.row.state.is_none()) {
            let home = Home::at(Path::new(&*run.project).join(".flowrun"));
            let who = format!("run {} of {} on host {}", run.row.run, quote(&run.user), run.host);
            let words = match Past::of_identity(&home, run.row.run, &run.row.identity) {
                Some(past) if matches!(past.life(), Life::Live(_) | Life::Due(_)) => format!("{who} is at work"),
                None if at_work.contains(&run.row.run) => format!("{who} is at work"),
                None if run.row.began > now().saturating_sub(UNKNOWN_MS) => format!("{who} may be at work"),
                _ => continue,
            };
            live.push(Live { run: None, pipeline: Some(run.row.pipeline), words });
        }
        Ok(live)
    }

    fn is_meant(&self, pipeline: &str) -> bool {
        self.pipeline.as_deref().is_none_or(|name| name == pipeline)
    }
}

/// A run that has no end in the store and that nobody here can look at counts as being at work for so long: a week.
const UNKNOWN_MS: u64 = 7 * 24 * 3600 * 1000;

/// A run that is at work.
struct Live {
    /// Its number, once it has one, if it is one of this project.
    run: Option<u64>,
    /// The pipeline's name; `None`: not known, so it may be any.
    pipeline: Option<Arc<str>>,
    /// For people.
    words: String,
}

/// The locks of a project: those that were free are held as long as this lives, so that no run begins meanwhile.
struct Locks {
    _held: Vec<Lock>,
    live: Vec<Live>,
}

impl Locks {
    /// Looks at every pipeline's lock, and takes the free ones with `take`.
    fn of(home: &Home, take: bool) -> Result<Self, Error> {
        let folder = home.path().join("locks");
        let mut locks = Self { _held: Vec::new(), live: Vec::new() };
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(locks),
            entries => entries.at("list", &folder)?,
        };
        for entry in entries {
            let path = entry.at("list", &folder)?.path();
            if path.extension().is_none_or(|ending| ending != "lock") {
                continue;
            }
            let who = match take {
                false => lock::holder(&path),
                true => match Lock::acquire(&path, Who::me(now())) {
                    Ok(lock) => {
                        locks._held.push(lock);
                        None
                    }
                    Err(NoLock::Held(held)) => match held.by {
                        Some(who) => Some(who),
                        None => return Err(Error::Held { by: held.to_string() }),
                    },
                    Err(NoLock::Fault(fault)) => return Err(fault.into()),
                },
            };
            if let Some(who) = who {
                let plan = who.run.and_then(|run| RunDir::open(home, run).ok()?.read_plan().ok());
                let number = who.run.map_or_else(|| "a run".to_owned(), |run| format!("run {run}"));
                let words = format!("{number} of process {} on host {} is at work", who.pid, who.host);
                let pipeline = plan.map(|plan| plan.name.into());
                locks.live.push(Live { run: who.run, pipeline, words });
            }
        }
        Ok(locks)
    }

    /// The run at work that may need what is this pipeline's.
    fn needs(&self, pipeline: &str) -> Option<&Live> {
        self.live.iter().find(|live| live.pipeline.as_deref().is_none_or(|name| name == pipeline))
    }

    /// Whether this run is at work.
    fn runs(&self, run: u64) -> Option<&Live> {
        self.live.iter().find(|live| live.run == Some(run))
    }

    /// Gives the locks back, also in processes that inherited them.
    fn release(self) {
        for lock in self._held {
            lock.release();
        }
    }
}
