//! Paths before they are known: patterns made of text and holes, whether two of them can name one file, and an index
//! that finds those that can without asking every pair.

use rustc_hash::FxHashMap;

/// What is known of a path: text with holes, relative to the project where it lies in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Pattern(Vec<Token>);

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Token {
    Byte(u8),
    /// One byte other than `/`: `?` or `[…]` of a glob.
    One,
    /// Any bytes other than `/`: `*` of a glob.
    Star,
    /// Any bytes: `**` of a glob, or what lies in a directory.
    Deep,
    /// A value that is not known; equal numbers mean equal values.
    Hole(u32),
}

/// How sure a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// Only if a value has a `/` in it.
    Maybe,
    /// As far as the patterns tell.
    Yes,
}

impl Pattern {
    pub fn text(&mut self, text: &str) {
        self.0.extend(text.bytes().map(Token::Byte));
    }

    pub fn hole(&mut self, value: u32) {
        self.0.push(Token::Hole(value));
    }

    /// Text of the file itself in which `* ? [` are a glob's.
    pub fn glob(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            let token = match first {
                b'*' if rest.first() == Some(&b'*') => {
                    rest = &rest[1..];
                    // `a/**/b` is also `a/b`
                    if rest.first() == Some(&b'/') && matches!(self.0.last(), None | Some(Token::Byte(b'/'))) {
                        rest = &rest[1..];
                    }
                    Token::Deep
                }
                b'*' => Token::Star,
                b'?' => Token::One,
                b'[' if rest.len() > 1 && rest[1] == b']' && rest[0] != b'!' => {
                    let one = Token::Byte(rest[0]);
                    rest = &rest[2..];
                    one
                }
                b'[' => {
                    if let Some(end) = rest.iter().skip(1).position(|b| *b == b']') {
                        rest = &rest[end + 2..];
                    }
                    Token::One
                }
                byte => Token::Byte(*byte),
            };
            self.0.push(token);
        }
    }

    pub fn append(&mut self, other: &Pattern) {
        self.0.extend(&other.0);
    }

    /// Everything in this directory.
    pub fn inside(&self) -> Pattern {
        let mut inside = self.clone();
        inside.0.push(Token::Byte(b'/'));
        inside.0.push(Token::Deep);
        inside
    }

    /// The folders around it, the outermost first.
    pub fn folders(&self) -> impl Iterator<Item = Pattern> {
        let slash = |(i, token): (usize, &Token)| (i > 0 && *token == Token::Byte(b'/')).then_some(i);
        self.0.iter().enumerate().filter_map(slash).map(|end| Pattern(self.0[..end].to_vec()))
    }

    /// Whether it holds no value that is not known.
    pub fn is_known(&self) -> bool {
        self.holes().next().is_none()
    }

    /// The text when there is no hole.
    pub fn literal(&self) -> Option<String> {
        let bytes = self.0.iter().map(|token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        });
        bytes.collect::<Option<Vec<u8>>>().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether some text of the file itself stands in it: a pattern that is one value says nothing of its path.
    pub fn has_text(&self) -> bool {
        self.0.iter().any(|token| matches!(token, Token::Byte(byte) if !b"/.".contains(byte)))
    }

    /// Without `./`, `//` and `x/..`, and relative when it lies in the project.
    pub fn normal(self, project: Option<&str>) -> Pattern {
        let mut tokens = self.0;
        if let Some(project) = project.filter(|p| !p.is_empty()) {
            let inside = || project.trim_end_matches('/').bytes().chain([b'/']).map(Token::Byte);
            if tokens.iter().copied().zip(inside()).filter(|(a, b)| a == b).count() == inside().count() {
                tokens.drain(..inside().count());
            }
        }
        let slash = Token::Byte(b'/');
        if is_normal(&tokens) {
            return Pattern(tokens);
        }
        let absolute = tokens.first() == Some(&slash);
        let mut parts: Vec<Vec<Token>> = Vec::new();
        for part in tokens.split(|token| *token == slash) {
            let dots = |n: usize| part.len() == n && part.iter().all(|t| *t == Token::Byte(b'.'));
            if part.is_empty() || dots(1) {
                continue;
            }
            let known = parts.last().is_some_and(|last| {
                last.iter().all(|t| matches!(t, Token::Byte(_))) && *last != [Token::Byte(b'.'), Token::Byte(b'.')]
            });
            if dots(2) && known {
                parts.pop();
                continue;
            }
            parts.push(part.to_vec());
        }
        let mut out = if absolute { vec![slash] } else { Vec::new() };
        out.extend(parts.join(&slash));
        Pattern(out)
    }

    /// The bytes before the first hole.
    fn prefix(&self) -> Vec<u8> {
        let bytes = self.0.iter().map_while(|token| match token {
            Token::Byte(byte) => Some(*byte),
            _ => None,
        });
        bytes.collect()
    }

    /// Whether some path fits both.
    pub fn meets(&self, other: &Pattern) -> Option<Match> {
        if meet(&self.0, &other.0, false) {
            Some(Match::Yes)
        } else if self.holes().chain(other.holes()).next().is_some() && meet(&self.0, &other.0, true) {
            Some(Match::Maybe)
        } else {
            None
        }
    }

    fn holes(&self) -> impl Iterator<Item = &Token> {
        self.0.iter().filter(|token| matches!(token, Token::Hole(_)))
    }
}

