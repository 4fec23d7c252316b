//! `cache accept`: earlier results under new keys.

use crate::{At, ann, ran};
use serde_json::json;
use snapbox::str;

pub fn words_that_changed_are_accepted(at: &At<'_>) {
    let project = at.letters();
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
not known: join waits for something that must run

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
exit 0
--- out
accepted: each[a].shout, each[b].shout, each[c].shout
  command:
    - …o {{ letter }} | tr a-z A-Z > {{ outputs.text }}
    + …o {{ letter }} | tr "[a-z]" "[A-Z]" > {{ outputs.text }}
accepted: join
  command:
    - echo join >> ran; echo "line=$(cat {{ each.shout.text }} | tr -d "\n"){{ …
    + echo  join >> ran; echo "line=$(cat {{ each.shout.text }} | tr -d "\n"){{…

"#]]);
    let (which, json) = ran(&project, "run --output json");
    assert_eq!((which, &json["outputs"]["line"]), (vec![], &json!("ABC!")));
    // Who made it stays known.
    let shown = ann(&project, "cache show join --output json").exits(0).json();
    assert_eq!(shown["entries"][0]["made"]["run"], 1);
}

pub fn what_is_no_matter_of_words_is_not_accepted(at: &At<'_>) {
    let project = at.letters();
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

/// A script, and a task that counts the bytes of what it wrote.
const SCRIPT: &str = r#"
[params.times]
type = "int"
default = 1

[task.make]
command = 'echo make >> ran; sh make.sh > {{ outputs.file }}'
outputs.file = { file = "made" }

[task.measure]
command = 'echo measure >> ran; echo "bytes=$(( $(wc -c < {{ make.file }}) * {{ params.times }} ))" >> "$FLOWRUN_OUTPUT"'
outputs.bytes = "int"
"#;

pub fn a_script_that_says_the_same_in_other_words_is_accepted(at: &At<'_>) {
    let project = at.project(SCRIPT);
    project.write("make.sh", "echo one\n");
    ann(&project, "run").exits(0);
    project.write("make.sh", "# Says it.\necho one\n");
    ann(&project, "cache accept make").shows(str![[r#"
exit 0
--- out
accepted: make
  file make.sh: [DIGEST] → [DIGEST]

"#]]);
    assert_eq!(ran(&project, "run --output json").0, Vec::<String>::new(), "the consumer, too, is as it was");
    // What is missing comes back, if its bytes are kept.
    project.write("make.sh", "# Says it again.\necho one\n");
    std::fs::remove_file(project.path("made")).unwrap();
    let kept = format!("--artifacts {}", project.path(".flowrun/artifacts").display());
    ann(&project, &format!("cache accept make {kept} --dry-run")).exits(0);
    assert!(!project.path("made").exists());
    ann(&project, &format!("cache accept make {kept}")).exits(0);
    assert_eq!(project.read("made"), "one\n");
    assert_eq!(ran(&project, "run --output json").0, Vec::<String>::new());
    std::fs::remove_file(project.path("made")).unwrap();
    std::fs::remove_dir_all(project.path(".flowrun/artifacts")).unwrap();
    project.write("make.sh", "echo  one\n");
    ann(&project, "cache accept make measure").shows(str![[r#"
exit 1
--- out
not accepted: make: `made` is not there as it was recorded
not known: measure waits for something that must run

"#]]);
    ann(&project, "run").exits(0);
    // A value that changes nothing is for the user to know.
    ann(&project, "cache accept measure -p times=2").exits(1);
    ann(&project, "cache accept measure --values -p times=2").shows(str![[r#"
exit 0
--- out
accepted: measure
  value params.times: 1 → 2

"#]]);
    let (which, json) = ran(&project, "run -p times=2 --output json");
    assert_eq!((which, &json["counts"]["cached"]), (vec![], &serde_json::json!(2)));
    let json = ann(&project, "cache accept make --output json").exits(0).json();
    assert_eq!((&json["accepted"], &json["refused"]), (&serde_json::json!([]), &serde_json::json!([])), "{json:#}");
}
