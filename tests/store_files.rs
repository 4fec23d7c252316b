//! What is durable beside the database: the journal, the run's folder, the lock and the artifact store, with real files
//! and real processes that are killed.

#![allow(clippy::unwrap_used)]

#[path = "store/artifacts.rs"]
mod artifacts;
#[path = "store/far_lock.rs"]
mod far_lock;
#[path = "store/journal.rs"]
mod journal;
#[path = "store/lock.rs"]
mod lock;
#[path = "store/process.rs"]
mod process;
#[path = "store/rundir.rs"]
mod rundir;
