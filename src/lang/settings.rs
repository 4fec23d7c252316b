//! The one table of settings: what may be set on the command line, in the environment and in a profile of
//! `flowrun.toml`. The reader, `flowrun config` and the reference page come from it.
//!
//! Knows nothing of where the files lie and which of them wins.

use crate::base::Value;
use crate::diag::{Span, Spanned};
use crate::lang::keys::{Key, Kind, Status, Table};
use crate::lang::model::{Datum, Name};

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its key in a profile.
    pub key: Key,
    /// The option of the command line, without its dashes.
    pub option: Option<&'static str>,
    /// The variable of the environment.
    pub env: Option<&'static str>,
}

const fn key(
    table: Table,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Key {
    Key { table, name, kind, default, doc, example, status: Status::Optional }
}

const fn setting(
    name: &'static str,
    kind: Kind,
    (option, env): (Option<&'static str>, &'static str),
    default: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Setting {
    Setting { key: key(Table::Profile, name, kind, default, doc, example), option, env: Some(env) }
}

const U32: i64 = u32::MAX as i64;

/// Every setting, in the order of the reference page.
pub static SETTINGS: &[Setting] = &[
    setting(
        "backend",
        Kind::Plain,
        (Some("backend"), "FLOWRUN_BACKEND"),
        "`local`",
        "What executes the tasks. (`--backend`, `FLOWRUN_BACKEND`)",
        r#"backend = "local""#,
    ),
    setting(
        "store",
        Kind::Plain,
        (Some("store"), "FLOWRUN_STORE"),
        "`.flowrun/store.db`",
        "The database of runs and cache: `postgres://…`, or a file. (`--store`, `FLOWRUN_STORE`)",
        r#"store = "postgres://db.example.org/flowrun""#,
    ),
    setting(
        "artifacts",
        Kind::Plain,
        (Some("artifacts"), "FLOWRUN_ARTIFACTS"),
        "none",
        "The folder that keeps artifacts by their content. (`--artifacts`, `FLOWRUN_ARTIFACTS`)",
        r#"artifacts = "/scratch/artifacts""#,
    ),
    setting(
        "jobs",
        Kind::Int(1, U32),
        (Some("jobs"), "FLOWRUN_JOBS"),
        "the cores that flowrun may use",
        "Cores for tasks. (`--jobs`, `FLOWRUN_JOBS`)",
        "jobs = 8",
    ),
    setting(
        "keep_going",
        Kind::Bool,
        (Some("keep-going"), "FLOWRUN_KEEP_GOING"),
        "`false`",
        "After a failure go on with everything that does not need it. (`--keep-going`, `FLOWRUN_KEEP_GOING`)",
        "keep_going = true",
    ),
    setting(
        "no_cache",
        Kind::Bool,
        (Some("no-cache"), "FLOWRUN_NO_CACHE"),
        "`false`",
        "Use no cached result; new ones are still kept. (`--no-cache`, `FLOWRUN_NO_CACHE`)",
        "no_cache = true",
    ),
    setting(
        "wait",
        Kind::Bool,
        (Some("wait"), "FLOWRUN_WAIT"),
        "`false`",
        "Wait while another run holds the pipeline. (`--wait`, `FLOWRUN_WAIT`)",
        "wait = true",
    ),
    setting(
        "container_engine",
        Kind::Choice(&["apptainer", "podman", "docker"]),
        (None, "FLOWRUN_CONTAINER_ENGINE"),
        "the first of these that is there",
        "What runs the tasks that name a `container`. (`FLOWRUN_CONTAINER_ENGINE`)",
        r#"container_engine = "podman""#,
    ),
];

/// What stands in settings files beside the settings.
static OTHERS: &[Key] = &[
    key(
        Table::Settings,
        "profile",
        Kind::Named(&Kind::Table(Table::Profile)),
        "",
        "Settings under a name, which `--profile NAME` or `FLOWRUN_PROFILE` chooses. Those of `[profile.default]` hold \
         in any case, where the chosen one says nothing.",
        "[profile.laptop]\njobs = 4",
    ),
    key(
        Table::Settings,
        "caps",
        Kind::Table(Table::Caps),
        "",
        "What nobody on this machine may exceed. Only in `/etc/flowrun/config.toml`.",
        "[caps]\njobs = 16",
    ),
    key(
        Table::Profile,
        "resources",
        Kind::Table(Table::Resources),
        "those of the pipeline",
        "Defaults for every task, one by one in place of those under the pipeline's `[resources]`. What a task or map \
         says itself stays. Amounts as they stand, no expressions.",
        r#"resources.memory = "2GiB""#,
    ),
    key(
        Table::Profile,
        "slurm",
        Kind::SlurmOptions,
        "",
        "Options of `sbatch` by their long names, in place of those at the top of the pipeline.",
        r#"slurm = { account = "p042" }"#,
    ),
    key(Table::Caps, "jobs", Kind::Int(1, U32), "no limit", "The most cores for tasks of one run.", "jobs = 16"),
    key(
        Table::Caps,
        "memory",
        Kind::PlainMemory,
        "no limit",
        "The most memory for tasks of one run: `64GiB`.",
        r#"memory = "64GiB""#,
    ),
    key(Table::Caps, "gpus", Kind::Int(0, U32), "no limit", "The most GPUs for tasks of one run.", "gpus = 0"),
    key(
        Table::Caps,
        "submissions",
        Kind::Int(1, U32),
        "60",
        "How often one run may call a cluster's `sbatch` in a minute. Five calls may follow one another at once.",
        "submissions = 20",
    ),
];

pub(super) const FILES: &str = "Settings of the place where pipelines run. They stand in `flowrun.toml` beside the \
    pipeline file, in `~/.config/flowrun/config.toml` (or under `$XDG_CONFIG_HOME`) for all pipelines of one user, and in \
    `/etc/flowrun/config.toml` for all users of a machine; what two of them say is taken from the first of these. The \
    command line wins over the environment, the environment over the chosen profile, that one over `[profile.default]`, \
    and all of them over the pipeline file. `flowrun config --origin` shows what holds and where it comes from.";
pub(super) const PROFILE: &str = "A profile is named as everything else: letters, digits and `_`. Relative paths are \
    relative to the folder of the file that names them.";
pub(super) const CAPS: &str = "Limits of a shared machine, such as a login node. What is asked for beyond them is cut \
    down, and a task that cannot do with less is an error before anything runs.";

/// Every key of the settings files.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    SETTINGS.iter().map(|setting| &setting.key).chain(OTHERS)
}

/// What one settings file says.
#[derive(Clone, Debug, Default)]
pub struct SettingsFile {
    /// `[profile.NAME]`
    pub profiles: Vec<ProfileDecl>,
    /// `[caps]`
    pub caps: Caps,
}

/// `[profile.NAME]`
#[derive(Clone, Debug)]
pub struct ProfileDecl {
    /// Its name.
    pub name: Name,
    /// The settings that it gives, by their keys.
    pub values: Vec<(&'static str, Spanned<Value>)>,
    /// `resources`, without expressions.
    pub resources: Vec<(Name, Datum)>,
}

/// `[caps]`, each with its place.
#[derive(Clone, Debug, Default)]
pub struct Caps {
    /// Cores.
    pub jobs: Option<(u32, Span)>,
    /// Bytes.
    pub memory: Option<(u64, Span)>,
    /// Devices.
    pub gpus: Option<(u32, Span)>,
    /// Submissions to a cluster, a minute.
    pub submissions: Option<(u32, Span)>,
}
