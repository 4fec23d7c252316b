//! Edges by paths: who declares a path, who reads one, and which two declare the same.

use super::declare::{What, World};
use super::gather::{Edge, Findings, Why};
use super::model::{From, Local, Param};
use super::params::Given;
use super::paths::{Index, Match, Pattern, is_glob};
use super::resolve::{Site, Target};
use super::words::Place;
use crate::base::id::BodyId;
use crate::base::{NodeId, Value};
use crate::diag::{Diagnostic, Span, codes};
use crate::lang::expr::{Known, Template, Use};
use crate::lang::model::{Datum, OutputKind, Source, TaskDecl, Text};
use rustc_hash::FxHashMap;
use std::cell::RefCell;

/// The folder in a project that is not a task's.
const STATE: &str = ".flowrun";

/// A declared path.
struct Producer {
    node: NodeId,
    span: Span,
    pattern: Pattern,
    dir: bool,
    /// Whether it stands for several files.
    files: bool,
    /// Which of the task's outputs it is.
    output: u32,
}

impl Producer {
    /// As it is written; with `{{ … }}` in it.
    fn text(&self, world: &World<'_>) -> String {
        let What::Task(task) = &world.nodes[self.node].what else { return String::new() };
        let path = task.outputs.iter().filter_map(|output| output.kind.path()).find(|text| text.span == self.span);
        path.map_or_else(String::new, |text| text.value.trim_end_matches('/').to_owned())
    }
}

/// An output that is read by its path.
pub(super) struct Taken {
    pub reader: NodeId,
    /// The task that makes it, and which of its outputs it is.
    pub task: NodeId,
    pub output: u32,
    /// How many bodies further out the task stands than the reader.
    pub up: u32,
    /// Whether it is this path and no other, and the task stands in a body around the reader.
    pub exact: bool,
}

/// A path or glob that is read.
struct Consumer {
    node: NodeId,
    span: Span,
    pattern: Pattern,
}

/// Finds paths that two tasks declare, and edges from those who declare a path to those who read it.
pub(super) fn by_paths(world: &World<'_>, params: &[Param], given: &Given, found: &mut Findings) -> Declared {
    let project = given.project.as_deref();
    let mut paths =
        Paths { world, params, project, producers: Vec::new(), consumers: Vec::new(), holes: RefCell::default() };
    for (id, decl) in world.nodes.iter() {
        match &decl.what {
            What::Task(task) => paths.of_task(id, decl.body, task),
            What::Map(view) => {
                let site = Site { body: decl.body, node: Some(id), task: None, place: Place::Over };
                paths.of_source(&site, &view.over.source);
            }
            What::Branch(..) | What::Loop(..) | What::Call(..) => {}
        }
    }
    let Paths { producers, consumers, .. } = paths;
    duplicates(world, &producers, found);
    found.diagnostics.extend(producers.iter().filter_map(|producer| no_place(producer, given)));
    let (mut patterns, mut owners) = (Vec::new(), Vec::new());
    for (i, producer) in producers.iter().enumerate() {
        patterns.push(producer.pattern.clone());
        owners.push(i);
        if producer.dir {
            patterns.push(producer.pattern.inside());
            owners.push(i);
        }
    }
    let index = Index::new(patterns);
    for consumer in &consumers {
        for (at, sure) in index.meeting(&consumer.pattern) {
            edge(world, consumer, &producers[owners[at as usize]], sure, found);
        }
        // a directory that is read may hold what others declare
        for (at, _) in index.meeting(&consumer.pattern.inside()) {
            edge(world, consumer, &producers[owners[at as usize]], Match::Maybe, found);
        }
    }
    Declared(index)
}

/// Every path that some task declares.
pub(super) struct Declared(Index);

