//! What a file without mistakes becomes; and that no file makes the reader panic.

use super::super::read;
use super::mistakes;
use crate::base::Value;
use crate::base::text::floor;
use crate::diag::{Severity, Sources, codes};
use crate::lang::model::*;
use crate::lang::types::Type;
use proptest::prelude::*;

/// Every key of this version once.
const ALL: &str = r##"
[pipeline]
name = "everything"
description = "one of each"

[params.genome]
type = "path"
default = "genome.fa"
help = "the reference"

[params.rate]
type = "float"
default = 1
min = 0
max = 1
choices = [0, 0.5, 1]

[params.names]
default = ["a"]

[params.must]

[limits]
licences = 2

[resources]
cpus = 2
memory = "512MiB"

[slurm]
account = "p042"

[task.index]
slurm = { partition = "short", exclusive = true }
description = "never mind the name"
argv = ["bwa", "index", "{{ inputs.genome }}", "{{ params.names }}"]
inputs.genome = "{{ params.genome }}"
inputs.more = ["data/*.fa", "x"]
outputs.dir = { dir = "index", ensure = { non_empty = true }, keep = "always" }
keep = "until_consumed"
outputs.log = { type = "string", from = "stdout" }
outputs.count = "int"
vars.n = [1, { a = "{{ params.rate }}", b = 2024-01-02 }]
env.LANG = "C"
env.N = 3
pass_env = ["SSH_AUTH_SOCK"]
secrets.TOKEN = { env = "GITHUB_TOKEN" }
secrets.KEY = { file = "~/.key" }
setup = ["module load bwa", "ulimit -n 4096"]
container = { image = "quay.io/biocontainers/bwa:0.7.19", engine = "apptainer", options = ["--writable-tmpfs"] }
resources.licences = 1
resources.time = 90
resources.gpus = "{{ params.names | length }}"
when = "{{ params.rate > 0 }}"
after = ["fetch"]
cache = false
workdir = "scratch"
priority = -3
backend = "local"
require = "80%"
on_error = "continue"
retry = { attempts = 4, backoff = "10s", on = ["oom", "timeout", "exit:75"], on_oom = { memory = "x1.5" }, on_timeout.time = "x2", cap = { memory = "64GiB", time = "2d" } }

[map.outer]
slurm = { partition = "short", exclusive = true }
description = "nested"
over = { product = { lr = [0.1, 0.2], file = { glob = "data/*.fq" } } }
as = "unit"
key = "{{ unit.lr }}"
where = "{{ unit.lr > 0.1 }}"
group_by = "{{ unit.file }}"
chunk = 10
max_parallel = 4
backend = "slurm"
max_failures = "5%"
when = true
resources.cpus = 4
outputs.best = "{{ inner.t.x }}"

[map.outer.map.inner]
over = { range = [0, "{{ unit.n }}", 2] }

[map.outer.map.inner.task.t]
script = '''
print("{{ stays }}")
'''
interpreter = ["python3"]
outputs.x = "list<map<float>>"

[task.each]
command = """
cat \
  {{ x }}"""
