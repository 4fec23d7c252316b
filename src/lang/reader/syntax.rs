//! What TOML itself has to say about a file: syntax errors, and keys and tables that stand twice.
//!
//! The parser names one place of a duplicate only, so an index of all declarations is made here when it complains.

use crate::base::text::quote;
use crate::diag::{Diagnostic, FileId, Span, codes};
use std::collections::HashMap;
use std::ops::Range;
use toml::de::{DeTable, Error};
use toml_parser::Source;
use toml_parser::parser::{Event, EventKind};

/// A file that was parsed as far as it goes.
pub struct Parsed<'t> {
    /// The root table.
    pub table: DeTable<'t>,
    /// Mistakes of the text itself; what stands on their lines is not to be trusted.
    pub syntax: Vec<Diagnostic>,
    /// Keys and tables that stand twice.
    pub duplicates: Vec<Diagnostic>,
}

/// Parses a file.
pub fn parse(text: &str, file: FileId) -> Parsed<'_> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let (mut syntax, mut duplicates) = (Vec::new(), Vec::new());
    let mut index = None;
    for error in errors {
        let range = error.span().unwrap_or(text.len()..text.len());
        if error.message() == "duplicate key" || error.message().starts_with("cannot extend value") {
            let index = index.get_or_insert_with(|| Index::of(text));
            duplicates.extend(duplicate(index, range, file));
        } else {
            syntax.push(mistake(&error, text, range, file));
        }
    }
    // what else is wrong on the line of a mistake is mostly its consequence
    let line = lines(text);
    syntax.sort_by_key(|d: &Diagnostic| d.primary.as_ref().map(|label| label.span));
    syntax.dedup_by_key(|d| line(d));
    Parsed { table: table.into_inner(), syntax, duplicates }
}

/// Tells the line of a diagnostic, from 0.
pub fn lines(text: &str) -> impl Fn(&Diagnostic) -> usize + use<> {
    let newlines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    move |d| {
        let at = d.primary.as_ref().map_or(0, |label| label.span.start as usize);
        newlines.partition_point(|newline| *newline < at)
    }
}

fn mistake(error: &Error, text: &str, range: Range<usize>, file: FileId) -> Diagnostic {
    let span = Span { file, start: range.start as u32, end: range.end.max(range.start + 1) as u32 };
    let message = error.message();
    let message = message.strip_suffix(", expected nothing").unwrap_or(message);
    let what = message.split_once(", expected ").map_or(message, |(what, _)| what);
    let word = text[range.start.min(text.len())..].starts_with(|c: char| c.is_alphabetic());
    let no_value =
        what == "string values must be quoted" || matches!(what, "invalid boolean" | "invalid float") && word;
    let (message, help) = match what {
        "missing escaped value" => (
            "a `\\` in a `\"…\"` string begins an escape",
            "write `\\\\`, or use a `'…'` string, where every character stands for itself",
        ),
        "invalid basic string" | "invalid literal string" if ends_line(text, range.start) => {
            ("the string does not end on its line", "close it, or use `\"\"\"…\"\"\"` or `'''…'''` for several lines")
        }
        _ if no_value && ends_line(text, range.start) => {
            ("the value is missing", "write it after the `=`; text stands in quotes: `\"…\"` or `'…'`")
        }
        _ if no_value => ("the value is neither a number nor a boolean", "put text in quotes: `\"…\"` or `'…'`"),
        "unexpected key or value" => ("only a comment may follow here", "begin a new line"),
        "unquoted keys cannot be empty" => ("a name is missing", "write it in letters, digits and `_`"),
        "unclosed table" => ("the header is not closed", "add `]`"),
        "unclosed array" => ("the array is not closed", "add `]`"),
        "unclosed inline table" => ("the table is not closed", "add `}`"),
        "missing comma between array elements" | "missing comma between key-value pairs" => {
            ("a comma is missing", "write `,` between two of them")
        }
        "invalid unquoted key" => ("a name outside quotes is letters, digits, `_` and `-`", "put it in quotes"),
        "cannot recurse further; max recursion depth met" | "recursion limit" => (
            "arrays and tables stand too deep in each other here",
            "take a level out: 80 are more than a pipeline needs",
        ),
        "key with no value" => ("the key has no value", "write `=` and the value after it"),
        _ => {
            return Diagnostic::error(codes::SYNTAX, span, message)
                .help("compare it with the grammar at https://toml.io");
        }
    };
    Diagnostic::error(codes::SYNTAX, span, message).help(help)
}

