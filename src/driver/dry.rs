//! `plan` and `explain`: what a run would do and why. The same engine and the same `prepare` as a run, but whatever
//! would start does not, and nothing is written.

use crate::base::InstanceId;
use crate::base::text::{count, quote};
use crate::driver::asked::{Asked, Place, forced, memo_over, named, wanted};
use crate::driver::begin;
use crate::driver::container::Engines;
use crate::driver::early::{self, Lists};
use crate::driver::history::whys;
use crate::driver::kept;
use crate::driver::load::{Loaded, load, load_default};
use crate::driver::prepare::{Accepting, Dry, Workshop};
use crate::driver::settings::{Error, Forecast, Planned, Settings};
use crate::driver::told::Told;
use crate::engine::{Effect, Engine, Input, Options};
use crate::event::Event;
use crate::plan::{NodeKind, Plan};
use crate::port::submission::Submissions;
use crate::port::{Access, Job};
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What would run, and why; unless it is only `counted`, also what backends that gather instances would be given now.
///
/// # Errors
/// What keeps a run from beginning; what is wrong with one instance is told as its forecast.
pub fn plan(settings: Settings, counted: bool) -> Result<Forecast, Error> {
    let keep = if counted { Dry::Reasons } else { Dry::Jobs };
    let told = Told::of(rehearse(&settings, &settings.select, keep, Access::Read, |_| Ok(None))?)?;
    let counts = told.counts();
    let submissions = match told.handed() {
        None => None,
        Some(handed) => {
            let place = Place::of(&settings.pipeline)?;
            let run_dir = place.project.join(".flowrun/runs").join(place.home.next_run()?.to_string());
            let waiting = counts.run.saturating_sub(handed.len() as u64);
            Some(Submissions { waiting, ..settings.backends.preview(&run_dir, handed) })
        }
    };
    Ok(Forecast { counts, instances: Box::new(told), submissions })
}

/// The job of a task that says nothing of itself, with the defaults of the pipeline file and the profile.
///
/// # Errors
/// What is wrong with them.
pub fn default_job(settings: &Settings) -> Result<Option<Job>, Error> {
    let loaded = load_default(&settings.pipeline, settings.params.profile.as_deref())?;
    let (workshop, engine, _) = rehearse_loaded(settings, loaded, &[], Dry::Jobs, Access::Read, |_| Ok(None))?;
    let looked = (0..engine.ledger().space().instances()).find_map(|id| workshop.looked(InstanceId(id)));
    Ok(looked.and_then(|looked| looked.more?.job.clone()))
}

/// The same for the nodes and instances that are named, with what their keys are made of and where results come from.
///
/// # Errors
/// As [`plan`], and names that nothing has.
pub fn explain(settings: Settings) -> Result<Forecast, Error> {
    let told = Told::of(rehearse(&settings, &[], Dry::Components, Access::Read, |_| Ok(None))?)?;
    let named = |planned: &Planned, name: &str| {
        let below = |whole: &str| whole.strip_prefix(name).is_some_and(|rest| rest.starts_with(['[', '.']));
        *planned.name == *name || *planned.node == *name || below(&planned.name) || below(&planned.node)
    };
    let (mut instances, mut all) = (Vec::new(), 0);
    let mut unseen: Vec<&String> = settings.select.iter().collect();
    told.each(&mut |mut planned, looked| {
        all += 1;
        unseen.retain(|name| !named(&planned, name));
        if settings.select.is_empty() || settings.select.iter().any(|name| named(&planned, name)) {
            if let Some(more) = looked.and_then(|looked| looked.more) {
                planned.components = more.components.clone();
                planned.container = more.line.clone();
            }
            instances.push(planned);
        }
    });
    if let Some(name) = unseen.first() {
        let message = format!("there is no instance {} among the {}", quote(name), count(all, "instance"));
        return Err(Error::Usage { message, help: Some("`flowrun plan` lists them".to_owned()) });
    }
    told.origins(&mut instances)?;
    let home = Place::of(&settings.pipeline)?.home;
    let mut runs: FxHashMap<u64, FxHashMap<Arc<str>, Arc<str>>> = FxHashMap::default();
    for planned in &mut instances {
        planned.why = planned.made.as_ref().and_then(|made| {
            let whys = runs.entry(made.run).or_insert_with(|| whys(&home, made.run));
            whys.get(&planned.name).cloned()
        });
    }
    Ok(Forecast { counts: told.counts(), instances: Box::new(instances), submissions: None })
}

/// Does everything that a run would do up to the first thing that would have to run.
///
/// # Errors
/// What keeps a run from beginning.
pub(super) fn rehearse(
    settings: &Settings,
    select: &[String],
    keep: Dry,
    access: Access,
    accepting: impl FnOnce(&Plan) -> Result<Option<Accepting>, Error>,
) -> Result<(Workshop, Engine, Failures), Error> {
    let loaded = load(&settings.pipeline, &settings.params, true)?;
    rehearse_loaded(settings, loaded, select, keep, access, accepting)
}

