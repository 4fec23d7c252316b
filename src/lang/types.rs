//! The types of params and outputs: `int`, `list<float>`, …; how they are written, checked, and read from text.

use crate::base::Value;
use crate::base::text::{Problem, article, did_you_mean, quote};
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

const WORDS: [&str; 8] = ["bool", "int", "float", "string", "path", "list", "map", "json"];

/// What other languages call our types.
const FOREIGN: [(&str, &str); 17] = [
    ("boolean", "bool"),
    ("integer", "int"),
    ("i64", "int"),
    ("number", "float"),
    ("double", "float"),
    ("str", "string"),
    ("text", "string"),
    ("file", "path"),
    ("dir", "path"),
    ("directory", "path"),
    ("array", "list"),
    ("vec", "list"),
    ("dict", "map"),
    ("object", "map"),
    ("record", "map"),
    ("any", "json"),
    ("value", "json"),
];

/// Deeper nesting has no use and would cost the stack.
const DEEPEST: usize = 32;

impl Type {
    /// The type of a text such as `list<int>`.
    pub fn parse(text: &str) -> Result<Type, Problem> {
        parse(text, text, 0)
    }

    /// The value as this type has it (an int becomes a float where a float is declared), or what is wrong with it:
    /// "the value is a string (`x`), not an int", "element 3 is null, not an int". Elements count from 0.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        self.convert(value).map_err(|mismatch| mismatch.to_string())
    }

    /// The value of a text: of a param on the command line (but for `string` and `path`, which are taken as they are),
    /// or of a line of `$FLOWRUN_OUTPUT` after its `=`.
    ///
    /// For `string` and `path` it is the text as it stands, unless that begins with a quote and is a whole JSON
    /// string; text that is not UTF-8 becomes bytes. Every other type is JSON.
    pub fn parse_text(&self, text: &[u8]) -> Result<Value, String> {
        if let Type::String | Type::Path = self {
            let json = (text.first() == Some(&b'"')).then(|| serde_json::from_slice::<String>(text).ok()).flatten();
            return Ok(json.map_or_else(|| Value::from_bytes(text), Value::str));
        }
        let shown = || quote(&String::from_utf8_lossy(text));
        let json = std::str::from_utf8(text).map_err(|_| format!("{} is not UTF-8, so it is no {self}", shown()))?;
        match Value::from_json(json) {
            Ok(value) => self.check(&value),
            Err(error) => Err(match self {
                Type::Bool => format!("{} is not a bool: write `true` or `false`", shown()),
                Type::Int | Type::Float => format!("{} is not {}", shown(), article(&self.to_string())),
                Type::List(_) => format!("{} is not a JSON list, such as `{}`: {error}", shown(), self.example()),
                Type::Map(_) => format!("{} is not a JSON object, such as `{}`: {error}", shown(), self.example()),
                _ => format!("{} is not JSON: {error}; text needs its quotes, as in `\"text\"`", shown()),
            }),
        }
    }

    /// A value of this type, as JSON.
    fn example(&self) -> String {
        match self {
            Type::Bool => "true".to_owned(),
            Type::Int | Type::Json => "1".to_owned(),
            Type::Float => "0.5".to_owned(),
            Type::String => "\"a\"".to_owned(),
            Type::Path => "\"a.txt\"".to_owned(),
            Type::List(inner) => format!("[{}]", inner.example()),
            Type::Map(inner) => format!("{{\"a\": {}}}", inner.example()),
        }
    }

    fn convert(&self, value: &Value) -> Result<Value, Mismatch> {
        match (self, value) {
            (Type::Json, _)
            | (Type::Bool, Value::Bool(_))
            | (Type::Int, Value::Int(_))
            | (Type::String | Type::Path, Value::Str(_) | Value::Bytes(_)) => Ok(value.clone()),
            (Type::Float, Value::Float(x)) if x.is_finite() => Ok(value.clone()),
            (Type::Float, Value::Int(n)) => Ok(Value::Float(*n as f64)),
            (Type::List(inner), Value::List(items)) => {
                let convert = |(i, item)| inner.convert(item).map_err(|m| m.inside(format!("element {i}")));
                Ok(Value::list(items.iter().enumerate().map(convert).collect::<Result<_, _>>()?))
            }
            (Type::Map(inner), Value::Map(entries)) => {
                let convert = |(name, value): &(std::sync::Arc<str>, Value)| match inner.convert(value) {
                    Ok(value) => Ok((name.clone(), value)),
                    Err(m) => Err(m.inside(format!("field {}", quote(name)))),
                };
                Ok(Value::map(entries.iter().map(convert).collect::<Result<_, _>>()?))
            }
            _ => Err(Mismatch { place: Vec::new(), found: describe(value), expected: self.described() }),
        }
    }

    /// "an int", "a list of ints" as far as a sentence needs it.
    fn described(&self) -> String {
        match self {
            Type::List(_) | Type::Map(_) => format!("a {}", quote(&self.to_string())),
            _ => article(&self.to_string()),
        }
    }
}

