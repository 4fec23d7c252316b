//! What is the same for every instance of a task: the fixed components of its key, and which of its names must be
//! found. Found once a run, when the first instance is prepared.

use crate::base::{Digest, Value};
use crate::driver::memo::FileMemo;
use crate::engine::key::{Content, Fixed, Visitor};
use crate::plan::{NodeKind, OutputKind, Plan, Run, Shape, Task, Workdir};
use crate::sys::fault::Result;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component as Part, Path, PathBuf};
use std::sync::Arc;

/// What all instances of a task share.
pub struct Facts {
    /// The key's components that come from the file's text, from the driver's environment and from scripts.
    pub fixed: Fixed,
    /// Variables of the driver's environment that the task's expressions read, with their values.
    pub environment: Vec<(Arc<str>, Value)>,
    /// Whether the process gets a `$FLOWRUN_VARS` file: a task that declares nothing has nothing to read there.
    pub writes_vars: bool,
}

impl Facts {
    /// Looks at the scripts that the task's words name, and at the environment.
    pub fn find(declared: &Declared, task: &Task, project: &Path, memo: &FileMemo) -> Result<Self> {
        let scripts = scripts(declared, task, project, memo)?;
        let environment: Vec<(Arc<str>, Value)> = task
            .names
            .paths()
            .iter()
            .filter(|path| path.len() == 2 && &*path[0] == "env")
            .map(|path| {
                let value = std::env::var_os(&*path[1]);
                (path[1].clone(), value.map_or(Value::Null, |v| Value::from_bytes(v.as_bytes())))
            })
            .collect();
        let fixed = Fixed::new(|visitor| fixed_walk(task, &environment, &scripts, visitor));
        let writes_vars = matches!(task.run, Run::Script { .. })
            || !task.vars.is_empty()
            || !task.inputs.is_empty()
            || task.outputs.iter().any(|output| output.kind.path().is_some())
            || task.setup.lines.iter().any(|line| line.source().value.contains("FLOWRUN_VARS"))
            || matches!(&task.run, Run::Command { template, .. } if template.source().value.contains("FLOWRUN_VARS"));
        Ok(Self { fixed, environment, writes_vars })
    }
}

/// The components that every instance of the task shares, in the order of the key.
fn fixed_walk(
    task: &Task,
    environment: &[(Arc<str>, Value)],
    scripts: &[(Value, Option<Digest>)],
    visitor: &mut dyn Visitor,
) {
    let words = |words: &[Arc<str>]| Value::list(words.iter().map(|w| Value::Str(w.clone())).collect());
    match &task.run {
        Run::Command { template, shell } => {
            visitor.component("command", Content::Text(&template.source().value));
            visitor.component("shell", Content::Value(&words(shell)));
        }
        Run::Argv(templates) => {
            let sources: Vec<Arc<str>> = templates.iter().map(|t| t.source().value.clone()).collect();
            visitor.component("argv", Content::Value(&words(&sources)));
        }
        Run::Script { text, interpreter } => {
            visitor.component("script", Content::Text(text));
            visitor.component("interpreter", Content::Value(&words(interpreter)));
        }
    }
    if !task.setup.lines.is_empty() {
        let lines: Vec<Arc<str>> = task.setup.lines.iter().map(|line| line.source().value.clone()).collect();
        visitor.component("setup", Content::Value(&words(&lines)));
        if !matches!(task.run, Run::Command { .. }) {
            visitor.component("shell", Content::Value(&words(&task.setup.shell)));
        }
    }
    match &task.workdir {
        Workdir::Project => {}
        Workdir::Scratch => visitor.component("workdir", Content::Text("scratch")),
        Workdir::Path(path) => visitor.component("workdir", Content::Text(&path.source().value)),
    }
    for (name, template) in &task.env {
        visitor.component(&format!("env {name}"), Content::Text(&template.source().value));
    }
    for (name, value) in environment {
        if !task.env.iter().any(|(declared, _)| declared == name) {
            visitor.component(&format!("env {name}"), Content::Value(value));
        }
    }
    for (name, shape) in &task.vars {
        visitor.component(&format!("var {name}"), Content::Value(&source_of(shape)));
    }
    for output in &task.outputs {
        let text = match &output.kind {
            OutputKind::Value(ty) => ty.to_string(),
            OutputKind::Stdout(ty) => format!("{ty} from stdout"),
            OutputKind::File(path) => format!("file {}", path.source().value),
            OutputKind::Dir(path) => format!("dir {}", path.source().value),
            OutputKind::Files(path) => format!("files {}", path.source().value),
        };
        visitor.component(&format!("output {}", output.name), Content::Text(&text));
        if output.demand.optional {
            visitor.component(&format!("optional {}", output.name), Content::Text("true"));
        }
        if let Some(ensured) = output.demand.ensured() {
            visitor.component(&format!("ensure {}", output.name), Content::Text(&ensured));
        }
    }
    for (path, digest) in scripts {
        let name = format!("file {}", path.as_str().map_or_else(|| path.to_json(), str::to_owned));
        visitor.component(&name, Content::Files(path, &[(path.clone(), *digest)]));
    }
}

