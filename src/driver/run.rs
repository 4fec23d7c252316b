//! `run` and `resume`: from settings to an ended run. Decides whether an interrupted run is continued or a new one
//! begins, and sees to it that nothing that had finished is lost on the way.

use crate::base::Digest;
use crate::diag::{Diagnostic, codes, render};
use crate::driver::journal::{self, Journal};
use crate::driver::memo::FileMemo;
use crate::driver::prepare::Workshop;
use crate::driver::rundir::{Home, RunDir, StoredPlan};
use crate::driver::session::{Closed, Session};
use crate::driver::settings::{BackendAsk, End, Ended, Error, FailureItem, Settings};
use crate::driver::{Loaded, load, load_stored, now};
use crate::engine::{Capacity, Engine, Options};
use crate::event::{Cause, Event, RunState};
use crate::lang::expr::Frame;
use crate::plan::{NodeKind, Plan};
use crate::port::{Access, Entry, Made, Report, RunRow, Sink, Store};
use crate::store::artifacts::Artifacts;
use crate::sys::lock::{Lock, NoLock, Who};
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Runs a pipeline, or continues a run, to its end.
///
/// # Errors
/// Everything that keeps it from reaching an end, see [`Error`]. What had finished by then is kept.
pub fn run(settings: Settings, mut sinks: Vec<Box<dyn Sink>>) -> Result<Ended, Error> {
    let began = now();
    let home = Home::of(&settings.pipeline)?;
    // The file is checked before anything is written, even the lock.
    let fresh = match settings.resume {
        Some(_) => None,
        None => Some(load(&settings.pipeline, &settings.params, true)?),
    };
    home.create()?;
    let mut lock = acquire(&home, settings.wait, &mut sinks)?;
    let mut store = (settings.open_store)(home.state(), Access::Write).map_err(Error::Store)?;
    let (loaded, selected, earlier) = match (settings.resume, fresh) {
        (Some(which), _) => resumed(&home, store.as_mut(), which)?,
        (None, fresh) => {
            let loaded = match fresh {
                Some(loaded) => loaded,
                None => load(&settings.pipeline, &settings.params, true)?,
            };
            let selected = Selected::of(&settings);
            let earlier = interrupted(&home, store.as_mut(), &loaded, &selected)?;
            (loaded, selected, earlier)
        }
    };
    for warning in &loaded.warnings {
        let text = render(std::slice::from_ref(warning), &loaded.sources, false);
        sinks.iter_mut().for_each(|sink| sink.note(text.trim_end()));
    }
    let plan = Arc::new(loaded.plan);
    let wanted = plan.select(&selected.nodes).map_err(|d| wrong(vec![d]))?;
    let force = forced(&plan, &selected)?;
    let limits: Vec<u32> = plan.limits.iter().map(|(_, n)| *n).collect();
    let capacity = (settings.capacity)(settings.jobs, &limits).map_err(Error::Backend)?;
    let impossible = beyond(&plan, &wanted, &capacity);
    if !impossible.is_empty() {
        return Err(Error::Diagnostics { list: impossible, sources: loaded.sources });
    }

    let identity = selected.identity(&loaded.stored);
    let row = RunRow {
        run: earlier.as_ref().map_or(0, |e| e.run),
        pipeline: plan.name.clone(),
        file: home.file_name().into(),
        identity,
        began,
        ended: None,
        state: None,
        counts: Default::default(),
    };
    let (dir, journal, engine) = match earlier {
        Some(earlier) => {
            let dir = home.run(earlier.run);
            let (journal, events) = Journal::reopen(&dir.journal()).map_err(|e| Error::Store(e.into()))?;
            let options = Options { keep_going: settings.keep_going, wanted: wanted.clone() };
            let lists = |digest: Digest| dir.read_list(digest).ok().map(Arc::new);
            let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
            let engine = Engine::restore(plan.clone(), capacity.clone(), options, events.iter().cloned(), lists);
            absorb(&plan, &engine, &events, store.as_mut(), earlier.run).map_err(Error::Store)?;
            (dir, journal, engine)
        }
        None => {
            let run = store.begin_run(&RunRow { run: home.newest_run()? + 1, ..row.clone() }).map_err(Error::Store)?;
            let dir = home.create_run(run, &loaded.stored, &selected.to_json())?;
            let journal = Journal::create(&dir.journal()).map_err(|e| Error::Store(e.into()))?;
            let options = Options { keep_going: settings.keep_going, wanted: wanted.clone() };
            (dir, journal, Engine::new(plan.clone(), capacity.clone(), options))
        }
    };
    lock.name_run(dir.number()).map_err(|e| Error::Store(e.into()))?;
    let row = RunRow { run: dir.number(), ..row };

    let (reporter, reports) = crossbeam::channel::unbounded::<Report>();
    let ask = BackendAsk { jobs: settings.jobs, limits, run_dir: dir.path().to_owned(), reports: reporter, lock: lock.as_raw_fd() };
    let backend = (settings.open_backend)(ask).map_err(Error::Backend)?;
    let signals = crate::sys::signals::listen().map_err(|e| Error::Backend(e.into()))?;
    let store = Arc::new(Mutex::new(store));
    let memo = Arc::new(FileMemo::over(home.project(), store.clone()));
    let artifacts = Arc::new(match &settings.artifacts {
        Some(folder) => Artifacts::named(folder),
        None => Artifacts::by_reflink(home.artifacts()),
    });
    let workshop = Arc::new(Workshop::new(
        plan.clone(),
        home.project().to_owned(),
        (dir.number(), dir.path().to_owned()),
        capacity,
        memo,
        store.clone(),
        Some(artifacts),
        force,
        false,
    ));
    let me = Who::me(began);
    let by = format!("flowrun {}, process {} on {}", env!("CARGO_PKG_VERSION"), me.pid, me.host);
    let made = Made {
        run: dir.number(),
        host: me.host.as_str().into(),
        user: std::env::var("USER").unwrap_or_default().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..Made::default()
    };
    let workers = crate::sys::cores().min(8) as usize;
    let session = Session { plan: plan.clone(), engine, journal, dir: &dir, workshop, backend, reports, signals, sinks, made };
    let closed = session.drive(by.into(), workers)?;

    let ended = conclude(&plan, &wanted, &dir, &closed, began);
    if let Some(state) = closed.state {
        let row = RunRow { ended: Some(now()), state: Some(state), counts: ended.counts, ..row };
        let written = store.lock().unwrap_or_else(PoisonError::into_inner).end_run(&row);
        if let Some(error) = closed.store_error.or(written.err()) {
            return Err(Error::Store(error.context("the run has ended, and its results are in its journal")));
        }
    }
    lock.release();
    Ok(ended)
}

