//! The journal: cut at every byte, damaged, killed, on a full disk.

use crate::process::{Child, assert_passed, given_folder, wait_until};
use flowrun::base::{InstanceId, Value};
use flowrun::driver::journal::{Journal, Seen, Unflushed, read};
use flowrun::event::{Cause, Event, Failure, Outcome, Produced, RunState, Time, Usage};
use flowrun::sys::{Fault, FaultKind};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

type Lines = Vec<(Time, Event)>;

fn all(path: &Path) -> Result<(Lines, Seen), Fault> {
    let mut lines = Vec::new();
    let seen = read(path, 0, &mut |time, event| {
        lines.push((time, event));
        Ok(true)
    })?;
    Ok((lines, seen))
}

fn resumed(path: &Path) -> Result<(Lines, Journal), Fault> {
    let mut lines = Vec::new();
    let journal = Journal::resume(path, Unflushed::default(), &mut |time, event| {
        lines.push((time, event));
        Ok(true)
    })?;
    Ok((lines, journal))
}

fn ended(instance: u32, results: Vec<Produced>) -> Event {
    let outcome =
        Outcome { result: Ok(Arc::new(results)), usage: Usage::default(), log: None, host: None, doubtful: false };
    Event::Ended { instance: InstanceId(instance), attempt: 1, outcome }
}

/// Three turns, five events.
fn story() -> Vec<(Time, Vec<Event>)> {
    let started = |instance| Event::Started { instance: InstanceId(instance), attempt: 1, log: None, host: None };
    let failure = Failure { cause: Cause::Exit(2), message: "exit status 2".into(), help: None };
    let failed = Outcome { result: Err(failure), usage: Usage::default(), log: None, host: None, doubtful: false };
    vec![
        (1000, vec![Event::Begun { by: "host \u{e9} \"x\"\n".into() }]),
        (1005, vec![started(0), started(1)]),
        (
            2000,
            vec![
                ended(0, vec![Produced::Value(Value::Float(0.1)), Produced::Value(Value::from_bytes(b"\xff"))]),
                Event::Ended { instance: InstanceId(1), attempt: 1, outcome: failed },
            ],
        ),
    ]
}

fn written(path: &Path) -> Lines {
    let mut journal = Journal::create(path, Unflushed::default()).unwrap();
    let mut lines = Vec::new();
    for (time, events) in story() {
        journal.append(time, &events).unwrap();
        lines.extend(events.into_iter().map(|event| (time, event)));
    }
    journal.append(2001, &[]).unwrap();
    journal.sync().unwrap();
    assert_eq!(journal.length(), std::fs::metadata(path).unwrap().len());
    lines
}

#[test]
fn a_journal_is_lines_of_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = Journal::create(&path, Unflushed::default()).unwrap();
    journal.append(1000, &[Event::Begun { by: "h".into() }]).unwrap();
    journal
        .append(
            1001,
            &[Event::Cached { from: InstanceId(3), count: 7 }, Event::Finished { state: RunState::Succeeded }],
        )
        .unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\"t\":1000,\"e\":\"begun\",\"by\":\"h\"}\n\
         {\"t\":1001,\"e\":\"cached\",\"from\":3,\"count\":7}\n\
         {\"t\":1001,\"e\":\"finished\",\"state\":\"succeeded\"}\n"
    );
    let again = Journal::create(&path, Unflushed::default()).err().unwrap();
    assert_eq!(again.to_string(), format!("cannot write `{}`: file exists", path.display()));
}

#[test]
fn cut_at_every_byte_it_gives_the_longest_whole_prefix_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let lines = written(&path);
    let text = std::fs::read(&path).unwrap();
    for cut in 0..=text.len() {
        std::fs::write(&path, &text[..cut]).unwrap();
        let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count();
        let good = text[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (seen_lines, seen) = all(&path).unwrap();
        assert_eq!(seen_lines, lines[..whole], "cut at {cut}");
        assert_eq!(seen, Seen { good: good as u64, torn: (cut - good) as u64 });

        let (resumed_lines, mut journal) = resumed(&path).unwrap();
        assert_eq!(resumed_lines, lines[..whole], "cut at {cut}");
        let on = Event::Resumed { by: "h".into() };
        journal.append(3000, std::slice::from_ref(&on)).unwrap();
        drop(journal);
        let expected: Lines = lines[..whole].iter().cloned().chain([(3000, on)]).collect();
        assert_eq!(all(&path).unwrap().0, expected, "cut at {cut}");
    }
}

