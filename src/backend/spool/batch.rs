//! A batch's file: a head that says whose attempts are in it, then each of them by itself, so that a worker reads what
//! it runs and nothing else.

use super::{Spool, decode_bytes, encode};
use crate::base::InstanceId;
use crate::port::Job;
use crate::sys::durable::{self, Sync};
use crate::sys::fault::{At, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// How much a worker may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Instances that it takes at most; `None`: any number.
    pub most: Option<u32>,
    /// Instances that it runs at once.
    pub width: u32,
    /// Seconds that it may be at work; `None`: as long as the scheduler lets it.
    pub run_s: Option<u64>,
}

/// Instances that may run on any worker of one shape.
pub struct Batch<'a> {
    /// Its number in the run.
    pub number: u32,
    /// The name of its shape: what workers for it must have been given.
    pub shape: &'a str,
    /// Rendered, in the order in which they should begin.
    pub jobs: &'a [Job],
    /// How much a worker may do.
    pub terms: Terms,
    /// The run's folder, absolute, as the driver sees it and every worker must.
    pub run_dir: &'a [u8],
}

/// What stands before the attempts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The batch's number in the run.
    pub number: u32,
    /// The name of its shape.
    pub shape: String,
    /// How much a worker may do.
    pub terms: Terms,
    /// The run's folder, absolute.
    pub run_dir: Vec<u8>,
    /// Its attempts.
    pub attempts: Vec<(InstanceId, u32)>,
    /// Where each ends behind the head.
    ends: Vec<u64>,
}

/// A batch whose head was read.
#[derive(Debug)]
pub struct Opened {
    /// The head.
    pub head: Head,
    file: File,
    path: PathBuf,
    base: u64,
}

impl Opened {
    /// One of its attempts, by its place.
    pub fn job(&self, at: usize) -> Result<Job> {
        let begin = if at == 0 { 0 } else { self.head.ends[at - 1] };
        let mut bytes = vec![0; (self.head.ends[at] - begin) as usize];
        self.file.read_exact_at(&mut bytes, self.base + begin).at("read", &self.path)?;
        decode_bytes(&bytes, &self.path)
    }
}

impl Spool {
    fn batch_file(&self, number: u32) -> PathBuf {
        self.file("batch", &number.to_string())
    }

    /// Makes the folder of its claims and writes a batch; it is safe on the disk when this returns.
    pub fn write_batch(&self, batch: &Batch<'_>) -> Result<()> {
        durable::make_folders(&self.file("claims", &batch.number.to_string()))?;
        let (mut bodies, mut ends) = (Vec::new(), Vec::with_capacity(batch.jobs.len()));
        for job in batch.jobs {
            bodies.extend(encode(job));
            ends.push(bodies.len() as u64);
        }
        let head = encode(&Head {
            number: batch.number,
            shape: batch.shape.to_owned(),
            terms: batch.terms,
            run_dir: batch.run_dir.to_vec(),
            attempts: batch.jobs.iter().map(|job| (job.instance, job.attempt)).collect(),
            ends,
        });
        let length = (head.len() as u64).to_le_bytes();
        durable::write(&self.batch_file(batch.number), &[&length, &*head, &*bodies].concat(), Sync::Now)
    }

    /// Opens a batch.
    pub fn open_batch(&self, number: u32) -> Result<Opened> {
        let path = self.batch_file(number);
        let file = File::open(&path).at("read", &path)?;
        let mut length = [0; 8];
        file.read_exact_at(&mut length, 0).at("read", &path)?;
        let length = u64::from_le_bytes(length);
        let mut head = vec![0; length as usize];
        file.read_exact_at(&mut head, 8).at("read", &path)?;
        Ok(Opened { head: decode_bytes(&head, &path)?, file, path, base: 8 + length })
    }

    /// The numbers of all batches, in order.
    pub fn batches(&self) -> Result<Vec<u32>> {
        let mut numbers: Vec<u32> = self.names("batch")?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}
