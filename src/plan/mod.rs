//! Floor 2: the checked pipeline. Every name is resolved, every type known, every edge drawn. Nothing runs here.

// a diagnostic is large, and made once in a while
#![allow(clippy::result_large_err)]

mod check;
pub mod container;
mod declare;
mod edges;
pub mod eval;
mod gather;
pub mod graph;
mod holder;
mod keep;
mod layout;
mod map;
pub mod model;
mod order;
mod params;
mod paths;
mod policy;
mod resolve;
mod select;
mod surround;
mod task;
mod trail;
mod trial;
mod types;
mod vary;
mod words;

#[cfg(test)]
mod tests;

pub use crate::lang::policy::{Allowance, CauseWord, Factor, OnError, Require, Retry, Share};
pub use check::check;
pub use container::*;
pub use model::*;
pub use params::{Given, ParamFile, Word, accept};
pub use paths::{is_glob, may_meet};
pub use trial::{Expect, Trial};
