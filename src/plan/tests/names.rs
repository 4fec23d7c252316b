//! Stories: names that are wrong.

use super::{given, said};

#[test]
fn an_unknown_name_says_what_was_meant() {
    let text = r#"
[task.gen_data]
command = "echo n=1 >> $FLOWRUN_OUTPUT"
outputs.n = "int"
[task.use]
command = "echo {{ gendata.n }} {{ nothing }} {{ params }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0301]: nothing is named `gendata` here
 --> p.toml:6:20
  |
6 | command = "echo {{ gendata.n }} {{ nothing }} {{ params }}"
  |                    ^^^^^^^
  |
  = help: did you mean `gen_data`?

error[E0301]: nothing is named `nothing` here
 --> p.toml:6:36
  |
6 | command = "echo {{ gendata.n }} {{ nothing }} {{ params }}"
  |                                    ^^^^^^^
  |
  = help: a name is a node of this body or of one around it, an item, or a word such as `params.x`

error[E0304]: `params` by itself is no value
 --> p.toml:6:50
  |
6 | command = "echo {{ gendata.n }} {{ nothing }} {{ params }}"
  |                                                  ^^^^^^
  |
  = help: name a param: `params.NAME`
"#
    );
}

#[test]
fn an_unknown_attribute_says_what_there_is() {
    let text = r#"
[params.depth]
default = 3
[task.t]
command = "echo {{ params.deth }} {{ vars.x }} {{ inputs.reeds }} {{ run.name }} {{ outputs.n }} {{ resources.gpu }} {{ params.depth }}"
inputs.reads = "a.fq"
outputs.n = "int"
resources.cpus = 2
vars.y = "{{ inputs.dir }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0302]: there is no param `deth`
 --> p.toml:5:27
  |
5 | command = "echo {{ params.deth }} {{ vars.x }} {{ inputs.reeds }} {{ run.name }} {{ outputs.n }} {{ resources.gpu }} {{ params.depth }}"
  |                           ^^^^
  |
  = help: did you mean `depth`?

error[E0302]: the task `t` has no var `x`
 --> p.toml:5:43
  |
5 | command = "echo {{ params.deth }} {{ vars.x }} {{ inputs.reeds }} {{ run.name }} {{ outputs.n }} {{ resources.gpu }} {{ params.depth }}"
  |                                           ^
  |
  = help: declare it: `vars.x = …`

error[E0302]: the task `t` has no input `reeds`
 --> p.toml:5:58
  |
5 | command = "echo {{ params.deth }} {{ vars.x }} {{ inputs.reeds }} {{ run.name }} {{ outputs.n }} {{ resources.gpu }} {{ params.depth }}"
  |                                                          ^^^^^
  |
  = help: did you mean `reads`?

error[E0302]: `run` has no `name`
 --> p.toml:5:74
  |
5 | command = "echo {{ params.deth }} {{ vars.x }} {{ inputs.reeds }} {{ run.name }} {{ outputs.n }} {{ resources.gpu }} {{ params.depth }}"
  |                                                                          ^^^^
  |
  = help: there are `run.id`, the number of the run, and `run.dir`, its folder

error[E0302]: the output `n` has no path: it is a value
 --> p.toml:5:93
  |
5 | command = "echo {{ params.deth }} {{ vars.x }} {{ inputs.reeds }} {{ run.name }} {{ outputs.n }} {{ resources.gpu }} {{ params.depth }}"
  |                                                                                             ^
  |
  = help: write it as a line `n=…` to the file "$FLOWRUN_OUTPUT"

error[E0302]: the task `t` has no resource `gpu`
 --> p.toml:5:111
  |
5 | command = "echo {{ params.deth }} {{ vars.x }} {{ inputs.reeds }} {{ run.name }} {{ outputs.n }} {{ resources.gpu }} {{ params.depth }}"
  |                                                                                                               ^^^
  |
  = help: declare it: `resources.gpu = …`

error[E0302]: the task `t` has no input `dir`
 --> p.toml:9:21
  |
9 | vars.y = "{{ inputs.dir }}"
  |                     ^^^
  |
  = help: declare it: `inputs.dir = …`
"#
    );
}

#[test]
fn an_output_nobody_declares() {
    let text = r#"
[task.gen]
command = "true"
outputs.number = "int"
[task.nothing]
command = "true"
[map.m]
over = "{{ gen.numbr }}"
[map.m.task.t]
command = "echo {{ item }}"
outputs.a = "int"
outputs.b = "int"
[task.use]
command = "echo {{ nothing.x }} {{ m.t.c }} {{ m.u.a }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0303]: the task `gen` declares no output `numbr`
 --> p.toml:8:16
  |
2 | [task.gen]
  |       --- the task
...
8 | over = "{{ gen.numbr }}"
  |                ^^^^^
  |
  = help: did you mean `number`?

error[E0303]: the task `nothing` declares no output `x`
  --> p.toml:14:28
   |
 5 | [task.nothing]
   |       ------- the task
...
14 | command = "echo {{ nothing.x }} {{ m.t.c }} {{ m.u.a }}"
   |                            ^
   |
   = help: declare it: `outputs.x = "string"`

error[E0303]: the task `t` declares no output `c`
  --> p.toml:14:40
   |
 9 | [map.m.task.t]
   |             - the task
...
14 | command = "echo {{ nothing.x }} {{ m.t.c }} {{ m.u.a }}"
   |                                        ^
   |
   = help: it declares `a` and `b`

error[E0303]: the map `m` has no node and no output `u`
  --> p.toml:14:50
   |
 7 | [map.m]
   |      - the map
...
14 | command = "echo {{ nothing.x }} {{ m.t.c }} {{ m.u.a }}"
   |                                                  ^
   |
   = help: it has `t`
"#
    );
}

