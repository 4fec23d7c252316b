//! What travels between a driver and its agents on other machines through a folder that both see, `runs/N/spool`:
//!
//! ```text
//! bin/flowrun           the driver's own binary: an upgrade in the middle of a run changes nothing
//! batch/B               instances of one shape, rendered; whoever works for the batch takes one after another
//! claims/I.A            instance I, attempt A: who runs it. Made by `link`, so that nobody runs it twice
//! done/W                what worker W has ended and said, for when it is begun anew
//! reports/B.W.S         what worker W has to say, its S-th message: renamed into place, read by the driver alone
//! work/W                a worker's scratch folder
//! ```
//!
//! It is correct on NFS: files come into being whole (rename, link), nobody locks, nobody appends to another's file.
//! It knows nothing of a scheduler.

use crate::base::InstanceId;
use crate::port::{Job, Report};
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use crate::sys::{At, Fault, FaultKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Instances that may run on any worker of one shape.
#[derive(Debug, Serialize, Deserialize)]
pub struct Batch {
    /// Its number in the run.
    pub number: u32,
    /// Rendered, in the order in which they should begin.
    pub jobs: Vec<Job>,
    /// Seconds from its beginning in which a worker may take another instance; the first it takes in any case.
    pub window_s: u64,
    /// The run's folder, absolute, as the driver sees it and every worker must.
    pub run_dir: Vec<u8>,
}

/// Who works: one element of an array, or a job that is none; after a requeue its `restart` is higher.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Worker {
    /// The scheduler's number of the array.
    pub job: String,
    /// The element; [`Worker::ALONE`]: it is no array.
    pub element: u32,
    /// How often it was begun anew.
    pub restart: u32,
}

impl Worker {
    /// See [`Worker::element`].
    pub const ALONE: u32 = u32::MAX;

    /// As file names have it, without the restart: `17_3`, `17`.
    pub fn name(&self) -> String {
        if self.element == Self::ALONE { self.job.clone() } else { format!("{}_{}", self.job, self.element) }
    }
}

/// A message of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Message {
    /// The batch it works for.
    pub batch: u32,
    /// Who.
    pub worker: Worker,
    /// What has happened since its last one.
    pub reports: Vec<Report>,
    /// What it had taken when it was stopped from outside, and will not report; by whom, and why, the scheduler knows.
    pub left: Vec<(InstanceId, u32)>,
    /// Whether it ends with this.
    pub over: bool,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Of a run, whether it is there or not.
    pub fn of(run_dir: &Path) -> Self {
        Self { folder: run_dir.join("spool") }
    }
    /// By its own path.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
    /// Makes its folders.
    pub fn make(&self) -> Result<()> {
        ["bin", "batch", "claims", "done", "reports", "work"]
            .iter()
            .try_for_each(|name| durable::make_folders(&self.folder.join(name)))
    }
    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.folder
    }
    /// The binary that workers run.
    pub fn program(&self) -> PathBuf {
        self.folder.join("bin/flowrun")
    }
    /// A worker's scratch folder.
    pub fn work(&self, worker: &Worker) -> PathBuf {
        self.folder.join("work").join(worker.name())
    }
    /// A file of this folder by its kind and name.
    pub fn file(&self, kind: &str, name: &str) -> PathBuf {
        self.folder.join(kind).join(name)
    }

    /// Copies the running program, once.
    pub fn keep_program(&self) -> Result<()> {
        let path = self.program();
        if path.exists() {
            return Ok(());
        }
        let temporary = durable::temporary_beside(&path)?;
        std::fs::copy("/proc/self/exe", &temporary).at("copy flowrun to", &path)?;
        durable::rename(&temporary, &path)
    }

    /// Writes a batch; it is safe on the disk when this returns.
    pub fn write_batch(&self, batch: &Batch) -> Result<()> {
        durable::write(&self.file("batch", &batch.number.to_string()), &encode(batch), Sync::Now)
    }
    /// Removes a batch that nobody works for.
    pub fn remove_batch(&self, number: u32) -> Result<()> {
        for name in [format!("{number}.sent"), number.to_string()] {
            let path = self.file("batch", &name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(Fault::io("remove", &path, &error)),
                _ => {}
            }
        }
        Ok(())
    }
    /// Reads a batch.
    pub fn read_batch(&self, number: u32) -> Result<Batch> {
        decode(&self.file("batch", &number.to_string()))
    }
    /// The numbers of all batches, in order.
    pub fn batches(&self) -> Result<Vec<u32>> {
        let mut numbers: Vec<u32> = self.names("batch")?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Takes an attempt for a worker: true when nobody else has it, or when the same worker had it before it was begun
    /// anew.
    pub fn claim(&self, instance: InstanceId, attempt: u32, worker: &Worker) -> Result<bool> {
        let path = self.file("claims", &claim_name(instance, attempt));
        let temporary = durable::temporary_beside(&path)?;
        std::fs::write(&temporary, encode(worker)).at("write", &path)?;
        let linked = std::fs::hard_link(&temporary, &path);
        let taken = match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.take_again(&temporary, &path, worker),
            Err(error) => Err(Fault::io("make", &path, &error)),
        };
        // After a rename it is gone already.
        let _ = std::fs::remove_file(&temporary);
        taken
    }
    fn take_again(&self, temporary: &Path, path: &Path, worker: &Worker) -> Result<bool> {
        if same_file(temporary, path)? {
            // The answer to our own `link` was lost on the way from an NFS server.
            return Ok(true);
        }
        // The very same worker again is another process: a scheduler that lost its memory began it twice.
        let held: Worker = decode(path)?;
        let earlier = held.job == worker.job && held.element == worker.element && held.restart < worker.restart;
        if earlier {
            durable::rename(temporary, path)?;
        }
        Ok(earlier)
    }
    /// Who has an attempt.
    pub fn claimed_by(&self, instance: InstanceId, attempt: u32) -> Result<Option<Worker>> {
        let path = self.file("claims", &claim_name(instance, attempt));
        match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            _ => decode(&path).map(Some),
        }
    }
    /// Keeps what a worker has ended and said: it must not run that again when the scheduler begins it anew.
    pub fn write_done(&self, worker: &Worker, done: &[(InstanceId, u32)]) -> Result<()> {
        durable::write(&self.file("done", &worker.name()), &encode(&done), Sync::Later)
    }
    /// What a worker had ended before.
    pub fn read_done(&self, worker: &Worker) -> Result<Vec<(InstanceId, u32)>> {
        let path = self.file("done", &worker.name());
        if path.exists() { decode(&path) } else { Ok(Vec::new()) }
    }
    /// Names of everything that is claimed, see [`claim_name`].
    pub fn claims(&self) -> Result<Vec<String>> {
        self.names("claims")
    }

    /// Puts a message in place.
    pub fn write_message(&self, message: &Message, serial: u32) -> Result<()> {
        let Message { batch, worker, .. } = message;
        let name = format!("{batch}.{}.{}.{serial}", worker.name(), worker.restart);
        durable::write(&self.file("reports", &name), &encode(message), Sync::Later)
    }
    /// The names of the messages that are there, in the order of each worker's own. Clients of a network file system
    /// keep listings; making a file in the folder shows them a new one.
    pub fn messages(&self) -> Result<Vec<String>> {
        let fresh = durable::temporary_beside(&self.file("reports", "fresh"))?;
        std::fs::write(&fresh, b"").at("write", &fresh)?;
        let removed = std::fs::remove_file(&fresh);
        removed.at("remove", &fresh)?;
        let mut names = self.names("reports")?;
        names.sort_by_key(|name| name.rsplit('.').next().and_then(|serial| serial.parse::<u32>().ok()));
        Ok(names)
    }
    /// One of them.
    pub fn read_message(&self, name: &str) -> Result<Message> {
        decode(&self.file("reports", name))
    }
    /// Removes messages that are in the journal.
    pub fn remove_messages(&self, names: &[String]) -> Result<()> {
        for name in names {
            let path = self.file("reports", name);
            std::fs::remove_file(&path).at("remove", &path)?;
        }
        Ok(())
    }

    fn names(&self, kind: &str) -> Result<Vec<String>> {
        let folder = self.folder.join(kind);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).at("list", &folder)? {
            let name = entry.at("list", &folder)?.file_name();
            names.extend(name.into_string().ok().filter(|name| !name.starts_with('.')));
        }
        Ok(names)
    }
}

