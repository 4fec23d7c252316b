//! How many jobs of Slurm a run takes: workers that run one instance after another, wait for what follows, and are packed
//! as the file says. Each story counts the calls of `sbatch`, and each instance writes down that it ran, and where.

#![allow(clippy::unwrap_used)]

#[path = "common/slurm.rs"]
mod cluster;
mod common;

use cluster::{Cluster, Shape, wrapped};
use common::*;
use snapbox::str;
use std::collections::BTreeMap;
use std::process::Command;

/// What each instance says of itself, in lines of `ran`.
const SAY: &str = "echo $NAME ${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID >> ran";

fn driver(cluster: &Cluster, project: &Project, words: &[&str]) -> Command {
    let mut command = project.command(words);
    let path = format!("{}:/usr/bin:/bin", wrapped(project).display());
    cluster.reach(&mut command).env("PATH", path);
    command
}

fn run(cluster: &Cluster, project: &Project) -> serde_json::Value {
    let mut command = driver(cluster, project, &["run", "--backend", "slurm", "--output", "json"]);
    let json = project.said(&mut command).exits(0).json();
    until(|| cluster.queue().is_empty(), "nothing is left in the queue");
    json
}

/// The values of an option in all submissions.
fn submitted(project: &Project, option: &str) -> Vec<String> {
    let value = |line: String| line.split(' ').find_map(|word| Some(word.strip_prefix(option)?.to_owned()));
    project.lines("calls.sbatch").into_iter().map(|line| value(line).unwrap_or_default()).collect()
}

/// What ran in which job; nothing did twice.
fn ran(project: &Project) -> BTreeMap<String, String> {
    let lines = project.lines("ran");
    let ran: BTreeMap<String, String> =
        lines.iter().map(|line| line.split_once(' ').unwrap()).map(|(what, job)| (what.into(), job.into())).collect();
    assert_eq!(ran.len(), lines.len(), "something ran twice: {lines:?}");
    ran
}

/// How many instances each job ran.
fn jobs(project: &Project) -> BTreeMap<String, usize> {
    let mut jobs = BTreeMap::new();
    ran(project).into_values().for_each(|job| *jobs.entry(job).or_default() += 1);
    jobs
}

fn chain(links: u32, more: &str) -> Project {
    let mut text = String::new();
    for link in 0..links {
        let before = if link == 0 { "0".to_owned() } else { format!("{{{{ t{}.n }}}}", link - 1) };
        text.push_str(&format!(
            "[task.t{link}]\ncommand = '''\nNAME=t{link}; {SAY}; {more}\necho n=$(({before} + 1)) >> \
             $FLOWRUN_OUTPUT\n'''\noutputs.n = \"int\"\n"
        ));
    }
    text.push_str(&format!("[outputs]\nn = \"{{{{ t{}.n }}}}\"\n", links - 1));
    Project::new(&text)
}

