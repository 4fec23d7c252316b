//! The engine told step by step: what goes in, and all that comes out. Here: the graph, its values and its ends.

#![allow(clippy::unwrap_used)]

mod engine_kit;

use engine_kit::story::*;
use engine_kit::{Build, ROOT, read};
use flowrun::base::{NodeId, Value};
use flowrun::engine::*;
use flowrun::event::{Cause, Event};
use flowrun::plan::{From, Plan};
use std::sync::Arc;

/// The pipeline of the README: numbers, a map of two tasks, a list of results.
fn compute_data() -> Arc<Plan> {
    let mut b = Build::new();
    b.plan.params.push(flowrun::plan::Param {
        name: "multiplier".into(),
        ty: flowrun::lang::types::Type::Int,
        value: Value::Int(3),
    });
    let gen_data = b.task(ROOT, "gen_data", &["raw"]);
    let (map, body) = b.map(ROOT, "process_data");
    b.uses(map, gen_data, &[]);
    let transform = b.task(body, "transform", &["value"]);
    b.read(transform, From::Item { up: 0 });
    let compute = b.task(body, "compute", &["result"]);
    b.uses(compute, transform, &[]);
    b.read(compute, From::Param(0));
    b.plan.output_reads.push(read("process_data.compute.result", output(map, &[compute]), &[]));
    b.finish()
}

fn output(node: NodeId, inner: &[NodeId]) -> From {
    From::Output { node, up: 0, inner: inner.to_vec(), output: Some(0) }
}

/// `a` and `b` side by side, `after_a` after `a`, `end` after all.
fn side_by_side() -> Arc<Plan> {
    let mut b = Build::new();
    let (one, two) = (b.task(ROOT, "a", &["out"]), b.task(ROOT, "b", &["out"]));
    let after = b.task(ROOT, "after_a", &["out"]);
    b.uses(after, one, &[]);
    let end = b.task(ROOT, "end", &["out"]);
    b.uses(end, after, &[]);
    b.uses(end, two, &[]);
    b.finish()
}

fn keep_going() -> Options {
    Options { keep_going: true, ..Options::default() }
}

