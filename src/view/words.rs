//! The words that two views share: what a failure looks like on one line, and merged ranges.

use crate::base::human;
use crate::event::{Event, Failure, Time};
use crate::port::Named;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;

/// The failure's sentence and what its status means. The way out stands in the digest at the end.
pub fn failure(failure: &Failure) -> String {
    let text = human::plain(&failure.message);
    match failure.cause.meaning() {
        Some(meaning) => format!("{text}: {meaning}"),
        None => text.into_owned(),
    }
}

/// What follows from a failure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt, not before this time.
    Again(Time),
    /// The file lets it be.
    LetBe,
    /// Nothing: it has failed.
    Failed,
}

/// What follows from the failure that the event at `at` tells: the event right after it says so.
pub fn next(events: &[Named<'_>], at: usize) -> Next {
    let (failed, next) = (events[at].event.instance(), events.get(at + 1).map(|next| next.event));
    match next {
        Some(Event::Delayed { instance, until }) if Some(*instance) == failed => Next::Again(*until),
        Some(Event::Ignored { instance }) if Some(*instance) == failed => Next::LetBe,
        _ => Next::Failed,
    }
}

/// Ranges of one node that came in pieces, to be told as one.
#[derive(Default)]
pub struct Ranges {
    list: Vec<Range>,
    /// Where a node's range of a kind stands in the list.
    places: FxHashMap<(&'static str, String), usize>,
}

/// So many instances of one node.
pub struct Range {
    /// `cached`, `skipped`, `cancelled`.
    pub verb: &'static str,
    /// The node's path, or the instance's name while there is only one.
    pub name: String,
    /// How many.
    pub count: u64,
}

impl Ranges {
    /// Adds a range; `name` is that of its first instance.
    pub fn add(&mut self, verb: &'static str, name: &str, count: u32) {
        match self.places.entry((verb, human::node_of(name))) {
            Entry::Occupied(place) => {
                let range = &mut self.list[*place.get()];
                range.name.clone_from(&place.key().1);
                range.count += u64::from(count);
            }
            Entry::Vacant(place) => {
                let name = if count == 1 { name.to_owned() } else { place.key().1.clone() };
                place.insert(self.list.len());
                self.list.push(Range { verb, name, count: count.into() });
            }
        }
    }
    /// Takes them all, in the order in which each was first added.
    pub fn take(&mut self) -> Vec<Range> {
        self.places.clear();
        std::mem::take(&mut self.list)
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
