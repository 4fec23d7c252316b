//! Declared files and directories: made ready before an attempt, put in place after it, or everything as it was.
//!
//! Three names in one folder: the declared `NAME`, the staged `.part.NAME`, and `.kept.NAME`, where what stood at the
//! declared path waits. The order of steps makes a `kill -9` between any two of them harmless:
//!
//! ```text
//! prepare   remove .part   |  if .kept is there: an attempt was cut off: NAME := .kept
//!           note NAME in work/kept  |  NAME -> .kept  |  a directory: make .part
//! accept    .part -> NAME (all outputs)  |  remove .kept (all outputs)  |  report
//! undo      remove .part   |  if .kept is there: NAME := .kept, else remove NAME
//! ```
//!
//! As long as `.kept` is there it is the truth, and once it is gone `NAME` is. Nothing is reported before that.

use super::ensure::ensure;
use super::matched::{Area, Group};
use crate::base::Value;
use crate::base::digest::Stat;
use crate::base::pattern::Split;
use crate::base::text::quote;
use crate::event::{Cause, Failure, Produced};
use crate::lang::outputs::Demand;
use crate::port::{Job, JobOutputKind, kept_path, staged_path};
use crate::sys::content::{Content, digest_path, is_executable, stat_of};
use crate::sys::fault::{At, Fault, Result};
use rustix::fs::FlockOperation;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The longest name that leaves room for `.part.`.
const LONGEST_NAME: usize = 255 - 6;

/// The folder in a project that is not a task's.
pub const STATE: &str = ".flowrun";

/// Notes of what is moved aside, so that a later process can put it back: `work/kept`, paths that end with NUL. Of the
/// files of a pattern it is the folder, after a `*`, and then the pattern below it. They are locked as long as the
/// executor that writes them lives.
pub struct Notes(File, PathBuf);

impl Notes {
    /// In the run's `work` folder.
    pub fn open(work: &Path) -> Result<Self> {
        let path = work.join("kept");
        let file = File::options().append(true).create(true).open(&path).at("write", &path)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).at("lock", &path)?;
        Ok(Self(file, path))
    }
    fn add(&self, last: &Path) -> Result<()> {
        (&self.0).write_all(&[last.as_os_str().as_bytes(), b"\0"].concat()).at("write", &self.1)
    }
    /// Of files that match a pattern below a folder.
    pub fn add_files(&self, folder: &Path, rest: &[u8]) -> Result<()> {
        (&self.0).write_all(&[b"*", folder.as_os_str().as_bytes(), b"\0", rest, b"\0"].concat()).at("write", &self.1)
    }
}

/// Puts back what a run that was cut off had moved aside, of this run and of those beside it: the one that continues
/// is another one when the pipeline file has changed. Runs that live are left alone. To be called before outputs are
/// looked at.
pub fn recover(run_dir: &Path) -> Result<()> {
    recover_run(run_dir)?;
    let is_run = |path: &Path| path.file_name().is_some_and(|n| n.as_bytes().iter().all(u8::is_ascii_digit));
    let beside = run_dir.parent().filter(|_| is_run(run_dir)).map(fs::read_dir);
    let Some(Ok(beside)) = beside else { return Ok(()) };
    beside
        .flatten()
        .map(|e| e.path())
        .filter(|path| is_run(path) && path != run_dir)
        .try_for_each(|path| recover_run(&path))
}

fn recover_run(run_dir: &Path) -> Result<()> {
    recover_work(&run_dir.join("work"))
}

/// Puts back what an executor that was cut off had moved aside, by its scratch folder.
pub fn recover_work(work: &Path) -> Result<()> {
    let notes = work.join("kept");
    let mut file = match File::open(&notes) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Fault::io("read", &notes, &error)),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(()),
        other => other.at("lock", &notes)?,
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).at("read", &notes)?;
    let mut entries = text.split(|&b| b == 0).filter(|path| !path.is_empty());
    while let Some(path) = entries.next() {
        if let [b'*', folder @ ..] = path {
            // A note that was cut off came before anything was moved.
            let Some(rest) = entries.next() else { break };
            let split = Split { folder: folder.to_vec(), rest: rest.to_vec() };
            Area::new(Path::new("/"), &split).clear()?;
            continue;
        }
        let kept = kept_path(path);
        put_back(Path::new(OsStr::from_bytes(&kept)), Path::new(OsStr::from_bytes(path)))?;
    }
    remove(&notes)
}

