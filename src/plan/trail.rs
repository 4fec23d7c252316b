//! From the name of a node on by the names that follow it: through what holds others down to an output. A map on the way
//! makes a list of it; a branch on the way has as many ways as cases that have the name.

use super::container::Loop;
use super::declare::{Decl, What, World};
use super::model::{From, Ty, Way};
use super::resolve::{At, Found, Target};
use crate::base::NodeId;
use crate::base::text::{did_you_mean, quote};
use crate::diag::{Diagnostic, codes};
use crate::lang::model::{CallDecl, OutputDecl, OutputKind, TaskDecl};

/// The nodes that some parts of a name have led through.
pub(super) struct Trail<'w> {
    nodes: Vec<NodeId>,
    /// The maps among them, by name.
    maps: Vec<&'w str>,
    /// How many parts of the name it took.
    parts: usize,
}

/// A trail that has come to an output.
pub(super) struct TrailEnd<'w> {
    trail: Trail<'w>,
    output: Option<u32>,
    /// Of one value, the maps left out.
    ty: Ty,
}

impl<'m> World<'m> {
    /// An output by way of these nodes, of which it depends on a branch's case which one it is. `cases`: they stand in
    /// the cases of a branch of which this is an output.
    pub fn nodes(&self, at: &At, nodes: &[NodeId], up: u32, cases: bool) -> Result<Found, Diagnostic> {
        let mut trails: Vec<TrailEnd<'_>> = Vec::new();
        let mut wrong = None;
        for node in nodes {
            let trail = Trail { nodes: vec![*node], maps: Vec::new(), parts: 1 };
            if let Err(diagnostic) = self.follow(at, trail, &mut trails) {
                wrong.get_or_insert(diagnostic);
            }
        }
        let Some(first) = trails.first() else {
            return Err(wrong.unwrap_or_else(|| at.error(codes::UNKNOWN_NAME, 0, "this names nothing")));
        };
        let (parts, maps) = (first.trail.parts, &first.trail.maps);
        let ty = trails.iter().map(|end| end.ty.clone()).reduce(Ty::join).unwrap_or_default();
        if trails.iter().any(|end| end.trail.parts != parts || end.trail.maps.len() != maps.len()) {
            let message = format!("`{}` is not of one shape in the cases of its branch", at.dotted(at.read.path.len()));
            return Err(at
                .error(codes::TWO_SHAPES, 0, message)
                .help("in one case a name of it is a map's, or has other nodes inside: rename one of the two"));
        }
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
        for _ in maps {
            ty = Ty::List(Box::new(ty));
        }
        let ways = trails.iter().map(|end| Way { nodes: end.trail.nodes.clone(), output: end.output });
        let mut ways: Vec<Way> = ways.collect();
        let from = match ways.as_mut_slice() {
            [way] if !cases => {
                let node = way.nodes.remove(0);
                From::Output { node, up, inner: std::mem::take(&mut way.nodes), output: way.output }
            }
            _ => From::Cases { up, ways },
        };
        Ok(Found { target: Target::Engine(from), ty, parts })
    }

