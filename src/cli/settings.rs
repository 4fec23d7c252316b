//! What the typed words mean: pipeline and nodes told apart, params taken to pieces, one `Settings` for the driver.

use super::args::{FreshArgs, ParamArgs, PlaceArgs, WatchArgs};
use super::profile::{self, Chosen};
use super::screen::complain;
use super::{Failed, registry};
use crate::base::text::or;
use crate::driver::detached::Drive;
use crate::driver::{BackendKind, Backends, OpenStore, ParamWord, Params, Settings};
use crate::lang::model::ContainerEngine;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The pipeline file when none is named.
pub const DEFAULT_PIPELINE: &str = "pipeline.toml";

/// Where a command's words point: the pipeline, and the rest of them.
#[derive(Debug, PartialEq)]
pub struct Target {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// Whether it was named.
    pub named: bool,
    /// The words after it.
    pub rest: Vec<String>,
}

impl Target {
    /// The first word is a pipeline if it ends in `.toml` or holds a `/`; a folder stands for its `pipeline.toml`.
    pub fn of(words: &[OsString]) -> Result<Self, Failed> {
        let (pipeline, named, rest) = match words.split_first() {
            Some((first, rest)) if is_pipeline(first) => (as_file(Path::new(first)), true, rest),
            _ => (PathBuf::from(DEFAULT_PIPELINE), false, words),
        };
        let rest = rest
            .iter()
            .map(|word| match word.to_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(Failed::usage(format!("`{}` is not UTF-8 text", word.to_string_lossy()), None)),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { pipeline, named, rest })
    }

    /// For commands that take a pipeline and nothing else.
    pub fn only_pipeline(words: &[OsString], command: &str) -> Result<Self, Failed> {
        let target = Self::of(words)?;
        match target.rest.first() {
            None => Ok(target),
            Some(word) if !target.named => Err(Failed::usage(
                format!("`{word}` is not a pipeline file"),
                Some(format!("a pipeline ends in `.toml` or holds a `/`: `flowrun {command} ./{word}`")),
            )),
            Some(word) => Err(Failed::usage(
                format!("`{word}` is one word too many"),
                Some(format!("`flowrun {command}` takes one pipeline file")),
            )),
        }
    }

    /// For commands that take a pipeline and the number of a run.
    pub fn with_run(words: &[OsString], command: &str) -> Result<(Self, Option<u64>), Failed> {
        let target = Self::of(words)?;
        let run = match target.rest.as_slice() {
            [] => None,
            [word] => Some(word.parse().map_err(|_| {
                Failed::usage(
                    format!("`{word}` is neither a pipeline file nor the number of a run"),
                    Some("a pipeline ends in `.toml` or holds a `/`; `flowrun runs` lists the runs".to_owned()),
                )
            })?),
            [_, word, ..] => {
                return Err(Failed::usage(
                    format!("`{word}` is one word too many"),
                    Some(format!("`flowrun {command}` takes one pipeline file and one number of a run")),
                ));
            }
        };
        Ok((target, run))
    }

    /// The state folder: `.flowrun` beside the pipeline file.
    pub fn state_dir(&self) -> PathBuf {
        match self.pipeline.parent() {
            Some(parent) => parent.join(".flowrun"),
            None => PathBuf::from(".flowrun"),
        }
    }

    /// What the settings files say for it, with the profile that was named, else that of the environment.
    pub fn chosen(&self, profile: Option<&str>) -> Result<Chosen, Failed> {
        let of_environment = std::env::var("FLOWRUN_PROFILE").ok().filter(|name| !name.is_empty());
        let profile = profile.filter(|name| !name.is_empty()).or(of_environment.as_deref());
        Chosen::read(self.pipeline.parent().unwrap_or(Path::new("")), profile)
    }

    /// The backend that was named, else that of the profile.
    pub fn backend(&self, place: &PlaceArgs) -> Result<Option<String>, Failed> {
        match &place.backend {
            Some(name) => Ok(Some(name.clone())),
            None => Ok(self.chosen(place.profile.as_deref())?.text("backend")),
        }
    }

    /// The store that was named, else that of the profile.
    pub fn store(&self, named: Option<&str>, profile: Option<&str>) -> Result<OpenStore, Failed> {
        match named {
            Some(url) => registry::store(Some(url)),
            None => registry::store(self.chosen(profile)?.store().as_deref()),
        }
    }

