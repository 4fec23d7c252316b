//! The generated pages: help within 80 columns; man pages, completions and schema that are not stale.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, contents, package};

const COMMANDS: &[&str] = &[
    "run",
    "resume",
    "check",
    "plan",
    "explain",
    "shell",
    "graph",
    "status",
    "attach",
    "cancel",
    "runs",
    "runs rm",
    "cache",
    "cache ls",
    "cache show",
    "cache verify",
    "cache gc",
    "cache accept",
    "log",
    "test",
    "config",
    "doctor",
    "template",
    "template list",
    "template new",
    "schema",
    "completions",
];

#[test]
fn help_fits_eighty_columns() {
    let project = Project::empty();
    for command in [""].iter().chain(COMMANDS) {
        for option in ["-h", "--help"] {
            let said = project.run(&format!("{command} {option}"));
            for line in said.exits(0).out().lines() {
                assert!(line.chars().count() <= 80, "`flowrun {command} {option}` is wider than 80 columns:\n{line}");
            }
        }
    }
}

#[test]
fn man_pages_completions_and_schema_are_up_to_date() {
    let project = Project::empty();
    project.run("__man fresh").exits(0);
    let fresh = contents(&project.path("fresh"));
    let mut kept = contents(&package("man"));
    // It has a test of its own, beside the table that it comes from.
    kept.retain(|(name, _)| name.as_os_str() != "reference.md");
    let names =
        |pages: &[(std::path::PathBuf, Vec<u8>)]| -> Vec<_> { pages.iter().map(|(name, _)| name.clone()).collect() };
    assert!(fresh.len() > COMMANDS.len() + 4);
    assert_eq!(names(&kept), names(&fresh), "man/ is stale: run `cargo run -- __man man`");
    for ((name, fresh), (_, kept)) in fresh.iter().zip(&kept) {
        assert!(fresh == kept, "man/{} is stale: run `cargo run -- __man man`", name.display());
    }
}

#[test]
fn completions_know_every_command() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish"] {
        let said = project.run(&format!("completions {shell}"));
        for command in COMMANDS.iter().filter(|command| !command.contains(' ')) {
            assert!(said.exits(0).out().contains(command), "{shell}: {command}");
        }
    }
}
