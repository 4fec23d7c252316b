//! Expressions as stories: what is read, what is computed, what is refused.
#![allow(clippy::unwrap_used)]

use super::{Frame, Names, Template, Use};
use crate::base::Value;
use crate::diag::{Diagnostic, Span};
use crate::lang::model::Text;
use std::sync::Arc;

fn text(value: &str) -> Text {
    let span = Span { file: 0, start: 4, end: 4 + value.len() as u32 + 2 };
    Text { value: value.into(), span, offsets: None, body: 5 }
}

fn compile(source: &str, usage: Use) -> (Option<Template>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let template = Template::compile(&text(source), usage, &mut diagnostics);
    (template, diagnostics)
}

fn template(source: &str) -> Template {
    let (template, diagnostics) = compile(source, Use::Value);
    template.unwrap_or_else(|| panic!("{source}: {diagnostics:?}"))
}

/// A frame of the fields of a JSON object.
fn frame(json: &str) -> Frame {
    let Value::Map(entries) = Value::from_json(json).unwrap() else { panic!("{json}") };
    let names = Arc::new(Names::new(entries.iter().map(|(name, _)| name.split('.').map(Arc::from).collect())));
    Frame::new(&names, entries.iter().map(|(_, value)| Ok(value.clone())).collect())
}

fn eval(source: &str, json: &str) -> String {
    match template(source).eval(&frame(json)) {
        Ok(value) => value.to_json(),
        Err(error) => format!("{}{}", error.message, error.help.map(|h| format!(" | {h}")).unwrap_or_default()),
    }
}

fn reads(source: &str) -> Vec<String> {
    let shown = |read: &super::PathRead| {
        let mark = if read.tolerates_null { "?" } else { "" };
        format!("{}{mark} [{}]", read.path.join("."), &source[read.range.clone()])
    };
    template(source).reads().iter().map(shown).collect()
}

