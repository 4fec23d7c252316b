//! Floor 6: the shell around the engine.

pub mod history;
mod load;
pub mod memo;
pub mod settings;

pub use load::{Loaded, load};
pub use settings::*;
