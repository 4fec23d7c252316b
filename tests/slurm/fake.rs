//! A Slurm that does what a real one cannot be made to do on demand: lies, hangs, preempts. Programs of shell in a folder
//! that stands first on `PATH`. Each element is a file `state/JOB_ELEMENT` with its line of the queue; `sbatch` begins
//! all elements at once, and each calls home when it ends.

use crate::common::{Project, Said, until};
use crate::{begun, failures};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// The folder of the programs, what they know, and what was asked of them: `calls`.
struct Fake {
    dir: tempfile::TempDir,
}

const SBATCH: &str = r#"
echo "sbatch $*" >> calls
while test -e sbatch.hangs; do sleep 0.1; done
test -e last || echo 0 > last
job=$(($(cat last) + 1)); echo $job > last
cat > script.$job
for word; do case $word in
  --array=*) last=${word#--array=0-}; last=${last%%%*} ;;
  --job-name=*) name=${word#*=} ;;
  --chdir=*) folder=${word#*=} ;;
esac; done
here=$PWD
for element in $(seq 0 $last); do
  id=${job}_$element
  echo "$job|$element|RUNNING|None|n1|$name" > state/$id
  ( cd "$folder"
    export SLURM_ARRAY_JOB_ID=$job SLURM_ARRAY_TASK_ID=$element SLURMD_NODENAME=n1
    setsid sh -c "echo \$\$ > $here/pid.$id; exec sh $here/script.$job" < /dev/null > /dev/null 2>> work/$id.words
    sed -i 's/RUNNING/COMPLETED/' $here/state/$id
  ) > /dev/null 2>&1 < /dev/null &
done
if test -e sbatch.stutters; then
  rm sbatch.stutters
  echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
  exit 1
fi
echo $job
"#;

const SQUEUE: &str = r#"
echo "squeue $*" >> calls
while test -e squeue.hangs; do sleep 0.1; done
cat state/* 2> /dev/null
exit 0
"#;

const SACCT: &str = r#"
echo "sacct $*" >> calls
test -e books || { echo "Slurm accounting storage is disabled" >&2; exit 1; }
cat books
"#;

const SCANCEL: &str = r#"
echo "scancel $*" >> calls
"#;

const SCONTROL: &str = r#"
echo "scontrol $*" >> calls
echo "MaxArraySize = 1001"
echo "MaxJobCount = 10000"
"#;

impl Fake {
    fn start() -> Self {
        let fake = Self { dir: tempfile::Builder::new().prefix("flowrun-fake-").tempdir().unwrap() };
        std::fs::create_dir(fake.path("state")).unwrap();
        std::fs::create_dir(fake.path("bin")).unwrap();
        let programs =
            [("sbatch", SBATCH), ("squeue", SQUEUE), ("sacct", SACCT), ("scancel", SCANCEL), ("scontrol", SCONTROL)];
        for (name, text) in programs {
            let path = fake.path(&format!("bin/{name}"));
            std::fs::write(&path, format!("#!/bin/sh\ncd '{}' || exit 1\n{text}", fake.dir.path().display())).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn driver(&self, project: &Project, line: &str) -> Command {
        let mut command = project.command(line.split(' '));
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("bin").display()));
        command
    }

    /// What was asked of one of the programs.
    fn calls(&self, program: &str) -> Vec<String> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        let words = |line: &str| line.strip_prefix(program)?.strip_prefix(' ').map(str::to_owned);
        calls.lines().filter_map(words).collect()
    }

    /// Ends an element as a power cut would, and lets the queue say this of it; `None`: it knows nothing of it.
    fn kill(&self, project: &Project, element: &str, line: impl Fn(&str) -> Option<String>) {
        let state = self.path(&format!("state/{element}"));
        let before = std::fs::read_to_string(&state).unwrap();
        let pid = std::fs::read_to_string(self.path(&format!("pid.{element}"))).unwrap();
        // All of its session, whatever groups there are.
        let killed = Command::new("pkill").args(["-KILL", "-s", pid.trim()]).status().unwrap();
        assert!(killed.success());
        // The shell around it says that it has completed.
        until(|| std::fs::read_to_string(&state).is_ok_and(|text| text.contains("COMPLETED")), "it has ended");
        project.write(format!(".flowrun/runs/1/spool/work/{element}.words"), "");
        match line(&before) {
            Some(line) => std::fs::write(state, line).unwrap(),
            None => std::fs::remove_file(state).unwrap(),
        }
    }
}

/// What an element's task still waits for never comes when its test has failed.
impl Drop for Fake {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("pid.")
                && let Ok(pid) = std::fs::read_to_string(entry.path())
            {
                // Most have ended.
                let _ = Command::new("pkill").args(["-KILL", "-s", pid.trim()]).status();
            }
        }
    }
}

/// Eight items in elements of their own.
const EIGHT: &str = r#"
[map.m]
over = { range = [0, 8] }
[map.m.task.t]
resources.time = "1h"
retry = { attempts = 2, on = ["timeout", "oom"], on_timeout = { time = "x2" } }
command = '''
echo "{{ item }} {{ resources.time }}" >> begun
mkdir first.{{ item }} 2> /dev/null && until test -e go; do sleep 0.1; done
echo v={{ item }} >> $FLOWRUN_OUTPUT
'''
outputs.v = "int"
"#;

/// What the last words of a run are on standard error.
fn err(said: &Said) -> String {
    String::from_utf8_lossy(&said.err).into_owned()
}

#[test]
fn what_the_queue_and_the_accounting_say_and_what_they_get_wrong() {
    let (fake, project) = (Fake::start(), Project::new(EIGHT));
    std::fs::write(fake.path("books"), "").unwrap();
    let live = project.live(fake.driver(&project, "run --backend slurm --keep-going --output json --events events"));
    until(|| begun(&project).len() == 8, "all are at work");
    let name = std::fs::read_to_string(fake.path("state/1_0")).unwrap();
    let name = name.trim().rsplit('|').next().unwrap().to_owned();
    // The accounting knows what the queue has forgotten: some of it wrong, and with codes that mean nothing.
    let books = format!(
        "1_1|TIMEOUT|n1|{name}\n1_2|RUNNING|n1|{name}\n1_3|CANCELLED by 1000|n1|{name}\n1_4|COMPLETED|n1|{name}\n\
         1_6|OUT_OF_MEMORY|n1|another\n"
    );
    std::fs::write(fake.path("books"), books).unwrap();
    let state = |state: &str| {
        let state = state.to_owned();
        move |line: &str| Some(line.replace("RUNNING", &state))
    };
    fake.kill(&project, "1_0", state("PREEMPTED"));
    for element in ["1_1", "1_2", "1_3", "1_4", "1_6"] {
        fake.kill(&project, element, |_| None);
    }
    // Its number was given to somebody else's job, which runs.
    fake.kill(&project, "1_5", |line| Some(line.replace(&name, "another")));
    // Each but the last is sure of its end; that one is held, and then let go on.
    until(|| failures(&project).len() == 7, "what has died is accounted for");
    project.write("go", "");
    let json = live.wait().exits(1).json();
    assert_eq!((&json["counts"]["succeeded"], &json["counts"]["failed"]), (&7.into(), &1.into()), "{json}");
    let mut said = failures(&project);
    said.sort_by(|one, other| one.2.cmp(&other.2));
    let expected = [
        ("timeout", "Slurm ended job 1_1 at its time limit"),
        ("lost", "job 1_0 was preempted"),
        ("lost", "job 1_2, on `n1`, is RUNNING for the accounting, but in no queue"),
        ("lost", "job 1_4, on `n1`, is COMPLETED and has not reported"),
        ("lost", "job 1_5 is not in the queue and has not reported"),
        ("lost", "job 1_6 is not in the queue and has not reported"),
        ("signal", "somebody cancelled job 1_3"),
    ];
    let causes: Vec<(&str, &str)> = said.iter().map(|(_, cause, message)| (&**cause, &**message)).collect();
    assert_eq!(causes, expected);
    let begun = begun(&project);
    // `m[3].t`
    let of = |at: usize| &begun[&said[at].0[2..3].parse::<u32>().unwrap()];
    assert_eq!(*of(0), ["3600", "7200"], "what timed out is given more");
    assert_eq!(*of(1), ["3600", "3600"], "what was preempted is not");
    assert_eq!(of(6).len(), 1, "what somebody cancelled is over");
    assert_eq!(begun.values().map(Vec::len).sum::<usize>(), 8 + 6);
    let asked = fake.calls("sacct");
    assert_eq!(asked.len(), 1, "one question for all that vanished: {asked:?}");
    let cancelled = fake.calls("scancel");
    assert!(
        cancelled.iter().all(|words| words.contains("--name flowrun-")),
        "by names that nobody else has: {cancelled:?}"
    );
}

#[test]
fn a_program_that_hangs_stops_nobody() {
    let (fake, project) = (
        Fake::start(),
        Project::new(
            r#"
[task.a]
command = "until test -e go.a; do sleep 0.1; done; echo a >> ran; echo v=1 >> $FLOWRUN_OUTPUT"
outputs.v = "int"
[task.b]
command = "until test -e go.b; do sleep 0.1; done; echo b >> ran; echo v=2 >> $FLOWRUN_OUTPUT"
outputs.v = "int"
[task.c]
resources.cpus = 2
command = "echo c{{ a.v }} >> ran"
"#,
        ),
    );
    let live = project.live(fake.driver(&project, "run --backend slurm --events events"));
    until(|| fake.calls("sbatch").len() == 1, "a and b are submitted");
    std::fs::write(fake.path("sbatch.hangs"), "").unwrap();
    std::fs::write(fake.path("squeue.hangs"), "").unwrap();
    project.write("go.a", "");
    until(|| fake.calls("sbatch").len() == 2, "c is about to be submitted");
    project.write("go.b", "");
    until(|| project.read("events").matches("\"ended\"").count() == 2, "that b has ended is known");
    std::fs::remove_file(fake.path("sbatch.hangs")).unwrap();
    let said = live.wait();
    said.exits(0);
    assert_eq!(project.lines("ran"), ["a", "b", "c1"], "{}", err(&said));
}

#[test]
fn a_submission_without_an_answer_is_found_and_not_repeated() {
    let (fake, project) = (Fake::start(), Project::new(EIGHT));
    std::fs::write(fake.path("sbatch.stutters"), "").unwrap();
    project.write("go", "");
    let said = project.said(&mut fake.driver(&project, "run --backend slurm --output json"));
    assert_eq!(said.exits(0).json()["counts"]["succeeded"], 8);
    assert_eq!(fake.calls("sbatch").len(), 1, "{}", err(&said));
    assert_eq!(begun(&project).values().map(Vec::len).sum::<usize>(), 8);
}

#[test]
fn workers_that_never_come_to_anything_are_not_submitted_for_ever() {
    let (fake, project) = (
        Fake::start(),
        Project::new("[task.a]\ncommand = 'true'\n[task.b]\ncommand = 'true'\nafter = ['a']\nresources.cpus = 2\n"),
    );
    // From then on nodes do not see the folder any more.
    let broken = SBATCH
        .replace("exec sh $here/script.$job", "test $job = 1 && exec sh $here/script.1; echo 'no folder' >&2; exit 1");
    let broken = broken.replace("COMPLETED/' $", "FAILED/' $").replace("|None|", "|JobLaunchFailure|");
    let text = format!("#!/bin/sh\ncd '{}' || exit 1\n{broken}", fake.dir.path().display());
    std::fs::write(fake.path("bin/sbatch"), text).unwrap();
    let said = project.said(&mut fake.driver(&project, "run --backend slurm"));
    said.exits(1);
    assert_eq!(fake.calls("sbatch").len(), 4);
    said.shows(snapbox::str![[r#"
exit 1
--- out
failed b
  its job never began in 3 tries: job 4 is FAILED on `n1` (JobLaunchFailure):
  no folder
  help: is the project's folder seen from there, under the same path?

run 1: 1 failed, 1 succeeded in [TIME]
failed b: its job never began in 3 tries: job 4 is FAILED on `n1` (JobLaunchFailure): no folder
--- err
[0/2] started   a  it declares no output
[1/2] done      a  [TIME]
[1/2] started   b  it declares no output
[2/2] failed    b  its job never began in 3 tries: job 4 is FAILED on `n1` (JobLaunchFailure): no folder
nothing new starts: `b` failed

"#]]);
}
