//! Settings files: where they lie, which of them wins, and what the machine allows at most.

use super::Failed;
use crate::base::Value;
use crate::base::text::{and, did_you_mean, quote};
use crate::diag::{Diagnostic, Severity, Sources, Span, codes};
use crate::driver::{Error, Profile};
use crate::engine::Capacity;
use crate::lang::model::{Datum, Name};
use crate::lang::reader;
use crate::lang::settings::{Caps, ProfileDecl};
use crate::sys::Fault;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The settings of a machine. No user can move them: a cap that can be moved is none.
const MACHINE: &str = "/etc/flowrun/config.toml";

/// The profile that holds where the chosen one says nothing.
const DEFAULT: &str = "default";

/// What the settings files say for one command.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The profile that was asked for.
    pub name: Option<String>,
    /// Those that hold, the first one wins.
    profiles: Vec<ProfileDecl>,
    /// `[caps]` of the machine.
    pub caps: Caps,
    /// The files, as they are named in messages.
    pub sources: Sources,
    folders: Vec<PathBuf>,
}

impl Chosen {
    /// Reads the settings files for a pipeline in this folder.
    ///
    /// # Errors
    /// Everything that is wrong with them, and a profile that none of them has.
    pub fn read(folder: &Path, profile: Option<&str>) -> Result<Self, Failed> {
        let mut files: Vec<(PathBuf, bool)> = vec![(folder.join("flowrun.toml"), false)];
        files.extend(user_file().map(|path| (path, false)));
        files.push((machine_file(), true));
        let mut chosen = Self { name: profile.map(str::to_owned), ..Self::default() };
        let (mut list, mut read) = (Vec::new(), Vec::new());
        for (path, machine) in files {
            let Some(text) = text_of(&path, machine)? else { continue };
            let file = chosen.sources.add(path.display().to_string(), text.as_str());
            chosen.folders.push(path.parent().map(Path::to_owned).unwrap_or_default());
            let (settings, more) = reader::read_settings(&text, file, machine);
            list.extend(more);
            if machine {
                chosen.caps = settings.caps;
            }
            read.extend(settings.profiles);
        }
        if let Some(name) = profile
            && !read.iter().any(|profile| *profile.name.value == *name)
            && name != DEFAULT
        {
            list.push(unknown(name, &read));
        }
        if list.iter().any(|d| d.severity == Severity::Error) {
            return Err(Error::Diagnostics { list, sources: chosen.sources }.into());
        }
        let (mut named, others): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|decl| profile.is_some_and(|name| *decl.name.value == *name));
        named.extend(others.into_iter().filter(|decl| *decl.name.value == *DEFAULT));
        chosen.profiles = named;
        Ok(chosen)
    }

    /// What a profile gives for a setting, and where.
    pub fn value(&self, key: &str) -> Option<(&Value, Span)> {
        let all = self.profiles.iter().flat_map(|profile| &profile.values);
        all.into_iter().find(|(name, _)| *name == key).map(|(_, value)| (&value.value, value.span))
    }

    /// A setting that is text.
    pub fn text(&self, key: &str) -> Option<String> {
        self.value(key).and_then(|(value, _)| value.as_str()).map(str::to_owned)
    }

    /// A setting that is a path, relative to the folder of the file that gives it.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        let (value, span) = self.value(key)?;
        Some(self.folders[usize::from(span.file)].join(value.as_str()?))
    }

    /// The address of the store; that of a file as [`Self::path`].
    pub fn store(&self) -> Option<String> {
        let (value, span) = self.value("store")?;
        let text = value.as_str()?;
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Some(text.to_owned());
        }
        let path = text.strip_prefix("sqlite://").or(text.strip_prefix("sqlite:")).unwrap_or(text);
        if path.is_empty() || path.contains("://") {
            return Some(text.to_owned());
        }
        Some(self.folders[usize::from(span.file)].join(path).display().to_string())
    }

    /// A setting that is a number.
    pub fn number(&self, key: &str) -> Option<u32> {
        match self.value(key)?.0 {
            Value::Int(n) => u32::try_from(*n).ok(),
            _ => None,
        }
    }

    /// A setting that is on or off. `typed`: by the command line or the environment, which may also turn it off.
    pub fn flag(&self, key: &str, typed: bool, variable: &str) -> bool {
        typed || std::env::var_os(variable).is_none() && matches!(self.value(key), Some((Value::Bool(true), _)))
    }

    /// Every default resource, the winning one of each name.
    pub fn resources(&self) -> Vec<(Name, Datum)> {
        let mut resources: Vec<(Name, Datum)> = Vec::new();
        for (name, datum) in self.profiles.iter().flat_map(|profile| &profile.resources) {
            if !resources.iter().any(|(other, _)| other.value == name.value) {
                resources.push((name.clone(), datum.clone()));
            }
        }
        resources
    }

    /// What of it concerns the plan.
    pub fn of_plan(&self) -> Option<Arc<Profile>> {
        let resources = self.resources();
        (!resources.is_empty()).then(|| Arc::new(Profile { resources, sources: self.sources.clone() }))
    }

    /// As many cores as were asked for and the machine allows; where it allows fewer, also the place that says so.
    pub fn jobs(&self, asked: Option<u32>) -> (Option<u32>, Option<Span>) {
        match self.caps.jobs {
            Some((most, span)) => match asked {
                Some(asked) if asked <= most => (Some(asked), None),
                None if crate::sys::cores() <= most => (None, None),
                _ => (Some(most), Some(span)),
            },
            None => (asked, None),
        }
    }

    /// The name of the profile in which something stands.
    pub fn profile_at(&self, span: Span) -> Option<&str> {
        let inside = |decl: &&ProfileDecl| {
            decl.values.iter().any(|(_, value)| value.span == span)
                || decl.resources.iter().any(|(_, datum)| datum.span() == span)
        };
        self.profiles.iter().find(inside).map(|decl| &*decl.name.value)
    }

    /// `/etc/flowrun/config.toml:3`
    pub fn place(&self, span: Span) -> String {
        format!("{}:{}", self.sources.path(span.file), self.sources.line_column(span.file, span.start).0)
    }
}

