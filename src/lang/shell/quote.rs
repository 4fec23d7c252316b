//! A value as shell text, for the place where it stands.

use super::{Demand, Doc, Lists, Place, Spot};
use crate::base::Value;
use std::borrow::Cow;
use std::ops::Range;

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
    if matches!(spot.place, Place::Word | Place::Single | Place::Double) {
        inner = apart(&inner);
    }
    escape(&inner, b"\\`$", out);
    Ok(())
}

/// Inside single quotes: `<(` and `>(` in two strings. When bash looks for braces to expand it reads the raw text of
/// backticks inside double quotes without their quotes, and would take them for process substitutions.
fn apart(quoted: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quoted.len());
    for (i, byte) in quoted.iter().enumerate() {
        if *byte == b'(' && i > 0 && matches!(quoted[i - 1], b'<' | b'>') {
            out.extend_from_slice(b"''");
        }
        out.push(*byte);
    }
    out
}

fn fill_plain(spot: &Spot, docs: &[Doc], value: &Value, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if let Place::Comment = spot.place {
        return Ok(());
    }
    let number;
    let bytes = match (spot.demand, value) {
        (Some(demand), value) => {
            number = demanded(value, demand)?;
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

fn demanded(value: &Value, demand: Demand) -> Result<String, Refusal> {
    let i = match (value, demand) {
        (Value::Int(i), _) => *i,
        (Value::Float(_), Demand::Number) => return Ok(value.to_json()),
        (Value::Null, _) => return Err(Refusal::null()),
        (value, demand) => {
            let wanted = if demand == Demand::Number { "a number" } else { "an integer" };
            return Err(Refusal::new(
                format!("is {}, and where the shell computes only {wanted} may stand", shown(value)),
                "turn it into a number with `| int`, or compute inside the braces: `{{ a + b }}`",
            ));
        }
    };
    Ok(match demand {
        // The number without its sign does not fit the shell's integers.
        Demand::Integer if i == i64::MIN => format!("({}-1)", i64::MIN + 1),
        Demand::Integer if i < 0 => format!("({i})"),
        _ => i.to_string(),
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

/// Whether what was filled into a here-document, the range of the rendered command, stays what it is: no line that could
/// be taken for the delimiter, no tab that the shell takes away.
pub fn check_doc(doc: &Doc, command: &[u8], filled: Range<usize>) -> Result<(), Refusal> {
    let start = command[..filled.start].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let end = command[filled.end..].iter().position(|b| *b == b'\n').map_or(command.len(), |i| filled.end + i);
    let broken = |at: usize| {
        command.get(at) == Some(&b'\n') && command[..at].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
    };
    if (!doc.quoted || doc.nested) && (filled.start..=filled.end).any(broken) {
        return Err(Refusal::new(
            "has a line that ends with a backslash, and in a here-document the shell joins it with the next one",
            "hand it over in a variable of the environment",
        ));
    }
    let mut at = start;
    for line in command[start..end].split(|b| *b == b'\n') {
        if could_be_delimiter(line, &doc.delimiter) {
            let delimiter = String::from_utf8_lossy(&doc.delimiter);
            return Err(Refusal::new(
                format!("makes a line that could be `{delimiter}`, the end of the here-document"),
                "choose another, longer delimiter",
            ));
        }
        let tabs = line.iter().take_while(|b| **b == b'\t').count();
        if doc.strips_tabs && at + tabs > filled.start.max(at) && at < filled.end {
            return Err(Refusal::new(
                "has a line that begins with a tab, and `<<-` takes such tabs away",
                "write `<<` in the place of `<<-`",
            ));
        }
        at += line.len() + 1;
    }
    Ok(())
}

/// Blanks around the delimiter count as nothing, and so does a `)` with what follows it: shells differ there.
fn could_be_delimiter(line: &[u8], delimiter: &[u8]) -> bool {
    let line = line.split(|b| *b == b')').next().unwrap_or(line);
    line.trim_ascii() == delimiter.trim_ascii()
}
