//! No value ever becomes shell syntax: hostile text in every place of a command, through every shell that is here,
//! comes back byte for byte; and where the shell computes, nothing but an integer gets in.

#![allow(clippy::print_stderr)]

use flowrun::base::Value;
use flowrun::diag::Span;
use flowrun::lang::expr::{Frame, Names, Template, Use};
use flowrun::lang::model::Text;
use proptest::prelude::*;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

const SHELLS: [&[&str]; 5] =
    [&["sh", "-eu"], &["bash", "-euo", "pipefail"], &["bash", "--posix", "-eu"], &["ksh", "-eu"], &["zsh", "-eu"]];

/// The shells that are installed. `needs_shells` sees to it that `tests/all` tries them all.
fn shells() -> Vec<&'static [&'static str]> {
    let there = |shell: &&[&str]| {
        Command::new(shell[0]).args(["-c", ":"]).stdin(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    SHELLS.into_iter().filter(there).collect()
}

mod needs_shells {
    #[test]
    #[ignore = "needs ksh and zsh"]
    fn every_shell_is_tried() {
        assert_eq!(super::shells(), super::SHELLS);
    }
}

fn compile(source: &str) -> Result<Template, Vec<String>> {
    let mut diagnostics = Vec::new();
    let span = Span { file: 0, start: 0, end: source.len() as u32 + 2 };
    let text = Text { value: source.into(), span, offsets: None, body: 1 };
    let template = Template::compile(&text, Use::Command, &mut diagnostics);
    template.ok_or_else(|| diagnostics.into_iter().map(|d| format!("{}: {}", d.code, d.message)).collect())
}

fn frame(value: Value) -> Frame {
    Frame::new(&Arc::new(Names::new([vec![Arc::from("x")]])), vec![Ok(value)])
}

/// The command with the value in its place.
fn render(template: &Template, value: Value) -> Result<Vec<u8>, String> {
    template.eval_command(&frame(value)).map_err(|e| e.message)
}

/// Runs a script as flowrun would, one that is too long for an argument as a file, and gives what it printed.
fn run(shell: &[&str], script: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(script).expect("written");
    let words = match script.len() {
        ..100_000 => vec![OsStr::new("-c"), OsStr::from_bytes(script)],
        _ => vec![file.path().as_os_str()],
    };
    let dir = tempfile::tempdir().expect("a folder");
    let output = Command::new("timeout")
        .arg("60")
        .args(shell)
        .args(words)
        .current_dir(dir.path())
        .env_remove("ENV")
        .env("ZDOTDIR", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .expect("the shell runs");
    let made: Vec<_> = std::fs::read_dir(dir.path()).expect("listed").map(|e| e.expect("entry").file_name()).collect();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(3000)]).into_owned();
    assert!(made.is_empty(), "{shell:?} made {made:?}: {}", shown(script));
    assert!(output.status.success(), "{shell:?}: {}\n--- {}", shown(&output.stderr), shown(script));
    output.stdout
}

/// A place for a value: a command that prints it followed by a NUL, what stands around it in the output, and whether
/// some shell does not know the construct.
struct Place {
    command: &'static str,
    before: &'static str,
    after: &'static str,
    only: &'static [&'static str],
    /// A value that holds this is refused there; nothing when empty.
    refuses: &'static str,
}

const ALL: &[&str] = &["sh", "bash", "ksh", "zsh"];
const NOT_SH: &[&str] = &["bash", "ksh", "zsh"];

const fn place(command: &'static str, before: &'static str, after: &'static str) -> Place {
    Place { command, before, after, only: ALL, refuses: "" }
}

const fn newer(command: &'static str, before: &'static str, after: &'static str) -> Place {
    Place { command, before, after, only: NOT_SH, refuses: "" }
}

