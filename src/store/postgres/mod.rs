//! The store on PostgreSQL: one database for many projects, users and machines.
//!
//! What goes over the network goes in arrays: a batch of any size is a handful of statements. Rows of one project are
//! written by that project alone, so that writers do not wait for each other; what is shared is only read.
//! Statements are sent with their types and not prepared: one round trip each, also through a pooler.

mod address;
mod lease;
mod open;
mod tls;
mod whole;

pub use address::Address;

use super::leases::Judge;
use super::rows::{components, components_text, results, signed, state, state_text, unsigned};
use crate::base::Digest;
use crate::base::digest::Key;
use crate::port::{Access, AnyRun, Component, Entry, Hit, Lease, Listed, Made, RunRow, Stat, Store, Term};
use crate::sys::{self, Fault, FaultKind};
use open::Opened;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, GenericClient, Row, Transaction};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Rows in one statement: enough that the way there and back does not count, few enough for anybody's memory.
const BATCH: usize = 20_000;

/// How often what another writer made impossible is tried.
const TRIES: u32 = 5;

/// A store in a PostgreSQL database.
pub struct Postgres {
    address: Address,
    state_dir: PathBuf,
    access: Access,
    /// `None` after the connection broke.
    opened: Option<Opened>,
    ids: Ids,
    judge: Judge,
    host: String,
    user: String,
}

/// Row ids that were asked for already. Such rows are never removed.
#[derive(Default)]
struct Ids {
    nodes: FxHashMap<(Arc<str>, Arc<str>), i64>,
    parts: FxHashMap<Digest, i64>,
    origins: FxHashMap<OriginName, i64>,
}

/// Run, host, user, version.
type OriginName = (u64, Arc<str>, Arc<str>, Arc<str>);

impl Postgres {
    /// Connects; a store that is not there or older is made or brought up to date when it is opened for writing. The
    /// state folder, `.flowrun`, tells one project of a shared store from another.
    pub fn open(address: &Address, state_dir: &Path, access: Access) -> Result<Self, Fault> {
        let opened = Some(open::open(address, state_dir, access)?);
        Ok(Self {
            address: address.clone(),
            state_dir: state_dir.to_owned(),
            access,
            opened,
            ids: Ids::default(),
            judge: Judge::default(),
            host: sys::host(),
            user: sys::user(),
        })
    }

    /// Whether the role that is logged in may write.
    pub fn is_writable(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.writable)
    }

    /// Runs `work` on the connection. After a break it connects again and tries once more; what another writer made
    /// impossible (a deadlock) is tried again, too. So `work` must do no harm when it is done twice.
    fn within<T>(&mut self, mut work: impl FnMut(&mut Session<'_>) -> Result<T, Bad>) -> anyhow::Result<T> {
        let mut tries = 0;
        loop {
            tries += 1;
            if self.opened.as_ref().is_none_or(|opened| opened.client.is_closed()) {
                // It may be another database by now, made anew.
                self.ids = Ids::default();
                self.opened = Some(open::open(&self.address, &self.state_dir, self.access)?);
            }
            let Some(opened) = &mut self.opened else { continue };
            let mut session = Session {
                client: &mut opened.client,
                project: opened.project,
                absent: opened.absent,
                ids: &mut self.ids,
            };
            match work(&mut session) {
                Ok(done) => return Ok(done),
                Err(Bad::Postgres(error)) if open::is_away(&error) => {
                    self.opened = None;
                    if tries > 1 {
                        return Err(open::fault(&self.address, &error).into());
                    }
                }
                Err(Bad::Postgres(error)) if tries < TRIES && collided(&error) => {}
                Err(bad) => return Err(named(&self.address, bad).into()),
            }
        }
    }

    fn writing<T>(&mut self, work: impl FnMut(&mut Session<'_>, i64) -> Result<T, Bad>) -> anyhow::Result<T> {
        let mut work = work;
        if self.access == Access::Read {
            let what = format!("the store `{}` was opened to be read", self.address);
            return Err(Fault::new(FaultKind::ReadOnly, what).into());
        }
        self.within(|session| match session.project {
            Some(project) => work(session, project),
            None => Err(Bad::ReadOnly),
        })
    }
}

/// The connection and what is known about it, for one piece of work.
struct Session<'a> {
    client: &'a mut Client,
    project: Option<i64>,
    absent: bool,
    ids: &'a mut Ids,
}

