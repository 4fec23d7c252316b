//! What the command line asks of the driver, and the errors that the driver answers with.
//! Nothing here says how a setting was typed, and no backend or store has a name here.

use crate::diag::{Diagnostic, Sources};
use crate::driver::detached::Drive;
use crate::engine::Capacity;
use crate::lang::model::{ContainerEngine, Datum, Name};
use crate::port::afar::Afar;
use crate::port::doctor::Examine;
use crate::port::site::Site;
use crate::port::submission::Preview;
use crate::port::{Access, Backend, ReportSink, Store};
use crate::sys::Fault;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use crate::port::ended::{End, Ended, FailedKind, FailureItem};
pub use crate::port::forecast::{Action, Forecast, Planned, Reason};

/// What a run, a plan or an explanation is made of.
pub struct Settings {
    /// The pipeline file, as the user named it.
    pub pipeline: PathBuf,
    /// The nodes to run, with what they need; empty: all. `explain` reads names of instances here too.
    pub select: Vec<String>,
    /// Values for params.
    pub params: Params,
    /// What executes tasks.
    pub backends: Backends,
    /// `--store`, as typed; `None`: `.flowrun/store.db`. For messages; the store itself is made by `open_store`.
    pub store: Option<String>,
    /// Independent work goes on after a failure.
    pub keep_going: bool,
    /// `--only`: of all nodes but those of `select` the last results are taken, and none of them runs.
    pub only: bool,
    /// Nodes whose cached results are not used.
    pub force: Vec<String>,
    /// No cached result is used at all; new ones are still recorded.
    pub no_cache: bool,
    /// Wait for another run that holds this pipeline.
    pub wait: bool,
    /// How long a lease of this run outlives its last renewal; `None`: a minute.
    pub lease: Option<Duration>,
    /// The folder that keeps artifacts by their content.
    pub artifacts: Option<PathBuf>,
    /// `shell`: the instance in whose place it is.
    pub show: Option<Arc<str>>,
    /// What runs containers; `None`: the first that is there.
    pub container_engine: Option<ContainerEngine>,
    /// `resume`: `Some(None)` continues the newest run, `Some(Some(n))` run `n`. `None`: a plain `run`.
    pub resume: Option<Option<u64>>,
    /// Who drives the run.
    pub drive: Drive,
    /// Looks after what is at work for runs elsewhere.
    pub afar: Box<dyn Afar>,
    /// Makes the store.
    pub open_store: OpenStore,
}

/// Values for params as raw words, in the order in which later ones win: files first, then words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    /// `--params FILE`: TOML or JSON, by the ending.
    pub files: Vec<PathBuf>,
    /// `-p NAME=VALUE` and `-- --NAME VALUE`.
    pub words: Vec<ParamWord>,
    /// Resources of the profile, in place of the pipeline's own defaults.
    pub profile: Option<Arc<Profile>>,
}

/// What the chosen profile says about the plan.
#[derive(Debug, Default, PartialEq)]
pub struct Profile {
    /// Defaults for every task, each with the file of `sources` that it stands in.
    pub resources: Vec<(Name, Datum)>,
    /// The settings files.
    pub sources: Sources,
}

/// One value typed on the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamWord {
    /// The param's name; dashes of `--max-depth` are already underscores.
    pub name: String,
    /// The value, still text; `None` for a bare `--flag` after `--`, which means `true`.
    pub value: Option<OsString>,
    /// As it was typed, for messages: `-p depth=x`, `--depth x`.
    pub typed: String,
}

/// The backends that a run may use.
pub struct Backends {
    /// All that there are. The first executes the tasks that name none.
    pub kinds: Vec<BackendKind>,
    /// The first executes all tasks, whatever they name.
    pub only_first: bool,
}

