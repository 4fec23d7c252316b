//! The thread that speaks with Slurm: gathers what becomes ready into batches, submits their workers, reads what they
//! report, and looks after those that have fallen silent.

use super::commands::{self, Array, Limits, Queued, Shape, Submitted};
use crate::backend::spool::{Batch, Spool, Worker};
use crate::base::InstanceId;
use crate::event::{Cause, Failure, Outcome, Usage};
use crate::port::{Job, Report, ReportSink};
use crate::sys::durable::{self, Sync};
use crate::sys::mount;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often reports are looked for.
const LOOK: Duration = Duration::from_millis(200);
/// A batch goes out when so long nothing of its shape has become ready, or the first waits so long.
const QUIET: Duration = Duration::from_millis(50);
const GATHER: Duration = Duration::from_millis(500);
/// Workers that say nothing for so long are asked for; so often the queue is looked at, at most.
const SILENT: Duration = Duration::from_secs(30);
/// What the queue does not list must be missing for so long, and in a second answer, to count as gone: its last word
/// may be under way. Clients of a network file system keep what they know of a folder for up to a minute.
const GRACE: Duration = Duration::from_secs(3);
const FAR_GRACE: Duration = Duration::from_secs(90);
/// How often a submission may be made, and how many at once.
const PACE: Duration = Duration::from_secs(1);
const BURST: u32 = 5;
/// After a scheduler that is busy or full.
const AGAIN: Duration = Duration::from_secs(5);

/// What the backend tells the desk.
pub enum Ask {
    /// Run these.
    Submit(Vec<Job>),
    /// Stop these.
    Cancel(Vec<InstanceId>, bool),
    /// So many reports, of all that there were, are in the journal.
    Written(usize),
    /// Batches of an earlier driver whose attempts are still open.
    Adopt(Vec<(Batch, Vec<Sent>)>),
}

/// An array that was submitted for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Slurm's number.
    pub job: String,
    /// Its elements.
    pub elements: u32,
}

/// What the names of a run's arrays begin with, by its folder, absolute.
pub fn prefix(run_dir: &Path) -> String {
    let place = crate::base::Digest::of(run_dir.as_os_str().as_bytes()).to_string();
    format!("flowrun-{}-", &place[..12])
}

/// Where an array's numbers are kept: written when Slurm has said them.
fn sent_path(spool: &Spool, batch: u32) -> PathBuf {
    spool.file("batch", &format!("{batch}.sent"))
}

/// The arrays of a batch that are known.
pub fn read_sent(spool: &Spool, batch: u32) -> Vec<Sent> {
    let text = std::fs::read_to_string(sent_path(spool, batch)).unwrap_or_default();
    let sent = |line: &str| {
        let (job, elements) = line.split_once(' ')?;
        Some(Sent { job: job.to_owned(), elements: elements.parse().ok()? })
    };
    text.lines().filter_map(sent).collect()
}

/// Instances of a shape that have become ready and are not sent yet.
struct Gathering {
    jobs: Vec<Job>,
    since: Instant,
    last: Instant,
}

/// What is to be done about a batch's workers.
#[derive(Debug)]
enum Want {
    /// They are in the queue.
    Nothing,
    /// Submit an array, not before this.
    Submit(Instant),
    /// Find out whether a submission that nobody answered was one.
    FindOut(Instant),
}

/// A batch with attempts that have not ended.
struct Open {
    shape: Shape,
    jobs: FxHashMap<InstanceId, u32>,
    sent: Vec<Sent>,
    want: Want,
    /// The most elements that this cluster takes at once, as far as was learnt.
    width: u32,
    window_s: u64,
    heard: Instant,
    told: bool,
}

