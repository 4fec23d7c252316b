//! Why an attempt ended whose worker is gone without a word, and why workers never began: from what the queue or the
//! accounting says of the job, and from what Slurm wrote into the job's standard error on the node.

use crate::backend::nodes;
use crate::backend::spool::Worker;
use crate::base::text::count;
use crate::event::{Cause, Failure};

/// What is known of a job that has ended, or is in no queue any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// `TIMEOUT`, …; `None`: neither the queue nor the accounting knows it.
    pub state: Option<String>,
    /// Why, in Slurm's words; often `None`.
    pub reason: String,
    /// Where it ran.
    pub node: Option<String>,
    /// The end of its standard error.
    pub words: String,
}

impl Evidence {
    /// Where it was, as people are told; without the node where that is not to blame.
    pub fn place(&self, worker: &Worker) -> String {
        let to_blame = !matches!(self.kind(), Kind::Preempted | Kind::Cancelled);
        match self.node.as_deref().filter(|_| to_blame) {
            Some(node) => nodes::place(node, &worker.name()),
            None => format!("job {}", worker.name()),
        }
    }

    fn kind(&self) -> Kind {
        let says = |parts: &[&str]| parts.iter().any(|part| self.words.contains(part));
        match self.state.as_deref() {
            Some("TIMEOUT" | "DEADLINE") => Kind::Time,
            Some("OUT_OF_MEMORY") => Kind::Memory,
            Some("NODE_FAIL" | "BOOT_FAIL") => Kind::Node,
            Some("PREEMPTED") => Kind::Preempted,
            Some("CANCELLED" | "REVOKED") => Kind::Cancelled,
            Some("COMPLETED") => Kind::Other,
            // Where no cgroup limits it, Slurm kills what is too large, and the state does not tell.
            _ if says(&["exceeded memory limit", "oom-kill event", "oom_kill event"]) => Kind::Memory,
            // What is below is for jobs that the queue forgot before anybody looked.
            Some("FAILED") => Kind::Other,
            _ if says(&["DUE TO TIME LIMIT"]) => Kind::Time,
            _ if says(&["DUE TO NODE FAILURE"]) => Kind::Node,
            _ if says(&["DUE TO PREEMPTION"]) => Kind::Preempted,
            _ if says(&[" CANCELLED AT "]) => Kind::Cancelled,
            _ => Kind::Other,
        }
    }

    /// The failure of an attempt that this worker had taken.
    pub fn of_taken(&self, worker: &Worker) -> Failure {
        let job = worker.name();
        let on = self.node.as_deref().map_or(String::new(), |node| format!(", on `{node}`,"));
        let (cause, message, help) = match self.kind() {
            Kind::Time => {
                let help = "give it more with `resources.time`";
                (Cause::Timeout, format!("Slurm ended job {job} at its time limit"), Some(help))
            }
            Kind::Memory => {
                let help = "give it more with `resources.memory`";
                (Cause::Oom, format!("Slurm killed job {job} for lack of memory"), Some(help))
            }
            Kind::Node => match &self.node {
                Some(node) => (Cause::Lost, format!("the node `{node}` failed under job {job}"), None),
                None => (Cause::Lost, format!("the node of job {job} failed"), None),
            },
            Kind::Preempted => (Cause::Lost, format!("job {job} was preempted"), None),
            Kind::Cancelled => (Cause::Signal(15), format!("somebody cancelled job {job}"), None),
            Kind::Other => {
                let mut message = match self.state.as_deref() {
                    Some(state) if state == "FAILED" || state == "COMPLETED" => {
                        format!("job {job}{on} is {state} and has not reported")
                    }
                    Some(state) => format!("job {job}{on} is {state} for the accounting, but in no queue"),
                    None => format!("job {job} is not in the queue and has not reported"),
                };
                if let Some(line) = self.last_line() {
                    message.push_str(&format!(": {line}"));
                }
                (Cause::Lost, message, None)
            }
        };
        Failure { cause, message: message.into(), help: help.map(Into::into) }
    }

