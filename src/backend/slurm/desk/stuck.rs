//! Jobs in the queue that will not begin by themselves: held ones, and those whose partition or association never lets
//! them in. They are no failures, since somebody can mend it; they are told.

use super::super::commands::Queued;
use crate::base::text::count;
use crate::port::Waiting;
use std::collections::BTreeMap;

/// What there is to say of the queue, if anything.
pub(super) fn of(queue: &[Queued]) -> Option<Waiting> {
    let mut reasons: BTreeMap<(bool, &str), (u64, &Queued)> = BTreeMap::new();
    for queued in queue.iter().filter(|queued| queued.is_alive()) {
        let held = is_held(queued);
        if held || &*queued.state == "PENDING" && is_for_ever(&queued.reason) {
            reasons.entry((!held, &queued.reason)).or_insert((0, queued)).0 += 1;
        }
    }
    let ((never, reason), (jobs, first)) = reasons.into_iter().next()?;
    let are = if jobs == 1 { "is" } else { "are" };
    let text = match never {
        false => format!(
            "{} {are} held ({reason}); `scontrol release {}` lets go on, `scontrol show job` says more",
            count(jobs, "job"),
            first.job
        ),
        true => format!(
            "{} cannot begin as {} ({reason})",
            count(jobs, "job"),
            if jobs == 1 { "it is" } else { "they are" }
        ),
    };
    Some(Waiting { kind: reason.into(), text: text.into() })
}

fn is_held(queued: &Queued) -> bool {
    let reason = queued.reason.to_ascii_lowercase();
    matches!(&*queued.state, "REQUEUE_HOLD" | "SPECIAL_EXIT")
        || &*queued.state == "PENDING" && (reason.contains("held") || reason == "jobholdmaxrequeue")
}

/// Reasons that time alone does not take away.
fn is_for_ever(reason: &str) -> bool {
    let names = [
        "AccountNotAllowed",
        "BadConstraints",
        "DependencyNeverSatisfied",
        "InvalidAccount",
        "InvalidQOS",
        "PartitionConfig",
        "PartitionInactive",
        "PartitionNodeLimit",
        "PartitionTimeLimit",
        "QOSNotAllowed",
        "ReservationDeleted",
    ];
    // `AssocMaxWallDurationPerJobLimit`, `QOSMaxCpuPerJobLimit`: of one job, however empty the cluster is.
    names.contains(&reason) || (reason.starts_with("Assoc") || reason.starts_with("QOS")) && reason.contains("PerJob")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn queued(state: &str, reason: &str) -> Queued {
        let text = |text: &str| text.into();
        Queued {
            job: text("17"),
            element: 0,
            state: text(state),
            reason: text(reason),
            node: text(""),
            name: text("n"),
        }
    }

    #[test]
    fn what_does_not_begin_by_itself_is_told() {
        let said = |queue: &[Queued]| of(queue).map(|waiting| waiting.text.to_string());
        let held = "2 jobs are held (launch failed requeued held); `scontrol release 17` lets go on, \
                    `scontrol show job` says more";
        let failed = queued("PENDING", "launch failed requeued held");
        assert_eq!(said(&[queued("RUNNING", "None"), failed.clone(), failed.clone()]).unwrap(), held);
        assert!(said(&[queued("PENDING", "PartitionConfig"), failed]).unwrap().starts_with("1 job is held"));
        let never = |reason: &str| said(&[queued("PENDING", reason)]);
        assert_eq!(never("PartitionConfig").unwrap(), "1 job cannot begin as it is (PartitionConfig)");
        assert_eq!(
            never("DependencyNeverSatisfied").unwrap(),
            "1 job cannot begin as it is (DependencyNeverSatisfied)"
        );
        assert!(never("JobHeldUser").is_some() && never("JobHeldAdmin").is_some());
        assert!(never("QOSMaxCpuPerJobLimit").is_some());
        for reason in ["Resources", "Priority", "BeginTime", "QOSMaxJobsPerUserLimit", "ReqNodeNotAvail"] {
            assert_eq!(never(reason), None, "{reason}");
        }
        assert_eq!(said(&[queued("RUNNING", "JobHeldUser")]), None);
        assert!(said(&[queued("REQUEUE_HOLD", "None")]).is_some());
    }
}
