//! The state of one run, live or over.

use super::json::line;
use super::outcome;
use crate::base::paint::Paint;
use crate::base::{human, text};
use crate::engine::Counts;
use crate::event::{RunState, Time};
use crate::port::status::{Life, Status};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write;

/// Instances at work that are named.
const SHOWN: usize = 20;

/// `status` for people. `pipeline` are the words that name it in a command, with a blank in front, or nothing.
pub fn human(status: &Status, pipeline: &str, now: Time, zone: &TimeZone, paint: Paint) -> String {
    let mut text = String::new();
    let run = paint.bold(format_args!("run {}", status.run));
    let state = match &status.life {
        Life::Ended(RunState::Succeeded) => paint.green("succeeded"),
        Life::Ended(RunState::Failed) => paint.red("failed"),
        Life::Live(by) => format!("{}: {}", paint.cyan("at work"), human::plain(by)),
        Life::Due(job) => format!("{}: {}", paint.yellow("waits for its driver"), human::plain(job)),
        Life::Interrupted => paint.yellow("interrupted"),
    };
    let until = if matches!(status.life, Life::Live(_)) { now } else { status.last };
    let _ = writeln!(text, "{run} of {}: {state}", human::plain(&status.pipeline));
    if status.began == 0 {
        let _ = writeln!(text, "not begun yet");
    } else {
        let took = text::elapsed(until.saturating_sub(status.began));
        let _ = writeln!(text, "began {}, {took}", human::moment(status.began, zone));
        let _ = writeln!(text, "{}", outcome::tally(&status.counts, &status.failures));
    }

    let name_width = status.nodes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(40);
    if !status.nodes.is_empty() {
        text.push('\n');
    }
    for (name, counts) in &status.nodes {
        let all = outcome::counts(counts);
        let known = *counts != Counts::default();
        // Of a map whose list is not known yet nothing can be counted.
        let all = if known || matches!(status.life, Life::Ended(_)) { all } else { "not known yet".to_owned() };
        let _ = writeln!(text, "  {:<name_width$}  {all}", human::plain(name));
    }
    if !status.running.is_empty() {
        let title = if matches!(status.life, Life::Live(_)) { "at work" } else { "left at work" };
        let _ = writeln!(text, "\n{}", paint.bold(title));
        let (mut running, waiting): (Vec<_>, Vec<_>) = status.running.iter().partition(|at_work| at_work.begun);
        running.sort_by_key(|at_work| at_work.since);
        for at_work in running.iter().take(SHOWN) {
            let attempt = if at_work.attempt > 1 { format!(", attempt {}", at_work.attempt) } else { String::new() };
            let since = text::elapsed(now.saturating_sub(at_work.since));
            let host = at_work.host.as_ref().map(|host| format!(", on {}", human::plain(host))).unwrap_or_default();
            let _ = writeln!(text, "  {}  {since}{attempt}{host}", human::plain(&at_work.instance));
        }
        if running.len() > SHOWN {
            let _ = writeln!(text, "  and {} more", running.len() - SHOWN);
        }
        if !waiting.is_empty() {
            let _ = writeln!(text, "  {} handed over and not begun yet", waiting.len());
        }
    }
    if !status.delayed.is_empty() {
        let _ = writeln!(text, "\n{}", paint.bold("tried again"));
        let mut delayed: Vec<_> = status.delayed.iter().collect();
        delayed.sort_by_key(|delayed| delayed.until);
        for delayed in delayed.iter().take(SHOWN) {
            let (name, why) = (human::plain(&delayed.instance), human::plain(&delayed.message));
            let when = match delayed.until.saturating_sub(now) {
                0 => "now".to_owned(),
                pause => format!("in {}", text::elapsed(pause)),
            };
            let _ = writeln!(text, "  {name}  attempt {} {when}: {why}", delayed.attempt);
        }
        if delayed.len() > SHOWN {
            let _ = writeln!(text, "  and {} more", delayed.len() - SHOWN);
        }
    }
    if !status.elsewhere.is_empty() {
        let _ = writeln!(text, "\n{}", paint.bold("computed elsewhere"));
        for one in status.elsewhere.iter().take(SHOWN) {
            let _ = writeln!(text, "  {}  by {}", human::plain(&one.instance), human::plain(&one.by));
        }
        if status.elsewhere.len() > SHOWN {
            let _ = writeln!(text, "  and {} more", status.elsewhere.len() - SHOWN);
        }
    }
    if !status.failures.is_empty() {
        text.push('\n');
        outcome::digest(&mut text, &status.failures, status.run, pipeline, paint);
        text.pop();
    }
    if status.life == Life::Interrupted {
        let _ = writeln!(text, "\n`flowrun resume{pipeline}` goes on where it stopped, and so does the same command");
    }
    text
}

