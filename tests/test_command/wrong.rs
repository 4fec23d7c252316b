//! Tables of tests that cannot be meant.

use super::{PIPELINE, project};
use snapbox::str;

#[test]
fn what_is_wrong_with_tests_is_found_by_check() {
    let project = project(
        r#"
[test.a]
node = "proces.compute"

[test.b]
node = "process"
params.multiplier = 11
params.multiplicator = 1

[test.c]
node = "compute"

[test.d]
node = "process.compute"
values = { m = 4 }
inputs.x = "a"
expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }

[test.e]
node = "report"
values.process.compute.value = "x"
inputs.heat = "a"
expect = { matches = { html = "(" }, sha256 = { html = "12" }, values = { html = 3 } }

[test.f]
node = "split"
values = { file = "data/head.txt", index = 0 }
expect = { matches = { parts = "x" }, files = { parts = { text = "x" } } }
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0407]: the pipeline has no node `proces.compute`
  --> pipeline.toml:32:8
   |
32 | node = "proces.compute"
   |        ^^^^^^^^^^^^^^^^
   |
   = help: did you mean `process.compute`?

error[E0407]: `process` is no task, and a test is of one task
  --> pipeline.toml:35:8
   |
35 | node = "process"
   |        ^^^^^^^^^
   |
   = help: name a task inside: `process.compute`

error[E0504]: the param `multiplier` is `11`, more than its `max`, 10 (in the test `b`)
  --> pipeline.toml:36:21
   |
36 | params.multiplier = 11
   |                     ^^
   |
   = help: it must be at most 10

error[E0501]: the pipeline has no param `multiplicator` (in the test `b`)
  --> pipeline.toml:37:8
   |
37 | params.multiplicator = 1
   |        ^^^^^^^^^^^^^
   |
   = help: did you mean `multiplier`?

error[E0407]: the pipeline has no node `compute`
  --> pipeline.toml:40:8
   |
40 | node = "compute"
   |        ^^^^^^^^^
   |
   = help: did you mean `process.compute`?

error[E0340]: the test `d` gives no value for `n`
  --> pipeline.toml:42:7
   |
42 | [test.d]
   |       ^
   |
   = help: the task reads it: `values.n = …`, an int

error[E0301]: the task reads nothing called `m`
  --> pipeline.toml:44:12
   |
44 | values = { m = 4 }
   |            ^
   |
   = help: it reads `n`

error[E0301]: the task has no input `x`
  --> pipeline.toml:45:8
   |
45 | inputs.x = "a"
   |        ^
   |
   = help: it has no inputs; what else it reads stands under `files`

error[E0118]: a task that fails has no outputs
  --> pipeline.toml:46:33
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                   -             ^^^^^
   |                   |
   |                   it must fail
   |
   = help: look into its log instead: `expect.log = '…'`

error[E0340]: the output `value` can never be this: the value is a string (`x`), not an int
  --> pipeline.toml:46:41
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                                         ^^^
   |
   = help: it is declared as `int`

error[E0303]: the task has no output `valeu`
  --> pipeline.toml:46:46
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                                              ^^^^^
   |
   = help: did you mean `value`?

error[E0340]: `value` is no file
  --> pipeline.toml:46:69
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                                                                     ^^^^^
   |
   = help: say what it must be: `expect.values.value = …`, or `expect.matches`

error[E0340]: `value` is no file
  --> pipeline.toml:46:95
   |
46 | expect = { exit = 3, values = { value = "x", valeu = 3 }, files = { value = "x" }, sha256 = { value = "x" } }
   |                                                                                               ^^^^^
   |
   = help: say what it must be: `expect.values.value = …`, or `expect.matches`

error[E0340]: the value of `process.compute.value` does not fit: the value is a string (`x`), not a `list<int>`
  --> pipeline.toml:50:8
   |
50 | values.process.compute.value = "x"
   |        ^^^^^^^
   |
   = help: the task reads a list there

error[E0301]: the task has no input `heat`
  --> pipeline.toml:51:8
   |
51 | inputs.heat = "a"
   |        ^^^^
   |
   = help: did you mean `head`?

error[E0340]: `(` is no regular expression: unclosed group
  --> pipeline.toml:52:31
   |
