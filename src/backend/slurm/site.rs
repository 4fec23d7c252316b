//! What is known of a cluster: its limits, partitions, nodes, and what the user may do. It judges what can never run
//! there, and says which limits what is submitted counts against. What was not answered is not known, and objects to
//! nothing. It asks nobody.

use super::commands::Shape;
use crate::base::text::{and, count, did_you_mean, quote, size};
use crate::base::{Value, amount};
use crate::lang::slurm::PREFIX;
use crate::port::site::{self, Objection};
use std::sync::Arc;

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Elements of an array: one more than the highest index. With fewer than two, jobs are submitted one by one.
    pub array: u32,
    /// Jobs that the controller keeps.
    pub jobs: u32,
    /// Its partitions; none: not known.
    pub partitions: Vec<Partition>,
    /// What accounting says of the user; `None`: there is none, or no answer.
    pub user: Option<User>,
    /// Options that `sbatch` takes from the environment where the task has none.
    pub defaults: Vec<(Arc<str>, Arc<str>)>,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub name: Arc<str>,
    /// Whether jobs go there that name none.
    pub default: bool,
    /// Seconds that a job may run; `None`: as long as it likes.
    pub time_s: Option<u64>,
    /// Cores of a node that its jobs may have together; `None`: all.
    pub cpus: Option<u32>,
    /// Bytes of a node that its jobs may have together; `None`: all.
    pub memory: Option<u64>,
    /// Accounts that may use it; `None`: all.
    pub accounts: Option<Vec<Arc<str>>>,
    /// Accounts that may not.
    pub no_accounts: Vec<Arc<str>>,
    /// QOS whose jobs may use it; `None`: all.
    pub qos: Option<Vec<Arc<str>>>,
    /// The QOS that limits all its jobs.
    pub own_qos: Option<Arc<str>>,
    /// Its nodes by kind; none: not known.
    pub nodes: Vec<Nodes>,
}

/// Nodes of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// Cores of each.
    pub cpus: u32,
    /// Bytes of each.
    pub memory: u64,
    /// GPUs of each.
    pub gpus: u32,
}

/// What accounting says of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: Arc<str>,
    /// Whether only accounts that the user has may be charged.
    pub accounts_count: bool,
    /// Whether only QOS that an account has may be used.
    pub qos_counts: bool,
    /// Whether the limits are in force.
    pub limits_count: bool,
    /// The account of jobs that name none.
    pub account: Arc<str>,
    /// The accounts, and what holds in each.
    pub associations: Vec<Association>,
    /// All QOS; none: not known.
    pub qos: Vec<Qos>,
}

/// A user's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Association {
    /// Its name.
    pub account: Arc<str>,
    /// The partition that this holds for; `None`: any other.
    pub partition: Option<Arc<str>>,
    /// Jobs in the queue.
    pub submit: Option<u32>,
    /// Jobs in the queue of all below it.
    pub group_submit: Option<u32>,
    /// QOS that its jobs may use.
    pub qos: Vec<Arc<str>>,
    /// The QOS of jobs that name none.
    pub own_qos: Option<Arc<str>>,
}

/// A quality of service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Qos {
    /// Its name.
    pub name: Arc<str>,
    /// Jobs in the queue of each user.
    pub submit_user: Option<u32>,
    /// Jobs in the queue of each account.
    pub submit_account: Option<u32>,
    /// Jobs in the queue of all.
    pub submit_group: Option<u32>,
}

/// A limit of jobs in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gate {
    /// What sets it: `QOS limit`.
    pub kind: &'static str,
    /// Which one of these: the account's or QOS's name, and the limit's.
    pub which: Arc<str>,
    /// Jobs.
    pub most: u32,
}

/// What a job asks for, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    cpus: Option<u32>,
    memory: Option<u64>,
    gpus: Option<u32>,
    time_s: Option<u64>,
    options: Vec<(Arc<str>, Option<Arc<str>>)>,
}

impl Asked {
    /// What an instance asks for.
    pub fn of(shape: &Shape) -> Self {
        let needs = &shape.needs;
        Self {
            cpus: Some(shape.cpus_per_process()),
            memory: Some(needs.memory),
            gpus: Some(needs.gpus),
            time_s: shape.time_s,
            options: shape.options.clone(),
        }
    }

