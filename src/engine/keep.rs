//! Outputs that are kept until they are consumed (`keep = "until_consumed"`): when their bytes go, and what follows when
//! something must run that reads them.
//!
//! An output goes when all that reads it has ended well. Its instance stays ended, with its results: whoever reads them
//! is keyed by the recorded digest. When one of these must run, the instance goes back to `ready` and is made again
//! first (`Again`), and the reader waits, prepared anew afterwards. Nobody else is told: to all others the instance has
//! ended, and their counts stay. Only if its results are no longer the same are those keyed anew that were taken from the
//! cache by them, and so on along the graph.

use crate::base::id::Id;
use crate::base::{InstanceId, NodeId};
use crate::engine::api::*;
use crate::engine::machine::{Engine, Held, Out};
use crate::event::{Event, Results};
use crate::lang::outputs::Keep;
use crate::plan::{From, NodeKind, Plan, Read};
use rustc_hash::{FxHashMap, FxHashSet};

/// What the engine knows of outputs that go.
#[derive(Default)]
pub(super) struct Keeps {
    /// `None` where every output is kept.
    readers: Option<Readers>,
    /// Outputs whose bytes are gone.
    pub(super) gone: FxHashSet<(InstanceId, u32)>,
    /// Instances that have ended and are at it once more.
    pub(super) again: FxHashMap<InstanceId, Again>,
    /// Instances that are being prepared by results that are no longer the last ones.
    stale: FxHashSet<InstanceId>,
}

/// An instance that is at it once more.
pub(super) struct Again {
    /// Whether its outputs must be in place afterwards; else it is only keyed anew.
    whole: bool,
    before: Results,
    /// What it is made again for.
    pub(super) waiting: Vec<InstanceId>,
}

/// Who reads the outputs that go.
struct Readers {
    /// Of each task its outputs that go.
    kept: FxHashMap<NodeId, Vec<Kept>>,
    /// Of each node where the tasks stand, seen from its own body, whose outputs it may have been the last to read.
    triggers: FxHashMap<NodeId, Vec<(NodeId, Vec<NodeId>)>>,
}

struct Kept {
    output: u32,
    readers: Vec<Reader>,
}

/// A reader, seen from the task whose output it reads.
#[derive(Clone)]
struct Reader {
    /// How many bodies out the two have one in common.
    out: u32,
    /// The node there that holds the reader, or is it.
    top: NodeId,
    /// The way from there down to it.
    down: Vec<NodeId>,
    /// Whether all that stands below it reads too: what goes over a list of files.
    all: bool,
}

/// One thing that a node reads: the node in the body `up` levels out, and from there down to the task.
struct Link<'p> {
    node: NodeId,
    up: u32,
    inner: &'p [NodeId],
    /// `None`: all of them.
    output: Option<u32>,
}

impl Link<'_> {
    fn task(&self) -> NodeId {
        self.inner.last().copied().unwrap_or(self.node)
    }
}

/// What a node reads of others.
fn links(plan: &Plan, node: NodeId) -> Vec<Link<'_>> {
    match &plan.nodes[node].kind {
        NodeKind::Task(task) => {
            let by_path = |(node, up, output): &(NodeId, u32, u32)| Link {
                node: *node,
                up: *up,
                inner: &[],
                output: Some(*output),
            };
            task.reads.iter().filter_map(link).chain(task.by_path.iter().map(by_path)).collect()
        }
        NodeKind::Map(map) => map.reads.iter().filter_map(link).collect(),
        // What they read is always kept.
        NodeKind::Branch(_) | NodeKind::Loop(_) | NodeKind::Call(_) => Vec::new(),
    }
}

fn link(read: &Read) -> Option<Link<'_>> {
    match &read.from {
        From::Output { node, up, inner, output } => Some(Link { node: *node, up: *up, inner, output: *output }),
        _ => None,
    }
}

/// The reader of a link, seen from the task.
fn reader(plan: &Plan, node: NodeId, link: &Link<'_>) -> Reader {
    let (mut top, mut down) = (node, Vec::new());
    for _ in 0..link.up {
        down.push(top);
        top = plan.bodies[plan.nodes[top].body].owner.expect("a body that is not the root has an owner");
    }
    down.reverse();
    let all = matches!(plan.nodes[node].kind, NodeKind::Map(_));
    Reader { out: link.inner.len() as u32, top, down, all }
}

