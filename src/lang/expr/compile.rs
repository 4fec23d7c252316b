//! One expression: its syntax tree gives the names that it reads and the mistakes in it; what is left is bytecode,
//! or less where less will do.

use super::PathRead;
use super::convert::{self, from_jinja};
use super::functions::{ENVIRONMENT, FILTERS, RESERVED_FUNCTIONS, TESTS};
use super::names::{Found, Frame};
use crate::base::Value;
use crate::base::text::{and, did_you_mean, quote};
use crate::diag::codes;
use minijinja::machinery::{Span, ast, parse_expr};
use minijinja::{ErrorKind, Expression};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Longer expressions are refused: the compiler is recursive.
const LONGEST: usize = 10_000;

/// A compiled expression.
pub(super) struct Compiled {
    code: Code,
    /// The names that it reads.
    pub(super) reads: Vec<PathRead>,
    /// Paths whose text is joined by `~` whatever happens: minijinja would make `none` of null.
    joined: Vec<Vec<Arc<str>>>,
    /// Whether its last filter is `raw`.
    pub(super) raw: bool,
}

enum Code {
    /// No name, no work.
    Constant(Value),
    /// The only read, as it is.
    Path,
    /// Anything else.
    Program(Box<Expression<'static, 'static>>),
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match &self.code {
            Code::Constant(value) => value.to_json(),
            Code::Path => "path".to_owned(),
            Code::Program(_) => "program".to_owned(),
        };
        f.debug_struct("Compiled").field("code", &code).field("reads", &self.reads).field("raw", &self.raw).finish()
    }
}

/// What is wrong with an expression; the range is in the text that holds it.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) code: &'static str,
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Compiles the text between the braces, which stands at `offset`.
pub(super) fn compile(source: &str, offset: usize, mistakes: &mut Vec<Mistake>) -> Option<Compiled> {
    let mut walk =
        Walk { source, offset, reads: Vec::new(), asked: Vec::new(), joined: Vec::new(), perhaps: false, mistakes };
    if source.len() > LONGEST {
        walk.mistake(
            codes::EXPRESSION,
            0..source.len(),
            format!("an expression may have {LONGEST} bytes at most"),
            None,
        );
        return None;
    }
    if source.starts_with(['-', '+']) {
        let help = "a space after the braces: `{{ -x }}`; there is no blank-trimming `{{-`, for nothing is trimmed";
        walk.mistake(
            codes::EXPRESSION,
            0..1,
            format!("`{{{{{}` is not part of the language", &source[..1]),
            Some(help.to_owned()),
        );
        return None;
    }
    let tree = match parse_expr(source) {
        Ok(tree) => tree,
        Err(error) => {
            let range = error.range().unwrap_or(0..source.len());
            walk.syntax(&error, range);
            return None;
        }
    };
    let before = walk.mistakes.len();
    // `raw` is no filter like the others: at the end of a hole it says how the value is put in, elsewhere it says nothing.
    let raw = match &tree {
        ast::Expr::Filter(filter) if filter.name == "raw" && filter.args.is_empty() => filter.expr.as_ref(),
        _ => None,
    };
    walk.expression(raw.unwrap_or(&tree), false);
    let raw = raw.is_some();
    let Walk { mut reads, asked, joined, mistakes, .. } = walk;
    if mistakes.len() > before {
        return None;
    }
    for read in &mut reads {
        read.tolerates_null |= asked.contains(&read.path);
    }
    let code = if path(&tree).is_some() {
        Code::Path
    } else if let Some(Ok(value)) = tree.as_const().map(|value| from_jinja(&value)) {
        Code::Constant(value)
    } else {
        match ENVIRONMENT.compile_expression_owned(source.to_owned()) {
            Ok(program) => Code::Program(Box::new(program)),
            Err(error) => {
                let range = offset..offset + source.len();
                mistakes.push(Mistake { code: codes::EXPRESSION, range, message: sentence(&error), help: None });
                return None;
            }
        }
    };
    Some(Compiled { code, reads, joined, raw })
}

fn bytes(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// The constant dotted path that an expression is, with the place of its first name.
fn path<'a>(expr: &ast::Expr<'a>) -> Option<(Vec<Arc<str>>, Range<usize>)> {
    let step = |inner: &ast::Expr<'a>, name: &str, end: u32| {
        let (mut names, range) = path(inner)?;
        names.push(name.into());
        Some((names, range.start..end as usize))
    };
    match expr {
        ast::Expr::Var(var) => Some((vec![var.id.into()], bytes(var.span()))),
        ast::Expr::GetAttr(get) => step(&get.expr, get.name, get.span().end_offset),
        ast::Expr::GetItem(get) => match &get.subscript_expr {
            ast::Expr::Const(name) => step(&get.expr, name.value.as_str()?, get.span().end_offset),
            _ => None,
        },
        _ => None,
    }
}

