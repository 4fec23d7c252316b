//! Stores that are lost, damaged or gone: the journals of the runs are the truth, and nothing of them runs again.

use crate::common::Project;
use snapbox::str;
use std::path::Path;

/// Three steps; the last one waits for a file `go`. Each appends its name to `ran`.
const STEPS: &str = r#"
[task.one]
command = 'echo one >> ran; echo "x=1" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"

[task.two]
command = 'echo two >> ran; echo {{ one.x }} > {{ outputs.file }}'
outputs.file = { file = "two.txt" }

[task.three]
command = 'echo three >> ran; until ls | grep -q ^go; do sleep 0.02; done; cat {{ two.file }}; echo "x=3" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
"#;

fn store_files(project: &Project) -> Vec<std::path::PathBuf> {
    ["store.db", "store.db-wal", "store.db-shm"]
        .iter()
        .map(|name| project.path(Path::new(".flowrun").join(name)))
        .collect()
}

/// A finished run, a failed one and one that was killed; the text of the first and the last is the same.
fn with_a_past() -> Project {
    let project = Project::new(STEPS);
    project.write("go", "").run("run").exits(0);
    project.edit("pipeline.toml", "echo one >> ran;", "echo one >> ran; false;");
    project.run("run one").exits(1);
    project.edit("pipeline.toml", "false; echo \"x=1\"", "echo \"x=2\"");
    std::fs::remove_file(project.path("go")).unwrap();
    let live = project.start("run");
    project.wait_for("ran", |text| text.matches("three").count() == 2);
    live.signal("KILL");
    live.wait();
    project.write("go", "");
    project
}