/// The value as the file writes it, templates as their text.
fn source_of(shape: &Shape) -> Value {
    match shape {
        Shape::Plain(value) => value.clone(),
        Shape::Template(template) => Value::Str(template.source().value.clone()),
        Shape::List(items) => Value::list(items.iter().map(source_of).collect()),
        Shape::Map(entries) => Value::map(entries.iter().map(|(name, s)| (name.clone(), source_of(s))).collect()),
    }
}

/// Every path that some task of the plan declares as its output.
pub struct Declared {
    literal: std::collections::HashSet<PathBuf>,
    patterns: GlobSet,
}

impl Declared {
    /// Of all tasks; a template in a path stands for anything.
    pub fn of(plan: &Plan) -> Self {
        let mut literal = std::collections::HashSet::new();
        let mut patterns = GlobSetBuilder::new();
        for (_, node) in plan.nodes.iter() {
            let NodeKind::Task(task) = &node.kind else { continue };
            for output in &task.outputs {
                let Some(path) = output.kind.path() else { continue };
                match path.as_literal().filter(|_| !matches!(output.kind, OutputKind::Files(_))) {
                    Some(path) => {
                        literal.insert(normal(Path::new(path)));
                    }
                    None => {
                        // A pattern that globset does not take declares nothing that a word could name.
                        if let Ok(glob) = Glob::new(&path.as_pattern()) {
                            patterns.add(glob);
                        }
                    }
                }
            }
        }
        Self { literal, patterns: patterns.build().unwrap_or_default() }
    }
    /// Whether the path, relative to the project, is a declared output or lies in a declared folder.
    pub fn contains(&self, relative: &Path) -> bool {
        relative.ancestors().any(|path| self.literal.contains(path) || self.patterns.is_match(path))
    }
}

/// The path without `.` parts.
pub fn normal(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Part::CurDir)).collect()
}

/// The regular files of the project that words of the command name, with their digests.
fn scripts(declared: &Declared, task: &Task, project: &Path, memo: &FileMemo) -> Result<Vec<(Value, Option<Digest>)>> {
    let base = match &task.workdir {
        Workdir::Project => project.to_owned(),
        Workdir::Scratch => return Ok(Vec::new()),
        Workdir::Path(path) => match path.as_literal() {
            Some(path) => project.join(path),
            None => return Ok(Vec::new()),
        },
    };
    let mut found: Vec<(Value, Option<Digest>)> = Vec::new();
    for word in &task.words {
        let Some(relative) = inside(project, &base.join(&**word)) else { continue };
        if relative.starts_with(".flowrun") || declared.contains(&relative) {
            continue;
        }
        let path = Value::from_bytes(relative.as_os_str().as_bytes());
        let full = project.join(&relative);
        if found.iter().any(|(seen, _)| *seen == path) || !std::fs::metadata(&full).is_ok_and(|m| m.is_file()) {
            continue;
        }
        found.push((path, Some(memo.digest_of(&full)?.digest)));
    }
    Ok(found)
}

/// The path below `project`, with `.` and `..` resolved by name; `None` when it leads elsewhere.
pub fn inside(project: &Path, path: &Path) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for part in path.strip_prefix(project).ok()?.components() {
        match part {
            Part::Normal(name) => relative.push(name),
            Part::CurDir => {}
            Part::ParentDir => {
                if !relative.pop() {
                    return None;
                }
            }
            Part::RootDir | Part::Prefix(_) => return None,
        }
    }
    (!relative.as_os_str().is_empty()).then_some(relative)
}
