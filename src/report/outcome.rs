//! The end of a run: its outputs, its counts, and the digest of failures.
//!
//! For people the most important line comes last, for that is where they look.

use super::json;
use crate::base::Value;
use crate::base::paint::Paint;
use crate::base::{human, text};
use crate::engine::Counts;
use crate::event::{Cause, RunState};
use crate::port::ended::{End, Ended, FailedKind, FailureItem};
use serde::Serialize;
use serde::ser::SerializeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Lines of a log that are shown.
const TAIL_LINES: usize = 8;
/// So many characters of each of them.
const TAIL_WIDTH: usize = 240;
/// Failures that are told in full; the rest is counted.
const GROUPS: usize = 5;
/// Characters of a log's last line that the verdict repeats.
const LAST_WIDTH: usize = 120;
/// Characters of an output's value that are shown.
const VALUE_WIDTH: usize = 400;

/// The word for how a run ended.
pub fn state(end: End) -> &'static str {
    match end {
        End::Finished(RunState::Succeeded) => "succeeded",
        End::Finished(RunState::Failed) => "failed",
        End::Stopped { .. } => "stopped",
        End::Cancelled => "cancelled",
        End::Detached => "detached",
    }
}

/// `flowrun log` for an instance; `pipeline` are the words that name the pipeline, with a blank in front, or nothing.
pub fn log_command(pipeline: &str, run: u64, instance: &str) -> String {
    format!("flowrun log{pipeline} {} --run {run}", human::shell_word(instance))
}

/// What is said at the end of a run, to people. `pipeline` as in [`log_command`].
pub fn human(ended: &Ended, pipeline: &str, paint: Paint) -> String {
    let mut text = String::new();
    digest(&mut text, &ended.failures, ended.run, pipeline, paint);
    if !ended.outputs.is_empty() {
        let _ = writeln!(text, "{}", paint.bold("outputs"));
        let width = ended.outputs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &ended.outputs {
            let shown = json::text(value);
            let _ = writeln!(text, "  {name:<width$} = {}", human::cut(&shown, VALUE_WIDTH));
        }
    }
    let _ = writeln!(text, "{}", verdict(ended, pipeline, paint));
    text
}

fn verdict(ended: &Ended, pipeline: &str, paint: Paint) -> String {
    let run = format!("run {}", ended.run);
    let counts = tally(&ended.counts, &ended.failures);
    let time = text::elapsed(ended.wall_ms);
    match ended.end {
        End::Finished(RunState::Succeeded) if ended.has_ignored() => {
            format!("{} {counts} in {time}", paint.yellow(format_args!("{run} finished with failures that it allows:")))
        }
        End::Finished(RunState::Succeeded) => {
            format!("{} {counts} in {time}", paint.green(format_args!("{run} succeeded:")))
        }
        End::Finished(RunState::Failed) => {
            let what = match first(ended) {
                Some(item) => {
                    let sentence = sentence(item);
                    // A bare status says nothing; what the task said last most often does.
                    let last =
                        tail_lines(item).pop().filter(|line| !sentence.contains(": ") && !line.trim().is_empty());
                    let last = last.map(|line| format!(": {}", human::cut(line.trim(), LAST_WIDTH)));
                    format!("{}: {sentence}{}", human::plain(&item.instance), last.unwrap_or_default())
                }
                None => "see above".to_owned(),
            };
            format!("{} {counts} in {time}\n{} {what}", paint.dim(format_args!("{run}:")), paint.red("failed"))
        }
        End::Detached => {
            let by = ended.by.as_deref().map(|by| format!(", driven by {}", human::plain(by))).unwrap_or_default();
            let n = ended.run;
            format!(
                "{}{by}\n`flowrun attach{pipeline} {n}` follows it, `flowrun cancel{pipeline} {n}` stops it",
                paint.green(format_args!("{run} is detached"))
            )
        }
        end @ (End::Stopped { .. } | End::Cancelled) => {
            let name = match end {
                End::Cancelled => "`flowrun cancel`".to_owned(),
                End::Stopped { signal: 1 } => "SIGHUP".to_owned(),
                End::Stopped { signal: 15 } => "SIGTERM".to_owned(),
                End::Stopped { signal: other } if other != 2 => format!("signal {other}"),
                _ => "SIGINT".to_owned(),
            };
            format!(
                "{} {counts} in {time}\n`flowrun resume{pipeline}` goes on where it stopped, and so does the same \
                 command",
                paint.yellow(format_args!("{run} stopped by {name}:"))
            )
        }
    }
}

