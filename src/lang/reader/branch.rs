//! `[branch.NAME]`: a value and the bodies that it chooses from.

use super::fields::Fields;
use super::{Limits, Reader, Val, task};
use crate::base::text::quote;
use crate::diag::{Diagnostic, codes};
use crate::lang::keys::{Kind, Table};
use crate::lang::model::{BranchDecl, CaseDecl, Name};
use toml::de::DeTable;

impl Reader<'_> {
    pub(super) fn branch(&mut self, name: Name, value: Val<'_>, limits: &Limits) -> BranchDecl {
        let empty = DeTable::new();
        let toml = value.get_ref().as_table().unwrap_or(&empty);
        let table = self.fields(Table::Branch, self.span(value.span()), toml);
        let on = self.expression(&table, "on").unwrap_or_else(|| task::nothing(&table));
        let reports = self.diagnostics.len();
        let cases = self.cases(&name, &table, limits);
        let default = table.get("default").map(|field| self.case(field.name.clone(), field.value, limits));
        let bodies = cases.iter().chain(&default);
        if table.get("case").is_some()
            && self.diagnostics.len() == reports
            && bodies.clone().all(|case| case.nodes.is_empty())
        {
            let message = format!("the branch {} has no node in any case", quote(&name.value));
            let d = Diagnostic::error(codes::EMPTY_BODY, table.span, message);
            self.report(d.help(format!("say what is done in a case: `[branch.{}.case.CASE.task.NAME]`", name.value)));
        }
        BranchDecl {
            description: self.text(&table, "description"),
            on,
            cases,
            default,
            outputs: self.values(&table, "outputs", "an output"),
            when: self.condition(&table, "when"),
            after: self.names(&table, "after", "a node"),
            resources: self.resources(&table, limits),
            policy: self.policy(&table),
            name,
        }
    }

    fn cases(&mut self, branch: &Name, table: &Fields<'_>, limits: &Limits) -> Vec<CaseDecl> {
        let Some(field) = table.get("case") else { return Vec::new() };
        let mut cases = Vec::new();
        for (name, value) in self.sorted(field.value) {
            // `[branch.route.case.task.align]`: the name of the case was left out
            let forgotten = Table::Case.key(&name.value).is_some()
                && value.get_ref().as_table().is_none_or(|body| {
                    !body.is_empty() && body.keys().all(|key| Table::Case.key(key.get_ref()).is_none())
                });
            if forgotten {
                let message = format!("{} stands where the name of a case belongs", quote(&name.value));
                let d = Diagnostic::error(codes::WRONG_TYPE, name.span, message);
                let help =
                    format!("say for which value it is: `[branch.{}.case.VALUE.{}.…]`", branch.value, name.value);
                self.report(d.help(help));
            } else if self.fits(&name, value, Kind::Table(Table::Case)) {
                cases.push(self.case(name, value, limits));
            }
        }
        cases
    }

    fn case(&mut self, name: Name, value: Val<'_>, limits: &Limits) -> CaseDecl {
        let empty = DeTable::new();
        let toml = value.get_ref().as_table().unwrap_or(&empty);
        let span = self.span(value.span());
        let table = self.fields(Table::Case, span, toml);
        CaseDecl { nodes: self.nodes(&table, limits), name, span }
    }
}
