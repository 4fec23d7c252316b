//! Room `sys`.

pub mod fault;

pub use fault::{At, Fault, FaultKind};
