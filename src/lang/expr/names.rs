//! The names of one node and their values: a tree of dotted names whose leaves are slots.

use crate::base::{Lack, Value};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// Names that the expressions of one node may look up: a tree of dotted names whose leaves are slots of a [`Frame`].
/// Where both `sample` and `sample.fq1` are asked for, `sample` is the leaf, unless it is a value of its own beside the
/// way to others, as the list of a map's records is.
#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    slots: Vec<Vec<Arc<str>>>,
    branches: Vec<Vec<(Arc<str>, Entry)>>,
}

/// What stands under one name of a branch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Entry {
    Slot(u32),
    Branch(u32),
    /// A slot that is also a way to others.
    Both(u32, u32),
}

impl Default for Names {
    fn default() -> Self {
        Self { slots: Vec::new(), branches: vec![Vec::new()] }
    }
}

impl Entry {
    fn slot(self) -> Option<u32> {
        match self {
            Entry::Slot(slot) | Entry::Both(slot, _) => Some(slot),
            Entry::Branch(_) => None,
        }
    }
}

/// The values of one node's names for one instance. A slot that was never set is an error when it is read.
#[derive(Clone, Debug)]
pub struct Frame {
    pub(super) names: Arc<Names>,
    /// Shared, so that an expression can hold it while it is evaluated without a copy of every value.
    pub(super) values: Arc<Vec<Result<Value, Lack>>>,
}

impl Names {
    /// Slots are given in the order of the paths; of two paths where one begins the other, only the shorter one
    /// gets a slot.
    pub fn new(paths: impl IntoIterator<Item = Vec<Arc<str>>>) -> Self {
        let paths: Vec<Vec<Arc<str>>> = paths.into_iter().filter(|path| !path.is_empty()).collect();
        let all: FxHashSet<&[Arc<str>]> = paths.iter().map(Vec::as_slice).collect();
        let begun = |path: &[Arc<str>]| (1..path.len()).any(|len| all.contains(&path[..len]));
        Self::keeping(paths.iter().filter(|path| !begun(path)).cloned())
    }

    /// Every path gets a slot, in their order, also one that begins another.
    pub fn keeping(paths: impl IntoIterator<Item = Vec<Arc<str>>>) -> Self {
        let mut names = Self::default();
        for path in paths {
            names.insert(path);
        }
        names
    }

    fn insert(&mut self, path: Vec<Arc<str>>) {
        let Some((last, way)) = path.split_last() else { return };
        let mut at = 0;
        for name in way {
            let next = match self.entry(at, name) {
                Some(Entry::Branch(next) | Entry::Both(_, next)) => next,
                known => {
                    let next = self.branches.len() as u32;
                    self.branches.push(Vec::new());
                    let slot = known.and_then(Entry::slot);
                    self.put(at, name, slot.map_or(Entry::Branch(next), |slot| Entry::Both(slot, next)));
                    next
                }
            };
            at = next;
        }
        let slot = self.slots.len() as u32;
        match self.entry(at, last) {
            None => self.put(at, last, Entry::Slot(slot)),
            Some(Entry::Branch(next)) => self.put(at, last, Entry::Both(slot, next)),
            Some(_) => return,
        }
        self.slots.push(path);
    }

    fn put(&mut self, branch: u32, name: &Arc<str>, entry: Entry) {
        let entries = &mut self.branches[branch as usize];
        match entries.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = entry,
            None => entries.push((name.clone(), entry)),
        }
    }

    pub(super) fn entry(&self, branch: u32, name: &str) -> Option<Entry> {
        self.branches[branch as usize].iter().find(|(n, _)| **n == *name).map(|(_, entry)| *entry)
    }

    /// The names directly under a branch.
    pub(super) fn under(&self, branch: u32) -> impl Iterator<Item = &Arc<str>> {
        self.branches[branch as usize].iter().map(|(name, _)| name)
    }

    /// The slot that holds the path or a beginning of it, and how many names of the path lead to it.
    pub(super) fn find<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Found {
        let mut at = 0;
        // the last slot that the way leads through
        let (mut through, mut length) = (None, 0);
        for (i, name) in path.into_iter().enumerate() {
            let entry = self.entry(at, name);
            if let Some(slot) = entry.and_then(Entry::slot) {
                through = Some((i + 1, Found::Slot { slot: slot as usize, used: i + 1 }));
            }
            match entry {
                Some(Entry::Branch(next) | Entry::Both(_, next)) => at = next,
                Some(Entry::Slot(_)) | None => return through.map_or(Found::Nothing, |(_, found)| found),
            }
            length = i + 1;
        }
        match through {
            Some((used, found)) if used == length => found,
            _ => Found::Branch(at),
        }
    }

    /// The slot that holds this path, or a beginning of it.
    pub fn slot(&self, path: &[Arc<str>]) -> Option<usize> {
        match self.find(path.iter().map(|name| &**name)) {
            Found::Slot { slot, .. } => Some(slot),
            _ => None,
        }
    }

    /// Every path that has a slot, in slot order.
    pub fn paths(&self) -> Vec<&[Arc<str>]> {
        self.slots.iter().map(Vec::as_slice).collect()
    }
}

