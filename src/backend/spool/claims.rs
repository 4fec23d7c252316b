//! Who runs which attempt: a file each, made by `link`, so that nobody runs it twice. All claims of a worker in a batch
//! are names of one file, so that a claim costs one call, and a folder's listing says which belong together.

use super::{Spool, Worker, decode, encode};
use crate::base::InstanceId;
use crate::sys::durable;
use crate::sys::fault::{At, Fault, Result};
use rustc_hash::FxHashMap;
use std::io::ErrorKind;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Takes attempts of a batch for a worker.
#[derive(Debug)]
pub struct Claims {
    folder: PathBuf,
    worker: Worker,
    /// The file that says who the worker is, which claims are names of.
    own: Option<PathBuf>,
}

impl Claims {
    /// Takes an attempt: true when nobody else has it, or when the same worker had it before it was begun anew.
    pub fn take(&mut self, instance: InstanceId, attempt: u32) -> Result<bool> {
        let path = self.folder.join(claim_name(instance, attempt));
        match self.link(&path)? {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.take_again(&path),
            // As many names as this file system gives a file.
            Err(error) if error.raw_os_error() == Some(libc::EMLINK) => {
                self.forget();
                match self.link(&path)? {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => self.take_again(&path),
                    linked => linked.at("make", &path).map(|()| true),
                }
            }
            Err(error) => Err(Fault::io("make", &path, &error)),
        }
    }

    fn link(&mut self, path: &Path) -> Result<std::io::Result<()>> {
        Ok(std::fs::hard_link(self.own()?, path))
    }

    fn own(&mut self) -> Result<&Path> {
        if self.own.is_none() {
            let own = durable::temporary_beside(&self.folder.join("own"))?;
            std::fs::write(&own, encode(&self.worker)).at("write", &own)?;
            self.own = Some(own);
        }
        Ok(self.own.as_deref().expect("just made"))
    }

    fn take_again(&mut self, path: &Path) -> Result<bool> {
        let worker = self.worker.clone();
        let own = self.own()?;
        if same_file(own, path)? {
            // The answer to our own `link` was lost on the way from an NFS server.
            return Ok(true);
        }
        // The very same worker again is another process: a scheduler that lost its memory began it twice.
        let earlier = worker.restart > 0 && worker.follows(&decode(path)?);
        if earlier {
            let name = durable::temporary_beside(path)?;
            std::fs::hard_link(own, &name).at("make", &name)?;
            durable::rename(&name, path)?;
        }
        Ok(earlier)
    }

    /// The attempts that are taken, each with whether an earlier life of this worker has it.
    pub fn taken(&self) -> Result<Vec<(InstanceId, u32, bool)>> {
        let listed = listed(&self.folder, |path| Ok(self.worker.restart > 0 && self.worker.follows(&decode(path)?)))?;
        Ok(listed.into_iter().map(|((instance, attempt), ours)| (instance, attempt, ours)).collect())
    }

    fn forget(&mut self) {
        if let Some(own) = self.own.take() {
            // The claims are names of it too.
            let _ = std::fs::remove_file(own);
        }
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Spool {
    fn claims_of(&self, batch: u32) -> PathBuf {
        self.file("claims", &batch.to_string())
    }

    /// A worker's way to take attempts of a batch.
    pub fn claims(&self, batch: u32, worker: &Worker) -> Claims {
        Claims { folder: self.claims_of(batch), worker: worker.clone(), own: None }
    }

    /// Who has which attempt of a batch.
    pub fn claimed(&self, batch: u32) -> Result<FxHashMap<(InstanceId, u32), Worker>> {
        Ok(listed(&self.claims_of(batch), decode::<Worker>)?.into_iter().collect())
    }

    /// Who has an attempt.
    pub fn claimed_by(&self, batch: u32, instance: InstanceId, attempt: u32) -> Result<Option<Worker>> {
        let path = self.claims_of(batch).join(claim_name(instance, attempt));
        match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            _ => decode(&path).map(Some),
        }
    }
}

/// The claims in a folder, each with what is read from it; what has the same number is the same file and read once.
fn listed<T: Clone>(folder: &Path, read: impl Fn(&Path) -> Result<T>) -> Result<Vec<((InstanceId, u32), T)>> {
    let mut known: FxHashMap<u64, T> = FxHashMap::default();
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).at("list", folder)? {
        let entry = entry.at("list", folder)?;
        let name = entry.file_name();
        let Some(claim) = name.to_str().and_then(claim_of) else { continue };
        // Some file systems do not tell numbers in listings.
        let number = Some(entry.ino()).filter(|number| ![0, u64::from(u32::MAX), u64::MAX].contains(number));
        let what = match number.and_then(|number| known.get(&number)) {
            Some(what) => what.clone(),
            None => read(&entry.path())?,
        };
        if let Some(number) = number {
            known.entry(number).or_insert_with(|| what.clone());
        }
        all.push((claim, what));
    }
    Ok(all)
}

/// The name of a claim: `17.1`.
fn claim_name(instance: InstanceId, attempt: u32) -> String {
    format!("{}.{attempt}", instance.0)
}

fn claim_of(name: &str) -> Option<(InstanceId, u32)> {
    let (instance, attempt) = name.split_once('.')?;
    Some((InstanceId(instance.parse().ok()?), attempt.parse().ok()?))
}

fn same_file(one: &Path, other: &Path) -> Result<bool> {
    let of = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino())).at("read", path);
    Ok(of(one)? == of(other)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_attempt_is_taken_once_and_again_by_the_same_worker_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::of(dir.path());
        spool.make().unwrap();
        durable::make_folders(&spool.claims_of(3)).unwrap();
        let worker = |job: &str, element, restart| Worker { job: job.into(), element, restart };
        let claim = |attempt, who: Worker| spool.claims(3, &who).take(InstanceId(7), attempt).unwrap();
        assert!(claim(1, worker("5", 2, 0)));
        assert!(!claim(1, worker("5", 3, 0)));
        assert!(!claim(1, worker("6", 2, 1)));
        assert!(!claim(1, worker("5", 2, 0)), "its namesake is another process");
        let again = spool.claims(3, &worker("5", 2, 1));
        assert_eq!(again.taken().unwrap(), [(InstanceId(7), 1, true)]);
        assert!(claim(1, worker("5", 2, 1)));
        assert!(!claim(1, worker("5", 2, 0)), "the dead one comes back from the grave");
        assert!(claim(2, worker("6", 0, 0)));
        assert_eq!(spool.claimed_by(3, InstanceId(7), 1).unwrap(), Some(worker("5", 2, 1)));
        assert_eq!(spool.claimed_by(3, InstanceId(8), 1).unwrap(), None);
        let all = spool.claimed(3).unwrap();
        assert_eq!((all.len(), &all[&(InstanceId(7), 2)]), (2, &worker("6", 0, 0)));
        assert_eq!(std::fs::read_dir(spool.claims_of(3)).unwrap().count(), 2, "nothing is left beside them");
    }
}
