//! What well-known programs and builtins do with their words: run them as code, compute with them, or take them for
//! names of variables.

use super::reader::{Word, is_name};
use super::{Demand, SHELLS, name_of};
use std::sync::Arc;

/// What becomes of a hole, or of standard input.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It becomes part of a program for this interpreter.
    HandsOn(usize, Arc<str>),
    /// The interpreter reads its program from standard input.
    ReadsProgram(Arc<str>),
    /// The shell computes with it.
    Computes(usize, Demand),
    /// A list would shift the arguments behind it.
    OneWord(usize),
    /// The builtin takes it for the name of a variable.
    Variable(usize, Arc<str>),
    /// From here on the shell computes what is assigned to the variable.
    DeclaresInteger(Vec<u8>),
}

/// Programs that run another command: their own options and that command follow.
const WRAPPERS: &[&str] = &[
    "builtin",
    "busybox",
    "chronic",
    "chroot",
    "command",
    "conda",
    "docker",
    "env",
    "exec",
    "find",
    "flock",
    "ionice",
    "micromamba",
    "mpiexec",
    "mpirun",
    "nice",
    "nohup",
    "parallel",
    "podman",
    "poetry",
    "setsid",
    "singularity",
    "apptainer",
    "srun",
    "stdbuf",
    "sudo",
    "time",
    "timeout",
    "uv",
    "xargs",
];

/// An interpreter and how it is given its program.
struct Interpreter {
    names: &'static [&'static str],
    /// Letters of the short options whose word, or the rest of it, is program text.
    program: &'static str,
    /// Whether without such an option the first other word is the program.
    first: bool,
    /// Letters of the short options that take the next word as their value.
    valued: &'static str,
    /// Whether without any of both it reads its program from standard input.
    stdin: bool,
}

const INTERPRETERS: &[Interpreter] = &[
    Interpreter { names: SHELLS, program: "c", first: false, valued: "oO", stdin: true },
    Interpreter { names: &["awk", "gawk", "mawk", "nawk"], program: "", first: true, valued: "vF", stdin: false },
    Interpreter { names: &["sed", "gsed"], program: "e", first: true, valued: "l", stdin: false },
    Interpreter { names: &["jq", "yq"], program: "", first: true, valued: "", stdin: false },
    Interpreter {
        names: &["python", "python2", "python3", "pypy3"],
        program: "c",
        first: false,
        valued: "WX",
        stdin: true,
    },
    Interpreter { names: &["perl"], program: "eE", first: false, valued: "", stdin: true },
    Interpreter { names: &["ruby"], program: "e", first: false, valued: "", stdin: true },
    Interpreter { names: &["node", "nodejs", "deno", "bun"], program: "ep", first: false, valued: "r", stdin: true },
    Interpreter {
        names: &["Rscript", "R", "julia", "lua", "octave"],
        program: "eE",
        first: false,
        valued: "",
        stdin: true,
    },
    Interpreter { names: &["php"], program: "rBRE", first: false, valued: "d", stdin: true },
    Interpreter { names: &["psql", "sqlplus"], program: "c", first: false, valued: "dhpUfvo", stdin: true },
    Interpreter { names: &["mysql", "mariadb"], program: "e", first: false, valued: "", stdin: true },
    Interpreter { names: &["su", "runuser"], program: "c", first: false, valued: "sgG", stdin: false },
];

/// Whether the command declares variables, so that its arguments assign as words before a command do.
pub(super) fn declares(command: &Word) -> bool {
    matches!(
        command.literal(),
        Some(b"declare" | b"typeset" | b"local" | b"export" | b"readonly" | b"integer" | b"float" | b"alias")
    )
}

