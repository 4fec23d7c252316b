//! `flowrun test`: tests of single tasks, what they say, and what is wrong with their tables.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, redacted};
use serde_json::json;
use snapbox::str;

const PIPELINE: &str = r#"[params.multiplier]
type = "int"
default = 3
max = 10

[task.gen_data]
command = 'echo "raw=[42, 43]" >> "$FLOWRUN_OUTPUT"'
outputs.raw = "list<int>"

[map.process]
over = "{{ gen_data.raw }}"
as = "n"

[map.process.task.compute]
command = 'echo "computing {{ n }}"; echo "value=$(( {{ n }} * {{ params.multiplier }} ))" >> "$FLOWRUN_OUTPUT"'
outputs.value = "int"

[task.report]
command = "bash scripts/report.sh {{ process.compute.value }} < {{ inputs.head }} > {{ outputs.html }}"
inputs.head = "data/head.txt"
outputs.html = { file = "results/report.html" }
retry = { attempts = 3 }

[task.split]
over = { glob = "data/*.txt" }
as = "file"
when = "{{ index < 1 }}"
command = 'mkdir {{ outputs.parts }}/deep; cp {{ file }} {{ outputs.parts }}/a; echo {{ index }} > {{ outputs.parts }}/deep/b'
outputs.parts = { dir = "parts/{{ index }}" }
"#;

fn project(tests: &str) -> Project {
    let project = Project::new(&format!("{PIPELINE}{tests}"));
    project.write("scripts/report.sh", "cat; for x in \"$@\"; do echo \"<li>$x\"; done\n");
    project.write("data/head.txt", "head\n").write("tests/small.txt", "small\n");
    project
}

