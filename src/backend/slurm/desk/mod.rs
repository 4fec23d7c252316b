//! The thread that speaks with Slurm: gathers what becomes ready into batches, submits their workers, reads what they
//! report, and looks after those that have fallen silent.

mod crew;
mod errand;
mod first;
mod room;
mod silence;
mod stuck;
mod submit;
mod verdict;

use super::clusters::Ours;
use super::commands::{self, Shape};
use super::site::Site;
use super::{order, survey};
use crate::backend::nodes::Nodes;
use crate::backend::spool::{Claims, Doing, Notice, Spool, Terms, Worker};
use crate::base::InstanceId;
use crate::event::{Failure, Outcome, Usage};
use crate::port::{Job, Report, ReportSink, Waiting};
use crate::sys::{Fault, mount};
use crew::{Crew, ToDo, Want, node_of};
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
/// Workers that wait in the queue are cancelled when so long nothing of their shape has become ready.
const QUIET_CREW: Duration = Duration::from_secs(5);
/// So often it is counted how many workers are needed, while nothing changes.
const COUNT: Duration = Duration::from_secs(1);
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
    /// Batches of an earlier driver.
    Adopt(Vec<Left>),
}

/// A batch of an earlier driver.
pub struct Left {
    /// Its number in the run.
    pub number: u32,
    /// What its workers were given.
    pub shape: Shape,
    /// The name of one of its instances.
    pub name: Arc<str>,
    /// Its attempts that are still open; none: only its workers matter.
    pub jobs: Vec<(InstanceId, u32)>,
    /// Its arrays.
    pub sent: Vec<Sent>,
}

/// An array that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The batch that it was submitted for.
    pub batch: u32,
    /// Slurm's number.
    pub job: String,
    /// Its elements; 0: it is no array.
    pub elements: u32,
}

impl Sent {
    /// Its workers.
    pub fn workers(&self) -> impl Iterator<Item = Worker> {
        let elements = if self.elements == 0 { Worker::ALONE..=Worker::ALONE } else { 0..=self.elements - 1 };
        elements.map(|element| Worker { job: self.job.clone(), element, restart: 0 })
    }
    /// How many they are.
    pub fn count(&self) -> u32 {
        self.elements.max(1)
    }
}

/// What the names of a run's arrays begin with, by its folder, absolute.
pub fn prefix(run_dir: &Path) -> String {
    let place = crate::base::Digest::of(run_dir.as_os_str().as_bytes()).to_string();
    format!("flowrun-{}-", &place[..12])
}

/// How many workers so many instances of a shape get at first.
pub fn needed_first(shape: &Shape, terms: Terms, instances: u64) -> u32 {
    let todo = ToDo { node: "", unbegun: usize::try_from(instances).unwrap_or(usize::MAX), begun: None };
    Crew::new(shape.clone(), terms, Vec::new()).needed([todo].into_iter(), Instant::now())
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
        Some(Sent { batch, job: job.to_owned(), elements: elements.parse().ok()? })
    };
    text.lines().filter_map(sent).collect()
}

/// Instances of a shape that have become ready and are not sent yet.
struct Gathering {
    jobs: Vec<Job>,
    since: Instant,
    last: Instant,
}

/// A batch with attempts that have not ended.
struct Open {
    /// The name of its shape.
    crew: String,
    /// The node that it is of, mostly.
    node: Arc<str>,
    jobs: FxHashMap<InstanceId, Attempt>,
    /// How many of them nobody is known to have begun, and when the first was.
    unbegun: usize,
    begun: Option<Instant>,
}

/// An attempt that has not ended.
#[derive(Clone, Copy)]
struct Attempt {
    number: u32,
    /// Whether somebody is known to have it.
    begun: bool,
}