    /// Goes on from the last node of a trail, by the words that are left, to an output.
    fn follow<'w>(&'w self, at: &At, trail: Trail<'w>, ends: &mut Vec<TrailEnd<'w>>) -> Result<(), Diagnostic> {
        let Trail { nodes, maps, parts } = &trail;
        let (last, parts) = (*nodes.last().expect("a trail has a beginning"), *parts);
        let word = at.read.path.get(parts).map(|w| &**w);
        let Decl { name, what, .. } = &self.nodes[last];
        let step = |node: NodeId, parts: usize| {
            let nodes = nodes.iter().copied().chain([node]).collect();
            Trail { nodes, maps: maps.clone(), parts }
        };
        let mut end = |trail: Trail<'w>, output: Option<u32>, ty: Ty| {
            ends.push(TrailEnd { trail, output, ty });
            Ok(())
        };
        let Some(word) = word else {
            return match what {
                // the records of a shorthand
                What::Task(task) if !maps.is_empty() && self.is_shorthand(last) => end(trail, None, record_of(task)),
                What::Task(task) => Err(self.whole_task(at, parts - 1, task)),
                What::Map(view) if view.form.is_short() => {
                    let mut inner = step(self.bodies[view.body].nodes[0], parts);
                    inner.maps.push(&name.value);
                    self.follow(at, inner, ends)
                }
                What::Call(CallDecl { called: None, .. }, _) => end(trail, None, Ty::Any),
                _ if self.result_names(last).is_empty() => Err(self.whole_body(at, parts - 1, last)),
                What::Map(_) => {
                    let mut trail = trail;
                    trail.maps.push(&name.value);
                    end(trail, None, self.results_ty(last))
                }
                _ => end(trail, None, self.results_ty(last)),
            };
        };
        if let What::Task(task) = what {
            let i = output_of(task, word).ok_or_else(|| self.no_output(at, parts, task, word))?;
            return end(Trail { parts: parts + 1, ..trail }, Some(i), declared_ty(&task.outputs[i as usize]));
        }
        let mut around = maps.clone();
        if let What::Map(view) = what {
            around.push(&name.value);
            if view.form.is_short() {
                let inner = Trail { maps: around, ..step(self.bodies[view.body].nodes[0], parts) };
                return self.follow(at, inner, ends);
            }
        }
        if let What::Call(CallDecl { called: None, .. }, _) = what {
            return end(Trail { parts: at.read.path.len(), ..trail }, None, Ty::Any);
        }
        // a called file shows its outputs alone
        if !matches!(what, What::Call(..)) {
            let mut wrong = None;
            let mut found = false;
            for next in what.bodies().iter().filter_map(|body| self.bodies[*body].names.get(word)) {
                let inner = Trail { maps: around.clone(), ..step(*next, parts + 1) };
                match self.follow(at, inner, ends) {
                    Ok(()) => found = true,
                    Err(diagnostic) => wrong = wrong.or(Some(diagnostic)),
                }
            }
            match wrong {
                Some(diagnostic) if !found => return Err(diagnostic),
                _ if found => return Ok(()),
                _ => {}
            }
        }
        match self.result_names(last).iter().position(|result| *result == word) {
            Some(i) => {
                let trail = Trail { maps: around, parts: parts + 1, ..trail };
                ends.push(TrailEnd { trail, output: Some(i as u32), ty: self.result_ty(last, i) });
                Ok(())
            }
            None => Err(self.not_inside(at, parts, last, word)),
        }
    }

    /// The names of what a node that holds others gives by itself: of a loop also what it carries, and how many
    /// iterations there were.
    pub fn result_names(&self, node: NodeId) -> Vec<&'m str> {
        let what = &self.nodes[node].what;
        let mut names: Vec<&str> = what.outputs().iter().map(|(name, _)| &*name.value).collect();
        if let What::Loop(looped, _) = what {
            names.extend(looped.carry.iter().map(|carry| &*carry.name.value));
            names.push(Loop::ITERATIONS);
        }
        names
    }

    fn is_shorthand(&self, task: NodeId) -> bool {
        self.owner(self.nodes[task].body).is_some_and(|(_, view)| view.form.is_short())
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

    fn whole_body(&self, at: &At, part: usize, node: NodeId) -> Diagnostic {
        let name = at.dotted(part + 1);
        let Decl { name: own, what, .. } = &self.nodes[node];
        let message = format!("`{name}` is a {} that names no results of its own", what.word());
        let d = at.error(codes::WHOLE_NODE, part, message);
        if let What::Call(call, _) = what {
            return d.help(format!("give `{}` an `[outputs]`", call.pipeline.value));
        }
        let task = self.inside(what).find_map(|n| match &self.nodes[n].what {
            What::Task(task) => task.outputs.first().map(|o| format!("{}.{}", task.name.value, o.name.value)),
            _ => None,
        });
        match task {
            Some(task) => {
                d.help(format!("read an output of its body, `{name}.{task}`, or declare `outputs` on `{}`", own.value))
            }
            None => d.help(format!("declare `outputs` on `{}`", own.value)),
        }
    }

    fn inside<'w>(&'w self, what: &'w What<'m>) -> impl Iterator<Item = NodeId> + use<'w, 'm> {
        what.bodies().iter().flat_map(|body| self.bodies[*body].nodes.iter().copied())
    }

    fn not_inside(&self, at: &At, part: usize, node: NodeId, word: &str) -> Diagnostic {
        let Decl { name: own, what, .. } = &self.nodes[node];
        let kind = what.word();
        let inner = self.inside(what).find(|n| &*self.nodes[*n].name.value == word);
        if let (What::Call(call, _), Some(inner)) = (what, inner) {
            let message = format!("{} stands inside the called file, which keeps it to itself", quote(word));
            let file = &call.pipeline.value;
            return at
                .error(codes::UNKNOWN_OUTPUT, part, message)
                .also(self.nodes[inner].name.span, "it stands here")
                .help(format!("name what is wanted of it under `[outputs]` of `{file}`, and read that"));
        }
        let mut names: Vec<&str> = Vec::new();
        if !matches!(what, What::Call(..)) {
            for node in self.inside(what).map(|n| &*self.nodes[n].name.value) {
                if !names.contains(&node) {
                    names.push(node);
                }
            }
        }
        names.extend(self.result_names(node));
        let message = match what {
            What::Call(..) => format!("the call `{}` has no output {}", own.value, quote(word)),
            _ => format!("the {kind} `{}` has no node and no output {}", own.value, quote(word)),
        };
        let help = did_you_mean(word, names.iter().copied()).unwrap_or_else(|| match (names.as_slice(), what) {
            ([], What::Call(call, _)) => format!("`{}` has no `[outputs]`", call.pipeline.value),
            ([], _) => "it has neither".to_owned(),
            (names, _) => format!("it has {}", crate::base::text::and(names.iter().copied())),
        });
        at.error(codes::UNKNOWN_OUTPUT, part, message).also(own.span, format!("the {kind}")).help(help)
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
