//! What a run on Slurm needs, for `doctor`: its programs, the controller, limits, accounting, accounts and partitions,
//! and what would be submitted. Everything is asked for and nothing is changed, but for the test job, if one is asked
//! for.

mod attempt;
mod partitions;

use super::commands::{self, Array, Shape};
use super::site::{Asked, Gate, Site};
use super::survey;
use crate::backend::spool::Terms;
use crate::base::text::{and, count, elapsed, quote};
use crate::port::doctor::{Checkup, Finding};
use crate::port::site::Objection;
use crate::sys::tool::{self, Answer, NoAnswer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A controller that is away makes each of Slurm's programs wait for `MessageTimeout`, often a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// Without these nothing goes.
const NEEDED: [&str; 4] = ["sbatch", "squeue", "scancel", "scontrol"];
/// With these more is known.
const USEFUL: [&str; 4] = ["sacct", "sacctmgr", "sinfo", "srun"];

/// What `site` calls the limit that every job counts against.
const CLUSTER: &str = "cluster limit";

type Tell<'a> = &'a mut dyn FnMut(Finding);

/// What `scontrol show config` says, by name.
type Config = BTreeMap<String, String>;

/// Tells what there is, as far as the answers reach.
pub fn examine(checkup: &Checkup<'_>, tell: Tell<'_>) {
    if !programs(tell) {
        return;
    }
    let Some(config) = controller(tell) else { return };
    cluster(&config, tell);
    let site = survey::site().ok();
    let shape = checkup.job.map(Shape::of);
    limits(&config, site.as_deref().zip(shape.as_ref()), tell);
    if accounting(&config, tell) {
        accounts(&config, tell);
        qualities(tell);
    }
    partitions::examine(checkup, tell);
    queue(tell);
    if submission(site.as_deref(), shape.as_ref(), tell) {
        attempt::examine(checkup, tell);
    }
}

/// One of Slurm's programs; what it says when all is well, else why not.
fn ask(words: &[&str]) -> Result<String, String> {
    ask_with(words, "").map(|answer| answer.out)
}

fn ask_with(words: &[&str], input: &str) -> Result<Answer, String> {
    match tool::ask(words, input, PATIENCE) {
        Ok(answer) if answer.code == Some(0) => Ok(answer),
        Ok(answer) => Err(said(words[0], &answer.err)),
        Err(error) => Err(error.to_string()),
    }
}

/// The last error of those that were written, without the program's name.
fn said(program: &str, err: &str) -> String {
    let lines: Vec<&str> = err.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let hint = |line: &&&str| !line.starts_with("Try ");
    let last = lines.iter().rfind(|line| line.contains("error:")).or(lines.iter().rfind(hint));
    let last = last.copied().unwrap_or("it failed and said nothing");
    let last = last.strip_prefix(program).map_or(last, |rest| rest.trim_start_matches(':').trim_start());
    last.strip_prefix("error:").map_or(last, str::trim_start).to_owned()
}

fn programs(tell: Tell<'_>) -> bool {
    let (mut versions, mut lacking) = (BTreeMap::<String, Vec<&str>>::new(), Vec::new());
    for name in NEEDED.iter().chain(&USEFUL) {
        match tool::ask(&[name, "--version"], "", PATIENCE) {
            Ok(answer) if answer.code == Some(0) => {
                versions.entry(answer.out.trim().to_owned()).or_default().push(name);
            }
            Ok(answer) => versions.entry(said(name, &answer.err)).or_default().push(name),
            Err(NoAnswer::NotStarted { .. }) => lacking.push(*name),
            Err(error) => versions.entry(error.to_string()).or_default().push(name),
        }
    }
    let data = json!({ "versions": versions, "missing": lacking });
    let needed: Vec<&str> = lacking.iter().copied().filter(|name| NEEDED.contains(name)).collect();
    if !needed.is_empty() {
        let text = format!("there is no {} here", and(needed));
        let help = "run on a login node of the cluster, or load its module (`module load slurm`)";
        tell(Finding::wrong("programs", text, help).data(data));
        return false;
    }
    let same: Vec<String> = match versions.len() {
        1 => versions.keys().cloned().collect(),
        _ => versions.iter().map(|(version, names)| format!("{version}: {}", names.join(", "))).collect(),
    };
    let text = same.join("; ");
    tell(match (lacking.is_empty(), versions.len()) {
        (true, 1) => Finding::fine("programs", text).data(data),
        (true, _) => Finding::note("programs", text).help("have one version of Slurm on `PATH`").data(data),
        (false, _) => Finding::note("programs", format!("{text}; there is no {}", and(lacking))).data(data),
    });
    true
}

fn controller(tell: Tell<'_>) -> Option<Config> {
    let begin = Instant::now();
    let answer = ask(&["scontrol", "show", "config"]);
    let took = begin.elapsed();
    let config = match answer {
        Ok(text) => text,
        Err(error) => {
            let help = "ask the site, or wait: flowrun waits for a controller that is away, and runs go on without it";
            tell(Finding::wrong("controller", format!("it does not answer: {error}"), help));
            return None;
        }
    };
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let hosts = ask(&["scontrol", "ping"]).unwrap_or_default();
    let hosts: Vec<&str> = hosts.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = format!("it answers in {}", elapsed(ms));
    let finding = match hosts.iter().any(|line| line.ends_with("DOWN")) {
        true => Finding::note("controller", text).lines(hosts.iter().map(|line| (*line).to_owned())),
        false => Finding::fine("controller", text),
    };
    tell(finding.data(json!({ "answer_ms": ms, "hosts": hosts })));
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    Some(config.lines().filter_map(pair).collect())
}

fn text<'c>(config: &'c Config, name: &str) -> &'c str {
    config.get(name).map_or("", |value| value.as_str())
}

