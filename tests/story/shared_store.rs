//! One cache for a team: two project folders, two users, one PostgreSQL.

use crate::common::Project;
use crate::server::Server;
use serde_json::json;
use snapbox::str;

/// A list, a map over it, a sum; values only. Every task appends its name to `ran`.
const SQUARES: &str = r#"
[pipeline]
name = "squares"

[params.top]
type = "int"
default = 4

[task.list]
command = 'echo list >> ran; echo "numbers=[$(seq -s , {{ params.top }})]" >> "$FLOWRUN_OUTPUT"'
outputs.numbers = "list<int>"

[map.each]
over = "{{ list.numbers }}"
as = "number"

[map.each.task.square]
command = 'echo square >> ran; echo "result=$(({{ number }} * {{ number }}))" >> "$FLOWRUN_OUTPUT"'
outputs.result = "int"

[task.sum]
command = 'echo sum >> ran; echo "total={{ each.square.result | sum }}" >> "$FLOWRUN_OUTPUT"'
outputs.total = "int"

[outputs]
total = "{{ sum.total }}"
"#;

/// Runs as a user of the database: the run's number, its result, how many ran and how many were cached.
fn ran(project: &Project, url: &str, words: &[&str]) -> (u64, i64, usize, u64) {
    let _ = std::fs::remove_file(project.path("ran"));
    let said = project.said(project.command(["run", "--output", "json"]).args(words).env("FLOWRUN_STORE", url));
    let json = said.exits(0).json();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    (
        number(&json["run"]),
        json["outputs"]["total"].as_i64().unwrap(),
        project.lines("ran").len(),
        number(&json["counts"]["cached"]),
    )
}

/// A thousand tasks, each of which notes that it ran.
const MANY: &str = r#"
[map.many]
over = { range = [0, 1000] }

[map.many.task.work]
command = 'echo {{ item }} >> ran; echo "x={{ item }}" >> "$FLOWRUN_OUTPUT"'
shell = ["sh", "-c"]
outputs.x = "int"
"#;

fn once_each(project: &Project) {
    let mut numbers: Vec<u32> = project.lines("ran").iter().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
}

mod needs_postgres {
    use super::*;

    #[test]
    #[ignore = "needs postgres"]
    fn a_server_killed_in_the_middle_comes_back_and_nothing_is_lost() {
        let mut server = Server::start();
        let url = server.database("team");
        let project = Project::new(MANY);
        let run = project.start(&format!("run -j 4 --output json --store {url}"));
        project.wait_for("ran", |text| text.lines().count() > 200);
        server.kill();
        let away = if std::env::var_os("FLOWRUN_LONG").is_some() { 10 } else { 2 };
        std::thread::sleep(std::time::Duration::from_secs(away));
        server.restart();
        let said = run.wait();
        assert_eq!(said.exits(0).json()["counts"]["succeeded"], json!(1000));
        once_each(&project);
        assert_eq!(server.ask("team", "SELECT count(*) FROM flowrun.cache"), "1000");
        assert_eq!(server.ask("team", "SELECT string_agg(state, ' ') FROM flowrun.run"), "succeeded");
        let again = project.run(&format!("run --output json --store {url}"));
        assert_eq!(again.exits(0).json()["counts"]["cached"], json!(1000));
    }

    #[test]
    #[ignore = "needs postgres"]
    fn a_server_that_does_not_come_back_costs_nothing_but_time() {
        let mut server = Server::start();
        let url = format!("{}?patience=1", server.database("team"));
        let project = Project::new(MANY);
        let run = project.start(&format!("run -j 4 --output json --store {url}"));
        project.wait_for("ran", |text| text.lines().count() > 200);
        server.kill();
        let said = run.wait();
        said.exits(3);
        let err = String::from_utf8_lossy(&said.err).into_owned();
        assert!(err.contains("results cannot be written to the store, and wait in the journal"), "{err}");
        assert!(err.contains("journal, and the "), "{err}");
        server.restart();
        let json = project.run(&format!("run --output json --store {url}")).exits(0).json();
        assert_eq!((&json["run"], &json["state"]), (&json!(1), &json!("succeeded")));
        once_each(&project);
        assert_eq!(server.ask("team", "SELECT count(*) FROM flowrun.cache"), "1000");
    }

