//! `outputs`: values of every type, standard output, files and folders.

use crate::common::Project;
use crate::{counts, failure, outputs, ran};
use serde_json::{Value, json};
use snapbox::str;

/// One task that writes these lines as the value of `x`.
fn value(ty: &str, lines: &str) -> Project {
    let project = Project::new(&format!(
        "[task.t]\ncommand = 'cat lines >> \"$FLOWRUN_OUTPUT\"'\noutputs.x = \"{ty}\"\n[outputs]\nx = \"{{{{ t.x }}}}\"\n"
    ));
    project.write("lines", lines);
    project
}

#[track_caller]
fn given(ty: &str, lines: &str) -> Value {
    outputs(&value(ty, lines))["x"].clone()
}

/// What is said when the value is not of the type.
fn refused(ty: &str, lines: &str) -> String {
    failure(&value(ty, lines), "run --output json")
}

#[test]
fn values_of_every_type() {
    assert_eq!(given("int", "x=42\n"), json!(42));
    assert_eq!(given("int", "x= -7 \n"), json!(-7));
    assert_eq!(given("float", "x=2.5e3\n"), json!(2500.0));
    assert_eq!(given("float", "x=2\n"), json!(2.0));
    assert_eq!(given("bool", "x=true\n"), json!(true));
    assert_eq!(given("string", "x=a=b \"c\" \n"), json!("a=b \"c\" "));
    assert_eq!(given("string", "x=\n"), json!(""));
    assert_eq!(given("string", "x=\"two\\nlines\"\n"), json!("two\nlines"));
    assert_eq!(given("string", "x=\"no json\n"), json!("\"no json"));
    assert_eq!(given("path", "x=a/b.txt\n"), json!("a/b.txt"));
    assert_eq!(given("list<int>", "x=[1, 2]\n"), json!([1, 2]));
    assert_eq!(given("list<list<string>>", "x=[[\"a\"], []]\n"), json!([["a"], []]));
    assert_eq!(given("map<float>", "x={\"b\": 1.5, \"a\": 2}\n"), json!({ "b": 1.5, "a": 2.0 }));
    assert_eq!(given("json", "x={\"a\": [null, {\"b\": true}]}\n"), json!({ "a": [null, { "b": true }] }));
    // The last line of a name wins; a last line needs no end.
    assert_eq!(given("int", "x=1\n\nx=2\nx=3"), json!(3));
    assert_eq!(given("string", "x=crlf\r\n"), json!("crlf\r"));
}