    /// The folder of artifacts that was named, else that of the profile.
    pub fn artifacts(&self, named: Option<&PathBuf>) -> Result<Option<PathBuf>, Failed> {
        match named {
            Some(folder) => Ok(Some(folder.clone())),
            None => Ok(self.chosen(None)?.path("artifacts")),
        }
    }

    /// The pipeline as words of a command for people: empty when it need not be named.
    pub fn words(&self) -> String {
        if self.named { format!(" {}", self.pipeline.display()) } else { String::new() }
    }
}

fn is_pipeline(word: &OsStr) -> bool {
    let bytes = word.as_encoded_bytes();
    // The key of an instance may hold a slash: `align[a/b]` is no file.
    let head = bytes.split(|b| *b == b'[').next().unwrap_or_default();
    bytes.ends_with(b".toml") || head.contains(&b'/')
}

fn as_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(DEFAULT_PIPELINE) } else { path.to_owned() }
}

/// Whether `--help` stands among the words after `--`.
pub fn asks_for_help(args: &ParamArgs) -> bool {
    args.tail.iter().any(|word| word == "--help" || word == "-h")
}

/// `-p NAME=VALUE`, `--params FILE` and the words after `--`.
pub fn params(args: &ParamArgs) -> Result<Params, Failed> {
    let mut words = Vec::new();
    for typed in &args.param {
        words.push(assignment(typed)?);
    }
    tail(&args.tail, &mut words)?;
    Ok(Params { files: args.files.clone(), words, profile: None })
}

fn assignment(typed: &OsStr) -> Result<ParamWord, Failed> {
    let bytes = typed.as_encoded_bytes();
    let shown = typed.to_string_lossy();
    let wrong = || {
        let help = match bytes.contains(&b'=') || shown.is_empty() {
            true => "a name comes before the `=`: `-p multiplier=15`".to_owned(),
            false => format!("give it a value: `-p {shown}=VALUE`"),
        };
        Failed::usage(format!("`-p {shown}` is not of the form NAME=VALUE"), Some(help))
    };
    let at = bytes.iter().position(|b| *b == b'=').ok_or_else(wrong)?;
    let name = std::str::from_utf8(&bytes[..at]).ok().filter(|name| !name.is_empty()).ok_or_else(wrong)?;
    Ok(ParamWord { name: name.to_owned(), value: Some(after(typed, at + 1)), typed: format!("-p {shown}") })
}

/// The bytes of `word` from `at` on.
fn after(word: &OsStr, at: usize) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    OsString::from_vec(word.as_bytes()[at..].to_vec())
}

/// `--name value`, `--name=value`, and a bare `--flag`, which means `true`.
fn tail(words: &[OsString], into: &mut Vec<ParamWord>) -> Result<(), Failed> {
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let bytes = word.as_encoded_bytes();
        let shown = word.to_string_lossy();
        let Some(body) = bytes.strip_prefix(b"--").filter(|body| !body.is_empty()) else {
            return Err(Failed::usage(
                format!("`{shown}` after `--` is not the name of a param"),
                Some("after `--` stand params of the pipeline: `-- --multiplier 15`".to_owned()),
            ));
        };
        let (name, value) = match body.iter().position(|b| *b == b'=') {
            Some(at) => (&body[..at], Some(after(word, at + 3))),
            None => (body, words.next_if(|next| !next.as_encoded_bytes().starts_with(b"--")).cloned()),
        };
        let name = String::from_utf8_lossy(name).replace('-', "_");
        let typed = match &value {
            Some(value) if !bytes.contains(&b'=') => format!("{shown} {}", value.to_string_lossy()),
            _ => shown.into_owned(),
        };
        into.push(ParamWord { name, value, typed });
    }
    Ok(())
}

