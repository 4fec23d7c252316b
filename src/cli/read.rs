//! The commands that read what runs left: `status`, `runs`, `log`.

use super::Failed;
use super::args::{LogArgs, Output, RunsArgs, StatusArgs};
use super::screen::{Screen, cannot_print, print};
use super::settings::Target;
use super::{attach, exit, registry};
use crate::driver::history;
use crate::port::Access;
use crate::report::{runs, status};
use crate::sys::Fault;
use jiff::tz::TimeZone;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// `flowrun status`
pub fn status(args: &StatusArgs, screen: Screen) -> Result<u8, Failed> {
    if args.watch {
        return attach::attach(&args.words, args.output, screen);
    }
    let (target, run) = Target::with_run(&args.words, "status")?;
    let state = history::status(&target.pipeline, run, Some(registry::afar().as_ref()))?;
    print(match args.output {
        Output::Human => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(state.last, |since| since.as_millis() as u64);
            status::human(&state, &target.words(), now, &TimeZone::system(), screen.out)
        }
        Output::Json => status::json(&state, &target.words()),
    })?;
    Ok(exit::OK)
}

/// `flowrun runs`
pub fn runs(args: &RunsArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::only_pipeline(&args.words, "runs")?;
    let cannot = |error: anyhow::Error| Failed::from(crate::driver::Error::Store(error));
    let open = target.store(args.store.as_deref(), args.profile.as_deref())?;
    let mut store = open(&target.state_dir(), Access::Read).map_err(cannot)?;
    // A pipeline that was not named stands for its folder, whose state all its pipelines share.
    let name = target.pipeline.file_name().map(|name| name.to_string_lossy().into_owned());
    let rows = store.runs(name.as_deref().filter(|_| target.named), args.limit).map_err(cannot)?;
    print(match args.output {
        Output::Human => runs::human(&rows, &TimeZone::system(), screen.out),
        Output::Json => runs::json(&rows),
    })?;
    Ok(exit::OK)
}

/// `flowrun log`
pub fn log(args: &LogArgs) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    let instance = match target.rest.as_slice() {
        [one] => one,
        [] => {
            return Err(Failed::usage(
                "which instance?",
                Some("name one, as in `flowrun log 'align[3]'`; `flowrun status` names those that failed".to_owned()),
            ));
        }
        [_, more, ..] => {
            return Err(Failed::usage(
                format!("`{more}` is one word too many"),
                Some("`flowrun log` takes one pipeline file and one instance".to_owned()),
            ));
        }
    };
    let place = history::log(&target.pipeline, args.run, instance, args.attempt)?;
    if !place.out.0.exists() && !place.err.0.exists() {
        let help = "`flowrun runs rm --logs` lets the logs go and keeps the rest of a run".to_owned();
        return Err(Failed::usage(format!("the logs of run {} were removed", place.run), Some(help)));
    }
    if !args.stderr {
        copy(&place.out)?;
    }
    if !args.stdout {
        copy(&place.err)?;
    }
    Ok(exit::OK)
}

/// Copies a part of a file to standard output as it is.
fn copy((path, from, len): &(PathBuf, u64, Option<u64>)) -> Result<(), Failed> {
    let cannot_read = |error: std::io::Error| Failed::from(Fault::io("read", path, &error));
    let mut file = File::open(path).map_err(cannot_read)?;
    file.seek(SeekFrom::Start(*from)).map_err(cannot_read)?;
    let mut part = file.take(len.unwrap_or(u64::MAX));
    let mut out = std::io::stdout().lock();
    let mut piece = vec![0; 1 << 16];
    loop {
        let n = part.read(&mut piece).map_err(cannot_read)?;
        if n == 0 {
            return Ok(());
        }
        match out.write_all(&piece[..n]).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(cannot_print(&error)),
        }
    }
}
