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

    /// In a namespace of its own, after the shell's `mount` was run with its folder as `$0`.
    fn output_after(self, unshare: &[&str], mount: &str) -> Output {
        let script = format!("{mount} && exec \"$@\"");
        let folder = self.folder.to_str().unwrap().to_owned();
        let shell = ["sh".into(), "-c".into(), script, folder];
        let words = unshare.iter().map(|word| (*word).to_owned()).chain(shell).chain(self.words).collect();
        Self { words, folder: self.folder }.output()
    }

    /// With its folder mounted read-only.
    pub fn output_in_read_only_folder(self) -> Output {
        self.output_after(USER, "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\"")
    }

    /// With an empty disk of a few hundred kB for its folder, gone afterwards.
    pub fn output_on_a_small_disk(self) -> Output {
        self.output_after(USER, "mount -t tmpfs -o size=400k none \"$0\"")
    }

    /// With an empty btrfs for its folder, gone afterwards; `image` is made for it.
    pub fn output_on_btrfs(self, image: &Path) -> Output {
        std::fs::File::create(image).unwrap().set_len(128 << 20).unwrap();
        let made = Command::new("mkfs.btrfs").arg("-q").arg(image).stderr(Stdio::null()).status().unwrap();
        assert!(made.success());
        let mount = format!("mount -o loop '{}' \"$0\"", image.display());
        self.output_after(&["unshare", "--mount"], &mount)
    }
}

/// Makes a mount without being root.
const USER: &[&str] = &["unshare", "--user", "--map-root-user", "--mount"];

/// Sees to it that the child's one test ran and went well.
pub fn assert_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("test result: ok. 1 passed"), "{text}");
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
