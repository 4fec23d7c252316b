//! What travels between driver and executor: frames of a length (4 bytes, little endian) and a MessagePack document.
//! Both ends are always the same binary, so there is no version.

use crate::base::InstanceId;
use crate::port::Job;
use rmp_serde::config::BytesMode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What the driver asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// The first one.
    Setup(Setup),
    /// Execute an attempt.
    Start(Box<Job>),
    /// Stop attempts.
    Cancel {
        /// Whose.
        instances: Vec<InstanceId>,
        /// SIGKILL at once.
        hard: bool,
    },
}

/// What the executor must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The run's folder, absolute.
    #[serde(serialize_with = "path_to", deserialize_with = "path_from")]
    pub run_dir: PathBuf,
    /// Where scratch files go, absolute.
    #[serde(serialize_with = "path_to", deserialize_with = "path_from")]
    pub work: PathBuf,
}

/// What the executor says.
#[derive(Serialize, Deserialize)]
pub enum Said<R> {
    /// Of an attempt.
    Report(R),
    /// The last word: how often it started a process, and how many nanoseconds that took in all.
    Spent {
        /// Processes.
        times: u64,
        /// Nanoseconds.
        nanos: u64,
    },
}

fn path_to<S: serde::Serializer>(path: &Path, s: S) -> Result<S::Ok, S::Error> {
    path.as_os_str().as_bytes().serialize(s)
}

fn path_from<'de, D: serde::Deserializer<'de>>(d: D) -> Result<PathBuf, D::Error> {
    Vec::deserialize(d).map(|bytes| OsString::from_vec(bytes).into())
}

/// Appends a frame.
pub fn encode<T: Serialize>(buffer: &mut Vec<u8>, message: &T) {
    let at = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    let mut serializer =
        rmp_serde::Serializer::new(&mut *buffer).with_struct_map().with_bytes(BytesMode::ForceIterables);
    message.serialize(&mut serializer).expect("plain data in memory");
    let length = u32::try_from(buffer.len() - at - 4).expect("a message under 4 GiB");
    buffer[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// The frames of a stream.
pub struct Frames<R> {
    reader: BufReader<R>,
    body: Vec<u8>,
}

/// A frame's buffer is kept for the next one up to this size.
const KEPT: usize = 1 << 20;

impl<R: Read> Frames<R> {
    /// Of this stream.
    pub fn new(stream: R) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, stream), body: Vec::new() }
    }
    /// The next one; `None` at the end. A frame that is cut off is an end too: the other side has died.
    pub fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut length = [0; 4];
        if !self.fill_from_stream(&mut length)? {
            return Ok(None);
        }
        let mut body = std::mem::take(&mut self.body);
        body.resize(u32::from_le_bytes(length) as usize, 0);
        if !self.fill_from_stream(&mut body)? {
            return Ok(None);
        }
        let message = rmp_serde::from_slice(&body).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        if body.capacity() <= KEPT {
            self.body = body;
        }
        Ok(Some(message))
    }

    fn fill_from_stream(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        match self.reader.read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::base::{Digest, Value};
    use crate::event::{Cause, Failure, LogRange, Outcome, Produced, Usage};
    use crate::lang::types::Type;
    use crate::port::{JobOutput, JobOutputKind, Pack, Report, Stat};
    use std::sync::Arc;

    #[test]
    fn messages_come_back_as_they_were() {
        let stat = Stat { size: 1, mtime: -5, ctime: i64::MAX, inode: u64::MAX };
        let odd = || PathBuf::from(OsString::from_vec(b"/tmp/\xff\n".to_vec()));
        let job = Job {
            instance: InstanceId(7),
            attempt: 2,
            name: "align[NA12878]".into(),
            argv: vec![b"printf".to_vec(), vec![0xff, 0xfe], Vec::new(), vec![b'x'; 200_000]],
            env: vec![(b"A".to_vec(), b"\x80".to_vec())],
            secrets: vec![("TOKEN".into(), crate::lang::model::SecretFrom::File("token.txt".into()))],
            container: None,
            workdir: Some(odd()),
            project: odd(),
            script: Some(b"echo".to_vec()),
            vars: None,
            outputs: vec![
                JobOutput::new("a", JobOutputKind::Value(Type::List(Box::new(Type::Float)))),
                JobOutput::new("b", JobOutputKind::File(b"x/\xe9".to_vec())),
            ],
            time_ms: Some(1),
            grace_ms: 0,
            needs: crate::engine::Needs {
                backend: 1,
                cpus: 2,
                memory: 1 << 40,
                gpus: 0,
                nodes: 2,
                tasks: 8,
                disk: 7,
                limits: vec![1],
            },
            options: vec![("exclusive".into(), None), ("qos".into(), Some("high".into()))],
            pack: Pack { tasks: Some(7), time_ms: None, width: Some(2) },
            watched: vec![(odd(), stat)],
        };
        let orders = [
            Order::Setup(Setup { run_dir: odd(), work: odd() }),
            Order::Start(Box::new(job)),
            Order::Cancel { instances: vec![InstanceId(0)], hard: true },
        ];
        let values = Value::list(vec![
            Value::Null,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Int(255),
            Value::Float(0.1),
            Value::Float(2.0),
            Value::from_bytes(b"\xff"),
            Value::map(vec![("k".into(), Value::str("ü"))]),
        ]);
        let ended = |result| Report::Ended {
            instance: InstanceId(u32::MAX),
            attempt: 1,
            outcome: Outcome {
                result,
                usage: Usage { peak_bytes: 1 << 40, ..Usage::default() },
                log: Some(LogRange { segment: 1, out: (0, 5), err: (7, 0) }),
                host: None,
                doubtful: false,
            },
            stats: vec![None, Some(stat)],
            trusted: true,
        };
        let path = Value::from_bytes(b"\xe9");
        let artifact = Produced::Artifact { path, digest: Digest::of(b"x"), size: 3, dir: false, exec: true };
        let failure = Failure { cause: Cause::Exit(-1), message: "m".into(), help: None };
        let reports = [
            ended(Ok(Arc::new(vec![Produced::Value(values), artifact]))),
            ended(Err(failure)),
            Report::Broken("b".to_owned(), Some("h".to_owned())),
        ];
        let mut bytes = Vec::new();
        orders.iter().for_each(|o| encode(&mut bytes, o));
        assert!(bytes.len() < 201_000, "bytes travel as bytes: {}", bytes.len());
        reports.iter().for_each(|r| encode(&mut bytes, r));
        let mut frames = Frames::new(bytes.as_slice());
        for order in &orders {
            assert_eq!(frames.next::<Order>().unwrap().as_ref(), Some(order));
        }
        for report in &reports {
            assert_eq!(frames.next::<Report>().unwrap().as_ref(), Some(report));
        }
        assert_eq!(frames.next::<Report>().unwrap(), None);
    }
}
