//! What every store must do, told as stories. A new store passes `run`.

use flowrun::base::{Digest, Value};
use flowrun::engine::Counts;
use flowrun::event::{Produced, RunState};
use flowrun::port::{Component, Entry, Hit, Lease, Made, RunRow, Stat, Store};
use std::sync::Arc;

/// Runs every story, each on a store of its own that `make` gives, empty.
pub fn run(make: &mut dyn FnMut() -> Box<dyn Store>) {
    a_result_is_found_under_its_key(&mut *make());
    values_come_back_to_the_last_bit(&mut *make());
    an_explanation_compares_with_the_newest(&mut *make());
    a_result_taken_again_is_the_newest_again(&mut *make());
    a_list_that_moved_up_takes_its_neighbours_entries(&mut *make());
    what_was_made_again_counts_for_all(&mut *make());
    what_is_forgotten_is_gone(&mut *make());
    thousands_at_once(&mut *make());
    a_key_is_leased_to_one_run(&mut *make());
    runs_have_numbers_and_ends(&mut *make());
    digests_of_files_are_remembered(&mut *make());
    the_whole_cache_is_listed(&mut *make());
    entries_are_found_by_the_first_digits_of_their_key(&mut *make());
    what_is_removed_from_one_instance_stays_with_another(&mut *make());
    runs_are_removed_and_their_numbers_are_not_given_again(&mut *make());
}

pub fn component(name: &str, text: &str) -> Component {
    Component { name: name.into(), text: text.into(), digest: Digest::of(text.as_bytes()) }
}

