//! Sends batches: what was gathered is written, then submitted, as fast as the scheduler takes it.

use super::super::commands::{self, Shape};
use super::super::order::{self, Order};
use super::super::refusal::Submitted;
use super::super::site::Asked;
use super::crew::{ToDo, Want, node_of};
use super::errand::Done;
use super::{BURST, COUNT, Desk, GATHER, Gathering, QUIET, Sent, sent_path};
use crate::backend::nodes::Nodes;
use crate::backend::spool::{Batch, Notice};
use crate::base::{InstanceId, text};
use crate::event::{Cause, Failure};
use crate::port::site::Objection;
use crate::sys::durable::{self, Sync};
use crate::sys::{Fault, FaultKind};
use rustc_hash::FxHashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

impl Desk {
    pub(super) fn send_what_is_gathered(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let due = |g: &Gathering| now - g.last >= QUIET || now - g.since >= GATHER;
        let shapes: Vec<Shape> =
            self.gathering.iter().filter(|(_, g)| due(g)).map(|(shape, _)| shape.clone()).collect();
        for shape in shapes {
            let Some(Gathering { jobs, .. }) = self.gathering.remove(&shape) else { continue };
            if jobs.is_empty() {
                // All were cancelled meanwhile.
                continue;
            }
            let number = self.next;
            self.next += 1;
            let run_dir = self.spool.path().parent().unwrap_or(Path::new("/")).as_os_str().as_bytes().to_vec();
            let name = shape.name();
            let terms = self.crew(&name, shape).terms;
            let batch = Batch { number, shape: &name, jobs: &jobs, terms, run_dir: &run_dir };
            // The intent, before the effect.
            self.spool.write_batch(&batch)?;
            self.spool.tell(&name, &[Notice::Batch(number)])?;
            let node = jobs.first().map_or(String::new(), |job| node_of(&job.name));
            self.keep_account(number, name, node.into(), jobs.iter().map(|job| (job.instance, job.attempt)).collect());
        }
        Ok(())
    }

    fn may_submit(&mut self) -> bool {
        let now = Instant::now();
        while self.submissions.front().is_some_and(|then| now - *then > self.pace * BURST) {
            self.submissions.pop_front();
        }
        self.submissions.len() < BURST as usize
    }

    /// Submits workers where more are needed.
    pub(super) fn submit(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        if self.submitting || !(self.changed || now - self.counted >= COUNT) {
            return Ok(());
        }
        (self.changed, self.counted) = (false, now);
        let lacking = self.lacking(now);
        if lacking.is_empty() || self.is_busy() {
            return Ok(());
        }
        self.begin_round();
        for (shape, batch) in lacking {
            if self.crews.get(&shape).is_some_and(|crew| crew.sent.is_empty()) && self.objects(&shape)? {
                continue;
            }
            let room = self.room_for(&shape);
            if room > 0 && self.may_submit() {
                self.submissions.push_back(now);
                self.submit_workers(shape, batch, room);
                break;
            }
        }
        Ok(())
    }

