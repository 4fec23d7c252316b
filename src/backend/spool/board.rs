//! The board of a shape: what the driver tells the workers that run its instances, in a file that it alone appends to.
//! A worker opens it anew for each look: that is when a client of a network file system asks whether a file has grown,
//! while what it knows of a folder may be old.

use super::Spool;
use crate::base::InstanceId;
use crate::sys::fault::{At, Result};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// A line of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This batch is there.
    Batch(u32),
    /// All of this batch has ended.
    Closed(u32),
    /// Whoever runs this attempt stops it.
    Stop(InstanceId, u32),
    /// Nothing more is to be expected; until a batch is announced.
    Over,
}

impl Notice {
    fn line(self) -> String {
        match self {
            Self::Batch(number) => format!("+{number}\n"),
            Self::Closed(number) => format!("-{number}\n"),
            Self::Stop(instance, attempt) => format!("x{}.{attempt}\n", instance.0),
            Self::Over => ".\n".to_owned(),
        }
    }
    /// `None` for what is no line of ours.
    fn of(line: &str) -> Option<Self> {
        let rest = line.get(1..)?;
        match line.as_bytes()[0] {
            b'+' => rest.parse().ok().map(Self::Batch),
            b'-' => rest.parse().ok().map(Self::Closed),
            b'x' => {
                let (instance, attempt) = rest.split_once('.')?;
                Some(Self::Stop(InstanceId(instance.parse().ok()?), attempt.parse().ok()?))
            }
            b'.' => Some(Self::Over),
            _ => None,
        }
    }
}

impl Spool {
    /// Tells the workers of a shape something, or several things in this order.
    pub fn tell(&self, shape: &str, notices: &[Notice]) -> Result<()> {
        let path = self.file("boards", shape);
        let text: String = notices.iter().map(|notice| notice.line()).collect();
        let mut file = File::options().append(true).create(true).open(&path).at("write", &path)?;
        file.write_all(text.as_bytes()).at("write", &path)
    }
}

/// A worker's view of it.
#[derive(Debug)]
pub struct Board {
    path: PathBuf,
    read: u64,
}

impl Board {
    /// Of a shape, from its beginning.
    pub fn new(spool: &Spool, shape: &str) -> Self {
        Self { path: spool.file("boards", shape), read: 0 }
    }

    /// What was told since the last look.
    pub fn look(&mut self) -> Result<Vec<Notice>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.at("read", &self.path)?,
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.read)).at("read", &self.path)?;
        file.read_to_end(&mut bytes).at("read", &self.path)?;
        // A line without its end is not written yet.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        let text = String::from_utf8_lossy(&bytes[..whole]);
        Ok(text.lines().filter_map(Notice::of).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_told_is_seen_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::of(dir.path());
        spool.make().unwrap();
        let mut board = Board::new(&spool, "s");
        assert_eq!(board.look().unwrap(), []);
        let all = [Notice::Batch(7), Notice::Stop(InstanceId(5), 2), Notice::Closed(7), Notice::Over];
        spool.tell("s", &all).unwrap();
        assert_eq!(board.look().unwrap(), all);
        let mut file = File::options().append(true).open(spool.file("boards", "s")).unwrap();
        file.write_all(b"+1").unwrap();
        assert_eq!(board.look().unwrap(), []);
        file.write_all(b"2\n?\n").unwrap();
        assert_eq!(board.look().unwrap(), [Notice::Batch(12)]);
    }
}
