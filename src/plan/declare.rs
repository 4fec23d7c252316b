//! First look at a model: which nodes and bodies there are, and what each name of a body stands for.
//! Knows no expression; finds only names that stand twice, hide others or belong to the language.

use super::container::Loop;
use super::model::Ty;
use crate::base::id::BodyId;
use crate::base::{Arena, NodeId};
use crate::diag::{Diagnostic, Span, Spanned, codes};
use crate::lang::model::{
    BranchDecl, CallDecl, Datum, LoopDecl, MapDecl, Model, Name, NodeDecl, OverDecl, PolicyDecl, TaskDecl, Text,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

/// Every node and body of a model, not yet checked.
pub(super) struct World<'m> {
    pub nodes: Arena<NodeId, Decl<'m>>,
    pub bodies: Arena<BodyId, Room<'m>>,
    /// The file that is run, then one for each call.
    pub files: Vec<File<'m>>,
    /// Found types by the string that has them, and how deep the search for a type is.
    pub types: RefCell<FxHashMap<*const Text, Ty>>,
    pub depth: Cell<u32>,
    /// How often near names were looked for.
    pub hints: Cell<u32>,
    /// Variables that are some task's secret, once somebody has asked.
    pub secrets: OnceCell<FxHashSet<Arc<str>>>,
}

/// A node as declared.
pub(super) struct Decl<'m> {
    pub name: &'m Name,
    pub path: Arc<str>,
    pub body: BodyId,
    pub slot: u32,
    pub what: What<'m>,
}

/// A pipeline file, as it is run or as one call has it.
pub(super) struct File<'m> {
    pub model: &'m Model,
    pub params: FxHashMap<&'m str, u32>,
    /// The call that holds its nodes; `None`: the file that is run.
    pub call: Option<NodeId>,
}

/// What is declared.
pub(super) enum What<'m> {
    Task(&'m TaskDecl),
    Map(MapView<'m>),
    /// And the bodies of its cases, the default's last.
    Branch(&'m BranchDecl, Vec<BodyId>),
    Loop(&'m LoopDecl, BodyId),
    /// And the nodes of the called file.
    Call(&'m CallDecl, BodyId),
}

impl<'m> What<'m> {
    /// The word of the file for it.
    pub fn word(&self) -> &'static str {
        match self {
            What::Task(_) => "task",
            What::Map(_) => "map",
            What::Branch(..) => "branch",
            What::Loop(..) => "loop",
            What::Call(..) => "call",
        }
    }

    /// The bodies that it holds.
    pub fn bodies(&self) -> &[BodyId] {
        match self {
            What::Task(_) => &[],
            What::Map(MapView { body, .. }) | What::Loop(_, body) | What::Call(_, body) => std::slice::from_ref(body),
            What::Branch(_, cases) => cases,
        }
    }

    /// What a failure in it means.
    pub fn policy(&self) -> &'m PolicyDecl {
        match self {
            What::Task(task) => &task.policy,
            What::Map(MapView { form: Form::Map(map), .. }) => &map.policy,
            What::Map(MapView { form: Form::Shorthand(task), .. }) => &task.policy,
            What::Map(MapView { form: Form::Calls(call), .. }) | What::Call(call, _) => &call.policy,
            What::Branch(branch, _) => &branch.policy,
            What::Loop(looped, _) => &looped.policy,
        }
    }

    /// What every task in it asks for.
    pub fn resources(&self) -> &'m [(Name, Datum)] {
        match self {
            What::Map(MapView { form: Form::Map(map), .. }) => &map.resources,
            // those of a shorthand stand on its only node
            What::Task(_) | What::Map(_) => &[],
            What::Branch(branch, _) => &branch.resources,
            What::Loop(looped, _) => &looped.resources,
            What::Call(call, _) => &call.resources,
        }
    }

    /// The record that it names: `outputs`.
    pub fn outputs(&self) -> &'m [(Name, Datum)] {
        match self {
            What::Map(MapView { form: Form::Map(map), .. }) => &map.outputs,
            What::Task(_) | What::Map(_) => &[],
            What::Branch(branch, _) => &branch.outputs,
            What::Loop(looped, _) => &looped.outputs,
            What::Call(call, _) => call.called.as_ref().map_or(&[], |called| &called.outputs),
        }
    }
}

