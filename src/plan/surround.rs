//! What stands around a task's command: the shell, `setup`, and the variables that are secrets.

use super::declare::{What, World};
use super::gather::{Findings, Gather, Seen};
use super::model::{Container, Setup};
use super::words::Place;
use crate::base::text::quote;
use crate::diag::{Diagnostic, Span, codes};
use crate::lang::expr::Use;
use crate::lang::model::{RunDecl, SecretFrom, TaskDecl};
use crate::lang::shell::is_bourne;
use std::sync::Arc;

/// The shell's argument vector, given or not.
pub(super) fn shell(task: &TaskDecl) -> Vec<Arc<str>> {
    match &task.shell {
        Some(shell) => shell.value.iter().map(|text| text.value.clone()).collect(),
        None => ["bash", "-euo", "pipefail", "-c"].map(Arc::from).to_vec(),
    }
}

/// `setup`, compiled for the shell that runs it. `words` gets the files that it may name, and loses those that hold
/// secrets: what counts in a key is kept.
pub(super) fn setup(
    g: &mut Gather<'_, '_>,
    task: &TaskDecl,
    seen: &mut Seen,
    words: &mut Vec<Arc<str>>,
    found: &mut Findings,
) -> Setup {
    let mut setup = Setup::default();
    if let Some(first) = task.setup.first() {
        setup.shell = shell(task);
        let bourne = is_bourne(&setup.shell);
        let form = match &task.run {
            RunDecl::Command(_) => None,
            RunDecl::Argv(_) => Some("argv"),
            RunDecl::Script(_) => Some("script"),
        };
        if let (Some(form), false) = (form, bourne) {
            let message = format!("`setup` before `{form}` needs a shell that knows `exec \"$@\"`");
            let d = Diagnostic::error(codes::KEY_CONFLICT, first.span, message);
            found.diagnostics.push(d.help("leave `shell` out, or take one of sh, dash, bash, ksh and zsh"));
        }
        for text in &task.setup {
            let usage = if bourne { Use::Command } else { Use::ForeignCommand };
            let (template, more) = g.template(Place::Setup, usage, text, found);
            seen.add(more);
            let new = template.words().iter().filter(|word| !words.contains(word)).cloned().collect::<Vec<_>>();
            words.extend(new);
            setup.lines.push(template);
        }
    }
    let holds_secret = |word: &str| {
        task.secrets.iter().any(|(_, from)| matches!(&from.value, SecretFrom::File(path) if **path == *word))
    };
    words.retain(|word| !holds_secret(word));
    setup
}

/// `container`, compiled.
pub(super) fn container(
    g: &mut Gather<'_, '_>,
    task: &TaskDecl,
    seen: &mut Seen,
    found: &mut Findings,
) -> Option<Container> {
    let declared = task.container.as_ref()?;
    let (image, more) = g.template(Place::Container, Use::Value, &declared.image, found);
    seen.add(more);
    Some(Container { image, engine: declared.engine, options: declared.options.clone(), span: declared.span })
}

impl World<'_> {
    /// Whether a variable of the driver's environment is a secret: of any task, or by its name in this one.
    pub(super) fn is_secret(&self, task: &TaskDecl, name: &str) -> bool {
        let secrets = self.secrets.get_or_init(|| {
            let tasks = self.nodes.iter().filter_map(|(_, decl)| match &decl.what {
                What::Task(task) => Some(*task),
                _ => None,
            });
            let froms = tasks.flat_map(|task| &task.secrets);
            froms
                .filter_map(|(_, from)| match &from.value {
                    SecretFrom::Env(name) => Some(name.clone()),
                    SecretFrom::File(_) => None,
                })
                .collect()
        });
        secrets.contains(name) || task.secrets.iter().any(|(own, _)| &*own.value == name)
    }
}

/// The way to a secret.
pub(super) const IN_THE_ENVIRONMENT: &str =
    "the process finds a secret in its environment: `\"$NAME\"` in a command, without braces";

/// A secret in an expression: its value would be kept in the cache's key.
pub(super) fn shown_secret(name: &str, span: Span) -> Diagnostic {
    let message = format!("the variable {} is a secret, which no expression may read", quote(name));
    Diagnostic::error(codes::SHOWN_SECRET, span, message).label("its value would be kept").help(IN_THE_ENVIRONMENT)
}
