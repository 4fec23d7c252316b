//! TOML strings: their text, and where each byte of it was written, so that a mistake inside a string is underlined
//! there and not at the string as a whole.
//!
//! Only strings that the TOML parser has accepted are of interest; others give some text and never a panic.

use crate::diag::{FileId, Span};
use crate::lang::model::Text;

/// The text of a string literal; `start` is the source offset of its first quote.
pub fn decode(literal: &str, start: u32, file: FileId) -> Text {
    let form = [("\"\"\"", true), ("'''", true), ("\"", false), ("'", false)];
    let (quotes, several_lines) = form.into_iter().find(|(q, _)| literal.starts_with(q)).unwrap_or(("", false));
    let body = &literal[quotes.len()..];
    let mut skipped = quotes.len();
    let mut body = body.strip_suffix(quotes).unwrap_or(body);
    if several_lines && let Some(rest) = body.strip_prefix("\r\n").or_else(|| body.strip_prefix('\n')) {
        skipped += body.len() - rest.len();
        body = rest;
    }
    let mut text =
        Builder { base: start + skipped as u32, value: String::with_capacity(body.len()), places: Vec::new() };
    let escapes = quotes.starts_with('"');
    let mut at = 0;
    while let Some(c) = body[at..].chars().next() {
        let rest = &body[at..];
        let (out, taken) = match c {
            '\\' if escapes => escape(rest, several_lines),
            '\r' if several_lines && rest.starts_with("\r\n") => (Some('\n'), 2),
            _ => (Some(c), c.len_utf8()),
        };
        if let Some(out) = out {
            text.push(out, at, taken);
        }
        at += taken;
    }
    text.finish(Span { file, start, end: start + literal.len() as u32 })
}

/// The character that an escape at the start of `rest` stands for (none for a line-ending backslash), and its length.
fn escape(rest: &str, several_lines: bool) -> (Option<char>, usize) {
    let Some(c) = rest[1..].chars().next() else { return (Some('\\'), 1) };
    let hex = |digits: usize| {
        let code = rest.get(2..2 + digits).and_then(|text| u32::from_str_radix(text, 16).ok()).and_then(char::from_u32);
        (code.or(Some('\u{fffd}')), rest.len().min(2 + digits))
    };
    let (out, taken) = match c {
        'b' => (Some('\u{8}'), 2),
        'e' => (Some('\u{1b}'), 2),
        'f' => (Some('\u{c}'), 2),
        'n' => (Some('\n'), 2),
        'r' => (Some('\r'), 2),
        't' => (Some('\t'), 2),
        '"' | '\\' => (Some(c), 2),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        ' ' | '\t' | '\r' | '\n' if several_lines => {
            (None, rest.len() - rest[1..].trim_start_matches([' ', '\t', '\r', '\n']).len())
        }
        _ => (Some('\\'), 1),
    };
    (out, if rest.is_char_boundary(taken) { taken } else { 1 })
}

/// Text under way, with the place of each byte.
struct Builder {
    base: u32,
    value: String,
    places: Vec<(u32, u32)>,
}

impl Builder {
    fn push(&mut self, c: char, at: usize, taken: usize) {
        self.value.push(c);
        let (start, end) = (self.base + at as u32, self.base + (at + taken) as u32);
        for i in 0..c.len_utf8() as u32 {
            // a character that stands for itself has a place for each of its bytes
            let verbatim = taken == c.len_utf8();
            self.places.push(if verbatim { (start + i, start + i + 1) } else { (start, end) });
        }
    }

