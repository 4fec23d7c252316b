//! The words that the language keeps for itself, and where each of them may stand.

/// A place of the file that holds expressions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Command,
    Argv,
    Setup,
    Container,
    Vars,
    Env,
    Resources,
    Inputs,
    OutputPath,
    Workdir,
    When,
    Over,
    /// `key`, `where` and `group_by`: they see the map's own item.
    PerItem(&'static str),
    /// `on` of a branch.
    On,
    /// `carry.NAME.init` of a loop.
    Init,
    /// `carry.NAME.next` and `until` of a loop: they see its body.
    Turn(&'static str),
    /// `params.NAME` of a call.
    CallParams,
    /// `outputs` of what holds other nodes: they see its body.
    MapOutputs,
    PipelineOutputs,
}

impl Place {
    /// The key of the file that holds it.
    pub fn key(self) -> &'static str {
        match self {
            Place::Command => "command",
            Place::Argv => "argv",
            Place::Setup => "setup",
            Place::Container => "container",
            Place::Vars => "vars",
            Place::Env => "env",
            Place::Resources => "resources",
            Place::Inputs => "inputs",
            Place::OutputPath => "the path of an output",
            Place::Workdir => "workdir",
            Place::When => "when",
            Place::Over => "over",
            Place::PerItem(key) | Place::Turn(key) => key,
            Place::On => "on",
            Place::Init => "init",
            Place::CallParams => "the params of a call",
            Place::MapOutputs => "the outputs of a map",
            Place::PipelineOutputs => "the outputs of the pipeline",
        }
    }

    /// The name for a sentence: keys in back-ticks.
    pub fn quoted(self) -> String {
        match self {
            Place::OutputPath | Place::MapOutputs | Place::PipelineOutputs | Place::CallParams => self.key().to_owned(),
            _ => format!("`{}`", self.key()),
        }
    }

    /// Whether a word that only a task has may stand here.
    pub fn allows(self, word: &str) -> bool {
        use Place::{Argv, Command, Container, Env, Inputs, OutputPath, Resources, Setup, Vars, When, Workdir};
        match word {
            "resources" | "attempt" | "run" | "project" => {
                matches!(self, Command | Argv | Setup | Vars | Env | Resources)
            }
            "outputs" => matches!(self, Command | Argv | Setup | Vars | Env),
            "inputs" => matches!(self, Command | Argv | Setup | Vars | Env | Inputs | OutputPath | Workdir),
            "vars" | "env" => {
                matches!(
                    self,
                    Command | Argv | Setup | Vars | Env | Resources | Inputs | OutputPath | Workdir | When | Container
                )
            }
            _ => true,
        }
    }

    /// Where a word may stand, for the way out.
    pub fn homes(word: &str) -> &'static str {
        match word {
            "resources" | "attempt" | "run" | "project" => "`command`, `argv`, `setup`, `resources`, `vars` and `env`",
            "outputs" => "`command`, `argv`, `setup`, `vars` and `env`",
            "inputs" => "`command`, `argv`, `setup`, `vars`, `env`, `inputs`, `workdir` and the paths of outputs",
            _ => "the expressions of a task",
        }
    }
}