#[test]
fn values_of_another_type() {
    let all = [
        refused("int", "x=2.5\n"),
        refused("int", "x=many\n"),
        refused("int", "x=\n"),
        refused("int", "x=99999999999999999999\n"),
        refused("float", "x=\"1\"\n"),
        refused("bool", "x=yes\n"),
        refused("list<int>", "x=[1, \"two\"]\n"),
        refused("list<int>", "x=[1, [2]]\n"),
        refused("map<int>", "x={\"a\": null}\n"),
        refused("json", "x=[1,\n"),
        refused("int", "y=1\n"),
        refused("int", "x=1\nz=2\n"),
        refused("int", "x=1\nno equals sign\n"),
        refused("int", ""),
    ];
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(all.join("\n") + "\n", str![[r#"
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: the value is a float (`2.5`), not an int | `x` is declared as `int`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: `many` is not an int | `x` is declared as `int`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: `` is not an int | `x` is declared as `int`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: the value is a float (`[DIGEST]`), not an int | `x` is declared as `int`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: the value is a string (`1`), not a float | `x` is declared as `float`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: `yes` is not a bool: write `true` or `false` | `x` is declared as `bool`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: element 1 is a string (`two`), not an int | `x` is declared as `list<int>`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: element 1 is a list, not an int | `x` is declared as `list<int>`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: field `a` is null, not an int | `x` is declared as `map<int>`
output invalid: the output `x`, line 1 of $FLOWRUN_OUTPUT: `[1,` is not JSON: EOF while parsing a value at line 1 column 3; text needs its quotes, as in `"text"` | `x` is declared as `json`
output invalid: line 1 of $FLOWRUN_OUTPUT gives `y`, which is not declared | declare it: `outputs.y = "string"`
output invalid: line 2 of $FLOWRUN_OUTPUT gives `z`, which is not declared | declare it: `outputs.z = "string"`
output invalid: line 2 of $FLOWRUN_OUTPUT is `no equals sign`, not `name=value` | write one value a line; a JSON value may not be spread over lines
output missing: the output `x` (int) was not written to $FLOWRUN_OUTPUT | `echo "x=…" >> "$FLOWRUN_OUTPUT"`

"#]]);
}

#[test]
fn all_of_standard_output() {
    let project = Project::new(
        r#"
[task.t]
command = 'printf "two\nlines \n\n\n"; echo "n=1" >> "$FLOWRUN_OUTPUT"; echo aside >&2'
outputs.x = { type = "string", from = "stdout" }
outputs.n = "int"
[task.quoted]
command = '''echo '"a\tb"' '''
outputs.x = { type = "string", from = "stdout" }
[task.json]
command = '''printf '[1,\n 2]\n' '''
outputs.x = { type = "list<int>", from = "stdout" }
[task.empty]
command = 'true'
outputs.x = { type = "string", from = "stdout" }
[outputs]
t = "{{ t.x }}"
n = "{{ t.n }}"
quoted = "{{ quoted.x }}"
json = "{{ json.x }}"
empty = "{{ empty.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "t": "two\nlines ", "n": 1, "quoted": "a\tb", "json": [1, 2], "empty": "" }));
    assert_eq!(counts(&project, "run --output json"), (0, 4));
    Project::new("[task.t]\ncommand = 'echo x'\noutputs.x = { type = \"int\", from = \"stdout\" }\n").run("run").shows(
        str![[r#"
exit 1
--- out
failed t
  the output `x`, standard output: `x` is not an int
  | x
  help: `x` is declared as `int`
  log: flowrun log t --run 1

run 1: 1 failed in [TIME]
failed t: the output `x`, standard output: `x` is not an int
--- err
[0/1] started   t
[1/1] failed    t  the output `x`, standard output: `x` is not an int
nothing new starts: `t` failed

"#]],
    );
    Project::new("[task.t]\ncommand = 'echo x'\noutputs.x = { type = \"int\", from = \"stdin\" }\n").run("run").shows(
        str![[r#"
exit 2
--- err
error[E0117]: `stdin` is no place to read a value from
 --> pipeline.toml:3:36
  |
3 | outputs.x = { type = "int", from = "stdin" }
  |                                    ^^^^^^^
  |
  = help: write `from = "stdout"`, or leave `from` out: then it is `$FLOWRUN_OUTPUT`

"#]],
    );
}

#[test]
fn files_and_folders_are_staged() {
    let project = Project::new(
        r#"
[task.t]
command = '''
echo {{ outputs.file }} {{ outputs.dir }} >> ran
echo text > {{ outputs.file }}
ls -A {{ outputs.dir }} >> ran
mkdir {{ outputs.dir }}/sub; echo deep > {{ outputs.dir }}/sub/x
'''
outputs.file = { file = "out/deep/report.html" }
outputs.dir = { dir = "out/folder" }
[task.reader]
command = 'cat {{ t.file }} {{ t.dir }}/sub/x'
outputs.x = { type = "string", from = "stdout" }
[outputs]
file = "{{ t.file }}"
dir = "{{ t.dir }}"
x = "{{ reader.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "file": "out/deep/report.html", "dir": "out/folder", "x": "text\ndeep" }));
    assert_eq!(project.lines("ran"), ["out/deep/.part.report.html out/.part.folder"]);
    let names: Vec<_> =
        crate::common::contents(&project.path("out")).into_iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(names, ["deep/report.html", "folder/sub/x"]);
    ran(&project);
    assert_eq!(counts(&project, "run --output json"), (0, 2));
    // A folder counts by all that it holds.
    project.write("out/folder/sub/x", "changed\n");
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run
  output dir: out/folder ([DIGEST]) → out/folder ([DIGEST])
reader: unknown
  waits for `t`

run 1 · cached 0 · unknown 1

"#]]);
    assert_eq!(counts(&project, "run --output json"), (1, 1));
    assert_eq!(project.read("out/folder/sub/x"), "deep\n");
    project.write("out/folder/more", "");
    assert_eq!(counts(&project, "run --output json"), (1, 1));
    assert!(!project.path("out/folder/more").exists());
    std::fs::remove_file(project.path("out/deep/report.html")).unwrap();
    assert_eq!(counts(&project, "run --output json"), (1, 1));
    assert_eq!(project.read("out/deep/report.html"), "text\n");
}

#[test]
fn side_files_land_beside_it() {
    let project = Project::new(
        r#"
[task.t]
command = 'echo bam > {{ outputs.bam }}; echo index of {{ outputs.bam }} > {{ outputs.bam }}.bai'
outputs.bam = { file = "out/x.bam" }
outputs.bai = { file = "out/x.bam.bai" }
[task.map]
over = ["a", "b"]
command = 'echo {{ item }} > {{ outputs.fa }}; echo i{{ item }} > {{ outputs.fa }}.fai'
outputs.fa = { file = "out/{{ item }}.fa" }
outputs.fai = { file = "out/{{ item }}.fa.fai" }
"#,
    );
    project.run("run").exits(0);
    assert_eq!(project.read("out/x.bam.bai"), "index of out/.part.x.bam\n");
    assert_eq!(project.read("out/b.fa.fai"), "ib\n");
    assert_eq!(counts(&project, "run --output json"), (0, 3));
}

#[test]
fn a_command_may_write_the_path_itself() {
    let project =
        Project::new("[task.t]\ncommand = 'mkdir -p out; echo x > out/x'\noutputs.f = { file = \"out/x\" }\n");
    project.run("run").exits(0);
    assert_eq!(counts(&project, "run --output json"), (0, 1));
    let project = Project::new(
        "[task.t]\ncommand = 'echo x > out/x; echo x > {{ outputs.f }}'\noutputs.f = { file = \"out/x\" }\n",
    );
    project.run("run").shows(str![[r#"
exit 1
--- out
failed t
  the output `f` was written twice: `out/x` and `out/.part.x` are both there
  help: write only to `{{ outputs.f }}`

run 1: 1 failed in [TIME]
failed t: the output `f` was written twice: `out/x` and `out/.part.x` are both there
--- err
[0/1] started   t
[1/1] failed    t  the output `f` was written twice: `out/x` and `out/.part.x` are both there
nothing new starts: `t` failed

"#]]);
}

#[test]
fn an_output_that_is_no_file() {
    Project::new("[task.t]\ncommand = 'mkdir {{ outputs.f }}'\noutputs.f = { file = \"x\" }\n").run("run").shows(str![
        [r#"
exit 1
--- out
failed t
  the output `f`: `x` is a directory, not a file
  help: declare it as `outputs.f = { dir = … }`

run 1: 1 failed in [TIME]
failed t: the output `f`: `x` is a directory, not a file
--- err
[0/1] started   t
[1/1] failed    t  the output `f`: `x` is a directory, not a file
nothing new starts: `t` failed

"#]
    ]);
    Project::new("[task.t]\ncommand = 'rmdir {{ outputs.f }}; echo > {{ outputs.f }}'\noutputs.f = { dir = \"x\" }\n")
        .run("run")
        .shows(str![[r#"
exit 1
--- out
failed t
  the output `f`: `x` is a file, not a directory
  help: declare it as `outputs.f = { file = … }`

run 1: 1 failed in [TIME]
failed t: the output `f`: `x` is a file, not a directory
--- err
[0/1] started   t
[1/1] failed    t  the output `f`: `x` is a file, not a directory
nothing new starts: `t` failed

"#]]);
    Project::new("[task.t]\ncommand = 'true'\noutputs.f = { file = \"x/{{ '..' }}\" }\n").run("run").shows(str![[r#"
exit 1
--- out
failed t
  the path of the output `f` names no file: `x/..`

run 1: 1 failed in [TIME]
failed t: the path of the output `f` names no file: `x/..`
--- err
[1/1] failed    t  the path of the output `f` names no file: `x/..`
nothing new starts: `t` failed

"#]]);
    Project::new("[task.t]\ncommand = 'true'\noutputs.f = { file = \"{{ '' }}\" }\n").run("run").shows(str![[r#"
exit 1
--- out
failed t
  the path of the output `f` names no file: ``

run 1: 1 failed in [TIME]
failed t: the path of the output `f` names no file: ``
--- err
[1/1] failed    t  the path of the output `f` names no file: ``
nothing new starts: `t` failed

"#]]);
}

#[test]
fn two_tasks_with_one_path() {
    Project::new(
        "[task.a]\ncommand = 'x'\noutputs.f = { file = \"out/x\" }\n[task.b]\ncommand = 'x'\noutputs.f = { file = \"./out//x\" }\n",
    )
    .run("check")
    .shows(str![[r#"
exit 2
--- err
error[E0402]: this path is declared twice
 --> pipeline.toml:6:22
  |
3 | outputs.f = { file = "out/x" }
  |                      ------- by `a`
...
6 | outputs.f = { file = "./out//x" }
  |                      ^^^^^^^^^^ by `b`
  |
  = help: give each task a path of its own

1 mistake in `pipeline.toml`

"#]]);
}

#[test]
fn a_task_without_outputs_always_runs() {
    let project = Project::new(
        "[task.t]\ncommand = 'echo t >> ran'\n[task.off]\ncache = false\ncommand = 'echo off >> ran; echo \"x=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.x = \"int\"\n[task.reader]\ncommand = 'echo reader {{ off.x }} >> ran; echo \"y=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.y = \"int\"\n",
    );
    project.run("run").exits(0);
    project.run("run").exits(0);
    // Who reads a value that did not change does not run again.
    assert_eq!(ran(&project), ["off", "off", "reader 1", "t", "t"]);
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run
  it declares no output
off: run
  `cache` is off
reader: unknown
  waits for `off`

run 2 · cached 0 · unknown 1

"#]]);
}

#[test]
fn an_output_nobody_declares() {
    let project = Project::new(
        "[task.t]\ncommand = 'echo \"count=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.cuont = \"int\"\n[task.r]\ncommand = 'echo {{ t.count }}'\n",
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0303]: the task `t` declares no output `count`
 --> pipeline.toml:5:22
  |
1 | [task.t]
  |       - the task
...
5 | command = 'echo {{ t.count }}'
  |                      ^^^^^
  |
  = help: did you mean `cuont`?

1 mistake in `pipeline.toml`

"#]]);
    project.write(
        "pipeline.toml",
        "[task.t]\ncommand = 'echo \"count=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.cuont = \"int\"\n",
    );
    project.run("run").shows(str![[r#"
exit 1
--- out
failed t
  line 1 of $FLOWRUN_OUTPUT gives `count`, which is not declared
  help: did you mean `cuont`?

run 1: 1 failed in [TIME]
failed t: line 1 of $FLOWRUN_OUTPUT gives `count`, which is not declared
--- err
[0/1] started   t
[1/1] failed    t  line 1 of $FLOWRUN_OUTPUT gives `count`, which is not declared
nothing new starts: `t` failed

"#]]);
}

#[test]
fn outputs_of_the_pipeline_keep_their_types() {
    let project = Project::new(
        r#"
[params.p]
type = "map<int>"
default = { a = 1 }
[task.t]
command = '''echo 'x=[1, 2.0, "three", null, {"k": true}]' >> "$FLOWRUN_OUTPUT"; echo f > {{ outputs.f }}'''
outputs.x = "json"
outputs.f = { file = "f.txt" }
[outputs]
whole = "{{ t.x }}"
int = "{{ t.x[0] }}"
float = "{{ t.x[1] }}"
text = "n={{ t.x[0] }}"
null = "{{ t.x[3] }}"
bool = "{{ t.x[4].k }}"
file = "{{ t.f }}"
list = ["{{ t.x[0] + 1 }}", "plain", 3]
table = { inner = "{{ params.p.a }}", deep = ["{{ t.x[2] | upper }}"] }
plain = 7
"#,
    );
    project.run("run --output json").shows(str![[r#"
exit 0
--- out
{"run": 1, "state": "succeeded", "outputs": {"whole": [1, 2.0, "three", null, {"k": true}], "int": 1, "float": 2.0, "text": "n=1", "null": null, "bool": true, "file": "f.txt", "list": [2, "plain", 3], "table": {"inner": 1, "deep": ["THREE"]}, "plain": 7}, "counts": {"succeeded": 1, "cached": 0, "failed": 0, "ignored": 0, "skipped": 0, "cancelled": 0}, "wall_s": [TIME], "failures": []}
--- err
[0/1] started   t
[1/1] done      t  [TIME]
outputs
  whole = [1, 2.0, "three", null, {"k": true}]
  int   = 1
  float = 2.0
  text  = "n=1"
  null  = null
  bool  = true
  file  = "f.txt"
  list  = [2, "plain", 3]
  table = {"inner": 1, "deep": ["THREE"]}
  plain = 7
run 1 succeeded: 1 succeeded in [TIME]

"#]]);
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  whole = [1, 2.0, "three", null, {"k": true}]
  int   = 1
  float = 2.0
  text  = "n=1"
  null  = null
  bool  = true
  file  = "f.txt"
  list  = [2, "plain", 3]
  table = {"inner": 1, "deep": ["THREE"]}
  plain = 7
run 2 succeeded: 1 cached in [TIME]
--- err
[1/1] cached    t

"#]]);
    project.edit("pipeline.toml", "plain = 7", "plain = \"{{ t.x[9].y }}\"");
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed outputs.plain
  `t.x[9]` is undefined (pipeline.toml:19)
  help: give it a value with `| default('x')`

outputs
  whole = [1, 2.0, "three", null, {"k": true}]
  int   = 1
  float = 2.0
  text  = "n=1"
  null  = null
  bool  = true
  file  = "f.txt"
  list  = [2, "plain", 3]
  table = {"inner": 1, "deep": ["THREE"]}
run 3: 1 output failed, 1 cached in [TIME]
failed outputs.plain: `t.x[9]` is undefined (pipeline.toml:19)
--- err
[1/1] cached    t

"#]]);
}

#[test]
fn a_map_is_read_as_its_records_and_by_its_nodes_in_one_breath() {
    let project = Project::new(
        r#"
[task.x]
over = ["a", "b", "c"]
command = '''
echo "{{ item }}" >> ran
echo "out={{ item }}{{ item }}" >> "$FLOWRUN_OUTPUT"
echo "size={{ index }}" >> "$FLOWRUN_OUTPUT"
'''
outputs.out = "string"
outputs.size = "int"

[task.use]
command = 'echo {{ x | length }} {{ x.out }} {{ x[1].out }} {{ x | map(attribute="size") | sum }} {{ x.size[2] }}'
outputs.said = { type = "string", from = "stdout" }

[outputs]
said = "{{ use.said }}"
both = ["{{ x.out }}", "{{ x[2] }}", "{{ x }}"]
"#,
    );
    let records = json!([{ "out": "aa", "size": 0 }, { "out": "bb", "size": 1 }, { "out": "cc", "size": 2 }]);
    let expected = json!({ "said": "3 aa bb cc bb 3 2", "both": [["aa", "bb", "cc"], records[2], records] });
    assert_eq!(outputs(&project), expected);
    assert_eq!(counts(&project, "run --output json"), (0, 4));
}

#[test]
fn a_field_that_is_not_there_is_told_with_those_that_are() {
    let task = |hole: &str| {
        Project::new(&format!(
            "[task.gen]\ncommand = '''echo 'x={{\"name\": \"a\", \"sizes\": [1, 2]}}' >> \"$FLOWRUN_OUTPUT\"'''\noutputs.x = \"json\"\n\
             [task.t]\ncommand = \"echo {{{{ {hole} }}}}\"\n"
        ))
    };
    let said = |hole: &str| failure(&task(hole), "run --output json");
    assert_eq!(
        [said("gen.x.nmae"), said("gen.x.color + 1"), said("gen.x.sizes.first"), said("gen.x.a.b")].join("\n"),
        "\
prepare: `command`: `gen.x` has no field `nmae` (pipeline.toml:5) | did you mean `name`?
prepare: `command`: `gen.x` has no field `color` (pipeline.toml:5) | its fields are `name` and `sizes`
prepare: `command`: `gen.x.sizes` is a list and has no field `first` (pipeline.toml:5)
prepare: `command`: `gen.x` has no field `a` (pipeline.toml:5) | its fields are `name` and `sizes`"
    );
}