/// The desk.
pub struct Desk {
    spool: Spool,
    reports: ReportSink,
    limits: Limits,
    /// What the names of this run's arrays begin with.
    prefix: String,
    gathering: FxHashMap<Shape, Gathering>,
    batches: BTreeMap<u32, Open>,
    next: u32,
    /// When the last submissions were made.
    submissions: VecDeque<Instant>,
    asked: Option<Instant>,
    grace: Duration,
    /// Attempts that the queue did not account for, since when.
    missing: FxHashMap<InstanceId, Instant>,
    /// Attempts at work that were asked to stop.
    stopping: rustc_hash::FxHashSet<InstanceId>,
    /// Reports handed over, and the messages that held them with the count at their end.
    handed: usize,
    messages: VecDeque<(usize, String)>,
    seen: rustc_hash::FxHashSet<String>,
    in_trouble: bool,
}

impl Desk {
    /// # Errors
    /// No Slurm here, or a spool that cannot be used.
    pub fn open(run_dir: &Path, reports: ReportSink) -> anyhow::Result<Self> {
        let limits = commands::limits()?;
        let spool = Spool::of(run_dir);
        spool.make()?;
        spool.keep_program()?;
        let next = spool.batches()?.last().map_or(0, |last| last + 1);
        Ok(Self {
            spool,
            reports,
            limits,
            prefix: prefix(run_dir),
            gathering: FxHashMap::default(),
            batches: BTreeMap::new(),
            next,
            submissions: VecDeque::new(),
            asked: None,
            grace: if mount::network(run_dir).is_some() { FAR_GRACE } else { GRACE },
            missing: FxHashMap::default(),
            stopping: Default::default(),
            handed: 0,
            messages: VecDeque::new(),
            seen: Default::default(),
            in_trouble: false,
        })
    }

    /// Until the driver is gone. Its jobs stay, but those that have nothing to do.
    pub fn serve(mut self, asked: &Receiver<Ask>) {
        loop {
            let first = if self.batches.is_empty() && self.gathering.is_empty() {
                asked.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                asked.recv_timeout(if self.gathering.is_empty() { LOOK } else { QUIET })
            };
            let gone = matches!(first, Err(RecvTimeoutError::Disconnected));
            first.ok().into_iter().chain(asked.try_iter()).for_each(|ask| self.answer(ask));
            if let Err(error) = self.work(gone) {
                self.say(Report::Broken(format!("{error:#}")));
                return;
            }
            if gone {
                return;
            }
        }
    }

