//! A plain `cargo test` leaves out what needs more than cargo brings. This says so, in one line, counted from the
//! `#[ignore]`s of the sources. It has no test harness of its own, for a harness would swallow the line.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn main() {
    // Any argument (`--list`, `--include-ignored`, a filter) means that this is not a plain `cargo test`.
    if std::env::args().len() > 1 {
        return;
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut todo: Vec<PathBuf> = vec![root.join("src"), root.join("tests")];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines() {
                if let Some(reason) = line.trim().strip_prefix("#[ignore = \"needs ") {
                    let reason = match reason.trim_end_matches("\"]") {
                        "mount" => "a mount namespace",
                        "reflink" => "a file system with reflinks",
                        other => other,
                    };
                    *reasons.entry(reason.to_string()).or_default() += 1;
                }
            }
        }
    }
    let parts: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} that need {reason}")).collect();
    let left_out = if parts.is_empty() { "nothing".to_string() } else { parts.join("; ") };
    println!("\ntests left out: {left_out}. `tests/all` runs everything.");
}