impl Declared {
    /// Whether some task may make this file.
    pub fn holds(&self, path: &str, project: Option<&str>) -> bool {
        let mut pattern = Pattern::default();
        pattern.text(path);
        self.0.meeting(&pattern.normal(project)).iter().any(|(_, sure)| *sure == Match::Yes)
    }
}

struct Paths<'w, 'm> {
    world: &'w World<'m>,
    params: &'w [Param],
    project: Option<&'w str>,
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    /// What holes say, numbered.
    holes: RefCell<FxHashMap<String, u32>>,
}

impl<'m> Paths<'_, 'm> {
    fn of_task(&mut self, node: NodeId, body: BodyId, task: &'m TaskDecl) {
        let site = Site { body, node: Some(node), task: Some(task), place: Place::OutputPath };
        for (i, output) in task.outputs.iter().enumerate() {
            let Some(text) = output.kind.path() else { continue };
            let files = matches!(output.kind, OutputKind::Files(_));
            let Some(pattern) = self.pattern(&site, text, files) else { continue };
            let dir = matches!(output.kind, OutputKind::Dir(_));
            self.producers.push(Producer { node, span: text.span, pattern, dir, files, output: i as u32 });
        }
        let site = Site { place: Place::Inputs, ..site };
        let fetched = |datum: &Datum| matches!(datum, Datum::Map(_));
        for (_, datum) in task.inputs.iter().filter(|(_, datum)| !fetched(datum)) {
            for text in datum.texts() {
                self.consume(&site, text, is_glob(&text.value));
            }
        }
    }

    fn of_source(&mut self, site: &Site<'m>, source: &'m Source) {
        match source {
            Source::Glob(text) => self.consume(site, text, true),
            Source::Lines(text) | Source::Csv(text) | Source::Tsv(text) | Source::Jsonl(text) => {
                self.consume(site, text, false);
            }
            Source::Product(axes) | Source::Zip(axes) => {
                axes.iter().for_each(|(_, axis)| self.of_source(site, axis));
            }
            Source::Value(_) | Source::Range(_) => {}
        }
    }

    fn consume(&mut self, site: &Site<'m>, text: &Text, glob: bool) {
        let (Some(node), Some(pattern)) = (site.node, self.pattern(site, text, glob)) else { return };
        if pattern.has_text() {
            self.consumers.push(Consumer { node, span: text.span, pattern });
        }
    }

    fn pattern(&self, site: &Site<'m>, text: &Text, glob: bool) -> Option<Pattern> {
        let mut pattern = Pattern::default();
        self.append(site, text, glob, 0, &mut pattern)?;
        Some(pattern.normal(self.project))
    }

    /// `None` when the text has mistakes; they are known already.
    fn append(&self, site: &Site<'m>, text: &Text, glob: bool, depth: u32, into: &mut Pattern) -> Option<()> {
        if !text.value.contains('{') {
            if glob {
                into.glob(&text.value)
            } else {
                into.text(&text.value)
            }
            return Some(());
        }
        let template = Template::compile(text, Use::Value, &mut Vec::new())?;
        for part in template.parts() {
            match part {
                Known::Text(literal) if glob => into.glob(literal),
                Known::Text(literal) => into.text(literal),
                Known::Hole { source, path } => {
                    let expanded = path.and_then(|read| {
                        let meaning = self.world.resolve(site, text, read).ok()?;
                        (meaning.parts == read.path.len()).then(|| self.expand(site, &meaning.target, depth, into))?
                    });
                    if expanded.is_none() {
                        into.hole(self.says(site, &template, source));
                    }
                }
            }
        }
        Some(())
    }

    /// What is known of a named value before the run: a param's value, the text of a var or of another input.
    fn expand(&self, site: &Site<'m>, target: &Target, depth: u32, into: &mut Pattern) -> Option<()> {
        const DEEPEST: u32 = 16;
        let datum = match target {
            Target::Engine(From::Param(i)) => {
                match &self.params[*i as usize].value {
                    Value::Str(text) => into.text(text),
                    value @ (Value::Int(_) | Value::Bool(_)) => into.text(&value.to_json()),
                    _ => return None,
                }
                return Some(());
            }
            Target::Local(Some(Local::Var(i))) => &site.task?.vars[*i as usize].1,
            Target::Local(Some(Local::Input(i))) => &site.task?.inputs[*i as usize].1,
            _ => return None,
        };
        match datum {
            Datum::Text(text)
                if depth < DEEPEST
                    && !(is_glob(&text.value) && matches!(target, Target::Local(Some(Local::Input(_))))) =>
            {
                let mut inner = Pattern::default();
                self.append(site, text, false, depth + 1, &mut inner)?;
                into.append(&inner);
                Some(())
            }
            Datum::Plain(plain) if matches!(plain.value, Value::Int(_) | Value::Bool(_)) => {
                into.text(&plain.value.to_json());
                Some(())
            }
            _ => None,
        }
    }

    /// A number for what a hole says: equal within one body means equal values.
    fn says(&self, site: &Site<'m>, template: &Template, source: &str) -> u32 {
        let of_run = |read| match self.world.resolve(site, template.source(), read) {
            Ok(meaning) => matches!(meaning.target, Target::Engine(_)),
            Err(_) => false,
        };
        let says = match template.reads().iter().all(of_run) {
            true => source.split_whitespace().collect(),
            false => format!("{:?} {source}", site.node),
        };
        let mut holes = self.holes.borrow_mut();
        let next = holes.len() as u32;
        *holes.entry(says).or_insert(next)
    }
}

