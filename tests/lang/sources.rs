//! Where a map's items come from.

use crate::common::{Project, Said};
use crate::outputs;
use serde_json::{Value, json};
use snapbox::str;

/// A map over this source whose only task gives its item back.
fn mirror(over: &str) -> Project {
    Project::new(&format!(
        r#"
[map.m]
{over}
[map.m.task.t]
command = 'printf %s {{{{ item | tojson }}}}'
outputs.item = {{ type = "json", from = "stdout" }}
[outputs]
items = "{{{{ m.t.item }}}}"
"#
    ))
}

#[track_caller]
fn items(over: &str) -> Value {
    outputs(&mirror(over))["items"].clone()
}

/// The items of a source that reads the file `list`.
#[track_caller]
fn items_of(over: &str, list: impl AsRef<[u8]>) -> Value {
    let project = mirror(over);
    project.write("list", list);
    outputs(&project)["items"].clone()
}

/// What is said about a source that reads the file `list`.
fn refused(over: &str, list: impl AsRef<[u8]>) -> Said {
    let project = mirror(over);
    project.write("list", list);
    project.run("run")
}

#[test]
fn a_literal_list() {
    assert_eq!(
        items(r#"over = ["a b", 1, 2.5, true, [1, "x"], { k = "v" }, "", "-n"]"#),
        json!(["a b", 1, 2.5, true, [1, "x"], { "k": "v" }, "", "-n"])
    );
    assert_eq!(items(r#"over = ["{{ 1 + 1 }}", "x{{ 3 }}", { n = "{{ [4] }}" }]"#), json!([2, "x3", { "n": [4] }]));
    assert_eq!(items("over = []"), json!([]));
}

#[test]
fn an_expression() {
    assert_eq!(items(r#"over = "{{ [1, 2] + ['x'] }}""#), json!([1, 2, "x"]));
    assert_eq!(items(r#"over = "{{ range(3) }}""#), json!([0, 1, 2]));
    assert_eq!(items(r#"over = "{{ 'a,b' | split(',') }}""#), json!(["a", "b"]));
    assert_eq!(items(r#"over = "{{ {'x': 1, 'y': 2} | items }}""#), json!([["x", 1], ["y", 2]]));
}

#[test]
fn an_expression_that_gives_no_list() {
    mirror(r#"over = "{{ {'a': 1} }}""#).run("run").shows(str![[r#"
exit 2
--- err
error[E0314]: `over` is a record, not a list
 --> pipeline.toml:3:8
  |
3 | over = "{{ {'a': 1} }}"
  |        ^^^^^^^^^^^^^^^^
  |
  = help: write an expression, `over = "{{ … }}"`, an array, or a table such as `{ glob = "…" }`

"#]]);
    mirror(r#"over = "{{ 1 + 1 }}""#).run("run").shows(str![[r#"
exit 2
--- err
error[E0314]: `over` is an int, not a list
 --> pipeline.toml:3:8
  |
3 | over = "{{ 1 + 1 }}"
  |        ^^^^^^^^^^^^^
  |
  = help: write an expression, `over = "{{ … }}"`, an array, or a table such as `{ glob = "…" }`

"#]]);
    mirror(r#"over = "{{ 'text' }}""#).run("run").shows(str![[r#"
exit 2
--- err
error[E0314]: `over` is a string, not a list
 --> pipeline.toml:3:8
  |
3 | over = "{{ 'text' }}"
  |        ^^^^^^^^^^^^^^
  |
  = help: write an expression, `over = "{{ … }}"`, an array, or a table such as `{ glob = "…" }`

"#]]);
    mirror(r#"over = "some text""#).run("run").shows(str![[r#"
exit 2
--- err
error[E0119]: `over` is plain text, not an expression
 --> pipeline.toml:3:8
  |
3 | over = "some text"
  |        ^^^^^^^^^^^
  |
  = help: put the expression in braces: `over = "{{ some text }}"`

error[E0314]: `over` is a string, not a list
 --> pipeline.toml:3:8
  |
3 | over = "some text"
  |        ^^^^^^^^^^^
  |
  = help: write an expression, `over = "{{ … }}"`, an array, or a table such as `{ glob = "…" }`

"#]]);
}

#[test]
fn a_range() {
    assert_eq!(items("over = { range = [0, 4] }"), json!([0, 1, 2, 3]));
    assert_eq!(items("over = { range = [0, 10, 4] }"), json!([0, 4, 8]));
    assert_eq!(items("over = { range = [0, 8, 4] }"), json!([0, 4]));
    assert_eq!(items("over = { range = [3, -3, -2] }"), json!([3, 1, -1]));
    assert_eq!(items("over = { range = [-2, 1] }"), json!([-2, -1, 0]));
    assert_eq!(items("over = { range = [5, 5] }"), json!([]));
    assert_eq!(items("over = { range = [5, 0] }"), json!([]));
    assert_eq!(
        items("over = { range = [9223372036854775805, 9223372036854775807] }"),
        json!([9223372036854775805u64, 9223372036854775806u64])
    );
    assert_eq!(items(r#"over = { range = ["{{ 1 + 1 }}", "{{ [4, 5] | max }}", 1] }"#), json!([2, 3, 4]));
}

#[test]
fn a_range_that_is_none() {
    mirror("over = { range = [0, 4, 0] }").run("run").shows(str![[r#"
exit 2
--- err
error[E0116]: the step of a `range` cannot be 0
 --> pipeline.toml:3:25
  |
3 | over = { range = [0, 4, 0] }
  |                         ^
  |
  = help: leave it out for 1

"#]]);
    mirror("over = { range = [0] }").run("run").shows(str![[r#"
exit 2
--- err
error[E0115]: `range` has 1 element, not two or three
 --> pipeline.toml:3:18
  |
3 | over = { range = [0] }
  |                  ^^^
  |
  = help: write `[from, to]` or `[from, to, step]`; `to` itself is not in it

"#]]);
    mirror(r#"over = { range = [0, "{{ 'x' }}"] }"#).run("run").shows(str![[r#"
exit 2
--- err
error[E0316]: a range needs whole numbers, and this is a string
 --> pipeline.toml:3:22
  |
3 | over = { range = [0, "{{ 'x' }}"] }
  |                      ^^^^^^^^^^^
  |
  = help: write a number, or one single expression that gives one

"#]]);
    mirror(r#"over = { range = [0, "{{ 1 - 1 }}", "{{ 1 - 1 }}"] }"#).run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: the step of `over.range` must not be 0
 --> pipeline.toml:3:37
  |
3 | over = { range = [0, "{{ 1 - 1 }}", "{{ 1 - 1 }}"] }
  |                                     ^^^^^^^^^^^^^

"#]]);
    mirror("over = { range = [0, 4000000000] }").run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: the range has 4000000000 items; a map takes 100000000 at most
 --> pipeline.toml:2:6
  |
2 | [map.m]
  |      ^

"#]]);
}

#[test]
fn a_glob() {
    let project = mirror(r#"over = { glob = "in/*.txt" }"#);
    for name in ["in/b.txt", "in/a.txt", "in/B.txt", "in/.hidden.txt", "in/a.csv", "in/sub/c.txt"] {
        project.write(name, name);
    }
    assert_eq!(outputs(&project)["items"], json!(["in/B.txt", "in/a.txt", "in/b.txt"]));
    // What the files hold is in the key.
    project.write("in/a.txt", "changed");
    project.run("plan").shows(str![[r#"
exit 0
--- out
m.t: run 1 · cached 2
  m[1].t
    value item: "in/a.txt" ([DIGEST]) → "in/a.txt" ([DIGEST])

run 1 · cached 2 · unknown 0

"#]]);

    let project = mirror(r#"over = { glob = "**/x?.{{ 't' ~ 'xt' }}" }"#);
    for name in ["x1.txt", "d/x2.txt", "d/e/x3.txt", "d/xx3.txt", ".d/x4.txt"] {
        project.write(name, name);
    }
    assert_eq!(outputs(&project)["items"], json!(["d/e/x3.txt", "d/x2.txt", "x1.txt"]));
    assert_eq!(items(r#"over = { glob = "nothing/*" }"#), json!([]));
}

#[test]
fn a_value_in_a_glob_is_no_pattern() {
    let project = mirror(r#"over = { glob = "{{ 'a*b' }}/*.{{ '[xy]' }}" }"#);
    for name in ["a*b/1.[xy]", "a*b/1.x", "aXb/1.[xy]"] {
        project.write(name, name);
    }
    assert_eq!(outputs(&project)["items"], json!(["a*b/1.[xy]"]));
}

#[test]
fn the_lines_of_a_file() {
    assert_eq!(
        items_of(r#"over = { lines = "list" }"#, "one\ntwo words\n\n'\"$x\n"),
        json!(["one", "two words", "", "'\"$x"])
    );
    assert_eq!(items_of(r#"over = { lines = "list" }"#, "one\r\ntwo\r\nlast"), json!(["one", "two", "last"]));
    assert_eq!(items_of(r#"over = { lines = "list" }"#, "\u{feff}one\n"), json!(["one"]));
    assert_eq!(items_of(r#"over = { lines = "{{ 'li' }}st" }"#, ""), json!([]));
}

#[test]
fn lines_that_are_not_utf_8() {
    let project = Project::new(
        r#"
[task.t]
over = { lines = "list" }
command = 'printf %s {{ item }} > {{ outputs.f }}'
outputs.f = { file = "out/{{ index }}" }
"#,
    );
    project.write("list", b"a\xff\xfeb\n\x80\n");
    project.run("run").exits(0);
    assert_eq!(std::fs::read(project.path("out/0")).unwrap(), b"a\xff\xfeb");
    assert_eq!(std::fs::read(project.path("out/1")).unwrap(), b"\x80");
    let project = Project::new(
        r#"
[task.t]
over = { lines = "list" }
command = 'printf "%s\n" x={{ item }} >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[outputs]
all = "{{ t.x }}"
"#,
    );
    project.write("list", b"a\xff\xfeb\n");
    assert_eq!(outputs(&project), json!({ "all": [{ "bytes": "Yf/+Yg==" }] }));
}

#[test]
fn a_csv_file() {
    let csv = r#"over = { csv = "list" }"#;
    assert_eq!(
        items_of(csv, "name,size\na,1\n\"b, \"\"c\"\"\nd\",\n"),
        json!([{ "name": "a", "size": "1" }, { "name": "b, \"c\"\nd", "size": "" }])
    );
    assert_eq!(items_of(csv, "\u{feff}name\r\nx\r\n\r\ny\r\n"), json!([{ "name": "x" }, { "name": "y" }]));
    assert_eq!(items_of(csv, "\u{feff}\"the name\"\nx\n"), json!([{ "the name": "x" }]));
    assert_eq!(items_of(csv, "name,size\n"), json!([]));
    assert_eq!(items_of(csv, ""), json!([]));
}

#[test]
fn a_csv_file_that_is_none() {
    let csv = r#"over = { csv = "list" }"#;
    refused(csv, "a,b\n1,2\n3\n4,5\n").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: `list`, line 3: 1 cell, but the first line names 2 columns
 --> pipeline.toml:3:16
  |
3 | over = { csv = "list" }
  |                ^^^^^^

"#]]);
    refused(csv, "a,b\n\"1\n1\",2\n3,4,5\n").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: `list`, line 4: 3 cells, but the first line names 2 columns
 --> pipeline.toml:3:16
  |
3 | over = { csv = "list" }
  |                ^^^^^^

"#]]);
    refused(csv, "a,b,a\n1,2,3\n").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: `list`, line 1: two columns are named `a`
 --> pipeline.toml:3:16
  |
3 | over = { csv = "list" }
  |                ^^^^^^

"#]]);
    mirror(csv).run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: cannot read the list `list`: no such file or directory
 --> pipeline.toml:3:16
  |
3 | over = { csv = "list" }
  |                ^^^^^^

"#]]);
    let project = mirror(csv);
    std::fs::create_dir(project.path("list")).unwrap();
    project.run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: cannot read the list `list`: is a directory
 --> pipeline.toml:3:16
  |
3 | over = { csv = "list" }
  |                ^^^^^^

"#]]);
}

#[test]
fn a_tsv_file() {
    let tsv = r#"over = { tsv = "list" }"#;
    assert_eq!(items_of(tsv, "a\tb\n\"x\t1, 2\n\t\n"), json!([{ "a": "\"x", "b": "1, 2" }, { "a": "", "b": "" }]));
    refused(tsv, "a\tb\n1\t2\n3 4\n").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: `list`, line 3: 1 cell, but the first line names 2 columns
 --> pipeline.toml:3:16
  |
3 | over = { tsv = "list" }
  |                ^^^^^^

"#]]);
}

#[test]
fn a_jsonl_file() {
    let jsonl = r#"over = { jsonl = "list" }"#;
    assert_eq!(
        items_of(jsonl, "{\"a\": [1, 2.50, null]}\n\n  \n\"text\"\r\n3\n\"last\""),
        json!([{ "a": [1, 2.5, null] }, "text", 3, "last"])
    );
    refused(jsonl, "1\n\n{\"a\": }\n").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: `list`, line 3: no JSON value: expected value at column 7
 --> pipeline.toml:3:18
  |
3 | over = { jsonl = "list" }
  |                  ^^^^^^

"#]]);
    refused(jsonl, "1 2\n").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: `list`, line 1: no JSON value: trailing characters at column 3
 --> pipeline.toml:3:18
  |
3 | over = { jsonl = "list" }
  |                  ^^^^^^

"#]]);
}

#[test]
fn a_product() {
    assert_eq!(
        items(r#"over = { product = { lr = [0.1, 0.01], depth = "{{ range(2) }}", mode = ["x"] } }"#),
        json!([
            { "lr": 0.1, "depth": 0, "mode": "x" },
            { "lr": 0.1, "depth": 1, "mode": "x" },
            { "lr": 0.01, "depth": 0, "mode": "x" },
            { "lr": 0.01, "depth": 1, "mode": "x" }
        ])
    );
    assert_eq!(
        items_of(r#"over = { product = { s = { csv = "list" }, n = { range = [0, 2] } } }"#, "id\nA\nB\n"),
        json!([
            { "s": { "id": "A" }, "n": 0 },
            { "s": { "id": "A" }, "n": 1 },
            { "s": { "id": "B" }, "n": 0 },
            { "s": { "id": "B" }, "n": 1 }
        ])
    );
    assert_eq!(items("over = { product = { a = [1, 2], b = [] } }"), json!([]));
    mirror("over = { product = { a = { range = [0, 100000] }, b = { range = [0, 100000] } } }").run("run").shows(str![
        [r#"
exit 2
--- err
error[E0602]: `m` has no list: the product has 100000 × 100000 items; a map takes 100000000 at most
 --> pipeline.toml:2:6
  |
2 | [map.m]
  |      ^

"#]
    ]);
}

#[test]
fn a_zip() {
    assert_eq!(
        items_of(r#"over = { zip = { l = { lines = "list" }, i = { range = [7, 9] } } }"#, "a\nb\n"),
        json!([{ "l": "a", "i": 7 }, { "l": "b", "i": 8 }])
    );
    mirror(r#"over = { zip = { a = [1, 2], b = "{{ [1] }}" , c = [1, 2] } }"#).run("run").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: `zip` needs lists of one length: `a` has 2, `b` has 1, `c` has 2
 --> pipeline.toml:2:6
  |
2 | [map.m]
  |      ^
  |
  = help: for all combinations use `product`

"#]]);
    refused(r#"over = { zip = { a = [1, 2], b = { lines = "list" } } }"#, "a\n").shows(str![[r#"
exit 2
--- err
error[E0602]: `m` has no list: `zip` needs lists of one length: `a` has 2, `b` has 1
 --> pipeline.toml:2:6
  |
2 | [map.m]
  |      ^
  |
  = help: for all combinations use `product`

"#]]);
}

#[test]
fn a_source_that_is_none() {
    mirror(r#"over = { csvs = "list" }"#).run("run").shows(str![[r#"
exit 2
--- err
error[E0102]: a source of `over` has no key `csvs`
 --> pipeline.toml:3:10
  |
3 | over = { csvs = "list" }
  |          ^^^^ unknown key
  |
  = help: did you mean `csv`?

"#]]);
    mirror("over = { }").run("run").shows(str![[r#"
exit 2
--- err
error[E0115]: `over` names no source
 --> pipeline.toml:3:8
  |
3 | over = { }
  |        ^^^
  |
  = help: give it one of `range`, `glob`, `lines`, `csv`, `tsv`, `jsonl`, `product` or `zip`

"#]]);
    mirror(r#"over = { csv = "a", tsv = "b" }"#).run("run").shows(str![[r#"
exit 2
--- err
error[E0115]: `over` has more than one source
 --> pipeline.toml:3:21
  |
3 | over = { csv = "a", tsv = "b" }
  |          ---        ^^^ one too many
  |          |
  |          the first one
  |
  = help: keep one; `product` and `zip` take several: `{ zip = { a = { lines = "…" }, b = … } }`

"#]]);
    mirror("over = 3").run("run").shows(str![[r#"
exit 2
--- err
error[E0103]: `over` is an integer, not an expression, an array or a table
 --> pipeline.toml:3:8
  |
3 | over = 3
  |        ^ an integer
  |
  = help: for example: `over = { lines = "samples.txt" }`

"#]]);
}