/// One declared file or directory of an attempt.
struct Place<'a> {
    /// Position among the outputs.
    output: usize,
    name: &'a str,
    /// As declared.
    declared: &'a [u8],
    last: PathBuf,
    part: PathBuf,
    kept: PathBuf,
    dir: bool,
    demand: &'a Demand,
}

/// The declared files and directories of an attempt that is at work.
pub struct Staged<'a> {
    places: Vec<Place<'a>>,
    groups: Vec<Group<'a>>,
}

/// An output that is in place: its position among the outputs, what it is, and the stats of its files.
type Accepted = (usize, Produced, Vec<Option<Stat>>);

impl<'a> Staged<'a> {
    /// Makes everything ready. On an error nothing is changed but for folders that were made.
    pub fn prepare(job: &'a Job, notes: &Notes) -> std::result::Result<Self, Failure> {
        let mut staged = Self { places: Vec::new(), groups: Vec::new() };
        let mut groups = Vec::new();
        for (output, declared) in job.outputs.iter().enumerate() {
            let (path, dir) = match &declared.kind {
                JobOutputKind::File(path) => (path, false),
                JobOutputKind::Dir(path) => (path, true),
                JobOutputKind::Files(pattern) => {
                    groups.push(Group::new(&job.project, output, &declared.name, pattern, &declared.demand));
                    continue;
                }
                JobOutputKind::Value(_) | JobOutputKind::Stdout(_) => continue,
            };
            let full = job.project.join(OsStr::from_bytes(path));
            let bytes = full.as_os_str().as_bytes();
            let at = |bytes: Vec<u8>| PathBuf::from(std::ffi::OsString::from(OsStr::from_bytes(&bytes)));
            staged.places.push(Place {
                output,
                name: &declared.name,
                declared: path,
                part: at(staged_path(bytes)),
                kept: at(kept_path(bytes)),
                last: full,
                dir,
                demand: &declared.demand,
            });
        }
        for i in 0..staged.places.len() {
            if let Err(failure) = staged.places[i].prepare(&job.project, notes) {
                // The one that failed has undone its own steps; what stands at its path is not this attempt's.
                staged.places.truncate(i);
                staged.undo();
                return Err(failure);
            }
        }
        for group in groups {
            if let Err(failure) = group.prepare(&job.project, notes) {
                staged.undo();
                return Err(failure);
            }
            staged.groups.push(group);
        }
        Ok(staged)
    }

    /// Checks, digests and puts in place all files. On an error nothing was put in place.
    pub fn accept(&self) -> std::result::Result<Vec<Accepted>, Failure> {
        self.all_there()?;
        let mut found = Vec::new();
        for place in &self.places {
            let Some(source) = place.source()? else { continue };
            let content = place.digest(&source)?;
            ensure(place.demand, (place.name, &place.shown()), &source, &content)?;
            found.push((place, source, content));
        }
        let groups = self.groups.iter().map(|group| Ok((group, group.look()?)));
        let groups = groups.collect::<std::result::Result<Vec<_>, Failure>>()?;
        for (place, source, _) in &found {
            if *source == place.part {
                fs::rename(source, &place.last).at("put into place", &place.last).map_err(|e| place.broken(&e))?;
            }
        }
        groups.iter().try_for_each(|(group, taken)| group.put(taken))?;
        for place in &self.places {
            place.forget_kept().map_err(|e| place.broken(&e))?;
        }
        groups.iter().try_for_each(|(group, _)| group.forget_kept())?;

        let none = |place: &&Place| !found.iter().any(|(there, ..)| there.output == place.output);
        let none = self.places.iter().filter(none);
        let mut accepted: Vec<Accepted> =
            none.map(|place| (place.output, Produced::Value(Value::Null), Vec::new())).collect();
        for (place, _, content) in found {
            let (stat, exec) = if place.dir {
                (None, false)
            } else {
                let meta = fs::metadata(&place.last).at("look at", &place.last).map_err(|e| place.broken(&e))?;
                (Some(stat_of(&meta)), is_executable(&meta))
            };
            let path = Value::from_bytes(place.declared);
            let Content { digest, size, dir, .. } = content;
            accepted.push((place.output, Produced::Artifact { path, digest, size, dir, exec }, vec![stat]));
        }
        for (group, taken) in groups {
            let (produced, stats) = group.produced(taken)?;
            accepted.push((group.output, produced, stats));
        }
        accepted.sort_unstable_by_key(|(output, ..)| *output);
        Ok(accepted)
    }