#[test]
fn a_node_is_no_value() {
    let text = r#"
[task.gen]
command = "true"
outputs.number = "int"
[task.nothing]
command = "true"
[map.m]
over = [1, 2]
[map.m.task.t]
command = "echo {{ item }}"
outputs.a = "int"
[task.use]
command = "echo {{ gen }} {{ nothing }} {{ m }} {{ m.t }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0304]: `gen` is a task, not a value
  --> p.toml:13:20
   |
13 | command = "echo {{ gen }} {{ nothing }} {{ m }} {{ m.t }}"
   |                    ^^^
   |
   = help: read one of its outputs: `gen.number`

error[E0304]: `nothing` is a task, not a value
  --> p.toml:13:30
   |
13 | command = "echo {{ gen }} {{ nothing }} {{ m }} {{ m.t }}"
   |                              ^^^^^^^
   |
   = help: it declares no outputs; for order alone write `after = ["nothing"]`

error[E0304]: `m` is a map that names no results of its own
  --> p.toml:13:44
   |
13 | command = "echo {{ gen }} {{ nothing }} {{ m }} {{ m.t }}"
   |                                            ^
   |
   = help: read an output of its body, `m.t.a`, or declare `outputs` on `m`

error[E0304]: `m.t` is a task, not a value
  --> p.toml:13:54
   |
13 | command = "echo {{ gen }} {{ nothing }} {{ m }} {{ m.t }}"
   |                                                      ^
   |
   = help: read one of its outputs: `m.t.a`
"#
    );
}

#[test]
fn inside_a_map_its_name_has_no_meaning() {
    let text = r#"
[map.m]
over = [1, 2]
[map.m.task.t]
command = "echo {{ item }}"
outputs.a = "int"
[map.m.task.u]
command = "echo {{ m.t.a }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0305]: inside the map `m` the name `m` has no meaning yet
 --> p.toml:8:20
  |
8 | command = "echo {{ m.t.a }}"
  |                    ^
  |
  = help: the list is there when the whole map has ended; for this item's own write `t.…`
"#
    );
}

#[test]
fn words_stand_only_where_they_may() {
    let text = r#"
[map.m]
over = "{{ resources.cpus }}"
[map.m.task.t]
command = "cat {{ inputs.x }} {{ carry.x }}"
when = "{{ attempt > 1 }}"
inputs.x = "{{ run.dir }}/x"
outputs.a = { file = "{{ vars.here }}/{{ item }}" }
vars.here = "{{ project }}/out"
[outputs]
n = "{{ env.HOME }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0306]: `resources` may not stand in `over`
 --> p.toml:3:12
  |
3 | over = "{{ resources.cpus }}"
  |            ^^^^^^^^^
  |
  = help: only a task has `resources`

error[E0306]: `carry` belongs to loops, and this is none
 --> p.toml:5:34
  |
5 | command = "cat {{ inputs.x }} {{ carry.x }}"
  |                                  ^^^^^
  |
  = help: in the body of a `[loop.NAME]` it is what the iteration before has left

error[E0306]: `attempt` may not stand in `when`
 --> p.toml:6:12
  |
6 | when = "{{ attempt > 1 }}"
  |            ^^^^^^^
  |
  = help: it may stand in `command`, `argv`, `setup`, `resources`, `vars` and `env`

error[E0306]: `run` may not stand in `inputs`
 --> p.toml:7:16
  |
7 | inputs.x = "{{ run.dir }}/x"
  |                ^^^
  |
  = help: it may stand in `command`, `argv`, `setup`, `resources`, `vars` and `env`

error[E0306]: `project` reaches the path of the output `a` by way of `vars.here`
 --> p.toml:9:17
  |
9 | vars.here = "{{ project }}/out"
  |                 ^^^^^^^
  |
  = help: `project` may stand in `command`, `argv`, `setup`, `resources`, `vars` and `env`

error[E0306]: `env` may not stand in the outputs of the pipeline
  --> p.toml:11:9
   |
11 | n = "{{ env.HOME }}"
   |         ^^^
   |
   = help: only a task has `env`
"#
    );
}

