//! Floor 2: the checked pipeline. Every name is resolved, every type known, every edge drawn. Nothing runs here.

pub mod eval;
pub mod model;

pub use model::*;
