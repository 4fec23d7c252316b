//! Slurm's commands, each with its time-out: `sbatch`, `squeue`, `scancel`. What a cluster is asked at the start stands in
//! `survey`.

use super::clusters::{self, Ours};
use super::refusal::{self, Submitted};
use crate::backend::spool::{Terms, Worker};
use crate::engine::Needs;
use crate::port::{Job, Pack};
use crate::sys::tool::{self, NoAnswer};
use std::sync::Arc;
use std::time::Duration;

/// A scheduler that is busy may take long; a site's `MessageTimeout` is often a minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// The standard error of an element, below the folder that it starts in, in `sbatch`'s way.
const WORDS: &str = "work/%A_%a.words";
const WORDS_ALONE: &str = "work/%j.words";

/// What all instances of an array have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// What each asks for.
    pub needs: Needs,
    /// Seconds that each may run; `None`: as the partition says.
    pub time_s: Option<u64>,
    /// Options of `sbatch` besides.
    pub options: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// How many instances make a job.
    pub pack: Pack,
}

impl Shape {
    /// Of an instance.
    pub fn of(job: &Job) -> Self {
        let time_s = job.time_ms.map(|ms| ms.div_ceil(1000));
        // What is limited is counted by the driver.
        let needs = Needs { limits: Vec::new(), ..job.needs.clone() };
        Self { needs, time_s, options: job.options.clone(), pack: job.pack }
    }

    /// A name that no other shape has.
    pub fn name(&self) -> String {
        crate::base::Digest::of(format!("{self:?}").as_bytes()).to_string()[..16].to_owned()
    }
}

impl Shape {
    /// Its options as words of a command line, for so many at once.
    pub fn option_words(&self, width: u32) -> impl Iterator<Item = String> {
        self.options.iter().map(move |(name, value)| match (&**name, value) {
            // What is said twice replaces the first.
            ("gres", Some(value)) if self.needs.gpus > 0 && !value.split(',').any(is_gpu) => {
                format!("--gres=gpu:{},{value}", self.needs.gpus.saturating_mul(width))
            }
            (name, Some(value)) => format!("--{name}={value}"),
            (name, None) => format!("--{name}"),
        })
    }

    /// What so many at once need as words of a command line.
    fn need_words(&self, width: u32) -> Vec<String> {
        let needs = &self.needs;
        let given = |names: &[&str]| self.options.iter().any(|(name, _)| names.contains(&&**name));
        let mut words = Vec::new();
        words.extend((needs.nodes > 0).then(|| format!("--nodes={}", needs.nodes)));
        words.extend((needs.tasks > 0).then(|| format!("--ntasks={}", needs.tasks)));
        words.push(format!("--cpus-per-task={}", self.cpus_per_process().saturating_mul(width)));
        // Either of these says how much memory there is, in its own way.
        if needs.memory > 0 && !given(&["mem-per-cpu", "mem-per-gpu"]) {
            words.push(format!("--mem={}K", needs.memory.saturating_mul(width.into()).div_ceil(1024)));
        }
        let disk = needs.disk.saturating_mul(width.into());
        words.extend((disk > 0).then(|| format!("--tmp={}K", disk.div_ceil(1024))));
        if needs.gpus > 0 && !given(&["gres"]) {
            words.push(format!("--gres=gpu:{}", needs.gpus.saturating_mul(width)));
        }
        // Limits of the shell on a login node are no limits of a node.
        words.extend((!given(&["propagate"])).then(|| "--propagate=NONE".to_owned()));
        words
    }

    /// Whether an instance is several processes, of which Slurm knows.
    pub fn is_parallel(&self) -> bool {
        self.needs.nodes > 0 || self.needs.tasks > 0
    }

    /// Cores of each of its processes.
    pub fn cpus_per_process(&self) -> u32 {
        self.needs.cpus / self.needs.tasks.max(self.needs.nodes).max(1)
    }
}

fn is_gpu(resource: &str) -> bool {
    resource.trim().split(':').next().is_some_and(|name| name == "gpu" || name == "gres/gpu")
}

/// An array to be submitted.
pub struct Array<'a> {
    /// The job's name, which no other array has.
    pub name: &'a str,
    /// Said beside it.
    pub comment: &'a str,
    /// Its elements; `None`: a job that is no array.
    pub elements: Option<u32>,
    /// How many may run at once; `None`: all.
    pub at_once: Option<u32>,
    /// What each asks for.
    pub shape: &'a Shape,
    /// How much each may do.
    pub terms: Terms,
    /// The folder that the job starts in, and where standard error goes.
    pub folder: &'a str,
    /// What it runs, shell text.
    pub command: &'a str,
}

