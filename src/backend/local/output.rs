//! The values of an attempt: what stands in the file `$FLOWRUN_OUTPUT`, or on standard output.

use crate::base::Value;
use crate::base::text::{and, did_you_mean, quote};
use crate::event::{Cause, Failure};
use crate::lang::types::Type;
use crate::port::{JobOutput, JobOutputKind};

/// The values that stand in a text of `name=value` lines, by position among the outputs; `None` for outputs that are no
/// values of this file. Of a name that comes twice the last line counts, and only that is looked at.
pub fn values(outputs: &[JobOutput], text: &[u8]) -> Result<Vec<Option<Value>>, Failure> {
    let mut lines: Vec<Option<(usize, &[u8])>> = vec![None; outputs.len()];
    for (number, line) in text.split(|&b| b == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let at = |what: String| format!("line {} of $FLOWRUN_OUTPUT {what}", number + 1);
        let Some(equals) = line.iter().position(|&b| b == b'=') else {
            let what = at(format!("is {}, not `name=value`", shown(line)));
            return Err(invalid(
                what,
                Some("write one value a line; a JSON value may not be spread over lines".into()),
            ));
        };
        let (name, value) = (&line[..equals], &line[equals + 1..]);
        match outputs.iter().position(|o| o.name.as_bytes() == name) {
            Some(i) if matches!(outputs[i].kind, JobOutputKind::Value(_)) => lines[i] = Some((number + 1, value)),
            Some(i) => {
                let what = match outputs[i].kind {
                    JobOutputKind::Stdout(_) => "standard output",
                    JobOutputKind::Dir(_) => "a directory",
                    _ => "a file",
                };
                return Err(invalid(at(format!("gives {}, which is declared as {what}", shown(name))), None));
            }
            None => {
                let declared =
                    || outputs.iter().filter(|o| matches!(o.kind, JobOutputKind::Value(_))).map(|o| &*o.name);
                let text = String::from_utf8_lossy(name);
                let near = did_you_mean(&text, declared());
                let help = near.or_else(|| {
                    let is_name = text
                        .bytes()
                        .enumerate()
                        .all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()));
                    is_name.then(|| format!("declare it: `outputs.{text} = \"string\"`"))
                });
                return Err(invalid(at(format!("gives {}, which is not declared", shown(name))), help));
            }
        }
    }
    let mut values = Vec::with_capacity(outputs.len());
    let mut missing = Vec::new();
    for (output, line) in outputs.iter().zip(lines) {
        values.push(match (&output.kind, line) {
            (JobOutputKind::Value(ty), Some((number, text))) => {
                let what =
                    |problem| format!("the output `{}`, line {number} of $FLOWRUN_OUTPUT: {problem}", output.name);
                Some(ty.parse_text(text).map_err(|problem| invalid(what(problem), declared(&output.name, ty)))?)
            }
            (JobOutputKind::Value(ty), None) => {
                missing.push((&*output.name, ty));
                None
            }
            _ => None,
        });
    }
    match missing.as_slice() {
        [] => Ok(values),
        [(name, ty), rest @ ..] => Err(Failure {
            cause: Cause::OutputMissing,
            message: if rest.is_empty() {
                format!("the output `{name}` ({ty}) was not written to $FLOWRUN_OUTPUT")
            } else {
                format!(
                    "the outputs {} were not written to $FLOWRUN_OUTPUT",
                    and(missing.iter().map(|(name, _)| *name))
                )
            }
            .into(),
            help: Some(format!("`echo \"{name}=…\" >> \"$FLOWRUN_OUTPUT\"`").into()),
        }),
    }
}

/// The value that is all of standard output less its final newlines.
pub fn of_stdout(name: &str, ty: &Type, text: &[u8]) -> Result<Value, Failure> {
    let end = text.iter().rposition(|&b| b != b'\n').map_or(0, |i| i + 1);
    ty.parse_text(&text[..end])
        .map_err(|problem| invalid(format!("the output `{name}`, standard output: {problem}"), declared(name, ty)))
}

/// An output that is longer than a value may be.
pub fn too_much(name: &str, bytes: u64) -> Failure {
    let message = format!("the output `{name}`, standard output: {bytes} bytes are too many for a value");
    invalid(message, Some(format!("write them to a file: `outputs.{name} = {{ file = … }}`")))
}

/// A file of values that is longer than values may be.
pub fn file_too_long(bytes: u64) -> Failure {
    let message = format!("$FLOWRUN_OUTPUT has {bytes} bytes, which are too many for values");
    invalid(message, Some("write what is long to a file: `outputs.NAME = { file = … }`".into()))
}

