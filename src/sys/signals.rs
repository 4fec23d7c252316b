//! Signals that ask flowrun to stop, as messages.

use crossbeam::channel::{Receiver, unbounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// SIGINT, SIGTERM and SIGHUP from now on, each by its number. One that was ignored when we began (`nohup`) stays so.
pub fn signals() -> io::Result<Receiver<i32>> {
    signals_and(&[])
}

/// The same, and others.
pub fn signals_and(more: &[i32]) -> io::Result<Receiver<i32>> {
    let ignored = ignored();
    let all = [SIGINT, SIGTERM, SIGHUP].iter().chain(more).copied();
    let mut signals = Signals::new(all.filter(|s| ignored & (1 << (s - 1)) == 0))?;
    let (sender, receiver) = unbounded();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// Bit `n - 1` for each signal `n` that is ignored.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};
    use std::time::Duration;

    #[test]
    fn a_signal_becomes_a_message() {
        let signals = signals().unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        assert_eq!(signals.recv_timeout(Duration::from_secs(60)).unwrap(), SIGTERM);
        kill_process(getpid(), Signal::HUP).unwrap();
        assert_eq!(signals.recv_timeout(Duration::from_secs(60)).unwrap(), SIGHUP);
    }
}
