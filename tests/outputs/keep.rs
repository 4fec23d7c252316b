//! What is kept until its consumers are done.

use super::*;

/// Each task notes that it ran; what `gen` and `double` make is wanted for the next steps alone.
const CHAIN: &str = r#"[task.gen]
command = "echo gen >> log; seq 5 > {{ outputs.data }}"
outputs.data = { file = "out/numbers" }
keep = "until_consumed"

[task.double]
command = "echo double >> log; awk '{print $1*2}' {{ gen.data }} > {{ outputs.data }}"
outputs.data = { file = "out/doubled", keep = "until_consumed" }

[task.sum]
command = "echo sum >> log; awk '{s+=$1} END {print s}' {{ inputs.data }}"
inputs.data = "out/doubled"
outputs.sum = { type = "int", from = "stdout" }

[task.count]
command = "echo count >> log; wc -l < {{ gen.data }}"
outputs.lines = { type = "int", from = "stdout" }

[outputs]
sum = "{{ sum.sum }}"
lines = "{{ count.lines }}"
"#;

#[test]
fn what_is_kept_until_it_is_consumed_goes_and_is_made_again_when_it_is_needed() {
    let project = Project::new(CHAIN);
    ends(
        &project,
        "run -j 1",
        str![[r#"
exit 0
--- out
outputs
  sum   = 30
  lines = 5
run 1 succeeded: 4 succeeded in [TIME]

"#]],
    );
    assert_eq!(tree(&project, "out"), "");
    assert_eq!(project.sorted_lines("log"), ["count", "double", "gen", "sum"]);
    project.run("cache verify").shows(str![[r#"
exit 0
--- out
4 results, 0 outputs and 0 objects were looked at: all is whole

"#]]);
    // Nothing must run, so that nothing needs to be there.
    ends(
        &project,
        "run",
        str![[r#"
exit 0
--- out
outputs
  sum   = 30
  lines = 5
run 2 succeeded: 4 cached in [TIME]

"#]],
    );
    assert_eq!(tree(&project, "out"), "");
    // One must: what it reads is made first, and what that reads before.
    project.edit("pipeline.toml", "{print s}' {{ inputs.data }}", "{print s+0}' {{ inputs.data }}");
    project.run("plan").shows(str![[r#"
exit 0
--- out
gen: run
  output data: out/numbers ([DIGEST]) → out/numbers is missing
double: run
  output data: out/doubled ([DIGEST]) → out/doubled is missing
sum: run
  command:
    - …{s+=$1} END {print s}' {{ inputs.data }}
    + …{s+=$1} END {print s+0}' {{ inputs.data }}
count: cached

run 3 · cached 1 · unknown 0

"#]]);
    ends(
        &project,
        "run -j 1",
        str![[r#"
exit 0
--- out
outputs
  sum   = 30
  lines = 5
run 3 succeeded: 3 succeeded, 1 cached in [TIME]

"#]],
    );
    assert_eq!(tree(&project, "out"), "");
    assert_eq!(project.lines("log")[4..], ["gen", "double", "sum"]);
}

#[test]
fn what_is_made_again_as_another_one_has_its_readers_run() {
    let project = Project::new(CHAIN);
    // It gives another result each time.
    project.edit("pipeline.toml", "seq 5 >", "seq $(wc -l < log) >");
    project.run("run -j 1").exits(0);
    project.edit("pipeline.toml", "wc -l < {{ gen.data }}", "cat {{ gen.data }} | wc -l");
    ends(
        &project,
        "run -j 1",
        str![[r#"
exit 0
--- out
outputs
  sum   = 30
  lines = 5
run 2 succeeded: 4 succeeded in [TIME]

"#]],
    );
    assert_eq!(tree(&project, "out"), "");
    assert_eq!(project.sorted_lines("log")[4..], ["gen", "gen", "sum", "sum"]);
}

#[test]
fn what_somebody_may_still_want_stays() {
    let project = Project::new(
        r#"[task.returned]
command = "echo 1 > {{ outputs.x }}"
outputs.x = { file = "out/returned", keep = "until_consumed" }

[task.unread]
command = "cat {{ returned.x }} > {{ outputs.x }}"
outputs.x = { file = "out/unread", keep = "until_consumed" }

[task.globbed]
command = "echo 2 > {{ outputs.x }}"
outputs.x = { file = "out/globbed.txt", keep = "until_consumed" }

[task.glob]
command = "cat {{ inputs.all }}"
inputs.all = "out/*.txt"
outputs.text = { type = "string", from = "stdout" }

[task.failing]
command = "test -s {{ half.x }}; exit 1"
on_error = "ignore"

[task.half]
command = "echo 3 > {{ outputs.x }}"
outputs.x = { file = "out/half", keep = "until_consumed" }

[task.table]
command = "printf 'id\n1\n2\n' > {{ outputs.x }}"
outputs.x = { file = "out/table.csv", keep = "until_consumed" }

[task.each]
over = { csv = "out/table.csv" }
command = "echo {{ item.id }}"
outputs.id = { type = "int", from = "stdout" }

[outputs]
path = "{{ returned.x }}"
"#,
    );
    project.run("run -j 1").exits(4);
    assert_eq!(
        tree(&project, "out"),
        "out/globbed.txt: 2\nout/half: 3\nout/returned: 1\nout/table.csv: id\nout/unread: 1"
    );
    let project = Project::new(CHAIN);
    project.run("run -j 1 gen double").exits(0);
    assert_eq!(tree(&project, "out"), "out/doubled: 2\nout/numbers: 1");
    ends(
        &project,
        "run -j 1",
        str![[r#"
exit 0
--- out
outputs
  sum   = 30
  lines = 5
run 2 succeeded: 2 succeeded, 2 cached in [TIME]

"#]],
    );
    assert_eq!(tree(&project, "out"), "");
}

#[test]
fn files_by_a_pattern_go_when_all_items_are_done() {
    let project = Project::new(PARTS);
    project.edit("pipeline.toml", "\"out/part_*.csv\" }", "\"out/part_*.csv\", keep = \"until_consumed\" }");
    project.run("run -j 1").exits(0);
    assert_eq!(tree(&project, "out"), "");
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  texts = ["part 1", "part 2", "part 3"]
run 2 succeeded: 4 cached in [TIME]
--- err
[1/4] cached    split
[1/4] listed    each  3 items
[4/4] cached    each  3 instances

"#]]);
    project.edit("pipeline.toml", "cat {{ item }}", "cat < {{ item }}");
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  texts = ["part 1", "part 2", "part 3"]
run 3 succeeded: 4 succeeded in [TIME]
--- err
[1/4] cached    split
[1/4] listed    each  3 items
[0/4] started   split  output parts missing
[1/4] done      split  [TIME]
[1/4] started   each[0]  command changed
[2/4] done      each[0]  [TIME]
[2/4] started   each[1]  command changed
[3/4] done      each[1]  [TIME]
[3/4] started   each[2]  command changed
[4/4] done      each[2]  [TIME]

"#]]);
    assert_eq!(tree(&project, "out"), "");
}

#[test]
fn a_run_that_is_killed_goes_on_with_what_is_gone() {
    let project = Project::new(CHAIN);
    project.edit("pipeline.toml", "echo sum >> log;", "echo sum >> log; if [ ! -e go ]; then touch at; sleep 600; fi;");
    project.edit(
        "pipeline.toml",
        "inputs.data = \"out/doubled\"",
        "inputs.data = \"out/doubled\"\nafter = [\"count\"]",
    );
    let run = project.start("run -j 1");
    project.wait_for("at", |_| true);
    run.signal("KILL");
    run.wait();
    // `gen` is consumed, `double` not yet.
    assert_eq!(tree(&project, "out"), "out/doubled: 2");
    project.write("go", "");
    project.run("run -j 1").exits(0);
    assert_eq!(tree(&project, "out"), "");
    assert_eq!(project.sorted_lines("log"), ["count", "double", "gen", "sum", "sum"]);
}
