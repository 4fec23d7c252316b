//! The state folder `.flowrun` beside the pipeline file, and in it the folder of each run.
//!
//! ```text
//! .flowrun/.gitignore  store.db  artifacts/  mark  locks/STEM.lock
//! .flowrun/runs/N/     journal  plan  lists/DIGEST.json  logs/  work/  control/
//! ```

use super::journal::{self, Journal, Seen, Unflushed};
use crate::base::{Digest, Value};
use crate::engine::Items;
use crate::event::{Event, Time};
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use crate::sys::{At, Fault, FaultKind};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The state folder of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// The state folder beside a pipeline file.
    pub fn beside(pipeline: &Path) -> Self {
        Self { folder: pipeline.parent().unwrap_or(Path::new("")).join(".flowrun") }
    }

    /// A state folder by its own path.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Makes the folder, and keeps it out of version control.
    pub fn make(&self) -> Result<()> {
        durable::make_folders(&self.folder.join("runs"))?;
        let ignore = self.folder.join(".gitignore");
        if ignore.exists() { Ok(()) } else { durable::write(&ignore, b"*\n", Sync::Later) }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.folder
    }
    /// The SQLite store.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store.db")
    }
    /// The artifact store, where none was named.
    pub fn artifacts(&self) -> PathBuf {
        self.folder.join("artifacts")
    }
    /// The word that tells the project from others that use one artifact folder.
    pub fn mark(&self) -> PathBuf {
        self.folder.join("mark")
    }
    /// What instances took in earlier runs.
    pub fn times(&self) -> PathBuf {
        self.folder.join("times")
    }
    /// The lock of a pipeline file.
    pub fn lock(&self, pipeline: &Path) -> PathBuf {
        let mut name = pipeline.file_stem().unwrap_or_default().to_owned();
        name.push(".lock");
        self.folder.join("locks").join(name)
    }
    /// The folder of a run, whether it is there or not.
    pub fn run(&self, run: u64) -> PathBuf {
        self.folder.join("runs").join(run.to_string())
    }

    /// The runs that have a folder, in order.
    pub fn runs(&self) -> Result<Vec<u64>> {
        let folder = self.folder.join("runs");
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.at("list", &folder)?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.at("list", &folder)?.file_name();
            let number = name.to_str().and_then(|name| name.parse::<u64>().ok());
            // `007` is not ours.
            runs.extend(number.filter(|number| name == *number.to_string()));
        }
        runs.sort_unstable();
        Ok(runs)
    }

    /// The smallest number that a new run may have: a store that was removed must not give old numbers again.
    pub fn next_run(&self) -> Result<u64> {
        Ok(self.runs()?.last().map_or(1, |last| last + 1))
    }
}

/// The format of `plan` that this program writes.
const PLAN_VERSION: u32 = 1;

/// All that `resume` needs to go on with a run when the pipeline file has changed or is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPlan {
    /// The format of this file.
    #[serde(default)]
    pub version: u32,
    /// The flowrun that wrote it.
    pub flowrun: String,
    /// The pipeline's name.
    pub name: String,
    /// The pipeline file, as the user named it.
    pub pipeline: Value,
    /// Every file that was read, as named, with its text; the pipeline's own first.
    pub files: Vec<(String, String)>,
    /// Every param with its value in this run, in file order.
    pub params: Vec<(String, Value)>,
    /// The nodes that were named; empty: all.
    pub select: Vec<String>,
    /// Of file, params and selection: a plain `run` with the same one continues the run.
    pub identity: Digest,
    /// Whatever else the driver was told; unknown names are passed over.
    #[serde(default)]
    pub options: serde_json::Value,
}

impl StoredPlan {
    /// An empty one of this version.
    pub fn new(name: &str, pipeline: Value, identity: Digest) -> Self {
        Self {
            version: PLAN_VERSION,
            flowrun: env!("CARGO_PKG_VERSION").to_owned(),
            name: name.to_owned(),
            pipeline,
            files: Vec::new(),
            params: Vec::new(),
            select: Vec::new(),
            identity,
            options: serde_json::Value::Null,
        }
    }
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    unflushed: Unflushed,
}

impl RunDir {
    /// Makes a run's folder with its plan and an empty journal; it is there as a whole or not at all. What it holds
    /// reaches the disk with the journal's first flush.
    pub fn create(home: &Home, run: u64, plan: &StoredPlan) -> Result<Self> {
        home.make()?;
        let path = home.run(run);
        let new = durable::temporary_beside(&path)?;
        let made = (|| {
            for folder in ["lists", "logs", "work", "control"] {
                durable::make_folders(&new.join(folder))?;
            }
            let text = serde_json::to_vec(plan).map_err(|error| {
                Fault::new(FaultKind::Other, format!("cannot write `{}`: {error}", path.join("plan").display()))
            })?;
            durable::write(&new.join("plan"), &text, Sync::Later)?;
            Journal::create(&new.join("journal"), Unflushed::default())?;
            std::fs::rename(&new, &path).at("make the run's folder", &path)
        })();
        if let Err(fault) = made {
            // Nothing half-made stays; if even that fails, the name says that it is no run.
            let _ = std::fs::remove_dir_all(&new);
            let taken = fault.kind == FaultKind::Exists;
            return Err(if taken { fault.help("move it away: it belongs to no run of this store") } else { fault });
        }
        let above = [home.path().to_owned(), home.path().join("runs"), path.clone(), path.join("plan")];
        Ok(Self { path, unflushed: Arc::new(Mutex::new(above.to_vec())) })
    }

