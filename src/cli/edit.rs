//! The commands for whoever writes a pipeline: `check`, `plan`, `explain`, `graph`, `schema`. Nothing runs.

use super::args::{CheckArgs, ExplainArgs, FreshArgs, GraphArgs, GraphForm, Output, ParamArgs, PlanArgs};
use super::exit;
use super::screen::{Screen, complain, print, stream};
use super::settings::{self, Target};
use super::{Failed, registry};
use crate::base::text;
use crate::diag;
use crate::driver::{self, Backends, Params};
use crate::plan::{Plan, graph};
use crate::report::{forecast, json, params};
use jiff::tz::TimeZone;

/// `flowrun check`
pub fn check(args: &CheckArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::only_pipeline(&args.words, "check")?;
    if let Some(code) = params_of(&target, &args.params, screen)? {
        return Ok(code);
    }
    let chosen = target.chosen(None)?;
    let params = Params { profile: chosen.of_plan(), ..settings::params(&args.params)? };
    let (list, sources, right) = match driver::load(&target.pipeline, &params, false) {
        Ok(loaded) => {
            let backends = Backends { kinds: registry::backends(None)?, only_first: false };
            let unknown = backends.unknown(&loaded.plan);
            let right = unknown.is_empty();
            ([loaded.warnings, unknown].concat(), loaded.sources, right)
        }
        Err(driver::Error::Diagnostics { list, sources }) => (list, sources, false),
        Err(other) => return Err(other.into()),
    };
    if args.output == Output::Json {
        print(json::line(&diag::to_json(&list, &sources)))?;
        return Ok(if right { exit::OK } else { exit::USAGE });
    }
    complain(diag::render(&list, &sources, screen.err.is_on()));
    let errors = list.iter().filter(|d| d.severity == diag::Severity::Error).count() as u64;
    let warnings = list.len() as u64 - errors;
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(text::count(errors, "mistake"));
    }
    if warnings > 0 {
        parts.push(text::count(warnings, "warning"));
    }
    let name = text::quote(&target.pipeline.to_string_lossy());
    if !parts.is_empty() {
        complain(format!("\n{} in {name}\n", parts.join(" and ")));
    }
    if right {
        print(format!("{name} is {}\n", screen.out.green("right")))?;
    }
    Ok(if right { exit::OK } else { exit::USAGE })
}

/// `flowrun plan`
pub fn plan(args: &PlanArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    if let Some(code) = params_of(&target, &args.params, screen)? {
        return Ok(code);
    }
    let settings = settings::settings(&target, settings::params(&args.params)?, &args.place, &args.fresh)?;
    let plan = driver::plan(settings, args.summary)?;
    match args.output {
        Output::Human => print(forecast::human(&plan, args.summary, screen.out))?,
        Output::Json => stream(|out| forecast::json(out, &plan, args.summary))?,
    }
    Ok(exit::OK)
}

/// `flowrun explain`
pub fn explain(args: &ExplainArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    if let Some(code) = params_of(&target, &args.params, screen)? {
        return Ok(code);
    }
    let fresh = FreshArgs::default();
    let settings = settings::settings(&target, settings::params(&args.params)?, &args.place, &fresh)?;
    let why = driver::explain(settings)?;
    match args.output {
        Output::Human => print(forecast::explanation(&why, &TimeZone::system(), screen.out))?,
        Output::Json => stream(|out| forecast::json(out, &why, false))?,
    }
    Ok(exit::OK)
}

/// `-- --help`: the params of the pipeline, unless one of them is called `help`.
pub fn params_of(target: &Target, args: &ParamArgs, screen: Screen) -> Result<Option<u8>, Failed> {
    if !settings::asks_for_help(args) {
        return Ok(None);
    }
    let loaded = driver::load(&target.pipeline, &Params::default(), false)?;
    if loaded.params.iter().any(|param| &*param.name.value == "help") {
        return Ok(None);
    }
    print(params::human(&loaded.plan, &loaded.params, &target.words(), screen.out))?;
    Ok(Some(exit::OK))
}

/// `flowrun graph`
pub fn graph_of(args: &GraphArgs) -> Result<u8, Failed> {
    let target = Target::only_pipeline(&args.words, "graph")?;
    let loaded = driver::load(&target.pipeline, &Params::default(), false)?;
    let by_ending = args.out.as_deref().and_then(|path| path.extension()).and_then(|end| match end.to_str()? {
        "svg" => Some(GraphForm::Svg),
        "json" => Some(GraphForm::Json),
        "mmd" | "mermaid" | "md" => Some(GraphForm::Mermaid),
        _ => None,
    });
    let drawn = draw(&loaded.plan, args.format.or(by_ending).unwrap_or(GraphForm::Dot));
    match &args.out {
        None => print(drawn)?,
        Some(path) => std::fs::write(path, drawn).map_err(|error| Failed::file(path, &error))?,
    }
    Ok(exit::OK)
}

fn draw(plan: &Plan, form: GraphForm) -> String {
    let drawn = match form {
        GraphForm::Dot => graph::dot(plan),
        GraphForm::Mermaid => graph::mermaid(plan),
        GraphForm::Svg => graph::svg(plan),
        // Written anew, so that it looks like every other document.
        GraphForm::Json => match serde_json::from_str::<serde_json::Value>(&graph::json(plan)) {
            Ok(document) => json::line(&document),
            Err(_) => graph::json(plan),
        },
    };
    if drawn.ends_with('\n') { drawn } else { drawn + "\n" }
}

/// `flowrun schema`
pub fn schema() -> Result<u8, Failed> {
    print(schema_text())?;
    Ok(exit::OK)
}

/// The JSON Schema of pipeline files.
pub fn schema_text() -> String {
    format!("{:#}\n", crate::lang::schema())
}
