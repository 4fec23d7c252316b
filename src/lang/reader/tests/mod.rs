#![allow(clippy::unwrap_used)]

mod calls;
mod forms;
mod keys;
mod model;
mod outputs;
mod policy;
mod syntax;
mod values;

use super::read;
use crate::diag::{Sources, render};

/// Everything that is wrong with a text (its first newline is no part of it), as a user sees it.
fn mistakes(text: &str) -> String {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let mut sources = Sources::default();
    let file = sources.add("pipeline.toml", text);
    format!("\n{}", render(&read(text, file, "pipeline").1, &sources, false))
}

#[test]
fn every_code_of_this_room_is_shown_in_full() {
    let shown = [
        include_str!("calls.rs"),
        include_str!("forms.rs"),
        include_str!("keys.rs"),
        include_str!("policy.rs"),
        include_str!("syntax.rs"),
        include_str!("values.rs"),
        include_str!("../../../../tests/config_stories.rs"),
        include_str!("../../../../tests/fetch_stories.rs"),
    ]
    .concat();
    let ours = crate::diag::codes::ALL.iter().filter(|(code, _)| code.starts_with("E01"));
    let unseen: Vec<&str> = ours.map(|(code, _)| *code).filter(|code| !shown.contains(&format!("[{code}]:"))).collect();
    assert_eq!(unseen, [""; 0]);
}
