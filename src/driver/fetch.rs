//! Inputs that are fetched: several at once, few of one host, each once, however many instances wait for it.
//!
//! An instance that waits for a file stays `preparing`; the workers that digest and render go on meanwhile. The threads
//! here belong to nobody: when the run ends before they do, the process ends with them, and what has come is kept.

use crate::base::InstanceId;
use crate::driver::prepare::Workshop;
use crate::driver::scene::refused;
use crate::engine::Prepared;
use crate::port::Fetch;
use crate::store::fetched::{Fetched, Progress, Want};
use crate::sys::Fault;
use crate::sys::http::{Client, host};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Transfers at once.
const AT_ONCE: usize = 8;
/// Of one host.
const OF_ONE_HOST: usize = 4;
/// Progress of one transfer is told so often.
const TELL: Duration = Duration::from_millis(250);

/// What is told by the threads.
pub enum Told {
    /// All that an instance waited for has come, or something has not.
    Prepared(InstanceId, Prepared),
    /// How far a transfer is.
    Fetch(Fetch),
}

/// Fetches what instances wait for.
pub struct Fetcher {
    files: Fetched,
    client: OnceLock<Client>,
    tell: Box<dyn Fn(Told) + Send + Sync>,
    stop: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// What nobody fetches yet.
    open: VecDeque<Want>,
    /// What is fetched or to be fetched, and who waits for it.
    waiting: FxHashMap<Want, Vec<InstanceId>>,
    /// How many files an instance still waits for, and its answer.
    instances: FxHashMap<InstanceId, (usize, Prepared)>,
    /// Transfers at work, by host.
    busy: FxHashMap<String, usize>,
    threads: usize,
}

impl Queue {
    /// The first that its host leaves room for.
    fn next(&mut self) -> Option<Want> {
        let room = |want: &Want| self.busy.get(host(&want.url)).is_none_or(|busy| *busy < OF_ONE_HOST);
        let at = self.open.iter().position(room)?;
        let want = self.open.remove(at)?;
        *self.busy.entry(host(&want.url).to_owned()).or_default() += 1;
        Some(want)
    }
}

impl Fetcher {
    /// Into this folder; `tell` is called by the threads.
    pub fn new(files: Fetched, tell: impl Fn(Told) + Send + Sync + 'static) -> Arc<Self> {
        let (client, stop, queue) = (OnceLock::new(), AtomicBool::new(false), Mutex::default());
        Arc::new(Self { files, client, tell: Box::new(tell), stop, queue })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is begun, and what is at work ends soon.
    pub fn give_up(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Keeps back the answers for instances whose inputs must be fetched: they are told when these are there.
    pub fn first(
        self: &Arc<Self>,
        workshop: &Workshop,
        mut answers: Vec<(InstanceId, Prepared)>,
    ) -> Vec<(InstanceId, Prepared)> {
        answers.retain_mut(|(instance, answer)| {
            let wants = match answer {
                Prepared::Run { .. } => workshop.wants(*instance),
                _ => return true,
            };
            if !wants.is_empty() {
                self.want(*instance, wants, std::mem::replace(answer, Prepared::Skip));
                return false;
            }
            true
        });
        answers
    }

    /// Tells the answer for an instance when all of these files are there.
    fn want(self: &Arc<Self>, instance: InstanceId, wants: Vec<Want>, answer: Prepared) {
        let mut queue = self.queue();
        queue.instances.insert(instance, (wants.len(), answer));
        for want in wants {
            match queue.waiting.get_mut(&want) {
                Some(instances) => instances.push(instance),
                None => {
                    queue.waiting.insert(want.clone(), vec![instance]);
                    queue.open.push_back(want);
                }
            }
        }
        while queue.threads < AT_ONCE {
            let Some(want) = queue.next() else { return };
            queue.threads += 1;
            let me = self.clone();
            let thread = std::thread::Builder::new().name("fetch".to_owned());
            if thread.spawn(move || me.work(want)).is_err() {
                // Those that are at work take it later; without one there is nobody.
                queue.threads -= 1;
                if queue.threads == 0 {
                    drop(queue);
                    self.clone().work_here();
                }
                return;
            }
        }
    }

    fn work_here(self: Arc<Self>) {
        let next = {
            let mut queue = self.queue();
            queue.threads += 1;
            queue.next()
        };
        match next {
            Some(want) => self.work(want),
            None => self.queue().threads -= 1,
        }
    }

    /// One thread: this one, and what is next, until nothing is.
    fn work(self: Arc<Self>, mut want: Want) {
        loop {
            let fetch = AssertUnwindSafe(|| self.fetch(&want));
            let result = std::panic::catch_unwind(fetch)
                .unwrap_or_else(|_| Err(Fault::new(crate::sys::FaultKind::Other, "flowrun itself failed here")));
            let mut queue = self.queue();
            if let Some(busy) = queue.busy.get_mut(host(&want.url)) {
                *busy -= 1;
            }
            let mut answers = Vec::new();
            for instance in queue.waiting.remove(&want).unwrap_or_default() {
                let Some((left, _)) = queue.instances.get_mut(&instance) else { continue };
                *left -= 1;
                match &result {
                    Ok(true) if *left > 0 => {}
                    Ok(_) => answers.extend(queue.instances.remove(&instance).map(|(_, answer)| (instance, answer))),
                    Err(fault) => {
                        queue.instances.remove(&instance);
                        let failure = refused(fault.what.clone(), fault.help.clone());
                        answers.push((instance, Prepared::Failed(failure)));
                    }
                }
            }
            let next = if self.stop.load(Ordering::Relaxed) { None } else { queue.next() };
            if next.is_none() {
                queue.threads -= 1;
            }
            drop(queue);
            if !matches!(result, Ok(false)) {
                answers.into_iter().for_each(|(instance, answer)| (self.tell)(Told::Prepared(instance, answer)));
            }
            match next {
                Some(next) => want = next,
                None => return,
            }
        }
    }

    fn fetch(&self, want: &Want) -> Result<bool, Fault> {
        let client = self.client.get_or_init(Client::new);
        let (url, began) = (Arc::<str>::from(want.shown()), Instant::now());
        let mut last: Option<(Instant, Progress)> = None;
        let result = self.files.fetch(client, want, &self.stop, &mut |progress| {
            let now = Instant::now();
            if last.is_none_or(|(at, _)| now.duration_since(at) >= TELL) {
                let Progress { got, total } = progress;
                (self.tell)(Told::Fetch(Fetch { url: url.clone(), got, total, over: None }));
                last = Some((now, progress));
            } else if let Some((_, seen)) = &mut last {
                *seen = progress;
            }
        });
        if let Some((_, Progress { got, total })) = last {
            let over = Some((matches!(result, Ok(true)), began.elapsed()));
            (self.tell)(Told::Fetch(Fetch { url, got, total, over }));
        }
        result
    }
}
