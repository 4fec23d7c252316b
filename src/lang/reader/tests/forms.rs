//! Mistakes in branches, loops and calls.

use super::mistakes;

macro_rules! story {
    ($text:expr, $said:expr) => {
        assert_eq!(mistakes($text), $said)
    };
}

#[test]
fn a_branch_needs_a_value_and_cases() {
    story!(
        r##"
[branch.bare]

[branch.plain]
on = "kind"
case.image.task.a.command = "true"

[branch.wrong]
on = 3
case.image = "segment"
default = true

[branch.empty]
on = "{{ params.x }}"
case.a = {}
default = {}

[branch.nameless]
on = "{{ params.x }}"
[branch.nameless.case.task.segment]
command = "true"

[branch.keys]
on = "{{ params.x }}"
cases.a.task.b.command = "true"
[branch.keys.default]
command = "true"
"##,
        r##"
error[E0104]: a branch needs `case`
 --> pipeline.toml:1:1
  |
1 | [branch.bare]
  | ^^^^^^^^^^^^^ no `case` here
  |
  = help: add `case`

error[E0104]: a branch needs `on`
 --> pipeline.toml:1:1
  |
1 | [branch.bare]
  | ^^^^^^^^^^^^^ no `on` here
  |
  = help: add `on`

error[E0119]: `on` is plain text, not an expression
 --> pipeline.toml:4:6
  |
4 | on = "kind"
  |      ^^^^^^
  |
  = help: put the expression in braces: `on = "{{ kind }}"`

error[E0103]: `on` is an integer, not a string
 --> pipeline.toml:8:6
  |
8 | on = 3
  |      ^ an integer
  |
  = help: for example: `on = "{{ … }}"`

error[E0103]: `image` is a string, not a table
 --> pipeline.toml:9:14
  |
9 | case.image = "segment"
  |              ^^^^^^^^^ a string
  |
  = help: for example: `image = { … }`

error[E0103]: `default` is a boolean, not a table
  --> pipeline.toml:10:11
   |
10 | default = true
   |           ^^^^ a boolean
   |
   = help: for example: `default = { … }`

error[E0113]: the branch `empty` has no node in any case
  --> pipeline.toml:12:1
   |
12 | [branch.empty]
   | ^^^^^^^^^^^^^^
   |
   = help: say what is done in a case: `[branch.empty.case.CASE.task.NAME]`

error[E0103]: `task` stands where the name of a case belongs
  --> pipeline.toml:19:23
   |
19 | [branch.nameless.case.task.segment]
   |                       ^^^^
   |
   = help: say for which value it is: `[branch.nameless.case.VALUE.task.…]`

error[E0102]: a branch has no key `cases`
  --> pipeline.toml:24:1
   |
24 | cases.a.task.b.command = "true"
   | ^^^^^ unknown key
   |
   = help: did you mean `case`?

error[E0102]: a case of a branch has no key `command`
  --> pipeline.toml:26:1
   |
26 | command = "true"
   | ^^^^^^^ unknown key
   |
   = help: it is a key of a task
"##
    );
}

