//! Evaluation of values of the file that hold templates.

use crate::base::Value;
use crate::lang::expr::{EvalError, Frame};
use crate::plan::Shape;

impl Shape {
    /// The value with every template in it evaluated; a template that is one single `{{ … }}` keeps its native type.
    pub fn eval(&self, frame: &Frame) -> Result<Value, EvalError> {
        Ok(match self {
            Shape::Plain(value) => value.clone(),
            Shape::Template(template) => template.eval(frame)?,
            Shape::List(items) => Value::list(items.iter().map(|item| item.eval(frame)).collect::<Result<_, _>>()?),
            Shape::Map(entries) => {
                let entries = entries.iter().map(|(name, shape)| Ok((name.clone(), shape.eval(frame)?)));
                Value::map(entries.collect::<Result<_, EvalError>>()?)
            }
        })
    }
}