impl Store for Postgres {
    fn lookup(&mut self, pipeline: &str, node: &str, asked: &[(Key, Arc<str>)]) -> anyhow::Result<Vec<Option<Hit>>> {
        self.within(|session| {
            let mut hits = vec![None; asked.len()];
            if session.absent {
                return Ok(hits);
            }
            let node = session.node(pipeline, node, false)?;
            for (batch, hits) in asked.chunks(BATCH).zip(hits.chunks_mut(BATCH)) {
                let sql = "SELECT asked.at, found.results,
                               asked.key = (SELECT key FROM flowrun.place WHERE node = $2 AND instance = asked.instance
                                            ORDER BY turn DESC LIMIT 1)
                           FROM unnest($3, $4) WITH ORDINALITY AS asked (key, instance, at)
                           CROSS JOIN LATERAL (
                               SELECT results FROM flowrun.cache WHERE key = asked.key
                               ORDER BY (project = $1) IS TRUE DESC, turn DESC LIMIT 1) AS found";
                let (keys, names) = columns(batch);
                let found = session.client.query_typed(
                    sql,
                    &[
                        (&session.project, Type::INT8),
                        (&node, Type::INT8),
                        (&keys, Type::BYTEA_ARRAY),
                        (&names, Type::TEXT_ARRAY),
                    ],
                )?;
                for row in found {
                    let newest: Option<bool> = row.get(2);
                    let hit = Hit { results: results(row.get(1))?, newest: newest == Some(true) };
                    hits[ordinal(&row)] = Some(hit);
                }
            }
            Ok(hits)
        })
    }

    fn latest(&mut self, pipeline: &str, node: &str, instances: &[Arc<str>]) -> anyhow::Result<Vec<Option<Entry>>> {
        self.within(|session| {
            let mut entries = vec![None; instances.len()];
            let id = if session.absent { None } else { session.node(pipeline, node, false)? };
            let Some(id) = id else { return Ok(entries) };
            let (pipeline, node): (Arc<str>, Arc<str>) = (pipeline.into(), node.into());
            let mut shared: FxHashMap<i64, Arc<Vec<Component>>> = FxHashMap::default();
            for (batch, entries) in instances.chunks(BATCH).zip(entries.chunks_mut(BATCH)) {
                let sql = "SELECT asked.at, found.key, found.own, found.results, found.at, found.wall_us, found.parts,
                               origin.run, origin.host, origin.by_user, origin.version
                           FROM unnest($3) WITH ORDINALITY AS asked (instance, at)
                           CROSS JOIN LATERAL (
                               SELECT cache.* FROM flowrun.place JOIN flowrun.cache USING (key)
                               WHERE place.node = $2 AND place.instance = asked.instance AND cache.project = $1
                               ORDER BY place.turn DESC LIMIT 1) AS found
                           JOIN flowrun.origin ON origin.id = found.origin";
                let names: Vec<_> = batch.iter().map(|name| plain(name)).collect();
                let found = session.client.query_typed(
                    sql,
                    &[(&session.project, Type::INT8), (&id, Type::INT8), (&names, Type::TEXT_ARRAY)],
                )?;
                let missing: FxHashSet<i64> =
                    found.iter().map(|row| row.get(6)).filter(|id| !shared.contains_key(id)).collect();
                if !missing.is_empty() {
                    let missing: Vec<i64> = missing.into_iter().collect();
                    let sql = "SELECT id, components FROM flowrun.parts WHERE id = ANY($1)";
                    for row in session.client.query_typed(sql, &[(&missing, Type::INT8_ARRAY)])? {
                        shared.insert(row.get(0), Arc::new(components(row.get(1))?));
                    }
                }
                for row in found {
                    let at = ordinal(&row);
                    entries[at] = Some(Entry {
                        key: digest(&row, 1)?,
                        pipeline: pipeline.clone(),
                        node: node.clone(),
                        instance: batch[at].clone(),
                        fixed: shared.get(&row.get(6)).cloned().unwrap_or_default(),
                        own: components(row.get(2))?,
                        results: results(row.get(3))?,
                        made: Made {
                            at: unsigned(row.get(4)),
                            wall_us: unsigned(row.get(5)),
                            run: unsigned(row.get(7)),
                            host: row.get::<_, &str>(8).into(),
                            user: row.get::<_, &str>(9).into(),
                            version: row.get::<_, &str>(10).into(),
                        },
                    });
                }
            }
            Ok(entries)
        })
    }