#[test]
fn a_reader_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = Journal::create(&path, Unflushed::default()).unwrap();
    let (mut offset, mut seen) = (0, Vec::new());
    let mut expected = Vec::new();
    for (time, events) in story() {
        journal.append(time, &events).unwrap();
        expected.extend(events.into_iter().map(|event| (time, event)));
        offset = read(&path, offset, &mut |time, event| {
            seen.push((time, event));
            Ok(true)
        })
        .unwrap()
        .good;
        assert_eq!(seen, expected);
    }
}

#[test]
fn what_a_power_cut_left_at_the_end_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let lines = written(&path);
    let text = std::fs::read(&path).unwrap();
    for tail in [&[0; 4096][..], b"\0\0\0\n\0\0\n", b"{\"t\":3000,\"e\":\"be\n", b"\xff\xfe\n\n"] {
        std::fs::write(&path, [&text, tail].concat()).unwrap();
        assert_eq!(all(&path).unwrap().1, Seen { good: text.len() as u64, torn: tail.len() as u64 });
        assert_eq!(resumed(&path).unwrap().0, lines);
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }
}

#[test]
fn a_damaged_middle_is_said_and_nothing_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    written(&path);
    let mut text = std::fs::read(&path).unwrap();
    let second = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    text[second + 3] = 0;
    std::fs::write(&path, &text).unwrap();
    for fault in [all(&path).err().unwrap(), resumed(&path).err().unwrap()] {
        assert_eq!(fault.kind, FaultKind::Damaged);
        assert_eq!(fault.to_string(), format!("line 2 of `{}` is damaged, and lines after it are not", path.display()));
        assert_eq!(
            fault.help.unwrap(),
            format!(
                "`truncate -s {second} '{}'` goes on from there; what ended later runs again unless the cache has it",
                path.display()
            )
        );
    }
    assert_eq!(std::fs::read(&path).unwrap(), text);
}

#[test]
fn an_event_of_a_newer_flowrun_is_no_torn_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    std::fs::write(&path, "{\"t\":1,\"e\":\"begun\",\"by\":\"h\"}\n{\"t\":2,\"e\":\"teleported\"}\n").unwrap();
    let fault = all(&path).err().unwrap();
    assert_eq!(fault.kind, FaultKind::Newer);
    let text = fault.to_string();
    let expected = format!(
        "line 2 of `{}` is no event that this flowrun knows: unknown variant `teleported`, expected one of",
        path.display()
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(fault.help.unwrap(), "it was written by a newer flowrun: use that one");
}

#[test]
fn a_line_that_cannot_be_used_ends_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let lines = written(&path);
    let mut used = Vec::new();
    let journal = Journal::resume(&path, Unflushed::default(), &mut |time, event| {
        let whole = !matches!(event, Event::Ended { .. });
        if whole {
            used.push((time, event));
        }
        Ok(whole)
    });
    drop(journal.unwrap());
    assert_eq!(used, lines[..3]);
    assert_eq!(all(&path).unwrap().0, lines[..3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever bytes follow a good journal: what is read begins with all of its lines, or the damage is said; and what
    /// resuming leaves reads the same a second time.
    #[test]
    fn garbage_never_costs_a_good_line(garbage in proptest::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let lines = written(&path);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&text[..], &garbage].concat()).unwrap();
        match resumed(&path) {
            Ok((seen, _)) => {
                prop_assert_eq!(&seen[..lines.len()], &lines[..]);
                prop_assert_eq!(all(&path).unwrap(), (seen, Seen { good: std::fs::metadata(&path).unwrap().len(), torn: 0 }));
            }
            Err(fault) => prop_assert!(matches!(fault.kind, FaultKind::Damaged | FaultKind::Newer)),
        }
    }
}

#[test]
fn what_was_written_reaches_the_disk_without_being_asked() {
    let dir = tempfile::tempdir().unwrap();
    let unflushed = Unflushed::default();
    let mut journal = Journal::create(&dir.path().join("journal"), unflushed.clone()).unwrap();
    for turn in 0..3 {
        // Lists are flushed before the lines that speak of them; one that is gone again holds nobody up.
        unflushed.lock().unwrap().extend([dir.path().to_owned(), dir.path().join("gone")]);
        journal.append(turn, &[Event::Begun { by: "h".into() }]).unwrap();
        wait_until(|| unflushed.lock().unwrap().is_empty());
    }
    // `sync` does it at once, and says what goes wrong.
    unflushed.lock().unwrap().push("/proc/self/stat".into());
    let fault = journal.sync().unwrap_err();
    let path = dir.path().join("journal");
    assert_eq!(fault.to_string(), format!("cannot flush `{}`: invalid argument", path.display()));
    // What goes wrong behind the scenes is said by the next turn.
    unflushed.lock().unwrap().push("/proc/self/stat".into());
    journal.append(3, &[Event::Begun { by: "h".into() }]).unwrap();
    wait_until(|| unflushed.lock().unwrap().is_empty());
    let mut said = None;
    wait_until(|| {
        said = journal.append(4, &[]).err();
        said.is_some()
    });
    assert_eq!(said.unwrap().to_string(), format!("cannot flush `{}`: invalid argument", path.display()));
}