    /// Whether everything was written that must be.
    fn all_there(&self) -> std::result::Result<(), Failure> {
        let lacks = |p: &&Place| !p.demand.optional && p.found() == Found::Neither;
        let lacking: Vec<&Place> = self.places.iter().filter(lacks).collect();
        if let [first, rest @ ..] = lacking.as_slice() {
            let names = crate::base::text::and(lacking.iter().map(|p| p.name));
            let message = match rest.len() {
                0 => format!("the output `{}` was not written: {} is not there", first.name, first.shown()),
                _ => format!("the outputs {names} were not written: {} is not there", first.shown()),
            };
            return Err(missing(message, format!("the command must write it to `{{{{ outputs.{} }}}}`", first.name)));
        }
        self.groups.iter().find_map(Group::is_missing).map_or(Ok(()), Err)
    }

    /// After a failure: nothing of the attempt stays, what was there before stands again.
    pub fn undo(&self) {
        for place in &self.places {
            // What cannot be undone now is undone before the next attempt.
            let _ = remove(&place.part);
            if let Ok(false) = put_back(&place.kept, &place.last) {
                let _ = remove(&place.last);
            }
        }
        self.groups.iter().for_each(Group::undo);
    }
}

/// What an attempt has left.
#[derive(PartialEq, Eq)]
enum Found {
    Part,
    Last,
    Both,
    Neither,
}

