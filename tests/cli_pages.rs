//! The generated pages: help within 80 columns, man pages and completions that are not stale.

mod common;

use common::{Project, contents, package};

const COMMANDS: &[&str] = &[
    "run",
    "resume",
    "check",
    "plan",
    "explain",
    "graph",
    "status",
    "runs",
    "log",
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
fn every_command_has_an_up_to_date_man_page() {
    let project = Project::empty();
    project.run("__man fresh").exits(0);
    let pages = |folder: &std::path::Path| -> Vec<_> {
        contents(folder).into_iter().filter(|(name, _)| name.extension().is_some_and(|end| end == "1")).collect()
    };
    let (fresh, kept) = (pages(&project.path("fresh")), pages(&package("man")));
    let names =
        |pages: &[(std::path::PathBuf, Vec<u8>)]| -> Vec<_> { pages.iter().map(|(name, _)| name.clone()).collect() };
    assert!(fresh.len() > COMMANDS.len());
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
