//! What would run and why, for `plan` and `explain`.
//!
//! People read it by node; instances with the same action and the same reasons share a line.

use super::json::write;
use crate::base::paint::Paint;
use crate::base::{human, text};
use crate::port::forecast::{Action, Forecast, ForecastCounts, Instances, Planned, Reason};
use jiff::tz::TimeZone;
use rustc_hash::FxHashMap;
use std::fmt::Write;
use std::io;
use std::sync::Arc;

/// Columns.
const WIDTH: usize = 80;
/// Names of instances that are written out where many share a reason.
const NAMES: usize = 3;
/// Different reasons of one node that are written out.
const KINDS: usize = 12;

/// `plan --output json`; with `summary` only the counts.
pub fn json(out: &mut dyn io::Write, forecast: &Forecast, summary: bool) -> io::Result<()> {
    #[derive(serde::Serialize)]
    struct Summary {
        counts: ForecastCounts,
    }
    if summary { write(out, &Summary { counts: forecast.counts }) } else { write(out, forecast) }
}

/// `plan` for people.
pub fn human(forecast: &Forecast, summary: bool, paint: Paint) -> String {
    let mut text = String::new();
    if !summary {
        for node in nodes(&*forecast.instances) {
            node.tell(&mut text, paint);
        }
        if !text.is_empty() {
            text.push('\n');
        }
    }
    let counts = forecast.counts;
    if let Some(submissions) = &forecast.submissions {
        text.push_str(&super::submission::human(submissions, counts, paint));
        text.push('\n');
    }
    let _ = writeln!(text, "run {} · cached {} · unknown {}", counts.run, counts.cached, counts.unknown);
    text
}

/// `explain` for people: every instance by itself, with the origin of a cached result.
pub fn explanation(forecast: &Forecast, zone: &TimeZone, paint: Paint) -> String {
    let mut text = String::new();
    forecast.instances.each(&mut |planned| {
        if !text.is_empty() {
            text.push('\n');
        }
        let name = paint.bold(human::plain(&planned.name));
        let _ = writeln!(text, "{name}: {}", word(planned.action, paint));
        reasons(&mut text, &planned.reasons, "  ", paint);
        if let Some(made) = &planned.made {
            let _ = writeln!(
                text,
                "  made by run {} at {} on {} in {}",
                made.run,
                human::moment(made.at, zone),
                human::plain(&made.host),
                text::elapsed(made.wall_us / 1000)
            );
            if let Some(why) = &planned.why {
                let _ = writeln!(text, "  it ran then because: {}", human::plain(why));
            }
        }
        if let Some(line) = &planned.container {
            let _ = writeln!(text, "  its container is run by\n    {}", human::plain(line));
        }
        if !planned.components.is_empty() {
            let _ = writeln!(text, "  its key is made of");
            for component in &planned.components {
                let head = format!("    {}: ", human::plain(&component.name));
                text.push_str(&head);
                value(&mut text, &component.text, head.chars().count(), 6);
            }
        }
    });
    text
}

fn word(action: Action, paint: Paint) -> String {
    match action {
        Action::Run => paint.yellow("run"),
        Action::Cached => paint.green("cached"),
        Action::Unknown => paint.dim("unknown"),
        Action::Fail => paint.red("fail"),
    }
}

/// What is told of a node's instances.
#[derive(Default)]
struct Node {
    path: Arc<str>,
    /// Instances by action.
    counts: [usize; 4],
    kinds: Vec<Kind>,
    places: FxHashMap<(usize, Vec<Reason>), usize>,
    /// Instances with reasons that have no kind any more.
    rest: usize,
}

/// Instances with one action and one list of reasons.
struct Kind {
    why: Vec<Reason>,
    /// The reasons of the first, as they are.
    first: Vec<Reason>,
    names: Vec<Arc<str>>,
    count: usize,
}

const ACTIONS: [Action; 4] = [Action::Run, Action::Cached, Action::Unknown, Action::Fail];

/// In the order in which each node first comes.
fn nodes(instances: &dyn Instances) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut places: FxHashMap<Arc<str>, usize> = FxHashMap::default();
    instances.each(&mut |planned| {
        let at = match places.get(&planned.node) {
            Some(at) => *at,
            None => {
                places.insert(planned.node.clone(), nodes.len());
                nodes.push(Node { path: planned.node.clone(), ..Node::default() });
                nodes.len() - 1
            }
        };
        nodes[at].take(planned);
    });
    nodes
}

impl Node {
    fn take(&mut self, planned: Planned) {
        let action = planned.action as usize;
        self.counts[action] += 1;
        if planned.reasons.is_empty() {
            return;
        }
        let why = without_item(&planned);
        let key = (action, why);
        let at = match self.places.get(&key) {
            Some(at) => *at,
            None if self.kinds.len() == KINDS => {
                self.rest += 1;
                return;
            }
            None => {
                let why = key.1.clone();
                self.places.insert(key, self.kinds.len());
                self.kinds.push(Kind { why, first: planned.reasons, names: Vec::new(), count: 0 });
                self.kinds.len() - 1
            }
        };
        let kind = &mut self.kinds[at];
        kind.count += 1;
        if kind.names.len() < NAMES {
            kind.names.push(planned.name);
        }
    }

