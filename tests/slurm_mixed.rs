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
}