fn cluster(config: &Config, tell: Tell<'_>) {
    let (name, version) = (text(config, "ClusterName"), text(config, "SLURM_VERSION"));
    let finding = Finding::fine("cluster", format!("{}, Slurm {version}", quote(name)));
    tell(finding.data(json!({ "name": name, "version": version })));
}

/// What the cluster allows, and the limits of jobs in the queue that a default task counts against.
fn limits(config: &Config, own: Option<(&Site, &Shape)>, tell: Tell<'_>) {
    let number = |name: &str| text(config, name).split(' ').next().and_then(|value| value.parse::<u64>().ok());
    let (array, jobs, age) = (number("MaxArraySize"), number("MaxJobCount"), number("MinJobAge"));
    let shown = |n: Option<u64>| n.map_or("an unknown number of".to_owned(), |n| n.to_string());
    let text = match array {
        Some(0 | 1) => format!("no arrays: jobs are submitted one by one; {} in the queue", shown(jobs)),
        _ => format!("arrays of {} elements at most, {} jobs in the queue", shown(array), shown(jobs)),
    };
    let gates: Vec<Gate> = own.map_or(Vec::new(), |(site, shape)| site.gates(shape));
    let gates: Vec<&Gate> = gates.iter().filter(|gate| gate.kind != CLUSTER).collect();
    let data: Vec<Value> =
        gates.iter().map(|gate| json!({ "kind": gate.kind, "which": gate.which, "most": gate.most })).collect();
    let data = json!({ "max_array_size": array, "max_job_count": jobs, "min_job_age_s": age, "submit": data });
    let lines = gates
        .iter()
        .map(|gate| format!("{}, {}: {}", gate.kind, gate.which.replace(" ,", ","), count(gate.most.into(), "job")));
    let finding = match array {
        Some(0 | 1) => Finding::note("limits", text),
        _ => Finding::fine("limits", text),
    };
    tell(finding.lines(lines).data(data));
}

