//! The one table of all keys of the pipeline file. The reader, the "did you mean", the JSON Schema and the reference
//! page come from it; nothing else may know a key that does not stand here.

mod kind;
mod table;

pub use kind::Kind;
pub use table::Table;

use crate::lang::expr::RESERVED_FUNCTIONS;
use crate::lang::policy::OnError;

/// One key of one table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table that it stands in.
    pub table: Table,
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// What holds when it is left out, in words or as written; empty when nothing does.
    pub default: &'static str,
    /// What it means: one or two sentences of Markdown.
    pub doc: &'static str,
    /// Whether this version has it.
    pub status: Status,
}

/// Whether this version has a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// May be left out.
    Optional,
    /// Must be given.
    Required,
    /// Part of the language, not of this version.
    Planned,
}

use Kind::*;
use Status::{Optional, Planned, Required};

const fn key(table: Table, name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { table, name, kind, default, doc, status: Optional }
}

const fn required(table: Table, name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { table, name, kind, default: "", doc, status: Required }
}

const fn planned(table: Table, name: &'static str, doc: &'static str) -> Key {
    Key { table, name, kind: Value, default: "", doc, status: Planned }
}

const U32: i64 = u32::MAX as i64;

/// Every key, table by table, in the order of the reference page.
pub const KEYS: &[Key] = &[
    key(Table::File, "pipeline", Table(Table::Pipeline), "", "What the pipeline is called."),
    key(
        Table::File,
        "params",
        Named(&Table(Table::Param)),
        "",
        "The parameters that a run may set; `params.NAME` in expressions.",
    ),
    key(Table::File, "resources", Table(Table::Resources), "", "Defaults for every task."),
    key(
        Table::File,
        "limits",
        Named(&Int(1, U32)),
        "",
        "Names of what there is only so much of, and how much: `licences = 4`. Tasks ask for it under `resources`.",
    ),
    key(Table::File, "task", Named(&Table(Table::Task)), "", "A task: something that is executed."),
    key(Table::File, "map", Named(&Table(Table::Map)), "", "A map: its body is executed once for each item of a list."),
    key(Table::File, "branch", Named(&Table(Table::Branch)), "", "One of several bodies, chosen by a value."),
    key(Table::File, "loop", Named(&Table(Table::Loop)), "", "A body that is executed until a condition holds."),
    key(Table::File, "call", Named(&Table(Table::Call)), "", "Another pipeline file as a node."),
    key(Table::File, "outputs", Named(&Value), "", "What the pipeline itself returns."),
    planned(Table::File, "test", "A test of one node: inputs given, outputs expected."),
    //
    key(
        Table::Pipeline,
        "name",
        Plain,
        "the file's name without its ending",
        "The pipeline's name; the cache and the index of runs know it by this.",
    ),
    key(Table::Pipeline, "description", Plain, "", "One sentence for people."),
    //
    key(
        Table::Param,
        "type",
        Type,
        "the default's, else `string`",
        "`bool`, `int`, `float`, `string`, `path`, `list<…>`, `map<…>` or `json`. The content of the file that a `path` names counts in the cache's key.",
    ),
    key(Table::Param, "default", Literal, "none: every run must give the value", "The value of a run that gives none."),
    key(Table::Param, "min", Number, "", "The least value of an `int` or `float`."),
    key(Table::Param, "max", Number, "", "The greatest value of an `int` or `float`."),
    key(Table::Param, "choices", Literals, "", "The only values allowed."),
    key(Table::Param, "help", Plain, "", "One sentence for `--help`."),
    //
    key(
        Table::Resources,
        "cpus",
        Count(1),
        "1",
        "Cores. A backend with fewer grants what it has, and `{{ resources.cpus }}` says how many.",
    ),
    key(Table::Resources, "memory", Memory, "not counted", "Memory: `512MiB`, `4GB`, or a number of bytes."),
    key(
        Table::Resources,
        "time",
        Duration,
        "no limit",
        "How long an attempt may run: `90s`, `1h30m`, or a number of seconds.",
    ),
    key(Table::Resources, "gpus", Count(0), "0", "Whole GPUs; their ids are in `CUDA_VISIBLE_DEVICES`."),
    key(Table::Resources, "disk", Memory, "not counted", "Temporary disk space."),
    planned(Table::Resources, "nodes", "Machines of an MPI job."),
    planned(Table::Resources, "tasks", "Processes of an MPI job."),
    //
    key(Table::Task, "description", Plain, "", "One sentence for people, shown by `graph` and `plan`."),
    key(
        Table::Task,
        "command",
        Template,
        "",
        "What the shell runs. Every value in it is quoted for the place where it stands.",
    ),
    key(
        Table::Task,
        "argv",
        Program,
        "",
        "A program and its arguments, without a shell. An element that is one single `{{ … }}` with a list becomes one argument for each of the list's elements.",
    ),
    key(
        Table::Task,
        "script",
        Plain,
        "",
        "A text for `interpreter`, without interpolation: it reads its values from the JSON file that `$FLOWRUN_VARS` names.",
    ),
    key(
        Table::Task,
        "shell",
        Words,
        "`[\"bash\", \"-euo\", \"pipefail\", \"-c\"]`",
        "The program that runs `command` and `setup`, which come as its last argument.",
    ),
    key(
        Table::Task,
        "interpreter",
        Words,
        "",
        "The program that runs `script`, whose file comes as its last argument. A script must have it.",
    ),
    key(
        Table::Task,
        "inputs",
        Named(&InputValue),
        "",
        "Files that the task reads: a path, a glob, or a list of them. Their content counts in the cache's key.",
    ),
    key(
        Table::Task,
        "outputs",
        Named(&OutputValue),
        "",
        "What the task gives: the type of a value that it writes to `$FLOWRUN_OUTPUT`, or a table.",
    ),
    key(Table::Task, "vars", Named(&Value), "", "Named values for templates (`vars.NAME`) and for `$FLOWRUN_VARS`."),
    key(
        Table::Task,
        "env",
        Named(&Scalar),
        "",
        "Variables of the process's environment; they count in the cache's key.",
    ),
    key(
        Table::Task,
        "pass_env",
        Words,
        "",
        "Names of variables that are handed on as they are and do not count in the cache's key.",
    ),
    key(
        Table::Task,
        "resources",
        Table(Table::Resources),
        "",
        "What one attempt needs. Each one that is left out is that of the map around the task, else the file's.",
    ),
    key(
        Table::Task,
        "when",
        Condition,
        "`true`",
        "Whether the task runs. `false` skips it and what names it directly.",
    ),
    key(Table::Task, "after", Names, "", "Nodes that must have ended first, for order alone."),
    key(Table::Task, "cache", Bool, "`true` where outputs are declared", "Whether its result is kept and reused."),
    key(
        Table::Task,
        "workdir",
        Template,
        "the pipeline file's folder",
        "Where the process starts: a path, or `\"scratch\"` for a fresh folder that goes afterwards.",
    ),
    key(
        Table::Task,
        "priority",
        Int(i64::MIN, i64::MAX),
        "0",
        "Of two tasks that could start, the one with the greater priority does.",
    ),
    key(
        Table::Task,
        "over",
        SourceValue,
        "",
        "Makes the task a map of one task: executed once for each item of this list.",
    ),
    key(Table::Task, "as", Name, "`item`", "The item's name. Needs `over`."),
    key(
        Table::Task,
        "key",
        Expression,
        "the item's index",
        "The item's name in logs and selections, `align[NA12878]`. Needs `over`.",
    ),
    key(Table::Task, "where", Expression, "", "Drops the items for which it is false. Needs `over`."),
    key(
        Table::Task,
        "group_by",
        Expression,
        "",
        "Makes one item, `{ key, members }`, of all that give one value. Needs `over`.",
    ),
    key(Table::Task, "chunk", Int(1, U32), "", "Hands over so many items at a time, as a list. Needs `over`."),
    key(Table::Task, "max_parallel", Int(1, U32), "no limit", "How many items may be at work at once. Needs `over`."),
    key(Table::Task, "max_failures", Allowance, "none", MAX_FAILURES),
    key(
        Table::Task,
        "secrets",
        Named(&Table(Table::Secret)),
        "",
        "Variables of the process's environment whose values are kept nowhere: in no log, no event, no cache and no key. \
         A value of `$FLOWRUN_OUTPUT` that holds one fails the task.",
    ),
    planned(Table::Task, "backend", "Runs this task elsewhere than the rest."),
    key(
        Table::Task,
        "retry",
        Table(Table::Retry),
        "that of the map around it, else one attempt",
        "Runs a failed attempt again. One that was lost with its machine is run again in any case and counts as none; \
         after five losses the task fails.",
    ),
    planned(Table::Task, "keep", "How long file outputs are kept."),
    planned(Table::Task, "container", "The image that the task runs in."),
    key(
        Table::Task,
        "setup",
        Lines,
        "",
        "Lines that `shell` runs before the command, `argv` or `script`, in the same process: `module load samtools`. \
         They count in the cache's key.",
    ),
    key(Table::Task, "on_error", Choice(&OnError::WORDS), "that of the map around it, else `fail`", ON_ERROR),
    key(Table::Task, "require", Requirement, "the map must not have failed", REQUIRE),
    planned(Table::Task, "slurm", "Options for Slurm."),
    planned(Table::Task, "local", "Options for this machine."),
    //
    planned(Table::Input, "url", "Where the file is fetched from."),
    planned(Table::Input, "sha256", "The digest that the fetched file must have."),
    //
    key(Table::Secret, "env", Plain, "", "The variable of flowrun's own environment that holds the value."),
    key(
        Table::Secret,
        "file",
        Plain,
        "",
        "The file that holds the value, less its final newline. It is read when the task starts, on the machine where it \
         runs.",
    ),
    //
    key(Table::Output, "type", Type, "", "The type of a value."),
    key(
        Table::Output,
        "from",
        Plain,
        "`$FLOWRUN_OUTPUT`",
        "`\"stdout\"`: the value is all of standard output less final newlines. Needs `type`.",
    ),
    key(
        Table::Output,
        "file",
        Template,
        "",
        "The path of a file. The command writes to `{{ outputs.NAME }}`, which is renamed to this path when it has succeeded.",
    ),
    key(
        Table::Output,
        "dir",
        Template,
        "",
        "The path of a directory, which is there and empty when the command starts.",
    ),
    planned(Table::Output, "keep", "How long the file is kept."),
    planned(Table::Output, "ensure", "What must be true of the file."),
    //
    key(Table::Map, "description", Plain, "", "One sentence for people, shown by `graph` and `plan`."),
    required(Table::Map, "over", SourceValue, "The list: an expression, an array, or a table that names a source."),
    key(Table::Map, "as", Name, "`item`", "The item's name in the body; `index` is always there."),
    key(Table::Map, "key", Expression, "the item's index", "The item's name in logs and selections, `align[NA12878]`."),
    key(Table::Map, "where", Expression, "", "Drops the items for which it is false."),
    key(
        Table::Map,
        "group_by",
        Expression,
        "",
        "Makes one item, `{ key, members }`, of all that give one value, in the order of first appearance.",
    ),
    key(Table::Map, "chunk", Int(1, U32), "", "Hands the body so many items at a time, as a list."),
    key(Table::Map, "max_parallel", Int(1, U32), "no limit", "How many items may be at work at once."),
    key(Table::Map, "when", Condition, "`true`", "Whether the map runs. `false` skips it and what names it directly."),
    key(Table::Map, "after", Names, "", "Nodes that must have ended first, for order alone."),
    key(Table::Map, "resources", Table(Table::Resources), "", "Defaults for every task of the body."),
    key(
        Table::Map,
        "outputs",
        Named(&Value),
        "",
        "What an item gives. With it the map's own name is the list of these records.",
    ),
    key(Table::Map, "max_failures", Allowance, "none", MAX_FAILURES),
    key(
        Table::Map,
        "retry",
        Table(Table::Retry),
        "one attempt",
        "The `retry` of every task of the body that has none.",
    ),
    key(
        Table::Map,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the map around it, else `fail`",
        "What a failure of the map means, and of every node of the body that has no `on_error`. With `max_failures` it \
         speaks of the map alone, when more have failed than may.",
    ),
    key(Table::Map, "require", Requirement, "the map must not have failed", REQUIRE),
    key(Table::Map, "task", Named(&Table(Table::Task)), "", "A task of the body."),
    key(Table::Map, "map", Named(&Table(Table::Map)), "", "A map inside the body."),
    key(Table::Map, "branch", Named(&Table(Table::Branch)), "", "One of several bodies, chosen by a value."),
    key(Table::Map, "loop", Named(&Table(Table::Loop)), "", "A body that is executed until a condition holds."),
    key(Table::Map, "call", Named(&Table(Table::Call)), "", "Another pipeline file as a node."),
    planned(Table::Map, "backend", "Runs this map elsewhere than the rest."),
    planned(Table::Map, "slurm", "Options for Slurm."),
    planned(Table::Map, "local", "Options for this machine."),
    //
    key(Table::Source, "range", RangeValue, "", "`[from, to]` or `[from, to, step]`: whole numbers without `to`."),
    key(Table::Source, "glob", Template, "", "The paths that match, sorted bytewise."),
    key(Table::Source, "lines", Template, "", "The lines of a file."),
    key(Table::Source, "csv", Template, "", "The records of a CSV file with a header; every cell is a string."),
    key(
        Table::Source,
        "tsv",
        Template,
        "",
        "The records of a file with a header and tabs between cells; every cell is a string.",
    ),
    key(Table::Source, "jsonl", Template, "", "One JSON value for each line of a file."),
    key(
        Table::Source,
        "product",
        Axes,
        "",
        "Every combination of several lists as a record; the last list runs fastest.",
    ),
    key(Table::Source, "zip", Axes, "", "Several lists of one length side by side, as records."),
    //
    key(Table::Branch, "description", Plain, "", "One sentence for people, shown by `graph` and `plan`."),
    required(
        Table::Branch,
        "on",
        Expression,
        "The value that chooses, compared as text with the names of the cases. It is evaluated once.",
    ),
    required(
        Table::Branch,
        "case",
        Cases,
        "The bodies by the value they are for: `case.CASE`. A name that is more than letters, digits, `_` and `-` stands \
         in quotes.",
    ),
    key(
        Table::Branch,
        "default",
        Table(Table::Case),
        "a value without a case fails the branch",
        "The body for every other value.",
    ),
    key(
        Table::Branch,
        "outputs",
        Named(&Value),
        "",
        "What the branch gives, `NAME.output` from outside. Here the nodes of all cases are seen; those of a case not \
         taken are null.",
    ),
    key(
        Table::Branch,
        "when",
        Condition,
        "`true`",
        "Whether the branch runs. `false` skips it and what names it directly.",
    ),
    key(Table::Branch, "after", Names, "", "Nodes that must have ended first, for order alone."),
    key(Table::Branch, "resources", Table(Table::Resources), "", "Defaults for every task of the cases."),
    key(
        Table::Branch,
        "retry",
        Table(Table::Retry),
        "that of the node around it, else one attempt",
        "The `retry` of every task of the cases that has none.",
    ),
    key(
        Table::Branch,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the node around it, else `fail`",
        "What a failure of the branch means, and of every node of the cases that has no `on_error`.",
    ),
    key(Table::Branch, "require", Requirement, "the map must not have failed", REQUIRE),
    //
    key(Table::Case, "task", Named(&Table(Table::Task)), "", "A task of the case."),
    key(Table::Case, "map", Named(&Table(Table::Map)), "", "A map inside the case."),
    key(Table::Case, "branch", Named(&Table(Table::Branch)), "", "One of several bodies, chosen by a value."),
    key(Table::Case, "loop", Named(&Table(Table::Loop)), "", "A body that is executed until a condition holds."),
    key(Table::Case, "call", Named(&Table(Table::Call)), "", "Another pipeline file as a node."),
    //
    key(Table::Loop, "description", Plain, "", "One sentence for people, shown by `graph` and `plan`."),
    required(Table::Loop, "max", Int(1, U32), "The most iterations."),
    key(
        Table::Loop,
        "carry",
        Named(&Table(Table::Carry)),
        "",
        "What an iteration hands to the next one, `carry.NAME` in the body.",
    ),
    key(
        Table::Loop,
        "until",
        Expression,
        "there are `max` iterations",
        "Ends the loop when it is true after an iteration. It sees the nodes of the body and this iteration's `carry`.",
    ),
    key(
        Table::Loop,
        "on_max",
        Choice(&ON_MAX),
        "`fail`",
        "What it means that `until` was not true after `max` iterations: `fail`, or `accept` what the last one gave.",
    ),
    key(
        Table::Loop,
        "outputs",
        Named(&Value),
        "",
        "What the loop gives after its last iteration, `NAME.output` from outside.",
    ),
    key(
        Table::Loop,
        "when",
        Condition,
        "`true`",
        "Whether the loop runs. `false` skips it and what names it directly.",
    ),
    key(Table::Loop, "after", Names, "", "Nodes that must have ended first, for order alone."),
    key(Table::Loop, "resources", Table(Table::Resources), "", "Defaults for every task of the body."),
    key(
        Table::Loop,
        "retry",
        Table(Table::Retry),
        "that of the node around it, else one attempt",
        "The `retry` of every task of the body that has none.",
    ),
    key(
        Table::Loop,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the node around it, else `fail`",
        "What a failure of the loop means, and of every node of the body that has no `on_error`.",
    ),
    key(Table::Loop, "require", Requirement, "the map must not have failed", REQUIRE),
    key(Table::Loop, "task", Named(&Table(Table::Task)), "", "A task of the body."),
    key(Table::Loop, "map", Named(&Table(Table::Map)), "", "A map inside the body."),
    key(Table::Loop, "branch", Named(&Table(Table::Branch)), "", "One of several bodies, chosen by a value."),
    key(Table::Loop, "loop", Named(&Table(Table::Loop)), "", "A body that is executed until a condition holds."),
    key(Table::Loop, "call", Named(&Table(Table::Call)), "", "Another pipeline file as a node."),
    //
    required(Table::Carry, "init", Value, "The value in the first iteration."),
    required(
        Table::Carry,
        "next",
        Value,
        "The value in the next iteration. It sees the nodes of the body and this iteration's `carry`.",
    ),
    //
    key(Table::Call, "description", Plain, "", "One sentence for people, shown by `graph` and `plan`."),
    required(Table::Call, "pipeline", Plain, "The pipeline file, relative to the file in which the call stands."),
    key(Table::Call, "params", Named(&Value), "the params' own defaults", "The params of the called file."),
    key(
        Table::Call,
        "over",
        SourceValue,
        "",
        "Makes the call a map of one call: executed once for each item of this list.",
    ),
    key(Table::Call, "as", Name, "`item`", "The item's name. Needs `over`."),
    key(
        Table::Call,
        "key",
        Expression,
        "the item's index",
        "The item's name in logs and selections, `qc[NA12878]`. Needs `over`.",
    ),
    key(Table::Call, "where", Expression, "", "Drops the items for which it is false. Needs `over`."),
    key(
        Table::Call,
        "group_by",
        Expression,
        "",
        "Makes one item, `{ key, members }`, of all that give one value. Needs `over`.",
    ),
    key(Table::Call, "chunk", Int(1, U32), "", "Hands over so many items at a time, as a list. Needs `over`."),
    key(Table::Call, "max_parallel", Int(1, U32), "no limit", "How many items may be at work at once. Needs `over`."),
    key(Table::Call, "max_failures", Allowance, "none", MAX_FAILURES),
    key(
        Table::Call,
        "when",
        Condition,
        "`true`",
        "Whether the call runs. `false` skips it and what names it directly.",
    ),
    key(Table::Call, "after", Names, "", "Nodes that must have ended first, for order alone."),
    key(Table::Call, "resources", Table(Table::Resources), "", "Defaults for every task of the called file."),
    key(
        Table::Call,
        "retry",
        Table(Table::Retry),
        "that of the node around it, else one attempt",
        "The `retry` of every task of the called file that has none.",
    ),
    key(
        Table::Call,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the node around it, else `fail`",
        "What a failure of the call means, and of every node of the called file that has no `on_error`.",
    ),
    key(Table::Call, "require", Requirement, "the map must not have failed", REQUIRE),
    //
    required(
        Table::Retry,
        "attempts",
        Int(1, U32),
        "How many attempts there are in all. Interruptions and losses do not count; failures before a resume do.",
    ),
    key(
        Table::Retry,
        "backoff",
        PlainDuration,
        "no pause",
        "The pause before the second attempt. Each later one is twice as long, up to an hour; up to a quarter of a \
         pause is left out, differently for each instance, so that they do not come back all at once.",
    ),
    key(
        Table::Retry,
        "on",
        Causes,
        "every cause but `output invalid`",
        "After which causes there is another attempt: `exit`, `exit:75`, `signal`, `signal:9`, `timeout`, `oom`, \
         `output missing`, `output invalid`, `not started`, `lost`.",
    ),
    key(Table::Retry, "on_oom", Table(Table::OnOom), "", "What grows when memory was too little."),
    key(Table::Retry, "on_timeout", Table(Table::OnTimeout), "", "What grows when time was too little."),
    key(Table::Retry, "cap", Table(Table::Cap), "", "How far that may grow."),
    //
    required(Table::OnOom, "memory", Factor, "How many times as much memory the next attempt gets: `\"x2\"`."),
    required(Table::OnTimeout, "time", Factor, "How many times as long the next attempt may take: `\"x2\"`."),
    //
    key(Table::Cap, "memory", PlainMemory, "what the backend has", "The most memory: `64GiB`."),
    key(Table::Cap, "time", PlainDuration, "no limit", "The most time: `2d`."),
];

