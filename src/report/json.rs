//! JSON as documents of this program are written: on one line, with a blank after `:` and `,`, for people read it too.

use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{Result, Write};

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        out.write_all(b": ")
    }
}

/// The JSON text of something, on one line.
pub fn text(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced));
    // Neither writing to memory nor a map with other keys than text can happen here.
    written.map_or_else(|error| format!("{{\"error\": \"{error}\"}}"), |()| String::from_utf8_lossy(&out).into_owned())
}

/// Writes one JSON document and a newline, without a copy of it in memory.
pub fn write(out: &mut dyn Write, document: &impl Serialize) -> Result<()> {
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Spaced))?;
    out.write_all(b"\n")
}

/// One JSON document and a newline.
pub fn line(document: &impl Serialize) -> String {
    text(document) + "\n"
}
