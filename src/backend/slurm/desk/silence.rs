//! Looks after what has fallen silent: one question for all of it, and what the answer means.

use super::super::clusters::{self, Ours};
use super::super::commands::{self, Queued};
use super::crew::{Crew, Want};
use super::errand::Done;
use super::first::FIRST;
use super::verdict::{Evidence, cancelled_before, stopped};
use super::{AGAIN, Desk, GRACE, SILENT, Sent, stuck};
use crate::backend::spool::Worker;
use crate::base::InstanceId;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

/// Workers that end without having taken anything are submitted so often before what they were for fails.
const TRIES: u32 = 3;
/// An accounting that does not answer is waited for so long, then the verdict is given without it.
const BOOKS: Duration = Duration::from_secs(3600);
/// The end of a job's standard error that is read, in bytes.
const WORDS: u64 = 4096;

/// What a look has brought.
pub(super) struct Look {
    /// When it began: it says nothing of what came later.
    began: Instant,
    queue: Vec<Queued>,
    /// What the accounting says of suspects that the queue does not list; `None`: it does not answer.
    books: Option<Vec<Queued>>,
}

impl Look {
    /// Looks at the queue, and for suspects that are not in it, at the accounting. `there`: whether there is one.
    pub fn take(ours: &Ours, suspects: &[Worker], there: bool) -> Result<(Self, bool), String> {
        let began = Instant::now();
        let queue = commands::squeue(ours)?;
        let is_in = |worker: &Worker| queue.iter().any(|queued| *queued.job == *worker.job && queued.is_of(worker));
        let mut jobs: Vec<String> =
            suspects.iter().filter(|worker| !is_in(worker)).map(|worker| worker.job.clone()).collect();
        jobs.sort();
        jobs.dedup();
        if jobs.is_empty() || !there {
            return Ok((Self { began, queue, books: Some(Vec::new()) }, there));
        }
        Ok(match commands::sacct(ours, &jobs) {
            Ok(Some(books)) => (Self { began, queue, books: Some(books) }, true),
            Ok(None) => (Self { began, queue, books: Some(Vec::new()) }, false),
            Err(_) => (Self { began, queue, books: None }, true),
        })
    }
}

/// What is known of the elements of a shape's arrays.
struct Known<'a> {
    queue: FxHashMap<(&'a str, u32), &'a Queued>,
    books: FxHashMap<(&'a str, u32), &'a Queued>,
    /// The accounting does not answer, and may know more.
    blind: bool,
}

impl<'a> Known<'a> {
    /// Numbers are given anew when a controller was killed, names are not.
    fn of(look: &'a Look, names: &FxHashMap<String, String>, blind: bool) -> Self {
        let of = |rows: &'a [Queued]| {
            let is_ours = |row: &&Queued| names.get(&*row.job).is_some_and(|name| row.name.starts_with(name));
            rows.iter().filter(is_ours).map(|row| ((&*row.job, row.element), row)).collect()
        };
        Self { queue: of(&look.queue), books: of(look.books.as_deref().unwrap_or_default()), blind }
    }
    fn is_alive(&self, worker: &Worker) -> bool {
        self.queue.get(&(worker.job.as_str(), worker.element)).is_some_and(|queued| queued.is_alive())
    }
    /// What is known of a worker that is not alive.
    fn of_dead(&self, worker: &Worker) -> Option<&'a Queued> {
        let id = (worker.job.as_str(), worker.element);
        self.queue.get(&id).or_else(|| self.books.get(&id)).copied()
    }
    /// The rows of an array that has ended.
    fn of_array(&self, job: &str) -> Vec<&'a Queued> {
        let of = |rows: &FxHashMap<(&str, u32), &'a Queued>| -> Vec<&'a Queued> {
            rows.iter().filter(|((other, _), _)| *other == job).map(|(_, row)| *row).collect()
        };
        let queue = of(&self.queue);
        if queue.is_empty() { of(&self.books) } else { queue }
    }
}

