//! The first workers of a run: when they end one after another and none has said or taken anything, it will be so for all
//! of them, and the run stops with the reason.

use super::super::commands::{self, Queued};
use super::Desk;
use crate::backend::spool::{Notice, Worker};
use crate::sys::{Fault, FaultKind};
use std::time::Duration;

/// The first look at the queue, when nobody has said anything: what is wrong with one node is often wrong with all.
pub(super) const FIRST: Duration = Duration::from_secs(6);

impl Desk {
    /// Looks at how workers ended, as long as none has come to anything.
    ///
    /// # Errors
    /// One has failed before it could do anything.
    pub(super) fn look_at_first(&mut self, queue: &[Queued]) -> anyhow::Result<()> {
        for number in self.batches.keys() {
            self.spoken = self.spoken || !self.spool.claimed(*number)?.is_empty();
        }
        if self.spoken {
            return Ok(());
        }
        let ours = |row: &&Queued| {
            let mut sent = self.crews.values().flat_map(|crew| &crew.sent);
            &*row.state == "FAILED" && !row.node.is_empty() && sent.any(|sent| *sent.job == *row.job)
        };
        let Some(row) = queue.iter().find(ours) else { return Ok(()) };
        let worker = Worker { job: row.job.to_string(), element: row.element, restart: 0 };
        let said = self.words_of(&worker);
        let fault = reason(row, &worker, &said, &self.spool.path().display().to_string());
        self.withdraw()?;
        Err(fault.into())
    }

    /// Cancels everything that was submitted, and forgets that it was: nothing of it was begun.
    fn withdraw(&mut self) -> anyhow::Result<()> {
        let mut names: Vec<String> = Vec::new();
        for (shape, crew) in &self.crews {
            names.extend(self.names_of(crew));
            let of_it = self.batches.iter().filter(|(_, open)| open.crew == *shape);
            let closed: Vec<Notice> = of_it.map(|(number, _)| Notice::Closed(*number)).chain([Notice::Over]).collect();
            self.spool.tell(shape, &closed)?;
        }
        let _ = commands::cancel_waiting(&self.ours, &names);
        self.batches.keys().try_for_each(|number| self.spool.remove_batch(*number))?;
        self.batches.clear();
        self.crews.clear();
        Ok(())
    }
}

/// Why a worker could not begin.
fn reason(row: &Queued, worker: &Worker, said: &str, folder: &str) -> Fault {
    let (job, node) = (worker.name(), &row.node);
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    let (what, help) = if has(&["Exec format error", "cannot execute binary file"]) {
        (
            format!("flowrun cannot be executed on the node `{node}`, which has another architecture than this machine"),
            "choose nodes like this machine, by `slurm.constraint` or `slurm.partition`, or start flowrun on a machine \
             like them"
                .to_owned(),
        )
    } else if has(&["GLIBC_", "bin/flowrun: not found", "bin/flowrun: No such file"]) {
        let line = line.unwrap_or_default();
        (
            format!("flowrun cannot be executed on the node `{node}`: {line}"),
            "the node's system is older than this machine's: use a build of flowrun for it (a static one runs everywhere)"
                .to_owned(),
        )
    } else if row.reason.contains("JobLaunchFailure") || has(&["can't cd to", "cd: "]) {
        (
            format!("the node `{node}` does not see the folder of this run, or may not write there: {folder}"),
            "put the project on a file system that the nodes share with this machine, under the same path".to_owned(),
        )
    } else {
        let why = match (line, &*row.reason) {
            (Some(line), _) => format!(": {line}"),
            (None, "" | "None") => String::new(),
            (None, reason) => format!(" ({reason})"),
        };
        (
            format!("job {job} failed on the node `{node}` before it could do anything{why}"),
            "`flowrun doctor --backend slurm --try` shows what a job sees there".to_owned(),
        )
    };
    Fault::new(FaultKind::Other, what).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_node_from_working_is_named() {
        let reason = |why: &str, said: &str| {
            let text = |text: &str| text.into();
            let (state, node) = (text("FAILED"), text("n1"));
            let row = Queued { job: text("17"), element: 3, state, reason: text(why), node, name: text("x") };
            reason(&row, &Worker { job: "17".into(), element: 3, restart: 0 }, said, "/p/spool").what
        };
        assert_eq!(
            reason("NonZeroExitCode", "script: 3: exec: /p/bin/flowrun: Exec format error\n"),
            "flowrun cannot be executed on the node `n1`, which has another architecture than this machine"
        );
        let libc = "/p/bin/flowrun: /lib/libc.so.6: version `GLIBC_2.34' not found (required by /p/bin/flowrun)";
        assert_eq!(
            reason("NonZeroExitCode", &format!("{libc}\n")),
            format!("flowrun cannot be executed on the node `n1`: {libc}")
        );
        assert_eq!(
            reason("JobLaunchFailure", ""),
            "the node `n1` does not see the folder of this run, or may not write there: /p/spool"
        );
        assert_eq!(
            reason("NonZeroExitCode", "first\nerror: it is Monday\n\n"),
            "job 17_3 failed on the node `n1` before it could do anything: error: it is Monday"
        );
        assert_eq!(reason("Prolog", ""), "job 17_3 failed on the node `n1` before it could do anything (Prolog)");
    }
}
