//! Drivers that are jobs themselves: one core; the next is submitted before the time of one is up and waits for its end;
//! begun anew by Slurm when their node fails. All of a run have one name, by which they are found.

use super::commands::{self, quoted};
use super::refusal::Submitted;
use super::site::Site;
use super::{desk, survey};
use crate::backend::spool::Spool;
use crate::port::afar::{Afar, DriverAsk};
use crate::sys::tool;
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);
/// How often the queue is looked at for what is being cancelled.
const LOOK: Duration = Duration::from_secs(1);
/// How long a driver may take for its last words.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Longer than this none asks for, minutes: a short job begins sooner.
const LONGEST: u64 = 24 * 60;
/// What a driver of a million instances needs.
const MEMORY: &str = "--mem=1G";
/// Options of tasks that say where and on whose account, and hold for the driver too.
const OPTIONS: &[&str] = &["account", "clusters", "partition", "qos", "reservation", "wckey"];

/// Slurm, as it looks after what is at work elsewhere.
pub struct Queue;

fn name(run_dir: &Path) -> String {
    format!("{}driver", desk::prefix(run_dir))
}

/// A job that drives a run, or will.
struct Driving {
    job: String,
    state: String,
    reason: String,
}

fn driving(run_dir: &Path) -> anyhow::Result<Vec<Driving>> {
    let name = format!("--name={}", name(run_dir));
    let answer = tool::ask(&["squeue", "--noheader", "--me", &name, "--format=%i|%T|%r"], "", PATIENCE)?;
    anyhow::ensure!(answer.code == Some(0), "Slurm does not answer: {}", answer.err.trim());
    let job = |line: &str| {
        let mut fields = line.trim().splitn(3, '|').map(str::to_owned);
        Some(Driving { job: fields.next()?, state: fields.next()?, reason: fields.next()? })
    };
    Ok(answer.out.lines().filter_map(job).collect())
}

impl Afar for Queue {
    fn driver(&self, run_dir: &Path) -> anyhow::Result<Option<String>> {
        let said = |job: &Driving| match job.state.as_str() {
            "PENDING" if matches!(job.reason.as_str(), "" | "None") => format!("job {} of Slurm waits", job.job),
            "PENDING" => format!("job {} of Slurm waits: {}", job.job, job.reason),
            state => format!("job {} of Slurm is {}", job.job, state.to_lowercase()),
        };
        Ok(driving(run_dir)?.first().map(said))
    }

    fn drive(&self, ask: &DriverAsk) -> anyhow::Result<String> {
        let (site, spool) = (survey::site()?, Spool::of(&ask.run_dir));
        spool.make()?;
        spool.keep_program()?;
        let begin = Instant::now();
        loop {
            match submit(ask, &spool, &site) {
                Submitted::As(job) => return Ok(format!("job {job} of Slurm")),
                Submitted::Unknown(said) => {
                    // The controller may have taken it.
                    if let Some(job) = driving(&ask.run_dir)?.iter().find(|job| job.state == "PENDING") {
                        return Ok(format!("job {} of Slurm", job.job));
                    }
                    anyhow::ensure!(begin.elapsed() < LAST_WORDS, "Slurm does not take the driver: {said}");
                }
                refused => {
                    anyhow::bail!("Slurm does not take the driver: {}", refused.number().err().unwrap_or_default())
                }
            }
            std::thread::sleep(LOOK);
        }
    }

    fn dismiss_next(&self, run_dir: &Path) -> anyhow::Result<()> {
        let waiting = driving(run_dir)?.into_iter().filter(|job| job.state == "PENDING");
        let jobs: Vec<String> = waiting.map(|job| job.job).collect();
        match jobs.is_empty() {
            true => Ok(()),
            false => commands::scancel(&jobs, false).map_err(anyhow::Error::msg),
        }
    }

