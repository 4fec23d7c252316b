//! What goes into the engine and what comes out of it.

use crate::base::digest::Key;
use crate::base::id::ScopeId;
use crate::base::{Digest, InstanceId, Lack, NodeId, Value};
use crate::event::{Failure, LogRange, Outcome, Results, RunState, Time, Usage};
use std::sync::Arc;

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// Start, or go on after `restore`; the first input, once.
    Begin {
        /// Which driver: host, process, version. Goes into [`Event::Begun`](crate::event::Event::Begun) or `Resumed`.
        by: Arc<str>,
    },
    /// The answer to [`Effect::List`].
    Listed {
        /// The instance that asked.
        instance: InstanceId,
        /// The list, a `when` that was false, or why there is no list.
        answer: ListAnswer,
    },
    /// The answer to [`Effect::Prepare`], in any portions.
    Prepared(Vec<(InstanceId, Prepared)>),
    /// The answer to [`Effect::Lease`], in any portions.
    Leased(Vec<(InstanceId, Key, Leased)>),
    /// The answer to [`Effect::Record`].
    Recorded {
        /// The instance that asked.
        instance: InstanceId,
        /// One value a row, in order.
        answer: Result<Vec<Value>, Failure>,
    },
    /// The answer to [`Effect::Turn`].
    Turned {
        /// The loop's instance.
        instance: InstanceId,
        /// Which iteration has ended.
        index: u32,
        /// What follows it.
        answer: Result<Turn, Failure>,
    },
    /// The backend has begun an attempt. May be left out.
    Started {
        /// Which instance.
        instance: InstanceId,
        /// Which attempt.
        attempt: u32,
        /// Where its log begins.
        log: Option<LogRange>,
        /// Where it runs; `None`: here.
        host: Option<Arc<str>>,
    },
    /// The backend has ended an attempt.
    Ended {
        /// Which instance.
        instance: InstanceId,
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// A signal or a user's request.
    Stop(Stop),
    /// Time has passed (an [`Effect::Wake`] is due).
    Tick,
}

/// How hard to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing new starts; what runs locally gets SIGTERM. The reason is a signal's name.
    Soft(Arc<str>),
    /// What still runs gets SIGKILL; cluster jobs are cancelled.
    Hard(Arc<str>),
}

/// The answer to [`Effect::List`].
#[derive(Clone, Debug)]
pub enum ListAnswer {
    /// The items.
    Items(Arc<Items>),
    /// `when` was false.
    Skip,
    /// No list.
    Failed(Failure),
}

/// What follows an iteration of a loop.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What the loop carries on: one record.
    pub carry: Arc<Items>,
    /// Whether `until` was true; `None`: the loop has no `until`.
    pub done: Option<bool>,
}

/// The items of a map, in order, as the run's folder keeps them; of a branch what `on` gave, of a loop what it carries
/// into an iteration, of a call its params.
#[derive(Clone, Debug, PartialEq)]
pub struct Items {
    digest: Digest,
    items: Vec<Value>,
    keys: Vec<Arc<str>>,
}

impl Items {
    /// The items and what `key` gave for each (no keys when the map has none).
    pub fn new(items: Vec<Value>, keys: Vec<Arc<str>>) -> Self {
        let mut list = Self { digest: Digest([0; 32]), items, keys };
        list.digest = Digest::of(&list.to_bytes());
        list
    }
    /// Names the file that keeps the list.
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// What `item` is, one an item. A null item is skipped.
    pub fn items(&self) -> &[Value] {
        &self.items
    }
    /// What `key` gave, one an item; empty when the map has no `key`.
    pub fn keys(&self) -> &[Arc<str>] {
        &self.keys
    }
    /// What stands in the file: JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&(&self.items, &self.keys)).expect("values are always JSON")
    }
    /// The list of a file's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let (items, keys) = serde_json::from_slice(bytes)?;
        Ok(Self { digest: Digest::of(bytes), items, keys })
    }
}

/// The values of a node's `reads`, in order; a lack where the path names a field that the value does not have, so that
/// the expression which reads it can say so.
pub type Values = Vec<Result<Value, Lack>>;

/// What is known of an instance before it runs.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// The cache has it, outputs in place.
    Hit {
        /// Its key.
        key: Key,
        /// Its outputs.
        results: Results,
    },
    /// The cache has it, but for the bytes of outputs that may be gone.
    Known {
        /// Its key.
        key: Key,
        /// Its outputs, by what is recorded of them.
        results: Results,
        /// Which outputs are not in place.
        gone: Vec<u32>,
    },
    /// It must run (there is no hit); the driver keeps the rendered job until [`Effect::Start`] asks for it.
    Run {
        /// `None` when its result is not cached.
        key: Option<Key>,
        /// What it asks for, already scaled to what the backend can give.
        needs: Needs,
        /// Why the cache has it not, in a few words, when an earlier result is known: `command changed`.
        why: Option<Arc<str>>,
    },
    /// `when` was false.
    Skip,
    /// It cannot be prepared.
    Failed(Failure),
}