fn ends_line(text: &str, at: usize) -> bool {
    matches!(text.as_bytes().get(at), None | Some(b'\n' | b'\r'))
}

/// How a name came to be declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `[a.b]`: the last name.
    Header,
    /// `[a.b]`: the names before it.
    AroundHeader,
    /// `a.b = …`: the last name.
    Value,
    /// `a.b = …`: the names before it.
    Dotted,
}

struct Declared {
    path: Vec<String>,
    form: Form,
    range: Range<usize>,
}

/// Every name of the file, in its order, and where to find it.
struct Index {
    declared: Vec<Declared>,
    /// By the offset of the name.
    at: HashMap<usize, usize>,
    /// The first declaration of a path, those around headers left out.
    first: HashMap<Vec<String>, usize>,
    /// The first one that stands for the whole of its path: a header or a value.
    whole: HashMap<Vec<String>, usize>,
    /// Those that are headers.
    headers: Vec<usize>,
}

impl Index {
    fn of(text: &str) -> Self {
        let source = Source::new(text);
        let tokens = source.lex().into_vec();
        let mut events: Vec<Event> = Vec::new();
        // the same bound as the parser's own; below it nothing was read
        let mut guarded = toml_parser::parser::RecursionGuard::new(&mut events, 80);
        toml_parser::parser::parse_document(&tokens, &mut guarded, &mut ());
        let mut walk = Walk { base: Vec::new(), open: Vec::new(), keys: Vec::new(), declared: Vec::new(), elements: 0 };
        for event in &events {
            walk.event(event, source);
        }
        let declared = walk.declared;
        let mut index =
            Self { at: HashMap::new(), first: HashMap::new(), whole: HashMap::new(), headers: Vec::new(), declared };
        for (i, d) in index.declared.iter().enumerate() {
            index.at.insert(d.range.start, i);
            if d.form != Form::AroundHeader {
                index.first.entry(d.path.clone()).or_insert(i);
            }
            if matches!(d.form, Form::Header | Form::Value) {
                index.whole.entry(d.path.clone()).or_insert(i);
            }
            if d.form == Form::Header {
                index.headers.push(i);
            }
        }
        index
    }

    /// What a complaint about `range` speaks of: the declaration there, and the one that it collides with.
    fn collision(&self, range: &Range<usize>) -> Option<(usize, usize)> {
        let here = *self.at.get(&range.start)?;
        let path = &self.declared[here].path;
        let earlier = |found: Option<&usize>| found.copied().filter(|first| *first < here);
        // a dotted key that reaches into a table which has a header or braces of its own
        let around = || (1..=path.len()).rev().find_map(|len| earlier(self.whole.get(&path[..len])));
        Some((here, earlier(self.first.get(path)).or_else(around)?))
    }

    /// Whether a name stands in the second of two tables of one name: then only the tables are worth a word.
    fn inside_duplicate(&self, here: usize) -> bool {
        let above = self.headers.partition_point(|header| *header < here).checked_sub(1).map(|i| self.headers[i]);
        above.is_some_and(|header| {
            let (path, table) = (&self.declared[here].path, &self.declared[header].path);
            path.len() > table.len()
                && path.starts_with(table)
                && self.first.get(table).is_some_and(|first| *first < header)
        })
    }
}

/// Walks over the parser's events and notes every name with its full path.
struct Walk {
    /// The path of the header above.
    base: Vec<String>,
    /// Inline tables and arrays that are open: their paths, and whether they are arrays.
    open: Vec<(Vec<String>, bool)>,
    /// The dotted key under way.
    keys: Vec<(String, Range<usize>)>,
    declared: Vec<Declared>,
    /// Counts array elements, so that each has a path of its own.
    elements: usize,
}

