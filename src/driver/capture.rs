//! `flowrun test --capture`: from an instance that ran to a test table that asks for the same again.

use crate::base::id::Id;
use crate::base::text::quote;
use crate::base::{InstanceId, NodeId, Value};
use crate::driver::asked::{Place, memo_over};
use crate::driver::dry::settle;
use crate::driver::early::Lists;
use crate::driver::history::{self, Ran};
use crate::driver::load::{load, load_stored};
use crate::driver::prepare::{Dry, Workshop};
use crate::driver::settings::{Error, Settings};
use crate::driver::trial::reads;
use crate::engine::{Engine, Options, Values};
use crate::event::{Cause, Produced, Results};
use crate::plan::{Expect, From, NodeKind, Plan, Task, Trial};
use crate::port::Access;
use crate::store::artifacts::Artifacts;
use crate::sys::{At, Fault};
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A text up to so many bytes stands in the table itself.
const INLINE: u64 = 400;
/// A file of the project's own that is larger stays where it is, and of an output that is larger the digest is enough.
const LARGE: u64 = 1 << 20;

/// A test that was made of an instance.
pub struct Captured {
    /// The test's name, which no other test of the file has.
    pub name: String,
    /// Its table, to be put at the end of the pipeline file.
    pub text: String,
    /// Files and folders to be copied: from where, and to which path of the project.
    pub copies: Vec<(PathBuf, String)>,
    /// The project.
    pub project: PathBuf,
}

/// Makes a test of an instance of a run. Nothing is written.
///
/// # Errors
/// A run or instance that is not there, or one that no test can ask for again.
pub fn capture(settings: &Settings, run: u64, instance: &str) -> Result<Captured, Error> {
    let place = Place::of(&settings.pipeline)?;
    let taken = load(&settings.pipeline, &settings.params, false)?.plan;
    let Ran { stored, results, failures, cached } = history::ran(&place.home, run, instance)?;
    let plan = Arc::new(load_stored(&stored)?.plan);
    let store = (settings.open_store)(place.home.path(), Access::Read).map_err(Error::Store)?;
    let store = Arc::new(Mutex::new(store));
    let own = match (results.get(instance), failures.get(instance)) {
        (Some(results), _) => Ok(results.clone()),
        (None, Some(failure)) => match failure.cause {
            Cause::Exit(code) => Err(code),
            _ => {
                return Err(usage(format!("no test can ask for this end of {}: {}", quote(instance), failure.message)));
            }
        },
        (None, None) if cached => {
            let node = crate::base::human::node_of(instance);
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let latest = store.latest(&plan.name, &node, &[instance.into()]).map_err(Error::Store)?;
            let entry = latest.into_iter().next().flatten();
            Ok(entry.ok_or_else(|| usage(format!("the result of {} is not kept any more", quote(instance))))?.results)
        }
        (None, None) => return Err(usage(format!("{} has not run in run {run}", quote(instance)))),
    };

    // Everything as it was, so that the values which the instance read are there again.
    let (assigned, _) = settings.backends.assign(&plan, &vec![true; plan.nodes.len()])?;
    let capacities = assigned.capacities.clone().with_window(u32::MAX);
    let mut workshop = Workshop::new(
        plan.clone(),
        place.project.clone(),
        (run, place.home.run(run)),
        assigned,
        Arc::new(memo_over(&place.project, &store)),
        store,
        Some(Arc::new(Artifacts::by_reflink(place.home.artifacts()))),
        vec![false; plan.nodes.len()],
        Some(Dry::Reasons),
    );
    workshop.taken_as_is = vec![true; plan.nodes.len()];
    workshop.given = results;
    let mut engine = Engine::new(plan.clone(), capacities, Options { keep_going: true, ..Options::default() });
    let gone = settle(&mut engine, &workshop, Lists::default())?;
    let ids = (0..engine.ledger().space().instances()).map(InstanceId);
    let id = ids.into_iter().find(|id| engine.ledger().is_task(*id) && engine.name(*id) == instance);
    let Some(id) = id else {
        return Err(usage(format!("what {} read in run {run} is not there any more", quote(instance))));
    };
    let node = engine.place(id).node;
    let NodeKind::Task(task) = &plan.nodes[node].kind else { return Err(usage("it is no task".into())) };
    let values = engine.values_of(id);
    if let (true, Some((lost, why))) =
        (values.iter().any(|v| v.as_ref().map_or(true, Value::is_null)), gone.iter().next())
    {
        let (instance, lost) = (quote(instance), quote(&engine.name(*lost)));
        return Err(usage(format!("what {instance} read of {lost} in run {run} is not there any more: {why}")));
    }

    let mut writer = Writer {
        name: free_name(instance, &taken),
        text: String::new(),
        copies: Vec::new(),
        project: place.project.clone(),
        made: made(&engine),
    };
    let _ = write!(
        writer.text,
        "\n# captured from {} of run {run}\n[test.{}]\nnode = {}\n",
        instance.escape_default(),
        writer.name,
        toml_text(&plan.nodes[node].path)
    );
    writer.values(&plan, task, &values)?;
    writer.files(&stored, node, &values)?;
    match own {
        Err(code) => {
            let _ = writeln!(writer.text, "expect.exit = {code}");
        }
        Ok(results) => writer.outputs(task, &results)?,
    }
    let Writer { name, text, copies, project, .. } = writer;
    Ok(Captured { name, text, copies, project })
}