/// Whether an attempt may be made, as far as other processes are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leased {
    /// Nobody else computes its key, and nobody will as long as this process has it.
    Ours,
    /// Somebody else computes it: who, in a few words.
    Elsewhere(Arc<str>),
    /// Somebody else has computed it since it was prepared: the cache has it now.
    Known,
}

/// What an instance asks of its backend; memory, GPUs and disk of each machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Needs {
    /// Who gives it: one of the run's backends, by position.
    #[serde(default)]
    pub backend: u8,
    /// Cores, of all processes together.
    pub cpus: u32,
    /// Bytes; 0: not said.
    pub memory: u64,
    /// Whole GPUs.
    pub gpus: u32,
    /// Machines of one attempt; 0: one, or as many as its processes need.
    #[serde(default)]
    pub nodes: u32,
    /// Processes that the command starts on them, each with its share of the cores; 0: it is one.
    #[serde(default)]
    pub tasks: u32,
    /// Temporary disk space, bytes; 0: not said.
    #[serde(default)]
    pub disk: u64,
    /// How many of each of the plan's `limits`, by position; empty: none of any.
    pub limits: Vec<u32>,
}

/// What a backend has to give at once. Memory in bytes; `u64::MAX` where it does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Cores (`-j`).
    pub cpus: u32,
    /// Machines that one attempt can have.
    pub nodes: u32,
    /// Memory.
    pub memory: u64,
    /// The ids of the GPUs that may be handed out, as `CUDA_VISIBLE_DEVICES` takes them; an empty id is one that the
    /// backend hands out itself.
    pub gpus: Vec<Arc<str>>,
    /// `[limits]` of the plan, by position.
    pub limits: Vec<u32>,
    /// How many prepared instances a node may have waiting, so that memory stays flat.
    pub window: u32,
}

/// What each of the run's backends has to give, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacities(Vec<Capacity>);

impl Capacities {
    /// Of these, one at least. The plan's `[limits]` hold for all backends together: those of the first count.
    pub fn new(all: Vec<Capacity>) -> Self {
        assert!(!all.is_empty(), "a run has a backend");
        Self(all)
    }
    /// One backend's.
    pub fn of(&self, backend: u8) -> &Capacity {
        &self.0[usize::from(backend)]
    }
    /// All of them.
    pub fn all(&self) -> &[Capacity] {
        &self.0
    }
    /// `[limits]` of the plan, by position.
    pub fn limits(&self) -> &[u32] {
        &self.0[0].limits
    }
    /// The same, with room for so many prepared instances of a node.
    pub fn with_window(mut self, window: u32) -> Self {
        self.0.iter_mut().for_each(|capacity| capacity.window = window);
        self
    }
}

impl From<Capacity> for Capacities {
    fn from(only: Capacity) -> Self {
        Self::new(vec![only])
    }
}

/// Something that must be done outside.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make the list of a map, or the one item that a branch, loop or call begins with; `values` are those of the
    /// node's `reads`, in order.
    List {
        /// Its instance.
        instance: InstanceId,
        /// The node.
        node: NodeId,
        /// One a read.
        values: Values,
    },
    /// Find the key of each instance, probe the cache, and render what must run.
    Prepare {
        /// The task.
        node: NodeId,
        /// Each with its attempt and the values of the task's `reads`, in order.
        batch: Vec<Preparing>,
    },
    /// All in a node that names its results (`outputs`) has ended: make the record of each item.
    Record {
        /// Its instance.
        instance: InstanceId,
        /// The node.
        node: NodeId,
        /// For each item the values of the map's `output_reads`; `None` for an item that is null (it gives null).
        rows: Vec<Option<Values>>,
    },
    /// Take the lease on the key of a prepared attempt that could start now, unless another process has it.
    Lease {
        /// Which instance.
        instance: InstanceId,
        /// The key.
        key: Key,
    },
    /// Give back a lease that was asked for in vain.
    Release {
        /// The key.
        key: Key,
    },
    /// An iteration of a loop has ended: find what the loop carries on, and whether there is another iteration.
    Turn {
        /// The loop's instance.
        instance: InstanceId,
        /// The loop.
        node: NodeId,
        /// Which iteration; counts from 0.
        index: u32,
        /// Those of the loop's `turn_reads`, in order.
        values: Values,
    },
    /// Hand the prepared attempt to the backend.
    Start {
        /// Which instance.
        instance: InstanceId,
        /// Counts from 1.
        attempt: u32,
        /// The GPUs it was given.
        gpus: Vec<Arc<str>>,
    },
    /// Forget a prepared job: it was cancelled, or waits for long and is prepared again when its turn comes.
    Drop {
        /// Which instance.
        instance: InstanceId,
    },
    /// Stop an attempt that was handed to the backend.
    Cancel {
        /// Which instance.
        instance: InstanceId,
        /// SIGKILL at once, else SIGTERM and a grace period.
        hard: bool,
    },
    /// Remove the bytes of these outputs, where they still are what is recorded; they are never kept elsewhere.
    LetGo {
        /// Which instance.
        instance: InstanceId,
        /// Which of its outputs.
        outputs: Vec<u32>,
    },
    /// Send [`Input::Tick`] at this time.
    Wake(Time),
    /// The run is over; `None`: stopped before its end, to be continued.
    Done(Option<RunState>),
}

