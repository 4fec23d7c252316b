//! The store on PostgreSQL, against real servers: the suite that every store passes, and what only a server can go
//! through: versions, many writers at once, roles, certificates, a server that dies.

#![allow(clippy::unwrap_used)]

#[path = "store/process.rs"]
mod process;
#[path = "common/postgres.rs"]
mod server;
#[path = "store/suite.rs"]
mod suite;

use flowrun::port::{Access, Lease, Stat, Store, Term};
use flowrun::store::postgres::{Address, Postgres};
use flowrun::store::shared;
use flowrun::sys::{Fault, FaultKind};
use process::{Child, assert_passed, given_folder};
use server::Server;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use suite::{entry, key};

fn open(url: &str, folder: &Path, access: Access) -> Result<Postgres, Fault> {
    Postgres::open(&Address::parse(url).unwrap(), &folder.join(".flowrun"), access)
}

fn refused(url: &str, access: Access) -> (FaultKind, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let fault = open(url, dir.path(), access).err().unwrap();
    (fault.kind, fault.what, fault.help.unwrap_or_default())
}

/// As texts show it: without the folder of the server.
fn shown(server: &Server, text: &str) -> String {
    text.replace(&server.dir().display().to_string().replace('/', "%2F"), "SOCKET")
        .replace(&server.dir().display().to_string(), "SOCKET")
}

fn run_row() -> flowrun::port::RunRow {
    flowrun::port::RunRow {
        run: 0,
        pipeline: "p".into(),
        file: "p.toml".into(),
        identity: key("i"),
        began: 0,
        ended: None,
        state: None,
        counts: Default::default(),
    }
}

const MINUTE: Term = Term { lasts: Duration::from_secs(60), outlives: false };

mod needs_postgres {
    use super::*;

    #[test]
    #[ignore = "needs postgres"]
    fn postgres_passes_the_suite() {
        let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
        let mut count = 0;
        suite::run(&mut || {
            count += 1;
            let url = server.database(&format!("d{count}"));
            Box::new(open(&url, &dir.path().join(count.to_string()), Access::Write).unwrap())
        });
        assert_eq!(count, 15);
    }

    #[test]
    #[ignore = "needs postgres"]
    fn a_store_that_is_not_there_reads_as_empty_and_is_not_made() {
        let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
        let mut store = open(&server.url("owner", "postgres"), dir.path(), Access::Read).unwrap();
        assert_eq!(store.lookup("p", "compute", &[(key("a"), "compute".into())]).unwrap(), [None]);
        assert_eq!(store.latest("p", "compute", &["compute".into()]).unwrap(), [None]);
        assert_eq!(
            (store.runs(None, 5).unwrap(), store.run(1).unwrap(), store.files().unwrap()),
            (vec![], None, vec![])
        );
        let fault = store.record(&[entry("compute[0]", "a")]).unwrap_err().downcast::<Fault>().unwrap();
        assert_eq!(shown(&server, &fault.what), "the store `postgres://owner@SOCKET/postgres` was opened to be read");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(server.ask("postgres", "SELECT count(*) FROM pg_namespace WHERE nspname = 'flowrun'"), "0");
    }

    #[test]
    #[ignore = "needs postgres"]
    fn what_is_too_new_or_not_ours_or_not_there_is_refused_and_left_alone() {
        let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
        let newer = server.database("newer");
        drop(open(&newer, dir.path(), Access::Write).unwrap());
        server.sql("newer", "INSERT INTO flowrun.migration VALUES (9, '0.4.0'); DROP TABLE flowrun.file");
        let foreign = server.database("rivers");
        server.sql("rivers", "CREATE SCHEMA flowrun; CREATE TABLE flowrun.rivers (name text)");
        server.sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
        for access in [Access::Write, Access::Read] {
            let (kind, what, help) = refused(&newer, access);
            assert_eq!(kind, FaultKind::Newer);
            assert_eq!(
                shown(&server, &what),
                "the store `postgres://owner@SOCKET/newer` was written by flowrun 0.4.0 and has version 9; this is \
                 flowrun 0.1.0, which knows version 2"
            );
            assert_eq!(help, "use the newer flowrun, or name another store with `--store`; this one was not changed");
            let (_, what, help) = refused(&foreign, access);
            assert_eq!(
                shown(&server, &what),
                "the schema `flowrun` of the database `postgres://owner@SOCKET/rivers` belongs to another program"
            );
            assert_eq!(help, "name another database with `--store`");
            let (kind, what, help) = refused(&server.url("owner", "nowhere"), access);
            assert_eq!(kind, FaultKind::Missing);
            assert_eq!(
                shown(&server, &what),
                "the store `postgres://owner@SOCKET/nowhere` is not there: database \"nowhere\" does not exist"
            );
            assert_eq!(help, "make the database by `createdb`; flowrun makes the tables itself");
        }
        let (_, what, help) = refused(&server.url("owner", "latin"), Access::Write);
        assert_eq!(
            shown(&server, &what),
            "the database `postgres://owner@SOCKET/latin` keeps text as LATIN1; a store needs UTF8"
        );
        assert_eq!(help, "create it with `CREATE DATABASE … ENCODING 'UTF8'`");
        let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r'
                      AND relnamespace = 'flowrun'::regnamespace";
        assert_eq!(server.ask("rivers", tables), "rivers");
        assert_eq!(server.ask("newer", tables), "cache last_run lease migration node origin parts place project run");
    }