impl Array<'_> {
    /// The words of `sbatch`.
    pub fn words(&self) -> Vec<String> {
        let width = self.terms.width;
        let mut words = vec![
            "sbatch".to_owned(),
            "--parsable".to_owned(),
            format!("--job-name={}", self.name),
            format!("--comment={}", self.comment),
        ];
        words.extend(self.elements.map(|elements| {
            let throttle = self.at_once.map_or(String::new(), |n| format!("%{n}"));
            format!("--array=0-{}{throttle}", elements - 1)
        }));
        words.extend([
            "--output=/dev/null".to_owned(),
            // What Slurm itself writes there says why it ended a job.
            format!("--error={}", if self.elements.is_some() { WORDS } else { WORDS_ALONE }),
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            format!("--chdir={}", self.folder),
        ]);
        words.extend(self.shape.need_words(width));
        if let Some(seconds) = self.terms.run_s {
            words.push(format!("--time={}", seconds.div_ceil(60).max(1)));
        }
        words.extend(self.shape.option_words(width));
        words
    }

    /// The script that goes to its standard input.
    pub fn script(&self) -> String {
        // A folder that a node does not see would make the job run in /tmp and succeed.
        let mut script = format!("#!/bin/sh\ncd {} || exit 1\n", quoted(self.folder));
        if self.shape.is_parallel() {
            // `srun` does not take it from the job.
            script += &format!("export SRUN_CPUS_PER_TASK={}\n", self.shape.cpus_per_process());
        }
        if clusters::named(&self.shape.options).is_some() {
            script += "export FLOWRUN_CLUSTER=\"$SLURM_CLUSTER_NAME\"\n";
        }
        script + &format!("exec {}\n", self.command)
    }
}

/// A word for a shell.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Submits an array.
pub fn sbatch(array: &Array<'_>) -> Submitted {
    let words = array.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match asked(&words, &array.script()) {
        // Where nobody names a cluster, none is needed to find it again.
        Submitted::As(job) if clusters::named(&array.shape.options).is_none() => {
            Submitted::As(clusters::split(&job).0.to_owned())
        }
        said => said,
    }
}

/// What becomes of a script that is submitted with these words.
pub fn asked(words: &[&str], script: &str) -> Submitted {
    match tool::ask(words, script, PATIENCE) {
        Ok(answer) => refusal::verdict(&answer),
        // It says so when it tries again and again to be let in: then it was not.
        Err(NoAnswer::Silent { err, .. }) if refusal::BLOCKED.iter().any(|said| err.contains(said)) => {
            Submitted::Limit(refusal::full())
        }
        Err(error @ NoAnswer::Silent { .. }) => Submitted::Unknown(error.to_string()),
        Err(error @ NoAnswer::NotStarted { .. }) => Submitted::Never(error.to_string()),
    }
}

/// An element in the queue. There may be hundreds of thousands of them: those of one line share its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The array's number.
    pub job: Arc<str>,
    /// The element; [`Queued::REST`]: those that were never begun, of an array that was cancelled, or a job that is no
    /// array.
    pub element: u32,
    /// `PENDING`, `RUNNING`, …
    pub state: Arc<str>,
    /// Why it waits.
    pub reason: Arc<str>,
    /// Where it runs or ran; empty: it did not.
    pub node: Arc<str>,
    /// The array's name.
    pub name: Arc<str>,
}

/// All elements of ours that wait or run; an error is no answer.
pub fn squeue(ours: &Ours) -> Result<Vec<Queued>, String> {
    let mut all = Vec::new();
    for cluster in ours.clusters() {
        all.extend(squeue_on(cluster, &ours.prefix)?);
    }
    Ok(all)
}

