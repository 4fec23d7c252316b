//! The store on SQLite: one file, one writer, any number of readers.
//!
//! Statements are prepared once and run inside one transaction a batch: in-process, that is as fast as one large
//! statement, and it keeps the clustered order of the rows.

mod lease;
mod look;

use super::far;
use super::leases::Judge;
use super::open::{self, Alone};
use super::rows::{self, components, components_text, signed, state_text, unsigned};
use crate::base::Digest;
use crate::base::digest::Key;
use crate::engine::Counts;
use crate::event::Results;
use crate::port::{Access, AnyRun, Component, Entry, Hit, Lease, Listed, Made, RunRow, Stat, Store, Term};
use crate::sys::lock::Lock;
use crate::sys::{self, Fault, mount};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A store in one SQLite file.
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// The project's folder, as its runs are marked; empty: not known.
    project: String,
    /// Runs of other projects are in it, too.
    shared: bool,
    judge: Judge,
    /// Where the file lies on a network file system: what keeps other processes from it.
    alone: Option<Lock>,
}

impl Sqlite {
    /// Opens the store, making it or bringing it up to date when it is opened for writing.
    pub fn open(path: &Path, access: Access) -> Result<Self, Fault> {
        let (connection, alone) = match mount::network(path) {
            None => (open::open(path, access, Alone::No)?, None),
            Some(kind) => far::open(path, access, &kind)?,
        };
        connection.set_prepared_statement_cache_capacity(32);
        // Else a statement is compiled anew whenever other values are bound.
        let stable = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
        connection.set_db_config(stable, true).map_err(|error| open::fault(path, error))?;
        let path = path.to_owned();
        Ok(Self { connection, path, project: String::new(), shared: false, judge: Judge::default(), alone })
    }

    /// For the project of a state folder, `.flowrun`; `shared`: others use the store, too, whose runs are not its own.
    pub fn of_project(mut self, state_dir: &Path, shared: bool) -> Self {
        let folder = state_dir.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let full = folder.canonicalize();
        self.project = full.as_deref().unwrap_or(folder).to_string_lossy().into_owned();
        self.shared = shared;
        self
    }

    /// Runs `work` in one transaction, and names the store in its error.
    fn within<T>(
        &mut self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Bad>,
    ) -> anyhow::Result<T> {
        if let Some(lock) = &self.alone {
            lock.still_held()?;
        }
        let path = &self.path;
        let connection = &mut self.connection;
        let done = (|| {
            let transaction = connection.transaction_with_behavior(behavior)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })();
        done.map_err(|bad| named(path, bad).into())
    }

    fn reading<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Bad>) -> anyhow::Result<T> {
        self.within(TransactionBehavior::Deferred, work)
    }

    /// Gives the disk back what removed rows left, when it is worth writing the file anew.
    fn shrink(&self) {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if let (Ok(free), Ok(all)) = (pragma("freelist_count"), pragma("page_count"))
            && free * 4 > all
        {
            // A run may be writing: then the space is used by what comes next.
            let _ = self.connection.execute_batch("PRAGMA busy_timeout = 0; VACUUM");
            let _ = self.connection.busy_timeout(open::PATIENCE);
        }
    }

    fn writing<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Bad>) -> anyhow::Result<T> {
        self.within(TransactionBehavior::Immediate, work)
    }
}

impl Store for Sqlite {
    fn lookup(&mut self, pipeline: &str, node: &str, asked: &[(Key, Arc<str>)]) -> anyhow::Result<Vec<Option<Hit>>> {
        self.reading(|tx| look::up(tx, pipeline, node, asked))
    }

