//! What this process may use of the machine: cores and memory, by affinity and control groups, and open files.

use super::cgroup::{Folders, folders};
use std::fs;
use std::path::Path;

/// Cores: those of the affinity mask, at most as many whole ones as the control groups grant; at least 1.
pub fn cores() -> u32 {
    let mask = rustix::thread::sched_getaffinity(None).map(|set| set.count()).ok();
    let mask =
        mask.filter(|&n| n > 0).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32));
    quota().map_or(mask, |quota| mask.min(quota)).max(1)
}

/// Cores that the machine has, for anybody; `None`: not known.
pub fn cores_of_machine() -> Option<u32> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let n = text.lines().filter(|line| line.starts_with("processor")).count();
    u32::try_from(n).ok().filter(|n| *n > 0)
}

/// Files that a process may have open when it has raised its limit as far as it may.
pub fn open_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

fn quota() -> Option<u32> {
    let Folders { unified, list } = folders("cpu")?;
    let of = |folder: &Path| {
        let (quota, period) = if unified {
            let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        } else {
            (number(&folder.join("cpu.cfs_quota_us"))?, number(&folder.join("cpu.cfs_period_us"))?)
        };
        (quota > 0.0 && period > 0.0).then(|| (quota / period) as u32)
    };
    list.iter().filter_map(|folder| of(folder)).min()
}

/// Bytes of memory: of the machine, or of the tightest control group around this process.
pub fn memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    let limit = folders("memory").and_then(|Folders { unified, list }| {
        let name = if unified { "memory.max" } else { "memory.limit_in_bytes" };
        list.iter().filter_map(|folder| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok()).min()
    });
    machine.into_iter().chain(limit).min().unwrap_or(u64::MAX)
}

fn number(path: &Path) -> Option<f64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_something_to_use() {
        assert!((1..=std::thread::available_parallelism().map_or(1, |n| n.get() as u32 * 2)).contains(&cores()));
        assert!(memory() > 16 << 20, "{}", memory());
    }
}
