//! Opens a store that many share. Who may only read it gets a store of one's own over it.

use super::overlay::Overlay;
use super::postgres::{Address, Postgres};
use super::sqlite::Sqlite;
use crate::port::{Access, Store};
use crate::sys::Fault;
use std::path::Path;

/// Opens the store on PostgreSQL at `address` for the project whose state folder is given.
///
/// # Errors
/// When the server cannot be reached or used, or the store is of a newer version.
pub fn open(address: &Address, state_dir: &Path, access: Access) -> Result<Box<dyn Store>, Fault> {
    let shared = Postgres::open(address, state_dir, access)?;
    if shared.is_writable() {
        return Ok(Box::new(shared));
    }
    let path = state_dir.join("store.db");
    let own = Sqlite::open(&path, access)?.of_project(state_dir, false);
    let note = format!(
        "the store `{address}` can only be read: results are taken from it, and those of this run are kept in `{}`",
        path.display()
    );
    Ok(Box::new(Overlay { own: Box::new(own), shared: Box::new(shared), note }))
}
