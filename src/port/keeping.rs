//! What is kept and what goes: the data of `cache` and of `runs rm` and `runs --all`.

use crate::base::Digest;
use crate::engine::Counts;
use crate::engine::key::Change;
use crate::port::status::Life;
use crate::port::{AnyRun, Entry, Listed};
use std::path::PathBuf;
use std::sync::Arc;

/// What may go: of entries by their last use, of runs by their end. What several of them name goes; `keep_last` holds
/// the newest back from the others, and alone it lets all older ones go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What is older, in milliseconds.
    pub older_than: Option<u64>,
    /// All but so many, the newest.
    pub keep_last: Option<u32>,
    /// The oldest until so many bytes are left.
    pub max_size: Option<u64>,
}

impl Limits {
    /// Whether anything may go by them.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// What was found wrong with an output or an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing stands there; whether its bytes are kept, so that the next run puts it back.
    Missing {
        /// Whether the artifact folder has it.
        kept: bool,
    },
    /// Something else stands there.
    Other {
        /// What, by its digest; `None`: it cannot be read.
        found: Option<Digest>,
        /// Whether the artifact folder has what was recorded.
        kept: bool,
    },
    /// An object whose bytes are not those of its digest; it was set aside.
    Damaged,
    /// The list of a folder of which a file is not kept.
    Incomplete,
}

/// What `cache verify` found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Entries that were looked at: the newest of every instance.
    pub entries: u64,
    /// Files and folders that they have as results.
    pub outputs: u64,
    /// Objects of the artifact folder.
    pub objects: u64,
    /// Outputs that are not as they were recorded: path, recorded digest, instance.
    pub outputs_wrong: Vec<(String, Digest, Arc<str>, Wrong)>,
    /// Objects that are not whole.
    pub objects_wrong: Vec<(Digest, Wrong)>,
    /// Runs that are at work: what they make at this moment may look wrong.
    pub live: Vec<String>,
}

/// Why an entry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// It was not used for too long.
    Old,
    /// Its instance has enough newer ones.
    Superseded,
    /// No run that is kept has its instance.
    Unreachable,
    /// Its bytes go for lack of room, and are nowhere else.
    Evicted,
}

/// What `cache gc` removed, or would remove.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Entries, and why.
    pub entries: Vec<(Listed, Because)>,
    /// How many there were.
    pub of_entries: u64,
    /// Objects of the artifact folder.
    pub objects: u64,
    /// How many there were.
    pub of_objects: u64,
    /// Files of writers that died, and damaged objects that were set aside.
    pub leftovers: u64,
    /// Bytes of objects and leftovers.
    pub bytes: u64,
    /// Bytes of the objects that stay.
    pub left: u64,
    /// Objects that only other users of the artifact folder need, and their bytes.
    pub foreign: (u64, u64),
    /// Who these are, and when they used the folder last, milliseconds since the epoch.
    pub others: Vec<(String, u64)>,
    /// Who was away for so long that what they need counts no more.
    pub idle: Vec<(String, u64)>,
    /// Why things stay that would go otherwise, in sentences.
    pub notes: Vec<String>,
    /// Nothing was removed.
    pub dry: bool,
}

/// A run that goes, or would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneRun {
    /// Its number.
    pub run: u64,
    /// The pipeline file's name, where it is known.
    pub file: Arc<str>,
    /// When it began, where it is known.
    pub began: Option<u64>,
    /// Bytes of its folder, or of its logs.
    pub bytes: u64,
}

/// What `runs rm` removed, or would remove.
#[derive(Clone, Debug, Default)]
pub struct RunsRemoved {
    /// The runs.
    pub runs: Vec<GoneRun>,
    /// How many there were.
    pub of: u64,
    /// Only their logs.
    pub logs: bool,
    /// Why runs stay that would go otherwise, in sentences.
    pub notes: Vec<String>,
    /// Nothing was removed.
    pub dry: bool,
}

/// A run of any project, with what its journal says where it can be read from here.
#[derive(Clone, Debug)]
pub struct SeenRun {
    /// As the store knows it.
    pub run: AnyRun,
    /// What it does now; `None`: only its own project can say.
    pub life: Option<Life>,
    /// The counts: at the end, or now.
    pub counts: Option<Counts>,
}

/// What `cache accept` did.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    /// Results under their new keys, with what had changed.
    pub entries: Vec<(Entry, Vec<Change>)>,
    /// Instances of the named nodes that run all the same, and why.
    pub refused: Vec<(Arc<str>, String)>,
    /// Nodes of which nothing could be told, for something before them must run first.
    pub unknown: Vec<Arc<str>>,
    /// Nothing was recorded.
    pub dry: bool,
}

/// Which entries are listed.
#[derive(Clone, Debug, Default)]
pub struct LsAsk {
    /// Of these nodes and instances; empty: of all.
    pub nodes: Vec<String>,
    /// Also those that are not the newest of their instance.
    pub older: bool,
    /// Of every project of the store.
    pub all: bool,
    /// Made by the project of this folder, absolute.
    pub project: Option<PathBuf>,
    /// Made earlier than so many milliseconds ago.
    pub older_than: Option<u64>,
    /// Made later than so many milliseconds ago.
    pub newer_than: Option<u64>,
    /// With so many bytes in files at least.
    pub min_size: Option<u64>,
}

impl LsAsk {
    /// Whether something that is cached may not be meant.
    pub fn is_narrow(&self) -> bool {
        let Self { nodes, project, older_than, newer_than, min_size, .. } = self;
        !nodes.is_empty() || project.is_some() || older_than.is_some() || newer_than.is_some() || min_size.is_some()
    }
}

/// An entry, with what is known of it from here.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The entry.
    pub entry: Entry,
    /// The folder of the project that made it, where it was when the store last saw it; empty: not known.
    pub project: Arc<str>,
    /// Of each of its files and folders, in order.
    pub files: Vec<FileState>,
}

/// Where the bytes of an output are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    /// What stands at its path.
    pub place: InPlace,
    /// Whether the artifact folder has it, whole.
    pub kept: bool,
}

/// What stands at the path of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InPlace {
    /// What was recorded.
    Whole,
    /// Something else.
    Changed,
    /// Nothing.
    Missing,
}

/// What is asked of the keeper.
#[derive(Clone, Debug, Default)]
pub struct GcAsk {
    /// What goes.
    pub limits: Limits,
    /// Entries of instances that no kept run has.
    pub unreachable: bool,
    /// What other users of the artifact folder need who have been away for so long, in milliseconds, counts no more.
    pub idle: Option<u64>,
    /// Nothing is removed.
    pub dry: bool,
}

/// What `runs rm` is asked.
#[derive(Clone, Debug, Default)]
pub struct RmAsk {
    /// Runs by their numbers.
    pub runs: Vec<u64>,
    /// Which others go.
    pub limits: Limits,
    /// Only logs.
    pub logs: bool,
    /// Nothing is removed.
    pub dry: bool,
}

/// Where `cache` and `runs` look.
#[derive(Clone, Debug)]
pub struct Where {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// Whether it was named: then only what is its own is meant, else all of its folder.
    pub named: bool,
    /// The artifact folder that was named.
    pub artifacts: Option<PathBuf>,
}
