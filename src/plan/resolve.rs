//! What a dotted name in an expression means, seen from where it stands.
//! Answers questions about a [`World`]; changes nothing and collects nothing.

use super::declare::{Form, MapView, What, World};
use super::model::{From, Local, Ty};
use super::surround;
use super::words::Place;
use crate::base::NodeId;
use crate::base::id::BodyId;
use crate::base::text::{did_you_mean, quote};
use crate::diag::{Diagnostic, Span, codes};
use crate::lang::expr::PathRead;
use crate::lang::model::{Name, OutputDecl, OutputKind, TaskDecl, Text};
use std::sync::Arc;

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) struct Site<'m> {
    /// The body from which names are looked up.
    pub body: BodyId,
    /// The node that holds the expression; `None` for the pipeline's outputs.
    pub node: Option<NodeId>,
    /// The task, when it is one.
    pub task: Option<&'m TaskDecl>,
    pub place: Place,
}

/// What a name means.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub target: Target,
    /// The type of the whole dotted name, fields included.
    pub ty: Ty,
    /// How many parts of the name stand for the target; what follows are fields of its value.
    pub parts: usize,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A value that the engine hands over.
    Engine(From),
    /// The item or the index of the map whose `key`, `where` or `group_by` this is.
    Own,
    /// One of the task's own things; `None`: a variable of the driver's environment.
    Local(Option<Local>),
    /// `attempt`, `run`, `project`.
    Word,
}

impl<'m> World<'m> {
    /// Finds what a read means, or says why it means nothing.
    pub fn resolve(&self, site: &Site<'m>, text: &Text, read: &PathRead) -> Result<Found, Diagnostic> {
        let at = At { text, read };
        match at.part(0) {
            "params" => self.param(&at),
            "vars" | "inputs" | "outputs" | "resources" | "env" | "attempt" | "run" | "project" => {
                self.task_word(site, &at)
            }
            "carry" => Err(at.error(codes::NOT_HERE, 0, "`carry` belongs to loops, and this is none")),
            "index" => self.index(site, &at),
            _ => self.name(site, &at),
        }
    }

    fn param(&self, at: &At) -> Result<Found, Diagnostic> {
        let names = || self.model.params.iter().map(|p| &*p.name.value);
        let name = at.second("a param", || names().collect())?;
        let Some(index) = self.params.get(name) else {
            let help = did_you_mean(name, names()).unwrap_or_else(|| format!("declare it: `[params.{name}]`"));
            return Err(at.error(codes::UNKNOWN_ATTRIBUTE, 1, format!("there is no param {}", quote(name))).help(help));
        };
        let ty = at.fields(Ty::from(&self.model.params[*index as usize].ty.value), 2)?;
        Ok(Found { target: Target::Engine(From::Param(*index)), ty, parts: 2 })
    }

