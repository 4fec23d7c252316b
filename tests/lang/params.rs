//! `[params]`: every type, where values come from, and what is no value.

use crate::common::{Project, Said};
use serde_json::{Value, json};
use snapbox::str;

const ALL: &str = r#"
[params.flag]
type = "bool"
default = false
[params.count]
type = "int"
default = 3
min = 1
max = 10
help = "how often"
[params.rate]
type = "float"
default = 0.5
min = 0
[params.name]
type = "string"
default = "nobody"
[params.mode]
type = "string"
choices = ["fast", "exact"]
default = "fast"
[params.file]
type = "path"
default = "pipeline.toml"
[params.names]
type = "list<string>"
default = []
[params.sizes]
type = "map<int>"
default = { a = 1 }
[params.any]
type = "json"
default = { deep = [1, { x = true }] }
[params.guessed]
default = 7
[params.long_name]
default = "x"

[outputs]
flag = "{{ params.flag }}"
count = "{{ params.count }}"
rate = "{{ params.rate }}"
name = "{{ params.name }}"
mode = "{{ params.mode }}"
file = "{{ params.file }}"
names = "{{ params.names }}"
sizes = "{{ params.sizes }}"
any = "{{ params.any }}"
guessed = "{{ params.guessed }}"
long_name = "{{ params.long_name }}"

[task.t]
command = 'true'
"#;

/// The outputs that are not the defaults.
#[track_caller]
fn given(words: &[&str]) -> Value {
    of(&Project::new(ALL), words)
}

#[track_caller]
fn of(project: &Project, words: &[&str]) -> Value {
    let words = ["run", "--output", "json"].iter().chain(words);
    let mut outputs = project.run_words(words).exits(0).json()["outputs"].clone();
    let defaults = json!({
        "flag": false, "count": 3, "rate": 0.5, "name": "nobody", "mode": "fast", "file": "pipeline.toml", "names": [],
        "sizes": { "a": 1 }, "any": { "deep": [1, { "x": true }] }, "guessed": 7, "long_name": "x"
    });
    outputs.as_object_mut().unwrap().retain(|name, value| *value != defaults[name]);
    outputs
}

fn refused(words: &[&str]) -> Said {
    Project::new(ALL).run_words(["run"].iter().chain(words))
}

#[test]
fn defaults() {
    assert_eq!(given(&[]), json!({}));
}

#[test]
fn words_of_the_command_line() {
    assert_eq!(
        given(&["-p", "count=4", "-p", "rate=2", "-p", "name=a=b", "-p", "flag=true", "-p", "mode=exact"]),
        json!({ "count": 4, "rate": 2.0, "name": "a=b", "flag": true, "mode": "exact" })
    );
    assert_eq!(
        given(&["--", "--count", "4", "--rate=1e-3", "--name", "-x", "--flag", "--long-name", "y", "--guessed", "8"]),
        json!({ "count": 4, "rate": 0.001, "name": "-x", "flag": true, "long_name": "y", "guessed": 8 })
    );
    assert_eq!(given(&["--", "--flag", "--count=5"]), json!({ "flag": true, "count": 5 }));
    assert_eq!(given(&["--", "--flag=false", "--name="]), json!({ "name": "" }));
    assert_eq!(given(&["-p", "flag=true", "--", "--flag", "false"]), json!({}));
    assert_eq!(
        given(&["-p", "names=[\"a\", \"b c\"]", "-p", "sizes={\"x\": 2}", "-p", "any=[1, null]", "-p", "file=a b.txt"]),
        json!({ "names": ["a", "b c"], "sizes": { "x": 2 }, "any": [1, null], "file": "a b.txt" })
    );
    // Text is taken as it stands.
    assert_eq!(given(&["-p", "name=007", "--", "--long-name", "true"]), json!({ "name": "007", "long_name": "true" }));
    assert_eq!(given(&["-p", "name=\"quoted\""]), json!({ "name": "\"quoted\"" }));
}

