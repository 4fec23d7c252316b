//! The one list of backends and stores: a new one is a new folder and one line here.

use super::Failed;
use crate::agent::Place;
use crate::backend::spool::Worker;
use crate::backend::{local, slurm};
use crate::base::text::{and, did_you_mean, quote};
use crate::driver::{BackendAsk, BackendKind, OpenBackend, OpenStore};
use crate::port::Backend;
use crate::port::afar::Afar;
use crate::store::postgres::Address;
use crate::store::shared;
use crate::store::sqlite::Sqlite;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Every backend; the one of this name first, `local` when none is given.
pub fn backends(first: Option<&str>) -> Result<Vec<BackendKind>, Failed> {
    let mut kinds = vec![
        BackendKind {
            name: "local",
            jobs: None,
            pace: None,
            elsewhere: false,
            measure: Box::new(|jobs, limits| Ok(local::capacity(jobs, limits))),
            survey: None,
            open: Box::new(open_local),
            has_left: |_| false,
            preview: None,
            examine: local::examine,
        },
        BackendKind {
            name: "slurm",
            jobs: None,
            pace: None,
            elsewhere: true,
            measure: Box::new(|jobs, limits| Ok(slurm::capacity(jobs, limits))),
            survey: Some(slurm::survey),
            open: Box::new(|ask| {
                let BackendAsk { jobs, pace, limits, run_dir, reports, .. } = ask;
                let options = slurm::Options { run_dir, jobs, pace, limits };
                Ok(Box::new(slurm::Slurm::open(options, reports)?))
            }),
            has_left: slurm::has_left,
            preview: Some(slurm::preview),
            examine: slurm::examine,
        },
    ];
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let first = first.unwrap_or(names[0]);
    let Some(at) = names.iter().position(|name| *name == first) else {
        let help = did_you_mean(first, names.iter().copied()).unwrap_or_else(|| format!("there are {}", and(names)));
        return Err(Failed::usage(format!("there is no backend {}", quote(first)), Some(help)));
    };
    kinds[..=at].rotate_right(1);
    Ok(kinds)
}

fn open_local(ask: BackendAsk) -> anyhow::Result<Box<dyn Backend>> {
    let BackendAsk { jobs, limits, run_dir, work, lock, reports, .. } = ask;
    let options = local::Options { work, jobs, limits, lock, ..local::Options::new(run_dir) };
    Ok(Box::new(local::Local::open(options, reports)?))
}

/// The file that a URL names, where it names one.
pub fn file_of(url: &str) -> Option<&str> {
    let server = url.starts_with("postgres:") || url.starts_with("postgresql:");
    (!server).then(|| url.strip_prefix("sqlite://").or(url.strip_prefix("sqlite:")).unwrap_or(url))
}

/// Looks after what is at work for runs elsewhere.
pub fn afar() -> Box<dyn Afar> {
    Box::new(slurm::Queue)
}

/// Whether drivers of runs with the backend of a name may be jobs themselves.
pub fn drivers_are_jobs(name: Option<&str>) -> bool {
    name == Some("slurm")
}

/// The store of a URL: `postgres://…`, `sqlite:PATH` or a path; `store.db` in the state folder when none is given.
pub fn store(url: Option<&str>) -> Result<OpenStore, Failed> {
    let path = match url {
        None => None,
        Some(url) if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
            let address = Address::parse(url).map_err(|reason| {
                Failed::usage(
                    format!("the address of the store cannot be used: {reason}"),
                    Some("an address is `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full`".to_owned()),
                )
            })?;
            return Ok(Box::new(move |state_dir, access| Ok(shared::open(&address, state_dir, access)?)));
        }
        Some(url) => {
            let path = file_of(url).unwrap_or(url);
            if path.is_empty() || path.contains("://") {
                return Err(Failed::usage(
                    format!("`--store {url}` is not a store"),
                    Some("a store is a file or a database: `--store sqlite:PATH`, `--store postgres://…`".to_owned()),
                ));
            }
            Some(PathBuf::from(path))
        }
    };
    Ok(Box::new(move |state_dir, access| {
        let own = state_dir.join("store.db");
        let (path, shared) = path.as_ref().map_or((&own, false), |path| (path, true));
        Ok(Box::new(Sqlite::open(path, access)?.of_project(state_dir, shared)))
    }))
}

/// The helper process of the local backend.
pub fn executor() -> u8 {
    local::executor_main()
}

/// A worker of a cluster's job: the element of the array that it finds itself in.
///
/// # Errors
/// It was not started by Slurm, or its spool cannot be used.
pub fn agent(spool: &Path, batch: u32) -> anyhow::Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let array = std::env::var("SLURM_ARRAY_JOB_ID").ok().zip(number("SLURM_ARRAY_TASK_ID"));
    let alone = || std::env::var("SLURM_JOB_ID").ok().map(|job| (job, Worker::ALONE));
    let (job, element) = array.or_else(alone).ok_or_else(|| anyhow::anyhow!("this is no job of Slurm"))?;
    // Other clusters have the same numbers.
    let job = match std::env::var("FLOWRUN_CLUSTER") {
        Ok(cluster) if !cluster.is_empty() => format!("{job};{cluster}"),
        _ => job,
    };
    let worker = Worker { job, element, restart: number("SLURM_RESTART_COUNT").unwrap_or(0) };
    let open: OpenBackend = Box::new(open_local);
    // Newer versions say when the job must end.
    let end = std::env::var("SLURM_JOB_END_TIME").ok().and_then(|text| text.parse().ok());
    let end = end.map(|end| SystemTime::UNIX_EPOCH + Duration::from_secs(end));
    let ends_in = end.and_then(|end| end.duration_since(SystemTime::now()).ok());
    let node = std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| crate::sys::host());
    let place = Place { worker, node, workers: number("SLURM_ARRAY_TASK_COUNT").unwrap_or(1), ends_in };
    crate::agent::run(spool, batch, place, &open)
}
