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
    /// What it computes goes on when it is dead.
    #[serde(default)]
    outlives: bool,
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
    /// This process; and if what it computes outlives it.
    me: [String; 2],
    /// What was seen of holders; that they are alive is looked at again for each batch.
    seen: FxHashMap<String, Sight>,
}

impl Judge {
    /// Before a batch: this process, as the database keeps it.
    pub(super) fn begin(&mut self, outlives: bool) -> serde_json::Result<String> {
        self.seen.retain(|_, sight| !matches!(sight, Sight::Alive));
        let [me, lasting] = &mut self.me;
        let me = if outlives { lasting } else { me };
        if me.is_empty() {
            *me = serde_json::to_string(&Holder { who: Who::me(0), user: crate::sys::user(), outlives })?;
        }
        Ok(me.clone())
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
        let holder = serde_json::from_str::<Holder>(&row.who).ok();
        let sight = match holder.filter(|holder| holder.who.is_visible()) {
            None => Sight::Hidden,
            Some(holder) if holder.who.is_alive() => Sight::Alive,
            Some(holder) if holder.outlives => Sight::Hidden,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_dead_process_holds_what_outlives_it() {
        let mut judge = Judge::default();
        for outlives in [false, true] {
            let alive = judge.begin(outlives).unwrap();
            let mut holder: Holder = serde_json::from_str(&alive).unwrap();
            holder.who.started += 1;
            let dead = serde_json::to_string(&holder).unwrap();
            let row = |who: &String, over| Row { run: 7, who: who.clone(), over };
            // As long as it lives, and however late it is.
            assert!(judge.is_held(&row(&alive, true)) && !judge.is_free(&row(&alive, true), 8));
            assert_eq!(judge.is_held(&row(&dead, false)), outlives);
            assert!(!judge.is_held(&row(&dead, true)) && judge.is_free(&row(&dead, true), 8));
            assert!(judge.is_free(&row(&dead, false), 7), "its run goes on");
        }
    }
}
