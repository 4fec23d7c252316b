//! What one pipeline file says, with the place of everything. No name is resolved here.

use crate::base::Value;
use crate::diag::{FileId, Span, Spanned};
use crate::lang::outputs::{Demand, Keep};
use crate::lang::policy::{Allowance, OnError, Require, Retry};
use crate::lang::trial::TrialDecl;
use crate::lang::types::Type;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A string of the file: its text, and where each byte of the text stands in the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The text after TOML's escapes, with `\n` for every line's end.
    pub value: Arc<str>,
    /// The whole literal, quotes included.
    pub span: Span,
    /// Start and end in the source of what each byte of `value` was written as, where escapes moved it;
    /// `None` when byte `i` stands at `body + i`.
    pub offsets: Option<Arc<[(u32, u32)]>>,
    /// Source offset of the first byte after the opening quotes.
    pub body: u32,
}

impl Text {
    /// The place in the source of a byte range of the text; an empty range gives the one byte that follows it.
    pub fn span_of(&self, range: std::ops::Range<usize>) -> Span {
        let last = range.end.saturating_sub(1).max(range.start);
        let (start, end) = match &self.offsets {
            Some(offsets) => {
                let end_of_text = offsets.last().map_or(self.body, |(_, end)| *end);
                let at = |i: usize| offsets.get(i).copied().unwrap_or((end_of_text, end_of_text + 1));
                (at(range.start).0, at(last).1)
            }
            None => (self.body + range.start as u32, self.body + last as u32 + 1),
        };
        Span { file: self.span.file, start, end }
    }
}

/// A name as written, `[A-Za-z_][A-Za-z0-9_]*` (checked by the reader).
pub type Name = Spanned<Arc<str>>;

/// The name under which `backend` stands among the resources, over which it is laid as they are.
pub const BACKEND: &str = "task.backend";

/// A value of the file that may hold templates in its strings.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A boolean, number or date as written.
    Plain(Spanned<Value>),
    /// A string, maybe a template.
    Text(Text),
    /// An array.
    List(Spanned<Vec<Datum>>),
    /// A table.
    Map(Spanned<Vec<(Name, Datum)>>),
}

impl Datum {
    /// Where it is written.
    pub fn span(&self) -> Span {
        match self {
            Datum::Plain(value) => value.span,
            Datum::Text(text) => text.span,
            Datum::List(items) => items.span,
            Datum::Map(entries) => entries.span,
        }
    }
    /// Every string in it, in the order of the file.
    pub fn texts(&self) -> Vec<&Text> {
        let mut out = Vec::new();
        self.collect_texts(&mut out);
        out
    }
    fn collect_texts<'a>(&'a self, out: &mut Vec<&'a Text>) {
        match self {
            Datum::Plain(_) => {}
            Datum::Text(text) => out.push(text),
            Datum::List(items) => items.value.iter().for_each(|item| item.collect_texts(out)),
            Datum::Map(entries) => entries.value.iter().for_each(|(_, value)| value.collect_texts(out)),
        }
    }
    /// The string, when it is one.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }
    /// The elements, when it is an array.
    pub fn as_list(&self) -> Option<&[Datum]> {
        match self {
            Datum::List(items) => Some(&items.value),
            _ => None,
        }
    }
    /// The value with every string as it stands, templates and all.
    pub fn literal(&self) -> Value {
        match self {
            Datum::Plain(value) => value.value.clone(),
            Datum::Text(text) => Value::Str(text.value.clone()),
            Datum::List(items) => Value::list(items.value.iter().map(Datum::literal).collect()),
            Datum::Map(entries) => {
                let entry = |(name, value): &(Name, Datum)| (name.value.clone(), value.literal());
                Value::map(entries.value.iter().map(entry).collect())
            }
        }
    }
}

/// One pipeline file.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The file.
    pub file: FileId,
    /// Its folder, relative to that of the pipeline that is run (empty for that one itself) or absolute.
    pub folder: Arc<str>,
    /// `pipeline.name`, else the stem of the file's name.
    pub name: Option<Name>,
    /// `pipeline.description`
    pub description: Option<Text>,
    /// `[params.NAME]`
    pub params: Vec<ParamDecl>,
    /// `[resources]`: defaults for every task.
    pub resources: Vec<(Name, Datum)>,
    /// `[limits]`: name -> how many there are.
    pub limits: Vec<(Name, Spanned<u32>)>,
    /// `[task.…]`, `[map.…]` and the others of the root body in file order.
    pub nodes: Vec<NodeDecl>,
    /// `[outputs]`
    pub outputs: Vec<(Name, Datum)>,
    /// `[test.NAME]`
    pub trials: Vec<TrialDecl>,
}