#[test]
fn a_store_that_is_lost_is_made_again_from_the_journals() {
    let whole = with_a_past();
    let lost = with_a_past();
    store_files(&lost).iter().for_each(|path| drop(std::fs::remove_file(path)));
    // The killed run goes on, with its number; what had ended in it is done.
    lost.run("run").shows(str![[r#"
exit 0
--- out
run 3 succeeded: 3 succeeded in [TIME]
--- err
the store knew no run of this project: 5 results of earlier runs came from their journals
continued by flowrun 0.1.0, process [PID] on [HOST]
[2/3] started   three  attempt 2
[3/3] done      three  [TIME]

"#]]);
    assert_eq!(lost.lines("ran"), ["one", "two", "three", "one", "one", "two", "three", "three"]);
    whole.run("run").exits(0);
    // Who made what, where and with what version is known, too.
    let origin = |project: &Project| -> Vec<String> {
        let text = project.run("cache show two").exits(0).text();
        text.lines().filter(|line| line.contains("made by") || line.contains("by flowrun")).map(String::from).collect()
    };
    assert_eq!((origin(&lost).len(), origin(&lost)), (2, origin(&whole)));
    // The list of runs is what it would have been.
    let plain = |project: &Project| project.run("runs --output json").exits(0).json();
    let (mut all, other) = (plain(&lost), plain(&whole));
    let times = ["began", "ended"];
    for (run, same) in all["runs"].as_array_mut().unwrap().iter_mut().zip(other["runs"].as_array().unwrap()) {
        for name in times {
            run[name] = same[name].clone();
        }
    }
    assert_eq!(all, other);
    // And the results of the finished run are hits.
    lost.write("pipeline.toml", STEPS).run("run --output json").shows(str![[r#"
exit 0
--- out
{"run": 4, "state": "succeeded", "outputs": {}, "counts": {"succeeded": 1, "cached": 2, "failed": 0, "ignored": 0, "skipped": 0, "cancelled": 0}, "wall_s": [TIME], "failures": []}
--- err
[1/3] cached    one
[1/3] started   two  output file changed
[2/3] done      two  [TIME]
[3/3] cached    three
run 4 succeeded: 1 succeeded, 2 cached in [TIME]

"#]]);
}

#[test]
fn a_damaged_store_says_how_to_go_on() {
    let project = with_a_past();
    let store = project.path(".flowrun/store.db");
    // Whatever is in the log is part of it.
    rusqlite::Connection::open(&store).unwrap().pragma_update(None, "journal_mode", "DELETE").unwrap();
    let mut bytes = std::fs::read(&store).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(&store, bytes).unwrap();
    project.run("run").shows(str![[r#"
exit 3
--- err
error: the store `.flowrun/store.db` is damaged
  help: move it away, with the `-wal` beside it: a new store is made, and what the runs of this project had finished is taken from their journals; or name another store with `--store`

"#]]);
    std::fs::rename(&store, project.path("store.damaged")).unwrap();
    project.run("run --output json").exits(0);
    assert_eq!(project.lines("ran").len(), 8);
}

#[test]
fn an_empty_store_is_a_new_one() {
    let project = with_a_past();
    store_files(&project).iter().for_each(|path| drop(std::fs::remove_file(path)));
    project.write(".flowrun/store.db", "");
    project.run("run").exits(0);
    assert_eq!(project.lines("ran").len(), 8);
}

#[test]
fn a_store_that_is_overwritten_during_a_run() {
    let project = Project::new(STEPS);
    let live = project.start("run");
    project.wait_for("ran", |text| text.contains("three"));
    for path in store_files(&project) {
        // Not a new file: the run has this one open.
        let length = path.metadata().map_or(0, |meta| meta.len());
        std::fs::write(&path, "letters".repeat(length as usize / 7 + 1)).unwrap();
    }
    project.write("go", "");
    live.wait().shows(str![[r#"
exit 3
--- err
[0/3] started   one
[1/3] done      one  [TIME]
[1/3] started   two
[2/3] done      two  [TIME]
[2/3] started   three
[3/3] done      three  [TIME]
results cannot be written to the store, and wait in the journal: the store `.flowrun/store.db` is not a database
error: the run is over; its results are safe in its journal, and the next run takes them from there: the store `.flowrun/store.db` is not a database
  help: move it away, with the `-wal` beside it: a new store is made, and what the runs of this project had finished is taken from their journals; or name another store with `--store`

"#]]);
    store_files(&project).iter().for_each(|path| drop(std::fs::remove_file(path)));
    project.run("run").shows(str![[r#"
exit 0
--- out
run 2 succeeded: 3 cached in [TIME]
--- err
the store knew no run of this project: 3 results of earlier runs came from their journals
[3/3] cached    one
[3/3] cached    two
[3/3] cached    three

"#]]);
    assert_eq!(project.lines("ran"), ["one", "two", "three"]);
}

#[test]
fn a_store_that_is_removed_during_a_run() {
    let project = Project::new(STEPS);
    let live = project.start("run");
    project.wait_for("ran", |text| text.contains("three"));
    store_files(&project).iter().for_each(|path| drop(std::fs::remove_file(path)));
    project.write("go", "");
    live.wait().exits(0);
    assert_eq!(project.run("run --output json").exits(0).json()["counts"]["cached"], 3);
    assert_eq!(project.lines("ran"), ["one", "two", "three"]);
}

/// A result of which it is not known what it was made from goes with its run, and no further; also when the run is
/// killed before the store has heard of it.
#[test]
fn a_doubtful_result_is_not_taken_from_a_journal() {
    let project = Project::new(
        r#"
[task.one]
command = 'cat {{ inputs.f }} > {{ outputs.g }}; echo one >> ran; until ls | grep -q ^go; do sleep 0.02; done'
inputs.f = "f"
outputs.g = { file = "g" }

[task.two]
command = 'echo two >> ran; cat {{ one.g }}; until ls | grep -q ^on; do sleep 0.02; done'
"#,
    );
    let live = project.write("f", "before").start("run");
    project.wait_for("ran", |text| text.contains("one"));
    project.write("f", "after!").write("go", "");
    project.wait_for("ran", |text| text.contains("two"));
    live.signal("KILL");
    live.wait();
    project.write("f", "before").write("on", "");
    // In its own run it is done.
    project.run("run").exits(0);
    assert_eq!(project.lines("ran"), ["one", "two", "two"]);
    assert_eq!(project.run("run --output json").exits(0).json()["counts"]["cached"], 0);
    assert_eq!(project.lines("ran"), ["one", "two", "two", "one", "two"]);
}
