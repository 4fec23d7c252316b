//! Where instances stand, by arithmetic. Scope 0 is the root, with one item. When a map's list is known, its body gets
//! a scope: the next free ids, `first + slot * items + item`. A branch gets a scope for each case, a loop one for each
//! iteration, a call one. No edge between instances is stored.
//!
//! Knows nothing of states.

use crate::base::id::{BodyId, Id, ScopeId};
use crate::base::{Arena, InstanceId, NodeId};
use crate::engine::api::{Items, Place};
use crate::plan::{NodeKind, Plan, taken};
use rustc_hash::FxHashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// One expansion of a body.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The instance that holds it: of a map, branch, loop or call; `None` for the root.
    pub owner: Option<InstanceId>,
    /// The scope in which that instance stands, and its item there; of the root: itself.
    pub parent: (ScopeId, u32),
    /// The body.
    pub body: BodyId,
    /// The first instance.
    pub first: InstanceId,
    /// How many items.
    pub len: u32,
    /// Which iteration of a loop it is; 0 of anything else.
    pub turn: u32,
    /// The next scope of the same owner: the next case of a branch, the next iteration of a loop.
    pub next: Option<ScopeId>,
    /// The items, where they are known (a reader of a journal may not have them).
    pub list: Option<Arc<Items>>,
}

/// All scopes of a run.
#[derive(Clone)]
pub struct Space {
    plan: Arc<Plan>,
    scopes: Arena<ScopeId, Scope>,
    /// The first and the last scope of an instance.
    opened: FxHashMap<InstanceId, (ScopeId, ScopeId)>,
    next: u32,
}

/// A list so long that its instances cannot be numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The scope of the root.
pub const ROOT: ScopeId = ScopeId(0);

