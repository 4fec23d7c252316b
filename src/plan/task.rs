//! From a declared task to a checked one: its strings compiled, its own things in order, its types in agreement.

use super::declare::World;
use super::gather::{Edge, Findings, Gather, Seen, Why};
use super::model::{From, Input, Local, Output, OutputKind, Run, Task, Ty, Workdir};
use super::policy;
use super::resolve::Site;
use super::surround;
use super::words::Place;
use crate::base::id::BodyId;
use crate::base::text::{did_you_mean, or, quote};
use crate::base::{NodeId, Value};
use crate::diag::{Diagnostic, Span, Spanned, codes};
use crate::lang::expr::{Template, Use};
use crate::lang::model::{self as decl, BACKEND, Datum, Name, RunDecl, TaskDecl, Text};
use crate::lang::slurm;
use std::sync::Arc;

/// What a task's strings read, key by key, for the checks that look at a whole body or file.
#[derive(Default)]
pub(super) struct Trace {
    /// One for each of the task's own things.
    pub vars: Vec<Seen>,
    pub env: Vec<Seen>,
    pub inputs: Vec<Seen>,
    pub outputs: Vec<Seen>,
    pub resources: Vec<Seen>,
    /// The command, argv and workdir.
    pub run: Seen,
    pub when: Seen,
}

impl Trace {
    /// What one of the task's own things reads.
    pub fn of(&self, local: Local) -> &Seen {
        match local {
            Local::Var(i) => &self.vars[i as usize],
            Local::Env(i) => &self.env[i as usize],
            Local::Input(i) => &self.inputs[i as usize],
            Local::Output(i) => &self.outputs[i as usize],
            Local::Resource(i) => &self.resources[i as usize],
        }
    }

    fn all(&self) -> Vec<Local> {
        let each = |n: usize, of: fn(u32) -> Local| (0..n as u32).map(of);
        each(self.vars.len(), Local::Var)
            .chain(each(self.env.len(), Local::Env))
            .chain(each(self.inputs.len(), Local::Input))
            .chain(each(self.outputs.len(), Local::Output))
            .chain(each(self.resources.len(), Local::Resource))
            .collect()
    }
}

/// A checked task, its `when`, and what it reads.
pub(super) struct Built {
    pub task: Task,
    pub when: Option<Template>,
    pub trace: Trace,
}