    /// From resources by their names. What is wrong with an amount is said where it is used.
    fn named(asked: &[(Arc<str>, Value)]) -> Self {
        let mut all = Self::default();
        for (name, value) in asked {
            let whole = || match value {
                Value::Int(n) => u32::try_from(*n).ok(),
                Value::Str(text) => text.trim().parse().ok(),
                _ => None,
            };
            match (&**name, name.strip_prefix(PREFIX)) {
                (_, Some(option)) => {
                    let value = match value {
                        Value::Bool(false) => continue,
                        Value::Str(text) => Some(text.clone()),
                        Value::Int(n) => Some(n.to_string().into()),
                        _ => None,
                    };
                    all.options.push((option.into(), value));
                }
                ("cpus", _) => all.cpus = whole(),
                ("gpus", _) => all.gpus = whole(),
                ("memory", _) => all.memory = amount::bytes_of(value).ok(),
                ("time", _) => all.time_s = amount::duration_of(value).ok().map(|ms| ms.div_ceil(1000)),
                _ => {}
            }
        }
        all
    }
}

impl Default for Site {
    /// What is so as long as nobody says otherwise.
    fn default() -> Self {
        Self { array: 1001, jobs: 10_000, partitions: Vec::new(), user: None, defaults: Vec::new() }
    }
}

impl Site {
    /// An option of a job, or that of the environment.
    fn option<'a>(&'a self, options: &'a [(Arc<str>, Option<Arc<str>>)], name: &str) -> Option<&'a Arc<str>> {
        let own = options.iter().find(|(option, _)| &**option == name).and_then(|(_, value)| value.as_ref());
        own.or_else(|| self.defaults.iter().find(|(option, _)| &**option == name).map(|(_, value)| value))
    }

