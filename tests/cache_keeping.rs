//! Looking after what is kept: `cache ls|show|verify|gc|accept`, `runs rm` and `runs --all`, through the binary.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "common/postgres.rs"]
mod server;

mod keeping {
    pub mod accepting;
    pub mod collecting;
    pub mod looking;
    pub mod runs;
}

use common::{Live, Project, Said, contents};
use serde_json::Value;
use snapbox::IntoData;
use std::process::Command;

/// Three letters, each written in capitals to a file, then one line of them. Every task appends its name to `ran`.
const LETTERS: &str = r#"
[pipeline]
name = "letters"

[params.mark]
type = "string"
default = "!"

[task.list]
command = 'echo list >> ran; echo "letters=$(cat letters.json)" >> "$FLOWRUN_OUTPUT"'
inputs.letters = "letters.json"
outputs.letters = "list<string>"

[map.each]
over = "{{ list.letters }}"
as = "letter"
key = "{{ letter }}"

[map.each.task.shout]
command = 'echo shout >> ran; echo {{ letter }} | tr a-z A-Z > {{ outputs.text }}'
outputs.text = { file = "out/{{ letter }}.txt" }

[task.join]
command = 'echo join >> ran; echo "line=$(cat {{ each.shout.text }} | tr -d "\n"){{ params.mark }}" >> "$FLOWRUN_OUTPUT"'
outputs.line = "string"

[outputs]
line = "{{ join.line }}"
"#;

/// The database of a story: a file in the project, or one of a server.
#[derive(Default)]
pub struct At<'a> {
    server: Option<(&'a server::Server, &'a str)>,
}

impl At<'_> {
    fn project(&self, pipeline: &str) -> Project {
        let project = Project::new(pipeline);
        if let Some((server, name)) = self.server {
            project.write(STORE, server.url("owner", name));
        }
        project
    }

    fn letters(&self) -> Project {
        let project = self.project(LETTERS);
        project.write("letters.json", r#"["a","b","c"]"#);
        project
    }

    fn sql(&self, project: &Project, sql: &str) {
        match self.server {
            Some((server, name)) => server.sql(name, &format!("SET search_path = flowrun; {sql}")),
            None => rusqlite::Connection::open(project.path(".flowrun/store.db")).unwrap().execute_batch(sql).unwrap(),
        }
    }

    /// Moves everything that the store knows into the past.
    fn age(&self, project: &Project, days: u64) {
        let back = days * 86_400_000;
        self.sql(project, &format!("UPDATE cache SET at = at - {back}"));
        self.sql(project, &format!("UPDATE run SET began = began - {back}, ended = ended - {back}"));
    }
}

/// The file of a project that names its store.
const STORE: &str = ".store";

fn letters() -> Project {
    At::default().letters()
}

/// `flowrun` on a project's store.
fn command<'a>(project: &Project, words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = project.command(words);
    if let Ok(url) = std::fs::read_to_string(project.path(STORE)) {
        command.env("FLOWRUN_STORE", url);
    }
    command
}

/// Starts `flowrun` on a project's store.
fn start(project: &Project, line: &str) -> Live {
    match std::fs::read_to_string(project.path(STORE)) {
        Ok(url) => project.start(&format!("{line} --store {url}")),
        Err(_) => project.start(line),
    }
}

/// `flowrun` as ann, whose artifacts are in `.flowrun/artifacts`, copied where there are no reflinks.
fn ann(project: &Project, line: &str) -> Said {
    let mut command = command(project, line.split_whitespace());
    command.env("USER", "ann");
    if line.starts_with("run ") || line == "run" {
        command.args(["--artifacts", ".flowrun/artifacts"]);
    }
    project.said(&mut command)
}

fn ran(project: &Project, line: &str) -> (Vec<String>, Value) {
    let _ = std::fs::remove_file(project.path("ran"));
    let json = ann(project, line).exits(0).json();
    (project.sorted_lines("ran"), json)
}

/// The instances that are cached, of each the number of its entries.
fn cached(project: &Project) -> Vec<(String, usize)> {
    let json = ann(project, "cache ls --older --output json").exits(0).json();
    let mut found: Vec<(String, usize)> = Vec::new();
    for entry in json["entries"].as_array().unwrap() {
        let name = entry["instance"].as_str().unwrap();
        match found.last_mut() {
            Some((last, n)) if last == name => *n += 1,
            _ => found.push((name.to_owned(), 1)),
        }
    }
    found
}

fn objects(project: &Project) -> usize {
    let kept = contents(&project.path(".flowrun/artifacts"));
    // Beside the objects stand the lists of who needs them.
    kept.iter().filter(|(name, _)| !name.starts_with("users")).count()
}

/// Sizes of folders depend on lengths of paths.
#[track_caller]
fn shows_but_sizes(said: &Said, expected: impl IntoData) {
    let text = said.text();
    let words: Vec<&str> = text.split(' ').collect();
    let mut out = String::new();
    let mut i = 0;
    while i < words.len() {
        let number = words[i].chars().all(|c| c.is_ascii_digit() || c == '.') && !words[i].is_empty();
        let unit = words.get(i + 1).and_then(|word| ["KiB", "B"].into_iter().find(|unit| word.starts_with(unit)));
        out.push_str(if i == 0 { "" } else { " " });
        match unit.filter(|_| number) {
            Some(unit) => {
                out.push_str("[SIZE]");
                out.push_str(&words[i + 1][unit.len()..]);
                i += 2;
            }
            None => {
                out.push_str(words[i]);
                i += 1;
            }
        }
    }
    shows_text(out, expected);
}

#[track_caller]
fn shows_text(text: String, expected: impl IntoData) {
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(text.into_data().raw(), expected.into_data().raw());
}

/// Each story on both databases; on a server they share one, which takes a while to start.
macro_rules! stories {
    ($($module:ident::$name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $name() {
                crate::keeping::$module::$name(&crate::At::default());
            })*
        }
        mod needs_postgres {
            #[test]
            #[ignore = "needs postgres"]
            fn on_postgres() {
                let server = crate::server::Server::start();
                $(let name = stringify!($name);
                server.database(name);
                crate::keeping::$module::$name(&crate::At { server: Some((&server, name)) });)*
            }
        }
    };
}

stories!(
    looking::what_is_cached_is_listed_and_shown,
    looking::what_is_not_whole_is_said,
    looking::nothing_is_made_just_to_be_looked_at,
    collecting::what_was_replaced_goes_and_its_bytes_with_it,
    collecting::what_is_old_goes_but_not_what_a_kept_run_took,
    collecting::what_no_kept_run_has_goes,
    collecting::bytes_go_until_they_fit_and_results_stay_that_stand_in_place,
    accepting::words_that_changed_are_accepted,
    accepting::what_is_no_matter_of_words_is_not_accepted,
    accepting::a_script_that_says_the_same_in_other_words_is_accepted,
    runs::the_runs_of_every_project_of_a_store,
    runs::what_a_run_of_another_project_may_need_stays,
    runs::runs_go_by_number_age_and_count_and_logs_alone,
    runs::a_run_at_work_keeps_what_it_needs,
    runs::what_an_interrupted_run_had_done_is_not_lost,
);
