//! The partitions, one line each: those that nodes with different sizes have are told as a range.

use super::{Tell, ask, fields_of};
use crate::base::text::{count, quote, size};
use crate::port::doctor::{Checkup, Finding};
use serde_json::json;

/// A partition, as far as a user wants to know.
#[derive(Debug, Default, PartialEq)]
struct Partition {
    name: String,
    default: bool,
    /// `up`, `down`, `drain`, `inact`.
    state: String,
    /// As Slurm writes it: `1-00:00:00`, `infinite`.
    time: String,
    nodes: u64,
    /// Those that take jobs.
    usable: u64,
    cpus: (u64, u64),
    memory_mib: (u64, u64),
    gpus: u64,
}

/// What `sinfo` is asked for: one line for nodes that are alike.
const FORMAT: &str = "--format=%P|%a|%l|%D|%c|%m|%G|%t";

/// Tells the partitions, and whether those that a default task goes to have nodes.
pub fn examine(checkup: &Checkup<'_>, tell: Tell<'_>) {
    let text = match ask(&["sinfo", "--noheader", FORMAT]) {
        Ok(text) => text,
        Err(error) => {
            tell(Finding::note("partitions", format!("`sinfo` does not answer: {error}")));
            return;
        }
    };
    let all = read(&text);
    let asked = checkup.job.and_then(|job| {
        let (_, value) = job.options.iter().find(|(option, _)| &**option == "partition")?;
        value.as_deref()
    });
    let chosen: Vec<&Partition> = match asked {
        // Several may be named: the first that is free.
        Some(asked) => all.iter().filter(|own| asked.split(',').any(|name| name == own.name)).collect(),
        None => all.iter().filter(|own| own.default).collect(),
    };
    let usable = |partition: &&Partition| partition.state == "up" && partition.usable > 0;
    let finding = match chosen.first() {
        Some(first) if !chosen.iter().any(usable) => {
            let text = format!("no node of {} takes jobs now", quote(&first.name));
            Finding::wrong("partitions", text, "wait, or name another in the profile: `slurm.partition`")
        }
        first => {
            let own = match (first, asked) {
                (Some(_), Some(asked)) => format!(" (tasks go to {})", quote(asked)),
                (Some(_), None) => " (* the default)".to_owned(),
                // What stands against a task is said of its submission.
                (None, _) => String::new(),
            };
            Finding::fine("partitions", format!("{}{own}", count(all.len() as u64, "partition")))
        }
    };
    let data: Vec<_> = all.iter().map(Partition::data).collect();
    tell(finding.lines(table(&all)).data(json!({ "partitions": data })));
}

fn read(text: &str) -> Vec<Partition> {
    let mut all: Vec<Partition> = Vec::new();
    for line in text.lines() {
        let [name, state, time, nodes, cpus, memory, gres, node_state] = fields_of(line);
        if name.is_empty() {
            continue;
        }
        let (default, name) = (name.ends_with('*'), name.trim_end_matches('*'));
        // `4+`: at least so many.
        let number = |text: &str| text.trim_end_matches('+').parse::<u64>().unwrap_or(0);
        let (nodes, cpus, memory) = (number(nodes), number(cpus), number(memory));
        let at = all.iter().position(|own| own.name == name).unwrap_or_else(|| {
            let (cpus, memory_mib) = ((u64::MAX, 0), (u64::MAX, 0));
            let (name, state, time) = (name.to_owned(), state.to_owned(), time.to_owned());
            all.push(Partition { name, default, state, time, cpus, memory_mib, ..Partition::default() });
            all.len() - 1
        });
        let own = &mut all[at];
        own.nodes += nodes;
        let takes = ["idle", "mix", "alloc", "comp", "resv", "plnd"];
        // `idle*` does not answer; `idle~` sleeps, and is woken.
        let node_state = node_state.trim_end_matches(['~', '#', '%', '@', '+']);
        own.usable += if takes.contains(&node_state) { nodes } else { 0 };
        if nodes > 0 {
            own.cpus = (own.cpus.0.min(cpus), own.cpus.1.max(cpus));
            own.memory_mib = (own.memory_mib.0.min(memory), own.memory_mib.1.max(memory));
            own.gpus += nodes * gpus_of(gres);
        }
    }
    all
}

/// `gpu:a100:4(S:0-1),shard:8`: 4.
fn gpus_of(gres: &str) -> u64 {
    let one = |item: &str| {
        let item = item.split('(').next().unwrap_or_default();
        let last = item.strip_prefix("gpu:")?.rsplit(':').next()?;
        last.parse::<u64>().ok()
    };
    gres.split(',').filter_map(one).sum()
}

impl Partition {
    fn data(&self) -> serde_json::Value {
        json!({
            "name": self.name, "default": self.default, "state": self.state, "time_limit": self.time,
            "nodes": self.nodes, "nodes_usable": self.usable, "cpus_per_node": [self.cpus.0.min(self.cpus.1), self.cpus.1],
            "memory_mib_per_node": [self.memory_mib.0.min(self.memory_mib.1), self.memory_mib.1], "gpus": self.gpus,
        })
    }
}

/// The partitions in columns.
fn table(all: &[Partition]) -> Vec<String> {
    let range = |(low, high): (u64, u64), shown: fn(u64) -> String| match low < high {
        true => format!("{}-{}", shown(low), shown(high)),
        false => shown(high),
    };
    let rows: Vec<[String; 6]> = all
        .iter()
        .map(|own| {
            let nodes = match own.usable == own.nodes {
                true => count(own.nodes, "node"),
                false => format!("{} of {}", own.usable, count(own.nodes, "node")),
            };
            let gpus = if own.gpus > 0 { format!(", {}", count(own.gpus, "GPU")) } else { String::new() };
            let cpus =
                format!("{} {}", range(own.cpus, |n| n.to_string()), if own.cpus.1 == 1 { "core" } else { "cores" });
            let memory = range(own.memory_mib, |mib| size(mib << 20));
            let star = if own.default { "*" } else { "" };
            [format!("{}{star}", own.name), own.state.clone(), own.time.clone(), nodes, cpus, format!("{memory}{gpus}")]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_differ_are_one_line_of_their_partition() {
        let text = "main*|up|1-00:00:00|12|32|128000|(null)|idle\n\
                    main*|up|1-00:00:00|2|64|512000|(null)|drain\n\
                    main*|up|1-00:00:00|1|32|128000|(null)|idle*\n\
                    gpu|up|infinite|2|16|64000|gpu:a100:4(S:0-1),shard:8|mix\n\
                    old|down|1:00:00|0|0|0|(null)|n/a\n";
        assert_eq!(
            table(&read(text)),
            [
                "main*  up    1-00:00:00  12 of 15 nodes  32-64 cores  125 GiB-500 GiB",
                "gpu    up    infinite    2 nodes         16 cores     62 GiB, 8 GPUs",
                "old    down  1:00:00     0 nodes         0 cores      0 B",
            ]
        );
        assert_eq!(gpus_of("gpu:2"), 2);
        assert_eq!(gpus_of("(null)"), 0);
    }
}
