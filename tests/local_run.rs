//! The local backend with real processes: ends, values, logs, what is handed over, what is measured.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod local;

use flowrun::lang::types::Type;
use local::{Bench, job, shell};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

#[test]
fn values_come_back() {
    let mut bench = Bench::new();
    let mut job = shell(
        r#"echo n=42 >> "$FLOWRUN_OUTPUT"; printf 'name=%s\n' "a b=c" >> "$FLOWRUN_OUTPUT"; echo hello; echo no >&2"#,
    );
    job.outputs =
        vec![local::value("n", Type::Int), local::value("name", Type::String), local::stdout("out", Type::String)];
    let end = bench.run(job);
    assert_eq!(end.values(), r#"42 "a b=c" "hello""#);
    assert_eq!((end.out.as_slice(), end.err.as_slice()), (&b"hello\n"[..], &b"no\n"[..]));
    assert_eq!(local::names(&bench.dir.path().join("run/work")), "kept", "nothing of the attempt is left");
    bench.local = None;
    assert_eq!(local::names(&bench.dir.path().join("run")), "logs");
}

#[test]
fn ends_are_told_apart() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(job(&["true"])).values(), "");
    assert_eq!(bench.run(shell("exit 3")).failure(), "Exit(3): exit status 3\n");
    assert_eq!(bench.run(shell("kill -9 $$")).failure(), "Signal(9): killed by SIGKILL (signal 9)\n");
    assert_eq!(
        bench.run(shell("sh -c 'kill -SEGV $$'; exit $?")).failure(),
        "Exit(139): exit status 139: a process in it was ended by SIGSEGV\n"
    );
    assert_eq!(
        bench.run(shell("sh -c 'kill -9 $$'; exit $?")).failure(),
        "Exit(137): exit status 137: a process in it was ended by SIGKILL\n"
    );
}

#[test]
fn values_that_are_wrong_fail_the_attempt() {
    let mut bench = Bench::new();
    let mut wrong = |command: &str, ty: Type| {
        let mut job = shell(command);
        job.outputs = vec![local::value("n", ty)];
        bench.run(job).failure()
    };
    assert_eq!(
        wrong("true", Type::Int),
        "OutputMissing: the output `n` (int) was not written to $FLOWRUN_OUTPUT\n`echo \"n=…\" >> \"$FLOWRUN_OUTPUT\"`"
    );
    assert_eq!(
        wrong("echo n=1.5 > $FLOWRUN_OUTPUT", Type::Int),
        "OutputInvalid: the output `n`, line 1 of $FLOWRUN_OUTPUT: the value is a float (`1.5`), not an int\n\
         `n` is declared as `int`"
    );
    assert_eq!(wrong("echo n=1 > $FLOWRUN_OUTPUT; exit 1", Type::Int), "Exit(1): exit status 1\n");
    let mut job = shell("echo yes");
    job.outputs = vec![local::stdout("ok", Type::Bool)];
    assert_eq!(
        bench.run(job).failure(),
        "OutputInvalid: the output `ok`, standard output: `yes` is not a bool: write `true` or `false`\n\
         `ok` is declared as `bool`"
    );
}

