//! A store of one's own over a shared one that may only be read: results are taken from both, and written to one's own.

use crate::base::Digest;
use crate::base::digest::Key;
use crate::port::{AnyRun, Entry, Hit, Lease, Listed, RunRow, Stat, Store, Term};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Overlay {
    pub own: Box<dyn Store>,
    pub shared: Box<dyn Store>,
    pub note: String,
}

/// Asks `second` for what `first` did not find.
fn both<A: Clone, T>(
    asked: &[A],
    mut first: Vec<Option<T>>,
    second: impl FnOnce(&[A]) -> anyhow::Result<Vec<Option<T>>>,
) -> anyhow::Result<Vec<Option<T>>> {
    let open: Vec<usize> = (0..first.len()).filter(|&i| first[i].is_none()).collect();
    if !open.is_empty() {
        let rest: Vec<A> = open.iter().map(|&i| asked[i].clone()).collect();
        for (i, found) in open.into_iter().zip(second(&rest)?) {
            first[i] = found;
        }
    }
    Ok(first)
}

impl Store for Overlay {
    fn lookup(&mut self, pipeline: &str, node: &str, asked: &[(Key, Arc<str>)]) -> anyhow::Result<Vec<Option<Hit>>> {
        let own = self.own.lookup(pipeline, node, asked)?;
        both(asked, own, |rest| self.shared.lookup(pipeline, node, rest))
    }

    fn latest(&mut self, pipeline: &str, node: &str, instances: &[Arc<str>]) -> anyhow::Result<Vec<Option<Entry>>> {
        let own = self.own.latest(pipeline, node, instances)?;
        both(instances, own, |rest| self.shared.latest(pipeline, node, rest))
    }

    fn record(&mut self, entries: &[Entry]) -> anyhow::Result<()> {
        self.own.record(entries)
    }

    fn take(&mut self, pipeline: &str, node: &str, taken: &[(Key, Arc<str>)]) -> anyhow::Result<()> {
        self.own.take(pipeline, node, taken)
    }

    fn forget(&mut self, keys: &[Key]) -> anyhow::Result<()> {
        self.own.forget(keys)
    }

    fn lease(&mut self, run: u64, keys: &[Key], term: Term) -> anyhow::Result<Vec<Lease>> {
        self.own.lease(run, keys, term)
    }

    fn leases(&mut self) -> anyhow::Result<Vec<(Key, Lease)>> {
        self.own.leases()
    }

    fn renew(&mut self, run: u64, term: Term) -> anyhow::Result<()> {
        self.own.renew(run, term)
    }

    fn release(&mut self, run: u64, keys: Option<&[Key]>) -> anyhow::Result<()> {
        self.own.release(run, keys)
    }

    fn begin_run(&mut self, row: &RunRow) -> anyhow::Result<u64> {
        self.own.begin_run(row)
    }

    fn end_run(&mut self, row: &RunRow) -> anyhow::Result<()> {
        self.own.end_run(row)
    }

    fn runs(&mut self, file: Option<&str>, limit: u32) -> anyhow::Result<Vec<RunRow>> {
        self.own.runs(file, limit)
    }

    fn run(&mut self, run: u64) -> anyhow::Result<Option<RunRow>> {
        self.own.run(run)
    }

    fn files(&mut self) -> anyhow::Result<Vec<(Vec<u8>, Stat, Digest)>> {
        self.own.files()
    }

    fn remember(&mut self, files: &[(Vec<u8>, Stat, Digest)]) -> anyhow::Result<()> {
        self.own.remember(files)
    }

    fn list(&mut self, each: &mut dyn FnMut(Listed)) -> anyhow::Result<()> {
        self.own.list(each)
    }

    fn list_all(&mut self, each: &mut dyn FnMut(Listed)) -> anyhow::Result<()> {
        self.own.list(each)?;
        self.shared.list_all(each)
    }

    fn find(&mut self, digits: &str) -> anyhow::Result<Vec<Entry>> {
        let own = self.own.find(digits)?;
        if own.is_empty() { self.shared.find(digits) } else { Ok(own) }
    }

    fn digests(&mut self, each: &mut dyn FnMut(Digest)) -> anyhow::Result<()> {
        self.own.digests(each)?;
        self.shared.digests(each)
    }

    fn remove(&mut self, entries: &[Listed]) -> anyhow::Result<()> {
        self.own.remove(entries)
    }

    fn all_runs(&mut self, limit: u32) -> anyhow::Result<Vec<AnyRun>> {
        // Each store numbers its runs by itself: the newest is the one that began last.
        let mut runs = self.own.all_runs(limit)?;
        runs.extend(self.shared.all_runs(limit)?);
        runs.sort_by_key(|run| std::cmp::Reverse(run.row.began));
        runs.truncate(limit as usize);
        Ok(runs)
    }

    fn remove_runs(&mut self, runs: &[u64]) -> anyhow::Result<()> {
        self.own.remove_runs(runs)
    }

    fn version(&mut self) -> anyhow::Result<String> {
        self.shared.version()
    }

    fn name(&self) -> String {
        self.own.name()
    }

    fn note(&self) -> Option<String> {
        Some(self.note.clone())
    }

    fn patience(&self) -> Duration {
        self.shared.patience()
    }
}
