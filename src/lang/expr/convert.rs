//! Values to and from minijinja's. Lists and records are wrapped, not copied: an expression that only passes one on
//! gives back the same `Arc`.
//!
//! Text that is not UTF-8 travels through minijinja as text in which every stray byte `0x80..=0xFF` is the private
//! character `U+10FF00 + byte`, so that every filter can work on file names. Text that holds such characters itself
//! is written byte by byte in the same way: nothing is ever lost or confused.

use super::names::{Entry, Frame, Names};
use crate::base::{Lack, Value};
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

type Jinja = minijinja::Value;

const STRAY: u32 = 0x10_FF00;

/// Whether the character stands for a stray byte.
pub(super) fn is_stray(c: char) -> bool {
    c as u32 >= STRAY + 0x80
}

/// A value for an expression.
pub(super) fn to_jinja(value: &Value) -> Jinja {
    match value {
        Value::Null => Jinja::from(()),
        Value::Bool(b) => Jinja::from(*b),
        Value::Int(i) => Jinja::from(*i),
        Value::Float(x) => Jinja::from(*x),
        Value::Str(text) => str_to_jinja(text),
        Value::Bytes(bytes) => Jinja::from(encode(bytes)),
        Value::List(items) => Jinja::from_object(List(items.clone())),
        Value::Map(entries) => Jinja::from_object(Record(entries.clone())),
    }
}

/// Text for an expression; nearly always the same `Arc`.
pub(super) fn str_to_jinja(text: &Arc<str>) -> Jinja {
    if text.as_bytes().contains(&0xF4) && text.chars().any(is_stray) {
        Jinja::from(encode(text.as_bytes()))
    } else {
        Jinja::from(text.clone())
    }
}

/// Bytes as the text that stands for them.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    let stray = |text: &mut String, bytes: &[u8]| {
        text.extend(bytes.iter().filter_map(|b| char::from_u32(STRAY + u32::from(*b))));
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_stray(c) {
                stray(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(c);
            }
        }
        stray(&mut text, chunk.invalid());
    }
    text
}

/// The bytes that a text of an expression stands for.
pub(super) fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&0xF4) || !text.chars().any(is_stray) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        if is_stray(c) {
            bytes.push((c as u32 - STRAY) as u8);
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(bytes)
}

/// The value that an expression gave. The error is the end of a sentence that begins with "it gives".
pub(super) fn from_jinja(value: &Jinja) -> Result<Value, String> {
    if let Some(way) = value.downcast_object_ref::<Way>() {
        return from_jinja(&way.value);
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => {
            let text = value.to_str().unwrap_or_default();
            match decode(&text) {
                Cow::Borrowed(_) => Ok(Value::Str(text)),
                Cow::Owned(bytes) => Ok(Value::from_bytes(&bytes)),
            }
        }
        ValueKind::Bytes => Ok(Value::from_bytes(value.as_bytes().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => {
            if let Some(list) = value.downcast_object_ref::<List>() {
                return Ok(Value::List(list.0.clone()));
            }
            let items = value.try_iter().map_err(|e| e.to_string())?;
            items.map(|item| from_jinja(&item)).collect::<Result<_, _>>().map(Value::list)
        }
        ValueKind::Map => {
            if let Some(record) = value.downcast_object_ref::<Record>() {
                return Ok(Value::Map(record.0.clone()));
            }
            let keys = value.try_iter().map_err(|e| e.to_string())?;
            let entries = keys.map(|key| {
                let Some(name) = key.to_str() else {
                    return Err(format!("a record with the key `{key}`, and keys must be text"));
                };
                let item = value.get_item(&key).map_err(|e| e.to_string())?;
                Ok((name, from_jinja(&item)?))
            });
            entries.collect::<Result<_, _>>().map(Value::map)
        }
        ValueKind::Invalid => Err(match value.try_iter() {
            Err(error) => error.to_string(),
            Ok(_) => "nothing that can be used".to_owned(),
        }),
        _ => Err("something that is no data (a function)".to_owned()),
    }
}

fn number(value: &Jinja) -> Result<Value, String> {
    if value.is_integer() {
        return i64::try_from(value.clone())
            .map(Value::Int)
            .map_err(|_| format!("{value}, which does not fit 64 bits"));
    }
    match f64::try_from(value.clone()) {
        Ok(x) if x.is_finite() => Ok(Value::Float(x)),
        _ => Err(format!("{value}, which is no finite number")),
    }
}

/// A list of ours.
#[derive(Debug)]
pub(super) struct List(pub(super) Arc<Vec<Value>>);

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.0.get(key.as_usize()?).map(to_jinja)
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Value::List(self.0.clone()).to_json())
    }
}

