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
    story("argv = [\"no-such-program\", \"{{ vars.x }}\"]\n").1.shows(str![[r#""#]]);
    story("argv = [\"./no-such-script.sh\"]\n").1.shows(str![[r#""#]]);
    story("command = 'no-such-program --now'\n").1.shows(str![[r#""#]]);
    story("script = 'print(1)'\ninterpreter = [\"no-such-interpreter\"]\n").1.shows(str![[r#""#]]);
}

#[test]
fn a_program_that_is_not_executable() {
    let project = Project::new("[task.bad]\nargv = [\"./script.sh\"]\n");
    project.write("script.sh", "echo hello\n");
    std::fs::set_permissions(project.path("script.sh"), std::fs::Permissions::from_mode(0o644)).unwrap();
    project.run("run -j 1").shows(str![[r#""#]]);
    project.write("pipeline.toml", "[task.bad]\ncommand = './script.sh'\n");
    project.run("run -j 1").shows(str![[r#""#]]);
}

#[test]
fn a_task_that_ends_well_without_its_output() {
    let (project, said) = story("command = 'echo I forgot; echo really >&2'\noutputs.file = { file = \"out.txt\" }\n");
    said.shows(str![[r#""#]]);
    project.run("log bad").shows(str![[r#""#]]);
    story("command = 'true'\noutputs.n = \"int\"\n").1.shows(str![[r#""#]]);
}

#[test]
fn an_output_of_the_wrong_type() {
    story("command = 'echo \"n=many\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.n = \"int\"\n").1.shows(str![[r#""#]]);
    story("command = 'echo \"n=[1, true]\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.n = \"list<int>\"\n")
        .1
        .shows(str![[r#""#]]);
    story("command = 'echo \"m=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.n = \"int\"\n").1.shows(str![[r#""#]]);
    story("command = 'mkdir {{ outputs.f }}'\noutputs.f = { file = \"out.txt\" }\n").1.shows(str![[r#""#]]);
}

#[test]
fn an_input_that_is_not_there() {
    story("command = 'cat reads.fq'\ninputs.reads = \"reads.fq\"\noutputs.x = \"int\"\n").1.shows(str![[r#""#]]);
}

#[test]
fn a_task_that_fails() {
    let (project, said) = story("command = 'echo working; echo \"cannot open the door\" >&2; exit 7'\n");
    said.shows(str![[r#""#]]);
    project.run("log bad").shows(str![[r#""#]]);
    let said = project.run("run --output json");
    let failure = &said.exits(1).json()["failures"][0];
    assert_eq!((&failure["instance"], &failure["exit"]), (&"bad".into(), &7.into()), "{failure:#}");
}

#[test]
fn a_task_that_is_killed_or_takes_too_long() {
    story("command = 'kill -9 $$'\n").1.shows(str![[r#""#]]);
    story("command = 'sleep 600'\nresources.time = \"200ms\"\n").1.shows(str![[r#""#]]);
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
    project.run("run -j 1 --keep-going").shows(str![[r#""#]]);
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
