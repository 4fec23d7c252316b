//! `doctor` and `plan` where tasks go to Slurm: on a real one, and on fakes that lack, lie or fail.

#![allow(clippy::unwrap_used)]

#[path = "common/slurm.rs"]
mod cluster;
mod common;

use common::*;
use snapbox::{IntoData, str};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What depends on the machine that the tests run on.
const OF_THE_MACHINE: [&str; 13] = [
    "folder",
    "state",
    "free",
    "locks",
    "reflink",
    "shells",
    "containers",
    "cores",
    "memory",
    "gpus",
    "cgroup",
    "programs",
    "cluster",
];

/// The area `slurm`: `settings`, `project` and `machine` are those of every backend.
fn of_backend(said: &Said) -> String {
    let text = steady(said);
    let (head, rest) = text.split_once("\nsettings\n").unwrap();
    let at = rest.find("\nslurm\n").unwrap();
    let (slurm, end) = rest[at..].split_once("\nlocal\n").unwrap_or((&rest[at..], "\n"));
    let end = end.find("\n\n").map_or("", |at| &end[at + 1..]);
    format!("{head}{slurm}{end}")
}

/// What was said, redacted, each finding on a line of its own whatever the lengths of paths, and without what depends
/// on the machine.
fn steady(said: &Said) -> String {
    let host = String::from_utf8(std::process::Command::new("uname").arg("-n").output().unwrap().stdout).unwrap();
    let (mut text, mut passed_over) = (String::new(), false);
    for line in said.text().lines() {
        let indent = line.len() - line.trim_start().len();
        let is_finding = ["  fine   ", "  note   ", "  wrong  "].iter().any(|mark| line.starts_with(mark));
        if is_finding {
            let about = line[9..].split("  ").next().unwrap();
            passed_over = OF_THE_MACHINE.contains(&about) && !line.starts_with("  wrong");
            match passed_over {
                true => write!(text, "\n  ...    {about}").unwrap(),
                false => write!(text, "\n{line}").unwrap(),
            }
        } else if passed_over && indent >= 9 {
        } else if [11, 15, 26].contains(&indent) {
            write!(text, " {}", line.trim_start()).unwrap();
        } else {
            passed_over = false;
            write!(text, "\n{line}").unwrap();
        }
    }
    let mut words = Vec::new();
    for line in text.trim_start().lines() {
        let mut line = line.replace(host.trim(), "[HOST]");
        if line.ends_with(" worth knowing") {
            // What the machine lacks counts, too.
            line.truncate(line.find(';').unwrap());
        }
        for (before, after) in [("SQLite ", ","), ("/.doctor-", "/")] {
            if let Some(from) = line.find(before).map(|at| at + before.len()) {
                let to = line[from..].find(after).map_or(line.len(), |to| from + to);
                line.replace_range(from..to, "[...]");
            }
        }
        let mut after_job = false;
        let word = |word: &str| {
            let number = after_job && !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
            after_job = ["job", "`scancel"].contains(&word);
            if number { "[JOB]".to_owned() } else { word.to_owned() }
        };
        words.push(line.split(' ').map(word).collect::<Vec<_>>().join(" "));
    }
    words.join("\n") + "\n"
}

/// The same of a plan: its command line in one line, and the name of the array without its digest.
fn plan(said: &Said) -> String {
    let mut text = said.text().replace(" \\\n  ", " ");
    let name = "--job-name=flowrun-";
    let at = text.find(name).unwrap() + name.len();
    text.replace_range(at..at + 12, "[DIGEST]");
    text
}

#[track_caller]
fn shows(said: &str, expected: impl IntoData) {
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(said.into_data().raw(), expected.into_data().raw());
}

/// Puts a program into a folder.
fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A folder with these programs comes first on `PATH`, or is all of it.
fn with_path(command: &mut std::process::Command, folder: &Path, alone: bool) {
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).unwrap();
    let path = format!("{}:{}", folder.display(), path.to_str().unwrap());
    command.env("PATH", if alone { folder.to_str().unwrap() } else { &path });
}

