//! Runs on a real Slurm of four nodes, which the tests start themselves.

#![allow(clippy::unwrap_used)]

#[path = "common/slurm.rs"]
mod cluster;
mod common;

use cluster::{Cluster, Shape};
use common::*;
use snapbox::str;

/// A run on the cluster.
fn on(cluster: &Cluster, project: &Project, line: &str) -> Said {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = project.command(&words);
    project.said(cluster.reach(&mut command))
}

/// The numbers that tasks appended to a file.
fn numbers(project: &Project, name: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = project.lines(name).iter().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// Instances that wait until there is a file `go`.
fn waiting(range: u32) -> String {
    format!(
        r#"
[map.m]
over = {{ range = [0, {range}] }}
[map.m.task.t]
command = '''
echo $SLURM_ARRAY_JOB_ID''_$SLURM_ARRAY_TASK_ID $SLURMD_NODENAME > where.{{{{ item }}}}
echo {{{{ item }}}} >> begun
until ls | grep -q '^go$'; do sleep 0.1; done
echo {{{{ item }}}} >> ran
echo v={{{{ item }}}} >> $FLOWRUN_OUTPUT
'''
outputs.v = "int"
"#
    )
}

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_pipeline_gives_what_it_gives_here_and_both_share_a_cache() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::empty();
        project.write("pipeline.toml", std::fs::read(package("pipelines/compute_data.toml")).unwrap());
        let json = on(&cluster, &project, "run --backend slurm --output json").exits(0).json();
        assert_eq!(json["outputs"]["results"], serde_json::json!([126, 129, 132, 135]));
        assert_eq!(json["counts"]["succeeded"], 9);
        project.run("run").shows(str![[r#"
exit 0
--- out
outputs
  results = [126, 129, 132, 135]
run 2 succeeded: 9 cached in [TIME]
--- err
[1/9] cached    gen_data
[1/9] listed    process_data  4 items
[9/9] cached    process_data.transform  4 instances
[9/9] cached    process_data.compute  4 instances

"#]]);
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
        // The nodes' copy of the program goes with the work.
        assert!(!project.path(".flowrun/runs/1/spool/bin/flowrun").exists());
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_thousand_short_tasks_take_one_array() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 1000] }
[map.m.task.t]
command = "echo {{ item }} >> ran.$SLURMD_NODENAME; echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
"#,
        );
        let json = on(&cluster, &project, "run --backend slurm --output json").exits(0).json();
        assert_eq!(json["counts"]["succeeded"], 1000);
        let ran: usize = (1..=4).map(|node| project.lines(format!("ran.n{node}")).len()).sum();
        assert_eq!(ran, 1000);
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_killed_driver_finds_its_jobs_again() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 24] }
[map.m.task.t]
command = "echo {{ item }} >> begun; sleep 1; echo {{ item }} >> ran; echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
"#,
        );
        let driver = |words: &[&str]| {
            let mut command = project.command(words);
            cluster.reach(&mut command);
            command
        };
        for seen in [1, 9, 17] {
            let live = project.live(driver(&["run", "--backend", "slurm"]));
            until(|| project.lines("ran").len() >= seen, "some tasks have ended");
            live.signal("KILL");
            live.wait();
        }
        let json = project.said(&mut driver(&["run", "--backend", "slurm", "--output", "json"])).exits(0).json();
        assert_eq!((&json["run"], &json["state"]), (&serde_json::json!(1), &serde_json::json!("succeeded")));
        let all: Vec<String> = (0..24).map(|i| i.to_string()).collect();
        let numbers = |name: &str| {
            let mut lines = project.lines(name);
            lines.sort_by_key(|line| line.parse::<u32>().unwrap());
            lines
        };
        assert_eq!((numbers("begun"), numbers("ran")), (all.clone(), all));
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn whoever_dies_takes_nobody_along() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 8] }
[map.m.task.t]
command = "echo {{ item }} >> begun; while ! test -e go; do sleep 0.1; done; echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
"#,
        );
        let mut command = project.command(["run", "--backend", "slurm", "--keep-going"]);
        cluster.reach(&mut command);
        let live = project.live(command);
        until(|| project.lines("begun").len() == 8, "all are at work");
        // Everybody is at work in an element of its own; somebody cancels one of them.
        let victim = cluster.queue().lines().next().unwrap().split(' ').next().unwrap().to_owned();
        cluster.ask(&["scancel", &victim]);
        until(|| !cluster.queue().contains(&format!("{victim} ")), "it is gone");
        project.write("go", "");
        let said = live.wait();
        said.exits(1);
        let text = said.text();
        assert!(text.contains("1 failed, 7 succeeded") || text.contains("7 succeeded, 1 failed"), "{text}");
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_scheduler_that_is_away_harms_nothing() {
        let mut cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 8] }