/// The counts of a run that may not have ended.
#[derive(Serialize)]
pub(super) struct Both<'a> {
    #[serde(flatten)]
    ended: &'a Counts,
    running: u32,
    waiting: u32,
}

pub(super) fn both(counts: &Counts) -> Both<'_> {
    Both { ended: counts, running: counts.running, waiting: counts.waiting }
}

/// `status --output json`.
pub fn json(status: &Status, pipeline: &str) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        run: u64,
        pipeline: &'a str,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        began: Time,
        last: Time,
        counts: Both<'a>,
        nodes: Vec<Node<'a>>,
        running: Vec<Running<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        delayed: Vec<Again<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        elsewhere: Vec<Other<'a>>,
        failures: Vec<outcome::Failure<'a>>,
    }
    #[derive(Serialize)]
    struct Other<'a> {
        instance: &'a str,
        by: &'a str,
    }
    #[derive(Serialize)]
    struct Node<'a> {
        name: &'a str,
        counts: Both<'a>,
    }
    #[derive(Serialize)]
    struct Running<'a> {
        instance: &'a str,
        attempt: u32,
        since: Time,
        begun: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        host: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Again<'a> {
        instance: &'a str,
        attempt: u32,
        until: Time,
        message: &'a str,
    }
    let (state, by) = match &status.life {
        Life::Ended(RunState::Succeeded) => ("succeeded", None),
        Life::Ended(RunState::Failed) => ("failed", None),
        Life::Live(by) => ("running", Some(by.as_str())),
        Life::Due(job) => ("waiting", Some(job.as_str())),
        Life::Interrupted => ("interrupted", None),
    };
    line(&Document {
        run: status.run,
        pipeline: &status.pipeline,
        state,
        by,
        began: status.began,
        last: status.last,
        counts: both(&status.counts),
        nodes: status.nodes.iter().map(|(name, counts)| Node { name, counts: both(counts) }).collect(),
        running: status
            .running
            .iter()
            .map(|at_work| Running {
                instance: &at_work.instance,
                attempt: at_work.attempt,
                since: at_work.since,
                begun: at_work.begun,
                host: at_work.host.as_deref(),
            })
            .collect(),
        delayed: status
            .delayed
            .iter()
            .map(|d| Again { instance: &d.instance, attempt: d.attempt, until: d.until, message: &d.message })
            .collect(),
        elsewhere: status.elsewhere.iter().map(|e| Other { instance: &e.instance, by: &e.by }).collect(),
        failures: outcome::failures(&status.failures, status.run, pipeline),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Cause;
    use crate::port::ended::{FailedKind, FailureItem};
    use crate::port::status::{AtWork, Delayed};

    fn status(life: Life) -> Status {
        let counts =
            |succeeded, failed, running, waiting| Counts { succeeded, failed, running, waiting, ..Counts::default() };
        Status {
            run: 7,
            pipeline: "variant-calling".into(),
            life,
            began: 1_700_000_000_000,
            last: 1_700_000_030_000,
            counts: counts(3, 1, 2, 4),
            nodes: vec![
                ("index".into(), counts(1, 0, 0, 0)),
                ("samples.align".into(), counts(2, 1, 2, 3)),
                ("report".into(), counts(0, 0, 0, 1)),
            ],
            running: vec![
                AtWork {
                    instance: "samples[b].align".into(),
                    attempt: 1,
                    since: 1_700_000_058_000,
                    begun: true,
                    host: None,
                },
                AtWork {
                    instance: "samples[a].align".into(),
                    attempt: 2,
                    since: 1_700_000_012_000,
                    begun: true,
                    host: Some("n1, job 17_3".into()),
                },
            ],
            delayed: vec![Delayed {
                instance: "samples[d].align".into(),
                attempt: 2,
                until: 1_700_000_068_000,
                message: "exit status 75".into(),
            }],
            elsewhere: vec![],
            failures: vec![FailureItem {
                instance: "samples[c].align".into(),
                kind: FailedKind::Task,
                attempt: 1,
                cause: Cause::Exit(1),
                message: "exit status 1".into(),
                help: None,
                ignored: false,
                tail: b"[E::sam] truncated file\n".to_vec(),
                has_log: true,
                usage: Default::default(),
                host: None,
            }],
        }
    }

    #[test]
    fn a_live_run() {
        let status = status(Life::Live("process 4711 on host h".to_owned()));
        assert_eq!(
            human(&status, "", 1_700_000_060_000, &TimeZone::UTC, Paint::OFF),
            "\
run 7 of variant-calling: at work: process 4711 on host h
began 2023-11-14 22:13:20 UTC, 1m00s
1 failed, 3 succeeded, 2 running, 4 waiting

  index          1 succeeded
  samples.align  1 failed, 2 succeeded, 2 running, 3 waiting
  report         1 waiting

at work
  samples[a].align  48 s, attempt 2, on n1, job 17_3
  samples[b].align  2.0 s

tried again
  samples[d].align  attempt 2 in 8.0 s: exit status 75

failed samples[c].align
  exit status 1
  | [E::sam] truncated file
  log: flowrun log 'samples[c].align' --run 7
"
        );
    }

    #[test]
    fn an_interrupted_run_says_how_to_go_on() {
        let status =
            Status { running: vec![], delayed: vec![], failures: vec![], nodes: vec![], ..status(Life::Interrupted) };
        assert_eq!(
            human(&status, " a.toml", 1_700_000_060_000, &TimeZone::UTC, Paint::OFF),
            "\
run 7 of variant-calling: interrupted
began 2023-11-14 22:13:20 UTC, 30 s
1 failed, 3 succeeded, 2 running, 4 waiting

`flowrun resume a.toml` goes on where it stopped, and so does the same command
"
        );
    }

    #[test]
    fn the_json_has_the_same() {
        let status = Status { nodes: vec![], failures: vec![], ..status(Life::Ended(RunState::Failed)) };
        assert_eq!(
            json(&status, ""),
            "{\"run\": 7, \"pipeline\": \"variant-calling\", \"state\": \"failed\", \"began\": 1700000000000, \
             \"last\": 1700000030000, \"counts\": {\"succeeded\": 3, \"cached\": 0, \"failed\": 1, \"ignored\": 0, \
             \"skipped\": 0, \"cancelled\": 0, \"running\": 2, \"waiting\": 4}, \"nodes\": [], \"running\": \
             [{\"instance\": \"samples[b].align\", \"attempt\": 1, \"since\": 1700000058000, \"begun\": true}, \
             {\"instance\": \"samples[a].align\", \"attempt\": 2, \"since\": 1700000012000, \"begun\": true, \"host\": \"n1, job 17_3\"}], \"delayed\": [{\"instance\": \"samples[d].align\", \"attempt\": 2, \"until\": \
             1700000068000, \"message\": \"exit status 75\"}], \"failures\": []}\n"
        );
    }
}