    fn finish(self, span: Span) -> Text {
        let plain =
            self.places.iter().enumerate().all(|(i, (start, end))| *start == self.base + i as u32 && *end == start + 1);
        let offsets = (!plain).then(|| self.places.into());
        Text { value: self.value.into(), span, offsets, body: self.base }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use toml::de::{DeTable, DeValue};

    /// The text of the one string of `x = …`, and the source of a part of it.
    fn read(source: &str) -> Text {
        let start = source.find(['"', '\'']).unwrap();
        decode(source[start..].trim_end_matches(['\r', '\n']), start as u32, 0)
    }

    fn written<'a>(source: &'a str, part: &str) -> &'a str {
        let text = read(source);
        let at = text.value.find(part).unwrap();
        let span = text.span_of(at..at + part.len());
        &source[span.start as usize..span.end as usize]
    }

    #[test]
    fn plain_strings_need_no_table_of_places() {
        for source in ["x = \"a b\"", "x = 'a\\n'", "x = '''\na\nb'''", "x = \"\"\"a \"quoted\" é\"\"\"", "x = ''"] {
            assert_eq!(read(source).offsets, None, "{source}");
        }
        assert_eq!(&*read("x = '''\na\nb\n'''").value, "a\nb\n");
        assert_eq!(written("x = '''\na {{ b }} c'''", "{{ b }}"), "{{ b }}");
        assert_eq!(written("x = 'é {{ b }}'", "{{ b }}"), "{{ b }}");
    }

    #[test]
    fn escapes_move_what_follows_them() {
        let source = r#"x = "\t\"é\" \u00e9\U0001F600 {{ \"b\" }}\x41 end""#;
        assert_eq!(&*read(source).value, "\t\"é\" é😀 {{ \"b\" }}A end");
        assert_eq!(written(source, "{{ \"b\" }}"), r#"{{ \"b\" }}"#);
        assert_eq!(written(source, "\t"), r"\t");
        assert_eq!(written(source, "😀"), r"\U0001F600");
        assert_eq!(written(source, "A"), r"\x41");
        assert_eq!(written(source, "end"), "end");
    }

    #[test]
    fn a_line_ending_backslash_joins_lines() {
        let source = "x = \"\"\"\nbwa mem \\\n    {{ ref }} \\  \n\n  {{ reads }}\"\"\"";
        assert_eq!(&*read(source).value, "bwa mem {{ ref }} {{ reads }}");
        assert_eq!(written(source, "bwa mem "), "bwa mem ");
        assert_eq!(written(source, "{{ ref }}"), "{{ ref }}");
        assert_eq!(written(source, "{{ reads }}"), "{{ reads }}");
    }

    #[test]
    fn windows_lines_end_in_one_character() {
        let source = "x = '''\r\na\r\n{{ b }}\r\n'''\r\n";
        assert_eq!(&*read(source).value, "a\n{{ b }}\n");
        assert_eq!(written(source, "{{ b }}"), "{{ b }}");
        let source = "x = \"\"\"\r\na \\\r\n  {{ b }}\"\"\"\r\n";
        assert_eq!(&*read(source).value, "a {{ b }}");
        assert_eq!(written(source, "{{ b }}"), "{{ b }}");
    }

    #[test]
    fn places_at_the_end_of_the_text() {
        let text = read("x = \"a\\n\"");
        assert_eq!(text.span_of(2..2), Span { file: 0, start: 8, end: 9 });
        assert_eq!(text.span_of(0..2), Span { file: 0, start: 5, end: 8 });
        let text = read("x = ''");
        assert_eq!(text.span_of(0..0), Span { file: 0, start: 5, end: 6 });
    }

    proptest! {
        /// The parser's own decoding is the judge, for every form of string.
        #[test]
        fn the_text_is_the_parsers(content in r#"([a-zé'{} \t\n"\\]|\\[btnfre"\\]|\\u00e9|\\x41|\r\n|\\ *\n *){0,12}"#, form in 0..4usize) {
            let quotes = ["\"", "'", "\"\"\"", "'''"][form];
            let source = format!("x = {quotes}{content}{quotes}");
            let (table, errors) = DeTable::parse_recoverable(&source);
            // the parser keeps the carriage returns that end lines
            if errors.is_empty() && !source.contains("\r\n") && let DeValue::String(theirs) = table.get_ref()["x"].get_ref() {
                let ours = read(&source);
                prop_assert_eq!(&*ours.value, &**theirs);
                for i in 0..ours.value.len() {
                    let span = ours.span_of(i..i + 1);
                    prop_assert!(ours.span.start < span.start && span.end <= ours.span.end - quotes.len() as u32);
                }
            }
        }

        #[test]
        fn broken_strings_do_no_harm(literal in r#"["']{0,4}[a\\uxé\n"']{0,8}"#) {
            let text = decode(&literal, 0, 0);
            let _ = text.span_of(0..text.value.len());
        }
    }
}
