//! Every example of README.md as written.
//!
//! `<!-- project -->` begins a new folder (with a copy of `pipelines/`), `<!-- file: NAME -->` before a block writes
//! the block to a file, and in a `console` block each line after `$ ` is run and must say what stands below it. The
//! folder after `<!-- cluster -->` is one on a Slurm cluster of four nodes. `SNAPSHOTS=overwrite` writes down what was
//! said, the two tests one after the other.

use crate::cluster::{Cluster, Shape};
use crate::common::{Project, copy, package, redacted};
use std::fmt::Write as _;

#[test]
fn every_example() {
    let run = examples(None);
    assert!(run > 10, "only {run} commands found in README.md");
}

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn every_example_on_a_cluster() {
        let more = "PartitionName=short Nodes=n[1-2] MaxTime=30 State=UP\n";
        let run = examples(Some(&Cluster::start(&Shape { more, ..Shape::default() })));
        assert!(run > 3, "only {run} commands on a cluster found in README.md");
    }
}

/// Runs those of a cluster, or the others.
fn examples(cluster: Option<&Cluster>) -> usize {
    let text = std::fs::read_to_string(package("README.md")).unwrap();
    let (mut project, mut file, mut run, mut faults) = (new(), None, 0, String::new());
    let (mut next, mut ours) = (false, cluster.is_none());
    let mut written = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(written, "{line}").unwrap();
        if line == "<!-- cluster -->" {
            next = true;
        } else if line == "<!-- project -->" {
            project = new();
            ours = std::mem::take(&mut next) == cluster.is_some();
        } else if let Some(name) = line.strip_prefix("<!-- file: ").and_then(|line| line.strip_suffix(" -->")) {
            file = Some(name.to_string());
        } else if let Some(kind) = line.strip_prefix("```") {
            let mut block = Vec::new();
            for line in lines.by_ref().take_while(|line| *line != "```") {
                block.push(line);
            }
            if let Some(name) = file.take() {
                project.write(name, block.join("\n") + "\n");
            }
            if kind == "console" && ours {
                block = console(&project, cluster, &block, &mut faults, &mut run);
            } else if kind == "console" {
                // Run by the other test.
            } else {
                assert!(!block.iter().any(|line| line.starts_with("$ ")), "a command in a block that is not `console`");
            }
            block.iter().for_each(|line| writeln!(written, "{line}").unwrap());
            writeln!(written, "```").unwrap();
        }
    }
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        std::fs::write(package("README.md"), written).unwrap();
        return run;
    }
    assert!(faults.is_empty(), "README.md does not tell the truth:\n{faults}");
    run
}

#[test]
fn the_two_commands_at_its_beginning() {
    let text = std::fs::read_to_string(package("README.md")).unwrap();
    let first = text.split("```").nth(1).unwrap();
    assert_eq!(first, "sh\ncargo run --release -- run pipelines/compute_data.toml\ntests/all\n");
    let said = new().run("run pipelines/compute_data.toml");
    assert!(said.exits(0).text().contains("[126, 129, 132, 135]"), "{}", said.text());
    assert!(package("tests/all").exists());
}

fn new() -> Project {
    let project = Project::empty();
    copy(&package("pipelines"), &project.path("pipelines"));
    project
}

/// Runs the commands of a block; gives the block as it should read.
fn console<'a>(
    project: &Project,
    cluster: Option<&Cluster>,
    block: &[&'a str],
    faults: &mut String,
    run: &mut usize,
) -> Vec<&'a str> {
    // All nodes of the cluster are this machine.
    let host = String::from_utf8(std::process::Command::new("uname").arg("-n").output().unwrap().stdout).unwrap();
    let mut should = Vec::new();
    let mut rest = block.iter().peekable();
    while let Some(line) = rest.next() {
        let typed = line.strip_prefix("$ ").unwrap_or_else(|| panic!("no command before {line:?}"));
        let mut expected = String::new();
        while let Some(line) = rest.next_if(|line| !line.starts_with("$ ")) {
            writeln!(expected, "{line}").unwrap();
        }
        let mut command = shell(project, typed);
        if let Some(cluster) = cluster {
            command.env("SLURM_CONF", cluster.path("slurm.conf"));
        }
        let said = project.said(&mut command);
        let mut found = format!("{}{}", String::from_utf8(said.out).unwrap(), String::from_utf8(said.err).unwrap());
        if cluster.is_some() {
            found = found.replace(&format!(" {}", host.trim()), " node1");
        }
        *run += 1;
        // How a line of `doctor` is broken depends on the length of the host's name.
        let plain = |text: &str| redacted(text, project.dir()).replace(&format!("\n{:26}", ""), " ");
        let (found_plain, expected_plain) = (plain(&found), plain(&expected));
        if found_plain != expected_plain {
            writeln!(faults, "$ {typed}\n--- README\n{expected_plain}--- said\n{found_plain}").unwrap();
            expected = found.replace(project.dir().to_str().unwrap(), "/home/ada/project");
        }
        should.push(*line);
        should.extend(expected.leak().lines());
    }
    should
}

/// A command line of the README, in bash, with `flowrun` on the PATH; both outputs in the order in which they came.
fn shell(project: &Project, command: &str) -> std::process::Command {
    let flowrun = project.command([""; 0]);
    let folder = std::path::Path::new(flowrun.get_program()).parent().unwrap();
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(project.dir()).env_clear();
    bash.envs(flowrun.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let path = flowrun.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).unwrap();
    bash.env("PATH", format!("{}:{}", folder.display(), path.to_str().unwrap()));
    bash
}
