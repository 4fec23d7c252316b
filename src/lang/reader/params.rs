//! `[params.NAME]`: a type, and values that fit it.

use super::fields::Fields;
use super::{Reader, Val};
use crate::base::Value;
use crate::base::text::quote;
use crate::diag::{Diagnostic, Severity, Span, Spanned, codes};
use crate::lang::keys::Table;
use crate::lang::model::{Datum, Name, ParamDecl, Text};
use crate::lang::types::Type;

impl Reader<'_> {
    pub(super) fn param(&mut self, name: Name, value: Val<'_>) -> ParamDecl {
        let empty = toml::de::DeTable::new();
        let toml = value.get_ref().as_table().unwrap_or(&empty);
        let table = self.fields(Table::Param, self.span(value.span()), toml);
        let given = table.get("default").map(|field| self.datum(field.value));
        let ty = match self.text(&table, "type") {
            Some(text) => self.type_of(&text),
            None => Some(Spanned { value: given.as_ref().map_or(Type::String, guess), span: name.span }),
        };
        let help = self.text(&table, "help").map(|text| text.value);
        // a type that cannot be read says nothing about the values
        let Some(ty) = ty else {
            let ty = Spanned { value: Type::Json, span: name.span };
            let default = given.map(|datum| stand_in(&datum));
            return ParamDecl { name, ty, default, min: None, max: None, choices: None, help };
        };
        let reports = self.diagnostics.len();
        let min = self.bound(&table, "min", &name, &ty.value);
        let max = self.bound(&table, "max", &name, &ty.value);
        let choices = self.choices(&table, &name, &ty.value);
        let default = given.map(|datum| {
            let typed = self.typed("default", &datum, &name, &ty.value);
            typed.unwrap_or_else(|| stand_in(&datum))
        });
        let param = ParamDecl { name, ty, default, min, max, choices, help };
        // bounds that are wrong themselves rule nothing
        if self.diagnostics[reports..].iter().all(|d| d.severity == Severity::Warning) {
            self.check_param(&param);
        }
        param
    }

    /// The type that a string names.
    pub(super) fn type_of(&mut self, text: &Text) -> Option<Spanned<Type>> {
        match Type::parse(&text.value) {
            Ok(ty) => Some(Spanned { value: ty, span: text.span }),
            Err(problem) => {
                let d = Diagnostic::error(codes::BAD_TYPE, text.span, problem.message);
                self.report(Diagnostic { help: problem.help, ..d });
                None
            }
        }
    }

    fn bound(&mut self, table: &Fields<'_>, key: &str, name: &Name, ty: &Type) -> Option<Spanned<Value>> {
        let field = table.get(key)?;
        if !matches!(ty, Type::Int | Type::Float) {
            let message = format!("{} is a `{ty}`, which has no {}", quote(&name.value), quote(key));
            let d = Diagnostic::error(codes::BAD_DEFAULT, field.name.span, message);
            self.report(d.help("only an `int` or `float` has bounds; `choices` lists the values of any type"));
            return None;
        }
        let datum = self.datum(field.value);
        self.typed(key, &datum, name, ty)
    }

    fn choices(&mut self, table: &Fields<'_>, name: &Name, ty: &Type) -> Option<Spanned<Vec<Value>>> {
        let field = table.get("choices")?;
        let span = self.span(field.value.span());
        let mut values = Vec::new();
        for item in field.value.get_ref().as_array()?.iter() {
            let datum = self.datum(item);
            values.extend(self.typed("choices", &datum, name, ty).map(|value| value.value));
        }
        if field.value.get_ref().as_array()?.is_empty() {
            let d = Diagnostic::error(codes::BAD_DEFAULT, span, "`choices` is empty, so no value would be allowed");
            self.report(d.help("list the values, or leave `choices` out"));
        }
        Some(Spanned { value: values, span })
    }

    /// The value as the param's type has it.
    fn typed(&mut self, key: &str, datum: &Datum, name: &Name, ty: &Type) -> Option<Spanned<Value>> {
        let span = datum.span();
        for text in datum.texts().into_iter().filter(|text| super::data::has_hole(&text.value)) {
            let message = format!("{} of a param is taken as it stands: `{{{{` begins no expression here", quote(key));
            let d = Diagnostic::error(codes::BAD_DEFAULT, text.span, message).warning();
            self.report(d.help("an expression may stand where the param is read"));
        }
        match ty.check(&datum.literal()) {
            Ok(value) => Some(Spanned { value, span }),
            Err(wrong) => {
                let message = format!("{} of {} does not fit its type: {wrong}", quote(key), quote(&name.value));
                let d = Diagnostic::error(codes::BAD_DEFAULT, span, message).label(format!("not {}", with_article(ty)));
                let help = match (ty, datum) {
                    (Type::Int | Type::Float | Type::Bool, Datum::Text(text)) => {
                        match ty.parse_text(text.value.as_bytes()) {
                            Ok(value) => Some(format!("write it without quotes: `{key} = {}`", value.to_json())),
                            Err(_) => None,
                        }
                    }
                    (Type::String | Type::Path, Datum::Plain(value)) => {
                        Some(format!("put it in quotes: `{key} = \"{}\"`", value.value.to_json().trim_matches('"')))
                    }
                    _ => None,
                };
                let help = help.or_else(|| Some("change the value or the type".to_owned()));
                self.report(Diagnostic { help, ..d });
                None
            }
        }
    }

    /// Bounds, choices and default among each other.
    fn check_param(&mut self, param: &ParamDecl) {
        if let (Some(min), Some(max)) = (&param.min, &param.max)
            && number(&min.value) > number(&max.value)
        {
            let message = format!("no value of {} can be at least `min` and at most `max`", quote(&param.name.value));
            let d = Diagnostic::error(codes::BAD_DEFAULT, max.span, message).label("less than `min`");
            self.report(d.also(min.span, "`min`").help("exchange them"));
            return;
        }
        for value in param.default.iter() {
            if let Some((why, span)) = outside(param, &value.value) {
                let message = format!("the default of {} is {why}", quote(&param.name.value));
                let d = Diagnostic::error(codes::BAD_DEFAULT, value.span, message).label("the default");
                self.report(d.also(span, "what it must keep to").help("change the one or the other"));
            }
        }
        for choices in param.choices.iter() {
            for value in &choices.value {
                let bounds = ParamDecl { choices: None, ..param.clone() };
                if let Some((why, span)) = outside(&bounds, value) {
                    let shown = quote(&value.to_json());
                    let message = format!("the choice {shown} of {} is {why}", quote(&param.name.value));
                    let d = Diagnostic::error(codes::BAD_DEFAULT, choices.span, message);
                    self.report(d.also(span, "what it must keep to").help("change the one or the other"));
                }
            }
        }
    }
}

