//! What stands around a task's command: `secrets`, `setup`, and inputs that are fetched.

use super::Reader;
use super::data::has_hole;
use super::fields::Fields;
use crate::base::text::{or, quote};
use crate::diag::{Diagnostic, Spanned, codes};
use crate::lang::keys::Table;
use crate::lang::model::{ContainerDecl, ContainerEngine, Name, SecretFrom, Text};
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

    /// `container`: an image, or a table that names one.
    pub(super) fn container(&mut self, table: &Fields<'_>) -> Option<ContainerDecl> {
        let field = table.get("container")?;
        let span = self.span(field.value.span());
        let declared = match field.value.get_ref() {
            DeValue::Table(toml) => {
                let fields = self.fields(Table::Container, span, toml);
                let engine = self.text(&fields, "engine").and_then(|word| {
                    let engine = ContainerEngine::parse(&word.value);
                    if engine.is_none() {
                        let d = Diagnostic::error(
                            codes::UNKNOWN_WORD,
                            word.span,
                            format!("{} is no engine", quote(&word.value)),
                        );
                        self.report(d.help(format!("write {}", or(ContainerEngine::WORDS))));
                    }
                    engine
                });
                let options = self.words(&fields, "options").into_iter().map(|word| word.value).collect();
                ContainerDecl { image: self.text(&fields, "image")?, engine, options, span }
            }
            _ => ContainerDecl { image: self.text_of(field.value)?, engine: None, options: Vec::new(), span },
        };
        if declared.image.value.trim().is_empty() {
            let d = Diagnostic::error(codes::MISSING_KEY, declared.image.span, "`container` names no image");
            self.report(d.help("name one, or leave `container` out"));
            return None;
        }
        Some(declared)
    }

    /// Lines of shell: one string, or an array of them.
    pub(super) fn lines(&mut self, table: &Fields<'_>, key: &str) -> Vec<Text> {
        match self.text(table, key) {
            Some(text) => vec![text],
            None => self.texts(table, key).map_or_else(Vec::new, |texts| texts.value),
        }
    }

    /// `{ url, sha256 }`: whether it is whole. What is a template is looked at when its value is known.
    pub(super) fn fetched(&mut self, fields: &Fields<'_>, name: &Name) -> bool {
        let before = self.diagnostics.len();
        let (url, sha256) = (self.text(fields, "url"), self.text(fields, "sha256"));
        if let Some(url) = url.as_ref().filter(|url| !has_hole(&url.value)) {
            let at = ["https://", "http://"].iter().find_map(|scheme| url.value.strip_prefix(scheme));
            if at.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
                let message = format!("{} is no address that can be fetched", quote(&url.value));
                let d = Diagnostic::error(codes::BAD_ADDRESS, url.span, message);
                self.report(d.help("an address is `https://HOST/PATH` or `http://HOST/PATH`"));
            }
        }
        if let Some(text) = sha256.as_ref().filter(|text| !has_hole(&text.value) && !is_sha256(&text.value)) {
            let d = Diagnostic::error(codes::BAD_ADDRESS, text.span, "this is no SHA-256 digest");
            self.report(d.help("it has 64 hexadecimal digits: `sha256sum FILE` prints it"));
        }
        match (&url, &sha256) {
            _ if fields.faulty => {}
            (None, None) => {
                let message = format!("{} is an empty table", quote(&name.value));
                let d = Diagnostic::error(codes::WRONG_TYPE, fields.span, message);
                self.report(d.help(format!("write a path: `{} = \"data/reads.fq\"`", name.value)));
            }
            (None, Some(_)) => {
                let message = format!("{} does not say where it is fetched from", quote(&name.value));
                let d = Diagnostic::error(codes::MISSING_KEY, fields.span, message);
                self.report(d.help("add `url`; the content of a file of the project counts by itself"));
            }
            (Some(url), None) => {
                let message = format!("{} does not say what is fetched: it has no `sha256`", quote(&name.value));
                let d = Diagnostic::error(codes::MISSING_KEY, fields.span, message);
                let shown = if url.value.contains(['{', '\'']) || url.value.len() > 100 { "URL" } else { &url.value };
                self.report(d.help(format!("`curl -L '{shown}' | sha256sum` prints it")));
            }
            (Some(_), Some(_)) => {}
        }
        self.diagnostics.len() == before && !fields.faulty
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
