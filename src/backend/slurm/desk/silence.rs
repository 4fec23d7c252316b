//! Looks after what has fallen silent: one question for all of it, and what the answer means.

use super::super::commands::{self, Queued};
use super::errand::Done;
use super::{AGAIN, Desk, GRACE, Open, SILENT, Sent, Want};
use crate::backend::spool::Worker;
use crate::base::InstanceId;
use crate::event::{Cause, Failure};
use rustc_hash::FxHashMap;
use std::time::Instant;

impl Desk {
    /// Asks the queue for everything that has said nothing for long, in one question.
    pub(super) fn look_after_silent(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let find_out = |open: &Open| matches!(open.want, Want::FindOut(at) if at <= now);
        let doubt = !self.missing.is_empty();
        let wanted = self.batches.values().any(|open| find_out(open) || silent(open, now)) || doubt;
        let pause = if !self.stopping.is_empty() {
            GRACE
        } else if doubt {
            self.grace.min(SILENT)
        } else {
            SILENT
        };
        let urgent = self.batches.values().any(find_out);
        if self.looking || !wanted || (!urgent && self.asked.is_some_and(|asked| now - asked < pause)) {
            return Ok(());
        }
        self.asked = Some(now);
        self.looking = true;
        let prefix = self.prefix.clone();
        self.errands.ask(move || Done::Looked { began: now, queue: commands::squeue(&prefix) });
        Ok(())
    }

    /// What the queue has answered, as it was asked then.
    pub(super) fn looked(&mut self, then: Instant, queue: Result<Vec<Queued>, String>) -> anyhow::Result<()> {
        self.looking = false;
        let now = Instant::now();
        let find_out = |open: &Open| matches!(open.want, Want::FindOut(at) if at <= then);
        let queue = match queue {
            Ok(queue) => queue,
            Err(error) => {
                if !std::mem::replace(&mut self.in_trouble, true) {
                    self.note(format!("Slurm does not answer; what runs goes on, and is known as before: {error}"));
                }
                for open in self.batches.values_mut().filter(|open| matches!(open.want, Want::FindOut(_))) {
                    open.want = Want::FindOut(now + AGAIN);
                }
                return Ok(());
            }
        };
        if std::mem::replace(&mut self.in_trouble, false) {
            self.note("Slurm answers again".to_owned());
        }
        // What was said before the queue was asked counts more than the queue.
        self.read_messages()?;
        let numbers: Vec<u32> = self.batches.keys().copied().collect();
        for number in numbers {
            let open = &self.batches[&number];
            if find_out(open) {
                self.found_out(number, &queue)?;
            } else if open.sent_at > then || matches!(open.want, Want::Answer | Want::FindOut(_)) {
                // The answer does not speak of its newest workers.
            } else if silent(open, now) || open.jobs.keys().any(|instance| self.missing.contains_key(instance)) {
                self.account_for(number, &queue, now)?;
            }
        }
        Ok(())
    }

