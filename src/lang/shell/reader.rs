//! Reads a command once, from its literal text alone: quotes, expansions, here-documents. What is a command and what
//! an argument is read in [`super::commands`]; the two call each other, as the shell's own reader does.

use super::{Demand, Doc, Lists, Place, Problem, Reading, Spot};
use rustc_hash::FxHashSet;
use std::ops::Range;
use std::sync::Arc;

/// Deeper nesting is refused rather than followed.
const DEEPEST: usize = 60;

/// The state of the shell at each hole; the holes are ranges of the text, in order.
pub fn read(text: &str, holes: &[Range<usize>]) -> Reading {
    let mut units = Vec::with_capacity(text.len());
    let mut at = 0;
    for (i, hole) in holes.iter().enumerate() {
        units.extend(text.bytes().enumerate().take(hole.start).skip(at).map(|(pos, b)| (pos as u32, Unit::Byte(b))));
        units.push((hole.start as u32, Unit::Hole(i)));
        at = hole.end;
    }
    units.extend(text.bytes().enumerate().skip(at).map(|(pos, b)| (pos as u32, Unit::Byte(b))));
    let mut found = Findings { spots: vec![None; holes.len()], ..Findings::default() };
    Reader::new(&units, &mut found, Backtick::None).command_line();
    found.finish(holes)
}

/// One byte of literal text, or a hole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    Byte(u8),
    Hole(usize),
}

/// What has been learnt so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) spots: Vec<Option<Spot>>,
    pub(super) docs: Vec<Doc>,
    pub(super) words: Vec<Arc<str>>,
    /// Literal targets of `>` and `>>`: what the command makes itself.
    targets: Vec<Arc<str>>,
    pub(super) handed_on: Vec<(usize, Arc<str>)>,
    /// Variables declared as integers: the shell computes what is assigned to them.
    pub(super) integers: FxHashSet<Vec<u8>>,
    /// From here on nothing is certain.
    pub(super) lost: Option<Problem>,
}

impl Findings {
    /// The command makes the file of this name.
    pub(super) fn target(&mut self, word: &Word) {
        if let Some(Ok(text)) = word.literal().map(std::str::from_utf8) {
            self.targets.push(text.into());
        }
    }

    fn finish(mut self, holes: &[Range<usize>]) -> Reading {
        let mut seen = FxHashSet::default();
        self.words.retain(|word| seen.insert(word.clone()));
        let lost = self.lost;
        let opened = match &lost {
            Some(Problem::Unclosed(range, _)) => range.start,
            _ => usize::MAX,
        };
        let spots = self.spots.into_iter().zip(holes).map(|(spot, hole)| match (spot, &lost) {
            (Some(spot), _) if hole.start < opened || spot.place == Place::Comment => spot,
            (spot, lost) => {
                let unread = Problem::Lost(hole.clone(), "something that flowrun's reader does not know");
                let problem = Some(lost.clone().unwrap_or(unread));
                Spot { problem, ..spot.unwrap_or_else(|| Spot::new(Place::Word)) }
            }
        });
        // What the command makes itself is no script, wherever else it is named.
        let plain = |text: &str| text.trim_start_matches("./").to_owned();
        let made: Vec<String> = self.targets.iter().map(|target| plain(target)).collect();
        let words = self.words.into_iter().filter(|word| !made.contains(&plain(word))).collect();
        Reading { spots: spots.collect(), docs: self.docs, words, handed_on: self.handed_on }
    }

    pub(super) fn spot(&mut self, hole: usize) -> Option<&mut Spot> {
        self.spots[hole].as_mut()
    }

    pub(super) fn problem(&mut self, hole: usize, problem: Problem) {
        if let Some(spot) = self.spot(hole) {
            spot.problem.get_or_insert(problem);
        }
    }

    pub(super) fn demand(&mut self, hole: usize, demand: Demand) {
        if let Some(spot) = self.spot(hole) {
            spot.demand.get_or_insert(demand);
            spot.lists = Lists::Refused;
        }
    }
}

impl Spot {
    fn new(place: Place) -> Self {
        let demand = (place == Place::Arithmetic).then_some(Demand::Integer);
        Self { place, demand, lists: Lists::Refused, docs: Vec::new(), backticks: false, problem: None }
    }
}

