//! `test`: which tests, several at once, and what is said of them.

use super::Failed;
use super::args::{FreshArgs, Output, PlaceArgs, TestArgs};
use super::screen::{Screen, complain, print};
use super::settings::{self, Target};
use super::{exit, registry};
use crate::base::text::{count, did_you_mean, quote};
use crate::driver::capture::{self, Captured};
use crate::driver::trial::{self, Tried};
use crate::driver::{BackendKind, Backends, Params, Settings, now};
use crate::engine::Capacity;
use crate::port::verdict::Verdict;
use crate::report::trial as report;
use crate::sys::Fault;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `flowrun test`
pub fn test(args: &TestArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::of(&args.words)?;
    if let [run, instance] = args.capture.as_slice() {
        return capture(args, &target, run, instance);
    }
    let asked = settings(&target, args)?;
    let chosen = |name: &str| target.rest.is_empty() || target.rest.iter().any(|part| name.contains(part.as_str()));
    let all = trial::trials(&asked, &chosen)?;
    if let Some(part) = target.rest.iter().find(|part| !all.iter().any(|name| name.contains(part.as_str()))) {
        let help = did_you_mean(part, all.iter().map(String::as_str));
        let help = help.unwrap_or_else(|| format!("`{}` has {}", target.pipeline.display(), listed(&all)));
        return Err(Failed::usage(format!("no test's name holds {}", quote(part)), Some(help)));
    }
    if all.is_empty() {
        return Err(Failed::usage(
            format!("`{}` has no tests", target.pipeline.display()),
            Some(
                "write one: `[test.NAME]` with `node = \"…\"`; `--capture RUN INSTANCE` makes one of what has run"
                    .into(),
            ),
        ));
    }
    let names: Vec<&String> = all.iter().filter(|name| chosen(name)).collect();
    let base = tempfile::Builder::new()
        .prefix("flowrun-test-")
        .tempdir()
        .map_err(|error| Failed::from(Fault::io("make a folder in", &std::env::temp_dir(), &error)))?;
    let began = now();
    let at_once = asked.backends.kinds[0].jobs.unwrap_or_else(crate::sys::cores).max(1) as usize;
    let desk = Desk { names: &names, state: Mutex::default(), screen, human: args.output == Output::Human };
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(names.len()) {
            scope.spawn(|| desk.work(&target, args, base.path()));
        }
    });
    let State { verdicts, failed, stopped, .. } = desk.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failed) = failed {
        return Err(failed);
    }
    let mut verdicts: Vec<Verdict> = verdicts.into_iter().map(|(_, verdict)| verdict).collect();
    if args.keep && verdicts.iter().any(|verdict| !verdict.wrong.is_empty()) {
        let kept = base.keep();
        for verdict in &mut verdicts {
            let folder = kept.join(&*verdict.name);
            match verdict.wrong.is_empty() {
                true => drop(std::fs::remove_dir_all(folder)),
                false => verdict.folder = Some(folder),
            }
        }
    }
    let (left_out, wall_ms) = (all.len() - names.len(), now().saturating_sub(began));
    if let Some(path) = &args.junit {
        let stamp = jiff::Timestamp::from_millisecond(i64::try_from(began).unwrap_or(0)).unwrap_or_default();
        let (name, host) = (target.pipeline.display().to_string(), crate::sys::host());
        let began = stamp.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let xml = report::junit(&verdicts, &report::Suite { name: &name, began: &began, host: &host }, wall_ms);
        std::fs::write(path, xml).map_err(|error| Failed::file(path, &error))?;
    }
    if let Some(signal) = stopped {
        complain(format!("stopped: {} of {} had ended\n", verdicts.len(), count(names.len() as u64, "test")));
        return Ok(exit::of_signal(signal));
    }
    print(match args.output {
        Output::Human => report::summary(&verdicts, left_out, wall_ms, screen.out),
        Output::Json => report::json(&verdicts, left_out, wall_ms),
    })?;
    Ok(if verdicts.iter().all(|verdict| verdict.wrong.is_empty()) { exit::OK } else { exit::FAILED })
}

