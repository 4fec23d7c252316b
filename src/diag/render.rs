//! Diagnostics for people, in the manner of rustc.

use super::{Diagnostic, FileId, Severity, Sources, Span, within};
use crate::base::human::plain;
use crate::base::text::floor;
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
        let labels = primary.chain(others).filter(|(_, label)| label.span.file == file);
        let places: Vec<_> = labels.map(|(kind, label)| (kind, visible(text, label.span), label)).collect();
        // only the lines in question: a file may be long
        let from = places.iter().map(|(_, range, _)| range.start).min().unwrap_or(0);
        let to = places.iter().map(|(_, range, _)| range.end).max().unwrap_or(0);
        let from = text[..from].rfind('\n').map_or(0, |newline| newline + 1);
        let to = text[to..].find('\n').map_or(text.len(), |newline| to + newline + 1);
        let line = 1 + text[..from].bytes().filter(|b| *b == b'\n').count();
        let annotations = places.into_iter().map(|(kind, range, label)| {
            let annotation = kind.span(range.start - from..range.end - from);
            if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
        });
        let snippet = Snippet::source(&text[from..to]).line_start(line).path(plain(path));
        group = group.element(snippet.annotations(annotations));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    group
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
fn visible(text: &str, span: Span) -> Range<usize> {
    let start = within(text, span.start);
    let mut end = floor(text, span.end as usize).max(start);
    if end < span.end as usize && end < text.len() {
        end += text[end..].chars().next().map_or(0, char::len_utf8);
    }
    start..start + text[start..end].trim_end_matches(['\n', '\r']).len()
}
