//! Which nodes of a cluster fail what succeeds elsewhere: counted by the driver, kept in the run's spool for drivers that
//! follow and for workers, who take nothing on a node that is not to be used any more. It knows no scheduler.

use crate::backend::spool::Spool;
use crate::base::InstanceId;
use crate::event::{Cause, Outcome};
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// So many tasks that failed on a node and succeeded elsewhere are too many.
const TOO_MANY: u32 = 3;

/// How often a worker looks whether its node is still to be used.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Tasks that failed there and succeeded elsewhere.
    strikes: u32,
    /// Attempts that succeeded there.
    good: u32,
    excluded: bool,
}

/// Where an attempt ran, as people are told.
pub fn place(node: &str, job: &str) -> String {
    format!("{node}, job {job}")
}

/// The node in such a place.
fn node_of(place: &str) -> Option<&str> {
    place.rsplit_once(", job ").map(|(node, _)| node)
}

/// What is known of the nodes.
pub struct Nodes {
    path: PathBuf,
    nodes: BTreeMap<String, Tally>,
    /// Where an instance has failed so far.
    failed: FxHashMap<InstanceId, Vec<String>>,
}

fn path(spool: &Spool) -> PathBuf {
    spool.path().join("nodes")
}

/// A line a node: `n3 3 0 excluded`.
fn parsed(text: &str) -> BTreeMap<String, Tally> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let (name, strikes, good) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((name.to_owned(), Tally { strikes, good, excluded: words.next().is_some() }))
    };
    text.lines().filter_map(line).collect()
}

/// The node that a worker is on.
pub struct Here {
    path: PathBuf,
    node: String,
    looked: Option<Instant>,
    excluded: bool,
}

impl Here {
    /// By its name.
    pub fn on(node: String, spool: &Spool) -> Self {
        Self { path: path(spool), node, looked: None, excluded: false }
    }

    /// Whether nothing may be taken here any more.
    pub fn is_excluded(&mut self) -> bool {
        if !self.excluded && self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            // Where nothing ever failed there is no such file.
            let text = std::fs::read_to_string(&self.path).unwrap_or_default();
            self.excluded = parsed(&text).get(&self.node).is_some_and(|tally| tally.excluded);
            self.looked = Some(Instant::now());
        }
        self.excluded
    }
}

impl Nodes {
    /// What earlier drivers of the run have learnt.
    pub fn of(spool: &Spool) -> Self {
        let path = path(spool);
        let nodes = parsed(&std::fs::read_to_string(&path).unwrap_or_default());
        Self { path, nodes, failed: FxHashMap::default() }
    }

    /// Those that are not to be used any more.
    pub fn excluded(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(|(_, tally)| tally.excluded).map(|(name, _)| name.as_str())
    }

    /// An attempt has ended. A line for the user when a node is not used any more.
    ///
    /// # Errors
    /// The spool cannot be written.
    pub fn ended(&mut self, instance: InstanceId, outcome: &Outcome) -> Result<Option<String>> {
        let Some(node) = outcome.host.as_deref().and_then(node_of) else { return Ok(None) };
        match &outcome.result {
            Err(failure) if is_of_the_node(failure.cause) => {
                let failed = self.failed.entry(instance).or_default();
                if !failed.iter().any(|other| other == node) {
                    failed.push(node.to_owned());
                }
                Ok(None)
            }
            Err(_) => Ok(None),
            Ok(_) => {
                self.nodes.entry(node.to_owned()).or_default().good += 1;
                let failed = self.failed.remove(&instance).unwrap_or_default();
                self.strike(failed.into_iter().filter(|other| other != node))
            }
        }
    }

