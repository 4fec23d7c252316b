//! What is cached and where it comes from, what is wrong with it, what goes: `cache` and `runs rm`.

use super::forecast;
use super::json::line;
use crate::base::paint::Paint;
use crate::base::text::{count, elapsed, size};
use crate::base::{Value, human};
use crate::event::{Artifact, Produced};
use crate::port::forecast::Reason;
use crate::port::keeping::{Accepted, Because, Collected, FileState, InPlace, RunsRemoved, Shown, Verified, Wrong};
use crate::port::{Entry, Listed, Made};
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::sync::Arc;

/// Names that are written out where many share a line.
const NAMES: usize = 3;

/// `cache ls` for people: an entry a line. `some`: not all were asked for.
pub fn list(entries: &[Listed], some: bool, zone: &TimeZone, paint: Paint) -> String {
    if entries.is_empty() {
        return if some { "nothing that is cached fits\n" } else { "nothing is cached\n" }.to_owned();
    }
    let several = entries.iter().any(|entry| entry.pipeline != entries[0].pipeline);
    let projects = entries.iter().any(|entry| entry.project != entries[0].project);
    let users = entries.iter().map(|entry| human::plain(&entry.made.user).chars().count()).max().unwrap_or(0).max(4);
    let mut text = String::new();
    let head = format!("{:<12}  {:<23}  {:>4}  {:<users$}  {:>8}  instance", "key", "made", "run", "user", "size");
    let _ = writeln!(text, "{}", paint.bold(head));
    for entry in entries {
        let bytes: Option<u64> = artifacts(&entry.results).map(|(.., bytes)| bytes).reduce(|a, b| a + b);
        let user = human::plain(&entry.made.user);
        let of = if several { format!(" of {}", human::plain(&entry.pipeline)) } else { String::new() };
        let made_in = match &*entry.project {
            "" => String::new(),
            folder if projects => paint.dim(format!(" in {}", human::plain(folder))),
            _ => String::new(),
        };
        let older = if entry.newer > 0 { paint.dim(" (older)") } else { String::new() };
        let _ = writeln!(
            text,
            "{}  {}  {:>4}  {user:<users$}  {:>8}  {}{of}{older}{made_in}",
            entry.key.short(),
            human::moment(entry.made.at, zone),
            entry.made.run,
            bytes.map(size).unwrap_or_default(),
            human::plain(&entry.instance),
        );
    }
    text
}

/// `cache ls --output json`.
pub fn list_json(entries: &[Listed]) -> String {
    let entries: Vec<Json> = entries.iter().map(listed).collect();
    line(&json!({ "entries": entries }))
}

fn listed(entry: &Listed) -> Json {
    json!({
        "key": entry.key, "pipeline": entry.pipeline, "node": entry.node, "instance": entry.instance,
        "project": known(&entry.project), "newest": entry.newer == 0, "size": artifacts(&entry.results).map(|(.., bytes)| bytes).sum::<u64>(),
        "made": made(&entry.made),
    })
}

/// A folder, or null where it is not known.
fn known(folder: &str) -> Option<&str> {
    Some(folder).filter(|folder| !folder.is_empty())
}

fn made(made: &Made) -> Json {
    json!({
        "run": made.run, "at": made.at, "host": made.host, "user": made.user, "version": made.version,
        "wall_s": made.wall_us as f64 / 1e6,
    })
}

fn artifacts(results: &[Produced]) -> impl Iterator<Item = (&Value, String, u64)> {
    results.iter().flat_map(Produced::artifacts).map(|file| (file.path, file.digest.short(), file.size))
}

/// `cache show` for people.
pub fn show(entries: &[Shown], zone: &TimeZone, paint: Paint) -> String {
    let mut text = String::new();
    for Shown { entry, project, files } in entries {
        let mut states = files.iter();
        if !text.is_empty() {
            text.push('\n');
        }
        let name = paint.bold(human::plain(&entry.instance));
        let _ = writeln!(text, "{name} of {}", human::plain(&entry.pipeline));
        let _ = writeln!(text, "  key {}", entry.key);
        let by = |name: &str| if name.is_empty() { "?".to_owned() } else { human::plain(name).into_owned() };
        let made = &entry.made;
        let _ = writeln!(
            text,
            "  made by {} on host {} at {} in {}\n  in run {}{} by flowrun {}",
            by(&made.user),
            by(&made.host),
            human::moment(made.at, zone),
            elapsed(made.wall_us / 1000),
            made.run,
            known(project).map(|folder| format!(" of {}", human::plain(folder))).unwrap_or_default(),
            by(&made.version)
        );
        if !entry.results.is_empty() {
            text.push_str("  it gave\n");
        }
        for (name, produced) in names(entry).iter().zip(entry.results.iter()) {
            let shown = match produced {
                Produced::Value(value) => value.to_json(),
                Produced::Files(files) if files.is_empty() => "no file".to_owned(),
                files => files.artifacts().map(|file| shown_file(file, states.next())).collect::<Vec<_>>().join(", "),
            };
            let _ = writeln!(text, "    {}: {}", human::plain(name), human::plain(&shown));
        }
        let components = || entry.fixed.iter().chain(&entry.own);
        if components().next().is_some() {
            text.push_str("  its key is made of\n");
        }
        for component in components() {
            let head = format!("    {}: ", human::plain(&component.name));
            text.push_str(&head);
            forecast::value(&mut text, &component.text, head.chars().count(), 6);
        }
    }
    text
}

