//! Looking after what is kept: `cache ls|show|verify|gc|accept`, `runs rm` and `runs --all`, through the binary.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, Said, contents, copy, signal};
use serde_json::{Value, json};
use snapbox::{IntoData, str};
use std::process::Command;

/// Three letters, each written in capitals to a file, then one line of them. Every task appends its name to `ran`.
const LETTERS: &str = r#"
[pipeline]
name = "letters"

[params.mark]
type = "string"
default = "!"

[task.list]
command = 'echo list >> ran; echo "letters=$(cat letters.json)" >> "$FLOWRUN_OUTPUT"'
inputs.letters = "letters.json"
outputs.letters = "list<string>"

[map.each]
over = "{{ list.letters }}"
as = "letter"
key = "{{ letter }}"

[map.each.task.shout]
command = 'echo shout >> ran; echo {{ letter }} | tr a-z A-Z > {{ outputs.text }}'
outputs.text = { file = "out/{{ letter }}.txt" }

[task.join]
command = 'echo join >> ran; echo "line=$(cat {{ each.shout.text }} | tr -d "\n"){{ params.mark }}" >> "$FLOWRUN_OUTPUT"'
outputs.line = "string"

[outputs]
line = "{{ join.line }}"
"#;

fn letters() -> Project {
    let project = Project::new(LETTERS);
    project.write("letters.json", r#"["a","b","c"]"#);
    project
}

/// `flowrun` as ann, whose artifacts are in `.flowrun/artifacts`, copied where there are no reflinks.
fn ann(project: &Project, line: &str) -> Said {
    let mut command = project.command(line.split_whitespace());
    command.env("USER", "ann");
    if line.starts_with("run ") || line == "run" {
        command.args(["--artifacts", ".flowrun/artifacts"]);
    }
    project.said(&mut command)
}

fn ran(project: &Project, line: &str) -> (Vec<String>, Value) {
    let _ = std::fs::remove_file(project.path("ran"));
    let json = ann(project, line).exits(0).json();
    (project.sorted_lines("ran"), json)
}

/// The instances that are cached, of each the number of its entries.
fn cached(project: &Project) -> Vec<(String, usize)> {
    let json = ann(project, "cache ls --older --output json").exits(0).json();
    let mut found: Vec<(String, usize)> = Vec::new();
    for entry in json["entries"].as_array().unwrap() {
        let name = entry["instance"].as_str().unwrap();
        match found.last_mut() {
            Some((last, n)) if last == name => *n += 1,
            _ => found.push((name.to_owned(), 1)),
        }
    }
    found
}

fn objects(project: &Project) -> usize {
    contents(&project.path(".flowrun/artifacts")).len()
}

/// Sizes of folders depend on lengths of paths.
#[track_caller]
fn shows_but_sizes(said: &Said, expected: impl IntoData) {
    let text = said.text();
    let words: Vec<&str> = text.split(' ').collect();
    let mut out = String::new();
    let mut i = 0;
    while i < words.len() {
        let number = words[i].chars().all(|c| c.is_ascii_digit() || c == '.') && !words[i].is_empty();
        let unit = words.get(i + 1).and_then(|word| ["KiB", "B"].into_iter().find(|unit| word.starts_with(unit)));
        out.push_str(if i == 0 { "" } else { " " });
        match unit.filter(|_| number) {
            Some(unit) => {
                out.push_str("[SIZE]");
                out.push_str(&words[i + 1][unit.len()..]);
                i += 2;
            }
            None => {
                out.push_str(words[i]);
                i += 1;
            }
        }
    }
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(out.into_data().raw(), expected.into_data().raw());
}

/// Moves everything that the store knows into the past.
fn age(project: &Project, days: i64) {
    let store = rusqlite::Connection::open(project.path(".flowrun/store.db")).unwrap();
    let back = days * 86_400_000;
    store.execute("UPDATE cache SET at = at - ?1", [back]).unwrap();
    store.execute("UPDATE run SET began = began - ?1, ended = ended - ?1", [back]).unwrap();
}

#[test]
fn what_is_cached_is_listed_and_shown() {
    let project = letters();
    ann(&project, "cache ls").shows(str![[r#"
exit 0
--- out
nothing is cached

"#]]);
    assert!(!project.path(".flowrun").exists());
    ann(&project, "run").exits(0);
    ann(&project, "run -p mark=?").exits(0);
    ann(&project, "cache ls").shows(str![[r#"
exit 0
--- out
key           made                  run  user      size  instance
[DIGEST]  [TIME]     1  ann        2 B  each[a].shout
[DIGEST]  [TIME]     1  ann        2 B  each[b].shout
[DIGEST]  [TIME]     1  ann        2 B  each[c].shout
[DIGEST]  [TIME]     2  ann             join
[DIGEST]  [TIME]     1  ann             list

"#]]);
    ann(&project, "cache ls --older join each[b]").shows(str![[r#"
exit 0
--- out
key           made                  run  user      size  instance
[DIGEST]  [TIME]     1  ann        2 B  each[b].shout
[DIGEST]  [TIME]     2  ann             join
[DIGEST]  [TIME]     1  ann             join (older)

"#]]);
    ann(&project, "cache show each[b].shout").shows(str![[r#"
exit 0
--- out
each[b].shout of letters
  key [DIGEST]
  made by ann on host [HOST] at [TIME] in [TIME]
  in run 1 by flowrun 0.1.0
  it gave
    text: out/b.txt (2 B, [DIGEST])
  its key is made of
    command: echo shout >> ran; echo {{ letter }} | tr a-z A-Z > {{ outputs.tex…
    shell: ["bash","-euo","pipefail","-c"]
    output text: file out/{{ letter }}.txt
    value letter: "b"

"#]]);
    ann(&project, "cache show join").shows(str![[r#"
exit 0
--- out
join of letters
  key [DIGEST]
  made by ann on host [HOST] at [TIME] in [TIME]
  in run 2 by flowrun 0.1.0
  it gave
    line: "ABC?"
  its key is made of
    command: echo join >> ran; echo "line=$(cat {{ each.shout.text }} | tr -d "…
    shell: ["bash","-euo","pipefail","-c"]
    output line: string
    value each.shout.text: ["out/a.txt" ([DIGEST]), "out/b.txt" (c8bad8a239…
    value params.mark: "?"

"#]]);
    let json = ann(&project, "cache show join --output json").exits(0).json();
    let entry = &json["entries"][0];
    assert_eq!(entry["results"], json!([{"name": "line", "value": "ABC?"}]));
    assert_eq!((&entry["made"]["user"], &entry["made"]["run"]), (&json!("ann"), &json!(2)));
    assert_eq!(entry["made"]["host"], json!(flowrun::sys::host()));
    let by_key = ann(&project, &format!("cache show {} --output json", &entry["key"].as_str().unwrap()[..10]));
    assert_eq!(by_key.exits(0).json(), json);
    ann(&project, "cache show jion").shows(str![[r#"
exit 2
--- err
error: nothing is cached for `jion`
  help: did you mean `join`?

"#]]);
    ann(&project, "cache show each.shout").shows(str![[r#"
exit 2
--- err
error: nothing is cached for `each.shout`
  help: name one of its instances, as in `'each[a].shout'`

"#]]);
    ann(&project, "cache show 0123456789abcdef").shows(str![[r#"
exit 2
--- err
error: nothing is cached for `[DIGEST]`
  help: `flowrun cache ls` lists what is cached

"#]]);
    ann(&project, "cache show").shows(str![[r#"
exit 2
--- err
error: which result?
  help: name a key or an instance, as `flowrun cache ls` lists them

"#]]);
}

#[test]
fn a_copied_project_and_a_moved_one_keep_what_is_cached() {
    let project = letters();
    ann(&project, "run").exits(0);
    let other = Project::empty();
    copy(project.dir(), other.dir());
    for folder in [".flowrun", "out"] {
        let status = Command::new("cp").arg("-a").arg(project.path(folder)).arg(other.dir()).status();
        assert!(status.unwrap().success());
    }
    assert_eq!(ran(&other, "run --output json").0, Vec::<String>::new());
    ann(&other, "cache verify").exits(0);
}

#[test]
fn what_is_not_whole_is_said() {
    let project = letters();
    ann(&project, "run").exits(0);
    ann(&project, "cache verify").shows(str![[r#"
exit 0
--- out
5 results, 3 outputs and 3 objects were looked at: all is whole

"#]]);
    std::fs::remove_file(project.path("out/a.txt")).unwrap();
    project.write("out/b.txt", "x");
    ann(&project, "cache verify").shows(str![[r#"
exit 1
--- out
missing  out/a.txt of each[a].shout, recorded as [DIGEST]; the next run puts it back
changed  out/b.txt of each[b].shout, recorded as [DIGEST], is [DIGEST]; the next run puts it back
5 results, 3 outputs and 3 objects were looked at: 2 are not as recorded

"#]]);
    // A damaged object is set aside, and what it was for is made again.
    let kept = project.path(".flowrun/artifacts");
    let (name, _) = contents(&kept).into_iter().find(|(_, bytes)| bytes == b"A\n").unwrap();
    std::fs::remove_file(kept.join(&name)).unwrap();
    std::fs::write(kept.join(&name), "Z\n").unwrap();
    let said = ann(&project, "cache verify --output json");
    let json = said.exits(1).json();
    assert_eq!(json["objects"].as_array().unwrap().len(), 1, "{json:#}");
    assert_eq!(json["objects"][0]["is"], "damaged");
    let (which, _) = ran(&project, "run --output json");
    assert_eq!(which, ["shout"]);
    assert_eq!((project.read("out/a.txt"), project.read("out/b.txt")), ("A\n".into(), "B\n".into()));
    ann(&project, "cache verify").exits(0);
}

#[test]
fn what_was_replaced_goes_and_its_bytes_with_it() {
    let project = letters();
    ann(&project, "run").exits(0);
    project.edit("pipeline.toml", "tr a-z A-Z", "tr a-z b-zA");
    ann(&project, "run").exits(0);
    assert_eq!((cached(&project).len(), objects(&project)), (5, 6));
    ann(&project, "cache gc --dry-run").shows(str![[r#"
exit 0
--- out
would remove 0 of 9 results, 0 of 6 objects; 0 B would be free, 12 B of objects stay

"#]]);
    ann(&project, "cache gc --keep-last 1 --dry-run").shows(str![[r#"
exit 0
--- out
each.shout 3 (each[a].shout, each[b].shout, each[c].shout): newer ones are kept
join: newer ones are kept
would remove 4 of 9 results, 3 of 6 objects; 6 B would be free, 6 B of objects stay

"#]]);
    assert_eq!(objects(&project), 6, "a dry run removes nothing");
    ann(&project, "cache gc --keep-last 1").shows(str![[r#"
exit 0
--- out
each.shout 3 (each[a].shout, each[b].shout, each[c].shout): newer ones are kept
join: newer ones are kept
removed 4 of 9 results, 3 of 6 objects; 6 B are free, 6 B of objects stay

"#]]);
    assert!(cached(&project).iter().all(|(_, entries)| *entries == 1));
    assert_eq!(objects(&project), 3);
    ann(&project, "cache verify").exits(0);
    assert_eq!(ran(&project, "run --output json").0, Vec::<String>::new());
    project.edit("pipeline.toml", "tr a-z b-zA", "tr a-z A-Z");
    assert_eq!(ran(&project, "run --output json").0.len(), 4, "the earlier results are forgotten");
}

#[test]
fn what_is_old_goes_but_not_what_a_kept_run_took() {
    let project = letters();
    ann(&project, "run").exits(0);
    age(&project, 40);
    ann(&project, "cache gc --older-than 30d --dry-run").shows(str![[r#"
exit 0
--- out
would remove 0 of 5 results, 0 of 3 objects; 0 B would be free, 6 B of objects stay

"#]]);
    ann(&project, "runs rm 1").exits(0);
    ann(&project, "run join").exits(0);
    ann(&project, "cache gc --older-than 30d").shows(str![[r#"
exit 0
--- out
removed 0 of 5 results, 0 of 3 objects; 0 B are free, 6 B of objects stay

"#]]);
    ann(&project, "runs rm --keep-last 0").exits(0);
    ann(&project, "cache gc --older-than 30d --keep-last 1").shows(str![[r#"
exit 0
--- out
removed 0 of 5 results, 0 of 3 objects; 0 B are free, 6 B of objects stay

"#]]);
    let json = ann(&project, "cache gc --older-than 30d --output json").exits(0).json();
    assert_eq!((&json["entries"].as_array().unwrap().len(), &json["objects"]), (&5, &json!(3)), "{json:#}");
    assert_eq!(json["entries"][0]["because"], "old");
    assert_eq!(json["bytes"], 6);
    assert_eq!((cached(&project), objects(&project)), (vec![], 0));
    assert_eq!(project.read("out/a.txt"), "A\n", "files of the project are not touched");
    ann(&project, "cache gc --older-than soon").shows(str![[r#"
exit 2
--- err
error: invalid value 'soon' for '--older-than <AGE>': `soon` is not a duration: write parts of `d`, `h`, `m`, `s`, `ms`, the largest first: `[TIME]`, `10m`, `[TIME]`, `2d`

For more information, try '--help'.

"#]]);
}

#[test]
fn what_no_kept_run_has_goes() {
    let project = letters();
    ann(&project, "run").exits(0);
    project.write("letters.json", r#"["a","d"]"#);
    ann(&project, "run").exits(0);
    ann(&project, "cache gc --unreachable").shows(str![[r#"
exit 0
--- out
removed 0 of 8 results, 0 of 4 objects; 0 B are free, 8 B of objects stay

"#]]);
    ann(&project, "runs rm 1").exits(0);
    ann(&project, "cache gc --unreachable").shows(str![[r#"
exit 0
--- out
each.shout 2 (each[b].shout, each[c].shout): no run that is kept has it
removed 2 of 8 results, 2 of 4 objects; 4 B are free, 4 B of objects stay

"#]]);
    assert_eq!(objects(&project), 2);
    assert_eq!(ran(&project, "run --output json").0, Vec::<String>::new());
}

#[test]
fn bytes_go_until_they_fit_and_results_stay_that_stand_in_place() {
    let project = letters();
    ann(&project, "run").exits(0);
    project.write("letters.json", r#"["a","b","c","d"]"#);
    ann(&project, "run").exits(0);
    assert_eq!(objects(&project), 4);
    ann(&project, "cache gc --max-size 5B").shows(str![[r#"
exit 0
--- out
removed 0 of 8 results, 2 of 4 objects; 4 B are free, 4 B of objects stay

"#]]);
    assert_eq!((cached(&project).len(), objects(&project)), (6, 2));
    assert_eq!(ran(&project, "run --output json").0, Vec::<String>::new());
    ann(&project, "cache verify").exits(0);
    ann(&project, "cache gc --max-size lots").shows(str![[r#"
exit 2
--- err
error: invalid value 'lots' for '--max-size <SIZE>': `lots` is not an amount of memory: write a number and a unit: `512MiB`, `4GB`, `1.5GiB`; a number alone is bytes

For more information, try '--help'.

"#]]);
}

#[test]
fn a_folder_that_others_may_use_keeps_what_is_not_known_here() {
    let project = letters();
    let folder = project.path("kept");
    let shared = |line: &str| project.said(project.command(line.split(' ')).env("FLOWRUN_ARTIFACTS", &folder));
    shared("run").exits(0);
    // What another project put there, and what is older than the grace.
    let strange = folder.join("ab").join("c".repeat(62));
    std::fs::create_dir_all(strange.parent().unwrap()).unwrap();
    std::fs::write(&strange, "of another").unwrap();
    let old = || {
        for (name, _) in contents(&folder) {
            let status = Command::new("touch").args(["-d", "2 days ago"]).arg(folder.join(name)).status();
            assert!(status.unwrap().success());
        }
    };
    shared("runs rm 1").exits(0);
    shared("cache gc --unreachable --dry-run").shows(str![[r#"
exit 0
--- out
each.shout 3 (each[a].shout, each[b].shout, each[c].shout): no run that is kept has it
join: no run that is kept has it
list: no run that is kept has it
1 object that no entry of this store refers to is kept, for another store may: `--unreferenced` lets it go
would remove 5 of 5 results, 0 of 4 objects; 0 B would be free, 16 B of objects stay

"#]]);
    old();
    shared("cache gc --unreachable").shows(str![[r#"
exit 0
--- out
each.shout 3 (each[a].shout, each[b].shout, each[c].shout): no run that is kept has it
join: no run that is kept has it
list: no run that is kept has it
1 object that no entry of this store refers to is kept, for another store may: `--unreferenced` lets it go
removed 5 of 5 results, 3 of 4 objects; 6 B are free, 10 B of objects stay

"#]]);
    assert_eq!(contents(&folder).len(), 1);
    old();
    shared("cache gc --unreferenced").shows(str![[r#"
exit 0
--- out
removed 0 of 0 results, 1 of 1 object; 10 B are free, 0 B of objects stay

"#]]);
    assert!(!strange.exists());
}

#[test]
fn words_that_changed_are_accepted() {
    let project = letters();
    ann(&project, "run").exits(0);
    ann(&project, "cache accept join").shows(str![[r#"
exit 0
--- out
nothing is to be accepted: all of it is cached

"#]]);
    project.edit("pipeline.toml", "tr a-z A-Z", "tr '[a-z]' '[A-Z]'".replace('\'', "\"").as_str());
    project.edit("pipeline.toml", "echo join >> ran;", "echo  join >> ran;");
    ann(&project, "cache accept join").shows(str![[r#"
exit 1
--- out
not accepted: join: `value each.shout.text` changed, which is no matter of words

"#]]);
    ann(&project, "cache accept each --dry-run").shows(str![[r#"
exit 0
--- out
acceptable: each[a].shout, each[b].shout, each[c].shout
  command:
    - …o {{ letter }} | tr a-z A-Z > {{ outputs.text }}
    + …o {{ letter }} | tr "[a-z]" "[A-Z]" > {{ outputs.text }}

"#]]);
    ann(&project, "cache accept each join").shows(str![[r#"
exit 1
--- out
accepted: each[a].shout, each[b].shout, each[c].shout
  command:
    - …o {{ letter }} | tr a-z A-Z > {{ outputs.text }}
    + …o {{ letter }} | tr "[a-z]" "[A-Z]" > {{ outputs.text }}
not accepted: join: `value each.shout.text` changed, which is no matter of words

"#]]);
    let (which, json) = ran(&project, "run --output json");
    assert_eq!((which, &json["outputs"]["line"]), (vec![], &json!("ABC!")));
    // Who made it stays known.
    let shown = ann(&project, "cache show join --output json").exits(0).json();
    assert_eq!(shown["entries"][0]["made"]["run"], 1);
}

#[test]
fn what_is_no_matter_of_words_is_not_accepted() {
    let project = letters();
    ann(&project, "run").exits(0);
    project.edit("pipeline.toml", "tr a-z A-Z", "tr '[a-z]' '[A-Z]'".replace('\'', "\"").as_str());
    project.write("out/b.txt", "by hand");
    ann(&project, "cache accept each").shows(str![[r#"
exit 1
--- out
accepted: each[a].shout, each[c].shout
  command:
    - …o {{ letter }} | tr a-z A-Z > {{ outputs.text }}
    + …o {{ letter }} | tr "[a-z]" "[A-Z]" > {{ outputs.text }}
not accepted: each[b].shout: `out/b.txt` is not there as it was recorded

"#]]);
    project.edit("pipeline.toml", "outputs.line = \"string\"", "outputs.line = \"path\"");
    project.write("out/b.txt", "B\n");
    ann(&project, "cache accept each join").shows(str![[r#"
exit 1
--- out
accepted: each[b].shout
  command:
    - …o {{ letter }} | tr a-z A-Z > {{ outputs.text }}
    + …o {{ letter }} | tr "[a-z]" "[A-Z]" > {{ outputs.text }}
not accepted: join: it declares other outputs than before

"#]]);
    ann(&project, "cache accept join -p mark=?").shows(str![[r#"
exit 1
--- out
not accepted: join: `value params.mark` changed, which is no matter of words

"#]]);
    ann(&project, "cache accept lst").shows(str![[r#"
exit 2
--- err
error: there is no node `lst`
  help: did you mean `list`?

"#]]);
    ann(&project, "cache accept").shows(str![[r#"
exit 2
--- err
error: which nodes?
  help: name those whose earlier results are right: `flowrun cache accept align`

"#]]);
}

#[test]
fn runs_go_by_number_age_and_count_and_logs_alone() {
    let project = letters();
    for mark in ["1", "2", "3", "4"] {
        ann(&project, &format!("run -p mark={mark}")).exits(0);
    }
    shows_but_sizes(&ann(&project, "runs rm --keep-last 2 --dry-run"), str![[r#"
exit 0
--- out
run 1 of pipeline.toml, began [TIME]: [SIZE]
run 2 of pipeline.toml, began [TIME]: [SIZE]
would remove 2 of 4 runs; [SIZE] would be free

"#]]);
    assert!(project.path(".flowrun/runs/1/journal").exists());
    shows_but_sizes(&ann(&project, "runs rm 2"), str![[r#"
exit 0
--- out
run 2 of pipeline.toml, began [TIME]: [SIZE]
removed 1 of 4 runs; [SIZE] are free

"#]]);
    assert!(!project.path(".flowrun/runs/2").exists());
    ann(&project, "runs").shows(str![[r#"
exit 0
--- out
 run  state      began                   time  instances
   4  succeeded  [TIME]    [TIME]  1 succeeded, 4 cached
   3  succeeded  [TIME]    [TIME]  1 succeeded, 4 cached
   1  succeeded  [TIME]   [TIME]  5 succeeded

"#]]);
    ann(&project, "runs rm 2").shows(str![[r#"
exit 2
--- err
error: there is no run 2 here
  help: `flowrun runs` lists them

"#]]);
    project.write(".flowrun/runs/3/logs/0.out", "much");
    shows_but_sizes(&ann(&project, "runs rm 3 --logs"), str![[r#"
exit 0
--- out
run 3 of pipeline.toml, began [TIME]: [SIZE]
removed the logs of 1 of 3 runs; [SIZE] are free

"#]]);
    ann(&project, "log join --run 3").shows(str![[r#"
exit 2
--- err
error: the logs of run 3 were removed
  help: `flowrun runs rm --logs` lets the logs go and keeps the rest of a run

"#]]);
    ann(&project, "status 3").exits(0);
    age(&project, 40);
    ann(&project, "run").exits(0);
    shows_but_sizes(&ann(&project, "runs rm --older-than 30d --keep-last 2"), str![[r#"
exit 0
--- out
run 1 of pipeline.toml, began [TIME]: [SIZE]
run 3 of pipeline.toml, began [TIME]: [SIZE]
removed 2 of 4 runs; [SIZE] are free

"#]]);
    shows_but_sizes(&ann(&project, "runs rm --max-size 0B"), str![[r#"
exit 0
--- out
run 4 of pipeline.toml, began [TIME]: [SIZE]
run 5 of pipeline.toml, began [TIME]: [SIZE]
removed 2 of 2 runs; [SIZE] are free

"#]]);
    ann(&project, "runs").shows(str![[r#"
exit 0
--- out
no runs yet

"#]]);
    // Numbers are not given again, and what is cached has stayed.
    let (which, json) = ran(&project, "run --output json");
    assert_eq!((which, &json["run"]), (vec![], &json!(6)));
    ann(&project, "runs rm").shows(str![[r#"
exit 2
--- err
error: which runs?
  help: name their numbers, or give `--older-than`, `--keep-last` or `--max-size`

"#]]);
    ann(&project, "runs rm one").shows(str![[r#"
exit 2
--- err
error: `one` is neither a pipeline file nor the number of a run
  help: a pipeline ends in `.toml` or holds a `/`; `flowrun runs` lists the runs

"#]]);
}

/// A task that waits for a file, beside two that are done.
const WAITS: &str = r#"
[pipeline]
name = "waits"

[task.one]
command = 'echo one >> ran; echo one > {{ outputs.file }}'
outputs.file = { file = "first" }

[task.waits]
command = 'cat {{ one.file }}; while [ ! -e go ]; do sleep 0.02; done; echo two > {{ outputs.file }}'
outputs.file = { file = "second" }
"#;

#[test]
fn a_run_at_work_keeps_what_it_needs() {
    let project = Project::new(WAITS);
    project.write("letters.toml", LETTERS);
    project.write("letters.json", r#"["a"]"#);
    ann(&project, "run letters.toml").exits(0);
    let live = project.start("run --artifacts .flowrun/artifacts");
    let running = || {
        let status = project.run("status --output json");
        status.code == 0 && status.json()["counts"]["running"] == 1 && status.json()["counts"]["succeeded"] == 1
    };
    common::until(running, "the second task is at work");
    common::until(|| cached(&project).iter().any(|(name, _)| name == "one"), "the first result is recorded");
    ann(&project, "cache gc --older-than 0s").shows(str![]);
    assert_eq!(cached(&project), [("one".to_owned(), 1)]);
    ann(&project, "runs rm 2").shows(str![]);
    shows_but_sizes(&ann(&project, "runs rm --keep-last 0"), str![]);
    let all = ann(&project, "runs --all --output json").exits(0).json();
    assert_eq!((&all["runs"][0]["state"], &all["runs"][0]["counts"]["running"]), (&json!("running"), &json!(1)));
    project.write("go", "");
    live.wait().exits(0);
    ann(&project, "cache verify").exits(0);
}

#[test]
fn what_an_interrupted_run_had_done_is_not_lost() {
    let project = Project::new(WAITS);
    let live = project.start("run");
    let running = || {
        let status = project.run("status --output json");
        status.code == 0 && status.json()["counts"]["running"] == 1 && status.json()["counts"]["succeeded"] == 1
    };
    common::until(running, "the second task is at work");
    signal(live.pid(), "KILL");
    drop(live);
    // What had not reached the store when it died.
    let store = rusqlite::Connection::open(project.path(".flowrun/store.db")).unwrap();
    store.execute("DELETE FROM cache", ()).unwrap();
    drop(store);
    project.run("runs rm --keep-last 0").shows(str![]);
    shows_but_sizes(&project.run("runs rm 1"), str![]);
    project.write("go", "");
    let json = project.run("run --output json").exits(0).json();
    assert_eq!((&json["run"], &json["counts"]["cached"]), (&json!(2), &json!(1)));
    assert_eq!(project.lines("ran"), ["one"]);
}

#[test]
fn the_runs_of_every_project_of_a_store() {
    let (one, two) = (letters(), Project::new("[task.no]\ncommand = 'false'\n"));
    let store = one.path("team.db");
    let ask = |project: &Project, user: &str, line: &str| {
        project.said(project.command(line.split(' ')).env("USER", user).env("FLOWRUN_STORE", &store))
    };
    ask(&one, "ann", "run").exits(0);
    ask(&two, "bob", "run").exits(1);
    let json = ask(&one, "ann", "runs --all --output json").exits(0).json();
    let folder = |project: &Project| project.dir().canonicalize().unwrap().display().to_string();
    let told = |run: &Value| {
        let text = |name: &str| run[name].as_str().unwrap().to_owned();
        (run["run"].as_u64().unwrap(), text("pipeline"), text("user"), text("state"), text("project"))
    };
    let runs: Vec<_> = json["runs"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        runs,
        [
            (2, "pipeline".into(), "bob".into(), "failed".into(), folder(&two)),
            (1, "letters".into(), "ann".into(), "succeeded".into(), folder(&one)),
        ]
    );
    assert_eq!(json["runs"][1]["counts"]["succeeded"], 5);
    let text = ask(&two, "bob", "runs --all").exits(0).text();
    for part in ["  ann ", "  bob ", "letters ", "1 failed", "5 succeeded", "[PROJECT]/pipeline.toml"] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
    // Each has only its own runs else, and `rm` and `gc` leave the other's alone.
    assert_eq!(ask(&two, "bob", "runs --output json").json()["runs"].as_array().unwrap().len(), 1);
    ask(&two, "bob", "runs rm --keep-last 0").exits(0);
    ask(&two, "bob", "cache gc --unreachable").exits(0);
    assert_eq!(ask(&one, "ann", "runs --output json").json()["runs"].as_array().unwrap().len(), 1);
    assert_eq!(ask(&one, "ann", "cache ls --output json").json()["entries"].as_array().unwrap().len(), 5);
    ask(&one, "ann", "cache verify").exits(0);
    ask(&two, "bob", "cache verify").exits(0);
    ask(&one, "ann", "runs --all pipeline.toml").shows(str![[r#"
exit 2
--- err
error: `--all` is of every pipeline
  help: leave the pipeline out

"#]]);
}

#[test]
fn nothing_is_made_just_to_be_looked_at() {
    let project = letters();
    for line in ["cache verify", "cache gc", "cache gc --dry-run", "runs --all", "runs rm --keep-last 1"] {
        ann(&project, line).exits(0);
    }
    assert!(!project.path(".flowrun").exists());
}
