//! Times, counts, names and words as people read them. Knows nothing of terminals.

use std::borrow::Cow;
use std::fmt::Write;

/// A length of time: `0.012 s`, `3.4 s`, `2 min 05 s`, `3 h 20 min`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..100 => format!("{:.3} s", ms as f64 / 1000.0),
        100..1_000 => format!("{:.2} s", ms as f64 / 1000.0),
        // Cut, not rounded: 59.96 s must not become `60.0 s`.
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms / 1000 % 60),
        3_600_000.. => format!("{} h {:02} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

/// A running clock: `0:07`, `12:34`, `1:02:03`.
pub fn clock(ms: u64) -> String {
    let s = ms / 1000;
    if s < 3600 {
        format!("{}:{:02}", s / 60, s % 60)
    } else {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// A size: `17 B`, `3.4 KiB`, `1.2 GiB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") }
}

/// `1 task`, `2 tasks`.
pub fn counted(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Text that cannot move the cursor or change colours: control characters are shown as escapes.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\t' => out.push('\t'),
            c if c.is_control() => {
                let _ = write!(out, "{}", c.escape_default());
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// One word of a shell command, quoted where it must be: `'align[3]'`.
pub fn shell_word(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| format!("{text:?}"), Cow::into_owned)
}

/// The path of the node of an instance: `process_data[2].compute` is one of `process_data.compute`.
pub fn node_of(instance: &str) -> String {
    let mut depth = 0u32;
    let mut out = String::with_capacity(instance.len());
    for c in instance.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// At most `width` characters, the end cut off for an ellipsis.
pub fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    Cow::Owned(out)
}

/// Lines of at most `width` characters, broken at blanks; a longer word stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if used > 0 && used + 1 + len > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += len;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_never_round_up_to_the_next_unit() {
        let shown: Vec<_> = [0, 12, 120, 3_449, 59_960, 60_000, 125_000, 3_599_999, 12_000_000].map(duration).into();
        assert_eq!(
            shown,
            [
                "0.000 s",
                "0.012 s",
                "0.12 s",
                "3.4 s",
                "59.9 s",
                "1 min 00 s",
                "2 min 05 s",
                "59 min 59 s",
                "3 h 20 min"
            ]
        );
        assert_eq!([0, 7_900, 754_000, 3_723_000].map(clock), ["0:00", "0:07", "12:34", "1:02:03"]);
    }

    #[test]
    fn names_cannot_draw() {
        assert_eq!(plain("align[\u{1b}[2Ja\nb]"), "align[\\u{1b}[2Ja\\nb]");
        assert_eq!(shell_word("align[3]"), "'align[3]'");
        assert_eq!(node_of("process_data[a[1]].compute"), "process_data.compute");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
    }
}
