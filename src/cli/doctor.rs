//! `doctor`: whether a run would find here what it needs.

use super::args::{DoctorArgs, FreshArgs, Output};
use super::screen::{Screen, print};
use super::settings::{self, Target};
use super::{Failed, config, exit};
use crate::driver::{self, Params};
use crate::port::doctor::{Checkup, Finding};
use crate::report::doctor::{self as report, Findings};
use std::path::Path;
use std::time::Duration;

/// `flowrun doctor`
pub fn doctor(args: &DoctorArgs, screen: Screen) -> Result<u8, Failed> {
    let target = Target::only_pipeline(&args.words, "doctor")?;
    if target.named && !target.pipeline.exists() {
        return Err(driver::no_file(&target.pipeline).into());
    }
    let chosen = target.chosen(args.place.profile.as_deref())?;
    let backend = target.backend(&args.place)?.unwrap_or_else(|| "local".to_owned());
    let settings = settings::settings(&target, Params::default(), &args.place, &FreshArgs::default())?;
    let mut told = Told { findings: Findings::default(), human: args.output == Output::Human, screen, failed: None };
    told.findings.version = env!("CARGO_PKG_VERSION");
    told.findings.host = crate::sys::host();
    told.findings.backend = backend.clone();
    let own = &told.findings;
    told.put(format!("flowrun {} on host {}, backend {backend}\n", own.version, own.host));

    told.area("settings", |tell| config::findings(&target, &chosen, tell));
    let scratch = told.area("project", |tell| {
        let scratch = driver::doctor::project(&settings, tell);
        driver::doctor::store(&settings, tell);
        scratch
    })?;
    told.area("machine", driver::doctor::tools);
    let job = driver::doctor::default_job(&settings);
    let used = driver::doctor::used(&settings);
    for (kind, _) in settings.backends.kinds.iter().zip(used).filter(|(_, used)| *used) {
        let checkup = Checkup {
            job: job.as_ref(),
            jobs: kind.jobs,
            scratch: scratch.as_ref().map(|folder| Path::new(folder.path())),
            try_for: args.attempt.then(|| Duration::from_secs(args.patience)),
        };
        told.area(kind.name, |tell| (kind.examine)(&checkup, tell));
    }
    let text = if told.human { told.findings.end(screen.out) } else { told.findings.json() };
    print(text)?;
    match told.failed {
        Some(failed) => Err(failed),
        None => Ok(if told.findings.wrong == 0 { exit::OK } else { exit::MACHINE }),
    }
}

/// What was told: to people at once, to programs at the end.
struct Told {
    findings: Findings,
    human: bool,
    screen: Screen,
    failed: Option<Failed>,
}

impl Told {
    fn put(&mut self, text: String) {
        if self.human
            && let Err(failed) = print(text)
        {
            self.failed = Some(failed);
        }
    }

    fn area<T>(&mut self, area: &str, look: impl FnOnce(&mut dyn FnMut(Finding)) -> T) -> T {
        self.put(report::heading(area, self.screen.out));
        let paint = self.screen.out;
        look(&mut |finding| {
            self.put(report::human(&finding, paint));
            self.findings.add(area, finding);
        })
    }
}
