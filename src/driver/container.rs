//! Containers of a run: which engine there is, what an image is, and what of the machine a job sees in it.

use crate::base::{Digest, Value};
use crate::diag::{Diagnostic, codes};
use crate::driver::asked::is_wanted;
use crate::driver::scene::{Scene, refused};
use crate::engine::key::{Content, Visitor};
use crate::event::Failure;
use crate::lang::model::ContainerEngine::{self, Apptainer, Docker, Podman};
use crate::plan::{self, NodeKind, Plan, Task};
use crate::port::Job;
use crate::port::container::{Container, Inside, shown};
use crate::sys::fault::Result;
use crate::sys::tool::{Answer, NoAnswer};
use crate::sys::{At, Fault, FaultKind, durable, find, tool};
use rustc_hash::FxHashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an engine may take to say something about itself or an image.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long fetching an image may take.
const FETCH: Duration = Duration::from_secs(24 * 3600);

/// Folders of the machine that are never put over those of an image; files in them are, one by one.
const SYSTEM: [&str; 19] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin",
    "/sys", "/tmp", "/usr", "/var", "/var/tmp",
];

/// What the key says of each image that was asked for.
type Images = FxHashMap<(ContainerEngine, Arc<str>), Arc<str>>;

/// What runs containers here.
pub struct Engines {
    project: PathBuf,
    /// What the settings want.
    asked: Option<ContainerEngine>,
    /// Only look: nothing is fetched.
    dry: bool,
    programs: Mutex<FxHashMap<ContainerEngine, std::result::Result<PathBuf, Arc<str>>>>,
    images: Mutex<Images>,
}

/// An image that can be run.
#[derive(Clone)]
pub struct Image {
    engine: ContainerEngine,
    program: PathBuf,
    /// As the file names it.
    name: Arc<str>,
    /// As the engine takes it.
    word: Arc<str>,
    /// What it is.
    content: What,
    options: Vec<Arc<str>>,
}

#[derive(Clone)]
enum What {
    /// A file, with the digest of what it holds.
    File(Value, Option<Digest>),
    /// What a registry or an engine calls it; `None`: not known.
    Named(Option<Arc<str>>),
}

impl Image {
    /// Its part of the key.
    pub fn component(&self, visitor: &mut dyn Visitor) {
        match &self.content {
            What::File(path, digest) => {
                visitor.component("container", Content::Files(path, &[(path.clone(), *digest)]));
            }
            What::Named(None) => visitor.component("container", Content::Text(&self.name)),
            What::Named(Some(digest)) => {
                visitor.component("container", Content::Text(&format!("{} ({digest})", self.name)));
            }
        }
        if !self.options.is_empty() {
            let options = Value::list(self.options.iter().map(|option| Value::Str(option.clone())).collect());
            visitor.component("container options", Content::Value(&options));
        }
    }

    /// What a job sees in it: the project, and all that it reads or makes elsewhere.
    pub fn container(&self, task: &Task, scene: &Scene<'_>, project: &Path, workdir: Option<&Path>) -> Container {
        let mut mounts = Mounts(vec![(project.to_owned(), false)]);
        if let Some(workdir) = workdir {
            mounts.folder(workdir, false);
        }
        for path in scene.outputs.iter().filter(|path| !path.is_empty()) {
            if let Some(folder) = project.join(OsStr::from_bytes(path)).parent() {
                mounts.folder(folder, false);
            }
        }
        let fetched = scene.wants.iter().map(|want| scene.fetched_path(want));
        for path in scene.watched.iter().map(|(path, _): &(PathBuf, _)| path.clone()).chain(fetched) {
            mounts.file(&path);
            // What is a link in the project leads out of it, and must lead somewhere inside too.
            if let Ok(real) = path.canonicalize()
                && real != path
            {
                mounts.file(&real);
            }
        }
        // One that lies in another comes after it.
        mounts.0.sort();
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        Container {
            engine: self.engine,
            program: self.program.clone(),
            image: self.word.clone(),
            options: self.options.clone(),
            mounts: mounts.0.into_iter().map(|(path, ro)| (path.as_os_str().as_bytes().to_vec(), ro)).collect(),
            user: (user != 0).then_some((user, group)),
            pass_env: task.pass_env.clone(),
            gpus: Vec::new(),
        }
    }
}

