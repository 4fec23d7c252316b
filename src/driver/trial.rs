//! `flowrun test`: one task alone in a fresh folder, and what came of it held against what its test expects.

use crate::base::{Lack, NodeId, Value};
use crate::diag::{Diagnostic, codes};
use crate::driver::backends::Assigned;
use crate::driver::facts::{Declared, Facts};
use crate::driver::gone::Gone;
use crate::driver::load::{Loaded, load};
use crate::driver::memo::FileMemo;
use crate::driver::now;
use crate::driver::run::run_loaded;
use crate::driver::scene::{Place, Scene};
use crate::driver::settings::{End, Ended, Error, Settings};
use crate::engine::{Capacity, Raised, Values, at_path};
use crate::event::{Cause, RunState};
use crate::lang::trial::Content;
use crate::plan::{From, NodeKind, OutputKind, Plan, Task, Trial, is_glob};
use crate::port::ended::FailureItem;
use crate::port::verdict::{Verdict, Wrong};
use crate::store::fetched::Fetched;
use crate::sys::{At, Fault};
use regex::bytes::Regex;
use sha2::{Digest as _, Sha256};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// How much of a log is kept with a verdict.
const TAIL: usize = 4096;

/// How a test ended.
pub enum Tried {
    /// It ran to its end.
    Verdict(Verdict),
    /// A signal stopped it.
    Stopped(i32),
}

/// The names of the pipeline's tests in the order of the file, once everything is found right that can be before they
/// run; those alone whose name `chosen` likes are looked at.
///
/// # Errors
/// Mistakes in the file, and files of tests that are not there.
pub fn trials(settings: &Settings, chosen: &dyn Fn(&str) -> bool) -> Result<Vec<String>, Error> {
    let Loaded { plan, sources, .. } = load(&settings.pipeline, &settings.params, false)?;
    let project = folder(&settings.pipeline)?;
    let list: Vec<Diagnostic> =
        plan.trials.iter().filter(|trial| chosen(&trial.name)).flat_map(|trial| missing(trial, &project)).collect();
    if !list.is_empty() {
        return Err(Error::Diagnostics { list, sources });
    }
    Ok(plan.trials.iter().map(|trial| trial.name.to_string()).collect())
}

/// Runs one test in a folder that is there and empty.
///
/// # Errors
/// What keeps it from running at all. That it fails is its verdict.
pub fn try_out(settings: Settings, name: &str, fresh: &Path) -> Result<Tried, Error> {
    let loaded = load(&settings.pipeline, &settings.params, false)?;
    let project = folder(&settings.pipeline)?;
    let Some(at) = loaded.plan.trials.iter().position(|trial| *trial.name == *name) else {
        return Err(Error::Usage { message: format!("there is no test `{name}`"), help: None });
    };
    let began = now();
    let (plan, trial) = loaded.plan.alone(at);
    let NodeKind::Task(task) = &plan.nodes[NodeId(0)].kind else {
        return Err(Error::Usage { message: format!("the test `{name}` is of no task"), help: None });
    };
    furnish(&plan, task, &trial, &project, fresh)?;
    let kinds: Vec<Kind> = task.outputs.iter().map(|output| Kind::of(&output.name, &output.kind)).collect();
    let mut verdict = Verdict {
        name: trial.name.clone(),
        node: plan.nodes[NodeId(0)].path.clone(),
        file: loaded.sources.path(trial.span.file).to_owned(),
        line: loaded.sources.line_column(trial.span.file, trial.span.start).0,
        wall_ms: 0,
        wrong: Vec::new(),
        log: Vec::new(),
        folder: None,
    };
    let loaded = Loaded { plan, warnings: Vec::new(), ..loaded };
    let settings = Settings { pipeline: fresh.join("pipeline.toml"), select: Vec::new(), ..settings };
    let ended = match run_loaded(settings, Some(loaded), Vec::new()) {
        Ok(ended) => ended,
        // What the machine lacks for this one test is no reason not to run the others.
        Err(Error::Diagnostics { list, .. }) => {
            let said = list.iter().map(|d| d.message.clone()).collect::<Vec<_>>().join("; ");
            verdict.wrong.push(Wrong::new(said));
            return Ok(Tried::Verdict(verdict));
        }
        Err(error) => return Err(error),
    };
    match ended.end {
        End::Stopped { signal } => return Ok(Tried::Stopped(signal)),
        End::Cancelled => return Ok(Tried::Stopped(15)),
        End::Finished(_) | End::Detached => {}
    }
    let log = log_of(fresh, ended.run)?;
    verdict.wrong =
        Judge { trial: &trial, kinds: &kinds, project: &project, fresh, ended: &ended, log: &log }.judge()?;
    verdict.wall_ms = now().saturating_sub(began);
    verdict.log = log[log.len().saturating_sub(TAIL)..].to_vec();
    Ok(Tried::Verdict(verdict))
}