/// Those of one cluster, by the beginning of their names.
fn squeue_on(cluster: Option<&str>, prefix: &str) -> Result<Vec<Queued>, String> {
    // What waits of an array is one line, its elements unabridged; with `--array` it would be a line each.
    let format = "--format=%F|%K|%T|%r|%N|%j";
    let mut words = vec!["env", "SLURM_BITSTR_LEN=0", "squeue", "--noheader", "--states=all", "--me", format];
    words.extend(cluster.iter().flat_map(|cluster| ["--clusters", cluster]));
    let ask = |words: &[&str]| {
        let answer = tool::ask(words, "", PATIENCE).map_err(|error| error.to_string())?;
        if answer.code == Some(0) { Ok(answer.out) } else { Err(answer.err.trim().to_owned()) }
    };
    let all = |out: String| -> Vec<Queued> {
        let mut all: Vec<Queued> = out.lines().flat_map(|line| queued(line, prefix)).collect();
        if cluster.is_some() {
            all.iter_mut().for_each(|queued| queued.job = clusters::on(&queued.job, cluster).into());
        }
        all
    };
    let queue = all(ask(&words)?);
    // They wait for different reasons, and it is not said which for which.
    if queue.iter().any(|queued| queued.reason.contains(',')) {
        return Ok(all(ask(&[&words[..], &["--array"]].concat())?));
    }
    Ok(queue)
}

/// The elements of a line of `squeue`; none when its name begins otherwise.
fn queued(line: &str, prefix: &str) -> Vec<Queued> {
    let mut fields = line.trim().splitn(6, '|');
    let mut field = || fields.next().unwrap_or_default();
    let (job, indices, state, reason, node, name) = (field(), field(), field(), field(), field(), field());
    if !name.starts_with(prefix) {
        return Vec::new();
    }
    let one = Queued {
        job: job.into(),
        element: Queued::REST,
        state: state.into(),
        reason: reason.into(),
        node: node.into(),
        name: name.into(),
    };
    if indices == "N/A" {
        return vec![one];
    }
    elements(indices).map(|element| Queued { element, ..one.clone() }).collect()
}

/// The elements that `0-3,7,9-21%4` names; after `%` stands how many may run at once.
fn elements(indices: &str) -> impl Iterator<Item = u32> {
    let indices = indices.split('%').next().unwrap_or_default();
    let elements = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (last, step) = last.split_once(':').unwrap_or((last, "1"));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        Some((first..=last).step_by(step.parse::<usize>().ok()?.max(1)))
    };
    indices.split(',').filter_map(elements).flatten()
}

impl Queued {
    /// See [`Queued::element`].
    pub const REST: u32 = Worker::ALONE;

    /// As `scancel` takes it: `17_3`, `17`.
    pub fn id(&self) -> String {
        Worker { job: self.job.to_string(), element: self.element, restart: 0 }.name()
    }

    /// Whether it waits, runs, or may do so again.
    pub fn is_alive(&self) -> bool {
        !matches!(
            &*self.state,
            "BOOT_FAIL"
                | "CANCELLED"
                | "COMPLETED"
                | "DEADLINE"
                | "FAILED"
                | "OUT_OF_MEMORY"
                | "TIMEOUT"
                | "REVOKED"
                | "NODE_FAIL"
                | "PREEMPTED"
        )
    }
}

/// Cancels what waits of arrays, and nothing that runs, by their names, which no other job has: numbers are given anew
/// when a controller was killed. What is over or unknown is no error.
pub fn cancel_waiting(ours: &Ours, names: &[String]) -> Result<(), String> {
    for cluster in ours.clusters() {
        for name in names {
            let mut words = vec!["scancel", "--state=PENDING", "--name", name];
            words.extend(cluster.iter().flat_map(|cluster| ["--clusters", cluster]));
            let answer = tool::ask(&words, "", PATIENCE).map_err(|error| error.to_string())?;
            if answer.code != Some(0) {
                return Err(answer.err.trim().to_owned());
            }
        }
    }
    Ok(())
}

/// Cancels those of these elements (`17_3`) that are in the queue under a name that begins so. With a name and an element
/// `scancel` would cancel all of the array that has not begun.
pub fn cancel_elements(ours: &Ours, elements: &[String], hard: bool) -> Result<(), String> {
    let queue = squeue(ours)?;
    let is_wanted = |name: &String| elements.contains(name);
    let alive = queue.iter().filter(|queued| queued.is_alive()).map(|queued| queued.id());
    let elements: Vec<String> = alive.filter(is_wanted).collect();
    if elements.is_empty() { Ok(()) } else { scancel(&elements, hard) }
}

