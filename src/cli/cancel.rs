//! `cancel`.

use super::args::{CancelArgs, Output};
use super::screen::print;
use super::settings::Target;
use super::{Failed, exit, registry};
use crate::base::text::count;
use crate::driver::cancel::{self, Was};
use crate::report::json;

/// `flowrun cancel`
pub fn cancel(args: &CancelArgs) -> Result<u8, Failed> {
    let (target, run) = Target::with_run(&args.words, "cancel")?;
    let done = cancel::cancel(&target.pipeline, run, registry::afar().as_ref())?;
    let (run, jobs) = (done.run, done.jobs);
    print(match args.output {
        Output::Human => {
            let goes_on = format!("`flowrun resume{}` goes on where it stopped", target.words());
            let left = count(jobs as u64, "job");
            match (done.was, jobs) {
                (Was::Over, _) => format!("run {run} is over: there is nothing to cancel\n"),
                (Was::Live, _) => format!("run {run} is cancelled; {goes_on}\n"),
                (Was::Due, 0) => format!("run {run} waited for its driver, which is taken back; {goes_on}\n"),
                (Was::Interrupted, 0) => format!("run {run} was not at work: there is nothing to cancel\n"),
                (Was::Due | Was::Interrupted, _) => {
                    format!("run {run} had left {left} at work, now cancelled; {goes_on}\n")
                }
            }
        }
        Output::Json => {
            let was = match done.was {
                Was::Live => "live",
                Was::Due => "waiting",
                Was::Interrupted => "interrupted",
                Was::Over => "over",
            };
            json::line(&serde_json::json!({"run": run, "was": was, "jobs": jobs}))
        }
    })?;
    Ok(exit::OK)
}
