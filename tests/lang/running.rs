//! What a task runs, and with what around it: `command`, `argv`, `script`, `vars`, `env`, `pass_env`, `workdir`,
//! `after`, `priority`.

use crate::common::Project;
use crate::{counts, failure, outputs, ran};
use serde_json::json;
use snapbox::str;

#[test]
fn argv_takes_lists_apart() {
    let project = Project::new(
        r#"
[params.words]
type = "list<string>"
default = ["a b", "", "$x", "-n", "it's"]
[task.t]
argv = ["printf", "[%s]", "{{ params.words }}", "{{ params.words | length }}", "x{{ params.words[0] }}", "{{ [] }}", "*"]
outputs.all = { type = "string", from = "stdout" }
[outputs]
all = "{{ t.all }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "all": "[a b][][$x][-n][it's][5][xa b][*]" }));
}

#[test]
fn argv_that_cannot_be() {
    let text = |argv: &str| format!("[params.l]\ntype = \"list<int>\"\ndefault = [1]\n[task.t]\nargv = {argv}\n");
    Project::new(&text(r#"["echo", "x{{ params.l }}"]"#)).run("run").shows(str![[r#"
exit 2
--- err
error[E0209]: a list cannot be part of a text or of a single word
 --> pipeline.toml:5:19
  |
5 | argv = ["echo", "x{{ params.l }}"]
  |                   ^^^^^^^^^^^^^^ this is `list<int>`
  |
  = help: make it one text with `| join(',')`, or let it stand alone

"#]]);
    Project::new(&text(r#"["echo", "{{ [none] }}", "{{ params.l }}"]"#)).run("run").shows(str![[r#"
exit 1
--- out
failed t
  `argv[1]`: the value of `[none]` is a list that holds null (pipeline.toml:5)
  help: write `| reject('none')` behind it to leave nulls out

run 1: 1 failed in [TIME]
failed t: `argv[1]`: the value of `[none]` is a list that holds null (pipeline.toml:5)
--- err
[1/1] failed    t  `argv[1]`: the value of `[none]` is a list that holds null (pipeline.toml:5)
nothing new starts: `t` failed

"#]]);
    Project::new(&text(r#"["{{ params.l | reject('odd') }}"]"#)).run("run").shows(str![[r#"
exit 1
--- out
failed t
  `argv` names no program

run 1: 1 failed in [TIME]
failed t: `argv` names no program
--- err
[1/1] failed    t  `argv` names no program
nothing new starts: `t` failed

"#]]);
    Project::new(&text("[]")).run("run").shows(str![[r#"
exit 2
--- err
warning[E0507]: nothing reads the param `l`
 --> pipeline.toml:1:9
  |
1 | [params.l]
  |         ^
  |
  = help: read it as `{{ params.l }}`, or take it away

error[E0103]: `argv` is an empty array
 --> pipeline.toml:5:8
  |
5 | argv = []
  |        ^^
  |
  = help: its first element is the program

"#]]);
}

#[test]
fn a_shell_of_ones_own() {
    let project = Project::new(
        r#"
[task.sh]
shell = ["sh", "-c"]
command = 'echo $0 {{ "a b" }}; false; echo on'
outputs.x = { type = "string", from = "stdout" }
[task.python]
shell = ["python3", "-c"]
command = "print('no shell', 1 + 1)"
outputs.x = { type = "string", from = "stdout" }
[outputs]
sh = "{{ sh.x }}"
python = "{{ python.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "sh": "sh a b\non", "python": "no shell 2" }));
    Project::new("[task.t]\nshell = [\"python3\", \"-c\"]\ncommand = \"print({{ 'x' }})\"\n").run("run").shows(str![[r#"
exit 2
--- err
error[E0207]: this shell's quoting is not known, so that a value cannot be put into its command safely
 --> pipeline.toml:3:18
  |
3 | command = "print({{ 'x' }})"
  |                  ^^^^^^^^^
  |
  = help: give the task `env.X = "{{ 'x' }}"` and write `"$X"` here; values are quoted for `sh`, `dash`, `bash`, `ksh` and `zsh`

"#]]);
}

#[test]
fn a_script_reads_its_values_from_a_file() {
    let project = Project::new(
        r#"
[params.factor]
type = "int"
default = 3
[map.m]
over = { csv = "list" }
as = "sample"
[map.m.task.t]
interpreter = ["python3"]
script = '''
import json, os
given = json.load(open(os.environ["FLOWRUN_VARS"]))
print(json.dumps(given, sort_keys=True))
open(given["outputs"]["copy"], "w").write(open(given["inputs"]["text"]).read() * given["vars"]["times"])
with open(os.environ["FLOWRUN_OUTPUT"], "a") as out:
    print("id=" + json.dumps(given["sample"]["id"] + " {{ not filled }}"), file=out)
'''
vars.times = "{{ params.factor }}"
vars.nested = { a = [1, "{{ sample.id }}"], b = 2.5 }
inputs.text = "{{ sample.file }}"
inputs.all = ["a.txt", "b.txt"]
outputs.copy = { file = "out/{{ sample.id }}.txt" }
outputs.id = "string"
outputs.said = { type = "json", from = "stdout" }
resources.cpus = 1
[outputs]
said = "{{ m.t.said[0] }}"
ids = "{{ m.t.id }}"
"#,
    );
    project.write("list", "id,file,note\nA,a.txt,x\nB,b.txt,y\n").write("a.txt", "a").write("b.txt", "b");
    assert_eq!(
        outputs(&project),
        json!({
            "said": {
                "inputs": { "all": ["a.txt", "b.txt"], "text": "a.txt" },
                "outputs": { "copy": "out/.part.A.txt" },
                "resources": { "cpus": 1 },
                "sample": { "id": "A", "file": "a.txt", "note": "x" },
                "vars": { "times": 3, "nested": { "a": [1, "A"], "b": 2.5 } }
            },
            "ids": ["A {{ not filled }}", "B {{ not filled }}"]
        })
    );
    assert_eq!(project.read("out/B.txt"), "bbb");
    assert_eq!(counts(&project, "run --output json"), (0, 2));
    // A script may read all of its item.
    project.write("list", "id,file,note\nA,a.txt,x\nB,b.txt,changed\n");
    project.run("plan").shows(str![[r#"
exit 0
--- out
m.t: run 1 · cached 1
  m[1].t
    value sample:
      - {"id":"B","file":"b.txt","note":"y"}
      + {"id":"B","file":"b.txt","note":"changed"}

run 1 · cached 1 · unknown 0

"#]]);
    project.edit("pipeline.toml", "* given[", "* 2 * given[");
    project.run("plan").shows(str![[r#"
exit 0
--- out
m.t: run 2
  m[0].t
    script:
      - …]["text"]).read() * given["vars"]["times"])\nwith open(os.environ["FLO…
      + …]["text"]).read() * 2 * given["vars"]["times"])\nwith open(os.environ[…
  m[1].t
    script:
      - …]["text"]).read() * given["vars"]["times"])\nwith open(os.environ["FLO…
      + …]["text"]).read() * 2 * given["vars"]["times"])\nwith open(os.environ[…
    value sample:
      - {"id":"B","file":"b.txt","note":"y"}
      + {"id":"B","file":"b.txt","note":"changed"}

run 2 · cached 0 · unknown 0

"#]]);
}

#[test]
fn a_script_without_interpreter() {
    Project::new("[task.t]\nscript = 'print(1)'\n").run("run").shows(str![[r#"
exit 2
--- err
error[E0104]: a script needs `interpreter`
 --> pipeline.toml:2:1
  |
2 | script = 'print(1)'
  | ^^^^^^
  |
  = help: say what runs it: `interpreter = ["python3"]`

"#]]);
}

#[test]
fn a_command_may_read_the_file_of_values() {
    let project = Project::new(
        r#"
[params.list]
type = "list<string>"
default = ["x", "it's", "-n"]
[task.t]
command = 'python3 -c "import json, sys; print(*json.load(open(sys.argv[1]))[\"vars\"][\"list\"])" "$FLOWRUN_VARS"'
vars.list = "{{ params.list }}"
outputs.x = { type = "string", from = "stdout" }
[outputs]
x = "{{ t.x }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "x": "x it's -n" }));
    project.run_words(["plan", "-p", "list=[\"y\"]"]).shows(str![[r#"
exit 0
--- out
t: run
  value params.list: ["x","it's","-n"] → ["y"]

run 1 · cached 0 · unknown 0

"#]]);
}

#[test]
fn vars_are_evaluated_each_after_those_it_reads() {
    let project = Project::new(
        r#"
[task.t]
command = 'echo "x={{ vars.a }}" >> "$FLOWRUN_OUTPUT"; echo "list={{ vars.list | tojson }}" >> "$FLOWRUN_OUTPUT"'
vars.a = "{{ vars.b }}-{{ vars.c }}"
vars.b = "{{ vars.c + 1 }}"
vars.c = 1
vars.list = ["{{ vars.b }}", "{{ vars.c }}x", true, "{{ none }}"]
outputs.x = "string"
outputs.list = "json"
[outputs]
x = "{{ t.x }}"
list = "{{ t.list }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "x": "2-1", "list": [2, "1x", true, null] }));
    Project::new("[task.t]\ncommand = 'echo {{ vars.a }}'\nvars.a = \"{{ vars.b }}\"\nvars.b = \"{{ vars.a }}\"\n")
        .run("run")
        .shows(str![[r#"
exit 2
--- err
error[E0313]: `vars.a` is defined by itself: vars.a -> vars.b -> vars.a
 --> pipeline.toml:3:6
  |
3 | vars.a = "{{ vars.b }}"
  |      ^
4 | vars.b = "{{ vars.a }}"
  |      - on the way
  |
  = help: one of them must be given without the others

"#]]);
    Project::new("[task.t]\ncommand = 'echo {{ vars.a }} {{ vars.list }}'\nvars.a = \"{{ none }}\"\nvars.list = [1, \"{{ none }}\"]\n")
        .run("run")
        .shows(str![[r#"
exit 1
--- out
failed t
  `command`: the value of `vars.a` is null (pipeline.toml:2)
  help: write `| default('x', true)` behind it, with what shall stand there
        instead

run 1: 1 failed in [TIME]
failed t: `command`: the value of `vars.a` is null (pipeline.toml:2)
--- err
[1/1] failed    t  `command`: the value of `vars.a` is null (pipeline.toml:2)
nothing new starts: `t` failed

"#]]);
}

#[test]
fn the_environment() {
    let project = Project::new(
        r#"
[task.t]
command = 'echo once >> ran; echo "$GREETING/$NUMBER/$FLAG/$FROM/${UNSEEN-none}/{{ env.GREETING }}/{{ env.HOME_OF }}"'
env.GREETING = "it's {{ env.NAME }} \"$x\""
env.NUMBER = "{{ 1 + 1 }}"
env.FLAG = true
env.FROM = "{{ env.FROM }}+"
env.HOME_OF = 3
pass_env = ["UNSEEN"]
outputs.x = { type = "string", from = "stdout" }
[outputs]
x = "{{ t.x }}"
"#,
    );
    let run = |envs: &[(&str, &str)]| {
        let mut command = project.command(["run", "--output", "json"]);
        project.said(command.envs(envs.iter().copied())).exits(0).json()
    };
    let first = run(&[("NAME", "Ada"), ("FROM", "f")]);
    assert_eq!(first["outputs"], json!({ "x": "it's Ada \"$x\"/2/true/f+/none/it's Ada \"$x\"/3" }));
    assert_eq!(run(&[("NAME", "Ada"), ("FROM", "f"), ("UNSEEN", "u"), ("OTHER", "o")])["counts"]["cached"], 1);
    assert_eq!(run(&[("NAME", "Bob"), ("FROM", "f")])["counts"]["cached"], 0);
    assert_eq!(ran(&project).len(), 2);
    let mut command = project.command(["plan"]);
    project.said(command.envs([("NAME", "Cy"), ("FROM", "f")])).shows(str![[r#"
exit 0
--- out
t: run
  env NAME: "Bob" → "Cy"

run 1 · cached 0 · unknown 0

"#]]);
    // A variable that is not set.
    project.run("run").shows(str![[r#"
exit 1
--- out
failed t
  `env.GREETING`: the value of `env.NAME` is null (pipeline.toml:4)
  help: write `| default('x', true)` behind it, with what shall stand there
        instead

run 4: 1 failed in [TIME]
failed t: `env.GREETING`: the value of `env.NAME` is null (pipeline.toml:4)
--- err
[1/1] failed    t  `env.GREETING`: the value of `env.NAME` is null (pipeline.toml:4)
nothing new starts: `t` failed

"#]]);
}

#[test]
fn an_env_that_is_not_set_may_have_a_default() {
    let project = Project::new(
        "[task.t]\ncommand = 'echo {{ env.WHO | default(\"nobody\", true) }}'\noutputs.x = { type = \"string\", from = \"stdout\" }\n[outputs]\nx = \"{{ t.x }}\"\n",
    );
    assert_eq!(outputs(&project), json!({ "x": "nobody" }));
    let mut command = project.command(["run", "--output", "json"]);
    assert_eq!(project.said(command.env("WHO", "x")).json()["outputs"], json!({ "x": "x" }));
    assert_eq!(counts(&project, "run --output json"), (0, 1));
}

#[test]
fn a_scratch_folder() {
    let project = Project::new(
        r#"
[task.make]
command = 'echo made > {{ outputs.file }}'
outputs.file = { file = "data/made.txt" }
[task.t]
workdir = "scratch"
command = '''
echo left > behind.txt
cat {{ inputs.own }} {{ make.file }} > {{ outputs.file }}
echo "here=$PWD" >> "$FLOWRUN_OUTPUT"
echo "paths={{ inputs.own }} {{ make.file }} {{ outputs.file }}" >> "$FLOWRUN_OUTPUT"
'''
inputs.own = "own.txt"
outputs.file = { file = "out/t.txt" }
outputs.here = "path"
outputs.paths = "string"
[outputs]
here = "{{ t.here }}"
paths = "{{ t.paths }}"
file = "{{ t.file }}"
"#,
    );
    project.write("own.txt", "own\n");
    let said = outputs(&project);
    let at = project.dir().canonicalize().unwrap().display().to_string();
    let here = said["here"].as_str().unwrap();
    assert!(here != at && !std::path::Path::new(here).exists(), "{here}: a folder of its own, gone by now");
    assert_eq!(said["paths"], json!(format!("{at}/own.txt {at}/data/made.txt {at}/out/.part.t.txt")));
    assert_eq!(said["file"], "out/t.txt");
    assert_eq!(project.read("out/t.txt"), "own\nmade\n");
    assert!(!project.path("behind.txt").exists());
    assert_eq!(counts(&project, "run --output json"), (0, 2));
}

#[test]
fn a_workdir_of_the_project() {
    let project = Project::new(
        r#"
[task.t]
workdir = "sub/{{ 'folder' }}"
command = 'pwd > {{ outputs.file }}; cat local.txt {{ inputs.own }} >> {{ outputs.file }}; echo {{ inputs.own }} >> {{ outputs.file }}'
inputs.own = "own.txt"
outputs.file = { file = "out/t.txt" }
"#,
    );
    project.write("own.txt", "own\n").write("sub/folder/local.txt", "local\n");
    project.run("run").exits(0);
    let at = project.dir().canonicalize().unwrap().display().to_string();
    assert_eq!(project.read("out/t.txt"), format!("{at}/sub/folder\nlocal\nown\n{at}/own.txt\n"));
    project.edit("pipeline.toml", "sub/{{ 'folder' }}", "nowhere");
    let expected = "not started: cannot start in the folder `[PROJECT]/nowhere`: no such file or directory";
    assert_eq!(failure(&project, "run --output json"), expected);
    project.edit("pipeline.toml", "\"nowhere\"", "\"own.txt\"");
    let expected = "not started: cannot start in the folder `[PROJECT]/own.txt`: not a directory";
    assert_eq!(failure(&project, "run --output json"), expected);
}

#[test]
fn scripts_are_found_from_the_workdir() {
    let project = Project::new(
        "[task.t]\nworkdir = \"sub\"\ncommand = 'sh go.sh'\noutputs.x = { type = \"string\", from = \"stdout\" }\n",
    );
    project.write("sub/go.sh", "echo one\n").write("go.sh", "echo wrong\n");
    project.run("run").exits(0);
    project.write("go.sh", "echo still wrong\n");
    assert_eq!(counts(&project, "run --output json"), (0, 1));
    project.write("sub/go.sh", "echo two\n");
    project.run("plan").shows(str![[r#"
exit 0
--- out
t: run
  file sub/go.sh: [DIGEST] → [DIGEST]

run 1 · cached 0 · unknown 0

"#]]);
}

#[test]
fn words_of_the_run() {
    let project = Project::new(
        r#"
[task.t]
resources.cpus = 1
command = 'echo {{ run.id }} {{ attempt }} {{ resources.cpus }} {{ project }} {{ run.dir }}'
outputs.x = { type = "string", from = "stdout" }
vars.id = "{{ run.id }}"
env.ID = "{{ run.id }}"
[outputs]
x = "{{ t.x }}"
"#,
    );
    let at = project.dir().canonicalize().unwrap().display().to_string();
    assert_eq!(outputs(&project), json!({ "x": format!("1 1 1 {at} {at}/.flowrun/runs/1") }));
    // They are no part of the key.
    assert_eq!(counts(&project, "run --output json -j 1"), (0, 1));
    Project::new("[task.t]\ncommand = 'x'\noutputs.f = { file = \"{{ run.id }}\" }\nwhen = \"{{ attempt == 1 }}\"\n")
        .run("check")
        .shows(str![[r#"
exit 2
--- err
error[E0306]: `run` may not stand in the path of an output
 --> pipeline.toml:3:26
  |
3 | outputs.f = { file = "{{ run.id }}" }
  |                          ^^^
  |
  = help: it may stand in `command`, `argv`, `setup`, `resources`, `vars` and `env`

error[E0306]: `attempt` may not stand in `when`
 --> pipeline.toml:4:12
  |
4 | when = "{{ attempt == 1 }}"
  |            ^^^^^^^
  |
  = help: it may stand in `command`, `argv`, `setup`, `resources`, `vars` and `env`

2 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn after_is_for_order_alone() {
    let project = Project::new(
        r#"
[task.late]
after = ["early", "each"]
command = 'echo late >> ran; echo "x=1" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.early]
command = 'sleep 0.05; echo early >> ran'
[map.each]
over = [1, 2]
after = ["early"]
[map.each.task.t]
command = 'echo each >> ran'
"#,
    );
    project.run("run").exits(0);
    assert_eq!(project.lines("ran"), ["early", "each", "each", "late"]);
    // Tasks without outputs always run; who comes after them does not run again for that.
    assert_eq!(counts(&project, "run --output json"), (3, 1));
    Project::new("[task.a]\nafter = [\"b\"]\ncommand = 'x'\n[task.b]\nafter = [\"a\", \"c\"]\ncommand = 'x'\n")
        .run("check")
        .shows(str![[r#"
exit 2
--- err
error[E0401]: these nodes wait for each other: a -> b -> a
 --> pipeline.toml:5:10
  |
2 | after = ["b"]
  |          --- `a` is to come after `b`
...
5 | after = ["a", "c"]
  |          ^^^ `b` is to come after `a`
  |
  = help: one of them must do without the one before it

error[E0301]: there is no node `c` here
 --> pipeline.toml:5:15
  |
5 | after = ["a", "c"]
  |               ^^^
  |
  = help: `after` names nodes of this body or of one around it

2 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn priority_breaks_ties() {
    let project = Project::new(
        r#"
[task.begin]
command = 'true'
[task.hog]
# the others are prepared meanwhile
command = 'until [ -e begun ]; do sleep 0.01; done; sleep 0.3'
[task.mark]
after = ["begin"]
command = 'touch begun'
[task.a]
after = ["mark"]
# `e` is prepared meanwhile
command = 'sleep 0.3; echo a >> ran'
resources.cpus = 2
[task.b]
after = ["mark"]
priority = 5
command = 'echo b >> ran'
resources.cpus = 2
[task.c]
after = ["mark"]
priority = -1
command = 'echo c >> ran'
resources.cpus = 2
[task.d]
after = ["mark"]
command = 'echo d >> ran'
resources.cpus = 2
[task.e]
after = ["d"]
command = 'echo e >> ran'
resources.cpus = 2
"#,
    );
    project.run("run -j 2").exits(0);
    // First the greatest priority, then the longest path, then the order of the file.
    assert_eq!(project.lines("ran"), ["b", "d", "a", "e", "c"]);
}

#[test]
fn a_long_value_travels_by_the_file_of_values() {
    let project = Project::new(
        r#"
[task.make]
command = 'printf "x=" >> "$FLOWRUN_OUTPUT"; head -c 200000 /dev/zero | tr "\0" a >> "$FLOWRUN_OUTPUT"'
outputs.x = "string"
[task.builtin]
command = 'x={{ make.x }}; echo ${#x}'
outputs.n = { type = "int", from = "stdout" }
[task.program]
command = 'wc -c < "$FLOWRUN_VARS"'
vars.x = "{{ make.x }}"
outputs.n = { type = "int", from = "stdout" }
[outputs]
builtin = "{{ builtin.n }}"
program = "{{ program.n > 200000 }}"
"#,
    );
    assert_eq!(outputs(&project), json!({ "builtin": 200000, "program": true }));
    let project = Project::new(
        "[task.t]\nargv = [\"echo\", \"{{ 'x' * 1 ~ '-' }}{{ vars.x }}\"]\nvars.x = \"{{ ('y' ~ 'z') | replace('y', params.long) }}\"\n[params.long]\ntype = \"string\"\n",
    );
    project.write("params.json", format!("{{\"long\": \"{}\"}}", "a".repeat(140_000)));
    project.run("run --params params.json").shows(str![[r#"
exit 1
--- out
failed t
  argument 1 has 140003 bytes, and one argument holds 128 KiB at most
  help: declare it under `vars` and read it from the JSON file `$FLOWRUN_VARS`

run 1: 1 failed in [TIME]
failed t: argument 1 has 140003 bytes, and one argument holds 128 KiB at most
--- err
[1/1] failed    t  argument 1 has 140003 bytes, and one argument holds 128 KiB at most
nothing new starts: `t` failed

"#]]);
}
