//! What stands around a task's command: `secrets` and `setup`.

use super::Reader;
use super::fields::Fields;
use crate::base::text::quote;
use crate::diag::{Diagnostic, Spanned, codes};
use crate::lang::keys::Table;
use crate::lang::model::{Name, SecretFrom, Text};
use toml::de::DeValue;

impl Reader<'_> {
    /// `secrets.NAME = { env = … }` or `{ file = … }`.
    pub(super) fn secrets(&mut self, table: &Fields<'_>) -> Vec<(Name, Spanned<SecretFrom>)> {
        let mut out = Vec::new();
        for (name, value) in self.tables(table, "secrets", "a secret") {
            let DeValue::Table(toml) = value.get_ref() else { continue };
            let span = self.span(value.span());
            let fields = self.fields(Table::Secret, span, toml);
            self.named_once(table, &name);
            let (env, file) = (self.text(&fields, "env"), self.text(&fields, "file"));
            let from = match (env, file) {
                (Some(env), Some(file)) => {
                    let later = if env.span < file.span { file.span } else { env.span };
                    let message = "a secret comes from one of `env` and `file`, not from both";
                    let d = Diagnostic::error(codes::KEY_CONFLICT, later, message).label("one too many");
                    self.report(d.help("keep one"));
                    continue;
                }
                (Some(env), None) => {
                    if env.value.is_empty() || env.value.contains(['=', '$', '\0']) {
                        let message = format!("{} cannot be the name of a variable", quote(&env.value));
                        let d = Diagnostic::error(codes::BAD_NAME, env.span, message);
                        self.report(d.help("give the name of the variable that holds the secret, without `$`"));
                        continue;
                    }
                    SecretFrom::Env(env.value)
                }
                (None, Some(file)) => {
                    if file.value.is_empty() {
                        let d = Diagnostic::error(codes::NOT_A_PATH, file.span, "`file` is an empty path");
                        self.report(d.help("name the file that holds the secret"));
                        continue;
                    }
                    SecretFrom::File(file.value)
                }
                (None, None) => {
                    if !fields.faulty {
                        let message = format!("the secret {} does not say where it comes from", quote(&name.value));
                        let d = Diagnostic::error(codes::MISSING_KEY, span, message);
                        self.report(d.help("write `{ env = \"VARIABLE\" }` or `{ file = \"path\" }`"));
                    }
                    continue;
                }
            };
            out.push((name, Spanned { value: from, span }));
        }
        out
    }

    /// A secret has a variable for itself.
    fn named_once(&mut self, table: &Fields<'_>, name: &Name) {
        if matches!(&*name.value, "FLOWRUN_OUTPUT" | "FLOWRUN_VARS") {
            let message = format!("{} is set by flowrun itself", quote(&name.value));
            let d = Diagnostic::error(codes::RESERVED_NAME, name.span, message);
            self.report(d.help("choose another name"));
        }
        let mut others = Vec::new();
        if let Some(env) = table.get("env") {
            let same = self.sorted(env.value).into_iter().find(|(other, _)| other.value == name.value);
            others.extend(same.map(|(other, _)| other.span));
        }
        if let Some(DeValue::Array(words)) = table.get("pass_env").map(|field| field.value.get_ref()) {
            let same = words.iter().find(|word| word.get_ref().as_str() == Some(&*name.value));
            others.extend(same.map(|word| self.span(word.span())));
        }
        for other in others {
            let message = format!("the variable {} is a secret and something else too", quote(&name.value));
            let d = Diagnostic::error(codes::KEY_CONFLICT, name.span, message).also(other, "here it is no secret");
            self.report(d.help("keep one: what stands under `env` is kept in the cache's key"));
        }
    }

    /// Lines of shell: one string, or an array of them.
    pub(super) fn lines(&mut self, table: &Fields<'_>, key: &str) -> Vec<Text> {
        match self.text(table, key) {
            Some(text) => vec![text],
            None => self.texts(table, key).map_or_else(Vec::new, |texts| texts.value),
        }
    }
}
