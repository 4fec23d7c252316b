//! One instance's names and their values: its `vars`, `env`, `inputs`, `outputs` and `resources`, evaluated in the
//! plan's order, each after those it reads.

use crate::base::{Digest, Lack, Value, amount, text};
use crate::driver::backends::Assigned;
use crate::driver::facts::Facts;
use crate::driver::gone::Gone;
use crate::driver::memo::FileMemo;
use crate::driver::wrong::Wrong;
use crate::engine::{Needs, Raised, Values};
use crate::event::{Cause, Failure};
use crate::lang::expr::{EvalError, Frame, Template};
use crate::lang::model::BACKEND;
use crate::lang::slurm;
use crate::plan::{Local, OutputKind, Plan, Read, Run, Shape, Task, Ty, Workdir, is_glob};
use crate::port::{Pack, Stat, staged_files, staged_path};
use crate::store::fetched::{Fetched, Want};
use crate::sys::{FaultKind, glob};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What does not differ between the instances of a run.
pub struct Place<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The pipeline file's folder, absolute.
    pub project: &'a Path,
    /// The run's number and folder.
    pub run: (u64, &'a Path),
    /// Who executes what, and what there is.
    pub assigned: &'a Assigned,
    /// Digests of files.
    pub memo: &'a FileMemo,
    /// Digests of outputs that were let go.
    pub gone: &'a Gone,
    /// Where files that were fetched are.
    pub fetched: &'a Fetched,
}

/// One of `inputs`: its name, the value that commands see, and each file with its digest.
type Input = (Arc<str>, Value, Vec<(Value, Option<Digest>)>);

/// The evaluated names of one instance.
pub struct Scene<'a> {
    place: &'a Place<'a>,
    task: &'a Task,
    facts: &'a Facts,
    raised: Raised,
    /// Values of every name that some expression reads.
    pub frame: Frame,
    /// `env`, evaluated.
    pub env: Vec<(Arc<str>, Vec<u8>)>,
    /// `inputs`, evaluated.
    pub inputs: Vec<Input>,
    /// Final paths of file and folder outputs, by position among the task's outputs; empty for values.
    pub outputs: Vec<Vec<u8>>,
    /// Inputs that come from elsewhere.
    pub wants: Vec<Want>,
    /// Input files and their state when they were digested.
    pub watched: Vec<(PathBuf, Stat)>,
    /// What it asks for, scaled to the capacity.
    pub needs: Needs,
    /// Cores of each of its processes.
    cpus: u32,
    /// `resources.time`, milliseconds.
    pub time_ms: Option<u64>,
    /// Options of a scheduler.
    pub options: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// How many instances make a job.
    pub pack: Pack,
    /// Values for `$FLOWRUN_VARS`.
    vars: Vec<(Arc<str>, Value)>,
    resources: Vec<(Arc<str>, Value)>,
}

impl<'a> Scene<'a> {
    /// The names of an instance, before anything of its own is evaluated.
    pub fn new(
        place: &'a Place<'a>,
        task: &'a Task,
        facts: &'a Facts,
        values: &Values,
        (attempt, raised): (u32, Raised),
    ) -> Self {
        let mut frame = Frame::new(&task.names, seen_values(task, place.project, values));
        let path = |path: &Path| Value::from_bytes(path.as_os_str().as_bytes());
        let home = if task.home.is_empty() { place.project.to_owned() } else { place.project.join(&*task.home) };
        frame.set(&["project"], path(&home));
        frame.set(&["attempt"], Value::Int(attempt.into()));
        frame.set(&["run", "id"], Value::Int(place.run.0 as i64));
        frame.set(&["run", "dir"], path(place.run.1));
        for (name, value) in &facts.environment {
            frame.set(&["env", name], value.clone());
        }
        frame.set(&["resources", "cpus"], Value::Int(1));
        frame.set(&["resources", "gpus"], Value::Int(0));
        for name in ["memory", "time", "disk", "nodes", "tasks"] {
            frame.set(&["resources", name], Value::Null);
        }
        let limits = vec![0; place.plan.limits.len()];
        Self {
            place,
            task,
            facts,
            raised,
            frame,
            env: Vec::with_capacity(task.env.len()),
            inputs: Vec::with_capacity(task.inputs.len()),
            outputs: vec![Vec::new(); task.outputs.len()],
            wants: Vec::new(),
            watched: Vec::new(),
            needs: Needs { backend: place.assigned.of(task), cpus: 1, limits, ..Needs::default() },
            cpus: 1,
            time_ms: None,
            options: Vec::new(),
            pack: Pack::default(),
            vars: Vec::new(),
            resources: Vec::new(),
        }
    }

