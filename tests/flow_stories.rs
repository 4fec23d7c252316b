//! Stories: branches, loops and calls, through the binary.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, package};
use serde_json::json;
use snapbox::str;

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

const GROW: &str = r#"
[map.plant]
over = [3, 5]
as = "seed"

[map.plant.loop.grow]
max = 4
on_max = "accept"
carry.height = { init = "{{ seed }}", next = "{{ day.height }}" }
carry.notes = { init = "", next = "{{ day.notes }}" }
until = "{{ day.height > 30 }}"

[map.plant.loop.grow.task.day]
command = '''
echo {{ seed }}.{{ index }} >> ran
cat {{ [carry.notes] | select | list }} < /dev/null > {{ outputs.notes }}
echo {{ carry.height }} >> {{ outputs.notes }}
echo "height=$(( {{ carry.height }} * 2 ))" >> "$FLOWRUN_OUTPUT"
'''
outputs.height = "int"
outputs.notes = { file = "notes/{{ seed }}-{{ index }}.txt" }

[outputs]
heights = "{{ plant.grow.height }}"
days = "{{ plant.grow.iterations }}"
last = "{{ plant.grow.day.height }}"
notes = "{{ plant.grow.notes }}"
"#;

#[test]
fn a_loop_in_a_map_carries_values_and_files() {
    let project = Project::new(GROW);
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  heights = [48, 40]
  days    = [4, 3]
  last    = [48, 40]
  notes   = ["notes/3-3.txt", "notes/5-2.txt"]
run 1 succeeded: 7 succeeded in [TIME]

"#]]);
    assert_eq!(project.read("notes/5-2.txt"), "5\n10\n20\n");
    assert_eq!(project.lines("ran").len(), 7);
    // every iteration has a key of its own: those that were there are there still
    project.edit("pipeline.toml", "max = 4", "max = 5");
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  heights = [48, 40]
  days    = [4, 3]
  last    = [48, 40]
  notes   = ["notes/3-3.txt", "notes/5-2.txt"]
run 2 succeeded: 7 cached in [TIME]

"#]]);
    // a file that is carried counts by what is in it
    project.write("notes/3-1.txt", "changed\n");
    project.run("plan").shows(str![[r#"
exit 0
--- out
plant.grow.day: run 1 · cached 4
  plant[0].grow[1].day
    output notes: notes/3-1.txt ([DIGEST]) → notes/3-1.txt ([DIGEST])

run 1 · cached 4 · unknown 0

"#]]);
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  heights = [48, 40]
  days    = [4, 3]
  last    = [48, 40]
  notes   = ["notes/3-3.txt", "notes/5-2.txt"]
run 3 succeeded: 1 succeeded, 6 cached in [TIME]

"#]]);
    project.run("explain plant[0].grow[3].day").shows(str![[r#"
exit 0
--- out
plant[0].grow[3].day: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its key is made of
    command:
      echo {{ seed }}.{{ index }} >> ran
      cat {{ [carry.notes] | select | list }} < /dev/null > {{ outputs.notes }}
      echo {{ carry.height }} >> {{ outputs.notes }}
      echo "height=$(( {{ carry.height }} * 2 ))" >> "$FLOWRUN_OUTPUT"
    shell: ["bash","-euo","pipefail","-c"]
    output height: int
    output notes: file notes/{{ seed }}-{{ index }}.txt
    value seed: 3
    value index: 3
    value carry.notes: "notes/3-2.txt" ([DIGEST])
    value carry.height: 24

"#]]);
}

#[test]
fn what_does_not_converge() {
    let text = r#"
[loop.search]
max = 3
carry.x = { init = 1, next = "{{ step.x }}" }
until = "{{ step.x > 100 }}"
[loop.search.task.step]
command = 'echo "x=$(( {{ carry.x }} + 1 ))" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.after]
command = 'echo {{ search.x }}'
"#;
    let project = Project::new(text);
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed search
  `until` is not true after 3 iterations
  help: raise `max`, or write `on_max = "accept"` to go on with what the last
        iteration gave

run 1: 1 loop failed, 3 succeeded, 1 not run in [TIME]
failed search: `until` is not true after 3 iterations
--- err
[0/2] iterated  search  iteration 0
[0/2] started   search[0].step
[1/2] done      search[0].step  [TIME]
[1/3] iterated  search  iteration 1
[1/3] started   search[1].step
[2/3] done      search[1].step  [TIME]
[2/4] iterated  search  iteration 2
[2/4] started   search[2].step
[3/4] done      search[2].step  [TIME]
[4/4] failed    search  `until` is not true after 3 iterations
nothing new starts: `search` failed
[4/4] cancelled after

"#]]);
    // without `until` there are as many as `max` says
    project.edit("pipeline.toml", "until = \"{{ step.x > 100 }}\"\n", "");
    let (_, counts) = outcome(&project.run("run --output json").exits(0).to_owned());
    assert_eq!(counts["cached"], 3);
    // a condition must be one
    project.edit("pipeline.toml", "max = 3\n", "max = 3\nuntil = \"{{ [step.x, 0] | max }}\"\n");
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed search
  `until` must give true or false, and gave an int, `2` (pipeline.toml:4)
  help: compare it with something: `{{ x > 0 }}`, `{{ x is not none }}`

run 3: 1 loop failed, 1 cached, 1 not run in [TIME]
failed search: `until` must give true or false, and gave an int, `2` (pipeline.toml:4)
--- err
[0/2] iterated  search  iteration 0
[1/2] cached    search[0].step
[2/2] failed    search  `until` must give true or false, and gave an int, `2` (pipeline.toml:4)
nothing new starts: `search` failed
[2/2] cancelled after

"#]]);
    // what the loop carries can be of no use
    project.edit("pipeline.toml", "until = \"{{ [step.x, 0] | max }}\"", "until = \"{{ step.x / 0 > 1 }}\"");
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed search
  `until`: the expression cannot be computed: unable to calculate 2 / 0
  (pipeline.toml:4)

run 4: 1 loop failed, 1 cached, 1 not run in [TIME]
failed search: `until`: the expression cannot be computed: unable to calculate 2 / 0 (pipeline.toml:4)
--- err
[0/2] iterated  search  iteration 0
[1/2] cached    search[0].step
[2/2] failed    search  `until`: the expression cannot be computed: unable to calculate 2 / 0 (pipeline.toml:4)
nothing new starts: `search` failed
[2/2] cancelled after

"#]]);
}

#[test]
fn a_killed_loop_goes_on_where_it_was() {
    let text = r#"
[loop.count]
max = 6
carry.n = { init = 0, next = "{{ step.n }}" }
until = "{{ step.n >= 6 }}"
[loop.count.task.step]
command = '''
echo {{ index }} >> ran
if [ {{ index }} -eq 3 ] && [ ! -d go ]; then echo here > here; while [ ! -d go ]; do sleep 0.02; done; fi
echo "n=$(( {{ carry.n }} + 1 ))" >> "$FLOWRUN_OUTPUT"
'''
outputs.n = "int"
[branch.big]
on = "{{ count.n > 3 }}"
[branch.big.case.true.task.say]
command = 'echo big >> ran; echo "said=big" >> "$FLOWRUN_OUTPUT"'
outputs.said = "string"
[branch.big.case.false.task.say]
command = 'echo small >> ran; echo "said=small" >> "$FLOWRUN_OUTPUT"'
outputs.said = "string"
[outputs]
n = "{{ count.iterations }}"
said = "{{ big.say.said }}"
"#;
    let project = Project::new(text);
    let live = project.start("run -j 1");
    project.wait_for("here", |text| !text.is_empty());
    live.signal("KILL");
    live.wait();
    std::fs::create_dir(project.path("go")).unwrap();
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  n    = 6
  said = "big"
run 1 succeeded: 7 succeeded, 1 skipped in [TIME]

"#]]);
    // what had ended did not run again; what was cut off did
    assert_eq!(project.lines("ran"), ["0", "1", "2", "3", "3", "4", "5", "big"]);
    let (outputs, counts) = outcome(&project.run("run --output json"));
    assert_eq!(outputs, json!({ "n": 6, "said": "big" }));
    assert_eq!((&counts["cached"], &counts["skipped"]), (&json!(7), &json!(1)));
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

#[test]
fn calls_map_like_tasks_and_nest() {
    let project = calling(
        r#"
[task.samples]
command = "echo 'names=[\"a\", \"b\"]' >> \"$FLOWRUN_OUTPUT\""
outputs.names = "list<string>"

[call.qc]
pipeline = "lib/qc.toml"
over = "{{ samples.names }}"
as = "sample"
key = "{{ sample }}"
params.sample = "{{ sample }}"
params.depth = "{{ index + 1 }}"

[call.one]
pipeline = "lib/qc.toml"
params.sample = "solo"

[task.report]
command = "cat {{ qc.where }} {{ one.where }} > {{ outputs.all }}"
outputs.all = { file = "all.txt" }

[outputs]
scores = "{{ qc.score }}"
one = "{{ one.score }}"
all = "{{ report.all }}"
"#,
    );
    project.run("check").shows(str![[r#"
exit 0
--- out
`pipeline.toml` is right

"#]]);
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  scores = [2, 4]
  one    = 4
  all    = "all.txt"
run 1 succeeded: 7 succeeded, 1 cached in [TIME]

"#]]);
    assert_eq!(project.read("all.txt"), "lib\nlib\nlib\n");
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  scores = [2, 4]
  one    = 4
  all    = "all.txt"
run 2 succeeded: 8 cached in [TIME]

"#]]);
    project.run("graph --format json").shows(str![[r#"
exit 0
--- out
{"nodes": [{"name": "samples", "kind": "task"}, {"name": "qc", "kind": "map"}, {"name": "qc.count", "kind": "task"}, {"name": "qc.inner", "kind": "call"}, {"name": "qc.inner.double", "kind": "task"}, {"name": "one", "kind": "call"}, {"name": "one.count", "kind": "task"}, {"name": "one.inner", "kind": "call"}, {"name": "one.inner.double", "kind": "task"}, {"name": "report", "kind": "task"}], "edges": [["samples", "qc"], ["qc.count", "qc.inner"], ["one.count", "one.inner"], ["qc", "report"], ["one", "report"]]}

"#]]);
    // a change inside the called file is a change of what reads it
    project.edit("lib/tools/inner.toml", "* 2 ))", "* 3 ))");
    project.run("plan").shows(str![[r#"
exit 0
--- out
samples: cached
qc.count: cached 2
qc.inner.double: run 1 · unknown 1
  qc[a].inner.double
    command:
      - echo "v=$(( {{ params.k }} * 2 ))" >> "$FLOWRUN_OUTPUT"
      + echo "v=$(( {{ params.k }} * 3 ))" >> "$FLOWRUN_OUTPUT"
  qc[b].inner.double
    takes the result of `one.inner.double`, which has the same key
one.count: cached
one.inner.double: run
  command:
    - echo "v=$(( {{ params.k }} * 2 ))" >> "$FLOWRUN_OUTPUT"
    + echo "v=$(( {{ params.k }} * 3 ))" >> "$FLOWRUN_OUTPUT"
report: unknown
  waits for `qc` and `one`

run 2 · cached 4 · unknown 2

"#]]);
    let (outputs, counts) = outcome(&project.run("run --output json"));
    assert_eq!(outputs["scores"], json!([3, 6]));
    assert_eq!((&counts["cached"], &counts["succeeded"]), (&json!(6), &json!(2)), "equal work is done once");
}

#[test]
fn what_a_call_gives_must_be_what_the_called_file_takes() {
    let project = calling(
        r#"
[task.t]
command = 'echo "n=0" >> "$FLOWRUN_OUTPUT"; echo "s=x" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"
outputs.s = "string"
[call.lacks]
pipeline = "lib/qc.toml"
[call.unknown]
pipeline = "lib/qc.toml"
params.sample = "a"
params.dept = 3
[call.wrong]
pipeline = "lib/qc.toml"
params.sample = "a"
params.depth = "many"
[call.little]
pipeline = "lib/qc.toml"
params.sample = "b"
params.depth = 0
[call.typed]
pipeline = "lib/qc.toml"
params.sample = "c"
params.depth = "{{ t.s }}"
[task.reads]
command = "echo {{ typed.scor }} {{ typed.count.n }} {{ typed }}"
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0502]: `lib/qc.toml` needs a value for its param `sample`
 --> pipeline.toml:6:7
  |
6 | [call.lacks]
  |       ^^^^^
  |
 ::: lib/qc.toml:2:9
  |
2 | [params.sample]
  |         ------ a string without a default
  |
  = help: give it one: `params.sample = …`

error[E0501]: `lib/qc.toml` has no param `dept`
  --> pipeline.toml:11:8
   |
11 | params.dept = 3
   |        ^^^^
   |
   = help: did you mean `depth`?

error[E0503]: the param `depth` cannot have this value: the value is a string (`many`), not an int
  --> pipeline.toml:15:16
   |
15 | params.depth = "many"
   |                ^^^^^^
   |
  ::: lib/qc.toml:3:9
   |
 3 | [params.depth]
   |         ----- the param
   |
   = help: it is an int

error[E0504]: the param `depth` is `0`, less than its `min`, 1
  --> pipeline.toml:19:16
   |
19 | params.depth = 0
   |                ^
   |
  ::: lib/qc.toml:3:9
   |
 3 | [params.depth]
   |         ----- the param
   |
   = help: it must be at least 1

error[E0503]: the param `depth` cannot have this value: it is a string
  --> pipeline.toml:23:16
   |
23 | params.depth = "{{ t.s }}"
   |                ^^^^^^^^^^^
   |
  ::: lib/qc.toml:3:9
   |
 3 | [params.depth]
   |         ----- the param
   |
   = help: it must be an int

error[E0303]: the call `typed` has no output `scor`
  --> pipeline.toml:25:26
   |
20 | [call.typed]
   |       ----- the call
...
25 | command = "echo {{ typed.scor }} {{ typed.count.n }} {{ typed }}"
   |                          ^^^^
   |
   = help: did you mean `score`?

error[E0303]: `count` stands inside the called file, which keeps it to itself
  --> pipeline.toml:25:43
   |
25 | command = "echo {{ typed.scor }} {{ typed.count.n }} {{ typed }}"
   |                                           ^^^^^
   |
  ::: lib/qc.toml:11:7
   |
11 | [task.count]
   |       ----- it stands here
   |
   = help: name what is wanted of it under `[outputs]` of `lib/qc.toml`, and read that

7 mistakes in `pipeline.toml`

"#]]);
    let project = calling(
        r#"
[task.t]
command = 'echo "n=0" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"
[call.late]
pipeline = "lib/qc.toml"
params.sample = "c"
params.depth = "{{ t.n }}"
"#,
    );
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed late
  lib/qc.toml: the param `depth` is `0`, less than its `min`, 1
  (pipeline.toml:8)
  help: it must be at least 1

run 1: 1 call failed, 1 succeeded in [TIME]
failed late: lib/qc.toml: the param `depth` is `0`, less than its `min`, 1 (pipeline.toml:8)
--- err
[0/1] started   t
[1/1] done      t  [TIME]
[1/1] failed    late  lib/qc.toml: the param `depth` is `0`, less than its `min`, 1 (pipeline.toml:8)
nothing new starts: `late` failed

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
fn what_is_wrong_in_them_is_found_before_anything_runs() {
    let project = Project::new(
        r#"
[task.t]
command = "true"
outputs.list = "list<int>"
[branch.b]
on = "{{ t.list }}"
outputs.x = "{{ nobody.y }}"
outputs.same = 1
[branch.b.case.one.task.same]
command = "echo {{ other.z }}"
outputs.z = "int"
outputs.f = { file = "one.txt" }
[branch.b.case.two.task.other]
command = "echo {{ same.z }} {{ b.same.z }}"
outputs.z = "int"
outputs.f = { file = "one.txt" }
[loop.l]
max = 2
carry.x = { init = 0, next = "{{ u.list }}" }
until = "{{ u.n }}"
[loop.l.task.u]
command = "echo {{ carry.y }} {{ l.iterations }}"
outputs.n = "int"
[loop.still]
max = 2
[loop.still.task.v]
command = "echo v=1"
outputs.v = "int"
outputs.f = { file = "each.txt" }
[task.reads]
command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0317]: `t.list` is a list, and has no text to compare with the cases
 --> pipeline.toml:6:6
  |
6 | on = "{{ t.list }}"
  |      ^^^^^^^^^^^^^^
  |
  = help: compare something of it: `on = "{{ x.kind }}"`, `on = "{{ x | length > 0 }}"`

error[E0301]: nothing is named `nobody` here
 --> pipeline.toml:7:17
  |
7 | outputs.x = "{{ nobody.y }}"
  |                 ^^^^^^
  |
  = help: a name is a node of this body or of one around it, an item, or a word such as `params.x`

error[E0308]: the output `same` has the name of a node of the body
 --> pipeline.toml:8:9
  |
8 | outputs.same = 1
  |         ^^^^ this output
9 | [branch.b.case.one.task.same]
  |                         ---- this node
  |
  = help: `b.same` could mean both: rename one of them

error[E0309]: `other` stands in another case of `b`
  --> pipeline.toml:10:20
   |
10 | command = "echo {{ other.z }}"
   |                    ^^^^^ nothing of this name is seen from here
...
13 | [branch.b.case.two.task.other]
   |                         ----- it stands here
   |
   = help: only one case runs: what a case reads must stand in it, or outside of the branch

error[E0309]: `same` stands in another case of `b`
  --> pipeline.toml:14:20
   |
 9 | [branch.b.case.one.task.same]
   |                         ---- it stands here
...
14 | command = "echo {{ same.z }} {{ b.same.z }}"
   |                    ^^^^ nothing of this name is seen from here
   |
   = help: only one case runs: what a case reads must stand in it, or outside of the branch

error[E0305]: inside the branch `b` the name `b` has no meaning yet
  --> pipeline.toml:14:33
   |
14 | command = "echo {{ same.z }} {{ b.same.z }}"
   |                                 ^
   |
   = help: for a node beside this one write `same.…`

error[E0303]: the task `u` declares no output `list`
  --> pipeline.toml:19:36
   |
19 | carry.x = { init = 0, next = "{{ u.list }}" }
   |                                    ^^^^
20 | until = "{{ u.n }}"
21 | [loop.l.task.u]
   |              - the task
   |
   = help: it declares `n`

error[E0315]: `u.n` is an int, not true or false
  --> pipeline.toml:20:9
   |
20 | until = "{{ u.n }}"
   |         ^^^^^^^^^^^
   |
   = help: compare it: `until = "{{ u.n > 0 }}"`

error[E0302]: nothing is carried as `y`
  --> pipeline.toml:22:26
   |
22 | command = "echo {{ carry.y }} {{ l.iterations }}"
   |                          ^
   |
   = help: declare it on the loop: `carry.y = { init = …, next = … }`

error[E0305]: inside the loop `l` the name `l` has no meaning yet
  --> pipeline.toml:22:34
   |
22 | command = "echo {{ carry.y }} {{ l.iterations }}"
   |                                  ^
   |
   = help: what the iteration before has left is `carry.NAME`, and a node of this one goes by its own name

error[E0404]: no cached task of `still` reads `carry` or `index`: every iteration would be the same work
  --> pipeline.toml:24:7
   |
24 | [loop.still]
   |       ^^^^^
   |
   = help: read `{{ carry.NAME }}` in a task of it, or `{{ index }}`, or write `cache = false`

error[E0403]: every iteration of `still` would write this one path
  --> pipeline.toml:29:22
   |
24 | [loop.still]
   |       ----- the loop
...
29 | outputs.f = { file = "each.txt" }
   |                      ^^^^^^^^^^
   |
   = help: let the path name its iteration: put `{{ index }}` into it

error[E0303]: the branch `b` has no node and no output `third`
  --> pipeline.toml:31:30
   |
 5 | [branch.b]
   |         - the branch
...
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                              ^^^^^
   |
   = help: it has `same`, `other`, `x` and `same`

error[E0303]: the task `same` declares no output `q`
  --> pipeline.toml:31:51
   |
 9 | [branch.b.case.one.task.same]
   |                         ---- the task
...
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                   ^
   |
   = help: it declares `z` and `f`

error[E0304]: `l.u` is a task, not a value
  --> pipeline.toml:31:61
   |
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                             ^
   |
   = help: read one of its outputs: `l.u.n`

error[E0303]: the loop `l` has no node and no output `y`
  --> pipeline.toml:31:71
   |
17 | [loop.l]
   |       - the loop
...
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                                       ^
   |
   = help: it has `u`, `x` and `iterations`

error[E0301]: there is no `index` outside of a map or loop
  --> pipeline.toml:31:79
   |
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                                               ^^^^^

error[E0309]: `u` stands inside the loop `l`
  --> pipeline.toml:31:91
   |
21 | [loop.l.task.u]
   |              - it stands here
...
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                                                           ^ nothing of this name is seen from here
   |
   = help: name the loop too: `l.u.n`

18 mistakes in `pipeline.toml`

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

/// Every construct at once, three deep. Each task tells its instance when it begins.
const EVERYTHING: &str = r#"
[task.seeds]
command = 'echo seeds >> ran; echo "list=[2, 3, 4]" >> "$FLOWRUN_OUTPUT"'
outputs.list = "list<int>"

[map.unit]
over = "{{ seeds.list }}"
as = "s"
key = "s{{ s }}"
outputs.total = "{{ first(even.steps, odd.total) }}"

[map.unit.branch.parity]
on = "{{ s % 2 == 0 }}"
outputs.steps = "{{ grow.iterations | default(none) }}"

[map.unit.branch.parity.case.true.loop.grow]
max = 9
carry.x = { init = "{{ s }}", next = "{{ step.y }}" }
carry.log = { init = "", next = "{{ write.log }}" }
until = "{{ step.y > 40 }}"

[map.unit.branch.parity.case.true.loop.grow.call.step]
pipeline = "lib/step.toml"
params.x = "{{ carry.x }}"
params.name = "s{{ s }}.{{ index }}"

[map.unit.branch.parity.case.true.loop.grow.map.part]
over = ["a", "b"]
[map.unit.branch.parity.case.true.loop.grow.map.part.task.show]
command = 'echo show.{{ s }}.{{ item }}.{{ carry.x }} >> ran; echo "v={{ item }}{{ step.y }}" >> "$FLOWRUN_OUTPUT"'
outputs.v = "string"

[map.unit.branch.parity.case.true.loop.grow.task.write]
command = '''
cat {{ [carry.log] | select | list }} < /dev/null > {{ outputs.log }}
echo {{ part.show.v }} >> {{ outputs.log }}
echo write.{{ s }}.{{ index }} >> ran
'''
outputs.log = { file = "log/{{ s }}-{{ index }}.txt" }

[map.unit.branch.parity.default.map.each]
over = { range = [0, "{{ s }}"] }
as = "i"
[map.unit.branch.parity.default.map.each.branch.small]
on = "{{ 'small' if i < 1 else 'large' }}"
[map.unit.branch.parity.default.map.each.branch.small.case.small.task.value]
command = 'echo value.{{ i }} >> ran; echo "n={{ i }}" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"
[map.unit.branch.parity.default.map.each.branch.small.case.large.call.value]
pipeline = "lib/step.toml"
params.x = "{{ i }}"
params.name = "i{{ i }}"

[map.unit.task.even]
when = "{{ parity.steps is not none }}"
command = 'echo even.{{ s }} >> ran; cat {{ parity.grow.log }}; echo "steps={{ parity.grow.x }}" >> "$FLOWRUN_OUTPUT"'
outputs.steps = "int"

[map.unit.task.odd]
when = "{{ parity.steps is none }}"
command = 'echo odd.{{ s }} >> ran; echo "total={{ parity.each.small.value.n | reject("none") | sum }}" >> "$FLOWRUN_OUTPUT"'
outputs.total = "int"

[outputs]
totals = "{{ unit.total }}"
steps = "{{ unit.parity.grow.iterations }}"
values = "{{ unit.parity.each.small.value.n }}"
logs = "{{ unit.parity.grow.log }}"
"#;

const STEP: &str = r#"
[params.x]
type = "int"
[params.name]
[loop.twice]
max = 2
carry.v = { init = "{{ params.x }}", next = "{{ add.n }}" }
[loop.twice.task.add]
retry = { attempts = 2, backoff = 0 }
command = '''
test {{ attempt }} -gt 1 || exit 1
echo add.{{ params.name }}.{{ index }} >> ran
echo "n=$(( {{ carry.v }} + {{ carry.v }} / 2 + 1 ))" >> "$FLOWRUN_OUTPUT"
'''
outputs.n = "int"
[outputs]
y = "{{ twice.v }}"
n = "{{ twice.v }}"
"#;

#[test]
fn every_construct_at_once_gives_the_same_however_it_is_run() {
    let project = || {
        let project = Project::new(EVERYTHING);
        project.write("lib/step.toml", STEP);
        project
    };
    let first = project();
    let (outputs, counts) = outcome(first.run("run -j 1 --output json").exits(0));
    assert_eq!(
        outputs,
        json!({
            "totals": [92, 11, 61],
            "steps": [4, null, 3],
            "values": [null, [0, 4, 7], null],
            "logs": ["log/2-3.txt", null, "log/4-2.txt"],
        })
    );
    let ran = first.sorted_lines("ran");
    let eight = project();
    assert_eq!(outcome(eight.run("run -j 8 --output json").exits(0)), (outputs.clone(), counts.clone()));
    assert_eq!(eight.sorted_lines("ran"), ran);
    // killed again and again, whenever so many events more stand in its journal
    let killed = project();
    let events = first.lines(".flowrun/runs/1/journal").len();
    let kills = common::long(10, 4);
    for kill in 1..=kills {
        let live = killed.start("run -j 2");
        let at = events * kill / (kills + 1);
        killed.wait_for(".flowrun/runs/1/journal", |text| text.lines().count() > at);
        live.signal("KILL");
        live.wait();
    }
    let again = outcome(killed.run("run -j 2 --output json").exits(0));
    assert_eq!(again.0, outputs);
    let mut distinct = killed.sorted_lines("ran");
    distinct.dedup();
    assert_eq!(distinct, ran);
    for log in ["log/2-3.txt", "log/4-2.txt"] {
        assert_eq!(killed.read(log), first.read(log));
    }
    for project in [first, eight, killed] {
        let (same, counts) = outcome(project.run("run --output json").exits(0));
        assert_eq!((&same, &counts["succeeded"]), (&outputs, &json!(0)), "{counts}");
    }
}

#[test]
fn paths_are_edges_into_them_and_out_of_them() {
    let project = Project::new(
        r#"
[task.collect]
inputs.each = "out/*.txt"
inputs.case = "case.txt"
inputs.called = "called-one.txt"
command = "cat {{ inputs.each }} {{ inputs.case }} {{ inputs.called }} > {{ outputs.all }}"
outputs.all = { file = "all.txt" }
[call.one]
pipeline = "lib/called.toml"
params.n = "one"
[loop.turns]
max = 2
[loop.turns.task.write]
command = "echo {{ index }} > {{ outputs.f }}"
outputs.f = { file = "out/{{ index }}.txt" }
[branch.way]
on = "{{ 'x' }}"
[branch.way.case.x.task.take]
inputs.base = "base.txt"
command = "echo case $(cat {{ inputs.base }}) > {{ outputs.f }}"
outputs.f = { file = "case.txt" }
# what another case makes is no reason to wait
[branch.way.case.y.task.take]
inputs.case = "case.txt"
command = "cat {{ inputs.case }}"
[task.make]
command = "echo base > {{ outputs.f }}"
outputs.f = { file = "base.txt" }
"#,
    );
    let called = r#"
[params.n]
[task.t]
inputs.base = "base.txt"
command = "echo called $(cat {{ inputs.base }}) {{ params.n }} > {{ outputs.f }}"
outputs.f = { file = "called-{{ params.n }}.txt" }
"#;
    project.write("lib/called.toml", called);
    outcome(project.run("run --output json").exits(0));
    assert_eq!(project.lines("all.txt"), ["0", "1", "case base", "called base one"]);
    // two calls make two files, or it is a mistake
    let twice =
        format!("{}[call.two]\npipeline = \"lib/called.toml\"\nparams.n = \"two\"\n", project.read("pipeline.toml"));
    project.write("pipeline.toml", twice);
    project.run("check").exits(0);
    project.edit("lib/called.toml", "called-{{ params.n }}", "called");
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0402]: this path is declared twice
 --> lib/called.toml:6:22
  |
6 | outputs.f = { file = "called.txt" }
  |                      ^^^^^^^^^^^^
  |                      |
  |                      by `two.t`
  |                      by `one.t`
  |
  = help: the file is called twice: put a param into the path, and give each call another value for it

1 mistake in `pipeline.toml`

"#]]);
}