fn usage(message: String) -> Error {
    Error::Usage { message, help: None }
}

/// A name for the test: the instance's with `_` for everything that no name may hold.
fn free_name(instance: &str, plan: &Plan) -> String {
    let mut name = String::new();
    for c in instance.chars() {
        match c.is_ascii_alphanumeric() {
            true => name.push(c),
            false if !name.ends_with('_') => name.push('_'),
            false => {}
        }
    }
    let name = name.trim_matches('_').to_owned();
    let is_free = |name: &str| plan.trials.iter().all(|trial| *trial.name != *name);
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| is_free(name)).unwrap_or(name)
}

/// Paths that tasks made.
fn made(engine: &Engine) -> Vec<PathBuf> {
    let ids = (0..engine.ledger().space().instances()).map(InstanceId);
    let results = ids.filter_map(|id| engine.ledger().results(id));
    let path = |path: &Value| path.as_bytes().map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)));
    results.flat_map(|results| results.iter().flat_map(Produced::artifacts).filter_map(|a| path(a.path))).collect()
}

/// The table under way.
struct Writer {
    name: String,
    text: String,
    copies: Vec<(PathBuf, String)>,
    project: PathBuf,
    made: Vec<PathBuf>,
}

impl Writer {
    fn values(&mut self, plan: &Plan, task: &Task, values: &Values) -> Result<(), Error> {
        let mut params: Vec<u32> = Vec::new();
        for (read, value) in task.reads.iter().zip(values) {
            let (key, value) = match read.from {
                From::Param(at) if params.contains(&at) => continue,
                From::Param(at) => {
                    params.push(at);
                    let param = &plan.params[at as usize];
                    (format!("params.{}", param.name), param.value.clone())
                }
                _ => (format!("values.{}", read.name), value.clone().unwrap_or_default()),
            };
            let Some(shown) = toml(&value) else {
                let message =
                    format!("`{}` holds null or bytes that are not UTF-8, which no TOML file can hold", read.name);
                return Err(usage(message));
            };
            let _ = writeln!(self.text, "{key} = {shown}");
        }
        Ok(())
    }

