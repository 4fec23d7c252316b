//! Signals, and who may run at one time.

use crate::common::{Project, signal, until};
use snapbox::str;
use std::path::Path;

/// `quick` ends, `slow` writes its process id and sleeps until somebody ends it or the file `go` appears (which no word
/// of its command names, for it would be part of the key).
const SLOW: &str = r#"
[pipeline]
name = "slow"

[task.quick]
command = 'echo quick >> ran; echo "word=done" >> "$FLOWRUN_OUTPUT"'
outputs.word = "string"

[task.slow]
command = '''
echo {{ quick.word }} $$ >> ran
until ls | grep -q '^go$'; do sleep 0.02; done
echo "word=went" >> "$FLOWRUN_OUTPUT"
'''
outputs.word = "string"

[outputs]
word = "{{ slow.word }}"
"#;

/// Starts the pipeline and waits until `slow` is at work; gives its process id too.
fn at_work(project: &Project) -> (crate::common::Live, u32) {
    let live = project.start("run");
    project.wait_for("ran", |text| text.lines().count() == 2 && text.ends_with('\n'));
    let pid = project.lines("ran")[1].rsplit(' ').next().unwrap().parse().unwrap();
    (live, pid)
}

fn gone(pid: u32) {
    // a zombie that waits for its new parent is gone too
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    until(|| !alive(), &format!("process {pid} is gone"));
    assert!(Path::new("/proc/self").exists(), "this test reads /proc");
}

#[test]
fn ctrl_c_stops_and_the_same_command_goes_on() {
    let project = Project::new(SLOW);
    let (live, pid) = at_work(&project);
    live.signal("INT");
    live.wait().shows(str![[r#"
exit 130
--- out
run 1 stopped by SIGINT: 1 succeeded, 1 waiting in [TIME]
`flowrun resume` goes on where it stopped, and so does the same command
--- err
[0/2] started   quick
[1/2] done      quick  [TIME]
[1/2] started   slow
nothing new starts: SIGINT
[2/2] stopped   slow

"#]]);
    gone(pid);
    project.write("go", "");
    let said = project.run("run --output json");
    assert_eq!(said.exits(0).json()["run"], 1, "the run that did not reach its end is continued");
    assert_eq!(said.json()["outputs"]["word"], "went");
    assert_eq!(project.lines("ran").len(), 3, "quick is not run again: {:?}", project.lines("ran"));
    assert!(project.lines("ran")[2].starts_with("done "));
}

#[test]
fn sigterm_and_sighup_have_their_own_exit_codes() {
    for (name, code) in [("TERM", 143), ("HUP", 129)] {
        let project = Project::new(SLOW);
        let (live, pid) = at_work(&project);
        live.signal(name);
        live.wait().exits(code);
        gone(pid);
    }
}

#[test]
fn a_second_ctrl_c_kills_what_does_not_listen() {
    let deaf = SLOW.replace("until ls", "trap 'echo deaf >> heard' TERM\nuntil ls");
    let project = Project::new(&deaf);
    let (live, pid) = at_work(&project);
    live.signal("INT");
    project.wait_for("heard", |text| text.contains("deaf"));
    live.signal("INT");
    live.wait().exits(130);
    gone(pid);
}

#[test]
fn no_task_outlives_a_killed_flowrun() {
    let project = Project::new(SLOW);
    let (live, pid) = at_work(&project);
    live.signal("KILL");
    live.wait().exits(137);
    gone(pid);
    project.write("go", "");
    project.run("run").exits(0);
    assert_eq!(project.lines("ran").len(), 3);
}

#[test]
fn a_second_run_of_one_pipeline_is_refused_or_waits() {
    let project = Project::new(SLOW);
    let (live, _) = at_work(&project);
    project.run("run").shows(str![[r#"
exit 75
--- err
error: another run holds this pipeline: run 1, process [PID] on `[HOST]`, since [TIME] UTC
  help: `--wait` waits until it has ended; `flowrun status` shows what it does

"#]]);
    let waiting = project.start("run --wait --output json");
    project.write("go", "");
    live.wait().exits(0);
    let said = waiting.wait();
    assert_eq!(said.exits(0).json()["counts"]["cached"], 2);
    assert_eq!(project.lines("ran").len(), 2, "nothing ran twice");
}

#[test]
fn a_killed_run_holds_no_lock() {
    let project = Project::new(SLOW);
    let (live, pid) = at_work(&project);
    signal(live.pid(), "KILL");
    live.wait().exits(137);
    gone(pid);
    project.write("go", "");
    project.run("run").exits(0);
}

#[test]
fn a_run_is_cancelled_from_elsewhere_and_goes_on_later() {
    let project = Project::new(SLOW);
    let (live, pid) = at_work(&project);
    project.run("cancel").shows(str![[r#"
exit 0
--- out
run 1 is cancelled; `flowrun resume` goes on where it stopped

"#]]);
    gone(pid);
    live.wait().shows(str![[r#"
exit 143
--- out
run 1 stopped by `flowrun cancel`: 1 succeeded, 1 waiting in [TIME]
`flowrun resume` goes on where it stopped, and so does the same command
--- err
[0/2] started   quick
[1/2] done      quick  [TIME]
[1/2] started   slow
nothing new starts: `flowrun cancel`
[2/2] stopped   slow

"#]]);
    project.run("cancel 1 --output json").shows(str![[r#"
exit 0
--- out
{"run": 1, "was": "interrupted", "jobs": 0}

"#]]);
    project.run("cancel 7").shows(str![[r#"
exit 2
--- err
error: there is no run 7 in `.flowrun/runs`
  help: there is one run, 1

"#]]);
    project.write("go", "");
    project.run("resume").exits(0);
    assert_eq!(project.lines("ran").len(), 3, "quick is not run again");
    project.run("cancel").shows(str![[r#"
exit 0
--- out
run 1 is over: there is nothing to cancel

"#]]);
}
