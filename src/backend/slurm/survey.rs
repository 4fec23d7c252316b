//! Asks a cluster what it is: one question each, once. What is not answered in time is not known; only a cluster that
//! says nothing at all is an error.

use super::commands::PATIENCE;
use super::refusal::sentence;
use super::site::{Association, Nodes, Partition, Qos, Site, User};
use crate::sys::find;
use crate::sys::tool::{self, NoAnswer};
use crate::sys::{Fault, FaultKind};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What only makes messages better and waiting shorter is not waited for as long.
const SHORT: Duration = Duration::from_secs(20);

/// The programs that must be there.
const PROGRAMS: [&str; 4] = ["sbatch", "squeue", "scancel", "scontrol"];

/// The cluster that this process speaks with; it is asked once.
///
/// # Errors
/// There is no Slurm here, or it does not answer.
pub fn site() -> anyhow::Result<Arc<Site>> {
    static SITE: OnceLock<Arc<Site>> = OnceLock::new();
    if let Some(site) = SITE.get() {
        return Ok(site.clone());
    }
    let site = Arc::new(ask()?);
    Ok(SITE.get_or_init(|| site).clone())
}

fn ask() -> anyhow::Result<Site> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let absent = PROGRAMS.iter().find(|name| find::program(OsStr::new(name), &path, Path::new("/")).is_err());
    if let Some(name) = absent {
        let help = "run where Slurm's commands are (a login node; on many clusters `module load slurm`), or leave \
                    `--backend slurm` out to run on this machine";
        let what = format!("there is no Slurm here: `{name}` is not on `PATH`");
        return Err(Fault::new(FaultKind::Missing, what).help(help).into());
    }
    let answer = match tool::ask(&["scontrol", "show", "config"], "", PATIENCE) {
        Ok(answer) if answer.code == Some(0) => answer.out,
        Ok(answer) => return Err(away(sentence(&answer.err))),
        Err(error) => return Err(away(error.to_string())),
    };
    let config = Config(&answer);
    let known = |words: &[&str]| known(words);
    let mut partitions = partitions(&known(&["scontrol", "--all", "--oneliner", "show", "partition"]));
    if !partitions.is_empty() {
        nodes(&mut partitions, &known(&["sinfo", "--all", "--noheader", "--exact", "--format=%R|%c|%m|%G"]));
    }
    let user = config.value("AccountingStorageType").is_some_and(|kind| kind.contains("slurmdbd")).then(|| {
        let name = crate::sys::user();
        let format = "format=cluster,account,partition,defaultaccount,maxsubmit,grpsubmit,defaultqos,qos";
        let own = known(&["sacctmgr", "-n", "-P", "show", "user", &name, "withassoc", format]);
        let format = "format=name,maxsubmitjobsperuser,maxsubmitjobsperaccount,grpsubmitjobs";
        let qos = known(&["sacctmgr", "-n", "-P", "show", "qos", format]);
        user(&name, &config, &own, &qos)
    });
    let default = |(option, variable): &(&str, &str)| {
        let value = std::env::var(variable).ok().filter(|value| !value.is_empty())?;
        Some((Arc::from(*option), Arc::from(value)))
    };
    let variables = [
        ("partition", "SBATCH_PARTITION"),
        ("account", "SBATCH_ACCOUNT"),
        ("qos", "SBATCH_QOS"),
        ("clusters", "SBATCH_CLUSTERS"),
    ];
    let usual = Site::default();
    Ok(Site {
        array: config.number("MaxArraySize").unwrap_or(usual.array),
        jobs: config.number("MaxJobCount").unwrap_or(usual.jobs),
        partitions,
        user,
        defaults: variables.iter().filter_map(default).collect(),
    })
}

fn away(what: String) -> anyhow::Error {
    let help = "`scontrol ping` shows whether the controller is there; what was done so far is kept, and the same \
                command continues";
    Fault::new(FaultKind::Away, format!("Slurm does not answer: {what}")).help(help).into()
}

/// What a program prints; nothing when it fails.
fn known(words: &[&str]) -> String {
    match tool::ask(words, "", SHORT) {
        Ok(answer) if answer.code == Some(0) => answer.out,
        Ok(_) | Err(NoAnswer::Silent { .. } | NoAnswer::NotStarted { .. }) => String::new(),
    }
}

/// `scontrol show config`
struct Config<'a>(&'a str);

impl Config<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        let value = |line: &'_ str| -> Option<usize> {
            let rest = line.strip_prefix(name)?.trim_start().strip_prefix('=')?;
            Some(line.len() - rest.len())
        };
        self.0.lines().find_map(|line| value(line).map(|at| line[at..].trim()))
    }
    fn number(&self, name: &str) -> Option<u32> {
        self.value(name)?.parse().ok()
    }
}

