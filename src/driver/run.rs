//! `run` and `resume`: from settings to an ended run. Decides whether an interrupted run is continued or a new one
//! begins, and sees to it that nothing that had finished is lost on the way.

use crate::base::{Digest, NodeId};
use crate::diag::{Diagnostic, codes, render};
use crate::driver::history::failure_item;
use crate::driver::load::{Loaded, load, load_stored};
use crate::driver::memo::FileMemo;
use crate::driver::now;
use crate::driver::prepare::Workshop;
use crate::driver::rundir::{Home, RunDir, StoredPlan};
use crate::driver::session::{Closed, Session};
use crate::driver::settings::{BackendAsk, End, Ended, Error, FailureItem, Settings};
use crate::engine::{Capacity, Engine, Options};
use crate::event::{Cause, Event, RunState};
use crate::lang::expr::{EvalError, Frame};
use crate::plan::{Node, NodeKind, Plan, Shape};
use crate::port::{Access, Entry, Made, Report, RunRow, Sink, Store};
use crate::store::artifacts::Artifacts;
use crate::sys::Fault;
use crate::sys::lock::{Lock, NoLock, Who};
use rustc_hash::FxHashMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Runs a pipeline, or continues a run, to its end.
///
/// # Errors
/// Everything that keeps it from reaching an end, see [`Error`]. What had finished by then is kept.
pub fn run(settings: Settings, mut sinks: Vec<Box<dyn Sink>>) -> Result<Ended, Error> {
    let began = now();
    // The file is checked before anything is written, even the lock.
    let fresh = match settings.resume {
        Some(_) => None,
        None => Some(load(&settings.pipeline, &settings.params, true)?),
    };
    let place = Place::of(&settings.pipeline)?;
    if fresh.is_some() {
        place.home.make()?;
    }
    let mut lock = acquire(&place, settings.wait, &mut sinks)?;
    let mut store = (settings.open_store)(place.home.path(), Access::Write).map_err(Error::Store)?;
    let (loaded, asked, earlier) = match fresh {
        Some(loaded) => {
            let asked = Asked::of(&settings);
            let earlier = interrupted(&place, store.as_mut(), &loaded, &asked)?;
            (loaded, asked, earlier)
        }
        None => resumed(&place, store.as_mut(), settings.resume.flatten())?,
    };
    for warning in &loaded.warnings {
        let text = render(std::slice::from_ref(warning), &loaded.sources, false);
        sinks.iter_mut().for_each(|sink| sink.note(text.trim_end()));
    }
    let stored = stored_plan(&loaded, &asked);
    let plan = Arc::new(loaded.plan);
    let wanted = wanted(&plan, &asked.select)?;
    let force = forced(&plan, &asked)?;
    let limits: Vec<u32> = plan.limits.iter().map(|(_, n)| *n).collect();
    let capacity = (settings.measure)(settings.jobs, &limits).map_err(Error::Backend)?;
    let impossible = beyond(&plan, &wanted, &capacity);
    if !impossible.is_empty() {
        return Err(Error::Diagnostics { list: impossible, sources: loaded.sources });
    }
    let options = Options { keep_going: asked.keep_going, wanted: wanted.clone() };
    let row = RunRow {
        run: place.home.next_run()?,
        pipeline: plan.name.clone(),
        file: place.file.as_str().into(),
        identity: stored.identity,
        began,
        ended: None,
        state: None,
        counts: Default::default(),
    };
    let (run, dir, journal, engine) = match earlier {
        Some(run) => {
            let dir = RunDir::open(&place.home, run)?;
            let mut history = History::default();
            let journal = dir.resume_journal(&mut |_, event, list| history.push(event, list))?;
            let engine = history.engine(plan.clone(), capacity.clone(), options)?;
            history.absorb(&plan, &engine, store.as_mut(), run).map_err(Error::Store)?;
            (run, dir, journal, engine)
        }
        None => {
            let run = store.begin_run(&row).map_err(Error::Store)?;
            let dir = RunDir::create(&place.home, run, &stored)?;
            let journal = dir.resume_journal(&mut |_, _, _| {})?;
            (run, dir, journal, Engine::new(plan.clone(), capacity.clone(), options))
        }
    };
    lock.name_run(run)?;

    let (reporter, reports) = crossbeam::channel::unbounded::<Report>();
    let inherited = lock.as_fd().try_clone_to_owned().map_err(|e| Error::Backend(e.into()))?;
    // What ran under a relative path must be found from any folder.
    let run_dir = place.project.join(".flowrun/runs").join(run.to_string());
    let ask =
        BackendAsk { jobs: settings.jobs, limits, run_dir: run_dir.clone(), reports: reporter, lock: Some(inherited) };
    let backend = (settings.open_backend)(ask).map_err(Error::Backend)?;
    let signals = crate::sys::signals::signals().map_err(|e| Error::Backend(e.into()))?;
    let store = Arc::new(Mutex::new(store));
    let memo = Arc::new(memo_over(&place.project, &store));
    let artifacts = match &settings.artifacts {
        Some(folder) => Artifacts::named(folder),
        None => Artifacts::by_reflink(place.home.artifacts()),
    };
    let workshop = Arc::new(Workshop::new(
        plan.clone(),
        place.project.clone(),
        (run, run_dir),
        capacity,
        memo,
        store.clone(),
        Some(Arc::new(artifacts)),
        force,
        None,
    ));
    let me = Who::me(began);
    let by = format!("flowrun {}, process {} on {}", env!("CARGO_PKG_VERSION"), me.pid, me.host);
    let made = Made {
        run,
        host: me.host.as_str().into(),
        user: std::env::var("USER").unwrap_or_default().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..Made::default()
    };
    let workers = crate::sys::cores().min(8) as usize;
    let session =
        Session { plan: plan.clone(), engine, journal, dir: &dir, workshop, backend, reports, signals, sinks, made };
    let closed = session.drive(by.into(), workers)?;

    let ended = conclude(&plan, &wanted, (run, &dir), &closed, began);
    let mut trouble = closed.store_error;
    if let Some(state) = closed.state {
        let row = RunRow { run, ended: Some(now()), state: Some(state), counts: ended.counts, ..row };
        let written = store.lock().unwrap_or_else(PoisonError::into_inner).end_run(&row);
        trouble = trouble.or(written.err());
    }
    lock.release();
    match trouble {
        Some(error) => Err(Error::Store(error.context("the run is over; its results are safe in its journal"))),
        None => Ok(ended),
    }
}

