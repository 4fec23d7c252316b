//! What a failure means and what follows from it, as the file says it: `retry`, `on_error`, `max_failures`, `require`.
//! Plain data; whoever runs things decides by it.

use crate::base::text::{Problem, did_you_mean, quote};

/// What a failure of a node means for the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing new starts.
    #[default]
    Fail,
    /// Independent work goes on.
    Continue,
    /// It is let be; the outputs are null.
    Ignore,
}

impl OnError {
    /// The words, in the order of the variants.
    pub const WORDS: [&str; 3] = ["fail", "continue", "ignore"];

    /// What a word means.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "fail" => OnError::Fail,
            "continue" => OnError::Continue,
            "ignore" => OnError::Ignore,
            _ => return None,
        })
    }
}

/// A part of a list, in millionths, so that it is compared without rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(pub u32);

impl Share {
    /// From a number between 0 and 1.
    pub fn new(part: f64) -> Self {
        Self((part.clamp(0.0, 1.0) * 1e6).round() as u32)
    }
    /// The most whole items that are not more than this part of so many.
    pub fn at_most(self, of: u32) -> u32 {
        (u64::from(self.0) * u64::from(of) / 1_000_000) as u32
    }
    /// The fewest whole items that are not less than this part of so many.
    pub fn at_least(self, of: u32) -> u32 {
        (u64::from(self.0) * u64::from(of)).div_ceil(1_000_000) as u32
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 1e4)
    }
}

/// `max_failures`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// So many items.
    Count(u32),
    /// So much of the whole list.
    Share(Share),
}

impl Allowance {
    /// How many of so many items may fail.
    pub fn of(self, items: u32) -> u32 {
        match self {
            Allowance::Count(count) => count,
            Allowance::Share(share) => share.at_most(items),
        }
    }
}

/// `require`: how many items of a map must have ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Require {
    /// Every one.
    All,
    /// At least one.
    Any,
    /// So much of the whole list.
    Share(Share),
}

impl Require {
    /// Whether so many good ones of so many are enough.
    pub fn is_met(self, good: u32, of: u32) -> bool {
        match self {
            Require::All => good == of,
            Require::Any => good > 0,
            Require::Share(share) => good >= share.at_least(of),
        }
    }
}

impl std::fmt::Display for Require {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Require::All => f.write_str("all"),
            Require::Any => f.write_str("any"),
            Require::Share(share) => share.fmt(f),
        }
    }
}

/// A cause of failure as `retry.on` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CauseWord {
    /// `exit`, or `exit:75`.
    Exit(Option<i32>),
    /// `signal`, or `signal:9`.
    Signal(Option<i32>),
    /// `timeout`
    Timeout,
    /// `oom`
    Oom,
    /// `output missing`
    OutputMissing,
    /// `output invalid`
    OutputInvalid,
    /// `not started`
    NotStarted,
    /// `lost`
    Lost,
}

impl CauseWord {
    /// All words.
    pub const WORDS: [&str; 8] =
        ["exit", "signal", "timeout", "oom", "output missing", "output invalid", "not started", "lost"];

    /// Reads `exit:75`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let (word, number) = match text.split_once(':') {
            Some((word, number)) => (word, Some(number)),
            None => (text, None),
        };
        let number = match number {
            None => None,
            Some(number) => {
                let bounds = if word == "exit" { 1..=255 } else { 1..=64 };
                let parsed = number.parse::<i32>().ok().filter(|n| bounds.contains(n));
                if parsed.is_none() || !matches!(word, "exit" | "signal") {
                    let help = "write `exit:75` for one exit status from 1 to 255, `signal:9` for one signal";
                    return Err(Problem::new(format!("{} is no cause of failure", quote(text))).help(help));
                }
                parsed
            }
        };
        Ok(match word {
            "exit" => CauseWord::Exit(number),
            "signal" => CauseWord::Signal(number),
            "timeout" => CauseWord::Timeout,
            "oom" => CauseWord::Oom,
            "output missing" => CauseWord::OutputMissing,
            "output invalid" => CauseWord::OutputInvalid,
            "not started" => CauseWord::NotStarted,
            "lost" => CauseWord::Lost,
            _ => {
                let help = did_you_mean(word, Self::WORDS)
                    .unwrap_or_else(|| format!("the causes are {}", crate::base::text::and(Self::WORDS)));
                return Err(Problem::new(format!("{} is no cause of failure", quote(text))).help(help));
            }
        })
    }
}

