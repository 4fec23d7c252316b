//! Floor 2: the checked pipeline. Every name is resolved, every type known, every edge drawn. Nothing runs here.

mod check;
mod declare;
mod edges;
pub mod eval;
mod gather;
mod map;
pub mod model;
mod order;
mod params;
mod paths;
mod resolve;
mod select;
mod task;
mod types;
mod vary;
mod words;

#[cfg(test)]
mod tests;

pub use check::check;
pub use model::*;
pub use params::{Given, ParamFile, Word};