/// The failure that comes to mind first: the earliest that is not allowed.
fn first(ended: &Ended) -> Option<&FailureItem> {
    ended.failures.iter().find(|item| !item.ignored).or_else(|| ended.failures.first())
}

/// `9 succeeded, 4 cached`: what is not zero, and successes or cached in any case.
pub fn counts(counts: &Counts) -> String {
    let all = [
        (counts.failed, "failed"),
        (counts.ignored, "failed and allowed to"),
        (counts.succeeded, "succeeded"),
        (counts.cached, "cached"),
        (counts.skipped, "skipped"),
        (counts.cancelled, "not run"),
        (counts.running, "running"),
        (counts.waiting, "waiting"),
    ];
    let parts: Vec<_> = all.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if parts.is_empty() { "no task ran".to_owned() } else { parts.join(", ") }
}

/// The counts of the tasks, and before them what failed and is no task: `1 map failed, 3 not run`.
pub(super) fn tally(tasks: &Counts, failures: &[FailureItem]) -> String {
    let of = |kind, ignored| failures.iter().filter(|f| f.kind == kind && f.ignored == ignored).count() as u64;
    let mut parts = Vec::new();
    let holders = ["map", "branch", "loop", "call"].map(|word| (FailedKind::Holder(word), word));
    for (kind, noun) in holders.into_iter().chain([(FailedKind::Output, "output")]) {
        for (ignored, verb) in [(false, "failed"), (true, "failed and allowed to")] {
            let n = of(kind, ignored);
            if n > 0 {
                parts.push(format!("{} {verb}", text::count(n, noun)));
            }
        }
    }
    if parts.is_empty() || *tasks != Counts::default() {
        parts.push(counts(tasks));
    }
    parts.join(", ")
}

/// The failure's sentence and what its status means.
fn sentence(item: &FailureItem) -> String {
    let mut text = human::plain(&item.message).into_owned();
    if let Some(meaning) = item.cause.meaning() {
        text.push_str(": ");
        text.push_str(meaning);
    }
    if item.attempt > 1 {
        let _ = write!(text, " (attempt {})", item.attempt);
    }
    text
}

/// Failures that say the same: the earliest of them stands for all.
struct Group<'a> {
    items: Vec<&'a FailureItem>,
}

fn groups(failures: &[FailureItem]) -> Vec<Group<'_>> {
    let mut seen: rustc_hash::FxHashMap<(bool, String, Cause, String, String), usize> = Default::default();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for item in failures {
        let last = tail_lines(item).pop().unwrap_or_default();
        let key = (
            item.ignored,
            human::node_of(&item.instance),
            item.cause,
            alike(&item.message, &item.instance),
            alike(&last, &item.instance),
        );
        match seen.get(&key) {
            Some(at) => groups[*at].items.push(item),
            None => {
                seen.insert(key, groups.len());
                groups.push(Group { items: vec![item] });
            }
        }
    }
    groups
}

