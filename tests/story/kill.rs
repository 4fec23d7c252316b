//! `kill -9` at random moments, then the same command again: the same end, and nothing that had finished runs twice.

use crate::common::{Project, contents, figure, long};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Many small tasks. Each appends its name to `ran` when it begins, and gives it as an output, so that the journal
/// tells which have ended.
const SWARM: &str = r#"
[pipeline]
name = "swarm"

[task.seed]
command = 'echo seed >> ran; echo "who=seed" >> "$FLOWRUN_OUTPUT"'
outputs.who = "string"

[map.bee]
over = { range = [0, 150] }

[map.bee.task.gather]
command = 'echo gather.{{ item }} >> ran; echo {{ seed.who }} {{ item }} > {{ outputs.honey }}; echo "who=gather.{{ item }}" >> "$FLOWRUN_OUTPUT"'
outputs.who = "string"
outputs.honey = { file = "results/{{ item }}.txt" }

[map.bee.task.dance]
command = 'echo dance.{{ item }} >> ran; echo "who=dance.{{ item }}" >> "$FLOWRUN_OUTPUT"; cat {{ gather.honey }}'
outputs.who = "string"

[map.bee.task.clean]
command = 'echo clean.{{ item }} {{ dance.who }} >> ran'

[task.hive]
command = 'echo hive >> ran; cat {{ bee.gather.honey }} > {{ outputs.all }}; echo "who=hive" >> "$FLOWRUN_OUTPUT"'
outputs.who = "string"
outputs.all = { file = "results/all.txt" }

[outputs]
dances = "{{ bee.dance.who }}"
all = "{{ hive.all }}"
"#;

#[test]
fn a_swarm_of_small_tasks() {
    let begin = Instant::now();
    let undisturbed = Project::new(SWARM);
    let outputs = undisturbed.run("run -j 2 --output json").exits(0).json()["outputs"].clone();
    let whole = begin.elapsed();
    let mut random = Random(7);
    let (mut kills, mut checked) = (0, 0);
    for _ in 0..long(20, 2) {
        let project = Project::new(SWARM);
        // several kills in a row, then to the end
        for _ in 0..5 {
            killed_after(&project, "run -j 2", random.below(whole));
            kills += 1;
        }
        checked += ended(&project).len();
        let json = finished(&project, "run -j 2 --output json");
        assert_eq!(json["outputs"], outputs);
        assert_eq!(contents(&project.path("results")), contents(&undisturbed.path("results")));
        let ran: BTreeSet<String> = project.lines("ran").into_iter().collect();
        assert_eq!(ran.len(), 1 + 3 * 150 + 1, "every instance ran");
    }
    figure(&format!("swarm of 452 tasks: {kills} kills, {checked} ends stood in journals, none of them ran again"));
}

/// Maps, branches, calls and loops in each other, retries, what may fail, files by a pattern: the same end whether one
/// or eight run at once, and after ten kills.
#[test]
fn everything_at_once() {
    let outcome = |project: &Project, line: &str| {
        let said = project.run(line);
        let json = said.exits(4).json();
        (json["outputs"].clone(), contents(&project.path("results")))
    };
    let project = || Project::copy_of("tests/story/everything");
    let begin = Instant::now();
    let (alone, crowd) = (project(), project());
    let expected = outcome(&alone, "run -j 1 --output json");
    let whole = begin.elapsed();
    assert_eq!(
        expected.0["teams"],
        serde_json::json!([{ "name": "small", "total": 4 }, { "name": "big", "total": 9 }])
    );
    assert_eq!(outcome(&crowd, "run -j 8 --output json"), expected);
    let mut random = Random(3);
    for _ in 0..long(10, 1) {
        let project = project();
        for _ in 0..10 {
            killed_after(&project, "run -j 2", random.below(whole));
        }
        assert_eq!(outcome(&project, "run -j 2 --output json"), expected);
    }
}

mod needs_bio {
    use super::*;

