//! The tables of the pipeline file, and what they are called.

use super::{Key, all};
use crate::lang::{settings, trial};

/// A table of the file: which keys may stand together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// The top of the file.
    File,
    /// `[pipeline]`
    Pipeline,
    /// `[params.NAME]`
    Param,
    /// `[resources]`, and `resources` of a task or map.
    Resources,
    /// `[task.NAME]`
    Task,
    /// `inputs.NAME = { … }` of a task.
    Input,
    /// `container = { … }` of a task.
    Container,
    /// `secrets.NAME = { … }` of a task.
    Secret,
    /// `outputs.NAME = { … }` of a task.
    Output,
    /// `ensure = { … }` of an output.
    Ensure,
    /// `[map.NAME]`
    Map,
    /// `over = { … }`
    Source,
    /// `[branch.NAME]`
    Branch,
    /// `[branch.NAME.case.CASE]`, `[branch.NAME.default]`
    Case,
    /// `[loop.NAME]`
    Loop,
    /// `carry.NAME = { … }` of a loop.
    Carry,
    /// `[call.NAME]`
    Call,
    /// `retry = { … }`
    Retry,
    /// `retry.on_oom = { … }`
    OnOom,
    /// `retry.on_timeout = { … }`
    OnTimeout,
    /// `retry.cap = { … }`
    Cap,
    /// `slurm.pack = { … }`.
    Pack,
    /// `[test.NAME]`
    Test,
    /// `expect` of a test.
    Expect,
    /// `{ text = … }` of a test.
    Content,
    /// The top of `flowrun.toml`.
    Settings,
    /// `[profile.NAME]` of `flowrun.toml`.
    Profile,
    /// `[caps]` of the machine's settings.
    Caps,
}

