//! `flowrun test`: tests of single tasks, and what they say.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod earlier;
mod wrong;

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
