//! The engine told step by step: what follows from failures.

#![allow(clippy::unwrap_used)]

mod engine_kit;

use engine_kit::story::*;
use engine_kit::{Build, ROOT};
use flowrun::base::{NodeId, Value};
use flowrun::engine::*;
use flowrun::event::{Cause, Outcome, Usage};
use flowrun::plan::{Allowance, CauseWord, From, NodeKind, OnError, Plan, Require, Retry, Share};
use std::sync::Arc;

fn ends(cause: Cause) -> Outcome {
    Outcome { result: Err(failure(cause)), usage: Usage::default(), log: None, host: None, doubtful: false }
}

fn retry(attempts: u32, backoff_ms: u64, on: Option<Vec<CauseWord>>) -> Retry {
    Retry { attempts, backoff_ms, on, memory: None, time: None, memory_cap: None, time_cap: None }
}

fn tries(b: &mut Build, node: NodeId, retry: Retry) {
    let NodeKind::Task(task) = &mut b.plan.nodes[node].kind else { panic!("a map") };
    task.retry = Some(retry);
}

/// One task that is tried three times, and one after it.
fn flaky(retry: Retry) -> Arc<Plan> {
    let mut b = Build::new();
    let flaky = b.task(ROOT, "flaky", &["out"]);
    tries(&mut b, flaky, retry);
    let after = b.task(ROOT, "after", &["out"]);
    b.uses(after, flaky, &[]);
    b.finish()
}

