//! Stories: outputs that cannot be meant.

use super::mistakes;
use snapbox::{IntoData, str};

#[track_caller]
fn shows(text: &str, expected: impl IntoData) {
    let same = snapbox::Assert::new().action_env("SNAPSHOTS");
    same.eq(mistakes(text).into_data().raw(), expected.into_data().raw());
}

#[test]
fn a_demand_has_a_meaning_for_files_alone() {
    shows(
        r#"
[task.a]
command = "true"
outputs.count = { type = "int", optional = true, ensure = { non_empty = true } }
outputs.index = { dir = "index", optional = true, ensure = { sha256 = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b" } }
outputs.parts = { files = "parts/*.csv", ensure = { sha256 = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b" } }
"#,
        str![[r#"

error[E0117]: `optional` has no meaning for a value
 --> pipeline.toml:3:33
  |
3 | outputs.count = { type = "int", optional = true, ensure = { non_empty = true } }
  |                                 ^^^^^^^^
  |
  = help: it is for files: leave it out

error[E0117]: `ensure` has no meaning for a value
 --> pipeline.toml:3:50
  |
3 | outputs.count = { type = "int", optional = true, ensure = { non_empty = true } }
  |                                                  ^^^^^^
  |
  = help: it is for files: leave it out

error[E0117]: `optional` has no meaning for a directory, which is always there
 --> pipeline.toml:4:34
  |
4 | outputs.index = { dir = "index", optional = true, ensure = { sha256 = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca54...
  |                                  ^^^^^^^^
  |
  = help: leave it out: a directory may be empty

error[E0117]: `sha256` is for one file, and a directory holds several
 --> pipeline.toml:4:71
  |
4 | ...nal = true, ensure = { sha256 = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b" } }
  |                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: declare the file for itself: `{ file = "…", ensure = { sha256 = "…" } }`

error[E0117]: `sha256` is for one file, and a pattern may match several
 --> pipeline.toml:5:62
  |
5 | outputs.parts = { files = "parts/*.csv", ensure = { sha256 = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b" } }
  |                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: declare the file for itself: `{ file = "…", ensure = { sha256 = "…" } }`

"#]],
    );
}

#[test]
fn wrong_words_and_types() {
    shows(
        r#"
[task.a]
command = "true"
outputs.a = { file = "a", ensure = { sha256 = "d41d8cd9" } }
outputs.b = { file = "b", ensure = { nonempty = true } }
outputs.c = { file = "c", ensure = true }
outputs.d = { file = "d", ensure = { } }
outputs.e = { file = "e", optional = "yes" }
outputs.f = { file = "f", files = "f/*" }
outputs.g = { files = "g/part.csv" }
outputs.h = { file = "h", optinal = true }
outputs.i = { file = "i", ensure = { sha256 = 3 } }
outputs.j = { file = "j", keep = "until_consumd" }
outputs.k = { file = "k", keep = true }
outputs.l = { type = "int", keep = "always" }

[task.b]
command = "true"
outputs.n = "int"
keep = "forever"

[task.c]
command = "true"
outputs.n = "int"
keep = "until_consumed"
"#,
        str![[r#"

error[E0117]: `d41d8cd9` is no SHA-256
 --> pipeline.toml:3:47
  |
3 | outputs.a = { file = "a", ensure = { sha256 = "d41d8cd9" } }
  |                                               ^^^^^^^^^^
  |
  = help: write its 64 hexadecimal digits, as `sha256sum FILE` prints them

error[E0102]: `ensure` has no key `nonempty`
 --> pipeline.toml:4:38
  |
4 | outputs.b = { file = "b", ensure = { nonempty = true } }
  |                                      ^^^^^^^^ unknown key
  |
  = help: did you mean `non_empty`?

error[E0103]: `ensure` is a boolean, not a table
 --> pipeline.toml:5:36
  |
5 | outputs.c = { file = "c", ensure = true }
  |                                    ^^^^ a boolean
  |
  = help: for example: `ensure = { non_empty = true }`

error[E0117]: `ensure` demands nothing
 --> pipeline.toml:6:36
  |
6 | outputs.d = { file = "d", ensure = { } }
  |                                    ^^^
  |
  = help: write `{ non_empty = true }`, `{ sha256 = "…" }`, or leave it out

error[E0103]: `optional` is a string, not `true` or `false`
 --> pipeline.toml:7:38
  |
7 | outputs.e = { file = "e", optional = "yes" }
  |                                      ^^^^^ a string
  |
  = help: for example: `optional = true`

error[E0117]: an output has one of `type`, `file`, `files` or `dir`, not several
 --> pipeline.toml:8:27
  |
8 | outputs.f = { file = "f", files = "f/*" }
  |               ----        ^^^^^ one too many
  |               |
  |               the first one
  |
  = help: declare an output for each

error[E0117]: `files` is a pattern with `*`, `?` or `[…]` in it, and `g/part.csv` has none
 --> pipeline.toml:9:23
  |
9 | outputs.g = { files = "g/part.csv" }
  |                       ^^^^^^^^^^^^
  |
  = help: for one file write `outputs.g = { file = … }`

error[E0102]: an output of a task has no key `optinal`
  --> pipeline.toml:10:27
   |
10 | outputs.h = { file = "h", optinal = true }
   |                           ^^^^^^^ unknown key
   |
   = help: did you mean `optional`?

error[E0103]: `sha256` is an integer, not a string
  --> pipeline.toml:11:47
   |
11 | outputs.i = { file = "i", ensure = { sha256 = 3 } }
   |                                               ^ an integer
   |
   = help: put it in quotes: `sha256 = "3"`

error[E0120]: `until_consumd` is no answer to how long it is kept
  --> pipeline.toml:12:34
   |
12 | outputs.j = { file = "j", keep = "until_consumd" }
   |                                  ^^^^^^^^^^^^^^^
   |
   = help: did you mean `until_consumed`?

error[E0103]: `keep` is a boolean, not a string
  --> pipeline.toml:13:34
   |
13 | outputs.k = { file = "k", keep = true }
   |                                  ^^^^ a boolean
   |
   = help: for example: `keep = "continue"`

error[E0117]: `keep` has no meaning for a value
  --> pipeline.toml:14:29
   |
14 | outputs.l = { type = "int", keep = "always" }
   |                             ^^^^
   |
   = help: values are kept always: leave it out

error[E0118]: `keep` has no meaning for a task that gives values alone
  --> pipeline.toml:19:1
   |
19 | keep = "forever"
   | ^^^^
   |
   = help: values are kept always: leave it out

error[E0120]: `forever` is no answer to how long it is kept
  --> pipeline.toml:19:8
   |
19 | keep = "forever"
   |        ^^^^^^^^^
   |
   = help: write `always` or `until_consumed`

error[E0118]: `keep` has no meaning for a task that gives values alone
  --> pipeline.toml:24:1
   |
24 | keep = "until_consumed"
   | ^^^^
   |
   = help: values are kept always: leave it out

"#]],
    );
}
