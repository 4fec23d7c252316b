//! Whether the outputs of a cached result are in place, and what is done where they are not.

use crate::base::{Digest, pattern};
use crate::driver::prepare::{MISSING, Workshop};
use crate::engine::key::Change;
use crate::event::{Artifact, Matched, Produced};
use crate::port::Hit;
use crate::store::artifacts::Condition;
use crate::sys::content::stat_path;
use rustc_hash::FxHashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

impl Workshop {
    /// Whether the outputs of a hit are there and whole; what is missing is restored where its bytes are kept, and what
    /// would be taken for an output that was not made goes. Gives the outputs that are not in place and need not be.
    pub(super) fn verify<'a>(
        &self,
        outputs: impl Iterator<Item = (&'a Arc<str>, &'a Vec<u8>)>,
        hit: &Hit,
        may_go: impl Fn(usize) -> bool,
    ) -> Result<Vec<u32>, Change> {
        let mut gone = Vec::new();
        for (i, ((name, path), produced)) in outputs.zip(hit.results.iter()).enumerate() {
            if may_go(i) {
                if produced.artifacts().all(|artifact| self.is_in_place(&artifact).0) {
                    self.gone.came_back(&self.project, produced);
                } else {
                    self.gone.add(&self.project, produced);
                    gone.push(i as u32);
                }
                continue;
            }
            produced.artifacts().try_for_each(|artifact| self.in_place(name, &artifact))?;
            let stale = match produced {
                // A value has no path.
                Produced::Value(_) if !path.is_empty() => self.stale_file(path),
                Produced::Files(made) => self.stale_files(path, made),
                _ => Ok(()),
            };
            let change = |now: String| Change {
                component: format!("output {name}").into(),
                old: Some("not made".into()),
                new: Some(now.into()),
            };
            stale.map_err(change)?;
        }
        Ok(gone)
    }

    /// Whether an artifact is in place and whole; and the digest of what stands there.
    fn is_in_place(&self, artifact: &Artifact<'_>) -> (bool, Option<Digest>) {
        let path = artifact.path.as_bytes().unwrap_or_default();
        let there = self.memo.digest_of(&self.project.join(OsStr::from_bytes(path))).ok().map(|content| content.digest);
        (there == Some(artifact.digest), there)
    }

    pub(super) fn in_place(&self, name: &str, artifact: &Artifact<'_>) -> Result<(), Change> {
        let Artifact { digest, dir, exec, .. } = artifact;
        let path = artifact.path.as_bytes().unwrap_or_default();
        let full = self.project.join(OsStr::from_bytes(path));
        let (whole, there) = self.is_in_place(artifact);
        if whole {
            return Ok(());
        }
        let kept = match &self.artifacts {
            None => Ok(Condition::Missing),
            Some(artifacts) if self.dry.is_some() => artifacts.check(digest),
            Some(artifacts) => artifacts.restore(digest, &full, *exec),
        };
        if matches!(kept, Ok(Condition::Whole)) {
            // Its bytes have just been digested: who reads it next need not.
            if let (None, false, Ok(stat)) = (self.dry, dir, stat_path(&full)) {
                self.memo.learn(&full, stat, *digest);
            }
            return Ok(());
        }
        let shown = String::from_utf8_lossy(path);
        let mut now = there.map_or_else(|| format!("{shown}{MISSING}"), |d| format!("{shown} ({})", d.short()));
        match kept {
            Ok(Condition::Damaged) => now.push_str(", and its artifact is damaged"),
            Err(fault) => now.push_str(&format!(", and {fault}")),
            Ok(_) => {}
        }
        Err(Change {
            component: format!("output {name}").into(),
            old: Some(format!("{shown} ({})", digest.short()).into()),
            new: Some(now.into()),
        })
    }

    /// What stands at the path of a file that was not made is of another result, and goes.
    fn stale_file(&self, path: &[u8]) -> Result<(), String> {
        let at = |path: &[u8]| self.project.join(OsStr::from_bytes(path));
        let kept = at(&crate::port::kept_path(path)).symlink_metadata().is_ok();
        if !kept && (self.dry.is_some() || remove_file(&at(path))) {
            return Ok(());
        }
        Err(format!("{} is there", String::from_utf8_lossy(path)))
    }

    /// The same for what matches a pattern and is none of the files that were made.
    fn stale_files(&self, pattern: &[u8], made: &[Matched]) -> Result<(), String> {
        let split = pattern::split(pattern);
        let folder = self.project.join(OsStr::from_bytes(&split.folder));
        let made: FxHashSet<&[u8]> = made.iter().filter_map(|file| file.path.as_bytes()).collect();
        for below in crate::sys::glob::files(&folder, &split.rest)? {
            let path = split.beside(&below);
            if !made.contains(path.as_slice()) {
                self.stale_file(&path)?;
            }
        }
        Ok(())
    }
}

/// Removes a file; `false`: it is still there.
fn remove_file(path: &Path) -> bool {
    match std::fs::remove_file(path) {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