#[test]
fn what_was_told_survives_kill_9() {
    for round in 1..6 {
        let dir = tempfile::tempdir().unwrap();
        let (path, told) = (dir.path().join("journal"), dir.path().join("told"));
        let mut child = Child::of("journal::child_appends_for_ever", dir.path()).spawn();
        wait_until(|| std::fs::metadata(&told).is_ok_and(|meta| meta.len() > 40 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let told = std::fs::metadata(&told).unwrap().len();
        let (lines, journal) = resumed(&path).unwrap();
        let turns = lines.len() as u64 / 2;
        assert!(turns == told || turns == told + 1, "{turns} turns in the journal, {told} told");
        assert!(lines.iter().enumerate().all(|(i, (time, _))| *time == i as u64 / 2));
        assert_eq!(journal.length(), std::fs::metadata(&path).unwrap().len());
    }
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_appends_for_ever() {
    use std::io::Write;
    let Some(folder) = given_folder() else { return };
    let mut journal = Journal::create(&folder.join("journal"), Unflushed::default()).unwrap();
    let mut told = std::fs::File::create(folder.join("told")).unwrap();
    for turn in 0.. {
        let events = [ended(0, vec![Produced::Value(Value::str("x".repeat(300)))]), ended(1, Vec::new())];
        journal.append(turn, &events).unwrap();
        told.write_all(b".").unwrap();
    }
}

#[test]
fn a_write_that_fails_half_way_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    // The limit lets a part of a turn through, then refuses.
    let output = Child::of("journal::child_appends_to_the_limit", dir.path()).with_file_limit(4).output();
    assert_passed(&output);
    let (lines, seen) = all(&dir.path().join("journal")).unwrap();
    assert_eq!(seen.torn, 0);
    // After the refusal a smaller turn still found its place.
    assert_eq!(lines.last(), Some(&(9999, Event::Resumed { by: "h".into() })));
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_appends_to_the_limit() {
    let Some(folder) = given_folder() else { return };
    let path = folder.join("journal");
    let mut journal = Journal::create(&path, Unflushed::default()).unwrap();
    for turn in 0.. {
        let before = journal.length();
        let events = [ended(0, vec![Produced::Value(Value::str("x".repeat(600)))]), ended(1, Vec::new())];
        let Err(fault) = journal.append(turn, &events) else { continue };
        assert_eq!(fault.kind, FaultKind::Full);
        assert_eq!(fault.to_string(), format!("cannot write `{}`: file too large", path.display()));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), before);
        assert!(turn > 0 && !before.is_multiple_of(512));
        journal.append(9999, &[Event::Resumed { by: "h".into() }]).unwrap();
        return;
    }
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_fills_the_disk() {
    let Some(folder) = given_folder() else { return };
    let path = folder.join("journal");
    let mut journal = Journal::create(&path, Unflushed::default()).unwrap();
    let event = ended(0, vec![Produced::Value(Value::str("x".repeat(10_000)))]);
    let fault = (0..).find_map(|turn| journal.append(turn, std::slice::from_ref(&event)).err()).unwrap();
    assert_eq!(fault.to_string(), format!("cannot write `{}`: no space left on device", path.display()));
    assert_eq!(
        fault.help.unwrap(),
        format!(
            "free some space on the file system of `{}` (or raise the quota), then give the same command again",
            path.display()
        )
    );
    let (lines, seen) = all(&path).unwrap();
    assert!(lines.len() > 10);
    assert_eq!(seen, Seen { good: journal.length(), torn: 0 });
}

mod needs_mount {
    use super::*;

    #[test]
    #[ignore = "needs mount"]
    fn a_full_disk_is_said_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let output = Child::of("journal::child_fills_the_disk", dir.path()).output_on_a_small_disk();
        assert_passed(&output);
    }
}
