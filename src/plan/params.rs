//! The values of a run's params: given words and files against what the pipeline declares. All mistakes at once.

use super::model::Param;
use crate::base::Value;
use crate::base::text::{and, article, did_you_mean, quote};
use crate::diag::{Diagnostic, codes};
use crate::lang::model::{Model, ParamDecl};
use crate::lang::types::Type;
use std::cell::Cell;
use std::sync::Arc;

/// What a run was given, beside the pipeline file.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Params files, in order: later ones win, and words win over files.
    pub files: Vec<ParamFile>,
    /// Words of the command line, in order: later ones win.
    pub words: Vec<Word>,
    /// Whether every param must have a value, as a run needs it. Otherwise a param without one is null.
    pub complete: bool,
    /// The absolute folder of the pipeline file, so that absolute paths under it are known as the project's own.
    pub project: Option<Arc<str>>,
    /// The pipeline files, by their paths from that folder.
    pub pipelines: Vec<Arc<str>>,
}

/// A TOML or JSON file with values for params.
#[derive(Clone, Debug)]
pub struct ParamFile {
    /// As the user named it; JSON when it ends in `.json`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One value typed on the command line.
#[derive(Clone, Debug)]
pub struct Word {
    /// The param's name.
    pub name: String,
    /// The value; `None` for a bare `--flag` (or `--no-flag`, whose name is then `no_flag`).
    pub value: Option<Vec<u8>>,
    /// As it was typed, for messages: `-p depth=x`, `--depth x`.
    pub typed: String,
}

/// Where a value was given: for messages; empty where the place says it.
type Origin<'a> = &'a str;

fn given(origin: Origin) -> String {
    if origin.is_empty() { String::new() } else { format!(" ({origin})") }
}

/// The params of the run in the order of the file.
pub(super) fn resolve(model: &Model, given: &Given, diagnostics: &mut Vec<Diagnostic>) -> Vec<Param> {
    let mut values: Vec<Option<Value>> = vec![None; model.params.len()];
    let wrong = vec![Cell::new(false); model.params.len()];
    let position = |name: &str| model.params.iter().position(|p| &*p.name.value == name);
    let mut set = |at: usize, value: Result<Value, String>, origin: Origin, diagnostics: &mut Vec<Diagnostic>| {
        let decl = &model.params[at];
        match value.map_err(|message| not_of_type(decl, &message, origin)).and_then(|v| allowed(decl, v, origin)) {
            Ok(value) => {
                values[at] = Some(value);
                wrong[at].set(false);
            }
            Err(diagnostic) => {
                wrong[at].set(true);
                diagnostics.push(diagnostic);
            }
        }
    };
    for file in &given.files {
        let entries = match entries(file) {
            Ok(entries) => entries,
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                wrong.iter().for_each(|w| w.set(true));
                continue;
            }
        };
        let origin = format!("in {}", quote(&file.name));
        for (name, value) in entries {
            match position(&name) {
                Some(at) => set(at, model.params[at].ty.value.check(&value), &origin, diagnostics),
                None => diagnostics.push(unknown(model, &name, &origin)),
            }
        }
    }
    for word in &given.words {
        let origin = quote(&word.typed);
        let (at, value) = match (position(&word.name), &word.value) {
            // What a shell hands over is the value itself: unlike a line of `$FLOWRUN_OUTPUT`, quotes in it are its own.
            (Some(at), Some(text)) if matches!(model.params[at].ty.value, Type::String | Type::Path) => {
                (at, Ok(Value::from_bytes(text)))
            }
            (Some(at), Some(text)) => (at, model.params[at].ty.value.parse_text(text)),
            (Some(at), None) if model.params[at].ty.value == Type::Bool => (at, Ok(Value::Bool(true))),
            (Some(at), None) => {
                diagnostics.push(no_value(&model.params[at], &word.typed));
                wrong[at].set(true);
                continue;
            }
            (None, value) => {
                let denied = word.name.strip_prefix("no_").and_then(position);
                match denied.filter(|at| value.is_none() && model.params[*at].ty.value == Type::Bool) {
                    Some(at) => (at, Ok(Value::Bool(false))),
                    None => {
                        diagnostics.push(unknown(model, &word.name, &origin));
                        continue;
                    }
                }
            }
        };
        set(at, value, &origin, diagnostics);
    }
    let mut params = Vec::new();
    for (at, decl) in model.params.iter().enumerate() {
        let value = values[at].take().or_else(|| decl.default.as_ref().map(|d| d.value.clone()));
        if value.is_none() && given.complete && !wrong[at].get() {
            diagnostics.push(missing(decl));
        }
        params.push(Param {
            name: decl.name.value.clone(),
            ty: decl.ty.value.clone(),
            value: value.unwrap_or_default(),
        });
    }
    params
}

