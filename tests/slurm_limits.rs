//! Limits of a cluster are found and waited for, and what can never run there is said before anything does.

#![allow(clippy::unwrap_used)]

#[path = "common/slurm.rs"]
mod cluster;
mod common;

use cluster::{Cluster, Shape};
use common::*;
use snapbox::str;
use std::os::unix::fs::PermissionsExt;

/// A program that stands before one of Slurm's.
fn before(project: &Project, name: &str, script: &str) {
    project.write(format!("wrapped/{name}"), format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(project.path(format!("wrapped/{name}")), PermissionsExt::from_mode(0o755)).unwrap();
}

/// A run on the cluster, with what stands before its programs.
fn on(cluster: &Cluster, project: &Project, line: &str) -> Said {
    let mut command = project.command(line.split(' '));
    let path = format!("{}:/usr/bin:/bin", project.path("wrapped").display());
    project.said(cluster.reach(&mut command).env("PATH", path))
}

/// How many items, where a large count is the point.
fn many(n: u32) -> u32 {
    if std::env::var_os("FLOWRUN_LONG").is_some() { n } else { n / 10 }
}

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_limit_of_jobs_in_the_queue_is_never_run_into() {
        let cluster = Cluster::start(&Shape { more: "MaxArraySize=101\n", accounting: true, ..Shape::default() });
        cluster.account("modify account lab set MaxSubmitJobs=50");
        let items = many(5000);
        let project = Project::new(&format!(
            r#"
[map.m]
over = {{ range = [0, {items}] }}
[map.m.task.t]
command = "echo v={{{{ item }}}} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
[task.sum]
command = "echo n={{{{ m.t.v | sum }}}} >> $FLOWRUN_OUTPUT"
outputs.n = "int"
[outputs]
n = "{{{{ sum.n }}}}"
"#
        ));
        before(&project, "sbatch", "echo \"$*\" >> calls; /usr/bin/sbatch \"$@\" || echo refused >> refused");
        let said = on(&cluster, &project, "run --backend slurm --output json");
        let json = said.exits(0).json();
        assert_eq!(json["outputs"]["n"], serde_json::json!(items * (items - 1) / 2));
        assert_eq!(project.lines("refused"), [""; 0], "{:#?}", project.lines("calls"));
        let err = String::from_utf8(said.err).unwrap();
        assert!(!err.contains("rror"), "{err}");
        let waited: Vec<&str> = err.lines().filter(|line| line.starts_with("waiting")).collect();
        assert_eq!(waited, ["waiting: association limit 50/50"]);
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn what_a_cluster_does_not_have_is_said_at_once_and_all_of_it() {
        let more = "PartitionName=short Nodes=n1 MaxTime=5\nPartitionName=theirs Nodes=n1 AllowAccounts=others\n";
        let cluster = Cluster::start(&Shape { nodes: 2, more, accounting: true, ..Shape::default() });
        cluster.account("add qos fast");
        let project = Project::new(
            r#"
[task.partition]
command = "true"
slurm.partition = "shrot"
[task.account]
command = "true"
slurm.account = "labb"
[task.qos]
command = "true"
slurm.qos = "fast"
[task.theirs]
command = "true"
slurm.partition = "theirs"
[task.cores]
command = "true"
resources.cpus = 3
[task.memory]
command = "true"
resources.memory = "{{ params.memory }}"
[task.gpu]
command = "true"
resources.gpus = 1
[task.time]
command = "true"
resources.time = "6m"
slurm.partition = "short"
[task.fits]
command = "true"
resources = { cpus = 2, memory = "2GiB", time = "5m" }
slurm.partition = "short,main"
[task.here]
command = "true"
backend = "local"
slurm.partition = "shrot"
[params.memory]
type = "string"
default = "3GiB"
"#,
        );
        on(&cluster, &project, "run --backend slurm").shows(str![[r#"
exit 2
--- err
error[E0604]: `partition` asks for the partition `shrot`, which is not there
 --> pipeline.toml:4:19
  |
4 | slurm.partition = "shrot"
  |                   ^^^^^^^ not to be had
  |
  = help: did you mean `short`?

error[E0604]: `account` asks for the account `labb`, which you do not have
 --> pipeline.toml:7:17
  |
7 | slurm.account = "labb"
  |                 ^^^^^^ not to be had
  |
  = help: did you mean `lab`?

error[E0604]: `qos` asks for the QOS `fast`, which the account `lab` may not use
  --> pipeline.toml:10:13
   |
10 | slurm.qos = "fast"
   |             ^^^^^^ not to be had
   |
   = help: it may use `normal`

error[E0604]: `theirs` asks for the partition `theirs`, which the account `lab` may not use
  --> pipeline.toml:13:19
   |
13 | slurm.partition = "theirs"
   |                   ^^^^^^^^ not to be had
   |
   = help: it may use `main` and `short`

error[E0601]: `cores` asks for 3 cores, and no node of the partition `main` has more than 2
  --> pipeline.toml:16:18
   |
16 | resources.cpus = 3
   |                  ^ more than there is
   |
   = help: `sinfo --Node --long` shows what the nodes have; ask for less, or name another partition

error[E0601]: `memory` asks for 3GiB of memory, and no node of the partition `main` has more than 2 GiB
  --> pipeline.toml:19:20
   |
19 | resources.memory = "{{ params.memory }}"
   |                    ^^^^^^^^^^^^^^^^^^^^^ more than there is
   |
   = help: `sinfo --Node --long` shows what the nodes have; ask for less, or name another partition

error[E0601]: `gpu` asks for 1 GPU, and no node of the partition `main` has any
  --> pipeline.toml:22:18
   |
22 | resources.gpus = 1
   |                  ^ more than there is
   |
   = help: `sinfo --Node --long` shows what the nodes have; ask for less, or name another partition

error[E0601]: `time` asks for 6m, and jobs of the partition `short` may run for 5m at most
  --> pipeline.toml:25:18
   |
25 | resources.time = "6m"
   |                  ^^^^ more than there is
   |
   = help: ask for less, or name another partition; `sinfo --summarize` shows how long each allows

"#]]);
        assert_eq!(cluster.queue(), "");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn what_is_known_only_when_it_is_ready_fails_before_the_queue_is_full_of_it() {
        let cluster = Cluster::start(&Shape { nodes: 1, ..Shape::default() });
        let project = Project::new(
            r#"
[task.sizes]
command = "echo memory=3GiB >> $FLOWRUN_OUTPUT; echo partition=nowhere >> $FLOWRUN_OUTPUT"
outputs = { memory = "string", partition = "string" }
[map.large]
over = [1, 2, 3]
resources.memory = "{{ sizes.memory }}"
[map.large.task.t]
command = "echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
"#,
        );
        before(&project, "sbatch", "echo \"$*\" >> calls; exec /usr/bin/sbatch \"$@\"");
        on(&cluster, &project, "run --backend slurm --keep-going").shows(str![[r#"
exit 1
--- out
failed large[0].t, large[1].t, large[2].t
  it asks for 3GiB of memory, and no node of the partition `main` has more
  than 2 GiB
  help: `sinfo --Node --long` shows what the nodes have; ask for less, or name
        another partition

run 1: 3 failed, 1 succeeded in [TIME]
failed large[0].t: it asks for 3GiB of memory, and no node of the partition `main` has more than 2 GiB
--- err
[0/4] listed    large  3 items
[0/4] started   sizes
[1/4] done      sizes  [TIME]
[1/4] started   large[0].t
[1/4] started   large[1].t
[1/4] started   large[2].t
[2/4] failed    large[0].t  it asks for 3GiB of memory, and no node of the partition `main` has more than 2 GiB
[3/4] failed    large[1].t  it asks for 3GiB of memory, and no node of the partition `main` has more than 2 GiB
[4/4] failed    large[2].t  it asks for 3GiB of memory, and no node of the partition `main` has more than 2 GiB

"#]]);
        assert_eq!(project.lines("calls").len(), 1, "what cannot run is never sent");
        project.edit(
            "pipeline.toml",
            "resources.memory = \"{{ sizes.memory }}\"",
            "slurm.partition = \"{{ sizes.partition }}\"",
        );
        on(&cluster, &project, "run --backend slurm --keep-going").shows(str![[r#"
exit 3
--- err
[0/4] listed    large  3 items
[1/4] cached    sizes
[1/4] started   large[0].t
[1/4] started   large[1].t
[1/4] started   large[2].t
error: 3 jobs would go to the partition `nowhere`, which is not there
  help: there is `main`

"#]]);
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn nodes_that_cannot_do_anything_stop_a_run_at_the_first() {
        let cluster = Cluster::start(&Shape { nodes: 1, ..Shape::default() });
        let map = r#"
[map.m]
over = { range = [0, 3] }
[map.m.task.t]
command = "echo {{ item }} >> ran; echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
"#;
        // The folder is somewhere else for the nodes.
        let hidden = Project::new(map);
        before(
            &hidden,
            "sbatch",
            "for word; do shift; set -- \"$@\" \"$(echo \"$word\" | sed 's/^--chdir=/&\\/nowhere/')\"; done; sed \"s/^cd '/&\\/nowhere/\" | exec /usr/bin/sbatch \"$@\"",
        );
        on(&cluster, &hidden, "run --backend slurm").shows(str![[r#"
exit 3
--- err
[0/3] listed    m  3 items
[0/3] started   m[0].t
[0/3] started   m[1].t
[0/3] started   m[2].t
error: the node `n1` does not see the folder of this run, or may not write there: [PROJECT]/.flowrun/runs/1/spool
  help: put the project on a file system that the nodes share with this machine, under the same path

"#]]);
        // A binary of another machine.
        let other = Project::new(map);
        before(
            &other,
            "sbatch",
            "program=.flowrun/runs/1/spool/bin/flowrun; printf '\\177ELF\\2\\1\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\2\\0\\363\\0' > $program; exec /usr/bin/sbatch \"$@\"",
        );
        on(&cluster, &other, "run --backend slurm").shows(str![[r#"
exit 3
--- err
[0/3] listed    m  3 items
[0/3] started   m[0].t
[0/3] started   m[1].t
[0/3] started   m[2].t
error: flowrun cannot be executed on the node `n1`, which has another architecture than this machine
  help: choose nodes like this machine, by `slurm.constraint` or `slurm.partition`, or start flowrun on a machine like them

"#]]);
        // Once it is mended, the same command goes on.
        for project in [&hidden, &other] {
            assert_eq!(cluster.queue(), "");
            before(project, "sbatch", "rm -f wrapped/sbatch; exec /usr/bin/sbatch \"$@\"");
        }
        std::fs::remove_file(other.path(".flowrun/runs/1/spool/bin/flowrun")).unwrap();
        for project in [&hidden, &other] {
            let json = on(&cluster, project, "run --backend slurm --output json").exits(0).json();
            assert_eq!((&json["run"], &json["counts"]["succeeded"]), (&serde_json::json!(1), &serde_json::json!(3)));
            assert_eq!(project.lines("ran").len(), 3);
        }
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_site_that_forbids_arrays_is_given_jobs() {
        let cluster = Cluster::start(&Shape { nodes: 2, more: "MaxArraySize=0\n", ..Shape::default() });
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 12] }
[map.m.task.t]
command = "echo v={{ item }} >> $FLOWRUN_OUTPUT; sleep 0.2"
outputs.v = "int"
"#,
        );
        before(&project, "sbatch", "echo \"$*\" >> calls; exec /usr/bin/sbatch \"$@\"");
        let json = on(&cluster, &project, "run --backend slurm --output json").exits(0).json();
        assert_eq!(json["counts"]["succeeded"], 12);
        let calls = project.lines("calls");
        assert!((2..=12).contains(&calls.len()) && calls.iter().all(|words| !words.contains("--array")), "{calls:#?}");
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }
}

/// Where there is no Slurm, or one that does as the test wants.
mod without {
    use super::*;

    const ONE: &str = "[task.t]\ncommand = \"echo v=1 >> $FLOWRUN_OUTPUT\"\noutputs.v = \"int\"\n";

    /// A run with nothing on `PATH` but these programs.
    fn with(project: &Project, programs: &[(&str, &str)], line: &str) -> Said {
        programs.iter().for_each(|(name, script)| before(project, name, script));
        let mut command = project.command(line.split(' '));
        project.said(command.env("PATH", project.path("wrapped")))
    }

    #[test]
    fn no_slurm_is_said_before_a_run_begins() {
        let project = Project::new(ONE);
        with(&project, &[], "run --backend slurm").shows(str![[r#"
exit 3
--- err
error: there is no Slurm here: `sbatch` is not on `PATH`
  help: run where Slurm's commands are (a login node; on many clusters `module load slurm`), or leave `--backend slurm` out to run on this machine

"#]]);
        with(&project, &[("sbatch", ""), ("squeue", ""), ("scancel", "")], "run --backend slurm").shows(str![[r#"
exit 3
--- err
error: there is no Slurm here: `scontrol` is not on `PATH`
  help: run where Slurm's commands are (a login node; on many clusters `module load slurm`), or leave `--backend slurm` out to run on this machine

"#]]);
        let away = "echo 'slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)' >&2; exit 1";
        with(&project, &[("scontrol", away)], "run --backend slurm").shows(str![[r#"
exit 3
--- err
error: Slurm does not answer: slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)
  help: `scontrol ping` shows whether the controller is there; what was done so far is kept, and the same command continues

"#]]);
        assert!(!project.path(".flowrun/runs/1").exists());
    }

    mod needs_mount {
        use super::*;

        #[test]
        #[ignore = "needs mount"]
        fn a_disk_that_is_full_is_said_before_anything_is_sent() {
            let project = Project::new(ONE);
            before(&project, "scontrol", "test \"$*\" != 'show config' || echo 'MaxArraySize = 1001'");
            for name in ["squeue", "scancel", "sinfo"] {
                before(&project, name, "");
            }
            before(&project, "sbatch", "echo \"$*\" >> calls");
            std::fs::create_dir(project.path(".flowrun")).unwrap();
            let flowrun = project.command(["run"]).get_program().to_owned();
            let mut command = std::process::Command::new("unshare");
            let shell = "mount -t tmpfs -o size=1m none .flowrun && exec \"$0\" run --backend slurm";
            command.args(["--user", "--map-root-user", "--mount", "sh", "-c", shell]).arg(flowrun);
            command.current_dir(project.dir()).env("HOME", project.dir()).env_remove("FLOWRUN_STORE");
            let path = format!("{}:/usr/bin:/bin", project.path("wrapped").display());
            project.said(command.env("PATH", path)).shows(str![[r#"
exit 3
--- err
error: cannot copy flowrun to `[PROJECT]/.flowrun/runs/1/spool/bin/flowrun`: no space left on device
  help: free some space on the file system of `[PROJECT]/.flowrun/runs/1/spool/bin` (or raise the quota), then give the same command again

"#]]);
            assert!(!project.path("calls").exists());
        }
    }
}
