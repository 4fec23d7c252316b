//! The workers of a shape: who is known of them, and how many more are needed. It asks nobody.
//!
//! How many is decided by what there is to do and how long it takes. As long as nothing is known of that, each instance
//! is a job of its own, but a hundred at most: they show within seconds how long one takes, and thousands of elements
//! that would find nothing to do are not submitted. Then a worker is needed for each [`ENOUGH`] of work: what is long goes
//! as wide as the cluster allows, what is short is packed. Where the queue is long, so that nobody begins, all are
//! submitted, for their place in it counts. Who waits, in the queue or for work, is a worker already. `pack.tasks`
//! replaces the guess.

use super::super::commands::Shape;
use super::super::site::Gate;
use super::Sent;
use crate::backend::spool::{Doing, Terms, Worker};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Work that is worth a job of its own.
const ENOUGH: Duration = Duration::from_secs(20);
/// The most workers for what nothing is known of.
const FIRST: u64 = 100;
/// After so long nobody will begin soon.
const QUEUED: Duration = Duration::from_secs(10);
/// A worker that waits counts as one that is there until so long before it ends.
const MARGIN: Duration = Duration::from_secs(1);

/// What may be done about submissions.
#[derive(Debug)]
pub enum Want {
    /// Submit what is needed, not before this.
    Submit(Instant),
    /// Wait for the answer of a submission that is under way.
    Answer,
    /// Find out whether a submission that nobody answered was one.
    FindOut(Instant),
}

/// The workers of a shape.
pub struct Crew {
    /// What each has been given.
    pub shape: Shape,
    /// How much each may do.
    pub terms: Terms,
    /// The arrays that were submitted.
    pub sent: Vec<Sent>,
    /// What may be done about more.
    pub want: Want,
    /// The most elements that this cluster takes at once, as far as was learnt.
    pub width: u32,
    /// When anything was heard of any of them.
    pub heard: Instant,
    /// How many more workers are needed, when that was counted last.
    pub lacks: u32,
    /// The limits that its workers count against.
    pub gates: Vec<Gate>,
    /// How often even one worker was refused for a limit.
    pub refused: u32,
    /// Attempts that have not ended.
    pub open: usize,
    /// Whether an earlier driver began it, and nothing is known yet of who is at work.
    pub adopted: bool,
    /// Workers that are not in the queue and have not said that they end, since when.
    pub vanished: FxHashMap<Worker, Instant>,
    /// The name of an array whose submission was not answered.
    pub unanswered: Option<String>,
    /// Whether anything was taken since the newest array was submitted, and how often its workers ended before that.
    pub barren: bool,
    /// See `barren`.
    pub tries: u32,
    /// Since when nothing is open.
    pub quiet: Option<Instant>,
    met: FxHashMap<Worker, Member>,
    /// When the last array was submitted.
    pub sent_at: Instant,
    /// When the last array was submitted or the last worker began.
    moved: Instant,
    /// When the queue was last seen to hold them.
    seen: Instant,
    /// How many attempts of a node have ended, and how long they took together.
    measured: FxHashMap<Arc<str>, (u32, Duration)>,
}

/// What is to be begun of a batch.
pub struct ToDo<'a> {
    /// The node that it is of, mostly.
    pub node: &'a str,
    /// Attempts.
    pub unbegun: usize,
    /// When the first was begun.
    pub begun: Option<Instant>,
}

/// A worker that has said something.
#[derive(Clone, Copy)]
struct Member {
    doing: Doing,
    since: Instant,
    taken: u32,
}

impl Crew {
    /// Nobody yet.
    pub fn new(shape: Shape, terms: Terms, gates: Vec<Gate>) -> Self {
        let now = Instant::now();
        Self {
            terms,
            shape,
            sent: Vec::new(),
            want: Want::Submit(now),
            width: u32::MAX,
            heard: now,
            lacks: 0,
            gates,
            refused: 0,
            open: 0,
            adopted: false,
            vanished: FxHashMap::default(),
            unanswered: None,
            barren: true,
            tries: 0,
            quiet: None,
            met: FxHashMap::default(),
            sent_at: now,
            moved: now,
            seen: now,
            measured: FxHashMap::default(),
        }
    }

    /// An array was submitted.
    pub fn sent(&mut self, sent: Sent) {
        self.sent.push(sent);
        self.heard = Instant::now();
        (self.sent_at, self.moved) = (self.heard, self.heard);
        self.barren = true;
    }

    /// An array of an earlier driver: nobody knows how many of it are left.
    pub fn adopt(&mut self, sent: Sent) {
        let unknown = Member { doing: Doing::End, since: Instant::now(), taken: 0 };
        self.met.extend(sent.workers().map(|worker| (worker, unknown)));
        self.sent.push(sent);
        self.adopted = true;
    }