/// Checks one task. `id` is the task's node (the inner one of a shorthand).
pub(super) fn build<'m>(
    world: &World<'m>,
    id: NodeId,
    body: BodyId,
    task: &'m TaskDecl,
    found: &mut Findings,
) -> Built {
    let mut g = Gather::new(world, body, Some(id), Some(task));
    let mut trace = Trace::default();

    let (mut resources, mut backend) = (Vec::new(), None);
    for (name, datum) in world.resources(body, task) {
        check_resource(world, &g.site(Place::Resources), name, datum, found);
        let (template, seen) = match datum {
            // An option that is a flag stays a boolean.
            Datum::Plain(Spanned { value: Value::Bool(on), span }) if name.value.starts_with(slurm::PREFIX) => {
                let value = format!("{{{{ {on} }}}}").into();
                let text = Text { value, span: *span, offsets: None, body: span.start };
                g.template(Place::Resources, Use::Value, &text, found)
            }
            _ => g.scalar(Place::Resources, datum, found),
        };
        if let (true, Value::Str(value)) = (&*name.value == BACKEND, datum.literal()) {
            backend = Some(Spanned { value, span: datum.span() });
        }
        resources.push((name.value.clone(), template));
        trace.resources.push(seen);
    }
    // How many processes there is room for depends on how many cores each has.
    let at = |wanted: &str| resources.iter().position(|(name, _): &(Arc<str>, Template)| &**name == wanted);
    if let (Some(tasks), Some(cpus)) = (at("tasks"), at("cpus")) {
        trace.resources[tasks].locals.push(Local::Resource(cpus as u32));
    }
    let mut vars = Vec::new();
    for (name, datum) in &task.vars {
        let (shape, seen) = g.shape(Place::Vars, datum, found);
        vars.push((name.value.clone(), shape));
        trace.vars.push(seen);
    }
    let mut env = Vec::new();
    for (name, datum) in &task.env {
        let (template, seen) = g.scalar(Place::Env, datum, found);
        check_text(&g.site(Place::Env), world, &template, "a variable of the environment", found);
        env.push((name.value.clone(), template));
        trace.env.push(seen);
    }
    let mut inputs = Vec::new();
    for (name, datum) in &task.inputs {
        let site = g.site(Place::Inputs);
        let (value, seen) = g.shape(Place::Inputs, datum, found);
        let fetched = matches!(datum, Datum::Map(_));
        let glob = !fetched && datum.texts().iter().any(|text| super::paths::is_glob(&text.value));
        check_input(world, &site, name, datum, found);
        inputs.push(Input { name: name.value.clone(), value, glob, fetched, span: datum.span() });
        trace.inputs.push(seen);
    }
    let mut outputs = Vec::new();
    for output in &task.outputs {
        let mut path = |text: &Text, found: &mut Findings| {
            let (template, seen) = g.template(Place::OutputPath, Use::Value, text, found);
            check_text(&g.site(Place::OutputPath), world, &template, "a path", found);
            trace.outputs.push(seen);
            template
        };
        let kind = match &output.kind {
            decl::OutputKind::File(text) => OutputKind::File(path(text, found)),
            decl::OutputKind::Dir(text) => OutputKind::Dir(path(text, found)),
            decl::OutputKind::Files(text) => OutputKind::Files(path(text, found)),
            decl::OutputKind::Value(ty) => OutputKind::Value(ty.clone()),
            decl::OutputKind::Stdout(ty) => OutputKind::Stdout(ty.clone()),
        };
        trace.outputs.resize_with(outputs.len() + 1, Seen::default);
        let (name, demand) = (output.name.value.clone(), output.demand.clone());
        outputs.push(Output { name, kind, demand, keep: output.keep, span: output.span });
    }
    let (run, mut words) = run(&mut g, task, &mut trace, found);
    let setup = surround::setup(&mut g, task, &mut trace.run, &mut words, found);
    let container = surround::container(&mut g, task, &mut trace.run, found);
    let workdir = match &task.workdir {
        None => Workdir::Project,
        Some(text) if &*text.value == "scratch" => Workdir::Scratch,
        Some(text) => {
            let (template, seen) = g.template(Place::Workdir, Use::Value, text, found);
            check_text(&g.site(Place::Workdir), world, &template, "a path", found);
            trace.run.add(seen);
            Workdir::Path(template)
        }
    };
    let when = task.when.as_ref().and_then(|datum| when(&mut g, datum, &mut trace.when, found));
    after(&g, id, body, &task.after, found);

    let map = world.visible(body).enumerate().find_map(|(up, body)| Some((up as u32, world.owner(body)?)));
    let item = map.as_ref().map(|(_, (_, view))| view.item.clone());
    if let (RunDecl::Script(_), Some((up, (map, view)))) = (&task.run, map) {
        let ty = world.item_ty(map);
        g.enter(vec![view.item.clone()], From::Item { up }, Vec::new(), ty, true);
        trace.run.from.push(From::Item { up });
    }
    if let Some(cache) = &task.cache
        && cache.value
        && task.outputs.is_empty()
    {
        let message = format!("`{}` has no outputs, so there is nothing to keep: it always runs", task.name.value);
        let help = "declare what it makes under `outputs`, or leave `cache` out";
        found.diagnostics.push(Diagnostic::error(codes::NOTHING_TO_CACHE, cache.span, message).warning().help(help));
    }
    let (order, before_when) = order(task, &trace, found);
    check_hidden_words(task, &trace, found);
    let retry = policy::retry(world, body, task, found);
    let (names, reads) = g.finish();
    let task = Task {
        run,
        inputs,
        vars,
        env,
        pass_env: task.pass_env.iter().map(|name| name.value.clone()).collect(),
        secrets: task.secrets.iter().map(|(name, from)| (name.value.clone(), from.clone())).collect(),
        setup,
        container,
        resources,
        backend,
        cache: task.cache.as_ref().is_none_or(|cache| cache.value) && !outputs.is_empty(),
        outputs,
        retry,
        workdir,
        order,
        before_when,
        names,
        reads,
        by_path: Vec::new(),
        words,
        item,
        home: world.file(body).model.folder.clone(),
    };
    Built { task, when, trace }
}

