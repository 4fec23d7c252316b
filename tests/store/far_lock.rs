//! The lock for network file systems, between processes that cannot see each other: a holder "on another host" is one
//! whose text names a boot of its own.

use flowrun::sys::far_lock::{FarLock, Pace};
use flowrun::sys::lock::{NoLock, Who};
use std::path::Path;
use std::time::Duration;

/// A hundred times as fast as the usual one.
const PACE: Pace =
    Pace { beat: Duration::from_millis(100), dead: Duration::from_millis(600), look: Duration::from_millis(10) };

fn me() -> Who {
    Who::me(1_700_000_000_000)
}

fn take(folder: &Path, patient: bool) -> Result<FarLock, NoLock> {
    FarLock::acquire(folder, &me(), PACE, patient, &mut |_| true)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What another host wrote, `age` ago.
fn from_elsewhere(folder: &Path, number: u64, age: Duration) {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(number.to_string());
    std::fs::write(&path, "").unwrap();
    let who = Who { host: "far".into(), boot: format!("of {}", folder.display()), run: Some(7), ..me() };
    let mut text = serde_json::to_value(&who).unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    for (name, value) in
        [("net", "net:[1]".into()), ("file", inode.into()), ("count", 3.into()), ("over", false.into())]
    {
        text[name] = value;
    }
    std::fs::write(&path, format!("{text}\n")).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() - age).unwrap();
}

#[test]
fn it_goes_from_hand_to_hand_on_one_host() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("p.lock.hosts");
    let lock = take(&folder, false).unwrap();
    lock.name_run(7).unwrap();
    assert_eq!(FarLock::holder(&folder).map(|who| (who.pid, who.run)), Some((std::process::id(), Some(7))));
    let NoLock::Held(held) = take(&folder, false).unwrap_err() else { panic!("held, and nothing else") };
    assert!(held.to_string().starts_with("run 7, process "), "{held}");
    lock.still_held().unwrap();
    drop(lock);
    assert_eq!(FarLock::holder(&folder), None);
    // Numbers are never given again, and only the last one stays.
    drop(take(&folder, true).unwrap());
    assert_eq!(names(&folder), ["2"]);
}

#[test]
fn a_copy_of_a_held_lock_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, copy) = (dir.path().join("p.lock.hosts"), dir.path().join("copy.lock.hosts"));
    let _lock = take(&folder, false).unwrap();
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(folder.join("1"), copy.join("1")).unwrap();
    assert_eq!(FarLock::holder(&copy), None);
    take(&copy, false).unwrap();
}

#[test]
fn another_host_is_alive_when_it_wrote_a_moment_ago() {
    let dir = tempfile::tempdir().unwrap();
    from_elsewhere(dir.path(), 5, Duration::ZERO);
    let NoLock::Held(held) = take(dir.path(), false).unwrap_err() else { panic!("held, and nothing else") };
    assert!(held.to_string().contains("on `far`"), "{held}");
    assert_eq!(FarLock::holder(dir.path()).map(|who| who.host), Some("far".into()));
}

#[test]
fn another_host_is_dead_when_its_counter_stood_still() {
    let dir = tempfile::tempdir().unwrap();
    // However old the file is by any clock, it is watched for as long.
    from_elsewhere(dir.path(), 5, Duration::from_secs(3600));
    let (begin, mut looks) = (std::time::Instant::now(), 0);
    let lock = FarLock::acquire(dir.path(), &me(), PACE, false, &mut |_| {
        looks += 1;
        true
    });
    assert!(begin.elapsed() >= PACE.dead && looks > 1);
    assert_eq!(names(dir.path()), ["6"]);
    lock.unwrap().still_held().unwrap();
}

#[test]
fn another_host_is_alive_when_its_counter_moves() {
    let dir = tempfile::tempdir().unwrap();
    from_elsewhere(dir.path(), 5, Duration::from_secs(3600));
    let mut looks = 0;
    let refused = FarLock::acquire(dir.path(), &me(), PACE, false, &mut |_| {
        looks += 1;
        let path = dir.path().join("5");
        let text = std::fs::read_to_string(&path).unwrap();
        // Its clock is an hour behind; the counter is what counts.
        std::fs::write(&path, text.replace("\"count\":3", "\"count\":4")).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).unwrap();
        true
    });
    assert!(matches!(refused, Err(NoLock::Held(_))));
    assert_eq!((looks, names(dir.path())), (1, vec!["5".to_owned()]));
}

#[test]
fn who_was_passed_over_finds_out() {
    let dir = tempfile::tempdir().unwrap();
    let lock = take(dir.path(), false).unwrap();
    // Another host saw it stand still, and took the next number.
    from_elsewhere(dir.path(), 2, Duration::ZERO);
    std::fs::remove_file(dir.path().join("1")).unwrap();
    crate::process::wait_until(|| lock.still_held().is_err());
    let fault = lock.still_held().unwrap_err();
    assert!(fault.what.starts_with("another process has taken the lock `"), "{fault}");
    drop(lock);
    // It gives nothing back that is not its own.
    assert_eq!(names(dir.path()), ["2"]);
    assert_eq!(FarLock::holder(dir.path()).map(|who| who.host), Some("far".into()));
}

#[test]
fn of_many_at_once_one_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let inside = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let lock = take(dir.path(), true).unwrap();
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    lock.still_held().unwrap();
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!(names(dir.path()), ["30"]);
}
