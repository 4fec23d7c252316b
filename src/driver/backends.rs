//! Several backends in one run: which of them executes a task, what each can give, and all of them at work as one.

use crate::base::InstanceId;
use crate::base::text::{count, did_you_mean, or, quote};
use crate::diag::{Diagnostic, codes};
use crate::driver::asked::is_wanted;
use crate::driver::early;
use crate::driver::settings::{BackendAsk, BackendKind, Backends, Error};
use crate::engine::{Capacities, Capacity};
use crate::plan::{NodeKind, Plan, Task};
use crate::port::submission::{Handed, Submissions};
use crate::port::{Backend, Job, Report, ReportSink};
use rustc_hash::FxHashMap;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Which backend executes a task, by position, and what each can give.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Those that a task may name; empty: the first executes everything.
    names: Vec<&'static str>,
    /// Whether any task that is to run is one's.
    used: Vec<bool>,
    /// What each can give; nothing where it is not used.
    pub capacities: Capacities,
}

impl Assigned {
    /// Everything to one backend.
    pub fn to_one(capacity: Capacity) -> Self {
        Self { names: Vec::new(), used: vec![true], capacities: capacity.into() }
    }

    /// The backend of a task.
    pub fn of(&self, task: &Task) -> u8 {
        let named = task.backend.as_ref();
        let at = named.and_then(|named| self.names.iter().position(|name| **name == *named.value));
        at.unwrap_or(0) as u8
    }

    /// Whether a task is this one's.
    pub fn is_used(&self, at: usize) -> bool {
        self.used[at]
    }

    /// What the backend of a task can give.
    pub fn capacity(&self, task: &Task) -> &Capacity {
        self.capacities.of(self.of(task))
    }
}

impl Backends {
    /// Assigns the tasks that are to run; with it what names a backend that there is not.
    ///
    /// # Errors
    /// A backend that cannot say what it can give.
    pub fn assign(&self, plan: &Plan, wanted: &[bool]) -> Result<(Assigned, Vec<Diagnostic>), Error> {
        let names = if self.only_first { Vec::new() } else { self.kinds.iter().map(|kind| kind.name).collect() };
        let limits: Vec<u32> = plan.limits.iter().map(|(_, n)| *n).collect();
        let nothing = Capacity { cpus: 0, nodes: 1, memory: 0, gpus: Vec::new(), limits: limits.clone(), window: 1 };
        let used = vec![false; self.kinds.len()];
        let mut assigned = Assigned { names, used, capacities: nothing.clone().into() };
        for (_, node) in plan.nodes.iter().filter(|(_, node)| is_wanted(plan, wanted, node)) {
            if let NodeKind::Task(task) = &node.kind {
                let at = assigned.of(task);
                assigned.used[usize::from(at)] = true;
            }
        }
        let measure = |(kind, used): (&BackendKind, &bool)| match used {
            true => (kind.measure)(kind.jobs, &limits).map_err(Error::Backend),
            false => Ok(nothing.clone()),
        };
        let all: Result<Vec<Capacity>, Error> = self.kinds.iter().zip(&assigned.used).map(measure).collect();
        assigned.capacities = Capacities::new(all?);
        Ok((assigned, if self.only_first { Vec::new() } else { self.unknown(plan) }))
    }

    /// What stands against the tasks of each backend, by the place behind it.
    ///
    /// # Errors
    /// A place that does not answer.
    pub fn objections(&self, assigned: &Assigned, plan: &Plan, runs: &[bool]) -> Result<Vec<Diagnostic>, Error> {
        let mut list = Vec::new();
        for (at, (kind, used)) in (0u8..).zip(self.kinds.iter().zip(&assigned.used)) {
            if let Some(survey) = kind.survey.filter(|_| *used) {
                let site = survey().map_err(Error::Backend)?;
                list.extend(early::of_site(plan, runs, &*site, |task| assigned.of(task) == at));
            }
        }
        Ok(list)
    }

    /// Whether any backend that has a task hands on more than one instance at a time.
    pub fn gather(&self, assigned: &Assigned) -> bool {
        self.kinds.iter().zip(&assigned.used).any(|(kind, used)| *used && kind.preview.is_some())
    }

