//! What a command is asked: which pipeline file, which nodes of it.

use crate::base::Digest;
use crate::driver::load::Loaded;
use crate::driver::memo::FileMemo;
use crate::driver::rundir::{Home, StoredPlan};
use crate::driver::settings::{Error, Settings};
use crate::plan::{Node, Plan};
use crate::port::Store;
use crate::sys::Fault;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a pipeline file stands.
pub struct Place {
    /// Its folder, absolute.
    pub project: PathBuf,
    /// Its name there.
    pub file: String,
    /// The state folder beside it.
    pub home: Home,
}

impl Place {
    /// Of a pipeline file.
    ///
    /// # Errors
    /// When its folder is not there.
    pub fn of(pipeline: &Path) -> Result<Self, Error> {
        let folder = pipeline.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let project = folder.canonicalize().map_err(|error| Fault::io("find the folder", folder, &error))?;
        let file = pipeline.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Named as the user named it, for messages.
        Ok(Self { home: Home::beside(pipeline), project, file })
    }

    /// The folder of a run, absolute: as the machines of a cluster know it.
    pub fn run_dir(&self, run: u64) -> PathBuf {
        self.project.join(".flowrun/runs").join(run.to_string())
    }
}

/// The digests of files that earlier runs found.
pub fn memo_over(project: &Path, store: &Arc<Mutex<Box<dyn Store>>>) -> FileMemo {
    let store = store.clone();
    FileMemo::new(
        project,
        Box::new(move || store.lock().unwrap_or_else(PoisonError::into_inner).files().unwrap_or_default()),
    )
}

/// What a run was asked for beside its file and params.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// Nodes on the command line.
    #[serde(skip)]
    pub select: Vec<String>,
    /// `--force`
    #[serde(default)]
    pub force: Vec<String>,
    /// `--no-cache`
    #[serde(default)]
    pub no_cache: bool,
    /// `--keep-going`
    #[serde(default)]
    pub keep_going: bool,
    /// `--only`
    #[serde(default)]
    pub only: bool,
}

impl Asked {
    /// From the settings.
    pub fn of(settings: &Settings) -> Self {
        let (select, force) = (settings.select.clone(), settings.force.clone());
        Self { select, force, no_cache: settings.no_cache, keep_going: settings.keep_going, only: settings.only }
    }
}

/// What the run's folder keeps, with the identity by which a plain `run` knows the run again.
pub fn stored_plan(loaded: &Loaded, asked: &Asked) -> StoredPlan {
    let stored = loaded.stored.clone();
    let mut identity = serde_json::to_vec(&(&stored.identity, &asked.select, &asked.force, asked.no_cache));
    if asked.only {
        identity = serde_json::to_vec(&(identity.unwrap_or_default(), "only"));
    }
    let identity = Digest::of(&identity.unwrap_or_default());
    let options = serde_json::to_value(asked).unwrap_or_default();
    StoredPlan { identity, options, select: asked.select.clone(), ..stored }
}

/// Of each node of the root whether it runs, by the nodes that were named.
pub fn wanted(plan: &Plan, names: &[String]) -> Result<Vec<bool>, Error> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    plan.select(&names).map_err(|diagnostic| Error::Diagnostics { list: vec![diagnostic], sources: Default::default() })
}

/// Of each node of the root whether it was named.
pub fn named(plan: &Plan, names: &[String]) -> Result<Vec<bool>, Error> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    plan.named(&names).map_err(|diagnostic| Error::Diagnostics { list: vec![diagnostic], sources: Default::default() })
}

/// Of each node whether its earlier results are passed over.
pub fn forced(plan: &Plan, asked: &Asked) -> Result<Vec<bool>, Error> {
    let mut force = vec![asked.no_cache; plan.nodes.len()];
    for name in &asked.force {
        let prefix = format!("{name}.");
        let mut found = false;
        for (id, node) in plan.nodes.iter() {
            if *node.path == **name || node.path.starts_with(&prefix) {
                force[id.0 as usize] = true;
                found = true;
            }
        }
        if let (false, Some(node)) = (found, plan.find(name)) {
            let path = &plan.nodes[node].path;
            let message = format!("`--force {name}`: that is an instance, and a node is forced as a whole");
            let help = format!("name the node: `--force {path}` runs all its instances again");
            return Err(Error::Usage { message, help: Some(help) });
        }
        if !found {
            let paths = plan.nodes.iter().map(|(_, node)| &*node.path);
            let help = crate::base::text::did_you_mean(name, paths);
            return Err(Error::Usage { message: format!("`--force {name}`: there is no such node"), help });
        }
    }
    Ok(force)
}

/// Whether a node, or the node of the root that holds it, is wanted.
pub fn is_wanted(plan: &Plan, wanted: &[bool], node: &Node) -> bool {
    let mut node = node;
    while let Some(owner) = plan.bodies[node.body].owner {
        node = &plan.nodes[owner];
    }
    wanted.get(node.slot as usize).copied().unwrap_or(true)
}