impl Readers {
    fn of(plan: &Plan) -> Option<Self> {
        let mut kept: FxHashMap<NodeId, Vec<Kept>> = FxHashMap::default();
        for (id, node) in plan.nodes.iter() {
            let NodeKind::Task(task) = &node.kind else { continue };
            let goes = task.outputs.iter().enumerate().filter(|(_, output)| output.keep == Keep::UntilConsumed);
            let goes: Vec<Kept> = goes.map(|(i, _)| Kept { output: i as u32, readers: Vec::new() }).collect();
            if !goes.is_empty() {
                kept.insert(id, goes);
            }
        }
        if kept.is_empty() {
            return None;
        }
        let mut triggers: FxHashMap<NodeId, Vec<(NodeId, Vec<NodeId>)>> = FxHashMap::default();
        for id in plan.nodes.ids() {
            for link in links(plan, id) {
                let Some(outputs) = kept.get_mut(&link.task()) else { continue };
                let reader = reader(plan, id, &link);
                let place = (link.node, link.inner.to_vec());
                let places = triggers.entry(reader.top).or_default();
                if !places.contains(&place) {
                    places.push(place);
                }
                for output in outputs.iter_mut().filter(|kept| link.output.is_none_or(|read| read == kept.output)) {
                    output.readers.push(reader.clone());
                }
            }
        }
        Some(Self { kept, triggers })
    }
}

impl Keeps {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { readers: Readers::of(plan), ..Self::default() }
    }
}

impl Engine {
    /// Whether an instance has ended, as far as others are concerned.
    pub(super) fn has_ended(&self, instance: InstanceId) -> bool {
        self.ledger.state(instance).is_end() || self.keeps.again.contains_key(&instance)
    }

    /// Whether the outputs of an instance must be in place when it is taken from the cache.
    pub(super) fn must_be_whole(&self, instance: InstanceId, node: NodeId) -> bool {
        self.keeps.readers.is_some()
            && (self.keeps.again.get(&instance).is_some_and(|again| again.whole) || self.is_named(node))
    }

    /// Whether the command line names the node: then its outputs stay.
    fn is_named(&self, node: NodeId) -> bool {
        if self.options.named.is_empty() {
            return false;
        }
        let outermost = self.graph.plan.outermost(node);
        self.options.named.get(self.graph.plan.nodes[outermost].slot as usize).copied().unwrap_or(false)
    }

    /// The cache knows it, and some of its outputs were let go.
    pub(super) fn known(&mut self, instance: InstanceId, results: Results, gone: &[u32], out: &mut Out) {
        self.keeps.gone.extend(gone.iter().map(|output| (instance, *output)));
        self.cached(instance, results, out);
    }

    /// What a prepared instance was keyed by has changed in the meantime; it is prepared again.
    pub(super) fn is_stale(&mut self, instance: InstanceId, answer: &Prepared, out: &mut Out) -> bool {
        if !self.keeps.stale.remove(&instance) {
            return false;
        }
        if matches!(answer, Prepared::Run { .. }) {
            out.effect(Effect::Drop { instance });
        }
        let node = self.ledger.space.place(instance).node;
        self.served(node);
        self.ledger.set(instance, true, State::Ready);
        self.prepare_again(instance);
        true
    }

    /// Whether an instance that must run waits until what it reads is made again.
    pub(super) fn waits_for_bytes(&mut self, instance: InstanceId, out: &mut Out) -> bool {
        if self.keeps.readers.is_none() || (self.keeps.gone.is_empty() && self.keeps.again.is_empty()) {
            return false;
        }
        let mut needed: Vec<InstanceId> = Vec::new();
        let place = self.ledger.space.place(instance);
        self.each_read(place, &mut |read, output| {
            if (self.is_gone(read, output) || self.keeps.again.contains_key(&read)) && !needed.contains(&read) {
                needed.push(read);
            }
        });
        if needed.is_empty() {
            return false;
        }
        if let Some(elsewhere) = self.elsewhere.remove(&instance) {
            self.land(elsewhere.key, instance, None, out);
        }
        out.effect(Effect::Drop { instance });
        self.served(place.node);
        self.ledger.set(instance, true, State::Ready);
        self.held.insert(instance, Held::Bytes { missing: needed.len() as u32 });
        for read in needed {
            self.once_more(read, true, out);
            self.keeps.again.get_mut(&read).expect("it is at it once more").waiting.push(instance);
        }
        true
    }

    /// Whether the bytes of an output, or of any, are gone.
    fn is_gone(&self, instance: InstanceId, output: Option<u32>) -> bool {
        let node = self.ledger.space.place(instance).node;
        let kept = self.keeps.readers.as_ref().and_then(|readers| readers.kept.get(&node));
        let of = |kept: &Kept| output.is_none_or(|output| output == kept.output);
        kept.is_some_and(|all| all.iter().any(|kept| of(kept) && self.keeps.gone.contains(&(instance, kept.output))))
    }