/// The text without what differs from item to item: the item's own key, and numbers.
fn alike(text: &str, instance: &str) -> String {
    let mut text = text.to_owned();
    for key in instance.split(['[', ']']).skip(1).step_by(2).filter(|key| !key.is_empty()) {
        text = text.replace(key, "#");
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii_digit() || c == '#' => {
                if !out.ends_with('#') {
                    out.push('#');
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// The last lines of its log, without blank ones at the end.
fn tail_lines(item: &FailureItem) -> Vec<String> {
    let text = String::from_utf8_lossy(&item.tail);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    // A line that a carriage return rewrote shows as the terminal would show it.
    let shown = |line: &&str| {
        let line = human::plain(line.rsplit('\r').next().unwrap_or(line));
        human::cut(&line, TAIL_WIDTH).into_owned()
    };
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(shown).collect()
}

/// Failures for people: equal ones once, the earliest last, a blank line after each.
pub(super) fn digest(text: &mut String, failures: &[FailureItem], run: u64, pipeline: &str, paint: Paint) {
    let groups = groups(failures);
    let (told, rest) = groups.split_at(groups.len().min(GROUPS));
    if !rest.is_empty() {
        let _ = writeln!(
            text,
            "{} in {} kinds: the first {GROUPS} kinds follow\n",
            text::count(failures.len() as u64, "failure"),
            groups.len()
        );
    }
    // The earliest comes last: what follows is most often its consequence.
    for group in told.iter().rev() {
        let Some(item) = group.items.first() else { continue };
        let verb = if item.ignored { paint.yellow("failed, as the file allows:") } else { paint.red("failed") };
        let _ = writeln!(text, "{verb} {}", paint.bold(names(&group.items)));
        for line in human::wrap(&sentence(item), 76) {
            let _ = writeln!(text, "  {line}");
        }
        for line in tail_lines(item) {
            let _ = writeln!(text, "  {} {line}", paint.dim("|"));
        }
        if let Some(help) = &item.help {
            for (i, line) in human::wrap(&human::plain(help), 70).iter().enumerate() {
                let _ = writeln!(text, "  {} {line}", if i == 0 { paint.cyan("help:") } else { "     ".to_owned() });
            }
        }
        if item.has_log {
            let _ = writeln!(text, "  {} {}", paint.cyan("log:"), log_command(pipeline, run, &item.instance));
        }
        text.push('\n');
    }
}

/// `align[1], align[2], align[3] and 4 more`
fn names(items: &[&FailureItem]) -> String {
    let shown = if items.len() <= 4 { items.len() } else { 3 };
    let list: Vec<_> = items[..shown].iter().map(|item| human::plain(&item.instance).into_owned()).collect();
    let rest = items.len() - shown;
    if rest > 0 { format!("{} and {rest} more", list.join(", ")) } else { list.join(", ") }
}

/// The one document of `run --output json`.
pub fn json(ended: &Ended, pipeline: &str) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        run: u64,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        outputs: Outputs<'a>,
        counts: &'a Counts,
        wall_s: f64,
        failures: Vec<Failure<'a>>,
    }
    let document = Document {
        run: ended.run,
        state: state(ended.end),
        by: ended.by.as_deref(),
        outputs: Outputs(&ended.outputs),
        counts: &ended.counts,
        wall_s: ended.wall_ms as f64 / 1000.0,
        failures: failures(&ended.failures, ended.run, pipeline),
    };
    json::line(&document)
}

/// A failure as programs read it.
#[derive(Serialize)]
pub(super) struct Failure<'a> {
    instance: &'a str,
    attempt: u32,
    cause: &'static str,
    exit: Option<i32>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    ignored: bool,
    tail: String,
    /// The command that shows the whole log.
    log: Option<String>,
}

pub(super) fn failures<'a>(list: &'a [FailureItem], run: u64, pipeline: &str) -> Vec<Failure<'a>> {
    let failure = |item: &'a FailureItem| Failure {
        instance: &item.instance,
        attempt: item.attempt,
        cause: item.cause.word(),
        exit: item.cause.status(),
        message: &item.message,
        help: item.help.as_deref(),
        ignored: item.ignored,
        tail: String::from_utf8_lossy(&item.tail).into_owned(),
        log: item.has_log.then(|| log_command(pipeline, run, &item.instance)),
    };
    list.iter().map(failure).collect()
}

struct Outputs<'a>(&'a [(Arc<str>, Value)]);

