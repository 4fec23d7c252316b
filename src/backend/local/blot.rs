//! The way of an attempt with secrets: its output goes through pipes, and into the log without them.
//!
//! A thread carries it over until the process has ended and the pipes are empty. What a living descendant writes later
//! belongs to no attempt; it is taken, so that nobody is stopped by a full pipe, and dropped.

use super::environment::Variable;
use super::explain;
use super::logs::Segment;
use crate::base::text::quote;
use crate::event::{Cause, Failure, Produced};
use crate::port::Job;
use crate::sys::secret::{self, Blotter, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, channel};

/// The secrets of an attempt: what is looked for, and the variables that hold them.
#[derive(Default)]
pub struct Secrets {
    blotter: Blotter,
    /// The variables of the process.
    pub variables: Vec<Variable>,
}

impl Secrets {
    /// Finds their values.
    pub fn of(job: &Job) -> Result<Self, Failure> {
        let mut variables = Vec::with_capacity(job.secrets.len());
        let mut values = Vec::with_capacity(job.secrets.len());
        for (name, from) in &job.secrets {
            let value = secret::value(from, &job.project).map_err(|mut fault| {
                fault.what = format!("the secret {} cannot be had: {}", quote(name), fault.what);
                explain::fault(fault)
            })?;
            let inside = job.container.as_ref().map(|container| container.secret_name(name));
            let variable = Variable::new(inside.as_deref().unwrap_or(name).as_bytes(), &value);
            variables.push(variable.ok_or_else(|| explain::nul(&format!("the secret {}", quote(name))))?);
            values.push(value);
        }
        if values.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { blotter: Blotter::new(values.iter().map(Vec::as_slice)), variables })
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.blotter.is_empty()
    }

    /// A failure as it may be kept.
    pub fn blot(&self, failure: Failure) -> Failure {
        if !self.any() {
            return failure;
        }
        Failure {
            cause: failure.cause,
            message: self.blotter.blot(&failure.message).into(),
            help: failure.help.map(|help| self.blotter.blot(&help).into()),
        }
    }

    /// Refuses a file of values that holds a secret: values are kept.
    pub fn refuse_text(&self, text: &[u8]) -> Result<(), Failure> {
        if self.any() && self.blotter.finds(text) { Err(kept("$FLOWRUN_OUTPUT holds a secret")) } else { Ok(()) }
    }

    /// Refuses values that hold a secret, however it was written.
    pub fn refuse_values(&self, results: &[Option<Produced>]) -> Result<(), Failure> {
        let holds = |produced: &Produced| match produced {
            Produced::Value(value) => {
                let bytes = value.as_bytes().is_some_and(|bytes| self.blotter.finds(bytes));
                bytes || self.blotter.finds(value.to_json().as_bytes())
            }
            Produced::Artifact { .. } | Produced::Files(_) => false,
        };
        let found = self.any() && results.iter().flatten().any(holds);
        if found { Err(kept("a value holds a secret")) } else { Ok(()) }
    }
}

/// A value that would be kept with a secret in it. A value with `***` in it would be wrong without anybody knowing.
pub fn kept(what: &str) -> Failure {
    let help = "values are kept in the cache and handed on; write what is secret to no output";
    Failure {
        cause: Cause::OutputInvalid,
        message: format!("{what}, and is not taken").into(),
        help: Some(help.into()),
    }
}

/// The writing ends, for the process, and what comes of the reading ends.
pub struct Pipes {
    /// Standard output.
    pub out: PipeWriter,
    /// Standard error.
    pub err: PipeWriter,
    over: PipeWriter,
    found: Receiver<[bool; 2]>,
}

/// After the process was started: only it writes.
pub struct Carried {
    over: PipeWriter,
    found: Receiver<[bool; 2]>,
}

