//! The one list of backends and stores: a new one is a new folder and one line here.

use super::Failed;
use crate::backend::local;
use crate::driver::{BackendAsk, OpenBackend, OpenStore};

/// The backend of a name; `local` when none is given.
pub fn backend(name: Option<&str>) -> Result<OpenBackend, Failed> {
    match name.unwrap_or("local") {
        "local" => Ok(Box::new(|ask| {
            let BackendAsk { jobs, limits, run_dir, lock, reports } = ask;
            let options = local::Options { jobs, limits, lock, ..local::Options::new(run_dir) };
            Ok(Box::new(local::Local::open(options, reports)?))
        })),
        "slurm" => Err(Failed::machine(
            "the backend `slurm` is not in this version of flowrun",
            Some("leave `--backend` out to run on this machine".to_owned()),
        )),
        other => Err(Failed::usage(
            format!("there is no backend `{other}`"),
            Some("this version has one: `local`".to_owned()),
        )),
    }
}

/// The store of a URL; SQLite in the state folder when none is given.
pub fn store(url: Option<&str>) -> Result<OpenStore, Failed> {
    let _ = url;
    Ok(Box::new(|_dir, _access| todo!()))
}

/// The helper process of the local backend.
pub fn executor(words: Vec<std::ffi::OsString>) -> u8 {
    let _ = words;
    crate::backend::local::executor_main()
}
