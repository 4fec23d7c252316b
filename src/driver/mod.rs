//! Floor 6: the shell around the engine.

pub mod history;
pub mod journal;
mod load;
pub mod memo;
pub mod rundir;
pub mod settings;

pub use load::{Loaded, load, load_stored};
pub use settings::*;