/// By how much a resource grows, in thousandths: `x2`, `x1.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor(pub u32);

impl Factor {
    /// Reads `x2`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let number = text.trim().strip_prefix(['x', 'X']).and_then(|number| number.trim().parse::<f64>().ok());
        match number {
            Some(number) if number > 1.0 && number <= 1000.0 => Ok(Self((number * 1000.0).round() as u32)),
            _ => Err(Problem::new(format!("{} is no factor above 1", quote(text)))
                .help("write how many times as much the next attempt gets: `\"x2\"`, `\"x1.5\"`")),
        }
    }

    /// An amount after so many raises, not above the cap (and never below what it was).
    pub fn raise(self, amount: u64, times: u32, cap: Option<u64>) -> u64 {
        let cap = cap.unwrap_or(u64::MAX).max(amount);
        let mut raised = u128::from(amount);
        for _ in 0..times {
            raised = raised * u128::from(self.0) / 1000;
            if raised >= u128::from(cap) {
                return cap;
            }
        }
        u64::try_from(raised).unwrap_or(cap)
    }
}

/// `retry`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many attempts may fail.
    pub attempts: u32,
    /// The first pause, milliseconds.
    pub backoff_ms: u64,
    /// The causes after which there is another attempt; `None`: all but `output invalid`.
    pub on: Option<Vec<CauseWord>>,
    /// By how much `memory` grows each time it was too little.
    pub memory: Option<Factor>,
    /// By how much `time` grows each time it was too little.
    pub time: Option<Factor>,
    /// The most memory, bytes.
    pub memory_cap: Option<u64>,
    /// The most time, milliseconds.
    pub time_cap: Option<u64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shares_are_exact() {
        let share = Share::new(0.05);
        assert_eq!([0, 19, 20, 39, 40].map(|n| share.at_most(n)), [0, 0, 1, 1, 2]);
        assert_eq!([0, 1, 20, 21].map(|n| share.at_least(n)), [0, 1, 1, 2]);
        assert_eq!(Share::new(0.29).at_most(100), 29);
        assert_eq!((share.to_string(), Share::new(0.005).to_string()), ("5%".into(), "0.5%".into()));
    }

    #[test]
    fn what_is_required() {
        let met = |require: Require| [(0, 0), (0, 3), (1, 3), (3, 3)].map(|(good, of)| require.is_met(good, of));
        assert_eq!(met(Require::All), [true, false, false, true]);
        assert_eq!(met(Require::Any), [false, false, true, true]);
        assert_eq!(met(Require::Share(Share::new(0.3))), [true, false, true, true]);
    }

    #[test]
    fn resources_grow_up_to_their_cap() {
        let factor = Factor::parse("x1.5").unwrap();
        assert_eq!([0, 1, 2].map(|n| factor.raise(1000, n, None)), [1000, 1500, 2250]);
        assert_eq!([1, 2, 200].map(|n| factor.raise(1000, n, Some(2000))), [1500, 2000, 2000]);
        // A cap below what was asked for takes nothing away.
        assert_eq!(factor.raise(1000, 3, Some(10)), 1000);
        for wrong in ["2", "x1", "x0.5", "x", "xtwo", "x-3", "xinf"] {
            assert!(Factor::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn causes_by_word() {
        assert_eq!(CauseWord::parse("exit:75"), Ok(CauseWord::Exit(Some(75))));
        assert_eq!(CauseWord::parse("signal"), Ok(CauseWord::Signal(None)));
        for wrong in ["exit:0", "exit:256", "exit:", "timeout:3", "tiemout", "signal:99", "", "stopped"] {
            assert!(CauseWord::parse(wrong).is_err(), "{wrong}");
        }
        for word in CauseWord::WORDS {
            assert!(CauseWord::parse(word).is_ok(), "{word}");
        }
    }
}
