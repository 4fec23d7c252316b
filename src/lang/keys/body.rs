//! What has a body of its own, and where items come from: maps, branches, loops and calls.

use super::Kind::*;
use super::{Key, MAX_FAILURES, ON_MAX, REQUIRE, Table, U32, key, planned, required};
use crate::lang::policy::OnError;

pub(super) const KEYS: &[Key] = &[
    key(
        Table::Map,
        "description",
        Plain,
        "",
        "One sentence for people, shown by `graph` and `plan`.",
        r#"description = "One sample at a time""#,
    ),
    required(
        Table::Map,
        "over",
        SourceValue,
        "The list: an expression, an array, or a table that names a source.",
        r#"over = { csv = "samples.csv" }"#,
    ),
    key(Table::Map, "as", Name, "`item`", "The item's name in the body; `index` is always there.", r#"as = "sample""#),
    key(
        Table::Map,
        "key",
        Expression,
        "the item's index",
        "The item's name in logs and selections, `align[NA12878]`.",
        r#"key = "{{ item }}""#,
    ),
    key(
        Table::Map,
        "where",
        Expression,
        "",
        "Drops the items for which it is false.",
        r#"where = "{{ item != 'b' }}""#,
    ),
    key(
        Table::Map,
        "group_by",
        Expression,
        "",
        "Makes one item, `{ key, members }`, of all that give one value, in the order of first appearance.",
        r#"over = { csv = "units.csv" }
group_by = "{{ item.sample }}""#,
    ),
    key(Table::Map, "chunk", Int(1, U32), "", "Hands the body so many items at a time, as a list.", "chunk = 100"),
    key(
        Table::Map,
        "max_parallel",
        Int(1, U32),
        "no limit",
        "How many items may be at work at once.",
        "max_parallel = 50",
    ),
    key(
        Table::Map,
        "when",
        Condition,
        "`true`",
        "Whether the map runs. `false` skips it and what names it directly.",
        r#"when = "{{ prepare.count > 0 }}""#,
    ),
    key(Table::Map, "after", Names, "", "Nodes that must have ended first, for order alone.", r#"after = ["prepare"]"#),
    key(
        Table::Map,
        "resources",
        Table(Table::Resources),
        "",
        "Defaults for every task of the body.",
        "resources.cpus = 4",
    ),
    key(
        Table::Map,
        "outputs",
        Named(&Value),
        "",
        "What an item gives. With it the map's own name is the list of these records.",
        r#"outputs.size = "{{ measure.size }}""#,
    ),
    key(Table::Map, "max_failures", Allowance, "none", MAX_FAILURES, "max_failures = 3"),
    key(
        Table::Map,
        "retry",
        Table(Table::Retry),
        "one attempt",
        "The `retry` of every task of the body that has none.",
        "retry.attempts = 2",
    ),
    key(
        Table::Map,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the map around it, else `fail`",
        "What a failure of the map means, and of every node of the body that has no `on_error`. With `max_failures` it \
         speaks of the map alone, when more have failed than may.",
        r#"on_error = "continue""#,
    ),
    key(
        Table::Map,
        "require",
        Requirement,
        "the map must not have failed",
        REQUIRE,
        r#"require = "any"
over = "{{ each.out }}""#,
    ),
    key(
        Table::Map,
        "task",
        Named(&Table(Table::Task)),
        "",
        "A task of the body.",
        r#"[map.samples.task.align]
command = "align {{ item }}""#,
    ),
    key(
        Table::Map,
        "map",
        Named(&Table(Table::Map)),
        "",
        "A map inside the body.",
        r#"[map.samples.map.lanes]
over = [1, 2]
[map.samples.map.lanes.task.trim]
command = "trim {{ item }}""#,
    ),
    key(
        Table::Map,
        "branch",
        Named(&Table(Table::Branch)),
        "",
        "One of several bodies, chosen by a value.",
        r#"[map.samples.branch.route]
on = "{{ item }}"
[map.samples.branch.route.case.a.task.begin]
command = "true""#,
    ),
    key(
        Table::Map,
        "loop",
        Named(&Table(Table::Loop)),
        "",
        "A body that is executed until a condition holds.",
        r#"[map.samples.loop.train]
max = 3
[map.samples.loop.train.task.fit]
command = "fit {{ item }}""#,
    ),
    key(
        Table::Map,
        "call",
        Named(&Table(Table::Call)),
        "",
        "Another pipeline file as a node.",
        r#"[map.samples.call.qc]
pipeline = "qc.toml"
params.sample = "{{ item }}""#,
    ),
    key(
        Table::Map,
        "backend",
        Plain,
        "that of the node around it, else the run's",
        "What executes every task of it that names no backend itself.",
        r#"backend = "local""#,
    ),
    key(
        Table::Map,
        "slurm",
        SlurmOptions,
        "",
        "Options of `sbatch` by their long names, for every task of it on a cluster: texts, numbers, `true`. What is said nearer to a task wins.",
        r#"slurm = { partition = "short", account = "p042" }"#,
    ),
    planned(Table::Map, "local", "Options for this machine."),
    //
    key(
        Table::Source,
        "range",
        RangeValue,
        "",
        "`[from, to]` or `[from, to, step]`: whole numbers without `to`.",
        "range = [0, 1000000]",
    ),
    key(Table::Source, "glob", Template, "", "The paths that match, sorted bytewise.", r#"glob = "data/*.fq""#),
    key(Table::Source, "lines", Template, "", "The lines of a file.", r#"lines = "samples.txt""#),
    key(
        Table::Source,
        "csv",
        Template,
        "",
        "The records of a CSV file with a header; every cell is a string.",
        r#"csv = "samples.csv""#,
    ),
    key(
        Table::Source,
        "tsv",
        Template,
        "",
        "The records of a file with a header and tabs between cells; every cell is a string.",
        r#"tsv = "units.tsv""#,
    ),
    key(Table::Source, "jsonl", Template, "", "One JSON value for each line of a file.", r#"jsonl = "records.jsonl""#),
    key(
        Table::Source,
        "product",
        Axes,
        "",
        "Every combination of several lists as a record; the last list runs fastest.",
        "product = { lr = [0.1, 0.01], depth = { range = [2, 6] } }",
    ),
    key(
        Table::Source,
        "zip",
        Axes,
        "",
        "Several lists of one length side by side, as records.",
        r#"zip = { name = ["a", "b"], size = [1, 2] }"#,
    ),
    //
    key(
        Table::Branch,
        "description",
        Plain,
        "",
        "One sentence for people, shown by `graph` and `plan`.",
        r#"description = "By kind of data""#,
    ),
    required(
        Table::Branch,
        "on",
        Expression,
        "The value that chooses, compared as text with the names of the cases. It is evaluated once.",
        r#"on = "{{ prepare.kind }}""#,
    ),
    required(
        Table::Branch,
        "case",
        Cases,
        "The bodies by the value they are for: `case.CASE`. A name that is more than letters, digits, `_` and `-` stands \
         in quotes.",
        r#"[branch.route.case.image.task.segment]
command = "segment""#,
    ),
    key(
        Table::Branch,
        "default",
        Table(Table::Case),
        "a value without a case fails the branch",
        "The body for every other value.",
        r#"[branch.route.default.task.reject]
command = "exit 1""#,
    ),
    key(
        Table::Branch,
        "outputs",
        Named(&Value),
        "",
        "What the branch gives, `NAME.output` from outside. Here the nodes of all cases are seen; those of a case not \
         taken are null.",
        r#"outputs.size = "{{ first(measure.size, guess.size) }}""#,
    ),
    key(
        Table::Branch,
        "when",
        Condition,
        "`true`",
        "Whether the branch runs. `false` skips it and what names it directly.",
        r#"when = "{{ prepare.count > 0 }}""#,
    ),
    key(
        Table::Branch,
        "after",
        Names,
        "",
        "Nodes that must have ended first, for order alone.",
        r#"after = ["prepare"]"#,
    ),
    key(
        Table::Branch,
        "resources",
        Table(Table::Resources),
        "",
        "Defaults for every task of the cases.",
        "resources.cpus = 4",
    ),
    key(
        Table::Branch,
        "backend",
        Plain,
        "that of the node around it, else the run's",
        "What executes every task of its cases that names no backend itself.",
        r#"backend = "local""#,
    ),
    key(
        Table::Branch,
        "slurm",
        SlurmOptions,
        "",
        "Options of `sbatch` by their long names, for every task of it on a cluster: texts, numbers, `true`. What is said nearer to a task wins.",
        r#"slurm = { partition = "short", account = "p042" }"#,
    ),
    key(
        Table::Branch,
        "retry",
        Table(Table::Retry),
        "that of the node around it, else one attempt",
        "The `retry` of every task of the cases that has none.",
        "retry.attempts = 2",
    ),
    key(
        Table::Branch,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the node around it, else `fail`",
        "What a failure of the branch means, and of every node of the cases that has no `on_error`.",
        r#"on_error = "ignore""#,
    ),
    key(
        Table::Branch,
        "require",
        Requirement,
        "the map must not have failed",
        REQUIRE,
        r#"require = "any"
on = "{{ each.out | length }}""#,
    ),
    //
    key(
        Table::Case,
        "task",
        Named(&Table(Table::Task)),
        "",
        "A task of the case.",
        r#"[branch.route.case.a.task.segment]
command = "segment""#,
    ),
    key(
        Table::Case,
        "map",
        Named(&Table(Table::Map)),
        "",
        "A map inside the case.",
        r#"[branch.route.case.a.map.tiles]
over = [1, 2]
[branch.route.case.a.map.tiles.task.cut]
command = "cut {{ item }}""#,
    ),
    key(
        Table::Case,
        "branch",
        Named(&Table(Table::Branch)),
        "",
        "One of several bodies, chosen by a value.",
        r#"[branch.route.case.a.branch.size]
on = "{{ prepare.count > 9 }}"
[branch.route.case.a.branch.size.case.true.task.split]
command = "split"
[branch.route.case.a.branch.size.case.false]"#,
    ),
    key(
        Table::Case,
        "loop",
        Named(&Table(Table::Loop)),
        "",
        "A body that is executed until a condition holds.",
        r#"[branch.route.case.a.loop.train]
max = 3
[branch.route.case.a.loop.train.task.fit]
command = "fit {{ index }}""#,
    ),
    key(
        Table::Case,
        "call",
        Named(&Table(Table::Call)),
        "",
        "Another pipeline file as a node.",
        r#"[branch.route.case.a.call.qc]
pipeline = "qc.toml""#,
    ),
    //
    key(
        Table::Loop,
        "description",
        Plain,
        "",
        "One sentence for people, shown by `graph` and `plan`.",
        r#"description = "Until it is good enough""#,
    ),
    required(Table::Loop, "max", Int(1, U32), "The most iterations.", "max = 20"),
    key(
        Table::Loop,
        "carry",
        Named(&Table(Table::Carry)),
        "",
        "What an iteration hands to the next one, `carry.NAME` in the body.",
        r#"carry.loss = { init = 1.0, next = "{{ fit.loss }}" }"#,
    ),
    key(
        Table::Loop,
        "until",
        Expression,
        "there are `max` iterations",
        "Ends the loop when it is true after an iteration. It sees the nodes of the body and this iteration's `carry`.",
        r#"until = "{{ fit.loss < 0.01 }}""#,
    ),
    key(
        Table::Loop,
        "on_max",
        Choice(&ON_MAX),
        "`fail`",
        "What it means that `until` was not true after `max` iterations: `fail`, or `accept` what the last one gave.",
        r#"until = "{{ fit.loss < 0.01 }}"
on_max = "accept""#,
    ),
    key(
        Table::Loop,
        "outputs",
        Named(&Value),
        "",
        "What the loop gives after its last iteration, `NAME.output` from outside.",
        r#"outputs.last = "{{ fit.loss }}""#,
    ),
    key(
        Table::Loop,
        "when",
        Condition,
        "`true`",
        "Whether the loop runs. `false` skips it and what names it directly.",
        r#"when = "{{ prepare.count > 0 }}""#,
    ),
    key(
        Table::Loop,
        "after",
        Names,
        "",
        "Nodes that must have ended first, for order alone.",
        r#"after = ["prepare"]"#,
    ),
    key(
        Table::Loop,
        "resources",
        Table(Table::Resources),
        "",
        "Defaults for every task of the body.",
        "resources.gpus = 1",
    ),
    key(
        Table::Loop,
        "backend",
        Plain,
        "that of the node around it, else the run's",
        "What executes every task of it that names no backend itself.",
        r#"backend = "local""#,
    ),
    key(
        Table::Loop,
        "slurm",
        SlurmOptions,
        "",
        "Options of `sbatch` by their long names, for every task of it on a cluster: texts, numbers, `true`. What is said nearer to a task wins.",
        r#"slurm = { partition = "short", account = "p042" }"#,
    ),
    key(
        Table::Loop,
        "retry",
        Table(Table::Retry),
        "that of the node around it, else one attempt",
        "The `retry` of every task of the body that has none.",
        "retry.attempts = 2",
    ),
    key(
        Table::Loop,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the node around it, else `fail`",
        "What a failure of the loop means, and of every node of the body that has no `on_error`.",
        r#"on_error = "ignore""#,
    ),
    key(
        Table::Loop,
        "require",
        Requirement,
        "the map must not have failed",
        REQUIRE,
        r#"require = "any"
carry.all = { init = "{{ each.out }}", next = "{{ carry.all }}" }"#,
    ),
    key(
        Table::Loop,
        "task",
        Named(&Table(Table::Task)),
        "",
        "A task of the body.",
        r#"[loop.train.task.score]
command = "score --round {{ index }}""#,
    ),
    key(
        Table::Loop,
        "map",
        Named(&Table(Table::Map)),
        "",
        "A map inside the body.",
        r#"[loop.train.map.folds]
over = { range = [0, 5] }
[loop.train.map.folds.task.test]
command = "test {{ item }}""#,
    ),
    key(
        Table::Loop,
        "branch",
        Named(&Table(Table::Branch)),
        "",
        "One of several bodies, chosen by a value.",
        r#"[loop.train.branch.start]
on = "{{ index == 0 }}"
[loop.train.branch.start.case.true.task.warm]
command = "warm"
[loop.train.branch.start.case.false]"#,
    ),
    key(
        Table::Loop,
        "loop",
        Named(&Table(Table::Loop)),
        "",
        "A body that is executed until a condition holds.",
        r#"[loop.train.loop.inner]
max = 3
[loop.train.loop.inner.task.step]
command = "step {{ index }}""#,
    ),
    key(
        Table::Loop,
        "call",
        Named(&Table(Table::Call)),
        "",
        "Another pipeline file as a node.",
        r#"[loop.train.call.qc]
pipeline = "qc.toml""#,
    ),
    //
    required(
        Table::Carry,
        "init",
        Value,
        "The value in the first iteration.",
        r#"init = 1.0
next = "{{ fit.loss }}""#,
    ),
    required(
        Table::Carry,
        "next",
        Value,
        "The value in the next iteration. It sees the nodes of the body and this iteration's `carry`.",
        r#"init = 0
next = "{{ carry.sum + fit.count }}""#,
    ),
    //
    key(
        Table::Call,
        "description",
        Plain,
        "",
        "One sentence for people, shown by `graph` and `plan`.",
        r#"description = "Quality of one sample""#,
    ),
    required(
        Table::Call,
        "pipeline",
        Plain,
        "The pipeline file, relative to the file in which the call stands.",
        r#"pipeline = "qc.toml""#,
    ),
    key(
        Table::Call,
        "params",
        Named(&Value),
        "the params' own defaults",
        "The params of the called file.",
        r#"params.sample = "{{ prepare.kind }}""#,
    ),
    key(
        Table::Call,
        "over",
        SourceValue,
        "",
        "Makes the call a map of one call: executed once for each item of this list.",
        r#"over = ["a", "b"]
params.sample = "{{ item }}""#,
    ),
    key(
        Table::Call,
        "as",
        Name,
        "`item`",
        "The item's name. Needs `over`.",
        r#"over = ["a", "b"]
as = "name"
params.sample = "{{ name }}""#,
    ),
    key(
        Table::Call,
        "key",
        Expression,
        "the item's index",
        "The item's name in logs and selections, `qc[NA12878]`. Needs `over`.",
        r#"over = ["a", "b"]
key = "{{ item }}"
params.sample = "{{ item }}""#,
    ),
    key(
        Table::Call,
        "where",
        Expression,
        "",
        "Drops the items for which it is false. Needs `over`.",
        r#"over = "{{ prepare.files }}"
where = "{{ item != '' }}"
params.sample = "{{ item }}""#,
    ),
    key(
        Table::Call,
        "group_by",
        Expression,
        "",
        "Makes one item, `{ key, members }`, of all that give one value. Needs `over`.",
        r#"over = { csv = "units.csv" }
group_by = "{{ item.sample }}"
params.sample = "{{ item.key }}""#,
    ),
    key(
        Table::Call,
        "chunk",
        Int(1, U32),
        "",
        "Hands over so many items at a time, as a list. Needs `over`.",
        r#"over = { range = [0, 1000] }
chunk = 100
params.sample = "{{ item | join(' ') }}""#,
    ),
    key(
        Table::Call,
        "max_parallel",
        Int(1, U32),
        "no limit",
        "How many items may be at work at once. Needs `over`.",
        r#"over = ["a", "b"]
max_parallel = 1
params.sample = "{{ item }}""#,
    ),
    key(
        Table::Call,
        "max_failures",
        Allowance,
        "none",
        MAX_FAILURES,
        r#"over = ["a", "b"]
max_failures = "50%"
params.sample = "{{ item }}""#,
    ),
    key(
        Table::Call,
        "when",
        Condition,
        "`true`",
        "Whether the call runs. `false` skips it and what names it directly.",
        r#"when = "{{ prepare.count > 0 }}""#,
    ),
    key(
        Table::Call,
        "after",
        Names,
        "",
        "Nodes that must have ended first, for order alone.",
        r#"after = ["prepare"]"#,
    ),
    key(
        Table::Call,
        "resources",
        Table(Table::Resources),
        "",
        "Defaults for every task of the called file.",
        "resources.cpus = 4",
    ),
    key(
        Table::Call,
        "backend",
        Plain,
        "that of the node around it, else the run's",
        "What executes every task of the called file that names no backend itself.",
        r#"backend = "local""#,
    ),
    key(
        Table::Call,
        "slurm",
        SlurmOptions,
        "",
        "Options of `sbatch` by their long names, for every task of it on a cluster: texts, numbers, `true`. What is said nearer to a task wins.",
        r#"slurm = { partition = "short", account = "p042" }"#,
    ),
    key(
        Table::Call,
        "retry",
        Table(Table::Retry),
        "that of the node around it, else one attempt",
        "The `retry` of every task of the called file that has none.",
        "retry.attempts = 2",
    ),
    key(
        Table::Call,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the node around it, else `fail`",
        "What a failure of the call means, and of every node of the called file that has no `on_error`.",
        r#"on_error = "ignore""#,
    ),
    key(
        Table::Call,
        "require",
        Requirement,
        "the map must not have failed",
        REQUIRE,
        r#"require = "any"
params.sample = "{{ each.out | length }}""#,
    ),
];