52 | expect = { matches = { html = "(" }, sha256 = { html = "12" }, values = { html = 3 } }
   |                               ^^^
   |
   = help: characters such as `(`, `[` and `.` stand for themselves after a `\`

error[E0340]: `12` is no SHA-256 digest
  --> pipeline.toml:52:56
   |
52 | expect = { matches = { html = "(" }, sha256 = { html = "12" }, values = { html = 3 } }
   |                                                        ^^^^
   |
   = help: a digest is 64 hexadecimal digits, as `sha256sum` prints them

error[E0340]: `html` is no value
  --> pipeline.toml:52:75
   |
52 | expect = { matches = { html = "(" }, sha256 = { html = "12" }, values = { html = 3 } }
   |                                                                           ^^^^
   |
   = help: it stands under `expect.files.html`

error[E0340]: `parts` is a folder, in which no pattern is looked for
  --> pipeline.toml:57:24
   |
57 | expect = { matches = { parts = "x" }, files = { parts = { text = "x" } } }
   |                        ^^^^^
   |
   = help: compare it as a whole: `expect.files.parts = "…"`

error[E0340]: `parts` is a folder, which no text is like
  --> pipeline.toml:57:66
   |
57 | expect = { matches = { parts = "x" }, files = { parts = { text = "x" } } }
   |                                                                  ^^^
   |
   = help: name a folder of the project

20 mistakes in `pipeline.toml`

"#]]);
    project.write(
        "pipeline.toml",
        format!(
            "{PIPELINE}{}",
            r#"
[test.a]
nod = "report"

[test.b]
node = "report"
values = "x"
inputs.head = 3
files."/etc/x" = "x"
files."a/../b" = "x"
files.c = { txt = "x" }
files.d = {}
expect = { exit = 256, log = [3], valeus = { a = 3 } }
"#
        ),
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0102]: a test has no key `nod`
  --> pipeline.toml:32:1
   |
32 | nod = "report"
   | ^^^ unknown key
   |
   = help: did you mean `node`?

error[E0340]: the test `b` gives no value for `process.compute.value`
  --> pipeline.toml:34:7
   |
34 | [test.b]
   |       ^
   |
   = help: the task reads it: `values.process.compute.value = …`, a list

error[E0103]: `values` is a string, not a table
  --> pipeline.toml:36:10
   |
36 | values = "x"
   |          ^^^ a string
   |
   = help: for example: `values = { NAME = "…" }`

error[E0103]: `head` is an integer, not a string or an array of strings
  --> pipeline.toml:37:15
   |
37 | inputs.head = 3
   |               ^ an integer
   |
   = help: for example: `head = ["a", "b"]`

error[E0106]: `/etc/x` is no place in the test's folder
  --> pipeline.toml:38:7
   |
38 | files."/etc/x" = "x"
   |       ^^^^^^^^
   |
   = help: write a relative path without `..`: `files."data/ref.fa"`

error[E0106]: `a/../b` is no place in the test's folder
  --> pipeline.toml:39:7
   |
39 | files."a/../b" = "x"
   |       ^^^^^^^^
   |
   = help: write a relative path without `..`: `files."data/ref.fa"`

error[E0102]: a content has no key `txt`
  --> pipeline.toml:40:13
   |
40 | files.c = { txt = "x" }
   |             ^^^ unknown key
   |
   = help: did you mean `text`?

error[E0104]: `d` has no content
  --> pipeline.toml:41:11
   |
41 | files.d = {}
   |           ^^
   |
   = help: write the path of a file of the project, or `{ text = "…" }`

error[E0116]: `exit` must be at most 255
  --> pipeline.toml:42:19
   |
42 | expect = { exit = 256, log = [3], valeus = { a = 3 } }
   |                   ^^^
   |
   = help: write a whole number from 0 to 255

error[E0103]: an element of `log` is an integer, not a string
  --> pipeline.toml:42:31
   |
42 | expect = { exit = 256, log = [3], valeus = { a = 3 } }
   |                               ^ an integer
   |
   = help: put it in quotes: `"3"`

error[E0102]: `expect` of a test has no key `valeus`
  --> pipeline.toml:42:35
   |
42 | expect = { exit = 256, log = [3], valeus = { a = 3 } }
   |                                   ^^^^^^ unknown key
   |
   = help: did you mean `values`?

11 mistakes in `pipeline.toml`

"#]]);
    project.write(
        "pipeline.toml",
        format!("{PIPELINE}{}", "[test.a]\nnode = \"gen_data\"\nfiles.x = \"no/such\"\nexpect.values.raw = [42, 43]\n"),
    );
    // Files may come later: only a test that is run needs them.
    project.run("check").exits(0);
    project.run("test").shows(str![[r#"
exit 2
--- err
error[E0620]: the test `a` names `no/such`, which is not there
  --> pipeline.toml:32:11
   |
32 | files.x = "no/such"
   |           ^^^^^^^^^
   |
   = help: a path is relative to the pipeline file's folder

"#]]);
}
