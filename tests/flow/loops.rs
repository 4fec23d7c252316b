//! A body again and again: what is carried, how it ends, what a kill leaves.

use super::{outcome, told};
use crate::common::Project;
use serde_json::json;
use snapbox::str;

const GROW: &str = r#"
[map.plant]
over = [3, 5]
as = "seed"

[map.plant.loop.grow]
max = 4
on_max = "accept"
carry.height = { init = "{{ seed }}", next = "{{ day.height }}" }
carry.notes = { init = "", next = "{{ day.notes }}" }
until = "{{ day.height > 30 }}"

[map.plant.loop.grow.task.day]
command = '''
echo {{ seed }}.{{ index }} >> ran
cat {{ [carry.notes] | select | list }} < /dev/null > {{ outputs.notes }}
echo {{ carry.height }} >> {{ outputs.notes }}
echo "height=$(( {{ carry.height }} * 2 ))" >> "$FLOWRUN_OUTPUT"
'''
outputs.height = "int"
outputs.notes = { file = "notes/{{ seed }}-{{ index }}.txt" }

[outputs]
heights = "{{ plant.grow.height }}"
days = "{{ plant.grow.iterations }}"
last = "{{ plant.grow.day.height }}"
notes = "{{ plant.grow.notes }}"
"#;

