//! From a declared branch, loop or call to a checked one. What they hold is checked by itself.

use super::container::{Argument, Branch, Call, Carry, Case, Loop, Results};
use super::declare::World;
use super::gather::{Findings, Gather, Seen};
use super::model::{NodeKind, Shape, Ty};
use super::params;
use super::task::{after, must_be_bool, when};
use super::words::Place;
use crate::base::NodeId;
use crate::base::id::BodyId;
use crate::base::text::{and, article, did_you_mean, quote};
use crate::diag::{Diagnostic, codes};
use crate::lang::expr::{Template, Use};
use crate::lang::model::{BranchDecl, CallDecl, Datum, LoopDecl, ParamDecl};
use crate::lang::types::Type;

/// A checked node that holds others, its `when`, and what its beginning reads.
pub(super) struct Built {
    pub kind: NodeKind,
    pub when: Option<Template>,
    pub source: Seen,
}

/// Checks one branch.
pub(super) fn branch<'m>(
    world: &World<'m>,
    (id, body): (NodeId, BodyId),
    decl: &'m BranchDecl,
    cases: &[BodyId],
    found: &mut Findings,
) -> Built {
    let mut g = Gather::new(world, body, Some(id), None);
    let (on, source) = g.template(Place::On, Use::Value, &decl.on, found);
    if let ty @ (Ty::List(_) | Ty::Map(_) | Ty::Record(_)) = world.template_ty(&g.site(Place::On), &on) {
        let name = on.as_path().map_or_else(|| "`on`".to_owned(), |read| quote(&read.path.join(".")));
        let message = format!("{name} is {}, and has no text to compare with the cases", ty.described());
        found.diagnostics.push(
            Diagnostic::error(codes::NOT_TEXT, decl.on.span, message)
                .help("compare something of it: `on = \"{{ x.kind }}\"`, `on = \"{{ x | length > 0 }}\"`"),
        );
    }
    let condition = decl.when.as_ref().and_then(|datum| when(&mut g, datum, &mut Seen::default(), found));
    after(&g, id, body, &decl.after, found);
    let (names, reads) = g.finish();
    let named = decl.cases.iter().chain(&decl.default).zip(cases);
    let branch = Branch {
        on,
        cases: named.map(|(case, body)| Case { name: case.name.value.clone(), body: *body }).collect(),
        has_default: decl.default.is_some(),
        names,
        reads,
        results: results(world, id, found),
    };
    Built { kind: NodeKind::Branch(Box::new(branch)), when: condition, source }
}

/// Checks one loop.
pub(super) fn looped<'m>(
    world: &World<'m>,
    (id, body): (NodeId, BodyId),
    decl: &'m LoopDecl,
    inner: BodyId,
    found: &mut Findings,
) -> Built {
    let mut g = Gather::new(world, body, Some(id), None);
    let mut turn = Gather::new(world, inner, Some(id), None);
    let mut source = Seen::default();
    let mut carry = Vec::new();
    for one in &decl.carry {
        let (init, seen) = g.shape(Place::Init, &one.init, found);
        source.add(seen);
        let (next, _) = turn.shape(Place::Turn("next"), &one.next, found);
        carry.push(Carry { name: one.name.value.clone(), init, next });
    }
    let until = decl.until.as_ref().map(|text| {
        let (until, _) = turn.template(Place::Turn("until"), Use::Value, text, found);
        must_be_bool(&turn, Place::Turn("until"), &until, found);
        until
    });
    let condition = decl.when.as_ref().and_then(|datum| when(&mut g, datum, &mut Seen::default(), found));
    after(&g, id, body, &decl.after, found);
    let (names, reads) = g.finish();
    let (turn_names, turn_reads) = turn.finish();
    let looped = Loop {
        body: inner,
        carry,
        until,
        max: decl.max.value,
        accept: decl.accept.as_ref().is_some_and(|accept| accept.value),
        names,
        reads,
        turn_names,
        turn_reads,
        results: results(world, id, found),
    };
    Built { kind: NodeKind::Loop(Box::new(looped)), when: condition, source }
}

