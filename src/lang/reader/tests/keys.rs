//! Keys, names, and the types of values. Every mistake with its complete text.

use super::mistakes;

#[test]
fn an_unknown_key_names_the_near_one() {
    let text = r##"
[pipline]
name = "x"

[task.a]
comand = "true"
outptus.x = "int"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0102]: the pipeline file has no key `pipline`
 --> pipeline.toml:1:2
  |
1 | [pipline]
  |  ^^^^^^^ unknown key
  |
  = help: did you mean `pipeline`?

error[E0102]: a task has no key `comand`
 --> pipeline.toml:5:1
  |
5 | comand = "true"
  | ^^^^^^ unknown key
  |
  = help: did you mean `command`?

error[E0102]: a task has no key `outptus`
 --> pipeline.toml:6:1
  |
6 | outptus.x = "int"
  | ^^^^^^^ unknown key
  |
  = help: did you mean `outputs`?
"##
    );
}

#[test]
fn a_key_of_another_table_is_sent_there() {
    let text = r##"
[task.a]
command = "true"
memory = "1GiB"
min = 3
name = "x"

[params.p]
command = "true"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0102]: a task has no key `memory`
 --> pipeline.toml:3:1
  |
3 | memory = "1GiB"
  | ^^^^^^ unknown key
  |
  = help: it belongs under `resources`: `resources.memory = …`

error[E0102]: a task has no key `min`
 --> pipeline.toml:4:1
  |
4 | min = 3
  | ^^^ unknown key
  |
  = help: it is a key of a param

error[E0102]: a task has no key `name`
 --> pipeline.toml:5:1
  |
5 | name = "x"
  | ^^^^ unknown key
  |
  = help: it is a key of `[pipeline]`

error[E0102]: a param has no key `command`
 --> pipeline.toml:8:1
  |
8 | command = "true"
  | ^^^^^^^ unknown key
  |
  = help: it is a key of a task
"##
    );
}

#[test]
fn a_key_that_is_like_no_other_lists_them_all() {
    let text = r##"
[params.p]
wibble = 1

[task.a]
command = "true"
outputs.x = { path = "x" }
inputs.r = { path = "x" }
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0102]: a param has no key `wibble`
 --> pipeline.toml:2:1
  |
2 | wibble = 1
  | ^^^^^^ unknown key
  |
  = help: the keys are `type`, `default`, `min`, `max`, `choices` and `help`

error[E0102]: an output of a task has no key `path`
 --> pipeline.toml:6:15
  |
6 | outputs.x = { path = "x" }
  |               ^^^^ unknown key
  |
  = help: the keys are `type`, `from`, `file`, `dir`, `files`, `optional`, `ensure` and `keep`

error[E0102]: an input has no key `path`
 --> pipeline.toml:7:14
  |
7 | inputs.r = { path = "x" }
  |              ^^^^ unknown key
  |
  = help: write a path alone; a table is for what is fetched: `{ url = …, sha256 = … }`
"##
    );
}

#[test]
fn keys_of_later_versions_are_known() {
    let text = r##"
[task.a]
command = "true"
outputs.x = { file = "x", keep = "until_consumed" }
local.nice = 2
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0114]: `local` is part of the language, but not of this version
 --> pipeline.toml:4:1
  |
4 | local.nice = 2
  | ^^^^^ options for this machine
  |
  = help: leave it out for now
"##
    );
}

#[test]
fn resources_are_the_machines_or_those_of_limits() {
    let text = r##"
[limits]
licences = 2

[resources]
licence = 1
tokens = 1
cpu = 2

[task.a]
command = "true"
resources.licences = 1
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0102]: `licence` is neither a resource nor a name under `[limits]`
 --> pipeline.toml:5:1
  |
5 | licence = 1
  | ^^^^^^^ unknown resource
  |
  = help: did you mean `licences`?

error[E0102]: `tokens` is neither a resource nor a name under `[limits]`
 --> pipeline.toml:6:1
  |
