//! What pipelines of other tools are made of, each with the form for it here: a table of the reference page.

/// The construct, and how it is written; Markdown.
pub(super) const CONSTRUCTS: &[(&str, &str)] = &[
    (
        "a sheet (CSV, TSV) of samples with several columns",
        "`over = { csv = \"samples.csv\" }`; a column is `{{ item.fq1 }}`. A column that is never read reruns nothing.",
    ),
    ("items with two keys, grouped by one", "`group_by = \"{{ unit.sample }}\"`: an item is then `{ key, members }`."),
    ("a column that may be empty or missing", "`{{ item.extra \\| default('-', true) }}`."),
    (
        "one or two input files, by an empty cell",
        "`inputs.reads = \"{{ [item.fq1, item.fq2] \\| select \\| list }}\"`.",
    ),
    (
        "another task for some items (single or paired end)",
        "A branch in the map, `on = \"{{ 'pair' if item.fq2 else 'single' }}\"`; behind it `{{ first(route.pair.bam, route.single.bam) }}`.",
    ),
    (
        "a switch that takes a step out and wires the rest around it",
        "`when = \"{{ params.trim }}\"` on the step, `{{ first(trim.reads, raw.reads) }}` behind it.",
    ),
    ("an input that may not be there", "`inputs.regions = \"{{ [params.regions] if params.regions else [] }}\"`."),
    (
        "results that a list in the configuration asks for",
        "A map over it: `over = \"{{ params.plots }}\"`. An empty list is a success with no results.",
    ),
    (
        "a map over a table of names (contrasts)",
        "`over = \"{{ params.contrasts \\| items }}\"`: `item[0]` is the name, `item[1]` the value.",
    ),
    (
        "every combination, gathered along one axis",
        "A map of contigs with a map of samples in it: a task in the outer body that reads `{{ samples.call.gvcf }}` gathers one contig. Flat: `over = { product = { … } }`.",
    ),
    (
        "items that are known only when a task has run",
        "`over = { lines = \"{{ split.names }}\" }`, or any list that a task gives: the map waits for it.",
    ),
    (
        "a value of an output that decides what comes later",
        "`outputs.strand = \"string\"`, and `{{ infer.strand }}` where it is needed.",
    ),
    (
        "items dropped at run time, and a report of them",
        "`where = \"{{ item.reads > params.least }}\"`; the report reads the whole list: `{{ count \\| selectattr('reads', 'le', 9) \\| list }}`.",
    ),
    (
        "an outer join with missing partners",
        "What was skipped, or let fail, is null in the results of its map, so that the lists of one map always match: `over = { zip = { a = \"{{ m.x.out }}\", b = \"{{ m.y.out }}\" } }`.",
    ),
    (
        "a rule for any path that fits a pattern",
        "There are no rules by name of a file: what is used in many places is a pipeline file with a param, `[call.index]` with `pipeline = \"index.toml\"`.",
    ),
    (
        "a name that may only be one of some",
        "`choices` of a param; in the file itself a list, `over = [\"snvs\", \"indels\"]`.",
    ),
    (
        "several outputs with names, several endings of one path",
        "One output for each: `outputs.bam`, `outputs.bai`. They may lie side by side.",
    ),
    ("a directory as output and input", "`outputs.index = { dir = \"index\" }`, read as `{{ build.index }}`."),
    (
        "a log of one task that another one reads",
        "Declare it: `outputs.log = { file = \"logs/{{ item }}.txt\" }`, written by `2> {{ outputs.log }}`.",
    ),
    (
        "files that go when nobody needs them; files that nobody may replace",
        "`keep = \"until_consumed\"`. Nothing protects a file, for none is replaced but by a task that was made anew, and then as a whole.",
    ),
    ("one cache for several projects", "`--store postgres://…`: keys know neither project nor user."),
    ("parts of a path", "`{{ inputs.bam \\| stem }}`, `basename`, `dirname`, `extension`."),
    (
        "lists and tables of the configuration in a script",
        "`script` reads all of its values from the JSON file `$FLOWRUN_VARS`; `vars.samples = \"{{ params.samples }}\"` adds one.",
    ),
    ("an order of what could start", "`priority = 1`."),
    ("cores or memory by a computation", "`resources.cpus = \"{{ [params.samples \\| length, 16] \\| min }}\"`."),
    (
        "more memory or time for another attempt",
        "`retry = { attempts = 3, on_oom = { memory = \"x2\" } }`, or `resources.memory = \"{{ 4 * attempt }}GiB\"`.",
    ),
    (
        "another attempt for some exit codes only, else go on",
        "`retry = { attempts = 2, on = [\"exit:137\"] }` and `on_error = \"continue\"` or `\"ignore\"`.",
    ),
    (
        "classes of resources, and exceptions by name",
        "Defaults under `[resources]`, and under `resources` of a map, branch, loop or call for all that is in it; a class is a param, `memory = \"{{ params.high }}\"`. There are no exceptions by pattern: what a task needs stands with the task.",
    ),
    ("a GPU", "`resources.gpus = 1`."),
    ("one tool under several names", "Several calls of one file, each with a name and params of its own, or a map."),
    (
        "a pipeline in a pipeline, with typed inputs and outputs",
        "`[call.NAME]` with `params`; the called file's `[params]` have types, its `[outputs]` are what the call gives.",
    ),
    (
        "some outputs published elsewhere",
        "The path of an output is its place. What nobody is to see is no output: `workdir = \"scratch\"` takes it away.",
    ),
    (
        "small values collected in one file, sorted, with a header",
        "A task behind the map: `(echo rate; printf '%s\\n' {{ align.rate \\| sort }}) > {{ outputs.table }}`.",
    ),
    ("software for one task", "`container = \"…\"`, or `setup = [\"module load samtools\"]`."),
    (
        "a check of configuration and sheet before anything runs",
        "Params have `type`, `min`, `max`, `choices`; a sheet whose rows do not fit its header is refused before the run, and a column that is not there at the item that reads it.",
    ),
    ("a pipeline in several files", "`[call.NAME]` with `pipeline = \"part.toml\"`. Text is never included."),
];
