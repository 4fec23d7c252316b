//! A job of a second, submitted as a run's would be: whether its node sees the project's folder, can run this very
//! binary, and has the same time.

use super::super::commands::{self, Array, Shape};
use super::{Tell, ask, cancel};
use crate::backend::spool::{Spool, Terms};
use crate::base::text::{elapsed, quote};
use crate::port::doctor::{Checkup, Finding};
use crate::sys::durable::{self, Sync};
use crate::sys::fault::Result;
use crate::sys::mount;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the answer is looked for, and the queue.
const LOOK: Duration = Duration::from_millis(100);
const ASK: Duration = Duration::from_secs(2);
/// After the job's end, until its answer is seen: on a network file system it may take a minute.
const GRACE: Duration = Duration::from_secs(3);
const FAR_GRACE: Duration = Duration::from_secs(90);
/// Clocks that differ by more (seconds) make times of files doubtful.
const APART: f64 = 2.0;

/// What the job does: plain `sh`, for the binary may not run there.
const PROBE: &str = r#"{
echo "clock $(date +%s.%N)"
echo "host $(uname -n)"
echo "machine $(uname -s) $(uname -m)"
echo "question $(cat question)"
echo "program $(bin/flowrun --version 2>&1 | tail -n 1)"
} > answer.part && mv answer.part answer
"#;

/// Submits the job and tells what it says.
pub fn examine(checkup: &Checkup<'_>, tell: Tell<'_>) {
    let (Some(job), Some(scratch), Some(limit)) = (checkup.job, checkup.scratch, checkup.try_for) else { return };
    let spool = Spool::of(scratch);
    let question = durable::token();
    if let Err(fault) = prepare(&spool, &question) {
        let help = fault.help.unwrap_or_else(|| "the folder of a run lies there".to_owned());
        tell(Finding::wrong("test job", fault.what, help));
        return;
    }
    let shape = Shape::of(job);
    let folder = spool.path().display().to_string();
    let name = format!("flowrun-doctor-{}", &question[..question.len().min(8)]);
    let array = Array {
        name: &name,
        comment: "flowrun doctor --try",
        elements: Some(1),
        at_once: None,
        shape: &shape,
        terms: Terms { most: Some(1), width: 1, run_s: shape.time_s },
        folder: &folder,
        command: "sh probe",
    };
    let (before, begin) = (clock(), Instant::now());
    let number = match commands::sbatch(&array).number() {
        Ok(number) => number,
        Err(said) => {
            let help = "see `submission` above, and the site's rules";
            tell(Finding::wrong("test job", format!("Slurm does not take it: {said}"), help));
            return;
        }
    };
    match wait(&spool, &number, limit) {
        End::Answered(text) => {
            let answer = Answer::read(&text);
            let took = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            told(&answer, &number, took, &question, scratch, tell);
            time(answer.clock, before, clock(), tell);
        }
        End::Silent(state) => {
            let text = format!("job {number} is over ({state}) and left no answer in {}", quote(&folder));
            let help = "put the project into a folder that the nodes see, too: `df` on a node shows which there are";
            tell(Finding::wrong("test job", text, help).data(json!({ "job": number, "state": state })));
        }
        End::Waiting(state) => {
            let over = format!("job {number} did not end within {}: {state}", elapsed(limit.as_millis() as u64));
            let data = json!({ "job": number, "state": state });
            tell(match cancel(&number) {
                Ok(()) => Finding::note("test job", format!("{over}; it is cancelled"))
                    .help("`--patience SECONDS` waits longer")
                    .data(data),
                Err(error) => Finding::wrong(
                    "test job",
                    over,
                    format!("`scancel {number}`, for it could not be cancelled: {error}"),
                )
                .data(data),
            });
        }
        End::Stopped => {
            let text = match cancel(&number) {
                Ok(()) => format!("stopped; job {number} is cancelled"),
                Err(error) => format!("stopped; job {number} could not be cancelled: {error}"),
            };
            tell(Finding::wrong("test job", text, "give the same command again"));
        }
    }
}

fn prepare(spool: &Spool, question: &str) -> Result<()> {
    spool.make()?;
    spool.keep_program()?;
    for (name, text) in [("question", question), ("probe", PROBE)] {
        durable::write(&spool.path().join(name), text.as_bytes(), Sync::Now)?;
    }
    Ok(())
}

enum End {
    Answered(String),
    /// Its last known state.
    Silent(String),
    Waiting(String),
    Stopped,
}

