//! `[test.NAME]` against the nodes, values and outputs of the pipeline, and a plan of one task alone, which takes what
//! it reads of the others from values handed over.

use super::model::{Body, From, Node, NodeKind, OutputKind, Param, Plan, Read, Shape, Task, Ty};
use super::{OnError, params, paths};
use crate::base::id::{BodyId, Id};
use crate::base::text::{and, did_you_mean, quote};
use crate::base::{Arena, NodeId, Value};
use crate::diag::{Diagnostic, Span, Spanned, codes};
use crate::lang::expr::{Names, Template, Use};
use crate::lang::model::{Model, Name, Text};
use crate::lang::trial::{Content, ExpectDecl, Paths, TrialDecl};
use crate::lang::types::Type;
use regex::bytes::{Regex, RegexBuilder};
use std::sync::Arc;

/// A test of one task in which nothing is left to be found wrong before it runs.
#[derive(Debug)]
pub struct Trial {
    /// Its name.
    pub name: Arc<str>,
    /// The header.
    pub span: Span,
    /// The task.
    pub node: NodeId,
    /// Values for params, by their position.
    pub params: Vec<(u32, Value)>,
    /// For each of the task's reads its value; `None` for one that is a param's.
    pub given: Vec<Option<Value>>,
    /// In place of the task's own inputs, by their position: a path or a list of them.
    pub inputs: Vec<(u32, Value, Span)>,
    /// What else the folder holds, by its path there.
    pub files: Vec<(Spanned<Arc<str>>, Content)>,
    /// What must come out.
    pub expect: Expect,
}

/// What must come out of a test; outputs by their position.
#[derive(Debug, Default)]
pub struct Expect {
    /// The exit code.
    pub exit: i64,
    /// Values.
    pub values: Vec<(u32, Value)>,
    /// Contents of files and folders.
    pub files: Vec<(u32, Content)>,
    /// Patterns that are found in a value or file.
    pub matches: Vec<(u32, Vec<Regex>)>,
    /// Digests of files, in lower-case hexadecimal digits.
    pub sha256: Vec<(u32, Arc<str>)>,
    /// Patterns that are found in the log.
    pub log: Vec<Regex>,
}

/// Every test of the pipeline.
pub(super) fn check(model: &Model, plan: &Plan, diagnostics: &mut Vec<Diagnostic>) -> Vec<Trial> {
    let mut check = Check { model, plan, diagnostics };
    model.trials.iter().filter_map(|decl| check.trial(decl)).collect()
}

