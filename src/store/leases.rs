//! Leases on keys, the same in every database: how long one lasts, and when one that another run holds is free.

use crate::port::Lease;
use crate::sys::lock::Who;
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};

/// How long a lease lasts that is not renewed, in seconds. The driver renews it every ten.
pub(super) const TERM_S: u32 = 60;

/// The tasks of a killed process die with it, but not in the same moment.
const DYING: Duration = Duration::from_secs(1);

/// A lease as the database has it.
pub(super) struct Row {
    pub run: i64,
    pub who: String,
    /// Its time is over, by the database's clock.
    pub over: bool,
}

/// Says what becomes of leases that others hold.
pub(super) struct Judge {
    me: Who,
    /// Holders that are dead, and since when that is known.
    dead: FxHashMap<String, Instant>,
}

impl Judge {
    pub(super) fn new() -> Self {
        Self { me: Who::me(0), dead: FxHashMap::default() }
    }

    /// This process, as the database keeps it.
    pub(super) fn me(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.me)
    }

    /// Whether `run` may take it over. A run is driven by one process at a time: what it held as an earlier process is
    /// its own. A holder that can be seen from here keeps its lease as long as it lives, however late it is; of any
    /// other the time counts.
    pub(super) fn is_free(&mut self, row: &Row, run: i64) -> bool {
        if row.run == run {
            return true;
        }
        let who = serde_json::from_str::<Who>(&row.who).ok();
        match who.filter(Who::is_visible) {
            None => row.over,
            Some(who) if who.is_alive() => false,
            Some(_) => {
                let since = *self.dead.entry(row.who.clone()).or_insert_with(Instant::now);
                row.over || since.elapsed() >= DYING
            }
        }
    }
}

/// What is said of a lease that is not free.
pub(super) fn held(row: &Row) -> Lease {
    let host = serde_json::from_str::<Who>(&row.who).map(|who| who.host).unwrap_or_default();
    Lease::Held { run: super::rows::unsigned(row.run), host: host.into() }
}
