//! The keys of one TOML table against the table of keys: unknown ones, planned ones, values of the wrong type.

use super::{Reader, Val};
use crate::base::text::{and, or, quote, suggest};
use crate::diag::{Diagnostic, Span, Spanned, codes};
use crate::lang::keys::{self, Key, Kind, Status, Table};
use crate::lang::model::Name;
use toml::de::{DeTable, DeValue};

/// A key that was given, with a value of the right TOML type.
pub(super) struct Field<'t> {
    /// The key as written.
    pub name: Name,
    pub key: &'static Key,
    pub value: Val<'t>,
}

/// The known keys of one table, in the order of the file.
pub(super) struct Fields<'t> {
    pub table: Table,
    /// The header, or the braces.
    pub span: Span,
    fields: Vec<Field<'t>>,
    /// Keys that were reported and left out, also those that a misspelt one meant.
    pub rejected: Vec<&'static str>,
    /// Whether something about its keys was reported.
    pub faulty: bool,
}

impl<'t> Fields<'t> {
    pub fn get(&self, name: &str) -> Option<&Field<'t>> {
        debug_assert!(self.table.key(name).is_some(), "{:?} has no key {name}", self.table);
        self.fields.iter().find(|field| field.key.name == name)
    }
    /// Whether nothing was meant to be a node.
    pub fn no_body(&self) -> bool {
        !["task", "map", "branch", "loop", "call"].iter().any(|kind| self.rejected.contains(kind))
    }
    /// Those of `names` that were given.
    pub fn given(&self, names: &[&str]) -> Vec<&Field<'t>> {
        names.iter().filter_map(|name| self.get(name)).collect()
    }
}

