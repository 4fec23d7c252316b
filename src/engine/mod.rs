//! Floor 3: the state machine of a run. `step(now, Input) -> (Events, Effects)`; it knows no clock, no thread, no
//! file, no environment. It never looks at the text of an expression: what needs rendering, hashing or files is an
//! effect, answered by an input.

pub mod api;
mod bodies;
mod budget;
mod check;
mod flow;
pub mod fold;
mod graph;
mod keep;
pub mod key;
pub mod ledger;
mod machine;
mod policy;
mod restore;
pub mod space;
mod status;
mod supply;
mod urgency;
mod values;

pub use api::*;
pub use fold::{BadJournal, Fold};
pub use ledger::{Ledger, Tally};
pub use machine::Engine;
pub use space::{Scope, Space};
pub use values::at_path;