    /// What would be submitted for these instances, in one list.
    pub fn preview(&self, run_dir: &Path, handed: Vec<Handed>) -> Submissions {
        let mut each: Vec<Vec<Handed>> = self.kinds.iter().map(|_| Vec::new()).collect();
        handed.into_iter().for_each(|one| each[usize::from(one.job.needs.backend)].push(one));
        let mut all = Submissions::default();
        for (kind, handed) in self.kinds.iter().zip(each).filter(|(_, handed)| !handed.is_empty()) {
            match kind.preview {
                Some(preview) => {
                    let Submissions { arrays, notes, .. } = preview(run_dir, handed);
                    all.arrays.extend(arrays);
                    all.notes.extend(notes);
                }
                None => {
                    let (many, run) =
                        (count(handed.len() as u64, "instance"), if handed.len() == 1 { "runs" } else { "run" });
                    all.notes.push(format!("{many} {run} on `{}`", kind.name));
                }
            }
        }
        all
    }

    /// Whether a task runs on another machine.
    pub fn is_elsewhere(&self, assigned: &Assigned, task: &Task) -> bool {
        self.kinds[usize::from(assigned.of(task))].elsewhere
    }

    /// The names of backends in a plan that are none.
    pub fn unknown(&self, plan: &Plan) -> Vec<Diagnostic> {
        let names = || self.kinds.iter().map(|kind| kind.name);
        let mut list: Vec<Diagnostic> = Vec::new();
        for (_, node) in plan.nodes.iter() {
            let NodeKind::Task(task) = &node.kind else { continue };
            let Some(named) = task.backend.as_ref().filter(|named| names().all(|name| *name != *named.value)) else {
                continue;
            };
            // A map's is that of all its tasks.
            if list.iter().any(|d| d.primary.as_ref().is_some_and(|label| label.span == named.span)) {
                continue;
            }
            let message = format!("there is no backend {}", quote(&named.value));
            let mut sorted: Vec<&str> = names().collect();
            sorted.sort_unstable();
            let help = did_you_mean(&named.value, names()).unwrap_or_else(|| format!("write {}", or(sorted)));
            list.push(Diagnostic::error(codes::UNKNOWN_WORD, named.span, message).help(help));
        }
        list
    }
}

/// The backends of a run that is at work.
pub struct Crew {
    members: Vec<Option<Member>>,
    /// Who has an attempt.
    with: FxHashMap<InstanceId, u8>,
}

struct Member {
    backend: Box<dyn Backend>,
    /// Reports about attempts so far.
    reported: usize,
}

/// What all of a run's backends are told when they are made.
pub struct CrewAsk<'a> {
    /// `[limits]` of the plan, by position.
    pub limits: &'a [u32],
    /// The run's folder, absolute.
    pub run_dir: &'a Path,
    /// The pipeline's lock.
    pub lock: &'a OwnedFd,
    /// Where reports go.
    pub reports: ReportSink,
    /// Whether an earlier driver handed attempts over whose ends it did not see.
    pub handed: bool,
}

