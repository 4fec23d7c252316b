//! What this machine can give to tasks, for `doctor`.

use crate::base::text::{count, size};
use crate::port::doctor::{Checkup, Finding};
use crate::sys::{cgroup, cores, cores_of_machine, gpus, memory, open_files};
use serde_json::json;

/// Tells what tasks may use here, and why not more.
pub fn examine(checkup: &Checkup<'_>, tell: &mut dyn FnMut(Finding)) {
    let (own, all) = (cores(), cores_of_machine());
    let text = match all {
        Some(all) if all > own => format!("{own} of {all}: affinity and control groups allow no more"),
        _ => count(own.into(), "core"),
    };
    let at_once = super::capacity(checkup.jobs, &[]).cpus;
    let data = json!({ "cores": own, "of": all, "at_once": at_once });
    let wanted = checkup.jobs.unwrap_or(own).max(1);
    tell(
        match at_once < wanted {
            true => {
                let help = format!("raise the limit (`ulimit -n`, now {}), or say `-j {at_once}`", open_files());
                Finding::note("cores", format!("{text}; open files allow {} at once", count(at_once.into(), "task")))
                    .help(help)
            }
            false => Finding::fine("cores", text),
        }
        .data(data),
    );
    tell(Finding::fine("memory", size(memory())).data(json!({ "bytes": memory() })));
    let gpus = gpus();
    let names = gpus.iter().map(|name| &**name).collect::<Vec<&str>>();
    let text = match names.as_slice() {
        [] => "none".to_owned(),
        names => format!("{}: {}", count(names.len() as u64, "GPU"), names.join(", ")),
    };
    tell(Finding::fine("gpus", text).data(json!({ "gpus": names })));
    let finding = match cgroup::folders("memory") {
        Some(folders) => {
            let (version, own) = (if folders.unified { 2 } else { 1 }, folders.list.first());
            let place = own.map(|own| own.display().to_string()).unwrap_or_default();
            Finding::fine("cgroup", format!("version {version}, {place}"))
                .data(json!({ "version": version, "folder": place }))
        }
        None => Finding::note("cgroup", "none: a task killed for lack of memory is told by its exit code alone"),
    };
    tell(finding);
}
