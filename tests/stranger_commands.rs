//! What a stranger types and what is answered: words that name too little or too much, files that are not there, the
//! counts and times at the end.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use snapbox::str;

const SPLIT: &str = r#"[task.split]
over = [1, 2, 3]
command = "echo {{ item }} > {{ outputs.part }}"
outputs.part = { file = "part.{{ index }}" }
"#;

#[test]
fn a_node_is_named_whole() {
    let project = Project::new(SPLIT);
    project.run("run split[1]").shows(str![[r#"
exit 2
--- err
error[E0407]: `split[1]` is an instance, and a node is run as a whole
 |
 = help: name the node: `split`; of its instances those that are cached do not run again

"#]]);
    project.run("plan split[1]").shows(str![[r#"
exit 2
--- err
error[E0407]: `split[1]` is an instance, and a node is run as a whole
 |
 = help: name the node: `split`; of its instances those that are cached do not run again

"#]]);
    project.run("run --force split[1]").shows(str![[r#"
exit 2
--- err
error: `--force split[1]`: that is an instance, and a node is forced as a whole
  help: name the node: `--force split` runs all its instances again

"#]]);
    assert!(!project.path(".flowrun").exists());
    project.run("run split").exits(0);
    assert_eq!(project.run("explain split[1]").exits(0).out().lines().next(), Some("split[1]: cached"));
}

#[test]
fn a_map_without_a_list_has_failed() {
    let project = Project::new(
        r#"[task.list]
command = "echo 1"
outputs.n = { type = "json", from = "stdout" }

[map.each]
over = "{{ list.n }}"
[map.each.task.use]
command = "echo {{ item }}"

[task.last]
command = "echo"
after = ["each"]
"#,
    );
    project.run("run").shows(str![[r#"
exit 1
--- out
failed each
  `over` must give a list, and gave an int (pipeline.toml:6)
  help: put it in brackets, `over = ["{{ x }}"]`, if it is the only item

run 1: 1 map failed, 1 succeeded, 1 not run in [TIME]
failed each: `over` must give a list, and gave an int (pipeline.toml:6)
--- err
[0/2] started   list
[1/2] done      list  [TIME]
[2/2] failed    each  `over` must give a list, and gave an int (pipeline.toml:6)
nothing new starts: `each` failed
[2/2] cancelled last

"#]]);
    project.run("status").shows(str![[r#"
exit 0
--- out
run 1 of pipeline: failed
began [TIME] UTC, [TIME]
1 map failed, 1 succeeded, 1 not run

  list      1 succeeded
  each.use  no task ran
  last      1 not run

failed each
  `over` must give a list, and gave an int (pipeline.toml:6)
  help: put it in brackets, `over = ["{{ x }}"]`, if it is the only item

"#]]);
}

#[test]
fn a_file_that_is_not_there_has_no_runs() {
    let project = Project::empty();
    for command in ["status", "log x", "resume"] {
        let said = project.run(command);
        said.shows(str![[r#"
exit 2
--- err
error: there is no `pipeline.toml` in this folder
  help: name a pipeline file, or begin with `flowrun template new hello`

"#]]);
    }
    project.run("status other.toml").shows(str![[r#"
exit 2
--- err
error: there is no file `other.toml`

"#]]);
    project.run("resume no/such/pipeline.toml").shows(str![[r#"
exit 2
--- err
error: there is no file `no/such/pipeline.toml`

"#]]);
    assert!(!project.path(".flowrun").exists());
    project.write("pipeline.toml", SPLIT);
    for command in ["status", "log x", "resume"] {
        project.run(command).shows(str![[r#"
exit 2
--- err
error: `pipeline.toml` has not been run yet
  help: `flowrun run` runs it

"#]]);
    }
}

/// From one moment of a document to another.
fn seconds(document: &serde_json::Value, from: &str, to: &str) -> f64 {
    (document[to].as_u64().unwrap() - document[from].as_u64().unwrap()) as f64 / 1000.0
}

#[test]
fn runs_and_status_and_the_run_itself_tell_one_time() {
    let project = Project::new("[task.a]\ncommand = \"test -e go\"\nretry = { attempts = 1 }\n");
    project.write("go", "");
    let said = project.run("run --output json").exits(0).json();
    let status = project.run("status --output json").exits(0).json();
    let runs = project.run("runs --output json").exits(0).json();
    assert_eq!(said["wall_s"].as_f64().unwrap(), seconds(&status, "began", "last"));
    assert_eq!(seconds(&runs["runs"][0], "began", "ended"), seconds(&status, "began", "last"));
    assert_eq!(runs["runs"][0]["began"], status["began"]);

    // A run that failed and goes on: from its first begin to its last end.
    std::fs::remove_file(project.path("go")).unwrap();
    project.run("run").exits(1);
    project.write("go", "");
    project.run("resume").exits(0);
    let status = project.run("status --output json").exits(0).json();
    let runs = project.run("runs --output json").exits(0).json();
    assert_eq!((&runs["runs"][0]["run"], &runs["runs"][0]["state"]), (&2.into(), &"succeeded".into()));
    assert_eq!((&runs["runs"][0]["began"], &runs["runs"][0]["ended"]), (&status["began"], &status["last"]));
}

#[test]
fn times_carry_their_zone() {
    let project = Project::new(SPLIT);
    project.run("run").exits(0);
    for (zone, shown) in [("UTC", " UTC"), ("Asia/Kolkata", " +05:30")] {
        for words in [["status"].as_slice(), &["runs"], &["explain", "split[0]"]] {
            let said = project.said(project.command(words).env("TZ", zone));
            said.exits(0);
            assert!(said.out().contains(shown), "{words:?}: {}", said.out());
        }
    }
}

#[test]
fn an_output_that_is_gone_is_said_to_be_missing() {
    let project = Project::new(SPLIT);
    project.run("run").exits(0);
    std::fs::remove_file(project.path("part.1")).unwrap();
    std::fs::remove_dir_all(project.path(".flowrun/artifacts")).ok();
    project.run("run").shows(str![[r#"
exit 0
--- out
run 2 succeeded: 1 succeeded, 2 cached in [TIME]
--- err
[0/3] listed    split  3 items
[2/3] cached    split  2 instances
[2/3] started   split[1]  output part missing
[3/3] done      split[1]  [TIME]

"#]]);
    project.run("explain split[1]").shows(str![[r#"
exit 0
--- out
split[1]: cached
  made by run 2 at [TIME] UTC on [HOST] in [TIME]
  it ran then because: output part missing
  its key is made of
    command: echo {{ item }} > {{ outputs.part }}
    shell: ["bash","-euo","pipefail","-c"]
    output part: file part.{{ index }}
    value index: 1
    value item: 2

"#]]);
}

#[test]
fn an_expression_that_fails_has_its_line() {
    let project = Project::new(
        r#"[task.made]
command = "echo 'r={\"name\": \"a\", \"size\": 3}' > $FLOWRUN_OUTPUT"
outputs.r = "json"

[task.reads]
command = '''
echo first
echo {{ made.r.colour }}
'''
on_error = "continue"

[task.counts]
command = "echo"
vars.half = "{{ made.r.name / 2 }}"
on_error = "continue"

[task.asks]
command = "echo"
when = "{{ made.r.size }}"
on_error = "continue"

[map.each]
over = "{{ made.r.name }}"
[map.each.task.use]
command = "echo {{ item }}"

[outputs]
r = "{{ made.r }}"
"#,
    );
    let said = |node: &str| project.run(&format!("run {node}")).out().lines().last().unwrap().to_owned();
    assert_eq!(said("reads"), "failed reads: `command`: `made.r` has no field `colour` (pipeline.toml:8)");
    assert_eq!(said("asks"), "failed asks: `when` must give true or false, and gave an int, `3` (pipeline.toml:19)");
    assert_eq!(said("each"), "failed each: `over` must give a list, and gave a string (pipeline.toml:23)");
    project.run("run counts").shows(str![[r#"
exit 1
--- out
failed counts
  `vars.half`: the expression cannot be computed: tried to use / operator on
  unsupported types string and number (pipeline.toml:14)

run 4: 1 failed, 1 cached in [TIME]
failed counts: `vars.half`: the expression cannot be computed: tried to use / operator on unsupported types string and number (pipeline.toml:14)
--- err
[1/2] cached    made
[2/2] failed    counts  `vars.half`: the expression cannot be computed: tried to use / operator on unsupported types string and number (pipeline.toml:14)

"#]]);
    project.write(
        "pipeline.toml",
        "[task.made]\ncommand = \"echo 'r={}' > $FLOWRUN_OUTPUT\"\noutputs.r = \"json\"\n[outputs]\nr = \"{{ made.r.x }}\"\n",
    );
    project.run("run").shows(str![[r#"
exit 1
--- out
failed outputs.r
  `made.r` has no field `x` (pipeline.toml:5)
  help: it has no fields

run 5: 1 output failed, 1 succeeded in [TIME]
failed outputs.r: `made.r` has no field `x` (pipeline.toml:5)
--- err
[0/1] started   made  command changed
[1/1] done      made  [TIME]

"#]]);
}