/// `[params.NAME]`
#[derive(Clone, Debug)]
pub struct ParamDecl {
    /// The name.
    pub name: Name,
    /// Its type; `string` when left out and no default tells.
    pub ty: Spanned<Type>,
    /// Checked against the type by the reader.
    pub default: Option<Spanned<Value>>,
    /// `min`, for numbers.
    pub min: Option<Spanned<Value>>,
    /// `max`, for numbers.
    pub max: Option<Spanned<Value>>,
    /// `choices`
    pub choices: Option<Spanned<Vec<Value>>>,
    /// `help`
    pub help: Option<Arc<str>>,
}

/// A node of a body.
#[derive(Clone, Debug)]
pub enum NodeDecl {
    /// `[task.NAME]`
    Task(TaskDecl),
    /// `[map.NAME]`
    Map(MapDecl),
    /// `[branch.NAME]`
    Branch(BranchDecl),
    /// `[loop.NAME]`
    Loop(LoopDecl),
    /// `[call.NAME]`
    Call(CallDecl),
}

impl NodeDecl {
    /// The node's name.
    pub fn name(&self) -> &Name {
        match self {
            NodeDecl::Task(t) => &t.name,
            NodeDecl::Map(m) => &m.name,
            NodeDecl::Branch(b) => &b.name,
            NodeDecl::Loop(l) => &l.name,
            NodeDecl::Call(c) => &c.name,
        }
    }
}

/// How a task runs: exactly one of the three.
#[derive(Clone, Debug)]
pub enum RunDecl {
    /// `command`, by `shell`.
    Command(Text),
    /// `argv`: no shell.
    Argv(Spanned<Vec<Text>>),
    /// `script` for `interpreter`; no interpolation.
    Script(Text),
}

/// `[task.NAME]`
#[derive(Clone, Debug)]
pub struct TaskDecl {
    /// The name, in the header.
    pub name: Name,
    /// `description`, shown by `graph` and `plan`.
    pub description: Option<Text>,
    /// What it runs.
    pub run: RunDecl,
    /// `shell`, when given.
    pub shell: Option<Spanned<Vec<Text>>>,
    /// `interpreter` of a script.
    pub interpreter: Option<Spanned<Vec<Text>>>,
    /// `inputs.NAME`: a path, glob or list of them.
    pub inputs: Vec<(Name, Datum)>,
    /// `outputs.NAME`
    pub outputs: Vec<OutputDecl>,
    /// `vars.NAME`
    pub vars: Vec<(Name, Datum)>,
    /// `env.NAME`
    pub env: Vec<(Name, Datum)>,
    /// `pass_env`
    pub pass_env: Vec<Spanned<Arc<str>>>,
    /// `secrets.NAME`
    pub secrets: Vec<(Name, Spanned<SecretFrom>)>,
    /// `setup`: lines that go before what it runs.
    pub setup: Vec<Text>,
    /// `container`
    pub container: Option<ContainerDecl>,
    /// `resources.*`, the task's own.
    pub resources: Vec<(Name, Datum)>,
    /// `when`
    pub when: Option<Datum>,
    /// `after`
    pub after: Vec<Name>,
    /// `cache`
    pub cache: Option<Spanned<bool>>,
    /// `workdir`: `"scratch"` or a path.
    pub workdir: Option<Text>,
    /// `priority`
    pub priority: Option<Spanned<i64>>,
    /// `retry`, `on_error`, `require`.
    pub policy: PolicyDecl,
    /// The map of the shorthand form (`over`, `as`, `key`, …).
    pub over: Option<Box<OverDecl>>,
}

/// `container`
#[derive(Clone, Debug)]
pub struct ContainerDecl {
    /// The image.
    pub image: Text,
    /// What must run it.
    pub engine: Option<ContainerEngine>,
    /// More options for the engine.
    pub options: Vec<Arc<str>>,
    /// The whole right side.
    pub span: Span,
}

