//! From TOML text to a [`Model`]; every mistake of a file is found in one pass.
//!
//! What may stand where is said by [`crate::lang::keys`]; here is only what a table of keys cannot say. No name is
//! resolved and no expression looked into.

mod branch;
mod call;
mod calls;
mod data;
mod fields;
mod loops;
mod map;
mod outputs;
mod params;
mod policy;
mod settings;
mod strings;
mod surround;
mod syntax;
mod task;
#[cfg(test)]
mod tests;
mod trial;

pub use calls::{Open, Opened, read_all};
pub use settings::read_settings;

use crate::base::Value;
use crate::base::text::{did_you_mean, or, quote};
use crate::diag::{self, Diagnostic, FileId, Span, Spanned, codes};
use crate::lang::keys::{Kind, Status, Table};
use crate::lang::model::{BACKEND, Datum, Model, Name, NodeDecl};
use crate::lang::slurm;
use fields::Fields;
use std::ops::Range;
use toml::de::DeValue;

/// A value of the parsed file.
type Val<'t> = &'t toml::Spanned<DeValue<'t>>;

/// Reads one pipeline file. `file_stem` names the pipeline that does not name itself. The model holds what could be
/// read, also of a file with mistakes; it is whole when no diagnostic is an error.
pub fn read(text: &str, file: FileId, file_stem: &str) -> (Model, Vec<Diagnostic>) {
    let parsed = syntax::parse(text, file);
    let mut reader = Reader { text, file, diagnostics: Vec::new() };
    let model = reader.model(&parsed.table, file_stem);
    let mut diagnostics = reader.diagnostics;
    if !parsed.syntax.is_empty() {
        drop_consequences(&mut diagnostics, &parsed.syntax, text);
    }
    if !parsed.duplicates.is_empty() {
        // two tables of one name were read as one
        diagnostics.retain(|d| d.code != codes::RUN_FORM);
    }
    diagnostics.extend(parsed.syntax);
    diagnostics.extend(parsed.duplicates);
    diag::sort(&mut diagnostics);
    (model, diagnostics)
}

/// Where the text itself is broken, what seems to be missing may be there, and what stands on a broken line is not
/// what was meant.
fn drop_consequences(diagnostics: &mut Vec<Diagnostic>, syntax: &[Diagnostic], text: &str) {
    let line = syntax::lines(text);
    let broken: std::collections::HashSet<usize> = syntax.iter().map(&line).collect();
    diagnostics.retain(|d| {
        let missing = [codes::MISSING_KEY, codes::RUN_FORM, codes::EMPTY_BODY].contains(&d.code);
        !missing && !broken.contains(&line(d))
    });
}

