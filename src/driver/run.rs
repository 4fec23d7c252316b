//! `run` and `resume`: from settings to an ended run. Decides whether an interrupted run is continued or a new one
//! begins, and sets up all that takes part.

use crate::diag::render;
use crate::driver::adopted::{Adopted, Handed};
use crate::driver::asked::{Asked, Place, forced, memo_over, named, stored_plan, wanted};
use crate::driver::backends::{Crew, CrewAsk};
use crate::driver::cancel::Requests;
use crate::driver::container::Engines;
use crate::driver::detached::{self, Drive, HandOver, TIME_IS_UP};
use crate::driver::earlier::{interrupted, reopen, resumed};
use crate::driver::early;
use crate::driver::ending;
use crate::driver::kept;
use crate::driver::latest;
use crate::driver::load::{Loaded, load, never_run};
use crate::driver::outcome::conclude;
use crate::driver::pace::{self, Pace};
use crate::driver::prepare::Workshop;
use crate::driver::rebuild::rebuild;
use crate::driver::rundir::{Home, RunDir};
use crate::driver::session::Session;
use crate::driver::settings::{End, Ended, Error, Settings};
use crate::driver::{lease, now};
use crate::engine::{Engine, Options};
use crate::port::{Access, Made, Report, RunRow, Sink, Store};
use crate::sys::lock::{self, Lock, NoLock, Who};
use crate::sys::meter::{self, Phase};
use crate::sys::signals::{signals, signals_and};
use crate::sys::{Fault, FaultKind};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often `--wait` looks at a store that another process has.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Runs a pipeline, or continues a run, to its end.
///
/// # Errors
/// Everything that keeps it from reaching an end, see [`Error`]. What had finished by then is kept.
pub fn run(settings: Settings, sinks: Vec<Box<dyn Sink>>) -> Result<Ended, Error> {
    // The file is checked before anything is written, even the lock.
    let fresh = match settings.resume {
        Some(_) => None,
        None => Some(load(&settings.pipeline, &settings.params, true)?),
    };
    run_loaded(settings, fresh, sinks)
}