    fn tell(&self, text: &mut String, paint: Paint) {
        let all: usize = self.counts.iter().sum();
        let parts: Vec<String> = ACTIONS
            .into_iter()
            .map(|action| (self.counts[action as usize], action))
            .filter(|(n, _)| *n > 0)
            .map(|(n, action)| if all == 1 { word(action, paint) } else { format!("{} {n}", word(action, paint)) })
            .collect();
        let _ = writeln!(text, "{}: {}", paint.bold(&*self.path), parts.join(" · "));
        for Kind { why, first, names, count } in &self.kinds {
            let why = if *count == 1 { first } else { why };
            if *count != all || (*count == 1 && names[0] != self.path) {
                let shown: Vec<_> = names.iter().map(|name| human::plain(name)).collect();
                let rest = count - shown.len();
                let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
                let _ = writeln!(text, "  {}{more}", shown.join(", "));
                reasons(text, why, "    ", paint);
            } else {
                reasons(text, why, "  ", paint);
            }
        }
        if self.rest > 0 {
            let rest = text::count(self.rest as u64, "instance");
            let _ = writeln!(text, "  and {rest} with other reasons: see `flowrun explain`");
        }
    }
}

/// The reasons with `…` in place of the instance's own item, so that "waits for `a[1].x`" of `a[1].y` and the same of
/// `a[2].y` are one reason.
fn without_item(planned: &Planned) -> Vec<Reason> {
    let name = &*planned.name;
    let Some(items) = name.rfind(']').map(|end| &name[..=end]) else { return planned.reasons.clone() };
    let masked = |reason: &Reason| match reason.old.is_none() && reason.new.is_none() {
        true => {
            let general = format!("{}[…]", human::node_of(items));
            Reason { component: reason.component.replace(items, &general).into(), ..reason.clone() }
        }
        false => reason.clone(),
    };
    planned.reasons.iter().map(masked).collect()
}

/// What changed, from what to what, a line or three each.
pub(super) fn reasons(text: &mut String, list: &[Reason], indent: &str, paint: Paint) {
    for reason in list {
        let component = human::plain(&reason.component);
        let (old, new) = match (&reason.old, &reason.new) {
            (None, None) => {
                for line in human::wrap(&component, WIDTH - indent.len()) {
                    let _ = writeln!(text, "{indent}{line}");
                }
                continue;
            }
            (None, Some(new)) => ("(was not there)".to_owned(), flat(new)),
            (Some(old), None) => (flat(old), "(is gone)".to_owned()),
            (Some(old), Some(new)) => (flat(old), flat(new)),
        };
        let (old, new) = differing(unnamed(&old, &component), unnamed(&new, &component));
        let line = format!("{indent}{component}: {old} → {new}");
        if line.chars().count() <= WIDTH {
            let _ = writeln!(text, "{indent}{}: {old} {} {new}", paint.cyan(&component), paint.dim("→"));
        } else {
            let room = WIDTH - indent.len() - 4;
            let _ = writeln!(text, "{indent}{}:", paint.cyan(&component));
            let _ = writeln!(text, "{indent}  {} {}", paint.red("-"), human::cut(&old, room));
            let _ = writeln!(text, "{indent}  {} {}", paint.green("+"), human::cut(&new, room));
        }
    }
}

/// Of `"scripts/a.py" (44a081c81899)` for `file scripts/a.py` what the name does not say already.
fn unnamed<'a>(text: &'a str, component: &str) -> &'a str {
    let named = text.strip_prefix('"').and_then(|text| text.split_once("\" "));
    match named {
        Some((name, rest)) if component.ends_with(name) => {
            rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest)
        }
        _ => text,
    }
}

/// A text on one line.
fn flat(text: &str) -> String {
    human::plain(text).into_owned()
}

/// Two long texts from shortly before the place where they differ, so that the difference is what is seen.
fn differing(old: &str, new: &str) -> (String, String) {
    if old.chars().count().max(new.chars().count()) <= 60 {
        return (old.to_owned(), new.to_owned());
    }
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let from = if same > 40 { same - 20 } else { 0 };
    let part = |text: &str| {
        if from == 0 { text.to_owned() } else { format!("…{}", text.chars().skip(from).collect::<String>()) }
    };
    (part(old), part(new))
}

