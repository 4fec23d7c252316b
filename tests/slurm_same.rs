//! What runs on a real Slurm gives what it gives here, whatever keeps the cache, and each takes what the other has done;
//! and what the scheduler is asked for that.

#![allow(clippy::unwrap_used)]

#[path = "common/slurm.rs"]
mod cluster;
mod common;
#[path = "common/postgres.rs"]
mod server;

use cluster::{Cluster, Shape, wrapped};
use common::*;
use std::path::PathBuf;

/// Runs a pipeline here and there, in folders of their own: the same outputs and files. Then each where the other was.
fn same_on_both(cluster: &Cluster, project: &dyn Fn() -> Project, words: &str, store: &str, tasks: u32) {
    let run = |project: &Project, backend: &str, folder: &str| {
        let store = store.replace("FOLDER", folder);
        let line = format!("run --output json --backend {backend} --store {store} {words}");
        let said = project.said(cluster.reach(&mut project.command(line.split_whitespace())));
        let json = said.exits(0).json();
        let counts = json["counts"].as_object().unwrap();
        let counts = counts.iter().filter(|(_, n)| **n != 0).map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>();
        (json["outputs"].clone(), counts.join(", "))
    };
    let (here, there) = (project(), project());
    let (local, slurm) = (run(&here, "local", "here"), run(&there, "slurm", "there"));
    assert_eq!(local, slurm);
    assert_eq!(local.1, format!("{tasks} succeeded"));
    let made = files(&here);
    assert!(made == files(&there), "the files of a run on Slurm differ from those of one here");

    let cached = (local.0, format!("{tasks} cached"));
    assert_eq!(run(&here, "slurm", "here"), cached, "what was done here is taken on Slurm");
    assert_eq!(run(&there, "local", "there"), cached, "what was done on Slurm is taken here");
    assert!(made == files(&here) && made == files(&there), "a run that took everything changed a file");
    cluster::until("nothing is left in the queue", || cluster.queue().is_empty());
}

/// Everything in a project's folder but what flowrun keeps for itself.
fn files(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = contents(project.dir());
    files.retain(|(path, _)| !path.starts_with(".flowrun"));
    files
}

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn the_scheduler_is_asked_almost_nothing() {
        // 301 elements an array at most.
        let cluster = Cluster::start(&Shape { more: "MaxArraySize=301\n", ..Shape::default() });
        let project = Project::new(
            r#"
[map.m]
over = { range = [0, 1000] }
[map.m.task.t]
command = "echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
"#,
        );
        let mut command = project.command(["run", "--backend", "slurm", "--output", "json"]);
        let path = format!("{}:/usr/bin:/bin", wrapped(&project).display());
        let began = std::time::Instant::now();
        let said = project.said(cluster.reach(&mut command).env("PATH", path));
        let half_minutes = began.elapsed().as_secs() / 30;
        assert_eq!(said.exits(0).json()["counts"]["succeeded"], 1000);
        let calls = |name: &str| project.lines(format!("calls.{name}"));
        assert!((1..=4).contains(&calls("sbatch").len()), "one for each array at most: {:#?}", calls("sbatch"));
        assert!(calls("squeue").len() as u64 <= half_minutes, "{:#?}", calls("squeue"));
        assert!(calls("scancel").len() <= 4, "{:#?}", calls("scancel"));
        // What the cluster is, once; never a job.
        let shown = calls("scontrol");
        let mut once = shown.clone();
        once.sort();
        once.dedup();
        assert!(once.len() == shown.len() && shown.iter().all(|words| !words.contains("job")), "{shown:#?}");
        assert_eq!(calls("sacct"), [""; 0]);
        assert!(calls("sinfo").len() + calls("sacctmgr").len() <= 4);
    }

    mod needs_postgres {
        use super::*;
        use server::Server;

        const STORES: [&str; 2] = ["sqlite:.flowrun/store.db", "postgres"];

        fn with_both_stores(cluster: &Cluster, project: &dyn Fn() -> Project, words: &str, name: &str, tasks: u32) {
            let server = Server::start();
            for store in STORES {
                let store = match store {
                    "postgres" => {
                        let _ = ["here", "there"].map(|folder| server.database(&format!("{name}_{folder}")));
                        server.url("owner", &format!("{name}_FOLDER"))
                    }
                    store => store.to_owned(),
                };
                same_on_both(cluster, project, words, &store, tasks);
            }
        }

        #[test]
        #[ignore = "needs Slurm, munge and PostgreSQL"]
        fn compute_data_is_the_same_here_and_there() {
            let cluster = Cluster::start(&Shape::default());
            let project = || {
                let project = Project::empty();
                project.write("pipeline.toml", std::fs::read(package("pipelines/compute_data.toml")).unwrap());
                project
            };
            with_both_stores(&cluster, &project, "", "compute", 9);
        }

        #[test]
        #[ignore = "needs Slurm, munge and PostgreSQL"]
        fn two_thousand_files_are_the_same_here_and_there() {
            let cluster = Cluster::start(&Shape::default());
            let project = || {
                Project::new(
                    r#"
[map.m]
over = { range = [0, 2000] }
[map.m.task.t]
command = 'echo "{{ item }} is $(({{ item }} % 7)) more than a multiple of 7" > {{ outputs.rest }}'
shell = ["sh", "-c"]
outputs.rest = { file = "rests/{{ item }}" }
[task.all]
command = "cat {{ m.t.rest }} > {{ outputs.all }}"
outputs.all = { file = "all" }
"#,
                )
            };
            with_both_stores(&cluster, &project, "", "thousands", 2001);
        }

        mod needs_bio {
            use super::*;

            #[test]
            #[ignore = "needs Slurm, munge, PostgreSQL, bwa, samtools, bcftools and the lambda genome"]
            fn variant_calling_is_the_same_here_and_there() {
                let cluster = Cluster::start(&Shape::default());
                let project = || Project::copy_of("pipelines/variant_calling");
                with_both_stores(&cluster, &project, "-p read_pairs=3000", "variants", 23);
            }
        }
    }
}