#[test]
fn a_value_that_is_not_utf8_comes_back_byte_for_byte() {
    let mut bench = Bench::new();
    let mut job = job(&["sh", "-c", r#"printf 'p=%s\n' "$1" > "$FLOWRUN_OUTPUT"; printf %s "$2""#, "sh"]);
    let hostile: [&[u8]; 2] = [b"a\xff'\"$(x)\\", b"-n \x80 `"];
    job.argv.extend(hostile.map(<[u8]>::to_vec));
    job.outputs = vec![local::value("p", Type::Path), local::stdout("s", Type::String)];
    let produced = bench.run(job).produced();
    let bytes = |p: &flowrun::event::Produced| p.value().as_bytes().unwrap().to_vec();
    assert_eq!(produced.iter().map(bytes).collect::<Vec<_>>(), hostile);
}

#[test]
fn each_attempt_has_its_range_of_the_logs() {
    let mut bench = Bench::new();
    let ends: Vec<_> = (0..3).map(|i| bench.run(shell(&format!("echo out {i}; echo err {i} >&2")))).collect();
    for (i, end) in ends.iter().enumerate() {
        assert_eq!(String::from_utf8_lossy(&end.out), format!("out {i}\n"));
        assert_eq!(String::from_utf8_lossy(&end.err), format!("err {i}\n"));
    }
    let logs: Vec<_> = ends.iter().map(|end| end.outcome.log.unwrap()).collect();
    assert_eq!(logs.iter().map(|l| (l.segment, l.out)).collect::<Vec<_>>(), [(0, (0, 6)), (0, (6, 6)), (0, (12, 6))]);
    assert_eq!(local::names(&bench.dir.path().join("run/logs")), "0.err 0.out");
}

#[test]
fn nothing_of_ours_leaks_into_a_task() {
    let mut bench = Bench::new();
    // What this process itself hands to every child.
    let inherited: Vec<u32> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .filter(|fd| {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("02000000");
            u64::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 == 0
        })
        .collect();
    let script = "import os, signal
fds = {int(fd) for fd in os.listdir('/proc/self/fd')}
print(sorted(fd for fd in fds if os.path.exists(f'/proc/self/fd/{fd}')))
print(os.readlink('/proc/self/fd/0'), repr(os.read(0, 1)), os.getpgid(0) == os.getpid())
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), [s for s in (1, 2, 3, 10, 12, 15, 17) if signal.getsignal(s) == signal.SIG_IGN])
try: print(open('/dev/tty'))
except OSError as e: print(e.strerror)
";
    let mut job = job(&["python3", "-S", "-c", script]);
    job.env = vec![(b"FLOWRUN_OUTPUT".to_vec(), b"mine".to_vec())];
    let end = bench.run(job);
    end.values();
    let mut expected = inherited;
    expected.sort_unstable();
    assert_eq!(
        String::from_utf8_lossy(&end.out),
        format!("{expected:?}\n/dev/null b'' True\nset() []\nNo such device or address\n")
    );
}