    /// Evaluates one of the task's own names.
    pub fn evaluate(&mut self, local: Local) -> Result<(), Failure> {
        match local {
            Local::Var(i) => {
                let (name, shape) = &self.task.vars[i as usize];
                let value = shape.eval(&self.frame).map_err(|e| self.failure(&format!("vars.{name}"), e))?;
                self.frame.set(&["vars", name], value.clone());
                self.vars.push((name.clone(), value));
            }
            Local::Env(i) => {
                let (name, template) = &self.task.env[i as usize];
                let value = template.eval_text(&self.frame).map_err(|e| self.failure(&format!("env.{name}"), e))?;
                if value.contains(&0) {
                    return Err(refused(format!("the value of `env.{name}` holds a NUL byte"), None));
                }
                self.frame.set(&["env", name], Value::from_bytes(&value));
                self.env.push((name.clone(), value));
            }
            Local::Input(i) => self.input(i as usize)?,
            Local::Output(i) => self.output(i as usize)?,
            Local::Resource(i) => self.resource(i as usize)?,
        }
        Ok(())
    }

    fn input(&mut self, at: usize) -> Result<(), Failure> {
        let input = &self.task.inputs[at];
        let name = &input.name;
        if input.fetched {
            return self.fetched(name, &input.value);
        }
        let mut paths = Vec::new();
        let many = self.paths(name, &input.value, &mut paths)?;
        let mut files = Vec::with_capacity(paths.len());
        for path in &paths {
            let digest = self.digest(path)?;
            if digest.is_none() {
                let shown = path.as_str().map_or_else(|| path.to_json(), text::quote);
                let help = "a path is relative to the pipeline file's folder; if a task makes the file, declare it \
                            among that task's outputs";
                return Err(refused(format!("the input `{name}` is not there: {shown}"), Some(help.into())));
            }
            files.push((path.clone(), digest));
        }
        let mut seen: Vec<Value> = paths.iter().map(|path| self.seen(path)).collect();
        let shown = if many { Value::list(seen) } else { seen.pop().unwrap_or_default() };
        self.frame.set(&["inputs", name], shown.clone());
        self.inputs.push((name.clone(), shown, files));
        Ok(())
    }

    /// An input that is fetched: its path, whether it is there or not, for its content is known.
    fn fetched(&mut self, name: &Arc<str>, shape: &Shape) -> Result<(), Failure> {
        let value = shape.eval(&self.frame).map_err(|e| self.failure(&format!("inputs.{name}"), e))?;
        let part = |key: &str| value.field(key).cloned().unwrap_or_default();
        let (url, sha256) = (part("url"), part("sha256"));
        if url == Value::Null {
            self.frame.set(&["inputs", name], Value::Null);
            self.inputs.push((name.clone(), Value::Null, Vec::new()));
            return Ok(());
        }
        let (Some(address), Some(digest)) = (url.as_str(), sha256.as_str()) else {
            let (key, wrong) = if url.as_str().is_none() { ("url", url) } else { ("sha256", sha256) };
            let message = format!("`inputs.{name}`: `{key}` must be text, and is {}", described(&wrong));
            return Err(refused(message, None));
        };
        let want = Want::new(address, digest).map_err(|(key, what)| {
            let given = if key == "url" { address } else { digest };
            refused(format!("`inputs.{name}`: {} {what}", text::quote(given)), None)
        })?;
        let full = self.place.fetched.path(&want);
        let path = full.strip_prefix(self.place.project).unwrap_or(&full);
        let shown = self.seen(&Value::from_bytes(path.as_os_str().as_bytes()));
        self.frame.set(&["inputs", name], shown.clone());
        self.inputs.push((name.clone(), shown, vec![(Value::str(&*want.name), Some(Digest(want.sha256)))]));
        self.wants.push(want);
        Ok(())
    }

