//! What earlier runs are good for: one node alone on what the others gave, and tests made of what has run.

use super::common::Project;
use super::project;
use snapbox::str;

#[test]
fn one_node_runs_alone_on_what_the_others_gave_last() {
    let project = Project::new(
        r#"
[task.gen]
command = 'echo gen >> ran; echo "raw=[1, 2]" >> "$FLOWRUN_OUTPUT"'
outputs.raw = "list<int>"

[task.stamp]
cache = false
command = 'echo stamp >> ran; echo "at=5" >> "$FLOWRUN_OUTPUT"'
outputs.at = "int"

[map.each]
over = "{{ gen.raw }}"

[map.each.task.write]
command = 'echo write >> ran; echo {{ item }} > {{ outputs.text }}'
outputs.text = { file = "results/{{ item }}.txt" }

[map.each.task.twice]
command = 'echo twice >> ran; cat {{ write.text }} {{ write.text }} > {{ outputs.text }}'
outputs.text = { file = "results/{{ item }}.twice" }

[task.sum]
command = 'echo sum >> ran; cat {{ each.twice.text }} > {{ outputs.all }}; echo {{ stamp.at }} >> {{ outputs.all }}'
outputs.all = { file = "results/all" }
"#,
    );
    let missing = |line: &str| {
        let said = project.run(line).exits(1).json();
        let failures = said["failures"].as_array().unwrap().clone();
        let mut told: Vec<String> = failures.iter().map(|f| format!("{}: {}", f["instance"], f["message"])).collect();
        told.sort();
        told
    };
    assert_eq!(
        missing("run --only sum --output json"),
        [r#""gen": "there is no earlier result""#, r#""stamp": "there is no earlier result""#]
    );
    assert!(!project.path("ran").exists());
    project.run("run").exits(0);
    // Everything but `sum` has changed, and only `sum` is looked at.
    project.edit("pipeline.toml", "echo gen >> ran", "exit 1");
    project.edit("pipeline.toml", "echo stamp >> ran", "exit 1");
    project.edit("pipeline.toml", "echo twice >> ran", "exit 1");
    project.edit("pipeline.toml", "echo sum >> ran", "echo again >> ran");
    project.write("ran", "");
    let said = project.run("run --only sum --output json").exits(0).json();
    assert_eq!(said["counts"]["succeeded"], 1);
    assert_eq!(project.lines("ran"), ["again"]);
    assert_eq!(project.read("results/all"), "1\n1\n2\n2\n5\n");
    // A node of a map alone, for every item.
    project.edit("pipeline.toml", "echo write >> ran", "echo other >> ran");
    project.run("run --only each.write").exits(0);
    assert_eq!(project.lines("ran"), ["again", "other", "other"]);
    // A file that is not as it was made is nothing to go on with.
    project.write("results/1.twice", "edited\n");
    let told = missing("run --only sum --force sum --output json");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with(r#""each[0].twice": "what it gave last is not there any more: results/1.twice"#),
        "{told:?}"
    );
    project.run("run --only").shows(str![[r#"
exit 2
--- err
error: `--only` needs a node
  help: name the nodes that run: `flowrun run --only align`

"#]]);
}

#[test]
fn a_captured_test_asks_for_the_same_again() {
    let project = project("");
    project.write("data/head.txt", "head\n".repeat(100));
    project.edit("pipeline.toml", "[task.split]\n", "[task.split]\nkey = \"{{ file }}\"\n");
    project.write("data/ä b.txt", [0, 255]);
    let fails = "\n[task.check]\ncommand = 'echo {{ report.html }} is bad; exit 3'\non_error = \"continue\"";
    project.write("pipeline.toml", project.read("pipeline.toml") + fails);
    project.run("run").exits(1);
    for instance in ["process[1].compute", "report", "split[data/head.txt]", "check", "report"] {
        project.run_words(["test", "--capture", "1", instance]).exits(0);
    }
    let file = project.read("pipeline.toml");
    let (_, captured) = file.split_once(fails).unwrap();
    snapbox::assert_data_eq!(
        captured,
        str![[r#"


# captured from process[1].compute of run 1
[test.process_1_compute]
node = "process.compute"
values.n = 43
params.multiplier = 3
expect.values.value = 129

# captured from report of run 1
[test.report]
node = "report"
values.process.compute.value = [126, 129]
files."data/head.txt" = "tests/report/data/head.txt"
expect.files.html = "tests/report/expected/html.html"

# captured from split[data/head.txt] of run 1
[test.split_data_head_txt]
node = "split"
values.index = 0
values.file = "data/head.txt"
files."data/head.txt" = "tests/split_data_head_txt/data/head.txt"
expect.files.parts = "tests/split_data_head_txt/expected/parts"

# captured from check of run 1
[test.check]
node = "check"
values.report.html = "results/report.html"
files."results/report.html" = "tests/check/results/report.html"
expect.exit = 3

# captured from report of run 1
[test.report_2]
node = "report"
values.process.compute.value = [126, 129]
files."data/head.txt" = "tests/report_2/data/head.txt"
expect.files.html = "tests/report_2/expected/html.html"

"#]]
    );
    project.run("test").exits(0);
    // A test is of the command as it is now.
    project.edit("pipeline.toml", "echo \"value=$((", "echo \"value=$((1 +");
    project.run("test compute").exits(1);

    project.run_words(["test", "--capture", "1", "split[data/ä b.txt]"]).shows(str![[r#"
exit 2
--- err
error: `split[data/ä b.txt]` has not run in run 1

"#]]);
    project.run("test --capture 1 reprot").shows(str![[r#"
exit 2
--- err
error: there is no instance `reprot` in run 1
  help: did you mean `report`?

"#]]);
    project.run("test --capture 9 report").shows(str![[r#"
exit 2
--- err
error: there is no run 9 in `.flowrun/runs`
  help: there is one run, 1

"#]]);
    project.write("results/report.html", "edited\n");
    project.run("test --capture 1 report").shows(str![[r#"
exit 2
--- err
error: `results/report.html` is not as the instance made it

"#]]);
}

#[test]
fn tasks_inside_branches_loops_and_calls_are_captured_too() {
    let project = Project::new(
        r#"[loop.train]
max = 3
carry.sum = { init = 1, next = "{{ add.sum }}" }

[loop.train.task.add]
command = 'echo "sum=$(( {{ carry.sum }} * 10 + {{ index }} ))" >> "$FLOWRUN_OUTPUT"'
outputs.sum = "int"

[branch.route]
on = "{{ train.iterations }}"

[branch.route.case.3.task.three]
command = 'echo "x={{ train.sum }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"

[call.inner]
pipeline = "inner.toml"
params.text = "{{ route.three.x }}"
"#,
    );
    project.write(
        "inner.toml",
        "[params.text]\ntype = 'int'\n[task.say]\ncommand = 'echo \"said={{ params.text }}\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.said = \"string\"\n",
    );
    project.run("run").exits(0);
    for instance in ["train[2].add", "route.three", "inner.say"] {
        project.run_words(["test", "--capture", "1", instance]).exits(0);
    }
    let file = project.read("pipeline.toml");
    snapbox::assert_data_eq!(
        file.split_once("\n# captured").unwrap().1,
        str![[r#"
 from train[2].add of run 1
[test.train_2_add]
node = "train.add"
values.carry.sum = 101
values.index = 2
expect.values.sum = 1012

# captured from route.three of run 1
[test.route_three]
node = "route.three"
values.train.sum = 1012
expect.values.x = 1012

# captured from inner.say of run 1
[test.inner_say]
node = "inner.say"
values.params.text = 1012
expect.values.said = "1012"

"#]]
    );
    project.run("test").exits(0);
}
