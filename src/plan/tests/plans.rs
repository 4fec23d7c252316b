//! Stories: pipelines without mistakes, and what the plan knows of them.

use super::plan;
use crate::plan::*;

/// `node <- dep dep^1?`: `^` counts the bodies between them, `?` says that a skip is no reason to skip.
fn edges(plan: &Plan) -> Vec<String> {
    let dep = |d: &Dep| {
        let up = if d.up == 0 { String::new() } else { format!("^{}", d.up) };
        format!(" {}{up}{}", plan.nodes[d.node].path, if d.tolerates_skip { "?" } else { "" })
    };
    let nodes = plan.nodes.iter().filter(|(_, node)| !node.deps.is_empty());
    nodes.map(|(_, node)| format!("{} <-{}", node.path, node.deps.iter().map(dep).collect::<String>())).collect()
}

fn task<'p>(plan: &'p Plan, name: &str) -> &'p Task {
    let found = plan.nodes.iter().filter(|(_, n)| &*n.path == name);
    found
        .filter_map(|(_, n)| match &n.kind {
            NodeKind::Task(task) => Some(&**task),
            _ => None,
        })
        .next()
        .unwrap()
}

fn map<'p>(plan: &'p Plan, name: &str) -> &'p Map {
    let found = plan.nodes.iter().filter(|(_, n)| &*n.path == name);
    found
        .filter_map(|(_, n)| match &n.kind {
            NodeKind::Map(map) => Some(&**map),
            _ => None,
        })
        .next()
        .unwrap()
}

fn shown(reads: &[Read]) -> Vec<String> {
    let one = |r: &Read| {
        format!(
            "{} = {:?}{} {:?}{}",
            r.name,
            r.from,
            r.path.iter().map(|p| format!(" .{p}")).collect::<String>(),
            r.ty,
            if r.keyed { "" } else { " not keyed" }
        )
    };
    reads.iter().map(one).collect()
}

#[test]
fn paths_make_edges() {
    let plan = plan(
        r#"
[params.dir]
default = "out"
[task.make]
command = "true"
outputs.a = { file = "{{ params.dir }}/a.txt" }
outputs.d = { dir = "index" }
[task.literal]
command = "true"
inputs.a = "./out//a.txt"
[task.glob]
command = "true"
inputs.a = ["out/*.txt", "other.txt"]
[task.in_dir]
command = "true"
inputs.a = "index/x/y"
[task.whole_dir]
command = "true"
inputs.a = "index"
outputs.own = { file = "index.log" }
inputs.own = "*.log"
[map.m]
over = { lines = "out/a.txt" }
as = "s"
[map.m.task.t]
command = "true"
inputs.a = "in/{{ s }}"
outputs.bam = { file = "bam/{{ s }}.bam" }
[map.m.task.u]
command = "true"
vars.bam = "bam/{{ s }}.bam"
inputs.bam = "{{ vars.bam }}"
outputs.bai = { file = "{{ inputs.bam }}.bai" }
[map.m.map.inner]
over = { glob = "bam/{{ s }}.*" }
as = "x"
[map.m.map.inner.task.v]
command = "echo {{ x }}"
inputs.a = "out/a.txt"
[task.all]
command = "true"
inputs.all = "bam/*.bam"
[task.one]
command = "true"
inputs.one = "bam/x.bam.bai"
[task.nothing]
command = "true"
inputs.none = "ham/x.bam"
"#,
    );
    assert_eq!(
        edges(&plan),
        [
            "literal <- make",
            "glob <- make?",
            "in_dir <- make",
            "whole_dir <- make",
            "m <- make",
            "m.u <- m.t",
            "m.inner <- m.t? m.u?",
            "m.inner.v <- make^2",
            "all <- m?",
            "one <- m?",
        ]
    );
}

