//! Values that are handed to a process and kept nowhere: found, and blotted out of what the process says.
//! A value is never part of a message, and nothing here can be printed.

use super::fault::{At, Fault, FaultKind, Result};
use crate::lang::model::SecretFrom;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A shorter secret would be found in ordinary text everywhere.
const SHORTEST: usize = 4;

/// A line of a secret of several lines is blotted out by itself from this length on.
const SHORTEST_LINE: usize = 8;

/// What stands in place of a secret.
pub const BLOT: &[u8] = b"***";

/// The value of a secret: what the variable holds, or the file less its final newline.
///
/// # Errors
/// When it is not there, and when it is no secret: empty, very short, with a NUL in it.
pub fn value(from: &SecretFrom, project: &Path) -> Result<Vec<u8>> {
    let (value, what) = match from {
        SecretFrom::Env(name) => {
            let missing = || {
                let help = format!("set it where flowrun is started: `export {name}=…`");
                Fault::new(FaultKind::Missing, format!("the variable `{name}` is not set")).help(help)
            };
            (std::env::var_os(&**name).ok_or_else(missing)?.into_vec(), format!("the variable `{name}`"))
        }
        SecretFrom::File(path) => {
            let full = place(path, project);
            let mut bytes = std::fs::read(&full).at("read", &full)?;
            while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                bytes.pop();
            }
            (bytes, format!("the file `{}`", full.display()))
        }
    };
    let problem = match value.len() {
        0 => "is empty".to_owned(),
        1..SHORTEST => format!("has fewer than {SHORTEST} bytes, too few to be told from other text in a log"),
        _ if value.contains(&0) => "holds a NUL byte, which no process can be given".to_owned(),
        _ => return Ok(value),
    };
    Err(Fault::new(FaultKind::Other, format!("{what} {problem}")))
}

/// A path of the project; `~/` is the user's home.
fn place(path: &str, project: &Path) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => project.join(path),
    }
}

/// The forms in which secrets are looked for: each whole, as JSON writes it, and its longer lines.
#[derive(Clone, Default)]
pub struct Blotter {
    forms: Vec<Vec<u8>>,
    /// Which bytes some form begins with.
    begins: Vec<bool>,
}

impl Blotter {
    /// For these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for secret in secrets {
            forms.push(secret.to_vec());
            if let Ok(text) = std::str::from_utf8(secret)
                && let Ok(json) = serde_json::to_string(text)
            {
                forms.push(json.as_bytes()[1..json.len() - 1].to_vec());
            }
            let lines = secret.split(|b| matches!(b, b'\n' | b'\r'));
            forms.extend(lines.filter(|line| line.len() >= SHORTEST_LINE).map(<[u8]>::to_vec));
        }
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        let mut begins = vec![false; 256];
        forms.iter().for_each(|form| begins[usize::from(form[0])] = true);
        Self { forms, begins }
    }

    /// Whether there is something to look for.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Whether a secret stands in it.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        (0..bytes.len()).any(|at| self.length_at(&bytes[at..]).is_some())
    }

    /// The text without secrets.
    pub fn blot(&self, text: &str) -> String {
        let mut stream = Stream::new(self.clone());
        let mut out = Vec::with_capacity(text.len());
        stream.take(text.as_bytes(), &mut out);
        stream.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// How long the longest form that stands first is.
    fn length_at(&self, bytes: &[u8]) -> Option<usize> {
        if !self.begins[usize::from(*bytes.first()?)] {
            return None;
        }
        self.forms.iter().find(|form| bytes.starts_with(form)).map(Vec::len)
    }

    /// Whether more bytes could make a form, or a longer one, of what stands here to the end.
    fn may_begin(&self, bytes: &[u8]) -> bool {
        self.begins[usize::from(bytes[0])]
            && self.forms.iter().any(|form| form.len() > bytes.len() && form.starts_with(bytes))
    }
}

/// Blots secrets out of a stream that comes in pieces, wherever it is cut.
pub struct Stream {
    blotter: Blotter,
    /// What may be the beginning of a secret, not yet written.
    held: Vec<u8>,
    /// How many bytes of `held` belong to a secret that was blotted out already.
    covered: usize,
    /// Whether something was blotted out.
    pub found: bool,
}

