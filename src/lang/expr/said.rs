//! The complete text of everything that is said about templates.
#![allow(clippy::unwrap_used)]

use super::{Template, Use};
use crate::diag::render;
use crate::diag::{Diagnostic, Sources, Span};
use crate::lang::model::Text;
use crate::lang::types::Type;
use std::sync::Arc;

/// The string as the value of a key in a file.
fn text(value: &str) -> (Text, Sources) {
    let file = format!("x = '''{value}'''\n");
    let span = Span { file: 0, start: 4, end: file.len() as u32 - 1 };
    let mut sources = Sources::default();
    sources.add("pipeline.toml", file);
    (Text { value: value.into(), span, offsets: None, body: 7 }, sources)
}

fn said(value: &str, usage: Use) -> String {
    let (text, sources) = text(value);
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    let _ = Template::compile(&text, usage, &mut diagnostics);
    render(&diagnostics, &sources, false)
}

/// What the declared types show; `i` is `int`, `s` `string`, `l` `list<string>`, `f` `float`.
fn said_of_types(value: &str, usage: Use) -> String {
    let (text, sources) = text(value);
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    let template = Template::compile(&text, usage, &mut diagnostics).unwrap();
    let type_of = |path: &[Arc<str>]| match &*path[0] {
        "i" => Some(Type::Int),
        "s" => Some(Type::String),
        "f" => Some(Type::Float),
        "l" => Some(Type::List(Box::new(Type::String))),
        _ => None,
    };
    template.check_types(&type_of, &mut diagnostics);
    render(&diagnostics, &sources, false)
}

#[track_caller]
fn check(actual: String, expected: &str) {
    assert_eq!(actual, expected, "\n{actual}");
}

#[test]
fn braces() {
    check(
        said("a {{ x", Use::Value),
        r#"error[E0201]: `{{` is never closed
 --> pipeline.toml:1:10
  |
1 | x = '''a {{ x'''
  |          ^^ opened here
  |
  = help: close it with `}}`; a literal `{{` is written `{{ '{{' }}`
"#,
    );
    check(
        said("{% if x %}a{% endif %}", Use::Value),
        r#"error[E0202]: `{% if … %}` is a statement, and templates are expressions, nothing more
 --> pipeline.toml:1:8
  |
1 | x = '''{% if x %}a{% endif %}'''
  |        ^^^^^^^^^^
  |
  = help: write the choice inside an expression: `{{ a if condition else b }}`
"#,
    );
    check(
        said("{% for x in xs %}", Use::Value),
        r#"error[E0202]: `{% for … %}` is a statement, and templates are expressions, nothing more
 --> pipeline.toml:1:8
  |
1 | x = '''{% for x in xs %}'''
  |        ^^^^^^^^^^^^^^^^^
  |
  = help: write the list with filters, `{{ items | map(attribute='x') | join(' ') }}`, or make it a `map`
"#,
    );
    check(
        said("{%- set a = 1 %}", Use::Value),
        r#"error[E0202]: `{% set … %}` is a statement, and templates are expressions, nothing more
 --> pipeline.toml:1:8
  |
1 | x = '''{%- set a = 1 %}'''
  |        ^^^^^^^^^^^^^^^^
  |
  = help: give the expression a name under `vars`
"#,
    );
    check(
        said("{% raw %}", Use::Value),
        r#"error[E0202]: `{% raw … %}` is a statement, and templates are expressions, nothing more
 --> pipeline.toml:1:8
  |
1 | x = '''{% raw %}'''
  |        ^^^^^^^^^
  |
  = help: plain text needs no `raw`; a literal `{{` is written `{{ '{{' }}`
"#,
    );
    check(
        said("{% include 'x' %}", Use::Value),
        r#"error[E0202]: `{% include … %}` is a statement, and templates are expressions, nothing more
 --> pipeline.toml:1:8
  |
1 | x = '''{% include 'x' %}'''
  |        ^^^^^^^^^^^^^^^^^
  |
  = help: write an expression, `{{ … }}`
"#,
    );
}