/// A value that does not fit, and where it stands inside the checked one.
struct Mismatch {
    /// Innermost first.
    place: Vec<String>,
    found: String,
    expected: String,
}

impl Mismatch {
    fn inside(mut self, place: String) -> Self {
        self.place.push(place);
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.iter().rev().map(String::as_str).collect::<Vec<_>>().join(", ");
        let place = if place.is_empty() { "the value" } else { &place };
        write!(f, "{place} is {}, not {}", self.found, self.expected)
    }
}

/// "null", "a string (`x`)", "a list".
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::List(_) | Value::Map(_) => article(value.kind()),
        Value::Bytes(_) => "text that is not UTF-8".to_owned(),
        Value::Str(text) => format!("a string ({})", quote(text)),
        // JSON has no text for what is not finite
        Value::Float(x) => format!("a float (`{x}`)"),
        _ => format!("{} ({})", article(value.kind()), quote(&value.to_json())),
    }
}

fn parse(text: &str, whole: &str, depth: usize) -> Result<Type, Problem> {
    let text = text.trim();
    let (word, inner) = match text.split_once('<') {
        Some((word, rest)) => match rest.strip_suffix('>') {
            Some(inner) => (word.trim_end(), Some(inner)),
            None => {
                let help = "close every `<` by a `>` at the end, as in `list<int>`";
                return Err(Problem::new(format!("{} is not a type", quote(whole))).help(help));
            }
        },
        None => (text, None),
    };
    if depth == DEEPEST {
        return Err(Problem::new(format!("the type {} is nested too deep", quote(whole))));
    }
    let argument = || match inner {
        Some(inner) => parse(inner, whole, depth + 1).map(Box::new),
        None => Ok(Box::new(Type::Json)),
    };
    let ty = match word {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "float" => Type::Float,
        "string" => Type::String,
        "path" => Type::Path,
        "json" => Type::Json,
        "list" => return Ok(Type::List(argument()?)),
        "map" => return Ok(Type::Map(argument()?)),
        _ => return Err(unknown(word, whole)),
    };
    match inner {
        None => Ok(ty),
        Some(_) => Err(Problem::new(format!("{} takes no type in `<>`", quote(word)))
            .help("only `list` and `map` do, as in `list<int>`")),
    }
}

