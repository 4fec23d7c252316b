//! The control groups that this process stands in, of version 1 or 2: where their files are, for limits and counters.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of a controller (`memory`, `cpu`), ours first, then those around it as far as they can be seen. With
/// version 2 all controllers share one folder.
pub struct Folders {
    /// Whether it is version 2.
    pub unified: bool,
    /// Ours first.
    pub list: Vec<PathBuf>,
}

/// The folders of a controller; version 1 where that has the controller. `None`: there is none.
pub fn folders(controller: &str) -> Option<Folders> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    find(controller, &groups, &mounts)
}

fn find(controller: &str, groups: &str, mounts: &str) -> Option<Folders> {
    // `4:memory:/path`, and `0::/path` for version 2.
    let lines = || groups.lines().filter_map(|line| line.splitn(3, ':').skip(1).collect::<Vec<_>>().try_into().ok());
    let first = lines().find(|[names, _]: &[&str; 2]| names.split(',').any(|name| name == controller));
    let unified = first.is_none();
    let [_, path] = first.or_else(|| lines().find(|[names, _]| names.is_empty()))?;
    // `32 31 0:29 ROOT MOUNTPOINT rw,relatime … - cgroup cgroup rw,cpu`
    let (root, point) = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let ours =
            if unified { kind == "cgroup2" } else { kind == "cgroup" && options.split(',').any(|o| o == controller) };
        ours.then_some((root, point))
    })?;
    let inside = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
    let list = inside.ancestors().map(|below| Path::new(point).join(below)).collect();
    Some(Folders { unified, list })
}

/// How often the kernel has killed a process of ours, or of a group inside ours, for lack of memory. Without control
/// groups: a process of the machine.
pub fn oom_kills() -> u64 {
    let counter = |path: &Path| {
        let text = fs::read_to_string(path).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
    };
    let group = folders("memory").and_then(|f| {
        let name = if f.unified { "memory.events" } else { "memory.oom_control" };
        counter(&f.list.first()?.join(name))
    });
    group.or_else(|| counter(Path::new("/proc/vmstat"))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_of_both_versions_and_of_a_container() {
        let shown = |controller, groups, mounts| {
            let found = find(controller, groups, mounts)?;
            let list: Vec<_> =
                found.list.iter().map(|p| p.to_str().unwrap().trim_end_matches('/').to_owned()).collect();
            Some(format!("{} {}", found.unified, list.join(" ")))
        };
        let two = "0::/user.slice/a.scope\n";
        let mounted = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(
            shown("memory", two, mounted).unwrap(),
            "true /sys/fs/cgroup/user.slice/a.scope /sys/fs/cgroup/user.slice /sys/fs/cgroup"
        );
        let one = "4:memory:/docker/77\n3:cpu,cpuacct:/docker/77\n0::/\n";
        let inside = "35 32 0:32 /docker/77 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      36 32 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        assert_eq!(shown("memory", one, inside).unwrap(), "false /sys/fs/cgroup/memory");
        assert_eq!(
            shown("cpu", one, inside).unwrap(),
            "false /sys/fs/cgroup/cpu/docker/77 /sys/fs/cgroup/cpu/docker /sys/fs/cgroup/cpu"
        );
        assert_eq!(shown("memory", "", mounted), None);
    }
}
