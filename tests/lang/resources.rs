//! `resources` and `[limits]`: what a task asks for, gets, and may not exceed.

use crate::common::{Project, Said};
use crate::{counts, outputs};
use serde_json::json;
use snapbox::str;
use std::collections::BTreeSet;

#[test]
fn cpus_are_scaled_to_what_there_is() {
    let project = Project::new(
        r#"
[resources]
cpus = 64
[task.t]
command = 'echo {{ resources.cpus }}'
outputs.n = { type = "int", from = "stdout" }
[task.own]
resources.cpus = 1
command = 'printf {{ resources.cpus }}'
outputs.n = { type = "int", from = "stdout" }
[map.m]
over = [2]
resources.cpus = "{{ 1 + 1 }}"
[map.m.task.inner]
command = 'echo {{ resources.cpus }} {{ item }}'
outputs.n = { type = "string", from = "stdout" }
[map.m.task.read]
resources.cpus = "{{ item }}"
command = 'echo {{ resources.cpus }} {{ item }}'
outputs.n = { type = "string", from = "stdout" }
[outputs]
t = "{{ t.n }}"
own = "{{ own.n }}"
map = "{{ m.inner.n }}"
read = "{{ m.read.n }}"
"#,
    );
    let said = project.run("run -j 3 --output json").exits(0).json();
    assert_eq!(said["outputs"], json!({ "t": 3, "own": 1, "map": ["2 2"], "read": ["2 2"] }));
    // Another -j gives other cpus, and changes no key.
    assert_eq!(counts(&project, "run -j 1 --output json"), (0, 4));
}

#[test]
fn cpus_are_shared_out() {
    let project = Project::new(
        r#"
[task.t]
over = { range = [0, 6] }
resources.cpus = 2
command = 'echo "+ {{ item }}" >> stamps; sleep 0.03; echo "- {{ item }}" >> stamps'
"#,
    );
    project.run("run -j 5").exits(0);
    assert_eq!(most(&project), 2, "{:?}", project.lines("stamps"));
}

/// How many were at work at once.
fn most(project: &Project) -> i32 {
    let (mut now, mut most) = (0, 0);
    for line in project.lines("stamps") {
        now += if line.starts_with('+') { 1 } else { -1 };
        most = most.max(now);
    }
    most
}

