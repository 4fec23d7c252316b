//! What was typed, word for word. What it means is decided in `settings`.

use super::keeping_args::CacheArgs;
use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;

/// Run pipelines: one TOML file in, results out, nothing run twice.
#[derive(Debug, Parser)]
#[command(
    name = "flowrun",
    version,
    max_term_width = 80,
    disable_help_subcommand = true,
    after_help = format!("{}\n\n{}", EXAMPLES, super::exit::help())
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  flowrun template new hello            a first pipeline, in the folder `hello`
  flowrun run hello/pipeline.toml       run it; a second time it is cached
  flowrun run -- --name Ada             give a value to a param of the pipeline
  flowrun plan                          what would run now, and why";

const PARAMS_HELP: &str = "Words after `--` are params of the pipeline by their names: \
    `-- --multiplier 15`; `-- --help` lists them.\nOptions with [env: …] may be set in the environment; the command line wins.";

const ATTACH_HELP: &str = "From any terminal and any machine that sees the pipeline's folder: what `flowrun run` \
    shows\nfrom now on, its last words, and its exit code. `flowrun status --watch` is the same.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a pipeline, or continue the run that did not reach its end.
    #[command(
        override_usage = "flowrun run [OPTIONS] [PIPELINE] [NODE]... [-- --NAME VALUE...]",
        after_help = PARAMS_HELP
    )]
    Run(RunArgs),
    /// Continue a run with the plan that is stored in it, a failed one too.
    Resume(ResumeArgs),
    /// Read a pipeline file and say everything that is wrong with it.
    #[command(override_usage = "flowrun check [OPTIONS] [PIPELINE] [-- --NAME VALUE...]")]
    Check(CheckArgs),
    /// Say what would run, and why.
    #[command(override_usage = "flowrun plan [OPTIONS] [PIPELINE] [NODE]... [-- --NAME VALUE...]")]
    Plan(PlanArgs),
    /// Say why an instance would run, or where its cached result comes from.
    #[command(override_usage = "flowrun explain [OPTIONS] [PIPELINE] [INSTANCE]... [-- --NAME VALUE...]")]
    Explain(ExplainArgs),
    /// Open a shell in the place of an instance: its environment, folder, container and inputs.
    #[command(override_usage = "flowrun shell [OPTIONS] [PIPELINE] INSTANCE [-- COMMAND...]")]
    Shell(ShellArgs),
    /// Draw the graph of a pipeline.
    Graph(GraphArgs),
    /// Show the state of a run, live or over: the newest, or RUN.
    #[command(override_usage = "flowrun status [OPTIONS] [PIPELINE] [RUN]")]
    Status(StatusArgs),
    /// Follow a live run, the newest or RUN, to its end; Ctrl-C leaves it at work.
    #[command(
        override_usage = "flowrun attach [OPTIONS] [PIPELINE] [RUN]",
        after_help = ATTACH_HELP
    )]
    Attach(AttachArgs),
    /// Stop a run, the newest or RUN, with all its jobs; the same command continues it.
    #[command(override_usage = "flowrun cancel [OPTIONS] [PIPELINE] [RUN]")]
    Cancel(CancelArgs),
    /// List the runs of a pipeline, newest first, or remove runs.
    Runs(RunsArgs),
    /// Look after what is cached: list, show, verify, remove, bless.
    Cache(CacheArgs),
    /// Print what an instance wrote to its standard output and error.
    #[command(override_usage = "flowrun log [OPTIONS] [PIPELINE] INSTANCE")]
    Log(LogArgs),
    /// Run the tests of a pipeline's tasks, each in a fresh folder.
    #[command(override_usage = "flowrun test [OPTIONS] [PIPELINE] [PART OF A NAME]...")]
    Test(TestArgs),
    /// Show the settings that hold for a pipeline, and where they come from.
    Config(ConfigArgs),
    /// Look whether a run would find here what it needs, and say how to mend what is wrong.
    Doctor(DoctorArgs),
    /// List the built-in pipelines, or copy one to start from.
    Template(TemplateArgs),
    /// Print the JSON Schema of pipeline files, for editors.
    Schema,
    /// Print the completion script of a shell.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Write man pages, completions and schema into a folder.
    #[command(name = "__man", hide = true)]
    Man {
        /// The folder.
        dir: PathBuf,
    },
    /// The helper process that starts tasks.
    #[command(name = "__executor", hide = true)]
    Executor,
    /// A driver that no terminal holds.
    #[command(name = "__drive", hide = true)]
    Drive {
        /// The run's folder.
        run_dir: PathBuf,
    },
    /// A worker on a cluster's node.
    #[command(name = "__agent", hide = true)]
    Agent {
        /// The folder that it shares with the driver.
        spool: PathBuf,
        /// The batch that it works for.
        batch: u32,
    },
}

/// How a result is printed.
// A doc comment on a variant would make every help text four lines longer.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Human,
    Json,
}

/// Values for params.
#[derive(Debug, Default, Args)]
pub struct ParamArgs {
    /// Give a param its value; may be given many times
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = clap::builder::OsStringValueParser::new())]
    pub param: Vec<OsString>,
    /// Read values of params from a TOML or JSON file
    #[arg(long = "params", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Params by their names: `--multiplier 15`.
    #[arg(last = true, hide = true, value_name = "--NAME VALUE")]
    pub tail: Vec<OsString>,
}

