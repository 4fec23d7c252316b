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
    project.run("run nowhere.toml").shows(str![[r#""#]]);
    project.run("run").shows(str![[r#""#]]);
}

#[test]
fn an_unknown_key() {
    let text = "[task.a]\ncomand = 'touch ran'\n\n[task.b]\ncommand = 'touch ran'\nresources.cpu = 2\n";
    refused(text, "run").1.shows(str![[r#""#]]);
}

#[test]
fn a_wrong_type() {
    let text = "[params.n]\ntype = \"int\"\ndefault = \"three\"\n\n[task.a]\ncommand = 3\n\n[task.b]\ncommand = 'echo {{ params.n }}'\ncache = \"yes\"\n";
    refused(text, "run").1.shows(str![[r#""#]]);
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
    refused(text, "run").1.shows(str![[r#""#]]);
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
    refused(text, "run").1.shows(str![[r#""#]]);
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
    refused(text, "run").1.shows(str![[r#""#]]);
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
    Project::new(text).run("run").shows(str![[r#""#]]);
}

#[test]
fn a_zip_of_unequal_lengths() {
    let text = r#"
[map.pair]
over = { zip = { left = [1, 2, 3], right = ["a", "b"] } }

[map.pair.task.show]
command = "touch ran; echo {{ item.left }} {{ item.right }}"
"#;
    Project::new(text).run("run").shows(str![[r#""#]]);
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
    refused(text, "run").1.shows(str![[r#""#]]);
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
    project.run("run").shows(str![[r#""#]]);
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
    refused(text, "run").1.shows(str![[r#""#]]);
    refused(text, "run -- --multiplier 11 --mode fats --mod exact").1.shows(str![[r#""#]]);
    refused(text, "run -p multiplier=three -p mode").1.shows(str![[r#""#]]);
}

#[test]
fn a_resource_that_no_backend_can_give() {
    let text = "[task.a]\ncommand = 'touch ran'\nresources.memory = \"900TiB\"\n";
    let project = Project::new(text);
    project.run("run").shows(str![[r#""#]]);
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
echo $'{{ params.name }}'
'''
"#;
    refused(text, "check").1.shows(str![[r#""#]]);
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
    fine.run("check").shows(str![[r#""#]]);
}

#[test]
fn a_command_line_that_is_wrong() {
    let project = Project::new("[task.a]\ncommand = 'touch ran'\n");
    project.run("run --keep-gong").shows(str![[r#""#]]);
    project.run("run b").shows(str![[r#""#]]);
    project.run("run --backend cloud").shows(str![[r#""#]]);
    assert!(!project.path("ran").exists());
}