/// Where a pipeline file stands.
pub struct Place {
    /// Its folder, absolute.
    pub project: PathBuf,
    /// Its name there.
    pub file: String,
    /// The state folder beside it.
    pub home: Home,
}

impl Place {
    /// Of a pipeline file.
    ///
    /// # Errors
    /// When its folder is not there.
    pub fn of(pipeline: &Path) -> Result<Self, Error> {
        let folder = pipeline.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let project = folder.canonicalize().map_err(|error| Fault::io("find the folder", folder, &error))?;
        let file = pipeline.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Named as the user named it, for messages.
        Ok(Self { home: Home::beside(pipeline), project, file })
    }
}

/// The digests of files that earlier runs found.
pub fn memo_over(project: &Path, store: &Arc<Mutex<Box<dyn Store>>>) -> FileMemo {
    let store = store.clone();
    FileMemo::new(
        project,
        Box::new(move || store.lock().unwrap_or_else(PoisonError::into_inner).files().unwrap_or_default()),
    )
}

/// What a run was asked for beside its file and params.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// Nodes on the command line.
    #[serde(skip)]
    pub select: Vec<String>,
    /// `--force`
    #[serde(default)]
    pub force: Vec<String>,
    /// `--no-cache`
    #[serde(default)]
    pub no_cache: bool,
    /// `--keep-going`
    #[serde(default)]
    pub keep_going: bool,
}

