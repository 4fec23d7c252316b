//! `plan` and `explain`: what a run would do and why. The same engine and the same `prepare` as a run, but whatever
//! would start does not, and nothing is written.

use crate::base::InstanceId;
use crate::base::digest::Key;
use crate::base::text::{and, count, quote};
use crate::driver::asked::{Asked, Place, forced, memo_over, named, wanted};
use crate::driver::begin;
use crate::driver::container::Engines;
use crate::driver::early::{self, Lists};
use crate::driver::history::whys;
use crate::driver::kept;
use crate::driver::lease;
use crate::driver::load::{Loaded, load, load_default};
use crate::driver::prepare::{Accepting, Dry, Workshop};
use crate::driver::settings::{Action, Error, Forecast, Planned, Reason, Settings};
use crate::engine::key::Change;
use crate::engine::{Effect, Engine, Input, Options, State, Why};
use crate::event::Event;
use crate::plan::{NodeKind, Plan};
use crate::port::submission::{Handed, Submissions};
use crate::port::{Access, Job, Lease, Made};
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What would run, and why; unless it is only `counted`, also what backends that gather instances would be given now.
///
/// # Errors
/// What keeps a run from beginning; what is wrong with one instance is told as its forecast.
pub fn plan(settings: Settings, counted: bool) -> Result<Forecast, Error> {
    let keep = if counted { Dry::Reasons } else { Dry::Jobs };
    let (mut forecast, _, handed) = forecast(&settings, &settings.select, keep)?;
    let Some(handed) = handed else { return Ok(forecast) };
    let place = Place::of(&settings.pipeline)?;
    let run_dir = place.project.join(".flowrun/runs").join(place.home.next_run()?.to_string());
    let waiting = forecast.counts.run.saturating_sub(handed.len() as u64);
    forecast.submissions = Some(Submissions { waiting, ..settings.backends.preview(&run_dir, handed) });
    Ok(forecast)
}

/// The job of a task that says nothing of itself, with the defaults of the pipeline file and the profile.
///
/// # Errors
/// What is wrong with them.
pub fn default_job(settings: &Settings) -> Result<Option<Job>, Error> {
    let loaded = load_default(&settings.pipeline, settings.params.profile.as_deref())?;
    let (workshop, engine, _) = rehearse_loaded(settings, loaded, &[], Dry::Jobs, Access::Read, |_| Ok(None))?;
    let looked = (0..engine.ledger().space().instances()).find_map(|id| workshop.looked(InstanceId(id)));
    Ok(looked.and_then(|looked| looked.job))
}

/// The same for the nodes and instances that are named, with what their keys are made of and where results come from.
///
/// # Errors
/// As [`plan`], and names that nothing has.
pub fn explain(settings: Settings) -> Result<Forecast, Error> {
    let (mut forecast, mut details, _) = forecast(&settings, &[], Dry::Components)?;
    let named = |planned: &Planned, name: &String| {
        let below = |whole: &str| whole.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(['[', '.']));
        *planned.name == **name || *planned.node == **name || below(&planned.name) || below(&planned.node)
    };
    let before = forecast.instances.len();
    if !settings.select.is_empty() {
        for name in &settings.select {
            if !forecast.instances.iter().any(|planned| named(planned, name)) {
                let message =
                    format!("there is no instance {} among the {}", quote(name), count(before as u64, "instance"));
                return Err(Error::Usage { message, help: Some("`flowrun plan` lists them".to_owned()) });
            }
        }
        forecast.instances.retain(|planned| settings.select.iter().any(|name| named(planned, name)));
    }
    let home = Place::of(&settings.pipeline)?.home;
    let mut runs: FxHashMap<u64, FxHashMap<Arc<str>, Arc<str>>> = FxHashMap::default();
    for planned in &mut forecast.instances {
        if let Some((components, made)) = details.remove(&planned.name) {
            planned.components = components;
            planned.why = made.as_ref().and_then(|made| {
                let whys = runs.entry(made.run).or_insert_with(|| whys(&home, made.run));
                whys.get(&planned.name).cloned()
            });
            planned.made = made;
        }
    }
    Ok(forecast)
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
    // Everything is prepared at once, for nothing ever starts.
    let capacities = workshop.assigned.capacities.clone().with_window(u32::MAX);
    let named = named(&plan, select)?;
    let mut engine = Engine::new(plan, capacities, Options { keep_going: true, wanted, named });
    let failures = settle(&mut engine, &workshop, lists)?;
    Ok((workshop, engine, failures))
}

/// What could not be prepared, and why.
pub(super) type Failures = FxHashMap<InstanceId, Arc<str>>;

/// By an instance's name: the components of its key, and where its result comes from.
type Details = FxHashMap<Arc<str>, (Vec<crate::engine::key::Component>, Option<Made>)>;

/// A forecast, its details, and what would be submitted at once.
type Told = (Forecast, Details, Option<Vec<Handed>>);

fn forecast(settings: &Settings, select: &[String], keep: Dry) -> Result<Told, Error> {
    let (workshop, engine, failures) = rehearse(settings, select, keep, Access::Read, |_| Ok(None))?;
    let elsewhere = workshop.store.lock().unwrap_or_else(PoisonError::into_inner).leases().map_err(Error::Store)?;
    let mut told = tell(&engine, &workshop, &failures, &elsewhere.into_iter().collect());
    let names: Vec<(Arc<str>, Arc<str>)> = told
        .0
        .instances
        .iter()
        .filter(|planned| planned.action == Action::Cached)
        .map(|planned| (planned.node.clone(), planned.name.clone()))
        .collect();
    origins(&workshop, &names, &mut told.1)?;
    Ok(told)
}

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
            let names: Vec<Arc<str>> = batch.iter().map(|p| engine.name(p.instance).into()).collect();
            work.push((node, batch, names));
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
                    let Some((at, (node, batch, names))) = next else { return };
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

