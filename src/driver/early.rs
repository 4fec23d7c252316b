//! What the machine shows to be wrong before anything runs: resources beyond it, lists that cannot be made, inputs
//! that are not there. Only what is certain is said: what depends on a task is its instance's own failure, later.

use crate::base::{Lack, NodeId, Value, amount, text};
use crate::diag::{Diagnostic, codes};
use crate::driver::asked::is_wanted;
use crate::driver::backends::Assigned;
use crate::driver::facts::{self, Declared};
use crate::driver::list;
use crate::engine::{Capacity, ListAnswer, Values, at_path};
use crate::lang::expr::{Frame, Template};
use crate::lang::model::SecretFrom;
use crate::plan::{From, Input, Map, Node, NodeKind, Plan, Read, Shape, Task, is_glob};
use crate::port::site::Site;
use crate::sys::secret;
use rustc_hash::FxHashMap;
use std::cell::OnceCell;
use std::path::Path;

/// The lists of maps of the root that wait for nothing: made once, and handed to the engine when it asks.
pub type Lists = FxHashMap<NodeId, ListAnswer>;

/// Looks at everything that no task can change any more; with `files`, at lists and inputs too.
///
/// # Errors
/// All mistakes that were found.
pub fn look(
    plan: &Plan,
    wanted: &[bool],
    project: &Path,
    assigned: &Assigned,
    files: bool,
) -> Result<Lists, Vec<Diagnostic>> {
    let mut look =
        Look { plan, project, assigned, lists: Lists::default(), mistakes: Vec::new(), declared: OnceCell::new() };
    // A map comes before what its body holds.
    for (id, node) in plan.nodes.iter() {
        if !is_wanted(plan, wanted, node) {
            continue;
        }
        match &node.kind {
            NodeKind::Map(map) if files => look.list(id, node, map),
            NodeKind::Map(_) | NodeKind::Branch(_) | NodeKind::Loop(_) | NodeKind::Call(_) => {}
            NodeKind::Task(task) => {
                look.resources(node, task);
                look.secrets(task);
                if files {
                    look.inputs(node, task);
                }
            }
        }
    }
    if look.mistakes.is_empty() { Ok(look.lists) } else { Err(look.mistakes) }
}

/// Both results in one: all mistakes, in the order of the file.
pub fn with(looked: Result<Lists, Vec<Diagnostic>>, more: Vec<Diagnostic>) -> Result<Lists, Vec<Diagnostic>> {
    match looked {
        looked if more.is_empty() => looked,
        Ok(_) => Err(more),
        Err(mut mistakes) => {
            mistakes.extend(more);
            mistakes.sort_by_key(|d| d.primary.as_ref().map(|label| label.span));
            Err(mistakes)
        }
    }
}

/// Secrets from flowrun's own environment, for tasks that run elsewhere: they would have to travel with the job, whose
/// environment a scheduler keeps.
pub fn of_here(plan: &Plan, wanted: &[bool], elsewhere: impl Fn(&Task) -> bool) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for (_, node) in plan.nodes.iter().filter(|(_, node)| is_wanted(plan, wanted, node)) {
        let NodeKind::Task(task) = &node.kind else { continue };
        if !elsewhere(task) {
            continue;
        }
        for (name, from) in &task.secrets {
            if let SecretFrom::Env(_) = &from.value {
                let message = format!("the secret `{name}` would travel with the job of `{}`", node.path);
                let d = Diagnostic::error(codes::MISSING_SECRET, from.span, message);
                mistakes.push(
                    d.help("on a cluster a secret comes from a file, read on the node: `{ file = \"~/.token\" }`"),
                );
            }
        }
    }
    mistakes
}

