//! Selection: the nodes that a command line names, and what they need.

use super::model::{NodeKind, Plan};
use crate::base::NodeId;
use crate::base::id::BodyId;
use crate::base::text::{did_you_mean, quote};
use crate::diag::{Diagnostic, codes};

impl Plan {
    /// For each node of the root body whether it is wanted: those that `names` name, and what they need. A name is a
    /// node (`align`) or a node of a map (`process_data.compute`), which wants the map. A single instance
    /// (`align[NA12878]`) cannot be wanted: what it gives is part of the map's list. No names want everything.
    pub fn select(&self, names: &[&str]) -> Result<Vec<bool>, Diagnostic> {
        let root = &self.bodies[BodyId(0)].nodes;
        if names.is_empty() {
            return Ok(vec![true; root.len()]);
        }
        let needs = self.needs();
        let mut wanted = vec![false; root.len()];
        let mut next = Vec::new();
        for name in names {
            next.push(self.root_of(name)?);
        }
        while let Some(node) = next.pop() {
            let slot = self.nodes[node].slot as usize;
            if !std::mem::replace(&mut wanted[slot], true) {
                next.extend(&needs[slot]);
            }
        }
        Ok(wanted)
    }

    /// For each node of the root body whether a name means it or something in it; no names mean none.
    pub fn named(&self, names: &[&str]) -> Result<Vec<bool>, Diagnostic> {
        let mut named = vec![false; self.bodies[BodyId(0)].nodes.len()];
        for name in names {
            let node = self.root_of(name)?;
            named[self.nodes[node].slot as usize] = true;
        }
        Ok(named)
    }

    /// For each node of the root body the root nodes that it and its bodies wait for.
    fn needs(&self) -> Vec<Vec<NodeId>> {
        let mut needs: Vec<Vec<NodeId>> = vec![Vec::new(); self.bodies[BodyId(0)].nodes.len()];
        for (id, node) in self.nodes.iter() {
            let slot = self.nodes[self.outermost(id)].slot as usize;
            let of_root = |dep: &&super::Dep| self.nodes[dep.node].body == BodyId(0);
            needs[slot].extend(node.deps.iter().filter(of_root).map(|dep| dep.node));
        }
        needs
    }

    /// The node of the root body that is `id` or holds it.
    pub fn outermost(&self, id: NodeId) -> NodeId {
        let mut at = id;
        while let Some(owner) = self.bodies[self.nodes[at].body].owner {
            at = owner;
        }
        at
    }

    /// The node of a dotted name, brackets of instances left out: `m[3].t` is one of `m.t`.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let plain = without_brackets(name)?;
        let mut bodies = vec![BodyId(0)];
        let mut last = None;
        for part in plain.split('.') {
            let mut nodes = bodies.iter().flat_map(|body| &self.bodies[*body].nodes);
            let node = *nodes.find(|n| &*self.nodes[**n].name == part)?;
            bodies = match &self.nodes[node].kind {
                // The only node of a shorthand has no name of its own.
                NodeKind::Map(map) if map.shorthand => self.nodes[self.bodies[map.body].nodes[0]].kind.bodies(),
                kind => kind.bodies(),
            };
            last = Some(node);
        }
        last
    }

    fn root_of(&self, name: &str) -> Result<NodeId, Diagnostic> {
        if let Some(node) = self.find(name) {
            if !name.contains('[') {
                return Ok(self.outermost(node));
            }
            let path = &self.nodes[node].path;
            let message = format!("{} is an instance, and a node is run as a whole", quote(name));
            return Err(Diagnostic::bare(codes::UNKNOWN_NODE, message)
                .help(format!("name the node: `{path}`; of its instances those that are cached do not run again")));
        }
        let paths = || self.nodes.iter().map(|(_, node)| &*node.path);
        let d = Diagnostic::bare(codes::UNKNOWN_NODE, format!("the pipeline has no node {}", quote(name)));
        let plain = without_brackets(name).unwrap_or_else(|| name.to_owned());
        let inside = paths().find(|path| path.rsplit_once('.').is_some_and(|(_, last)| last == plain));
        let help = inside.map(|path| format!("did you mean `{path}`?")).or_else(|| did_you_mean(&plain, paths()));
        Err(match help {
            Some(help) => d.help(help),
            None => d.help("`flowrun graph` shows the nodes"),
        })
    }
}

/// `m[3].t` to `m.t`; `None` when brackets do not match. Keys may hold anything but brackets.
fn without_brackets(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        rest = after.split_once(']')?.1;
    }
    out.push_str(rest);
    Some(out)
}
