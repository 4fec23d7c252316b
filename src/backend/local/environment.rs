//! The environment of a task's process: what the executor inherited, and the job's on top.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a task may write its values to.
pub const OUTPUT: &str = "FLOWRUN_OUTPUT";
/// Where a task finds its values.
pub const VARS: &str = "FLOWRUN_VARS";

/// Where programs are looked for when nobody says.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The inherited environment, ready to be handed on.
pub struct Environment {
    entries: Vec<CString>,
    places: HashMap<Vec<u8>, usize>,
    path: OsString,
    /// What bash would hand on of it in place of what it was given; `None`: it would do more than that.
    bash: Option<Bash>,
}

/// What bash itself knows of the environment.
struct Bash {
    /// Programs in whose place it has a function.
    functions: Vec<Vec<u8>>,
    /// The folder that it would show as `PWD`, if it is the one that it starts in.
    pwd: Option<(OsString, FileId)>,
    level: Option<Variable>,
}

/// What makes bash do something of its own, or is changed by it.
const OF_BASH: [&[u8]; 8] =
    [b"BASH_ENV", b"SHELLOPTS", b"BASHOPTS", b"POSIXLY_CORRECT", b"PWD", b"OLDPWD", b"SHLVL", b"_"];

/// Which file a path means.
type FileId = (u64, u64);

fn file_id(path: &Path) -> Option<FileId> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

impl Environment {
    /// This process's, without what an outer flowrun has set for us.
    pub fn inherited() -> Self {
        let mut all = Self { entries: Vec::new(), places: HashMap::new(), path: DEFAULT_PATH.into(), bash: None };
        for (name, value) in std::env::vars_os() {
            if name == OUTPUT || name == VARS {
                continue;
            }
            if let Some(entry) = entry(name.as_bytes(), value.as_bytes()) {
                all.places.insert(name.as_bytes().to_vec(), all.entries.len());
                all.entries.push(entry);
            }
            if name == "PATH" {
                all.path = value;
            }
        }
        all.bash = all.of_bash();
        all
    }
    fn get(&self, name: &str) -> Option<&OsStr> {
        let place = *self.places.get(name.as_bytes())?;
        Some(OsStr::from_bytes(&self.entries[place].as_bytes()[name.len() + 1..]))
    }
    fn of_bash(&self) -> Option<Bash> {
        // bash has a path of its own when it is given none; the others speak to it before it begins.
        let untold =
            ["BASH_ENV", "SHELLOPTS", "BASHOPTS", "POSIXLY_CORRECT"].iter().all(|name| self.get(name).is_none());
        let forgets = self.get("OLDPWD").is_some_and(|folder| !Path::new(folder).is_dir());
        if !untold || forgets || self.get("PATH").is_none() {
            return None;
        }
        let function = |name: &Vec<u8>| Some(name.strip_prefix(b"BASH_FUNC_")?.strip_suffix(b"%%")?.to_vec());
        // One with dots or doubled slashes in it is shown otherwise.
        let clean = |folder: &&OsStr| {
            let parts = folder.as_bytes().strip_prefix(b"/").map(|rest| rest.split(|byte| *byte == b'/'));
            parts.is_some_and(|mut parts| parts.all(|part| !matches!(part, b"" | b"." | b"..")))
        };
        let level = match self.get("SHLVL").map(|level| level.as_bytes().iter().all(u8::is_ascii_digit)) {
            None => Variable::new(b"SHLVL", b"0"),
            Some(true) => None,
            Some(false) => return None,
        };
        Some(Bash {
            functions: self.places.keys().filter_map(function).collect(),
            pwd: self.get("PWD").filter(clean).and_then(|pwd| Some((pwd.to_owned(), file_id(Path::new(pwd))?))),
            level,
        })
    }
    /// What bash would change in the environment of a program that it becomes in the folder `dir`. `None`: with this
    /// environment, and `ours` on top, it would do more than to become that program.
    pub fn of_program(&self, name: &[u8], program: &Path, dir: &Path, ours: &[Variable]) -> Option<Vec<Variable>> {
        let bash = self.bash.as_ref()?;
        let told = |v: &Variable| OF_BASH.contains(&v.name.as_slice()) || v.name.starts_with(b"BASH_FUNC_");
        if bash.functions.iter().any(|function| function == name) || ours.iter().any(told) {
            return None;
        }
        let pwd = match &bash.pwd {
            Some((pwd, id)) if file_id(dir)? == *id => pwd.clone(),
            _ => std::fs::canonicalize(dir).ok()?.into_os_string(),
        };
        let mut changed =
            vec![Variable::new(b"PWD", pwd.as_bytes())?, Variable::new(b"_", program.as_os_str().as_bytes())?];
        changed.extend(bash.level.clone());
        Some(changed)
    }
    /// The whole environment with `ours` on top.
    pub fn with<'a>(&'a self, ours: impl IntoIterator<Item = &'a Variable>) -> Vec<&'a CStr> {
        let mut all: Vec<&CStr> = self.entries.iter().map(CString::as_c_str).collect();
        for variable in ours {
            match self.places.get(&variable.name) {
                Some(&place) => all[place] = &variable.entry,
                None => all.push(&variable.entry),
            }
        }
        all
    }
    /// The `PATH` in force, with `ours` on top.
    pub fn path<'a>(&'a self, ours: &'a [Variable]) -> &'a OsStr {
        let own = ours.iter().rev().find(|v| v.name == b"PATH");
        own.map_or(&self.path, |v| OsStr::from_bytes(&v.entry.as_bytes()["PATH=".len()..]))
    }
}

/// One variable on top.
#[derive(Clone)]
pub struct Variable {
    name: Vec<u8>,
    entry: CString,
}

impl Variable {
    /// `None`: there is a NUL in it, or its name is none.
    pub fn new(name: &[u8], value: &[u8]) -> Option<Self> {
        let good = !name.is_empty() && !name.contains(&b'=');
        good.then(|| entry(name, value)).flatten().map(|entry| Self { name: name.to_vec(), entry })
    }
    /// Bytes of `NAME=VALUE`.
    pub fn len(&self) -> usize {
        self.entry.as_bytes().len()
    }
}

fn entry(name: &[u8], value: &[u8]) -> Option<CString> {
    CString::new([name, b"=", value].concat()).ok()
}

/// A path as the system takes it; `None`: there is a NUL in it.
pub fn c_path(path: impl Into<OsString>) -> Option<CString> {
    CString::new(path.into().into_vec()).ok()
}