/// One instance to prepare.
#[derive(Clone, Debug)]
pub struct Preparing {
    /// Which instance.
    pub instance: InstanceId,
    /// Counts from 1, over all processes of the run.
    pub attempt: u32,
    /// How often earlier attempts had too little.
    pub raised: Raised,
    /// Whether a hit must have all outputs in place, also those that may be let go.
    pub whole: bool,
    /// The values of the task's `reads`.
    pub values: Values,
}

/// How often attempts of an instance have ended for want of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// For lack of memory.
    pub memory: u32,
    /// At the end of its time.
    pub time: u32,
}

/// The state of an instance. Sixteen bytes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Something that it needs has not ended: how many.
    Waiting {
        /// Nodes of its own body that have not ended.
        missing: u32,
    },
    /// Its key is being found, or its list made.
    Preparing,
    /// It could start; resources are missing, or its key is at work, in this process or in another one.
    Ready,
    /// A retry is due later.
    Delayed,
    /// Handed to the backend.
    Submitted,
    /// At work; of a node that holds others: they are.
    Running,
    /// Nobody knows whether it still runs.
    Unknown,
    /// Ended well in this run.
    Succeeded,
    /// Taken from the cache.
    Cached,
    /// Ended badly.
    Failed,
    /// Ended badly, and the file lets it.
    Ignored,
    /// Not run: `when` was false, or what it names was skipped.
    Skipped,
    /// Not run: what it needs failed, or the run stopped.
    Cancelled,
    /// Not chosen for this run; nobody waits for it, and it is not counted.
    Unwanted,
}

const _: () = assert!(size_of::<State>() <= 16);

/// How many task instances are in each state (what holds others is not counted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Ended well in this run.
    pub succeeded: u32,
    /// Taken from the cache.
    pub cached: u32,
    /// Ended badly.
    pub failed: u32,
    /// Ended badly, tolerated.
    pub ignored: u32,
    /// `when` was false.
    pub skipped: u32,
    /// Not run.
    pub cancelled: u32,
    /// At work now (submitted or running).
    #[serde(skip)]
    pub running: u32,
    /// Known and not ended, not at work.
    #[serde(skip)]
    pub waiting: u32,
}

/// Where an instance stands: its node, its scope and its item there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// The expansion that it belongs to; 0 is the root.
    pub scope: ScopeId,
    /// Its item there.
    pub item: u32,
}

/// How a failure is treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Independent work goes on after a failure (`--keep-going`).
    pub keep_going: bool,
    /// The nodes to run: of each node of the root body, by its slot, whether it is wanted (all of a wanted map's body
    /// is). What a wanted node needs must be wanted too, else it reads null. Empty: all.
    pub wanted: Vec<bool>,
    /// The nodes of the root body that the user named, by slot: their outputs stay. Empty: none.
    pub named: Vec<bool>,
    /// What an instance of each node takes, in microseconds, by id, as far as it was learnt; 0 or nothing: not known.
    pub times: Vec<u64>,
    /// Only find out what would run: it stays ready, and takes no place in any line.
    pub rehearse: bool,
}

/// Why an instance has not started, as data. What is listed first is what matters first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has started, or ended.
    NotWaiting,
    /// These have not ended.
    Needs(Vec<InstanceId>),
    /// Its key is being found, or its list made.
    Preparing,
    /// Others of its node are prepared first, to keep memory flat.
    Queue,
    /// `max_parallel` of this map: as many of its items as may be are at work.
    Throttle(InstanceId),
    /// This one has the same key and is at work.
    SameKey(InstanceId),
    /// Another process computes its key: which one.
    Elsewhere(Arc<str>),
    /// The lease on its key is being asked for.
    Lease,
    /// These are not free, in the names of the pipeline file: `cpus memory gpus`, or a limit's.
    Resources(Vec<Arc<str>>),
    /// It could start and is behind others.
    Turn,
    /// A retry is due later.
    Delayed,
    /// Nothing new starts.
    Stopping,
}

/// An instance at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtWork {
    /// Which instance.
    pub instance: InstanceId,
    /// Which attempt.
    pub attempt: u32,
    /// Since when: its start if that was reported, else when it was handed over.
    pub since: Time,
    /// Whether its start was reported.
    pub started: bool,
}

/// An instance that failed, and did so by itself (not a map whose items failed).
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Which instance.
    pub instance: InstanceId,
    /// The last attempt; 0 when none was started.
    pub attempt: u32,
    /// Why.
    pub failure: Failure,
    /// What the attempt used.
    pub usage: Usage,
    /// Where its log is.
    pub log: Option<LogRange>,
    /// Where it ran; `None` for the driver's own host.
    pub host: Option<Arc<str>>,
    /// Whether the file lets it fail.
    pub ignored: bool,
}