    fn record(&mut self, entries: &[Entry]) -> anyhow::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.writing(|session, project| {
            // Small rows that many writers share are committed at once, so that nobody waits for the large batch.
            let mut ids = Vec::with_capacity(entries.len());
            let mut last: Option<(&Arc<Vec<Component>>, i64)> = None;
            for entry in entries {
                let node = session.node(&entry.pipeline, &entry.node, true)?.ok_or(Bad::ReadOnly)?;
                // Neighbours mostly share the very same list.
                let parts = match last {
                    Some((fixed, id)) if Arc::ptr_eq(fixed, &entry.fixed) => id,
                    _ => session.parts(&entry.fixed)?,
                };
                last = Some((&entry.fixed, parts));
                ids.push((node, parts, session.origin(&entry.made)?));
            }
            let mut work = session.begin(project)?;
            for (batch, ids) in entries.chunks(BATCH).zip(ids.chunks(BATCH)) {
                write_cache(&mut work, project, batch, ids)?;
                let rows = batch.iter().zip(ids).map(|(entry, (node, ..))| (*node, &*entry.instance, &entry.key));
                write_places(&mut work, project, rows)?;
            }
            lease::end(&mut work, entries.iter().map(|entry| &entry.key.0[..]).collect())?;
            work.commit()?;
            Ok(())
        })
    }

    fn take(&mut self, pipeline: &str, node: &str, taken: &[(Key, Arc<str>)]) -> anyhow::Result<()> {
        if taken.is_empty() {
            return Ok(());
        }
        self.writing(|session, project| {
            let node = session.node(pipeline, node, true)?.ok_or(Bad::ReadOnly)?;
            let mut work = session.begin(project)?;
            for batch in taken.chunks(BATCH) {
                // What another project made is ours from now on, as it is now.
                let sql = "INSERT INTO flowrun.cache (key, project, parts, own, results, origin, at, wall_us)
                           SELECT found.key, $1, found.parts, found.own, found.results, found.origin, found.at,
                               found.wall_us
                           FROM (SELECT DISTINCT key FROM unnest($2) AS all_keys (key) ORDER BY key) AS asked
                           CROSS JOIN LATERAL (
                               SELECT * FROM flowrun.cache WHERE key = asked.key
                               ORDER BY (project = $1) DESC, turn DESC LIMIT 1) AS found
                           WHERE found.project <> $1
                           ON CONFLICT DO NOTHING";
                let (keys, _) = columns(batch);
                work.execute_typed(sql, &[(&project, Type::INT8), (&keys, Type::BYTEA_ARRAY)])?;
                write_places(&mut work, project, batch.iter().map(|(key, instance)| (node, &**instance, key)))?;
            }
            work.commit()?;
            Ok(())
        })
    }

    fn forget(&mut self, keys: &[Key]) -> anyhow::Result<()> {
        self.writing(|session, _| {
            let keys: Vec<&[u8]> = keys.iter().map(|key| &key.0[..]).collect();
            let sql = "DELETE FROM flowrun.cache WHERE key = ANY($1)";
            session.client.execute_typed(sql, &[(&keys, Type::BYTEA_ARRAY)])?;
            Ok(())
        })
    }

    fn lease(&mut self, run: u64, keys: &[Key], term: Term) -> anyhow::Result<Vec<Lease>> {
        let mut judge = std::mem::take(&mut self.judge);
        let done = self.writing(|session, _| session.lease(&mut judge, signed(run), keys, term));
        self.judge = judge;
        done
    }

    fn leases(&mut self) -> anyhow::Result<Vec<(Key, Lease)>> {
        let mut judge = std::mem::take(&mut self.judge);
        let done = self.within(|session| if session.absent { Ok(Vec::new()) } else { session.leases(&mut judge) });
        self.judge = judge;
        done
    }

    fn renew(&mut self, run: u64, term: Term) -> anyhow::Result<()> {
        self.writing(|session, _| session.renew(signed(run), term.lasts))
    }

    fn release(&mut self, run: u64, keys: Option<&[Key]>) -> anyhow::Result<()> {
        self.writing(|session, _| session.release(signed(run), keys))
    }

    fn begin_run(&mut self, row: &RunRow) -> anyhow::Result<u64> {
        let (host, user) = (self.host.clone(), self.user.clone());
        self.writing(|session, project| {
            // One statement: the row of the last number is locked no longer than it takes. Done twice, after a
            // connection that broke between commit and answer, it costs a number.
            let sql = "WITH next AS (UPDATE flowrun.last_run SET run = greatest(run + 1, $1) RETURNING run)
                       INSERT INTO flowrun.run
                           (run, project, pipeline, file, identity, host, by_user, version, began, counts)
                       SELECT run, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM next RETURNING run";
            let row = session.client.query_typed_one(
                sql,
                &[
                    (&signed(row.run), Type::INT8),
                    (&project, Type::INT8),
                    (&plain(&row.pipeline), Type::TEXT),
                    (&plain(&row.file), Type::TEXT),
                    (&&row.identity.0[..], Type::BYTEA),
                    (&host, Type::TEXT),
                    (&user, Type::TEXT),
                    (&env!("CARGO_PKG_VERSION"), Type::TEXT),
                    (&signed(row.began), Type::INT8),
                    (&serde_json::to_string(&row.counts)?, Type::TEXT),
                ],
            )?;
            Ok(unsigned(row.get(0)))
        })
    }

    fn end_run(&mut self, row: &RunRow) -> anyhow::Result<()> {
        self.writing(|session, _| {
            let sql = "UPDATE flowrun.run SET ended = $2, state = $3, counts = $4 WHERE run = $1";
            session.client.execute_typed(
                sql,
                &[
                    (&signed(row.run), Type::INT8),
                    (&row.ended.map(signed), Type::INT8),
                    (&row.state.map(state_text), Type::TEXT),
                    (&serde_json::to_string(&row.counts)?, Type::TEXT),
                ],
            )?;
            Ok(())
        })
    }

    fn runs(&mut self, file: Option<&str>, limit: u32) -> anyhow::Result<Vec<RunRow>> {
        self.within(|session| {
            if session.absent {
                return Ok(Vec::new());
            }
            let sql = concat!(
                run_columns!(),
                "WHERE project = $1 AND ($2::text IS NULL OR file = $2) ORDER BY run DESC LIMIT $3"
            );
            let file = file.map(plain);
            let asked = [
                (&session.project as &(dyn ToSql + Sync), Type::INT8),
                (&file, Type::TEXT),
                (&i64::from(limit), Type::INT8),
            ];
            session.client.query_typed(sql, &asked)?.iter().map(run_row).collect()
        })
    }

    fn run(&mut self, run: u64) -> anyhow::Result<Option<RunRow>> {
        self.within(|session| {
            if session.absent {
                return Ok(None);
            }
            let sql = concat!(run_columns!(), "WHERE run = $1");
            session.client.query_typed_opt(sql, &[(&signed(run), Type::INT8)])?.as_ref().map(run_row).transpose()
        })
    }

    fn files(&mut self) -> anyhow::Result<Vec<(Vec<u8>, Stat, Digest)>> {
        self.within(|session| {
            if session.absent {
                return Ok(Vec::new());
            }
            let sql = "SELECT path, size, mtime, ctime, inode, digest FROM flowrun.file WHERE project = $1";
            let rows = session.client.query_typed(sql, &[(&session.project, Type::INT8)])?;
            let row = |row: &Row| {
                let (size, inode) = (unsigned(row.get(1)), unsigned(row.get(4)));
                let stat = Stat { size, mtime: row.get(2), ctime: row.get(3), inode };
                Ok((row.get(0), stat, digest(row, 5)?))
            };
            rows.iter().map(row).collect()
        })
    }

    fn remember(&mut self, files: &[(Vec<u8>, Stat, Digest)]) -> anyhow::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        self.writing(|session, project| {
            let mut work = session.begin(project)?;
            for batch in files.chunks(BATCH) {
                let batch = last_of_each(batch, |(path, ..)| path.as_slice());
                let sql = "INSERT INTO flowrun.file (project, path, size, mtime, ctime, inode, digest)
                           SELECT $1, * FROM unnest($2, $3, $4, $5, $6, $7)
                           ON CONFLICT (project, path) DO UPDATE SET size = excluded.size, mtime = excluded.mtime,
                               ctime = excluded.ctime, inode = excluded.inode, digest = excluded.digest";
                let paths: Vec<&[u8]> = batch.iter().map(|(path, ..)| path.as_slice()).collect();
                let numbers = |of: fn(&Stat) -> i64| batch.iter().map(|(_, stat, _)| of(stat)).collect::<Vec<i64>>();
                let digests: Vec<&[u8]> = batch.iter().map(|(.., digest)| &digest.0[..]).collect();
                work.execute_typed(
                    sql,
                    &[
                        (&project, Type::INT8),
                        (&paths, Type::BYTEA_ARRAY),
                        (&numbers(|stat| signed(stat.size)), Type::INT8_ARRAY),
                        (&numbers(|stat| stat.mtime), Type::INT8_ARRAY),
                        (&numbers(|stat| stat.ctime), Type::INT8_ARRAY),
                        (&numbers(|stat| signed(stat.inode)), Type::INT8_ARRAY),
                        (&digests, Type::BYTEA_ARRAY),
                    ],
                )?;
            }
            work.commit()?;
            Ok(())
        })
    }

    fn list(&mut self, each: &mut dyn FnMut(Listed)) -> anyhow::Result<()> {
        self.within(|session| whole::list(session, false))?.into_iter().for_each(each);
        Ok(())
    }

    fn list_all(&mut self, each: &mut dyn FnMut(Listed)) -> anyhow::Result<()> {
        self.within(|session| whole::list(session, true))?.into_iter().for_each(each);
        Ok(())
    }

    fn find(&mut self, digits: &str) -> anyhow::Result<Vec<Entry>> {
        let Some(range) = Digest::beginning(digits) else { return Ok(Vec::new()) };
        self.within(|session| whole::find(session, range))
    }

    fn digests(&mut self, each: &mut dyn FnMut(Digest)) -> anyhow::Result<()> {
        self.within(whole::digests)?.into_iter().for_each(each);
        Ok(())
    }

    fn remove(&mut self, entries: &[Listed]) -> anyhow::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.writing(|session, project| whole::remove(session, project, entries))
    }

    fn all_runs(&mut self, limit: u32) -> anyhow::Result<Vec<AnyRun>> {
        self.within(|session| whole::all_runs(session, limit))
    }

    fn remove_runs(&mut self, runs: &[u64]) -> anyhow::Result<()> {
        self.writing(|session, project| whole::remove_runs(session, project, runs))
    }

    fn version(&mut self) -> anyhow::Result<String> {
        let version = self.within(|session| {
            let rows = session.client.query_typed("SELECT current_setting('server_version')", &[])?;
            Ok(rows.first().map(|row| row.get::<_, String>(0)).unwrap_or_default())
        })?;
        // `15.18 (Debian 15.18-0+deb12u1)`
        Ok(format!("PostgreSQL {}", version.split(' ').next().unwrap_or_default()))
    }

    fn name(&self) -> String {
        self.address.to_string()
    }

    fn patience(&self) -> Duration {
        self.address.patience
    }
}

