//! `attach` and `status --watch`: a run that another process drives, on this host or on another, as its journal tells it
//! while it grows. Reads files of the run's folder only; nobody is asked, and nothing is written.

use crate::base::InstanceId;
use crate::driver::ending;
use crate::driver::history::{Story, newest};
use crate::driver::ranges::by_node;
use crate::driver::rundir::{Home, RunDir};
use crate::driver::settings::{End, Ended, Error};
use crate::event::{Event, Time};
use crate::port::afar::Afar;
use crate::port::status::Life;
use crate::port::{Named, Sink};
use crate::sys::signals::signals;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the journal is looked at while it grows, and at least. A network file system tells nobody of what is
/// appended; each look opens the file anew, so that no client answers from what it remembers.
const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(1);

/// How often it is asked at most what a driver in a queue does.
const ASK: Duration = Duration::from_secs(30);

/// A run to be followed.
pub struct Following {
    story: Story,
    afar: Box<dyn Afar>,
    dir: RunDir,
    signals: Receiver<i32>,
}

/// How the following ended.
pub enum Followed {
    /// The run is over, or was stopped.
    Ended(Box<Ended>),
    /// A signal ended the following; the run goes on.
    Left {
        /// The signal.
        signal: i32,
    },
    /// Nobody is at the run, and nobody has said that it is over.
    Alone,
}

impl Following {
    /// A run of a pipeline file; `None`: the newest.
    ///
    /// # Errors
    /// There is no such run, or it cannot be read.
    pub fn of(pipeline: &Path, run: Option<u64>, afar: Box<dyn Afar>) -> Result<Self, Error> {
        let home = Home::beside(pipeline);
        let run = newest(&home, pipeline, run)?;
        let signals = signals().map_err(|error| Error::Backend(error.into()))?;
        let mut story = Story::read(&home, run)?;
        story.look_afar(afar.as_ref())?;
        Ok(Self { story, afar, dir: RunDir::open(&home, run)?, signals })
    }

    /// Its number.
    pub fn run(&self) -> u64 {
        self.story.run
    }

    /// What it does.
    pub fn life(&self) -> Life {
        self.story.life()
    }

    /// Tells what happens from now on, until the run ends.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn to_the_end(mut self, mut sinks: Vec<Box<dyn Sink>>) -> Result<Followed, Error> {
        let text = match self.life() {
            Life::Live(by) => format!("run {} is at work: {by}", self.run()),
            Life::Due(job) => format!("run {} waits for its driver: {job}", self.run()),
            Life::Ended(_) | Life::Interrupted => String::new(),
        };
        if !text.is_empty() {
            sinks.iter_mut().for_each(|sink| sink.note(&text));
        }
        catch_up(&self.story, &mut sinks);
        let followed = self.follow(&mut sinks);
        for sink in &mut sinks {
            sink.end(crate::driver::now(), self.story.fold.ledger().counts());
        }
        followed
    }

    fn follow(&mut self, sinks: &mut [Box<dyn Sink>]) -> Result<Followed, Error> {
        let (mut pause, mut asked) = (SOON, None::<Instant>);
        loop {
            self.story.look();
            if let Life::Due(_) = self.life()
                && asked.is_none_or(|asked| asked.elapsed() >= ASK)
            {
                self.story.look_afar(self.afar.as_ref())?;
                asked = Some(Instant::now());
            }
            // What it wrote before it went is read after it is known to be gone.
            let gone = self.story.holder.is_none();
            let read = self.story.read;
            self.story.read_on(&mut |story, time, events| tell(story, sinks, time, events))?;
            if (gone || self.story.fold.finished().is_some())
                && let Some(ended) = ending::of(&self.story, &self.dir)
            {
                return Ok(Followed::Ended(Box::new(ended)));
            }
            match self.story.fold.finished() {
                Some(state) if gone => {
                    let ended = ending::bare(&self.story, End::Finished(state));
                    return Ok(Followed::Ended(Box::new(ended)));
                }
                None if gone && self.life() == Life::Interrupted => return Ok(Followed::Alone),
                _ => {}
            }
            pause = if self.story.read > read { SOON } else { LATE.min(pause + pause / 4) };
            match self.signals.recv_timeout(pause) {
                Ok(signal) => return Ok(Followed::Left { signal }),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
            }
        }
    }
}

/// What was at work before: as if it began now, but for the time.
fn catch_up(story: &Story, sinks: &mut [Box<dyn Sink>]) {
    let ledger = story.fold.ledger();
    let mut begun: Vec<(Time, InstanceId, u32)> =
        ledger.at_work().filter(|work| work.started).map(|work| (work.since, work.instance, work.attempt)).collect();
    begun.sort_unstable();
    tell(story, sinks, story.began, &[]);
    for (since, instance, attempt) in begun {
        tell(story, sinks, since, &[Event::Started { instance, attempt, log: None, host: None }]);
    }
}

fn tell(story: &Story, sinks: &mut [Box<dyn Sink>], time: Time, events: &[Event]) {
    let ledger = story.fold.ledger();
    let events = by_node(ledger.space(), events);
    let name = |event: &Event| event.instance().map(|id| ledger.space().name(id)).unwrap_or_default();
    let names: Vec<String> = events.iter().map(name).collect();
    let named: Vec<Named<'_>> = events.iter().zip(&names).map(|(event, name)| Named { event, name }).collect();
    for sink in sinks {
        sink.turn(time, &named, ledger.counts());
    }
}
