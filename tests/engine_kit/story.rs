//! A run told step by step as text.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use flowrun::base::{Digest, InstanceId, Lack, Value};
use flowrun::engine::*;
use flowrun::event::{Cause, Event, Failure, Outcome, Produced, Results, Usage};
use flowrun::plan::Plan;
use std::fmt::Write as _;
use std::sync::Arc;

/// A run whose steps are written down.
pub struct Story {
    pub engine: Engine,
    pub fold: Fold,
    pub journal: Vec<Event>,
    pub lists: Vec<Arc<Items>>,
    pub text: String,
    pub now: u64,
    /// Whether questions for a lease are answered by the story; else they are granted, and not told.
    pub leases: bool,
}

pub fn capacity(cpus: u32) -> Capacity {
    Capacity { cpus, nodes: 1, memory: 1000, gpus: vec!["0".into(), "1".into()], limits: vec![1], window: 1000 }
}

pub fn needs(cpus: u32) -> Needs {
    Needs { cpus, ..Needs::default() }
}

pub fn run(key: Option<&str>) -> Prepared {
    Prepared::Run { key: key.map(|key| Digest::of(key.as_bytes())), needs: needs(1), why: None }
}

pub fn asks(needs: Needs) -> Prepared {
    Prepared::Run { key: None, needs, why: None }
}

pub fn results(value: Value) -> Results {
    Arc::new(vec![Produced::Value(value)])
}

pub fn hit(value: Value) -> Prepared {
    Prepared::Hit { key: Digest::of(b"hit"), results: results(value) }
}

/// The cache knows it, and its first output is gone.
pub fn known(value: Value) -> Prepared {
    Prepared::Known { key: Digest::of(b"known"), results: results(value), gone: vec![0] }
}

pub fn hit2(first: Value, second: Value) -> Prepared {
    let results = Arc::new(vec![Produced::Value(first), Produced::Value(second)]);
    Prepared::Hit { key: Digest::of(b"hit"), results }
}

pub fn ok(value: Value) -> Outcome {
    Outcome { result: Ok(results(value)), usage: Usage::default(), log: None, host: None, doubtful: false }
}

pub fn failure(cause: Cause) -> Failure {
    Failure { cause, message: "exit status 2".into(), help: None }
}

pub fn failed() -> Outcome {
    Outcome { result: Err(failure(Cause::Exit(2))), usage: Usage::default(), log: None, host: None, doubtful: false }
}

pub fn ints(items: &[i64]) -> Value {
    Value::list(items.iter().copied().map(Value::Int).collect())
}

impl Story {
    pub fn new(plan: Arc<Plan>, capacity: impl Into<Capacities>, options: Options) -> Self {
        let fold = Fold::new(Arc::clone(&plan), &options.wanted);
        let engine = Engine::new(plan, capacity, options);
        let mut story =
            Self { engine, fold, journal: Vec::new(), lists: Vec::new(), text: String::new(), now: 0, leases: false };
        story.step("begin", Input::Begin { by: "test".into() });
        story
    }

    pub fn restore(&mut self, plan: Arc<Plan>, capacity: impl Into<Capacities>, options: Options) {
        let lists = self.lists.clone();
        let find = |digest| lists.iter().find(|list| list.digest() == digest).cloned();
        self.engine = Engine::restore(plan, capacity, options, self.journal.clone(), find).unwrap();
        self.step("restored; begin", Input::Begin { by: "test".into() });
    }

    pub fn id(&self, name: &str) -> InstanceId {
        let count = self.engine.ledger().space().instances();
        (0..count).map(InstanceId).find(|id| self.engine.name(*id) == name).unwrap_or_else(|| panic!("no `{name}`"))
    }