/// The same with a pipeline that was read already; `None`: that of the run to be resumed.
pub(super) fn run_loaded(
    settings: Settings,
    fresh: Option<Loaded>,
    mut sinks: Vec<Box<dyn Sink>>,
) -> Result<Ended, Error> {
    let mut began = now();
    if let Some(loaded) = &fresh {
        let asked = Asked::of(&settings);
        wanted(&loaded.plan, &asked.select)?;
        forced(&loaded.plan, &asked)?;
    } else if !Home::beside(&settings.pipeline).path().is_dir() {
        return Err(never_run(&settings.pipeline));
    }
    let place = Place::of(&settings.pipeline)?;
    place.home.make()?;
    let job = settings.drive.is_job();
    // Before anything that may take long: else it would end this process.
    let warned = if job { Some(signals_and(&[TIME_IS_UP]).map_err(|e| Error::Backend(e.into()))?) } else { None };
    let taken_over = matches!(settings.drive, Drive::Handed { .. });
    if !taken_over {
        let mut note = |text: &str| sinks.iter_mut().for_each(|sink| sink.note(text));
        detached::none_is_due(&place, settings.wait, settings.afar.as_ref(), &mut note)?;
    }
    let mut lock = acquire(&place, settings.wait || taken_over, &mut sinks)?;
    if settings.wait || taken_over {
        began = now();
    }
    let opening = meter::span(Phase::Store);
    let mut store = open_store(&settings, &place, &mut sinks)?;
    drop(opening);
    let mut note = |text: &str| sinks.iter_mut().for_each(|sink| sink.note(text));
    if let Some(text) = store.note() {
        note(&text);
    }
    let rebuilt = rebuild(&place, store.as_mut(), &mut note)?;
    let (loaded, asked, earlier) = match fresh {
        Some(loaded) => {
            let asked = Asked::of(&settings);
            let earlier = interrupted(&place, store.as_mut(), &loaded, &asked, &mut note)?;
            (loaded, asked, earlier)
        }
        None => {
            let (loaded, asked, run) = resumed(&place, store.as_mut(), &settings)?;
            still_open(&place, store.as_mut(), run, &settings.drive)?;
            (loaded, asked, Some(run))
        }
    };
    for warning in &loaded.warnings {
        note(render(std::slice::from_ref(warning), &loaded.sources, false).trim_end());
    }
    let stored = stored_plan(&loaded, &asked);
    let plan = Arc::new(loaded.plan);
    // The process ends with the run: to take a large plan apart first would cost time and free nothing.
    std::mem::forget(plan.clone());
    let wanted = wanted(&plan, &asked.select)?;
    let force = forced(&plan, &asked)?;
    let limits: Vec<u32> = plan.limits.iter().map(|(_, n)| *n).collect();
    let (assigned, unknown) = settings.backends.assign(&plan, &wanted)?;
    // What a run to be continued had listed and done by now is not looked at again.
    let runs = if asked.only { latest::run(&plan, &asked.select) } else { wanted.clone() };
    let lists = early::look(&plan, &runs, &place.project, &assigned, earlier.is_none());
    let engines = Engines::new(&place.project, settings.container_engine, false);
    let lists = early::with(lists, engines.look(&plan, &runs));
    let elsewhere = |task: &_| settings.backends.is_elsewhere(&assigned, task);
    let lists = early::with(lists, early::of_here(&plan, &runs, elsewhere));
    let lists = early::with(lists, unknown);
    let lists = match settings.backends.objections(&assigned, &plan, &runs) {
        Ok(objections) => early::with(lists, objections),
        Err(error) if lists.is_ok() => return Err(error),
        // What is wrong with the file is said first.
        Err(_) => lists,
    };
    let lists = lists.map_err(|list| Error::Diagnostics { list, sources: loaded.sources })?;
    engines.fetch(&plan, &runs, &mut note).map_err(|fault| Error::Backend(fault.into()))?;

    // All that is missing of the others is told at once.
    let options = Options {
        keep_going: asked.keep_going || asked.only,
        wanted: wanted.clone(),
        named: named(&plan, &asked.select)?,
        times: pace::times(&place.home, &plan),
        rehearse: false,
    };
    let (mut continued, mut began_here, mut handed) = (None, None, Handed::default());
    if let Some(run) = earlier {
        match reopen(&place, run, store.as_mut(), &plan, &assigned.capacities, options.clone()) {
            Ok((dir, journal, engine, before)) => {
                handed = before;
                continued = Some((run, dir, journal, engine));
            }
            Err(error) if settings.resume.is_some() => return Err(error),
            Err(error) => note(&format!("run {run} cannot be continued, so that a new one begins: {error}")),
        }
    }
    let mut row = RunRow {
        run: place.home.next_run()?,
        pipeline: plan.name.clone(),
        file: place.file.as_str().into(),
        identity: stored.identity,
        began,
        ended: None,
        state: None,
        counts: Default::default(),
    };
    let (run, dir, journal, engine) = match continued {
        Some(continued) => continued,
        None => {
            began_here = Some(began);
            let run = store.begin_run(&row).map_err(Error::Store)?;
            let dir = RunDir::create(&place.home, run, &stored)?;
            let journal = dir.resume_journal(&mut |_, _, _| {})?;
            (run, dir, journal, Engine::new(plan.clone(), assigned.capacities.clone(), options))
        }
    };
    row.run = run;
    lock.name_run(run)?;
    let next = match settings.drive {
        Drive::Here => None,
        Drive::Handed { next, .. } => next,
        Drive::Elsewhere(launch) => {
            let own = Home::at(place.project.join(".flowrun"));
            let over = HandOver {
                run,
                run_dir: place.run_dir(run),
                lock: own.lock(Path::new(&place.file)),
                journal: journal.length(),
                project: place.project,
                file: place.file,
            };
            let counts = *engine.counts();
            // They are the other's from now on.
            drop((journal, store));
            lock.release();
            let by = launch(&over).map_err(Error::Backend)?;
            let (outputs, failures) = (Vec::new(), Vec::new());
            let wall_ms = now().saturating_sub(began);
            return Ok(Ended { run, end: End::Detached, outputs, counts, wall_ms, failures, by: Some(by.into()) });
        }
    };

    let (reporter, reports) = crossbeam::channel::unbounded::<Report>();
    let inherited = lock.as_fd().try_clone_to_owned().map_err(|e| Error::Backend(e.into()))?;
    // Tasks start in folders of their own: what they are given is absolute.
    let run_dir = place.run_dir(run);
    let open = handed.open();
    let ask =
        CrewAsk { limits: &limits, run_dir: &run_dir, lock: &inherited, reports: reporter, handed: !open.is_empty() };
    let mut crew = Crew::open(&settings.backends, &assigned, ask).map_err(Error::Backend)?;
    let has = crew.adopt(&open).map_err(Error::Backend)?;
    let adopted = Adopted::new(handed.still_open(has));
    for text in crew.notes() {
        sinks.iter_mut().for_each(|sink| sink.note(&text));
    }
    let signals = match warned {
        Some(signals) => signals,
        None => signals().map_err(|e| Error::Backend(e.into()))?,
    };
    let requests = Requests::of(&dir)?;
    let user = kept::user(&place.home, store.as_ref(), kept::is_needed(&plan))?;
    let artifacts = kept::artifacts(&place.home, settings.artifacts.as_deref());
    let artifacts = match user {
        Some(user) => artifacts.used_by(user, run),
        None => artifacts,
    };
    if rebuilt {
        artifacts.need(&kept::outputs(store.as_mut()).map_err(Error::Store)?)?;
    }
    let store = Arc::new(Mutex::new(store));
    let mut workshop = Workshop::new(
        plan.clone(),
        place.project.clone(),
        (run, run_dir),
        assigned,
        Arc::new(memo_over(&place.project, &store)),
        store.clone(),
        Some(Arc::new(artifacts)),
        force,
        None,
    );
    workshop.engines = engines;
    if asked.only {
        workshop.taken_as_is = latest::taken(&plan, &asked.select);
    }
    workshop.lease = lease::term(crew.outlives_driver());
    workshop.lease.lasts = settings.lease.unwrap_or(workshop.lease.lasts);
    let me = Who::me(began);
    let by = format!("flowrun {}, process {} on {}", env!("CARGO_PKG_VERSION"), me.pid, me.host);
    let made = Made {
        run,
        host: me.host.as_str().into(),
        user: crate::sys::user().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..Made::default()
    };
    let workers = crate::sys::cores().min(8) as usize;
    let pace = Pace::default();
    sinks.push(Box::new(pace.clone()));
    let session = Session {
        plan: plan.clone(),
        engine,
        journal,
        dir: &dir,
        lock: &lock,
        workshop: Arc::new(workshop),
        crew,
        reports,
        signals,
        requests,
        sinks,
        made,
        lists,
        adopted,
        next,
        began: began_here,
    };
    let closed = session.drive(by.into(), workers)?;
    pace.keep(&place.home, &plan);

    let ended = conclude(&plan, &wanted, (run, &dir), &closed, began);
    // Who follows the run elsewhere reads it; without it, the journal.
    let goes_on = job && matches!(ended.end, End::Stopped { .. });
    if !goes_on {
        let _ = ending::keep(&dir, &ended);
        if job {
            detached::withdraw(&place.run_dir(run))?;
        }
    }
    let mut trouble = closed.store_error;
    // A run whose results are not all in the store stays open there: the next one takes them from its journal.
    if let (End::Finished(state), None) = (ended.end, &trouble) {
        let row = RunRow { ended: Some(closed.last), state: Some(state), counts: ended.counts, ..row };
        let written = store.lock().unwrap_or_else(PoisonError::into_inner).end_run(&row);
        trouble = written.err();
    }
    lock.release();
    match trouble {
        Some(error) => {
            Err(Error::Store(error.context(
                "the run is over; its results are safe in its journal, and the next run takes them from there",
            )))
        }
        None => Ok(ended),
    }
}