    /// The folder of a run that is there.
    pub fn open(home: &Home, run: u64) -> Result<Self> {
        let path = home.run(run);
        if path.join("journal").is_file() {
            return Ok(Self { path, unflushed: Unflushed::default() });
        }
        let what = format!("there is no run {run} in `{}`", home.path().join("runs").display());
        let runs = home.runs()?;
        Err(Fault::new(FaultKind::Missing, what).help(match (runs.first(), runs.last()) {
            (Some(first), Some(last)) if first != last => {
                format!("`flowrun runs` lists those there are, {first} to {last}")
            }
            (Some(only), _) => format!("there is one run, {only}"),
            _ => "nothing has been run here yet".to_owned(),
        }))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }
    /// Its length in bytes.
    pub fn length(&self) -> Result<u64> {
        let path = self.journal();
        Ok(std::fs::metadata(&path).at("look at", &path)?.len())
    }
    /// Where standard output and error of attempts go.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }
    /// Scratch folders and files of attempts.
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }
    /// Where other processes leave requests for a live run.
    pub fn control(&self) -> PathBuf {
        self.path.join("control")
    }
    /// The file of a list.
    pub fn list(&self, digest: &Digest) -> PathBuf {
        self.path.join("lists").join(format!("{digest}.json"))
    }

    /// The journal, to go on with it: `each` sees every event that still counts, in order, what names a list with that list. A
    /// list that a power cut took ends the journal before its event.
    pub fn resume_journal(&self, each: &mut dyn FnMut(Time, Event, Option<Arc<Items>>)) -> Result<Journal> {
        Journal::resume(&self.journal(), self.unflushed.clone(), &mut |time, event| {
            let list = match event.list() {
                Some(list) => match self.read_list(list) {
                    Ok(list) => Some(list),
                    Err(_) => return Ok(false),
                },
                None => None,
            };
            each(time, event, list);
            Ok(true)
        })
    }

    /// Reads the journal from an offset (0, or `good` of an earlier reading), also while a run writes it.
    pub fn read_journal(&self, from: u64, each: &mut dyn FnMut(Time, Event, Option<Arc<Items>>)) -> Result<Seen> {
        journal::read(&self.journal(), from, &mut |time, event| {
            let list = event.list().map(|list| self.read_list(list)).transpose()?;
            each(time, event, list);
            Ok(true)
        })
    }

    /// Writes what `resume` needs, in place of what was there.
    pub fn write_plan(&self, plan: &StoredPlan) -> Result<()> {
        let path = self.path.join("plan");
        let text = serde_json::to_vec(plan)
            .map_err(|error| Fault::new(FaultKind::Other, format!("cannot write `{}`: {error}", path.display())))?;
        durable::write(&path, &text, Sync::Now)
    }

    /// What `resume` needs.
    pub fn read_plan(&self) -> Result<StoredPlan> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            version: u32,
            #[serde(default)]
            flowrun: String,
        }
        let path = self.path.join("plan");
        let text = durable::read(&path)?;
        let damaged = |error: serde_json::Error| {
            Fault::new(FaultKind::Damaged, format!("`{}` cannot be read: {error}", path.display())).help(
                "this run cannot be continued; `flowrun run` begins a new one and takes from the cache what is done",
            )
        };
        let head: Head = serde_json::from_slice(&text).map_err(damaged)?;
        if head.version > PLAN_VERSION {
            let what = format!("`{}` was written by flowrun {}, which is newer", path.display(), head.flowrun);
            return Err(Fault::new(FaultKind::Newer, what).help("continue the run with that flowrun"));
        }
        serde_json::from_slice(&text).map_err(damaged)
    }

    /// Keeps a list under its digest; it reaches the disk before the journal's next lines do.
    pub fn write_list(&self, list: &Items) -> Result<()> {
        let path = self.list(&list.digest());
        if path.exists() {
            return Ok(());
        }
        durable::write(&path, &list.to_bytes(), Sync::Later)?;
        let mut unflushed = self.unflushed.lock().unwrap_or_else(PoisonError::into_inner);
        unflushed.extend([self.path.join("lists"), path]);
        Ok(())
    }

    /// The list of a digest, whole.
    pub fn read_list(&self, digest: &Digest) -> Result<Arc<Items>> {
        let path = self.list(digest);
        let bytes = durable::read(&path)?;
        match Items::from_bytes(&bytes) {
            Ok(items) if items.digest() == *digest => Ok(Arc::new(items)),
            _ => Err(Fault::new(FaultKind::Damaged, format!("the list `{}` is damaged", path.display())).help(
                "this run cannot be continued; `flowrun run` begins a new one and takes from the cache what is done",
            )),
        }
    }
}
