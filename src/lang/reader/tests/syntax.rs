//! What the text itself is wrong about: TOML, and what stands twice. Every mistake with its complete text.

use super::mistakes;

#[test]
fn syntax_errors_of_a_file_come_at_once() {
    let text = r##"
[task.a]
command = "grep '\d' x"
[task.b]
command = "echo
outputs.x = int
cache =
[task.c
argv = [1, 2
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0101]: a `\` in a `"…"` string begins an escape
 --> pipeline.toml:2:19
  |
2 | command = "grep '\d' x"
  |                   ^
  |
  = help: write `\\`, or use a `'…'` string, where every character stands for itself

error[E0101]: the string does not end on its line
 --> pipeline.toml:4:16
  |
4 | command = "echo
  |                ^
  |
  = help: close it, or use `"""…"""` or `'''…'''` for several lines

error[E0101]: the value is neither a number nor a boolean
 --> pipeline.toml:5:13
  |
5 | outputs.x = int
  |             ^^^
  |
  = help: put text in quotes: `"…"` or `'…'`

error[E0101]: the value is missing
 --> pipeline.toml:6:8
  |
6 | cache =
  |        ^
  |
  = help: write it after the `=`; text stands in quotes: `"…"` or `'…'`

error[E0101]: the header is not closed
 --> pipeline.toml:7:8
  |
7 | [task.c
  |        ^
  |
  = help: add `]`

error[E0101]: the array is not closed
 --> pipeline.toml:8:13
  |
8 | argv = [1, 2
  |             ^
  |
  = help: add `]`
"##
    );
}

#[test]
fn what_a_broken_line_takes_with_it_is_not_reported() {
    let text = r##"
[task.a]
command = echo hello
when = = 3
script = "x" "y"
chunk = "3"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0101]: the value is neither a number nor a boolean
 --> pipeline.toml:2:11
  |
2 | command = echo hello
  |           ^^^^^^^^^^
  |
  = help: put text in quotes: `"…"` or `'…'`

error[E0101]: extra `=`
 --> pipeline.toml:3:8
  |
3 | when = = 3
  |        ^
  |
  = help: compare it with the grammar at https://toml.io

error[E0101]: only a comment may follow here
 --> pipeline.toml:4:14
  |
4 | script = "x" "y"
  |              ^
  |
  = help: begin a new line

error[E0103]: `chunk` is a string, not a whole number
 --> pipeline.toml:5:9
  |
5 | chunk = "3"
  |         ^^^ a string
  |
  = help: write it without quotes: `chunk = 3`
"##
    );
}

#[test]
fn a_key_that_stands_twice_quotes_both_places() {
    let text = r##"
[task.a]
command = "true"
outputs.x = "int"
outputs.y = "int"
outputs.x = "float"
command = "false"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0108]: `task.a.outputs.x` stands twice
 --> pipeline.toml:5:9
  |
3 | outputs.x = "int"
  |         - first here
4 | outputs.y = "int"
5 | outputs.x = "float"
  |         ^ again here
  |
  = help: keep one of them

error[E0108]: `task.a.command` stands twice
 --> pipeline.toml:6:1
  |
2 | command = "true"
  | ------- first here
...
6 | command = "false"
  | ^^^^^^^ again here
  |
  = help: keep one of them
"##
    );
}

#[test]
fn a_table_that_stands_twice_is_one_mistake() {
    let text = r##"
[task.a]
command = "true"

[task.b]
command = "true"

[task.a]
argv = ["false"]
command = "false"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0108]: the table `task.a` stands twice
 --> pipeline.toml:7:7
  |
1 | [task.a]
  |       - first here
...
7 | [task.a]
  |       ^ again here
  |
  = help: give one of them another name, or write all of it in one table
"##
    );
}

#[test]
fn a_dotted_key_and_a_later_header() {
    let text = r##"
[task.t]
command = "true"
outputs.x = "int"

[task.t.outputs]
y = "int"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0109]: `task.t.outputs` is declared both by dotted keys and by a header
 --> pipeline.toml:5:9
  |
3 | outputs.x = "int"
  | ------- by a dotted key here
4 |
5 | [task.t.outputs]
  |         ^^^^^^^ by a header here
  |
  = help: write all of it in one way: `outputs.NAME = …` under `[task.t]`, or `NAME = …` under `[task.t.outputs]`
"##
    );
}

#[test]
fn a_header_and_a_later_dotted_key() {
    let text = r##"
[task.t.outputs]
y = "int"

[task.t]
command = "true"
outputs.x = "int"
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0109]: `task.t.outputs` is declared both by dotted keys and by a header
 --> pipeline.toml:6:1
  |
1 | [task.t.outputs]
  |         ------- by a header here
...
6 | outputs.x = "int"
  | ^^^^^^^ by a dotted key here
  |
  = help: write all of it in one way: `outputs.NAME = …` under `[task.t]`, or `NAME = …` under `[task.t.outputs]`
"##
    );
}

#[test]
fn a_table_in_braces_is_complete() {
    let text = r##"
[task.t]
command = "true"
outputs = { x = "int" }
outputs.y = "int"
vars.a = 1
vars = 2
"##;
    assert_eq!(
        mistakes(text),
        r##"
error[E0108]: `task.t.outputs` is given as a whole and added to as well
 --> pipeline.toml:4:1
  |
3 | outputs = { x = "int" }
  | ------- given as a whole here
4 | outputs.y = "int"
  | ^^^^^^^ added to here
  |
  = help: write all of it in one place

error[E0108]: `task.t.vars` is given as a whole and added to as well
 --> pipeline.toml:6:1
  |
5 | vars.a = 1
  | ---- added to here
6 | vars = 2
  | ^^^^ given as a whole here
  |
  = help: write all of it in one place
"##
    );
}