    #[test]
    #[ignore = "needs bwa, samtools, bcftools and the lambda genome"]
    fn variant_calling() {
        let project = || {
            let project = Project::copy_of("pipelines/variant_calling");
            project.write("pipeline.toml", telling(&project.read("pipeline.toml")));
            project
        };
        let begin = Instant::now();
        let undisturbed = project();
        let outputs = undisturbed.run("run --output json").exits(0).json()["outputs"].clone();
        let whole = begin.elapsed();
        let instances = undisturbed.lines("ran").len();
        let mut random = Random(11);
        let (mut ended, count) = (0, long(20, 2));
        for _ in 0..count {
            let project = project();
            ended += killed_after(&project, "run", random.below(whole)).len();
            let json = finished(&project, "run --output json");
            assert_eq!(json["outputs"], outputs);
            assert_eq!(contents(&project.path("results")), contents(&undisturbed.path("results")));
            let ran: BTreeSet<String> = project.lines("ran").into_iter().collect();
            assert_eq!(ran.len(), instances, "every instance ran: {ran:?}");
        }
        figure(&format!(
            "variant_calling ({instances} tasks, {:.1} s): {count} kills at random moments, {ended} ends stood in \
             journals, none of them ran again, all results equal byte for byte",
            whole.as_secs_f64()
        ));
    }

    /// The pipeline with tasks that append their names to `ran` and give them as the output `who`.
    fn telling(text: &str) -> String {
        let (mut out, mut who) = (String::new(), String::new());
        for line in text.lines() {
            let header = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
            let task = header.and_then(|header| header.rsplit_once("task.").or(Some(("", header))));
            let tell = format!("echo {who} >> ran; echo who={who} >> $FLOWRUN_OUTPUT");
            if let Some((map, task)) = task {
                who = if map.is_empty() { task.to_string() } else { format!("{task}.{{{{ sample.name }}}}") };
                out += line;
                if header.is_some_and(|header| header.contains("task.")) {
                    out += "\noutputs.who = \"string\"";
                }
            } else if line == "command = '''" {
                out += &format!("{line}\n{tell}");
            } else if let Some(rest) = line.strip_prefix("command = \"") {
                out += &format!("command = \"{tell}; {rest}");
            } else if line == "script = '''" {
                out += line;
                out += "\nprint(\"report\", file=open(\"ran\", \"a\"))";
                out += "\nimport os; print(\"who=report\", file=open(os.environ[\"FLOWRUN_OUTPUT\"], \"a\"))";
            } else {
                out += line;
            }
            out += "\n";
        }
        out
    }
}

/// Runs, kills flowrun after a while, and gives those whose ends stood in the journal. Asserts that none of those that
/// had ended before ran.
fn killed_after(project: &Project, line: &str, after: Duration) -> BTreeSet<String> {
    let (before, ended) = (counted(project), ended(project));
    let live = project.start(line);
    std::thread::sleep(after); // the random moment itself; nothing waits for this
    live.signal("KILL");
    live.wait();
    none_ran_again(project, &before, &ended);
    self::ended(project)
}

/// Runs to the end, and asserts the same.
fn finished(project: &Project, line: &str) -> serde_json::Value {
    let (before, ended) = (counted(project), ended(project));
    let said = project.run(line);
    none_ran_again(project, &before, &ended);
    said.exits(0).json()
}

fn none_ran_again(project: &Project, before: &BTreeMap<String, usize>, ended: &BTreeSet<String>) {
    let after = counted(project);
    let again: Vec<_> = ended.iter().filter(|name| after.get(*name) != before.get(*name)).collect();
    assert!(again.is_empty(), "their ends stood in the journal, and yet they ran again: {again:?}");
}

/// How often each instance began.
fn counted(project: &Project) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in project.lines("ran") {
        *counts.entry(line.split(' ').next().unwrap().to_string()).or_default() += 1;
    }
    counts
}

/// The instances whose successful end stands in a journal, by their output `who`. Also asserts, from the journal's own
/// numbers, that none was submitted again after such an end: that covers tasks without outputs.
fn ended(project: &Project) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Ok(runs) = std::fs::read_dir(project.path(".flowrun/runs")) else { return found };
    let (mut submitted, mut over) = (0, BTreeSet::new());
    for run in runs {
        let journal = std::fs::read(run.unwrap().path().join("journal")).unwrap_or_default();
        let whole = journal.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        over.clear();
        for line in journal[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: serde_json::Value = serde_json::from_slice(line).unwrap();
            let instance = event["instance"].as_u64();
            if event["e"] == "submitted" {
                submitted += 1;
                assert!(!over.contains(&instance), "instance {instance:?} had ended and was submitted again");
            }
            if event["e"] == "ended"
                && let Some(results) = event["outcome"]["result"]["Ok"].as_array()
            {
                over.insert(instance);
                found.extend(results.iter().filter_map(|result| result["value"].as_str()).map(String::from));
            }
        }
    }
    let began = project.lines("ran").len();
    assert!(began <= submitted, "{began} executions began, the journals know of {submitted}");
    found
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        limit.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}
