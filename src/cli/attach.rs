//! `attach` and `status --watch`: a run that another process drives, followed to its end.

use super::args::Output;
use super::screen::{Screen, complain};
use super::settings::Target;
use super::{Failed, exit, registry, run};
use crate::driver::follow::{Followed, Following};
use crate::port::status::Life;
use std::ffi::OsString;

/// `flowrun attach`
pub fn attach(words: &[OsString], output: Output, screen: Screen) -> Result<u8, Failed> {
    let (target, number) = Target::with_run(words, "attach")?;
    let following = Following::of(&target.pipeline, number, registry::afar())?;
    let (number, words) = (following.run(), target.words());
    let sinks = match following.life() {
        Life::Live(_) | Life::Due(_) => vec![run::view(screen)],
        Life::Ended(_) | Life::Interrupted => Vec::new(),
    };
    match following.to_the_end(sinks)? {
        Followed::Ended(ended) => run::last_words(&ended, &target, output, screen),
        Followed::Left { signal } => {
            complain(format!(
                "run {number} goes on: `flowrun attach{words} {number}` comes back to it, `flowrun cancel{words} {number}` \
                 stops it\n"
            ));
            Ok(exit::of_signal(signal))
        }
        Followed::Alone => Err(Failed::machine(
            format!("nobody is at run {number} any more, and it has not reached its end"),
            Some(format!("`flowrun resume{words} {number}` goes on where it stopped, and so does the same command")),
        )),
    }
}