fn folder(pipeline: &Path) -> Result<PathBuf, Error> {
    let folder = pipeline.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize().map_err(|error| Fault::io("find the folder", folder, &error))?)
}

/// Files that the test names and that are not there.
fn missing(trial: &Trial, project: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut look = |path: &str, span| {
        if !project.join(path).exists() {
            let message =
                format!("the test `{}` names {}, which is not there", trial.name, crate::base::text::quote(path));
            let d = Diagnostic::error(codes::TEST_FILE, span, message);
            found.push(d.help("a path is relative to the pipeline file's folder"));
        }
    };
    for (_, content) in &trial.files {
        if let Content::Path(path) = content {
            look(&path.value, path.span);
        }
    }
    for (_, value, span) in &trial.inputs {
        let paths = value.as_list().unwrap_or(std::slice::from_ref(value));
        for path in paths.iter().filter_map(Value::as_str).filter(|path| !is_glob(path)) {
            look(path, *span);
        }
    }
    for (_, content) in &trial.expect.files {
        if let Content::Path(path) = content {
            look(&path.value, path.span);
        }
    }
    found
}

/// Puts into the fresh folder what the task reads: its inputs, paths among its values, scripts that its command names,
/// and what the test says.
fn furnish(plan: &Plan, task: &Task, trial: &Trial, project: &Path, fresh: &Path) -> Result<(), Error> {
    let said: Vec<&str> = trial.files.iter().map(|(path, _)| &*path.value).collect();
    let mut paths: Vec<PathBuf> = task.words.iter().map(|word| PathBuf::from(&**word)).collect();
    paths.retain(|path| project.join(path).is_file());
    paths.extend(reads(plan, task, project)?);
    for path in &paths {
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if inside && !said.iter().any(|said| path.starts_with(said)) {
            copy(&project.join(path), &fresh.join(path))?;
        }
    }
    for (path, content) in &trial.files {
        let to = fresh.join(&*path.value);
        match content {
            Content::Path(from) => copy(&project.join(&*from.value), &to)?,
            Content::Text(text) => {
                make_parent(&to)?;
                fs::write(&to, text.value.as_bytes()).at("write", &to)?;
            }
        }
    }
    Ok(())
}

/// The paths of inputs and those among the values that the task reads.
pub(super) fn reads(plan: &Plan, task: &Task, project: &Path) -> Result<Vec<PathBuf>, Error> {
    let value = |from: &From, path: &[_]| match from {
        From::Param(at) => at_path(plan.params[*at as usize].value.clone(), path),
        _ => Err(Lack::default()),
    };
    let values: Values = task.reads.iter().map(|read| value(&read.from, &read.path)).collect();
    let mut found = Vec::new();
    for (read, value) in task.reads.iter().zip(&values) {
        if let Ok(value) = value {
            read.ty.paths(value, &mut |path| found.extend(path.as_bytes().map(<[u8]>::to_vec)));
        }
    }
    let memo = FileMemo::new(project, Box::new(Vec::new));
    let facts = Facts::find(&Declared::of(plan), task, project, &memo)?;
    let capacity =
        Capacity { cpus: u32::MAX, nodes: u32::MAX, memory: u64::MAX, gpus: Vec::new(), limits: Vec::new(), window: 1 };
    let fetched = Fetched::within(&project.join(".flowrun"));
    let gone = Gone::default();
    let run = (1, project);
    let assigned = Assigned::to_one(capacity);
    let place = Place { plan, project, run, assigned: &assigned, memo: &memo, gone: &gone, fetched: &fetched };
    let mut scene = Scene::new(&place, task, &facts, &values, (1, Raised::default()));
    found.extend(scene.paths_of_inputs());
    let path = |bytes: Vec<u8>| PathBuf::from(OsStr::from_bytes(&bytes));
    Ok(found.into_iter().map(path).filter(|path| project.join(path).exists()).collect())
}

