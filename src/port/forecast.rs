//! What a run would do and why: the data of `plan` and `explain`.

use crate::engine::key::Component;
use crate::port::Made;
use crate::port::submission::Submissions;
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use std::sync::Arc;

/// What would run.
#[derive(Serialize)]
pub struct Forecast {
    /// Instances by action.
    pub counts: ForecastCounts,
    /// Each instance, in plan order.
    #[serde(serialize_with = "one_by_one")]
    pub instances: Box<dyn Instances>,
    /// What the backend would be given now, where it gathers instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submissions: Option<Submissions>,
}

/// Instances of a plan, which may be a million: each is made when it is looked at.
pub trait Instances {
    /// Shows each, in plan order.
    fn each(&self, visit: &mut dyn FnMut(Planned));
}

impl Instances for Vec<Planned> {
    fn each(&self, visit: &mut dyn FnMut(Planned)) {
        self.iter().cloned().for_each(visit);
    }
}

#[expect(clippy::borrowed_box, reason = "serde hands the field over as it stands")]
fn one_by_one<S: Serializer>(instances: &Box<dyn Instances>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    let mut written = Ok(());
    instances.each(&mut |planned| {
        if written.is_ok() {
            written = list.serialize_element(&planned);
        }
    });
    written?;
    list.end()
}

/// Instances by action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ForecastCounts {
    /// Would run.
    pub run: u64,
    /// Would be taken from the cache.
    pub cached: u64,
    /// Depends on what would run (a list that is not known counts as one).
    pub unknown: u64,
    /// Cannot run.
    #[serde(skip_serializing_if = "is_zero")]
    pub fail: u64,
}

/// One instance.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    /// Its name: `compute[2]`.
    pub name: Arc<str>,
    /// Its node's path, for grouping.
    #[serde(skip)]
    pub node: Arc<str>,
    /// What would be done.
    pub action: Action,
    /// Why it would run; empty for a cached one.
    pub reasons: Vec<Reason>,
    /// `explain` only: where the cached result comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
    /// `explain` only: why it ran then, if it had run before: `command changed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Arc<str>>,
    /// `explain` only: what its key is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
    /// `explain` only: the command line of its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Arc<str>>,
}

/// What would be done with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It would run.
    Run,
    /// It would be taken from the cache.
    Cached,
    /// It is known only after something else has run.
    Unknown,
    /// It cannot run: its one reason says why.
    Fail,
}

/// One reason. With neither `old` nor `new`, `component` is the whole sentence: `never run before`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Reason {
    /// The component of the key that changed: `command`, `file scripts/report.py`.
    pub component: Arc<str>,
    /// What it was; `None`: it was not there.
    pub old: Option<Arc<str>>,
    /// What it is; `None`: it is gone.
    pub new: Option<Arc<str>>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}