/// Whether nothing is left for [`Pattern::normal`] to do: no empty part, and none of dots alone.
fn is_normal(tokens: &[Token]) -> bool {
    let (slash, dot) = (Token::Byte(b'/'), Token::Byte(b'.'));
    let mut dots = Some(0);
    for (i, token) in tokens.iter().enumerate() {
        if *token == slash {
            if i > 0 && matches!(dots, Some(0..=2)) {
                return false;
            }
            dots = Some(0);
        } else if *token == dot {
            dots = dots.map(|n| n + 1);
        } else {
            dots = None;
        }
    }
    !matches!(dots, Some(0..=2)) || tokens.is_empty()
}

/// Whether some path fits both; of each it is said whether it is a glob pattern or the text of a path.
pub fn may_meet(a: (&[u8], bool), b: (&[u8], bool)) -> bool {
    let pattern = |(text, glob): (&[u8], bool)| {
        let mut pattern = Pattern::default();
        let text = String::from_utf8_lossy(text);
        if glob {
            pattern.glob(&text)
        } else {
            pattern.text(&text)
        }
        pattern
    };
    pattern(a).meets(&pattern(b)).is_some()
}

/// Whether a text's own characters make it a glob. Its `{{ … }}` do not count.
pub fn is_glob(text: &str) -> bool {
    crate::lang::expr::literals(text).any(|literal| literal.contains(['*', '?', '[']))
}

/// Whether two patterns have a path in common: walks both at once over all pairs of positions.
fn meet(a: &[Token], b: &[Token], holes_cross: bool) -> bool {
    // crosses: may it swallow a slash?
    let many = |token: &Token| match token {
        Token::Star => Some(false),
        Token::Hole(_) => Some(holes_cross),
        Token::Deep => Some(true),
        Token::Byte(_) | Token::One => None,
    };
    let width = b.len() + 1;
    let mut seen = vec![false; (a.len() + 1) * width];
    let mut stack = vec![(0, 0)];
    while let Some((i, j)) = stack.pop() {
        if std::mem::replace(&mut seen[i * width + j], true) {
            continue;
        }
        if i == a.len() && j == b.len() {
            return true;
        }
        let (x, y) = (a.get(i), b.get(j));
        // a wild card may stand for nothing
        if x.and_then(many).is_some() {
            stack.push((i + 1, j));
        }
        if y.and_then(many).is_some() {
            stack.push((i, j + 1));
        }
        let (Some(x), Some(y)) = (x, y) else { continue };
        let takes_slash = |token: &Token| match token {
            Token::Byte(byte) => *byte == b'/',
            other => many(other) == Some(true),
        };
        let fits = match (x, y) {
            (Token::Byte(p), Token::Byte(q)) => p == q,
            (Token::Byte(b'/'), other) | (other, Token::Byte(b'/')) => takes_slash(other),
            _ => true,
        };
        if fits {
            // one byte is taken by both; a wild card may go on
            let next_i: &[usize] = if many(x).is_some() { &[i, i + 1] } else { &[i + 1] };
            let next_j: &[usize] = if many(y).is_some() { &[j, j + 1] } else { &[j + 1] };
            for i in next_i {
                stack.extend(next_j.iter().map(|j| (*i, *j)));
            }
        }
    }
    false
}

/// Patterns by their literal beginning.
#[derive(Default)]
pub(super) struct Index {
    patterns: Vec<Pattern>,
    literals: FxHashMap<Vec<u8>, Vec<u32>>,
    /// Literals in order, for those that begin with a given text. Built on the first such question.
    sorted: Vec<(Vec<u8>, u32)>,
    /// Patterns with holes by what stands before the first.
    open: FxHashMap<Vec<u8>, Vec<u32>>,
    open_sorted: Vec<(Vec<u8>, u32)>,
    lengths: Vec<usize>,
}

impl Index {
    pub fn new(patterns: Vec<Pattern>) -> Self {
        let mut index = Index::default();
        for (i, pattern) in patterns.iter().enumerate() {
            let prefix = pattern.prefix();
            if prefix.len() == pattern.0.len() {
                index.sorted.push((prefix.clone(), i as u32));
                index.literals.entry(prefix).or_default().push(i as u32);
            } else {
                index.lengths.push(prefix.len());
                index.open_sorted.push((prefix.clone(), i as u32));
                index.open.entry(prefix).or_default().push(i as u32);
            }
        }
        index.patterns = patterns;
        index.sorted.sort_unstable();
        index.open_sorted.sort_unstable();
        index.lengths.sort_unstable();
        index.lengths.dedup();
        index
    }

