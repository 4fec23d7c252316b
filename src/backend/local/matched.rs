//! The files of a pattern: made ready before an attempt, put in place after it, or everything as it was.
//!
//! The command writes them into a directory `.part.X` beside what the pattern's first wild card matches; `X` belongs to
//! the pattern. What matched before waits in `.kept.X`. Nothing of many files happens at once, so there is a third name,
//! `.back.X`, for files on their way between the two places, which are the old ones wherever they stand:
//!
//! ```text
//! prepare   remove .part   |  recover   |  note it in work/kept  |  old matches -> .back  |  .back -> .kept  |  make .part
//! accept    .part/* -> their places  |  .kept -> .part, remove .part  |  report
//! undo      remove .part   |  recover, or where there was no .kept remove what matches
//! recover   .kept: remove what matches, .kept -> .back  |  .back: its files to their places, remove .back
//! ```

use super::ensure::ensure;
use super::staging::{Notes, STATE, invalid, is_there, missing, prepare_failure, remove};
use crate::base::Value;
use crate::base::digest::Stat;
use crate::base::pattern::{self, Split, UNDER_WAY};
use crate::base::text::quote;
use crate::event::{Failure, Matched, Produced};
use crate::lang::outputs::Demand;
use crate::sys::content::{digest_path, is_executable, stat_of};
use crate::sys::durable::make_folders;
use crate::sys::fault::{At, Fault, FaultKind, Result};
use crate::sys::glob;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The places of one pattern.
pub struct Area {
    folder: PathBuf,
    rest: Vec<u8>,
    part: PathBuf,
    kept: PathBuf,
    back: PathBuf,
}

impl Area {
    /// Of a pattern in a folder, taken apart.
    pub fn new(base: &Path, split: &Split) -> Self {
        let folder = base.join(OsStr::from_bytes(&split.folder));
        let at = |prefix: &[u8]| folder.join(OsStr::from_bytes(&[prefix, split.name().as_slice()].concat()));
        Self {
            rest: split.rest.clone(),
            part: at(UNDER_WAY[0]),
            kept: at(UNDER_WAY[1]),
            back: at(UNDER_WAY[2]),
            folder,
        }
    }

    /// What matches in a folder: paths below it, sorted bytewise; folders do not count.
    fn matches(&self, folder: &Path) -> Result<Vec<Vec<u8>>> {
        glob::files(folder, &self.rest).map_err(|what| Fault::new(FaultKind::Other, what))
    }

    fn remove_matches(&self) -> Result<()> {
        self.matches(&self.folder)?.iter().try_for_each(|path| remove(&at(&self.folder, path)))
    }

    /// Moves these from one folder to another.
    fn carry(&self, paths: &[Vec<u8>], from: &Path, to: &Path) -> Result<()> {
        for path in paths {
            let (from, to) = (at(from, path), at(to, path));
            let folder = to.parent().unwrap_or(Path::new("/"));
            if !folder.is_dir() {
                make_folders(folder)?;
            }
            fs::rename(&from, &to).at("move", &from)?;
        }
        Ok(())
    }

    /// Removes what an attempt that was cut off has left, and puts back what stood there before.
    pub fn clear(&self) -> Result<()> {
        remove(&self.part)?;
        self.recover().map(drop)
    }

    /// If an attempt was cut off, what stood there before stands there again; says whether anything did.
    fn recover(&self) -> Result<bool> {
        let kept = is_there(&self.kept);
        if kept {
            self.remove_matches()?;
            fs::rename(&self.kept, &self.back).at("put back", &self.kept)?;
        }
        let back = is_there(&self.back);
        if back {
            self.carry(&self.matches(&self.back)?, &self.back, &self.folder)?;
            remove(&self.back)?;
        }
        Ok(kept || back)
    }
}

fn at(folder: &Path, path: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(path))
}

/// An output of several files, of an attempt that is at work.
pub struct Group<'a> {
    /// Position among the outputs.
    pub output: usize,
    name: &'a str,
    /// The pattern as declared.
    declared: &'a [u8],
    split: Split,
    area: Area,
    demand: &'a Demand,
}

/// What an attempt has left of a group, checked and digested.
pub struct Taken {
    staged: bool,
    files: Vec<(Vec<u8>, Matched)>,
}

impl<'a> Group<'a> {
    /// Of a declared pattern.
    pub fn new(project: &Path, output: usize, name: &'a str, declared: &'a [u8], demand: &'a Demand) -> Self {
        let split = pattern::split(declared);
        Self { output, name, declared, area: Area::new(project, &split), split, demand }
    }

    /// Makes it ready, or leaves everything as it was.
    pub fn prepare(&self, project: &Path, notes: &Notes) -> std::result::Result<(), Failure> {
        let area = &self.area;
        let cannot = |e: Fault| prepare_failure(format!("the output `{}`: {e}", self.name), e.help);
        if !area.folder.is_dir() {
            make_folders(&area.folder).map_err(cannot)?;
        }
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if real(&area.folder).starts_with(real(project).join(STATE)) {
            let message = format!("the output `{}` would replace {}, which is flowrun's own", self.name, self.shown());
            return Err(prepare_failure(message, Some("give it a path of its own".into())));
        }
        let ready = || {
            area.clear()?;
            let old = area.matches(&area.folder)?;
            if !old.is_empty() {
                notes.add_files(&area.folder, &area.rest)?;
                fs::create_dir(&area.back).at("make the folder", &area.back)?;
                area.carry(&old, &area.folder, &area.back)?;
                fs::rename(&area.back, &area.kept).at("move aside", &area.back)?;
            }
            fs::create_dir(&area.part).at("make the folder", &area.part)
        };
        ready().map_err(|fault| {
            // What cannot be put back now is before the next attempt.
            let _ = area.recover();
            cannot(fault)
        })
    }