    #[test]
    #[ignore = "needs postgres"]
    fn many_processes_make_one_store_at_once() {
        let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
        let url = server.url("owner", "postgres");
        std::fs::write(dir.path().join("url"), &url).unwrap();
        let children: Vec<_> = (0..8).map(|_| Child::of("child_opens_and_records", dir.path()).spawn()).collect();
        for child in children {
            assert_passed(&child.wait_with_output().unwrap());
        }
        let mut store = open(&url, dir.path(), Access::Read).unwrap();
        let rows = store.runs(None, 100).unwrap();
        assert_eq!(rows.iter().map(|row| row.run).collect::<Vec<_>>(), (1..=80).rev().collect::<Vec<_>>());
        assert_eq!(server.ask("postgres", "SELECT count(*) || ' ' || max(version) FROM flowrun.migration"), "2 2");
        assert_eq!(server.ask("postgres", "SELECT count(*) FROM flowrun.project"), "1");
    }

    #[test]
    #[ignore = "needs postgres"]
    fn sixty_four_writers_lose_nothing() {
        let settings = ["log_statement=all", "log_line_prefix=%c "];
        let (server, dir) = (Server::start_with(&settings), tempfile::tempdir().unwrap());
        let url = server.database("busy");
        // How many hold a lease on each of ten keys: they are fought for.
        let holders: [AtomicU32; 10] = Default::default();
        let (leased, term) = ((0..10).map(|i| key(&format!("leased {i}"))).collect::<Vec<_>>(), MINUTE);
        std::thread::scope(|scope| {
            for writer in 0..64 {
                // Sixteen projects, four writers in each, all with the same keys but in another order.
                let (url, folder) = (&url, dir.path().join((writer % 16).to_string()));
                let (holders, leased) = (&holders, &leased);
                scope.spawn(move || {
                    let mut store = open(url, &folder, Access::Write).unwrap();
                    for round in 0..5 {
                        let mut entries: Vec<_> =
                            (0..200).map(|i| entry(&format!("compute[{i}]"), &format!("key {i}"))).collect();
                        entries.rotate_left(writer * 3 + round);
                        if writer % 2 == 0 {
                            entries.reverse();
                        }
                        entries.push(entry(&format!("own[{writer}]"), &format!("own {writer} {round}")));
                        store.record(&entries).unwrap();
                        let taken: Vec<_> = entries.iter().rev().map(|e| (e.key, e.instance.clone())).collect();
                        store.take("p", "other", &taken).unwrap();

                        let mut wanted: Vec<usize> = (0..10).collect();
                        wanted.rotate_left(writer % 10);
                        let keys: Vec<_> = wanted.iter().map(|i| leased[*i]).collect();
                        let got = store.lease(writer as u64, &keys, term).unwrap();
                        let ours = || wanted.iter().zip(&got).filter(|(_, lease)| **lease == Lease::Ours);
                        ours().for_each(|(i, _)| assert_eq!(holders[*i].fetch_add(1, Ordering::SeqCst), 0));
                        store.renew(writer as u64, term).unwrap();
                        ours().for_each(|(i, _)| assert_eq!(holders[*i].fetch_sub(1, Ordering::SeqCst), 1));
                        store.release(writer as u64, (round > 2).then_some(&keys)).unwrap();
                    }
                });
            }
        });
        let mut store = open(&url, &dir.path().join("0"), Access::Read).unwrap();
        for writer in 0..64 {
            let asked: Vec<_> =
                (0..5).map(|round| (key(&format!("own {writer} {round}")), format!("own[{writer}]").into())).collect();
            let hits = store.lookup("p", "compute", &asked).unwrap();
            assert_eq!(hits.iter().flatten().count(), 5);
        }
        assert_eq!(
            server.ask("busy", "SELECT count(*) FROM flowrun.cache WHERE key <> ALL('{}')"),
            (16 * 200 + 320).to_string()
        );
        assert_eq!(server.ask("busy", "SELECT count(*) FROM flowrun.lease"), "0");

        // What a transaction locks is free again after its own batch: none goes on with another.
        let mut open: HashMap<String, Vec<String>> = HashMap::new();
        let mut longest = Vec::new();
        for line in server.log().lines() {
            let Some((session, said)) =
                line.split_once(" LOG:  statement: ").or_else(|| line.split_once(" LOG:  execute "))
            else {
                continue;
            };
            let words: Vec<&str> = said.trim_start_matches("<unnamed>: ").split_whitespace().take(3).collect();
            match words[0] {
                "START" | "BEGIN" => drop(open.insert(session.to_owned(), Vec::new())),
                "COMMIT" | "ROLLBACK" => {
                    let statements = open.remove(session).unwrap_or_default();
                    if statements.len() > longest.len() && statements.iter().any(|s| s.contains("flowrun.cache")) {
                        longest = statements;
                    }
                }
                _ => {
                    if let Some(statements) = open.get_mut(session) {
                        statements.push(words.join(" "));
                    }
                }
            }
        }
        assert_eq!(
            longest,
            [
                "SELECT FROM flowrun.project",
                "INSERT INTO flowrun.cache",
                "INSERT INTO flowrun.place",
                "DELETE FROM flowrun.lease"
            ]
        );
    }