fn shown_file(file: Artifact<'_>, state: Option<&FileState>) -> String {
    let folder = if file.dir { "folder, " } else { "" };
    let path = file.path.as_str().map_or_else(|| file.path.to_json(), str::to_owned);
    let place = state.map_or("", |state| match (state.place, state.kept) {
        (InPlace::Whole, true) => ", in place and kept",
        (InPlace::Whole, false) => ", in place, not kept",
        (InPlace::Changed, true) => ", changed in place, kept",
        (InPlace::Changed, false) => ", changed in place, not kept",
        (InPlace::Missing, true) => ", not in place, kept",
        (InPlace::Missing, false) => ", neither in place nor kept",
    });
    format!("{path} ({folder}{}, {}{place})", size(file.size), file.digest.short())
}

/// The names of the outputs, which stand in the key; a number where they are not known.
fn names(entry: &Entry) -> Vec<String> {
    let mut names: Vec<String> =
        entry.fixed.iter().filter_map(|c| c.name.strip_prefix("output ")).map(str::to_owned).collect();
    while names.len() < entry.results.len() {
        names.push(names.len().to_string());
    }
    names
}

/// `cache show --output json`.
pub fn show_json(entries: &[Shown]) -> String {
    let entry = |Shown { entry, project, files }: &Shown| {
        let mut states = files.iter();
        let mut file = |file: Artifact<'_>| {
            let state = states.next();
            json!({
                "path": file.path, "digest": file.digest, "size": file.size, "dir": file.dir,
                "in_place": state.map(|state| state.place), "kept": state.map(|state| state.kept),
            })
        };
        let results: Vec<Json> = names(entry)
            .into_iter()
            .zip(entry.results.iter())
            .map(|(name, produced)| match produced {
                Produced::Value(value) => json!({ "name": name, "value": value }),
                Produced::Files(_) => {
                    json!({ "name": name, "files": produced.artifacts().map(&mut file).collect::<Vec<_>>() })
                }
                Produced::Artifact { .. } => {
                    let mut one = produced.artifacts().map(&mut file).next().unwrap_or_default();
                    one["name"] = json!(name);
                    one
                }
            })
            .collect();
        let components: Vec<_> = entry.fixed.iter().chain(&entry.own).collect();
        json!({
            "key": entry.key, "pipeline": entry.pipeline, "node": entry.node, "instance": entry.instance,
            "project": known(project), "made": made(&entry.made), "results": results, "components": components,
        })
    };
    line(&json!({ "entries": entries.iter().map(entry).collect::<Vec<_>>() }))
}

/// `cache verify` for people.
pub fn verified(told: &Verified, paint: Paint) -> String {
    let mut text = String::new();
    for (path, digest, instance, wrong) in &told.outputs_wrong {
        let (word, more) = said(wrong);
        let _ = writeln!(
            text,
            "{} {} of {}, recorded as {}{more}",
            paint.red(format!("{word:<8}")),
            human::plain(path),
            human::plain(instance),
            digest.short()
        );
    }
    for (digest, wrong) in &told.objects_wrong {
        let (word, more) = said(wrong);
        let _ = writeln!(text, "{} object {digest}{more}", paint.red(format!("{word:<8}")));
    }
    for live in &told.live {
        let _ = writeln!(text, "{live}: what it makes at this moment may look wrong");
    }
    let looked = [count(told.entries, "result"), count(told.outputs, "output"), count(told.objects, "object")];
    let wrong = (told.outputs_wrong.len() + told.objects_wrong.len()) as u64;
    let end = match wrong {
        0 => paint.green("all is whole"),
        n => paint.red(format!("{n} {} not as recorded", if n == 1 { "is" } else { "are" })),
    };
    let _ = writeln!(
        text,
        "{} were looked at: {end}",
        crate::base::text::and(looked.iter().map(String::as_str)).replace('`', "")
    );
    text
}

