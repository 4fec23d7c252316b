//! Outputs that go when they are consumed, told step by step.

#![allow(clippy::unwrap_used)]

mod engine_kit;

use engine_kit::story::*;
use engine_kit::{Build, ROOT};
use flowrun::base::{NodeId, Value};
use flowrun::engine::*;
use flowrun::lang::outputs::Keep;
use flowrun::plan::{NodeKind, Plan};
use std::sync::Arc;

/// Lets the first output of a task go.
fn goes(b: &mut Build, node: NodeId) {
    let NodeKind::Task(task) = &mut b.plan.nodes[node].kind else { panic!("a map") };
    task.outputs[0].keep = Keep::UntilConsumed;
}

/// `a` is read by `b` and `c`, and `b` by `d`.
fn diamond() -> Arc<Plan> {
    let mut b = Build::new();
    let [make, one, two, last] = ["a", "b", "c", "d"].map(|name| b.task(ROOT, name, &["out"]));
    b.uses(one, make, &[]);
    b.uses(two, make, &[]);
    b.uses(last, one, &[]);
    goes(&mut b, make);
    b.finish()
}

fn int(value: i64) -> Value {
    Value::Int(value)
}

#[test]
fn it_goes_when_the_last_one_has_read_it() {
    let mut s = Story::new(diamond(), capacity(4), Options::default());
    s.prepared(&[("a", run(None))]);
    s.ended("a", 1, ok(int(1)));
    s.prepared(&[("b", run(None)), ("c", run(None))]);
    s.text.clear();
    s.ended("b", 1, ok(int(2)));
    s.ended("c", 1, ok(int(3)));
    s.tells(
        "> b #1 ends well
           ended b #1: well
           -> prepare d #1 (2)
         > c #1 ends well
           ended c #1: well
           let go a
           -> let go a",
    );
}

#[test]
fn a_reader_that_failed_has_not_read_it() {
    let mut s = Story::new(diamond(), capacity(4), Options { keep_going: true, ..Options::default() });
    s.prepared(&[("a", run(None))]);
    s.ended("a", 1, ok(int(1)));
    s.prepared(&[("b", run(None)), ("c", run(None))]);
    s.ended("c", 1, ok(int(3)));
    s.text.clear();
    s.ended("b", 1, failed());
    s.tells(
        "> b #1 ends badly
           ended b #1: Exit(2)
           cancelled d
           finished: Failed
           -> done: Failed",
    );
}

#[test]
fn what_is_gone_is_made_again_first_for_the_one_that_must_run() {
    let mut s = Story::new(diamond(), capacity(4), Options::default());
    s.prepared(&[("a", known(int(1)))]);
    s.text.clear();
    s.prepared(&[("b", hit(int(2))), ("c", run(None))]);
    assert_eq!(s.engine.why_waiting(s.id("c")), Why::Needs(vec![s.id("a")]));
    s.prepared(&[("d", hit(int(4)))]);
    s.prepared(&[("a", run(None))]);
    s.ended("a", 1, ok(int(1)));
    s.prepared(&[("c", run(None))]);
    s.ended("c", 1, ok(int(3)));
    s.tells(
        "> prepared b hit, c run
           cached b
           again a
           -> drop c
           -> prepare a #1 whole ()
           -> prepare d #1 (2)
         > prepared d hit
           cached d
         > prepared a run
           submitted a #1
           -> start a #1
         > a #1 ends well
           ended a #1: well
           -> prepare c #1 (1)
         > prepared c run
           submitted c #1
           -> start c #1
         > c #1 ends well
           ended c #1: well
           let go a
           finished: Succeeded
           -> let go a
           -> done: Succeeded",
    );
}

#[test]
fn readers_are_keyed_anew_when_it_is_another_one() {
    let mut s = Story::new(diamond(), capacity(4), Options::default());
    s.prepared(&[("a", known(int(1)))]);
    s.prepared(&[("b", hit(int(2))), ("c", run(None))]);
    s.prepared(&[("a", run(None)), ("d", hit(int(4)))]);
    s.text.clear();
    s.ended("a", 1, ok(int(10)));
    s.prepared(&[("b", run(None)), ("c", run(None))]);
    s.ended("b", 1, ok(int(20)));
    s.prepared(&[("d", hit(int(40)))]);
    s.ended("c", 1, ok(int(30)));
    s.tells(
        "> a #1 ends well
           ended a #1: well
           again b
           -> prepare b #1 (10)
           -> prepare c #1 (10)
         > prepared b run, c run
           submitted b #1
           submitted c #1
           -> start b #1
           -> start c #1
         > b #1 ends well
           ended b #1: well
           again d
           -> prepare d #1 (20)
         > prepared d hit
           cached d
         > c #1 ends well
           ended c #1: well
           let go a
           finished: Succeeded
           -> let go a
           -> done: Succeeded",
    );
    assert_eq!(s.engine.ledger().results(s.id("d")).unwrap()[0].value().into_owned(), int(40));
}

