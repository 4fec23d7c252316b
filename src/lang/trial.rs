//! `[test.NAME]`: the keys of a test, and what one says. Called a trial in the code, for tests are the program's own.

use crate::base::Value;
use crate::diag::{Span, Spanned};
use crate::lang::keys::{Key, Kind, Status, Table};
use crate::lang::model::Name;
use std::sync::Arc;

const fn key(
    table: Table,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Key {
    Key { table, name, kind, default, doc, example, status: Status::Optional }
}

/// The keys of tests, in the order of the reference page.
pub(super) static KEYS: &[Key] = &[
    key(
        Table::Test,
        "description",
        Kind::Plain,
        "",
        "One sentence for people.",
        r#"description = "a table without a row""#,
    ),
    Key {
        table: Table::Test,
        name: "node",
        kind: Kind::Plain,
        default: "",
        doc: "The task that is run: `align`, or `samples.align` in a map.",
        example: r#"node = "report""#,
        status: Status::Required,
    },
    key(
        Table::Test,
        "params",
        Kind::Named(&Kind::Literal),
        "their defaults",
        "Values of params.",
        r#"params.kind = "text""#,
    ),
    key(
        Table::Test,
        "values",
        Kind::Named(&Kind::Literal),
        "",
        "What the task reads of the pipeline around it, under the names that its expressions use: outputs of other \
         nodes, the item of a map (`values.sample.id = \"NA1\"`), `index`. Files among them are put into the test's \
         folder.",
        r#"values.prepare.count = 2"#,
    ),
    key(
        Table::Test,
        "inputs",
        Kind::Named(&Kind::OneOrMore),
        "the task's own",
        "Files of the project in place of the task's own `inputs`.",
        r#"inputs.table = "tests/small.csv""#,
    ),
    key(
        Table::Test,
        "files",
        Kind::Contents,
        "",
        "What else the test's folder holds: at a path there a file or folder of the project, or a text. Inputs, and \
         scripts that the command names, are there in any case.",
        r#"files."data/ref.fa" = "tests/ref.fa"
files."conf.ini" = { text = "a = 1" }"#,
    ),
    key(
        Table::Test,
        "expect",
        Kind::Table(Table::Expect),
        "the task succeeds",
        "What must come out.",
        r#"expect.values.lines = 3"#,
    ),
    key(
        Table::Expect,
        "exit",
        Kind::Int(0, 255),
        "0",
        "The exit code. With another than 0 the task must fail with it.",
        "exit = 1",
    ),
    key(Table::Expect, "values", Kind::Named(&Kind::Literal), "", "Values of outputs.", "values.lines = 3"),
    key(
        Table::Expect,
        "files",
        Kind::Named(&Kind::Content),
        "",
        "The content of file and folder outputs: that of a file or folder of the project, or `{ text = \"…\" }`.",
        r#"files.html = "tests/report.html""#,
    ),
    key(
        Table::Expect,
        "matches",
        Kind::Named(&Kind::OneOrMore),
        "",
        "Regular expressions that are found in an output, be it a value or a file. In them `^` and `$` are the ends of \
         lines.",
        r"matches.html = '<h1>\w+'",
    ),
    key(
        Table::Expect,
        "sha256",
        Kind::Named(&Kind::Plain),
        "",
        "Digests of file outputs, as `sha256sum` prints them.",
        r#"sha256.html = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#,
    ),
    key(
        Table::Expect,
        "log",
        Kind::OneOrMore,
        "",
        "Regular expressions that are found in what the task wrote to its standard output or error.",
        "log = '^done$'",
    ),
    key(Table::Content, "text", Kind::Plain, "", "The text itself.", r#"text = "a = 1""#),
];

pub(super) const TEST: &str = "A test of one task, for `flowrun test`. It runs in a fresh folder, without cache, and touches \
    nothing of the project.";
pub(super) const EXPECT: &str = "What must come out of a test. What is not named may be anything.";

/// `[test.NAME]`
#[derive(Clone, Debug)]
pub struct TrialDecl {
    /// The name, in the header.
    pub name: Name,
    /// `node`
    pub node: Spanned<Arc<str>>,
    /// `params.NAME`
    pub params: Vec<(Name, Spanned<Value>)>,
    /// `values.NAME`, each with everything below it.
    pub values: Vec<(Name, Spanned<Value>)>,
    /// `inputs.NAME`
    pub inputs: Vec<(Name, Paths)>,
    /// `files."PATH"`
    pub files: Vec<(Spanned<Arc<str>>, Content)>,
    /// `expect`
    pub expect: ExpectDecl,
}

/// One string, or an array of them.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The strings.
    pub all: Vec<Spanned<Arc<str>>>,
    /// Whether they stand in an array.
    pub many: bool,
    /// All of it.
    pub span: Span,
}

/// Where the content of a file comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A file or folder of the project.
    Path(Spanned<Arc<str>>),
    /// A text.
    Text(Spanned<Arc<str>>),
}

/// `expect`
#[derive(Clone, Debug, Default)]
pub struct ExpectDecl {
    /// `exit`
    pub exit: Option<Spanned<i64>>,
    /// `values.NAME`
    pub values: Vec<(Name, Spanned<Value>)>,
    /// `files.NAME`
    pub files: Vec<(Name, Content)>,
    /// `matches.NAME`
    pub matches: Vec<(Name, Paths)>,
    /// `sha256.NAME`
    pub sha256: Vec<(Name, Spanned<Arc<str>>)>,
    /// `log`
    pub log: Option<Paths>,
}