    fn work(&mut self, gone: bool) -> anyhow::Result<()> {
        self.read_messages()?;
        if !gone {
            self.send_what_is_gathered()?;
            self.submit()?;
            self.look_after_silent()?;
        }
        self.dismiss();
        Ok(())
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Submit(jobs) => {
                let now = Instant::now();
                for job in jobs {
                    let shape = Shape::of(&job);
                    let gathering = self.gathering.entry(shape).or_insert_with(|| Gathering {
                        jobs: Vec::new(),
                        since: now,
                        last: now,
                    });
                    gathering.jobs.push(job);
                    gathering.last = now;
                }
            }
            Ask::Cancel(instances, hard) => self.cancel(&instances, hard),
            Ask::Written(reports) => {
                let done = self.messages.iter().take_while(|(count, _)| *count <= reports).count();
                let names: Vec<String> = self.messages.drain(..done).map(|(_, name)| name).collect();
                // What cannot be removed is read once more by a later driver, and is nothing new to it.
                let _ = self.spool.remove_messages(&names);
                self.seen.retain(|name| !names.contains(name));
            }
            Ask::Adopt(batches) => {
                for (batch, sent) in batches {
                    let Some(first) = batch.jobs.first() else { continue };
                    let open = Open {
                        shape: Shape::of(first),
                        jobs: batch.jobs.iter().map(|job| (job.instance, job.attempt)).collect(),
                        want: if sent.is_empty() { Want::FindOut(Instant::now()) } else { Want::Nothing },
                        sent,
                        width: u32::MAX,
                        window_s: batch.window_s,
                        // At once: much may have happened.
                        heard: Instant::now().checked_sub(SILENT).unwrap_or_else(Instant::now),
                        told: false,
                    };
                    self.batches.insert(batch.number, open);
                }
            }
        }
    }

    fn say(&mut self, report: Report) {
        self.handed += 1;
        // Nobody listens when the driver is about to end.
        let _ = self.reports.send(report);
    }

    fn note(&mut self, text: String) {
        let _ = self.reports.send(Report::Note(text));
    }

    /// Ends an attempt that no worker reports any more.
    fn end(&mut self, instance: InstanceId, attempt: u32, failure: Failure, host: Option<&str>) {
        let outcome = Outcome {
            result: Err(failure),
            usage: Usage::default(),
            log: None,
            host: host.map(|host| host.into()),
            doubtful: false,
        };
        self.say(Report::Ended { instance, attempt, outcome, stats: Vec::new(), trusted: false });
        self.missing.remove(&instance);
    }

    fn send_what_is_gathered(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let due = |g: &Gathering| now - g.last >= QUIET || now - g.since >= GATHER;
        let shapes: Vec<Shape> =
            self.gathering.iter().filter(|(_, g)| due(g)).map(|(shape, _)| shape.clone()).collect();
        for shape in shapes {
            let Some(Gathering { jobs, .. }) = self.gathering.remove(&shape) else { continue };
            if jobs.is_empty() {
                // All were cancelled meanwhile.
                continue;
            }
            let number = self.next;
            self.next += 1;
            let window_s = shape.time_s.map_or(60, |time| time.clamp(60, 600));
            let run_dir = self.spool.path().parent().unwrap_or(Path::new("/")).as_os_str().as_bytes().to_vec();
            let batch = Batch { number, jobs, window_s, run_dir };
            // The intent, before the effect.
            self.spool.write_batch(&batch)?;
            let open = Open {
                shape,
                jobs: batch.jobs.iter().map(|job| (job.instance, job.attempt)).collect(),
                sent: Vec::new(),
                want: Want::Submit(now),
                width: u32::MAX,
                window_s,
                heard: now,
                told: false,
            };
            self.batches.insert(number, open);
        }
        Ok(())
    }

    fn may_submit(&mut self) -> bool {
        let now = Instant::now();
        while self.submissions.front().is_some_and(|then| now - *then > PACE * BURST) {
            self.submissions.pop_front();
        }
        self.submissions.len() < BURST as usize
    }

    fn submit(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let due: Vec<u32> = self
            .batches
            .iter()
            .filter(|(_, open)| matches!(open.want, Want::Submit(at) if at <= now))
            .map(|(number, _)| *number)
            .collect();
        for number in due {
            if !self.may_submit() {
                break;
            }
            self.submissions.push_back(now);
            self.submit_batch(number)?;
        }
        Ok(())
    }

    fn submit_batch(&mut self, number: u32) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        let most = open.width.min(self.limits.array).min(self.limits.jobs);
        let elements = u32::try_from(open.jobs.len()).unwrap_or(u32::MAX).min(most).max(1);
        let name = format!("{}{number}.{}", self.prefix, open.sent.len());
        let path = |path: &Path| path.display().to_string();
        let command = format!("{} __agent . {number}", commands::quoted(&path(&self.spool.program())));
        let folder = path(self.spool.path());
        let array = Array {
            name: &name,
            comment: &format!("flowrun {folder}, batch {number}"),
            elements,
            at_once: None,
            shape: &open.shape,
            window_s: open.window_s,
            folder: &folder,
            command: &command,
        };
        let again = |after: Duration| Instant::now() + after;
        let (want, said) = match commands::sbatch(&array) {
            Submitted::As(job) => {
                open.sent.push(Sent { job, elements });
                open.heard = Instant::now();
                self.keep_sent(number)?;
                return Ok(());
            }
            Submitted::Unknown(said) => (Want::FindOut(again(AGAIN)), said),
            Submitted::Later(said) => (Want::Submit(again(AGAIN)), said),
            Submitted::Limit(said) => {
                open.width = (elements / 2).max(1);
                (Want::Submit(again(if elements > 1 { Duration::ZERO } else { AGAIN })), said)
            }
            Submitted::TooWide(_) if elements > 1 => {
                open.width = elements / 2;
                open.want = Want::Submit(again(Duration::ZERO));
                return Ok(());
            }
            Submitted::TooWide(said) | Submitted::Never(said) => {
                let jobs: Vec<(InstanceId, u32)> = std::mem::take(&mut open.jobs).into_iter().collect();
                for (instance, attempt) in jobs {
                    let message = format!("Slurm does not take it: {said}");
                    let help = Some("`sinfo -Nl` shows what the nodes have; see `resources` of the task".into());
                    let failure = Failure { cause: Cause::NotStarted, message: message.into(), help };
                    self.end(instance, attempt, failure, None);
                }
                return Ok(());
            }
        };
        open.want = want;
        if !std::mem::replace(&mut open.told, true) {
            self.note(format!("waiting for Slurm: {said}"));
        }
        Ok(())
    }

    fn keep_sent(&mut self, number: u32) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        open.want = Want::Nothing;
        let text: String = open.sent.iter().map(|sent| format!("{} {}\n", sent.job, sent.elements)).collect();
        Ok(durable::write(&sent_path(&self.spool, number), text.as_bytes(), Sync::Now)?)
    }

    fn read_messages(&mut self) -> anyhow::Result<()> {
        if self.batches.is_empty() {
            return Ok(());
        }
        for name in self.spool.messages()? {
            if !self.seen.insert(name.clone()) {
                continue;
            }
            let message = self.spool.read_message(&name)?;
            let now = Instant::now();
            for report in message.reports {
                if let Some(open) = self.batches.get_mut(&message.batch) {
                    open.heard = now;
                    if let Report::Ended { instance, attempt, .. } = &report {
                        if open.jobs.get(instance) != Some(attempt) {
                            // Another worker's word came first.
                            continue;
                        }
                        open.jobs.remove(instance);
                        self.missing.remove(instance);
                    }
                    self.say(report);
                }
            }
            self.messages.push_back((self.handed, name));
            message.left.iter().for_each(|(instance, attempt)| self.left_behind(message.batch, *instance, *attempt));
        }
        Ok(())
    }

    /// What a worker had taken and will not report: stopped on our request, or the queue is asked why.
    fn left_behind(&mut self, batch: u32, instance: InstanceId, attempt: u32) {
        let Some(open) = self.batches.get_mut(&batch) else { return };
        if open.jobs.get(&instance) != Some(&attempt) {
            return;
        }
        if self.stopping.remove(&instance) {
            open.jobs.remove(&instance);
            self.end(instance, attempt, stopped(), None);
        } else {
            self.missing.entry(instance).or_insert_with(Instant::now);
        }
    }

    /// Cancels workers that nothing is left for, and forgets their batches.
    fn dismiss(&mut self) {
        let over: Vec<u32> =
            self.batches.iter().filter(|(_, open)| open.jobs.is_empty()).map(|(number, _)| *number).collect();
        if over.is_empty() {
            return;
        }
        let jobs: Vec<String> =
            over.iter().flat_map(|number| &self.batches[number].sent).map(|sent| sent.job.clone()).collect();
        if !jobs.is_empty()
            && let Err(error) = commands::scancel(&jobs, false)
        {
            self.note(format!("workers that have nothing to do could not be cancelled: {error}"));
        }
        over.iter().for_each(|number| drop(self.batches.remove(number)));
    }

    fn cancel(&mut self, instances: &[InstanceId], hard: bool) {
        let mut elements: Vec<String> = Vec::new();
        for instance in instances {
            let unsent = self.gathering.values_mut().find_map(|gathering| {
                let at = gathering.jobs.iter().position(|job| job.instance == *instance)?;
                Some(gathering.jobs.remove(at))
            });
            if let Some(job) = unsent {
                self.end(job.instance, job.attempt, stopped(), None);
            }
            let found = self.batches.values().find_map(|open| open.jobs.get(instance).copied());
            let Some(attempt) = found else { continue };
            // Who is not at work yet must not begin: the driver takes it itself.
            let driver = Worker { job: "driver".to_owned(), element: 0, restart: 0 };
            match self.spool.claim(*instance, attempt, &driver) {
                Ok(true) => {
                    for open in self.batches.values_mut() {
                        open.jobs.remove(instance);
                    }
                    self.end(*instance, attempt, stopped(), None);
                }
                _ => {
                    self.stopping.insert(*instance);
                    if hard {
                        // It cannot say that it has ended.
                        self.missing.entry(*instance).or_insert_with(Instant::now);
                    }
                    if let Ok(Some(worker)) = self.spool.claimed_by(*instance, attempt) {
                        elements.push(worker.name());
                    }
                }
            }
        }
        elements.sort();
        elements.dedup();
        if !elements.is_empty()
            && let Err(error) = commands::scancel(&elements, hard)
        {
            self.note(format!("jobs could not be cancelled: {error}"));
        }
    }

    /// Asks the queue for everything that has said nothing for long, in one question.
    fn look_after_silent(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let find_out = |open: &Open| matches!(open.want, Want::FindOut(at) if at <= now);
        let silent = |open: &Open| matches!(open.want, Want::Nothing) && now - open.heard >= SILENT;
        let doubt = !self.missing.is_empty();
        let wanted = self.batches.values().any(|open| find_out(open) || silent(open)) || doubt;
        let pause = if !self.stopping.is_empty() {
            GRACE
        } else if doubt {
            self.grace.min(SILENT)
        } else {
            SILENT
        };
        let urgent = self.batches.values().any(find_out);
        if !wanted || (!urgent && self.asked.is_some_and(|asked| now - asked < pause)) {
            return Ok(());
        }
        self.asked = Some(now);
        let queue = match commands::squeue(&self.prefix) {
            Ok(queue) => queue,
            Err(error) => {
                if !std::mem::replace(&mut self.in_trouble, true) {
                    self.note(format!("Slurm does not answer; what runs goes on, and is known as before: {error}"));
                }
                for open in self.batches.values_mut().filter(|open| matches!(open.want, Want::FindOut(_))) {
                    open.want = Want::FindOut(now + AGAIN);
                }
                return Ok(());
            }
        };
        if std::mem::replace(&mut self.in_trouble, false) {
            self.note("Slurm answers again".to_owned());
        }
        // What was said before the queue was asked counts more than the queue.
        self.read_messages()?;
        let numbers: Vec<u32> = self.batches.keys().copied().collect();
        for number in numbers {
            let open = &self.batches[&number];
            if find_out(open) {
                self.found_out(number, &queue)?;
            } else if silent(open) || open.jobs.keys().any(|instance| self.missing.contains_key(instance)) {
                self.account_for(number, &queue, now)?;
            }
        }
        Ok(())
    }

    /// Whether the array of an unanswered submission is in the queue.
    fn found_out(&mut self, number: u32, queue: &[Queued]) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        let name = format!("{}{number}.{}", self.prefix, open.sent.len());
        let elements: Vec<&Queued> = queue.iter().filter(|queued| queued.name == name).collect();
        match elements.first() {
            Some(first) => {
                let count = elements.len() as u32;
                open.sent.push(Sent { job: first.job.clone(), elements: count });
                open.heard = Instant::now();
                self.keep_sent(number)
            }
            None => {
                open.want = Want::Submit(Instant::now());
                Ok(())
            }
        }
    }

    /// What becomes of the open attempts of a silent batch.
    fn account_for(&mut self, number: u32, queue: &[Queued], now: Instant) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        let alive = |job: &str| queue.iter().any(|queued| queued.job == job && queued.is_alive());
        let any_alive = open.sent.iter().any(|sent| alive(&sent.job));
        let mut unclaimed = Vec::new();
        let mut gone = Vec::new();
        for (instance, attempt) in &open.jobs {
            match self.spool.claimed_by(*instance, *attempt)? {
                None => unclaimed.push(*instance),
                Some(worker) => {
                    let element =
                        queue.iter().find(|queued| queued.job == worker.job && queued.element == worker.element);
                    if !element.is_some_and(Queued::is_alive) {
                        gone.push((*instance, *attempt, worker, element.map(|queued| queued.state.clone())));
                    } else if element.is_some_and(|queued| queued.state == "PENDING") {
                        // Slurm begins it anew, and it takes this up again.
                        self.missing.remove(instance);
                    }
                }
            }
        }
        let grace = self.grace;
        let certain = |missing: &mut FxHashMap<InstanceId, Instant>, instance: InstanceId| {
            now - *missing.entry(instance).or_insert(now) >= grace
        };
        let mut ends = Vec::new();
        for (instance, attempt, worker, state) in gone {
            if self.stopping.contains(&instance) || certain(&mut self.missing, instance) {
                open.jobs.remove(&instance);
                ends.push((instance, attempt, worker, state));
            }
        }
        if any_alive {
            open.heard = now;
        } else if !unclaimed.is_empty() {
            let all = unclaimed.iter().filter(|instance| certain(&mut self.missing, **instance)).count();
            if all == unclaimed.len() {
                self.missing.retain(|instance, _| !unclaimed.contains(instance));
                open.want = Want::Submit(now);
                open.heard = now;
            }
        }
        for (instance, attempt, worker, state) in ends {
            let asked = self.stopping.remove(&instance);
            let failure = if asked { stopped() } else { verdict(&worker, state.as_deref()) };
            self.end(instance, attempt, failure, Some(&format!("job {}", worker.name())));
        }
        Ok(())
    }
}