    pub fn step(&mut self, said: &str, input: Input) {
        match &input {
            Input::Listed { answer: ListAnswer::Items(list), .. }
            | Input::Turned { answer: Ok(Turn { carry: list, .. }), .. } => self.lists.push(Arc::clone(list)),
            _ => {}
        }
        let (mut events, mut effects) = (Vec::new(), Vec::new());
        self.now += 1;
        self.engine.step(self.now, input, &mut events, &mut effects);
        self.engine.check().unwrap();
        while let Some(at) = effects.iter().position(|e| !self.leases && matches!(e, Effect::Lease { .. })) {
            let Effect::Lease { instance, key } = effects.remove(at) else { unreachable!() };
            let granted = Input::Leased(vec![(instance, key, Leased::Ours)]);
            self.engine.step(self.now, granted, &mut events, &mut effects);
            self.engine.check().unwrap();
        }
        writeln!(self.text, "> {said}").unwrap();
        self.fold.at(self.now);
        for event in &events {
            let list = event.list().and_then(|list| self.lists.iter().find(|l| l.digest() == *list)).cloned();
            self.fold.apply(event, list).unwrap();
            let line = self.event(event);
            writeln!(self.text, "  {line}").unwrap();
        }
        for effect in &effects {
            let line = self.effect(effect);
            writeln!(self.text, "  -> {line}").unwrap();
        }
        let told: Vec<State> = self.engine.ledger().states().iter().map(|state| state.as_told()).collect();
        let folded: Vec<State> = self.fold.ledger().states().iter().map(|state| state.as_told()).collect();
        assert_eq!(told, folded);
        assert_eq!(self.engine.counts(), self.fold.ledger().counts());
        self.journal.extend(events);
    }

    pub fn range(&self, word: &str, from: InstanceId, count: u32) -> String {
        let names: Vec<String> = (from.0..from.0 + count).map(|id| self.engine.name(InstanceId(id))).collect();
        format!("{word} {}", names.join(" "))
    }

    pub fn event(&self, event: &Event) -> String {
        let name = |id: &InstanceId| self.engine.name(*id);
        match event {
            Event::Begun { by } => format!("begun by {by}"),
            Event::Resumed { by } => format!("resumed by {by}"),
            Event::Listed { instance, len, .. } => format!("listed {}: {len}", name(instance)),
            Event::Chosen { instance, case, .. } => format!("chosen {}: {case}", name(instance)),
            Event::Called { instance, .. } => format!("called {}", name(instance)),
            Event::Iterated { instance, index, .. } => format!("iterated {}: {index}", name(instance)),
            Event::Cached { from, count } => self.range("cached", *from, *count),
            Event::Skipped { from, count } => self.range("skipped", *from, *count),
            Event::Cancelled { from, count } => self.range("cancelled", *from, *count),
            Event::Submitted { instance, attempt, .. } => format!("submitted {} #{attempt}", name(instance)),
            Event::Started { instance, attempt, .. } => format!("started {} #{attempt}", name(instance)),
            Event::Ended { instance, attempt, outcome } => match &outcome.result {
                Ok(_) => format!("ended {} #{attempt}: well", name(instance)),
                Err(failure) => format!("ended {} #{attempt}: {:?}", name(instance), failure.cause),
            },
            Event::Delayed { instance, until } => format!("delayed {} until {until}", name(instance)),
            Event::Elsewhere { instance, by } => format!("elsewhere {}: {by}", name(instance)),
            Event::LetGo { instance, .. } => format!("let go {}", name(instance)),
            Event::Again { instance } => format!("again {}", name(instance)),
            Event::Ignored { instance } => format!("ignored {}", name(instance)),
            Event::MapEnded { instance, end } => format!("map ended {}: {end:?}", name(instance)),
            Event::Refused { instance, error } => format!("refused {}: {}", name(instance), error.message),
            Event::Stopping { reason } => format!("stopping: {reason}"),
            Event::Finished { state } => format!("finished: {state:?}"),
        }
    }

