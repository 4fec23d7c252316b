//! Floor 1: the language. TOML text becomes a [`model::Model`] with spans; strings become templates and expressions;
//! values become shell words. Knows nothing of runs, files or the graph.

mod constructs;
pub mod expr;
pub mod keys;
pub mod model;
pub mod outputs;
pub mod policy;
pub mod reader;
mod reference;
pub mod schema;
pub mod settings;
pub mod shell;
pub mod slurm;
pub mod trial;
pub mod types;

pub use reference::reference;
pub use schema::schema;