impl Asked {
    /// From the settings.
    pub fn of(settings: &Settings) -> Self {
        let (select, force) = (settings.select.clone(), settings.force.clone());
        Self { select, force, no_cache: settings.no_cache, keep_going: settings.keep_going }
    }
}

/// What the run's folder keeps, with the identity by which a plain `run` knows the run again.
fn stored_plan(loaded: &Loaded, asked: &Asked) -> StoredPlan {
    let stored = loaded.stored.clone();
    let identity = serde_json::to_vec(&(&stored.identity, &asked.select, &asked.force, asked.no_cache));
    let identity = Digest::of(&identity.unwrap_or_default());
    let options = serde_json::to_value(asked).unwrap_or_default();
    StoredPlan { identity, options, select: asked.select.clone(), ..stored }
}

fn acquire(place: &Place, wait: bool, sinks: &mut [Box<dyn Sink>]) -> Result<Lock, Error> {
    let (path, who) = (place.home.lock(Path::new(&place.file)), Who::me(now()));
    let taken = if wait {
        let mut said = false;
        Lock::acquire_waiting(&path, who, &mut |held| {
            if !std::mem::replace(&mut said, true) {
                sinks.iter_mut().for_each(|sink| sink.note(&format!("waiting for {held}")));
            }
            true
        })
    } else {
        Lock::acquire(&path, who)
    };
    taken.map_err(|error| match error {
        NoLock::Held(held) => Error::Held { by: held.to_string() },
        NoLock::Fault(fault) => Error::Fault(fault),
    })
}

/// The run that `resume` names, with the plan stored in it.
fn resumed(place: &Place, store: &mut dyn Store, which: Option<u64>) -> Result<(Loaded, Asked, Option<u64>), Error> {
    let rows = store.runs(Some(&place.file), 1).map_err(Error::Store)?;
    let Some(run) = which.or_else(|| rows.first().map(|row| row.run)) else {
        let message = format!("`{}` has never been run", place.file);
        return Err(Error::Usage { message, help: Some("begin with `flowrun run`".into()) });
    };
    if !place.home.run(run).is_dir() {
        let message = format!("there is no run {run} of `{}`", place.file);
        return Err(Error::Usage { message, help: Some("`flowrun runs` lists them".into()) });
    }
    let stored = RunDir::open(&place.home, run)?.read_plan()?;
    let asked: Asked = serde_json::from_value(stored.options.clone()).unwrap_or_default();
    let asked = Asked { select: stored.select.clone(), ..asked };
    let loaded = load_stored(&stored)?;
    Ok((loaded, asked, Some(run)))
}

/// The newest run of the file, if it was interrupted and is the same. What an interrupted run of another text or other
/// params had finished goes to the store, so that it is not lost.
fn interrupted(place: &Place, store: &mut dyn Store, loaded: &Loaded, asked: &Asked) -> Result<Option<u64>, Error> {
    let rows = store.runs(Some(&place.file), 1).map_err(Error::Store)?;
    let Some(row) = rows.first().filter(|row| row.ended.is_none()) else { return Ok(None) };
    if !place.home.run(row.run).join("journal").is_file() {
        return Ok(None);
    }
    if row.identity == stored_plan(loaded, asked).identity {
        return Ok(Some(row.run));
    }
    let dir = RunDir::open(&place.home, row.run)?;
    if let Err(error) = salvage(&dir, store, row.run) {
        // It is a run that can still be continued by `resume`; a new one must not fail for it.
        let what = format!("what run {} had finished could not be read: {error:#}", row.run);
        return Err(Error::Store(anyhow::anyhow!(what)));
    }
    Ok(None)
}

/// Writes what an interrupted run had finished to the store.
fn salvage(dir: &RunDir, store: &mut dyn Store, run: u64) -> anyhow::Result<()> {
    let stored = dir.read_plan()?;
    // A plan that this version refuses has nothing that a later run could take.
    let Ok(loaded) = load_stored(&stored) else { return Ok(()) };
    let plan = Arc::new(loaded.plan);
    let nothing = Capacity { cpus: 0, memory: 0, gpus: Vec::new(), limits: Vec::new(), window: 1 };
    let mut history = History::default();
    dir.read_journal(0, &mut |_, event, list| history.push(event, list))?;
    let options = Options { keep_going: false, wanted: wanted(&plan, &stored.select)? };
    let engine = history.engine(plan.clone(), nothing, options)?;
    history.absorb(&plan, &engine, store, run)
}

