//! Floor 4: the traits behind which adapters stand, and the plain data that crosses them.
//! A backend's, a store's or a view's name never appears here.

pub mod afar;
pub mod container;
pub mod doctor;
pub mod ended;
pub mod forecast;
pub mod keeping;
mod paths;
pub mod site;
pub mod status;
pub mod submission;
pub mod verdict;

use crate::base::digest::Key;
use crate::base::{Digest, InstanceId, pattern};
pub use crate::engine::key::Component;
use crate::engine::{Capacity, Counts, Needs};
use crate::event::{Event, LogRange, Outcome, Results, RunState, Time};
use crate::lang::model::SecretFrom;
use crate::lang::outputs::Demand;
use crate::lang::types::Type;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use crate::base::digest::Stat;

/// An attempt, rendered: all that a machine needs to execute it, and nothing of the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Which instance.
    pub instance: InstanceId,
    /// Counts from 1.
    pub attempt: u32,
    /// Its name, for messages: `align[NA12878]`.
    pub name: Arc<str>,
    /// What is executed: program and arguments. `{script}` files are already named here (see `files`).
    pub argv: Vec<Vec<u8>>,
    /// Variables on top of the environment that the executor inherited. `FLOWRUN_OUTPUT` and `FLOWRUN_VARS` are added
    /// by the executor.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Variables whose values are kept nowhere, and where the executor finds them: no value of a secret is ever part of a
    /// job. What the attempt writes goes through a pipe in which they are blotted out.
    pub secrets: Vec<(Arc<str>, SecretFrom)>,
    /// The container that it runs in.
    pub container: Option<container::Container>,
    /// The folder it starts in, absolute; `None`: a fresh scratch folder.
    #[serde(with = "paths::option")]
    pub workdir: Option<PathBuf>,
    /// The folder that relative output paths mean, absolute.
    #[serde(with = "paths")]
    pub project: PathBuf,
    /// A text too long for an argument, or a script: written to a file of the attempt, whose path is appended to `argv`.
    pub script: Option<Vec<u8>>,
    /// The content of the file that `$FLOWRUN_VARS` names.
    pub vars: Option<Vec<u8>>,
    /// The declared outputs, in order.
    pub outputs: Vec<JobOutput>,
    /// Milliseconds that it may run; `None`: for ever.
    pub time_ms: Option<u64>,
    /// Milliseconds between SIGTERM and SIGKILL.
    pub grace_ms: u64,
    /// What it asks of the machine.
    pub needs: Needs,
    /// Options of a scheduler by their long names, without a value where they have none.
    pub options: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// How many make a job of a scheduler.
    pub pack: Pack,
    /// Input files whose state before the run was trusted: changed while it ran, the result must not be cached.
    #[serde(with = "paths::stats")]
    pub watched: Vec<(PathBuf, Stat)>,
}

/// How many instances make a job of a scheduler, as far as the file says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pack {
    /// The most that it runs.
    pub tasks: Option<u32>,
    /// Milliseconds that it may take.
    pub time_ms: Option<u64>,
    /// How many it runs at once.
    pub width: Option<u32>,
}

/// One declared output of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobOutput {
    /// The name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: JobOutputKind,
    /// Whether it may be missing, and what must be true of it.
    #[serde(default, skip_serializing_if = "Demand::is_plain")]
    pub demand: Demand,
}

impl JobOutput {
    /// One that must be there, and of which no more is demanded.
    pub fn new(name: impl Into<Arc<str>>, kind: JobOutputKind) -> Self {
        Self { name: name.into(), kind, demand: Demand::default() }
    }
    /// The declared path or pattern; empty for a value.
    pub fn path(&self) -> &[u8] {
        match &self.kind {
            JobOutputKind::File(path) | JobOutputKind::Dir(path) | JobOutputKind::Files(path) => path,
            JobOutputKind::Value(_) | JobOutputKind::Stdout(_) => &[],
        }
    }
}

/// What an output of a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JobOutputKind {
    /// A line of `$FLOWRUN_OUTPUT`.
    Value(Type),
    /// Standard output.
    Stdout(Type),
    /// A file: final path as declared and interpolated (relative to `project`, or absolute). The staged path is
    /// `.part.NAME` beside it.
    File(Vec<u8>),
    /// A directory, likewise.
    Dir(Vec<u8>),
    /// The files that match a pattern. They are staged in a directory, see [`staged_files`].
    Files(Vec<u8>),
}

