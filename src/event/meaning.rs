//! What the end of a process meant, for people.

use super::Cause;

impl Cause {
    /// The word for it: `exit`, `signal`, `timeout`, … as `retry.on` has it.
    pub fn word(&self) -> &'static str {
        match self {
            Cause::Exit(_) => "exit",
            Cause::Signal(_) => "signal",
            Cause::Timeout => "timeout",
            Cause::Oom => "oom",
            Cause::OutputMissing => "output missing",
            Cause::OutputInvalid => "output invalid",
            Cause::NotStarted => "not started",
            Cause::Prepare => "prepare",
            Cause::Lost => "lost",
            Cause::Stopped => "stopped",
        }
    }

    /// The exit status as a shell would tell it, where there is one.
    pub fn status(&self) -> Option<i32> {
        match self {
            Cause::Exit(status) => Some(*status),
            Cause::Signal(signal) => Some(128 + signal),
            _ => None,
        }
    }

    /// What the status usually means, where its number says more than "it failed".
    pub fn meaning(&self) -> Option<&'static str> {
        match self {
            // A shell tells the signal that ended its command as 128 plus its number.
            Cause::Exit(status @ 129..=192) => signal(status - 128),
            Cause::Exit(124) => Some("this is how `timeout` says that the time was over"),
            Cause::Exit(126) => Some("a command was found but cannot be executed"),
            Cause::Exit(127) => Some("a command was not found"),
            Cause::Signal(number) => signal(*number),
            Cause::Oom => Some("it needed more memory than there was"),
            _ => None,
        }
    }
}

fn signal(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP: its terminal was closed",
        2 => "SIGINT: interrupted",
        3 => "SIGQUIT: stopped from the keyboard",
        4 => "SIGILL: the program is not made for this processor",
        6 => "SIGABRT: the program gave up by itself",
        7 => "SIGBUS: a file or memory under it went away",
        8 => "SIGFPE: a division by zero or the like",
        9 => "SIGKILL: killed, most often for lack of memory",
        11 => "SIGSEGV: the program touched memory that is not its own",
        13 => "SIGPIPE: the reader of its output was gone",
        15 => "SIGTERM: asked to stop",
        24 => "SIGXCPU: the limit of cpu time was reached",
        25 => "SIGXFSZ: the limit of a file's size was reached",
        31 => "SIGSYS: a system call that is not allowed",
        _ => return None,
    })
}