impl Session<'_> {
    /// Begins to write a project's rows. Two runs of one project take turns, so that they cannot wait for each other's
    /// rows in a circle.
    fn begin(&mut self, project: i64) -> Result<Transaction<'_>, Bad> {
        let mut work = self.client.transaction()?;
        let sql = "SELECT FROM flowrun.project WHERE id = $1 FOR NO KEY UPDATE";
        work.execute_typed(sql, &[(&project, Type::INT8)])?;
        Ok(work)
    }

    /// The row of a node; with `make` it is made when there is none.
    fn node(&mut self, pipeline: &str, node: &str, make: bool) -> Result<Option<i64>, Bad> {
        let name: (Arc<str>, Arc<str>) = (pipeline.into(), node.into());
        if let Some(id) = self.ids.nodes.get(&name) {
            return Ok(Some(*id));
        }
        let (pipeline, path) = (plain(pipeline), plain(node));
        let row: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.project, Type::INT8), (&pipeline, Type::TEXT), (&path, Type::TEXT)];
        if make {
            let sql = "INSERT INTO flowrun.node (project, pipeline, path) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            self.client.execute_typed(sql, &row)?;
        }
        let sql = "SELECT id FROM flowrun.node WHERE project = $1 AND pipeline = $2 AND path = $3";
        let id = self.client.query_typed_opt(sql, &row)?.map(|row| row.get(0));
        if let Some(id) = id {
            self.ids.nodes.insert(name, id);
        }
        Ok(id)
    }

    fn parts(&mut self, fixed: &[Component]) -> Result<i64, Bad> {
        let text = components_text(fixed)?;
        let digest = Digest::of(text.as_bytes());
        if let Some(id) = self.ids.parts.get(&digest) {
            return Ok(*id);
        }
        let bytes = &digest.0[..];
        let sql = "INSERT INTO flowrun.parts (digest, components) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        self.client.execute_typed(sql, &[(&bytes, Type::BYTEA), (&text, Type::TEXT)])?;
        let sql = "SELECT id FROM flowrun.parts WHERE digest = $1";
        let id = self.client.query_typed_one(sql, &[(&bytes, Type::BYTEA)])?.get(0);
        self.ids.parts.insert(digest, id);
        Ok(id)
    }

    fn origin(&mut self, made: &Made) -> Result<i64, Bad> {
        let name = (made.run, made.host.clone(), made.user.clone(), made.version.clone());
        if let Some(id) = self.ids.origins.get(&name) {
            return Ok(*id);
        }
        let (run, host, user, version) = (signed(made.run), plain(&made.host), plain(&made.user), plain(&made.version));
        let row: [(&(dyn ToSql + Sync), Type); 4] =
            [(&run, Type::INT8), (&host, Type::TEXT), (&user, Type::TEXT), (&version, Type::TEXT)];
        let sql = "INSERT INTO flowrun.origin (run, host, by_user, version) VALUES ($1, $2, $3, $4)
                   ON CONFLICT DO NOTHING";
        self.client.execute_typed(sql, &row)?;
        let sql = "SELECT id FROM flowrun.origin WHERE run = $1 AND host = $2 AND by_user = $3 AND version = $4";
        let id = self.client.query_typed_one(sql, &row)?.get(0);
        self.ids.origins.insert(name, id);
        Ok(id)
    }
}

