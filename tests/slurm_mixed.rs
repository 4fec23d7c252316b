//! Runs of which a part is on a cluster and a part here, and what tasks ask of a cluster beside cores.

#![allow(clippy::unwrap_used)]

#[path = "common/slurm.rs"]
mod cluster;
mod common;

use cluster::{Cluster, Shape};
use common::*;
use snapbox::str;
use std::process::Command;

/// A driver of a run on the cluster.
fn driver(cluster: &Cluster, project: &Project, line: &str) -> Command {
    let mut command = project.command(line.split(' '));
    cluster.reach(&mut command);
    command
}

/// A command on the cluster.
fn on(cluster: &Cluster, project: &Project, line: &str) -> Said {
    project.said(&mut driver(cluster, project, line))
}

/// A map on the cluster, and a join where flowrun is.
const MIXED: &str = r#"
[map.m]
over = [1, 2, 3]
max_parallel = 1
[map.m.task.t]
command = 'echo "v={{ item }}" >> "$FLOWRUN_OUTPUT"; echo "where=${SLURM_JOB_PARTITION:-here}" >> "$FLOWRUN_OUTPUT"'
outputs = { v = "int", where = "string" }
[task.join]
backend = "local"
secrets.TOKEN = { env = "MY_TOKEN" }
command = 'echo "sum={{ m.t.v | sum }}" >> "$FLOWRUN_OUTPUT"; echo "where=${SLURM_JOB_PARTITION:-here}" >> "$FLOWRUN_OUTPUT"'
outputs = { sum = "int", where = "string" }
[outputs]
sum = "{{ join.sum }}"
places = "{{ [m.t.where, join.where] | flat }}"
"#;