impl Queued {
    fn is_of(&self, worker: &Worker) -> bool {
        self.element == worker.element || self.element == Queued::REST
    }
}

impl Desk {
    /// What the names of a batch's arrays begin with.
    pub(super) fn names(&self, batch: u32) -> String {
        format!("{}{batch}.", self.prefix)
    }

    /// Asks the queue for everything that has said nothing for long, in one question.
    pub(super) fn look_after_silent(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let find_out = |crew: &Crew| matches!(crew.want, Want::FindOut(at) if at <= now);
        let doubt = !self.missing.is_empty() || self.crews.values().any(Crew::misses_some);
        let patience = if self.spoken || self.asked.is_some() { SILENT } else { FIRST };
        let wanted = self.crews.values().any(|crew| find_out(crew) || crew.is_silent(now, patience))
            || doubt
            || self.room.is_full();
        let pause = if !self.stopping.is_empty() {
            GRACE
        } else if doubt {
            self.grace.min(SILENT)
        } else {
            SILENT
        };
        let urgent = self.crews.values().any(find_out);
        if self.looking || !wanted || (!urgent && self.asked.is_some_and(|asked| now - asked < pause)) {
            return Ok(());
        }
        let suspects = self.suspects()?;
        self.asked = Some(now);
        self.looking = true;
        let (ours, there) = (self.ours.clone(), self.accounting);
        self.errands.ask(move || Done::Looked(Look::take(&ours, &suspects, there)));
        Ok(())
    }

    /// Workers that an earlier look did not account for: of theirs the accounting is asked if the queue lists them no more.
    fn suspects(&self) -> anyhow::Result<Vec<Worker>> {
        let vanished = self.crews.values().filter(|crew| crew.misses_some()).flat_map(|crew| crew.vanished.keys());
        let mut suspects: Vec<Worker> = vanished.cloned().collect();
        for instance in self.missing.keys() {
            let Some(batch) = self.places.get(instance) else { continue };
            let Some(attempt) = self.batches.get(batch).and_then(|open| open.jobs.get(instance)) else { continue };
            suspects.extend(self.spool.claimed_by(*batch, *instance, attempt.number)?);
        }
        Ok(suspects)
    }

    /// What a look has brought.
    pub(super) fn looked(&mut self, look: Result<(Look, bool), String>) -> anyhow::Result<()> {
        self.looking = false;
        let now = Instant::now();
        let look = match look {
            Ok((look, there)) => {
                self.accounting = there;
                look
            }
            Err(error) => {
                if !std::mem::replace(&mut self.in_trouble, true) {
                    self.note(format!("Slurm does not answer; what runs goes on, and is known as before: {error}"));
                }
                for crew in self.crews.values_mut().filter(|crew| matches!(crew.want, Want::FindOut(_))) {
                    crew.want = Want::FindOut(now + AGAIN);
                }
                return Ok(());
            }
        };
        if std::mem::replace(&mut self.in_trouble, false) {
            self.note("Slurm answers again".to_owned());
        }
        for (elements, hard) in std::mem::take(&mut self.owed) {
            self.scancel_elements(elements, hard);
        }
        self.stuck = stuck::of(&look.queue);
        self.room.count(look.began, &look.queue);
        self.blind = if look.books.is_some() { None } else { self.blind.or(Some(now)) };
        let blind = self.blind.is_some_and(|since| now - since < BOOKS);
        // What was said before the queue was asked counts more than the queue.
        self.read_messages()?;
        self.look_at_first(&look.queue)?;
        let shapes: Vec<String> = self.crews.keys().cloned().collect();
        for shape in shapes {
            match self.crews[&shape].want {
                Want::FindOut(at) if at <= look.began => self.found_out(&shape, &look.queue)?,
                // The answer does not speak of its newest workers.
                Want::FindOut(_) | Want::Answer => continue,
                _ if self.crews[&shape].sent_at > look.began => continue,
                Want::Submit(_) => {}
            }
            let sent = self.crews[&shape].sent.iter();
            let names = sent.map(|sent| (sent.job.clone(), self.names(sent.batch))).collect();
            self.account_for(&shape, &Known::of(&look, &names, blind), now)?;
        }
        Ok(())
    }