fn run(g: &mut Gather<'_, '_>, task: &TaskDecl, trace: &mut Trace, found: &mut Findings) -> (Run, Vec<Arc<str>>) {
    let texts = |list: &[Text]| list.iter().map(|text| text.value.clone()).collect::<Vec<_>>();
    match &task.run {
        RunDecl::Command(text) => {
            let shell = surround::shell(task);
            let usage = if crate::lang::shell::is_bourne(&shell) { Use::Command } else { Use::ForeignCommand };
            let (template, seen) = g.template(Place::Command, usage, text, found);
            trace.run.add(seen);
            let words = template.words().to_vec();
            (Run::Command { template, shell }, words)
        }
        RunDecl::Argv(list) => {
            let mut templates = Vec::new();
            for text in &list.value {
                let (template, seen) = g.template(Place::Argv, Use::Value, text, found);
                trace.run.add(seen);
                templates.push(template);
            }
            let words = templates.iter().filter_map(|t| t.as_literal().map(Arc::from)).collect();
            (Run::Argv(templates), words)
        }
        RunDecl::Script(text) => {
            let interpreter = task.interpreter.as_ref().map_or_else(Vec::new, |list| texts(&list.value));
            let words = interpreter.clone();
            (Run::Script { text: text.value.clone(), interpreter }, words)
        }
    }
}

/// `when`: must give a boolean. A plain `true` is no condition.
pub(super) fn when(g: &mut Gather<'_, '_>, datum: &Datum, seen: &mut Seen, found: &mut Findings) -> Option<Template> {
    if let Datum::Plain(plain) = datum
        && plain.value == crate::base::Value::Bool(true)
    {
        return None;
    }
    let template = match datum {
        Datum::Text(text) => {
            let (template, more) = g.template(Place::When, Use::Value, text, found);
            seen.add(more);
            must_be_bool(g, Place::When, &template, found);
            template
        }
        _ => {
            let span = datum.span();
            let value = format!("{{{{ {} }}}}", datum.literal().to_json()).into();
            g.template(Place::When, Use::Value, &Text { value, span, offsets: None, body: span.start }, found).0
        }
    };
    Some(template)
}

/// `when` and `where` are one single expression that gives a boolean.
pub(super) fn must_be_bool(g: &Gather<'_, '_>, place: Place, template: &Template, found: &mut Findings) {
    let text = template.source();
    if text.value.is_empty() {
        return;
    }
    let key = place.key();
    let ty = g.world.template_ty(&g.site(place), template);
    let d = match ty {
        Ty::Any | Ty::Bool => return,
        Ty::String if !template.is_single() => {
            Diagnostic::error(codes::NOT_A_BOOL, text.span, format!("`{key}` is text, not true or false")).help(
                format!(
                    "put the whole condition into one expression: `{key} = \"{{{{ {} }}}}\"`",
                    text.value.replace("{{", "").replace("}}", "").split_whitespace().collect::<Vec<_>>().join(" ")
                ),
            )
        }
        other => {
            let name = template.as_path().map_or_else(String::new, |read| read.path.join("."));
            Diagnostic::error(
                codes::NOT_A_BOOL,
                text.span,
                format!("`{name}` is {}, not true or false", other.described()),
            )
            .help(match other {
                Ty::Int | Ty::Float => format!("compare it: `{key} = \"{{{{ {name} > 0 }}}}\"`"),
                Ty::List(_) => format!("ask whether it holds something: `{key} = \"{{{{ {name} | length > 0 }}}}\"`"),
                _ => format!("compare it: `{key} = \"{{{{ {name} == 'yes' }}}}\"`"),
            })
        }
    };
    found.diagnostics.push(d);
}

/// A string that becomes text: it is no list. (A list beside text is found where the template is compiled.)
fn check_text(site: &Site<'_>, world: &World<'_>, template: &Template, what: &str, found: &mut Findings) {
    if let (Some(read), Ty::List(_)) = (template.as_path(), world.template_ty(site, template)) {
        let name = read.path.join(".");
        let span = template.source().span_of(read.range.clone());
        found
            .diagnostics
            .push(Diagnostic::error(codes::NOT_TEXT, span, format!("`{name}` is a list and cannot be {what}")).help(
                format!("join its elements: `{{{{ {name} | join(',') }}}}`, or take one: `{{{{ {name}[0] }}}}`"),
            ));
    }
}