    /// Whoever writes for long keeps nobody of another project waiting: neither its rows nor its keys.
    #[test]
    #[ignore = "needs postgres"]
    fn a_long_batch_keeps_nobody_of_another_project_waiting() {
        let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
        let url = server.database("busy");
        let mut slow = open(&url, &dir.path().join("slow"), Access::Write).unwrap();
        let mut quick = open(&url, &dir.path().join("quick"), Access::Write).unwrap();
        let entries: Vec<_> = (0..100).map(|i| entry(&format!("compute[{i}]"), &format!("key {i}"))).collect();
        slow.record(&entries).unwrap();
        quick.record(&entries[..1]).unwrap();
        assert_eq!(server.ask("busy", "SELECT count(*) FROM flowrun.project WHERE path LIKE '%/slow'"), "1");
        // All that a batch of the slow one locks, for as long as this test likes.
        let mut batch = server.client("busy");
        batch
            .batch_execute(
                "BEGIN; SELECT FROM flowrun.project WHERE path LIKE '%/slow' FOR NO KEY UPDATE;
                 UPDATE flowrun.cache SET at = at
                     WHERE project = (SELECT id FROM flowrun.project WHERE path LIKE '%/slow');
                 UPDATE flowrun.place SET turn = turn WHERE node IN (SELECT node.id FROM flowrun.node JOIN flowrun.project
                     ON node.project = project.id WHERE project.path LIKE '%/slow');",
            )
            .unwrap();
        let asked: Vec<_> = entries.iter().map(|e| (e.key, e.instance.clone())).collect();
        quick.record(&entries).unwrap();
        quick.take("p", "other", &asked).unwrap();
        quick.lease(2, &[key("a"), key("b")], MINUTE).unwrap();
        quick.renew(2, MINUTE).unwrap();
        quick.release(2, None).unwrap();
        let run = quick.begin_run(&run_row()).unwrap();
        quick.end_run(&flowrun::port::RunRow { run, ..run_row() }).unwrap();
        quick.remember(&[(b"a".to_vec(), Stat { size: 1, mtime: 2, ctime: 3, inode: 4 }, key("a"))]).unwrap();
        assert_eq!(quick.lookup("p", "compute", &asked).unwrap().iter().flatten().count(), 100);
        batch.batch_execute("COMMIT").unwrap();
    }

