//! All of them in each other.

use super::outcome;
use crate::common::{self, Project};
use serde_json::json;

/// Every construct at once, three deep. Each task tells its instance when it begins.
const EVERYTHING: &str = r#"
[task.seeds]
command = 'echo seeds >> ran; echo "list=[2, 3, 4]" >> "$FLOWRUN_OUTPUT"'
outputs.list = "list<int>"

[map.unit]
over = "{{ seeds.list }}"
as = "s"
key = "s{{ s }}"
outputs.total = "{{ first(even.steps, odd.total) }}"

[map.unit.branch.parity]
on = "{{ s % 2 == 0 }}"
outputs.steps = "{{ grow.iterations | default(none) }}"

[map.unit.branch.parity.case.true.loop.grow]
max = 9
carry.x = { init = "{{ s }}", next = "{{ step.y }}" }
carry.log = { init = "", next = "{{ write.log }}" }
until = "{{ step.y > 40 }}"

[map.unit.branch.parity.case.true.loop.grow.call.step]
pipeline = "lib/step.toml"
params.x = "{{ carry.x }}"
params.name = "s{{ s }}.{{ index }}"

[map.unit.branch.parity.case.true.loop.grow.map.part]
over = ["a", "b"]
[map.unit.branch.parity.case.true.loop.grow.map.part.task.show]
command = 'echo show.{{ s }}.{{ item }}.{{ carry.x }} >> ran; echo "v={{ item }}{{ step.y }}" >> "$FLOWRUN_OUTPUT"'
outputs.v = "string"

[map.unit.branch.parity.case.true.loop.grow.task.write]
command = '''
cat {{ [carry.log] | select | list }} < /dev/null > {{ outputs.log }}
echo {{ part.show.v }} >> {{ outputs.log }}
echo write.{{ s }}.{{ index }} >> ran
'''
outputs.log = { file = "log/{{ s }}-{{ index }}.txt" }

[map.unit.branch.parity.default.map.each]
over = { range = [0, "{{ s }}"] }
as = "i"
[map.unit.branch.parity.default.map.each.branch.small]
on = "{{ 'small' if i < 1 else 'large' }}"
[map.unit.branch.parity.default.map.each.branch.small.case.small.task.value]
command = 'echo value.{{ i }} >> ran; echo "n={{ i }}" >> "$FLOWRUN_OUTPUT"'
outputs.n = "int"
[map.unit.branch.parity.default.map.each.branch.small.case.large.call.value]
pipeline = "lib/step.toml"
params.x = "{{ i }}"
params.name = "i{{ i }}"

[map.unit.task.even]
when = "{{ parity.steps is not none }}"
command = 'echo even.{{ s }} >> ran; cat {{ parity.grow.log }}; echo "steps={{ parity.grow.x }}" >> "$FLOWRUN_OUTPUT"'
outputs.steps = "int"

[map.unit.task.odd]
when = "{{ parity.steps is none }}"
command = 'echo odd.{{ s }} >> ran; echo "total={{ parity.each.small.value.n | reject("none") | sum }}" >> "$FLOWRUN_OUTPUT"'
outputs.total = "int"

[outputs]
totals = "{{ unit.total }}"
steps = "{{ unit.parity.grow.iterations }}"
values = "{{ unit.parity.each.small.value.n }}"
logs = "{{ unit.parity.grow.log }}"
"#;

const STEP: &str = r#"
[params.x]
type = "int"
[params.name]
[loop.twice]
max = 2
carry.v = { init = "{{ params.x }}", next = "{{ add.n }}" }
[loop.twice.task.add]
retry = { attempts = 2, backoff = 0 }
command = '''
test {{ attempt }} -gt 1 || exit 1
echo add.{{ params.name }}.{{ index }} >> ran
echo "n=$(( {{ carry.v }} + {{ carry.v }} / 2 + 1 ))" >> "$FLOWRUN_OUTPUT"
'''
outputs.n = "int"
[outputs]
y = "{{ twice.v }}"
n = "{{ twice.v }}"
"#;

#[test]
fn every_construct_at_once_gives_the_same_however_it_is_run() {
    let project = || {
        let project = Project::new(EVERYTHING);
        project.write("lib/step.toml", STEP);
        project
    };
    let first = project();
    let (outputs, counts) = outcome(first.run("run -j 1 --output json").exits(0));
    assert_eq!(
        outputs,
        json!({
            "totals": [92, 11, 61],
            "steps": [4, null, 3],
            "values": [null, [0, 4, 7], null],
            "logs": ["log/2-3.txt", null, "log/4-2.txt"],
        })
    );
    let ran = first.sorted_lines("ran");
    let eight = project();
    assert_eq!(outcome(eight.run("run -j 8 --output json").exits(0)), (outputs.clone(), counts.clone()));
    assert_eq!(eight.sorted_lines("ran"), ran);
    // killed again and again, whenever so many events more stand in its journal
    let killed = project();
    let events = first.lines(".flowrun/runs/1/journal").len();
    let kills = common::long(10, 4);
    for kill in 1..=kills {
        let live = killed.start("run -j 2");
        let at = events * kill / (kills + 1);
        killed.wait_for(".flowrun/runs/1/journal", |text| text.lines().count() > at);
        live.signal("KILL");
        live.wait();
    }
    let again = outcome(killed.run("run -j 2 --output json").exits(0));
    assert_eq!(again.0, outputs);
    let mut distinct = killed.sorted_lines("ran");
    distinct.dedup();
    assert_eq!(distinct, ran);
    for log in ["log/2-3.txt", "log/4-2.txt"] {
        assert_eq!(killed.read(log), first.read(log));
    }
    for project in [first, eight, killed] {
        let (same, counts) = outcome(project.run("run --output json").exits(0));
        assert_eq!((&same, &counts["succeeded"]), (&outputs, &json!(0)), "{counts}");
    }
}