    /// What the task read of the project, at the same places.
    fn files(
        &mut self,
        stored: &crate::driver::rundir::StoredPlan,
        node: NodeId,
        values: &Values,
    ) -> Result<(), Error> {
        let mut plan = load_stored(stored)?.plan;
        let NodeKind::Task(task) = &plan.nodes[node].kind else { return Ok(()) };
        let is_param = |from: &From| matches!(from, From::Param(_));
        let given = task.reads.iter().zip(values).map(|(read, value)| match is_param(&read.from) {
            true => None,
            false => Some(value.clone().unwrap_or_default()),
        });
        plan.trials = vec![Trial {
            name: self.name.as_str().into(),
            span: plan.nodes[node].span,
            node,
            params: Vec::new(),
            given: given.collect(),
            inputs: Vec::new(),
            files: Vec::new(),
            expect: Expect::default(),
        }];
        let (plan, _) = plan.alone(0);
        let NodeKind::Task(task) = &plan.nodes[NodeId::from_index(0)].kind else { return Ok(()) };
        let mut paths = reads(&plan, task, &self.project)?;
        paths.sort();
        paths.dedup();
        for path in paths {
            let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            let made = self.made.iter().any(|made| path.starts_with(made));
            let full = self.project.join(&path);
            if inside && (made || size(&full)? <= LARGE) {
                let given = self.content(&full, &path.to_string_lossy())?;
                let _ = writeln!(self.text, "files.{} = {given}", toml_text(&path.to_string_lossy()));
            }
        }
        Ok(())
    }

    fn outputs(&mut self, task: &Task, results: &Results) -> Result<(), Error> {
        for (output, produced) in task.outputs.iter().zip(results.iter()) {
            let name = &output.name;
            match produced {
                Produced::Artifact { path, digest, size, dir, .. } => {
                    let below = Path::new(OsStr::from_bytes(path.as_bytes().unwrap_or_default()));
                    let path = self.project.join(below);
                    let there = crate::sys::content::digest_path(&path).ok().map(|content| content.digest);
                    if there != Some(*digest) {
                        let message = format!("{} is not as the instance made it", quote(&below.to_string_lossy()));
                        return Err(usage(message));
                    }
                    if !dir && *size > LARGE {
                        let digest = crate::driver::trial::sha256(&path)?;
                        let _ = writeln!(self.text, "expect.sha256.{name} = \"{digest}\"");
                    } else {
                        let ending = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
                        let given = self.content(&path, &format!("expected/{name}{ending}"))?;
                        let _ = writeln!(self.text, "expect.files.{name} = {given}");
                    }
                }
                produced => match toml(&produced.value()) {
                    Some(value) => drop(writeln!(self.text, "expect.values.{name} = {value}")),
                    // Null cannot be written, and is not asked for.
                    None => drop(writeln!(self.text, "# {name} was null")),
                },
            }
        }
        Ok(())
    }

    /// A small text as it is, of anything else the path of a copy beside.
    fn content(&mut self, full: &Path, below: &str) -> Result<String, Error> {
        if full.is_file() && size(full)? <= INLINE {
            let bytes = fs::read(full).at("read", full)?;
            if let Ok(text) = std::str::from_utf8(&bytes)
                && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
            {
                return Ok(format!("{{ text = {} }}", toml_text(text)));
            }
        }
        let to = format!("tests/{}/{below}", self.name);
        self.copies.push((full.to_owned(), to.clone()));
        Ok(toml_text(&to))
    }
}

/// Bytes of a file, or of all files of a folder.
fn size(path: &Path) -> Result<u64, Fault> {
    let meta = fs::metadata(path).at("look at", path)?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path).at("list", path)? {
        sum += size(&entry.at("list", path)?.path())?;
    }
    Ok(sum)
}

/// A value as it stands on one line of a TOML file; `None` for one that TOML does not have.
fn toml(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null | Value::Bytes(_) => return None,
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(x) => format!("{x:?}"),
        Value::Str(text) => toml_text(text),
        Value::List(items) => format!("[{}]", items.iter().map(toml).collect::<Option<Vec<_>>>()?.join(", ")),
        Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Map(entries) => {
            let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            let key = |name: &str| match !name.is_empty() && name.chars().all(bare) {
                true => name.to_owned(),
                false => toml_text(name),
            };
            let entry = |(name, value): &(Arc<str>, Value)| Some(format!("{} = {}", key(name), toml(value)?));
            format!("{{ {} }}", entries.iter().map(entry).collect::<Option<Vec<_>>>()?.join(", "))
        }
    })
}

/// A text in double quotes.
fn toml_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => drop(write!(out, "\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
