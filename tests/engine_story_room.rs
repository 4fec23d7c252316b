//! The engine told step by step. Here: who may start, and how a run stops and goes on.

#![allow(clippy::unwrap_used)]

mod engine_kit;

use engine_kit::story::*;
use engine_kit::{Build, ROOT};
use flowrun::base::{NodeId, Value};
use flowrun::engine::*;
use flowrun::event::{Cause, Failure, Outcome};
use flowrun::plan::{From, Plan};
use std::sync::Arc;

/// Tasks of the root with these names, without edges.
fn tasks(names: &[&str]) -> Arc<Plan> {
    let mut b = Build::new();
    for name in names {
        b.task(ROOT, name, &["out"]);
    }
    b.finish()
}

/// A map of two tasks, one after the other, with `max_parallel`.
fn throttled(max: u32) -> Arc<Plan> {
    let mut b = Build::new();
    let (map, body) = b.map(ROOT, "m");
    b.map_mut(map).max_parallel = Some(max);
    let first = b.task(body, "first", &["out"]);
    let second = b.task(body, "second", &["out"]);
    b.uses(second, first, &[]);
    b.finish()
}

fn cpus(cpus: u32) -> Needs {
    Needs { cpus, ..Needs::default() }
}

#[test]
fn priority_then_the_longest_path_then_order() {
    let mut b = Build::new();
    b.task(ROOT, "a", &["out"]);
    b.task(ROOT, "b", &["out"]);
    let long = b.task(ROOT, "long", &["out"]);
    let end = b.task(ROOT, "end", &["out"]);
    b.uses(end, long, &[]);
    let urgent = b.task(ROOT, "urgent", &["out"]);
    b.plan.nodes[urgent].priority = 1;
    let mut s = Story::new(b.finish(), capacity(1), Options::default());
    s.prepared(&[("b", run(None)), ("a", run(None)), ("long", run(None)), ("urgent", run(None))]);
    s.ended("urgent", 1, ok(Value::Int(1)));
    s.ended("long", 1, ok(Value::Int(1)));
    s.ended("a", 1, ok(Value::Int(1)));
    s.tells(
        "
        > begin
          begun by test
          -> prepare urgent #1 ()
          -> prepare long #1 ()
          -> prepare a #1 ()
          -> prepare b #1 ()
        > prepared b run, a run, long run, urgent run
          submitted urgent #1
          -> start urgent #1
        > urgent #1 ends well
          ended urgent #1: well
          submitted long #1
          -> start long #1
        > long #1 ends well
          ended long #1: well
          submitted a #1
          -> start a #1
          -> prepare end #1 (1)
        > a #1 ends well
          ended a #1: well
          submitted b #1
          -> start b #1
        ",
    );
}

#[test]
fn a_large_head_lets_small_work_by_but_not_for_ever() {
    let names = ["large", "s1", "s2", "s3", "s4", "s5", "s6"];
    let mut s = Story::new(tasks(&names), capacity(2), Options::default());
    s.prepared(&[("s1", run(None))]);
    s.prepared(&[("large", asks(cpus(2)))]);
    assert_eq!(s.engine.why_waiting(s.id("large")), Why::Resources(vec!["cpus".into()]));
    s.prepared(&[("s2", run(None)), ("s3", run(None)), ("s4", run(None)), ("s5", run(None))]);
    s.ended("s1", 1, ok(Value::Int(1)));
    s.ended("s2", 1, ok(Value::Int(1)));
    s.ended("s3", 1, ok(Value::Int(1)));
    s.ended("large", 1, ok(Value::Int(1)));
    s.tells(
        "
        > begin
          begun by test
          -> prepare large #1 ()
          -> prepare s1 #1 ()
          -> prepare s2 #1 ()
          -> prepare s3 #1 ()
          -> prepare s4 #1 ()
          -> prepare s5 #1 ()
          -> prepare s6 #1 ()
        > prepared s1 run
          submitted s1 #1
          -> start s1 #1
        > prepared large run
        > prepared s2 run, s3 run, s4 run, s5 run
          submitted s2 #1
          -> start s2 #1
        > s1 #1 ends well
          ended s1 #1: well
          submitted s3 #1
          -> start s3 #1
        > s2 #1 ends well
          ended s2 #1: well
        > s3 #1 ends well
          ended s3 #1: well
          submitted large #1
          -> start large #1
        > large #1 ends well
          ended large #1: well
          submitted s4 #1
          submitted s5 #1
          -> start s4 #1
          -> start s5 #1
        ",
    );
}

