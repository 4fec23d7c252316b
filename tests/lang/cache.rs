//! What is in a key and what is not: each change reruns exactly what it must, and `plan` names it with both values.

use crate::common::Project;
use crate::{counts, outputs, ran};
use serde_json::{Value, json};
use snapbox::str;

/// A pipeline in which every kind of component occurs. Every instance appends its name to `ran`.
const WHOLE: &str = r#"
[pipeline]
name = "whole"

[params.factor]
type = "int"
default = 2
[params.reference]
type = "path"
default = "ref.txt"

[task.make]
command = 'echo make >> ran; cat {{ inputs.text }} | sh tool.sh {{ params.factor }} > {{ outputs.made }}'
inputs.text = "in.txt"
outputs.made = { file = "out/made.txt" }

[task.value]
command = 'echo value >> ran; echo "n=$WIDTH" >> "$FLOWRUN_OUTPUT"'
env.WIDTH = "{{ env.WIDTH_OF }}"
outputs.n = "int"

[map.each]
over = { csv = "items.csv" }
key = "{{ item.id }}"
[map.each.task.work]
argv = ["sh", "-c", "echo work $1 >> ran; cat $2 $3 > $4", "x", "{{ item.id }}", "{{ params.reference }}", "{{ make.made }}", "{{ outputs.f }}"]
outputs.f = { file = "out/{{ item.id }}.txt" }

[task.script]
interpreter = ["sh"]
script = 'echo script >> ran; echo "n=$(wc -c < "$FLOWRUN_VARS")" >> "$FLOWRUN_OUTPUT"'
vars.files = "{{ each.work.f }}"
vars.n = "{{ value.n }}"
outputs.n = "int"

[outputs]
files = "{{ each.work.f }}"
"#;

fn whole() -> Project {
    let project = Project::new(WHOLE);
    project.write("in.txt", "text\n").write("ref.txt", "reference\n").write("tool.sh", "sed \"s/$/ $1/\"\n");
    project.write("items.csv", "id,note\na,1\nb,2\n");
    run(&project, "run");
    assert_eq!(ran(&project), ["make", "script", "value", "work a", "work b"]);
    project
}

const ENV: (&str, &str) = ("WIDTH_OF", "80");

#[track_caller]
fn run(project: &Project, line: &str) {
    project.said(project.command(line.split_whitespace()).env(ENV.0, ENV.1)).exits(0);
}

/// What a plan says is to be run: each instance with its reasons, digests left out.
fn plan(project: &Project, line: &str) -> String {
    let said = project.said(project.command(line.split_whitespace()).env(ENV.0, ENV.1)).exits(0).json();
    let mut lines = Vec::new();
    for instance in said["instances"].as_array().unwrap().iter().filter(|i| i["action"] != "cached") {
        let text = |value: &Value| value.as_str().map_or("-".to_string(), str::to_string);
        let reasons =
            instance["reasons"].as_array().unwrap().iter().map(|reason| match (&reason["old"], &reason["new"]) {
                (Value::Null, Value::Null) => text(&reason["component"]),
                (old, new) => format!("{}: {} => {}", text(&reason["component"]), text(old), text(new)),
            });
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        lines.push(format!("{} {} {reasons}", text(&instance["action"]), text(&instance["name"])));
    }
    crate::common::redacted(&(lines.join("\n") + "\n"), project.dir())
}

/// What the plan says, then what runs.
#[track_caller]
fn after(project: &Project, line: &str) -> String {
    let planned = plan(project, &format!("plan --output json {line}"));
    run(project, &format!("run {line}"));
    let ran = ran(project).join(", ");
    assert_eq!(plan(project, &format!("plan --output json {line}")), "\n", "a second time there is nothing to do");
    format!("{planned}ran: {ran}\n")
}

fn assert() -> snapbox::Assert {
    snapbox::Assert::new().action_env("SNAPSHOTS")
}

#[test]
fn a_second_run_runs_nothing() {
    let project = whole();
    assert_eq!(after(&project, ""), "\nran: \n");
    assert_eq!(after(&project, "-j 7"), "\nran: \n");
}

