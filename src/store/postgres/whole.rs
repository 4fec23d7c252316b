//! The cache and the index of runs as a whole, for those who look after them: lists, removal, the runs of all projects.

use super::{Bad, Session, digest, plain, run_row, unplain};
use crate::base::Digest;
use crate::port::{AnyRun, Entry, Listed, Made};
use crate::store::rows::{components, results, signed, unsigned};
use postgres::Row;
use postgres::types::Type;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Names that were met before; neighbours share them.
#[derive(Default)]
struct Names(FxHashMap<String, Arc<str>>);

impl Names {
    fn get(&mut self, text: &str) -> Arc<str> {
        match self.0.get(text) {
            Some(name) => name.clone(),
            None => self.0.entry(text.to_owned()).or_insert(unplain(text)).clone(),
        }
    }

    /// From a row's columns `at`, `wall_us`, `run`, `host`, `by_user`, `version`, the first of which is given.
    fn made(&mut self, row: &Row, first: usize) -> Made {
        Made {
            at: unsigned(row.get(first)),
            wall_us: unsigned(row.get(first + 1)),
            run: unsigned(row.get(first + 2)),
            host: self.get(row.get(first + 3)),
            user: self.get(row.get(first + 4)),
            version: self.get(row.get(first + 5)),
        }
    }
}

pub(super) fn list(session: &mut Session<'_>, of_all: bool) -> Result<Vec<Listed>, Bad> {
    if session.absent {
        return Ok(Vec::new());
    }
    let sql = "SELECT cache.at, cache.wall_us, origin.run, origin.host, origin.by_user, origin.version,
                   node.pipeline, node.path, place.instance, place.key, cache.results, node.project,
                   coalesce(made_in.path, '')
               FROM flowrun.place JOIN flowrun.node ON node.id = place.node
                   JOIN flowrun.cache ON cache.key = place.key AND cache.project = node.project
                   JOIN flowrun.origin ON origin.id = cache.origin LEFT JOIN flowrun.run ON run.run = origin.run
                   LEFT JOIN flowrun.project AS made_in ON made_in.id = run.project
               WHERE $2 OR node.project = $1
               ORDER BY node.pipeline COLLATE \"C\", node.path COLLATE \"C\", place.instance COLLATE \"C\",
                   node.project, place.turn DESC";
    let mut names = Names::default();
    let mut all: Vec<Listed> = Vec::new();
    let mut last_project = None;
    for row in session.client.query_typed(sql, &[(&session.project, Type::INT8), (&of_all, Type::BOOL)])? {
        let whose: i64 = row.get(11);
        let same_project = last_project.replace(whose) == Some(whose);
        let project = match row.get(12) {
            "" => "".into(),
            path => names.get(path),
        };
        let (pipeline, node, instance) = (names.get(row.get(6)), names.get(row.get(7)), unplain(row.get(8)));
        let newer = match all.last() {
            Some(last)
                if same_project && (&last.pipeline, &last.node, &last.instance) == (&pipeline, &node, &instance) =>
            {
                last.newer + 1
            }
            _ => 0,
        };
        let (key, made) = (digest(&row, 9)?, names.made(&row, 0));
        all.push(Listed { key, pipeline, node, instance, project, newer, results: results(row.get(10))?, made });
    }
    Ok(all)
}

pub(super) fn find(session: &mut Session<'_>, (low, high): (Digest, Digest)) -> Result<Vec<Entry>, Bad> {
    if session.absent {
        return Ok(Vec::new());
    }
    let sql = "SELECT cache.at, cache.wall_us, origin.run, origin.host, origin.by_user, origin.version,
                   node.pipeline, node.path, place.instance, cache.key, cache.results, cache.own, parts.components
               FROM flowrun.cache JOIN flowrun.place ON place.key = cache.key
                   JOIN flowrun.node ON node.id = place.node AND node.project = cache.project
                   JOIN flowrun.origin ON origin.id = cache.origin JOIN flowrun.parts ON parts.id = cache.parts
               WHERE cache.key BETWEEN $2 AND $3
               ORDER BY (cache.project = $1) IS TRUE DESC, cache.at DESC, cache.key, node.pipeline COLLATE \"C\", node.path COLLATE \"C\",
                   place.instance COLLATE \"C\"";
    let mut names = Names::default();
    let (low, high) = (&low.0[..], &high.0[..]);
    let rows = session
        .client
        .query_typed(sql, &[(&session.project, Type::INT8), (&low, Type::BYTEA), (&high, Type::BYTEA)])?;
    rows.iter()
        .map(|row| {
            Ok(Entry {
                key: digest(row, 9)?,
                pipeline: names.get(row.get(6)),
                node: names.get(row.get(7)),
                instance: unplain(row.get(8)),
                fixed: Arc::new(components(row.get(12))?),
                own: components(row.get(11))?,
                results: results(row.get(10))?,
                made: names.made(row, 0),
            })
        })
        .collect()
}

