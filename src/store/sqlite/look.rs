//! Looking up what is cached: any number of keys in a handful of statements. What is asked goes in as one JSON text,
//! whose rows SQLite gives back as a table.

use super::{Bad, node_id, results};
use crate::base::digest::Key;
use crate::port::Hit;
use rusqlite::{Transaction, params};
use std::sync::Arc;

/// Keys in one statement: enough that the statement itself does not count, few enough for anybody's memory.
const BATCH: usize = 20_000;

/// The table of what is asked: `at`, `digest`, `instance`.
macro_rules! asked {
    () => {
        "WITH asked AS MATERIALIZED (
            SELECT key AS at, unhex(substr(value, 1, 64)) AS digest, substr(value, 65) AS instance FROM json_each(?1)) "
    };
}

/// What the cache has under these keys; `newest`, where it stands at the instance that asks.
pub(super) fn up(
    tx: &Transaction<'_>,
    pipeline: &str,
    node: &str,
    asked: &[(Key, Arc<str>)],
) -> Result<Vec<Option<Hit>>, Bad> {
    let node = node_id(tx, pipeline, node)?;
    // Most keys stand where they stood in the last run: under their instance, beside their neighbour.
    let mut in_place = tx.prepare_cached(concat!(
        asked!(),
        "SELECT asked.at, results,
            turn = (SELECT max(turn) FROM cache WHERE node = ?2 AND instance = asked.instance)
         FROM asked CROSS JOIN cache ON node = ?2 AND cache.instance = asked.instance AND cache.key = asked.digest"
    ))?;
    let mut elsewhere = tx.prepare_cached(concat!(
        asked!(),
        "SELECT asked.at, (SELECT results FROM cache WHERE key = asked.digest LIMIT 1) AS results
         FROM asked WHERE results IS NOT NULL"
    ))?;
    let mut hits = vec![None; asked.len()];
    for (asked, hits) in asked.chunks(BATCH).zip(hits.chunks_mut(BATCH)) {
        if node.is_some() {
            let mut rows = in_place.query(params![text(asked.iter())?, node])?;
            while let Some(row) = rows.next()? {
                hits[row.get::<_, u32>(0)? as usize] = Some(Hit { results: results(row, 1)?, newest: row.get(2)? });
            }
        }
        let missing: Vec<usize> = (0..asked.len()).filter(|at| hits[*at].is_none()).collect();
        if missing.is_empty() {
            continue;
        }
        let mut rows = elsewhere.query([text(missing.iter().map(|at| &asked[*at]))?])?;
        while let Some(row) = rows.next()? {
            let at = missing[row.get::<_, u32>(0)? as usize];
            hits[at] = Some(Hit { results: results(row, 1)?, newest: false });
        }
    }
    Ok(hits)
}

/// Each is the digits of its key and then the instance's name.
fn text<'a>(asked: impl Iterator<Item = &'a (Key, Arc<str>)>) -> serde_json::Result<String> {
    serde_json::to_string(&asked.map(|(key, instance)| format!("{key}{instance}")).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::base::Digest;
    use crate::port::{Access, Entry, Made, Store, Term};
    use crate::store::sqlite::Sqlite;
    use rusqlite::trace::TraceEventCodes;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_hundred_thousand_keys_are_a_handful_of_statements() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(&dir.path().join("store.db"), Access::Write).unwrap();
        let entry = |i: usize| Entry {
            key: Digest::of(&i.to_le_bytes()),
            pipeline: "p".into(),
            node: "many".into(),
            instance: format!("many[{i}]").into(),
            fixed: Arc::default(),
            own: Vec::new(),
            results: Arc::default(),
            made: Made::default(),
        };
        let entries: Vec<Entry> = (0..100_000).map(entry).collect();
        store.record(&entries).unwrap();
        let count: fn(rusqlite::trace::TraceEvent<'_>) = |_| {
            STATEMENTS.fetch_add(1, Ordering::Relaxed);
        };
        store.connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(count)).unwrap();
        let mut counted = |work: &mut dyn FnMut(&mut Sqlite)| {
            let before = STATEMENTS.load(Ordering::Relaxed);
            work(&mut store);
            STATEMENTS.load(Ordering::Relaxed) - before
        };
        let asked: Vec<_> = entries.iter().map(|entry| (entry.key, entry.instance.clone())).collect();
        let found = |store: &mut Sqlite| store.lookup("p", "many", &asked).unwrap();
        // Begin, the node, five batches, commit.
        assert_eq!(counted(&mut |store| assert!(found(store).iter().flatten().all(|hit| hit.newest))), 3 + 5);
        let moved: Vec<_> = entries.iter().map(|entry| (entry.key, "other".into())).collect();
        let found = |store: &mut Sqlite| store.lookup("p", "many", &moved).unwrap();
        assert_eq!(counted(&mut |store| assert_eq!(found(store).iter().flatten().count(), 100_000)), 3 + 10);
        // And leases: begin, insert, look, commit.
        let keys: Vec<Digest> = entries.iter().map(|entry| entry.key).collect();
        let term = Term { lasts: std::time::Duration::from_secs(60), outlives: false };
        assert_eq!(counted(&mut |store| drop(store.lease(1, &keys, term).unwrap())), 4);
        assert_eq!(counted(&mut |store| store.release(1, Some(&keys)).unwrap()), 3);
        // An entry, its lease, other instances under its key, and here components of its own.
        let more: Vec<Entry> = (100_000..101_000).map(entry).collect();
        assert!(counted(&mut |store| store.record(&more).unwrap()) <= 4_000 + 10);
    }
}
