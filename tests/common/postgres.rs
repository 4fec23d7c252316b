//! A real PostgreSQL of one's own: made in a folder that is removed at the end, run by a user without rights, reached
//! by a socket in that folder. It ends with the test, also when the test fails or is killed.

#![allow(dead_code, clippy::unwrap_used)]

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// A server.
pub struct Server {
    dir: tempfile::TempDir,
    settings: Vec<String>,
    running: Option<Running>,
}

struct Running {
    /// Closed, it ends the server: the shell that started it waits for that.
    life: Option<ChildStdin>,
    shell: Child,
}

impl Server {
    /// Makes and starts one, with these settings on top: `log_statement=all`.
    pub fn start_with(settings: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("flowrun-pg-").tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        if let Some((user, group)) = unprivileged() {
            chown(dir.path(), Some(user), Some(group)).unwrap();
        }
        let mut server = Self { dir, settings: settings.iter().map(|s| (*s).to_owned()).collect(), running: None };
        let words = ["--no-sync", "-A", "trust", "-U", "owner", "-E", "UTF8", "--locale", "C", "-D"];
        let made = as_user(&mut Command::new(program("initdb"))).args(words).arg(server.data()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.launch();
        server
    }

    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("log")).unwrap_or_default()
    }

    /// Starts it again after [`Self::kill`].
    pub fn restart(&mut self) {
        self.launch();
    }

    /// Starts it again, with other settings.
    pub fn set(&mut self, settings: Vec<String>) {
        self.stop();
        self.settings = settings;
        self.launch();
    }

    fn launch(&mut self) {
        let begin = Instant::now();
        // A process of a killed server that it had made at the last moment holds on to the memory until it notices.
        while !self.launched(begin) {
            self.stop();
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// False when it ended again for that reason.
    fn launched(&mut self, begin: Instant) -> bool {
        let mut words: Vec<String> = vec!["-D".into(), self.data().display().to_string()];
        let socket = format!("unix_socket_directories={}", self.dir().display());
        for setting in ["fsync=off", "listen_addresses=", "max_connections=100", &socket]
            .into_iter()
            .chain(self.settings.iter().map(String::as_str))
        {
            words.extend(["-c".into(), setting.into()]);
        }
        let log = File::options().create(true).append(true).open(self.dir().join("log")).unwrap();
        let script = "\"$@\" <&- & pid=$!; echo $pid >pid; cat >/dev/null; kill -INT $pid 2>/dev/null; wait $pid";
        let mut shell = as_user(Command::new("sh").args(["-c", script, "sh"]).arg(program("postgres")).args(words))
            .current_dir(self.dir())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            // Ctrl-C in the terminal reaches the test, whose end reaches the shell.
            .process_group(0)
            .spawn()
            .unwrap();
        self.running = Some(Running { life: shell.stdin.take(), shell });
        while !self.answers() {
            if self.log().trim_end().ends_with(&format!("data directory \"{}\".", self.data().display())) {
                return false;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "the server does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    fn answers(&self) -> bool {
        let mut config = postgres::Config::new();
        config.host_path(self.dir()).user("owner").dbname("postgres");
        if let Some(port) = self.settings.iter().find_map(|setting| setting.strip_prefix("port=")) {
            config.port(port.parse().unwrap());
        }
        config.connect(postgres::NoTls).is_ok()
    }

    /// `kill -9`, of the server and all of its processes.
    pub fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.dir().join("pid")).unwrap();
        // A process of the server may end by itself meanwhile.
        let script = "all=$(ps -o pid= --ppid $0); kill -9 $0 && { kill -9 $all 2>/dev/null; true; }";
        let killed = Command::new("sh").args(["-c", script, pid.trim()]).status().unwrap();
        assert!(killed.success());
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.life.take());
            let _ = running.shell.wait();
        }
    }

    /// The address of a database, as a user.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@{}/{database}", self.dir().display().to_string().replace('/', "%2F"))
    }

    /// Runs SQL as the owner of everything.
    pub fn sql(&self, database: &str, sql: &str) {
        self.client(database).batch_execute(sql).unwrap();
    }

    /// The first column of the first row, as text.
    pub fn ask(&self, database: &str, sql: &str) -> String {
        self.client(database).query_one(&format!("SELECT ({sql})::text"), &[]).unwrap().get(0)
    }

    pub fn client(&self, database: &str) -> postgres::Client {
        let mut config = postgres::Config::new();
        config.host_path(self.dir()).user("owner").dbname(database);
        config.connect(postgres::NoTls).unwrap()
    }

    /// Makes an empty database, and gives its address as its owner.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name} STRATEGY file_copy"));
        self.url("owner", name)
    }

    /// Writes a file that the server may read and nobody else.
    pub fn secret(&self, name: &str, text: &[u8]) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((user, group)) = unprivileged() {
            chown(&path, Some(user), Some(group)).unwrap();
        }
        path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where Debian keeps the programs of a server, or where `PATH` has them.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    versions.sort_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
    versions
        .iter()
        .rev()
        .map(|version| version.join("bin").join(name))
        .find(|path| path.exists())
        .unwrap_or(name.into())
}

/// PostgreSQL refuses to be run by root.
fn unprivileged() -> Option<(u32, u32)> {
    if number(&["-u"])? != 0 {
        return None;
    }
    let of = |user: &str| Some((number(&["-u", user])?, number(&["-g", user])?));
    of("postgres").or_else(|| of("nobody"))
}

fn number(words: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(words).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn as_user(command: &mut Command) -> &mut Command {
    command.current_dir("/");
    match unprivileged() {
        Some((user, group)) => command.uid(user).gid(group),
        None => command,
    }
}
