//! The local backend with real processes: declared files and directories.

#![allow(clippy::unwrap_used)]

mod local;

use flowrun::base::Digest;
use flowrun::event::Produced;
use flowrun::port::Job;
use local::{Bench, shell};

/// A job that declares `outputs.x = { file = "out/x.txt" }`.
fn writes(command: &str) -> Job {
    let mut job = shell(command);
    job.outputs = vec![local::file("x", "out/x.txt")];
    job
}

fn names(bench: &Bench) -> String {
    local::names(&bench.path("out"))
}

#[test]
fn a_staged_file_is_put_in_place_after_success() {
    let mut bench = Bench::new();
    let end = bench.run(writes("test -d out; test ! -e out/x.txt; echo one > out/.part.x.txt"));
    let Produced::Artifact { path, digest, size, dir, .. } = &end.produced()[0] else { panic!("a value") };
    assert_eq!((path.to_json().as_str(), *digest, *size, *dir), (r#""out/x.txt""#, Digest::of(b"one\n"), 4, false));
    assert_eq!(end.stats[0], Some(flowrun::sys::content::stat_path(&bench.path("out/x.txt")).unwrap()));
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "one\n"));

    bench.run(writes("test ! -e out/.part.x.txt; test ! -e out/x.txt; echo two > out/.part.x.txt")).values();
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "two\n"));
}

#[test]
fn after_a_failure_everything_is_as_it_was() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(writes("echo half > out/.part.x.txt; exit 1")).failure(), "Exit(1): exit status 1\n");
    assert_eq!(names(&bench), "");
    bench.run(writes("echo half > out/x.txt; exit 1")).failure();
    assert_eq!(names(&bench), "");
    bench.write("out/x.txt", "old");
    bench.run(writes("echo half > out/.part.x.txt; exit 1")).failure();
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "old"));
    bench.run(writes("echo half > out/x.txt; exit 1")).failure();
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "old"));
}

#[test]
fn a_command_may_write_the_declared_path_itself() {
    let mut bench = Bench::new();
    bench.run(writes("echo one > out/x.txt")).values();
    bench.run(writes("echo two > out/x.txt")).values();
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "two\n"));
    assert_eq!(
        bench.run(writes("echo three > out/x.txt; echo four > out/.part.x.txt")).failure(),
        "OutputInvalid: the output `x` was written twice: `out/x.txt` and `out/.part.x.txt` are both there\n\
         write only to `{{ outputs.x }}`"
    );
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "two\n"));
}

#[test]
fn what_is_missing_or_of_another_kind_is_named() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.run(writes("true")).failure(),
        "OutputMissing: the output `x` was not written: `out/x.txt` is not there\n\
         the command must write it to `{{ outputs.x }}`"
    );
    assert_eq!(
        bench.run(writes("mkdir out/.part.x.txt")).failure(),
        "OutputInvalid: the output `x`: `out/x.txt` is a directory, not a file\n\
         declare it as `outputs.x = { dir = … }`"
    );
    assert_eq!(
        bench.run(writes("ln -s nowhere out/.part.x.txt")).failure(),
        "OutputInvalid: the output `x`: `out/x.txt` is a link to nothing\n"
    );
    assert_eq!(
        bench.run(writes("mkfifo out/.part.x.txt")).failure(),
        "OutputInvalid: the output `x`: `out/x.txt` is neither a file nor a directory\n"
    );
    let mut dir = shell("rmdir out/.part.d; echo > out/.part.d");
    dir.outputs = vec![local::dir("d", "out/d/")];
    assert_eq!(
        bench.run(dir).failure(),
        "OutputInvalid: the output `d`: `out/d/` is a file, not a directory\ndeclare it as `outputs.d = { file = … }`"
    );
    let mut two = writes("true");
    two.outputs.push(local::file("y", "out/y"));
    assert_eq!(
        bench.run(two).failure(),
        "OutputMissing: the outputs `x` and `y` were not written: `out/x.txt` is not there\n\
         the command must write it to `{{ outputs.x }}`"
    );
    assert_eq!(names(&bench), "");
}