/// `-j`
fn cores(typed: &str) -> Result<u32, &'static str> {
    typed.parse().ok().filter(|n| *n > 0).ok_or("give a number of cores, 1 or more")
}

/// Where results are kept and how much is done at once: for `run`, `resume`, `plan`, `explain`.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Cores for tasks [default: those that flowrun may use]
    #[arg(short = 'j', long, value_name = "N", env = "FLOWRUN_JOBS", hide_env_values = true,
        value_parser = cores)]
    pub jobs: Option<u32>,
    /// What executes the tasks [default: local]
    #[arg(long, value_name = "BACKEND", env = "FLOWRUN_BACKEND", hide_env_values = true)]
    pub backend: Option<String>,
    /// The database of runs and cache [default: .flowrun/store.db]
    #[arg(long, value_name = "URL", env = "FLOWRUN_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// Keep artifacts by their content in this folder, to restore them
    #[arg(long, value_name = "DIR", env = "FLOWRUN_ARTIFACTS", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub artifacts: Option<PathBuf>,
    /// Take settings from this profile of `flowrun.toml`
    #[arg(long, value_name = "NAME", env = "FLOWRUN_PROFILE", hide_env_values = true)]
    pub profile: Option<String>,
}

/// What of the cache is not used.
#[derive(Debug, Default, Args)]
pub struct FreshArgs {
    /// Run this node again, whatever is cached; may be given many times
    #[arg(long, value_name = "NODE")]
    pub force: Vec<String>,
    /// Use no cached result; new ones are still kept
    #[arg(long, env = "FLOWRUN_NO_CACHE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub no_cache: bool,
}

/// How a run is watched and ended.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// After a failure go on with everything that does not need it
    #[arg(long, env = "FLOWRUN_KEEP_GOING", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub keep_going: bool,
    /// Write every event as a line of JSON to this file
    #[arg(long, value_name = "FILE", env = "FLOWRUN_EVENTS", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub events: Option<PathBuf>,
    /// Write what flowrun did when, and when tasks ran, to this file, for <https://ui.perfetto.dev>
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "detach")]
    pub trace: Option<PathBuf>,
    /// Say at the end where flowrun's own time went
    #[arg(long, conflicts_with = "detach")]
    pub timings: bool,
    /// After how many silent seconds other runs take over what this one computes
    #[arg(long, value_name = "SECONDS", env = "FLOWRUN_LEASE", hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub lease: Option<u64>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
    /// Return as soon as the run has begun: a process of its own drives it on, on a cluster a job (see `flowrun attach`)
    #[arg(long)]
    pub detach: bool,
    /// Wait while another run holds this pipeline
    #[arg(long, env = "FLOWRUN_WAIT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub wait: bool,
}

/// `flowrun run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A pipeline file (a word that ends in `.toml` or holds a `/`; `pipeline.toml` when left out), then the nodes to
    /// run with what they need (all when left out)
    #[arg(value_name = "PIPELINE|NODE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// Run the named nodes alone, on what the others gave last
    #[arg(long)]
    pub only: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub params: ParamArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub fresh: FreshArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub watch: WatchArgs,
}

/// `flowrun resume`
#[derive(Debug, Args)]
#[command(override_usage = "flowrun resume [OPTIONS] [PIPELINE] [RUN]")]
pub struct ResumeArgs {
    /// A pipeline file (`pipeline.toml` when left out), then the number of a run (the newest when left out)
    #[arg(value_name = "PIPELINE|RUN", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub watch: WatchArgs,
}

/// `flowrun check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The pipeline file [default: pipeline.toml]
    #[arg(value_name = "PIPELINE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub params: ParamArgs,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// A pipeline file (`pipeline.toml` when left out), then the nodes in question (all when left out)
    #[arg(value_name = "PIPELINE|NODE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub params: ParamArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub fresh: FreshArgs,
    /// Only the counts, without the instances
    #[arg(long)]
    pub summary: bool,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A pipeline file (`pipeline.toml` when left out), then instances (`align[NA12878]`) or nodes (all when left out)
    #[arg(value_name = "PIPELINE|INSTANCE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub params: ParamArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun shell`
#[derive(Debug, Args)]
pub struct ShellArgs {
    /// A pipeline file (`pipeline.toml` when left out), then the instance: `align[NA12878]`
    #[arg(value_name = "PIPELINE|INSTANCE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// Give a param its value; may be given many times
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = clap::builder::OsStringValueParser::new())]
    pub param: Vec<OsString>,
    /// Read values of params from a TOML or JSON file
    #[arg(long = "params", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    /// What is run in place of a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// The forms of a graph.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphForm {
    Dot,
    Mermaid,
    Svg,
    Json,
}