/// Writes what is known under keys, for one project.
fn write_cache(
    work: &mut impl GenericClient,
    project: i64,
    entries: &[Entry],
    ids: &[(i64, i64, i64)],
) -> Result<(), Bad> {
    let rows: Vec<_> = entries.iter().zip(ids).collect();
    let rows = last_of_each(&rows, |(entry, _)| &entry.key);
    let keys: Vec<&[u8]> = rows.iter().map(|(entry, _)| &entry.key.0[..]).collect();
    let own = rows.iter().map(|(entry, _)| components_text(&entry.own)).collect::<Result<Vec<_>, _>>()?;
    let results = rows.iter().map(|(entry, _)| serde_json::to_string(&*entry.results));
    let results = results.collect::<Result<Vec<_>, _>>()?;
    let (parts, origins): (Vec<i64>, Vec<i64>) = rows.iter().map(|(_, (_, parts, origin))| (parts, origin)).unzip();
    let at: Vec<i64> = rows.iter().map(|(entry, _)| signed(entry.made.at)).collect();
    let wall: Vec<i64> = rows.iter().map(|(entry, _)| signed(entry.made.wall_us)).collect();
    let sql = "INSERT INTO flowrun.cache (key, project, parts, own, results, origin, at, wall_us)
               SELECT key, $1, parts, own, results, origin, at, wall_us
               FROM unnest($2, $3, $4, $5, $6, $7, $8) AS new (key, parts, own, results, origin, at, wall_us)
               ON CONFLICT (key, project) DO UPDATE SET turn = excluded.turn, parts = excluded.parts,
                   own = excluded.own, results = excluded.results, origin = excluded.origin, at = excluded.at,
                   wall_us = excluded.wall_us";
    work.execute_typed(
        sql,
        &[
            (&project, Type::INT8),
            (&keys, Type::BYTEA_ARRAY),
            (&parts, Type::INT8_ARRAY),
            (&own, Type::TEXT_ARRAY),
            (&results, Type::TEXT_ARRAY),
            (&origins, Type::INT8_ARRAY),
            (&at, Type::INT8_ARRAY),
            (&wall, Type::INT8_ARRAY),
        ],
    )?;
    Ok(())
}

