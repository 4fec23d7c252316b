//! Glob patterns as text: which folder a pattern begins in, and the names that its files have while they are made.

use crate::base::Digest;

/// How the names of files and folders begin that belong to an attempt at work: what it makes, what stood there before,
/// and what is on its way back.
pub const UNDER_WAY: [&[u8]; 3] = [b".part.", b".kept.", b".back."];

/// A pattern, taken apart at its first part with a wild card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The folder before it, as a path: `results/x`; empty for the folder itself that the pattern is relative to.
    pub folder: Vec<u8>,
    /// What follows, a pattern still: `part_*.csv`.
    pub rest: Vec<u8>,
}

/// Takes a pattern apart. `[*]` and its like, which is how a value stands in a pattern, are no wild cards.
pub fn split(pattern: &[u8]) -> Split {
    let parts: Vec<&[u8]> = pattern.split(|&b| b == b'/').collect();
    let fixed = parts.iter().take(parts.len() - 1).map_while(|part| plain(part)).collect::<Vec<_>>();
    let rest = parts[fixed.len()..].join(&b'/');
    let mut folder = fixed.join(&b'/');
    if folder.is_empty() && fixed.len() == 1 {
        folder.push(b'/');
    }
    Split { folder, rest }
}

/// The name that a part of a pattern stands for; `None` when it has a wild card.
fn plain(part: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'[', [one @ (b'*' | b'?' | b'[' | b']'), b']', after @ ..]) => {
                name.push(*one);
                rest = after;
            }
            (b'*' | b'?' | b'[', _) => return None,
            (byte, _) => name.push(*byte),
        }
    }
    Some(name)
}

/// The text that every path of the pattern begins with.
pub fn beginning(pattern: &[u8]) -> Vec<u8> {
    let wild = pattern.iter().position(|b| b"*?[".contains(b)).unwrap_or(pattern.len());
    pattern[..wild].to_vec()
}

impl Split {
    /// A name for the whole of what matches, for folders beside it: the same for every attempt, run and host, and
    /// another one for every other pattern of the folder.
    pub fn name(&self) -> Vec<u8> {
        const LONGEST: usize = 100;
        let plain = |byte: &u8| if byte.is_ascii_alphanumeric() || b"._-".contains(byte) { *byte } else { b'_' };
        let mut name: Vec<u8> = self.rest.iter().take(LONGEST).map(plain).collect();
        name.push(b'.');
        name.extend_from_slice(&Digest::of(&self.rest).to_string().as_bytes()[..8]);
        name
    }

    /// A path in the folder.
    pub fn beside(&self, name: &[u8]) -> Vec<u8> {
        match self.folder.as_slice() {
            [] => name.to_vec(),
            [.., b'/'] => [&self.folder, name].concat(),
            folder => [folder, b"/", name].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_begins_in_a_folder() {
        let shown = |pattern: &str| {
            let Split { folder, rest } = split(pattern.as_bytes());
            format!("{} | {}", String::from_utf8_lossy(&folder), String::from_utf8_lossy(&rest))
        };
        assert_eq!(shown("results/x/part_*.csv"), "results/x | part_*.csv");
        assert_eq!(shown("*.csv"), " | *.csv");
        assert_eq!(shown("/*.csv"), "/ | *.csv");
        assert_eq!(shown("/tmp/a/**/x"), "/tmp/a | **/x");
        assert_eq!(shown("a[[]1[]]/b?/c"), "a[1] | b?/c");
        assert_eq!(shown("a[12]/c"), " | a[12]/c");
        assert_eq!(shown("a/x[*]"), "a | x[*]");
    }

    #[test]
    fn every_pattern_of_a_folder_has_its_own_name() {
        let name = |pattern: &str| String::from_utf8(split(pattern.as_bytes()).name()).expect("text");
        assert_eq!(name("a/part_*.csv"), name("b/part_*.csv"));
        assert!(name("part_*.csv").starts_with("part__.csv."), "{}", name("part_*.csv"));
        assert_ne!(name("part_*.csv"), name("part_?.csv"));
    }
}