    /// A word that only a task has.
    fn task_word(&self, site: &Site<'m>, at: &At) -> Result<Found, Diagnostic> {
        let word = at.part(0);
        let Some(task) = site.task else {
            let message = format!("`{word}` may not stand in {}", site.place.quoted());
            return Err(at.error(codes::NOT_HERE, 0, message).help(format!("only a task has `{word}`")));
        };
        if !site.place.allows(word) {
            let message = format!("`{word}` may not stand in {}", site.place.quoted());
            return Err(at.error(codes::NOT_HERE, 0, message).help(format!("it may stand in {}", Place::homes(word))));
        }
        let found = |target, ty, parts| Ok(Found { target, ty: at.fields(ty, parts)?, parts });
        match word {
            "attempt" => return found(Target::Word, Ty::Int, 1),
            "project" => return found(Target::Word, Ty::String, 1),
            "run" => {
                let ty = match at.second("`run.id` or `run.dir`", Vec::new)? {
                    "id" => Ty::Int,
                    "dir" => Ty::String,
                    other => {
                        let message = format!("`run` has no {}", quote(other));
                        let help = "there are `run.id`, the number of the run, and `run.dir`, its folder";
                        return Err(at.error(codes::UNKNOWN_ATTRIBUTE, 1, message).help(help));
                    }
                };
                return found(Target::Word, ty, 2);
            }
            "env" => {
                let name = at.second("a variable", Vec::new)?;
                if self.is_secret(task, name) {
                    return Err(surround::shown_secret(name, at.text.span_of(at.read.range.clone())));
                }
                let own = task.env.iter().position(|(n, _)| &*n.value == name);
                // a task's own `env.X` reads the driver's X
                return found(Target::Local(own.map(|i| Local::Env(i as u32))), Ty::String, 2);
            }
            _ => {}
        }
        let resources;
        let (names, what): (Vec<&str>, &str) = match word {
            "vars" => (task.vars.iter().map(|(n, _)| &*n.value).collect(), "a var"),
            "inputs" => (task.inputs.iter().map(|(n, _)| &*n.value).collect(), "an input"),
            "outputs" => (task.outputs.iter().map(|o| &*o.name.value).collect(), "an output"),
            _ => {
                resources = self.resources(site.body, task);
                (resources.iter().map(|(n, _)| &*n.value).collect(), "a resource")
            }
        };
        let name = at.second(what, || names.clone())?;
        let Some(position) = names.iter().position(|n| *n == name) else {
            if word == "resources" && matches!(name, "cpus" | "gpus") {
                // Every task has these, 1 and 0 when it does not say.
                return found(Target::Local(None), Ty::Int, 2);
            }
            let what = what.split_once(' ').map_or(what, |(_, noun)| noun);
            let message = format!("the task `{}` has no {what} {}", task.name.value, quote(name));
            let help = did_you_mean(name, names).or_else(|| self.elsewhere(task, word, name));
            let help = help.unwrap_or_else(|| format!("declare it: `{word}.{name} = …`"));
            return Err(at.error(codes::UNKNOWN_ATTRIBUTE, 1, message).help(help));
        };
        let i = position as u32;
        let (local, ty) = match word {
            "vars" => (Local::Var(i), self.datum_ty(&Site { place: Place::Vars, ..*site }, &task.vars[position].1)),
            "inputs" => (Local::Input(i), self.input_ty(site, &task.inputs[position].1)),
            "outputs" => match &task.outputs[position].kind {
                OutputKind::File(_) | OutputKind::Dir(_) | OutputKind::Files(_) => (Local::Output(i), Ty::String),
                OutputKind::Value(_) | OutputKind::Stdout(_) => {
                    let message = format!("the output {} has no path: it is a value", quote(name));
                    let help = format!("write it as a line `{name}=…` to the file \"$FLOWRUN_OUTPUT\"");
                    return Err(at.error(codes::UNKNOWN_ATTRIBUTE, 1, message).help(help));
                }
            },
            _ => (Local::Resource(i), if matches!(name, "cpus" | "gpus") { Ty::Int } else { Ty::Any }),
        };
        found(Target::Local(Some(local)), ty, 2)
    }

    /// The same name under another of a task's words.
    fn elsewhere(&self, task: &TaskDecl, word: &str, name: &str) -> Option<String> {
        let has = |w: &str| match w {
            "vars" => task.vars.iter().any(|(n, _)| &*n.value == name),
            "inputs" => task.inputs.iter().any(|(n, _)| &*n.value == name),
            "outputs" => task.outputs.iter().any(|o| &*o.name.value == name),
            _ => self.params.contains_key(name),
        };
        let other = ["vars", "inputs", "outputs", "params"].into_iter().find(|w| *w != word && has(w))?;
        Some(format!("did you mean `{other}.{name}`?"))
    }

    fn index(&self, site: &Site<'m>, at: &At) -> Result<Found, Diagnostic> {
        let ty = at.fields(Ty::Int, 1)?;
        if matches!(site.place, Place::PerItem(_)) {
            return Ok(Found { target: Target::Own, ty, parts: 1 });
        }
        match self.owner(site.body) {
            Some(_) => Ok(Found { target: Target::Engine(From::Index { up: 0 }), ty, parts: 1 }),
            None => Err(at.error(codes::UNKNOWN_NAME, 0, "there is no `index` outside of a map")),
        }
    }

