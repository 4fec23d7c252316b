//! The checked pipeline as data: nodes, bodies, edges, and the reads of every expression.

use super::container::{Branch, Call, Loop};
use crate::base::id::BodyId;
use crate::base::{Arena, NodeId, Value};
use crate::diag::{Sources, Span, Spanned};
use crate::lang::expr::{Names, Template};
use crate::lang::model::{ContainerEngine, SecretFrom};
use crate::lang::outputs::{Demand, Keep};
use crate::lang::policy::{Allowance, OnError, Require, Retry};
use crate::lang::types::Type;
use crate::plan::trial::Trial;
use std::sync::Arc;

/// A pipeline in which nothing is left to be found wrong before it runs.
pub struct Plan {
    /// The pipeline's name.
    pub name: Arc<str>,
    /// `pipeline.description`
    pub description: Option<Arc<str>>,
    /// Declared params with the values of this run, in file order.
    pub params: Vec<Param>,
    /// `[limits]`, in file order.
    pub limits: Vec<(Arc<str>, u32)>,
    /// Every node; a body's node comes after the one that holds it.
    pub nodes: Arena<NodeId, Node>,
    /// Body 0 is the root.
    pub bodies: Arena<BodyId, Body>,
    /// `[outputs]`: what the pipeline returns.
    pub outputs: Vec<(Arc<str>, Shape)>,
    /// The names that `outputs` look up, one for each of `output_reads`.
    pub output_names: Arc<Names>,
    /// The engine's values that `outputs` read (see [`Read`]).
    pub output_reads: Reads,
    /// Nodes of the root body that `outputs` read; a selection that leaves one out has no such output.
    pub output_deps: Vec<NodeId>,
    /// `[test.NAME]`, in file order.
    pub trials: Vec<Trial>,
    /// The texts that spans point into; empty when nobody gave them.
    pub sources: Sources,
}

impl Plan {
    /// A plan with an empty root body.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let mut bodies = Arena::default();
        bodies.push(Body::default());
        Self {
            name: name.into(),
            description: None,
            params: Vec::new(),
            limits: Vec::new(),
            nodes: Arena::default(),
            bodies,
            outputs: Vec::new(),
            output_names: Arc::default(),
            output_reads: Vec::new(),
            output_deps: Vec::new(),
            trials: Vec::new(),
            sources: Sources::default(),
        }
    }
}

/// A param and its value in this run.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name.
    pub name: Arc<str>,
    /// The type.
    pub ty: Type,
    /// Given, else the default.
    pub value: Value,
}

/// The nodes of the root, of a map, of a case of a branch, of a loop or of a called file.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The node that holds it; `None` for the root.
    pub owner: Option<NodeId>,
    /// In file order. A node's position here is its `slot`.
    pub nodes: Vec<NodeId>,
    /// How many bodies are around it: 0 for the root.
    pub depth: u32,
}

/// A task, or what holds others.
pub struct Node {
    /// Its own name.
    pub name: Arc<str>,
    /// Names from the root, joined by dots: `process_data.compute`. A shorthand's inner task has its map's own path.
    pub path: Arc<str>,
    /// The body it stands in.
    pub body: BodyId,
    /// Its position in that body.
    pub slot: u32,
    /// What must have ended before it starts; each at most once.
    pub deps: Vec<Dep>,
    /// Nodes that depend on this one, in any body (the inverse of `deps`).
    pub dependents: Vec<NodeId>,
    /// A boolean; false skips the node. Reads from `reads` of its kind.
    pub when: Option<Template>,
    /// Ties broken before the longest path; greater is earlier.
    pub priority: i64,
    /// Nodes on the longest path from here to an end, counting this one.
    pub height: u32,
    /// What a failure of it means, when no map around it lets it be.
    pub on_error: OnError,
    /// How many items of each map that it waits for must have ended well; `None`: the map must not have failed.
    pub require: Option<Require>,
    /// What it is, and what it has as such.
    pub kind: NodeKind,
    /// The header in the file.
    pub span: Span,
}

/// What a node is.
pub enum NodeKind {
    /// Executes something.
    Task(Box<Task>),
    /// Has a body, executed for each item of a list.
    Map(Box<Map>),
    /// Has a body for each case.
    Branch(Box<Branch>),
    /// Has a body, executed again and again.
    Loop(Box<Loop>),
    /// Has another pipeline's nodes as its body.
    Call(Box<Call>),
}

/// An edge: the node is not started before `node` has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dep {
    /// What is waited for; a map is waited for as a whole.
    pub node: NodeId,
    /// How many bodies further out `node` stands: 0 is the same body, and then the same item.
    pub up: u32,
    /// Whether the node runs although `node` was skipped: it is there for order alone, or whatever reads it is fine
    /// with null. (Items skipped inside a map are no matter of this: the map itself is not skipped.)
    pub tolerates_skip: bool,
}