/// `--capture`
fn capture(args: &TestArgs, target: &Target, run: &str, instance: &str) -> Result<u8, Failed> {
    let Ok(run) = run.parse() else {
        let help = Some("`flowrun runs` lists the runs".to_owned());
        return Err(Failed::usage(format!("`{run}` is not the number of a run"), help));
    };
    if let Some(word) = target.rest.first() {
        let help = Some("`--capture` takes a run and an instance, and nothing else".to_owned());
        return Err(Failed::usage(format!("`{word}` is one word too many"), help));
    }
    let place = PlaceArgs { backend: Some("local".to_owned()), ..args.place() };
    let settings = settings::settings(target, Params::default(), &place, &FreshArgs::default())?;
    let Captured { name, text, copies, project } = capture::capture(&settings, run, instance)?;
    for (from, to) in &copies {
        trial::copy(from, &project.join(to))?;
    }
    let before = std::fs::read_to_string(&target.pipeline).map_err(|error| Failed::file(&target.pipeline, &error))?;
    let newline = if before.ends_with('\n') { "" } else { "\n" };
    // A header begins a table of its own, whatever stands before it: nothing of the file need be touched.
    let line = before.lines().count() + 3;
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&target.pipeline)
        .map_err(|error| Failed::file(&target.pipeline, &error))?;
    file.write_all(format!("{newline}{text}").as_bytes()).map_err(|error| Failed::file(&target.pipeline, &error))?;
    let shown = target.pipeline.display();
    print(match args.output {
        Output::Human => {
            let mut said = format!("wrote the test `{name}` to `{shown}`, line {line}\n");
            copies.iter().for_each(|(_, to)| said.push_str(&format!("copied {to}\n")));
            said.push_str(&format!("run it: flowrun test{} {name}\n", target.words()));
            said
        }
        Output::Json => {
            let copied: Vec<&String> = copies.iter().map(|(_, to)| to).collect();
            crate::report::json::line(&serde_json::json!({
                "test": name, "file": shown.to_string(), "line": line, "copied": copied,
            }))
        }
    })?;
    Ok(exit::OK)
}

/// Settings of a run that touches nothing of the project, has all the memory that a task may ask for, and uses no cache.
fn settings(target: &Target, args: &TestArgs) -> Result<Settings, Failed> {
    let settings = settings::settings(target, Params::default(), &args.place(), &FreshArgs::default())?;
    let plenty = |kind: BackendKind| kind.giving(|capacity| Capacity { memory: u64::MAX, ..capacity });
    let kinds = settings.backends.kinds.into_iter().map(plenty).collect();
    Ok(Settings {
        backends: Backends { kinds, only_first: true },
        select: Vec::new(),
        store: None,
        open_store: registry::store(None)?,
        artifacts: None,
        keep_going: false,
        no_cache: false,
        wait: false,
        ..settings
    })
}

fn listed(names: &[String]) -> String {
    match names.is_empty() {
        true => "no tests".to_owned(),
        false => crate::base::text::and(names.iter().map(String::as_str)),
    }
}

/// What the threads share.
struct Desk<'a> {
    names: &'a [&'a String],
    state: Mutex<State>,
    screen: Screen,
    human: bool,
}

#[derive(Default)]
struct State {
    /// How many were begun.
    next: usize,
    /// Those that ended, by their position, sorted.
    verdicts: Vec<(usize, Verdict)>,
    /// How many of them were told: in the order of the file, whatever ended first.
    told: usize,
    failed: Option<Failed>,
    stopped: Option<i32>,
}

impl Desk<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, target: &Target, args: &TestArgs, base: &Path) {
        loop {
            let at = {
                let mut state = self.state();
                if state.failed.is_some() || state.stopped.is_some() || state.next == self.names.len() {
                    return;
                }
                state.next += 1;
                state.next - 1
            };
            let tried = one(target, args, &base.join(self.names[at]), self.names[at]);
            let mut state = self.state();
            match tried {
                Ok(Tried::Verdict(verdict)) => {
                    let place = state.verdicts.partition_point(|(other, _)| *other < at);
                    state.verdicts.insert(place, (at, verdict));
                }
                Ok(Tried::Stopped(signal)) => state.stopped = Some(signal),
                Err(failed) => state.failed = Some(failed),
            }
            self.tell(&mut state);
        }
    }

    fn tell(&self, state: &mut State) {
        while let Some((at, verdict)) = state.verdicts.get(state.told)
            && *at == state.told
        {
            if self.human
                && let Err(failed) = print(report::line(verdict, self.screen.out))
            {
                state.failed = Some(failed);
            }
            state.told += 1;
        }
    }
}

fn one(target: &Target, args: &TestArgs, fresh: &PathBuf, name: &str) -> Result<Tried, Failed> {
    std::fs::create_dir(fresh).map_err(|error| Failed::from(Fault::io("make the folder", fresh, &error)))?;
    let mut settings = settings(target, args)?;
    settings.backends.kinds.iter_mut().for_each(|kind| kind.jobs = None);
    Ok(trial::try_out(settings, name, fresh)?)
}
