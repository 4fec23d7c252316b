//! What `sbatch` says when it does not take a job, told apart. The sentences are those of Slurm 20.11 to 24.11.

use crate::sys::tool::Answer;

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// The job's number.
    As(String),
    /// Nobody knows: the answer did not come.
    Unknown(String),
    /// The scheduler is busy or away: again later.
    Later(String),
    /// As many jobs as may be are in the queue: fewer, or later.
    Limit(Limit),
    /// This array has too many elements for this cluster.
    TooWide(String),
    /// This can never run.
    Never(String),
    /// The user may not submit it: an account, a partition or a QOS that is not there, or not for this user.
    Barred(String),
}

impl Submitted {
    /// The job's number, or what was said instead.
    pub fn number(self) -> Result<String, String> {
        match self {
            Self::As(number) => Ok(number),
            Self::Unknown(said) | Self::Later(said) | Self::TooWide(said) | Self::Never(said) | Self::Barred(said) => {
                Err(said)
            }
            Self::Limit(Limit { kind, name }) => Err(format!("{kind} {name}").trim_end().to_owned()),
        }
    }
}

/// The limit that a submission ran into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What sets it, as `Gate` has it: `QOS limit`.
    pub kind: &'static str,
    /// As Slurm names it; may be empty.
    pub name: String,
}

/// It is let in again and again, and says so: it was not taken.
pub const BLOCKED: [&str; 2] = ["sleeping and retrying", "temporarily disabled, retrying"];

/// The answer may have been lost after the job was taken.
const UNKNOWN: [&str; 6] = [
    "Socket timed out",
    "timed out on send/recv",
    "receive failure",
    "Zero Bytes were transmitted",
    "Unexpected message received",
    "Transport endpoint is not connected",
];
const LATER: [&str; 14] = [
    "Unable to contact slurm controller",
    "Unable to connect to database",
    "Connection refused",
    "Communication connection failure",
    "munge",
    "Munge",
    "authentication",
    "standby mode",
    "temporarily",
    "try again",
    "rate limit",
    "No space left on device",
    "Error writing/reading job script",
    "Required partition not available",
];
const BARRED: [&str; 7] = [
    "Invalid account or account/partition combination",
    "Invalid partition name",
    "No partition specified or system default partition",
    "Invalid qos specification",
    "Access/permission denied",
    "User's group not permitted to use this partition",
    "Invalid user id",
];

/// What an answer of `sbatch` means.
pub fn verdict(answer: &Answer) -> Submitted {
    if answer.code == Some(0) {
        // `17`, or `17;cluster`.
        let said = answer.out.trim();
        let job = said.split(';').next().unwrap_or_default();
        if !job.is_empty() && job.bytes().all(|b| b.is_ascii_digit()) {
            return Submitted::As(said.to_owned());
        }
        return Submitted::Unknown(format!("`sbatch` said {:?}", answer.out.trim()));
    }
    let said = sentence(&answer.err);
    let has = |parts: &[&str]| parts.iter().any(|part| answer.err.contains(part));
    if has(&UNKNOWN) {
        Submitted::Unknown(said)
    } else if has(&["Invalid job array specification"]) {
        Submitted::TooWide(said)
    } else if let Some(limit) = limit(&answer.err) {
        Submitted::Limit(limit)
    } else if has(&BLOCKED) {
        Submitted::Limit(full())
    } else if has(&BARRED) {
        Submitted::Barred(said)
    } else if has(&LATER) {
        Submitted::Later(said)
    } else {
        Submitted::Never(said)
    }
}

/// The controller keeps as many jobs as it can.
pub fn full() -> Limit {
    Limit { kind: "cluster limit", name: "MaxJobCount".to_owned() }
}

/// The limit of jobs in the queue that an answer names. A limit of what one job may ask for is none.
fn limit(err: &str) -> Option<Limit> {
    const POLICY: &str = "Job violates accounting/QOS policy";
    let words = || err.split(|c: char| !c.is_ascii_alphanumeric());
    let named = words().find(|word| word.contains("Submit") && (word.contains("Job") || word.contains("Limit")));
    let kind = |name: &str| if name.starts_with("Assoc") { "association limit" } else { "QOS limit" };
    if let Some(name) = named {
        return Some(Limit { kind: kind(name), name: name.to_owned() });
    }
    // Before 20.11 it is all that is said, and limits of size are said with it: the more frequent is meant.
    let alone = err.contains(POLICY)
        && !words().any(|word| word.starts_with("Assoc") || word.starts_with("QOSM") || word.starts_with("QOSG"));
    alone.then(|| Limit { kind: "submit limit", name: String::new() })
}