const PIPELINE: &str = r#"
[resources]
memory = "64MiB"
time = "10m"

[task.list]
command = 'echo "sizes=[1, 2, 3]" >> "$FLOWRUN_OUTPUT"'
outputs.sizes = "list<int>"

[map.count]
over = { range = [0, 500] }
resources.cpus = 2
slurm.partition = "short"
max_parallel = 200
[map.count.task.one]
command = 'echo "n={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"

[map.size]
over = "{{ list.sizes }}"
[map.size.task.twice]
command = 'echo "n=$(( {{ item }} * 2 ))" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"

[task.join]
backend = "local"
command = 'echo {{ size.twice.n }}'
"#;

const PROFILES: &str = r#"
[profile.cluster]
backend = "slurm"
slurm.partition = "short"

[profile.misspelt]
backend = "slurm"
slurm.partition = "shrt"

[profile.held]
backend = "slurm"
slurm.hold = true

[profile.long]
backend = "slurm"
resources.time = "20h"

[profile.team]
backend = "slurm"
slurm.account = "genomics"
slurm.partition = "main"

[profile.own]
backend = "slurm"
slurm.account = "physics"
slurm.partition = "main"
"#;

#[test]
fn where_there_is_no_slurm() {
    let project = Project::new(PIPELINE);
    program(&project.path("bin"), "bash", "exec /bin/bash \"$@\"");
    let ask = |line: &str| {
        let mut command = project.command(line.split(' '));
        with_path(&mut command, &project.path("bin"), true);
        project.said(&mut command)
    };
    shows(
        &steady(&ask("doctor --backend slurm --try")),
        str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend slurm

settings
  fine   backend          slurm (--backend)
  fine   store            .flowrun/store.db (default)
  ...    memory
  fine   time             10m (pipeline.toml:4)

project
  fine   pipeline         `pipeline.toml` is right: 6 nodes
  ...    folder
  fine   writing          files can be made in `[PROJECT]`
  ...    free
  ...    locks
  ...    reflink
  fine   store            `.flowrun/store.db`: SQLite [...], made by the first run

machine
  ...    shells
  ...    containers

slurm
  wrong  programs         there is no `sbatch`, `squeue`, `scancel` and `scontrol` here
         help: run on a login node of the cluster, or load its module (`module load slurm`)

local
  ...    cores
  ...    memory
  ...    gpus
  ...    cgroup

1 thing is wrong

"#]],
    );
    shows(
        &plan(&ask("plan --backend slurm list")),
        str![[r#"
exit 0
--- out
list: run
  never run before

1 array would be submitted now
  list
    1 instance in 1 element, 1 core, 64 MiB, [TIME]
  the limits are Slurm's usual ones, not those of a cluster: there is no Slurm
    here: `sbatch` is not on `PATH`

it is submitted by

sbatch --parsable --job-name=flowrun-[DIGEST]-0.0 '--comment=flowrun [PROJECT]/.flowrun/runs/1/spool, batch 0' --array=0-0 --output=/dev/null --error=work/%A_%a.words --open-mode=append --requeue --chdir=[PROJECT]/.flowrun/runs/1/spool --cpus-per-task=1 --mem=65536K --propagate=NONE --time=20 <<'EOF'
#!/bin/sh
cd '[PROJECT]/.flowrun/runs/1/spool' || exit 1
exec '[PROJECT]/.flowrun/runs/1/spool/bin/flowrun' __agent . 0
EOF

run 1 · cached 0 · unknown 0

"#]],
    );
    ask("doctor --backend slrm").shows(str![[r#"
exit 2
--- err
error: there is no backend `slrm`
  help: did you mean `slurm`?

"#]]);
}

#[test]
fn a_store_that_cannot_be_reached_and_a_pipeline_with_mistakes() {
    let project = Project::new("[task.a]\ncomand = 'true'\n");
    let said = project.run("doctor --store postgres://ada:secret@127.0.0.1:1/cache");
    shows(
        &steady(&said),
        str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend local

settings
  fine   backend          local (default)
  fine   store            postgres://ada:***@127.0.0.1:1/cache (--store)

project
  wrong  pipeline         `pipeline.toml` has 1 mistake
         help: `flowrun check` shows them
  ...    folder
  fine   writing          files can be made in `[PROJECT]`
  ...    free
  ...    locks
  ...    reflink
  wrong  store            the store `postgres://ada@127.0.0.1:1/cache` cannot be reached: connection refused
         help: see to it that the server runs and that this machine can reach it, or name another store with `--store`

machine
  ...    shells
  ...    containers

local
  ...    cores
  ...    memory
  ...    gpus
  ...    cgroup

2 things are wrong

"#]],
    );
    project.run("doctor other.toml").shows(str![[r#"
exit 2
--- err
error: there is no file `other.toml`

"#]]);
}

/// A cluster with accounting, as its programs show it.
fn with_accounts(project: &Project, enforced: bool) -> std::path::PathBuf {
    let bin = project.path("bin");
    let fake = |name: &str, script: &str| {
        program(&bin, name, &format!("[ \"$1\" = --version ] && echo slurm 23.11.4 && exit\n{script}"));
    };
    let enforce = if enforced { "associations,limits,qos" } else { "none" };
    fake(
        "scontrol",
        &format!(
            "case \"$*\" in\n\
         'show config') printf '%s\\n' 'ClusterName = big' 'SLURM_VERSION = 23.11.4' 'MaxArraySize = 1001' \
         'MaxJobCount = 10000' 'MinJobAge = 300 sec' 'AccountingStorageType = accounting_storage/slurmdbd' \
         'AccountingStorageEnforce = {enforce}' ;;\n\
         *partition) echo 'PartitionName=main Default=NO MaxTime=1-00:00:00'; echo 'PartitionName=gpu Default=NO' ;;\n\
         ping) echo 'Slurmctld(primary) at ctl1 is DOWN'; echo 'Slurmctld(backup) at ctl2 is UP' ;;\n\
         esac"
        ),
    );
    fake(
        "sacctmgr",
        "case \"$*\" in\n\
        *withassoc*) echo 'big|physics||physics|200|||normal'; echo 'big|teaching|small|physics||||normal,short' ;;\n\
        *assoc*) echo 'physics|||normal|200|'; echo 'teaching|small|normal,short|normal||10' ;;\n\
        *user*) echo physics ;;\n\
        *maxsubmitjobsperuser*) echo 'normal|500||'; echo 'short|||' ;;\n\
        *qos*) echo 'normal|500|100|'; echo 'short|||01:00:00' ;;\nesac",
    );
    fake(
        "sinfo",
        "echo 'main|up|1-00:00:00|12|32|128000|(null)|idle'; echo 'gpu|up|infinite|2|16|64000|gpu:a100:4|down'",
    );
    fake("squeue", "echo RUNNING; echo PENDING; echo RUNNING");
    fake("sacct", "exit 0");
    fake("scancel", "exit 0");
    fake("sbatch", "echo 'sbatch: error: Invalid account or account/partition combination specified' >&2; exit 1");
    bin
}

#[test]
fn accounts_and_their_limits_and_a_cluster_that_takes_nothing() {
    let project = Project::empty();
    project.write("flowrun.toml", PROFILES);
    let ask = |enforced: bool, line: &str| {
        let bin = with_accounts(&project, enforced);
        let mut command = project.command(line.split(' '));
        with_path(command.env("USER", "ada"), &bin, false);
        project.said(&mut command)
    };
    shows(
        &of_backend(&ask(true, "doctor --profile team")),
        str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend slurm

slurm
  ...    programs
  note   controller       it answers in [TIME]
         Slurmctld(primary) at ctl1 is DOWN
         Slurmctld(backup) at ctl2 is UP
  ...    cluster
  fine   limits           arrays of 1001 elements at most, 10000 jobs in the queue
  fine   accounting       accounting_storage/slurmdbd answers
  fine   accounts         ada has 2 accounts (* the default)
         physics*, 200 at most in the queue
         teaching, partition small, QOS normal, short, 10 at work
  fine   qos              2 qualities of service
         normal: 500 jobs in the queue, 100 at work
         short: [TIME] at most
  fine   partitions       2 partitions (tasks go to `main`)
         main  up  1-00:00:00  12 nodes      32 cores  125 GiB
         gpu   up  infinite    0 of 2 nodes  16 cores  62 GiB, 8 GPUs
  fine   queue            of your jobs 1 wait and 2 run
  wrong  submission       a task that says nothing of itself asks for the account `genomics`, which you do not have
         help: you have `physics` and `teaching`

1 thing is wrong

"#]],
    );
    shows(
        &of_backend(&ask(true, "doctor --profile own")),
        str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend slurm

slurm
  ...    programs
  note   controller       it answers in [TIME]
         Slurmctld(primary) at ctl1 is DOWN
         Slurmctld(backup) at ctl2 is UP
  ...    cluster
  fine   limits           arrays of 1001 elements at most, 10000 jobs in the queue
         association limit, physics, MaxSubmitJobs: 200 jobs
  fine   accounting       accounting_storage/slurmdbd answers
  fine   accounts         ada has 2 accounts (* the default)
         physics*, 200 at most in the queue
         teaching, partition small, QOS normal, short, 10 at work
  fine   qos              2 qualities of service
         normal: 500 jobs in the queue, 100 at work
         short: [TIME] at most
  fine   partitions       2 partitions (tasks go to `main`)
         main  up  1-00:00:00  12 nodes      32 cores  125 GiB
         gpu   up  infinite    0 of 2 nodes  16 cores  62 GiB, 8 GPUs
  fine   queue            of your jobs 1 wait and 2 run
  wrong  submission       Slurm does not take it: Invalid account or account/partition combination specified
         sbatch --array=0-0 --cpus-per-task=1 --account=physics --partition=main
         help: write what the cluster asks for into the profile: `slurm.partition`, `slurm.account`, `time`

1 thing is wrong

"#]],
    );
    program(
        &project.path("bin"),
        "sinfo",
        "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1",
    );
    let found = ask(false, "doctor --profile team --output json").exits(3).json();
    let accounts = found["findings"].as_array().unwrap().iter().find(|one| one["about"] == "accounts").unwrap();
    assert_eq!(accounts["data"]["accounts"][1]["partition"], "small");
}

mod needs_slurm {
    use super::cluster::{Cluster, Shape};
    use super::*;

    fn start() -> Cluster {
        Cluster::start(&Shape {
            more: "PartitionName=short Nodes=n[1-2] MaxTime=30 State=UP\nMessageTimeout=2\n",
            ..Shape::default()
        })
    }

    fn on(cluster: &Cluster, project: &Project, line: &str) -> Said {
        project.said(cluster.reach(&mut project.command(line.split(' '))))
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_cluster_where_all_is_well_and_settings_that_are_not() {
        let mut cluster = start();
        let project = Project::new(PIPELINE);
        project.write("flowrun.toml", PROFILES);
        shows(
            &steady(&on(&cluster, &project, "doctor --profile cluster --try")),
            str![[r#"
exit 0
--- out
flowrun 0.1.0 on host [HOST], backend slurm

settings
  fine   profile          cluster (--profile)
  fine   backend          slurm (flowrun.toml:3)
  fine   store            .flowrun/store.db (default)
  fine   slurm.partition  short (flowrun.toml:4)
  ...    memory
  fine   time             10m (pipeline.toml:4)

project
  fine   pipeline         `pipeline.toml` is right: 6 nodes
  ...    folder
  fine   writing          files can be made in `[PROJECT]`
  ...    free
  ...    locks
  ...    reflink
  fine   store            `.flowrun/store.db`: SQLite [...], made by the first run

machine
  ...    shells
  ...    containers

slurm
  ...    programs
  fine   controller       it answers in [TIME]
  ...    cluster
  fine   limits           arrays of 1001 elements at most, 10000 jobs in the queue
  note   accounting       there is none: what became of a job is known for 300 sec after its end
  fine   partitions       2 partitions (tasks go to `short`)
         main*  up  1:00:00  4 nodes  2 cores  2 GiB
         short  up  30:00    2 nodes  2 cores  2 GiB
  fine   queue            of your jobs 0 wait and 0 run
  fine   submission       a task that says nothing of itself is taken
         sbatch --array=0-0 --cpus-per-task=1 --mem=65536K --time=10 --partition=short
  fine   test job         job [JOB] ran on [HOST]; its answer was here [TIME] after its submission
  fine   shared           what is written here is read on [HOST], and back
  fine   binary           runs on [HOST] (Linux x86_64)
  fine   clock            the node's agrees with ours

local
  ...    cores
  ...    memory
  ...    gpus
  ...    cgroup

nothing is wrong

"#]],
        );
        assert!(!project.path(".flowrun").exists(), "nothing is left behind");
        cluster::until("nothing is left in the queue", || cluster.queue().is_empty());

        let json = on(&cluster, &project, "doctor --profile cluster --try --output json").exits(0).json();
        assert_eq!((&json["backend"], &json["wrong"]), (&"slurm".into(), &0.into()));
        let found = |about: &str| {
            let all = json["findings"].as_array().unwrap();
            all.iter().find(|one| one["area"] == "slurm" && one["about"] == about).unwrap()["data"].clone()
        };
        assert_eq!(found("limits")["max_array_size"], 1001);
        let (main, short) = (&found("partitions")["partitions"][0], &found("partitions")["partitions"][1]);
        assert_eq!((&main["name"], &main["default"], &main["nodes"]), (&"main".into(), &true.into(), &4.into()));
        assert_eq!((&short["name"], &short["cpus_per_node"][1]), (&"short".into(), &2.into()));
        assert_eq!(found("clock")["apart_s"], 0.0);

        shows(
            &of_backend(&on(&cluster, &project, "doctor --profile misspelt --try")),
            str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend slurm

slurm
  ...    programs
  fine   controller       it answers in [TIME]
  ...    cluster
  fine   limits           arrays of 1001 elements at most, 10000 jobs in the queue
  note   accounting       there is none: what became of a job is known for 300 sec after its end
  fine   partitions       2 partitions
         main*  up  1:00:00  4 nodes  2 cores  2 GiB
         short  up  30:00    2 nodes  2 cores  2 GiB
  fine   queue            of your jobs 0 wait and 0 run
  wrong  submission       a task that says nothing of itself asks for the partition `shrt`, which is not there
         help: did you mean `short`?

1 thing is wrong

"#]],
        );
        shows(
            &of_backend(&on(&cluster, &project, "doctor --profile long")),
            str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend slurm

slurm
  ...    programs
  fine   controller       it answers in [TIME]
  ...    cluster
  fine   limits           arrays of 1001 elements at most, 10000 jobs in the queue
  note   accounting       there is none: what became of a job is known for 300 sec after its end
  fine   partitions       2 partitions (* the default)
         main*  up  1:00:00  4 nodes  2 cores  2 GiB
         short  up  30:00    2 nodes  2 cores  2 GiB
  fine   queue            of your jobs 0 wait and 0 run
  wrong  submission       a task that says nothing of itself asks for 20h, and jobs of the partition `main` may run for 1h at most
         help: ask for less, or name another partition; `sinfo --summarize` shows how long each allows

1 thing is wrong

"#]],
        );
        shows(
            &of_backend(&on(&cluster, &project, "doctor --profile held --try --patience 1")),
            str![[r#"
exit 0
--- out
flowrun 0.1.0 on host [HOST], backend slurm

slurm
  ...    programs
  fine   controller       it answers in [TIME]
  ...    cluster
  fine   limits           arrays of 1001 elements at most, 10000 jobs in the queue
  note   accounting       there is none: what became of a job is known for 300 sec after its end
  fine   partitions       2 partitions (* the default)
         main*  up  1:00:00  4 nodes  2 cores  2 GiB
         short  up  30:00    2 nodes  2 cores  2 GiB
  fine   queue            of your jobs 0 wait and 0 run
  fine   submission       a task that says nothing of itself is taken
         sbatch --array=0-0 --cpus-per-task=1 --mem=65536K --time=10 --hold
  note   test job         job [JOB] did not end within [TIME]: PENDING, JobHeldUser; it is cancelled
         help: `--patience SECONDS` waits longer

nothing is wrong

"#]],
        );
        cluster::until("the test job is cancelled", || cluster.queue().is_empty());
        cluster.stop_daemon("slurmctld", "TERM");
        shows(
            &of_backend(&on(&cluster, &project, "doctor --profile cluster --try")),
            str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend slurm

slurm
  ...    programs
  wrong  controller       it does not answer: slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)
         help: ask the site, or wait: flowrun waits for a controller that is away, and runs go on without it

1 thing is wrong

"#]],
        );
        // Without it the programs that empty the queue at the end wait for their time-outs.
        cluster.start_daemon("slurmctld");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_node_that_sees_no_folder_and_one_that_has_another_time_and_another_machine() {
        let cluster = start();
        let project = Project::new(PIPELINE);
        let (bin, real) = (project.path("bin"), "PATH=${PATH#*:} sbatch \"$@\"");
        let ask = || {
            let mut command = project.command(["doctor", "--backend", "slurm", "--try"]);
            with_path(cluster.reach(&mut command), &bin, false);
            project.said(&mut command)
        };
        // On that node the folder is not mounted.
        program(&bin, "sbatch", &format!("sed \"s|^cd '/.*'|cd /mnt/no/such/folder|\" | {real}"));
        shows(
            &of_backend(&ask()),
            str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend slurm

slurm
  ...    programs
  fine   controller       it answers in [TIME]
  ...    cluster
  fine   limits           arrays of 1001 elements at most, 10000 jobs in the queue
  note   accounting       there is none: what became of a job is known for 300 sec after its end
  fine   partitions       2 partitions (* the default)
         main*  up  1:00:00  4 nodes  2 cores  2 GiB
         short  up  30:00    2 nodes  2 cores  2 GiB
  fine   queue            of your jobs 0 wait and 0 run
  fine   submission       a task that says nothing of itself is taken
         sbatch --array=0-0 --cpus-per-task=1 --mem=65536K --time=10
  wrong  test job         job [JOB] is over (FAILED, NonZeroExitCode) and left no answer in `[PROJECT]/.doctor-[...]/spool`
         help: put the project into a folder that the nodes see, too: `df` on a node shows which there are

1 thing is wrong

"#]],
        );
        // There is another one with the same name.
        program(&bin, "sbatch", &format!("sed 's|^exec|echo old > question; exec|' | {real}"));
        program(&bin, "date", "echo 1700000000.123");
        program(&bin, "uname", "if [ \"$1\" = -m ]; then echo aarch64; else exec /bin/uname \"$@\"; fi");
        let fakes = bin.display();
        program(
            &bin,
            "sbatch",
            &format!("sed 's|^exec|echo old > question; rm bin/flowrun; PATH={fakes}:$PATH exec|' | {real}"),
        );
        shows(
            &of_backend(&ask()),
            str![[r#"
exit 3
--- out
flowrun 0.1.0 on host [HOST], backend slurm

slurm
  ...    programs
  fine   controller       it answers in [TIME]
  ...    cluster
  fine   limits           arrays of 1001 elements at most, 10000 jobs in the queue
  note   accounting       there is none: what became of a job is known for 300 sec after its end
  fine   partitions       2 partitions (* the default)
         main*  up  1:00:00  4 nodes  2 cores  2 GiB
         short  up  30:00    2 nodes  2 cores  2 GiB
  fine   queue            of your jobs 0 wait and 0 run
  fine   submission       a task that says nothing of itself is taken
         sbatch --array=0-0 --cpus-per-task=1 --mem=65536K --time=10
  fine   test job         job [JOB] ran on [HOST]; its answer was here [TIME] after its submission
  wrong  shared           [HOST] has another `[PROJECT]` than this machine
         help: put the project into a folder that the nodes share with this machine
  wrong  binary           flowrun does not run on [HOST]: probe: 6: bin/flowrun: not found
         help: [HOST] is Linux aarch64, this machine Linux x86_64: name nodes by `slurm.constraint`
  wrong  clock            the node's is [TIME] behind ours
         help: have both set their clocks (chrony, ntpd): times of files tell flowrun what has changed

3 things are wrong

"#]],
        );
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_plan_shows_the_arrays_and_the_first_of_them_whole() {
        let cluster = Cluster::start(&Shape { more: "MaxArraySize=51\n", ..Shape::default() });
        let project = Project::new(PIPELINE);
        shows(
            &plan(&on(&cluster, &project, "plan --backend slurm")),
            str![[r#"
exit 0
--- out
list: run
  never run before
count.one: run 500
  never run before
size: unknown
  waits for `list`
join: unknown
  waits for `size`

2 arrays would be submitted now
  list
    1 instance in 1 element, 1 core, 64 MiB, [TIME]
  count.one
    200 instances in 51 elements, 2 cores, 64 MiB, [TIME] --partition=short
  300 instances follow as `max_parallel`, `[limits]` or `-j` leave room
  2 instances more depend on results: how many there are, and what they ask
    for, is not known yet

the first is submitted by

sbatch --parsable --job-name=flowrun-[DIGEST]-0.0 '--comment=flowrun [PROJECT]/.flowrun/runs/1/spool, batch 0' --array=0-0 --output=/dev/null --error=work/%A_%a.words --open-mode=append --requeue --chdir=[PROJECT]/.flowrun/runs/1/spool --cpus-per-task=1 --mem=65536K --propagate=NONE --time=20 <<'EOF'
#!/bin/sh
cd '[PROJECT]/.flowrun/runs/1/spool' || exit 1
exec '[PROJECT]/.flowrun/runs/1/spool/bin/flowrun' __agent . 0
EOF

run 501 · cached 0 · unknown 2

"#]],
        );
        assert!(!project.path(".flowrun").exists() && cluster.queue().is_empty(), "nothing is written or submitted");

        // What it prints is what is submitted.
        let json = on(&cluster, &project, "plan --backend slurm --output json").exits(0).json();
        let arrays = json["submissions"]["arrays"].as_array().unwrap();
        assert_eq!(
            arrays[1]["resources"],
            serde_json::json!({"cpus": 2, "memory": 64 << 20, "gpus": 0, "time_s": 600})
        );
        assert_eq!((&arrays[1]["instances"], &arrays[1]["elements"]), (&200.into(), &51.into()));
        assert_eq!(arrays[1]["options"], serde_json::json!(["--partition=short"]));
        assert_eq!(json["submissions"]["waiting"], 300);
        let bin = project.path("bin");
        program(&bin, "sbatch", "printf '%s\\n' \"$@\" > words; tee script | PATH=${PATH#*:} sbatch \"$@\"");
        let mut command = project.command(["run", "--backend", "slurm", "list"]);
        with_path(cluster.reach(&mut command), &bin, false);
        project.said(&mut command).exits(0);
        let words: Vec<&str> =
            arrays[0]["command"].as_array().unwrap()[1..].iter().map(|w| w.as_str().unwrap()).collect();
        assert_eq!(project.lines("words"), words);
        assert_eq!(project.read("script"), arrays[0]["script"].as_str().unwrap());
    }
}
