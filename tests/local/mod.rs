//! A bench for the local backend: one run folder, one project, the real executor.

#![allow(clippy::unwrap_used, clippy::print_stderr, dead_code)]

use crossbeam::channel::{Receiver, unbounded};
use flowrun::backend::local::{Local, Options};
use flowrun::base::InstanceId;
use flowrun::event::{LogRange, Outcome, Produced};
use flowrun::lang::types::Type;
use flowrun::port::{Backend, Job, JobOutput, JobOutputKind, Pack, Report};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer than anything here takes, so that a hang fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Bench {
    pub dir: tempfile::TempDir,
    pub local: Option<Local>,
    pub reports: Receiver<Report>,
    next: u32,
    mounts: Vec<PathBuf>,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("project")).unwrap();
        let (local, reports) = open(&dir.path().join("run"));
        Self { dir, local: Some(local), reports, next: 0, mounts: Vec::new() }
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.project().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The names in the project, hidden ones too.
    pub fn names(&self) -> String {
        names(&self.project())
    }

    /// Submits; the answer is its instance.
    pub fn submit(&mut self, mut job: Job) -> InstanceId {
        job.instance = InstanceId(self.next);
        self.next += 1;
        if job.project.as_os_str().is_empty() {
            job.project = self.project();
        }
        if job.workdir.as_deref() == Some(Path::new("")) {
            job.workdir = Some(self.project());
        }
        let instance = job.instance;
        self.local.as_mut().unwrap().submit(vec![job]).unwrap();
        instance
    }

    /// The next end, and whether a start was reported before it.
    pub fn end(&mut self) -> End {
        loop {
            match self.reports.recv_timeout(PATIENCE).unwrap() {
                Report::Started { .. } => {}
                Report::Ended { instance, outcome, stats, trusted, .. } => {
                    let (out, err) = outcome.log.map(|log| self.log(log)).unwrap_or_default();
                    return End { instance, outcome, stats, trusted, out, err };
                }
                Report::Broken(text, _) | Report::Note(text) => panic!("{text}"),
                Report::Waiting(waiting) => panic!("{waiting:?}"),
            }
        }
    }

    pub fn run(&mut self, job: Job) -> End {
        self.submit(job);
        self.end()
    }

    pub fn log(&self, log: LogRange) -> (Vec<u8>, Vec<u8>) {
        let read = |ending: &str, (begin, length): (u64, u64)| {
            let all = std::fs::read(self.dir.path().join(format!("run/logs/{}.{ending}", log.segment))).unwrap();
            all[begin as usize..(begin + length) as usize].to_vec()
        };
        (read("out", log.out), read("err", log.err))
    }
}

fn open(run_dir: &Path) -> (Local, Receiver<Report>) {
    let (sender, reports) = unbounded();
    let mut options = Options::new(run_dir);
    options.program = env!("CARGO_BIN_EXE_flowrun").into();
    (Local::open(options, sender).unwrap(), reports)
}

pub fn names(folder: &Path) -> String {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.join(" ")
}

pub struct End {
    pub instance: InstanceId,
    pub outcome: Outcome,
    pub stats: Vec<Option<flowrun::base::digest::Stat>>,
    pub trusted: bool,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

impl End {
    /// JSON of the results.
    pub fn values(&self) -> String {
        match &self.outcome.result {
            Ok(results) => results.iter().map(|p| p.value().to_json()).collect::<Vec<_>>().join(" "),
            Err(failure) => panic!("{failure:?}\n{}", String::from_utf8_lossy(&self.err)),
        }
    }
    pub fn produced(&self) -> Vec<Produced> {
        self.values();
        self.outcome.result.as_ref().unwrap().to_vec()
    }
    /// Cause, sentence and way out.
    pub fn failure(&self) -> String {
        match &self.outcome.result {
            Ok(results) => panic!("succeeded: {results:?}"),
            Err(f) => format!("{:?}: {}\n{}", f.cause, f.message, f.help.as_deref().unwrap_or("")),
        }
    }
}

pub fn job(argv: &[&str]) -> Job {
    Job {
        instance: InstanceId(0),
        attempt: 1,
        name: "t".into(),
        argv: argv.iter().map(|a| a.as_bytes().to_vec()).collect(),
        env: Vec::new(),
        secrets: Vec::new(),
        container: None,
        workdir: Some(PathBuf::new()),
        project: PathBuf::new(),
        script: None,
        vars: None,
        outputs: Vec::new(),
        time_ms: None,
        grace_ms: 10_000,
        needs: flowrun::engine::Needs { cpus: 1, ..Default::default() },
        options: Vec::new(),
        pack: Pack::default(),
        watched: Vec::new(),
    }
}

pub fn shell(command: &str) -> Job {
    job(&["bash", "-euo", "pipefail", "-c", command])
}

pub fn value(name: &str, ty: Type) -> JobOutput {
    JobOutput::new(name, JobOutputKind::Value(ty))
}

pub fn stdout(name: &str, ty: Type) -> JobOutput {
    JobOutput::new(name, JobOutputKind::Stdout(ty))
}

pub fn file(name: &str, path: &str) -> JobOutput {
    JobOutput::new(name, JobOutputKind::File(path.as_bytes().to_vec()))
}

pub fn dir(name: &str, path: &str) -> JobOutput {
    JobOutput::new(name, JobOutputKind::Dir(path.as_bytes().to_vec()))
}

impl Bench {
    /// The message that ends everything.
    pub fn broken(&mut self) -> String {
        loop {
            if let Report::Broken(text, _) = self.reports.recv_timeout(PATIENCE).unwrap() {
                return text;
            }
        }
    }

    /// A later process goes on with the run.
    pub fn reopen(&mut self) {
        self.open(&self.dir.path().join("run"));
    }

    /// A later process begins or goes on with a run.
    pub fn open(&mut self, run_dir: &Path) {
        self.local = None;
        let (local, reports) = open(run_dir);
        self.local = Some(local);
        self.reports = reports;
    }

    /// Mounts a file system of 1 MiB in the project; false (and said so) where that is not allowed.
    pub fn mount_small(&mut self, name: &str) -> bool {
        let path = self.path(name);
        std::fs::create_dir(&path).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            self.mounts.push(path);
        } else {
            eprintln!("left out: it needs the right to mount a file system");
        }
        mounted
    }

    pub fn remount_read_only(&self, name: &str) {
        let path = self.path(name);
        assert!(std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(path).status().unwrap().success());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.local = None;
        for path in &self.mounts {
            let _ = std::process::Command::new("umount").arg(path).status();
        }
    }
}