fn duplicates(world: &World<'_>, producers: &[Producer], found: &mut Findings) {
    let mut literal: FxHashMap<String, Vec<usize>> = FxHashMap::default();
    let mut open: FxHashMap<(BodyId, &Pattern), Vec<usize>> = FxHashMap::default();
    let mut report = |one: &Producer, two: &Producer, message: String| {
        found.diagnostics.push(
            Diagnostic::error(codes::DUPLICATE_OUTPUT, two.span, message)
                .label(format!("by `{}`", world.nodes[two.node].path))
                .also(one.span, format!("by `{}`", world.nodes[one.node].path))
                .help(match one.span == two.span {
                    true => {
                        "the file is called twice: put a param into the path, and give each call another value for it"
                    }
                    false => "give each task a path of its own",
                }),
        );
    };
    let together = |one: &Producer, two: &Producer| {
        !world.exclude_each_other(world.nodes[one.node].body, world.nodes[two.node].body)
    };
    for (i, producer) in producers.iter().enumerate() {
        let same = match producer.pattern.literal() {
            Some(path) => literal.entry(path).or_default(),
            None => open.entry((world.nodes[producer.node].body, &producer.pattern)).or_default(),
        };
        if let Some(first) = same.iter().rev().find(|first| together(&producers[**first], producer)) {
            report(&producers[*first], producer, "this path is declared twice".to_owned());
        }
        same.push(i);
    }
    for inner in producers {
        let body = world.nodes[inner.node].body;
        for folder in inner.pattern.folders() {
            let outer = match folder.literal() {
                Some(path) => literal.get(&path),
                None => open.get(&(body, &folder)),
            };
            let mut outer = outer.into_iter().flatten().map(|at| &producers[*at]);
            let Some(outer) = outer.find(|outer| !outer.files && together(outer, inner)) else { continue };
            let path = outer.text(world);
            let message = match outer.dir {
                true => format!("this path lies in the directory `{path}`, which another output makes as a whole"),
                false => format!("this path needs a directory `{path}`, which another output makes as a file"),
            };
            report(outer, inner, message);
        }
    }
    // A pattern that meets a path for some values of theirs is found when the values are known.
    for files in producers.iter().filter(|producer| producer.files && producer.pattern.is_known()) {
        for other in producers.iter().filter(|other| !std::ptr::eq(*other, files)) {
            let both = other.files && other.span > files.span;
            if other.pattern.is_known()
                && (both || !other.files)
                && together(files, other)
                && files.pattern.meets(&other.pattern) == Some(Match::Yes)
            {
                let (one, two) = if files.span < other.span { (files, other) } else { (other, files) };
                report(one, two, "one file could be both of these outputs".to_owned());
            }
        }
    }
}

