//! Tasks in containers: the command line of each engine in full, by engines that are made up and do what they are told,
//! and one run by a real podman.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, Said, until};
use snapbox::str;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const SECRET: &str = "hunter22-correct-horse";

/// An engine that is made up: it writes down what it is asked, knows the images of which there is a file, and runs the
/// words after the image as they are. What it runs outlives it, as with podman and docker, until `rm` is asked for.
const ENGINE: &str = r#"#!/bin/bash
printf '%s' "${0##*/}" >> "$ENGINES/asked"; printf ' %q' "$@" >> "$ENGINES/asked"; echo >> "$ENGINES/asked"
image=$ENGINES/images/$(printf %s "${@: -1}" | tr -c 'a-z0-9\n' _)
case $1 in
version) [ ! -e "$ENGINES/away" ] || { echo "Cannot connect to the daemon" >&2; exit 1; } ;;
image) cat "$image" 2>/dev/null || { echo "no such image" >&2; exit 125; } ;;
pull)
    [ ! -e "$ENGINES/offline" ] || { echo "no route to the registry" >&2; exit 125; }
    if [ "$2" = --force ]; then echo sif > "$3"; else echo "sha256:00000000000000000000000000000000" > "$image"; fi ;;
rm) kill -9 -- "-$(cat "$ENGINES/${@: -1}")" ;;
run | exec)
    shift
    env=()
    while [ $# -gt 0 ]; do
        case $1 in
        --env) case $2 in *=*) env+=("$2") ;; *) env+=("$2=${!2}") ;; esac; shift 2 ;;
        --name) name=$2; shift 2 ;;
        --mount | --workdir | --shm-size | --pwd | --user | --userns | --entrypoint | --security-opt) shift 2 ;;
        --*) shift ;;
        *) shift; break ;;
        esac
    done
    for given in ${!APPTAINERENV_*}; do env+=("${given#APPTAINERENV_}=${!given}"); done
    [ -n "$name" ] || exec env -i PATH=/usr/bin:/bin "${env[@]}" "$@"
    setsid env -i PATH=/usr/bin:/bin "${env[@]}" "$@" & echo $! > "$ENGINES/$name"
    wait $! ;;
esac
"#;

