//! Everything about a task's outputs: what is demanded of them, those that may be missing, several by a pattern, and
//! directories.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "outputs/keep.rs"]
mod keep;

use common::Project;
use snapbox::{IntoData, str};

/// The files below a folder of the project, each with its first line.
fn tree(project: &Project, folder: &str) -> String {
    if !project.path(folder).exists() {
        return String::new();
    }
    let mut found = Vec::new();
    let mut folders = vec![project.path(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    let line = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        format!("{}: {}", path.strip_prefix(project.dir()).unwrap().display(), text.lines().next().unwrap_or(""))
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Exit code and standard output: what runs side by side is told in any order.
#[track_caller]
fn ends(project: &Project, line: &str, expected: impl IntoData) {
    let text = project.run(line).text();
    let text = text.split("--- err").next().unwrap().to_owned();
    let same = snapbox::Assert::new().action_env("SNAPSHOTS");
    same.eq(text.into_data().raw(), expected.into_data().raw());
}

#[test]
fn an_output_that_is_not_as_demanded_fails_and_is_not_tried_again() {
    let project = Project::new(
        r#"[task.empty]
command = "echo ran >> log; : > {{ outputs.table }}"
outputs.table = { file = "out/table.csv", ensure = { non_empty = true } }
retry = { attempts = 3 }
on_error = "continue"

[task.other]
command = "echo content > {{ outputs.model }}"
outputs.model = { file = "out/model.bin", ensure = { sha256 = "01BA4719C80B6FE911B091A7C05124B64EEECE964E09C058EF8F9805DACA546B" } }
on_error = "continue"

[task.right]
command = "echo > {{ outputs.line }}"
outputs.line = { file = "out/line", ensure = { non_empty = true, sha256 = "01BA4719C80B6FE911B091A7C05124B64EEECE964E09C058EF8F9805DACA546B" } }

[task.folder]
command = "true"
outputs.dir = { dir = "out/dir", ensure = { non_empty = true } }
on_error = "continue"

[task.parts]
command = "echo x > {{ outputs.parts }}/1.csv; : > {{ outputs.parts }}/2.csv"
outputs.parts = { files = "out/parts/*.csv", ensure = { non_empty = true } }
on_error = "continue"

[task.kinds]
command = "mkdir {{ outputs.file }}; echo x > {{ outputs.file }}/x"
outputs.file = { file = "out/file" }
on_error = "continue"
"#,
    );
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed kinds
  the output `file`: `out/file` is a directory, not a file
  help: declare it as `outputs.file = { dir = … }`

failed parts
  the output `parts`: `out/parts/2.csv` is empty, and `ensure` demands that it
  is not
  help: mend the command, or change `ensure` of the output `parts`

failed folder
  the output `dir`: `out/dir` is empty, and `ensure` demands that it is not
  help: mend the command, or change `ensure` of the output `dir`

failed other
  the output `model`: `out/model.bin` has the SHA-256
  [DIGEST], and
  `ensure` demands
  [DIGEST]
  help: mend the command, or change `ensure` of the output `model`

failed empty
  the output `table`: `out/table.csv` is empty, and `ensure` demands that it
  is not
  help: mend the command, or change `ensure` of the output `table`

run 1: 5 failed, 1 succeeded in [TIME]
failed empty: the output `table`: `out/table.csv` is empty, and `ensure` demands that it is not
--- err
[0/6] started   empty
[1/6] failed    empty  the output `table`: `out/table.csv` is empty, and `ensure` demands that it is not
[1/6] started   other
[2/6] failed    other  the output `model`: `out/model.bin` has the SHA-256 [DIGEST], and `ensure` demands [DIGEST]
[2/6] started   right
[3/6] done      right  [TIME]
[3/6] started   folder
[4/6] failed    folder  the output `dir`: `out/dir` is empty, and `ensure` demands that it is not
[4/6] started   parts
[5/6] failed    parts  the output `parts`: `out/parts/2.csv` is empty, and `ensure` demands that it is not
[5/6] started   kinds
[6/6] failed    kinds  the output `file`: `out/file` is a directory, not a file

"#]]);
    assert_eq!(project.lines("log"), ["ran"]);
    assert_eq!(tree(&project, "out"), "out/line: ");
}

#[test]
fn a_changed_demand_is_looked_at_again() {
    let project = Project::new(
        r#"[task.make]
command = "echo x > {{ outputs.x }}"
outputs.x = { file = "x" }
"#,
    );
    project.run("run").exits(0);
    project.edit("pipeline.toml", "{ file = \"x\" }", "{ file = \"x\", ensure = { non_empty = true } }");
    project.run("run").shows(str![[r#"
exit 0
--- out
run 2 succeeded: 1 succeeded in [TIME]
--- err
[0/1] started   make  ensure x changed
[1/1] done      make  [TIME]

"#]]);
    project.run("run").shows(str![[r#"
exit 0
--- out
run 3 succeeded: 1 cached in [TIME]
--- err
[1/1] cached    make

"#]]);
}

/// `bai` is made only when it is asked for.
const OPTIONAL: &str = r#"[params.index]
default = true

[task.sort]
command = """
echo sorted > {{ outputs.bam }}
if {{ params.index }}; then echo index > {{ outputs.bai }}; fi
"""
outputs.bam = { file = "out/x.bam" }
outputs.bai = { file = "out/x.bai", optional = true }

[task.view]
command = "cat {{ sort.bam }} {{ sort.bai | default('/dev/null', true) }}"
outputs.text = { type = "string", from = "stdout" }

[outputs]
bai = "{{ sort.bai }}"
text = "{{ view.text }}"
"#;

#[test]
fn an_optional_output_is_null_when_it_was_not_made_and_no_older_file_is_taken_for_it() {
    let project = Project::new(OPTIONAL);
    project.run("run").shows(str![[r#"
exit 0
--- out
outputs
  bai  = "out/x.bai"
  text = "sorted\nindex"
run 1 succeeded: 2 succeeded in [TIME]
--- err
[0/2] started   sort
[1/2] done      sort  [TIME]
[1/2] started   view
[2/2] done      view  [TIME]

"#]]);
    // The file of the first run is there when the second begins.
    project.run("run -p index=false").shows(str![[r#"
exit 0
--- out
outputs
  bai  = null
  text = "sorted"
run 2 succeeded: 2 succeeded in [TIME]
--- err
[0/2] started   sort  value params.index changed
[1/2] done      sort  [TIME]
[1/2] started   view  value sort.bai changed
[2/2] done      view  [TIME]

"#]]);
    assert_eq!(tree(&project, "out"), "out/x.bam: sorted");
    project.run("run -p index=false").shows(str![[r#"
exit 0
--- out
outputs
  bai  = null
  text = "sorted"
run 3 succeeded: 2 cached in [TIME]
--- err
[2/2] cached    sort
[2/2] cached    view

"#]]);
    // Somebody's file under its name is none either.
    project.write("out/x.bai", "stale\n");
    project.run("run -p index=false").shows(str![[r#"
exit 0
--- out
outputs
  bai  = null
  text = "sorted"
run 4 succeeded: 2 cached in [TIME]
--- err
[2/2] cached    sort
[2/2] cached    view

"#]]);
    assert_eq!(tree(&project, "out"), "out/x.bam: sorted");
    project.edit("pipeline.toml", " | default('/dev/null', true)", "");
    project.run("run -p index=false").shows(str![[r#"
exit 1
--- out
failed view
  `command`: the value of `sort.bai` is null (pipeline.toml:13)
  help: write `| default('x', true)` behind it, with what shall stand there
        instead

run 5: 1 failed, 1 cached in [TIME]
failed view: `command`: the value of `sort.bai` is null (pipeline.toml:13)
--- err
[1/2] cached    sort
[2/2] failed    view  `command`: the value of `sort.bai` is null (pipeline.toml:13)
nothing new starts: `view` failed

"#]]);
}

/// As many parts as asked for.
const PARTS: &str = r#"[params.parts]
default = 3

[task.split]
command = """
for i in $(seq {{ params.parts }}); do echo "part $i" > {{ outputs.parts }}/part_$i.csv; done
echo scratch > {{ outputs.parts }}/notes.txt
test {{ params.parts }} != 4
"""
outputs.parts = { files = "out/part_*.csv" }

[task.each]
over = "{{ split.parts }}"
command = "cat {{ item }}"
outputs.text = { type = "string", from = "stdout" }

[outputs]
texts = "{{ each.text }}"
"#;

#[test]
fn files_by_a_pattern_are_a_list() {
    let project = Project::new(PARTS);
    project.write("out/other.csv", "mine\n");
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  texts = ["part 1", "part 2", "part 3"]
run 1 succeeded: 4 succeeded in [TIME]
--- err
[0/1] started   split
[1/1] done      split  [TIME]
[1/4] listed    each  3 items
[1/4] started   each[0]
[2/4] done      each[0]  [TIME]
[2/4] started   each[1]
[3/4] done      each[1]  [TIME]
[3/4] started   each[2]
[4/4] done      each[2]  [TIME]

"#]]);
    project.run("run -j 1").shows(str![[r#"
exit 0
--- out
outputs
  texts = ["part 1", "part 2", "part 3"]
run 2 succeeded: 4 cached in [TIME]
--- err
[1/4] cached    split
[1/4] listed    each  3 items
[4/4] cached    each  3 instances

"#]]);
    // Fewer parts: none is left of the earlier ones.
    project.run("run -j 1 -p parts=2").shows(str![[r#"
exit 0
--- out
outputs
  texts = ["part 1", "part 2"]
run 3 succeeded: 1 succeeded, 2 cached in [TIME]
--- err
[0/1] started   split  value params.parts changed
[1/1] done      split  [TIME]
[1/3] listed    each  2 items
[3/3] cached    each  2 instances

"#]]);
    assert_eq!(tree(&project, "out"), "out/other.csv: mine\nout/part_1.csv: part 1\nout/part_2.csv: part 2");
    // An attempt that fails leaves everything as it was.
    project.run("run -j 1 -p parts=4").shows(str![[r#"
exit 1
--- out
failed split
  exit status 1

run 4: 1 failed in [TIME]
failed split: exit status 1
--- err
[0/1] started   split  value params.parts changed
[1/1] failed    split  exit status 1
nothing new starts: `split` failed
[1/1] cancelled each

"#]]);
    assert_eq!(tree(&project, "out"), "out/other.csv: mine\nout/part_1.csv: part 1\nout/part_2.csv: part 2");
    project.run("run -j 1 -p parts=2").shows(str![[r#"
exit 0
--- out
outputs
  texts = ["part 1", "part 2"]
run 5 succeeded: 3 cached in [TIME]
--- err
[1/3] cached    split
[1/3] listed    each  2 items
[3/3] cached    each  2 instances

"#]]);
}

#[test]
fn a_pattern_that_nothing_matches_fails_unless_that_may_be() {
    let project = Project::new(
        r#"[task.must]
command = "touch {{ outputs.parts }}/1.txt"
outputs.parts = { files = "out/must/*.csv" }
on_error = "continue"

[task.may]
command = "true"
outputs.parts = { files = "out/may/*.csv", optional = true }

[task.twice]
command = "echo x > {{ outputs.parts }}/1.csv; echo x > out/twice/2.csv"
outputs.parts = { files = "out/twice/*.csv" }
on_error = "continue"

[task.direct]
command = "mkdir -p out/direct/a; echo 2 > out/direct/a/2.csv; echo 1 > out/direct/1.csv"
outputs.parts = { files = "out/direct/**/*.csv" }

[task.link]
command = "ln -s /etc/passwd {{ outputs.parts }}/1.csv"
outputs.parts = { files = "out/link/*.csv" }
on_error = "continue"

[outputs]
may = "{{ may.parts }}"
direct = "{{ direct.parts }}"
"#,
    );
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed link
  the output `parts`: `out/link/1.csv` is a link, and a pattern takes files
  alone
  help: copy what it leads to

failed twice
  the output `parts` was written twice: into its staged directory, and as
  `out/twice/2.csv`
  help: write only into the directory `{{ outputs.parts }}`

failed must
  the output `parts` was not written: nothing matches `out/must/*.csv`
  (`1.txt` is there, and does not match)
  help: the command must write files with names like `*.csv` into the
        directory `{{ outputs.parts }}`

run 1: 3 failed, 2 succeeded in [TIME]
failed must: the output `parts` was not written: nothing matches `out/must/*.csv` (`1.txt` is there, and does not match)
--- err
[0/5] started   must
[1/5] failed    must  the output `parts` was not written: nothing matches `out/must/*.csv` (`1.txt` is there, and does not match)
[1/5] started   may
[2/5] done      may  [TIME]
[2/5] started   twice
[3/5] failed    twice  the output `parts` was written twice: into its staged directory, and as `out/twice/2.csv`
[3/5] started   direct
[4/5] done      direct  [TIME]
[4/5] started   link
[5/5] failed    link  the output `parts`: `out/link/1.csv` is a link, and a pattern takes files alone

"#]]);
    assert_eq!(tree(&project, "out"), "out/direct/1.csv: 1\nout/direct/a/2.csv: 2");
    project.write("out/may/stale.csv", "stale\n");
    project.run("run -j 1 may direct").shows(str![[r#"
exit 0
--- out
outputs
  may    = []
  direct = ["out/direct/1.csv", "out/direct/a/2.csv"]
run 2 succeeded: 2 cached in [TIME]
--- err
[2/2] cached    may
[2/2] cached    direct

"#]]);
    assert_eq!(tree(&project, "out"), "out/direct/1.csv: 1\nout/direct/a/2.csv: 2");
}

#[test]
fn outputs_in_each_other_are_found_before_anything_runs() {
    let project = Project::new(
        r#"[params.samples]
default = ["a", "b"]

[task.index]
command = "true"
outputs.dir = { dir = "out/index" }

[task.inside]
command = "true"
outputs.file = { file = "out/index/x.idx" }

[task.below]
command = "true"
outputs.parts = { files = "out/index/parts/*.idx" }

[task.pattern]
command = "true"
outputs.parts = { files = "out/part_*.csv" }

[task.part]
command = "true"
outputs.part = { file = "out/part_sum.csv" }

[map.each]
over = "{{ params.samples }}"

[map.each.task.whole]
command = "echo {{ item }}"
outputs.dir = { dir = "each/{{ item }}" }

[map.each.task.one]
command = "echo {{ item }}"
outputs.file = { file = "each/{{ item }}/one" }
"#,
    );
    project.edit("pipeline.toml", "task.index", "task.make_index");
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0402]: this path lies in the directory `out/index`, which another output makes as a whole
  --> pipeline.toml:10:25
   |
 6 | outputs.dir = { dir = "out/index" }
   |                       ----------- by `make_index`
...
10 | outputs.file = { file = "out/index/x.idx" }
   |                         ^^^^^^^^^^^^^^^^^ by `inside`
   |
   = help: give each task a path of its own

error[E0402]: this path lies in the directory `out/index`, which another output makes as a whole
  --> pipeline.toml:14:27
   |
 6 | outputs.dir = { dir = "out/index" }
   |                       ----------- by `make_index`
...
14 | outputs.parts = { files = "out/index/parts/*.idx" }
   |                           ^^^^^^^^^^^^^^^^^^^^^^^ by `below`
   |
   = help: give each task a path of its own

error[E0402]: one file could be both of these outputs
  --> pipeline.toml:22:25
   |
18 | outputs.parts = { files = "out/part_*.csv" }
   |                           ---------------- by `pattern`
...
22 | outputs.part = { file = "out/part_sum.csv" }
   |                         ^^^^^^^^^^^^^^^^^^ by `part`
   |
   = help: give each task a path of its own

error[E0402]: this path lies in the directory `each/{{ item }}`, which another output makes as a whole
  --> pipeline.toml:33:25
   |
29 | outputs.dir = { dir = "each/{{ item }}" }
   |                       ----------------- by `each.whole`
...
33 | outputs.file = { file = "each/{{ item }}/one" }
   |                         ^^^^^^^^^^^^^^^^^^^^^ by `each.one`
   |
   = help: give each task a path of its own

4 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn outputs_in_each_other_that_only_values_show() {
    let project = Project::new(
        r#"[params.samples]
default = ["a", "a_b"]

[task.parts]
over = "{{ params.samples }}"
command = "echo {{ item }} > {{ outputs.parts }}/{{ item }}_1.csv"
outputs.parts = { files = "parts/{{ item }}_*.csv" }
on_error = "continue"

[task.dirs]
over = ["x", "x/y"]
command = "echo {{ item }} > {{ outputs.dir }}/file"
outputs.dir = { dir = "dirs/{{ item }}" }
on_error = "continue"
"#,
    );
    project.run("run -j 1 parts").shows(str![[r#"
exit 1
--- out
failed parts[1]
  the output `parts` has the path `parts/a_b_*.csv`, and `parts/a_*.csv` is
  another output: one file could be both
  help: give each a folder of its own, or names that cannot be mistaken for
        each other

run 1: 1 failed, 1 succeeded in [TIME]
failed parts[1]: the output `parts` has the path `parts/a_b_*.csv`, and `parts/a_*.csv` is another output: one file could be both
--- err
[0/2] listed    parts  2 items
[1/2] failed    parts[1]  the output `parts` has the path `parts/a_b_*.csv`, and `parts/a_*.csv` is another output: one file could be both
[1/2] started   parts[0]
[2/2] done      parts[0]  [TIME]

"#]]);
    project.run("run -j 1 dirs").shows(str![[r#"
exit 1
--- out
failed dirs[1]
  the output `dir` has the path `dirs/x/y`, which lies in the directory
  `dirs/x` that another output makes as a whole
  help: give it a path elsewhere

run 2: 1 failed, 1 succeeded in [TIME]
failed dirs[1]: the output `dir` has the path `dirs/x/y`, which lies in the directory `dirs/x` that another output makes as a whole
--- err
[0/2] listed    dirs  2 items
[1/2] failed    dirs[1]  the output `dir` has the path `dirs/x/y`, which lies in the directory `dirs/x` that another output makes as a whole
[1/2] started   dirs[0]
[2/2] done      dirs[0]  [TIME]

"#]]);
}

#[test]
fn a_run_that_is_killed_between_the_parts_leaves_what_was_there() {
    let project = Project::new(PARTS);
    project.run("run").exits(0);
    let before = tree(&project, "out");
    project.edit(
        "pipeline.toml",
        "echo scratch > {{ outputs.parts }}/notes.txt",
        "echo new > out/part_9.csv; touch written; sleep 600",
    );
    let run = project.start("run");
    project.wait_for("written", |_| true);
    run.signal("KILL");
    run.wait();
    project.edit(
        "pipeline.toml",
        "echo new > out/part_9.csv; touch written; sleep 600",
        "echo scratch > {{ outputs.parts }}/notes.txt",
    );
    project.run("run").shows(str![[r#"
exit 0
--- out
outputs
  texts = ["part 1", "part 2", "part 3"]
run 3 succeeded: 4 cached in [TIME]
--- err
[1/4] cached    split
[1/4] listed    each  3 items
[4/4] cached    each  3 instances

"#]]);
    assert_eq!(tree(&project, "out"), before);
}
