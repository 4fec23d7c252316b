//! Ranges of instances in events, as readers want them.

use crate::base::InstanceId;
use crate::engine::Space;
use crate::event::Event;
use std::borrow::Cow;

/// The events with every range taken apart where it reaches into another node: readers name a range by its node.
pub fn by_node<'e>(space: &Space, events: &'e [Event]) -> Cow<'e, [Event]> {
    let node = |id: u32| space.place(InstanceId(id)).node;
    let range = |event: &Event| match *event {
        Event::Cached { from, count } | Event::Skipped { from, count } | Event::Cancelled { from, count } => {
            Some((from.0, count))
        }
        _ => None,
    };
    // Of one expansion and one node at both ends, hence everywhere.
    let end = |id: u32| (space.place(InstanceId(id)).scope, node(id));
    let whole = |event: &Event| range(event).is_none_or(|(from, count)| end(from) == end(from + count - 1));
    if events.iter().all(whole) {
        return Cow::Borrowed(events);
    }
    let mut apart = Vec::with_capacity(events.len() + 8);
    for event in events {
        let Some((mut from, count)) = range(event) else {
            apart.push(event.clone());
            continue;
        };
        let end = from + count;
        while from < end {
            let this = node(from);
            let next = (from + 1..end).find(|id| node(*id) != this).unwrap_or(end);
            let (first, count) = (InstanceId(from), next - from);
            apart.push(match event {
                Event::Cached { .. } => Event::Cached { from: first, count },
                Event::Skipped { .. } => Event::Skipped { from: first, count },
                _ => Event::Cancelled { from: first, count },
            });
            from = next;
        }
    }
    Cow::Owned(apart)
}