impl Stream {
    /// Before anything has come.
    pub fn new(blotter: Blotter) -> Self {
        Self { blotter, held: Vec::new(), covered: 0, found: false }
    }

    /// Takes the next piece; what is certain is appended to `out`.
    pub fn take(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(piece);
        let mut at = 0;
        while at < self.held.len() {
            let rest = &self.held[at..];
            if self.blotter.may_begin(rest) {
                break;
            }
            if let Some(length) = self.blotter.length_at(rest) {
                // One that overlaps the last one is blotted out with it.
                if self.covered <= at {
                    out.extend_from_slice(BLOT);
                }
                self.covered = self.covered.max(at + length);
                self.found = true;
            }
            if at >= self.covered {
                out.push(rest[0]);
            }
            at += 1;
        }
        self.held.drain(..at);
        self.covered = self.covered.saturating_sub(at);
    }

    /// The end: what was held back is written, a secret in it or half of one is not.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let mut held = std::mem::take(&mut self.held);
        let mut covered = std::mem::take(&mut self.covered);
        while !held.is_empty() {
            let half = self.blotter.forms.iter().any(|form| held.len() * 2 >= form.len() && form.starts_with(&held));
            if half && covered < held.len() {
                if covered == 0 {
                    out.extend_from_slice(BLOT);
                }
                self.found = true;
                return;
            }
            if let Some(length) = self.blotter.length_at(&held) {
                if covered == 0 {
                    out.extend_from_slice(BLOT);
                }
                covered = covered.max(length);
                self.found = true;
            }
            if covered == 0 {
                out.push(held[0]);
            }
            held.remove(0);
            covered = covered.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cut(secrets: &[&[u8]], text: &[u8], size: usize) -> Vec<u8> {
        let mut stream = Stream::new(Blotter::new(secrets.iter().copied()));
        let mut out = Vec::new();
        text.chunks(size).for_each(|piece| stream.take(piece, &mut out));
        stream.finish(&mut out);
        out
    }

    /// However the stream is cut, the same comes out.
    fn all_cuts(secrets: &[&[u8]], text: &[u8]) -> String {
        let whole = cut(secrets, text, text.len().max(1));
        for size in 1..text.len() {
            assert_eq!(cut(secrets, text, size), whole, "cut into {size}");
        }
        String::from_utf8_lossy(&whole).into_owned()
    }

    #[test]
    fn a_secret_is_found_wherever_the_stream_is_cut() {
        assert_eq!(all_cuts(&[b"hunter22"], b"a hunter22 b hunterhunter22\nhun"), "a *** b hunter***\nhun");
        assert_eq!(all_cuts(&[b"hunter22"], b"hunter2"), "***", "all but its last byte");
        assert_eq!(all_cuts(&[b"aaaab"], b"aaaaaaaaaab aaaa"), "aaaaaa*** ***");
        assert_eq!(all_cuts(&[b"\x00\xff\xfe\x01"], b"\xff\x00\xff\xfe\x01\xff\x00\xff"), "\u{fffd}***\u{fffd}***");
    }

    #[test]
    fn secrets_that_overlap_leave_nothing() {
        assert_eq!(all_cuts(&[b"abcd", b"cdef"], b"xabcdefx abcd cdef"), "x***x *** ***");
        assert_eq!(all_cuts(&[b"abcd", b"abcdefgh"], b"abcdefgh abcdefg abcd"), "*** ***efg ***");
    }

    #[test]
    fn other_forms_of_a_secret() {
        let key = b"-----BEGIN-----\nMIIEvQIBADAN\nshort\n-----END-----";
        assert_eq!(all_cuts(&[key], b"got MIIEvQIBADAN and short"), "got *** and short");
        assert_eq!(all_cuts(&[b"a\"b\\c\td"], b"{\"x\":\"a\\\"b\\\\c\\td\"}"), "{\"x\":\"***\"}");
        assert!(Blotter::new([&b"1234"[..]]).finds(b"n=12345"));
    }
}