/// Whether the reader is inside backticks, and whether they stand where shells agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Backtick {
    None,
    Plain,
    Uncertain,
}

/// What surrounds an expansion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Around {
    /// No quotes.
    Word,
    /// `"…"`.
    Double,
    /// A here-document or arithmetic: as in double quotes, but a value has no quotes of its own.
    Bare,
}

/// What ends arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Until {
    /// `))`
    Parens,
    /// `]` of a subscript.
    Bracket,
    /// `]` of `$[…]`, which only some shells know.
    OldBracket,
    /// `}`
    Brace,
}

/// A here-document whose body has not come yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) doc: Doc,
    /// Where `<<` stands.
    pub(super) at: Range<usize>,
    /// The interpreter that reads it as its program.
    pub(super) program: Option<Arc<str>>,
}

/// A word of a command.
#[derive(Debug, Default)]
pub(super) struct Word {
    /// Without its quotes; a NUL for each hole and expansion.
    pub(super) text: Vec<u8>,
    pub(super) quoted: bool,
    pub(super) expanded: bool,
    /// Holes that stand in the word itself, not in a command inside it.
    pub(super) holes: Vec<usize>,
    /// How many characters, quotes and expansions it is made of.
    pub(super) parts: usize,
    /// Bytes of `NAME=` or `NAME[…]=`, when it begins so.
    pub(super) assigns: Option<usize>,
    /// Whether the value is a list in parentheses.
    pub(super) array: bool,
}

impl Word {
    /// The text, when all of it is literal.
    pub(super) fn literal(&self) -> Option<&[u8]> {
        (self.holes.is_empty() && !self.expanded).then_some(&*self.text)
    }
    /// The text, when it is literal and has no quotes: only such a word can be a keyword.
    pub(super) fn keyword(&self) -> Option<&[u8]> {
        self.literal().filter(|_| !self.quoted)
    }
    /// The hole that is the whole word.
    pub(super) fn only_hole(&self) -> Option<usize> {
        match self.holes.as_slice() {
            [hole] if self.parts == 1 => Some(*hole),
            _ => None,
        }
    }
}

/// How a word is read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mode {
    /// `NAME=…` assigns.
    pub(super) assigns: bool,
    /// An element of a list: `[index]=…` assigns.
    pub(super) element: bool,
    /// The right side of `=~`: parentheses and `|` belong to it.
    pub(super) regex: bool,
}

pub(super) struct Reader<'a> {
    pub(super) units: &'a [(u32, Unit)],
    pub(super) at: usize,
    pub(super) found: &'a mut Findings,
    pub(super) pending: Vec<Pending>,
    /// A here-document of an outer command waits for its body: where it begins, shells do not agree.
    pub(super) blocked: bool,
    /// Inside `$(…)`.
    pub(super) nested: bool,
    /// Inside arithmetic.
    pub(super) computing: bool,
    pub(super) backtick: Backtick,
    pub(super) depth: usize,
}

/// A state of the reader to come back to.
pub(super) struct Mark {
    at: usize,
    words: usize,
    handed_on: usize,
    pending: usize,
    docs: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(units: &'a [(u32, Unit)], found: &'a mut Findings, backtick: Backtick) -> Self {
        Self {
            units,
            at: 0,
            found,
            pending: Vec::new(),
            blocked: false,
            nested: false,
            computing: false,
            backtick,
            depth: 0,
        }
    }

    pub(super) fn peek(&self) -> Option<Unit> {
        self.units.get(self.at).map(|(_, unit)| *unit)
    }

