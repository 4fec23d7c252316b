//! One of several bodies, by value; conditions on every kind of node.

use super::{calling, outcome, told};
use crate::common::{Project, package};
use serde_json::json;
use snapbox::str;

const ROUTE: &str = r#"
[params.kind]
default = "image"

[task.classify]
command = 'echo kind={{ params.kind }} >> "$FLOWRUN_OUTPUT"'
outputs.kind = "string"

[branch.route]
on = "{{ classify.kind }}"
outputs.result = "{{ first(segment.mask, parse.rows) }}"

[branch.route.case.image.task.segment]
command = 'echo segment >> ran; echo "mask=m" >> "$FLOWRUN_OUTPUT"'
outputs.mask = "string"

# Both cases have a node of this name, and one path.
[branch.route.case.image.task.write]
command = 'echo {{ segment.mask }} > {{ outputs.file }}'
outputs.file = { file = "out.txt" }

[branch.route.case.table.task.parse]
command = 'echo parse >> ran; echo "rows=3" >> "$FLOWRUN_OUTPUT"'
outputs.rows = "int"

[branch.route.case.table.task.write]
command = 'echo {{ parse.rows }} rows > {{ outputs.file }}'
outputs.file = { file = "out.txt" }

[branch.route.case.table.map.each]
over = { range = [0, "{{ parse.rows }}"] }
[branch.route.case.table.map.each.task.row]
command = 'echo "n={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"

[task.report]
command = 'cat {{ route.write.file }}; echo "text={{ route.result }}" >> "$FLOWRUN_OUTPUT"'
outputs.text = "string"

[outputs]
text = "{{ report.text }}"
mask = "{{ route.segment.mask }}"
rows = "{{ route.each.row.n }}"
file = "{{ route.write.file }}"
"#;