/// Why no output may stand at a path that is known: it would replace what is not a task's.
fn no_place(producer: &Producer, given: &Given) -> Option<Diagnostic> {
    let path = producer.pattern.literal()?;
    let holds_project = |project: &str| {
        let mut whole = Pattern::default();
        whole.text(if path.starts_with('/') { "" } else { project });
        whole.text("/");
        whole.text(&path);
        let whole = whole.normal(None).literal().unwrap_or_default();
        format!("{project}/").starts_with(&format!("{whole}/"))
    };
    let (message, help) = if path.is_empty() || path == "/" || path.split('/').all(|part| part == "..") {
        ("this path names no file of its own", "name it: `results/NAME`")
    } else if given.project.as_deref().is_some_and(holds_project) {
        (
            "the project itself lies in this directory, and the task would replace it",
            "give the output a path of its own",
        )
    } else if path.split('/').next() == Some(STATE) {
        ("flowrun keeps its state in this folder", "give the output a path elsewhere")
    } else if given.pipelines.iter().any(|pipeline| **pipeline == *path) {
        ("the task would replace the pipeline file", "give the output a path of its own")
    } else {
        return None;
    };
    Some(Diagnostic::error(codes::NO_PLACE, producer.span, message).help(help))
}

/// What a task declares is moved aside while it runs, so that it cannot read it.
fn own(world: &World<'_>, consumer: &Consumer, producer: &Producer, sure: Match, found: &mut Findings) {
    let known = |pattern: &Pattern| pattern.literal().is_some();
    let same = consumer.pattern == producer.pattern || known(&consumer.pattern) && known(&producer.pattern);
    if sure == Match::Yes && same {
        let name = &world.nodes[consumer.node].path;
        found.diagnostics.push(
            Diagnostic::error(codes::READS_ITSELF, consumer.span, format!("`{name}` reads what it makes itself"))
                .also(producer.span, "made here")
                .help("give the output another path: what stands under this one is moved aside while the task runs"),
        );
    }
}

/// The consumer waits for the outermost node around the producer that stands in a body around the consumer.
fn edge(world: &World<'_>, consumer: &Consumer, producer: &Producer, sure: Match, found: &mut Findings) {
    if consumer.node == producer.node {
        return own(world, consumer, producer, sure, found);
    }
    // of two cases only one has run
    if world.exclude_each_other(world.nodes[consumer.node].body, world.nodes[producer.node].body) {
        return;
    }
    let reader = consumer.node;
    let body = world.nodes[reader].body;
    let mut node = producer.node;
    let up = loop {
        if let Some(up) = world.outwards(body).position(|b| b == world.nodes[node].body) {
            break up as u32;
        }
        match world.bodies[world.nodes[node].body].owner {
            Some((map, _)) => node = map,
            None => return,
        }
    };
    let why = if sure == Match::Yes { Why::Path } else { Why::MaybePath };
    // a path that says exactly what the other makes is as good as a name; a pattern takes what there is
    let known = |pattern: &Pattern| pattern.literal().is_some();
    let same = up == 0 && node == producer.node && consumer.pattern == producer.pattern;
    let exact = sure == Match::Yes && (same || known(&consumer.pattern) && known(&producer.pattern));
    found.edges.push(Edge { reader, node, up, tolerates_skip: !exact, span: consumer.span, why });
    let exact = exact && node == producer.node && consumer.pattern == producer.pattern;
    found.taken.push(Taken { reader, task: producer.node, output: producer.output, up, exact });
}