#[test]
fn a_loop_in_a_map_carries_values_and_files() {
    let project = Project::new(GROW);
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  heights = [48, 40]
  days    = [4, 3]
  last    = [48, 40]
  notes   = ["notes/3-3.txt", "notes/5-2.txt"]
run 1 succeeded: 7 succeeded in [TIME]

"#]]);
    assert_eq!(project.read("notes/5-2.txt"), "5\n10\n20\n");
    assert_eq!(project.lines("ran").len(), 7);
    // every iteration has a key of its own: those that were there are there still
    project.edit("pipeline.toml", "max = 4", "max = 5");
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  heights = [48, 40]
  days    = [4, 3]
  last    = [48, 40]
  notes   = ["notes/3-3.txt", "notes/5-2.txt"]
run 2 succeeded: 7 cached in [TIME]

"#]]);
    // a file that is carried counts by what is in it
    project.write("notes/3-1.txt", "changed\n");
    project.run("plan").shows(str![[r#"
exit 0
--- out
plant.grow.day: run 1 · cached 4
  plant[0].grow[1].day
    output notes: notes/3-1.txt ([DIGEST]) → notes/3-1.txt ([DIGEST])

run 1 · cached 4 · unknown 0

"#]]);
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  heights = [48, 40]
  days    = [4, 3]
  last    = [48, 40]
  notes   = ["notes/3-3.txt", "notes/5-2.txt"]
run 3 succeeded: 1 succeeded, 6 cached in [TIME]

"#]]);
    project.run("explain plant[0].grow[3].day").shows(str![[r#"
exit 0
--- out
plant[0].grow[3].day: cached
  made by run 1 at [TIME] UTC on [HOST] in [TIME]
  its key is made of
    command:
      echo {{ seed }}.{{ index }} >> ran
      cat {{ [carry.notes] | select | list }} < /dev/null > {{ outputs.notes }}
      echo {{ carry.height }} >> {{ outputs.notes }}
      echo "height=$(( {{ carry.height }} * 2 ))" >> "$FLOWRUN_OUTPUT"
    shell: ["bash","-euo","pipefail","-c"]
    output height: int
    output notes: file notes/{{ seed }}-{{ index }}.txt
    value seed: 3
    value index: 3
    value carry.notes: "notes/3-2.txt" ([DIGEST])
    value carry.height: 24

"#]]);
}

#[test]
fn what_does_not_converge() {
    let text = r#"
[loop.search]
max = 3
carry.x = { init = 1, next = "{{ step.x }}" }
until = "{{ step.x > 100 }}"
[loop.search.task.step]
command = 'echo "x=$(( {{ carry.x }} + 1 ))" >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
[task.after]
command = 'echo {{ search.x }}'
"#;
    let project = Project::new(text);
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed search
  `until` is not true after 3 iterations
  help: raise `max`, or write `on_max = "accept"` to go on with what the last
        iteration gave

run 1: 1 loop failed, 3 succeeded, 1 not run in [TIME]
failed search: `until` is not true after 3 iterations
--- err
[0/2] iterated  search  iteration 0
[0/2] started   search[0].step
[1/2] done      search[0].step  [TIME]
[1/3] iterated  search  iteration 1
[1/3] started   search[1].step
[2/3] done      search[1].step  [TIME]
[2/4] iterated  search  iteration 2
[2/4] started   search[2].step
[3/4] done      search[2].step  [TIME]
[4/4] failed    search  `until` is not true after 3 iterations
nothing new starts: `search` failed
[4/4] cancelled after

"#]]);
    // without `until` there are as many as `max` says
    project.edit("pipeline.toml", "until = \"{{ step.x > 100 }}\"\n", "");
    let (_, counts) = outcome(&project.run("run --output json").exits(0).to_owned());
    assert_eq!(counts["cached"], 3);
    // a condition must be one
    project.edit("pipeline.toml", "max = 3\n", "max = 3\nuntil = \"{{ [step.x, 0] | max }}\"\n");
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed search
  `until` must give true or false, and gave an int, `2` (pipeline.toml:4)
  help: compare it with something: `{{ x > 0 }}`, `{{ x is not none }}`

run 3: 1 loop failed, 1 cached, 1 not run in [TIME]
failed search: `until` must give true or false, and gave an int, `2` (pipeline.toml:4)
--- err
[0/2] iterated  search  iteration 0
[1/2] cached    search[0].step
[2/2] failed    search  `until` must give true or false, and gave an int, `2` (pipeline.toml:4)
nothing new starts: `search` failed
[2/2] cancelled after

"#]]);
    // what the loop carries can be of no use
    project.edit("pipeline.toml", "until = \"{{ [step.x, 0] | max }}\"", "until = \"{{ step.x / 0 > 1 }}\"");
    project.run("run -j 1").shows(str![[r#"
exit 1
--- out
failed search
  `until`: the expression cannot be computed: unable to calculate 2 / 0
  (pipeline.toml:4)

run 4: 1 loop failed, 1 cached, 1 not run in [TIME]
failed search: `until`: the expression cannot be computed: unable to calculate 2 / 0 (pipeline.toml:4)
--- err
[0/2] iterated  search  iteration 0
[1/2] cached    search[0].step
[2/2] failed    search  `until`: the expression cannot be computed: unable to calculate 2 / 0 (pipeline.toml:4)
nothing new starts: `search` failed
[2/2] cancelled after

"#]]);
}

#[test]
fn a_killed_loop_goes_on_where_it_was() {
    let text = r#"
[loop.count]
max = 6
carry.n = { init = 0, next = "{{ step.n }}" }
until = "{{ step.n >= 6 }}"
[loop.count.task.step]
command = '''
echo {{ index }} >> ran
if [ {{ index }} -eq 3 ] && [ ! -d go ]; then echo here > here; while [ ! -d go ]; do sleep 0.02; done; fi
echo "n=$(( {{ carry.n }} + 1 ))" >> "$FLOWRUN_OUTPUT"
'''
outputs.n = "int"
[branch.big]
on = "{{ count.n > 3 }}"
[branch.big.case.true.task.say]
command = 'echo big >> ran; echo "said=big" >> "$FLOWRUN_OUTPUT"'
outputs.said = "string"
[branch.big.case.false.task.say]
command = 'echo small >> ran; echo "said=small" >> "$FLOWRUN_OUTPUT"'
outputs.said = "string"
[outputs]
n = "{{ count.iterations }}"
said = "{{ big.say.said }}"
"#;
    let project = Project::new(text);
    let live = project.start("run -j 1");
    project.wait_for("here", |text| !text.is_empty());
    live.signal("KILL");
    live.wait();
    std::fs::create_dir(project.path("go")).unwrap();
    told(&project.run("run -j 1")).shows(str![[r#"
exit 0
--- out
outputs
  n    = 6
  said = "big"
run 1 succeeded: 7 succeeded, 1 skipped in [TIME]

"#]]);
    // what had ended did not run again; what was cut off did
    assert_eq!(project.lines("ran"), ["0", "1", "2", "3", "3", "4", "5", "big"]);
    let (outputs, counts) = outcome(&project.run("run --output json"));
    assert_eq!(outputs, json!({ "n": 6, "said": "big" }));
    assert_eq!((&counts["cached"], &counts["skipped"]), (&json!(7), &json!(1)));
}