#[test]
fn files_of_values() {
    let project = Project::new(ALL);
    project.write("a.toml", "count = 5\nname = \"from a\"\nsizes = { x = 1, y = 2 }\nnames = [\"p\"]\nflag = true\n");
    project.write("b.json", r#"{"name": "from b", "rate": 3, "any": null}"#);
    assert_eq!(
        of(&project, &["--params", "a.toml"]),
        json!({ "count": 5, "name": "from a", "sizes": { "x": 1, "y": 2 }, "names": ["p"], "flag": true })
    );
    // Later files win, words win over files, later words over earlier ones.
    assert_eq!(
        of(
            &project,
            &["--params", "a.toml", "--params", "b.json", "-p", "count=6", "-p", "count=7", "--", "--flag=false"]
        ),
        json!({ "count": 7, "name": "from b", "sizes": { "x": 1, "y": 2 }, "names": ["p"], "rate": 3.0, "any": null })
    );
}

#[test]
fn files_that_hold_no_values() {
    let project = Project::new(ALL);
    project.write("bad.toml", "count = \n");
    project.run("run --params bad.toml").shows(str![[r#"
exit 2
--- err
error[E0506]: the params file `bad.toml` cannot be read: line 1, column 9: string values must be quoted, expected literal string
 |
 = help: it is a table of values by the names of the params, in TOML, or in JSON when its name ends in `.json`

"#]]);
    project.write("bad.json", "{\"count\": 1,}");
    project.run("run --params bad.json").shows(str![[r#"
exit 2
--- err
error[E0506]: the params file `bad.json` cannot be read: trailing comma at line 1 column 13
 |
 = help: it is a table of values by the names of the params, in TOML, or in JSON when its name ends in `.json`

"#]]);
    project.write("wrong.toml", "cuont = 4\ncount = \"four\"\nmode = \"slow\"\nrate = -1\n");
    project.run("run --params wrong.toml").shows(str![[r#"
exit 2
--- err
error[E0501]: the pipeline has no param `cuont` (in `wrong.toml`)
 |
 = help: did you mean `count`?

error[E0503]: the param `count` cannot have this value: the value is a string (`four`), not an int (in `wrong.toml`)
 |
 = help: it is an int: how often

error[E0504]: the param `rate` is `-1.0`, less than its `min`, 0.0 (in `wrong.toml`)
 |
 = help: it must be at least 0.0

error[E0505]: the param `mode` cannot be `slow` (in `wrong.toml`)
 |
 = help: choose from `fast` and `exact`

"#]]);
    project.run("run --params none.toml").shows(str![[r#"
exit 2
--- err
error: there is no file `none.toml`

"#]]);
    project.write("values.yaml", "count: 4\n");
    project.run("run --params values.yaml").shows(str![[r#"
exit 2
--- err
error[E0506]: the params file `values.yaml` cannot be read: line 1, column 8: key with no value, expected `=`
 |
 = help: it is a table of values by the names of the params, in TOML, or in JSON when its name ends in `.json`

"#]]);
}

#[test]
fn values_of_another_type() {
    refused(&["-p", "count=four", "-p", "rate=x", "-p", "flag=yes", "-p", "names=a", "-p", "sizes={\"a\": \"b\"}"]).shows(str![[r#"
exit 2
--- err
error[E0503]: the param `count` cannot have this value: `four` is not an int (`-p count=four`)
 |
 = help: it is an int: how often

error[E0503]: the param `flag` cannot have this value: `yes` is not a bool: write `true` or `false` (`-p flag=yes`)
 |
 = help: it is a bool

error[E0503]: the param `names` cannot have this value: `a` is not a JSON list, such as `["a"]`: expected value at line 1 column 1 (`-p names=a`)
 |
 = help: it is a list<string>

error[E0503]: the param `rate` cannot have this value: `x` is not a float (`-p rate=x`)
 |
 = help: it is a float

error[E0503]: the param `sizes` cannot have this value: field `a` is a string (`b`), not an int (`-p sizes={"a": "b"}`)
 |
 = help: it is a map<int>

"#]]);
    refused(&["-p", "count=2.5", "-p", "any={", "-p", "guessed=x", "-p", "file="]).shows(str![[r#"
exit 2
--- err
error[E0503]: the param `any` cannot have this value: `{` is not JSON: EOF while parsing an object at line 1 column 1; text needs its quotes, as in `"text"` (`-p any={`)
 |
 = help: it is a json

error[E0503]: the param `count` cannot have this value: the value is a float (`2.5`), not an int (`-p count=2.5`)
 |
 = help: it is an int: how often

error[E0503]: the param `guessed` cannot have this value: `x` is not an int (`-p guessed=x`)
 |
 = help: it is an int

"#]]);
    refused(&["--", "--count"]).shows(str![[r#"
exit 2
--- err
error[E0503]: `--count` has no value, and the param `count` is an int
 |
 = help: write `--count VALUE`

"#]]);
}

#[test]
fn values_out_of_bounds() {
    refused(&["-p", "count=0", "-p", "rate=-0.1", "-p", "mode=slow"]).shows(str![[r#"
exit 2
--- err
error[E0504]: the param `count` is `0`, less than its `min`, 1 (`-p count=0`)
 |
 = help: it must be at least 1 and at most 10

error[E0504]: the param `rate` is `-0.1`, less than its `min`, 0.0 (`-p rate=-0.1`)
 |
 = help: it must be at least 0.0

error[E0505]: the param `mode` cannot be `slow` (`-p mode=slow`)
 |
 = help: choose from `fast` and `exact`

"#]]);
    refused(&["-p", "count=11"]).shows(str![[r#"
exit 2
--- err
error[E0504]: the param `count` is `11`, more than its `max`, 10 (`-p count=11`)
 |
 = help: it must be at least 1 and at most 10

"#]]);
}

#[test]
fn params_that_there_are_not() {
    refused(&["-p", "cuont=4", "--", "--colour", "red"]).shows(str![[r#"
exit 2
--- err
error[E0501]: the pipeline has no param `colour` (`--colour red`)
 |
 = help: it has `flag`, `count`, `rate`, `name`, `mode`, `file`, `names`, `sizes`, `any`, `guessed` and `long_name`

error[E0501]: the pipeline has no param `cuont` (`-p cuont=4`)
 |
 = help: did you mean `count`?

"#]]);
}

#[test]
fn a_param_without_a_value() {
    let project = Project::new(
        "[params.a]\ntype = \"int\"\nhelp = \"how many\"\n[params.b]\n[task.t]\ncommand = 'echo {{ params.a }} {{ params.b }}'\n",
    );
    project.run("run").shows(str![[r#"
exit 2
--- err
error[E0502]: the param `a` needs a value: how many
 --> pipeline.toml:1:9
  |
1 | [params.a]
  |         ^ an int without a default
  |
  = help: give it one, `-p a=VALUE`, or a `default`

error[E0502]: the param `b` needs a value
 --> pipeline.toml:4:9
  |
4 | [params.b]
  |         ^ a string without a default
  |
  = help: give it one, `-p b=VALUE`, or a `default`

"#]]);
    project.run("run -p a=1 -- --b x").exits(0);
    // A check knows no values.
    project.run("check").shows(str![[r#"
exit 0
--- out
`pipeline.toml` is right

"#]]);
}

#[test]
fn declarations_that_contradict_themselves() {
    Project::new(
        r#"
[params.a]
type = "int"
default = "three"
[params.b]
type = "int"
default = 11
max = 10
[params.c]
type = "string"
choices = ["x", "y"]
default = "z"
[params.d]
type = "integer"
[params.e]
type = "string"
min = 3
[params.f]
type = "int"
min = 5
max = 4
[params.g]
type = "list<int>"
default = [1, "2"]
[task.t]
command = 'echo {{ params.a }} {{ params.b }} {{ params.c }} {{ params.d }} {{ params.e }} {{ params.f }} {{ params.g }}'
"#,
    )
    .run("check")
    .shows(str![[r#"
exit 2
--- err
error[E0112]: `default` of `a` does not fit its type: the value is a string (`three`), not an int
 --> pipeline.toml:4:11
  |
4 | default = "three"
  |           ^^^^^^^ not an int
  |
  = help: change the value or the type

error[E0112]: the default of `b` is more than the greatest value allowed, 10
 --> pipeline.toml:7:11
  |
7 | default = 11
  |           ^^ the default
8 | max = 10
  |       -- what it must keep to
  |
  = help: change the one or the other

error[E0112]: the default of `c` is not among the choices `"x"` and `"y"`
  --> pipeline.toml:12:11
   |
11 | choices = ["x", "y"]
   |           ---------- what it must keep to
12 | default = "z"
   |           ^^^ the default
   |
   = help: change the one or the other

error[E0110]: `integer` is not a type
  --> pipeline.toml:14:8
   |
14 | type = "integer"
   |        ^^^^^^^^^
   |
   = help: it is called `int` here

error[E0112]: `e` is a `string`, which has no `min`
  --> pipeline.toml:17:1
   |
17 | min = 3
   | ^^^
   |
   = help: only an `int` or `float` has bounds; `choices` lists the values of any type

error[E0112]: no value of `f` can be at least `min` and at most `max`
  --> pipeline.toml:21:7
   |
20 | min = 5
   |       - `min`
21 | max = 4
   |       ^ less than `min`
   |
   = help: exchange them

error[E0112]: `default` of `g` does not fit its type: element 1 is a string (`2`), not an int
  --> pipeline.toml:24:11
   |
24 | default = [1, "2"]
   |           ^^^^^^^^ not a `list<int>`
   |
   = help: change the value or the type

7 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn a_param_nobody_reads() {
    Project::new("[params.a]\ndefault = 1\n[task.t]\ncommand = 'true'\n").run("check").shows(str![[r#"
exit 0
--- out
`pipeline.toml` is right
--- err
warning[E0507]: nothing reads the param `a`
 --> pipeline.toml:1:9
  |
1 | [params.a]
  |         ^
  |
  = help: read it as `{{ params.a }}`, or take it away

1 warning in `pipeline.toml`

"#]]);
    Project::new("[params.aa]\ndefault = 1\n[task.t]\ncommand = 'echo {{ params.ab }} {{ params }}'\n")
        .run("check")
        .shows(str![[r#"
exit 2
--- err
error[E0302]: there is no param `ab`
 --> pipeline.toml:4:27
  |
4 | command = 'echo {{ params.ab }} {{ params }}'
  |                           ^^
  |
  = help: declare it: `[params.ab]`

error[E0304]: `params` by itself is no value
 --> pipeline.toml:4:36
  |
4 | command = 'echo {{ params.ab }} {{ params }}'
  |                                    ^^^^^^
  |
  = help: name a param: `params.aa`

2 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn a_path_that_is_not_utf_8() {
    use std::os::unix::ffi::OsStringExt;
    let project = Project::new(
        r#"
[params.file]
type = "path"
[task.t]
command = 'cat {{ params.file }}; cat {{ inputs.file }}'
inputs.file = "{{ params.file }}"
outputs.x = { type = "string", from = "stdout" }
[outputs]
x = "{{ t.x }}"
file = "{{ params.file }}"
"#,
    );
    let name = std::ffi::OsString::from_vec(b"a\xff.txt".to_vec());
    project.write(&name, "there");
    let mut command = project.command(["run", "--output", "json", "-p"]);
    let word = [b"file=".as_slice(), b"a\xff.txt"].concat();
    let said = project.said(command.arg(std::ffi::OsString::from_vec(word))).exits(0).json();
    assert_eq!(said["outputs"], json!({ "x": "therethere", "file": { "bytes": "Yf8udHh0" } }));
}
