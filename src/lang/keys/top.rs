//! The top of the file, `[pipeline]`, `[params.NAME]` and `[resources]`.

use super::Kind::*;
use super::{Key, Table, U32, key};

pub(super) const KEYS: &[Key] = &[
    key(
        Table::File,
        "pipeline",
        Table(Table::Pipeline),
        "",
        "What the pipeline is called.",
        r#"[pipeline]
name = "rna-seq""#,
    ),
    key(
        Table::File,
        "params",
        Named(&Table(Table::Param)),
        "",
        "The parameters that a run may set; `params.NAME` in expressions.",
        "[params.threads]\ndefault = 4",
    ),
    key(
        Table::File,
        "resources",
        Table(Table::Resources),
        "",
        "Defaults for every task.",
        r#"[resources]
memory = "2GiB""#,
    ),
    key(
        Table::File,
        "slurm",
        SlurmOptions,
        "",
        "Options of `sbatch` by their long names, for every task on a cluster: texts, numbers, `true`. What is said nearer to a task wins.",
        r#"slurm = { partition = "short", account = "p042" }"#,
    ),
    key(
        Table::File,
        "limits",
        Named(&Int(1, U32)),
        "",
        "Names of what there is only so much of, and how much: `licences = 4`. Tasks ask for it under `resources`.",
        "[limits]\nlicences = 4",
    ),
    key(
        Table::File,
        "task",
        Named(&Table(Table::Task)),
        "",
        "A task: something that is executed.",
        r#"[task.hello]
command = "echo hello""#,
    ),
    key(
        Table::File,
        "map",
        Named(&Table(Table::Map)),
        "",
        "A map: its body is executed once for each item of a list.",
        r#"[map.samples]
over = { lines = "samples.txt" }
[map.samples.task.count]
command = "wc -l {{ item }}""#,
    ),
    key(
        Table::File,
        "branch",
        Named(&Table(Table::Branch)),
        "",
        "One of several bodies, chosen by a value.",
        r#"[branch.route]
on = "{{ params.kind }}"
[branch.route.case.image.task.segment]
command = "segment""#,
    ),
    key(
        Table::File,
        "loop",
        Named(&Table(Table::Loop)),
        "",
        "A body that is executed until a condition holds.",
        r#"[loop.train]
max = 20
[loop.train.task.fit]
command = "fit --round {{ index }}""#,
    ),
    key(
        Table::File,
        "call",
        Named(&Table(Table::Call)),
        "",
        "Another pipeline file as a node.",
        r#"[call.qc]
pipeline = "qc.toml""#,
    ),
    key(
        Table::File,
        "outputs",
        Named(&Value),
        "",
        "What the pipeline itself returns.",
        r#"[outputs]
best = "{{ params.kind }}""#,
    ),
    key(
        Table::File,
        "test",
        Named(&Table(Table::Test)),
        "",
        "Tests of single tasks: what is given, and what must come out. `flowrun test` runs them.",
        r#"[test.last_does_nothing]
node = "last""#,
    ),
    //
    key(
        Table::Pipeline,
        "name",
        Plain,
        "the file's name without its ending",
        "The pipeline's name; the cache and the index of runs know it by this.",
        r#"name = "rna-seq""#,
    ),
    key(
        Table::Pipeline,
        "description",
        Plain,
        "",
        "One sentence for people.",
        r#"description = "Counts reads by gene""#,
    ),
    //
    key(
        Table::Param,
        "type",
        Type,
        "the default's, else `string`",
        "`bool`, `int`, `float`, `string`, `path`, `list<…>`, `map<…>` or `json`. The content of the file that a `path` names counts in the cache's key.",
        r#"type = "list<int>""#,
    ),
    key(
        Table::Param,
        "default",
        Literal,
        "none: every run must give the value",
        "The value of a run that gives none.",
        "default = 3",
    ),
    key(Table::Param, "min", Number, "", "The least value of an `int` or `float`.", "default = 3\nmin = 1"),
    key(Table::Param, "max", Number, "", "The greatest value of an `int` or `float`.", "default = 3\nmax = 16"),
    key(
        Table::Param,
        "choices",
        Literals,
        "",
        "The only values allowed.",
        r#"default = "fast"
choices = ["fast", "exact"]"#,
    ),
    key(Table::Param, "help", Plain, "", "One sentence for `--help`.", r#"help = "how many rounds""#),
    //
    key(
        Table::Resources,
        "cpus",
        Count(1),
        "1",
        "Cores. A backend with fewer grants what it has, and `{{ resources.cpus }}` says how many.",
        "cpus = 4",
    ),
    key(
        Table::Resources,
        "memory",
        Memory,
        "not counted",
        "Memory: `512MiB`, `4GB`, or a number of bytes.",
        r#"memory = "512MiB""#,
    ),
    key(
        Table::Resources,
        "time",
        Duration,
        "no limit",
        "How long an attempt may run: `90s`, `1h30m`, or a number of seconds.",
        r#"time = "1h30m""#,
    ),
    key(Table::Resources, "gpus", Count(0), "0", "Whole GPUs; their ids are in `CUDA_VISIBLE_DEVICES`.", "gpus = 1"),
    key(
        Table::Resources,
        "disk",
        Memory,
        "not counted",
        "Temporary disk space. Slurm takes a node that has as much (`--tmp`); `local` does not count it.",
        r#"disk = "20GB""#,
    ),
    key(
        Table::Resources,
        "nodes",
        Count(1),
        "one, or as many as `tasks` need",
        "Machines of an attempt whose processes speak with each other, by MPI for one. The command runs once, on the \
         first of them, and starts the processes itself: `srun ./solver`, or `mpirun`. `memory`, `gpus` and `disk` are \
         those of each machine. `local` is one machine and grants 1.",
        "nodes = 2",
    ),
    key(
        Table::Resources,
        "tasks",
        Count(1),
        "one on each of `nodes`",
        "Processes that the command starts by `srun` or `mpirun`, each with `cpus` cores. A backend with fewer cores \
         grants fewer, and `{{ resources.tasks }}` says how many: `mpirun -n {{ resources.tasks }} ./solver`.",
        "tasks = 8",
    ),
];