    fn latest(&mut self, pipeline: &str, node: &str, instances: &[Arc<str>]) -> anyhow::Result<Vec<Option<Entry>>> {
        self.reading(|tx| {
            let Some(id) = node_id(tx, pipeline, node)? else { return Ok(vec![None; instances.len()]) };
            let (pipeline, node): (Arc<str>, Arc<str>) = (pipeline.into(), node.into());
            let mut newest = tx.prepare_cached(
                "SELECT key, own, results, at, wall_us, parts, run, host, user, version
                 FROM cache JOIN origin ON origin.id = cache.origin
                 WHERE node = ?1 AND instance = ?2 ORDER BY turn DESC LIMIT 1",
            )?;
            let mut shared = tx.prepare_cached("SELECT components FROM parts WHERE id = ?1")?;
            let mut known: FxHashMap<i64, Arc<Vec<Component>>> = FxHashMap::default();
            let mut entries = Vec::with_capacity(instances.len());
            for instance in instances {
                let mut rows = newest.query(params![id, instance])?;
                let Some(row) = rows.next()? else {
                    entries.push(None);
                    continue;
                };
                let parts = row.get(5)?;
                let fixed = match known.get(&parts) {
                    Some(fixed) => fixed.clone(),
                    None => {
                        let text: String = shared.query_row([parts], |row| row.get(0))?;
                        let fixed = Arc::new(components(&text)?);
                        known.insert(parts, fixed.clone());
                        fixed
                    }
                };
                entries.push(Some(entry(row, (pipeline.clone(), node.clone(), instance.clone()), fixed)?));
            }
            Ok(entries)
        })
    }