fn entries(file: &ParamFile) -> Result<Vec<(String, Value)>, Diagnostic> {
    let wrong = |why: String| {
        Diagnostic::bare(codes::PARAMS_FILE, format!("the params file {} cannot be read: {why}", quote(&file.name)))
            .help(
                "it is a table of values by the names of the params, in TOML, or in JSON when its name ends in `.json`",
            )
    };
    let value: Value = if file.name.ends_with(".json") {
        serde_json::from_str(&file.text).map_err(|e| wrong(e.to_string()))?
    } else {
        let table: toml::Table = file.text.parse().map_err(|e: toml::de::Error| wrong(toml_error(&file.text, &e)))?;
        of_toml(&toml::Value::Table(table))
    };
    match value {
        Value::Map(entries) => Ok(entries.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()),
        other => Err(wrong(format!("it holds {}", article(other.kind())))),
    }
}

fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = &text.as_bytes()[..at];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = at - before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1) + 1;
    format!("line {line}, column {column}: {}", error.message())
}

fn of_toml(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::str(text.as_str()),
        toml::Value::Integer(n) => Value::Int(*n),
        toml::Value::Float(x) => Value::Float(*x),
        toml::Value::Boolean(b) => Value::Bool(*b),
        toml::Value::Datetime(time) => Value::str(time.to_string()),
        toml::Value::Array(items) => Value::list(items.iter().map(of_toml).collect()),
        toml::Value::Table(table) => {
            Value::map(table.iter().map(|(name, value)| (Arc::from(name.as_str()), of_toml(value))).collect())
        }
    }
}

fn unknown(model: &Model, name: &str, origin: Origin) -> Diagnostic {
    let names = || model.params.iter().map(|p| &*p.name.value);
    let d = Diagnostic::bare(codes::UNKNOWN_PARAM, format!("the pipeline has no param {} ({origin})", quote(name)));
    d.help(did_you_mean(name, names()).unwrap_or_else(|| match model.params.len() {
        0 => "it has no params at all".to_owned(),
        _ => format!("it has {}", and(names())),
    }))
}

fn missing(decl: &ParamDecl) -> Diagnostic {
    let name = &decl.name.value;
    let about = decl.help.as_ref().map_or_else(String::new, |help| format!(": {help}"));
    let d = Diagnostic::error(codes::MISSING_PARAM, decl.name.span, format!("the param `{name}` needs a value{about}"));
    d.label(format!("{} without a default", article(&decl.ty.value.to_string())))
        .help(format!("give it one, `-p {name}=VALUE`, or a `default`"))
}

fn no_value(decl: &ParamDecl, typed: &str) -> Diagnostic {
    let name = &decl.name.value;
    let message =
        format!("{} has no value, and the param `{name}` is {}", quote(typed), article(&decl.ty.value.to_string()));
    Diagnostic::bare(codes::WRONG_PARAM, message).help(format!("write `--{name} VALUE`"))
}

fn not_of_type(decl: &ParamDecl, message: &str, origin: Origin) -> Diagnostic {
    let name = &decl.name.value;
    Diagnostic::bare(
        codes::WRONG_PARAM,
        format!("the param `{name}` cannot have this value: {message}{}", given(origin)),
    )
    .help(match &decl.help {
        Some(help) => format!("it is {}: {help}", article(&decl.ty.value.to_string())),
        None => format!("it is {}", article(&decl.ty.value.to_string())),
    })
}