/// A task.
pub struct Task {
    /// What it runs.
    pub run: Run,
    /// `inputs`, in file order.
    pub inputs: Vec<Input>,
    /// `outputs`, in file order.
    pub outputs: Vec<Output>,
    /// `vars`, in file order.
    pub vars: Vec<(Arc<str>, Shape)>,
    /// `env`
    pub env: Vec<(Arc<str>, Template)>,
    /// `pass_env`
    pub pass_env: Vec<Arc<str>>,
    /// `secrets`: the variable, where its value is, and where that is written.
    pub secrets: Vec<(Arc<str>, Spanned<SecretFrom>)>,
    /// `setup`, and the shell that runs it before what is no command.
    pub setup: Setup,
    /// `container`
    pub container: Option<Container>,
    /// The task's, its maps' and the file's, the innermost winning.
    pub resources: Vec<(Arc<str>, Template)>,
    /// `backend`, and where that is written.
    pub backend: Option<Spanned<Arc<str>>>,
    /// Whether its result is kept and reused.
    pub cache: bool,
    /// When a failed attempt is followed by another one.
    pub retry: Option<Retry>,
    /// Where it runs.
    pub workdir: Workdir,
    /// The task's own named things in the order in which they are evaluated, each after those it reads:
    /// every var, env, input, output path and resource is here once. `env.X` holds the driver's variable until the
    /// task's own `env.X` has been evaluated.
    pub order: Vec<Local>,
    /// How many of `order` `when` needs: they are evaluated before it, the others only if it is true.
    pub before_when: u32,
    /// The names that its expressions look up: first one for each of `reads`, then those that the driver sets:
    /// `vars.X inputs.X outputs.X resources.X env.X attempt run.id run.dir project`, each only where something reads it.
    pub names: Arc<Names>,
    /// Values that the engine hands over, one a slot, in the order of `names`' first slots.
    pub reads: Reads,
    /// Outputs of other tasks that it reads by their very path: the task, how many bodies out it stands, which output.
    pub by_path: Vec<(NodeId, u32, u32)>,
    /// Words of the command that may name files of the project (scripts): no declared output, no target of `>`.
    pub words: Vec<Arc<str>>,
    /// The item's name in the innermost map around the task; a `script` finds the item in `$FLOWRUN_VARS` under it.
    pub item: Option<Arc<str>>,
    /// The folder of the file that holds the task, relative to the project (empty: the project itself) or absolute.
    pub home: Arc<str>,
}

impl Task {
    /// A task that runs this and has nothing else.
    pub fn new(run: Run) -> Self {
        Self {
            run,
            inputs: Vec::new(),
            outputs: Vec::new(),
            vars: Vec::new(),
            env: Vec::new(),
            pass_env: Vec::new(),
            secrets: Vec::new(),
            setup: Setup::default(),
            container: None,
            resources: Vec::new(),
            backend: None,
            cache: true,
            retry: None,
            workdir: Workdir::Project,
            order: Vec::new(),
            before_when: 0,
            names: Arc::default(),
            reads: Vec::new(),
            by_path: Vec::new(),
            words: Vec::new(),
            item: None,
            home: "".into(),
        }
    }
}

/// Lines that go before what a task runs.
#[derive(Default)]
pub struct Setup {
    /// In order; empty: none.
    pub lines: Vec<Template>,
    /// The shell's argument vector; empty where there are no lines.
    pub shell: Vec<Arc<str>>,
}

/// The image that a task runs in.
pub struct Container {
    /// Its name, or the path of its file.
    pub image: Template,
    /// What must run it.
    pub engine: Option<ContainerEngine>,
    /// More options for the engine.
    pub options: Vec<Arc<str>>,
    /// Where it is written.
    pub span: Span,
}

/// One of a task's own named things, by its position in the list of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Local {
    /// Of `vars`.
    Var(u32),
    /// Of `env`.
    Env(u32),
    /// Of `inputs`.
    Input(u32),
    /// Of `outputs`; only files and directories have something to evaluate.
    Output(u32),
    /// Of `resources`.
    Resource(u32),
}

/// What a task runs.
pub enum Run {
    /// One string for a shell.
    Command {
        /// The text with its holes, each with the state of the shell around it.
        template: Template,
        /// The shell's argument vector; the command comes last.
        shell: Vec<Arc<str>>,
    },
    /// An argument vector; a list that stands alone becomes one argument an element.
    Argv(Vec<Template>),
    /// A text for an interpreter, written to a file.
    Script {
        /// The text as it stands.
        text: Arc<str>,
        /// The interpreter's argument vector; the file comes last.
        interpreter: Vec<Arc<str>>,
    },
}

