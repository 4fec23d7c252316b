//! Runs as their journals tell them, live or over: for `status` and `log`. Reads only, and never the store.

use super::load::never_run;
use super::rundir::{Home, RunDir, StoredPlan};
use super::{Error, load_stored};
use super::{detached, ending};
use crate::base::id::Id;
use crate::base::text::{did_you_mean, quote};
use crate::base::{Digest, InstanceId};
use crate::engine::{BadJournal, Counts, Failed, Fold, Items, Ledger, State};
use crate::event::{Event, Failure, LogRange, Results, Time};
use crate::plan::NodeKind;
use crate::port::afar::Afar;
use crate::port::ended::{FailedKind, FailureItem};
use crate::port::status::{AtWork, Delayed, Elsewhere, Life, LogPlace, Status};
use crate::sys::{Fault, FaultKind, lock};
use rustc_hash::FxHashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of a log is kept with a failure.
const TAIL: u64 = 4096;

/// The state of a run of a pipeline file; `None`: of the newest. `afar` is asked where a job is to drive it.
pub fn status(pipeline: &Path, run: Option<u64>, afar: Option<&dyn Afar>) -> Result<Status, Error> {
    let home = Home::beside(pipeline);
    let number = newest(&home, pipeline, run)?;
    let mut story = Story::read(&home, number)?;
    if let Some(afar) = afar {
        story.look_afar(afar)?;
    }
    let life = story.life();
    let mut counts = *story.fold.ledger().counts();
    let mut nodes = story.by_node();
    let (mut running, mut delayed, mut elsewhere) = (story.at_work(), Vec::new(), Vec::new());
    if matches!(life, Life::Live(_)) {
        delayed = story.delayed();
        elsewhere = story.elsewhere();
    } else {
        // What runs elsewhere goes on without a driver.
        let cancelled = ending::is_cancelled(&story, &story.dir);
        running.retain(|work| work.host.is_some() && !cancelled);
        // Nobody is at work in a run without a process.
        for counts in nodes.iter_mut().map(|(_, counts)| counts).chain([&mut counts]) {
            counts.waiting += std::mem::take(&mut counts.running);
        }
    }
    Ok(Status {
        run: number,
        pipeline: story.stored.name.as_str().into(),
        life,
        began: story.began,
        last: story.last,
        counts,
        nodes,
        running,
        delayed,
        elsewhere,
        failures: story.failures(),
    })
}

/// The run that was named, else the newest of the pipeline file.
pub(super) fn newest(home: &Home, pipeline: &Path, run: Option<u64>) -> Result<u64, Error> {
    match run {
        Some(run) => Ok(run),
        None => runs_of(home, pipeline)?.first().copied().ok_or_else(|| never_run(pipeline)),
    }
}

/// Where the log of an instance is; `None`: of the newest run that has it, of its last attempt.
pub fn log(pipeline: &Path, run: Option<u64>, instance: &str, attempt: Option<u32>) -> Result<LogPlace, Error> {
    let home = Home::beside(pipeline);
    let runs = match run {
        Some(run) => vec![run],
        None => runs_of(&home, pipeline)?,
    };
    // Of a run that only took it from the cache there is no log: then the run that made it is asked.
    let mut first_answer = None;
    for run in runs {
        let story = Story::read(&home, run)?;
        match story.log(run, instance, attempt) {
            Ok(place) => return Ok(place),
            Err(error) => first_answer = first_answer.or(Some(error)),
        }
    }
    Err(first_answer.unwrap_or_else(|| never_run(pipeline)))
}

/// What failed, with the end of its log.
pub fn failure_item(ledger: &Ledger, logs: &Path, failed: &Failed) -> FailureItem {
    let range = failed.log.filter(|range| range.out.1 + range.err.1 > 0);
    let tail = range.map(|range| {
        let (file, part) = if range.err.1 > 0 { ("err", range.err) } else { ("out", range.out) };
        tail_of(&logs.join(format!("{}.{file}", range.segment)), part).unwrap_or_default()
    });
    FailureItem {
        instance: ledger.space().name(failed.instance).into(),
        kind: match &ledger.space().plan().nodes[ledger.space().place(failed.instance).node].kind {
            NodeKind::Task(_) => FailedKind::Task,
            holder => FailedKind::Holder(holder.word()),
        },
        attempt: failed.attempt,
        cause: failed.failure.cause,
        message: Arc::clone(&failed.failure.message),
        help: failed.failure.help.clone(),
        ignored: failed.ignored,
        tail: tail.unwrap_or_default(),
        has_log: range.is_some(),
        usage: failed.usage.clone(),
        host: failed.host.clone(),
    }
}

