//! What is known of the type of an expression before anything has run.
//! Only what is certain counts: a name alone in its string has the type of what it names, anything else has none.

use super::declare::{What, World};
use super::model::Ty;
use super::resolve::Site;
use super::words::Place;
use crate::base::id::BodyId;
use crate::base::{NodeId, Value};
use crate::lang::expr::{Template, Use};
use crate::lang::model::{Datum, Name, Source, TaskDecl, Text};
use crate::lang::types::Type;

impl Ty {
    /// "a list", "an int": for a sentence.
    pub(super) fn described(&self) -> &'static str {
        match self {
            Ty::Any => "any value",
            Ty::Bool => "a bool",
            Ty::Int => "an int",
            Ty::Float => "a float",
            Ty::String => "a string",
            Ty::Path => "a path",
            Ty::List(_) => "a list",
            Ty::Map(_) | Ty::Record(_) => "a record",
        }
    }

    /// As a declaration would have it; `None` where nothing is known.
    pub(super) fn declared(&self) -> Option<Type> {
        Some(match self {
            Ty::Any => return None,
            Ty::Bool => Type::Bool,
            Ty::Int => Type::Int,
            Ty::Float => Type::Float,
            Ty::String => Type::String,
            Ty::Path => Type::Path,
            Ty::List(of) => Type::List(Box::new(of.declared().unwrap_or(Type::Json))),
            Ty::Map(of) => Type::Map(Box::new(of.declared().unwrap_or(Type::Json))),
            Ty::Record(_) => Type::Map(Box::new(Type::Json)),
        })
    }

    /// The type that covers both.
    pub(super) fn join(self, other: Ty) -> Ty {
        match (self, other) {
            (a, b) if a == b => a,
            (Ty::List(a), Ty::List(b)) => Ty::List(Box::new(a.join(*b))),
            _ => Ty::Any,
        }
    }

    fn of(value: &Value) -> Ty {
        match value {
            Value::Null => Ty::Any,
            Value::Bool(_) => Ty::Bool,
            Value::Int(_) => Ty::Int,
            Value::Float(_) => Ty::Float,
            Value::Str(_) | Value::Bytes(_) => Ty::String,
            Value::List(items) => Ty::List(Box::new(all(items.iter().map(Ty::of)))),
            Value::Map(entries) => Ty::Record(entries.iter().map(|(n, v)| (n.clone(), Ty::of(v))).collect()),
        }
    }
}

/// The type that covers all of them; of none: anything.
fn all(mut types: impl Iterator<Item = Ty>) -> Ty {
    match types.next() {
        Some(first) => types.fold(first, Ty::join),
        None => Ty::Any,
    }
}

