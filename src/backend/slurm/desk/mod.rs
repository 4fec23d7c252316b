//! The thread that speaks with Slurm: gathers what becomes ready into batches, submits their workers, reads what they
//! report, and looks after those that have fallen silent.

mod errand;
mod first;
mod room;
mod silence;
mod stuck;
mod submit;
mod verdict;

use super::commands::{self, Shape};
use super::site::{Gate, Site};
use super::survey;
use crate::backend::nodes::Nodes;
use crate::backend::spool::{Batch, Spool, Worker};
use crate::base::InstanceId;
use crate::event::{Failure, Outcome, Usage};
use crate::port::{Job, Report, ReportSink, Waiting};
use crate::sys::{Fault, mount};
use crossbeam::channel::{Receiver, after, never, select};
use errand::{Done, Errands};
use room::Room;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use verdict::stopped;

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
/// How often a submission may be made unless the site says otherwise, and how many at once.
const PACE: Duration = Duration::from_secs(1);
const BURST: u32 = 5;
/// After a scheduler that is busy or full.
const AGAIN: Duration = Duration::from_secs(5);

/// A driver that ends waits for calls that are under way at most so long.
const LAST: Duration = Duration::from_secs(15);

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
    /// Wait for the answer to a submission.
    Answer,
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
    /// When its newest workers were submitted.
    sent_at: Instant,
    /// How many of its arrays are known to have ended.
    dead: usize,
    /// How many attempts were open when its newest workers were submitted, and how often workers ended without having
    /// taken any of them.
    left: usize,
    tries: u32,
    /// Workers that have ended.
    over: u32,
    /// The limits that they count against.
    gates: Vec<Gate>,
    /// How often even one worker was refused for a limit.
    refused: u32,
}

/// The desk.
pub struct Desk {
    spool: Spool,
    reports: ReportSink,
    site: Arc<Site>,
    /// What the names of this run's arrays begin with.
    prefix: String,
    gathering: FxHashMap<Shape, Gathering>,
    batches: BTreeMap<u32, Open>,
    next: u32,
    /// The time between two submissions, but for a burst.
    pace: Duration,
    /// When the last submissions were made.
    submissions: VecDeque<Instant>,
    room: Room,
    errands: Errands,
    /// Whether a submission is under way, whether the queue is being looked at.
    submitting: bool,
    looking: bool,
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
    /// Whether any worker of this run has come to anything.
    spoken: bool,
    /// Whether there is an accounting, as far as is known; since when it does not answer.
    accounting: bool,
    blind: Option<Instant>,
    nodes: Nodes,
    /// Elements that could not be cancelled yet.
    owed: Vec<(Vec<String>, bool)>,
    /// What was said last of jobs that do not begin by themselves.
    stuck: Option<Waiting>,
}

impl Desk {
    /// # Errors
    /// No Slurm here, or a spool that cannot be used.
    pub fn open(run_dir: &Path, pace: Option<u32>, reports: ReportSink) -> anyhow::Result<Self> {
        let site = survey::site()?;
        let spool = Spool::of(run_dir);
        spool.make()?;
        spool.keep_program()?;
        let next = spool.batches()?.last().map_or(0, |last| last + 1);
        let nodes = Nodes::of(&spool);
        Ok(Self {
            spool,
            reports,
            site,
            prefix: prefix(run_dir),
            gathering: FxHashMap::default(),
            batches: BTreeMap::new(),
            next,
            pace: pace.map_or(PACE, |a_minute| Duration::from_secs(60) / a_minute.max(1)),
            submissions: VecDeque::new(),
            room: Room::default(),
            errands: Errands::new(),
            submitting: false,
            looking: false,
            asked: None,
            grace: if mount::network(run_dir).is_some() { FAR_GRACE } else { GRACE },
            missing: FxHashMap::default(),
            stopping: Default::default(),
            handed: 0,
            messages: VecDeque::new(),
            seen: Default::default(),
            in_trouble: false,
            spoken: false,
            accounting: true,
            blind: None,
            nodes,
            owed: Vec::new(),
            stuck: None,
        })
    }

    /// Until the driver is gone. Its jobs stay, but those that have nothing to do.
    pub fn serve(mut self, asked: &Receiver<Ask>) {
        let mut gone = false;
        while !gone {
            let idle = self.batches.is_empty() && self.gathering.is_empty();
            let pause = if self.gathering.is_empty() { LOOK } else { QUIET };
            let look = if idle { never() } else { after(pause) };
            let mut answers = Vec::new();
            select! {
                recv(asked) -> ask => match ask {
                    Ok(ask) => std::iter::once(ask).chain(asked.try_iter()).for_each(|ask| self.answer(ask)),
                    Err(_) => gone = true,
                },
                recv(self.errands.done) -> done => answers.extend(done),
                recv(look) -> _ => {}
            }
            answers.extend(self.errands.done.try_iter());
            let worked = answers.into_iter().try_for_each(|done| self.done(done));
            if let Err(error) = worked.and_then(|()| self.work(gone)) {
                let help = error.downcast_ref::<Fault>().and_then(|fault| fault.help.clone());
                self.say(Report::Broken(format!("{error:#}"), help));
                return;
            }
        }
        // What was submitted is kept; what had nothing to do is gone when we are.
        let until = Instant::now() + LAST;
        while let Some(done) = self.errands.wait(until) {
            if self.done(done).is_err() {
                return;
            }
        }
    }

