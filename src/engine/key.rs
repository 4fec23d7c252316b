//! Cache keys and their explanation: one walk, two visitors, so that they cannot disagree.
//!
//! A key is the BLAKE3 digest of named components in a fixed order. The components that are equal for every instance
//! of a node are digested once ([`Fixed`]); each instance adds its own. The format has a version, written first, so
//! that an upgrade of flowrun reruns nothing unless the version is raised on purpose.

use crate::base::digest::Key;
use crate::base::{Digest, Value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The version of the key's format.
const FORMAT: &[u8] = b"flowrun key 1\n";

/// How much of a component's text is kept for explanations, in bytes.
const KEPT: usize = 2000;

/// One component of a key, for explanations: its name and a short text of what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// `command`, `value params.multiplier`, `input reads`, `file scripts/report.py`, `env LANG`.
    pub name: Arc<str>,
    /// What it was: text, JSON, or the paths and digests of files; cut when it is long.
    pub text: Arc<str>,
    /// Digest of the whole.
    pub digest: Digest,
}

/// What stands in a component.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Text of the pipeline file.
    Text(&'a str),
    /// A value.
    Value(&'a Value),
    /// A value that names files or folders: each path as the project sees it with the digest of what it holds
    /// (`None`: nothing is there).
    Files(&'a Value, &'a [(Value, Option<Digest>)]),
}

/// Receives the components of a key in order.
pub trait Visitor {
    /// One component.
    fn component(&mut self, name: &str, content: Content<'_>);
}

/// The components that all instances of a node share.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// For explanations.
    pub components: Arc<Vec<Component>>,
    digest: Digest,
}

impl Fixed {
    /// From a walk over what the file says of the node.
    pub fn new(walk: impl Fn(&mut dyn Visitor)) -> Self {
        let mut hasher = KeyHasher::empty();
        walk(&mut hasher);
        let mut components = Collector::default();
        walk(&mut components);
        Self { components: Arc::new(components.0), digest: hasher.finish() }
    }
    /// The key of an instance, from a walk over its own components.
    pub fn key(&self, walk: impl Fn(&mut dyn Visitor)) -> Key {
        let mut hasher = KeyHasher::empty();
        hasher.0.update(&self.digest.0);
        walk(&mut hasher);
        hasher.finish()
    }
}

/// The components of a walk.
pub fn components(walk: impl Fn(&mut dyn Visitor)) -> Vec<Component> {
    let mut collector = Collector::default();
    walk(&mut collector);
    // They are kept as long as the instance is at work, and there may be many at once.
    collector.0.shrink_to_fit();
    collector.0
}

/// The visitor that makes the key.
struct KeyHasher(blake3::Hasher);

impl KeyHasher {
    fn empty() -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(FORMAT);
        Self(hasher)
    }
    fn finish(self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

impl Visitor for KeyHasher {
    fn component(&mut self, name: &str, content: Content<'_>) {
        // Lengths are written before contents, so that no two different lists of components read the same.
        self.0.update(&(name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        digest_into(content, &mut self.0);
    }
}

fn digest_into(content: Content<'_>, hasher: &mut blake3::Hasher) {
    match content {
        Content::Text(text) => {
            hasher.update(b"t");
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Content::Value(value) => {
            hasher.update(b"v");
            digest_value(value, hasher);
        }
        Content::Files(value, files) => {
            hasher.update(b"f");
            digest_value(value, hasher);
            hasher.update(&(files.len() as u64).to_le_bytes());
            for (path, digest) in files {
                digest_value(path, hasher);
                hasher.update(&digest.map_or([0; 32], |d| d.0));
            }
        }
    }
}

/// A tag, then the bytes with their length: `1`, `1.0`, `"1"` and `[1]` differ.
fn digest_value(value: &Value, hasher: &mut blake3::Hasher) {
    let mut sized = |tag: &[u8], bytes: &[u8]| {
        hasher.update(tag);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match value {
        Value::Null => sized(b"n", b""),
        Value::Bool(b) => sized(b"b", &[u8::from(*b)]),
        Value::Int(i) => sized(b"i", &i.to_le_bytes()),
        Value::Float(x) => sized(b"d", &x.to_bits().to_le_bytes()),
        Value::Str(text) => sized(b"s", text.as_bytes()),
        Value::Bytes(bytes) => sized(b"y", bytes),
        Value::List(items) => {
            hasher.update(b"l");
            hasher.update(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| digest_value(item, hasher));
        }
        Value::Map(entries) => {
            // The order of a record's fields is no part of what it says.
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            hasher.update(b"m");
            hasher.update(&(sorted.len() as u64).to_le_bytes());
            for (name, value) in sorted {
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name.as_bytes());
                digest_value(value, hasher);
            }
        }
    }
}

/// The visitor that keeps what an explanation needs.
#[derive(Default)]
struct Collector(Vec<Component>);

impl Visitor for Collector {
    fn component(&mut self, name: &str, content: Content<'_>) {
        let mut hasher = blake3::Hasher::new();
        digest_into(content, &mut hasher);
        let digest = Digest(*hasher.finalize().as_bytes());
        self.0.push(Component { name: name.into(), text: describe(content).into(), digest });
    }
}

/// What a component holds, as an explanation prints it.
fn describe(content: Content<'_>) -> String {
    let mut text = match content {
        Content::Text(text) => text.to_owned(),
        Content::Value(value) => value.to_json(),
        Content::Files(value, files) => {
            let held = |digest: &Option<Digest>| digest.map_or_else(|| "missing".to_owned(), |d| d.short());
            match files {
                [(_, digest)] => format!("{} ({})", value.to_json(), held(digest)),
                _ => {
                    let each = files.iter().map(|(path, digest)| format!("{} ({})", path.to_json(), held(digest)));
                    format!("[{}]", each.collect::<Vec<_>>().join(", "))
                }
            }
        }
    };
    if text.len() > KEPT {
        let end = (0..=KEPT).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A component that differs between two results.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Change {
    /// The component's name.
    pub component: Arc<str>,
    /// What it was; `None`: it was not there.
    pub old: Option<Arc<str>>,
    /// What it is; `None`: it is gone.
    pub new: Option<Arc<str>>,
}

/// What differs from `old` to `new`, in the order of `new`; what is gone comes last.
pub fn changes<'a>(
    old: impl Iterator<Item = &'a Component> + Clone,
    new: impl Iterator<Item = &'a Component> + Clone,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for component in new.clone() {
        let before = old.clone().find(|c| c.name == component.name);
        if before.is_none_or(|c| c.digest != component.digest) {
            changes.push(Change {
                component: component.name.clone(),
                old: before.map(|c| c.text.clone()),
                new: Some(component.text.clone()),
            });
        }
    }
    for component in old {
        if !new.clone().any(|c| c.name == component.name) {
            changes.push(Change { component: component.name.clone(), old: Some(component.text.clone()), new: None });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk_with(value: Value) -> impl Fn(&mut dyn Visitor) {
        move |v: &mut dyn Visitor| v.component("value x", Content::Value(&value))
    }

    #[test]
    fn values_of_different_kinds_have_different_keys() {
        let fixed = Fixed::new(|v| v.component("command", Content::Text("echo {{ x }}")));
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(1),
            Value::Float(1.0),
            Value::str("1"),
            Value::from_bytes(&[0xff]),
            Value::list(vec![Value::Int(1)]),
            Value::list(vec![Value::list(vec![Value::Int(1)])]),
            Value::map(vec![("a".into(), Value::Int(1))]),
        ];
        let keys: std::collections::HashSet<Key> = values.iter().map(|v| fixed.key(walk_with(v.clone()))).collect();
        assert_eq!(keys.len(), values.len());
    }

    #[test]
    fn a_key_is_the_same_for_ever() {
        let fixed = Fixed::new(|v| v.component("command", Content::Text("echo {{ x }}")));
        let record = |names: [&str; 2]| Value::map(names.iter().map(|n| ((*n).into(), Value::str(*n))).collect());
        assert_eq!(fixed.key(walk_with(record(["a", "b"]))), fixed.key(walk_with(record(["b", "a"]))));
        // A change of this line reruns every pipeline of every user: raise the format's version on purpose only.
        let expected = "ec3f";
        assert_eq!(&fixed.key(walk_with(Value::Int(42))).to_string()[..4], expected);
    }

    #[test]
    fn changes_name_both_sides() {
        let old = components(|v| {
            v.component("command", Content::Text("old"));
            v.component("value a", Content::Value(&Value::Int(1)));
            v.component("value gone", Content::Value(&Value::Int(2)));
        });
        let new = components(|v| {
            v.component("command", Content::Text("new"));
            v.component("value a", Content::Value(&Value::Int(1)));
            v.component("value added", Content::Value(&Value::Null));
        });
        let lines: Vec<String> = changes(old.iter(), new.iter())
            .iter()
            .map(|c| format!("{}: {:?} -> {:?}", c.component, c.old.as_deref(), c.new.as_deref()))
            .collect();
        assert_eq!(
            lines,
            [
                r#"command: Some("old") -> Some("new")"#,
                r#"value added: None -> Some("null")"#,
                r#"value gone: Some("2") -> None"#
            ]
        );
    }
}