6 | tokens = 1
  | ^^^^^^ unknown resource
  |
  = help: use `cpus`, `memory`, `time`, `gpus`, `disk`, `nodes`, `tasks` or `licences`; or say how many there are: `limits.tokens = 4`

error[E0102]: `cpu` is neither a resource nor a name under `[limits]`
 --> pipeline.toml:7:1
  |
7 | cpu = 2
  | ^^^ unknown resource
  |
  = help: did you mean `cpus`?
"##
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    let text = r##"
[task.a]
command = 5
cache = "true"
priority = "3"
shell = "bash -c"
after = "b"
inputs.x = 3
outputs.y = 4
env.E = [1]
vars = 3
pass_env = ["HOME", 1]
when = 1
over = 2
chunk = 1.5
workdir = ["x"]
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0103]: `command` is an integer, not a string
 --> pipeline.toml:2:11
  |
2 | command = 5
  |           ^ an integer
  |
  = help: put it in quotes: `command = "5"`

error[E0103]: `cache` is a string, not `true` or `false`
 --> pipeline.toml:3:9
  |
3 | cache = "true"
  |         ^^^^^^ a string
  |
  = help: write it without quotes: `cache = true`

error[E0103]: `priority` is a string, not a whole number
 --> pipeline.toml:4:12
  |
4 | priority = "3"
  |            ^^^ a string
  |
  = help: write it without quotes: `priority = 3`

error[E0103]: `shell` is a string, not an array of strings
 --> pipeline.toml:5:9
  |
5 | shell = "bash -c"
  |         ^^^^^^^^^ a string
  |
  = help: write one element a word: `shell = ["bash", "-c"]`

error[E0103]: `after` is a string, not an array of strings
 --> pipeline.toml:6:9
  |
6 | after = "b"
  |         ^^^ a string
  |
  = help: write an array of one: `after = ["b"]`

error[E0103]: `x` is an integer, not a path, a glob, an array of them or a table
 --> pipeline.toml:7:12
  |
7 | inputs.x = 3
  |            ^ an integer
  |
  = help: for example: `x = "data/*.fq"`

error[E0103]: `y` is an integer, not a type or a table
 --> pipeline.toml:8:13
  |
8 | outputs.y = 4
  |             ^ an integer
  |
  = help: for example: `y = { file = "results/table.csv" }`

error[E0103]: `E` is an array, not a string, a number or a boolean
 --> pipeline.toml:9:9
  |
9 | env.E = [1]
  |         ^^^ an array
  |
  = help: for example: `E = "text"`

error[E0103]: `vars` is an integer, not a table
  --> pipeline.toml:10:8
   |
10 | vars = 3
   |        ^ an integer
   |
   = help: for example: `vars = { NAME = "…" }`

error[E0103]: an element of `pass_env` is an integer, not a string
  --> pipeline.toml:11:21
   |
11 | pass_env = ["HOME", 1]
   |                     ^ an integer
   |
   = help: put it in quotes: `"1"`

error[E0103]: `when` is an integer, not a boolean or an expression
  --> pipeline.toml:12:8
   |
12 | when = 1
   |        ^ an integer
   |
   = help: for example: `when = "{{ … }}"`

error[E0103]: `over` is an integer, not an expression, an array or a table
  --> pipeline.toml:13:8
   |
13 | over = 2
   |        ^ an integer
   |
   = help: for example: `over = { lines = "samples.txt" }`

error[E0103]: `chunk` is a float, not a whole number
  --> pipeline.toml:14:9
   |
14 | chunk = 1.5
   |         ^^^ a float
   |
   = help: for example: `chunk = 4`

error[E0103]: `workdir` is an array, not a string
  --> pipeline.toml:15:11
   |
15 | workdir = ["x"]
   |           ^^^^^ an array
   |
   = help: for example: `workdir = "text"`
"##
    );
}

#[test]
fn array_of_tables_and_tables_without_a_name() {
    let text = r##"
[[task.a]]
command = "true"

[map]
over = "{{ [1] }}"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0103]: `a` is an array of tables, not a table
 --> pipeline.toml:1:1
  |
1 | [[task.a]]
  | ^^^^^^^^^^ an array of tables
  |
  = help: write one pair of brackets: `[task.a]`