fn tail_of(path: &Path, (from, len): (u64, u64)) -> std::io::Result<Vec<u8>> {
    let take = len.min(TAIL);
    let mut bytes = vec![0; take as usize];
    File::open(path)?.read_exact_at(&mut bytes, from + len - take)?;
    if take < len {
        // The first line is only the end of one.
        let whole = bytes.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..whole);
    }
    Ok(bytes)
}

/// The runs of a pipeline file, newest first. Several pipelines of one folder share its state.
fn runs_of(home: &Home, pipeline: &Path) -> Result<Vec<u64>, Error> {
    let mut runs = home.runs()?;
    runs.reverse();
    runs.retain(|run| {
        let plan = RunDir::open(home, *run).and_then(|dir| dir.read_plan());
        // One that cannot be read is told when it is asked for.
        plan.map_or(true, |plan| path_of(&plan).file_name() == pipeline.file_name())
    });
    Ok(runs)
}

/// The name of the pipeline file of a run.
pub(super) fn file_of(plan: &StoredPlan) -> String {
    path_of(plan).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn path_of(plan: &StoredPlan) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(plan.pipeline.as_bytes().unwrap_or_default()))
}

/// Why instances of a run ran that had run before, by name: `command changed`. Nothing of a run that is gone.
pub(super) fn whys(home: &Home, run: u64) -> FxHashMap<Arc<str>, Arc<str>> {
    match Story::read(home, run) {
        Ok(story) => story.whys.iter().map(|(instance, why)| (story.name(*instance), why.clone())).collect(),
        Err(_) => FxHashMap::default(),
    }
}

/// A run that is looked after: which instances it had, and whether anybody is at it.
pub(super) struct Past(Story);

impl Past {
    /// A run of a state folder.
    pub fn read(home: &Home, run: u64) -> Result<Self, Error> {
        Story::read(home, run).map(Self)
    }

    /// The run of this number, if it is the one of this identity: another store gives the same numbers.
    pub fn of_identity(home: &Home, run: u64, identity: &Digest) -> Option<Self> {
        let plan = RunDir::open(home, run).ok()?.read_plan().ok()?;
        if plan.identity == *identity { Self::read(home, run).ok() } else { None }
    }

    /// The pipeline's name.
    pub fn pipeline(&self) -> Arc<str> {
        self.0.stored.name.as_str().into()
    }

    /// The pipeline file's name.
    pub fn file(&self) -> Arc<str> {
        path_of(&self.0.stored).file_name().unwrap_or_default().to_string_lossy().into()
    }

    /// Every instance of a task, with the time of the run's last event if it ended well or was cached, else 0.
    pub fn instances(&self) -> impl Iterator<Item = (Arc<str>, Time)> + '_ {
        let ledger = self.0.fold.ledger();
        let tasks = (0..ledger.states().len()).map(InstanceId::from_index).filter(|id| ledger.is_task(*id));
        tasks.map(|id| {
            let used = matches!(ledger.state(id), State::Succeeded | State::Cached);
            (self.0.name(id), if used { self.0.last } else { 0 })
        })
    }

    /// What it does now.
    pub fn life(&self) -> Life {
        self.0.life()
    }

    /// Its instances by state; of a run that nobody is at, nothing runs.
    pub fn counts(&self) -> Counts {
        let mut counts = *self.0.fold.ledger().counts();
        if !matches!(self.life(), Life::Live(_)) {
            counts.waiting += std::mem::take(&mut counts.running);
        }
        counts
    }

    /// When it began, and its last event.
    pub fn times(&self) -> (Time, Time) {
        (self.0.began, self.0.last)
    }
}