    /// They are there again, or somebody says anew that they are not.
    fn forget_gone(&mut self, instance: InstanceId) {
        let node = self.ledger.space.place(instance).node;
        if let Some(kept) = self.keeps.readers.as_ref().and_then(|readers| readers.kept.get(&node)) {
            for kept in kept {
                self.keeps.gone.remove(&(instance, kept.output));
            }
        }
    }

    /// An ended instance goes back: it is made again, or only keyed anew.
    fn once_more(&mut self, instance: InstanceId, whole: bool, out: &mut Out) {
        if let Some(again) = self.keeps.again.get_mut(&instance) {
            // It was only to be keyed, and is asked again if that leaves it without its bytes.
            again.whole |= whole;
            return;
        }
        let before = self.ledger.results(instance).cloned().expect("what ended well has results");
        self.keeps.again.insert(instance, Again { whole, before, waiting: Vec::new() });
        self.forget_gone(instance);
        self.ledger.set(instance, true, State::Ready);
        out.event(Event::Again { instance });
        self.prepare_again(instance);
    }

    /// What was at it once more has ended. Its dependents were told before, so that only those hear of it that wait for
    /// its bytes, or were keyed by what it gave before.
    pub(super) fn ended_again(&mut self, instance: InstanceId, out: &mut Out) {
        let Some(again) = self.keeps.again.remove(&instance) else { return };
        self.leave_throttles(instance, out);
        let state = self.ledger.state(instance);
        let well = matches!(state, State::Succeeded | State::Cached);
        if well {
            let same = self.ledger.results(instance).is_some_and(|results| *results == again.before);
            if !same {
                self.lists.clear();
                self.key_anew(instance, out);
            }
        } else {
            self.ledger.results[instance.index()] = None;
            self.lists.clear();
        }
        for waiting in again.waiting {
            let Some(Held::Bytes { missing }) = self.held.get_mut(&waiting) else { continue };
            *missing -= 1;
            let ready = *missing == 0;
            if matches!(state, State::Failed | State::Cancelled) {
                self.held.remove(&waiting);
                out.ended(waiting, State::Cancelled);
                self.end(waiting, State::Cancelled);
            } else if ready {
                self.held.remove(&waiting);
                self.prepare_again(waiting);
            }
        }
        if well {
            self.consumed(instance, out);
        }
    }