/// Where a command writes the files of a pattern: a directory beside what the first part with a wild card matches, in
/// which they have the names that follow.
pub fn staged_files(pattern: &[u8]) -> Vec<u8> {
    let split = pattern::split(pattern);
    split.beside(&[b".part.", split.name().as_slice()].concat())
}

/// Where a command writes a declared file or directory: `.part.NAME` in the folder of the final path. The same for
/// every attempt, run and host.
pub fn staged_path(path: &[u8]) -> Vec<u8> {
    beside(path, b".part.")
}

/// Where what stood at a declared path waits while an attempt is at work: `.kept.NAME` beside it. As long as it is there
/// it is the truth, and what stands at the declared path is not to be trusted.
pub fn kept_path(path: &[u8]) -> Vec<u8> {
    beside(path, b".kept.")
}

fn beside(path: &[u8], prefix: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |i| i + 1);
    let name = path[..end].iter().rposition(|&b| b == b'/').map_or(0, |i| i + 1);
    [&path[..name], prefix, &path[name..end]].concat()
}

/// What a backend tells the driver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// An attempt has begun.
    Started {
        /// Which instance.
        instance: InstanceId,
        /// Which attempt.
        attempt: u32,
        /// Where its log begins.
        log: Option<LogRange>,
        /// Where it runs; `None`: here.
        host: Option<Arc<str>>,
    },
    /// An attempt has ended.
    Ended {
        /// Which instance.
        instance: InstanceId,
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// What the stats of the results' artifacts were right after they were put in place, in their order; `None` for
        /// a directory.
        stats: Vec<Option<Stat>>,
        /// Whether the result may be cached (no watched input changed while it ran).
        trusted: bool,
    },
    /// Something that the user should know, in a sentence.
    Note(String),
    /// What keeps more from beginning at this moment; `None`: nothing any more.
    Waiting(Option<Waiting>),
    /// The backend cannot go on at all: why, and the way out.
    Broken(String, Option<String>),
}

/// A reason to wait that is nobody's mistake: a limit that is reached, a queue that is long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What kind of reason: `QOS limit`. A log tells each once.
    pub kind: Arc<str>,
    /// The reason with its figures: `QOS limit 500/500`.
    pub text: Arc<str>,
}

/// What executes attempts. Reports go to the channel that the backend was made with.
pub trait Backend: Send {
    /// What can be given at once.
    fn capacity(&self) -> Capacity;
    /// Takes attempts to execute; never refuses one, a failure to start is a report.
    fn submit(&mut self, jobs: Vec<Job>) -> anyhow::Result<()>;
    /// What whoever starts a run should know of what it can give, in a sentence.
    fn note(&self) -> Option<String> {
        None
    }
    /// Whether what was handed over goes on when the driver ends.
    fn outlives_driver(&self) -> bool {
        false
    }
    /// Takes over the newest attempt that an earlier driver of the run had handed over of each of these, and says which
    /// it has: they will be reported under that number, or were and will be again.
    fn adopt(&mut self, _open: &[InstanceId]) -> anyhow::Result<Vec<(InstanceId, u32)>> {
        Ok(Vec::new())
    }
    /// So many of the reports that this backend has made are in the journal.
    fn written(&mut self, _reports: usize) {}
    /// Stops attempts: SIGTERM and a grace period, or SIGKILL at once. Each ends with a report.
    fn cancel(&mut self, instances: &[InstanceId], hard: bool) -> anyhow::Result<()>;
}

/// Where reports of a backend go.
pub type ReportSink = crossbeam::channel::Sender<Report>;

/// A cached result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The pipeline's name and the instance's name, `compute-data` and `process_data[2].compute`.
    pub pipeline: Arc<str>,
    /// The node's path: `process_data.compute`.
    pub node: Arc<str>,
    /// The instance's name.
    pub instance: Arc<str>,
    /// The components of the key that are equal for all instances of the node; stored once, by content.
    pub fixed: Arc<Vec<Component>>,
    /// The other components: values and files of this instance.
    pub own: Vec<Component>,
    /// What it gave.
    pub results: Results,
    /// In which run of this store, when (milliseconds), on which host, by whom, with which version it was made.
    pub made: Made,
}

/// The origin of a cached result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Run number in the store.
    pub run: u64,
    /// Milliseconds since the epoch.
    pub at: Time,
    /// Host.
    pub host: Arc<str>,
    /// User.
    pub user: Arc<str>,
    /// flowrun's version.
    pub version: Arc<str>,
    /// Wall time of the attempt, microseconds.
    pub wall_us: u64,
}

