//! Jobs on several clusters: how those of a run are found. The number of a job on a cluster that its task names has the
//! cluster's name behind it, `17;big`, as `sbatch` says it: other clusters have the same numbers.

use crate::backend::spool::Spool;
use crate::sys::durable::{self, Sync};
use std::path::Path;
use std::sync::Arc;

/// The jobs of a run.
#[derive(Clone, Debug)]
pub struct Ours {
    /// What their names begin with.
    pub prefix: String,
    /// The clusters that tasks name.
    named: Vec<String>,
}

impl Ours {
    /// Of a run, with the clusters that earlier drivers have used.
    pub fn of(run_dir: &Path) -> Self {
        let text = std::fs::read_to_string(file(&Spool::of(run_dir))).unwrap_or_default();
        Self { prefix: super::desk::prefix(run_dir), named: text.lines().map(str::to_owned).collect() }
    }

    /// Jobs with these options are about to be submitted: their clusters are kept before.
    pub fn add(&mut self, spool: &Spool, options: &[(Arc<str>, Option<Arc<str>>)]) -> crate::sys::fault::Result<()> {
        let Some(names) = named(options) else { return Ok(()) };
        let known = self.named.len();
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !self.named.iter().any(|known| known == name) {
                self.named.push(name.to_owned());
            }
        }
        if self.named.len() == known {
            return Ok(());
        }
        durable::write(&file(spool), (self.named.join("\n") + "\n").as_bytes(), Sync::Now)
    }

    /// The clusters to be asked: this machine's own, then those that are named.
    pub fn clusters(&self) -> impl Iterator<Item = Option<&str>> {
        std::iter::once(None).chain(self.named.iter().map(|name| Some(name.as_str())))
    }
}

fn file(spool: &Spool) -> std::path::PathBuf {
    spool.file("batch", "clusters")
}

/// The clusters that options name.
pub fn named(options: &[(Arc<str>, Option<Arc<str>>)]) -> Option<&str> {
    options.iter().find(|(name, _)| &**name == "clusters").and_then(|(_, value)| value.as_deref())
}

/// The number of a job, and its cluster: of `17;big`, `17_3;big`, `17`.
pub fn split(job: &str) -> (&str, Option<&str>) {
    match job.split_once(';') {
        Some((number, cluster)) => (number, Some(cluster)),
        None => (job, None),
    }
}

/// The number with its cluster.
pub fn on(number: &str, cluster: Option<&str>) -> String {
    cluster.map_or_else(|| number.to_owned(), |cluster| format!("{number};{cluster}"))
}

/// Jobs by their clusters, each with the words that lead there.
pub fn grouped(jobs: &[String]) -> Vec<(Option<&str>, Vec<&str>)> {
    let mut groups: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
    for job in jobs {
        let (number, cluster) = split(job);
        match groups.iter_mut().find(|(other, _)| *other == cluster) {
            Some((_, numbers)) => numbers.push(number),
            None => groups.push((cluster, vec![number])),
        }
    }
    groups
}