#[test]
fn memory_beyond_the_machine_is_said_before_anything_runs() {
    let text = |memory: &str| {
        format!(
            "[params.m]\ntype = \"string\"\ndefault = \"900TiB\"\n[task.first_one]\ncommand = 'echo >> ran'\n[task.t]\n\
             after = [\"first_one\"]\nresources.memory = {memory}\ncommand = 'true'\n[task.u]\ncommand = 'echo {{{{ params.m }}}}'\n"
        )
    };
    // How much there is differs between machines.
    let shows = |said: Said| {
        let text = said.text();
        let (before, after) = text.split_once("and there are ").unwrap();
        format!("{before}and there are [SIZE]{}", &after[after.find('\n').unwrap()..])
    };
    let project = Project::new(&text("\"800TiB\""));
    let assert = snapbox::Assert::new().action_env("SNAPSHOTS");
    assert.eq(
        shows(project.run("run")),
        str![[r#"
exit 2
--- err
error[E0601]: `t` asks for 800TiB of memory, and there are [SIZE]
 --> pipeline.toml:8:20
  |
8 | resources.memory = "800TiB"
  |                    ^^^^^^^^ more than there is
  |
  = help: ask for less, or run it where there is more

"#]],
    );
    assert!(!project.path("ran").exists());
    let project = Project::new(&text("\"{{ params.m }}\""));
    assert.eq(
        shows(project.run("run")),
        str![[r#"
exit 2
--- err
error[E0601]: `t` asks for 900TiB of memory, and there are [SIZE]
 --> pipeline.toml:8:20
  |
8 | resources.memory = "{{ params.m }}"
  |                    ^^^^^^^^^^^^^^^^ more than there is
  |
  = help: ask for less, or run it where there is more

"#]],
    );
    assert.eq(
        shows(project.run("plan")),
        str![[r#"
exit 2
--- err
error[E0601]: `t` asks for 900TiB of memory, and there are [SIZE]
 --> pipeline.toml:8:20
  |
8 | resources.memory = "{{ params.m }}"
  |                    ^^^^^^^^^^^^^^^^ more than there is
  |
  = help: ask for less, or run it where there is more

"#]],
    );
    assert!(!project.path("ran").exists());
    let project = Project::new(&text("\"{{ params.m }}\""));
    project.run("run -- --m 1MiB").exits(0);
    assert.eq(
        shows(Project::new(&text("\"{{ 900 * 1024 ** 4 }}\"")).run("run")),
        str![[r#"
exit 2
--- err
error[E0601]: `t` asks for 900 TiB of memory, and there are [SIZE]
 --> pipeline.toml:8:20
  |
8 | resources.memory = "{{ 900 * 1024 ** 4 }}"
  |                    ^^^^^^^^^^^^^^^^^^^^^^^ more than there is
  |
  = help: ask for less, or run it where there is more

"#]],
    );
}

#[test]
fn memory_is_shared_out() {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: u64 = memory.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let project = Project::new(&format!(
        "[task.t]\nover = {{ range = [0, 4] }}\nresources.memory = {}\n\
         command = 'echo \"+ {{{{ item }}}} {{{{ resources.memory }}}}\" >> stamps; sleep 0.03; echo \"- {{{{ item }}}}\" >> stamps'\n",
        // More than half of all there is, less than what is left for tasks.
        total * 1024 * 6 / 10
    ));
    project.run("run -j 4").exits(0);
    assert_eq!(most(&project), 1);
}

#[test]
fn amounts_that_are_none() {
    let text = |line: &str| format!("[task.t]\nresources.{line}\ncommand = 'true'\n");
    Project::new(&text("cpus = 0")).run("run").shows(str![[r#"
exit 2
--- err
error[E0116]: `cpus` must be at least 1
 --> pipeline.toml:2:18
  |
2 | resources.cpus = 0
  |                  ^
  |
  = help: write a whole number from 1 to 4294967295

"#]]);
    Project::new(&text("cpus = \"{{ 'two' }}\"")).run("run").shows(str![[r#"
exit 2
--- err
error[E0316]: `cpus` is a string, not a whole number
 --> pipeline.toml:2:18
  |
2 | resources.cpus = "{{ 'two' }}"
  |                  ^^^^^^^^^^^^^
  |
  = help: write a number, `cpus = 2`, or an expression that gives one, `cpus = "{{ … }}"`

"#]]);
    Project::new(&text("memory = \"lots\"")).run("run").shows(str![[r#"
exit 2
--- err
error[E0111]: `lots` is not an amount of memory
 --> pipeline.toml:2:20
  |
2 | resources.memory = "lots"
  |                    ^^^^^^
  |
  = help: write a number and a unit: `512MiB`, `4GB`, `1.5GiB`; a number alone is bytes

"#]]);
    Project::new(&text("memory = \"{{ 'lots' }}\"")).run("run").shows(str![[r#"
exit 1
--- out
failed t
  `resources.memory`: `lots` is not an amount of memory
  help: write a number and a unit: `512MiB`, `4GB`, `1.5GiB`; a number alone
        is bytes

run 1: 1 failed in [TIME]
failed t: `resources.memory`: `lots` is not an amount of memory
--- err
[1/1] failed    t  `resources.memory`: `lots` is not an amount of memory
nothing new starts: `t` failed

"#]]);
    Project::new(&text("time = \"soon\"")).run("run").shows(str![[r#"
exit 2
--- err
error[E0111]: `soon` is not a duration
 --> pipeline.toml:2:18
  |
2 | resources.time = "soon"
  |                  ^^^^^^
  |
  = help: write parts of `d`, `h`, `m`, `s`, `ms`, the largest first: `[TIME]`, `10m`, `[TIME]`, `2d`

"#]]);
    Project::new(&text("gpus = -1")).run("run").shows(str![[r#"
exit 2
--- err
error[E0116]: `gpus` must be at least 0
 --> pipeline.toml:2:18
  |
2 | resources.gpus = -1
  |                  ^^
  |
  = help: write a whole number from 0 to 4294967295

"#]]);
    Project::new(&text("licences = 1")).run("run").shows(str![[r#"
exit 2
--- err
error[E0102]: `licences` is neither a resource nor a name under `[limits]`
 --> pipeline.toml:2:11
  |
2 | resources.licences = 1
  |           ^^^^^^^^ unknown resource
  |
  = help: use `cpus`, `memory`, `time`, `gpus`, `disk`, `nodes` or `tasks`; or say how many there are: `limits.licences = 4`

"#]]);
}

#[test]
fn time_kills() {
    let project = Project::new(
        r#"
[resources]
time = "300ms"
[task.slow]
command = 'echo begun; sleep 600'
[task.quick]
command = 'echo {{ resources.time }} > quick.txt'
resources.time = "1h"
"#,
    );
    project.run("run quick").exits(0);
    project.run("run slow").shows(str![[r#"
exit 1
--- out
failed slow
  stopped: it ran longer than its `time`, [TIME]
  | begun
  help: give it more with `resources.time`
  log: flowrun log slow --run 2

run 2: 1 failed in [TIME]
failed slow: stopped: it ran longer than its `time`, [TIME]
--- err
[0/1] started   slow  it declares no output
[1/1] failed    slow  stopped: it ran longer than its `time`, [TIME]
nothing new starts: `slow` failed

"#]]);
    assert_eq!(project.read("quick.txt"), "3600\n");
}

#[test]
fn gpus_are_handed_out_by_their_ids() {
    let project = Project::new(
        r#"
[task.t]
over = { range = [0, 4] }
resources.gpus = 1
command = 'echo "+ {{ item }}" >> stamps; sleep 0.05; echo "id=$CUDA_VISIBLE_DEVICES" >> "$FLOWRUN_OUTPUT"; echo "- {{ item }}" >> stamps'
outputs.id = "string"
[task.both]
after = ["t"]
resources.gpus = 2
command = 'echo "{{ resources.gpus }}:$CUDA_VISIBLE_DEVICES"'
outputs.ids = { type = "string", from = "stdout" }
[task.none_of_them]
after = ["t"]
command = 'echo "<${CUDA_VISIBLE_DEVICES-unset}>"'
outputs.ids = { type = "string", from = "stdout" }
[outputs]
ids = "{{ t.id }}"
both = "{{ both.ids }}"
none_of_them = "{{ none_of_them.ids }}"
"#,
    );
    let mut command = project.command(["run", "-j", "8", "--output", "json"]);
    let said = project.said(command.env("CUDA_VISIBLE_DEVICES", "3,5")).exits(0).json();
    let ids: BTreeSet<&str> =
        said["outputs"]["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(ids, BTreeSet::from(["3", "5"]));
    assert_eq!(most(&project), 2);
    assert_eq!(said["outputs"]["both"], "2:3,5");
    assert_eq!(said["outputs"]["none_of_them"], "<>");
    let mut command = project.command(["run"]);
    project.said(command.env("CUDA_VISIBLE_DEVICES", "3")).shows(str![[r#"
exit 2
--- err
error[E0601]: `both` asks for 2 GPUs, and there is 1
 --> pipeline.toml:9:18
  |
9 | resources.gpus = 2
  |                  ^ more than there is
  |
  = help: ask for less, or run it where there is more

"#]]);
    let mut command = project.command(["run"]);
    project.said(command.env("CUDA_VISIBLE_DEVICES", "")).exits(2);
}

#[test]
fn limits_of_ones_own() {
    let project = Project::new(
        r#"
[limits]
licences = 3
[task.t]
over = { range = [0, 5] }
resources.licences = "{{ 1 if item < 3 else 2 }}"
command = 'echo "+ {{ resources.licences }}" >> stamps; sleep 0.03; echo "- {{ resources.licences }}" >> stamps'
"#,
    );
    project.run("run -j 8").exits(0);
    let (mut now, mut most) = (0, 0);
    for line in project.lines("stamps") {
        let n: i32 = line[2..].parse().unwrap();
        now += if line.starts_with('+') { n } else { -n };
        most = most.max(now);
    }
    assert_eq!((now, most), (0, 3), "{:?}", project.lines("stamps"));
    let text = |n: &str| format!("[limits]\nlicences = 3\n[task.t]\nresources.licences = {n}\ncommand = 'true'\n");
    Project::new(&text("4")).run("run").shows(str![[r#"
exit 2
--- err
error[E0405]: 4 of `licences` can never be given: there are 3
 --> pipeline.toml:4:22
  |
2 | licences = 3
  | -------- the limit
3 | [task.t]
4 | resources.licences = 4
  |                      ^
  |
  = help: ask for at most 3, or raise the limit

"#]]);
    Project::new(&text("\"{{ 2 + 2 }}\"")).run("run").shows(str![[r#"
exit 2
--- err
error[E0601]: `t` asks for 4 of `licences`, and there are 3
 --> pipeline.toml:4:22
  |
4 | resources.licences = "{{ 2 + 2 }}"
  |                      ^^^^^^^^^^^^^ more than there is
  |
  = help: ask for less, or run it where there is more

"#]]);
}

#[test]
fn a_value_may_say_how_much_is_asked_for() {
    let project = Project::new(
        r#"
[task.size]
command = 'echo "n=2" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"
[task.t]
resources.cpus = "{{ size.n }}"
resources.memory = "{{ size.n * 10 }}MiB"
command = 'echo {{ resources.cpus }} {{ resources.memory }}'
outputs.x = { type = "string", from = "stdout" }
[outputs]
x = "{{ t.x }}"
"#,
    );
    let said = project.run("run -j 4 --output json").exits(0).json();
    assert_eq!(said["outputs"], json!({ "x": "2 20971520" }));
    // What only resources read is no part of the key.
    project.edit("pipeline.toml", "n=2", "n=1");
    assert_eq!(counts(&project, "run --output json"), (1, 1));
    assert_eq!(outputs(&project), json!({ "x": "2 20971520" }));
}