fn make_parent(path: &Path) -> Result<(), Fault> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).at("make the folder", folder)
}

/// Copies a file or a folder with all that is in it; what is there already stays.
pub fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    if from.is_dir() {
        fs::create_dir_all(to).at("make the folder", to)?;
        for entry in fs::read_dir(from).at("list", from)? {
            let entry = entry.at("list", from)?;
            if entry.file_name() != ".flowrun" {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        return Ok(());
    }
    if to.exists() {
        return Ok(());
    }
    make_parent(to)?;
    fs::copy(from, to).at("copy", from)?;
    Ok(())
}

/// What the only attempt of a run wrote: its standard output, then its standard error.
fn log_of(fresh: &Path, run: u64) -> Result<Vec<u8>, Fault> {
    let folder = fresh.join(".flowrun/runs").join(run.to_string()).join("logs");
    let mut log = Vec::new();
    for ending in ["out", "err"] {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|e| e == ending));
        files.sort();
        for path in files {
            log.extend(fs::read(&path).at("read", &path)?);
        }
    }
    Ok(log)
}

/// An output, as far as it is compared.
struct Kind {
    name: String,
    file: bool,
}

impl Kind {
    fn of(name: &str, kind: &OutputKind) -> Self {
        Self { name: name.to_owned(), file: matches!(kind, OutputKind::File(_) | OutputKind::Dir(_)) }
    }
}

/// What came out, and what should have.
struct Judge<'a> {
    trial: &'a Trial,
    kinds: &'a [Kind],
    project: &'a Path,
    fresh: &'a Path,
    ended: &'a Ended,
    log: &'a [u8],
}