pub fn key(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An entry of `compute` in pipeline `p`; its result is the length of its key's text.
pub fn entry(instance: &str, key_text: &str) -> Entry {
    let length = i64::try_from(key_text.len()).unwrap();
    Entry {
        key: key(key_text),
        pipeline: "p".into(),
        node: "compute".into(),
        instance: instance.into(),
        fixed: Arc::new(vec![component("command", "echo"), component("shell", "bash")]),
        own: vec![component("value item", key_text)],
        results: Arc::new(vec![Produced::Value(Value::Int(length))]),
        made: Made { run: 1, at: 1000, host: "h".into(), user: "u".into(), version: "0.1.0".into(), wall_us: 5 },
    }
}

fn ask(key_text: &str, instance: &str) -> (Digest, Arc<str>) {
    (key(key_text), instance.into())
}

fn looked_up(store: &mut dyn Store, asked: &[(Digest, Arc<str>)]) -> Vec<Option<Hit>> {
    store.lookup("p", "compute", asked).unwrap()
}

fn hit(result: i64, newest: bool) -> Option<Hit> {
    Some(Hit { results: Arc::new(vec![Produced::Value(Value::Int(result))]), newest })
}

fn newest_of(store: &mut dyn Store, instance: &str) -> Option<Entry> {
    store.latest("p", "compute", &[instance.into()]).unwrap().remove(0)
}

fn a_result_is_found_under_its_key(store: &mut dyn Store) {
    assert_eq!(looked_up(store, &[ask("a", "compute[0]")]), [None]);
    assert_eq!(store.latest("p", "compute", &["compute[0]".into()]).unwrap(), [None]);
    store.record(&[entry("compute[0]", "a"), entry("compute[1]", "bb")]).unwrap();
    let asked = [ask("bb", "compute[1]"), ask("none", "compute[7]"), ask("a", "compute[0]"), ask("bb", "compute[1]")];
    assert_eq!(looked_up(store, &asked), [hit(2, true), None, hit(1, true), hit(2, true)]);
    // Another pipeline with the same key takes the result too, but has no entry of its own yet.
    assert_eq!(store.lookup("q", "other", &[ask("a", "other")]).unwrap(), [hit(1, false)]);
    assert_eq!(store.latest("q", "other", &["other".into()]).unwrap(), [None]);
    assert_eq!(looked_up(store, &[]), []);
    store.record(&[]).unwrap();
}

fn values_come_back_to_the_last_bit(store: &mut dyn Store) {
    let produced = vec![
        Produced::Value(Value::list(vec![
            Value::Null,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Int(i64::MAX),
            Value::Float(0.1 + 0.2),
            Value::Float(1.0),
            Value::Float(-0.0),
            Value::Float(5e-324),
            Value::Float(f64::MAX),
            Value::Float(1.000_000_000_000_000_2e-30),
            Value::str("quote \" backslash \\ newline \n nul \0 snow \u{2603}"),
            Value::from_bytes(b"not \xff utf-8"),
            Value::map(vec![("z".into(), Value::Int(1)), ("a".into(), Value::str(""))]),
        ])),
        Produced::Artifact {
            path: Value::from_bytes(b"out/\xfe.txt"),
            digest: key("content"),
            size: u64::MAX,
            dir: true,
            exec: false,
        },
        Produced::Artifact { path: Value::str("b"), digest: key("b"), size: 0, dir: false, exec: false },
    ];
    let mut one = entry("compute[it's]", "floats");
    one.results = Arc::new(produced);
    one.own = vec![component("value x", "'; DROP TABLE cache; --"), component("input reads", "")];
    one.made = Made { run: u64::MAX >> 1, at: 1 << 53, wall_us: u64::MAX, ..one.made };
    store.record(std::slice::from_ref(&one)).unwrap();
    let found = looked_up(store, &[ask("floats", "compute[it's]")]).remove(0).unwrap();
    assert_eq!(format!("{:?}", found.results), format!("{:?}", one.results));
    assert_eq!(newest_of(store, "compute[it's]"), Some(one));
}

fn an_explanation_compares_with_the_newest(store: &mut dyn Store) {
    store.record(&[entry("compute[0]", "first")]).unwrap();
    // The clock went back in between: the order of recording counts.
    let mut second = entry("compute[0]", "second");
    second.made.at = 10;
    second.fixed = Arc::new(vec![component("command", "printf"), component("shell", "bash")]);
    store.record(std::slice::from_ref(&second)).unwrap();
    store.record(&[entry("compute[00]", "other")]).unwrap();
    assert_eq!(newest_of(store, "compute[0]"), Some(second));
    // Both are kept: the first is still a hit.
    let asked = [ask("first", "compute[0]"), ask("second", "compute[0]")];
    assert_eq!(looked_up(store, &asked), [hit(5, false), hit(6, true)]);
}

fn a_result_taken_again_is_the_newest_again(store: &mut dyn Store) {
    for text in ["old", "new!"] {
        store.record(&[entry("compute[0]", text)]).unwrap();
    }
    store.take("p", "compute", &[ask("old", "compute[0]"), ask("gone", "compute[0]")]).unwrap();
    assert_eq!(newest_of(store, "compute[0]"), Some(entry("compute[0]", "old")));
    let asked = [ask("old", "compute[0]"), ask("new!", "compute[0]")];
    assert_eq!(looked_up(store, &asked), [hit(3, true), hit(4, false)]);
}

fn a_list_that_moved_up_takes_its_neighbours_entries(store: &mut dyn Store) {
    store.record(&[entry("compute[0]", "a"), entry("compute[1]", "bb")]).unwrap();
    // One item was put in front: every instance asks for what its neighbour had.
    let asked = [ask("new", "compute[0]"), ask("a", "compute[1]"), ask("bb", "compute[2]")];
    assert_eq!(looked_up(store, &asked), [None, hit(1, false), hit(2, false)]);
    store.take("p", "compute", &asked[1..]).unwrap();
    store.record(&[entry("compute[0]", "new")]).unwrap();
    assert_eq!(looked_up(store, &asked), [hit(3, true), hit(1, true), hit(2, true)]);
    assert_eq!(newest_of(store, "compute[2]"), Some(entry("compute[2]", "bb")));
}

fn what_was_made_again_counts_for_all(store: &mut dyn Store) {
    store.record(&[entry("compute[0]", "same")]).unwrap();
    store.take("p", "compute", &[ask("same", "compute[1]")]).unwrap();
    let mut again = entry("compute[0]", "same");
    again.results = Arc::new(vec![Produced::Value(Value::Int(99))]);
    again.made.run = 2;
    store.record(&[again]).unwrap();
    let asked = [ask("same", "compute[0]"), ask("same", "compute[1]"), ask("same", "compute[2]")];
    assert_eq!(looked_up(store, &asked), [hit(99, true), hit(99, true), hit(99, false)]);
    assert_eq!(newest_of(store, "compute[1]").unwrap().made.run, 2);
}

fn what_is_forgotten_is_gone(store: &mut dyn Store) {
    store.record(&[entry("compute[0]", "a"), entry("compute[1]", "bb")]).unwrap();
    store.take("p", "compute", &[ask("a", "compute[5]")]).unwrap();
    store.forget(&[key("a"), key("never there")]).unwrap();
    let asked = [ask("a", "compute[0]"), ask("a", "compute[5]"), ask("bb", "compute[1]")];
    assert_eq!(looked_up(store, &asked), [None, None, hit(2, true)]);
    assert_eq!(newest_of(store, "compute[0]"), None);
}

fn thousands_at_once(store: &mut dyn Store) {
    let name = |i: usize| format!("compute[{i}]");
    let entries: Vec<Entry> = (0..3000).map(|i| entry(&name(i), &format!("{i:0>9}{}", "x".repeat(i % 7)))).collect();
    store.record(&entries).unwrap();
    let asked: Vec<_> = entries.iter().rev().map(|e| (e.key, e.instance.clone())).collect();
    let found = looked_up(store, &asked);
    assert_eq!(found.len(), 3000);
    for (entry, found) in entries.iter().rev().zip(found) {
        assert_eq!(found, Some(Hit { results: entry.results.clone(), newest: true }));
    }
    let names: Vec<Arc<str>> = entries.iter().map(|e| e.instance.clone()).collect();
    let latest: Vec<Entry> = store.latest("p", "compute", &names).unwrap().into_iter().flatten().collect();
    assert_eq!(latest, entries);
}

fn a_key_is_leased_to_one_run(store: &mut dyn Store) {
    let keys = ["a", "b", "c"].map(key);
    let term = flowrun::port::Term { lasts: std::time::Duration::from_secs(60), outlives: false };
    let held =
        |run| Lease::Held { run, user: flowrun::sys::user().into(), host: flowrun::sys::lock::Who::me(0).host.into() };
    assert_eq!(store.lease(1, &keys[..2], term).unwrap(), [Lease::Ours, Lease::Ours]);
    assert_eq!(store.lease(2, &keys, term).unwrap(), [held(1), held(1), Lease::Ours]);
    assert_eq!(store.lease(1, &keys, term).unwrap(), [Lease::Ours, Lease::Ours, held(2)]);
    assert_eq!(store.lease(1, &[], term).unwrap(), []);
    // What a run gives back is its own; what is recorded is nobody's any more.
    store.release(1, Some(&[keys[0], keys[2]])).unwrap();
    store.record(&[entry("compute[1]", "b")]).unwrap();
    store.renew(1, term).unwrap();
    store.renew(2, term).unwrap();
    assert_eq!(store.lease(3, &keys, term).unwrap(), [Lease::Ours, Lease::Ours, held(2)]);
    let mut all = store.leases().unwrap();
    all.sort_by_key(|(key, _)| keys.iter().position(|other| other == key));
    assert_eq!(all, [(keys[0], held(3)), (keys[1], held(3)), (keys[2], held(2))]);
    store.release(2, None).unwrap();
    assert_eq!(store.lease(3, &[keys[2], keys[0]], term).unwrap(), [Lease::Ours, Lease::Ours]);
    // A run that is removed holds none.
    store.release(3, None).unwrap();
    let row = RunRow {
        run: 0,
        pipeline: "p".into(),
        file: "p.toml".into(),
        identity: key("identity"),
        began: 1,
        ended: None,
        state: None,
        counts: Counts::default(),
    };
    let run = store.begin_run(&row).unwrap();
    store.lease(run, &keys, term).unwrap();
    store.remove_runs(&[run]).unwrap();
    assert_eq!(store.leases().unwrap(), []);
}

fn runs_have_numbers_and_ends(store: &mut dyn Store) {
    let mut row = RunRow {
        run: 0,
        pipeline: "p".into(),
        file: "dir/p.toml".into(),
        identity: key("identity"),
        began: 1_700_000_000_000,
        ended: None,
        state: None,
        counts: Counts::default(),
    };
    assert_eq!(store.run(1).unwrap(), None);
    assert_eq!(store.runs(None, 10).unwrap(), []);
    assert_eq!(store.begin_run(&row).unwrap(), 1);
    // Folders of runs up to 6 are there from an earlier store.
    row.run = 7;
    assert_eq!(store.begin_run(&row).unwrap(), 7);
    row.file = "q.toml".into();
    row.run = 0;
    assert_eq!(store.begin_run(&row).unwrap(), 8);

    let mut seventh = RunRow { run: 7, file: "dir/p.toml".into(), ..row.clone() };
    assert_eq!(store.run(7).unwrap(), Some(seventh.clone()));
    seventh.ended = Some(1_700_000_000_500);
    seventh.state = Some(RunState::Failed);
    seventh.counts = Counts { succeeded: 3, failed: 1, cancelled: 2, ..Counts::default() };
    store.end_run(&seventh).unwrap();
    assert_eq!(store.run(7).unwrap(), Some(seventh.clone()));

    let numbers = |rows: Vec<RunRow>| rows.iter().map(|row| row.run).collect::<Vec<_>>();
    assert_eq!(numbers(store.runs(None, 10).unwrap()), [8, 7, 1]);
    assert_eq!(numbers(store.runs(None, 2).unwrap()), [8, 7]);
    assert_eq!(numbers(store.runs(Some("dir/p.toml"), 10).unwrap()), [7, 1]);
    assert_eq!(numbers(store.runs(Some("no.toml"), 10).unwrap()), Vec::<u64>::new());
    assert_eq!(store.runs(Some("dir/p.toml"), 1).unwrap(), [seventh]);
}

fn digests_of_files_are_remembered(store: &mut dyn Store) {
    let stat = |size| Stat { size, mtime: -1, ctime: i64::MAX, inode: u64::MAX };
    let rows = [(b"a \xff".to_vec(), stat(1), key("a")), (b"b".to_vec(), stat(u64::MAX), key("b"))];
    store.remember(&rows).unwrap();
    store.remember(&[(b"b".to_vec(), stat(3), key("b2"))]).unwrap();
    store.remember(&[]).unwrap();
    let mut found = store.files().unwrap();
    found.sort();
    assert_eq!(found, [rows[0].clone(), (b"b".to_vec(), stat(3), key("b2"))]);
}

/// Instance, key's text as its length, how many are newer.
fn listed(store: &mut dyn Store) -> Vec<(String, usize, u32)> {
    let mut all = Vec::new();
    store
        .list(&mut |listed| {
            assert_eq!((&*listed.pipeline, &*listed.made.user), ("p", "u"));
            let Produced::Value(Value::Int(length)) = listed.results[0] else { panic!("{listed:?}") };
            all.push((format!("{}: {}", listed.node, listed.instance), length as usize, listed.newer));
        })
        .unwrap();
    all
}

fn the_whole_cache_is_listed(store: &mut dyn Store) {
    assert_eq!(listed(store), []);
    let mut other = entry("a", "an");
    other.node = "a".into();
    store.record(&[entry("compute[1]", "three"), entry("compute[0]", "a"), entry("compute[0]", "bb"), other]).unwrap();
    store.take("p", "compute", &[ask("a", "compute[0]"), ask("bb", "compute[2]")]).unwrap();
    let row = |name: &str, length, newer| (name.to_owned(), length, newer);
    assert_eq!(
        listed(store),
        [
            row("a: a", 2, 0),
            row("compute: compute[0]", 1, 0),
            row("compute: compute[0]", 2, 1),
            row("compute: compute[1]", 5, 0),
            row("compute: compute[2]", 2, 0),
        ]
    );
    let mut files = entry("compute[3]", "files");
    let file =
        |text: &str| Produced::Artifact { path: Value::str(text), digest: key(text), size: 1, dir: false, exec: false };
    files.results = Arc::new(vec![file("x"), Produced::Value(Value::Null), file("y")]);
    store.record(&[files]).unwrap();
    let mut digests = Vec::new();
    store.digests(&mut |digest| digests.push(digest)).unwrap();
    assert_eq!(digests, [key("x"), key("y")]);
}

fn entries_are_found_by_the_first_digits_of_their_key(store: &mut dyn Store) {
    store.record(&[entry("compute[0]", "a"), entry("compute[1]", "bb")]).unwrap();
    let digits = key("a").to_string();
    for length in [64, 13, 12] {
        assert_eq!(store.find(&digits[..length]).unwrap(), [entry("compute[0]", "a")]);
    }
    store.take("p", "compute", &[ask("a", "compute[7]")]).unwrap();
    assert_eq!(store.find(&digits.to_uppercase()).unwrap(), [entry("compute[0]", "a"), entry("compute[7]", "a")]);
    for none in ["", "no digits", &key("none").to_string(), &format!("{digits}0")] {
        assert_eq!(store.find(none).unwrap(), [], "{none}");
    }
}

fn what_is_removed_from_one_instance_stays_with_another(store: &mut dyn Store) {
    store.record(&[entry("compute[0]", "a"), entry("compute[0]", "bb"), entry("compute[1]", "three")]).unwrap();
    store.take("p", "compute", &[ask("bb", "compute[1]")]).unwrap();
    let mut gone = Vec::new();
    store.list(&mut |listed| gone.extend((&*listed.instance == "compute[0]").then_some(listed))).unwrap();
    store.remove(&gone).unwrap();
    assert_eq!(listed(store), [("compute: compute[1]".into(), 2, 0), ("compute: compute[1]".into(), 5, 1)]);
    let asked = [ask("a", "compute[0]"), ask("bb", "compute[0]"), ask("three", "compute[1]")];
    assert_eq!(looked_up(store, &asked), [None, hit(2, false), hit(5, false)]);
    assert_eq!(newest_of(store, "compute[1]"), Some(entry("compute[1]", "bb")));
    store.remove(&gone).unwrap();
    store.remove(&[]).unwrap();
    // What was removed can be made again.
    store.record(&[entry("compute[0]", "a")]).unwrap();
    assert_eq!(newest_of(store, "compute[0]"), Some(entry("compute[0]", "a")));
}

fn runs_are_removed_and_their_numbers_are_not_given_again(store: &mut dyn Store) {
    let row = RunRow {
        run: 0,
        pipeline: "p".into(),
        file: "p.toml".into(),
        identity: key("identity"),
        began: 5,
        ended: None,
        state: None,
        counts: Counts::default(),
    };
    assert_eq!([(); 3].map(|()| store.begin_run(&row).unwrap()), [1, 2, 3]);
    let all = store.all_runs(2).unwrap();
    assert_eq!(all.iter().map(|run| run.row.run).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(all[1].row, RunRow { run: 2, ..row.clone() });
    assert_eq!((&*all[0].host, &*all[0].user), (&*flowrun::sys::host(), &*flowrun::sys::user()));
    store.remove_runs(&[3, 1, 9]).unwrap();
    store.remove_runs(&[]).unwrap();
    assert_eq!(store.runs(None, 9).unwrap(), [RunRow { run: 2, ..row.clone() }]);
    assert_eq!((store.run(3).unwrap(), store.begin_run(&row).unwrap()), (None, 4));
}