/// The value as the param has it, or what is wrong with it: its type, its bounds or its choices.
pub fn accept(decl: &ParamDecl, value: &Value) -> Result<Value, Diagnostic> {
    let value = decl.ty.value.check(value).map_err(|message| not_of_type(decl, &message, ""))?;
    allowed(decl, value, "")
}

/// Checks bounds and choices.
fn allowed(decl: &ParamDecl, value: Value, origin: Origin) -> Result<Value, Diagnostic> {
    let name = &decl.name.value;
    let origin = given(origin);
    let number = |value: &Value| match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        _ => None,
    };
    let shown = quote(&match &value {
        Value::Str(text) => text.to_string(),
        other => other.to_json(),
    });
    let beyond = |bound: &Option<crate::diag::Spanned<Value>>, less: bool| {
        let (given, bound) = (&value, &bound.as_ref()?.value);
        let out = match (given, bound) {
            (Value::Int(a), Value::Int(b)) => {
                if less {
                    a < b
                } else {
                    a > b
                }
            }
            _ => {
                let (a, b) = (number(given)?, number(bound)?);
                if less { a < b } else { a > b }
            }
        };
        out.then(|| bound.to_json())
    };
    let bounds = [(beyond(&decl.min, true), "less than its `min`"), (beyond(&decl.max, false), "more than its `max`")];
    for (bound, what) in bounds {
        if let Some(bound) = bound {
            let message = format!("the param `{name}` is {shown}, {what}, {bound}{origin}");
            let least = decl.min.as_ref().map(|b| format!("at least {}", b.value.to_json()));
            let most = decl.max.as_ref().map(|b| format!("at most {}", b.value.to_json()));
            let range = least.into_iter().chain(most).collect::<Vec<_>>().join(" and ");
            return Err(Diagnostic::bare(codes::PARAM_BOUNDS, message).help(format!("it must be {range}")));
        }
    }
    let same = |choice: &Value| *choice == value || (number(choice).is_some() && number(choice) == number(&value));
    if let Some(choices) = &decl.choices
        && !choices.value.iter().any(same)
    {
        let message = format!("the param `{name}` cannot be {shown}{origin}");
        let texts: Vec<String> =
            choices.value.iter().map(|c| c.as_str().map_or_else(|| c.to_json(), str::to_owned)).collect();
        let near = value.as_str().and_then(|v| did_you_mean(v, texts.iter().map(String::as_str)));
        let all = format!("choose from {}", and(texts.iter().map(String::as_str)));
        return Err(
            Diagnostic::bare(codes::PARAM_CHOICE, message).help(near.map_or(all.clone(), |n| format!("{n} ({all})")))
        );
    }
    Ok(value)
}

/// A value that a test gives, with the position of its param.
pub(super) fn of_trial(model: &Model, name: &str, value: &Value, origin: Origin) -> Result<(u32, Value), Diagnostic> {
    let at = model.params.iter().position(|p| &*p.name.value == name).ok_or_else(|| unknown(model, name, origin))?;
    let decl = &model.params[at];
    let typed = decl.ty.value.check(value).map_err(|message| not_of_type(decl, &message, origin))?;
    Ok((at as u32, allowed(decl, typed, origin)?))
}

/// A param that nothing reads.
pub(super) fn unused(model: &Model, used: impl Fn(&Arc<str>) -> bool, diagnostics: &mut Vec<Diagnostic>) {
    for decl in &model.params {
        if !used(&decl.name.value) {
            let name = &decl.name.value;
            diagnostics.push(
                Diagnostic::error(codes::UNUSED_PARAM, decl.name.span, format!("nothing reads the param `{name}`"))
                    .warning()
                    .help(format!("read it as `{{{{ params.{name} }}}}`, or take it away")),
            );
        }
    }
}
