//! A pipeline in several files: what is said of them, and that a run keeps all of them.

use crate::common::Project;
use crate::{counts, ran};
use snapbox::str;

#[test]
fn files_that_are_not_there_or_call_each_other() {
    let project = Project::new(
        r#"
[call.near]
pipeline = "lib/cuont.toml"
[call.far]
pipeline = "none/count.toml"
[call.folder]
pipeline = "lib"
[call.other]
pipeline = "lib/something_else.toml"
[call.circle]
pipeline = "lib/table.toml"
"#,
    );
    project.write("lib/count.toml", "[task.a]\ncommand = 'true'\n");
    project.write("lib/table.toml", "[task.a]\ncomand = 'true'\n[call.back]\npipeline = '../pipeline.toml'\n");
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0121]: there is no file `lib/cuont.toml`
 --> pipeline.toml:3:12
  |
3 | pipeline = "lib/cuont.toml"
  |            ^^^^^^^^^^^^^^^^
  |
  = help: did you mean `count.toml`?

error[E0121]: there is no file `none/count.toml`
 --> pipeline.toml:5:12
  |
5 | pipeline = "none/count.toml"
  |            ^^^^^^^^^^^^^^^^^
  |
  = help: there is no folder `none`

error[E0121]: cannot read `lib`: is a directory
 --> pipeline.toml:7:12
  |
7 | pipeline = "lib"
  |            ^^^^^
  |
  = help: write the path of a pipeline file

error[E0121]: there is no file `lib/something_else.toml`
 --> pipeline.toml:9:12
  |
9 | pipeline = "lib/something_else.toml"
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: in its folder there are `count.toml` and `table.toml`

error[E0102]: a task has no key `comand`
 --> lib/table.toml:2:1
  |
2 | comand = 'true'
  | ^^^^^^ unknown key
  |
  = help: did you mean `command`?

error[E0122]: pipeline files call each other in a circle: `pipeline.toml -> lib/table.toml -> pipeline.toml`
  --> lib/table.toml:4:12
   |
 4 | pipeline = '../pipeline.toml'
   |            ^^^^^^^^^^^^^^^^^^ closes the circle
   |
  ::: pipeline.toml:11:12
   |
11 | pipeline = "lib/table.toml"
   |            ---------------- calls `lib/table.toml`
   |
   = help: take one of the calls out; what is done again and again is a `[loop.NAME]`

6 mistakes in `pipeline.toml`

"#]]);
    let json = project.run("check --output json").exits(2).json();
    assert_eq!(json["diagnostics"][0]["file"], "pipeline.toml");
    assert_eq!(json["diagnostics"][4]["file"], "lib/table.toml");
}

#[test]
fn a_called_file_writes_no_path_twice() {
    let project = Project::new(
        r#"
[call.one]
pipeline = "count.toml"
params.sample = "a"
[call.two]
pipeline = "count.toml"
params.sample = "b"
[call.each]
pipeline = "fixed.toml"
over = ["c", "d"]
params.sample = "{{ item }}"
"#,
    );
    let file = |path: &str| {
        format!(
            "[params.sample]\n[task.t]\ncommand = 'echo {{{{ params.sample }}}} > {{{{ outputs.f }}}}'\noutputs.f = {{ file = \"{path}\" }}\n"
        )
    };
    project.write("count.toml", file("one.txt")).write("fixed.toml", file("fixed.txt"));
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0402]: this path is declared twice
 --> count.toml:4:22
  |
4 | outputs.f = { file = "one.txt" }
  |                      ^^^^^^^^^
  |                      |
  |                      by `two.t`
  |                      by `one.t`
  |
  = help: the file is called twice: put a param into the path, and give each call another value for it

error[E0403]: every item of `each` would write this one path
 --> fixed.toml:4:22
  |
4 | outputs.f = { file = "fixed.txt" }
  |                      ^^^^^^^^^^^
  |
 ::: pipeline.toml:8:7
  |
8 | [call.each]
  |       ---- the map
  |
  = help: let the call hand a name of the item over as a param, and put that into the path

2 mistakes in `pipeline.toml`

"#]]);
    // A param in the path tells them apart.
    project.write("count.toml", file("{{ params.sample }}.txt")).write("fixed.toml", file("x/{{ params.sample }}.txt"));
    project.run("run --output json").exits(0);
    assert_eq!([project.read("a.txt"), project.read("b.txt"), project.read("x/d.txt")], ["a\n", "b\n", "d\n"]);
    // Nothing of a pipeline is replaced.
    project.write("count.toml", file("count.toml"));
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0402]: this path is declared twice
 --> count.toml:4:22
  |
4 | outputs.f = { file = "count.toml" }
  |                      ^^^^^^^^^^^^
  |                      |
  |                      by `two.t`
  |                      by `one.t`
  |
  = help: the file is called twice: put a param into the path, and give each call another value for it

error[E0408]: the task would replace the pipeline file
 --> count.toml:4:22
  |
4 | outputs.f = { file = "count.toml" }
  |                      ^^^^^^^^^^^^
  |
  = help: give the output a path of its own

2 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn a_run_goes_on_with_the_files_that_it_began_with() {
    let project = Project::new(
        "[call.one]\npipeline = \"lib/count.toml\"\n[call.two]\npipeline = \"./lib/count.toml\"\nparams.n = 2\n\
         [outputs]\nn = [\"{{ one.n }}\", \"{{ two.n }}\"]\n",
    );
    let text = r#"
[params.n]
default = 1
[task.early]
command = 'echo early >> ran; echo "n={{ params.n }}" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"
[task.late]
command = 'test -e go; echo late >> ran; echo "n=$(( {{ early.n }} * 10 ))" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"
[outputs]
n = "{{ late.n }}"
"#;
    project.write("lib/count.toml", text);
    project.run("run --keep-going").exits(1);
    assert_eq!(ran(&project), ["early", "early"]);
    // A change of a called file begins a new run; what the change does not touch is cached.
    project.write("go", "");
    project.edit("lib/count.toml", "* 10", "* 100");
    std::fs::rename(project.path("lib"), project.path("moved")).unwrap();
    let resumed = project.run("resume 1 --output json").exits(0).json();
    assert_eq!((&resumed["run"], &resumed["outputs"]["n"]), (&1.into(), &serde_json::json!([10, 20])));
    assert_eq!(ran(&project), ["late", "late"]);
    std::fs::rename(project.path("moved"), project.path("lib")).unwrap();
    assert_eq!(counts(&project, "run --output json"), (2, 2));
    let plan = project.run("plan --summary --output json").exits(0).json();
    assert_eq!(plan["counts"]["cached"], 4);
}