    /// The failure of instances whose workers were submitted so often and never came to take anything.
    pub fn of_never_begun(&self, job: &str, times: u32) -> Failure {
        let on = self.node.as_deref().map_or(String::new(), |node| format!(" on `{node}`"));
        let why = match self.reason.as_str() {
            "" | "None" => String::new(),
            reason => format!(" ({reason})"),
        };
        let state = self.state.as_deref().unwrap_or("gone");
        let mut message =
            format!("its job never began in {}: job {job} is {state}{on}{why}", count(times.into(), "try"));
        if let Some(line) = self.last_line() {
            message.push_str(&format!(": {line}"));
        }
        let help = "is the project's folder seen from there, under the same path?";
        Failure { cause: Cause::NotStarted, message: message.into(), help: Some(help.into()) }
    }

    fn last_line(&self) -> Option<&str> {
        self.words.lines().rev().map(str::trim).find(|line| !line.is_empty())
    }
}

/// The failure of an instance whose workers somebody cancelled before one of them took it.
pub(super) fn cancelled_before(job: &str) -> Failure {
    let message = format!("somebody cancelled job {job} before it began");
    Failure { cause: Cause::Signal(15), message: message.into(), help: None }
}

/// The failure of what was stopped on request.
pub(super) fn stopped() -> Failure {
    Failure { cause: Cause::Stopped, message: "stopped on request".into(), help: None }
}

enum Kind {
    Time,
    Memory,
    Node,
    Preempted,
    Cancelled,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: Option<&str>, words: &str) -> (Cause, String) {
        let worker = Worker { job: "17".into(), element: 3, restart: 0 };
        let evidence = Evidence {
            state: state.map(Into::into),
            node: state.map(|_| "n2".into()),
            words: words.into(),
            ..Evidence::default()
        };
        let failure = evidence.of_taken(&worker);
        (failure.cause, failure.message.to_string())
    }

    #[test]
    fn each_end_of_a_job_has_its_cause() {
        let (timeout, oom) = (Cause::Timeout, Cause::Oom);
        assert_eq!(said(Some("TIMEOUT"), ""), (timeout, "Slurm ended job 17_3 at its time limit".into()));
        assert_eq!(said(Some("DEADLINE"), "").0, timeout);
        assert_eq!(said(Some("OUT_OF_MEMORY"), ""), (oom, "Slurm killed job 17_3 for lack of memory".into()));
        assert_eq!(said(Some("NODE_FAIL"), ""), (Cause::Lost, "the node `n2` failed under job 17_3".into()));
        assert_eq!(said(Some("BOOT_FAIL"), "").0, Cause::Lost);
        assert_eq!(said(Some("PREEMPTED"), ""), (Cause::Lost, "job 17_3 was preempted".into()));
        assert_eq!(said(Some("CANCELLED"), ""), (Cause::Signal(15), "somebody cancelled job 17_3".into()));
        assert_eq!(
            said(Some("FAILED"), "one\ntwo\n"),
            (Cause::Lost, "job 17_3, on `n2`, is FAILED and has not reported: two".into())
        );
        let lost = "job 17_3, on `n2`, is RUNNING for the accounting, but in no queue";
        assert_eq!(said(Some("RUNNING"), ""), (Cause::Lost, lost.into()), "a controller lost its memory");
        assert_eq!(said(None, ""), (Cause::Lost, "job 17_3 is not in the queue and has not reported".into()));
    }

    #[test]
    fn what_slurm_wrote_on_the_node_counts_where_the_state_says_nothing() {
        let killed = "slurmstepd: error: StepId=17.batch exceeded memory limit (107520 > 102400), being killed\n";
        assert_eq!(said(Some("FAILED"), killed).0, Cause::Oom);
        assert_eq!(said(None, killed).0, Cause::Oom);
        assert_eq!(said(Some("TIMEOUT"), killed).0, Cause::Timeout, "the state is about the job's end");
        let ended = |why: &str| said(None, &format!("slurmstepd: error: *** JOB 17 ON n2 CANCELLED AT 2026 {why}***"));
        assert_eq!(ended("DUE TO TIME LIMIT ").0, Cause::Timeout);
        assert_eq!(ended("DUE TO PREEMPTION ").1, "job 17_3 was preempted");
        assert_eq!(ended("DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ").0, Cause::Lost);
        assert_eq!(ended("").0, Cause::Signal(15));
    }
}
