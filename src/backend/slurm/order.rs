//! From a batch to the array that works for it: what `desk` submits and `plan` shows.

use super::commands::{self, Array, Shape};
use super::site::Site;
use crate::backend::spool::{Spool, Terms};

/// Seconds.
const MARGIN: u64 = 60;

/// An array of a batch, with all that its command line is made of.
pub struct Order {
    name: String,
    comment: String,
    elements: Option<u32>,
    shape: Shape,
    terms: Terms,
    folder: String,
    command: String,
}

impl Order {
    /// The array number `sent` for a batch of the run whose arrays have names that begin with `prefix`.
    pub fn new(
        prefix: &str,
        spool: &Spool,
        batch: u32,
        sent: usize,
        elements: Option<u32>,
        (shape, terms): (&Shape, Terms),
    ) -> Self {
        let folder = spool.path().display().to_string();
        Self {
            name: format!("{prefix}{batch}.{sent}"),
            comment: format!("flowrun {folder}, batch {batch}"),
            elements,
            shape: shape.clone(),
            terms,
            command: format!("{} __agent . {batch}", commands::quoted(&spool.program().display().to_string())),
            folder,
        }
    }

    /// As `sbatch` takes it.
    pub fn array(&self) -> Array<'_> {
        Array {
            name: &self.name,
            comment: &self.comment,
            elements: self.elements,
            at_once: None,
            shape: &self.shape,
            terms: self.terms,
            folder: &self.folder,
            command: &self.command,
        }
    }
}

/// How much a worker may do. Without a word of the file it has time for one instance and some for others, not beyond what
/// its partition allows.
pub fn terms(shape: &Shape, site: &Site) -> Terms {
    if shape.is_parallel() {
        // What processes leave behind on other machines ends with the job alone.
        return Terms { most: Some(1), width: 1, run_s: shape.time_s };
    }
    let pack = &shape.pack;
    // What an instance needs besides its own time, to begin and to put its outputs in place.
    let one = shape.time_s.map(|time| time + MARGIN);
    let said = pack.time_ms.map(|ms| ms.div_ceil(1000).max(one.unwrap_or(1)));
    let others = |time: u64| if pack.tasks == Some(1) { MARGIN } else { time.clamp(60, 600) };
    let run_s = said.or(shape.time_s.map(|time| time + site.window_s(shape, others(time))));
    Terms { most: pack.tasks, width: pack.width.unwrap_or(1), run_s }
}

/// How many workers one array has where so many are needed, at most; `None`: it is no array.
pub fn elements(needed: u32, site: &Site) -> Option<u32> {
    // With 1 the only element could be 0, and nothing is gained by it.
    (site.array > 1).then(|| needed.min(site.array).max(1))
}
