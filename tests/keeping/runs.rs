//! `runs rm` and `runs --all`.

use crate::common;
use crate::common::{Project, Said, signal};
use crate::{At, LETTERS, STORE, ann, cached, command, ran, shows_but_sizes, shows_text, start};
use serde_json::{Value, json};
use snapbox::str;

pub fn runs_go_by_number_age_and_count_and_logs_alone(at: &At<'_>) {
    let project = at.letters();
    for mark in ["1", "2", "3", "4"] {
        ann(&project, &format!("run -p mark={mark}")).exits(0);
    }
    shows_but_sizes(
        &ann(&project, "runs rm --keep-last 2 --dry-run"),
        str![[r#"
exit 0
--- out
run 1 of pipeline.toml, began [TIME] UTC: [SIZE]
run 2 of pipeline.toml, began [TIME] UTC: [SIZE]
would remove 2 of 4 runs; [SIZE] would be free

"#]],
    );
    assert!(project.path(".flowrun/runs/1/journal").exists());
    shows_but_sizes(
        &ann(&project, "runs rm 2"),
        str![[r#"
exit 0
--- out
run 2 of pipeline.toml, began [TIME] UTC: [SIZE]
removed 1 of 4 runs; [SIZE] are free

"#]],
    );
    assert!(!project.path(".flowrun/runs/2").exists());
    let json = ann(&project, "runs --output json").exits(0).json();
    let left: Vec<&Value> = json["runs"].as_array().unwrap().iter().map(|run| &run["run"]).collect();
    assert_eq!(left, [4, 3, 1]);
    ann(&project, "runs rm 2").shows(str![[r#"
exit 2
--- err
error: there is no run 2 here
  help: `flowrun runs` lists them

"#]]);
    project.write(".flowrun/runs/3/logs/0.out", "much");
    shows_but_sizes(
        &ann(&project, "runs rm 3 --logs"),
        str![[r#"
exit 0
--- out
run 3 of pipeline.toml, began [TIME] UTC: [SIZE]
removed the logs of 1 of 3 runs; [SIZE] are free

"#]],
    );
    ann(&project, "log join --run 3").shows(str![[r#"
exit 2
--- err
error: the logs of run 3 were removed
  help: `flowrun runs rm --logs` lets the logs go and keeps the rest of a run

"#]]);
    ann(&project, "status 3").exits(0);
    at.age(&project, 40);
    ann(&project, "run").exits(0);
    shows_but_sizes(
        &ann(&project, "runs rm --older-than 30d --keep-last 2"),
        str![[r#"
exit 0
--- out
run 1 of pipeline.toml, began [TIME] UTC: [SIZE]
run 3 of pipeline.toml, began [TIME] UTC: [SIZE]
removed 2 of 4 runs; [SIZE] are free

"#]],
    );
    shows_but_sizes(
        &ann(&project, "runs rm --max-size 0B"),
        str![[r#"
exit 0
--- out
run 4 of pipeline.toml, began [TIME] UTC: [SIZE]
run 5 of pipeline.toml, began [TIME] UTC: [SIZE]
removed 2 of 2 runs; [SIZE] are free

"#]],
    );
    ann(&project, "runs").shows(str![[r#"
exit 0
--- out
no runs yet

"#]]);
    // Numbers are not given again, and what is cached has stayed.
    let (which, json) = ran(&project, "run --output json");
    assert_eq!((which, &json["run"]), (vec![], &json!(6)));
    ann(&project, "runs rm").shows(str![[r#"
exit 2
--- err
error: which runs?
  help: name their numbers, or give `--older-than`, `--keep-last` or `--max-size`

"#]]);
    ann(&project, "runs rm one").shows(str![[r#"
exit 2
--- err
error: `one` is neither a pipeline file nor the number of a run
  help: a pipeline ends in `.toml` or holds a `/`; `flowrun runs` lists the runs

"#]]);
}

/// A task that waits for a file, beside two that are done.
const WAITS: &str = r#"
[pipeline]
name = "waits"

[task.one]
command = 'echo one >> ran; echo one > {{ outputs.file }}'
outputs.file = { file = "first" }

[task.waits]
command = 'cat {{ one.file }}; while [ ! -e go ]; do sleep 0.02; done; echo two > {{ outputs.file }}'
outputs.file = { file = "second" }
"#;

pub fn a_run_at_work_keeps_what_it_needs(at: &At<'_>) {
    let project = at.project(WAITS);
    project.write("letters.toml", LETTERS);
    project.write("letters.json", r#"["a"]"#);
    ann(&project, "run letters.toml").exits(0);
    let live = start(&project, "run --artifacts .flowrun/artifacts");
    let running = || {
        let status = ann(&project, "status --output json");
        status.code == 0 && status.json()["counts"]["running"] == 1 && status.json()["counts"]["succeeded"] == 1
    };
    common::until(running, "the second task is at work");
    common::until(|| cached(&project).iter().any(|(name, _)| name == "one"), "the first result is recorded");
    ann(&project, "cache gc --older-than 0s").shows(str![[r#"
exit 0
--- out
each[a].shout: last used too long ago
join: last used too long ago
list: last used too long ago
run 2 of process [PID] on host [HOST] is at work: what `waits` has is kept
removed 3 of 4 results, 1 of 2 objects; 2 B are free, 4 B of objects stay

"#]]);
    assert_eq!(cached(&project), [("one".to_owned(), 1)]);
    ann(&project, "runs rm 2").shows(str![[r#"
exit 75
--- err
error: run 2 of process [PID] on host [HOST] is at work
  help: what it has can be removed when it has ended

"#]]);
    shows_but_sizes(
        &ann(&project, "runs rm --keep-last 0"),
        str![[r#"
exit 0
--- out
run 1 of letters.toml, began [TIME] UTC: [SIZE]
run 2 of process [PID] on host [HOST] is at work: it stays
removed 1 of 2 runs; [SIZE] are free

"#]],
    );
    let all = ann(&project, "runs --all --output json").exits(0).json();
    assert_eq!((&all["runs"][0]["state"], &all["runs"][0]["counts"]["running"]), (&json!("running"), &json!(1)));
    project.write("go", "");
    live.wait().exits(0);
    ann(&project, "cache verify").exits(0);
}

pub fn what_an_interrupted_run_had_done_is_not_lost(at: &At<'_>) {
    let project = at.project(WAITS);
    let live = start(&project, "run");
    let running = || {
        let status = ann(&project, "status --output json");
        status.code == 0 && status.json()["counts"]["running"] == 1 && status.json()["counts"]["succeeded"] == 1
    };
    common::until(running, "the second task is at work");
    signal(live.pid(), "KILL");
    drop(live);
    // What had not reached the store when it died.
    at.sql(&project, "DELETE FROM cache");
    ann(&project, "runs rm --keep-last 0").shows(str![[r#"
exit 0
--- out
run 1 was interrupted and would be continued: it stays unless it is named
removed 0 of 1 run; 0 B are free

"#]]);
    shows_but_sizes(
        &ann(&project, "runs rm 1"),
        str![[r#"
exit 0
--- out
run 1 of pipeline.toml, began [TIME] UTC: [SIZE]
what 1 interrupted run had finished is in the cache
removed 1 of 1 run; [SIZE] are free

"#]],
    );
    project.write("go", "");
    let json = ann(&project, "run --output json").exits(0).json();
    assert_eq!((&json["run"], &json["counts"]["cached"]), (&json!(2), &json!(1)));
    assert_eq!(project.lines("ran"), ["one"]);
}

/// Puts projects on one store, where the story has no server.
fn together(projects: &[&Project]) {
    for project in projects.iter().filter(|project| !project.path(STORE).exists()) {
        project.write(STORE, projects[0].path("team.db").to_str().unwrap());
    }
}

fn ask(project: &Project, user: &str, line: &str) -> Said {
    project.said(command(project, line.split(' ')).env("USER", user))
}

fn folder(project: &Project) -> String {
    project.dir().canonicalize().unwrap().display().to_string()
}

pub fn the_runs_of_every_project_of_a_store(at: &At<'_>) {
    let (one, two) = (at.letters(), at.project("[task.no]\ncommand = 'false'\n"));
    together(&[&one, &two]);
    ask(&one, "ann", "run").exits(0);
    ask(&two, "bob", "run").exits(1);
    let json = ask(&one, "ann", "runs --all --output json").exits(0).json();
    let told = |run: &Value| {
        let text = |name: &str| run[name].as_str().unwrap().to_owned();
        (run["run"].as_u64().unwrap(), text("pipeline"), text("user"), text("state"), text("project"))
    };
    let runs: Vec<_> = json["runs"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        runs,
        [
            (2, "pipeline".into(), "bob".into(), "failed".into(), folder(&two)),
            (1, "letters".into(), "ann".into(), "succeeded".into(), folder(&one)),
        ]
    );
    assert_eq!(json["runs"][1]["counts"]["succeeded"], 5);
    let text = ask(&two, "bob", "runs --all").exits(0).text();
    for part in ["  ann ", "  bob ", "letters ", "1 failed", "5 succeeded", "[PROJECT]/pipeline.toml"] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
    // Who looks for the other's results finds them.
    let listed = |line: &str| ask(&two, "bob", line).exits(0).json()["entries"].as_array().unwrap().len();
    let of_one = format!("cache ls --output json --project {}", folder(&one));
    assert_eq!((listed("cache ls --all --output json"), listed(&of_one)), (5, 5));
    assert_eq!(listed("cache ls --output json --project ."), 0);
    assert_eq!(listed(&format!("{of_one} --min-size 2B")), 3);
    assert_eq!((listed(&format!("{of_one} --older-than 1h")), listed(&format!("{of_one} --newer-than 1h"))), (0, 5));
    // Each has only its own runs else, and `rm` and `gc` leave the other's alone.
    assert_eq!(ask(&two, "bob", "runs --output json").json()["runs"].as_array().unwrap().len(), 1);
    ask(&two, "bob", "runs rm --keep-last 0").exits(0);
    for limit in ["--unreachable", "--older-than 0s", "--max-size 0B"] {
        ask(&two, "bob", &format!("cache gc {limit}")).exits(0);
    }
    assert_eq!(ask(&one, "ann", "runs --output json").json()["runs"].as_array().unwrap().len(), 1);
    assert_eq!(ask(&one, "ann", "cache ls --output json").json()["entries"].as_array().unwrap().len(), 5);
    ask(&one, "ann", "cache verify").exits(0);
    ask(&two, "bob", "cache verify").exits(0);
    ask(&one, "ann", "runs --all pipeline.toml").shows(str![[r#"
exit 2
--- err
error: `--all` is of every pipeline
  help: leave the pipeline out

"#]]);
}

pub fn what_a_run_of_another_project_may_need_stays(at: &At<'_>) {
    let (ann, eve) = (at.project(WAITS), at.project(WAITS));
    together(&[&ann, &eve]);
    ann.write("go", "");
    ask(&ann, "ann", "run").exits(0);
    eve.edit("pipeline.toml", "echo two", "echo three");
    let live = start(&eve, "run");
    let seen = || {
        let run = ask(&ann, "ann", "runs --all --output json").exits(0).json()["runs"][0].clone();
        (run["state"].as_str().unwrap().to_owned(), run["counts"]["running"].as_u64())
    };
    common::until(|| seen() == ("running".into(), Some(1)), "the run is seen at work");
    let user = ask(&ann, "ann", "runs --all --output json").json()["runs"][0]["user"].as_str().unwrap().to_owned();
    let text = ask(&ann, "ann", "cache gc --older-than 0s").text();
    shows_text(
        text.replace(&format!("`{user}`"), "`eve`"),
        str![[r#"
exit 0
--- out
run 2 of `eve` on host [HOST] is at work: what `waits` has is kept
removed 0 of 2 results, 0 of 0 objects; 0 B are free, 0 B of objects stay

"#]],
    );
    signal(live.pid(), "KILL");
    drop(live);
    common::until(|| seen() == ("interrupted".into(), Some(0)), "the run is seen dead");
    let json = ask(&ann, "ann", "cache gc --older-than 0s --output json").exits(0).json();
    assert_eq!(json["entries"].as_array().unwrap().len(), 2, "{json:#}");
}
