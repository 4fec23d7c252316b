//! Runs that have not reached their end: which one is continued, and how what they had finished is kept.

use crate::base::{Digest, NodeId};
use crate::driver::adopted::Handed;
use crate::driver::asked::{Asked, Place, stored_plan, wanted};
use crate::driver::journal::Journal;
use crate::driver::load::{Loaded, load_again, load_stored, never_run};
use crate::driver::rundir::RunDir;
use crate::driver::settings::{Error, Settings};
use crate::engine::{Capacities, Capacity, Engine, Items, Options};
use crate::event::Event;
use crate::plan::Plan;
use crate::port::{Entry, Made, Store};
use crate::sys;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The run that `resume` names, with the plan stored in it.
pub fn resumed(place: &Place, store: &mut dyn Store, settings: &Settings) -> Result<(Loaded, Asked, u64), Error> {
    let rows = store.runs(Some(&place.file), 1).map_err(Error::Store)?;
    let Some(run) = settings.resume.flatten().or_else(|| rows.first().map(|row| row.run)) else {
        return Err(never_run(&settings.pipeline));
    };
    if !place.home.run(run).is_dir() {
        let message = format!("there is no run {run} of `{}`", place.file);
        return Err(Error::Usage { message, help: Some("`flowrun runs` lists them".into()) });
    }
    let stored = RunDir::open(&place.home, run)?.read_plan()?;
    let asked: Asked = serde_json::from_value(stored.options.clone()).unwrap_or_default();
    let asked = Asked { select: stored.select.clone(), ..asked };
    let loaded = load_again(&stored, settings.params.profile.as_deref())?;
    Ok((loaded, asked, run))
}

/// The newest run of the file, if it was interrupted and is the same. What an interrupted run of another text or other
/// params had finished goes to the store, so that it is not lost.
pub fn interrupted(
    place: &Place,
    store: &mut dyn Store,
    loaded: &Loaded,
    asked: &Asked,
    note: &mut dyn FnMut(&str),
) -> Result<Option<u64>, Error> {
    let rows = store.runs(Some(&place.file), 1).map_err(Error::Store)?;
    let Some(row) = rows.first().filter(|row| row.ended.is_none()) else { return Ok(None) };
    if !place.home.run(row.run).join("journal").is_file() {
        return Ok(None);
    }
    if row.identity == stored_plan(loaded, asked).identity {
        return Ok(Some(row.run));
    }
    // It will not go on, and this process has its lock.
    let _ = store.release(row.run, None);
    let dir = RunDir::open(&place.home, row.run)?;
    if let Err(error) = salvage(&dir, store, row.run) {
        // It is there to be looked at; a new run must not fail for it.
        note(&format!("what run {} had finished could not be read: {error:#}", row.run));
    }
    Ok(None)
}

/// Opens an interrupted run to go on with it.
///
/// # Errors
/// A journal or a list that cannot be read, or that does not fit the plan.
pub fn reopen(
    place: &Place,
    run: u64,
    store: &mut dyn Store,
    plan: &Arc<Plan>,
    capacities: &Capacities,
    options: Options,
) -> Result<(RunDir, Journal, Engine, Handed), Error> {
    let dir = RunDir::open(&place.home, run)?;
    let mut history = History::default();
    let journal = dir.resume_journal(&mut |_, event, list| history.push(event, list))?;
    let engine = history.engine(plan.clone(), capacities.clone(), options)?;
    history.absorb(plan, &engine, store, (run, &dir)).map_err(Error::Store)?;
    let mut handed = Handed::default();
    history.events.iter().for_each(|event| handed.push(event));
    Ok((dir, journal, engine, handed))
}

/// Writes what a run had finished to the store: how many results it did not have.
pub fn salvage(dir: &RunDir, store: &mut dyn Store, run: u64) -> anyhow::Result<usize> {
    let stored = dir.read_plan()?;
    // A plan that this version refuses has nothing that a later run could take.
    let Ok(loaded) = load_stored(&stored) else { return Ok(0) };
    let plan = Arc::new(loaded.plan);
    let nothing = Capacity { cpus: 0, nodes: 1, memory: 0, gpus: Vec::new(), limits: Vec::new(), window: 1 };
    let mut history = History::default();
    dir.read_journal(0, &mut |_, event, list| history.push(event, list))?;
    let options = Options { wanted: wanted(&plan, &stored.select)?, ..Options::default() };
    let engine = history.engine(plan.clone(), nothing.into(), options)?;
    history.absorb(&plan, &engine, store, (run, dir))
}

/// What a journal tells.
#[derive(Default)]
struct History {
    events: Vec<Event>,
    lists: FxHashMap<Digest, Arc<Items>>,
}

impl History {
    fn push(&mut self, event: Event, list: Option<Arc<Items>>) {
        if let Some(list) = list {
            self.lists.insert(list.digest(), list);
        }
        self.events.push(event);
    }

    fn engine(&self, plan: Arc<Plan>, capacities: Capacities, options: Options) -> Result<Engine, Error> {
        let lists = |digest| self.lists.get(&digest).cloned();
        Engine::restore(plan, capacities, options, self.events.iter().cloned(), lists)
            .map_err(|error| Error::Store(anyhow::anyhow!("the journal of the run does not fit its plan: {error}")))
    }

    /// Results that did not reach the store, for their driver was killed before it wrote them, or the store was lost.
    fn absorb(
        &self,
        plan: &Plan,
        engine: &Engine,
        store: &mut dyn Store,
        (run, dir): (u64, &RunDir),
    ) -> anyhow::Result<usize> {
        // Whose the journal is, that user wrote it.
        let user = sys::owner(&dir.journal()).into();
        let (mut made, mut count) = (Made { run, user, ..Made::default() }, 0);
        let mut keys = FxHashMap::default();
        let mut ended: FxHashMap<NodeId, Vec<Entry>> = FxHashMap::default();
        for event in &self.events {
            match event {
                Event::Begun { by } | Event::Resumed { by } => {
                    // `flowrun 0.1.0, process 4711 on HOST`
                    let (program, host) = by.split_once(" on ").unwrap_or((by, ""));
                    let version = program.split([' ', ',']).nth(1).unwrap_or("");
                    (made.host, made.version) = (host.into(), version.into());
                }
                Event::Submitted { instance, attempt, key: Some(key), .. } => {
                    keys.insert((*instance, *attempt), *key);
                }
                Event::Ended { instance, attempt, outcome } if !outcome.doubtful => {
                    if let (Some(key), Ok(results)) = (keys.get(&(*instance, *attempt)), &outcome.result) {
                        let node = engine.place(*instance).node;
                        let usage = &outcome.usage;
                        ended.entry(node).or_default().push(Entry {
                            key: *key,
                            pipeline: plan.name.clone(),
                            node: plan.nodes[node].path.clone(),
                            instance: engine.name(*instance).into(),
                            fixed: Arc::default(),
                            own: Vec::new(),
                            results: results.clone(),
                            made: Made { at: usage.began, wall_us: usage.wall_us, ..made.clone() },
                        });
                    }
                }
                _ => {}
            }
        }
        for (node, mut entries) in ended {
            let asked: Vec<_> = entries.iter().map(|entry| (entry.key, entry.instance.clone())).collect();
            let known = store.lookup(&plan.name, &plan.nodes[node].path, &asked)?;
            let mut known = known.iter();
            entries.retain(|_| known.next().is_some_and(Option::is_none));
            if !entries.is_empty() {
                store.record(&entries)?;
                count += entries.len();
            }
        }
        Ok(count)
    }
}
