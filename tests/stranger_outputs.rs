//! Outputs declared where something else stands: it is said, and what stands there stays.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use snapbox::str;

#[test]
fn a_path_that_is_not_a_tasks_is_found_before_anything_runs() {
    let project = Project::new(
        r#"[task.a]
command = "true"
outputs.x = { dir = "." }

[task.b]
command = "true"
outputs.x = { file = "sub/../.flowrun/store.db" }

[task.c]
command = "true"
outputs.x = { file = "./pipeline.toml" }

[task.d]
command = "true"
outputs.x = { dir = "/" }

[task.e]
command = "cat {{ inputs.raw }} > {{ outputs.x }}"
inputs.raw = "./data/raw.csv"
outputs.x = { file = "data/raw.csv" }

[task.f]
command = "cat {{ inputs.raw }} > {{ outputs.x }}/clean.csv"
inputs.raw = "more/raw.csv"
outputs.x = { dir = "more" }
"#,
    );
    project.write("data/raw.csv", "raw\n").write("more/raw.csv", "raw\n");
    project.run("run").shows(str![[r#"
exit 2
--- err
error[E0408]: this path names no file of its own
 --> pipeline.toml:3:21
  |
3 | outputs.x = { dir = "." }
  |                     ^^^
  |
  = help: name it: `results/NAME`

error[E0408]: flowrun keeps its state in this folder
 --> pipeline.toml:7:22
  |
7 | outputs.x = { file = "sub/../.flowrun/store.db" }
  |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: give the output a path elsewhere

error[E0408]: the task would replace the pipeline file
  --> pipeline.toml:11:22
   |
11 | outputs.x = { file = "./pipeline.toml" }
   |                      ^^^^^^^^^^^^^^^^^
   |
   = help: give the output a path of its own

error[E0408]: this path names no file of its own
  --> pipeline.toml:15:21
   |
15 | outputs.x = { dir = "/" }
   |                     ^^^
   |
   = help: name it: `results/NAME`

error[E0310]: `e` reads what it makes itself
  --> pipeline.toml:19:14
   |
19 | inputs.raw = "./data/raw.csv"
   |              ^^^^^^^^^^^^^^^^
20 | outputs.x = { file = "data/raw.csv" }
   |                      -------------- made here
   |
   = help: give the output another path: what stands under this one is moved aside while the task runs

error[E0310]: `f` reads what it makes itself
  --> pipeline.toml:24:14
   |
24 | inputs.raw = "more/raw.csv"
   |              ^^^^^^^^^^^^^^
25 | outputs.x = { dir = "more" }
   |                     ------ made here
   |
   = help: give the output another path: what stands under this one is moved aside while the task runs

"#]]);
}

/// A project that lies two folders deep, so that what is around it can be declared.
fn deep(pipeline: &str) -> (Project, String) {
    let project = Project::empty();
    project.write("outer/inner/pipeline.toml", pipeline).write("outer/inner/precious.txt", "precious\n");
    (project, "run outer/inner/pipeline.toml -j 1 --keep-going".to_owned())
}

#[test]
fn the_projects_own_folder_is_never_an_output() {
    let (project, run) = deep("[task.a]\ncommand = \"true\"\noutputs.x = { dir = \"../../outer\" }\n");
    project.run(&run).shows(str![[r#"
exit 2
--- err
error[E0408]: the project itself lies in this directory, and the task would replace it
 --> outer/inner/pipeline.toml:3:21
  |
3 | outputs.x = { dir = "../../outer" }
  |                     ^^^^^^^^^^^^^
  |
  = help: give the output a path of its own

"#]]);
    let (project, run) = deep(
        r#"[params.there]
default = "../../outer"

[task.a]
over = ["{{ params.there }}", "../inner", ".flowrun/store.db", "link/store.db"]
command = "true"
outputs.x = { dir = "{{ item }}" }
"#,
    );
    std::os::unix::fs::symlink(".flowrun", project.path("outer/inner/link")).unwrap();
    project.run(&run).shows(str![[r#"
exit 1
--- out
failed a[3]
  the output `x` would replace `link/store.db`, which is flowrun's own
  help: give it a path of its own

failed a[2]
  the output `x` would replace `.flowrun/store.db`, which is flowrun's own
  help: give it a path of its own

failed a[1]
  the output `x` would replace `../inner`, in which the project lies
  help: give it a path of its own

failed a[0]
  the output `x` would replace `../../outer`, in which the project lies
  help: give it a path of its own

run 1: 4 failed in [TIME]
failed a[0]: the output `x` would replace `../../outer`, in which the project lies
--- err
[0/4] listed    a  4 items
[0/4] started   a[0]
[1/4] failed    a[0]  the output `x` would replace `../../outer`, in which the project lies
[1/4] started   a[1]
[2/4] failed    a[1]  the output `x` would replace `../inner`, in which the project lies
[2/4] started   a[2]
[3/4] failed    a[2]  the output `x` would replace `.flowrun/store.db`, which is flowrun's own
[3/4] started   a[3]
[4/4] failed    a[3]  the output `x` would replace `link/store.db`, which is flowrun's own

"#]]);
    assert_eq!(project.read("outer/inner/precious.txt"), "precious\n");
}

#[test]
fn another_kind_of_thing_at_the_path_is_not_replaced() {
    let project = Project::new(
        r#"[task.file]
command = "echo 1 > {{ outputs.x }}"
outputs.x = { file = "made" }

[task.folder]
command = "echo 1 > {{ outputs.x }}/1"
outputs.x = { dir = "also/" }
"#,
    );
    project.write("made/precious.txt", "precious\n").write("also", "precious\n");
    project.run("run file").shows(str![[r#"
exit 1
--- out
failed file
  the output `x` is declared as a file, and `made` is a directory
  help: remove `made` if nobody needs it, or declare another path

run 1: 1 failed in [TIME]
failed file: the output `x` is declared as a file, and `made` is a directory
--- err
[0/1] started   file
[1/1] failed    file  the output `x` is declared as a file, and `made` is a directory
nothing new starts: `file` failed

"#]]);
    project.run("run folder").shows(str![[r#"
exit 1
--- out
failed folder
  the output `x` is declared as a directory, and `also` is a file
  help: remove `also` if nobody needs it, or declare another path

run 2: 1 failed in [TIME]
failed folder: the output `x` is declared as a directory, and `also` is a file
--- err
[0/1] started   folder
[1/1] failed    folder  the output `x` is declared as a directory, and `also` is a file
nothing new starts: `folder` failed

"#]]);
    assert_eq!((project.read("made/precious.txt"), project.read("also")), ("precious\n".into(), "precious\n".into()));
    std::fs::remove_dir_all(project.path("made")).unwrap();
    std::fs::remove_file(project.path("also")).unwrap();
    project.run("run -j 1 --output json").exits(0);
    assert_eq!((project.read("made"), project.read("also/1")), ("1\n".into(), "1\n".into()));
}

#[test]
fn an_attempt_that_cannot_be_made_ready_removes_nothing() {
    let name = "n".repeat(252);
    let project = Project::new(&format!("[task.a]\ncommand = \"true\"\noutputs.x = {{ dir = \"{name}\" }}\n"));
    project.write(format!("{name}/precious.txt"), "precious\n");
    let said = project.run("run");
    assert!(said.exits(1).text().contains("is too long"), "{}", said.text());
    assert_eq!(project.read(format!("{name}/precious.txt")), "precious\n");
}

#[test]
fn a_log_of_one_endless_line_is_cut_in_the_digest() {
    let project =
        Project::new("[task.a]\ncommand = \"head -c 600 /dev/zero | tr '\\\\0' x; echo; echo short; exit 3\"\n");
    project.run("run").shows(str![[r#"
exit 1
--- out
failed a
  exit status 3
  | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
  | short
  log: flowrun log a --run 1

run 1: 1 failed in [TIME]
failed a: exit status 3: short
--- err
[0/1] started   a  it declares no output
[1/1] failed    a  exit status 3
nothing new starts: `a` failed

"#]]);
}

#[test]
fn values_have_a_greatest_size() {
    let project = Project::new(
        "[task.a]\ncommand = \"(printf x=; head -c 70000000 /dev/zero) > $FLOWRUN_OUTPUT\"\noutputs.x = \"string\"\n",
    );
    project.run("run").shows(str![[r#"
exit 1
--- out
failed a
  $FLOWRUN_OUTPUT has 70000002 bytes, which are too many for values
  help: write what is long to a file: `outputs.NAME = { file = … }`

run 1: 1 failed in [TIME]
failed a: $FLOWRUN_OUTPUT has 70000002 bytes, which are too many for values
--- err
[0/1] started   a
[1/1] failed    a  $FLOWRUN_OUTPUT has 70000002 bytes, which are too many for values
nothing new starts: `a` failed

"#]]);
}

#[test]
fn group_by_names_the_item_as_the_map_does() {
    let project = Project::new(
        r#"[map.sample]
over = [{ name = "a" }]
as = "group"
group_by = "{{ item.name }}"

[map.sample.task.merge]
command = "echo {{ group.key }}"
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0301]: nothing is named `item` here
 --> pipeline.toml:4:16
  |
4 | group_by = "{{ item.name }}"
  |                ^^^^
  |
  = help: the item is named `group` here

1 mistake in `pipeline.toml`

"#]]);
}