    /// A node or an item, from the inside out.
    fn name(&self, site: &Site<'m>, at: &At) -> Result<Found, Diagnostic> {
        let name = at.part(0);
        if let (Place::PerItem(key), Some(id)) = (site.place, site.node)
            && let What::Map(view) = &self.nodes[id].what
            && &*view.item == name
        {
            let ty = at.fields(if key == "key" { self.item_ty(id) } else { self.raw_item_ty(id) }, 1)?;
            return Ok(Found { target: Target::Own, ty, parts: 1 });
        }
        for (up, body) in self.outwards(site.body).enumerate() {
            let up = up as u32;
            if let Some(node) = self.bodies[body].names.get(name) {
                return self.node(site, at, *node, up);
            }
            if let Some((map, view)) = self.owner(body)
                && &*view.item == name
            {
                let ty = at.fields(self.item_ty(map), 1)?;
                return Ok(Found { target: Target::Engine(From::Item { up }), ty, parts: 1 });
            }
        }
        Err(self.unknown_name(site, at))
    }

    fn unknown_name(&self, site: &Site<'m>, at: &At) -> Diagnostic {
        let name = at.part(0);
        let found = at.error(codes::UNKNOWN_NAME, 0, format!("nothing is named {} here", quote(name)));
        if name == "item" {
            let mut items = self.outwards(site.body).filter_map(|b| self.owner(b)).map(|(_, view)| &*view.item);
            // The map's own `key`, `where` and `group_by` see its item.
            let own = match (site.place, site.node.map(|node| &self.nodes[node].what)) {
                (Place::PerItem(_), Some(What::Map(view))) => Some(&*view.item),
                _ => None,
            };
            return match own.or_else(|| items.next()) {
                Some(item) => found.help(format!("the item is named `{item}` here")),
                None => found.help("only in the body of a map there is an `item`"),
            };
        }
        if name == "secrets" {
            return found.help(surround::IN_THE_ENVIRONMENT);
        }
        if let Some(d) = self.inside_a_map(site, at) {
            return d;
        }
        let visible = self.outwards(site.body).flat_map(|body| {
            let item = self.owner(body).map(|(_, view)| &*view.item);
            let nodes = self.bodies[body].nodes.iter().map(|n| &*self.nodes[*n].name.value);
            nodes.chain(item)
        });
        // a file of ten thousand mistakes is not worth a look at every pair of names
        const MOST: u32 = 100;
        self.hints.set(self.hints.get() + 1);
        let near = || (self.hints.get() <= MOST).then(|| did_you_mean(name, visible)).flatten();
        let help = self.elsewhere_or_param(site, name).or_else(near);
        match help.or_else(|| did_you_mean(name, crate::lang::keys::SCOPE_NAMES.iter().copied())) {
            Some(help) => found.help(help),
            None => {
                found.help("a name is a node of this body or of one around it, an item, or a word such as `params.x`")
            }
        }
    }

    fn elsewhere_or_param(&self, site: &Site<'m>, name: &str) -> Option<String> {
        match site.task {
            Some(task) => self.elsewhere(task, "", name),
            None => self.params.contains_key(name).then(|| format!("did you mean `params.{name}`?")),
        }
    }