/// What the accounting says of elements of these arrays whose names begin so. `Ok(None)`: there is no accounting here.
///
/// Exit codes are left out: it loses one bit of them, so that 128 is shown as 0.
pub fn sacct(ours: &Ours, jobs: &[String]) -> Result<Option<Vec<Queued>>, String> {
    let mut all = Vec::new();
    for (cluster, numbers) in clusters::grouped(jobs) {
        let numbers = numbers.join(",");
        let mut words = vec!["sacct", "-P", "-n", "-X", "-j", &numbers, "-o", "JobID,State,NodeList,JobName"];
        words.extend(cluster.iter().flat_map(|cluster| ["--clusters", cluster]));
        let answer = match tool::ask(&words, "", PATIENCE) {
            Ok(answer) => answer,
            Err(NoAnswer::NotStarted { .. }) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if answer.err.contains("accounting storage is disabled") {
            return Ok(None);
        }
        if answer.code != Some(0) {
            return Err(answer.err.lines().last().unwrap_or("`sacct` failed and said nothing").trim().to_owned());
        }
        let row = |line: &str| {
            let mut fields = line.trim().splitn(4, '|');
            let mut field = || fields.next().unwrap_or_default().to_owned();
            let (id, state, node, name) = (field(), field(), field(), field());
            let (job, element) = match id.split_once('_') {
                Some((job, element)) if element.starts_with('[') => (job, Queued::REST),
                Some((job, element)) => (job, element.parse().ok()?),
                None => (&*id, Queued::REST),
            };
            // `CANCELLED by 1000`.
            let state = state.split(' ').next().unwrap_or_default().into();
            let node = if node == "None assigned" { "" } else { &node };
            let job = clusters::on(job, cluster).into();
            Some(Queued { job, element, state, reason: "".into(), node: node.into(), name: name.into() })
        };
        let rows = answer.out.lines().filter_map(row);
        all.extend(rows.filter(|row| row.name.starts_with(&ours.prefix)));
    }
    Ok(Some(all))
}

/// Cancels jobs, arrays or elements (`17_3`), that are known to be ours; what is over or unknown is no error.
pub fn scancel(jobs: &[String], hard: bool) -> Result<(), String> {
    for (cluster, numbers) in clusters::grouped(jobs) {
        let there = || cluster.iter().flat_map(|cluster| ["--clusters", cluster]);
        if hard {
            // It leaves alone what waits, and the other lets what runs take its time: both.
            let words =
                ["scancel", "--signal=KILL", "--full"].into_iter().chain(there()).chain(numbers.iter().copied());
            let _ = tool::ask(&words.collect::<Vec<_>>(), "", PATIENCE).map_err(|error| error.to_string())?;
        }
        let words = ["scancel"].into_iter().chain(there()).chain(numbers.iter().copied());
        let answer = tool::ask(&words.collect::<Vec<_>>(), "", PATIENCE).map_err(|error| error.to_string())?;
        if answer.code != Some(0) {
            return Err(answer.err.trim().to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(time_s: Option<u64>) -> Vec<String> {
        let options = vec![("partition".into(), Some("short".into())), ("exclusive".into(), None)];
        let shape = Shape {
            needs: Needs { cpus: 2, memory: 1 << 30, gpus: 1, ..Needs::default() },
            time_s,
            options,
            pack: Pack::default(),
        };
        let array = Array {
            name: "n",
            comment: "c",
            elements: Some(5),
            at_once: Some(2),
            shape: &shape,
            terms: Terms { most: None, width: 1, run_s: time_s.map(|time| time + 90) },
            folder: "/a b",
            command: "true",
        };
        assert_eq!(array.script(), "#!/bin/sh\ncd '/a b' || exit 1\nexec true\n");
        array.words()
    }

    #[test]
    fn an_array_asks_for_what_its_instances_need() {
        let words = "sbatch --parsable --job-name=n --comment=c --array=0-4%2 --output=/dev/null \
                     --error=work/%A_%a.words --open-mode=append --requeue --chdir=/a_b --cpus-per-task=2 --mem=1048576K --gres=gpu:1 --propagate=NONE --partition=short --exclusive";
        assert_eq!(array(None).join(" ").replace("/a b", "/a_b"), words);
        assert!(array(Some(90)).contains(&"--time=3".to_owned()));
    }

    #[test]
    fn a_line_of_the_queue_holds_all_that_waits_of_an_array() {
        let of = |line: &str| queued(line, "flowrun-a-").iter().map(Queued::id).collect::<Vec<_>>().join(" ");
        assert_eq!(of("17|0-2,7,9-13:2%4|PENDING|Priority||flowrun-a-1.0"), "17_0 17_1 17_2 17_7 17_9 17_11 17_13");
        assert_eq!(of("17|3|RUNNING|None|n1|flowrun-a-1.0"), "17_3");
        assert_eq!(of("18|N/A|PENDING|Priority||flowrun-a-d"), "18");
        assert_eq!(of("17|0-2|PENDING|Priority||flowrun-b-1.0"), "");
    }
}