/// What a run was asked for beside its file and params.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Selected {
    /// Nodes on the command line.
    pub nodes: Vec<String>,
    /// `--force`
    pub force: Vec<String>,
    /// `--no-cache`
    pub no_cache: bool,
}

impl Selected {
    /// From the settings.
    pub fn of(settings: &Settings) -> Self {
        Self { nodes: settings.select.clone(), force: settings.force.clone(), no_cache: settings.no_cache }
    }
    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
    /// The same text of the file, values of params and selection make the same run.
    fn identity(&self, stored: &StoredPlan) -> Digest {
        let text = serde_json::to_vec(&(stored, self)).unwrap_or_default();
        Digest::of(&text)
    }
}

/// A run that has not reached its end.
struct Earlier {
    run: u64,
}

fn acquire(home: &Home, wait: bool, sinks: &mut [Box<dyn Sink>]) -> Result<Lock, Error> {
    let who = Who::me(now());
    let taken = if wait {
        let mut said = false;
        Lock::acquire_waiting(&home.lock(), who, &mut |held| {
            if !std::mem::replace(&mut said, true) {
                sinks.iter_mut().for_each(|sink| sink.note(&format!("waiting for {held}")));
            }
            true
        })
    } else {
        Lock::acquire(&home.lock(), who)
    };
    taken.map_err(|error| match error {
        NoLock::Held(held) => Error::Held { by: held.to_string() },
        NoLock::Fault(fault) => Error::Store(fault.into()),
    })
}

/// The run that `resume` names, with the plan stored in it.
fn resumed(
    home: &Home,
    store: &mut dyn Store,
    which: Option<u64>,
) -> Result<(Loaded, Selected, Option<Earlier>), Error> {
    let rows = store.runs(Some(home.file_name()), 1).map_err(Error::Store)?;
    let run = match which.or_else(|| rows.first().map(|row| row.run)) {
        Some(run) if home.run(run).path().is_dir() => run,
        Some(run) => {
            let message = format!("there is no run {run} of {}", home.file_name());
            return Err(Error::Usage { message, help: Some("`flowrun runs` lists them".into()) });
        }
        None => {
            let message = format!("{} has never been run", home.file_name());
            return Err(Error::Usage { message, help: Some("begin with `flowrun run`".into()) });
        }
    };
    let (stored, selected) = home.run(run).read_plan().map_err(|e| Error::Store(e.into()))?;
    let selected = serde_json::from_str(&selected).unwrap_or_default();
    let loaded = load_stored(home, stored)?;
    Ok((loaded, selected, Some(Earlier { run })))
}