/// A project with made-up engines in `bin`.
fn project(pipeline: &str, engines: &[&str]) -> Project {
    let project = Project::new(pipeline);
    std::fs::create_dir_all(project.path("engines/images")).unwrap();
    for engine in engines {
        let path = project.path(format!("bin/{engine}"));
        project.write(&path, ENGINE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    project
}

/// An image that is here, with what the engine says its digest is.
fn image(project: &Project, name: &str, digit: char) {
    let file: String =
        name.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' }).collect();
    let digest = format!("{name}@sha256:{}\n", digit.to_string().repeat(64));
    project.write(format!("engines/images/{file}"), digest);
}

fn command(project: &Project, line: &str) -> Command {
    let mut command = project.command(line.split_whitespace());
    command
        .env("PATH", format!("{}:/usr/bin:/bin", project.path("bin").display()))
        .env("ENGINES", project.path("engines"))
        .env("MY_TOKEN", SECRET)
        .env("PASSED", "passed on");
    command
}

fn run(project: &Project, line: &str) -> Said {
    project.said(&mut command(project, line))
}

/// What the engines were asked, each on a line.
fn asked(project: &Project) -> String {
    project.lines("engines/asked").iter().map(|line| format!("{line}\n")).collect()
}

const PIPELINE: &str = r#"
[task.work]
container = "tools:1"
command = 'cat {{ inputs.list }} > {{ outputs.copy }}; echo "said=$GREETING, $TOKEN" | sed "s/$TOKEN/${#TOKEN}/; s/$/, $PASSED/" >> "$FLOWRUN_OUTPUT"'
setup = "GREETING=$WORD"
env.WORD = "it's, me"
pass_env = ["PASSED"]
secrets.TOKEN = { env = "MY_TOKEN" }
inputs.list = "list.txt"
outputs.copy = { file = "out/copy.txt" }
outputs.said = "string"

[outputs]
said = "{{ work.said }}"
"#;

#[test]
fn the_command_line_of_each_engine() {
    for engine in ["podman", "docker", "apptainer"] {
        let project = project(PIPELINE, &["podman", "docker", "apptainer"]);
        image(&project, "tools:1", '1');
        project.write("list.txt", "a\nb\n");
        let with = |line: &str| {
            let mut command = command(&project, line);
            project.said(command.env("FLOWRUN_CONTAINER_ENGINE", engine))
        };
        let json = with("run --output json").exits(0).json();
        assert_eq!(json["outputs"]["said"], "it's, me, 22, passed on", "{engine}");
        assert_eq!(project.read("out/copy.txt"), "a\nb\n");
        assert!(!asked(&project).contains(SECRET), "{}", asked(&project));
        let said = with("explain work");
        let root = is_root();
        match engine {
            "podman" if root => said.shows(str![[r#"
exit 0
--- out
work: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its container is run by
    [PROJECT]/bin/podman run --rm --name flowrun-0-1 --entrypoint '' --security-opt label=disable --mount type=bind,source=[PROJECT],destination=[PROJECT] --workdir [PROJECT] --env 'WORD=it'\''s, me' --env FLOWRUN_OUTPUT=[PROJECT]/.flowrun/runs/N/work/0.1.output --env FLOWRUN_VARS=[PROJECT]/.flowrun/runs/N/work/0.1.vars.json --env PASSED --env TOKEN tools:1 bash -euo pipefail -c $'GREETING=$WORD\ncat \'list.txt\' > \'out/.part.copy.txt\'; echo \"said=$GREETING, $TOKEN\" | sed \"s/$TOKEN/${#TOKEN}/; s/$/, $PASSED/\" >> \"$FLOWRUN_OUTPUT\"'
  its key is made of
    command: cat {{ inputs.list }} > {{ outputs.copy }}; echo "said=$GREETING, …
    shell: ["bash","-euo","pipefail","-c"]
    setup: ["GREETING=$WORD"]
    env WORD: it's, me
    output copy: file out/copy.txt
    output said: string
    input list: "list.txt" ([DIGEST])
    container: tools:1 (sha256:[DIGEST]…

"#]]),
            "docker" if root => said.shows(str![[r#"
exit 0
--- out
work: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its container is run by
    [PROJECT]/bin/docker run --rm --init --name flowrun-0-1 --entrypoint '' --security-opt label=disable --mount type=bind,source=[PROJECT],destination=[PROJECT] --workdir [PROJECT] --env 'WORD=it'\''s, me' --env FLOWRUN_OUTPUT=[PROJECT]/.flowrun/runs/N/work/0.1.output --env FLOWRUN_VARS=[PROJECT]/.flowrun/runs/N/work/0.1.vars.json --env PASSED --env TOKEN tools:1 bash -euo pipefail -c $'GREETING=$WORD\ncat \'list.txt\' > \'out/.part.copy.txt\'; echo \"said=$GREETING, $TOKEN\" | sed \"s/$TOKEN/${#TOKEN}/; s/$/, $PASSED/\" >> \"$FLOWRUN_OUTPUT\"'
  its key is made of
    command: cat {{ inputs.list }} > {{ outputs.copy }}; echo "said=$GREETING, …
    shell: ["bash","-euo","pipefail","-c"]
    setup: ["GREETING=$WORD"]
    env WORD: it's, me
    output copy: file out/copy.txt
    output said: string
    input list: "list.txt" ([DIGEST])
    container: tools:1 (sha256:[DIGEST]…

"#]]),
            "apptainer" => said.shows(str![[r#"
exit 0
--- out
work: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its container is run by
    [PROJECT]/bin/apptainer exec --cleanenv --no-home --mount type=bind,source=[PROJECT],destination=[PROJECT] --pwd [PROJECT] [PROJECT]/.flowrun/images/tools-1-aef388a6.sif bash -euo pipefail -c $'GREETING=$WORD\ncat \'list.txt\' > \'out/.part.copy.txt\'; echo \"said=$GREETING, $TOKEN\" | sed \"s/$TOKEN/${#TOKEN}/; s/$/, $PASSED/\" >> \"$FLOWRUN_OUTPUT\"'
  its key is made of
    command: cat {{ inputs.list }} > {{ outputs.copy }}; echo "said=$GREETING, …
    shell: ["bash","-euo","pipefail","-c"]
    setup: ["GREETING=$WORD"]
    env WORD: it's, me
    output copy: file out/copy.txt
    output said: string
    input list: "list.txt" ([DIGEST])
    container: tools:1

"#]]),
            "podman" => said.exits(if said.text().contains("--userns keep-id") { 0 } else { -1 }),
            _ => said.exits(if said.text().contains("--user ") { 0 } else { -1 }),
        };
        // Another image is another result; the same one under the same name is not.
        assert_eq!(with("run --output json").json()["counts"]["cached"], 1);
        if engine != "apptainer" {
            image(&project, "tools:1", '2');
            assert_eq!(with("run --output json").json()["counts"]["succeeded"], 1);
        }
    }
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

#[test]
fn what_lies_elsewhere_is_there_inside_too() {
    let project = project(
        r#"
[task.work]
container = { image = "tools:1", engine = "podman", options = ["--shm-size", "1g"] }
workdir = "scratch"
argv = ["cp", "{{ inputs.far }}", "{{ outputs.copy }}"]
inputs.far = "{{ params.far }}"
inputs.link = "link.txt"
outputs.copy = { file = "{{ params.out }}/copy.txt" }

[params]
far = { type = "path" }
out = { type = "path" }
"#,
        &["podman"],
    );
    image(&project, "tools:1", '1');
    let far = Project::empty();
    far.write("in/data, \"odd\".txt", "far away").write("real/file.txt", "x").write("out/.keep", "");
    std::os::unix::fs::symlink(far.path("real/file.txt"), project.path("link.txt")).unwrap();
    let words = |name: &str| {
        let far = far.dir().display();
        vec![
            name.to_owned(),
            "work".to_owned(),
            "-p".to_owned(),
            format!("far={far}/in/data, \"odd\".txt"),
            "-p".to_owned(),
            format!("out={far}/out"),
        ]
    };
    let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
    let with = |name: &str| {
        let mut command = project.command(words(name));
        project.said(command.env("PATH", &path).env("ENGINES", project.path("engines")))
    };
    with("run").exits(0);
    assert_eq!(far.read("out/copy.txt"), "far away");
    let said = with("explain").text();
    let line = said.lines().find(|line| line.trim_start().starts_with("podman") || line.contains("/podman")).unwrap();
    let line = common::redacted(line, far.dir()).replace("[PROJECT]", "[FAR]");
    let line = line.replace(&*project.dir().to_string_lossy(), "[PROJECT]");
    let mounts: Vec<&str> = line.split("--mount ").skip(1).map(|rest| rest.split(" --").next().unwrap()).collect();
    assert_eq!(mounts.len(), 4, "{line}");
    assert!(mounts.iter().any(|mount| mount.contains("/in") && mount.contains(",ro")), "{line}");
    assert!(mounts.iter().any(|mount| mount.contains("/real") && mount.contains(",ro")), "{line}");
    assert!(mounts.iter().any(|mount| mount.contains("/out") && !mount.contains(",ro")), "{line}");
    assert!(line.contains("--shm-size 1g tools:1"), "{line}");
}

#[test]
fn an_image_that_is_not_here_is_fetched_before_anything_runs() {
    let project = project(PIPELINE, &["podman"]);
    project.write("list.txt", "a\n").write("engines/offline", "");
    run(&project, "run").shows(str![[r#"
exit 3
--- err
fetching the image tools:1
error: the image `tools:1` cannot be fetched: no route to the registry

"#]]);
    std::fs::remove_file(project.path("engines/offline")).unwrap();
    run(&project, "run").exits(0);
    let asked = asked(&project);
    assert_eq!(asked.lines().filter(|line| line.starts_with("podman pull")).count(), 2, "{asked}");
}

#[test]
fn without_an_engine_nothing_runs() {
    let pipeline = format!(
        "{PIPELINE}\n[task.file]\ncontainer = 'tools.sif'\ncommand = 'true'\n\
         [task.docker]\ncontainer = {{ image = 'library://x/y', engine = 'docker' }}\ncommand = 'true'\n"
    );
    let project = project(&pipeline, &["docker"]);
    project.write("list.txt", "a\n").write("engines/away", "").write("tools.sif", "an image");
    let mut command = command(&project, "run");
    project.said(command.env("PATH", project.path("bin"))).shows(str![[r#"
exit 2
--- err
error[E0611]: `work` cannot run in its container: there is no `apptainer`; there is no `podman`; `docker` cannot be used: Cannot connect to the daemon
 --> pipeline.toml:3:13
  |
3 | container = "tools:1"
  |             ^^^^^^^^^
  |
  = help: install apptainer, podman or docker; `container_engine` in a profile, or `FLOWRUN_CONTAINER_ENGINE`, says which to take

error[E0611]: `file` cannot run in its container: there is no `apptainer`
  --> pipeline.toml:17:13
   |
17 | container = 'tools.sif'
   |             ^^^^^^^^^^^
   |
   = help: install apptainer, or name an image of a registry

error[E0611]: `docker` cannot run in its container: `docker` does not run `library://x/y`, only apptainer does
  --> pipeline.toml:20:13
   |
20 | container = { image = 'library://x/y', engine = 'docker' }
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: name an image of a registry, or take apptainer

"#]]);
}

#[test]
fn containers_that_are_wrongly_given_are_found_by_check() {
    let project = Project::new(
        r#"
[task.a]
container = { engine = "podman" }
command = "true"

[task.b]
container = { image = "x", engine = "lxc", option = [] }
command = "true"

[task.c]
container = ""
command = "true"

[task.d]
container = ["x"]
command = "true"

[task.e]
container = "tools:{{ attempt }}"
command = "true"
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0104]: `container` needs `image`
 --> pipeline.toml:3:13
  |
3 | container = { engine = "podman" }
  |             ^^^^^^^^^^^^^^^^^^^^^ no `image` here
  |
  = help: add `image`

error[E0120]: `lxc` is no engine
 --> pipeline.toml:7:37
  |
7 | container = { image = "x", engine = "lxc", option = [] }
  |                                     ^^^^^
  |
  = help: write `apptainer`, `podman` or `docker`

error[E0102]: `container` has no key `option`
 --> pipeline.toml:7:44
  |
7 | container = { image = "x", engine = "lxc", option = [] }
  |                                            ^^^^^^ unknown key
  |
  = help: did you mean `options`?

error[E0104]: `container` names no image
  --> pipeline.toml:11:13
   |
11 | container = ""
   |             ^^
   |
   = help: name one, or leave `container` out

error[E0103]: `container` is an array, not a string or a table
  --> pipeline.toml:15:13
   |
15 | container = ["x"]
   |             ^^^^^ an array
   |
   = help: for example: `container = "docker.io/library/python:3.13"`

error[E0306]: `attempt` may not stand in `container`
  --> pipeline.toml:19:23
   |
19 | container = "tools:{{ attempt }}"
   |                       ^^^^^^^
   |
   = help: it may stand in `command`, `argv`, `setup`, `resources`, `vars` and `env`

6 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn a_container_ends_with_its_task() {
    let project = project(
        r#"
[task.a]
container = "tools:1"
command = 'echo $$ > inside.pid; while :; do sleep 1; done'
resources.time = "{{ '1s' if params.brief else '1h' }}"

[params]
brief = { default = true }
"#,
        &["podman"],
    );
    image(&project, "tools:1", '1');
    let gone = || {
        let pid = project.read("inside.pid").trim().to_owned();
        !std::path::Path::new(&format!("/proc/{pid}")).exists()
    };
    // One that its time is over for.
    run(&project, "run").exits(1);
    assert!(gone());
    // And one whose flowrun was killed.
    std::fs::remove_file(project.path("inside.pid")).unwrap();
    let mut child = command(&project, "run -p brief=false").spawn().unwrap();
    project.wait_for("inside.pid", |text| text.ends_with('\n'));
    child.kill().unwrap();
    child.wait().unwrap();
    until(gone, "the container is gone");
}

/// By a real podman, with an image made of busybox.
mod needs_podman {
    use super::*;

    /// What makes podman work where there is no network, no overlay and no right to raise limits.
    const CONF: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
log_driver = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
"#;

    struct Podman {
        project: Project,
        store: Project,
    }

    impl Podman {
        fn new(pipeline: &str) -> Self {
            let (project, store) = (Project::new(pipeline), Project::empty());
            let dir = store.dir().display();
            store.write("containers.conf", CONF);
            store.write(
                "storage.conf",
                format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{dir}/root\"\nrunroot = \"{dir}/run\"\n"),
            );
            store.write("tree/etc/passwd", "root:x:0:0::/:/bin/sh\n");
            for folder in ["bin", "tmp", "proc", "dev", "sys"] {
                std::fs::create_dir_all(store.path("tree").join(folder)).unwrap();
            }
            std::fs::copy("/bin/busybox", store.path("tree/bin/busybox")).unwrap();
            for name in ["sh", "cat", "sleep", "env", "id", "grep"] {
                std::os::unix::fs::symlink("busybox", store.path("tree/bin").join(name)).unwrap();
            }
            let podman = Self { project, store };
            let tar = ["-C", "tree", "-cf", "image.tar", "."];
            assert!(Command::new("tar").args(tar).current_dir(podman.store.dir()).status().unwrap().success());
            podman.podman(&["import", "image.tar", "localhost/tiny:1"]);
            podman
        }

        fn set(&self, command: &mut Command) {
            command
                .env("CONTAINERS_CONF", self.store.path("containers.conf"))
                .env("CONTAINERS_STORAGE_CONF", self.store.path("storage.conf"))
                .env("FLOWRUN_CONTAINER_ENGINE", "podman")
                .env("MY_TOKEN", SECRET);
        }

        fn podman(&self, words: &[&str]) -> String {
            let mut command = Command::new("podman");
            command.args(words).current_dir(self.store.dir());
            self.set(&mut command);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        }

        fn flowrun(&self, line: &str) -> Command {
            let mut command = self.project.command(line.split_whitespace());
            self.set(&mut command);
            command
        }

        fn run(&self, line: &str) -> Said {
            self.project.said(&mut self.flowrun(line))
        }
    }

    #[test]
    #[ignore = "needs podman"]
    fn a_task_runs_in_a_real_container() {
        let podman = Podman::new(
            r#"
[task.work]
container = "localhost/tiny:1"
shell = ["sh", "-euc"]
command = '''
[ ! -e /usr ]
cat {{ inputs.list }} > {{ outputs.copy }}
echo "said=$WORD ${#TOKEN}" >> "$FLOWRUN_OUTPUT"
echo "$TOKEN"
'''
env.WORD = "it's, me"
secrets.TOKEN = { env = "MY_TOKEN" }
inputs.list = "list.txt"
outputs.copy = { file = "out/copy.txt" }
outputs.said = "string"

[task.missing]
container = "localhost/tiny:1"
shell = ["sh", "-euc"]
command = "nothing-of-this-name"
on_error = "ignore"

[task.slow]
container = "localhost/tiny:1"
shell = ["sh", "-euc"]
command = "echo begun > begun; while :; do sleep 1; done"
when = "{{ params.slow }}"

[params]
slow = { default = false }

[outputs]
said = "{{ work.said }}"
"#,
        );
        podman.project.write("list.txt", "a\nb\n");
        let json = podman.run("run --output json").exits(4).json();
        assert_eq!(json["outputs"]["said"], "it's, me 22", "{json}");
        assert_eq!(podman.project.read("out/copy.txt"), "a\nb\n");
        assert_eq!(podman.run("log work").out(), "***\n");
        assert_eq!(podman.run("run --output json").json()["counts"]["cached"], 1);
        // The driver is killed, and the container with it.
        let mut child = podman.flowrun("run slow -p slow=true").spawn().unwrap();
        podman.project.wait_for("begun", |text| text == "begun\n");
        assert_eq!(podman.podman(&["ps", "--quiet"]).lines().count(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        until(|| podman.podman(&["ps", "--all", "--quiet"]).is_empty(), "no container is left");
    }
}
