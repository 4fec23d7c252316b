//! Stories: a pipeline, and all that is said about it.
#![allow(clippy::unwrap_used)]

mod export;
mod good;
mod graph;
mod names;
mod params;
mod plans;
mod policy;
mod shapes;

use super::*;
use crate::diag::{Severity, Sources, render};

pub(super) fn given() -> Given {
    Given { complete: true, project: Some("/project".into()), ..Given::default() }
}

/// The plan of a text without mistakes.
pub(super) fn plan(text: &str) -> Plan {
    let (plan, said) = said(text, &given());
    plan.unwrap_or_else(|| panic!("{said}"))
}

/// The plan, and everything that is said, as the user sees it.
pub(super) fn said(text: &str, given: &Given) -> (Option<Plan>, String) {
    let mut sources = Sources::default();
    let file = sources.add("p.toml", text);
    let (model, mut diagnostics) = crate::lang::reader::read(text, file, "p");
    let mut made = None;
    if diagnostics.iter().all(|d| d.severity == Severity::Warning) {
        let (plan, more) = check(&model, given);
        made = plan;
        diagnostics.extend(more);
    }
    (made, render(&diagnostics, &sources, false))
}

#[test]
fn the_main_job_is_a_plan() {
    let plan = plan(include_str!("../../../pipelines/compute_data.toml"));
    let shown: Vec<String> = plan
        .nodes
        .iter()
        .map(|(_, node)| {
            let deps: Vec<String> = node.deps.iter().map(|d| format!("{}^{}", plan.nodes[d.node].path, d.up)).collect();
            let reads = node.kind.reads();
            let reads: Vec<&str> = reads.iter().map(|r| &*r.name).collect();
            format!("{} height {} waits for {deps:?} reads {reads:?}", node.path, node.height)
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"gen_data height 4 waits for [] reads []"#,
            r#"process_data height 3 waits for ["gen_data^0"] reads ["gen_data.numbers"]"#,
            r#"process_data.transform height 2 waits for [] reads ["number"]"#,
            r#"process_data.compute height 1 waits for ["process_data.transform^0"] reads ["transform.value", "params.multiplier"]"#,
        ]
    );
}

#[test]
fn types_are_known_where_a_command_is_filled() {
    let text = r#"
[task.gen]
command = "true"
outputs.list = "list<string>"
outputs.x = "float"
[task.use]
command = "echo $(( {{ gen.x }} + 1 )) x{{ gen.list }}"
"#;
    let mut sources = Sources::default();
    let file = sources.add("p.toml", text);
    let (_, diagnostics) = check(&crate::lang::reader::read(text, file, "p").0, &given());
    // the sentences are the expressions' own
    let said: Vec<(&str, usize)> =
        diagnostics.iter().map(|d| (d.code, d.primary.as_ref().unwrap().span.start as usize)).collect();
    let at = |what: &str| text.find(what).unwrap();
    assert_eq!(said, [("E0208", at("{{ gen.x")), ("E0209", at("{{ gen.list"))]);
}