/// What runs images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerEngine {
    /// Also known as singularity.
    Apptainer,
    /// Without a daemon.
    Podman,
    /// With one.
    Docker,
}

impl ContainerEngine {
    /// As they are written, and called; the first that is there is taken.
    pub const WORDS: [&'static str; 3] = ["apptainer", "podman", "docker"];
    /// In that order.
    pub const ALL: [Self; 3] = [Self::Apptainer, Self::Podman, Self::Docker];
    /// How it is written.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }
    /// Of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.word() == word)
    }
}

/// Where a secret's value is, never the value itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretFrom {
    /// A variable of flowrun's own environment.
    Env(Arc<str>),
    /// A file, relative to the project; `~/` is the user's home.
    File(Arc<str>),
}

/// What a failure means and what follows from it; the spans are those of the values.
#[derive(Clone, Debug, Default)]
pub struct PolicyDecl {
    /// `retry`
    pub retry: Option<RetryDecl>,
    /// `on_error`
    pub on_error: Option<Spanned<OnError>>,
    /// `require`
    pub require: Option<Spanned<Require>>,
}

/// `retry`, and where its parts stand.
#[derive(Clone, Debug)]
pub struct RetryDecl {
    /// What it says.
    pub retry: Retry,
    /// `on_oom.memory`
    pub memory: Option<Span>,
    /// `on_timeout.time`
    pub time: Option<Span>,
    /// `cap.memory`
    pub memory_cap: Option<Span>,
    /// `cap.time`
    pub time_cap: Option<Span>,
}

/// `outputs.NAME`
#[derive(Clone, Debug)]
pub struct OutputDecl {
    /// The name.
    pub name: Name,
    /// What it is.
    pub kind: OutputKind,
    /// `optional` and `ensure`.
    pub demand: Demand,
    /// `keep`, its own or the task's.
    pub keep: Keep,
    /// The whole right side.
    pub span: Span,
}

/// What an output is.
#[derive(Clone, Debug)]
pub enum OutputKind {
    /// A value from `$FLOWRUN_OUTPUT`.
    Value(Type),
    /// `{ type, from = "stdout" }`
    Stdout(Type),
    /// `{ file = "path" }`
    File(Text),
    /// `{ dir = "path" }`
    Dir(Text),
    /// `{ files = "pattern" }`
    Files(Text),
}

impl OutputKind {
    /// The path or pattern of what is no value.
    pub fn path(&self) -> Option<&Text> {
        match self {
            OutputKind::File(text) | OutputKind::Dir(text) | OutputKind::Files(text) => Some(text),
            OutputKind::Value(_) | OutputKind::Stdout(_) => None,
        }
    }
}

/// `[map.NAME]`
#[derive(Clone, Debug)]
pub struct MapDecl {
    /// The name, in the header.
    pub name: Name,
    /// `description`
    pub description: Option<Text>,
    /// The list and what is done with it.
    pub over: OverDecl,
    /// `when`
    pub when: Option<Datum>,
    /// `after`
    pub after: Vec<Name>,
    /// `resources.*` for every task of the body.
    pub resources: Vec<(Name, Datum)>,
    /// `outputs.NAME`: the record of an item's results.
    pub outputs: Vec<(Name, Datum)>,
    /// `retry`, `on_error`, `require`.
    pub policy: PolicyDecl,
    /// The body.
    pub nodes: Vec<NodeDecl>,
}

/// Where a map's items come from and how they are arranged.
#[derive(Clone, Debug)]
pub struct OverDecl {
    /// The source.
    pub source: Source,
    /// Where `over` stands.
    pub span: Span,
    /// `as`: the item's name; `item` when left out.
    pub item: Option<Name>,
    /// `key`
    pub key: Option<Text>,
    /// `where`
    pub filter: Option<Text>,
    /// `group_by`
    pub group_by: Option<Text>,
    /// `chunk`: items handed to a task at once.
    pub chunk: Option<Spanned<u32>>,
    /// `max_parallel`
    pub max_parallel: Option<Spanned<u32>>,
    /// `max_failures`
    pub max_failures: Option<Spanned<Allowance>>,
}

