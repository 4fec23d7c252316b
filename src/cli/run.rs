//! `run`, `resume` and `shell`: the views of a run, and its end.

use super::args::{FreshArgs, Output, ParamArgs, PlaceArgs, ResumeArgs, RunArgs, ShellArgs, WatchArgs};
use super::exit;
use super::screen::{Screen, complain, print};
use super::settings::{self, Target};
use super::{Failed, detach, edit};
use crate::driver::{self, Ended, Params, Settings};
use crate::port::Sink;
use crate::report::{outcome, timings};
use crate::sys::meter;
use crate::view::{JsonLines, Lines, Terminal, Trace};
use std::fs::File;

/// `flowrun run`
pub fn run(args: &RunArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    if let Some(code) = edit::params_of(&target, &args.params, screen)? {
        return Ok(code);
    }
    let settings = settings::settings(&target, settings::params(&args.params)?, &args.place, &args.fresh)?;
    if args.only && target.rest.is_empty() {
        let help = "name the nodes that run: `flowrun run --only align`".to_owned();
        return Err(Failed::usage("`--only` needs a node", Some(help)));
    }
    drive(Settings { only: args.only, ..settings }, &target, &args.place, &args.watch, screen)
}

/// `flowrun resume`
pub fn resume(args: &ResumeArgs, screen: Screen) -> Result<u8, Failed> {
    let (mut target, run) = Target::with_run(&args.words, "resume")?;
    target.rest.clear();
    let settings = settings::settings(&target, Params::default(), &args.place, &FreshArgs::default())?;
    drive(Settings { resume: Some(run), ..settings }, &target, &args.place, &args.watch, screen)
}

fn drive(
    settings: Settings,
    target: &Target,
    place: &PlaceArgs,
    watch: &WatchArgs,
    screen: Screen,
) -> Result<u8, Failed> {
    let settings = settings::watched(settings, watch);
    if watch.timings || watch.trace.is_some() {
        meter::begin(watch.trace.is_some());
    }
    let ended = match watch.detach {
        true => driver::run(detach::detached(settings, target, place, watch)?, vec![view(screen)])?,
        false => driver::run(settings, views(watch, screen)?)?,
    };
    let code = last_words(&ended, target, watch.output, screen)?;
    if watch.timings {
        let (totals, all) = meter::totals();
        complain(timings::human(&totals, all));
    }
    Ok(code)
}

/// What is said at the end of a run, and its exit code.
pub fn last_words(ended: &Ended, target: &Target, output: Output, screen: Screen) -> Result<u8, Failed> {
    let words = target.words();
    if screen.live && !ended.failures.is_empty() {
        // Between what was told while it ran and the digest.
        complain("\n");
    }
    match output {
        Output::Human => print(outcome::human(ended, &words, screen.out))?,
        Output::Json => {
            complain(outcome::human(ended, &words, screen.err));
            print(outcome::json(ended, &words))?;
        }
    }
    Ok(exit::of_run(ended))
}

/// What shows a run while it goes on.
pub fn view(screen: Screen) -> Box<dyn Sink> {
    let terminal = if screen.live { Terminal::new(screen.err).ok() } else { None };
    match terminal {
        Some(terminal) => Box::new(terminal),
        None => Box::new(Lines::new(std::io::stderr(), screen.err)),
    }
}

fn views(watch: &WatchArgs, screen: Screen) -> Result<Vec<Box<dyn Sink>>, Failed> {
    let mut sinks = vec![view(screen)];
    if let Some(path) = &watch.events {
        let shown = path.display().to_string();
        let file = File::create(path).map_err(|error| Failed::file(path, &error))?;
        sinks.push(Box::new(JsonLines::new(file, move |error| {
            complain(format!("warning: the events in `{shown}` are not complete: {error}\n"));
        })));
    }
    if let Some(path) = &watch.trace {
        let shown = path.display().to_string();
        let file = File::create(path).map_err(|error| Failed::file(path, &error))?;
        sinks.push(Box::new(Trace::new(file, move |error| {
            complain(format!("warning: the trace in `{shown}` is not complete: {error}\n"));
        })));
    }
    Ok(sinks)
}

/// `flowrun shell`
pub fn shell(args: &ShellArgs) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    let [instance] = target.rest.as_slice() else {
        let help = "name one, as in `flowrun shell 'align[3]'`; `flowrun plan` lists them";
        return Err(Failed::usage("in the place of which instance?", Some(help.to_owned())));
    };
    let params = ParamArgs { param: args.param.clone(), files: args.files.clone(), tail: Vec::new() };
    let whole = Target { rest: Vec::new(), pipeline: target.pipeline.clone(), named: target.named };
    let params = settings::params(&params)?;
    let settings = settings::settings(&whole, params, &args.place, &FreshArgs::default())?;
    let settings = Settings { show: Some(instance.as_str().into()), ..settings };
    Ok(driver::shell(settings, args.command.clone(), &mut |text| complain(format!("{text}\n")))?)
}