    /// Whether arrays that are not known were submitted for batches of a shape.
    fn found_out(&mut self, shape: &str, queue: &[Queued]) -> anyhow::Result<()> {
        let Some(crew) = self.crews.get_mut(shape) else { return Ok(()) };
        crew.want = Want::Submit(Instant::now());
        crew.unanswered = None;
        let mut found: BTreeMap<(u32, &str), u32> = BTreeMap::new();
        for queued in queue.iter().filter(|queued| !crew.sent.iter().any(|sent| *sent.job == *queued.job)) {
            let number = queued.name.strip_prefix(&self.prefix).and_then(|rest| rest.split('.').next()?.parse().ok());
            let ours = |number: &u32| self.batches.get(number).is_some_and(|open| open.crew == shape);
            if let Some(batch) = number.filter(ours) {
                let elements = found.entry((batch, &*queued.job)).or_insert(0);
                // One that is no array comes out as that: 0.
                *elements = (*elements).max(queued.element.wrapping_add(1));
            }
        }
        for ((batch, job), elements) in found {
            crew.sent(Sent { batch, job: job.to_owned(), elements });
        }
        self.changed = true;
        let mut batches: Vec<u32> = crew.sent.iter().map(|sent| sent.batch).collect();
        batches.dedup();
        batches.into_iter().try_for_each(|batch| self.keep_sent(shape, batch))
    }

    /// What becomes of the open attempts of a shape whose workers are not in the queue any more.
    fn account_for(&mut self, shape: &str, known: &Known<'_>, now: Instant) -> anyhow::Result<()> {
        let Some(crew) = self.crews.get_mut(shape) else { return Ok(()) };
        crew.is_well(now);
        let adopted = std::mem::take(&mut crew.adopted);
        if adopted {
            for queued in known.queue.values().filter(|queued| queued.is_alive()) {
                let worker = Worker { job: queued.job.to_string(), element: queued.element, restart: 0 };
                crew.find(worker, &*queued.state == "PENDING");
            }
        }
        let mut vanished = Vec::new();
        for sent in &crew.sent {
            vanished.extend(sent.workers().filter(|worker| !known.is_alive(worker) && !crew.has_ended(worker)));
        }
        let all = adopted || !vanished.is_empty();
        let of_it = self.batches.iter().filter(|(_, open)| open.crew == shape);
        let doubtful = of_it.filter(|(_, open)| all || open.jobs.keys().any(|job| self.missing.contains_key(job)));
        let batches: Vec<u32> = doubtful.map(|(number, _)| *number).collect();
        let mut ends = Vec::new();
        for number in batches {
            let claimed = self.spool.claimed(number)?;
            let Some(open) = self.batches.get(&number) else { continue };
            let mut begun = Vec::new();
            for (instance, attempt) in &open.jobs {
                let Some(worker) = claimed.get(&(*instance, attempt.number)) else { continue };
                begun.push((*instance, attempt.number));
                if known.is_alive(worker) {
                    let element = known.queue.get(&(worker.job.as_str(), worker.element));
                    if element.is_some_and(|element| &*element.state == "PENDING") {
                        // Slurm begins it anew, and it takes this up again.
                        self.missing.remove(instance);
                    }
                    continue;
                }
                let element = known.of_dead(worker);
                let since = *self.missing.entry(*instance).or_insert(now);
                let certain = now - since >= self.grace && (element.is_some() || !known.blind);
                if certain || self.stopping.contains(instance) {
                    ends.push((*instance, attempt.number, element, worker.clone()));
                }
            }
            for (instance, attempt) in begun {
                self.begun(instance, attempt);
            }
        }
        ends.sort_by_key(|(instance, ..)| *instance);
        self.lose(shape, vanished, known, now);
        for (instance, attempt, element, worker) in ends {
            let evidence = self.evidence(element, &worker);
            let failure = match self.stopping.remove(&instance) {
                true => stopped(),
                false => evidence.of_taken(&worker),
            };
            self.close(instance, attempt);
            self.end(instance, attempt, failure, Some(&evidence.place(&worker)));
        }
        Ok(())
    }

