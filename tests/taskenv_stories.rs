//! What stands around a command: secrets that nobody keeps, `setup`.

#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use snapbox::str;

const SECRET: &str = "hunter22-correct-horse";

/// Every file that a run left behind, wherever, as one text.
fn left_behind(project: &Project) -> Vec<u8> {
    common::contents(project.dir())
        .into_iter()
        .filter(|(name, _)| !name.ends_with("token.txt"))
        .flat_map(|(_, b)| b)
        .collect()
}

fn holds(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

#[test]
fn a_secret_reaches_the_process_and_nothing_else() {
    let project = Project::new(
        r#"
[task.fetch]
command = '''
echo "length ${#TOKEN} and ${#KEY}"
echo "token $TOKEN!" >&2
for i in $(seq 1 ${#TOKEN}); do printf %s "${TOKEN:i-1:1}"; sleep 0.005; done; echo
echo "$KEY" | sed 's/^/> /'
printf '\377%s\000%s' "$TOKEN" "$TOKEN"
echo "n=${#TOKEN}" >> "$FLOWRUN_OUTPUT"
'''
secrets.TOKEN = { env = "MY_TOKEN" }
secrets.KEY = { file = "token.txt" }
outputs.n = "int"

[task.fail]
after = ["fetch"]
command = 'echo "cannot log in with $TOKEN" >&2; exit 7'
secrets.TOKEN = { env = "MY_TOKEN" }
on_error = "ignore"

[task.leak]
after = ["fail"]
command = 'echo "x=$TOKEN" >> "$FLOWRUN_OUTPUT"'
secrets.TOKEN = { env = "MY_TOKEN" }
outputs.x = "string"
on_error = "ignore"

[task.odd]
after = ["leak"]
command = 'echo "$TOKEN" >> "$FLOWRUN_OUTPUT"'
secrets.TOKEN = { env = "MY_TOKEN" }
outputs.x = "string"
on_error = "ignore"

[task.said]
after = ["odd"]
command = 'echo "$TOKEN"'
secrets.TOKEN = { env = "MY_TOKEN" }
outputs.x = { type = "string", from = "stdout" }
on_error = "ignore"
"#,
    );
    project.write("token.txt", "first-line-of-it\nsecond-line-of-it\n");
    let run = |line: &str| project.said(project.command(line.split_whitespace()).env("MY_TOKEN", SECRET));
    run("run -j 1 --events events.jsonl").shows(str![[r#"
exit 4
--- out
failed, as the file allows: said
  standard output holds a secret, and is not taken
  | ***
  help: values are kept in the cache and handed on; write what is secret to no
        output
  log: flowrun log said --run 1

failed, as the file allows: odd
  $FLOWRUN_OUTPUT holds a secret, and is not taken
  help: values are kept in the cache and handed on; write what is secret to no
        output

failed, as the file allows: leak
  $FLOWRUN_OUTPUT holds a secret, and is not taken
  help: values are kept in the cache and handed on; write what is secret to no
        output

failed, as the file allows: fail
  exit status 7
  | cannot log in with ***
  log: flowrun log fail --run 1

run 1 finished with failures that it allows: 4 failed and allowed to, 1 succeeded in [TIME]
--- err
[0/5] started   fetch
[1/5] done      fetch  [TIME]
[1/5] started   fail  it declares no output
[2/5] failed    fail  exit status 7; the file allows it
[2/5] started   leak
[3/5] failed    leak  $FLOWRUN_OUTPUT holds a secret, and is not taken; the file allows it
[3/5] started   odd
[4/5] failed    odd  $FLOWRUN_OUTPUT holds a secret, and is not taken; the file allows it
[4/5] started   said
[5/5] failed    said  standard output holds a secret, and is not taken; the file allows it

"#]]);
    let log = run("log fetch");
    let said = "length 22 and 34\n***\n> ***\n> ***\n\u{fffd}***\0***token ***!\n";
    assert_eq!(String::from_utf8_lossy(&log.out), said, "what was said, without what is secret");
    run("explain fetch").exits(0);
    let left = left_behind(&project);
    assert!(holds(&left, "cannot log in with ***"), "the logs are among what was looked through");
    for part in [SECRET, "first-line-of-it", "second-line-of-it"] {
        assert!(!holds(&left, part), "{part} was kept somewhere");
    }
}

#[test]
fn what_a_descendant_writes_after_the_end_is_nobodys() {
    let project = Project::new(
        r#"
[task.a]
command = '''
(while [ ! -e stop ]; do echo "$TOKEN"; sleep 0.01; done; touch stopped) &
echo done
'''
secrets.TOKEN = { env = "MY_TOKEN" }

[task.b]
command = "touch stop; while [ ! -e stopped ]; do sleep 0.01; done; echo b"
after = ["a"]
"#,
    );
    project.said(project.command(["run", "-j", "1"]).env("MY_TOKEN", SECRET)).exits(0);
    let log = project.run("log a").out().to_owned();
    assert_eq!(log.lines().filter(|line| *line == "done").count(), 1, "{log}");
    assert!(log.lines().all(|line| line == "done" || line == "***"), "{log}");
    assert_eq!(project.run("log b").out(), "b\n");
    assert!(!holds(&left_behind(&project), SECRET));
}

#[test]
fn a_secret_that_is_not_there_is_said_before_anything_runs() {
    let project = Project::new(
        r#"
[task.a]
command = "touch ran"

[task.b]
command = "true"
secrets.TOKEN = { env = "MY_TOKEN" }
secrets.SHORT = { env = "SHORT" }
secrets.KEY = { file = "~/token.txt" }
"#,
    );
    project.said(project.command(["run"]).env("SHORT", "abc")).shows(str![[r#"
exit 2
--- err
error[E0610]: the secret `TOKEN` cannot be had: the variable `MY_TOKEN` is not set
 --> pipeline.toml:7:17
  |
7 | secrets.TOKEN = { env = "MY_TOKEN" }
  |                 ^^^^^^^^^^^^^^^^^^^^
  |
  = help: set it where flowrun is started: `export MY_TOKEN=…`

error[E0610]: the secret `SHORT` cannot be had: the variable `SHORT` has fewer than 4 bytes, too few to be told from other text in a log
 --> pipeline.toml:8:17
  |
8 | secrets.SHORT = { env = "SHORT" }
  |                 ^^^^^^^^^^^^^^^^^

error[E0610]: the secret `KEY` cannot be had: cannot read `[PROJECT]/token.txt`: no such file or directory
 --> pipeline.toml:9:15
  |
9 | secrets.KEY = { file = "~/token.txt" }
  |               ^^^^^^^^^^^^^^^^^^^^^^^^

"#]]);
    assert!(!project.path("ran").exists());
    project.run("run a").exits(0);
}

#[test]
fn secrets_that_are_wrongly_given_are_found_by_check() {
    let project = Project::new(
        r#"
[task.a]
command = "echo {{ env.MY_TOKEN }} {{ secrets.TOKEN }}"
env.TWICE = "x"
pass_env = ["ALSO"]
secrets.TOKEN = { env = "MY_TOKEN" }
secrets.TWICE = { env = "A" }
secrets.ALSO = { env = "A" }
secrets.BOTH = { env = "A", file = "b" }
secrets.NONE = {}
secrets.BAD = { env = "$A" }
secrets.TEXT = "abc"
secrets.EMPTY = { file = "" }
secrets.FLOWRUN_VARS = { env = "A" }

[task.b]
command = "true"
secrets = { env = "A" }

[task.c]
command = "true"
env.X = "{{ env.MY_TOKEN }}"
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0330]: the variable `MY_TOKEN` is a secret, which no expression may read
 --> pipeline.toml:3:20
  |
3 | command = "echo {{ env.MY_TOKEN }} {{ secrets.TOKEN }}"
  |                    ^^^^^^^^^^^^ its value would be kept
  |
  = help: the process finds a secret in its environment: `"$NAME"` in a command, without braces

error[E0301]: nothing is named `secrets` here
 --> pipeline.toml:3:39
  |
3 | command = "echo {{ env.MY_TOKEN }} {{ secrets.TOKEN }}"
  |                                       ^^^^^^^
  |
  = help: the process finds a secret in its environment: `"$NAME"` in a command, without braces

error[E0118]: the variable `TWICE` is a secret and something else too
 --> pipeline.toml:7:9
  |
4 | env.TWICE = "x"
  |     ----- here it is no secret
...
7 | secrets.TWICE = { env = "A" }
  |         ^^^^^
  |
  = help: keep one: what stands under `env` is kept in the cache's key

error[E0118]: the variable `ALSO` is a secret and something else too
 --> pipeline.toml:8:9
  |
5 | pass_env = ["ALSO"]
  |             ------ here it is no secret
...
8 | secrets.ALSO = { env = "A" }
  |         ^^^^
  |
  = help: keep one: what stands under `env` is kept in the cache's key

error[E0118]: a secret comes from one of `env` and `file`, not from both
 --> pipeline.toml:9:36
  |
9 | secrets.BOTH = { env = "A", file = "b" }
  |                                    ^^^ one too many
  |
  = help: keep one

error[E0104]: the secret `NONE` does not say where it comes from
  --> pipeline.toml:10:16
   |
10 | secrets.NONE = {}
   |                ^^
   |
   = help: write `{ env = "VARIABLE" }` or `{ file = "path" }`

error[E0106]: `$A` cannot be the name of a variable
  --> pipeline.toml:11:23
   |
11 | secrets.BAD = { env = "$A" }
   |                       ^^^^
   |
   = help: give the name of the variable that holds the secret, without `$`

error[E0103]: `TEXT` is a string, not a table
  --> pipeline.toml:12:16
   |
12 | secrets.TEXT = "abc"
   |                ^^^^^ a string
   |
   = help: for example: `TEXT = { env = "GITHUB_TOKEN" }`

error[E0318]: `file` is an empty path
  --> pipeline.toml:13:26
   |
13 | secrets.EMPTY = { file = "" }
   |                          ^^
   |
   = help: name the file that holds the secret

error[E0107]: `FLOWRUN_VARS` is set by flowrun itself
  --> pipeline.toml:14:9
   |
14 | secrets.FLOWRUN_VARS = { env = "A" }
   |         ^^^^^^^^^^^^
   |
   = help: choose another name

error[E0103]: `env` stands where the name of a secret belongs
  --> pipeline.toml:18:13
   |
18 | secrets = { env = "A" }
   |             ^^^
   |
   = help: give it a name: `[secrets.NAME]`

error[E0330]: the variable `MY_TOKEN` is a secret, which no expression may read
  --> pipeline.toml:22:13
   |
22 | env.X = "{{ env.MY_TOKEN }}"
   |             ^^^^^^^^^^^^ its value would be kept
   |
   = help: the process finds a secret in its environment: `"$NAME"` in a command, without braces

12 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn setup_goes_before_whatever_a_task_runs() {
    let project = Project::new(
        r#"
[params.who]
default = "it's me"

[task.command]
setup = ["GREETING={{ params.who }}", ". ./env.sh"]
command = 'echo "text=$GREETING, $MORE" >> "$FLOWRUN_OUTPUT"'
outputs.text = "string"

[task.argv]
setup = "export GREETING={{ params.who }}\n. ./env.sh\nexport MORE"
argv = ["python3", "-c", "import os, sys; print(os.environ['GREETING'], os.environ['MORE'], sys.argv[1:])", "a b", "$HOME"]
outputs.text = { type = "string", from = "stdout" }

[task.script]
setup = "export GREETING=script"
interpreter = ["python3"]
script = """
import os
print(os.environ["GREETING"])
"""
outputs.text = { type = "string", from = "stdout" }

[outputs]
command = "{{ command.text }}"
argv = "{{ argv.text }}"
script = "{{ script.text }}"
"#,
    );
    project.write("env.sh", "MORE=more\n");
    let outputs = |said: common::Said| said.json()["outputs"].to_string();
    let expected = r#"{"command":"it's me, more","argv":"it's me more ['a b', '$HOME']","script":"script"}"#;
    assert_eq!(outputs(project.run("run --output json")), expected);
    project.edit("pipeline.toml", "GREETING=script", "GREETING=other");
    project.edit("env.sh", "more", "less");
    project.run("plan").shows(str![[r#"
exit 0
--- out
command: run
  file env.sh: [DIGEST] → [DIGEST]
argv: run
  file env.sh: [DIGEST] → [DIGEST]
script: run
  setup: ["export GREETING=script"] → ["export GREETING=other"]

run 3 · cached 0 · unknown 0

"#]]);
}

#[test]
fn setup_that_cannot_be_is_found_by_check() {
    let project = Project::new(
        r#"
[task.a]
argv = ["true"]
shell = ["python3", "-c"]
setup = "import os"

[task.b]
command = "true"
setup = ["echo $'{{ nothing }}'", 3]

[task.c]
argv = ["true"]
shell = ["bash", "-c"]
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0118]: `setup` before `argv` needs a shell that knows `exec "$@"`
 --> pipeline.toml:5:9
  |
5 | setup = "import os"
  |         ^^^^^^^^^^^
  |
  = help: leave `shell` out, or take one of sh, dash, bash, ksh and zsh

error[E0206]: a value cannot be put inside `$'…'`, where shells read escapes in it
 --> pipeline.toml:9:18
  |
9 | setup = ["echo $'{{ nothing }}'", 3]
  |                  ^^^^^^^^^^^^^
  |
  = help: give the task `env.NOTHING = "{{ nothing }}"` and write `"$NOTHING"` here

error[E0103]: an element of `setup` is an integer, not a string
 --> pipeline.toml:9:35
  |
9 | setup = ["echo $'{{ nothing }}'", 3]
  |                                   ^ an integer
  |
  = help: put it in quotes: `"3"`

error[E0118]: `shell` has no meaning without `command`
  --> pipeline.toml:13:1
   |
13 | shell = ["bash", "-c"]
   | ^^^^^
   |
   = help: add `command`, or leave `shell` out

4 mistakes in `pipeline.toml`

"#]]);
}

const PLACE: &str = r#"
[task.make]
command = "echo 'a b' > {{ outputs.list }}"
outputs.list = { file = "list.txt" }

[task.use]
over = ["x", "it's"]
command = "cat {{ inputs.list }} > {{ outputs.copy }}"
setup = "export FROM_SETUP={{ item }}"
env.WORD = "{{ item }} of {{ project }}"
secrets.TOKEN = { env = "MY_TOKEN" }
inputs.list = "{{ make.list }}"
outputs.copy = { file = "out/{{ index }}.txt" }
"#;

#[test]
fn a_shell_in_the_place_of_an_instance() {
    let project = Project::new(PLACE);
    let run = |words: &[&str]| project.said(project.command(words).env("MY_TOKEN", SECRET));
    let inside = r#"echo "$FROM_SETUP, ${#TOKEN}"; cat list.txt; echo mine > out/.part.1.txt; ls -A out; exit 7"#;
    run(&["shell", "use[1]", "--", "bash", "-c", inside]).shows(str![[r#"
exit 2
--- err
error: what `use[1]` reads is not known yet
  help: run what it needs first; `flowrun explain` says what that is

"#]]);
    run(&["run"]).exits(0);
    run(&["shell", "use[1]", "--", "bash", "-c", inside]).shows(str![[r#"
exit 7
--- out
it's, 22
a b
.part.1.txt
0.txt
1.txt
--- err
in the place of `use[1]`: [PROJECT]
it would run: bash -euo pipefail -c $'export FROM_SETUP=\'it\'\\\'\'s\'\ncat \'list.txt\' > \'out/.part.1.txt\''
what is written to `[PROJECT]/out/.part.1.txt` is removed at the end

"#]]);
    assert_eq!(project.read("out/1.txt"), "a b\n");
    assert!(!project.path("out/.part.1.txt").exists());
    let left: Vec<_> = std::fs::read_dir(project.path(".flowrun")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("shell-")), "{left:?}");
    run(&["shell", "use"]).shows(str![[r#"
exit 2
--- err
error: `use` has instances
  help: name one: `use[0]`

"#]]);
    run(&["shell", "nothing"]).shows(str![[r#"
exit 2
--- err
error: there is no instance `nothing`
  help: `flowrun plan` lists them

"#]]);
    run(&["shell"]).shows(str![[r#"
exit 2
--- err
error: in the place of which instance?
  help: name one, as in `flowrun shell 'align[3]'`; `flowrun plan` lists them

"#]]);
    let shell =
        |command: &mut std::process::Command| project.said(command.env("MY_TOKEN", SECRET).env("SHELL", "/bin/true"));
    shell(&mut project.command(["shell", "make"])).exits(0);
}

#[test]
fn a_secret_of_the_environment_does_not_travel_to_a_cluster() {
    let project = Project::new("[task.a]\ncommand = 'true'\nsecrets.TOKEN = { env = 'MY_TOKEN' }\n");
    let mut command = project.command(["run", "--backend", "slurm"]);
    project.said(command.env("MY_TOKEN", SECRET)).exits(2).shows(str![[r#"
exit 2
--- err
error[E0610]: the secret `TOKEN` would travel with the job of `a`
 --> pipeline.toml:3:17
  |
3 | secrets.TOKEN = { env = 'MY_TOKEN' }
  |                 ^^^^^^^^^^^^^^^^^^^^
  |
  = help: on a cluster a secret comes from a file, read on the node: `{ file = "~/.token" }`

"#]]);
}
