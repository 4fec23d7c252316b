//! Floor 5: what is kept from run to run: the database behind `port::Store`, and the artifact store.
//! Knows nothing of engines, backends or views.

pub mod artifacts;
pub mod fetched;
pub mod postgres;
pub mod shared;
pub mod sqlite;

mod far;
mod leases;
mod open;
mod overlay;
mod rows;