fn wait(spool: &Spool, job: &str, limit: Duration) -> End {
    let signals = crate::sys::signals::signals().ok();
    let grace = if mount::network(spool.path()).is_some() { FAR_GRACE } else { GRACE };
    let answer = spool.path().join("answer");
    let (begin, mut asked, mut gone) = (Instant::now(), Instant::now(), None::<Instant>);
    let mut state = "PENDING".to_owned();
    loop {
        if let Some(text) = fresh(&answer) {
            return End::Answered(text);
        }
        if gone.is_some_and(|gone| gone.elapsed() > grace) {
            return End::Silent(state);
        }
        let over = begin.elapsed() > limit;
        if over || asked.elapsed() > ASK {
            asked = Instant::now();
            // No answer is none, and time goes on.
            if let Ok(text) = ask(&["squeue", "--noheader", "--states=all", "--format=%i|%T|%r", "--jobs", job])
                .or_else(|error| if error.contains("Invalid job id") { Ok(String::new()) } else { Err(error) })
            {
                let line = text.lines().next().unwrap_or_default();
                let [_, now, reason] = super::fields_of(line);
                let waits =
                    matches!(now, "PENDING" | "CONFIGURING" | "RUNNING" | "COMPLETING" | "SUSPENDED" | "REQUEUED");
                if !now.is_empty() {
                    state = if reason == "None" { now.to_owned() } else { format!("{now}, {reason}") };
                }
                gone = if waits { None } else { gone.or_else(|| Some(Instant::now())) };
            }
        }
        if over {
            return End::Waiting(state);
        }
        match &signals {
            Some(signals) if signals.recv_timeout(LOOK).is_ok() => return End::Stopped,
            Some(_) => {}
            None => std::thread::sleep(LOOK),
        }
    }
}

/// A file that another machine has made: clients of a network file system keep what they know of a folder until
/// something is made in it.
fn fresh(path: &Path) -> Option<String> {
    let stir: PathBuf = path.with_extension("stir");
    std::fs::write(&stir, b"").and_then(|()| std::fs::remove_file(&stir)).ok()?;
    std::fs::read_to_string(path).ok()
}

#[derive(Debug, Default, PartialEq)]
struct Answer {
    clock: Option<f64>,
    host: String,
    machine: String,
    question: String,
    program: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_default().trim().to_owned()
        };
        let clock = field("clock");
        // A `date` without `%N` writes it as it stands.
        let end = clock.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(clock.len());
        Self {
            clock: clock[..end].parse().ok(),
            host: field("host"),
            machine: field("machine"),
            question: field("question"),
            program: field("program"),
        }
    }
}

fn told(answer: &Answer, job: &str, took: u64, question: &str, scratch: &Path, tell: Tell<'_>) {
    let host = &answer.host;
    let text = format!("job {job} ran on {host}; its answer was here {} after its submission", elapsed(took));
    let data = json!({ "job": job, "host": host, "answer_ms": took });
    tell(Finding::fine("test job", text).data(data));
    let place = scratch.parent().unwrap_or(scratch).display().to_string();
    tell(match answer.question == question {
        true => Finding::fine("shared", format!("what is written here is read on {host}, and back")),
        false => {
            let text = format!("{host} has another {} than this machine", quote(&place));
            Finding::wrong("shared", text, "put the project into a folder that the nodes share with this machine")
        }
    });
    let ours = format!("flowrun {}", env!("CARGO_PKG_VERSION"));
    let data = json!({ "machine": answer.machine, "said": answer.program });
    tell(
        match answer.program == ours {
            true => Finding::fine("binary", format!("runs on {host} ({})", answer.machine)),
            false => {
                let here = rustix::system::uname();
                let here = format!("{} {}", here.sysname().to_string_lossy(), here.machine().to_string_lossy());
                let text = format!("flowrun does not run on {host}: {}", answer.program);
                let help = match here == answer.machine {
                    true => "build flowrun on the oldest of the nodes, or for musl".to_owned(),
                    false => {
                        format!("{host} is {}, this machine {here}: name nodes by `slurm.constraint`", answer.machine)
                    }
                };
                Finding::wrong("binary", text, help)
            }
        }
        .data(data),
    );
}

/// The node's clock is read between our two looks at our own.
fn time(clock: Option<f64>, before: f64, after: f64, tell: Tell<'_>) {
    let Some(clock) = clock else {
        tell(Finding::note("clock", "the node did not say its time"));
        return;
    };
    // A whole second may be cut off.
    let apart = if clock < before { (clock + 1.0 - before).min(0.0) } else { (clock - after).max(0.0) };
    let data = json!({ "apart_s": (apart * 10.0).round() / 10.0 });
    let shown = elapsed((apart.abs() * 1000.0) as u64);
    let text = match apart {
        0.0 => "the node's agrees with ours".to_owned(),
        apart if apart < 0.0 => format!("the node's is {shown} behind ours"),
        _ => format!("the node's is {shown} ahead of ours"),
    };
    let help = "have both set their clocks (chrony, ntpd): times of files tell flowrun what has changed";
    tell(
        if apart.abs() > APART { Finding::wrong("clock", text, help) } else { Finding::fine("clock", text) }.data(data),
    );
}

fn clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_clocks_are_compared() {
        let text = "clock 1700000000.5%N\nhost n1\nmachine Linux x86_64\nquestion abc\nprogram sh: no\n";
        let answer = Answer::read(text);
        assert_eq!(
            (answer.clock, answer.host.as_str(), answer.program.as_str()),
            (Some(1_700_000_000.5), "n1", "sh: no")
        );
        let said = |clock: f64| {
            let mut found = Vec::new();
            time(Some(clock), 100.5, 101.5, &mut |finding| found.push(finding));
            found.remove(0).text
        };
        assert_eq!(said(101.0), "the node's agrees with ours");
        assert_eq!(said(100.0), "the node's agrees with ours");
        assert_eq!(said(91.5), "the node's is 8.0 s behind ours");
        assert_eq!(said(121.5), "the node's is 20 s ahead of ours");
    }
}
