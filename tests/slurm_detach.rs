//! Runs on a real Slurm whose driver is a job: handed over, followed, handed on, begun anew, cancelled. One cluster for
//! all of them, one after another.

#![allow(clippy::unwrap_used)]

#[path = "common/slurm.rs"]
mod cluster;
mod common;

use cluster::{Cluster, Shape};
use common::*;
use snapbox::{IntoData, str};
use std::path::Path;

/// Instances that say that they have begun and wait until there is a file `go`.
fn waiting(range: u32) -> String {
    format!(
        r#"
[pipeline]
name = "waiting"
[map.m]
over = {{ range = [0, {range}] }}
[map.m.task.t]
command = '''
echo {{{{ item }}}} has begun
echo {{{{ item }}}} >> begun
until ls | grep -q '^go$'; do sleep 0.1; done
echo {{{{ item }}}} >> ran
echo v={{{{ item }}}} >> $FLOWRUN_OUTPUT
'''
outputs.v = "int"
[outputs]
all = "{{{{ m.t.v }}}}"
"#
    )
}

fn on(cluster: &Cluster, project: &Project, line: &str) -> Said {
    let mut command = project.command(line.split(' '));
    project.said(cluster.reach(&mut command))
}

/// What a command shows, without the numbers of jobs and the name of this host.
#[track_caller]
fn shows(said: &Said, expected: impl IntoData) {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let text = said.text().replace(&format!("on {}, job ", host.trim()), "on [HOST], job ");
    let (mut parts, mut out) = (text.split("job "), String::new());
    out.push_str(parts.next().unwrap());
    for part in parts {
        out.push_str("job ");
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        out.push_str(if rest.len() < part.len() { "[JOB]" } else { "" });
        out.push_str(rest);
    }
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(out.into_data().raw(), expected.into_data().raw());
}

/// The job that drives the run of a project: number and state.
fn driver(cluster: &Cluster) -> Vec<(String, String)> {
    let queue = cluster.queue();
    let jobs = queue.lines().filter(|line| line.ends_with("-driver"));
    jobs.map(|line| line.split(' ').map(String::from).collect::<Vec<_>>())
        .map(|words| (words[0].clone(), words[1].clone()))
        .collect()
}

fn numbers(project: &Project, name: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = project.lines(name).iter().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

fn follower<'p>(cluster: &Cluster, project: &'p Project) -> Follower<'p> {
    let mut command = project.command(["attach"]);
    cluster.reach(&mut command);
    Follower::of(project, "attach", command)
}

