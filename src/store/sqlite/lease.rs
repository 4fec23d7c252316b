//! Leases on keys. The clock is that of the machine on which the file is, the same for all that use it.

use super::Bad;
use crate::base::Digest;
use crate::base::digest::Key;
use crate::port::{Lease, Term};
use crate::store::leases::{Judge, Row, held};
use rusqlite::{Transaction, params};
use rustc_hash::FxHashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Takes what is free of these keys.
pub(super) fn take(
    tx: &Transaction<'_>,
    judge: &mut Judge,
    run: i64,
    keys: &[Key],
    term: Term,
) -> Result<Vec<Lease>, Bad> {
    let (now, until) = (milliseconds(Duration::ZERO), milliseconds(term.lasts));
    let (me, asked) = (judge.begin(term.outlives)?, text(keys)?);
    tx.prepare_cached(
        "INSERT OR IGNORE INTO lease (key, run, who, until) SELECT unhex(value), ?2, ?3, ?4 FROM json_each(?1)",
    )?
    .execute(params![asked, run, me, until])?;
    let mut find = tx.prepare_cached(
        "SELECT key, run, who, until FROM lease
         WHERE key IN (SELECT unhex(value) FROM json_each(?1)) AND NOT (run = ?2 AND who = ?3)",
    )?;
    let mut rows = find.query(params![asked, run, me])?;
    let (mut free, mut others) = (Vec::new(), FxHashMap::default());
    while let Some(found) = rows.next()? {
        let key = Digest(found.get(0)?);
        let row = Row { run: found.get(1)?, who: found.get(2)?, over: found.get::<_, i64>(3)? < now };
        if judge.is_free(&row, run) {
            free.push(key);
        } else {
            others.insert(key, held(&row));
        }
    }
    if !free.is_empty() {
        tx.prepare_cached(
            "UPDATE lease SET run = ?2, who = ?3, until = ?4 WHERE key IN (SELECT unhex(value) FROM json_each(?1))",
        )?
        .execute(params![text(&free)?, run, me, until])?;
    }
    Ok(keys.iter().map(|key| others.get(key).cloned().unwrap_or(Lease::Ours)).collect())
}

/// All that are held.
pub(super) fn all(tx: &Transaction<'_>, judge: &mut Judge) -> Result<Vec<(Key, Lease)>, Bad> {
    judge.begin(false)?;
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
    tx.prepare_cached("DELETE FROM lease WHERE run = ?2 AND key IN (SELECT unhex(value) FROM json_each(?1))")?
        .execute(params![text(keys)?, run])?;
    Ok(())
}

fn text(keys: &[Key]) -> serde_json::Result<String> {
    serde_json::to_string(&keys.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// That much later than now, since the epoch.
fn milliseconds(later: Duration) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + later;
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
