//! Tasks side by side, and never more than there is room for.

use crate::common::Project;

const SIX: &str = r#"
[map.nap]
over = { range = [0, 6] }

[map.nap.task.sleep]
command = '''
date +%s%N > {{ outputs.stamps }}
sleep 1
date +%s%N >> {{ outputs.stamps }}
'''
outputs.stamps = { file = "stamps/{{ item }}" }
"#;

/// When each task began and ended, by the tasks' own clock.
fn stamps(project: &Project) -> Vec<(u64, u64)> {
    let times = (0..6).map(|i| project.lines(format!("stamps/{i}")));
    times.map(|lines| (lines[0].parse().unwrap(), lines[1].parse().unwrap())).collect()
}

#[test]
fn six_naps_of_a_second_take_the_time_of_one() {
    let project = Project::new(SIX);
    project.run("run -j 6").exits(0);
    let stamps = stamps(&project);
    let last_begin = stamps.iter().map(|(begin, _)| begin).max().unwrap();
    let first_end = stamps.iter().map(|(_, end)| end).min().unwrap();
    assert!(last_begin < first_end, "all six must be asleep at once: {stamps:?}");
}

#[test]
fn no_more_run_at_once_than_there_are_cores() {
    let project = Project::new(&SIX.replace("sleep 1", "sleep 0.1"));
    project.run("run -j 2").exits(0);
    assert_eq!(most_at_once(&stamps(&project)), 2);
}

#[test]
fn max_parallel_holds_a_map_back() {
    let three = "over = { range = [0, 6] }\nmax_parallel = 3";
    let project = Project::new(&SIX.replace("over = { range = [0, 6] }", three).replace("sleep 1", "sleep 0.1"));
    project.run("run -j 6").exits(0);
    assert_eq!(most_at_once(&stamps(&project)), 3);
}

#[test]
fn a_limit_is_shared_by_all_who_name_it() {
    let limited = format!("[limits]\nlicence = 2\n{SIX}resources.licence = 1\n").replace("sleep 1", "sleep 0.1");
    let project = Project::new(&limited);
    project.run("run -j 6").exits(0);
    assert_eq!(most_at_once(&stamps(&project)), 2);
}

/// The largest number of tasks that were at work at one time.
fn most_at_once(stamps: &[(u64, u64)]) -> usize {
    let at = |time: &u64| stamps.iter().filter(|(begin, end)| begin <= time && time < end).count();
    stamps.iter().map(|(begin, _)| at(begin)).max().unwrap()
}
