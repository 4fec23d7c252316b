//! `[task.NAME]`, its inputs and outputs.

use super::Kind::*;
use super::{Key, MAX_FAILURES, ON_ERROR, REQUIRE, Table, U32, key, planned, required};
use crate::lang::model::ContainerEngine;
use crate::lang::outputs::Keep;
use crate::lang::policy::OnError;

pub(super) const KEYS: &[Key] = &[
    key(
        Table::Task,
        "description",
        Plain,
        "",
        "One sentence for people, shown by `graph` and `plan`.",
        r#"description = "Maps the reads""#,
    ),
    key(
        Table::Task,
        "command",
        Template,
        "",
        "What the shell runs. Every value in it is quoted for the place where it stands. Where `shell` is bash, with no \
         other options than `-e`, `-u`, `-o pipefail` and `-c`, and the command is that of one program, in plain or \
         quoted words without anything that bash would expand, redirect or look up (a variable, a pattern, `~`, a \
         builtin other than a bare `true` or `false`, a reserved word, an assignment, a function of the environment), \
         the program is executed without the shell, as bash would have done in its own place.",
        r#"command = "wc -l {{ params.kind }}""#,
    ),
    key(
        Table::Task,
        "argv",
        Program,
        "",
        "A program and its arguments, without a shell. An element that is one single `{{ … }}` with a list becomes one argument for each of the list's elements.",
        r#"argv = ["seq", "{{ prepare.count }}"]"#,
    ),
    key(
        Table::Task,
        "script",
        Plain,
        "",
        "A text for `interpreter`, without interpolation: it reads its values from the JSON file that `$FLOWRUN_VARS` names.",
        r#"script = "print(6 * 7)"
interpreter = ["python3"]"#,
    ),
    key(
        Table::Task,
        "shell",
        Words,
        "`[\"bash\", \"-euo\", \"pipefail\", \"-c\"]`",
        "The program that runs `command` and `setup`, which come as its last argument.",
        r#"shell = ["sh", "-c"]
command = "true""#,
    ),
    key(
        Table::Task,
        "interpreter",
        Words,
        "",
        "The program that runs `script`, whose file comes as its last argument. A script must have it.",
        r#"interpreter = ["python3"]
script = "print(6 * 7)""#,
    ),
    key(
        Table::Task,
        "inputs",
        Named(&InputValue),
        "",
        "Files that the task reads: a path, a glob, a list of them, or a table with an address. Their content counts in \
         the cache's key.",
        r#"inputs.reads = "data/*.fq""#,
    ),
    key(
        Table::Task,
        "outputs",
        Named(&OutputValue),
        "",
        "What the task gives: the type of a value that it writes to `$FLOWRUN_OUTPUT`, or a table.",
        r#"outputs.count = "int""#,
    ),
    key(
        Table::Task,
        "vars",
        Named(&Value),
        "",
        "Named values for templates (`vars.NAME`) and for `$FLOWRUN_VARS`.",
        r#"vars.half = "{{ prepare.count // 2 }}""#,
    ),
    key(
        Table::Task,
        "env",
        Named(&Scalar),
        "",
        "Variables of the process's environment; they count in the cache's key.",
        r#"env.LC_ALL = "C""#,
    ),
    key(
        Table::Task,
        "pass_env",
        Words,
        "",
        "Names of variables that are handed on as they are and do not count in the cache's key.",
        r#"pass_env = ["SSH_AUTH_SOCK"]"#,
    ),
    key(
        Table::Task,
        "resources",
        Table(Table::Resources),
        "",
        "What one attempt needs. Each one that is left out is that of the map around the task, else the file's.",
        "resources.cpus = 4",
    ),
    key(
        Table::Task,
        "when",
        Condition,
        "`true`",
        "Whether the task runs. `false` skips it and what names it directly.",
        r#"when = "{{ prepare.count > 0 }}""#,
    ),
    key(
        Table::Task,
        "after",
        Names,
        "",
        "Nodes that must have ended first, for order alone.",
        r#"after = ["prepare"]"#,
    ),
    key(
        Table::Task,
        "cache",
        Bool,
        "`true` where outputs are declared",
        "Whether its result is kept and reused.",
        "cache = false",
    ),
    key(
        Table::Task,
        "workdir",
        Template,
        "the pipeline file's folder",
        "Where the process starts: a path, or `\"scratch\"` for a fresh folder that goes afterwards.",
        r#"workdir = "scratch""#,
    ),
    key(
        Table::Task,
        "priority",
        Int(i64::MIN, i64::MAX),
        "0",
        "Of two tasks that could start, the one with the greater priority does; of equal ones the one with the longest way \
         to the end of the run, by the times of earlier runs.",
        "priority = 10",
    ),
    key(
        Table::Task,
        "over",
        SourceValue,
        "",
        "Makes the task a map of one task: executed once for each item of this list.",
        r#"over = "{{ prepare.files }}""#,
    ),
    key(
        Table::Task,
        "as",
        Name,
        "`item`",
        "The item's name. Needs `over`.",
        r#"over = ["a", "b"]
as = "sample""#,
    ),
    key(
        Table::Task,
        "key",
        Expression,
        "the item's index",
        "The item's name in logs and selections, `align[NA12878]`. Needs `over`.",
        r#"over = ["a", "b"]
key = "{{ item }}""#,
    ),
    key(
        Table::Task,
        "where",
        Expression,
        "",
        "Drops the items for which it is false. Needs `over`.",
        r#"over = "{{ prepare.files }}"
where = "{{ item != '' }}""#,
    ),
    key(
        Table::Task,
        "group_by",
        Expression,
        "",
        "Makes one item, `{ key, members }`, of all that give one value. Needs `over`.",
        r#"over = { csv = "units.csv" }
group_by = "{{ item.sample }}""#,
    ),
    key(
        Table::Task,
        "chunk",
        Int(1, U32),
        "",
        "Hands over so many items at a time, as a list. Needs `over`.",
        "over = { range = [0, 1000] }\nchunk = 100",
    ),
    key(
        Table::Task,
        "max_parallel",
        Int(1, U32),
        "no limit",
        "How many items may be at work at once. Needs `over`.",
        r#"over = ["a", "b"]
max_parallel = 1"#,
    ),
    key(
        Table::Task,
        "max_failures",
        Allowance,
        "none",
        MAX_FAILURES,
        r#"over = ["a", "b"]
max_failures = "50%""#,
    ),
    key(
        Table::Task,
        "secrets",
        Named(&Table(Table::Secret)),
        "",
        "Variables of the process's environment whose values are kept nowhere: in no log, no event, no cache and no key. \
         A value of `$FLOWRUN_OUTPUT` that holds one fails the task.",
        r#"secrets.TOKEN = { env = "GITHUB_TOKEN" }"#,
    ),
    key(
        Table::Task,
        "backend",
        Plain,
        "that of the node around it, else the run's",
        "What executes the task: `local`, this machine, or `slurm`. In a run with `--backend slurm` a task with \
         `backend = \"local\"` runs where flowrun does, and the other way round. It is no part of the cache's key.",
        r#"backend = "local""#,
    ),
    key(
        Table::Task,
        "retry",
        Table(Table::Retry),
        "that of the map around it, else one attempt",
        "Runs a failed attempt again. One that was lost with its machine is run again in any case and counts as none; \
         after five losses the task fails.",
        r#"retry = { attempts = 3, backoff = "10s" }"#,
    ),
    key(
        Table::Task,
        "keep",
        Choice(&Keep::WORDS),
        "`always`",
        "The `keep` of every file and directory of the task that has none.",
        r#"outputs.x = { file = "scratch/x" }
keep = "until_consumed""#,
    ),
    key(
        Table::Task,
        "container",
        ContainerValue,
        "none: the task runs as it is",
        "The image that the task runs in, by apptainer, podman or docker: a name in a registry, or a `.sif` file. The \
         project, inputs, outputs and the working folder are there under the same paths; of the environment only `env`, \
         `pass_env` and `secrets` are. The image's digest counts in the cache's key.",
        r#"container = "docker.io/library/python:3.13""#,
    ),
    key(
        Table::Task,
        "setup",
        Lines,
        "",
        "Lines that `shell` runs before the command, `argv` or `script`, in the same process: `module load samtools`. \
         They count in the cache's key.",
        r#"setup = ["module load samtools"]"#,
    ),
    key(
        Table::Task,
        "on_error",
        Choice(&OnError::WORDS),
        "that of the map around it, else `fail`",
        ON_ERROR,
        r#"on_error = "ignore""#,
    ),
    key(
        Table::Task,
        "require",
        Requirement,
        "the map must not have failed",
        REQUIRE,
        r#"require = "80%"
vars.all = "{{ each.out }}""#,
    ),
    key(
        Table::Task,
        "slurm",
        SlurmOptions,
        "",
        "Options of `sbatch` by their long names, for a cluster: texts, numbers, `true`; strings may hold expressions, also of `attempt`.",
        r#"slurm = { partition = "short", account = "p042" }"#,
    ),
    planned(Table::Task, "local", "Options for this machine."),
    //
    key(
        Table::Input,
        "url",
        Template,
        "",
        "An address, `https://…` or `http://…`, that the file is fetched from, once; the task gets the path of our copy, \
         which ends as the address does. It is no part of the cache's key, so that a mirror is as good.",
        r#"url = "https://example.org/genome.fa.gz""#,
    ),
    key(
        Table::Input,
        "sha256",
        Template,
        "",
        "The SHA-256 digest that the fetched file must have, 64 hexadecimal digits (`sha256sum FILE`). It counts in the \
         cache's key, so that a task whose result is cached fetches nothing.",
        r#"sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#,
    ),
    //
    required(
        Table::Container,
        "image",
        Template,
        "A name in a registry, best with its digest (`@sha256:…`), or the path of an image file, which ends in `.sif`.",
        r#"image = "docker.io/library/python:3.13""#,
    ),
    key(
        Table::Container,
        "engine",
        Choice(&ContainerEngine::WORDS),
        "the setting `container_engine`, else the first that is there and can run the image",
        "What runs the image.",
        r#"engine = "podman""#,
    ),
    key(
        Table::Container,
        "options",
        Words,
        "",
        "More options for the engine, as they stand. They count in the cache's key.",
        r#"options = ["--shm-size", "1g"]"#,
    ),
    //
    key(
        Table::Secret,
        "env",
        Plain,
        "",
        "The variable of flowrun's own environment that holds the value.",
        r#"env = "GITHUB_TOKEN""#,
    ),
    key(
        Table::Secret,
        "file",
        Plain,
        "",
        "The file that holds the value, less its final newline. It is read when the task starts, on the machine where it \
         runs.",
        r#"file = "~/.token""#,
    ),
    //
    key(Table::Output, "type", Type, "", "The type of a value.", r#"type = "int""#),
    key(
        Table::Output,
        "from",
        Plain,
        "`$FLOWRUN_OUTPUT`",
        "`\"stdout\"`: the value is all of standard output less final newlines. Needs `type`.",
        r#"type = "string"
from = "stdout""#,
    ),
    key(
        Table::Output,
        "file",
        Template,
        "",
        "The path of a file. The command writes to `{{ outputs.NAME }}`, which is renamed to this path when it has succeeded.",
        r#"file = "results/table.csv""#,
    ),
    key(
        Table::Output,
        "dir",
        Template,
        "",
        "The path of a directory, which is there and empty when the command starts.",
        r#"dir = "results/plots""#,
    ),
    key(
        Table::Output,
        "files",
        Template,
        "",
        "A pattern: the output is the list of the files that match, sorted bytewise; at least one must. The command \
         writes them into `{{ outputs.NAME }}`, a directory in place of the folder before the first part with a `*`.",
        r#"files = "results/part_*.csv""#,
    ),
    key(
        Table::Output,
        "optional",
        Bool,
        "`false`",
        "A file that the command may leave out: the output is then null (of `files` an empty list).",
        r#"file = "results/x.bam.bai"
optional = true"#,
    ),
    key(
        Table::Output,
        "ensure",
        Table(Table::Ensure),
        "",
        "What must be true of the file, else the attempt fails as `output invalid`, which is not tried again unless \
         `retry.on` names it.",
        r#"file = "results/table.csv"
ensure.non_empty = true"#,
    ),
    key(
        Table::Output,
        "keep",
        Choice(&Keep::WORDS),
        "that of the task, else `always`",
        "How long the bytes are kept. `until_consumed`: they go when all that reads the output has ended well. Later runs \
         go on with what is recorded of it; it is made again when something that reads it must run. What `[outputs]` \
         names stays, and so does what the command line names, what nothing reads, and what is read by a pattern, as \
         part of a directory or as the source of a map.",
        r#"file = "scratch/x.bam"
keep = "until_consumed""#,
    ),
    //
    key(
        Table::Ensure,
        "non_empty",
        Bool,
        "`false`",
        "A file has content, a directory an entry; of `files`, each one.",
        "non_empty = true",
    ),
    key(
        Table::Ensure,
        "sha256",
        Plain,
        "",
        "The SHA-256 of a file's content: 64 hexadecimal digits.",
        r#"sha256 = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b""#,
    ),
];
