//! Commands made at random, with holes anywhere: whatever the reader lets pass, a hostile value runs nothing, in any
//! shell, and does not change what the shell takes for a command.
//!
//! `SHELL_FUZZ=5000 cargo test --test shell_fuzz` makes more of them.

use flowrun::base::Value;
use flowrun::diag::Span;
use flowrun::lang::expr::{Frame, Names, Template, Use};
use flowrun::lang::model::Text;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Small and good enough; the seed is printed with a failure.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }
}

const HOLE: &str = "{{ x }}";

/// A part of a word.
fn part(d: &mut Dice, depth: usize) -> String {
    match d.roll(if depth == 0 { 12 } else { 19 }) {
        0..=3 => HOLE.to_owned(),
        4 => {
            d.of(&["a", "b=", "-n", "x[", "]", "{", "}", "~", "*", "#", "%s", "=", ":", "!", "@", "+", "/"]).to_owned()
        }
        5 => format!("'{}'", inside(d, depth, &["a", "\"", "$v", "`", "\\", "#", "(", ")", "<<E"])),
        6 => format!(
            "\"{}\"",
            inside(d, depth, &["a", "'", "$v", "${v}", "\\\"", "\\$", "\\\\", "#", "(", ")", "$", "!"])
        ),
        7 => d
            .of(&[
                "$v", "${v}", "$1", "$#", "$?", "\"$@\"", "${v:-a}", "${#v}", "$", "\\'", "\\\"", "\\\\", "\\$", "\\`",
                "\\#",
            ])
            .to_owned(),
        8 => format!(
            "${{v{}{}}}",
            d.of(&[":-", ":=", "#", "%", "%%", ":", "/a/", "-", "+"]),
            d.of(&[HOLE, "a", "'a'", "\"a\"", "\"{{ x }}\"", "'{{ x }}'", "1", "it's"])
        ),
        9 => format!("$'{}'", inside(d, depth, &["a", "\\n", "\\'", "\\\\", "\""])),
        10 => format!("$(({}))", sum(d)),
        11 => "a".to_owned(),
        12 | 13 => format!("$({})", list(d, depth - 1)),
        14 => format!("\"$({})\"", list(d, depth - 1)),
        15 => format!(
            "`{}`",
            list(d, depth - 1).replace('\\', "\\\\").replace('`', "\\`").replace('$', d.of(&["\\$", "$"]))
        ),
        16 => format!("\"`{}`\"", list(d, depth - 1).replace(['`', '"'], "")),
        17 => format!("\"${{v:-$({})}}\"", list(d, depth - 1)),
        _ => format!("<({})", list(d, depth - 1)),
    }
}

fn inside(d: &mut Dice, depth: usize, texts: &[&str]) -> String {
    let mut out = String::new();
    for _ in 0..d.roll(4) {
        match d.roll(5) {
            0 | 1 => out.push_str(HOLE),
            2 if depth > 0 && texts.contains(&"$v") && texts.contains(&"'") => {
                out.push_str(&format!("$({})", list(d, depth - 1)));
            }
            _ => out.push_str(d.of(texts)),
        }
    }
    out
}

fn sum(d: &mut Dice) -> String {
    d.of(&[
        "{{ x }} + 1",
        "1",
        "v[{{ x }}]",
        "v + (2 * {{ x }})",
        "\"{{ x }}\"",
        "'{{ x }}'",
        "1 << {{ x }}",
        "$v{{ x }}",
        "$(echo {{ x }})",
    ])
    .to_owned()
}

fn word(d: &mut Dice, depth: usize) -> String {
    (0..1 + d.roll(3)).map(|_| part(d, depth)).collect()
}