/// `flowrun graph`
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// The pipeline file [default: pipeline.toml]
    #[arg(value_name = "PIPELINE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// The form; the ending of FILE decides when left out, else `dot`
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<GraphForm>,
    /// Write to a file instead of standard output
    #[arg(short = 'o', long = "out", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// `flowrun status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A pipeline file (`pipeline.toml` when left out), then the number of a run (the newest when left out)
    #[arg(value_name = "PIPELINE|RUN", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// Follow the run to its end, as `flowrun attach` does
    #[arg(short = 'w', long)]
    pub watch: bool,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun attach`
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// A pipeline file (`pipeline.toml` when left out), then the number of a run (the newest when left out)
    #[arg(value_name = "PIPELINE|RUN", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun cancel`
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// A pipeline file (`pipeline.toml` when left out), then the number of a run (the newest when left out)
    #[arg(value_name = "PIPELINE|RUN", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun runs`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_value_name = "COMMAND")]
pub struct RunsArgs {
    /// The pipeline file [default: pipeline.toml]
    #[arg(value_name = "PIPELINE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// Of every project of the store, with user, host and folder
    #[arg(long)]
    pub all: bool,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// The database of runs and cache [default: .flowrun/store.db]
    #[arg(long, value_name = "URL", env = "FLOWRUN_STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// Take settings from this profile of `flowrun.toml`
    #[arg(long, value_name = "NAME", env = "FLOWRUN_PROFILE", hide_env_values = true)]
    pub profile: Option<String>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: Option<super::keeping_args::RunsCommand>,
}

/// `flowrun log`
#[derive(Debug, Args)]
pub struct LogArgs {
    /// A pipeline file (`pipeline.toml` when left out), then the instance: `align[NA12878]`
    #[arg(value_name = "PIPELINE|INSTANCE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// Of this run [default: the newest]
    #[arg(long, value_name = "N")]
    pub run: Option<u64>,
    /// Of this attempt [default: the last]
    #[arg(long, value_name = "N")]
    pub attempt: Option<u32>,
    /// Standard output only
    #[arg(long, conflicts_with = "stderr")]
    pub stdout: bool,
    /// Standard error only
    #[arg(long)]
    pub stderr: bool,
}

/// `flowrun test`
#[derive(Debug, Args)]
pub struct TestArgs {
    /// A pipeline file (`pipeline.toml` when left out), then parts of the names of tests (all tests when left out)
    #[arg(value_name = "PIPELINE|NAME", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    /// How many tests run at once [default: as many as there are cores]
    #[arg(short = 'j', long, value_name = "N", env = "FLOWRUN_JOBS", hide_env_values = true, value_parser = cores)]
    pub jobs: Option<u32>,
    /// Run nothing, but make a test of an instance of an earlier run: its table is put at the end of the pipeline file
    #[arg(long, num_args = 2, value_names = ["RUN", "INSTANCE"], conflicts_with_all = ["keep", "junit"])]
    pub capture: Vec<String>,
    /// Keep the folders of tests that failed, and say where they are
    #[arg(long)]
    pub keep: bool,
    /// Write the results as JUnit's XML to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Take settings from this profile of `flowrun.toml`
    #[arg(long, value_name = "NAME", env = "FLOWRUN_PROFILE", hide_env_values = true)]
    pub profile: Option<String>,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

impl TestArgs {
    /// Tests run on this machine.
    pub fn place(&self) -> PlaceArgs {
        let backend = Some("local".to_owned());
        PlaceArgs { jobs: self.jobs, backend, store: None, artifacts: None, profile: self.profile.clone() }
    }
}

/// `flowrun config`
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The pipeline file [default: pipeline.toml]
    #[arg(value_name = "PIPELINE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    /// Use no cached result; new ones are still kept
    #[arg(long, env = "FLOWRUN_NO_CACHE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub no_cache: bool,
    /// After a failure go on with everything that does not need it
    #[arg(long, env = "FLOWRUN_KEEP_GOING", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub keep_going: bool,
    /// Wait while another run holds this pipeline
    #[arg(long, env = "FLOWRUN_WAIT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub wait: bool,
    /// Say of each setting where it comes from
    #[arg(long)]
    pub origin: bool,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The pipeline file [default: pipeline.toml]
    #[arg(value_name = "PIPELINE", value_hint = ValueHint::FilePath)]
    pub words: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub place: PlaceArgs,
    /// On a cluster also submit a job of a second that looks from a node
    #[arg(id = "try", long = "try")]
    pub attempt: bool,
    /// How long that job may take from its submission to its end
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "try", value_parser = clap::value_parser!(u64).range(1..))]
    pub patience: u64,
    /// How the result is printed: for people, or as one JSON document
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub output: Output,
}

/// `flowrun template`
#[derive(Debug, Args)]
pub struct TemplateArgs {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: TemplateCommand,
}

/// The commands about templates.
#[derive(Debug, Subcommand)]
pub enum TemplateCommand {
    /// List the templates.
    List {
        /// How the result is printed: for people, or as one JSON document
        #[arg(long, value_enum, value_name = "FORM", default_value_t)]
        output: Output,
    },
    /// Copy a template into a folder; never overwrites a file.
    New {
        /// Which template: see `flowrun template list`
        name: String,
        /// The folder [default: the template's name]
        #[arg(value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}