struct Walk<'a, 'm> {
    source: &'a str,
    offset: usize,
    reads: Vec<PathRead>,
    /// Paths that the expression asks whether they are null.
    asked: Vec<Vec<Arc<str>>>,
    joined: Vec<Vec<Arc<str>>>,
    /// In a part that may not be evaluated.
    perhaps: bool,
    mistakes: &'m mut Vec<Mistake>,
}

impl Walk<'_, '_> {
    fn mistake(&mut self, code: &'static str, range: Range<usize>, message: String, help: Option<String>) {
        let range = range.start + self.offset..range.end + self.offset;
        self.mistakes.push(Mistake { code, range, message, help });
    }

    fn syntax(&mut self, error: &minijinja::Error, range: Range<usize>) {
        let rest = self.source[range.start.min(self.source.len())..].trim_start();
        let help = if self.source.trim().is_empty() {
            "write an expression between the braces; a literal `{{` is `{{ '{{' }}`"
        } else if rest.starts_with('$') || self.source.contains('$') {
            "inside `{{ }}` stand names of the pipeline, not shell variables; a literal `{{` is `{{ '{{' }}`"
        } else if rest.starts_with("&&") || rest.starts_with("||") {
            "write `and`, `or`, `not`"
        } else if rest.starts_with('?') {
            "write `a if condition else b`"
        } else if rest.starts_with('=') {
            "compare with `==`"
        } else {
            "an expression is Jinja's: `name.field`, `a + 1`, `x | filter`, `a if b else c`; a literal `{{` is `{{ '{{' }}`"
        };
        let message = format!("this is not an expression: {}", sentence(error));
        let end = range.end.max(range.start + 1).min(self.source.len().max(1));
        self.mistake(codes::EXPRESSION, range.start.min(end - 1)..end, message, Some(help.to_owned()));
    }

