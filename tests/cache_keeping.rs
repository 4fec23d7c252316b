//! Looking after what is kept: `cache ls|show|verify|gc|accept`, `runs rm` and `runs --all`, through the binary.

#![allow(clippy::unwrap_used)]

mod common;

mod keeping {
    pub mod accepting;
    pub mod collecting;
    pub mod looking;
    pub mod runs;
}

use common::{Project, Said, contents};
use serde_json::Value;
use snapbox::IntoData;

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

fn letters() -> Project {
    let project = Project::new(LETTERS);
    project.write("letters.json", r#"["a","b","c"]"#);
    project
}

/// `flowrun` as ann, whose artifacts are in `.flowrun/artifacts`, copied where there are no reflinks.
fn ann(project: &Project, line: &str) -> Said {
    let mut command = project.command(line.split_whitespace());
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

/// Moves everything that the store knows into the past.
fn age(project: &Project, days: i64) {
    let store = rusqlite::Connection::open(project.path(".flowrun/store.db")).unwrap();
    let back = days * 86_400_000;
    store.execute("UPDATE cache SET at = at - ?1", [back]).unwrap();
    store.execute("UPDATE run SET began = began - ?1, ended = ended - ?1", [back]).unwrap();
}