#[test]
fn of_several_outputs_all_are_put_in_place_or_none() {
    let mut bench = Bench::new();
    let job = |command: &str| {
        let mut job = shell(command);
        job.outputs = vec![local::file("bam", "x.bam"), local::file("bai", "x.bam.bai"), local::dir("d", "d")];
        job
    };
    let good = job("echo 1 > .part.x.bam; echo 2 > .part.x.bam.bai; mkdir .part.d/sub; echo 3 > .part.d/sub/f");
    let end = bench.run(good.clone());
    assert_eq!(end.values(), r#""x.bam" "x.bam.bai" "d""#);
    assert!(end.stats[0].is_some() && end.stats[2].is_none());
    let first = end.produced()[2].clone();
    let Produced::Artifact { size, dir, .. } = &first else { panic!("a value") };
    assert_eq!((*size, *dir), (2, true));
    assert_eq!((bench.names().as_str(), bench.read("d/sub/f").as_str()), ("d x.bam x.bam.bai", "3\n"));

    bench.run(job("echo 4 > .part.x.bam; echo 5 > .part.d/f")).failure();
    let is = |bench: &Bench| [bench.names(), bench.read("x.bam"), local::names(&bench.path("d"))].join("|");
    assert_eq!(is(&bench), "d x.bam x.bam.bai|1\n|sub");
    assert_eq!(bench.run(good).produced()[2], first, "a directory has the digest of what is in it");
    assert_eq!(is(&bench), "d x.bam x.bam.bai|1\n|sub");
}

#[test]
fn a_directory_is_there_empty_and_may_stay_so() {
    let mut bench = Bench::new();
    let job = |command: &str| {
        let mut job = shell(command);
        job.outputs = vec![local::dir("d", "d")];
        job
    };
    bench.run(job("test -z \"$(ls -A .part.d)\"")).values();
    assert_eq!((bench.names().as_str(), local::names(&bench.path("d")).as_str()), ("d", ""));
    bench.run(job("test ! -e d; mkdir d; echo > d/itself")).values();
    assert_eq!((bench.names().as_str(), local::names(&bench.path("d")).as_str()), ("d", "itself"));
    bench.run(job("mkdir d; echo > d/x; echo > .part.d/y")).failure();
    assert_eq!((bench.names().as_str(), local::names(&bench.path("d")).as_str()), ("d", "itself"));
}

#[test]
fn an_attempt_that_was_cut_off_is_cleared_away_by_the_next_one() {
    let mut bench = Bench::new();
    std::fs::create_dir(bench.path("out")).unwrap();
    // Killed while the command was writing.
    bench.write("out/.kept.x.txt", "old");
    bench.write("out/.part.x.txt", "half");
    bench.run(writes("test ! -e out/.part.x.txt; exit 1")).failure();
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "old"));
    // Killed after a command had begun to write the declared path itself.
    std::fs::rename(bench.path("out/x.txt"), bench.path("out/.kept.x.txt")).unwrap();
    bench.write("out/x.txt", "half");
    bench.run(writes("exit 1")).failure();
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "old"));
}

#[test]
fn what_was_moved_aside_is_put_back_when_the_run_is_opened_again() {
    let mut bench = Bench::new();
    bench.run(writes("echo old > out/.part.x.txt")).values();
    let mut hangs = shell("echo up; echo half > out/.part.x.txt; kill -9 $PPID; sleep 1000");
    hangs.outputs = vec![local::file("x", "out/x.txt")];
    bench.submit(hangs);
    assert_eq!(bench.broken(), "the process that executes tasks has failed: it was killed by SIGKILL (signal 9)");
    assert_eq!(names(&bench), ".kept.x.txt .part.x.txt");
    bench.reopen();
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), (".part.x.txt x.txt", "old\n"));
    bench.run(writes("echo new > out/.part.x.txt")).values();
    assert_eq!((names(&bench).as_str(), bench.read("out/x.txt").as_str()), ("x.txt", "new\n"));
}

#[test]
fn a_new_run_puts_back_what_an_earlier_one_left_but_not_what_a_living_one_has_moved() {
    let mut bench = Bench::new();
    let run = |number: &str| bench.dir.path().join("runs").join(number);
    for (number, name) in [("3", "dead"), ("4", "alive")] {
        std::fs::create_dir_all(run(number).join("work")).unwrap();
        let path = bench.path(name).into_os_string().into_encoded_bytes();
        std::fs::write(run(number).join("work/kept"), [path.as_slice(), b"\0"].concat()).unwrap();
    }
    bench.write(".kept.dead", "old");
    bench.write("dead", "half");
    bench.write(".kept.alive", "old");
    let living = std::fs::File::open(run("4").join("work/kept")).unwrap();
    rustix::fs::flock(&living, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let dir = run("5");
    bench.open(&dir);
    assert_eq!((bench.names().as_str(), bench.read("dead").as_str()), (".kept.alive dead", "old"));
}

#[test]
fn a_path_that_cannot_be_made_is_named() {
    let mut bench = Bench::new();
    bench.write("plain", "");
    let mut job = shell("true");
    job.outputs = vec![local::file("x", "plain/x")];
    let folder = bench.path("plain");
    assert_eq!(
        bench.run(job.clone()).failure(),
        format!("Prepare: the output `x`: cannot make the folder `{}`: file exists\n", folder.display())
    );
    job.outputs = vec![local::file("x", &"n".repeat(250))];
    assert_eq!(
        bench.run(job).failure(),
        format!("Prepare: the output `x`: the name of `{}…` is too long\n249 bytes are possible", "n".repeat(120))
    );
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let mut bench = Bench::new();
    if !bench.mount_small("small") {
        return;
    }
    let mut job = shell("head -c 10000000 /dev/zero > small/.part.x");
    job.outputs = vec![local::file("x", "small/x")];
    let end = bench.run(job.clone());
    assert_eq!(end.failure(), "Exit(1): exit status 1\n");
    assert!(String::from_utf8_lossy(&end.err).contains("No space left on device"));
    assert_eq!(local::names(&bench.path("small")), "");

    bench.remount_read_only("small");
    job.outputs = vec![local::file("x", "small/deep/x")];
    let folder = bench.path("small/deep");
    assert_eq!(
        bench.run(job).failure(),
        format!(
            "Prepare: the output `x`: cannot make the folder `{}`: read-only file system\n\
             the file system is mounted read-only: work on a copy elsewhere",
            folder.display()
        )
    );
}