    fn all(&mut self, exprs: &[ast::Expr<'_>], tolerant: bool) {
        for expr in exprs {
            self.expression(expr, tolerant);
        }
    }

    fn arguments(&mut self, args: &[ast::CallArg<'_>], tolerant: bool) {
        for arg in args {
            match arg {
                ast::CallArg::Pos(e)
                | ast::CallArg::Kwarg(_, e)
                | ast::CallArg::PosSplat(e)
                | ast::CallArg::KwargSplat(e) => self.expression(e, tolerant),
            }
        }
    }

    fn expression(&mut self, expr: &ast::Expr<'_>, tolerant: bool) {
        if let Some((path, range)) = path(expr) {
            let range = range.start + self.offset..range.end + self.offset;
            self.reads.push(PathRead { path, range, tolerates_null: tolerant });
            return;
        }
        match expr {
            ast::Expr::Var(_) => {}
            ast::Expr::Const(constant) => {
                if constant.value.as_str().is_some_and(|text| text.chars().any(convert::is_stray)) {
                    let message = "the characters U+10FF80 to U+10FFFF cannot stand in an expression".to_owned();
                    let help = "hand the text over as a param or a variable of the environment".to_owned();
                    self.mistake(codes::EXPRESSION, bytes(constant.span()), message, Some(help));
                }
            }
            ast::Expr::GetAttr(get) => self.expression(&get.expr, tolerant),
            ast::Expr::GetItem(get) => {
                self.expression(&get.expr, tolerant);
                self.expression(&get.subscript_expr, tolerant);
            }
            ast::Expr::Slice(slice) => {
                self.expression(&slice.expr, tolerant);
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expression(part, tolerant);
                }
            }
            ast::Expr::UnaryOp(op) => self.expression(&op.expr, tolerant),
            ast::Expr::BinOp(op) => {
                if matches!(op.op, ast::BinOpKind::Concat) && !self.perhaps {
                    let sides = [&op.left, &op.right];
                    self.joined.extend(sides.into_iter().filter_map(path).map(|(path, _)| path));
                }
                self.expression(&op.left, tolerant);
                let lazy = matches!(op.op, ast::BinOpKind::ScAnd | ast::BinOpKind::ScOr);
                self.maybe(lazy, |walk| walk.expression(&op.right, tolerant));
            }
            ast::Expr::Compare(compare) => {
                self.expression(&compare.expr, tolerant);
                for op in &compare.ops {
                    self.expression(&op.expr, tolerant);
                }
            }
            ast::Expr::IfExpr(choice) => {
                self.maybe(true, |walk| walk.expression(&choice.true_expr, tolerant));
                self.expression(&choice.test_expr, tolerant);
                if let Some(other) = &choice.false_expr {
                    self.maybe(true, |walk| walk.expression(other, tolerant));
                }
            }
            ast::Expr::Filter(filter) => self.filter(filter, filter.span().start_offset as usize, tolerant),
            ast::Expr::Test(test) => self.test(test, test.span().start_offset as usize, tolerant),
            ast::Expr::Call(call) => self.call(call, bytes(call.span()), tolerant),
            ast::Expr::List(list) => self.all(&list.items, tolerant),
            ast::Expr::Tuple(tuple) => self.all(&tuple.items, tolerant),
            ast::Expr::Map(map) => {
                self.all(&map.keys, tolerant);
                self.all(&map.values, tolerant);
            }
        }
    }

    /// Walks through a part that is not always evaluated.
    fn maybe(&mut self, perhaps: bool, walk: impl FnOnce(&mut Self)) {
        let before = self.perhaps;
        self.perhaps |= perhaps;
        walk(self);
        self.perhaps = before;
    }

    fn filter(&mut self, filter: &ast::Filter<'_>, at: usize, tolerant: bool) {
        let tolerant = tolerant || matches!(filter.name, "default" | "d");
        if let Some(expr) = &filter.expr {
            self.expression(expr, tolerant);
        }
        if filter.name == "raw" {
            let message =
                "`raw` turns quoting off for a whole hole, so that it must be the last filter, without arguments";
            let help = "write it at the end: `{{ … | raw }}`";
            self.mistake(codes::RAW_MISPLACED, at..at + 3, message.to_owned(), Some(help.to_owned()));
        } else if !FILTERS.contains(&filter.name) {
            let help = match filter.name {
                "quote" | "shquote" | "shell_quote" | "shellescape" | "escape" | "e" | "safe" | "q" => {
                    "leave it out: a value in a command is quoted by itself, for the place where it stands".to_owned()
                }
                _ => known(filter.name, "filters", FILTERS),
            };
            let message = format!("there is no filter {}", quote(filter.name));
            self.mistake(codes::UNKNOWN_FUNCTION, at..at + filter.name.len(), message, Some(help));
        }
        self.arguments(&filter.args, tolerant);
    }

    fn test(&mut self, test: &ast::Test<'_>, at: usize, tolerant: bool) {
        let asks = matches!(test.name, "none" | "defined" | "undefined");
        if asks && let Some((path, _)) = path(&test.expr) {
            self.asked.push(path);
        }
        self.expression(&test.expr, tolerant || asks);
        if !TESTS.contains(&test.name) {
            let help = match test.name {
                "null" | "nul" | "None" | "nil" => "did you mean `none`?".to_owned(),
                _ => known(test.name, "tests", TESTS),
            };
            let message = format!("there is no test {}", quote(test.name));
            self.mistake(codes::UNKNOWN_FUNCTION, at..at + test.name.len(), message, Some(help));
        }
        self.arguments(&test.args, tolerant);
    }

    fn call(&mut self, call: &ast::Call<'_>, range: Range<usize>, tolerant: bool) {
        let Range { start, end } = range;
        match &call.expr {
            ast::Expr::Var(name) if RESERVED_FUNCTIONS.contains(&name.id) => {
                return self.arguments(&call.args, tolerant || name.id == "first");
            }
            ast::Expr::Var(name) => {
                let help = if FILTERS.contains(&name.id) {
                    format!("{} is a filter: write `value | {}`", quote(name.id), name.id)
                } else if name.id == "len" {
                    "write `value | length`".to_owned()
                } else {
                    known(name.id, "functions", RESERVED_FUNCTIONS)
                };
                let at = name.span().start_offset as usize;
                let message = format!("there is no function {}", quote(name.id));
                self.mistake(codes::UNKNOWN_FUNCTION, at..at + name.id.len(), message, Some(help));
            }
            ast::Expr::GetAttr(method) => {
                self.expression(&method.expr, tolerant);
                let start = path(&method.expr).map_or(start, |(_, range)| range.start);
                let filter = if FILTERS.contains(&method.name) { method.name } else { "filter" };
                let help = format!("write `value | {filter}(…)`");
                let message = format!("values have no methods, so {} cannot be called", quote(method.name));
                self.mistake(codes::UNKNOWN_FUNCTION, start..end, message, Some(help));
            }
            other => {
                self.expression(other, tolerant);
                let message = "only functions can be called".to_owned();
                let help = known("", "functions", RESERVED_FUNCTIONS);
                self.mistake(codes::UNKNOWN_FUNCTION, start..end, message, Some(help));
            }
        }
        self.arguments(&call.args, tolerant);
    }
}

fn known(name: &str, what: &str, names: &'static [&'static str]) -> String {
    did_you_mean(name, names.iter().copied()).unwrap_or_else(|| {
        let words = names.iter().filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
        format!("the {what} are {}", words.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
    })
}

/// minijinja's own words, without its place and kind.
fn sentence(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

impl Compiled {
    /// The value, when it needs no name.
    pub(super) fn as_constant(&self) -> Option<&Value> {
        match &self.code {
            Code::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// Whether the expression is one dotted path and nothing else.
    pub(super) fn as_path(&self) -> Option<&PathRead> {
        matches!(self.code, Code::Path).then(|| self.reads.first()).flatten()
    }

    /// The value, or message and way out.
    pub(super) fn eval(&self, frame: &Frame) -> Result<Value, Refused> {
        match &self.code {
            Code::Constant(value) => Ok(value.clone()),
            Code::Path => look_up(&self.reads[0].path, frame),
            Code::Program(program) => {
                if let Some(null) = self.joined.iter().find(|path| matches!(look_up(path, frame), Ok(Value::Null))) {
                    let message = format!("{} is null and has no text that `~` could join", quote(&null.join(".")));
                    return Err((message, Some("write `| default('x', true)` behind it".to_owned())));
                }
                let undefined = |detail: String| {
                    let culprit = self.reads.iter().find_map(|read| look_up(&read.path, frame).err());
                    culprit.unwrap_or((detail, Some("give it a value with `| default('x')`".to_owned())))
                };
                let value = program.eval(convert::context(frame)).map_err(|e| match e.kind() {
                    ErrorKind::UndefinedError => undefined(sentence(&e)),
                    _ if sentence(&e).contains("undefined") => undefined(sentence(&e)),
                    ErrorKind::OutOfFuel => ("the expression takes too long".to_owned(), None),
                    _ => self.failed(&e, frame),
                })?;
                // An `if` without `else` gives nothing, and that is null; anything else undefined is a mistake.
                if value.is_undefined() && ENVIRONMENT.empty_state().format(value.clone()).is_err() {
                    return Err(undefined("the expression has no value".to_owned()));
                }
                from_jinja(&value).map_err(|what| (format!("the expression gives {what}"), None))
            }
        }
    }

    fn failed(&self, e: &minijinja::Error, frame: &Frame) -> Refused {
        let nulls = self.reads.iter().filter(|read| matches!(look_up(&read.path, frame), Ok(Value::Null)));
        let names: Vec<String> = nulls.map(|read| quote(&read.path.join("."))).collect();
        let help = (!names.is_empty())
            .then(|| format!("{} is null here: write `| default('x', true)` behind it", names.join(", ")));
        (format!("the expression cannot be computed: {}", sentence(e)), help)
    }
}

/// Message and way out.
pub(super) type Refused = (String, Option<String>);

/// The value of a dotted path, or message and way out.
fn look_up(path: &[Arc<str>], frame: &Frame) -> Result<Value, Refused> {
    let dotted = |len: usize| quote(&path[..len].join("."));
    let (slot, used) = match frame.names.find(path.iter().map(|name| &**name)) {
        Found::Slot { slot, used } => (slot, used),
        Found::Branch(_) | Found::Nothing => return Err((format!("{} has no value here", dotted(path.len())), None)),
    };
    let (mut value, first) = match &frame.values[slot] {
        Ok(value) => (value, used),
        Err(lack) => match lack.found() {
            Some((value, left)) => (value, used - left.min(used)),
            None => {
                let help = "give it a value, or write `| default('x')` behind it".to_owned();
                return Err((format!("{} has no value here", dotted(used)), Some(help)));
            }
        },
    };
    for (i, name) in path.iter().enumerate().skip(first) {
        value = match value {
            Value::Map(entries) => match entries.iter().find(|(field, _)| field == name) {
                Some((_, value)) => value,
                None => {
                    let fields = || entries.iter().map(|(field, _)| &**field);
                    let help = did_you_mean(name, fields()).unwrap_or_else(|| there_are(fields()));
                    return Err((format!("{} has no field {}", dotted(i), quote(name)), Some(help)));
                }
            },
            other => {
                let article = if matches!(other, Value::Int(_)) { "an" } else { "a" };
                let is = if other.is_null() { "null".to_owned() } else { format!("{article} {}", other.kind()) };
                return Err((format!("{} is {is} and has no field {}", dotted(i), quote(name)), None));
            }
        };
    }
    Ok(value.clone())
}

/// Fields that are named.
const FIELDS: usize = 12;

fn there_are<'a>(fields: impl ExactSizeIterator<Item = &'a str>) -> String {
    let rest = fields.len().saturating_sub(FIELDS);
    let shown: Vec<&str> = fields.take(FIELDS).collect();
    match (shown.len(), rest) {
        (0, _) => "it has no fields".to_owned(),
        (1, 0) => format!("it has one field, {}", and(shown)),
        (_, 0) => format!("its fields are {}", and(shown)),
        (_, rest) => {
            format!("its fields are {} and {rest} more", shown.iter().map(|f| quote(f)).collect::<Vec<_>>().join(", "))
        }
    }
}
