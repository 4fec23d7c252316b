//! From one pipeline file to all that it calls, each read once. Which text a path names is told by whoever can open
//! files.

use super::read;
use crate::base::text::{Problem, quote};
use crate::diag::{self, Diagnostic, Sources, Span, codes};
use crate::lang::model::{CallDecl, Model, NodeDecl};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A pipeline file that was opened.
pub struct Opened {
    /// Its path as the user sees it.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
}

/// Opens the file at a path relative to the folder of the first file, or absolute.
pub type Open<'a> = &'a mut dyn FnMut(&str) -> Result<Opened, Problem>;

/// Calls in calls beyond this are taken for a circle that does not show (a folder that links to itself).
const DEEPEST: usize = 64;

/// Reads a pipeline file, whose own path is a name alone, and every file that it calls. The texts go to `sources`, the
/// first one first.
pub fn read_all(path: &str, main: Opened, sources: &mut Sources, open: Open<'_>) -> (Model, Vec<Diagnostic>) {
    let mut calls = Calls { sources, open, known: FxHashMap::default(), way: Vec::new(), diagnostics: Vec::new() };
    let model = calls.read(path, main);
    let mut diagnostics = calls.diagnostics;
    diag::sort(&mut diagnostics);
    (model, diagnostics)
}

struct Calls<'a> {
    sources: &'a mut Sources,
    open: Open<'a>,
    /// Files that were read whole, by path, or why one cannot be read.
    known: FxHashMap<Arc<str>, Result<Arc<Model>, Problem>>,
    /// The files that are being read, each called by the one before it, and where.
    way: Vec<(Arc<str>, Span)>,
    diagnostics: Vec<Diagnostic>,
}

impl Calls<'_> {
    fn read(&mut self, path: &str, opened: Opened) -> Model {
        let file = self.sources.add(opened.name, Arc::clone(&opened.text));
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
        let (mut model, diagnostics) = read(&opened.text, file, stem);
        self.diagnostics.extend(diagnostics);
        model.folder =
            path.rsplit_once('/').map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder }).into();
        if self.way.is_empty() {
            self.way.push((path.into(), Span { file, start: 0, end: 0 }));
        }
        let folder = Arc::clone(&model.folder);
        self.fill(&mut model.nodes, &folder);
        model
    }

    /// Puts the called model into every call of these bodies.
    fn fill(&mut self, nodes: &mut [NodeDecl], folder: &str) {
        for node in nodes {
            match node {
                NodeDecl::Task(_) => {}
                NodeDecl::Map(map) => self.fill(&mut map.nodes, folder),
                NodeDecl::Loop(looped) => self.fill(&mut looped.nodes, folder),
                NodeDecl::Branch(branch) => {
                    for case in branch.cases.iter_mut().chain(&mut branch.default) {
                        self.fill(&mut case.nodes, folder);
                    }
                }
                NodeDecl::Call(call) => call.called = self.called(call, folder),
            }
        }
    }

    fn called(&mut self, call: &CallDecl, folder: &str) -> Option<Arc<Model>> {
        let written = &*call.pipeline.value;
        if written.is_empty() || super::data::has_hole(written) {
            return None;
        }
        let path: Arc<str> = joined(folder, written).into();
        if let Some(at) = self.way.iter().position(|(open, _)| *open == path) {
            self.circle(call, at);
            return None;
        }
        if !self.known.contains_key(&path) && self.way.len() > DEEPEST {
            let message = format!("pipeline files call each other more than {DEEPEST} deep");
            let d = Diagnostic::error(codes::CALL_CYCLE, call.pipeline.span, message);
            self.diagnostics.push(d.help("a folder that links to itself makes such a circle"));
            return None;
        }
        let known = match self.known.get(&path) {
            Some(known) => known.clone(),
            None => {
                let read = (self.open)(&path).map(|opened| {
                    self.way.push((Arc::clone(&path), call.pipeline.span));
                    let model = self.read(&path, opened);
                    self.way.pop();
                    Arc::new(model)
                });
                self.known.insert(path, read.clone());
                read
            }
        };
        let refused = |problem: Problem| {
            let d = Diagnostic::error(codes::CALLED_FILE, call.pipeline.span, problem.message);
            self.diagnostics.push(Diagnostic { help: problem.help, ..d });
        };
        known.map_err(refused).ok()
    }

    /// The call closes a circle that begins at this place of the way.
    fn circle(&mut self, call: &CallDecl, at: usize) {
        let circle = &self.way[at..];
        let names: Vec<&str> = circle.iter().chain(circle.first()).map(|(path, _)| &**path).collect();
        let message = format!("pipeline files call each other in a circle: {}", quote(&names.join(" -> ")));
        let mut d = Diagnostic::error(codes::CALL_CYCLE, call.pipeline.span, message).label("closes the circle");
        for (path, place) in &circle[1..] {
            d = d.also(*place, format!("calls {}", quote(path)));
        }
        self.diagnostics.push(d.help("take one of the calls out; what is done again and again is a `[loop.NAME]`"));
    }
}