/// A value after a head of `used` columns, cut to the width; on lines of its own if it has several.
/// The rest of a line that holds `used` columns; text of several lines goes below it.
pub(super) fn value(text: &mut String, value: &str, used: usize, indent: usize) {
    let lines: Vec<&str> = value.lines().collect();
    match lines.as_slice() {
        [] => text.push('\n'),
        [one] => {
            let _ = writeln!(text, "{}", human::cut(&human::plain(one), WIDTH.saturating_sub(used).max(20)));
        }
        many => {
            text.truncate(text.trim_end().len());
            text.push('\n');
            for line in many.iter().take(12) {
                let _ = writeln!(text, "{:indent$}{}", "", human::cut(&human::plain(line), WIDTH - indent));
            }
            if many.len() > 12 {
                let _ = writeln!(text, "{:indent$}and {} more lines", "", many.len() - 12);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::port::Made;

    fn planned(name: &str, action: Action, reasons: &[(&str, Option<&str>, Option<&str>)]) -> Planned {
        let reasons = reasons
            .iter()
            .map(|(component, old, new)| Reason {
                component: (*component).into(),
                old: old.map(Into::into),
                new: new.map(Into::into),
            })
            .collect();
        Planned {
            name: name.into(),
            node: human::node_of(name).into(),
            action,
            reasons,
            made: None,
            why: None,
            components: vec![],
            container: None,
        }
    }

    fn forecast(instances: Vec<Planned>) -> Forecast {
        let of = |action| instances.iter().filter(|planned| planned.action == action).count() as u64;
        let counts = ForecastCounts {
            run: of(Action::Run),
            cached: of(Action::Cached),
            unknown: of(Action::Unknown),
            fail: of(Action::Fail),
        };
        Forecast { counts, instances: Box::new(instances), submissions: None }
    }

    fn text_of(forecast: &Forecast, summary: bool) -> String {
        let mut out = Vec::new();
        json(&mut out, forecast, summary).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plan_is_read_by_node() {
        let changed: &[(&str, Option<&str>, Option<&str>)] =
            &[("file scripts/a.py", Some("\"scripts/a.py\" (1a2b3c4d5e6f)"), Some("\"scripts/a.py\" (6f5e4d3c2b1a)"))];
        let long_old = format!("{} --threads 4 --sort {}", "bwa mem".repeat(8), "x".repeat(30));
        let long_new = format!("{} --threads 8 --sort {}", "bwa mem".repeat(8), "x".repeat(30));
        let forecast = forecast(vec![
            planned("gen", Action::Cached, &[]),
            planned("align[a]", Action::Run, changed),
            planned("align[b]", Action::Run, changed),
            planned("align[c]", Action::Cached, &[]),
            planned("sort[a]", Action::Run, &[("command", Some(&long_old), Some(&long_new))]),
            planned("fresh", Action::Run, &[("never run before", None, None)]),
            planned("env", Action::Run, &[("env LANG", None, Some("C")), ("value params.x", Some("1"), None)]),
            planned("last[a].x", Action::Unknown, &[("waits for `last[a].w`", None, None)]),
            planned("last[b].x", Action::Unknown, &[("waits for `last[b].w`", None, None)]),
            planned("report", Action::Unknown, &[("waits for `align`", None, None)]),
        ]);
        assert_eq!(
            human(&forecast, false, Paint::OFF),
            "\
gen: cached
align: run 2 · cached 1
  align[a], align[b]
    file scripts/a.py: 1a2b3c4d5e6f → 6f5e4d3c2b1a
sort: run
  sort[a]
    command:
      - …embwa mem --threads 4 --sort xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
      + …embwa mem --threads 8 --sort xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
fresh: run
  never run before
env: run
  env LANG: (was not there) → C
  value params.x: 1 → (is gone)
last.x: unknown 2
  waits for `last[…].w`
report: unknown
  waits for `align`

run 5 · cached 2 · unknown 3
"
        );
        assert_eq!(human(&forecast, true, Paint::OFF), "run 5 · cached 2 · unknown 3\n");
        assert_eq!(text_of(&forecast, true), "{\"counts\": {\"run\": 5, \"cached\": 2, \"unknown\": 3}}\n");
    }

    #[test]
    fn the_json_is_the_design_s() {
        let forecast = forecast(vec![planned("compute[2]", Action::Run, &[("command", Some("a"), Some("b"))])]);
        assert_eq!(
            text_of(&forecast, false),
            "{\"counts\": {\"run\": 1, \"cached\": 0, \"unknown\": 0}, \"instances\": [{\"name\": \"compute[2]\", \
             \"action\": \"run\", \"reasons\": [{\"component\": \"command\", \"old\": \"a\", \"new\": \"b\"}]}]}\n"
        );
    }

    #[test]
    fn an_explanation_tells_where_a_result_comes_from() {
        let made = Made {
            run: 3,
            at: 1_700_000_000_000,
            host: "node1".into(),
            user: "ada".into(),
            version: "0.1.0".into(),
            wall_us: 1_234_000,
        };
        let component = |name: &str, text: &str| crate::engine::key::Component {
            name: name.into(),
            text: text.into(),
            digest: crate::base::Digest::of(b""),
        };
        let cached = Planned {
            made: Some(made),
            components: vec![component("command", "set -e\nbwa mem"), component("value params.x", "3")],
            ..planned("align[a]", Action::Cached, &[])
        };
        assert_eq!(
            explanation(&forecast(vec![cached]), &TimeZone::UTC, Paint::OFF),
            "\
align[a]: cached
  made by run 3 at 2023-11-14 22:13:20 UTC on node1 in 1.2 s
  its key is made of
    command:
      set -e
      bwa mem
    value params.x: 3
"
        );
    }
}