/// The source of a map's items.
#[derive(Clone, Debug)]
pub enum Source {
    /// An expression that gives a list, or a literal list.
    Value(Datum),
    /// `{ range = [from, to, step?] }`: `to` excluded; each an integer or an expression.
    Range(Vec<Datum>),
    /// `{ glob = "pattern" }`: paths, sorted bytewise.
    Glob(Text),
    /// `{ lines = "path" }`
    Lines(Text),
    /// `{ csv = "path" }`: records, cells are strings.
    Csv(Text),
    /// `{ tsv = "path" }`
    Tsv(Text),
    /// `{ jsonl = "path" }`
    Jsonl(Text),
    /// `{ product = { a = …, b = … } }`: records; the last axis runs fastest.
    Product(Vec<(Name, Source)>),
    /// `{ zip = { a = …, b = … } }`: records; equal lengths.
    Zip(Vec<(Name, Source)>),
}

/// `[branch.NAME]`
#[derive(Clone, Debug)]
pub struct BranchDecl {
    /// The name, in the header.
    pub name: Name,
    /// `description`
    pub description: Option<Text>,
    /// `on`
    pub on: Text,
    /// `case.CASE`, in the order of the file; the names are any texts, each once.
    pub cases: Vec<CaseDecl>,
    /// `default`, named by its key.
    pub default: Option<CaseDecl>,
    /// `outputs.NAME`
    pub outputs: Vec<(Name, Datum)>,
    /// `when`
    pub when: Option<Datum>,
    /// `after`
    pub after: Vec<Name>,
    /// `resources.*` for every task of the cases.
    pub resources: Vec<(Name, Datum)>,
    /// `retry`, `on_error`, `require`.
    pub policy: PolicyDecl,
}

/// One body of a branch.
#[derive(Clone, Debug)]
pub struct CaseDecl {
    /// The value that it is for, as written in the header.
    pub name: Spanned<Arc<str>>,
    /// Its header, or the braces.
    pub span: Span,
    /// The body; may be empty.
    pub nodes: Vec<NodeDecl>,
}

/// `[loop.NAME]`
#[derive(Clone, Debug)]
pub struct LoopDecl {
    /// The name, in the header.
    pub name: Name,
    /// `description`
    pub description: Option<Text>,
    /// `max`
    pub max: Spanned<u32>,
    /// `carry.NAME`
    pub carry: Vec<CarryDecl>,
    /// `until`; without it there are `max` iterations, and that is a success.
    pub until: Option<Text>,
    /// `on_max = "accept"`, where `until` was not true after `max` iterations.
    pub accept: Option<Spanned<bool>>,
    /// `outputs.NAME`: neither `iterations` nor the name of something carried.
    pub outputs: Vec<(Name, Datum)>,
    /// `when`
    pub when: Option<Datum>,
    /// `after`
    pub after: Vec<Name>,
    /// `resources.*` for every task of the body.
    pub resources: Vec<(Name, Datum)>,
    /// `retry`, `on_error`, `require`.
    pub policy: PolicyDecl,
    /// The body.
    pub nodes: Vec<NodeDecl>,
}

/// `carry.NAME = { init, next }`
#[derive(Clone, Debug)]
pub struct CarryDecl {
    /// The name; never `iterations`.
    pub name: Name,
    /// `init`
    pub init: Datum,
    /// `next`
    pub next: Datum,
}

/// `[call.NAME]`
#[derive(Clone, Debug)]
pub struct CallDecl {
    /// The name, in the header.
    pub name: Name,
    /// `description`
    pub description: Option<Text>,
    /// `pipeline`, as written.
    pub pipeline: Text,
    /// The called file, one for all calls of it; `None` where it could not be read, which has been reported.
    pub called: Option<Arc<Model>>,
    /// `params.NAME`
    pub params: Vec<(Name, Datum)>,
    /// `when`
    pub when: Option<Datum>,
    /// `after`
    pub after: Vec<Name>,
    /// `resources.*` for every task of the called file.
    pub resources: Vec<(Name, Datum)>,
    /// `retry`, `on_error`, `require`.
    pub policy: PolicyDecl,
    /// The map of the shorthand form (`over`, `as`, `key`, …).
    pub over: Option<Box<OverDecl>>,
}
