//! Commands that need no shell: the words of one simple command, where bash would do nothing with them but to execute
//! a program in its own place.

/// What bash finds before any program: its builtins and reserved words. `true` and `false` are not among them, see
/// [`words`].
const ITS_OWN: &[&[u8]] = &[
    b".",
    b":",
    b"[",
    b"alias",
    b"bg",
    b"bind",
    b"break",
    b"builtin",
    b"caller",
    b"cd",
    b"command",
    b"compgen",
    b"complete",
    b"compopt",
    b"continue",
    b"declare",
    b"dirs",
    b"disown",
    b"echo",
    b"enable",
    b"eval",
    b"exec",
    b"exit",
    b"export",
    b"fc",
    b"fg",
    b"getopts",
    b"hash",
    b"help",
    b"history",
    b"jobs",
    b"kill",
    b"let",
    b"local",
    b"logout",
    b"mapfile",
    b"popd",
    b"printf",
    b"pushd",
    b"pwd",
    b"read",
    b"readarray",
    b"readonly",
    b"return",
    b"set",
    b"shift",
    b"shopt",
    b"source",
    b"suspend",
    b"test",
    b"times",
    b"trap",
    b"type",
    b"typeset",
    b"ulimit",
    b"umask",
    b"unalias",
    b"unset",
    b"wait",
    b"!",
    b"[[",
    b"]]",
    b"case",
    b"coproc",
    b"do",
    b"done",
    b"elif",
    b"else",
    b"esac",
    b"fi",
    b"for",
    b"function",
    b"if",
    b"in",
    b"select",
    b"then",
    b"time",
    b"until",
    b"while",
    b"{",
    b"}",
];

/// The command line of an argument vector `bash … -c LINE`, if no option of it matters to a single command.
pub fn line_of_bash(argv: &[Vec<u8>]) -> Option<&[u8]> {
    let (shell, rest) = argv.split_first()?;
    if !matches!(shell.as_slice(), b"bash" | b"/bin/bash" | b"/usr/bin/bash") {
        return None;
    }
    let (line, options) = rest.split_last()?;
    let (mut names, mut takes_line) = (0, false);
    for option in options {
        match option.as_slice() {
            b"pipefail" | b"errexit" | b"nounset" if names > 0 => names -= 1,
            [b'-', letters @ ..] if names == 0 && !letters.is_empty() => {
                for letter in letters {
                    match letter {
                        b'e' | b'u' => {}
                        b'o' => names += 1,
                        b'c' => takes_line = true,
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
    }
    (names == 0 && takes_line).then_some(line)
}

/// The words of a command line that is one simple command without anything that a shell would have to do: no
/// expansion, redirection, assignment, builtin or reserved word. `None`: it needs a shell, or it is not certain.
///
/// Of the builtins `true` and `false` without arguments are taken, for as programs they do the same.
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
    let line = &line[line.iter().position(|byte| !blank(byte))?..];
    let line = &line[..=line.iter().rposition(|byte| !blank(byte))?];
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\'' | b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        end if end == byte => break,
                        // What bash keeps for its own marks, and what means something inside of `"…"`.
                        0 | 0x01 | 0x7f => return None,
                        b'$' | b'`' | b'\\' | b'!' if byte == b'"' => return None,
                        other => word.push(other),
                    }
                }
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'+' | b'.' | b',' | b'/' | b':' | b'@' | b'%' => {
                word.get_or_insert_default().push(byte);
            }
            // An assignment stands before the command.
            b'=' if !words.is_empty() => word.get_or_insert_default().push(byte),
            _ => return None,
        }
    }
    words.extend(word);
    let (program, arguments) = words.split_first()?;
    match program.as_slice() {
        // A job, or nothing.
        [] | [b'%', ..] => None,
        b"true" | b"false" if !arguments.is_empty() => None,
        name if ITS_OWN.contains(&name) => None,
        _ => Some(words),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(line: &str) -> Option<Vec<String>> {
        let words = words(line.as_bytes())?;
        Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn plain_words_need_no_shell() {
        let cases: [(&str, &[&str]); 9] = [
            ("true", &["true"]),
            ("  sleep\t1.5 \n", &["sleep", "1.5"]),
            ("cp in/a out/b", &["cp", "in/a", "out/b"]),
            ("python3 -m tool --name=x", &["python3", "-m", "tool", "--name=x"]),
            ("'/opt/my tool' '' \"two words\" a'b'\"c\"", &["/opt/my tool", "", "two words", "abc"]),
            ("grep -e '$x|*\n`y`\\' file", &["grep", "-e", "$x|*\n`y`\\", "file"]),
            ("tool 'ü' a%b user@host:x,y +1", &["tool", "ü", "a%b", "user@host:x,y", "+1"]),
            ("'sh' -c 'true; true'", &["sh", "-c", "true; true"]),
            ("./true x", &["./true", "x"]),
        ];
        for (line, words) in cases {
            assert_eq!(
                shown(line).as_deref(),
                Some(words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>().as_slice())
            );
        }
    }

    #[test]
    fn whatever_a_shell_would_look_at_goes_to_one() {
        let cases = [
            "",
            " \n",
            "a; b",
            "a && b",
            "a | b",
            "a &",
            "a\nb",
            "a > b",
            "a < b",
            "a 2>b",
            "(a)",
            "{ a; }",
            "a $x",
            "a \"$x\"",
            "a `b`",
            "a \\b",
            "a *",
            "a ?",
            "a [b]",
            "a {b,c}",
            "a ~",
            "a ~/b",
            "x=1",
            "x=1 a",
            "a # b",
            "! a",
            "a !b",
            "cd /tmp",
            "echo x",
            "exec a",
            "'cd' /tmp",
            "\"exit\" 1",
            "true x",
            "false --help",
            "%1",
            "''",
            "a 'b",
            "a \"b",
            "a \"\\$\"",
            "a \"b!\"",
            "a ü",
            "a \r",
            "a '\u{1}'",
            "if",
            "time a",
            "[ a ]",
            "[[ a ]]",
            "test a",
            ". a",
            ": a",
            "a ^b",
            "a\0b",
            "a 'b\0c'",
        ];
        for line in cases {
            assert_eq!(shown(line), None, "{line:?}");
        }
    }

    #[test]
    fn only_bash_and_only_options_that_do_not_matter() {
        let line = |words: &[&str]| {
            let argv: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            line_of_bash(&argv).map(<[u8]>::to_vec)
        };
        let good: [&[&str]; 6] = [
            &["bash", "-euo", "pipefail", "-c", "a"],
            &["bash", "-c", "a"],
            &["/bin/bash", "-ec", "a"],
            &["bash", "-e", "-u", "-o", "pipefail", "-c", "a"],
            &["bash", "-euoc", "pipefail", "a"],
            &["bash", "-c", "-eo", "pipefail", "a"],
        ];
        let bad: [&[&str]; 10] = [
            &[],
            &["bash"],
            &["bash", "a"],
            &["bash", "-e", "a"],
            &["sh", "-c", "a"],
            &["bash", "-xc", "a"],
            &["bash", "-lc", "a"],
            &["bash", "-c", "a", "name"],
            &["bash", "-o", "posix", "-c", "a"],
            &["bash", "-eo", "-c", "a"],
        ];
        good.iter().for_each(|words| assert_eq!(line(words).as_deref(), Some(&b"a"[..]), "{words:?}"));
        bad.iter().for_each(|words| assert_eq!(line(words), None, "{words:?}"));
    }
}
