//! `prepare`: the key of each instance of a batch, what the cache has, and the rendered job of what must run.
//! Runs on worker threads; the engine only sees the answers.

use crate::base::digest::{Half, Key};
use crate::base::text::quote;
use crate::base::{Digest, InstanceId, NodeId, Value};
use crate::driver::backends::Assigned;
use crate::driver::claims::{Claim, Claims};
use crate::driver::container::{self, Engines, Image};
use crate::driver::facts::{Declared, Facts};
use crate::driver::gone::Gone;
use crate::driver::lease;
use crate::driver::memo::FileMemo;
use crate::driver::patient::Patient;
use crate::driver::scene::{self, Place, Scene, refused};
use crate::driver::shell::Scenery;
use crate::driver::words;
use crate::engine::key::{Change, Component, Content, Visitor, changes, components};
use crate::engine::{Prepared, Preparing, Values};
use crate::event::{Artifact, Failure, Produced, Results};
use crate::lang::outputs::Keep;
use crate::plan::{NodeKind, OutputKind, Plan, Task};
use crate::port::{Entry, Hit, Job, JobOutput, JobOutputKind, Store, Term};
use crate::store::artifacts::{Artifacts, Condition};
use crate::store::fetched::{Fetched, Want};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Between SIGTERM and SIGKILL.
const GRACE_MS: u64 = 10_000;

/// Different reasons of which a dry run keeps one for all that have them.
const SHARED: usize = 1000;

/// How the text about a file that is not there goes on.
pub(super) const MISSING: &str = " is missing";

/// What the workers share.
pub struct Workshop {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The pipeline file's folder, absolute.
    pub project: PathBuf,
    /// The run's number.
    pub run: u64,
    /// The run's folder, absolute.
    pub run_dir: PathBuf,
    /// Who executes what, and what there is.
    pub assigned: Assigned,
    /// Digests of files.
    pub memo: Arc<FileMemo>,
    /// Digests of outputs that were let go.
    pub gone: Gone,
    /// The database.
    pub store: Arc<Mutex<Box<dyn Store>>>,
    /// How it is asked.
    pub patient: Patient,
    /// The artifact folder, where there is one.
    pub artifacts: Option<Arc<Artifacts>>,
    /// Files that were fetched; a part of it.
    pub fetched: Fetched,
    /// What runs containers.
    pub engines: Engines,
    /// The instance whose question is kept, for a shell in its place.
    pub show: Option<Arc<str>>,
    /// Nodes whose results are not looked up, by id.
    pub force: Vec<bool>,
    /// Only look: nothing is restored, and no job is rendered.
    pub dry: Option<Dry>,
    /// How long a lease lasts that is not renewed.
    pub lease: Term,
    /// `cache accept`: earlier results that are to count under new keys.
    pub accepting: Option<Accepting>,
    /// `run --only`: nodes of which only the last results are taken, by id; empty: none.
    pub taken_as_is: Vec<bool>,
    /// Results of instances that are taken so, by name, before those of the store are.
    pub given: FxHashMap<Arc<str>, Results>,
    facts: Vec<OnceLock<Result<Facts, String>>>,
    declared: Declared,
    desk: Mutex<Desk>,
}

/// How much a dry run keeps of what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dry {
    /// Why instances would run.
    Reasons,
    /// And the components of every key.
    Components,
    /// And what instances ask of the backend.
    Jobs,
}

/// What `cache accept` asks for, and finds.
#[derive(Default)]
pub struct Accepting {
    /// Of each node whether it is meant, by id.
    pub nodes: Vec<bool>,
    /// Also where values and inputs have changed.
    pub values: bool,
    /// Outputs that are missing are put back where their bytes are kept; else it is only looked whether they are.
    pub restore: bool,
    /// Earlier results under their new keys, with what has changed.
    pub accepted: Mutex<Vec<(Entry, Vec<Change>)>>,
    /// Instances that cannot be accepted, and why.
    pub refused: Mutex<Vec<(Arc<str>, String)>>,
}