/// Whether there is a database of jobs.
fn accounting(config: &Config, tell: Tell<'_>) -> bool {
    let kind = text(config, "AccountingStorageType");
    let age = text(config, "MinJobAge");
    if kind.is_empty() || kind.ends_with("/none") || kind == "(null)" {
        let text = format!("there is none: what became of a job is known for {age} after its end");
        tell(Finding::note("accounting", text).data(json!({ "kind": null })));
        return false;
    }
    let data = json!({ "kind": kind });
    match ask(&["sacct", "-n", "-X", "-P", "--starttime=now-1minutes", "--format=jobid"]) {
        Ok(_) => tell(Finding::fine("accounting", format!("{kind} answers")).data(data)),
        Err(error) => {
            let text = format!("{kind} does not answer: {error}");
            let help = "what became of a job that nobody reports is then known from the queue alone";
            tell(Finding::note("accounting", text).help(help).data(data));
            return false;
        }
    }
    true
}

/// Where the user may submit to, and how much.
fn accounts(config: &Config, tell: Tell<'_>) {
    let user = crate::sys::user();
    let fields = "format=Account,Partition,QOS,DefaultQOS,MaxSubmitJobs,MaxJobs";
    let rows = ask(&["sacctmgr", "-n", "-P", "show", "assoc", &format!("user={user}"), fields]);
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            let help = "the limits of your accounts are not known; `sbatch` will say them";
            tell(Finding::note("accounts", format!("`sacctmgr` does not answer: {error}")).help(help));
            return;
        }
    };
    let default = ask(&["sacctmgr", "-n", "-P", "show", "user", &user, "format=DefaultAccount"]).unwrap_or_default();
    let default = default.trim();
    let (mut accounts, mut lines) = (Vec::new(), Vec::new());
    for row in rows.lines() {
        let [account, partition, qos, default_qos, submit, jobs] = fields_of(row);
        if account.is_empty() {
            continue;
        }
        let star = if account == default { "*" } else { "" };
        let more = [("partition", partition), ("QOS", qos), ("at most in the queue", submit), ("at work", jobs)];
        let more = more.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| match *name {
            "partition" | "QOS" => format!("{name} {}", value.replace(',', ", ")),
            name => format!("{value} {name}"),
        });
        lines.push([format!("{account}{star}")].into_iter().chain(more).collect::<Vec<_>>().join(", "));
        accounts.push(json!({
            "account": account, "default": account == default, "partition": filled(partition), "qos": filled(qos),
            "default_qos": filled(default_qos), "max_submit_jobs": filled(submit), "max_jobs": filled(jobs),
        }));
    }
    let enforced = text(config, "AccountingStorageEnforce").contains("associations");
    let data = json!({ "user": user, "accounts": accounts });
    tell(match (accounts.len(), enforced) {
        (0, true) => {
            let text = format!("{user} has none, and this cluster takes no jobs without one");
            Finding::wrong("accounts", text, "ask the site for an account").data(data)
        }
        (0, false) => Finding::fine("accounts", format!("{user} has none, and needs none")).data(data),
        (n, _) => {
            let text = format!("{user} has {} (* the default)", count(n as u64, "account"));
            Finding::fine("accounts", text).lines(lines).data(data)
        }
    });
}

/// Each quality of service, with its limits.
fn qualities(tell: Tell<'_>) {
    let fields = "format=Name,MaxSubmitPU,MaxJobsPU,MaxWall";
    let Ok(rows) = ask(&["sacctmgr", "-n", "-P", "show", "qos", fields]) else { return };
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    for row in rows.lines() {
        let [name, submit, jobs, wall] = fields_of(row);
        if name.is_empty() {
            continue;
        }
        all.push(json!({
            "name": name, "max_submit_jobs": filled(submit), "max_jobs": filled(jobs), "max_time": filled(wall),
        }));
        let more = [(submit, "jobs in the queue"), (jobs, "at work"), (wall, "at most")];
        let more = more.iter().filter(|(value, _)| !value.is_empty());
        let more: Vec<String> = more.map(|(value, what)| format!("{value} {what}")).collect();
        lines.push(if more.is_empty() { name.to_owned() } else { format!("{name}: {}", more.join(", ")) });
    }
    let text = match all.len() {
        1 => "1 quality of service".to_owned(),
        n => format!("{n} qualities of service"),
    };
    tell(Finding::fine("qos", text).lines(lines).data(json!({ "qos": all })));
}

