//! Diagnostics for people, in the manner of rustc.

use super::{Diagnostic, FileId, Label, Severity, Sources};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use std::ops::Range;

/// All diagnostics as text, a blank line between two; ends with a newline unless there is none to show.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&renderer.render(&[group(diagnostic, sources)]));
        out.push('\n');
    }
    out
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = Group::with_title(title);
    for file in files(diagnostic) {
        let Some((path, text)) = sources.files.get(usize::from(file)) else { continue };
        let primary = diagnostic.primary.iter().map(|label| (AnnotationKind::Primary, label));
        let others = diagnostic.others.iter().map(|label| (AnnotationKind::Context, label));
        let mut snippet = Snippet::source(&**text).path(path.as_str());
        for (kind, label) in primary.chain(others).filter(|(_, label)| label.span.file == file) {
            snippet = snippet.annotation(annotation(kind, label, text));
        }
        group = group.element(snippet);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    group
}

fn annotation<'a>(kind: AnnotationKind, label: &'a Label, text: &str) -> annotate_snippets::Annotation<'a> {
    let annotation = kind.span(visible(text, label.span.start as usize..label.span.end as usize));
    if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
}

/// The files that a diagnostic points into, the primary's first.
fn files(diagnostic: &Diagnostic) -> Vec<FileId> {
    let mut files = Vec::new();
    for label in diagnostic.primary.iter().chain(&diagnostic.others) {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    files
}

/// The range on whole characters, within the text, and without the newline that ends it.
fn visible(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    let end = text.ceil_char_boundary(range.end.clamp(start, text.len()));
    let trimmed = text[start..end].trim_end_matches(['\n', '\r']).len();
    start..start + trimmed
}