#[test]
fn expressions() {
    check(
        said("{{ }}", Use::Value),
        r#"error[E0203]: this is not an expression: unexpected end of input, expected expression
 --> pipeline.toml:1:10
  |
1 | x = '''{{ }}'''
  |          ^
  |
  = help: write an expression between the braces; a literal `{{` is `{{ '{{' }}`
"#,
    );
    check(
        said("{{ x + }}", Use::Value),
        r#"error[E0203]: this is not an expression: unexpected end of input, expected expression
 --> pipeline.toml:1:13
  |
1 | x = '''{{ x + }}'''
  |             ^
  |
  = help: an expression is Jinja's: `name.field`, `a + 1`, `x | filter`, `a if b else c`; a literal `{{` is `{{ '{{' }}`
"#,
    );
    check(
        said("{{ $x }}", Use::Value),
        r#"error[E0203]: this is not an expression: unexpected character
 --> pipeline.toml:1:11
  |
1 | x = '''{{ $x }}'''
  |           ^
  |
  = help: inside `{{ }}` stand names of the pipeline, not shell variables; a literal `{{` is `{{ '{{' }}`
"#,
    );
    check(
        said("{{ a && b }}", Use::Value),
        r#"error[E0203]: this is not an expression: unexpected character
 --> pipeline.toml:1:13
  |
1 | x = '''{{ a && b }}'''
  |             ^
  |
  = help: write `and`, `or`, `not`
"#,
    );
    check(
        said("{{ a ? b : c }}", Use::Value),
        r#"error[E0203]: this is not an expression: unexpected character
 --> pipeline.toml:1:13
  |
1 | x = '''{{ a ? b : c }}'''
  |             ^
  |
  = help: write `a if condition else b`
"#,
    );
    check(
        said("{{ a = b }}", Use::Value),
        r#"error[E0203]: this is not an expression: unexpected input after expression
 --> pipeline.toml:1:13
  |
1 | x = '''{{ a = b }}'''
  |             ^
  |
  = help: compare with `==`
"#,
    );
    check(
        said("{{ 'a }}", Use::Value),
        r#"error[E0201]: `{{` is never closed
 --> pipeline.toml:1:8
  |
1 | x = '''{{ 'a }}'''
  |        ^^ opened here
  |
  = help: close it with `}}`; a literal `{{` is written `{{ '{{' }}`
"#,
    );
    check(
        said("{{- x }}", Use::Value),
        r#"error[E0203]: `{{-` is not part of the language
 --> pipeline.toml:1:10
  |
1 | x = '''{{- x }}'''
  |          ^
  |
  = help: a space after the braces: `{{ -x }}`; there is no blank-trimming `{{-`, for nothing is trimmed
"#,
    );
    check(
        said("{{ x | quote }}", Use::Value),
        r#"error[E0204]: there is no filter `quote`
 --> pipeline.toml:1:15
  |
1 | x = '''{{ x | quote }}'''
  |               ^^^^^
  |
  = help: leave it out: a value in a command is quoted by itself, for the place where it stands
"#,
    );
    check(
        said("{{ x | defualt(1) }}", Use::Value),
        r#"error[E0204]: there is no filter `defualt`
 --> pipeline.toml:1:15
  |
1 | x = '''{{ x | defualt(1) }}'''
  |               ^^^^^^^
  |
  = help: did you mean `default`?
"#,
    );
    check(
        said("{{ x | nothing_like_it }}", Use::Value),
        r#"error[E0204]: there is no filter `nothing_like_it`
 --> pipeline.toml:1:15
  |
1 | x = '''{{ x | nothing_like_it }}'''
  |               ^^^^^^^^^^^^^^^
  |
  = help: the filters are `abs`, `attr`, `basename`, `batch`, `bool`, `capitalize`, `chain`, `count`, `d`, `default`, `dictsort`, `dirname`, `extension`, `first`, `flat`, `float`, `format`, `fromjson`, `groupby`, `indent`, `int`, `items`, `join`, `last`, `length`, `lines`, `list`, `lower`, `map`, `max`, `min`, `product`, `raw`, `reject`, `rejectattr`, `replace`, `reverse`, `round`, `select`, `selectattr`, `slice`, `sort`, `split`, `stem`, `string`, `sum`, `title`, `tojson`, `trim`, `unique`, `upper`, `zip`
"#,
    );
    check(
        said("{{ x is nul }}", Use::Value),
        r#"error[E0204]: there is no test `nul`
 --> pipeline.toml:1:16
  |
1 | x = '''{{ x is nul }}'''
  |                ^^^
  |
  = help: did you mean `none`?
"#,
    );
    check(
        said("{{ x is null }}", Use::Value),
        r#"error[E0204]: there is no test `null`
 --> pipeline.toml:1:16
  |
1 | x = '''{{ x is null }}'''
  |                ^^^^
  |
  = help: did you mean `none`?
"#,
    );
    check(
        said("{{ len(x) }}", Use::Value),
        r#"error[E0204]: there is no function `len`
 --> pipeline.toml:1:11
  |
1 | x = '''{{ len(x) }}'''
  |           ^^^
  |
  = help: write `value | length`
"#,
    );
    check(
        said("{{ frist(x) }}", Use::Value),
        r#"error[E0204]: there is no function `frist`
 --> pipeline.toml:1:11
  |
1 | x = '''{{ frist(x) }}'''
  |           ^^^^^
  |
  = help: did you mean `first`?
"#,
    );
    check(
        said("{{ basename(x) }}", Use::Value),
        r#"error[E0204]: there is no function `basename`
 --> pipeline.toml:1:11
  |
1 | x = '''{{ basename(x) }}'''
  |           ^^^^^^^^
  |
  = help: `basename` is a filter: write `value | basename`
"#,
    );
    check(
        said("{{ x.split(',') }}", Use::Value),
        r#"error[E0204]: values have no methods, so `split` cannot be called
 --> pipeline.toml:1:11
  |
1 | x = '''{{ x.split(',') }}'''
  |           ^^^^^^^^^^^^
  |
  = help: write `value | split(…)`
"#,
    );
    check(
        said("{{ x.y.pop() }}", Use::Value),
        r#"error[E0204]: values have no methods, so `pop` cannot be called
 --> pipeline.toml:1:11
  |
1 | x = '''{{ x.y.pop() }}'''
  |           ^^^^^^^^^
  |
  = help: write `value | filter(…)`
"#,
    );
    check(
        said("{{ (1)(2) }}", Use::Value),
        r#"error[E0204]: only functions can be called
 --> pipeline.toml:1:11
  |
1 | x = '''{{ (1)(2) }}'''
  |           ^^^^^^
  |
  = help: the functions are `first`, `range`
"#,
    );
}

#[test]
fn raw() {
    check(
        said("{{ x | raw }}", Use::Value),
        r#"error[E0205]: `| raw` turns the quoting for a shell off, and this is no command
 --> pipeline.toml:1:8
  |
1 | x = '''{{ x | raw }}'''
  |        ^^^^^^^^^^^^^
  |
  = help: leave `| raw` out: nothing is quoted here
"#,
    );
}

#[test]
fn raw_in_commands() {
    check(
        said("echo {{ x | raw | upper }}", Use::Command),
        r#"error[E0205]: `raw` turns quoting off for a whole hole, so that it must be the last filter, without arguments
 --> pipeline.toml:1:20
  |
1 | x = '''echo {{ x | raw | upper }}'''
  |                    ^^^
  |
  = help: write it at the end: `{{ … | raw }}`
"#,
    );
}

#[test]
fn foreign() {
    check(
        said("echo {{ sample.id }}", Use::ForeignCommand),
        r#"error[E0207]: this shell's quoting is not known, so that a value cannot be put into its command safely
 --> pipeline.toml:1:13
  |
1 | x = '''echo {{ sample.id }}'''
  |             ^^^^^^^^^^^^^^^
  |
  = help: give the task `env.SAMPLE_ID = "{{ sample.id }}"` and write `"$SAMPLE_ID"` here; values are quoted for `sh`, `dash`, `bash`, `ksh` and `zsh`
"#,
    );
}

#[test]
fn uncertain() {
    check(
        said("echo \\{{ x }}", Use::Command),
        r#"error[E0206]: the backslash before this value would take its first quote away
 --> pipeline.toml:1:14
  |
1 | x = '''echo \{{ x }}'''
  |              ^^^^^^^
  |
  = help: leave the backslash out: a value is quoted by itself
"#,
    );
    check(
        said("echo ${{ x }}", Use::Command),
        r#"error[E0206]: a `$` directly before a value would make shell syntax of it
 --> pipeline.toml:1:14
  |
1 | x = '''echo ${{ x }}'''
  |              ^^^^^^^
  |
  = help: leave the `$` out: `{{ x }}` is the value itself
"#,
    );
    check(
        said("cat <<E\n$a{{ x }}\nE", Use::Command),
        r#"error[E0206]: this value would lengthen the name of the shell variable before it
 --> pipeline.toml:2:3
  |
2 | $a{{ x }}
  |   ^^^^^^^
  |
  = help: put the variable's name in braces: `${name}`
"#,
    );
    check(
        said("echo \"$a[{{ x }}]\"", Use::Command),
        r#"error[E0206]: some shells read `[…]` behind `$name` as a subscript, and would evaluate this value
 --> pipeline.toml:1:17
  |
1 | x = '''echo "$a[{{ x }}]"'''
  |                 ^^^^^^^
  |
  = help: put the variable's name in braces: `${name}`
"#,
    );
    check(
        said("echo $'a{{ x }}'", Use::Command),
        r#"error[E0206]: a value cannot be put inside `$'…'`, where shells read escapes in it
 --> pipeline.toml:1:16
  |
1 | x = '''echo $'a{{ x }}''''
  |                ^^^^^^^
  |
  = help: give the task `env.X = "{{ x }}"` and write `"$X"` here
"#,
    );
    check(
        said("echo ${a:-{{ sample.id }}}", Use::Command),
        r#"error[E0206]: a value cannot be put inside `${…}`, where it would be a pattern
 --> pipeline.toml:1:18
  |
1 | x = '''echo ${a:-{{ sample.id }}}'''
  |                  ^^^^^^^^^^^^^^^
  |
  = help: give the task `env.SAMPLE_ID = "{{ sample.id }}"` and write `"$SAMPLE_ID"` here
"#,
    );
    check(
        said("cat <<{{ x }}", Use::Command),
        r#"error[E0206]: the delimiter of a here-document must be written as it is
 --> pipeline.toml:1:14
  |
1 | x = '''cat <<{{ x }}'''
  |              ^^^^^^^
  |
  = help: write a word there; values may stand in the lines below
"#,
    );
    check(
        said("echo `a \\`ls {{ x }}\\``", Use::Command),
        r#"error[E0206]: a value cannot be put inside these backticks, for shells do not agree about what stands in them
 --> pipeline.toml:1:21
  |
1 | x = '''echo `a \`ls {{ x }}\``'''
  |                     ^^^^^^^
  |
  = help: write `$(…)` in the place of the backticks
"#,
    );
    check(
        said("echo +({{ x }})", Use::Command),
        r#"error[E0206]: a value cannot be put inside a pattern in parentheses, which shells read differently
 --> pipeline.toml:1:15
  |
1 | x = '''echo +({{ x }})'''
  |               ^^^^^^^
  |
  = help: give the task `env.X = "{{ x }}"` and write `"$X"` here
"#,
    );
    check(
        said("unset {{ x }}", Use::Command),
        r#"error[E0206]: `unset` takes this for the name of a variable, and the shell runs commands in its subscript
 --> pipeline.toml:1:14
  |
1 | x = '''unset {{ x }}'''
  |              ^^^^^^^
  |
  = help: write the variable's name as it is; `| raw` puts a name in unquoted, if you know what it holds
"#,
    );
    check(
        said("for {{ x }} in a; do :; done", Use::Command),
        r#"error[E0206]: the variable of a loop must be written as it is
 --> pipeline.toml:1:12
  |
1 | x = '''for {{ x }} in a; do :; done'''
  |            ^^^^^^^
  |
  = help: write the name in the place of the braces
"#,
    );
    check(
        said("echo >&{{ x }}", Use::Command),
        r#"error[E0206]: the number of a file descriptor must be written as it is
 --> pipeline.toml:1:15
  |
1 | x = '''echo >&{{ x }}'''
  |               ^^^^^^^
  |
  = help: for a file, leave the `&` out
"#,
    );
    check(
        said("echo 'it''s' it's {{ x }} {{ y }}", Use::Command),
        r#"error[E0206]: flowrun cannot tell how the shell would read a value here
 --> pipeline.toml:1:26
  |
1 | x = '''echo 'it''s' it's {{ x }} {{ y }}'''
  |                       -  ^^^^^^^
  |                       |
  |                       `'` is opened here and never closed
  |
  = help: close it
"#,
    );
    check(
        said("echo $'it\\'s' {{ path }} {{ y }}", Use::Command),
        r#"error[E0206]: flowrun cannot tell how the shell would read a value here
 --> pipeline.toml:1:22
  |
1 | x = '''echo $'it\'s' {{ path }} {{ y }}'''
  |                 --   ^^^^^^^^^^
  |                 |
  |                 shells do not agree about `\'` inside `$'…'`
  |
  = help: give the task `env.X = "{{ path }}"` and write `"$X"` here
"#,
    );
}

#[test]
fn handed_on() {
    check(
        said("bash -c 'echo {{ x }}'", Use::Command),
        r#"warning[E0210]: this value becomes part of a program for `bash`, which may read it as code
 --> pipeline.toml:1:22
  |
1 | x = '''bash -c 'echo {{ x }}''''
  |                      ^^^^^^^
  |
  = help: hand it over as an argument: `bash -c '… "$1" …' sh {{ x }}`
"#,
    );
    check(
        said("awk '{ print \"{{ sample.id }}\" }' f", Use::Command),
        r#"warning[E0210]: this value becomes part of a program for `awk`, which may read it as code
 --> pipeline.toml:1:22
  |
1 | x = '''awk '{ print "{{ sample.id }}" }' f'''
  |                      ^^^^^^^^^^^^^^^
  |
  = help: give the task `env.SAMPLE_ID = "{{ sample.id }}"` and write `ENVIRON["SAMPLE_ID"]` here
"#,
    );
    check(
        said("python3 -c 'print(\"{{ x }}\")'", Use::Command),
        r#"warning[E0210]: this value becomes part of a program for `python3`, which may read it as code
 --> pipeline.toml:1:27
  |
1 | x = '''python3 -c 'print("{{ x }}")''''
  |                           ^^^^^^^
  |
  = help: put `{{ x }}` behind the program and read `sys.argv[1]`, or use `script`
"#,
    );
    check(
        said("jq '.{{ x }}' f", Use::Command),
        r#"warning[E0210]: this value becomes part of a program for `jq`, which may read it as code
 --> pipeline.toml:1:13
  |
1 | x = '''jq '.{{ x }}' f'''
  |             ^^^^^^^
  |
  = help: write `jq --arg x {{ x }} '… $x …'`
"#,
    );
    check(
        said("ssh host ls {{ x }}", Use::Command),
        r#"warning[E0210]: this value becomes part of a program for `ssh`, which may read it as code
 --> pipeline.toml:1:20
  |
1 | x = '''ssh host ls {{ x }}'''
  |                    ^^^^^^^
  |
  = help: the other host's shell reads it once more: send a script, and the values in a file
"#,
    );
    check(
        said("eval {{ x }}", Use::Command),
        r#"warning[E0210]: this value becomes part of a program for `eval`, which may read it as code
 --> pipeline.toml:1:13
  |
1 | x = '''eval {{ x }}'''
  |             ^^^^^^^
  |
  = help: give the task `env.X = "{{ x }}"` and write `"$X"` here, inside single quotes
"#,
    );
    check(
        said("perl -e 'print {{ n + 1 }}'", Use::Command),
        r#"warning[E0210]: this value becomes part of a program for `perl`, which may read it as code
 --> pipeline.toml:1:23
  |
1 | x = '''perl -e 'print {{ n + 1 }}''''
  |                       ^^^^^^^^^^^
  |
  = help: give the task `env.X = "{{ n + 1 }}"` and let the program read `X`
"#,
    );
}

#[test]
fn declared_types() {
    check(
        said_of_types("echo $(( {{ s }} + {{ i }} ))", Use::Command),
        r#"error[E0208]: the shell computes here, so that only an integer may stand here
 --> pipeline.toml:1:17
  |
1 | x = '''echo $(( {{ s }} + {{ i }} ))'''
  |                 ^^^^^^^ this is `string`
  |
  = help: turn it into a number with `| int`, or compare as text with `==`
"#,
    );
    check(
        said_of_types("printf '%f' {{ f }} {{ s }}", Use::Command),
        r#"error[E0208]: the shell computes here, so that only a number may stand here
 --> pipeline.toml:1:28
  |
1 | x = '''printf '%f' {{ f }} {{ s }}'''
  |                            ^^^^^^^ this is `string`
  |
  = help: turn it into a number with `| int`, or compare as text with `==`
"#,
    );
    check(
        said_of_types("echo a{{ l }} \"{{ l }}\" {{ l }} {{ l | join(',') }}", Use::Command),
        r#"error[E0209]: a list cannot be part of a text or of a single word
 --> pipeline.toml:1:14
  |
1 | x = '''echo a{{ l }} "{{ l }}" {{ l }} {{ l | join(',') }}'''
  |              ^^^^^^^ this is `list<string>`
  |
  = help: make it one text with `| join(',')`, or let it stand alone

error[E0209]: a list cannot be part of a text or of a single word
 --> pipeline.toml:1:23
  |
1 | x = '''echo a{{ l }} "{{ l }}" {{ l }} {{ l | join(',') }}'''
  |                       ^^^^^^^ this is `list<string>`
  |
  = help: make it one text with `| join(',')`, or let it stand alone
"#,
    );
    check(
        said_of_types("[ {{ f }} -lt 1 ]", Use::Command),
        r#"error[E0208]: the shell computes here, so that only an integer may stand here
 --> pipeline.toml:1:10
  |
1 | x = '''[ {{ f }} -lt 1 ]'''
  |          ^^^^^^^ this is `float`
  |
  = help: turn it into a number with `| int`, or compute inside the braces: `{{ a + b }}`
"#,
    );
    check(
        said_of_types("a{{ l }}", Use::Value),
        r#"error[E0209]: a list cannot be part of a text or of a single word
 --> pipeline.toml:1:9
  |
1 | x = '''a{{ l }}'''
  |         ^^^^^^^ this is `list<string>`
  |
  = help: make it one text with `| join(',')`, or let it stand alone
"#,
    );
    check(said_of_types("{{ l }}", Use::Value), "");
}