#[test]
fn what_cannot_be_made_again_fails_and_takes_with_it_who_waits() {
    let mut s = Story::new(diamond(), capacity(4), Options { keep_going: true, ..Options::default() });
    s.prepared(&[("a", known(int(1)))]);
    s.prepared(&[("b", hit(int(2))), ("c", run(None))]);
    s.prepared(&[("a", run(None)), ("d", hit(int(4)))]);
    s.text.clear();
    s.ended("a", 1, failed());
    s.tells(
        "> a #1 ends badly
           ended a #1: Exit(2)
           cancelled c
           finished: Failed
           -> done: Failed",
    );
}

#[test]
fn a_failure_elsewhere_leaves_it_as_it_was() {
    let mut b = Build::new();
    let [make, read, other] = ["a", "b", "x"].map(|name| b.task(ROOT, name, &["out"]));
    b.uses(read, make, &[]);
    let _ = other;
    goes(&mut b, make);
    let mut s = Story::new(b.finish(), capacity(1), Options::default());
    s.prepared(&[("a", known(int(1))), ("x", run(None))]);
    s.prepared(&[("b", run(None))]);
    s.prepared(&[("a", run(None))]);
    s.text.clear();
    s.ended("x", 1, failed());
    s.tells(
        "> x #1 ends badly
           ended x #1: Exit(2)
           stopping: `x` failed
           cached a
           cancelled b
           finished: Failed
           -> drop a
           -> done: Failed",
    );
}

#[test]
fn a_later_process_goes_on_with_what_is_gone() {
    let plan = diamond();
    let mut s = Story::new(Arc::clone(&plan), capacity(4), Options::default());
    s.prepared(&[("a", run(None))]);
    s.ended("a", 1, ok(int(1)));
    s.prepared(&[("b", hit(int(2))), ("c", run(None))]);
    s.ended("c", 1, ok(int(3)));
    s.text.clear();
    s.restore(plan, capacity(4), Options::default());
    // What was in the cache is asked anew, and is not there any more.
    s.prepared(&[("b", run(None))]);
    s.prepared(&[("a", run(None))]);
    s.ended("a", 2, ok(int(1)));
    s.tells(
        "> restored; begin
           resumed by test
           -> let go a
           -> prepare b #1 (1)
         > prepared b run
           again a
           -> drop b
           -> prepare a #2 whole ()
         > prepared a run
           submitted a #2
           -> start a #2
         > a #2 ends well
           ended a #2: well
           -> prepare b #1 (1)",
    );
}

#[test]
fn what_the_command_line_names_stays() {
    let options = Options { named: vec![true, false, false, false], ..Options::default() };
    let mut s = Story::new(diamond(), capacity(4), options);
    s.prepared(&[("a", hit(int(1)))]);
    s.prepared(&[("b", hit(int(2))), ("c", hit(int(3)))]);
    s.prepared(&[("d", hit(int(4)))]);
    s.tells(
        "> begin
           begun by test
           -> prepare a #1 whole ()
         > prepared a hit
           cached a
           -> prepare b #1 (1)
           -> prepare c #1 (1)
         > prepared b hit, c hit
           cached b c
           -> prepare d #1 (2)
         > prepared d hit
           cached d
           finished: Succeeded
           -> done: Succeeded",
    );
}

/// A map makes a file an item; one task of it reads it item by item, another one outside reads all.
#[test]
fn files_of_a_map_go_one_by_one_and_all_at_once() {
    let mut b = Build::new();
    let (map, body) = b.map(ROOT, "m");
    let make = b.task(body, "a", &["out"]);
    let near = b.task(body, "b", &["out"]);
    b.uses(near, make, &[]);
    goes(&mut b, make);
    goes(&mut b, near);
    let far = b.task(ROOT, "c", &["out"]);
    b.uses(far, map, &[near]);
    let mut s = Story::new(b.finish(), capacity(4), Options::default());
    s.list("m", &ints(&[1, 2]));
    s.prepared(&[("m[0].a", run(None)), ("m[1].a", known(int(11)))]);
    s.text.clear();
    s.ended("m[0].a", 1, ok(int(10)));
    s.prepared(&[("m[0].b", run(None)), ("m[1].b", known(int(21)))]);
    s.ended("m[0].b", 1, ok(int(20)));
    s.prepared(&[("c", run(None))]);
    s.prepared(&[("m[1].b", run(None))]);
    s.prepared(&[("m[1].a", run(None))]);
    s.ended("m[1].a", 1, ok(int(11)));
    s.prepared(&[("m[1].b", run(None))]);
    s.ended("m[1].b", 1, ok(int(21)));
    s.prepared(&[("c", run(None))]);
    s.ended("c", 1, ok(int(3)));
    s.tells(
        "> m[0].a #1 ends well
           ended m[0].a #1: well
           -> prepare m[0].b #1 (10)
         > prepared m[0].b run, m[1].b known
           cached m[1].b
           submitted m[0].b #1
           -> start m[0].b #1
         > m[0].b #1 ends well
           ended m[0].b #1: well
           map ended m: Succeeded
           let go m[0].a
           -> let go m[0].a
           -> prepare c #1 ([20,21])
         > prepared c run
           again m[1].b
           -> drop c
           -> prepare m[1].b #1 whole (11)
         > prepared m[1].b run
           again m[1].a
           -> drop m[1].b
           -> prepare m[1].a #1 whole ()
         > prepared m[1].a run
           submitted m[1].a #1
           -> start m[1].a #1
         > m[1].a #1 ends well
           ended m[1].a #1: well
           -> prepare m[1].b #1 whole (11)
         > prepared m[1].b run
           submitted m[1].b #1
           -> start m[1].b #1
         > m[1].b #1 ends well
           ended m[1].b #1: well
           let go m[1].a
           -> let go m[1].a
           -> prepare c #1 ([20,21])
         > prepared c run
           submitted c #1
           -> start c #1
         > c #1 ends well
           ended c #1: well
           let go m[0].b
           let go m[1].b
           finished: Succeeded
           -> let go m[0].b
           -> let go m[1].b
           -> done: Succeeded",
    );
}