#[test]
fn tests_run_in_fresh_folders_and_say_what_differs() {
    let project = project(
        r#"
[test.compute_small]
node = "process.compute"
params.multiplier = 5
values.n = 4
expect.values.value = 20
expect.log = 'computing \d'

[test.compute_wrong]
node = "process.compute"
values.n = 4
expect = { values = { value = 13 }, log = ["computing", "done <&>"] }

[test.report_by_value]
node = "report"
values.process.compute.value = [1, 2]
expect.files.html = { text = "head\n<li>1\n<li>2\n" }
expect.matches.html = ['^head$', '<li>2']
expect.sha256.html = "f4ac77e0b7d4f5a6db3b5dd26f2a3cd33a9a09bb5a5b6b33c2b0bd3b9b5ad3a5"

[test.report_of_another_file]
node = "report"
values.process.compute.value = []
inputs.head = "tests/small.txt"
expect.files.html = "tests/small.txt"

[test.report_fails]
node = "report"
values.process.compute.value = [1, 2]
files."scripts/report.sh" = { text = "echo broken >&2; exit 3" }
expect.exit = 3
expect.log = "^broken$"

[test.report_must_fail]
node = "report"
values.process.compute.value = []
expect.exit = 3

[test.report_stops]
node = "report"
values.process.compute.value = []
files."scripts/report.sh" = { text = "echo broken >&2; exit 3" }

[test.split_whole]
node = "split"
values = { file = "data/head.txt", index = 0 }
expect.files.parts = "tests/parts"

[test.split_skipped]
node = "split"
values = { file = "data/head.txt", index = 1 }
"#,
    );
    project.write("tests/parts/a", "head\n").write("tests/parts/c", "c\n").write("tests/parts/deep/b", [255, 0]);
    project.run("test --junit results.xml").shows(str![[r#"
exit 1
--- out
test compute_small ... ok ([TIME])
test compute_wrong ... FAILED ([TIME])
test report_by_value ... FAILED ([TIME])
test report_of_another_file ... ok ([TIME])
test report_fails ... ok ([TIME])
test report_must_fail ... FAILED ([TIME])
test report_stops ... FAILED ([TIME])
test split_whole ... FAILED ([TIME])
test split_skipped ... FAILED ([TIME])

---- compute_wrong (process.compute, pipeline.toml:38)
the log does not match `done <&>`
`value` is not as expected
  - 13
  + 12
the end of its log:
  | computing 4

---- report_by_value (report, pipeline.toml:43)
`html` has another SHA-256 digest
  - [DIGEST]
  + [DIGEST]

---- report_must_fail (report, pipeline.toml:63)
it must end with exit code 3, and it succeeded

---- report_stops (report, pipeline.toml:68)
it failed: exit status 3
the end of its log:
  | broken

---- split_whole (split, pipeline.toml:73)
`parts` has no c
`parts`/deep/b is not as expected: 2 bytes, of 2 expected, the first difference at byte 0

---- split_skipped (split, pipeline.toml:78)
it was skipped: its `when` is false

test result: FAILED. 3 passed, 6 failed in [TIME]

"#]]);
    let xml = redacted(&project.read("results.xml"), project.dir());
    let xml: Vec<&str> = xml.lines().filter(|line| !line.contains("<testsuite ")).collect();
    // Times differ from run to run.
    let plain = |line: &&str| line.split(" time=").next().unwrap().to_owned();
    snapbox::assert_data_eq!(
        xml.iter().map(plain).collect::<Vec<_>>().join("\n"),
        str![[r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
    <properties/>
    <testcase name="compute_small" classname="process.compute"
    <testcase name="compute_wrong" classname="process.compute"
      <failure type="failure" message="the log does not match `done &lt;&amp;&gt;`; `value` is not as expected">pipeline.toml:38
the log does not match `done &lt;&amp;&gt;`
`value` is not as expected
  - 13
  + 12
  | computing 4
</failure>
    </testcase>
    <testcase name="report_by_value" classname="report"
      <failure type="failure" message="`html` has another SHA-256 digest">pipeline.toml:43
`html` has another SHA-256 digest
  - [DIGEST]
  + [DIGEST]
</failure>
    </testcase>
    <testcase name="report_of_another_file" classname="report"
    <testcase name="report_fails" classname="report"
    <testcase name="report_must_fail" classname="report"
      <failure type="failure" message="it must end with exit code 3, and it succeeded">pipeline.toml:63
it must end with exit code 3, and it succeeded
</failure>
    </testcase>
    <testcase name="report_stops" classname="report"
      <failure type="failure" message="it failed: exit status 3">pipeline.toml:68
it failed: exit status 3
  | broken
</failure>
    </testcase>
    <testcase name="split_whole" classname="split"
      <failure type="failure" message="`parts` has no c; `parts`/deep/b is not as expected: 2 bytes, of 2 expected, the first difference at byte 0">pipeline.toml:73
`parts` has no c
`parts`/deep/b is not as expected: 2 bytes, of 2 expected, the first difference at byte 0
</failure>
    </testcase>
    <testcase name="split_skipped" classname="split"
      <failure type="failure" message="it was skipped: its `when` is false">pipeline.toml:78
it was skipped: its `when` is false
</failure>
    </testcase>
    <system-out/>
    <system-err/>
  </testsuite>
</testsuites>
"#]]
    );
    // Nothing of the project was touched.
    for name in [".flowrun", "results", "parts"] {
        assert!(!project.path(name).exists(), "{name}");
    }
}

#[test]
fn tests_are_chosen_by_parts_of_their_names() {
    let project = project(
        r#"
[test.good]
node = "process.compute"
values.n = 4
expect.values.value = 12

[test.bad]
node = "process.compute"
values.n = 4
expect.exit = 1
"#,
    );
    project.run("test goo").shows(str![[r#"
exit 0
--- out
test good ... ok ([TIME])

test result: ok. 1 passed, 0 failed, 1 not chosen in [TIME]

"#]]);
    project.run("test pipeline.toml gppd").shows(str![[r#"
exit 2
--- err
error: no test's name holds `gppd`
  help: `pipeline.toml` has `good` and `bad`

"#]]);
    let said = project.run("test bad --keep --output json");
    let said = said.exits(1).json();
    assert_eq!(
        (&said["passed"], &said["failed"], &said["not_chosen"], &said["tests"][0]["name"]),
        (&json!(0), &json!(1), &json!(1), &json!("bad"))
    );
    assert_eq!(said["tests"][0]["failures"], json!([{ "message": "it must end with exit code 1, and it succeeded" }]));
    let folder = std::path::PathBuf::from(said["tests"][0]["folder"].as_str().unwrap());
    assert!(folder.join(".flowrun").is_dir());
    std::fs::remove_dir_all(folder.parent().unwrap()).unwrap();

    let none = Project::new("[task.a]\ncommand = 'true'\n");
    none.run("test").shows(str![[r#"
exit 2
--- err
error: `pipeline.toml` has no tests
  help: write one: `[test.NAME]` with `node = "…"`; `--capture RUN INSTANCE` makes one of what has run

"#]]);
}

#[test]
fn what_is_wrong_with_tests_is_found_by_check() {
    let project = project(
        r#"
[test.a]
node = "proces.compute"

[test.b]
node = "process"
params.multiplier = 11
params.multiplicator = 1

[test.c]
node = "compute"

[test.d]
node = "process.compute"
values = { m = 4 }
inputs.x = "a"
expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }

[test.e]
node = "report"
values.process.compute.value = "x"
inputs.heat = "a"
expect = { matches = { html = "(" }, sha256 = { html = "12" }, values = { html = 3 } }

[test.f]
node = "split"
values = { file = "data/head.txt", index = 0 }
expect = { matches = { parts = "x" }, files = { parts = { text = "x" } } }
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0407]: the pipeline has no node `proces.compute`
  --> pipeline.toml:32:8
   |
32 | node = "proces.compute"
   |        ^^^^^^^^^^^^^^^^
   |
   = help: did you mean `process.compute`?

error[E0407]: `process` is no task, and a test is of one task
  --> pipeline.toml:35:8
   |
35 | node = "process"
   |        ^^^^^^^^^
   |
   = help: name a task inside: `process.compute`

error[E0504]: the param `multiplier` is `11`, more than its `max`, 10 (in the test `b`)
  --> pipeline.toml:36:21
   |
36 | params.multiplier = 11
   |                     ^^
   |
   = help: it must be at most 10

error[E0501]: the pipeline has no param `multiplicator` (in the test `b`)
  --> pipeline.toml:37:8
   |
37 | params.multiplicator = 1
   |        ^^^^^^^^^^^^^
   |
   = help: did you mean `multiplier`?

error[E0407]: the pipeline has no node `compute`
  --> pipeline.toml:40:8
   |
40 | node = "compute"
   |        ^^^^^^^^^
   |
   = help: did you mean `process.compute`?

error[E0340]: the test `d` gives no value for `n`
  --> pipeline.toml:42:7
   |
42 | [test.d]
   |       ^
   |
   = help: the task reads it: `values.n = …`, an int

error[E0301]: the task reads nothing called `m`
  --> pipeline.toml:44:12
   |
44 | values = { m = 4 }
   |            ^
   |
   = help: it reads `n`

error[E0301]: the task has no input `x`
  --> pipeline.toml:45:8
   |
45 | inputs.x = "a"
   |        ^
   |
   = help: it has no inputs; what else it reads stands under `files`

error[E0118]: a task that fails has no outputs
  --> pipeline.toml:46:33
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                   -             ^^^^^
   |                   |
   |                   it must fail
   |
   = help: look into its log instead: `expect.log = '…'`

error[E0340]: the output `value` can never be this: the value is a string (`x`), not an int
  --> pipeline.toml:46:41
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                                         ^^^
   |
   = help: it is declared as `int`

error[E0303]: the task has no output `valeu`
  --> pipeline.toml:46:46
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                                              ^^^^^
   |
   = help: did you mean `value`?

error[E0340]: `value` is no file
  --> pipeline.toml:46:69
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                                                                     ^^^^^
   |
   = help: say what it must be: `expect.values.value = …`, or `expect.matches`

error[E0340]: `value` is no file
  --> pipeline.toml:46:95
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                                                                                               ^^^^^
   |
   = help: say what it must be: `expect.values.value = …`, or `expect.matches`

error[E0340]: the value of `process.compute.value` does not fit: the value is a string (`x`), not a `list<int>`
  --> pipeline.toml:50:8
   |
50 | values.process.compute.value = "x"
   |        ^^^^^^^
   |
   = help: the task reads a list there

error[E0301]: the task has no input `heat`
  --> pipeline.toml:51:8
   |
51 | inputs.heat = "a"
   |        ^^^^
   |
   = help: did you mean `head`?

error[E0340]: `(` is no regular expression: unclosed group
  --> pipeline.toml:52:31
   |
52 | expect = { matches = { html = "(" }, sha256 = { html = "12" }, values = { html = 3 } }
   |                               ^^^
   |
   = help: characters such as `(`, `[` and `.` stand for themselves after a `\`

error[E0340]: `12` is no SHA-256 digest
  --> pipeline.toml:52:56
   |
52 | expect = { matches = { html = "(" }, sha256 = { html = "12" }, values = { html = 3 } }
   |                                                        ^^^^
   |
   = help: a digest is 64 hexadecimal digits, as `sha256sum` prints them

error[E0340]: `html` is no value
  --> pipeline.toml:52:75
   |
52 | expect = { matches = { html = "(" }, sha256 = { html = "12" }, values = { html = 3 } }
   |                                                                           ^^^^
   |
   = help: it stands under `expect.files.html`

error[E0340]: `parts` is a folder, in which no pattern is looked for
  --> pipeline.toml:57:24
   |
57 | expect = { matches = { parts = "x" }, files = { parts = { text = "x" } } }
   |                        ^^^^^
   |
   = help: compare it as a whole: `expect.files.parts = "…"`

error[E0340]: `parts` is a folder, which no text is like
  --> pipeline.toml:57:66
   |
57 | expect = { matches = { parts = "x" }, files = { parts = { text = "x" } } }
   |                                                                  ^^^
   |
   = help: name a folder of the project

20 mistakes in `pipeline.toml`

"#]]);
    project.write(
        "pipeline.toml",
        format!(
            "{PIPELINE}{}",
            r#"
[test.a]
nod = "report"

[test.b]
node = "report"
values = "x"
inputs.head = 3
files."/etc/x" = "x"
files."a/../b" = "x"
files.c = { txt = "x" }
files.d = {}
expect = { exit = 256, log = [3], valeus = { a = 3 } }
"#
        ),
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0102]: a test has no key `nod`
  --> pipeline.toml:32:1
   |
32 | nod = "report"
   | ^^^ unknown key
   |
   = help: did you mean `node`?

error[E0340]: the test `b` gives no value for `process.compute.value`
  --> pipeline.toml:34:7
   |
34 | [test.b]
   |       ^
   |
   = help: the task reads it: `values.process.compute.value = …`, a list

error[E0103]: `values` is a string, not a table
  --> pipeline.toml:36:10
   |
36 | values = "x"
   |          ^^^ a string
   |
   = help: for example: `values = { NAME = "…" }`

error[E0103]: `head` is an integer, not a string or an array of strings
  --> pipeline.toml:37:15
   |
37 | inputs.head = 3
   |               ^ an integer
   |
   = help: for example: `head = ["a", "b"]`

error[E0106]: `/etc/x` is no place in the test's folder
  --> pipeline.toml:38:7
   |
38 | files."/etc/x" = "x"
   |       ^^^^^^^^
   |
   = help: write a relative path without `..`: `files."data/ref.fa"`

error[E0106]: `a/../b` is no place in the test's folder
  --> pipeline.toml:39:7
   |
39 | files."a/../b" = "x"
   |       ^^^^^^^^
   |
   = help: write a relative path without `..`: `files."data/ref.fa"`

error[E0102]: a content has no key `txt`
  --> pipeline.toml:40:13
   |
40 | files.c = { txt = "x" }
   |             ^^^ unknown key
   |
   = help: did you mean `text`?

error[E0104]: `d` has no content
  --> pipeline.toml:41:11
   |
41 | files.d = {}
   |           ^^
   |
   = help: write the path of a file of the project, or `{ text = "…" }`

error[E0116]: `exit` must be at most 255
  --> pipeline.toml:42:19
   |
42 | expect = { exit = 256, log = [3], valeus = { a = 3 } }
   |                   ^^^
   |
   = help: write a whole number from 0 to 255

error[E0103]: an element of `log` is an integer, not a string
  --> pipeline.toml:42:31
   |
42 | expect = { exit = 256, log = [3], valeus = { a = 3 } }
   |                               ^ an integer
   |
   = help: put it in quotes: `"3"`

error[E0102]: `expect` of a test has no key `valeus`
  --> pipeline.toml:42:35
   |
42 | expect = { exit = 256, log = [3], valeus = { a = 3 } }
   |                                   ^^^^^^ unknown key
   |
   = help: did you mean `values`?

11 mistakes in `pipeline.toml`

"#]]);
    project.write(
        "pipeline.toml",
        format!("{PIPELINE}{}", "[test.a]\nnode = \"gen_data\"\nfiles.x = \"no/such\"\nexpect.values.raw = [42, 43]\n"),
    );
    // Files may come later: only a test that is run needs them.
    project.run("check").exits(0);
    project.run("test").shows(str![[r#"
exit 2
--- err
error[E0620]: the test `a` names `no/such`, which is not there
  --> pipeline.toml:32:11
   |
32 | files.x = "no/such"
   |           ^^^^^^^^^
   |
   = help: a path is relative to the pipeline file's folder

"#]]);
}

#[test]
fn one_node_runs_alone_on_what_the_others_gave_last() {
    let project = Project::new(
        r#"
[task.gen]
command = 'echo gen >> ran; echo "raw=[1, 2]" >> "$FLOWRUN_OUTPUT"'
outputs.raw = "list<int>"

[task.stamp]
cache = false
command = 'echo stamp >> ran; echo "at=5" >> "$FLOWRUN_OUTPUT"'
outputs.at = "int"

[map.each]
over = "{{ gen.raw }}"

[map.each.task.write]
command = 'echo write >> ran; echo {{ item }} > {{ outputs.text }}'
outputs.text = { file = "results/{{ item }}.txt" }

[map.each.task.twice]
command = 'echo twice >> ran; cat {{ write.text }} {{ write.text }} > {{ outputs.text }}'
outputs.text = { file = "results/{{ item }}.twice" }

[task.sum]
command = 'echo sum >> ran; cat {{ each.twice.text }} > {{ outputs.all }}; echo {{ stamp.at }} >> {{ outputs.all }}'
outputs.all = { file = "results/all" }
"#,
    );
    let missing = |line: &str| {
        let said = project.run(line).exits(1).json();
        let failures = said["failures"].as_array().unwrap().clone();
        let mut told: Vec<String> = failures.iter().map(|f| format!("{}: {}", f["instance"], f["message"])).collect();
        told.sort();
        told
    };
    assert_eq!(
        missing("run --only sum --output json"),
        [r#""gen": "there is no earlier result""#, r#""stamp": "there is no earlier result""#]
    );
    assert!(!project.path("ran").exists());
    project.run("run").exits(0);
    // Everything but `sum` has changed, and only `sum` is looked at.
    project.edit("pipeline.toml", "echo gen >> ran", "exit 1");
    project.edit("pipeline.toml", "echo stamp >> ran", "exit 1");
    project.edit("pipeline.toml", "echo twice >> ran", "exit 1");
    project.edit("pipeline.toml", "echo sum >> ran", "echo again >> ran");
    project.write("ran", "");
    let said = project.run("run --only sum --output json").exits(0).json();
    assert_eq!(said["counts"]["succeeded"], 1);
    assert_eq!(project.lines("ran"), ["again"]);
    assert_eq!(project.read("results/all"), "1\n1\n2\n2\n5\n");
    // A node of a map alone, for every item.
    project.edit("pipeline.toml", "echo write >> ran", "echo other >> ran");
    project.run("run --only each.write").exits(0);
    assert_eq!(project.lines("ran"), ["again", "other", "other"]);
    // A file that is not as it was made is nothing to go on with.
    project.write("results/1.twice", "edited\n");
    let told = missing("run --only sum --force sum --output json");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with(r#""each[0].twice": "what it gave last is not there any more: results/1.twice"#),
        "{told:?}"
    );
    project.run("run --only").shows(str![[r#"
exit 2
--- err
error: `--only` needs a node
  help: name the nodes that run: `flowrun run --only align`

"#]]);
}

#[test]
fn a_captured_test_asks_for_the_same_again() {
    let project = project("");
    project.write("data/head.txt", "head\n".repeat(100));
    project.edit("pipeline.toml", "[task.split]\n", "[task.split]\nkey = \"{{ file }}\"\n");
    project.write("data/ä b.txt", [0, 255]);
    let fails = "\n[task.check]\ncommand = 'echo {{ report.html }} is bad; exit 3'\non_error = \"continue\"";
    project.write("pipeline.toml", project.read("pipeline.toml") + fails);
    project.run("run").exits(1);
    for instance in ["process[1].compute", "report", "split[data/head.txt]", "check", "report"] {
        project.run_words(["test", "--capture", "1", instance]).exits(0);
    }
    let file = project.read("pipeline.toml");
    let (_, captured) = file.split_once(fails).unwrap();
    snapbox::assert_data_eq!(
        captured,
        str![[r#"


# captured from process[1].compute of run 1
[test.process_1_compute]
node = "process.compute"
values.n = 43
params.multiplier = 3
expect.values.value = 129

# captured from report of run 1
[test.report]
node = "report"
values.process.compute.value = [126, 129]
files."data/head.txt" = "tests/report/data/head.txt"
expect.files.html = "tests/report/expected/html.html"

# captured from split[data/head.txt] of run 1
[test.split_data_head_txt]
node = "split"
values.index = 0
values.file = "data/head.txt"
files."data/head.txt" = "tests/split_data_head_txt/data/head.txt"
expect.files.parts = "tests/split_data_head_txt/expected/parts"

# captured from check of run 1
[test.check]
node = "check"
values.report.html = "results/report.html"
files."results/report.html" = "tests/check/results/report.html"
expect.exit = 3

# captured from report of run 1
[test.report_2]
node = "report"
values.process.compute.value = [126, 129]
files."data/head.txt" = "tests/report_2/data/head.txt"
expect.files.html = "tests/report_2/expected/html.html"

"#]]
    );
    project.run("test").exits(0);
    // A test is of the command as it is now.
    project.edit("pipeline.toml", "echo \"value=$((", "echo \"value=$((1 +");
    project.run("test compute").exits(1);

    project.run_words(["test", "--capture", "1", "split[data/ä b.txt]"]).shows(str![[r#"
exit 2
--- err
error: `split[data/ä b.txt]` has not run in run 1

"#]]);
    project.run("test --capture 1 reprot").shows(str![[r#"
exit 2
--- err
error: there is no instance `reprot` in run 1
  help: did you mean `report`?

"#]]);
    project.run("test --capture 9 report").shows(str![[r#"
exit 2
--- err
error: there is no run 9 in `.flowrun/runs`
  help: there is one run, 1

"#]]);
    project.write("results/report.html", "edited\n");
    project.run("test --capture 1 report").shows(str![[r#"
exit 2
--- err
error: `results/report.html` is not as the instance made it

"#]]);
}

#[test]
fn tasks_inside_branches_loops_and_calls_are_captured_too() {
    let project = Project::new(
        r#"[loop.train]
max = 3
carry.sum = { init = 1, next = "{{ add.sum }}" }

[loop.train.task.add]
command = 'echo "sum=$(( {{ carry.sum }} * 10 + {{ index }} ))" >> "$FLOWRUN_OUTPUT"'
outputs.sum = "int"

[branch.route]
on = "{{ train.iterations }}"

[branch.route.case.3.task.three]
command = 'echo "x={{ train.sum }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"

[call.inner]
pipeline = "inner.toml"
params.text = "{{ route.three.x }}"
"#,
    );
    project.write(
        "inner.toml",
        "[params.text]\ntype = 'int'\n[task.say]\ncommand = 'echo \"said={{ params.text }}\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.said = \"string\"\n",
    );
    project.run("run").exits(0);
    for instance in ["train[2].add", "route.three", "inner.say"] {
        project.run_words(["test", "--capture", "1", instance]).exits(0);
    }
    let file = project.read("pipeline.toml");
    snapbox::assert_data_eq!(
        file.split_once("\n# captured").unwrap().1,
        str![[r#"
 from train[2].add of run 1
[test.train_2_add]
node = "train.add"
values.carry.sum = 101
values.index = 2
expect.values.sum = 1012

# captured from route.three of run 1
[test.route_three]
node = "route.three"
values.train.sum = 1012
expect.values.x = 1012

# captured from inner.say of run 1
[test.inner_say]
node = "inner.say"
values.params.text = 1012
expect.values.said = "1012"

"#]]
    );
    project.run("test").exits(0);
}