/// `inputs.NAME`
pub struct Input {
    /// The name.
    pub name: Arc<str>,
    /// One path or a list of them.
    pub value: Shape,
    /// Whether the file's own text holds `* ? [`: then the value is the sorted list of what matches.
    pub glob: bool,
    /// Whether it is fetched: then the value is a record of `url` and `sha256`.
    pub fetched: bool,
    /// Where it is written.
    pub span: Span,
}

/// `outputs.NAME`
pub struct Output {
    /// The name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: OutputKind,
    /// `optional` and `ensure`.
    pub demand: Demand,
    /// How long its bytes are kept: always also where something reads them that cannot say when it is done.
    pub keep: Keep,
    /// Where it is written.
    pub span: Span,
}

/// What an output is.
pub enum OutputKind {
    /// A line of `$FLOWRUN_OUTPUT`.
    Value(Type),
    /// All of standard output less final newlines.
    Stdout(Type),
    /// A file, staged.
    File(Template),
    /// A directory, staged.
    Dir(Template),
    /// Several files by a pattern, staged in a directory.
    Files(Template),
}

impl OutputKind {
    /// The path or pattern of what is no value.
    pub fn path(&self) -> Option<&Template> {
        match self {
            OutputKind::File(path) | OutputKind::Dir(path) | OutputKind::Files(path) => Some(path),
            OutputKind::Value(_) | OutputKind::Stdout(_) => None,
        }
    }
}

/// Where a task's process starts.
pub enum Workdir {
    /// The pipeline file's folder.
    Project,
    /// A fresh folder for each attempt.
    Scratch,
    /// A path, relative to the project.
    Path(Template),
}

/// A value of the file with templates in it: the native shape of TOML.
pub enum Shape {
    /// No template inside.
    Plain(Value),
    /// A string.
    Template(Template),
    /// An array.
    List(Vec<Shape>),
    /// A table.
    Map(Vec<(Arc<str>, Shape)>),
}

/// A map: its list and its body.
pub struct Map {
    /// Where items come from.
    pub source: Source,
    /// The item's name in the body.
    pub item: Arc<str>,
    /// The item's name in logs and selections; reads the item.
    pub key: Option<Template>,
    /// Drops items; reads the item.
    pub filter: Option<Template>,
    /// Makes one item a group; reads the item.
    pub group_by: Option<Template>,
    /// Items handed over at once.
    pub chunk: Option<u32>,
    /// How many items may be at work at once.
    pub max_parallel: Option<u32>,
    /// How many items may fail; `None`: a failure in the body is one of the run.
    pub max_failures: Option<Allowance>,
    /// The record that an item gives; empty: the body's nodes are read by name.
    pub outputs: Vec<(Arc<str>, Shape)>,
    /// The names that `outputs` look up, one for each of `output_reads`.
    pub output_names: Arc<Names>,
    /// The engine's values that `outputs` read, per item.
    pub output_reads: Reads,
    /// The body.
    pub body: BodyId,
    /// `task … over`: seen from outside the map's name stands for its only task.
    pub shorthand: bool,
    /// The names of `source` and `when`, one for each of `reads`.
    pub names: Arc<Names>,
    /// The names of `key`, `filter` and `group_by`: one slot for each of `reads`, then the item under its own name and
    /// `index`, which are set for each item.
    pub item_names: Arc<Names>,
    /// The engine's values that `source`, `when`, `key`, `filter` read.
    pub reads: Reads,
}

impl Map {
    /// A map over this with this body and nothing else.
    pub fn new(source: Source, body: BodyId) -> Self {
        Self {
            source,
            item: "item".into(),
            key: None,
            filter: None,
            group_by: None,
            chunk: None,
            max_parallel: None,
            max_failures: None,
            outputs: Vec::new(),
            output_names: Arc::default(),
            output_reads: Vec::new(),
            body,
            shorthand: false,
            names: Arc::default(),
            item_names: Arc::default(),
            reads: Vec::new(),
        }
    }
}

/// The source of a map's items, resolved.
pub enum Source {
    /// A value that must be a list.
    Value(Shape),
    /// From, to (excluded), step.
    Range(Vec<Shape>),
    /// Paths that match, sorted bytewise.
    Glob(Template),
    /// The lines of a file.
    Lines(Template),
    /// Records of a file; cells are strings.
    Csv(Template),
    /// Records of a file; cells are strings.
    Tsv(Template),
    /// One JSON value a line.
    Jsonl(Template),
    /// All combinations, the last axis fastest.
    Product(Vec<(Arc<str>, Source)>),
    /// Side by side, equal lengths.
    Zip(Vec<(Arc<str>, Source)>),
}