/// For a default that was refused: the param has one, so that nobody asks for a value as well. Nothing runs anyway.
fn stand_in(default: &Datum) -> Spanned<Value> {
    Spanned { value: Value::Null, span: default.span() }
}

/// What rules a value of the param's type out, and where that is written.
fn outside(param: &ParamDecl, value: &Value) -> Option<(String, Span)> {
    if let Some(min) = &param.min
        && number(value) < number(&min.value)
    {
        return Some((format!("less than the least value allowed, {}", min.value.to_json()), min.span));
    }
    if let Some(max) = &param.max
        && number(value) > number(&max.value)
    {
        return Some((format!("more than the greatest value allowed, {}", max.value.to_json()), max.span));
    }
    if let Some(choices) = &param.choices
        && !choices.value.contains(value)
    {
        let shown: Vec<String> = choices.value.iter().map(Value::to_json).collect();
        let shown = crate::base::text::and(shown.iter().map(String::as_str));
        return Some((format!("not among the choices {shown}"), choices.span));
    }
    None
}

/// Integers compare exactly: no bound of an `int` meets a float.
fn number(value: &Value) -> Option<(f64, i64)> {
    match value {
        Value::Int(n) => Some((*n as f64, *n)),
        Value::Float(x) => Some((*x, 0)),
        _ => None,
    }
}

/// The type of a param that names none: its default's.
fn guess(default: &Datum) -> Type {
    match default.literal() {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::List(_) => Type::List(Box::new(Type::Json)),
        Value::Map(_) => Type::Map(Box::new(Type::Json)),
        Value::Str(_) | Value::Bytes(_) | Value::Null => Type::String,
    }
}

fn with_article(ty: &Type) -> String {
    match ty {
        Type::List(_) | Type::Map(_) => format!("a `{ty}`"),
        _ => crate::base::text::article(&ty.to_string()),
    }
}
