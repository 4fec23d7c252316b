//! `outputs.NAME` of a task: a value's type, or a file, a directory, several files, and what must be true of them.

use super::fields::Fields;
use super::{Reader, data};
use crate::base::text::{did_you_mean, or, quote};
use crate::diag::{Diagnostic, codes};
use crate::lang::keys::Table;
use crate::lang::model::{Name, OutputDecl, OutputKind, Text};
use crate::lang::outputs::{self, Demand, Keep};
use toml::de::DeValue;

/// The keys that say what an output is.
const FORMS: [&str; 4] = ["type", "file", "files", "dir"];

/// Why `keep` is not for values.
const VALUES_STAY: &str = "values are kept always: leave it out";

impl Reader<'_> {
    pub(super) fn outputs(&mut self, table: &Fields<'_>) -> Vec<OutputDecl> {
        let mut out = Vec::new();
        let of_task = self.keep(table);
        for (name, value) in self.entries(table, "outputs", "an output") {
            let mut keep = of_task;
            let span = self.span(value.span());
            let read = match (self.text_of(value), value.get_ref()) {
                (Some(text), _) => self.output_type(&text, &name).map(|ty| (OutputKind::Value(ty), Demand::default())),
                (None, DeValue::Table(toml)) => {
                    let fields = self.fields(Table::Output, span, toml);
                    let demand = self.demand(&fields);
                    keep = self.keep(&fields).or(keep);
                    self.output_table(&fields, &name).map(|kind| (kind, demand))
                }
                (None, _) => None,
            };
            if let Some((kind, demand)) = read {
                let keep = keep.filter(|_| kind.path().is_some()).unwrap_or_default();
                out.push(OutputDecl { name, kind, demand, keep, span });
            }
        }
        if let Some(field) = table.get("keep")
            && !out.is_empty()
            && out.iter().all(|output: &OutputDecl| output.kind.path().is_none())
        {
            let message = "`keep` has no meaning for a task that gives values alone";
            self.report(Diagnostic::error(codes::KEY_CONFLICT, field.name.span, message).help(VALUES_STAY));
        }
        out
    }

    fn keep(&mut self, table: &Fields<'_>) -> Option<Keep> {
        let word = self.text(table, "keep")?;
        if let Some(keep) = Keep::of(&word.value) {
            return Some(keep);
        }
        let message = format!("{} is no answer to how long it is kept", quote(&word.value));
        let help = did_you_mean(&word.value, Keep::WORDS);
        let d = Diagnostic::error(codes::UNKNOWN_WORD, word.span, message);
        self.report(d.help(help.unwrap_or_else(|| format!("write {}", or(Keep::WORDS)))));
        None
    }

    fn output_type(&mut self, text: &Text, name: &Name) -> Option<crate::lang::types::Type> {
        let path = text.value.contains(['/', '.', '*']) && !text.value.contains('<') || data::has_hole(&text.value);
        if path {
            let message = format!("{} is not a type", quote(&text.value));
            let shown = if text.value.len() <= 60 { &*text.value } else { "…" };
            let help = format!("a file is declared in a table: `outputs.{} = {{ file = \"{shown}\" }}`", name.value);
            self.report(Diagnostic::error(codes::BAD_TYPE, text.span, message).help(help));
            return None;
        }
        self.type_of(text).map(|ty| ty.value)
    }

    fn output_table(&mut self, table: &Fields<'_>, name: &Name) -> Option<OutputKind> {
        let mut given = table.given(&FORMS);
        given.sort_by_key(|field| field.name.span);
        if let [first, second, ..] = given.as_slice() {
            let message = format!("an output has one of {}, not several", or(FORMS));
            let d = Diagnostic::error(codes::BAD_OUTPUT, second.name.span, message).label("one too many");
            self.report(d.also(first.name.span, "the first one").help("declare an output for each"));
            return None;
        }
        let from = self.text(table, "from");
        if let (Some(text), Some(field)) = (&from, table.get("from")) {
            if !matches!(&*text.value, "stdout") {
                let d = Diagnostic::error(
                    codes::BAD_OUTPUT,
                    text.span,
                    format!("{} is no place to read a value from", quote(&text.value)),
                );
                self.report(d.help("write `from = \"stdout\"`, or leave `from` out: then it is `$FLOWRUN_OUTPUT`"));
                return None;
            }
            if given.first().is_none_or(|form| form.key.name != "type") && !table.faulty {
                let d = Diagnostic::error(codes::BAD_OUTPUT, field.name.span, "`from` has no meaning without `type`");
                self.report(d.help("add the value's type: `{ type = \"string\", from = \"stdout\" }`"));
                return None;
            }
        }
        match given.first().map(|field| field.key.name) {
            Some("file") => self.text(table, "file").map(OutputKind::File),
            Some("dir") => self.text(table, "dir").map(OutputKind::Dir),
            Some("files") => self.text(table, "files").and_then(|text| self.pattern(text, name)),
            Some(_) => {
                let text = self.text(table, "type")?;
                let ty = self.type_of(&text)?.value;
                Some(if from.is_some() { OutputKind::Stdout(ty) } else { OutputKind::Value(ty) })
            }
            None => {
                if !table.faulty {
                    let d = Diagnostic::error(
                        codes::BAD_OUTPUT,
                        table.span,
                        format!("the output {} does not say what it is", quote(&name.value)),
                    );
                    self.report(
                        d.help("write `{ file = \"…\" }`, `{ files = \"…*…\" }`, `{ dir = \"…\" }`, or a type"),
                    );
                }
                None
            }
        }
    }

    /// `files`: a pattern by its own text.
    fn pattern(&mut self, text: Text, name: &Name) -> Option<OutputKind> {
        if crate::lang::expr::literals(&text.value).any(|literal| literal.contains(['*', '?', '['])) {
            return Some(OutputKind::Files(text));
        }
        let message = format!("`files` is a pattern with `*`, `?` or `[…]` in it, and {} has none", quote(&text.value));
        let help = format!("for one file write `outputs.{} = {{ file = … }}`", name.value);
        self.report(Diagnostic::error(codes::BAD_OUTPUT, text.span, message).help(help));
        None
    }

    /// `optional` and `ensure`, and whether they stand where they mean something.
    fn demand(&mut self, table: &Fields<'_>) -> Demand {
        let form = table.given(&FORMS).first().map(|field| field.key.name);
        for field in table.given(&["optional", "ensure", "keep"]) {
            let key = field.key.name;
            let (why, help) = match form {
                Some("type") if key == "keep" => ("a value", VALUES_STAY),
                Some("type") => ("a value", "it is for files: leave it out"),
                Some("dir") if key == "optional" => {
                    ("a directory, which is always there", "leave it out: a directory may be empty")
                }
                _ => continue,
            };
            let message = format!("{} has no meaning for {why}", quote(key));
            self.report(Diagnostic::error(codes::BAD_OUTPUT, field.name.span, message).help(help));
        }
        let flag = |field: &super::fields::Field<'_>| field.value.get_ref().as_bool() == Some(true);
        let optional = table.get("optional").is_some_and(flag);
        let Some(ensure) = self.table(table, "ensure") else { return Demand { optional, ..Demand::default() } };
        let non_empty = ensure.get("non_empty").is_some_and(flag);
        let mut sha256 = None;
        if let Some(text) = self.text(&ensure, "sha256") {
            sha256 = outputs::sha256(&text.value);
            let wrong = match form {
                _ if sha256.is_none() => Some((
                    format!("{} is no SHA-256", quote(&text.value)),
                    "write its 64 hexadecimal digits, as `sha256sum FILE` prints them",
                )),
                Some("files") => Some((
                    "`sha256` is for one file, and a pattern may match several".to_owned(),
                    "declare the file for itself: `{ file = \"…\", ensure = { sha256 = \"…\" } }`",
                )),
                Some("dir") => Some((
                    "`sha256` is for one file, and a directory holds several".to_owned(),
                    "declare the file for itself: `{ file = \"…\", ensure = { sha256 = \"…\" } }`",
                )),
                _ => None,
            };
            if let Some((message, help)) = wrong {
                self.report(Diagnostic::error(codes::BAD_OUTPUT, text.span, message).help(help));
            }
        }
        if !ensure.faulty && ensure.given(&["non_empty", "sha256"]).is_empty() {
            let d = Diagnostic::error(codes::BAD_OUTPUT, ensure.span, "`ensure` demands nothing");
            self.report(d.help("write `{ non_empty = true }`, `{ sha256 = \"…\" }`, or leave it out"));
        }
        Demand { optional, non_empty, sha256 }
    }
}
