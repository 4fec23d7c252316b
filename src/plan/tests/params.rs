//! Stories: values for params.

use super::{given, said};
use crate::base::Value;
use crate::plan::{Given, ParamFile, Word};

const PIPELINE: &str = r#"
[params.depth]
type = "int"
min = 1
max = 10
help = "how deep to look"
[params.mode]
default = "fast"
choices = ["fast", "careful"]
[params.verbose]
type = "bool"
default = true
[params.shares]
type = "list<float>"
default = [0.5]
[task.t]
command = "echo {{ params.depth }} {{ params.mode }} {{ params.verbose }} {{ params.shares }}"
"#;

fn word(name: &str, value: Option<&str>) -> Word {
    let typed = match value {
        Some(value) => format!("--{name} {value}"),
        None => format!("--{name}"),
    };
    Word { name: name.to_owned(), value: value.map(|v| v.as_bytes().to_vec()), typed }
}

fn with(words: &[(&str, Option<&str>)], files: &[(&str, &str)]) -> Given {
    let file = |(name, text): &(&str, &str)| ParamFile { name: (*name).to_owned(), text: (*text).to_owned() };
    Given {
        words: words.iter().map(|(name, value)| word(name, *value)).collect(),
        files: files.iter().map(file).collect(),
        ..given()
    }
}

fn values(given: &Given) -> Vec<String> {
    let (plan, said) = said(PIPELINE, given);
    assert_eq!(said, "");
    plan.unwrap().params.iter().map(|p| p.value.to_json()).collect()
}

#[test]
fn words_win_over_files_and_files_over_defaults() {
    assert_eq!(values(&with(&[("depth", Some("3"))], &[])), ["3", r#""fast""#, "true", "[0.5]"]);
    let files = [("a.toml", "depth = 4\nmode = 'careful'\nshares = [1, 2.5]\n"), ("b.json", r#"{"depth": 5}"#)];
    assert_eq!(values(&with(&[], &files)), ["5", r#""careful""#, "true", "[1.0,2.5]"]);
    let words = [("depth", Some("6")), ("no_verbose", None), ("shares", Some("[0.25]")), ("depth", Some("7"))];
    assert_eq!(values(&with(&words, &files)), ["7", r#""careful""#, "false", "[0.25]"]);
}

#[test]
fn without_a_run_values_may_be_missing() {
    let (plan, text) = said(PIPELINE, &Given { complete: false, ..given() });
    assert_eq!((plan.unwrap().params[0].value.clone(), &*text), (Value::Null, ""));
}

#[test]
fn everything_wrong_is_said_at_once() {
    let given = with(
        &[
            ("depth", Some("11")),
            ("mode", Some("carefull")),
            ("verbose", Some("yes")),
            ("shares", Some("0.5,1")),
            ("deth", Some("3")),
            ("depth", None),
            ("no_mode", None),
        ],
        &[],
    );
    assert_eq!(
        said(PIPELINE, &given).1,
        r#"error[E0504]: the param `depth` is `11`, more than its `max`, 10 (`--depth 11`)
 |
 = help: it must be at least 1 and at most 10

error[E0505]: the param `mode` cannot be `carefull` (`--mode carefull`)
 |
 = help: did you mean `careful`? (choose from `fast` and `careful`)

error[E0503]: the param `verbose` cannot have this value: `yes` is not a bool: write `true` or `false` (`--verbose yes`)
 |
 = help: it is a bool

error[E0503]: the param `shares` cannot have this value: `0.5,1` is not a JSON list, such as `[0.5]`: trailing characters at line 1 column 4 (`--shares 0.5,1`)
 |
 = help: it is a list<float>

error[E0501]: the pipeline has no param `deth` (`--deth 3`)
 |
 = help: did you mean `depth`?

error[E0503]: `--depth` has no value, and the param `depth` is an int
 |
 = help: write `--depth VALUE`

error[E0501]: the pipeline has no param `no_mode` (`--no_mode`)
 |
 = help: it has `depth`, `mode`, `verbose` and `shares`
"#
    );
}

#[test]
fn a_missing_value_is_named_with_its_help() {
    assert_eq!(
        said(PIPELINE, &given()).1,
        r#"error[E0502]: the param `depth` needs a value: how deep to look
 --> p.toml:2:9
  |
2 | [params.depth]
  |         ^^^^^ an int without a default
  |
  = help: give it one, `-p depth=VALUE`, or a `default`
"#
    );
}

#[test]
fn a_params_file_that_is_wrong() {
    let files = [
        ("a.toml", "depth = 4\nmode = \n"),
        ("b.json", "[1]"),
        ("c.json", "{\"depth\": 1,}"),
        ("d.toml", "depth = 'x'\ncolour = 1\n"),
    ];
    assert_eq!(
        said(PIPELINE, &with(&[], &files)).1,
        r#"error[E0506]: the params file `a.toml` cannot be read: line 2, column 8: string values must be quoted, expected literal string
 |
 = help: it is a table of values by the names of the params, in TOML, or in JSON when its name ends in `.json`

error[E0506]: the params file `b.json` cannot be read: it holds a list
 |
 = help: it is a table of values by the names of the params, in TOML, or in JSON when its name ends in `.json`

error[E0506]: the params file `c.json` cannot be read: trailing comma at line 1 column 13
 |
 = help: it is a table of values by the names of the params, in TOML, or in JSON when its name ends in `.json`

error[E0501]: the pipeline has no param `colour` (in `d.toml`)
 |
 = help: it has `depth`, `mode`, `verbose` and `shares`

error[E0503]: the param `depth` cannot have this value: the value is a string (`x`), not an int (in `d.toml`)
 |
 = help: it is an int: how deep to look
"#
    );
}

#[test]
fn a_param_that_nothing_reads() {
    let text = "
[params.a]
default = 1
[params.b]
default = 2
[task.t]
command = \"echo {{ params.b }}\"
";
    assert_eq!(
        said(text, &given()).1,
        r#"warning[E0507]: nothing reads the param `a`
 --> p.toml:2:9
  |
2 | [params.a]
  |         ^
  |
  = help: read it as `{{ params.a }}`, or take it away
"#
    );
}