impl Walk {
    fn event(&mut self, event: &Event, source: Source<'_>) {
        match event.kind() {
            EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                self.open.clear();
                self.keys.clear();
                self.base.clear();
            }
            EventKind::SimpleKey => {
                let mut name = std::borrow::Cow::Borrowed("");
                if let Some(raw) = source.get(event) {
                    raw.decode_key(&mut name, &mut ());
                }
                self.keys.push((name.into_owned(), event.span().start()..event.span().end()));
            }
            EventKind::StdTableClose => self.base = self.declare(Form::AroundHeader, Form::Header),
            EventKind::ArrayTableClose => {
                let path = self.declare(Form::AroundHeader, Form::AroundHeader);
                self.base = self.element(path);
            }
            EventKind::KeyValSep => {
                let path = self.declare(Form::Dotted, Form::Value);
                self.open.push((path, false));
            }
            EventKind::InlineTableOpen | EventKind::ArrayOpen => {
                let path = match self.open.last() {
                    Some((path, true)) => self.element(path.clone()),
                    Some((path, false)) => path.clone(),
                    None => Vec::new(),
                };
                self.open.push((path, event.kind() == EventKind::ArrayOpen));
            }
            EventKind::InlineTableClose | EventKind::ArrayClose => {
                self.open.pop();
                self.end_value();
            }
            EventKind::Scalar => self.end_value(),
            // a key whose value is missing ends with its line
            EventKind::Newline if self.open.len() == 1 => self.open.clear(),
            EventKind::ValueSep
            | EventKind::Whitespace
            | EventKind::Comment
            | EventKind::Newline
            | EventKind::KeySep
            | EventKind::Error => {}
        }
    }

    /// After a value its key is done with; an element of an array has none.
    fn end_value(&mut self) {
        if self.open.last().is_some_and(|(_, array)| !array) {
            self.open.pop();
        }
    }

    fn element(&mut self, mut path: Vec<String>) -> Vec<String> {
        self.elements += 1;
        path.push(format!("[{}]", self.elements));
        path
    }

    fn declare(&mut self, before: Form, last: Form) -> Vec<String> {
        let mut path = self.open.last().map_or_else(|| self.base.clone(), |(path, _)| path.clone());
        let keys = std::mem::take(&mut self.keys);
        let count = keys.len();
        for (i, (name, range)) in keys.into_iter().enumerate() {
            path.push(name);
            let form = if i + 1 == count { last } else { before };
            self.declared.push(Declared { path: path.clone(), form, range });
        }
        path
    }
}

fn duplicate(index: &Index, range: Range<usize>, file: FileId) -> Option<Diagnostic> {
    let span = |range: &Range<usize>| Span { file, start: range.start as u32, end: range.end as u32 };
    let Some((here, first)) = index.collision(&range) else {
        // only where broken text was read in two ways
        let d = Diagnostic::error(codes::DUPLICATE_KEY, span(&range), "this key stands twice");
        return Some(d.help("keep one of them"));
    };
    if index.inside_duplicate(here) {
        return None;
    }
    let (here, first) = (&index.declared[here], &index.declared[first]);
    let whole = first.path.join(".");
    let name = quote(&whole);
    let same = first.path.len() == here.path.len();
    let (code, message, here_text, first_text, help) = match (first.form, here.form) {
        (Form::Header, Form::Header) => (
            codes::DUPLICATE_KEY,
            format!("the table {name} stands twice"),
            "again here",
            "first here",
            "give one of them another name, or write all of it in one table".to_owned(),
        ),
        (Form::Value, Form::Value) if same => (
            codes::DUPLICATE_KEY,
            format!("{name} stands twice"),
            "again here",
            "first here",
            "keep one of them".to_owned(),
        ),
        (Form::Dotted, Form::Header) => {
            (codes::DOTTED_TABLE, mixed(&name), "by a header here", "by a dotted key here", one_way(&first.path))
        }
        (Form::Header, Form::Dotted) | (Form::Header, Form::Value) if here.form == Form::Dotted || !same => {
            (codes::DOTTED_TABLE, mixed(&name), "by a dotted key here", "by a header here", one_way(&first.path))
        }
        _ => {
            let (given, added) = ("given as a whole here", "added to here");
            let here_is_whole = here.form == Form::Value && same;
            let (here_text, first_text) = if here_is_whole { (given, added) } else { (added, given) };
            let message = format!("{name} is given as a whole and added to as well");
            (codes::DUPLICATE_KEY, message, here_text, first_text, "write all of it in one place".to_owned())
        }
    };
    let diagnostic = Diagnostic::error(code, span(&here.range), message).label(here_text);
    Some(diagnostic.also(span(&first.range), first_text).help(help))
}

fn mixed(name: &str) -> String {
    format!("{name} is declared both by dotted keys and by a header")
}

fn one_way(path: &[String]) -> String {
    let (whole, Some((name, outer))) = (path.join("."), path.split_last()) else { return String::new() };
    let place = if outer.is_empty() { "at the top".to_owned() } else { format!("under `[{}]`", outer.join(".")) };
    format!("write all of it in one way: `{name}.NAME = …` {place}, or `NAME = …` under `[{whole}]`")
}