fn declared(name: &str, ty: &Type) -> Option<String> {
    Some(format!("`{name}` is declared as `{ty}`"))
}

fn shown(bytes: &[u8]) -> String {
    quote(&String::from_utf8_lossy(bytes))
}

fn invalid(message: String, help: Option<String>) -> Failure {
    Failure { cause: Cause::OutputInvalid, message: message.into(), help: help.map(Into::into) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn outputs() -> Vec<JobOutput> {
        let list = Type::List(Box::new(Type::Int));
        [("n", Type::Int), ("text", Type::String), ("where", Type::Path), ("list", list)]
            .into_iter()
            .map(|(name, ty)| JobOutput::new(name, JobOutputKind::Value(ty)))
            .chain([JobOutput::new("html", JobOutputKind::File(b"x.html".to_vec()))])
            .collect()
    }

    fn json(text: &[u8]) -> String {
        let values = values(&outputs(), text).unwrap();
        values.iter().map(|v| v.as_ref().map_or("-".to_owned(), Value::to_json)).collect::<Vec<_>>().join(" ")
    }

    fn refused(text: &[u8]) -> String {
        let failure = values(&outputs(), text).unwrap_err();
        format!("{:?}: {}\n{}", failure.cause, failure.message, failure.help.as_deref().unwrap_or(""))
    }

    #[test]
    fn lines_become_values() {
        assert_eq!(json(b"n=3\n\ntext= a=b \"c\" \nwhere=/tmp/x\nlist=[1, 2]"), r#"3 " a=b \"c\" " "/tmp/x" [1,2] -"#);
        assert_eq!(json(b"n= 3 \r\ntext=\"a\\nb\"\nwhere=\"open\nlist=[]\n"), r#"3 "a\nb" "\"open" [] -"#);
        assert_eq!(json(b"n=wrong\nn=3\ntext=\nwhere=a\xffb\nlist=[]\n"), r#"3 "" {"bytes":"Yf9i"} [] -"#);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(
            refused(b"n=3\ntext=a\n"),
            "OutputMissing: the outputs `where` and `list` were not written to $FLOWRUN_OUTPUT\n\
             `echo \"where=\u{2026}\" >> \"$FLOWRUN_OUTPUT\"`"
        );
        assert_eq!(
            refused(b"n=3\ntext=a\nwhere=b\n"),
            "OutputMissing: the output `list` (list<int>) was not written to $FLOWRUN_OUTPUT\n\
             `echo \"list=\u{2026}\" >> \"$FLOWRUN_OUTPUT\"`"
        );
        assert_eq!(
            refused(b"\nn=three\n"),
            "OutputInvalid: the output `n`, line 2 of $FLOWRUN_OUTPUT: `three` is not an int\n`n` is declared as `int`"
        );
        assert_eq!(
            refused(b"list=[1,\n2]\n"),
            "OutputInvalid: line 2 of $FLOWRUN_OUTPUT is `2]`, not `name=value`\n\
             write one value a line; a JSON value may not be spread over lines"
        );
        assert_eq!(
            refused(b"lits=[1]\n"),
            "OutputInvalid: line 1 of $FLOWRUN_OUTPUT gives `lits`, which is not declared\ndid you mean `list`?"
        );
        assert_eq!(
            refused(b"total=1\n"),
            "OutputInvalid: line 1 of $FLOWRUN_OUTPUT gives `total`, which is not declared\n\
             declare it: `outputs.total = \"string\"`"
        );
        assert_eq!(
            refused(b"\xff\x1b=1\n"),
            "OutputInvalid: line 1 of $FLOWRUN_OUTPUT gives `\u{fffd}\\u{1b}`, which is not declared\n"
        );
        assert_eq!(
            refused(b"html=x\n"),
            "OutputInvalid: line 1 of $FLOWRUN_OUTPUT gives `html`, which is declared as a file\n"
        );
        assert_eq!(
            refused(b"list=[1, null]\n"),
            "OutputInvalid: the output `list`, line 1 of $FLOWRUN_OUTPUT: element 1 is null, not an int\n\
             `list` is declared as `list<int>`"
        );
    }

    #[test]
    fn standard_output_less_its_last_newlines() {
        assert_eq!(of_stdout("x", &Type::String, b"\na\n\n").unwrap().to_json(), r#""\na""#);
        assert_eq!(of_stdout("x", &Type::Int, b"42\n").unwrap().to_json(), "42");
        let failure = of_stdout("x", &Type::Int, b"").unwrap_err();
        assert_eq!(&*failure.message, "the output `x`, standard output: `` is not an int");
    }
}
