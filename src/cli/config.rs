//! `config`: every setting, its value, and where it comes from.

use super::Failed;
use super::args::{Cli, ConfigArgs, Output};
use super::exit;
use super::profile::Chosen;
use super::screen::print;
use super::settings::Target;
use crate::base::Value;
use crate::base::amount::show_bytes;
use crate::diag::{Sources, Span};
use crate::lang::reader;
use crate::lang::settings::{SETTINGS, Setting};
use crate::port::doctor::Finding;
use crate::report::json;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory};
use std::path::Path;

/// One line of the answer.
struct Line {
    name: String,
    /// `None`: nothing holds.
    value: Option<Value>,
    origin: Origin,
    /// What was asked for, and the place that allows no more.
    capped: Option<(Value, String)>,
}

enum Origin {
    /// As it is written on a command line.
    Option(String),
    Variable(&'static str),
    /// File and line, and the profile.
    File(String, u32, Option<String>),
    Default,
}

/// `flowrun config`
pub fn config(args: &ConfigArgs) -> Result<u8, Failed> {
    let target = Target::only_pipeline(&args.words, "config")?;
    let chosen = target.chosen(args.place.profile.as_deref())?;
    let lines = all(&target, &chosen);
    print(match args.output {
        Output::Human => human(&lines, args.origin),
        Output::Json => json::line(&document(&lines)),
    })?;
    Ok(exit::OK)
}

/// Every setting of the command that was typed.
fn all(target: &Target, chosen: &Chosen) -> Vec<Line> {
    // The same words once more: clap knows which of them came from the environment.
    let matches = Cli::command().get_matches();
    let matches = matches.subcommand().map_or(&matches, |(_, matches)| matches);
    let mut lines = vec![profile(matches, chosen)];
    lines.extend(SETTINGS.iter().map(|setting| line(setting, matches, chosen)));
    lines.extend(resources(&target.pipeline, chosen));
    lines.extend(caps(chosen));
    lines
}

/// The settings that do not go without saying, for `doctor`.
pub fn findings(target: &Target, chosen: &Chosen, tell: &mut dyn FnMut(Finding)) {
    for line in all(target, chosen) {
        let always = matches!(line.name.as_str(), "backend" | "store");
        if !always && matches!(line.origin, Origin::Default) && line.capped.is_none() {
            continue;
        }
        let text = format!("{} ({})", shown(&line.value), line.origin());
        let about = line.name.strip_prefix("resources.").unwrap_or(&line.name);
        tell(Finding::fine(about, text).data(line.document()));
    }
}

fn profile(matches: &ArgMatches, chosen: &Chosen) -> Line {
    let origin = typed(matches, "profile", "FLOWRUN_PROFILE").unwrap_or(Origin::Default);
    let name = chosen.name.as_deref().unwrap_or("default");
    Line { name: "profile".into(), value: Some(Value::str(name)), origin, capped: None }
}

/// Where a word of the command line or the environment came from, if there was one.
fn typed(matches: &ArgMatches, option: &str, variable: &'static str) -> Option<Origin> {
    let id = option.replace('-', "_");
    // Not every command has every option.
    matches.try_contains_id(&id).ok()?;
    match matches.value_source(&id)? {
        ValueSource::CommandLine => Some(Origin::Option(format!("--{option}"))),
        ValueSource::EnvVariable => Some(Origin::Variable(variable)),
        _ => None,
    }
}

fn line(setting: &'static Setting, matches: &ArgMatches, chosen: &Chosen) -> Line {
    let (name, variable) = (setting.key.name, setting.env.unwrap_or_default());
    let given = match setting.option {
        Some(option) => typed(matches, option, variable).map(|origin| (word(matches, name), origin)),
        None => {
            let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
            value.map(|value| (Some(Value::str(value)), Origin::Variable(variable)))
        }
    };
    let (value, origin) = given.unwrap_or_else(|| match chosen.value(name) {
        Some((value, span)) => {
            let shown = match name {
                "store" => chosen.store().map(Value::str),
                "artifacts" => chosen.path(name).map(|path| Value::str(path.display().to_string())),
                _ => None,
            };
            (Some(shown.unwrap_or_else(|| value.clone())), file(&chosen.sources, span, chosen.profile_at(span)))
        }
        None => (default(name), Origin::Default),
    });
    let mut line = Line { name: name.to_owned(), value, origin, capped: None };
    match (name, &line.value) {
        ("jobs", Some(Value::Int(asked))) => {
            let (jobs, cut) = chosen.jobs(u32::try_from(*asked).ok());
            if let (Some(jobs), Some(span)) = (jobs, cut) {
                line.capped = Some((Value::Int(*asked), chosen.place(span)));
                line.value = Some(Value::Int(jobs.into()));
            }
        }
        ("store", Some(Value::Str(url))) => line.value = Some(Value::str(without_password(url))),
        _ => {}
    }
    line
}

/// What was typed for a setting.
fn word(matches: &ArgMatches, name: &str) -> Option<Value> {
    let flag = || matches.try_get_one::<bool>(name).ok().flatten().map(|on| Value::Bool(*on));
    let number = || matches.try_get_one::<u32>(name).ok().flatten().map(|n| Value::Int((*n).into()));
    let text = || matches.try_get_one::<String>(name).ok().flatten().map(|text| Value::str(text.as_str()));
    let path = || {
        let path = matches.try_get_one::<std::path::PathBuf>(name).ok().flatten();
        path.map(|path| Value::str(path.display().to_string()))
    };
    flag().or_else(number).or_else(text).or_else(path)
}

/// What holds when nobody says anything.
fn default(name: &str) -> Option<Value> {
    match name {
        "backend" => Some(Value::str("local")),
        "store" => Some(Value::str(".flowrun/store.db")),
        "jobs" => Some(Value::Int(crate::sys::cores().into())),
        "keep_going" | "no_cache" | "wait" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// Default resources: those of profiles, then those that the pipeline itself names.
fn resources(pipeline: &Path, chosen: &Chosen) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |name: &str, value: Value, origin: Origin| {
        // Options of Slurm travel among the resources and have their own prefix.
        let name = if name.contains('.') { name.to_owned() } else { format!("resources.{name}") };
        if !lines.iter().any(|line| line.name == name) {
            lines.push(Line { name, value: Some(value), origin, capped: None });
        }
    };
    for (name, datum) in chosen.resources() {
        let origin = file(&chosen.sources, datum.span(), chosen.profile_at(datum.span()));
        add(&name.value, datum.literal(), origin);
    }
    // What is wrong with the pipeline is for `check` to say.
    if let Ok(text) = std::fs::read_to_string(pipeline) {
        let mut sources = Sources::default();
        let id = sources.add(pipeline.display().to_string(), text.as_str());
        for (name, datum) in reader::read(&text, id, "").0.resources {
            add(&name.value, datum.literal(), file(&sources, datum.span(), None));
        }
    }
    lines
}

/// What the machine allows at most.
fn caps(chosen: &Chosen) -> Vec<Line> {
    let caps = &chosen.caps;
    let number = |(n, span): (u32, Span)| (Value::Int(n.into()), span);
    let all = [
        ("jobs", caps.jobs.map(number)),
        ("memory", caps.memory.map(|(bytes, span)| (Value::str(show_bytes(bytes)), span))),
        ("gpus", caps.gpus.map(number)),
        ("submissions", caps.submissions.map(number)),
    ];
    let line = |(name, (value, span)): (&str, (Value, Span))| Line {
        name: format!("caps.{name}"),
        value: Some(value),
        origin: file(&chosen.sources, span, None),
        capped: None,
    };
    all.into_iter().filter_map(|(name, cap)| Some((name, cap?))).map(line).collect()
}

fn file(sources: &Sources, span: Span, profile: Option<&str>) -> Origin {
    let line = sources.line_column(span.file, span.start).0;
    Origin::File(sources.path(span.file).to_owned(), line, profile.map(str::to_owned))
}

/// An address without its password.
fn without_password(url: &str) -> String {
    let mut shown = url.to_owned();
    if let Some(at) = shown.find("://").map(|at| at + 3) {
        let end = shown[at..].find(['/', '?']).map_or(shown.len(), |end| at + end);
        if let Some(host) = shown[at..end].rfind('@').map(|host| at + host)
            && let Some(colon) = shown[at..host].find(':').map(|colon| at + colon)
        {
            shown.replace_range(colon + 1..host, "***");
        }
    }
    if let Some(at) = shown.find("password=").map(|at| at + "password=".len()) {
        let end = shown[at..].find('&').map_or(shown.len(), |end| at + end);
        shown.replace_range(at..end, "***");
    }
    shown
}

fn shown(value: &Option<Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::Str(text)) => text.to_string(),
        Some(other) => other.to_json(),
    }
}