/// A backend that is not made yet.
pub struct BackendKind {
    /// As tasks and command lines name it.
    pub name: &'static str,
    /// `-j`: cores for tasks; `None`: as many as it has.
    pub jobs: Option<u32>,
    /// Submissions a minute, where it submits; `None`: as it likes.
    pub pace: Option<u32>,
    /// Whether tasks run on other machines, where flowrun's own environment is not.
    pub elsewhere: bool,
    /// Says what it can give, before anything is started.
    pub measure: Measure,
    /// Asks the place behind it, before a run begins; `None`: there is nobody to ask.
    pub survey: Option<Survey>,
    /// Makes it, once its capacity and the run's folder are known.
    pub open: OpenBackend,
    /// Whether what an earlier driver of a run handed over may still be at work; the run's folder, absolute, in.
    pub has_left: fn(&Path) -> bool,
    /// Shows how it would hand on what is ready; `None`: one instance after another.
    pub preview: Option<Preview>,
    /// Looks for whatever it needs.
    pub examine: Examine,
}

impl BackendKind {
    /// The same, giving something else.
    pub fn giving(self, other: impl Fn(Capacity) -> Capacity + Send + 'static) -> Self {
        let measure = self.measure;
        Self { measure: Box::new(move |jobs, limits| Ok(other(measure(jobs, limits)?))), ..self }
    }
}

/// What a backend is told when it is made.
pub struct BackendAsk {
    /// `-j`.
    pub jobs: Option<u32>,
    /// Submissions a minute.
    pub pace: Option<u32>,
    /// `[limits]` of the plan, by position.
    pub limits: Vec<u32>,
    /// The run's folder, `.flowrun/runs/N`: logs and scratch files go there.
    pub run_dir: PathBuf,
    /// Where scratch files go, if not to `work` in the run's folder.
    pub work: Option<PathBuf>,
    /// The pipeline's lock (`Lock` gives its descriptor by `as_fd().try_clone_to_owned()`): what executes tasks keeps it
    /// until none is left.
    pub lock: Option<OwnedFd>,
    /// Where reports go.
    pub reports: ReportSink,
}

/// Says what a backend can give: `-j` and the plan's limits in, capacity out.
pub type Measure = Box<dyn Fn(Option<u32>, &[u32]) -> anyhow::Result<Capacity> + Send>;

/// Asks a place where tasks are sent what it has and allows.
pub type Survey = fn() -> anyhow::Result<Arc<dyn Site>>;

/// Makes a backend.
pub type OpenBackend = Box<dyn Fn(BackendAsk) -> anyhow::Result<Box<dyn Backend>> + Send>;

/// Makes a store; the path is the state folder, `.flowrun`.
pub type OpenStore = Box<dyn Fn(&Path, Access) -> anyhow::Result<Box<dyn Store>> + Send>;

/// Why a command came to no end. Each has one exit code (`cli::exit`).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or the params are wrong; nothing ran.
    #[error("{} mistakes", list.len())]
    Diagnostics {
        /// All of them.
        list: Vec<Diagnostic>,
        /// The texts that they point into.
        sources: Sources,
    },
    /// What was asked for cannot be: no such run, no such instance. Nothing ran.
    #[error("{message}")]
    Usage {
        /// One sentence.
        message: String,
        /// The way out.
        help: Option<String>,
    },
    /// The database could not be used.
    #[error("{0:#}")]
    Store(anyhow::Error),
    /// The backend could not be used.
    #[error("{0:#}")]
    Backend(anyhow::Error),
    /// Another run holds this pipeline.
    #[error("another run holds this pipeline: {by}")]
    Held {
        /// `run 7, process 4711 on host h, since 12:03`.
        by: String,
    },
    /// What was asked for cannot be done to a run that is at work.
    #[error("{run}")]
    AtWork {
        /// `run 7 of process 4711 on host h is at work`.
        run: String,
    },
    /// The state folder, the journal or another file could not be read or written.
    #[error("{0}")]
    Fault(#[from] Fault),
}