/// A path written in a file of `folder`, without `.` and with as few `..` as its text allows.
fn joined(folder: &str, written: &str) -> String {
    let whole =
        if written.starts_with('/') || folder.is_empty() { written.to_owned() } else { format!("{folder}/{written}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => {
                parts.pop();
            }
            None if part == ".." && whole.starts_with('/') => {}
            _ => parts.push(part),
        }
    }
    format!("{}{}", if whole.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_are_joined_as_text() {
        let cases = [
            ("", "qc.toml", "qc.toml"),
            ("", "./lib//qc.toml", "lib/qc.toml"),
            ("lib", "../qc.toml", "qc.toml"),
            ("lib", "../../qc.toml", "../qc.toml"),
            ("../lib", "../x.toml", "../x.toml"),
            ("lib", "/opt/./x.toml", "/opt/x.toml"),
            ("/opt", "../../x.toml", "/x.toml"),
        ];
        for (folder, written, path) in cases {
            assert_eq!(joined(folder, written), path, "{folder} {written}");
        }
    }

    #[test]
    fn each_file_is_read_once_and_knows_its_folder() {
        let files = [
            ("lib/qc.toml", "[task.a]\ncommand='x'\n[call.again]\npipeline='sub/deep.toml'\n"),
            ("lib/sub/deep.toml", "[task.b]\ncommand='x'\n"),
        ];
        let main = "[call.one]\npipeline='lib/qc.toml'\n[map.m]\nover=[1]\n[map.m.call.two]\npipeline='./lib/qc.toml'\n\
                    [branch.b]\non='{{ 1 }}'\n[branch.b.default.call.three]\npipeline='lib/sub/deep.toml'\n\
                    [branch.b.case.x.loop.l]\nmax=1\n[branch.b.case.x.loop.l.call.four]\npipeline='lib/qc.toml'\n";
        let mut asked = Vec::new();
        let mut open = |path: &str| {
            asked.push(path.to_owned());
            let (_, text) = files.iter().find(|(name, _)| *name == path).unwrap();
            Ok(Opened { name: format!("here/{path}"), text: (*text).into() })
        };
        let mut sources = Sources::default();
        let main = Opened { name: "here/main.toml".into(), text: main.into() };
        let (model, diagnostics) = read_all("main.toml", main, &mut sources, &mut open);
        assert_eq!(diagnostics, []);
        assert_eq!(asked, ["lib/qc.toml", "lib/sub/deep.toml"]);
        let names: Vec<&str> = sources.files.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["here/main.toml", "here/lib/qc.toml", "here/lib/sub/deep.toml"]);
        let NodeDecl::Call(one) = &model.nodes[0] else { panic!() };
        let qc = one.called.as_ref().unwrap();
        assert_eq!((&*qc.folder, qc.file, &*qc.name.as_ref().unwrap().value), ("lib", 1, "qc"));
        let NodeDecl::Call(again) = &qc.nodes[1] else { panic!() };
        assert_eq!((&*again.called.as_ref().unwrap().folder, again.called.as_ref().unwrap().file), ("lib/sub", 2));
        let NodeDecl::Map(map) = &model.nodes[1] else { panic!() };
        let NodeDecl::Call(two) = &map.nodes[0] else { panic!() };
        assert!(Arc::ptr_eq(two.called.as_ref().unwrap(), qc));
    }
}
