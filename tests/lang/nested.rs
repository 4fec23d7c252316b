//! Maps inside maps, and maps over what only an earlier task makes.

use crate::common::Project;
use crate::{counts, outputs, ran};
use serde_json::json;
use snapbox::str;

#[test]
fn nested_maps_give_lists_of_lists_in_item_order() {
    let project = Project::new(
        r#"
[map.outer]
over = ["a", "b", "c"]
as = "letter"
[map.outer.task.start]
command = 'echo "n={{ index + 1 }}" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"
[map.outer.map.inner]
over = { range = [0, "{{ start.n }}"] }
as = "number"
[map.outer.map.inner.task.join]
# later items end earlier
command = 'sleep 0.0{{ 3 - number }}; echo "x={{ letter }}{{ number }}{{ index }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[map.outer.task.end]
command = 'echo "x={{ inner.join.x | join("+") }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.all]
command = 'printf %s {{ outer.inner.join.x | tojson }}'
outputs.x = { type = "list<list<string>>", from = "stdout" }
[outputs]
join = "{{ outer.inner.join.x }}"
second = "{{ outer.inner.join.x[1] }}"
ends = "{{ outer.end.x }}"
all = "{{ all.x }}"
"#,
    );
    assert_eq!(
        outputs(&project),
        json!({
            "join": [["a00"], ["b00", "b11"], ["c00", "c11", "c22"]],
            "second": ["b00", "b11"],
            "ends": ["a00", "b00+b11", "c00+c11+c22"],
            "all": [["a00"], ["b00", "b11"], ["c00", "c11", "c22"]]
        })
    );
    project.run("plan --force outer.inner.join").shows(str![[r#"
exit 0
--- out
outer.start: cached 3
outer.inner.join: run 6
  forced
outer.end: unknown 3
  waits for `outer.inner`
all: unknown
  waits for `outer`

run 6 · cached 3 · unknown 4

"#]]);
    assert_eq!(counts(&project, "run --output json --force outer.inner.join"), (6, 7));
}

#[test]
fn inner_item_and_index_hide_the_outer_ones() {
    let project = Project::new(
        r#"
[map.a]
over = ["x", "y"]
[map.a.task.outer]
command = 'echo "v={{ item }}{{ index }}" >> "$FLOWRUN_OUTPUT"'
outputs.v = "string"
[map.a.map.b]
over = ["{{ item }}1", "{{ item }}2", "{{ outer.v }}"]
[map.a.map.b.task.t]
command = 'echo "v={{ item }}/{{ index }}/{{ outer.v }}" >> "$FLOWRUN_OUTPUT"'
outputs.v = "string"
[map.a.map.b.map.c]
over = "{{ [t.v, index] }}"
[map.a.map.b.map.c.task.deep]
command = 'echo "v={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.v = "string"
[outputs]
t = "{{ a.b.t.v }}"
deep = "{{ a.b.c.deep.v[1][2] }}"
"#,
    );
    assert_eq!(
        outputs(&project),
        json!({
            "t": [["x1/0/x0", "x2/1/x0", "x0/2/x0"], ["y1/0/y1", "y2/1/y1", "y1/2/y1"]],
            "deep": ["y1/2/y1", "2"]
        })
    );
}

#[test]
fn a_map_over_a_list_that_a_task_makes() {
    let project = Project::new(
        r#"
[task.list]
command = 'cat list.json | sed "s/^/names=/" >> "$FLOWRUN_OUTPUT"'
inputs.list = "list.json"
outputs.names = "list<string>"
[map.each]
over = "{{ list.names }}"
as = "name"
[map.each.task.hello]
command = 'echo {{ name }} >> ran; echo "x=hello {{ name }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[outputs]
all = "{{ each.hello.x }}"
"#,
    );
    project.write("list.json", r#"["a","b"]"#);
    project.run("plan").shows(str![[r#"
exit 0
--- out
list: run
  never run before
each: unknown
  waits for `list`

run 1 · cached 0 · unknown 1

"#]]);
    assert_eq!(outputs(&project), json!({ "all": ["hello a", "hello b"] }));
    project.write("list.json", r#"["b","c","a"]"#);
    project.run("plan").shows(str![[r#"
exit 0
--- out
list: run
  file list.json: [DIGEST] → [DIGEST]
  input list: "list.json" ([DIGEST]) → "list.json" ([DIGEST])
each: unknown
  waits for `list`

run 1 · cached 0 · unknown 1

"#]]);
    ran(&project);
    assert_eq!(outputs(&project), json!({ "all": ["hello b", "hello c", "hello a"] }));
    assert_eq!(ran(&project), ["c"]);
}

#[test]
fn a_map_over_a_file_that_a_task_makes() {
    let project = Project::new(
        r#"
[task.sheet]
command = 'tr a-z A-Z < {{ inputs.raw }} > {{ outputs.sheet }}'
inputs.raw = "raw.txt"
outputs.sheet = { file = "made/sheet.csv" }
[map.by_reference]
over = { csv = "{{ sheet.sheet }}" }
[map.by_reference.task.t]
command = 'echo "x={{ item.ID }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[map.by_path]
over = { lines = "made/sheet.csv" }
[map.by_path.task.t]
command = 'echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[map.by_glob]
over = { glob = "made/*.csv" }
[map.by_glob.task.t]
command = 'echo "x=$(wc -l < {{ item }})" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[outputs]
by_reference = "{{ by_reference.t.x }}"
by_path = "{{ by_path.t.x }}"
by_glob = "{{ by_glob.t.x }}"
"#,
    );
    project.write("raw.txt", "id,n\nx,1\ny,2\n");
    let expected =
        |ids: &[&str], lines: &[&str], n: u32| json!({ "by_reference": ids, "by_path": lines, "by_glob": [n] });
    assert_eq!(outputs(&project), expected(&["X", "Y"], &["ID,N", "X,1", "Y,2"], 3));
    project.write("raw.txt", "id,n\nx,1\nz,5\ny,2\n");
    assert_eq!(outputs(&project), expected(&["X", "Z", "Y"], &["ID,N", "X,1", "Z,5", "Y,2"], 4));
    assert_eq!(counts(&project, "run --output json"), (0, 9));
}

#[test]
fn a_map_over_files_of_a_map() {
    let project = Project::new(
        r#"
[map.make]
over = ["b", "a"]
[map.make.task.t]
command = 'echo {{ item }} > {{ outputs.f }}'
outputs.f = { file = "made/{{ item }}.txt" }
[map.read]
over = "{{ make.t.f }}"
as = "path"
[map.read.task.t]
command = 'echo {{ path }} >> ran; echo "x={{ path }}:$(cat {{ path }})" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.all]
command = 'cat {{ inputs.files }}'
inputs.files = "made/*.txt"
outputs.x = { type = "string", from = "stdout" }
[outputs]
read = "{{ read.t.x }}"
all = "{{ all.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "read": ["made/b.txt:b", "made/a.txt:a"], "all": "a\nb" }));
    assert_eq!(counts(&project, "run --output json"), (0, 5));
    // What a path names counts by its content: a file changed by hand is made again, and then nothing else is new.
    project.write("made/a.txt", "changed\n");
    ran(&project);
    assert_eq!(counts(&project, "run --output json"), (1, 4));
    assert_eq!(ran(&project), Vec::<String>::new());
}

#[test]
fn an_empty_list_inside() {
    let project = Project::new(
        r#"
[map.a]
over = [0, 2]
as = "n"
[map.a.map.b]
over = "{{ range(n) }}"
[map.a.map.b.task.t]
command = 'echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[map.a.task.sum]
command = 'echo "x={{ b.t.x | sum }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[outputs]
b = "{{ a.b.t.x }}"
sum = "{{ a.sum.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "b": [[], [0, 1]], "sum": [0, 1] }));
}

#[test]
fn an_inner_map_over_the_item() {
    let project = Project::new(
        r#"
[map.s]
over = { jsonl = "samples.jsonl" }
as = "sample"
key = "{{ sample.id }}"
[map.s.map.f]
over = "{{ sample.files }}"
as = "file"
key = "{{ file | replace('.txt', '') }}"
[map.s.map.f.task.t]
command = 'echo "x={{ sample.id }}:$(cat {{ inputs.file }})" >> "$FLOWRUN_OUTPUT"'
inputs.file = "{{ file }}"
outputs.x = "string"
[outputs]
all = "{{ s.f.t.x }}"
"#,
    );
    project.write(
        "samples.jsonl",
        "{\"id\": \"A\", \"files\": [\"1.txt\", \"2.txt\"]}\n{\"id\": \"B\", \"files\": [\"1.txt\"]}\n",
    );
    project.write("1.txt", "one").write("2.txt", "two");
    assert_eq!(outputs(&project), json!({ "all": [["A:one", "A:two"], ["B:one"]] }));
    project.write("1.txt", "uno");
    project.run("plan").shows(str![[r#"
exit 0
--- out
s.f.t: run 2 · cached 1
  s[A].f[1].t, s[B].f[1].t
    input file: "1.txt" ([DIGEST]) → "1.txt" ([DIGEST])

run 2 · cached 1 · unknown 0

"#]]);
    project.run("explain s[B].f[1]").shows(str![[r#"
exit 0
--- out
s[B].f[1].t: run
  input file: "1.txt" ([DIGEST]) → "1.txt" ([DIGEST])
  its key is made of
    command: echo "x={{ sample.id }}:$(cat {{ inputs.file }})" >> "$FLOWRUN_OUT…
    shell: ["bash","-euo","pipefail","-c"]
    output x: string
    value file: "1.txt"
    value sample.id: "B"
    input file: "1.txt" ([DIGEST])

"#]]);
}

#[test]
fn a_name_of_a_body_from_outside_and_inside() {
    let text = |read: &str| {
        format!(
            "[map.m]\nover = [1]\n[map.m.task.t]\ncommand = 'echo \"x={{{{ item }}}}\" >> \"$FLOWRUN_OUTPUT\"'\n\
             outputs.x = \"int\"\n[map.m.task.u]\ncommand = 'echo {{{{ {read} }}}}'\n"
        )
    };
    Project::new(&text("m.t.x")).run("check").shows(str![[r#"
exit 2
--- err
error[E0305]: inside the map `m` the name `m` has no meaning yet
 --> pipeline.toml:7:20
  |
7 | command = 'echo {{ m.t.x }}'
  |                    ^
  |
  = help: the list is there when the whole map has ended; for this item's own write `t.…`

1 mistake in `pipeline.toml`

"#]]);
    Project::new(&text("t.y")).run("check").shows(str![[r#"
exit 2
--- err
error[E0303]: the task `t` declares no output `y`
 --> pipeline.toml:7:22
  |
3 | [map.m.task.t]
  |             - the task
...
7 | command = 'echo {{ t.y }}'
  |                      ^
  |
  = help: it declares `x`

1 mistake in `pipeline.toml`

"#]]);
    Project::new(
        "[map.m]\nover = [1]\n[map.m.task.t]\ncommand = 'echo {{ item }}'\n[task.u]\ncommand = 'echo {{ t.x }}'\n",
    )
    .run("check")
    .shows(str![[r#"
exit 2
--- err
error[E0309]: `t` stands inside the map `m`
 --> pipeline.toml:6:20
  |
3 | [map.m.task.t]
  |             - it stands here
...
6 | command = 'echo {{ t.x }}'
  |                    ^ nothing of this name is seen from here
  |
  = help: name the map too: `m.t.x`, a list with one value for each item

1 mistake in `pipeline.toml`

"#]]);
}