#[test]
fn the_text_of_a_command() {
    let project = whole();
    project.edit("pipeline.toml", "echo value >> ran", "echo  value >> ran");
    assert().eq(after(&project, ""), str![[r#"
run value command: echo value >> ran; echo "n=$WIDTH" >> "$FLOWRUN_OUTPUT" => echo  value >> ran; echo "n=$WIDTH" >> "$FLOWRUN_OUTPUT"
unknown script waits for `value`
ran: value

"#]]);
    project.edit("pipeline.toml", "cat $2 $3", "cat $3 $2");
    assert().eq(after(&project, ""), str![[r#"
run each[a].work argv: ["sh","-c","echo work $1 >> ran; cat $2 $3 > $4","x","{{ item.id }}","{{ params.reference }}","{{ make.made }}","{{ outputs.f }}"] => ["sh","-c","echo work $1 >> ran; cat $3 $2 > $4","x","{{ item.id }}","{{ params.reference }}","{{ make.made }}","{{ outputs.f }}"]
run each[b].work argv: ["sh","-c","echo work $1 >> ran; cat $2 $3 > $4","x","{{ item.id }}","{{ params.reference }}","{{ make.made }}","{{ outputs.f }}"] => ["sh","-c","echo work $1 >> ran; cat $3 $2 > $4","x","{{ item.id }}","{{ params.reference }}","{{ make.made }}","{{ outputs.f }}"]
unknown script waits for `each`
ran: script, work a, work b

"#]]);
    project.edit("pipeline.toml", "echo script >>", "echo  script >>");
    assert().eq(after(&project, ""), str![[r#"
run script script: echo script >> ran; echo "n=$(wc -c < "$FLOWRUN_VARS")" >> "$FLOWRUN_OUTPUT" => echo  script >> ran; echo "n=$(wc -c < "$FLOWRUN_VARS")" >> "$FLOWRUN_OUTPUT"
ran: script

"#]]);
}

#[test]
fn a_script_file_that_a_command_names() {
    let project = whole();
    project.write("tool.sh", "sed \"s/$/ - $1/\"\n");
    assert().eq(
        after(&project, ""),
        str![[r#"
run make file tool.sh: "tool.sh" ([DIGEST]) => "tool.sh" ([DIGEST])
unknown each[a].work waits for `make`
unknown each[b].work waits for `make`
unknown script waits for `each`
ran: make, script, work a, work b

"#]],
    );
    // Only its content counts, and an edit without effect stops where the effect stops.
    project.write("tool.sh", "sed \"s/$/ - $1/\" # the same\n");
    assert().eq(
        after(&project, ""),
        str![[r#"
run make file tool.sh: "tool.sh" ([DIGEST]) => "tool.sh" ([DIGEST])
unknown each[a].work waits for `make`
unknown each[b].work waits for `make`
unknown script waits for `each`
ran: make

"#]],
    );
    std::fs::remove_file(project.path("tool.sh")).unwrap();
    assert().eq(
        plan(&project, "plan --output json"),
        str![[r#"
run make file tool.sh: "tool.sh" ([DIGEST]) => -
unknown each[a].work waits for `make`
unknown each[b].work waits for `make`
unknown script waits for `each`

"#]],
    );
}

#[test]
fn a_param() {
    let project = whole();
    assert().eq(
        after(&project, "-p factor=3"),
        str![[r#"
run make value params.factor: 2 => 3
unknown each[a].work waits for `make`
unknown each[b].work waits for `make`
unknown script waits for `each`
ran: make, script, work a, work b

"#]],
    );
    // The results of the other value are still known, but the file in place is of the last one.
    assert().eq(
        after(&project, ""),
        str![[r#"
run make output made: out/made.txt ([DIGEST]) => out/made.txt ([DIGEST])
unknown each[a].work waits for `make`
unknown each[b].work waits for `make`
unknown script waits for `each`
ran: make, work a, work b

"#]],
    );
}

#[test]
fn the_content_of_a_path_param() {
    let project = whole();
    project.write("ref.txt", "another\n");
    assert().eq(
        after(&project, ""),
        str![[r#"
run each[a].work value params.reference: "ref.txt" ([DIGEST]) => "ref.txt" ([DIGEST])
run each[b].work value params.reference: "ref.txt" ([DIGEST]) => "ref.txt" ([DIGEST])
unknown script waits for `each`
ran: script, work a, work b

"#]],
    );
    project.write("ref2.txt", "another\n");
    assert().eq(
        after(&project, "-p reference=ref2.txt"),
        str![[r#"
run each[a].work value params.reference: "ref.txt" ([DIGEST]) => "ref2.txt" ([DIGEST])
run each[b].work value params.reference: "ref.txt" ([DIGEST]) => "ref2.txt" ([DIGEST])
unknown script waits for `each`
ran: work a, work b

"#]],
    );
}

#[test]
fn the_value_of_a_variable() {
    let project = whole();
    let mut command = project.command(["plan", "--output", "json"]);
    let said = project.said(command.env("WIDTH_OF", "81")).exits(0).json();
    assert_eq!(said["counts"], json!({ "run": 1, "cached": 3, "unknown": 1 }));
    assert_eq!(
        said["instances"].as_array().unwrap().iter().find(|i| i["name"] == "value").unwrap()["reasons"],
        json!([{ "component": "env WIDTH_OF", "old": "\"80\"", "new": "\"81\"" }])
    );
    project.edit(
        "pipeline.toml",
        "env.WIDTH = \"{{ env.WIDTH_OF }}\"",
        "env.WIDTH = \"{{ env.WIDTH_OF }}\"\nenv.MORE = 1",
    );
    assert().eq(
        after(&project, ""),
        str![[r#"
run value env MORE: - => 1
unknown script waits for `value`
ran: value

"#]],
    );
}

#[test]
fn the_content_of_an_input() {
    let project = whole();
    project.write("in.txt", "changed\n");
    assert().eq(
        after(&project, ""),
        str![[r#"
run make input text: "in.txt" ([DIGEST]) => "in.txt" ([DIGEST])
unknown each[a].work waits for `make`
unknown each[b].work waits for `make`
unknown script waits for `each`
ran: make, script, work a, work b

"#]],
    );
}

#[test]
fn an_output_that_is_gone_or_changed() {
    let project = whole();
    std::fs::remove_file(project.path("out/a.txt")).unwrap();
    assert().eq(
        after(&project, ""),
        str![[r#"
run each[a].work output f: out/a.txt ([DIGEST]) => out/a.txt is missing
unknown script waits for `each`
ran: work a

"#]],
    );
    project.write("out/b.txt", "by hand\n");
    assert().eq(
        after(&project, ""),
        str![[r#"
run each[b].work output f: out/b.txt ([DIGEST]) => out/b.txt ([DIGEST])
unknown script waits for `each`
ran: work b

"#]],
    );
    assert_eq!(project.read("out/b.txt"), "reference\ntext 2\n");
    // The file that others read: they wait until it is clear whether it is the same.
    project.write("out/made.txt", "by hand\n");
    assert().eq(
        after(&project, ""),
        str![[r#"
run make output made: out/made.txt ([DIGEST]) => out/made.txt ([DIGEST])
unknown each[a].work waits for `make`
unknown each[b].work waits for `make`
unknown script waits for `each`
ran: make

"#]],
    );
}

#[test]
fn the_type_or_path_of_an_output() {
    let project = whole();
    project.edit("pipeline.toml", "outputs.n = \"int\"\n\n[map", "outputs.n = \"float\"\n\n[map");
    assert().eq(
        after(&project, ""),
        str![[r#"
run value output n: int => float
unknown script waits for `value`
ran: script, value

"#]],
    );
    project.edit("pipeline.toml", "out/made.txt", "out/other.txt");
    assert().eq(
        after(&project, ""),
        str![[r#"
run make output made: file out/made.txt => file out/other.txt
unknown each[a].work waits for `make`
unknown each[b].work waits for `make`
unknown script waits for `each`
ran: make, work a, work b

"#]],
    );
}

#[test]
fn an_item_more_and_a_column_that_nobody_reads() {
    let project = whole();
    project.write("items.csv", "id,note\na,changed\nb,2\n");
    assert_eq!(after(&project, ""), "\nran: \n");
    project.write("items.csv", "id,note\nz,0\na,1\nb,2\n");
    assert().eq(
        after(&project, ""),
        str![[r#"
run each[z].work never run before
unknown script waits for `each`
ran: script, work z

"#]],
    );
}

#[test]
fn another_name_of_a_node_or_of_the_pipeline() {
    let project = whole();
    // A key says nothing of names: another name of the node finds the result.
    let text = WHOLE.replace("[task.value]", "[task.width]").replace("value.n", "width.n");
    project.write("pipeline.toml", text.replace("name = \"whole\"", "name = \"another\""));
    assert().eq(
        after(&project, ""),
        str![[r#"
run script never run before
ran: script

"#]],
    );
}

#[test]
fn shell_interpreter_and_workdir() {
    let project = whole();
    project.edit("pipeline.toml", "interpreter = [\"sh\"]", "interpreter = [\"bash\"]");
    project.edit("pipeline.toml", "[task.value]\n", "[task.value]\nshell = [\"bash\", \"-c\"]\n");
    project.edit("pipeline.toml", "[map.each.task.work]\n", "[map.each.task.work]\nworkdir = \".\"\n");
    assert().eq(
        after(&project, ""),
        str![[r#"
run value shell: ["bash","-euo","pipefail","-c"] => ["bash","-c"]
run each[a].work workdir: - => .
run each[b].work workdir: - => .
unknown script waits for `each` and `value`
ran: script, value, work a, work b

"#]],
    );
}

#[test]
fn what_is_no_part_of_a_key() {
    let project = whole();
    let text = project
        .read("pipeline.toml")
        .replace(
            "[task.make]\n",
            "[task.make]\npriority = 3\ndescription = \"makes it\"\npass_env = [\"X\"]\nresources.time = \"1h\"\n",
        )
        .replace("[map.each]\n", "[map.each]\nmax_parallel = 1\nafter = [\"value\"]\nresources.memory = \"1MiB\"\n")
        .replace(
            "[task.value]\n",
            "# a comment\n[resources]\ncpus = 2\n\n[task.value]\nwhen = \"{{ params.factor > 0 }}\"\n",
        );
    project.write("pipeline.toml", text);
    assert_eq!(after(&project, ""), "\nran: \n");
}

#[test]
fn a_moved_project_keeps_its_results() {
    let project = whole();
    let moved = Project::empty();
    std::fs::remove_dir(moved.dir()).unwrap();
    std::fs::rename(project.dir(), moved.dir()).unwrap();
    std::fs::create_dir(project.dir()).unwrap();
    assert_eq!(after(&moved, ""), "\nran: \n");
}

#[test]
fn force_no_cache_and_named_nodes() {
    let project = whole();
    run(&project, "run --force value");
    assert_eq!(ran(&project), ["value"]);
    run(&project, "run --force each");
    assert_eq!(ran(&project), ["work a", "work b"]);
    run(&project, "run --force make --force each.work");
    assert_eq!(ran(&project), ["make", "work a", "work b"]);
    run(&project, "run --no-cache");
    assert_eq!(ran(&project), ["make", "script", "value", "work a", "work b"]);
    run(&project, "run --no-cache value");
    assert_eq!(ran(&project), ["value"]);
    run(&project, "run --no-cache each");
    assert_eq!(ran(&project), ["make", "work a", "work b"]);
    assert_eq!(
        plan(&project, "plan --output json --force value"),
        "run value forced\nunknown script waits for `value`\n"
    );
    project.run("run --force valu").shows(str![[r#"
exit 2
--- err
error: `--force valu`: there is no such node
  help: did you mean `value`?

"#]]);
    project.run("run valu").shows(str![[r#"
exit 2
--- err
error[E0407]: the pipeline has no node `valu`
 |
 = help: did you mean `value`?

"#]]);
    project.run("run each.work").shows(str![[r#"
exit 0
--- out
outputs
  files = ["out/a.txt", "out/b.txt"]
run 8 succeeded: 3 cached in [TIME]
--- err
[0/3] listed    each  2 items
[3/3] cached    make
[3/3] cached    each.work  2 instances

"#]]);
}

#[test]
fn an_explanation_names_everything_that_a_key_is_made_of() {
    let project = whole();
    let said = |line: &str| project.said(project.command(line.split_whitespace()).env(ENV.0, ENV.1));
    said("explain each[b].work").shows(str![[r#"
exit 0
--- out
each[b].work: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its key is made of
    argv: ["sh","-c","echo work $1 >> ran; cat $2 $3 > $4","x","{{ item.id }}",…
    output f: file out/{{ item.id }}.txt
    value item.id: "b"
    value params.reference: "ref.txt" ([DIGEST])
    value make.made: "out/made.txt" ([DIGEST])

"#]]);
    said("explain make").shows(str![[r#"
exit 0
--- out
make: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its key is made of
    command: echo make >> ran; cat {{ inputs.text }} | sh tool.sh {{ params.fac…
    shell: ["bash","-euo","pipefail","-c"]
    output made: file out/made.txt
    file tool.sh: "tool.sh" ([DIGEST])
    value params.factor: 2
    input text: "in.txt" ([DIGEST])

"#]]);
    said("explain script -p factor=3").shows(str![[r#"
exit 0
--- out
script: unknown
  waits for `each`

"#]]);
    said("explain nothing").shows(str![[r#"
exit 2
--- err
error: there is no instance `nothing` among the 5 instances
  help: `flowrun plan` lists them

"#]]);
}

#[test]
fn two_instances_with_one_key_are_computed_once() {
    let project = Project::new(
        r#"
[task.t]
over = [1, 2, 1, 1]
command = 'echo {{ item }} >> ran; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.u]
over = [2]
command = 'echo {{ item }} >> ran; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[outputs]
t = "{{ t.x }}"
u = "{{ u.x }}"
"#,
    );
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run 2 · unknown 2
  t[0], t[1]
    never run before
  t[2], t[3]
    takes the result of `t[0]`, which has the same key
u: unknown
  u[0]
    takes the result of `t[1]`, which has the same key

run 2 · cached 0 · unknown 3

"#]]);
    assert_eq!(outputs(&project), json!({ "t": [1, 2, 1, 1], "u": [2] }));
    assert_eq!(ran(&project), ["1", "2"]);
    assert_eq!(counts(&project, "run --output json"), (0, 5));
}

#[test]
fn what_a_command_says_of_its_run_changes_no_key() {
    let project = Project::new(
        r#"
[task.t]
command = 'echo {{ run.id }} {{ attempt }} {{ resources.cpus }} {{ resources.memory }} {{ run.dir }} {{ project }}'
resources.cpus = 3
resources.memory = "1MiB"
outputs.x = { type = "string", from = "stdout" }
"#,
    );
    assert_eq!(counts(&project, "run --output json -j 1"), (1, 0));
    assert_eq!(counts(&project, "run --output json -j 2"), (0, 1));
    project.edit("pipeline.toml", "cpus = 3", "cpus = 2");
    assert_eq!(counts(&project, "run --output json -j 2"), (0, 1));
    project.edit("pipeline.toml", "{{ attempt }}", "{{ attempt + 1 }}");
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run
  command:
    - echo {{ run.id }} {{ attempt }} {{ resources.cpus }} {{ resources.memory …
    + echo {{ run.id }} {{ attempt + 1 }} {{ resources.cpus }} {{ resources.mem…

run 1 · cached 0 · unknown 0

"#]]);
}

#[test]
fn a_failure_is_never_kept() {
    let project = Project::new(
        "[task.t]\ncommand = 'echo t >> ran; test -e ok; echo \"x=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.x = \"int\"\n",
    );
    project.run("run").exits(1);
    project.run("run").exits(1);
    project.write("ok", "");
    project.run("run").exits(0);
    project.run("run").exits(0);
    assert_eq!(ran(&project).len(), 3);
}

#[test]
fn targets_of_redirections_and_outputs_are_no_scripts() {
    let project = Project::new(
        r#"
[task.t]
command = 'cat data.txt > made.txt; cat made.txt >> log.txt; cp ./made.txt {{ outputs.f }}; ls .flowrun/store.db out/f.txt >/dev/null 2>&1 || true'
outputs.f = { file = "out/f.txt" }
"#,
    );
    project.write("data.txt", "1\n");
    project.run("run").exits(0);
    assert_eq!(counts(&project, "run --output json"), (0, 1));
    project.write("data.txt", "2\n");
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run
  file data.txt: [DIGEST] → [DIGEST]

run 1 · cached 0 · unknown 0

"#]]);
}