/// A record of ours.
#[derive(Debug)]
pub(super) struct Record(pub(super) Arc<Vec<(Arc<str>, Value)>>);

impl Object for Record {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        self.0.iter().find(|(name, _)| **name == *key).map(|(_, value)| to_jinja(value))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names: Vec<Jinja> = self.0.iter().map(|(name, _)| str_to_jinja(name)).collect();
        Enumerator::Values(names)
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Value::Map(self.0.clone()).to_json())
    }
}

/// A branch of the tree of names as the record that expressions look names up in.
#[derive(Debug)]
struct Scope {
    names: Arc<Names>,
    values: Arc<Vec<Result<Value, Lack>>>,
    branch: u32,
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        match self.names.entry(self.branch, key)? {
            Entry::Slot(slot) => self.values[slot as usize].as_ref().ok().map(to_jinja),
            Entry::Branch(branch) => {
                let inner = Self { names: self.names.clone(), values: self.values.clone(), branch };
                Some(Jinja::from_dyn_object(DynObject::new(Arc::new(inner))))
            }
            Entry::Both(slot, branch) => {
                let value = to_jinja(self.values[slot as usize].as_ref().ok()?);
                let Some(object) = value.as_object().cloned() else { return Some(value) };
                let inner = Self { names: self.names.clone(), values: self.values.clone(), branch };
                Some(Jinja::from_object(Way { value, object, inner: Arc::new(inner) }))
            }
        }
    }
}

/// A value on the way to others: a map's records, beside the lists of what its nodes give.
#[derive(Debug)]
struct Way {
    value: Jinja,
    /// The same value.
    object: DynObject,
    inner: Arc<Scope>,
}

impl Object for Way {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.object.repr()
    }
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.inner.get_value(key).or_else(|| self.object.get_value(key))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.object.enumerate()
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.object.enumerator_len()
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.render(f)
    }
}

/// The names of a frame as an expression's context.
pub(super) fn context(frame: &Frame) -> Jinja {
    Jinja::from_object(Scope { names: frame.names.clone(), values: frame.values.clone(), branch: 0 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_of_value_comes_back() {
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Int(3),
            Value::Float(3.0),
            Value::Float(-0.25),
            Value::str("text"),
            Value::str("private \u{10FF80}\u{10FFFF} characters \u{10FF00}"),
            Value::from_bytes(b"name \xFF\x80 \xC3\xA4"),
            Value::list(vec![Value::Int(1), Value::Null]),
            Value::map(vec![("b".into(), Value::Int(1)), ("a".into(), Value::Float(1.0))]),
        ];
        for value in &values {
            assert_eq!(&from_jinja(&to_jinja(value)).unwrap(), value);
        }
    }

    #[test]
    fn a_list_that_is_only_passed_on_is_not_copied() {
        let items = Arc::new(vec![Value::Int(1); 1000]);
        let Value::List(back) = from_jinja(&to_jinja(&Value::List(items.clone()))).unwrap() else { panic!() };
        assert!(Arc::ptr_eq(&items, &back));
    }

    #[test]
    fn what_is_no_data_is_refused() {
        assert_eq!(
            from_jinja(&Jinja::from(f64::INFINITY)).unwrap_err(),
            format!("{}, which is no finite number", Jinja::from(f64::INFINITY))
        );
        assert_eq!(from_jinja(&Jinja::from(u64::MAX)).unwrap_err(), "18446744073709551615, which does not fit 64 bits");
        let function = Jinja::from_function(|| 1);
        assert_eq!(from_jinja(&function).unwrap_err(), "something that is no data (a function)");
    }

    #[test]
    fn stray_bytes_survive_text_and_back() {
        for bytes in [&b"\xFF\xFE"[..], b"a\x80b", b"\xF4\x8F\xBE\x80", b"\xF4\x8F", b"plain", b""] {
            assert_eq!(&*decode(&encode(bytes)), bytes);
        }
    }
}
