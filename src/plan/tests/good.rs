//! Random pipelines without mistakes: nothing is said, and the graph is what a graph must be.

use super::said;
use crate::base::NodeId;
use crate::base::id::{BodyId, Id};
use crate::plan::*;
use proptest::prelude::*;
use std::fmt::Write;

/// A random body: each node reads some that were made before it, here or further out.
#[derive(Clone, Debug)]
enum Kind {
    Task,
    Shorthand,
    Map(Vec<Made>),
}

#[derive(Clone, Debug)]
struct Made {
    kind: Kind,
    /// Numbers that choose what is read, among what is in scope.
    reads: Vec<u16>,
    after: bool,
    file: bool,
}

fn body(depth: u32) -> impl Strategy<Value = Vec<Made>> {
    let leaf = prop_oneof![3 => Just(Kind::Task), 1 => Just(Kind::Shorthand)].boxed();
    let kind = match depth {
        0 => leaf,
        _ => prop_oneof![3 => leaf, 1 => body(depth - 1).prop_map(Kind::Map)].boxed(),
    };
    let made = (kind, proptest::collection::vec(any::<u16>(), 0..4), any::<bool>(), any::<bool>());
    let made = made.prop_map(|(kind, reads, after, file)| Made { kind, reads, after, file });
    proptest::collection::vec(made, 1..7).boxed()
}

/// Writes a body. `scope` holds what an expression may read: an expression, and the name of its node.
fn write(made: &[Made], prefix: &str, level: usize, scope: &[(String, String)], out: &mut String) -> Vec<String> {
    let mut scope = scope.to_vec();
    let mut below = Vec::new();
    for (i, node) in made.iter().enumerate() {
        // names are unique in the whole file, so that none hides another
        let name = format!("n{level}_{}_{i}", out.len());
        let pick = |n: &u16| scope.get(*n as usize % scope.len().max(1)).cloned();
        let picked: Vec<(String, String)> = node.reads.iter().filter_map(pick).collect();
        let reads = picked.iter().map(|(e, _)| format!(" {{{{ {e} }}}}")).collect::<String>();
        let items: String = (1..=level).map(|l| format!(" {{{{ item_{l} }}}}")).collect();
        let path: String = (1..=level).map(|l| format!("{{{{ item_{l} }}}}/")).collect();
        let after = match (node.after, picked.first()) {
            (true, Some((_, node))) => format!("after = [\"{node}\"]\n"),
            _ => String::new(),
        };
        let over = picked.iter().find(|(e, _)| e.contains('.') && level == 0);
        let over = over.map_or("[1, 2]".to_owned(), |(e, _)| format!("\"{{{{ [{e}] }}}}\""));
        let task = |extra: &str, path: &str| {
            let input = picked.last().map_or(String::new(), |(_, n)| format!("inputs.i = \"made/{n}.txt\"\n"));
            let file =
                if node.file { format!("outputs.f = {{ file = \"made/{path}{name}.txt\" }}\n") } else { String::new() };
            format!("command = \"echo{items}{reads}{extra}\"\noutputs.n = \"int\"\n{file}{input}{after}")
        };
        match &node.kind {
            Kind::Task => {
                let _ = write!(out, "[{prefix}task.{name}]\n{}", task("", &path));
                scope.push((format!("{name}.n"), name.clone()));
                below.push(format!("{name}.n"));
            }
            Kind::Shorthand => {
                let extra = format!("{path}{{{{ it }}}}-");
                let _ = write!(out, "[{prefix}task.{name}]\nover = {over}\nas = \"it\"\n{}", task(" {{ it }}", &extra));
                scope.push((format!("{name}.n"), name.clone()));
                below.push(format!("{name}.n"));
            }
            Kind::Map(inner) => {
                let item = format!("item_{}", level + 1);
                let _ = write!(out, "[{prefix}map.{name}]\nover = {over}\nas = \"{item}\"\n{after}");
                let inside = write(inner, &format!("{prefix}map.{name}."), level + 1, &scope, out);
                for expression in inside {
                    scope.push((format!("{name}.{expression}"), name.clone()));
                    below.push(format!("{name}.{expression}"));
                }
            }
        }
    }
    below
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_pipeline_without_mistakes_is_a_graph(made in body(2)) {
        let mut text = String::new();
        write(&made, "", 0, &[], &mut text);
        let (plan, said) = said(&text, &super::given());
        prop_assert!(plan.is_some() && said.is_empty(), "{text}\n{said}");
        let plan = plan.unwrap();
        let body_of = |id: NodeId, up: u32| -> BodyId {
            let mut body = plan.nodes[id].body;
            for _ in 0..up {
                body = plan.nodes[plan.bodies[body].owner.unwrap()].body;
            }
            body
        };
        let mut inverse = vec![Vec::new(); plan.nodes.len()];
        for (id, node) in plan.nodes.iter() {
            for dep in &node.deps {
                prop_assert_eq!(plan.nodes[dep.node].body, body_of(id, dep.up));
                prop_assert!(node.height < plan.nodes[dep.node].height);
                inverse[dep.node.index()].push(id);
            }
            let mut deps: Vec<NodeId> = node.deps.iter().map(|d| d.node).collect();
            deps.sort_unstable();
            deps.dedup();
            prop_assert_eq!(deps.len(), node.deps.len());
            prop_assert_eq!(plan.bodies[node.body].nodes[node.slot as usize], id);
            if let Some(owner) = plan.bodies[node.body].owner {
                prop_assert!(owner < id && node.height < plan.nodes[owner].height);
            }
        }
        for (id, node) in plan.nodes.iter() {
            prop_assert_eq!(&node.dependents, &inverse[id.index()]);
        }
        // heights fall along every edge, so there is no circle; the pictures can be drawn
        for text in [graph::json(&plan), graph::dot(&plan), graph::mermaid(&plan), graph::svg(&plan)] {
            prop_assert!(text.len() > 20);
        }
        // a selection is closed: nothing wanted needs what is not
        for name in plan.bodies[BodyId(0)].nodes.iter().map(|id| plan.nodes[*id].name.clone()) {
            let wanted = plan.select(&[&name]).unwrap();
            for (id, node) in plan.nodes.iter() {
                let is_wanted = |id: NodeId| wanted[plan.nodes[plan.outermost(id)].slot as usize];
                prop_assert!(!is_wanted(id) || node.deps.iter().all(|dep| is_wanted(dep.node)));
            }
        }
    }
}
