//! A container as plain data, and the command line that runs it: the one that is executed, and that `explain` shows.
//!
//! No secret is ever a word of it: those are handed over by their names, and the engine takes the values from its own
//! environment.

use crate::lang::model::ContainerEngine;
use serde::{Deserialize, Serialize};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The image that a job runs in, and what of the machine is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// What runs it.
    pub engine: ContainerEngine,
    /// The engine's program: a name, or a path.
    #[serde(with = "super::paths")]
    pub program: PathBuf,
    /// The image as the engine takes it.
    pub image: Arc<str>,
    /// More options, as they stand.
    pub options: Vec<Arc<str>>,
    /// Folders and files of the machine, absolute, under the same paths inside; true: for reading only.
    pub mounts: Vec<(Vec<u8>, bool)>,
    /// User and group, where they are not root's: what it makes is to be the user's own.
    pub user: Option<(u32, u32)>,
    /// Variables that are handed on as they are.
    pub pass_env: Vec<Arc<str>>,
    /// Ids of GPUs, once they are given.
    pub gpus: Vec<Arc<str>>,
}

/// An attempt in a container.
pub struct Inside<'a> {
    /// What the container is called.
    pub name: &'a str,
    /// The folder that it starts in.
    pub workdir: &'a Path,
    /// Variables with their values.
    pub env: Vec<(&'a [u8], &'a [u8])>,
    /// Names of variables whose values stand on no command line.
    pub secrets: Vec<&'a str>,
    /// What runs inside.
    pub words: Vec<&'a [u8]>,
}

impl Container {
    /// The words of the command line.
    pub fn command(&self, inside: &Inside<'_>) -> Vec<Vec<u8>> {
        let mut line = Line(vec![self.program.as_os_str().as_bytes().to_vec()]);
        match self.engine {
            ContainerEngine::Apptainer => self.apptainer(inside, &mut line),
            ContainerEngine::Podman | ContainerEngine::Docker => self.oci(inside, &mut line),
        }
        line.0.extend(inside.words.iter().map(|word| word.to_vec()));
        line.0
    }

    fn apptainer(&self, inside: &Inside<'_>, line: &mut Line) {
        line.words(["exec", "--cleanenv", "--no-home"]);
        self.mounts(line);
        line.option("--pwd", inside.workdir.as_os_str().as_bytes());
        if !self.gpus.is_empty() {
            line.words(["--nv"]);
        }
        line.words(self.options.iter().map(|option| &**option));
        line.words([&*self.image]);
    }

    fn oci(&self, inside: &Inside<'_>, line: &mut Line) {
        let docker = self.engine == ContainerEngine::Docker;
        line.words(["run", "--rm"]);
        if docker {
            line.words(["--init"]);
        }
        line.option("--name", inside.name.as_bytes());
        line.words(["--entrypoint", "", "--security-opt", "label=disable"]);
        match self.user {
            Some((user, group)) if docker => line.option("--user", format!("{user}:{group}").as_bytes()),
            Some(_) => line.words(["--userns", "keep-id"]),
            None => {}
        }
        self.mounts(line);
        line.option("--workdir", inside.workdir.as_os_str().as_bytes());
        for (name, value) in &inside.env {
            // The ids are those of the whole machine; inside there are only those that were given.
            if *name != b"CUDA_VISIBLE_DEVICES" {
                line.option("--env", &[name, b"=".as_slice(), value].concat());
            }
        }
        let given = |name: &str| {
            let plain = inside.env.iter().any(|(other, _)| *other == name.as_bytes());
            plain || inside.secrets.contains(&name) || self.pass_env.iter().any(|other| **other == *name)
        };
        // A user whom the image does not know has the root of the file system as home, where nothing can be written.
        if self.user.is_some() && !given("HOME") {
            line.words(["--env", "HOME=/tmp"]);
        }
        self.pass_env.iter().for_each(|name| line.option("--env", name.as_bytes()));
        inside.secrets.iter().for_each(|name| line.option("--env", name.as_bytes()));
        match (self.gpus.as_slice(), docker) {
            ([], _) => {}
            (gpus, true) => line.option("--gpus", format!("\"device={}\"", gpus.join(",")).as_bytes()),
            (gpus, false) => {
                gpus.iter().for_each(|gpu| line.option("--device", format!("nvidia.com/gpu={gpu}").as_bytes()));
            }
        }
        line.words(self.options.iter().map(|option| &**option));
        line.words([&*self.image]);
    }

    fn mounts(&self, line: &mut Line) {
        for (path, read_only) in &self.mounts {
            let field = |key: &str| csv(&[key.as_bytes(), b"=", path].concat());
            let end: &[u8] = if *read_only { b",ro" } else { b"" };
            let mount = [b"type=bind,", field("source").as_slice(), b",", &field("destination"), end].concat();
            line.option("--mount", &mount);
        }
    }

    /// Variables of the engine's own environment, on top of what it inherits.
    pub fn env<'a>(&self, plain: &[(&'a [u8], &'a [u8])]) -> Vec<(Vec<u8>, &'a [u8])> {
        match self.engine {
            // It takes them from there under names of its own; its option `--env` splits values at commas.
            ContainerEngine::Apptainer => {
                plain.iter().map(|(name, value)| ([b"APPTAINERENV_", *name].concat(), *value)).collect()
            }
            ContainerEngine::Podman | ContainerEngine::Docker => Vec::new(),
        }
    }

    /// The name under which the engine finds a secret in its own environment.
    pub fn secret_name(&self, name: &str) -> String {
        match self.engine {
            ContainerEngine::Apptainer => format!("APPTAINERENV_{name}"),
            ContainerEngine::Podman | ContainerEngine::Docker => name.to_owned(),
        }
    }

    /// What ends the container for sure. `None`: it is a process like others and ends with them.
    pub fn kill(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        let program = self.program.as_os_str().as_bytes();
        let words: &[&[u8]] = match self.engine {
            ContainerEngine::Apptainer => return None,
            ContainerEngine::Podman => &[program, b"rm", b"--force", b"--time", b"0", name.as_bytes()],
            ContainerEngine::Docker => &[program, b"rm", b"--force", name.as_bytes()],
        };
        Some(words.iter().map(|word| word.to_vec()).collect())
    }
}

struct Line(Vec<Vec<u8>>);

impl Line {
    fn words<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        self.0.extend(words.into_iter().map(|word| word.as_bytes().to_vec()));
    }
    fn option(&mut self, name: &str, value: &[u8]) {
        self.0.extend([name.as_bytes().to_vec(), value.to_vec()]);
    }
}

/// A field of a line of CSV, which is what `--mount` takes.
fn csv(field: &[u8]) -> Vec<u8> {
    if !field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n')) {
        return field.to_vec();
    }
    let mut quoted = vec![b'"'];
    for byte in field {
        quoted.extend(std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
    }
    quoted.push(b'"');
    quoted
}

/// A command line as one would type it.
pub fn shown(words: &[Vec<u8>]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:=@,+%".contains(byte);
    let word = |word: &Vec<u8>| match std::str::from_utf8(word) {
        Ok(text) if !text.is_empty() && word.iter().all(plain) => text.to_owned(),
        Ok(text) if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => format!("$'{}'", word.escape_ascii()),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}
