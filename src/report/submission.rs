//! What would be submitted, for `plan`: one line an array, then the first one whole, to be pasted into a shell.

use crate::base::human;
use crate::base::paint::Paint;
use crate::base::text::{count, elapsed, size};
use crate::port::forecast::ForecastCounts;
use crate::port::submission::{Submission, Submissions};
use std::fmt::Write;

/// Columns.
const WIDTH: usize = 80;
/// Nodes that are named where many share an array.
const NODES: usize = 3;

/// For people.
pub fn human(submissions: &Submissions, counts: ForecastCounts, paint: Paint) -> String {
    let mut text = String::new();
    let arrays = &submissions.arrays;
    if arrays.is_empty() {
        text.push_str("nothing would be submitted now\n");
    } else {
        let _ = writeln!(text, "{} would be submitted now", paint.bold(count(arrays.len() as u64, "array")));
    }
    for array in arrays {
        line(&mut text, array, paint);
    }
    let mut say = |words: &str| {
        for (i, line) in human::wrap(&human::plain(words), WIDTH - 4).iter().enumerate() {
            let _ = writeln!(text, "{}{line}", if i == 0 { "  " } else { "    " });
        }
    };
    if submissions.waiting > 0 {
        let waiting = count(submissions.waiting, "instance");
        let follow = if submissions.waiting == 1 { "follows" } else { "follow" };
        say(&format!("{waiting} {follow} as `max_parallel`, `[limits]` or `-j` leave room"));
    }
    if counts.unknown > 0 {
        let unknown = count(counts.unknown, "instance");
        let depend = if counts.unknown == 1 { "depends" } else { "depend" };
        say(&format!(
            "{unknown} more {depend} on results: how many there are, and what they ask for, is not known yet"
        ));
    }
    for note in &submissions.notes {
        say(note);
    }
    if let Some(first) = arrays.first() {
        let head = if arrays.len() == 1 { "it is submitted by" } else { "the first is submitted by" };
        let _ = writeln!(text, "\n{head}\n");
        paste(&mut text, first);
    }
    text
}

fn line(text: &mut String, array: &Submission, paint: Paint) {
    let named: Vec<&str> = array.nodes.iter().take(NODES).map(|node| &**node).collect();
    let more = array.nodes.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let _ = writeln!(text, "  {}{more}", paint.bold(human::plain(&named.join(", "))));
    let asked = &array.resources;
    let mut parts = vec![
        format!("{} in {}", count(array.instances, "instance"), count(array.elements, "element")),
        count(asked.cpus.into(), "core"),
    ];
    parts.extend(asked.memory.map(size));
    parts.extend((asked.gpus > 0).then(|| count(asked.gpus.into(), "GPU")));
    parts.extend(asked.time_s.map(|seconds| elapsed(seconds * 1000)));
    let words = parts.join(", ") + &array.options.iter().map(|option| format!(" {option}")).collect::<String>();
    for line in human::wrap(&human::plain(&words), WIDTH - 4) {
        let _ = writeln!(text, "    {line}");
    }
}

/// The command line, a word a line where it is long, and the script below it.
fn paste(text: &mut String, array: &Submission) {
    let safe = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let quoted = |word: &String| if word.chars().all(safe) { word.clone() } else { human::shell_word(word) };
    let words: Vec<String> = array.command.iter().map(quoted).collect();
    let mut used = 0;
    for (i, word) in words.iter().enumerate() {
        let len = word.chars().count();
        if i > 0 && used + 1 + len > WIDTH - 2 {
            text.push_str(" \\\n  ");
            used = 2;
        } else if i > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += len;
    }
    let mut end = "EOF".to_owned();
    while array.script.lines().any(|line| line == end) {
        end.push('_');
    }
    // A script ends in a new line.
    let _ = writeln!(text, " <<'{end}'\n{}{end}", array.script);
}
