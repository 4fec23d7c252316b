//! `--timings`: where flowrun's own time went.

use crate::sys::meter::{PHASES, Phase, Total};
use std::fmt::Write as _;
use std::time::Duration;

/// The table: what each phase took on all threads together, and how often; then how long all of it took.
pub fn human(totals: &[Total; PHASES.len()], all: Duration) -> String {
    let own: Duration = PHASES.iter().zip(totals).filter(|((p, _), _)| *p != Phase::Waiting).map(|(_, t)| t.time).sum();
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let mut text = format!("flowrun's own time: {} in a run of {}\n", ms(own), ms(all));
    for ((phase, name), total) in PHASES.iter().zip(totals) {
        let share = match phase {
            Phase::Waiting => "  for tasks and threads".to_owned(),
            _ => format!("  {:3.0} %", 100.0 * total.time.as_secs_f64() / own.as_secs_f64().max(1e-9)),
        };
        let _ = writeln!(text, "  {name:<9} {:>12} {:>9} times{share}", ms(total.time), total.times);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_those_of_the_own_time() {
        let mut totals = [Total::default(); PHASES.len()];
        totals[Phase::Reading as usize] = Total { time: Duration::from_millis(30), times: 1 };
        totals[Phase::Store as usize] = Total { time: Duration::from_micros(10_250), times: 12 };
        totals[Phase::Waiting as usize] = Total { time: Duration::from_secs(2), times: 400 };
        let expected = "\
flowrun's own time: 40.2 ms in a run of 2050.0 ms
  reading        30.0 ms         1 times   75 %
  planning        0.0 ms         0 times    0 %
  hashing         0.0 ms         0 times    0 %
  store          10.2 ms        12 times   25 %
  journal         0.0 ms         0 times    0 %
  spawning        0.0 ms         0 times    0 %
  telling         0.0 ms         0 times    0 %
  waiting      2000.0 ms       400 times  for tasks and threads
";
        assert_eq!(human(&totals, Duration::from_millis(2050)), expected);
    }
}