#[test]
fn what_skips_and_what_does_not() {
    let plan = plan(
        r#"
[task.a]
command = "true"
outputs.n = "int"
outputs.f = { file = "f" }
when = false
[task.reads]
command = "echo {{ a.n }}"
[task.default]
command = "echo {{ a.n | default(1) }}"
[task.both]
command = "echo {{ a.n | default(1) }} {{ a.n }}"
[task.after]
command = "true"
after = ["a"]
[task.path]
command = "cat {{ inputs.f }}"
inputs.f = "f"
[task.asks]
command = "true"
when = "{{ a.n is none }}"
"#,
    );
    assert_eq!(edges(&plan), ["reads <- a", "default <- a?", "both <- a", "after <- a?", "path <- a", "asks <- a?"]);
}

#[test]
fn reads_say_where_from_and_of_what_type() {
    let plan = plan(
        r#"
[params.conf]
type = "map<int>"
default = { a = 1 }
[params.ref]
type = "path"
default = "ref.fa"
[task.gen]
command = "true"
outputs.n = "int"
outputs.f = { file = "f" }
outputs.rec = "json"
[map.outer]
over = { csv = "s.csv" }
as = "sample"
key = "{{ sample.id }}"
outputs.bam = "{{ t.bam }}"
outputs.all = "{{ inner.u.x }}"
[map.outer.task.t]
command = "echo {{ sample.id }} {{ sample.fq }} {{ gen.rec.a.b }} {{ params.conf.a }} {{ params.ref }} {{ vars.v }}"
when = "{{ sample.use == 'y' and gen.n > 2 }}"
vars.v = "{{ gen.f }}"
resources.cpus = "{{ sample.cpus | int }}"
outputs.bam = { file = "{{ sample.id }}.bam" }
[map.outer.map.inner]
over = [1, 2]
key = "{{ item }}-{{ sample.id }}"
[map.outer.map.inner.task.u]
command = "echo {{ item }} {{ index }} {{ sample }} {{ t.bam }}"
outputs.x = "float"
[task.short]
over = "{{ outer }}"
command = "echo {{ item.bam }} {{ outer.inner.u.x }}"
outputs.y = "string"
outputs.z = { file = "z/{{ index }}" }
[task.end]
command = "echo {{ short[0].y }} {{ outer.t.bam }}"
[outputs]
y = "{{ short.y }}"
z = ["{{ short.z }}", "{{ gen.n }}"]
"#,
    );
    assert_eq!(
        shown(&task(&plan, "outer.t").reads),
        [
            "sample.cpus = Item { up: 0 } .cpus String not keyed",
            "gen.f = Output { node: NodeId(0), up: 1, inner: [], output: Some(1) } Path",
            "sample.id = Item { up: 0 } .id String",
            "sample.fq = Item { up: 0 } .fq String",
            "gen.rec.a.b = Output { node: NodeId(0), up: 1, inner: [], output: Some(2) } .a .b Any",
            "params.conf.a = Param(0) .a Int",
            "params.ref = Param(1) Path",
            "sample.use = Item { up: 0 } .use String not keyed",
            "gen.n = Output { node: NodeId(0), up: 1, inner: [], output: Some(0) } Int not keyed",
        ]
    );
    assert_eq!(
        shown(&task(&plan, "outer.inner.u").reads),
        [
            "item = Item { up: 0 } Int",
            "index = Index { up: 0 } Int",
            "sample = Item { up: 1 } Map(String)",
            "t.bam = Output { node: NodeId(2), up: 1, inner: [], output: Some(0) } Path",
        ]
    );
    assert_eq!(
        shown(&task(&plan, "short").reads),
        [
            "index = Index { up: 0 } Int",
            "item.bam = Item { up: 0 } .bam Path",
            "outer.inner.u.x = Output { node: NodeId(1), up: 1, inner: [NodeId(3), NodeId(4)], output: Some(0) } List(List(Float))",
        ]
    );
    assert_eq!(
        shown(&task(&plan, "end").reads),
        [
            r#"short = Output { node: NodeId(5), up: 0, inner: [NodeId(6)], output: None } List(Record([("y", String), ("z", Path)]))"#,
            "outer.t.bam = Output { node: NodeId(1), up: 0, inner: [NodeId(2)], output: Some(0) } List(Path)",
        ]
    );
    assert_eq!(
        shown(&map(&plan, "outer").output_reads),
        [
            "t.bam = Output { node: NodeId(2), up: 0, inner: [], output: Some(0) } Path",
            "inner.u.x = Output { node: NodeId(3), up: 0, inner: [NodeId(4)], output: Some(0) } List(Float)",
        ]
    );
    assert_eq!(shown(&map(&plan, "outer.inner").reads), ["sample.id = Item { up: 0 } .id String"]);
    assert_eq!(
        shown(&map(&plan, "short").reads),
        [
            r#"outer = Output { node: NodeId(1), up: 0, inner: [], output: None } List(Record([("bam", Path), ("all", List(Float))]))"#,
        ]
    );
    assert_eq!(
        shown(&plan.output_reads),
        [
            "short.y = Output { node: NodeId(5), up: 0, inner: [NodeId(6)], output: Some(0) } List(String)",
            "short.z = Output { node: NodeId(5), up: 0, inner: [NodeId(6)], output: Some(1) } List(Path)",
            "gen.n = Output { node: NodeId(0), up: 0, inner: [], output: Some(0) } Int",
        ]
    );
    assert_eq!(
        edges(&plan),
        ["outer.t <- gen^1", "outer.inner.u <- outer.t^1", "short <- outer", "short <- outer^1", "end <- short outer"]
    );
}

