//! The artifact folder of a project, and as whom the project uses it.

use super::rundir::Home;
use crate::base::Digest;
use crate::event::Produced;
use crate::plan::{NodeKind, Plan};
use crate::port::Store;
use crate::store::artifacts::{Artifacts, User};
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use crate::sys::{At, Fault};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The folder that was named, or the project's own.
pub fn artifacts(home: &Home, named: Option<&Path>) -> Artifacts {
    match named {
        Some(folder) => Artifacts::named(folder),
        None => Artifacts::by_reflink(home.artifacts()),
    }
}

/// Whether a run of this plan may put something into the folder.
pub fn is_needed(plan: &Plan) -> bool {
    plan.nodes.iter().any(|(_, node)| match &node.kind {
        NodeKind::Task(task) => task.outputs.iter().any(|output| output.kind.path().is_some()),
        _ => false,
    })
}

/// The files and folders that the project has in its store.
pub fn outputs(store: &mut dyn Store) -> anyhow::Result<Vec<Digest>> {
    let mut all = Vec::new();
    store.list(&mut |entry| {
        all.extend(entry.results.iter().flat_map(Produced::artifacts).map(|artifact| artifact.digest));
    })?;
    Ok(all)
}

/// As whom a project uses the folder: a project with another store, or a copy of the project, is another user.
/// `None`: the project has no mark, and with `make` off it gets none.
pub fn user(home: &Home, store: &dyn Store, make: bool) -> Result<Option<User>> {
    let store = store.name();
    let Some(mark) = mark(&home.mark(), make)? else { return Ok(None) };
    let folder = home.path().canonicalize().at("find the folder", home.path())?;
    let project = folder.parent().unwrap_or(&folder).display().to_string();
    let name = if store.is_empty() { project } else { format!("{project} with {store}") };
    Ok(Some(User::new(&format!("{mark} {store}"), &name)))
}

/// A word that no other project has. It stays when the folder is moved; a copy is told by the file's inode, and gets
/// a word of its own.
fn mark(path: &Path, make: bool) -> Result<Option<String>> {
    let there = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Fault::io("read", path, &error)),
    };
    if let Some(text) = there {
        let inode = path.metadata().at("look at", path)?.ino();
        if text.trim().rsplit_once(' ').is_some_and(|(_, number)| number == inode.to_string()) {
            return Ok(Some(text.trim().to_owned()));
        }
    }
    if !make {
        return Ok(None);
    }
    durable::write_with(path, Sync::Later, |file| {
        let inode = file.metadata()?.ino();
        writeln!(file, "{} {inode}", durable::token())
    })?;
    // Another process may have been as fast: its word stands, or ours.
    let text = std::fs::read_to_string(path).at("read", path)?;
    Ok(Some(text.trim().to_owned()))
}