[map.m.task.t]
command = "echo {{ item }} >> begun; while ! test -e go; do sleep 0.1; done; echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
[task.after]
command = "echo n={{ m.t.v | sum }} >> $FLOWRUN_OUTPUT"
outputs.n = "int"
[outputs]
n = "{{ after.n }}"
"#,
        );
        let mut command = project.command(["run", "--backend", "slurm"]);
        cluster.reach(&mut command);
        let live = project.live(command);
        until(|| project.lines("begun").len() == 8, "all are at work");
        cluster.stop_daemon("slurmctld", "TERM");
        project.write("go", "");
        let journal = ".flowrun/runs/1/journal";
        until(|| project.read(journal).matches("\"ended\"").count() == 8, "their ends are known");
        cluster.start_daemon("slurmctld");
        let said = live.wait();
        said.exits(0);
        assert!(said.out().contains("n = 28"), "{}", said.text());
        assert_eq!(project.lines("begun").len(), 8);
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn small_limits_are_no_errors() {
        let cluster =
            Cluster::start(&Shape { more: "MaxArraySize=11\nMaxJobCount=40\nMinJobAge=2\n", ..Shape::default() });
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 500] }
[map.m.task.t]
command = "echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
"#,
        );
        let said = on(&cluster, &project, "run --backend slurm --output json");
        assert_eq!(said.exits(0).json()["counts"]["succeeded"], 500);
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn what_no_node_has_is_said_before_the_queue_is_full_of_it() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[task.large]
command = "true"
resources.memory = "1TiB"
"#,
        );
        on(&cluster, &project, "run --backend slurm").shows(str![[r#"
exit 2
--- err
error[E0601]: `large` asks for 1TiB of memory, and no node of the partition `main` has more than 2 GiB
 --> pipeline.toml:4:20
  |
4 | resources.memory = "1TiB"
  |                    ^^^^^^ more than there is
  |
  = help: `sinfo --Node --long` shows what the nodes have; ask for less, or name another partition

"#]]);
        assert_eq!(cluster.queue(), "");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn options_go_to_sbatch() {
        let cluster = Cluster::start(&Shape { more: "PartitionName=short Nodes=n1 MaxTime=5\n", ..Shape::default() });
        let project = Project::new(
            r#"
slurm.partition = "short"
[map.m]
over = [1, 2]
slurm = { nice = 10, comment = "mine" }
[map.m.task.t]
command = 'echo {{ item }} "where=$SLURM_JOB_PARTITION" | cut -c 3- >> "$FLOWRUN_OUTPUT"'
outputs.where = "string"
slurm.partitio = "main"
[task.other]
command = 'echo "where=$SLURM_JOB_PARTITION" >> "$FLOWRUN_OUTPUT"'
outputs.where = "string"
slurm = { partition = "{{ 'main' if attempt == 1 else 'short' }}" }
[outputs]
all = "{{ [m.t.where, other.where] | flat }}"
"#,
        );
        on(&cluster, &project, "check").shows(str![[r#"
exit 2
--- err
error[E0102]: `comment` is set by flowrun itself
 --> pipeline.toml:5:22
  |
5 | slurm = { nice = 10, comment = "mine" }
  |                      ^^^^^^^ not here
  |
  = help: it is how flowrun finds its jobs again

error[E0102]: `partitio` is no long option of `sbatch`
 --> pipeline.toml:9:7
  |
9 | slurm.partitio = "main"
  |       ^^^^^^^^ unknown option
  |
  = help: did you mean `partition`?

2 mistakes in `pipeline.toml`

"#]]);
        project.edit("pipeline.toml", ", comment = \"mine\"", "").edit(
            "pipeline.toml",
            "slurm.partitio = \"main\"\n",
            "",
        );
        let json = on(&cluster, &project, "run --backend slurm --output json").exits(0).json();
        assert_eq!(json["outputs"]["all"], serde_json::json!(["short", "short", "main"]));
        project.edit("pipeline.toml", "slurm.partition = \"short\"", "slurm.partition = \"nowhere\"");
        on(&cluster, &project, "run --backend slurm --force m").shows(str![[r#"
exit 2
--- err
error[E0604]: `m.t` asks for the partition `nowhere`, which is not there
 --> pipeline.toml:2:19
  |
2 | slurm.partition = "nowhere"
  |                   ^^^^^^^^^ not to be had
  |
  = help: there are `main` and `short`

"#]]);
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_node_that_dies_and_a_job_begun_anew_harm_nobody() {
        let mut cluster = Cluster::start(&Shape { cpus: 6, ..Shape::default() });
        let project = Project::new(&waiting(24));
        let mut command = project.command(["run", "--backend", "slurm", "--output", "json"]);
        cluster.reach(&mut command);
        let live = project.live(command);
        until(|| project.lines("begun").len() == 24, "all are at work");
        let on_n2: Vec<u32> = (0..24).filter(|i| project.read(format!("where.{i}")).ends_with(" n2\n")).collect();
        assert_eq!(on_n2.len(), 6);
        let again = (0..24).find(|i| !on_n2.contains(i)).unwrap();
        cluster.ask(&["scontrol", "requeue", project.read(format!("where.{again}")).split(' ').next().unwrap()]);
        cluster.crash_node("n2");
        let twice: Vec<u32> = on_n2.iter().copied().chain([again]).collect();
        project.write("go", "");
        let json = live.wait().exits(0).json();
        assert_eq!(json["counts"]["succeeded"], 24);
        assert_eq!(numbers(&project, "ran"), (0..24).collect::<Vec<u32>>(), "nobody's work is done twice");
        let mut begun: Vec<u32> = (0..24).chain(twice).collect();
        begun.sort_unstable();
        assert_eq!(numbers(&project, "begun"), begun, "who lost its job begins again, and nobody else");
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_controller_that_is_killed_harms_nothing() {
        let mut cluster = Cluster::start(&Shape::default());
        let project = Project::new(&waiting(8));
        let mut command = project.command(["run", "--backend", "slurm", "--output", "json"]);
        cluster.reach(&mut command);
        let live = project.live(command);
        until(|| project.lines("begun").len() == 8, "all are at work");
        cluster.stop_daemon("slurmctld", "KILL");
        cluster.start_daemon("slurmctld");
        until(|| !cluster.ask(&["sinfo", "-h"]).is_empty(), "it answers again");
        project.write("go", "");
        let json = live.wait().exits(0).json();
        assert_eq!(json["counts"]["succeeded"], 8);
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_folder_may_have_any_name_and_so_many_cores_are_so_many_tasks() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::empty();
        let folder = "it's \"my\" $HOME; `x`";
        project.write(
            format!("{folder}/pipeline.toml"),
            r#"
[map.m]
over = { range = [0, 9] }
[map.m.task.t]
command = """
touch at_work.{{ item }}
ls | grep -c at_work >> seen
sleep 0.3
rm at_work.{{ item }}
echo v={{ item }} >> "$FLOWRUN_OUTPUT"
"""
outputs.v = "int"
"#,
        );
        let mut command = project.command(["run", "--backend", "slurm", "-j", "3", "--output", "json"]);
        command.current_dir(project.path(folder));
        let said = project.said(cluster.reach(&mut command));
        assert_eq!(said.exits(0).json()["counts"]["succeeded"], 9);
        let seen = numbers(&project, &format!("{folder}/seen"));
        assert_eq!((seen.len(), seen.iter().filter(|n| **n > 3).count()), (9, 0), "{seen:?}");
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn what_is_cancelled_leaves_nothing_in_the_queue_and_nobody_else_is_touched() {
        let cluster = Cluster::start(&Shape::default());
        let (ours, others) = (Project::new(&waiting(20)), Project::new(&waiting(2)));
        let driver = |project: &Project, line: &str| {
            let mut command = project.command(line.split(' '));
            cluster.reach(&mut command);
            command
        };
        let other = others.live(driver(&others, "run --backend slurm"));
        until(|| others.lines("begun").len() == 2, "the other run is at work");
        let live = ours.live(driver(&ours, "run --backend slurm"));
        until(|| ours.lines("begun").len() == 6, "the rest of the cluster is full");
        ours.said(&mut driver(&ours, "cancel")).shows(str![[r#"
exit 0
--- out
run 1 is cancelled; `flowrun resume` goes on where it stopped

"#]]);
        assert_eq!(cluster.queue().lines().count(), 2, "{}", cluster.queue());
        let said = live.wait();
        said.exits(143);
        assert!(said.out().starts_with("run 1 stopped by `flowrun cancel`: 20 waiting in "), "{}", said.text());

        // The same when its driver is dead.
        let live = ours.live(driver(&ours, "run --backend slurm"));
        until(|| ours.lines("begun").len() == 12, "the rest of the cluster is full again");
        live.signal("KILL");
        live.wait();
        ours.said(&mut driver(&ours, "cancel")).shows(str![[r#"
exit 0
--- out
run 1 had left 20 jobs at work, now cancelled; `flowrun resume` goes on where it stopped

"#]]);
        assert_eq!(cluster.queue().lines().count(), 2, "{}", cluster.queue());
        ours.said(&mut driver(&ours, "cancel")).shows(str![[r#"
exit 0
--- out
run 1 was not at work: there is nothing to cancel

"#]]);
        others.write("go", "");
        other.wait().exits(0);
        assert_eq!(numbers(&others, "begun"), [0, 1]);
        assert!(ours.lines("ran").is_empty());
    }
}