#[test]
fn things_of_a_task_come_after_those_they_read() {
    let plan = plan(
        r#"
[task.t]
command = "echo {{ vars.a }} {{ attempt }} {{ run.id }} {{ env.HOME }} {{ outputs.f }} {{ resources.cpus }}"
when = "{{ vars.go }}"
vars.a = "{{ vars.b }}"
vars.b = "{{ inputs.x }} {{ env.B }}"
vars.go = "{{ env.GO == '1' }}"
env.A = "{{ vars.a }}"
env.B = "{{ env.B }}:{{ env.C }}"
env.C = 3
inputs.x = "x"
inputs.y = "{{ inputs.x }}.bai"
outputs.f = { file = "{{ inputs.y }}.out" }
outputs.n = "int"
resources.cpus = 2
resources.memory = "{{ resources.cpus }}GB"
"#,
    );
    let task = task(&plan, "t");
    let order: Vec<String> = task.order.iter().map(|local| format!("{local:?}")).collect();
    assert_eq!(
        order,
        [
            "Var(2)",
            "Input(0)",
            "Env(2)",
            "Env(1)",
            "Var(1)",
            "Var(0)",
            "Env(0)",
            "Input(1)",
            "Output(0)",
            "Output(1)",
            "Resource(0)",
            "Resource(1)",
        ]
    );
    assert_eq!(task.before_when, 1);
    let names: Vec<String> = task.names.paths().iter().map(|path| path.join(".")).collect();
    assert_eq!(
        names,
        [
            "resources.cpus",
            "vars.b",
            "inputs.x",
            "env.B",
            "env.GO",
            "vars.a",
            "env.C",
            "inputs.y",
            "attempt",
            "run.id",
            "env.HOME",
            "outputs.f",
            "vars.go",
        ]
    );
}

#[test]
fn an_outer_item_of_the_same_name_is_no_trouble() {
    let plan = plan(
        r#"
[map.outer]
over = { csv = "s.csv" }
[map.outer.map.inner]
over = { range = [0, "{{ item.n | int }}"] }
key = "{{ item }}-{{ index }}"
[map.outer.map.inner.task.t]
command = "echo {{ item }}"
"#,
    );
    let inner = map(&plan, "outer.inner");
    assert_eq!(shown(&inner.reads), ["item.n = Item { up: 0 } .n String"]);
    let names: Vec<String> = inner.item_names.paths().iter().map(|path| path.join(".")).collect();
    assert_eq!(names, ["(hidden).item.n", "item", "index"]);
}

