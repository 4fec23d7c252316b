//! From a pipeline file, on disk or kept with a run, to a checked plan.

use super::rundir::StoredPlan;
use super::{Error, Params, Profile};
use crate::base::text::{Problem, and, did_you_mean, quote};
use crate::base::{Digest, Value};
use crate::diag::{self, Diagnostic, Severity, Sources};
use crate::lang::model::{Datum, Name, ParamDecl};
use crate::lang::reader::{self, Open, Opened};
use crate::plan::{self, Given, ParamFile, Plan, Word};
use crate::sys::meter::{self, Phase};
use crate::sys::{Fault, FaultKind};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A pipeline that was read and found right.
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// The params as the file declares them.
    pub params: Vec<ParamDecl>,
    /// The texts that `warnings` point into.
    pub sources: Sources,
    /// What is said and does not stop a run.
    pub warnings: Vec<Diagnostic>,
    /// What a run keeps, so that it can be resumed: without selection and options, which the file does not know.
    pub stored: StoredPlan,
}

/// Reads and checks a pipeline file with its params; `complete` asks for a value of every param, as a run needs it.
pub fn load(pipeline: &Path, params: &Params, complete: bool) -> Result<Loaded, Error> {
    let _reading = meter::span(Phase::Reading);
    let text = text_of(pipeline)?;
    let mut files = Vec::with_capacity(params.files.len());
    for path in &params.files {
        files.push(ParamFile { name: path.display().to_string(), text: text_of(path)? });
    }
    let word = |word: &super::ParamWord| Word {
        name: word.name.clone(),
        value: word.value.as_ref().map(|value| value.as_bytes().to_vec()),
        typed: word.typed.clone(),
    };
    let words = params.words.iter().map(word).collect();
    let given = Given { files, words, complete, project: folder_of(pipeline), pipelines: Vec::new() };
    let opened = Opened { name: pipeline.display().to_string(), text: text.into() };
    build(opened, pipeline, given, params.profile.as_deref(), &mut |path| open_called(pipeline, path))
}

/// A pipeline of one task that says nothing of itself, with the defaults of another file, as far as they can be read,
/// and those of a profile.
///
/// # Errors
/// Defaults that are wrong, or that need more than themselves.
pub fn load_default(pipeline: &Path, profile: Option<&Profile>) -> Result<Loaded, Error> {
    let text = "[task.default]\ncommand = \"true\"\n";
    let given = Given { project: folder_of(pipeline), ..Given::default() };
    let opened = Opened { name: "defaults".to_owned(), text: text.into() };
    let mut nothing = |_: &str| Err(Problem::new("defaults call nothing"));
    let mut defaults = Profile::default();
    if let Ok(text) = std::fs::read_to_string(pipeline) {
        let file = defaults.sources.add(pipeline.display().to_string(), text.as_str());
        defaults.resources = reader::read(&text, file, "").0.resources;
    }
    if let Some(profile) = profile {
        let Profile { resources, sources } = &mut defaults;
        lay_over(resources, profile, sources);
    }
    build(opened, pipeline, given, Some(&defaults), &mut nothing)
}

/// The plan that a run was begun with.
pub fn load_stored(stored: &StoredPlan) -> Result<Loaded, Error> {
    load_again(stored, None)
}

/// The plan that a run was begun with, in the place where it goes on.
pub fn load_again(stored: &StoredPlan, profile: Option<&Profile>) -> Result<Loaded, Error> {
    let (name, text) = stored.files.first().cloned().unwrap_or_default();
    let params = stored.params.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect();
    let files = vec![ParamFile { name: "plan.json".to_owned(), text: Value::map(params).to_json() }];
    let path = PathBuf::from(OsStr::from_bytes(stored.pipeline.as_bytes().unwrap_or_default()));
    // A param without a value is null then as it was before.
    let given = Given { files, words: Vec::new(), complete: false, project: folder_of(&path), pipelines: Vec::new() };
    let mut kept = |called: &str| {
        let name = beside(&path, called).display().to_string();
        let text = stored.files.iter().find(|(file, _)| *file == name).map(|(_, text)| text.as_str().into());
        let text = text.ok_or_else(|| Problem::new(format!("the run did not keep the file {}", quote(&name))))?;
        Ok(Opened { name, text })
    };
    build(Opened { name, text: text.into() }, &path, given, profile, &mut kept)
}

fn build(
    main: Opened,
    path: &Path,
    mut given: Given,
    profile: Option<&Profile>,
    open: Open<'_>,
) -> Result<Loaded, Error> {
    let mut sources = Sources::default();
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    given.pipelines.push((&*name).into());
    let mut watched = |path: &str| {
        given.pipelines.push(path.into());
        open(path)
    };
    let (mut model, mut list) = reader::read_all(&name, main, &mut sources, &mut watched);
    let own = sources.clone();
    if let Some(profile) = profile {
        lay_over(&mut model.resources, profile, &mut sources);
    }
    let (plan, more) = plan::check(&model, &given);
    list.extend(more);
    diag::sort(&mut list);
    match plan {
        Some(mut plan) if list.iter().all(|d| d.severity == Severity::Warning) => {
            let stored = kept(&plan, &own, path);
            plan.sources = sources.clone();
            Ok(Loaded { plan, params: model.params, sources, warnings: list, stored })
        }
        _ => Err(Error::Diagnostics { list, sources }),
    }
}