struct Check<'a> {
    model: &'a Model,
    plan: &'a Plan,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn trial(&mut self, decl: &TrialDecl) -> Option<Trial> {
        let params = self.params(decl);
        let node = self.node(&decl.node)?;
        let NodeKind::Task(task) = &self.plan.nodes[node].kind else { return None };
        Some(Trial {
            name: decl.name.value.clone(),
            span: decl.name.span,
            node,
            params,
            given: self.given(decl, task),
            inputs: self.inputs(decl, task),
            files: decl.files.clone(),
            expect: self.expect(&decl.expect, task),
        })
    }

    fn node(&mut self, name: &Spanned<Arc<str>>) -> Option<NodeId> {
        let plan = self.plan;
        if let Some((id, _)) = tasks(plan).find(|(_, node)| node.path == name.value) {
            return Some(id);
        }
        let Some(found) = plan.find(&name.value).filter(|_| !name.value.contains('[')) else {
            let paths = || tasks(plan).map(|(_, node)| &*node.path);
            let message = format!("the pipeline has no node {}", quote(&name.value));
            let near = did_you_mean(&name.value, paths());
            let last = |path: &&str| path.rsplit_once('.').is_some_and(|(_, last)| *last == *name.value);
            let near = near.or_else(|| paths().find(last).map(|path| format!("did you mean `{path}`?")));
            let d = Diagnostic::error(codes::UNKNOWN_NODE, name.span, message);
            self.report(d.help(near.unwrap_or_else(|| format!("its tasks are {}", and(paths())))));
            return None;
        };
        let prefix = format!("{}.", plan.nodes[found].path);
        let inside = tasks(plan).find(|(_, node)| node.path.starts_with(&prefix));
        let message = format!("{} is no task, and a test is of one task", quote(&name.value));
        let d = Diagnostic::error(codes::UNKNOWN_NODE, name.span, message);
        self.report(d.help(match inside {
            Some((_, node)) => format!("name a task inside: `{}`", node.path),
            None => "name a task".to_owned(),
        }));
        None
    }

    fn params(&mut self, decl: &TrialDecl) -> Vec<(u32, Value)> {
        let mut out = Vec::new();
        for (name, value) in &decl.params {
            let origin = format!("in the test `{}`", decl.name.value);
            match params::of_trial(self.model, &name.value, &value.value, &origin) {
                Ok(found) => out.push(found),
                Err(diagnostic) => {
                    let span = if diagnostic.code == codes::UNKNOWN_PARAM { name.span } else { value.span };
                    let placed = Diagnostic::error(diagnostic.code, span, diagnostic.message);
                    self.report(Diagnostic { help: diagnostic.help, ..placed });
                }
            }
        }
        out
    }

    /// The values of the task's reads, by the names that its expressions use.
    fn given(&mut self, decl: &TrialDecl, task: &Task) -> Vec<Option<Value>> {
        let scope =
            Value::map(decl.values.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect());
        let span_of = |name: &str| {
            let first = name.split('.').next().unwrap_or_default();
            decl.values.iter().find(|(name, _)| *name.value == *first).map(|(_, value)| value.span)
        };
        let mut missing: Vec<&Read> = Vec::new();
        let mut given = Vec::with_capacity(task.reads.len());
        for read in &task.reads {
            if let From::Param(at) = read.from {
                let param = &self.plan.params[at as usize];
                let known = !param.value.is_null() || decl.params.iter().any(|(name, _)| name.value == param.name);
                if !known && !missing.iter().any(|other| other.from == read.from) {
                    missing.push(read);
                }
                given.push(None);
                continue;
            }
            let Some(value) = scope.at(read.name.split('.')) else {
                missing.push(read);
                given.push(Some(Value::Null));
                continue;
            };
            let typed = read.ty.declared().map_or_else(|| Ok(value.clone()), |ty| ty.check(value));
            given.push(Some(typed.unwrap_or_else(|wrong| {
                let message = format!("the value of `{}` does not fit: {wrong}", read.name);
                let span = span_of(&read.name).unwrap_or(decl.name.span);
                let help = format!("the task reads {} there", read.ty.described());
                self.diagnostics.push(Diagnostic::error(codes::TEST_VALUE, span, message).help(help));
                Value::Null
            })));
        }
        for read in missing {
            let message = format!("the test `{}` gives no value for `{}`", decl.name.value, read.name);
            let kind = match read.from {
                From::Param(_) => "",
                _ => "values.",
            };
            let help = format!("the task reads it: `{kind}{} = …`, {}", read.name, read.ty.described());
            self.report(Diagnostic::error(codes::TEST_VALUE, decl.name.span, message).help(help));
        }
        for (name, _) in &decl.values {
            let reads = || task.reads.iter().filter(|read| !matches!(read.from, From::Param(_)));
            if !reads().any(|read| read.name.split('.').next() == Some(&name.value)) {
                let message = format!("the task reads nothing called `{}`", name.value);
                let help = did_you_mean(&name.value, reads().map(|read| &*read.name));
                let help = help.unwrap_or_else(|| match reads().count() {
                    0 => "it reads nothing of the pipeline around it: leave it out".to_owned(),
                    _ => format!("it reads {}", and(reads().map(|read| &*read.name))),
                });
                self.report(Diagnostic::error(codes::UNKNOWN_NAME, name.span, message).help(help));
            }
        }
        given
    }

    fn inputs(&mut self, decl: &TrialDecl, task: &Task) -> Vec<(u32, Value, Span)> {
        let mut out = Vec::new();
        for (name, given) in &decl.inputs {
            let Some(at) = task.inputs.iter().position(|input| input.name == name.value) else {
                let names = || task.inputs.iter().map(|input| &*input.name);
                let message = format!("the task has no input `{}`", name.value);
                let help = did_you_mean(&name.value, names()).unwrap_or_else(|| match task.inputs.is_empty() {
                    true => "it has no inputs; what else it reads stands under `files`".to_owned(),
                    false => format!("it has {}", and(names())),
                });
                self.report(Diagnostic::error(codes::UNKNOWN_NAME, name.span, message).help(help));
                continue;
            };
            let mut list: Vec<Value> = given.all.iter().map(|path| Value::Str(path.value.clone())).collect();
            let value = if given.many { Value::list(list) } else { list.pop().unwrap_or_default() };
            out.push((at as u32, value, given.span));
        }
        out
    }

    fn expect(&mut self, decl: &ExpectDecl, task: &Task) -> Expect {
        let mut expect = Expect { exit: decl.exit.as_ref().map_or(0, |exit| exit.value), ..Expect::default() };
        if let (Some(exit), true) = (&decl.exit, expect.exit != 0) {
            let outputs = [
                decl.values.first().map(|(name, _)| name),
                decl.files.first().map(|(name, _)| name),
                decl.matches.first().map(|(name, _)| name),
                decl.sha256.first().map(|(name, _)| name),
            ];
            if let Some(name) = outputs.into_iter().flatten().next() {
                let message = "a task that fails has no outputs";
                let d = Diagnostic::error(codes::KEY_CONFLICT, name.span, message).also(exit.span, "it must fail");
                self.report(d.help("look into its log instead: `expect.log = '…'`"));
            }
        }
        for (name, value) in &decl.values {
            if let Some((at, kind)) = self.output(task, name) {
                match kind {
                    OutputKind::Value(ty) | OutputKind::Stdout(ty) => {
                        expect.values.extend(self.typed(at, ty, name, value))
                    }
                    OutputKind::Files(_) => {
                        let paths = Type::List(Box::new(Type::Path));
                        expect.values.extend(self.typed(at, &paths, name, value));
                    }
                    OutputKind::File(_) | OutputKind::Dir(_) => {
                        let message = format!("`{}` is no value", name.value);
                        let d = Diagnostic::error(codes::TEST_VALUE, name.span, message);
                        self.report(d.help(format!("it stands under `expect.files.{}`", name.value)));
                    }
                }
            }
        }
        for (name, content) in &decl.files {
            let Some((at, kind)) = self.output(task, name) else { continue };
            match (kind, content) {
                (OutputKind::File(_), _) | (OutputKind::Dir(_), Content::Path(_)) => {
                    expect.files.push((at, content.clone()));
                }
                (OutputKind::Dir(_), Content::Text(text)) => {
                    let message = format!("`{}` is a folder, which no text is like", name.value);
                    let d = Diagnostic::error(codes::TEST_VALUE, text.span, message);
                    self.report(d.help("name a folder of the project"));
                }
                _ => self.no_file(name),
            }
        }
        for (name, given) in &decl.matches {
            let Some((at, kind)) = self.output(task, name) else { continue };
            if let OutputKind::Dir(_) = kind {
                let message = format!("`{}` is a folder, in which no pattern is looked for", name.value);
                let d = Diagnostic::error(codes::TEST_VALUE, name.span, message);
                self.report(d.help(format!("compare it as a whole: `expect.files.{} = \"…\"`", name.value)));
                continue;
            }
            expect.matches.push((at, self.patterns(given)));
        }
        for (name, digest) in &decl.sha256 {
            let Some((at, kind)) = self.output(task, name) else { continue };
            if !matches!(kind, OutputKind::File(_)) {
                self.no_file(name);
                continue;
            }
            let digits = digest.value.to_ascii_lowercase();
            if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                let message = format!("{} is no SHA-256 digest", quote(&digest.value));
                let d = Diagnostic::error(codes::TEST_VALUE, digest.span, message);
                self.report(d.help("a digest is 64 hexadecimal digits, as `sha256sum` prints them"));
            }
            expect.sha256.push((at, digits.into()));
        }
        expect.log = decl.log.as_ref().map(|log| self.patterns(log)).unwrap_or_default();
        expect
    }

    fn no_file(&mut self, name: &Name) {
        let d = Diagnostic::error(codes::TEST_VALUE, name.span, format!("`{}` is no file", name.value));
        self.report(d.help(format!("say what it must be: `expect.values.{} = …`, or `expect.matches`", name.value)));
    }

    fn output<'t>(&mut self, task: &'t Task, name: &Name) -> Option<(u32, &'t OutputKind)> {
        let found = task.outputs.iter().position(|output| output.name == name.value);
        if found.is_none() {
            let names = || task.outputs.iter().map(|output| &*output.name);
            let help = did_you_mean(&name.value, names()).unwrap_or_else(|| match task.outputs.is_empty() {
                true => "it has no outputs".to_owned(),
                false => format!("it has {}", and(names())),
            });
            let message = format!("the task has no output `{}`", name.value);
            self.report(Diagnostic::error(codes::UNKNOWN_OUTPUT, name.span, message).help(help));
        }
        found.map(|at| (at as u32, &task.outputs[at].kind))
    }

    fn typed(&mut self, at: u32, ty: &Type, name: &Name, value: &Spanned<Value>) -> Option<(u32, Value)> {
        match ty.check(&value.value) {
            Ok(value) => Some((at, value)),
            Err(wrong) => {
                let message = format!("the output `{}` can never be this: {wrong}", name.value);
                let d = Diagnostic::error(codes::TEST_VALUE, value.span, message);
                self.report(d.help(format!("it is declared as `{ty}`")));
                None
            }
        }
    }

    fn patterns(&mut self, given: &Paths) -> Vec<Regex> {
        let mut out = Vec::new();
        for pattern in &given.all {
            match RegexBuilder::new(&pattern.value).multi_line(true).build() {
                Ok(regex) => out.push(regex),
                Err(error) => {
                    let why = error.to_string();
                    let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    let message = format!("{} is no regular expression: {why}", quote(&pattern.value));
                    let d = Diagnostic::error(codes::TEST_VALUE, pattern.span, message);
                    self.report(d.help("characters such as `(`, `[` and `.` stand for themselves after a `\\`"));
                }
            }
        }
        out
    }
}

