//! Values: ways to run, types, amounts, defaults, sources. Every mistake with its complete text.

use super::mistakes;

#[test]
fn none_or_several_ways_to_run() {
    let text = r##"
[task.a]
outputs.x = "int"

[task.b]
command = "true"
argv = ["true"]

[task.c]
argv = []
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0105]: the task `a` does not say what it runs
 --> pipeline.toml:1:1
  |
1 | [task.a]
  | ^^^^^^^^
  |
  = help: give it one of `command`, `argv` or `script`

error[E0105]: a task has one of `command`, `argv` or `script`, not several
 --> pipeline.toml:6:1
  |
5 | command = "true"
  | ------- the first one
6 | argv = ["true"]
  | ^^^^ one too many
  |
  = help: keep one, or make two tasks of it

error[E0103]: `argv` is an empty array
 --> pipeline.toml:9:8
  |
9 | argv = []
  |        ^^
  |
  = help: its first element is the program
"##
    );
}

#[test]
fn keys_that_need_another() {
    let text = r##"
[task.a]
command = "true"
interpreter = ["python3"]
as = "x"
max_parallel = 3

[task.b]
argv = ["true"]
shell = ["sh", "-c"]
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0118]: `interpreter` has no meaning without `script`
 --> pipeline.toml:3:1
  |
3 | interpreter = ["python3"]
  | ^^^^^^^^^^^
  |
  = help: add `script`, or leave `interpreter` out

error[E0118]: `as` has no meaning without `over`
 --> pipeline.toml:4:1
  |
4 | as = "x"
  | ^^
  |
  = help: add `over`, or leave `as` out

error[E0118]: `max_parallel` has no meaning without `over`
 --> pipeline.toml:5:1
  |
5 | max_parallel = 3
  | ^^^^^^^^^^^^
  |
  = help: add `over`, or leave `max_parallel` out

error[E0118]: `shell` has no meaning without `command`
 --> pipeline.toml:9:1
  |
9 | shell = ["sh", "-c"]
  | ^^^^^
  |
  = help: add `command`, or leave `shell` out
"##
    );
}

#[test]
fn types_that_are_none() {
    let text = r##"
[params.p]
type = "integer"
default = 3

[task.a]
command = "true"
outputs.a = "itn"
outputs.b = "results/x.txt"
outputs.c = { type = "list[int]" }
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0110]: `integer` is not a type
 --> pipeline.toml:2:8
  |
2 | type = "integer"
  |        ^^^^^^^^^
  |
  = help: it is called `int` here

error[E0110]: `itn` is not a type
 --> pipeline.toml:7:13
  |
7 | outputs.a = "itn"
  |             ^^^^^
  |
  = help: did you mean `int`?

error[E0110]: `results/x.txt` is not a type
 --> pipeline.toml:8:13
  |
8 | outputs.b = "results/x.txt"
  |             ^^^^^^^^^^^^^^^
  |
  = help: a file is declared in a table: `outputs.b = { file = "results/x.txt" }`

error[E0110]: `list[int]` is not a type
 --> pipeline.toml:9:22
  |
9 | outputs.c = { type = "list[int]" }
  |                      ^^^^^^^^^^^
  |
  = help: the type of its elements stands in `<>`: `list<int>`
"##
    );
}

#[test]
fn outputs_that_are_none() {
    let text = r##"
[task.a]
command = "true"
outputs.a = { file = "a", dir = "b" }
outputs.b = { type = "int", from = "stderr" }
outputs.c = { file = "a", from = "stdout" }
outputs.d = {}
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0117]: an output has one of `type`, `file`, `files` or `dir`, not several
 --> pipeline.toml:3:27
  |
3 | outputs.a = { file = "a", dir = "b" }
  |               ----        ^^^ one too many
  |               |
  |               the first one
  |
  = help: declare an output for each

error[E0117]: `stderr` is no place to read a value from
 --> pipeline.toml:4:36
  |
4 | outputs.b = { type = "int", from = "stderr" }
  |                                    ^^^^^^^^
  |
  = help: write `from = "stdout"`, or leave `from` out: then it is `$FLOWRUN_OUTPUT`

error[E0117]: `from` has no meaning without `type`
 --> pipeline.toml:5:27
  |
5 | outputs.c = { file = "a", from = "stdout" }
  |                           ^^^^
  |
  = help: add the value's type: `{ type = "string", from = "stdout" }`

