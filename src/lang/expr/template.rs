//! A string with `{{ expression }}` in it: split and compiled when the file is checked, filled when values are known.

use super::compile::{Compiled, compile};
use super::report::Report;
use super::split::{Part, split};
use super::{EvalError, Frame, PathRead, Use};
use crate::base::Value;
use crate::diag::Diagnostic;
use crate::lang::model::Text;
use crate::lang::shell::{self, Demand, Doc, Lists, Place, Refusal, Spot};
use crate::lang::types::Type;
use std::ops::Range;
use std::sync::Arc;

/// A string with `{{ expression }}` in it, split and compiled.
#[derive(Debug)]
pub struct Template {
    pieces: Vec<Piece>,
    text: Text,
    words: Vec<Arc<str>>,
    docs: Vec<Doc>,
}

#[derive(Debug)]
enum Piece {
    /// Stands as it is.
    Literal(Range<usize>),
    /// A hole in a shell comment: nothing is put there, nothing is read.
    Comment,
    /// Is replaced by a value.
    Hole(Box<Hole>),
}

#[derive(Debug)]
struct Hole {
    /// With its braces.
    range: Range<usize>,
    expression: Compiled,
    /// Where it stands in a command; `None` for other text and for what the shell may read as it likes (`| raw`).
    spot: Option<Spot>,
}

/// A part of a [`Template`], for what is known of it before it runs.
#[derive(Debug)]
pub enum Known<'t> {
    /// Literal text.
    Text(&'t str),
    /// A value to come.
    Hole {
        /// The expression without its braces.
        source: &'t str,
        /// The dotted path, when the expression is nothing else.
        path: Option<&'t PathRead>,
    },
}