fn tasks(plan: &Plan) -> impl Iterator<Item = (NodeId, &Node)> {
    plan.nodes.iter().filter(|(_, node)| matches!(node.kind, NodeKind::Task(_)))
}

impl Plan {
    /// The plan of one test: its task alone, with the values that the test gives. The pipeline's output `result` is the
    /// record of the task's outputs.
    ///
    /// Panics when there is no test at this position.
    pub fn alone(mut self, trial: usize) -> (Plan, Trial) {
        let trial = self.trials.swap_remove(trial);
        for (at, value) in &trial.params {
            self.params[*at as usize].value = value.clone();
        }
        let mut node = std::mem::take(self.nodes.as_mut_vec()).swap_remove(trial.node.index());
        (node.body, node.slot) = (BodyId(0), 0);
        (node.deps, node.dependents, node.require) = (Vec::new(), Vec::new(), None);
        node.on_error = OnError::Fail;
        if let NodeKind::Task(task) = &mut node.kind {
            task.retry = None;
            for (read, value) in task.reads.iter_mut().zip(&trial.given) {
                if let Some(value) = value {
                    take(&mut self.params, read, value.clone());
                }
            }
            for (at, value, _) in &trial.inputs {
                let input = &mut task.inputs[*at as usize];
                input.glob = holds_glob(value);
                input.fetched = false;
                input.value = Shape::Plain(value.clone());
            }
        }
        let mut nodes = Arena::default();
        let id = nodes.push(node);
        let mut bodies = Arena::default();
        bodies.push(Body { owner: None, nodes: vec![id], depth: 0 });
        let result: Arc<str> = "result".into();
        let from = From::Output { node: id, up: 0, inner: Vec::new(), output: None };
        let read = Read { name: result.clone(), from, path: Vec::new(), ty: Ty::Any, keyed: false };
        let text = Text { value: "{{ result }}".into(), span: trial.span, offsets: None, body: 0 };
        let whole = Template::compile(&text, Use::Value, &mut Vec::new()).expect("it is an expression");
        let plan = Plan {
            nodes,
            bodies,
            outputs: vec![(result.clone(), Shape::Template(whole))],
            output_names: Arc::new(Names::new([vec![result]])),
            output_reads: vec![read],
            output_deps: vec![id],
            trials: Vec::new(),
            ..self
        };
        (plan, trial)
    }
}

/// Makes a read one of a value that is known.
fn take(params: &mut Vec<Param>, read: &mut Read, value: Value) {
    read.from = From::Param(params.len() as u32);
    read.path.clear();
    params.push(Param { name: read.name.clone(), ty: Type::Json, value });
}

fn holds_glob(value: &Value) -> bool {
    match value {
        Value::Str(text) => paths::is_glob(text),
        Value::List(items) => items.iter().any(holds_glob),
        _ => false,
    }
}
