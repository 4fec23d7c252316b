//! `list`: the items of a map. Evaluates its source, reads the files that it names, and arranges the items:
//! `where`, then `group_by`, then `chunk`, then `key`.

use crate::base::Value;
use crate::driver::glob;
use crate::driver::scene::{boolean, refused};
use crate::engine::{Items, ListAnswer, Values};
use crate::event::Failure;
use crate::lang::expr::{EvalError, Frame, Template};
use crate::plan::{Map, Shape, Source};
use rustc_hash::FxHashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many items a map may have; instances are numbered with 32 bits.
const MOST_ITEMS: usize = 100_000_000;

/// Answers `Effect::List`. `values` are those of the map's reads.
pub fn list(map: &Map, when: Option<&Template>, project: &Path, values: Values) -> ListAnswer {
    match items(map, when, project, values) {
        Ok(Some(items)) => ListAnswer::Items(Arc::new(items)),
        Ok(None) => ListAnswer::Skip,
        Err(failure) => ListAnswer::Failed(failure),
    }
}

fn items(map: &Map, when: Option<&Template>, project: &Path, values: Values) -> Result<Option<Items>, Failure> {
    let frame = Frame::new(&map.names, values.clone());
    if let Some(when) = when
        && !boolean(when, &frame, "when")?
    {
        return Ok(None);
    }
    let mut items = source(&map.source, &frame, project)?;
    let mut frame = Frame::new(&map.item_names, values);
    if let Some(filter) = &map.filter {
        let mut kept = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            // A null item is skipped later, and is nothing that an expression could look into.
            if item.is_null() || boolean(filter, for_item(&mut frame, map, &item, index), "where")? {
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
    Ok(Some(Items::new(items, keys)))
}

/// The frame with the item and its index in place.
fn for_item<'f>(frame: &'f mut Frame, map: &Map, item: &Value, index: usize) -> &'f Frame {
    frame.set(&[&map.item], item.clone());
    frame.set(&["index"], Value::Int(index as i64));
    frame
}

/// Groups are `{ key, members }`, in order of first appearance.
fn groups(map: &Map, group_by: &Template, items: Vec<Value>, frame: &mut Frame) -> Result<Vec<Value>, Failure> {
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let key = group_by.eval(for_item(frame, map, &item, index)).map_err(|e| failed("group_by", e))?;
        let at = *places.entry(key.to_json()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, members)) => members.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    let record = |(key, members)| Value::map(vec![("key".into(), key), ("members".into(), Value::list(members))]);
    Ok(groups.into_iter().map(record).collect())
}

fn keys(map: &Map, key: &Template, items: &[Value], frame: &mut Frame) -> Result<Vec<Arc<str>>, Failure> {
    let mut seen: FxHashMap<Arc<str>, usize> = FxHashMap::default();
    let mut keys: Vec<Arc<str>> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let name: Arc<str> = if item.is_null() {
            index.to_string().into()
        } else {
            let text = key.eval_text(for_item(frame, map, item, index)).map_err(|e| failed("key", e))?;
            String::from_utf8_lossy(&text).into()
        };
        if name.is_empty() || name.contains([']', '[', '\n']) {
            return Err(refused(
                format!("the `key` of item {index} is `{name}`: a key is not empty and has no bracket and no line end"),
                None,
            ));
        }
        if let Some(before) = seen.insert(name.clone(), index) {
            return Err(refused(
                format!("items {before} and {index} have the same `key`, `{name}`"),
                Some("add something to `key` that tells them apart".into()),
            ));
        }
        keys.push(name);
    }
    Ok(keys)
}

fn failed(place: &str, error: EvalError) -> Failure {
    refused(format!("`{place}`: {}", error.message), error.help)
}