    /// The partitions of a job that are known, and the names of those that are not there.
    fn partitions<'a>(&'a self, options: &'a [(Arc<str>, Option<Arc<str>>)]) -> (Vec<&'a Partition>, Vec<&'a str>) {
        let Some(names) = self.option(options, "partition") else {
            return (self.partitions.iter().filter(|partition| partition.default).collect(), Vec::new());
        };
        let (mut known, mut absent) = (Vec::new(), Vec::new());
        for name in names.split(',') {
            match self.partitions.iter().find(|partition| &*partition.name == name) {
                Some(partition) => known.push(partition),
                None => absent.push(name),
            }
        }
        (known, absent)
    }

    /// Seconds that a job may run wherever its options let it; `None`: as long as it likes, or not known.
    pub fn longest_s(&self, options: &[(Arc<str>, Option<Arc<str>>)]) -> Option<u64> {
        self.partitions(options).0.iter().filter_map(|partition| partition.time_s).min()
    }

    /// Seconds that a job may take, at most, for a time limit of this and so many more in which it may begin another
    /// instance: not beyond what its partition allows.
    pub fn window_s(&self, shape: &Shape, wanted: u64) -> u64 {
        let (partitions, _) = self.partitions(&shape.options);
        let longest = partitions.iter().map(|partition| partition.time_s.unwrap_or(u64::MAX)).max();
        match (shape.time_s, longest) {
            (Some(time), Some(longest)) => wanted.min(longest.saturating_sub(time)),
            _ => wanted,
        }
    }

    /// What stands against a job.
    pub fn judge(&self, asked: &Asked) -> Vec<Objection> {
        // Another cluster has other partitions; a reservation its own nodes.
        if self.option(&asked.options, "clusters").is_some() {
            return Vec::new();
        }
        let mut all = Vec::new();
        all.extend(self.judge_account(asked));
        if self.partitions.is_empty() {
            return all;
        }
        let (partitions, absent) = self.partitions(&asked.options);
        let names = || self.partitions.iter().map(|partition| &*partition.name);
        for name in absent {
            all.push(Objection {
                about: "slurm.partition".into(),
                absent: true,
                message: format!("the partition {}, which is not there", quote(name)),
                help: did_you_mean(name, names()).unwrap_or_else(|| there(names())),
            });
        }
        if partitions.is_empty() {
            if all.is_empty() {
                all.push(Objection {
                    about: "slurm.partition".into(),
                    absent: true,
                    message: "no partition, and the cluster has no default one".to_owned(),
                    help: format!("name one: `slurm.partition = …`; {}", there(names())),
                });
            }
            return all;
        }
        all.extend(self.judge_entry(asked, &partitions));
        all.extend(judge_size(asked, &partitions));
        all.extend(judge_time(asked, &partitions));
        all
    }

    /// The account of a job, where it is known.
    fn account<'a>(&'a self, options: &'a [(Arc<str>, Option<Arc<str>>)]) -> Option<&'a Arc<str>> {
        let default = || self.user.as_ref().map(|user| &user.account).filter(|account| !account.is_empty());
        self.option(options, "account").or_else(default)
    }

    fn judge_account(&self, asked: &Asked) -> Option<Objection> {
        let user = self.user.as_ref()?;
        if let Some(account) = self.option(&asked.options, "account")
            && user.accounts_count
            && !user.associations.is_empty()
            && !user.associations.iter().any(|association| association.account == *account)
        {
            let mut names: Vec<&str> = user.associations.iter().map(|association| &*association.account).collect();
            names.dedup();
            let help = did_you_mean(account, names.iter().copied());
            return Some(Objection {
                about: "slurm.account".into(),
                absent: true,
                message: format!("the account {}, which you do not have", quote(account)),
                help: help.unwrap_or_else(|| format!("you have {}", listed(names))),
            });
        }
        let qos = self.option(&asked.options, "qos")?;
        let account = self.account(&asked.options);
        let of_account = |association: &&Association| Some(&association.account) == account;
        let mut allowed: Vec<&str> = if user.qos_counts {
            let all = user.associations.iter().filter(of_account).flat_map(|association| &association.qos);
            all.map(|qos| &**qos).collect()
        } else {
            user.qos.iter().map(|qos| &*qos.name).collect()
        };
        if allowed.is_empty() || allowed.contains(&&**qos) {
            return None;
        }
        allowed.sort_unstable();
        allowed.dedup();
        let there = user.qos.is_empty() || user.qos.iter().any(|known| known.name == *qos);
        let why = match account {
            Some(account) if there => format!("the account {} may not use", quote(account)),
            _ => "is not there".to_owned(),
        };
        Some(Objection {
            about: "slurm.qos".into(),
            absent: true,
            message: format!("the QOS {}, which {why}", quote(qos)),
            help: did_you_mean(qos, allowed.iter().copied())
                .unwrap_or_else(|| format!("it may use {}", listed(allowed))),
        })
    }

    /// Whether the job's account and QOS may use its partitions.
    fn judge_entry(&self, asked: &Asked, partitions: &[&Partition]) -> Option<Objection> {
        let refused = |what: &str, name: &Arc<str>, open: Vec<&str>| Objection {
            about: "slurm.partition".into(),
            absent: true,
            message: format!("{}, which the {what} {} may not use", named(partitions), quote(name)),
            help: if open.is_empty() { format!("name another {what}") } else { format!("it may use {}", listed(open)) },
        };
        if let Some(account) = self.account(&asked.options) {
            let may = |partition: &Partition| {
                partition.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
                    && !partition.no_accounts.contains(account)
            };
            if !partitions.iter().any(|partition| may(partition)) {
                let open = self.partitions.iter().filter(|partition| may(partition)).map(|partition| &*partition.name);
                return Some(refused("account", account, open.collect()));
            }
        }
        let qos = self.option(&asked.options, "qos")?;
        let may = |partition: &Partition| partition.qos.as_ref().is_none_or(|all| all.contains(qos));
        let open = self.partitions.iter().filter(|partition| may(partition)).map(|partition| &*partition.name);
        (!partitions.iter().any(|partition| may(partition))).then(|| refused("QOS", qos, open.collect()))
    }

    /// The limits that a job counts against.
    pub fn gates(&self, shape: &Shape) -> Vec<Gate> {
        // What has ended counts for some minutes, and others want to submit too.
        let most = (self.jobs / 2).max(1);
        let mut gates = vec![Gate { kind: "cluster limit", which: "half of MaxJobCount".into(), most }];
        let Some(user) = self.user.as_ref().filter(|user| user.limits_count) else { return gates };
        let mut gate = |kind, whose: &str, name: &str, most: Option<u32>| {
            let which = format!("{whose}, {name}").into();
            gates.extend(most.map(|most| Gate { kind, which, most }));
        };
        let (partitions, _) = self.partitions(&shape.options);
        let account = self.account(&shape.options);
        let mine = || user.associations.iter().filter(|association| Some(&association.account) == account);
        let of_partition = mine().find(|association| {
            association.partition.as_ref().is_some_and(|name| partitions.iter().any(|known| known.name == *name))
        });
        let association = of_partition.or_else(|| mine().find(|association| association.partition.is_none()));
        if let Some(association) = association {
            let whose = format!("{} {}", association.account, association.partition.as_deref().unwrap_or_default());
            gate("association limit", &whose, "MaxSubmitJobs", association.submit);
            gate("association limit", &whose, "GrpSubmitJobs", association.group_submit);
        }
        let of_account = association.and_then(|association| match (&association.own_qos, association.qos.as_slice()) {
            (Some(qos), _) => Some(qos),
            (None, [only]) => Some(only),
            (None, all) => all.iter().find(|qos| &***qos == "normal"),
        });
        let own = self.option(&shape.options, "qos").or(of_account);
        let mut names: Vec<&Arc<str>> = own.into_iter().collect();
        names.extend(partitions.iter().filter_map(|partition| partition.own_qos.as_ref()));
        names.dedup();
        for qos in user.qos.iter().filter(|qos| names.contains(&&qos.name)) {
            gate("QOS limit", &qos.name, "MaxSubmitJobsPerUser", qos.submit_user);
            gate("QOS limit", &qos.name, "MaxSubmitJobsPerAccount", qos.submit_account);
            gate("QOS limit", &qos.name, "GrpSubmitJobs", qos.submit_group);
        }
        gates
    }
}