    /// All that was taken from the cache by the results of an instance is asked once more.
    fn key_anew(&mut self, changed: InstanceId, out: &mut Out) {
        let plan = std::sync::Arc::clone(&self.graph.plan);
        let node = self.ledger.space.place(changed).node;
        let mut found = Vec::new();
        for id in plan.nodes.ids() {
            for link in links(&plan, id).iter().filter(|link| link.task() == node) {
                let reader = reader(&plan, id, link);
                let top = self.top_of(changed, &reader);
                self.below(top, &reader.down, (reader.all, false), &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        for reader in found {
            match self.ledger.state(reader) {
                State::Cached => self.once_more(reader, false, out),
                State::Preparing => {
                    self.keeps.stale.insert(reader);
                }
                _ => {}
            }
        }
    }

    /// An instance has ended, and was perhaps the last that needed what some other one gave.
    pub(super) fn consumed(&mut self, ended: InstanceId, out: &mut Out) {
        let Some(readers) = &self.keeps.readers else { return };
        let Place { node, scope, item } = self.ledger.space.place(ended);
        let mut found = Vec::new();
        if readers.kept.contains_key(&node) {
            found.push(ended);
        }
        for (read, inner) in readers.triggers.get(&node).into_iter().flatten() {
            let top = self.ledger.space.instance(scope, *read, item);
            self.below(top, inner, (false, false), &mut found);
        }
        for instance in found {
            self.try_let_go(instance, out);
        }
    }

    fn try_let_go(&mut self, instance: InstanceId, out: &mut Out) {
        let node = self.ledger.space.place(instance).node;
        let well = matches!(self.ledger.state(instance), State::Succeeded | State::Cached);
        let Some(kept) = self.keeps.readers.as_ref().and_then(|readers| readers.kept.get(&node)) else { return };
        if !well || self.is_named(node) {
            return;
        }
        let goes = |kept: &&Kept| {
            let consumed = |reader: &Reader| self.is_done(self.top_of(instance, reader), &reader.down, reader.all);
            !self.keeps.gone.contains(&(instance, kept.output)) && kept.readers.iter().all(consumed)
        };
        let outputs: Vec<u32> = kept.iter().filter(goes).map(|kept| kept.output).collect();
        if outputs.is_empty() {
            return;
        }
        self.keeps.gone.extend(outputs.iter().map(|output| (instance, *output)));
        out.event(Event::LetGo { instance, outputs: outputs.clone() });
        out.effect(Effect::LetGo { instance, outputs });
    }

    /// A later process sees to it that what was let go is gone.
    pub(super) fn let_go_again(&self, out: &mut Out) {
        let mut all: Vec<_> = self.keeps.gone.iter().copied().collect();
        all.sort_unstable();
        for of_one in all.chunk_by(|(a, _), (b, _)| a == b) {
            let outputs = of_one.iter().map(|(_, output)| *output).collect();
            out.effect(Effect::LetGo { instance: of_one[0].0, outputs });
        }
    }

    /// Nothing new starts: what was at it once more and is not with a backend stays as it was.
    pub(super) fn stays_as_it_was(&mut self, instance: InstanceId, out: &mut Out) -> bool {
        if self.keeps.again.remove(&instance).is_none() {
            return false;
        }
        out.ended(instance, State::Cached);
        self.ledger.set(instance, true, State::Cached);
        true
    }

    /// The instance at a reader's top that belongs to this one.
    fn top_of(&self, instance: InstanceId, reader: &Reader) -> InstanceId {
        let place = self.ledger.space.place(instance);
        let (scope, item) = self.ledger.space.out(place.scope, place.item, reader.out);
        self.ledger.space.instance(scope, reader.top, item)
    }

    /// Whether an instance, and what stands in it on the way down, has ended well or was skipped.
    fn is_done(&self, instance: InstanceId, down: &[NodeId], all: bool) -> bool {
        match self.ledger.state(instance) {
            State::Skipped => return true,
            State::Succeeded | State::Cached => {}
            _ => return false,
        }
        self.inside(instance, down.first(), false).all(|inner| match down.split_first() {
            Some((_, rest)) => self.is_done(inner, rest, all),
            None => !all || self.is_done(inner, &[], true),
        })
    }

    /// The task instances on the way down, and with `all` every one in them. `last`: of a loop its last iteration.
    fn below(&self, instance: InstanceId, down: &[NodeId], (all, last): (bool, bool), found: &mut Vec<InstanceId>) {
        match down.split_first() {
            Some((next, rest)) => {
                for inner in self.inside(instance, Some(next), last) {
                    self.below(inner, rest, (all, last), found);
                }
            }
            None if self.ledger.is_task(instance) => found.push(instance),
            None if all => {
                for inner in self.inside(instance, None, last) {
                    self.below(inner, &[], (all, last), found);
                }
            }
            None => {}
        }
    }

    /// The instances inside one, of one node or of all.
    fn inside<'e>(
        &'e self,
        owner: InstanceId,
        node: Option<&'e NodeId>,
        last: bool,
    ) -> impl Iterator<Item = InstanceId> + 'e {
        let space = &self.ledger.space;
        let plan = &self.graph.plan;
        let one = space.scope_of(owner).filter(|_| last);
        let many = (!last).then(|| space.scopes_of(owner)).into_iter().flatten();
        let scopes = one.into_iter().chain(many);
        scopes.flat_map(move |scope| {
            let s = &space.scopes()[scope];
            let slots = match node {
                Some(node) if plan.nodes[*node].body != s.body => 0..0,
                Some(node) => plan.nodes[*node].slot..plan.nodes[*node].slot + 1,
                None => 0..plan.bodies[s.body].nodes.len() as u32,
            };
            (s.first.0 + slots.start * s.len..s.first.0 + slots.end * s.len).map(InstanceId)
        })
    }

    /// Every instance of a task that the node at this place reads, and which output of it; what an item is made of too.
    fn each_read(&self, place: Place, found: &mut dyn FnMut(InstanceId, Option<u32>)) {
        let plan = &self.graph.plan;
        let mut instances = Vec::new();
        for link in links(plan, place.node) {
            let (scope, item) = self.ledger.space.out(place.scope, place.item, link.up);
            instances.clear();
            self.below(self.ledger.space.instance(scope, link.node, item), link.inner, (false, true), &mut instances);
            instances.iter().for_each(|instance| found(*instance, link.output));
        }
        for read in plan.nodes[place.node].kind.reads() {
            let From::Item { up } = read.from else { continue };
            let (scope, _) = self.ledger.space.out(place.scope, place.item, up);
            if let Some(owner) = self.ledger.space.scopes()[scope].owner {
                self.each_read(self.ledger.space.place(owner), found);
            }
        }
    }
}
