//! Why something of the file could not be had from its values, and where the file says so. Before anything runs it is a
//! diagnostic, later the failure of an instance, which then names the line.

use crate::base::human;
use crate::diag::{Sources, Span};
use crate::driver::scene::refused;
use crate::event::Failure;
use crate::lang::expr::{EvalError, Template};
use crate::plan::Shape;

/// What is wrong, and where; without a place it is the node as a whole.
#[derive(Debug)]
pub struct Wrong {
    /// What is wrong.
    pub failure: Failure,
    /// Where.
    pub span: Option<Span>,
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self { failure, span: None }
    }
}

impl Wrong {
    /// Without a place.
    pub fn new(message: String, help: Option<&str>) -> Self {
        refused(message, help.map(str::to_owned)).into()
    }
    /// In an expression; `place` is its key.
    pub fn of(place: &str, error: EvalError) -> Self {
        let failure = refused(format!("`{place}`: {}", error.message), error.help);
        Self { failure, span: Some(error.span) }
    }
    /// With this place, if it has none.
    pub fn at(self, template: &Template) -> Self {
        Self { span: Some(self.span.unwrap_or(template.source().span)), ..self }
    }
    /// With this place, if it has none and the shape has one.
    pub fn at_shape(self, shape: &Shape) -> Self {
        match shape {
            Shape::Template(template) => self.at(template),
            _ => self,
        }
    }
    /// Says which item of a list it was.
    pub fn of_item(self, index: usize) -> Self {
        let message = format!("item {index}: {}", self.failure.message).into();
        Self { failure: Failure { message, ..self.failure }, ..self }
    }
    /// The failure of an instance, with the line in its words.
    pub fn said(self, sources: &Sources) -> Failure {
        match self.span {
            Some(span) if !sources.path(span.file).is_empty() => {
                let (path, (line, _)) = (sources.path(span.file), sources.line_column(span.file, span.start));
                let message = format!("{} ({}:{line})", self.failure.message, human::plain(path));
                Failure { message: message.into(), ..self.failure }
            }
            _ => self.failure,
        }
    }
}
