//! Looking: `cache ls`, `show` and `verify`.

use crate::common::{Project, contents, copy};
use crate::{At, ann, letters, ran};
use serde_json::json;
use snapbox::str;
use std::process::Command;

pub fn what_is_cached_is_listed_and_shown(at: &At<'_>) {
    let project = at.letters();
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
key           made                      run  user      size  instance
[DIGEST]  [TIME] UTC     1  ann        2 B  each[a].shout
[DIGEST]  [TIME] UTC     1  ann        2 B  each[b].shout
[DIGEST]  [TIME] UTC     1  ann        2 B  each[c].shout
[DIGEST]  [TIME] UTC     2  ann             join
[DIGEST]  [TIME] UTC     1  ann             list

"#]]);
    ann(&project, "cache ls --older join each[b]").shows(str![[r#"
exit 0
--- out
key           made                      run  user      size  instance
[DIGEST]  [TIME] UTC     1  ann        2 B  each[b].shout
[DIGEST]  [TIME] UTC     2  ann             join
[DIGEST]  [TIME] UTC     1  ann             join (older)

"#]]);
    ann(&project, "cache show each[b].shout").shows(str![[r#"
exit 0
--- out
each[b].shout of letters
  key [DIGEST]
  made by ann on host [HOST] at [TIME] UTC in [TIME]
  in run 1 of [PROJECT] by flowrun 0.1.0
  it gave
    text: out/b.txt (2 B, [DIGEST], in place and kept)
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
  made by ann on host [HOST] at [TIME] UTC in [TIME]
  in run 2 of [PROJECT] by flowrun 0.1.0
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
    ann(&project, "cache show abc").shows(str![[r#"
exit 2
--- err
error: nothing is cached for `abc`
  help: of a key give 8 digits at least; `flowrun cache ls` lists what is cached

"#]]);
    ann(&project, "cache ls --min-size 1GB each").shows(str![[r#"
exit 0
--- out
nothing that is cached fits

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

pub fn what_is_not_whole_is_said(at: &At<'_>) {
    let project = at.letters();
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

pub fn nothing_is_made_just_to_be_looked_at(at: &At<'_>) {
    let project = at.letters();
    for line in ["cache verify", "cache gc", "cache gc --dry-run", "runs --all", "runs rm --keep-last 1"] {
        ann(&project, line).exits(0);
    }
    assert!(!project.path(".flowrun").exists());
}

#[test]
fn a_store_that_is_not_there_or_too_new_is_said() {
    let project = letters();
    for line in ["cache ls", "cache gc", "runs --all", "runs rm 1"] {
        ann(&project, &format!("{line} --store none.db")).shows(str![[r#"
exit 3
--- err
error: there is no store `none.db`
  help: a run makes it; without `--store` it is the one in `.flowrun`

"#]]);
    }
    assert!(!project.path("none.db").exists());
    ann(&project, "run").exits(0);
    let store = rusqlite::Connection::open(project.path(".flowrun/store.db")).unwrap();
    store.pragma_update(None, "user_version", 99).unwrap();
    for line in ["cache ls", "cache gc --dry-run", "runs rm --keep-last 0"] {
        let said = ann(&project, line);
        let err = String::from_utf8_lossy(&said.exits(3).err).into_owned();
        assert!(err.contains("has version 99; this is flowrun"), "{err}");
    }
    ann(&project, "cache ls --store postgres://nobody@localhost:1/none").exits(3);
}