error[E0117]: the output `d` does not say what it is
 --> pipeline.toml:6:13
  |
6 | outputs.d = {}
  |             ^^
  |
  = help: write `{ file = "…" }`, `{ files = "…*…" }`, `{ dir = "…" }`, or a type
"##
    );
}

#[test]
fn amounts_that_cannot_be_read() {
    let text = r##"
[resources]
memory = "4G"
time = "1:30"
cpus = "4"
gpus = -1

[limits]
slots = 0

[task.a]
command = "true"
resources.memory = "lots"
resources.time = "1h 1d"
resources.cpus = 0
resources.disk = -1
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0111]: the unit of `4G` can be read in two ways
 --> pipeline.toml:2:10
  |
2 | memory = "4G"
  |          ^^^^
  |
  = help: write `4GiB` (powers of 1024) or `4GB` (powers of 1000)

error[E0111]: `1:30` is not a duration
 --> pipeline.toml:3:8
  |
3 | time = "1:30"
  |        ^^^^^^
  |
  = help: write the units: `1m30s`, as `sbatch` reads it, or `1h30m`

error[E0103]: `cpus` is a string, not a whole number or an expression
 --> pipeline.toml:4:8
  |
4 | cpus = "4"
  |        ^^^ a string
  |
  = help: write it without quotes: `cpus = 4`

error[E0116]: `gpus` must be at least 0
 --> pipeline.toml:5:8
  |
5 | gpus = -1
  |        ^^
  |
  = help: write a whole number from 0 to 4294967295

error[E0116]: `slots` must be at least 1
 --> pipeline.toml:8:9
  |
8 | slots = 0
  |         ^
  |
  = help: write a whole number from 1 to 4294967295

error[E0111]: `lots` is not an amount of memory
  --> pipeline.toml:12:20
   |
12 | resources.memory = "lots"
   |                    ^^^^^^
   |
   = help: write a number and a unit: `512MiB`, `4GB`, `1.5GiB`; a number alone is bytes

error[E0111]: the parts of `1h 1d` are out of order
  --> pipeline.toml:13:18
   |
13 | resources.time = "1h 1d"
   |                  ^^^^^^^
   |
   = help: write parts of `d`, `h`, `m`, `s`, `ms`, the largest first: `90s`, `10m`, `1h30m`, `2d`

error[E0116]: `cpus` must be at least 1
  --> pipeline.toml:14:18
   |
14 | resources.cpus = 0
   |                  ^
   |
   = help: write a whole number from 1 to 4294967295

error[E0116]: `disk` must be at least 0
  --> pipeline.toml:15:18
   |
15 | resources.disk = -1
   |                  ^^
   |
   = help: write 0 or more
"##
    );
}

#[test]
fn numbers_out_of_range() {
    let text = r##"
[task.a]
command = "true"
over = { range = [0, 10, 0] }
chunk = 0
max_parallel = 99999999999
priority = 99999999999999999999
vars.x = inf
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0116]: the step of a `range` cannot be 0
 --> pipeline.toml:3:26
  |
3 | over = { range = [0, 10, 0] }
  |                          ^
  |
  = help: leave it out for 1

error[E0116]: `chunk` must be at least 1
 --> pipeline.toml:4:9
  |
4 | chunk = 0
  |         ^
  |
  = help: write a whole number from 1 to 4294967295

error[E0116]: `max_parallel` must be at most 4294967295
 --> pipeline.toml:5:16
  |
5 | max_parallel = 99999999999
  |                ^^^^^^^^^^^
  |
  = help: write a whole number from 1 to 4294967295

error[E0116]: the number does not fit 64 bits with a sign
 --> pipeline.toml:6:12
  |
6 | priority = 99999999999999999999
  |            ^^^^^^^^^^^^^^^^^^^^
  |
  = help: the greatest is 9223372036854775807, the least -9223372036854775808

error[E0116]: a number of the pipeline must be finite
 --> pipeline.toml:7:10
  |
7 | vars.x = inf
  |          ^^^
  |
  = help: leave it out, or write it as a string
"##
    );
}

#[test]
fn a_default_that_does_not_fit() {
    let text = r##"
[params.a]
type = "int"
default = "3"

[params.b]
type = "list<int>"
default = [1, "x"]

[params.c]
default = 1.5
max = 1

[params.d]
choices = ["fast", "slow"]
default = "medium"

[params.e]
type = "path"
default = 3

[task.x]
command = "true"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0112]: `default` of `a` does not fit its type: the value is a string (`3`), not an int
 --> pipeline.toml:3:11
  |
