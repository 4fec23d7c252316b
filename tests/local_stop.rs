//! The local backend with real processes: time limits, requests to stop, and what is left when somebody is killed.
//!
//! Whether processes are gone is learnt from a pipe: each holds its writing end, so its reading end comes to the end
//! when the last one has died.

#![allow(clippy::unwrap_used)]

mod local;

use flowrun::backend::local::{Local, Options};
use flowrun::port::{Backend, Job};
use local::{Bench, PATIENCE, shell};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, FlockOperation, Mode};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A named pipe that processes hold open while they live.
struct Alive {
    reader: File,
}

impl Alive {
    /// In the project, as `alive`; processes open it by `exec 9> alive`.
    fn new(project: &Path) -> Self {
        let path = project.join("alive");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        Self { reader: File::options().read(true).custom_flags(nonblocking).open(path).unwrap() }
    }

    /// Waits until there is something to read or everybody is gone.
    fn wait(&self) {
        let patience = rustix::time::Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let mut fds = [PollFd::new(&self.reader, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "somebody still holds the pipe");
    }

    /// Waits until `count` processes have written a line, `up`.
    fn up(&mut self, count: usize) {
        let mut text = Vec::new();
        while text.iter().filter(|&&b| b == b'\n').count() < count {
            self.wait();
            let mut buffer = [0; 64];
            let n = self.reader.read(&mut buffer).unwrap();
            assert!(n > 0, "all are gone already: {}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&buffer[..n]);
        }
    }

    /// Waits until nobody holds it; what they wrote meanwhile.
    fn gone(&mut self) -> String {
        let mut text = String::new();
        loop {
            self.wait();
            let mut buffer = [0; 64];
            match self.reader.read(&mut buffer).unwrap() {
                0 => return text,
                n => text.push_str(std::str::from_utf8(&buffer[..n]).unwrap()),
            }
        }
    }
}

/// Four processes that do not hear SIGTERM: a child, a grandchild, one in a group and one in a session of its own.
const STUBBORN: &str = "
    exec 9> alive
    trap '' TERM
    (sh -c 'echo up >&9; sleep 1000 & wait' & echo up >&9; sleep 1000) &
    timeout 1000 sh -c 'echo up >&9; sleep 1000; true' &
    setsid -w sh -c 'echo up >&9; sleep 1000; true' &
    wait
    ";

fn stubborn() -> Job {
    let mut job = shell(STUBBORN);
    job.grace_ms = 50;
    job
}

#[test]
fn after_its_time_all_that_it_started_is_gone() {
    let mut bench = Bench::new();
    let mut alive = Alive::new(&bench.project());
    let mut job = stubborn();
    job.time_ms = Some(300);
    bench.submit(job);
    alive.up(4);
    let end = bench.end();
    assert_eq!(
        end.failure(),
        "Timeout: stopped: it ran longer than its `time`, 300ms\ngive it more with `resources.time`"
    );
    assert_eq!(alive.gone(), "");
    assert!(end.outcome.usage.wall_us >= 350_000, "{:?}", end.outcome.usage);
}

#[test]
fn a_request_to_stop_leaves_time_to_put_things_in_order() {
    let mut bench = Bench::new();
    let mut alive = Alive::new(&bench.project());
    // The shell ends at once, what it has started needs its time.
    let saves = "exec 9> alive; (trap 'echo saved; echo saved >&9; exit' TERM; echo up >&9; while :; do sleep 0.01; done) & wait";
    let instance = bench.submit(shell(saves));
    alive.up(1);
    bench.local.as_mut().unwrap().cancel(&[instance], false).unwrap();
    let end = bench.end();
    assert_eq!(end.failure(), "Stopped: stopped on request\n");
    assert_eq!(String::from_utf8_lossy(&end.out), "saved\n");
    assert_eq!(alive.gone(), "saved\n");
}

#[test]
fn a_hard_request_kills_at_once_also_during_the_grace_period() {
    let mut bench = Bench::new();
    let mut alive = Alive::new(&bench.project());
    let mut job = stubborn();
    job.grace_ms = 1_000_000;
    let instance = bench.submit(job);
    alive.up(4);
    bench.local.as_mut().unwrap().cancel(&[instance], false).unwrap();
    bench.local.as_mut().unwrap().cancel(&[instance], true).unwrap();
    assert_eq!(bench.end().failure(), "Stopped: stopped on request\n");
    assert_eq!(alive.gone(), "");
}

#[test]
fn a_request_to_stop_is_heard_whenever_it_comes() {
    let mut bench = Bench::new();
    let mut job = shell("sleep 1000");
    job.grace_ms = 1;
    job.instance = flowrun::base::InstanceId(7);
    (job.project, job.workdir) = (bench.project(), Some(bench.project()));
    // Both orders in one breath; the second mostly comes before the process is started, and else it is killed.
    let local = bench.local.as_mut().unwrap();
    local.submit(vec![job]).unwrap();
    local.cancel(&[flowrun::base::InstanceId(7), flowrun::base::InstanceId(8)], true).unwrap();
    let end = bench.end();
    let failure = end.failure();
    assert_eq!(failure, "Stopped: stopped on request\n");
}

#[test]
fn a_descendant_left_behind_gets_a_log_of_its_own_and_ends_with_the_run() {
    let mut bench = Bench::new();
    let mut alive = Alive::new(&bench.project());
    let leaves = "exec 9> alive; mkfifo go; (setsid sh -c 'echo up >&9; read x < go; echo late; echo done >&9; sleep 1000' &) ; echo early";
    let first = bench.run(shell(leaves));
    alive.up(1);
    let second = bench.run(shell("echo > go; echo second"));
    alive.up(1);
    let third = bench.run(shell("echo third"));
    let segments: Vec<u32> = [&first, &second, &third].iter().map(|e| e.outcome.log.unwrap().segment).collect();
    assert_eq!(segments, [0, 1, 1]);
    assert_eq!((first.out.as_slice(), second.out.as_slice()), (&b"early\n"[..], &b"second\n"[..]));
    assert_eq!(third.out, b"third\n");
    assert_eq!(std::fs::read_to_string(bench.dir.path().join("run/logs/0.out")).unwrap(), "early\nlate\n");
    bench.local = None;
    assert_eq!(alive.gone(), "");
}

#[test]
fn when_the_executor_is_killed_its_tasks_die_and_the_driver_is_told() {
    let mut bench = Bench::new();
    let mut alive = Alive::new(&bench.project());
    // One in a session of its own would be beyond reach, for its new parent is the system's first process.
    let mut job = stubborn();
    let command = String::from_utf8(job.argv.pop().unwrap()).unwrap();
    job.argv.push(command.replace("setsid -w", "").into_bytes());
    bench.submit(job);
    alive.up(4);
    bench.submit(shell("kill -9 $PPID; sleep 1000"));
    assert_eq!(bench.broken(), "the process that executes tasks has failed: it was killed by SIGKILL (signal 9)");
    assert_eq!(alive.gone(), "");
}

/// Not a test: the driver that `kill_minus_nine` kills.
#[test]
#[ignore = "a part of another test"]
fn driver_to_be_killed() {
    let Some(dir) = std::env::var_os("LOCAL_TEST_DIR") else { return };
    let dir = Path::new(&dir);
    let lock = File::options().write(true).create(true).truncate(false).open(dir.join("lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    let (sender, reports) = crossbeam::channel::unbounded();
    let mut options = Options::new(dir.join("run"));
    options.program = env!("CARGO_BIN_EXE_flowrun").into();
    options.lock = Some(lock.into());
    let mut local = Local::open(options, sender).unwrap();
    let mut job = stubborn();
    (job.project, job.workdir) = (dir.to_owned(), Some(dir.to_owned()));
    let mut left = shell("exec 9> alive; (setsid sh -c 'echo up >&9; sleep 1000' &)");
    left.instance = flowrun::base::InstanceId(1);
    (left.project, left.workdir) = (dir.to_owned(), Some(dir.to_owned()));
    local.submit(vec![job, left]).unwrap();
    while reports.recv().is_ok() {}
}

#[test]
fn after_a_kill_of_the_driver_nothing_is_left_before_the_lock_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let mut alive = Alive::new(dir.path());
    let mut driver = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "driver_to_be_killed", "--nocapture"])
        .env("LOCAL_TEST_DIR", dir.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    alive.up(5);
    let lock = File::options().write(true).open(dir.path().join("lock")).unwrap();
    let held = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive);
    assert_eq!(held, Err(rustix::io::Errno::WOULDBLOCK));
    driver.kill().unwrap();
    driver.wait().unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    // Nobody is left, not even on the way out.
    let mut rest = [0; 64];
    assert_eq!(alive.reader.read(&mut rest).unwrap(), 0);
}
