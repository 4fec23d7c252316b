//! Compiles the strings of one node and collects what they read: the values that the engine must hand over, the
//! task's own things, and the nodes that must have ended before.

use super::declare::World;
use super::model::{From, Local, Read, Reads, Shape, Ty};
use super::resolve::{self, Found, Site, Target};
use super::words::Place;
use crate::base::{NodeId, Value};
use crate::diag::{Diagnostic, Span};
use crate::lang::expr::{Names, PathRead, Template, Use};
use crate::lang::model::{Datum, TaskDecl, Text};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// What the check of a whole file finds, beside the nodes themselves.
#[derive(Default)]
pub(super) struct Findings {
    pub diagnostics: Vec<Diagnostic>,
    /// Params that something reads, with the file that declares them.
    pub used_params: FxHashSet<(u32, Arc<str>)>,
    pub edges: Vec<Edge>,
    /// Outputs that are read by their paths.
    pub taken: Vec<super::edges::Taken>,
    /// Nodes with a string that could not be understood: what they read is not fully known.
    pub broken: FxHashSet<NodeId>,
}

/// One reason why a node waits for another.
pub(super) struct Edge {
    pub reader: NodeId,
    pub node: NodeId,
    pub up: u32,
    pub tolerates_skip: bool,
    /// Where the reason is written.
    pub span: Span,
    pub why: Why,
}

/// The kind of an edge's reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A name in an expression.
    Reads,
    /// `after`.
    After,
    /// A path that the other declares.
    Path,
    /// A path that the other may declare, if a value has a `/` in it: no reason for a cycle.
    MaybePath,
}

/// What the strings of one key read.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// The task's own things.
    pub locals: Vec<Local>,
    /// `resources`, `attempt`, `run`, `project`: their places.
    pub words: Vec<(Arc<str>, Span)>,
    /// Values of the run.
    pub from: Vec<From>,
}

impl Seen {
    pub fn add(&mut self, other: Seen) {
        self.locals.extend(other.locals);
        self.words.extend(other.words);
        self.from.extend(other.from);
    }
}

/// Collects for one set of names.
pub(super) struct Gather<'w, 'm> {
    pub world: &'w World<'m>,
    site: Site<'m>,
    entries: Vec<Entry>,
    by_path: FxHashMap<Vec<Arc<str>>, usize>,
    own: Vec<Vec<Arc<str>>>,
}

struct Entry {
    read: Read,
    path: Vec<Arc<str>>,
}

impl<'w, 'm> Gather<'w, 'm> {
    /// For expressions looked up from `body`.
    pub fn new(
        world: &'w World<'m>,
        body: crate::base::id::BodyId,
        node: Option<NodeId>,
        task: Option<&'m TaskDecl>,
    ) -> Self {
        let site = Site { body, node, task, place: Place::Command };
        Self { world, site, entries: Vec::new(), by_path: FxHashMap::default(), own: Vec::new() }
    }