impl site::Site for Site {
    fn objections(&self, asked: &[(Arc<str>, Value)]) -> Vec<Objection> {
        self.judge(&Asked::named(asked))
    }
}

/// Whether any node has it all; if none, the first thing that no node has, or all of it.
fn judge_size(asked: &Asked, partitions: &[&Partition]) -> Option<Objection> {
    let nodes = |partition: &&Partition| {
        let (cpus, memory) = (partition.cpus.unwrap_or(u32::MAX), partition.memory.unwrap_or(u64::MAX));
        let given = |nodes: &Nodes| Nodes { cpus: nodes.cpus.min(cpus), memory: nodes.memory.min(memory), ..*nodes };
        partition.nodes.iter().map(given).collect::<Vec<_>>()
    };
    let all: Vec<Nodes> = partitions.iter().flat_map(nodes).collect();
    let (cpus, memory) = (asked.cpus.unwrap_or(1), asked.memory.unwrap_or(0));
    // Who names devices by `gres` or in another way knows more than this.
    let named_otherwise = asked.options.iter().any(|(name, _)| name.starts_with("gpus") || &**name == "gres");
    let gpus = if named_otherwise { 0 } else { asked.gpus.unwrap_or(0) };
    let has = |nodes: &Nodes| nodes.cpus >= cpus && nodes.memory >= memory && nodes.gpus >= gpus;
    if all.is_empty() || all.iter().any(has) {
        return None;
    }
    let whole = Nodes {
        cpus: all.iter().map(|nodes| nodes.cpus).max()?,
        memory: all.iter().map(|nodes| nodes.memory).max()?,
        gpus: all.iter().map(|nodes| nodes.gpus).max()?,
    };
    let place = named(partitions);
    let (about, message) = if memory > whole.memory {
        ("memory", {
            let asked = amount::show_bytes(memory);
            format!("{asked} of memory, and no node of {place} has more than {}", size(whole.memory))
        })
    } else if cpus > whole.cpus {
        ("cpus", format!("{}, and no node of {place} has more than {}", count(cpus.into(), "core"), whole.cpus))
    } else if gpus > whole.gpus && whole.gpus == 0 {
        ("gpus", format!("{}, and no node of {place} has any", count(gpus.into(), "GPU")))
    } else if gpus > whole.gpus {
        ("gpus", format!("{}, and no node of {place} has more than {}", count(gpus.into(), "GPU"), whole.gpus))
    } else {
        let mut parts = vec![count(cpus.into(), "core")];
        parts.extend((memory > 0).then(|| format!("{} of memory", amount::show_bytes(memory))));
        parts.extend((gpus > 0).then(|| count(gpus.into(), "GPU")));
        let about = if memory > 0 { "memory" } else { "gpus" };
        (about, format!("{}, and no node of {place} has all of it", and_plain(&parts)))
    };
    let help = "`sinfo --Node --long` shows what the nodes have; ask for less, or name another partition".to_owned();
    Some(Objection { about: about.into(), absent: false, message, help })
}

fn judge_time(asked: &Asked, partitions: &[&Partition]) -> Option<Objection> {
    let time = asked.time_s?;
    let longest = partitions.iter().map(|partition| partition.time_s).max_by_key(|time| time.unwrap_or(u64::MAX))??;
    let show = |seconds: u64| amount::show_duration(seconds.saturating_mul(1000));
    (time > longest).then(|| Objection {
        about: "time".into(),
        absent: false,
        message: format!("{}, and jobs of {} may run for {} at most", show(time), named(partitions), show(longest)),
        help: "ask for less, or name another partition; `sinfo --summarize` shows how long each allows".to_owned(),
    })
}

/// ``the partition `main` ``
fn named(partitions: &[&Partition]) -> String {
    let names = and(partitions.iter().map(|partition| &*partition.name));
    format!("the {} {names}", if partitions.len() == 1 { "partition" } else { "partitions" })
}

fn there<'a>(names: impl Iterator<Item = &'a str> + Clone) -> String {
    format!("there {} {}", if names.clone().count() == 1 { "is" } else { "are" }, listed(names))
}

/// Names for a help, the first of many.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!(
            "{}, … and {more} more",
            names[..SHOWN].iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
        ),
        _ => and(names),
    }
}

fn and_plain(parts: &[String]) -> String {
    match parts {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        all => all.concat(),
    }
}
