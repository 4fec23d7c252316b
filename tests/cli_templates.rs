//! Every template runs as it is copied, and a second time nothing runs.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use serde_json::json;

/// Copies a template, runs it twice, gives the outputs.
fn outputs(template: &str) -> (Project, serde_json::Value) {
    let project = Project::empty();
    project.run(&format!("template new {template} .")).exits(0);
    let check = project.run("check");
    assert_eq!(check.exits(0).text(), "exit 0\n--- out\n`pipeline.toml` is right\n", "a template has no warnings");
    let first = project.run("run --output json").exits(0).json();
    let second = project.run("run --output json").exits(0).json();
    assert_eq!(second["counts"]["succeeded"], 0, "{second:#}");
    assert_eq!(first["outputs"], second["outputs"]);
    (project, first["outputs"].clone())
}

#[test]
fn hello() {
    let (project, said) = outputs("hello");
    assert_eq!(said, json!({ "greeting": "Hello, world!" }));
    let ada = project.run("run --output json -- --name").code;
    assert_eq!(ada, 2, "a name needs a value");
    let ada = project.run_words(["run", "--output", "json", "--", "--name", "Ada \"; rm -rf /"]).exits(0).json();
    assert_eq!(ada["outputs"]["greeting"], "Hello, Ada \"; rm -rf /!");
}

#[test]
fn map() {
    let (project, said) = outputs("map");
    assert_eq!(said, json!({ "table": "results/summary.tsv", "samples": 3, "bases": [1200, 800, 2000] }));
    assert_eq!(project.read("results/summary.tsv"), "S1\tliver\t1200\nS2\tliver\t800\nS3\theart\t2000\n");
    project.edit("samples.csv", "S3,heart,200\n", "S3,heart,200\nS4,brain,7\n");
    let more = project.run("run --output json").exits(0).json();
    assert_eq!((&more["counts"]["succeeded"], &more["counts"]["cached"]), (&3.into(), &6.into()), "{more:#}");
    assert!(project.run("log process[S4].count").exits(0).out().is_empty());
}

#[test]
fn scripts() {
    let (project, said) = outputs("scripts");
    assert_eq!(said, json!({ "table": "results/table.tsv", "most_frequent": "the" }));
    assert_eq!(project.read("results/table.tsv"), "the\t4\ndog\t2\nfox\t2\n");
    project.edit("scripts/table.sh", "'%s\\t%s\\n'", "'%s %s\\n'");
    let plan = project.run("plan --output json").exits(0).json();
    let named: Vec<_> = plan["instances"].as_array().unwrap().iter().map(|i| (&i["name"], &i["action"])).collect();
    assert_eq!(
        named,
        [(&json!("count"), &json!("cached")), (&json!("table"), &json!("run")), (&json!("winner"), &json!("unknown"))]
    );
}