/// Where a path leads in the tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found {
    /// A slot, after `used` names of the path.
    Slot { slot: usize, used: usize },
    /// Only a beginning of names that have slots.
    Branch(u32),
    /// No expression asks for it.
    Nothing,
}

impl Frame {
    /// A frame whose first slots hold `values`.
    pub fn new(names: &Arc<Names>, mut values: Vec<Result<Value, Lack>>) -> Self {
        values.resize(names.slots.len(), Err(Lack::default()));
        Self { names: names.clone(), values: Arc::new(values) }
    }

    /// Sets the leaf of a path; does nothing when no expression asks for it. Where the leaf is a beginning of the path
    /// (`resources` for `resources.cpus`), the value becomes a field of the leaf's record.
    pub fn set(&mut self, path: &[&str], value: Value) {
        match self.names.find(path.iter().copied()) {
            Found::Slot { slot, used } => {
                let leaf = &mut Arc::make_mut(&mut self.values)[slot];
                put(leaf, &path[used..], value);
            }
            Found::Branch(branch) => {
                let names: Vec<Arc<str>> = self.names.under(branch).cloned().collect();
                for name in names {
                    if let Some(field) = value.field(&name) {
                        let mut below = path.to_vec();
                        below.push(&name);
                        self.set(&below, field.clone());
                    }
                }
            }
            Found::Nothing => {}
        }
    }

    /// The value of a leaf, if it has been set.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        match self.names.find(path.iter().copied()) {
            Found::Slot { slot, used } if used == path.len() => self.values[slot].as_ref().ok(),
            _ => None,
        }
    }

    /// Whether some expression asks for this path (or a beginning of it), so that its value must be found.
    pub fn wants(&self, path: &[&str]) -> bool {
        matches!(self.names.find(path.iter().copied()), Found::Slot { .. })
    }

    /// The names that the frame was made for.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }
}

fn put(leaf: &mut Result<Value, Lack>, fields: &[&str], value: Value) {
    let Some((first, rest)) = fields.split_first() else {
        *leaf = Ok(value);
        return;
    };
    let mut entries = match std::mem::replace(leaf, Err(Lack::default())) {
        Ok(Value::Map(entries)) => Arc::unwrap_or_clone(entries),
        _ => Vec::new(),
    };
    let at = entries.iter().position(|(name, _)| **name == **first).unwrap_or_else(|| {
        entries.push(((*first).into(), Value::Null));
        entries.len() - 1
    });
    let mut inner = Ok(std::mem::take(&mut entries[at].1));
    put(&mut inner, rest, value);
    entries[at].1 = inner.unwrap_or_default();
    *leaf = Ok(Value::map(entries));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path(text: &str) -> Vec<Arc<str>> {
        text.split('.').map(Arc::from).collect()
    }

    #[test]
    fn the_shorter_of_two_paths_gets_the_slot() {
        let names = Names::new(["sample.fq1", "params.n", "sample", "params.n", "params.m"].map(path));
        let slots: Vec<String> = names.paths().iter().map(|path| path.join(".")).collect();
        assert_eq!(slots, ["params.n", "sample", "params.m"]);
        assert_eq!(names.slot(&path("sample.fq1")), Some(1));
        assert_eq!(names.slot(&path("sample")), Some(1));
        assert_eq!(names.slot(&path("params")), None);
        assert_eq!(names.slot(&path("nobody")), None);
    }

    #[test]
    fn a_value_may_stand_on_the_way_to_others() {
        let names = Names::keeping(["x.out", "x", "x.more.y", "z"].map(path));
        let found = ["x", "x.out", "x.out.deep", "x.other", "x.more", "z.q"].map(|p| names.slot(&path(p)));
        assert_eq!(found, [Some(1), Some(0), Some(0), Some(1), None, Some(3)]);
        assert_eq!(names.find(["x", "more"]), Found::Branch(2));
    }

    #[test]
    fn a_frame_takes_whole_records_and_single_fields() {
        let names = Arc::new(Names::new(["outputs.html", "outputs.log", "resources", "index"].map(path)));
        let mut frame = Frame::new(&names, vec![Ok(Value::str("a.html"))]);
        assert!(frame.wants(&["resources", "cpus"]) && frame.wants(&["index"]));
        assert!(!frame.wants(&["outputs"]) && !frame.wants(&["attempt"]));
        frame.set(&["outputs"], Value::map(vec![("log".into(), Value::str("a.log"))]));
        frame.set(&["resources", "cpus"], Value::Int(2));
        frame.set(&["resources", "memory"], Value::Int(9));
        frame.set(&["attempt"], Value::Int(1));
        let shown: Vec<Option<String>> = frame.values.iter().map(|v| v.as_ref().ok().map(Value::to_json)).collect();
        assert_eq!(
            shown,
            [
                Some(r#""a.html""#.to_owned()),
                Some(r#""a.log""#.to_owned()),
                Some(r#"{"cpus":2,"memory":9}"#.to_owned()),
                None
            ]
        );
    }
}