/// The driver's settings of `run`, `resume`, `plan` and `explain`.
pub fn settings(target: &Target, params: Params, place: &PlaceArgs, fresh: &FreshArgs) -> Result<Settings, Failed> {
    let chosen = target.chosen(place.profile.as_deref())?;
    let backend = place.backend.clone().or_else(|| chosen.text("backend"));
    let store = place.store.clone().or_else(|| chosen.store());
    let mut kinds = Vec::new();
    for mut kind in registry::backends(backend.as_deref())? {
        let at = kinds.len();
        let asked = if at == 0 { place.jobs.or_else(|| chosen.number("jobs")) } else { None };
        if kind.elsewhere {
            let pace = chosen.caps.submissions.map(|(most, _)| most);
            kinds.push(BackendKind { jobs: asked, pace, ..kind });
            continue;
        }
        // What the machine allows is what its own tasks may have.
        let (jobs, cut) = chosen.jobs(asked);
        if let (0, Some(jobs), Some(cut), Some(asked)) = (at, jobs, cut, place.jobs) {
            complain(format!(
                "note: {}, not {asked}: `{}` allows no more\n",
                crate::base::text::count(jobs.into(), "core"),
                chosen.place(cut)
            ));
        }
        kind.jobs = jobs;
        let caps = chosen.caps.clone();
        kinds.push(kind.giving(move |capacity| profile::capped(&caps, capacity)));
    }
    Ok(Settings {
        pipeline: target.pipeline.clone(),
        select: target.rest.clone(),
        params: Params { profile: chosen.of_plan(), ..params },
        backends: Backends { kinds, only_first: false },
        open_store: registry::store(store.as_deref())?,
        store,
        keep_going: chosen.flag("keep_going", false, "FLOWRUN_KEEP_GOING"),
        only: false,
        force: fresh.force.clone(),
        no_cache: chosen.flag("no_cache", fresh.no_cache, "FLOWRUN_NO_CACHE"),
        wait: chosen.flag("wait", false, "FLOWRUN_WAIT"),
        artifacts: place.artifacts.clone().or_else(|| chosen.path("artifacts")),
        lease: None,
        show: None,
        container_engine: container_engine(&chosen)?,
        resume: None,
        drive: Drive::Here,
        afar: registry::afar(),
    })
}

/// `FLOWRUN_CONTAINER_ENGINE`, else what the profile says.
fn container_engine(chosen: &Chosen) -> Result<Option<ContainerEngine>, Failed> {
    let typed = std::env::var("FLOWRUN_CONTAINER_ENGINE").ok().filter(|word| !word.is_empty());
    let Some(word) = typed.or_else(|| chosen.text("container_engine")) else { return Ok(None) };
    let unknown = || {
        let message = format!("{} is no container engine", crate::base::text::quote(&word));
        Failed::usage(message, Some(format!("`FLOWRUN_CONTAINER_ENGINE` is {}", or(ContainerEngine::WORDS))))
    };
    ContainerEngine::parse(&word).map(Some).ok_or_else(unknown)
}

/// Adds how a run is watched and ended.
pub fn watched(settings: Settings, watch: &WatchArgs) -> Settings {
    let (keep_going, wait) = (settings.keep_going || watch.keep_going, settings.wait || watch.wait);
    let lease = watch.lease.map(std::time::Duration::from_secs);
    Settings { keep_going, wait, lease, ..settings }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn target(list: &[&str]) -> (String, Vec<String>) {
        let target = Target::of(&words(list)).unwrap();
        (target.pipeline.display().to_string(), target.rest)
    }

    #[test]
    fn the_first_word_is_a_pipeline_by_its_look() {
        assert_eq!(target(&[]), ("pipeline.toml".into(), vec![]));
        assert_eq!(target(&["align", "call"]), ("pipeline.toml".into(), vec!["align".into(), "call".into()]));
        assert_eq!(target(&["a.toml", "align"]), ("a.toml".into(), vec!["align".into()]));
        assert_eq!(target(&["dir/a"]), ("dir/a".into(), vec![]));
        assert_eq!(target(&["./src"]), ("./src/pipeline.toml".into(), vec![]));
        assert_eq!(target(&["align[a/b]"]), ("pipeline.toml".into(), vec!["align[a/b]".into()]));
    }

    #[test]
    fn words_after_the_dashes_are_params() {
        let mut list = Vec::new();
        tail(&words(&["--max-depth", "-5", "--flag", "--name=--x", "--last", ""]), &mut list).unwrap();
        let seen: Vec<_> =
            list.iter().map(|w| (w.name.as_str(), w.value.as_ref().map(|v| v.to_str().unwrap()), &*w.typed)).collect();
        assert_eq!(
            seen,
            [
                ("max_depth", Some("-5"), "--max-depth -5"),
                ("flag", None, "--flag"),
                ("name", Some("--x"), "--name=--x"),
                ("last", Some(""), "--last ")
            ]
        );
    }

    #[test]
    fn an_assignment_is_split_at_the_first_equals_sign() {
        let word = assignment(OsStr::new("a=b=c")).unwrap();
        assert_eq!((word.name.as_str(), word.value.unwrap().to_str().unwrap()), ("a", "b=c"));
        assert_eq!(assignment(OsStr::new("=c")).unwrap_err().message, "`-p =c` is not of the form NAME=VALUE");
    }
}
