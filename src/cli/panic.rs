//! A panic is a mistake of flowrun: said in plain words, with what to send, and no backtrace unless asked for.

use super::screen::complain;
use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;

/// From here on panics are told in plain words.
pub fn hook() {
    std::panic::set_hook(Box::new(|info| complain(text(info))));
}

fn text(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
    let asked = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    let trace = if asked { format!("{}\n", Backtrace::force_capture()) } else { String::new() };
    format!(
        "flowrun stopped because of a mistake of its own: {}{place}\n{trace}\
         What had finished is kept: the same command goes on from there. Please report these lines with the\n\
         command and the output of `flowrun --version`; RUST_BACKTRACE=1 adds more to them.\n",
        message(info)
    )
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
