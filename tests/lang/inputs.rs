//! `inputs`: paths, lists, globs, and what is not there.

use crate::common::Project;
use crate::{counts, outputs, ran};
use serde_json::json;
use snapbox::str;

#[test]
fn a_path_a_list_a_glob() {
    let project = Project::new(
        r#"
[params.dir]
type = "string"
default = "in"
[task.t]
command = '''
echo "one={{ inputs.one }}" >> "$FLOWRUN_OUTPUT"
echo "list={{ inputs.list | tojson }}" >> "$FLOWRUN_OUTPUT"
echo "glob={{ inputs.glob | tojson }}" >> "$FLOWRUN_OUTPUT"
echo "text=$(cat {{ inputs.one }} {{ inputs.list }} {{ inputs.glob }} | tr -d '\n')" >> "$FLOWRUN_OUTPUT"
'''
inputs.one = "{{ params.dir }}/a.txt"
inputs.list = ["in/b.txt", "{{ inputs.one }}"]
inputs.glob = "{{ params.dir }}/*.csv"
outputs.one = "string"
outputs.list = "list<string>"
outputs.glob = "list<string>"
outputs.text = "string"
[outputs]
one = "{{ t.one }}"
list = "{{ t.list }}"
glob = "{{ t.glob }}"
text = "{{ t.text }}"
"#,
    );
    for (name, text) in [("in/a.txt", "a"), ("in/b.txt", "b"), ("in/z.csv", "z"), ("in/Y.csv", "Y"), ("in/.x.csv", "x")]
    {
        project.write(name, text);
    }
    assert_eq!(
        outputs(&project),
        json!({ "one": "in/a.txt", "list": ["in/b.txt", "in/a.txt"], "glob": ["in/Y.csv", "in/z.csv"], "text": "abaYz" })
    );
    assert_eq!(counts(&project, "run --output json"), (0, 1));
    project.write("in/b.txt", "B");
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run
  input list:
    - ["in/b.txt" ([DIGEST]), "in/a.txt" ([DIGEST])]
    + ["in/b.txt" ([DIGEST]), "in/a.txt" ([DIGEST])]

run 1 · cached 0 · unknown 0

"#]]);
    project.run("run").exits(0);
    project.write("in/A.csv", "A");
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run
  input glob:
    - ["in/Y.csv" ([DIGEST]), "in/z.csv" ([DIGEST])]
    + ["in/A.csv" ([DIGEST]), "in/Y.csv" ([DIGEST]), "in/z.csv" (110490…

run 1 · cached 0 · unknown 0

"#]]);
}

#[test]
fn an_input_that_is_not_there() {
    let text = |input: &str| {
        format!(
            "[task.t]\ncommand = 'cat {{{{ inputs.x }}}}'\ninputs.x = {input}\noutputs.y = {{ type = \"string\", from = \"stdout\" }}\n"
        )
    };
    Project::new(&text("\"no.txt\"")).run("run").shows(str![[r#"
exit 2
--- err
error[E0603]: the input `x` is not there: `no.txt`
 --> pipeline.toml:3:12
  |
3 | inputs.x = "no.txt"
  |            ^^^^^^^^
  |
  = help: a path is relative to the pipeline file's folder; if a task makes the file, declare it among that task's outputs

"#]]);
    Project::new(&text("[\"pipeline.toml\", \"no.txt\"]")).run("run").shows(str![[r#"
exit 2
--- err
error[E0603]: the input `x` is not there: `no.txt`
 --> pipeline.toml:3:12
  |
3 | inputs.x = ["pipeline.toml", "no.txt"]
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: a path is relative to the pipeline file's folder; if a task makes the file, declare it among that task's outputs

"#]]);
    Project::new(&text("\"{{ 'n' ~ 'o' }}.txt\"")).run("run").shows(str![[r#"
exit 2
--- err
error[E0603]: the input `x` is not there: `no.txt`
 --> pipeline.toml:3:12
  |
3 | inputs.x = "{{ 'n' ~ 'o' }}.txt"
  |            ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: a path is relative to the pipeline file's folder; if a task makes the file, declare it among that task's outputs

"#]]);
    Project::new(&text("[]")).run("run").shows(str![[r#"
exit 0
--- out
run 1 succeeded: 1 succeeded in [TIME]
--- err
[0/1] started   t
[1/1] done      t  [TIME]

"#]]);
    Project::new(&text("\"\"")).run("run").shows(str![[r#"
exit 1
--- out
failed t
  `inputs.x` is an empty path

run 1: 1 failed in [TIME]
failed t: `inputs.x` is an empty path
--- err
[1/1] failed    t  `inputs.x` is an empty path
nothing new starts: `t` failed

"#]]);
    Project::new(&text("\"no/*.txt\"")).run("run -j 1").shows(str![[r#"
exit 0
--- out
run 1 succeeded: 1 succeeded in [TIME]
--- err
[0/1] started   t
[1/1] done      t  [TIME]

"#]]);
    Project::new(&text("3")).run("run").shows(str![[r#"
exit 2
--- err
error[E0302]: the task `t` has no input `x`
 --> pipeline.toml:2:26
  |
2 | command = 'cat {{ inputs.x }}'
  |                          ^
  |
  = help: declare it: `inputs.x = …`

error[E0103]: `x` is an integer, not a path, a glob, an array of them or a table
 --> pipeline.toml:3:12
  |
3 | inputs.x = 3
  |            ^ an integer
  |
  = help: for example: `x = "data/*.fq"`

"#]]);
    Project::new(&text("\"{{ 3 }}\"")).run("run").shows(str![[r#"
exit 2
--- err
error[E0318]: the input `x` is an int, not a path
 --> pipeline.toml:3:12
  |
3 | inputs.x = "{{ 3 }}"
  |            ^^^^^^^^^
  |
  = help: an input is a path, a glob, or a list of them

"#]]);
}

#[test]
fn a_missing_input_is_said_before_anything_runs() {
    let project = Project::new(
        r#"
[task.begin]
command = 'echo begin >> ran; echo "x=1" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.end]
command = 'cat {{ inputs.file }} {{ begin.x }}'
inputs.file = "no.txt"
"#,
    );
    project.run("run").shows(str![[r#"
exit 2
--- err
error[E0603]: the input `file` is not there: `no.txt`
 --> pipeline.toml:7:15
  |
7 | inputs.file = "no.txt"
  |               ^^^^^^^^
  |
  = help: a path is relative to the pipeline file's folder; if a task makes the file, declare it among that task's outputs

"#]]);
    assert_eq!(ran(&project), Vec::<String>::new());
}

#[test]
fn an_input_of_type_path_may_be_a_folder() {
    let project = Project::new(
        r#"
[task.t]
command = 'echo once >> ran; cat {{ inputs.dir }}/* > {{ outputs.all }}'
inputs.dir = "in"
outputs.all = { file = "all.txt" }
"#,
    );
    project.write("in/a", "a").write("in/b", "b");
    project.run("run").exits(0);
    assert_eq!(project.read("all.txt"), "ab");
    assert_eq!(counts(&project, "run --output json"), (0, 1));
    project.write("in/c", "c");
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run
  input dir: "in" ([DIGEST]) → "in" ([DIGEST])

run 1 · cached 0 · unknown 0

"#]]);
    project.run("run").exits(0);
    assert_eq!((project.read("all.txt"), ran(&project).len()), ("abc".into(), 2));
}

#[test]
fn touch_alone_reruns_nothing() {
    let project = Project::new(
        "[task.t]\ncommand = 'cat {{ inputs.x }}'\ninputs.x = \"x.txt\"\noutputs.y = { type = \"string\", from = \"stdout\" }\n",
    );
    project.write("x.txt", "one");
    project.run("run").exits(0);
    let file = std::fs::File::options().append(true).open(project.path("x.txt")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    assert_eq!(counts(&project, "run --output json"), (0, 1));
    // The same length, and the time set back: the content is what counts.
    project.write("x.txt", "two");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    assert_eq!(counts(&project, "run --output json"), (1, 0));
    project.write("x.txt", "one");
    assert_eq!(counts(&project, "run --output json"), (0, 1));
}

#[test]
fn strange_names_of_files() {
    let project = Project::new(
        r#"
[task.each]
over = { glob = "in/*" }
command = 'cat {{ inputs.file }} > {{ outputs.copy }}'
inputs.file = "{{ item }}"
outputs.copy = { file = "out/{{ item | replace('in/', '') }}" }
[task.literal]
command = 'cat {{ inputs.star }} {{ inputs.brackets }}'
inputs.star = "{{ 'in/*' }}"
inputs.brackets = ["{{ 'in/a[1].txt' }}"]
outputs.text = { type = "string", from = "stdout" }
[outputs]
text = "{{ literal.text }}"
"#,
    );
    for (name, text) in
        [("in/*", "star"), ("in/a[1].txt", "one"), ("in/-n", "dash"), ("in/a b;$(x)", "shell"), ("in/'\"", "quotes")]
    {
        project.write(name, text);
    }
    assert_eq!(outputs(&project), json!({ "text": "starone" }));
    assert_eq!(project.read("out/a b;$(x)"), "shell");
    assert_eq!(project.read("out/-n"), "dash");
    assert_eq!(project.read("out/'\""), "quotes");
    assert_eq!(project.read("out/*"), "star");
}