    /// The paths of an input. What is a glob is decided by the file's own text; `false`: it is one path, or null.
    fn paths(&self, name: &str, shape: &Shape, paths: &mut Vec<Value>) -> Result<bool, Failure> {
        let place = || format!("inputs.{name}");
        let pattern = match shape {
            Shape::List(items) => {
                for item in items {
                    self.paths(name, item, paths)?;
                }
                return Ok(true);
            }
            Shape::Plain(Value::List(items)) => {
                for item in items.iter() {
                    self.paths(name, &Shape::Plain(item.clone()), paths)?;
                }
                return Ok(true);
            }
            Shape::Plain(Value::Str(pattern)) if is_glob(pattern) => Some(pattern.as_bytes().to_vec()),
            Shape::Template(template) if is_glob(&template.source().value) => {
                Some(template.eval_pattern(&self.frame).map_err(|e| self.failure(&place(), e))?)
            }
            _ => None,
        };
        if let Some(pattern) = pattern {
            let found = glob::expand(self.place.project, &pattern);
            let found = found.map_err(|e| refused(format!("`{}`: {e}", place()), None))?;
            paths.extend(found.iter().map(|path| Value::from_bytes(path)));
            return Ok(true);
        }
        let value = shape.eval(&self.frame).map_err(|e| self.failure(&place(), e))?;
        let many = matches!(value, Value::List(_));
        let listed = match value {
            Value::Null => return Ok(false),
            Value::List(items) => Arc::unwrap_or_clone(items),
            one => vec![one],
        };
        for path in listed {
            match path.as_bytes() {
                None => {
                    let message =
                        format!("`{}` must be a path or a list of paths, and holds {}", place(), described(&path));
                    return Err(refused(message, None));
                }
                Some([]) => return Err(refused(format!("`{}` is an empty path", place()), None)),
                Some(_) => paths.push(path),
            }
        }
        Ok(many)
    }

    /// The paths of every input, whether they are there or not, as far as they can be told before anything runs.
    pub fn paths_of_inputs(&mut self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let task = self.task;
        for local in &task.order {
            let input = match local {
                Local::Input(at) => Some(&task.inputs[*at as usize]).filter(|input| !input.fetched),
                _ => None,
            };
            let Some(input) = input else {
                // What is wrong is said where the task runs.
                if self.evaluate(*local).is_err() {
                    break;
                }
                continue;
            };
            let mut paths = Vec::new();
            let Ok(many) = self.paths(&input.name, &input.value, &mut paths) else { break };
            found.extend(paths.iter().filter_map(|path| path.as_bytes().map(<[u8]>::to_vec)));
            let mut seen: Vec<Value> = paths.iter().map(|path| self.seen(path)).collect();
            let shown = if many { Value::list(seen) } else { seen.pop().unwrap_or_default() };
            self.frame.set(&["inputs", &input.name], shown);
        }
        found
    }

    fn output(&mut self, at: usize) -> Result<(), Failure> {
        let output = &self.task.outputs[at];
        let Some(template) = output.kind.path() else { return Ok(()) };
        let name = &output.name;
        let files = matches!(output.kind, OutputKind::Files(_));
        let path = if files { template.eval_pattern(&self.frame) } else { template.eval_text(&self.frame) };
        let mut path = path.map_err(|e| self.failure(&format!("outputs.{name}"), e))?;
        let is_dir = matches!(output.kind, OutputKind::Dir(_));
        while is_dir && path.ends_with(b"/") {
            path.pop();
        }
        let file_name = Path::new(OsStr::from_bytes(&path)).file_name();
        if file_name.is_none() || path.contains(&0) || path.ends_with(b"/") {
            let shown = String::from_utf8_lossy(&path);
            return Err(refused(format!("the path of the output `{name}` names no file: `{shown}`"), None));
        }
        if files && let Err(problem) = glob::check(&path) {
            return Err(refused(format!("the output `{name}`: {problem}"), None));
        }
        self.outputs[at] = path;
        let staged = self.staged(at);
        self.frame.set(&["outputs", name], staged);
        Ok(())
    }

