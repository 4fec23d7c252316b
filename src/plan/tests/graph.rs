//! Stories: cycles, paths and resources that are wrong.

use super::{given, said};

#[test]
fn a_cycle_is_shown_as_a_path() {
    let text = r#"
[task.a]
command = "cat {{ c.n }}"
outputs.n = "int"
[task.b]
command = "true"
after = ["a"]
outputs.f = { file = "out/b.txt" }
[task.c]
command = "cat {{ inputs.x }}"
inputs.x = "out/*.txt"
outputs.n = "int"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0401]: these nodes wait for each other: a -> b -> c -> a
  --> p.toml:7:10
   |
 3 | command = "cat {{ c.n }}"
   |                   --- `a` reads `c`
...
 7 | after = ["a"]
   |          ^^^ `b` is to come after `a`
...
11 | inputs.x = "out/*.txt"
   |            ----------- `c` reads what `b` makes
   |
   = help: one of them must do without the one before it
"#
    );
}

#[test]
fn a_cycle_through_a_map() {
    let text = r#"
[task.ref]
command = "echo {{ m.t.n }}"
outputs.n = "int"
[map.m]
over = [1, 2]
[map.m.task.t]
command = "echo {{ item }} {{ ref.n }}"
outputs.n = "int"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0401]: these nodes wait for each other: ref -> m.t -> m -> ref
 --> p.toml:8:31
  |
3 | command = "echo {{ m.t.n }}"
  |                    ----- `ref` reads `m`
...
8 | command = "echo {{ item }} {{ ref.n }}"
  |                               ^^^^^ `m.t` reads `ref`
  |
  = help: one of them must do without the one before it
"#
    );
}

#[test]
fn a_map_that_reads_what_it_makes() {
    let text = r#"
[map.m]
over = { glob = "data/*.txt" }
[map.m.task.t]
command = "cp {{ item }} {{ outputs.f }}"
outputs.f = { file = "data/{{ index }}.txt" }
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0401]: `m` waits for itself: m -> m
 --> p.toml:3:17
  |
3 | over = { glob = "data/*.txt" }
  |                 ^^^^^^^^^^^^ its own body makes what this takes
  |
  = help: let the body write elsewhere, or let the source leave that out
"#
    );
}

#[test]
fn two_tasks_declare_one_path() {
    let text = r#"
[params.dir]
default = "out"
[task.a]
command = "true"
outputs.f = { file = "out/x.txt" }
[task.b]
command = "true"
outputs.f = { file = "./{{ params.dir }}//x.txt" }
[task.d]
command = "true"
outputs.d = { dir = "out/deep" }
[task.e]
command = "true"
outputs.f = { file = "out/deep/er/x.txt" }
[map.m]
over = [1, 2]
as = "s"
[map.m.task.t]
command = "true"
outputs.f = { file = "{{s}}.txt" }
[map.m.task.u]
command = "true"
vars.name = "{{ s }}"
outputs.f = { file = "{{ vars.name }}.txt" }
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0402]: this path is declared twice
 --> p.toml:9:22
  |
6 | outputs.f = { file = "out/x.txt" }
  |                      ----------- by `a`
...
9 | outputs.f = { file = "./{{ params.dir }}//x.txt" }
  |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^ by `b`
  |
  = help: give each task a path of its own

error[E0402]: this path lies in the directory `out/deep`, which another output makes as a whole
  --> p.toml:15:22
   |
12 | outputs.d = { dir = "out/deep" }
   |                     ---------- by `d`
...
15 | outputs.f = { file = "out/deep/er/x.txt" }
   |                      ^^^^^^^^^^^^^^^^^^^ by `e`
   |
   = help: give each task a path of its own

error[E0402]: this path is declared twice
  --> p.toml:25:22
   |
21 | outputs.f = { file = "{{s}}.txt" }
   |                      ----------- by `m.t`
...
25 | outputs.f = { file = "{{ vars.name }}.txt" }
   |                      ^^^^^^^^^^^^^^^^^^^^^ by `m.u`
   |
   = help: give each task a path of its own
"#
    );
}

#[test]
fn an_output_in_a_map_names_its_item() {
    let text = r#"
[map.m]
over = [1, 2]
as = "x"
[map.m.task.good]
command = "true"
vars.name = "n{{ x }}"
inputs.i = "in/{{ vars.name }}"
outputs.f = { file = "{{ inputs.i }}.good" }
outputs.i = { file = "{{ index }}.i" }
[map.m.task.bad]
command = "echo {{ x }}"
outputs.f = { file = "result.txt" }
[map.m.map.inner]
over = [1, 2]
as = "y"
[map.m.map.inner.task.half]
command = "echo {{ y }}"
outputs.f = { file = "half/{{ y }}.txt" }
[map.m.map.derived]
over = ["{{ x }}a", "{{ x }}b"]
as = "z"
[map.m.map.derived.task.whole]
command = "true"
outputs.f = { file = "whole/{{ z }}.txt" }
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0403]: every item of `m` would write this one path
  --> p.toml:13:22
   |
 2 | [map.m]
   |      - the map
...
13 | outputs.f = { file = "result.txt" }
   |                      ^^^^^^^^^^^^
   |
   = help: let the path name its item: put `{{ x }}`, a field of it or `{{ index }}` into it

error[E0403]: every item of `m` would write this one path
  --> p.toml:19:22
   |
 2 | [map.m]
   |      - the map
...
19 | outputs.f = { file = "half/{{ y }}.txt" }
   |                      ^^^^^^^^^^^^^^^^^^
   |
   = help: let the path name its item: put `{{ x }}`, a field of it or `{{ index }}` into it
"#
    );
}

#[test]
fn a_map_reads_its_item() {
    let text = r#"
[map.m]
over = [1, 2]
as = "x"
[map.m.task.a]
command = "date"
outputs.n = "int"
[map.m.task.b]
command = "echo {{ a.n }}"
cache = false
outputs.n = "int"
[task.short]
over = [1, 2]
command = "date"
outputs.n = "int"
[task.uncached]
over = [1, 2]
command = "date"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0404]: no cached task of `m` reads `x` or `index`: every item would be the same work
 --> p.toml:2:6
  |
2 | [map.m]
  |      ^
  |
  = help: read `{{ x }}` in a task of it, or `{{ index }}`, or write `cache = false`

error[E0404]: nothing in `short` reads `item` or `index`: every item would be the same work
  --> p.toml:12:7
   |
12 | [task.short]
   |       ^^^^^
   |
   = help: read `{{ item }}` in a task of it, or `{{ index }}`, or write `cache = false`
"#
    );
}

#[test]
fn more_than_the_limit_and_nothing_to_cache() {
    let text = r#"
[limits]
licences = 2
[resources]
cpus = 1
[task.a]
command = "true"
resources = { licences = 3 }
[task.b]
command = "true"
cache = true
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0405]: 3 of `licences` can never be given: there are 2
 --> p.toml:8:26
  |
3 | licences = 2
  | -------- the limit
...
8 | resources = { licences = 3 }
  |                          ^
  |
  = help: ask for at most 2, or raise the limit

warning[E0406]: `b` has no outputs, so there is nothing to keep: it always runs
  --> p.toml:11:9
   |
11 | cache = true
   |         ^^^^
   |
   = help: declare what it makes under `outputs`, or leave `cache` out
"#
    );
}