impl Serialize for Outputs<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(&**name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(instance: &str, cause: Cause, message: &str, tail: &str) -> FailureItem {
        FailureItem {
            instance: instance.into(),
            kind: FailedKind::Task,
            attempt: 1,
            cause,
            message: message.into(),
            help: None,
            ignored: false,
            tail: tail.into(),
            has_log: !tail.is_empty(),
            usage: Default::default(),
            host: None,
        }
    }

    fn ended(end: End, outputs: Vec<(Arc<str>, Value)>, failures: Vec<FailureItem>) -> Ended {
        let failed = failures.iter().filter(|f| !f.ignored).count() as u32;
        let ignored = failures.len() as u32 - failed;
        let counts = Counts { succeeded: 5, cached: 4, failed, ignored, ..Counts::default() };
        Ended { run: 7, end, outputs, counts, wall_ms: 124, failures, by: None }
    }

    #[test]
    fn a_success_shows_outputs_and_one_line() {
        let outputs = vec![
            ("results".into(), Value::list(vec![Value::Int(126), Value::Int(129)])),
            ("html".into(), Value::str("a.html")),
        ];
        let ended = ended(End::Finished(RunState::Succeeded), outputs, vec![]);
        assert_eq!(
            human(&ended, "", Paint::OFF),
            "outputs\n  results = [126, 129]\n  html    = \"a.html\"\nrun 7 succeeded: 5 succeeded, 4 cached in 124 ms\n"
        );
        assert_eq!(
            json(&ended, ""),
            "{\"run\": 7, \"state\": \"succeeded\", \"outputs\": {\"results\": [126, 129], \"html\": \"a.html\"}, \"counts\": \
             {\"succeeded\": 5, \"cached\": 4, \"failed\": 0, \"ignored\": 0, \"skipped\": 0, \"cancelled\": 0}, \
             \"wall_s\": 0.124, \"failures\": []}\n"
        );
    }

    #[test]
    fn equal_failures_are_told_once_and_the_first_comes_last() {
        let mut list: Vec<_> = (0..6)
            .map(|i| {
                item(
                    &format!("align[s{i}]"),
                    Cause::Exit(137),
                    "exit status 137: a process in it was ended by SIGKILL",
                    &format!("reading s{i}\nKilled\n"),
                )
            })
            .collect();
        list.push(FailureItem {
            help: Some("is it installed?".into()),
            ..item(
                "call",
                Cause::Exit(127),
                "exit status 127: the command `bcftools` was not found",
                "bash: line 1: bcftools: command not found\n",
            )
        });
        let ended = ended(End::Finished(RunState::Failed), vec![], list);
        assert_eq!(
            human(&ended, " p.toml", Paint::OFF),
            "\
failed call
  exit status 127: the command `bcftools` was not found
  | bash: line 1: bcftools: command not found
  help: is it installed?
  log: flowrun log p.toml call --run 7

failed align[s0], align[s1], align[s2] and 3 more
  exit status 137: a process in it was ended by SIGKILL: most often for lack
  of memory
  | reading s0
  | Killed
  log: flowrun log p.toml 'align[s0]' --run 7

run 7: 7 failed, 5 succeeded, 4 cached in 124 ms
failed align[s0]: exit status 137: a process in it was ended by SIGKILL: most often for lack of memory
"
        );
    }

    #[test]
    fn a_stopped_run_says_how_to_come_back() {
        let ended = ended(End::Stopped { signal: 2 }, vec![], vec![]);
        assert_eq!(
            human(&ended, " a/b.toml", Paint::OFF),
            "run 7 stopped by SIGINT: 5 succeeded, 4 cached in 124 ms\n\
             `flowrun resume a/b.toml` goes on where it stopped, and so does the same command\n"
        );
    }

    #[test]
    fn the_json_of_a_failure_says_what_a_program_needs() {
        let ended = ended(
            End::Finished(RunState::Failed),
            vec![],
            vec![item("align[3]", Cause::Signal(9), "killed by signal 9", "x\n")],
        );
        assert_eq!(
            json(&ended, ""),
            "{\"run\": 7, \"state\": \"failed\", \"outputs\": {}, \"counts\": {\"succeeded\": 5, \"cached\": 4, \"failed\": 1, \
             \"ignored\": 0, \"skipped\": 0, \"cancelled\": 0}, \"wall_s\": 0.124, \"failures\": [{\"instance\": \"align[3]\", \
             \"attempt\": 1, \"cause\": \"signal\", \"exit\": 137, \"message\": \"killed by signal 9\", \"ignored\": false, \
             \"tail\": \"x\\n\", \"log\": \"flowrun log 'align[3]' --run 7\"}]}\n"
        );
    }
}
