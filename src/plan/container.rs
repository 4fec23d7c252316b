//! Nodes that hold others, beside the map: branch, loop and call; and what all that hold others have in common.

use super::model::{Map, NodeKind, Reads, Shape};
use crate::base::Value;
use crate::base::id::BodyId;
use crate::lang::expr::{Names, Template};
use crate::lang::model::ParamDecl;
use std::sync::Arc;

/// A branch: a body for each case, of which one goes on. Every case has its instances; those of the cases that are not
/// taken are skipped.
pub struct Branch {
    /// What is compared, as text, with the names of the cases.
    pub on: Template,
    /// In file order; `default` comes last.
    pub cases: Vec<Case>,
    /// Whether the last of `cases` takes what no other one takes.
    pub has_default: bool,
    /// The names of `on` and `when`, one for each of `reads`.
    pub names: Arc<Names>,
    /// The engine's values that `on` and `when` read.
    pub reads: Reads,
    /// The record that it gives, if it names one.
    pub results: Results,
}

/// One case of a branch.
pub struct Case {
    /// The name; `default` of the one that takes the rest.
    pub name: Arc<str>,
    /// Its nodes.
    pub body: BodyId,
}

impl Branch {
    /// The case that takes this text.
    pub fn case(&self, text: &str) -> Option<&Case> {
        let named = self.cases.len() - usize::from(self.has_default);
        let default = self.cases.last().filter(|_| self.has_default);
        self.cases[..named].iter().find(|case| &*case.name == text).or(default)
    }
}

/// A loop: one body, executed again and again, each time with what the time before handed on.
pub struct Loop {
    /// The body.
    pub body: BodyId,
    /// What an iteration hands on to the next one, in file order.
    pub carry: Vec<Carry>,
    /// True after the last iteration; `None`: only `max` ends it.
    pub until: Option<Template>,
    /// How many iterations there may be.
    pub max: u32,
    /// Whether it has succeeded when `until` was not true after the last iteration.
    pub accept: bool,
    /// The names of `init` and `when`, one for each of `reads`.
    pub names: Arc<Names>,
    /// The engine's values that `init` and `when` read.
    pub reads: Reads,
    /// The names of `next` and `until`, one for each of `turn_reads`.
    pub turn_names: Arc<Names>,
    /// The engine's values that `next` and `until` read, seen from within an iteration.
    pub turn_reads: Reads,
    /// The record that it gives of its last iteration, if it names one.
    pub results: Results,
}

/// One value that a loop carries.
pub struct Carry {
    /// The name.
    pub name: Arc<str>,
    /// Its value in the first iteration.
    pub init: Shape,
    /// Its value in the iteration after this one.
    pub next: Shape,
}

impl Loop {
    /// What counts the iterations among the values that a loop gives.
    pub const ITERATIONS: &str = "iterations";

    /// The name of the value at a position: first its results, then what it carries, then the count.
    pub fn result_name(&self, at: u32) -> &str {
        let fields = self.results.fields.iter().map(|(name, _)| name);
        let mut names = fields.chain(self.carry.iter().map(|carry| &carry.name));
        names.nth(at as usize).map_or(Self::ITERATIONS, |name| name)
    }
}

/// A call: the nodes of another pipeline file, executed once with the params that it is given.
pub struct Call {
    /// The called file, as the pipeline names it.
    pub file: Arc<str>,
    /// Its nodes.
    pub body: BodyId,
    /// Every param of the called file, in its order.
    pub params: Vec<Argument>,
    /// The names of the params' values and of `when`, one for each of `reads`.
    pub names: Arc<Names>,
    /// The engine's values that the params' values and `when` read.
    pub reads: Reads,
    /// The called file's `[outputs]`.
    pub results: Results,
}

/// A param of a called file.
pub struct Argument {
    /// As the called file declares it.
    pub param: ParamDecl,
    /// What the call gives, else the param's default.
    pub value: Shape,
}

/// The record that a node gives for each of its items, by expressions over its body.
#[derive(Default)]
pub struct Results {
    /// Names and values; empty: it has no record.
    pub fields: Vec<(Arc<str>, Shape)>,
    /// The names that they look up, one for each of `reads`.
    pub names: Arc<Names>,
    /// The engine's values that they read, per item.
    pub reads: Reads,
}

/// [`Results`] of any node.
pub type ResultsOf<'a> = (&'a [(Arc<str>, Shape)], &'a Arc<Names>, &'a Reads);

impl Results {
    fn parts(&self) -> ResultsOf<'_> {
        (&self.fields, &self.names, &self.reads)
    }
}

impl NodeKind {
    /// The word of the file for it.
    pub fn word(&self) -> &'static str {
        match self {
            NodeKind::Task(_) => "task",
            NodeKind::Map(_) => "map",
            NodeKind::Branch(_) => "branch",
            NodeKind::Loop(_) => "loop",
            NodeKind::Call(_) => "call",
        }
    }

    /// What it reads before it begins.
    pub fn reads(&self) -> &Reads {
        match self {
            NodeKind::Task(task) => &task.reads,
            NodeKind::Map(map) => &map.reads,
            NodeKind::Branch(branch) => &branch.reads,
            NodeKind::Loop(looped) => &looped.reads,
            NodeKind::Call(call) => &call.reads,
        }
    }

    /// The bodies that it holds: none of a task, one for each case of a branch.
    pub fn bodies(&self) -> Vec<BodyId> {
        match self {
            NodeKind::Task(_) => Vec::new(),
            NodeKind::Map(map) => vec![map.body],
            NodeKind::Branch(branch) => branch.cases.iter().map(|case| case.body).collect(),
            NodeKind::Loop(looped) => vec![looped.body],
            NodeKind::Call(call) => vec![call.body],
        }
    }

    /// The map, when it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            NodeKind::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The fields of the record that it gives, and what they read; empty when it gives none by itself.
    pub fn results(&self) -> ResultsOf<'_> {
        static NONE: std::sync::LazyLock<(Arc<Names>, Reads)> = std::sync::LazyLock::new(Default::default);
        match self {
            NodeKind::Map(map) => (&map.outputs, &map.output_names, &map.output_reads),
            NodeKind::Branch(branch) => branch.results.parts(),
            NodeKind::Loop(looped) => looped.results.parts(),
            NodeKind::Call(call) => call.results.parts(),
            NodeKind::Task(_) => (&[], &NONE.0, &NONE.1),
        }
    }
}

/// The name of the case that a list of a branch names, as the engine keeps it.
pub fn taken(list: &[Value]) -> Option<&str> {
    list.first().and_then(Value::as_str)
}
