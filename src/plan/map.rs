//! From a declared map to a checked one: its source, what arranges its items, and the results it names.

use super::declare::{Form, MapView, World};
use super::gather::{Findings, Gather, Seen};
use super::model::{Map, Read, Source, Ty};
use super::task::{after, must_be_bool, when};
use super::words::Place;
use crate::base::NodeId;
use crate::base::id::BodyId;
use crate::diag::{Diagnostic, codes};
use crate::lang::expr::{Names, Template, Use};
use crate::lang::model::{self as decl, Datum, Text};
use std::sync::Arc;

/// A checked map, its `when`, and what its source reads.
pub(super) struct Built {
    pub map: Map,
    pub when: Option<Template>,
    pub source: Seen,
}

/// Checks one map; its body is checked by itself.
pub(super) fn build<'m>(
    world: &World<'m>,
    id: NodeId,
    body: BodyId,
    view: &MapView<'m>,
    found: &mut Findings,
) -> Built {
    let mut g = Gather::new(world, body, Some(id), None);
    let mut seen = Seen::default();
    let over = view.over;
    if let decl::Source::Value(datum) = &over.source
        && world.element_ty(&g.site(Place::Over), &over.source).is_none()
    {
        found.diagnostics.push(not_a_list(world, &g, datum));
    }
    let source = source(&mut g, &over.source, &mut seen, found);
    let mut per_item = |key: &'static str, text: &Option<Text>, found: &mut Findings| {
        text.as_ref().map(|text| g.template(Place::PerItem(key), Use::Value, text, found).0)
    };
    let key = per_item("key", &over.key, found);
    let filter = per_item("where", &over.filter, found);
    let group_by = per_item("group_by", &over.group_by, found);
    if let Some(filter) = &filter {
        must_be_bool(&g, Place::PerItem("where"), filter, found);
    }
    let mut condition = None;
    let (mut outputs, mut output_names, mut output_reads) = (Vec::new(), Arc::default(), Vec::new());
    if let Form::Map(map) = &view.form {
        condition = map.when.as_ref().and_then(|datum| when(&mut g, datum, &mut Seen::default(), found));
        after(&g, id, body, &map.after, found);
        let mut inner = Gather::new(world, view.body, Some(id), None);
        for (name, datum) in &map.outputs {
            let (shape, _) = inner.shape(Place::MapOutputs, datum, found);
            outputs.push((name.value.clone(), shape));
        }
        (output_names, output_reads) = inner.finish();
    }
    let (names, reads) = g.finish();
    let map = Map {
        source,
        item: view.item.clone(),
        key,
        filter,
        group_by,
        chunk: over.chunk.as_ref().map(|n| n.value),
        max_parallel: over.max_parallel.as_ref().map(|n| n.value),
        max_failures: over.max_failures.as_ref().map(|n| n.value),
        outputs,
        output_names,
        output_reads,
        body: view.body,
        shorthand: view.form.is_short(),
        item_names: item_names(&names, &reads, &view.item),
        names,
        reads,
    };
    Built { map, when: condition, source: seen }
}

/// The names of `key`, `where` and `group_by`. A read that the map's own item or index hides keeps its slot under a
/// name that no expression can write.
fn item_names(names: &Names, reads: &[Read], item: &Arc<str>) -> Arc<Names> {
    let index: Arc<str> = "index".into();
    let mut paths: Vec<Vec<Arc<str>>> = names.paths().into_iter().take(reads.len()).map(<[_]>::to_vec).collect();
    for path in &mut paths {
        if path[0] == *item || path[0] == index {
            path.insert(0, "(hidden)".into());
        }
    }
    paths.push(vec![item.clone()]);
    paths.push(vec![index]);
    Arc::new(Names::keeping(paths))
}

