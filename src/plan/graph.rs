//! The graph of a plan for other programs and for eyes: JSON, Graphviz, Mermaid, and SVG drawn by ourselves.

use super::layout::{Layout, Picture, Step, layout};
use super::model::{Node, NodeKind, Plan};
use crate::base::NodeId;
use crate::base::id::{BodyId, Id};
use crate::base::text::count;
use rustc_hash::FxHashSet;
use std::fmt::Write;

/// `{"nodes": [{"name", "kind"}], "edges": [[from, to]]}`: names as in `process_data.compute`, kinds `task`, `map`, `branch`,
/// `loop` and `call`.
pub fn json(plan: &Plan) -> String {
    // nodes of two cases of a branch may share a name: here they are one
    let (mut names, mut pairs) = (FxHashSet::default(), FxHashSet::default());
    let shown = plan.nodes.iter().filter(|(id, n)| is_shown(plan, *id) && names.insert(&*n.path));
    let nodes: Vec<_> = shown.map(|(_, n)| serde_json::json!({ "name": &*n.path, "kind": n.kind.word() })).collect();
    let path = |id: NodeId| &*plan.nodes[id].path;
    let edges = edges(plan).into_iter().map(|(from, to)| [path(from), path(to)]);
    let edges: Vec<_> = edges.filter(|pair| pairs.insert(*pair)).collect();
    serde_json::json!({ "nodes": nodes, "edges": edges }).to_string()
}

/// For Graphviz: what holds nodes is a cluster.
pub fn dot(plan: &Plan) -> String {
    let mut out = String::from("digraph {\n  compound=true;\n  node [shape=box, style=rounded];\n");
    dot_body(plan, BodyId(0), 1, &mut out);
    for (from, to) in edges(plan) {
        let mut attributes = Vec::new();
        if is_cluster(plan, from) {
            attributes.push(format!("ltail=\"cluster {}\"", dot_name(plan, from)));
        }
        if is_cluster(plan, to) {
            attributes.push(format!("lhead=\"cluster {}\"", dot_name(plan, to)));
        }
        // Graphviz draws an arrow to a cluster as one to a node in it that is cut at the border
        let (tail, head) = (inside(plan, from, true), inside(plan, to, false));
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        let _ = writeln!(out, "  \"{}\" -> \"{}\"{attributes};", dot_name(plan, tail), dot_name(plan, head));
    }
    out.push_str("}\n");
    out
}

/// The path; of nodes that share one, in the cases of a branch, all but the first have their number too.
fn dot_name(plan: &Plan, id: NodeId) -> String {
    let path = &plan.nodes[id].path;
    let first = plan.nodes.iter().find(|(other, node)| node.path == *path && is_shown(plan, *other));
    match first {
        Some((first, _)) if first != id => format!("{path} {}", id.0),
        _ => path.to_string(),
    }
}