shell = ["sh", "-c"]
over = ["a", "b"]
as = "x"
outputs.out = { file = "out/{{ x }}.txt", optional = true, ensure = { sha256 = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b" } }
outputs.parts = { files = "out/{{ x }}/*.txt" }

[branch.route]
slurm = { partition = "short", exclusive = true }
description = "by kind"
on = "{{ make.count }}"
outputs.result = "{{ first(segment.mask, n.x) }}"
when = true
after = ["make"]
resources.cpus = 1
on_error = "ignore"
[branch.route.case.1.task.segment]
command = "true"
[branch.route.case."two words".map.n]
over = [1]
task.m.command = "true"
[branch.route.case.nothing]
[branch.route.default.call.other]
pipeline = "other.toml"

[loop.train]
slurm = { partition = "short", exclusive = true }
max = 20
carry.model = { init = "a", next = "{{ fit.model }}" }
carry.loss.init = 1.0
carry.loss.next = "{{ fit.loss }}"
until = "{{ carry.loss < 0.1 }}"
on_max = "accept"
outputs.last = "{{ fit.loss }}"
[loop.train.task.fit]
command = "true"

[call.qc]
slurm = { partition = "short", exclusive = true, pack = { tasks = 10, time = "1h", width = 2 } }
pipeline = "qc/pipeline.toml"
params.sample = "{{ s }}"
params.deep = { a = [1] }
over = ["a"]
as = "s"
key = "{{ s }}"
max_failures = 1
retry.attempts = 2
require = "any"

[outputs]
all = "{{ each.out }}"
fixed = 3

[test.one]
description = "one of them"
node = "each"
params.genome = "tests/genome.fa"
values.item = { id = "a" }
inputs.reads = ["tests/a.fq"]
files."conf.ini" = { text = "a = 1" }
expect = { exit = 0, values = { out = 1 }, files = { bam = "a.bam" }, matches = { bam = 'x' }, sha256 = { bam = "00" }, log = "done" }

"##;

fn whole(text: &str) -> Model {
    let (model, diagnostics) = read(text, 0, "stem");
    let mut sources = Sources::default();
    sources.add("pipeline.toml", text);
    assert_eq!(crate::diag::render(&diagnostics, &sources, false), "");
    model
}

fn task(node: &NodeDecl) -> &TaskDecl {
    match node {
        NodeDecl::Task(task) => task,
        other => panic!("{} is no task", other.name().value),
    }
}

fn map(node: &NodeDecl) -> &MapDecl {
    match node {
        NodeDecl::Map(map) => map,
        other => panic!("{} is no map", other.name().value),
    }
}

/// `index` is a reserved name, so the one file cannot hold everything under its own name.
fn everything() -> String {
    ALL.replace("[task.index]", "[task.make]")
}

#[test]
fn everything_is_read_with_its_place() {
    let text = everything();
    let model = whole(&text);
    let at = |span: crate::diag::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(model.name.as_ref().map(|name| &*name.value), Some("everything"));

    let params: Vec<String> = model.params.iter().map(|p| format!("{}: {}", p.name.value, p.ty.value)).collect();
    assert_eq!(params, ["genome: path", "rate: float", "names: list", "must: string"]);
    assert_eq!(model.params[1].default.as_ref().map(|d| &d.value), Some(&Value::Float(1.0)));
    assert_eq!(model.params[1].min.as_ref().map(|d| at(d.span)), Some("0"));
    let choices = model.params[1].choices.as_ref().map(|c| c.value.clone());
    assert_eq!(choices, Some(vec![Value::Float(0.0), Value::Float(0.5), Value::Float(1.0)]));
    assert!(model.params[3].default.is_none());

    assert_eq!(model.limits[0].1.value, 2);
    assert_eq!(
        model.resources.iter().map(|(n, d)| (&*n.value, at(d.span()))).collect::<Vec<_>>(),
        [("slurm.account", "\"p042\""), ("cpus", "2"), ("memory", "\"512MiB\"")]
    );
    let names: Vec<&str> = model.nodes.iter().map(|node| &*node.name().value).collect();
    assert_eq!(names, ["make", "outer", "each", "route", "train", "qc"]);
    assert_eq!(model.outputs[1].1.literal(), Value::Int(3));
}

#[test]
fn a_task_holds_all_of_its_keys() {
    let text = everything();
    let model = whole(&text);
    let at = |span: crate::diag::Span| &text[span.start as usize..span.end as usize];
    let make = task(&model.nodes[0]);
    assert_eq!(at(make.name.span), "make");
    let RunDecl::Argv(argv) = &make.run else { panic!("{:?}", make.run) };
    let hole = &argv.value[2];
    assert_eq!(at(hole.span_of(3..hole.value.len() - 3)), "inputs.genome");
    assert_eq!(make.inputs[1].1.texts().len(), 2);
    let outputs: Vec<&OutputKind> = make.outputs.iter().map(|output| &output.kind).collect();
    assert!(matches!(
        outputs.as_slice(),
        [OutputKind::Dir(dir), OutputKind::Stdout(Type::String), OutputKind::Value(Type::Int)] if &*dir.value == "index"
    ));
    assert_eq!(make.vars[0].1.literal().to_json(), r#"[1,{"a":"{{ params.rate }}","b":"2024-01-02"}]"#);
    assert_eq!(make.env[1].1.literal(), Value::Int(3));
    assert_eq!(&*make.pass_env[0].value, "SSH_AUTH_SOCK");
    assert_eq!(make.resources.len(), 6);
    assert!(make.when.as_ref().is_some_and(|when| when.as_text().is_some()));
    assert_eq!(at(make.after[0].span), "\"fetch\"");
    assert_eq!(make.cache.as_ref().map(|cache| cache.value), Some(false));
    assert_eq!(make.workdir.as_ref().map(|dir| &*dir.value), Some("scratch"));
    assert_eq!(make.priority.as_ref().map(|priority| priority.value), Some(-3));
    assert!(make.over.is_none());
}

#[test]
fn maps_nest_and_a_task_can_be_its_own() {
    let text = everything();
    let model = whole(&text);
    let outer = map(&model.nodes[1]);
    let Source::Product(axes) = &outer.over.source else { panic!("{:?}", outer.over.source) };
    assert!(matches!(axes.as_slice(), [(lr, Source::Value(Datum::List(_))), (file, Source::Glob(_))]
        if &*lr.value == "lr" && &*file.value == "file"));
    assert_eq!(outer.over.item.as_ref().map(|item| &*item.value), Some("unit"));
    assert!(outer.over.key.is_some() && outer.over.filter.is_some() && outer.over.group_by.is_some());
    assert_eq!(outer.over.chunk.as_ref().map(|n| n.value), Some(10));
    assert_eq!(outer.over.max_parallel.as_ref().map(|n| n.value), Some(4));
    assert!(matches!(&outer.when, Some(Datum::Plain(when)) if when.value == Value::Bool(true)));
    assert_eq!((outer.outputs.len(), outer.resources.len()), (1, 4));

    let inner = map(&outer.nodes[0]);
    assert!(matches!(&inner.over.source, Source::Range(parts) if parts.len() == 3));
    assert!(inner.over.item.is_none());
    let RunDecl::Script(script) = &task(&inner.nodes[0]).run else { panic!() };
    assert_eq!(&*script.value, "print(\"{{ stays }}\")\n");

    let each = task(&model.nodes[2]);
    let RunDecl::Command(command) = &each.run else { panic!("{:?}", each.run) };
    assert_eq!(&*command.value, "cat {{ x }}");
    let place = command.span_of(4..11);
    assert_eq!(&text[place.start as usize..place.end as usize], "{{ x }}");
    let over = each.over.as_ref().unwrap();
    assert!(matches!(&over.source, Source::Value(Datum::List(items)) if items.value.len() == 2));
    assert!(matches!(&each.outputs[0].kind, OutputKind::File(_)));
}

#[test]
fn branches_loops_and_calls_hold_all_of_their_keys() {
    let text = everything();
    let model = whole(&text);
    let at = |span: crate::diag::Span| &text[span.start as usize..span.end as usize];
    let NodeDecl::Branch(route) = &model.nodes[3] else { panic!() };
    assert_eq!((at(route.name.span), &*route.on.value), ("route", "{{ make.count }}"));
    let cases: Vec<_> =
        route.cases.iter().map(|case| (&*case.name.value, at(case.name.span), case.nodes.len())).collect();
    assert_eq!(cases, [("1", "1", 1), ("two words", "\"two words\"", 1), ("nothing", "nothing", 0)]);
    assert!(matches!(&route.cases[1].nodes[0], NodeDecl::Map(map) if map.nodes.len() == 1));
    assert!(matches!(&route.default.as_ref().unwrap().nodes[0], NodeDecl::Call(_)));
    assert_eq!((route.outputs.len(), route.after.len(), route.resources.len()), (1, 1, 3));
    assert!(route.when.is_some() && route.description.is_some() && route.policy.on_error.is_some());

    let NodeDecl::Loop(train) = &model.nodes[4] else { panic!() };
    assert_eq!((train.max.value, at(train.max.span)), (20, "20"));
    let carried: Vec<_> = train.carry.iter().map(|c| (&*c.name.value, at(c.init.span()), at(c.next.span()))).collect();
    assert_eq!(carried, [("model", "\"a\"", "\"{{ fit.model }}\""), ("loss", "1.0", "\"{{ fit.loss }}\"")]);
    assert_eq!(train.until.as_ref().map(|until| &*until.value), Some("{{ carry.loss < 0.1 }}"));
    assert_eq!(train.accept.as_ref().map(|accept| accept.value), Some(true));
    assert_eq!((train.outputs.len(), train.nodes.len()), (1, 1));

    let NodeDecl::Call(qc) = &model.nodes[5] else { panic!() };
    assert_eq!((at(qc.pipeline.span), qc.params.len()), ("\"qc/pipeline.toml\"", 2));
    assert!(qc.over.as_ref().is_some_and(|over| over.key.is_some() && over.max_failures.is_some()));
    assert!(qc.policy.retry.is_some() && qc.policy.require.is_some() && qc.called.is_none());
}

#[test]
fn nodes_come_in_the_order_of_the_file() {
    let model = whole(
        "[map.z.task.b]\ncommand = 'x'\n[task.y]\ncommand = 'x'\n[map.a]\nover = [1]\ntask.c.command = 'x'\n[map.z]\nover = [1]\n",
    );
    let names: Vec<&str> = model.nodes.iter().map(|node| &*node.name().value).collect();
    assert_eq!(names, ["y", "a", "z"]);
    assert_eq!(model.name.map(|name| name.value.to_string()).as_deref(), Some("stem"));
}

#[test]
fn the_pipelines_of_the_repo_are_read() {
    for path in ["pipelines/compute_data.toml", "pipelines/variant_calling/pipeline.toml"] {
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(mistakes(&text), "\n", "{path}");
    }
}

/// A key of the table that the reader forgets would be accepted and ignored.
#[test]
fn every_key_of_the_table_is_in_the_one_file() {
    use crate::lang::keys::{Status, Table, all};
    let text = everything();
    let elsewhere = ["lines", "csv", "tsv", "jsonl", "zip", "disk", "nodes", "tasks", "max", "min"];
    for key in
        all().filter(|key| key.status != Status::Planned && !key.table.of_settings() && key.table != Table::Input)
    {
        let told = text.contains(key.name) || elsewhere.contains(&key.name);
        assert!(told, "{:?}.{}", key.table, key.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Cut, doubled, swapped or overwritten anywhere, a file gives diagnostics with places in it, never a panic.
    #[test]
    fn no_mutation_makes_the_reader_panic(
        edits in prop::collection::vec((0..4usize, 0..4000usize, 0..40usize, "[\\[\\]{}=.,'\"\\\\#\n a1é]{0,4}"), 1..6)
    ) {
        let mut text = everything();
        for (kind, at, len, new) in edits {
            let start = floor(&text, at % (text.len() + 1));
            let end = floor(&text, start + len).max(start);
            match kind {
                0 => text.replace_range(start..end, ""),
                1 => text.insert_str(start, &new),
                2 => text.replace_range(start..end, &new),
                _ => {
                    let copy = text[start..end].to_owned();
                    text.push_str(&copy);
                }
            }
        }
        check(&text);
    }

    /// Lines of valid files in any order and number.
    #[test]
    fn no_order_of_lines_makes_the_reader_panic(order in prop::collection::vec(0..200usize, 0..60)) {
        let text = everything();
        let lines: Vec<&str> = text.lines().collect();
        let shuffled: Vec<&str> = order.iter().map(|i| lines[i % lines.len()]).collect();
        check(&shuffled.join("\n"));
        check(&shuffled.join("\r\n"));
    }
}

fn check(text: &str) {
    let mut sources = Sources::default();
    let file = sources.add("p.toml", text);
    let (_, diagnostics) = read(text, file, "p");
    for d in &diagnostics {
        assert!(codes::ALL.iter().any(|(code, _)| *code == d.code), "{}", d.code);
        assert!(d.primary.as_ref().is_some_and(|label| label.span.start as usize <= text.len()), "{d:?}");
        assert!(d.help.is_some() || d.severity == Severity::Warning, "no way out: {d:?}");
    }
    if diagnostics.iter().all(|d| d.code != codes::SYNTAX) {
        let lonely = diagnostics.iter().find(|d| d.code == codes::DUPLICATE_KEY && d.others.is_empty());
        assert!(lonely.is_none(), "{lonely:?}");
    }
    crate::diag::render(&diagnostics, &sources, false);
}

/// What an editor of another system may put before the first character.
#[test]
fn a_byte_order_mark_moves_no_place() {
    let text = "\u{feff}[task.a]\ncommand = 'true {{ x }}'\nwibbles = 1\n";
    let (model, diagnostics) = read(text, 0, "p");
    assert_eq!(text.find("wibbles"), diagnostics[0].primary.as_ref().map(|label| label.span.start as usize));
    let RunDecl::Command(command) = &task(&model.nodes[0]).run else { panic!() };
    let place = command.span_of(8..9);
    assert_eq!(&text[place.start as usize..place.end as usize], "x");
}