/// What is prepared and not yet started or recorded.
#[derive(Default)]
struct Desk {
    /// Boxed, for the map keeps its size when they are gone.
    ready: FxHashMap<InstanceId, Box<Ready>>,
    claims: Claims,
    taken: FxHashMap<NodeId, Vec<(Key, Arc<str>)>>,
    /// By instance.
    looked: Vec<Option<Looked>>,
    /// Most instances have the reasons of others.
    reasons: FxHashSet<Arc<[Change]>>,
    shown: Option<(NodeId, Preparing)>,
}

/// A rendered job and what its result will be recorded with.
pub struct Ready {
    /// The job; its name and GPUs are filled in when it starts.
    pub job: Job,
    /// `None` when its result is not cached.
    pub origin: Option<Origin>,
    /// Inputs that come from elsewhere.
    pub wants: Vec<Want>,
}

/// What a result is recorded with.
pub struct Origin {
    /// The key.
    pub key: Key,
    /// The node's components.
    pub fixed: Arc<Vec<Component>>,
    /// The instance's components.
    pub own: Vec<Component>,
}

/// What a dry run found out about an instance: little, for a plan may hold a million.
#[derive(Clone)]
pub struct Looked {
    /// Its key, shortened; `None` when its result is not cached.
    pub key: Option<Half>,
    /// Why it would run; empty when the cache has it.
    pub reasons: Arc<[Change]>,
    /// Of runs that keep more than reasons.
    pub more: Option<Arc<More>>,
}

/// What else a dry run found out about an instance.
pub struct More {
    /// All components of the key, in order.
    pub components: Vec<Component>,
    /// How its container is run.
    pub line: Option<Arc<str>>,
    /// What it asks of the backend.
    pub job: Option<Job>,
}

/// An instance that has a key or runs in any case.
struct Found<'a> {
    at: usize,
    whole: bool,
    scene: Scene<'a>,
    values: Values,
    files: Vec<Vec<(Value, Option<Digest>)>>,
    container: Option<Image>,
    key: Option<Key>,
}

