//! Expansions: `$name`, `${…}`, `$(…)`, `$((…))`, backticks, `$'…'`, and where the shell computes.

use super::reader::{Around, Backtick, Reader, Unit, Until, Word};
use super::{Demand, Place, Problem};

impl Reader<'_> {
    /// Whatever a `$` begins.
    pub(super) fn dollar(&mut self, around: Around, word: &mut Word) {
        let open = self.at;
        self.at += 1;
        word.parts += 1;
        let next = match self.peek() {
            None => {
                word.text.push(b'$');
                return;
            }
            Some(Unit::Hole(hole)) => {
                self.bad_hole(hole, Problem::Dollar);
                word.holes.push(hole);
                return word.text.extend_from_slice(b"$\0");
            }
            Some(Unit::Byte(byte)) => byte,
        };
        match next {
            b'(' if self.byte(1) == Some(b'(') => {
                self.arithmetic_in_parens("`$((` that begins a command (write `$( (`)");
            }
            b'(' => {
                self.at += 1;
                self.substitution(open);
            }
            b'{' => {
                self.at += 1;
                self.deeper(|reader| reader.parameter(around, open));
            }
            b'[' => {
                self.at += 1;
                if !self.arithmetic(Until::OldBracket) {
                    return self.lose(open..open + 2, "`$[`");
                }
            }
            b'\'' if around == Around::Word => {
                word.quoted = true;
                self.ansi_c(word);
            }
            // The double quotes are read by the caller.
            b'"' if around == Around::Word => return,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                while self.byte(0).is_some_and(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                    self.at += 1;
                }
                self.after_name(around, word);
            }
            b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-' => {
                self.at += 1;
                self.after_name(around, word);
            }
            _ => return word.text.push(b'$'),
        }
        word.expanded = true;
        word.text.push(0);
    }

    /// Behind `$name`: what would lengthen the name, and subscripts that only zsh sees.
    fn after_name(&mut self, around: Around, word: &mut Word) {
        match self.peek() {
            Some(Unit::Hole(hole)) if around == Around::Bare => {
                self.bad_hole(hole, Problem::Name);
                word.holes.push(hole);
            }
            Some(Unit::Byte(b'[')) => {
                let line = self.units[self.at..].iter().map(|(_, unit)| *unit).take_while(|unit| {
                    !matches!(unit, Unit::Byte(b']' | b'\n' | b' ' | b'"' | b'\'' | b'`' | b'$' | b'\\'))
                });
                if line.clone().any(|unit| matches!(unit, Unit::Hole(_))) {
                    for unit in line.collect::<Vec<_>>() {
                        match unit {
                            Unit::Hole(hole) => {
                                self.bad_hole(hole, Problem::Subscript);
                                word.holes.push(hole);
                            }
                            Unit::Byte(_) => self.at += 1,
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// `$'…'`: some shells see escapes in it, others plain single quotes behind a dollar.
    fn ansi_c(&mut self, word: &mut Word) {
        let open = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return self.unclosed(open - 1..open + 1, "`$'`"),
                Some(Unit::Hole(hole)) => {
                    self.bad_hole(hole, Problem::AnsiC);
                    word.holes.push(hole);
                }
                Some(Unit::Byte(b'\'')) => {
                    self.at += 1;
                    return;
                }
                Some(Unit::Byte(b'\\')) => {
                    if self.byte(1) == Some(b'\'') {
                        return self.lose(self.at..self.at + 2, "`\\'` inside `$'…'`");
                    }
                    self.backslash();
                }
                Some(Unit::Byte(_)) => self.at += 1,
            }
        }
    }

    /// `$(…)`, `<(…)`; stands behind the parenthesis.
    pub(super) fn substitution(&mut self, open: usize) {
        let outer = std::mem::take(&mut self.pending);
        let blocked = self.blocked;
        self.blocked |= !outer.is_empty();
        let nested = std::mem::replace(&mut self.nested, true);
        let computing = std::mem::take(&mut self.computing);
        self.deeper(|reader| reader.commands_in_parens(open));
        self.nested = nested;
        self.computing = computing;
        if !self.pending.is_empty() {
            self.lose(open..open + 2, "a here-document that is still open at the end of `$(…)`");
        }
        self.pending = outer;
        self.blocked = blocked;
    }

    /// `certain`: whether all shells read values in backticks here in the same way.
    pub(super) fn backticks(&mut self, around: Around, certain: bool) {
        let open = self.at;
        self.at += 1;
        let mut inner = Vec::new();
        loop {
            let Some(unit) = self.peek() else { return self.unclosed(open..open + 1, "the backtick") };
            match unit {
                Unit::Byte(b'`') => break,
                Unit::Byte(b'\\') => match self.units.get(self.at + 1) {
                    Some(next @ (_, Unit::Byte(b'\\' | b'`' | b'$'))) => {
                        inner.push(*next);
                        self.at += 2;
                    }
                    Some((_, Unit::Byte(b'"'))) if around != Around::Word => {
                        return self.lose(self.at..self.at + 2, "`\\\"` inside backticks");
                    }
                    // In front of a hole the inner reader finds it.
                    _ => {
                        inner.push(self.units[self.at]);
                        self.at += 1;
                    }
                },
                _ => {
                    inner.push(self.units[self.at]);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        // In arithmetic zsh counts the parentheses in there as well.
        let certain = certain && self.backtick == Backtick::None && !self.computing;
        let level = if certain { Backtick::Plain } else { Backtick::Uncertain };
        let blocked = self.blocked || !self.pending.is_empty();
        self.deeper(|reader| {
            let mut inner =
                Reader { blocked, nested: true, depth: reader.depth, ..Reader::new(&inner, reader.found, level) };
            inner.command_line();
        });
    }

    /// `((…))`, also of `$((…))`. Where it is two nested subshells instead, shells do not agree about it.
    pub(super) fn arithmetic_in_parens(&mut self, otherwise: &'static str) {
        let open = self.at;
        self.at += 2;
        if !self.arithmetic(Until::Parens) {
            self.lose(open..open + 2, otherwise);
        }
    }

    /// An expression that the shell computes, with its end. False when it has none.
    pub(super) fn arithmetic(&mut self, until: Until) -> bool {
        let outer = std::mem::replace(&mut self.computing, true);
        let closed = self.sum(until);
        self.computing = outer;
        closed
    }

    fn sum(&mut self, until: Until) -> bool {
        let (mut parens, mut brackets) = (0usize, 0usize);
        // A single quote whose meaning decides about what follows: it only matters when this is arithmetic indeed.
        let mut unsure = None;
        let mut nothing = Word::default();
        while let Some(unit) = self.peek() {
            let byte = match unit {
                Unit::Hole(hole) => {
                    self.hole(hole, Place::Arithmetic);
                    continue;
                }
                Unit::Byte(byte) => byte,
            };
            match byte {
                b'$' => {
                    self.dollar(Around::Bare, &mut nothing);
                    continue;
                }
                b'`' => {
                    self.backticks(Around::Bare, true);
                    continue;
                }
                b'\\' => {
                    self.backslash();
                    continue;
                }
                b'\'' => {
                    match self.harmless_quotes() {
                        Some(length) => self.at += length,
                        None => {
                            unsure.get_or_insert(self.at);
                            let close =
                                self.units[self.at + 1..].iter().position(|(_, unit)| *unit == Unit::Byte(b'\''));
                            self.at += close.map_or(1, |close| close + 2);
                        }
                    }
                    continue;
                }
                b'"' if until == Until::OldBracket => return false,
                b'"' => {
                    let (from, mut inner) = (self.at, Word::default());
                    self.double_quoted(&mut inner);
                    for hole in &inner.holes {
                        match self.found.spot(*hole) {
                            Some(spot) if until == Until::Parens => spot.place = Place::Arithmetic,
                            _ => self.found.problem(*hole, Problem::Expansion),
                        }
                        self.found.demand(*hole, Demand::Integer);
                    }
                    if inner.text.iter().any(|b| b"()[]{}".contains(b)) {
                        unsure.get_or_insert(from);
                    }
                    continue;
                }
                b'(' => parens += 1,
                b')' if parens > 0 => parens -= 1,
                b')' => {
                    let closed = until == Until::Parens && self.byte(1) == Some(b')');
                    self.at += 2;
                    return closed && self.sure(unsure);
                }
                b'[' => brackets += 1,
                b']' if brackets > 0 => brackets -= 1,
                b']' if matches!(until, Until::Bracket | Until::OldBracket) => {
                    self.at += 1;
                    return self.sure(unsure);
                }
                b'}' if until == Until::Brace && parens == 0 && brackets == 0 => {
                    self.at += 1;
                    return self.sure(unsure);
                }
                b'\n' if until != Until::Parens => return false,
                b'\n' => self.line_break_inside(),
                _ => {}
            }
            self.at += 1;
        }
        false
    }

    /// Gives up when there was a quote that shells read differently; true, for the caller is done in any case.
    fn sure(&mut self, unsure: Option<usize>) -> bool {
        if let Some(at) = unsure {
            self.lose(at..at + 1, "a quote where the shell computes");
        }
        true
    }

    /// The length of `'…'` here, when nothing in it could mean anything without the quotes.
    pub(super) fn harmless_quotes(&self) -> Option<usize> {
        let mut length = 1;
        loop {
            match self.byte(length)? {
                b'\'' => return Some(length + 1),
                b'}' | b'"' | b'$' | b'`' | b'\\' | b'\n' | b'(' | b')' | b'[' | b']' => return None,
                _ => length += 1,
            }
        }
    }

    /// `${…}`; stands behind the brace.
    fn parameter(&mut self, around: Around, open: usize) {
        if self.byte(0) == Some(b'(') {
            self.group(&mut Word::default());
        }
        while matches!(self.byte(0), Some(b'#' | b'!' | b'^' | b'=' | b'~' | b'+')) && self.byte(1) != Some(b'}') {
            self.at += 1;
        }
        match self.byte(0) {
            Some(b) if b == b'_' || b.is_ascii_alphanumeric() => {
                while self.byte(0).is_some_and(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                    self.at += 1;
                }
            }
            Some(b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-') => self.at += 1,
            _ => {}
        }
        if self.byte(0) == Some(b'[') {
            self.at += 1;
            let from = self.at;
            if !self.arithmetic(Until::Bracket) {
                return self.lose(from - 1..from, "a subscript");
            }
        }
        match (self.byte(0), self.byte(1)) {
            (Some(b':'), Some(b'-' | b'=' | b'?' | b'+')) | (Some(b'-' | b'=' | b'?' | b'+'), _) => {
                self.rest_of_parameter(around, open, true);
            }
            (Some(b':'), _) => {
                if !self.arithmetic(Until::Brace) {
                    self.lose(open..open + 2, "`${…}`");
                }
            }
            _ => self.rest_of_parameter(around, open, false),
        }
    }

    /// What stands in `${name…}` up to its brace; no value can stand there. `default`: behind `-`, `=`, `?` or `+`, where
    /// inside double quotes a single quote is an ordinary character.
    fn rest_of_parameter(&mut self, around: Around, open: usize, default: bool) {
        loop {
            let Some(unit) = self.peek() else { return self.unclosed(open..open + 2, "`${`") };
            let byte = match unit {
                Unit::Hole(hole) => {
                    self.bad_hole(hole, Problem::Expansion);
                    continue;
                }
                Unit::Byte(byte) => byte,
            };
            let mut inner = Word::default();
            match byte {
                b'}' => {
                    self.at += 1;
                    return;
                }
                b'\\' => {
                    self.backslash();
                    continue;
                }
                b'$' => {
                    self.dollar(around, &mut inner);
                    continue;
                }
                b'`' => {
                    self.backticks(around, around == Around::Word);
                    continue;
                }
                b'\'' if around == Around::Word => self.single_quoted(&mut inner),
                b'\'' if !default => match self.harmless_quotes() {
                    Some(length) => self.at += length,
                    None => return self.lose(self.at..self.at + 1, "a single quote inside `\"${…}\"`"),
                },
                b'"' => {
                    let from = self.at;
                    self.double_quoted(&mut inner);
                    if around != Around::Word && inner.text.contains(&b'}') {
                        return self.lose(from..from + 1, "a quoted brace inside `\"${…}\"`");
                    }
                }
                b'\n' => {
                    self.line_break_inside();
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            inner.holes.iter().for_each(|hole| self.found.problem(*hole, Problem::Expansion));
        }
    }
}