/// The command line of a job, with the folder of a run to come.
pub fn line(job: &Job, work: &Path) -> Option<Arc<str>> {
    let container = job.container.as_ref()?;
    let file = |ending: &str| work.join(format!("{}.{}.{ending}", job.instance.0, job.attempt));
    let (output, vars, script) = (file("output"), file("vars.json"), file("script"));
    let scratch = file("scratch");
    let mut env: Vec<(&[u8], &[u8])> = job.env.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
    env.push((b"FLOWRUN_OUTPUT", output.as_os_str().as_bytes()));
    if job.vars.is_some() {
        env.push((b"FLOWRUN_VARS", vars.as_os_str().as_bytes()));
    }
    let words = job.argv.iter().map(Vec::as_slice).chain(job.script.iter().map(|_| script.as_os_str().as_bytes()));
    let inside = Inside {
        name: &format!("flowrun-{}-{}", job.instance.0, job.attempt),
        workdir: job.workdir.as_deref().unwrap_or(&scratch),
        env,
        secrets: job.secrets.iter().map(|(name, _)| &**name).collect(),
        words: words.collect(),
    };
    Some(shown(&container.command(&inside)).into())
}

/// Folders and files that are there inside; none lies in another.
struct Mounts(Vec<(PathBuf, bool)>);

impl Mounts {
    fn folder(&mut self, path: &Path, read_only: bool) {
        if self.0.iter().any(|(there, ro)| path.starts_with(there) && (read_only || !ro)) {
            return;
        }
        self.0.retain(|(there, ro)| !(there.starts_with(path) && (*ro || !read_only)));
        self.0.push((path.to_owned(), read_only));
    }

    /// A file with what lies beside it, for tools look there (`.bai`, `.fai`); a folder as it is.
    fn file(&mut self, path: &Path) {
        let folder = path.parent().unwrap_or(path);
        let system = SYSTEM.iter().any(|system| folder == Path::new(system)) || folder.starts_with("/etc");
        self.folder(if path.is_dir() || system { path } else { folder }, true);
    }
}

impl Engines {
    /// For a project; `asked` is what the settings want.
    pub fn new(project: &Path, asked: Option<ContainerEngine>, dry: bool) -> Self {
        let (programs, images) = (Mutex::default(), Mutex::default());
        Self { project: project.to_owned(), asked, dry, programs, images }
    }

    /// What is wrong with the containers of a plan before anything runs.
    pub fn look(&self, plan: &Plan, wanted: &[bool]) -> Vec<Diagnostic> {
        let mut mistakes: Vec<Diagnostic> = Vec::new();
        for (node, container) in containers(plan, wanted) {
            let Err(fault) = self.find(container, container.image.as_literal()) else { continue };
            let message = format!("`{}` cannot run in its container: {fault}", node.path);
            let said = Diagnostic::error(codes::NO_ENGINE, container.span, message);
            mistakes.push(match fault.help {
                Some(help) => said.help(help),
                None => said,
            });
        }
        mistakes
    }

    /// Fetches the images that the file names as they stand, so that the first task does not wait for them unseen.
    ///
    /// # Errors
    /// When one cannot be had.
    pub fn fetch(&self, plan: &Plan, wanted: &[bool], note: &mut dyn FnMut(&str)) -> Result<()> {
        for (_, container) in containers(plan, wanted) {
            let Some(name) = container.image.as_literal() else { continue };
            let (engine, program) = self.find(container, Some(name))?;
            if !is_file(name) {
                self.named(engine, &program, name, note)?;
            }
        }
        Ok(())
    }

    /// The image of an instance.
    pub fn image(&self, container: &plan::Container, scene: &mut Scene<'_>) -> std::result::Result<Image, Failure> {
        let fault = |fault: Fault| refused(format!("it cannot run in its container: {}", fault.what), fault.help);
        let name = container.image.eval_text(&scene.frame).map_err(|e| scene.failure("container", e))?;
        let name: Arc<str> = String::from_utf8_lossy(&name).into();
        let (engine, program) = self.find(container, Some(&name)).map_err(fault)?;
        let (word, content) = if is_file(&name) {
            let path = Value::str(&*name);
            let digest = scene.digest(&path)?;
            let full = self.project.join(&*name);
            (full.to_string_lossy().into(), What::File(path, digest))
        } else {
            let (word, digest) = self.named(engine, &program, &name, &mut |_| {}).map_err(fault)?;
            (word, What::Named(digest))
        };
        Ok(Image { engine, program, name, word, content, options: container.options.clone() })
    }

