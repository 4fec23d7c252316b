//! How many more workers may be in the queue, and what the user sees while there is room for none. A limit is waited for,
//! never run into, where it is known.

use super::super::commands::Queued;
use super::super::refusal::Limit;
use super::super::site::Gate;
use super::crew::Crew;
use super::{AGAIN, Desk, SILENT};
use crate::port::{Report, Waiting};
use rustc_hash::FxHashMap;
use std::time::{Duration, Instant};

/// Workers that were told to go are counted for so long.
const LEAVING: Duration = Duration::from_secs(2);
/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(60);
/// Figures on the screen change no faster.
const CALM: Duration = Duration::from_secs(1);

/// Whatever keeps workers from being submitted, and the queue from beginning them.
#[derive(Default)]
pub(super) struct Room {
    /// Workers of shapes of which nothing is left, and when they were told so.
    leaving: Vec<(Instant, Vec<Gate>, u32)>,
    /// A limit that leaves room for nothing, and since when there has been one.
    full: Option<Waiting>,
    full_since: Option<Instant>,
    /// A scheduler that takes nothing, until when it is left alone, and how often it was asked in vain.
    busy: Option<(Instant, u32, Waiting)>,
    /// Why most of what is in the queue waits, and when that was said.
    queue: Option<(Instant, Waiting)>,
    shown: Option<(Instant, Option<Waiting>)>,
}

impl Room {
    /// Whether there has been a limit in the way for long: then it matters which workers have ended.
    pub fn is_full(&self) -> bool {
        self.full.is_some() && self.full_since.is_some_and(|since| since.elapsed() >= SILENT)
    }

    /// The workers of a shape go.
    pub fn leaves(&mut self, crew: &Crew) {
        self.leaving.push((Instant::now(), crew.gates.clone(), crew.workers()));
    }

    /// What the queue says of those that wait, as it was asked then.
    pub fn count(&mut self, then: Instant, queue: &[Queued]) {
        let mut reasons: FxHashMap<&str, u32> = FxHashMap::default();
        for queued in queue.iter().filter(|queued| &*queued.state == "PENDING") {
            *reasons.entry(&queued.reason).or_default() += 1;
        }
        let pending: u32 = reasons.values().sum();
        let most = reasons.into_iter().max_by_key(|(reason, count)| (*count, std::cmp::Reverse(*reason)));
        // What was just submitted has no reason yet.
        self.queue = most.filter(|(reason, _)| !matches!(*reason, "None" | "")).map(|(reason, _)| {
            let text = format!("{} in the queue ({reason})", crate::base::text::count(pending.into(), "job"));
            (then, Waiting { kind: format!("queue {reason}").into(), text: text.into() })
        });
    }
}

impl Desk {
    /// How many of the workers that a shape lacks may be submitted.
    pub(super) fn room_for(&mut self, shape: &str) -> u32 {
        let now = Instant::now();
        self.room.leaving.retain(|(since, ..)| now - *since < LEAVING);
        let Some(crew) = self.crews.get(shape) else { return 0 };
        let mut room = crew.lacks.min(self.site.array.max(1)).min(crew.width);
        for gate in &crew.gates {
            let ours = self.crews.values().filter(|crew| crew.gates.contains(gate)).map(Crew::workers).sum::<u32>();
            let leaving = self.room.leaving.iter().filter(|(_, gates, _)| gates.contains(gate));
            let used = ours + leaving.map(|(.., count)| count).sum::<u32>();
            let left = gate.most.saturating_sub(used);
            if left == 0 {
                self.room.full = Some(reached(gate.kind, used.min(gate.most), gate.most));
            }
            room = room.min(left);
        }
        room
    }

    /// Before the shapes are gone through.
    pub(super) fn begin_round(&mut self) {
        // What stands in the way of one that was refused is not seen from here.
        let refused = self.crews.values().any(|crew| crew.refused > 0 && crew.lacks > 0);
        if !refused {
            self.room.full = None;
        }
    }

    /// Slurm has refused a submission for a limit; when to try again.
    pub(super) fn limited(&mut self, shape: &str, elements: u32, limit: &Limit) -> Option<Instant> {
        let crew = self.crews.get_mut(shape)?;
        crew.width = (elements / 2).max(1);
        if elements > 1 {
            return Some(Instant::now());
        }
        crew.refused += 1;
        let gates = crew.gates.iter().filter(|gate| gate.kind == limit.kind);
        let known = gates.min_by_key(|gate| gate.most).map(|gate| reached(gate.kind, gate.most, gate.most));
        let text = format!("{} {}", limit.kind, limit.name);
        let unknown = || Waiting { kind: limit.kind.into(), text: text.trim_end().into() };
        let pause = backoff(crew.refused);
        self.room.full = Some(known.unwrap_or_else(unknown));
        Some(Instant::now() + pause)
    }

    /// Slurm has taken a submission.
    pub(super) fn taken(&mut self, shape: &str, elements: u32) {
        self.room.busy = None;
        if let Some(crew) = self.crews.get_mut(shape) {
            crew.refused = 0;
            if crew.width <= elements {
                crew.width = elements.saturating_mul(2);
            }
        }
    }

    /// Slurm takes nothing now; when to try again.
    pub(super) fn busy(&mut self, said: &str) -> Instant {
        let tries = self.room.busy.as_ref().map_or(0, |(_, tries, _)| *tries) + 1;
        let until = Instant::now() + backoff(tries);
        let waiting = Waiting { kind: "Slurm".into(), text: format!("Slurm takes no jobs: {said}").into() };
        self.room.busy = Some((until, tries, waiting));
        until
    }

    /// Whether Slurm is left alone at this moment.
    pub(super) fn is_busy(&self) -> bool {
        self.room.busy.as_ref().is_some_and(|(until, ..)| *until > Instant::now())
    }

    /// Tells what is waited for, when it is something else than before.
    pub(super) fn tell_what_is_waited_for(&mut self) {
        let now = Instant::now();
        self.room.full_since = self.room.full.as_ref().map(|_| self.room.full_since.unwrap_or(now));
        let lacking = self.crews.values().any(|crew| crew.lacks > 0);
        let busy = self.room.busy.as_ref().filter(|_| lacking).map(|(.., waiting)| waiting);
        let full = self.room.full.as_ref().filter(|_| lacking);
        let fresh = |since: &Instant| now - *since < SILENT * 2;
        let queue = self.room.queue.as_ref().filter(|(since, _)| fresh(since)).map(|(_, waiting)| waiting);
        let waiting = self.stuck.as_ref().or(busy).or(full).or(queue).filter(|_| !self.batches.is_empty()).cloned();
        let shown = self.room.shown.as_ref();
        let before = shown.and_then(|(_, waiting)| waiting.as_ref());
        let other_kind = before.map(|waiting| &waiting.kind) != waiting.as_ref().map(|waiting| &waiting.kind);
        if before == waiting.as_ref() || !other_kind && shown.is_some_and(|(since, _)| now - *since < CALM) {
            return;
        }
        self.room.shown = Some((now, waiting.clone()));
        // Nobody listens when the driver is about to end.
        let _ = self.reports.send(Report::Waiting(waiting));
    }
}

fn reached(kind: &str, used: u32, most: u32) -> Waiting {
    Waiting { kind: kind.into(), text: format!("{kind} {used}/{most}").into() }
}

fn backoff(tries: u32) -> Duration {
    AGAIN.saturating_mul(1 << tries.saturating_sub(1).min(8)).min(LONGEST)
}
