//! Room `sys`.

pub mod content;
pub mod durable;
pub mod fault;
pub mod lock;

pub use content::{Content, digest_file, digest_path};
pub use fault::{At, Fault, FaultKind};
