//! How parts of an entry are written in a column, the same in every database: JSON, never anything that is executed.

use crate::base::Digest;
use crate::event::{Results, RunState};
use crate::port::Component;
use std::sync::Arc;

pub(super) fn components_text(components: &[Component]) -> serde_json::Result<String> {
    let rows: Vec<(&str, &str, Digest)> = components.iter().map(|c| (&*c.name, &*c.text, c.digest)).collect();
    serde_json::to_string(&rows)
}

pub(super) fn components(text: &str) -> serde_json::Result<Vec<Component>> {
    let rows: Vec<(Arc<str>, Arc<str>, Digest)> = serde_json::from_str(text)?;
    Ok(rows.into_iter().map(|(name, text, digest)| Component { name, text, digest }).collect())
}

pub(super) fn results(text: &str) -> serde_json::Result<Results> {
    Ok(Arc::new(serde_json::from_str(text)?))
}

pub(super) fn state_text(state: RunState) -> &'static str {
    match state {
        RunState::Succeeded => "succeeded",
        RunState::Failed => "failed",
    }
}

pub(super) fn state(text: String) -> serde_json::Result<RunState> {
    serde_json::from_value(serde_json::Value::String(text))
}

/// Databases have signed integers only; the 64 bits are kept.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}
