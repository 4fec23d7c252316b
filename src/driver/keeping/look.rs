//! `cache ls`, `show` and `verify`: what is there, where it comes from, and whether it is whole.

use super::super::load::load;
use super::super::{Error, OpenStore, Params};
use super::{Keeper, Locks, now};
use crate::base::text::quote;
use crate::base::{Digest, human};
use crate::event::{Artifact, Produced};
use crate::lang::outputs::Keep;
use crate::plan::{Node, NodeKind};
use crate::port::keeping::{FileState, InPlace, LsAsk, Shown, Verified, Where, Wrong};
use crate::port::{Access, Entry, Listed, kept_path};
use crate::store::artifacts::{Artifacts, Condition, Object};
use crate::sys::content::digest_path;
use rustc_hash::{FxHashMap, FxHashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The digits of a key that a word must have at least, to be one.
const DIGITS: usize = 8;

/// The entries that are asked for.
pub fn list(place: &Where, open: &OpenStore, ask: &LsAsk) -> Result<Vec<Listed>, Error> {
    let mut keeper = Keeper::open(place, open, Access::Read)?;
    let mut all = Vec::new();
    let Keeper { store, pipeline, .. } = &mut keeper;
    let now = now();
    let meant = |entry: &Listed| {
        let below = |whole: &str, name: &str| {
            whole.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        let named = |name: &String| below(&entry.node, name) || below(&entry.instance, name);
        let bytes = || entry.results.iter().flat_map(Produced::artifacts).map(|file| file.size).sum::<u64>();
        let ago = now.saturating_sub(entry.made.at);
        pipeline.as_deref().is_none_or(|name| *name == *entry.pipeline)
            && (ask.older || entry.newer == 0)
            && (ask.nodes.is_empty() || ask.nodes.iter().any(named))
            && ask.project.as_ref().is_none_or(|folder| *folder == Path::new(&*entry.project))
            && ask.older_than.is_none_or(|age| ago > age)
            && ask.newer_than.is_none_or(|age| ago <= age)
            && ask.min_size.is_none_or(|least| bytes() >= least)
    };
    let each = &mut |entry| all.extend(meant(&entry).then_some(entry));
    if ask.all { store.list_all(each) } else { store.list(each) }.map_err(Error::Store)?;
    Ok(all)
}

/// The entries of a key, by its first digits, or the newest entry of an instance (one of each pipeline that has it).
pub fn show(place: &Where, open: &OpenStore, word: &str) -> Result<Vec<Shown>, Error> {
    let mut keeper = Keeper::open(place, open, Access::Read)?;
    let mut found = Vec::new();
    if word.len() >= DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        found = keeper.store.find(word).map_err(Error::Store)?;
        if let Some(other) = found.iter().find(|entry| entry.key != found[0].key) {
            let keys = format!("`{}` and `{}`", cut(&found[0].key, &other.key), cut(&other.key, &found[0].key));
            let message = format!("more than one key begins with {}", quote(word));
            return Err(Error::Usage { message, help: Some(format!("give more digits: {keys} do")) });
        }
    }
    let Keeper { store, pipeline, .. } = &mut keeper;
    if found.is_empty() {
        let mut pipelines: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        let mut near: Vec<Arc<str>> = Vec::new();
        let each = &mut |entry: Listed| {
            if entry.newer > 0 || pipeline.as_deref().is_some_and(|name| *name != *entry.pipeline) {
                return;
            }
            match *entry.instance == *word {
                true => pipelines.push((entry.pipeline, entry.node)),
                false if near.len() < 10_000 => near.push(entry.instance),
                false => {}
            }
        };
        store.list(each).map_err(Error::Store)?;
        for (pipeline, node) in pipelines {
            found.extend(store.latest(&pipeline, &node, &[word.into()]).map_err(Error::Store)?.into_iter().flatten());
        }
        if found.is_empty() {
            let inside = near.iter().find(|name| human::node_of(name) == word);
            let is_short = word.len() < DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let help = match inside {
                None if is_short => {
                    Some(format!("of a key give {DIGITS} digits at least; `flowrun cache ls` lists what is cached"))
                }
                Some(inside) => Some(format!("name one of its instances, as in `{}`", human::shell_word(inside))),
                None => crate::base::text::did_you_mean(word, near.iter().map(|name| &**name))
                    .or_else(|| Some("`flowrun cache ls` lists what is cached".to_owned())),
            };
            return Err(Error::Usage { message: format!("nothing is cached for {}", quote(word)), help });
        }
    }
    let mut projects: FxHashMap<u64, Arc<str>> = FxHashMap::default();
    for run in keeper.store.all_runs(u32::MAX).map_err(Error::Store)? {
        projects.insert(run.row.run, run.project);
    }
    let shown = |entry: Entry| {
        let project = projects.get(&entry.made.run).cloned().unwrap_or_default();
        let files = entry.results.iter().flat_map(Produced::artifacts).map(|file| state_of(&keeper, file));
        let files = files.collect::<Result<_, Error>>()?;
        Ok(Shown { project, files, entry })
    };
    found.into_iter().map(shown).collect()
}

/// Reads an output in place and in the artifact folder.
fn state_of(keeper: &Keeper, file: Artifact<'_>) -> Result<FileState, Error> {
    let path = file.path.as_bytes().unwrap_or_default();
    let place = match found_at(&keeper.project, path) {
        None => InPlace::Missing,
        Some(found) if found == Some(file.digest) => InPlace::Whole,
        Some(_) => InPlace::Changed,
    };
    Ok(FileState { place, kept: keeper.artifacts.check(&file.digest)? == Condition::Whole })
}

/// The digest of what stands at the path of an output, `Some(None)` if it cannot be read; `None`: nothing does.
fn found_at(project: &Path, path: &[u8]) -> Option<Option<Digest>> {
    let full = project.join(OsStr::from_bytes(path));
    // While an attempt is at work, what stood there before waits beside it.
    let kept_aside = project.join(OsStr::from_bytes(&kept_path(path)));
    if full.symlink_metadata().is_err() && kept_aside.symlink_metadata().is_err() {
        return None;
    }
    Some(digest_path(&full).ok().map(|content| content.digest))
}

/// So many digits of a key that it cannot be taken for the other one.
fn cut(key: &Digest, other: &Digest) -> String {
    let (key, other) = (key.to_string(), other.to_string());
    let same = key.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    key[..(same + 1).max(12).min(key.len())].to_owned()
}

/// One thing to be read and compared.
enum Todo {
    Output { path: Vec<u8>, digest: Digest, instance: Arc<str> },
    Object(Object),
}

/// Of each node whether each of its outputs may have been let go, as far as the pipeline file can be read.
fn passing(place: &Where) -> FxHashMap<Arc<str>, Vec<bool>> {
    let Ok(loaded) = load(&place.pipeline, &Params::default(), false) else { return FxHashMap::default() };
    let outputs = |node: &Node| match &node.kind {
        NodeKind::Task(task) => {
            Some(task.outputs.iter().map(|output| output.keep == Keep::UntilConsumed).collect::<Vec<_>>())
        }
        _ => None,
    };
    loaded.plan.nodes.iter().filter_map(|(_, node)| Some((node.path.clone(), outputs(node)?))).collect()
}

/// Reads every output of every instance's newest entry, and every object of the artifact folder.
pub fn verify(place: &Where, open: &OpenStore) -> Result<Verified, Error> {
    let mut keeper = Keeper::open(place, open, Access::Read)?;
    let live = Locks::of(&keeper.home, false)?.live.into_iter().map(|live| live.words).collect();
    let mut told = Verified { live, ..Verified::default() };
    // Two instances may have given one path, a renamed one after the other: the later one's bytes stand there.
    let mut owners: FxHashMap<Vec<u8>, (u64, Digest, u64, Arc<str>)> = FxHashMap::default();
    let mut entries = 0;
    let passing = passing(place);
    let Keeper { store, pipeline, project, .. } = &mut keeper;
    store
        .list(&mut |entry| {
            if entry.newer > 0 || pipeline.as_deref().is_some_and(|name| *name != *entry.pipeline) {
                return;
            }
            entries += 1;
            let passing = passing.get(&entry.node);
            let each = entry.results.iter().enumerate().flat_map(|(i, one)| one.artifacts().map(move |file| (i, file)));
            for (i, Artifact { path, digest, .. }) in each {
                let path = path.as_bytes().unwrap_or_default().to_vec();
                if passing.is_some_and(|passing| passing.get(i) == Some(&true)) && found_at(project, &path).is_none() {
                    continue;
                }
                if owners.get(&path).is_none_or(|(at, ..)| *at <= entry.made.at) {
                    owners.insert(path, (entry.made.at, digest, entry.made.run, entry.instance.clone()));
                }
            }
        })
        .map_err(Error::Store)?;
    let elsewhere = made_elsewhere(&mut keeper)?;
    owners.retain(|path, (_, _, run, _)| {
        !elsewhere.contains(run) || keeper.project.join(OsStr::from_bytes(path)).symlink_metadata().is_ok()
    });
    let objects = keeper.artifacts.list()?;
    (told.entries, told.outputs, told.objects) = (entries, owners.len() as u64, objects.len() as u64);
    let mut todo: Vec<Todo> =
        owners.into_iter().map(|(path, (_, digest, _, instance))| Todo::Output { path, digest, instance }).collect();
    todo.extend(objects.into_iter().map(Todo::Object));

    let (project, artifacts) = (&*keeper.project, &keeper.artifacts);
    let told = Mutex::new(told);
    let queue = Mutex::new(todo.into_iter());
    let failed = Mutex::new(None);
    let threads = (crate::sys::cores() as usize).max(1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(todo) = next else { return };
                    if let Err(error) = look_at(project, artifacts, &told, todo) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        return;
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    told.outputs_wrong.sort_by(|a, b| a.0.cmp(&b.0));
    told.objects_wrong.sort_by_key(|(digest, _)| digest.0);
    Ok(told)
}

/// Runs of other projects, where the store mixes them: what they made is not missed here.
pub fn made_elsewhere(keeper: &mut Keeper) -> Result<FxHashSet<u64>, Error> {
    if !keeper.store.mixes_projects() {
        return Ok(FxHashSet::default());
    }
    Ok(keeper.runs_elsewhere()?.into_iter().map(|run| run.row.run).collect())
}

fn look_at(project: &Path, artifacts: &Artifacts, told: &Mutex<Verified>, todo: Todo) -> Result<(), Error> {
    match todo {
        Todo::Output { path, digest, instance } => {
            let found = found_at(project, &path);
            if found == Some(Some(digest)) {
                return Ok(());
            }
            let kept = artifacts.check(&digest)? == Condition::Whole;
            let wrong = match found {
                None => Wrong::Missing { kept },
                Some(found) => Wrong::Other { found, kept },
            };
            let shown = String::from_utf8_lossy(&path).into_owned();
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.outputs_wrong.push((shown, digest, instance, wrong));
        }
        Todo::Object(object) => {
            let wrong = match artifacts.verify(&object)? {
                Condition::Whole => return Ok(()),
                Condition::Damaged => Wrong::Damaged,
                // One that went since the folder was listed is no harm; a folder without one of its files is.
                Condition::Missing if object.dir => Wrong::Incomplete,
                Condition::Missing => return Ok(()),
            };
            told.lock().unwrap_or_else(PoisonError::into_inner).objects_wrong.push((object.digest, wrong));
        }
    }
    Ok(())
}
