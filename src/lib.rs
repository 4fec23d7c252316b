//! flowrun reads one TOML pipeline file, turns it into a graph and drives that graph to its end.
//!
//! The modules are floors; imports point down only (`tests/architecture.rs` checks it):
//!
//! ```text
//! 7  cli                          arguments -> settings -> one function a command
//! 6  driver  agent                the shell around the engine
//! 5  backend  store  view  report adapters, strangers to each other
//! 4  sys  port                    operating system; the traits of the adapters
//!    ═════════════ IO above, none below ═════════════
//! 3  engine  event                the state machine of a run; the one event type
//! 2  plan                         checked plan, names, parameters, graph, selection
//! 1  lang                         TOML text -> spanned model; expressions; shell quoting
//! 0  base  diag                   values, ids, digests, amounts; diagnostics
//! ```

pub mod agent;
pub mod backend;
pub mod base;
pub mod cli;
pub mod diag;
pub mod driver;
pub mod engine;
pub mod event;
pub mod lang;
pub mod plan;
pub mod port;
pub mod report;
pub mod store;
pub mod sys;
pub mod view;
