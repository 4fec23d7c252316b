//! What runs again, and why: never more than must, never less, and the reason can be printed.

use crate::common::Project;
use serde_json::json;
use snapbox::str;

/// Three letters, two tasks each, then one that joins. Every task appends its name to `ran`.
const LETTERS: &str = r#"
[pipeline]
name = "letters"

[params.mark]
type = "string"
default = "!"

[task.list]
command = 'echo list >> ran; echo "letters=$(cat letters.json)" >> "$FLOWRUN_OUTPUT"'
inputs.letters = "letters.json"
outputs.letters = "list<string>"

[map.each]
over = "{{ list.letters }}"
as = "letter"
key = "{{ letter }}"

[map.each.task.shout]
command = 'echo {{ "shout " ~ letter }} >> ran; sh shout.sh {{ letter }} > {{ outputs.text }}'
outputs.text = { file = "out/{{ letter }}.txt" }

[map.each.task.mark]
command = 'echo {{ "mark " ~ letter }} >> ran; echo "word=$(cat {{ shout.text }}){{ params.mark }}" >> "$FLOWRUN_OUTPUT"'
outputs.word = "string"

[task.join]
command = 'echo join >> ran; echo "line={{ each.mark.word | join(" ") }}" >> "$FLOWRUN_OUTPUT"'
outputs.line = "string"

[outputs]
line = "{{ join.line }}"
"#;

