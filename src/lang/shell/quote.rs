//! A value as shell text, for the place where it stands.

use super::{Doc, Lists, Negative, Place, Spot};
use crate::base::Value;
use std::borrow::Cow;

/// Why a value cannot be put somewhere: a sentence that goes on after "the value", and the way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// `is null`
    pub what: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl Refusal {
    pub(crate) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: Some(help.into()) }
    }
    pub(crate) fn null() -> Self {
        Self::new("is null", "write `| default('x', true)` behind it, with what shall stand there instead")
    }
    pub(crate) fn holds_null() -> Self {
        Self::new("is a list that holds null", "write `| reject('none')` behind it to leave nulls out")
    }
    pub(crate) fn list(place: &str) -> Self {
        Self::new(format!("is a list, {place}"), "make it one text: `| join(',')`")
    }
    pub(crate) fn nul() -> Self {
        Self { what: "holds a NUL byte, which no command can be given".to_owned(), help: None }
    }
}

/// The text of a single value: text as it stands, everything else as JSON. Null and text with a NUL are refused; lists
/// are JSON here, who wants them otherwise looks first.
pub fn text(value: &Value) -> Result<Cow<'_, [u8]>, Refusal> {
    let bytes = match value {
        Value::Null => return Err(Refusal::null()),
        Value::Str(text) => Cow::Borrowed(text.as_bytes()),
        Value::Bytes(bytes) => Cow::Borrowed(&**bytes),
        Value::Bool(true) => Cow::Borrowed(&b"true"[..]),
        Value::Bool(false) => Cow::Borrowed(&b"false"[..]),
        value => Cow::Owned(value.to_json().into_bytes()),
    };
    if bytes.contains(&0) { Err(Refusal::nul()) } else { Ok(bytes) }
}

/// Appends the value as it must be written at the spot; `docs` are those of the reading.
pub fn fill(spot: &Spot, docs: &[Doc], value: &Value, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if !spot.backticks {
        return fill_plain(spot, docs, value, out);
    }
    let mut inner = Vec::new();
    fill_plain(spot, docs, value, &mut inner)?;
    escape(&inner, b"\\`$", out);
    Ok(())
}

fn fill_plain(spot: &Spot, docs: &[Doc], value: &Value, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if let Place::Comment = spot.place {
        return Ok(());
    }
    let number;
    let bytes = match (spot.integer, value) {
        (Some(negative), value) => {
            number = integer(value, negative)?;
            Cow::Borrowed(number.as_bytes())
        }
        (None, Value::List(items)) => match spot.lists {
            Lists::Refused => {
                return Err(Refusal::list(match spot.place {
                    Place::Word => "and here one word is wanted",
                    _ => "and here it stands inside quotes or text",
                }));
            }
            Lists::SomeWords if items.is_empty() => {
                return Err(Refusal::new(
                    "is an empty list, where the name of a command is wanted",
                    "put the command before the list, or skip the task with `when`",
                ));
            }
            Lists::Words | Lists::SomeWords => return fill_words(items, out),
        },
        (None, value) => text(value)?,
    };
    match spot.place {
        Place::Comment => {}
        Place::Arithmetic => out.extend_from_slice(&bytes),
        Place::Word => quoted(&bytes, out),
        Place::Single => single(&bytes, out),
        // The double quotes end, the value stands in single quotes, the double quotes begin again: nothing in it can
        // mean anything together with what stands beside it, in any shell.
        Place::Double => {
            out.push(b'"');
            quoted(&bytes, out);
            out.push(b'"');
        }
        Place::HereDoc(doc) if docs[doc].quoted => out.extend_from_slice(&bytes),
        Place::HereDoc(_) => escape(&bytes, b"\\`$", out),
    }
    Ok(())
}

fn fill_words(items: &[Value], out: &mut Vec<u8>) -> Result<(), Refusal> {
    for (i, item) in items.iter().enumerate() {
        if item.is_null() {
            return Err(Refusal::holds_null());
        }
        if i > 0 {
            out.push(b' ');
        }
        quoted(&text(item)?, out);
    }
    Ok(())
}

fn integer(value: &Value, negative: Negative) -> Result<String, Refusal> {
    let Value::Int(i) = value else {
        return Err(match value {
            Value::Null => Refusal::null(),
            value => Refusal::new(
                format!("is {}, and where the shell computes only an integer may stand", shown(value)),
                "turn it into a number with `| int`, or compute inside the braces: `{{ a + b }}`",
            ),
        });
    };
    Ok(match negative {
        _ if *i >= 0 => i.to_string(),
        Negative::Plain => i.to_string(),
        // The number without its sign does not fit the shell's integers.
        Negative::Parentheses if *i == i64::MIN => format!("({}-1)", i64::MIN + 1),
        Negative::Parentheses => format!("({i})"),
    })
}

/// The value for a message: its kind, and itself when it is short.
fn shown(value: &Value) -> String {
    let article = if value.kind().starts_with('i') { "an" } else { "a" };
    match value {
        Value::Str(text) if text.chars().count() <= 40 => format!("the string `{}`", text.escape_default()),
        Value::Bool(_) | Value::Float(_) => format!("the {} `{}`", value.kind(), value.to_json()),
        _ => format!("{article} {}", value.kind()),
    }
}

fn quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    single(bytes, out);
    out.push(b'\'');
}

/// For inside single quotes.
fn single(bytes: &[u8], out: &mut Vec<u8>) {
    for (i, part) in bytes.split(|b| *b == b'\'').enumerate() {
        if i > 0 {
            out.extend_from_slice(b"'\\''");
        }
        out.extend_from_slice(part);
    }
}

fn escape(bytes: &[u8], special: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len());
    for byte in bytes {
        if special.contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

impl Doc {
    /// Whether a line of the body could be taken for the delimiter. Blanks around it count as nothing, and so does what
    /// follows a `)` behind it: shells differ there.
    pub fn ends_at(&self, line: &[u8]) -> bool {
        let line = line.trim_ascii_start();
        let line = line.split(|b| *b == b')').next().unwrap_or(line);
        line.trim_ascii_end() == self.delimiter.trim_ascii()
    }
}
