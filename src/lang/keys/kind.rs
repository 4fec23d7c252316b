//! What may stand at a key, and what that is called.

use super::Table;
use Kind::*;

/// What may stand at a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A string as it stands.
    Plain,
    /// A string with `{{ … }}` in it.
    Template,
    /// A string that must hold an expression.
    Expression,
    /// A boolean, or an expression that gives one.
    Condition,
    /// `true` or `false`.
    Bool,
    /// A whole number in these bounds.
    Int(i64, i64),
    /// A whole number of at least this, or a template.
    Count(i64),
    /// Memory: a number of bytes, a text such as `512MiB`, or a template.
    Memory,
    /// Time: a number of seconds, a text such as `1h30m`, or a template.
    Duration,
    /// A number as a param's bound.
    Number,
    /// The name of a type.
    Type,
    /// Any TOML value; the strings in it are templates.
    Value,
    /// Any TOML value as it stands.
    Literal,
    /// An array of any values as they stand.
    Literals,
    /// A boolean, number or template.
    Scalar,
    /// A name of the language.
    Name,
    /// An array of such names.
    Names,
    /// An array of strings as they stand.
    Words,
    /// An array of templates, the first one the program.
    Program,
    /// Lines of shell: a template, or an array of them.
    Lines,
    /// The name of an image, or a table.
    ContainerValue,
    /// A path, a glob, an array of them, or a table.
    InputValue,
    /// The name of a type, or a table.
    OutputValue,
    /// An expression, an array, or a table.
    SourceValue,
    /// Two or three whole numbers or expressions.
    RangeValue,
    /// A table from names to sources.
    Axes,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number of items, or a share of them.
    Allowance,
    /// `all`, `any`, or a share.
    Requirement,
    /// An array of causes of failure.
    Causes,
    /// `x2`
    Factor,
    /// Memory as it stands.
    PlainMemory,
    /// Time as it stands.
    PlainDuration,
    /// A string, or an array of strings.
    OneOrMore,
    /// A path, or a table with a text.
    Content,
    /// A table from paths to contents.
    Contents,
    /// A table from options of `sbatch` to texts, numbers and booleans.
    SlurmOptions,
    /// A table with these keys.
    Table(Table),
    /// A table from any texts to the bodies of a branch.
    Cases,
    /// A table from names to this.
    Named(&'static Kind),
}

