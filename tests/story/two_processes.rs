//! One key, two processes at once: one execution. Two pipeline files that share the store of their folder, or two
//! folders that share a database.

use crate::common::{Live, Project, Said, until};
use crate::server::Server;
use serde_json::json;

/// One task, which says when it begins, and ends when it is let.
const SLOW: &str = r#"
[pipeline]
name = "slow"

[task.think]
command = '''
echo $PPID >> "$RAN"
until test -e "$GO" || test -e "$GO.$ME"; do sleep 0.02; done
if test -e "$GO.fail.$ME"; then exit 3; fi
echo answer=42 >> "$FLOWRUN_OUTPUT"
'''
outputs.answer = "int"

[outputs]
answer = "{{ think.answer }}"
"#;

/// Where all processes of a story count what they execute.
struct Desk(Project);

impl Desk {
    fn new() -> Self {
        Self(Project::empty())
    }

    /// Starts a run, known to its tasks by a name.
    fn start(&self, project: &Project, me: &str, line: &str) -> Live {
        let mut command = project.command(line.split_whitespace());
        command.env("RAN", self.0.path("ran")).env("GO", self.0.path("go")).env("ME", me);
        project.live(command)
    }

    fn executions(&self) -> usize {
        self.0.lines("ran").len()
    }

    fn wait_for(&self, executions: usize) {
        until(|| self.executions() == executions, "a task has begun");
    }
}