/// The words of `on_max`.
pub const ON_MAX: [&str; 2] = ["fail", "accept"];

const MAX_FAILURES: &str = "How many items may fail: a number, or a share of the whole list (`\"5%\"`). Up to there a \
    failure in the body counts for its item alone, whose results are null; beyond it the map fails.";
const ON_ERROR: &str = "What a failure means: `fail` starts nothing new, `continue` goes on with what does not need it, \
    `ignore` lets it be: the outputs are null, and the run ends with exit code 4.";
const REQUIRE: &str = "How many items of each map that it reads must have ended well: `all`, `any`, or a share \
    (`\"80%\"`). It then runs also after a map that failed; what failed is null.";

/// Names that every expression may use; nothing else may be called so.
pub const SCOPE_NAMES: &[&str] =
    &["params", "inputs", "outputs", "vars", "resources", "item", "index", "attempt", "run", "project", "env", "carry"];

/// Words that the grammar of expressions keeps for itself.
pub const GRAMMAR_WORDS: &[&str] =
    &["and", "else", "false", "False", "if", "in", "is", "loop", "none", "None", "not", "or", "self", "true", "True"];

/// What is reserved about a name; `None` when it is free.
pub fn reserved(name: &str) -> Option<&'static str> {
    if SCOPE_NAMES.contains(&name) {
        Some("has a meaning of its own in expressions")
    } else if RESERVED_FUNCTIONS.contains(&name) {
        Some("is a function of the expression language")
    } else if GRAMMAR_WORDS.contains(&name) {
        Some("is a word of the expression language")
    } else {
        None
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once() {
        for (i, key) in KEYS.iter().enumerate() {
            let same = |other: &&Key| other.table == key.table && other.name == key.name;
            assert!(!KEYS[..i].iter().any(|other| same(&other)), "{:?}.{}", key.table, key.name);
            assert!(key.doc.ends_with(['.', '`']), "{:?}.{} has no sentence", key.table, key.name);
        }
    }

    #[test]
    fn a_shorthand_takes_what_its_map_takes() {
        for name in ["over", "as", "key", "where", "group_by", "chunk", "max_parallel", "max_failures"] {
            let kind = |table: Table| table.key(name).map(|key| key.kind);
            assert_eq!(kind(Table::Task), kind(Table::Map), "{name}");
        }
    }

    #[test]
    fn names_are_letters_digits_and_underscores() {
        assert!(["a", "_", "A1_b"].into_iter().all(is_name));
        assert!(!["", "1a", "a-b", "é", "a.b", "a b"].into_iter().any(is_name));
        assert_eq!(reserved("params"), Some("has a meaning of its own in expressions"));
        assert_eq!(reserved("first"), Some("is a function of the expression language"));
        assert_eq!(reserved("in"), Some("is a word of the expression language"));
        assert_eq!(reserved("align"), None);
    }
}
