//! The built-in pipelines: carried in the binary, copied to start from.

use super::Failed;
use super::args::{Output, TemplateCommand};
use super::exit;
use super::screen::{Screen, print};
use crate::base::text;
use crate::report::json;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A pipeline to start from.
struct Template {
    name: &'static str,
    about: &'static str,
    files: &'static [File],
}

struct File {
    path: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($path:literal),*; $folder:literal) => {
        &[$(File { path: $path, text: include_str!(concat!("../../templates/", $folder, "/", $path)) }),*]
    };
}

const TEMPLATES: &[Template] = &[
    Template { name: "hello", about: "one task that greets", files: files!["pipeline.toml"; "hello"] },
    Template {
        name: "map",
        about: "a sample sheet: a task for each sample, then one that gathers",
        files: files!["pipeline.toml", "samples.csv"; "map"],
    },
    Template {
        name: "scripts",
        about: "scripts beside the pipeline, with files in and out",
        files: files!["pipeline.toml", "words.txt", "scripts/count.sh", "scripts/table.sh"; "scripts"],
    },
];

/// What the first line of every template names, for editors: keys are completed and checked while one types.
const SCHEMA: &str = "pipeline.schema.json";

/// `flowrun template …`
pub fn template(command: &TemplateCommand, screen: Screen) -> Result<u8, Failed> {
    match command {
        TemplateCommand::List { output } => print(list(*output, screen))?,
        TemplateCommand::New { name, dir } => print(new(name, dir.as_deref())?)?,
    }
    Ok(exit::OK)
}

fn list(output: Output, screen: Screen) -> String {
    if output == Output::Json {
        let entry = |template: &Template| serde_json::json!({ "name": template.name, "about": template.about });
        let list: Vec<_> = TEMPLATES.iter().map(entry).collect();
        return json::line(&serde_json::json!({ "templates": list }));
    }
    let line = |template: &Template| {
        format!("{}  {}\n", screen.out.bold(format_args!("{:<8}", template.name)), template.about)
    };
    TEMPLATES.iter().map(line).collect()
}

fn new(name: &str, dir: Option<&Path>) -> Result<String, Failed> {
    let names = || TEMPLATES.iter().map(|template| template.name);
    let template = TEMPLATES.iter().find(|template| template.name == name).ok_or_else(|| {
        let help = text::did_you_mean(name, names()).unwrap_or_else(|| format!("there are {}", text::and(names())));
        Failed::usage(format!("there is no template {}", text::quote(name)), Some(help))
    })?;
    let dir = dir.map_or_else(|| PathBuf::from(name), Path::to_owned);
    // All are looked for before the first is written: either the whole template or nothing.
    if let Some(there) =
        template.files.iter().map(|file| dir.join(file.path)).find(|path| path.symlink_metadata().is_ok())
    {
        return Err(taken(&there));
    }
    for file in template.files {
        write(&dir.join(file.path), file.text)?;
    }
    let mut said = String::new();
    for file in template.files {
        said.push_str(&format!("wrote {}\n", dir.join(file.path).display()));
    }
    let schema = dir.join(SCHEMA);
    if schema.symlink_metadata().is_err() {
        write(&schema, &super::edit::schema_text())?;
        said.push_str(&format!("wrote {}\n", schema.display()));
    }
    let pipeline = dir.join("pipeline.toml").display().to_string();
    said.push_str(&format!("\nrun it: flowrun run {}\n", crate::base::human::shell_word(&pipeline)));
    Ok(said)
}

fn taken(path: &Path) -> Failed {
    Failed::usage(
        format!("`{}` is there already; nothing was written", path.display()),
        Some("name another folder: `flowrun template new NAME DIR`".to_owned()),
    )
}

fn write(path: &Path, text: &str) -> Result<(), Failed> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => taken(path),
        _ => crate::sys::Fault::io("write", path, &error).into(),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    let mode = if text.starts_with("#!") { 0o777 } else { 0o666 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)
}