#[test]
fn a_loop_has_an_end_and_what_it_carries_has_two_parts() {
    story!(
        r##"
[loop.bare]

[loop.wrong]
max = 0
until = "done"
on_max = "acept"
carry = { model = "{{ a }}" }
task.a.command = "true"

[loop.half]
max = 3
on_max = "fail"
carry.model = { init = "a" }
carry.loss = { next = "{{ a.x }}" }
carry.both = { init = 1, nxt = 2 }
carry.iterations = { init = 1, next = 2 }
task.a.command = "true"

[loop.names]
max = "many"
carry.model = { init = 1, next = 2 }
outputs.model = "{{ a.x }}"
outputs.iterations = 3
task.a.command = "true"

[loop.unnamed]
max = 2
carry = { init = 1, next = 2 }
task.a.command = "true"
"##,
        r##"
error[E0104]: a loop needs `max`
 --> pipeline.toml:1:1
  |
1 | [loop.bare]
  | ^^^^^^^^^^^ no `max` here
  |
  = help: add `max`

error[E0113]: the loop `bare` has no body
 --> pipeline.toml:1:1
  |
1 | [loop.bare]
  | ^^^^^^^^^^^
  |
  = help: say what an iteration does: `[loop.bare.task.NAME]`

error[E0116]: `max` must be at least 1
 --> pipeline.toml:4:7
  |
4 | max = 0
  |       ^
  |
  = help: write a whole number from 1 to 4294967295

error[E0119]: `until` is plain text, not an expression
 --> pipeline.toml:5:9
  |
5 | until = "done"
  |         ^^^^^^
  |
  = help: put the expression in braces: `until = "{{ done }}"`

error[E0120]: `acept` is no policy for a loop that did not end
 --> pipeline.toml:6:10
  |
6 | on_max = "acept"
  |          ^^^^^^^
  |
  = help: did you mean `accept`?

error[E0103]: `model` is a string, not a table
 --> pipeline.toml:7:19
  |
7 | carry = { model = "{{ a }}" }
  |                   ^^^^^^^^^ a string
  |
  = help: for example: `model = { init = 0, next = "{{ … }}" }`

error[E0118]: `on_max` has no meaning without `until`
  --> pipeline.toml:12:1
   |
12 | on_max = "fail"
   | ^^^^^^
   |
   = help: add `until`, or leave `on_max` out

error[E0104]: what a loop carries needs `next`
  --> pipeline.toml:13:15
   |
13 | carry.model = { init = "a" }
   |               ^^^^^^^^^^^^^^ no `next` here
   |
   = help: add `next`

error[E0104]: what a loop carries needs `init`
  --> pipeline.toml:14:14
   |
14 | carry.loss = { next = "{{ a.x }}" }
   |              ^^^^^^^^^^^^^^^^^^^^^^ no `init` here
   |
   = help: add `init`

error[E0102]: what a loop carries has no key `nxt`
  --> pipeline.toml:15:26
   |
15 | carry.both = { init = 1, nxt = 2 }
   |                          ^^^ unknown key
   |
   = help: did you mean `next`?

error[E0107]: `iterations` cannot be the name of a carried value: it is the number of a loop's iterations
  --> pipeline.toml:16:7
   |
16 | carry.iterations = { init = 1, next = 2 }
   |       ^^^^^^^^^^
   |
   = help: choose another name

error[E0103]: `max` is a string, not a whole number
  --> pipeline.toml:20:7
   |
20 | max = "many"
   |       ^^^^^^ a string
   |
   = help: for example: `max = 4`

error[E0308]: the output `model` has the name of what the loop carries
  --> pipeline.toml:22:9
   |
21 | carry.model = { init = 1, next = 2 }
   |       ----- carried here
22 | outputs.model = "{{ a.x }}"
   |         ^^^^^ this output
   |
   = help: `names.model` could mean both: rename one of them

error[E0107]: `iterations` cannot be the name of an output: it is the number of a loop's iterations
  --> pipeline.toml:23:9
   |
23 | outputs.iterations = 3
   |         ^^^^^^^^^^
   |
   = help: choose another name

error[E0103]: `init` stands where the name of a carried value belongs
  --> pipeline.toml:28:11
   |
28 | carry = { init = 1, next = 2 }
   |           ^^^^
   |
   = help: give it a name: `[carry.NAME]`

error[E0103]: `next` stands where the name of a carried value belongs
  --> pipeline.toml:28:21
   |
28 | carry = { init = 1, next = 2 }
   |                     ^^^^
   |
   = help: give it a name: `[carry.NAME]`
"##
    );
}

