//! Here-documents: where a body ends, and what the shell expands in it.

use super::reader::{Around, Backtick, Pending, Reader, Unit, Word};
use super::{Place, Problem};

impl Reader<'_> {
    /// The bodies of the here-documents that began on the line that has just ended.
    pub(super) fn here_documents(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            if self.is_lost() {
                return;
            }
            self.here_document(pending);
        }
    }

    fn here_document(&mut self, pending: Pending) {
        let start = self.at;
        let mut continued = false;
        let end = loop {
            let line = self.at;
            if line >= self.units.len() {
                return self.unclosed(pending.at, "the here-document");
            }
            let mut text = Vec::new();
            let mut pure = true;
            while let Some(unit) = self.peek() {
                self.at += 1;
                match unit {
                    Unit::Byte(b'\n') => break,
                    Unit::Byte(byte) => text.push(byte),
                    Unit::Hole(_) => pure = false,
                }
            }
            let bare = match pending.doc.strips_tabs {
                true => &text[text.iter().take_while(|b| **b == b'\t').count()..],
                false => &text[..],
            };
            if pure && bare == pending.doc.delimiter {
                if continued && !pending.doc.quoted {
                    return self.lose(line..line + 1, "a delimiter behind a continued line");
                }
                break line;
            }
            continued = text.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1;
        };
        let doc = self.found.docs.len();
        let program = pending.program;
        self.found.docs.push(pending.doc);
        let after = self.at;
        let holes: Vec<usize> = self.units[start..end]
            .iter()
            .filter_map(|(_, unit)| match unit {
                Unit::Hole(hole) => Some(*hole),
                Unit::Byte(_) => None,
            })
            .collect();
        let body = &self.units[start..end];
        let mut inner =
            Reader { depth: self.depth + 1, nested: self.nested, ..Reader::new(body, self.found, self.backtick) };
        inner.here_body(doc);
        for hole in &holes {
            if self.backtick != Backtick::None {
                self.found.problem(*hole, Problem::Backticks);
            }
            // Also inside `$(…)`: the shell looks for the delimiter before it looks at anything else.
            if let Some(spot) = self.found.spot(*hole) {
                spot.docs.push(doc);
            }
        }
        if let Some(program) = program {
            self.found.handed_on.extend(holes.iter().map(|hole| (*hole, program.clone())));
        }
        self.at = after;
    }

    fn here_body(&mut self, doc: usize) {
        let quoted = self.found.docs[doc].quoted;
        let mut nothing = Word::default();
        while let Some(unit) = self.peek() {
            match unit {
                Unit::Hole(hole) => self.hole(hole, Place::HereDoc(doc)),
                Unit::Byte(b'\\') if !quoted => {
                    self.backslash();
                }
                Unit::Byte(b'$') if !quoted => self.dollar(Around::Bare, &mut nothing),
                Unit::Byte(b'`') if !quoted => self.backticks(Around::Bare, true),
                Unit::Byte(_) => self.at += 1,
            }
        }
    }
}