fn said(wrong: &Wrong) -> (&'static str, String) {
    let back = |kept: &bool| if *kept { "; the next run puts it back" } else { "; the next run makes it again" };
    match wrong {
        Wrong::Missing { kept } => ("missing", back(kept).to_owned()),
        Wrong::Other { found: Some(found), kept } => ("changed", format!(", is {}{}", found.short(), back(kept))),
        Wrong::Other { found: None, kept } => ("changed", format!(", cannot be read{}", back(kept))),
        Wrong::Damaged => ("damaged", ", set aside".to_owned()),
        Wrong::Incomplete => ("partial", ", a folder that lacks a file".to_owned()),
    }
}

/// `cache verify --output json`.
pub fn verified_json(told: &Verified) -> String {
    let word = |wrong: &Wrong| said(wrong).0;
    let kept = |wrong: &Wrong| matches!(wrong, Wrong::Missing { kept: true } | Wrong::Other { kept: true, .. });
    let outputs: Vec<Json> = told
        .outputs_wrong
        .iter()
        .map(|(path, digest, instance, wrong)| {
            let found = if let Wrong::Other { found, .. } = wrong { *found } else { None };
            json!({ "path": path, "instance": instance, "digest": digest, "is": word(wrong), "found": found,
                    "kept": kept(wrong) })
        })
        .collect();
    let objects: Vec<Json> =
        told.objects_wrong.iter().map(|(digest, wrong)| json!({ "digest": digest, "is": word(wrong) })).collect();
    line(&json!({
        "looked_at": { "entries": told.entries, "outputs": told.outputs, "objects": told.objects },
        "outputs": outputs, "objects": objects, "live": told.live,
    }))
}

fn because(because: Because) -> &'static str {
    match because {
        Because::Old => "last used too long ago",
        Because::Superseded => "newer ones are kept",
        Because::Unreachable => "no run that is kept has it",
        Because::Evicted => "its bytes go, and are nowhere else",
    }
}

/// `cache gc` for people.
pub fn collected(told: &Collected, zone: &TimeZone, paint: Paint) -> String {
    let mut text = String::new();
    let mut groups: Vec<(&str, &str, Because, Vec<&str>)> = Vec::new();
    for (entry, why) in &told.entries {
        match groups.iter_mut().find(|(p, n, w, _)| (*p, *n, *w) == (&*entry.pipeline, &*entry.node, *why)) {
            Some((.., names)) => names.push(&entry.instance),
            None => groups.push((&entry.pipeline, &entry.node, *why, vec![&entry.instance])),
        }
    }
    let several = groups.iter().any(|(pipeline, ..)| *pipeline != groups[0].0);
    for (pipeline, node, why, names) in groups {
        let of = if several { format!(" of {}", human::plain(pipeline)) } else { String::new() };
        let what = match names.as_slice() {
            [one] => human::plain(one).into_owned(),
            more => {
                let mut shown: Vec<_> = more.iter().take(NAMES).map(|name| human::plain(name)).collect();
                shown.dedup();
                let rest = if more.len() > NAMES { ", …" } else { "" };
                format!("{} {} ({}{rest})", human::plain(node), more.len(), shown.join(", "))
            }
        };
        let _ = writeln!(text, "{what}{of}: {}", because(why));
    }
    let users = |text: &mut String, users: &[(String, u64)]| {
        for (name, used) in users {
            let _ = writeln!(text, "  {}, last here {}", human::plain(name), human::moment(*used, zone));
        }
    };
    if told.foreign.0 > 0 {
        let _ = writeln!(text, "{} ({}) kept for others:", count(told.foreign.0, "object"), size(told.foreign.1));
        users(&mut text, &told.others);
    }
    if !told.idle.is_empty() {
        text.push_str("nothing is kept any more for\n");
        users(&mut text, &told.idle);
    }
    notes(&mut text, &told.notes);
    let word = if told.dry { paint.yellow("would remove") } else { "removed".to_owned() };
    let left = if told.leftovers > 0 { format!(", {}", count(told.leftovers, "leftover")) } else { String::new() };
    let freed = if told.dry { "would be free" } else { "are free" };
    let _ = writeln!(
        text,
        "{word} {} of {}, {} of {}{left}; {} {freed}, {} of objects stay",
        told.entries.len(),
        count(told.of_entries, "result"),
        told.objects,
        count(told.of_objects, "object"),
        size(told.bytes),
        size(told.left)
    );
    text
}

fn notes(text: &mut String, notes: &[String]) {
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
}