/// The driver waits in the queue.
fn waits_in_the_queue(cluster: &Cluster) {
    let project = Project::new(&waiting(2));
    cluster.ask(&["scontrol", "update", "partitionname=main", "state=down"]);
    project.edit("pipeline.toml", "[outputs]", "[output]");
    on(cluster, &project, "run --backend slurm --detach").exits(2);
    project.edit("pipeline.toml", "[output]", "[outputs]");
    shows(
        &on(cluster, &project, "run --backend slurm --detach"),
        str![[r#"
exit 0
--- out
run 1 is detached, driven by job [JOB] of Slurm
`flowrun attach 1` follows it, `flowrun cancel 1` stops it

"#]],
    );
    until(|| cluster.ask(&["squeue", "-h", "-o", "%r"]).trim() == "PartitionDown", "Slurm has looked at it");
    shows(
        &on(cluster, &project, "status"),
        str![[r#"
exit 0
--- out
run 1 of waiting: waits for its driver: job [JOB] of Slurm waits: PartitionDown
not begun yet

  m.t  not known yet

"#]],
    );
    shows(
        &on(cluster, &project, "run --backend slurm --detach"),
        str![[r#"
exit 75
--- err
error: another run holds this pipeline: run 1, whose driver has not begun: job [JOB] of Slurm waits: PartitionDown
  help: `--wait` waits until it has ended; `flowrun status` shows what it does

"#]],
    );
    shows(
        &on(cluster, &project, "resume"),
        str![[r#"
exit 75
--- err
error: another run holds this pipeline: run 1, whose driver has not begun: job [JOB] of Slurm waits: PartitionDown
  help: `--wait` waits until it has ended; `flowrun status` shows what it does

"#]],
    );
    let following = follower(cluster, &project);
    shows(
        &on(cluster, &project, "cancel"),
        str![[r#"
exit 0
--- out
run 1 waited for its driver, which is taken back; `flowrun resume` goes on where it stopped

"#]],
    );
    assert_eq!(cluster.queue(), "");
    shows(
        &following.wait(),
        str![[r#"
exit 3
--- err
run 1 waits for its driver: job [JOB] of Slurm waits: PartitionDown
error: nobody is at run 1 any more, and it has not reached its end
  help: `flowrun resume 1` goes on where it stopped, and so does the same command

"#]],
    );
    shows(
        &on(cluster, &project, "cancel"),
        str![[r#"
exit 0
--- out
run 1 was not at work: there is nothing to cancel

"#]],
    );
    shows(
        &on(cluster, &project, "status"),
        str![[r#"
exit 0
--- out
run 1 of waiting: interrupted
not begun yet

  m.t  not known yet

`flowrun resume` goes on where it stopped, and so does the same command

"#]],
    );
    cluster.ask(&["scontrol", "update", "partitionname=main", "state=up"]);
}

/// The driver's time is up, and then its node fails.
fn goes_on(cluster: &mut Cluster) {
    let project = Project::new(&waiting(6));
    let begun = on(cluster, &project, "run --backend slurm --detach --output json").exits(0).json();
    assert_eq!((&begun["state"], &begun["by"].as_str().unwrap()[..4]), (&"detached".into(), "job "));
    until(|| project.lines("begun").len() == 6, "all are at work");
    let following = follower(cluster, &project);
    let first = driver(cluster);
    assert_eq!(first.len(), 1);
    cluster.ask(&["scancel", "--batch", "--signal=USR1", &first[0].0]);
    until(|| driver(cluster).len() == 2, "the next one waits");
    cluster.ask(&["scancel", &first[0].0]);
    let is_at_work = |project: &Project| on(cluster, project, "status").out().contains("at work: process");
    until(|| driver(cluster).iter().all(|(job, _)| *job != first[0].0) && is_at_work(&project), "it goes on");
    let second = driver(cluster);
    assert_eq!(second.len(), 1);
    let node = cluster.ask(&["squeue", "-h", "-j", &second[0].0, "-o", "%N"]).trim().to_owned();
    let journal = project.read(".flowrun/runs/1/journal").matches("\"resumed\"").count();
    assert_eq!(journal, 1);
    cluster.crash_node(&node);
    until(|| project.read(".flowrun/runs/1/journal").matches("\"resumed\"").count() == 2, "it is begun anew");
    project.write("go", "");
    let said = following.wait();
    assert_eq!(said.exits(0).out().lines().nth(1), Some("  all = [0, 1, 2, 3, 4, 5]"), "{}", said.text());
    assert_eq!(numbers(&project, "ran"), [0, 1, 2, 3, 4, 5], "nobody's work is done twice");
    until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    let log = project.read(".flowrun/runs/1/driver.log");
    assert!(log.contains("the time of this job is nearly up: job "), "{log}");
    cluster.start_daemon(&node);
    until(|| cluster.ask(&["sinfo", "-h", "-o", "%D %t"]).trim() == "4 idle", "the node is back");
}

/// Looked at and cancelled from elsewhere, while another run is at work in a folder whose name begins alike.
fn looked_at_and_cancelled(cluster: &mut Cluster) {
    let ours = Project::new(&waiting(1));
    let folder = "beside";
    ours.write(format!("{folder}/pipeline.toml"), waiting(1));
    ours.write(format!("{folder}2/pipeline.toml"), waiting(2));
    let other = format!("run {folder}2/pipeline.toml --backend slurm --detach");
    on(cluster, &ours, &other).exits(0);
    until(|| ours.lines(format!("{folder}2/begun")).len() == 2, "the other run is at work");
    let line = |words: &str| words.replace("FILE", &format!("{folder}/pipeline.toml"));
    on(cluster, &ours, &line("run FILE --backend slurm --detach")).exits(0);
    until(|| on(cluster, &ours, &line("status FILE")).out().contains(", on "), "its task is at work");
    on(cluster, &ours, &line("log FILE m[0].t")).shows(str![[r#"
exit 0
--- out
0 has begun

"#]]);
    cluster.stop_daemon("slurmctld", "TERM");
    shows(
        &on(cluster, &ours, &line("cancel FILE")),
        str![[r#"
exit 3
--- err
error: run 1 is to stop, and its driver goes on trying: Slurm does not answer: slurm_load_jobs error: Unable to contact slurm controller (connect failure)

"#]],
    );
    cluster.start_daemon("slurmctld");
    // The driver tries on.
    until(|| on(cluster, &ours, &line("status FILE")).out().contains(": interrupted"), "it is cancelled");
    shows(
        &on(cluster, &ours, &line("attach FILE")),
        str![[r#"
exit 143
--- out
run 1 stopped by `flowrun cancel`: 1 waiting in [TIME]
`flowrun resume beside/pipeline.toml` goes on where it stopped, and so does the same command

"#]],
    );
    until(|| cluster.queue().lines().count() == 3, "the other run has its driver and two jobs");
    shows(
        &on(cluster, &ours, &line("cancel FILE")),
        str![[r#"
exit 0
--- out
run 1 was not at work: there is nothing to cancel

"#]],
    );
    on(cluster, &ours, &format!("cancel {folder}2/pipeline.toml")).exits(0);
    assert_eq!(cluster.queue(), "");
    assert!(!Path::new(&ours.path(format!("{folder}2/ran"))).exists());
}

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn runs_whose_driver_is_a_job() {
        let mut cluster = Cluster::start(&Shape { cpus: 4, ..Shape::default() });
        waits_in_the_queue(&cluster);
        goes_on(&mut cluster);
        looked_at_and_cancelled(&mut cluster);
    }
}