/// Makes each key that the project has the newest of its instance, in this order.
fn write_places<'a>(
    work: &mut impl GenericClient,
    project: i64,
    rows: impl Iterator<Item = (i64, &'a str, &'a Key)>,
) -> Result<(), Bad> {
    let rows: Vec<_> = rows.collect();
    let rows = last_of_each(&rows, |row| *row);
    let nodes: Vec<i64> = rows.iter().map(|(node, ..)| *node).collect();
    let names: Vec<Cow<'_, str>> = rows.iter().map(|(_, name, _)| plain(name)).collect();
    let keys: Vec<&[u8]> = rows.iter().map(|(.., key)| &key.0[..]).collect();
    // The numbers of `turn` are given in the order of the rows.
    let sql = "INSERT INTO flowrun.place (node, instance, key)
               SELECT node, instance, key FROM unnest($2, $3, $4) WITH ORDINALITY AS new (node, instance, key, at)
               WHERE EXISTS (SELECT FROM flowrun.cache WHERE cache.key = new.key AND cache.project = $1)
               ORDER BY at
               ON CONFLICT (node, instance, key) DO UPDATE SET turn = excluded.turn";
    work.execute_typed(
        sql,
        &[(&project, Type::INT8), (&nodes, Type::INT8_ARRAY), (&names, Type::TEXT_ARRAY), (&keys, Type::BYTEA_ARRAY)],
    )?;
    Ok(())
}