/// Checks one call.
pub(super) fn call<'m>(
    world: &World<'m>,
    (id, body): (NodeId, BodyId),
    decl: &'m CallDecl,
    inner: BodyId,
    found: &mut Findings,
) -> Built {
    let mut g = Gather::new(world, body, Some(id), None);
    let mut source = Seen::default();
    let declared: &[ParamDecl] = decl.called.as_ref().map_or(&[], |called| &called.params);
    let names = || declared.iter().map(|param| &*param.name.value);
    if decl.called.is_some() {
        for (name, _) in decl.params.iter().filter(|(name, _)| names().all(|known| known != &*name.value)) {
            let message = format!("`{}` has no param {}", decl.pipeline.value, quote(&name.value));
            let help = did_you_mean(&name.value, names()).unwrap_or_else(|| match declared.len() {
                0 => "it has no params at all".to_owned(),
                _ => format!("it has {}", and(names())),
            });
            found.diagnostics.push(Diagnostic::error(codes::UNKNOWN_PARAM, name.span, message).help(help));
        }
    }
    let mut arguments = Vec::new();
    for param in declared {
        let given = decl.params.iter().find(|(name, _)| name.value == param.name.value);
        let value = match (given, &param.default) {
            (Some((_, datum)), _) => {
                let (shape, seen) = g.shape(Place::CallParams, datum, found);
                source.add(seen);
                check_argument(world, &g, param, datum, &shape, found);
                shape
            }
            (None, Some(default)) => Shape::Plain(default.value.clone()),
            (None, None) => {
                let name = &param.name.value;
                let message = format!("`{}` needs a value for its param `{name}`", decl.pipeline.value);
                found.diagnostics.push(
                    Diagnostic::error(codes::MISSING_PARAM, decl.name.span, message)
                        .also(param.name.span, format!("{} without a default", article(&param.ty.value.to_string())))
                        .help(format!("give it one: `params.{name} = …`")),
                );
                Shape::Plain(Default::default())
            }
        };
        arguments.push(Argument { param: param.clone(), value });
    }
    let condition = decl.when.as_ref().and_then(|datum| when(&mut g, datum, &mut Seen::default(), found));
    after(&g, id, body, &decl.after, found);
    let (names, reads) = g.finish();
    let call = Call {
        file: decl.pipeline.value.clone(),
        body: inner,
        params: arguments,
        names,
        reads,
        results: results(world, id, found),
    };
    Built { kind: NodeKind::Call(Box::new(call)), when: condition, source }
}

/// What a call gives to a param: a value that is known is checked as one of the command line, of any other its type.
fn check_argument(
    world: &World<'_>,
    g: &Gather<'_, '_>,
    param: &ParamDecl,
    datum: &Datum,
    shape: &Shape,
    found: &mut Findings,
) {
    let wrong = match shape {
        Shape::Plain(value) => params::accept(param, value).err(),
        _ => {
            let ty = world.datum_ty(&g.site(Place::CallParams), datum);
            (!fits(&ty, &param.ty.value)).then(|| {
                let message =
                    format!("the param `{}` cannot have this value: it is {}", param.name.value, ty.described());
                Diagnostic::bare(codes::WRONG_PARAM, message)
                    .help(format!("it must be {}", article(&param.ty.value.to_string())))
            })
        }
    };
    if let Some(wrong) = wrong {
        let placed = Diagnostic::error(wrong.code, datum.span(), wrong.message).also(param.name.span, "the param");
        found.diagnostics.push(match wrong.help {
            Some(help) => placed.help(help),
            None => placed,
        });
    }
}

/// Whether a value of which this is known may be one of a declared type.
fn fits(ty: &Ty, declared: &Type) -> bool {
    match (ty, declared) {
        (Ty::Any, _) | (_, Type::Json) => true,
        (Ty::Bool, Type::Bool) | (Ty::Int, Type::Int | Type::Float) | (Ty::Float, Type::Float) => true,
        (Ty::String | Ty::Path, Type::String | Type::Path) => true,
        (Ty::List(of), Type::List(declared)) | (Ty::Map(of), Type::Map(declared)) => fits(of, declared),
        (Ty::Record(fields), Type::Map(declared)) => fields.iter().all(|(_, of)| fits(of, declared)),
        _ => false,
    }
}

/// The record that a node names: `outputs`, seen from its body.
fn results(world: &World<'_>, id: NodeId, found: &mut Findings) -> Results {
    let what = &world.nodes[id].what;
    let Some(body) = what.bodies().first() else { return Results::default() };
    let mut g = Gather::new(world, *body, Some(id), None);
    let mut fields = Vec::new();
    for (name, datum) in what.outputs() {
        let (shape, _) = g.shape(Place::MapOutputs, datum, found);
        fields.push((name.value.clone(), shape));
    }
    let (names, reads) = g.finish();
    Results { fields, names, reads }
}
