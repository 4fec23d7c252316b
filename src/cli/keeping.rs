//! The commands that look after what is kept: `cache`, `runs --all`, `runs rm`.

use super::args::{FreshArgs, Output, RunsArgs};
use super::keeping_args::{AcceptArgs, CacheCommand, GcArgs, LimitArgs, LsArgs, RmArgs, ShowArgs, VerifyArgs};
use super::screen::{Screen, print};
use super::settings::{self, Target};
use super::{Failed, exit, registry};
use crate::driver::{OpenStore, keeping, now};
use crate::port::keeping::{GcAsk, Limits, LsAsk, RmAsk, Where};
use crate::report::{keeping as report, runs};
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// `flowrun cache`
pub fn cache(command: &CacheCommand, screen: Screen) -> Result<u8, Failed> {
    match command {
        CacheCommand::Ls(args) => ls(args, screen),
        CacheCommand::Show(args) => show(args, screen),
        CacheCommand::Verify(args) => verify(args, screen),
        CacheCommand::Gc(args) => gc(args, screen),
        CacheCommand::Accept(args) => accept(args, screen),
    }
}

fn place(target: &Target, artifacts: Option<PathBuf>) -> Where {
    Where { pipeline: target.pipeline.clone(), named: target.named, artifacts }
}

/// A store to be looked after. One that was named must be there: nothing is made here.
fn store_of(target: &Target, named: Option<&str>, profile: Option<&str>) -> Result<OpenStore, Failed> {
    let store = target.store(named, profile)?;
    match named.and_then(registry::file_of) {
        Some(file) if !Path::new(file).exists() => Err(Failed::machine(
            format!("there is no store `{file}`"),
            Some("a run makes it; without `--store` it is the one in `.flowrun`".to_owned()),
        )),
        _ => Ok(store),
    }
}

fn limits(args: &LimitArgs) -> Limits {
    Limits { older_than: args.older_than, keep_last: args.keep_last, max_size: args.max_size }
}

fn ls(args: &LsArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    let project = args.project.as_ref().map(|folder| {
        // A project that is gone is still known by its folder.
        let absolute = || std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        folder.canonicalize().unwrap_or_else(|_| absolute())
    });
    let ask = LsAsk {
        nodes: target.rest.clone(),
        older: args.older,
        all: args.all || project.is_some(),
        project,
        older_than: args.older_than,
        newer_than: args.newer_than,
        min_size: args.min_size,
    };
    let store = store_of(&target, args.store.as_deref(), None)?;
    let entries = keeping::list(&place(&target, None), &store, &ask)?;
    print(match args.output {
        Output::Human => report::list(&entries, ask.is_narrow(), &TimeZone::system(), screen.out),
        Output::Json => report::list_json(&entries),
    })?;
    Ok(exit::OK)
}

fn show(args: &ShowArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    let word = match target.rest.as_slice() {
        [word] => word,
        [] => {
            return Err(Failed::usage(
                "which result?",
                Some("name a key or an instance, as `flowrun cache ls` lists them".to_owned()),
            ));
        }
        [_, more, ..] => {
            return Err(Failed::usage(
                format!("`{more}` is one word too many"),
                Some("`flowrun cache show` takes one key or one instance".to_owned()),
            ));
        }
    };
    let store = store_of(&target, args.store.as_deref(), None)?;
    let entries = keeping::show(&place(&target, target.artifacts(args.artifacts.as_ref())?), &store, word)?;
    print(match args.output {
        Output::Human => report::show(&entries, &TimeZone::system(), screen.out),
        Output::Json => report::show_json(&entries),
    })?;
    Ok(exit::OK)
}

fn verify(args: &VerifyArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::only_pipeline(&args.words, "cache verify")?;
    let store = store_of(&target, args.store.as_deref(), None)?;
    let told = keeping::verify(&place(&target, target.artifacts(args.artifacts.as_ref())?), &store)?;
    print(match args.output {
        Output::Human => report::verified(&told, screen.out),
        Output::Json => report::verified_json(&told),
    })?;
    let whole = told.outputs_wrong.is_empty() && told.objects_wrong.is_empty();
    Ok(if whole { exit::OK } else { exit::FAILED })
}

fn gc(args: &GcArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::only_pipeline(&args.words, "cache gc")?;
    let store = store_of(&target, args.store.as_deref(), None)?;
    let ask = GcAsk {
        limits: limits(&args.limits),
        unreachable: args.unreachable,
        idle: args.forget_idle,
        dry: args.dry_run,
    };
    let told = keeping::gc(&place(&target, target.artifacts(args.artifacts.as_ref())?), &store, &ask)?;
    print(match args.output {
        Output::Human => report::collected(&told, &TimeZone::system(), screen.out),
        Output::Json => report::collected_json(&told),
    })?;
    Ok(exit::OK)
}

fn accept(args: &AcceptArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    if target.rest.is_empty() {
        return Err(Failed::usage(
            "which nodes?",
            Some("name those whose earlier results are right: `flowrun cache accept align`".to_owned()),
        ));
    }
    let settings = settings::settings(&target, settings::params(&args.params)?, &args.place, &FreshArgs::default())?;
    let told = keeping::accept(&settings, args.values, args.dry_run)?;
    print(match args.output {
        Output::Human => report::accepted(&told, screen.out),
        Output::Json => report::accepted_json(&told),
    })?;
    Ok(if told.refused.is_empty() && told.unknown.is_empty() { exit::OK } else { exit::FAILED })
}

/// `flowrun runs --all`
pub fn everywhere(args: &RunsArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::only_pipeline(&args.words, "runs")?;
    if target.named {
        return Err(Failed::usage("`--all` is of every pipeline", Some("leave the pipeline out".to_owned())));
    }
    let store = store_of(&target, args.store.as_deref(), args.profile.as_deref())?;
    let seen = keeping::everywhere(&place(&target, None), &store, args.limit)?;
    print(match args.output {
        Output::Human => runs::everywhere(&seen, now(), &TimeZone::system(), screen.out),
        Output::Json => runs::everywhere_json(&seen),
    })?;
    Ok(exit::OK)
}

/// `flowrun runs rm`
pub fn rm(args: &RmArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    let number = |word: &String| {
        word.parse().map_err(|_| {
            Failed::usage(
                format!("`{word}` is neither a pipeline file nor the number of a run"),
                Some("a pipeline ends in `.toml` or holds a `/`; `flowrun runs` lists the runs".to_owned()),
            )
        })
    };
    let runs = target.rest.iter().map(number).collect::<Result<Vec<u64>, Failed>>()?;
    let limits = limits(&args.limits);
    if runs.is_empty() && !limits.any() {
        return Err(Failed::usage(
            "which runs?",
            Some("name their numbers, or give `--older-than`, `--keep-last` or `--max-size`".to_owned()),
        ));
    }
    let store = store_of(&target, args.store.as_deref(), None)?;
    let ask = RmAsk { runs, limits, logs: args.logs, dry: args.dry_run };
    let told = keeping::rm(&place(&target, None), &store, &ask)?;
    print(match args.output {
        Output::Human => report::removed(&told, &TimeZone::system(), screen.out),
        Output::Json => report::removed_json(&told),
    })?;
    Ok(exit::OK)
}