#[test]
fn failures_are_tried_again_and_what_was_lacking_is_counted() {
    let mut s = Story::new(flaky(retry(3, 1000, None)), capacity(1), Options::default());
    s.prepared(&[("flaky", run(None))]);
    s.ended("flaky", 1, ends(Cause::Oom));
    s.now = 10_000;
    s.step("tick", Input::Tick);
    s.prepared(&[("flaky", run(None))]);
    // Nobody knows what became of it: that is no failure.
    s.ended("flaky", 2, ends(Cause::Lost));
    s.now = 20_000;
    s.step("tick", Input::Tick);
    s.prepared(&[("flaky", run(None))]);
    s.ended("flaky", 3, ends(Cause::Timeout));
    s.now = 30_000;
    s.step("tick", Input::Tick);
    s.prepared(&[("flaky", run(None))]);
    s.ended("flaky", 4, ends(Cause::Exit(2)));
    s.tells(
        "
        > begin
          begun by test
          -> prepare flaky #1 ()
        > prepared flaky run
          submitted flaky #1
          -> start flaky #1
        > flaky #1 ends badly
          ended flaky #1: Oom
          delayed flaky until 911
          -> wake at 911
        > tick
          -> prepare flaky #2 memory +1 time +0 ()
        > prepared flaky run
          submitted flaky #2
          -> start flaky #2
        > flaky #2 ends badly
          ended flaky #2: Lost
          delayed flaky until 10829
          -> wake at 10829
        > tick
          -> prepare flaky #3 memory +1 time +0 ()
        > prepared flaky run
          submitted flaky #3
          -> start flaky #3
        > flaky #3 ends badly
          ended flaky #3: Timeout
          delayed flaky until 21576
          -> wake at 21576
        > tick
          -> prepare flaky #4 memory +1 time +1 ()
        > prepared flaky run
          submitted flaky #4
          -> start flaky #4
        > flaky #4 ends badly
          ended flaky #4: Exit(2)
          stopping: `flaky` failed
          cancelled after
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn an_output_that_is_not_what_was_declared_is_not_tried_again() {
    let mut s = Story::new(flaky(retry(3, 0, None)), capacity(1), Options::default());
    s.prepared(&[("flaky", run(None))]);
    s.ended("flaky", 1, ends(Cause::OutputInvalid));
    s.tells(
        "
        > begin
          begun by test
          -> prepare flaky #1 ()
        > prepared flaky run
          submitted flaky #1
          -> start flaky #1
        > flaky #1 ends badly
          ended flaky #1: OutputInvalid
          stopping: `flaky` failed
          cancelled after
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn five_losses_are_a_failure() {
    let mut b = Build::new();
    b.task(ROOT, "t", &["out"]);
    let mut s = Story::new(b.finish(), capacity(1), Options::default());
    for attempt in 1..=5 {
        s.prepared(&[("t", run(None))]);
        s.ended("t", attempt, ends(Cause::Lost));
    }
    let failed: Vec<_> = s.engine.failures().map(|failed| (failed.attempt, failed.failure.cause)).collect();
    assert_eq!(failed, [(5, Cause::Lost)]);
}

/// A map of one task over a list, with a reader.
fn items(limit: Option<Allowance>, require: Option<Require>) -> Arc<Plan> {
    let mut b = Build::new();
    let (map, body) = b.map(ROOT, "m");
    b.map_mut(map).max_failures = limit;
    let t = b.task(body, "t", &["out"]);
    b.read(t, From::Item { up: 0 });
    let after = b.task(ROOT, "after", &["out"]);
    b.uses(after, map, &[t]);
    b.plan.nodes[after].require = require;
    b.finish()
}

fn story(plan: Arc<Plan>, keep_going: bool, bad: &[i64]) -> Story {
    let mut s = Story::new(plan, capacity(4), Options { keep_going, ..Options::default() });
    s.list("m", &ints(&[0, 1, 2, 3]));
    s.prepared(&[0, 1, 2, 3].map(|i| (["m[0].t", "m[1].t", "m[2].t", "m[3].t"][i], run(None))));
    s.text.clear();
    for i in 0..4 {
        let outcome = if bad.contains(&i) { failed() } else { ok(Value::Int(i)) };
        s.ended(&format!("m[{i}].t"), 1, outcome);
    }
    s
}

#[test]
fn a_limit_on_failures_is_kept() {
    let mut s = story(items(Some(Allowance::Share(Share::new(0.5))), None), false, &[1, 3]);
    s.tells(
        "
        > m[0].t #1 ends well
          ended m[0].t #1: well
        > m[1].t #1 ends badly
          ended m[1].t #1: Exit(2)
          ignored m[1].t
        > m[2].t #1 ends well
          ended m[2].t #1: well
        > m[3].t #1 ends badly
          ended m[3].t #1: Exit(2)
          ignored m[3].t
          map ended m: Succeeded
          -> prepare after #1 ([0,null,2,null])
        ",
    );
}

#[test]
fn a_limit_on_failures_is_passed() {
    let mut s = story(items(Some(Allowance::Count(1)), None), false, &[1, 2]);
    s.tells(
        "
        > m[0].t #1 ends well
          ended m[0].t #1: well
        > m[1].t #1 ends badly
          ended m[1].t #1: Exit(2)
          ignored m[1].t
        > m[2].t #1 ends badly
          ended m[2].t #1: Exit(2)
          stopping: `m[2].t` failed, and `max_failures` lets no more than 1 of the 4 items of `m` fail
          cancelled after
        > m[3].t #1 ends well
          ended m[3].t #1: well
          map ended m: Failed
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn a_reader_is_content_with_any_item() {
    let mut s = story(items(None, Some(Require::Any)), true, &[0, 1, 3]);
    s.tells(
        "
        > m[0].t #1 ends badly
          ended m[0].t #1: Exit(2)
        > m[1].t #1 ends badly
          ended m[1].t #1: Exit(2)
        > m[2].t #1 ends well
          ended m[2].t #1: well
        > m[3].t #1 ends badly
          ended m[3].t #1: Exit(2)
          map ended m: Failed
          -> prepare after #1 ([null,null,2,null])
        ",
    );
}

#[test]
fn a_reader_requires_all_items() {
    let mut s = story(items(Some(Allowance::Count(4)), Some(Require::All)), true, &[3]);
    s.tells(
        "
        > m[0].t #1 ends well
          ended m[0].t #1: well
        > m[1].t #1 ends well
          ended m[1].t #1: well
        > m[2].t #1 ends well
          ended m[2].t #1: well
        > m[3].t #1 ends badly
          ended m[3].t #1: Exit(2)
          ignored m[3].t
          map ended m: Succeeded
          refused after: it requires all items of `m`, and 3 of 4 items ended well
          finished: Failed
          -> done: Failed
        ",
    );
}

#[test]
fn what_is_let_be_gives_null() {
    let mut b = Build::new();
    let bad = b.task(ROOT, "bad", &["out"]);
    b.plan.nodes[bad].on_error = OnError::Ignore;
    let after = b.task(ROOT, "after", &["out"]);
    b.uses(after, bad, &[]);
    let mut s = Story::new(b.finish(), capacity(1), Options::default());
    s.prepared(&[("bad", run(None))]);
    s.ended("bad", 1, failed());
    s.prepared(&[("after", run(None))]);
    s.ended("after", 1, ok(Value::Null));
    s.tells(
        "
        > begin
          begun by test
          -> prepare bad #1 ()
        > prepared bad run
          submitted bad #1
          -> start bad #1
        > bad #1 ends badly
          ended bad #1: Exit(2)
          ignored bad
          -> prepare after #1 (null)
        > prepared after run
          submitted after #1
          -> start after #1
        > after #1 ends well
          ended after #1: well
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}