#[test]
fn a_backend_that_there_is_not() {
    let project = Project::new(
        r#"
[task.a]
backend = "lokal"
command = "true"
[branch.b]
on = "{{ 'x' }}"
backend = "kubernetes"
[branch.b.case.x.task.c]
command = "true"
[branch.b.default.task.d]
command = "true"
"#,
    );
    let said = project.run("check");
    said.shows(str![[r#"
exit 2
--- err
error[E0120]: there is no backend `lokal`
 --> pipeline.toml:3:11
  |
3 | backend = "lokal"
  |           ^^^^^^^
  |
  = help: did you mean `local`?

error[E0120]: there is no backend `kubernetes`
 --> pipeline.toml:7:11
  |
7 | backend = "kubernetes"
  |           ^^^^^^^^^^^^
  |
  = help: write `local` or `slurm`

2 mistakes in `pipeline.toml`

"#]]);
    assert!(project.run("plan").text().contains("did you mean"));
    assert!(project.run("run").text().contains("did you mean"));
    project.run("run --backend lokal").shows(str![[r#"
exit 2
--- err
error: there is no backend `lokal`
  help: did you mean `local`?

"#]]);
    let project = Project::new("[task.a]\nbackend = \"{{ x }}\"\ncommand = \"true\"");
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0120]: `backend` is a word, not an expression
 --> pipeline.toml:2:11
  |
2 | backend = "{{ x }}"
  |           ^^^^^^^^^
  |
  = help: who executes a task is known before the run: write `backend = "local"`

1 mistake in `pipeline.toml`

"#]]);
}

#[test]
fn one_machine_grants_what_it_has() {
    let project = Project::new(
        r#"
[task.t]
resources = { tasks = 8, nodes = 2, cpus = 2, disk = "1TiB" }
slurm = { partition = "nowhere", exclude = ["n1", 2] }
command = 'echo "granted={{ resources.nodes }} {{ resources.tasks }} {{ resources.cpus }}" >> "$FLOWRUN_OUTPUT"'
outputs.granted = "string"
[outputs]
granted = "{{ t.granted }}"
"#,
    );
    let json = project.run("run -j 5 --output json").exits(0).json();
    assert_eq!(json["outputs"]["granted"], "1 2 2");
    project.edit("pipeline.toml", r#"["n1", 2]"#, r#"["n{{ 1 }}", 2.5]"#).edit(
        "pipeline.toml",
        "nodes = 2",
        "nodes = 0",
    );
    project.edit("pipeline.toml", "slurm = { ", "slurm = { tmp = 1, ntasks = 3, ");
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0116]: `nodes` must be at least 1
 --> pipeline.toml:3:34
  |
3 | resources = { tasks = 8, nodes = 0, cpus = 2, disk = "1TiB" }
  |                                  ^
  |
  = help: write a whole number from 1 to 4294967295

error[E0102]: `tmp` is set by flowrun itself
 --> pipeline.toml:4:11
  |
4 | slurm = { tmp = 1, ntasks = 3, partition = "nowhere", exclude = ["n{{ 1 }}", 2.5] }
  |           ^^^ not here
  |
  = help: write `resources.disk`

error[E0102]: `ntasks` is set by flowrun itself
 --> pipeline.toml:4:20
  |
4 | slurm = { tmp = 1, ntasks = 3, partition = "nowhere", exclude = ["n{{ 1 }}", 2.5] }
  |                    ^^^^^^ not here
  |
  = help: write `resources.tasks`

error[E0103]: the words of `exclude` are texts or numbers as they stand
 --> pipeline.toml:4:66
  |
4 | slurm = { tmp = 1, ntasks = 3, partition = "nowhere", exclude = ["n{{ 1 }}", 2.5] }
  |                                                                  ^^^^^^^^^^
  |
  = help: with an expression write one string: `"{{ a }},{{ b }}"`

error[E0302]: the task `t` has no resource `nodes`
 --> pipeline.toml:5:39
  |
5 | command = 'echo "granted={{ resources.nodes }} {{ resources.tasks }} {{ resources.cpus }}" >> "$FLOWRUN_OUTPUT"'
  |                                       ^^^^^
  |
  = help: declare it: `resources.nodes = …`

5 mistakes in `pipeline.toml`

"#]]);
}

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_join_runs_here_and_a_map_on_the_cluster() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(MIXED);
        let mut run = driver(&cluster, &project, "run --backend slurm");
        project.said(run.env("MY_TOKEN", "sesame")).shows(str![[r#"
exit 0
--- out
outputs
  sum    = 6
  places = ["main", "main", "main", "here"]
run 1 succeeded: 4 succeeded in [TIME]
--- err
[0/4] listed    m  3 items
[0/4] started   m[0].t
[1/4] done      m[0].t  [TIME]
[1/4] started   m[1].t
[2/4] done      m[1].t  [TIME]
[2/4] started   m[2].t
[3/4] done      m[2].t  [TIME]
[3/4] started   join
[4/4] done      join  [TIME]

"#]]);
        let mut plan = driver(&cluster, &project, "plan --backend slurm --force m --force join");
        let said = project.said(plan.env("MY_TOKEN", "sesame"));
        let out = said.out();
        assert!(out.contains("1 array would be submitted now\n  m.t\n    1 instance in 1 element, 1 core\n"), "{out}");
        // The other way round it would travel.
        let mut there = driver(&cluster, &project, "run --backend local");
        project.edit("pipeline.toml", "backend = \"local\"", "backend = \"slurm\"");
        project.said(there.env("MY_TOKEN", "sesame")).shows(str![[r#"
exit 2
--- err
error[E0610]: the secret `TOKEN` would travel with the job of `join`
  --> pipeline.toml:10:17
   |
10 | secrets.TOKEN = { env = "MY_TOKEN" }
   |                 ^^^^^^^^^^^^^^^^^^^^
   |
   = help: on a cluster a secret comes from a file, read on the node: `{ file = "~/.token" }`

"#]]);
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn what_runs_here_ends_with_the_driver_and_the_cluster_goes_on() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[map.m]
over = [1, 2]
[map.m.task.t]
command = 'echo {{ item }} >> there; until test -e go; do sleep 0.1; done; echo v={{ item }} >> "$FLOWRUN_OUTPUT"'
outputs.v = "int"
[task.here]
backend = "local"
command = 'echo $$ >> here; until test -e go; do sleep 0.1; done; echo v=3 >> "$FLOWRUN_OUTPUT"'
outputs.v = "int"
[outputs]
sum = "{{ (m.t.v | sum) + here.v }}"
"#,
        );
        let at_work = |times: usize| {
            until(|| project.lines("here").len() == times && project.lines("there").len() == 2, "all are at work");
        };
        let live = project.live(driver(&cluster, &project, "run --backend slurm"));
        at_work(1);
        live.signal("INT");
        let said = live.wait();
        said.exits(130);
        assert!(said.out().starts_with("run 1 stopped by SIGINT: 2 running, 1 waiting in "), "{}", said.text());
        assert_eq!(cluster.queue().lines().count(), 2);

        let live = project.live(driver(&cluster, &project, "run --backend slurm"));
        at_work(2);
        live.signal("KILL");
        live.wait();

        // What would be given to this machine now is at work there already.
        let live = project.live(driver(&cluster, &project, "run --backend local -j 4 --output json"));
        at_work(3);
        project.write("go", "");
        let json = live.wait().exits(0).json();
        assert_eq!((&json["run"], &json["outputs"]["sum"]), (&1.into(), &6.into()));
        assert_eq!(project.sorted_lines("there"), ["1", "2"]);
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn processes_on_several_nodes_are_one_task() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[task.hosts]
resources = { nodes = 2, tasks = 2, cpus = 2, memory = "100MiB" }
command = """
srun sh -c 'echo $SLURMD_NODENAME $SLURM_PROCID cores=$SLURM_CPUS_PER_TASK' | sort > {{ outputs.hosts }}
echo "ranks=$(wc -l < {{ outputs.hosts }})" >> "$FLOWRUN_OUTPUT"
echo "asked={{ resources.nodes }} {{ resources.tasks }} {{ resources.cpus }}" >> "$FLOWRUN_OUTPUT"
"""
outputs = { hosts = { file = "hosts" }, ranks = "int", asked = "string" }

[task.each]
resources.nodes = 3
command = "srun sh -c 'echo node=$SLURMD_NODENAME; exit $((SLURM_PROCID == 2 ? 6 : 0))'"
"#,
        );
        on(&cluster, &project, "run --backend slurm --keep-going each").shows(str![[r#"
exit 1
--- out
failed each
  exit status 6
  | srun: error: n3: task 2: Exited with exit code 6
  log: flowrun log each --run 1

run 1: 1 failed in [TIME]
failed each: exit status 6: srun: error: n3: task 2: Exited with exit code 6
--- err
[0/1] started   each  it declares no output
[1/1] failed    each  exit status 6

"#]]);
        on(&cluster, &project, "run --backend slurm hosts").exits(0);
        assert_eq!(project.read("hosts"), "n1 0 cores=2\nn2 1 cores=2\n");
        let said = on(&cluster, &project, "log each");
        let log = said.exits(0).out();
        let mut nodes: Vec<&str> = log.lines().filter(|line| line.starts_with("node=")).collect();
        nodes.sort_unstable();
        assert_eq!(nodes, ["node=n1", "node=n2", "node=n3"], "{log}");
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn what_a_task_asks_for_is_what_it_gets() {
        let cluster = Cluster::start(&Shape { gpus: 4, ..Shape::default() });
        let project = Project::new(
            r#"
slurm.exclude = ["n1", "n2"]
[task.large]
resources = { gpus = 2, disk = "1GiB" }
slurm = { nice = 7, contiguous = true, hold = false }
command = """
echo "gpus=$CUDA_VISIBLE_DEVICES" >> "$FLOWRUN_OUTPUT"
echo "node=$SLURMD_NODENAME" >> "$FLOWRUN_OUTPUT"
scontrol show job $SLURM_JOB_ID | grep -oE '(Nice|MinTmpDiskNode|Contiguous|TresPerNode)=[^ ]*' | sort > asked
"""
outputs = { gpus = "string", node = "string" }

[task.limits]
command = 'echo "stack=$(ulimit -Ss)" >> "$FLOWRUN_OUTPUT"'
outputs.stack = "string"

[task.same_limits]
slurm.propagate = "STACK"
command = 'echo "stack=given $(ulimit -Ss)" >> "$FLOWRUN_OUTPUT"'
outputs.stack = "string"

[task.whole]
env.GIVEN = "by the file"
command = 'echo "seen=${GIVEN-} ${LEAKS-nothing}" >> "$FLOWRUN_OUTPUT"'
outputs.seen = "string"

[task.bare]
slurm.export = "NONE"
env.GIVEN = "by the file"
command = 'echo "seen=bare, ${GIVEN-} ${LEAKS-nothing}" >> "$FLOWRUN_OUTPUT"'
outputs.seen = "string"

[task.modules]
setup = ["source modules.sh", "module load tool/3"]
argv = ["tool"]
outputs.said = { type = "string", from = "stdout" }

[outputs]
large = ["{{ large.gpus }}", "{{ large.node }}"]
stack = ["{{ limits.stack != '4096' }}", "{{ same_limits.stack }}"]
seen = ["{{ whole.seen }}", "{{ bare.seen }}"]
said = "{{ modules.said }}"
"#,
        );
        project.write("modules.sh", "module() { export PATH=\"$PWD/modules/$2:$PATH\"; }\n");
        project.write("modules/tool/3/tool", "#!/bin/sh\necho tool 3\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(project.path("modules/tool/3/tool"), mode).unwrap();
        let command = project.command(["run"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -Ss 4096; exec \"$0\" run --backend slurm --output json"]);
        shell.arg(command.get_program()).current_dir(project.dir()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let said = project.said(cluster.reach(shell.env("LEAKS", "a leak")));
        let json = said.exits(0).json();
        assert_eq!((&json["outputs"]["large"][0], &json["outputs"]["said"]), (&"0,1".into(), &"tool 3".into()));
        assert!(["n3", "n4"].contains(&json["outputs"]["large"][1].as_str().unwrap()), "{json}");
        assert_eq!(json["outputs"]["stack"], serde_json::json!([true, "given 4096"]));
        assert_eq!(json["outputs"]["seen"], serde_json::json!(["by the file a leak", "bare, by the file nothing"]));
        assert_eq!(project.read("asked"), "Contiguous=1\nMinTmpDiskNode=1G\nNice=7\nTresPerNode=gres:gpu:2\n");
    }

    /// Several clusters need a database; here `sbatch`, `squeue` and `scancel` are told of another one by `--clusters`,
    /// answer as a real one does, and ask the only one there is.
    const OTHER: &str = r#"#!/bin/bash
tool=${0##*/} words=() cluster=
echo "$tool $*" >> "${0%/*}/asked"
while (($#)); do
  case $1 in
    --clusters=*) cluster=${1#*=} ;;
    --clusters) cluster=$2; shift ;;
    *) words+=("$1") ;;
  esac
  shift
done
case $tool,$cluster in
  squeue,) exit ;;
  squeue,*) echo "CLUSTER: $cluster" ;;
  sbatch,?*) number=$("/usr/bin/$tool" "${words[@]}") || exit; echo "$number;$cluster"; exit ;;
esac
exec "/usr/bin/$tool" "${words[@]}"
"#;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn jobs_on_another_cluster_are_found_and_cancelled_there() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 4] }
slurm.clusters = ["flowrun"]
[map.m.task.t]
command = 'echo {{ item }} >> begun; until test -e go; do sleep 0.1; done; echo v={{ item }} >> "$FLOWRUN_OUTPUT"'
outputs.v = "int"
"#,
        );
        for tool in ["sbatch", "squeue", "scancel"] {
            let path = project.path(format!("bin/{tool}"));
            project.write(&path, OTHER);
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
        let command = |line: &str| {
            let mut command = driver(&cluster, &project, line);
            command.env("PATH", &path);
            command
        };
        let asked = |begin: &str| project.lines("bin/asked").iter().filter(|line| line.starts_with(begin)).count();
        let live = project.live(command("run --backend slurm"));
        until(|| project.lines("begun").len() == 4, "all are at work");
        live.signal("KILL");
        live.wait();
        let looks = asked("squeue");
        let live = project.live(command("run --backend slurm --output json"));
        until(|| asked("squeue") >= looks + 2, "the queues are looked at");
        project.write("go", "");
        let json = live.wait().exits(0).json();
        assert_eq!((&json["run"], &json["counts"]["succeeded"]), (&1.into(), &4.into()));
        assert_eq!(project.sorted_lines("begun"), ["0", "1", "2", "3"]);
        assert_eq!(asked("sbatch"), 1);
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");

        std::fs::remove_file(project.path("go")).unwrap();
        let live = project.live(command("run --backend slurm --force m"));
        until(|| project.lines("begun").len() == 8, "all are at work again");
        live.signal("KILL");
        live.wait();
        project.said(&mut command("cancel")).exits(0);
        assert_eq!(cluster.queue(), "");
        let killed = project.lines("bin/asked");
        assert!(killed.iter().any(|line| line.starts_with("scancel --clusters flowrun ")), "{killed:?}");
    }
}
