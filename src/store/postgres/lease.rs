//! Leases on keys. Every statement is a transaction of its own and locks rows in the order of their keys, so that nobody
//! waits in a circle, or for longer than another's statement takes.

use super::{Bad, Session, digest};
use crate::base::digest::Key;
use crate::port::{Lease, Term};
use crate::store::leases::{Judge, Row, held};
use postgres::types::Type;
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::Duration;

impl Session<'_> {
    /// Takes what is free of these keys.
    pub(super) fn lease(&mut self, judge: &mut Judge, run: i64, keys: &[Key], term: Term) -> Result<Vec<Lease>, Bad> {
        let (me, term) = (judge.begin(term.outlives)?, term.lasts.as_secs_f64());
        let mut ours: FxHashSet<Key> = FxHashSet::default();
        let mut others: FxHashMap<Key, Lease> = FxHashMap::default();
        // What is given back between two statements is asked for once more.
        for _ in 0..3 {
            let open: Vec<&[u8]> = keys
                .iter()
                .filter(|key| !ours.contains(*key) && !others.contains_key(*key))
                .map(|key| &key.0[..])
                .collect();
            if open.is_empty() {
                break;
            }
            let sql = "INSERT INTO flowrun.lease (key, run, who, until)
                       SELECT key, $1, $2, clock_timestamp() + make_interval(secs => $3)
                       FROM (SELECT DISTINCT key FROM unnest($4) AS asked (key) ORDER BY key) AS asked
                       ON CONFLICT DO NOTHING RETURNING key";
            let new = self.client.query_typed(
                sql,
                &[(&run, Type::INT8), (&me, Type::TEXT), (&term, Type::FLOAT8), (&open, Type::BYTEA_ARRAY)],
            )?;
            let all = new.len() == open.len();
            for row in &new {
                ours.insert(digest(row, 0)?);
            }
            if all {
                break;
            }
            // After a start of the server nobody could renew anything before it.
            let sql = "SELECT key, run, who, until::text,
                           greatest(until, pg_postmaster_start_time() + make_interval(secs => $1)) < clock_timestamp()
                       FROM flowrun.lease WHERE key = ANY($2) AND NOT key = ANY($3)";
            let new: Vec<&[u8]> = ours.iter().map(|key| &key.0[..]).collect();
            let found = self
                .client
                .query_typed(sql, &[(&term, Type::FLOAT8), (&open, Type::BYTEA_ARRAY), (&new, Type::BYTEA_ARRAY)])?;
            let mut free: (Vec<&[u8]>, Vec<&str>, Vec<&str>) = Default::default();
            for found in &found {
                let row = Row { run: found.get(1), who: found.get(2), over: found.get(4) };
                if judge.is_free(&row, run) {
                    free.0.push(found.get(0));
                    free.1.push(found.get(2));
                    free.2.push(found.get(3));
                } else {
                    others.insert(digest(found, 0)?, held(&row));
                }
            }
            if free.0.is_empty() {
                continue;
            }
            // Unless it was renewed or taken since it was looked at.
            let sql = "UPDATE flowrun.lease
                       SET run = $1, who = $2, until = clock_timestamp() + make_interval(secs => $3)
                       WHERE key IN (
                           SELECT lease.key
                           FROM flowrun.lease JOIN unnest($4, $5, $6) AS free (key, who, until)
                               ON lease.key = free.key AND lease.who = free.who AND lease.until::text = free.until
                           ORDER BY lease.key FOR UPDATE OF lease)
                       RETURNING key";
            let taken = self.client.query_typed(
                sql,
                &[
                    (&run, Type::INT8),
                    (&me, Type::TEXT),
                    (&term, Type::FLOAT8),
                    (&free.0, Type::BYTEA_ARRAY),
                    (&free.1, Type::TEXT_ARRAY),
                    (&free.2, Type::TEXT_ARRAY),
                ],
            )?;
            for row in &taken {
                ours.insert(digest(row, 0)?);
            }
        }
        let one = |key: &Key| match (ours.contains(key), others.get(key)) {
            (true, _) => Lease::Ours,
            (false, Some(held)) => held.clone(),
            // Others were faster each time.
            (false, None) => Lease::Held { run: 0, user: "".into(), host: "".into() },
        };
        Ok(keys.iter().map(one).collect())
    }

    /// All that are held.
    pub(super) fn leases(&mut self, judge: &mut Judge) -> Result<Vec<(Key, Lease)>, Bad> {
        judge.begin(false)?;
        let sql = "SELECT key, run, who, until < clock_timestamp() FROM flowrun.lease ORDER BY key";
        let mut leases = Vec::new();
        for found in &self.client.query_typed(sql, &[])? {
            let row = Row { run: found.get(1), who: found.get(2), over: found.get(3) };
            if judge.is_held(&row) {
                leases.push((digest(found, 0)?, held(&row)));
            }
        }
        Ok(leases)
    }

    /// Prolongs what a run holds.
    pub(super) fn renew(&mut self, run: i64, term: Duration) -> Result<(), Bad> {
        let sql = "UPDATE flowrun.lease SET until = clock_timestamp() + make_interval(secs => $2)
                   WHERE key IN (SELECT key FROM flowrun.lease WHERE run = $1 ORDER BY key FOR UPDATE)";
        self.client.execute_typed(sql, &[(&run, Type::INT8), (&term.as_secs_f64(), Type::FLOAT8)])?;
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
