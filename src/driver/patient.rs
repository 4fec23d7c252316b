//! Asking a store that may be away for a while: who asks waits without holding it, so that others can try, too.

use crate::port::Store;
use crate::sys::meter::{self, Phase};
use crate::sys::{Fault, FaultKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two tries.
pub const PAUSE: Duration = Duration::from_millis(250);

/// Waits for a store until it is told not to.
#[derive(Default)]
pub struct Patient {
    over: AtomicBool,
}

impl Patient {
    /// Asks again and again while the store is away, as long as its patience lasts.
    ///
    /// # Errors
    /// The store's own; that it is away ([`is_away`]) when it did not come back.
    pub fn ask<T>(
        &self,
        store: &Mutex<Box<dyn Store>>,
        mut question: impl FnMut(&mut dyn Store) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let begin = Instant::now();
        let _store = meter::span(Phase::Store);
        loop {
            let mut held = store.lock().unwrap_or_else(PoisonError::into_inner);
            let patience = held.patience();
            match question(held.as_mut()) {
                Err(error) if is_away(&error) && begin.elapsed() < patience && !self.over.load(Ordering::Relaxed) => {
                    drop(held);
                    std::thread::sleep(PAUSE);
                }
                done => return done,
            }
        }
    }

    /// Whether nobody waits any more.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Nobody waits any more.
    pub fn give_up(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Whether this is a store that cannot be reached, for now.
pub fn is_away(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Fault>().is_some_and(|fault| fault.kind == FaultKind::Away)
}
