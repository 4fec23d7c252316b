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