/// The profile's resources in place of the pipeline's own defaults.
fn lay_over(resources: &mut Vec<(Name, Datum)>, profile: &Profile, sources: &mut Sources) {
    let mut files = Vec::new();
    for (path, text) in &profile.sources.files {
        files.push(sources.add(path.as_str(), Arc::clone(text)));
    }
    for (name, datum) in &profile.resources {
        let (mut name, mut datum) = (name.clone(), datum.clone());
        name.span.file = files[usize::from(name.span.file)];
        match &mut datum {
            Datum::Plain(value) => value.span.file = files[usize::from(value.span.file)],
            Datum::Text(text) => text.span.file = files[usize::from(text.span.file)],
            Datum::List(_) | Datum::Map(_) => {}
        }
        resources.retain(|(own, _)| own.value != name.value);
        resources.push((name, datum));
    }
}

fn kept(plan: &Plan, sources: &Sources, path: &Path) -> StoredPlan {
    let files: Vec<_> = sources.files.iter().map(|(name, text)| (name.clone(), text.to_string())).collect();
    let params: Vec<_> = plan.params.iter().map(|param| (param.name.to_string(), param.value.clone())).collect();
    let identity = Digest::of(
        &serde_json::to_vec(&(files.iter().map(|(_, text)| text).collect::<Vec<_>>(), &params)).unwrap_or_default(),
    );
    StoredPlan {
        files,
        params,
        ..StoredPlan::new(&plan.name, Value::from_bytes(path.as_os_str().as_bytes()), identity)
    }
}

/// The absolute folder of a pipeline file, if it can be told.
fn folder_of(pipeline: &Path) -> Option<Arc<str>> {
    let folder = pipeline.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.canonicalize().ok()?.to_str().map(Arc::from)
}

/// Where a called file lies, by its path from the folder of the pipeline file.
fn beside(pipeline: &Path, called: &str) -> PathBuf {
    pipeline.parent().unwrap_or(Path::new("")).join(called)
}

fn open_called(pipeline: &Path, called: &str) -> Result<Opened, Problem> {
    let path = beside(pipeline, called);
    let text = text_of(&path).map_err(|error| match error {
        Error::Usage { message, help } => {
            let help = help.or_else(|| what_is_there(&path));
            Problem { message, help }
        }
        other => Problem::new(other.to_string()),
    })?;
    Ok(Opened { name: path.display().to_string(), text: text.into() })
}

/// The way out where a pipeline file was expected: those in the folder of one that is not there.
fn what_is_there(missing: &Path) -> Option<String> {
    const MOST: usize = 8;
    if missing.is_dir() {
        return Some("write the path of a pipeline file".to_owned());
    }
    if missing.exists() {
        return None;
    }
    let folder = missing.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Some(format!("there is no folder {}", quote(&folder.display().to_string())));
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".toml")).collect();
    names.sort_unstable();
    let wanted = missing.file_name()?.to_str()?;
    did_you_mean(wanted, names.iter().map(String::as_str)).or_else(|| match names.len() {
        0 => Some("there is no `.toml` file in its folder".to_owned()),
        n if n > MOST => None,
        1 => Some(format!("in its folder there is {}", quote(&names[0]))),
        _ => Some(format!("in its folder there are {}", and(names.iter().map(String::as_str)))),
    })
}

/// That a file that the user named is not there.
pub fn no_file(path: &Path) -> Error {
    let shown = path.display().to_string();
    if shown == "pipeline.toml" {
        let message = "there is no `pipeline.toml` in this folder".to_owned();
        let help = "name a pipeline file, or begin with `flowrun template new hello`".to_owned();
        return Error::Usage { message, help: Some(help) };
    }
    Error::Usage { message: format!("there is no file {}", quote(&shown)), help: None }
}

/// That there is no run of a pipeline file yet, or that there is no such file.
pub fn never_run(pipeline: &Path) -> Error {
    if !pipeline.exists() {
        return no_file(pipeline);
    }
    let message = format!("{} has not been run yet", quote(&pipeline.display().to_string()));
    Error::Usage { message, help: Some("`flowrun run` runs it".to_owned()) }
}

/// A file that the user named, as text.
fn text_of(path: &Path) -> Result<String, Error> {
    let shown = path.display().to_string();
    let usage = |message: String, help: Option<String>| Error::Usage { message, help };
    let bytes = std::fs::read(path).map_err(|error| {
        let fault = Fault::io("read", path, &error);
        match fault.kind {
            FaultKind::Missing => no_file(path),
            _ => usage(fault.what, fault.help),
        }
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        usage(format!("{} is not UTF-8 text: see line {line}", quote(&shown)), None)
    })
}