    /// Counts the workers that are needed; the shapes for which some may be submitted now, each with the batch that most
    /// is to be begun of.
    fn lacking(&mut self, now: Instant) -> Vec<(String, u32)> {
        let mut todo: FxHashMap<&str, Vec<(u32, ToDo<'_>)>> = FxHashMap::default();
        for (number, open) in self.batches.iter().filter(|(_, open)| open.unbegun > 0) {
            let this = ToDo { node: &open.node, unbegun: open.unbegun, begun: open.begun };
            todo.entry(&open.crew).or_default().push((*number, this));
        }
        let mut lacking = Vec::new();
        for (name, crew) in &mut self.crews {
            let todo = todo.remove(name.as_str()).unwrap_or_default();
            let most = todo.iter().max_by_key(|(_, todo)| todo.unbegun).map(|(number, _)| *number);
            crew.lacks = crew.needed(todo.into_iter().map(|(_, todo)| todo), now);
            if let (Some(batch), Want::Submit(at)) = (most, &crew.want)
                && crew.lacks > 0
                && *at <= now
            {
                lacking.push((name.clone(), batch));
            }
        }
        lacking
    }

    /// Whether a shape can never run: then it ends here.
    ///
    /// # Errors
    /// The user may not submit it at all.
    fn objects(&mut self, shape: &str) -> anyhow::Result<bool> {
        let objections = self.site.judge(&Asked::of(&self.crews[shape].shape));
        let Some(Objection { absent, message, help, .. }) = objections.into_iter().next() else { return Ok(false) };
        if absent {
            let jobs = self.crews[shape].open;
            let message = format!("{} would go to {message}", text::count(jobs as u64, "job"));
            return Err(Fault::new(FaultKind::Denied, message).help(help).into());
        }
        self.refuse(shape, &format!("it asks for {message}"), &help);
        Ok(true)
    }

    fn submit_workers(&mut self, name: String, batch: u32, elements: u32) {
        let Some(crew) = self.crews.get_mut(&name) else { return };
        let sent = crew.sent.iter().filter(|sent| sent.batch == batch).count();
        let shape = without(&crew.shape, &self.nodes);
        if let Err(fault) = self.ours.add(&self.spool, &shape.options) {
            let _ = self.reports.send(crate::port::Report::Note(fault.to_string()));
        }
        let elements = order::elements(elements, &self.site);
        let order = Order::new(&self.prefix, &self.spool, batch, sent, elements, (&shape, crew.terms));
        let array = order.array().name.to_owned();
        crew.unanswered = Some(array.clone());
        let elements = elements.unwrap_or(0);
        crew.want = Want::Answer;
        self.submitting = true;
        self.errands.act(move || {
            let said = commands::sbatch(&order.array());
            Done::Submitted { crew: name, batch, name: array, elements, said }
        });
    }

    /// What `sbatch` has said.
    pub(super) fn submitted(
        &mut self,
        (name, array): (&str, String),
        batch: u32,
        elements: u32,
        said: Submitted,
    ) -> anyhow::Result<()> {
        self.submitting = false;
        self.changed = true;
        let Some(crew) = self.crews.get_mut(name) else {
            // All has been done meanwhile by others.
            if let Submitted::As(_) | Submitted::Unknown(_) = said {
                self.cancel_waiting(vec![array]);
            }
            return Ok(());
        };
        if !matches!(said, Submitted::Unknown(_)) {
            crew.unanswered = None;
        }
        match said {
            Submitted::As(job) => {
                crew.sent(Sent { batch, job, elements });
                crew.want = Want::Submit(Instant::now());
                self.taken(name, elements);
                self.keep_sent(name, batch)?;
            }
            Submitted::Unknown(said) => {
                let until = self.busy(&said);
                self.want(name, Want::FindOut(until));
            }
            Submitted::Later(said) => {
                let until = self.busy(&said);
                self.want(name, Want::Submit(until));
            }
            Submitted::Limit(limit) => {
                let until = self.limited(name, elements, &limit).unwrap_or_else(Instant::now);
                self.want(name, Want::Submit(until));
            }
            Submitted::TooWide(_) if elements > 1 => {
                crew.width = elements / 2;
                crew.want = Want::Submit(Instant::now());
            }
            Submitted::TooWide(said) | Submitted::Never(said) => {
                let help = "`sinfo --Node --long` shows what the nodes have; see `resources` of the task";
                self.refuse(name, &format!("Slurm does not take it: {said}"), help);
            }
            Submitted::Barred(said) => {
                let what = format!("Slurm does not let you submit: {said}");
                let help = "see `slurm.account`, `slurm.partition` and `slurm.qos`; `sacctmgr show user withassoc \
                            \"$USER\"` and `sinfo --summarize` show what you may use";
                return Err(Fault::new(FaultKind::Denied, what).help(help).into());
            }
        }
        Ok(())
    }

    fn want(&mut self, shape: &str, want: Want) {
        if let Some(crew) = self.crews.get_mut(shape) {
            crew.want = want;
        }
    }

    /// Ends all attempts of a shape that nobody has begun: they can never run.
    fn refuse(&mut self, shape: &str, message: &str, help: &str) {
        self.want(shape, Want::Submit(Instant::now()));
        let of_it = self.batches.values().filter(|open| open.crew == shape).flat_map(|open| &open.jobs);
        let unbegun = of_it.filter(|(_, attempt)| !attempt.begun);
        let mut jobs: Vec<(InstanceId, u32)> = unbegun.map(|(job, attempt)| (*job, attempt.number)).collect();
        jobs.sort_unstable();
        for (instance, attempt) in jobs {
            let failure = Failure { cause: Cause::NotStarted, message: message.into(), help: Some(help.into()) };
            self.close(instance, attempt);
            self.end(instance, attempt, failure, None);
        }
    }

    /// Writes down the arrays that were submitted for a batch.
    pub(super) fn keep_sent(&mut self, name: &str, batch: u32) -> anyhow::Result<()> {
        let Some(crew) = self.crews.get(name) else { return Ok(()) };
        let sent = crew.sent.iter().filter(|sent| sent.batch == batch);
        let text: String = sent.map(|sent| format!("{} {}\n", sent.job, sent.elements)).collect();
        Ok(durable::write(&sent_path(&self.spool, batch), text.as_bytes(), Sync::Now)?)
    }
}

/// The same on other nodes than those that are not to be used.
fn without(shape: &Shape, nodes: &Nodes) -> Shape {
    let mut shape = shape.clone();
    let mut names: Vec<&str> = nodes.excluded().collect();
    if names.is_empty() {
        return shape;
    }
    let own = shape.options.iter().position(|(name, _)| &**name == "exclude").map(|at| shape.options.remove(at).1);
    let own = own.flatten();
    names.extend(own.as_deref());
    shape.options.push(("exclude".into(), Some(names.join(",").into())));
    shape
}
