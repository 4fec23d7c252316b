//! What travels between a driver and its agents on other machines through a folder that both see, `runs/N/spool`:
//!
//! ```text
//! bin/flowrun           the driver's own binary: an upgrade in the middle of a run changes nothing
//! boards/S              what the driver tells the workers of shape S: which batches there are, what to stop
//! batch/B               instances of one shape, rendered; whoever has that shape takes one after another
//! claims/B/I.A          instance I, attempt A: who runs it. Made by `link`, so that nobody runs it twice
//! done/W                what worker W has ended and said, for when it is begun anew
//! reports/W.R.S         what worker W, begun anew R times, has to say, its S-th message: renamed into place, read by the
//!                       driver alone
//! work/W                a worker's scratch folder
//! ```
//!
//! It is correct on NFS: files come into being whole (rename, link), nobody locks, nobody writes to another's file.
//! It knows nothing of a scheduler.

mod batch;
mod board;
mod claims;

pub use batch::{Batch, Head, Opened, Terms};
pub use board::{Board, Notice};
pub use claims::Claims;

use crate::base::InstanceId;
use crate::port::Report;
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use crate::sys::{At, Fault, FaultKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

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

    /// As file names have it, without the restart: `17_3`, `17`, on another cluster `17_3;big`.
    pub fn name(&self) -> String {
        match self.job.split_once(';') {
            _ if self.element == Self::ALONE => self.job.clone(),
            Some((job, cluster)) => format!("{job}_{};{cluster}", self.element),
            None => format!("{}_{}", self.job, self.element),
        }
    }
    /// Whether it is the other, begun anew.
    fn follows(&self, other: &Self) -> bool {
        self.job == other.job && self.element == other.element && self.restart > other.restart
    }
}

/// What a worker is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doing {
    /// It runs something, and would take so many more at once.
    Work(u32),
    /// It waits for more, milliseconds from now at most.
    Wait(u64),
    /// This is its last word.
    End,
}

/// A message of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Message {
    /// The name of its shape.
    pub shape: String,
    /// Who.
    pub worker: Worker,
    /// What it is about now.
    pub doing: Doing,
    /// What has happened since its last one.
    pub reports: Vec<Report>,
    /// What it had taken when it was stopped from outside, and will not report; by whom, and why, the scheduler knows.
    pub left: Vec<(InstanceId, u32)>,
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
        ["bin", "boards", "batch", "claims", "done", "reports", "work"]
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

    /// Removes that copy, which is large: nobody works here any more, and who begins again makes another.
    pub fn remove_program(&self) {
        // A copy that stays takes room, and goes with the run.
        let _ = std::fs::remove_file(self.program());
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

    /// Adds to what a worker has ended and said: it must not run that again when the scheduler begins it anew.
    pub fn add_done(&self, worker: &Worker, done: &[(InstanceId, u32)]) -> Result<()> {
        let path = self.file("done", &worker.name());
        let mut bytes = Vec::with_capacity(done.len() * 8);
        for (instance, attempt) in done {
            bytes.extend(instance.0.to_le_bytes());
            bytes.extend(attempt.to_le_bytes());
        }
        let mut file = File::options().append(true).create(true).open(&path).at("write", &path)?;
        file.write_all(&bytes).at("write", &path)
    }
    /// What a worker had ended before.
    pub fn read_done(&self, worker: &Worker) -> Result<Vec<(InstanceId, u32)>> {
        let path = self.file("done", &worker.name());
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            bytes => bytes.at("read", &path)?,
        };
        if bytes.len() % 8 != 0 {
            // A node died while it wrote; what follows must be read right.
            let file = File::options().write(true).open(&path).at("write", &path)?;
            file.set_len((bytes.len() - bytes.len() % 8) as u64).at("write", &path)?;
        }
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        Ok(bytes.chunks_exact(8).map(|pair| (InstanceId(number(&pair[..4])), number(&pair[4..]))).collect())
    }

    /// Puts a message in place.
    pub fn write_message(&self, message: &Message, serial: u32) -> Result<()> {
        let worker = &message.worker;
        let name = format!("{}.{}.{serial}", worker.name(), worker.restart);
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

fn encode(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("plain data in memory")
}

fn decode<T: DeserializeOwned>(path: &Path) -> Result<T> {
    decode_bytes(&durable::read(path)?, path)
}

fn decode_bytes<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    rmp_serde::from_slice(bytes)
        .map_err(|error| Fault::new(FaultKind::Other, format!("`{}` is damaged: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_come_in_the_order_of_their_worker() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::of(dir.path());
        spool.make().unwrap();
        for serial in [10, 2, 1] {
            let message = Message {
                shape: "s".into(),
                worker: Worker { job: "5".into(), element: 0, restart: 0 },
                doing: Doing::Work(0),
                reports: Vec::new(),
                left: vec![(InstanceId(serial), 1)],
            };
            spool.write_message(&message, serial).unwrap();
        }
        let names = spool.messages().unwrap();
        assert_eq!(names, ["5_0.0.1", "5_0.0.2", "5_0.0.10"]);
        assert_eq!(spool.read_message(&names[2]).unwrap().left, [(InstanceId(10), 1)]);
        spool.remove_messages(&names).unwrap();
        assert_eq!(spool.messages().unwrap(), Vec::<String>::new());
    }
}