/// What instances gave in the newest runs of a pipeline that ran them, from the journals; `before` is no such run.
pub(super) fn results_of(home: &Home, pipeline: &str, before: u64, names: &[Arc<str>]) -> Vec<Option<Results>> {
    let mut found = vec![None; names.len()];
    for run in home.runs().unwrap_or_default().into_iter().rev().filter(|run| *run < before) {
        let is_ours = RunDir::open(home, run).and_then(|dir| dir.read_plan()).is_ok_and(|plan| plan.name == pipeline);
        // A run that cannot be read any more has nothing to give.
        let Some(story) = is_ours.then(|| Story::read(home, run).ok()).flatten() else { continue };
        for (name, found) in names.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            let results = |id| story.fold.ledger().results(id).cloned();
            *found = story.instance(name).and_then(results);
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found
}

/// What a run did, for who looks at one of its instances.
pub(super) struct Ran {
    pub stored: StoredPlan,
    /// Of what ended well in it.
    pub results: FxHashMap<Arc<str>, Results>,
    pub failures: FxHashMap<Arc<str>, Failure>,
    /// Whether the instance in question was taken from the cache.
    pub cached: bool,
}

/// Reads a run to look at one of its instances.
pub(super) fn ran(home: &Home, run: u64, instance: &str) -> Result<Ran, Error> {
    let story = Story::read(home, run)?;
    let Some(id) = story.instance(instance) else { return Err(story.unknown(instance)) };
    let ledger = story.fold.ledger();
    let ids = (0..ledger.states().len()).map(InstanceId::from_index);
    Ok(Ran {
        results: ids.filter_map(|id| Some((story.name(id), ledger.results(id)?.clone()))).collect(),
        failures: ledger.failures().map(|failed| (story.name(failed.instance), failed.failure.clone())).collect(),
        cached: ledger.state(id) == State::Cached,
        stored: story.stored.clone(),
    })
}

/// A run, read from its folder.
pub(super) struct Story {
    stored: StoredPlan,
    pub(super) fold: Fold,
    dir: RunDir,
    lock: PathBuf,
    /// Bytes of the journal that were read.
    pub(super) read: u64,
    /// Of each attempt where its log is, and whether the attempt has ended: until then the log has no end.
    logs: FxHashMap<(InstanceId, u32), (LogRange, bool)>,
    /// Who wrote last into a segment of logs.
    writers: FxHashMap<u32, (InstanceId, u32)>,
    /// Where instances were last begun that were not begun on the driver's host.
    hosts: FxHashMap<InstanceId, Arc<str>>,
    /// Why instances ran that had run before.
    whys: FxHashMap<InstanceId, Arc<str>>,
    pub(super) began: Time,
    pub(super) last: Time,
    pub(super) run: u64,
    /// The living process that is at it.
    pub(super) holder: Option<lock::Who>,
    /// The job that is to drive it, as far as is known.
    pub(super) due: Option<String>,
}

impl Story {
    pub(super) fn read(home: &Home, run: u64) -> Result<Self, Error> {
        let dir = RunDir::open(home, run).map_err(|fault| match fault.kind {
            FaultKind::Missing => Error::Usage { message: fault.what, help: fault.help },
            _ => fault.into(),
        })?;
        let stored = dir.read_plan()?;
        let plan = Arc::new(load_stored(&stored)?.plan);
        let names: Vec<&str> = stored.select.iter().map(String::as_str).collect();
        let wanted = plan.select(&names).unwrap_or_default();
        let mut story = Self {
            fold: Fold::new(plan, &wanted),
            lock: home.lock(&path_of(&stored)),
            stored,
            dir,
            read: 0,
            logs: FxHashMap::default(),
            writers: FxHashMap::default(),
            hosts: FxHashMap::default(),
            whys: FxHashMap::default(),
            began: 0,
            last: 0,
            run,
            holder: None,
            due: None,
        };
        story.read_on(&mut |_, _, _| {})?;
        story.look();
        Ok(story)
    }

    /// Takes in what the journal has got since it was last read, turn by turn; `each` is told of a turn that counts.
    pub(super) fn read_on(&mut self, each: &mut dyn FnMut(&Self, Time, &[Event])) -> Result<(), Error> {
        let dir = self.dir.clone();
        let (mut time, mut turn, mut bad) = (0, Vec::new(), None);
        let seen = dir.read_journal(self.read, &mut |at, event, list| {
            if at != time && !turn.is_empty() {
                bad = bad.take().or(self.take(time, &mut turn, each).err());
            }
            time = at;
            turn.push((event, list));
        })?;
        bad = bad.or(self.take(time, &mut turn, each).err());
        self.read = seen.good;
        match bad {
            Some(error) => {
                let what = format!("`{}` cannot be followed: {error}", dir.journal().display());
                Err(Fault::new(FaultKind::Damaged, what).into())
            }
            None => Ok(()),
        }
    }

    fn take(
        &mut self,
        time: Time,
        turn: &mut Vec<(Event, Option<Arc<Items>>)>,
        each: &mut dyn FnMut(&Self, Time, &[Event]),
    ) -> Result<(), BadJournal> {
        if turn.is_empty() {
            return Ok(());
        }
        if self.read == 0 && self.began == 0 {
            self.began = time;
        }
        self.last = time;
        self.fold.at(time);
        let mut events = Vec::with_capacity(turn.len());
        for (event, list) in turn.drain(..) {
            match &event {
                Event::Submitted { instance, why: Some(why), .. } => {
                    self.whys.entry(*instance).or_insert_with(|| why.clone());
                }
                Event::Started { instance, attempt, log, host } => {
                    if let Some(range) = log {
                        self.begins(*instance, *attempt, *range);
                    }
                    match host {
                        Some(host) => drop(self.hosts.insert(*instance, host.clone())),
                        None => drop(self.hosts.remove(instance)),
                    }
                }
                Event::Ended { instance, attempt, outcome } => {
                    // Without a word of the end, what it wrote before nobody reported any more is there.
                    if let Some(range) = outcome.log {
                        self.logs.insert((*instance, *attempt), (range, true));
                    }
                }
                _ => {}
            }
            self.fold.apply(&event, list)?;
            events.push(event);
        }
        each(self, time, &events);
        Ok(())
    }

    /// An attempt begins to write: who wrote into the same file before has ended, even if nobody has said so.
    fn begins(&mut self, instance: InstanceId, attempt: u32, range: LogRange) {
        if let Some(before) = self.writers.insert(range.segment, (instance, attempt))
            && let Some((earlier, ended @ false)) = self.logs.get_mut(&before)
        {
            earlier.out.1 = range.out.0.saturating_sub(earlier.out.0);
            earlier.err.1 = range.err.0.saturating_sub(earlier.err.0);
            *ended = true;
        }
        self.logs.insert((instance, attempt), (range, false));
    }

    /// Whether somebody is at it now.
    pub(super) fn look(&mut self) {
        self.holder = lock::holder(&self.lock).filter(|who| who.run == Some(self.run));
        self.due = detached::announced(self.dir.path());
    }

    /// What the job does that is to drive it. Only asks where the folder does not tell.
    pub(super) fn look_afar(&mut self, afar: &dyn Afar) -> Result<(), Error> {
        if let Life::Due(_) = self.life() {
            let folder = self.dir.path();
            let folder = folder.canonicalize().map_err(|error| Fault::io("find the folder", folder, &error))?;
            self.due = detached::look(afar, &folder);
        }
        Ok(())
    }

    pub(super) fn life(&self) -> Life {
        match (self.fold.finished(), &self.holder) {
            (Some(state), _) => Life::Ended(state),
            (None, Some(who)) => Life::Live(format!("process {} on host {}", who.pid, who.host)),
            (None, None) => self.due.clone().map_or(Life::Interrupted, Life::Due),
        }
    }

    pub(super) fn name(&self, instance: InstanceId) -> Arc<str> {
        self.fold.ledger().space().name(instance).into()
    }

    fn by_node(&self) -> Vec<(Arc<str>, Counts)> {
        let ledger = self.fold.ledger();
        let plan = ledger.space().plan();
        let mut counts = vec![Counts::default(); plan.nodes.len()];
        for (i, state) in ledger.states().iter().enumerate() {
            let node = ledger.space().place(InstanceId::from_index(i)).node;
            count(&mut counts[node.index()], *state);
        }
        let tasks = plan.nodes.iter().filter(|(_, node)| matches!(node.kind, NodeKind::Task(_)));
        tasks.map(|(id, node)| (Arc::clone(&node.path), counts[id.index()])).collect()
    }

    fn at_work(&self) -> Vec<AtWork> {
        let at_work = self.fold.ledger().at_work();
        let one = |w: &crate::engine::AtWork| AtWork {
            instance: self.name(w.instance),
            attempt: w.attempt,
            since: w.since,
            begun: w.started,
            host: self.hosts.get(&w.instance).filter(|_| w.started).cloned(),
        };
        at_work.map(one).collect()
    }

    fn delayed(&self) -> Vec<Delayed> {
        let one = |(id, until, failure): (InstanceId, Time, &crate::event::Failure)| Delayed {
            instance: self.name(id),
            attempt: self.fold.ledger().attempt(id) + 1,
            until,
            message: Arc::clone(&failure.message),
        };
        self.fold.delayed().map(one).collect()
    }

    fn elsewhere(&self) -> Vec<Elsewhere> {
        let one = |(id, by): (InstanceId, &Arc<str>)| Elsewhere { instance: self.name(id), by: by.clone() };
        self.fold.elsewhere().map(one).collect()
    }

    pub(super) fn failures(&self) -> Vec<FailureItem> {
        let mut failed: Vec<_> = self.fold.ledger().failures().collect();
        failed.sort_by_key(|failed| failed.usage.began + failed.usage.wall_us / 1000);
        failed.into_iter().map(|failed| failure_item(self.fold.ledger(), &self.dir.logs(), failed)).collect()
    }

    fn log(&self, run: u64, instance: &str, attempt: Option<u32>) -> Result<LogPlace, Error> {
        let usage = |message: String, help: Option<String>| Error::Usage { message, help };
        let quoted = quote(instance);
        let Some(id) = self.instance(instance) else { return Err(self.unknown(instance)) };
        let last = self.fold.ledger().attempt(id);
        let attempt = attempt.unwrap_or(last);
        if let Some((range, ended)) = self.logs.get(&(id, attempt)) {
            let part = |ending: &str, (from, len): (u64, u64)| {
                (self.dir.logs().join(format!("{}.{ending}", range.segment)), from, ended.then_some(len))
            };
            return Ok(LogPlace { run, attempt, out: part("out", range.out), err: part("err", range.err) });
        }
        let state = self.fold.ledger().state(id);
        Err(match state {
            _ if attempt != last && last > 0 => usage(
                format!("{quoted} has no attempt {attempt} in run {run}"),
                Some(format!("its last one is {last}")),
            ),
            _ if state.is_at_work() => {
                let (what, when) = match self.holder {
                    Some(_) => ("is being started by", "its log can be shown in a moment"),
                    None => ("was cut off with", "it runs again when the run goes on"),
                };
                usage(format!("{quoted} {what} run {run}"), Some(when.to_owned()))
            }
            State::Cached => usage(
                format!("{quoted} was taken from the cache in run {run}, and the run that made it is not here"),
                Some(format!("`flowrun explain {instance}` says where it was made")),
            ),
            State::Failed => usage(
                format!("{quoted} could not be started in run {run}, so it wrote nothing"),
                Some(format!("`flowrun status {run}` says why")),
            ),
            _ => usage(format!("{quoted} has not run in run {run}"), None),
        })
    }

    fn instance(&self, name: &str) -> Option<InstanceId> {
        let ledger = self.fold.ledger();
        let ids = (0..ledger.states().len()).map(InstanceId::from_index);
        ids.filter(|id| ledger.is_task(*id)).find(|id| ledger.space().name(*id) == name)
    }

    fn unknown(&self, name: &str) -> Error {
        let ledger = self.fold.ledger();
        let tasks = (0..ledger.states().len()).map(InstanceId::from_index).filter(|id| ledger.is_task(*id));
        let names: Vec<String> = tasks.take(10_000).map(|id| ledger.space().name(id)).collect();
        let inside = names.iter().find(|other| {
            other.strip_prefix(name).is_some_and(|rest| rest.starts_with('[') || rest.starts_with('.'))
                || crate::base::human::node_of(other) == name
        });
        Error::Usage {
            message: format!("there is no instance {} in run {}", quote(name), self.run),
            help: inside
                .map(|inside| format!("name one of its instances, as in `{}`", crate::base::human::shell_word(inside)))
                .or_else(|| did_you_mean(name, names.iter().map(String::as_str))),
        }
    }
}

fn count(counts: &mut Counts, state: State) {
    let one = match state {
        State::Waiting { .. } | State::Preparing | State::Ready | State::Delayed => &mut counts.waiting,
        State::Submitted | State::Running | State::Unknown => &mut counts.running,
        State::Succeeded => &mut counts.succeeded,
        State::Cached => &mut counts.cached,
        State::Failed => &mut counts.failed,
        State::Ignored => &mut counts.ignored,
        State::Skipped => &mut counts.skipped,
        State::Cancelled => &mut counts.cancelled,
        State::Unwanted => return,
    };
    *one += 1;
}
