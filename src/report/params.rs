//! The params of a pipeline, as `flowrun run -- --help` tells them.

use super::json;
use crate::base::human;
use crate::base::paint::Paint;
use crate::lang::model::ParamDecl;
use crate::plan::Plan;
use std::fmt::Write;

/// Columns of the text under a param.
const WIDTH: usize = 72;

/// For people. `pipeline` are the words that name it in a command, with a blank in front, or nothing.
pub fn human(plan: &Plan, params: &[ParamDecl], pipeline: &str, paint: Paint) -> String {
    let mut out = String::new();
    let name = human::plain(&plan.name);
    match &plan.description {
        Some(about) => drop(writeln!(out, "{}: {}", paint.bold(name), human::plain(about))),
        None => drop(writeln!(out, "{}", paint.bold(name))),
    }
    if params.is_empty() {
        out.push_str("\nThe pipeline has no params.\n");
        return out;
    }
    let _ = writeln!(out, "\nUsage: flowrun run{pipeline} -- [--NAME VALUE]...\n\n{}", paint.bold("Params:"));
    for param in params {
        let option = format!("--{}", param.name.value.replace('_', "-"));
        let _ = writeln!(out, "  {} <{}>", paint.cyan(option), param.ty.value);
        let help = param.help.iter().flat_map(|help| help.lines().map(|line| human::plain(line).into_owned()));
        for line in help.chain([facts(param)]).flat_map(|text| human::wrap(&text, WIDTH)) {
            let _ = writeln!(out, "          {line}");
        }
    }
    out
}

/// `[default: 3] [min: 1]`
fn facts(decl: &ParamDecl) -> String {
    let mut parts = vec![match &decl.default {
        Some(default) => format!("[default: {}]", json::text(&default.value)),
        None => "[no default: every run must give it]".to_owned(),
    }];
    for (word, bound) in [("min", &decl.min), ("max", &decl.max)] {
        parts.extend(bound.iter().map(|bound| format!("[{word}: {}]", json::text(&bound.value))));
    }
    parts.extend(decl.choices.iter().map(|choices| {
        let shown: Vec<String> = choices.value.iter().map(json::text).collect();
        format!("[one of {}]", shown.join(", "))
    }));
    human::plain(&parts.join(" ")).into_owned()
}
