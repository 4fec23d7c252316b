//! `list`: the items of a map. Evaluates its source, reads the files that it names, and arranges the items:
//! `where`, then `group_by`, then `chunk`, then `key`.

use crate::base::{Value, text};
use crate::driver::scene::{boolean, described, refused};
use crate::driver::wrong::Wrong;
use crate::engine::{Items, ListAnswer, Values};
use crate::event::Failure;
use crate::lang::expr::{Frame, Template};
use crate::plan::{Map, Node, Plan, Shape, Source};
use crate::sys::glob;
use rustc_hash::FxHashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many items a map may have; instances are numbered with 32 bits.
const MOST_ITEMS: usize = 100_000_000;

type Listed<T> = std::result::Result<T, Wrong>;

/// Answers `Effect::List` for a map. `values` are those of its reads.
pub fn list(plan: &Plan, node: &Node, map: &Map, project: &Path, values: Values) -> ListAnswer {
    let items = items(map, node.when.as_ref(), project, values);
    items.unwrap_or_else(|wrong| ListAnswer::Failed(wrong.said(&plan.sources)))
}

/// The same; what is wrong has its place in the file.
pub fn items(map: &Map, when: Option<&Template>, project: &Path, values: Values) -> Listed<ListAnswer> {
    let frame = Frame::new(&map.names, values.clone());
    if let Some(when) = when
        && !boolean(when, &frame, "when")?
    {
        return Ok(ListAnswer::Skip);
    }
    let mut items = source(&map.source, &frame, project)?;
    let mut frame = Frame::new(&map.item_names, values);
    if let Some(filter) = &map.filter {
        let mut kept = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            // A null item is skipped later, and is nothing that an expression could look into.
            let mut keep = || boolean(filter, for_item(&mut frame, map, &item, index), "where");
            if item.is_null() || keep().map_err(|wrong| wrong.of_item(index))? {
                kept.push(item);
            }
        }
        items = kept;
    }
    if let Some(group_by) = &map.group_by {
        items = groups(map, group_by, items, &mut frame)?;
    }
    if let Some(size) = map.chunk {
        items = items.chunks(size.max(1) as usize).map(|chunk| Value::list(chunk.to_vec())).collect();
    }
    let keys = match &map.key {
        Some(key) => keys(map, key, &items, &mut frame)?,
        None => Vec::new(),
    };
    Ok(ListAnswer::Items(Arc::new(Items::new(items, keys))))
}

/// The frame with the item and its index in place.
fn for_item<'f>(frame: &'f mut Frame, map: &Map, item: &Value, index: usize) -> &'f Frame {
    frame.set(&[&map.item], item.clone());
    frame.set(&["index"], Value::Int(index as i64));
    frame
}

/// Groups are `{ key, members }`, in order of first appearance.
fn groups(map: &Map, group_by: &Template, items: Vec<Value>, frame: &mut Frame) -> Listed<Vec<Value>> {
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    // A null item is skipped: it belongs to no group.
    for (index, item) in items.into_iter().enumerate().filter(|(_, item)| !item.is_null()) {
        let key = group_by.eval(for_item(frame, map, &item, index));
        let key = key.map_err(|error| Wrong::of("group_by", error).of_item(index))?;
        let at = *places.entry(key.to_json()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, members)) => members.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    let record = |(key, members)| Value::map(vec![("key".into(), key), ("members".into(), Value::list(members))]);
    Ok(groups.into_iter().map(record).collect())
}

fn keys(map: &Map, key: &Template, items: &[Value], frame: &mut Frame) -> Listed<Vec<Arc<str>>> {
    let mut seen: FxHashMap<Arc<str>, usize> = FxHashMap::default();
    let mut keys: Vec<Arc<str>> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let name: Arc<str> = if item.is_null() {
            index.to_string().into()
        } else {
            let text = key.eval_text(for_item(frame, map, item, index));
            String::from_utf8_lossy(&text.map_err(|error| Wrong::of("key", error).of_item(index))?).into()
        };
        let wrong = |message, help: &str| Err(Wrong::new(message, Some(help)).at(key));
        if name.is_empty() {
            return wrong(format!("the `key` of item {index} is empty"), "give every item a name, or leave `key` out");
        }
        if name.contains([']', '[', '\n']) {
            let message = format!("the `key` of item {index} is {}", text::quote(&name));
            return wrong(message, "a key has no brackets and no line ends: `| replace('[', '(')`");
        }
        if let Some(before) = seen.insert(name.clone(), index) {
            let message = format!("items {before} and {index} have the same `key`, {}", text::quote(&name));
            return wrong(message, "add something to `key` that tells them apart");
        }
        keys.push(name);
    }
    Ok(keys)
}