/// A small random number generator: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % sides as u64) as usize
    }
}

/// Random graphs, some results of which are known and some of whose bytes are gone: nothing starts without the bytes
/// that it reads, nothing goes that somebody still needs, and in the end all of it is gone.
#[test]
fn in_any_graph_bytes_are_there_when_they_are_read_and_gone_in_the_end() {
    for seed in 0..400 {
        let dice = &mut Dice(seed);
        let mut b = Build::new();
        let count = 2 + dice.roll(8);
        let names: Vec<String> = (0..count).map(|i| format!("n{i}")).collect();
        let ids: Vec<NodeId> = names.iter().map(|name| b.task(ROOT, name, &["out"])).collect();
        let mut reads: Vec<Vec<usize>> = vec![Vec::new(); count];
        let (mut kept, mut recorded, mut there) = (vec![false; count], vec![false; count], vec![false; count]);
        for i in 0..count {
            for on in 0..i {
                if dice.roll(3) == 0 {
                    b.uses(ids[i], ids[on], &[]);
                    reads[i].push(on);
                }
            }
            kept[i] = dice.roll(3) > 0;
            recorded[i] = dice.roll(3) > 0;
            there[i] = recorded[i] && dice.roll(2) == 0;
        }
        // The checked plan keeps what nothing reads.
        for i in 0..count {
            kept[i] &= reads.iter().any(|reads| reads.contains(&i));
            if kept[i] {
                goes(&mut b, ids[i]);
            }
        }
        let mut s = Story::new(b.finish(), capacity(1 + dice.roll(3) as u32), Options::default());
        let (mut prepares, mut runs) = (Vec::new(), Vec::new());
        for _ in 0..1000 {
            let text = std::mem::take(&mut s.text);
            for line in text.lines().filter_map(|line| line.trim().strip_prefix("-> ")) {
                let words: Vec<&str> = line.split_whitespace().collect();
                let number = |word: &str| word[1..].parse::<usize>().unwrap();
                match words[0] {
                    "prepare" => {
                        for at in (1..words.len() - 1).filter(|at| words[at + 1].starts_with('#')) {
                            prepares.push((number(words[at]), words.get(at + 2) == Some(&"whole")));
                        }
                    }
                    "start" => {
                        let i = number(words[1]);
                        assert!(
                            reads[i].iter().all(|on| !kept[*on] || there[*on]),
                            "seed {seed}: n{i} reads what is gone"
                        );
                        runs.push((i, words[2][1..].parse::<u32>().unwrap()));
                    }
                    "let" => {
                        let i = number(words[2]);
                        let ended = |reader: &usize| {
                            matches!(s.engine.state(s.id(&names[*reader])), State::Succeeded | State::Cached)
                        };
                        let mut readers = (0..count).filter(|reader| reads[*reader].contains(&i));
                        assert!(readers.all(|reader| ended(&reader)), "seed {seed}: n{i} goes too early");
                        there[i] = false;
                    }
                    "drop" | "done:" => {}
                    other => panic!("seed {seed}: {other}"),
                }
            }
            let (asked, at_work) = (prepares.len(), runs.len());
            if asked + at_work == 0 {
                break;
            }
            let next = dice.roll(asked + at_work);
            if next < asked {
                let (i, whole) = prepares.swap_remove(next);
                let answer = match (recorded[i], kept[i] && !there[i]) {
                    (true, false) => hit(int(i as i64)),
                    (true, true) if !whole => known(int(i as i64)),
                    _ => run(None),
                };
                s.prepared(&[(&names[i], answer)]);
            } else {
                let (i, attempt) = runs.swap_remove(next - asked);
                // Now and then it is another one than before.
                let value = i as i64 + 100 * i64::from(dice.roll(4) == 0);
                (recorded[i], there[i]) = (true, true);
                s.ended(&names[i], attempt, ok(int(value)));
            }
        }
        assert!(s.fold.finished().is_some(), "seed {seed}: it does not end");
        for i in (0..count).filter(|i| kept[*i]) {
            assert!(!there[i], "seed {seed}: n{i} is still there");
        }
    }
}
