//! Amounts as the pipeline file writes them: `512MiB`, `1h30m`, `5%`.
//!
//! - Memory and disk: a number and one of `B kB MB GB TB PB` (powers of 1000) or `KiB MiB GiB TiB PiB` (powers of
//!   1024), in any case, with or without a space: `512MiB`, `4 GB`, `1.5gib`. A number alone is bytes. A fraction of
//!   a byte counts as a whole one. A lone `K M G T` is refused: tools disagree about what it means.
//! - Time: parts of `d h m s ms`, largest first, each at most once: `2d`, `1h30m`, `90s`, `1.5h`, `250ms`.
//!   A number alone is seconds. A fraction of a millisecond counts as a whole one.
//! - Shares: a percentage from 0 to 100: `5%`, `0.5%`.

use crate::base::Value;
use crate::base::text::{Problem, article, quote};

const BYTE_UNITS: [(&str, u64); 12] = [
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
    ("", 1),
];

/// Largest first; milliseconds.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Bytes of a text such as `512MiB`.
pub fn parse_bytes(text: &str) -> Result<u64, Problem> {
    let wrong = || {
        Problem::new(format!("{} is not an amount of memory", quote(text)))
            .help("write a number and a unit: `512MiB`, `4GB`, `1.5GiB`; a number alone is bytes")
    };
    let (number, unit) = split_number(text.trim()).ok_or_else(wrong)?;
    let unit = unit.trim().to_ascii_lowercase();
    let factor = BYTE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (factor, unit.as_str()) {
        (Some(factor), _) => number.times(factor).ok_or_else(|| too_large(text)),
        (None, "k" | "m" | "g" | "t" | "p") => {
            let letter = unit.to_ascii_uppercase();
            let number = number.text;
            Err(Problem::new(format!("the unit of {} can be read in two ways", quote(text)))
                .help(format!("write `{number}{letter}iB` (powers of 1024) or `{number}{letter}B` (powers of 1000)")))
        }
        (None, _) => Err(wrong()),
    }
}

/// Milliseconds of a text such as `1h30m`.
pub fn parse_duration(text: &str) -> Result<u64, Problem> {
    const FORMS: &str = "write parts of `d`, `h`, `m`, `s`, `ms`, the largest first: `90s`, `10m`, `1h30m`, `2d`";
    let wrong = || Problem::new(format!("{} is not a duration", quote(text))).help(FORMS);
    let mut rest = text.trim();
    if rest.contains(':') || rest.contains('-') {
        return Err(match of_sbatch(rest) {
            // To other tools the first of two parts is hours.
            Some(ms) if rest.matches([':', '-']).count() == 1 && rest.contains(':') => {
                let (short, long) = (quote(&show_duration(ms)), quote(&show_duration(ms.saturating_mul(60))));
                wrong().help(format!("write the units: {short}, as `sbatch` reads it, or {long}"))
            }
            Some(ms) => wrong().help(format!("write the units: {}", quote(&show_duration(ms)))),
            None => wrong(),
        });
    }
    let mut total: u64 = 0;
    let mut next_unit = 0;
    while next_unit == 0 || !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(wrong)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = (after[..end].to_ascii_lowercase(), after[end..].trim_start());
        // a bare number is seconds, and then it is all there is
        let unit = if unit.is_empty() && next_unit == 0 && after.is_empty() { "s" } else { unit.as_str() };
        let position = TIME_UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
        if position < next_unit {
            return Err(Problem::new(format!("the parts of {} are out of order", quote(text))).help(FORMS));
        }
        let part = number.times(TIME_UNITS[position].1).ok_or_else(|| too_large(text))?;
        total = total.checked_add(part).ok_or_else(|| too_large(text))?;
        (next_unit, rest) = (position + 1, after);
    }
    Ok(total)
}

/// What `sbatch --time` makes of a text with colons: minutes and seconds, hours, minutes and seconds, and what follows
/// days: hours, minutes, seconds.
fn of_sbatch(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (Some(days.parse::<u64>().ok()?), clock),
        None => (None, text),
    };
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match (days, parts.as_slice()) {
        (_, [hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        (None, [minutes, seconds]) => (0, *minutes, *seconds),
        (Some(_), [hours]) => (*hours, 0, 0),
        (Some(_), [hours, minutes]) => (*hours, *minutes, 0),
        _ => return None,
    };
    let hours = days.unwrap_or(0).checked_mul(24)?.checked_add(hours)?;
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    minutes.checked_mul(60)?.checked_add(seconds)?.checked_mul(1000)
}

/// The share of a text such as `5%`, from 0 to 1.
pub fn parse_share(text: &str) -> Result<f64, Problem> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse::<f64>().ok());
    match number {
        Some(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => {
            Err(Problem::new(format!("{} is not a share", quote(text))).help("write a percentage from `0%` to `100%`"))
        }
    }
}

/// Bytes of a value: an integer, or a text as [`parse_bytes`] takes it.
pub fn bytes_of(value: &Value) -> Result<u64, Problem> {
    of_value(value, "an amount of memory", parse_bytes)
}

/// Milliseconds of a value: a number of seconds, or a text as [`parse_duration`] takes it.
pub fn duration_of(value: &Value) -> Result<u64, Problem> {
    of_value(value, "a duration", parse_duration)
}

fn of_value(value: &Value, what: &str, parse: fn(&str) -> Result<u64, Problem>) -> Result<u64, Problem> {
    match value {
        Value::Str(text) => parse(text),
        Value::Int(n) => parse(&n.to_string()),
        Value::Float(x) => parse(&x.to_string()),
        other => Err(Problem::new(format!("{} is not {what}", article(other.kind())))),
    }
}