    pub fn effect(&self, effect: &Effect) -> String {
        let name = |id: &InstanceId| self.engine.name(*id);
        match effect {
            Effect::List { instance, values, .. } => format!("list {} {}", name(instance), show(values)),
            Effect::Prepare { batch, .. } => {
                let one = |p: &Preparing| {
                    let raised = match p.raised {
                        Raised { memory: 0, time: 0 } => String::new(),
                        raised => format!(" memory +{} time +{}", raised.memory, raised.time),
                    };
                    let whole = if p.whole { " whole" } else { "" };
                    format!("{} #{}{raised}{whole} {}", name(&p.instance), p.attempt, show(&p.values))
                };
                format!("prepare {}", batch.iter().map(one).collect::<Vec<_>>().join(", "))
            }
            Effect::Record { instance, rows, .. } => {
                let row = |row: &Option<Values>| row.as_ref().map_or("-".to_owned(), show);
                format!("record {} {}", name(instance), rows.iter().map(row).collect::<Vec<_>>().join(" "))
            }
            Effect::Turn { instance, index, values, .. } => {
                format!("turn {} after {index} {}", name(instance), show(values))
            }
            Effect::Start { instance, attempt, gpus } if gpus.is_empty() => {
                format!("start {} #{attempt}", name(instance))
            }
            Effect::Start { instance, attempt, gpus } => {
                format!("start {} #{attempt} on GPU {}", name(instance), gpus.join(","))
            }
            Effect::Lease { instance, .. } => format!("lease {}", name(instance)),
            Effect::Release { .. } => "release".to_owned(),
            Effect::Drop { instance } => format!("drop {}", name(instance)),
            Effect::Cancel { instance, hard } => {
                format!("{} {}", if *hard { "kill" } else { "stop" }, name(instance))
            }
            Effect::LetGo { instance, .. } => format!("let go {}", name(instance)),
            Effect::Wake(at) => format!("wake at {at}"),
            Effect::Done(Some(state)) => format!("done: {state:?}"),
            Effect::Done(None) => "done, to be continued".to_owned(),
        }
    }

    pub fn list(&mut self, name: &str, items: &Value) {
        self.list_keys(name, items, &[]);
    }

    pub fn list_keys(&mut self, name: &str, items: &Value, keys: &[&str]) {
        let keys = keys.iter().map(|key| (*key).into()).collect();
        let list = Items::new(items.as_list().unwrap().to_vec(), keys);
        let instance = self.id(name);
        let said = format!("list of {name}: {}", items.to_json());
        self.step(&said, Input::Listed { instance, answer: ListAnswer::Items(Arc::new(list)) });
    }

    pub fn prepared(&mut self, answers: &[(&str, Prepared)]) {
        let word = |answer: &Prepared| match answer {
            Prepared::Hit { .. } => "hit",
            Prepared::Known { .. } => "known",
            Prepared::Run { .. } => "run",
            Prepared::Skip => "skip",
            Prepared::Failed(_) => "failed",
        };
        let said: Vec<String> = answers.iter().map(|(name, answer)| format!("{name} {}", word(answer))).collect();
        let answers = answers.iter().map(|(name, answer)| (self.id(name), answer.clone())).collect();
        self.step(&format!("prepared {}", said.join(", ")), Input::Prepared(answers));
    }

    pub fn leased(&mut self, name: &str, key: &str, answer: Leased) {
        let said = match &answer {
            Leased::Ours => "is ours".to_owned(),
            Leased::Elsewhere(by) => format!("is computed by {by}"),
            Leased::Known => "is known by now".to_owned(),
        };
        let instance = self.id(name);
        let key = Digest::of(key.as_bytes());
        self.step(&format!("{name} {said}"), Input::Leased(vec![(instance, key, answer)]));
    }

    pub fn begins(&mut self, name: &str, attempt: u32) {
        let instance = self.id(name);
        self.step(&format!("{name} #{attempt} begins"), Input::Started { instance, attempt, log: None, host: None });
    }

    pub fn ended(&mut self, name: &str, attempt: u32, outcome: Outcome) {
        let said = format!("{name} #{attempt} ends {}", if outcome.result.is_ok() { "well" } else { "badly" });
        let instance = self.id(name);
        self.step(&said, Input::Ended { instance, attempt, outcome });
    }

    #[track_caller]
    pub fn tells(&mut self, expected: &str) {
        let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
        let text: Vec<&str> = self.text.lines().map(str::trim).collect();
        if text != expected {
            panic!("the story is another one:\n{}", self.text);
        }
        self.text.clear();
    }
}

pub fn show(values: &Values) -> String {
    let one = |value: &Result<Value, Lack>| value.as_ref().map_or("nothing".to_owned(), Value::to_json);
    format!("({})", values.iter().map(one).collect::<Vec<_>>().join(", "))
}