fn simple(d: &mut Dice, depth: usize) -> String {
    let name = d.of(&[
        "echo",
        ":",
        "printf '%s'",
        "printf '%d'",
        "test",
        "[",
        "true",
        "export",
        "set --",
        "let",
        "unset",
        "cat",
        "read",
        "typeset -i",
        "a()",
        "eval :",
        "[[",
        "\\echo",
        "v=1",
        "exec 3<&0",
        "shift",
    ]);
    let mut out = name.to_owned();
    for _ in 0..1 + d.roll(3) {
        out.push_str(d.of(&[" ", " ", " ", "  ", "\t", " \\\n"]));
        out.push_str(&match d.roll(14) {
            0 => format!("{} {}", d.of(&[">", "<", ">>", "2>", "<<<", ">&", "&>", ">|"]), word(d, depth)),
            1 => d.of(&["-eq 1", "= a", "-lt", "-v", "=~", "== *", "!= ", "&& ", "|| ", "-n", "!", "("]).to_owned(),
            2 => format!("v=({} {})", word(d, depth), word(d, depth)),
            3 => format!("v[{}]={}", word(d, 0), word(d, depth)),
            4 => format!("v={}", word(d, depth)),
            5 => format!("# {}", word(d, 0)),
            _ => word(d, depth),
        });
    }
    match name {
        "[" => out + " ]",
        "[[" => out + " ]]",
        _ => out,
    }
}

fn command(d: &mut Dice, depth: usize) -> String {
    let deeper = depth.saturating_sub(1);
    match d.roll(if depth == 0 { 4 } else { 18 }) {
        0..=4 => simple(d, depth),
        5 => format!("( {} )", list(d, deeper)),
        6 => format!("{{ {}; }}", list(d, deeper)),
        7 => format!("if {}; then {}; fi", simple(d, deeper), list(d, deeper)),
        8 => format!("for v in {} {}; do {}; done", word(d, deeper), word(d, deeper), list(d, deeper)),
        9 => format!(
            "case {} in {}) {};; ({}|b) {} ;; *) :; esac",
            word(d, deeper),
            word(d, deeper),
            list(d, deeper),
            word(d, 0),
            list(d, deeper)
        ),
        10 => format!("f() {{ {}; }}; f {}", list(d, deeper), word(d, deeper)),
        11 => format!("(( {} ))", sum(d)),
        12 => format!("(({}))", list(d, deeper)),
        13 => format!("cat <<{}\n{}\nE\n", d.of(&["E", "'E'", "\\E", "\"E\"", "-E"]), document(d, depth)),
        14 => format!("cat <<E | {}\n{}\nE\n", simple(d, deeper), document(d, depth)),
        15 => format!("cat <<E; cat <<'F'\n{}\nE\n{}\nF\n", document(d, depth), document(d, depth)),
        16 => format!("v={} w={} {}", word(d, deeper), word(d, deeper), simple(d, deeper)),
        _ => format!("{} # {}\n{}", simple(d, deeper), soup(d), simple(d, deeper)),
    }
}

fn document(d: &mut Dice, depth: usize) -> String {
    let mut out = String::new();
    for _ in 0..d.roll(6) {
        let text = match d.roll(6) {
            0 | 1 => HOLE.to_owned(),
            2 if depth > 0 => format!("$({})", list(d, depth - 1)),
            3 => format!("$(({}))", sum(d)),
            _ => d
                .of(&["a", "\n", "'", "\"", "$v", "${v}", "\\", "\\\\", "$", "`", "#", " ", "\t", "${v:-", "}"])
                .to_owned(),
        };
        out.push_str(&text);
    }
    out
}

fn list(d: &mut Dice, depth: usize) -> String {
    let mut out = command(d, depth);
    for _ in 0..d.roll(3) {
        out.push_str(d.of(&["; ", "\n", " && ", " || ", " | ", ";\n"]));
        out.push_str(&command(d, depth));
    }
    out
}

/// Anything.
fn soup(d: &mut Dice) -> String {
    let tokens = [
        HOLE,
        HOLE,
        HOLE,
        " ",
        " ",
        "echo",
        "'",
        "\"",
        "`",
        "$(",
        ")",
        "(",
        "{",
        "}",
        "${",
        "$((",
        "))",
        "\\",
        "\n",
        ";",
        "<<E\n",
        "\nE\n",
        "#",
        "a=",
        "a",
        "[[ ",
        " ]]",
        "case a in ",
        "esac",
        "$'",
        "$",
        "[",
        "]",
        "&&",
        "|",
        "<",
        ">",
        "=",
        "*",
        "in",
        "do",
        "done",
        "for",
        "fi",
        "-",
        ":",
        "!",
        "%",
    ];
    (0..2 + d.roll(10)).map(|_| d.of(&tokens)).collect()
}

