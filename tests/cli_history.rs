//! `status` and `log` read what a run left behind: here a run whose journal, lists and logs are written by hand, cut
//! off in the middle as `kill -9` would.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use flowrun::base::{InstanceId, Value};
use flowrun::driver::rundir::{Home, RunDir};
use flowrun::driver::{Params, load};
use flowrun::engine::Items;
use flowrun::event::{Cause, Event, Failure, LogRange, Outcome, RunState, Usage};
use snapbox::str;
use std::sync::Arc;

const PIPELINE: &str = r#"
[pipeline]
name = "letters"

[task.gen]
command = "echo"

[task.each]
over = ["a", "b", "c"]
key = "{{ item }}"
command = "echo {{ item }}"
after = ["gen"]

[task.last]
command = "echo"
after = ["each"]
"#;

/// Milliseconds since the epoch.
const T: u64 = 1_700_000_000_000;

fn id(n: u32) -> InstanceId {
    InstanceId(n)
}

fn began(n: u32, attempt: u32) -> [Event; 2] {
    [
        Event::Submitted { instance: id(n), attempt, key: None, why: None },
        Event::Started { instance: id(n), attempt, log: None, host: None },
    ]
}

fn ended(n: u32, attempt: u32, error: Option<&str>, log: LogRange) -> Event {
    let result = match error {
        None => Ok(Arc::default()),
        Some(message) => Err(Failure { cause: Cause::Exit(1), message: message.into(), help: None }),
    };
    let usage = Usage { began: T, wall_us: 5000, ..Usage::default() };
    Event::Ended {
        instance: id(n),
        attempt,
        outcome: Outcome { result, usage, log: Some(log), host: None, doubtful: false },
    }
}

/// The root's instances are 0 (`gen`), 1 (the map `each`) and 2 (`last`); its items are 3 to 5.
fn project(finished: Option<RunState>) -> Project {
    let project = Project::new(PIPELINE);
    let pipeline = project.path("pipeline.toml");
    let loaded = load(&pipeline, &Params::default(), true).ok().unwrap();
    let home = Home::beside(&pipeline);
    let dir = RunDir::create(&home, 1, &loaded.stored).unwrap();
    let list = Items::new(["a", "b", "c"].map(Value::str).to_vec(), ["a", "b", "c"].map(Arc::from).to_vec());
    dir.write_list(&list).unwrap();
    std::fs::write(dir.logs().join("0.out"), "made\nworking on a\nworking on b\n").unwrap();
    std::fs::write(dir.logs().join("0.err"), "warning\nb: no such letter\n").unwrap();
    let mut journal = dir.resume_journal(&mut |_, _, _| {}).unwrap();
    let mut add = |at: u64, events: &[Event]| journal.append(T + at, events).unwrap();
    add(0, &[Event::Begun { by: "flowrun".into() }]);
    add(10, &began(0, 1));
    add(20, &[ended(0, 1, None, LogRange { segment: 0, out: (0, 5), err: (0, 0) })]);
    add(30, &[Event::Listed { instance: id(1), len: 3, list: list.digest() }]);
    add(40, &began(3, 1));
    add(50, &[ended(3, 1, None, LogRange { segment: 0, out: (5, 13), err: (0, 8) })]);
    add(60, &began(4, 1));
    add(70, &[ended(4, 1, Some("exit status 1"), LogRange { segment: 0, out: (18, 13), err: (8, 18) })]);
    add(80, &began(5, 1));
    if let Some(state) = finished {
        add(90, &[ended(5, 1, None, LogRange { segment: 0, out: (31, 0), err: (26, 0) })]);
        add(100, &[Event::Cancelled { from: id(2), count: 1 }, Event::Finished { state }]);
    }
    project
}

#[test]
fn the_status_of_a_run_that_was_killed() {
    let project = project(None);
    project.run("status").shows(str![[r#"
exit 0
--- out
run 1 of letters: interrupted
began [TIME] UTC, [TIME]
1 failed, 2 succeeded, 2 waiting

  gen   1 succeeded
  each  1 failed, 1 succeeded, 1 waiting
  last  1 waiting

failed each[b]
  exit status 1
  | b: no such letter
  log: flowrun log 'each[b]' --run 1

`flowrun resume` goes on where it stopped, and so does the same command

"#]]);
    project.run("status 1").exits(0);
    let json = project.run("status --output json").exits(0).json();
    assert_eq!((&json["state"], &json["counts"]["waiting"]), (&"interrupted".into(), &2.into()), "{json:#}");
    project.run("status 2").shows(str![[r#"
exit 2
--- err
error: there is no run 2 in `.flowrun/runs`
  help: there is one run, 1

"#]]);
    // The pipeline file of today is not what the run was begun with.
    project.write("pipeline.toml", "[task.other]\ncommand = 'true'\n");
    let again = project.run("status --output json").exits(0).json();
    assert_eq!(json, again);
    project.run("status other.toml").shows(str![[r#"
exit 2
--- err
error: there is no file `other.toml`

"#]]);
}

#[test]
fn the_status_of_a_run_that_has_ended() {
    project(Some(RunState::Failed)).run("status").shows(str![[r#"
exit 0
--- out
run 1 of letters: failed
began [TIME] UTC, [TIME]
1 failed, 3 succeeded, 1 not run

  gen   1 succeeded
  each  1 failed, 2 succeeded
  last  1 not run

failed each[b]
  exit status 1
  | b: no such letter
  log: flowrun log 'each[b]' --run 1

"#]]);
}

#[test]
fn the_log_of_an_instance() {
    let project = project(None);
    project.run("log gen").shows(str![[r#"
exit 0
--- out
made

"#]]);
    project.run("log each[b]").shows(str![[r#"
exit 0
--- out
working on b
b: no such letter

"#]]);
    assert_eq!(project.run("log each[b] --stdout").out(), "working on b\n");
    assert_eq!(project.run("log each[b] --stderr --run 1 --attempt 1").out(), "b: no such letter\n");
    project.run("log each[c]").shows(str![[r#"
exit 2
--- err
error: `each[c]` was cut off with run 1
  help: it runs again when the run goes on

"#]]);
    project.run("log each[b] --attempt 2").shows(str![[r#"
exit 2
--- err
error: `each[b]` has no attempt 2 in run 1
  help: its last one is 1

"#]]);
    project.run("log last").shows(str![[r#"
exit 2
--- err
error: `last` has not run in run 1

"#]]);
    project.run("log each").shows(str![[r#"
exit 2
--- err
error: there is no instance `each` in run 1
  help: name one of its instances, as in `'each[a]'`

"#]]);
    project.run("log lats").shows(str![[r#"
exit 2
--- err
error: there is no instance `lats` in run 1
  help: did you mean `last`?

"#]]);
    project.run("log gen --run 9").shows(str![[r#"
exit 2
--- err
error: there is no run 9 in `.flowrun/runs`
  help: there is one run, 1

"#]]);
}
