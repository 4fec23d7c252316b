//! What follows from a failure: another attempt, a failure that is let be, or one of the run.

use crate::base::id::{Id, ScopeId};
use crate::base::{Digest, InstanceId};
use crate::engine::api::*;
use crate::engine::machine::{Engine, Out, Phase};
use crate::engine::space::ROOT;
use crate::event::{Cause, Event, Failure, Time};
use crate::plan::{CauseWord, OnError, Require, Retry};
use std::sync::Arc;

/// After so many losses an instance fails as lost.
const LOSSES: u32 = 5;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Time = 3_600_000;

/// The items of a map that may fail, or whose good ones are counted.
pub(super) struct Watch {
    /// How many items may have a failure.
    pub(super) limit: Option<u32>,
    /// How many have one.
    pub(super) hurt: u32,
    /// Of each item what happened to it: [`HURT`], [`BAD`].
    pub(super) items: Vec<u8>,
    /// Once the map has come to an end by them: how many ended well.
    pub(super) good: Option<u32>,
}

/// A failure in it was taken upon the item.
pub(super) const HURT: u8 = 1;
/// Something in it failed or was cancelled.
pub(super) const BAD: u8 = 2;

/// What a failure means.
enum Verdict {
    /// The file lets it be.
    LetBe,
    /// It is one of the run; and the map that thereby has more failures than it may.
    OfTheRun { on_error: OnError, over: Option<InstanceId> },
}

impl Engine {
    /// When a failed attempt, already booked, is followed by another one.
    pub(super) fn tried_again(&self, instance: InstanceId, cause: Cause, now: Time) -> Option<Time> {
        if self.phase != Phase::Going {
            return None;
        }
        let retry = self.graph.task(self.ledger.space.place(instance).node).retry.as_ref();
        let tally = self.ledger.tally(instance);
        let failures = if cause == Cause::Lost {
            if tally.losses >= LOSSES {
                return None;
            }
            tally.losses
        } else {
            let retry = retry?;
            if tally.failures >= retry.attempts || !takes(retry, cause) {
                return None;
            }
            tally.failures
        };
        let base = retry.map_or(0, |retry| retry.backoff_ms);
        Some(now + pause(base, failures, instance, self.ledger.attempt(instance)))
    }

    /// A failure is final: is it let be, and if not, does the run go on?
    pub(super) fn fail(&mut self, instance: InstanceId, out: &mut Out) {
        match self.verdict(instance) {
            Verdict::LetBe => {
                self.ledger.let_be(instance);
                out.event(Event::Ignored { instance });
                self.end(instance, State::Ignored);
            }
            Verdict::OfTheRun { on_error, over } => {
                self.end(instance, State::Failed);
                if on_error == OnError::Fail {
                    self.halt(instance, over, out);
                }
            }
        }
    }

    /// Asks outwards from the instance: what lets its failure be, or the map that it is too much for.
    fn verdict(&mut self, instance: InstanceId) -> Verdict {
        let (mut at, mut over) = (instance, None);
        loop {
            let place = self.ledger.space.place(at);
            let on_error = self.graph.plan.nodes[place.node].on_error;
            if on_error == OnError::Ignore {
                return Verdict::LetBe;
            }
            let Some((scope, item)) = self.limited(place.scope, place.item) else {
                return Verdict::OfTheRun { on_error, over };
            };
            let watch = self.works[scope.index()].watch.as_mut().expect("it has a limit");
            let marks = &mut watch.items[item as usize];
            if *marks & HURT == 0 {
                *marks |= HURT;
                watch.hurt += 1;
            }
            if watch.hurt <= watch.limit.unwrap_or(0) {
                return Verdict::LetBe;
            }
            at = self.ledger.space.scopes()[scope].owner.expect("the root has no limit");
            over = Some(at);
        }
    }

    /// The nearest scope around that lets items fail, and the item there.
    fn limited(&self, mut scope: ScopeId, mut item: u32) -> Option<(ScopeId, u32)> {
        while scope != ROOT {
            if self.works[scope.index()].watch.as_ref().is_some_and(|watch| watch.limit.is_some()) {
                return Some((scope, item));
            }
            (scope, item) = self.ledger.space.scopes()[scope].parent;
        }
        None
    }

    /// Nothing new starts.
    fn halt(&mut self, instance: InstanceId, over: Option<InstanceId>, out: &mut Out) {
        if self.options.keep_going || self.phase != Phase::Going {
            return;
        }
        self.phase = Phase::Failing;
        let space = &self.ledger.space;
        let mut reason = format!("`{}` failed", space.name(instance));
        if let Some(map) = over
            && let Some(scope) = space.scope_of(map)
            && let Some(limit) = self.works[scope.index()].watch.as_ref().and_then(|watch| watch.limit)
        {
            let of = crate::base::text::count(space.scopes()[scope].len.into(), "item");
            let map = space.name(map);
            reason.push_str(&format!(", and `max_failures` lets no more than {limit} of the {of} of `{map}` fail"));
        }
        out.event(Event::Stopping { reason: reason.into() });
        self.cancel_rest(out);
    }