impl Table {
    /// Every table, in the order of the reference page.
    pub const ALL: [Table; 28] = [
        Table::File,
        Table::Pipeline,
        Table::Param,
        Table::Resources,
        Table::Task,
        Table::Input,
        Table::Container,
        Table::Secret,
        Table::Output,
        Table::Ensure,
        Table::Map,
        Table::Source,
        Table::Branch,
        Table::Case,
        Table::Loop,
        Table::Carry,
        Table::Call,
        Table::Retry,
        Table::OnOom,
        Table::OnTimeout,
        Table::Cap,
        Table::Pack,
        Table::Test,
        Table::Expect,
        Table::Content,
        Table::Settings,
        Table::Profile,
        Table::Caps,
    ];
    /// Whether it stands in `flowrun.toml`, not in a pipeline file.
    pub fn of_settings(self) -> bool {
        matches!(self, Table::Settings | Table::Profile | Table::Caps)
    }
    /// Its keys, planned ones too.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        all().filter(move |key| key.table == self)
    }
    /// One of its keys.
    pub fn key(self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
    /// What a sentence calls it: "a task".
    pub fn noun(self) -> &'static str {
        match self {
            Table::File => "the pipeline file",
            Table::Pipeline => "`[pipeline]`",
            Table::Param => "a param",
            Table::Resources => "`resources`",
            Table::Task => "a task",
            Table::Input => "an input",
            Table::Container => "`container`",
            Table::Secret => "a secret",
            Table::Output => "an output of a task",
            Table::Ensure => "`ensure`",
            Table::Map => "a map",
            Table::Source => "a source of `over`",
            Table::Branch => "a branch",
            Table::Case => "a case of a branch",
            Table::Loop => "a loop",
            Table::Carry => "what a loop carries",
            Table::Call => "a call",
            Table::Retry => "`retry`",
            Table::OnOom => "`on_oom`",
            Table::OnTimeout => "`on_timeout`",
            Table::Cap => "`cap`",
            Table::Pack => "`pack`",
            Table::Test => "a test",
            Table::Expect => "`expect` of a test",
            Table::Content => "a content",
            Table::Settings => "`flowrun.toml`",
            Table::Profile => "a profile of `flowrun.toml`",
            Table::Caps => "`[caps]`",
        }
    }
    /// How it is written.
    pub fn heading(self) -> &'static str {
        match self {
            Table::File => "The file",
            Table::Pipeline => "`[pipeline]`",
            Table::Param => "`[params.NAME]`",
            Table::Resources => "`[resources]`",
            Table::Task => "`[task.NAME]`",
            Table::Input => "`inputs.NAME = { … }`",
            Table::Container => "`container = { … }`",
            Table::Secret => "`secrets.NAME = { … }`",
            Table::Output => "`outputs.NAME = { … }`",
            Table::Ensure => "`ensure = { … }`",
            Table::Map => "`[map.NAME]`",
            Table::Source => "`over = { … }`",
            Table::Branch => "`[branch.NAME]`",
            Table::Case => "`[branch.NAME.case.CASE]`",
            Table::Loop => "`[loop.NAME]`",
            Table::Carry => "`carry.NAME = { … }`",
            Table::Call => "`[call.NAME]`",
            Table::Retry => "`retry = { … }`",
            Table::OnOom => "`retry.on_oom = { … }`",
            Table::OnTimeout => "`retry.on_timeout = { … }`",
            Table::Cap => "`retry.cap = { … }`",
            Table::Pack => "`slurm.pack = { … }`",
            Table::Test => "`[test.NAME]`",
            Table::Expect => "`[test.NAME.expect]`",
            Table::Content => "`{ text = … }`",
            Table::Settings => "The file `flowrun.toml`",
            Table::Profile => "`[profile.NAME]`",
            Table::Caps => "`[caps]`",
        }
    }
    /// What it is for, in Markdown.
    pub fn doc(self) -> &'static str {
        match self {
            Table::File => "The tables that may stand at the top of a pipeline file.",
            Table::Pipeline => "The pipeline as a whole.",
            Table::Param => "A parameter. A run sets it by `-p NAME=VALUE`, by `-- --NAME VALUE`, or from a file.",
            Table::Resources => {
                "What a task asks of the machine. Beside these keys it may name anything under `[limits]`, with a whole \
                 number. In a task or map it is a table of its own: `resources.cpus = 4`."
            }
            Table::Task => "A task has exactly one of `command`, `argv` and `script`.",
            Table::Input => "The table form of an input: a file that is fetched. Both keys must be given.",
            Table::Container => "The table form of `container`, for what the name of an image does not say.",
            Table::Secret => {
                "Where a secret comes from: exactly one of `env` and `file`. It is looked for before anything runs."
            }
            Table::Output => {
                "The table form of an output: exactly one of `type`, `file`, `files` and `dir`. A value can be written \
                 shorter: `outputs.count = \"int\"`."
            }
            Table::Ensure => "What must be true of a file that the command made.",
            Table::Map => "A map has a body of at least one node: `[map.NAME.task.NAME]`, `[map.NAME.map.NAME]`.",
            Table::Source => "The table form of `over`: exactly one of these keys.",
            Table::Branch => {
                "One of several bodies is executed: that of the case whose name is the value of `on`. From outside \
                 `NAME.node.output` is that of the case taken, and null if that case has no such node. Cases may \
                 share names of nodes and output paths."
            }
            Table::Case => {
                "The body of one case, also of `[branch.NAME.default]`: `[branch.route.case.image.task.segment]`. One \
                 without a node does nothing."
            }
            Table::Loop => {
                "The body is executed until a condition holds: `[loop.NAME.task.NAME]`. In it `carry.NAME` is what the \
                 iteration before has left and `index` counts from 0. From outside `NAME.node.output` is the last \
                 iteration's, `NAME.iterations` their number, and a carried name (`train.model`) the last `next`."
            }
            Table::Carry => "What a loop hands from one iteration to the next: a value or a file.",
            Table::Call => {
                "Another pipeline file as a node; its `[outputs]` are the node's. In it relative paths mean the folder \
                 of the pipeline that is run, and `project` the folder of the called file; its own `[resources]` win \
                 over the caller's."
            }
            Table::Retry => {
                "When a failed attempt is followed by another one: `retry = { attempts = 3, backoff = \"10s\" }`."
            }
            Table::OnOom => "`retry.on_oom = { memory = \"x2\" }`; the task must say its `resources.memory`.",
            Table::OnTimeout => "`retry.on_timeout = { time = \"x2\" }`; the task must say its `resources.time`.",
            Table::Cap => "`retry.cap = { memory = \"64GiB\", time = \"2d\" }`.",
            Table::Pack => {
                "How many instances one job of Slurm runs: `slurm.pack = { tasks = 100, time = \"10m\", width = 4 }`, \
                 wherever `slurm` may stand; each key by itself is laid over what is said farther from the task. Each \
                 instance keeps its own state, log, time limit and retry. Without it flowrun decides by how long they \
                 take: what is short is packed, and what follows on something runs in the same job if it asks for the \
                 same resources."
            }
            Table::Test => trial::TEST,
            Table::Expect => trial::EXPECT,
            Table::Content => "A text in place of a file.",
            Table::Settings => settings::FILES,
            Table::Profile => settings::PROFILE,
            Table::Caps => settings::CAPS,
        }
    }
}
