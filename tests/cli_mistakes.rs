//! Mistakes on the command line: the complete text, and that nothing was written.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use snapbox::str;

#[test]
fn an_unknown_option_or_command() {
    let project = Project::empty();
    project.run("run --keep-goin").shows(str![[r#"
exit 2
--- err
error: unexpected argument '--keep-goin' found

  tip: a similar argument exists: '--keep-going'
  tip: to pass '--keep-goin' as a value, use '-- --keep-goin'

Usage: flowrun run [OPTIONS] [PIPELINE] [NODE]... [-- --NAME VALUE...]

For more information, try '--help'.

"#]]);
    project.run("statsu").shows(str![[r#"
exit 2
--- err
error: unrecognized subcommand 'statsu'

  tip: a similar subcommand exists: 'status'

Usage: flowrun <COMMAND>

For more information, try '--help'.

"#]]);
    project.run("run -j 0").shows(str![[r#"
exit 2
--- err
error: invalid value '0' for '--jobs <N>': give a number of cores, 1 or more

For more information, try '--help'.

"#]]);
    project.run("run --output xml").shows(str![[r#"
exit 2
--- err
error: invalid value 'xml' for '--output <FORM>'
  [possible values: human, json]

For more information, try '--help'.

"#]]);
}

#[test]
fn params_of_the_wrong_form() {
    let project = Project::empty();
    project.run("run -p multiplier").shows(str![[r#"
exit 2
--- err
error: `-p multiplier` is not of the form NAME=VALUE
  help: give it a value: `-p multiplier=VALUE`

"#]]);
    project.run("run -p =3").shows(str![[r#"
exit 2
--- err
error: `-p =3` is not of the form NAME=VALUE
  help: a name comes before the `=`: `-p multiplier=15`

"#]]);
    project.run("run -- multiplier 3").shows(str![[r#"
exit 2
--- err
error: `multiplier` after `--` is not the name of a param
  help: after `--` stand params of the pipeline: `-- --multiplier 15`

"#]]);
}

#[test]
fn words_that_are_no_pipeline() {
    let project = Project::empty();
    project.run("check hello").shows(str![[r#"
exit 2
--- err
error: `hello` is not a pipeline file
  help: a pipeline ends in `.toml` or holds a `/`: `flowrun check ./hello`

"#]]);
    project.run("graph a.toml b.toml").shows(str![[r#"
exit 2
--- err
error: `b.toml` is one word too many
  help: `flowrun graph` takes one pipeline file

"#]]);
    project.run("status seven").shows(str![[r#"
exit 2
--- err
error: `seven` is neither a pipeline file nor the number of a run
  help: a pipeline ends in `.toml` or holds a `/`; `flowrun runs` lists the runs

"#]]);
    project.run("log").shows(str![[r#"
exit 2
--- err
error: which instance?
  help: name one, as in `flowrun log 'align[3]'`; `flowrun status` names those that failed

"#]]);
    project.run("log a.toml").shows(str![[r#"
exit 2
--- err
error: which instance?
  help: name one, as in `flowrun log 'align[3]'`; `flowrun status` names those that failed

"#]]);
}

#[test]
fn backends_and_stores_of_other_versions() {
    let project = Project::empty();
    project.run("run --backend cloud").shows(str![[r#"
exit 2
--- err
error: there is no backend `cloud`
  help: there are `local` and `slurm`

"#]]);
    project.run("run --store postgres://me:secret@host/db?sslmode=full").shows(str![[r#"
exit 2
--- err
error: the address of the store cannot be used: `sslmode=full` is not one of disable, allow, prefer, require, verify-ca, verify-full
  help: an address is `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full`

"#]]);
    project.write("pipeline.toml", "[task.one]\ncommand = 'true'\n");
    let without_slurm = &mut project.command(["run", "--backend", "slurm"]);
    project.said(without_slurm.env("PATH", project.dir())).shows(str![[r#"
exit 3
--- err
error: there is no Slurm here: `sbatch` is not on `PATH`
  help: run where Slurm's commands are (a login node; on many clusters `module load slurm`), or leave `--backend slurm` out to run on this machine

"#]]);
    // Nothing listens on port 1.
    project.run("run --store postgres://me:secret@127.0.0.1:1/db").shows(str![[r#"
exit 3
--- err
error: the store `postgres://me@127.0.0.1:1/db` cannot be reached: connection refused
  help: see to it that the server runs and that this machine can reach it, or name another store with `--store`

"#]]);
    project.run("run --store redis://host").shows(str![[r#"
exit 2
--- err
error: `--store redis://host` is not a store
  help: a store is a file or a database: `--store sqlite:PATH`, `--store postgres://…`

"#]]);
    project.said(project.command(["run"]).env("FLOWRUN_BACKEND", "slurm")).exits(3);
    project.said(project.command(["run"]).env("FLOWRUN_JOBS", "many")).shows(str![[r#"
exit 2
--- err
error: invalid value 'many' for '--jobs <N>': give a number of cores, 1 or more

For more information, try '--help'.

"#]]);
}

#[test]
fn templates_are_copied_and_never_overwrite() {
    let project = Project::empty();
    project.run("template list").shows(str![[r#"
exit 0
--- out
hello     one task that greets
map       a sample sheet: a task for each sample, then one that gathers
scripts   scripts beside the pipeline, with files in and out

"#]]);
    project.run("template list --output json").shows(str![[r#"
exit 0
--- out
{"templates": [{"name": "hello", "about": "one task that greets"}, {"name": "map", "about": "a sample sheet: a task for each sample, then one that gathers"}, {"name": "scripts", "about": "scripts beside the pipeline, with files in and out"}]}

"#]]);
    project.run("template new helo").shows(str![[r#"
exit 2
--- err
error: there is no template `helo`
  help: did you mean `hello`?

"#]]);
    project.run("template new bam").shows(str![[r#"
exit 2
--- err
error: there is no template `bam`
  help: there are `hello`, `map` and `scripts`

"#]]);
    project.run("template new scripts a/b").shows(str![[r#"
exit 0
--- out
wrote a/b/pipeline.toml
wrote a/b/words.txt
wrote a/b/scripts/count.sh
wrote a/b/scripts/table.sh
wrote a/b/pipeline.schema.json

run it: flowrun run a/b/pipeline.toml

"#]]);
    project.write("a/b/pipeline.toml", "mine\n");
    project.run("template new hello a/b").shows(str![[r#"
exit 2
--- err
error: `a/b/pipeline.toml` is there already; nothing was written
  help: name another folder: `flowrun template new NAME DIR`

"#]]);
    assert_eq!(project.read("a/b/pipeline.toml"), "mine\n");
    project.write("c/scripts/table.sh", "mine\n");
    project.run("template new scripts c").exits(2);
    assert!(!project.path("c/pipeline.toml").exists(), "a template is copied as a whole or not at all");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let project = Project::empty();
    let mut flowrun = project.command(["completions", "bash"]);
    let mut child = flowrun.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    // A disk that is full is one.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = project.command(["completions", "bash"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: cannot write to standard output: No space left on device (os error 28)\n"
    );
}
