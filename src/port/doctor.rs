//! What `flowrun doctor` finds: plain data, told one by one as it is found. A backend lists its findings itself, so that
//! a new one can do the same.

use crate::port::Job;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// As it should be.
    Fine,
    /// No harm, and worth knowing.
    Note,
    /// A run would fail or suffer.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at, a word or two: `partitions`.
    pub about: Arc<str>,
    /// How it is to be taken.
    #[serde(rename = "verdict")]
    pub weight: Weight,
    /// What was found, a sentence without a full stop.
    pub text: String,
    /// More of it, each a line of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The same for programs.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl Finding {
    fn new(weight: Weight, about: &str, text: impl Into<String>) -> Self {
        let (lines, help, data) = (Vec::new(), None, Value::Null);
        Self { about: about.into(), weight, text: text.into(), lines, help, data }
    }
    /// As it should be.
    pub fn fine(about: &str, text: impl Into<String>) -> Self {
        Self::new(Weight::Fine, about, text)
    }
    /// Worth knowing.
    pub fn note(about: &str, text: impl Into<String>) -> Self {
        Self::new(Weight::Note, about, text)
    }
    /// To be mended, and how.
    pub fn wrong(about: &str, text: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Weight::Wrong, about, text).help(help)
    }
    /// How to mend it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// More lines.
    pub fn lines(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.lines.extend(lines);
        self
    }
    /// The same for programs.
    pub fn data(mut self, data: Value) -> Self {
        self.data = data;
        self
    }
}

/// What a backend is asked to look at.
pub struct Checkup<'a> {
    /// A task that says nothing of itself, with the defaults of pipeline and profile; `None`: these are wrong.
    pub job: Option<&'a Job>,
    /// `-j`.
    pub jobs: Option<u32>,
    /// An empty folder for test files where a run's would lie, absolute, removed afterwards; `None`: nothing can be
    /// written there.
    pub scratch: Option<&'a Path>,
    /// How long a test job may take from its submission to its end; `None`: none is submitted.
    pub try_for: Option<Duration>,
}

/// Looks at what a backend needs, and tells each finding as soon as it is known.
pub type Examine = fn(&Checkup<'_>, &mut dyn FnMut(Finding));