/// A map as declared: `[map.NAME]`, or what `over` on a task is short for.
pub(super) struct MapView<'m> {
    pub over: &'m OverDecl,
    pub body: BodyId,
    pub item: Arc<str>,
    pub form: Form<'m>,
}

/// How a map was written.
pub(super) enum Form<'m> {
    Map(&'m MapDecl),
    /// `over` on this task, which is the body's only node.
    Shorthand(&'m TaskDecl),
    /// `over` on this call, which is the body's only node.
    Calls(&'m CallDecl),
}

impl Form<'_> {
    /// Whether the body's only node has no name of its own.
    pub fn is_short(&self) -> bool {
        !matches!(self, Form::Map(_))
    }
}

/// A body as declared.
pub(super) struct Room<'m> {
    /// The node that holds it, and the body in which that node stands.
    pub owner: Option<(NodeId, BodyId)>,
    /// Among the world's files: the one in which its nodes are written.
    pub file: u32,
    pub depth: u32,
    pub nodes: Vec<NodeId>,
    /// Empty in the body of a shorthand: its only task has no name of its own.
    pub names: FxHashMap<&'m str, NodeId>,
}

impl<'m> World<'m> {
    pub fn declare(model: &'m Model, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut world = World {
            nodes: Arena::default(),
            bodies: Arena::default(),
            files: vec![File::new(model, None)],
            types: RefCell::default(),
            depth: Cell::new(0),
            hints: Cell::new(0),
            secrets: OnceCell::new(),
        };
        let root = world.room(None, 0);
        world.fill(root, &model.nodes, "", diagnostics);
        for (id, decl) in world.nodes.iter() {
            // the task of a shorthand has no name of its own
            if world.bodies[decl.body].names.get(&*decl.name.value) == Some(&id) {
                world.check_new_name(decl.body, decl.name, diagnostics);
            }
            if let What::Map(view) = &decl.what
                && let Some(item) = &view.over.item
                && &*item.value != "item"
            {
                world.check_item_name(decl.body, item, diagnostics);
            }
        }
        world
    }

    fn room(&mut self, owner: Option<(NodeId, BodyId)>, file: u32) -> BodyId {
        let depth = owner.map_or(0, |(_, outer)| self.bodies[outer].depth + 1);
        self.bodies.push(Room { owner, file, depth, nodes: Vec::new(), names: FxHashMap::default() })
    }

    /// The map that owns a body, as declared; `None` where the owner is none.
    pub fn owner(&self, body: BodyId) -> Option<(NodeId, &MapView<'m>)> {
        let (id, _) = self.bodies[body].owner?;
        match &self.nodes[id].what {
            What::Map(view) => Some((id, view)),
            _ => None,
        }
    }

    /// What owns a body, as declared.
    pub fn holder(&self, body: BodyId) -> Option<(NodeId, &What<'m>)> {
        let (id, _) = self.bodies[body].owner?;
        Some((id, &self.nodes[id].what))
    }

    /// The file in which the nodes of a body are written.
    pub fn file(&self, body: BodyId) -> &File<'m> {
        &self.files[self.bodies[body].file as usize]
    }

    /// The limits of all files; of equal names the first one holds, and that of the file that is run comes first.
    pub fn limits(&self) -> impl Iterator<Item = &'m (Name, Spanned<u32>)> {
        self.files.iter().flat_map(|file| &file.model.limits)
    }

    /// Whether two bodies lie in two cases of one branch, of which only one is taken.
    pub fn exclude_each_other(&self, one: BodyId, other: BodyId) -> bool {
        let mut bodies = self.outwards(one);
        bodies.any(|mine| match self.holder(mine) {
            Some((branch, What::Branch(_, cases))) if self.is_around(branch, other) => {
                self.outwards(other).any(|theirs| theirs != mine && cases.contains(&theirs))
            }
            _ => false,
        })
    }

    /// The bodies from `body` to the root.
    pub fn outwards(&self, body: BodyId) -> impl Iterator<Item = BodyId> {
        std::iter::successors(Some(body), |b| self.bodies[*b].owner.map(|(_, outer)| outer))
    }

    /// The bodies from `body` outwards whose names are seen from it: those of one file.
    pub fn visible(&self, body: BodyId) -> impl Iterator<Item = BodyId> {
        let file = self.bodies[body].file;
        self.outwards(body).take_while(move |b| self.bodies[*b].file == file)
    }

    /// Whether `node` holds `body`, or a body around it.
    pub fn is_around(&self, node: NodeId, body: BodyId) -> bool {
        self.outwards(body).any(|b| self.bodies[b].owner.is_some_and(|(owner, _)| owner == node))
    }

    fn fill(&mut self, body: BodyId, decls: &'m [NodeDecl], prefix: &str, diagnostics: &mut Vec<Diagnostic>) {
        for decl in decls {
            let name = decl.name();
            let path: Arc<str> =
                if prefix.is_empty() { name.value.clone() } else { format!("{prefix}.{}", name.value).into() };
            if let Some(first) = self.bodies[body].names.get(&*name.value) {
                let message = format!("two nodes are named `{}`", name.value);
                // nothing of it can be named
                diagnostics.push(
                    Diagnostic::error(codes::DUPLICATE_NODE, name.span, message)
                        .label("again here")
                        .also(self.nodes[*first].name.span, "first here")
                        .help("the nodes of one body share one namespace: rename one of them"),
                );
                continue;
            }
            let what = self.what(self.nodes.next_id(), body, decl);
            let id = self.add(body, name, path.clone(), what);
            self.bodies[body].names.insert(&name.value, id);
            self.descend(id, decl, &path, diagnostics);
        }
    }

    fn add(&mut self, body: BodyId, name: &'m Name, path: Arc<str>, what: What<'m>) -> NodeId {
        let slot = self.bodies[body].nodes.len() as u32;
        let id = self.nodes.push(Decl { name, path, body, slot, what });
        self.bodies[body].nodes.push(id);
        id
    }

    /// What a declared node is, which will have this id, with rooms for what it holds.
    fn what(&mut self, id: NodeId, body: BodyId, decl: &'m NodeDecl) -> What<'m> {
        let owner = Some((id, body));
        let file = self.bodies[body].file;
        let mut map = |over: &'m OverDecl, form| {
            let item = over.item.as_ref().map_or_else(|| "item".into(), |n| n.value.clone());
            What::Map(MapView { over, body: self.room(owner, file), item, form })
        };
        match decl {
            NodeDecl::Task(task) => match &task.over {
                Some(over) => map(over, Form::Shorthand(task)),
                None => What::Task(task),
            },
            NodeDecl::Map(decl) => map(&decl.over, Form::Map(decl)),
            NodeDecl::Branch(branch) => {
                let cases = branch.cases.iter().chain(&branch.default);
                What::Branch(branch, cases.map(|_| self.room(owner, file)).collect())
            }
            NodeDecl::Loop(looped) => What::Loop(looped, self.room(owner, file)),
            NodeDecl::Call(call) => match &call.over {
                Some(over) => map(over, Form::Calls(call)),
                None => self.call(id, body, call),
            },
        }
    }

    /// A call has the nodes of the called file; of one that could not be read it has none, which was said.
    fn call(&mut self, id: NodeId, body: BodyId, call: &'m CallDecl) -> What<'m> {
        let file = match &call.called {
            Some(called) => {
                self.files.push(File::new(called, Some(id)));
                self.files.len() as u32 - 1
            }
            None => self.bodies[body].file,
        };
        What::Call(call, self.room(Some((id, body)), file))
    }

    /// Fills the rooms of a node.
    fn descend(&mut self, id: NodeId, decl: &'m NodeDecl, path: &Arc<str>, diagnostics: &mut Vec<Diagnostic>) {
        let bodies = self.nodes[id].what.bodies().to_vec();
        match decl {
            NodeDecl::Task(task) => {
                if let [inner] = *bodies {
                    self.add(inner, &task.name, path.clone(), What::Task(task));
                }
            }
            NodeDecl::Map(map) => self.fill(bodies[0], &map.nodes, path, diagnostics),
            NodeDecl::Branch(branch) => {
                for (case, inner) in branch.cases.iter().chain(&branch.default).zip(bodies) {
                    self.fill(inner, &case.nodes, path, diagnostics);
                }
            }
            NodeDecl::Loop(looped) => self.fill(bodies[0], &looped.nodes, path, diagnostics),
            NodeDecl::Call(call) => {
                let mut inner = bodies[0];
                if call.over.is_some() {
                    let what = self.call(self.nodes.next_id(), inner, call);
                    let id = self.add(inner, &call.name, path.clone(), what);
                    inner = self.nodes[id].what.bodies()[0];
                }
                if let Some(called) = &call.called {
                    self.fill(inner, &called.nodes, path, diagnostics);
                }
            }
        }
        self.check_result_names(id, diagnostics);
    }

    /// A name that is new in `body` must not hide one that is seen from there. (Names that the language keeps for
    /// itself are the reader's business.)
    fn check_new_name(&self, body: BodyId, name: &Name, diagnostics: &mut Vec<Diagnostic>) {
        if let Some((span, other)) = self.hidden(body, &name.value) {
            diagnostics.push(hides(name, other, span));
        }
    }

    /// `outer` is the body in which the map stands.
    fn check_item_name(&self, outer: BodyId, item: &Name, diagnostics: &mut Vec<Diagnostic>) {
        match self.bodies[outer].names.get(&*item.value) {
            Some(node) => diagnostics.push(hides(item, "the node", self.nodes[*node].name.span)),
            None => self.check_new_name(outer, item, diagnostics),
        }
    }

    /// What stands outside `body` (or is its own item) under this name.
    fn hidden(&self, body: BodyId, name: &str) -> Option<(Span, &'static str)> {
        for inner in self.visible(body) {
            let (owner, outer) = self.bodies[inner].owner?;
            if self.bodies[outer].file != self.bodies[inner].file {
                return None;
            }
            if let What::Map(view) = &self.nodes[owner].what
                && &*view.item == name
                && let Some(item) = &view.over.item
            {
                return Some((item.span, "the item"));
            }
            if let Some(node) = self.bodies[outer].names.get(name) {
                return Some((self.nodes[*node].name.span, "the node"));
            }
        }
        None
    }

    /// A name of a result must not be that of a node of the body: from outside both would be seen under it.
    fn check_result_names(&self, id: NodeId, diagnostics: &mut Vec<Diagnostic>) {
        let Decl { name: of, what, .. } = &self.nodes[id];
        if let What::Call(..) = what {
            return;
        }
        let mut taken = |name: &Name, result: &str, label: &str| {
            let nodes = what.bodies().iter().filter_map(|body| self.bodies[*body].names.get(&*name.value));
            for node in nodes {
                let message = format!("{result} `{}` has the name of a node of the body", name.value);
                diagnostics.push(
                    Diagnostic::error(codes::SHADOWED, name.span, message)
                        .label(label)
                        .also(self.nodes[*node].name.span, "this node")
                        .help(format!("`{}.{}` could mean both: rename one of them", of.value, name.value)),
                );
            }
        };
        what.outputs().iter().for_each(|(name, _)| taken(name, "the output", "this output"));
        if let What::Loop(looped, body) = what {
            looped.carry.iter().for_each(|carry| taken(&carry.name, "what is carried as", "carried"));
            if let Some(node) = self.bodies[*body].names.get(Loop::ITERATIONS) {
                let message = "a node of a loop cannot be named `iterations`";
                diagnostics.push(
                    Diagnostic::error(codes::SHADOWED, self.nodes[*node].name.span, message)
                        .help(format!("`{}.iterations` is how many there were: rename the node", of.value)),
                );
            }
        }
    }
}

impl<'m> File<'m> {
    fn new(model: &'m Model, call: Option<NodeId>) -> Self {
        let params = model.params.iter().enumerate().map(|(i, p)| (&*p.name.value, i as u32)).collect();
        Self { model, params, call }
    }
}

fn hides(name: &Name, other: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::SHADOWED, name.span, format!("`{}` hides {other} of the same name", name.value))
        .label(format!("hides {other}"))
        .also(span, "the other one")
        .help("a name has one meaning wherever it is seen: rename one of the two")
}
