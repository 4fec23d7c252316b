//! What is wrong with a pipeline file or a command line is said before anything runs: exit code 2, nothing written.

use crate::common::Project;
use serde_json::json;
use snapbox::str;

/// A pipeline that must be refused: nothing runs and nothing is left behind.
fn refused(pipeline: &str, line: &str) -> (Project, crate::common::Said) {
    let project = Project::new(pipeline);
    let said = project.run(line);
    assert!(!project.path("ran").exists(), "a task ran:\n{}", said.text());
    let left: Vec<_> = std::fs::read_dir(project.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["pipeline.toml"], "something was written:\n{}", said.text());
    (project, said)
}

#[test]
fn a_missing_file() {
    let project = Project::empty();
    project.run("run nowhere.toml").shows(str![[r#"
exit 2
--- err
error: there is no file `nowhere.toml`

"#]]);
    project.run("run").shows(str![[r#"
exit 2
--- err
error: there is no `pipeline.toml` in this folder
  help: name a pipeline file, or begin with `flowrun template new hello`

"#]]);
}

#[test]
fn an_input_that_is_not_there() {
    let text = "[task.a]\ncommand = 'touch ran; cat {{ inputs.reads }}'\ninputs.reads = \"reads.fq\"\n\n\
                [map.m]\nover = { csv = \"samples.csv\" }\n[map.m.task.b]\ncommand = 'touch ran; echo {{ item.name }}'\n";
    let project = Project::new(text);
    project.run("run").shows(str![[r#"
exit 2
--- err
error[E0603]: the input `reads` is not there: `reads.fq`
 --> pipeline.toml:3:16
  |
3 | inputs.reads = "reads.fq"
  |                ^^^^^^^^^^
  |
  = help: a path is relative to the pipeline file's folder; if a task makes the file, declare it among that task's outputs

error[E0602]: `m` has no list: cannot read the list `samples.csv`: no such file or directory
 --> pipeline.toml:6:16
  |
6 | over = { csv = "samples.csv" }
  |                ^^^^^^^^^^^^^

"#]]);
    assert!(!project.path("ran").exists() && !project.path(".flowrun/runs/1").exists());
}

#[test]
fn an_unknown_key() {
    let text = "[task.a]\ncomand = 'touch ran'\n\n[task.b]\ncommand = 'touch ran'\nresources.cpu = 2\n";
    refused(text, "run").1.shows(str![[r#"
exit 2
--- err
error[E0102]: a task has no key `comand`
 --> pipeline.toml:2:1
  |
2 | comand = 'touch ran'
  | ^^^^^^ unknown key
  |
  = help: did you mean `command`?

error[E0102]: `cpu` is neither a resource nor a name under `[limits]`
 --> pipeline.toml:6:11
  |
6 | resources.cpu = 2
  |           ^^^ unknown resource
  |
  = help: did you mean `cpus`?

"#]]);
}

#[test]
fn a_wrong_type() {
    let text = "[params.n]\ntype = \"int\"\ndefault = \"three\"\n\n[task.a]\ncommand = 3\n\n[task.b]\ncommand = 'echo {{ params.n }}'\ncache = \"yes\"\n";
    refused(text, "run").1.shows(str![[r#"
exit 2
--- err
error[E0112]: `default` of `n` does not fit its type: the value is a string (`three`), not an int
 --> pipeline.toml:3:11
  |
3 | default = "three"
  |           ^^^^^^^ not an int
  |
  = help: change the value or the type

error[E0103]: `command` is an integer, not a string
 --> pipeline.toml:6:11
  |
6 | command = 3
  |           ^ an integer
  |
  = help: put it in quotes: `command = "3"`

error[E0103]: `cache` is a string, not `true` or `false`
  --> pipeline.toml:10:9
   |
10 | cache = "yes"
   |         ^^^^^ a string
   |
   = help: for example: `cache = true`

"#]]);
}

#[test]
fn an_undefined_name() {
    let text = r#"
[params.colour]
type = "string"
default = "red"

[task.give]
command = 'echo "word={{ params.color }}" >> "$FLOWRUN_OUTPUT"'
outputs.word = "string"

[task.second]
command = "echo {{ gvie.word }} {{ give.wrod }}"
"#;
    refused(text, "run").1.shows(str![[r#"
exit 2
--- err
error[E0302]: there is no param `color`
 --> pipeline.toml:7:33
  |
7 | command = 'echo "word={{ params.color }}" >> "$FLOWRUN_OUTPUT"'
  |                                 ^^^^^
  |
  = help: did you mean `colour`?

error[E0301]: nothing is named `gvie` here
  --> pipeline.toml:11:20
   |
11 | command = "echo {{ gvie.word }} {{ give.wrod }}"
   |                    ^^^^
   |
   = help: did you mean `give`?

error[E0303]: the task `give` declares no output `wrod`
  --> pipeline.toml:11:41
   |
 6 | [task.give]
   |       ---- the task
...
11 | command = "echo {{ gvie.word }} {{ give.wrod }}"
   |                                         ^^^^
   |
   = help: did you mean `word`?

"#]]);
}

#[test]
fn a_cycle() {
    let text = r#"
[task.hen]
command = 'echo "x={{ egg.x }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"

[task.egg]
command = 'echo "x={{ chick.x }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"

[task.chick]
command = 'echo "x={{ hen.x }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
"#;
    refused(text, "run").1.shows(str![[r#"
exit 2
--- err
error[E0401]: these nodes wait for each other: hen -> chick -> egg -> hen
  --> pipeline.toml:11:23
   |
 3 | command = 'echo "x={{ egg.x }}" >> "$FLOWRUN_OUTPUT"'
   |                       ----- `hen` reads `egg`
...
 7 | command = 'echo "x={{ chick.x }}" >> "$FLOWRUN_OUTPUT"'
   |                       ------- `egg` reads `chick`
...
11 | command = 'echo "x={{ hen.x }}" >> "$FLOWRUN_OUTPUT"'
   |                       ^^^^^ `chick` reads `hen`
   |
   = help: one of them must do without the one before it

"#]]);
}

#[test]
fn two_producers_of_one_path() {
    let text = r#"
[task.a]
command = "echo a > {{ outputs.out }}"
outputs.out = { file = "out/x.txt" }

[task.b]
command = "echo b > {{ outputs.out }}"
outputs.out = { file = "out/./x.txt" }
"#;
    refused(text, "run").1.shows(str![[r#"
exit 2
--- err
error[E0402]: this path is declared twice
 --> pipeline.toml:8:24
  |
4 | outputs.out = { file = "out/x.txt" }
  |                        ----------- by `a`
...
8 | outputs.out = { file = "out/./x.txt" }
  |                        ^^^^^^^^^^^^^ by `b`
  |
  = help: give each task a path of its own

"#]]);
}

#[test]
fn two_items_that_give_one_path() {
    let text = r#"
[map.each]
over = ["a", "b", "a"]
key = "{{ index }}"

[map.each.task.write]
command = "echo {{ item }} {{ index }} > {{ outputs.out }}"
outputs.out = { file = "out/{{ item }}.txt" }
"#;
    Project::new(text).run("run").shows(str![[r#"
exit 1
--- out
failed each[2].write
  the output `out` has the path `out/a.txt`, which another instance gives as
  well
  help: name the item in the path: `{{ key }}`, `{{ index }}` or something of
        the item

run 1: 1 failed, 2 not run in [TIME]
failed each[2].write: the output `out` has the path `out/a.txt`, which another instance gives as well
--- err
[0/3] listed    each  3 items
[1/3] failed    each[2].write  the output `out` has the path `out/a.txt`, which another instance gives as well
nothing new starts: `each[2].write` failed
[3/3] cancelled each.write  2 instances

"#]]);
}

#[test]
fn a_zip_of_unequal_lengths() {
    let text = r#"
[map.pair]
over = { zip = { left = [1, 2, 3], right = ["a", "b"] } }

[map.pair.task.show]
command = "touch ran; echo {{ item.left }} {{ item.right }}"
"#;
    Project::new(text).run("run").shows(str![[r#"
exit 2
--- err
error[E0115]: the lists of a `zip` have one length, and `right` has another
 --> pipeline.toml:3:44
  |
3 | over = { zip = { left = [1, 2, 3], right = ["a", "b"] } }
  |                         ---------          ^^^^^^^^^^ 2 elements
  |                         |
  |                         `left` has 3 elements
  |
  = help: make them equally long, or take `product` for every combination

"#]]);
}

#[test]
fn over_that_is_no_list() {
    let text = r#"
[params.n]
type = "int"
default = 3

[map.each]
over = "{{ params.n }}"

[map.each.task.show]
command = "touch ran; echo {{ item }}"
"#;
    refused(text, "run").1.shows(str![[r#"
exit 2
--- err
error[E0314]: `params.n` is an int, not a list
 --> pipeline.toml:7:8
  |
7 | over = "{{ params.n }}"
  |        ^^^^^^^^^^^^^^^^
  |
  = help: count up to it: `over = { range = [0, "{{ params.n }}"] }`

"#]]);
}

#[test]
fn over_that_turns_out_to_be_no_list() {
    let text = r#"
[task.make]
command = 'echo "it={}" >> "$FLOWRUN_OUTPUT"'
outputs.it = "json"

[map.each]
over = "{{ make.it }}"

[map.each.task.show]
command = "touch ran; echo {{ item }}"
"#;
    let project = Project::new(text);
    project.run("run").shows(str![[r#"
exit 1
--- out
failed each
  `over` must give a list, and gave a record (pipeline.toml:7)
  help: put it in brackets, `over = ["{{ x }}"]`, if it is the only item

run 1: 1 map failed, 1 succeeded in [TIME]
failed each: `over` must give a list, and gave a record (pipeline.toml:7)
--- err
[0/1] started   make
[1/1] done      make  [TIME]
[1/1] failed    each  `over` must give a list, and gave a record (pipeline.toml:7)
nothing new starts: `each` failed

"#]]);
    assert!(!project.path("ran").exists());
}

#[test]
fn params_that_are_wrong() {
    let text = r#"
[params.multiplier]
type = "int"
min = 1
max = 10

[params.mode]
type = "string"
choices = ["fast", "exact"]
default = "fast"

[task.show]
command = "touch ran; echo {{ params.multiplier }} {{ params.mode }}"
"#;
    refused(text, "run").1.shows(str![[r#"
exit 2
--- err
error[E0502]: the param `multiplier` needs a value
 --> pipeline.toml:2:9
  |
2 | [params.multiplier]
  |         ^^^^^^^^^^ an int without a default
  |
  = help: give it one, `-p multiplier=VALUE`, or a `default`

"#]]);
    refused(text, "run -- --multiplier 11 --mode fats --mod exact").1.shows(str![[r#"
exit 2
--- err
error[E0501]: the pipeline has no param `mod` (`--mod exact`)
 |
 = help: did you mean `mode`?

error[E0504]: the param `multiplier` is `11`, more than its `max`, 10 (`--multiplier 11`)
 |
 = help: it must be at least 1 and at most 10

error[E0505]: the param `mode` cannot be `fats` (`--mode fats`)
 |
 = help: did you mean `fast`? (choose from `fast` and `exact`)

"#]]);
    refused(text, "run -p multiplier=three -p mode").1.shows(str![[r#"
exit 2
--- err
error: `-p mode` is not of the form NAME=VALUE
  help: give it a value: `-p mode=VALUE`

"#]]);
}

#[test]
fn a_resource_that_no_backend_can_give() {
    let text = "[task.a]\ncommand = 'touch ran'\nresources.memory = \"900TiB\"\n";
    let project = Project::new(text);
    let said = project.run("run").exits(2).text();
    let asked = "error[E0601]: `a` asks for 900TiB of memory, and there are ";
    assert!(said.starts_with(&format!("exit 2\n--- err\n{asked}")) && said.contains("pipeline.toml:3:20"), "{said}");
    assert!(!project.path("ran").exists());
}

#[test]
fn a_value_where_the_shell_would_evaluate_it() {
    let text = r#"
[params.name]
type = "string"
default = "x"

[task.a]
command = '''
touch ran
echo $(( {{ params.name }} + 1 ))
'''
"#;
    refused(text, "check").1.shows(str![[r#"
exit 2
--- err
error[E0208]: the shell computes here, so that only an integer may stand here
 --> pipeline.toml:9:10
  |
9 | echo $(( {{ params.name }} + 1 ))
  |          ^^^^^^^^^^^^^^^^^ this is `string`
  |
  = help: turn it into a number with `| int`, or compare as text with `==`

1 mistake in `pipeline.toml`

"#]]);
    let text = &text.replace("$(( {{ params.name }} + 1 ))", "$'{{ params.name }}'");
    refused(text, "check").1.shows(str![[r#"
exit 2
--- err
error[E0206]: a value cannot be put inside `$'…'`, where shells read escapes in it
 --> pipeline.toml:9:8
  |
9 | echo $'{{ params.name }}'
  |        ^^^^^^^^^^^^^^^^^
  |
  = help: give the task `env.PARAMS_NAME = "{{ params.name }}"` and write `"$PARAMS_NAME"` here

1 mistake in `pipeline.toml`

"#]]);
}

#[test]
fn all_mistakes_at_once_and_as_json() {
    let text =
        "[task.a]\ncomand = 'x'\n\n[map.m]\nover = { rang = [0, 3] }\n[map.m.task.b]\ncommand = 'echo {{ itme }}'\n";
    let json = refused(text, "check --output json").1.exits(2).json();
    let places: Vec<_> = json["diagnostics"].as_array().unwrap().iter().map(|d| [&d["line"], &d["column"]]).collect();
    assert!(places.len() >= 3, "{json:#}");
    let fine = Project::new("[task.a]\ncommand = 'true'\n");
    assert_eq!(fine.run("check --output json").exits(0).json(), json!({ "diagnostics": [] }));
    fine.run("check").shows(str![[r#"
exit 0
--- out
`pipeline.toml` is right

"#]]);
}

#[test]
fn a_command_line_that_is_wrong() {
    let project = Project::new("[task.a]\ncommand = 'touch ran'\n");
    project.run("run --keep-gong").shows(str![[r#"
exit 2
--- err
error: unexpected argument '--keep-gong' found

  tip: a similar argument exists: '--keep-going'
  tip: to pass '--keep-gong' as a value, use '-- --keep-gong'

Usage: flowrun run [OPTIONS] [PIPELINE] [NODE]... [-- --NAME VALUE...]

For more information, try '--help'.

"#]]);
    project.run("run b").shows(str![[r#"
exit 2
--- err
error[E0407]: the pipeline has no node `b`
 |
 = help: `flowrun graph` shows the nodes

"#]]);
    project.run("run --backend cloud").shows(str![[r#"
exit 2
--- err
error: there is no backend `cloud`
  help: there are `local` and `slurm`

"#]]);
    assert!(!project.path("ran").exists());
}
