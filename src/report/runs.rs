//! The table of runs, and the state of one.

use super::json::line;
use super::outcome::counts;
use crate::base::paint::Paint;
use crate::base::{human, text};
use crate::event::{RunState, Time};
use crate::port::RunRow;
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
