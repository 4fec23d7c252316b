//! Tests of tasks as test runners tell them: a line a test, the differences, the sum; JSON, and JUnit's XML.

use super::json;
use crate::base::human;
use crate::base::paint::Paint;
use crate::base::text::elapsed;
use crate::port::verdict::{Verdict, Wrong};
use serde_json::json;
use similar::{ChangeTag, TextDiff};
use std::fmt::Write;

/// Lines of a log that are shown.
const LOG_LINES: usize = 10;
/// Lines of a difference that are shown.
const DIFF_LINES: usize = 40;
/// So many characters of each of them.
const WIDTH: usize = 240;

/// `test NAME ... ok`
pub fn line(verdict: &Verdict, paint: Paint) -> String {
    let took = paint.dim(format!("({})", elapsed(verdict.wall_ms)));
    let word = if verdict.wrong.is_empty() { paint.green("ok") } else { paint.red("FAILED") };
    format!("test {} ... {word} {took}\n", verdict.name)
}

/// What failed, and the sum of all.
pub fn summary(verdicts: &[Verdict], left_out: usize, wall_ms: u64, paint: Paint) -> String {
    let failed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.wrong.is_empty()).collect();
    let mut text = String::new();
    for verdict in &failed {
        let (name, node) = (&verdict.name, &verdict.node);
        let place = format!("{node}, {}:{}", human::plain(&verdict.file), verdict.line);
        let _ = writeln!(text, "\n---- {} ({place})", paint.bold(name));
        for wrong in &verdict.wrong {
            text.push_str(&told(wrong, paint));
        }
        let log = log_of(verdict);
        if !log.is_empty() {
            let _ = writeln!(text, "{}", paint.dim("the end of its log:"));
            for line in log {
                let _ = writeln!(text, "  | {line}");
            }
        }
        if let Some(folder) = &verdict.folder {
            let _ = writeln!(text, "its folder: {}", human::plain(&folder.display().to_string()));
        }
    }
    let passed = verdicts.len() - failed.len();
    let state = if failed.is_empty() { paint.green("ok") } else { paint.red("FAILED") };
    let left_out = if left_out > 0 { format!(", {left_out} not chosen") } else { String::new() };
    let (bad, took) = (failed.len(), elapsed(wall_ms));
    let _ = writeln!(text, "\ntest result: {state}. {passed} passed, {bad} failed{left_out} in {took}");
    text
}

fn told(wrong: &Wrong, paint: Paint) -> String {
    let mut text = format!("{}\n", human::plain(&wrong.what));
    if let Some((expected, found)) = &wrong.differ {
        for (tag, line) in diff(expected, found) {
            let line = format!("  {tag} {line}");
            let _ = writeln!(
                text,
                "{}",
                match tag {
                    '-' => paint.red(line),
                    '+' => paint.green(line),
                    _ => line,
                }
            );
        }
    }
    text
}

/// Lines that were expected (`-`), that were found (`+`), and those around them.
fn diff(expected: &str, found: &str) -> Vec<(char, String)> {
    let diff = TextDiff::from_lines(expected, found);
    let mut lines = Vec::new();
    for (i, group) in diff.grouped_ops(2).iter().enumerate() {
        if i > 0 {
            lines.push(('…', String::new()));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let tag = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let value = change.value();
            let mut line = human::cut(&human::plain(value.trim_end_matches('\n')), WIDTH).into_owned();
            if !value.ends_with('\n') {
                line.push_str(" (no newline)");
            }
            lines.push((tag, line));
        }
    }
    let more = lines.len().saturating_sub(DIFF_LINES);
    if more > 1 {
        lines.truncate(DIFF_LINES);
        lines.push(('…', format!("and {more} more lines")));
    }
    lines
}

fn log_of(verdict: &Verdict) -> Vec<String> {
    let log = String::from_utf8_lossy(&verdict.log);
    let lines: Vec<&str> = log.lines().collect();
    let last = lines.len().saturating_sub(LOG_LINES);
    lines[last..].iter().map(|line| human::cut(&human::plain(line), WIDTH).into_owned()).collect()
}

/// All of it as one document.
pub fn json(verdicts: &[Verdict], left_out: usize, wall_ms: u64) -> String {
    let tests: Vec<serde_json::Value> = verdicts
        .iter()
        .map(|verdict| {
            let wrong: Vec<_> = verdict
                .wrong
                .iter()
                .map(|wrong| match &wrong.differ {
                    Some((expected, found)) => {
                        json!({ "message": wrong.what, "expected": expected, "found": found })
                    }
                    None => json!({ "message": wrong.what }),
                })
                .collect();
            let mut test = json!({
                "name": verdict.name,
                "node": verdict.node,
                "file": verdict.file,
                "line": verdict.line,
                "passed": verdict.wrong.is_empty(),
                "wall_s": verdict.wall_ms as f64 / 1000.0,
                "failures": wrong,
            });
            if !verdict.wrong.is_empty() {
                test["log"] = json!(String::from_utf8_lossy(&verdict.log));
            }
            if let Some(folder) = &verdict.folder {
                test["folder"] = json!(folder.display().to_string());
            }
            test
        })
        .collect();
    let failed = verdicts.iter().filter(|verdict| !verdict.wrong.is_empty()).count();
    json::line(&json!({
        "passed": verdicts.len() - failed,
        "failed": failed,
        "not_chosen": left_out,
        "wall_s": wall_ms as f64 / 1000.0,
        "tests": tests,
    }))
}

/// The suite that a JUnit file is about.
pub struct Suite<'a> {
    /// The pipeline's file.
    pub name: &'a str,
    /// When it began, without a zone: `2026-11-21T01:42:03`.
    pub began: &'a str,
    /// On which machine.
    pub host: &'a str,
}

/// JUnit's XML: elements and attributes that both common schemas (Jenkins' and Ant's) have.
pub fn junit(verdicts: &[Verdict], suite: &Suite<'_>, wall_ms: u64) -> String {
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let failed = verdicts.iter().filter(|verdict| !verdict.wrong.is_empty()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{0}\" package=\"{0}\" id=\"0\" tests=\"{1}\" failures=\"{failed}\" errors=\"0\" \
         time=\"{2}\" timestamp=\"{3}\" hostname=\"{4}\">\n    <properties/>",
        escaped(suite.name),
        verdicts.len(),
        seconds(wall_ms),
        escaped(suite.began),
        escaped(suite.host),
    );
    for verdict in verdicts {
        let (name, class) = (escaped(&verdict.name), escaped(&verdict.node));
        let took = seconds(verdict.wall_ms);
        let _ = write!(xml, "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{took}\"");
        if verdict.wrong.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        let message: Vec<&str> = verdict.wrong.iter().map(|wrong| wrong.what.as_str()).collect();
        let mut text = format!("{}:{}\n", verdict.file, verdict.line);
        verdict.wrong.iter().for_each(|wrong| text.push_str(&told(wrong, Paint::new(false))));
        for line in log_of(verdict) {
            let _ = writeln!(text, "  | {line}");
        }
        let _ = writeln!(
            xml,
            ">\n      <failure type=\"failure\" message=\"{}\">{}</failure>\n    </testcase>",
            escaped(&message.join("; ")),
            escaped(&text)
        );
    }
    xml.push_str("    <system-out/>\n    <system-err/>\n  </testsuite>\n</testsuites>\n");
    xml
}

/// Text for XML 1.0, which has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