/// The shortest text that [`parse_bytes`] reads back to the same number: `512MiB`, `1500B`.
pub fn show_bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 9] = [
        ("PiB", 1 << 50),
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("kB", 1000),
    ];
    match UNITS.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// The text that [`parse_duration`] reads back to the same number of milliseconds: `1h30m`, `0s`.
pub fn show_duration(ms: u64) -> String {
    let mut out = String::new();
    let mut rest = ms;
    for (unit, factor) in TIME_UNITS {
        if rest >= factor {
            out.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// A decimal number: its text, and its digits without the point.
struct Number<'a> {
    text: &'a str,
    digits: u128,
    decimals: u32,
}

impl Number<'_> {
    /// The product, rounded up; `None` when it does not fit.
    fn times(&self, factor: u64) -> Option<u64> {
        let product = self.digits.checked_mul(u128::from(factor))?;
        u64::try_from(product.div_ceil(10_u128.checked_pow(self.decimals)?)).ok()
    }
}

/// The number at the start, and what follows it.
fn split_number(text: &str) -> Option<(Number<'_>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some((Number { text: number, digits, decimals: u32::try_from(fraction.len()).ok()? }, rest))
}

fn too_large(text: &str) -> Problem {
    Problem::new(format!("{} is too large", quote(text)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_read_in_every_documented_form() {
        for (text, bytes) in [
            ("512MiB", 512 << 20),
            ("4GB", 4_000_000_000),
            ("1.5GiB", 3 << 29),
            ("1.5 gib", 3 << 29),
            ("0.5kB", 500),
            ("1024", 1024),
            ("0", 0),
            ("3B", 3),
            ("0.0001kB", 1),
            ("2.50TB", 2_500_000_000_000),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_memory_is_explained() {
        let help = "write a number and a unit: `512MiB`, `4GB`, `1.5GiB`; a number alone is bytes";
        for text in ["", "MiB", "lots", "-1GB", "1.GB", "1..2GB", "4 G B", "4GBs"] {
            let problem = parse_bytes(text).unwrap_err();
            assert_eq!(problem, Problem::new(format!("`{text}` is not an amount of memory")).help(help));
        }
        assert_eq!(
            parse_bytes("4G").unwrap_err(),
            Problem::new("the unit of `4G` can be read in two ways")
                .help("write `4GiB` (powers of 1024) or `4GB` (powers of 1000)")
        );
        assert_eq!(parse_bytes("20000PiB").unwrap_err(), Problem::new("`20000PiB` is too large"));
        assert_eq!(parse_bytes(&"9".repeat(60)).unwrap_err().help, Some(help.to_owned()));
    }

    #[test]
    fn durations_are_read_in_every_documented_form() {
        for (text, ms) in [
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("2d", 172_800_000),
            ("90s", 90_000),
            ("90", 90_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("0", 0),
            ("1d2h3m4s5ms", 93_784_005),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_explained() {
        let forms = "write parts of `d`, `h`, `m`, `s`, `ms`, the largest first: `90s`, `10m`, `1h30m`, `2d`";
        for text in ["", "soon", "10 minutes", "-5s", "5s 3", "h"] {
            assert_eq!(
                parse_duration(text).unwrap_err(),
                Problem::new(format!("`{text}` is not a duration")).help(forms)
            );
        }
        for text in ["30m1h", "1h1h"] {
            let message = format!("the parts of `{text}` are out of order");
            assert_eq!(parse_duration(text).unwrap_err(), Problem::new(message).help(forms));
        }
        assert_eq!(
            parse_duration("1:30").unwrap_err(),
            Problem::new("`1:30` is not a duration").help("write the units: `1m30s`, as `sbatch` reads it, or `1h30m`")
        );
        let help = |text: &str| parse_duration(text).unwrap_err().help.unwrap();
        assert_eq!(help("02:00:00"), "write the units: `2h`");
        assert_eq!(help("1-12"), "write the units: `1d12h`");
        assert_eq!(help("1-00:30"), "write the units: `1d30m`");
        assert!(help("1:2:3:4").starts_with("write parts of"));
        assert_eq!(parse_duration("300000000000d").unwrap_err(), Problem::new("`300000000000d` is too large"));
    }

    #[test]
    fn values_and_shares() {
        assert_eq!(bytes_of(&Value::Int(7)), Ok(7));
        assert_eq!(duration_of(&Value::Float(1.5)), Ok(1500));
        assert_eq!(bytes_of(&Value::Bool(true)), Err(Problem::new("a bool is not an amount of memory")));
        assert!(bytes_of(&Value::Int(-7)).is_err());
        assert_eq!(parse_share("5%"), Ok(0.05));
        assert_eq!(parse_share("100 %"), Ok(1.0));
        for text in ["5", "101%", "-1%", "nan%", "%"] {
            let expected = Problem::new(format!("`{text}` is not a share"));
            assert_eq!(parse_share(text), Err(expected.help("write a percentage from `0%` to `100%`")));
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(n: u64) {
            prop_assert_eq!(parse_bytes(&show_bytes(n)), Ok(n));
            prop_assert_eq!(parse_duration(&show_duration(n)), Ok(n));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.a-zA-Z%: ]{0,12}") {
            let _ = (parse_bytes(&text), parse_duration(&text), parse_share(&text));
        }
    }
}