fn stopped() -> Failure {
    Failure { cause: Cause::Stopped, message: "stopped on request".into(), help: None }
}

/// Why an attempt ended whose worker is gone without a word.
fn verdict(worker: &Worker, state: Option<&str>) -> Failure {
    let job = worker.name();
    let (cause, message) = match state {
        Some("TIMEOUT" | "DEADLINE") => (Cause::Timeout, format!("Slurm ended job {job} at its time limit")),
        Some("OUT_OF_MEMORY") => (Cause::Oom, format!("Slurm killed job {job} for lack of memory")),
        Some("NODE_FAIL" | "BOOT_FAIL") => (Cause::Lost, format!("the node of job {job} failed")),
        Some("PREEMPTED") => (Cause::Lost, format!("job {job} was preempted")),
        Some("CANCELLED" | "REVOKED") => (Cause::Signal(15), format!("somebody cancelled job {job}")),
        Some(state) => (Cause::Lost, format!("job {job} is {state} and has not reported")),
        None => (Cause::Lost, format!("job {job} is not in the queue and has not reported")),
    };
    Failure { cause, message: message.into(), help: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_job_has_its_cause() {
        let worker = Worker { job: "17".into(), element: 3, restart: 0 };
        let said = |state: Option<&str>| {
            let failure = verdict(&worker, state);
            (failure.cause, failure.message.to_string())
        };
        assert_eq!(said(Some("TIMEOUT")), (Cause::Timeout, "Slurm ended job 17_3 at its time limit".into()));
        assert_eq!(said(Some("OUT_OF_MEMORY")), (Cause::Oom, "Slurm killed job 17_3 for lack of memory".into()));
        assert_eq!(said(Some("NODE_FAIL")), (Cause::Lost, "the node of job 17_3 failed".into()));
        assert_eq!(said(Some("PREEMPTED")), (Cause::Lost, "job 17_3 was preempted".into()));
        assert_eq!(said(Some("CANCELLED")), (Cause::Signal(15), "somebody cancelled job 17_3".into()));
        assert_eq!(said(Some("COMPLETED")).0, Cause::Lost);
        assert_eq!(said(None).0, Cause::Lost);
    }
}