/// The name of a claim: `17.1`.
pub fn claim_name(instance: InstanceId, attempt: u32) -> String {
    format!("{}.{attempt}", instance.0)
}

fn same_file(one: &Path, other: &Path) -> Result<bool> {
    let of = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino())).at("read", path);
    Ok(of(one)? == of(other)?)
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("plain data in memory")
}

fn decode<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = durable::read(path)?;
    rmp_serde::from_slice(&bytes)
        .map_err(|error| Fault::new(FaultKind::Other, format!("`{}` is damaged: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn worker(job: &str, element: u32, restart: u32) -> Worker {
        Worker { job: job.into(), element, restart }
    }

    #[test]
    fn an_attempt_is_taken_once_and_again_by_the_same_worker_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::of(dir.path());
        spool.make().unwrap();
        let claim = |attempt, who: &Worker| spool.claim(InstanceId(7), attempt, who).unwrap();
        assert!(claim(1, &worker("5", 2, 0)));
        assert!(!claim(1, &worker("5", 3, 0)));
        assert!(!claim(1, &worker("6", 2, 1)));
        assert!(!claim(1, &worker("5", 2, 0)), "its namesake is another process");
        assert!(claim(1, &worker("5", 2, 1)));
        assert!(!claim(1, &worker("5", 2, 0)), "the dead one comes back from the grave");
        assert!(claim(2, &worker("6", 0, 0)));
        assert_eq!(spool.claimed_by(InstanceId(7), 1).unwrap(), Some(worker("5", 2, 1)));
        assert_eq!(spool.claimed_by(InstanceId(8), 1).unwrap(), None);
        let mut claims = spool.claims().unwrap();
        claims.sort();
        assert_eq!(claims, ["7.1", "7.2"]);
    }

    #[test]
    fn messages_come_in_the_order_of_their_worker() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::of(dir.path());
        spool.make().unwrap();
        for serial in [10, 2, 1] {
            let message = Message {
                batch: 1,
                worker: worker("5", 0, 0),
                reports: Vec::new(),
                left: vec![(InstanceId(serial), 1)],
                over: false,
            };
            spool.write_message(&message, serial).unwrap();
        }
        let names = spool.messages().unwrap();
        assert_eq!(names, ["1.5_0.0.1", "1.5_0.0.2", "1.5_0.0.10"]);
        assert_eq!(spool.read_message(&names[2]).unwrap().left, [(InstanceId(10), 1)]);
        spool.remove_messages(&names).unwrap();
        assert_eq!(spool.messages().unwrap(), Vec::<String>::new());
    }
}
