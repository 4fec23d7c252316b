//! Outputs whose bytes were let go (`keep = "until_consumed"`): who reads them is keyed by what is recorded of them.

use crate::base::Digest;
use crate::driver::memo::FileMemo;
use crate::event::{Artifact, Produced};
use crate::sys::fault::{At, Result};
use rustc_hash::FxHashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// The digests of what is gone, by path, for several threads at once.
#[derive(Default)]
pub struct Gone(RwLock<FxHashMap<PathBuf, Digest>>);

impl Gone {
    /// What was last recorded of a path that is gone.
    pub fn digest(&self, full: &Path) -> Option<Digest> {
        let gone = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // Mostly nothing is.
        if gone.is_empty() { None } else { gone.get(&normal(full)).copied() }
    }

    /// An output is gone.
    pub fn add(&self, project: &Path, produced: &Produced) {
        let mut gone = self.0.write().unwrap_or_else(PoisonError::into_inner);
        gone.extend(produced.artifacts().map(|artifact| (at(project, &artifact), artifact.digest)));
    }

    /// An output is there again.
    pub fn came_back(&self, project: &Path, produced: &Produced) {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return;
        }
        let mut gone = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for artifact in produced.artifacts() {
            gone.remove(&at(project, &artifact));
        }
    }
}

fn at(project: &Path, artifact: &Artifact<'_>) -> PathBuf {
    normal(&project.join(OsStr::from_bytes(artifact.path.as_bytes().unwrap_or_default())))
}

/// `./x` and `a//x` are written in other ways, and the same.
fn normal(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Removes an output where its bytes still are what is recorded of it: what somebody else wrote there stays.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(project: &Path, memo: &FileMemo, produced: &Produced) -> Result<()> {
    for artifact in produced.artifacts() {
        let path = at(project, &artifact);
        if memo.digest_of(&path).is_ok_and(|content| content.digest == artifact.digest) {
            let removed = if artifact.dir { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.at("remove", &path)?;
        }
    }
    Ok(())
}