#[test]
fn the_environment_is_inherited_and_the_jobs_on_top() {
    let mut bench = Bench::new();
    let mut job = shell(r#"printf '%s|%s|%s|' "$HOME" "$ODD" "${FLOWRUN_VARS-unset}"; basename "$FLOWRUN_OUTPUT""#);
    job.env = vec![(b"ODD".to_vec(), b" \xff\n=".to_vec()), (b"HOME".to_vec(), b"/h".to_vec())];
    assert_eq!(bench.run(job).out, b"/h| \xff\n=|unset|0.1.output\n");

    let mut job = shell(r#"cat "$FLOWRUN_VARS"; stat -c ' %a' "$FLOWRUN_VARS""#);
    job.vars = Some(br#"{"vars":{}}"#.to_vec());
    assert_eq!(bench.run(job).out, b"{\"vars\":{}} 600\n");
}

#[test]
fn where_it_starts() {
    let mut bench = Bench::new();
    let odd = bench.project().join(std::ffi::OsString::from_vec(b"o\xff\n".to_vec()));
    std::fs::create_dir(&odd).unwrap();
    let mut at = job(&["pwd"]);
    at.workdir = Some(odd.clone());
    let end = bench.run(at);
    end.values();
    assert_eq!(end.out, [odd.into_os_string().into_vec().as_slice(), b"\n"].concat());

    let mut scratch = shell("touch x; ls; pwd");
    scratch.workdir = None;
    let end = bench.run(scratch);
    end.values();
    let out = String::from_utf8(end.out).unwrap();
    let folder = out.strip_prefix("x\n").unwrap().trim_end();
    assert!(folder.ends_with("run/work/1.1.scratch") && !std::path::Path::new(folder).exists(), "{folder}");

    let mut gone = job(&["true"]);
    gone.workdir = Some("/no/such".into());
    assert_eq!(
        bench.run(gone).failure(),
        "NotStarted: cannot start in the folder `/no/such`: no such file or directory\n"
    );
}

#[test]
fn a_program_that_cannot_be_started_is_named_with_where_it_was_looked_for() {
    let mut bench = Bench::new();
    let at = |name: &str| bench.path(name).display().to_string();
    let (tool, plain, lost, folder) = (at("bin/tool"), at("plain"), at("lost"), at("folder"));
    let (project, bin) = (bench.project(), at("bin"));
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(&folder).unwrap();
    bench.write("bin/tool", "#!/bin/sh\n");
    bench.write("plain", "echo\n");
    bench.write("lost", "#!/opt/no/python -u\n");
    for name in ["plain", "lost"] {
        std::fs::set_permissions(bench.path(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut fails = |argv: &[&str]| {
        let mut job = job(argv);
        job.env = vec![(b"PATH".to_vec(), format!("/no/such:{bin}").into_bytes())];
        let end = bench.run(job);
        assert_eq!(end.outcome.log, None);
        end.failure()
    };
    assert_eq!(fails(&["tol"]), format!("NotStarted: the program `tol` was not found\nlooked in `/no/such`, `{bin}`"));
    assert_eq!(
        fails(&["tool"]),
        format!("NotStarted: `{tool}` is not executable\n`chmod +x {tool}`, if it is a program")
    );
    assert_eq!(
        fails(&["./gone"]),
        format!("NotStarted: the program `./gone` does not exist\nlooked for `{}/./gone`", project.display())
    );
    assert_eq!(fails(&["/gone"]), "NotStarted: the program `/gone` does not exist\n");
    assert_eq!(fails(&[""]), "NotStarted: the name of the program is empty\n");
    assert_eq!(fails(&[&folder]), format!("NotStarted: `{folder}` is a folder, not a program\n"));
    assert_eq!(
        fails(&[&lost]),
        format!(
            "NotStarted: `{lost}` cannot be started: its first line names `/opt/no/python`, which does not exist\n\
             install that program, or mend the line"
        )
    );
    assert_eq!(
        fails(&[&plain]),
        format!(
            "NotStarted: `{plain}` is neither a program for this system nor a script\n\
             a script begins with a line such as `#!/bin/sh`"
        )
    );
}

#[test]
fn a_command_that_a_shell_does_not_find_is_named() {
    let mut bench = Bench::new();
    let mut fails = |shell: &str, command: &str| {
        let mut job = job(&[shell, "-c", command]);
        job.env = vec![(b"PATH".to_vec(), b"/usr/bin:/bin".to_vec())];
        bench.run(job).failure()
    };
    let lost = "Exit(127): exit status 127: the command `samtols` was not found\nlooked in `/usr/bin`, `/bin`";
    assert_eq!(fails("bash", "true; samtols view x"), lost);
    assert_eq!(fails("dash", "true; samtols view x"), lost);
    assert_eq!(fails("bash", "env samtols"), lost);
    assert_eq!(fails("bash", "./nowhere"), "Exit(127): exit status 127: there is no `./nowhere`\n");
    assert_eq!(
        fails("bash", "touch t; ./t"),
        "Exit(126): exit status 126: `./t` cannot be executed\n`chmod +x ./t`, if it is a program"
    );
    assert_eq!(
        fails("dash", "./t"),
        "Exit(126): exit status 126: `./t` cannot be executed\n`chmod +x ./t`, if it is a program"
    );
    assert_eq!(
        fails("bash", "exit 127"),
        "Exit(127): exit status 127: a command was not found\nlooked in `/usr/bin`, `/bin`"
    );
}

#[test]
fn long_texts_travel_as_files() {
    let mut bench = Bench::new();
    let long = "x".repeat(200_000);
    let mut script = job(&["bash", "-eu"]);
    script.script = Some(format!("printf %s '{long}'\n").into_bytes());
    let end = bench.run(script);
    end.values();
    assert_eq!(end.out.len(), 200_000);

    assert_eq!(
        bench.run(job(&["printf", "%s", &long])).failure(),
        "NotStarted: argument 2 of `printf` has 200000 bytes; the system takes 131071 at most\n\
         hand long values over in a file: declare them in `vars` and read them from the JSON file `$FLOWRUN_VARS`"
    );
    let mut end = job(&["printf", "%s", &long[..131_071]]);
    assert_eq!(bench.run(end.clone()).out.len(), 131_071);
    end.env = vec![(b"LONG".to_vec(), long.clone().into_bytes())];
    assert_eq!(
        bench.run(end).failure(),
        "NotStarted: the variable `LONG` has 200005 bytes; the system takes 131071 at most\n\
         hand long values over in a file: declare them in `vars` and read them from the JSON file `$FLOWRUN_VARS`"
    );
    let mut many = job(&["true"]);
    many.argv.extend(vec![vec![b'x'; 100_000]; 100]);
    assert_eq!(
        bench.run(many).failure(),
        "NotStarted: the arguments and the environment of `/usr/bin/true` are too long together\n\
         hand long values over in a file: declare them in `vars` and read them from the JSON file `$FLOWRUN_VARS`"
    );
    assert_eq!(
        bench.run(job(&["echo", "a\0b"])).failure(),
        "NotStarted: argument 1 of `echo` holds a NUL byte, which no process can be given\n"
    );
}

#[test]
fn what_is_measured() {
    let mut bench = Bench::new();
    let end = bench.run(shell("dd if=/dev/zero of=/dev/null bs=50M count=1 2> /dev/null; true"));
    end.values();
    let usage = &end.outcome.usage;
    let mb = 1 << 20;
    assert!((50 * mb..80 * mb).contains(&usage.peak_bytes), "{usage:?}");
    assert!((50 * mb..51 * mb).contains(&usage.read_bytes), "{usage:?}");
    assert!((50 * mb..51 * mb).contains(&usage.written_bytes), "{usage:?}");
    assert!(usage.system_us > 0 && usage.wall_us >= usage.system_us / 2, "{usage:?}");

    let usage = bench.run(shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")).outcome.usage;
    assert!(usage.user_us > 1000 && usage.user_us > usage.system_us, "{usage:?}");
    assert!(usage.peak_bytes < 40 * mb, "{usage:?}");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    assert!((now - 60_000..=now).contains(&usage.began), "{usage:?}");
}

#[test]
fn an_input_that_changes_meanwhile_is_not_trusted() {
    let mut bench = Bench::new();
    bench.write("in", "one");
    let stat = |bench: &Bench| flowrun::sys::content::stat_path(&bench.path("in")).unwrap();
    let mut reads = shell("cat in");
    reads.watched = vec![(bench.path("in"), stat(&bench))];
    assert!(bench.run(reads.clone()).trusted);
    reads.argv[4] = b"echo two >> in".to_vec();
    assert!(!bench.run(reads.clone()).trusted);
    reads.watched = vec![(bench.path("in"), stat(&bench))];
    reads.argv[4] = b"rm in".to_vec();
    assert!(!bench.run(reads).trusted);
}

/// Not a test: what `killed_for_lack_of_memory_is_said` runs inside a control group of 96 MiB.
#[test]
#[ignore = "a part of another test"]
fn inside_a_small_group() {
    let mut bench = Bench::new();
    let out_of_memory =
        "Oom: killed for lack of memory\ngive it more with `resources.memory`, or run fewer at once with `-j`";
    assert_eq!(bench.run(shell("kill -9 $$")).failure(), "Signal(9): killed by SIGKILL (signal 9)\n");
    assert_eq!(bench.run(job(&["python3", "-c", "x = bytearray(300 << 20)"])).failure(), out_of_memory);
    assert_eq!(bench.run(shell("python3 -c 'x = bytearray(300 << 20)'; true")).failure(), out_of_memory);
    assert_eq!(bench.run(shell("kill -9 $$")).failure(), "Signal(9): killed by SIGKILL (signal 9)\n");
    assert_eq!(flowrun::sys::memory(), 96 << 20);
}

#[test]
fn killed_for_lack_of_memory_is_said() {
    let Some(folders) = flowrun::sys::cgroup::folders("memory") else { return };
    let group = folders.list[0].join(format!("flowrun-test-{}", std::process::id()));
    let limit = if folders.unified { "memory.max" } else { "memory.limit_in_bytes" };
    let made = std::fs::create_dir(&group).and_then(|()| std::fs::write(group.join(limit), "100663296"));
    if made.is_err() {
        let _ = std::fs::remove_dir(&group);
        eprintln!("left out: it needs the right to make a control group");
        return;
    }
    let output = std::process::Command::new("sh")
        .args(["-c", r#"echo $$ > "$1/cgroup.procs" && exec "$2" --ignored --exact inside_a_small_group"#, "sh"])
        .arg(&group)
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    std::fs::remove_dir(&group).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