    /// The literal byte `ahead` of here.
    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        match self.units.get(self.at + ahead) {
            Some((_, Unit::Byte(byte))) => Some(*byte),
            _ => None,
        }
    }

    pub(super) fn starts_with(&self, text: &[u8]) -> bool {
        text.iter().enumerate().all(|(i, b)| self.byte(i) == Some(*b))
    }

    /// The place in the text of some units.
    pub(super) fn range(&self, units: Range<usize>) -> Range<usize> {
        let pos = |i: usize| self.units.get(i).map_or(0, |(pos, _)| *pos as usize);
        let start = pos(units.start);
        start..(pos(units.end.max(units.start + 1) - 1) + 1).max(start + 1)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            words: self.found.words.len(),
            handed_on: self.found.handed_on.len(),
            pending: self.pending.len(),
            docs: self.found.docs.len(),
        }
    }

    /// Goes back: what was found since then is forgotten. Spots of holes are overwritten when they are read again.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.at = mark.at;
        self.found.words.truncate(mark.words);
        self.found.handed_on.truncate(mark.handed_on);
        self.found.docs.truncate(mark.docs);
        self.pending.truncate(mark.pending);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.found.lost.is_some()
    }

    /// Gives up: `units` are where something begins that shells read differently.
    pub(super) fn lose(&mut self, units: Range<usize>, what: &'static str) {
        let range = self.range(units);
        self.found.lost.get_or_insert(Problem::Lost(range, what));
        self.at = self.units.len();
    }

    pub(super) fn unclosed(&mut self, open: Range<usize>, what: &'static str) {
        let range = self.range(open);
        self.found.lost.get_or_insert(Problem::Unclosed(range, what));
        self.at = self.units.len();
    }

    /// Goes one level down, unless that is too deep.
    pub(super) fn deeper(&mut self, read: impl FnOnce(&mut Self)) {
        if self.depth == DEEPEST {
            return self.lose(self.at.saturating_sub(1)..self.at, "a nesting too deep");
        }
        self.depth += 1;
        read(self);
        self.depth -= 1;
    }

    /// Notes a hole here, and passes it.
    pub(super) fn hole(&mut self, hole: usize, place: Place) {
        let problem = (self.backtick == Backtick::Uncertain).then_some(Problem::Backticks);
        let backticks = self.backtick != Backtick::None;
        self.found.spots[hole] = Some(Spot { backticks, problem, ..Spot::new(place) });
        self.at += 1;
    }

    pub(super) fn bad_hole(&mut self, hole: usize, problem: Problem) {
        self.hole(hole, Place::Word);
        self.found.problem(hole, problem);
    }

    /// A line break where the shell may look for the body of a here-document.
    pub(super) fn line_break_inside(&mut self) {
        if !self.pending.is_empty() || self.blocked {
            self.lose(self.at..self.at + 1, "a line break inside a word, on the line of a here-document");
        }
    }

    /// A backslash and what follows it, outside single quotes. True for a continued line, which is nothing at all.
    pub(super) fn backslash(&mut self) -> bool {
        self.at += 1;
        match self.peek() {
            Some(Unit::Hole(hole)) => {
                self.bad_hole(hole, Problem::Backslash);
                false
            }
            Some(Unit::Byte(byte)) => {
                self.at += 1;
                byte == b'\n'
            }
            None => false,
        }
    }

    /// One word; stands at its first unit. Empty when there is none.
    pub(super) fn word(&mut self, mode: Mode) -> Word {
        let mut word = Word::default();
        let mut parens = 0usize;
        while let Some(unit) = self.peek() {
            let byte = match unit {
                Unit::Hole(hole) => {
                    self.hole(hole, Place::Word);
                    word.holes.push(hole);
                    word.text.push(0);
                    word.parts += 1;
                    continue;
                }
                Unit::Byte(byte) => byte,
            };
            match byte {
                b'\n' => break,
                b' ' | b'\t' if parens == 0 => break,
                b'(' if mode.regex => parens += 1,
                b')' if mode.regex && parens > 0 => parens -= 1,
                b'|' if mode.regex => {}
                b'(' if self.begins_list(&word) => {
                    self.list(&mut word);
                    continue;
                }
                b'(' if !word.quoted && matches!(word.text.last(), Some(b'?' | b'*' | b'+' | b'@' | b'!')) => {
                    self.group(&mut word);
                    continue;
                }
                b'<' | b'>' if self.byte(1) == Some(b'(') && parens == 0 => {
                    if self.byte(2) == Some(b'(') {
                        self.lose(self.at..self.at + 3, "two parentheses here (write `<( (`)");
                        continue;
                    }
                    self.at += 2;
                    self.substitution(self.at - 2);
                    word.text.push(0);
                    word.expanded = true;
                    word.parts += 1;
                    continue;
                }
                b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' if parens == 0 => break,
                b'\\' => {
                    let from = self.at + 1;
                    if !self.backslash() {
                        word.quoted = true;
                        word.parts += 1;
                        match self.units.get(from) {
                            Some((_, Unit::Byte(byte))) => word.text.push(*byte),
                            Some((_, Unit::Hole(hole))) => word.holes.push(*hole),
                            None => word.text.push(b'\\'),
                        }
                    }
                    continue;
                }
                b'\'' => {
                    self.single_quoted(&mut word);
                    continue;
                }
                b'"' => {
                    self.double_quoted(&mut word);
                    continue;
                }
                b'`' => {
                    self.backticks(Around::Word, true);
                    word.text.push(0);
                    word.expanded = true;
                    word.parts += 1;
                    continue;
                }
                b'$' => {
                    self.dollar(Around::Word, &mut word);
                    continue;
                }
                b'[' if self.begins_subscript(&word, mode) && self.subscript_of_assignment(&mut word) => continue,
                b'=' if mode.assigns && word.assigns.is_none() && begins_assignment(&word) => {
                    word.assigns = Some(word.text.len() + 1);
                }
                _ => {}
            }
            word.text.push(byte);
            word.parts += 1;
            self.at += 1;
        }
        word
    }

    fn begins_list(&self, word: &Word) -> bool {
        word.assigns.is_some_and(|n| n == word.text.len())
    }

    fn begins_subscript(&self, word: &Word, mode: Mode) -> bool {
        let name = if mode.element { word.text.is_empty() } else { mode.assigns && is_name(&word.text) };
        name && !word.quoted && word.holes.is_empty() && !word.expanded
    }

    /// `[…]=` or `[…]+=` of an assignment; false, and nothing read, when it is none.
    fn subscript_of_assignment(&mut self, word: &mut Word) -> bool {
        let (open, mark) = (self.at, self.mark());
        self.at += 1;
        let closed = self.arithmetic(Until::Bracket);
        let equals = match (self.byte(0), self.byte(1)) {
            (Some(b'='), _) => 1,
            (Some(b'+'), Some(b'=')) => 2,
            _ => 0,
        };
        if !closed || equals == 0 {
            // A pattern: only when nothing in it could be read in two ways.
            let harmless = |(_, unit): &(u32, Unit)| match unit {
                Unit::Byte(b) => b.is_ascii_alphanumeric() || b"[]-_^!.:,".contains(b),
                Unit::Hole(_) => true,
            };
            if !closed || self.is_lost() || !self.units[open..self.at].iter().all(harmless) {
                self.lose(open..open + 1, "this bracket");
                return true;
            }
            self.back_to(mark);
            return false;
        }
        self.at += equals;
        word.text.extend_from_slice(b"\0=");
        word.assigns = Some(word.text.len());
        word.parts += 1;
        true
    }

    /// `(…)` behind `NAME=`: the elements of a list.
    fn list(&mut self, word: &mut Word) {
        let open = self.at;
        self.at += 1;
        word.array = true;
        loop {
            while matches!(self.byte(0), Some(b' ' | b'\t' | b'\n')) {
                if self.byte(0) == Some(b'\n') {
                    self.line_break_inside();
                }
                self.at += 1;
            }
            match self.byte(0) {
                Some(b')') => {
                    self.at += 1;
                    return;
                }
                Some(b'#') => self.comment(),
                Some(b';' | b'&' | b'|' | b'<' | b'>' | b'(') => {
                    return self.lose(open..open + 1, "a list in parentheses");
                }
                _ if self.peek().is_none() => return self.unclosed(open..open + 1, "`(`"),
                _ => {
                    let element = self.word(Mode { element: true, ..Mode::default() });
                    self.settle(&element, Lists::Words);
                }
            }
        }
    }

    /// A pattern in parentheses; only some shells know it, so that no value can stand in it.
    pub(super) fn group(&mut self, word: &mut Word) {
        let open = self.at;
        let mut depth = 0usize;
        word.expanded = true;
        word.text.push(0);
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Hole(hole) => {
                    self.bad_hole(hole, Problem::Parentheses);
                    word.holes.push(hole);
                    continue;
                }
                Unit::Byte(b'(') => depth += 1,
                Unit::Byte(b')') => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                Unit::Byte(b'\n') => return self.lose(open..open + 1, "a pattern in parentheses"),
                Unit::Byte(b'\\') => {
                    self.backslash();
                    continue;
                }
                Unit::Byte(byte @ (b'\'' | b'"' | b'`' | b'$')) => {
                    let mut inner = Word::default();
                    match byte {
                        b'\'' => self.single_quoted(&mut inner),
                        b'"' => self.double_quoted(&mut inner),
                        b'`' => self.backticks(Around::Word, true),
                        _ => self.dollar(Around::Word, &mut inner),
                    }
                    inner.holes.iter().for_each(|hole| self.found.problem(*hole, Problem::Parentheses));
                    continue;
                }
                Unit::Byte(_) => {}
            }
            self.at += 1;
        }
        self.unclosed(open..open + 1, "`(`");
    }

    pub(super) fn single_quoted(&mut self, word: &mut Word) {
        let open = self.at;
        self.at += 1;
        word.quoted = true;
        word.parts += 1;
        loop {
            match self.peek() {
                None => return self.unclosed(open..open + 1, "`'`"),
                Some(Unit::Hole(hole)) => {
                    self.hole(hole, Place::Single);
                    word.holes.push(hole);
                    word.text.push(0);
                }
                Some(Unit::Byte(byte)) => {
                    if byte == b'\n' {
                        self.line_break_inside();
                    }
                    self.at += 1;
                    if byte == b'\'' {
                        return;
                    }
                    word.text.push(byte);
                }
            }
        }
    }

    pub(super) fn double_quoted(&mut self, word: &mut Word) {
        let open = self.at;
        self.at += 1;
        word.quoted = true;
        word.parts += 1;
        loop {
            let Some(unit) = self.peek() else { return self.unclosed(open..open + 1, "`\"`") };
            match unit {
                Unit::Hole(hole) => {
                    self.hole(hole, Place::Double);
                    word.holes.push(hole);
                    word.text.push(0);
                }
                Unit::Byte(b'"') => {
                    self.at += 1;
                    return;
                }
                Unit::Byte(b'\\') => {
                    let escaped = self.byte(1);
                    if let Some(Unit::Hole(hole)) = self.units.get(self.at + 1).map(|(_, unit)| *unit) {
                        word.holes.push(hole);
                    }
                    self.backslash();
                    match escaped {
                        Some(b'\n') => {}
                        Some(byte @ (b'"' | b'\\' | b'$' | b'`')) => word.text.push(byte),
                        Some(byte) => word.text.extend_from_slice(&[b'\\', byte]),
                        None => {}
                    }
                }
                Unit::Byte(b'$') => self.dollar(Around::Double, word),
                Unit::Byte(b'`') => {
                    self.backticks(Around::Double, true);
                    word.text.push(0);
                    word.expanded = true;
                }
                Unit::Byte(byte) => {
                    if byte == b'\n' {
                        self.line_break_inside();
                    }
                    word.text.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// A comment, to the end of its line; stands at `#`.
    pub(super) fn comment(&mut self) {
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Byte(b'\n') => return,
                Unit::Byte(_) => self.at += 1,
                Unit::Hole(hole) => self.hole(hole, Place::Comment),
            }
        }
    }

    /// Says what a list may become in the word, and notes the word if it might name a file.
    pub(super) fn settle(&mut self, word: &Word, lists: Lists) {
        if let Some(hole) = word.only_hole()
            && let Some(spot) = self.found.spot(hole)
            && spot.place == Place::Word
        {
            spot.lists = lists;
        }
        let Some(Ok(text)) = word.literal().map(std::str::from_utf8) else { return };
        let behind = text.split_once('=').map(|(_, value)| value);
        for text in std::iter::once(text).chain(behind) {
            let may_name = !text.is_empty() && text.len() < 4096 && !text.starts_with('-') && !text.contains('\n');
            if may_name {
                self.found.words.push(text.into());
            }
        }
    }
}

/// Whether the word so far is `NAME` or `NAME+`, so that a `=` assigns.
fn begins_assignment(word: &Word) -> bool {
    let name = word.text.strip_suffix(b"+").unwrap_or(&word.text);
    word.holes.is_empty() && !word.expanded && !word.quoted && is_name(name)
}

/// `[A-Za-z_][A-Za-z0-9_]*`
pub(super) fn is_name(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'_' | b'a'..=b'z' | b'A'..=b'Z'))
        && text.iter().all(|b| *b == b'_' || b.is_ascii_alphanumeric())
}