/// One pass over one file.
struct Reader<'s> {
    text: &'s str,
    file: FileId,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn model<'t>(&mut self, root: &'t toml::de::DeTable<'t>, file_stem: &str) -> Model {
        let mut model = Model { file: self.file, ..Model::default() };
        let top = Span { file: self.file, start: 0, end: 0 };
        let file = self.fields(Table::File, top, root);
        model.name = Some(Spanned { value: file_stem.into(), span: top });
        if let Some(table) = self.table(&file, "pipeline") {
            if let Some(name) = self.text(&table, "name") {
                if name.value.is_empty() {
                    let d = Diagnostic::error(codes::BAD_NAME, name.span, "the pipeline's name is empty");
                    self.report(d.help("leave `name` out: then it is the file's name"));
                }
                model.name = Some(Spanned { value: name.value, span: name.span });
            }
            model.description = self.text(&table, "description");
        }
        for (name, value) in self.tables(&file, "params", "a param") {
            let param = self.param(name, value);
            model.params.push(param);
        }
        for (name, value) in self.entries(&file, "limits", "a limit") {
            if let Some(count) = self.small(value, name.value.as_ref()) {
                model.limits.push((name, count));
            }
        }
        model.resources = self.resources(&file, &model.limits);
        let limits = model.limits.clone();
        let reports = self.diagnostics.len();
        model.nodes = self.nodes(&file, &limits);
        if model.nodes.is_empty() && self.diagnostics.len() == reports && file.no_body() {
            let d = Diagnostic::error(codes::EMPTY_BODY, top, "the pipeline has no task");
            self.report(d.help("write one: `[task.hello]` with `command = 'echo hello'`"));
        }
        model.outputs = self.values(&file, "outputs", "an output");
        for (name, value) in self.tables(&file, "test", "a test") {
            model.trials.extend(self.trial(name, value));
        }
        model
    }

    /// The nodes of a body, in the order of the file.
    fn nodes(&mut self, body: &Fields<'_>, limits: &Limits) -> Vec<NodeDecl> {
        let mut nodes = Vec::new();
        for (name, value) in self.tables(body, "task", "a task") {
            self.check_free(&name, "a task");
            nodes.push(NodeDecl::Task(self.task(name, value, limits)));
        }
        for (name, value) in self.tables(body, "map", "a map") {
            self.check_free(&name, "a map");
            nodes.push(NodeDecl::Map(self.map(name, value, limits)));
        }
        for (name, value) in self.tables(body, "branch", "a branch") {
            self.check_free(&name, "a branch");
            nodes.push(NodeDecl::Branch(self.branch(name, value, limits)));
        }
        for (name, value) in self.tables(body, "loop", "a loop") {
            self.check_free(&name, "a loop");
            nodes.push(NodeDecl::Loop(self.looped(name, value, limits)));
        }
        for (name, value) in self.tables(body, "call", "a call") {
            self.check_free(&name, "a call");
            nodes.push(NodeDecl::Call(self.call(name, value, limits)));
        }
        nodes.sort_by_key(|node| node.name().span);
        nodes
    }

    /// `resources`: the machine's, and names under `[limits]`.
    fn resources(&mut self, table: &Fields<'_>, limits: &Limits) -> Vec<(Name, Datum)> {
        let mut out = self.slurm_options(table);
        out.extend(self.backend(table));
        let Some(field) = table.get("resources") else { return out };
        for (name, value) in self.sorted(field.value) {
            match Table::Resources.key(&name.value) {
                Some(key) if key.status == Status::Planned => self.not_yet(&name, key),
                Some(key) => {
                    if self.fits(&name, value, key.kind) && self.amount_fits(&name, value, key.kind) {
                        out.push((name, self.datum(value)));
                    }
                }
                None if limits.iter().any(|(limit, _)| limit.value == name.value) => {
                    let kind = Kind::Count(0);
                    if self.fits(&name, value, kind) && self.amount_fits(&name, value, kind) {
                        out.push((name, self.datum(value)));
                    }
                }
                None => self.unknown_resource(&name, limits),
            }
        }
        out
    }

    /// `backend` of a task, or of what holds tasks.
    fn backend(&mut self, table: &Fields<'_>) -> Option<(Name, Datum)> {
        if !matches!(table.table, Table::Task | Table::Map | Table::Branch | Table::Loop | Table::Call) {
            return None;
        }
        let field = table.get("backend")?;
        let text = self.text_of(field.value)?;
        let span = text.span;
        if data::has_hole(&text.value) {
            let d = Diagnostic::error(codes::UNKNOWN_WORD, span, "`backend` is a word, not an expression");
            self.report(d.help("who executes a task is known before the run: write `backend = \"local\"`"));
            return None;
        }
        let name = Spanned { value: BACKEND.into(), span: field.name.span };
        Some((name, Datum::Plain(Spanned { value: Value::Str(text.value), span })))
    }

    /// `slurm`: resources whose names begin with `slurm.`, so that they are laid over each other and evaluated as those
    /// are.
    fn slurm_options(&mut self, table: &Fields<'_>) -> Vec<(Name, Datum)> {
        let Some(field) = table.get("slurm") else { return Vec::new() };
        let mut out = Vec::new();
        for (name, value) in self.sorted(field.value) {
            if &*name.value == slurm::PACK {
                self.pack(&name, value, &mut out);
            } else if let Some((_, instead)) = slurm::OWNED.iter().find(|(owned, _)| *owned == &*name.value) {
                let message = format!("{} is set by flowrun itself", quote(&name.value));
                self.report(Diagnostic::error(codes::UNKNOWN_KEY, name.span, message).label("not here").help(*instead));
            } else if !slurm::OPTIONS.contains(&&*name.value) {
                let message = format!("{} is no long option of `sbatch`", quote(&name.value));
                let help = did_you_mean(&name.value, slurm::OPTIONS.iter().copied().chain([slurm::PACK]))
                    .unwrap_or_else(|| "`man sbatch` lists them; write them without the dashes before them".to_owned());
                self.report(
                    Diagnostic::error(codes::UNKNOWN_KEY, name.span, message).label("unknown option").help(help),
                );
            } else if let Some(list) = value.get_ref().as_array() {
                let full = Spanned { value: format!("{}{}", slurm::PREFIX, name.value).into(), span: name.span };
                let list = self.slurm_list(&name, list, value);
                out.extend(list.map(|words| (full, Datum::Plain(words))));
            } else if self.fits(&name, value, Kind::Scalar) {
                let full = Spanned { value: format!("{}{}", slurm::PREFIX, name.value).into(), span: name.span };
                out.push((full, self.datum(value)));
            }
        }
        out
    }

    /// An option that takes several words: `exclude = ["n1", "n2"]`.
    fn slurm_list(
        &mut self,
        name: &Name,
        list: &[toml::Spanned<DeValue<'_>>],
        value: Val<'_>,
    ) -> Option<Spanned<Value>> {
        let mut words = Vec::new();
        for item in list {
            let word = match item.get_ref() {
                DeValue::String(text) if !data::has_hole(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                _ => {
                    let message = format!("the words of {} are texts or numbers as they stand", quote(&name.value));
                    let d = Diagnostic::error(codes::WRONG_TYPE, self.span(item.span()), message);
                    self.report(d.help("with an expression write one string: `\"{{ a }},{{ b }}\"`"));
                    return None;
                }
            };
            words.push(word);
        }
        Some(Spanned { value: Value::str(words.join(",")), span: self.span(value.span()) })
    }

    /// `slurm.pack`: its keys as `slurm.pack.tasks` and so on, laid over each other as options are.
    fn pack(&mut self, name: &Name, value: Val<'_>, out: &mut Vec<(Name, Datum)>) {
        if !self.fits(name, value, Kind::Table(Table::Pack)) {
            return;
        }
        let Some(table) = value.get_ref().as_table() else { return };
        let fields = self.fields(Table::Pack, name.span, table);
        for key in Table::Pack.keys() {
            let Some(field) = fields.get(key.name) else { continue };
            if self.amount_fits(&field.name, field.value, key.kind) {
                let full = format!("{}{}.{}", slurm::PREFIX, slurm::PACK, key.name);
                out.push((Spanned { value: full.into(), span: field.name.span }, self.datum(field.value)));
            }
        }
    }

    fn unknown_resource(&mut self, name: &Name, limits: &Limits) {
        let own = Table::Resources.keys().filter(|key| key.status != Status::Planned).map(|key| key.name);
        let all: Vec<&str> = own.chain(limits.iter().map(|(limit, _)| &*limit.value)).collect();
        let message = format!("{} is neither a resource nor a name under `[limits]`", quote(&name.value));
        let help = did_you_mean(&name.value, all.iter().copied()).unwrap_or_else(|| {
            let declare = if crate::lang::keys::is_name(&name.value) {
                format!("; or say how many there are: `limits.{} = 4`", name.value)
            } else {
                String::new()
            };
            format!("use {}{declare}", or(all))
        });
        self.report(Diagnostic::error(codes::UNKNOWN_KEY, name.span, message).label("unknown resource").help(help));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span { file: self.file, start: range.start as u32, end: range.end as u32 }
    }
}

/// `[limits]`, as far as it could be read.
type Limits = [(Name, Spanned<u32>)];
