//! Floor 6: the shell around the engine.

mod adopted;
mod asked;
mod backends;
mod begin;
pub mod cancel;
pub mod capture;
mod claims;
mod container;
pub mod detached;
pub mod doctor;
mod dry;
mod earlier;
mod early;
mod ending;
mod facts;
mod fetch;
pub mod follow;
mod gone;
pub mod history;
mod in_order;
pub mod journal;
pub mod keeping;
mod kept;
mod latest;
mod lease;
mod list;
mod load;
pub mod memo;
mod outcome;
mod pace;
mod patient;
mod prepare;
mod ranges;
mod rebuild;
mod run;
pub mod rundir;
mod scene;
mod session;
pub mod settings;
mod shell;
mod told;
pub mod trial;
mod verify;
mod words;
mod work;
mod wrong;

pub use dry::{explain, plan};
pub use load::{Loaded, load, load_stored, no_file};
pub use run::run;
pub use settings::*;
pub use shell::shell;

/// Milliseconds since the Unix epoch, by this machine's clock.
pub fn now() -> crate::event::Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