/// A run as the index knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its number.
    pub run: u64,
    /// The pipeline's name.
    pub pipeline: Arc<str>,
    /// The pipeline file, as given.
    pub file: Arc<str>,
    /// Digest of file, params and selection: the same means that a plain `run` continues it.
    pub identity: Digest,
    /// When it began.
    pub began: Time,
    /// When it ended; `None`: not ended.
    pub ended: Option<Time>,
    /// How it ended; `None`: not ended.
    pub state: Option<RunState>,
    /// The counts at the end.
    pub counts: Counts,
}

/// What a lookup finds: enough to take a result, without the components.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// What it gave.
    pub results: Results,
    /// Whether it is the newest entry of the instance that asked. If not, and it is taken, say so by [`Store::take`],
    /// else the next explanation compares with the wrong entry.
    pub newest: bool,
}

/// An entry in a list of the whole cache: without the components of its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The key.
    pub key: Key,
    /// The pipeline's name.
    pub pipeline: Arc<str>,
    /// The node's path.
    pub node: Arc<str>,
    /// The instance's name.
    pub instance: Arc<str>,
    /// The folder of the project that made it, where it was when the store last saw it; empty: not known.
    pub project: Arc<str>,
    /// How many entries of the instance are newer.
    pub newer: u32,
    /// What it gave.
    pub results: Results,
    /// Its origin.
    pub made: Made,
}

/// A run of any project of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct AnyRun {
    /// The run.
    pub row: RunRow,
    /// The project's folder, where it was when the store last saw it; empty: not known.
    pub project: Arc<str>,
    /// Who began the run.
    pub user: Arc<str>,
    /// Where.
    pub host: Arc<str>,
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A run: the store is made or brought up to date when needed.
    Write,
    /// `status`, `plan`, `explain`: nothing is changed, a writer may be at work, the folder may be read-only; a store
    /// that does not exist reads as an empty one.
    Read,
}

/// How long leases last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// After the last renewal.
    pub lasts: Duration,
    /// What is computed goes on when the process that holds the lease is dead: only time ends it.
    pub outlives: bool,
}

/// Whether a run may compute a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// No other run does, or will, before this one has given it back or is dead.
    Ours,
    /// Another one does.
    Held {
        /// Its number in the store.
        run: u64,
        /// Whose it is; may be empty.
        user: Arc<str>,
        /// Where it runs.
        host: Arc<str>,
    },
}

/// The database: the cache, the index of runs, the memory of file digests. One writer, the driver.
///
/// Errors that the user can mend are a `sys::Fault` inside the `anyhow::Error`.
pub trait Store: Send {
    /// What is known under these keys, in order; with each the name of the instance that asks.
    fn lookup(&mut self, pipeline: &str, node: &str, asked: &[(Key, Arc<str>)]) -> anyhow::Result<Vec<Option<Hit>>>;
    /// The newest entry of each of these instances of a node, in order, for explanations.
    fn latest(&mut self, pipeline: &str, node: &str, instances: &[Arc<str>]) -> anyhow::Result<Vec<Option<Entry>>>;
    /// Writes entries, all or none, and ends the leases on their keys. Each becomes the newest of its instance; older ones
    /// under other keys are kept.
    fn record(&mut self, entries: &[Entry]) -> anyhow::Result<()>;
    /// Makes each entry the newest of the instance that took it; keys that are not there are passed over.
    fn take(&mut self, pipeline: &str, node: &str, taken: &[(Key, Arc<str>)]) -> anyhow::Result<()>;
    /// Removes the entries of these keys.
    fn forget(&mut self, keys: &[Key]) -> anyhow::Result<()>;
    /// Takes, for a run, the leases on these keys that are free; the answers are in order. A lease ends when it is given
    /// back, when its key is recorded, or when its holder is dead: at once where that can be seen, else a term after it
    /// was renewed last, by the database's clock. A handful of statements, whatever the number of keys.
    fn lease(&mut self, run: u64, keys: &[Key], term: Term) -> anyhow::Result<Vec<Lease>>;
    /// The leases that are held now.
    fn leases(&mut self) -> anyhow::Result<Vec<(Key, Lease)>>;
    /// Prolongs all leases of a run: from now they last a term.
    fn renew(&mut self, run: u64, term: Term) -> anyhow::Result<()>;
    /// Gives back leases of a run: those on these keys, or all.
    fn release(&mut self, run: u64, keys: Option<&[Key]>) -> anyhow::Result<()>;
    /// A new run's number: above every earlier one, and `row.run` at least. Its row has neither end nor state.
    fn begin_run(&mut self, row: &RunRow) -> anyhow::Result<u64>;
    /// Writes end, state and counts, and sees to it that everything written so far survives a power cut.
    fn end_run(&mut self, row: &RunRow) -> anyhow::Result<()>;
    /// Runs, newest first; of one pipeline file when given.
    fn runs(&mut self, file: Option<&str>, limit: u32) -> anyhow::Result<Vec<RunRow>>;
    /// One run.
    fn run(&mut self, run: u64) -> anyhow::Result<Option<RunRow>>;
    /// The remembered digests of files: path as the project sees it, stat, digest.
    fn files(&mut self) -> anyhow::Result<Vec<(Vec<u8>, Stat, Digest)>>;
    /// Remembers digests of files.
    fn remember(&mut self, files: &[(Vec<u8>, Stat, Digest)]) -> anyhow::Result<()>;

