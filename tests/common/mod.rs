//! A project in a folder of its own, the `flowrun` binary run on it with a clean environment, and what it said.
//!
//! What changes from run to run (times, digests, process ids, the folder) is replaced in one place, [`redacted`], so
//! that a test can show the complete text. `SNAPSHOTS=overwrite cargo test` writes the texts anew.

#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

use snapbox::IntoData;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A pipeline's folder, removed at the end of the test.
pub struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { dir: tempfile::Builder::new().prefix("flowrun-story-").tempdir().unwrap() }
    }

    /// A folder with this `pipeline.toml`.
    pub fn new(pipeline: &str) -> Self {
        let project = Self::empty();
        project.write("pipeline.toml", pipeline);
        project
    }

    /// A copy of a folder of the package, without what runs left in it.
    pub fn copy_of(folder: &str) -> Self {
        let project = Self::empty();
        copy(&package(folder), project.dir());
        project
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Replaces the one place in a file where `old` stands.
    pub fn edit(&self, name: &str, old: &str, new: &str) -> &Self {
        let text = self.read(name);
        assert_eq!(text.matches(old).count(), 1, "`{old}` must stand once in {name}");
        self.write(name, text.replace(old, new))
    }

    pub fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The lines of a file that tasks append to: how often each ran. No file is no line.
    pub fn lines(&self, name: impl AsRef<Path>) -> Vec<String> {
        std::fs::read_to_string(self.path(name)).unwrap_or_default().lines().map(String::from).collect()
    }

    /// The lines, sorted: for tasks that run side by side.
    pub fn sorted_lines(&self, name: impl AsRef<Path>) -> Vec<String> {
        let mut lines = self.lines(name);
        lines.sort();
        lines
    }

    /// `flowrun` with these words, to be run in the project's folder. Nothing of the tester's environment gets in.
    pub fn command<I>(&self, words: I) -> Command
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowrun"));
        command.args(words).current_dir(self.dir()).stdin(Stdio::null());
        clean(&mut command, self.dir());
        command
    }

    /// Runs `flowrun` with the words of one line, split at blanks.
    pub fn run(&self, line: &str) -> Said {
        self.run_words(line.split_whitespace())
    }

    /// Runs `flowrun` with these words.
    pub fn run_words<I>(&self, words: I) -> Said
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.said(&mut self.command(words))
    }

    /// Runs a prepared command to its end.
    pub fn said(&self, command: &mut Command) -> Said {
        Said::new(command.output().unwrap(), self.dir())
    }

    /// Starts `flowrun` in a process group of its own, and does not wait.
    pub fn start(&self, line: &str) -> Live {
        self.live(self.command(line.split_whitespace()))
    }

    /// Starts a prepared command in a process group of its own, and does not wait.
    pub fn live(&self, mut command: Command) -> Live {
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        Live { child: Some(command.spawn().unwrap()), dir: self.dir().to_path_buf() }
    }

    /// Waits until a file of the project is there and `ready` likes its text.
    pub fn wait_for(&self, name: &str, ready: impl Fn(&str) -> bool) {
        let path = self.path(name);
        until(|| std::fs::read_to_string(&path).is_ok_and(|text| ready(&text)), &format!("{name} is as expected"));
    }
}

/// A running `flowrun`.
pub struct Live {
    child: Option<Child>,
    dir: PathBuf,
}

impl Live {
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Sends a signal to flowrun itself, by the name that `kill` knows.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Whether it has ended; it is still to be waited for.
    pub fn has_ended(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Said {
        Said::new(self.child.take().unwrap().wait_with_output().unwrap(), &self.dir)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A `flowrun` that has begun to follow run 1, with what it says in files of the project.
pub struct Follower<'p> {
    project: &'p Project,
    name: String,
    child: Child,
}

impl<'p> Follower<'p> {
    /// Starts it, and waits until it follows.
    pub fn of(project: &'p Project, name: &str, mut command: Command) -> Self {
        let file = |end: &str| std::fs::File::create(project.path(format!("{name}.{end}"))).unwrap();
        let child = command.stdout(file("out")).stderr(file("err")).spawn().unwrap();
        project.wait_for(&format!("{name}.err"), |text| text.starts_with("run 1 "));
        Self { project, name: name.into(), child }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Said {
        let status = self.child.wait().unwrap();
        let read = |end: &str| self.project.read(format!("{}.{end}", self.name)).into_bytes();
        Said::new(Output { status, stdout: read("out"), stderr: read("err") }, self.project.dir())
    }
}

/// What a command said, and how it ended.
#[derive(Clone)]
pub struct Said {
    /// The exit code; a signal's number plus 128.
    pub code: i32,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    dir: PathBuf,
}

impl Said {
    fn new(output: Output, dir: &Path) -> Self {
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap());
        Self { code, out: output.stdout, err: output.stderr, dir: dir.to_path_buf() }
    }

    /// Asserts the complete text: exit code, standard output, standard error, redacted.
    #[track_caller]
    pub fn shows(&self, expected: impl IntoData) -> &Self {
        let same = snapbox::Assert::new().action_env("SNAPSHOTS");
        same.eq(self.text().into_data().raw(), expected.into_data().raw());
        self
    }

    /// Asserts the exit code; on another one it shows everything that was said.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "the exit code is not {code}:\n{}", self.text());
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error} in:\n{}", self.text()))
    }

