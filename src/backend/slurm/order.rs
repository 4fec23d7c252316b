//! From a batch to the array that works for it: what `desk` submits and `plan` shows.

use super::commands::{self, Array, Shape};
use super::site::Site;
use crate::backend::spool::{Spool, Terms};

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

/// How much a worker may do: time for one instance in any case, and some for others, not beyond what its partition allows.
pub fn terms(shape: &Shape, site: &Site) -> Terms {
    if shape.is_parallel() {
        // What processes leave behind on other machines ends with the job alone.
        return Terms { most: Some(1), width: 1, run_s: shape.time_s };
    }
    let run_s = shape.time_s.map(|time| time + site.window_s(shape, time.clamp(60, 600)));
    Terms { most: None, width: 1, run_s }
}

/// How many workers one array has where so many are needed, at most; `None`: it is no array.
pub fn elements(needed: u32, site: &Site) -> Option<u32> {
    // With 1 the only element could be 0, and nothing is gained by it.
    (site.array > 1).then(|| needed.min(site.array).max(1))
}
