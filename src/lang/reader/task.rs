//! `[task.NAME]`: what it runs, reads and gives.

use super::fields::Fields;
use super::{Limits, Reader, Val};
use crate::base::text::{or, quote};
use crate::diag::{Diagnostic, Spanned, codes};
use crate::lang::keys::Table;
use crate::lang::model::{Datum, Name, RunDecl, TaskDecl, Text};
use toml::de::DeValue;

impl Reader<'_> {
    pub(super) fn task(&mut self, name: Name, value: Val<'_>, limits: &Limits) -> TaskDecl {
        let empty = toml::de::DeTable::new();
        let toml = value.get_ref().as_table().unwrap_or(&empty);
        let table = self.fields(Table::Task, self.span(value.span()), toml);
        let run = self.run(&name, &table);
        TaskDecl {
            description: self.text(&table, "description"),
            run,
            shell: self.program(&table, "shell"),
            interpreter: self.program(&table, "interpreter"),
            inputs: self.inputs(&table),
            outputs: self.outputs(&table),
            vars: self.values(&table, "vars", "a var"),
            env: self.values(&table, "env", "a variable"),
            pass_env: self.pass_env(&table),
            secrets: self.secrets(&table),
            setup: self.lines(&table, "setup"),
            container: self.container(&table),
            resources: self.resources(&table, limits),
            when: self.condition(&table, "when"),
            after: self.names(&table, "after", "a node"),
            cache: table.get("cache").and_then(|field| {
                let value = field.value.get_ref().as_bool()?;
                Some(Spanned { value, span: self.span(field.value.span()) })
            }),
            workdir: self.text(&table, "workdir"),
            priority: self.int(&table, "priority"),
            policy: self.policy(&table),
            over: self.shorthand(&table),
            name,
        }
    }

    /// Exactly one of the three ways to run.
    fn run(&mut self, name: &Name, table: &Fields<'_>) -> RunDecl {
        const FORMS: [&str; 3] = ["command", "argv", "script"];
        let mut given = table.given(&FORMS);
        given.sort_by_key(|field| field.name.span);
        for extra in given.iter().skip(1) {
            let message = format!("a task has one of {}, not several", or(FORMS));
            let d = Diagnostic::error(codes::RUN_FORM, extra.name.span, message).label("one too many");
            let first = given[0].name.span;
            self.report(d.also(first, "the first one").help("keep one, or make two tasks of it"));
        }
        if given.is_empty() && !self.was_given(table, &FORMS) {
            let message = format!("the task {} does not say what it runs", quote(&name.value));
            let d = Diagnostic::error(codes::RUN_FORM, table.span, message);
            self.report(d.help(format!("give it one of {}", or(FORMS))));
        }
        if table.get("setup").is_none() {
            self.belongs(table, "shell", "command");
        }
        self.belongs(table, "interpreter", "script");
        if let ([script], None) = (given.as_slice(), table.get("interpreter"))
            && script.key.name == "script"
            && !self.was_given(table, &["interpreter"])
        {
            let d = Diagnostic::error(codes::MISSING_KEY, script.name.span, "a script needs `interpreter`");
            self.report(d.help("say what runs it: `interpreter = [\"python3\"]`"));
        }
        let field = given.first().map(|field| field.key.name);
        match field {
            Some("argv") => match self.program(table, "argv") {
                Some(words) => RunDecl::Argv(words),
                None => RunDecl::Argv(Spanned { value: Vec::new(), span: table.span }),
            },
            Some("script") => RunDecl::Script(self.text(table, "script").unwrap_or_else(|| nothing(table))),
            _ => RunDecl::Command(self.text(table, "command").unwrap_or_else(|| nothing(table))),
        }
    }

    /// Whether one of the keys was there but had a wrong value: then its absence is no news.
    fn was_given(&self, table: &Fields<'_>, keys: &[&str]) -> bool {
        table.rejected.iter().any(|name| keys.contains(name))
    }

    /// Reports `key` where `owner`, which alone gives it a meaning, is not there.
    pub(super) fn belongs(&mut self, table: &Fields<'_>, key: &str, owner: &str) {
        if let (Some(field), None) = (table.get(key), table.get(owner))
            && !self.was_given(table, &[owner])
        {
            let message = format!("{} has no meaning without {}", quote(key), quote(owner));
            let d = Diagnostic::error(codes::KEY_CONFLICT, field.name.span, message);
            self.report(d.help(format!("add {}, or leave {} out", quote(owner), quote(key))));
        }
    }

    /// `when`: a boolean or an expression.
    pub(super) fn condition(&mut self, table: &Fields<'_>, key: &str) -> Option<Datum> {
        let field = table.get(key)?;
        let datum = self.datum(field.value);
        if let Datum::Text(text) = &datum {
            self.must_hold_expression(text, key);
        }
        Some(datum)
    }

    fn pass_env(&mut self, table: &Fields<'_>) -> Vec<Spanned<std::sync::Arc<str>>> {
        let names = self.words(table, "pass_env");
        for name in names.iter().filter(|name| name.value.is_empty() || name.value.contains(['=', '\0'])) {
            let message = format!("{} cannot be the name of a variable", quote(&name.value));
            let d = Diagnostic::error(codes::BAD_NAME, name.span, message);
            self.report(d.help("give the name alone; a value is given under `env`"));
        }
        names
    }

    fn inputs(&mut self, table: &Fields<'_>) -> Vec<(Name, Datum)> {
        let mut out = Vec::new();
        for (name, value) in self.entries(table, "inputs", "an input") {
            match value.get_ref() {
                DeValue::Table(toml) => {
                    let fields = self.fields(Table::Input, self.span(value.span()), toml);
                    if self.fetched(&fields, &name) {
                        out.push((name, self.datum(value)));
                    }
                }
                DeValue::Array(items) => {
                    let strings = items.iter().filter(|item| !item.get_ref().is_str()).count() == 0;
                    for item in items.iter().filter(|item| !item.get_ref().is_str()) {
                        self.wrong_element(&name.value, item);
                    }
                    if strings {
                        out.push((name, self.datum(value)));
                    }
                }
                _ => out.push((name, self.datum(value))),
            }
        }
        out
    }

    /// The map of the shorthand form.
    pub(super) fn shorthand(&mut self, table: &Fields<'_>) -> Option<Box<crate::lang::model::OverDecl>> {
        for key in ["as", "key", "where", "group_by", "chunk", "max_parallel", "max_failures"] {
            self.belongs(table, key, "over");
        }
        self.over(table).map(Box::new)
    }
}

/// The text of what is missing; the model of a file with mistakes goes nowhere.
pub(super) fn nothing(table: &Fields<'_>) -> Text {
    Text { value: "".into(), span: table.span, offsets: None, body: table.span.start }
}
