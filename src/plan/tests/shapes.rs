//! Stories: types and shapes that are wrong.

use super::{given, said};

#[test]
fn a_value_without_attributes_has_none() {
    let text = r#"
[params.n]
type = "int"
default = 1
[task.gen]
command = "echo {{ params.n.x }}"
outputs.rows = "list<json>"
[map.m]
over = { zip = { lr = [1, 2], name = ["a", "b"] } }
as = "pair"
[map.m.task.t]
command = "echo {{ pair.lr }} {{ pair.depth }}"
outputs.r = "map<int>"
[task.use]
command = "echo {{ gen.rows.id }} {{ m.t.r.x }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0311]: `params.n` is an int, and that has no `x`
 --> p.toml:6:29
  |
6 | command = "echo {{ params.n.x }}"
  |                             ^
  |
  = help: write `params.n` alone

error[E0302]: `pair` has no `depth`
  --> p.toml:12:39
   |
12 | command = "echo {{ pair.lr }} {{ pair.depth }}"
   |                                       ^^^^^
   |
   = help: it has `lr` and `name`

error[E0311]: `gen.rows` is a list, and that has no `id`
  --> p.toml:15:29
   |
15 | command = "echo {{ gen.rows.id }} {{ m.t.r.x }}"
   |                             ^^
   |
   = help: take it from each element: `gen.rows | map(attribute='id')`

error[E0311]: `m.t.r` is a list, one value for each item of `m`, and a list has no `x`
  --> p.toml:15:44
   |
15 | command = "echo {{ gen.rows.id }} {{ m.t.r.x }}"
   |                                            ^
   |
   = help: take it from each: `m.t.r | map(attribute='x')`
"#
    );
}

#[test]
fn a_constant_has_its_type() {
    let text = r#"
[task.a]
over = "{{ 3 }}"
command = "true"
[task.b]
over = { product = { x = "{{ 'abc' }}", y = "{{ [1, 2] }}" } }
command = "true"
"#;
    assert_eq!(
        said(text, &given()).1,
        r##"error[E0314]: `over` is an int, not a list
 --> p.toml:3:8
  |
3 | over = "{{ 3 }}"
  |        ^^^^^^^^^
  |
  = help: write an expression, `over = "{{ … }}"`, an array, or a table such as `{ glob = "…" }`

error[E0314]: `over` is a string, not a list
 --> p.toml:6:26
  |
6 | over = { product = { x = "{{ 'abc' }}", y = "{{ [1, 2] }}" } }
  |                          ^^^^^^^^^^^^^
  |
  = help: write an expression, `over = "{{ … }}"`, an array, or a table such as `{ glob = "…" }`
"##
    );
}

#[test]
fn vars_in_a_circle() {
    let text = r#"
[task.t]
command = "echo {{ vars.a }}"
env.PATH = "{{ env.PATH }}:bin"
vars.a = "{{ vars.b }}"
vars.b = "{{ vars.c[0] }} {{ env.PATH }}"
vars.c = ["{{ vars.a }}"]
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0313]: `vars.a` is defined by itself: vars.a -> vars.b -> vars.c -> vars.a
 --> p.toml:5:6
  |
5 | vars.a = "{{ vars.b }}"
  |      ^
6 | vars.b = "{{ vars.c[0] }} {{ env.PATH }}"
  |      - on the way
7 | vars.c = ["{{ vars.a }}"]
  |      - on the way
  |
  = help: one of them must be given without the others
"#
    );
}

#[test]
fn over_gives_a_list() {
    let text = r#"
[params.n]
type = "int"
default = 3
[task.gen]
command = "true"
outputs.count = "int"
outputs.file = { file = "list.txt" }
outputs.text = "string"
outputs.table = "map<int>"
[task.a]
over = "{{ gen.count }}"
command = "echo {{ item }}"
[task.b]
over = "{{ gen.file }}"
command = "echo {{ item }}"
[task.c]
over = "{{ gen.table }}"
command = "echo {{ item }}"
[task.d]
over = "{{ gen.text }}, {{ gen.text }}"
command = "echo {{ item }}"
[task.e]
over = { zip = { x = "{{ params.n }}", y = [1] } }
command = "echo {{ item }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0314]: `gen.count` is an int, not a list
  --> p.toml:12:8
   |
12 | over = "{{ gen.count }}"
   |        ^^^^^^^^^^^^^^^^^
   |
   = help: count up to it: `over = { range = [0, "{{ gen.count }}"] }`

error[E0314]: `gen.file` is a path, not a list
  --> p.toml:15:8
   |
15 | over = "{{ gen.file }}"
   |        ^^^^^^^^^^^^^^^^
   |
   = help: read its lines: `over = { lines = "{{ gen.file }}" }`

error[E0314]: `gen.table` is a record, not a list
  --> p.toml:18:8
   |
18 | over = "{{ gen.table }}"
   |        ^^^^^^^^^^^^^^^^^
   |
   = help: make it a list: `over = "{{ gen.table | items }}"`

error[E0314]: `over` is a string, not a list
  --> p.toml:21:8
   |
21 | over = "{{ gen.text }}, {{ gen.text }}"
   |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: a string that is one single `{{ … }}` keeps its type; with text beside it, it is text

error[E0314]: `params.n` is an int, not a list
  --> p.toml:24:22
   |
24 | over = { zip = { x = "{{ params.n }}", y = [1] } }
   |                      ^^^^^^^^^^^^^^^^
   |
   = help: count up to it: `over = { range = [0, "{{ params.n }}"] }`
"#
    );
}