    fn record(&mut self, entries: &[Entry]) -> anyhow::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.writing(|tx| {
            let mut ids = Ids::default();
            let mut others = tx.prepare_cached(
                "UPDATE cache SET results = ?2, origin = ?3, at = ?4, wall_us = ?5 WHERE key = ?1 AND results <> ?2",
            )?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO cache (node, instance, key, turn, parts, own, results, origin, at, wall_us)
                 VALUES (?1, ?2, ?3,
                    (SELECT coalesce(max(turn), 0) + 1 FROM cache WHERE node = ?1 AND instance = ?2),
                    ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT DO UPDATE SET turn = excluded.turn, parts = excluded.parts, own = excluded.own,
                    results = excluded.results, origin = excluded.origin, at = excluded.at, wall_us = excluded.wall_us",
            )?;
            let mut ended = tx.prepare_cached("DELETE FROM lease WHERE key = ?1")?;
            for entry in entries {
                ended.execute([entry.key.0])?;
                let node = ids.node(tx, &entry.pipeline, &entry.node)?;
                let parts = ids.parts(tx, &entry.fixed)?;
                let origin = ids.origin(tx, &entry.made)?;
                let (own, results) = (components_text(&entry.own)?, serde_json::to_string(&*entry.results)?);
                let (at, wall) = (signed(entry.made.at), signed(entry.made.wall_us));
                // The bytes in place are now these, for every instance that has the key.
                others.execute(params![entry.key.0, results, origin, at, wall])?;
                insert.execute(params![node, entry.instance, entry.key.0, parts, own, results, origin, at, wall])?;
            }
            Ok(())
        })
    }

    fn take(&mut self, pipeline: &str, node: &str, taken: &[(Key, Arc<str>)]) -> anyhow::Result<()> {
        if taken.is_empty() {
            return Ok(());
        }
        self.writing(|tx| {
            let node = Ids::default().node(tx, pipeline, node)?;
            let mut copy = tx.prepare_cached(
                "INSERT INTO cache (node, instance, key, turn, parts, own, results, origin, at, wall_us)
                 SELECT ?1, ?2, key,
                    (SELECT coalesce(max(turn), 0) + 1 FROM cache WHERE node = ?1 AND instance = ?2),
                    parts, own, results, origin, at, wall_us
                 FROM cache WHERE key = ?3 LIMIT 1
                 ON CONFLICT DO UPDATE SET turn = excluded.turn",
            )?;
            for (key, instance) in taken {
                copy.execute(params![node, instance, key.0])?;
            }
            Ok(())
        })
    }

    fn forget(&mut self, keys: &[Key]) -> anyhow::Result<()> {
        self.writing(|tx| {
            let mut delete = tx.prepare_cached("DELETE FROM cache WHERE key = ?1")?;
            for key in keys {
                delete.execute([key.0])?;
            }
            Ok(())
        })
    }

    fn lease(&mut self, run: u64, keys: &[Key], term: Term) -> anyhow::Result<Vec<Lease>> {
        if self.alone.is_some() {
            // There, each writing is a slow one, and nobody else can want a lease.
            return Ok(vec![Lease::Ours; keys.len()]);
        }
        let mut judge = std::mem::take(&mut self.judge);
        let done = self.writing(|tx| lease::take(tx, &mut judge, signed(run), keys, term));
        self.judge = judge;
        done
    }

    fn leases(&mut self) -> anyhow::Result<Vec<(Key, Lease)>> {
        let mut judge = std::mem::take(&mut self.judge);
        let done = self.reading(|tx| lease::all(tx, &mut judge));
        self.judge = judge;
        done
    }

    fn renew(&mut self, run: u64, term: Term) -> anyhow::Result<()> {
        if self.alone.is_some() {
            return Ok(());
        }
        self.writing(|tx| lease::renew(tx, signed(run), term.lasts))
    }

    fn release(&mut self, run: u64, keys: Option<&[Key]>) -> anyhow::Result<()> {
        if self.alone.is_some() {
            return Ok(());
        }
        self.writing(|tx| lease::release(tx, signed(run), keys))
    }

    fn begin_run(&mut self, row: &RunRow) -> anyhow::Result<u64> {
        let project = self.project.clone();
        let begun = self.writing(|tx| {
            let last: Option<i64> =
                tx.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'run'", (), |row| row.get(0)).optional()?;
            let run = signed(row.run).max(last.unwrap_or(0) + 1);
            tx.execute(
                "INSERT INTO run (run, pipeline, file, identity, began, counts, project, user, host)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    run,
                    row.pipeline,
                    row.file,
                    row.identity.0,
                    signed(row.began),
                    serde_json::to_string(&row.counts)?,
                    project,
                    sys::user(),
                    sys::host(),
                ],
            )?;
            Ok(unsigned(run))
        })?;
        if let Some(lock) = &mut self.alone {
            lock.name_run(begun)?;
        }
        Ok(begun)
    }

    fn end_run(&mut self, row: &RunRow) -> anyhow::Result<()> {
        // A commit that flushes the log flushes all earlier ones with it.
        let flush = |connection: &Connection, level: &str| connection.pragma_update(None, "synchronous", level);
        flush(&self.connection, "FULL").map_err(|error| open::fault(&self.path, error))?;
        let done = self.writing(|tx| {
            tx.execute(
                "UPDATE run SET ended = ?2, state = ?3, counts = ?4 WHERE run = ?1",
                params![
                    signed(row.run),
                    row.ended.map(signed),
                    row.state.map(state_text),
                    serde_json::to_string(&row.counts)?
                ],
            )?;
            Ok(())
        });
        flush(&self.connection, "NORMAL").map_err(|error| open::fault(&self.path, error))?;
        done
    }

    fn runs(&mut self, file: Option<&str>, limit: u32) -> anyhow::Result<Vec<RunRow>> {
        let project = self.shared.then(|| self.project.clone());
        self.reading(|tx| {
            let mut rows = Vec::new();
            let mut statement = tx.prepare_cached(match file {
                Some(_) => concat!(run_columns!(), "WHERE file = ?2 AND ", of_project!()),
                None => concat!(run_columns!(), "WHERE ?2 IS NULL AND ", of_project!()),
            })?;
            let mut found = statement.query(params![limit, file, project])?;
            while let Some(row) = found.next()? {
                rows.push(run_row(row)?);
            }
            Ok(rows)
        })
    }

    fn run(&mut self, run: u64) -> anyhow::Result<Option<RunRow>> {
        self.reading(|tx| {
            let mut statement = tx.prepare_cached(concat!(run_columns!(), "WHERE run = ?1"))?;
            let mut found = statement.query([signed(run)])?;
            match found.next()? {
                Some(row) => Ok(Some(run_row(row)?)),
                None => Ok(None),
            }
        })
    }

    fn files(&mut self) -> anyhow::Result<Vec<(Vec<u8>, Stat, Digest)>> {
        self.reading(|tx| {
            let mut statement = tx.prepare_cached("SELECT path, size, mtime, ctime, inode, digest FROM file")?;
            let rows = statement.query_map((), |row| {
                let stat = Stat {
                    size: unsigned(row.get(1)?),
                    mtime: row.get(2)?,
                    ctime: row.get(3)?,
                    inode: unsigned(row.get(4)?),
                };
                Ok((row.get(0)?, stat, Digest(row.get(5)?)))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn list(&mut self, each: &mut dyn FnMut(Listed)) -> anyhow::Result<()> {
        self.reading(|tx| {
            let mut all = tx.prepare_cached(
                "SELECT node.pipeline, node.path, instance, key, results, at, wall_us, origin.run, origin.host,
                     origin.user, origin.version, coalesce(run.project, '')
                 FROM cache JOIN node ON node.id = cache.node JOIN origin ON origin.id = cache.origin
                     LEFT JOIN run ON run.run = origin.run
                 ORDER BY node.pipeline, node.path, instance, turn DESC",
            )?;
            let mut rows = all.query(())?;
            let mut last: Option<Listed> = None;
            while let Some(row) = rows.next()? {
                let name = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
                // Neighbours share their names.
                let like = |before: Option<&Arc<str>>, text: &str| match before {
                    Some(before) if **before == *text => before.clone(),
                    _ => text.into(),
                };
                let before = last.as_ref();
                let pipeline = like(before.map(|last| &last.pipeline), name(0)?);
                let node = like(before.map(|last| &last.node), name(1)?);
                let instance = like(before.map(|last| &last.instance), name(2)?);
                let newer = match before {
                    Some(last) if (&last.pipeline, &last.node, &last.instance) == (&pipeline, &node, &instance) => {
                        last.newer + 1
                    }
                    _ => 0,
                };
                let made = Made {
                    at: unsigned(row.get(5)?),
                    wall_us: unsigned(row.get(6)?),
                    run: unsigned(row.get(7)?),
                    host: like(before.map(|last| &last.made.host), name(8)?),
                    user: like(before.map(|last| &last.made.user), name(9)?),
                    version: like(before.map(|last| &last.made.version), name(10)?),
                };
                let key = Digest(row.get(3)?);
                let project = like(before.map(|last| &last.project), name(11)?);
                let listed = Listed { key, pipeline, node, instance, project, newer, results: results(row, 4)?, made };
                each(listed.clone());
                last = Some(listed);
            }
            Ok(())
        })
    }

    fn find(&mut self, digits: &str) -> anyhow::Result<Vec<Entry>> {
        let Some((low, high)) = Digest::beginning(digits) else { return Ok(Vec::new()) };
        self.reading(|tx| {
            let mut between = tx.prepare_cached(
                "SELECT key, own, results, at, wall_us, parts, run, host, user, version,
                     node.pipeline, node.path, instance, components
                 FROM cache JOIN origin ON origin.id = cache.origin JOIN node ON node.id = cache.node
                     JOIN parts ON parts.id = cache.parts
                 WHERE key BETWEEN ?1 AND ?2 ORDER BY at DESC, key, node.pipeline, node.path, instance",
            )?;
            let mut rows = between.query([low.0, high.0])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let text: String = row.get(13)?;
                let fixed = Arc::new(components(&text)?);
                entries.push(entry(row, (row.get(10)?, row.get(11)?, row.get(12)?), fixed)?);
            }
            Ok(entries)
        })
    }

    fn digests(&mut self, each: &mut dyn FnMut(Digest)) -> anyhow::Result<()> {
        self.reading(|tx| {
            let mut all = tx.prepare_cached("SELECT results FROM cache")?;
            let mut rows = all.query(())?;
            while let Some(row) = rows.next()? {
                for produced in results(row, 0)?.iter() {
                    produced.artifacts().for_each(|artifact| each(artifact.digest));
                }
            }
            Ok(())
        })
    }

    fn remove(&mut self, entries: &[Listed]) -> anyhow::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.writing(|tx| {
            let mut delete = tx.prepare_cached(
                "DELETE FROM cache WHERE instance = ?3 AND key = ?4
                     AND node = (SELECT id FROM node WHERE pipeline = ?1 AND path = ?2)",
            )?;
            for entry in entries {
                delete.execute(params![entry.pipeline, entry.node, entry.instance, entry.key.0])?;
            }
            // What only they shared goes with them.
            tx.execute_batch(
                "DELETE FROM parts WHERE id NOT IN (SELECT parts FROM cache);
                 DELETE FROM origin WHERE id NOT IN (SELECT origin FROM cache);
                 DELETE FROM node WHERE id NOT IN (SELECT node FROM cache);",
            )?;
            Ok(())
        })?;
        self.shrink();
        Ok(())
    }

    fn all_runs(&mut self, limit: u32) -> anyhow::Result<Vec<AnyRun>> {
        self.reading(|tx| {
            let mut all = tx.prepare_cached(concat!(run_columns!(), "ORDER BY run DESC LIMIT ?1"))?;
            let mut found = all.query([limit])?;
            let mut runs = Vec::new();
            while let Some(row) = found.next()? {
                let (project, user, host) = (row.get(8)?, row.get(9)?, row.get(10)?);
                runs.push(AnyRun { row: run_row(row)?, project, user, host });
            }
            Ok(runs)
        })
    }

    fn version(&mut self) -> anyhow::Result<String> {
        let version: String = self.reading(|tx| Ok(tx.query_row("SELECT sqlite_version()", [], |row| row.get(0))?))?;
        Ok(format!("SQLite {version}"))
    }

    fn name(&self) -> String {
        let path = || self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        if self.shared { path().display().to_string() } else { String::new() }
    }

    fn mixes_projects(&self) -> bool {
        self.shared
    }

    fn remove_runs(&mut self, runs: &[u64]) -> anyhow::Result<()> {
        self.writing(|tx| {
            let mut delete = tx.prepare_cached("DELETE FROM run WHERE run = ?1")?;
            for run in runs {
                lease::release(tx, signed(*run), None)?;
                delete.execute([signed(*run)])?;
            }
            Ok(())
        })
    }

    fn remember(&mut self, files: &[(Vec<u8>, Stat, Digest)]) -> anyhow::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        self.writing(|tx| {
            let mut insert = tx.prepare_cached(
                "INSERT OR REPLACE INTO file (path, size, mtime, ctime, inode, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for (path, stat, digest) in files {
                insert.execute(params![
                    path,
                    signed(stat.size),
                    stat.mtime,
                    stat.ctime,
                    signed(stat.inode),
                    digest.0
                ])?;
            }
            Ok(())
        })
    }
}

/// What `run_row` reads.
macro_rules! run_columns {
    () => {
        "SELECT run, pipeline, file, identity, began, ended, state, counts, project, user, host FROM run "
    };
}
use run_columns;

/// In a store of several projects the runs of one; those of whom it is not known count as its own.
macro_rules! of_project {
    () => {
        "(?3 IS NULL OR project IN (?3, '')) ORDER BY run DESC LIMIT ?1"
    };
}
use of_project;

/// An entry of a pipeline, a node and an instance, from a row that begins as that of `latest` does.
fn entry(
    row: &Row<'_>,
    (pipeline, node, instance): (Arc<str>, Arc<str>, Arc<str>),
    fixed: Arc<Vec<Component>>,
) -> Result<Entry, Bad> {
    Ok(Entry {
        key: Digest(row.get(0)?),
        pipeline,
        node,
        instance,
        fixed,
        own: components(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?,
        results: results(row, 2)?,
        made: Made {
            at: unsigned(row.get(3)?),
            wall_us: unsigned(row.get(4)?),
            run: unsigned(row.get(6)?),
            host: row.get(7)?,
            user: row.get(8)?,
            version: row.get(9)?,
        },
    })
}

fn run_row(row: &Row<'_>) -> Result<RunRow, Bad> {
    let state: Option<String> = row.get(6)?;
    let counts: String = row.get(7)?;
    Ok(RunRow {
        run: unsigned(row.get(0)?),
        pipeline: row.get(1)?,
        file: row.get(2)?,
        identity: Digest(row.get(3)?),
        began: unsigned(row.get(4)?),
        ended: row.get::<_, Option<i64>>(5)?.map(unsigned),
        state: state.map(rows::state).transpose()?,
        counts: serde_json::from_str::<Counts>(&counts)?,
    })
}

/// Row ids that a batch has asked for already. Neighbours mostly have the same node and origin.
#[derive(Default)]
struct Ids {
    node: Option<(Box<str>, Box<str>, i64)>,
    /// By address: the entries of a batch keep their lists alive.
    parts: FxHashMap<*const Vec<Component>, i64>,
    origin: Option<(Made, i64)>,
}

impl Ids {
    fn node(&mut self, tx: &Transaction<'_>, pipeline: &str, node: &str) -> Result<i64, Bad> {
        if let Some((last_pipeline, last_node, id)) = &self.node
            && (&**last_pipeline, &**last_node) == (pipeline, node)
        {
            return Ok(*id);
        }
        let id = match node_id(tx, pipeline, node)? {
            Some(id) => id,
            None => {
                tx.execute("INSERT INTO node (pipeline, path) VALUES (?1, ?2)", [pipeline, node])?;
                tx.last_insert_rowid()
            }
        };
        self.node = Some((pipeline.into(), node.into(), id));
        Ok(id)
    }

    fn parts(&mut self, tx: &Transaction<'_>, fixed: &Arc<Vec<Component>>) -> Result<i64, Bad> {
        let address = Arc::as_ptr(fixed);
        if let Some(&id) = self.parts.get(&address) {
            return Ok(id);
        }
        let text = components_text(fixed)?;
        let digest = Digest::of(text.as_bytes());
        let mut find = tx.prepare_cached("SELECT id FROM parts WHERE digest = ?1")?;
        let id = match find.query_row([digest.0], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => {
                tx.execute("INSERT INTO parts (digest, components) VALUES (?1, ?2)", params![digest.0, text])?;
                tx.last_insert_rowid()
            }
        };
        self.parts.insert(address, id);
        Ok(id)
    }

    fn origin(&mut self, tx: &Transaction<'_>, made: &Made) -> Result<i64, Bad> {
        if let Some((last, id)) = &self.origin
            && (last.run, &last.host, &last.user, &last.version) == (made.run, &made.host, &made.user, &made.version)
        {
            return Ok(*id);
        }
        let row = params![signed(made.run), made.host, made.user, made.version];
        tx.execute("INSERT OR IGNORE INTO origin (run, host, user, version) VALUES (?1, ?2, ?3, ?4)", row)?;
        let id = tx.query_row(
            "SELECT id FROM origin WHERE run = ?1 AND host = ?2 AND user = ?3 AND version = ?4",
            row,
            |row| row.get(0),
        )?;
        self.origin = Some((made.clone(), id));
        Ok(id)
    }
}

fn node_id(tx: &Transaction<'_>, pipeline: &str, node: &str) -> Result<Option<i64>, Bad> {
    let mut find = tx.prepare_cached("SELECT id FROM node WHERE pipeline = ?1 AND path = ?2")?;
    Ok(find.query_row([pipeline, node], |row| row.get(0)).optional()?)
}

fn results(row: &Row<'_>, column: usize) -> Result<Results, Bad> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(rows::results(text)?)
}

/// What goes wrong inside of a transaction.
enum Bad {
    Sqlite(rusqlite::Error),
    Json(serde_json::Error),
}

impl From<rusqlite::Error> for Bad {
    fn from(error: rusqlite::Error) -> Self {
        Bad::Sqlite(error)
    }
}

impl From<serde_json::Error> for Bad {
    fn from(error: serde_json::Error) -> Self {
        Bad::Json(error)
    }
}

fn named(path: &Path, bad: Bad) -> Fault {
    match bad {
        Bad::Sqlite(error) => open::fault(path, error),
        Bad::Json(error) => open::not_ours(path, &format!("holds a row that cannot be read ({error})")),
    }
}