    /// A node that stands inside a map and was named without it.
    fn inside_a_map(&self, site: &Site<'m>, at: &At) -> Option<Diagnostic> {
        let name = at.part(0);
        for (body, room) in self.bodies.iter() {
            let Some(node) = room.names.get(name) else { continue };
            let (owner, outer) = room.owner?;
            // it can be read from here if the outermost map around it, short of a common body, stands in scope
            if self.outwards(outer).all(|b| !self.outwards(site.body).any(|s| s == b)) {
                continue;
            }
            let mut full = vec![at.read.path[0].clone()];
            let mut map = owner;
            loop {
                full.insert(0, self.nodes[map].name.value.clone());
                if self.outwards(site.body).any(|s| s == self.nodes[map].body) {
                    break;
                }
                map = self.bodies[self.nodes[map].body].owner?.0;
            }
            full.extend(at.read.path[1..].iter().cloned());
            let owner = &self.nodes[self.bodies[body].owner?.0].name.value;
            let message = format!("{} stands inside the map `{owner}`", quote(name));
            return Some(
                at.error(codes::INSIDE_A_MAP, 0, message)
                    .label("nothing of this name is seen from here")
                    .also(self.nodes[*node].name.span, "it stands here")
                    .help(format!("name the map too: `{}`, a list with one value for each item", full.join("."))),
            );
        }
        None
    }

    /// An output of a node that is in scope, through the maps that it consists of.
    fn node(&self, site: &Site<'m>, at: &At, node: NodeId, up: u32) -> Result<Found, Diagnostic> {
        let name = at.part(0);
        if let What::Map(MapView { form: Form::Shorthand(_), .. }) = self.nodes[node].what
            && self.is_around(node, site.body)
        {
            return Err(at
                .error(codes::READS_ITSELF, 0, format!("`{name}` reads itself"))
                .help("the staged paths of a task's own outputs are `outputs.NAME`"));
        }
        if self.is_around(node, site.body) || (site.place == Place::MapOutputs && site.node == Some(node)) {
            let inner = at.read.path.get(1).map_or_else(|| "x".to_owned(), |n| n.to_string());
            return Err(at
                .error(
                    codes::INSIDE_ITS_MAP,
                    0,
                    format!("inside the map `{name}` the name `{name}` has no meaning yet"),
                )
                .help(format!(
                    "the list is there when the whole map has ended; for this item's own write `{inner}.…`"
                )));
        }
        if site.node == Some(node) {
            let message = format!("`{name}` reads itself");
            let help = match site.task {
                Some(_) => "the staged paths of a task's own outputs are `outputs.NAME`",
                None => "a map's list is made before the map has results",
            };
            return Err(at.error(codes::READS_ITSELF, 0, message).help(help));
        }
        let mut inner = Vec::new();
        let mut last = node;
        let mut maps: Vec<&str> = Vec::new();
        let mut parts = 1;
        let (output, ty) = loop {
            let word = at.read.path.get(parts).map(|w| &**w);
            match &self.nodes[last].what {
                What::Task(task) => match word {
                    Some(word) => {
                        let i = output_of(task, word).ok_or_else(|| self.no_output(at, parts, task, word))?;
                        parts += 1;
                        break (Some(i), declared_ty(&task.outputs[i as usize]));
                    }
                    // the records of a shorthand
                    None if !maps.is_empty() && self.is_shorthand(last) => break (None, record_of(task)),
                    None => return Err(self.whole_task(at, parts - 1, task)),
                },
                What::Map(view) => {
                    maps.push(&self.nodes[last].name.value);
                    match (&view.form, word) {
                        (Form::Shorthand(_), _) => last = self.bodies[view.body].nodes[0],
                        (Form::Map(map), None) => {
                            if map.outputs.is_empty() {
                                return Err(self.whole_map(at, parts - 1, view, &map.name));
                            }
                            break (None, self.results_ty(last));
                        }
                        (Form::Map(map), Some(word)) => {
                            if let Some(next) = self.bodies[view.body].names.get(word) {
                                last = *next;
                                parts += 1;
                            } else if let Some(i) = map.outputs.iter().position(|(n, _)| &*n.value == word) {
                                parts += 1;
                                break (Some(i as u32), self.result_ty(last, i));
                            } else {
                                return Err(self.not_in_map(at, parts, view, &map.name, word));
                            }
                            if matches!(self.nodes[last].what, What::Map(_)) {
                                inner.push(last);
                                continue;
                            }
                        }
                    }
                    inner.push(last);
                }
            }
        };
        let mut ty = if maps.is_empty() {
            at.fields(ty, parts)?
        } else {
            if at.read.path.len() > parts {
                let list = at.dotted(parts);
                let message = format!("`{list}` is a list, one value for each item of `{}`", maps[0]);
                let rest = at.part(parts);
                return Err(at
                    .error(codes::NO_ATTRIBUTES, parts, format!("{message}, and a list has no {}", quote(rest)))
                    .help(format!("take it from each: `{list} | map(attribute='{rest}')`")));
            }
            ty
        };
        for _ in &maps {
            ty = Ty::List(Box::new(ty));
        }
        let from = From::Output { node, up, inner, output };
        Ok(Found { target: Target::Engine(from), ty, parts })
    }