impl Kind {
    /// What a sentence calls it: "a whole number".
    pub fn noun(self) -> &'static str {
        match self {
            Plain | Template | Type | Name | Expression => "a string",
            Condition => "a boolean or an expression",
            Bool => "`true` or `false`",
            Int(..) => "a whole number",
            Count(_) => "a whole number or an expression",
            Memory => "an amount of memory",
            Duration => "a duration",
            Number => "a number",
            Value | Literal => "a value",
            Literals => "an array",
            Scalar => "a string, a number or a boolean",
            Names | Words | Program => "an array of strings",
            Lines => "a string or an array of strings",
            ContainerValue => "a string or a table",
            InputValue => "a path, a glob, an array of them or a table",
            OutputValue => "a type or a table",
            SourceValue => "an expression, an array or a table",
            SlurmOptions => "a table",
            RangeValue => "an array of two or three whole numbers or expressions",
            Axes | Table(_) | Cases | Named(_) => "a table",
            Choice(_) | Factor => "a string",
            Allowance => "a whole number or a share",
            Requirement => "`all`, `any` or a share",
            Causes => "an array of strings",
            PlainMemory => "an amount of memory",
            PlainDuration => "a duration",
            OneOrMore => "a string or an array of strings",
            Content => "a path or a table",
            Contents => "a table",
        }
    }
    /// A value of this kind, as TOML.
    pub fn example(self) -> &'static str {
        match self {
            Plain | Template | Name | Scalar | Value | Literal => "\"text\"",
            Type => "\"int\"",
            Expression | Condition => "\"{{ … }}\"",
            Bool => "true",
            Int(..) | Count(_) | Number => "4",
            Memory => "\"512MiB\"",
            Duration => "\"1h30m\"",
            Literals => "[\"a\", \"b\"]",
            Names => "[\"name\"]",
            Lines => "[\"module load samtools\"]",
            ContainerValue => "\"docker.io/library/python:3.13\"",
            Words | Program => "[\"bash\", \"-c\"]",
            InputValue => "\"data/*.fq\"",
            OutputValue => "{ file = \"results/table.csv\" }",
            SourceValue => "{ lines = \"samples.txt\" }",
            SlurmOptions => "{ partition = \"short\" }",
            RangeValue => "[0, 10]",
            Axes => "{ a = [1, 2], b = { lines = \"samples.txt\" } }",
            Choice(_) => "\"continue\"",
            Allowance => "\"5%\"",
            Requirement => "\"all\"",
            Causes => "[\"timeout\", \"exit:75\"]",
            Factor => "\"x2\"",
            PlainMemory => "\"64GiB\"",
            PlainDuration => "\"10s\"",
            Table(Table::Ensure) => "{ non_empty = true }",
            OneOrMore => "[\"a\", \"b\"]",
            Content => "\"tests/small.fq\"",
            Contents => "{ \"data/ref.fa\" = \"tests/ref.fa\" }",
            Table(Table::Retry) => "{ attempts = 3 }",
            Table(Table::OnOom) => "{ memory = \"x2\" }",
            Table(Table::OnTimeout) => "{ time = \"x2\" }",
            Table(Table::Carry) => "{ init = 0, next = \"{{ … }}\" }",
            Table(Table::Pack) => "{ tasks = 100 }",
            Table(Table::Cap) => "{ memory = \"64GiB\" }",
            Table(Table::Secret) => "{ env = \"GITHUB_TOKEN\" }",
            Table(_) => "{ … }",
            Cases => "{ CASE = { … } }",
            Named(Table(Table::Carry)) => "{ NAME = { init = 0, next = \"{{ … }}\" } }",
            Named(Table(Table::Secret)) => "{ TOKEN = { env = \"GITHUB_TOKEN\" } }",
            Named(Table(_)) => "{ NAME = { … } }",
            Named(Int(..)) => "{ NAME = 4 }",
            Named(_) => "{ NAME = \"…\" }",
        }
    }
    /// What the reference calls it.
    pub fn reference(self) -> String {
        match self {
            Plain => "string".to_owned(),
            Template => "template".to_owned(),
            Expression => "expression".to_owned(),
            Condition => "boolean, or expression".to_owned(),
            Bool => "boolean".to_owned(),
            Int(..) => "integer".to_owned(),
            Count(_) => "integer, or expression".to_owned(),
            Memory => "amount, or template".to_owned(),
            Duration => "duration, or template".to_owned(),
            Number => "number".to_owned(),
            Type => "type".to_owned(),
            Value => "any value with templates".to_owned(),
            Literal => "any value".to_owned(),
            Literals => "array of any values".to_owned(),
            Scalar => "template, number or boolean".to_owned(),
            Name => "name".to_owned(),
            Names => "array of names".to_owned(),
            Words => "array of strings".to_owned(),
            Program => "array of templates".to_owned(),
            Lines => "template, or array of templates".to_owned(),
            ContainerValue => "template, or table".to_owned(),
            InputValue => "template, array of templates, or table".to_owned(),
            OutputValue => "type, or table".to_owned(),
            SourceValue => "expression, array, or table".to_owned(),
            SlurmOptions => "table from options of `sbatch`".to_owned(),
            RangeValue => "array of integers or expressions".to_owned(),
            Axes => "table: NAME = source".to_owned(),
            Choice(words) => crate::base::text::or(words.iter().copied()),
            Allowance => "integer, or share".to_owned(),
            Requirement => "`all`, `any`, or share".to_owned(),
            Causes => "array of causes".to_owned(),
            Factor => "factor".to_owned(),
            PlainMemory => "amount".to_owned(),
            PlainDuration => "duration".to_owned(),
            OneOrMore => "string, or array of strings".to_owned(),
            Content => "path, or table".to_owned(),
            Contents => "table: PATH = path, or table".to_owned(),
            Table(table) => format!("table, see {}", table.heading()),
            Cases => format!("tables, see {}", Table::Case.heading()),
            Named(Table(table)) => format!("tables, see {}", table.heading()),
            Named(inner) => format!("table: NAME = {}", inner.reference()),
        }
    }
}
