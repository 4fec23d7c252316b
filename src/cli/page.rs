//! `man/flowrun-pipeline.5`: the reference page of the pipeline file as a man page.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// The man page of a reference in Markdown: headings, paragraphs, tables, `code` and *emphasis*.
pub fn man(markdown: &str) -> String {
    let mut roff = Roff::new();
    let version = concat!("flowrun ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["flowrun-pipeline", "5", "", version, "flowrun"]);
    roff.control("SH", ["NAME"]).text([roman("flowrun-pipeline - the pipeline file of flowrun")]);
    roff.control("SH", ["DESCRIPTION"]);
    let mut paragraph: Vec<&str> = Vec::new();
    let mut head: Option<Vec<String>> = None;
    // what a heading says already, and what is meant for whoever edits the page
    let lines = markdown.lines().filter(|line| !line.starts_with("# ") && !line.starts_with("<!--"));
    for line in lines.chain([""]) {
        let cells = line.strip_prefix('|').map(cells);
        if (line.is_empty() || cells.is_some() || line.starts_with("## ")) && !paragraph.is_empty() {
            roff.control("PP", []).text(inline(&paragraph.join(" ")));
            paragraph.clear();
        }
        if let Some(heading) = line.strip_prefix("## ") {
            roff.control("SH", [heading_of(heading).as_str()]);
        } else if let Some(cells) = cells {
            match &head {
                None => head = Some(cells),
                Some(_) if cells.iter().all(|cell| cell.chars().all(|c| c == '-')) => {}
                Some(head) => row(&mut roff, head, &cells),
            }
        } else {
            head = None;
            if !line.is_empty() {
                paragraph.push(line);
            }
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("flowrun"), roman("(1), "), bold("flowrun-check"), roman("(1)")]);
    roff.to_roff()
}

/// A row as an entry of a list: the first cell, then the others by what their heads say.
fn row(roff: &mut Roff, head: &[String], cells: &[String]) {
    let Some((name, rest)) = cells.split_first() else { return };
    roff.control("TP", []).text(inline(name));
    let mut example = None;
    let mut said = String::new();
    for (head, cell) in head.iter().skip(1).zip(rest).filter(|(_, cell)| !cell.is_empty()) {
        match head.as_str() {
            "example" => example = Some(cell),
            "type" => said.push_str(&format!("{cell}. ")),
            "when left out" => said.push_str(&format!("When left out: {cell}. ")),
            _ => said.push_str(cell),
        }
    }
    roff.text(inline(&said));
    if let Some(example) = example {
        roff.control("RS", []).control("sp", []).control("EX", []);
        for line in example.split("<br>") {
            roff.text([roman(line.trim_matches('`'))]);
        }
        roff.control("EE", []).control("RE", []);
    }
}

/// The cells of a row, `\|` being no border.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim_end().trim_end_matches('|').replace("\\|", "\u{0}");
    row.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

/// Text with `code` in bold.
fn inline(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts.map(|(i, part)| if i % 2 == 1 { bold(part) } else { roman(part.replace('*', "")) }).collect()
}

/// A heading of words is written in capitals; one that quotes the file stays.
fn heading_of(heading: &str) -> String {
    if heading.contains('`') { heading.replace('`', "") } else { heading.to_uppercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_becomes_a_page() {
        let page =
            man("# Title\n<!-- made -->\nA *template* is\na string with `{{ … }}`.\n\n## `[task.NAME]`\nDoc.\n\n\
                        | key | type | when left out | meaning | example |\n| --- | --- | --- | --- | --- |\n\
                        | `env` | table |  | Variables. | `env.X = \"a\\|b\"`<br>`env.Y = 1` |\n\n## Types\nT.\n");
        let body = page.split_once(".SH DESCRIPTION\n").map_or("", |(_, body)| body);
        assert_eq!(
            body,
            ".PP\nA template is a string with \\fB{{ … }}\\fR.\n.SH [task.NAME]\n.PP\nDoc.\n.TP\n\\fBenv\\fR\n\
             table. Variables.\n.RS\n.sp\n.EX\nenv.X = \"a|b\"\nenv.Y = 1\n.EE\n.RE\n.SH TYPES\n.PP\nT.\n\
             .SH \"SEE ALSO\"\n\\fBflowrun\\fR(1), \\fBflowrun\\-check\\fR(1)\n"
        );
    }
}