    /// The engine for an image: what the task wants, else what the settings want, else the first that is there.
    fn find(&self, container: &plan::Container, name: Option<&str>) -> Result<(ContainerEngine, PathBuf)> {
        let only_apptainer = name.is_some_and(|name| is_file(name) || is_foreign(name));
        let asked = container.engine.or(self.asked);
        if let (Some(engine @ (Podman | Docker)), true) = (asked, only_apptainer) {
            let what = format!("`{}` does not run `{}`, only apptainer does", engine.word(), name.unwrap_or_default());
            return Err(Fault::new(FaultKind::Other, what).help("name an image of a registry, or take apptainer"));
        }
        if let Some(name) = name.filter(|name| is_file(name)) {
            let path = self.project.join(name);
            std::fs::metadata(&path).at("read the image", &path)?;
        }
        let engines: &[ContainerEngine] = match (&asked, only_apptainer) {
            (Some(engine), _) => std::slice::from_ref(engine),
            (None, true) => &[Apptainer],
            (None, false) => &ContainerEngine::ALL,
        };
        let mut reasons = Vec::new();
        for engine in engines {
            match self.program(*engine) {
                Ok(program) => return Ok((*engine, program)),
                Err(reason) => reasons.push(reason),
            }
        }
        let help = match (asked, only_apptainer) {
            (Some(engine), _) => format!("install {0}, or see to it that it can be used: `{0} version`", engine.word()),
            (None, true) => "install apptainer, or name an image of a registry".to_owned(),
            (None, false) => "install apptainer, podman or docker; `container_engine` in a profile, or \
                              `FLOWRUN_CONTAINER_ENGINE`, says which to take"
                .to_owned(),
        };
        Err(Fault::new(FaultKind::Missing, reasons.join("; ")).help(help))
    }

    /// The program of an engine, if it can be used; asked once.
    fn program(&self, engine: ContainerEngine) -> std::result::Result<PathBuf, Arc<str>> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.entry(engine).or_insert_with(|| usable(engine)).clone()
    }

    /// A name of a registry: how the engine takes it, and its digest. An image that is not here is fetched.
    fn named(
        &self,
        engine: ContainerEngine,
        program: &Path,
        name: &str,
        note: &mut dyn FnMut(&str),
    ) -> Result<(Arc<str>, Option<Arc<str>>)> {
        // Who comes second waits for the first: an image is fetched once.
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let written = name.split_once("@sha256:").map(|(_, digest)| Arc::from(format!("sha256:{digest}")));
        if engine == Apptainer {
            let file = self.project.join(".flowrun/images").join(file_name(name));
            if !file.exists() && !self.dry {
                note(&format!("fetching the image {name}"));
                pull_file(program, name, &file)?;
            }
            return Ok((file.to_string_lossy().into(), written));
        }
        let word: Arc<str> = name.strip_prefix("docker://").unwrap_or(name).into();
        if let Some(digest) = images.get(&(engine, word.clone())) {
            return Ok((word, Some(digest.clone())));
        }
        if written.is_some() && self.dry {
            return Ok((word, written));
        }
        let mut digest = inspect(program, &word)?;
        if digest.is_none() && !self.dry {
            note(&format!("fetching the image {name}"));
            let words = [&*program.to_string_lossy(), "pull", &*word];
            fetched(name, tool::ask(&words, "", FETCH))?;
            digest = inspect(program, &word)?;
        }
        let digest = written.or(digest);
        if let Some(digest) = &digest {
            images.insert((engine, word.clone()), digest.clone());
        }
        Ok((word, digest))
    }
}

/// The wanted tasks that name a container.
fn containers<'p>(plan: &'p Plan, wanted: &'p [bool]) -> impl Iterator<Item = (&'p plan::Node, &'p plan::Container)> {
    let wanted = move |node: &&plan::Node| is_wanted(plan, wanted, node);
    plan.nodes.iter().map(|(_, node)| node).filter(wanted).filter_map(|node| match &node.kind {
        NodeKind::Task(task) => Some((node, task.container.as_ref()?)),
        _ => None,
    })
}

/// Whether an image is a file of this machine.
fn is_file(name: &str) -> bool {
    let ending = [".sif", ".simg", ".img", ".sqsh"].iter().any(|ending| name.ends_with(ending));
    !name.contains("://") && (ending || name.starts_with(['/', '.']))
}

