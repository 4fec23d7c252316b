//! A project on a network file system. `bindfs` stands for it: each mount of it is what one host sees, their locks and
//! shared memory know nothing of each other, and the hosts are namespaces that see neither each other's processes nor
//! sockets.

use crate::common::{Project, Said};
use std::process::Command;

/// Four tasks, one after the other, that wait for a file `go`.
const WAITING: &str = r#"
[task.wait]
over = { range = [0, 4] }
command = 'echo {{ item }} >> ran; until ls | grep -q ^go; do sleep 0.02; done; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
"#;

/// Runs shell lines where the project is `here` as one host sees it, and `there` as another does. `near WORDS` and
/// `far WORDS` are flowrun on either host.
fn on_two_hosts(project: &Project, lines: &str) -> Said {
    std::fs::create_dir_all(project.path("disk")).unwrap();
    for name in ["here", "there"] {
        std::fs::create_dir(project.path(name)).unwrap();
    }
    std::fs::rename(project.path("pipeline.toml"), project.path("disk/pipeline.toml")).unwrap();
    let shell = format!(
        "set -u; bindfs disk here; bindfs disk there\n\
         near() {{ (cd here; \"$FLOWRUN\" \"$@\"; echo \"exit $?\"); }}\n\
         far() {{ unshare --pid --fork --uts --net --mount-proc \\\n\
           sh -c 'hostname far; cd there; \"$FLOWRUN\" \"$@\"; echo \"exit $?\"' far \"$@\"; }}\n\
         until_ran() {{ until [ \"$(cat disk/ran 2>/dev/null | wc -l)\" = \"$1\" ]; do sleep 0.02; done; }}\n{lines}"
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &shell]).current_dir(project.dir());
    command.env("FLOWRUN", env!("CARGO_BIN_EXE_flowrun")).env("HOME", project.dir()).env_remove("FLOWRUN_STORE");
    command.env("TZ", "UTC");
    project.said(&mut command)
}

mod needs_fuse {
    use super::*;
    use snapbox::str;

