//! Floor 6: the shell around the engine.

pub mod settings;

pub use settings::*;
