//! Leases on keys, the same in every database: who holds one, and when one that another run holds is free.

use crate::port::Lease;
use crate::sys::lock::Who;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The tasks of a killed process die with it, but not in the same moment.
const DYING: Duration = Duration::from_secs(1);

/// A lease as the database has it.
pub(super) struct Row {
    pub run: i64,
    pub who: String,
    /// Its time is over, by the database's clock.
    pub over: bool,
}

/// Who holds a lease, as the database keeps it.
#[derive(Serialize, Deserialize)]
struct Holder {
    #[serde(flatten)]
    who: Who,
    #[serde(default)]
    user: String,
}

/// What can be seen of a holder from here.
#[derive(Clone, Copy)]
enum Sight {
    Hidden,
    Alive,
    Dead(Instant),
}

/// Says what becomes of leases that others hold.
#[derive(Default)]
pub(super) struct Judge {
    me: String,
    /// What was seen of holders; that they are alive is looked at again for each batch.
    seen: FxHashMap<String, Sight>,
}

impl Judge {
    /// Before a batch: this process, as the database keeps it.
    pub(super) fn begin(&mut self) -> serde_json::Result<String> {
        self.seen.retain(|_, sight| !matches!(sight, Sight::Alive));
        if self.me.is_empty() {
            self.me = serde_json::to_string(&Holder { who: Who::me(0), user: crate::sys::user() })?;
        }
        Ok(self.me.clone())
    }

    /// Whether `run` may take it over. A run is driven by one process at a time: what it held as an earlier process is
    /// its own. A holder that can be seen from here keeps its lease as long as it lives, however late it is; of any
    /// other the time counts.
    pub(super) fn is_free(&mut self, row: &Row, run: i64) -> bool {
        row.run == run
            || match self.sight(row) {
                Sight::Hidden => row.over,
                Sight::Alive => false,
                Sight::Dead(since) => row.over || since.elapsed() >= DYING,
            }
    }

    /// Whether somebody is at work on it.
    pub(super) fn is_held(&mut self, row: &Row) -> bool {
        match self.sight(row) {
            Sight::Hidden => !row.over,
            Sight::Alive => true,
            Sight::Dead(_) => false,
        }
    }

    fn sight(&mut self, row: &Row) -> Sight {
        if let Some(sight) = self.seen.get(&row.who) {
            return *sight;
        }
        let who = serde_json::from_str::<Holder>(&row.who).ok().map(|holder| holder.who);
        let sight = match who.filter(Who::is_visible) {
            None => Sight::Hidden,
            Some(who) if who.is_alive() => Sight::Alive,
            Some(_) => Sight::Dead(Instant::now()),
        };
        self.seen.insert(row.who.clone(), sight);
        sight
    }
}

/// What is said of a lease that is not free.
pub(super) fn held(row: &Row) -> Lease {
    let (user, host) = serde_json::from_str::<Holder>(&row.who).map(|h| (h.user, h.who.host)).unwrap_or_default();
    Lease::Held { run: super::rows::unsigned(row.run), user: user.into(), host: host.into() }
}