#[test]
fn a_condition_is_true_or_false() {
    let text = r#"
[task.gen]
command = "true"
outputs.count = "int"
outputs.list = "list<int>"
outputs.text = "string"
[task.a]
command = "true"
when = "{{ gen.count }}"
[task.b]
command = "true"
when = "{{ gen.text }} == 'yes'"
[map.c]
over = [1, 2]
where = "{{ item }}"
when = "{{ gen.list }}"
[map.c.task.t]
command = "echo {{ item }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0315]: `gen.count` is an int, not true or false
 --> p.toml:9:8
  |
9 | when = "{{ gen.count }}"
  |        ^^^^^^^^^^^^^^^^^
  |
  = help: compare it: `when = "{{ gen.count > 0 }}"`

error[E0315]: `when` is text, not true or false
  --> p.toml:12:8
   |
12 | when = "{{ gen.text }} == 'yes'"
   |        ^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: put the whole condition into one expression: `when = "{{ gen.text == 'yes' }}"`

error[E0315]: `item` is an int, not true or false
  --> p.toml:15:9
   |
15 | where = "{{ item }}"
   |         ^^^^^^^^^^^^
   |
   = help: compare it: `where = "{{ item > 0 }}"`

error[E0315]: `gen.list` is a list, not true or false
  --> p.toml:16:8
   |
16 | when = "{{ gen.list }}"
   |        ^^^^^^^^^^^^^^^^
   |
   = help: ask whether it holds something: `when = "{{ gen.list | length > 0 }}"`
"#
    );
}

#[test]
fn whole_numbers_where_they_must_stand() {
    let text = r#"
[params.x]
type = "float"
default = 0.5
[limits]
licences = 2
[map.a]
over = { range = [0, "{{ params.x }}"] }
[map.a.task.t]
command = "echo {{ params.x }} {{ item }}"
resources.cpus = "{{ params.x }}"
resources.licences = 3
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0316]: a range needs whole numbers, and this is a float
 --> p.toml:8:22
  |
8 | over = { range = [0, "{{ params.x }}"] }
  |                      ^^^^^^^^^^^^^^^^
  |
  = help: write a number, or one single expression that gives one

error[E0316]: `cpus` is a float, not a whole number
  --> p.toml:11:18
   |
11 | resources.cpus = "{{ params.x }}"
   |                  ^^^^^^^^^^^^^^^^
   |
   = help: write a number, `cpus = 2`, or an expression that gives one, `cpus = "{{ … }}"`

error[E0405]: 3 of `licences` can never be given: there are 2
  --> p.toml:12:22
   |
 6 | licences = 2
   | -------- the limit
...
12 | resources.licences = 3
   |                      ^
   |
   = help: ask for at most 2, or raise the limit
"#
    );
}

#[test]
fn a_list_is_no_text() {
    let text = r#"
[task.gen]
command = "true"
outputs.list = "list<string>"
[task.a]
command = "echo {{ gen.list }}"
env.X = "{{ gen.list }}"
outputs.f = { file = "{{ gen.list }}" }
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0317]: `gen.list` is a list and cannot be a variable of the environment
 --> p.toml:7:13
  |
7 | env.X = "{{ gen.list }}"
  |             ^^^^^^^^
  |
  = help: join its elements: `{{ gen.list | join(',') }}`, or take one: `{{ gen.list[0] }}`

error[E0317]: `gen.list` is a list and cannot be a path
 --> p.toml:8:26
  |
8 | outputs.f = { file = "{{ gen.list }}" }
  |                          ^^^^^^^^
  |
  = help: join its elements: `{{ gen.list | join(',') }}`, or take one: `{{ gen.list[0] }}`
"#
    );
}

#[test]
fn an_input_is_a_path() {
    let text = r#"
[task.a]
command = "true"
inputs.b = "{{ index_of.n }}"
inputs.c = ["x", "{{ index_of.n }}"]
[task.index_of]
command = "true"
outputs.n = "int"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0318]: the input `b` is an int, not a path
 --> p.toml:4:12
  |
4 | inputs.b = "{{ index_of.n }}"
  |            ^^^^^^^^^^^^^^^^^^
  |
  = help: an input is a path, a glob, or a list of them

error[E0318]: the input `c` is an int, not a path
 --> p.toml:5:18
  |
5 | inputs.c = ["x", "{{ index_of.n }}"]
  |                  ^^^^^^^^^^^^^^^^^^
  |
  = help: an input is a path, a glob, or a list of them
"#
    );
}

#[test]
fn after_names_nodes() {
    let text = r#"
[task.align]
command = "true"
[task.b]
command = "true"
after = ["algn", "zzz"]
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0301]: there is no node `algn` here
 --> p.toml:6:10
  |
6 | after = ["algn", "zzz"]
  |          ^^^^^^
  |
  = help: did you mean `align`?

error[E0301]: there is no node `zzz` here
 --> p.toml:6:18
  |
6 | after = ["algn", "zzz"]
  |                  ^^^^^
  |
  = help: `after` names nodes of this body or of one around it
"#
    );
}

#[test]
fn a_good_file_says_nothing() {
    let text = r#"
[task.s]
over = { csv = "samples.csv" }
as = "sample"
key = "{{ sample.key }}"
where = "{{ sample.use == 'yes' }}"
group_by = "{{ sample.id }}"
command = "echo {{ sample.members | length }} {{ index }}"
"#;
    let (plan, said) = said(text, &given());
    assert_eq!((plan.is_some(), &*said), (true, ""));
}
