//! Every way in which a job on Slurm can die, and a scheduler, a node and a driver: who dies takes nobody along, the cause
//! is right, and what follows from it. What a real Slurm cannot be made to do on demand a fake one does.

#![allow(clippy::unwrap_used)]

#[path = "common/slurm.rs"]
mod cluster;
mod common;
#[path = "slurm/fake.rs"]
mod fake;
#[path = "slurm/kills.rs"]
mod kills;

use cluster::{Cluster, Shape};
use common::*;
use std::collections::BTreeMap;
use std::process::Command;

/// `flowrun` on the cluster.
fn driver(cluster: &Cluster, project: &Project, line: &str) -> Command {
    let mut command = project.command(line.split(' '));
    cluster.reach(&mut command);
    command
}

/// The lines of `begun` by their first word: how each attempt of an item was begun.
fn begun(project: &Project) -> BTreeMap<u32, Vec<String>> {
    let mut begun: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for line in project.lines("begun") {
        let (item, how) = line.split_once(' ').unwrap();
        begun.entry(item.parse().unwrap()).or_default().push(how.to_owned());
    }
    begun
}

/// What the events of a run say of attempts that ended badly: the instance, the cause, the message.
fn failures(project: &Project) -> Vec<(String, String, String)> {
    let events = project.lines("events");
    let events = events.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let failed = events.filter(|event| event["event"] == "ended" && event["state"] == "failed");
    failed.map(|event| (text(&event["instance"]), text(&event["cause"]), text(&event["message"]))).collect()
}

mod needs_slurm {
    use super::*;

    /// Where no control group limits memory, Slurm kills the whole job, and its state says nothing. A node whose prolog
    /// fails holds what was to begin on it. Somebody cancels a whole array in the queue.
    #[test]
    #[ignore = "needs Slurm and munge"]
    fn what_never_begins_is_told_and_what_slurm_itself_kills_has_its_cause() {
        let more = "JobAcctGatherParams=OverMemoryKill\nProlog=DIR/prolog\nPartitionName=small Nodes=n1 MaxTime=60\n";
        let cluster = Cluster::start(&Shape { nodes: 2, cpus: 4, more, ..Shape::default() });
        let prolog = "#!/bin/sh\ntest $SLURMD_NODENAME != n1\n";
        std::fs::write(cluster.path("prolog"), prolog).unwrap();
        std::fs::set_permissions(cluster.path("prolog"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let project = Project::new(
            r#"
[task.large]
resources.memory = "60MiB"
retry = { attempts = 2, on = ["oom"], on_oom = { memory = "x8" } }
slurm.nodelist = "n2"
command = "echo '0 {{ resources.memory }}' >> begun; test {{ attempt }} = 2 || head -c 200M /dev/zero | (tail; sleep 30)"
[task.held]
slurm.partition = "small"
command = "echo 1 ok >> begun"
[task.cancelled]
over = [1, 2, 3]
slurm.hold = true
command = "false"
"#,
        );
        let live = project.live(driver(&cluster, &project, "run --backend slurm --keep-going --events events"));
        let reasons = || cluster.ask(&["squeue", "-h", "-r", "-o", "%F %r %N"]);
        until(|| reasons().contains("launch failed requeued held"), "the prolog has failed");
        until(|| reasons().contains("JobHeld"), "the others are held");
        let job = |reason: &str| {
            reasons().lines().find(|line| line.contains(reason)).unwrap().split(' ').next().unwrap().to_owned()
        };
        cluster.ask(&["scancel", &job("JobHeld")]);
        until(|| begun(&project).get(&0).is_some_and(|attempts| attempts.len() == 2), "it was given more");
        std::fs::write(cluster.path("prolog"), "#!/bin/sh\n").unwrap();
        cluster.ask(&["scontrol", "update", "nodename=n1", "state=resume"]);
        cluster.ask(&["scontrol", "release", &job("launch failed")]);
        let said = live.wait();
        said.exits(1);
        let err = String::from_utf8_lossy(&said.err).into_owned();
        assert!(err.contains("waiting: 1 job is held (launch failed requeued held); `scontrol release "), "{err}");
        assert_eq!(begun(&project)[&1], ["ok"]);
        let mut said = failures(&project);
        said.sort();
        let causes: Vec<(&str, &str)> = said.iter().map(|(instance, cause, _)| (&**instance, &**cause)).collect();
        let expected =
            [("cancelled[0]", "signal"), ("cancelled[1]", "signal"), ("cancelled[2]", "signal"), ("large", "oom")];
        assert_eq!(causes, expected, "{said:?}");
        assert!(
            said[0].2.starts_with("somebody cancelled job ") && said[0].2.ends_with(" before it began"),
            "{said:?}"
        );
        assert!(said[3].2.starts_with("Slurm killed job "), "{said:?}");
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_node_that_fails_what_succeeds_elsewhere_is_not_used_any_more() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 40] }
[map.m.task.t]
retry = { attempts = 20, backoff = "50ms" }
command = '''
echo {{ item }} $SLURMD_NODENAME >> begun
test $SLURMD_NODENAME != n3
sleep 0.2
echo v={{ item }} >> $FLOWRUN_OUTPUT
'''
outputs.v = "int"
[task.after]
over = { range = [0, 20] }
after = ["m"]
command = 'test $SLURMD_NODENAME != n3 && sleep 0.2{{ item }} && echo v=$SLURMD_NODENAME >> $FLOWRUN_OUTPUT'
outputs.v = "string"
[outputs]
nodes = "{{ after.v }}"
"#,
        );
        let said = project.said(&mut driver(&cluster, &project, "run --backend slurm --output json"));
        let json = said.exits(0).json();
        let err = String::from_utf8_lossy(&said.err).into_owned();
        let line = "node `n3` is not used any more in this run: 3 tasks failed on it that succeeded elsewhere";
        assert_eq!(err.matches(line).count(), 1, "{err}");
        assert!(!json["outputs"]["nodes"].as_array().unwrap().contains(&"n3".into()), "{json}");
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    }
}
