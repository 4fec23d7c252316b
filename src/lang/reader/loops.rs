//! `[loop.NAME]`: a body, what it carries, and when it ends.

use super::fields::Fields;
use super::{Limits, Reader, Val};
use crate::base::text::{did_you_mean, or, quote};
use crate::diag::{Diagnostic, Spanned, codes};
use crate::lang::keys::{ON_MAX, Table};
use crate::lang::model::{CarryDecl, LoopDecl, Name};
use toml::de::DeTable;

impl Reader<'_> {
    pub(super) fn looped(&mut self, name: Name, value: Val<'_>, limits: &Limits) -> LoopDecl {
        let empty = DeTable::new();
        let toml = value.get_ref().as_table().unwrap_or(&empty);
        let table = self.fields(Table::Loop, self.span(value.span()), toml);
        let reports = self.diagnostics.len();
        let nodes = self.nodes(&table, limits);
        if nodes.is_empty() && self.diagnostics.len() == reports && table.no_body() {
            let message = format!("the loop {} has no body", quote(&name.value));
            let d = Diagnostic::error(codes::EMPTY_BODY, table.span, message);
            self.report(d.help(format!("say what an iteration does: `[loop.{}.task.NAME]`", name.value)));
        }
        self.belongs(&table, "on_max", "until");
        let carry = self.carry(&table);
        let outputs = self.values(&table, "outputs", "an output");
        for (output, _) in &outputs {
            self.check_not_iterations(output, "an output");
            if let Some(carried) = carry.iter().find(|carried| carried.name.value == output.value) {
                let message = format!("the output {} has the name of what the loop carries", quote(&output.value));
                let d = Diagnostic::error(codes::SHADOWED, output.span, message).label("this output");
                let help = format!("`{}.{}` could mean both: rename one of them", name.value, output.value);
                self.report(d.also(carried.name.span, "carried here").help(help));
            }
        }
        LoopDecl {
            description: self.text(&table, "description"),
            max: self.count(&table, "max").unwrap_or(Spanned { value: 1, span: table.span }),
            carry,
            until: self.expression(&table, "until"),
            accept: self.on_max(&table),
            outputs,
            when: self.condition(&table, "when"),
            after: self.names(&table, "after", "a node"),
            resources: self.resources(&table, limits),
            policy: self.policy(&table),
            nodes,
            name,
        }
    }

    fn carry(&mut self, table: &Fields<'_>) -> Vec<CarryDecl> {
        let mut out = Vec::new();
        for (name, value) in self.tables(table, "carry", "a carried value") {
            let Some(toml) = value.get_ref().as_table() else { continue };
            let fields = self.fields(Table::Carry, self.span(value.span()), toml);
            self.check_not_iterations(&name, "a carried value");
            if let (Some(init), Some(next)) = (fields.get("init"), fields.get("next")) {
                out.push(CarryDecl { init: self.datum(init.value), next: self.datum(next.value), name });
            }
        }
        out
    }

    fn check_not_iterations(&mut self, name: &Name, noun: &str) {
        if &*name.value == "iterations" {
            let message = format!("`iterations` cannot be the name of {noun}: it is the number of a loop's iterations");
            self.report(Diagnostic::error(codes::RESERVED_NAME, name.span, message).help("choose another name"));
        }
    }

    fn on_max(&mut self, table: &Fields<'_>) -> Option<Spanned<bool>> {
        let word = self.text(table, "on_max")?;
        match &*word.value {
            "fail" => Some(Spanned { value: false, span: word.span }),
            "accept" => Some(Spanned { value: true, span: word.span }),
            other => {
                let message = format!("{} is no policy for a loop that did not end", quote(other));
                let help = did_you_mean(other, ON_MAX).unwrap_or_else(|| format!("write {}", or(ON_MAX)));
                self.report(Diagnostic::error(codes::UNKNOWN_WORD, word.span, message).help(help));
                None
            }
        }
    }
}