impl Judge<'_> {
    fn judge(&self) -> Result<Vec<Wrong>, Fault> {
        let mut wrong = Vec::new();
        let expect = &self.trial.expect;
        for pattern in &expect.log {
            wrong.extend(self.found(pattern, self.log, "the log"));
        }
        if let Some(end) = self.end() {
            wrong.insert(0, end);
            return Ok(wrong);
        }
        if expect.exit != 0 {
            return Ok(wrong);
        }
        for (at, expected) in &expect.values {
            let found = self.value(*at);
            if found != *expected {
                let what = format!("`{}` is not as expected", self.name(*at));
                wrong.push(Wrong::values(what, expected, &found));
            }
        }
        // An optional file that was not made is null.
        let made = |at: &u32| !self.kinds[*at as usize].file || !self.value(*at).is_null();
        let files = expect.files.iter().map(|(at, _)| at).chain(expect.matches.iter().map(|(at, _)| at));
        if let Some(at) = files.chain(expect.sha256.iter().map(|(at, _)| at)).find(|at| !made(at)) {
            wrong.push(Wrong::new(format!("`{}` was not made", self.name(*at))));
            return Ok(wrong);
        }
        for (at, content) in &expect.files {
            self.compare(&self.path(*at), content, self.name(*at), &mut wrong)?;
        }
        for (at, patterns) in &expect.matches {
            let text = if self.kinds[*at as usize].file {
                let path = self.path(*at);
                fs::read(&path).at("read", &path)?
            } else {
                let value = self.value(*at);
                value.as_bytes().map_or_else(|| value.to_json().into_bytes(), <[u8]>::to_vec)
            };
            for pattern in patterns {
                wrong.extend(self.found(pattern, &text, &format!("`{}`", self.name(*at))));
            }
        }
        for (at, expected) in &expect.sha256 {
            let path = self.path(*at);
            let found = sha256(&path)?;
            if found != **expected {
                let what = format!("`{}` has another SHA-256 digest", self.name(*at));
                wrong.push(Wrong { what, differ: Some((format!("{expected}\n"), format!("{found}\n"))) });
            }
        }
        Ok(wrong)
    }

    /// What is wrong with how the task ended.
    fn end(&self) -> Option<Wrong> {
        let expected = self.trial.expect.exit;
        let failed = self.ended.failures.first();
        match (failed, expected) {
            (Some(FailureItem { cause: Cause::Exit(code), .. }), expected) if i64::from(*code) == expected => None,
            (Some(failed), 0) => Some(Wrong::new(match &failed.help {
                Some(help) => format!("it failed: {}; {help}", failed.message),
                None => format!("it failed: {}", failed.message),
            })),
            (Some(failed), expected) => {
                Some(Wrong::new(format!("it must end with exit code {expected}, and {}", failed.message)))
            }
            (None, 0) if self.ended.end == End::Finished(RunState::Failed) => Some(Wrong::new("it failed")),
            (None, _) if self.ended.counts.skipped > 0 => Some(Wrong::new("it was skipped: its `when` is false")),
            (None, 0) => None,
            (None, expected) => Some(Wrong::new(format!("it must end with exit code {expected}, and it succeeded"))),
        }
    }

    fn name(&self, at: u32) -> &str {
        &self.kinds[at as usize].name
    }

    fn value(&self, at: u32) -> Value {
        let result = self.ended.outputs.first().and_then(|(_, record)| record.field(self.name(at)));
        result.cloned().unwrap_or_default()
    }

    fn path(&self, at: u32) -> PathBuf {
        self.fresh.join(OsStr::from_bytes(self.value(at).as_bytes().unwrap_or_default()))
    }

    fn found(&self, pattern: &Regex, text: &[u8], what: &str) -> Option<Wrong> {
        let missing = !pattern.is_match(text);
        missing.then(|| Wrong::new(format!("{what} does not match {}", crate::base::text::quote(pattern.as_str()))))
    }

    fn compare(&self, path: &Path, content: &Content, name: &str, wrong: &mut Vec<Wrong>) -> Result<(), Fault> {
        match content {
            Content::Text(text) => {
                let found = fs::read(path).at("read", path)?;
                wrong.extend(differ(name, "", text.value.as_bytes(), &found));
            }
            Content::Path(expected) => {
                let whole = self.project.join(&*expected.value);
                if !path.is_dir() {
                    let found = fs::read(path).at("read", path)?;
                    let expected = fs::read(&whole).at("read", &whole)?;
                    wrong.extend(differ(name, "", &expected, &found));
                    return Ok(());
                }
                let (expected, found) = (tree(&whole)?, tree(path)?);
                for file in expected.iter().filter(|file| !found.contains(file)) {
                    wrong.push(Wrong::new(format!("`{name}` has no {}", file.display())));
                }
                for file in found.iter().filter(|file| !expected.contains(file)) {
                    wrong.push(Wrong::new(format!("`{name}` has {}, which is not expected", file.display())));
                }
                for file in expected.iter().filter(|file| found.contains(file)) {
                    let (a, b) = (whole.join(file), path.join(file));
                    let (a, b) = (fs::read(&a).at("read", &a)?, fs::read(&b).at("read", &b)?);
                    wrong.extend(differ(name, &format!("/{}", file.display()), &a, &b));
                }
            }
        }
        Ok(())
    }
}

/// The SHA-256 digest of a file in hexadecimal digits.
pub(super) fn sha256(path: &Path) -> Result<String, Fault> {
    let mut file = fs::File::open(path).at("read", path)?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let n = file.read(&mut piece).at("read", path)?;
        if n == 0 {
            break;
        }
        hasher.update(&piece[..n]);
    }
    let mut digits = String::new();
    for byte in hasher.finalize() {
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(digits)
}

fn differ(name: &str, below: &str, expected: &[u8], found: &[u8]) -> Option<Wrong> {
    if expected == found {
        return None;
    }
    let what = format!("`{name}`{below} is not as expected");
    Some(match (std::str::from_utf8(expected), std::str::from_utf8(found)) {
        (Ok(expected), Ok(found)) => Wrong { what, differ: Some((expected.to_owned(), found.to_owned())) },
        _ => {
            let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
            Wrong::new(format!(
                "{what}: {} bytes, of {} expected, the first difference at byte {at}",
                found.len(),
                expected.len()
            ))
        }
    })
}

/// Every file of a folder by its relative path, sorted.
fn tree(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let (mut todo, mut found) = (vec![PathBuf::new()], Vec::new());
    while let Some(below) = todo.pop() {
        let at = folder.join(&below);
        for entry in fs::read_dir(&at).at("list", &at)? {
            let name = below.join(entry.at("list", &at)?.file_name());
            if folder.join(&name).is_dir() { todo.push(name) } else { found.push(name) }
        }
    }
    found.sort();
    Ok(found)
}