    /// Where the command writes an output that is no value, as it sees it.
    fn staged(&self, at: usize) -> Value {
        let path = &self.outputs[at];
        let staged = match self.task.outputs[at].kind {
            OutputKind::Files(_) => staged_files(path),
            _ => staged_path(path),
        };
        self.seen(&Value::from_bytes(&staged))
    }

    fn resource(&mut self, at: usize) -> Result<(), Failure> {
        let (name, template) = &self.task.resources[at];
        if &**name == BACKEND {
            return Ok(());
        }
        let value = template.eval(&self.frame).map_err(|e| self.failure(&format!("resources.{name}"), e))?;
        let bad = |problem: text::Problem| refused(format!("`resources.{name}`: {}", problem.message), problem.help);
        let whole = || match &value {
            Value::Int(n) if *n >= 0 => u32::try_from(*n).ok(),
            Value::Str(text) => text.trim().parse().ok(),
            _ => None,
        };
        if let Some(option) = name.strip_prefix(slurm::PREFIX) {
            if let Some(key) = option.strip_prefix(slurm::PACK).and_then(|rest| rest.strip_prefix('.')) {
                let bad = |problem: text::Problem| refused(format!("`{name}`: {}", problem.message), problem.help);
                let count = || match whole() {
                    Some(0) | None => {
                        let value = value.to_json();
                        Err(refused(format!("`{name}` must be a whole number, 1 at least, not {value}"), None))
                    }
                    Some(count) => Ok(count),
                };
                match key {
                    "tasks" => self.pack.tasks = Some(count()?),
                    "width" => self.pack.width = Some(count()?),
                    _ => self.pack.time_ms = Some(amount::duration_of(&value).map_err(bad)?),
                }
                return Ok(());
            }
            // What the file itself says is text by now.
            let word = value.as_str().unwrap_or_default();
            let value = match &value {
                value if *value == Value::Bool(false) || word == "false" => return Ok(()),
                value if *value == Value::Bool(true) || word == "true" => None,
                Value::Int(number) => Some(number.to_string().into()),
                Value::Str(text) => Some(text.clone()),
                Value::List(items) if items.iter().all(|item| matches!(item, Value::Str(_) | Value::Int(_))) => {
                    let words = items.iter().map(|item| item.as_str().map_or_else(|| item.to_json(), str::to_owned));
                    Some(words.collect::<Vec<_>>().join(",").into())
                }
                other => {
                    let message =
                        format!("`{name}` must be a text, a number, a boolean or a list, not {}", other.to_json());
                    return Err(refused(message, None));
                }
            };
            self.options.push((option.into(), value));
            return Ok(());
        }
        let whole = || {
            whole().ok_or_else(|| {
                refused(format!("`resources.{name}` must be a whole number, not {}", value.to_json()), None)
            })
        };
        let capacity = self.place.assigned.capacity(self.task);
        let granted = match &**name {
            "cpus" => {
                let asked = whole()?;
                if asked == 0 {
                    return Err(refused("`resources.cpus` must be at least 1".into(), None));
                }
                // What a cluster's file asks for is scaled down, so that it runs on a laptop.
                self.cpus = asked.min(capacity.cpus.max(1));
                self.count_cores();
                Value::Int(self.cpus.into())
            }
            "memory" => {
                let asked = amount::bytes_of(&value).map_err(bad)?;
                let grows = self.task.retry.as_ref().and_then(|retry| Some((retry.memory?, retry.memory_cap)));
                self.needs.memory = match grows {
                    // What an earlier attempt lacked is raised as far as there is any.
                    Some((factor, cap)) if self.raised.memory > 0 => {
                        let cap = cap.unwrap_or(u64::MAX).min(capacity.memory);
                        factor.raise(asked, self.raised.memory, Some(cap))
                    }
                    _ => asked,
                };
                if self.needs.memory > capacity.memory {
                    let (asked, held) = (amount::show_bytes(self.needs.memory), text::size(capacity.memory));
                    return Err(refused(format!("it asks for {asked} of memory, and there are {held}"), None));
                }
                Value::Int(i64::try_from(self.needs.memory).unwrap_or(i64::MAX))
            }
            "gpus" => {
                self.needs.gpus = whole()?;
                if self.needs.gpus as usize > capacity.gpus.len() {
                    let asked = text::count(self.needs.gpus.into(), "GPU");
                    return Err(refused(format!("it asks for {asked}, of {} in all", capacity.gpus.len()), None));
                }
                Value::Int(self.needs.gpus.into())
            }
            "time" => {
                let mut ms = amount::duration_of(&value).map_err(bad)?;
                if let Some(retry) = &self.task.retry
                    && let Some(factor) = retry.time
                {
                    ms = factor.raise(ms, self.raised.time, retry.time_cap);
                }
                self.time_ms = Some(ms);
                Value::Int((ms / 1000) as i64)
            }
            "disk" => {
                self.needs.disk = amount::bytes_of(&value).map_err(bad)?;
                Value::Int(i64::try_from(self.needs.disk).unwrap_or(i64::MAX))
            }
            // The same for processes: as many as there are cores for them.
            "nodes" | "tasks" => {
                let asked = whole()?;
                if asked == 0 {
                    return Err(refused(format!("`resources.{name}` must be at least 1"), None));
                }
                let (most, granted) = match &**name {
                    "nodes" => (capacity.nodes, &mut self.needs.nodes),
                    _ => (capacity.cpus / self.cpus, &mut self.needs.tasks),
                };
                *granted = asked.min(most.max(1));
                let granted = Value::Int((*granted).into());
                self.count_cores();
                granted
            }
            limit => {
                let asked = whole()?;
                if let Some(at) = self.place.plan.limits.iter().position(|(name, _)| &**name == limit) {
                    let held = capacity.limits.get(at).copied().unwrap_or(self.place.plan.limits[at].1);
                    if asked > held {
                        return Err(refused(format!("it asks for {asked} of `{limit}`, of {held} in all"), None));
                    }
                    self.needs.limits[at] = asked;
                }
                Value::Int(asked.into())
            }
        };
        self.frame.set(&["resources", name], granted.clone());
        self.resources.push((name.clone(), granted));
        Ok(())
    }

