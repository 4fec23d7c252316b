//! The artifact folder, through the binary: shared by projects and users, full, damaged, read-only, on another device.

use crate::common::{Live, Project, Said};
use serde_json::Value;
use snapbox::str;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file and a folder from a param; each task appends its name to `ran`.
const MADE: &str = r#"
[params.word]
type = "string"
default = "one"

[task.file]
command = 'echo file >> ran; for i in 1 2 3; do echo {{ params.word }} $i; done > {{ outputs.text }}'
outputs.text = { file = "out/text" }

[task.folder]
command = 'echo folder >> ran; cp {{ file.text }} {{ outputs.dir }}/a; mkdir {{ outputs.dir }}/b; echo two > {{ outputs.dir }}/b/c'
outputs.dir = { dir = "out/dir" }
"#;

/// A folder for a team: `art` and a store that several projects use.
fn team() -> Project {
    Project::empty()
}

fn words(team: &Project, words: &str) -> String {
    let at = team.dir().display();
    format!("run -j 1 --output json --store sqlite:{at}/team.db --artifacts {at}/art {words}")
}

fn counts(json: &Value) -> (u64, u64) {
    let count = |name: &str| json["counts"][name].as_u64().unwrap();
    (count("succeeded"), count("cached"))
}

/// Runs, and gives what succeeded and what was cached.
#[track_caller]
fn run(team: &Project, project: &Project) -> (u64, u64) {
    counts(&project.run(&words(team, "")).exits(0).json())
}

/// The objects, by name.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let all = crate::common::contents(folder).into_iter().map(|(path, _)| path);
    // Beside them stands who needs what.
    all.filter(|path| !["damaged", "users"].iter().any(|folder| path.starts_with(folder))).collect()
}

#[test]
fn a_project_takes_what_another_has_made() {
    let team = team();
    let (one, two) = (Project::new(MADE), Project::new(MADE));
    assert_eq!(run(&team, &one), (2, 0));
    assert_eq!(run(&team, &two), (0, 2));
    assert_eq!(two.lines("ran"), [""; 0]);
    assert_eq!(crate::common::contents(&one.path("out")), crate::common::contents(&two.path("out")));
    // What is handed out is a file of one's own: writing to it changes nobody else's.
    std::fs::write(two.path("out/text"), "mine").unwrap();
    assert_eq!(one.read("out/text"), "one 1\none 2\none 3\n");
    // An output that was changed, deleted or half deleted comes back.
    std::fs::remove_file(one.path("out/text")).unwrap();
    std::fs::remove_dir_all(one.path("out/dir/b")).unwrap();
    for project in [&one, &two] {
        assert_eq!(run(&team, project), (0, 2));
        assert_eq!(project.read("out/text"), "one 1\none 2\none 3\n");
        assert_eq!(project.read("out/dir/b/c"), "two\n");
    }
    assert_eq!((one.lines("ran"), two.lines("ran")), (vec!["file".into(), "folder".into()], vec![]));
}

#[test]
fn a_damaged_object_is_set_aside_and_made_again() {
    let team = team();
    let first = Project::new(MADE);
    assert_eq!(run(&team, &first), (2, 0));
    let (before, made) = (objects(&team.path("art")), crate::common::contents(&first.path("out")));
    assert_eq!(before.len(), 3, "{before:?}");
    for (count, object) in before.iter().enumerate() {
        let path = team.path("art").join(object);
        let mode = path.metadata().unwrap().permissions();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, mode).unwrap();
        // It is not handed out: the task that needs it runs, and what it makes takes the place.
        let (one, two) = (Project::new(MADE), Project::new(MADE));
        // The folder has a copy of the file, and is taken when the file's new object is there in time.
        let (ran, taken) = run(&team, &one);
        assert!(ran >= 1 && ran + taken == 2 && one.lines("ran").len() as u64 == ran, "{object:?}: {ran}, {taken}");
        assert_eq!((run(&team, &two), two.lines("ran").len()), ((0, 2), 0), "{object:?}");
        for project in [&one, &two] {
            assert_eq!(crate::common::contents(&project.path("out")), made);
        }
        assert_eq!(objects(&team.path("art")), before);
        assert_eq!(std::fs::read_dir(team.path("art/damaged")).unwrap().count(), count + 1);
    }
}

