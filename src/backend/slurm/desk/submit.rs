//! Sends batches: what was gathered is written, then submitted, as fast as the scheduler takes it.

use super::super::commands::{self, Shape};
use super::super::order::{self, Order, window_s};
use super::super::refusal::Submitted;
use super::super::site::Asked;
use super::errand::Done;
use super::{BURST, Desk, GATHER, Gathering, Open, QUIET, Sent, Want, sent_path};
use crate::backend::nodes::Nodes;
use crate::backend::spool::Batch;
use crate::base::{InstanceId, text};
use crate::event::{Cause, Failure};
use crate::port::site::Objection;
use crate::sys::durable::{self, Sync};
use crate::sys::{Fault, FaultKind};
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
            let window_s = window_s(&shape, &self.site);
            let run_dir = self.spool.path().parent().unwrap_or(Path::new("/")).as_os_str().as_bytes().to_vec();
            let batch = Batch { number, jobs, window_s, run_dir };
            // The intent, before the effect.
            self.spool.write_batch(&batch)?;
            let gates = self.site.gates(&shape);
            let open = Open {
                shape,
                jobs: batch.jobs.iter().map(|job| (job.instance, job.attempt)).collect(),
                sent: Vec::new(),
                want: Want::Submit(now),
                width: u32::MAX,
                window_s,
                heard: now,
                sent_at: now,
                dead: 0,
                left: 0,
                tries: 0,
                over: 0,
                gates,
                refused: 0,
            };
            self.batches.insert(number, open);
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

    pub(super) fn submit(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let due: Vec<u32> = self
            .batches
            .iter()
            .filter(|(_, open)| matches!(open.want, Want::Submit(at) if at <= now))
            .map(|(number, _)| *number)
            .collect();
        if self.submitting || self.is_busy() || !self.may_submit() {
            return Ok(());
        }
        self.begin_round();
        for number in due {
            if self.batches[&number].sent.is_empty() && self.objects(number)? {
                continue;
            }
            let room = self.room_for(number);
            if room > 0 {
                self.submissions.push_back(now);
                self.submit_batch(number, room);
                break;
            }
        }
        Ok(())
    }

    /// Whether a batch can never run: then it ends here.
    ///
    /// # Errors
    /// The user may not submit it at all.
    fn objects(&mut self, number: u32) -> anyhow::Result<bool> {
        let objections = self.site.judge(&Asked::of(&self.batches[&number].shape));
        let Some(Objection { absent, message, help, .. }) = objections.into_iter().next() else { return Ok(false) };
        if absent {
            let jobs = self.batches[&number].jobs.len();
            let message = format!("{} would go to {message}", text::count(jobs as u64, "job"));
            return Err(Fault::new(FaultKind::Denied, message).help(help).into());
        }
        self.refuse(number, &format!("it asks for {message}"), &help);
        Ok(true)
    }

    fn submit_batch(&mut self, number: u32, elements: u32) {
        let Some(open) = self.batches.get_mut(&number) else { return };
        let shape = without(&open.shape, &self.nodes);
        let size = order::elements(elements as usize, &self.site);
        let order = Order::new(&self.prefix, &self.spool, number, open.sent.len(), size, (&shape, open.window_s));
        open.want = Want::Answer;
        self.submitting = true;
        self.errands.act(move || {
            let said = commands::sbatch(&order.array());
            Done::Submitted { batch: number, elements, said }
        });
    }

    /// What `sbatch` has said.
    pub(super) fn submitted(&mut self, number: u32, elements: u32, said: Submitted) -> anyhow::Result<()> {
        self.submitting = false;
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        match said {
            Submitted::As(job) => {
                open.sent.push(Sent { job, elements });
                open.left = open.jobs.len();
                open.heard = Instant::now();
                open.sent_at = open.heard;
                self.taken(number, elements);
                self.keep_sent(number)?;
            }
            Submitted::Unknown(said) => {
                let until = self.busy(&said);
                self.want(number, Want::FindOut(until));
            }
            Submitted::Later(said) => {
                let until = self.busy(&said);
                self.want(number, Want::Submit(until));
            }
            Submitted::Limit(limit) => {
                let until = self.limited(number, elements, &limit).unwrap_or_else(Instant::now);
                self.want(number, Want::Submit(until));
            }
            Submitted::TooWide(_) if elements > 1 => {
                open.width = elements / 2;
                open.want = Want::Submit(Instant::now());
            }
            Submitted::TooWide(said) | Submitted::Never(said) => {
                let help = "`sinfo --Node --long` shows what the nodes have; see `resources` of the task";
                self.refuse(number, &format!("Slurm does not take it: {said}"), help);
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

    fn want(&mut self, number: u32, want: Want) {
        if let Some(open) = self.batches.get_mut(&number) {
            open.want = want;
        }
    }

    /// Ends all attempts of a batch that can never run.
    fn refuse(&mut self, number: u32, message: &str, help: &str) {
        let Some(open) = self.batches.get_mut(&number) else { return };
        open.want = Want::Nothing;
        let mut jobs: Vec<(InstanceId, u32)> = std::mem::take(&mut open.jobs).into_iter().collect();
        jobs.sort_unstable_by_key(|(instance, _)| instance.0);
        for (instance, attempt) in jobs {
            let failure = Failure { cause: Cause::NotStarted, message: message.into(), help: Some(help.into()) };
            self.end(instance, attempt, failure, None);
        }
    }

    pub(super) fn keep_sent(&mut self, number: u32) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        open.want = if open.lacking() > 0 { Want::Submit(Instant::now()) } else { Want::Nothing };
        let text: String = open.sent.iter().map(|sent| format!("{} {}\n", sent.job, sent.elements)).collect();
        Ok(durable::write(&sent_path(&self.spool, number), text.as_bytes(), Sync::Now)?)
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