/// That nobody has driven a run that was handed over to its end meanwhile.
fn still_open(place: &Place, store: &mut dyn Store, run: u64, drive: &Drive) -> Result<(), Error> {
    let Drive::Handed { journal, .. } = drive else { return Ok(()) };
    let over = store.run(run).map_err(Error::Store)?.is_some_and(|row| row.state.is_some());
    if over && RunDir::open(&place.home, run)?.length()? > *journal {
        let message = format!("run {run} is over: somebody else has driven it to its end");
        return Err(Error::Usage { message, help: None });
    }
    Ok(())
}

/// Opens the store for writing. On a network file system one process has it at a time.
fn open_store(settings: &Settings, place: &Place, sinks: &mut [Box<dyn Sink>]) -> Result<Box<dyn Store>, Error> {
    let mut said = false;
    loop {
        match (settings.open_store)(place.home.path(), Access::Write) {
            Err(error) if settings.wait && is_held(&error) => {
                if !std::mem::replace(&mut said, true) {
                    sinks.iter_mut().for_each(|sink| sink.note(&format!("waiting: {error}")));
                }
                std::thread::sleep(LOOK_AGAIN);
            }
            opened => return opened.map_err(Error::Store),
        }
    }
}

fn is_held(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind == FaultKind::Held)
}

/// Takes the lock of a pipeline file.
pub fn acquire(place: &Place, wait: bool, sinks: &mut [Box<dyn Sink>]) -> Result<Lock, Error> {
    let (path, who) = (place.home.lock(Path::new(&place.file)), Who::me(now()));
    let mut said = false;
    let mut look = |held: &lock::Held| {
        let text = match wait {
            true => format!("waiting for {held}"),
            false => format!("looking for up to a minute whether it still lives: {held}"),
        };
        if !std::mem::replace(&mut said, true) {
            sinks.iter_mut().for_each(|sink| sink.note(&text));
        }
        true
    };
    let taken = match wait {
        true => Lock::acquire_waiting(&path, who, &mut look),
        false => Lock::acquire_watching(&path, who, &mut look),
    };
    taken.map_err(|error| match error {
        NoLock::Held(held) => Error::Held { by: held.to_string() },
        NoLock::Fault(fault) => Error::Fault(fault),
    })
}
