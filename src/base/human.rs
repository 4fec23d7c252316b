//! Clocks, names and words as people read them, safe for a terminal. Counts, sizes and times are in `text`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::fmt::Write;

/// A running clock: `0:07`, `12:34`, `1:02:03`.
pub fn clock(ms: u64) -> String {
    let s = ms / 1000;
    if s < 3600 {
        format!("{}:{:02}", s / 60, s % 60)
    } else {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// A moment in a time zone, in milliseconds since the epoch: `2026-11-21 01:42:03 UTC`, `2026-11-21 02:42:03 +01:00`.
pub fn moment(ms: u64, zone: &TimeZone) -> String {
    let Ok(stamp) = Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX)) else {
        return "an unknown time".to_owned();
    };
    let there = stamp.to_zoned(zone.clone());
    let form = if there.offset().is_zero() { "%Y-%m-%d %H:%M:%S UTC" } else { "%Y-%m-%d %H:%M:%S %:z" };
    there.strftime(form).to_string()
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
    fn a_clock_counts_up() {
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