impl Place<'_> {
    /// Makes it ready, or leaves everything as it was.
    fn prepare(&self, project: &Path, notes: &Notes) -> std::result::Result<(), Failure> {
        let cannot = |e: Fault| prepare_failure(format!("the output `{}`: {e}", self.name), e.help);
        let Some(name) = self.last.file_name() else {
            let message = format!("the output `{}`: {} names no file", self.name, self.shown());
            return Err(prepare_failure(message, None));
        };
        if name.len() > LONGEST_NAME {
            let message = format!("the output `{}`: the name of {} is too long", self.name, self.shown());
            return Err(prepare_failure(message, Some(format!("{LONGEST_NAME} bytes are possible"))));
        }
        let folder = self.last.parent().unwrap_or(Path::new("/"));
        if !folder.is_dir() {
            crate::sys::durable::make_folders(folder).map_err(cannot)?;
        }
        if is_there(&self.last) || is_there(&self.kept) {
            self.is_a_tasks(project)?;
        }
        remove(&self.part).map_err(cannot)?;
        put_back(&self.kept, &self.last).map_err(cannot)?;
        if let Ok(found) = fs::symlink_metadata(&self.last) {
            self.is_as_declared(&found.file_type())?;
            notes.add(&self.last).map_err(cannot)?;
            fs::rename(&self.last, &self.kept).at("move aside", &self.last).map_err(cannot)?;
        }
        if self.dir
            && let Err(fault) = fs::create_dir(&self.part).at("make the folder", &self.part)
        {
            put_back(&self.kept, &self.last).map_err(cannot)?;
            return Err(cannot(fault));
        }
        Ok(())
    }

    /// Whether the declared path is one that a task may replace: neither the project itself nor flowrun's own.
    fn is_a_tasks(&self, project: &Path) -> std::result::Result<(), Failure> {
        // As the file system sees it, so that no link leads around this.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let (folder, project) = (real(self.last.parent().unwrap_or(Path::new("/"))), real(project));
        let last = folder.join(self.last.file_name().unwrap_or_default());
        let what = if project.starts_with(&last) {
            "in which the project lies"
        } else if last.starts_with(project.join(STATE)) {
            "which is flowrun's own"
        } else {
            return Ok(());
        };
        let message = format!("the output `{}` would replace {}, {what}", self.name, self.shown());
        Err(prepare_failure(message, Some("give it a path of its own".into())))
    }

    /// Whether what stands at the declared path is of the kind that is declared: another kind was made by somebody else.
    fn is_as_declared(&self, found: &fs::FileType) -> std::result::Result<(), Failure> {
        let (is, declared) = match self.dir {
            true if found.is_file() => ("file", "directory"),
            false if found.is_dir() => ("directory", "file"),
            _ => return Ok(()),
        };
        let (name, shown) = (self.name, self.shown());
        let message = format!("the output `{name}` is declared as a {declared}, and {shown} is a {is}");
        Err(prepare_failure(message, Some(format!("remove {shown} if nobody needs it, or declare another path"))))
    }

    fn found(&self) -> Found {
        let part = if self.dir {
            // It was made for the command; empty, it is a result only when the command made none itself.
            let empty = fs::read_dir(&self.part).is_ok_and(|mut entries| entries.next().is_none());
            is_there(&self.part) && !(empty && is_there(&self.last))
        } else {
            is_there(&self.part)
        };
        match (part, is_there(&self.last)) {
            (true, true) => Found::Both,
            (true, false) => Found::Part,
            (false, true) => Found::Last,
            (false, false) => Found::Neither,
        }
    }

    /// Where the result is; `None`: nowhere, and it need not be.
    fn source(&self) -> std::result::Result<Option<PathBuf>, Failure> {
        let path = match self.found() {
            Found::Part => &self.part,
            Found::Last => {
                remove(&self.part).map_err(|e| self.broken(&e))?;
                &self.last
            }
            Found::Neither => return Ok(None),
            Found::Both => {
                let staged = quote(&String::from_utf8_lossy(&staged_path(self.declared)));
                let (name, shown) = (self.name, self.shown());
                return Err(invalid(
                    format!("the output `{name}` was written twice: {shown} and {staged} are both there"),
                    Some(format!("write only to `{{{{ outputs.{name} }}}}`")),
                ));
            }
        };
        let invalid = |what: &str, help| invalid(format!("the output `{}`: {} {what}", self.name, self.shown()), help);
        let name = self.name;
        match fs::metadata(path) {
            Ok(m) if m.is_dir() == self.dir && (m.is_dir() || m.is_file()) => Ok(Some(path.clone())),
            Ok(m) if m.is_dir() => {
                let help = format!("declare it as `outputs.{name} = {{ dir = … }}`");
                Err(invalid("is a directory, not a file", Some(help)))
            }
            Ok(m) if m.is_file() => {
                let help = format!("declare it as `outputs.{name} = {{ file = … }}`");
                Err(invalid("is a file, not a directory", Some(help)))
            }
            Ok(_) => Err(invalid("is neither a file nor a directory", None)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(invalid("is a link to nothing", None)),
            Err(e) => Err(self.broken(&Fault::io("look at", path, &e))),
        }
    }

    fn digest(&self, source: &Path) -> std::result::Result<Content, Failure> {
        digest_path(source).map_err(|e| self.broken(&e))
    }

    fn forget_kept(&self) -> Result<()> {
        match fs::remove_file(&self.kept) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other.at("remove", &self.kept),
        }
        // A directory that is half removed must not look like one that is kept.
        fs::rename(&self.kept, &self.part).at("move aside", &self.kept)?;
        remove(&self.part)
    }

    fn shown(&self) -> String {
        quote(&String::from_utf8_lossy(self.declared))
    }

    fn broken(&self, fault: &Fault) -> Failure {
        invalid(format!("the output `{}`: {fault}", self.name), fault.help.clone())
    }
}

pub fn missing(message: String, help: String) -> Failure {
    Failure { cause: Cause::OutputMissing, message: message.into(), help: Some(help.into()) }
}

pub fn invalid(message: String, help: Option<String>) -> Failure {
    Failure { cause: Cause::OutputInvalid, message: message.into(), help: help.map(Into::into) }
}

pub fn prepare_failure(message: String, help: Option<String>) -> Failure {
    Failure { cause: Cause::Prepare, message: message.into(), help: help.map(Into::into) }
}

pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// If `kept` is there it becomes `last`, whatever stands there; says whether it was.
fn put_back(kept: &Path, last: &Path) -> Result<bool> {
    if !is_there(kept) {
        return Ok(false);
    }
    remove(last)?;
    fs::rename(kept, last).at("put back", last)?;
    Ok(true)
}

/// Removes whatever stands there; nothing is fine too.
pub fn remove(path: &Path) -> Result<()> {
    let error = match fs::remove_file(path) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        io::ErrorKind::IsADirectory => fs::remove_dir_all(path).at("remove", path),
        _ => Err(Fault::io("remove", path, &error)),
    }
}