    /// Workers that are not in the queue and have not said that they end: missing for long, they do not count any more.
    fn lose(&mut self, shape: &str, vanished: Vec<Worker>, known: &Known<'_>, now: Instant) {
        let Some(crew) = self.crews.get_mut(shape) else { return };
        let before = std::mem::take(&mut crew.vanished);
        let mut never_came = Vec::new();
        for worker in vanished {
            let since = before.get(&worker).copied().unwrap_or(now);
            if now - since < self.grace || (known.of_dead(&worker).is_none() && known.blind) {
                crew.vanished.insert(worker, since);
                continue;
            }
            if !crew.has_met(&worker) {
                never_came.push(worker.clone());
            }
            crew.lose(&worker);
            self.changed = true;
        }
        if crew.workers() == 0 && !never_came.is_empty() {
            self.nobody_came(shape, &never_came, known);
        }
    }

    /// No worker of a shape is left, and some ended before they took anything: others are submitted, unless somebody has
    /// cancelled them, or they end one after another without having come to anything.
    fn nobody_came(&mut self, shape: &str, never_came: &[Worker], known: &Known<'_>) {
        let of_it = self.batches.values().filter(|open| open.crew == shape).flat_map(|open| &open.jobs);
        let unclaimed = of_it.filter(|(_, attempt)| !attempt.begun);
        let mut unclaimed: Vec<(InstanceId, u32)> = unclaimed.map(|(job, attempt)| (*job, attempt.number)).collect();
        unclaimed.sort_unstable();
        let Some(crew) = self.crews.get_mut(shape) else { return };
        let Some(sent) = crew.sent.last().cloned() else { return };
        let rows = known.of_array(&sent.job);
        let never_ran = |row: &Queued| &*row.state == "CANCELLED" && row.node.is_empty();
        let cancelled = match rows.iter().any(|row| never_ran(row) && row.element == Queued::REST) {
            true => never_came.len(),
            false => rows.iter().filter(|row| never_ran(row)).count(),
        };
        let of_the_cluster = rows.iter().any(|row| matches!(&*row.state, "PREEMPTED" | "NODE_FAIL" | "BOOT_FAIL"));
        crew.tries = match (crew.barren, of_the_cluster) {
            (true, false) => crew.tries + 1,
            (true, true) => crew.tries,
            (false, _) => 0,
        };
        let tries = crew.tries;
        let (ends, failure) = if cancelled > 0 {
            (cancelled.min(unclaimed.len()), cancelled_before(&sent.job))
        } else if tries >= TRIES {
            crew.tries = 0;
            let worker = rows.first().map_or(0, |row| row.element);
            let worker = Worker { job: sent.job.clone(), element: worker, restart: 0 };
            let failure = self.evidence(rows.first().copied(), &worker).of_never_begun(&sent.job, tries);
            (unclaimed.len(), failure)
        } else {
            return;
        };
        for (instance, attempt) in unclaimed.into_iter().take(ends) {
            self.close(instance, attempt);
            self.end(instance, attempt, failure.clone(), None);
        }
    }

    /// The end of a job's standard error.
    pub(super) fn words_of(&self, worker: &Worker) -> String {
        end_of(&self.spool.file("work", &format!("{}.words", clusters::split(&worker.name()).0))).unwrap_or_default()
    }

    fn evidence(&self, row: Option<&Queued>, worker: &Worker) -> Evidence {
        Evidence {
            state: row.map(|row| row.state.to_string()),
            reason: row.map(|row| row.reason.to_string()).unwrap_or_default(),
            node: row.map(|row| row.node.to_string()).filter(|node| !node.is_empty()),
            words: self.words_of(worker),
        }
    }
}

/// The end of a file that may not be there.
fn end_of(path: &std::path::Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(WORDS);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