impl Crew {
    /// Opens every backend that has a task, or may still have work of an earlier driver.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn open(backends: &Backends, assigned: &Assigned, ask: CrewAsk<'_>) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for (kind, used) in backends.kinds.iter().zip(&assigned.used) {
            let left = ask.handed && (kind.has_left)(ask.run_dir);
            if !used && !left {
                members.push(None);
                continue;
            }
            let ask = BackendAsk {
                jobs: kind.jobs,
                pace: kind.pace,
                limits: ask.limits.to_vec(),
                run_dir: ask.run_dir.to_owned(),
                work: None,
                lock: Some(ask.lock.try_clone()?),
                reports: ask.reports.clone(),
            };
            let opened = (kind.open)(ask);
            let backend = opened.map_err(|error| match used {
                true => error,
                false => error.context(format!("jobs of this run may still be at work on `{}`", kind.name)),
            })?;
            members.push(Some(Member { backend, reported: 0 }));
        }
        Ok(Self { members, with: FxHashMap::default() })
    }

    fn members(&mut self) -> impl Iterator<Item = (u8, &mut Member)> {
        self.members.iter_mut().enumerate().filter_map(|(at, member)| Some((at as u8, member.as_mut()?)))
    }

    fn member(&mut self, at: u8) -> anyhow::Result<&mut Member> {
        let member = self.members.get_mut(usize::from(at)).and_then(Option::as_mut);
        member.ok_or_else(|| anyhow::anyhow!("a task was given to a backend that has none"))
    }

    /// What whoever starts the run should know.
    pub fn notes(&self) -> Vec<String> {
        self.members.iter().flatten().filter_map(|member| member.backend.note()).collect()
    }

    /// Hands attempts over, each to the backend that it names.
    pub fn submit(&mut self, jobs: Vec<Job>) -> anyhow::Result<()> {
        let mut each: Vec<Vec<Job>> = self.members.iter().map(|_| Vec::new()).collect();
        for job in jobs {
            self.with.insert(job.instance, job.needs.backend);
            each[usize::from(job.needs.backend)].push(job);
        }
        for (at, jobs) in each.into_iter().enumerate().filter(|(_, jobs)| !jobs.is_empty()) {
            self.member(at as u8)?.backend.submit(jobs)?;
        }
        Ok(())
    }

    /// Stops attempts, wherever they are.
    pub fn cancel(&mut self, instances: &[InstanceId], hard: bool) -> anyhow::Result<()> {
        let mut each: Vec<Vec<InstanceId>> = self.members.iter().map(|_| Vec::new()).collect();
        for instance in instances {
            if let Some(at) = self.with.get(instance) {
                each[usize::from(*at)].push(*instance);
            }
        }
        for (at, instances) in each.into_iter().enumerate().filter(|(_, instances)| !instances.is_empty()) {
            self.member(at as u8)?.backend.cancel(&instances, hard)?;
        }
        Ok(())
    }

    /// Takes over what an earlier driver had handed over, see [`Backend::adopt`].
    pub fn adopt(&mut self, open: &[InstanceId]) -> anyhow::Result<Vec<(InstanceId, u32)>> {
        let mut all = Vec::new();
        let mut with = Vec::new();
        for (at, member) in self.members() {
            let has = member.backend.adopt(open)?;
            with.extend(has.iter().map(|(instance, _)| (*instance, at)));
            all.extend(has);
        }
        self.with.extend(with);
        Ok(all)
    }

    /// An attempt has reported.
    pub fn heard(&mut self, report: &Report) {
        let (instance, over) = match report {
            Report::Started { instance, .. } => (instance, false),
            Report::Ended { instance, .. } => (instance, true),
            Report::Note(_) | Report::Waiting(_) | Report::Broken(..) => return,
        };
        let mut staying = (0..self.members.len() as u8).filter(|at| self.stays_with(*at));
        // What an earlier driver had seen the end of may be told once more.
        let only = staying.next().filter(|_| staying.next().is_none());
        let Some(at) = self.with.get(instance).copied().or(only) else { return };
        if let Ok(member) = self.member(at) {
            member.reported += 1;
        }
        if over {
            self.with.remove(instance);
        }
    }

    /// All that was heard is in the journal.
    pub fn written(&mut self) {
        for (_, member) in self.members() {
            member.backend.written(member.reported);
        }
    }

    /// Whether anything that was handed over goes on when the driver ends.
    pub fn outlives_driver(&self) -> bool {
        self.members.iter().flatten().any(|member| member.backend.outlives_driver())
    }

    /// Whether an attempt goes on when the driver ends.
    pub fn stays(&self, instance: InstanceId) -> bool {
        self.with.get(&instance).is_some_and(|at| self.stays_with(*at))
    }

    /// Whether no attempt is at work that ends with the driver.
    pub fn all_stay(&self) -> bool {
        self.with.values().all(|at| self.stays_with(*at))
    }

    fn stays_with(&self, at: u8) -> bool {
        let member = self.members.get(usize::from(at)).and_then(Option::as_ref);
        member.is_some_and(|member| member.backend.outlives_driver())
    }
}
