//! Floor 7: arguments -> settings -> one function a command. The only place that names concrete backends, stores and
//! views, and that prints.

pub mod args;
mod attach;
mod cancel;
mod config;
mod detach;
mod doctor;
mod edit;
pub mod exit;
mod failed;
mod keeping;
pub mod keeping_args;
mod man;
mod page;
mod panic;
mod profile;
mod read;
mod registry;
mod run;
mod screen;
mod settings;
mod template;
mod test;

use args::{Cli, Command, Output, TemplateCommand};
use clap::{CommandFactory, Parser};
use keeping_args::RunsCommand;
use screen::{Screen, print};
use std::ffi::OsString;
use std::process::ExitCode;

pub use failed::Failed;

/// The whole program.
pub fn main() -> ExitCode {
    panic::hook();
    let cli = Cli::parse_from(words(std::env::args_os().collect()));
    let screen = Screen::here();
    let output = output(&cli.command);
    let end = std::panic::catch_unwind(|| command(cli.command, screen));
    match end {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(failed)) => {
            failed.say(screen, output);
            ExitCode::from(failed.code)
        }
        Err(_) => ExitCode::from(exit::BUG),
    }
}

/// `flowrun help run` is `flowrun run --help`.
fn words(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|first| first == "help") {
        words.remove(1);
        words.push("--help".into());
    }
    words
}

/// How the command prints its result.
fn output(command: &Command) -> Output {
    match command {
        Command::Run(args) => args.watch.output,
        Command::Resume(args) => args.watch.output,
        Command::Check(args) => args.output,
        Command::Plan(args) => args.output,
        Command::Explain(args) => args.output,
        Command::Status(args) => args.output,
        Command::Attach(args) => args.output,
        Command::Cancel(args) => args.output,
        Command::Runs(args) => match &args.command {
            Some(RunsCommand::Rm(rm)) => rm.output,
            None => args.output,
        },
        Command::Cache(args) => args.command.output(),
        Command::Config(args) => args.output,
        Command::Doctor(args) => args.output,
        Command::Test(args) => args.output,
        Command::Template(args) => match args.command {
            TemplateCommand::List { output } => output,
            TemplateCommand::New { .. } => Output::Human,
        },
        _ => Output::Human,
    }
}

fn command(command: Command, screen: Screen) -> Result<u8, Failed> {
    match command {
        Command::Run(args) => run::run(&args, screen),
        Command::Resume(args) => run::resume(&args, screen),
        Command::Check(args) => edit::check(&args, screen),
        Command::Plan(args) => edit::plan(&args, screen),
        Command::Explain(args) => edit::explain(&args, screen),
        Command::Shell(args) => run::shell(&args),
        Command::Graph(args) => edit::graph_of(&args),
        Command::Status(args) => read::status(&args, screen),
        Command::Attach(args) => attach::attach(&args.words, args.output, screen),
        Command::Cancel(args) => cancel::cancel(&args),
        Command::Runs(args) => match &args.command {
            Some(RunsCommand::Rm(rm)) => keeping::rm(rm, screen),
            None if args.all => keeping::everywhere(&args, screen),
            None => read::runs(&args, screen),
        },
        Command::Cache(args) => keeping::cache(&args.command, screen),
        Command::Log(args) => read::log(&args),
        Command::Test(args) => test::test(&args, screen),
        Command::Config(args) => config::config(&args),
        Command::Doctor(args) => doctor::doctor(&args, screen),
        Command::Template(args) => template::template(&args.command, screen),
        Command::Schema => edit::schema(),
        Command::Completions { shell } => completions(shell),
        Command::Man { dir } => man::write(&dir).map(|()| exit::OK),
        Command::Drive { run_dir } => detach::drive(&run_dir, screen),
        Command::Executor => Ok(registry::executor()),
        Command::Agent { spool, batch } => match registry::agent(&spool, batch) {
            Ok(()) => Ok(exit::OK),
            Err(error) => Err(Failed::machine(format!("{error:#}"), None)),
        },
    }
}

fn completions(shell: clap_complete::Shell) -> Result<u8, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "flowrun", &mut script);
    print(script)?;
    Ok(exit::OK)
}
