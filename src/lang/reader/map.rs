//! `[map.NAME]`: a list and a body; and the sources that a list may come from.

use super::fields::Fields;
use super::fields::noun;
use super::{Limits, Reader, Val};
use crate::base::text::{or, quote};
use crate::diag::{Diagnostic, Spanned, codes};
use crate::lang::keys::{Kind, Table};
use crate::lang::model::{Datum, MapDecl, Name, OverDecl, Source};
use toml::de::DeValue;

impl Reader<'_> {
    pub(super) fn map(&mut self, name: Name, value: Val<'_>, limits: &Limits) -> MapDecl {
        let empty = toml::de::DeTable::new();
        let toml = value.get_ref().as_table().unwrap_or(&empty);
        let table = self.fields(Table::Map, self.span(value.span()), toml);
        let reports = self.diagnostics.len();
        let nodes = self.nodes(&table, limits);
        if nodes.is_empty() && self.diagnostics.len() == reports && table.no_body() {
            let message = format!("the map {} has no body", quote(&name.value));
            let d = Diagnostic::error(codes::EMPTY_BODY, table.span, message);
            self.report(d.help(format!("say what is done with each item: `[map.{}.task.NAME]`", name.value)));
        }
        let over = self.over(&table).unwrap_or_else(|| OverDecl {
            source: Source::Value(Datum::List(Spanned { value: Vec::new(), span: table.span })),
            span: table.span,
            item: None,
            key: None,
            filter: None,
            group_by: None,
            chunk: None,
            max_parallel: None,
            max_failures: None,
        });
        MapDecl {
            description: self.text(&table, "description"),
            over,
            when: self.condition(&table, "when"),
            after: self.names(&table, "after", "a node"),
            resources: self.resources(&table, limits),
            outputs: self.values(&table, "outputs", "an output"),
            policy: self.policy(&table),
            nodes,
            name,
        }
    }

    /// `over` and what belongs to it, of a map or of a task that is its own map.
    pub(super) fn over(&mut self, table: &Fields<'_>) -> Option<OverDecl> {
        let item = self.text(table, "as").and_then(|text| {
            let name = Spanned { value: text.value, span: text.span };
            let own = &*name.value == "item";
            if !own && self.check_name(&name, "an item") {
                self.check_free(&name, "an item");
            }
            crate::lang::keys::is_name(&name.value).then_some(name)
        });
        let key = self.expression(table, "key");
        let filter = self.expression(table, "where");
        let group_by = self.expression(table, "group_by");
        let chunk = self.count(table, "chunk");
        let max_parallel = self.count(table, "max_parallel");
        let max_failures = self.allowance(table);
        // What is wrong about the list has been said: the rest is read as if there were one.
        let unknown = || Source::Value(Datum::List(Spanned { value: Vec::new(), span: table.span }));
        let (span, source) = match table.get("over") {
            Some(field) => (self.span(field.value.span()), self.source(field.value, "over").unwrap_or_else(unknown)),
            None if table.rejected.contains(&"over") => (table.span, unknown()),
            None => return None,
        };
        Some(OverDecl { source, span, item, key, filter, group_by, chunk, max_parallel, max_failures })
    }

    /// Where items come from: an expression, a literal list, or a table with one key.
    fn source(&mut self, value: Val<'_>, name: &str) -> Option<Source> {
        let span = self.span(value.span());
        let DeValue::Table(toml) = value.get_ref() else {
            let datum = self.datum(value);
            if let Datum::Text(text) = &datum {
                self.must_hold_expression(text, name);
            }
            return Some(Source::Value(datum));
        };
        let fields = self.fields(Table::Source, span, toml);
        let names: Vec<&str> = Table::Source.keys().map(|key| key.name).collect();
        let mut given = fields.given(&names);
        given.sort_by_key(|field| field.name.span);
        match given.as_slice() {
            [] => {
                if !fields.faulty {
                    let d = Diagnostic::error(codes::BAD_SOURCE, span, format!("{} names no source", quote(name)));
                    self.report(d.help(format!("give it one of {}", or(names))));
                }
                None
            }
            [field] => match field.key.name {
                "range" => self.range(field.value),
                "product" => self.axes(field.value, "product").map(Source::Product),
                "zip" => {
                    let axes = self.axes(field.value, "zip")?;
                    self.check_lengths(&axes);
                    Some(Source::Zip(axes))
                }
                form => {
                    let text = self.text_of(field.value)?;
                    if text.value.is_empty() {
                        let d =
                            Diagnostic::error(codes::BAD_SOURCE, text.span, format!("{} names no file", quote(form)));
                        self.report(d.help("give it a path relative to the pipeline file"));
                        return None;
                    }
                    Some(match form {
                        "glob" => Source::Glob(text),
                        "lines" => Source::Lines(text),
                        "csv" => Source::Csv(text),
                        "tsv" => Source::Tsv(text),
                        _ => Source::Jsonl(text),
                    })
                }
            },
            [first, second, ..] => {
                let message = format!("{} has more than one source", quote(name));
                let d = Diagnostic::error(codes::BAD_SOURCE, second.name.span, message).label("one too many");
                let help = "keep one; `product` and `zip` take several: `{ zip = { a = { lines = \"…\" }, b = … } }`";
                self.report(d.also(first.name.span, "the first one").help(help));
                None
            }
        }
    }

    fn range(&mut self, value: Val<'_>) -> Option<Source> {
        let span = self.span(value.span());
        let items = value.get_ref().as_array()?;
        if !(2..=3).contains(&items.len()) {
            let message =
                format!("`range` has {}, not two or three", crate::base::text::count(items.len() as u64, "element"));
            let d = Diagnostic::error(codes::BAD_SOURCE, span, message);
            self.report(d.help("write `[from, to]` or `[from, to, step]`; `to` itself is not in it"));
            return None;
        }
        let mut parts = Vec::new();
        for item in items.iter() {
            if !matches!(item.get_ref(), DeValue::Integer(_) | DeValue::String(_)) {
                let found = noun(item.get_ref());
                let message = format!("an element of `range` is {found}, not a whole number or an expression");
                let d = Diagnostic::error(codes::WRONG_TYPE, self.span(item.span()), message).label(found);
                self.report(d.help("write a whole number, or an expression: `\"{{ … }}\"`"));
                return None;
            }
            let datum = self.datum(item);
            if let Datum::Text(text) = &datum
                && !super::data::has_hole(&text.value)
            {
                let message = "an element of `range` is plain text, not an expression";
                let d = Diagnostic::error(codes::NO_EXPRESSION, text.span, message);
                self.report(d.help("write a whole number, or an expression: `\"{{ … }}\"`"));
            }
            parts.push(datum);
        }
        if let Some(Datum::Plain(step)) = parts.get(2)
            && step.value == crate::base::Value::Int(0)
        {
            let d = Diagnostic::error(codes::BAD_NUMBER, step.span, "the step of a `range` cannot be 0");
            self.report(d.help("leave it out for 1"));
        }
        Some(Source::Range(parts))
    }

    /// The lists of `product` and `zip`.
    fn axes(&mut self, value: Val<'_>, form: &str) -> Option<Vec<(Name, Source)>> {
        let mut out = Vec::new();
        let entries = self.sorted(value);
        if entries.is_empty() {
            let d =
                Diagnostic::error(codes::BAD_SOURCE, self.span(value.span()), format!("{} has no list", quote(form)));
            self.report(d.help(format!("name its lists: `{{ {form} = {{ a = […], b = […] }} }}`")));
            return None;
        }
        for (name, value) in entries {
            if self.check_name(&name, "a field") && self.fits(&name, value, Kind::SourceValue) {
                let source = self.source(value, &name.value);
                out.extend(source.map(|source| (name, source)));
            }
        }
        Some(out)
    }

    /// The lists of a `zip` that stand in the file have one length.
    fn check_lengths(&mut self, axes: &[(Name, Source)]) {
        let literal = |(name, source): &(Name, Source)| match source {
            Source::Value(Datum::List(items)) => Some((name.value.clone(), items.value.len(), items.span)),
            _ => None,
        };
        let mut lists = axes.iter().filter_map(literal);
        let Some((first, length, place)) = lists.next() else { return };
        for (name, other, span) in lists.filter(|(_, other, _)| *other != length) {
            let elements = |n: usize| crate::base::text::count(n as u64, "element");
            let message = format!("the lists of a `zip` have one length, and {} has another", quote(&name));
            let d = Diagnostic::error(codes::BAD_SOURCE, span, message).label(elements(other));
            let d = d.also(place, format!("{} has {}", quote(&first), elements(length)));
            self.report(d.help("make them equally long, or take `product` for every combination"));
        }
    }
}