impl Space {
    /// The root's scope alone.
    pub fn new(plan: Arc<Plan>) -> Self {
        let next = u32::try_from(plan.bodies[BodyId(0)].nodes.len()).expect("a node has a `u32` id");
        let root = Scope {
            owner: None,
            parent: (ROOT, 0),
            body: BodyId(0),
            first: InstanceId(0),
            len: 1,
            turn: 0,
            next: None,
            list: None,
        };
        let mut scopes = Arena::default();
        scopes.push(root);
        Self { plan, scopes, opened: FxHashMap::default(), next }
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How many instances there are.
    pub fn instances(&self) -> u32 {
        self.next
    }

    /// The scopes in the order in which they were made.
    pub fn scopes(&self) -> &Arena<ScopeId, Scope> {
        &self.scopes
    }

    /// Makes the first scopes of an instance: one, or of a branch one for each case; gives the first of them.
    pub(super) fn open(&mut self, owner: InstanceId, len: u32, list: Option<Arc<Items>>) -> Result<ScopeId, TooMany> {
        let bodies = self.plan.nodes[self.place(owner).node].kind.bodies();
        let slots: u64 = bodies.iter().map(|body| self.plan.bodies[*body].nodes.len() as u64).sum();
        u32::try_from(u64::from(self.next) + slots * u64::from(len)).map_err(|_| TooMany)?;
        let first = self.scopes.next_id();
        for body in bodies {
            self.add(owner, body, len, 0, list.clone());
        }
        Ok(first)
    }

    /// Makes the scope of the next iteration of a loop that has one.
    pub(super) fn turn(&mut self, owner: InstanceId, list: Option<Arc<Items>>) -> Result<ScopeId, TooMany> {
        let Scope { body, turn, .. } = self.scopes[self.opened[&owner].1];
        let slots = self.plan.bodies[body].nodes.len() as u32;
        self.next.checked_add(slots).ok_or(TooMany)?;
        Ok(self.add(owner, body, 1, turn + 1, list))
    }

    fn add(&mut self, owner: InstanceId, body: BodyId, len: u32, turn: u32, list: Option<Arc<Items>>) -> ScopeId {
        let place = self.place(owner);
        let first = InstanceId(self.next);
        let parent = (place.scope, place.item);
        let owner = Some(owner);
        let scope = self.scopes.push(Scope { owner, parent, body, first, len, turn, next: None, list });
        self.next += self.plan.bodies[body].nodes.len() as u32 * len;
        if let Some(owner) = owner {
            let (_, last) = self.opened.entry(owner).or_insert((scope, scope));
            if *last != scope {
                self.scopes[*last].next = Some(scope);
                *last = scope;
            }
        }
        scope
    }

    /// The scope of an instance, once its list is known: of a branch that of the case that was taken (of its first
    /// case, where the list is not at hand), of a loop its last iteration.
    pub fn scope_of(&self, owner: InstanceId) -> Option<ScopeId> {
        let (first, last) = *self.opened.get(&owner)?;
        if first == last {
            return Some(first);
        }
        match &self.plan.nodes[self.place(owner).node].kind {
            NodeKind::Branch(branch) => {
                let list = self.scopes[first].list.as_ref();
                let case = list.and_then(|list| branch.case(taken(list.items())?));
                let of_case = |scope: &ScopeId| case.is_some_and(|case| self.scopes[*scope].body == case.body);
                Some(self.scopes_of(owner).find(of_case).unwrap_or(first))
            }
            _ => Some(last),
        }
    }

    /// All scopes of an instance, in order: the cases of a branch, the iterations of a loop.
    pub fn scopes_of(&self, owner: InstanceId) -> impl Iterator<Item = ScopeId> {
        let first = self.opened.get(&owner).map(|(first, _)| *first);
        std::iter::successors(first, |scope| self.scopes[*scope].next)
    }

    /// Where an instance stands. Panics beyond the last instance.
    pub fn place(&self, instance: InstanceId) -> Place {
        assert!(instance.0 < self.next, "instance {} of {}", instance.0, self.next);
        // Of scopes with one first id, all but the last are empty.
        let scope = ScopeId::from_index(self.scopes.as_slice().partition_point(|s| s.first <= instance) - 1);
        let s = &self.scopes[scope];
        let offset = instance.0 - s.first.0;
        let node = self.plan.bodies[s.body].nodes[(offset / s.len) as usize];
        Place { node, scope, item: offset % s.len }
    }

    /// The instance of a body's slot for one item.
    pub fn at(&self, scope: ScopeId, slot: u32, item: u32) -> InstanceId {
        let s = &self.scopes[scope];
        InstanceId(s.first.0 + slot * s.len + item)
    }

    /// The instance of `node`, which stands in the body of `scope`.
    pub fn instance(&self, scope: ScopeId, node: NodeId, item: u32) -> InstanceId {
        self.at(scope, self.plan.nodes[node].slot, item)
    }

    /// The scope and item `up` bodies further out.
    pub fn out(&self, mut scope: ScopeId, mut item: u32, up: u32) -> (ScopeId, u32) {
        for _ in 0..up {
            (scope, item) = self.scopes[scope].parent;
        }
        (scope, item)
    }

    /// The scopes below one item of a scope, through these bodies, outermost first; those that exist.
    pub(super) fn below(&self, scope: ScopeId, item: u32, through: &[BodyId], found: &mut Vec<ScopeId>) {
        let Some((body, deeper)) = through.split_first() else { return };
        let owner = self.plan.bodies[*body].owner.expect("a body that is not the root has an owner");
        for inner in self.scopes_of(self.instance(scope, owner, item)) {
            if self.scopes[inner].body != *body {
                continue;
            }
            if deeper.is_empty() {
                found.push(inner);
            } else {
                for item in 0..self.scopes[inner].len {
                    self.below(inner, item, deeper, found);
                }
            }
        }
    }

    /// Whether an item is null, so that it is skipped.
    pub(super) fn is_null(&self, scope: ScopeId, item: u32) -> bool {
        let list = self.scopes[scope].list.as_ref();
        list.is_some_and(|list| list.items().get(item as usize).is_some_and(|value| value.is_null()))
    }

    /// The name of an instance: `gen_data`, `process_data[17].compute`, `align[NA12878]`, `train[3].fit`, `qc.trim`.
    pub fn name(&self, instance: InstanceId) -> String {
        let place = self.place(instance);
        let mut name = String::new();
        self.write_items(&mut name, place.scope, place.item);
        self.write_name(&mut name, place.node);
        name
    }

    /// The one node of a shorthand has the name of its map, which stands there already.
    fn write_name(&self, name: &mut String, node: NodeId) {
        let node = &self.plan.nodes[node];
        let owner = self.plan.bodies[node.body].owner.and_then(|owner| self.plan.nodes[owner].kind.as_map());
        if owner.is_none_or(|map| !map.shorthand) {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&node.name);
        }
    }

    fn write_items(&self, name: &mut String, scope: ScopeId, item: u32) {
        let s = &self.scopes[scope];
        let Some(owner) = s.owner else { return };
        self.write_items(name, s.parent.0, s.parent.1);
        let node = self.place(owner).node;
        self.write_name(name, node);
        let written = match &self.plan.nodes[node].kind {
            NodeKind::Map(_) => match s.list.as_ref().and_then(|list| list.keys().get(item as usize)) {
                Some(key) => write!(name, "[{key}]"),
                None => write!(name, "[{item}]"),
            },
            NodeKind::Loop(_) => write!(name, "[{}]", s.turn),
            NodeKind::Branch(_) | NodeKind::Call(_) | NodeKind::Task(_) => Ok(()),
        };
        written.expect("text takes all");
    }
}
