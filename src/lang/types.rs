//! The types of params and outputs: `int`, `list<float>`, …

use std::fmt;

/// A declared type.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Type {
    /// `bool`
    Bool,
    /// `int`: 64 bits with a sign.
    Int,
    /// `float`: finite.
    Float,
    /// `string`
    String,
    /// `path`: text; the file's content is what counts in a key.
    Path,
    /// `list<T>`; plain `list` is `list<json>`.
    List(Box<Type>),
    /// `map<T>`; plain `map` is `map<json>`: a record whose values have one type.
    Map(Box<Type>),
    /// `json`: anything.
    Json,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Float => f.write_str("float"),
            Type::String => f.write_str("string"),
            Type::Path => f.write_str("path"),
            Type::Json => f.write_str("json"),
            Type::List(t) if **t == Type::Json => f.write_str("list"),
            Type::List(t) => write!(f, "list<{t}>"),
            Type::Map(t) if **t == Type::Json => f.write_str("map"),
            Type::Map(t) => write!(f, "map<{t}>"),
        }
    }
}