    /// What all processes need together; without `tasks` each machine has one.
    fn count_cores(&mut self) {
        self.needs.cpus = self.cpus.saturating_mul(self.needs.tasks.max(self.needs.nodes).max(1));
    }

    /// The digest of what a path of the project holds; `None` when nothing is there.
    pub fn digest(&mut self, path: &Value) -> Result<Option<Digest>, Failure> {
        // An empty path names nothing: what a loop carries may begin so.
        let Some(bytes) = path.as_bytes().filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
        let full = self.place.project.join(OsStr::from_bytes(bytes));
        if let Some(digest) = self.place.gone.digest(&full) {
            return Ok(Some(digest));
        }
        match self.place.memo.digest_of(&full) {
            Ok(content) => {
                self.watched.push((full, content.stat));
                Ok(Some(content.digest))
            }
            Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
            Err(fault) => Err(refused(fault.what, fault.help)),
        }
    }

    /// A path as the command sees it: relative to the project, but absolute when the command starts elsewhere.
    pub fn seen(&self, path: &Value) -> Value {
        match (&self.task.workdir, path.as_bytes()) {
            (Workdir::Project, _) | (_, None) => path.clone(),
            (_, Some(bytes)) => {
                let full = self.place.project.join(OsStr::from_bytes(bytes));
                Value::from_bytes(full.as_os_str().as_bytes())
            }
        }
    }

    /// Where an input that comes from elsewhere is, or will be.
    pub fn fetched_path(&self, want: &Want) -> PathBuf {
        self.place.fetched.path(want)
    }

    /// Where the process starts; `None`: a fresh folder.
    pub fn workdir(&self) -> Result<Option<PathBuf>, Failure> {
        match &self.task.workdir {
            Workdir::Project => Ok(Some(self.place.project.to_owned())),
            Workdir::Scratch => Ok(None),
            Workdir::Path(template) => {
                let path = template.eval_text(&self.frame).map_err(|e| self.failure("workdir", e))?;
                Ok(Some(self.place.project.join(std::ffi::OsString::from_vec(path))))
            }
        }
    }

