//! Stories: failures that are tried again, let be, counted or required not to be.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use snapbox::str;

/// What is said at the end; tasks that run side by side are told on the way in any order.
fn told(said: &common::Said) -> common::Said {
    let mut said = said.clone();
    said.err.clear();
    said
}

#[test]
fn a_task_that_succeeds_on_its_third_try() {
    let project = Project::new(
        r#"
[task.flaky]
command = '''
echo "attempt {{ attempt }}" >> ran
test "$(wc -l < "$COUNT")" -ge 3 || { echo "no luck" >&2; exit 1; }
echo "x=7" >> "$FLOWRUN_OUTPUT"
'''
env.COUNT = "ran"
outputs.x = "int"
retry = { attempts = 3, backoff = "20ms" }
[task.after]
command = 'echo after {{ flaky.x }} >> ran'
[outputs]
x = "{{ flaky.x }}"
"#,
    );
    let said = project.run("run");
    said.shows(str![[r#"
exit 0
--- out
outputs
  x = 7
run 1 succeeded: 2 succeeded in [TIME]
--- err
[0/2] started   flaky
[0/2] failed    flaky  exit status 1; attempt 2 in [TIME]
[0/2] started   flaky  attempt 2
[0/2] failed    flaky  exit status 1; attempt 3 in [TIME]
[0/2] started   flaky  attempt 3
[1/2] done      flaky  [TIME]
[1/2] started   after  it declares no output
[2/2] done      after  [TIME]

"#]]);
    assert_eq!(project.lines("ran"), ["attempt 1", "attempt 2", "attempt 3", "after 7"]);
    project.run("status").shows(str![[r#"
exit 0
--- out
run 1 of pipeline: succeeded
began [TIME] UTC, [TIME]
2 succeeded

  flaky  1 succeeded
  after  1 succeeded

"#]]);
    project.run("log flaky --attempt 2").shows(str![[r#"
exit 0
--- out
no luck

"#]]);
    project.run("run --output json").exits(0);
    assert_eq!(project.lines("ran").len(), 5, "what succeeded at last is in the cache");
}

#[test]
fn all_attempts_fail() {
    let project = Project::new(
        "[task.bad]\ncommand = 'echo {{ attempt }} >> ran; echo \"no luck\" >&2; exit 3'\nretry = { attempts = 2 }\n",
    );
    project.run("run --events events.jsonl").shows(str![[r#"
exit 1
--- out
failed bad
  exit status 3 (attempt 2)
  | no luck
  log: flowrun log bad --run 1

run 1: 1 failed in [TIME]
failed bad: exit status 3 (attempt 2): no luck
--- err
[0/1] started   bad  it declares no output
[0/1] failed    bad  exit status 3; attempt 2 at once
[0/1] started   bad  attempt 2
[1/1] failed    bad  exit status 3
nothing new starts: `bad` failed

"#]]);
    assert_eq!(project.lines("ran"), ["1", "2"]);
    let events: Vec<serde_json::Value> =
        project.lines("events.jsonl").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = events.iter().map(|e| (e["event"].as_str().unwrap(), e["attempt"].as_u64())).collect();
    assert_eq!(
        told,
        [
            ("begun", None),
            ("submitted", Some(1)),
            ("started", Some(1)),
            ("ended", Some(1)),
            ("delayed", None),
            ("submitted", Some(2)),
            ("started", Some(2)),
            ("ended", Some(2)),
            ("stopping", None),
            ("finished", None),
            ("end", None),
        ]
    );
    let said = project.run("run --output json");
    let failure = &said.exits(1).json()["failures"][0];
    assert_eq!((&failure["attempt"], &failure["exit"]), (&2.into(), &3.into()), "{failure:#}");
    // The user tries again what had failed for good: it has all its attempts.
    project.run("resume").exits(1);
    assert_eq!(project.lines("ran"), ["1", "2", "1", "2", "3", "4"]);
}

#[test]
fn only_the_causes_that_are_named() {
    let text = r#"
[task.bad]
command = 'echo ran >> ran; exit STATUS'
retry = { attempts = 3, on = ["exit:75", "signal"] }
"#;
    for (end, times) in [("75", 3), ("76", 1), ("$(kill -9 $$)", 3)] {
        let project = Project::new(&text.replace("STATUS", end));
        project.run("run").exits(1);
        assert_eq!(project.lines("ran").len(), times, "exit {end}");
    }
    // Left out: every cause but an output that is not what was declared.
    let text = r#"
[task.bad]
command = 'echo ran >> ran; WHAT'
outputs.x = "int"
retry = { attempts = 2 }
"#;
    for (what, times) in [("true", 2), (r#"echo "x=many" >> "$FLOWRUN_OUTPUT""#, 1)] {
        let project = Project::new(&text.replace("WHAT", what));
        project.run("run").exits(1);
        assert_eq!(project.lines("ran").len(), times, "{what}");
    }
}

#[test]
fn time_doubles_until_it_is_enough() {
    let project = Project::new(
        r#"
[task.slow]
command = '''
echo "{{ resources.time }}" >> ran
test {{ attempt }} -ge 4 || sleep 600
'''
resources.time = "1s"
[task.slow.retry]
attempts = 4
on = ["timeout"]
on_timeout = { time = "x2" }
cap.time = "3s"
"#,
    );
    project.run("run").exits(0);
    assert_eq!(project.lines("ran"), ["1", "2", "3", "3"]);
}

#[test]
fn resources_may_be_computed_from_the_attempt() {
    let project = Project::new(
        r#"
[task.t]
command = 'echo "{{ resources.memory }}" >> ran; test {{ attempt }} -ge 2'
resources.memory = "{{ attempt * 1000000 }}"
retry = { attempts = 2 }
"#,
    );
    project.run("run").exits(0);
    assert_eq!(project.lines("ran"), ["1000000", "2000000"]);
}

/// Independent work: `aside` has not begun when `bad` fails, for `gate` waits until that stands in the journal.
const THREE: &str = r#"
[task.bad]
command = 'echo "no luck" >&2; exit 1'
outputs.x = "int"
on_error = "WHAT"
[task.needs]
command = 'echo needs {{ bad.x | default("nothing", true) }} >> ran'
[task.gate]
command = 'until grep -q "no luck\|exit status" .flowrun/runs/1/journal; do sleep 0.01; done'
[task.aside]
command = 'echo aside >> ran'
after = ["gate"]
[outputs]
x = "{{ bad.x }}"
"#;

#[test]
fn a_failure_stops_the_run() {
    let project = Project::new(&THREE.replace("WHAT", "fail"));
    told(&project.run("run -j 2")).shows(str![[r#"
exit 1
--- out
failed bad
  exit status 1
  | no luck
  log: flowrun log bad --run 1

run 1: 1 failed, 1 succeeded, 2 not run in [TIME]
failed bad: exit status 1: no luck

"#]]);
    assert_eq!(project.lines("ran"), [""; 0]);
}

#[test]
fn independent_work_goes_on() {
    let project = Project::new(&THREE.replace("WHAT", "continue"));
    told(&project.run("run -j 2")).shows(str![[r#"
exit 1
--- out
failed bad
  exit status 1
  | no luck
  log: flowrun log bad --run 1

run 1: 1 failed, 2 succeeded, 1 not run in [TIME]
failed bad: exit status 1: no luck

"#]]);
    assert_eq!(project.lines("ran"), ["aside"]);
}

#[test]
fn a_failure_is_let_be() {
    let project = Project::new(&THREE.replace("WHAT", "ignore"));
    told(&project.run("run -j 2")).shows(str![[r#"
exit 4
--- out
failed, as the file allows: bad
  exit status 1
  | no luck
  log: flowrun log bad --run 1

outputs
  x = null
run 1 finished with failures that it allows: 1 failed and allowed to, 3 succeeded in [TIME]

"#]]);
    assert_eq!(project.sorted_lines("ran"), ["aside", "needs nothing"]);
    project.run("status").exits(0).shows(str![[r#"
exit 0
--- out
run 1 of pipeline: succeeded
began [TIME] UTC, [TIME]
1 failed and allowed to, 3 succeeded

  bad    1 failed and allowed to
  needs  1 succeeded
  gate   1 succeeded
  aside  1 succeeded

failed, as the file allows: bad
  exit status 1
  | no luck
  log: flowrun log bad --run 1

"#]]);
    let said = project.run("run --output json");
    let json = said.exits(4).json();
    assert_eq!((&json["state"], &json["outputs"]["x"]), (&"succeeded".into(), &serde_json::Value::Null), "{json:#}");
    assert_eq!(json["counts"]["ignored"], 1, "{json:#}");
    assert_eq!(json["failures"][0]["ignored"], true, "{json:#}");
}

#[test]
fn a_list_that_cannot_be_made_is_let_be() {
    let project = Project::new(
        r#"
[task.make]
command = 'echo nothing'
outputs.list = { file = "list.txt" }
on_error = "ignore"
[map.each]
over = { lines = "{{ make.list | default('gone.txt', true) }}" }
on_error = "ignore"
[map.each.task.t]
command = 'echo {{ item }}'
outputs.x = "int"
[outputs]
all = "{{ each.t.x }}"
"#,
    );
    project.run("run").exits(4).shows(str![[r#"
exit 4
--- out
failed, as the file allows: each
  cannot read the list `gone.txt`: no such file or directory (pipeline.toml:7)

failed, as the file allows: make
  the output `list` was not written: `list.txt` is not there
  | nothing
  help: the command must write it to `{{ outputs.list }}`
  log: flowrun log make --run 1

outputs
  all = null
run 1 finished with failures that it allows: 1 map failed and allowed to, 1 failed and allowed to in [TIME]
--- err
[0/1] started   make
[1/1] failed    make  the output `list` was not written: `list.txt` is not there; the file allows it
[1/1] failed    each  cannot read the list `gone.txt`: no such file or directory (pipeline.toml:7); the file allows it

"#]]);
}

/// Items 1 and 3 of four fail.
const MAP: &str = r#"
[map.each]
over = { range = [0, 4] }
max_failures = LIMIT
[map.each.task.work]
command = 'echo work {{ item }} >> ran; test $(( {{ item }} % 2 )) = 0; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[map.each.task.second]
command = 'echo second {{ work.x }} >> ran; echo "y=1{{ work.x }}" >> "$FLOWRUN_OUTPUT"'
outputs.y = "int"
[task.report]
command = 'echo report {{ each.second.y | reject("none") }} >> ran'
REQUIRE
[outputs]
all = "{{ each.work.x }}"
"#;

fn map(limit: &str, require: &str) -> Project {
    Project::new(&MAP.replace("LIMIT", limit).replace("REQUIRE", require))
}

#[test]
fn so_many_items_may_fail() {
    let project = map("2", "");
    project.run("run -j 1").shows(str![[r#"
exit 4
--- out
failed, as the file allows: each[1].work, each[3].work
  exit status 1

outputs
  all = [0, null, 2, null]
run 1 finished with failures that it allows: 2 failed and allowed to, 5 succeeded, 2 not run in [TIME]
--- err
[0/9] listed    each  4 items
[0/9] started   each[0].work
[1/9] done      each[0].work  [TIME]
[1/9] started   each[1].work
[2/9] failed    each[1].work  exit status 1; the file allows it
[3/9] cancelled each[1].second
[3/9] started   each[2].work
[4/9] done      each[2].work  [TIME]
[4/9] started   each[3].work
[5/9] failed    each[3].work  exit status 1; the file allows it
[6/9] cancelled each[3].second
[6/9] started   each[0].second
[7/9] done      each[0].second  [TIME]
[7/9] started   each[2].second
[8/9] done      each[2].second  [TIME]
[8/9] started   report  it declares no output
[9/9] done      report  [TIME]

"#]]);
    let expected = ["report 10 12", "second 0", "second 2", "work 0", "work 1", "work 2", "work 3"];
    assert_eq!(project.sorted_lines("ran"), expected);
    map("\"50%\"", "").run("run -j 1").exits(4);
}

#[test]
fn more_items_fail_than_may() {
    let project = map("1", "");
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed each[3].work
  exit status 1

failed, as the file allows: each[1].work
  exit status 1

run 1: 1 failed, 1 failed and allowed to, 2 succeeded, 5 not run in [TIME]
failed each[3].work: exit status 1
--- err
[0/9] listed    each  4 items
[0/9] started   each[0].work
[1/9] done      each[0].work  [TIME]
[1/9] started   each[1].work
[2/9] failed    each[1].work  exit status 1; the file allows it
[3/9] cancelled each[1].second
[3/9] started   each[2].work
[4/9] done      each[2].work  [TIME]
[4/9] started   each[3].work
[5/9] failed    each[3].work  exit status 1
nothing new starts: `each[3].work` failed, and `max_failures` lets no more than 1 of the 4 items of `each` fail
[9/9] cancelled report
[9/9] cancelled each.second  3 instances

"#]]);
    assert!(!project.lines("ran").iter().any(|line| line.starts_with("report")));
    map("\"49%\"", "").run("run -j 1").exits(1);
    map("0", "").run("run -j 1").exits(1);
}

#[test]
fn over_the_limit_independent_work_may_go_on() {
    let project = map("1", "");
    project.edit("pipeline.toml", "max_failures = 1\n", "max_failures = 1\non_error = \"continue\"\n");
    let json = project.run("run -j 1 --output json").exits(1).json();
    let expected = ["second 0", "second 2", "work 0", "work 1", "work 2", "work 3"];
    assert_eq!(project.sorted_lines("ran"), expected);
    assert_eq!((&json["counts"]["failed"], &json["counts"]["ignored"]), (&1.into(), &1.into()), "{json:#}");
}

#[test]
fn a_consumer_may_require_more_than_the_map_allows() {
    let project = map("2", "require = \"all\"");
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed, as the file allows: each[1].work, each[3].work
  exit status 1

failed report
  it requires all items of `each`, and 2 of 4 items ended well

run 1: 1 failed, 2 failed and allowed to, 4 succeeded, 2 not run in [TIME]
failed report: it requires all items of `each`, and 2 of 4 items ended well
--- err
[0/9] listed    each  4 items
[0/9] started   each[0].work
[1/9] done      each[0].work  [TIME]
[1/9] started   each[1].work
[2/9] failed    each[1].work  exit status 1; the file allows it
[3/9] cancelled each[1].second
[3/9] started   each[2].work
[4/9] done      each[2].work  [TIME]
[4/9] started   each[3].work
[5/9] failed    each[3].work  exit status 1; the file allows it
[6/9] cancelled each[3].second
[6/9] started   each[0].second
[7/9] done      each[0].second  [TIME]
[7/9] started   each[2].second
[8/9] done      each[2].second  [TIME]
[9/9] failed    report  it requires all items of `each`, and 2 of 4 items ended well
nothing new starts: `report` failed

"#]]);
    assert!(!project.lines("ran").iter().any(|line| line.starts_with("report")));
    map("2", "require = \"51%\"").run("run -j 1").exits(1);
    map("2", "require = \"50%\"").run("run -j 1").exits(4);
}

#[test]
fn a_consumer_may_be_content_with_less() {
    let project = map("0", "require = \"any\"");
    project.run("run -j 1 --keep-going").exits(1);
    assert!(project.lines("ran").contains(&"report 10 12".to_owned()));
}

#[test]
fn a_shorthand_has_its_limit_too() {
    let project = Project::new(
        r#"
[task.each]
over = ["a", "b", "c"]
as = "letter"
key = "{{ letter }}"
max_failures = 1
retry = { attempts = 2 }
command = 'echo {{ letter }} >> ran; test {{ letter }} != b; echo "x={{ letter }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[outputs]
all = "{{ each.x }}"
"#,
    );
    project.run("run -j 1").shows(str![[r#"
exit 4
--- out
failed, as the file allows: each[b]
  exit status 1 (attempt 2)

outputs
  all = ["a", null, "c"]
run 1 finished with failures that it allows: 1 failed and allowed to, 2 succeeded in [TIME]
--- err
[0/3] listed    each  3 items
[0/3] started   each[a]
[1/3] done      each[a]  [TIME]
[1/3] started   each[b]
[1/3] failed    each[b]  exit status 1; attempt 2 at once
[1/3] started   each[c]
[2/3] done      each[c]  [TIME]
[2/3] started   each[b]  attempt 2
[3/3] failed    each[b]  exit status 1; the file allows it

"#]]);
    assert_eq!(project.sorted_lines("ran"), ["a", "b", "b", "c"]);
}

#[test]
fn failures_are_counted_across_a_kill() {
    let project = Project::new(
        r#"
[task.bad]
command = 'echo {{ attempt }} >> ran; exit 1'
retry = { attempts = 3, backoff = "1h" }
[task.aside]
command = 'sleep 600'
"#,
    );
    // A failure waits for an hour. Who is killed and goes on waits no longer, and remembers the failure.
    let delayed = || {
        let delayed = |text: &str| text.lines().filter(|line| line.contains("delayed")).count();
        project.lines("ran").len() == delayed(&project.read(".flowrun/runs/1/journal"))
    };
    for attempt in 1..=2 {
        let live = project.start("run -j 2");
        common::until(|| project.lines("ran").len() == attempt && delayed(), "the next attempt waits");
        let status = project.run("status --output json").exits(0).json();
        let (next, message) = (&status["delayed"][0]["attempt"], &status["delayed"][0]["message"]);
        assert_eq!((next, message), (&(attempt + 1).into(), &"exit status 1".into()), "{status:#}");
        live.signal("KILL");
        live.wait();
    }
    let live = project.start("run -j 2");
    // The third failure is the last: nothing new starts, and `aside` is all that is left.
    project.wait_for(".flowrun/runs/1/journal", |text| text.contains("stopping"));
    live.signal("INT");
    live.wait().exits(130);
    assert_eq!(project.lines("ran"), ["1", "2", "3"]);
}

#[test]
fn what_took_long_in_an_earlier_run_begins_first() {
    let project = Project::new(
        r#"
[task.short]
command = "echo short >> order"
[task.long]
command = "echo long >> order"
"#,
    );
    project.run("run -j 1").exits(0);
    assert_eq!(project.lines("order"), ["short", "long"]);
    let learnt: serde_json::Value = serde_json::from_str(&project.read(".flowrun/times")).unwrap();
    assert!(learnt["pipeline"]["short"].as_u64() > Some(0) && learnt["pipeline"]["long"].as_u64() > Some(0));
    project.write(".flowrun/times", r#"{"pipeline": {"short": 900000, "long": 1100000}}"#);
    project.run("run -j 1").exits(0);
    assert_eq!(project.lines("order")[2..], ["long", "short"]);
    // What was learnt may be lost, or be nonsense.
    project.write(".flowrun/times", "[");
    project.run("run -j 1").exits(0);
    assert_eq!(project.lines("order")[4..], ["short", "long"]);
}