#[test]
fn two_nodes_of_one_name_are_both_shown() {
    let text = r#"
[task.a]
command = "true"
[map.a]
over = [1]
[map.a.task.t]
command = "echo {{ item }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0307]: two nodes are named `a`
 --> p.toml:4:6
  |
2 | [task.a]
  |       - first here
3 | command = "true"
4 | [map.a]
  |      ^ again here
  |
  = help: the nodes of one body share one namespace: rename one of them
"#
    );
}

#[test]
fn a_name_must_not_hide_another() {
    let text = r#"
[map.m]
over = [1]
as = "x"
outputs.t = "{{ t.n }}"
[map.m.task.t]
command = "echo n={{ x }}"
outputs.n = "int"
[map.m.task.x]
command = "echo {{ x }}"
[map.m.map.later]
over = [2]
as = "x"
[map.m.map.later.task.u]
command = "echo {{ x }}"
[task.later]
command = "true"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0308]: the output `t` has the name of a node of the body
 --> p.toml:5:9
  |
5 | outputs.t = "{{ t.n }}"
  |         ^ this output
6 | [map.m.task.t]
  |             - this node
  |
  = help: `m.t` could mean both: rename one of them

error[E0304]: `x` is a task, not a value
 --> p.toml:7:22
  |
7 | command = "echo n={{ x }}"
  |                      ^
  |
  = help: it declares no outputs; for order alone write `after = ["x"]`

error[E0308]: `x` hides the item of the same name
 --> p.toml:9:13
  |
4 | as = "x"
  |      --- the other one
...
9 | [map.m.task.x]
  |             ^ hides the item
  |
  = help: a name has one meaning wherever it is seen: rename one of the two

error[E0310]: `x` reads itself
  --> p.toml:10:20
   |
10 | command = "echo {{ x }}"
   |                    ^
   |
   = help: the staged paths of a task's own outputs are `outputs.NAME`

error[E0308]: `later` hides the node of the same name
  --> p.toml:11:12
   |
11 | [map.m.map.later]
   |            ^^^^^ hides the node
...
16 | [task.later]
   |       ----- the other one
   |
   = help: a name has one meaning wherever it is seen: rename one of the two

error[E0308]: `x` hides the node of the same name
  --> p.toml:13:6
   |
 9 | [map.m.task.x]
   |             - the other one
...
13 | as = "x"
   |      ^^^ hides the node
   |
   = help: a name has one meaning wherever it is seen: rename one of the two
"#
    );
}

#[test]
fn a_node_of_a_map_is_named_with_its_map() {
    let text = r#"
[map.process]
over = [[1, 2], [3]]
as = "row"
[map.process.map.inner]
over = "{{ row }}"
[map.process.map.inner.task.compute]
command = "echo {{ item }} {{ index }}"
outputs.value = "int"
[task.report]
command = "echo {{ compute.value }}"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0309]: `compute` stands inside the map `inner`
  --> p.toml:11:20
   |
 7 | [map.process.map.inner.task.compute]
   |                             ------- it stands here
...
11 | command = "echo {{ compute.value }}"
   |                    ^^^^^^^ nothing of this name is seen from here
   |
   = help: name the map too: `process.inner.compute.value`, a list with one value for each item
"#
    );
}

#[test]
fn nothing_reads_itself() {
    let text = r#"
[task.a]
command = "echo {{ a.n }} > {{ outputs.f }}"
outputs.n = "int"
outputs.f = { file = "f" }
[map.m]
over = "{{ m.t.n }}"
after = ["m"]
[map.m.task.t]
command = "echo {{ item }}"
outputs.n = "int"
after = ["t", "m"]
[task.short]
over = [1, 2]
command = "echo {{ item }} {{ short.n }}"
outputs.n = "int"
"#;
    assert_eq!(
        said(text, &given()).1,
        r#"error[E0310]: `a` reads itself
 --> p.toml:3:20
  |
3 | command = "echo {{ a.n }} > {{ outputs.f }}"
  |                    ^
  |
  = help: the staged paths of a task's own outputs are `outputs.NAME`

error[E0310]: `m` reads itself
 --> p.toml:7:12
  |
7 | over = "{{ m.t.n }}"
  |            ^
  |
  = help: a map's list is made before the map has results

error[E0310]: `m` cannot wait for itself
 --> p.toml:8:10
  |
8 | after = ["m"]
  |          ^^^
  |
  = help: leave `m` out

error[E0310]: `t` cannot wait for itself
  --> p.toml:12:10
   |
12 | after = ["t", "m"]
   |          ^^^
   |
   = help: leave `t` out

error[E0310]: inside the map `m` nothing can wait for `m`: it ends after its body
  --> p.toml:12:15
   |
12 | after = ["t", "m"]
   |               ^^^
   |
   = help: leave `m` out

error[E0310]: `short` reads itself
  --> p.toml:15:31
   |
15 | command = "echo {{ item }} {{ short.n }}"
   |                               ^^^^^
   |
   = help: the staged paths of a task's own outputs are `outputs.NAME`
"#
    );
}