fn source(source: &Source, frame: &Frame, project: &Path) -> Listed<Vec<Value>> {
    let items = match source {
        Source::Value(shape) => match evaluated("over", shape, frame)? {
            Value::List(items) => Arc::unwrap_or_clone(items),
            other => {
                let message = format!("`over` must give a list, and gave {}", described(&other));
                let help = "put it in brackets, `over = [\"{{ x }}\"]`, if it is the only item";
                return Err(Wrong::new(message, Some(help)).at_shape(shape));
            }
        },
        Source::Range(bounds) => range(bounds, frame)?,
        Source::Glob(template) => {
            let pattern = template.eval_pattern(frame).map_err(|e| Wrong::of("over.glob", e))?;
            let found = glob::expand(project, &pattern);
            let found = found.map_err(|e| Wrong::new(format!("`over.glob`: {e}"), None).at(template))?;
            found.iter().map(|path| Value::from_bytes(path)).collect()
        }
        Source::Lines(path) => of_file(path, "lines", frame, project, lines)?,
        Source::Jsonl(path) => of_file(path, "jsonl", frame, project, jsonl)?,
        Source::Csv(path) => of_file(path, "csv", frame, project, |file| table(file, b','))?,
        Source::Tsv(path) => of_file(path, "tsv", frame, project, |file| table(file, b'\t'))?,
        Source::Product(axes) => product(&axes_of(axes, frame, project)?)?,
        Source::Zip(axes) => zip(&axes_of(axes, frame, project)?)?,
    };
    if items.len() > MOST_ITEMS {
        return Err(Wrong::new(format!("the list has {} items; a map takes {MOST_ITEMS} at most", items.len()), None));
    }
    Ok(items)
}

fn evaluated(place: &str, shape: &Shape, frame: &Frame) -> Listed<Value> {
    shape.eval(frame).map_err(|error| Wrong::of(place, error))
}

fn range(bounds: &[Shape], frame: &Frame) -> Listed<Vec<Value>> {
    let mut numbers = Vec::with_capacity(bounds.len());
    for bound in bounds {
        match evaluated("over.range", bound, frame)? {
            Value::Int(n) => numbers.push(n),
            other => {
                let message = format!("`over.range` takes whole numbers, not {}", other.to_json());
                return Err(Wrong::new(message, None).at_shape(bound));
            }
        }
    }
    let (from, to, step) = match *numbers.as_slice() {
        [from, to] => (from, to, 1),
        [from, to, step] => (from, to, step),
        _ => return Err(Wrong::new("`over.range` is `[from, to]` or `[from, to, step]`".into(), None)),
    };
    if step == 0 {
        let wrong = Wrong::new("the step of `over.range` must not be 0".into(), None);
        return Err(wrong.at_shape(&bounds[2]));
    }
    // Wide enough for any two bounds.
    let (from, to, step) = (i128::from(from), i128::from(to), i128::from(step));
    let span = if step > 0 { to - from } else { from - to };
    let count = if span <= 0 { 0 } else { (span - 1) / step.abs() + 1 };
    if count > MOST_ITEMS as i128 {
        return Err(Wrong::new(format!("the range has {count} items; a map takes {MOST_ITEMS} at most"), None));
    }
    Ok((0..count).map(|i| Value::Int((from + i * step) as i64)).collect())
}

struct Named {
    shown: String,
    path: PathBuf,
}

fn of_file(
    template: &Template,
    kind: &str,
    frame: &Frame,
    project: &Path,
    read: impl Fn(&Named) -> Result<Vec<Value>, Failure>,
) -> Listed<Vec<Value>> {
    let text = template.eval_text(frame).map_err(|e| Wrong::of(&format!("over.{kind}"), e))?;
    let shown = String::from_utf8_lossy(&text).into_owned();
    let file = Named { path: project.join(OsStr::from_bytes(&text)), shown };
    read(&file).map_err(|failure| Wrong::from(failure).at(template))
}

impl Named {
    fn open(&self) -> Result<BufReader<std::fs::File>, Failure> {
        let unreadable = |error| {
            let reason = crate::sys::fault::reason(&error);
            refused(format!("cannot read the list {}: {reason}", text::quote(&self.shown)), None)
        };
        let file = std::fs::File::open(&self.path).map_err(unreadable)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        // A byte order mark is no part of the first name.
        if reader.fill_buf().map_err(unreadable)?.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        Ok(reader)
    }
    fn wrong(&self, line: u64, what: impl std::fmt::Display) -> Failure {
        refused(format!("{}, line {line}: {what}", text::quote(&self.shown)), None)
    }
}