/// Of rows that are the same to `by` the last one, in order: one statement cannot write a row twice.
fn last_of_each<'a, T: Clone, K: std::hash::Hash + Eq>(rows: &'a [T], by: impl Fn(&'a T) -> K) -> Vec<T> {
    let mut seen = FxHashSet::default();
    let mut kept: Vec<T> = rows.iter().rev().filter(|row| seen.insert(by(row))).cloned().collect();
    kept.reverse();
    kept
}

fn columns(asked: &[(Key, Arc<str>)]) -> (Vec<&[u8]>, Vec<Cow<'_, str>>) {
    asked.iter().map(|(key, instance)| (&key.0[..], plain(instance))).unzip()
}

/// Where in the batch a row belongs; the database counts from 1.
fn ordinal(row: &Row) -> usize {
    usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX)
}

/// PostgreSQL's text holds every character but NUL.
fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\\']) {
        Cow::Owned(text.replace('\\', "\\\\").replace('\0', "\\0"))
    } else {
        Cow::Borrowed(text)
    }
}

/// What was written by [`plain`].
fn unplain(text: &str) -> Arc<str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(if chars.next() == Some('0') { '\0' } else { '\\' }),
            other => out.push(other),
        }
    }
    out.into()
}

fn digest(row: &Row, column: usize) -> Result<Digest, Bad> {
    let bytes: &[u8] = row.get(column);
    bytes.try_into().map(Digest).map_err(|_| Bad::Row("a digest that has not 32 bytes".to_owned()))
}

/// What `run_row` reads.
macro_rules! run_columns {
    () => {
        "SELECT run, pipeline, file, identity, began, ended, state, counts FROM flowrun.run "
    };
}
use run_columns;

fn run_row(row: &Row) -> Result<RunRow, Bad> {
    Ok(RunRow {
        run: unsigned(row.get(0)),
        pipeline: unplain(row.get(1)),
        file: unplain(row.get(2)),
        identity: digest(row, 3)?,
        began: unsigned(row.get(4)),
        ended: row.get::<_, Option<i64>>(5).map(unsigned),
        state: row.get::<_, Option<String>>(6).map(state).transpose()?,
        counts: serde_json::from_str(row.get(7))?,
    })
}

/// What goes wrong inside of a piece of work.
enum Bad {
    Postgres(postgres::Error),
    Row(String),
    /// The role, or the server, only reads.
    ReadOnly,
}

impl From<postgres::Error> for Bad {
    fn from(error: postgres::Error) -> Self {
        Bad::Postgres(error)
    }
}

impl From<serde_json::Error> for Bad {
    fn from(error: serde_json::Error) -> Self {
        Bad::Row(error.to_string())
    }
}

/// Whether another writer was in the way, and the same may work now.
fn collided(error: &postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE))
}

fn named(address: &Address, bad: Bad) -> Fault {
    match bad {
        Bad::Postgres(error) => open::fault(address, &error),
        Bad::Row(what) => {
            let what = format!("the store `{address}` holds a row that cannot be read ({what})");
            Fault::new(FaultKind::Damaged, what).help("name another store with `--store`")
        }
        Bad::ReadOnly => Fault::new(FaultKind::ReadOnly, format!("the store `{address}` can only be read"))
            .help("use a role that may write"),
    }
}