/// `scontrol --oneliner show partition`
fn partitions(text: &str) -> Vec<Partition> {
    let partition = |line: &str| {
        let value = |name: &str| {
            let words = line.split_ascii_whitespace();
            words.filter_map(|word| word.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let list = |name: &str| match value(name) {
            None | Some("ALL" | "") => None,
            Some(names) => Some(names.split(',').map(Arc::from).collect::<Vec<Arc<str>>>()),
        };
        Some(Partition {
            name: value("PartitionName")?.into(),
            default: value("Default") == Some("YES"),
            time_s: value("MaxTime").and_then(seconds),
            cpus: value("MaxCPUsPerNode").and_then(|text| text.parse().ok()),
            memory: value("MaxMemPerNode").and_then(|text| text.parse::<u64>().ok()).map(|mib| mib << 20),
            accounts: list("AllowAccounts"),
            no_accounts: list("DenyAccounts").unwrap_or_default(),
            qos: list("AllowQos"),
            own_qos: value("QoS").filter(|name| *name != "N/A").map(Arc::from),
            nodes: Vec::new(),
        })
    };
    text.lines().filter_map(partition).collect()
}

/// `sinfo --exact --format=%R|%c|%m|%G`
fn nodes(partitions: &mut [Partition], text: &str) {
    for line in text.lines() {
        let mut fields = line.trim().split('|');
        let mut field = || fields.next().unwrap_or_default();
        let (name, cpus, memory, gres) = (field(), field(), field(), field());
        let (Ok(cpus), Ok(mib)) = (cpus.parse(), memory.parse::<u64>()) else { continue };
        if let Some(partition) = partitions.iter_mut().find(|partition| &*partition.name == name) {
            partition.nodes.push(Nodes { cpus, memory: mib << 20, gpus: gpus(gres) });
        }
    }
}

/// GPUs of `gpu:a100:4(S:0-1),gpu:2,shard:8`.
fn gpus(gres: &str) -> u32 {
    let mut depth = 0;
    let plain: String = gres
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '(');
            let keep = depth == 0;
            depth -= i32::from(*c == ')');
            keep
        })
        .collect();
    let of = |one: &str| match one.split(':').collect::<Vec<_>>().as_slice() {
        ["gpu"] => 1,
        ["gpu", .., last] => last.parse().unwrap_or(1),
        _ => 0,
    };
    plain.split(',').map(of).sum()
}

/// What accounting says of the user. `own`: cluster, account, partition, default account, MaxSubmit, GrpSubmit, default
/// QOS, QOS; `all`: QOS, its MaxSubmit of users and accounts, GrpSubmit.
fn user(name: &str, config: &Config<'_>, own: &str, all: &str) -> User {
    let enforced = config.value("AccountingStorageEnforce").unwrap_or_default().to_ascii_lowercase();
    let enforces = |what: &str| enforced.split(',').any(|word| word.trim() == what || word.trim() == "all");
    let text = |field: &str| (!field.is_empty()).then(|| Arc::<str>::from(field));
    let cluster = config.value("ClusterName").unwrap_or_default();
    let mut user = User {
        name: name.into(),
        accounts_count: enforces("associations") || enforces("limits") || enforces("qos"),
        qos_counts: enforces("qos"),
        limits_count: enforces("limits") || enforces("safe"),
        ..User::default()
    };
    for line in own.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [on, account, partition, default, submit, group, own_qos, qos, ..] = fields.as_slice() else { continue };
        if *on != cluster {
            continue;
        }
        user.account = (*default).into();
        user.associations.push(Association {
            account: (*account).into(),
            partition: text(partition),
            submit: submit.parse().ok(),
            group_submit: group.parse().ok(),
            qos: qos.split(',').filter_map(text).collect(),
            own_qos: text(own_qos),
        });
    }
    for line in all.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [name, per_user, per_account, group, ..] = fields.as_slice() else { continue };
        user.qos.push(Qos {
            name: (*name).into(),
            submit_user: per_user.parse().ok(),
            submit_account: per_account.parse().ok(),
            submit_group: group.parse().ok(),
        });
    }
    user
}

/// Seconds of `2-01:00:00`, `01:00:00`, `30:00`; `None`: no limit.
fn seconds(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock),
        None => (0, text),
    };
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let clock = match parts.as_slice() {
        [hours, minutes, seconds] => hours * 3600 + minutes * 60 + seconds,
        [minutes, seconds] => minutes * 60 + seconds,
        [minutes] => minutes * 60,
        _ => return None,
    };
    Some(days * 86_400 + clock)
}