fn source(source: &Source, frame: &Frame, project: &Path) -> Result<Vec<Value>, Failure> {
    let items = match source {
        Source::Value(shape) => match shape.eval(frame).map_err(|e| failed("over", e))? {
            Value::List(items) => Arc::unwrap_or_clone(items),
            other => {
                return Err(refused(
                    format!("`over` must give a list, and gave a {}", other.kind()),
                    Some("put it in brackets, `over = [\"{{ x }}\"]`, if it is the only item".into()),
                ));
            }
        },
        Source::Range(bounds) => range(bounds, frame)?,
        Source::Glob(template) => {
            let pattern = template.eval_pattern(frame).map_err(|e| failed("over.glob", e))?;
            let found = glob::expand(project, &pattern).map_err(|e| refused(format!("`over.glob`: {e}"), None))?;
            found.iter().map(|path| Value::from_bytes(path)).collect()
        }
        Source::Lines(path) => lines(&file(path, "lines", frame, project)?)?,
        Source::Jsonl(path) => jsonl(&file(path, "jsonl", frame, project)?)?,
        Source::Csv(path) => table(&file(path, "csv", frame, project)?, b',')?,
        Source::Tsv(path) => table(&file(path, "tsv", frame, project)?, b'\t')?,
        Source::Product(axes) => product(&axes_of(axes, frame, project)?)?,
        Source::Zip(axes) => zip(&axes_of(axes, frame, project)?)?,
    };
    if items.len() > MOST_ITEMS {
        return Err(refused(format!("the list has {} items; a map takes {MOST_ITEMS} at most", items.len()), None));
    }
    Ok(items)
}

fn range(bounds: &[Shape], frame: &Frame) -> Result<Vec<Value>, Failure> {
    let mut numbers = Vec::with_capacity(bounds.len());
    for bound in bounds {
        match bound.eval(frame).map_err(|e| failed("over.range", e))? {
            Value::Int(n) => numbers.push(n),
            other => return Err(refused(format!("`over.range` takes whole numbers, not {}", other.to_json()), None)),
        }
    }
    let (from, to, step) = match *numbers.as_slice() {
        [from, to] => (from, to, 1),
        [from, to, step] => (from, to, step),
        _ => return Err(refused("`over.range` is `[from, to]` or `[from, to, step]`".into(), None)),
    };
    if step == 0 {
        return Err(refused("the step of `over.range` must not be 0".into(), None));
    }
    let span = if step > 0 { to.saturating_sub(from) } else { from.saturating_sub(to) };
    let count = if span <= 0 { 0 } else { (span - 1) / step.saturating_abs() + 1 };
    if count as u64 > MOST_ITEMS as u64 {
        return Err(refused(format!("the range has {count} items; a map takes {MOST_ITEMS} at most"), None));
    }
    Ok((0..count).map(|i| Value::Int(from + i * step)).collect())
}

struct Named {
    shown: String,
    path: PathBuf,
}

fn file(template: &Template, kind: &str, frame: &Frame, project: &Path) -> Result<Named, Failure> {
    let text = template.eval_text(frame).map_err(|e| failed(&format!("over.{kind}"), e))?;
    let shown = String::from_utf8_lossy(&text).into_owned();
    Ok(Named { path: project.join(OsStr::from_bytes(&text)), shown })
}

impl Named {
    fn open(&self) -> Result<BufReader<std::fs::File>, Failure> {
        let unreadable = |error| refused(format!("cannot read the list {}: {error}", self.shown), None);
        let file = std::fs::File::open(&self.path).map_err(unreadable)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        // A byte order mark is no part of the first name.
        if reader.fill_buf().map_err(unreadable)?.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        Ok(reader)
    }
    fn wrong(&self, line: u64, what: impl std::fmt::Display) -> Failure {
        refused(format!("{}, line {line}: {what}", self.shown), None)
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
            items.push(serde_json::from_slice(&line).map_err(|e| file.wrong(i as u64 + 1, e))?);
        }
    }
    Ok(items)
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
                format_args!("{len} cells, but the first line names {expected_len} columns"),
            ),
            _ => file.wrong(position(&e), &e),
        })?;
        items.push(Value::map(names.iter().cloned().zip(record.iter().map(Value::from_bytes)).collect()));
    }
    Ok(items)
}

type Axes = Vec<(Arc<str>, Vec<Value>)>;

fn axes_of(axes: &[(Arc<str>, Source)], frame: &Frame, project: &Path) -> Result<Axes, Failure> {
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

/// Answers `Effect::Record`: the record of each item of a map that names its results; null for a null item.
pub fn record(map: &Map, rows: Vec<Option<Values>>) -> Result<Vec<Value>, Failure> {
    let one = |row: Option<Values>| {
        let Some(values) = row else { return Ok(Value::Null) };
        let frame = Frame::new(&map.output_names, values);
        let field = |(name, shape): &(Arc<str>, Shape)| {
            let value = shape.eval(&frame).map_err(|e| failed(&format!("outputs.{name}"), e))?;
            Ok((name.clone(), value))
        };
        Ok(Value::map(map.outputs.iter().map(field).collect::<Result<_, Failure>>()?))
    };
    rows.into_iter().map(one).collect()
}
