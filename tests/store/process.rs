//! Processes for tests: this test program again, running one test that is ignored otherwise.

#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A test of this program to run as a process of its own, with a folder to work in.
pub struct Child {
    words: Vec<String>,
    folder: PathBuf,
}

impl Child {
    pub fn of(test: &str, folder: &Path) -> Self {
        let program = std::env::current_exe().unwrap().into_os_string().into_string().unwrap();
        let words = [&program, test, "--exact", "--ignored", "--nocapture", "--test-threads=1"];
        Self { words: words.map(str::to_owned).to_vec(), folder: folder.to_owned() }
    }

    /// Blocks of 512 bytes that a file may have; more is an error, as on a full disk.
    pub fn with_file_limit(self, blocks: u32) -> Self {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let words = ["sh".into(), "-c".into(), script, "sh".into()].into_iter().chain(self.words).collect();
        Self { words, ..self }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).env("STORE_TEST_FOLDER", &self.folder).env("TZ", "UTC");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command
    }

    pub fn spawn(&self) -> std::process::Child {
        self.command().spawn().unwrap()
    }

    pub fn output(&self) -> Output {
        self.command().output().unwrap()
    }

    /// In a namespace where `mount` was run on its folder, `$0`; `None` where that is not allowed.
    fn output_after(&self, mount: &str) -> Option<Output> {
        let unshare = ["unshare", "--mount", "--map-root-user", "--user", "sh", "-c"];
        let folder = self.folder.to_str().unwrap();
        let possible =
            Command::new(unshare[0]).args(&unshare[1..]).args([mount, folder]).stderr(Stdio::null()).status();
        if !possible.is_ok_and(|status| status.success()) {
            return None;
        }
        let script = format!("{mount} && exec \"$@\"");
        let words = unshare.map(str::to_owned).into_iter().chain([script, folder.to_owned()]);
        let words = words.chain(self.words.iter().cloned()).collect();
        Some(Self { words, folder: self.folder.clone() }.output())
    }

    /// With its folder mounted read-only; `None` where that is not allowed.
    pub fn output_in_read_only_folder(&self) -> Option<Output> {
        self.output_after("mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\"")
    }

    /// With an empty disk of a few hundred kB for its folder, gone afterwards; `None` where that is not allowed.
    pub fn output_on_a_small_disk(&self) -> Option<Output> {
        self.output_after("mount -t tmpfs -o size=400k none \"$0\"")
    }
}

/// The folder that the parent gave; `None`: this test was not started by another one, and has nothing to do.
pub fn given_folder() -> Option<PathBuf> {
    std::env::var_os("STORE_TEST_FOLDER").map(PathBuf::from)
}

/// Looks again and again for something that another process does, a minute at most.
pub fn wait_until(mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute in vain");
        std::thread::yield_now();
    }
}

/// Says in one line what this machine cannot show.
pub fn left_out(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "left out: {what}");
}