    /// The positions of all patterns that may name a path that `pattern` names too.
    pub fn meeting(&self, pattern: &Pattern) -> Vec<(u32, Match)> {
        let prefix = pattern.prefix();
        let literal = prefix.len() == pattern.0.len();
        let mut found: Vec<(u32, Match)> = Vec::new();
        let mut candidates: Vec<u32> = Vec::new();
        if literal {
            found.extend(self.literals.get(&prefix).into_iter().flatten().map(|i| (*i, Match::Yes)));
        } else {
            candidates.extend(beginning(&self.sorted, &prefix));
            candidates.extend(beginning(&self.open_sorted, &prefix));
        }
        // those whose own beginning is a beginning of this one's, equal ones taken above
        for len in self.lengths.iter().filter(|len| **len <= prefix.len() && (literal || **len < prefix.len())) {
            candidates.extend(self.open.get(&prefix[..*len]).into_iter().flatten());
        }
        found.extend(candidates.into_iter().filter_map(|i| Some((i, self.patterns[i as usize].meets(pattern)?))));
        found.sort_unstable();
        found
    }
}

fn beginning<'a>(sorted: &'a [(Vec<u8>, u32)], prefix: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
    let from = sorted.partition_point(|(text, _)| text.as_slice() < prefix);
    sorted[from..].iter().take_while(move |(text, _)| text.starts_with(prefix)).map(|(_, i)| *i)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `{x}` is a hole, `* ? [` are a glob's.
    fn pattern(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').unwrap();
            pattern.glob(before);
            pattern.hole(name.len() as u32);
            rest = tail;
        }
        pattern.glob(rest);
        pattern.normal(Some("/home/me/project"))
    }

    #[test]
    fn patterns_meet_where_one_path_fits_both() {
        let meets = |a: &str, b: &str| pattern(a).meets(&pattern(b));
        for (a, b) in [
            ("a/b.txt", "./a//x/../b.txt"),
            ("/home/me/project/a", "a"),
            ("out/*.bam", "out/{s}.bam"),
            ("out/x.bam", "out/{s}.bam"),
            ("{a}/x.bam", "out/{s}.bam"),
            ("out/**", "out/a/b/c"),
            ("out/**/c.txt", "out/c.txt"),
            ("out/?.t[xy]t", "out/a.txt"),
            ("*a*b*", "xaybz"),
        ] {
            assert_eq!(meets(a, b), Some(Match::Yes), "{a} {b}");
            assert_eq!(meets(b, a), Some(Match::Yes), "{b} {a}");
        }
        for (a, b) in [("{s}.bam", "data/x.bam"), ("out/{s}", "out/a/b")] {
            assert_eq!(meets(a, b), Some(Match::Maybe), "{a} {b}");
        }
        for (a, b) in [("out/*.bam", "out/{s}.bai"), ("*.txt", "a/b.txt"), ("../a", "a"), ("out/{s}.bam", "in/{s}.bam")]
        {
            assert_eq!(meets(a, b), None, "{a} {b}");
            assert_eq!(meets(b, a), None, "{b} {a}");
        }
    }

    #[test]
    fn paths_become_normal() {
        let shown = |text: &str| pattern(text).literal().unwrap();
        for (written, normal) in [
            ("a/b", "a/b"),
            ("/a", "/a"),
            ("./a/.//b/", "a/b"),
            ("a/../b", "b"),
            ("../a/..", ".."),
            ("..a/...", "..a/..."),
            ("/home/me/project/x", "x"),
            ("/home/me/projects", "/home/me/projects"),
            ("/", "/"),
            (".", ""),
        ] {
            assert_eq!(shown(written), normal);
        }
    }

    #[test]
    fn a_directory_holds_what_lies_in_it() {
        let dir = pattern("out/index").inside();
        assert_eq!(dir.meets(&pattern("out/index/x/y.idx")), Some(Match::Yes));
        assert_eq!(dir.meets(&pattern("out/index")), None);
        assert_eq!(dir.meets(&pattern("out/index2/x")), None);
    }

    proptest::proptest! {
        #[test]
        fn the_index_finds_what_a_look_at_every_pair_finds(
            texts in proptest::collection::vec("[ab/]{0,3}(\\*|\\*\\*|\\?|\\{x\\}|)[ab/]{0,3}", 1..12),
            asked in "[ab/]{0,3}(\\*|\\*\\*|\\?|\\{x\\}|)[ab/]{0,3}",
        ) {
            let patterns: Vec<Pattern> = texts.iter().map(|t| pattern(t)).collect();
            let asked = pattern(&asked);
            let each = patterns.iter().enumerate();
            let mut slow: Vec<_> = each.filter_map(|(i, p)| Some((i as u32, p.meets(&asked)?))).collect();
            slow.sort_unstable();
            proptest::prop_assert_eq!(Index::new(patterns).meeting(&asked), slow);
        }
    }
}