    /// Whether the array of an unanswered submission is in the queue.
    fn found_out(&mut self, number: u32, queue: &[Queued]) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        let name = format!("{}{number}.{}", self.prefix, open.sent.len());
        let elements: Vec<&Queued> = queue.iter().filter(|queued| queued.name == name).collect();
        match elements.first() {
            Some(first) => {
                let count = elements.len() as u32;
                open.sent.push(Sent { job: first.job.clone(), elements: count });
                open.heard = Instant::now();
                self.keep_sent(number)
            }
            None => {
                open.want = Want::Submit(Instant::now());
                Ok(())
            }
        }
    }

    /// What becomes of the open attempts of a silent batch.
    fn account_for(&mut self, number: u32, queue: &[Queued], now: Instant) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        let alive = |job: &str| queue.iter().any(|queued| queued.job == job && queued.is_alive());
        let any_alive = open.sent.iter().any(|sent| alive(&sent.job));
        let mut unclaimed = Vec::new();
        let mut gone = Vec::new();
        for (instance, attempt) in &open.jobs {
            match self.spool.claimed_by(*instance, *attempt)? {
                None => unclaimed.push(*instance),
                Some(worker) => {
                    let element =
                        queue.iter().find(|queued| queued.job == worker.job && queued.element == worker.element);
                    if !element.is_some_and(Queued::is_alive) {
                        gone.push((*instance, *attempt, worker, element.map(|queued| queued.state.clone())));
                    } else if element.is_some_and(|queued| queued.state == "PENDING") {
                        // Slurm begins it anew, and it takes this up again.
                        self.missing.remove(instance);
                    }
                }
            }
        }
        let grace = self.grace;
        let certain = |missing: &mut FxHashMap<InstanceId, Instant>, instance: InstanceId| {
            now - *missing.entry(instance).or_insert(now) >= grace
        };
        let mut ends = Vec::new();
        for (instance, attempt, worker, state) in gone {
            if self.stopping.contains(&instance) || certain(&mut self.missing, instance) {
                open.jobs.remove(&instance);
                ends.push((instance, attempt, worker, state));
            }
        }
        if any_alive {
            open.heard = now;
        } else if !unclaimed.is_empty() && matches!(open.want, Want::Nothing) {
            let all = unclaimed.iter().filter(|instance| certain(&mut self.missing, **instance)).count();
            if all == unclaimed.len() {
                self.missing.retain(|instance, _| !unclaimed.contains(instance));
                open.want = Want::Submit(now);
                open.heard = now;
            }
        }
        for (instance, attempt, worker, state) in ends {
            let asked = self.stopping.remove(&instance);
            let failure = if asked { stopped() } else { verdict(&worker, state.as_deref()) };
            self.end(instance, attempt, failure, Some(&format!("job {}", worker.name())));
        }
        Ok(())
    }
}

fn silent(open: &Open, now: Instant) -> bool {
    matches!(open.want, Want::Nothing) && now - open.heard >= SILENT
}

pub(super) fn stopped() -> Failure {
    Failure { cause: Cause::Stopped, message: "stopped on request".into(), help: None }
}

/// Why an attempt ended whose worker is gone without a word.
fn verdict(worker: &Worker, state: Option<&str>) -> Failure {
    let job = worker.name();
    let (cause, message) = match state {
        Some("TIMEOUT" | "DEADLINE") => (Cause::Timeout, format!("Slurm ended job {job} at its time limit")),
        Some("OUT_OF_MEMORY") => (Cause::Oom, format!("Slurm killed job {job} for lack of memory")),
        Some("NODE_FAIL" | "BOOT_FAIL") => (Cause::Lost, format!("the node of job {job} failed")),
        Some("PREEMPTED") => (Cause::Lost, format!("job {job} was preempted")),
        Some("CANCELLED" | "REVOKED") => (Cause::Signal(15), format!("somebody cancelled job {job}")),
        Some(state) => (Cause::Lost, format!("job {job} is {state} and has not reported")),
        None => (Cause::Lost, format!("job {job} is not in the queue and has not reported")),
    };
    Failure { cause, message: message.into(), help: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_job_has_its_cause() {
        let worker = Worker { job: "17".into(), element: 3, restart: 0 };
        let said = |state: Option<&str>| {
            let failure = verdict(&worker, state);
            (failure.cause, failure.message.to_string())
        };
        assert_eq!(said(Some("TIMEOUT")), (Cause::Timeout, "Slurm ended job 17_3 at its time limit".into()));
        assert_eq!(said(Some("OUT_OF_MEMORY")), (Cause::Oom, "Slurm killed job 17_3 for lack of memory".into()));
        assert_eq!(said(Some("NODE_FAIL")), (Cause::Lost, "the node of job 17_3 failed".into()));
        assert_eq!(said(Some("PREEMPTED")), (Cause::Lost, "job 17_3 was preempted".into()));
        assert_eq!(said(Some("CANCELLED")), (Cause::Signal(15), "somebody cancelled job 17_3".into()));
        assert_eq!(said(Some("COMPLETED")).0, Cause::Lost);
        assert_eq!(said(None).0, Cause::Lost);
    }
}
