//! The constructs of real pipelines, in the shapes in which they come: sample sheets, groups, optional columns, choices
//! by item, gathering by one axis, lists that are known at run time only.

use crate::common::Project;
use crate::{counts, failure, outputs, ran};
use serde_json::json;
use snapbox::str;

#[test]
fn a_sheet_of_samples_and_units() {
    let project = Project::new(
        r#"
[params.adapter]
type = "string"
default = ""

# one item a unit; single-end units have an empty second file
[map.unit]
over = { tsv = "units.tsv" }
as = "u"
where = "{{ u.use != 'no' }}"
key = "{{ u.sample }}.{{ u.lane }}"
[map.unit.task.trim]
command = 'cat {{ inputs.reads }} | tr -d "{{ vars.adapter }}" > {{ outputs.trimmed }}'
inputs.reads = "{{ [u.fq1, u.fq2] | reject('eq', '') | list }}"
vars.adapter = "{{ u.adapter or params.adapter }}"
outputs.trimmed = { file = "trimmed/{{ u.sample }}.{{ u.lane }}.fq" }

# one item a sample, of all its units
[map.sample]
over = { tsv = "units.tsv" }
as = "u"
where = "{{ u.use != 'no' }}"
group_by = "{{ u.sample }}"
key = "{{ u.key }}"
[map.sample.task.merge]
command = 'cat {{ inputs.units }} > {{ outputs.merged }}'
inputs.units = "trimmed/{{ u.key }}.*.fq"
outputs.merged = { file = "merged/{{ u.key }}.fq" }
[outputs]
trimmed = "{{ unit.trim.trimmed }}"
merged = "{{ sample.merge.merged }}"
"#,
    );
    project.write(
        "units.tsv",
        "sample\tlane\tfq1\tfq2\tadapter\tuse\nA\t1\ta1.fq\ta2.fq\t\tyes\nB\t1\tb.fq\t\tx\tyes\nA\t2\ta3.fq\t\t\tno\n",
    );
    for (name, text) in [("a1.fq", "axa1\n"), ("a2.fq", "a2\n"), ("b.fq", "bxbx\n"), ("a3.fq", "never read\n")] {
        project.write(name, text);
    }
    assert_eq!(
        outputs(&project),
        json!({ "trimmed": ["trimmed/A.1.fq", "trimmed/B.1.fq"], "merged": ["merged/A.fq", "merged/B.fq"] })
    );
    assert_eq!((project.read("merged/A.fq"), project.read("merged/B.fq")), ("axa1\na2\n".into(), "bb\n".into()));
    assert_eq!(counts(&project, "run --output json"), (0, 4));
    // Another adapter for all reruns all that name it; what comes out the same stops there.
    assert_eq!(counts(&project, "run --output json -p adapter=a"), (3, 1));
    assert_eq!(project.read("merged/A.fq"), "x1\n2\n");
}

#[test]
fn a_group_takes_the_files_of_its_members() {
    let project = Project::new(
        r#"
[map.unit]
over = { csv = "units.csv" }
as = "u"
outputs.sample = "{{ u.sample }}"
outputs.file = "{{ cut.f }}"
[map.unit.task.cut]
command = 'echo cut {{ u.sample }}{{ u.lane }} >> ran; echo {{ u.sample }}{{ u.lane }} > {{ outputs.f }}'
outputs.f = { file = "cut/{{ u.sample }}.{{ u.lane }}" }

[map.sample]
over = "{{ unit }}"
as = "s"
group_by = "{{ s.sample }}"
key = "{{ s.key }}"
[map.sample.task.merge]
command = 'echo merge {{ s.key }} >> ran; cat {{ inputs.files }} > {{ outputs.f }}'
inputs.files = "{{ s.members | map(attribute='file') | list }}"
outputs.f = { file = "merged/{{ s.key }}" }

[task.report]
command = 'echo report >> ran; paste -sd, {{ sample.merge.f }}'
outputs.line = { type = "string", from = "stdout" }
[outputs]
line = "{{ report.line }}"
"#,
    );
    project.write("units.csv", "sample,lane\nA,1\nB,1\nA,2\n");
    assert_eq!(outputs(&project), json!({ "line": "A1,A2\nB1" }));
    ran(&project);
    project.write("units.csv", "sample,lane\nA,1\nB,1\nA,2\nB,2\n");
    assert_eq!(outputs(&project), json!({ "line": "A1,A2\nB1,B2" }));
    assert_eq!(ran(&project), ["cut B2", "merge B", "report"]);
    // A member's file by hand: made again, and nothing else is new.
    project.write("cut/A.2", "by hand\n");
    assert_eq!(outputs(&project), json!({ "line": "A1,A2\nB1,B2" }));
    assert_eq!(ran(&project), ["cut A2"]);
}

