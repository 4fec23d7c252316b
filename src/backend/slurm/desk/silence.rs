//! Looks after what has fallen silent: one question for all of it, and what the answer means.

use super::super::commands::{self, Queued};
use super::errand::Done;
use super::first::FIRST;
use super::verdict::{Evidence, cancelled_before, stopped};
use super::{AGAIN, Desk, GRACE, Open, SILENT, Sent, Want, stuck};
use crate::backend::spool::Worker;
use crate::base::InstanceId;
use rustc_hash::FxHashMap;
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
    pub fn take(prefix: &str, suspects: &[Worker], there: bool) -> Result<(Self, bool), String> {
        let began = Instant::now();
        let queue = commands::squeue(prefix)?;
        let is_in = |worker: &Worker| queue.iter().any(|queued| queued.job == worker.job && queued.is_of(worker));
        let mut jobs: Vec<String> =
            suspects.iter().filter(|worker| !is_in(worker)).map(|worker| worker.job.clone()).collect();
        jobs.sort();
        jobs.dedup();
        if jobs.is_empty() || !there {
            return Ok((Self { began, queue, books: Some(Vec::new()) }, there));
        }
        Ok(match commands::sacct(prefix, &jobs) {
            Ok(Some(books)) => (Self { began, queue, books: Some(books) }, true),
            Ok(None) => (Self { began, queue, books: Some(Vec::new()) }, false),
            Err(_) => (Self { began, queue, books: None }, true),
        })
    }
}