/// What the command does with its words; they are not empty.
pub(super) fn inspect(words: &[Word]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let Some(first) = text(&words[0]) else { return verdicts };
    let program = name_of(first);
    builtin(first, words, &mut verdicts);
    let hand_on = |words: &[Word], name: &str, verdicts: &mut Vec<Verdict>| {
        let name: Arc<str> = name.into();
        verdicts.extend(words.iter().flat_map(|word| &word.holes).map(|hole| Verdict::HandsOn(*hole, name.clone())));
    };
    match program {
        "eval" => hand_on(&words[1..], "eval", &mut verdicts),
        "trap" => hand_on(&words[1..words.len().min(2)], "trap", &mut verdicts),
        "alias" => hand_on(&words[1..], "alias", &mut verdicts),
        "ssh" => ssh(words, &mut verdicts),
        "sqlite3" | "duckdb" => {
            let others: Vec<usize> = others(words, 1, "");
            match others.get(1) {
                Some(sql) => hand_on(&words[*sql..], program, &mut verdicts),
                None => verdicts.push(Verdict::ReadsProgram(program.into())),
            }
        }
        _ if WRAPPERS.contains(&program) => {
            let inner = words.iter().enumerate().skip(1).find(|(_, word)| {
                text(word).is_some_and(|word| {
                    let name = name_of(word);
                    matches!(name, "eval" | "ssh") || interpreter(name).is_some()
                })
            });
            if let Some((i, _)) = inner {
                verdicts.extend(inspect(&words[i..]));
            }
        }
        _ => {
            if let Some(interpreter) = interpreter(program) {
                interpreted(interpreter, program, words, &mut verdicts);
            }
        }
    }
    verdicts
}

fn text(word: &Word) -> Option<&str> {
    std::str::from_utf8(word.literal()?).ok()
}

fn interpreter(name: &str) -> Option<&'static Interpreter> {
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.iter().find(|known| known.names.contains(&name) || (name.contains('.') && known.names.contains(&bare)))
}

/// The positions of the words behind `from` that are neither options nor values of `valued` options.
fn others(words: &[Word], from: usize, valued: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut i = from;
    while i < words.len() {
        match text(&words[i]) {
            Some("--") => {
                found.extend(i + 1..words.len());
                break;
            }
            Some(option) if option.len() > 1 && option.starts_with('-') => {
                let takes_next = option.len() == 2 && valued.contains(&option[1..]);
                i += usize::from(takes_next);
            }
            _ => found.push(i),
        }
        i += 1;
    }
    found
}

fn interpreted(interpreter: &Interpreter, name: &str, words: &[Word], verdicts: &mut Vec<Verdict>) {
    let name: Arc<str> = name.into();
    let (mut program, mut from_stdin) = (false, false);
    let mut i = 1;
    let mut hand_on = |word: &Word| {
        verdicts.extend(word.holes.iter().map(|hole| Verdict::HandsOn(*hole, name.clone())));
    };
    while i < words.len() {
        // The option's letters; a hole in the word stands for text behind it (`-e"{{ x }}"`).
        let word = &words[i];
        let shown = std::str::from_utf8(&word.text).unwrap_or_default();
        let Some(option) = shown.strip_prefix('-').filter(|rest| !rest.is_empty() && !rest.starts_with('-')) else {
            if shown.starts_with("--") && shown.len() > 2 {
                let long = ["--expression", "--execute", "--command", "--eval", "--exec"];
                program |= long.iter().any(|name| shown.starts_with(name));
                if long.iter().any(|name| shown.starts_with(name) && shown.contains('=')) {
                    hand_on(word);
                } else if long.contains(&shown) && i + 1 < words.len() {
                    i += 1;
                    hand_on(&words[i]);
                }
                i += 1;
                continue;
            }
            break;
        };
        from_stdin |= interpreter.names == SHELLS && option == "s";
        let letters = option.bytes().take_while(u8::is_ascii_alphabetic).count();
        if let Some(at) = option[..letters].find(|c| interpreter.program.contains(c)) {
            program = true;
            let rest_is_program = at + 1 < option.len() && !interpreter.names.contains(&"sh");
            if rest_is_program && !word.holes.is_empty() {
                hand_on(word);
            } else if at + 1 == option.len() || interpreter.names.contains(&"sh") {
                i += 1;
                words.get(i).into_iter().for_each(&mut hand_on);
            }
        } else if option.len() == 1 && (interpreter.valued.contains(option) || (option == "f" && interpreter.first)) {
            program |= option == "f";
            i += 1;
        }
        i += 1;
    }
    let rest = words.get(i);
    if program {
        return;
    }
    match rest {
        Some(word) if interpreter.first => hand_on(word),
        Some(word) if text(word) != Some("-") && !from_stdin => {}
        _ if interpreter.stdin => verdicts.push(Verdict::ReadsProgram(name)),
        _ => {}
    }
}

/// `ssh host words…`: the host's shell reads the words as one command; without words, standard input.
fn ssh(words: &[Word], verdicts: &mut Vec<Verdict>) {
    let others = others(words, 1, "bcDEeFIiJLlmOopQRSWw");
    let Some(host) = others.first() else { return };
    let command = &words[host + 1..];
    if command.is_empty() {
        verdicts.push(Verdict::ReadsProgram("ssh".into()));
    }
    let holes = command.iter().flat_map(|word| &word.holes);
    verdicts.extend(holes.map(|hole| Verdict::HandsOn(*hole, "ssh".into())));
}