error[E0103]: `over` stands where the name of a map belongs
 --> pipeline.toml:5:1
  |
5 | over = "{{ [1] }}"
  | ^^^^
  |
  = help: give it a name: `[map.NAME]`
"##
    );
}

#[test]
fn cache_is_no_expression() {
    let text = r##"
[task.a]
command = "true"
cache = "{{ params.c }}"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0103]: `cache` is a string, not `true` or `false`
 --> pipeline.toml:3:9
  |
3 | cache = "{{ params.c }}"
  |         ^^^^^^^^^^^^^^^^ a string
  |
  = help: no expression can stand here, for it is needed before anything runs
"##
    );
}

#[test]
fn a_missing_key() {
    let text = r##"
[map.m]
as = "x"

[map.m.task.t]
script = "print(1)"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0104]: a map needs `over`
 --> pipeline.toml:1:1
  |
1 | [map.m]
  | ^^^^^^^ no `over` here
  |
  = help: say what list it goes over: `over = "{{ … }}"`

error[E0104]: a script needs `interpreter`
 --> pipeline.toml:5:1
  |
5 | script = "print(1)"
  | ^^^^^^
  |
  = help: say what runs it: `interpreter = ["python3"]`
"##
    );
}

#[test]
fn a_map_without_a_body() {
    let text = r##"
[map.m]
over = [1, 2]
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0113]: the map `m` has no body
 --> pipeline.toml:1:1
  |
1 | [map.m]
  | ^^^^^^^
  |
  = help: say what is done with each item: `[map.m.task.NAME]`
"##
    );
}

#[test]
fn a_pipeline_without_a_task() {
    let text = r##"
[pipeline]
description = "nothing"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0113]: the pipeline has no task
 --> pipeline.toml:1:1
  |
1 | [pipeline]
  | ^
  |
  = help: write one: `[task.hello]` with `command = 'echo hello'`
"##
    );
}

#[test]
fn names_that_are_none_and_names_that_are_taken() {
    let text = r##"
[pipeline]
name = ""

[params.2x]
type = "int"

[task.a-b]
command = "true"
after = ["c.d"]
pass_env = ["A=b"]

[task.index]
command = "true"
outputs."é" = "int"

[task.range]
command = "true"

[task.not]
command = "true"

[map.m]
over = [1]
as = "run"
task.t.command = "true"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0106]: the pipeline's name is empty
 --> pipeline.toml:2:8
  |
2 | name = ""
  |        ^^
  |
  = help: leave `name` out: then it is the file's name

error[E0106]: `2x` cannot be the name of a param
 --> pipeline.toml:4:9
  |
4 | [params.2x]
  |         ^^
  |
  = help: a name is letters, digits and `_`, not a digit first: `_2x`

error[E0106]: `a-b` cannot be the name of a task
 --> pipeline.toml:7:7
  |
7 | [task.a-b]
  |       ^^^
  |
  = help: a name is letters, digits and `_`, not a digit first: `a_b`

error[E0107]: `index` cannot be the name of a task: it has a meaning of its own in expressions
  --> pipeline.toml:12:7
   |
12 | [task.index]
   |       ^^^^^
   |
   = help: choose another name

error[E0106]: `é` cannot be the name of an output
  --> pipeline.toml:14:9
   |
14 | outputs."é" = "int"
   |         ^^^
   |
   = help: a name is letters, digits and `_`, not a digit first: `_`

error[E0107]: `range` cannot be the name of a task: it is a function of the expression language
  --> pipeline.toml:16:7
   |
16 | [task.range]
   |       ^^^^^
   |
   = help: choose another name

error[E0107]: `not` cannot be the name of a task: it is a word of the expression language
  --> pipeline.toml:19:7
   |
19 | [task.not]
   |       ^^^
   |
   = help: choose another name

error[E0107]: `run` cannot be the name of an item: it has a meaning of its own in expressions
  --> pipeline.toml:24:6
   |
24 | as = "run"
   |      ^^^^^
   |
   = help: choose another name
"##
    );
}
