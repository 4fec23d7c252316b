//! Finds `{{ … }}` in a string, honouring strings and brackets inside it. Nothing else of Jinja's outer syntax is known.

use std::ops::Range;

/// A part of a string.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Plain text.
    Literal(Range<usize>),
    /// An expression with its braces.
    Hole(Range<usize>),
}

/// What is wrong with a string's braces.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SplitError {
    /// `{{` without its `}}`; the range is that of `{{`.
    Unterminated(Range<usize>),
    /// `{% word … %}`; the word, and the range of the whole statement.
    Statement(String, Range<usize>),
}

const STATEMENTS: [&str; 7] = ["if", "for", "set", "macro", "block", "include", "import"];

/// The plain text of a string, without its `{{ … }}`.
pub fn literals(text: &str) -> impl Iterator<Item = &str> {
    split(text).0.into_iter().filter_map(move |part| match part {
        Part::Literal(range) => Some(&text[range]),
        Part::Hole(_) => None,
    })
}

/// Splits; every mistake is reported, and what follows it is read on.
pub(super) fn split(text: &str) -> (Vec<Part>, Vec<SplitError>) {
    let bytes = text.as_bytes();
    let (mut parts, mut errors) = (Vec::new(), Vec::new());
    let (mut literal, mut at) = (0, 0);
    while let Some(found) = text[at..].find('{') {
        let open = at + found;
        match bytes.get(open + 1) {
            Some(b'{') => match close(bytes, open + 2) {
                Some(end) => {
                    if literal < open {
                        parts.push(Part::Literal(literal..open));
                    }
                    parts.push(Part::Hole(open..end));
                    (literal, at) = (end, end);
                }
                None => {
                    errors.push(SplitError::Unterminated(open..open + 2));
                    at = open + 2;
                }
            },
            Some(b'%') => {
                if let Some(word) = statement(&text[open + 2..]) {
                    let end = text[open..].find("%}").map_or(open + 2, |i| open + i + 2);
                    errors.push(SplitError::Statement(word.to_owned(), open..end));
                    at = end;
                } else {
                    at = open + 2;
                }
            }
            _ => at = open + 1,
        }
    }
    if literal < text.len() {
        parts.push(Part::Literal(literal..text.len()));
    }
    (parts, errors)
}

/// The word after `{%`, if it is one of Jinja's statements.
fn statement(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).trim_start();
    let len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let word = &rest[..len];
    (word == "raw" || STATEMENTS.contains(&word)).then_some(word)
}

/// One past the `}}` that ends the expression begun before `at`.
fn close(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => {
                at += 1;
                while *bytes.get(at)? != byte {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'(' | b'[' | b'{' => depth += 1,
            b'}' if depth == 0 && bytes.get(at + 1) == Some(&b'}') => return Some(at + 2),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let (parts, errors) = split(text);
        let parts = parts.into_iter().map(|part| match part {
            Part::Literal(range) => format!("text {}", &text[range]),
            Part::Hole(range) => format!("hole {}", &text[range]),
        });
        parts.chain(errors.into_iter().map(|error| format!("{error:?}"))).collect()
    }

    #[test]
    fn holes_end_outside_strings_and_brackets() {
        assert_eq!(shown("a {{ x }}b"), ["text a ", "hole {{ x }}", "text b"]);
        assert_eq!(shown("{{ '}}' }}{{ \"a\\\"}}\" }}"), ["hole {{ '}}' }}", "hole {{ \"a\\\"}}\" }}"]);
        assert_eq!(shown("{{ {'a': {'b': 1}} }}"), ["hole {{ {'a': {'b': 1}} }}"]);
        assert_eq!(shown("{{ x[{'a': 1}['a']] }}}"), ["hole {{ x[{'a': 1}['a']] }}", "text }"]);
        assert_eq!(shown("{{ '{{' }}"), ["hole {{ '{{' }}"]);
        assert_eq!(shown("größe {{ ü }} €"), ["text größe ", "hole {{ ü }}", "text  €"]);
    }

    #[test]
    fn ordinary_shell_is_plain_text() {
        for text in
            ["${#a[@]}", "printf '{%s}' x", "awk '{print $1}'", "{a,b}", "{%d}", "{% iffy %}", "{", "{%", "{#if#}"]
        {
            assert_eq!(shown(text), [format!("text {text}")]);
        }
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn statements_and_open_braces_are_mistakes() {
        assert_eq!(shown("{% if x %}a"), ["text {% if x %}a", "Statement(\"if\", 0..10)"]);
        assert_eq!(shown("{%- raw %}"), ["text {%- raw %}", "Statement(\"raw\", 0..10)"]);
        assert_eq!(shown("a {{ x"), ["text a {{ x", "Unterminated(2..4)"]);
        assert_eq!(shown("a {{ '}} {{ y }}"), ["text a {{ '}} ", "hole {{ y }}", "Unterminated(2..4)"]);
    }
}