const PLACES: &[Place] = &[
    place(r#"printf '%s\0' {{ x }}"#, "", ""),
    place(r#"printf '%s\0' a{{ x }}b"#, "a", "b"),
    place(r#"printf '%s\0' --name={{ x }}"#, "--name=", ""),
    place(r#"printf '%s\0' {{ x }}/{{ x }}"#, "", "\u{1}"),
    place(r#"printf '%s\0' "{{ x }}""#, "", ""),
    place(r#"printf '%s\0' "a $((1)) {{ x }} b""#, "a 1 ", " b"),
    place(r#"printf '%s\0' '{{ x }}'"#, "", ""),
    place(r#"printf '%s\0' 'a "{{ x }}" $b'"#, "a \"", "\" $b"),
    place(r#"v={{ x }}; printf '%s\0' "$v""#, "", ""),
    place(r#"v="{{ x }}"; printf '%s\0' "$v""#, "", ""),
    place(r#"v=a; printf '%s\0' "$v{{ x }}""#, "a", ""),
    place(r#"v=a; printf '%s\0' $v{{ x }}"#, "a", ""),
    place(r#"v=a; printf '%s\0' "${v}{{ x }}$v""#, "a", "a"),
    place(r#"v=$(printf '%s.' {{ x }}); printf '%s\0' "$v""#, "", "."),
    place(r#"v=$(printf '%s.' "{{ x }}"); printf '%s\0' "$v""#, "", "."),
    place(r#"printf '%s\0' "$(printf '%s.' {{ x }})""#, "", "."),
    place(r#"printf '%s\0' "$(printf '%s.' "$(printf '%s.' "{{ x }}")")""#, "", ".."),
    place(r#"printf '%s\0' "$(printf '%s.' '{{ x }}')""#, "", "."),
    place(r#"v=`printf '%s.' {{ x }}`; printf '%s\0' "$v""#, "", "."),
    place(r#"v=`printf '%s.' "{{ x }}"`; printf '%s\0' "$v""#, "", "."),
    place(r#"v=`printf '%s.' 'a{{ x }}'`; printf '%s\0' "$v""#, "a", "."),
    place("cat <<END_OF_IT\na{{ x }}b\nEND_OF_IT\nprintf '\\0'", "a", "b\n"),
    place("cat <<'END_OF_IT'\na{{ x }}b\nEND_OF_IT\nprintf '\\0'", "a", "b\n"),
    Place { refuses: "\n\t", ..place("cat <<-END_OF_IT\n\ta{{ x }}b\n\tEND_OF_IT\nprintf '\\0'", "a", "b\n") },
    // ksh93 itself loses or crashes on bytes above 127 in such here-documents, in literal text as well; in a long script
    // dash loses some in the second of two.
    Place {
        only: &["bash", "zsh"],
        ..place("cat <<END_OF_IT; cat <<\\EOT; printf '\\0'\n$((1))\nEND_OF_IT\n{{ x }}.\nEOT", "1\n", ".\n")
    },
    Place {
        only: &["sh", "bash", "zsh"],
        ..place("v=$(cat <<END_OF_IT\na{{ x }}b\nEND_OF_IT\n); printf '%s\\0' \"$v\"", "a", "b")
    },
    // The shell joins lines that end with a backslash before it looks at anything else.
    Place { refuses: "\\\n", ..place("cat <<END_OF_IT\n$(printf '%s.' {{ x }})\nEND_OF_IT\nprintf '\\0'", "", ".\n") },
    Place {
        refuses: "\\\n",
        ..place("cat <<END_OF_IT\n$(printf '%s.' \"{{ x }}\")\nEND_OF_IT\nprintf '\\0'", "", ".\n")
    },
    place("cat <<END_OF_IT\na `printf '%s.' {{ x }}`\nEND_OF_IT\nprintf '\\0'", "a ", ".\n"),
    place(r#"printf '%s\0' "a `printf '%s.' {{ x }}` b""#, "a ", ". b"),
    place(r#"printf '%s\0' "a `printf '%s.' "{{ x }}"` b""#, "a ", ". b"),
    place(r#"printf '%s\0' "a `printf '%s.' '{{ x }}'` b""#, "a ", ". b"),
    place(r#"for v in {{ x }}; do printf '%s\0' "$v"; done"#, "", ""),
    place(r#"f() { printf '%s\0' "$1"; }; f {{ x }}"#, "", ""),
    place(r#"{ printf '%s\0' {{ x }}; }"#, "", ""),
    place(r#"(printf '%s\0' {{ x }})"#, "", ""),
    place(r#"if true; then printf '%s\0' {{ x }}; fi # not {{ x }}"#, "", ""),
    place("# it's {{ x }}\nprintf '%s\\0' {{ x }}", "", ""),
    place(r#"case {{ x }} in {{ x }}) printf '%s\0' {{ x }};; *) printf 'no\0';; esac"#, "", ""),
    place(r#"case "{{ x }}" in (a"{{ x }}") printf 'no\0';; "{{ x }}"|b) printf '%s\0' "{{ x }}";; esac"#, "", ""),
    place(r#"v=$(case a in a) printf '%s.' {{ x }};; esac); printf '%s\0' "$v""#, "", "."),
    place(r#"v={{ x }}; case $v in "{{ x }}") printf '%s\0' "$v";; esac"#, "", ""),
    place(r#"[ {{ x }}a = "{{ x }}a" ] && printf '%s\0' {{ x }}"#, "", ""),
    place(r#"v=`printf '%s.' "$(printf '%s.' "{{ x }}")"`; printf '%s\0' "$v""#, "", ".."),
    place(r#"echo >/dev/null {{ x }} 2>&1; printf '%s\0' {{ x }}"#, "", ""),
    place(r#"printf '%s\0' {{ x }} | cat"#, "", ""),
    place(r#"v="${w:-$(printf '%s.' {{ x }})}"; printf '%s\0' "$v""#, "", "."),
    place(r#"export v={{ x }}; printf '%s\0' "$v""#, "", ""),
    place(r#"v=1 w={{ x }}; printf '%s\0' "$w""#, "", ""),
    newer(r#"v=({{ x }} b); printf '%s\0' "${v[@]}""#, "", "\0b"),
    newer(r#"[[ a{{ x }} == a{{ x }} && "{{ x }}" == "{{ x }}" ]] && printf '%s\0' {{ x }}"#, "", ""),
    newer(r#"[[ -n a{{ x }} ]] && printf '%s\0' "{{ x }}""#, "", ""),
    newer(r#"v={{ x }}; [[ "$v" == {{ x }} ]] && printf '%s\0' {{ x }}"#, "", ""),
    newer(r#"cat <(printf '%s\0' {{ x }})"#, "", ""),
    newer("v=$(cat <<< {{ x }}; printf .); printf '%s\\0' \"$v\"", "", "\n."),
    newer(r#"(( 1 )) && printf '%s\0' {{ x }}"#, "", ""),
    newer(r#"for (( v = 0; v < 1; v++ )); do printf '%s\0' {{ x }}; done"#, "", ""),
    newer(r#"function f { printf '%s\0' "$1"; }; f "{{ x }}""#, "", ""),
];

/// What the shell must print for the value, without the final NUL.
fn expected(place: &Place, value: &[u8]) -> Vec<u8> {
    if place.after == "\u{1}" {
        return [value, b"/", value].concat();
    }
    [place.before.as_bytes(), value, place.after.as_bytes()].concat()
}

/// Whether the place must refuse the value. An even number of backslashes before a line's end joins nothing.
fn refused(refuses: &str, value: &[u8]) -> bool {
    let mut ends = (0..value.len()).map(|at| &value[..=at]).filter(|end| end.ends_with(refuses.as_bytes()));
    match refuses {
        "" => false,
        "\\\n" => ends.any(|end| end[..end.len() - 1].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1),
        _ => ends.count() > 0,
    }
}

/// Every value in every place, in one process a shell.
fn all_come_back(values: &[Vec<u8>], places: &[Place]) {
    for shell in shells() {
        let (mut script, mut out, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for place in places.iter().filter(|place| place.only.contains(&shell[0])) {
            let template = compile(place.command).unwrap_or_else(|e| panic!("{}: {e:?}", place.command));
            for value in values {
                // ksh93 takes a quoted `]]` for the end of `[[`, in literal text as well: a syntax error, nothing runs.
                if shell[0] == "ksh" && place.command.contains("[[") && value == b"]]" {
                    continue;
                }
                if refused(place.refuses, value) {
                    assert!(render(&template, Value::from_bytes(value)).is_err(), "{}: {value:?}", place.command);
                    continue;
                }
                let command =
                    render(&template, Value::from_bytes(value)).unwrap_or_else(|e| panic!("{}: {e}", place.command));
                if script.len() + command.len() > 90_000 {
                    out.append(&mut run(shell, &script));
                    script.clear();
                }
                script.extend_from_slice(&command);
                script.push(b'\n');
                wanted.push((place, value, command));
            }
        }
        out.append(&mut run(shell, &script));
        let mut rest = &out[..];
        for (place, value, command) in wanted {
            let want = [&expected(place, value)[..], b"\0"].concat();
            assert!(
                rest.starts_with(&want),
                "{shell:?}, {}\nvalue {:?}\ncommand {}\nwanted {:?}\ngot    {:?}",
                place.command,
                String::from_utf8_lossy(value),
                String::from_utf8_lossy(&command),
                String::from_utf8_lossy(&want),
                String::from_utf8_lossy(&rest[..rest.len().min(want.len() + 20)]),
            );
            rest = &rest[want.len()..];
        }
        assert!(rest.is_empty(), "{shell:?}: {:?}", String::from_utf8_lossy(rest));
    }
}

fn hostile() -> Vec<Vec<u8>> {
    let texts: &[&[u8]] = &[
        b"",
        b" ",
        b"a b",
        b"  two  ",
        b"\"{<(",
        b"'",
        b"two\\\\\nlines",
        b"three\\\\\\\nlines",
        b"''",
        b"'\\''",
        b"\"",
        b"\"\"",
        b"a'b\"c",
        b"`",
        b"`touch pwned`",
        b"$(touch pwned)",
        b"$((1+1))",
        b"${HOME}",
        b"$HOME",
        b"$",
        b"$$",
        b"$'a'",
        b"\\",
        b"\\\\",
        b"a\\",
        b"\\'",
        b"\\\"",
        b"\\`touch pwned\\`",
        b"\\$(touch pwned)",
        b"a\nb",
        b"\n",
        b"a\n\nb",
        b"\na",
        b"a\n touch pwned\n",
        b"\r\n",
        b"\t",
        b"-n",
        b"-e",
        b"--",
        b"-",
        b"!",
        b"!!",
        b"a!b",
        b"*",
        b"?",
        b"[a-z]*",
        b"~",
        b"~root",
        b"{a,b}",
        b"{1..3}",
        b"#",
        b"# a",
        b"a #b",
        b";",
        b"; touch pwned",
        b"& touch pwned &",
        b"| touch pwned",
        b"&& touch pwned",
        b"|| touch pwned",
        b"> pwned",
        b"< /etc/passwd",
        b">>pwned",
        b"(a)",
        b")",
        b"); touch pwned; (",
        b"}",
        b"]]",
        b"]",
        b"fi",
        b"done",
        b"esac",
        b";;",
        b"=",
        b"a=b",
        b"=ls",
        b"%",
        b"%s",
        b"%d\\n",
        b"\\0",
        b"\\n",
        b"\\c",
        b"a[$(touch pwned)0]",
        b"x[`touch pwned`]",
        b"[0]=x",
        b"[$(touch pwned)]=x",
        b"EOF",
        b"\nEOF\n",
        b"END_OF_I",
        b"E\nOT",
        b"<<EOF",
        b"'; touch pwned; '",
        b"\"; touch pwned; \"",
        b"'$(touch pwned)'",
        b"\"$(touch pwned)\"",
        b"'\"$(touch pwned)`touch pwned`\\",
        "grüße €😀 \u{a0}\u{200b}".as_bytes(),
        b"\xff",
        b"\xff\xfe'\x80",
        b"\xc3",
        b"a\xf4\x8f\xbe\x80b",
        b"\x01\x02\x7f\x1b[0m",
        b"\x88\x81",
        b"gi|9626243|ref|NC_001416.1|",
        b"if",
        b"time",
        b"function",
        b"-eq",
        b"(",
        b"\\(",
        b"a\\\nb",
        b"\\\n",
        b"+(a)",
        b"@(a|b)",
        b"^a",
        b"a^b",
        b":h",
        b":s/a/b/",
        b"1",
        b"007",
        b"1e9",
        b"\\x41",
        b"\xe2\x80\x98",
        b"\x80'\x80",
        b"\x5c\x27",
        b"\xa5\x5c",
    ];
    let mut values: Vec<Vec<u8>> = texts.iter().map(|text| text.to_vec()).collect();
    values.push((1..=255u8).collect());
    values.push((1..=255u8).rev().collect());
    values
}

#[test]
fn hostile_text_comes_back_from_every_place() {
    all_come_back(&hostile(), PLACES);
}

#[test]
fn two_hundred_kilobytes_come_back() {
    let long: Vec<u8> = b"a'b\"c`d$e\\f\ng ".iter().copied().cycle().take(200_000).collect();
    all_come_back(&[long], PLACES);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if std::env::var_os("FLOWRUN_LONG").is_some() { 500 } else { 12 }, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_text_comes_back(values in prop::collection::vec(prop_oneof![
        prop::collection::vec(1..=255u8, 0..24),
        "[ -~\n\t]{0,24}".prop_map(String::into_bytes),
        "['\"\\\\`$(){}\\[\\];&|<>#!~*?=\n a-b]{0,16}".prop_map(String::into_bytes),
        "\\PC{0,12}".prop_map(String::into_bytes),
    ], 1..12)) {
        all_come_back(&values, PLACES);
    }
}

/// Commands that compute with the value, and print what they got.
const COMPUTING: &[Place] = &[
    place(r#"printf '%s\0' $(( {{ x }} ))"#, "", ""),
    place(r#"printf '%s\0' "$((1 -1+{{ x }}))""#, "", ""),
    place(r#"v=3; printf '%s\0' "$(( v -{{ x }} -3 + 2*{{ x }} ))""#, "", ""),
    place(r#"[ {{ x }} -eq "{{ x }}" ] && printf '%s\0' {{ x }}"#, "", ""),
    place(r#"printf '%d\0' {{ x }}"#, "", ""),
    place("cat <<EOF\n$(( {{ x }} ))\nEOF\nprintf '\\0'", "", "\n"),
    place(r#"v=`printf '%s.' $(( {{ x }} ))`; printf '%s\0' "$v""#, "", "."),
    newer(r#"(( v = {{ x }} )) || true; printf '%s\0' "$v""#, "", ""),
    newer(r#"let "v = {{ x }}" || true; printf '%s\0' "$v""#, "", ""),
    newer(r#"[[ {{ x }} -eq "{{ x }}" && {{ x }} -le {{ x }} ]] && printf '%s\0' {{ x }}"#, "", ""),
    newer(r#"typeset -i v={{ x }}; printf '%s\0' "$v""#, "", ""),
    newer(r#"typeset -i v; v={{ x }}; printf '%s\0' "$v""#, "", ""),
];

#[test]
fn integers_are_what_the_shell_computes_with() {
    // ksh's integers have 32 bits.
    let numbers = [0, 1, -1, 5, -5, 42, 1 << 30, -(1 << 30)];
    for shell in shells() {
        let (mut script, mut wanted) = (Vec::new(), Vec::new());
        for place in COMPUTING.iter().filter(|place| place.only.contains(&shell[0])) {
            let template = compile(place.command).unwrap_or_else(|e| panic!("{}: {e:?}", place.command));
            for number in numbers {
                script
                    .extend(render(&template, Value::Int(number)).unwrap_or_else(|e| panic!("{}: {e}", place.command)));
                script.push(b'\n');
                wanted.push((place.command, format!("{}{number}{}", place.before, place.after)));
            }
        }
        let out = run(shell, &script);
        let got = out
            .strip_suffix(b"\0")
            .unwrap_or(&out)
            .split(|b| *b == 0)
            .map(|part| String::from_utf8_lossy(part).into_owned());
        let got: Vec<_> = wanted.iter().map(|(command, _)| *command).zip(got).collect();
        let wrong: Vec<_> = got.iter().zip(&wanted).filter(|(got, wanted)| got != wanted).collect();
        assert!(wrong.is_empty() && got.len() == wanted.len(), "{shell:?}: {wrong:?}");
    }
}

#[test]
fn the_largest_integers_fit() {
    let template = compile("printf '%s\\0' $(( {{ x }} )) $(( 1 - 1 +{{ x }} ))").expect("a command");
    for (shell, number) in [("sh", i64::MAX), ("sh", i64::MIN), ("bash", i64::MAX), ("bash", i64::MIN)] {
        let out = run(&[shell], &render(&template, Value::Int(number)).expect("an integer"));
        assert_eq!(String::from_utf8_lossy(&out), format!("{number}\0{number}\0"), "{shell}");
    }
}

#[test]
fn nothing_but_an_integer_gets_in_where_the_shell_computes() {
    let mut values: Vec<Value> = hostile().iter().map(|bytes| Value::from_bytes(bytes)).collect();
    values.extend([
        Value::str("5"),
        Value::Bool(true),
        Value::Float(1.5),
        Value::list(vec![Value::Int(1)]),
        Value::Null,
    ]);
    let more = [
        "echo ${v:{{ x }}}",
        "echo ${v[{{ x }}]}",
        "v[{{ x }}]=1",
        "v=([{{ x }}]=1)",
        "echo $[{{ x }}]",
        "for ((i={{ x }};;)); do :; done",
    ];
    for command in COMPUTING.iter().map(|place| place.command).chain(more) {
        let template = compile(command).unwrap_or_else(|e| panic!("{command}: {e:?}"));
        for value in &values {
            assert!(render(&template, value.clone()).is_err(), "{command}: {value:?}");
        }
        render(&template, Value::Int(-3)).unwrap_or_else(|e| panic!("{command}: {e}"));
    }
}

#[test]
fn a_list_becomes_one_word_an_element() {
    let items: Vec<Value> = hostile().iter().map(|bytes| Value::from_bytes(bytes)).collect();
    let want: Vec<u8> = hostile().iter().flat_map(|bytes| [&bytes[..], b"\0"].concat()).collect();
    for (command, only) in [
        (r#"printf '%s\0' {{ x }}"#, ALL),
        (r#"for v in {{ x }}; do printf '%s\0' "$v"; done"#, ALL),
        (r#"set -- {{ x }}; printf '%s\0' "$@""#, ALL),
        (r#"f() { printf '%s\0' "$@"; }; f {{ x }}"#, ALL),
        (r#"v=({{ x }}); printf '%s\0' "${v[@]}""#, NOT_SH),
        (r#"cat <(printf '%s\0' {{ x }})"#, NOT_SH),
    ] {
        let template = compile(command).unwrap_or_else(|e| panic!("{command}: {e:?}"));
        for shell in shells().into_iter().filter(|shell| only.contains(&shell[0])) {
            let out = run(shell, &render(&template, Value::list(items.clone())).expect("a list is fine"));
            assert!(out == want, "{shell:?}, {command}: {:?}", String::from_utf8_lossy(&out));
            let none = render(&template, Value::list(Vec::new())).expect("an empty list is fine");
            let nothing = run(shell, &none);
            // For ksh `v=()` is a compound variable.
            let empty = nothing.is_empty() || nothing == b"\0" || (shell[0] == "ksh" && nothing == b"(\n)\0");
            assert!(empty, "{shell:?}, {command}: {nothing:?}");
        }
    }
    let template = compile("{{ x }} a").expect("a command");
    assert_eq!(
        run(&["sh"], &render(&template, Value::list(vec![Value::str("echo"), Value::str("if")])).expect("words")),
        b"if a\n"
    );
}