#[test]
fn the_main_job() {
    let mut s = Story::new(compute_data(), capacity(2), Options::default());
    s.prepared(&[("gen_data", run(Some("gen")))]);
    s.begins("gen_data", 1);
    s.ended("gen_data", 1, ok(ints(&[42, 43])));
    s.list("process_data", &ints(&[42, 43]));
    s.prepared(&[("process_data[1].transform", run(Some("t43"))), ("process_data[0].transform", run(Some("t42")))]);
    s.ended("process_data[1].transform", 1, ok(Value::Int(43)));
    s.prepared(&[("process_data[1].compute", run(Some("c43")))]);
    s.ended("process_data[1].compute", 1, ok(Value::Int(129)));
    s.ended("process_data[0].transform", 1, ok(Value::Int(42)));
    s.prepared(&[("process_data[0].compute", run(Some("c42")))]);
    s.ended("process_data[0].compute", 1, ok(Value::Int(126)));
    assert_eq!(s.engine.outputs(), [Ok(ints(&[126, 129]))]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare gen_data #1 ()
        > prepared gen_data run
          submitted gen_data #1
          -> start gen_data #1
        > gen_data #1 begins
          started gen_data #1
        > gen_data #1 ends well
          ended gen_data #1: well
          -> list process_data ([42,43])
        > list of process_data: [42,43]
          listed process_data: 2
          -> prepare process_data[0].transform #1 (42), process_data[1].transform #1 (43)
        > prepared process_data[1].transform run, process_data[0].transform run
          submitted process_data[0].transform #1
          submitted process_data[1].transform #1
          -> start process_data[0].transform #1
          -> start process_data[1].transform #1
        > process_data[1].transform #1 ends well
          ended process_data[1].transform #1: well
          -> prepare process_data[1].compute #1 (43, 3)
        > prepared process_data[1].compute run
          submitted process_data[1].compute #1
          -> start process_data[1].compute #1
        > process_data[1].compute #1 ends well
          ended process_data[1].compute #1: well
        > process_data[0].transform #1 ends well
          ended process_data[0].transform #1: well
          -> prepare process_data[0].compute #1 (42, 3)
        > prepared process_data[0].compute run
          submitted process_data[0].compute #1
          -> start process_data[0].compute #1
        > process_data[0].compute #1 ends well
          ended process_data[0].compute #1: well
          map ended process_data: Succeeded
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn everything_is_cached() {
    let mut s = Story::new(compute_data(), capacity(2), Options::default());
    s.prepared(&[("gen_data", hit(ints(&[42, 43, 44])))]);
    s.list("process_data", &ints(&[42, 43, 44]));
    s.prepared(&[
        ("process_data[0].transform", hit(Value::Int(42))),
        ("process_data[1].transform", hit(Value::Int(43))),
        ("process_data[2].transform", hit(Value::Int(44))),
    ]);
    s.prepared(&[
        ("process_data[0].compute", hit(Value::Int(126))),
        ("process_data[1].compute", hit(Value::Int(129))),
        ("process_data[2].compute", hit(Value::Int(132))),
    ]);
    s.tells("
        > begin
          begun by test
          -> prepare gen_data #1 ()
        > prepared gen_data hit
          cached gen_data
          -> list process_data ([42,43,44])
        > list of process_data: [42,43,44]
          listed process_data: 3
          -> prepare process_data[0].transform #1 (42), process_data[1].transform #1 (43), process_data[2].transform #1 (44)
        > prepared process_data[0].transform hit, process_data[1].transform hit, process_data[2].transform hit
          cached process_data[0].transform process_data[1].transform process_data[2].transform
          -> prepare process_data[0].compute #1 (42, 3), process_data[1].compute #1 (43, 3), process_data[2].compute #1 (44, 3)
        > prepared process_data[0].compute hit, process_data[1].compute hit, process_data[2].compute hit
          cached process_data[0].compute process_data[1].compute process_data[2].compute
          map ended process_data: Succeeded
          finished: Succeeded
          -> done: Succeeded
        ");
}

#[test]
fn an_empty_list_is_a_success() {
    let mut s = Story::new(compute_data(), capacity(2), Options::default());
    s.prepared(&[("gen_data", hit(ints(&[])))]);
    s.list("process_data", &ints(&[]));
    assert_eq!(s.engine.outputs(), [Ok(ints(&[]))]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare gen_data #1 ()
        > prepared gen_data hit
          cached gen_data
          -> list process_data ([])
        > list of process_data: []
          listed process_data: 0
          map ended process_data: Succeeded
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn null_items_are_skipped_and_their_results_null() {
    let mut s = Story::new(compute_data(), capacity(2), Options::default());
    s.prepared(&[("gen_data", hit(Value::Null))]);
    s.list("process_data", &Value::list(vec![Value::Null, Value::Int(43), Value::Null, Value::Null]));
    s.prepared(&[("process_data[1].transform", hit(Value::Int(43)))]);
    s.prepared(&[("process_data[1].compute", hit(Value::Int(129)))]);
    let outputs = Value::list(vec![Value::Null, Value::Int(129), Value::Null, Value::Null]);
    assert_eq!(s.engine.outputs(), [Ok(outputs)]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare gen_data #1 ()
        > prepared gen_data hit
          cached gen_data
          -> list process_data (null)
        > list of process_data: [null,43,null,null]
          listed process_data: 4
          skipped process_data[0].transform
          skipped process_data[2].transform process_data[3].transform process_data[0].compute
          skipped process_data[2].compute process_data[3].compute
          -> prepare process_data[1].transform #1 (43)
        > prepared process_data[1].transform hit
          cached process_data[1].transform
          -> prepare process_data[1].compute #1 (43, 3)
        > prepared process_data[1].compute hit
          cached process_data[1].compute
          map ended process_data: Succeeded
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn maps_nest_and_give_lists_of_lists() {
    let mut b = Build::new();
    let (outer, outer_body) = b.map(ROOT, "m");
    let (inner, inner_body) = b.map(outer_body, "k");
    b.read(inner, From::Item { up: 0 });
    let task = b.task(inner_body, "t", &["out"]);
    b.read(task, From::Item { up: 0 });
    b.read(task, From::Item { up: 1 });
    b.read(task, From::Index { up: 0 });
    b.read(task, From::Index { up: 1 });
    let sum = b.task(outer_body, "sum", &["out"]);
    b.uses(sum, inner, &[task]);
    let all = b.task(ROOT, "all", &["out"]);
    b.uses(all, outer, &[inner, task]);
    let mut s = Story::new(b.finish(), capacity(8), Options::default());
    s.list("m", &Value::list(vec![Value::str("x"), Value::str("y")]));
    s.list_keys("m[1].k", &ints(&[7, 8]), &["seven", "eight"]);
    s.prepared(&[("m[1].k[seven].t", hit(Value::Int(70))), ("m[1].k[eight].t", hit(Value::Int(80)))]);
    s.prepared(&[("m[1].sum", hit(Value::Int(150)))]);
    s.list("m[0].k", &ints(&[9]));
    s.prepared(&[("m[0].k[0].t", hit(Value::Int(90)))]);
    s.prepared(&[("m[0].sum", hit(Value::Int(90)))]);
    s.tells(
        r#"
        > begin
          begun by test
          -> list m ()
        > list of m: ["x","y"]
          listed m: 2
          -> list m[0].k ("x")
          -> list m[1].k ("y")
        > list of m[1].k: [7,8]
          listed m[1].k: 2
          -> prepare m[1].k[seven].t #1 (7, "y", 0, 1), m[1].k[eight].t #1 (8, "y", 1, 1)
        > prepared m[1].k[seven].t hit, m[1].k[eight].t hit
          cached m[1].k[seven].t m[1].k[eight].t
          map ended m[1].k: Succeeded
          -> prepare m[1].sum #1 ([70,80])
        > prepared m[1].sum hit
          cached m[1].sum
        > list of m[0].k: [9]
          listed m[0].k: 1
          -> prepare m[0].k[0].t #1 (9, "x", 0, 0)
        > prepared m[0].k[0].t hit
          cached m[0].k[0].t
          map ended m[0].k: Succeeded
          -> prepare m[0].sum #1 ([90])
        > prepared m[0].sum hit
          cached m[0].sum
          map ended m: Succeeded
          -> prepare all #1 ([[90],[70,80]])
        "#,
    );
}

#[test]
fn a_body_waits_for_nodes_outside_of_it() {
    let mut b = Build::new();
    let reference = b.task(ROOT, "reference", &["out"]);
    let (map, body) = b.map(ROOT, "align");
    b.map_mut(map).shorthand = true;
    let task = b.task(body, "align", &["out"]);
    b.read(task, From::Item { up: 0 });
    b.uses(task, reference, &[]);
    let mut s = Story::new(b.finish(), capacity(2), Options::default());
    s.list_keys("align", &ints(&[1, 2]), &["NA12878", "NA12891"]);
    assert_eq!(s.engine.why_waiting(s.id("align[NA12891]")), Why::Needs(vec![s.id("reference")]));
    s.prepared(&[("reference", run(None))]);
    s.ended("reference", 1, ok(Value::str("lambda.fa")));
    s.tells(
        r#"
        > begin
          begun by test
          -> prepare reference #1 ()
          -> list align ()
        > list of align: [1,2]
          listed align: 2
        > prepared reference run
          submitted reference #1
          -> start reference #1
        > reference #1 ends well
          ended reference #1: well
          -> prepare align[NA12878] #1 (1, "lambda.fa"), align[NA12891] #1 (2, "lambda.fa")
        "#,
    );
}

#[test]
fn a_skip_skips_what_names_it_directly() {
    let mut b = Build::new();
    let segment = b.task(ROOT, "segment", &["mask"]);
    let reader = b.task(ROOT, "reader", &["out"]);
    b.uses(reader, segment, &[]);
    let next = b.task(ROOT, "next", &["out"]);
    b.uses(next, reader, &[]);
    let tolerant = b.task(ROOT, "tolerant", &["out"]);
    b.edge(tolerant, segment, true);
    b.read(tolerant, output(segment, &[]));
    let mut s = Story::new(b.finish(), capacity(2), Options::default());
    s.prepared(&[("segment", Prepared::Skip)]);
    s.prepared(&[("tolerant", hit(Value::Int(1)))]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare segment #1 ()
        > prepared segment skip
          skipped segment reader next
          -> prepare tolerant #1 (null)
        > prepared tolerant hit
          cached tolerant
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn a_failure_lets_what_runs_end_and_cancels_the_rest() {
    let mut s = Story::new(side_by_side(), capacity(2), Options::default());
    s.prepared(&[("a", run(None)), ("b", run(None))]);
    s.ended("a", 1, failed());
    s.ended("b", 1, ok(Value::Int(1)));
    assert_eq!(s.engine.failures().map(|failed| failed.attempt).collect::<Vec<_>>(), [1]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a run, b run
          submitted a #1
          submitted b #1
          -> start a #1
          -> start b #1
        > a #1 ends badly
          ended a #1: Exit(2)
          stopping: `a` failed
          cancelled after_a end
        > b #1 ends well
          ended b #1: well
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn with_keep_going_only_dependants_are_cancelled() {
    let mut s = Story::new(side_by_side(), capacity(1), keep_going());
    s.prepared(&[("a", run(None)), ("b", run(None))]);
    s.ended("a", 1, failed());
    s.ended("b", 1, ok(Value::Int(1)));
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a run, b run
          submitted a #1
          -> start a #1
        > a #1 ends badly
          ended a #1: Exit(2)
          cancelled after_a
          submitted b #1
          -> start b #1
        > b #1 ends well
          ended b #1: well
          cancelled end
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn answers_that_come_after_the_failure_are_dropped() {
    let mut s = Story::new(side_by_side(), capacity(1), Options::default());
    s.prepared(&[("a", Prepared::Failed(failure(Cause::Prepare)))]);
    s.prepared(&[("b", run(None))]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a failed
          refused a: exit status 2
          stopping: `a` failed
          cancelled b after_a end
          finished: Failed
          -> done: Failed
        > prepared b run
          -> drop b
        ",
    );
}

#[test]
fn a_failed_list_fails_the_map() {
    let mut s = Story::new(compute_data(), capacity(2), keep_going());
    s.prepared(&[("gen_data", hit(Value::Int(1)))]);
    let instance = s.id("process_data");
    let answer = ListAnswer::Failed(failure(Cause::Prepare));
    s.step("no list of process_data", Input::Listed { instance, answer });
    s.tells(
        "
        > begin
          begun by test
          -> prepare gen_data #1 ()
        > prepared gen_data hit
          cached gen_data
          -> list process_data (1)
        > no list of process_data
          refused process_data: exit status 2
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn a_failed_item_fails_the_map_and_its_readers() {
    let mut b = Build::new();
    let (map, body) = b.map(ROOT, "m");
    let task = b.task(body, "t", &["out"]);
    let report = b.task(ROOT, "report", &["out"]);
    b.uses(report, map, &[task]);
    let mut s = Story::new(b.finish(), capacity(2), keep_going());
    s.list("m", &ints(&[1, 2]));
    s.prepared(&[("m[0].t", run(None)), ("m[1].t", run(None))]);
    s.ended("m[0].t", 1, failed());
    s.ended("m[1].t", 1, ok(Value::Int(2)));
    s.tells(
        "
        > begin
          begun by test
          -> list m ()
        > list of m: [1,2]
          listed m: 2
          -> prepare m[0].t #1 (), m[1].t #1 ()
        > prepared m[0].t run, m[1].t run
          submitted m[0].t #1
          submitted m[1].t #1
          -> start m[0].t #1
          -> start m[1].t #1
        > m[0].t #1 ends badly
          ended m[0].t #1: Exit(2)
        > m[1].t #1 ends well
          ended m[1].t #1: well
          map ended m: Failed
          cancelled report
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn equal_keys_run_once() {
    let mut b = Build::new();
    let (map, body) = b.map(ROOT, "m");
    let task = b.task(body, "t", &["out"]);
    b.plan.output_reads.push(read("m.t.out", output(map, &[task]), &[]));
    let mut s = Story::new(b.finish(), capacity(4), keep_going());
    s.list("m", &ints(&[5, 5, 5, 6, 6, 5]));
    s.prepared(&[
        ("m[0].t", run(Some("5"))),
        ("m[1].t", run(Some("5"))),
        ("m[2].t", run(Some("5"))),
        ("m[3].t", run(Some("6"))),
        ("m[4].t", run(Some("6"))),
    ]);
    assert_eq!(s.engine.why_waiting(s.id("m[1].t")), Why::SameKey(s.id("m[0].t")));
    s.ended("m[0].t", 1, ok(Value::Int(50)));
    s.prepared(&[("m[5].t", run(Some("5")))]);
    s.ended("m[3].t", 1, failed());
    s.prepared(&[("m[4].t", run(Some("6")))]);
    s.ended("m[4].t", 1, ok(Value::Int(60)));
    let [fifty, sixty] = [Value::Int(50), Value::Int(60)];
    let list = vec![fifty.clone(), fifty.clone(), fifty.clone(), Value::Null, sixty, fifty];
    assert_eq!(s.engine.outputs(), [Ok(Value::list(list))]);
    s.tells(
        "
        > begin
          begun by test
          -> list m ()
        > list of m: [5,5,5,6,6,5]
          listed m: 6
          -> prepare m[0].t #1 (), m[1].t #1 (), m[2].t #1 (), m[3].t #1 (), m[4].t #1 (), m[5].t #1 ()
        > prepared m[0].t run, m[1].t run, m[2].t run, m[3].t run, m[4].t run
          submitted m[0].t #1
          submitted m[3].t #1
          -> drop m[1].t
          -> drop m[2].t
          -> drop m[4].t
          -> start m[0].t #1
          -> start m[3].t #1
        > m[0].t #1 ends well
          ended m[0].t #1: well
          cached m[1].t m[2].t
        > prepared m[5].t run
          cached m[5].t
          -> drop m[5].t
        > m[3].t #1 ends badly
          ended m[3].t #1: Exit(2)
          -> prepare m[4].t #1 ()
        > prepared m[4].t run
          submitted m[4].t #1
          -> start m[4].t #1
        > m[4].t #1 ends well
          ended m[4].t #1: well
          map ended m: Failed
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn a_map_that_names_its_results_gives_records() {
    let mut b = Build::new();
    let (map, body) = b.map(ROOT, "m");
    let task = b.task(body, "t", &["out"]);
    let record = b.map_mut(map);
    record.outputs.push(("twice".into(), flowrun::plan::Shape::Plain(Value::Null)));
    record.output_reads = vec![read("item", From::Item { up: 0 }, &[]), read("t.out", output(task, &[]), &[])];
    let all = From::Output { node: map, up: 0, inner: vec![], output: None };
    b.plan.output_reads = vec![read("m", all, &[]), read("m.twice", output(map, &[]), &[])];
    let mut s = Story::new(b.finish(), capacity(2), Options::default());
    s.list("m", &Value::list(vec![Value::Int(1), Value::Null]));
    s.prepared(&[("m[0].t", hit(Value::str("x")))]);
    let instance = s.id("m");
    let record = Value::map(vec![("twice".into(), Value::str("xx"))]);
    s.step("records of m", Input::Recorded { instance, answer: Ok(vec![record.clone(), Value::Null]) });
    let records = Value::list(vec![record, Value::Null]);
    let twice = Value::list(vec![Value::str("xx"), Value::Null]);
    assert_eq!(s.engine.outputs(), [Ok(records), Ok(twice)]);
    s.tells(
        r#"
        > begin
          begun by test
          -> list m ()
        > list of m: [1,null]
          listed m: 2
          skipped m[1].t
          -> prepare m[0].t #1 ()
        > prepared m[0].t hit
          cached m[0].t
          -> record m (1, "x") -
        > records of m
          map ended m: Succeeded
          finished: Succeeded
          -> done: Succeeded
        "#,
    );
}

#[test]
fn fields_are_taken_from_values_and_missing_ones_are_said() {
    let mut b = Build::new();
    let one = b.task(ROOT, "one", &["first", "second"]);
    let two = b.task(ROOT, "two", &[]);
    b.needs(two, one);
    for (path, output) in [(&["a", "b"][..], Some(0)), (&["c"], Some(0)), (&["c"], Some(1)), (&[], None)] {
        let from = From::Output { node: one, up: 0, inner: vec![], output };
        b.reads(two).push(read("one", from, path));
    }
    let mut s = Story::new(b.finish(), capacity(2), Options::default());
    let record = Value::from_json(r#"{"a": {"b": 7}}"#).unwrap();
    s.prepared(&[("one", hit2(record, Value::Null))]);
    s.tells(
        r#"
        > begin
          begun by test
          -> prepare one #1 ()
        > prepared one hit
          cached one
          -> prepare two #1 (7, nothing, null, {"first":{"a":{"b":7}},"second":null})
        "#,
    );
}

#[test]
fn what_was_not_chosen_is_neither_run_nor_counted() {
    let mut b = Build::new();
    let one = b.task(ROOT, "one", &["out"]);
    let (map, body) = b.map(ROOT, "m");
    b.task(body, "t", &["out"]);
    b.uses(map, one, &[]);
    let three = b.task(ROOT, "three", &["out"]);
    b.uses(three, one, &[]);
    let options = Options { wanted: vec![true, false, true], ..Options::default() };
    let mut s = Story::new(b.finish(), capacity(2), options);
    assert_eq!(s.engine.counts().waiting, 2);
    s.prepared(&[("one", hit(Value::Int(1)))]);
    s.prepared(&[("three", hit(Value::Int(3)))]);
    assert_eq!(s.engine.counts(), &Counts { cached: 2, ..Counts::default() });
    s.tells(
        "
        > begin
          begun by test
          -> prepare one #1 ()
        > prepared one hit
          cached one
          -> prepare three #1 (1)
        > prepared three hit
          cached three
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn an_empty_pipeline_is_done_at_once() {
    let mut s = Story::new(Build::new().finish(), capacity(2), Options::default());
    s.tells(
        "
        > begin
          begun by test
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn late_and_repeated_reports_change_nothing() {
    let mut s = Story::new(side_by_side(), capacity(2), Options::default());
    s.prepared(&[("a", run(None))]);
    s.prepared(&[("a", hit(Value::Int(1)))]);
    s.ended("a", 2, failed());
    s.begins("a", 1);
    s.begins("a", 1);
    s.ended("a", 1, ok(Value::Int(1)));
    s.ended("a", 1, failed());
    s.begins("a", 1);
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a run
          submitted a #1
          -> start a #1
        > prepared a hit
        > a #2 ends badly
        > a #1 begins
          started a #1
        > a #1 begins
        > a #1 ends well
          ended a #1: well
          -> prepare after_a #1 (1)
        > a #1 ends badly
        > a #1 begins
        ",
    );
}

#[test]
fn a_journal_that_does_not_fit_is_an_error() {
    let plan = compute_data();
    let mut s = Story::new(Arc::clone(&plan), capacity(2), Options::default());
    s.prepared(&[("gen_data", hit(ints(&[1])))]);
    s.list("process_data", &ints(&[1]));
    let restore = |events: Vec<Event>| {
        let engine = Engine::restore(Arc::clone(&plan), capacity(2), Options::default(), events, |_| None);
        engine.map(|_| ()).unwrap_err().to_string()
    };
    let list = Items::new(vec![Value::Int(1)], Vec::new()).digest();
    assert_eq!(restore(s.journal.clone()), format!("the list {list} of `process_data` is missing or changed"));
    let started = |instance| Event::Started { instance, attempt: 1, log: None, host: None };
    assert_eq!(
        restore(vec![started(flowrun::base::InstanceId(77))]),
        "the journal speaks of instance 77, which does not exist"
    );
    assert_eq!(restore(vec![started(s.id("process_data"))]), "the journal speaks of `process_data` as what it is not");
}