/// `cache gc --output json`.
pub fn collected_json(told: &Collected) -> String {
    let entries: Vec<Json> = told
        .entries
        .iter()
        .map(|(entry, why)| {
            let mut entry = listed(entry);
            entry["because"] = json!(why);
            entry
        })
        .collect();
    let users = |users: &[(String, u64)]| -> Vec<Json> {
        users.iter().map(|(name, used)| json!({ "name": name, "used": used })).collect()
    };
    line(&json!({
        "kept_for_others": { "objects": told.foreign.0, "bytes": told.foreign.1, "users": users(&told.others) },
        "forgotten": users(&told.idle),
        "dry_run": told.dry, "entries": entries, "of_entries": told.of_entries, "objects": told.objects,
        "of_objects": told.of_objects, "leftovers": told.leftovers, "bytes": told.bytes, "left": told.left,
        "notes": told.notes,
    }))
}

/// `runs rm` for people.
pub fn removed(told: &RunsRemoved, zone: &TimeZone, paint: Paint) -> String {
    let mut text = String::new();
    for run in &told.runs {
        let began = run.began.map(|at| format!(", began {}", human::moment(at, zone))).unwrap_or_default();
        let file = if run.file.is_empty() { "?".into() } else { human::plain(&run.file) };
        let _ = writeln!(text, "run {} of {file}{began}: {}", run.run, size(run.bytes));
    }
    notes(&mut text, &told.notes);
    let word = if told.dry { paint.yellow("would remove") } else { "removed".to_owned() };
    let what = if told.logs { "the logs of " } else { "" };
    let bytes: u64 = told.runs.iter().map(|run| run.bytes).sum();
    let freed = if told.dry { "would be free" } else { "are free" };
    let _ = writeln!(text, "{word} {what}{} of {}; {} {freed}", told.runs.len(), count(told.of, "run"), size(bytes));
    text
}

/// `runs rm --output json`.
pub fn removed_json(told: &RunsRemoved) -> String {
    let runs: Vec<Json> = told
        .runs
        .iter()
        .map(|run| json!({ "run": run.run, "file": run.file, "began": run.began, "bytes": run.bytes }))
        .collect();
    line(&json!({ "dry_run": told.dry, "logs": told.logs, "runs": runs, "of": told.of, "notes": told.notes }))
}

/// `cache accept` for people.
pub fn accepted(told: &Accepted, paint: Paint) -> String {
    let mut text = String::new();
    let mut groups: Vec<(Vec<Reason>, Vec<&str>)> = Vec::new();
    for (entry, changed) in &told.entries {
        let reasons: Vec<Reason> = changed
            .iter()
            .map(|c| Reason { component: c.component.clone(), old: c.old.clone(), new: c.new.clone() })
            .collect();
        match groups.iter_mut().find(|(known, _)| *known == reasons) {
            Some((_, names)) => names.push(&entry.instance),
            None => groups.push((reasons, vec![&entry.instance])),
        }
    }
    for (reasons, names) in groups {
        let _ = writeln!(text, "{}: {}", paint.green(if told.dry { "acceptable" } else { "accepted" }), some(&names));
        forecast::reasons(&mut text, &reasons, "  ", paint);
    }
    let mut refused: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, why) in &told.refused {
        match refused.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) => names.push(name),
            None => refused.push((why, vec![name])),
        }
    }
    for (why, names) in refused {
        let _ = writeln!(text, "{}: {}: {}", paint.red("not accepted"), some(&names), human::plain(why));
    }
    for node in &told.unknown {
        let _ =
            writeln!(text, "{}: {} waits for something that must run", paint.yellow("not known"), human::plain(node));
    }
    if text.is_empty() {
        text.push_str("nothing is to be accepted: all of it is cached\n");
    }
    text
}

fn some(names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(NAMES).map(|name| human::plain(name)).collect();
    let rest = names.len().saturating_sub(NAMES);
    if rest > 0 { format!("{} and {rest} more", shown.join(", ")) } else { shown.join(", ") }
}

/// `cache accept --output json`.
pub fn accepted_json(told: &Accepted) -> String {
    let accepted: Vec<Json> = told
        .entries
        .iter()
        .map(|(entry, changed)| json!({ "instance": entry.instance, "key": entry.key, "changed": changed }))
        .collect();
    let refused: Vec<Json> =
        told.refused.iter().map(|(name, why)| json!({ "instance": name, "reason": why })).collect();
    let unknown: &[Arc<str>] = &told.unknown;
    line(&json!({ "dry_run": told.dry, "accepted": accepted, "refused": refused, "unknown": unknown }))
}