    fn strike(&mut self, failed: impl Iterator<Item = String>) -> Result<Option<String>> {
        let (mut any, mut line) = (false, None);
        for node in failed {
            any = true;
            self.nodes.entry(node.clone()).or_default().strikes += 1;
            if !self.is_bad(&node) {
                continue;
            }
            let tally = self.nodes.entry(node.clone()).or_default();
            tally.excluded = true;
            line = Some(format!(
                "node `{node}` is not used any more in this run: {} tasks failed on it that succeeded elsewhere",
                tally.strikes
            ));
        }
        if any {
            let line = |(name, Tally { strikes, good, excluded }): (&String, &Tally)| {
                format!("{name} {strikes} {good}{}\n", if *excluded { " excluded" } else { "" })
            };
            let text: String = self.nodes.iter().map(line).collect();
            durable::write(&self.path, text.as_bytes(), Sync::Later)?;
        }
        Ok(line)
    }

    /// Tasks that fail now and then do so everywhere: a bad node does it twice as often as the others.
    fn is_bad(&self, node: &str) -> bool {
        let Some(Tally { strikes, good, excluded: false }) = self.nodes.get(node).copied() else { return false };
        let (mut others, mut others_good) = (0, 0);
        for (_, tally) in self.nodes.iter().filter(|(name, tally)| *name != node && !tally.excluded) {
            others += tally.strikes;
            others_good += tally.good;
        }
        let (all, others_all) = (u64::from(strikes + good), u64::from(others + others_good));
        strikes >= TOO_MANY && others_good > 0 && u64::from(strikes) * others_all >= 2 * u64::from(others) * all
    }
}

/// What asks for more than it was given says nothing of the node.
fn is_of_the_node(cause: Cause) -> bool {
    !matches!(cause, Cause::Timeout | Cause::Oom | Cause::Stopped | Cause::Prepare)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::Failure;

    fn outcome(node: &str, cause: Option<Cause>) -> Outcome {
        let result = match cause {
            None => Ok(Vec::new().into()),
            Some(cause) => Err(Failure { cause, message: "m".into(), help: None }),
        };
        Outcome {
            result,
            usage: Default::default(),
            log: None,
            host: Some(place(node, "17_3").into()),
            doubtful: false,
        }
    }

    #[test]
    fn a_node_that_fails_what_succeeds_elsewhere_is_not_used_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::of(dir.path());
        spool.make().unwrap();
        let mut nodes = Nodes::of(&spool);
        let is_excluded = |node: &str| Here::on(node.into(), &spool).is_excluded();
        let mut tell = |i, node: &str, cause| nodes.ended(InstanceId(i), &outcome(node, cause)).unwrap();
        for i in 0..9 {
            tell(i, "n1", Some(if i < 3 { Cause::Exit(1) } else { Cause::Oom }));
        }
        for i in (2..9).rev() {
            assert_eq!(tell(i, "n2", None), None, "needs more is no fault, and one is too few");
        }
        assert_eq!(tell(0, "n1", None), None, "it succeeded there after all");
        tell(10, "n1", Some(Cause::Lost));
        tell(10, "n2", None);
        assert!(!is_excluded("n1"));
        assert_eq!(
            tell(1, "n3", None).unwrap(),
            "node `n1` is not used any more in this run: 3 tasks failed on it that succeeded elsewhere"
        );
        assert!(is_excluded("n1") && !is_excluded("n2"));
        assert_eq!(Nodes::of(&spool).excluded().collect::<Vec<_>>(), ["n1"]);
    }

    #[test]
    fn tasks_that_fail_everywhere_now_and_then_are_no_fault_of_nodes() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::of(dir.path());
        spool.make().unwrap();
        let mut nodes = Nodes::of(&spool);
        for i in 0..300 {
            let (first, second) = (format!("n{}", i % 3), format!("n{}", (i + 1) % 3));
            if i % 4 == 0 {
                nodes.ended(InstanceId(i), &outcome(&first, Some(Cause::Exit(1)))).unwrap();
            }
            nodes.ended(InstanceId(i), &outcome(&second, None)).unwrap();
        }
        assert_eq!(nodes.excluded().count(), 0);
    }
}
