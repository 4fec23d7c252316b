//! What the stores cost beside the bare statements that any program would need for the same rows. Prints a Markdown
//! table of ratios; exits with 1 when a limit is missed.
//!
//! Usage: `cargo bench --bench store [-- ROUNDS]` (5 rounds when left out; the table shows medians). The half about
//! PostgreSQL starts a server of its own, and is left out where there is none.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/common/postgres.rs"]
mod server;

use flowrun::base::{Digest, Value};
use flowrun::event::Produced;
use flowrun::port::{Access, Component, Entry, Made, Store, Term};
use flowrun::store::postgres::{Address, Postgres};
use flowrun::store::sqlite::Sqlite;
use postgres::types::Type;
use server::Server;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MANY: usize = 100_000;
/// What the driver writes at once, and asks for at once.
const WRITTEN: usize = 512;
const ASKED: usize = 1_000;
const WRITERS: usize = 64;
const TERM: Term = Term { lasts: Duration::from_secs(60), outlives: false };

fn main() {
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(5);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let entries = entries();
    let mut table = Table::default();
    for _ in 0..rounds {
        let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(&folder).unwrap();
        sqlite(dir.path(), &entries, &mut table);
    }
    if has_postgres() {
        let server = Server::start_with(&["fsync=on", "max_wal_size=4GB"]);
        for round in 0..rounds {
            let dir = tempfile::tempdir().unwrap();
            postgres_round(&server, &format!("r{round}"), dir.path(), &entries, &mut table);
        }
    }
    std::process::exit(i32::from(!table.print(rounds)));
}

fn has_postgres() -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let there = |dir: &str| Path::new(dir).join("initdb").exists();
    path.split(':').any(there)
        || std::fs::read_dir("/usr/lib/postgresql")
            .is_ok_and(|dirs| dirs.flatten().any(|dir| there(&dir.path().join("bin").display().to_string())))
}

/// Instances of a map, as the driver records them.
fn entries() -> Vec<Entry> {
    let component = |name: &str, text: &str| Component {
        name: name.into(),
        text: text.into(),
        digest: Digest::of(text.as_bytes()),
    };
    let fixed = Arc::new(vec![component("command", "echo x={{ item }}"), component("shell", "sh -c")]);
    let made = Made { run: 1, at: 1000, host: "h".into(), user: "u".into(), version: "0.1.0".into(), wall_us: 5 };
    (0..MANY)
        .map(|i| Entry {
            key: Digest::of(&i.to_le_bytes()),
            pipeline: "p".into(),
            node: "many.work".into(),
            instance: format!("many[{i}].work").into(),
            fixed: fixed.clone(),
            own: vec![component("value item", &i.to_string())],
            results: Arc::new(vec![Produced::Value(Value::Int(i as i64))]),
            made: made.clone(),
        })
        .collect()
}

fn asked(entries: &[Entry]) -> Vec<(Digest, Arc<str>)> {
    entries.iter().map(|entry| (entry.key, entry.instance.clone())).collect()
}