#[test]
fn a_single_hole_keeps_its_type() {
    let values = r#"{"params.n": 3, "x": 0.5, "b": true, "s": "a", "l": [1, null], "m": {"k": [2]}, "nil": null}"#;
    assert_eq!(eval("{{ params.n }}", values), "3");
    assert_eq!(eval("{{ params.n * 2 }}", values), "6");
    assert_eq!(eval("{{ params.n / 2 }}", values), "1.5");
    assert_eq!(eval("{{ x }}", values), "0.5");
    assert_eq!(eval("{{ not b }}", values), "false");
    assert_eq!(eval("{{ l }}", values), "[1,null]");
    assert_eq!(eval("{{ l[0] + m.k[0] }}", values), "3");
    assert_eq!(eval("{{ m }}", values), r#"{"k":[2]}"#);
    assert_eq!(eval("{{ nil }}", values), "null");
    assert_eq!(eval("{{ s if b }}", values), r#""a""#);
    assert_eq!(eval("{{ s if not b }}", values), "null");
    assert_eq!(eval("{{ '{{' }}", values), r#""{{""#);
    assert_eq!(eval(" {{ params.n }}", values), r#"" 3""#);
    assert_eq!(eval("{{ s }}-{{ x }}-{{ b }}-{{ m }}", values), r#""a-0.5-true-{\"k\":[2]}""#);
    assert_eq!(eval("plain", values), r#""plain""#);
}

#[test]
fn filters_and_functions() {
    let values = r#"{"l": [3, null, 1], "nil": null, "p": "data/reads.fastq.gz", "r": {"a": 1}}"#;
    assert_eq!(eval("{{ l | reject('none') | sort | join(',') }}", values), r#""1,3""#);
    assert_eq!(eval("{{ l | reject('none') | list }}", values), "[3,1]");
    assert_eq!(eval("{{ nil | default(7, true) }}", values), "7");
    assert_eq!(eval("{{ first(nil, 5, 6) }}", values), "5");
    assert_eq!(eval("{{ first(nil, nil) }}", values), "null");
    assert_eq!(
        eval("{{ p | basename }} {{ p | dirname }} {{ p | stem | stem }} {{ p | extension }}", values),
        r#""reads.fastq.gz data reads gz""#
    );
    assert_eq!(eval("{{ '%03d' | format(7) }}", values), r#""007""#);
    assert_eq!(eval("{{ r | tojson }}", values), r#""{\"a\":1}""#);
    assert_eq!(eval("{{ '[1, 2]' | fromjson }}", values), "[1,2]");
    assert_eq!(eval("{{ range(3) | list }}", values), "[0,1,2]");
    assert_eq!(eval("{{ 'a' in p }}", values), "true");
    assert_eq!(eval("{{ l | length }}", values), "3");
    assert_eq!(eval("{{ r.z is defined }}", values), "false");
    assert_eq!(eval("{{ r.z | default('none') }}", values), r#""none""#);
    assert_eq!(eval("{{ l[1:] }}", values), "[null,1]");
    assert_eq!(eval("{{ l[-1] }}", values), "1");
    assert_eq!(eval("{{ [1, 2] + l }}", values), "[1,2,3,null,1]");
    assert_eq!(eval("{{ {'a': l, 'b': {'c': nil}} }}", values), r#"{"a":[3,null,1],"b":{"c":null}}"#);
}

#[test]
fn what_cannot_be_computed_says_why() {
    let values = r#"{"l": [3, null], "nil": null, "s": "a", "r": {"name": 1, "n": null}}"#;
    assert_eq!(eval("{{ r.nmae }}", values), "`r` has no field `nmae` | did you mean `name`?");
    assert_eq!(eval("{{ r.n.x }}", values), "`r.n` is null and has no field `x`");
    assert_eq!(eval("{{ s.x }}", values), "`s` is a string and has no field `x`");
    assert_eq!(eval("{{ r.nmae + 1 }}", values), "`r` has no field `nmae` | did you mean `name`?");
    assert_eq!(
        eval("{{ l | join(',') }}", values),
        "the expression cannot be computed: element 1 of the list is null: write `| reject('none') | join(…)` to leave it out"
    );
    assert_eq!(
        eval("{{ nil + 1 }}", values),
        "the expression cannot be computed: tried to use + operator on unsupported types none and number | `nil` is null here: write `| default('x', true)` behind it"
    );
    let joined = "`nil` is null and has no text that `~` could join | write `| default('x', true)` behind it";
    assert_eq!(eval("{{ s ~ '_' ~ nil }}", values), joined);
    assert_eq!(eval("{{ s ~ nil if nil is not none else s }}", values), r#""a""#);
    assert_eq!(eval("{{ l[7] }}", values), "the expression has no value | give it a value with `| default('x')`");
    assert_eq!(eval("{{ 1 / 0 }}", values), "the expression cannot be computed: unable to calculate 1 / 0");
    assert_eq!(
        eval("{{ 2 ** 70 }}", values),
        "the expression gives 1180591620717411303424, which does not fit 64 bits"
    );
    assert_eq!(
        eval("a{{ nil }}", values),
        "the value of `nil` is null | write `| default('x', true)` behind it, with what shall stand there instead"
    );
    assert_eq!(
        eval("a{{ l }}", values),
        "the value of `l` is a list, and here it becomes text | make it one text: `| join(',')`"
    );
}

#[test]
fn a_slot_that_was_never_set_is_an_error_when_it_is_read() {
    let names = Arc::new(Names::new(["env.HOME", "x"].map(|p| p.split('.').map(Arc::from).collect())));
    let frame = Frame::new(&names, Vec::new());
    let message = |source: &str| template(source).eval(&frame).map(|v| v.to_json()).map_err(|e| e.message);
    assert_eq!(message("{{ env.HOME }}"), Err("`env.HOME` has no value here".to_owned()));
    assert_eq!(message("{{ env.HOME ~ '/x' }}"), Err("`env.HOME` has no value here".to_owned()));
    assert_eq!(message("{{ env.HOME | default('/root') }}"), Ok(r#""/root""#.to_owned()));
    assert_eq!(message("{{ first(env.HOME, 1) }}"), Ok("1".to_owned()));
}

#[test]
fn reads_are_dotted_paths_with_their_place() {
    assert_eq!(reads("{{ params.n * index }}"), ["params.n [params.n]", "index [index]"]);
    assert_eq!(reads("{{ samples[0].x }}"), ["samples [samples]"]);
    assert_eq!(reads("{{ row['sample-id'].x }}"), ["row.sample-id.x [row['sample-id'].x]"]);
    assert_eq!(reads("{{ samples[i.j] }}"), ["samples [samples]", "i.j [i.j]"]);
    assert_eq!(reads("{{ a.b | default(c.d) }}"), ["a.b? [a.b]", "c.d? [c.d]"]);
    assert_eq!(reads("{{ first(a.b, c) + d }}"), ["a.b? [a.b]", "c? [c]", "d [d]"]);
    assert_eq!(reads("{{ a.b is none }}{{ a.b }}"), ["a.b? [a.b]", "a.b [a.b]"]);
    assert_eq!(reads("{{ a.b if a.b is not none else c }}"), ["a.b? [a.b]", "a.b? [a.b]", "c [c]"]);
    assert_eq!(reads("{{ (a).b ~ 'x.y' }} {{ range(n) }}"), ["a.b [a).b]", "n [n]"]);
    assert_eq!(reads("{{ xs | map(attribute='y') | join }}"), ["xs [xs]"]);
}

#[test]
fn bytes_go_through_filters_unharmed() {
    let names = Arc::new(Names::new([vec![Arc::from("f")]]));
    let frame = Frame::new(&names, vec![Ok(Value::from_bytes(b"dir/n\xFFme.txt"))]);
    let bytes = |source: &str| template(source).eval_text(&frame).unwrap();
    assert_eq!(bytes("{{ f | basename }}"), b"n\xFFme.txt");
    assert_eq!(bytes("{{ f ~ '.gz' }}"), b"dir/n\xFFme.txt.gz");
    assert_eq!(bytes("{{ f | stem }}.{{ f | extension }}"), b"n\xFFme.txt");
    assert_eq!(bytes("{{ [f, f] | join(' ') }}"), b"dir/n\xFFme.txt dir/n\xFFme.txt");
}

#[test]
fn words_of_an_argument_vector() {
    let frame = frame(r#"{"l": ["a b", 1, {"k": 1}], "s": "x", "e": [], "n": [null]}"#);
    let words = |source: &str| {
        let words = template(source).eval_words(&frame).map_err(|e| e.message)?;
        Ok::<_, String>(words.into_iter().map(|w| String::from_utf8(w).unwrap()).collect::<Vec<_>>())
    };
    assert_eq!(words("{{ l }}").unwrap(), ["a b", "1", r#"{"k":1}"#]);
    assert_eq!(words("{{ e }}").unwrap(), [""; 0]);
    assert_eq!(words("-{{ s }}").unwrap(), ["-x"]);
    assert_eq!(words("{{ n }}").unwrap_err(), "the value of `n` is a list that holds null");
    assert_eq!(words("-{{ l }}").unwrap_err(), "the value of `l` is a list, and here it becomes text");
}

#[test]
fn a_list_that_is_passed_on_is_not_copied() {
    let list = Arc::new((0..1000).map(Value::Int).collect::<Vec<_>>());
    let names = Arc::new(Names::new([vec![Arc::from("l")]]));
    let frame = Frame::new(&names, vec![Ok(Value::List(list.clone()))]);
    for source in ["{{ l }}", "{{ l | default([], true) }}", "{{ l if true else [] }}"] {
        let Value::List(back) = template(source).eval(&frame).unwrap() else { panic!() };
        assert!(Arc::ptr_eq(&list, &back), "{source}");
    }
}

#[test]
fn the_pattern_of_a_path() {
    assert_eq!(template("out/{{ id }}.{{ n }}.txt").as_pattern(), "out/*.*.txt");
    assert_eq!(template("a").as_pattern(), "a");
    assert_eq!(template("a").as_literal(), Some("a"));
    assert_eq!(template("").as_literal(), Some(""));
    assert_eq!(template("{{ a }}").as_literal(), None);
    assert_eq!(template("{{ a.b }}").as_path().unwrap().path.join("."), "a.b");
}

#[test]
fn lists_of_lists_have_a_defined_order() {
    let values = r#"{"l": [[1, 2], null, [3, [4]]], "a": ["x", "y"], "m": {"k": 1}, "nil": null}"#;
    assert_eq!(eval("{{ l | flat }}", values), "[1,2,null,3,[4]]");
    assert_eq!(eval("{{ l | flat(9) }}", values), "[1,2,null,3,4]");
    assert_eq!(eval("{{ [] | flat }}", values), "[]");
    assert_eq!(eval("{{ a | zip([1, 2], range(2)) }}", values), r#"[["x",1,0],["y",2,1]]"#);
    assert_eq!(eval("{{ [] | zip([]) }}", values), "[]");
    assert_eq!(eval("{{ a | product([1, 2, 3]) | first }}", values), r#"["x",1]"#);
    assert_eq!(
        eval("{{ a | product([1, 2], [true]) }}", values),
        r#"[["x",1,true],["x",2,true],["y",1,true],["y",2,true]]"#
    );
    assert_eq!(eval("{{ a | product([]) }}", values), "[]");
    for (wrong, said) in [
        ("{{ a | zip([1]) }}", "`zip` needs lists of one length: list 1 has 2, list 2 has 1"),
        (
            "{{ nil | flat }}",
            "`flat` needs a list, and this is null | `nil` is null here: write `| default('x', true)` behind it",
        ),
        ("{{ a | zip(m) }}", "`zip` needs a list, and this is a record"),
        ("{{ 'ab' | product(a) }}", "`product` needs a list, and this is a text"),
        ("{{ range(9999) | product(range(9999)) }}", "`product` would have more than 10000000 elements"),
    ] {
        assert_eq!(eval(wrong, values), format!("the expression cannot be computed: {said}"));
    }
}
