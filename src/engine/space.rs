//! Where instances stand, by arithmetic. Scope 0 is the root, with one item. When a map's list is known, its body gets
//! a scope: the next free ids, `first + slot * items + item`. No edge between instances is stored.
//!
//! Knows nothing of states.

use crate::base::id::{BodyId, Id, ScopeId};
use crate::base::{Arena, InstanceId, NodeId};
use crate::engine::api::{Items, Place};
use crate::plan::{NodeKind, Plan};
use rustc_hash::FxHashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// One expansion of a body.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The map's instance; `None` for the root.
    pub map: Option<InstanceId>,
    /// The scope in which the map's instance stands, and its item there; of the root: itself.
    pub parent: (ScopeId, u32),
    /// The body.
    pub body: BodyId,
    /// The first instance.
    pub first: InstanceId,
    /// How many items.
    pub len: u32,
    /// The items, where they are known (a reader of a journal may not have them).
    pub list: Option<Arc<Items>>,
}

/// All scopes of a run.
#[derive(Clone)]
pub struct Space {
    plan: Arc<Plan>,
    scopes: Arena<ScopeId, Scope>,
    opened: FxHashMap<InstanceId, ScopeId>,
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
        let root = Scope { map: None, parent: (ROOT, 0), body: BodyId(0), first: InstanceId(0), len: 1, list: None };
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

    /// Makes the scope of a map's instance.
    pub(super) fn open(&mut self, map: InstanceId, len: u32, list: Option<Arc<Items>>) -> Result<ScopeId, TooMany> {
        let place = self.place(map);
        let NodeKind::Map(node) = &self.plan.nodes[place.node].kind else { unreachable!("only maps have lists") };
        let slots = self.plan.bodies[node.body].nodes.len() as u64;
        let next = u32::try_from(u64::from(self.next) + slots * u64::from(len)).map_err(|_| TooMany)?;
        let scope = self.scopes.push(Scope {
            map: Some(map),
            parent: (place.scope, place.item),
            body: node.body,
            first: InstanceId(self.next),
            len,
            list,
        });
        self.next = next;
        self.opened.insert(map, scope);
        Ok(scope)
    }

    /// The scope of a map's instance, once its list is known.
    pub fn scope_of(&self, map: InstanceId) -> Option<ScopeId> {
        self.opened.get(&map).copied()
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

    /// The scopes below one item of a scope, through these maps, outermost first; those that exist.
    pub(super) fn below(&self, scope: ScopeId, item: u32, through: &[NodeId], found: &mut Vec<ScopeId>) {
        let Some((map, deeper)) = through.split_first() else { return };
        let Some(inner) = self.scope_of(self.instance(scope, *map, item)) else { return };
        if deeper.is_empty() {
            found.push(inner);
        } else {
            for item in 0..self.scopes[inner].len {
                self.below(inner, item, deeper, found);
            }
        }
    }

    /// Whether an item is null, so that it is skipped.
    pub(super) fn is_null(&self, scope: ScopeId, item: u32) -> bool {
        let list = self.scopes[scope].list.as_ref();
        list.is_some_and(|list| list.items().get(item as usize).is_some_and(|value| value.is_null()))
    }

    /// The name of an instance: `gen_data`, `process_data[17].compute`, `align[NA12878]`.
    pub fn name(&self, instance: InstanceId) -> String {
        let place = self.place(instance);
        let mut name = String::new();
        self.write_items(&mut name, place.scope, place.item);
        let owner = self.plan.bodies[self.scopes[place.scope].body].owner;
        let shorthand = owner.is_some_and(|map| matches!(&self.plan.nodes[map].kind, NodeKind::Map(m) if m.shorthand));
        if !shorthand {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&self.plan.nodes[place.node].name);
        }
        name
    }

    fn write_items(&self, name: &mut String, scope: ScopeId, item: u32) {
        let s = &self.scopes[scope];
        let Some(map) = s.map else { return };
        self.write_items(name, s.parent.0, s.parent.1);
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&self.plan.nodes[self.place(map).node].name);
        let written = match s.list.as_ref().and_then(|list| list.keys().get(item as usize)) {
            Some(key) => write!(name, "[{key}]"),
            None => write!(name, "[{item}]"),
        };
        written.expect("text takes all");
    }
}