    /// A worker of an earlier driver is in the queue.
    pub fn find(&mut self, worker: Worker, waits: bool) {
        if waits {
            self.met.remove(&worker);
        } else if let Some(member) = self.met.get_mut(&worker) {
            member.doing = Doing::Work(0);
        }
    }

    /// A worker has begun so many and says what it is about.
    pub fn hear(&mut self, worker: &Worker, doing: Doing, begun: u32) {
        self.heard = Instant::now();
        self.barren &= begun == 0;
        let known = self.sent.iter().any(|sent| sent.job == worker.job);
        let worker = Worker { restart: 0, ..worker.clone() };
        if !known {
            return;
        }
        let new = || {
            self.moved = self.heard;
            Member { doing, since: self.heard, taken: 0 }
        };
        let member = self.met.entry(worker).or_insert_with(new);
        *member = Member { doing, since: self.heard, taken: member.taken + begun };
    }

    /// A worker is gone and has not said so.
    pub fn lose(&mut self, worker: &Worker) {
        let heard = self.heard;
        self.hear(worker, Doing::End, 0);
        self.heard = heard;
    }

    /// Whether a worker has said its last word.
    pub fn has_ended(&self, worker: &Worker) -> bool {
        let worker = Worker { restart: 0, ..worker.clone() };
        self.met.get(&worker).is_some_and(|member| member.doing == Doing::End)
    }

    /// An attempt of a node has taken so long.
    pub fn measure(&mut self, node: &Arc<str>, took: Duration) {
        let (count, sum) = self.measured.entry(node.clone()).or_default();
        *count += 1;
        *sum += took;
    }

    /// Whether somebody should have been heard of for so long.
    pub fn is_silent(&self, now: Instant, long: Duration) -> bool {
        let since = |heard: Instant| now - heard.max(self.seen) >= long;
        let silent = |member: &Member| member.doing != Doing::End && since(member.since);
        self.open > 0 && !self.sent.is_empty() && (since(self.heard) || self.met.values().any(silent))
    }

    /// Whether workers are missing whose absence is of any consequence.
    pub fn misses_some(&self) -> bool {
        self.open > 0 && !self.vanished.is_empty()
    }

    /// All of them were found.
    pub fn is_well(&mut self, now: Instant) {
        self.seen = now;
    }

    /// Whether all of an array have said their last word.
    pub fn all_ended(&self, sent: &Sent) -> bool {
        sent.workers().all(|worker| self.has_ended(&worker))
    }

    /// Whether a worker has said anything.
    pub fn has_met(&self, worker: &Worker) -> bool {
        self.met.contains_key(&Worker { restart: 0, ..worker.clone() })
    }

    /// Workers that are at work, wait for work, or wait in the queue, as far as is known.
    pub fn workers(&self) -> u32 {
        self.pending() + self.met.values().filter(|member| member.doing != Doing::End).count() as u32
    }

    /// Elements that wait in the queue, as far as is known.
    pub fn pending(&self) -> u32 {
        let sent: u32 = self.sent.iter().map(Sent::count).sum();
        sent.saturating_sub(u32::try_from(self.met.len()).unwrap_or(u32::MAX))
    }

    /// How long an instance takes, as far as is known.
    fn each(&self, todo: &ToDo<'_>, now: Instant) -> Option<Duration> {
        if let Some((count, took)) = self.measured.get(todo.node) {
            return Some(*took / *count);
        }
        let oldest = now - todo.begun?;
        // In few steps, so that what is submitted meanwhile are few arrays.
        [ENOUGH, ENOUGH / 4].into_iter().find(|step| oldest >= *step)
    }

