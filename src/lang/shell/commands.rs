//! Which words are commands, arguments, patterns, operands: what decides where the shell computes, where a list may
//! stand, and which `)` ends what.

use super::programs::{self, Verdict};
use super::reader::{Mode, Pending, Reader, Unit, Word};
use super::{Demand, Doc, Lists, Problem};
use std::sync::Arc;

/// What the next word is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// The name of a command, a keyword or an assignment.
    Command,
    /// An argument.
    Argument,
    /// What `case` looks at.
    Subject,
    /// The `in` of a `case`.
    In,
    /// A pattern of a `case`, up to its `)`.
    Pattern,
    /// The variable of `for` or `select`.
    LoopName,
    /// Behind `function`.
    FunctionName,
}

/// A simple command as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Simple {
    pub(super) words: Vec<Word>,
    /// It is a keyword with what follows it (the words of a `for`, what stands behind `done`): nothing is executed.
    compound: bool,
    /// Here-documents among [`Reader::pending`] that are its standard input.
    docs: Vec<usize>,
    /// Holes in its here-strings.
    strings: Vec<usize>,
}

/// Operators of `[[` and `[` that compute with both sides.
const COMPUTING: &[&[u8]] = &[b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge"];

/// Variables that are integers by themselves in some shell.
const INTEGERS: &[&[u8]] = &[b"RANDOM", b"SECONDS", b"OPTIND", b"LINENO", b"HISTCMD", b"SRANDOM", b"EPOCHSECONDS"];

impl Reader<'_> {
    /// Commands to the end of the text.
    pub(super) fn command_line(&mut self) {
        self.commands(None);
        if let Some(pending) = self.pending.first() {
            let at = pending.at.clone();
            self.unclosed(at, "the here-document");
        }
    }

    /// Commands up to the `)` that belongs to the `(` at `open`; that is passed.
    pub(super) fn commands_in_parens(&mut self, open: usize) {
        self.commands(Some(open));
    }

    fn commands(&mut self, open: Option<usize>) {
        let mut command = Simple::default();
        let mut cases = 0usize;
        let mut state = State::Command;
        loop {
            self.blanks();
            let Some(unit) = self.peek() else {
                self.finish(&mut command);
                if let Some(open) = open {
                    self.unclosed(open..open + 1, "`(`");
                }
                return;
            };
            match unit {
                Unit::Byte(b'\n') => {
                    self.at += 1;
                    if !matches!(state, State::In | State::Pattern | State::Subject) {
                        self.finish(&mut command);
                        state = State::Command;
                    }
                    if self.blocked {
                        return self
                            .lose(self.at - 1..self.at, "a line break in `$(…)`, on the line of a here-document");
                    }
                    self.here_documents();
                }
                Unit::Byte(b'#') => self.comment(),
                Unit::Byte(b';') => {
                    self.finish(&mut command);
                    self.at += 1;
                    state = State::Command;
                    if matches!(self.byte(0), Some(b';' | b'&' | b'|')) {
                        self.at += 1;
                        if self.byte(0) == Some(b'&') {
                            self.at += 1;
                        }
                        if cases > 0 {
                            state = State::Pattern;
                        }
                    }
                }
                Unit::Byte(b'&') if self.byte(1) == Some(b'>') => {
                    self.at += 1;
                    self.redirection(&mut command);
                }
                Unit::Byte(byte @ (b'&' | b'|')) => {
                    self.at += 1;
                    if state != State::Pattern {
                        self.finish(&mut command);
                        state = State::Command;
                        if self.byte(0) == Some(byte) || (byte == b'|' && self.byte(0) == Some(b'&')) {
                            self.at += 1;
                        }
                    }
                }
                Unit::Byte(b'(') => state = self.open_paren(&mut command, state),
                Unit::Byte(b')') => {
                    self.at += 1;
                    if state == State::Pattern {
                        state = State::Command;
                        continue;
                    }
                    self.finish(&mut command);
                    if open.is_none() || cases > 0 {
                        self.lose(self.at - 1..self.at, "a `)` without its `(`");
                    }
                    return;
                }
                Unit::Byte(b'<' | b'>') if self.byte(1) != Some(b'(') => self.redirection(&mut command),
                _ => state = self.next_word(&mut command, state, &mut cases),
            }
        }
    }

    /// Blanks and continued lines.
    fn blanks(&mut self) {
        loop {
            match self.byte(0) {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.byte(1) == Some(b'\n') => self.at += 2,
                _ => return,
            }
        }
    }

    fn open_paren(&mut self, command: &mut Simple, state: State) -> State {
        let open = self.at;
        match state {
            State::Pattern => {
                self.at += 1;
                State::Pattern
            }
            State::Command | State::LoopName if self.starts_with(b"((") => {
                self.arithmetic_in_parens("`((` that begins a command (write `( (`)");
                command.compound = true;
                State::Argument
            }
            State::Command if command.words.is_empty() => {
                self.at += 1;
                self.deeper(|reader| reader.commands_in_parens(open));
                command.compound = true;
                State::Argument
            }
            // `name ()` defines a function; its body is a command.
            State::Command | State::Argument if command.words.len() <= 1 && self.empty_parens() => {
                *command = Simple::default();
                State::Command
            }
            _ => {
                self.group(&mut Word::default());
                State::Argument
            }
        }
    }

    /// `()`, passed when it stands here.
    fn empty_parens(&mut self) -> bool {
        let blanks = (1..).take_while(|i| matches!(self.byte(*i), Some(b' ' | b'\t'))).count();
        let found = self.byte(1 + blanks) == Some(b')');
        if found {
            self.at += blanks + 2;
        }
        found
    }

    fn next_word(&mut self, command: &mut Simple, state: State, cases: &mut usize) -> State {
        let start = self.at;
        if state == State::Command && self.begins_conditional() {
            self.at += 2;
            self.conditional(start);
            command.compound = true;
            return State::Argument;
        }
        let declares = command.words.first().is_some_and(programs::declares);
        let mode = Mode { assigns: state == State::Command || declares, ..Mode::default() };
        let word = self.word(mode);
        if self.at == start {
            // A byte that begins no word; the shell will say what it thinks of it.
            self.lose(start..start + 1, "this");
            return state;
        }
        match state {
            State::Command => self.command_word(command, word, cases),
            State::Argument => {
                let number = matches!(self.byte(0), Some(b'<' | b'>')) && is_descriptor(&word);
                let separates = command.compound && command.words.is_empty() && word.keyword() == Some(b"in");
                if !number && !separates {
                    self.settle(&word, Lists::Words);
                    command.words.push(word);
                }
                State::Argument
            }
            State::Subject => State::In,
            State::In if word.keyword() == Some(b"in") => {
                *cases += 1;
                State::Pattern
            }
            State::In => {
                self.lose(start..self.at, "a `case` without `in`");
                State::Command
            }
            State::Pattern if word.keyword() == Some(b"esac") => {
                *cases -= 1;
                command.compound = true;
                State::Argument
            }
            State::Pattern => State::Pattern,
            State::LoopName => {
                word.holes
                    .iter()
                    .for_each(|hole| self.found.problem(*hole, Problem::Literal("the variable of a loop")));
                command.compound = true;
                State::Argument
            }
            State::FunctionName => {
                word.holes
                    .iter()
                    .for_each(|hole| self.found.problem(*hole, Problem::Literal("the name of a function")));
                self.blanks();
                if self.byte(0) == Some(b'(') {
                    self.empty_parens();
                }
                State::Command
            }
        }
    }

    /// A word where a command may begin.
    fn command_word(&mut self, command: &mut Simple, word: Word, cases: &mut usize) -> State {
        match word.keyword() {
            Some(
                b"if" | b"then" | b"else" | b"elif" | b"while" | b"until" | b"do" | b"{" | b"!" | b"time" | b"coproc",
            ) => {
                return State::Command;
            }
            Some(b"fi" | b"done" | b"}") => {
                command.compound = true;
                return State::Argument;
            }
            Some(b"esac") if *cases > 0 => {
                *cases -= 1;
                command.compound = true;
                return State::Argument;
            }
            Some(b"case") => return State::Subject,
            Some(b"for" | b"select") => return State::LoopName,
            Some(b"function") => return State::FunctionName,
            _ => {}
        }
        if matches!(self.byte(0), Some(b'<' | b'>')) && is_descriptor(&word) {
            return State::Command;
        }
        if word.assigns.is_some() {
            self.settle(&word, Lists::Refused);
            self.assignment(&word);
            return State::Command;
        }
        self.settle(&word, Lists::SomeWords);
        command.words.push(word);
        State::Argument
    }

    /// The shell computes what is assigned to an integer.
    fn assignment(&mut self, word: &Word) {
        let Some(length) = word.assigns else { return };
        let name = word.text[..length].split(|b| matches!(b, b'=' | b'+' | 0)).next().unwrap_or_default();
        if self.found.integers.contains(name) || INTEGERS.contains(&name) {
            word.holes.iter().for_each(|hole| self.found.demand(*hole, Demand::Integer));
        }
    }

    fn redirection(&mut self, command: &mut Simple) {
        let start = self.at;
        let operators: [&[u8]; 11] = [b"<<<", b"<<-", b"<<", b"<>", b"<&", b">>", b">&", b">|", b">!", b"<", b">"];
        let operator = operators.into_iter().find(|operator| self.starts_with(operator)).unwrap_or(b">");
        self.at += operator.len();
        self.blanks();
        match operator {
            b"<<" | b"<<-" => return self.delimiter(command, start, operator == b"<<-"),
            _ if matches!(self.byte(0), Some(b'\n' | b';' | b'|' | b')')) || self.peek().is_none() => return,
            _ => {}
        }
        let from = self.at;
        let word = self.word(Mode::default());
        if self.at == from {
            return self.lose(start..from, "a redirection");
        }
        match operator {
            b"<" | b"<>" => self.settle(&word, Lists::Refused),
            b"<<<" => command.strings.extend(&word.holes),
            b">" | b">>" | b">|" | b">!" => self.found.target(&word),
            b"<&" | b">&" => word.holes.iter().for_each(|hole| self.found.problem(*hole, Problem::Descriptor)),
            _ => {}
        }
    }

    fn delimiter(&mut self, command: &mut Simple, start: usize, strips_tabs: bool) {
        let from = self.at;
        let word = self.word(Mode::default());
        word.holes.iter().for_each(|hole| self.found.problem(*hole, Problem::Delimiter));
        if self.at == from || word.literal().is_none() || word.text.contains(&b'\n') {
            return self.lose(start..self.at.max(start + 1), "the delimiter of a here-document");
        }
        command.docs.push(self.pending.len());
        let doc = Doc { delimiter: word.text, quoted: word.quoted, strips_tabs, nested: self.nested };
        self.pending.push(Pending { doc, at: start..self.at, program: None });
    }

    /// The end of a simple command: what its program does with the words.
    fn finish(&mut self, command: &mut Simple) {
        let command = std::mem::take(command);
        if command.compound || command.words.is_empty() {
            return;
        }
        for verdict in programs::inspect(&command.words) {
            match verdict {
                Verdict::HandsOn(hole, program) => self.found.handed_on.push((hole, program)),
                Verdict::ReadsProgram(program) => {
                    for doc in &command.docs {
                        if let Some(pending) = self.pending.get_mut(*doc) {
                            pending.program = Some(program.clone());
                        }
                    }
                    let strings = command.strings.iter().map(|hole| (*hole, program.clone()));
                    self.found.handed_on.extend(strings);
                }
                Verdict::Computes(hole, demand) => self.found.demand(hole, demand),
                Verdict::OneWord(hole) => {
                    if let Some(spot) = self.found.spot(hole) {
                        spot.lists = Lists::Refused;
                    }
                }
                Verdict::Variable(hole, program) => self.found.problem(hole, Problem::Variable(program)),
                Verdict::DeclaresInteger(name) => {
                    self.found.integers.insert(name);
                }
            }
        }
        let words: Vec<&Word> = command.words.iter().collect();
        match words.first().and_then(|word| word.literal()) {
            Some(b"[" | b"test") => self.operands(&words[1..], Demand::PlainInteger),
            _ if words.first().is_some_and(|word| programs::declares(word)) => {
                words.iter().for_each(|word| self.assignment(word));
            }
            _ => {}
        }
    }

    fn begins_conditional(&self) -> bool {
        self.starts_with(b"[[") && matches!(self.byte(2), Some(b' ' | b'\t' | b'\n'))
    }

    /// `[[ … ]]`; stands behind `[[`.
    fn conditional(&mut self, open: usize) {
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.blanks();
            let mode = match words.last().and_then(Word::keyword) {
                Some(b"=~") => Mode { regex: true, ..Mode::default() },
                _ => Mode::default(),
            };
            match self.byte(0) {
                Some(b'\n') => {
                    self.at += 1;
                    if self.blocked || !self.pending.is_empty() {
                        return self
                            .lose(self.at - 1..self.at, "a line break in `[[ ]]`, on the line of a here-document");
                    }
                }
                Some(b'#') => self.comment(),
                Some(b'(') if mode.regex => words.push(self.word(mode)),
                // Operators separate operands as words do.
                Some(b'&' | b'|' | b'(' | b')' | b'<' | b'>' | b';') => {
                    words.push(Word { expanded: true, ..Word::default() });
                    self.at += 1;
                }
                None if self.peek().is_none() => return self.unclosed(open..open + 2, "`[[`"),
                _ => {
                    let word = self.word(mode);
                    if word.keyword() == Some(b"]]") {
                        break;
                    }
                    words.push(word);
                }
            }
        }
        self.operands(&words.iter().collect::<Vec<_>>(), Demand::Integer);
    }

    /// Operands that the shell computes with, or takes for the name of a variable.
    fn operands(&mut self, words: &[&Word], demand: Demand) {
        for (i, word) in words.iter().enumerate() {
            let Some(operator) = word.literal() else { continue };
            if COMPUTING.contains(&operator) {
                let sides = [i.checked_sub(1), Some(i + 1)].into_iter().flatten();
                for hole in sides.filter_map(|side| words.get(side)).flat_map(|word| &word.holes) {
                    self.found.demand(*hole, demand);
                }
            }
            let Some(next) = words.get(i + 1) else { continue };
            match operator {
                b"-t" => next.holes.iter().for_each(|hole| self.found.demand(*hole, demand)),
                b"-v" | b"-R" => {
                    let name: Arc<str> = String::from_utf8_lossy(operator).into();
                    next.holes.iter().for_each(|hole| self.found.problem(*hole, Problem::Variable(name.clone())));
                }
                _ => {}
            }
        }
    }
}

/// Whether a word directly before `<` or `>` is the number or name of a file descriptor.
fn is_descriptor(word: &Word) -> bool {
    word.keyword().is_some_and(|text| {
        let name = text.strip_prefix(b"{").and_then(|text| text.strip_suffix(b"}"));
        name.is_some() || (!text.is_empty() && text.iter().all(u8::is_ascii_digit))
    })
}
