//! Leases on keys. Every statement locks rows in the order of their keys, so that nobody waits in a circle.

use super::{Bad, Session, digest};
use crate::base::digest::Key;
use crate::port::Lease;
use crate::store::leases::{self, Judge, Row};
use postgres::types::Type;
use rustc_hash::{FxHashMap, FxHashSet};

impl Session<'_> {
    /// Takes what is free of these keys.
    pub(super) fn lease(&mut self, judge: &mut Judge, run: i64, keys: &[Key]) -> Result<Vec<Lease>, Bad> {
        let (me, term) = (judge.me()?, f64::from(leases::TERM_S));
        let mut ours: FxHashSet<Key> = FxHashSet::default();
        let mut held: FxHashMap<Key, Lease> = FxHashMap::default();
        // What is given back between two statements is asked for once more.
        for _ in 0..3 {
            let open: Vec<Key> =
                keys.iter().filter(|key| !ours.contains(*key) && !held.contains_key(*key)).copied().collect();
            if open.is_empty() {
                break;
            }
            let sql = "INSERT INTO flowrun.lease (key, run, who, until)
                       SELECT key, $1, $2, clock_timestamp() + make_interval(secs => $3)
                       FROM (SELECT DISTINCT key FROM unnest($4) AS asked (key) ORDER BY key) AS asked
                       ON CONFLICT DO NOTHING RETURNING key";
            let columns = bytes(&open);
            let new = self.client.query_typed(
                sql,
                &[(&run, Type::INT8), (&me, Type::TEXT), (&term, Type::FLOAT8), (&columns, Type::BYTEA_ARRAY)],
            )?;
            for row in &new {
                ours.insert(digest(row, 0)?);
            }
            if ours.len() == keys.len() {
                break;
            }
            let taken: Vec<Key> = open.iter().filter(|key| !ours.contains(*key)).copied().collect();
            // After a start of the server nobody could renew anything before it.
            let sql = "SELECT key, run, who, until::text,
                           greatest(until, pg_postmaster_start_time() + make_interval(secs => $1)) < clock_timestamp()
                       FROM flowrun.lease WHERE key = ANY($2)";
            let columns = bytes(&taken);
            let found = self.client.query_typed(sql, &[(&term, Type::FLOAT8), (&columns, Type::BYTEA_ARRAY)])?;
            let mut free: Vec<(Key, i64, String, String)> = Vec::new();
            for row in &found {
                let key = digest(row, 0)?;
                let lease = Row { run: row.get(1), who: row.get(2), over: row.get(4) };
                if judge.is_free(&lease, run) {
                    free.push((key, lease.run, lease.who, row.get(3)));
                } else {
                    held.insert(key, leases::held(&lease));
                }
            }
            for (key, old, who, until) in free {
                let sql = "UPDATE flowrun.lease
                           SET run = $1, who = $2, until = clock_timestamp() + make_interval(secs => $3)
                           WHERE key = $4 AND run = $5 AND who = $6 AND until::text = $7";
                let bytes = &key.0[..];
                let count = self.client.execute_typed(
                    sql,
                    &[
                        (&run, Type::INT8),
                        (&me, Type::TEXT),
                        (&term, Type::FLOAT8),
                        (&bytes, Type::BYTEA),
                        (&old, Type::INT8),
                        (&who, Type::TEXT),
                        (&until, Type::TEXT),
                    ],
                )?;
                if count == 1 {
                    ours.insert(key);
                }
            }
        }
        let one = |key: &Key| match (ours.contains(key), held.get(key)) {
            (true, _) => Lease::Ours,
            (false, Some(held)) => held.clone(),
            (false, None) => Lease::Held { run: 0, host: "".into() },
        };
        Ok(keys.iter().map(one).collect())
    }

    /// Prolongs what a run holds.
    pub(super) fn renew(&mut self, run: i64) -> Result<(), Bad> {
        let sql = "UPDATE flowrun.lease SET until = clock_timestamp() + make_interval(secs => $2)
                   WHERE key IN (SELECT key FROM flowrun.lease WHERE run = $1 ORDER BY key FOR UPDATE)";
        self.client.execute_typed(sql, &[(&run, Type::INT8), (&f64::from(leases::TERM_S), Type::FLOAT8)])?;
        Ok(())
    }

    /// Gives back what a run holds, of these keys or all.
    pub(super) fn release(&mut self, run: i64, keys: Option<&[Key]>) -> Result<(), Bad> {
        let sql = "DELETE FROM flowrun.lease WHERE key IN
                       (SELECT key FROM flowrun.lease WHERE run = $1 AND ($2::bytea[] IS NULL OR key = ANY($2))
                        ORDER BY key FOR UPDATE)";
        let keys = keys.map(bytes);
        self.client.execute_typed(sql, &[(&run, Type::INT8), (&keys, Type::BYTEA_ARRAY)])?;
        Ok(())
    }
}

/// Ends all leases on these keys: they are known now.
pub(super) fn end(work: &mut impl postgres::GenericClient, keys: Vec<&[u8]>) -> Result<(), Bad> {
    let sql = "DELETE FROM flowrun.lease WHERE key IN
                   (SELECT key FROM flowrun.lease WHERE key = ANY($1) ORDER BY key FOR UPDATE)";
    work.execute_typed(sql, &[(&keys, Type::BYTEA_ARRAY)])?;
    Ok(())
}

fn bytes(keys: &[Key]) -> Vec<&[u8]> {
    keys.iter().map(|key| &key.0[..]).collect()
}