    /// Whether nothing was made that had to be.
    pub fn is_missing(&self) -> Option<Failure> {
        let none = |folder: &Path| self.area.matches(folder).is_ok_and(|found| found.is_empty());
        if self.demand.optional || !none(&self.area.part) || !none(&self.area.folder) {
            return None;
        }
        let other = fs::read_dir(&self.area.part).ok()?.flatten().next().map(|entry| entry.file_name());
        let holds = other.map(|name| format!(" ({} is there, and does not match)", quote(&name.to_string_lossy())));
        let (name, rest) = (self.name, String::from_utf8_lossy(&self.split.rest));
        Some(missing(
            format!(
                "the output `{name}` was not written: nothing matches {}{}",
                self.shown(),
                holds.unwrap_or_default()
            ),
            format!(
                "the command must write files with names like {} into the directory `{{{{ outputs.{name} }}}}`",
                quote(&rest)
            ),
        ))
    }

    /// Checks and digests what there is; nothing is moved yet.
    pub fn look(&self) -> std::result::Result<Taken, Failure> {
        let broken = |e: Fault| self.broken(&e);
        let area = &self.area;
        let (staged, direct) = (area.matches(&area.part).map_err(broken)?, area.matches(&area.folder).map_err(broken)?);
        if let ([_, ..], [direct, ..]) = (staged.as_slice(), direct.as_slice()) {
            let direct = quote(&String::from_utf8_lossy(&self.split.beside(direct)));
            return Err(invalid(
                format!("the output `{}` was written twice: into its staged directory, and as {direct}", self.name),
                Some(format!("write only into the directory `{{{{ outputs.{} }}}}`", self.name)),
            ));
        }
        let is_staged = !staged.is_empty();
        let (folder, paths) = if is_staged { (&area.part, staged) } else { (&area.folder, direct) };
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let source = at(folder, &path);
            let declared = self.split.beside(&path);
            let shown = quote(&String::from_utf8_lossy(&declared));
            let meta = fs::symlink_metadata(&source).at("look at", &source).map_err(broken)?;
            if !meta.is_file() {
                let what = if meta.is_symlink() { "is a link" } else { "is no regular file" };
                return Err(invalid(
                    format!("the output `{}`: {shown} {what}, and a pattern takes files alone", self.name),
                    Some("copy what it leads to".to_owned()),
                ));
            }
            let content = digest_path(&source).map_err(broken)?;
            ensure(self.demand, (self.name, &shown), &source, &content)?;
            let (digest, size, exec) = (content.digest, content.size, is_executable(&meta));
            files.push((path, Matched { path: Value::from_bytes(&declared), digest, size, exec }));
        }
        Ok(Taken { staged: is_staged, files })
    }

    /// Puts into place what [`Group::look`] found.
    pub fn put(&self, taken: &Taken) -> std::result::Result<(), Failure> {
        if !taken.staged {
            return Ok(());
        }
        let paths: Vec<Vec<u8>> = taken.files.iter().map(|(path, _)| path.clone()).collect();
        self.area.carry(&paths, &self.area.part, &self.area.folder).map_err(|e| self.broken(&e))
    }

    /// What stood there before is no longer needed.
    pub fn forget_kept(&self) -> std::result::Result<(), Failure> {
        let area = &self.area;
        let forget = || {
            remove(&area.part)?;
            if !is_there(&area.kept) {
                return Ok(());
            }
            // A directory that is half removed must not look like one that is kept.
            fs::rename(&area.kept, &area.part).at("move aside", &area.kept)?;
            remove(&area.part)
        };
        forget().map_err(|e| self.broken(&e))
    }

    /// The result, and the stats of its files.
    pub fn produced(&self, taken: Taken) -> std::result::Result<(Produced, Vec<Option<Stat>>), Failure> {
        let stat = |(path, _): &(Vec<u8>, Matched)| {
            let path = at(&self.area.folder, path);
            fs::metadata(&path).at("look at", &path).map(|meta| Some(stat_of(&meta)))
        };
        let stats = taken.files.iter().map(stat).collect::<Result<_>>().map_err(|e| self.broken(&e))?;
        Ok((Produced::Files(taken.files.into_iter().map(|(_, file)| file).collect()), stats))
    }

    /// After a failure: nothing of the attempt stays, what was there before stands again.
    pub fn undo(&self) {
        // What cannot be undone now is undone before the next attempt.
        let _ = remove(&self.area.part);
        if let Ok(false) = self.area.recover() {
            let _ = self.area.remove_matches();
        }
    }

    fn shown(&self) -> String {
        quote(&String::from_utf8_lossy(self.declared))
    }

    fn broken(&self, fault: &Fault) -> Failure {
        invalid(format!("the output `{}`: {fault}", self.name), fault.help.clone())
    }
}
