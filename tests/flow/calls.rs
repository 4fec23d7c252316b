//! Other pipeline files as nodes.

use super::{calling, outcome, told};
use serde_json::json;
use snapbox::str;

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
qc.inner.double: run 2
  command:
    - echo "v=$(( {{ params.k }} * 2 ))" >> "$FLOWRUN_OUTPUT"
    + echo "v=$(( {{ params.k }} * 3 ))" >> "$FLOWRUN_OUTPUT"
one.count: cached
one.inner.double: unknown
  takes the result of `qc[b].inner.double`, which has the same key
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