#[test]
fn two_writers_of_one_object() {
    let team = team();
    // Each has a store of its own, so that neither knows of the other; both write the same bytes at the same time.
    let pipeline = MADE.replace("echo file >> ran;", "echo file >> ran; until ls ..| grep -q go; do sleep 0.01; done;");
    let projects: Vec<Project> = (0..4).map(|_| Project::new(&pipeline)).collect();
    let outside = |project: &Project| std::fs::canonicalize(project.path("..")).unwrap();
    let art = team.path("art");
    let live: Vec<Live> = projects
        .iter()
        .map(|project| project.start(&format!("run --output json --artifacts {}", art.display())))
        .collect();
    projects.iter().for_each(|project| project.wait_for("ran", |text| text.contains("file")));
    let go = tempfile::Builder::new().prefix("go").tempfile_in(outside(&projects[0])).unwrap();
    for run in live {
        let said = run.wait();
        assert_eq!((counts(&said.exits(0).json()), said.err.is_empty()), ((2, 0), false), "{}", said.text());
    }
    drop(go);
    let names = objects(&art);
    assert_eq!(names.len(), 3, "{names:?}");
    // Whole, each: every output comes back from it.
    for project in &projects {
        std::fs::remove_dir_all(project.path("out")).unwrap();
        let json = project.run(&format!("run --output json --artifacts {}", art.display())).exits(0).json();
        assert_eq!(counts(&json), (0, 2));
    }
}

/// Many tasks, each with a file of its own.
const MANY: &str = r#"
[task.many]
over = { range = [0, 20] }
command = 'echo {{ item }} >> ran; head -c 100000 /dev/zero | tr "\0" "$(printf "\\$(printf %03o $((65 + {{ item }})))")" > {{ outputs.f }}'
outputs.f = { file = "out/{{ item }}" }
"#;

/// What was noted: the lines that are no event of an instance.
fn notes(said: &Said) -> String {
    let text = said.text();
    let (_, err) = text.split_once("--- err\n").unwrap_or_default();
    let event = |line: &&str| !line.starts_with('[') && !line.starts_with("run ") && !line.is_empty();
    err.lines().filter(event).map(|line| format!("{line}\n")).collect()
}

/// A user without rights, as whom root runs flowrun; the group is of the team.
const USERS: [u32; 2] = [61001, 61002];
const GROUP: u32 = 61000;

