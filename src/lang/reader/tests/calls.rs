//! Mistakes in and between the files that a pipeline calls.

use super::super::{Opened, read_all};
use crate::base::text::Problem;
use crate::diag::{Sources, render};

/// Everything that is wrong with the first file and those that it calls, as a user sees it.
fn mistakes(files: &[(&str, &str)]) -> String {
    let mut sources = Sources::default();
    let opened = |(name, text): &(&str, &str)| Opened { name: (*name).into(), text: (*text).into() };
    let mut open = |path: &str| {
        let file = files.iter().find(|(name, _)| *name == path);
        file.map(opened).ok_or_else(|| Problem::new(format!("there is no file `{path}`")).help("look around"))
    };
    let (_, diagnostics) = read_all(files[0].0, opened(&files[0]), &mut sources, &mut open);
    format!("\n{}", render(&diagnostics, &sources, false))
}

macro_rules! story {
    ($files:expr, $said:expr) => {
        assert_eq!(mistakes($files), $said)
    };
}

#[test]
fn a_mistake_in_a_called_file_is_told_once_and_there() {
    story!(
        &[
            ("main.toml", "[call.one]\npipeline = 'lib/qc.toml'\n[call.two]\npipeline = \"./lib/qc.toml\"\n"),
            ("lib/qc.toml", "[task.count]\ncomand = 'wc'\n[call.deep]\npipeline = '../tools/none.toml'\n"),
        ],
        r##"
error[E0102]: a task has no key `comand`
 --> lib/qc.toml:2:1
  |
2 | comand = 'wc'
  | ^^^^^^ unknown key
  |
  = help: did you mean `command`?

error[E0121]: there is no file `tools/none.toml`
 --> lib/qc.toml:4:12
  |
4 | pipeline = '../tools/none.toml'
  |            ^^^^^^^^^^^^^^^^^^^^
  |
  = help: look around
"##
    );
}

#[test]
fn files_that_call_each_other_are_shown_as_the_circle_that_they_are() {
    story!(
        &[
            ("a.toml", "[map.m]\nover = [1]\n[map.m.call.b]\npipeline = 'sub/b.toml'\n"),
            ("sub/b.toml", "[call.c]\npipeline = 'c.toml'\n"),
            (
                "sub/c.toml",
                "[call.a]\npipeline = '../a.toml'\n[call.b]\npipeline = 'b.toml'\n[call.c]\npipeline = 'c.toml'\n"
            ),
        ],
        r##"
error[E0122]: pipeline files call each other in a circle: `a.toml -> sub/b.toml -> sub/c.toml -> a.toml`
 --> sub/c.toml:2:12
  |
2 | pipeline = '../a.toml'
  |            ^^^^^^^^^^^ closes the circle
  |
 ::: a.toml:4:12
  |
4 | pipeline = 'sub/b.toml'
  |            ------------ calls `sub/b.toml`
  |
 ::: sub/b.toml:2:12
  |
2 | pipeline = 'c.toml'
  |            -------- calls `sub/c.toml`
  |
  = help: take one of the calls out; what is done again and again is a `[loop.NAME]`

error[E0122]: pipeline files call each other in a circle: `sub/b.toml -> sub/c.toml -> sub/b.toml`
 --> sub/c.toml:4:12
  |
4 | pipeline = 'b.toml'
  |            ^^^^^^^^ closes the circle
  |
 ::: sub/b.toml:2:12
  |
2 | pipeline = 'c.toml'
  |            -------- calls `sub/c.toml`
  |
  = help: take one of the calls out; what is done again and again is a `[loop.NAME]`

error[E0122]: pipeline files call each other in a circle: `sub/c.toml -> sub/c.toml`
 --> sub/c.toml:6:12
  |
6 | pipeline = 'c.toml'
  |            ^^^^^^^^ closes the circle
  |
  = help: take one of the calls out; what is done again and again is a `[loop.NAME]`
"##
    );
}