/// The desk.
pub struct Desk {
    spool: Spool,
    reports: ReportSink,
    site: Arc<Site>,
    /// What the names of this run's arrays begin with.
    prefix: String,
    ours: Ours,
    gathering: FxHashMap<Shape, Gathering>,
    batches: BTreeMap<u32, Open>,
    /// Where each open attempt is.
    places: FxHashMap<InstanceId, u32>,
    crews: BTreeMap<String, Crew>,
    next: u32,
    /// The time between two submissions, but for a burst.
    pace: Duration,
    /// Whether anything has changed since it was counted how many workers are needed, and when that was.
    changed: bool,
    counted: Instant,
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
    /// Whether the messages were listed once.
    listed: bool,
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
            ours: Ours::of(run_dir),
            gathering: FxHashMap::default(),
            batches: BTreeMap::new(),
            places: FxHashMap::default(),
            crews: BTreeMap::new(),
            next,
            pace: pace.map_or(PACE, |a_minute| Duration::from_secs(60) / a_minute.max(1)),
            changed: false,
            counted: Instant::now(),
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
            listed: false,
        })
    }

    /// Until the driver is gone. Its jobs stay, but those that have nothing to do.
    pub fn serve(mut self, asked: &Receiver<Ask>) {
        let mut gone = false;
        while !gone {
            let idle = self.crews.is_empty() && self.gathering.is_empty();
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
        if self.crews.is_empty() && self.gathering.is_empty() {
            self.spool.remove_program();
        }
    }

    /// Takes the answer of a call.
    fn done(&mut self, done: Done) -> anyhow::Result<()> {
        self.errands.taken(&done);
        match done {
            Done::Submitted { crew, batch, name, elements, said } => {
                self.submitted((&crew, name), batch, elements, said)
            }
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
        self.dismiss(gone)
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
                self.remove_messages(&names);
            }
            Ask::Adopt(batches) => batches.into_iter().for_each(|left| self.adopt(left)),
        }
    }

    fn adopt(&mut self, left: Left) {
        let name = left.shape.name();
        let now = Instant::now();
        let crew = self.crew(&name, left.shape);
        left.sent.into_iter().for_each(|sent| crew.adopt(sent));
        // At once: much may have happened.
        crew.heard = now.checked_sub(SILENT).unwrap_or(now);
        crew.want = Want::FindOut(now);
        crew.adopted = true;
        if !left.jobs.is_empty() {
            self.keep_account(left.number, name, node_of(&left.name).into(), left.jobs);
        }
    }

    /// The workers of a shape.
    fn crew(&mut self, name: &str, shape: Shape) -> &mut Crew {
        let Self { crews, site, .. } = self;
        crews.entry(name.to_owned()).or_insert_with(|| {
            let (terms, gates) = (order::terms(&shape, site), site.gates(&shape));
            Crew::new(shape, terms, gates)
        })
    }

    /// Keeps account of a batch.
    fn keep_account(&mut self, number: u32, crew: String, node: Arc<str>, jobs: Vec<(InstanceId, u32)>) {
        let now = Instant::now();
        if let Some(crew) = self.crews.get_mut(&crew) {
            crew.open += jobs.len();
            crew.quiet = None;
        }
        self.places.extend(jobs.iter().map(|(instance, _)| (*instance, number)));
        let attempt = |(instance, number)| (instance, Attempt { number, begun: false });
        let (unbegun, jobs) = (jobs.len(), jobs.into_iter().map(attempt).collect());
        self.batches.insert(number, Open { crew, node, jobs, unbegun, begun: None });
        (self.changed, self.counted) = (true, now);
    }

    /// Somebody has begun an attempt; false when it is not open.
    fn begun(&mut self, instance: InstanceId, number: u32) -> bool {
        let Some(open) = self.places.get(&instance).and_then(|batch| self.batches.get_mut(batch)) else { return false };
        let Some(attempt) = open.jobs.get_mut(&instance).filter(|attempt| attempt.number == number) else {
            return false;
        };
        if !std::mem::replace(&mut attempt.begun, true) {
            open.unbegun -= 1;
            open.begun.get_or_insert_with(Instant::now);
        }
        true
    }

    /// Takes an attempt from the account; false when it is not open.
    fn close(&mut self, instance: InstanceId, number: u32) -> bool {
        let Some(batch) = self.places.get(&instance) else { return false };
        let Some(open) = self.batches.get_mut(batch) else { return false };
        let Some(attempt) = open.jobs.get(&instance).copied().filter(|attempt| attempt.number == number) else {
            return false;
        };
        open.jobs.remove(&instance);
        open.unbegun -= usize::from(!attempt.begun);
        open.begun.get_or_insert_with(Instant::now);
        if let Some(crew) = self.crews.get_mut(&open.crew) {
            crew.open -= 1;
        }
        self.places.remove(&instance);
        self.missing.remove(&instance);
        self.changed = true;
        true
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
    }

    fn read_messages(&mut self) -> anyhow::Result<()> {
        if self.crews.is_empty() {
            return Ok(());
        }
        // Of what an earlier driver was told nobody knows how long ago it was.
        let fresh = std::mem::replace(&mut self.listed, true);
        for name in self.spool.messages()? {
            if !self.seen.insert(name.clone()) {
                continue;
            }
            let message = self.spool.read_message(&name)?;
            self.spoken = true;
            let silent = message.reports.is_empty() && message.left.is_empty();
            let mut begun = 0;
            for report in message.reports {
                match &report {
                    Report::Note(text) => {
                        self.note(text.clone());
                        continue;
                    }
                    // Another worker's word came first.
                    Report::Started { instance, attempt, .. } if !self.begun(*instance, *attempt) => continue,
                    Report::Started { .. } => begun += 1,
                    Report::Ended { instance, attempt, outcome, .. } => {
                        let place = self.places.get(instance).and_then(|batch| self.batches.get(batch));
                        let known = place.map(|open| (open.crew.clone(), open.node.clone()));
                        let was_begun = place.and_then(|open| open.jobs.get(instance)).is_some_and(|job| job.begun);
                        if !self.close(*instance, *attempt) {
                            continue;
                        }
                        self.stopping.remove(instance);
                        begun += u32::from(!was_begun);
                        self.learn(*instance, outcome);
                        if let Some((crew, node)) = known
                            && let Some(crew) = self.crews.get_mut(&crew)
                        {
                            crew.measure(&node, Duration::from_micros(outcome.usage.wall_us));
                        }
                    }
                    Report::Waiting(_) | Report::Broken(..) => {}
                }
                self.say(report);
            }
            let doing = match message.doing {
                Doing::Wait(_) if !fresh => Doing::Work(0),
                doing => doing,
            };
            if let Some(crew) = self.crews.get_mut(&message.shape) {
                crew.hear(&message.worker, doing, begun);
            }
            self.changed = true;
            if silent {
                self.remove_messages(&[name]);
            } else {
                self.messages.push_back((self.handed, name));
            }
            message.left.iter().for_each(|(instance, attempt)| self.left_behind(*instance, *attempt));
        }
        Ok(())
    }

    fn remove_messages(&mut self, names: &[String]) {
        // What cannot be removed is read once more by a later driver, and is nothing new to it.
        let _ = self.spool.remove_messages(names);
        for name in names {
            self.seen.remove(name);
        }
    }

    /// What a worker had taken and will not report: stopped on our request, or the queue is asked why.
    fn left_behind(&mut self, instance: InstanceId, attempt: u32) {
        if !self.begun(instance, attempt) {
            return;
        }
        if self.stopping.remove(&instance) {
            self.close(instance, attempt);
            self.end(instance, attempt, stopped(), None);
        } else {
            self.missing.entry(instance).or_insert_with(Instant::now);
        }
    }

    /// Tells workers what is over, and cancels those that wait in the queue for nothing.
    fn dismiss(&mut self, gone: bool) -> anyhow::Result<()> {
        let now = Instant::now();
        let closed: Vec<u32> =
            self.batches.iter().filter(|(_, open)| open.jobs.is_empty()).map(|(number, _)| *number).collect();
        for number in closed {
            if let Some(open) = self.batches.remove(&number) {
                self.spool.tell(&open.crew, &[Notice::Closed(number)])?;
            }
        }
        let mut over = Vec::new();
        for (name, crew) in self.crews.iter_mut().filter(|(_, crew)| crew.open == 0) {
            let quiet = *crew.quiet.get_or_insert(now);
            if gone || now - quiet >= QUIET_CREW {
                over.push(name.clone());
            }
        }
        let mut names: Vec<String> = Vec::new();
        for name in over {
            let Some(crew) = self.crews.remove(&name) else { continue };
            self.room.leaves(&crew);
            self.spool.tell(&name, &[Notice::Over])?;
            names.extend(self.names_of(&crew));
        }
        if !names.is_empty() {
            self.cancel_waiting(names);
        }
        Ok(())
    }

    fn cancel(&mut self, instances: &[InstanceId], hard: bool) {
        let mut elements: Vec<String> = Vec::new();
        // Who is not at work yet must not begin: the driver takes it itself.
        let driver = Worker { job: "driver".to_owned(), element: 0, restart: 0 };
        let mut claims: FxHashMap<u32, Claims> = FxHashMap::default();
        for instance in instances {
            let unsent = self.gathering.values_mut().find_map(|gathering| {
                let at = gathering.jobs.iter().position(|job| job.instance == *instance)?;
                Some(gathering.jobs.remove(at))
            });
            if let Some(job) = unsent {
                self.end(job.instance, job.attempt, stopped(), None);
            }
            let Some(batch) = self.places.get(instance).copied() else { continue };
            let Some(open) = self.batches.get(&batch) else { continue };
            let Some(attempt) = open.jobs.get(instance).map(|attempt| attempt.number) else { continue };
            let claims = claims.entry(batch).or_insert_with(|| self.spool.claims(batch, &driver));
            match claims.take(*instance, attempt) {
                Ok(true) => {
                    self.close(*instance, attempt);
                    self.end(*instance, attempt, stopped(), None);
                }
                _ => {
                    self.stopping.insert(*instance);
                    let wide = self.crews.get(&open.crew).is_some_and(|crew| crew.terms.width > 1);
                    if wide && !hard {
                        // Others are at work beside it.
                        let stop = [Notice::Stop(*instance, attempt)];
                        if let Err(error) = self.spool.tell(&open.crew, &stop) {
                            self.note(format!("`{}` could not be stopped: {error}", instance.0));
                        }
                        continue;
                    }
                    if hard {
                        // It cannot say that it has ended.
                        self.missing.entry(*instance).or_insert_with(Instant::now);
                    }
                    if let Ok(Some(worker)) = self.spool.claimed_by(batch, *instance, attempt) {
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
        let ours = self.ours.clone();
        self.errands.act(move || {
            let said = commands::cancel_elements(&ours, &elements, hard);
            Done::Cancelled { elements, hard, said }
        });
    }

    /// The names of the arrays of a shape that may still be in the queue.
    fn names_of(&self, crew: &Crew) -> Vec<String> {
        // A scheduler that was killed and comes back may have forgotten that they began, and wait to begin them.
        let left = crew.sent.iter().enumerate().filter(|(_, sent)| !crew.all_ended(sent));
        let name = |(at, sent): (usize, &Sent)| {
            let nth = crew.sent[..at].iter().filter(|earlier| earlier.batch == sent.batch).count();
            format!("{}{nth}", self.names(sent.batch))
        };
        // Also the array of a submission that nobody answered.
        left.map(name).chain(crew.unanswered.clone()).collect()
    }

    /// Cancels what waits of the arrays of these names.
    fn cancel_waiting(&mut self, names: Vec<String>) {
        let ours = self.ours.clone();
        self.errands.act(move || Done::Dismissed(commands::cancel_waiting(&ours, &names)));
    }
}
