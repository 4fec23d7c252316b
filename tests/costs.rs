//! What flowrun asks of the machine, counted: processes, files, flushes, bytes of journal. Counts do not depend on how
//! fast the machine is, so that they can be asserted. `benches/run` has the times.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use std::collections::BTreeSet;

/// A map of `many` items of one task, and the task's own lines.
fn mapped(many: usize, task: &str) -> Project {
    Project::new(&format!("[task.many]\nover = {{ range = [0, {many}] }}\n{task}\n"))
}

#[test]
fn the_journal_has_few_bytes_an_instance() {
    let journal = |many: usize, task: &str, run: u32, before: &[&str]| {
        let project = mapped(many, task);
        for line in before {
            project.run(line).exits(0);
        }
        project.run("run -j 2").exits(0);
        std::fs::metadata(project.path(format!(".flowrun/runs/{run}/journal"))).unwrap().len()
    };
    let each = |task: &str, run, before: &[&str]| {
        (journal(220, task, run, before) as f64 - journal(20, task, run, before) as f64) / 200.0
    };
    let ran = each("command = \"true\"", 1, &[]);
    assert!((300.0..700.0).contains(&ran), "an instance that ran has {ran} bytes");
    // One event tells of all that are cached.
    let cached =
        each("command = \"echo {{ item }}\"\noutputs.x = { type = \"int\", from = \"stdout\" }", 2, &["run -j 2"]);
    assert!(cached < 1.0, "an instance that is cached has {cached} bytes");
}

/// Commands with and without a shell between: what they see and how they end is the same.
mod without_a_shell {
    use super::*;

    /// The environment, one variable a line, without what differs from attempt to attempt.
    fn environment(project: &Project, name: &str) -> BTreeSet<String> {
        let own = |line: &&String| !line.starts_with("FLOWRUN_OUTPUT=");
        let lines: Vec<String> =
            project.run(&format!("log {name} --stdout")).exits(0).out().lines().map(String::from).collect();
        lines.iter().filter(own).cloned().collect()
    }

    /// An option that does not matter to these commands, but means that bash itself is executed.
    const BY_BASH: &str = "shell = [\"bash\", \"-feuo\", \"pipefail\", \"-c\"]";