    fn is_shorthand(&self, task: NodeId) -> bool {
        self.owner(self.nodes[task].body).is_some_and(|(_, view)| matches!(view.form, Form::Shorthand(_)))
    }

    fn no_output(&self, at: &At, part: usize, task: &TaskDecl, word: &str) -> Diagnostic {
        let names = || task.outputs.iter().map(|o| &*o.name.value);
        let message = format!("the task `{}` declares no output {}", task.name.value, quote(word));
        let d = at.error(codes::UNKNOWN_OUTPUT, part, message).also(task.name.span, "the task");
        match did_you_mean(word, names()) {
            Some(help) => d.help(help),
            None if task.outputs.is_empty() => d.help(format!("declare it: `outputs.{word} = \"string\"`")),
            None => d.help(format!("it declares {}", crate::base::text::and(names()))),
        }
    }

    fn whole_task(&self, at: &At, part: usize, task: &TaskDecl) -> Diagnostic {
        let name = at.dotted(part + 1);
        let message = format!("`{name}` is a task, not a value");
        let d = at.error(codes::WHOLE_NODE, part, message);
        match task.outputs.first() {
            Some(output) => d.help(format!("read one of its outputs: `{name}.{}`", output.name.value)),
            None => d.help(format!("it declares no outputs; for order alone write `after = [\"{name}\"]`")),
        }
    }

    fn whole_map(&self, at: &At, part: usize, view: &MapView<'m>, map: &Name) -> Diagnostic {
        let name = at.dotted(part + 1);
        let d = at.error(codes::WHOLE_NODE, part, format!("`{name}` is a map that names no results of its own"));
        let task = self.bodies[view.body].nodes.iter().find_map(|n| match &self.nodes[*n].what {
            What::Task(task) => task.outputs.first().map(|o| format!("{}.{}", task.name.value, o.name.value)),
            What::Map(_) => None,
        });
        match task {
            Some(task) => {
                d.help(format!("read an output of its body, `{name}.{task}`, or declare `outputs` on `{}`", map.value))
            }
            None => d.help(format!("declare `outputs` on `{}`", map.value)),
        }
    }

    fn not_in_map(&self, at: &At, part: usize, view: &MapView<'m>, map: &Name, word: &str) -> Diagnostic {
        let nodes = self.bodies[view.body].nodes.iter().map(|n| &*self.nodes[*n].name.value);
        let results = match &view.form {
            Form::Map(map) => map.outputs.iter().map(|(n, _)| &*n.value).collect(),
            Form::Shorthand(_) => Vec::new(),
        };
        let names: Vec<&str> = nodes.chain(results).collect();
        let message = format!("the map `{}` has no node and no output {}", map.value, quote(word));
        let help = did_you_mean(word, names.iter().copied())
            .unwrap_or_else(|| format!("it has {}", crate::base::text::and(names.iter().copied())));
        at.error(codes::UNKNOWN_OUTPUT, part, message).also(map.span, "the map").help(help)
    }
}

/// The position of a task's output.
pub(super) fn output_of(task: &TaskDecl, name: &str) -> Option<u32> {
    task.outputs.iter().position(|o| &*o.name.value == name).map(|i| i as u32)
}