/// The whole story of a run that waits for another one.
fn waits(project: &Project, events: &str) {
    project.wait_for(events, |text| text.contains(r#""event":"elsewhere","instance":"think","by":"run 1 o"#));
}

fn counted(said: &Said) -> (i64, u64, u64) {
    let json = said.exits(0).json();
    let count = |name: &str| json["counts"][name].as_u64().unwrap();
    (json["outputs"]["answer"].as_i64().unwrap(), count("succeeded"), count("cached"))
}

/// Two pipeline files of one folder.
fn folder() -> Project {
    let project = Project::new(SLOW);
    project.write("other.toml", SLOW);
    project
}

const ONE: &str = "run --output json pipeline.toml";
const TWO: &str = "run --output json other.toml --events two";

#[test]
fn two_at_once_execute_it_once() {
    let (desk, project) = (Desk::new(), folder());
    let one = desk.start(&project, "one", ONE);
    desk.wait_for(1);
    let two = desk.start(&project, "two", TWO);
    waits(&project, "two");
    let status = project.run("status other.toml");
    assert!(status.exits(0).out().contains("\ncomputed elsewhere\n  think  by run 1 o"), "{}", status.out());
    desk.0.write("go", "");
    assert_eq!(counted(&one.wait()), (42, 1, 0));
    let said = two.wait();
    assert_eq!(counted(&said), (42, 0, 1));
    assert!(String::from_utf8_lossy(&said.err).contains("waiting   think  computed by run 1 o"), "{}", said.text());
    assert_eq!(desk.executions(), 1);
}

#[test]
fn the_failure_of_one_is_not_that_of_the_other() {
    let (desk, project) = (Desk::new(), folder());
    desk.0.write("go.fail.one", "");
    let one = desk.start(&project, "one", ONE);
    desk.wait_for(1);
    let two = desk.start(&project, "two", TWO);
    waits(&project, "two");
    desk.0.write("go", "");
    one.wait().exits(1);
    assert_eq!(counted(&two.wait()), (42, 1, 0));
    assert_eq!(desk.executions(), 2);
}

#[test]
fn one_that_is_killed_leaves_it_to_the_other() {
    let (desk, project) = (Desk::new(), folder());
    let one = desk.start(&project, "one", ONE);
    desk.wait_for(1);
    let two = desk.start(&project, "two", TWO);
    waits(&project, "two");
    one.signal("KILL");
    one.wait();
    desk.wait_for(2);
    desk.0.write("go", "");
    assert_eq!(counted(&two.wait()), (42, 1, 0));
    // The one that was killed goes on, and finds what the other one has computed.
    assert_eq!(counted(&desk.start(&project, "one", ONE).wait()), (42, 0, 1));
    assert_eq!(desk.executions(), 2);
}

#[test]
fn one_that_is_killed_and_goes_on_waits_for_nobody() {
    let (desk, project) = (Desk::new(), folder());
    let one = desk.start(&project, "one", ONE);
    desk.wait_for(1);
    one.signal("KILL");
    one.wait();
    let again = desk.start(&project, "one", "run --output json --events events");
    desk.wait_for(2);
    desk.0.write("go", "");
    assert_eq!(counted(&again.wait()), (42, 1, 0));
    assert!(!project.read("events").contains("elsewhere"), "its leases are its own");
}

#[test]
fn one_that_is_stopped_gives_it_back() {
    let (desk, project) = (Desk::new(), folder());
    let one = desk.start(&project, "one", ONE);
    desk.wait_for(1);
    let two = desk.start(&project, "two", TWO);
    waits(&project, "two");
    one.signal("INT");
    one.wait().exits(130);
    desk.0.write("go", "");
    assert_eq!(counted(&two.wait()), (42, 1, 0));
    assert_eq!(desk.executions(), 2);
}

#[test]
fn who_waits_can_be_stopped() {
    let (desk, project) = (Desk::new(), folder());
    let one = desk.start(&project, "one", ONE);
    desk.wait_for(1);
    let two = desk.start(&project, "two", TWO);
    waits(&project, "two");
    two.signal("INT");
    two.wait().exits(130);
    desk.0.write("go", "");
    assert_eq!(counted(&one.wait()), (42, 1, 0));
    assert_eq!(counted(&desk.start(&project, "two", TWO).wait()), (42, 0, 1));
    assert_eq!(desk.executions(), 1);
}

#[test]
fn a_file_made_by_one_is_there_for_the_other() {
    let text = SLOW.replace("echo answer=42", "echo made > {{ outputs.file }}; echo answer=42")
        + "[task.think.outputs.file]\nfile = \"made\"\n";
    let text = text
        .replace("outputs.answer = \"int\"\n", "")
        .replace("[task.think.outputs.file]", "[task.think.outputs]\nanswer = \"int\"\n[task.think.outputs.file]");
    let (desk, project) = (Desk::new(), Project::new(&text));
    project.write("other.toml", &text);
    let one = desk.start(&project, "one", ONE);
    desk.wait_for(1);
    let two = desk.start(&project, "two", TWO);
    waits(&project, "two");
    desk.0.write("go", "");
    assert_eq!((counted(&one.wait()), counted(&two.wait())), ((42, 1, 0), (42, 0, 1)));
    assert_eq!((desk.executions(), project.read("made")), (1, "made\n".to_owned()));
}

/// Each computes what the other one wants next: nobody waits with a lease in hand.
#[test]
fn each_wants_what_the_other_computes() {
    let task = |name: &str| {
        format!(
            r#"
[task.{name}]
command = 'echo {name} >> "$RAN"; until [ "$(wc -l < "$RAN")" -ge 2 ]; do sleep 0.02; done; echo x=1 >> "$FLOWRUN_OUTPUT"'
outputs.x = "int"
"#
        )
    };
    let (desk, project) = (Desk::new(), Project::new(&(task("a") + &task("b"))));
    project.write("other.toml", &(task("b") + &task("a")));
    let runs = ["pipeline.toml", "other.toml"]
        .map(|file| desk.start(&project, "one", &format!("run -j 1 --output json {file} --events {file}.events")));
    for run in runs {
        let counts = run.wait().exits(0).json()["counts"].clone();
        assert_eq!((&counts["succeeded"], &counts["cached"]), (&json!(1), &json!(1)));
    }
    let mut ran = desk.0.lines("ran");
    ran.sort_unstable();
    assert_eq!(ran, ["a", "b"]);
}

#[test]
fn a_plan_says_who_computes_it() {
    let (desk, project) = (Desk::new(), folder());
    let one = desk.start(&project, "one", ONE);
    desk.wait_for(1);
    let plan = project.run("plan other.toml");
    assert!(plan.exits(0).out().contains("think: unknown\n  computed now by run 1 o"), "{}", plan.text());
    one.signal("KILL");
    one.wait();
    let plan = project.run("plan other.toml");
    assert!(!plan.exits(0).out().contains("computed now"), "{}", plan.text());
}

/// Two processes that begin at once share a hundred tasks, and none of them runs twice.
#[test]
fn a_hundred_keys_are_shared() {
    let text = r#"
[map.many]
over = { range = [0, 100] }
[map.many.task.work]
command = 'echo {{ item }} >> ran; sleep 0.01; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
shell = ["sh", "-c"]
outputs.x = "int"
"#;
    let project = Project::new(text);
    project.write("other.toml", text);
    let line = |file: &str| format!("run -j 4 --output json {file}");
    let runs = ["pipeline.toml", "other.toml"].map(|file| project.start(&line(file)));
    let counts = runs.map(|run| run.wait().exits(0).json()["counts"].clone());
    let sum = |name: &str| counts.iter().map(|counts| counts[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("succeeded"), sum("cached")), (100, 100));
    let mut numbers: Vec<u32> = project.lines("ran").iter().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

mod needs_postgres {
    use super::*;

    fn left(server: &Server) -> String {
        server.ask("team", "SELECT count(*) FROM flowrun.lease")
    }

    #[test]
    #[ignore = "needs postgres"]
    fn two_folders_at_once_execute_it_once() {
        let server = Server::start();
        let url = server.database("team");
        let (desk, ann, bob) = (Desk::new(), Project::new(SLOW), Project::new(SLOW));
        let one = desk.start(&ann, "one", &format!("run --output json --store {url}"));
        desk.wait_for(1);
        let two = desk.start(&bob, "two", &format!("run --output json --store {url} --events two"));
        waits(&bob, "two");
        assert_eq!(left(&server), "1");
        desk.0.write("go", "");
        assert_eq!((counted(&one.wait()), counted(&two.wait())), ((42, 1, 0), (42, 0, 1)));
        assert_eq!((desk.executions(), left(&server)), (1, "0".to_owned()));
    }

    /// The holder is of another machine, as far as can be seen: its lease ends by the database's clock.
    #[test]
    #[ignore = "needs postgres"]
    fn one_that_is_dead_on_another_host_leaves_it_when_its_time_is_over() {
        let server = Server::start();
        let url = server.database("team");
        let (desk, ann, bob) = (Desk::new(), Project::new(SLOW), Project::new(SLOW));
        let one = desk.start(&ann, "one", &format!("run --output json --store {url}"));
        desk.wait_for(1);
        one.signal("KILL");
        one.wait();
        // Nobody gave it back.
        assert_eq!(left(&server), "1");
        let elsewhere = "UPDATE flowrun.lease SET who = (who::jsonb || '{\"boot\": \"another\"}')::text";
        server.sql("team", elsewhere);
        let two = desk.start(&bob, "two", &format!("run --output json --store {url} --events two --lease 1"));
        waits(&bob, "two");
        // Its last renewal said so.
        let ends = "SELECT until BETWEEN now() + interval '30 s' AND now() + interval '1 min' FROM flowrun.lease";
        assert_eq!((desk.executions(), server.ask("team", ends)), (1, "true".to_owned()));
        server.sql("team", "UPDATE flowrun.lease SET until = now() + interval '1 s'");
        desk.wait_for(2);
        desk.0.write("go", "");
        assert_eq!(counted(&two.wait()), (42, 1, 0));
        assert_eq!(left(&server), "0");
    }

    /// One lives and renews, as far as the network lets it: another one waits, however long that takes.
    #[test]
    #[ignore = "needs postgres"]
    fn one_that_lives_on_another_host_keeps_it() {
        let server = Server::start();
        let url = server.database("team");
        let (desk, ann, bob) = (Desk::new(), Project::new(SLOW), Project::new(SLOW));
        let one = desk.start(&ann, "one", &format!("run --output json --store {url} --lease 2"));
        desk.wait_for(1);
        server.sql("team", "UPDATE flowrun.lease SET who = (who::jsonb || '{\"boot\": \"another\"}')::text");
        let two = desk.start(&bob, "two", &format!("run --output json --store {url} --events two --lease 2"));
        waits(&bob, "two");
        let first = server.ask("team", "SELECT until FROM flowrun.lease");
        let over = format!("SELECT now() > '{first}'::timestamptz + interval '1 s'");
        until(|| server.ask("team", &over) == "true", "its first term is over");
        assert_eq!(desk.executions(), 1);
        desk.0.write("go", "");
        assert_eq!((counted(&one.wait()), counted(&two.wait())), ((42, 1, 0), (42, 0, 1)));
        assert_eq!(left(&server), "0");
    }

    /// One was cut off for so long that another one took over. Both end; what each has in its folder is what it made.
    #[test]
    #[ignore = "needs postgres"]
    fn one_that_was_cut_off_loses_nothing() {
        let server = Server::start();
        let url = server.database("team");
        let text = SLOW.replace("answer=42", "answer=\"$(wc -l < \"$GO.$ME\")\"");
        let (desk, ann, bob, eve) = (Desk::new(), Project::new(&text), Project::new(&text), Project::new(&text));
        let one = desk.start(&ann, "one", &format!("run --output json --store {url}"));
        desk.wait_for(1);
        server.sql("team", "DELETE FROM flowrun.lease");
        let two = desk.start(&bob, "two", &format!("run --output json --store {url}"));
        desk.wait_for(2);
        desk.0.write("go.two", "a\nb\n");
        assert_eq!(counted(&two.wait()), (2, 1, 0));
        desk.0.write("go.one", "a\n");
        assert_eq!(counted(&one.wait()), (1, 1, 0));
        let again = |project: &Project| counted(&project.run(&format!("run --output json --store {url}")));
        assert_eq!((again(&ann), again(&bob), again(&eve)), ((1, 0, 1), (2, 0, 1), (1, 0, 1)));
        assert_eq!((desk.executions(), left(&server)), (2, "0".to_owned()));
    }

    #[test]
    #[ignore = "needs postgres"]
    fn who_may_only_read_waits_for_nobody() {
        let server = Server::start();
        let url = server.database("team");
        let (desk, ann, bob) = (Desk::new(), Project::new(SLOW), Project::new(SLOW));
        let one = desk.start(&ann, "one", &format!("run --output json --store {url}"));
        desk.wait_for(1);
        server.sql(
            "team",
            "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA flowrun TO reader;
             GRANT SELECT ON ALL TABLES IN SCHEMA flowrun TO reader",
        );
        let reader = server.url("reader", "team");
        let two = desk.start(&bob, "two", &format!("run --output json --store {reader}"));
        desk.wait_for(2);
        desk.0.write("go", "");
        assert_eq!((counted(&one.wait()), counted(&two.wait())), ((42, 1, 0), (42, 1, 0)));
    }

    #[test]
    #[ignore = "needs postgres"]
    fn a_server_killed_while_one_waits_changes_nothing() {
        let mut server = Server::start();
        let url = server.database("team");
        let (desk, ann, bob) = (Desk::new(), Project::new(SLOW), Project::new(SLOW));
        let one = desk.start(&ann, "one", &format!("run --output json --store {url}"));
        desk.wait_for(1);
        let two = desk.start(&bob, "two", &format!("run --output json --store {url} --events two"));
        waits(&bob, "two");
        server.kill();
        server.restart();
        desk.0.write("go", "");
        assert_eq!((counted(&one.wait()), counted(&two.wait())), ((42, 1, 0), (42, 0, 1)));
        assert_eq!(json!([desk.executions(), left(&server)]), json!([1, "0"]));
    }
}
