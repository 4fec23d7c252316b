//! `flowrun.toml` and its kin: profiles, and what a machine allows at most.

use super::fields::Fields;
use super::{Reader, Val, data, syntax};
use crate::base::Value;
use crate::base::amount::parse_bytes;
use crate::base::text::{did_you_mean, or, quote};
use crate::diag::{self, Diagnostic, FileId, Span, Spanned, codes};
use crate::lang::keys::{Kind, Table};
use crate::lang::model::Name;
use crate::lang::settings::{Caps, ProfileDecl, SETTINGS, SettingsFile};

/// Reads one settings file; `machine`: it is the one that may set caps.
pub fn read_settings(text: &str, file: FileId, machine: bool) -> (SettingsFile, Vec<Diagnostic>) {
    let parsed = syntax::parse(text, file);
    let mut reader = Reader { text, file, diagnostics: Vec::new() };
    let top = Span { file, start: 0, end: 0 };
    let table = reader.fields(Table::Settings, top, &parsed.table);
    let mut settings = SettingsFile::default();
    for (name, value) in reader.tables(&table, "profile", "a profile") {
        settings.profiles.extend(reader.profile(name, value));
    }
    match table.get("caps") {
        Some(field) if !machine => {
            let d = Diagnostic::error(codes::NOT_ITS_FILE, field.name.span, "`caps` are the machine's to set");
            reader.report(d.label("not in this file").help("write them into `/etc/flowrun/config.toml`"));
        }
        _ => settings.caps = reader.table(&table, "caps").map(|caps| reader.caps(&caps)).unwrap_or_default(),
    }
    let mut diagnostics = reader.diagnostics;
    if !parsed.syntax.is_empty() {
        super::drop_consequences(&mut diagnostics, &parsed.syntax, text);
    }
    diagnostics.extend(parsed.syntax);
    diagnostics.extend(parsed.duplicates);
    diag::sort(&mut diagnostics);
    (settings, diagnostics)
}

impl Reader<'_> {
    fn profile(&mut self, name: Name, value: Val<'_>) -> Option<ProfileDecl> {
        let table = self.fields(Table::Profile, self.span(value.span()), value.get_ref().as_table()?);
        let mut values = Vec::new();
        for setting in SETTINGS {
            let key = &setting.key;
            if let Some(field) = table.get(key.name)
                && let Some(value) = self.setting(field.value, key.name, key.kind)
            {
                values.push((key.name, value));
            }
        }
        let mut resources = self.resources(&table, &[]);
        resources.retain(|(name, datum)| {
            let Some(text) = datum.as_text().filter(|text| data::has_hole(&text.value)) else { return true };
            let message = format!("no expression can stand in {} of a profile", quote(&name.value));
            self.report(Diagnostic::error(codes::BAD_AMOUNT, text.span, message).help("write the amount as it is"));
            false
        });
        Some(ProfileDecl { name, values, resources })
    }

    fn setting(&mut self, value: Val<'_>, name: &str, kind: Kind) -> Option<Spanned<Value>> {
        match kind {
            Kind::Int(least, most) => {
                let number = self.bounded(value, name, least, most)?;
                Some(Spanned { value: Value::Int(number.value), span: number.span })
            }
            Kind::Bool => {
                Some(Spanned { value: Value::Bool(value.get_ref().as_bool()?), span: self.span(value.span()) })
            }
            _ => {
                let text = self.text_of(value)?;
                if let Kind::Choice(words) = kind
                    && !words.contains(&&*text.value)
                {
                    let message = format!("{} is not one of the words of `{name}`", quote(&text.value));
                    let help = did_you_mean(&text.value, words.iter().copied());
                    let help = help.unwrap_or_else(|| format!("write {}", or(words.iter().copied())));
                    self.report(Diagnostic::error(codes::UNKNOWN_WORD, text.span, message).help(help));
                    return None;
                }
                if text.value.is_empty() {
                    let d = Diagnostic::error(codes::UNKNOWN_WORD, text.span, format!("`{name}` is empty"));
                    self.report(d.help("leave it out, or give it a value"));
                    return None;
                }
                Some(Spanned { value: Value::Str(text.value), span: text.span })
            }
        }
    }

    fn caps(&mut self, table: &Fields<'_>) -> Caps {
        let mut number = |key| self.int(table, key).and_then(|n| Some((u32::try_from(n.value).ok()?, n.span)));
        let (jobs, gpus, submissions) = (number("jobs"), number("gpus"), number("submissions"));
        let memory = table.get("memory").and_then(|field| self.plain(field.value, "memory", parse_bytes));
        Caps { jobs, memory, gpus, submissions }
    }
}
