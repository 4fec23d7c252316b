//! Letting go: `cache gc`.

use crate::common::{Project, contents};
use crate::{At, ann, cached, letters, objects, ran, shows_text};
use serde_json::json;
use snapbox::str;
use std::path::Path;
use std::process::Command;

pub fn what_was_replaced_goes_and_its_bytes_with_it(at: &At<'_>) {
    let project = at.letters();
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

pub fn what_is_old_goes_but_not_what_a_kept_run_took(at: &At<'_>) {
    let project = at.letters();
    ann(&project, "run").exits(0);
    at.age(&project, 40);
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

pub fn what_no_kept_run_has_goes(at: &At<'_>) {
    let project = at.letters();
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

pub fn bytes_go_until_they_fit_and_results_stay_that_stand_in_place(at: &At<'_>) {
    let project = at.letters();
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

/// Makes everything in a folder look two days old.
fn old(folder: &Path) {
    for (name, _) in contents(folder) {
        let status = Command::new("touch").args(["-d", "2 days ago"]).arg(folder.join(name)).status();
        assert!(status.unwrap().success());
    }
}

#[test]
fn a_folder_of_several_projects_keeps_what_another_one_needs() {
    let (ann, bob, kept) = (letters(), letters(), Project::empty());
    bob.write("letters.json", r#"["b","x"]"#);
    let folder = kept.dir();
    let ask =
        |project: &Project, line: &str| project.said(project.command(line.split(' ')).env("FLOWRUN_ARTIFACTS", folder));
    let kept = || contents(folder).iter().filter(|(name, _)| !name.starts_with("users")).count();
    let home = bob.dir().canonicalize().unwrap().display().to_string();
    let shows = |line: &str, expected: snapbox::data::Inline| {
        shows_text(ask(&ann, line).text().replace(&home, "[BOB]"), expected);
    };
    ask(&ann, "run").exits(0);
    ask(&bob, "run").exits(0);
    assert_eq!(kept(), 4, "one of the three and two objects is of both");
    ask(&ann, "runs rm 1").exits(0);
    shows(
        "cache gc --unreachable --dry-run",
        str![[r#"
exit 0
--- out
each.shout 3 (each[a].shout, each[b].shout, each[c].shout): no run that is kept has it
join: no run that is kept has it
list: no run that is kept has it
2 objects (4 B) kept for others:
  [BOB], last here [TIME] UTC
2 objects that nobody refers to were put in the last 10 minutes, and stay for now
would remove 5 of 5 results, 0 of 4 objects; 0 B would be free, 8 B of objects stay

"#]],
    );
    old(folder);
    shows(
        "cache gc --unreachable",
        str![[r#"
exit 0
--- out
each.shout 3 (each[a].shout, each[b].shout, each[c].shout): no run that is kept has it
join: no run that is kept has it
list: no run that is kept has it
2 objects (4 B) kept for others:
  [BOB], last here [TIME] UTC
removed 5 of 5 results, 2 of 4 objects; 4 B are free, 4 B of objects stay

"#]],
    );
    assert_eq!(kept(), 2);
    let _ = std::fs::remove_dir_all(bob.path("out"));
    assert_eq!(ask(&bob, "run --output json").exits(0).json()["counts"]["cached"], 4, "all of it was there for bob");
    // Bob goes away, and his store with him.
    drop(bob);
    old(folder);
    shows(
        "cache gc --forget-idle 3d --dry-run",
        str![[r#"
exit 0
--- out
2 objects (4 B) kept for others:
  [BOB], last here [TIME] UTC
would remove 0 of 0 results, 0 of 2 objects; 0 B would be free, 4 B of objects stay

"#]],
    );
    shows(
        "cache gc --forget-idle 1d",
        str![[r#"
exit 0
--- out
nothing is kept any more for
  [BOB], last here [TIME] UTC
removed 0 of 0 results, 2 of 2 objects; 4 B are free, 0 B of objects stay

"#]],
    );
    assert_eq!(contents(folder), []);
}

#[test]
fn a_project_with_two_stores_and_a_copy_of_it_keep_what_the_others_need() {
    let project = letters();
    let folder = project.path(".flowrun/artifacts");
    let gc = |project: &Project, store: &str| {
        let words = ["cache", "gc", "--older-than", "0s", "--output", "json", "--store", store];
        let said = project.said(project.command(words).env("FLOWRUN_ARTIFACTS", &folder));
        // Else all is too young to go.
        old(&folder);
        said.exits(0).json()["entries"].as_array().unwrap().len()
    };
    for store in ["one.db", "two.db"] {
        ann(&project, &format!("run --store {store}")).exits(0);
    }
    let copy = Project::empty();
    let status = Command::new("cp").arg("-a").arg(project.path(".")).arg(copy.dir()).status();
    assert!(status.unwrap().success());
    old(&folder);
    assert_eq!((gc(&project, "one.db"), objects(&project)), (5, 3), "the other store names them");
    assert_eq!((gc(&copy, "two.db"), objects(&project)), (5, 3), "a copy is another user");
    assert_eq!((gc(&project, "two.db"), objects(&project)), (5, 0));
}