    /// How many more workers are needed now.
    pub fn needed<'a>(&self, todo: impl Iterator<Item = ToDo<'a>>, now: Instant) -> u32 {
        let (mut long, mut unknown, mut short) = (0u64, 0u64, Duration::ZERO);
        let mut all = 0u64;
        for todo in todo {
            let count = todo.unbegun as u64;
            all += count;
            match self.each(&todo, now) {
                None => unknown += count,
                Some(each) if each >= ENOUGH => long += count,
                Some(each) => short += each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)),
            }
        }
        if all == 0 {
            return 0;
        }
        let width = u64::from(self.terms.width.max(1));
        let pending = u64::from(self.pending());
        let waits = |member: &&Member| match member.doing {
            Doing::Wait(ms) => now - member.since + MARGIN < Duration::from_millis(ms),
            _ => false,
        };
        if let Some(most) = self.terms.most.map(u64::from) {
            let left = |member: &Member| match member.doing {
                Doing::End => 0,
                Doing::Wait(_) if !waits(&member) => 0,
                _ => most.saturating_sub(member.taken.into()),
            };
            let room = pending * most + self.met.values().map(left).sum::<u64>();
            return u32::try_from(all.saturating_sub(room).div_ceil(most.max(1))).unwrap_or(u32::MAX);
        }
        let at_work = || self.met.values().filter(|member| matches!(member.doing, Doing::Work(_)));
        let lanes = |member: &Member| if let Doing::Work(free) = member.doing { u64::from(free) } else { 0 };
        let idle = self.met.values().filter(waits).count() as u64;
        let fresh = (pending + idle) * width + at_work().map(lanes).sum::<u64>();
        // Who has said something lately is not at something long.
        let busy = at_work().filter(|member| now - member.since < ENOUGH).count() as u64 * width;
        if now - self.moved < QUEUED || pending == 0 {
            unknown = unknown.min((FIRST * width).saturating_sub(busy));
        }
        let wide = long + unknown;
        let room = (fresh.saturating_sub(wide) + busy).saturating_mul(ENOUGH.as_micros() as u64);
        let more = (short.as_micros() as u64).saturating_sub(room).div_ceil(ENOUGH.as_micros() as u64);
        let lanes = wide.saturating_sub(fresh) + more;
        u32::try_from(lanes.div_ceil(width)).unwrap_or(u32::MAX)
    }
}

/// The node that an instance is of, by its name: `m[3].t` is of `m.t`. What keys with brackets in them give is no harm:
/// it only says what is likely to take equally long.
pub fn node_of(name: &str) -> String {
    let mut depth = 0;
    let plain = |c: &char| {
        depth += i32::from(*c == '[');
        let plain = depth == 0;
        depth -= i32::from(*c == ']');
        plain
    };
    name.chars().filter(plain).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::Needs;
    use crate::port::Pack;

    fn crew(most: Option<u32>, width: u32) -> Crew {
        let needs = Needs { cpus: 1, ..Needs::default() };
        let terms = Terms { most, width, run_s: None };
        Crew::new(Shape { needs, time_s: None, options: Vec::new(), pack: Pack::default() }, terms, Vec::new())
    }

    fn worker(element: u32) -> Worker {
        Worker { job: "1".into(), element, restart: 0 }
    }

    fn needed(crew: &Crew, unbegun: usize, begun: Option<Duration>) -> u32 {
        let now = Instant::now();
        let todo = ToDo { node: "m.t", unbegun, begun: begun.and_then(|ago| now.checked_sub(ago)) };
        crew.needed([todo].into_iter(), now)
    }

    #[test]
    fn what_is_short_is_packed_and_what_is_long_goes_wide() {
        let mut crew = crew(None, 1);
        assert_eq!(needed(&crew, 7, None), 7);
        assert_eq!(needed(&crew, 10_000, None), 100);
        crew.sent(Sent { batch: 0, job: "1".into(), elements: 100 });
        assert_eq!(needed(&crew, 10_000, None), 0);
        (0..100).for_each(|element| crew.hear(&worker(element), Doing::Work(0), 1));
        assert_eq!(needed(&crew, 9900, Some(Duration::from_secs(1))), 0, "nothing is known yet");
        assert_eq!(needed(&crew, 9900, Some(Duration::from_secs(6))), 9900 / 4 - 100);
        assert_eq!(needed(&crew, 9900, Some(Duration::from_secs(60))), 9900);
        crew.measure(&"m.t".into(), Duration::from_millis(10));
        assert_eq!(needed(&crew, 9900, Some(Duration::from_secs(60))), 0);
        crew.measure(&"m.t".into(), Duration::from_millis(9990));
        assert_eq!(needed(&crew, 9900, None), 9900 / 4 - 100);
    }

    #[test]
    fn who_waits_for_work_is_a_worker_already() {
        let mut crew = crew(None, 1);
        crew.sent(Sent { batch: 0, job: "1".into(), elements: 3 });
        crew.hear(&worker(0), Doing::Wait(5000), 1);
        crew.hear(&worker(1), Doing::Wait(500), 1);
        assert_eq!(needed(&crew, 4, None), 2, "one waits, one is in the queue, one is about to end");
        crew.hear(&worker(0), Doing::End, 0);
        assert_eq!(needed(&crew, 4, None), 3);
    }

    #[test]
    fn a_number_of_tasks_for_each_is_kept() {
        let mut crew = crew(Some(100), 4);
        assert_eq!(needed(&crew, 250, None), 3);
        crew.sent(Sent { batch: 0, job: "1".into(), elements: 3 });
        crew.hear(&worker(0), Doing::Work(0), 60);
        assert_eq!((needed(&crew, 240, None), needed(&crew, 241, None)), (0, 1));
    }

    #[test]
    fn a_node_is_known_by_its_instances() {
        assert_eq!(node_of("outer[3].inner[a.b].task"), "outer.inner.task");
        assert_eq!(node_of("task"), "task");
    }
}
