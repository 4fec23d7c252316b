//! Tasks that go wrong: what the user is told, and that every finished result is kept.

use crate::common::Project;
use snapbox::str;
use std::os::unix::fs::PermissionsExt;

/// Runs `bad` after `good`; `good` must be kept, so that a mended file runs only what failed.
fn story(bad: &str) -> (Project, crate::common::Said) {
    let good = "[task.good]\ncommand = 'echo good >> ran; echo \"x=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.x = \"int\"\n";
    let project = Project::new(&format!("{good}\n[task.bad]\nvars.x = \"{{{{ good.x }}}}\"\n{bad}"));
    let said = project.run("run -j 1");
    assert_eq!(project.lines("ran"), ["good"]);
    project.run("run -j 1");
    assert_eq!(project.lines("ran"), ["good"], "a finished result is kept");
    (project, said)
}

#[test]
fn a_program_that_does_not_exist() {
    story("argv = [\"no-such-program\", \"{{ vars.x }}\"]\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  the program `no-such-program` was not found
  help: looked in `/usr/local/bin`, `/usr/bin`, `/bin`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the program `no-such-program` was not found
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad  it declares no output
[2/2] failed    bad  the program `no-such-program` was not found
nothing new starts: `bad` failed

"#]]);
    story("argv = [\"./no-such-script.sh\"]\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  the program `./no-such-script.sh` does not exist
  help: looked for `[PROJECT]/./no-such-script.sh`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the program `./no-such-script.sh` does not exist
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad  it declares no output
[2/2] failed    bad  the program `./no-such-script.sh` does not exist
nothing new starts: `bad` failed

"#]]);
    story("command = 'no-such-program --now'\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  exit status 127: the command `no-such-program` was not found
  | bash: line 1: no-such-program: command not found
  help: looked in `/usr/local/bin`, `/usr/bin`, `/bin`
  log: flowrun log bad --run 1

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: exit status 127: the command `no-such-program` was not found
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad  it declares no output
[2/2] failed    bad  exit status 127: the command `no-such-program` was not found
nothing new starts: `bad` failed

"#]]);
    story("script = 'print(1)'\ninterpreter = [\"no-such-interpreter\"]\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  the program `no-such-interpreter` was not found
  help: looked in `/usr/local/bin`, `/usr/bin`, `/bin`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the program `no-such-interpreter` was not found
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad  it declares no output
[2/2] failed    bad  the program `no-such-interpreter` was not found
nothing new starts: `bad` failed

"#]]);
}

#[test]
fn a_program_that_is_not_executable() {
    let project = Project::new("[task.bad]\nargv = [\"./script.sh\"]\n");
    project.write("script.sh", "echo hello\n");
    std::fs::set_permissions(project.path("script.sh"), std::fs::Permissions::from_mode(0o644)).unwrap();
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed bad
  `[PROJECT]/./script.sh` is not executable
  help: `chmod +x [PROJECT]/./script.sh`, if it is a program

run 1: 1 failed in [TIME]
failed bad: `[PROJECT]/./script.sh` is not executable
--- err
[0/1] started   bad  it declares no output
[1/1] failed    bad  `[PROJECT]/./script.sh` is not executable
nothing new starts: `bad` failed

"#]]);
    project.write("pipeline.toml", "[task.bad]\ncommand = './script.sh'\n");
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed bad
  exit status 126: `./script.sh` cannot be executed
  | bash: line 1: ./script.sh: Permission denied
  help: `chmod +x ./script.sh`, if it is a program
  log: flowrun log bad --run 2

run 2: 1 failed in [TIME]
failed bad: exit status 126: `./script.sh` cannot be executed
--- err
[0/1] started   bad  it declares no output
[1/1] failed    bad  exit status 126: `./script.sh` cannot be executed
nothing new starts: `bad` failed

"#]]);
}

#[test]
fn a_task_that_ends_well_without_its_output() {
    let (project, said) = story("command = 'echo I forgot; echo really >&2'\noutputs.file = { file = \"out.txt\" }\n");
    said.shows(str![[r#"
exit 1
--- out
failed bad
  the output `file` was not written: `out.txt` is not there
  | really
  help: the command must write it to `{{ outputs.file }}`
  log: flowrun log bad --run 1

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the output `file` was not written: `out.txt` is not there
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad
[2/2] failed    bad  the output `file` was not written: `out.txt` is not there
nothing new starts: `bad` failed

"#]]);
    project.run("log bad").shows(str![[r#"
exit 0
--- out
I forgot
really

"#]]);
    story("command = 'true'\noutputs.n = \"int\"\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  the output `n` (int) was not written to $FLOWRUN_OUTPUT
  help: `echo "n=…" >> "$FLOWRUN_OUTPUT"`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the output `n` (int) was not written to $FLOWRUN_OUTPUT
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad
[2/2] failed    bad  the output `n` (int) was not written to $FLOWRUN_OUTPUT
nothing new starts: `bad` failed

"#]]);
}

#[test]
fn an_output_of_the_wrong_type() {
    story("command = 'echo \"n=many\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.n = \"int\"\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  the output `n`, line 1 of $FLOWRUN_OUTPUT: `many` is not an int
  help: `n` is declared as `int`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the output `n`, line 1 of $FLOWRUN_OUTPUT: `many` is not an int
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad
[2/2] failed    bad  the output `n`, line 1 of $FLOWRUN_OUTPUT: `many` is not an int
nothing new starts: `bad` failed

"#]]);
    story("command = 'echo \"n=[1, true]\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.n = \"list<int>\"\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  the output `n`, line 1 of $FLOWRUN_OUTPUT: element 1 is a bool (`true`), not
  an int
  help: `n` is declared as `list<int>`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the output `n`, line 1 of $FLOWRUN_OUTPUT: element 1 is a bool (`true`), not an int
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad
[2/2] failed    bad  the output `n`, line 1 of $FLOWRUN_OUTPUT: element 1 is a bool (`true`), not an int
nothing new starts: `bad` failed

"#]]);
    story("command = 'echo \"m=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.n = \"int\"\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  line 1 of $FLOWRUN_OUTPUT gives `m`, which is not declared
  help: declare it: `outputs.m = "string"`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: line 1 of $FLOWRUN_OUTPUT gives `m`, which is not declared
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad
[2/2] failed    bad  line 1 of $FLOWRUN_OUTPUT gives `m`, which is not declared
nothing new starts: `bad` failed

"#]]);
    story("command = 'mkdir {{ outputs.f }}'\noutputs.f = { file = \"out.txt\" }\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  the output `f`: `out.txt` is a directory, not a file
  help: declare it as `outputs.f = { dir = … }`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the output `f`: `out.txt` is a directory, not a file
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad
[2/2] failed    bad  the output `f`: `out.txt` is a directory, not a file
nothing new starts: `bad` failed

"#]]);
}

#[test]
fn an_input_that_is_not_there() {
    let text = "[task.bad]\ncommand = 'cat {{ inputs.reads }}'\ninputs.reads = \"reads.fq\"\n";
    Project::new(text).run("run").shows(str![[r#"
exit 2
--- err
error[E0603]: the input `reads` is not there: `reads.fq`
 --> pipeline.toml:3:16
  |
3 | inputs.reads = "reads.fq"
  |                ^^^^^^^^^^
  |
  = help: a path is relative to the pipeline file's folder; if a task makes the file, declare it among that task's outputs

"#]]);
    // Whose name only an earlier task knows.
    story("command = 'cat {{ inputs.reads }}'\ninputs.reads = \"{{ vars.x }}.fq\"\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  the input `reads` is not there: `1.fq`
  help: a path is relative to the pipeline file's folder; if a task makes the
        file, declare it among that task's outputs

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: the input `reads` is not there: `1.fq`
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[2/2] failed    bad  the input `reads` is not there: `1.fq`
nothing new starts: `bad` failed

"#]]);
}

#[test]
fn a_task_that_fails() {
    let (project, said) = story("command = 'echo working; echo \"cannot open the door\" >&2; exit 7'\n");
    said.shows(str![[r#"
exit 1
--- out
failed bad
  exit status 7
  | cannot open the door
  log: flowrun log bad --run 1

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: exit status 7: cannot open the door
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad  it declares no output
[2/2] failed    bad  exit status 7
nothing new starts: `bad` failed

"#]]);
    project.run("log bad").shows(str![[r#"
exit 0
--- out
working
cannot open the door

"#]]);
    let said = project.run("run --output json");
    let failure = &said.exits(1).json()["failures"][0];
    assert_eq!((&failure["instance"], &failure["exit"]), (&"bad".into(), &7.into()), "{failure:#}");
}

#[test]
fn a_task_that_is_killed_or_takes_too_long() {
    story("command = 'kill -9 $$'\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  killed by SIGKILL (signal 9): most often for lack of memory

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: killed by SIGKILL (signal 9): most often for lack of memory
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad  it declares no output
[2/2] failed    bad  killed by SIGKILL (signal 9): most often for lack of memory
nothing new starts: `bad` failed

"#]]);
    story("command = 'sleep 600'\nresources.time = \"200ms\"\n").1.shows(str![[r#"
exit 1
--- out
failed bad
  stopped: it ran longer than its `time`, [TIME]
  help: give it more with `resources.time`

run 1: 1 failed, 1 succeeded in [TIME]
failed bad: stopped: it ran longer than its `time`, [TIME]
--- err
[0/2] started   good
[1/2] done      good  [TIME]
[1/2] started   bad  it declares no output
[2/2] failed    bad  stopped: it ran longer than its `time`, [TIME]
nothing new starts: `bad` failed

"#]]);
}

#[test]
fn a_half_written_output_never_stands_under_its_name() {
    let (project, said) =
        story("command = 'echo half > {{ outputs.file }}; exit 1'\noutputs.file = { file = \"out.txt\" }\n");
    said.exits(1);
    assert!(!project.path("out.txt").exists());
    project.write("out.txt", "an earlier one\n");
    project.run("run").exits(1);
    assert_eq!(project.read("out.txt"), "an earlier one\n", "what stood there is put back");
}

#[test]
fn equal_errors_are_grouped() {
    let project = Project::new(
        "[map.each]\nover = { range = [0, 5] }\n[map.each.task.work]\n\
         command = 'echo {{ item }}; echo \"no licence\" >&2; exit 2'\noutputs.x = \"int\"\n",
    );
    project.run("run -j 1 --keep-going").shows(str![[r#"
exit 1
--- out
failed each[0].work, each[1].work, each[2].work and 2 more
  exit status 2
  | no licence
  log: flowrun log 'each[0].work' --run 1

run 1: 5 failed in [TIME]
failed each[0].work: exit status 2: no licence
--- err
[0/5] listed    each  5 items
[0/5] started   each[0].work
[1/5] failed    each[0].work  exit status 2
[1/5] started   each[1].work
[2/5] failed    each[1].work  exit status 2
[2/5] started   each[2].work
[3/5] failed    each[2].work  exit status 2
[3/5] started   each[3].work
[4/5] failed    each[3].work  exit status 2
[4/5] started   each[4].work
[5/5] failed    each[4].work  exit status 2

"#]]);
}

#[test]
fn keep_going_finishes_what_does_not_need_the_failure() {
    let text = r#"
[map.each]
over = { range = [0, 4] }
[map.each.task.before]
command = 'echo {{ item }} >> ran; test {{ item }} != 1; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[map.each.task.second]
command = 'echo second {{ before.x }} >> ran'
[task.after]
command = 'echo after >> ran'
vars.all = "{{ each.before.x }}"
[task.aside]
command = 'echo aside >> ran'
"#;
    let project = Project::new(text);
    let json = project.run("run --keep-going --output json").exits(1).json();
    let expected = ["0", "1", "2", "3", "aside", "second 0", "second 2", "second 3"];
    assert_eq!(project.sorted_lines("ran"), expected);
    assert_eq!((&json["counts"]["failed"], &json["counts"]["cancelled"]), (&1.into(), &2.into()), "{json:#}");
}