    /// Standard output as it is.
    #[track_caller]
    pub fn out(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Everything, redacted.
    pub fn text(&self) -> String {
        let mut text = format!("exit {}\n", self.code);
        for (name, bytes) in [("out", &self.out), ("err", &self.err)] {
            if !bytes.is_empty() {
                let said = redacted(&String::from_utf8_lossy(bytes), &self.dir);
                write!(text, "--- {name}\n{said}").unwrap();
                if !said.ends_with('\n') {
                    text.push_str("(no newline)\n");
                }
            }
        }
        text
    }
}

/// Replaces what changes from run to run. The only place that does.
pub fn redacted(text: &str, dir: &Path) -> String {
    let real = dir.canonicalize().unwrap_or(dir.to_path_buf());
    let text = text.replace(real.to_str().unwrap(), "[PROJECT]").replace(dir.to_str().unwrap(), "[PROJECT]");
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut i) = (String::new(), 0);
    while i < chars.len() {
        let inside_word = i > 0 && (chars[i - 1].is_alphanumeric() || matches!(chars[i - 1], '_' | '.' | '-'));
        let word: String = chars[i..].iter().take_while(|c| c.is_ascii_alphanumeric()).collect();
        if !inside_word && word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit()) {
            out.push_str("[DIGEST]");
            i += word.len();
        } else if let Some(length) = (!inside_word).then(|| time_length(&chars[i..])).flatten() {
            // In a column of times the blanks before one depend on the others.
            let column = out.trim_end_matches(' ').len();
            if out[..column].ends_with("UTC") && out.len() > column + 1 {
                out.truncate(column + 2);
            }
            out.push_str("[TIME]");
            i += length;
        } else if ["pid ", "process "].iter().any(|before| out.ends_with(before))
            && !word.is_empty()
            && word.chars().all(|c| c.is_ascii_digit())
        {
            out.push_str("[PID]");
            i += word.len();
        } else if ["UTC on ", "[PID] on `", "on host "].iter().any(|before| out.ends_with(before))
            || out.ends_with("[PID] on ") && !["", "host"].contains(&word.as_str())
        {
            out.push_str("[HOST]");
            i += chars[i..].iter().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).count();
        } else if out.ends_with("\"wall_s\": ") {
            out.push_str("[TIME]");
            i += chars[i..].iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
        } else {
            out.push(chars[i]);
            i += 1;
        }
    }
    out
}

/// How long the time that stands first is: `12 ms`, `0.5 s`, `3m04s`, `2h05m`, `2026-11-21 01:42:03`, `01:42:03`.
fn time_length(chars: &[char]) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or(' ');
    let digits = chars.iter().take_while(|c| c.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let shape: String =
        chars.iter().take(19).map(|c| if c.is_ascii_digit() { '0' } else { *c }).collect::<String>().replace('T', " ");
    for clock in ["0000-00-00 00:00:00", "0000-00-00 00:00", "00:00:00"] {
        if shape.starts_with(clock) {
            let zone = chars[clock.len()..].iter().take_while(|c| matches!(c, 'Z' | '.' | '+') || c.is_ascii_digit());
            return Some(clock.len() + zone.count());
        }
    }
    let mut end = digits;
    if at(end) == '.' && at(end + 1).is_ascii_digit() {
        end += 1 + chars[end + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
    }
    let ends = |end: usize| !at(end).is_alphanumeric();
    for unit in [" ms", " s", "ms", "s"] {
        if chars[end..].iter().copied().take(unit.len()).collect::<String>() == unit && ends(end + unit.len()) {
            return Some(end + unit.len());
        }
    }
    let pair = matches!((at(end), at(end + 3)), ('m', 's') | ('h', 'm') | ('d', 'h'));
    (pair && at(end + 1).is_ascii_digit() && at(end + 2).is_ascii_digit() && ends(end + 4)).then_some(end + 4)
}

/// An environment that holds nothing of the tester's but where temporary files are. Programs are those of Debian.
fn clean(command: &mut Command, home: &Path) {
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC");
    for name in ["TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// A path of the package.
pub fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Copies a folder, file modes too, but nothing that runs left in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if [".flowrun", "results", "__pycache__"].iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file under a folder with its bytes, by relative path: to compare results byte for byte.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut todo, mut found) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push((path.strip_prefix(folder).unwrap().to_path_buf(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Sends a signal by the name that `kill` knows.
pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap().success());
}

/// Waits until something is so; fails after a minute.
#[track_caller]
pub fn until(so: impl Fn() -> bool, what: &str) {
    let begin = std::time::Instant::now();
    while !so() {
        assert!(begin.elapsed().as_secs() < 60, "waited a minute until {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The large counts of `tests/long`, or the small ones.
pub fn long<T>(large: T, small: T) -> T {
    if std::env::var_os("FLOWRUN_LONG").is_some() { large } else { small }
}

/// Keeps a measured figure for `tests/long` to print.
pub fn figure(text: &str) {
    eprintln!("{text}");
    if let Some(path) = std::env::var_os("FLOWRUN_FIGURES") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{text}").unwrap();
    }
}

/// The text of a path, for messages and commands.
pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