/// What a backend has, less what the machine does not allow.
pub fn capped(caps: &Caps, mut capacity: Capacity) -> Capacity {
    if let Some((jobs, _)) = caps.jobs {
        capacity.cpus = capacity.cpus.min(jobs);
    }
    if let Some((memory, _)) = caps.memory {
        capacity.memory = capacity.memory.min(memory);
    }
    if let Some((gpus, _)) = caps.gpus {
        capacity.gpus.truncate(gpus as usize);
    }
    capacity
}

fn unknown(name: &str, read: &[ProfileDecl]) -> Diagnostic {
    let mut names: Vec<&str> = read.iter().map(|profile| &*profile.name.value).collect();
    names.sort_unstable();
    names.dedup();
    let d = Diagnostic::bare(codes::UNKNOWN_PROFILE, format!("there is no profile {}", quote(name)));
    d.help(did_you_mean(name, names.iter().copied()).unwrap_or_else(|| match names.is_empty() {
        true => format!("write one into `flowrun.toml` beside the pipeline: `[profile.{name}]`"),
        false => format!("the settings files have {}", and(names)),
    }))
}

fn user_file() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
    Some(config.join("flowrun/config.toml"))
}

/// Only a build for tests can be told another place.
fn machine_file() -> PathBuf {
    let other = cfg!(debug_assertions).then(|| std::env::var_os("FLOWRUN_MACHINE_CONFIG")).flatten();
    other.map_or_else(|| PathBuf::from(MACHINE), PathBuf::from)
}

/// The text of a settings file; `None` when there is none.
fn text_of(path: &Path, machine: bool) -> Result<Option<String>, Failed> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            // `HOME` may be that of somebody else; what the machine allows must be known.
            let passed_over = error.kind() == ErrorKind::PermissionDenied && !machine;
            if passed_over || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
                return Ok(None);
            }
            let fault = Fault::io("read", path, &error);
            return Err(Failed::usage(fault.what, fault.help));
        }
    };
    let shown = path.display().to_string();
    let text =
        String::from_utf8(bytes).map_err(|_| Failed::usage(format!("{} is not UTF-8 text", quote(&shown)), None))?;
    Ok(Some(text))
}
