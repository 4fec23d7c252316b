//! The commands for whoever writes a pipeline: `check`, `graph`, `schema`. Nothing runs, nothing is written.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use snapbox::str;

const PIPELINE: &str = r#"
[task.gen]
command = 'echo "list=[1, 2]" >> "$FLOWRUN_OUTPUT"'
outputs.list = "list<int>"

[map.each]
over = "{{ gen.list }}"

[map.each.task.double]
command = 'echo "x=$(( {{ item }} * 2 ))" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"

[outputs]
doubled = "{{ each.double.x }}"
"#;

#[test]
fn a_graph_in_the_form_that_is_asked_for() {
    let project = Project::new(PIPELINE);
    project.run("graph --format json").shows(str![[r#"
exit 0
--- out
{"nodes": [{"name": "gen", "kind": "task"}, {"name": "each", "kind": "map"}, {"name": "each.double", "kind": "task"}], "edges": [["gen", "each"]]}

"#]]);
    project.run("graph").shows(str![[r#"
exit 0
--- out
digraph {
  compound=true;
  node [shape=box, style=rounded];
  "gen" [label="gen"];
  subgraph "cluster each" {
    label="each, for each item";
    "each.double" [label="double"];
  }
  "gen" -> "each.double" [lhead="cluster each"];
}

"#]]);
    project.run("graph -o graph.svg").shows(str![[r#"
exit 0

"#]]);
    assert!(project.read("graph.svg").starts_with("<svg "));
    project.run("graph -o graph.mmd").exits(0);
    assert!(project.read("graph.mmd").starts_with("flowchart "));
    // FORM is stronger than the ending.
    project.run("graph -o graph.mmd --format json").exits(0);
    assert!(project.read("graph.mmd").starts_with("{\"nodes\": ["));
    project.run("graph -o no/such/folder/graph.svg").shows(str![[r#"
exit 2
--- err
error: cannot write `no/such/folder/graph.svg`: no such file or directory

"#]]);
    assert!(!project.path(".flowrun").exists());
}

#[test]
fn check_tells_mistakes_and_counts_them() {
    let project = Project::new(PIPELINE);
    project.run("check").shows(str![[r#"
exit 0
--- out
`pipeline.toml` is right

"#]]);
    project.run("check --output json").shows(str![[r#"
exit 0
--- out
{"diagnostics": []}

"#]]);
    project.edit("pipeline.toml", "gen.list", "gem.list").edit("pipeline.toml", "each.double.x", "each.doubel.x");
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0301]: nothing is named `gem` here
 --> pipeline.toml:7:12
  |
7 | over = "{{ gem.list }}"
  |            ^^^
  |
  = help: did you mean `gen`?

error[E0303]: the map `each` has no node and no output `doubel`
  --> pipeline.toml:14:20
   |
 6 | [map.each]
   |      ---- the map
...
14 | doubled = "{{ each.doubel.x }}"
   |                    ^^^^^^
   |
   = help: did you mean `double`?

2 mistakes in `pipeline.toml`

"#]]);
    project.run("check --output json").shows(str![[r#"
exit 2
--- out
{"diagnostics": [{"code": "E0301", "message": "nothing is named `gem` here", "file": "pipeline.toml", "line": 7, "column": 12, "help": "did you mean `gen`?", "severity": "error"}, {"code": "E0303", "message": "the map `each` has no node and no output `doubel`", "file": "pipeline.toml", "line": 14, "column": 20, "help": "did you mean `double`?", "severity": "error"}]}

"#]]);
    project.run("run --output json").shows(str![[r#"
exit 2
--- out
{"diagnostics": [{"code": "E0301", "message": "nothing is named `gem` here", "file": "pipeline.toml", "line": 7, "column": 12, "help": "did you mean `gen`?", "severity": "error"}, {"code": "E0303", "message": "the map `each` has no node and no output `doubel`", "file": "pipeline.toml", "line": 14, "column": 20, "help": "did you mean `double`?", "severity": "error"}]}
--- err
error[E0301]: nothing is named `gem` here
 --> pipeline.toml:7:12
  |
7 | over = "{{ gem.list }}"
  |            ^^^
  |
  = help: did you mean `gen`?

error[E0303]: the map `each` has no node and no output `doubel`
  --> pipeline.toml:14:20
   |
 6 | [map.each]
   |      ---- the map
...
14 | doubled = "{{ each.doubel.x }}"
   |                    ^^^^^^
   |
   = help: did you mean `double`?

"#]]);
    assert!(!project.path(".flowrun").exists());
}

#[test]
fn the_schema_is_json() {
    let schema = Project::empty().run("schema").exits(0).json();
    assert!(schema["properties"]["task"].is_object(), "{schema:#}");
}

#[test]
fn a_pipeline_tells_its_params() {
    let project = Project::new(
        r#"
[pipeline]
name = "demo"
description = "Shows its params"
[params.max_depth]
default = 3
min = 1
max = 16
help = "how deep it may go; a sentence that is long enough to need a second line of the screen"
[params.mode]
default = "fast"
choices = ["fast", "exact"]
[params.genome]
type = "path"
[task.t]
command = "echo {{ params.max_depth }} {{ params.mode }} {{ params.genome }}"
"#,
    );
    project.run("run pipeline.toml -- --help").exits(0).shows(str![[r#"
exit 0
--- out
demo: Shows its params

Usage: flowrun run pipeline.toml -- [--NAME VALUE]...

Params:
  --max-depth <int>
          how deep it may go; a sentence that is long enough to need a second line
          of the screen
          [default: 3] [min: 1] [max: 16]
  --mode <string>
          [default: "fast"] [one of "fast", "exact"]
  --genome <path>
          [no default: every run must give it]

"#]]);
    // Nothing ran, and a word of another command asks for the same.
    project.run("plan -- -h").exits(0).shows(str![[r#"
exit 0
--- out
demo: Shows its params

Usage: flowrun run -- [--NAME VALUE]...

Params:
  --max-depth <int>
          how deep it may go; a sentence that is long enough to need a second line
          of the screen
          [default: 3] [min: 1] [max: 16]
  --mode <string>
          [default: "fast"] [one of "fast", "exact"]
  --genome <path>
          [no default: every run must give it]

"#]]);
    assert!(!project.path(".flowrun").exists());
    project.write("none.toml", "[task.t]\ncommand = 'true'\n");
    project.run("check none.toml -- --help").exits(0).shows(str![[r#"
exit 0
--- out
none

The pipeline has no params.

"#]]);
    // A param of that name is the pipeline's own.
    project.write("own.toml", "[params.help]\ndefault = 'x'\n[task.t]\ncommand = 'echo {{ params.help }}'\n");
    project.run("check own.toml -- --help me").exits(0).shows(str![[r#"
exit 0
--- out
`own.toml` is right

"#]]);
    // `help run` is `run --help`.
    assert_eq!(project.run("help run").exits(0).out(), project.run("run --help").exits(0).out());
}