3 | default = "3"
  |           ^^^ not an int
  |
  = help: write it without quotes: `default = 3`

error[E0112]: `default` of `b` does not fit its type: element 1 is a string (`x`), not an int
 --> pipeline.toml:7:11
  |
7 | default = [1, "x"]
  |           ^^^^^^^^ not a `list<int>`
  |
  = help: change the value or the type

error[E0112]: the default of `c` is more than the greatest value allowed, 1.0
  --> pipeline.toml:10:11
   |
10 | default = 1.5
   |           ^^^ the default
11 | max = 1
   |       - what it must keep to
   |
   = help: change the one or the other

error[E0112]: the default of `d` is not among the choices `"fast"` and `"slow"`
  --> pipeline.toml:15:11
   |
14 | choices = ["fast", "slow"]
   |           ---------------- what it must keep to
15 | default = "medium"
   |           ^^^^^^^^ the default
   |
   = help: change the one or the other

error[E0112]: `default` of `e` does not fit its type: the value is an int (`3`), not a path
  --> pipeline.toml:19:11
   |
19 | default = 3
   |           ^ not a path
   |
   = help: put it in quotes: `default = "3"`
"##
    );
}

#[test]
fn bounds_and_choices_that_contradict() {
    let text = r##"
[params.a]
type = "int"
min = 5
max = 3

[params.b]
type = "string"
min = 3

[params.c]
type = "int"
choices = [1, "b", 3]

[params.d]
type = "int"
choices = [1, 30]
max = 10

[params.e]
choices = []

[task.x]
command = "true"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0112]: no value of `a` can be at least `min` and at most `max`
 --> pipeline.toml:4:7
  |
3 | min = 5
  |       - `min`
4 | max = 3
  |       ^ less than `min`
  |
  = help: exchange them

error[E0112]: `b` is a `string`, which has no `min`
 --> pipeline.toml:8:1
  |
8 | min = 3
  | ^^^
  |
  = help: only an `int` or `float` has bounds; `choices` lists the values of any type

error[E0112]: `choices` of `c` does not fit its type: the value is a string (`b`), not an int
  --> pipeline.toml:12:15
   |
12 | choices = [1, "b", 3]
   |               ^^^ not an int
   |
   = help: change the value or the type

error[E0112]: the choice `30` of `d` is more than the greatest value allowed, 10
  --> pipeline.toml:16:11
   |
16 | choices = [1, 30]
   |           ^^^^^^^
17 | max = 10
   |       -- what it must keep to
   |
   = help: change the one or the other

error[E0112]: `choices` is empty, so no value would be allowed
  --> pipeline.toml:20:11
   |
20 | choices = []
   |           ^^
   |
   = help: list the values, or leave `choices` out
"##
    );
}

#[test]
fn a_default_is_no_template() {
    let text = r##"
[params.a]
default = "{{ project }}/data"

[task.x]
command = "true"
"##;
    assert_eq!(
        mistakes(text),
        r##"
warning[E0112]: `default` of a param is taken as it stands: `{{` begins no expression here
 --> pipeline.toml:2:11
  |
2 | default = "{{ project }}/data"
  |           ^^^^^^^^^^^^^^^^^^^^
  |
  = help: an expression may stand where the param is read
"##
    );
}

#[test]
fn sources_that_are_none() {
    let text = r##"
[map.a]
over = { csv = "a", tsv = "b" }
task.t.command = "true"

[map.b]
over = {}
task.t.command = "true"

[map.c]
over = { range = [1] }
task.t.command = "true"

[map.d]
over = { range = [1, 2.5] }
task.t.command = "true"

[map.e]
over = { product = {} }
task.t.command = "true"

[map.f]
over = { zip = { a = [1], b = 3, c = { lines = "" }, d = "x" } }
task.t.command = "true"

[map.g]
over = { cvs = "x" }
task.t.command = "true"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0115]: `over` has more than one source
 --> pipeline.toml:2:21
  |
2 | over = { csv = "a", tsv = "b" }
  |          ---        ^^^ one too many
  |          |
  |          the first one
  |
  = help: keep one; `product` and `zip` take several: `{ zip = { a = { lines = "…" }, b = … } }`

