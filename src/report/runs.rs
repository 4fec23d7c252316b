//! The table of runs, and the state of one.

use super::json::line;
use super::outcome::counts;
use crate::base::paint::Paint;
use crate::base::{human, text};
use crate::event::{RunState, Time};
use crate::port::RunRow;
use crate::port::keeping::SeenRun;
use crate::port::status::Life;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write;

/// The word for the state of a run; one without an end is live or was interrupted.
pub fn word(state: Option<RunState>) -> &'static str {
    match state {
        Some(RunState::Succeeded) => "succeeded",
        Some(RunState::Failed) => "failed",
        None => "not ended",
    }
}

/// `runs` for people.
pub fn human(rows: &[RunRow], zone: &TimeZone, paint: Paint) -> String {
    if rows.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let mut text = String::new();
    // Several pipelines of one folder share their state; one alone need not be named.
    let several = rows.iter().any(|row| row.file != rows[0].file);
    let width = if several { rows.iter().map(|row| row.file.chars().count()).max().unwrap_or(0).max(8) + 2 } else { 0 };
    let file = |name: &str| if several { format!("{name:<width$}") } else { String::new() };
    let began: Vec<String> = rows.iter().map(|row| human::moment(row.began, zone)).collect();
    let wide = began.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let (pipeline, state, time) = (file("pipeline"), "state", "time");
    let head = format!("{:>4}  {pipeline}{state:<9}  {:<wide$}  {time:>7}  instances", "run", "began");
    let _ = writeln!(text, "{}", paint.bold(head));
    for (row, began) in rows.iter().zip(began) {
        let state = format!("{:<9}", word(row.state));
        let state = match row.state {
            Some(RunState::Succeeded) => paint.green(state),
            Some(RunState::Failed) => paint.red(state),
            None => paint.yellow(state),
        };
        let took = row.ended.map(|ended| text::elapsed(ended.saturating_sub(row.began))).unwrap_or_default();
        let counts = if row.ended.is_some() { counts(&row.counts) } else { String::new() };
        let line =
            format!("{:>4}  {}{state}  {began:<wide$}  {took:>7}  {counts}", row.run, file(&human::plain(&row.file)));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// `runs --all` for people: the runs of every project, with the folder that each belongs to.
pub fn everywhere(runs: &[SeenRun], now: Time, zone: &TimeZone, paint: Paint) -> String {
    if runs.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let width = |of: fn(&SeenRun) -> &str, head: &str| {
        runs.iter().map(|run| human::plain(of(run)).chars().count()).max().unwrap_or(0).max(head.len())
    };
    let (pipeline, user, host) = (
        width(|run| &run.run.row.pipeline, "pipeline"),
        width(|run| &run.run.user, "user"),
        width(|run| &run.run.host, "host"),
    );
    let head = format!(
        "{:>4}  {:<pipeline$}  {:<user$}  {:<host$}  {:<11}  {:<23}  {:>7}  instances",
        "run", "pipeline", "user", "host", "state", "since", "time"
    );
    let mut text = format!("{}\n", paint.bold(head));
    for SeenRun { run, life, counts: known } in runs {
        let state = format!("{:<11}", life_word(life.as_ref()));
        let state = match life {
            Some(Life::Ended(RunState::Succeeded)) => paint.green(state),
            Some(Life::Ended(RunState::Failed)) => paint.red(state),
            Some(Life::Live(_)) => paint.cyan(state),
            _ => paint.yellow(state),
        };
        let end = match life {
            Some(Life::Live(_)) => Some(now),
            _ => run.row.ended,
        };
        let took = end.map(|end| text::elapsed(end.saturating_sub(run.row.began))).unwrap_or_default();
        let line = format!(
            "{:>4}  {:<pipeline$}  {:<user$}  {:<host$}  {state}  {}  {took:>7}  {}",
            run.row.run,
            human::plain(&run.row.pipeline),
            human::plain(&run.user),
            human::plain(&run.host),
            human::moment(run.row.began, zone),
            known.as_ref().map(counts).unwrap_or_default(),
        );
        let _ = writeln!(text, "{}", line.trim_end());
        if !run.project.is_empty() {
            let _ = writeln!(text, "      {}", paint.dim(human::plain(&format!("{}/{}", run.project, run.row.file))));
        }
    }
    text
}

fn life_word(life: Option<&Life>) -> &'static str {
    match life {
        Some(Life::Ended(state)) => word(Some(*state)),
        Some(Life::Live(_)) => "running",
        Some(Life::Due(_)) => "waiting",
        Some(Life::Interrupted) => "interrupted",
        None => word(None),
    }
}

/// `runs --all --output json`.
pub fn everywhere_json(runs: &[SeenRun]) -> String {
    let runs: Vec<_> = runs
        .iter()
        .map(|SeenRun { run, life, counts }| {
            serde_json::json!({
                "run": run.row.run, "pipeline": run.row.pipeline, "file": run.row.file, "project": run.project,
                "user": run.user, "host": run.host, "state": life_word(life.as_ref()), "began": run.row.began,
                "ended": run.row.ended, "counts": counts.as_ref().map(super::status::both),
            })
        })
        .collect();
    line(&serde_json::json!({ "runs": runs }))
}

/// `runs --output json`.
pub fn json(rows: &[RunRow]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        runs: Vec<Row<'a>>,
    }
    #[derive(Serialize)]
    struct Row<'a> {
        run: u64,
        pipeline: &'a str,
        file: &'a str,
        state: Option<RunState>,
        began: Time,
        ended: Option<Time>,
        counts: &'a crate::engine::Counts,
    }
    let runs = rows.iter().map(|row| Row {
        run: row.run,
        pipeline: &row.pipeline,
        file: &row.file,
        state: row.state,
        began: row.began,
        ended: row.ended,
        counts: &row.counts,
    });
    line(&Document { runs: runs.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Counts;

    #[test]
    fn runs_are_a_table() {
        let row = |run, state: Option<RunState>| RunRow {
            run,
            pipeline: "p".into(),
            file: "p.toml".into(),
            identity: crate::base::Digest::of(b""),
            began: 1_700_000_000_000,
            ended: state.map(|_| 1_700_000_083_000),
            state,
            counts: Counts { succeeded: 9, cached: 2, ..Counts::default() },
        };
        let rows = [row(3, None), row(2, Some(RunState::Failed)), row(1, Some(RunState::Succeeded))];
        assert_eq!(
            human(&rows, &TimeZone::UTC, Paint::OFF),
            " run  state      began                       time  instances
   3  not ended  2023-11-14 22:13:20 UTC
   2  failed     2023-11-14 22:13:20 UTC    1m23s  9 succeeded, 2 cached
   1  succeeded  2023-11-14 22:13:20 UTC    1m23s  9 succeeded, 2 cached
"
        );
        let two = [row(2, None), RunRow { file: "other.toml".into(), ..row(1, Some(RunState::Succeeded)) }];
        assert_eq!(
            human(&two, &TimeZone::UTC, Paint::OFF),
            " run  pipeline    state      began                       time  instances
   2  p.toml      not ended  2023-11-14 22:13:20 UTC
   1  other.toml  succeeded  2023-11-14 22:13:20 UTC    1m23s  9 succeeded, 2 cached
"
        );
        assert_eq!(human(&[], &TimeZone::UTC, Paint::OFF), "no runs yet\n");
    }
}