impl Reader<'_> {
    /// Checks the keys of a table and the types of their values; what is wrong is reported and left out.
    pub(super) fn fields<'t>(&mut self, table: Table, span: Span, toml: &'t DeTable<'t>) -> Fields<'t> {
        let reports = self.diagnostics.len();
        let (mut fields, mut rejected) = (Vec::new(), Vec::new());
        let entries = self.sorted_table(toml);
        for (name, value) in &entries {
            match table.key(&name.value) {
                None => rejected.extend(self.unknown_key(table, name, toml)),
                Some(key) if key.status == Status::Planned => {
                    self.not_yet(name, key);
                    rejected.push(key.name);
                }
                Some(key) if self.fits(name, value, key.kind) => {
                    fields.push(Field { name: name.clone(), key, value });
                }
                Some(key) => rejected.push(key.name),
            }
        }
        for key in table.keys().filter(|key| key.status == Status::Required) {
            let misspelt = rejected.contains(&key.name);
            if !misspelt && !entries.iter().any(|(name, _)| &*name.value == key.name) {
                let message = format!("{} needs {}", table.noun(), quote(key.name));
                let d = Diagnostic::error(codes::MISSING_KEY, span, message);
                self.report(d.label(format!("no {} here", quote(key.name))).help(missing_help(key)));
            }
        }
        Fields { table, span, fields, rejected, faulty: self.diagnostics.len() > reports }
    }

    /// The entries of a table value in the order of the file; none of anything else.
    pub(super) fn sorted<'t>(&self, value: Val<'t>) -> Vec<(Name, Val<'t>)> {
        value.get_ref().as_table().map_or_else(Vec::new, |table| self.sorted_table(table))
    }

    pub(super) fn sorted_table<'t>(&self, table: &'t DeTable<'t>) -> Vec<(Name, Val<'t>)> {
        let entry = |(name, value): (&'t toml::Spanned<toml::de::DeString<'t>>, Val<'t>)| {
            (Spanned { value: (&**name.get_ref()).into(), span: self.span(name.span()) }, value)
        };
        let mut entries: Vec<_> = table.iter().map(entry).collect();
        entries.sort_by_key(|(name, _)| name.span);
        entries
    }

    /// The entries of a table from names, `[params]` or `env`, whose values fit; `noun` says what a name is of.
    pub(super) fn entries<'t>(&mut self, table: &Fields<'t>, key: &str, noun: &str) -> Vec<(Name, Val<'t>)> {
        let Some(field) = table.get(key) else { return Vec::new() };
        let Kind::Named(inner) = field.key.kind else { return Vec::new() };
        let mut out = Vec::new();
        for (name, value) in self.sorted(field.value) {
            let misplaced = match inner {
                Kind::Table(of) => of.key(&name.value).filter(|_| !value.get_ref().is_table()),
                _ => None,
            };
            if let Some(known) = misplaced {
                let message = format!("{} stands where the name of {noun} belongs", quote(known.name));
                let d = Diagnostic::error(codes::WRONG_TYPE, name.span, message);
                self.report(d.help(format!("give it a name: `[{key}.NAME]`")));
            } else if self.check_name(&name, noun) && self.fits(&name, value, *inner) {
                out.push((name, value));
            }
        }
        out
    }

    /// Like [`Self::entries`], of tables: each with the span of its header or braces.
    pub(super) fn tables<'t>(&mut self, table: &Fields<'t>, key: &str, noun: &str) -> Vec<(Name, Val<'t>)> {
        let entries = self.entries(table, key, noun);
        entries.into_iter().filter(|(_, value)| value.get_ref().is_table()).collect()
    }

    /// The fields of a table that stands at a key.
    pub(super) fn table<'t>(&mut self, table: &Fields<'t>, key: &str) -> Option<Fields<'t>> {
        let field = table.get(key)?;
        let Kind::Table(inner) = field.key.kind else { return None };
        Some(self.fields(inner, self.span(field.value.span()), field.value.get_ref().as_table()?))
    }

    /// Whether a name follows the pattern.
    pub(super) fn check_name(&mut self, name: &Name, noun: &str) -> bool {
        if keys::is_name(&name.value) {
            return true;
        }
        let message = format!("{} cannot be the name of {noun}", quote(&name.value));
        let d = Diagnostic::error(codes::BAD_NAME, name.span, message);
        let mut fixed: String = name.value.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if !fixed.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            fixed.insert(0, '_');
        }
        let fixed = fixed.get(..40).unwrap_or(&fixed);
        self.report(d.help(format!("a name is letters, digits and `_`, not a digit first: `{fixed}`")));
        false
    }

    /// Reports a name that expressions could not tell from one of the language's own.
    pub(super) fn check_free(&mut self, name: &Name, noun: &str) {
        if let Some(why) = keys::reserved(&name.value) {
            let message = format!("{} cannot be the name of {noun}: it {why}", quote(&name.value));
            self.report(Diagnostic::error(codes::RESERVED_NAME, name.span, message).help("choose another name"));
        }
    }

    pub(super) fn not_yet(&mut self, name: &Name, key: &Key) {
        let message = format!("{} is part of the language, but not of this version", quote(key.name));
        let doc = key.doc.trim_end_matches('.');
        let mut first = doc.chars();
        let meaning: String = first.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(first).collect();
        let d = Diagnostic::error(codes::NOT_YET, name.span, message).label(meaning);
        self.report(d.help("leave it out for now"));
    }

    /// Gives the key that was probably meant.
    fn unknown_key<'t>(&mut self, table: Table, name: &Name, toml: &'t DeTable<'t>) -> Option<&'static str> {
        let text = &*name.value;
        let message = format!("{} has no key {}", table.noun(), quote(text));
        let d = Diagnostic::error(codes::UNKNOWN_KEY, name.span, message).label("unknown key");
        let available = || table.keys().filter(|key| key.status != Status::Planned).map(|key| key.name);
        // a key that is there already is not what was meant
        let free = table.keys().map(|key| key.name).filter(|key| !toml.contains_key(*key));
        let meant = suggest(text, free);
        let mut elsewhere: Vec<Table> = Table::ALL
            .into_iter()
            .filter(|other| *other != table && other.key(text).is_some_and(|key| key.status != Status::Planned))
            .collect();
        if elsewhere.iter().any(|other| other.of_settings() == table.of_settings()) {
            elsewhere.retain(|other| other.of_settings() == table.of_settings());
        }
        let help = if elsewhere.contains(&Table::Resources) && table.key("resources").is_some() {
            format!("it belongs under `resources`: `resources.{text} = …`")
        } else if let Some(meant) = meant {
            format!("did you mean {}?", quote(meant))
        } else if !elsewhere.is_empty() {
            format!("it is a key of {}", list(elsewhere.iter().map(|table| table.noun())))
        } else {
            match available().count() {
                _ if table == Table::Input => {
                    "write a path alone; a table is for what is fetched: `{ url = …, sha256 = … }`".to_owned()
                }
                1 => format!("the only key is {}", and(available())),
                _ => format!("the keys are {}", and(available())),
            }
        };
        self.report(d.help(help));
        meant
    }

    /// Whether a value has the TOML type that a key wants; reports it otherwise.
    pub(super) fn fits(&mut self, name: &Name, value: Val<'_>, kind: Kind) -> bool {
        use DeValue as V;
        let toml = value.get_ref();
        let string = toml.is_str();
        let fits = match kind {
            Kind::Plain | Kind::Template | Kind::Type | Kind::Name | Kind::Expression => string,
            Kind::Condition => string || toml.is_bool(),
            Kind::Bool => toml.is_bool(),
            Kind::Int(..) => toml.is_integer(),
            Kind::Count(_) | Kind::Memory | Kind::Duration => string || toml.is_integer(),
            Kind::Number => toml.is_integer() || toml.is_float(),
            Kind::Value | Kind::Literal => true,
            Kind::SlurmOptions => toml.is_table(),
            Kind::Scalar => matches!(toml, V::String(_) | V::Integer(_) | V::Float(_) | V::Boolean(_)),
            Kind::Literals | Kind::Names | Kind::Words | Kind::Program | Kind::RangeValue => toml.is_array(),
            Kind::InputValue | Kind::SourceValue => string || toml.is_array() || toml.is_table(),
            Kind::Lines | Kind::OneOrMore => string || toml.is_array(),
            Kind::OutputValue | Kind::Content | Kind::ContainerValue => string || toml.is_table(),
            Kind::Axes | Kind::Table(_) | Kind::Contents | Kind::Cases | Kind::Named(_) => toml.is_table(),
            Kind::Choice(_) | Kind::Requirement | Kind::Factor => string,
            Kind::Allowance | Kind::PlainMemory | Kind::PlainDuration => string || toml.is_integer(),
            Kind::Causes => toml.is_array(),
        };
        // `[[task.a]]` is an array to TOML, and its name stands inside the brackets; no key takes one
        let tables = toml.is_array() && value.span().contains(&(name.span.start as usize));
        if fits && !tables {
            return self.without_nul(name, value, kind);
        }
        // a value that is not there: the parser has complained already
        if value.span().is_empty() {
            return false;
        }
        let found = if tables { "an array of tables" } else { noun(toml) };
        let message = format!("{} is {found}, not {}", quote(&name.value), kind.noun());
        let d = Diagnostic::error(codes::WRONG_TYPE, self.span(value.span()), message).label(found);
        let header = self.text.get(value.span()).and_then(|text| text.strip_prefix('[')?.strip_suffix(']'));
        let help = match header.filter(|_| tables) {
            Some(header) => format!("write one pair of brackets: `{header}`"),
            None => self.type_help(name, value, kind),
        };
        self.report(d.help(help));
        false
    }

    /// Reports a NUL in what becomes a path, a word of a command or a variable: nothing of a machine can hold it.
    fn without_nul(&mut self, name: &Name, value: Val<'_>, kind: Kind) -> bool {
        if matches!(kind, Kind::Value | Kind::Literal | Kind::Literals | Kind::Expression | Kind::Condition) {
            return true;
        }
        let strings: Vec<Val<'_>> = match value.get_ref() {
            DeValue::String(_) => vec![value],
            DeValue::Array(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        let held = strings.into_iter().find(|value| value.get_ref().as_str().is_some_and(|text| text.contains('\0')));
        let Some(held) = held else { return true };
        let message = format!("{} holds a NUL character", quote(&name.value));
        let d = Diagnostic::error(codes::NUL, self.span(held.span()), message);
        self.report(d.help("take it out: no command, path or variable can hold one"));
        false
    }

    /// How the value would be written as the type that is wanted, else some value of that type.
    fn type_help(&self, name: &Name, value: Val<'_>, kind: Kind) -> String {
        let source = self.text.get(value.span()).unwrap_or_default();
        let short = source.len() <= 60 && !source.contains('\n');
        let key = &name.value;
        match (kind, value.get_ref()) {
            (Kind::Int(..) | Kind::Number, DeValue::String(text)) if short && text.trim().parse::<f64>().is_ok() => {
                format!("write it without quotes: `{key} = {}`", text.trim())
            }
            (Kind::Bool, DeValue::String(text)) if matches!(&**text, "true" | "false") => {
                format!("write it without quotes: `{key} = {text}`")
            }
            (Kind::Bool, DeValue::String(text)) if super::data::has_hole(text) => {
                "no expression can stand here, for it is needed before anything runs".to_owned()
            }
            (Kind::Plain | Kind::Template | Kind::Name, toml) if short && !toml.is_array() && !toml.is_table() => {
                format!("put it in quotes: `{key} = \"{source}\"`")
            }
            (Kind::Words | Kind::Program, DeValue::String(text)) if short => {
                let words: Vec<String> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
                format!("write one element a word: `{key} = [{}]`", words.join(", "))
            }
            (Kind::Names | Kind::Literals, DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_)) if short => {
                format!("write an array of one: `{key} = [{source}]`")
            }
            _ => format!("for example: `{key} = {}`", kind.example()),
        }
    }
}

/// "a task, a map or `resources`": nouns that carry their own article and quotes.
fn list<'a>(nouns: impl Iterator<Item = &'a str>) -> String {
    let nouns: Vec<&str> = nouns.collect();
    match nouns.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => nouns.concat(),
    }
}

fn missing_help(key: &Key) -> String {
    match key.kind {
        Kind::SourceValue => format!("say what list it goes over: `{} = \"{{{{ … }}}}\"`", key.name),
        _ => format!("add {}", or([key.name])),
    }
}

/// What a TOML value is, for a sentence.
pub(super) fn noun(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
