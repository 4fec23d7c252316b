//! `[call.NAME]`: another pipeline file as a node. The file itself is read by [`super::calls`].

use super::{Limits, Reader, Val, data, task};
use crate::base::text::quote;
use crate::diag::{Diagnostic, codes};
use crate::lang::keys::Table;
use crate::lang::model::{CallDecl, Name};
use toml::de::DeTable;

impl Reader<'_> {
    pub(super) fn call(&mut self, name: Name, value: Val<'_>, limits: &Limits) -> CallDecl {
        let empty = DeTable::new();
        let toml = value.get_ref().as_table().unwrap_or(&empty);
        let table = self.fields(Table::Call, self.span(value.span()), toml);
        let pipeline = self.text(&table, "pipeline");
        if let Some(text) = &pipeline {
            let problem = if text.value.is_empty() {
                Some(format!("the call {} names no file", quote(&name.value)))
            } else if data::has_hole(&text.value) {
                Some("no expression can stand in `pipeline`, for the file is read before anything runs".to_owned())
            } else {
                None
            };
            if let Some(message) = problem {
                let d = Diagnostic::error(codes::CALLED_FILE, text.span, message);
                self.report(
                    d.help("write the path of a pipeline file, relative to this one: `pipeline = \"qc.toml\"`"),
                );
            }
        }
        CallDecl {
            description: self.text(&table, "description"),
            pipeline: pipeline.unwrap_or_else(|| task::nothing(&table)),
            called: None,
            params: self.values(&table, "params", "a param"),
            when: self.condition(&table, "when"),
            after: self.names(&table, "after", "a node"),
            resources: self.resources(&table, limits),
            policy: self.policy(&table),
            over: self.shorthand(&table),
            name,
        }
    }
}