    #[test]
    fn the_environment_is_what_bash_would_have_made() {
        let task = |name: &str, more: &str| format!("[task.{name}]\ncommand = \"env\"\nenv.A = \"x y\"\n{more}\n");
        let there = "workdir = \"sub\"";
        let project = Project::new(
            &[
                task("plain", ""),
                task("bash", BY_BASH),
                task("plain_there", there),
                task("bash_there", &format!("{there}\n{BY_BASH}")),
            ]
            .concat(),
        );
        std::fs::create_dir(project.path("sub")).unwrap();
        let sets: [&[(&str, &str)]; 6] = [
            &[],
            &[("SHLVL", "3"), ("OLDPWD", "/"), ("_", "x")],
            &[("SHLVL", "many")],
            &[("PWD", "/nowhere")],
            &[("OLDPWD", "/nowhere")],
            &[("BASH_FUNC_other%%", "() {  :\n}"), ("a.b", "1")],
        ];
        for set in sets {
            let mut command = project.command(["run"]);
            command.envs(set.iter().copied());
            project.said(&mut command).exits(0);
            for there in ["", "_there"] {
                let [plain, bash] = ["plain", "bash"].map(|kind| environment(&project, &format!("{kind}{there}")));
                assert!(plain.contains("A=x y"), "{plain:?}");
                assert_eq!(plain, bash, "{set:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_started_fails_as_the_shell_says() {
        use std::os::unix::fs::PermissionsExt as _;
        let project = Project::empty();
        project.write("not-executable", "echo no\n").write("no-first-line", "echo \"I am $1\"\n").write("folder/x", "");
        project.write("bad-interpreter", "#!/nowhere/tool\n").write("killed", "#!/bin/sh\nkill -9 $$\n");
        for name in ["no-first-line", "bad-interpreter", "killed"] {
            std::fs::set_permissions(project.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut seen = Vec::new();
        let tools = ["no-first-line", "not-executable", "folder", "bad-interpreter", "killed", "nothing"];
        for tool in tools.map(|tool| format!("./{tool}")).iter().map(String::as_str).chain(["no-such-tool", "false"]) {
            let [plain, bash] = ["", BY_BASH].map(|shell| {
                let more = if tool == "false" { "" } else { " x" };
                project.write("pipeline.toml", format!("[task.t]\ncommand = \"{tool}{more}\"\n{shell}\n"));
                let said = project.run("run --output json").json();
                let failure = said["failures"][0].clone();
                let log = |kind: &str| project.run(&format!("log t --{kind}")).out().to_owned();
                (failure["cause"].clone(), failure["message"].clone(), log("stdout"), log("stderr"))
            });
            assert_eq!(plain, bash, "{tool}");
            // What bash says of a missing interpreter depends on its version.
            if tool != "./bad-interpreter" {
                seen.push(format!("{tool}: {}", plain.1.as_str().unwrap_or(plain.2.trim_end())));
            }
        }
        let expected = [
            "./no-first-line: I am x",
            "./not-executable: exit status 126: `./not-executable` cannot be executed",
            "./folder: exit status 126: `./folder` cannot be executed",
            "./killed: killed by SIGKILL (signal 9)",
            "./nothing: exit status 127: there is no `./nothing`",
            "no-such-tool: exit status 127: the command `no-such-tool` was not found",
            "false: exit status 1",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn functions_and_files_of_the_environment_come_first() {
        let project = Project::new("[task.t]\ncommand = \"date +%s\"\n");
        project.write("before.sh", "echo before\n");
        let out = |name: &str, value: &str| {
            let mut command = project.command(["run"]);
            command.env(name, value);
            project.said(&mut command).exits(0);
            project.run("log t --stdout").out().to_owned()
        };
        assert_eq!(out("BASH_FUNC_date%%", "() { echo function; }"), "function\n");
        assert!(out("BASH_ENV", "before.sh").starts_with("before\n"));
    }
}

/// Counted with strace.
mod needs_strace {
    use super::*;
    use std::process::Command;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Counts {
        /// Processes that attempts start, and those of them that become bash.
        processes: usize,
        shells: usize,
        /// Files that flowrun's own processes open.
        opened: usize,
        /// Flushes to the disk.
        flushes: usize,
    }

    impl Counts {
        fn of(many: usize, task: &str) -> Self {
            let project = mapped(many, task);
            let mut strace = Command::new("strace");
            let calls = "trace=clone,clone3,vfork,fork,execve,openat,open,creat,fsync,fdatasync";
            strace.args(["-f", "-qq", "-e", calls, "-o", "calls", env!("CARGO_BIN_EXE_flowrun"), "run", "-j", "2"]);
            let plain = project.command(["run"]);
            strace.current_dir(project.dir()).env_clear();
            strace.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
            project.said(&mut strace).exits(0);
            Self::read(&project.read("calls"))
        }

        fn read(calls: &str) -> Self {
            // A child of CLONE_VFORK is an attempt's process, or the executor itself, which flowrun starts so too.
            let born: BTreeSet<&str> = calls
                .lines()
                .filter(|line| line.contains("CLONE_VFORK") || line.contains("<... clone resumed>"))
                .filter_map(|line| line.rsplit_once(" = ").map(|(_, pid)| pid.trim()))
                .collect();
            let executor = calls.lines().find(|line| line.contains("\"__executor\"")).unwrap();
            let executor = executor.split_whitespace().next().unwrap();
            let of_task = |line: &&str| {
                let pid = line.split_whitespace().next().unwrap();
                born.contains(pid) && pid != executor
            };
            let count = |names: &[&str], task: bool| {
                let is = |line: &&str| {
                    let call = line.split_whitespace().nth(1).unwrap_or_default();
                    names.iter().any(|name| call.starts_with(&format!("{name}(")))
                };
                calls
                    .lines()
                    .filter(|line| of_task(line) == task)
                    .filter(is)
                    .filter(|line| !line.contains("ENOENT"))
                    .count()
            };
            let shell = |line: &&str| of_task(line) && line.contains("execve(") && line.contains("[\"bash\"");
            Self {
                processes: born.len() - 1 + count(&["clone", "clone3", "vfork", "fork"], true),
                shells: calls.lines().filter(shell).count(),
                opened: count(&["openat", "open", "creat"], false),
                flushes: count(&["fsync", "fdatasync"], false),
            }
        }
    }

    #[test]
    #[ignore = "needs strace"]
    fn an_attempt_is_one_process_and_opens_next_to_nothing() {
        let each = |task: &str| {
            let (few, many) = (Counts::of(10, task), Counts::of(50, task));
            // A call that another interrupts stands in two lines; one such is no matter.
            let per = |of: fn(&Counts) -> usize| ((of(&many) - of(&few)) as f64 / 40.0 * 10.0).round() / 10.0;
            (per(|c| c.processes), per(|c| c.shells), per(|c| c.opened))
        };
        // What is opened is the process's own account in `/proc`.
        assert_eq!(each("command = \"true\""), (1.0, 0.0, 1.0), "a command that needs no shell");
        assert_eq!(each("argv = [\"true\"]"), (1.0, 0.0, 1.0), "an argument vector");
        assert_eq!(each("command = \"true && true\""), (1.0, 1.0, 1.0), "a command for a shell");
        // Beside the account the file of `$FLOWRUN_VARS`, and the output, to be hashed.
        let task = "command = \"cp /dev/null {{ outputs.f }}\"\noutputs.f = { file = \"out/{{ item }}\" }";
        assert_eq!(each(task), (1.0, 0.0, 3.0), "a file output");
    }

    #[test]
    #[ignore = "needs strace"]
    fn flushes_do_not_grow_with_what_runs() {
        let begin = std::time::Instant::now();
        let many = Counts::of(300, "command = \"true\"");
        // One group of the journal in 80 ms, and what a run flushes when it begins and ends.
        let groups = begin.elapsed().as_millis() as usize / 80;
        assert!(many.flushes <= groups + 25, "{} flushes in {groups} groups", many.flushes);
        assert!(many.flushes < 300, "{} flushes of 300 tasks", many.flushes);
    }
}

#[test]
fn a_trace_and_the_own_time_of_a_run() {
    let project = mapped(3, "command = \"true\"");
    let said = project.run("run -j 2 --trace trace.json --timings");
    said.exits(0);
    let names = ["reading", "planning", "hashing", "store", "journal", "spawning", "telling", "waiting"];
    let err = String::from_utf8(said.err.clone()).unwrap();
    let mut lines = err.lines().skip_while(|line| !line.starts_with("flowrun's own time: ")).skip(1);
    names.iter().for_each(|name| assert_eq!(lines.next().unwrap().split_whitespace().next(), Some(*name), "{err}"));
    let spawned = err.lines().find(|line| line.starts_with("  spawning")).unwrap();
    let times: u32 =
        spawned.split_whitespace().rev().skip_while(|word| *word != "times").nth(1).unwrap().parse().unwrap();
    assert!(times >= 3, "each task was started by a process: {err}");

    let trace: Vec<serde_json::Value> = serde_json::from_str(&project.read("trace.json")).unwrap();
    let of = |cat: &str| trace.iter().filter(|entry| entry["cat"] == cat).cloned().collect::<Vec<_>>();
    let mut tasks: Vec<String> = of("task").iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect();
    tasks.sort();
    assert_eq!(tasks, ["many[0]", "many[1]", "many[2]"]);
    assert!(of("task").iter().all(|entry| entry["args"]["result"] == "succeeded" && entry["ph"] == "X"));
    let phases: BTreeSet<String> =
        of("flowrun").iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect();
    assert!(
        ["journal", "planning", "reading", "spawning", "store"].iter().all(|name| phases.contains(*name)),
        "{phases:?}"
    );
}