    #[test]
    #[ignore = "needs postgres"]
    fn a_hundred_thousand_keys_are_a_handful_of_statements() {
        let (server, dir) = (Server::start_with(&["log_statement=all"]), tempfile::tempdir().unwrap());
        let url = server.database("large");
        let mut store = open(&url, dir.path(), Access::Write).unwrap();
        let entries: Vec<_> = (0..100_000).map(|i| entry(&format!("compute[{i}]"), &format!("key {i}"))).collect();
        let asked: Vec<_> = entries.iter().map(|e| (e.key, e.instance.clone())).collect();
        let statements = |server: &Server| server.log().matches("LOG:  ").count();
        let mut counted = |work: &mut dyn FnMut(&mut Postgres)| {
            let before = statements(&server);
            work(&mut store);
            statements(&server) - before
        };
        // Three rows of dictionaries, insert and select each; begin, lock, leases, commit; five batches for two tables.
        assert_eq!(counted(&mut |store| store.record(&entries).unwrap()), 6 + 4 + 10);
        let found = |store: &mut Postgres| store.lookup("p", "compute", &asked).unwrap();
        assert_eq!(counted(&mut |store| assert!(found(store).iter().flatten().all(|hit| hit.newest))), 5);
        assert_eq!(counted(&mut |store| store.take("p", "compute", &asked).unwrap()), 3 + 10);
        let names: Vec<_> = entries.iter().map(|e| e.instance.clone()).collect();
        let latest = counted(&mut |store| {
            let latest: Vec<_> = store.latest("p", "compute", &names).unwrap().into_iter().flatten().collect();
            assert!(latest == entries);
        });
        assert_eq!(latest, 5 + 1);
    }

    #[test]
    #[ignore = "needs postgres"]
    fn projects_share_results_and_nothing_else() {
        let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
        let url = server.database("team");
        let open = |name: &str| open(&url, &dir.path().join(name), Access::Write).unwrap();
        let (mut ann, mut bob) = (open("ann"), open("bob"));
        let mut hers = entry("compute[0]", "same");
        hers.made.user = "ann".into();
        ann.record(std::slice::from_ref(&hers)).unwrap();
        let asked = [(key("same"), "compute[0]".into())];
        let hit = |store: &mut Postgres| store.lookup("p", "compute", &asked).unwrap().remove(0).unwrap();
        let latest = |store: &mut Postgres| store.latest("p", "compute", &["compute[0]".into()]).unwrap().remove(0);
        assert_eq!((hit(&mut bob).results, hit(&mut bob).newest), (hers.results.clone(), false));
        assert_eq!(latest(&mut bob), None);
        bob.take("p", "compute", &asked).unwrap();
        assert_eq!((latest(&mut bob), hit(&mut bob).newest), (Some(hers.clone()), true));
        // Bob's bytes are those that he took, whatever Ann makes of the key later; a third one gets the newest.
        let mut again = hers.clone();
        again.results = entry("compute[0]", "longer").results;
        ann.record(std::slice::from_ref(&again)).unwrap();
        assert_eq!(hit(&mut bob).results, hers.results);
        assert_eq!(hit(&mut open("eve")).results, again.results);

        assert_eq!((ann.begin_run(&run_row()).unwrap(), bob.begin_run(&run_row()).unwrap()), (1, 2));
        let runs =
            |store: &mut Postgres| store.runs(Some("p.toml"), 9).unwrap().iter().map(|r| r.run).collect::<Vec<_>>();
        assert_eq!((runs(&mut ann), runs(&mut bob)), (vec![1], vec![2]));
        let stat = Stat { size: 1, mtime: 2, ctime: 3, inode: 4 };
        ann.remember(&[(b"a".to_vec(), stat, key("a"))]).unwrap();
        assert_eq!((ann.files().unwrap().len(), bob.files().unwrap().len()), (1, 0));

        // A project that was moved is the same one.
        drop(ann);
        std::fs::rename(dir.path().join("ann"), dir.path().join("moved")).unwrap();
        let mut moved = open("moved");
        assert_eq!((runs(&mut moved), moved.files().unwrap().len()), (vec![1], 1));
        assert_eq!(latest(&mut moved), Some(again));
    }