/// Not among them: `a[$(touch pwned)0]`. What a command does later with a variable that holds it (`v={{ x }}; ((v))`)
/// is the command's own business; where the shell computes with the value itself, `shell_hostile` looks.
const VALUES: &[&str] = &[
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
    "a\ntouch pwned\n",
    "; touch pwned; #",
    "); touch pwned; (",
    "}; touch pwned; {",
    "\nE\ntouch pwned\ncat <<E\n",
    "]]; touch pwned; [[ a",
    "'\"$(touch pwned)`touch pwned`\\",
    "\\",
    "a'b\"c",
    "{touch,pwned}",
    "<(touch pwned)",
    ">pwned",
    "| touch pwned",
    "& touch pwned &",
    ";; *) touch pwned;; b",
    "}$(touch pwned)",
    "'$(touch pwned)",
    "\"$(touch pwned)",
    "\\\"$(touch pwned)",
    "))$(touch pwned)",
    "\\'; touch pwned; \\'",
];

fn runs(shell: &str) -> bool {
    Command::new(shell).args(["-c", ":"]).stdin(Stdio::null()).status().is_ok_and(|s| s.success())
}

#[test]
fn whatever_passes_the_reader_is_safe() {
    let many: u64 = std::env::var("SHELL_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let first: u64 = std::env::var("SHELL_FUZZ_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let shells: Vec<&str> = ["sh", "bash", "ksh", "zsh"].into_iter().filter(|shell| runs(shell)).collect();
    let dir = tempfile::tempdir().expect("a folder");
    let names = Arc::new(Names::new([vec![Arc::from("x")]]));
    let (mut passed, mut filled) = (0, 0);
    for seed in first.. {
        if passed == many {
            break;
        }
        let mut d = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        d.roll(2);
        let source = if d.roll(5) == 0 { soup(&mut d) } else { list(&mut d, 2) };
        let span = Span { file: 0, start: 0, end: source.len() as u32 + 2 };
        let text = Text { value: source.as_str().into(), span, offsets: None, body: 1 };
        let Some(template) = Template::compile(&text, Use::Command, &mut Vec::new()) else { continue };
        if template.as_literal().is_some() {
            continue;
        }
        // What is handed on on purpose is warned about, not prevented.
        let handed_on = source.contains("eval");
        passed += 1;
        for _ in 0..3 {
            let value = VALUES[d.roll(VALUES.len())];
            let frame = Frame::new(&names, vec![Ok(Value::str(value))]);
            let Ok(command) = template.eval_command(&frame) else { continue };
            filled += 1;
            let harmless = Frame::new(&names, vec![Ok(Value::str("a"))]);
            let harmless = template.eval_command(&harmless).expect("what takes a hostile value takes `a`");
            for shell in &shells {
                let parses = |command: &[u8]| {
                    let command = String::from_utf8(command.to_vec()).expect("text");
                    let mut syntax = Command::new("timeout");
                    syntax.args(["3", shell, "-n", "-c", &command]).stdin(Stdio::null());
                    let output = syntax.output().expect("the shell runs");
                    // Shells crash and hang on some literal text themselves: that says nothing.
                    output.status.code().filter(|code| *code < 124).map(|code| code == 0)
                };
                let (with_a, with_value) = (parses(&harmless), parses(&command));
                assert!(
                    with_a == with_value || with_a.is_none() || with_value.is_none(),
                    "seed {seed}, {shell}, value {value:?} changes the syntax\n--- template\n{source}\n--- command\n{}",
                    String::from_utf8_lossy(&command)
                );
                let output = Command::new("timeout")
                    .args(["10", shell, "-c"])
                    .arg(std::ffi::OsString::from(String::from_utf8(command.clone()).expect("text")))
                    .current_dir(dir.path())
                    .env("v", "a")
                    .stdin(Stdio::null())
                    .output()
                    .expect("the shell runs");
                let pwned = dir.path().join("pwned").exists();
                assert!(
                    !pwned || handed_on,
                    "seed {seed}, {shell}, value {value:?}\n--- template\n{source}\n--- command\n{}\n--- {}",
                    String::from_utf8_lossy(&command),
                    String::from_utf8_lossy(&output.stderr),
                );
                for entry in std::fs::read_dir(dir.path()).expect("listed").flatten() {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
    }
    assert!(filled > many, "hardly a value was let in: {filled}");
}
