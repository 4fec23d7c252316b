//! The store on SQLite: the suite that every store passes, and what only a file can go through: versions, two processes
//! at once, a full disk, a folder that cannot be written.

#![allow(clippy::unwrap_used)]

#[path = "store/process.rs"]
mod process;
#[path = "store/suite.rs"]
mod suite;

use flowrun::port::{Access, Store};
use flowrun::store::sqlite::Sqlite;
use flowrun::sys::{Fault, FaultKind};
use process::{Child, assert_passed, given_folder};
use std::path::Path;
use suite::{entry, key};

#[test]
fn sqlite_passes_the_suite() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    suite::run(&mut || {
        count += 1;
        Box::new(Sqlite::open(&dir.path().join(format!("{count}/store.db")), Access::Write).unwrap())
    });
    assert_eq!(count, 15);
}

#[test]
fn what_is_recorded_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let asked = [(key("a"), "compute[0]".into())];
    let mut store = Sqlite::open(&path, Access::Write).unwrap();
    store.record(&[entry("compute[0]", "a")]).unwrap();
    // A reader sees it while the writer is there, and the writer is not held up by it.
    let mut reader = Sqlite::open(&path, Access::Read).unwrap();
    assert!(reader.lookup("p", "compute", &asked).unwrap()[0].is_some());
    store.record(&[entry("compute[1]", "b")]).unwrap();
    drop((store, reader));
    let mut store = Sqlite::open(&path, Access::Write).unwrap();
    assert!(store.lookup("p", "compute", &asked).unwrap()[0].is_some());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.contains(&"store.db".into()), "{left:?}");
}

#[test]
fn a_store_that_is_not_there_reads_as_empty_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Sqlite::open(&dir.path().join("store.db"), Access::Read).unwrap();
    assert_eq!(store.lookup("p", "compute", &[(key("a"), "compute".into())]).unwrap(), [None]);
    assert_eq!(store.runs(None, 5).unwrap(), []);
    drop(store);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    drop(Sqlite::open(&path, Access::Write).unwrap());
    let error = Sqlite::open(&path, Access::Read).unwrap().record(&[entry("compute[0]", "a")]).unwrap_err();
    let fault = error.downcast::<Fault>().unwrap();
    assert_eq!(fault.to_string(), format!("the store `{}` can only be read", path.display()));
    assert_eq!(
        fault.help.unwrap(),
        "see to it that you may write it and its folder, or name another store with `--store`"
    );
}