fn human(lines: &[Line], origins: bool) -> String {
    let name_width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    let width = lines.iter().map(|line| shown(&line.value).chars().count()).max().unwrap_or(0).min(40);
    let mut text = String::new();
    for line in lines {
        let value = shown(&line.value);
        match origins {
            true => text.push_str(&format!("{:name_width$}  {value:width$}  {}\n", line.name, line.origin())),
            false => text.push_str(&format!("{:name_width$}  {value}\n", line.name)),
        }
    }
    text
}

impl Line {
    fn document(&self) -> serde_json::Value {
        let origin = match &self.origin {
            Origin::Option(option) => serde_json::json!({ "kind": "option", "option": option }),
            Origin::Variable(name) => serde_json::json!({ "kind": "environment", "variable": name }),
            Origin::File(file, line, profile) => {
                serde_json::json!({ "kind": "file", "file": file, "line": line, "profile": profile })
            }
            Origin::Default => serde_json::json!({ "kind": "default" }),
        };
        let mut entry = serde_json::json!({ "name": self.name, "value": self.value, "origin": origin });
        if let Some((asked, place)) = &self.capped {
            entry["asked"] = serde_json::json!(asked);
            entry["capped_by"] = serde_json::json!(place);
        }
        entry
    }

    fn origin(&self) -> String {
        let origin = match &self.origin {
            Origin::Option(option) => option.clone(),
            Origin::Variable(name) => (*name).to_owned(),
            Origin::File(path, line, _) => format!("{path}:{line}"),
            Origin::Default => "default".to_owned(),
        };
        match &self.capped {
            None => origin,
            Some((asked, place)) => {
                let asked = asked.as_str().map_or_else(|| asked.to_json(), str::to_owned);
                format!("{origin}: {asked}, capped by {place}")
            }
        }
    }
}

fn document(lines: &[Line]) -> serde_json::Value {
    serde_json::json!({ "settings": lines.iter().map(Line::document).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://me:s3cret@host/db", "postgres://me:***@host/db"),
            ("postgres://me:a@b:c@host:5432/db?x=1", "postgres://me:***@host:5432/db?x=1"),
            (
                "postgres://host/db?user=me&password=x&sslmode=require",
                "postgres://host/db?user=me&password=***&sslmode=require",
            ),
            ("postgres://me@host/db", "postgres://me@host/db"),
            ("/data/store.db", "/data/store.db"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    /// The command line and the table of settings name the same options and variables.
    #[test]
    fn every_setting_is_an_option_of_config() {
        let cli = Cli::command();
        let config = cli.find_subcommand("config").expect("the command");
        for setting in SETTINGS {
            let Some(option) = setting.option else { continue };
            let arg = config.get_arguments().find(|arg| arg.get_long() == Some(option)).expect(option);
            assert_eq!(arg.get_env().and_then(|name| name.to_str()), setting.env, "{option}");
            assert_eq!(arg.get_id().as_str(), setting.key.name);
        }
    }
}