    /// Takes the answer of a call.
    fn done(&mut self, done: Done) -> anyhow::Result<()> {
        self.errands.taken(&done);
        match done {
            Done::Submitted { batch, elements, said } => self.submitted(batch, elements, said),
            Done::Looked(look) => self.looked(look),
            Done::Dismissed(said) => {
                if let Err(error) = said {
                    self.note(format!("workers that have nothing to do could not be cancelled: {error}"));
                }
                Ok(())
            }
            Done::Cancelled { elements, hard, said } => {
                if let Err(error) = said {
                    self.note(format!("jobs are cancelled when Slurm answers again: {error}"));
                    self.owed.push((elements, hard));
                }
                Ok(())
            }
        }
    }

    fn work(&mut self, gone: bool) -> anyhow::Result<()> {
        self.read_messages()?;
        if !gone {
            self.send_what_is_gathered()?;
            self.submit()?;
            self.look_after_silent()?;
            self.tell_what_is_waited_for();
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
                    let shape = Shape::of(first);
                    let gates = self.site.gates(&shape);
                    let open = Open {
                        shape,
                        jobs: batch.jobs.iter().map(|job| (job.instance, job.attempt)).collect(),
                        want: if sent.is_empty() { Want::FindOut(Instant::now()) } else { Want::Nothing },
                        sent,
                        width: u32::MAX,
                        window_s: batch.window_s,
                        // At once: much may have happened.
                        heard: Instant::now().checked_sub(SILENT).unwrap_or_else(Instant::now),
                        sent_at: Instant::now(),
                        dead: 0,
                        left: 0,
                        tries: 0,
                        over: 0,
                        gates,
                        refused: 0,
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

    /// Learns of nodes from what ends on them.
    fn learn(&mut self, instance: InstanceId, outcome: &Outcome) {
        match self.nodes.ended(instance, outcome) {
            Ok(None) => {}
            Ok(Some(line)) => self.note(line),
            Err(error) => self.note(format!("what was learnt of the nodes is not kept: {error}")),
        }
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
        self.learn(instance, &outcome);
        self.say(Report::Ended { instance, attempt, outcome, stats: Vec::new(), trusted: false });
        self.missing.remove(&instance);
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
            self.spoken = true;
            if message.over
                && let Some(open) = self.batches.get_mut(&message.batch)
            {
                open.over += 1;
                if matches!(open.want, Want::Nothing) && open.lacking() > 0 {
                    open.want = Want::Submit(Instant::now());
                }
            }
            let now = Instant::now();
            for report in message.reports {
                if let Some(open) = self.batches.get_mut(&message.batch) {
                    open.heard = now;
                    if let Report::Ended { instance, attempt, outcome, .. } = &report {
                        if open.jobs.get(instance) != Some(attempt) {
                            // Another worker's word came first.
                            continue;
                        }
                        open.jobs.remove(instance);
                        self.missing.remove(instance);
                        self.learn(*instance, outcome);
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
        // Of what is being submitted the number is not known yet.
        let over = |open: &Open| open.jobs.is_empty() && !matches!(open.want, Want::Answer);
        let over: Vec<u32> = self.batches.iter().filter(|(_, open)| over(open)).map(|(number, _)| *number).collect();
        if over.is_empty() {
            return;
        }
        // Also the array of a submission that nobody answered.
        let arrays = |open: &Open| open.dead..open.sent.len() + usize::from(matches!(open.want, Want::FindOut(_)));
        let name = |number: &u32, nth: usize| format!("{}{nth}", self.names(*number));
        let names: Vec<String> =
            over.iter().flat_map(|number| arrays(&self.batches[number]).map(move |nth| name(number, nth))).collect();
        if !names.is_empty() {
            self.errands.act(move || Done::Dismissed(commands::cancel_arrays(&names)));
        }
        over.iter().for_each(|number| self.leaves(*number));
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
        if !elements.is_empty() {
            self.scancel_elements(elements, hard);
        }
    }

    fn scancel_elements(&mut self, elements: Vec<String>, hard: bool) {
        let prefix = self.prefix.clone();
        self.errands.act(move || {
            let said = commands::cancel_elements(&prefix, &elements, hard);
            Done::Cancelled { elements, hard, said }
        });
    }
}