impl Template {
    /// Splits and compiles; mistakes go to `diagnostics` and give `None`.
    pub fn compile(text: &Text, usage: Use, diagnostics: &mut Vec<Diagnostic>) -> Option<Self> {
        let (parts, errors) = split(&text.value);
        let mut report = Report::new(text, diagnostics);
        errors.iter().for_each(|error| report.braces(error));
        let holes: Vec<Range<usize>> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Hole(range) => Some(range.clone()),
                Part::Literal(_) => None,
            })
            .collect();
        let reading = match usage {
            Use::Command => shell::read(&text.value, &holes),
            Use::ForeignCommand => shell::Reading { words: foreign_words(&text.value, &holes), ..Default::default() },
            Use::Value => shell::Reading::default(),
        };
        let mut pieces = Vec::with_capacity(parts.len());
        let mut hole = 0;
        for part in parts {
            let range = match part {
                Part::Literal(range) => {
                    pieces.push(Piece::Literal(range));
                    continue;
                }
                Part::Hole(range) => range,
            };
            let spot = reading.spots.get(hole);
            let handed_on = reading.handed_on.iter().find(|(i, _)| *i == hole);
            hole += 1;
            if spot.is_some_and(|spot| spot.place == Place::Comment) {
                pieces.push(Piece::Comment);
                continue;
            }
            let source = &text.value[range.start + 2..range.end - 2];
            let mut mistakes = Vec::new();
            let expression = compile(source, range.start + 2, &mut mistakes);
            mistakes.into_iter().for_each(|mistake| report.mistake(mistake));
            let Some(expression) = expression else { continue };
            let spot = match (usage, expression.raw) {
                (Use::Value, true) => {
                    report.raw(&range);
                    None
                }
                (Use::Value, false) | (Use::Command | Use::ForeignCommand, true) => None,
                (Use::ForeignCommand, false) => {
                    report.foreign(&range, source);
                    None
                }
                (Use::Command, false) => {
                    if let Some(problem) = spot.and_then(|spot| spot.problem.as_ref()) {
                        report.uncertain(problem, &range, source);
                    }
                    if let Some((_, interpreter)) = handed_on {
                        report.handed_on(interpreter, &range, source);
                    }
                    spot.cloned()
                }
            };
            pieces.push(Piece::Hole(Box::new(Hole { range, expression, spot })));
        }
        (!report.failed()).then(|| Self { pieces, text: text.clone(), words: reading.words, docs: reading.docs })
    }

    fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(&**hole),
            Piece::Literal(_) | Piece::Comment => None,
        })
    }

    fn single(&self) -> Option<&Hole> {
        match self.pieces.as_slice() {
            [Piece::Hole(hole)] => Some(hole),
            _ => None,
        }
    }

    /// The literal text when there is no hole.
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] | [Piece::Literal(_)] => Some(&self.text.value),
            _ => None,
        }
    }

    /// The text as written; it is what counts in a key.
    pub fn source(&self) -> &Text {
        &self.text
    }

    /// Whether the string is one single `{{ … }}`.
    pub fn is_single(&self) -> bool {
        self.single().is_some()
    }

    /// The dotted path, when the string is one single `{{ path }}`: its value is that path's value.
    pub fn as_path(&self) -> Option<&PathRead> {
        self.single()?.expression.as_path()
    }

    /// The value, when the string is one single `{{ … }}` that needs no name.
    pub fn as_constant(&self) -> Option<&Value> {
        self.single()?.expression.as_constant()
    }

    /// Every name that the holes read.
    pub fn reads(&self) -> Vec<PathRead> {
        self.holes().flat_map(|hole| hole.expression.reads.iter().cloned()).collect()
    }

    /// Literal words of a command that might name a file of the project; never the target of `>` or `>>`.
    pub fn words(&self) -> &[Arc<str>] {
        &self.words
    }

    /// The text with each hole replaced by `*` (what is known of a path before it runs).
    pub fn as_pattern(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(range) => &self.text.value[range.clone()],
            Piece::Hole(_) => "*",
            Piece::Comment => "",
        };
        self.pieces.iter().map(piece).collect()
    }

    /// Its parts in order.
    pub fn parts(&self) -> impl Iterator<Item = Known<'_>> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(range) => Some(Known::Text(&self.text.value[range.clone()])),
            Piece::Hole(hole) => Some(Known::Hole {
                source: &self.text.value[hole.range.start + 2..hole.range.end - 2],
                path: hole.expression.as_path(),
            }),
            Piece::Comment => None,
        })
    }

    /// Mistakes that the declared types show before anything runs: no integer where the shell computes, a list inside
    /// text. `type_of` gives the type of a path's value where it is known.
    pub fn check_types(&self, type_of: &dyn Fn(&[Arc<str>]) -> Option<Type>, diagnostics: &mut Vec<Diagnostic>) {
        let single = self.is_single();
        let mut report = Report::new(&self.text, diagnostics);
        for hole in self.holes() {
            let Some(read) = hole.expression.as_path() else { continue };
            let Some(ty) = type_of(&read.path) else { continue };
            let lists = match &hole.spot {
                Some(Spot { demand: Some(demand), .. }) => {
                    let fits = matches!(ty, Type::Int | Type::Json) || (*demand == Demand::Number && ty == Type::Float);
                    if !fits {
                        report.not_a_number(*demand, hole.range.clone(), &ty);
                    }
                    continue;
                }
                Some(spot) => spot.lists,
                None if single || hole.expression.raw => Lists::Words,
                None => Lists::Refused,
            };
            if lists == Lists::Refused && matches!(ty, Type::List(_)) {
                report.list_in_text(hole.range.clone(), &ty);
            }
        }
    }

    fn refuse(&self, hole: &Hole, refusal: Refusal) -> EvalError {
        let expression = self.text.value[hole.range.start + 2..hole.range.end - 2].trim();
        EvalError {
            message: format!("the value of `{expression}` {}", refusal.what),
            help: refusal.help,
            span: self.text.span_of(hole.range.clone()),
        }
    }

    fn value(&self, hole: &Hole, frame: &Frame) -> Result<Value, EvalError> {
        let wrong = |(message, help)| EvalError { message, help, span: self.text.span_of(hole.range.clone()) };
        hole.expression.eval(frame).map_err(wrong)
    }

    /// The native value of a single hole, else text. Null and lists with null are kept.
    pub fn eval(&self, frame: &Frame) -> Result<Value, EvalError> {
        if let Some(hole) = self.single() {
            return self.value(hole, frame);
        }
        match self.as_literal() {
            Some(literal) if literal.len() == self.text.value.len() => Ok(Value::Str(self.text.value.clone())),
            _ => self.eval_text(frame).map(|bytes| Value::from_bytes(&bytes)),
        }
    }

    /// Text: what an environment variable or a path becomes. Null and lists are errors.
    pub fn eval_text(&self, frame: &Frame) -> Result<Vec<u8>, EvalError> {
        self.eval_with(frame, |value, out| out.extend_from_slice(value))
    }

    /// A glob pattern: as [`Template::eval_text`], but what a hole gives matches only itself.
    pub fn eval_pattern(&self, frame: &Frame) -> Result<Vec<u8>, EvalError> {
        self.eval_with(frame, |value, out| {
            for byte in value {
                match byte {
                    b'*' | b'?' | b'[' | b']' => out.extend_from_slice(&[b'[', *byte, b']']),
                    byte => out.push(*byte),
                }
            }
        })
    }

    fn eval_with(&self, frame: &Frame, put: impl Fn(&[u8], &mut Vec<u8>)) -> Result<Vec<u8>, EvalError> {
        let mut out = Vec::with_capacity(self.text.value.len() + 32);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(range) => out.extend_from_slice(&self.text.value.as_bytes()[range.clone()]),
                Piece::Comment => {}
                Piece::Hole(hole) => {
                    let value = self.value(hole, frame)?;
                    if let Value::List(_) = value {
                        return Err(self.refuse(hole, Refusal::list("and here it becomes text")));
                    }
                    put(&shell::text(&value).map_err(|refusal| self.refuse(hole, refusal))?, &mut out);
                }
            }
        }
        Ok(out)
    }

    /// Arguments: a single hole with a list gives one argument an element, anything else one argument.
    pub fn eval_words(&self, frame: &Frame) -> Result<Vec<Vec<u8>>, EvalError> {
        let Some(hole) = self.single() else { return Ok(vec![self.eval_text(frame)?]) };
        match self.value(hole, frame)? {
            Value::List(items) => {
                let word = |item: &Value| match item {
                    Value::Null => Err(self.refuse(hole, Refusal::holds_null())),
                    item => shell::text(item).map(|t| t.into_owned()).map_err(|refusal| self.refuse(hole, refusal)),
                };
                items.iter().map(word).collect()
            }
            value => Ok(vec![shell::text(&value).map_err(|refusal| self.refuse(hole, refusal))?.into_owned()]),
        }
    }

    /// A command with every hole quoted for its place ([`Use::Command`]).
    pub fn eval_command(&self, frame: &Frame) -> Result<Vec<u8>, EvalError> {
        let mut out = Vec::with_capacity(self.text.value.len() * 2);
        let mut in_docs: Vec<(&Hole, usize, Range<usize>)> = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(range) => out.extend_from_slice(&self.text.value.as_bytes()[range.clone()]),
                Piece::Comment => {}
                Piece::Hole(hole) => {
                    let value = self.value(hole, frame)?;
                    let start = out.len();
                    let filled = match (&hole.spot, &value) {
                        (Some(spot), value) => shell::fill(spot, &self.docs, value, &mut out),
                        (None, Value::List(_)) => Err(Refusal::list("and `| raw` wants text")),
                        (None, value) => shell::text(value).map(|text| out.extend_from_slice(&text)),
                    };
                    filled.map_err(|refusal| self.refuse(hole, refusal))?;
                    let docs = hole.spot.iter().flat_map(|spot| &spot.docs);
                    in_docs.extend(docs.map(|doc| (&**hole, *doc, start..out.len())));
                }
            }
        }
        for (hole, doc, filled) in in_docs {
            shell::check_doc(&self.docs[doc], &out, filled).map_err(|refusal| self.refuse(hole, refusal))?;
        }
        Ok(out)
    }
}

/// Words of a command for a shell that we do not know: what stands between blanks, less quotes.
fn foreign_words(text: &str, holes: &[Range<usize>]) -> Vec<Arc<str>> {
    let mut words: Vec<Arc<str>> = Vec::new();
    let mut at = 0;
    for word in text.split_ascii_whitespace() {
        let start = at + text[at..].find(word).unwrap_or(0);
        at = start + word.len();
        let word = word.trim_matches(['"', '\'']);
        let pure = holes.iter().all(|hole| hole.end <= start || hole.start >= at);
        if pure && !word.is_empty() && !words.iter().any(|known| **known == *word) {
            words.push(word.into());
        }
    }
    words
}