#[test]
fn only_the_text_of_the_file_makes_a_glob() {
    let plan = plan(
        r#"
[params.files]
type = "list<path>"
default = ["a*.txt"]
[task.t]
command = "true"
inputs.a = "{{ params.files[0] }}"
inputs.b = "{{ params.files[0] }}/*"
inputs.c = ["x", "[ab].txt"]
"#,
    );
    let globs: Vec<bool> = task(&plan, "t").inputs.iter().map(|input| input.glob).collect();
    assert_eq!(globs, [false, true, true]);
}

#[test]
fn words_that_may_be_scripts() {
    let plan = plan(
        r#"
[task.t]
command = "python3 scripts/x.py made.txt sub/{{ outputs.f }} > log.txt"
outputs.f = { file = "made.txt" }
[task.u]
argv = ["./run.sh", "made.txt", "{{ t.f }}"]
[task.v]
script = "print(1)"
interpreter = ["python3", "-I"]
"#,
    );
    for (name, words) in [("t", vec!["python3", "scripts/x.py"]), ("u", vec!["./run.sh"]), ("v", vec!["python3", "-I"])]
    {
        let found: Vec<&str> = task(&plan, name).words.iter().map(|w| &**w).collect();
        assert_eq!(found, words, "{name}");
    }
}

#[test]
fn a_selection_takes_what_is_needed() {
    let plan = plan(
        r#"
[task.ref]
command = "true"
outputs.n = "int"
[task.list]
command = "true"
outputs.l = "list<string>"
[map.align]
over = "{{ list.l }}"
key = "{{ item }}"
[map.align.task.bwa]
command = "echo {{ item }} {{ ref.n }}"
outputs.n = "int"
[task.single]
over = [1, 2]
command = "echo {{ item }}"
[task.end]
command = "echo {{ align.bwa.n }}"
"#,
    );
    let names = |wanted: &[bool]| -> Vec<String> {
        let nodes = plan.bodies.as_slice()[0].nodes.iter().zip(wanted).filter(|(_, wanted)| **wanted);
        nodes.map(|(id, _)| plan.nodes[*id].name.to_string()).collect()
    };
    assert_eq!(names(&plan.select(&[]).unwrap()).len(), 5);
    assert_eq!(names(&plan.select(&["align"]).unwrap()), ["ref", "list", "align"]);
    assert_eq!(names(&plan.select(&["align", "single"]).unwrap()), ["ref", "list", "align", "single"]);
    assert_eq!(names(&plan.select(&["align.bwa"]).unwrap()), ["ref", "list", "align"]);
    let said = |name: &str| {
        let sources = crate::diag::Sources::default();
        crate::diag::render(&[plan.select(&["ref", name]).unwrap_err()], &sources, false)
    };
    assert_eq!(
        said("align[NA.12].bwa"),
        r#"error[E0407]: `align[NA.12].bwa` is an instance, and a node is run as a whole
 |
 = help: name the node: `align.bwa`; of its instances those that are cached do not run again
"#
    );
    assert_eq!(
        said("algn[x]"),
        r#"error[E0407]: the pipeline has no node `algn[x]`
 |
 = help: did you mean `align`?
"#
    );
    assert_eq!(
        said("bwa"),
        r#"error[E0407]: the pipeline has no node `bwa`
 |
 = help: did you mean `align.bwa`?
"#
    );
    assert_eq!(
        said("zzz"),
        r#"error[E0407]: the pipeline has no node `zzz`
 |
 = help: `flowrun graph` shows the nodes
"#
    );
}