/// What a place objects to in the tasks that are sent there.
pub fn of_site(plan: &Plan, wanted: &[bool], site: &dyn Site, sent: impl Fn(&Task) -> bool) -> Vec<Diagnostic> {
    let mut mistakes: Vec<Diagnostic> = Vec::new();
    for (_, node) in plan.nodes.iter().filter(|(_, node)| is_wanted(plan, wanted, node)) {
        let NodeKind::Task(task) = &node.kind else { continue };
        if !sent(task) {
            continue;
        }
        let frame = frame(plan, task);
        let known = task.resources.iter().filter(|(_, template)| of_params(template));
        let asked = known.filter_map(|(name, template)| Some((name.clone(), template.eval(&frame).ok()?)));
        for objection in site.objections(&asked.collect::<Vec<_>>()) {
            let about = task.resources.iter().find(|(name, _)| *name == objection.about);
            let span = about.map_or(node.span, |(_, template)| template.source().span);
            let message = format!("`{}` asks for {}", node.path, objection.message);
            // One place is said once, however many tasks have it from `[resources]`.
            let at = |d: &Diagnostic| d.primary.as_ref().map(|label| label.span);
            if mistakes.iter().any(|d| at(d) == Some(span) && (about.is_some() || d.message == message)) {
                continue;
            }
            let (code, label) = match objection.absent {
                true => (codes::NO_SUCH_PLACE, "not to be had"),
                false => (codes::BEYOND_CAPACITY, "more than there is"),
            };
            mistakes.push(Diagnostic::error(code, span, message).label(label).help(objection.help));
        }
    }
    mistakes
}

struct Look<'a> {
    plan: &'a Plan,
    project: &'a Path,
    assigned: &'a Assigned,
    lists: Lists,
    mistakes: Vec<Diagnostic>,
    /// What tasks make, asked for where something is not there.
    declared: OnceCell<Declared>,
}