fn letters() -> Project {
    let project = Project::new(LETTERS);
    project.write("letters.json", r#"["a","b","c"]"#);
    project.write("shout.sh", "echo \"$1\" | tr a-z A-Z\n");
    project
}

/// Runs, and says which tasks ran (sorted), the pipeline's line, and how many were cached.
fn ran(project: &Project, line: &str) -> (Vec<String>, String, u64) {
    let _ = std::fs::remove_file(project.path("ran"));
    let said = project.run(line);
    let json = said.exits(0).json();
    assert_eq!(json["counts"]["succeeded"], project.lines("ran").len(), "{json}");
    let line = json["outputs"]["line"].as_str().unwrap().to_string();
    (project.sorted_lines("ran"), line, json["counts"]["cached"].as_u64().unwrap())
}

/// `plan` names exactly these instances as those that would run or may run.
fn planned(project: &Project, line: &str) -> Vec<(String, String)> {
    let json = project.run(line).exits(0).json();
    let instances = json["instances"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
    let named = instances.iter().filter(|instance| instance["action"] != "cached");
    named.map(|instance| (text(&instance["name"]), text(&instance["action"]))).collect()
}

#[test]
fn a_second_run_runs_nothing() {
    let project = letters();
    assert_eq!(ran(&project, "run --output json").1, "A! B! C!");
    assert_eq!(ran(&project, "run --output json"), (vec![], "A! B! C!".into(), 8));
    project.run("plan").shows(str![[r#"
exit 0
--- out
list: cached
each.shout: cached 3
each.mark: cached 3
join: cached

run 0 · cached 8 · unknown 0

"#]]);
    assert_eq!(
        project.run("plan --summary --output json").json(),
        json!({ "counts": { "run": 0, "cached": 8, "unknown": 0 } })
    );
}

#[test]
fn the_first_plan_says_what_is_known() {
    let project = letters();
    project.run("plan").shows(str![[r#"
exit 0
--- out
list: run
  never run before
each: unknown
  waits for `list`
join: unknown
  waits for `each`

run 1 · cached 0 · unknown 2

"#]]);
    assert!(!project.path("ran").exists(), "plan runs nothing");
}

#[test]
fn an_edited_script_reruns_who_names_it() {
    let project = letters();
    project.run("run").exits(0);
    project.edit("shout.sh", "tr a-z A-Z", "tr a-z B-ZA");
    project.run("plan").shows(str![[r#"
exit 0
--- out
list: cached
each.shout: run 3
  file shout.sh: [DIGEST] → [DIGEST]
each.mark: unknown 3
  waits for `each.shout`
join: unknown
  waits for `each`

run 3 · cached 1 · unknown 4

"#]]);
    project.run("plan --output json").shows(str![[r#"
exit 0
--- out
{"counts": {"run": 3, "cached": 1, "unknown": 4}, "instances": [{"name": "list", "action": "cached", "reasons": []}, {"name": "each[a].shout", "action": "run", "reasons": [{"component": "file shout.sh", "old": "\"shout.sh\" ([DIGEST])", "new": "\"shout.sh\" ([DIGEST])"}]}, {"name": "each[b].shout", "action": "run", "reasons": [{"component": "file shout.sh", "old": "\"shout.sh\" ([DIGEST])", "new": "\"shout.sh\" ([DIGEST])"}]}, {"name": "each[c].shout", "action": "run", "reasons": [{"component": "file shout.sh", "old": "\"shout.sh\" ([DIGEST])", "new": "\"shout.sh\" ([DIGEST])"}]}, {"name": "each[a].mark", "action": "unknown", "reasons": [{"component": "waits for `each.shout`", "old": null, "new": null}]}, {"name": "each[b].mark", "action": "unknown", "reasons": [{"component": "waits for `each.shout`", "old": null, "new": null}]}, {"name": "each[c].mark", "action": "unknown", "reasons": [{"component": "waits for `each.shout`", "old": null, "new": null}]}, {"name": "join", "action": "unknown", "reasons": [{"component": "waits for `each`", "old": null, "new": null}]}]}

"#]]);
    project.run("explain each[b].shout").shows(str![[r#"
exit 0
--- out
each[b].shout: run
  file shout.sh: [DIGEST] → [DIGEST]
  its key is made of
    command: echo {{ "shout " ~ letter }} >> ran; sh shout.sh {{ letter }} > {{…
    shell: ["bash","-euo","pipefail","-c"]
    output text: file out/{{ letter }}.txt
    file shout.sh: "shout.sh" ([DIGEST])
    value letter: "b"

"#]]);
    let expected = ["join", "mark a", "mark b", "mark c", "shout a", "shout b", "shout c"];
    assert_eq!(ran(&project, "run --output json"), (expected.map(String::from).to_vec(), "B! C! D!".into(), 1));
}

#[test]
fn an_edit_without_effect_stops_early() {
    let project = letters();
    project.run("run").exits(0);
    project.edit("shout.sh", "echo \"$1\"", "printf '%s\\n' \"$1\"");
    let expected = ["shout a", "shout b", "shout c"];
    assert_eq!(ran(&project, "run --output json"), (expected.map(String::from).to_vec(), "A! B! C!".into(), 5));
}

#[test]
fn a_param_reruns_who_reads_it() {
    let project = letters();
    project.run("run").exits(0);
    let named = planned(&project, "plan --output json -- --mark ?");
    let run = |name: &str| (name.to_string(), "run".to_string());
    let expected = [run("each[a].mark"), run("each[b].mark"), run("each[c].mark"), ("join".into(), "unknown".into())];
    assert_eq!(named, expected);
    project.run("plan -- --mark ?").shows(str![[r#"
exit 0
--- out
list: cached
each.shout: cached 3
each.mark: run 3
  value params.mark: "!" → "?"
join: unknown
  waits for `each`

run 3 · cached 4 · unknown 1

"#]]);
    let expected = ["join", "mark a", "mark b", "mark c"];
    assert_eq!(
        ran(&project, "run --output json -- --mark ?"),
        (expected.map(String::from).to_vec(), "A? B? C?".into(), 4)
    );
    assert_eq!(ran(&project, "run --output json"), (vec![], "A! B! C!".into(), 8), "the old results are still known");
}

#[test]
fn an_item_put_in_front_is_one_new_instance() {
    let project = letters();
    project.run("run").exits(0);
    project.write("letters.json", r#"["z","a","b","c"]"#);
    let expected = ["join", "list", "mark z", "shout z"];
    assert_eq!(ran(&project, "run --output json"), (expected.map(String::from).to_vec(), "Z! A! B! C!".into(), 6));
}

#[test]
fn a_removed_or_changed_output_is_made_again() {
    let project = letters();
    project.run("run").exits(0);
    std::fs::remove_file(project.path("out/b.txt")).unwrap();
    project.run("plan").shows(str![[r#"
exit 0
--- out
list: cached
each.shout: run 1 · cached 2
  each[b].shout
    output text: out/b.txt ([DIGEST]) → out/b.txt is missing
each.mark: cached 2 · unknown 1
  each[b].mark
    waits for `each.shout`
join: unknown
  waits for `each`

run 1 · cached 5 · unknown 2

"#]]);
    assert_eq!(ran(&project, "run --output json"), (vec!["shout b".into()], "A! B! C!".into(), 7));
    project.write("out/c.txt", "spoiled\n");
    assert_eq!(ran(&project, "run --output json"), (vec!["shout c".into()], "A! B! C!".into(), 7));
    assert_eq!(project.read("out/c.txt"), "C\n");
}

#[test]
fn what_is_no_part_of_the_key_reruns_nothing() {
    let project = letters();
    project.run("run").exits(0);
    // times of files, comments and the order of the file, resources, unrelated files
    project.write("shout.sh", project.read("shout.sh"));
    project.write("notes.txt", "nothing reads this");
    let text =
        LETTERS.replace("[map.each]\n", "# a comment\n[resources]\nmemory = \"1MiB\"\ntime = \"1h\"\n\n[map.each]\n");
    project.write("pipeline.toml", text);
    assert_eq!(ran(&project, "run -j 1 --output json"), (vec![], "A! B! C!".into(), 8));
}

#[test]
fn a_moved_project_keeps_its_cache() {
    let project = letters();
    project.run("run").exits(0);
    let moved = Project::empty();
    std::fs::remove_dir(moved.dir()).unwrap();
    std::fs::rename(project.dir(), moved.dir()).unwrap();
    std::fs::create_dir(project.dir()).unwrap();
    assert_eq!(ran(&moved, "run --output json"), (vec![], "A! B! C!".into(), 8));
}

#[test]
fn force_and_no_cache() {
    let project = letters();
    project.run("run").exits(0);
    assert_eq!(ran(&project, "run --output json --force list"), (vec!["list".into()], "A! B! C!".into(), 7));
    assert_eq!(ran(&project, "run --output json --no-cache").0.len(), 8);
}

#[test]
fn one_key_is_executed_once() {
    let project = Project::new(
        r#"
[map.each]
over = ["same", "same", "other", "same"]
[map.each.task.say]
command = 'echo {{ item }} >> ran; sleep 0.1; echo "said={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.said = "string"
[outputs]
said = "{{ each.say.said }}"
"#,
    );
    let said = project.run("run -j 4 --output json");
    assert_eq!(said.exits(0).json()["outputs"]["said"], json!(["same", "same", "other", "same"]));
    assert_eq!(project.sorted_lines("ran"), ["other", "same"]);
}

#[test]
fn a_failure_is_never_cached() {
    let project = Project::new("[task.try]\ncommand = 'echo try >> ran; exit 3'\noutputs.x = \"int\"\n");
    project.run("run").exits(1);
    project.run("run").exits(1);
    assert_eq!(project.lines("ran").len(), 2);
}

#[test]
fn naming_a_node_runs_it_and_what_it_needs() {
    let project = letters();
    project.run("run list").exits(0);
    assert_eq!(project.lines("ran"), ["list"]);
    project.run("run each").exits(0);
    assert_eq!(project.lines("ran").len(), 7);
}