#[test]
fn who_waits_for_a_gpu_holds_back_nobody_else() {
    let gpu = |gpus| asks(Needs { gpus, ..cpus(1) });
    let mut s = Story::new(tasks(&["g1", "g2", "c1", "c2", "c3", "c4"]), capacity(2), Options::default());
    s.prepared(&[("g1", gpu(1)), ("g2", gpu(2))]);
    for name in ["c1", "c2", "c3", "c4"] {
        s.prepared(&[(name, run(None))]);
        s.ended(name, 1, ok(Value::Int(1)));
    }
    s.ended("g1", 1, ok(Value::Int(1)));
    s.tells(
        "
        > begin
          begun by test
          -> prepare g1 #1 ()
          -> prepare g2 #1 ()
          -> prepare c1 #1 ()
          -> prepare c2 #1 ()
          -> prepare c3 #1 ()
          -> prepare c4 #1 ()
        > prepared g1 run, g2 run
          submitted g1 #1
          -> start g1 #1 on GPU 0
        > prepared c1 run
          submitted c1 #1
          -> start c1 #1
        > c1 #1 ends well
          ended c1 #1: well
        > prepared c2 run
          submitted c2 #1
          -> start c2 #1
        > c2 #1 ends well
          ended c2 #1: well
        > prepared c3 run
          submitted c3 #1
          -> start c3 #1
        > c3 #1 ends well
          ended c3 #1: well
        > prepared c4 run
          submitted c4 #1
          -> start c4 #1
        > c4 #1 ends well
          ended c4 #1: well
        > g1 #1 ends well
          ended g1 #1: well
          submitted g2 #1
          -> start g2 #1 on GPU 0,1
        ",
    );
}

#[test]
fn limits_and_memory_are_kept() {
    let limited = |limits| asks(Needs { limits, ..cpus(1) });
    let memory = |memory| asks(Needs { memory, ..cpus(1) });
    let mut b = Build::new();
    b.plan.limits.push(("licence".into(), 1));
    for name in ["l1", "l2", "m1", "m2", "m3"] {
        b.task(ROOT, name, &["out"]);
    }
    let mut s = Story::new(b.finish(), capacity(9), Options::default());
    s.prepared(&[("l1", limited(vec![1])), ("l2", limited(vec![1])), ("m1", memory(600)), ("m2", memory(600))]);
    assert_eq!(s.engine.why_waiting(s.id("l2")), Why::Resources(vec!["licence".into()]));
    assert_eq!(s.engine.why_waiting(s.id("m2")), Why::Resources(vec!["memory".into()]));
    s.prepared(&[("m3", memory(400))]);
    s.ended("l1", 1, ok(Value::Int(1)));
    s.ended("m1", 1, ok(Value::Int(1)));
    s.tells(
        "
        > begin
          begun by test
          -> prepare l1 #1 ()
          -> prepare l2 #1 ()
          -> prepare m1 #1 ()
          -> prepare m2 #1 ()
          -> prepare m3 #1 ()
        > prepared l1 run, l2 run, m1 run, m2 run
          submitted l1 #1
          submitted m1 #1
          -> start l1 #1
          -> start m1 #1
        > prepared m3 run
          submitted m3 #1
          -> start m3 #1
        > l1 #1 ends well
          ended l1 #1: well
          submitted l2 #1
          -> start l2 #1
        > m1 #1 ends well
          ended m1 #1: well
          submitted m2 #1
          -> start m2 #1
        ",
    );
}

#[test]
fn what_can_never_be_given_is_refused() {
    let mut s = Story::new(tasks(&["a"]), capacity(2), Options::default());
    s.prepared(&[("a", asks(Needs { gpus: 3, ..cpus(1) }))]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
        > prepared a run
          refused a: it needs 3 of `gpus`, and there are 2 in all
          stopping: `a` failed
          finished: Failed
          -> drop a
          -> done: Failed
        ",
    );
}

