//! What `doctor` has found, as lines of at most 80 columns and as one document.

use super::json;
use crate::base::human;
use crate::base::paint::Paint;
use crate::base::text::count;
use crate::port::doctor::{Finding, Weight};
use serde::Serialize;
use std::fmt::Write;

/// Columns.
const WIDTH: usize = 80;
/// Of the names of what was looked at.
const ABOUT: usize = 15;
/// Where the text of a finding begins.
const INDENT: usize = 2 + 5 + 2 + ABOUT + 2;
/// Where its other lines do.
const BELOW: usize = 2 + 5 + 2;

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// This flowrun.
    pub version: &'static str,
    /// This machine.
    pub host: String,
    /// Whose findings are among them.
    pub backend: String,
    /// How many are wrong.
    pub wrong: u64,
    /// How many are worth knowing.
    pub notes: u64,
    /// In the order in which they were made.
    pub findings: Vec<Placed>,
}

/// A finding in its group.
#[derive(Debug, Serialize)]
pub struct Placed {
    /// `settings`, `project`, `machine`, or the backend's name.
    pub area: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, area: &str, finding: Finding) {
        match finding.weight {
            Weight::Fine => {}
            Weight::Note => self.notes += 1,
            Weight::Wrong => self.wrong += 1,
        }
        self.findings.push(Placed { area: area.to_owned(), finding });
    }

    /// One document.
    pub fn json(&self) -> String {
        json::line(self)
    }

    /// The last line for people.
    pub fn end(&self, paint: Paint) -> String {
        let notes = match self.notes {
            0 => String::new(),
            1 => "; 1 thing is worth knowing".to_owned(),
            n => format!("; {} are worth knowing", count(n, "thing")),
        };
        let wrong = match self.wrong {
            0 => paint.green("nothing is wrong"),
            1 => paint.red("1 thing is wrong"),
            n => paint.red(format!("{} are wrong", count(n, "thing"))),
        };
        format!("\n{wrong}{notes}\n")
    }
}

/// A group's first line.
pub fn heading(area: &str, paint: Paint) -> String {
    format!("\n{}\n", paint.bold(area))
}

/// A finding for people.
pub fn human(finding: &Finding, paint: Paint) -> String {
    let weight = match finding.weight {
        Weight::Fine => paint.green("fine "),
        Weight::Note => paint.yellow("note "),
        Weight::Wrong => paint.red("wrong"),
    };
    let mut text = String::new();
    let mut head = format!("  {weight}  {:ABOUT$}  ", finding.about);
    for line in human::wrap(&human::plain(&finding.text), WIDTH - INDENT) {
        let _ = writeln!(text, "{}{line}", std::mem::replace(&mut head, " ".repeat(INDENT)));
    }
    let mut below = |line: &str, own: &str| {
        let _ = writeln!(text, "{:BELOW$}{own}{line}", "");
    };
    for line in &finding.lines {
        let line = human::plain(line);
        match line.chars().count() <= WIDTH - BELOW {
            // Columns stay columns.
            true => below(&line, ""),
            false => {
                let parts = human::wrap(&line, WIDTH - BELOW - 2);
                parts.iter().enumerate().for_each(|(i, part)| below(part, if i == 0 { "" } else { "  " }));
            }
        }
    }
    if let Some(help) = &finding.help {
        let lines = human::wrap(&human::plain(help), WIDTH - BELOW - 6);
        for (i, line) in lines.iter().enumerate() {
            below(line, &if i == 0 { format!("{} ", paint.cyan("help:")) } else { "      ".to_owned() });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_fit_eighty_columns() {
        let wrong = Finding::wrong("partitions", "there is no partition `shrt`", "did you mean `short`?")
            .lines(["main*  up    1-00:00:00".to_owned(), "--cpus-per-task=1 ".repeat(6).trim_end().to_owned()]);
        assert_eq!(
            human(&wrong, Paint::OFF),
            "  wrong  partitions       there is no partition `shrt`
         main*  up    1-00:00:00
         --cpus-per-task=1 --cpus-per-task=1 --cpus-per-task=1
           --cpus-per-task=1 --cpus-per-task=1 --cpus-per-task=1
         help: did you mean `short`?
"
        );
        let mut findings = Findings { version: "1", ..Findings::default() };
        findings.add("slurm", wrong);
        findings.add("slurm", Finding::note("accounting", "none"));
        assert_eq!(findings.end(Paint::OFF), "\n1 thing is wrong; 1 thing is worth knowing\n");
    }
}