#[test]
fn a_store_of_an_earlier_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let first = rusqlite::Connection::open(&path).unwrap();
    first.execute_batch(include_str!("../src/store/migrations/1_cache_and_runs.sql")).unwrap();
    first
        .execute_batch(
            "INSERT INTO migration VALUES (1, '0.0.9');
             INSERT INTO run (pipeline, file, identity, began, counts)
             VALUES ('p', 'p.toml', zeroblob(32), 5, '{\"succeeded\":1,\"cached\":0,\"failed\":0,\"ignored\":0,\"skipped\":0,\"cancelled\":0}');
             PRAGMA user_version = 1; PRAGMA application_id = 0x666c6f77;",
        )
        .unwrap();
    drop(first);
    let before = std::fs::read(&path).unwrap();

    // A reader works on a copy: an earlier flowrun may be writing the store.
    let mut reader = Sqlite::open(&path, Access::Read).unwrap();
    assert_eq!(reader.runs(None, 5).unwrap()[0].began, 5);
    assert_eq!(reader.files().unwrap(), []);
    drop(reader);
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let mut store = Sqlite::open(&path, Access::Write).unwrap();
    assert_eq!(store.runs(None, 5).unwrap()[0].counts.succeeded, 1);
    assert_eq!(store.files().unwrap(), []);
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let text = |sql| raw.query_row(sql, (), |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(
        text("SELECT group_concat(version || ' ' || flowrun, ', ') FROM migration"),
        "1 0.0.9, 2 0.1.0, 3 0.1.0, 4 0.1.0"
    );
    assert_eq!(raw.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)).unwrap(), 4);
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    drop(Sqlite::open(&path, Access::Write).unwrap());
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("INSERT INTO migration VALUES (9, '0.4.0'); PRAGMA user_version = 9; DROP TABLE file").unwrap();
    drop(raw);
    let before = std::fs::read(&path).unwrap();
    for access in [Access::Write, Access::Read] {
        let fault = Sqlite::open(&path, access).err().unwrap();
        assert_eq!(fault.kind, FaultKind::Newer);
        assert_eq!(
            fault.to_string(),
            format!(
                "the store `{}` was written by flowrun 0.4.0 and has version 9; this is flowrun 0.1.0, which knows version 4",
                path.display()
            )
        );
        assert_eq!(
            fault.help.unwrap(),
            "use the newer flowrun, or name another store with `--store`; this one was not changed"
        );
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.db");
    std::fs::write(&text, "this is no database, but long enough to look at its header\n".repeat(20)).unwrap();
    let foreign = dir.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    for (path, is) in [(&text, "is not a database"), (&foreign, "is a database of another program")] {
        let before = std::fs::read(path).unwrap();
        for access in [Access::Write, Access::Read] {
            let fault = Sqlite::open(path, access).err().unwrap();
            assert_eq!(fault.to_string(), format!("the store `{}` {is}", path.display()));
            assert_eq!(
                fault.help.unwrap(),
                "move it away, with the `-wal` beside it: a new store is made, and what the runs of this project had \
                 finished is taken from their journals; or name another store with `--store`"
            );
        }
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let fault = Sqlite::open(&file.join("store.db"), Access::Write).err().unwrap();
    assert_eq!(fault.to_string(), format!("cannot make the folder `{}`: file exists", file.display()));
    let fault = Sqlite::open(dir.path(), Access::Write).err().unwrap();
    assert_eq!(fault.to_string(), format!("cannot open the store `{}`", dir.path().display()));
}

#[test]
fn many_processes_make_one_store_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..8).map(|_| Child::of("child_opens_and_records", dir.path()).spawn()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_passed(&output);
    }
    let mut store = Sqlite::open(&dir.path().join("store.db"), Access::Read).unwrap();
    let rows = store.runs(None, 100).unwrap();
    assert_eq!(rows.iter().map(|row| row.run).collect::<Vec<_>>(), (1..=80).rev().collect::<Vec<_>>());
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_opens_and_records() {
    let Some(folder) = given_folder() else { return };
    let mut store = Sqlite::open(&folder.join("store.db"), Access::Write).unwrap();
    let row = flowrun::port::RunRow {
        run: 0,
        pipeline: "p".into(),
        file: "p.toml".into(),
        identity: key("i"),
        began: 0,
        ended: None,
        state: None,
        counts: Default::default(),
    };
    for i in 0..10 {
        store.begin_run(&row).unwrap();
        store.record(&[entry(&format!("compute[{i}]"), &format!("key {i}"))]).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_a_whole_store() {
    for round in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Child::of("child_records_for_ever", dir.path()).spawn();
        let progress = dir.path().join("progress");
        process::wait_until(|| std::fs::read(&progress).is_ok_and(|text| text.len() > 3 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said to be recorded is there; batches are whole.
        let told = std::fs::read(&progress).unwrap().len();
        let mut store = Sqlite::open(&dir.path().join("store.db"), Access::Write).unwrap();
        let mut found = 0;
        for batch in 0.. {
            let asked: Vec<_> =
                (0..50).map(|i| (key(&format!("{batch} {i}")), format!("compute[{i}]").into())).collect();
            let hits = store.lookup("p", "compute", &asked).unwrap();
            match hits.iter().flatten().count() {
                50 => found += 1,
                0 => break,
                part => panic!("{part} of the 50 entries of batch {batch}"),
            }
        }
        assert!(found == told || found == told + 1, "{found} batches found, {told} told");
    }
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_records_for_ever() {
    use std::io::Write;
    let Some(folder) = given_folder() else { return };
    let mut store = Sqlite::open(&folder.join("store.db"), Access::Write).unwrap();
    let mut progress = std::fs::File::create(folder.join("progress")).unwrap();
    for batch in 0.. {
        let entries: Vec<_> = (0..50).map(|i| entry(&format!("compute[{i}]"), &format!("{batch} {i}"))).collect();
        store.record(&entries).unwrap();
        progress.write_all(b".").unwrap();
    }
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_fills_the_disk() {
    let Some(folder) = given_folder() else { return };
    let path = folder.join("store.db");
    let (recorded, fault) = fill(&path);
    assert_eq!(fault.to_string(), format!("no space left for the store `{}`", path.display()));
    assert_eq!(
        fault.help.unwrap(),
        format!(
            "free some space in `{}`, then give the same command again; nothing half-written was kept",
            folder.display()
        )
    );
    only_these_are_there(&path, recorded);
}

#[test]
fn a_quota_that_is_reached_is_said_and_what_was_recorded_stays() {
    let dir = tempfile::tempdir().unwrap();
    let output = Child::of("child_reaches_its_quota", dir.path()).with_file_limit(800).output();
    assert_passed(&output);
    let recorded = std::fs::read_to_string(dir.path().join("recorded")).unwrap().parse().unwrap();
    only_these_are_there(&dir.path().join("store.db"), recorded);
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_reaches_its_quota() {
    let Some(folder) = given_folder() else { return };
    let path = folder.join("store.db");
    let (recorded, fault) = fill(&path);
    assert_eq!(fault.to_string(), format!("cannot read or write the store `{}`: disk I/O error", path.display()));
    std::fs::write(folder.join("recorded"), recorded.to_string()).unwrap();
}

/// Records until it cannot; gives how many are recorded and why there are no more.
fn fill(path: &Path) -> (usize, Fault) {
    let mut store = Sqlite::open(path, Access::Write).unwrap();
    for i in 0.. {
        let mut one = entry(&format!("compute[{i}]"), &format!("key {i}"));
        one.own[0].text = "x".repeat(3000).into();
        if let Err(error) = store.record(&[one]) {
            return (i, error.downcast::<Fault>().unwrap());
        }
    }
    unreachable!()
}

fn only_these_are_there(path: &Path, recorded: usize) {
    assert!(recorded > 3, "only {recorded}");
    let mut store = Sqlite::open(path, Access::Read).unwrap();
    let asked: Vec<_> = (0..=recorded).map(|i| (key(&format!("key {i}")), format!("compute[{i}]").into())).collect();
    let hits = store.lookup("p", "compute", &asked).unwrap();
    assert!(hits[..recorded].iter().all(Option::is_some));
    assert!(hits[recorded].is_none());
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_in_a_read_only_folder() {
    let Some(folder) = given_folder() else { return };
    let path = folder.join("store.db");
    assert!(std::fs::write(folder.join("probe"), "").is_err());
    let mut store = Sqlite::open(&path, Access::Read).unwrap();
    assert!(store.lookup("p", "compute", &[(key("a"), "compute[0]".into())]).unwrap()[0].is_some());
    drop(store);
    let refused = |path: &Path| Sqlite::open(path, Access::Write).err().unwrap().to_string();
    assert_eq!(refused(&path), format!("cannot write the store `{}`", path.display()));
    let new = folder.join("new.db");
    assert_eq!(refused(&new), format!("cannot open the store `{}`", new.display()));
}

mod needs_mount {
    use super::*;

    #[test]
    #[ignore = "needs mount"]
    fn a_full_disk_is_said_and_what_was_recorded_stays() {
        let dir = tempfile::tempdir().unwrap();
        let output = Child::of("child_fills_the_disk", dir.path()).output_on_a_small_disk();
        assert_passed(&output);
    }

    /// Permissions mean nothing to root, so the folder is mounted read-only.
    #[test]
    #[ignore = "needs mount"]
    fn a_read_only_folder_can_be_read_and_says_so_when_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(&dir.path().join("store.db"), Access::Write).unwrap();
        store.record(&[entry("compute[0]", "a")]).unwrap();
        drop(store);
        let output = Child::of("child_in_a_read_only_folder", dir.path()).output_in_read_only_folder();
        assert_passed(&output);
    }
}