#[test]
fn a_throttled_map_works_on_few_items_at_once() {
    let mut s = Story::new(throttled(1), capacity(4), Options::default());
    s.list("m", &ints(&[1, 2, 3]));
    s.prepared(&[("m[0].first", run(None)), ("m[1].first", hit(Value::Int(2))), ("m[2].first", run(None))]);
    assert_eq!(s.engine.why_waiting(s.id("m[2].first")), Why::Throttle(s.id("m")));
    s.prepared(&[("m[1].second", run(None))]);
    s.ended("m[0].first", 1, ok(Value::Int(1)));
    s.prepared(&[("m[0].second", run(None))]);
    s.ended("m[0].second", 1, ok(Value::Int(1)));
    s.ended("m[1].second", 1, ok(Value::Int(2)));
    s.tells(
        "
        > begin
          begun by test
          -> list m ()
        > list of m: [1,2,3]
          listed m: 3
          -> prepare m[0].first #1 (), m[1].first #1 (), m[2].first #1 ()
        > prepared m[0].first run, m[1].first hit, m[2].first run
          cached m[1].first
          submitted m[0].first #1
          -> start m[0].first #1
          -> prepare m[1].second #1 (2)
        > prepared m[1].second run
        > m[0].first #1 ends well
          ended m[0].first #1: well
          -> prepare m[0].second #1 (1)
        > prepared m[0].second run
          submitted m[0].second #1
          -> start m[0].second #1
        > m[0].second #1 ends well
          ended m[0].second #1: well
          submitted m[1].second #1
          -> start m[1].second #1
        > m[1].second #1 ends well
          ended m[1].second #1: well
          submitted m[2].first #1
          -> start m[2].first #1
        ",
    );
}

#[test]
fn few_instances_are_prepared_ahead() {
    let mut b = Build::new();
    let (_, body) = b.map(ROOT, "m");
    b.task(body, "t", &["out"]);
    let two = Capacity { window: 2, ..capacity(1) };
    let mut s = Story::new(b.finish(), two, Options::default());
    s.list("m", &ints(&[1, 2, 3, 4, 5, 6]));
    s.prepared(&[("m[0].t", hit(Value::Int(1))), ("m[1].t", run(None))]);
    s.prepared(&[("m[2].t", run(None)), ("m[3].t", run(None))]);
    assert_eq!(s.engine.why_waiting(s.id("m[3].t")), Why::Resources(vec!["cpus".into()]));
    assert_eq!(s.engine.why_waiting(s.id("m[5].t")), Why::Queue);
    s.ended("m[1].t", 1, ok(Value::Int(1)));
    s.tells(
        "
        > begin
          begun by test
          -> list m ()
        > list of m: [1,2,3,4,5,6]
          listed m: 6
          -> prepare m[0].t #1 (), m[1].t #1 ()
        > prepared m[0].t hit, m[1].t run
          cached m[0].t
          submitted m[1].t #1
          -> start m[1].t #1
          -> prepare m[2].t #1 (), m[3].t #1 ()
        > prepared m[2].t run, m[3].t run
        > m[1].t #1 ends well
          ended m[1].t #1: well
          submitted m[2].t #1
          -> start m[2].t #1
          -> prepare m[4].t #1 ()
        ",
    );
}

#[test]
fn a_throttled_map_keeps_few_prepared_jobs() {
    let two = Capacity { window: 2, ..capacity(4) };
    let mut s = Story::new(throttled(1), two, Options::default());
    s.list("m", &ints(&[1, 2, 3, 4, 5]));
    s.prepared(&[("m[0].first", run(None)), ("m[1].first", run(None))]);
    s.prepared(&[("m[2].first", run(None)), ("m[3].first", run(None))]);
    s.prepared(&[("m[4].first", hit(Value::Int(5)))]);
    s.prepared(&[("m[4].second", hit(Value::Int(5)))]);
    for item in 0..3 {
        s.ended(&format!("m[{item}].first"), 1, ok(Value::Int(1)));
        s.prepared(&[(&format!("m[{item}].second"), hit(Value::Int(1)))]);
    }
    s.prepared(&[("m[3].first", run(None))]);
    s.tells(
        "
        > begin
          begun by test
          -> list m ()
        > list of m: [1,2,3,4,5]
          listed m: 5
          -> prepare m[0].first #1 (), m[1].first #1 ()
        > prepared m[0].first run, m[1].first run
          submitted m[0].first #1
          -> start m[0].first #1
          -> prepare m[2].first #1 (), m[3].first #1 ()
        > prepared m[2].first run, m[3].first run
          -> drop m[3].first
          -> prepare m[4].first #1 ()
        > prepared m[4].first hit
          cached m[4].first
          -> prepare m[4].second #1 (5)
        > prepared m[4].second hit
          cached m[4].second
        > m[0].first #1 ends well
          ended m[0].first #1: well
          -> prepare m[0].second #1 (1)
        > prepared m[0].second hit
          cached m[0].second
          submitted m[1].first #1
          -> start m[1].first #1
        > m[1].first #1 ends well
          ended m[1].first #1: well
          -> prepare m[1].second #1 (1)
        > prepared m[1].second hit
          cached m[1].second
          submitted m[2].first #1
          -> start m[2].first #1
        > m[2].first #1 ends well
          ended m[2].first #1: well
          -> prepare m[2].second #1 (1)
        > prepared m[2].second hit
          cached m[2].second
          -> prepare m[3].first #1 ()
        > prepared m[3].first run
          submitted m[3].first #1
          -> start m[3].first #1
        ",
    );
}