    pub fn site(&self, place: Place) -> Site<'m> {
        Site { place, ..self.site }
    }

    /// Compiles one string. A string with mistakes gives an empty template: they have been noted.
    pub fn template(&mut self, place: Place, usage: Use, text: &Text, found: &mut Findings) -> (Template, Seen) {
        let mut seen = Seen::default();
        let Some(template) = Template::compile(text, usage, &mut found.diagnostics) else {
            found.broken.extend(self.site.node);
            return (blank(text), seen);
        };
        if template.as_literal().is_none() {
            let mut types = Vec::new();
            for read in template.reads() {
                match self.world.resolve(&self.site(place), text, &read) {
                    Ok(meaning) => {
                        types.push((read.path.clone(), meaning.ty.declared()));
                        self.read(place, text, &read, meaning, &mut seen, found);
                    }
                    Err(diagnostic) => {
                        found.broken.extend(self.site.node);
                        found.diagnostics.push(diagnostic);
                    }
                }
            }
            let type_of = |path: &[Arc<str>]| types.iter().find(|(p, _)| p == path)?.1.clone();
            template.check_types(&type_of, &mut found.diagnostics);
        }
        (template, seen)
    }

    fn read(
        &mut self,
        place: Place,
        text: &Text,
        read: &PathRead,
        meaning: Found,
        seen: &mut Seen,
        found: &mut Findings,
    ) {
        let span = text.span_of(read.range.clone());
        match meaning.target {
            Target::Own => {}
            Target::Local(local) => {
                self.own.push(read.path[..meaning.parts].to_vec());
                // its own `env.X` is the driver's X
                seen.locals.extend(local);
                if &*read.path[0] == "resources" {
                    seen.words.push((read.path[0].clone(), span));
                }
            }
            Target::Word => {
                self.own.push(read.path[..meaning.parts].to_vec());
                seen.words.push((read.path[0].clone(), span));
            }
            Target::Engine(ref from) => {
                if &*read.path[0] == "params" {
                    found.used_params.insert((self.world.bodies[self.site.body].file, read.path[1].clone()));
                }
                for (node, up) in from.nodes() {
                    self.edge(node, up, read.tolerates_null, span, Why::Reads, found);
                }
                seen.from.push(from.clone());
                let fields = resolve::fields_of(read, &meaning);
                self.enter(read.path.clone(), from.clone(), fields, meaning.ty, keyed(place));
            }
        }
    }

    /// A value that something other than an expression reads: an item for `$FLOWRUN_VARS`.
    pub fn enter(&mut self, path: Vec<Arc<str>>, from: From, fields: Vec<Arc<str>>, ty: Ty, keyed: bool) {
        if let Some(at) = self.by_path.get(&path) {
            self.entries[*at].read.keyed |= keyed;
            return;
        }
        self.by_path.insert(path.clone(), self.entries.len());
        let name = path.join(".").into();
        self.entries.push(Entry { read: Read { name, from, path: fields, ty, keyed }, path });
    }

    /// The node that collects waits for `node`, which stands `up` bodies out from the expression.
    pub fn edge(&self, node: NodeId, up: u32, tolerates_skip: bool, span: Span, why: Why, found: &mut Findings) {
        let Some(reader) = self.site.node else { return };
        // the outputs of a map stand in its body, and the map ends after its body anyway
        let outside = self.world.nodes[reader].body != self.site.body;
        let up = match (outside, up) {
            (true, 0) => return,
            (true, up) => up - 1,
            (false, up) => up,
        };
        found.edges.push(Edge { reader, node, up, tolerates_skip, span, why });
    }

    /// A value of the file with templates in it.
    pub fn shape(&mut self, place: Place, datum: &Datum, found: &mut Findings) -> (Shape, Seen) {
        match datum {
            Datum::Plain(plain) => (Shape::Plain(plain.value.clone()), Seen::default()),
            Datum::Text(text) => {
                let (template, seen) = self.template(place, Use::Value, text, found);
                match template.as_literal() {
                    Some(literal) => (Shape::Plain(Value::str(literal)), seen),
                    None => (Shape::Template(template), seen),
                }
            }
            Datum::List(items) => {
                let mut seen = Seen::default();
                let items = items.value.iter().map(|item| {
                    let (shape, more) = self.shape(place, item, found);
                    seen.add(more);
                    shape
                });
                let items: Vec<Shape> = items.collect();
                (plain_list(items), seen)
            }
            Datum::Map(entries) => {
                let mut seen = Seen::default();
                let entries = entries.value.iter().map(|(name, value)| {
                    let (shape, more) = self.shape(place, value, found);
                    seen.add(more);
                    (name.value.clone(), shape)
                });
                let entries: Vec<(Arc<str>, Shape)> = entries.collect();
                (plain_map(entries), seen)
            }
        }
    }

    /// A number, boolean or string as a template.
    pub fn scalar(&mut self, place: Place, datum: &Datum, found: &mut Findings) -> (Template, Seen) {
        match datum {
            Datum::Text(text) => self.template(place, Use::Value, text, found),
            _ => {
                let span = datum.span();
                let value = match datum.literal() {
                    Value::Str(text) => text,
                    value => value.to_json().into(),
                };
                self.template(place, Use::Value, &Text { value, span, offsets: None, body: span.start }, found)
            }
        }
    }

    /// What was collected: the names, one for each read, then the task's own.
    pub fn finish(self) -> (Arc<Names>, Reads) {
        let mut reads: Reads = Vec::new();
        let mut paths: Vec<Vec<Arc<str>>> = Vec::new();
        let mut raised: Vec<usize> = Vec::new();
        // Of two names of one value the shorter one is read. (`m` and `m.align.bam` are two: a list of records, and a list.)
        let whole = |entry: &Entry| {
            let mut shorter = (1..entry.path.len()).filter_map(|len| self.by_path.get(&entry.path[..len]).copied());
            let same = |whole: &Read| whole.from == entry.read.from || is_field(whole, &entry.read);
            shorter.find(|at| same(&self.entries[*at].read))
        };
        let wholes: Vec<Option<usize>> = self.entries.iter().map(whole).collect();
        for (entry, whole) in self.entries.iter().zip(&wholes) {
            raised.extend(whole.filter(|_| entry.read.keyed));
        }
        for (i, mut entry) in self.entries.into_iter().enumerate() {
            if wholes[i].is_some() {
                continue;
            }
            entry.read.keyed |= raised.contains(&i);
            reads.push(entry.read);
            paths.push(entry.path);
        }
        let own: FxHashSet<&[Arc<str>]> = self.own.iter().map(Vec::as_slice).collect();
        let begun = |path: &[Arc<str>]| (1..path.len()).any(|len| own.contains(&path[..len]));
        paths.extend(self.own.iter().filter(|path| !begun(path)).cloned());
        (Arc::new(Names::keeping(paths)), reads)
    }
}

/// Whether `part` is a field of the record that `whole` is: an output that a branch, loop or call gives itself.
fn is_field(whole: &Read, part: &Read) -> bool {
    let whole_of = |from: &From| match from.clone() {
        From::Output { node, up, inner, .. } => From::Output { node, up, inner, output: None },
        other => other,
    };
    matches!(whole.ty, Ty::Record(_)) && whole.from == whole_of(&part.from)
}

/// Whether what this place reads belongs to the key.
fn keyed(place: Place) -> bool {
    !matches!(place, Place::When | Place::Resources)
}

/// An empty template in place of one with mistakes.
pub(super) fn blank(text: &Text) -> Template {
    let text = Text { value: "".into(), span: text.span, offsets: None, body: text.body };
    Template::compile(&text, Use::Value, &mut Vec::new()).expect("an empty string has no mistakes")
}

fn plain_list(items: Vec<Shape>) -> Shape {
    if !items.iter().all(|item| matches!(item, Shape::Plain(_))) {
        return Shape::List(items);
    }
    let plain = items.into_iter().filter_map(|item| match item {
        Shape::Plain(value) => Some(value),
        _ => None,
    });
    Shape::Plain(Value::list(plain.collect()))
}

fn plain_map(entries: Vec<(Arc<str>, Shape)>) -> Shape {
    if !entries.iter().all(|(_, item)| matches!(item, Shape::Plain(_))) {
        return Shape::Map(entries);
    }
    let plain = entries.into_iter().filter_map(|(name, item)| match item {
        Shape::Plain(value) => Some((name, value)),
        _ => None,
    });
    Shape::Plain(Value::map(plain.collect()))
}