impl Look<'_> {
    fn list(&mut self, id: NodeId, node: &Node, map: &Map) {
        let known = |read: &Read| matches!(read.from, From::Param(_));
        if self.plan.bodies[node.body].owner.is_some() || !node.deps.is_empty() || !map.reads.iter().all(known) {
            return;
        }
        let values: Values = map.reads.iter().map(|read| param(self.plan, read)).collect();
        match list::items(map, node.when.as_ref(), self.project, values) {
            Ok(answer) => {
                self.lists.insert(id, answer);
            }
            Err(wrong) => {
                let span = wrong.span.unwrap_or(node.span);
                let message = format!("`{}` has no list: {}", node.path, wrong.failure.message);
                let said = Diagnostic::error(codes::BAD_LIST, span, message);
                self.mistakes.push(match wrong.failure.help {
                    Some(help) => said.help(&*help),
                    None => said,
                });
            }
        }
    }

    /// Amounts that are known by now and that the backend can never give.
    fn resources(&mut self, node: &Node, task: &Task) {
        let frame = frame(self.plan, task);
        for (name, template) in &task.resources {
            if !of_params(template) {
                continue;
            }
            // What cannot be evaluated is said where it is used, with the instance.
            let Ok(asked) = template.eval(&frame) else { continue };
            let Some(message) = self.beyond(self.assigned.capacity(task), name, &asked) else { continue };
            let span = template.source().span;
            // One place is said once, however many tasks have it from `[resources]`.
            if self.mistakes.iter().any(|d| d.primary.as_ref().is_some_and(|p| p.span == span)) {
                continue;
            }
            self.mistakes.push(
                Diagnostic::error(codes::BEYOND_CAPACITY, span, format!("`{}` asks for {message}", node.path))
                    .label("more than there is")
                    .help("ask for less, or run it where there is more"),
            );
        }
    }

    fn beyond(&self, capacity: &Capacity, name: &str, asked: &Value) -> Option<String> {
        let shown = asked.as_str().map_or_else(|| asked.to_json(), str::to_owned);
        match name {
            "memory" => {
                let bytes = amount::bytes_of(asked).ok().filter(|bytes| *bytes > capacity.memory)?;
                let shown = if shown.parse() == Ok(bytes) { text::size(bytes) } else { shown };
                Some(format!("{shown} of memory, and there are {}", text::size(capacity.memory)))
            }
            "gpus" => {
                let held = capacity.gpus.len() as u64;
                let asked = shown.trim().parse().ok().filter(|asked| *asked > held)?;
                Some(format!("{}, and there {}", text::count(asked, "GPU"), are(held)))
            }
            limit => {
                let at = self.plan.limits.iter().position(|(name, _)| &**name == limit)?;
                let held = *capacity.limits.get(at)?;
                let asked = shown.trim().parse().ok().filter(|asked: &u64| *asked > held.into())?;
                Some(format!("{asked} of `{limit}`, and there {}", are(held.into())))
            }
        }
    }

    /// Secrets that are not there, or are none.
    fn secrets(&mut self, task: &Task) {
        for (name, from) in &task.secrets {
            let Err(fault) = secret::value(&from.value, self.project) else { continue };
            let message = format!("the secret `{name}` cannot be had: {fault}");
            let d = Diagnostic::error(codes::MISSING_SECRET, from.span, message);
            self.mistakes.push(match fault.help {
                Some(help) => d.help(help),
                None => d,
            });
        }
    }

    /// Paths that the file gives as they stand and that no task before this one can have made.
    fn inputs(&mut self, node: &Node, task: &Task) {
        if !self.certain(node) {
            return;
        }
        let frame = frame(self.plan, task);
        for input in &task.inputs {
            self.input(input, &input.value, &frame);
        }
    }

    fn input(&mut self, input: &Input, shape: &Shape, frame: &Frame) {
        match shape {
            Shape::List(items) => items.iter().for_each(|item| self.input(input, item, frame)),
            Shape::Plain(paths) => self.paths(input, paths),
            // A value is no glob, whatever it holds.
            Shape::Template(template) if of_params(template) && !is_glob(&template.source().value) => {
                match template.eval(frame) {
                    Ok(Value::List(paths)) => paths.iter().for_each(|path| self.path(input, path)),
                    Ok(path) => self.path(input, &path),
                    Err(_) => {}
                }
            }
            _ => {}
        }
    }

    fn paths(&mut self, input: &Input, paths: &Value) {
        match paths {
            Value::List(paths) => paths.iter().for_each(|path| self.paths(input, path)),
            path if path.as_str().is_some_and(is_glob) => {}
            path => self.path(input, path),
        }
    }

    fn path(&mut self, input: &Input, path: &Value) {
        let Some(path) = path.as_str().filter(|path| !path.is_empty()) else { return };
        let full = self.project.join(path);
        let relative = full.strip_prefix(self.project).unwrap_or(Path::new(path));
        if full.exists() || self.declared.get_or_init(|| Declared::of(self.plan)).contains(&facts::normal(relative)) {
            return;
        }
        let message = format!("the input `{}` is not there: {}", input.name, text::quote(path));
        self.mistakes.push(Diagnostic::error(codes::MISSING_INPUT, input.span, message).help(
            "a path is relative to the pipeline file's folder; if a task makes the file, declare it among that task's \
             outputs",
        ));
    }

    /// Whether the node will run, and what runs before it makes only what it declares.
    fn certain(&self, node: &Node) -> bool {
        let orders = node.deps.iter().any(|dep| dep.tolerates_skip || !self.declares(dep.node));
        if node.when.is_some() || orders {
            return false;
        }
        let Some(owner) = self.plan.bodies[node.body].owner else { return true };
        let some = match &self.plan.nodes[owner].kind {
            NodeKind::Map(_) => {
                matches!(self.lists.get(&owner), Some(ListAnswer::Items(list)) if !list.items().is_empty())
            }
            NodeKind::Loop(_) | NodeKind::Call(_) => true,
            NodeKind::Branch(_) | NodeKind::Task(_) => false,
        };
        some && self.certain(&self.plan.nodes[owner])
    }

    fn declares(&self, node: NodeId) -> bool {
        match &self.plan.nodes[node].kind {
            NodeKind::Task(task) => !task.outputs.is_empty(),
            kind => {
                let bodies = kind.bodies();
                bodies.iter().flat_map(|body| &self.plan.bodies[*body].nodes).all(|node| self.declares(*node))
            }
        }
    }
}

/// The value of a read that is a param's.
fn param(plan: &Plan, read: &Read) -> Result<Value, Lack> {
    match read.from {
        From::Param(at) => at_path(plan.params[at as usize].value.clone(), &read.path),
        _ => Err(Lack::default()),
    }
}

/// The task's names as far as params give them.
fn frame(plan: &Plan, task: &Task) -> Frame {
    Frame::new(&task.names, task.reads.iter().map(|read| param(plan, read)).collect())
}

fn are(count: u64) -> String {
    if count == 1 { "is 1".to_owned() } else { format!("are {count}") }
}

/// Whether it reads nothing but params.
fn of_params(template: &Template) -> bool {
    template.reads().iter().all(|read| &*read.path[0] == "params")
}
