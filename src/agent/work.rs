//! What a worker may take next: the batches of its shape that the board announces, and of each the attempts that nobody
//! has taken yet.

use crate::backend::spool::{Board, Claims, Notice, Opened, Spool, Worker};
use crate::base::InstanceId;
use crate::port::Job;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// As long as something is left of the batches that a worker knows, it looks for newer ones this often.
const LOOK: Duration = Duration::from_millis(200);

/// All that a worker may take.
pub struct Work {
    spool: Spool,
    worker: Worker,
    /// How many workers its array has.
    workers: u32,
    /// The batch that its array was submitted for.
    first: u32,
    board: Board,
    looked: Option<Instant>,
    /// `None`: not opened yet.
    batches: BTreeMap<u32, Option<Queue>>,
    /// What the worker has ended and said before it was begun anew.
    done: FxHashSet<(InstanceId, u32)>,
    /// What is to be stopped.
    stops: Vec<(InstanceId, u32)>,
    over: bool,
    /// What an earlier life of this worker had taken and not ended, once that was looked for: by batch and place.
    again: Option<Vec<(u32, usize)>>,
}

impl Work {
    pub fn new(spool: Spool, worker: Worker, workers: u32, first: &Opened, done: FxHashSet<(InstanceId, u32)>) -> Self {
        let board = Board::new(&spool, &first.head.shape);
        let first = first.head.number;
        Self {
            spool,
            worker,
            workers,
            first,
            board,
            looked: None,
            batches: BTreeMap::new(),
            done,
            stops: Vec::new(),
            over: false,
            again: None,
        }
    }

    /// Whether the driver has said that nothing more comes.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What the driver wants stopped, since the last call.
    pub fn take_stops(&mut self) -> Vec<(InstanceId, u32)> {
        std::mem::take(&mut self.stops)
    }

    /// Looks at the board.
    pub fn look(&mut self) -> anyhow::Result<()> {
        self.looked = Some(Instant::now());
        for notice in self.board.look()? {
            match notice {
                Notice::Batch(number) => {
                    self.over = false;
                    self.batches.insert(number, None);
                }
                Notice::Closed(number) => drop(self.batches.remove(&number)),
                Notice::Stop(instance, attempt) => self.stops.push((instance, attempt)),
                Notice::Over => self.over = true,
            }
        }
        Ok(())
    }

    /// Takes an attempt, of the newest batch that has one: what follows on something goes before what is as far as that
    /// was, so that items are finished one after another.
    pub fn take(&mut self) -> anyhow::Result<Option<Job>> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.look()?;
        }
        let numbers: Vec<u32> = self.batches.keys().rev().copied().collect();
        if self.worker.restart > 0 && self.again.is_none() {
            let mut again = Vec::new();
            for number in &numbers {
                again.extend(self.open(*number)?.earlier()?.into_iter().map(|at| (*number, at)));
            }
            self.again = Some(again);
        }
        while let Some((number, at)) = self.again.as_mut().and_then(Vec::pop) {
            let queue = self.open(number)?;
            if queue.claim(at)? {
                return Ok(Some(queue.batch.job(at)?));
            }
        }
        for number in numbers {
            let queue = self.open(number)?;
            if let Some(at) = queue.take()? {
                return Ok(Some(queue.batch.job(at)?));
            }
            self.batches.remove(&number);
        }
        Ok(None)
    }

    fn open(&mut self, number: u32) -> anyhow::Result<&mut Queue> {
        let Self { spool, worker, batches, done, .. } = self;
        let place = batches.entry(number).or_default();
        if place.is_none() {
            let (batch, claims) = (spool.open_batch(number)?, spool.claims(number, worker));
            let element = (number == self.first).then_some((worker.element, self.workers));
            let mut queue = Queue::new(batch, claims, element, done);
            // Of a batch that is not its own it takes what others are not at.
            if element.is_none() && worker.restart == 0 && queue.taken.len() > 1 {
                queue.look_again()?;
            }
            *place = Some(queue);
        }
        Ok(place.as_mut().expect("just made"))
    }
}

/// The attempts of one batch. A worker goes forward from a place of its own; where it meets what another has taken, it
/// looks what is left and goes on in the middle of the longest stretch that is free.
struct Queue {
    batch: Opened,
    claims: Claims,
    taken: Vec<bool>,
    at: usize,
}

impl Queue {
    fn new(batch: Opened, claims: Claims, element: Option<(u32, u32)>, done: &FxHashSet<(InstanceId, u32)>) -> Self {
        let attempts = &batch.head.attempts;
        let count = attempts.len();
        let at = match element {
            // Its own number, or its share of what is more than there are workers.
            Some((element, of)) => element as usize * (count / of.max(1) as usize).max(1) % count.max(1),
            None => 0,
        };
        Self { taken: attempts.iter().map(|attempt| done.contains(attempt)).collect(), batch, claims, at }
    }

    fn take(&mut self) -> anyhow::Result<Option<usize>> {
        let count = self.taken.len();
        loop {
            let next = (self.at..count).chain(0..self.at.min(count)).find(|at| !self.taken[*at]);
            let Some(at) = next else { return Ok(None) };
            self.at = at + 1;
            if self.claim(at)? {
                return Ok(Some(at));
            }
            self.look_again()?;
        }
    }

    fn claim(&mut self, at: usize) -> anyhow::Result<bool> {
        let (instance, attempt) = self.batch.head.attempts[at];
        Ok(!std::mem::replace(&mut self.taken[at], true) && self.claims.take(instance, attempt)?)
    }

    /// The places of what an earlier life of this worker had taken and not ended.
    fn earlier(&self) -> anyhow::Result<Vec<usize>> {
        let taken = self.claims.taken()?.into_iter().filter(|(_, _, ours)| *ours);
        let ours: FxHashSet<(InstanceId, u32)> = taken.map(|(instance, attempt, _)| (instance, attempt)).collect();
        let attempts = self.batch.head.attempts.iter().enumerate();
        Ok(attempts.filter(|(at, attempt)| !self.taken[*at] && ours.contains(attempt)).map(|(at, _)| at).collect())
    }

    fn look_again(&mut self) -> anyhow::Result<()> {
        let taken = self.claims.taken()?.into_iter();
        let taken: FxHashSet<(InstanceId, u32)> = taken.map(|(instance, attempt, _)| (instance, attempt)).collect();
        for (at, attempt) in self.batch.head.attempts.iter().enumerate() {
            self.taken[at] |= taken.contains(attempt);
        }
        self.at = middle_of_longest(&self.taken);
        Ok(())
    }
}

/// The middle of the longest stretch that is free; 0 when none is.
fn middle_of_longest(taken: &[bool]) -> usize {
    let (mut best, mut begin) = (0..0, 0);
    for at in 0..=taken.len() {
        if taken.get(at).copied().unwrap_or(true) {
            if at - begin > best.len() {
                best = begin..at;
            }
            begin = at + 1;
        }
    }
    best.start + best.len() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_meets_others_goes_where_most_is_left() {
        let of = |text: &str| middle_of_longest(&text.bytes().map(|byte| byte == b'x').collect::<Vec<bool>>());
        assert_eq!(of("....."), 2);
        assert_eq!(of("x..x....x"), 6);
        assert_eq!(of("xx"), 0);
        assert_eq!(of(""), 0);
    }
}