#[test]
fn a_signal_stops_what_runs_and_a_later_process_runs_it_again() {
    let mut b = Build::new();
    let (map, body) = b.map(ROOT, "m");
    let task = b.task(body, "t", &["out"]);
    let end = b.task(ROOT, "end", &["out"]);
    b.uses(end, map, &[task]);
    let plan = b.finish();
    let mut s = Story::new(Arc::clone(&plan), capacity(3), Options::default());
    s.list("m", &ints(&[1, 2, 3, 4]));
    s.prepared(&[("m[0].t", run(None)), ("m[1].t", run(None)), ("m[2].t", run(None)), ("m[3].t", run(None))]);
    s.ended("m[1].t", 1, ok(Value::Int(20)));
    s.step("SIGINT", Input::Stop(Stop::Soft("SIGINT".into())));
    s.ended("m[0].t", 1, stopped());
    s.ended("m[2].t", 1, ok(Value::Int(30)));
    s.step("SIGINT", Input::Stop(Stop::Hard("SIGINT".into())));
    s.ended("m[3].t", 1, stopped());
    s.tells(
        "
        > begin
          begun by test
          -> list m ()
        > list of m: [1,2,3,4]
          listed m: 4
          -> prepare m[0].t #1 (), m[1].t #1 (), m[2].t #1 (), m[3].t #1 ()
        > prepared m[0].t run, m[1].t run, m[2].t run, m[3].t run
          submitted m[0].t #1
          submitted m[1].t #1
          submitted m[2].t #1
          -> start m[0].t #1
          -> start m[1].t #1
          -> start m[2].t #1
        > m[1].t #1 ends well
          ended m[1].t #1: well
          submitted m[3].t #1
          -> start m[3].t #1
        > SIGINT
          stopping: SIGINT
          -> stop m[0].t
          -> stop m[2].t
          -> stop m[3].t
        > m[0].t #1 ends badly
          ended m[0].t #1: Stopped
        > m[2].t #1 ends well
          ended m[2].t #1: well
        > SIGINT
          -> kill m[3].t
        > m[3].t #1 ends badly
          ended m[3].t #1: Stopped
          -> done, to be continued
        ",
    );
    s.restore(plan, capacity(3), Options::default());
    s.prepared(&[("m[0].t", run(None)), ("m[3].t", run(None))]);
    s.ended("m[0].t", 2, ok(Value::Int(10)));
    s.ended("m[3].t", 2, ok(Value::Int(40)));
    s.prepared(&[("end", hit(Value::Int(100)))]);
    s.tells(
        "
        > restored; begin
          resumed by test
          listed m: 4
          -> prepare m[0].t #2 (), m[3].t #2 ()
        > prepared m[0].t run, m[3].t run
          submitted m[0].t #2
          submitted m[3].t #2
          -> start m[0].t #2
          -> start m[3].t #2
        > m[0].t #2 ends well
          ended m[0].t #2: well
        > m[3].t #2 ends well
          ended m[3].t #2: well
          map ended m: Succeeded
          -> prepare end #1 ([10,20,30,40])
        > prepared end hit
          cached end
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}

#[test]
fn a_signal_with_nothing_at_work_ends_the_process_at_once() {
    let mut s = Story::new(tasks(&["a"]), capacity(2), Options::default());
    s.step("SIGTERM", Input::Stop(Stop::Soft("SIGTERM".into())));
    s.prepared(&[("a", run(None))]);
    s.tells(
        "
        > begin
          begun by test
          -> prepare a #1 ()
        > SIGTERM
          stopping: SIGTERM
          -> done, to be continued
        > prepared a run
          -> drop a
        ",
    );
}

#[test]
fn a_failed_run_is_resumed() {
    let mut b = Build::new();
    let names = ["good", "bad", "after"];
    let ids: Vec<NodeId> = names.iter().map(|name| b.task(ROOT, name, &["out"])).collect();
    b.uses(ids[2], ids[1], &[]);
    let plan = b.finish();
    let mut s = Story::new(Arc::clone(&plan), capacity(3), Options::default());
    s.prepared(&[("good", run(Some("good"))), ("bad", run(Some("bad")))]);
    s.ended("good", 1, ok(Value::Int(1)));
    s.ended("bad", 1, failed());
    s.text.clear();
    s.restore(plan, capacity(3), Options::default());
    s.prepared(&[("bad", run(Some("bad")))]);
    s.ended("bad", 2, ok(Value::Int(1)));
    s.prepared(&[("after", run(Some("good")))]);
    s.tells(
        "
        > restored; begin
          resumed by test
          -> prepare bad #2 ()
        > prepared bad run
          submitted bad #2
          -> start bad #2
        > bad #2 ends well
          ended bad #2: well
          -> prepare after #1 (1)
        > prepared after run
          cached after
          finished: Succeeded
          -> drop after
          -> done: Succeeded
        ",
    );
}

#[test]
fn a_restored_map_may_end_otherwise_than_it_began() {
    let mut b = Build::new();
    let list = b.task(ROOT, "list", &["out"]);
    let (map, body) = b.map(ROOT, "m");
    b.uses(map, list, &[]);
    let task = b.task(body, "t", &["out"]);
    b.read(task, From::Item { up: 0 });
    let plan = b.finish();
    let mut s = Story::new(Arc::clone(&plan), capacity(3), Options::default());
    s.prepared(&[("list", hit(ints(&[1, 2])))]);
    s.list("m", &ints(&[1, 2]));
    s.prepared(&[("m[0].t", run(None)), ("m[1].t", run(None))]);
    s.ended("m[1].t", 1, ok(Value::Int(1)));
    s.text.clear();
    s.restore(plan, capacity(3), Options::default());
    assert_eq!(s.engine.why_waiting(s.id("m[0].t")), Why::Needs(vec![s.id("m")]));
    s.prepared(&[("list", run(None))]);
    s.ended("list", 1, failed());
    s.tells(
        "
        > restored; begin
          resumed by test
          -> prepare list #1 ()
        > prepared list run
          submitted list #1
          -> start list #1
        > list #1 ends badly
          ended list #1: Exit(2)
          stopping: `list` failed
          cancelled m m[0].t
          finished: Failed
          -> done: Failed
        ",
    );
}

/// What a process answers to SIGTERM.
fn stopped() -> Outcome {
    let failure = Failure { cause: Cause::Signal(15), message: "ended by SIGTERM".into(), help: None };
    Outcome { result: Err(failure), ..failed() }
}

#[test]
fn backends_do_not_wait_for_each_other_but_for_the_limits_of_the_run() {
    let on = |backend, needs: Needs| asks(Needs { backend, ..needs });
    let limited = || Needs { limits: vec![1], ..cpus(1) };
    let small = Capacity { gpus: vec!["small".into()], ..capacity(1) };
    let two = Capacities::new(vec![capacity(8), small]);
    let mut s = Story::new(tasks(&["l1", "l2", "c1", "c2", "g"]), two, Options::default());
    s.prepared(&[("l1", on(1, cpus(1))), ("l2", on(1, cpus(1))), ("c1", on(0, cpus(8)))]);
    s.prepared(&[("c2", on(0, limited())), ("g", on(1, Needs { gpus: 1, ..limited() }))]);
    for name in ["c1", "l1", "l2", "c2", "g"] {
        s.ended(name, 1, ok(Value::Int(1)));
    }
    s.tells(
        "
        > begin
          begun by test
          -> prepare l1 #1 ()
          -> prepare l2 #1 ()
          -> prepare c1 #1 ()
          -> prepare c2 #1 ()
          -> prepare g #1 ()
        > prepared l1 run, l2 run, c1 run
          submitted l1 #1
          submitted c1 #1
          -> start l1 #1
          -> start c1 #1
        > prepared c2 run, g run
        > c1 #1 ends well
          ended c1 #1: well
          submitted c2 #1
          -> start c2 #1
        > l1 #1 ends well
          ended l1 #1: well
          submitted l2 #1
          -> start l2 #1
        > l2 #1 ends well
          ended l2 #1: well
        > c2 #1 ends well
          ended c2 #1: well
          submitted g #1
          -> start g #1 on GPU small
        > g #1 ends well
          ended g #1: well
          finished: Succeeded
          -> done: Succeeded
        ",
    );
}