fn check_input(world: &World<'_>, site: &Site<'_>, name: &Name, datum: &Datum, found: &mut Findings) {
    let wrong = |span: Span, what: &str| {
        Diagnostic::error(codes::NOT_A_PATH, span, format!("the input `{}` is {what}, not a path", name.value))
            .help("an input is a path, a glob, or a list of them")
    };
    match datum {
        Datum::Plain(plain) => {
            found.diagnostics.push(wrong(plain.span, &crate::base::text::article(plain.value.kind())))
        }
        Datum::Map(entries) => {
            for (key, part) in &entries.value {
                if let Ty::Bool | Ty::Int | Ty::Float | Ty::List(_) | Ty::Map(_) | Ty::Record(_) =
                    world.datum_ty(site, part)
                {
                    let message = format!("`{}` of the input `{}` is no text", key.value, name.value);
                    let d = Diagnostic::error(codes::NOT_TEXT, part.span(), message);
                    found.diagnostics.push(d.help("it is an address or a digest"));
                }
            }
        }
        Datum::List(items) => items.value.iter().for_each(|item| check_input(world, site, name, item, found)),
        Datum::Text(text) => {
            let ty = world.datum_ty(site, datum);
            if let Ty::Bool | Ty::Int | Ty::Float | Ty::Map(_) | Ty::Record(_) = ty {
                found.diagnostics.push(wrong(text.span, ty.described()));
            }
        }
    }
}

fn check_resource(world: &World<'_>, site: &Site<'_>, name: &Name, datum: &Datum, found: &mut Findings) {
    // names that are neither resources nor limits are the reader's business
    let limit = world.limits().find(|(n, _)| n.value == name.value);
    let whole = limit.is_some() || matches!(&*name.value, "cpus" | "gpus" | "nodes" | "tasks");
    if !whole {
        return;
    }
    match world.datum_ty(site, datum) {
        Ty::Int | Ty::Any => {}
        Ty::String if matches!(datum, Datum::Text(t) if t.value.trim().parse::<u32>().is_ok()) => {}
        other => {
            let message = format!("`{}` is {}, not a whole number", name.value, other.described());
            found.diagnostics.push(Diagnostic::error(codes::NOT_AN_INT, datum.span(), message).help(format!(
                "write a number, `{0} = 2`, or an expression that gives one, `{0} = \"{{{{ … }}}}\"`",
                name.value
            )));
        }
    }
    if let Some((declared, there)) = limit
        && let crate::base::Value::Int(asked) = datum.literal()
        && asked > i64::from(there.value)
    {
        let message = format!("{asked} of `{}` can never be given: there are {}", name.value, there.value);
        found.diagnostics.push(
            Diagnostic::error(codes::OVER_LIMIT, datum.span(), message)
                .also(declared.span, "the limit")
                .help(format!("ask for at most {}, or raise the limit", there.value)),
        );
    }
}

/// `after`: nodes of this body or one around it.
pub(super) fn after(g: &Gather<'_, '_>, id: NodeId, body: BodyId, names: &[Name], found: &mut Findings) {
    let world = g.world;
    // `after` on a shorthand stands on its map
    for name in names {
        let bodies = world.visible(body).enumerate();
        let node = bodies.filter_map(|(up, b)| Some((up as u32, *world.bodies[b].names.get(&*name.value)?))).next();
        let Some((up, node)) = node else {
            let all = world.visible(body).flat_map(|b| world.bodies[b].nodes.iter());
            let all = all.filter(|n| **n != id).map(|n| &*world.nodes[*n].name.value);
            let d = Diagnostic::error(
                codes::UNKNOWN_NAME,
                name.span,
                format!("there is no node {} here", quote(&name.value)),
            );
            let help = did_you_mean(&name.value, all);
            let help = help.unwrap_or_else(|| "`after` names nodes of this body or of one around it".to_owned());
            found.diagnostics.push(d.help(help));
            continue;
        };
        if node == id || world.is_around(node, body) {
            let message = match node == id {
                true => format!("`{}` cannot wait for itself", name.value),
                false => {
                    let word = world.nodes[node].what.word();
                    format!("inside the {word} `{0}` nothing can wait for `{0}`: it ends after its body", name.value)
                }
            };
            found.diagnostics.push(
                Diagnostic::error(codes::READS_ITSELF, name.span, message).help(format!("leave `{}` out", name.value)),
            );
            continue;
        }
        found.edges.push(Edge { reader: id, node, up, tolerates_skip: true, span: name.span, why: Why::After });
    }
}

