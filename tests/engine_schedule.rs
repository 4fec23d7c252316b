//! In which order work goes: with times that are known, the end of a run is close to the best there is.

#![allow(clippy::unwrap_used)]

mod engine_kit;

use engine_kit::story::{needs, ok};
use engine_kit::{Build, ROOT};
use flowrun::base::id::Id;
use flowrun::base::{NodeId, Value};
use flowrun::engine::*;
use flowrun::plan::Plan;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Numbers that look like chance, the same in every test run (an LCG with Knuth's constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
    /// Most are short, a few long.
    fn time(&mut self) -> u64 {
        let short = 1 + self.below(100);
        if self.below(10) == 0 { short * 10 } else { short }
    }
}

/// Ten layers of `wide` tasks, each with three inputs of the layer before.
fn layers(wide: usize, dice: &mut Dice) -> Arc<Plan> {
    let mut b = Build::new();
    let mut before: Vec<NodeId> = Vec::new();
    for layer in 0..10 {
        let tasks: Vec<NodeId> = (0..wide).map(|i| b.task(ROOT, &format!("l{layer}_{i}"), &["out"])).collect();
        for task in &tasks {
            for _ in 0..3 {
                if !before.is_empty() {
                    b.needs(*task, before[dice.below(before.len() as u64) as usize]);
                }
            }
        }
        before = tasks;
    }
    b.finish()
}

/// A tree whose leaves begin: each inner task needs one to four others.
fn tree(leaves: usize, dice: &mut Dice) -> Arc<Plan> {
    let mut b = Build::new();
    let mut open: Vec<NodeId> = (0..leaves).map(|i| b.task(ROOT, &format!("leaf{i}"), &["out"])).collect();
    let mut inner = 0;
    while open.len() > 1 {
        let node = b.task(ROOT, &format!("inner{inner}"), &["out"]);
        inner += 1;
        for _ in 0..(1 + dice.below(4)).min(open.len() as u64) {
            let child = open.swap_remove(dice.below(open.len() as u64) as usize);
            b.needs(node, child);
        }
        open.push(node);
    }
    b.finish()
}

/// When the last task ends, if each takes its time and so many run at once.
fn makespan(plan: &Arc<Plan>, times: &[u64], slots: u32, told: bool) -> u64 {
    let room =
        Capacity { cpus: slots, nodes: 1, memory: u64::MAX, gpus: Vec::new(), limits: Vec::new(), window: 100_000 };
    let options = Options { times: if told { times.to_vec() } else { Vec::new() }, ..Options::default() };
    let mut engine = Engine::new(plan.clone(), room, options);
    let mut running: BinaryHeap<Reverse<(u64, u32, u32)>> = BinaryHeap::new();
    let (mut now, mut inputs) = (0, vec![Input::Begin { by: "test".into() }]);
    loop {
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        for input in inputs.drain(..) {
            engine.step(now, input, &mut events, &mut effects);
        }
        for effect in effects {
            match effect {
                Effect::Prepare { batch, .. } => {
                    let run = |_| Prepared::Run { key: None, needs: needs(1), why: None };
                    inputs.push(Input::Prepared(batch.iter().map(|p| (p.instance, run(()))).collect()));
                }
                Effect::Start { instance, attempt, .. } => {
                    let node = engine.place(instance).node;
                    running.push(Reverse((now + times[node.index()], instance.0, attempt)));
                }
                Effect::Done(_) => return now,
                _ => {}
            }
        }
        if inputs.is_empty() {
            let Reverse((end, instance, attempt)) = running.pop().unwrap();
            now = end;
            let instance = flowrun::base::InstanceId(instance);
            inputs.push(Input::Ended { instance, attempt, outcome: ok(Value::Int(1)) });
        }
    }
}

/// No schedule can end before this: for each L, whatever has a way of at least L to the end must have run, and the last
/// of it has L before it (Fernandez and Bussell, 1973, with one end for all).
fn bound(plan: &Plan, times: &[u64], slots: u64) -> f64 {
    let mut ways = vec![0u64; times.len()];
    for id in plan.nodes.ids().collect::<Vec<_>>().into_iter().rev() {
        let after = plan.nodes[id].dependents.iter().map(|next| ways[next.index()]).max().unwrap_or(0);
        ways[id.index()] = times[id.index()] + after;
    }
    let follows: Vec<u64> = (0..times.len()).map(|i| ways[i] - times[i]).collect();
    let mut by_way: Vec<(u64, u64)> = follows.iter().copied().zip(times.iter().copied()).collect();
    by_way.sort_unstable_by(|a, b| b.cmp(a));
    let (mut work, mut best) = (0u64, *ways.iter().max().unwrap() as f64);
    for (after, time) in by_way {
        work += time;
        best = best.max(after as f64 + work as f64 / slots as f64);
    }
    best
}

#[test]
fn known_times_bring_the_end_close_to_the_best() {
    let mut table = String::new();
    let mut first_come_misses = 0;
    for seed in 1..=3u64 {
        let mut dice = Dice(seed);
        for (name, plan) in [("layers", layers(200, &mut dice)), ("tree", tree(1000, &mut dice))] {
            let times: Vec<u64> = plan.nodes.ids().map(|_| dice.time()).collect();
            for slots in [2, 8, 64] {
                let best = bound(&plan, &times, u64::from(slots));
                let over = |told| 100.0 * (makespan(&plan, &times, slots, told) as f64 / best - 1.0);
                let (told, untold) = (over(true), over(false));
                table += &format!("{name} {seed}, {slots} slots: {told:.1} % over the bound, untold {untold:.1} %\n");
                assert!(told <= 5.0, "{table}");
                first_come_misses += u32::from(untold > 5.0);
            }
        }
    }
    // Else the graphs would say nothing.
    assert!(first_come_misses >= 3, "{table}");
}
