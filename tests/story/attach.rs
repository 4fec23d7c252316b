//! A run that is followed from elsewhere.

use crate::common::{Follower, Live, Project};
use snapbox::str;

/// `slow` says its process id and waits for the file `go`, which no word of its command names.
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

[task.wrong]
command = "echo no {{ slow.word }} >&2; exit 3"

[outputs]
word = "{{ slow.word }}"
"#;

fn at_work(project: &Project) -> Live {
    let live = project.start("run");
    project.wait_for("ran", |text| text.lines().count() == 2 && text.ends_with('\n'));
    live
}

fn follow<'p>(project: &'p Project, line: &str) -> Follower<'p> {
    Follower::of(project, line, project.command(line.split(' ')))
}

#[test]
fn a_run_is_followed_to_its_end_from_another_terminal() {
    let project = Project::new(SLOW);
    let live = at_work(&project);
    let (attached, watching) = (follow(&project, "attach"), follow(&project, "status --watch --output json"));
    let leaving = follow(&project, "attach pipeline.toml 1");
    crate::common::signal(leaving.pid(), "INT");
    leaving.wait().shows(str![[r#"
exit 130
--- err
run 1 is at work: process [PID] on host [HOST]
run 1 goes on: `flowrun attach pipeline.toml 1` comes back to it, `flowrun cancel pipeline.toml 1` stops it

"#]]);
    project.write("go", "");
    attached.wait().shows(str![[r#"
exit 1
--- out
failed wrong
  exit status 3
  | no went
  log: flowrun log wrong --run 1

run 1: 1 failed, 2 succeeded in [TIME]
failed wrong: exit status 3: no went
--- err
run 1 is at work: process [PID] on host [HOST]
[2/3] done      slow  [TIME]
[2/3] started   wrong  it declares no output
[3/3] failed    wrong  exit status 3
nothing new starts: `wrong` failed

"#]]);
    watching.wait().shows(str![[r#"
exit 1
--- out
{"run": 1, "state": "failed", "outputs": {}, "counts": {"succeeded": 2, "cached": 0, "failed": 1, "ignored": 0, "skipped": 0, "cancelled": 0}, "wall_s": [TIME], "failures": [{"instance": "wrong", "attempt": 1, "cause": "exit", "exit": 3, "message": "exit status 3", "ignored": false, "tail": "no went\n", "log": "flowrun log wrong --run 1"}]}
--- err
run 1 is at work: process [PID] on host [HOST]
[2/3] done      slow  [TIME]
[2/3] started   wrong  it declares no output
[3/3] failed    wrong  exit status 3
nothing new starts: `wrong` failed
failed wrong
  exit status 3
  | no went
  log: flowrun log wrong --run 1

run 1: 1 failed, 2 succeeded in [TIME]
failed wrong: exit status 3: no went

"#]]);
    live.wait().exits(1);
    project.run("attach").shows(str![[r#"
exit 1
--- out
failed wrong
  exit status 3
  | no went
  log: flowrun log wrong --run 1

run 1: 1 failed, 2 succeeded in [TIME]
failed wrong: exit status 3: no went

"#]]);
}

#[test]
fn who_follows_a_run_hears_that_nobody_drives_it_any_more() {
    let project = Project::new(SLOW);
    let live = at_work(&project);
    let attached = follow(&project, "attach");
    live.signal("TERM");
    live.wait();
    attached.wait().shows(str![[r#"
exit 143
--- out
run 1 stopped by SIGTERM: 1 succeeded, 2 waiting in [TIME]
`flowrun resume` goes on where it stopped, and so does the same command
--- err
run 1 is at work: process [PID] on host [HOST]
nothing new starts: SIGTERM
[2/3] stopped   slow

"#]]);
    let live = project.start("run");
    project.wait_for("ran", |text| text.lines().count() == 3 && text.ends_with('\n'));
    let attached = follow(&project, "attach");
    live.signal("KILL");
    live.wait();
    attached.wait().shows(str![[r#"
exit 3
--- err
run 1 is at work: process [PID] on host [HOST]
error: nobody is at run 1 any more, and it has not reached its end
  help: `flowrun resume 1` goes on where it stopped, and so does the same command

"#]]);
    project.run("attach 2").shows(str![[r#"
exit 2
--- err
error: there is no run 2 in `.flowrun/runs`
  help: there is one run, 1

"#]]);
    let live = project.start("run");
    project.wait_for("ran", |text| text.lines().count() == 4 && text.ends_with('\n'));
    let attached = follow(&project, "attach");
    project.run("cancel").exits(0);
    live.wait();
    attached.wait().shows(str![[r#"
exit 143
--- out
run 1 stopped by `flowrun cancel`: 1 succeeded, 2 waiting in [TIME]
`flowrun resume` goes on where it stopped, and so does the same command
--- err
run 1 is at work: process [PID] on host [HOST]
nothing new starts: `flowrun cancel`
[2/3] stopped   slow

"#]]);
}