/// The newest run of the file, if it was interrupted and is the same; what an interrupted run of another file or other
/// params had finished goes to the store.
fn interrupted(
    home: &Home,
    store: &mut dyn Store,
    loaded: &Loaded,
    selected: &Selected,
) -> Result<Option<Earlier>, Error> {
    let rows = store.runs(Some(home.file_name()), 1).map_err(Error::Store)?;
    let Some(row) = rows.first().filter(|row| row.ended.is_none()) else { return Ok(None) };
    let dir = home.run(row.run);
    if !dir.journal().is_file() {
        return Ok(None);
    }
    if row.identity == selected.identity(&loaded.stored) {
        return Ok(Some(Earlier { run: row.run }));
    }
    salvage(home, &dir, store).map_err(Error::Store)?;
    Ok(None)
}

/// Writes what an interrupted run had finished to the store. A plan that cannot be read any more gives nothing.
fn salvage(home: &Home, dir: &RunDir, store: &mut dyn Store) -> anyhow::Result<()> {
    let Ok((stored, _)) = dir.read_plan() else { return Ok(()) };
    let Ok(loaded) = load_stored(home, stored) else { return Ok(()) };
    let events: Vec<Event> = journal::read(&dir.journal())?.into_iter().map(|(_, event)| event).collect();
    let plan = Arc::new(loaded.plan);
    let nothing = Capacity { cpus: 0, memory: 0, gpus: Vec::new(), limits: Vec::new(), window: 1 };
    let lists = |digest: Digest| dir.read_list(digest).ok().map(Arc::new);
    let engine = Engine::restore(plan.clone(), nothing, Options::default(), events.iter().cloned(), lists);
    absorb(&plan, &engine, &events, store, dir.number())
}

/// Results that stand in the journal and did not reach the store, for its driver was killed in between.
fn absorb(plan: &Plan, engine: &Engine, events: &[Event], store: &mut dyn Store, run: u64) -> anyhow::Result<()> {
    let mut keys = FxHashMap::default();
    let mut ended = Vec::new();
    for event in events {
        match event {
            Event::Submitted { instance, attempt, key: Some(key), .. } => {
                keys.insert((*instance, *attempt), *key);
            }
            Event::Ended { instance, attempt, outcome } => {
                if let (Some(key), Ok(results)) = (keys.get(&(*instance, *attempt)), &outcome.result) {
                    ended.push((*instance, *key, results.clone(), outcome.usage.clone()));
                }
            }
            _ => {}
        }
    }
    let asked: Vec<_> = ended.iter().map(|(_, key, ..)| *key).collect();
    let known = store.lookup(&asked)?;
    let lost = ended.into_iter().zip(known).filter(|(_, hit)| hit.is_none());
    let entries: Vec<Entry> = lost
        .map(|((instance, key, results, usage), _)| Entry {
            key,
            pipeline: plan.name.clone(),
            node: plan.nodes[engine.place(instance).node].path.clone(),
            instance: engine.name(instance).into(),
            fixed: Arc::default(),
            own: Vec::new(),
            results,
            made: Made { run, at: usage.began, wall_us: usage.wall_us, ..Made::default() },
        })
        .collect();
    if entries.is_empty() { Ok(()) } else { store.record(&entries) }
}

/// Of each node whether its earlier results are passed over.
pub fn forced(plan: &Plan, selected: &Selected) -> Result<Vec<bool>, Error> {
    let mut force = vec![selected.no_cache; plan.nodes.len()];
    for name in &selected.force {
        let prefix = format!("{name}.");
        let mut found = false;
        for (id, node) in plan.nodes.iter() {
            if *node.path == **name || node.path.starts_with(&prefix) {
                force[id.0 as usize] = true;
                found = true;
            }
        }
        if !found {
            let paths = plan.nodes.iter().map(|(_, node)| &*node.path);
            let help = crate::base::text::did_you_mean(name, paths);
            return Err(Error::Usage { message: format!("`--force {name}`: there is no such node"), help });
        }
    }
    Ok(force)
}