impl<'m> World<'m> {
    /// What every resource of a task is declared as, the innermost declaration winning; in the order of first mention
    /// from the outside in.
    pub fn resources<'a>(&'a self, body: BodyId, task: &'a TaskDecl) -> Vec<(&'a Name, &'a Datum)> {
        let mut found: Vec<(&Name, &Datum)> = Vec::new();
        let mut layers: Vec<&[(Name, Datum)]> = vec![&task.resources];
        for body in self.outwards(body) {
            match self.holder(body) {
                Some((_, what)) => {
                    // what a called file says for all of its tasks wins over its caller
                    if self.file(body).call.is_some() && matches!(what, What::Call(..)) {
                        layers.push(&self.file(body).model.resources);
                    }
                    layers.push(what.resources());
                }
                None => layers.push(&self.file(body).model.resources),
            }
        }
        for (name, datum) in layers.iter().rev().flat_map(|layer| layer.iter()) {
            match found.iter_mut().find(|(n, _)| n.value == name.value) {
                Some(entry) => *entry = (name, datum),
                None => found.push((name, datum)),
            }
        }
        found
    }

    /// The type of a string: of `{{ name }}` the name's, of `{{ 3 }}` the value's, of any other expression unknown, else
    /// text.
    pub fn template_ty(&self, site: &Site<'m>, template: &Template) -> Ty {
        match template.as_path() {
            Some(read) => self.resolve(site, template.source(), read).map_or(Ty::Any, |found| found.ty),
            None if template.is_single() => template.as_constant().map_or(Ty::Any, Ty::of),
            None => Ty::String,
        }
    }

    fn text_ty(&self, site: &Site<'m>, text: &Text) -> Ty {
        if !text.value.contains("{{") {
            return Ty::String;
        }
        if let Some(known) = self.types.borrow().get(&std::ptr::from_ref(text)) {
            return known.clone();
        }
        // Types are found by following names from string to string. A cycle ends at this mark, and a long chain at the
        // limit, for the stack's sake; whoever looks for cycles reports them.
        const DEEPEST: u32 = 100;
        self.types.borrow_mut().insert(text, Ty::Any);
        if self.depth.get() == DEEPEST {
            return Ty::Any;
        }
        self.depth.set(self.depth.get() + 1);
        let template = Template::compile(text, Use::Value, &mut Vec::new());
        let ty = template.map_or(Ty::Any, |template| self.template_ty(site, &template));
        self.depth.set(self.depth.get() - 1);
        self.types.borrow_mut().insert(text, ty.clone());
        ty
    }

    pub fn datum_ty(&self, site: &Site<'m>, datum: &Datum) -> Ty {
        match datum {
            Datum::Plain(plain) => Ty::of(&plain.value),
            Datum::Text(text) => self.text_ty(site, text),
            Datum::List(items) => Ty::List(Box::new(all(items.value.iter().map(|item| self.datum_ty(site, item))))),
            Datum::Map(entries) => {
                Ty::Record(entries.value.iter().map(|(n, v)| (n.value.clone(), self.datum_ty(site, v))).collect())
            }
        }
    }

    /// An input is one path, or a list of them when it is a list, a glob or reads a list.
    pub fn input_ty(&self, site: &Site<'m>, datum: &Datum) -> Ty {
        let list = || Ty::List(Box::new(Ty::Path));
        match datum {
            Datum::Text(text) if super::paths::is_glob(&text.value) => list(),
            Datum::Text(_) => match self.datum_ty(&Site { place: Place::Inputs, ..*site }, datum) {
                Ty::List(_) => list(),
                Ty::Any => Ty::Any,
                _ => Ty::Path,
            },
            // fetched
            Datum::Map(_) => Ty::Path,
            _ => list(),
        }
    }

    /// The type of the items of a source; `None`: it is certainly no list.
    pub fn element_ty(&self, site: &Site<'m>, source: &Source) -> Option<Ty> {
        Some(match source {
            Source::Value(datum) => match self.datum_ty(site, datum) {
                Ty::List(of) => *of,
                Ty::Any => Ty::Any,
                _ => return None,
            },
            Source::Range(_) => Ty::Int,
            Source::Glob(_) => Ty::Path,
            Source::Lines(_) => Ty::String,
            Source::Csv(_) | Source::Tsv(_) => Ty::Map(Box::new(Ty::String)),
            Source::Jsonl(_) => Ty::Any,
            Source::Product(axes) | Source::Zip(axes) => Ty::Record(
                axes.iter()
                    .map(|(n, axis)| (n.value.clone(), self.element_ty(site, axis).unwrap_or_default()))
                    .collect(),
            ),
        })
    }

    fn map_site(&self, map: NodeId, place: Place) -> Site<'m> {
        Site { body: self.nodes[map].body, node: Some(map), task: None, place }
    }

    /// The type of an item as the source gives it, as `where` and `group_by` see it.
    pub fn raw_item_ty(&self, map: NodeId) -> Ty {
        let What::Map(view) = &self.nodes[map].what else { return Ty::Any };
        self.element_ty(&self.map_site(map, Place::Over), &view.over.source).unwrap_or_default()
    }

    /// The type of an item as `key` and the body see it.
    pub fn item_ty(&self, map: NodeId) -> Ty {
        let What::Map(view) = &self.nodes[map].what else { return Ty::Any };
        let mut ty = self.raw_item_ty(map);
        if let Some(group) = &view.over.group_by {
            let key = self.text_ty(&self.map_site(map, Place::PerItem("group_by")), group);
            ty = Ty::Record(vec![("key".into(), key), ("members".into(), Ty::List(Box::new(ty)))]);
        }
        if view.over.chunk.is_some() {
            ty = Ty::List(Box::new(ty));
        }
        ty
    }

    /// The type of what a loop carries: what is known of it by its first value or by the next ones.
    pub fn carry_ty(&self, node: NodeId, at: usize) -> Ty {
        let What::Loop(looped, body) = &self.nodes[node].what else { return Ty::Any };
        let carry = &looped.carry[at];
        let init = self.datum_ty(&self.map_site(node, Place::Init), &carry.init);
        let next =
            self.datum_ty(&Site { body: *body, node: Some(node), task: None, place: Place::Turn("next") }, &carry.next);
        match (init, next) {
            (Ty::Any, known) | (known, Ty::Any) => known,
            // text as it stands in the file may be a path to begin with
            (Ty::String, Ty::Path) | (Ty::Path, Ty::String) => Ty::Path,
            (init, next) => init.join(next),
        }
    }

    /// The type of one of a node's own results (see [`World::result_names`]), for one item.
    pub fn result_ty(&self, node: NodeId, at: usize) -> Ty {
        let what = &self.nodes[node].what;
        let outputs = what.outputs();
        let Some((_, datum)) = outputs.get(at) else {
            return match what {
                What::Loop(looped, _) if at - outputs.len() < looped.carry.len() => {
                    self.carry_ty(node, at - outputs.len())
                }
                _ => Ty::Int,
            };
        };
        let Some(body) = what.bodies().first() else { return Ty::Any };
        self.datum_ty(&Site { body: *body, node: Some(node), task: None, place: Place::MapOutputs }, datum)
    }

    /// The type of the record of a node's own results, for one item.
    pub fn results_ty(&self, node: NodeId) -> Ty {
        let names = self.result_names(node).into_iter().enumerate();
        Ty::Record(names.map(|(i, name)| (name.into(), self.result_ty(node, i))).collect())
    }
}
