//! One execution for equal keys in several processes: leases, told step by step.

#![allow(clippy::unwrap_used)]

mod engine_kit;

use engine_kit::story::*;
use engine_kit::{Build, ROOT};
use flowrun::base::Value;
use flowrun::base::digest::Key;
use flowrun::engine::*;
use flowrun::event::Event;

fn elsewhere(run: u32) -> Leased {
    Leased::Elsewhere(format!("run {run} on host h").into())
}

/// `a` and `b` ask for one core each.
fn two(cpus: u32) -> Story {
    let mut b = Build::new();
    b.task(ROOT, "a", &["out"]);
    b.task(ROOT, "b", &["out"]);
    let mut story = Story::new(b.finish(), capacity(cpus), Options::default());
    story.leases = true;
    story
}

#[test]
fn it_is_looked_at_less_and_less_often() {
    let mut s = two(2);
    s.prepared(&[("b", run(None)), ("a", run(Some("a")))]);
    s.ended("b", 1, ok(Value::Int(2)));
    let mut pauses = Vec::new();
    for _ in 0..5 {
        s.text.clear();
        s.leased("a", "a", elsewhere(7));
        let told = s.text.lines().find_map(|line| line.trim().strip_prefix("-> wake at "));
        let wake: u64 = told.unwrap().parse().unwrap();
        pauses.push(wake - s.now);
        s.now = wake;
        s.step("a look", Input::Tick);
        s.prepared(&[("a", run(Some("a")))]);
    }
    assert_eq!(pauses, [250, 500, 1000, 2000, 2000]);
    let told = s.journal.iter().filter(|event| matches!(event, Event::Elsewhere { .. })).count();
    assert_eq!(told, 1, "the journal tells it once");
}

#[test]
fn what_another_process_computes_gives_its_place_to_others() {
    let mut s = two(1);
    s.prepared(&[("a", run(Some("a"))), ("b", run(Some("b")))]);
    assert_eq!(s.engine.why_waiting(s.id("a")), Why::Lease);
    s.leased("a", "a", elsewhere(7));
    assert_eq!(s.engine.why_waiting(s.id("a")), Why::Elsewhere("run 7 on host h".into()));
    s.leased("b", "b", Leased::Ours);
    assert_eq!(s.fold.elsewhere().map(|(id, by)| (id, &**by)).collect::<Vec<_>>(), [(s.id("a"), "run 7 on host h")]);
    s.now = 252;
    s.step("a look", Input::Tick);
    s.prepared(&[("a", run(Some("a")))]);
    s.ended("b", 1, ok(Value::Int(2)));
    // The other process has failed, and a third one was faster; then that one fails, too.
    s.leased("a", "a", elsewhere(8));
    s.now = 800;
    s.step("a look", Input::Tick);
    s.prepared(&[("a", run(Some("a")))]);
    s.leased("a", "a", Leased::Ours);
    s.ended("a", 1, ok(Value::Int(1)));
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a run, b run
          -> lease a
        > a is computed by run 7 on host h
          elsewhere a: run 7 on host h
          -> drop a
          -> lease b
          -> wake at 253
        > b is ours
          submitted b #1
          -> start b #1
        > a look
          -> prepare a #1 ()
        > prepared a run
        > b #1 ends well
          ended b #1: well
          -> lease a
        > a is computed by run 8 on host h
          elsewhere a: run 8 on host h
          -> drop a
          -> wake at 756
        > a look
          -> prepare a #1 ()
        > prepared a run
          -> lease a
        > a is ours
          submitted a #1
          -> start a #1
        > a #1 ends well
          ended a #1: well
          finished: Succeeded
          -> done: Succeeded
        ",
    );
    assert_eq!(s.fold.elsewhere().count(), 0);
}

#[test]
fn what_is_known_by_now_is_prepared_again_at_once() {
    let mut s = two(2);
    s.prepared(&[("a", run(Some("same"))), ("b", run(Some("same")))]);
    s.leased("a", "same", Leased::Known);
    s.prepared(&[("b", hit(Value::Int(1))), ("a", hit(Value::Int(1)))]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a run, b run
          -> lease a
          -> drop b
        > a is known by now
          -> drop a
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared b hit, a hit
          cached b
          cached a
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn who_has_the_key_too_follows_the_one_that_looks() {
    let mut s = two(2);
    s.prepared(&[("a", run(Some("same"))), ("b", run(Some("same")))]);
    s.leased("a", "same", elsewhere(7));
    assert_eq!(s.engine.why_waiting(s.id("b")), Why::SameKey(s.id("a")));
    s.now = 300;
    s.step("a look", Input::Tick);
    let key = Key::of(b"same");
    s.prepared(&[("a", Prepared::Hit { key, results: results(Value::Int(1)) })]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a run, b run
          -> lease a
          -> drop b
        > a is computed by run 7 on host h
          elsewhere a: run 7 on host h
          -> drop a
          -> wake at 253
        > a look
          -> prepare a #1 ()
        > prepared a hit
          cached b
          cached a
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn a_lease_that_comes_too_late_is_given_back() {
    let mut s = two(1);
    s.prepared(&[("a", run(None)), ("b", run(Some("b")))]);
    s.ended("a", 1, ok(Value::Int(1)));
    s.step("SIGINT", Input::Stop(Stop::Soft("SIGINT".into())));
    s.leased("b", "b", Leased::Ours);
    assert!(
        !s.journal.iter().any(|event| matches!(event, Event::Submitted { instance, .. } if *instance == s.id("b")))
    );
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a run, b run
          submitted a #1
          -> start a #1
        > a #1 ends well
          ended a #1: well
          -> lease b
        > SIGINT
          stopping: SIGINT
          -> done, to be continued
        > b is ours
          -> release
        ",
    );
}

#[test]
fn a_failure_takes_back_what_asks() {
    let mut b = Build::new();
    b.task(ROOT, "a", &["out"]);
    b.task(ROOT, "b", &["out"]);
    let mut s = Story::new(b.finish(), capacity(2), Options::default());
    s.leases = true;
    s.prepared(&[("a", run(None)), ("b", run(Some("b")))]);
    s.ended("a", 1, failed());
    s.leased("b", "b", Leased::Ours);
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared a run, b run
          submitted a #1
          -> start a #1
          -> lease b
        > a #1 ends badly
          ended a #1: Exit(2)
          stopping: `a` failed
          cancelled b
          finished: Failed
          -> drop b
          -> done: Failed
        > b is ours
          -> release
        ",
    );
}