error[E0115]: `over` names no source
 --> pipeline.toml:6:8
  |
6 | over = {}
  |        ^^
  |
  = help: give it one of `range`, `glob`, `lines`, `csv`, `tsv`, `jsonl`, `product` or `zip`

error[E0115]: `range` has 1 element, not two or three
  --> pipeline.toml:10:18
   |
10 | over = { range = [1] }
   |                  ^^^
   |
   = help: write `[from, to]` or `[from, to, step]`; `to` itself is not in it

error[E0103]: an element of `range` is a float, not a whole number or an expression
  --> pipeline.toml:14:22
   |
14 | over = { range = [1, 2.5] }
   |                      ^^^ a float
   |
   = help: write a whole number, or an expression: `"{{ … }}"`

error[E0115]: `product` has no list
  --> pipeline.toml:18:20
   |
18 | over = { product = {} }
   |                    ^^
   |
   = help: name its lists: `{ product = { a = […], b = […] } }`

error[E0103]: `b` is an integer, not an expression, an array or a table
  --> pipeline.toml:22:31
   |
22 | over = { zip = { a = [1], b = 3, c = { lines = "" }, d = "x" } }
   |                               ^ an integer
   |
   = help: for example: `b = { lines = "samples.txt" }`

error[E0115]: `lines` names no file
  --> pipeline.toml:22:48
   |
22 | over = { zip = { a = [1], b = 3, c = { lines = "" }, d = "x" } }
   |                                                ^^
   |
   = help: give it a path relative to the pipeline file

error[E0119]: `d` is plain text, not an expression
  --> pipeline.toml:22:58
   |
22 | over = { zip = { a = [1], b = 3, c = { lines = "" }, d = "x" } }
   |                                                          ^^^
   |
   = help: put the expression in braces: `d = "{{ x }}"`

error[E0102]: a source of `over` has no key `cvs`
  --> pipeline.toml:26:10
   |
26 | over = { cvs = "x" }
   |          ^^^ unknown key
   |
   = help: did you mean `csv`?
"##
    );
}

#[test]
fn text_where_an_expression_must_stand() {
    let text = r##"
[map.a]
over = "gen.list"
where = "item > 3"
key = "sample"
task.t.command = "true"
task.t.when = "item"

[map.b]
over = { range = [0, "n"] }
task.t.command = "true"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0119]: `over` is plain text, not an expression
 --> pipeline.toml:2:8
  |
2 | over = "gen.list"
  |        ^^^^^^^^^^
  |
  = help: put the expression in braces: `over = "{{ gen.list }}"`

error[E0119]: `where` is plain text, not an expression
 --> pipeline.toml:3:9
  |
3 | where = "item > 3"
  |         ^^^^^^^^^^
  |
  = help: put the expression in braces: `where = "{{ item > 3 }}"`

error[E0119]: `key` is plain text, not an expression
 --> pipeline.toml:4:7
  |
4 | key = "sample"
  |       ^^^^^^^^
  |
  = help: put the expression in braces: `key = "{{ sample }}"`

error[E0119]: `when` is plain text, not an expression
 --> pipeline.toml:6:15
  |
6 | task.t.when = "item"
  |               ^^^^^^
  |
  = help: put the expression in braces: `when = "{{ item }}"`

error[E0119]: an element of `range` is plain text, not an expression
 --> pipeline.toml:9:22
  |
9 | over = { range = [0, "n"] }
  |                      ^^^
  |
  = help: write a whole number, or an expression: `"{{ … }}"`
"##
    );
}

#[test]
fn a_place_after_an_escape_or_in_a_windows_file() {
    let text = "[task.a]\r\ncommand = \"true\"\r\noutputs.\"ü\" = \"int\"\r\nvars.x = { é = 1, y = nope }\r\n";
    assert_eq!(
        mistakes(text),
        r##"
error[E0106]: `ü` cannot be the name of an output
 --> pipeline.toml:3:9
  |
3 | outputs."ü" = "int"
  |         ^^^
  |
  = help: a name is letters, digits and `_`, not a digit first: `_`

error[E0101]: a name outside quotes is letters, digits, `_` and `-`
 --> pipeline.toml:4:12
  |
4 | vars.x = { é = 1, y = nope }
  |            ^
  |
  = help: put it in quotes
"##
    );
}