#[test]
fn a_call_names_a_file() {
    story!(
        r##"
[call.bare]
params.a = 1

[call.wrong]
pipeline = ["qc.toml"]

[call.hole]
pipeline = "{{ params.which }}.toml"

[call.empty]
pipeline = ""
params = 3

[call.more]
pipeline = "qc.toml"
as = "sample"
command = "true"
outputs.x = "{{ y }}"
max_failures = 2
"##,
        r##"
error[E0104]: a call needs `pipeline`
 --> pipeline.toml:1:1
  |
1 | [call.bare]
  | ^^^^^^^^^^^ no `pipeline` here
  |
  = help: add `pipeline`

error[E0103]: `pipeline` is an array, not a string
 --> pipeline.toml:5:12
  |
5 | pipeline = ["qc.toml"]
  |            ^^^^^^^^^^^ an array
  |
  = help: for example: `pipeline = "text"`

error[E0121]: no expression can stand in `pipeline`, for the file is read before anything runs
 --> pipeline.toml:8:12
  |
8 | pipeline = "{{ params.which }}.toml"
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write the path of a pipeline file, relative to this one: `pipeline = "qc.toml"`

error[E0121]: the call `empty` names no file
  --> pipeline.toml:11:12
   |
11 | pipeline = ""
   |            ^^
   |
   = help: write the path of a pipeline file, relative to this one: `pipeline = "qc.toml"`

error[E0103]: `params` is an integer, not a table
  --> pipeline.toml:12:10
   |
12 | params = 3
   |          ^ an integer
   |
   = help: for example: `params = { NAME = "…" }`

error[E0118]: `as` has no meaning without `over`
  --> pipeline.toml:16:1
   |
16 | as = "sample"
   | ^^
   |
   = help: add `over`, or leave `as` out

error[E0102]: a call has no key `command`
  --> pipeline.toml:17:1
   |
17 | command = "true"
   | ^^^^^^^ unknown key
   |
   = help: it is a key of a task

error[E0102]: a call has no key `outputs`
  --> pipeline.toml:18:1
   |
18 | outputs.x = "{{ y }}"
   | ^^^^^^^ unknown key
   |
   = help: it is a key of the pipeline file, a task, a map, a branch or a loop

error[E0118]: `max_failures` has no meaning without `over`
  --> pipeline.toml:19:1
   |
19 | max_failures = 2
   | ^^^^^^^^^^^^
   |
   = help: add `over`, or leave `max_failures` out
"##
    );
}

#[test]
fn a_nul_stands_in_no_word_of_the_machine() {
    story!(
        r##"
[task.a]
command = "echo a\u0000b"
env.X = "a\u0000"
inputs.f = ["a", "b\u0000"]
outputs.g = { file = "\u0000" }
vars.fine = "a\u0000"

[task.b]
argv = ["echo", "\u0000"]
over = { lines = "x\u0000" }
"##,
        r##"
error[E0123]: `command` holds a NUL character
 --> pipeline.toml:2:11
  |
2 | command = "echo a\u0000b"
  |           ^^^^^^^^^^^^^^^
  |
  = help: take it out: no command, path or variable can hold one

error[E0123]: `X` holds a NUL character
 --> pipeline.toml:3:9
  |
3 | env.X = "a\u0000"
  |         ^^^^^^^^^
  |
  = help: take it out: no command, path or variable can hold one

error[E0123]: `f` holds a NUL character
 --> pipeline.toml:4:18
  |
4 | inputs.f = ["a", "b\u0000"]
  |                  ^^^^^^^^^
  |
  = help: take it out: no command, path or variable can hold one

error[E0123]: `file` holds a NUL character
 --> pipeline.toml:5:22
  |
5 | outputs.g = { file = "\u0000" }
  |                      ^^^^^^^^
  |
  = help: take it out: no command, path or variable can hold one

error[E0123]: `argv` holds a NUL character
 --> pipeline.toml:9:17
  |
9 | argv = ["echo", "\u0000"]
  |                 ^^^^^^^^
  |
  = help: take it out: no command, path or variable can hold one

error[E0123]: `lines` holds a NUL character
  --> pipeline.toml:10:18
   |
10 | over = { lines = "x\u0000" }
   |                  ^^^^^^^^^
   |
   = help: take it out: no command, path or variable can hold one
"##
    );
}

#[test]
fn lists_side_by_side_are_equally_long() {
    story!(
        r##"
[task.a]
over = { zip = { x = [1, 2], y = { lines = "y.txt" }, z = [1, 2, 3] } }
command = "true"

[task.deep]
command = "true"
vars.x = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
"##,
        r##"
error[E0115]: the lists of a `zip` have one length, and `z` has another
 --> pipeline.toml:2:59
  |
2 | over = { zip = { x = [1, 2], y = { lines = "y.txt" }, z = [1, 2, 3] } }
  |                      ------ `x` has 2 elements            ^^^^^^^^^ 3 elements
  |
  = help: make them equally long, or take `product` for every combination

error[E0101]: arrays and tables stand too deep in each other here
 --> pipeline.toml:7:90
  |
7 | vars.x = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]...
  |                                                                                          ^
  |
  = help: take a level out: 80 are more than a pipeline needs
"##
    );
}
