//! A later process goes on with a run: from the journal's events to an engine.

use crate::base::Digest;
use crate::engine::api::*;
use crate::engine::fold::{BadJournal, Fold};
use crate::engine::machine::Engine;
use crate::event::Event;
use crate::plan::Plan;
use std::sync::Arc;

impl Engine {
    /// The engine after these events, before `Begin`: what ended well stays so with its results, all else is decided
    /// anew; lists and ids stay as they are. `lists` gives a list that the journal names.
    pub fn restore(
        plan: Arc<Plan>,
        capacities: impl Into<Capacities>,
        options: Options,
        events: impl IntoIterator<Item = Event>,
        mut lists: impl FnMut(Digest) -> Option<Arc<Items>>,
    ) -> Result<Self, BadJournal> {
        let mut fold = Fold::new(Arc::clone(&plan), &options.wanted);
        for event in events {
            let list = match (event.list(), event.instance()) {
                (Some(list), Some(instance)) if fold.opens(&event) => {
                    let len = if let Event::Listed { len, .. } = event { len } else { 1 };
                    let found = lists(*list).filter(|found| found.items().len() == len as usize);
                    let gone = || BadJournal::NoList { map: fold.ledger.space.name(instance), list: *list };
                    Some(found.ok_or_else(gone)?)
                }
                _ => None,
            };
            fold.apply(&event, list)?;
        }
        fold.reset();
        let resumed = fold.begun();
        let mut engine = Self::with(plan, capacities.into(), options, fold.ledger, resumed);
        engine.keeps.gone = fold.gone;
        for (instance, key) in fold.keys {
            if engine.ledger.state(instance) == State::Succeeded {
                engine.settled.insert(key.half(), instance);
            }
        }
        Ok(engine)
    }
}