fn filled(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// The fields of a line, those that it lacks empty.
fn fields_of<const N: usize>(row: &str) -> [&str; N] {
    let mut fields = row.split('|');
    std::array::from_fn(|_| fields.next().unwrap_or_default().trim())
}

fn queue(tell: Tell<'_>) {
    match ask(&["squeue", "--me", "--noheader", "--array", "--states=PENDING,RUNNING", "--format=%T"]) {
        Ok(text) => {
            let of = |state: &str| text.lines().filter(|line| line.trim() == state).count();
            let (waiting, running) = (of("PENDING"), of("RUNNING"));
            let finding = Finding::fine("queue", format!("of your jobs {waiting} wait and {running} run"));
            tell(finding.data(json!({ "waiting": waiting, "running": running })));
        }
        Err(error) => tell(Finding::wrong("queue", error, "without `squeue` a job that dies is not noticed")),
    }
}

/// What a default task would be submitted as, and what the cluster says to it; whether it would take it.
fn submission(site: Option<&Site>, shape: Option<&Shape>, tell: Tell<'_>) -> bool {
    let Some(shape) = shape else {
        let text = "not tried: the default resources are wrong, or depend on params";
        tell(Finding::note("submission", text).help("`flowrun check` says what is wrong"));
        return false;
    };
    let objections = site.map_or(Vec::new(), |site| site.judge(&Asked::of(shape)));
    for Objection { message, help, about, .. } in &objections {
        let text = format!("a task that says nothing of itself asks for {message}");
        tell(Finding::wrong("submission", text, help.clone()).data(json!({ "about": about })));
    }
    if !objections.is_empty() {
        return false;
    }
    let array = Array {
        name: "flowrun-doctor",
        comment: "flowrun doctor",
        elements: Some(1),
        at_once: None,
        shape,
        terms: Terms { most: Some(1), width: 1, run_s: shape.time_s },
        folder: "/",
        command: "true",
    };
    let words = array.words();
    let ours = [
        "--job-name",
        "--comment",
        "--chdir",
        "--output",
        "--error",
        "--open-mode",
        "--parsable",
        "--propagate",
        "--requeue",
    ];
    let shown: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !ours.iter().any(|own| word.starts_with(own))).collect();
    let line = shown.join(" ");
    let data = json!({ "options": &shown[1..] });
    let mut test: Vec<&str> = words.iter().map(String::as_str).collect();
    test.push("--test-only");
    let answer = ask_with(&test, &array.script());
    let taken = answer.is_ok();
    match answer {
        Ok(_) => {
            let finding = Finding::fine("submission", "a task that says nothing of itself is taken").lines([line]);
            tell(finding.data(data));
        }
        Err(error) => {
            let error = error.trim_start_matches("allocation failure: ").to_owned();
            let help = "write what the cluster asks for into the profile: `slurm.partition`, `slurm.account`, `time`";
            tell(
                Finding::wrong("submission", format!("Slurm does not take it: {error}"), help).lines([line]).data(data),
            );
        }
    }
    taken
}

/// Cancels the test job.
fn cancel(job: &str) -> Result<(), String> {
    commands::scancel(&[job.to_owned()], false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_said_without_the_name_of_the_program() {
        assert_eq!(said("sbatch", "sbatch: error: one\nsbatch: error: Invalid qos\n"), "Invalid qos");
        assert_eq!(said("sacct", "Slurm accounting storage is disabled\n"), "Slurm accounting storage is disabled");
        assert_eq!(
            said("sbatch", "sbatch: unrecognized option '--x'\nTry \"sbatch --help\"\n"),
            "unrecognized option '--x'"
        );
        assert_eq!(said("scontrol", ""), "it failed and said nothing");
        assert_eq!(fields_of::<3>("a| b "), ["a", "b", ""]);
    }
}