/// Values that the engine collects for a node before `prepare` or `list`, one a slot.
pub type Reads = Vec<Read>;

/// One value that an expression reads of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The dotted name as written: `process_data.compute.value`, `sample.fq1`. It names the key's component.
    pub name: Arc<str>,
    /// Where the value comes from.
    pub from: From,
    /// Fields taken from it, outermost first.
    pub path: Vec<Arc<str>>,
    /// What is known of its type; where it holds [`Ty::Path`]s, the files' content counts in a key.
    pub ty: Ty,
    /// Whether the value belongs to the task's key: not what `when` and `resources` alone read.
    pub keyed: bool,
}

/// What is known of a value before it exists. Any value may be null besides.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ty {
    /// Nothing.
    #[default]
    Any,
    /// A boolean.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Text.
    String,
    /// A path: a declared `path`, a file output of another task, a match of a glob.
    Path,
    /// A list of such.
    List(Box<Ty>),
    /// A record with any names and such values.
    Map(Box<Ty>),
    /// A record with these names.
    Record(Vec<(Arc<str>, Ty)>),
}

impl Ty {
    /// Calls `found` with each path inside a value of this type.
    pub fn paths<'v>(&self, value: &'v Value, found: &mut dyn FnMut(&'v Value)) {
        match (self, value) {
            (Ty::Path, Value::Str(_) | Value::Bytes(_)) => found(value),
            (Ty::List(of), Value::List(items)) => items.iter().for_each(|item| of.paths(item, found)),
            (Ty::Map(of), Value::Map(entries)) => entries.iter().for_each(|(_, value)| of.paths(value, found)),
            (Ty::Record(fields), Value::Map(_)) => {
                for (name, of) in fields {
                    if let Some(value) = value.field(name) {
                        of.paths(value, found);
                    }
                }
            }
            _ => {}
        }
    }
    /// Whether a value of this type may hold a path, so that [`Ty::paths`] is worth a call.
    pub fn has_paths(&self) -> bool {
        match self {
            Ty::Path => true,
            Ty::List(of) | Ty::Map(of) => of.has_paths(),
            Ty::Record(fields) => fields.iter().any(|(_, of)| of.has_paths()),
            _ => false,
        }
    }
}

impl std::convert::From<&Type> for Ty {
    fn from(declared: &Type) -> Self {
        match declared {
            Type::Bool => Ty::Bool,
            Type::Int => Ty::Int,
            Type::Float => Ty::Float,
            Type::String => Ty::String,
            Type::Path => Ty::Path,
            Type::List(of) => Ty::List(Box::new(Ty::from(&**of))),
            Type::Map(of) => Ty::Map(Box::new(Ty::from(&**of))),
            Type::Json => Ty::Any,
        }
    }
}

/// Where a read value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// A param.
    Param(u32),
    /// An output of a node that stands `up` bodies further out; through maps inside it, a list for each.
    ///
    /// `node` is in that body; `inner` are the nodes below it down to the task (empty when `node` is the task);
    /// `output` is the position among the `outputs` of the last of them (a task, or a map that names its results), or
    /// `None` for the record of all its outputs, by name.
    Output {
        /// The node in the body `up` levels out.
        node: NodeId,
        /// How many bodies out.
        up: u32,
        /// Through maps: the nodes below, down to the task.
        inner: Vec<NodeId>,
        /// Which output of the last node; `None`: the record of all of them.
        output: Option<u32>,
    },
    /// As `Output`, but which node it is depends on the case that a branch takes. Null where the case has none.
    Cases {
        /// How many bodies out the first nodes of the ways stand.
        up: u32,
        /// One for each case that has the name.
        ways: Vec<Way>,
    },
    /// The item of the body `up` bodies out (0: the reader's own): of a map its item, of a loop what it carries, of a
    /// call its params.
    Item {
        /// How many bodies out.
        up: u32,
    },
    /// The index of the item, or the number of the iteration, of the body `up` bodies out.
    Index {
        /// How many bodies out.
        up: u32,
    },
}

/// One way from a body down to an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    /// The nodes from the outermost down to the one that has the output; never empty.
    pub nodes: Vec<NodeId>,
    /// Which output of the last node; `None`: the record of all of them.
    pub output: Option<u32>,
}

impl From {
    /// The nodes that must have ended before this can be read, and how many bodies out they stand.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, u32)> {
        let (one, ways, up) = match self {
            From::Output { node, up, .. } => (Some(*node), [].as_slice(), *up),
            From::Cases { up, ways } => (None, ways.as_slice(), *up),
            From::Param(_) | From::Item { .. } | From::Index { .. } => (None, [].as_slice(), 0),
        };
        one.into_iter().chain(ways.iter().map(|way| way.nodes[0])).map(move |node| (node, up))
    }
}
