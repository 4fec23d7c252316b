//! The environment of a task's process: what the executor inherited, and the job's on top.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

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
}

impl Environment {
    /// This process's, without what an outer flowrun has set for us.
    pub fn inherited() -> Self {
        let mut all = Self { entries: Vec::new(), places: HashMap::new(), path: DEFAULT_PATH.into() };
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
        all
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
