//! What was typed for `cache` and `runs rm`, word for word.

use super::args::{Output, ParamArgs, PlaceArgs};
use crate::base::amount::{parse_bytes, parse_duration};
use clap::{Args, Subcommand, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;

fn age(typed: &str) -> Result<u64, String> {
    parse_duration(typed).map_err(|problem| said(problem.message, problem.help))
}

fn bytes(typed: &str) -> Result<u64, String> {
    parse_bytes(typed).map_err(|problem| said(problem.message, problem.help))
}

fn said(message: String, help: Option<String>) -> String {
    help.map_or_else(|| message.clone(), |help| format!("{message}: {help}"))
}

/// `flowrun cache`
#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: CacheCommand,
}

const GC_HELP: &str = "\
What goes:
  --older-than  results that no kept run has made or taken for so long
  --keep-last   of each instance all results but the N newest; together with
                --older-than these N stay, however old
  --unreachable results of instances that no kept run has: `runs rm` decides
                which runs are kept, and the instances of those are the roots
  --max-size    bytes in the artifact folder, of the results used longest ago;
                a result stays as long as its files stand in the project
Without any of them only bytes go that no result refers to.

Files in the project are never touched. What a run at work has stays, and no
run can begin while it works. What other projects keep in a folder that
--artifacts names stays: each of them is on record there for what it needs,
until it has not used the folder for as long as --forget-idle says.";

const VERIFY_HELP: &str = "\
Every file of the newest result of each instance is read, and every object of
the artifact folder. An object that is damaged is set aside, so that it is
never handed out. Exits 1 when something is not as it was recorded.";

const ACCEPT_HELP: &str = "\
After a change of words only (a comment in a command, a script reformatted)
the earlier results of these nodes count under their new keys, and nothing
runs. Taken over is what differs in nothing but what the file says of the task
and the scripts that it names; values and inputs must be the same (--values lets
them differ), and declared outputs in any case. Every file must be in its
place as it was recorded; one that is missing is put back where its bytes are
kept.
Exits 1 when an instance of these nodes would run all the same.";

/// The commands about the cache.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// List what is cached, of each instance the newest result.
    #[command(override_usage = "flowrun cache ls [OPTIONS] [PIPELINE] [NODE]...")]
    Ls(LsArgs),
    /// Show a cached result: who made it, when, where and from what.
    #[command(override_usage = "flowrun cache show [OPTIONS] [PIPELINE] KEY|INSTANCE")]
    Show(ShowArgs),
    /// Read every output and every artifact, and say what is not whole.
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Remove what is no longer needed, by age, number, size and reach.
    #[command(after_help = GC_HELP)]
    Gc(GcArgs),
    /// Bless earlier results after a change of words only.
    #[command(
        override_usage = "flowrun cache accept [OPTIONS] [PIPELINE] NODE... [-- --NAME VALUE...]",
        after_help = ACCEPT_HELP
    )]
    Accept(AcceptArgs),
}

impl CacheCommand {
    /// How the command prints its result.
    pub fn output(&self) -> Output {
        match self {
            CacheCommand::Ls(args) => args.output,
            CacheCommand::Show(args) => args.output,
            CacheCommand::Verify(args) => args.output,
            CacheCommand::Gc(args) => args.output,
            CacheCommand::Accept(args) => args.output,
        }
    }
}

/// `flowrun cache ls`
#[derive(Debug, Args)]
pub struct LsArgs {
    /// A pipeline file (all of this folder when left out), then nodes or instances (all when left out)
    #[arg(value_name = "PIPELINE|NODE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// Older results of each instance, too
    #[arg(long)]
    pub older: bool,
    /// Results of every project of the store
    #[arg(long)]
    pub all: bool,
    /// Results that the project in this folder made
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub project: Option<PathBuf>,
    /// Made longer ago than this: `30d`, `12h`
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<u64>,
    /// Made within this time
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub newer_than: Option<u64>,
    /// With files of this size at least: `1GiB`
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub min_size: Option<u64>,
    /// The database of runs and cache [default: .flowrun/store.db]
    #[arg(long, value_name = "URL", env = "FLOWRUN_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun cache show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A pipeline file, then the key (8 digits or more) or the instance: `align[NA12878]`
    #[arg(value_name = "PIPELINE|KEY|INSTANCE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// The database of runs and cache [default: .flowrun/store.db]
    #[arg(long, value_name = "URL", env = "FLOWRUN_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// The folder of artifacts [default: .flowrun/artifacts]
    #[arg(long, value_name = "DIR", env = "FLOWRUN_ARTIFACTS", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub artifacts: Option<PathBuf>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun cache verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A pipeline file [default: all of this folder]
    #[arg(value_name = "PIPELINE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// The database of runs and cache [default: .flowrun/store.db]
    #[arg(long, value_name = "URL", env = "FLOWRUN_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// The folder of artifacts [default: .flowrun/artifacts]
    #[arg(long, value_name = "DIR", env = "FLOWRUN_ARTIFACTS", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub artifacts: Option<PathBuf>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// What goes, for `cache gc` and `runs rm`.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// What is older than this: `30d`, `12h`
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<u64>,
    /// Keep the N newest
    #[arg(long, value_name = "N")]
    pub keep_last: Option<u32>,
    /// The oldest, until this much is left: `10GB`
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub max_size: Option<u64>,
}

/// `flowrun cache gc`
#[derive(Debug, Args)]
pub struct GcArgs {
    /// A pipeline file [default: all of this folder]
    #[arg(value_name = "PIPELINE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitArgs,
    /// Results of instances that no kept run has
    #[arg(long)]
    pub unreachable: bool,
    /// Keep nothing for other users of the artifact folder that have been away for so long
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub forget_idle: Option<u64>,
    /// Say what would go and how much it frees; remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The database of runs and cache [default: .flowrun/store.db]
    #[arg(long, value_name = "URL", env = "FLOWRUN_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// The folder of artifacts [default: .flowrun/artifacts]
    #[arg(long, value_name = "DIR", env = "FLOWRUN_ARTIFACTS", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub artifacts: Option<PathBuf>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun cache accept`
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// A pipeline file (`pipeline.toml` when left out), then the nodes whose results are right as they are
    #[arg(value_name = "PIPELINE|NODE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub params: ParamArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    /// Also where values or input files are not what they were
    #[arg(long)]
    pub values: bool,
    /// Say what would be accepted; record nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

const RM_HELP: &str = "\
Without RUN, by what the options say: --keep-last alone keeps the N newest of
each pipeline; together with --older-than or --max-size these stay in any
case. A run at work stays, and so does an interrupted one that the next `run`
would continue, unless it is named; what it had finished goes to the cache.
Cached results stay: see `flowrun cache gc`.";

/// The commands about runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Remove runs with their journals and logs, or only their logs.
    #[command(override_usage = "flowrun runs rm [OPTIONS] [PIPELINE] [RUN]...", after_help = RM_HELP)]
    Rm(RmArgs),
}

/// `flowrun runs rm`
#[derive(Debug, Args)]
pub struct RmArgs {
    /// A pipeline file (all of this folder when left out), then numbers of runs
    #[arg(value_name = "PIPELINE|RUN", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitArgs,
    /// Only the logs; the runs stay
    #[arg(long)]
    pub logs: bool,
    /// Say what would go and how much it frees; remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The database of runs and cache [default: .flowrun/store.db]
    #[arg(long, value_name = "URL", env = "FLOWRUN_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}