fn timed(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn look_up(store: &mut dyn Store, asked: &[(Digest, Arc<str>)]) {
    for batch in asked.chunks(ASKED) {
        let hits = store.lookup("p", "many.work", batch).unwrap();
        assert!(hits.iter().all(|hit| hit.as_ref().is_some_and(|hit| hit.newest)));
    }
}

fn record(store: &mut dyn Store, entries: &[Entry]) {
    entries.chunks(WRITTEN).for_each(|batch| store.record(batch).unwrap());
}

fn lease(store: &mut dyn Store, entries: &[Entry]) {
    for batch in entries.chunks(WRITTEN) {
        let keys: Vec<_> = batch.iter().map(|entry| entry.key).collect();
        store.lease(1, &keys, TERM).unwrap();
        store.release(1, Some(&keys)).unwrap();
    }
}

/// One round with SQLite: the file lies on the disk of this checkout.
fn sqlite(dir: &Path, entries: &[Entry], table: &mut Table) {
    let open = |name: &str| Sqlite::open(&dir.join(name), Access::Write).unwrap();
    let mut store = open("whole");
    let whole = timed(|| store.record(entries).unwrap());
    let raw = rusqlite::Connection::open(dir.join("whole")).unwrap();
    let mut find = raw.prepare("SELECT own, results FROM cache WHERE key = ?1").unwrap();
    let mut row = |entry: &Entry| find.query_row([entry.key.0], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(String, String)> = entries.iter().map(&mut row).collect();

    let inserts = |name: &str, at_once: usize| {
        drop(open(name));
        let mut bare = rusqlite::Connection::open(dir.join(name)).unwrap();
        let settings = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 8000";
        bare.execute_batch(settings).unwrap();
        let seconds = timed(|| {
            for (entries, rows) in entries.chunks(at_once).zip(rows.chunks(at_once)) {
                let tx = bare.transaction().unwrap();
                let mut insert = tx
                    .prepare_cached(
                        "INSERT INTO cache (node, instance, key, turn, parts, own, results, origin, at, wall_us)
                         VALUES (1, ?1, ?2, 1, 1, ?3, ?4, 1, 1000, 5)",
                    )
                    .unwrap();
                for (entry, (own, results)) in entries.iter().zip(rows) {
                    insert.execute(rusqlite::params![entry.instance, entry.key.0, own, results]).unwrap();
                }
                drop(insert);
                tx.commit().unwrap();
            }
        });
        (bare, seconds)
    };
    let (bare, inserted) = inserts("bare", MANY);
    let (_, in_batches) = inserts("bare batches", WRITTEN);
    let selects = timed(|| {
        let mut select =
            bare.prepare("SELECT results FROM cache WHERE node = 1 AND instance = ?1 AND key = ?2").unwrap();
        for entry in entries {
            let found: String =
                select.query_row(rusqlite::params![entry.instance, entry.key.0], |row| row.get(0)).unwrap();
            assert!(!found.is_empty());
        }
    });
    let mut store = open("batches");
    let batches = timed(|| record(&mut store, entries));
    let leases = timed(|| lease(&mut store, entries));
    let asked = asked(entries);
    let looked = timed(|| look_up(&mut store, &asked));
    table.add("SQLite: bare inserts, one transaction", inserted, None);
    table.add("SQLite: record, at once", whole, Some((inserted, 3.0)));
    table.add(&format!("SQLite: bare inserts, {WRITTEN} a transaction"), in_batches, None);
    table.add(&format!("SQLite: record, {WRITTEN} at a time"), batches, Some((in_batches, 3.0)));
    table.add(&format!("SQLite: take and give back leases, {WRITTEN} at a time"), leases, Some((in_batches, 3.0)));
    table.add("SQLite: bare selects, one a key", selects, None);
    table.add(&format!("SQLite: look up, {ASKED} at a time"), looked, Some((selects, 3.0)));
}

/// One round with PostgreSQL: over a socket of this machine, which writes to its disk.
fn postgres_round(server: &Server, name: &str, dir: &Path, entries: &[Entry], table: &mut Table) {
    let open = |url: &str, folder: &str| {
        Postgres::open(&Address::parse(url).unwrap(), &dir.join(folder).join(".flowrun"), Access::Write).unwrap()
    };
    let url = server.database(name);
    let mut store = open(&url, "whole");
    let whole = timed(|| store.record(entries).unwrap());
    let looked = timed(|| look_up(&mut store, &asked(entries)));
    let leases = timed(|| lease(&mut store, entries));

    let mut client = server.client(name);
    let sql = "SELECT own, results FROM flowrun.cache JOIN unnest($1::bytea[]) WITH ORDINALITY AS asked (key, at)
               USING (key) ORDER BY asked.at";
    let keys: Vec<&[u8]> = entries.iter().map(|entry| &entry.key.0[..]).collect();
    let rows: Vec<(String, String)> =
        client.query(sql, &[&keys]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let selects = timed(|| {
        for batch in keys.chunks(ASKED) {
            let sql = "SELECT key, results FROM flowrun.cache WHERE key = ANY($1)";
            assert_eq!(client.query_typed(sql, &[(&batch, Type::BYTEA_ARRAY)]).unwrap().len(), batch.len());
        }
    });
    let inserts = |what: &str, at_once: usize| {
        let bare = format!("{name}_{what}");
        drop(open(&server.database(&bare), what));
        let mut client = server.client(&bare);
        timed(|| {
            for (entries, rows) in entries.chunks(at_once).zip(rows.chunks(at_once)) {
                let mut work = client.transaction().unwrap();
                for (entries, rows) in entries.chunks(20_000).zip(rows.chunks(20_000)) {
                    bare_insert(&mut work, entries, rows);
                }
                work.commit().unwrap();
            }
        })
    };
    let inserted = inserts("bare", MANY);
    let in_batches = inserts("bare_batches", WRITTEN);
    let mut store = open(&server.database(&format!("{name}_batches")), "batches");
    let batches = timed(|| record(&mut store, entries));

    let crowd = format!("{name}_crowd");
    let url = server.database(&crowd);
    let mut stores: Vec<_> = (0..WRITERS).map(|writer| open(&url, &writer.to_string())).collect();
    let shares = entries.chunks(MANY.div_ceil(WRITERS));
    let crowded = timed(|| {
        std::thread::scope(|scope| {
            for (store, share) in stores.iter_mut().zip(shares) {
                scope.spawn(move || record(store, share));
            }
        });
    });
    assert_eq!(server.ask(&crowd, "SELECT count(*) FROM flowrun.cache"), MANY.to_string());
    table.add("PostgreSQL: bare inserts, one transaction", inserted, None);
    table.add("PostgreSQL: record, at once", whole, Some((inserted, 3.0)));
    table.add(&format!("PostgreSQL: bare inserts, {WRITTEN} a transaction"), in_batches, None);
    table.add(&format!("PostgreSQL: record, {WRITTEN} at a time"), batches, Some((in_batches, 3.0)));
    table.add(
        &format!("PostgreSQL: record, {WRITERS} writers at once, {WRITTEN} at a time"),
        crowded,
        Some((in_batches, 3.0)),
    );
    table.add(&format!("PostgreSQL: take and give back leases, {WRITTEN} at a time"), leases, Some((in_batches, 3.0)));
    table.add(&format!("PostgreSQL: bare selects, {ASKED} at a time"), selects, None);
    table.add(&format!("PostgreSQL: look up, {ASKED} at a time"), looked, Some((selects, 3.0)));
}

fn bare_insert(work: &mut postgres::Transaction<'_>, entries: &[Entry], rows: &[(String, String)]) {
    let keys: Vec<&[u8]> = entries.iter().map(|entry| &entry.key.0[..]).collect();
    let names: Vec<&str> = entries.iter().map(|entry| &*entry.instance).collect();
    let (own, results): (Vec<&str>, Vec<&str>) =
        rows.iter().map(|(own, results)| (own.as_str(), results.as_str())).unzip();
    let sql = "INSERT INTO flowrun.cache (key, project, parts, own, results, origin, at, wall_us)
               SELECT key, 1, 1, own, results, 1, 1000, 5 FROM unnest($1, $2, $3) AS new (key, own, results)";
    let columns = [
        (&keys as &(dyn postgres::types::ToSql + Sync), Type::BYTEA_ARRAY),
        (&own, Type::TEXT_ARRAY),
        (&results, Type::TEXT_ARRAY),
    ];
    work.execute_typed(sql, &columns).unwrap();
    let sql = "INSERT INTO flowrun.place (node, instance, key)
               SELECT 1, instance, key FROM unnest($1, $2) AS new (instance, key)";
    work.execute_typed(sql, &[(&names, Type::TEXT_ARRAY), (&keys, Type::BYTEA_ARRAY)]).unwrap();
}

/// Seconds by what was done, and what that is compared with.
#[derive(Default)]
struct Table(Vec<Line>);

struct Line {
    what: String,
    seconds: Vec<f64>,
    /// To the bare statements of the same round.
    ratios: Vec<f64>,
    limit: Option<f64>,
}

impl Table {
    fn add(&mut self, what: &str, seconds: f64, beside: Option<(f64, f64)>) {
        let at = self.0.iter().position(|line| line.what == what).unwrap_or_else(|| {
            let limit = beside.map(|(_, limit)| limit);
            self.0.push(Line { what: what.to_owned(), seconds: Vec::new(), ratios: Vec::new(), limit });
            self.0.len() - 1
        });
        self.0[at].seconds.push(seconds);
        self.0[at].ratios.extend(beside.map(|(bare, _)| seconds / bare));
    }

    /// Whether all limits were met.
    fn print(&self, rounds: usize) -> bool {
        let cores = std::thread::available_parallelism().unwrap();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().unwrap_or("?").to_owned();
        println!("{MANY} instances, {cores} cores, {rounds} rounds, medians; load {load}\n");
        println!("| what | wall | ratio | limit | |\n| --- | --- | --- | --- | --- |");
        let mut met = true;
        for line in &self.0 {
            let wall = median(&line.seconds);
            let Some(limit) = line.limit else {
                println!("| {} | {wall:.3} s | | | |", line.what);
                continue;
            };
            let ratio = median(&line.ratios);
            met &= ratio < limit;
            let word = if ratio < limit { "met" } else { "**missed**" };
            println!("| {} | {wall:.3} s | {ratio:.2} | {limit:.0} | {word} |", line.what);
        }
        met
    }
}

fn median(all: &[f64]) -> f64 {
    let mut all = all.to_vec();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
