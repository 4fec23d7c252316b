//! First look at a model: which nodes and bodies there are, and what each name of a body stands for.
//! Knows no expression; finds only names that stand twice, hide others or belong to the language.

use super::model::Ty;
use crate::base::id::BodyId;
use crate::base::{Arena, NodeId};
use crate::diag::{Diagnostic, Span, codes};
use crate::lang::model::{MapDecl, Model, Name, NodeDecl, OverDecl, TaskDecl, Text};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

/// Every node and body of a model, not yet checked.
pub(super) struct World<'m> {
    pub model: &'m Model,
    pub nodes: Arena<NodeId, Decl<'m>>,
    pub bodies: Arena<BodyId, Room<'m>>,
    pub params: FxHashMap<&'m str, u32>,
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

/// What is declared.
pub(super) enum What<'m> {
    Task(&'m TaskDecl),
    Map(MapView<'m>),
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
}

/// A body as declared.
pub(super) struct Room<'m> {
    /// The map that owns it, and the body in which that map stands.
    pub owner: Option<(NodeId, BodyId)>,
    pub depth: u32,
    pub nodes: Vec<NodeId>,
    /// Empty in the body of a shorthand: its only task has no name of its own.
    pub names: FxHashMap<&'m str, NodeId>,
}

impl<'m> World<'m> {
    pub fn declare(model: &'m Model, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let params = model.params.iter().enumerate().map(|(i, p)| (&*p.name.value, i as u32)).collect();
        let mut world = World {
            model,
            nodes: Arena::default(),
            bodies: Arena::default(),
            params,
            types: RefCell::default(),
            depth: Cell::new(0),
            hints: Cell::new(0),
            secrets: OnceCell::new(),
        };
        let root = world.bodies.push(Room { owner: None, depth: 0, nodes: Vec::new(), names: FxHashMap::default() });
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

    /// The map that owns a body, as declared.
    pub fn owner(&self, body: BodyId) -> Option<(NodeId, &MapView<'m>)> {
        let (id, _) = self.bodies[body].owner?;
        match &self.nodes[id].what {
            What::Map(view) => Some((id, view)),
            What::Task(_) => None,
        }
    }

    /// The bodies from `body` to the root.
    pub fn outwards(&self, body: BodyId) -> impl Iterator<Item = BodyId> {
        std::iter::successors(Some(body), |b| self.bodies[*b].owner.map(|(_, outer)| outer))
    }

    /// Whether `node` is a map around `body`.
    pub fn is_around(&self, node: NodeId, body: BodyId) -> bool {
        self.outwards(body).any(|b| self.bodies[b].owner.is_some_and(|(owner, _)| owner == node))
    }

    fn fill(&mut self, body: BodyId, decls: &'m [NodeDecl], prefix: &str, diagnostics: &mut Vec<Diagnostic>) {
        for decl in decls {
            let name = decl.name();
            let path: Arc<str> =
                if prefix.is_empty() { name.value.clone() } else { format!("{prefix}.{}", name.value).into() };
            let Some(id) = self.enter(body, name, &path, decl, diagnostics) else { continue };
            let Some(view) = self.map_body(id) else { continue };
            match decl {
                NodeDecl::Map(map) => {
                    self.fill(view, &map.nodes, &path, diagnostics);
                    self.check_result_names(view, map, diagnostics);
                }
                NodeDecl::Branch(_) | NodeDecl::Loop(_) | NodeDecl::Call(_) => {}
                NodeDecl::Task(task) => {
                    let slot = self.bodies[view].nodes.len() as u32;
                    let inner = Decl { name: &task.name, path, body: view, slot, what: What::Task(task) };
                    let inner = self.nodes.push(inner);
                    self.bodies[view].nodes.push(inner);
                }
            }
        }
    }

    fn map_body(&self, id: NodeId) -> Option<BodyId> {
        match &self.nodes[id].what {
            What::Map(view) => Some(view.body),
            What::Task(_) => None,
        }
    }

    /// Adds one node; `None` when its name is taken in this body, so that nothing of it can be named.
    fn enter(
        &mut self,
        body: BodyId,
        name: &'m Name,
        path: &Arc<str>,
        decl: &'m NodeDecl,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<NodeId> {
        if let Some(first) = self.bodies[body].names.get(&*name.value) {
            diagnostics.push(
                Diagnostic::error(codes::DUPLICATE_NODE, name.span, format!("two nodes are named `{}`", name.value))
                    .label("again here")
                    .also(self.nodes[*first].name.span, "first here")
                    .help("the nodes of one body share one namespace: rename one of them"),
            );
            return None;
        }
        let (over, form) = match decl {
            NodeDecl::Map(map) => (Some(&map.over), Some(Form::Map(map))),
            NodeDecl::Task(task) => (task.over.as_deref(), task.over.as_ref().map(|_| Form::Shorthand(task))),
            NodeDecl::Branch(_) | NodeDecl::Loop(_) | NodeDecl::Call(_) => (None, None),
        };
        let id = self.nodes.next_id();
        let what = match (over, form, decl) {
            (Some(over), Some(form), _) => {
                let depth = self.bodies[body].depth + 1;
                let room = Room { owner: Some((id, body)), depth, nodes: Vec::new(), names: FxHashMap::default() };
                let inner = self.bodies.push(room);
                let item = over.item.as_ref().map_or_else(|| "item".into(), |n| n.value.clone());
                What::Map(MapView { over, body: inner, item, form })
            }
            (_, _, NodeDecl::Task(task)) => What::Task(task),
            (_, _, NodeDecl::Map(_)) => unreachable!("a map always has `over`"),
            (_, _, NodeDecl::Branch(_) | NodeDecl::Loop(_) | NodeDecl::Call(_)) => {
                let message = "branches, loops and calls are part of the language, but not of this version";
                let d = Diagnostic::error(codes::NOT_YET, name.span, message);
                diagnostics.push(d.help("leave it out for now"));
                return None;
            }
        };
        let slot = self.bodies[body].nodes.len() as u32;
        self.nodes.push(Decl { name, path: path.clone(), body, slot, what });
        let room = &mut self.bodies[body];
        room.nodes.push(id);
        room.names.insert(&name.value, id);
        Some(id)
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
        for inner in self.outwards(body) {
            let (owner, view) = self.owner(inner)?;
            if &*view.item == name
                && let Some(item) = &view.over.item
            {
                return Some((item.span, "the item"));
            }
            let outer = self.nodes[owner].body;
            if let Some(node) = self.bodies[outer].names.get(name) {
                return Some((self.nodes[*node].name.span, "the node"));
            }
        }
        None
    }

    fn check_result_names(&self, body: BodyId, map: &MapDecl, diagnostics: &mut Vec<Diagnostic>) {
        for (name, _) in &map.outputs {
            if let Some(node) = self.bodies[body].names.get(&*name.value) {
                diagnostics.push(
                    Diagnostic::error(
                        codes::SHADOWED,
                        name.span,
                        format!("the output `{}` has the name of a node of the body", name.value),
                    )
                    .label("this output")
                    .also(self.nodes[*node].name.span, "this node")
                    .help(format!("`{}.{}` could mean both: rename one of them", map.name.value, name.value)),
                );
            }
        }
    }
}

fn hides(name: &Name, other: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::SHADOWED, name.span, format!("`{}` hides {other} of the same name", name.value))
        .label(format!("hides {other}"))
        .also(span, "the other one")
        .help("a name has one meaning wherever it is seen: rename one of the two")
}
