//! Reads a command once, from its literal text alone.

use super::{Lists, Place, Reading, Spot};
use std::ops::Range;

/// The state of the shell at each hole; the holes are ranges of the text, in order.
pub fn read(text: &str, holes: &[Range<usize>]) -> Reading {
    let mut reading = Reading::default();
    let (mut at, mut place) = (0, Place::Word);
    for hole in holes.iter().chain([&(text.len()..text.len())]) {
        for byte in text[at..hole.start].bytes() {
            place = match (place, byte) {
                (Place::Word, b'"') => Place::Double,
                (Place::Word, b'\'') => Place::Single,
                (Place::Double, b'"') | (Place::Single, b'\'') => Place::Word,
                _ => place,
            };
        }
        at = hole.end;
        let blank = |b: Option<&u8>| b.is_none_or(u8::is_ascii_whitespace);
        let alone = blank(text.as_bytes()[..hole.start].last()) && blank(text.as_bytes().get(hole.end));
        let lists = if alone && place == Place::Word { Lists::Words } else { Lists::Refused };
        reading.spots.push(Spot { place, integer: None, lists, backticks: false, problem: None });
    }
    reading.spots.pop();
    reading
}
