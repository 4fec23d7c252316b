//! `[test.NAME]`: what is given to a task, and what must come out.

use super::fields::Fields;
use super::{Reader, Val};
use crate::base::Value;
use crate::diag::{Diagnostic, Spanned, codes};
use crate::lang::keys::{Kind, Table};
use crate::lang::model::Name;
use crate::lang::trial::{Content, ExpectDecl, Paths, TrialDecl};
use std::sync::Arc;

impl Reader<'_> {
    pub(super) fn trial(&mut self, name: Name, value: Val<'_>) -> Option<TrialDecl> {
        let table = self.fields(Table::Test, self.span(value.span()), value.get_ref().as_table()?);
        let node = self.text(&table, "node").map(|text| Spanned { value: text.value, span: text.span });
        let params = self.literals(&table, "params", "a param");
        let values = self.literals(&table, "values", "a value");
        let inputs = self.each(&table, "inputs", "an input", Self::one_or_more);
        let mut files = Vec::new();
        if let Some(field) = table.get("files") {
            for (path, value) in self.sorted(field.value) {
                if self.fits(&path, value, Kind::Content)
                    && self.place(&path)
                    && let Some(content) = self.content(value, &path)
                {
                    files.push((path, content));
                }
            }
        }
        let expect = self.table(&table, "expect").map(|expect| self.expect(&expect)).unwrap_or_default();
        Some(TrialDecl { name, node: node?, params, values, inputs, files, expect })
    }

    fn expect(&mut self, table: &Fields<'_>) -> ExpectDecl {
        let log = table.get("log").and_then(|field| self.one_or_more(field.value, &field.name));
        ExpectDecl {
            exit: self.int(table, "exit"),
            values: self.literals(table, "values", "an output"),
            files: self.each(table, "files", "an output", Self::content),
            matches: self.each(table, "matches", "an output", Self::one_or_more),
            sha256: self.each(table, "sha256", "an output", |reader, value, _| {
                reader.text_of(value).map(|text| Spanned { value: text.value, span: text.span })
            }),
            log,
        }
    }

    fn literals(&mut self, table: &Fields<'_>, key: &str, noun: &str) -> Vec<(Name, Spanned<Value>)> {
        self.each(table, key, noun, |reader, value, _| {
            let datum = reader.datum(value);
            Some(Spanned { value: datum.literal(), span: datum.span() })
        })
    }

    fn each<T>(
        &mut self,
        table: &Fields<'_>,
        key: &str,
        noun: &str,
        mut read: impl FnMut(&mut Self, Val<'_>, &Name) -> Option<T>,
    ) -> Vec<(Name, T)> {
        let entries = self.entries(table, key, noun);
        entries.into_iter().filter_map(|(name, value)| read(self, value, &name).map(|read| (name, read))).collect()
    }

    /// A string, or an array of at least one.
    fn one_or_more(&mut self, value: Val<'_>, name: &Name) -> Option<Paths> {
        let span = self.span(value.span());
        let Some(items) = value.get_ref().as_array() else {
            let text = self.text_of(value)?;
            return Some(Paths { all: vec![Spanned { value: text.value, span: text.span }], many: false, span });
        };
        let mut all = Vec::new();
        for item in items.iter() {
            match self.text_of(item) {
                Some(text) => all.push(Spanned { value: text.value, span: text.span }),
                None => self.wrong_element(&name.value, item),
            }
        }
        Some(Paths { all, many: true, span })
    }

    fn content(&mut self, value: Val<'_>, name: &Name) -> Option<Content> {
        if let Some(text) = self.text_of(value) {
            return Some(Content::Path(Spanned { value: text.value, span: text.span }));
        }
        let span = self.span(value.span());
        let table = self.fields(Table::Content, span, value.get_ref().as_table()?);
        let text = self.text(&table, "text").map(|text| Spanned { value: text.value, span: text.span });
        if text.is_none() && !table.faulty && table.rejected.is_empty() {
            let d = Diagnostic::error(codes::MISSING_KEY, span, format!("`{}` has no content", name.value));
            self.report(d.help("write the path of a file of the project, or `{ text = \"…\" }`"));
        }
        text.map(Content::Text)
    }

    /// Whether a path stays inside the test's folder.
    fn place(&mut self, path: &Spanned<Arc<str>>) -> bool {
        let text = &*path.value;
        let inside = !text.starts_with('/') && text.split('/').all(|part| !part.is_empty() && part != "..");
        if !inside {
            let message = format!("{} is no place in the test's folder", crate::base::text::quote(text));
            let d = Diagnostic::error(codes::BAD_NAME, path.span, message);
            self.report(d.help("write a relative path without `..`: `files.\"data/ref.fa\"`"));
        }
        inside
    }
}
