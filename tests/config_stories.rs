//! Settings from `flowrun.toml`, the user's folder and the machine: which wins, and what is said about them.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use snapbox::str;

const PIPELINE: &str = r#"[resources]
memory = "64MiB"
time = "10m"

[task.say]
command = '''
echo 'cpus={{ resources.cpus }}' >> "$FLOWRUN_OUTPUT"
echo 'memory={{ resources.memory }}' >> "$FLOWRUN_OUTPUT"
echo 'time={{ resources.time }}' >> "$FLOWRUN_OUTPUT"
'''
outputs = { cpus = "int", memory = "int", time = "int" }
resources.time = "20m"

[outputs]
got = "{{ [say.cpus, say.memory, say.time] }}"
"#;

/// Settings of the project, the user and the machine, and a `flowrun` that reads the last of them in the project.
fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write(
        "flowrun.toml",
        r#"[profile.default]
store = "kept/store.db"

[profile.big]
jobs = 64
resources = { memory = "128MiB", time = "1h" }
slurm.account = "p042"
"#,
    );
    project.write(
        ".config/flowrun/config.toml",
        r#"[profile.big]
jobs = 2
keep_going = true
container_engine = "podman"

[profile.home]
resources.cpus = 1
"#,
    );
    project
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_profile_over_the_pipeline() {
    let project = project();
    project.write("machine.toml", "[caps]\njobs = 3\nmemory = \"1GiB\"\n");
    let mut config = project.command(["config", "--origin", "--profile", "big", "--no-cache"]);
    config.env("FLOWRUN_MACHINE_CONFIG", "machine.toml").env("FLOWRUN_ARTIFACTS", "/srv/artifacts");
    project.said(&mut config).shows(str![[r#"
exit 0
--- out
profile           big             --profile
backend           local           default
store             kept/store.db   flowrun.toml:2
artifacts         /srv/artifacts  FLOWRUN_ARTIFACTS
jobs              3               flowrun.toml:5: 64, capped by machine.toml:2
keep_going        true            [PROJECT]/.config/flowrun/config.toml:3
no_cache          true            --no-cache
wait              false           default
container_engine  podman          [PROJECT]/.config/flowrun/config.toml:4
slurm.account     p042            flowrun.toml:7
resources.memory  128MiB          flowrun.toml:6
resources.time    1h              flowrun.toml:6
caps.jobs         3               machine.toml:2
caps.memory       1GiB            machine.toml:3

"#]]);

    let mut config =
        project.command(["config", "-j", "2", "--store", "postgres://me:secret@db/runs", "--output", "json"]);
    let said = project.said(config.env("FLOWRUN_MACHINE_CONFIG", "machine.toml").env("FLOWRUN_PROFILE", "home"));
    let settings = said.exits(0).json()["settings"].clone();
    let of = |name: &str| settings.as_array().unwrap().iter().find(|s| s["name"] == name).unwrap().clone();
    assert_eq!(of("jobs")["origin"], serde_json::json!({ "kind": "option", "option": "--jobs" }));
    assert_eq!(of("store")["value"], "postgres://me:***@db/runs");
    assert_eq!(of("profile")["origin"], serde_json::json!({ "kind": "environment", "variable": "FLOWRUN_PROFILE" }));
    assert_eq!(of("resources.cpus")["origin"]["profile"], "home");
    assert_eq!(of("caps.memory")["value"], "1GiB");
    assert!(!said.text().contains("secret"));
}

#[test]
fn a_profile_wins_over_the_pipelines_defaults_and_not_over_a_task() {
    let project = project();
    project.write("machine.toml", "[caps]\njobs = 1\n");
    let mut run = project.command(["run", "--profile", "big", "-j", "8"]);
    let said = project.said(run.env("FLOWRUN_MACHINE_CONFIG", "machine.toml"));
    said.shows(str![[r#"
exit 0
--- out
outputs
  got = [1, 134217728, 1200]
run 1 succeeded: 1 succeeded in [TIME]
--- err
note: 1 core, not 8: `machine.toml:2` allows no more
[0/1] started   say
[1/1] done      say  [TIME]

"#]]);
    assert!(project.path("kept/store.db").is_file(), "the store of `[profile.default]`");
    // Without the profile the pipeline's own; the store of `default` holds all the same.
    let said = project.run("run --output json --no-cache");
    assert_eq!(said.exits(0).json()["outputs"]["got"], serde_json::json!([1, 64 << 20, 1200]));
    assert_eq!(project.run("runs --output json").exits(0).json()["runs"].as_array().map(Vec::len), Some(2));
    assert!(project.run("cache ls").exits(0).out().contains("say"));
    assert!(!project.path(".flowrun/store.db").exists());

    project.edit("pipeline.toml", "resources.time = \"20m\"", "resources = { time = \"20m\", memory = \"2GiB\" }");
    project.write("machine.toml", "[caps]\nmemory = \"1GiB\"\n");
    let mut run = project.command(["run"]);
    project.said(run.env("FLOWRUN_MACHINE_CONFIG", "machine.toml")).shows(str![[r#"
exit 2
--- err
error[E0601]: `say` asks for 2GiB of memory, and there are 1 GiB
  --> pipeline.toml:12:38
   |
12 | resources = { time = "20m", memory = "2GiB" }
   |                                      ^^^^^^ more than there is
   |
   = help: ask for less, or run it where there is more

"#]]);
}

#[test]
fn what_is_wrong_with_settings_is_said_at_its_place() {
    let project = Project::new(PIPELINE);
    project.write(
        "flowrun.toml",
        r#"[caps]
jobs = 4

[profil.x]
jobs = 4

[profile.big]
job = 4
jobs = "4"
container_engine = "singularity"
keep_going = "yes"
command = "true"
store = ""
slurm.account = "x"
resources = { memory = "4G", cpus = "{{ params.n }}", cores = 2 }

[profile.my-cluster]
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0124]: `caps` are the machine's to set
 --> flowrun.toml:1:2
  |
1 | [caps]
  |  ^^^^ not in this file
  |
  = help: write them into `/etc/flowrun/config.toml`

error[E0102]: `flowrun.toml` has no key `profil`
 --> flowrun.toml:4:2
  |
4 | [profil.x]
  |  ^^^^^^ unknown key
  |
  = help: the keys are `profile` and `caps`

error[E0102]: a profile of `flowrun.toml` has no key `job`
 --> flowrun.toml:8:1
  |
8 | job = 4
  | ^^^ unknown key
  |
  = help: the keys are `backend`, `store`, `artifacts`, `jobs`, `keep_going`, `no_cache`, `wait`, `container_engine`, `resources` and `slurm`

error[E0103]: `jobs` is a string, not a whole number
 --> flowrun.toml:9:8
  |
9 | jobs = "4"
  |        ^^^ a string
  |
  = help: write it without quotes: `jobs = 4`

error[E0120]: `singularity` is not one of the words of `container_engine`
  --> flowrun.toml:10:20
   |
10 | container_engine = "singularity"
   |                    ^^^^^^^^^^^^^
   |
   = help: write `apptainer`, `podman` or `docker`

error[E0103]: `keep_going` is a string, not `true` or `false`
  --> flowrun.toml:11:14
   |
11 | keep_going = "yes"
   |              ^^^^^ a string
   |
   = help: for example: `keep_going = true`

error[E0102]: a profile of `flowrun.toml` has no key `command`
  --> flowrun.toml:12:1
   |
12 | command = "true"
   | ^^^^^^^ unknown key
   |
   = help: it is a key of a task

error[E0120]: `store` is empty
  --> flowrun.toml:13:9
   |
13 | store = ""
   |         ^^
   |
   = help: leave it out, or give it a value

error[E0111]: the unit of `4G` can be read in two ways
  --> flowrun.toml:15:24
   |
15 | resources = { memory = "4G", cpus = "{{ params.n }}", cores = 2 }
   |                        ^^^^
   |
   = help: write `4GiB` (powers of 1024) or `4GB` (powers of 1000)

error[E0111]: no expression can stand in `cpus` of a profile
  --> flowrun.toml:15:37
   |
15 | resources = { memory = "4G", cpus = "{{ params.n }}", cores = 2 }
   |                                     ^^^^^^^^^^^^^^^^
   |
   = help: write the amount as it is

error[E0102]: `cores` is neither a resource nor a name under `[limits]`
  --> flowrun.toml:15:55
   |
15 | resources = { memory = "4G", cpus = "{{ params.n }}", cores = 2 }
   |                                                       ^^^^^ unknown resource
   |
   = help: use `cpus`, `memory`, `time`, `gpus`, `disk`, `nodes` or `tasks`; or say how many there are: `limits.cores = 4`

error[E0106]: `my-cluster` cannot be the name of a profile
  --> flowrun.toml:17:10
   |
17 | [profile.my-cluster]
   |          ^^^^^^^^^^
   |
   = help: a name is letters, digits and `_`, not a digit first: `my_cluster`

"#]]);
    project.write("flowrun.toml", "[profile.big]\njobs = 0\n");
    project.run("run --profile big").shows(str![[r#"
exit 2
--- err
error[E0116]: `jobs` must be at least 1
 --> flowrun.toml:2:8
  |
2 | jobs = 0
  |        ^
  |
  = help: write a whole number from 1 to 4294967295

"#]]);
    project.write("flowrun.toml", "[profile.big]\n");
    project.run("run --profile bug").shows(str![[r#"
exit 2
--- err
error[E0508]: there is no profile `bug`
 |
 = help: did you mean `big`?

"#]]);
    project.write("flowrun.toml", "");
    project.run("run --profile bug").shows(str![[r#"
exit 2
--- err
error[E0508]: there is no profile `bug`
 |
 = help: write one into `flowrun.toml` beside the pipeline: `[profile.bug]`

"#]]);
}
