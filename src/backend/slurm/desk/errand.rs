//! Calls of Slurm's programs, each on a thread of its own: one that hangs must not keep the desk from reading what
//! workers report. What came of them the desk reads when it is there.

use super::super::refusal::Submitted;
use super::silence::Look;
use crossbeam::channel::{Receiver, Sender, unbounded};
use std::time::Instant;

/// What has come of a call.
pub(super) enum Done {
    /// Of the submission of an array of this name for a batch, of workers of a shape.
    Submitted { crew: String, batch: u32, name: String, elements: u32, said: Submitted },
    /// Of a look at the queue, and whether there is an accounting.
    Looked(Result<(Look, bool), String>),
    /// Of the dismissal of workers that have nothing to do.
    Dismissed(Result<(), String>),
    /// Of a cancellation of elements, without patience or with it.
    Cancelled { elements: Vec<String>, hard: bool, said: Result<(), String> },
}

/// The calls that are under way.
pub(super) struct Errands {
    back: Sender<Done>,
    /// Where answers come in.
    pub done: Receiver<Done>,
    /// How many of them change something.
    deeds: usize,
}

impl Errands {
    pub fn new() -> Self {
        let (back, done) = unbounded();
        Self { back, done, deeds: 0 }
    }

    /// Makes a call that changes something.
    pub fn act(&mut self, call: impl FnOnce() -> Done + Send + 'static) {
        self.deeds += 1;
        self.ask(call);
    }

    /// Makes a call that only asks.
    pub fn ask(&mut self, call: impl FnOnce() -> Done + Send + 'static) {
        let back = self.back.clone();
        // A desk that is gone reads its answer no more, and a later one finds out what came of it.
        std::thread::spawn(move || drop(back.send(call())));
    }

    /// An answer was taken.
    pub fn taken(&mut self, done: &Done) {
        self.deeds -= usize::from(!matches!(done, Done::Looked(_)));
    }

    /// The next answer, as long as something that changes anything is under way.
    pub fn wait(&self, until: Instant) -> Option<Done> {
        let left = until.saturating_duration_since(Instant::now());
        if self.deeds == 0 { None } else { self.done.recv_timeout(left).ok() }
    }
}