    #[test]
    #[ignore = "needs postgres"]
    fn what_one_has_computed_is_a_hit_for_the_other() {
        let server = Server::start();
        let url = server.database("team");
        let (ann, bob) = (Project::new(SQUARES), Project::new(SQUARES));
        assert_eq!(ran(&ann, &url, &[]), (1, 30, 6, 0));
        assert_eq!(ran(&bob, &url, &[]), (2, 30, 0, 6), "all are hits in another folder");
        assert_eq!(ran(&bob, &url, &["--", "--top", "5"]), (3, 55, 3, 4), "the list, one square and the sum are new");
        assert_eq!(ran(&ann, &url, &["--", "--top", "5"]), (4, 55, 0, 7));
        assert_eq!(ran(&ann, &url, &[]), (5, 30, 0, 6));

        // Each has its own runs, and explanations that compare with its own results.
        let store = ["--store", &url];
        let runs = |project: &Project| {
            let json = project.run_words(["runs", "--output", "json"].iter().chain(&store)).exits(0).json();
            json["runs"].as_array().unwrap().iter().map(|run| run["run"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((runs(&ann), runs(&bob)), (vec![5, 4, 1], vec![3, 2]));
        bob.edit("pipeline.toml", "echo sum >>", "echo total >>");
        bob.run_words(["plan"].iter().chain(&store)).shows(str![[r#"
exit 0
--- out
list: cached
each.square: cached 4
sum: run
  command:
    - echo sum >> ran; echo "total={{ each.square.result | sum }}" >> "$FLOWRUN…
    + echo total >> ran; echo "total={{ each.square.result | sum }}" >> "$FLOWR…
  value each.square.result: [1,4,9,16,25] → [1,4,9,16]

run 1 · cached 5 · unknown 0

"#]]);
        assert!(!ann.path(".flowrun/store.db").exists());
    }

    #[test]
    #[ignore = "needs postgres"]
    fn who_may_only_read_takes_results_and_keeps_what_is_new() {
        let server = Server::start();
        let url = server.database("team");
        let (ann, guest) = (Project::new(SQUARES), Project::new(SQUARES));
        assert_eq!(ran(&ann, &url, &[]), (1, 30, 6, 0));
        server.sql(
            "team",
            "CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA flowrun TO guest;
             GRANT SELECT ON ALL TABLES IN SCHEMA flowrun TO guest",
        );
        let url = server.url("guest", "team");
        assert_eq!(ran(&guest, &url, &[]), (1, 30, 0, 6));
        assert_eq!(ran(&guest, &url, &["--", "--top", "5"]), (2, 55, 3, 4));
        assert_eq!(ran(&guest, &url, &["--", "--top", "5"]), (3, 55, 0, 7), "its own results are kept beside it");
        let said = guest.said(guest.command(["run"]).env("FLOWRUN_STORE", &url));
        let place = server.dir().display().to_string().replace('/', "%2F");
        let err = String::from_utf8(said.err.clone()).unwrap();
        let note = format!(
            "the store `postgres://guest@{place}/team` can only be read: results are taken from it, and those of this \
             run are kept in `.flowrun/store.db`"
        );
        assert!(err.contains(&note), "{err}");
        assert_eq!(server.ask("team", "SELECT count(*) FROM flowrun.run"), "1");
    }

    #[test]
    #[ignore = "needs postgres"]
    fn files_come_from_a_shared_folder_of_artifacts() {
        let server = Server::start();
        let url = server.database("team");
        let text = "[task.write]\ncommand = 'echo write >> ran; date +%N > {{ outputs.text }}'\n\
                    outputs.text = { file = \"text\" }\n";
        let (ann, bob) = (Project::new(text), Project::new(text));
        let kept = Project::empty();
        let run = |project: &Project, words: &[&str]| {
            let mut command = project.command(["run", "--output", "json", "--store", &url]);
            let json = project.said(command.args(words)).exits(0).json();
            json["counts"].clone()
        };
        let artifacts = ["--artifacts", kept.dir().to_str().unwrap()];
        assert_eq!(run(&ann, &artifacts)["succeeded"], json!(1));
        assert_eq!(run(&bob, &artifacts)["cached"], json!(1));
        assert_eq!(bob.read("text"), ann.read("text"));
        // Without the folder there are no bytes for a third one: it makes its own, and nobody is disturbed by that.
        let eve = Project::new(text);
        assert_eq!(run(&eve, &[])["succeeded"], json!(1));
        assert_ne!(eve.read("text"), ann.read("text"));
        for project in [&ann, &bob, &eve] {
            assert_eq!(run(project, &[])["cached"], json!(1));
        }
    }
}
