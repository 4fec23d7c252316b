#![allow(clippy::unwrap_used)]
use super::*;

fn span(sources: &Sources, file: FileId, what: &str) -> Span {
    let start = sources.text(file).find(what).unwrap() as u32;
    Span { file, start, end: start + what.len() as u32 }
}

#[test]
fn a_mistake_is_shown_with_its_line() {
    let mut sources = Sources::default();
    let file = sources.add("pipeline.toml", "[task.a]\ncomand = \"true\"\n");
    let d = Diagnostic::error(codes::UNKNOWN_KEY, span(&sources, file, "comand"), "`comand` is not a key of a task")
        .label("unknown key")
        .help("did you mean `command`?");
    let text = render(&[d.clone(), Diagnostic::bare("E0500", "no such param").warning()], &sources, false);
    assert_eq!(
        text,
        "\
error[E0102]: `comand` is not a key of a task
 --> pipeline.toml:2:1
  |
2 | comand = \"true\"
  | ^^^^^^ unknown key
  |
  = help: did you mean `command`?

warning[E0500]: no such param
"
    );
    assert_eq!(
        to_json(&[d], &sources).to_string(),
        r#"{"diagnostics":[{"code":"E0102","message":"`comand` is not a key of a task","file":"pipeline.toml","line":2,"column":1,"help":"did you mean `command`?","severity":"error"}]}"#
    );
}

#[test]
fn duplicates_quote_both_places_also_in_two_files() {
    let mut sources = Sources::default();
    let one = sources.add("one.toml", "a = 1\r\nb = 2\r\nä = 3\r\nc = 4\r\n");
    let two = sources.add("two.toml", "x = 'é{{ y }}'");
    let d = Diagnostic::error("E0108", span(&sources, one, "c"), "`c` stands twice")
        .label("again here")
        .also(span(&sources, one, "a"), "first here")
        .also(span(&sources, two, "y"), "and read here");
    assert_eq!(
        render(std::slice::from_ref(&d), &sources, false),
        "\
error[E0108]: `c` stands twice
 --> one.toml:4:1
  |
1 | a = 1
  | - first here
...
4 | c = 4
  | ^ again here
  |
 ::: two.toml:1:10
  |
1 | x = 'é{{ y }}'
  |          - and read here
"
    );
    assert_eq!(sources.line_column(one, span(&sources, one, "c").start), (4, 1));
    assert_eq!(sources.line_column(two, span(&sources, two, "y").start), (1, 10));
}

#[test]
fn places_beyond_the_text_or_inside_a_character_do_no_harm() {
    let mut sources = Sources::default();
    let file = sources.add("p.toml", "é = 1\n");
    for span in [Span { file, start: 1, end: 1 }, Span { file, start: 50, end: 90 }, Span { file: 7, start: 0, end: 1 }]
    {
        let text = render(&[Diagnostic::error("E0101", span, "broken")], &sources, false);
        assert!(text.starts_with("error[E0101]: broken\n"), "{text}");
    }
    assert_eq!(sources.line_column(file, 99), (1, 6));
}

#[test]
fn the_end_of_a_file_can_be_pointed_at() {
    let mut sources = Sources::default();
    let file = sources.add("p.toml", "a = 1\nb = [\n");
    let end = sources.text(file).len() as u32;
    let d = Diagnostic::error(codes::SYNTAX, Span { file, start: end, end: end + 1 }, "the array is not closed");
    assert_eq!(
        render(&[d.also(Span { file, start: 10, end: 11 }, "opened here")], &sources, false),
        "\
error[E0101]: the array is not closed
 --> p.toml:2:6
  |
2 | b = [
  |     -^
  |     |
  |     opened here
"
    );
    assert_eq!(sources.line_column(file, end), (2, 6));
}

#[test]
fn only_the_lines_in_question_are_looked_at() {
    let mut sources = Sources::default();
    let text: String = (1..=100_000).map(|n| format!("key_{n} = {n}\n")).collect();
    let file = sources.add("p.toml", text);
    let d = Diagnostic::error("E0108", span(&sources, file, "key_99999 "), "far down");
    assert_eq!(
        render(&[d], &sources, false),
        "\
error[E0108]: far down
     --> p.toml:99999:1
      |
99999 | key_99999 = 99999
      | ^^^^^^^^^^
"
    );
}

#[test]
fn color_is_only_there_when_asked_for() {
    let d = [Diagnostic::bare("E0500", "no such param").help("see \u{1b}[31m`--help`")];
    let plain = render(&d, &Sources::default(), false);
    assert_eq!(plain, "error[E0500]: no such param\n |\n = help: see ␛[31m`--help`\n");
    assert!(render(&d, &Sources::default(), true).contains("\u{1b}["));
}