#[test]
fn a_switch_that_takes_a_step_out() {
    let project = Project::new(
        r#"
[params.trim]
type = "bool"
default = true
[task.trim]
when = "{{ params.trim }}"
command = 'echo trim >> ran; tr -d x < {{ inputs.raw }} > {{ outputs.f }}'
inputs.raw = "raw.txt"
outputs.f = { file = "trimmed.txt" }
[task.count]
command = 'echo count {{ inputs.reads }} >> ran; wc -c < {{ inputs.reads }}'
inputs.reads = "{{ first(trim.f, 'raw.txt') }}"
outputs.n = { type = "int", from = "stdout" }
[outputs]
n = "{{ count.n }}"
"#,
    );
    project.write("raw.txt", "axbx");
    assert_eq!(outputs(&project), json!({ "n": 2 }));
    let said = project.run("run --output json -p trim=false").exits(0).json();
    assert_eq!(said["outputs"], json!({ "n": 4 }));
    assert_eq!(ran(&project), ["count raw.txt", "count trimmed.txt", "trim"]);
    assert_eq!(counts(&project, "run --output json"), (0, 2));
}

#[test]
fn a_product_gathered_by_one_axis() {
    let project = Project::new(
        r#"
[task.list]
command = 'cut -f1 {{ inputs.fai }} > {{ outputs.contigs }}'
inputs.fai = "ref.fai"
outputs.contigs = { file = "contigs.txt" }
[map.by_contig]
over = { lines = "{{ list.contigs }}" }
as = "contig"
key = "{{ contig }}"
[map.by_contig.map.by_sample]
over = { csv = "samples.csv" }
as = "sample"
key = "{{ sample.id }}"
[map.by_contig.map.by_sample.task.call]
command = 'echo call {{ contig }} {{ sample.id }} >> ran; echo {{ contig }}:{{ sample.id }} > {{ outputs.vcf }}'
outputs.vcf = { file = "calls/{{ contig }}.{{ sample.id }}.vcf" }
[map.by_contig.task.combine]
command = 'echo combine {{ contig }} >> ran; cat {{ by_sample.call.vcf }} > {{ outputs.vcf }}'
outputs.vcf = { file = "combined/{{ contig }}.vcf" }
[task.merge]
command = 'echo merge >> ran; cat {{ by_contig.combine.vcf }}'
outputs.all = { type = "string", from = "stdout" }
[outputs]
all = "{{ merge.all }}"
calls = "{{ by_contig.by_sample.call.vcf }}"
"#,
    );
    project.write("ref.fai", "gi|9|ref|N.1|\t10\nchr2\t20\n").write("samples.csv", "id\na\nb\n");
    let said = outputs(&project);
    assert_eq!(said["all"], "gi|9|ref|N.1|:a\ngi|9|ref|N.1|:b\nchr2:a\nchr2:b");
    assert_eq!(said["calls"][0][1], "calls/gi|9|ref|N.1|.b.vcf");
    ran(&project);
    project.write("ref.fai", "chr3\t5\ngi|9|ref|N.1|\t10\nchr2\t20\n");
    assert_eq!(outputs(&project)["all"], "chr3:a\nchr3:b\ngi|9|ref|N.1|:a\ngi|9|ref|N.1|:b\nchr2:a\nchr2:b");
    assert_eq!(ran(&project), ["call chr3 a", "call chr3 b", "combine chr3", "merge"]);
    project.write("samples.csv", "id\na\nb\nc\n");
    outputs(&project);
    assert_eq!(ran(&project).len(), 3 + 3 + 1);
    project.run("explain by_contig[chr2].by_sample[c].call").shows(str![[r#"
exit 0
--- out
by_contig[chr2].by_sample[c].call: cached
  made by run 3 at [TIME] UTC on [HOST] in [TIME]
  its key is made of
    command: echo call {{ contig }} {{ sample.id }} >> ran; echo {{ contig }}:{…
    shell: ["bash","-euo","pipefail","-c"]
    output vcf: file calls/{{ contig }}.{{ sample.id }}.vcf
    value contig: "chr2"
    value sample.id: "c"

"#]]);
}

#[test]
fn items_chosen_by_what_a_task_found() {
    let project = Project::new(
        r#"
[map.sample]
over = { csv = "samples.csv" }
as = "s"
key = "{{ s.id }}"
outputs.id = "{{ s.id }}"
outputs.reads = "{{ count.reads }}"
[map.sample.task.count]
command = 'wc -l < {{ inputs.file }}'
inputs.file = "{{ s.file }}"
outputs.reads = { type = "int", from = "stdout" }
[params.least]
type = "int"
default = 2
[map.good]
over = "{{ sample }}"
where = "{{ item.reads >= params.least }}"
key = "{{ item.id }}"
[map.good.task.use]
command = 'echo use {{ item.id }} >> ran; echo "x={{ item.id }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.dropped]
command = 'printf "%s;" {{ vars.dropped }}'
vars.dropped = "{{ sample | selectattr('reads', 'lt', params.least) | map(attribute='id') | list }}"
outputs.names = { type = "string", from = "stdout" }
[outputs]
good = "{{ good.use.x }}"
dropped = "{{ dropped.names }}"
"#,
    );
    project.write("samples.csv", "id,file\na,a.txt\nb,b.txt\nc,c.txt\n");
    project.write("a.txt", "1\n2\n").write("b.txt", "1\n").write("c.txt", "1\n2\n3\n");
    assert_eq!(outputs(&project), json!({ "good": ["a", "c"], "dropped": "b;" }));
    ran(&project);
    let said = project.run("run --output json -p least=1").exits(0).json();
    assert_eq!(said["outputs"], json!({ "good": ["a", "b", "c"], "dropped": ";" }));
    assert_eq!(ran(&project), ["use b"]);
}

#[test]
fn a_table_of_contrasts() {
    let project = Project::new(
        r#"
[params.contrasts]
type = "map<list<string>>"
default = { treated = ["t", "u"], late = ["l", "e"] }
[map.contrast]
over = "{{ params.contrasts | items }}"
as = "c"
key = "{{ c[0] }}"
[map.contrast.task.diff]
command = 'printf "%s " {{ c[1] }}; printf %s {{ c[0] }}'
outputs.x = { type = "string", from = "stdout" }
[outputs]
x = "{{ contrast.diff.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "x": ["t u treated", "l e late"] }));
    project.write("p.toml", "[contrasts]\ntreated = [\"t\", \"u\"]\nlate = [\"l\", \"x\"]\n");
    project.run("plan --params p.toml").shows(str![[r#"
exit 0
--- out
contrast.diff: run 1 · cached 1
  contrast[late].diff
    value c: ["late",["l","e"]] → ["late",["l","x"]]

run 1 · cached 1 · unknown 0

"#]]);
}

#[test]
fn a_shorthand_inside_a_map() {
    let project = Project::new(
        r#"
[map.m]
over = ["a", "b"]
as = "letter"
[map.m.task.n]
over = { range = [0, 2] }
as = "number"
command = 'echo "x={{ letter }}{{ number }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[map.m.task.join]
command = 'echo "x={{ n.x | join(",") }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[outputs]
n = "{{ m.n.x }}"
join = "{{ m.join.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "n": [["a0", "a1"], ["b0", "b1"]], "join": ["a0,a1", "b0,b1"] }));
    project.run("explain m[1].n[0]").shows(str![[r#"
exit 0
--- out
m[1].n[0]: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its key is made of
    command: echo "x={{ letter }}{{ number }}" >> "$FLOWRUN_OUTPUT"
    shell: ["bash","-euo","pipefail","-c"]
    output x: string
    value letter: "b"
    value number: 0

"#]]);
}

#[test]
fn an_input_that_changes_meanwhile_is_not_trusted() {
    let project = Project::new(
        "[task.t]\ncommand = 'cat {{ inputs.f }}; echo more >> in.txt'\ninputs.f = \"in.txt\"\noutputs.x = { type = \"string\", from = \"stdout\" }\n",
    );
    project.write("in.txt", "one\n");
    project.run("run").shows(str![[r#"
exit 0
--- out
run 1 succeeded: 1 succeeded in [TIME]
--- err
[0/1] started   t
t: an input changed while it ran, so that its result is not kept for later runs
[1/1] done      t  [TIME]

"#]]);
    project.edit("pipeline.toml", "; echo more >> in.txt", "");
    assert_eq!(counts(&project, "run --output json"), (1, 0));
    assert_eq!(counts(&project, "run --output json"), (0, 1));
}

#[test]
fn a_value_in_the_glob_of_an_input_is_no_pattern() {
    let project = Project::new(
        r#"
[task.t]
over = ["a*", "[b]"]
command = 'cat {{ inputs.files }}'
inputs.files = ["{{ item }}/*.txt", "{{ item }}/{{ '*' }}"]
outputs.x = { type = "string", from = "stdout" }
[outputs]
x = "{{ t.x }}"
"#,
    );
    for (name, text) in [
        ("a*/1.txt", "1"),
        ("aa/1.txt", "wrong"),
        ("a*/*", "star"),
        ("[b]/2.txt", "2"),
        ("b/2.txt", "wrong"),
        ("[b]/*", "s"),
    ] {
        project.write(name, text);
    }
    assert_eq!(outputs(&project), json!({ "x": ["1star", "2s"] }));
    std::fs::remove_file(project.path("[b]/*")).unwrap();
    let expected = "prepare: the input `files` is not there: `[b]/*` | a path is relative to the pipeline file's folder; \
                    if a task makes the file, declare it among that task's outputs";
    assert_eq!(failure(&project, "run --output json"), expected);
}
