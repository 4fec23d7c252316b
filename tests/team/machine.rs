//! What a small or busy machine must not change.

use crate::common::Project;
use std::fmt::Write;
use std::process::Command;

#[test]
fn what_is_ready_at_once_starts_in_the_order_of_the_file() {
    let mut pipeline = String::new();
    let names: Vec<String> = (0..60).map(|i| format!("t{i:02}")).collect();
    for (i, name) in names.iter().enumerate() {
        // Some of them take their preparer longer than others.
        let more = "x".repeat(if i % 7 == 0 { 50_000 } else { 1 });
        writeln!(pipeline, "[task.{name}]\ncommand = 'echo {name} >> ran # {more}'\n").unwrap();
    }
    let project = Project::new(&pipeline);
    project.run("run -j 1").exits(0);
    assert_eq!(project.lines("ran"), names);
}

#[test]
fn priority_comes_first_and_then_the_longest_way() {
    let project = Project::new(
        "[task.plain]\ncommand = 'echo plain >> ran'\n\
         [task.urgent]\ncommand = 'echo urgent >> ran'\npriority = 5\n\
         [task.long]\ncommand = 'echo long >> ran'\n\
         [task.after]\ncommand = 'echo after >> ran'\nafter = [\"long\"]\n\
         [task.items]\nover = { range = [0, 3] }\ncommand = 'echo items {{ item }} >> ran'\n",
    );
    project.run("run -j 1").exits(0);
    assert_eq!(project.lines("ran"), ["urgent", "long", "plain", "after", "items 0", "items 1", "items 2"]);
}

#[test]
fn a_small_limit_of_open_files_means_fewer_tasks_at_once() {
    let project = Project::new(
        "[task.t]\nover = { range = [0, 60] }\ncommand = 'echo x > {{ outputs.f }}; ulimit -Sn > limit'\n\
         outputs.f = { file = \"out/{{ item }}\" }\n",
    );
    let plain = project.command(["run", "-j", "200"]);
    let mut command = Command::new("prlimit");
    command.args(["--nofile=32:64", env!("CARGO_BIN_EXE_flowrun"), "run", "-j", "200"]).current_dir(project.dir());
    command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = project.said(&mut command);
    said.exits(0);
    let err = String::from_utf8_lossy(&said.err);
    let note = "7 tasks run at once, not 200: a process may open 64 files here; raise the hard limit (`ulimit -Hn`) \
                for more";
    assert_eq!(err.lines().filter(|line| line.contains("at once")).collect::<Vec<_>>(), [note]);
    assert_eq!(project.read("limit"), "32\n");
}
