//! Stories: one cache for a team. Projects that move, artifacts that are shared, disks and stores that fail.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/postgres.rs"]
mod server;

#[path = "team/artifacts.rs"]
mod artifacts;
#[path = "team/far.rs"]
mod far;
#[path = "team/machine.rs"]
mod machine;
#[path = "team/moving.rs"]
mod moving;
#[path = "team/stores.rs"]
mod stores;
#[path = "team/users.rs"]
mod users;
