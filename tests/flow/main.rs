//! Stories: branches, loops and calls, through the binary.

#![allow(clippy::unwrap_used)]

mod branches;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod everything;
mod loops;
mod wrong;

use common::Project;

/// What is said at the end; what happens side by side is told on the way in any order.
fn told(said: &common::Said) -> common::Said {
    let mut said = said.clone();
    said.err.clear();
    said
}

/// What a run gave, and what became of its tasks.
fn outcome(said: &common::Said) -> (serde_json::Value, serde_json::Value) {
    let json = said.json();
    (json["outputs"].clone(), json["counts"].clone())
}

const CALLED: &str = r#"
[params.sample]
[params.depth]
type = "int"
default = 2
min = 1

[resources]
cpus = 2

[task.count]
command = '''
echo {{ params.sample }} >> ran
echo "n=$(( {{ params.depth }} * {{ resources.cpus }} ))" >> "$FLOWRUN_OUTPUT"
basename {{ project }} > {{ outputs.where }}
'''
resources.cpus = 1
outputs.n = "int"
outputs.where = { file = "qc/{{ params.sample }}.txt" }

[call.inner]
pipeline = "tools/inner.toml"
params.k = "{{ count.n }}"

[outputs]
score = "{{ inner.twice }}"
where = "{{ count.where }}"
"#;

const INNER: &str = r#"
[params.k]
type = "int"
[task.double]
command = 'echo "v=$(( {{ params.k }} * 2 ))" >> "$FLOWRUN_OUTPUT"'
outputs.v = "int"
[outputs]
twice = "{{ double.v }}"
"#;

fn calling(text: &str) -> Project {
    let project = Project::new(text);
    project.write("lib/qc.toml", CALLED).write("lib/tools/inner.toml", INNER);
    project
}