/// What matters of what a program of Slurm wrote to standard error: the reason, and what was said before it.
pub fn sentence(text: &str) -> String {
    let plain = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix("sbatch: ").unwrap_or(line);
        let line = line.strip_prefix("error: ").or(line.strip_prefix("fatal: ")).unwrap_or(line);
        line.strip_prefix("Batch job submission failed: ").unwrap_or(line).to_owned()
    };
    let mut lines: Vec<String> = text.lines().map(plain).collect();
    lines.retain(|line| !line.is_empty() && !line.starts_with("Try \"sbatch --help\""));
    lines.dedup();
    match lines.split_last() {
        None => "`sbatch` failed and said nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => {
            let before = before[before.len().saturating_sub(3)..].join("; ");
            format!("{last} ({before})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_sbatch_are_told_apart() {
        let said = |code, out: &str, err: &str| verdict(&Answer { code: Some(code), out: out.into(), err: err.into() });
        assert_eq!(said(0, "17\n", ""), Submitted::As("17".into()));
        assert_eq!(said(0, "17;big\n", ""), Submitted::As("17;big".into()));
        assert!(matches!(said(0, "", ""), Submitted::Unknown(_)));
        let failed = |err: &str| said(1, "", err);
        let policy = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n";
        let with = |name: &str| failed(&format!("sbatch: error: {name}\n{policy}"));
        let limit = |kind: &'static str, name: &str| Submitted::Limit(Limit { kind, name: name.into() });
        assert_eq!(with("AssocMaxSubmitJobLimit"), limit("association limit", "AssocMaxSubmitJobLimit"));
        assert_eq!(with("AssocGrpSubmitJobsLimit"), limit("association limit", "AssocGrpSubmitJobsLimit"));
        assert_eq!(with("QOSMaxSubmitJobPerUserLimit"), limit("QOS limit", "QOSMaxSubmitJobPerUserLimit"));
        assert_eq!(with("QOSGrpSubmitJobsLimit"), limit("QOS limit", "QOSGrpSubmitJobsLimit"));
        assert_eq!(with("MaxSubmitJobsPerAccount"), limit("QOS limit", "MaxSubmitJobsPerAccount"));
        assert_eq!(failed(policy), limit("submit limit", ""));
        assert!(matches!(with("QOSMaxWallDurationPerJobLimit"), Submitted::Never(_)));
        assert!(matches!(with("AssocMaxCpuPerJobLimit"), Submitted::Never(_)));
        let blocked = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n";
        assert_eq!(failed(blocked), Submitted::Limit(full()));
        let memory = "sbatch: error: Memory specification can not be satisfied\n\
                      sbatch: error: Batch job submission failed: Requested node configuration is not available\n";
        let never = "Requested node configuration is not available (Memory specification can not be satisfied)";
        assert_eq!(failed(memory), Submitted::Never(never.into()));
        let unknown = "sbatch: unrecognized option '--stepmgr'\nTry \"sbatch --help\" for more information\n";
        assert_eq!(failed(unknown), Submitted::Never("unrecognized option '--stepmgr'".into()));
        let of = |sentence: &str| failed(&format!("sbatch: error: Batch job submission failed: {sentence}\n"));
        assert!(matches!(of("Invalid job array specification"), Submitted::TooWide(_)));
        for barred in ["Invalid account or account/partition combination specified", "Invalid qos specification"] {
            assert_eq!(of(barred), Submitted::Barred(barred.into()));
        }
        for later in [
            "Unable to contact slurm controller (connect failure)",
            "Required partition not available (inactive or drain)",
            "Protocol authentication error",
            "Unable to create job record, try again",
            "Slurm backup controller in standby mode",
        ] {
            assert_eq!(of(later), Submitted::Later(later.into()));
        }
        for unknown in [
            "Socket timed out on send/recv operation",
            "Zero Bytes were transmitted or received",
            "Unable to contact slurm controller (receive failure)",
        ] {
            assert_eq!(of(unknown), Submitted::Unknown(unknown.into()));
        }
        assert_eq!(failed(""), Submitted::Never("`sbatch` failed and said nothing".into()));
    }
}