    /// Whether enough items of a map have ended well; `None`: it has none to count.
    pub(super) fn is_met(&self, map: InstanceId, require: Require) -> Option<bool> {
        let scope = self.ledger.space.scope_of(map)?;
        let watch = self.works[scope.index()].watch.as_ref()?;
        Some(require.is_met(watch.good?, self.whole(scope)))
    }

    /// How many items a list has, null ones left out.
    fn whole(&self, scope: ScopeId) -> u32 {
        let len = self.ledger.space.scopes()[scope].len;
        len - (0..len).filter(|item| self.ledger.space.is_null(scope, *item)).count() as u32
    }

    /// All items have ended: counts those that ended well. Says whether something was cancelled in an item that has no
    /// failure of its own.
    pub(super) fn count_good(&mut self, scope: ScopeId) -> bool {
        let len = self.ledger.space.scopes()[scope].len;
        let Some(watch) = &self.works[scope.index()].watch else { return false };
        let good = (0..len).filter(|i| watch.items[*i as usize] == 0 && !self.ledger.space.is_null(scope, *i)).count();
        let cancelled = watch.items.contains(&BAD);
        if let Some(watch) = &mut self.works[scope.index()].watch {
            watch.good = Some(good as u32);
        }
        cancelled
    }

    /// What is required was not met, for these needs.
    pub(super) fn unmet(&self, place: Place) -> Failure {
        let node = &self.graph.plan.nodes[place.node];
        let space = &self.ledger.space;
        let mut message = String::from("what it requires is not met");
        for dep in &node.deps {
            let (scope, item) = space.out(place.scope, place.item, dep.up);
            let map = space.instance(scope, dep.node, item);
            let Some(require) = node.require else { continue };
            if self.is_met(map, require) != Some(false) {
                continue;
            }
            let Some(inner) = space.scope_of(map) else { continue };
            let good = self.works[inner.index()].watch.as_ref().and_then(|watch| watch.good).unwrap_or(0);
            let of = crate::base::text::count(self.whole(inner).into(), "item");
            message = format!("it requires {} of `{}`, and {good} of {of} ended well", said(require), space.name(map));
            break;
        }
        Failure { cause: Cause::Prepare, message: message.into(), help: None }
    }

    /// Retries that are due are prepared again, and so is what another process may have computed by now.
    pub(super) fn take_due(&mut self, now: Time) {
        while let Some(&(until, instance)) = self.delayed.first().filter(|(until, _)| *until <= now) {
            self.delayed.remove(&(until, instance));
            self.held.remove(&instance);
            self.prepare_again(instance);
        }
    }

    /// Asks to be woken for the next retry, once for each time.
    pub(super) fn wake(&mut self, out: &mut Out) {
        if self.woken.is_some_and(|at| at <= out.now) {
            self.woken = None;
        }
        if self.phase == Phase::Going
            && let Some(&(until, _)) = self.delayed.first()
            && self.woken.is_none_or(|at| until < at)
        {
            self.woken = Some(until);
            out.effect(Effect::Wake(until));
        }
    }
}

fn said(require: Require) -> Arc<str> {
    match require {
        Require::All => "all items".into(),
        Require::Any => "an item".into(),
        Require::Share(share) => format!("{share} of the items").into(),
    }
}

/// Whether there is another attempt after this cause.
fn takes(retry: &Retry, cause: Cause) -> bool {
    let Some(on) = &retry.on else { return cause != Cause::OutputInvalid };
    on.iter().any(|word| match (word, cause) {
        (CauseWord::Exit(wanted), Cause::Exit(status)) => wanted.is_none_or(|wanted| wanted == status),
        (CauseWord::Signal(wanted), Cause::Signal(number)) => wanted.is_none_or(|wanted| wanted == number),
        (CauseWord::Timeout, Cause::Timeout)
        | (CauseWord::Oom, Cause::Oom)
        | (CauseWord::OutputMissing, Cause::OutputMissing)
        | (CauseWord::OutputInvalid, Cause::OutputInvalid)
        | (CauseWord::NotStarted, Cause::NotStarted)
        | (CauseWord::Lost, Cause::Lost) => true,
        _ => false,
    })
}

/// The pause after so many failures: doubled each time, less up to a quarter, by a hash of instance and attempt.
fn pause(base: Time, failures: u32, instance: InstanceId, attempt: u32) -> Time {
    let doubled = 1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
    let whole = base.saturating_mul(doubled).min(LONGEST_PAUSE.max(base));
    let digest = Digest::of(&[instance.0.to_le_bytes(), attempt.to_le_bytes()].concat());
    whole - whole / 4 * u64::from(digest.0[0]) / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_differ() {
        let of = |failures| pause(10_000, failures, InstanceId(7), failures);
        for (failures, whole) in [(1, 10_000), (2, 20_000), (3, 40_000), (12, LONGEST_PAUSE), (99, LONGEST_PAUSE)] {
            assert!((whole * 3 / 4..=whole).contains(&of(failures)), "{failures}: {}", of(failures));
        }
        assert_ne!(pause(10_000, 1, InstanceId(1), 1), pause(10_000, 1, InstanceId(2), 1));
        assert_eq!(pause(0, 5, InstanceId(1), 1), 0);
        // Who asks for more than an hour has it.
        assert!(pause(2 * LONGEST_PAUSE, 3, InstanceId(1), 1) > LONGEST_PAUSE);
    }
}