fn unknown(word: &str, whole: &str) -> Problem {
    let lower = word.to_lowercase();
    let lower = lower.split(['[', '(']).next().unwrap_or_default();
    let message = format!("{} is not a type", quote(if word.is_empty() { whole } else { word }));
    let ours = FOREIGN.iter().find(|(foreign, _)| *foreign == lower).map(|(_, ours)| *ours);
    let help = match ours {
        Some(ours) => format!("it is called `{ours}` here"),
        None if lower == "list" || lower == "map" => format!("the type of its elements stands in `<>`: `{lower}<int>`"),
        None => did_you_mean(word, WORDS).unwrap_or_else(|| {
            "the types are `bool`, `int`, `float`, `string`, `path`, `list<…>`, `map<…>` and `json`".to_owned()
        }),
    };
    Problem::new(message).help(help)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ty(text: &str) -> Type {
        Type::parse(text).unwrap()
    }

    #[test]
    fn every_type_is_read_and_shown_again() {
        for text in ["bool", "int", "float", "string", "path", "json", "list", "map", "list<int>", "map<list<path>>"] {
            assert_eq!(ty(text).to_string(), text);
        }
        assert_eq!(ty(" list < json > "), ty("list"));
    }

    #[test]
    fn what_is_no_type_is_explained() {
        let all = "the types are `bool`, `int`, `float`, `string`, `path`, `list<…>`, `map<…>` and `json`";
        for (text, message, help) in [
            ("itn", "`itn` is not a type", "did you mean `int`?"),
            ("list<strin>", "`strin` is not a type", "did you mean `string`?"),
            ("integer", "`integer` is not a type", "it is called `int` here"),
            ("list[int]", "`list[int]` is not a type", "the type of its elements stands in `<>`: `list<int>`"),
            ("complex", "`complex` is not a type", all),
            ("", "`` is not a type", all),
            ("list<int", "`list<int` is not a type", "close every `<` by a `>` at the end, as in `list<int>`"),
            ("int<int>", "`int` takes no type in `<>`", "only `list` and `map` do, as in `list<int>`"),
        ] {
            assert_eq!(Type::parse(text), Err(Problem::new(message).help(help)), "{text}");
        }
        let deep = format!("{}int{}", "list<".repeat(100), ">".repeat(100));
        assert!(Type::parse(&deep).unwrap_err().message.ends_with("is nested too deep"));
    }

    #[test]
    fn a_value_is_checked_down_to_the_element() {
        let list = |items: &[Value]| Value::list(items.to_vec());
        assert_eq!(ty("float").check(&Value::Int(2)), Ok(Value::Float(2.0)));
        assert_eq!(ty("list<float>").check(&list(&[Value::Int(2)])), Ok(list(&[Value::Float(2.0)])));
        assert_eq!(ty("path").check(&Value::from_bytes(b"\xff")), Ok(Value::from_bytes(b"\xff")));
        for (text, value, message) in [
            ("int", Value::str("a"), "the value is a string (`a`), not an int"),
            ("int", Value::Float(1.0), "the value is a float (`1`), not an int"),
            ("float", Value::Float(f64::INFINITY), "the value is a float (`inf`), not a float"),
            ("string", Value::Int(3), "the value is an int (`3`), not a string"),
            ("list<int>", Value::Bool(true), "the value is a bool (`true`), not a `list<int>`"),
            ("list<int>", list(&[Value::Int(1), Value::Null]), "element 1 is null, not an int"),
            (
                "list<list<int>>",
                list(&[list(&[Value::str("x")])]),
                "element 0, element 0 is a string (`x`), not an int",
            ),
            ("map<int>", Value::map(vec![("a".into(), Value::list(vec![]))]), "field `a` is a list, not an int"),
        ] {
            assert_eq!(ty(text).check(&value).unwrap_err(), message);
        }
    }

    #[test]
    fn text_stands_as_it_is_unless_it_is_a_json_string() {
        for name in ["string", "path"] {
            for (text, value) in [
                (&b"plain = text "[..], Value::str("plain = text ")),
                (b"", Value::str("")),
                (b"null", Value::str("null")),
                (b"[1]", Value::str("[1]")),
                (b"\"a\\nb\"", Value::str("a\nb")),
                (b"\"a\" and \"b\"", Value::str("\"a\" and \"b\"")),
                (b"\"", Value::str("\"")),
                (b"\"\\ud800\"", Value::str("\"\\ud800\"")),
                (b"\xff.txt", Value::Bytes(b"\xff.txt"[..].into())),
            ] {
                assert_eq!(ty(name).parse_text(text), Ok(value));
            }
        }
    }

    #[test]
    fn every_other_type_is_json() {
        assert_eq!(ty("int").parse_text(b"-7"), Ok(Value::Int(-7)));
        assert_eq!(ty("float").parse_text(b"7"), Ok(Value::Float(7.0)));
        assert_eq!(ty("list<int>").parse_text(b"[42, 43]"), Ok(Value::list(vec![Value::Int(42), Value::Int(43)])));
        assert_eq!(ty("json").parse_text(b"{\"bytes\":\"/w==\"}"), Ok(Value::from_bytes(b"\xff")));
        for (name, text, message) in [
            ("int", "abc", "`abc` is not an int"),
            ("int", "1.5", "the value is a float (`1.5`), not an int"),
            ("int", "9223372036854775808", "`9223372036854775808` is not an int"),
            ("bool", "yes", "`yes` is not a bool: write `true` or `false`"),
            ("list<int>", "1,2", "`1,2` is not a JSON list, such as `[1]`: trailing characters at line 1 column 2"),
            ("list<int>", "[1, \"a\"]", "element 1 is a string (`a`), not an int"),
            (
                "map<string>",
                "x",
                "`x` is not a JSON object, such as `{\"a\": \"a\"}`: expected value at line 1 column 1",
            ),
            (
                "json",
                "a",
                "`a` is not JSON: expected value at line 1 column 1; text needs its quotes, as in `\"text\"`",
            ),
        ] {
            assert_eq!(ty(name).parse_text(text.as_bytes()).unwrap_err(), message);
        }
        assert_eq!(ty("int").parse_text(b"\xff").unwrap_err(), "`\u{fffd}` is not UTF-8, so it is no int");
    }
}
