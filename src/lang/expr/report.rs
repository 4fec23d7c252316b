//! What is said about a string with templates: one sentence and one way out for every mistake.

use super::compile::Mistake;
use super::split::SplitError;
use crate::diag::{Diagnostic, codes};
use crate::lang::model::Text;
use crate::lang::shell::{Demand, Problem};
use crate::lang::types::Type;
use std::ops::Range;

/// Collects the mistakes of one string.
pub(super) struct Report<'a> {
    text: &'a Text,
    diagnostics: &'a mut Vec<Diagnostic>,
    failed: bool,
    /// Where the reader of the shell gave up: said once, for all holes behind it.
    said: Option<Range<usize>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a Text, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        Self { text, diagnostics, failed: false, said: None }
    }

    /// Whether something is so wrong that there is no template.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    fn at(&self, code: &'static str, range: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.text.span_of(range.clone()), message)
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn braces(&mut self, error: &SplitError) {
        let diagnostic = match error {
            SplitError::Unterminated(range) => self
                .at(codes::OPEN_BRACES, range, "`{{` is never closed")
                .label("opened here")
                .help("close it with `}}`; a literal `{{` is written `{{ '{{' }}`"),
            SplitError::Statement(word, range) => {
                let help = match word.as_str() {
                    "if" => "write the choice inside an expression: `{{ a if condition else b }}`",
                    "for" => {
                        "write the list with filters, `{{ items | map(attribute='x') | join(' ') }}`, or make it a `map`"
                    }
                    "set" => "give the expression a name under `vars`",
                    "raw" => "plain text needs no `raw`; a literal `{{` is written `{{ '{{' }}`",
                    _ => "write an expression, `{{ … }}`",
                };
                let message = format!("`{{% {word} … %}}` is a statement, and templates are expressions, nothing more");
                self.at(codes::STATEMENT, range, message).help(help)
            }
        };
        self.error(diagnostic);
    }

    pub(super) fn mistake(&mut self, mistake: Mistake) {
        let mut diagnostic = self.at(mistake.code, &mistake.range, mistake.message);
        diagnostic.help = mistake.help;
        self.error(diagnostic);
    }

    /// `| raw` where nothing is quoted.
    pub(super) fn raw(&mut self, range: &Range<usize>) {
        let message = "`| raw` turns the quoting for a shell off, and this is no command";
        let diagnostic =
            self.at(codes::RAW_MISPLACED, range, message).help("leave `| raw` out: nothing is quoted here");
        self.error(diagnostic);
    }

    /// A hole in a command for an unknown shell.
    pub(super) fn foreign(&mut self, range: &Range<usize>, source: &str) {
        let help = format!("{}; values are quoted for `sh`, `dash`, `bash`, `ksh` and `zsh`", way_out(source));
        let message = "this shell's quoting is not known, so that a value cannot be put into its command safely";
        let diagnostic = self.at(codes::SHELL_FOREIGN, range, message).help(help);
        self.error(diagnostic);
    }

    /// A hole where the shell would read a value as syntax, or where it is not certain that it would not.
    pub(super) fn uncertain(&mut self, problem: &Problem, range: &Range<usize>, source: &str) {
        let expression = source.trim();
        let env = || way_out(source);
        let diagnostic = |message: &str, help: String| self.at(codes::SHELL_UNCERTAIN, range, message).help(help);
        let diagnostic = match problem {
            Problem::Backslash => diagnostic(
                "the backslash before this value would take its first quote away",
                "leave the backslash out: a value is quoted by itself".to_owned(),
            ),
            Problem::Dollar => diagnostic(
                "a `$` directly before a value would make shell syntax of it",
                format!("leave the `$` out: `{{{{ {expression} }}}}` is the value itself"),
            ),
            Problem::Name => diagnostic(
                "this value would lengthen the name of the shell variable before it",
                "put the variable's name in braces: `${name}`".to_owned(),
            ),
            Problem::Subscript => diagnostic(
                "some shells read `[…]` behind `$name` as a subscript, and would evaluate this value",
                "put the variable's name in braces: `${name}`".to_owned(),
            ),
            Problem::AnsiC => diagnostic("a value cannot be put inside `$'…'`, where shells read escapes in it", env()),
            Problem::Expansion => diagnostic("a value cannot be put inside `${…}`, where it would be a pattern", env()),
            Problem::Delimiter => diagnostic(
                "the delimiter of a here-document must be written as it is",
                "write a word there; values may stand in the lines below".to_owned(),
            ),
            Problem::Backticks => diagnostic(
                "a value cannot be put inside these backticks, for shells do not agree about what stands in them",
                "write `$(…)` in the place of the backticks".to_owned(),
            ),
            Problem::Parentheses => diagnostic(
                "a value cannot be put inside a pattern in parentheses, which shells read differently",
                env(),
            ),
            Problem::Variable(builtin) => diagnostic(
                &format!(
                    "`{builtin}` takes this for the name of a variable, and the shell runs commands in its subscript"
                ),
                "write the variable's name as it is; `| raw` puts a name in unquoted, if you know what it holds"
                    .to_owned(),
            ),
            Problem::Literal(what) => diagnostic(
                &format!("{what} must be written as it is"),
                "write the name in the place of the braces".to_owned(),
            ),
            Problem::Descriptor => diagnostic(
                "the number of a file descriptor must be written as it is",
                "for a file, leave the `&` out".to_owned(),
            ),
            Problem::Unclosed(open, what) | Problem::Lost(open, what) => {
                if self.said.replace(open.clone()).as_ref() == Some(open) {
                    self.failed = true;
                    return;
                }
                let unclosed = matches!(problem, Problem::Unclosed(..));
                let (label, help) = if unclosed {
                    (format!("{what} is opened here and never closed"), "close it".to_owned())
                } else {
                    (format!("shells do not agree about {what}"), env())
                };
                self.at(codes::SHELL_UNCERTAIN, range, "flowrun cannot tell how the shell would read a value here")
                    .also(self.text.span_of(open.clone()), label)
                    .help(help)
            }
        };
        self.error(diagnostic);
    }

    /// A warning: the value becomes part of a program.
    pub(super) fn handed_on(&mut self, interpreter: &str, range: &Range<usize>, source: &str) {
        let expression = source.trim();
        let name = variable(source);
        let family = interpreter.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let help = match family {
            "sh" | "dash" | "bash" | "ksh" | "zsh" | "ash" | "mksh" | "su" | "runuser" => {
                format!("hand it over as an argument: `{family} -c '… \"$1\" …' sh {{{{ {expression} }}}}`")
            }
            "eval" | "trap" | "alias" => format!("{}, inside single quotes", way_out(source)),
            "awk" | "gawk" | "mawk" | "nawk" => {
                format!("give the task `env.{name} = \"{{{{ {expression} }}}}\"` and write `ENVIRON[\"{name}\"]` here")
            }
            "python" | "pypy" => {
                format!("put `{{{{ {expression} }}}}` behind the program and read `sys.argv[1]`, or use `script`")
            }
            "jq" => format!("write `jq --arg x {{{{ {expression} }}}} '… $x …'`"),
            "ssh" => "the other host's shell reads it once more: send a script, and the values in a file".to_owned(),
            _ => format!("give the task `env.{name} = \"{{{{ {expression} }}}}\"` and let the program read `{name}`"),
        };
        let message = format!("this value becomes part of a program for `{interpreter}`, which may read it as code");
        let diagnostic = self.at(codes::HANDED_ON, range, message).warning().help(help);
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn not_a_number(&mut self, demand: Demand, range: Range<usize>, ty: &Type) {
        let wanted = if demand == Demand::Number { "a number" } else { "an integer" };
        let message = format!("the shell computes here, so that only {wanted} may stand here");
        let help = if *ty == Type::String {
            "turn it into a number with `| int`, or compare as text with `==`"
        } else {
            "turn it into a number with `| int`, or compute inside the braces: `{{ a + b }}`"
        };
        let diagnostic = self.at(codes::SHELL_INTEGER, &range, message).label(format!("this is `{ty}`")).help(help);
        self.error(diagnostic);
    }

    pub(super) fn list_in_text(&mut self, range: Range<usize>, ty: &Type) {
        let diagnostic = self
            .at(codes::SHELL_LIST, &range, "a list cannot be part of a text or of a single word")
            .label(format!("this is `{ty}`"))
            .help("make it one text with `| join(',')`, or let it stand alone");
        self.error(diagnostic);
    }
}

/// The way out that is always open: through the environment.
fn way_out(source: &str) -> String {
    let name = variable(source);
    format!("give the task `env.{name} = \"{{{{ {} }}}}\"` and write `\"${name}\"` here", source.trim())
}

/// A name for the variable that an expression's value may travel in.
fn variable(source: &str) -> String {
    let source = source.trim();
    let plain = source.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    let name = source.replace('.', "_").to_ascii_uppercase();
    let taken = ["PATH", "HOME", "IFS", "ENV", "USER", "SHELL", "PWD", "TMPDIR", "LANG"].contains(&name.as_str());
    let fits = plain && source.len() <= 32 && !source.starts_with(|c: char| c.is_ascii_digit());
    if fits && !taken { name } else { "X".to_owned() }
}