/// What is known of the elements of a batch's arrays.
struct Known<'a> {
    queue: FxHashMap<(&'a str, u32), &'a Queued>,
    books: FxHashMap<(&'a str, u32), &'a Queued>,
    /// The accounting does not answer, and may know more.
    blind: bool,
}

impl<'a> Known<'a> {
    /// Numbers are given anew when a controller was killed, names are not.
    fn of(look: &'a Look, names: &str, blind: bool) -> Self {
        let of = |rows: &'a [Queued]| {
            let ours = rows.iter().filter(|row| row.name.starts_with(names));
            ours.map(|row| ((row.job.as_str(), row.element), row)).collect()
        };
        Self { queue: of(&look.queue), books: of(look.books.as_deref().unwrap_or_default()), blind }
    }
    fn is_alive(&self) -> bool {
        self.queue.values().any(|queued| queued.is_alive())
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
        let find_out = |open: &Open| matches!(open.want, Want::FindOut(at) if at <= now);
        let doubt = !self.missing.is_empty();
        let wanted = self.batches.values().any(|open| find_out(open) || self.is_silent(open, now))
            || doubt
            || self.room.is_full();
        let pause = if !self.stopping.is_empty() {
            GRACE
        } else if doubt {
            self.grace.min(SILENT)
        } else {
            SILENT
        };
        let urgent = self.batches.values().any(find_out);
        if self.looking || !wanted || (!urgent && self.asked.is_some_and(|asked| now - asked < pause)) {
            return Ok(());
        }
        let suspects = self.suspects()?;
        self.asked = Some(now);
        self.looking = true;
        let (prefix, there) = (self.prefix.clone(), self.accounting);
        self.errands.ask(move || Done::Looked(Look::take(&prefix, &suspects, there)));
        Ok(())
    }

    /// Workers that an earlier look did not account for: of theirs the accounting is asked if the queue lists them no more.
    fn suspects(&self) -> anyhow::Result<Vec<Worker>> {
        let mut suspects = Vec::new();
        for open in self.batches.values() {
            for (instance, attempt) in open.jobs.iter().filter(|(instance, _)| self.missing.contains_key(instance)) {
                match (self.spool.claimed_by(*instance, *attempt)?, open.sent.last()) {
                    (Some(worker), _) => suspects.push(worker),
                    (None, Some(sent)) => {
                        suspects.push(Worker { job: sent.job.clone(), element: Queued::REST, restart: 0 });
                    }
                    (None, None) => {}
                }
            }
        }
        Ok(suspects)
    }

    /// Whether it is time to ask for a batch's workers.
    fn is_silent(&self, open: &Open, now: Instant) -> bool {
        // Also where there is no room for more, but there are some.
        let sent = matches!(open.want, Want::Nothing | Want::Submit(_)) && open.dead < open.sent.len();
        let patience = if self.spoken || self.asked.is_some() { SILENT } else { FIRST };
        sent && now - open.heard >= patience
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
                for open in self.batches.values_mut().filter(|open| matches!(open.want, Want::FindOut(_))) {
                    open.want = Want::FindOut(now + AGAIN);
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
        self.count_workers(look.began, &look.queue);
        self.blind = if look.books.is_some() { None } else { self.blind.or(Some(now)) };
        let blind = self.blind.is_some_and(|since| now - since < BOOKS);
        // What was said before the queue was asked counts more than the queue.
        self.read_messages()?;
        self.look_at_first(&look.queue)?;
        let numbers: Vec<u32> = self.batches.keys().copied().collect();
        for number in numbers {
            let (open, names) = (&self.batches[&number], self.names(number));
            match open.want {
                Want::FindOut(at) if at <= look.began => self.found_out(number, &look.queue)?,
                // The answer does not speak of its newest workers.
                Want::FindOut(_) | Want::Answer => {}
                _ if open.sent_at > look.began => {}
                _ if self.is_silent(open, now)
                    || open.jobs.keys().any(|instance| self.missing.contains_key(instance)) =>
                {
                    self.account_for(number, &Known::of(&look, &names, blind), now)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the array of an unanswered submission is in the queue.
    fn found_out(&mut self, number: u32, queue: &[Queued]) -> anyhow::Result<()> {
        let names = self.names(number);
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        let name = format!("{names}{}", open.sent.len());
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
    fn account_for(&mut self, number: u32, known: &Known<'_>, now: Instant) -> anyhow::Result<()> {
        let Some(open) = self.batches.get_mut(&number) else { return Ok(()) };
        let (mut unclaimed, mut gone) = (Vec::new(), Vec::new());
        for (instance, attempt) in &open.jobs {
            let Some(worker) = self.spool.claimed_by(*instance, *attempt)? else {
                unclaimed.push(*instance);
                continue;
            };
            let id = (worker.job.as_str(), worker.element);
            match known.queue.get(&id) {
                // Slurm begins it anew, and it takes this up again.
                Some(element) if element.state == "PENDING" => drop(self.missing.remove(instance)),
                Some(element) if element.is_alive() => {}
                Some(element) => gone.push((*instance, *attempt, Some(*element), worker)),
                None => gone.push((*instance, *attempt, known.books.get(&id).copied(), worker)),
            }
        }
        let grace = self.grace;
        let certain = |missing: &mut FxHashMap<InstanceId, Instant>, instance: InstanceId| {
            now - *missing.entry(instance).or_insert(now) >= grace
        };
        let mut ends = Vec::new();
        for (instance, attempt, element, worker) in gone {
            let asked = self.stopping.contains(&instance);
            let certain = certain(&mut self.missing, instance) && (element.is_some() || !known.blind);
            if asked || certain {
                open.jobs.remove(&instance);
                ends.push((instance, attempt, element, worker));
            }
        }
        if known.is_alive() {
            open.heard = now;
        } else if !unclaimed.is_empty() && open.dead < open.sent.len() {
            let all = unclaimed.iter().filter(|instance| certain(&mut self.missing, **instance)).count();
            if all == unclaimed.len() && !known.blind {
                self.missing.retain(|instance, _| !unclaimed.contains(instance));
                open.heard = now;
                self.nobody_came(number, unclaimed, known);
            }
        }
        for (instance, attempt, element, worker) in ends {
            let evidence = self.evidence(element, &worker);
            let failure = match self.stopping.remove(&instance) {
                true => stopped(),
                false => evidence.of_taken(&worker),
            };
            self.end(instance, attempt, failure, Some(&evidence.place(&worker)));
        }
        Ok(())
    }

    /// No worker of a batch is left, and these nobody has taken: others are submitted, unless somebody has cancelled them,
    /// or they end one after another without having come to anything.
    fn nobody_came(&mut self, number: u32, unclaimed: Vec<InstanceId>, known: &Known<'_>) {
        let Some(open) = self.batches.get_mut(&number) else { return };
        open.want = Want::Submit(Instant::now());
        open.dead = open.sent.len();
        open.over = 0;
        let Some(sent) = open.sent.last().cloned() else { return };
        let rows = known.of_array(&sent.job);
        let never_ran = |row: &&&Queued| row.state == "CANCELLED" && row.node.is_empty();
        let cancelled = match rows.iter().any(|row| never_ran(&row) && row.element == Queued::REST) {
            true => unclaimed.len(),
            false => rows.iter().filter(never_ran).count(),
        };
        let barren = unclaimed.len() == open.left;
        let of_the_cluster =
            rows.iter().any(|row| matches!(row.state.as_str(), "PREEMPTED" | "NODE_FAIL" | "BOOT_FAIL"));
        open.tries = match (barren, of_the_cluster) {
            (true, false) => open.tries + 1,
            (true, true) => open.tries,
            (false, _) => 0,
        };
        let tries = open.tries;
        let (ends, failure) = if cancelled > 0 {
            (cancelled.min(unclaimed.len()), cancelled_before(&sent.job))
        } else if tries >= TRIES {
            let worker = rows.first().map_or(0, |row| row.element);
            let worker = Worker { job: sent.job.clone(), element: worker, restart: 0 };
            let failure = self.evidence(rows.first().copied(), &worker).of_never_begun(&sent.job, tries);
            (unclaimed.len(), failure)
        } else {
            (0, stopped())
        };
        for instance in unclaimed.into_iter().take(ends) {
            let attempt = self.batches.get_mut(&number).and_then(|open| open.jobs.remove(&instance));
            if let Some(attempt) = attempt {
                self.end(instance, attempt, failure.clone(), None);
            }
        }
    }

    /// The end of a job's standard error.
    pub(super) fn words_of(&self, worker: &Worker) -> String {
        end_of(&self.spool.file("work", &format!("{}.words", worker.name()))).unwrap_or_default()
    }

    fn evidence(&self, row: Option<&Queued>, worker: &Worker) -> Evidence {
        Evidence {
            state: row.map(|row| row.state.clone()),
            reason: row.map(|row| row.reason.clone()).unwrap_or_default(),
            node: row.map(|row| row.node.clone()).filter(|node| !node.is_empty()),
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
