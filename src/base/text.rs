//! Text for people: near names, lists of names, counts, sizes and times. The one "did you mean" of the house.

use std::fmt::Write;

/// What is wrong with something that a person wrote, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One sentence without a full stop.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without a way out.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }
    /// The way out.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

/// The candidate that was most likely meant by `name`; `None` when none is near enough.
///
/// Near is one slip in a name of three letters, and one more for every three letters; letters of another case and
/// `-` for `_` are no slip. Of equally near candidates the first one wins.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let name = fold(name);
    let limit = name.chars().count() / 3;
    let near = candidates.into_iter().filter_map(|candidate| {
        let slips = strsim::damerau_levenshtein(&name, &fold(candidate));
        (slips <= limit).then_some((slips, candidate))
    });
    near.min_by_key(|(slips, _)| *slips).map(|(_, candidate)| candidate)
}

/// The last place at or before `at` that lies between two characters.
pub fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// "did you mean `x`?" when some candidate is near.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    suggest(name, candidates).map(|near| format!("did you mean {}?", quote(near)))
}

/// The text in back-ticks, control characters escaped, long text cut in the middle of its line.
pub fn quote(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut out = String::from("`");
    for (i, c) in text.chars().enumerate() {
        if i == LONGEST {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// "`a`, `b` and `c`".
pub fn and<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    join(names, "and")
}

/// "`a`, `b` or `c`".
pub fn or<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    join(names, "or")
}

fn join<'a>(names: impl IntoIterator<Item = &'a str>, word: &str) -> String {
    let mut quoted: Vec<String> = names.into_iter().map(quote).collect();
    match quoted.pop() {
        None => String::new(),
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} {word} {last}", quoted.join(", ")),
    }
}

/// "1 task", "2 tasks", "0 tasks"; `noun` is the singular, its plural is regular.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{n} {stem}ies"),
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") => format!("{n} {noun}es"),
        _ => format!("{n} {noun}s"),
    }
}

/// "a string", "an int".
pub fn article(noun: &str) -> String {
    let an = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if an { "an" } else { "a" })
}

/// A size for people, to two or three figures: "0 B", "512 MiB", "1.5 GiB".
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 {
        amount /= 1024.0;
        unit += 1;
    }
    let mut out = String::new();
    let digits = usize::from(amount < 10.0 && amount.fract() >= 0.05 && unit > 0);
    let _ = write!(out, "{amount:.digits$} {}", UNITS[unit]);
    out
}

/// A span of time for people, from milliseconds: "12 ms", "1.5 s", "42 s", "3m04s", "2h05m", "1d03h".
pub fn elapsed(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..10 => format!("{s}.{} s", ms % 1000 / 100),
        10..60 => format!("{s} s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let keys = ["command", "argv", "script", "outputs", "max_parallel", "as", "when"];
        assert_eq!(suggest("comand", keys), Some("command"));
        assert_eq!(suggest("Command", keys), Some("command"));
        assert_eq!(suggest("max-paralel", keys), Some("max_parallel"));
        assert_eq!(suggest("wehn", keys), Some("when"));
        assert_eq!(suggest("outptus", keys), Some("outputs"));
        assert_eq!(suggest("AS", keys), Some("as"));
        assert_eq!(suggest("at", keys), None);
        assert_eq!(suggest("x", keys), None);
        assert_eq!(suggest("colour", keys), None);
        assert_eq!(did_you_mean("scirpt", keys).as_deref(), Some("did you mean `script`?"));
    }

    #[test]
    fn lists_and_counts_read_as_sentences() {
        assert_eq!(and([]), "");
        assert_eq!(and(["a"]), "`a`");
        assert_eq!(or(["a", "b"]), "`a` or `b`");
        assert_eq!(and(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(quote("a\n\u{1b}b"), "`a\\n\\u{1b}b`");
        assert_eq!(quote(&"x".repeat(200)), format!("`{}…`", "x".repeat(120)));
        assert_eq!(
            [count(0, "task"), count(1, "entry"), count(2, "entry"), count(3, "key"), count(2, "branch")],
            ["0 tasks", "1 entry", "2 entries", "3 keys", "2 branches"]
        );
        assert_eq!([article("int"), article("string")], ["an int", "a string"]);
    }

    #[test]
    fn sizes_and_times_are_short() {
        let sizes = [0, 1023, 1024, 1536, 512 << 20, 3 << 30, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1 KiB", "1.5 KiB", "512 MiB", "3 GiB", "16 EiB"]);
        let times = [0, 999, 1_550, 42_000, 184_000, 7_500_000, 97_200_000].map(elapsed);
        assert_eq!(times, ["0 ms", "999 ms", "1.5 s", "42 s", "3m04s", "2h05m", "1d03h"]);
    }
}
