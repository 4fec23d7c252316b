//! The values that travel between tasks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// A value of the pipeline language. Cloning is cheap: everything large is shared.
///
/// In JSON, bytes that are not UTF-8 (a file name) are `{"bytes": base64}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// What a skipped or tolerated instance gives.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction; always finite.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// A file name or line that is not UTF-8. Never valid UTF-8 (see [`Value::from_bytes`]).
    Bytes(Arc<[u8]>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A record: names in the order they were given.
    Map(Arc<Vec<(Arc<str>, Value)>>),
}

impl Value {
    /// Text.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Value::Str(text.into())
    }
    /// Text if the bytes are UTF-8, else bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Value::Str(text.into()),
            Err(_) => Value::Bytes(bytes.into()),
        }
    }
    /// A list.
    pub fn list(items: Vec<Value>) -> Self {
        Value::List(Arc::new(items))
    }
    /// A record.
    pub fn map(entries: Vec<(Arc<str>, Value)>) -> Self {
        Value::Map(Arc::new(entries))
    }
    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
    /// The field of a record.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(entries) => entries.iter().find(|(n, _)| &**n == name).map(|(_, v)| v),
            _ => None,
        }
    }
    /// The value at a path of fields; `None` where a field is missing.
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Value> {
        path.into_iter().try_fold(self, |value, name| value.field(name))
    }
    /// The elements of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }
    /// The bytes of text or bytes; of nothing else.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Str(text) => Some(text.as_bytes()),
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }
    /// What the value is, as the language names it: `null bool int float string bytes list record`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "record",
        }
    }
    /// The compact JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a value is always JSON")
    }
    /// The value of a JSON text.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => s.serialize_unit(),
            Value::Bool(b) => s.serialize_bool(*b),
            Value::Int(i) => s.serialize_i64(*i),
            Value::Float(x) => s.serialize_f64(*x),
            Value::Str(text) => s.serialize_str(text),
            Value::Bytes(bytes) => {
                let mut map = s.serialize_map(Some(1))?;
                map.serialize_entry("bytes", &STANDARD.encode(bytes))?;
                map.end()
            }
            Value::List(items) => {
                let mut seq = s.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Value::Map(entries) => {
                let mut map = s.serialize_map(Some(entries.len()))?;
                for (name, value) in entries.iter() {
                    map.serialize_entry(&**name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
                Ok(Value::Bool(b))
            }
            fn visit_i64<E>(self, i: i64) -> Result<Value, E> {
                Ok(Value::Int(i))
            }
            fn visit_u64<E: serde::de::Error>(self, i: u64) -> Result<Value, E> {
                i64::try_from(i)
                    .map(Value::Int)
                    .map_err(|_| E::custom(format_args!("{i} does not fit 64 bits with a sign")))
            }
            fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
                Ok(Value::Float(x))
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::str(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(4096));
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::list(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut entries: Vec<(Arc<str>, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    match entries.iter_mut().find(|(n, _)| **n == *name) {
                        Some(entry) => entry.1 = value,
                        None => entries.push((name.into(), value)),
                    }
                }
                if let [(name, Value::Str(text))] = entries.as_slice()
                    && &**name == "bytes"
                {
                    let bytes = STANDARD.decode(text.as_bytes()).map_err(A::Error::custom)?;
                    return Ok(Value::from_bytes(&bytes));
                }
                Ok(Value::map(entries))
            }
        }
        d.deserialize_any(Reader)
    }
}

/// Why a name has no value: what was found on the way to it, and how many of its last parts are left from there.
/// Nothing was found where the value was never made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lack(Option<Arc<(Value, usize)>>);

impl Lack {
    /// The first of `left` parts is no field of this.
    pub fn of(value: &Value, left: usize) -> Self {
        Self(Some(Arc::new((value.clone(), left))))
    }
    /// What was found, and how many parts are left.
    pub fn found(&self) -> Option<(&Value, usize)> {
        self.0.as_ref().map(|found| (&found.0, found.1))
    }
}