/// Resources that are written as plain amounts and that the backend can never give.
pub fn beyond(plan: &Plan, wanted: &[bool], capacity: &Capacity) -> Vec<Diagnostic> {
    use crate::base::{amount, text};
    let mut list = Vec::new();
    for (_, node) in plan.nodes.iter() {
        let NodeKind::Task(task) = &node.kind else { continue };
        if !is_wanted(plan, wanted, node) {
            continue;
        }
        for (name, template) in &task.resources {
            let Some(literal) = template.as_literal() else { continue };
            let whole = literal.trim().parse::<u64>().ok();
            let message = match &**name {
                "memory" => amount::parse_bytes(literal)
                    .ok()
                    .filter(|asked| *asked > capacity.memory)
                    .map(|_| format!("{literal} of memory, and there are {}", text::size(capacity.memory))),
                "gpus" => whole
                    .filter(|asked| *asked > capacity.gpus.len() as u64)
                    .map(|asked| format!("{}, and there are {}", text::count(asked, "GPU"), capacity.gpus.len())),
                _ => None,
            };
            if let Some(message) = message {
                let source = template.source();
                let span = source.span_of(0..source.value.len());
                // One place is said once, however many tasks have it from `[resources]`.
                if list.iter().any(|d: &Diagnostic| d.primary.as_ref().is_some_and(|p| p.span == span)) {
                    continue;
                }
                list.push(
                    Diagnostic::error(codes::BEYOND_CAPACITY, span, format!("`{}` asks for {message}", node.path))
                        .label("more than this machine can give")
                        .help("ask for less, or run it where there is more"),
                );
            }
        }
    }
    list
}

fn is_wanted(plan: &Plan, wanted: &[bool], node: &crate::plan::Node) -> bool {
    let mut node = node;
    while let Some(owner) = plan.bodies[node.body].owner {
        node = &plan.nodes[owner];
    }
    wanted.get(node.slot as usize).copied().unwrap_or(true)
}

fn wrong(list: Vec<Diagnostic>) -> Error {
    Error::Diagnostics { list, sources: Default::default() }
}

/// The pipeline's outputs, the failures with the ends of their logs, the counts.
fn conclude(plan: &Plan, wanted: &[bool], dir: &RunDir, closed: &Closed, began: u64) -> Ended {
    let mut failures: Vec<FailureItem> = closed.engine.failures().iter().map(|failed| {
        let (tail, has_log) = match failed.log {
            Some(range) => dir.tail(range),
            None => (Vec::new(), false),
        };
        FailureItem {
            instance: closed.engine.name(failed.instance).into(),
            attempt: failed.attempt,
            cause: failed.failure.cause,
            message: failed.failure.message.clone(),
            help: failed.failure.help.clone(),
            ignored: failed.ignored,
            tail,
            has_log,
            usage: failed.usage.clone(),
            host: failed.host.clone(),
        }
    }).collect();
    let mut outputs = Vec::new();
    let mut end = match closed.state {
        Some(state) => End::Finished(state),
        None => End::Stopped { signal: closed.signal.unwrap_or(2) },
    };
    if closed.state == Some(RunState::Succeeded) {
        let frame = Frame::new(&plan.output_names, closed.engine.outputs());
        for (name, shape) in &plan.outputs {
            if reads_unwanted(plan, wanted, shape) {
                continue;
            }
            match shape.eval(&frame) {
                Ok(value) => outputs.push((name.clone(), value)),
                Err(error) => {
                    end = End::Finished(RunState::Failed);
                    failures.push(output_failure(name, error));
                }
            }
        }
    }
    let wall_ms = now().saturating_sub(began);
    Ended { run: dir.number(), end, outputs, counts: closed.engine.counts(), wall_ms, failures }
}

fn reads_unwanted(plan: &Plan, wanted: &[bool], shape: &crate::plan::Shape) -> bool {
    let mut unwanted = false;
    shape.templates(&mut |template| {
        for read in template.reads() {
            let node = plan.nodes.iter().find(|(_, node)| node.body.0 == 0 && node.name == read.path[0]);
            unwanted |= node.is_some_and(|(_, node)| !is_wanted(plan, wanted, node));
        }
    });
    unwanted
}

fn output_failure(name: &str, error: crate::lang::expr::EvalError) -> FailureItem {
    FailureItem {
        instance: format!("outputs.{name}").into(),
        attempt: 0,
        cause: Cause::Prepare,
        message: error.message.into(),
        help: error.help.map(Into::into),
        ignored: false,
        tail: Vec::new(),
        has_log: false,
        usage: Default::default(),
        host: None,
    }
}
