//! Floor 4: the operating system. The only place that spawns, kills, locks and renames.
//! It knows nothing of pipelines, instances or runs.

pub mod cgroup;
pub mod content;
pub mod cores;
pub mod daemon;
pub mod durable;
pub mod far_lock;
pub mod fault;
pub mod files;
pub mod find;
pub mod glob;
pub mod gpus;
pub mod http;
pub mod lock;
pub mod meter;
pub mod mount;
pub mod process;
pub mod secret;
pub mod signals;
pub mod spawn;
pub mod tool;
pub mod who;

pub use content::{Content, digest_file, digest_path};
pub use cores::{cores, cores_of_machine, memory, open_files};
pub use fault::{At, Fault, FaultKind};
pub use gpus::gpus;
pub use signals::signals;
pub use who::{host, owner, user};