    #[test]
    #[ignore = "needs postgres"]
    fn roles_may_write_or_read_or_nothing() {
        let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
        let url = server.database("team");
        open(&url, &dir.path().join("ann"), Access::Write).unwrap().record(&[entry("compute[0]", "a")]).unwrap();
        server.sql(
            "team",
            "CREATE ROLE writer LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE nobody LOGIN;
             GRANT USAGE ON SCHEMA flowrun TO writer, reader;
             GRANT SELECT ON ALL TABLES IN SCHEMA flowrun TO reader;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA flowrun TO writer",
        );
        let mut writer = open(&server.url("writer", "team"), &dir.path().join("bob"), Access::Write).unwrap();
        assert!(writer.is_writable());
        writer.record(&[entry("compute[1]", "bb")]).unwrap();
        writer.begin_run(&run_row()).unwrap();

        // Who only reads has hits, and keeps what is made beside them.
        let address = Address::parse(&server.url("reader", "team")).unwrap();
        let state = dir.path().join("eve/.flowrun");
        let mut reader = shared::open(&address, &state, Access::Write).unwrap();
        assert_eq!(
            shown(&server, &reader.note().unwrap().replace(dir.path().to_str().unwrap(), "DIR")),
            "the store `postgres://reader@SOCKET/team` can only be read: results are taken from it, and those of this \
             run are kept in `DIR/eve/.flowrun/store.db`"
        );
        assert_eq!(reader.begin_run(&run_row()).unwrap(), 1);
        reader.record(&[entry("compute[2]", "ccc")]).unwrap();
        let asked = ["a", "bb", "ccc", "dddd"].map(|text| (key(text), format!("compute[{}]", text.len() - 1).into()));
        let found: Vec<_> = reader.lookup("p", "compute", &asked).unwrap().iter().map(Option::is_some).collect();
        assert_eq!(found, [true, true, true, false]);
        assert_eq!(server.ask("team", "SELECT count(*) FROM flowrun.cache"), "2");

        let (kind, what, _) = refused(&server.url("nobody", "team"), Access::Read);
        assert_eq!(kind, FaultKind::Denied);
        assert_eq!(
            shown(&server, &what),
            "`nobody` may not do this in the store `postgres://nobody@SOCKET/team`: permission denied for schema flowrun"
        );
        server.sql("postgres", "CREATE DATABASE other");
        let (_, what, help) = refused(&server.url("nobody", "other"), Access::Write);
        assert_eq!(
            shown(&server, &what),
            "`nobody` may not do this in the store `postgres://nobody@SOCKET/other`: permission denied for database other"
        );
        assert_eq!(
            help,
            "the owner of the database gives the rights: `GRANT USAGE ON SCHEMA flowrun` and `GRANT SELECT` on its \
             tables to read, `INSERT, UPDATE, DELETE` to write too, `CREATE ON DATABASE` to make it"
        );
        let (_, what, _) = refused(&server.url("stranger", "team"), Access::Write);
        assert_eq!(
            shown(&server, &what),
            "the store `postgres://stranger@SOCKET/team` does not let `stranger` in: role \"stranger\" does not exist"
        );
    }

    #[test]
    #[ignore = "needs postgres"]
    fn a_server_that_dies_and_comes_back_is_found_again() {
        let (mut server, dir) = (Server::start(), tempfile::tempdir().unwrap());
        let url = server.database("team");
        let mut store = open(&url, dir.path(), Access::Write).unwrap();
        store.record(&[entry("compute[0]", "a")]).unwrap();
        server.kill();
        let fault = store.record(&[entry("compute[1]", "bb")]).unwrap_err().downcast::<Fault>().unwrap();
        assert_eq!(fault.kind, FaultKind::Away);
        assert_eq!(
            shown(&server, &fault.what),
            "the store `postgres://owner@SOCKET/team` cannot be reached: connection refused"
        );
        assert_eq!(
            fault.help.unwrap(),
            "see to it that the server runs and that this machine can reach it, or name another store with `--store`"
        );
        server.restart();
        store.record(&[entry("compute[1]", "bb")]).unwrap();
        let asked = [(key("a"), "compute[0]".into()), (key("bb"), "compute[1]".into())];
        assert_eq!(store.lookup("p", "compute", &asked).unwrap().iter().flatten().count(), 2);
        // Also when it was away between two calls.
        server.kill();
        server.restart();
        assert_eq!(store.lookup("p", "compute", &asked).unwrap().iter().flatten().count(), 2);
    }