/// The task's own things, each after those it reads; first those that `when` needs.
fn order(task: &TaskDecl, trace: &Trace, found: &mut Findings) -> (Vec<Local>, u32) {
    let mut walk = Walk { trace, done: Vec::new(), open: Vec::new(), cycles: Vec::new() };
    for local in &trace.when.locals {
        walk.visit(*local);
    }
    let before_when = walk.done.len() as u32;
    for local in trace.all() {
        walk.visit(local);
    }
    for cycle in walk.cycles {
        let path: Vec<String> = cycle.iter().chain(cycle.first()).map(|local| local_name(task, *local)).collect();
        let span = local_span(task, cycle[0]);
        let mut d = Diagnostic::error(
            codes::LOCAL_CYCLE,
            span,
            format!("`{}` is defined by itself: {}", path[0], path.join(" -> ")),
        );
        for local in &cycle[1..] {
            d = d.also(local_span(task, *local), "on the way");
        }
        found.diagnostics.push(d.help("one of them must be given without the others"));
    }
    (walk.done, before_when)
}

struct Walk<'a> {
    trace: &'a Trace,
    done: Vec<Local>,
    open: Vec<Local>,
    cycles: Vec<Vec<Local>>,
}

impl Walk<'_> {
    fn visit(&mut self, local: Local) {
        if self.done.contains(&local) {
            return;
        }
        if let Some(at) = self.open.iter().position(|l| *l == local) {
            // a task's own `env.X` reads the driver's X
            if !(matches!(local, Local::Env(_)) && at + 1 == self.open.len()) {
                let mut cycle = self.open[at..].to_vec();
                let least = (0..cycle.len()).min_by_key(|i| cycle[*i]).unwrap_or(0);
                cycle.rotate_left(least);
                if !self.cycles.contains(&cycle) {
                    self.cycles.push(cycle);
                }
            }
            return;
        }
        self.open.push(local);
        for next in &self.trace.of(local).locals {
            self.visit(*next);
        }
        self.open.pop();
        self.done.push(local);
    }
}

/// `resources`, `attempt`, `run` and `project` must not reach `when`, inputs or output paths by way of a var either,
/// nor a staged path another path.
fn check_hidden_words(task: &TaskDecl, trace: &Trace, found: &mut Findings) {
    let mut places: Vec<(Place, &Seen, String)> = vec![(Place::When, &trace.when, "`when`".to_owned())];
    places.extend(
        task.inputs
            .iter()
            .zip(&trace.inputs)
            .map(|((n, _), seen)| (Place::Inputs, seen, format!("the input `{}`", n.value))),
    );
    places.extend(
        task.outputs
            .iter()
            .zip(&trace.outputs)
            .map(|(o, seen)| (Place::OutputPath, seen, format!("the path of the output `{}`", o.name.value))),
    );
    for (place, seen, name) in places {
        let mut reached: Vec<Local> = Vec::new();
        let mut next: Vec<Local> = seen.locals.clone();
        while let Some(local) = next.pop() {
            if reached.contains(&local) {
                continue;
            }
            reached.push(local);
            let (word, span) = match local {
                Local::Input(_) if !place.allows("inputs") => ("inputs", local_span(task, local)),
                // a path may read its own kind only as the language allows it; what is left is a staged path
                Local::Output(_) => ("outputs", local_span(task, local)),
                _ => match trace.of(local).words.first() {
                    Some((word, span)) if !matches!(local, Local::Resource(_)) => (&**word, *span),
                    _ => {
                        next.extend(&trace.of(local).locals);
                        continue;
                    }
                },
            };
            let via = seen.locals.iter().map(|l| local_name(task, *l)).collect::<Vec<_>>();
            let via = or(via.iter().map(String::as_str));
            found.diagnostics.push(
                Diagnostic::error(codes::NOT_HERE, span, format!("`{word}` reaches {name} by way of {via}"))
                    .help(format!("`{word}` may stand in {}", Place::homes(word))),
            );
        }
    }
}

fn local_name(task: &TaskDecl, local: Local) -> String {
    match local {
        Local::Var(i) => format!("vars.{}", task.vars[i as usize].0.value),
        Local::Env(i) => format!("env.{}", task.env[i as usize].0.value),
        Local::Input(i) => format!("inputs.{}", task.inputs[i as usize].0.value),
        Local::Output(i) => format!("outputs.{}", task.outputs[i as usize].name.value),
        Local::Resource(_) => "resources".to_owned(),
    }
}

fn local_span(task: &TaskDecl, local: Local) -> Span {
    match local {
        Local::Var(i) => task.vars[i as usize].0.span,
        Local::Env(i) => task.env[i as usize].0.span,
        Local::Input(i) => task.inputs[i as usize].0.span,
        Local::Output(i) => task.outputs[i as usize].name.span,
        Local::Resource(_) => task.name.span,
    }
}
