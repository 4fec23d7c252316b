//! What a dotted name in an expression means, seen from where it stands.
//! Answers questions about a [`World`]; changes nothing and collects nothing.

use super::declare::{Decl, Form, MapView, What, World};
use super::model::{From, Local, Ty};
use super::surround;
use super::words::Place;
use crate::base::NodeId;
use crate::base::id::BodyId;
use crate::base::text::{did_you_mean, quote};
use crate::diag::{Diagnostic, Span, codes};
use crate::lang::expr::PathRead;
use crate::lang::model::{OutputKind, TaskDecl, Text};
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
            "params" => self.param(site, &at),
            "vars" | "inputs" | "outputs" | "resources" | "env" | "attempt" | "run" | "project" => {
                self.task_word(site, &at)
            }
            "carry" => self.carried(site, &at),
            "index" => self.index(site, &at),
            _ => self.name(site, &at),
        }
    }

    fn param(&self, site: &Site<'m>, at: &At) -> Result<Found, Diagnostic> {
        let file = self.file(site.body);
        let names = || file.model.params.iter().map(|p| &*p.name.value);
        let name = at.second("a param", || names().collect())?;
        let Some(index) = file.params.get(name) else {
            let help = did_you_mean(name, names()).unwrap_or_else(|| format!("declare it: `[params.{name}]`"));
            return Err(at.error(codes::UNKNOWN_ATTRIBUTE, 1, format!("there is no param {}", quote(name))).help(help));
        };
        let ty = at.fields(Ty::from(&file.model.params[*index as usize].ty.value), 2)?;
        if file.call.is_none() {
            return Ok(Found { target: Target::Engine(From::Param(*index)), ty, parts: 2 });
        }
        // the params of a called file are the item of its body
        let up = self.visible(site.body).count() as u32 - 1;
        Ok(Found { target: Target::Engine(From::Item { up }), ty, parts: 1 })
    }

    /// What the loop around hands on.
    fn carried(&self, site: &Site<'m>, at: &At) -> Result<Found, Diagnostic> {
        let loops = self.visible(site.body).enumerate().filter_map(|(up, body)| match self.holder(body)? {
            (id, What::Loop(looped, _)) => Some((up as u32, id, *looped)),
            _ => None,
        });
        let loops: Vec<_> = loops.collect();
        if loops.is_empty() {
            return Err(at
                .error(codes::NOT_HERE, 0, "`carry` belongs to loops, and this is none")
                .help("in the body of a `[loop.NAME]` it is what the iteration before has left"));
        }
        let names = || loops.iter().flat_map(|(_, _, looped)| &looped.carry).map(|carry| &*carry.name.value);
        let name = at.second("a carried value", || names().collect())?;
        for (up, id, looped) in &loops {
            if let Some(i) = looped.carry.iter().position(|carry| &*carry.name.value == name) {
                let ty = at.fields(self.carry_ty(*id, i), 2)?;
                return Ok(Found { target: Target::Engine(From::Item { up: *up }), ty, parts: 1 });
            }
        }
        let message = format!("nothing is carried as {}", quote(name));
        let help = did_you_mean(name, names())
            .unwrap_or_else(|| format!("declare it on the loop: `carry.{name} = {{ init = …, next = … }}`"));
        Err(at.error(codes::UNKNOWN_ATTRIBUTE, 1, message).help(help))
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
            let help = did_you_mean(name, names).or_else(|| self.elsewhere(site.body, task, word, name));
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
            _ => (
                Local::Resource(i),
                if matches!(name, "cpus" | "gpus" | "nodes" | "tasks") { Ty::Int } else { Ty::Any },
            ),
        };
        found(Target::Local(Some(local)), ty, 2)
    }

    /// The same name under another of a task's words.
    fn elsewhere(&self, body: BodyId, task: &TaskDecl, word: &str, name: &str) -> Option<String> {
        let has = |w: &str| match w {
            "vars" => task.vars.iter().any(|(n, _)| &*n.value == name),
            "inputs" => task.inputs.iter().any(|(n, _)| &*n.value == name),
            "outputs" => task.outputs.iter().any(|o| &*o.name.value == name),
            _ => self.file(body).params.contains_key(name),
        };
        let other = ["vars", "inputs", "outputs", "params"].into_iter().find(|w| *w != word && has(w))?;
        Some(format!("did you mean `{other}.{name}`?"))
    }

    fn index(&self, site: &Site<'m>, at: &At) -> Result<Found, Diagnostic> {
        let ty = at.fields(Ty::Int, 1)?;
        if matches!(site.place, Place::PerItem(_)) {
            return Ok(Found { target: Target::Own, ty, parts: 1 });
        }
        let counts = |body| matches!(self.holder(body), Some((_, What::Map(_) | What::Loop(..))));
        match self.visible(site.body).position(counts) {
            Some(up) => Ok(Found { target: Target::Engine(From::Index { up: up as u32 }), ty, parts: 1 }),
            None => Err(at.error(codes::UNKNOWN_NAME, 0, "there is no `index` outside of a map or loop")),
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
        for (up, body) in self.visible(site.body).enumerate() {
            let up = up as u32;
            // the outputs of a branch see the nodes of all of its cases
            if up == 0
                && site.place == Place::MapOutputs
                && let Some((id, What::Branch(_, cases))) = self.holder(body)
                && site.node == Some(id)
            {
                let nodes: Vec<NodeId> =
                    cases.iter().filter_map(|case| self.bodies[*case].names.get(name)).copied().collect();
                if !nodes.is_empty() {
                    return self.nodes(at, &nodes, up, true);
                }
                continue;
            }
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
            let mut items = self.visible(site.body).filter_map(|b| self.owner(b)).map(|(_, view)| &*view.item);
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
        let visible = self.visible(site.body).flat_map(|body| {
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
            Some(task) => self.elsewhere(site.body, task, "", name),
            None => self.file(site.body).params.contains_key(name).then(|| format!("did you mean `params.{name}`?")),
        }
    }

    /// A node that stands inside a map and was named without it.
    fn inside_a_map(&self, site: &Site<'m>, at: &At) -> Option<Diagnostic> {
        let name = at.part(0);
        for (body, room) in self.bodies.iter() {
            let Some(node) = room.names.get(name) else { continue };
            let Some((owner, outer)) = room.owner.filter(|_| room.file == self.bodies[site.body].file) else {
                continue;
            };
            // it can be read from here if the outermost map around it, short of a common body, stands in scope
            if self.outwards(outer).all(|b| !self.outwards(site.body).any(|s| s == b)) {
                continue;
            }
            if self.exclude_each_other(body, site.body) && self.is_around(owner, site.body) {
                let message = format!("{} stands in another case of `{}`", quote(name), self.nodes[owner].name.value);
                return Some(
                    at.error(codes::INSIDE_A_MAP, 0, message)
                        .label("nothing of this name is seen from here")
                        .also(self.nodes[*node].name.span, "it stands here")
                        .help("only one case runs: what a case reads must stand in it, or outside of the branch"),
                );
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
            let Decl { name: owner, what, .. } = &self.nodes[self.bodies[body].owner?.0];
            let message = format!("{} stands inside the {} `{}`", quote(name), what.word(), owner.value);
            let help = match what {
                What::Map(_) => format!("name the map too: `{}`, a list with one value for each item", full.join(".")),
                other => format!("name the {} too: `{}`", other.word(), full.join(".")),
            };
            return Some(
                at.error(codes::INSIDE_A_MAP, 0, message)
                    .label("nothing of this name is seen from here")
                    .also(self.nodes[*node].name.span, "it stands here")
                    .help(help),
            );
        }
        None
    }

    /// An output of a node that is in scope, through the maps that it consists of.
    fn node(&self, site: &Site<'m>, at: &At, node: NodeId, up: u32) -> Result<Found, Diagnostic> {
        let name = at.part(0);
        if let What::Map(MapView { form: Form::Shorthand(_), .. }) = &self.nodes[node].what
            && self.is_around(node, site.body)
        {
            return Err(at
                .error(codes::READS_ITSELF, 0, format!("`{name}` reads itself"))
                .help("the staged paths of a task's own outputs are `outputs.NAME`"));
        }
        if self.is_around(node, site.body) || (site.place == Place::MapOutputs && site.node == Some(node)) {
            let inner = at.read.path.get(1).map_or_else(|| "x".to_owned(), |n| n.to_string());
            let word = self.nodes[node].what.word();
            let message = format!("inside the {word} `{name}` the name `{name}` has no meaning yet");
            return Err(at.error(codes::INSIDE_ITS_MAP, 0, message).help(match &self.nodes[node].what {
                What::Loop(..) => "what the iteration before has left is `carry.NAME`, and a node of this one goes by \
                                   its own name"
                    .to_owned(),
                What::Map(_) => {
                    format!("the list is there when the whole map has ended; for this item's own write `{inner}.…`")
                }
                _ => format!("for a node beside this one write `{inner}.…`"),
            }));
        }
        if site.node == Some(node) {
            let message = format!("`{name}` reads itself");
            let help = match site.task {
                Some(_) => "the staged paths of a task's own outputs are `outputs.NAME`",
                None => match self.nodes[node].what {
                    What::Map(_) => "a map's list is made before the map has results",
                    _ => "this is found before it has results",
                },
            };
            return Err(at.error(codes::READS_ITSELF, 0, message).help(help));
        }
        self.nodes(at, &[node], up, false)
    }
}

/// A dotted name and the string that it stands in.
pub(super) struct At<'a> {
    text: &'a Text,
    pub read: &'a PathRead,
}

impl<'a> At<'a> {
    pub fn part(&self, part: usize) -> &'a str {
        &self.read.path[part]
    }

    /// The first `parts` parts of the name.
    pub fn dotted(&self, parts: usize) -> String {
        self.read.path[..parts].join(".")
    }

    pub fn error(&self, code: &'static str, part: usize, message: impl Into<String>) -> Diagnostic {
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
    pub fn fields(&self, ty: Ty, part: usize) -> Result<Ty, Diagnostic> {
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
