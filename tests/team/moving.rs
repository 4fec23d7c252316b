//! A project that is moved or copied keeps everything that it had.

use crate::common::Project;
use serde_json::Value;
use snapbox::str;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Reads a file and a script of its own, makes a file and a folder; each task appends its name to `ran`.
const CHAIN: &str = r#"
[pipeline]
name = "chain"

[task.count]
command = 'echo count >> ran; sh scripts/count.sh {{ inputs.words }} > {{ outputs.table }}'
inputs.words = "data/words.txt"
outputs.table = { file = "out/table.txt" }

[task.split]
command = 'echo split >> ran; split -l 1 {{ count.table }} {{ outputs.parts }}/p'
outputs.parts = { dir = "out/parts" }

[task.number]
command = 'echo number >> ran; echo "n=$(ls {{ split.parts }} | wc -l)" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"

[outputs]
n = "{{ number.n }}"
"#;

fn chain() -> Project {
    let project = Project::new(CHAIN);
    project.write("data/words.txt", "b\na\nb\n").write("scripts/count.sh", "sort \"$1\" | uniq -c\n");
    project
}

/// Another folder that will be the project's copy.
fn copied(project: &Project, words: &[&str]) -> Project {
    let copy = Project::empty();
    let fill =
        |word: &str| word.replace("FROM", project.dir().to_str().unwrap()).replace("TO", copy.dir().to_str().unwrap());
    let status = Command::new(words[0]).args(words[1..].iter().map(|word| fill(word))).status().unwrap();
    assert!(status.success(), "{words:?}");
    copy
}

fn counts(json: &Value) -> (u64, u64, u64) {
    let count = |name: &str| json["counts"][name].as_u64().unwrap();
    (json["run"].as_u64().unwrap(), count("succeeded"), count("cached"))
}

fn run(project: &Project) -> (u64, u64, u64) {
    let json = project.run("run --output json").exits(0).json();
    assert_eq!(json["outputs"]["n"], 2);
    counts(&json)
}

#[test]
fn a_project_that_is_moved_keeps_every_hit() {
    let project = chain();
    assert_eq!(run(&project), (1, 3, 0));
    let elsewhere = Project::empty();
    let moved = elsewhere.path("a new home");
    std::fs::rename(project.dir(), &moved).unwrap();
    let mut command = elsewhere.command(["run", "--output", "json"]);
    let json = elsewhere.said(command.current_dir(&moved)).exits(0).json();
    assert_eq!(counts(&json), (2, 0, 3));
    let text = std::fs::read_to_string(moved.join("ran")).unwrap();
    assert_eq!(text, "count\nsplit\nnumber\n");
    // Every run that it ever had is still its own.
    let runs = elsewhere.said(elsewhere.command(["runs", "--output", "json"]).current_dir(&moved)).exits(0).json();
    let numbers: Vec<u64> = runs["runs"].as_array().unwrap().iter().map(|run| run["run"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 1]);
    std::fs::create_dir(project.dir()).unwrap();
}

#[test]
fn a_copy_is_complete_however_it_was_made() {
    let project = chain();
    assert_eq!(run(&project), (1, 3, 0));
    let ways: [&[&str]; 4] = [
        &["cp", "-a", "FROM/.", "TO"],
        &["cp", "-r", "FROM/.", "TO"],
        &["sh", "-c", "tar -C FROM -cf - . | tar -C TO -xf -"],
        // Every time stamp another one, every file another inode.
        &["sh", "-c", "cp -r FROM/. TO && find TO -exec touch -d 2001-02-03 {} +"],
    ];
    for way in ways {
        let copy = copied(&project, way);
        assert_eq!(run(&copy), (2, 0, 3), "{way:?}");
        assert_eq!(copy.lines("ran").len(), 3);
        // And what is needed anew is made from what was copied.
        copy.write("data/words.txt", "b\na\nb\nc\n").run("run").exits(0);
        assert_eq!(copy.lines("ran").len(), 6);
    }
    assert_eq!(run(&project), (2, 0, 3));
}

/// The copy of a project in which a run is at work, or was killed, is a project in which a run was interrupted.
#[test]
fn a_copy_of_a_live_run_goes_on_by_itself() {
    let project = chain();
    let slow = "split -l 1 {{ count.table }} {{ outputs.parts }}/p; until ls | grep -q ^go; do sleep 0.02; done";
    project.edit("pipeline.toml", "split -l 1 {{ count.table }} {{ outputs.parts }}/p", slow);
    let live = project.start("run --output json");
    project.wait_for("ran", |text| text.contains("split"));
    let copy = copied(&project, &["cp", "-a", "FROM/.", "TO"]);
    // Nobody is at work in the copy, though the original's driver lives.
    copy.run("status").shows(str![[r#"
exit 0
--- out
run 1 of chain: interrupted
began [TIME] UTC, [TIME]
1 succeeded, 2 waiting

  count   1 succeeded
  split   1 waiting
  number  1 waiting

`flowrun resume` goes on where it stopped, and so does the same command

"#]]);
    // Neither has anybody in it the right to a key: one with another text begins a new run.
    let other = copied(&project, &["cp", "-a", "FROM/.", "TO"]);
    other.edit("pipeline.toml", "[outputs]", "# A remark.\n[outputs]").write("go", "");
    assert_eq!(run(&other), (2, 2, 1));
    copy.write("go", "");
    // What had ended is done; what was cut off runs again; the number goes on.
    assert_eq!(run(&copy), (1, 3, 0));
    assert_eq!(copy.lines("ran"), ["count", "split", "split", "number"]);
    // The original does not know of it.
    project.write("go", "");
    let json = live.wait().exits(0).json();
    assert_eq!(counts(&json), (1, 3, 0));
    assert_eq!(project.lines("ran"), ["count", "split", "number"]);
    assert_eq!((run(&project), run(&copy)), ((2, 0, 3), (2, 0, 3)));
    assert_eq!(out(&project), out(&copy));
}

fn out(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    crate::common::contents(&project.path(Path::new("out")))
}