pub(super) fn digests(session: &mut Session<'_>) -> Result<Vec<Digest>, Bad> {
    let mut all = Vec::new();
    if session.absent {
        return Ok(all);
    }
    let sql = "SELECT results FROM flowrun.cache WHERE position('\"digest\"' IN results) > 0";
    for row in session.client.query_typed(sql, &[])? {
        for produced in results(row.get(0))?.iter() {
            all.extend(produced.artifacts().map(|artifact| artifact.digest));
        }
    }
    Ok(all)
}

pub(super) fn remove(session: &mut Session<'_>, project: i64, entries: &[Listed]) -> Result<(), Bad> {
    let mut work = session.begin(project)?;
    for batch in entries.chunks(super::BATCH) {
        let text = |of: fn(&Listed) -> &str| batch.iter().map(|entry| plain(of(entry))).collect::<Vec<Cow<'_, str>>>();
        let (pipelines, nodes) = (text(|entry| &entry.pipeline), text(|entry| &entry.node));
        let instances = text(|entry| &entry.instance);
        let keys: Vec<&[u8]> = batch.iter().map(|entry| &entry.key.0[..]).collect();
        let sql = "DELETE FROM flowrun.place USING flowrun.node,
                       unnest($2, $3, $4, $5) AS gone (pipeline, path, instance, key)
                   WHERE node.project = $1 AND node.pipeline = gone.pipeline AND node.path = gone.path
                       AND place.node = node.id AND place.instance = gone.instance AND place.key = gone.key";
        work.execute_typed(
            sql,
            &[
                (&project, Type::INT8),
                (&pipelines, Type::TEXT_ARRAY),
                (&nodes, Type::TEXT_ARRAY),
                (&instances, Type::TEXT_ARRAY),
                (&keys, Type::BYTEA_ARRAY),
            ],
        )?;
        // The row of the key goes with the last instance that has it.
        let sql = "DELETE FROM flowrun.cache WHERE project = $1 AND key = ANY($2) AND key NOT IN
                       (SELECT place.key FROM flowrun.place JOIN flowrun.node ON node.id = place.node
                        WHERE node.project = $1)";
        work.execute_typed(sql, &[(&project, Type::INT8), (&keys, Type::BYTEA_ARRAY)])?;
    }
    work.commit()?;
    Ok(())
}

pub(super) fn all_runs(session: &mut Session<'_>, limit: u32) -> Result<Vec<AnyRun>, Bad> {
    if session.absent {
        return Ok(Vec::new());
    }
    let sql = "SELECT run.run, pipeline, file, identity, began, ended, state, counts, project.path, by_user, run.host
               FROM flowrun.run JOIN flowrun.project ON project.id = run.project
               ORDER BY run.run DESC LIMIT $1";
    let rows = session.client.query_typed(sql, &[(&i64::from(limit), Type::INT8)])?;
    let run = |row: &Row| {
        let (project, user, host) = (row.get::<_, &str>(8).into(), unplain(row.get(9)), unplain(row.get(10)));
        Ok(AnyRun { row: run_row(row)?, project, user, host })
    };
    rows.iter().map(run).collect()
}

pub(super) fn remove_runs(session: &mut Session<'_>, project: i64, runs: &[u64]) -> Result<(), Bad> {
    let runs: Vec<i64> = runs.iter().copied().map(signed).collect();
    let sql = "WITH gone AS (DELETE FROM flowrun.run WHERE project = $1 AND run = ANY($2) RETURNING run)
               DELETE FROM flowrun.lease WHERE key IN (
                   SELECT key FROM flowrun.lease WHERE run IN (SELECT run FROM gone) ORDER BY key FOR UPDATE)";
    session.client.execute_typed(sql, &[(&project, Type::INT8), (&runs, Type::INT8_ARRAY)])?;
    Ok(())
}