/// Whether an image comes from where only apptainer knows the way.
fn is_foreign(name: &str) -> bool {
    name.split_once("://").is_some_and(|(scheme, _)| scheme != "docker")
}

/// The name of the file that holds an image of a registry.
fn file_name(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let tail = plain.len().saturating_sub(80);
    format!("{}-{}.sif", &plain[tail..], &Digest::of(name.as_bytes()).to_string()[..8])
}

fn pull_file(program: &Path, name: &str, file: &Path) -> Result<()> {
    if let Some(folder) = file.parent() {
        durable::make_folders(folder)?;
    }
    let source = if name.contains("://") { name.to_owned() } else { format!("docker://{name}") };
    let temporary = durable::temporary_beside(file)?;
    let words = [&*program.to_string_lossy(), "pull", "--force", &*temporary.to_string_lossy(), &source];
    let pulled = fetched(name, tool::ask(&words, "", FETCH));
    if pulled.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    pulled?;
    durable::rename(&temporary, file)
}

/// Whether an image was fetched, and why not.
fn fetched(name: &str, answer: std::result::Result<Answer, NoAnswer>) -> Result<()> {
    let why = match answer {
        Ok(answer) if answer.code == Some(0) => return Ok(()),
        Ok(answer) => last_line(&answer).to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Fault::new(FaultKind::Away, format!("the image `{name}` cannot be fetched: {why}")))
}

/// The last thing that a program said.
fn last_line(answer: &Answer) -> &str {
    let mut lines = answer.out.lines().chain(answer.err.lines()).map(str::trim).filter(|line| !line.is_empty());
    lines.next_back().unwrap_or("it says nothing")
}

/// The digest of an image that is here: its registry's where that is known, else the engine's own.
fn inspect(program: &Path, image: &str) -> Result<Option<Arc<str>>> {
    let format = "{{range .RepoDigests}}{{.}} {{end}}{{.Id}}";
    let words = [&*program.to_string_lossy(), "image", "inspect", "--format", format, image];
    let said = tool::ask(&words, "", PATIENCE).map_err(|error| Fault::new(FaultKind::Busy, error.to_string()))?;
    if said.code != Some(0) {
        return Ok(None);
    }
    let digests = said.out.split_whitespace().map(|word| word.rsplit_once('@').map_or(word, |(_, digest)| digest));
    Ok(digests.map(|digest| digest.trim_start_matches("sha256:")).next().map(|hex| format!("sha256:{hex}").into()))
}

/// Whether an engine is there and answers; else why not.
pub(super) fn usable(engine: ContainerEngine) -> std::result::Result<PathBuf, Arc<str>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let word = engine.word();
    let program = find::program(OsStr::new(word), &path, Path::new("/"));
    let program = program.map_err(|_| Arc::from(format!("there is no `{word}`")))?;
    if engine == Docker {
        let words = [&*program.to_string_lossy(), "version", "--format", "{{.Server.Version}}"];
        let why = match tool::ask(&words, "", PATIENCE) {
            Ok(said) if said.code == Some(0) => return Ok(program),
            Ok(said) => last_line(&said).to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(format!("`docker` cannot be used: {why}").into());
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_names() {
        for file in ["tools.sif", "./x", "/images/a.img", "../x"] {
            assert!(is_file(file), "{file}");
        }
        for name in ["python", "docker://a.sif", "quay.io/bio/bwa:1", "library://x/y"] {
            assert!(!is_file(name), "{name}");
        }
        assert!(is_foreign("library://x/y") && !is_foreign("docker://x") && !is_foreign("x"));
        assert!(file_name("docker.io/library/python:3.13").starts_with("docker.io-library-python-3.13-"));
    }

    #[test]
    fn what_is_there_inside() {
        let mut mounts = Mounts(vec![("/work/p".into(), false)]);
        mounts.folder(Path::new("/work/p/out"), false);
        mounts.folder(Path::new("/data/a"), true);
        mounts.folder(Path::new("/data/a/deep"), true);
        mounts.folder(Path::new("/data/a/out"), false);
        mounts.folder(Path::new("/data"), true);
        mounts.file(Path::new("/etc/hosts"));
        mounts.file(Path::new("/x.txt"));
        let seen: Vec<String> = mounts.0.iter().map(|(path, ro)| format!("{} {ro}", path.display())).collect();
        assert_eq!(seen, ["/work/p false", "/data/a/out false", "/data true", "/etc/hosts true", "/x.txt true"]);
    }
}