impl Workshop {
    /// A workshop with empty shelves.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        plan: Arc<Plan>,
        project: PathBuf,
        run: (u64, PathBuf),
        assigned: Assigned,
        memo: Arc<FileMemo>,
        store: Arc<Mutex<Box<dyn Store>>>,
        artifacts: Option<Arc<Artifacts>>,
        force: Vec<bool>,
        dry: Option<Dry>,
    ) -> Self {
        let facts = (0..plan.nodes.len()).map(|_| OnceLock::new()).collect();
        let declared = Declared::of(&plan);
        let desk = Mutex::new(Desk { claims: Claims::of(&plan), ..Desk::default() });
        let (run, run_dir) = run;
        let patient = Patient::default();
        let engines = Engines::new(&project, None, dry.is_some());
        let folder = artifacts.as_ref().map_or_else(|| run_dir.join("artifacts"), |kept| kept.folder().to_owned());
        let fetched = Fetched::within(&project.join(folder));
        Self {
            plan,
            project,
            run,
            run_dir,
            assigned,
            memo,
            gone: Gone::default(),
            store,
            patient,
            artifacts,
            fetched,
            engines,
            show: None,
            force,
            dry,
            lease: lease::term(false),
            accepting: None,
            taken_as_is: Vec::new(),
            given: FxHashMap::default(),
            facts,
            declared,
            desk,
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The prepared job of an instance, to be started.
    pub fn take(&self, instance: InstanceId) -> Option<Ready> {
        self.desk().ready.remove(&instance).map(|ready| *ready)
    }

    /// Hits that are not the newest entries of their instances, to be told to the store.
    pub fn taken(&self) -> FxHashMap<NodeId, Vec<(Key, Arc<str>)>> {
        std::mem::take(&mut self.desk().taken)
    }

    /// The instance that is to be shown, with the values that it reads.
    pub fn shown(&self) -> Option<(NodeId, Preparing)> {
        self.desk().shown.take()
    }

    /// What an instance would run, and what it needs around it.
    pub fn scenery(&self, node: NodeId, one: Preparing) -> Result<Scenery, Failure> {
        let skipped = || refused("it is skipped: its `when` is false".into(), None);
        let NodeKind::Task(task) = &self.plan.nodes[node].kind else { return Err(skipped()) };
        let facts = Facts::find(&self.declared, task, &self.project, &self.memo);
        let facts = facts.map_err(|fault| refused(fault.what, fault.help))?;
        let (instance, attempt, place) = (one.instance, one.attempt, self.place());
        let this = self.find(&place, node, task, &facts, 0, one)?.ok_or_else(skipped)?;
        let setup = (words::setup(task, &this.scene)?, task.setup.shell.clone());
        let job = self.job(task, &this, instance, attempt)?;
        Ok(Scenery { job, setup, wants: this.scene.wants })
    }

    /// What a dry run found out about an instance.
    pub fn looked(&self, instance: InstanceId) -> Option<Looked> {
        self.desk().looked.get(instance.0 as usize).cloned().flatten()
    }

    /// What is common to all scenes.
    pub fn place(&self) -> Place<'_> {
        Place {
            plan: &self.plan,
            project: &self.project,
            run: (self.run, &self.run_dir),
            assigned: &self.assigned,
            memo: &self.memo,
            gone: &self.gone,
            fetched: &self.fetched,
        }
    }

    /// What an instance that is ready waits for, files that are there left out.
    pub fn wants(&self, instance: InstanceId) -> Vec<Want> {
        let mut wants = match self.desk().ready.get_mut(&instance) {
            Some(ready) => std::mem::take(&mut ready.wants),
            None => return Vec::new(),
        };
        wants.retain(|want| !self.fetched.has(want));
        wants
    }

    /// Answers `Effect::Prepare`. `names` are the instances' names, in the order of the batch.
    ///
    /// # Errors
    /// When the store cannot be read; whatever is wrong with one instance is its own answer.
    pub fn prepare(
        &self,
        node: NodeId,
        batch: Vec<Preparing>,
        names: &[Arc<str>],
    ) -> anyhow::Result<Vec<(InstanceId, Prepared)>> {
        let NodeKind::Task(task) = &self.plan.nodes[node].kind else { return Ok(Vec::new()) };
        let ids: Vec<(InstanceId, u32)> = batch.iter().map(|p| (p.instance, p.attempt)).collect();
        let mut answers: Vec<Option<Prepared>> = ids.iter().map(|_| None).collect();
        let facts = self.facts[node.0 as usize].get_or_init(|| {
            Facts::find(&self.declared, task, &self.project, &self.memo)
                .map_err(|e| format!("a script cannot be read: {e}"))
        });
        let facts = match facts {
            Ok(facts) => facts,
            Err(message) => {
                let failed = || Prepared::Failed(refused(message.clone(), None));
                return Ok(ids.iter().map(|(id, _)| (*id, failed())).collect());
            }
        };
        if self.taken_as_is.get(node.0 as usize).copied().unwrap_or(false) {
            return self.take_latest(node, task, facts, batch, names);
        }
        let place = self.place();
        let mut found = Vec::with_capacity(batch.len());
        for (at, one) in batch.into_iter().enumerate() {
            if self.show.as_ref() == Some(&names[at]) {
                self.desk().shown = Some((node, one.clone()));
            }
            match self.find(&place, node, task, facts, at, one) {
                Ok(Some(this)) => found.push(this),
                Ok(None) => answers[at] = Some(Prepared::Skip),
                Err(failure) => answers[at] = Some(Prepared::Failed(failure)),
            }
        }
        let hits = self.look_up(node, &found, names)?;
        let mut missed = Vec::new();
        for (this, hit) in found.into_iter().zip(hits) {
            match (this.key, hit) {
                (Some(key), Some(hit)) => {
                    let outputs = task.outputs.iter().map(|output| &output.name).zip(&this.scene.outputs);
                    let may_go = |i: usize| !this.whole && task.outputs[i].keep == Keep::UntilConsumed;
                    match self.verify(outputs, &hit, may_go) {
                        Ok(gone) => {
                            if self.dry.is_none() && !hit.newest {
                                self.desk().taken.entry(node).or_default().push((key, names[this.at].clone()));
                            }
                            if self.dry == Some(Dry::Components) {
                                self.look(facts, ids[this.at].0, &this, Vec::new());
                            }
                            let results = hit.results;
                            answers[this.at] = Some(match gone.is_empty() {
                                true => Prepared::Hit { key, results },
                                false => Prepared::Known { key, results, gone },
                            });
                        }
                        Err(gone) => missed.push((this, vec![gone])),
                    }
                }
                (_, None) | (None, _) => missed.push((this, Vec::new())),
            }
        }
        self.explain(node, task, facts, &mut missed, names)?;
        let missed = self.accept(node, task, facts, missed, (&mut answers, names))?;
        for (this, reasons) in missed {
            let (at, (instance, attempt)) = (this.at, ids[this.at]);
            let why = summary(&reasons);
            let needs = this.scene.needs.clone();
            let key = this.key;
            answers[at] = Some(if self.dry.is_some() {
                self.look(facts, instance, &this, reasons);
                Prepared::Run { key, needs, why }
            } else {
                match self.render(task, facts, this, instance, attempt) {
                    Ok(ready) => {
                        self.desk().ready.insert(instance, Box::new(ready));
                        Prepared::Run { key, needs, why }
                    }
                    Err(failure) => Prepared::Failed(failure),
                }
            });
        }
        Ok(ids.iter().zip(answers).filter_map(|((id, _), answer)| Some((*id, answer?))).collect())
    }

    /// Evaluates an instance's names and finds its key; `None`: its `when` is false.
    fn find<'a>(
        &'a self,
        place: &'a Place<'a>,
        node: NodeId,
        task: &'a Task,
        facts: &'a Facts,
        at: usize,
        one: Preparing,
    ) -> Result<Option<Found<'a>>, Failure> {
        let Preparing { instance, attempt, raised, whole, values } = one;
        let mut scene = Scene::new(place, task, facts, &values, (attempt, raised));
        let (before, after) = task.order.split_at(task.before_when as usize);
        for local in before {
            scene.evaluate(*local)?;
        }
        if let Some(when) = &self.plan.nodes[node].when
            && !scene::boolean(when, &scene.frame, "when").map_err(|wrong| wrong.said(&self.plan.sources))?
        {
            return Ok(None);
        }
        for local in after {
            scene.evaluate(*local)?;
        }
        self.claim(task, instance, &scene)?;
        let mut files = Vec::new();
        for (read, value) in task.reads.iter().zip(&values) {
            let mut held = Vec::new();
            if let Ok(value) = value
                && read.keyed
                && read.ty.has_paths()
            {
                let mut paths = Vec::new();
                read.ty.paths(value, &mut |path| paths.push(path.clone()));
                for path in paths {
                    let digest = scene.digest(&path)?;
                    held.push((path, digest));
                }
            }
            files.push(held);
        }
        let image = |container| self.engines.image(container, &mut scene);
        let container = task.container.as_ref().map(image).transpose()?;
        let mut this = Found { at, whole, scene, values, files, container, key: None };
        if task.cache {
            this.key = Some(facts.fixed.key(|visitor| own_walk(task, &this, visitor)));
        }
        Ok(Some(this))
    }

    /// Two instances that give one path are an error.
    fn claim(&self, task: &Task, instance: InstanceId, scene: &Scene<'_>) -> Result<(), Failure> {
        for (output, path) in task.outputs.iter().zip(&scene.outputs).filter(|(_, path)| !path.is_empty()) {
            let claim = Claim { name: &output.name, kind: &output.kind, path };
            self.desk().claims.claim(&self.project, instance, &claim)?;
        }
        Ok(())
    }

    /// What the store has under the keys, for those that may be taken from it.
    fn look_up(&self, node: NodeId, found: &[Found<'_>], names: &[Arc<str>]) -> anyhow::Result<Vec<Option<Hit>>> {
        let keys: Vec<(Key, Arc<str>)> =
            found.iter().filter_map(|this| Some((this.key?, names[this.at].clone()))).collect();
        if keys.is_empty() || self.force[node.0 as usize] {
            return Ok(found.iter().map(|_| None).collect());
        }
        let (pipeline, node) = (&self.plan.name, &self.plan.nodes[node].path);
        let mut hits = self.patient.ask(&self.store, |store| store.lookup(pipeline, node, &keys))?.into_iter();
        Ok(found.iter().map(|this| this.key.and_then(|_| hits.next().flatten())).collect())
    }

    /// Whether the outputs of a hit for a prepared instance are there and whole.
    pub fn is_whole(&self, instance: InstanceId, hit: &Hit) -> bool {
        let outputs: Vec<(Arc<str>, Vec<u8>)> = match self.desk().ready.get(&instance) {
            Some(ready) => {
                ready.job.outputs.iter().map(|output| (output.name.clone(), output.path().to_vec())).collect()
            }
            None => return false,
        };
        self.verify(outputs.iter().map(|(name, path)| (name, path)), hit, |_| false).is_ok()
    }

    /// Why each of these must run: what changed since its newest result.
    fn explain(
        &self,
        node: NodeId,
        task: &Task,
        facts: &Facts,
        missed: &mut [(Found<'_>, Vec<Change>)],
        names: &[Arc<str>],
    ) -> anyhow::Result<()> {
        if missed.is_empty() {
            return Ok(());
        }
        let told = |text: &str| vec![Change { component: text.into(), old: None, new: None }];
        if !task.cache {
            let why = if task.outputs.is_empty() { "it declares no output" } else { "`cache` is off" };
            missed.iter_mut().for_each(|(_, reasons)| *reasons = told(why));
            return Ok(());
        }
        if self.force[node.0 as usize] {
            missed.iter_mut().for_each(|(_, reasons)| *reasons = told("forced"));
            return Ok(());
        }
        let asked: Vec<Arc<str>> = missed.iter().map(|(this, _)| names[this.at].clone()).collect();
        let (pipeline, path) = (&self.plan.name, &self.plan.nodes[node].path);
        let latest = self.patient.ask(&self.store, |store| store.latest(pipeline, path, &asked))?;
        for ((this, reasons), entry) in missed.iter_mut().zip(latest) {
            if !reasons.is_empty() {
                continue;
            }
            let Some(entry) = entry else {
                *reasons = told("never run before");
                continue;
            };
            let own = components(|visitor| own_walk(task, this, visitor));
            let old = entry.fixed.iter().chain(&entry.own);
            *reasons = changes(old, facts.fixed.components.iter().chain(&own));
            if reasons.is_empty() {
                // The same key was recorded and is gone, or its components were lost with a killed driver.
                *reasons = told("its earlier result is not complete");
            }
        }
        Ok(())
    }

    /// Takes earlier results over where nothing but what the file says of the task has changed, and gives the rest back.
    fn accept<'a>(
        &self,
        node: NodeId,
        task: &Task,
        facts: &Facts,
        missed: Vec<(Found<'a>, Vec<Change>)>,
        (answers, names): (&mut [Option<Prepared>], &[Arc<str>]),
    ) -> anyhow::Result<Vec<(Found<'a>, Vec<Change>)>> {
        let Some(accepting) = self.accepting.as_ref().filter(|accepting| accepting.nodes[node.0 as usize]) else {
            return Ok(missed);
        };
        let asked: Vec<Arc<str>> = missed.iter().map(|(this, _)| names[this.at].clone()).collect();
        let path = &self.plan.nodes[node].path;
        let latest = self.patient.ask(&self.store, |store| store.latest(&self.plan.name, path, &asked))?;
        let mut rest = Vec::new();
        for ((this, reasons), entry) in missed.into_iter().zip(latest) {
            let own = components(|visitor| own_walk(task, &this, visitor));
            let (Some(key), Some(entry)) = (this.key, entry) else {
                let why = if task.cache { "it has no earlier result" } else { "its results are not cached" };
                lock(&accepting.refused).push((names[this.at].clone(), why.to_owned()));
                rest.push((this, reasons));
                continue;
            };
            match self.same_but_for_words(accepting, facts, &own, &entry) {
                Ok(()) => {
                    let old = entry.fixed.iter().chain(&entry.own);
                    let changed = changes(old, facts.fixed.components.iter().chain(&own));
                    answers[this.at] = Some(Prepared::Hit { key, results: entry.results.clone() });
                    let entry = Entry { key, fixed: facts.fixed.components.clone(), own, ..entry };
                    lock(&accepting.accepted).push((entry, changed));
                }
                Err(why) => {
                    lock(&accepting.refused).push((names[this.at].clone(), why));
                    rest.push((this, reasons));
                }
            }
        }
        Ok(rest)
    }

    /// Whether an earlier result can stand for what the task would give now, or why not.
    fn same_but_for_words(
        &self,
        accepting: &Accepting,
        facts: &Facts,
        own: &[Component],
        entry: &Entry,
    ) -> Result<(), String> {
        if entry.fixed.is_empty() {
            return Err("its earlier result is not complete".to_owned());
        }
        if let Some(change) = changes(entry.own.iter(), own.iter()).first()
            && !accepting.values
        {
            return Err(format!("{} changed, which is no matter of words", quote(&change.component)));
        }
        let outputs = |components: &[Component]| -> Vec<Component> {
            let of_outputs = |c: &&Component| ["output ", "optional ", "ensure "].iter().any(|w| c.name.starts_with(w));
            components.iter().filter(of_outputs).cloned().collect()
        };
        if outputs(&entry.fixed) != outputs(&facts.fixed.components) {
            return Err("it declares other outputs than before".to_owned());
        }
        for Artifact { path, digest, exec, .. } in entry.results.iter().flat_map(Produced::artifacts) {
            let path = path.as_bytes().unwrap_or_default();
            let full = self.project.join(OsStr::from_bytes(path));
            let kept = self.project.join(OsStr::from_bytes(&crate::port::kept_path(path)));
            let whole = kept.symlink_metadata().is_err()
                && self.memo.digest_of(&full).is_ok_and(|content| content.digest == digest);
            let back = || match &self.artifacts {
                Some(artifacts) if accepting.restore => artifacts.restore(&digest, &full, exec),
                Some(artifacts) => artifacts.check(&digest),
                None => Ok(Condition::Missing),
            };
            let missing = || kept.symlink_metadata().is_err() && full.symlink_metadata().is_err();
            if !(whole || missing() && matches!(back(), Ok(Condition::Whole))) {
                let shown = quote(&String::from_utf8_lossy(path));
                return Err(format!("{shown} is not there as it was recorded"));
            }
        }
        Ok(())
    }

    fn look(&self, facts: &Facts, instance: InstanceId, this: &Found<'_>, reasons: Vec<Change>) {
        let job = || self.job(this.scene.task(), this, instance, 1).ok();
        let more = match self.dry {
            Some(Dry::Components) => {
                let own = components(|visitor| own_walk(this.scene.task(), this, visitor));
                // What cannot be rendered is said when it is to run.
                let job = this.container.as_ref().and_then(|_| job());
                let line = job.and_then(|job| container::line(&job, &self.run_dir.with_file_name("N").join("work")));
                let components = facts.fixed.components.iter().cloned().chain(own).collect();
                Some(Arc::new(More { components, line, job: None }))
            }
            Some(Dry::Jobs) => Some(Arc::new(More { components: Vec::new(), line: None, job: job().map(outline) })),
            _ => None,
        };
        let mut desk = self.desk();
        let reasons = match desk.reasons.get(reasons.as_slice()) {
            Some(same) => same.clone(),
            None => {
                let reasons: Arc<[Change]> = reasons.into();
                if desk.reasons.len() < SHARED {
                    desk.reasons.insert(reasons.clone());
                }
                reasons
            }
        };
        let at = instance.0 as usize;
        if desk.looked.len() <= at {
            desk.looked.resize(at + 1, None);
        }
        desk.looked[at] = Some(Looked { key: this.key.map(|key| key.half()), reasons, more });
    }

    /// The job of an instance.
    fn render(
        &self,
        task: &Task,
        facts: &Facts,
        this: Found<'_>,
        instance: InstanceId,
        attempt: u32,
    ) -> Result<Ready, Failure> {
        let origin = this.key.map(|key| Origin {
            key,
            fixed: facts.fixed.components.clone(),
            own: components(|visitor| own_walk(task, &this, visitor)),
        });
        let job = self.job(task, &this, instance, attempt)?;
        Ok(Ready { job, origin, wants: this.scene.wants })
    }

    fn job(&self, task: &Task, this: &Found<'_>, instance: InstanceId, attempt: u32) -> Result<Job, Failure> {
        let scene = &this.scene;
        let (argv, script) = words::command(task, scene)?;
        let workdir = scene.workdir()?;
        let inside = |image: &Image| image.container(task, scene, &self.project, workdir.as_deref());
        let outputs = task.outputs.iter().zip(&scene.outputs).map(|(output, path)| JobOutput {
            name: output.name.clone(),
            kind: match &output.kind {
                OutputKind::Value(ty) => JobOutputKind::Value(ty.clone()),
                OutputKind::Stdout(ty) => JobOutputKind::Stdout(ty.clone()),
                OutputKind::File(_) => JobOutputKind::File(path.clone()),
                OutputKind::Dir(_) => JobOutputKind::Dir(path.clone()),
                OutputKind::Files(_) => JobOutputKind::Files(path.clone()),
            },
            demand: output.demand.clone(),
        });
        Ok(Job {
            instance,
            attempt,
            name: "".into(),
            argv,
            env: scene.env.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())).collect(),
            secrets: task.secrets.iter().map(|(name, from)| (name.clone(), from.value.clone())).collect(),
            container: this.container.as_ref().map(inside),
            workdir,
            project: self.project.clone(),
            script,
            vars: scene.vars_file(),
            outputs: outputs.collect(),
            time_ms: scene.time_ms,
            grace_ms: GRACE_MS,
            needs: scene.needs.clone(),
            options: scene.options.clone(),
            pack: scene.pack,
            watched: if this.key.is_some() { scene.watched.clone() } else { Vec::new() },
        })
    }
}