fn dot_body(plan: &Plan, body: BodyId, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    for id in &plan.bodies[body].nodes {
        let node = &plan.nodes[*id];
        let name = dot_name(plan, *id);
        if !is_cluster(plan, *id) {
            let _ = writeln!(out, "{pad}\"{name}\" [label=\"{}\"];", quoted(&title(node)));
            continue;
        }
        let _ = writeln!(out, "{pad}subgraph \"cluster {name}\" {{\n{pad}  label=\"{}\";", quoted(&title(node)));
        for (case, body) in held(plan, *id) {
            match case {
                Some(case) => {
                    let (id, case) = (body.0, quoted(case));
                    let _ = writeln!(out, "{pad}  subgraph \"cluster case {id}\" {{\n{pad}    label=\"{case}\";");
                    dot_body(plan, body, depth + 2, out);
                    let _ = writeln!(out, "{pad}  }}");
                }
                None => dot_body(plan, body, depth + 1, out),
            }
        }
        let _ = writeln!(out, "{pad}}}");
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// For Mermaid: what holds nodes is a subgraph.
pub fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart TD\n");
    mermaid_body(plan, BodyId(0), 1, &mut out);
    for (from, to) in edges(plan) {
        let _ = writeln!(out, "  n{} --> n{}", from.0, to.0);
    }
    out
}

fn mermaid_body(plan: &Plan, body: BodyId, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    for id in &plan.bodies[body].nodes {
        let node = &plan.nodes[*id];
        if is_cluster(plan, *id) {
            let _ = writeln!(out, "{pad}subgraph n{}[\"{}\"]", id.0, entities(&title(node)));
            for (case, body) in held(plan, *id) {
                match case {
                    Some(case) => {
                        let _ = writeln!(out, "{pad}  subgraph c{}[\"{}\"]", body.0, entities(case));
                        mermaid_body(plan, body, depth + 2, out);
                        let _ = writeln!(out, "{pad}  end");
                    }
                    None => mermaid_body(plan, body, depth + 1, out),
                }
            }
            let _ = writeln!(out, "{pad}end");
        } else if matches!(node.kind, NodeKind::Task(_)) {
            let _ = writeln!(out, "{pad}n{}[\"{}\"]", id.0, title(node));
        } else {
            let _ = writeln!(out, "{pad}n{}[[\"{}\"]]", id.0, entities(&title(node)));
        }
    }
}

fn entities(text: &str) -> String {
    text.replace('"', "&quot;")
}

/// A picture: ranks from top to bottom, a map as a box around its body. An arrow into a body from outside ends at the
/// map's border.
pub fn svg(plan: &Plan) -> String {
    const MARGIN: f64 = 20.0;
    let mut arrows: Vec<Vec<(usize, usize)>> = vec![Vec::new(); plan.bodies.len()];
    let mut known = FxHashSet::default();
    for (from, to) in edges(plan) {
        // drawn in the body where the arrow begins; it ends at a node of it, or at the map of it that holds the node
        let body = plan.nodes[from].body;
        let (from, to) = (plan.nodes[from].slot as usize, slot_in(plan, to, body));
        if known.insert((body, from, to)) {
            arrows[body.index()].push((from, to));
        }
    }
    let drawing = draw(plan, BodyId(0), &mut arrows);
    let (width, height) = (drawing.layout.width + 2.0 * MARGIN, drawing.layout.height + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"{FONT}\">\n"
    );
    let _ = writeln!(out, "<title>{}</title>", escaped(&plan.name));
    out.push_str(STYLE);
    let _ = writeln!(out, "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>");
    paint(plan, &drawing, MARGIN, MARGIN, &mut out);
    out.push_str("</svg>\n");
    out
}

const STYLE: &str = r##"<style>
.paper { fill: #ffffff }
.task { fill: #f8fafc; stroke: #475569 }
.map { fill: #3b82f6; fill-opacity: 0.07; stroke: #3b82f6 }
.many { fill: #ffffff; stroke: #3b82f6 }
.arrow { fill: none; stroke: #64748b; stroke-width: 1.3 }
.head { fill: #64748b }
.name { fill: #0f172a }
.each { fill: #1d4ed8; font-size: 11px }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="8" orient="auto"><path class="head" d="M0 0 8 4 0 8Z"/></marker></defs>
"##;

const FONT: f64 = 13.0;
/// Monospaced fonts advance by about six tenths of their size.
const LETTER: f64 = FONT * 0.602;
const SMALL_LETTER: f64 = 11.0 * 0.602;
const LONGEST: usize = 36;
const PADDING: f64 = 18.0;
/// From the top of a map's box to its body.
const HEADER: f64 = 46.0;

/// Above the body of a case: its name.
const CASE: f64 = 18.0;

/// The drawing of one body, and of those inside it.
struct Drawing<'p> {
    nodes: Vec<NodeId>,
    boxes: Vec<(f64, f64)>,
    /// Of each node what it holds, side by side; of a branch's case with its name.
    bodies: Vec<Vec<(Option<&'p str>, Drawing<'p>)>>,
    layout: Layout,
}

impl Drawing<'_> {
    /// How much room it takes below a name of its own.
    fn size(&self, case: Option<&str>) -> (f64, f64) {
        let name = case.map_or(0.0, |case| letters(case) * SMALL_LETTER);
        (self.layout.width.max(name), self.layout.height + case.map_or(0.0, |_| CASE))
    }
}

fn draw<'p>(plan: &'p Plan, body: BodyId, arrows: &mut [Vec<(usize, usize)>]) -> Drawing<'p> {
    let nodes = plan.bodies[body].nodes.clone();
    let (mut boxes, mut bodies) = (Vec::new(), Vec::new());
    for id in &nodes {
        let node = &plan.nodes[*id];
        let name = letters(&node.name) * LETTER;
        let held: Vec<_> = held(plan, *id).into_iter().map(|(case, body)| (case, draw(plan, body, arrows))).collect();
        let wide = name.max(letters(&each(node)) * SMALL_LETTER) + 28.0;
        let sizes: Vec<(f64, f64)> = held.iter().map(|(case, drawing)| drawing.size(*case)).collect();
        boxes.push(match (&node.kind, sizes.is_empty()) {
            (NodeKind::Task(_), _) => (name + 28.0, 32.0),
            (_, true) => (wide, 46.0),
            (_, false) => {
                let width = sizes.iter().map(|(width, _)| width + PADDING).sum::<f64>() + PADDING;
                let height = sizes.iter().map(|(_, height)| *height).fold(0.0, f64::max);
                (wide.max(width), height + HEADER + PADDING)
            }
        });
        bodies.push(held);
    }
    let picture = Picture { boxes, arrows: std::mem::take(&mut arrows[body.index()]) };
    let layout = layout(&picture);
    Drawing { nodes, boxes: picture.boxes, bodies, layout }
}

fn paint(plan: &Plan, drawing: &Drawing<'_>, left: f64, top: f64, out: &mut String) {
    for (i, id) in drawing.nodes.iter().enumerate() {
        let node = &plan.nodes[*id];
        let ((x, y), (width, height)) = (drawing.layout.places[i], drawing.boxes[i]);
        let (x, y) = (x + left, y + top);
        let class = match &node.kind {
            NodeKind::Task(_) => "task",
            NodeKind::Map(map) if map.shorthand && drawing.bodies[i].is_empty() => "many",
            _ => "map",
        };
        let _ = write!(out, "<g><title>{}</title>", escaped(&node.path));
        if class == "many" {
            let _ = write!(
                out,
                "<rect class=\"many\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>",
                x + 4.0,
                y + 4.0
            );
        }
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>"
        );
        let middle = x + width / 2.0;
        let line = |y: f64, class: &str, text: &str, out: &mut String| {
            let _ = write!(
                out,
                "<text class=\"{class}\" x=\"{middle:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}</text>",
                escaped(text)
            );
        };
        match &node.kind {
            NodeKind::Task(_) => line(y + 20.5, "name", &cut(&node.name), out),
            _ => {
                line(y + 19.0, "name", &cut(&node.name), out);
                line(y + 34.0, "each", &cut(&each(node)), out);
            }
        }
        out.push_str("</g>\n");
        let sizes: Vec<(f64, f64)> = drawing.bodies[i].iter().map(|(case, inner)| inner.size(*case)).collect();
        let all = sizes.iter().map(|(width, _)| width + PADDING).sum::<f64>() - PADDING;
        let mut at = x + (width - all) / 2.0;
        for ((case, inner), (wide, _)) in drawing.bodies[i].iter().zip(sizes) {
            let mut top = y + HEADER;
            if let Some(case) = case {
                let (middle, case) = (at + wide / 2.0, escaped(&cut(case)));
                let _ = writeln!(
                    out,
                    "<text class=\"each\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{case}</text>",
                    top + 10.0
                );
                top += CASE;
            }
            paint(plan, inner, at + (wide - inner.layout.width) / 2.0, top, out);
            at += wide + PADDING;
        }
    }
    for course in &drawing.layout.courses {
        let mut path = String::new();
        let mut at = (0.0, 0.0);
        for step in course {
            let (x, y) = match step {
                Step::Start(x, y) | Step::Line(x, y) | Step::Curve(x, y) => (x + left, y + top),
            };
            match step {
                Step::Start(..) => {
                    let _ = write!(path, "M{x:.1} {y:.1}");
                }
                Step::Line(..) => {
                    if (y - at.1).abs() > 0.1 {
                        let _ = write!(path, "L{x:.1} {y:.1}");
                    }
                }
                Step::Curve(..) => {
                    let half = (at.1 + y) / 2.0;
                    let _ = write!(path, "C{:.1} {half:.1} {x:.1} {half:.1} {x:.1} {y:.1}", at.0);
                }
            }
            at = (x, y);
        }
        let _ = writeln!(out, "<path class=\"arrow\" marker-end=\"url(#head)\" d=\"{path}\"/>");
    }
}

/// What waits for what, each pair once; a shorthand is one node.
fn edges(plan: &Plan) -> Vec<(NodeId, NodeId)> {
    let mut known = FxHashSet::default();
    let mut edges = Vec::new();
    for (id, node) in plan.nodes.iter() {
        for dep in &node.deps {
            let edge = (shown_as(plan, dep.node), shown_as(plan, id));
            if edge.0 != edge.1 && known.insert(edge) {
                edges.push(edge);
            }
        }
    }
    edges
}

/// The task of a shorthand is shown by its map.
fn shown_as(plan: &Plan, id: NodeId) -> NodeId {
    match plan.bodies[plan.nodes[id].body].owner {
        Some(owner) if matches!(&plan.nodes[owner].kind, NodeKind::Map(map) if map.shorthand) => owner,
        _ => id,
    }
}

fn is_shown(plan: &Plan, id: NodeId) -> bool {
    shown_as(plan, id) == id
}

/// The bodies that are drawn inside a node, those of a branch with the names of their cases.
fn held(plan: &Plan, id: NodeId) -> Vec<(Option<&str>, BodyId)> {
    match &plan.nodes[id].kind {
        NodeKind::Map(map) if map.shorthand => held(plan, plan.bodies[map.body].nodes[0]),
        NodeKind::Branch(branch) => branch.cases.iter().map(|case| (Some(&*case.name), case.body)).collect(),
        kind => kind.bodies().into_iter().map(|body| (None, body)).collect(),
    }
}

fn is_cluster(plan: &Plan, id: NodeId) -> bool {
    held(plan, id).iter().any(|(_, body)| !plan.bodies[*body].nodes.is_empty())
}

/// A node that is no cluster: the last or the first one inside.
fn inside(plan: &Plan, id: NodeId, last: bool) -> NodeId {
    let held = held(plan, id);
    let mut nodes = held.iter().flat_map(|(_, body)| &plan.bodies[*body].nodes);
    match if last { nodes.next_back() } else { nodes.next() } {
        Some(node) => inside(plan, *node, last),
        None => id,
    }
}

/// The position in `body` of the node that is `id` or holds it.
fn slot_in(plan: &Plan, id: NodeId, body: BodyId) -> usize {
    let mut at = id;
    while plan.nodes[at].body != body {
        match plan.bodies[plan.nodes[at].body].owner {
            Some(owner) => at = owner,
            None => break,
        }
    }
    plan.nodes[at].slot as usize
}

/// "align, for each sample".
fn title(node: &Node) -> String {
    match node.kind {
        NodeKind::Task(_) => node.name.to_string(),
        _ => format!("{}, {}", node.name, each(node)),
    }
}

/// How often, or which of what it holds is executed.
fn each(node: &Node) -> String {
    match &node.kind {
        NodeKind::Map(map) => format!("for each {}", map.item),
        NodeKind::Branch(_) => "one of these".to_owned(),
        NodeKind::Loop(looped) => format!("up to {}", count(looped.max.into(), "time")),
        NodeKind::Call(call) => call.file.to_string(),
        NodeKind::Task(_) => String::new(),
    }
}

fn letters(text: &str) -> f64 {
    text.chars().count().min(LONGEST) as f64
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
