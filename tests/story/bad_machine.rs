//! A disk that is full, a folder that may not be written, a store from the future: a clear error, an exit code, and
//! every finished result kept.

use crate::common::Project;
use snapbox::str;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

const ONE: &str = "[task.one]\ncommand = 'echo one >> ran; echo \"x=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.x = \"int\"\n";

#[test]
fn a_store_written_by_a_newer_version() {
    let project = Project::new(ONE);
    project.run("run").exits(0);
    let store = rusqlite::Connection::open(project.path(".flowrun/store.db")).unwrap();
    store.pragma_update(None, "user_version", 9999).unwrap();
    drop(store);
    project.run("run").shows(str![[r#"
exit 3
--- err
error: the store `.flowrun/store.db` was written by flowrun 0.1.0 and has version 9999; this is flowrun 0.1.0, which knows version 4
  help: use the newer flowrun, or name another store with `--store`; this one was not changed

"#]]);
    assert_eq!(project.lines("ran").len(), 1);
}

#[test]
fn a_store_that_is_no_database() {
    let project = Project::new(ONE);
    project.run("run").exits(0);
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let _ = std::fs::remove_file(project.path(".flowrun").join(name));
    }
    project.write(".flowrun/store.db", "this is a letter, not a database\n".repeat(300));
    project.run("run").shows(str![[r#"
exit 3
--- err
error: the store `.flowrun/store.db` is not a database
  help: move it away, with the `-wal` beside it: a new store is made, and what the runs of this project had finished is taken from their journals; or name another store with `--store`

"#]]);
    assert_eq!(project.lines("ran").len(), 1);
}

#[test]
fn a_read_only_project_folder() {
    let project = Project::new(ONE);
    let locked = std::fs::Permissions::from_mode(0o555);
    std::fs::set_permissions(project.dir(), locked).unwrap();
    let mut command = as_nobody(&project, &["run"]);
    project.said(&mut command).shows(str![[r#"
exit 3
--- err
error: cannot make the folder `.flowrun/runs`: permission denied
  help: see to it that you may write `.`

"#]]);
    let found = project.said(&mut as_nobody(&project, &["doctor", "--output", "json"]));
    let found = found.exits(3).json();
    let finding = found["findings"].as_array().unwrap().iter().find(|finding| finding["about"] == "writing").unwrap();
    assert_eq!((&finding["verdict"], &found["wrong"]), (&"wrong".into(), &1.into()), "{found}");
    std::fs::set_permissions(project.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!project.path("ran").exists() && !project.path(".flowrun").exists());
}

/// Root may write everywhere, so as root the command runs as `nobody`, from a copy that `nobody` can reach.
fn as_nobody(project: &Project, words: &[&str]) -> Command {
    let plain = project.command(words);
    if !is_root() {
        return plain;
    }
    let bin = tempfile::Builder::new().prefix("flowrun-bin-").tempdir().unwrap().keep();
    std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_flowrun"), bin.join("flowrun")).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\""]).arg(bin.join("flowrun")).args(words);
    command.current_dir(project.dir()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.uid(65534).gid(65534);
    command
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Runs shell lines in a mount namespace of their own, in a folder that holds 1 MiB; `$FLOWRUN` is the binary.
fn in_a_small_disk(project: &Project, lines: &str) -> crate::common::Said {
    let shell = format!("mount -t tmpfs -o size=1m none small && cp pipeline.toml small && cd small\n{lines}");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &shell]).current_dir(project.dir());
    command.env("FLOWRUN", env!("CARGO_BIN_EXE_flowrun")).env("HOME", project.dir()).env_remove("FLOWRUN_STORE");
    project.said(&mut command)
}

mod needs_mount {
    use super::*;

    #[test]
    #[ignore = "needs mount"]
    fn a_disk_that_a_task_fills() {
        let project = Project::new(&format!(
            "{ONE}\n[task.two]\ncommand = 'head -c 4000000 /dev/zero > {{{{ outputs.big }}}}'\nvars.x = \"{{{{ one.x }}}}\"\n\
             outputs.big = {{ file = \"big\" }}\n"
        ));
        std::fs::create_dir(project.path("small")).unwrap();
        in_a_small_disk(
            &project,
            "$FLOWRUN run -j 1; echo \"exit $?\"; ls; sed -i s/4000000/40/ pipeline.toml\n\
             rm -f big .part.big; $FLOWRUN run -j 1 --output json; echo \"exit $?\"; cat ran; wc -c < big\n",
        )
        .shows(str![[r#"
exit 0
--- out
failed two
  exit status 1: the disk is full
  help: free some space on the file system of
        `[PROJECT]/small/.flowrun/runs/1/work`, then give the
        same command again

run 1: 1 failed, 1 succeeded in [TIME]
failed two: exit status 1: the disk is full
exit 1
pipeline.toml
ran
{"run": 2, "state": "succeeded", "outputs": {}, "counts": {"succeeded": 1, "cached": 1, "failed": 0, "ignored": 0, "skipped": 0, "cancelled": 0}, "wall_s": [TIME], "failures": []}
exit 0
one
40
--- err
[0/2] started   one
[1/2] done      one  [TIME]
[1/2] started   two
[2/2] failed    two  exit status 1: the disk is full
nothing new starts: `two` failed
[1/2] cached    one
[1/2] started   two
[2/2] done      two  [TIME]
run 2 succeeded: 1 succeeded, 1 cached in [TIME]

"#]]);
    }

    #[test]
    #[ignore = "needs mount"]
    fn a_disk_that_is_full_before_the_run() {
        let project = Project::new(ONE);
        std::fs::create_dir(project.path("small")).unwrap();
        in_a_small_disk(
            &project,
            "head -c 4000000 /dev/zero > filler 2>/dev/null; $FLOWRUN run; echo \"exit $?\"; ls ran\n\
             rm filler; $FLOWRUN run; echo \"exit $?\"; cat ran\n",
        )
        .shows(str![[r#"
exit 0
--- out
exit 3
run 1 succeeded: 1 succeeded in [TIME]
exit 0
one
--- err
error: cannot write `.flowrun/.gitignore`: no space left on device
  help: free some space on the file system of `.flowrun` (or raise the quota), then give the same command again
ls: cannot access 'ran': No such file or directory
[0/1] started   one
[1/1] done      one  [TIME]

"#]]);
    }

    #[test]
    #[ignore = "needs mount"]
    fn a_store_without_room_gets_its_results_from_the_journal() {
        // the files lie elsewhere: only journal, logs and store grow on the small disk, and the store first has no room
        let project = Project::new(
            "[task.write]\nover = { range = [0, 400] }\n\
             command = 'echo {{ item }} >> ../ran; echo > {{ outputs.out }}'\n\
             outputs.out = { file = \"../out/{{ item }}\" }\n",
        );
        std::fs::create_dir(project.path("small")).unwrap();
        let said = in_a_small_disk(
            &project,
            "mount -o remount,size=220k .; $FLOWRUN run -j 2 >/dev/null 2>&1; echo \"first: exit $?\"\n\
             mount -o remount,size=64m .; $FLOWRUN run -j 2 >/dev/null 2>&1; echo \"second: exit $?\"\n",
        );
        assert_eq!(said.out(), "first: exit 3\nsecond: exit 0\n", "{}", said.text());
        let mut ran = project.sorted_lines("ran");
        let all = ran.len();
        ran.dedup();
        assert_eq!(ran.len(), 400);
        // whose end found no room in the journal, runs again
        assert!(all <= 402, "{} ran twice", all - 400);
    }

    #[test]
    #[ignore = "needs mount"]
    fn a_disk_that_fills_up_during_the_run() {
        // the tasks fill the disk together; flowrun itself must be able to say so, and to go on when there is room
        let project = Project::new(
            "[map.each]\nover = { range = [0, 400] }\n[map.each.task.write]\n\
             command = 'head -c 8000 /dev/zero > {{ outputs.out }}'\n\
             outputs.out = { file = \"out/{{ item }}\" }\n",
        );
        std::fs::create_dir(project.path("small")).unwrap();
        let said = in_a_small_disk(
            &project,
            "$FLOWRUN run -j 2 >/dev/null 2>&1; echo \"first: exit $?\"; made=$(ls out | wc -l)\n\
             mount -o remount,size=64m .; cd . ; $FLOWRUN run -j 2 --output json 2>/dev/null > said; echo \"second: exit $?\"\n\
             ls out | wc -l; echo $made >&2; cat said >&2\n",
        );
        // a task fails first; then there may be no room to write its end down
        let ends = ["first: exit 1\nsecond: exit 0\n400\n", "first: exit 3\nsecond: exit 0\n400\n"];
        assert!(ends.contains(&said.out()), "{}", said.text());
    }
}

#[test]
fn events_that_cannot_be_written() {
    let project = Project::new(ONE);
    project.run("run --events /no/such/folder/events").shows(str![[r#"
exit 2
--- err
error: cannot write `/no/such/folder/events`: no such file or directory

"#]]);
}