fn rehearse_loaded(
    settings: &Settings,
    loaded: Loaded,
    select: &[String],
    keep: Dry,
    access: Access,
    accepting: impl FnOnce(&Plan) -> Result<Option<Accepting>, Error>,
) -> Result<(Workshop, Engine, Failures), Error> {
    let place = Place::of(&settings.pipeline)?;
    let plan = Arc::new(loaded.plan);
    let wanted = wanted(&plan, select)?;
    let force = forced(&plan, &Asked::of(settings))?;
    let (assigned, unknown) = settings.backends.assign(&plan, &wanted)?;
    let keep = if keep == Dry::Jobs && !settings.backends.gather(&assigned) { Dry::Reasons } else { keep };
    let lists = early::look(&plan, &wanted, &place.project, &assigned, true);
    let lists = early::with(lists, unknown);
    let engines = Engines::new(&place.project, settings.container_engine, settings.show.is_none());
    let lists = early::with(lists, engines.look(&plan, &wanted));
    let elsewhere = |task: &_| settings.backends.is_elsewhere(&assigned, task);
    let lists = early::with(lists, early::of_here(&plan, &wanted, elsewhere));
    let lists = lists.map_err(|list| Error::Diagnostics { list, sources: loaded.sources })?;
    let store = (settings.open_store)(place.home.path(), access).map_err(Error::Store)?;
    let store = Arc::new(Mutex::new(store));
    let artifacts = kept::artifacts(&place.home, settings.artifacts.as_deref());
    let mut workshop = Workshop::new(
        plan.clone(),
        place.project.clone(),
        (0, place.project.join(".flowrun/runs/0")),
        assigned,
        Arc::new(memo_over(&place.project, &store)),
        store.clone(),
        Some(Arc::new(artifacts)),
        force,
        Some(keep),
    );
    workshop.accepting = accepting(&plan)?;
    workshop.engines = engines;
    workshop.show = settings.show.clone();
    // For what would be submitted, everything stands in line at once; nothing ever starts.
    let rehearse = keep != Dry::Jobs;
    let capacities = workshop.assigned.capacities.clone().with_window(if rehearse { WINDOW } else { u32::MAX });
    let named = named(&plan, select)?;
    let mut engine =
        Engine::new(plan, capacities, Options { keep_going: true, wanted, named, rehearse, ..Options::default() });
    let failures = settle(&mut engine, &workshop, lists)?;
    Ok((workshop, engine, failures))
}

/// What could not be prepared, and why.
pub(super) type Failures = FxHashMap<InstanceId, Arc<str>>;

/// Instances of a node that are prepared at once: enough for all cores, few enough for anybody's memory.
const WINDOW: u32 = 16_000;

/// Lets the engine go on until it waits for something that would have to run.
pub(super) fn settle(engine: &mut Engine, workshop: &Workshop, mut lists: Lists) -> Result<Failures, Error> {
    let mut failures = FxHashMap::default();
    let mut inputs = vec![Input::Begin { by: "plan".into() }];
    while !inputs.is_empty() {
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        for input in inputs.drain(..) {
            engine.step(0, input, &mut events, &mut effects);
        }
        for event in events {
            if let Event::Refused { instance, error } = event {
                failures.insert(instance, error.message);
            }
        }
        let (prepares, others): (Vec<Effect>, Vec<Effect>) =
            effects.into_iter().partition(|effect| matches!(effect, Effect::Prepare { .. }));
        for effect in others {
            match effect {
                Effect::List { instance, node: id, values } => {
                    let node = &workshop.plan.nodes[id];
                    let make = || begin::begin(&workshop.plan, node, &workshop.project, values);
                    let answer = lists.remove(&id).unwrap_or_else(make);
                    inputs.push(Input::Listed { instance, answer });
                }
                Effect::Record { instance, node, rows } => {
                    let answer = begin::record(&workshop.plan, &workshop.plan.nodes[node].kind, rows);
                    inputs.push(Input::Recorded { instance, answer });
                }
                Effect::Turn { instance, node, index, values } => {
                    if let NodeKind::Loop(looped) = &workshop.plan.nodes[node].kind {
                        let answer = begin::turn(&workshop.plan, looped, values);
                        inputs.push(Input::Turned { instance, index, answer });
                    }
                }
                _ => {}
            }
        }
        inputs.extend(prepare(engine, workshop, prepares)?);
    }
    Ok(failures)
}

/// Carries out all `prepare` effects of a turn, on all cores.
fn prepare(engine: &Engine, workshop: &Workshop, effects: Vec<Effect>) -> Result<Vec<Input>, Error> {
    let mut work: Vec<_> = Vec::new();
    for effect in effects {
        if let Effect::Prepare { node, batch } = effect {
            work.push((node, batch));
        }
    }
    let threads = (crate::sys::cores() as usize).min(work.len()).max(1);
    let queue = Mutex::new(work.into_iter().enumerate());
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((at, (node, batch))) = next else { return };
                    let names: Vec<Arc<str>> = batch.iter().map(|p| engine.name(p.instance).into()).collect();
                    let answer = workshop.prepare(node, batch, &names);
                    answers.lock().unwrap_or_else(PoisonError::into_inner).push((at, answer));
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer.map(Input::Prepared).map_err(Error::Store)).collect()
}