fn source(g: &mut Gather<'_, '_>, source: &decl::Source, seen: &mut Seen, found: &mut Findings) -> Source {
    let mut path = |text: &Text, found: &mut Findings| {
        let (template, more) = g.template(Place::Over, Use::Value, text, found);
        seen.add(more);
        template
    };
    match source {
        decl::Source::Glob(text) => Source::Glob(path(text, found)),
        decl::Source::Lines(text) => Source::Lines(path(text, found)),
        decl::Source::Csv(text) => Source::Csv(path(text, found)),
        decl::Source::Tsv(text) => Source::Tsv(path(text, found)),
        decl::Source::Jsonl(text) => Source::Jsonl(path(text, found)),
        decl::Source::Value(datum) => {
            let (shape, more) = g.shape(Place::Over, datum, found);
            seen.add(more);
            Source::Value(shape)
        }
        decl::Source::Range(bounds) => {
            let bounds = bounds.iter().map(|bound| {
                check_bound(g, bound, found);
                let (shape, more) = g.shape(Place::Over, bound, found);
                seen.add(more);
                shape
            });
            Source::Range(bounds.collect())
        }
        decl::Source::Product(axes) => Source::Product(self::axes(g, axes, seen, found)),
        decl::Source::Zip(axes) => Source::Zip(self::axes(g, axes, seen, found)),
    }
}

fn axes(
    g: &mut Gather<'_, '_>,
    axes: &[(decl::Name, decl::Source)],
    seen: &mut Seen,
    found: &mut Findings,
) -> Vec<(Arc<str>, Source)> {
    let each = axes.iter().map(|(name, axis)| {
        if let decl::Source::Value(datum) = axis
            && g.world.element_ty(&g.site(Place::Over), axis).is_none()
        {
            found.diagnostics.push(not_a_list(g.world, g, datum));
        }
        (name.value.clone(), source(g, axis, seen, found))
    });
    each.collect()
}

fn check_bound(g: &Gather<'_, '_>, bound: &Datum, found: &mut Findings) {
    match g.world.datum_ty(&g.site(Place::Over), bound) {
        Ty::Int | Ty::Any => {}
        other => {
            let message = format!("a range needs whole numbers, and this is {}", other.described());
            found.diagnostics.push(
                Diagnostic::error(codes::NOT_AN_INT, bound.span(), message)
                    .help("write a number, or one single expression that gives one"),
            );
        }
    }
}

fn not_a_list(world: &World<'_>, g: &Gather<'_, '_>, datum: &Datum) -> Diagnostic {
    let site = g.site(Place::Over);
    let ty = world.datum_ty(&site, datum);
    let template = match datum {
        Datum::Text(text) => Template::compile(text, Use::Value, &mut Vec::new()),
        _ => None,
    };
    let name = template.as_ref().and_then(Template::as_path).map(|read| read.path.join("."));
    let d = Diagnostic::error(
        codes::NOT_A_LIST,
        datum.span(),
        match &name {
            Some(name) => format!("`{name}` is {}, not a list", ty.described()),
            None => format!("`over` is {}, not a list", ty.described()),
        },
    );
    match (ty, name) {
        (Ty::String, None) => {
            d.help(match template.is_some_and(|t| t.as_literal().is_none() && t.as_constant().is_none()) {
                true => "a string that is one single `{{ … }}` keeps its type; with text beside it, it is text",
                false => "write an expression, `over = \"{{ … }}\"`, an array, or a table such as `{ glob = \"…\" }`",
            })
        }
        (Ty::Int, Some(name)) => d.help(format!("count up to it: `over = {{ range = [0, \"{{{{ {name} }}}}\"] }}`")),
        (Ty::Path, Some(name)) => d.help(format!("read its lines: `over = {{ lines = \"{{{{ {name} }}}}\" }}`")),
        (Ty::Map(_) | Ty::Record(_), Some(name)) => {
            d.help(format!("make it a list: `over = \"{{{{ {name} | items }}}}\"`"))
        }
        (_, Some(name)) => d.help(format!("declare it as a list, or make it one: `over = \"{{{{ [{name}] }}}}\"`")),
        _ => d.help("write an expression, `over = \"{{ … }}\"`, an array, or a table such as `{ glob = \"…\" }`"),
    }
}
