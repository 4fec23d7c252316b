//! The lock of a pipeline, with processes that hold it, are killed, and leave children.

use crate::process::{Child, assert_passed, given_folder, wait_until};
use flowrun::sys::FaultKind;
use flowrun::sys::lock::{Lock, NoLock, Who, holder};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// 2026-11-21 00:00:00 UTC.
const SINCE: u64 = 1_795_219_200_000;

fn take(path: &Path) -> Result<Lock, NoLock> {
    Lock::acquire(path, Who::me(SINCE))
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

/// A process that has the lock when this returns; its first line says so.
fn holding(test: &str, folder: &Path) -> std::process::Child {
    let mut child = Child::of(test, folder).spawn();
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"locked\n") {
        let read = child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
        assert_eq!(read, 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    child
}

fn say_locked() {
    use std::io::Write;
    std::io::stdout().write_all(b"locked\n").unwrap();
    std::io::stdout().flush().unwrap();
}

#[test]
fn one_process_has_the_lock_and_the_other_is_told_who() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("locks/p.lock");
    std::fs::create_dir(dir.path().join("locks")).unwrap();
    let mut child = holding("lock::child_holds_until_told", dir.path());
    let NoLock::Held(held) = take(&path).unwrap_err() else { panic!("held, and nothing else") };
    let zone = jiff::Timestamp::from_millisecond(SINCE as i64).unwrap().to_zoned(jiff::tz::TimeZone::system());
    assert_eq!(
        held.to_string(),
        format!("run 7, process {} on `{}`, since {}", child.id(), host(), zone.strftime("%Y-%m-%d %H:%M:%S %Z"))
    );
    assert_eq!(held.help(), "`--wait` waits for it; `flowrun status` shows what it does");
    assert_eq!(holder(&path), held.by);
    // It gives the lock back and lives on.
    drop(child.stdin.take());
    wait_until(|| holder(&path).is_none());
    let lock = take(&path).unwrap();
    assert_eq!(holder(&path).unwrap().pid, std::process::id());
    assert!(child.wait().unwrap().success());
    lock.release();
    assert_eq!(holder(&path), None);
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_holds_until_told() {
    let Some(folder) = given_folder() else { return };
    let mut lock = take(&folder.join("locks/p.lock")).unwrap();
    lock.name_run(7).unwrap();
    say_locked();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    lock.release();
}

#[test]
fn a_lock_of_a_killed_process_is_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("locks/p.lock");
    let mut child = holding("lock::child_holds_until_told", dir.path());
    let killed = child.id();
    child.kill().unwrap();
    // Before it is waited for it is a zombie: dead all the same.
    wait_until(|| holder(&path).is_none());
    let lock = take(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(&format!("\"pid\":{},", std::process::id())), "{text}");
    assert!(!text.contains(&format!("\"pid\":{killed},")), "{text}");
    drop(lock);
    child.wait().unwrap();
}

#[test]
fn a_dead_driver_whose_tasks_still_die_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("locks/p.lock");
    let mut child = holding("lock::child_hands_the_lock_to_an_executor", dir.path());
    child.kill().unwrap();
    child.wait().unwrap();
    // The executor lives and has the lock; it ends when its task has, which the file says.
    assert_eq!(holder(&path), None);
    let ended = AtomicBool::new(false);
    let lock = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let lock = take(&path).unwrap();
            assert!(ended.load(Ordering::SeqCst), "the lock was taken while the executor was alive");
            lock
        });
        // Seen at its work, it cannot have the lock yet.
        let begin = Instant::now();
        while begin.elapsed().as_millis() < 100 {
            assert!(!waiting.is_finished());
            std::thread::yield_now();
        }
        ended.store(true, Ordering::SeqCst);
        std::fs::write(dir.path().join("end"), "").unwrap();
        waiting.join().unwrap()
    });
    drop(lock);
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_hands_the_lock_to_an_executor() {
    let Some(folder) = given_folder() else { return };
    let lock = take(&folder.join("locks/p.lock")).unwrap();
    let script = "while ! [ -e \"$0/end\" ]; do sleep 0.01; done";
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(&folder).process_group(0);
    command.stdin(Stdio::null()).stdout(lock.as_fd().try_clone_to_owned().unwrap());
    // It outlives this process, and nobody waits for it.
    drop(command.spawn().unwrap());
    say_locked();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn waiting_sees_the_holder_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("locks/p.lock");
    let mut child = holding("lock::child_holds_until_told", dir.path());
    let mut looks = 0;
    let stopped = Lock::acquire_waiting(&path, Who::me(SINCE), &mut |held| {
        assert_eq!(held.by.as_ref().unwrap().run, Some(7));
        looks += 1;
        looks < 3
    });
    assert!(matches!(stopped, Err(NoLock::Held(_))));
    assert_eq!(looks, 3);
    let taken = Lock::acquire_waiting(&path, Who::me(SINCE), &mut |_| {
        drop(child.stdin.take());
        true
    });
    assert!(taken.is_ok());
    child.wait().unwrap();
}

#[test]
fn of_many_that_race_exactly_one_has_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..6).map(|_| Child::of("lock::child_counts_under_the_lock", dir.path()).spawn()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_passed(&output);
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("count")).unwrap(), "30");
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_counts_under_the_lock() {
    let Some(folder) = given_folder() else { return };
    let count = folder.join("count");
    for _ in 0..5 {
        let lock = Lock::acquire_waiting(&folder.join("p.lock"), Who::me(SINCE), &mut |_| true).unwrap();
        let before: u32 = std::fs::read_to_string(&count).map_or(0, |text| text.parse().unwrap());
        std::fs::write(&count, (before + 1).to_string()).unwrap();
        lock.release();
    }
}

#[test]
fn a_lock_whose_file_was_removed_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.lock");
    let first = take(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = take(&path).unwrap();
    assert!(matches!(take(&path), Err(NoLock::Held(_))));
    drop((first, second));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let NoLock::Fault(fault) = take(Path::new("/dev/null/locks/p.lock")).unwrap_err() else { panic!("a fault") };
    assert_eq!(fault.kind, FaultKind::Missing);
    assert_eq!(fault.to_string(), "cannot make the folder `/dev/null/locks`: not a directory");
}
