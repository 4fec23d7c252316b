//! Leases on keys. The clock is that of the machine on which the file is, the same for all that use it.

use super::Bad;
use crate::base::Digest;
use crate::base::digest::Key;
use crate::port::Lease;
use crate::store::leases::{Judge, Row, held};
use rusqlite::{Transaction, params};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Takes what is free of these keys.
pub(super) fn take(
    tx: &Transaction<'_>,
    judge: &mut Judge,
    run: i64,
    keys: &[Key],
    term: Duration,
) -> Result<Vec<Lease>, Bad> {
    let (now, until) = (milliseconds(Duration::ZERO), milliseconds(term));
    let me = judge.begin()?;
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO lease (key, run, who, until) VALUES (?1, ?2, ?3, ?4)")?;
    let mut find = tx.prepare_cached("SELECT run, who, until FROM lease WHERE key = ?1")?;
    let mut over = tx.prepare_cached("UPDATE lease SET run = ?2, who = ?3, until = ?4 WHERE key = ?1")?;
    let mut answers = Vec::with_capacity(keys.len());
    for key in keys {
        if insert.execute(params![key.0, run, me, until])? == 1 {
            answers.push(Lease::Ours);
            continue;
        }
        let row = find.query_row([key.0], |row| {
            Ok(Row { run: row.get(0)?, who: row.get(1)?, over: row.get::<_, i64>(2)? < now })
        })?;
        if judge.is_free(&row, run) {
            over.execute(params![key.0, run, me, until])?;
            answers.push(Lease::Ours);
        } else {
            answers.push(held(&row));
        }
    }
    Ok(answers)
}

/// All that are held.
pub(super) fn all(tx: &Transaction<'_>, judge: &mut Judge) -> Result<Vec<(Key, Lease)>, Bad> {
    judge.begin()?;
    let now = milliseconds(Duration::ZERO);
    let mut find = tx.prepare_cached("SELECT key, run, who, until FROM lease ORDER BY key")?;
    let mut rows = find.query(())?;
    let mut leases = Vec::new();
    while let Some(found) = rows.next()? {
        let row = Row { run: found.get(1)?, who: found.get(2)?, over: found.get::<_, i64>(3)? < now };
        if judge.is_held(&row) {
            leases.push((Digest(found.get(0)?), held(&row)));
        }
    }
    Ok(leases)
}

/// Prolongs what a run holds.
pub(super) fn renew(tx: &Transaction<'_>, run: i64, term: Duration) -> Result<(), Bad> {
    tx.execute("UPDATE lease SET until = ?2 WHERE run = ?1", [run, milliseconds(term)])?;
    Ok(())
}

/// Gives back what a run holds, of these keys or all.
pub(super) fn release(tx: &Transaction<'_>, run: i64, keys: Option<&[Key]>) -> Result<(), Bad> {
    let Some(keys) = keys else {
        tx.execute("DELETE FROM lease WHERE run = ?1", [run])?;
        return Ok(());
    };
    let mut delete = tx.prepare_cached("DELETE FROM lease WHERE key = ?1 AND run = ?2")?;
    for key in keys {
        delete.execute(params![key.0, run])?;
    }
    Ok(())
}

/// That much later than now, since the epoch.
fn milliseconds(later: Duration) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + later;
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