    #[test]
    #[ignore = "needs fuse"]
    fn one_run_at_a_time_whichever_host_it_is_on() {
        let project = Project::new(WAITING);
        on_two_hosts(
            &project,
            "cp disk/pipeline.toml disk/other.toml\n\
             near run -j 1 > first 2>&1 & until_ran 1\n\
             far run 2>&1; far run other.toml 2>&1; far runs 2>&1; near run other.toml 2>&1\n\
             far status 2>&1 | head -1; far log 'wait[0]'\n\
             far run -j 1 --wait > second 2>&1 & \n\
             until grep -q waiting second; do sleep 0.02; done\n\
             touch disk/go; wait; tail -2 first; tail -2 second\n\
             near run -j 1 2>&1 | tail -2; cat disk/ran; ls disk/.flowrun\n\
             ls disk/.flowrun/locks/*.hosts disk/.flowrun/*.hosts",
        )
        .shows(str![[r#"
exit 0
--- out
error: another run holds this pipeline: run 1, process [PID] on `[HOST]`, since [TIME] UTC
  help: `--wait` waits until it has ended; `flowrun status` shows what it does
exit 75
error: the store `.flowrun/store.db` lies on a network file system (fuse), where one process uses it at a time: run 1, process [PID] on `[HOST]`, since [TIME] UTC
  help: wait until it has ended (`flowrun run --wait`); `flowrun status` and `flowrun log` need no store. Several at once can use a store on a local disk (`--store sqlite:PATH`) or on a server (`--store postgres://…`)
exit 75
error: the store `.flowrun/store.db` lies on a network file system (fuse), where one process uses it at a time: run 1, process [PID] on `[HOST]`, since [TIME] UTC
  help: wait until it has ended (`flowrun run --wait`); `flowrun status` and `flowrun log` need no store. Several at once can use a store on a local disk (`--store sqlite:PATH`) or on a server (`--store postgres://…`)
exit 75
error: the store `.flowrun/store.db` lies on a network file system (fuse), where one process uses it at a time: run 1, process [PID] on `[HOST]`, since [TIME] UTC
  help: wait until it has ended (`flowrun run --wait`); `flowrun status` and `flowrun log` need no store. Several at once can use a store on a local disk (`--store sqlite:PATH`) or on a server (`--store postgres://…`)
exit 75
run 1 of pipeline: at work: process [PID] on host [HOST]
exit 0
run 1 succeeded: 4 succeeded in [TIME]
exit 0
run 2 succeeded: 4 cached in [TIME]
exit 0
run 3 succeeded: 4 cached in [TIME]
exit 0
0
1
2
3
locks
runs
store.db
store.db-journal
store.db.lock
store.db.lock.hosts
times
disk/.flowrun/locks/other.lock.hosts:
2

disk/.flowrun/locks/pipeline.lock.hosts:
3

disk/.flowrun/store.db.lock.hosts:
3

"#]]);
    }

    #[test]
    #[ignore = "needs fuse"]
    fn a_killed_run_goes_on_at_once_on_its_own_host() {
        let project = Project::new(WAITING);
        on_two_hosts(
            &project,
            "(cd here; exec \"$FLOWRUN\" run -j 1) > first 2>&1 & until_ran 1; kill -9 $!; touch disk/go\n\
             near run -j 1 2>&1 | tail -2; sort disk/ran | uniq -c",
        )
        .shows(str![[r#"
exit 0
--- out
run 1 succeeded: 4 succeeded in [TIME]
exit 0
      2 0
      1 1
      1 2
      1 3

"#]]);
    }

    #[test]
    #[ignore = "needs fuse"]
    fn a_store_on_the_network_for_a_project_on_a_disk() {
        let project = Project::new(WAITING);
        on_two_hosts(
            &project,
            "mkdir one two; cp disk/pipeline.toml one; cp disk/pipeline.toml two; touch two/go\n\
             (cd one; \"$FLOWRUN\" run --store sqlite:../here/team.db; echo \"exit $?\") > first 2>&1 &\n\
             until ls one/ran 2>/dev/null; do sleep 0.02; done\n\
             cd two; \"$FLOWRUN\" run --store sqlite:../here/team.db 2>&1; echo \"exit $?\"\n\
             touch ../one/go; wait\n\
             \"$FLOWRUN\" run --store sqlite:../here/team.db 2>&1; ls .flowrun",
        )
        .shows(str![[r#"
exit 0
--- out
one/ran
error: the store `../here/team.db` lies on a network file system (fuse), where one process uses it at a time: run 1, process [PID] on `[HOST]`, since [TIME] UTC
  help: wait until it has ended (`flowrun run --wait`); `flowrun status` and `flowrun log` need no store. Several at once can use a store on a local disk (`--store sqlite:PATH`) or on a server (`--store postgres://…`)
exit 75
[0/4] listed    wait  4 items
[4/4] cached    wait  4 instances
run 2 succeeded: 4 cached in [TIME]
locks
runs

"#]]);
    }

    #[test]
    #[ignore = "needs fuse"]
    fn many_hosts_at_once_go_one_after_the_other() {
        let project = Project::new(
            "[task.count]\ncommand = 'n=$(cat n 2>/dev/null || echo 0); sleep 0.05; echo $((n + 1)) > n'\n",
        );
        let said = on_two_hosts(
            &project,
            "for i in 1 2 3 4; do far run --wait >> said 2>&1 & done; near run --wait >> said 2>&1; wait\n\
             cat disk/n; grep -c 'exit 0' said; ls disk/.flowrun/runs",
        );
        assert_eq!(said.out(), "5\n5\n1\n2\n3\n4\n5\n", "{}\n{}", said.text(), project.read("said"));
    }

    /// The usual pace takes a minute and a half; in milliseconds it is tested in `tests/store/far_lock.rs`.
    #[test]
    #[ignore = "needs fuse"]
    fn a_host_that_stands_still_is_passed_over() {
        if std::env::var_os("FLOWRUN_LONG").is_none() {
            return;
        }
        let project = Project::new(WAITING);
        let said = on_two_hosts(
            &project,
            "(cd here; exec \"$FLOWRUN\" run -j 1) > first 2>&1 & until_ran 1; kill -STOP $!; touch disk/go\n\
             far run -j 1 --wait > second 2>&1; kill -CONT $!; wait $!; echo \"first: exit $?\"\n\
             tail -1 second; far run --output json 2>/dev/null | grep -o '\"cached\": 4'",
        );
        assert_eq!(said.out(), "first: exit 75\nexit 0\n\"cached\": 4\n", "{}", project.read("second"));
        let first = project.read("first");
        assert!(first.contains("error: another process has taken the lock"), "{first}");
    }

    /// Who may only read reads, as long as nobody writes.
    #[test]
    #[ignore = "needs fuse"]
    fn a_folder_that_is_mounted_read_only() {
        let project = Project::new(WAITING);
        on_two_hosts(
            &project,
            "touch disk/go; near run 2>/dev/null; mkdir seen; bindfs -r disk seen; cd seen\n\
             for word in plan status run; do \"$FLOWRUN\" $word 2>&1 | head -3; done\n\
             rm ../disk/go; (cd ../here; exec \"$FLOWRUN\" run -j 1 --no-cache >/dev/null 2>&1) &\n\
             until grep -q '\"run\":2,' ../disk/.flowrun/store.db.lock.hosts/* 2>/dev/null; do sleep 0.02; done\n\
             for word in plan status; do \"$FLOWRUN\" $word 2>&1 | head -1; done; touch ../disk/go; wait",
        )
        .shows(str![[r#"
exit 0
--- out
run 1 succeeded: 4 succeeded in [TIME]
exit 0
wait: cached 4

run 0 · cached 4 · unknown 0
run 1 of pipeline: succeeded
began [TIME] UTC, [TIME]
4 succeeded
error: cannot write `.flowrun/locks/pipeline.lock.hosts/2`: read-only file system
  help: the file system is mounted read-only: work on a copy elsewhere
error: the store `.flowrun/store.db` lies on a network file system (fuse), where one process uses it at a time: run 2, process [PID] on `[HOST]`, since [TIME] UTC
run 2 of pipeline: at work: process [PID] on host [HOST]

"#]]);
    }

    /// A store that knew write-ahead logs and shared memory is moved to where there are none, and back.
    #[test]
    #[ignore = "needs fuse"]
    fn a_project_that_moves_to_the_network_and_back_keeps_every_hit() {
        let project = Project::new(WAITING);
        project.write("go", "").run("run").exits(0);
        std::fs::create_dir(project.path("disk")).unwrap();
        for name in [".flowrun", "go"] {
            std::fs::rename(project.path(name), project.path("disk").join(name)).unwrap();
        }
        let said = on_two_hosts(
            &project,
            "far run --output json 2>&- | grep -o '\"cached\": 4'\n\
             near run --output json 2>&- | grep -o '\"cached\": 4'\n\
             cd disk; \"$FLOWRUN\" run --output json 2>&- | grep -o '\"cached\": 4'",
        );
        assert_eq!(said.out(), "\"cached\": 4\n".repeat(3).as_str(), "{}", said.text());
    }
}