/// Builtins of the shell that compute, or take words for names of variables and evaluate subscripts in them.
fn builtin(name: &str, words: &[Word], verdicts: &mut Vec<Verdict>) {
    let arguments = &words[1..];
    let variable = |word: &Word, verdicts: &mut Vec<Verdict>| {
        verdicts.extend(word.holes.iter().map(|hole| Verdict::Variable(*hole, name.into())));
    };
    let behind = |option: &[u8], verdicts: &mut Vec<Verdict>| {
        for pair in arguments.windows(2).filter(|pair| pair[0].literal() == Some(option)) {
            variable(&pair[1], verdicts);
        }
    };
    match name {
        "let" => {
            let holes = arguments.iter().flat_map(|word| &word.holes);
            verdicts.extend(holes.map(|hole| Verdict::Computes(*hole, Demand::Integer)));
        }
        "shift" | "return" | "exit" | "break" | "continue" | "repeat" | "ulimit" => {
            let holes = arguments.iter().flat_map(|word| &word.holes);
            verdicts.extend(holes.map(|hole| Verdict::Computes(*hole, Demand::PlainInteger)));
        }
        "unset" | "read" | "getopts" | "mapfile" | "readarray" | "vared" | "nameref" => {
            arguments.iter().for_each(|word| variable(word, verdicts));
        }
        "printf" | "print" => {
            behind(b"-v", verdicts);
            printf(arguments, verdicts);
        }
        "wait" => behind(b"-p", verdicts),
        _ if declares(&words[0]) && name != "alias" => {
            let integer = name == "integer"
                || arguments.iter().any(|word| {
                    matches!(word.text.first(), Some(b'-')) && word.text.iter().any(|b| matches!(b, b'i' | b'E' | b'F'))
                });
            let reference =
                arguments.iter().any(|word| word.literal().is_some_and(|w| w.starts_with(b"-") && w.contains(&b'n')));
            for word in arguments {
                match word.assigns {
                    Some(_) if reference => variable(word, verdicts),
                    Some(_) if integer => {
                        let holes = word.holes.iter().map(|hole| Verdict::Computes(*hole, Demand::Integer));
                        verdicts.extend(holes);
                    }
                    Some(_) => {}
                    None => variable(word, verdicts),
                }
                let declared = word.text.split(|b| matches!(b, b'=' | b'+' | 0)).next().unwrap_or_default();
                if integer && is_name(declared) {
                    verdicts.push(Verdict::DeclaresInteger(declared.to_vec()));
                }
            }
        }
        _ => {}
    }
}

/// Some shells compute the arguments that `printf` prints as numbers.
fn printf(arguments: &[Word], verdicts: &mut Vec<Verdict>) {
    let format = arguments.iter().position(|word| !matches!(word.literal(), Some(b"--")));
    let Some(format) = format.filter(|at| arguments[*at].text.contains(&b'%')) else { return };
    // One entry for each argument that the format takes, `*` included.
    let mut demands = Vec::new();
    let mut bytes = arguments[format].text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            continue;
        }
        for byte in bytes.by_ref() {
            match byte {
                b'*' => demands.push(Some(Demand::PlainInteger)),
                b'd' | b'i' | b'o' | b'u' | b'x' | b'X' => demands.push(Some(Demand::PlainInteger)),
                b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => demands.push(Some(Demand::Number)),
                b'%' | 0 => {}
                b'a'..=b'z' | b'A'..=b'Z' => demands.push(None),
                _ => continue,
            }
            if byte != b'*' {
                break;
            }
        }
    }
    if demands.iter().all(Option::is_none) {
        return;
    }
    // An expansion may become any number of words: what follows it must fit the strictest conversion.
    let strictest = if demands.contains(&Some(Demand::PlainInteger)) { Demand::PlainInteger } else { Demand::Number };
    let mut shifted = false;
    for (i, word) in arguments[format + 1..].iter().enumerate() {
        let demand = if shifted { Some(strictest) } else { demands[i % demands.len()] };
        for hole in &word.holes {
            verdicts.push(Verdict::OneWord(*hole));
            verdicts.extend(demand.map(|demand| Verdict::Computes(*hole, demand)));
        }
        shifted |= word.expanded;
    }
}