#[test]
fn one_case_is_taken_and_the_others_are_skipped_whole() {
    let project = Project::new(ROUTE);
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  text = "m"
  mask = "m"
  rows = null
  file = "out.txt"
run 1 succeeded: 4 succeeded, 2 skipped in [TIME]
--- err
[0/2] started   classify
[1/2] done      classify  [TIME]
[1/6] chosen    route  image
[3/6] skipped   route.parse
[3/6] skipped   route.write
[3/6] skipped   route.each
[3/6] started   route.segment
[4/6] done      route.segment  [TIME]
[4/6] started   route.write
[5/6] done      route.write  [TIME]
[5/6] started   report
[6/6] done      report  [TIME]

"#]]);
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  text = "m"
  mask = "m"
  rows = null
  file = "out.txt"
run 2 succeeded: 4 cached, 2 skipped in [TIME]

"#]]);
    // what is named from outside is that of the case that was taken
    project.run("run -j 1 -p kind=table").shows(str![[r#"
exit 0
--- out
outputs
  text = "3"
  mask = null
  rows = [0, 1, 2]
  file = "out.txt"
run 3 succeeded: 7 succeeded, 2 skipped in [TIME]
--- err
[0/2] started   classify  value params.kind changed
[1/2] done      classify  [TIME]
[1/6] chosen    route  table
[3/6] skipped   route.segment
[3/6] skipped   route.write
[3/6] started   route.parse
[4/6] done      route.parse  [TIME]
[4/9] listed    route.each  3 items
[4/9] started   route.write  command and 2 more changed
[5/9] done      route.write  [TIME]
[5/9] started   route.each[0].row
[6/9] done      route.each[0].row  [TIME]
[6/9] started   route.each[1].row
[7/9] done      route.each[1].row  [TIME]
[7/9] started   route.each[2].row
[8/9] done      route.each[2].row  [TIME]
[8/9] started   report  value route.write.file and 1 more changed
[9/9] done      report  [TIME]

"#]]);
    assert_eq!(project.read("out.txt"), "3 rows\n");
    assert_eq!(project.lines("ran"), ["segment", "parse"]);
    project.run("status").shows(str![[r#"
exit 0
--- out
run 3 of pipeline: succeeded
began [TIME] UTC, [TIME]
7 succeeded, 2 skipped

  classify        1 succeeded
  route.segment   1 skipped
  route.write     1 skipped
  route.parse     1 succeeded
  route.write     1 succeeded
  route.each.row  3 succeeded
  report          1 succeeded

"#]]);
    project.run("explain report -p kind=table").shows(str![[r#"
exit 0
--- out
report: cached
  made by run 3 at [TIME] UTC on [HOST] in [TIME]
  it ran then because: value route.write.file and 1 more changed
  its key is made of
    command: cat {{ route.write.file }}; echo "text={{ route.result }}" >> "$FL…
    shell: ["bash","-euo","pipefail","-c"]
    output text: string
    value route.write.file: "out.txt" ([DIGEST])
    value route.result: 3

"#]]);
}

#[test]
fn a_value_without_a_case_fails_the_branch() {
    let project = Project::new(ROUTE);
    project.run("run -j 1 -p kind=sound").shows(str![[r#"
exit 1
--- out
failed route
  `on` is `sound`, and the cases are `image` and `table` (pipeline.toml:10)
  help: add a case for it, or a `default`

run 1: 1 branch failed, 1 succeeded, 1 not run in [TIME]
failed route: `on` is `sound`, and the cases are `image` and `table` (pipeline.toml:10)
--- err
[0/2] started   classify
[1/2] done      classify  [TIME]
[2/2] failed    route  `on` is `sound`, and the cases are `image` and `table` (pipeline.toml:10)
nothing new starts: `route` failed
[2/2] cancelled report

"#]]);
    project.write("pipeline.toml", ROUTE.to_owned() + "[branch.route.default.task.refuse]\ncommand = 'echo no'\n");
    let (outputs, counts) = outcome(&project.run("run -p kind=sound --output json"));
    // `report` reads a file that no case has made
    assert_eq!((&outputs["file"], &counts["failed"]), (&json!(null), &json!(1)));
}

#[test]
fn a_branch_as_it_is_drawn() {
    let project = Project::new(ROUTE);
    project.run("graph --format mermaid").shows(str![[r#"
exit 0
--- out
flowchart TD
  n0["classify"]
  subgraph n1["route, one of these"]
    subgraph c1["image"]
      n2["segment"]
      n3["write"]
    end
    subgraph c2["table"]
      n4["parse"]
      n5["write"]
      subgraph n6["each, for each item"]
        n7["row"]
      end
    end
  end
  n8["report"]
  n0 --> n1
  n2 --> n3
  n4 --> n5
  n4 --> n6
  n1 --> n8

"#]]);
    project.run("graph --format dot").shows(str![[r#"
exit 0
--- out
digraph {
  compound=true;
  node [shape=box, style=rounded];
  "classify" [label="classify"];
  subgraph "cluster route" {
    label="route, one of these";
    subgraph "cluster case 1" {
      label="image";
      "route.segment" [label="segment"];
      "route.write" [label="write"];
    }
    subgraph "cluster case 2" {
      label="table";
      "route.parse" [label="parse"];
      "route.write 5" [label="write"];
      subgraph "cluster route.each" {
        label="each, for each item";
        "route.each.row" [label="row"];
      }
    }
  }
  "report" [label="report"];
  "classify" -> "route.segment" [lhead="cluster route"];
  "route.segment" -> "route.write";
  "route.parse" -> "route.write 5";
  "route.parse" -> "route.each.row" [lhead="cluster route.each"];
  "route.each.row" -> "report" [ltail="cluster route"];
}

"#]]);
    project.run("graph --format json").shows(str![[r#"
exit 0
--- out
{"nodes": [{"name": "classify", "kind": "task"}, {"name": "route", "kind": "branch"}, {"name": "route.segment", "kind": "task"}, {"name": "route.write", "kind": "task"}, {"name": "route.parse", "kind": "task"}, {"name": "route.each", "kind": "map"}, {"name": "route.each.row", "kind": "task"}, {"name": "report", "kind": "task"}], "edges": [["classify", "route"], ["route.segment", "route.write"], ["route.parse", "route.write"], ["route.parse", "route.each"], ["route", "report"]]}

"#]]);
    project.run("plan").shows(str![[r#"
exit 0
--- out
classify: run
  never run before
route: unknown
  waits for `classify`
report: unknown
  waits for `route`

run 1 · cached 0 · unknown 2

"#]]);
}

#[test]
fn a_condition_on_every_kind_of_node() {
    let project = calling(
        r#"
[params.go]
type = "bool"
default = false
[branch.b]
when = "{{ params.go }}"
on = "{{ 1 + 1 }}"
[branch.b.case.2.task.t]
command = 'echo "v=1" >> "$FLOWRUN_OUTPUT"'
outputs.v = "int"
[loop.l]
when = "{{ params.go }}"
max = 2
[loop.l.task.t]
command = 'echo {{ index }}'
[call.c]
when = "{{ params.go }}"
pipeline = "lib/tools/inner.toml"
params.k = 1
[map.m]
when = "{{ params.go }}"
over = [1]
[map.m.task.t]
command = "echo {{ item }}"
[task.reads]
command = "echo {{ b.t.v }} {{ l.iterations }}"
[task.does_without]
command = "echo {{ first(b.t.v, c.twice, 7) }}"
"#,
    );
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
run 1 succeeded: 1 succeeded, 1 skipped in [TIME]

"#]]);
    told(&project.run("run -j 1 -p go=true")).shows(str![[r#"
exit 0
--- out
run 2 succeeded: 7 succeeded in [TIME]

"#]]);
    project.run("check").exits(0);
    project.edit("pipeline.toml", "[loop.l]\nwhen = \"{{ params.go }}\"", "[loop.l]\nwhen = 3");
    project.edit("pipeline.toml", "[map.m]\nwhen = \"{{ params.go }}\"", "[map.m]\nwhen = \"{{ c.twice }}\"");
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0103]: `when` is an integer, not a boolean or an expression
  --> pipeline.toml:12:8
   |
12 | when = 3
   |        ^ an integer
   |
   = help: for example: `when = "{{ … }}"`

error[E0315]: `c.twice` is an int, not true or false
  --> pipeline.toml:21:8
   |
21 | when = "{{ c.twice }}"
   |        ^^^^^^^^^^^^^^^
   |
   = help: compare it: `when = "{{ c.twice > 0 }}"`

2 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn branching_toml() {
    let project = Project::empty();
    project.write("branching.toml", std::fs::read_to_string(package("pipelines/branching.toml")).unwrap());
    let (outputs, counts) = outcome(project.run("run branching.toml --output json").exits(0));
    assert_eq!(
        outputs,
        json!({
            "kinds": ["image", "other", "table"],
            "summaries": [
                "23.5 % brighter than 111.0",
                "neither a picture nor a table: letter.txt",
                "mean height 172.0, weight 68.0",
            ],
            "iterations": [3, null, null],
            "report": "results/branching/report.tsv",
        })
    );
    let again = outcome(project.run("run branching.toml --output json").exits(0));
    assert_eq!(again.0, outputs);
    assert_eq!(again.1["cached"], counts["succeeded"]);
}
