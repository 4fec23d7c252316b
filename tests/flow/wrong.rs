//! What is found before anything runs, and edges that no name makes.

use super::outcome;
use crate::common::Project;
use snapbox::str;

#[test]
fn what_is_wrong_in_them_is_found_before_anything_runs() {
    let project = Project::new(
        r#"
[task.t]
command = "true"
outputs.list = "list<int>"
[branch.b]
on = "{{ t.list }}"
outputs.x = "{{ nobody.y }}"
outputs.same = 1
[branch.b.case.one.task.same]
command = "echo {{ other.z }}"
outputs.z = "int"
outputs.f = { file = "one.txt" }
[branch.b.case.two.task.other]
command = "echo {{ same.z }} {{ b.same.z }}"
outputs.z = "int"
outputs.f = { file = "one.txt" }
[loop.l]
max = 2
carry.x = { init = 0, next = "{{ u.list }}" }
until = "{{ u.n }}"
[loop.l.task.u]
command = "echo {{ carry.y }} {{ l.iterations }}"
outputs.n = "int"
[loop.still]
max = 2
[loop.still.task.v]
command = "echo v=1"
outputs.v = "int"
outputs.f = { file = "each.txt" }
[task.reads]
command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0317]: `t.list` is a list, and has no text to compare with the cases
 --> pipeline.toml:6:6
  |
6 | on = "{{ t.list }}"
  |      ^^^^^^^^^^^^^^
  |
  = help: compare something of it: `on = "{{ x.kind }}"`, `on = "{{ x | length > 0 }}"`

error[E0301]: nothing is named `nobody` here
 --> pipeline.toml:7:17
  |
7 | outputs.x = "{{ nobody.y }}"
  |                 ^^^^^^
  |
  = help: a name is a node of this body or of one around it, an item, or a word such as `params.x`

error[E0308]: the output `same` has the name of a node of the body
 --> pipeline.toml:8:9
  |
8 | outputs.same = 1
  |         ^^^^ this output
9 | [branch.b.case.one.task.same]
  |                         ---- this node
  |
  = help: `b.same` could mean both: rename one of them

error[E0309]: `other` stands in another case of `b`
  --> pipeline.toml:10:20
   |
10 | command = "echo {{ other.z }}"
   |                    ^^^^^ nothing of this name is seen from here
...
13 | [branch.b.case.two.task.other]
   |                         ----- it stands here
   |
   = help: only one case runs: what a case reads must stand in it, or outside of the branch

error[E0309]: `same` stands in another case of `b`
  --> pipeline.toml:14:20
   |
 9 | [branch.b.case.one.task.same]
   |                         ---- it stands here
...
14 | command = "echo {{ same.z }} {{ b.same.z }}"
   |                    ^^^^ nothing of this name is seen from here
   |
   = help: only one case runs: what a case reads must stand in it, or outside of the branch

error[E0305]: inside the branch `b` the name `b` has no meaning yet
  --> pipeline.toml:14:33
   |
14 | command = "echo {{ same.z }} {{ b.same.z }}"
   |                                 ^
   |
   = help: for a node beside this one write `same.…`

error[E0303]: the task `u` declares no output `list`
  --> pipeline.toml:19:36
   |
19 | carry.x = { init = 0, next = "{{ u.list }}" }
   |                                    ^^^^
20 | until = "{{ u.n }}"
21 | [loop.l.task.u]
   |              - the task
   |
   = help: it declares `n`

error[E0315]: `u.n` is an int, not true or false
  --> pipeline.toml:20:9
   |
20 | until = "{{ u.n }}"
   |         ^^^^^^^^^^^
   |
   = help: compare it: `until = "{{ u.n > 0 }}"`

error[E0302]: nothing is carried as `y`
  --> pipeline.toml:22:26
   |
22 | command = "echo {{ carry.y }} {{ l.iterations }}"
   |                          ^
   |
   = help: declare it on the loop: `carry.y = { init = …, next = … }`

error[E0305]: inside the loop `l` the name `l` has no meaning yet
  --> pipeline.toml:22:34
   |
22 | command = "echo {{ carry.y }} {{ l.iterations }}"
   |                                  ^
   |
   = help: what the iteration before has left is `carry.NAME`, and a node of this one goes by its own name

error[E0404]: no cached task of `still` reads `carry` or `index`: every iteration would be the same work
  --> pipeline.toml:24:7
   |
24 | [loop.still]
   |       ^^^^^
   |
   = help: read `{{ carry.NAME }}` in a task of it, or `{{ index }}`, or write `cache = false`

error[E0403]: every iteration of `still` would write this one path
  --> pipeline.toml:29:22
   |
24 | [loop.still]
   |       ----- the loop
...
29 | outputs.f = { file = "each.txt" }
   |                      ^^^^^^^^^^
   |
   = help: let the path name its iteration: put `{{ index }}` into it

error[E0303]: the branch `b` has no node and no output `third`
  --> pipeline.toml:31:30
   |
 5 | [branch.b]
   |         - the branch
...
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                              ^^^^^
   |
   = help: it has `same`, `other`, `x` and `same`

error[E0303]: the task `same` declares no output `q`
  --> pipeline.toml:31:51
   |
 9 | [branch.b.case.one.task.same]
   |                         ---- the task
...
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                   ^
   |
   = help: it declares `z` and `f`

error[E0304]: `l.u` is a task, not a value
  --> pipeline.toml:31:61
   |
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                             ^
   |
   = help: read one of its outputs: `l.u.n`

error[E0303]: the loop `l` has no node and no output `y`
  --> pipeline.toml:31:71
   |
17 | [loop.l]
   |       - the loop
...
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                                       ^
   |
   = help: it has `u`, `x` and `iterations`

error[E0301]: there is no `index` outside of a map or loop
  --> pipeline.toml:31:79
   |
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                                               ^^^^^

error[E0309]: `u` stands inside the loop `l`
  --> pipeline.toml:31:91
   |
21 | [loop.l.task.u]
   |              - it stands here
...
31 | command = "echo {{ b }} {{ b.third.z }} {{ b.same.q }} {{ l.u }} {{ l.y }} {{ index }} {{ u.n }}"
   |                                                                                           ^ nothing of this name is seen from here
   |
   = help: name the loop too: `l.u.n`

18 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn paths_are_edges_into_them_and_out_of_them() {
    let project = Project::new(
        r#"
[task.collect]
inputs.each = "out/*.txt"
inputs.case = "case.txt"
inputs.called = "called-one.txt"
command = "cat {{ inputs.each }} {{ inputs.case }} {{ inputs.called }} > {{ outputs.all }}"
outputs.all = { file = "all.txt" }
[call.one]
pipeline = "lib/called.toml"
params.n = "one"
[loop.turns]
max = 2
[loop.turns.task.write]
command = "echo {{ index }} > {{ outputs.f }}"
outputs.f = { file = "out/{{ index }}.txt" }
[branch.way]
on = "{{ 'x' }}"
[branch.way.case.x.task.take]
inputs.base = "base.txt"
command = "echo case $(cat {{ inputs.base }}) > {{ outputs.f }}"
outputs.f = { file = "case.txt" }
# what another case makes is no reason to wait
[branch.way.case.y.task.take]
inputs.case = "case.txt"
command = "cat {{ inputs.case }}"
[task.make]
command = "echo base > {{ outputs.f }}"
outputs.f = { file = "base.txt" }
"#,
    );
    let called = r#"
[params.n]
[task.t]
inputs.base = "base.txt"
command = "echo called $(cat {{ inputs.base }}) {{ params.n }} > {{ outputs.f }}"
outputs.f = { file = "called-{{ params.n }}.txt" }
"#;
    project.write("lib/called.toml", called);
    outcome(project.run("run --output json").exits(0));
    assert_eq!(project.lines("all.txt"), ["0", "1", "case base", "called base one"]);
    // two calls make two files, or it is a mistake
    let twice =
        format!("{}[call.two]\npipeline = \"lib/called.toml\"\nparams.n = \"two\"\n", project.read("pipeline.toml"));
    project.write("pipeline.toml", twice);
    project.run("check").exits(0);
    project.edit("lib/called.toml", "called-{{ params.n }}", "called");
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0402]: this path is declared twice
 --> lib/called.toml:6:22
  |
6 | outputs.f = { file = "called.txt" }
  |                      ^^^^^^^^^^^^
  |                      |
  |                      by `two.t`
  |                      by `one.t`
  |
  = help: the file is called twice: put a param into the path, and give each call another value for it

1 mistake in `pipeline.toml`

"#]]);
}
