//! The examples of the reference page: each is taken as part of a whole pipeline, and checked.

use super::common::Project;
use flowrun::driver::{self, Error, Params};
use flowrun::lang::keys::{Key, Status, Table, all};

/// Nodes and params that the examples name.
const AROUND: &str = r#"
[params.kind]
default = "image"
[task.prepare]
command = "prepare"
outputs.count = "int"
outputs.kind = "string"
outputs.files = "list<string>"
[task.each]
over = [1, 2]
command = "echo {{ item }}"
outputs.out = "int"
"#;

const CALLED: &str = "[params.sample]\ndefault = 'x'\n[task.look]\ncommand = 'echo {{ params.sample }}'\n";

/// A pipeline in which the example stands in its table.
fn whole(key: &Key) -> String {
    let example = key.example;
    // the keys of its own table, before any header
    let own = || example.lines().take_while(|line| !line.starts_with('['));
    let gives = |names: &[&str]| own().any(|line| names.iter().any(|name| line.starts_with(&format!("{name} = "))));
    let unless = |names: &[&str], line: &str| if gives(names) { String::new() } else { format!("{line}\n") };
    let table = match key.table {
        Table::File => {
            let task = if example.contains("[task") { "" } else { "[task.last]\ncommand = 'true'\n" };
            let around = if key.name == "params" { "" } else { AROUND };
            return format!("{example}\n{task}{around}");
        }
        Table::Pipeline => format!("[pipeline]\n{example}"),
        Table::Param => format!("[params.rounds]\n{example}"),
        Table::Resources => format!("[task.t]\ncommand = 'true'\n[task.t.resources]\n{example}"),
        Table::Task => {
            format!("[task.t]\n{}{example}", unless(&["command", "argv", "script"], "command = 'true'"))
        }
        Table::Input => format!(
            "[task.t]\ncommand = 'true'\n[task.t.inputs.x]\n{}{}{example}",
            unless(&["url"], "url = 'https://example.org/x'"),
            unless(&["sha256"], &format!("sha256 = '{}'", "0".repeat(64)))
        ),
        Table::Container => {
            format!(
                "[task.t]\ncommand = 'true'\n[task.t.container]\n{}{example}",
                unless(&["image"], "image = 'alpine:3'")
            )
        }
        Table::Secret => format!("[task.t]\ncommand = 'true'\n[task.t.secrets.X]\n{example}"),
        Table::Output => format!("[task.t]\ncommand = 'true'\n[task.t.outputs.x]\n{example}"),
        Table::Ensure => {
            format!("[task.t]\ncommand = 'true'\n[task.t.outputs.x]\nfile = 'x'\n[task.t.outputs.x.ensure]\n{example}")
        }
        Table::Map => format!(
            "[map.samples]\n{}{example}\n[map.samples.task.measure]\ncommand = 'echo {{{{ index }}}}'\noutputs.size = 'int'",
            unless(&["over"], "over = ['a', 'b']")
        ),
        Table::Source => format!("[task.t]\ncommand = 'true'\n[task.t.over]\n{example}"),
        Table::Branch | Table::Case => format!(
            "[branch.route]\n{}{example}\n[branch.route.case.0.task.measure]\ncommand = 'true'\noutputs.size = 'int'\n\
             [branch.route.case.1.task.guess]\ncommand = 'true'\noutputs.size = 'int'",
            unless(&["on"], "on = '{{ prepare.count }}'")
        ),
        Table::Loop | Table::Carry => {
            let (own, carry) = if key.table == Table::Carry {
                ("", format!("[loop.train.carry.sum]\n{example}"))
            } else {
                (example, String::new())
            };
            format!(
                "[loop.train]\n{}{own}\n{carry}\n[loop.train.task.fit]\ncommand = 'fit {{{{ index }}}}'\n\
                 outputs.loss = 'float'\noutputs.count = 'int'",
                unless(&["max"], "max = 3")
            )
        }
        Table::Call => format!("[call.qc]\n{}{example}", unless(&["pipeline"], "pipeline = 'qc.toml'")),
        Table::Pack => format!("[task.t]\ncommand = 'true'\n[task.t.slurm.pack]\n{example}"),
        Table::Retry | Table::OnOom | Table::OnTimeout | Table::Cap => {
            let (at, more) = match key.table {
                Table::Retry => ("", ""),
                Table::OnOom => (".on_oom", "attempts = 2\n"),
                Table::OnTimeout => (".on_timeout", "attempts = 2\n"),
                _ => (".cap", "attempts = 2\non_oom.memory = 'x2'\non_timeout.time = 'x2'\n"),
            };
            let table = if at.is_empty() { String::new() } else { format!("[task.t.retry{at}]\n") };
            format!(
                "[task.t]\ncommand = 'true'\nresources = {{ memory = '1GiB', time = '1h' }}\n[task.t.retry]\n{more}{table}{example}"
            )
        }
        Table::Test | Table::Expect | Table::Content => {
            let table = match key.table {
                Table::Test => "",
                Table::Expect => "[test.t.expect]\n",
                _ => "[test.t.files.'conf.ini']\n",
            };
            format!(
                "[task.report]\ncommand = 'report {{{{ prepare.count }}}} {{{{ inputs.table }}}} > {{{{ outputs.html }}}}'\n\
                 inputs.table = 'data/table.csv'\noutputs = {{ html = {{ file = 'report.html' }}, lines = 'int' }}\n\
                 [test.t]\n{}{}{table}{example}",
                unless(&["node"], "node = 'report'"),
                unless(&["values.prepare.count"], "values.prepare.count = 1"),
            )
        }
        Table::Settings => example.to_owned(),
        Table::Profile => format!("[profile.default]\n{example}"),
        Table::Caps => format!("[caps]\n{example}"),
    };
    format!("{table}\n{}", if key.table.of_settings() { "" } else { AROUND })
}

#[test]
fn every_example_of_the_reference_is_right() {
    let project = Project::new("");
    project.write("qc.toml", CALLED);
    let mut wrong = String::new();
    for key in all().filter(|key| key.status != Status::Planned) {
        let text = whole(key);
        assert!(key.example.contains(key.name), "the example of {:?}.{} does not show it", key.table, key.name);
        let said = if key.table.of_settings() {
            let (_, said) = flowrun::lang::reader::read_settings(&text, 0, true);
            let mut sources = flowrun::diag::Sources::default();
            sources.add("flowrun.toml", text.as_str());
            flowrun::diag::render(&said, &sources, false)
        } else {
            project.write("pipeline.toml", &text);
            match driver::load(&project.path("pipeline.toml"), &Params::default(), false) {
                Ok(_) => continue,
                Err(Error::Diagnostics { list, sources }) => flowrun::diag::render(&list, &sources, false),
                Err(error) => format!("{error:?}"),
            }
        };
        if !said.is_empty() {
            wrong.push_str(&format!("--- {:?}.{}\n{text}\n{said}", key.table, key.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
