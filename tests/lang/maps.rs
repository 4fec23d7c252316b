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
    table(r#"where = "{{ item.sample }}""#).run("run").shows(str![[]]);
    table(r#"where = "{{ item.colour == 'red' }}""#).run("run").shows(str![[]]);
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
    project.run("plan").shows(str![[]]);
    project.run("run -j 1").shows(str![[]]);
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
    project.run("run -j 1").shows(str![[]]);
    project.run("explain m[A-2]").shows(str![[]]);
}

#[test]
fn a_key_that_names_two_items() {
    table("key = \"{{ item.sample }}\"").run("run").shows(str![[]]);
    table("key = \"{{ item['size'] | replace('0', '') }}\"").run("run").shows(str![[]]);
    table("key = \"x[{{ index }}]\"").run("run").shows(str![[]]);
    table("key = \"{{ [index] }}\"").run("run").shows(str![[]]);
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
    project.run("plan").shows(str![[]]);
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
[map.m.task.first]
command = 'echo "+ {{ item }}" >> stamps; sleep 0.02; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[map.m.task.second]
command = 'sleep 0.02; echo "- {{ first.x }}" >> stamps'
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
names = "{{ m.name }}"
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
    project.run("run -j 1").shows(str![[]]);
    assert_eq!(outputs(&project), json!({ "all": [1, null, 3], "sum": 4 }));
    assert_eq!(ran(&project), ["1", "3"]);
    let project = Project::new(&text("[]"));
    project.run("run -j 1").shows(str![[]]);
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
command = 'echo "x={{ square.out[2] }} {{ square[0].word }}" >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.chain]
over = "{{ square.out }}"
command = 'echo "y=$(( {{ item }} + 1 ))" >> "$FLOWRUN_OUTPUT"'
outputs.y = "int"
[outputs]
all = "{{ square.out }}"
one = "{{ square[1] }}"
last = "{{ square[-1].word }}"
next = "{{ next.x }}"
chain = "{{ chain.y }}"
"#,
    );
    assert_eq!(
        outputs(&project),
        json!({
            "all": [9, 16, 25],
            "one": { "out": 16, "word": "w4" },
            "last": "w5",
            "next": "25 w3",
            "chain": [10, 17, 26]
        })
    );
    project.run("plan").shows(str![[]]);
    project.run("run -j 1 --force square").shows(str![[]]);
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
    .shows(str![[]]);
}

#[test]
fn items_that_give_one_path() {
    let text = |path: &str| {
        format!(
            "[map.m]\nover = [\"a\", \"b\", \"a\"]\n[map.m.task.t]\n\
             command = 'echo {{{{ index }}}} > {{{{ outputs.f }}}}'\noutputs.f = {{ file = \"{path}\" }}\n"
        )
    };
    Project::new(&text("out/x.txt")).run("run").shows(str![[]]);
    let project = Project::new(&text("out/{{ item }}.txt"));
    project.run("run -j 1").shows(str![[]]);
    let project = Project::new(&text("out/{{ index }}.txt"));
    project.run("run").exits(0);
    assert_eq!(project.read("out/2.txt"), "2\n");
}