    #[test]
    #[ignore = "needs postgres"]
    fn certificates_are_verified_as_the_mode_says() {
        let dir = tempfile::tempdir().unwrap();
        let script = "set -e
            ca() { openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$1 -keyout $1.key -out $1.crt; }
            ca ours; ca theirs
            openssl req -newkey rsa:2048 -nodes -subj /CN=db -keyout server.key -out server.csr
            printf 'subjectAltName=DNS:localhost\\n' >ext
            openssl x509 -req -in server.csr -CA ours.crt -CAkey ours.key -CAcreateserial -days 2 -extfile ext -out server.crt";
        let made = std::process::Command::new("bash").args(["-c", script]).current_dir(dir.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let mut server = Server::start();
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
        let (cert, key) =
            (server.secret("server.crt", &read("server.crt")), server.secret("server.key", &read("server.key")));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (listen, port_is) = ("listen_addresses=127.0.0.1".to_owned(), format!("port={port}"));
        let hba = server.secret("hba", b"local all all trust\nhostssl all all all trust\n");
        let plain = server.secret("plain-hba", b"local all all trust\nhostnossl all all all trust\n");
        let with_hba = |hba: &Path| format!("hba_file={}", hba.display());
        let files = [format!("ssl_cert_file={}", cert.display()), format!("ssl_key_file={}", key.display())];
        let settings = |ssl: bool, hba: &Path| {
            let mut settings = vec![listen.clone(), port_is.clone(), with_hba(hba)];
            if ssl {
                settings.push("ssl=on".to_owned());
                settings.extend(files.clone());
            }
            settings
        };
        let attempt = |host: &str, query: &str| {
            let query = query.replace("ROOT", &dir.path().display().to_string());
            let url = format!("postgres://owner@{host}:{port}/postgres?{query}");
            match Address::parse(&url).map(|address| Postgres::open(&address, dir.path(), Access::Read)) {
                Ok(Ok(_)) => "in".to_owned(),
                Ok(Err(fault)) => fault.what.replace(&port.to_string(), "PORT"),
                Err(reason) => reason,
            }
        };

        server.set(settings(true, &hba));
        let untrusted = |host: &str, why: &str| {
            format!(
                "the server of the store `postgres://owner@{host}:PORT/postgres` is not trusted: invalid peer certificate: {why}"
            )
        };
        assert_eq!(attempt("localhost", "sslmode=verify-full&sslrootcert=ROOT/ours.crt"), "in");
        assert_eq!(
            attempt("127.0.0.1", "sslmode=verify-full&sslrootcert=ROOT/ours.crt"),
            untrusted(
                "127.0.0.1",
                "certificate not valid for name \"127.0.0.1\"; certificate is only valid for DnsName(\"localhost\")"
            )
        );
        assert_eq!(attempt("127.0.0.1", "sslmode=verify-ca&sslrootcert=ROOT/ours.crt"), "in");
        for mode in ["verify-full", "verify-ca", "require"] {
            let query = format!("sslmode={mode}&sslrootcert=ROOT/theirs.crt");
            assert_eq!(attempt("localhost", &query), untrusted("localhost", "UnknownIssuer"), "{mode}");
        }
        assert_eq!(attempt("localhost", "sslmode=require"), "in");
        assert_eq!(attempt("localhost", "sslmode=prefer"), "in");
        assert_eq!(attempt("localhost", "sslmode=allow"), "in");
        let refused = attempt("localhost", "sslmode=disable");
        assert!(refused.contains("no encryption"), "{refused}");

        server.set(settings(false, &plain));
        assert_eq!(
            attempt("localhost", "sslmode=require"),
            "the server of the store `postgres://owner@localhost:PORT/postgres` does not encrypt"
        );
        assert_eq!(attempt("localhost", "sslmode=prefer"), "in");
        assert_eq!(attempt("localhost", "sslmode=disable"), "in");
    }
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_opens_and_records() {
    let Some(folder) = given_folder() else { return };
    let url = std::fs::read_to_string(folder.join("url")).unwrap();
    let mut store = open(&url, &folder, Access::Write).unwrap();
    for i in 0..10 {
        store.begin_run(&run_row()).unwrap();
        store.record(&[entry(&format!("compute[{i}]"), &format!("key {i}"))]).unwrap();
    }
}
