//! Runs on a real Slurm of four nodes, which the tests start themselves.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/slurm.rs"]
mod cluster;

use cluster::{Cluster, Shape};
use common::*;

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn the_cluster_of_the_tests_runs_a_job() {
        let cluster = Cluster::start(&Shape::default());
        let out = cluster.path("x");
        cluster.ask(&["sbatch", "-o", &out.display().to_string(), "--wrap", "hostname; echo $SLURMD_NODENAME"]);
        until(|| cluster.queue().is_empty() && std::fs::read(&out).is_ok(), "the job ends");
        assert!(std::fs::read_to_string(&out).unwrap().contains("n1"));
    }
}