/// The lines without their ends (`\n` or `\r\n`).
fn lines(file: &Named) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::new();
    for line in file.open()?.split(b'\n') {
        let line = line.map_err(|e| file.wrong(items.len() as u64 + 1, e))?;
        items.push(Value::from_bytes(line.strip_suffix(b"\r").unwrap_or(&line)));
    }
    Ok(items)
}

/// One JSON value a line; empty lines are passed over.
fn jsonl(file: &Named) -> Result<Vec<Value>, Failure> {
    let mut items = Vec::new();
    for (i, line) in file.open()?.split(b'\n').enumerate() {
        let line = line.map_err(|e| file.wrong(i as u64 + 1, e))?;
        if !line.trim_ascii().is_empty() {
            items.push(serde_json::from_slice(&line).map_err(|e| file.wrong(i as u64 + 1, not_json(&e)))?);
        }
    }
    Ok(items)
}

/// What the parser said, without its own count of lines.
fn not_json(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
    format!("no JSON value: {what} at column {}", error.column())
}

/// Records by the names of the first line; cells are strings. Only CSV knows quotes.
fn table(file: &Named, delimiter: u8) -> Result<Vec<Value>, Failure> {
    let quoting = delimiter == b',';
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).quoting(quoting).from_reader(file.open()?);
    let position = |e: &csv::Error| e.position().map_or(1, csv::Position::line);
    let header = reader.byte_headers().map_err(|e| file.wrong(position(&e), &e))?.clone();
    let mut names: Vec<Arc<str>> = Vec::with_capacity(header.len());
    for name in &header {
        let name: Arc<str> = String::from_utf8_lossy(name).into();
        if names.contains(&name) {
            return Err(file.wrong(1, format_args!("two columns are named `{name}`")));
        }
        names.push(name);
    }
    let mut items = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|e| match e.kind() {
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => file.wrong(
                pos.as_ref().map_or(1, csv::Position::line),
                format_args!(
                    "{}, but the first line names {}",
                    text::count(*len, "cell"),
                    text::count(*expected_len, "column")
                ),
            ),
            _ => file.wrong(position(&e), &e),
        })?;
        items.push(Value::map(names.iter().cloned().zip(record.iter().map(Value::from_bytes)).collect()));
    }
    Ok(items)
}

type Axes = Vec<(Arc<str>, Vec<Value>)>;

fn axes_of(axes: &[(Arc<str>, Source)], frame: &Frame, project: &Path) -> Listed<Axes> {
    axes.iter().map(|(name, axis)| Ok((name.clone(), source(axis, frame, project)?))).collect()
}

/// All combinations; the last axis runs fastest.
fn product(axes: &Axes) -> Result<Vec<Value>, Failure> {
    let sizes = axes.iter().map(|(_, items)| items.len());
    let count = sizes.clone().try_fold(1usize, usize::checked_mul).filter(|count| *count <= MOST_ITEMS);
    let Some(count) = count else {
        let shown = sizes.map(|n| n.to_string()).collect::<Vec<_>>().join(" × ");
        return Err(refused(format!("the product has {shown} items; a map takes {MOST_ITEMS} at most"), None));
    };
    let record = |mut at: usize| {
        let mut entries: Vec<(Arc<str>, Value)> = Vec::with_capacity(axes.len());
        for (name, items) in axes.iter().rev() {
            entries.push((name.clone(), items[at % items.len()].clone()));
            at /= items.len();
        }
        entries.reverse();
        Value::map(entries)
    };
    Ok((0..count).map(record).collect())
}

/// Side by side; all axes must be equally long.
fn zip(axes: &Axes) -> Result<Vec<Value>, Failure> {
    let count = axes.first().map_or(0, |(_, items)| items.len());
    if axes.iter().any(|(_, items)| items.len() != count) {
        let sizes: Vec<String> = axes.iter().map(|(name, items)| format!("`{name}` has {}", items.len())).collect();
        return Err(refused(
            format!("`zip` needs lists of one length: {}", sizes.join(", ")),
            Some("for all combinations use `product`".into()),
        ));
    }
    let record = |i: usize| Value::map(axes.iter().map(|(name, items)| (name.clone(), items[i].clone())).collect());
    Ok((0..count).map(record).collect())
}