    fn stop_driver(&self, run_dir: &Path) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let left = driving(run_dir)?;
            if left.is_empty() {
                return Ok(());
            }
            let patient = |job: &&Driving| job.state == "PENDING" || begin.elapsed() > LAST_WORDS;
            let jobs: Vec<String> = left.iter().filter(patient).map(|job| job.job.clone()).collect();
            if !jobs.is_empty() {
                commands::scancel(&jobs, false)
                    .map_err(|error| anyhow::anyhow!("Slurm does not cancel the driver: {error}"))?;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn stop_left(&self, run_dir: &Path) -> anyhow::Result<usize> {
        super::stop_left(run_dir)
    }

    fn answers(&self, run_dir: &Path) -> anyhow::Result<()> {
        let spool = Spool::of(run_dir);
        if spool.path().is_dir() && !spool.batches()?.is_empty() {
            driving(run_dir)?;
        }
        Ok(())
    }
}

fn submit(ask: &DriverAsk, spool: &Spool, site: &Site) -> Submitted {
    let words = words(ask, site.longest_s(&ask.options));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    commands::asked(&words, &script(&ask.project, &ask.run_dir, &spool.program()))
}

fn words(ask: &DriverAsk, longest_s: Option<u64>) -> Vec<String> {
    let mut words = vec![
        "sbatch".to_owned(),
        "--parsable".to_owned(),
        format!("--job-name={}", name(&ask.run_dir)),
        format!("--comment=flowrun {}, driver", ask.run_dir.display()),
        "--output=/dev/null".to_owned(),
        "--requeue".to_owned(),
        format!("--chdir={}", ask.project.display()),
        "--ntasks=1".to_owned(),
        "--cpus-per-task=1".to_owned(),
        MEMORY.to_owned(),
    ];
    let minutes = longest_s.map_or(LONGEST, |longest| (longest / 60).clamp(1, LONGEST));
    words.push(format!("--time={minutes}"));
    words.push(format!("--signal=B:USR1@{}", (minutes * 60 / 4).min(3600)));
    if ask.follows {
        words.push("--dependency=singleton".to_owned());
    }
    let ours = ask.options.iter().filter(|(name, _)| OPTIONS.contains(&&**name));
    words.extend(ours.filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?))));
    words
}

/// What Slurm says to a job is not meant for the jobs that it submits.
fn script(project: &Path, run_dir: &Path, program: &Path) -> String {
    let word = |path: &Path| quoted(&path.display().to_string());
    format!(
        "#!/bin/sh\ncd {} || exit 1\nconf=${{SLURM_CONF-}}\n\
         for name in $(env | sed -n 's/^\\(SLURM_[A-Za-z0-9_]*\\)=.*/\\1/p'); do unset \"$name\"; done\n\
         test -z \"$conf\" || export SLURM_CONF=\"$conf\"\n\
         exec {} __drive {} </dev/null >>{} 2>&1\n",
        word(project),
        word(program),
        word(run_dir),
        word(&run_dir.join("driver.log")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_a_small_job_that_is_told_before_its_time_is_up() {
        let options =
            vec![("partition".into(), Some("short".into())), ("exclusive".into(), None), ("gpus".into(), None)];
        let (run_dir, project) = ("/p/.flowrun/runs/1".into(), "/p".into());
        let ask = DriverAsk { run_dir, project, options, follows: true };
        let name = name(&ask.run_dir);
        assert_eq!(
            words(&ask, Some(3600)).join(" "),
            format!(
                "sbatch --parsable --job-name={name} --comment=flowrun /p/.flowrun/runs/1, driver --output=/dev/null \
                 --requeue --chdir=/p --ntasks=1 --cpus-per-task=1 --mem=1G --time=60 --signal=B:USR1@900 \
                 --dependency=singleton --partition=short"
            )
        );
        let ask = DriverAsk { follows: false, options: Vec::new(), ..ask };
        assert!(words(&ask, Some(60)).ends_with(&["--time=1".into(), "--signal=B:USR1@15".into()]));
        assert!(words(&ask, None).ends_with(&["--time=1440".into(), "--signal=B:USR1@3600".into()]));
    }
}
