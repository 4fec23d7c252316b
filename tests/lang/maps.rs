//! What a map does with its items: `where`, `group_by`, `chunk`, `key`, `as`, `index`, `max_parallel`, results.

use crate::common::Project;
use crate::{counts, outputs, ran};
use serde_json::{Value, json};
use snapbox::str;

/// A map with these lines whose only task gives its item back, over the table `list`.
fn table(lines: &str) -> Project {
    let project = Project::new(&format!(
        r#"
[map.m]
over = {{ csv = "list" }}
{lines}
[map.m.task.t]
command = 'printf %s {{{{ item | tojson }}}}'
outputs.item = {{ type = "json", from = "stdout" }}
[outputs]
items = "{{{{ m.t.item }}}}"
"#
    ));
    project.write("list", "sample,lane,size\nA,1,10\nB,1,0\nA,2,7\nC,1,3\nB,2,4\n");
    project
}

#[track_caller]
fn items(lines: &str) -> Value {
    outputs(&table(lines))["items"].clone()
}

#[test]
fn where_drops_items() {
    assert_eq!(
        items(r#"where = "{{ item['size'] | int > 3 }}""#),
        json!([
            { "sample": "A", "lane": "1", "size": "10" },
            { "sample": "A", "lane": "2", "size": "7" },
            { "sample": "B", "lane": "2", "size": "4" }
        ])
    );
    assert_eq!(items(r#"where = "{{ index == 3 }}""#), json!([{ "sample": "C", "lane": "1", "size": "3" }]));
    assert_eq!(items(r#"where = "{{ false }}""#), json!([]));
}

#[test]
fn where_that_is_no_condition() {
    table(r#"where = "{{ item.sample }}""#).run("run").shows(str![[r#"
exit 2
--- err
error[E0315]: `item.sample` is a string, not true or false
 --> pipeline.toml:4:9
  |
4 | where = "{{ item.sample }}"
  |         ^^^^^^^^^^^^^^^^^^^
  |
  = help: compare it: `where = "{{ item.sample == 'yes' }}"`

"#]]);
    table(r#"where = "{{ item.colour == 'red' }}""#).run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: item 0: `where`: `item` has no field `colour`
 --> pipeline.toml:4:10
  |
4 | where = "{{ item.colour == 'red' }}"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: its fields are `sample`, `lane` and `size`

"#]]);
}

#[test]
fn group_by_makes_groups_in_order_of_first_appearance() {
    let project = Project::new(
        r#"
[map.m]
over = { csv = "list" }
as = "unit"
group_by = "{{ unit.sample }}"
key = "{{ unit.key }}"
[map.m.task.t]
command = 'printf "%s:" {{ unit.key }}; printf " %s" {{ unit.members | map(attribute="lane") }}'
outputs.line = { type = "string", from = "stdout" }
[outputs]
lines = "{{ m.t.line }}"
"#,
    );
    project.write("list", "sample,lane\nB,2\nA,1\nB,1\nA,3\nA,2\n");
    assert_eq!(outputs(&project), json!({ "lines": ["B: 2 1", "A: 1 3 2"] }));
    project.run("plan").shows(str![[r#"
exit 0
--- out
m.t: cached 2

run 0 · cached 2 · unknown 0

"#]]);
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  lines = ["B: 2 1", "A: 1 3 2"]
run 2 succeeded: 2 cached in [TIME]
--- err
[0/2] listed    m  2 items
[2/2] cached    m.t  2 instances

"#]]);
}

#[test]
fn groups_of_values_that_are_no_text_and_null_items() {
    let project = Project::new(
        r#"
[task.t]
over = ["{{ none }}", { g = 1, v = "a" }, { g = [2], v = "b" }, { g = 1, v = "c" }, "{{ none }}", { g = "1", v = "d" }]
group_by = "{{ item.g }}"
command = 'printf %s {{ item.members | map(attribute="v") | join }}'
outputs.x = { type = "string", from = "stdout" }
[outputs]
x = "{{ t.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "x": ["ac", "b", "d"] }));
}

#[test]
fn chunk_hands_over_so_many() {
    let project = |size: u32| {
        Project::new(&format!(
            r#"
[task.t]
over = {{ range = [0, 7] }}
chunk = {size}
command = 'echo "sum=$(( {{{{ item | join("+") | raw }}}} ))" >> "$FLOWRUN_OUTPUT"'
outputs.sum = "int"
[outputs]
sums = "{{{{ t.sum }}}}"
"#
        ))
    };
    assert_eq!(outputs(&project(3)), json!({ "sums": [3, 12, 6] }));
    assert_eq!(outputs(&project(1)), json!({ "sums": [0, 1, 2, 3, 4, 5, 6] }));
    assert_eq!(outputs(&project(7)), json!({ "sums": [21] }));
    assert_eq!(outputs(&project(100)), json!({ "sums": [21] }));
}

#[test]
fn where_then_group_by_then_chunk() {
    let lines = "where = \"{{ item['size'] != '0' }}\"\ngroup_by = \"{{ item.sample }}\"\nchunk = 2\n";
    assert_eq!(
        items(lines),
        json!([
            [
                { "key": "A", "members": [
                    { "sample": "A", "lane": "1", "size": "10" },
                    { "sample": "A", "lane": "2", "size": "7" }
                ] },
                { "key": "C", "members": [{ "sample": "C", "lane": "1", "size": "3" }] }
            ],
            [{ "key": "B", "members": [{ "sample": "B", "lane": "2", "size": "4" }] }]
        ])
    );
}

#[test]
fn a_key_names_the_items() {
    let project = table("key = \"{{ item.sample }}-{{ item.lane }}\"");
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  items = [{"sample": "A", "lane": "1", "size": "10"}, {"sample": "B", "lane": "1", "size": "0"}, {"sample": "A", "lane": "2", "size": "7"}, {"sample": "C", "lane": "1", "size": "3"}, {"sample": "B", "lane": "2", "size": "4"}]
run 1 succeeded: 5 succeeded in [TIME]
--- err
[0/5] listed    m  5 items
[0/5] started   m[A-1].t
[1/5] done      m[A-1].t  [TIME]
[1/5] started   m[B-1].t
[2/5] done      m[B-1].t  [TIME]
[2/5] started   m[A-2].t
[3/5] done      m[A-2].t  [TIME]
[3/5] started   m[C-1].t
[4/5] done      m[C-1].t  [TIME]
[4/5] started   m[B-2].t
[5/5] done      m[B-2].t  [TIME]

"#]]);
    project.run("explain m[A-2]").shows(str![[r#"
exit 0
--- out
m[A-2].t: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its key is made of
    command: printf %s {{ item | tojson }}
    shell: ["bash","-euo","pipefail","-c"]
    output item: json from stdout
    value item: {"sample":"A","lane":"2","size":"7"}

"#]]);
}

#[test]
fn a_key_that_names_two_items() {
    table("key = \"{{ item.sample }}\"").run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: items 0 and 2 have the same `key`, `A`
 --> pipeline.toml:4:7
  |
4 | key = "{{ item.sample }}"
  |       ^^^^^^^^^^^^^^^^^^^
  |
  = help: add something to `key` that tells them apart

"#]]);
    table("key = \"{{ item['size'] | replace('0', '') }}\"").run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: the `key` of item 1 is empty
 --> pipeline.toml:4:7
  |
4 | key = "{{ item['size'] | replace('0', '') }}"
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: give every item a name, or leave `key` out

"#]]);
    table("key = \"x[{{ index }}]\"").run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: the `key` of item 0 is `x[0]`
 --> pipeline.toml:4:7
  |
4 | key = "x[{{ index }}]"
  |       ^^^^^^^^^^^^^^^^
  |
  = help: a key has no brackets and no line ends: `| replace('[', '(')`

"#]]);
    table("key = \"{{ [index] }}\"").run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: item 0: `key`: the value of `[index]` is a list, and here it becomes text
 --> pipeline.toml:4:8
  |
4 | key = "{{ [index] }}"
  |        ^^^^^^^^^^^^^
  |
  = help: make it one text: `| join(',')`

"#]]);
}

#[test]
fn index_counts_from_0() {
    let project = Project::new(
        r#"
[map.m]
over = ["a", "b"]
as = "letter"
[map.m.task.t]
command = 'echo "x={{ index }}{{ letter }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[outputs]
all = "{{ m.t.x }}"
second = "{{ m.t.x[1] }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "all": ["0a", "1b"], "second": "1b" }));
}

#[test]
fn an_item_put_in_front_is_one_new_instance() {
    let project = Project::new(
        r#"
[map.m]
over = { lines = "list" }
[map.m.task.plain]
command = 'echo plain {{ item }} >> ran; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[map.m.task.counted]
command = 'echo counted {{ index }}{{ plain.x }} >> ran; echo "x={{ index }}{{ plain.x }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.all]
command = 'echo all >> ran; echo "x={{ m.plain.x | join }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[outputs]
all = "{{ all.x }}"
counted = "{{ m.counted.x }}"
"#,
    );
    project.write("list", "b\nc\n");
    assert_eq!(outputs(&project), json!({ "all": "bc", "counted": ["0b", "1c"] }));
    ran(&project);
    project.write("list", "a\nb\nc\n");
    assert_eq!(outputs(&project), json!({ "all": "abc", "counted": ["0a", "1b", "2c"] }));
    assert_eq!(ran(&project), ["all", "counted 0a", "counted 1b", "counted 2c", "plain a"]);
    // And taken away again: everything is known.
    project.write("list", "b\nc\n");
    assert_eq!(counts(&project, "run --output json"), (0, 5));
}

#[test]
fn only_what_is_read_of_an_item_counts() {
    let project = Project::new(
        r#"
[map.m]
over = { csv = "samples.csv" }
as = "sample"
key = "{{ sample.id }}"
[map.m.task.t]
command = 'echo {{ sample.id }} {{ sample.depth }} >> ran; echo "x={{ sample.depth }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[map.m.task.whole]
command = 'echo whole {{ sample.id }} >> ran; echo "x={{ sample | length }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
"#,
    );
    project.write("samples.csv", "id,depth,note\nA,1,-\nB,2,-\nC,3,-\n");
    project.run("run").exits(0);
    ran(&project);
    project.write("samples.csv", "id,depth,note\nA,1,new\nB,2,-\nC,3,-\n");
    project.run("run").exits(0);
    assert_eq!(ran(&project), ["whole A"]);
    project.write("samples.csv", "id,depth,note\nA,1,new\nB,2,-\nC,4,-\n");
    project.run("plan").shows(str![[r#"
exit 0
--- out
m.t: run 1 · cached 2
  m[C].t
    value sample.depth: "3" → "4"
m.whole: run 1 · cached 2
  m[C].whole
    value sample:
      - {"id":"C","depth":"3","note":"-"}
      + {"id":"C","depth":"4","note":"-"}

run 2 · cached 4 · unknown 0

"#]]);
    project.run("run").exits(0);
    assert_eq!(ran(&project), ["C 4", "whole C"]);
}

#[test]
fn max_parallel_is_a_limit_on_items() {
    let project = Project::new(
        r#"
[map.m]
over = { range = [0, 6] }
max_parallel = 2
[map.m.task.begin]
command = 'echo "+ {{ item }}" >> stamps; sleep 0.02; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[map.m.task.second]
command = 'sleep 0.02; echo "- {{ begin.x }}" >> stamps'
"#,
    );
    project.run("run -j 6").exits(0);
    let (mut now, mut most) = (0i32, 0);
    for line in project.lines("stamps") {
        now += if line.starts_with('+') { 1 } else { -1 };
        most = most.max(now);
    }
    assert_eq!((now, most), (0, 2), "{:?}", project.lines("stamps"));
    // Without the limit all six are at work at once: each waits for the others.
    let project = Project::new(
        r#"
[task.t]
over = { range = [0, 6] }
command = '''
echo {{ item }} >> stamps
until [ "$(wc -l < stamps)" = 6 ]; do sleep 0.01; done
'''
resources.time = "20s"
"#,
    );
    project.run("run -j 6").exits(0);
    assert_eq!(project.lines("stamps").len(), 6);
}

#[test]
fn a_map_may_name_its_results() {
    let project = Project::new(
        r#"
[map.m]
over = ["a", "b", "{{ none }}"]
outputs.name = "{{ one.x }}"
outputs.pair = ["{{ one.x }}", "{{ two.x }}"]
outputs.label = "{{ one.x }}-{{ two.x }}"
[map.m.task.one]
command = 'echo "x={{ item }}1" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[map.m.task.two]
command = 'echo "x={{ index }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.after]
command = 'echo {{ m | reject("none") | map(attribute="label") }}'
outputs.line = { type = "string", from = "stdout" }
[outputs]
whole = "{{ m }}"
names = "{{ m | map(attribute='name', default=none) }}"
first = "{{ m[0].pair }}"
line = "{{ after.line }}"
"#,
    );
    assert_eq!(
        outputs(&project),
        json!({
            "whole": [
                { "name": "a1", "pair": ["a1", 0], "label": "a1-0" },
                { "name": "b1", "pair": ["b1", 1], "label": "b1-1" },
                null
            ],
            "names": ["a1", "b1", null],
            "first": ["a1", 0],
            "line": "a1-0 b1-1"
        })
    );
}

#[test]
fn null_items_and_empty_lists() {
    let text = |list: &str| {
        format!(
            r#"
[map.m]
over = "{{{{ {list} }}}}"
[map.m.task.t]
command = 'echo {{{{ item }}}} >> ran; echo "x={{{{ item }}}}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.sum]
command = 'echo "x={{{{ m.t.x | reject("none") | sum }}}}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[outputs]
all = "{{{{ m.t.x }}}}"
sum = "{{{{ sum.x }}}}"
"#
        )
    };
    let project = Project::new(&text("[1, none, 3]"));
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  all = [1, null, 3]
  sum = 4
run 1 succeeded: 3 succeeded, 1 skipped in [TIME]
--- err
[0/4] listed    m  3 items
[1/4] skipped   m[1].t
[1/4] started   m[0].t
[2/4] done      m[0].t  [TIME]
[2/4] started   m[2].t
[3/4] done      m[2].t  [TIME]
[3/4] started   sum
[4/4] done      sum  [TIME]

"#]]);
    assert_eq!(outputs(&project), json!({ "all": [1, null, 3], "sum": 4 }));
    assert_eq!(ran(&project), ["1", "3"]);
    let project = Project::new(&text("[]"));
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  all = []
  sum = 0
run 1 succeeded: 1 succeeded in [TIME]
--- err
[0/1] listed    m  0 items
[0/1] started   sum
[1/1] done      sum  [TIME]

"#]]);
    assert_eq!(outputs(&project), json!({ "all": [], "sum": 0 }));
    let project = Project::new(&text("[none, none]"));
    assert_eq!(outputs(&project), json!({ "all": [null, null], "sum": 0 }));
}

#[test]
fn the_shorthand_on_a_task() {
    let project = Project::new(
        r#"
[task.square]
over = "{{ [3, 4, 5] }}"
as = "n"
key = "n{{ n }}"
command = 'echo "out=$(( {{ n }} * {{ n }} ))" >> "$FLOWRUN_OUTPUT"; echo "word=w{{ n }}" >> "$FLOWRUN_OUTPUT"'
outputs.out = "int"
outputs.word = "string"
[task.next]
command = 'echo "x={{ square.out[2] }} {{ square.word[0] }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.chain]
over = "{{ square.out }}"
command = 'echo "y=$(( {{ item }} + 1 ))" >> "$FLOWRUN_OUTPUT"'
outputs.y = "int"
[outputs]
one = "{{ square[1] }}"
last = "{{ square[-1].word }}"
next = "{{ next.x }}"
chain = "{{ chain.y }}"
"#,
    );
    assert_eq!(
        outputs(&project),
        json!({
            "one": { "out": 16, "word": "w4" },
            "last": "w5",
            "next": "25 w3",
            "chain": [10, 17, 26]
        })
    );
    project.run("plan").shows(str![[r#"
exit 0
--- out
square: cached 3
next: cached
chain: cached 3

run 0 · cached 7 · unknown 0

"#]]);
    project.run("run -j 1 --force square").shows(str![[r#"
exit 0
--- out
outputs
  one   = {"out": 16, "word": "w4"}
  last  = "w5"
  next  = "25 w3"
  chain = [10, 17, 26]
run 2 succeeded: 3 succeeded, 4 cached in [TIME]
--- err
[0/4] listed    square  3 items
[0/4] started   square[n3]  forced
[1/4] done      square[n3]  [TIME]
[1/4] started   square[n4]  forced
[2/4] done      square[n4]  [TIME]
[2/4] started   square[n5]  forced
[3/4] done      square[n5]  [TIME]
[3/7] listed    chain  3 items
[7/7] cached    next
[7/7] cached    chain  3 instances

"#]]);
}

#[test]
fn when_of_a_shorthand_is_of_each_item() {
    let project = Project::new(
        r#"
[task.odd]
over = { range = [0, 4] }
when = "{{ item % 2 == 1 }}"
command = 'echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[outputs]
odd = "{{ odd.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "odd": [null, 1, null, 3] }));
}

#[test]
fn a_map_that_reads_nothing_of_its_items() {
    Project::new(
        "[map.m]\nover = [1, 2]\n[map.m.task.t]\ncommand = 'echo \"x=1\" >> \"$FLOWRUN_OUTPUT\"'\noutputs.x = \"int\"\n",
    )
    .run("run")
    .shows(str![[r#"
exit 2
--- err
error[E0404]: no cached task of `m` reads `item` or `index`: every item would be the same work
 --> pipeline.toml:1:6
  |
1 | [map.m]
  |      ^
  |
  = help: read `{{ item }}` in a task of it, or `{{ index }}`, or write `cache = false`

"#]]);
}

#[test]
fn items_that_give_one_path() {
    let text = |path: &str| {
        format!(
            "[map.m]\nover = [\"a\", \"b\", \"a\"]\n[map.m.task.t]\n\
             command = 'echo {{{{ index }}}} > {{{{ outputs.f }}}}'\noutputs.f = {{ file = \"{path}\" }}\n"
        )
    };
    Project::new(&text("out/x.txt")).run("run").shows(str![[r#"
exit 2
--- err
error[E0403]: every item of `m` would write this one path
 --> pipeline.toml:5:22
  |
1 | [map.m]
  |      - the map
...
5 | outputs.f = { file = "out/x.txt" }
  |                      ^^^^^^^^^^^
  |
  = help: let the path name its item: put `{{ item }}`, a field of it or `{{ index }}` into it

"#]]);
    let project = Project::new(&text("out/{{ item }}.txt"));
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed m[2].t
  the output `f` has the path `out/a.txt`, which another instance gives as
  well
  help: name the item in the path: `{{ key }}`, `{{ index }}` or something of
        the item

run 1: 1 failed, 2 not run in [TIME]
failed m[2].t: the output `f` has the path `out/a.txt`, which another instance gives as well
--- err
[0/3] listed    m  3 items
[1/3] failed    m[2].t  the output `f` has the path `out/a.txt`, which another instance gives as well
nothing new starts: `m[2].t` failed
[3/3] cancelled m.t  2 instances

"#]]);
    let project = Project::new(&text("out/{{ index }}.txt"));
    project.run("run").exits(0);
    assert_eq!(project.read("out/2.txt"), "2\n");
}
