//! `when`, and who is skipped with what is skipped.

use crate::common::Project;
use crate::{failure, outputs, ran};
use serde_json::json;
use snapbox::str;

/// A task `maybe` that runs when `--on` is given, and who reads it.
fn story(reader: &str, output: &str) -> Project {
    Project::new(&format!(
        r#"
[params.on]
type = "bool"
default = false
[task.maybe]
when = "{{{{ params.on }}}}"
command = 'echo maybe >> ran; echo "x=1" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.reader]
command = 'echo reader >> ran; echo "y={reader}" >> "$FLOWRUN_OUTPUT"'
outputs.y = "int"
[outputs]
y = "{output}"
"#
    ))
}

#[test]
fn false_skips_it_and_what_names_it() {
    let project = story("{{ maybe.x }}", "{{ reader.y }}");
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  y = null
run 1 succeeded: 2 skipped in [TIME]
--- err
[2/2] skipped   maybe
[2/2] skipped   reader

"#]]);
    assert_eq!(ran(&project), Vec::<String>::new());
    project.run("run -j 1 -- --on").shows(str![[r#"
exit 0
--- out
outputs
  y = 1
run 2 succeeded: 2 succeeded in [TIME]
--- err
[0/2] started   maybe
[1/2] done      maybe  [TIME]
[1/2] started   reader
[2/2] done      reader  [TIME]

"#]]);
    assert_eq!(ran(&project), ["maybe", "reader"]);
    project.run("plan").shows(str![[r#"
exit 0
--- out
run 0 · cached 0 · unknown 0

"#]]);
}

#[test]
fn who_is_fine_with_null_runs() {
    for reader in [
        "{{ maybe.x | default(7, true) }}",
        "{{ first(maybe.x, 7) }}",
        "{{ 7 if maybe.x is none else maybe.x }}",
        "{{ maybe.x if maybe.x is not none else 7 }}",
    ] {
        let project = story(reader, "{{ reader.y }}");
        let said = project.run("run --output json").exits(0).json();
        assert_eq!((&said["outputs"]["y"], &said["counts"]["skipped"]), (&json!(7), &json!(1)), "{reader}");
        assert_eq!(ran(&project), ["reader"], "{reader}");
        let said = project.run("run --output json -- --on").exits(0).json();
        assert_eq!((&said["outputs"]["y"], &said["counts"]["skipped"]), (&json!(1), &json!(0)), "{reader}");
    }
    let project = story("1", "{{ maybe.x | default('none', true) }}");
    assert_eq!(outputs(&project), json!({ "y": "none" }));
}

#[test]
fn a_condition_on_what_ran_before() {
    let project = Project::new(
        r#"
[task.count]
command = 'echo "n=$(wc -l < in.txt)" >> "$FLOWRUN_OUTPUT"'
inputs.in = "in.txt"
outputs.n = "int"
[task.many]
when = "{{ count.n > 2 }}"
command = 'echo "x=many" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.few]
when = "{{ not count.n > 2 }}"
command = 'echo "x=few" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.join]
command = 'echo "x={{ first(many.x, few.x) }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[outputs]
x = "{{ join.x }}"
"#,
    );
    project.write("in.txt", "1\n");
    assert_eq!(outputs(&project), json!({ "x": "few" }));
    project.write("in.txt", "1\n2\n3\n");
    assert_eq!(outputs(&project), json!({ "x": "many" }));
    project.run("plan").shows(str![[r#"
exit 0
--- out
count: cached
many: cached
join: cached

run 0 · cached 3 · unknown 0

"#]]);
}

#[test]
fn what_is_no_condition() {
    let text =
        |when: &str| format!("[params.n]\ntype = \"json\"\ndefault = 1\n[task.t]\nwhen = {when}\ncommand = 'true'\n");
    Project::new(&text("\"{{ params.n }}\"")).run("run").shows(str![[r#"
exit 1
--- out
failed t
  `when` must give true or false, and gave an int, `1` (pipeline.toml:5)
  help: compare it with something: `{{ x > 0 }}`, `{{ x is not none }}`

run 1: 1 failed in [TIME]
failed t: `when` must give true or false, and gave an int, `1` (pipeline.toml:5)
--- err
[1/1] failed    t  `when` must give true or false, and gave an int, `1` (pipeline.toml:5)
nothing new starts: `t` failed

"#]]);
    Project::new(&text("\"{{ params.n + 1 }}\"")).run("run").shows(str![[r#"
exit 1
--- out
failed t
  `when` must give true or false, and gave an int, `2` (pipeline.toml:5)
  help: compare it with something: `{{ x > 0 }}`, `{{ x is not none }}`

run 1: 1 failed in [TIME]
failed t: `when` must give true or false, and gave an int, `2` (pipeline.toml:5)
--- err
[1/1] failed    t  `when` must give true or false, and gave an int, `2` (pipeline.toml:5)
nothing new starts: `t` failed

"#]]);
    Project::new(&text("\"yes\"")).run("run").shows(str![[r#"
exit 2
--- err
warning[E0507]: nothing reads the param `n`
 --> pipeline.toml:1:9
  |
1 | [params.n]
  |         ^
  |
  = help: read it as `{{ params.n }}`, or take it away

error[E0119]: `when` is plain text, not an expression
 --> pipeline.toml:5:8
  |
5 | when = "yes"
  |        ^^^^^
  |
  = help: put the expression in braces: `when = "{{ yes }}"`

error[E0315]: `when` is text, not true or false
 --> pipeline.toml:5:8
  |
5 | when = "yes"
  |        ^^^^^
  |
  = help: put the whole condition into one expression: `when = "{{ yes }}"`

"#]]);
    Project::new(&text("1")).run("run").shows(str![[r#"
exit 2
--- err
warning[E0507]: nothing reads the param `n`
 --> pipeline.toml:1:9
  |
1 | [params.n]
  |         ^
  |
  = help: read it as `{{ params.n }}`, or take it away

error[E0103]: `when` is an integer, not a boolean or an expression
 --> pipeline.toml:5:8
  |
5 | when = 1
  |        ^ an integer
  |
  = help: for example: `when = "{{ … }}"`

"#]]);
    Project::new(&text("false")).run("run -j 1").shows(str![[r#"
exit 0
--- out
run 1 succeeded: 1 skipped in [TIME]
--- err
warning[E0507]: nothing reads the param `n`
 --> pipeline.toml:1:9
  |
1 | [params.n]
  |         ^
  |
  = help: read it as `{{ params.n }}`, or take it away
[1/1] skipped   t

"#]]);
    Project::new(&text("true")).run("run -j 1").shows(str![[r#"
exit 0
--- out
run 1 succeeded: 1 succeeded in [TIME]
--- err
warning[E0507]: nothing reads the param `n`
 --> pipeline.toml:1:9
  |
1 | [params.n]
  |         ^
  |
  = help: read it as `{{ params.n }}`, or take it away
[0/1] started   t  it declares no output
[1/1] done      t  [TIME]

"#]]);
}

#[test]
fn a_map_that_is_skipped() {
    let project = Project::new(
        r#"
[params.on]
type = "bool"
default = false
[map.m]
when = "{{ params.on }}"
over = { lines = "no-such-file" }
[map.m.task.t]
command = 'echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.named]
command = 'echo named {{ m.t.x }} >> ran'
[task.tolerant]
command = 'echo tolerant {{ m.t.x | default([], true) | length }} >> ran'
[task.later]
after = ["m", "tolerant"]
command = 'echo later >> ran'
"#,
    );
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
run 1 succeeded: 2 succeeded, 1 skipped in [TIME]
--- err
[1/3] skipped   m
[1/3] skipped   named
[1/3] started   tolerant  it declares no output
[2/3] done      tolerant  [TIME]
[2/3] started   later  it declares no output
[3/3] done      later  [TIME]

"#]]);
    assert_eq!(ran(&project), ["later", "tolerant 0"]);
}

#[test]
fn items_that_are_skipped_give_null() {
    let project = Project::new(
        r#"
[map.m]
over = { range = [0, 4] }
[map.m.task.odd]
when = "{{ item % 2 == 1 }}"
command = 'echo odd {{ item }} >> ran; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[map.m.task.needs]
command = 'echo needs {{ odd.x }} >> ran; echo "x={{ odd.x }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[map.m.map.inner]
when = "{{ odd.x is not none }}"
over = ["{{ odd.x | default(0, true) }}", 10]
[map.m.map.inner.task.t]
command = 'echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.reader]
command = 'echo "x={{ m.odd.x | reject("none") | sum }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[outputs]
odd = "{{ m.odd.x }}"
needs = "{{ m.needs.x }}"
inner = "{{ m.inner.t.x }}"
sum = "{{ reader.x }}"
"#,
    );
    assert_eq!(
        outputs(&project),
        json!({
            "odd": [null, 1, null, 3],
            "needs": [null, 1, null, 3],
            "inner": [null, [1, 10], null, [3, 10]],
            "sum": 4
        })
    );
    assert_eq!(ran(&project), ["needs 1", "needs 3", "odd 1", "odd 3"]);
}

#[test]
fn null_in_a_command_fails_and_names_the_way_out() {
    let failed = |task: &str| {
        let project = Project::new(&format!(
            r#"
[map.m]
over = {{ range = [0, 2] }}
[map.m.task.odd]
when = "{{{{ item % 2 == 1 }}}}"
command = 'echo "x={{{{ item }}}}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.t]
{task}
"#
        ));
        failure(&project, "run --output json")
    };
    let all = [
        failed("command = 'echo {{ m.odd.x }}'"),
        failed("command = 'echo {{ m.odd.x[0] }}'"),
        failed("argv = ['echo', '{{ m.odd.x }}']"),
        failed("argv = ['echo', 'x{{ m.odd.x[0] }}']"),
        failed("command = 'echo'\nenv.X = '{{ m.odd.x[0] }}'"),
        failed("command = 'echo'\ninputs.x = '{{ m.odd.x[0] }}.txt'"),
        failed("command = 'echo'\noutputs.x = { file = '{{ m.odd.x[0] }}.txt' }"),
    ];
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(all.join("\n") + "\n", str![[r#"
prepare: `command`: the value of `m.odd.x` is a list that holds null (pipeline.toml:9) | write `| reject('none')` behind it to leave nulls out
prepare: `command`: the value of `m.odd.x[0]` is null (pipeline.toml:9) | write `| default('x', true)` behind it, with what shall stand there instead
prepare: `argv[1]`: the value of `m.odd.x` is a list that holds null (pipeline.toml:9) | write `| reject('none')` behind it to leave nulls out
prepare: `argv[1]`: the value of `m.odd.x[0]` is null (pipeline.toml:9) | write `| default('x', true)` behind it, with what shall stand there instead
prepare: `env.X`: the value of `m.odd.x[0]` is null (pipeline.toml:10) | write `| default('x', true)` behind it, with what shall stand there instead
prepare: `inputs.x`: the value of `m.odd.x[0]` is null (pipeline.toml:10) | write `| default('x', true)` behind it, with what shall stand there instead
prepare: `outputs.x`: the value of `m.odd.x[0]` is null (pipeline.toml:10) | write `| default('x', true)` behind it, with what shall stand there instead

"#]]);
}

#[test]
fn after_a_skipped_node_runs() {
    let project = Project::new(
        "[task.a]\nwhen = false\ncommand = 'echo a >> ran'\n[task.b]\nafter = [\"a\"]\ncommand = 'echo b >> ran'\n",
    );
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
run 1 succeeded: 1 succeeded, 1 skipped in [TIME]
--- err
[1/2] skipped   a
[1/2] started   b  it declares no output
[2/2] done      b  [TIME]

"#]]);
    assert_eq!(ran(&project), ["b"]);
}

#[test]
fn inputs_of_what_is_skipped_are_not_looked_at() {
    let project = Project::new(
        r#"
[params.file]
type = "string"
default = ""
[task.t]
when = "{{ params.file != '' }}"
command = 'cat {{ inputs.f }}'
inputs.f = "{{ params.file }}"
inputs.g = "not/there"
"#,
    );
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
run 1 succeeded: 1 skipped in [TIME]
--- err
[1/1] skipped   t

"#]]);
}