    /// Hands over every entry of the project, ordered by pipeline, node and instance, of each the newest first.
    fn list(&mut self, each: &mut dyn FnMut(Listed)) -> anyhow::Result<()>;
    /// The same of every project of the store, where it tells them apart.
    fn list_all(&mut self, each: &mut dyn FnMut(Listed)) -> anyhow::Result<()> {
        self.list(each)
    }
    /// The entries of any project whose key begins with these hexadecimal digits, whole: the project's own first, then
    /// the newest.
    fn find(&mut self, digits: &str) -> anyhow::Result<Vec<Entry>>;
    /// Hands over the digest of every file and folder that an entry of any project has as its result.
    fn digests(&mut self, each: &mut dyn FnMut(Digest)) -> anyhow::Result<()>;
    /// Takes entries from their instances, all or none; another instance or project with the same key keeps its own.
    fn remove(&mut self, entries: &[Listed]) -> anyhow::Result<()>;
    /// Runs of all projects of the store, newest first.
    fn all_runs(&mut self, limit: u32) -> anyhow::Result<Vec<AnyRun>>;
    /// Takes runs from the index. Their numbers are not given again.
    fn remove_runs(&mut self, runs: &[u64]) -> anyhow::Result<()>;

    /// What it is and in which version, asked of it now: `PostgreSQL 15.18`.
    fn version(&mut self) -> anyhow::Result<String>;
    /// What tells this store from others that a project may use: a place for people, without a password; empty: the
    /// project's own.
    fn name(&self) -> String;
    /// Whether entries of other projects are among those of [`Store::list`].
    fn mixes_projects(&self) -> bool {
        false
    }
    /// What whoever starts a run should know of this store, in a sentence.
    fn note(&self) -> Option<String> {
        None
    }
    /// How long a run waits for it to come back when it is away (`FaultKind::Away`).
    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

/// A reader of the stream of events.
pub trait Sink: Send {
    /// One turn of the driver: what changed, with the names of the instances in question.
    fn turn(&mut self, now: Time, events: &[Named<'_>], counts: &Counts);
    /// A sentence for the user (a warning, how to come back).
    fn note(&mut self, text: &str);
    /// What keeps more from beginning at this moment; `None`: nothing any more.
    fn waiting(&mut self, _waiting: Option<&Waiting>) {}
    /// How far the transfer of an input is.
    fn fetch(&mut self, _fetch: &Fetch) {}
    /// The last call.
    fn end(&mut self, now: Time, counts: &Counts);
}

/// A transfer of an input from elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// From where.
    pub url: Arc<str>,
    /// Bytes that are there.
    pub got: u64,
    /// Bytes in all, where the server says it.
    pub total: Option<u64>,
    /// At its end: whether it was good, and how long it took.
    pub over: Option<(bool, Duration)>,
}

/// An event with the name of its instance.
pub struct Named<'a> {
    /// The event.
    pub event: &'a Event,
    /// The name of the instance that it speaks of (of the first one); empty for the run itself.
    pub name: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_beside_the_final_path() {
        let staged = |path: &str| String::from_utf8(staged_path(path.as_bytes())).expect("text");
        assert_eq!(staged("report.html"), ".part.report.html");
        assert_eq!(staged("results/x.bam.bai"), "results/.part.x.bam.bai");
        assert_eq!(staged("/tmp/out/"), "/tmp/.part.out");
        assert_eq!(staged("a//b//"), "a//.part.b");
        assert_eq!(kept_path(b"results/\xff"), b"results/.kept.\xff");
    }
}