/// `flowrun` as a user of the team, from a copy of the binary in the project, which everybody reaches.
fn as_user(project: &Project, user: u32, umask: &str, line: &str) -> Command {
    let program = project.path("flowrun");
    // Not by ourselves: a child of another test may be started while we have it open.
    let copied = Command::new("cp").arg("-f").arg(env!("CARGO_BIN_EXE_flowrun")).arg(&program).status();
    assert!(copied.unwrap().success());
    let plain = project.command([""; 0]);
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={user}"), format!("--groups={GROUP}")]);
    command.args(["sh", "-c", &format!("umask {umask}; exec \"$0\" {line}")]).arg(program);
    command.current_dir(project.dir()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

fn give(path: &Path, user: u32, group: u32, mode: u32) {
    std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

mod needs_mount {
    use super::*;

    /// Shell lines in a mount namespace of their own, where `small` is a file system of 512 KiB.
    fn beside_a_small_disk(project: &Project, lines: &str) -> Said {
        std::fs::create_dir(project.path("small")).unwrap();
        let shell = format!("mount -t tmpfs -o size=512k none small\n{lines}");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &shell]).current_dir(project.dir());
        command.env("FLOWRUN", env!("CARGO_BIN_EXE_flowrun")).env("HOME", project.dir()).env_remove("FLOWRUN_STORE");
        project.said(&mut command)
    }

    #[test]
    #[ignore = "needs mount"]
    fn a_full_disk_keeps_no_more_and_breaks_nothing() {
        let project = Project::new(MANY);
        let said = beside_a_small_disk(
            &project,
            "$FLOWRUN run -j 2 --artifacts small/art; find small/art -name '.flowrun*'; rm out/*\n\
             $FLOWRUN run -j 2 --artifacts small/art --output json 2>/dev/null; ls out | wc -l\n",
        );
        // Once, though it is so for most of the twenty.
        let note = "outputs are not kept in `small/art`: there is no space left; free some space there\n";
        assert_eq!(notes(&said), note);
        let lines: Vec<&str> = said.out().lines().collect();
        let [first, second, files] = lines[..] else { panic!("{}", said.text()) };
        assert!(first.starts_with("run 1 succeeded: 20 succeeded in "), "{first}");
        assert_eq!(files, "20");
        // What had found room comes back, the rest is made again.
        let (made, cached) = counts(&serde_json::from_str(second).unwrap());
        assert!(cached > 0 && made > 0 && made + cached == 20, "{second}");
    }

    #[test]
    #[ignore = "needs mount"]
    fn a_read_only_folder_gives_what_it_has() {
        let project = Project::new(MADE);
        let said = beside_a_small_disk(
            &project,
            "$FLOWRUN run -j 1 --artifacts small/art > said 2>&1; mount -o remount,ro small; rm -r out\n\
             $FLOWRUN run -j 1 --artifacts small/art 2>/dev/null; $FLOWRUN run -j 1 --artifacts small/art -p word=two",
        );
        assert!(said.out().starts_with("run 2 succeeded: 2 cached in "), "{}", said.text());
        assert_eq!(notes(&said), "outputs are not kept in `small/art`: the file system is mounted read-only\n");
    }

    #[test]
    #[ignore = "needs mount"]
    fn a_folder_on_another_device_works_by_copy() {
        let project = Project::new(MADE);
        beside_a_small_disk(
            &project,
            "$FLOWRUN run -j 1 --artifacts small/art > said 2>&1; find small/art/?? -type f | wc -l\n\
             rm -r out; $FLOWRUN run -j 1 --artifacts small/art; cat ran out/text out/dir/b/c",
        )
        .shows(str![[r#"
exit 0
--- out
3
run 2 succeeded: 2 cached in [TIME]
file
folder
one 1
one 2
one 3
two
--- err
[2/2] cached    file
[2/2] cached    folder

"#]]);
    }
}

mod needs_root {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn a_folder_of_somebody_else_gives_and_takes_nothing() {
        let team = team();
        give(team.dir(), 0, 0, 0o755);
        let owner = Project::new(MANY);
        let art = format!("--artifacts {}", team.path("art").display());
        owner.run(&format!("run -j 2 {art}")).exits(0);
        // The store is copied, the artifacts are reached by reading only.
        let guest = Project::empty();
        assert!(
            Command::new("cp").args(["-r", "--"]).arg(owner.path(".")).arg(guest.path(".")).status().unwrap().success()
        );
        assert!(Command::new("chown").args(["-R", "61001:61001"]).arg(guest.dir()).status().unwrap().success());
        std::fs::remove_dir_all(guest.path("out")).unwrap();
        let hits = guest.said(&mut as_user(&guest, USERS[0], "022", &format!("run -j 2 --output json {art}")));
        assert_eq!((counts(&hits.exits(0).json()), notes(&hits).as_str()), ((0, 20), ""));
        // What it makes itself is not kept there; that is said once, not twenty times.
        guest.edit("pipeline.toml", "100000", "100001");
        let made = guest.said(&mut as_user(&guest, USERS[0], "022", &format!("run -j 2 --output json {art}")));
        assert_eq!(counts(&made.exits(0).json()), (20, 0));
        let note = format!(
            "outputs are not kept in `{}`: you may not write there; see to it that the folder and those in it can be \
             written by all who share it (`chmod -R g+rws`)\n",
            team.path("art").display()
        );
        assert_eq!(notes(&made), note);
    }

    #[test]
    #[ignore = "needs root"]
    fn two_users_of_a_group_share_a_folder() {
        let team = team();
        // The usual way: a folder of the group, with the set-group-id bit.
        give(team.dir(), 0, GROUP, 0o2775);
        let ready = |user: u32| {
            let project = Project::new(MADE);
            give(project.dir(), user, user, 0o755);
            give(&project.path("pipeline.toml"), user, user, 0o644);
            project
        };
        std::fs::create_dir(team.path("art")).unwrap();
        give(&team.path("art"), USERS[0], GROUP, 0o2775);
        // The first user's umask would keep all others out.
        let (one, two) = (ready(USERS[0]), ready(USERS[1]));
        let run = |project: &Project, user: u32, word: &str| {
            let line = words(&team, &format!("-p word={word}"));
            counts(&project.said(&mut as_user(project, user, "077", &line)).exits(0).json())
        };
        assert_eq!(run(&one, USERS[0], "x"), (2, 0));
        for object in objects(&team.path("art")) {
            let meta = team.path("art").join(&object).metadata().unwrap();
            assert_eq!((meta.gid(), meta.mode() & 0o777), (GROUP, 0o440), "{object:?}");
        }
        for folder in std::fs::read_dir(team.path("art")).unwrap() {
            let meta = folder.unwrap().metadata().unwrap();
            assert_eq!((meta.gid(), meta.mode() & 0o7777), (GROUP, 0o2775));
        }
        assert_eq!(run(&two, USERS[1], "x"), (0, 2));
        assert_eq!(two.read("out/text"), "x 1\nx 2\nx 3\n");
        // The other way round it is the same.
        assert_eq!((run(&two, USERS[1], "y"), run(&one, USERS[0], "y")), ((2, 0), (0, 2)));
        assert_eq!(one.read("out/text"), "y 1\ny 2\ny 3\n");
    }
}