/// What a journal tells.
#[derive(Default)]
struct History {
    events: Vec<Event>,
    lists: FxHashMap<Digest, Arc<crate::engine::Items>>,
}

impl History {
    fn push(&mut self, event: Event, list: Option<Arc<crate::engine::Items>>) {
        if let Some(list) = list {
            self.lists.insert(list.digest(), list);
        }
        self.events.push(event);
    }

    fn engine(&self, plan: Arc<Plan>, capacity: Capacity, options: Options) -> Result<Engine, Error> {
        let lists = |digest| self.lists.get(&digest).cloned();
        Engine::restore(plan, capacity, options, self.events.iter().cloned(), lists)
            .map_err(|error| Error::Store(anyhow::anyhow!("the journal of the run does not fit its plan: {error}")))
    }

    /// Results that did not reach the store, for their driver was killed before it wrote them.
    fn absorb(&self, plan: &Plan, engine: &Engine, store: &mut dyn Store, run: u64) -> anyhow::Result<()> {
        let mut keys = FxHashMap::default();
        let mut ended: FxHashMap<NodeId, Vec<Entry>> = FxHashMap::default();
        for event in &self.events {
            match event {
                Event::Submitted { instance, attempt, key: Some(key), .. } => {
                    keys.insert((*instance, *attempt), *key);
                }
                Event::Ended { instance, attempt, outcome } => {
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
                            made: Made { run, at: usage.began, wall_us: usage.wall_us, ..Made::default() },
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
            }
        }
        Ok(())
    }
}

/// Of each node of the root whether it runs, by the nodes that were named.
pub fn wanted(plan: &Plan, names: &[String]) -> Result<Vec<bool>, Error> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    plan.select(&names).map_err(|diagnostic| Error::Diagnostics { list: vec![diagnostic], sources: Default::default() })
}

/// Of each node whether its earlier results are passed over.
pub fn forced(plan: &Plan, asked: &Asked) -> Result<Vec<bool>, Error> {
    let mut force = vec![asked.no_cache; plan.nodes.len()];
    for name in &asked.force {
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

fn is_wanted(plan: &Plan, wanted: &[bool], node: &Node) -> bool {
    let mut node = node;
    while let Some(owner) = plan.bodies[node.body].owner {
        node = &plan.nodes[owner];
    }
    wanted.get(node.slot as usize).copied().unwrap_or(true)
}

/// The pipeline's outputs, the failures with the ends of their logs, the counts.
fn conclude(plan: &Plan, wanted: &[bool], (run, dir): (u64, &RunDir), closed: &Closed, began: u64) -> Ended {
    let mut failures: Vec<FailureItem> = closed
        .engine
        .failures()
        .map(|failed| failure_item(closed.engine.name(failed.instance).into(), &dir.logs(), failed))
        .collect();
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
    Ended { run, end, outputs, counts: *closed.engine.counts(), wall_ms, failures }
}

fn reads_unwanted(plan: &Plan, wanted: &[bool], shape: &Shape) -> bool {
    let unwanted = |name: &Arc<str>| {
        plan.nodes.iter().any(|(_, node)| node.body.0 == 0 && node.name == *name && !is_wanted(plan, wanted, node))
    };
    match shape {
        Shape::Plain(_) => false,
        Shape::Template(template) => template.reads().iter().any(|read| unwanted(&read.path[0])),
        Shape::List(items) => items.iter().any(|item| reads_unwanted(plan, wanted, item)),
        Shape::Map(entries) => entries.iter().any(|(_, item)| reads_unwanted(plan, wanted, item)),
    }
}

fn output_failure(name: &str, error: EvalError) -> FailureItem {
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
