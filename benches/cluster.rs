//! A real Slurm for `benches/slurm`: the one of the tests, as a process. Says where its configuration is, and lives
//! until its standard input is closed.
//!
//! Usage: `cluster NODES CPUS [LINE…]`, the lines for `slurm.conf`.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/common/slurm.rs"]
mod cluster;
#[path = "../tests/common/mod.rs"]
mod common;

use std::io::Read;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [nodes, cpus, lines @ ..] = words.as_slice() else { return };
    let more = lines.iter().map(|line| format!("{line}\n")).collect::<String>().leak();
    let shape = cluster::Shape {
        nodes: nodes.parse().unwrap(),
        cpus: cpus.parse().unwrap(),
        more,
        ..cluster::Shape::default()
    };
    let cluster = cluster::Cluster::start(&shape);
    println!("{}", cluster.path("slurm.conf").display());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
