//! What is generated and checked in: man pages (clap's sections, then environment and exit status from the same
//! definitions), completion scripts, the JSON Schema of pipeline files.

use super::args::Cli;
use super::{Failed, exit};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::Write;
use std::path::Path;

/// Writes a page for every command that is not hidden, and the other generated files.
pub fn write(dir: &Path) -> Result<(), Failed> {
    std::fs::create_dir_all(dir)
        .and_then(|()| {
            let mut cli = Cli::command().disable_help_subcommand(true);
            cli.build();
            pages(cli, dir)?;
            let folder = dir.join("completions");
            std::fs::create_dir_all(&folder)?;
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                clap_complete::generate_to(shell, &mut Cli::command(), "flowrun", &folder)?;
            }
            std::fs::write(dir.join("flowrun-pipeline.5"), super::page::man(&crate::lang::reference()))?;
            std::fs::write(dir.join("pipeline.schema.json"), super::edit::schema_text())
        })
        .map_err(|error| Failed::machine(format!("cannot write man pages into `{}`: {error}", dir.display()), None))
}

fn pages(command: Command, dir: &Path) -> std::io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        pages(inner.clone(), dir)?;
    }
    let page = Man::new(command.clone()).source(concat!("flowrun ", env!("CARGO_PKG_VERSION"))).manual("flowrun");
    let mut file = std::fs::File::create(dir.join(page.get_filename()))?;
    page.render_title(&mut file)?;
    page.render_name_section(&mut file)?;
    page.render_synopsis_section(&mut file)?;
    page.render_description_section(&mut file)?;
    page.render_options_section(&mut file)?;
    if command.get_subcommands().any(|inner| !inner.is_hide_set()) {
        page.render_subcommands_section(&mut file)?;
    }
    // The first page's own are its examples and the exit codes, which follow.
    if command.get_after_help().is_some() && page.get_filename() != "flowrun.1" {
        page.render_extra_section(&mut file)?;
    }
    ours(&command).to_writer(&mut file)?;
    file.flush()
}

fn ours(command: &Command) -> Roff {
    let mut text = Roff::new();
    let by_env: Vec<_> = command.get_arguments().filter_map(|arg| Some((arg.get_env()?, arg.get_long()?))).collect();
    if !by_env.is_empty() {
        text.control("SH", ["ENVIRONMENT"]);
    }
    for (name, option) in by_env {
        text.control("TP", []).text([bold(name.to_string_lossy().into_owned())]);
        text.text([roman("as "), bold(format!("--{option}")), roman("; the command line wins")]);
    }
    text.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::TABLE {
        text.control("TP", []).text([bold(*code)]).text([roman(*meaning)]);
    }
    text
}