/// The type that readers of an output see.
pub(super) fn declared_ty(output: &OutputDecl) -> Ty {
    match &output.kind {
        OutputKind::Value(ty) | OutputKind::Stdout(ty) => Ty::from(ty),
        OutputKind::File(_) | OutputKind::Dir(_) => Ty::Path,
        OutputKind::Files(_) => Ty::List(Box::new(Ty::Path)),
    }
}

fn record_of(task: &TaskDecl) -> Ty {
    Ty::Record(task.outputs.iter().map(|o| (o.name.value.clone(), declared_ty(o))).collect())
}

/// A dotted name and the string that it stands in.
struct At<'a> {
    text: &'a Text,
    read: &'a PathRead,
}

impl<'a> At<'a> {
    fn part(&self, part: usize) -> &'a str {
        &self.read.path[part]
    }

    /// The first `parts` parts of the name.
    fn dotted(&self, parts: usize) -> String {
        self.read.path[..parts].join(".")
    }

    fn error(&self, code: &'static str, part: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, part_span(self.text, self.read, part), message)
    }

    /// The part after a word that is nothing by itself.
    fn second(&self, what: &str, names: impl FnOnce() -> Vec<&'a str>) -> Result<&'a str, Diagnostic> {
        match self.read.path.get(1) {
            Some(name) => Ok(name),
            None => {
                let word = self.part(0);
                let example = names().first().map_or_else(|| format!("`{word}.NAME`"), |n| format!("`{word}.{n}`"));
                let d = self.error(codes::WHOLE_NODE, 0, format!("`{word}` by itself is no value"));
                Err(if what.contains('`') {
                    d.help(format!("name {what}"))
                } else {
                    d.help(format!("name {what}: {example}"))
                })
            }
        }
    }

    /// The type of the rest of the name, from `part` on, inside a value of type `ty`.
    fn fields(&self, ty: Ty, part: usize) -> Result<Ty, Diagnostic> {
        let mut ty = ty;
        for (part, field) in self.read.path.iter().enumerate().skip(part) {
            ty = match ty {
                Ty::Any => return Ok(Ty::Any),
                Ty::Map(of) => *of,
                Ty::Record(fields) => match fields.iter().find(|(n, _)| n == field) {
                    Some((_, of)) => of.clone(),
                    None => {
                        let names: Vec<&str> = fields.iter().map(|(n, _)| &**n).collect();
                        let message = format!("`{}` has no {}", self.dotted(part), quote(field));
                        let help = did_you_mean(field, names.iter().copied())
                            .unwrap_or_else(|| format!("it has {}", crate::base::text::and(names.iter().copied())));
                        return Err(self.error(codes::UNKNOWN_ATTRIBUTE, part, message).help(help));
                    }
                },
                other => {
                    let message =
                        format!("`{}` is {}, and that has no {}", self.dotted(part), other.described(), quote(field));
                    let d = self.error(codes::NO_ATTRIBUTES, part, message);
                    return Err(match other {
                        Ty::List(_) => d.help(format!(
                            "take it from each element: `{} | map(attribute='{field}')`",
                            self.dotted(part)
                        )),
                        _ => d.help(format!("write `{}` alone", self.dotted(part))),
                    });
                }
            };
        }
        Ok(ty)
    }
}

/// The place of one part of a dotted name.
pub(super) fn part_span(text: &Text, read: &PathRead, part: usize) -> Span {
    let whole = &text.value[read.range.clone()];
    let mut from = 0;
    for (i, name) in read.path.iter().enumerate() {
        let Some(at) = whole[from..].find(&**name) else { break };
        let start = from + at;
        from = start + name.len();
        if i == part {
            return text.span_of(read.range.start + start..read.range.start + from);
        }
    }
    text.span_of(read.range.clone())
}

/// The parts of a dotted name that follow what stands for the target.
pub(super) fn fields_of(read: &PathRead, found: &Found) -> Vec<Arc<str>> {
    read.path[found.parts..].to_vec()
}