/// A job without what is long: a plan may hold a million.
fn outline(job: Job) -> Job {
    Job {
        argv: Vec::new(),
        env: Vec::new(),
        script: None,
        vars: None,
        outputs: Vec::new(),
        watched: Vec::new(),
        container: None,
        workdir: None,
        ..job
    }
}

fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The components of a key that are the instance's own: values read, and input files.
fn own_walk(task: &Task, this: &Found<'_>, visitor: &mut dyn Visitor) {
    for ((read, value), files) in task.reads.iter().zip(&this.values).zip(&this.files) {
        if !read.keyed {
            continue;
        }
        let name = format!("value {}", read.name);
        let value = value.as_ref().unwrap_or(&Value::Null);
        match files.as_slice() {
            [] => visitor.component(&name, Content::Value(value)),
            files => visitor.component(&name, Content::Files(value, files)),
        }
    }
    for (name, shown, files) in &this.scene.inputs {
        let value = match (shown, files.as_slice()) {
            (Value::List(_), files) => Value::list(files.iter().map(|(path, _)| path.clone()).collect()),
            (_, [(path, _)]) => path.clone(),
            (_, _) => Value::Null,
        };
        visitor.component(&format!("input {name}"), Content::Files(&value, files));
    }
    if let Some(image) = &this.container {
        image.component(visitor);
    }
}

/// Whether the file of an output is not there.
fn is_missing_output(change: &Change) -> bool {
    change.component.starts_with("output ") && change.new.as_ref().is_some_and(|new| new.contains(MISSING))
}

/// The reasons in a few words, for the line that says that an instance starts.
fn summary(reasons: &[Change]) -> Option<Arc<str>> {
    let changed: Vec<&Change> = reasons.iter().filter(|c| c.old.is_some() || c.new.is_some()).collect();
    match (changed.as_slice(), reasons) {
        ([], []) => None,
        ([], [first, ..]) if &*first.component == "never run before" => None,
        ([], [first, ..]) => Some(first.component.clone()),
        ([one], _) if is_missing_output(one) => Some(format!("{} missing", one.component).into()),
        ([one], _) => Some(format!("{} changed", one.component).into()),
        ([one, rest @ ..], _) => Some(format!("{} and {} more changed", one.component, rest.len()).into()),
    }
}