    /// The content of `$FLOWRUN_VARS`; `None` when the task declares nothing that could stand there.
    pub fn vars_file(&self) -> Option<Vec<u8>> {
        if !self.facts.writes_vars {
            return None;
        }
        let declared = self.task.outputs.iter().enumerate().filter(|(_, output)| output.kind.path().is_some());
        let outputs = declared.map(|(at, output)| (output.name.clone(), self.staged(at))).collect();
        let inputs = self.inputs.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
        let mut entries: Vec<(Arc<str>, Value)> = vec![
            ("vars".into(), Value::map(self.vars.clone())),
            ("inputs".into(), Value::map(inputs)),
            ("outputs".into(), Value::map(outputs)),
            ("resources".into(), Value::map(self.resources.clone())),
        ];
        if let (Run::Script { .. }, Some(item)) = (&self.task.run, &self.task.item)
            && let Some(value) = self.frame.get(&[item])
        {
            entries.push((item.clone(), value.clone()));
        }
        let mut text = Value::map(entries).to_json().into_bytes();
        text.push(b'\n');
        Some(text)
    }

    /// The task.
    pub fn task(&self) -> &'a Task {
        self.task
    }

    /// A failed expression as the failure of the instance.
    pub fn failure(&self, place: &str, error: EvalError) -> Failure {
        Wrong::of(place, error).said(&self.place.plan.sources)
    }
}

/// An instance that cannot be prepared.
pub fn refused(message: String, help: Option<String>) -> Failure {
    Failure { cause: Cause::Prepare, message: message.into(), help: help.map(Into::into) }
}

/// `null`, `an int`, `a list`.
pub fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        value => text::article(value.kind()),
    }
}

/// A template that must give a boolean.
pub fn boolean(template: &Template, frame: &Frame, place: &str) -> Result<bool, Wrong> {
    match template.eval(frame) {
        Ok(Value::Bool(answer)) => Ok(answer),
        Ok(other) => {
            let mut message = format!("`{place}` must give true or false, and gave {}", described(&other));
            if !other.is_null() {
                let shown = other.as_str().map_or_else(|| other.to_json(), str::to_owned);
                message.push_str(&format!(", {}", text::quote(&shown)));
            }
            let help = "compare it with something: `{{ x > 0 }}`, `{{ x is not none }}`";
            Err(Wrong::new(message, Some(help)).at(template))
        }
        Err(error) => Err(Wrong::of(place, error)),
    }
}

/// The values as commands see them: paths are absolute for a task that starts outside the project.
fn seen_values(task: &Task, project: &Path, values: &Values) -> Values {
    if matches!(task.workdir, Workdir::Project) {
        return values.clone();
    }
    let seen = |(read, value): (&Read, &Result<Value, Lack>)| value.clone().map(|v| absolute(&read.ty, &v, project));
    task.reads.iter().zip(values).map(seen).collect()
}

fn absolute(ty: &Ty, value: &Value, project: &Path) -> Value {
    match (ty, value) {
        (Ty::Path, Value::Str(_) | Value::Bytes(_)) => {
            let bytes = value.as_bytes().unwrap_or_default();
            Value::from_bytes(project.join(OsStr::from_bytes(bytes)).as_os_str().as_bytes())
        }
        (Ty::List(of), Value::List(items)) => {
            Value::list(items.iter().map(|item| absolute(of, item, project)).collect())
        }
        (Ty::Map(of), Value::Map(entries)) => {
            Value::map(entries.iter().map(|(name, v)| (name.clone(), absolute(of, v, project))).collect())
        }
        (Ty::Record(fields), Value::Map(entries)) => {
            let field = |name: &Arc<str>, v: &Value| match fields.iter().find(|(n, _)| n == name) {
                Some((_, of)) => absolute(of, v, project),
                None => v.clone(),
            };
            Value::map(entries.iter().map(|(name, v)| (name.clone(), field(name, v))).collect())
        }
        _ => value.clone(),
    }
}