/// The engine's states as a forecast, in the order of the plan.
fn tell(engine: &Engine, workshop: &Workshop, failures: &Failures, elsewhere: &FxHashMap<Key, Lease>) -> Told {
    let mut forecast = Forecast::default();
    let mut details = Details::default();
    let mut handed = Vec::new();
    // The first instance of each key that would run; the others take its result.
    let mut leaders: FxHashMap<Key, InstanceId> = FxHashMap::default();
    let mut instances: Vec<InstanceId> = (0..engine.ledger().space().instances()).map(InstanceId).collect();
    instances.sort_by_key(|instance| {
        let place = engine.place(*instance);
        (place.node, place.scope, place.item)
    });
    let said = |text: String| vec![Reason { component: text.into(), old: None, new: None }];
    for instance in instances {
        let node = &workshop.plan.nodes[engine.place(instance).node];
        let is_map = !matches!(node.kind, NodeKind::Task(_));
        let state = engine.state(instance);
        let (action, reasons) = match state {
            State::Cached => (Action::Cached, Vec::new()),
            State::Failed | State::Ignored => match failures.get(&instance) {
                Some(message) => (Action::Fail, said(message.to_string())),
                None => continue,
            },
            State::Waiting { .. } | State::Preparing | State::Cancelled
                if !is_map || engine.ledger().space().scope_of(instance).is_none() =>
            {
                (Action::Unknown, said(waits(engine, instance)))
            }
            State::Ready | State::Submitted | State::Running | State::Delayed | State::Unknown if !is_map => {
                match engine.why_waiting(instance) {
                    Why::SameKey(other) => (Action::Unknown, said(same_key(engine, other))),
                    _ => (Action::Run, Vec::new()),
                }
            }
            _ => continue,
        };
        let name: Arc<str> = engine.name(instance).into();
        let looked = workshop.looked(instance);
        let first = |key| *leaders.entry(key).or_insert(instance);
        let (action, reasons) = match (&looked, action) {
            (Some(looked), Action::Run) => match looked.key.map(first).filter(|first| *first != instance) {
                Some(first) => (Action::Unknown, said(same_key(engine, first))),
                None => match looked.key.and_then(|key| elsewhere.get(&key)) {
                    Some(Lease::Held { run, user, host }) => {
                        let by = lease::told(*run, user, host);
                        (Action::Unknown, said(format!("computed now by {by}")))
                    }
                    _ => (Action::Run, looked.reasons.iter().map(reason).collect()),
                },
            },
            _ => (action, reasons),
        };
        let mut container = None;
        if let Some(looked) = looked {
            // Whether another process computes it, a run asks when there is room.
            let room = state == State::Submitted || matches!(engine.why_waiting(instance), Why::Lease);
            if let (Some(job), Action::Run, true) = (looked.job, action, room) {
                handed.push(Handed { node: node.path.clone(), job: Job { name: name.clone(), ..job } });
            }
            details.insert(name.clone(), (looked.components, None));
            container = looked.line;
        }
        match action {
            Action::Run => forecast.counts.run += 1,
            Action::Cached => forecast.counts.cached += 1,
            Action::Unknown => forecast.counts.unknown += 1,
            Action::Fail => forecast.counts.fail += 1,
        }
        let node = node.path.clone();
        let (made, why, components) = (None, None, Vec::new());
        forecast.instances.push(Planned { name, node, action, reasons, made, why, components, container });
    }
    (forecast, details, (workshop.dry == Some(Dry::Jobs)).then_some(handed))
}

fn same_key(engine: &Engine, other: InstanceId) -> String {
    format!("takes the result of `{}`, which has the same key", engine.name(other))
}

fn reason(change: &Change) -> Reason {
    Reason { component: change.component.clone(), old: change.old.clone(), new: change.new.clone() }
}

/// What an instance waits for, in words: by node, so that the items of a map say the same.
fn waits(engine: &Engine, instance: InstanceId) -> String {
    let Why::Needs(needs) = engine.why_waiting(instance) else {
        return "needs something that cannot run".to_owned();
    };
    let plan = engine.ledger().space().plan();
    let mut paths: Vec<&str> = Vec::new();
    for need in needs {
        let path = &*plan.nodes[engine.place(need).node].path;
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    match paths.as_slice() {
        [] => "waits for something that runs".to_owned(),
        paths => format!("waits for {}", and(paths.iter().copied())),
    }
}

/// Where the cached results of these instances come from.
fn origins(workshop: &Workshop, names: &[(Arc<str>, Arc<str>)], details: &mut Details) -> Result<(), Error> {
    let mut store = workshop.store.lock().unwrap_or_else(PoisonError::into_inner);
    let mut by_node: Vec<(Arc<str>, Vec<Arc<str>>)> = Vec::new();
    for (node, name) in names {
        match by_node.last_mut() {
            Some((last, list)) if last == node => list.push(name.clone()),
            _ => by_node.push((node.clone(), vec![name.clone()])),
        }
    }
    for (node, names) in by_node {
        let entries = store.latest(&workshop.plan.name, &node, &names).map_err(Error::Store)?;
        for (name, entry) in names.iter().zip(entries) {
            if let (Some(entry), Some((_, made))) = (entry, details.get_mut(name)) {
                *made = Some(entry.made);
            }
        }
    }
    Ok(())
}
