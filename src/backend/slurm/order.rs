//! From a batch to the array that works for it: what `desk` submits and `plan` shows.

use super::commands::{self, Array, Shape};
use super::site::Site;
use crate::backend::spool::Spool;

/// An array of a batch, with all that its command line is made of.
pub struct Order {
    name: String,
    comment: String,
    elements: Option<u32>,
    shape: Shape,
    window_s: u64,
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
        (shape, window_s): (&Shape, u64),
    ) -> Self {
        let folder = spool.path().display().to_string();
        Self {
            name: format!("{prefix}{batch}.{sent}"),
            comment: format!("flowrun {folder}, batch {batch}"),
            elements,
            shape: shape.clone(),
            window_s,
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
            window_s: self.window_s,
            folder: &self.folder,
            command: &self.command,
        }
    }
}

/// Seconds after its beginning in which a worker may take another instance.
pub fn window_s(shape: &Shape, site: &Site) -> u64 {
    site.window_s(shape, shape.time_s.map_or(60, |time| time.clamp(60, 600)))
}

/// How many workers one array of a batch of so many instances has, at most; `None`: it is no array.
pub fn elements(instances: usize, site: &Site) -> Option<u32> {
    // With 1 the only element could be 0, and nothing is gained by it.
    (site.array > 1).then(|| u32::try_from(instances).unwrap_or(u32::MAX).min(site.array).max(1))
}
