//! Stories: a pipeline, a command line, and everything that the user then sees.

#![allow(clippy::unwrap_used)]

#[path = "../common/slurm.rs"]
mod cluster;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/postgres.rs"]
mod server;

mod attach;
mod bad_files;
mod bad_machine;
mod bad_tasks;
mod cache;
mod hostile;
mod kill;
mod parallel;
mod readme;
mod shared_store;
mod shipped;
mod signals;
mod two_processes;