impl Pipes {
    /// Into the segment.
    pub fn into(segment: &Segment, secrets: &Secrets) -> std::io::Result<Self> {
        let ((out_end, out), (err_end, err), (ended, over)) = (std::io::pipe()?, std::io::pipe()?, std::io::pipe()?);
        for end in [&out_end, &err_end] {
            rustix::io::ioctl_fionbio(end, true)?;
        }
        let ways = [
            Way::new(out_end, segment.out.try_clone()?, &secrets.blotter),
            Way::new(err_end, segment.err.try_clone()?, &secrets.blotter),
        ];
        let (sender, found) = channel();
        let thread = std::thread::Builder::new().name("blot".to_owned()).stack_size(256 * 1024);
        thread.spawn(move || {
            let ways = carry(ways, &ended);
            // The slot waits for this, and whoever it was that wrote is gone.
            let _ = sender.send([ways[0].stream.found, ways[1].stream.found]);
            drain(ways);
        })?;
        Ok(Self { out, err, over, found })
    }

    /// Closes our copies of the writing ends.
    pub fn started(self) -> Carried {
        Carried { over: self.over, found: self.found }
    }
}

impl Carried {
    /// After the process has ended: all that it wrote is in the log. Says of standard output and standard error whether a
    /// secret was in it.
    pub fn ended(self) -> [bool; 2] {
        drop(self.over);
        self.found.recv().unwrap_or_default()
    }
}

/// From one pipe to one file.
struct Way {
    from: PipeReader,
    to: File,
    stream: Stream,
    open: bool,
}

impl Way {
    fn new(from: PipeReader, to: File, blotter: &Blotter) -> Self {
        Self { from, to, stream: Stream::new(blotter.clone()), open: true }
    }

    /// Carries over one piece; how long it was. A log that cannot be written is no reason to stop the task.
    fn carry(&mut self, buffer: &mut [u8]) -> usize {
        match self.from.read(buffer) {
            Ok(n @ 1..) => {
                let mut out = Vec::with_capacity(n);
                self.stream.take(&buffer[..n], &mut out);
                let _ = self.to.write_all(&out);
                n
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => 0,
            Ok(0) | Err(_) => {
                self.open = false;
                0
            }
        }
    }

    /// Carries over what the process left in the pipe; a descendant may go on filling it for ever.
    fn finish(&mut self, buffer: &mut [u8]) {
        let mut left = rustix::io::ioctl_fionread(&self.from).unwrap_or(0);
        while left > 0 && self.open {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            match self.carry(&mut buffer[..most]) {
                0 => break,
                n => left -= n as u64,
            }
        }
        let mut out = Vec::new();
        self.stream.finish(&mut out);
        let _ = self.to.write_all(&out);
    }
}

/// Until both pipes are closed, or `ended` is and they are empty.
fn carry(mut ways: [Way; 2], ended: &PipeReader) -> [Way; 2] {
    let mut buffer = vec![0; 64 * 1024];
    while ways.iter().any(|way| way.open) && !wait(&ways, Some(ended)) {
        for way in ways.iter_mut().filter(|way| way.open) {
            way.carry(&mut buffer);
        }
    }
    ways.iter_mut().for_each(|way| way.finish(&mut buffer));
    ways
}

/// Takes what comes and drops it, until nobody can write any more.
fn drain(mut ways: [Way; 2]) {
    let mut buffer = vec![0; 4096];
    while ways.iter().any(|way| way.open) {
        wait(&ways, None);
        for way in ways.iter_mut().filter(|way| way.open) {
            match way.from.read(&mut buffer) {
                Ok(0) => way.open = false,
                Ok(_) => {}
                Err(error) => way.open = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
            }
        }
    }
}

/// Waits until one of them has something to say; true: `ended` is closed.
fn wait(ways: &[Way; 2], ended: Option<&PipeReader>) -> bool {
    let open = ways.iter().filter(|way| way.open).map(|way| way.from.as_fd());
    let mut fds: Vec<PollFd<'_>> = ended
        .map(|end| end.as_fd())
        .into_iter()
        .chain(open)
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    // Interrupted, or nothing to wait for: the pipes are looked at either way.
    let _ = poll(&mut fds, None);
    ended.is_some() && fds.first().is_some_and(|fd| !fd.revents().is_empty())
}
