//! Sends batches: what was gathered is written, then submitted, as fast as the scheduler takes it.

use super::super::commands::{self, Shape, Submitted};
use super::super::order::{Order, elements, window_s};
use super::errand::Done;
use super::{AGAIN, BURST, Desk, GATHER, Gathering, Open, PACE, QUIET, Sent, Want, sent_path};
use crate::backend::nodes::Nodes;
use crate::backend::spool::Batch;
use crate::base::InstanceId;
use crate::event::{Cause, Failure};
use crate::sys::durable::{self, Sync};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

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
            let window_s = window_s(&shape);
            let run_dir = self.spool.path().parent().unwrap_or(Path::new("/")).as_os_str().as_bytes().to_vec();
            let batch = Batch { number, jobs, window_s, run_dir };
            // The intent, before the effect.
            self.spool.write_batch(&batch)?;
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
                told: false,
            };
            self.batches.insert(number, open);
        }
        Ok(())
    }

    fn may_submit(&mut self) -> bool {
        let now = Instant::now();
        while self.submissions.front().is_some_and(|then| now - *then > PACE * BURST) {
            self.submissions.pop_front();
        }
        self.submissions.len() < BURST as usize
    }

    pub(super) fn submit(&mut self) {
        let now = Instant::now();
        let due: Vec<u32> = self
            .batches
            .iter()
            .filter(|(_, open)| matches!(open.want, Want::Submit(at) if at <= now))
            .map(|(number, _)| *number)
            .collect();
        for number in due {
            if self.submitting || !self.may_submit() {
                break;
            }
            self.submissions.push_back(now);
            self.submit_batch(number);
        }
    }

    fn submit_batch(&mut self, number: u32) {
        let Some(open) = self.batches.get_mut(&number) else { return };
        let elements = elements(open.jobs.len(), open.width, &self.limits);
        let shape = without(&open.shape, &self.nodes);
        let order = Order::new(&self.prefix, &self.spool, number, open.sent.len(), elements, (&shape, open.window_s));
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
        let again = |after: Duration| Instant::now() + after;
        let (want, said) = match said {
            Submitted::As(job) => {
                open.sent.push(Sent { job, elements });
                open.left = open.jobs.len();
                open.heard = Instant::now();
                open.sent_at = open.heard;
                self.keep_sent(number)?;
                return Ok(());
            }
            Submitted::Unknown(said) => (Want::FindOut(again(AGAIN)), said),
            Submitted::Later(said) => (Want::Submit(again(AGAIN)), said),
            Submitted::Limit(said) => {
                open.width = (elements / 2).max(1);
                (Want::Submit(again(if elements > 1 { Duration::ZERO } else { AGAIN })), said)
            }
            Submitted::TooWide(_) if elements > 1 => {
                open.width = elements / 2;
                open.want = Want::Submit(again(Duration::ZERO));
                return Ok(());
            }
            Submitted::TooWide(said) | Submitted::Never(said) => {
                let jobs: Vec<(InstanceId, u32)> = std::mem::take(&mut open.jobs).into_iter().collect();
                for (instance, attempt) in jobs {
                    let message = format!("Slurm does not take it: {said}");
                    let help = Some("`sinfo -Nl` shows what the nodes have; see `resources` of the task".into());
                    let failure = Failure { cause: Cause::NotStarted, message: message.into(), help };
                    self.end(instance, attempt, failure, None);
                }
                return Ok(());
            }
        };
        open.want = want;
        if !std::mem::replace(&mut open.told, true) {
            self.note(format!("waiting for Slurm: {said}"));
        }
        Ok(())
    }

    pub(super) fn keep_sent(&mut self, number: u32) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        open.want = Want::Nothing;
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
