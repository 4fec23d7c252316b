//! The scheduler away in mid-run, and the driver killed again and again: nothing runs twice, nothing is left over.

use crate::cluster::{Cluster, Shape};
use crate::common::{Project, figure, long, until};
use crate::driver;
use std::time::{Duration, Instant, SystemTime};

/// Each item appends its number to a file of its own: how often it ran. The last ones take a little longer.
fn counting(items: u32, seconds: &str) -> Project {
    let project = Project::new(
        &r#"
[map.m]
over = { range = [0, ITEMS] }
[map.m.task.t]
command = "echo {{ item }} >> ran/{{ item }}; sleep SECONDS; echo v={{ item }} >> $FLOWRUN_OUTPUT"
outputs.v = "int"
[outputs]
sum = "{{ m.t.v | sum }}"
"#
        .replace("ITEMS", &items.to_string())
        .replace("SECONDS", seconds),
    );
    std::fs::create_dir(project.path("ran")).unwrap();
    project
}

/// How many items have begun.
fn begun(project: &Project) -> usize {
    std::fs::read_dir(project.path("ran")).unwrap().count()
}

/// Items that did not run exactly once.
fn not_once(project: &Project, items: u32) -> Vec<(u32, usize)> {
    let times = |item: u32| (item, project.lines(format!("ran/{item}")).len());
    (0..items).map(times).filter(|(_, times)| *times != 1).collect()
}

/// A multiplicative generator; its seed is printed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        most.mul_f64((self.0 >> 33) as f64 / (1u64 << 31) as f64)
    }
}

mod needs_slurm {
    use super::*;

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_controller_that_is_away_for_long_harms_nothing() {
        let mut cluster = Cluster::start(&Shape::default());
        let (items, away) = (long(600, 100), Duration::from_secs(long(120, 8)));
        let project = counting(items, "0.5");
        let live = project.live(driver(&cluster, &project, "run --backend slurm --output json"));
        until(|| begun(&project) >= 16, "the run is at work");
        cluster.stop_daemon("slurmctld", "TERM");
        let (since, before) = (Instant::now(), begun(&project));
        std::thread::sleep(away);
        let meanwhile = begun(&project) - before;
        cluster.start_daemon("slurmctld");
        let json = live.wait().exits(0).json();
        assert_eq!(json["outputs"]["sum"], items * (items - 1) / 2);
        assert_eq!(json["counts"]["succeeded"], items);
        assert_eq!(not_once(&project, items), []);
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
        figure(&format!(
            "slurmctld away for {} s in a run of {items}: {meanwhile} began meanwhile, all ran once, done after {:.0} s",
            away.as_secs(),
            since.elapsed().as_secs_f64()
        ));
    }

    #[test]
    #[ignore = "needs Slurm and munge"]
    fn a_driver_that_is_killed_again_and_again_loses_nothing_and_repeats_nothing() {
        let cluster = Cluster::start(&Shape { cpus: 4, ..Shape::default() });
        let (items, kills) = (long(500, 100), long(30, 3));
        let seed = match long(true, false) {
            true => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64,
            false => 5,
        };
        let mut random = Random(seed);
        let project = counting(items, "0.6");
        let begin = Instant::now();
        let (mut whole, mut at_work) = (0, 0);
        for _ in 0..kills {
            let live = project.live(driver(&cluster, &project, "run --backend slurm"));
            let end = Instant::now() + random.below(Duration::from_millis(700));
            while Instant::now() < end && !live.has_ended() {
                std::thread::sleep(Duration::from_millis(2));
            }
            whole += u32::from(live.has_ended());
            live.signal("KILL");
            live.wait();
            at_work += usize::from(begun(&project) < items as usize);
        }
        let json = project.said(&mut driver(&cluster, &project, "run --backend slurm --output json")).exits(0).json();
        assert_eq!(json["outputs"]["sum"], items * (items - 1) / 2, "seed {seed}");
        assert_eq!(not_once(&project, items), [], "seed {seed}");
        until(|| cluster.queue().is_empty(), "nothing is left in the queue");
        figure(&format!(
            "driver killed {kills} times (seed {seed}) in a run of {items}, {at_work} times with work left, {whole} times \
             too late: every element ran once, no job left over, {:.0} s",
            begin.elapsed().as_secs_f64()
        ));
    }
}