#[test]
fn what_stands_under_pack_is_checked() {
    let project = Project::new(
        r#"
slurm.pack = 5
[task.a]
command = "true"
slurm.pack = { task = 5, width = 0 }
[task.b]
command = "true"
slurm.pack = { tasks = "5", time = "soon" }
[task.c]
command = "true"
slurm.pak = { tasks = 5 }
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0103]: `pack` is an integer, not a table
 --> pipeline.toml:2:14
  |
2 | slurm.pack = 5
  |              ^ an integer
  |
  = help: for example: `pack = { tasks = 100 }`

error[E0102]: `pack` has no key `task`
 --> pipeline.toml:5:16
  |
5 | slurm.pack = { task = 5, width = 0 }
  |                ^^^^ unknown key
  |
  = help: did you mean `tasks`?

error[E0116]: `width` must be at least 1
 --> pipeline.toml:5:34
  |
5 | slurm.pack = { task = 5, width = 0 }
  |                                  ^
  |
  = help: write a whole number from 1 to 4294967295

error[E0103]: `tasks` is a string, not a whole number or an expression
 --> pipeline.toml:8:24
  |
8 | slurm.pack = { tasks = "5", time = "soon" }
  |                        ^^^ a string
  |
  = help: write it without quotes: `tasks = 5`

error[E0111]: `soon` is not a duration
 --> pipeline.toml:8:36
  |
8 | slurm.pack = { tasks = "5", time = "soon" }
  |                                    ^^^^^^
  |
  = help: write parts of `d`, `h`, `m`, `s`, `ms`, the largest first: `[TIME]`, `10m`, `[TIME]`, `2d`

error[E0102]: `pak` is no long option of `sbatch`
  --> pipeline.toml:11:7
   |
11 | slurm.pak = { tasks = 5 }
   |       ^^^ unknown option
   |
   = help: did you mean `pack`?

6 mistakes in `pipeline.toml`

"#]]);
}

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_chain_is_one_job_and_a_body_runs_where_it_began() {
        let cluster = Cluster::start(&Shape::default());
        let project = chain(20, "");
        assert_eq!(run(&cluster, &project)["outputs"]["n"], 20);
        assert_eq!(submitted(&project, "--array="), ["0-0"]);
        assert_eq!(jobs(&project).into_values().collect::<Vec<_>>(), [20]);

        // Where tasks of a body ask for other resources it is cut, and only there.
        let project = Project::new(&format!(
            r#"
[map.m]
over = {{ range = [0, 50] }}
[map.m.task.a]
command = "NAME=a{{{{ item }}}}; {SAY}; echo v=1 >> $FLOWRUN_OUTPUT"
outputs.v = "int"
[map.m.task.b]
command = "NAME=b{{{{ item }}}}; {SAY}; echo v={{{{ a.v }}}} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
[map.m.task.c]
command = "NAME=c{{{{ item }}}}; {SAY}; echo v={{{{ b.v }}}} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
[map.m.task.d]
command = "NAME=d{{{{ item }}}}; {SAY}; echo v={{{{ c.v }}}} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
resources.cpus = 2
"#
        ));
        assert_eq!(run(&cluster, &project)["counts"]["succeeded"], 200);
        let mut cpus = submitted(&project, "--cpus-per-task=");
        cpus.sort();
        let ran = ran(&project);
        assert_eq!(ran.len(), 200);
        let narrow: Vec<&String> = ran.iter().filter(|(name, _)| !name.starts_with('d')).map(|(_, job)| job).collect();
        assert!(ran.iter().all(|(name, job)| !name.starts_with('d') || !narrow.contains(&job)));
        assert!(cpus.len() <= 6 && cpus[0] == "1" && cpus.last().unwrap() == "2", "{cpus:?}");
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_job_runs_so_many_and_so_many_at_once() {
        let cluster = Cluster::start(&Shape::default());
        let map = |pack: &str, more: &str| {
            Project::new(&format!(
                r#"
slurm.pack = {pack}
[map.m]
over = {{ range = [0, 25] }}
[map.m.task.t]
command = '''
JOB=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
touch at_work.$JOB.{{{{ item }}}}
ls | grep -c "at_work.$JOB." >> at_once
{more}
NAME={{{{ item }}}}.{{{{ attempt }}}}; {SAY}
rm at_work.$JOB.{{{{ item }}}}
'''
retry = {{ attempts = 2, backoff = "0s" }}
resources.time = "20s"
"#
            ))
        };
        // Two of them fail once, and are packed with the rest.
        let fail =
            "if test {{ item }} -lt 2 -a {{ attempt }} -eq 1; then rm at_work.$JOB.{{ item }}; exit 1; fi; sleep 0.1";
        let project = map("{ tasks = 10, time = \"3m\", width = 2 }", fail);
        assert_eq!(run(&cluster, &project)["counts"]["succeeded"], 25);
        assert_eq!(submitted(&project, "--array="), ["0-2"]);
        assert_eq!(submitted(&project, "--cpus-per-task="), ["2"]);
        assert_eq!(submitted(&project, "--time="), ["3"]);
        let jobs_of = jobs(&project);
        assert!(jobs_of.len() == 3 && jobs_of.values().all(|count| *count <= 10), "{jobs_of:?}");
        let at_once = project.lines("at_once");
        assert!(at_once.iter().any(|n| n == "2") && at_once.iter().all(|n| n == "1" || n == "2"), "{at_once:?}");

        let project = map("{ tasks = 1 }", "");
        assert_eq!(run(&cluster, &project)["counts"]["succeeded"], 25);
        assert_eq!(submitted(&project, "--array="), ["0-24"]);
        assert_eq!(jobs(&project).len(), 25);
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn so_many_in_parallel_keep_their_jobs() {
        let cluster = Cluster::start(&Shape::default());
        let project = Project::new(&format!(
            r#"
[map.m]
over = {{ range = [0, 60] }}
max_parallel = 4
[map.m.task.t]
command = "NAME={{{{ item }}}}; {SAY}; sleep 0.2"
"#
        ));
        assert_eq!(run(&cluster, &project)["counts"]["succeeded"], 60);
        assert_eq!(submitted(&project, "--array="), ["0-3"]);
        assert_eq!(jobs(&project).len(), 4);
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_chain_goes_on_under_another_driver() {
        let cluster = Cluster::start(&Shape::default());
        let project = chain(8, "sleep 0.5");
        for links in [2, 4, 6] {
            let live = project.live(driver(&cluster, &project, &["run", "--backend", "slurm"]));
            until(|| project.lines("ran").len() >= links, "some have run");
            live.signal("KILL");
            live.wait();
        }
        let json = run(&cluster, &project);
        assert_eq!((&json["run"], &json["outputs"]["n"]), (&serde_json::json!(1), &serde_json::json!(8)));
        assert_eq!(ran(&project).len(), 8);
        assert!(submitted(&project, "--array=").iter().all(|array| array == "0-0"));
    }
}
