//! Single values: strings, numbers, amounts, arrays of words, and values of any shape.

use super::fields::{Fields, noun};
use super::{Reader, Val, strings};
use crate::base::Value;
use crate::base::amount::{parse_bytes, parse_duration};
use crate::base::text::quote;
use crate::diag::{Diagnostic, Spanned, codes};
use crate::lang::keys::Kind;
use crate::lang::model::{Datum, Name, Text};
use std::sync::Arc;
use toml::de::DeValue;

impl Reader<'_> {
    /// The string at a key.
    pub(super) fn text(&mut self, table: &Fields<'_>, key: &str) -> Option<Text> {
        table.get(key).and_then(|field| self.text_of(field.value))
    }

    /// A string's text; `None` for anything else.
    pub(super) fn text_of(&self, value: Val<'_>) -> Option<Text> {
        value.get_ref().as_str()?;
        let range = value.span();
        Some(strings::decode(self.text.get(range.clone())?, range.start as u32, self.file))
    }

    /// The string at a key that must hold an expression.
    pub(super) fn expression(&mut self, table: &Fields<'_>, key: &str) -> Option<Text> {
        let text = self.text(table, key)?;
        self.must_hold_expression(&text, key);
        Some(text)
    }

    pub(super) fn must_hold_expression(&mut self, text: &Text, key: &str) {
        if !has_hole(&text.value) {
            let d = Diagnostic::error(
                codes::NO_EXPRESSION,
                text.span,
                format!("{} is plain text, not an expression", quote(key)),
            );
            let inner = text.value.trim();
            let example = if inner.is_empty() || inner.contains('\n') || inner.len() > 60 { "…" } else { inner };
            self.report(d.help(format!("put the expression in braces: `{key} = \"{{{{ {example} }}}}\"`")));
        }
    }

    /// The whole number at a key, in the key's bounds.
    pub(super) fn int(&mut self, table: &Fields<'_>, key: &str) -> Option<Spanned<i64>> {
        let field = table.get(key)?;
        let Kind::Int(least, most) = field.key.kind else { return None };
        self.bounded(field.value, key, least, most)
    }

    /// The count at a key: a whole number from 1.
    pub(super) fn count(&mut self, table: &Fields<'_>, key: &str) -> Option<Spanned<u32>> {
        let field = table.get(key)?;
        self.small(field.value, key)
    }

    pub(super) fn small(&mut self, value: Val<'_>, name: &str) -> Option<Spanned<u32>> {
        let number = self.bounded(value, name, 1, i64::from(u32::MAX))?;
        Some(Spanned { value: u32::try_from(number.value).ok()?, span: number.span })
    }

    pub(super) fn bounded(&mut self, value: Val<'_>, name: &str, least: i64, most: i64) -> Option<Spanned<i64>> {
        let span = self.span(value.span());
        let number = self.integer(value)?;
        if (least..=most).contains(&number) {
            return Some(Spanned { value: number, span });
        }
        let bound = if number < least { format!("at least {least}") } else { format!("at most {most}") };
        let d = Diagnostic::error(codes::BAD_NUMBER, span, format!("{} must be {bound}", quote(name)));
        self.report(d.help(match most {
            i64::MAX => format!("write {least} or more"),
            _ => format!("write a whole number from {least} to {most}"),
        }));
        None
    }

    /// The integer that a value is; reports one that does not fit 64 bits.
    fn integer(&mut self, value: Val<'_>) -> Option<i64> {
        let integer = value.get_ref().as_integer()?;
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        // where there is no digit at all, the parser has complained already
        if number.is_none() && integer.as_str().bytes().any(|b| b.is_ascii_digit()) {
            let d = Diagnostic::error(
                codes::BAD_NUMBER,
                self.span(value.span()),
                "the number does not fit 64 bits with a sign",
            );
            self.report(d.help(format!("the greatest is {}, the least {}", i64::MAX, i64::MIN)));
        }
        number
    }

    /// Checks the literal amounts under `resources`; what holds an expression is checked when it has a value.
    pub(super) fn amount_fits(&mut self, name: &Name, value: Val<'_>, kind: Kind) -> bool {
        let span = self.span(value.span());
        let text = self.text_of(value);
        if text.as_ref().is_some_and(|text| has_hole(&text.value)) {
            return true;
        }
        let problem = match (kind, text) {
            (Kind::Count(least), None) => {
                return self.bounded(value, &name.value, least, i64::from(u32::MAX)).is_some();
            }
            (Kind::Count(_), Some(text)) => {
                let help = match text.value.trim().parse::<u32>() {
                    Ok(n) => format!("write it without quotes: `{} = {n}`", name.value),
                    Err(_) => "write a whole number, or an expression: `\"{{ … }}\"`".to_owned(),
                };
                let message = format!("{} is a string, not a whole number or an expression", quote(&name.value));
                self.report(Diagnostic::error(codes::WRONG_TYPE, span, message).label("a string").help(help));
                return false;
            }
            (Kind::Memory | Kind::Duration, None) => return self.bounded(value, &name.value, 0, i64::MAX).is_some(),
            (Kind::Memory, Some(text)) => parse_bytes(&text.value).err(),
            (Kind::Duration, Some(text)) => parse_duration(&text.value).err(),
            _ => None,
        };
        let Some(problem) = problem else { return true };
        let d = Diagnostic::error(codes::BAD_AMOUNT, span, problem.message);
        self.report(Diagnostic { help: problem.help, ..d });
        false
    }

    /// A value of any shape; strings may hold templates.
    pub(super) fn datum(&mut self, value: Val<'_>) -> Datum {
        let span = self.span(value.span());
        match value.get_ref() {
            DeValue::Array(items) => {
                Datum::List(Spanned { value: items.iter().map(|item| self.datum(item)).collect(), span })
            }
            DeValue::Table(_) => {
                let entries = self.sorted(value);
                let entries = entries.into_iter().map(|(name, value)| (name, self.datum(value))).collect();
                Datum::Map(Spanned { value: entries, span })
            }
            DeValue::String(_) => match self.text_of(value) {
                Some(text) => Datum::Text(text),
                None => Datum::Plain(Spanned { value: Value::Null, span }),
            },
            DeValue::Integer(_) => Datum::Plain(Spanned { value: Value::Int(self.integer(value).unwrap_or(0)), span }),
            DeValue::Float(float) => Datum::Plain(Spanned { value: self.float(value, float.as_str()), span }),
            DeValue::Boolean(b) => Datum::Plain(Spanned { value: Value::Bool(*b), span }),
            DeValue::Datetime(_) => {
                let written = self.text.get(value.span()).unwrap_or_default();
                Datum::Plain(Spanned { value: Value::str(written), span })
            }
        }
    }

    fn float(&mut self, value: Val<'_>, digits: &str) -> Value {
        match digits.parse::<f64>() {
            Ok(x) if x.is_finite() => Value::Float(x),
            Ok(_) => {
                let message = "a number of the pipeline must be finite";
                let d = Diagnostic::error(codes::BAD_NUMBER, self.span(value.span()), message);
                self.report(d.help("leave it out, or write it as a string"));
                Value::Float(0.0)
            }
            Err(_) => Value::Float(0.0),
        }
    }

    /// The named values at a key: `vars`, `env`, `[outputs]`.
    pub(super) fn values(&mut self, table: &Fields<'_>, key: &str, noun: &str) -> Vec<(Name, Datum)> {
        let entries = self.entries(table, key, noun);
        entries.into_iter().map(|(name, value)| (name, self.datum(value))).collect()
    }

    /// The array of strings at a key; elements of other types are reported and left out.
    pub(super) fn texts(&mut self, table: &Fields<'_>, key: &str) -> Option<Spanned<Vec<Text>>> {
        let field = table.get(key)?;
        let span = self.span(field.value.span());
        let mut out = Vec::new();
        for item in field.value.get_ref().as_array()?.iter() {
            match self.text_of(item) {
                Some(text) => out.push(text),
                None => self.wrong_element(key, item),
            }
        }
        Some(Spanned { value: out, span })
    }

    pub(super) fn wrong_element(&mut self, key: &str, item: Val<'_>) {
        let found = noun(item.get_ref());
        let message = format!("an element of {} is {found}, not a string", quote(key));
        let d = Diagnostic::error(codes::WRONG_TYPE, self.span(item.span()), message).label(found);
        let source = self.text.get(item.span()).unwrap_or_default();
        let scalar = !matches!(item.get_ref(), DeValue::Array(_) | DeValue::Table(_));
        self.report(d.help(match scalar {
            true => format!("put it in quotes: `\"{source}\"`"),
            false => format!("write strings alone: `{key} = [\"a\", \"b\"]`"),
        }));
    }

    /// Like [`Self::texts`], of a program and its arguments: never empty.
    pub(super) fn program(&mut self, table: &Fields<'_>, key: &str) -> Option<Spanned<Vec<Text>>> {
        let words = self.texts(table, key)?;
        let given = table.get(key)?.value.get_ref().as_array()?;
        if given.is_empty() {
            let message = format!("{} is an empty array", quote(key));
            let d = Diagnostic::error(codes::WRONG_TYPE, words.span, message);
            self.report(d.help("its first element is the program"));
        }
        Some(words)
    }

    /// The array of names at a key.
    pub(super) fn names(&mut self, table: &Fields<'_>, key: &str, noun: &str) -> Vec<Name> {
        let texts = self.texts(table, key).map_or_else(Vec::new, |texts| texts.value);
        let names = texts.into_iter().map(|text| Spanned { value: text.value, span: text.span });
        names.filter(|name| self.check_name(name, noun)).collect()
    }

    /// Strings as they stand.
    pub(super) fn words(&mut self, table: &Fields<'_>, key: &str) -> Vec<Spanned<Arc<str>>> {
        let texts = self.texts(table, key).map_or_else(Vec::new, |texts| texts.value);
        texts.into_iter().map(|text| Spanned { value: text.value, span: text.span }).collect()
    }
}

/// Whether a string holds an expression; what is in it is another room's concern.
pub(super) fn has_hole(text: &str) -> bool {
    text.contains("{{")
}
