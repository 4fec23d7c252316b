//! Stories of the language: every construct of a pipeline file through the real binary, and everything that it says.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod cache;
mod conditions;
mod files;
mod inputs;
mod maps;
mod nested;
mod params;
mod real;
mod reference;
mod resources;
mod results;
mod running;
mod sources;

use common::Project;
use serde_json::Value;

/// Runs the pipeline to a good end, and gives its `[outputs]`.
#[track_caller]
fn outputs(project: &Project) -> Value {
    project.run("run --output json").exits(0).json()["outputs"].clone()
}

/// How many instances ran and how many were taken from the cache.
#[track_caller]
fn counts(project: &Project, line: &str) -> (u64, u64) {
    let counts = project.run(line).exits(0).json()["counts"].clone();
    (counts["succeeded"].as_u64().unwrap(), counts["cached"].as_u64().unwrap())
}

/// Why the run failed: the cause of its first failure, the sentence and the way out.
#[track_caller]
fn failure(project: &Project, line: &str) -> String {
    let said = project.run(line).exits(1).json();
    let text = |name: &str| said["failures"][0][name].as_str().unwrap_or_default().to_string();
    let help = if text("help").is_empty() { String::new() } else { format!(" | {}", text("help")) };
    common::redacted(&format!("{}: {}{help}", text("cause"), text("message")), project.dir())
}

/// The lines that tasks appended to `ran` since the last call, sorted.
fn ran(project: &Project) -> Vec<String> {
    let lines = project.sorted_lines("ran");
    let _ = std::fs::remove_file(project.path("ran"));
    lines
}
