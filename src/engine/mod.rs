//! Floor 3: the state machine of a run. `step(now, Input) -> (Events, Effects)`; it knows no clock, no thread, no
//! file, no environment. It never looks at the text of an expression: what needs rendering, hashing or files is an
//! effect, answered by an input.

pub mod api;
pub mod key;

pub use api::*;
