//! The floors of the house, enforced: imports point down only, nothing below floor 4 touches the outside world,
//! `unsafe` has one place, no file grows past 800 lines.
//!
//! It reads the sources as tokens, so that a comment or a string never counts as an import.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Room and floor. A room that is not here is an error: a new room must say where it stands.
const FLOORS: &[(&str, u8)] = &[
    ("base", 0),
    ("diag", 0),
    ("lang", 1),
    ("plan", 2),
    ("engine", 3),
    ("event", 3),
    ("sys", 4),
    ("port", 4),
    ("backend", 5),
    ("store", 5),
    ("view", 5),
    ("report", 5),
    ("driver", 6),
    ("agent", 6),
    ("cli", 7),
    ("main", 7),
];

/// The only arrows between two rooms of one floor.
const LEVEL: &[(&str, &str)] = &[("engine", "event"), ("agent", "driver"), ("diag", "base"), ("main", "cli")];

/// From this floor on a module may touch files, clocks, threads, sockets and the environment.
const FIRST_WITH_IO: u8 = 4;

/// What stands for the outside world. A path that begins with one of these, or names a module that holds one, counts.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::env",
    "std::process",
    "std::net",
    "std::os::unix::net",
    "rustix",
    "libc",
    "tempfile",
    "rusqlite",
    "postgres",
    "rustls",
    "ureq",
    "signal_hook",
    "indicatif",
    "crossbeam",
];

/// Methods of `Path` that look at the disk.
const LOOKS_AT_DISK: &[&str] = &["exists", "try_exists", "canonicalize", "read_dir", "symlink_metadata", "read_link"];

/// The one file that may hold `unsafe`.
const UNSAFE_HOME: &str = "src/sys/spawn.rs";

const MAX_LINES: usize = 800;

#[test]
fn imports_point_down_and_io_stays_above() {
    let files = sources("src", "rs");
    assert!(files.len() > 10, "only {} files found in src: the walk is broken", files.len());
    let tests: Vec<Vec<String>> = files.iter().flat_map(|(name, text)| test_modules(name, text)).collect();
    let mut faults = Vec::new();
    for (name, text) in &files {
        let module = module_path(name);
        let test = tests.iter().any(|test| module.starts_with(test));
        faults.extend(faults_of(name, text, test));
    }
    assert!(faults.is_empty(), "{} faults in the house:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_file_is_longer_than_800_lines() {
    let mut faults = String::new();
    for folder in ["src", "tests", "benches", "pipelines", ".ci"] {
        for (name, text) in sources(folder, "") {
            let lines = text.lines().count();
            if lines > MAX_LINES {
                writeln!(faults, "{name}:{lines}: {lines} lines; split it by theme").unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "files over {MAX_LINES} lines:\n{faults}");
}

/// The modules in files of their own that this file declares under `#[cfg(test)]`.
fn test_modules(name: &str, text: &str) -> Vec<Vec<String>> {
    let tokens = tokens(text);
    let declared = tokens.windows(3).filter(|w| w[0].test && w[0].text == "mod" && w[2].text == ";");
    declared.map(|w| [module_path(name), vec![w[1].text.clone()]].concat()).collect()
}

/// What is wrong with one file of `src`, one line each; `test`: it belongs to the tests as a whole.
fn faults_of(name: &str, text: &str, test: bool) -> Vec<String> {
    if name == "src/lib.rs" {
        return Vec::new(); // it declares the rooms and does nothing else
    }
    let module = module_path(name);
    let room = module[0].as_str();
    let Some(floor) = floor_of(room) else {
        return vec![format!("{name}:1: room `{room}` has no floor; add it to FLOORS in tests/architecture.rs")];
    };
    let mut tokens = tokens(text);
    tokens.iter_mut().for_each(|token| token.test |= test);
    let mut faults = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if token.text == "unsafe" && name != UNSAFE_HOME {
            faults.push(format!("{name}:{}: `unsafe` may stand only in {UNSAFE_HOME}", token.line));
        }
        let looks = floor < FIRST_WITH_IO && !token.test && i > 0 && tokens[i - 1].text == ".";
        if looks && LOOKS_AT_DISK.contains(&token.text.as_str()) {
            faults.push(format!(
                "{name}:{}: `.{}()` looks at the disk; `{room}` is on floor {floor}",
                token.line, token.text
            ));
        }
    }
    for Import { path, line, test, depth } in imports(&tokens) {
        if let Some(target) = room_of(&path, module.len() + depth) {
            match floor_of(&target) {
                None => faults.push(format!("{name}:{line}: `{}` leads to no room", path.join("::"))),
                Some(below) => {
                    let level = LEVEL.contains(&(room, target.as_str()));
                    if target != room && below >= floor && !level {
                        faults.push(format!(
                            "{name}:{line}: `{}`: `{room}` (floor {floor}) may not import `{target}` (floor {below})",
                            path.join("::")
                        ));
                    }
                }
            }
        } else if floor < FIRST_WITH_IO && !test && reaches_outside(&path) {
            faults.push(format!(
                "{name}:{line}: `{}` touches the outside world; `{room}` is on floor {floor}, IO begins on floor {FIRST_WITH_IO}",
                path.join("::")
            ));
        }
    }
    faults
}

fn floor_of(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// `src/lang/toml/read.rs` is the module `lang toml read`, `src/lang/mod.rs` the module `lang`.
fn module_path(name: &str) -> Vec<String> {
    let stem = name.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
    let mut parts: Vec<String> = stem.split('/').map(String::from).collect();
    if parts.len() > 1 && parts.last().unwrap() == "mod" {
        parts.pop();
    }
    parts
}

/// The room that a path leads to, if it stays in this crate and comes from its root; `depth` modules lead here.
fn room_of(path: &[String], depth: usize) -> Option<String> {
    match path[0].as_str() {
        "crate" | "flowrun" => path.get(1).cloned(),
        "super" => {
            let ups = path.iter().take_while(|word| *word == "super").count();
            (ups == depth).then(|| path.get(ups).cloned()).flatten()
        }
        _ => None,
    }
}

fn reaches_outside(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).filter(|word| *word != "self").collect();
    let whole = path.last() == Some(&"*");
    let path = if whole { &path[..path.len() - 1] } else { &path[..] };
    OUTSIDE.iter().any(|outside| {
        let outside: Vec<&str> = outside.split("::").collect();
        path.starts_with(&outside) || (path.len() > 1 || whole) && outside.starts_with(path)
    })
}

/// One path of the source, `use` trees written out.
#[derive(Debug, PartialEq)]
struct Import {
    path: Vec<String>,
    line: usize,
    test: bool,
    depth: usize,
}

/// Every path that begins with a crate's name, `crate` or `super`, in `use` and in code alike.
fn imports(tokens: &[Token]) -> Vec<Import> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let first = tokens[i].text.as_str();
        let begins = i == 0 || !matches!(tokens[i - 1].text.as_str(), "::" | ".");
        let roots = OUTSIDE.iter().map(|path| path.split("::").next().unwrap());
        let root = ["crate", "super", "flowrun"].into_iter().chain(roots).any(|root| root == first);
        let more = tokens.get(i + 1).is_some_and(|next| next.text == "::");
        if root && begins && more {
            i = tree(tokens, i, &mut Vec::new(), &mut found);
        } else {
            i += 1;
        }
    }
    found
}

/// Reads one path or tree from `i` on; returns the place after it.
fn tree(tokens: &[Token], mut i: usize, prefix: &mut Vec<String>, found: &mut Vec<Import>) -> usize {
    let depth = prefix.len();
    let at = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    let (line, test, inside) = tokens.get(i).map_or((0, false, 0), |token| (token.line, token.test, token.depth));
    while is_word(at(i)) || at(i) == "*" {
        prefix.push(at(i).to_string());
        i += 1;
        if at(i) == "::" && (is_word(at(i + 1)) || matches!(at(i + 1), "{" | "*")) {
            i += 1;
        } else {
            break;
        }
    }
    if at(i) == "{" && at(i - 1) == "::" {
        i += 1;
        while at(i) != "}" && i < tokens.len() {
            i = tree(tokens, i, prefix, found);
            while !matches!(at(i), "," | "}" | "") {
                i += 1; // `as name`
            }
            if at(i) == "," {
                i += 1;
            }
        }
        i += 1;
    } else {
        found.push(Import { path: prefix.clone(), line, test, depth: inside });
    }
    prefix.truncate(depth);
    i
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
    /// Stands in an item under `#[cfg(test)]`.
    test: bool,
    /// How many `mod name { … }` of this file it stands in.
    depth: usize,
}

/// Words and signs of a Rust source, without comments, strings and characters.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut found, mut line, mut i) = (Vec::new(), 1, 0);
    while i < chars.len() {
        let c = chars[i];
        let begin = i;
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if let Some(end) = string_end(&chars, i) {
            i = end;
        } else if c.is_alphanumeric() || c == '_' {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            found.push(Token { text: chars[begin..i].iter().collect(), line, test: false, depth: 0 });
        } else if c == ':' && at(i + 1) == ':' {
            i += 2;
            found.push(Token { text: "::".into(), line, test: false, depth: 0 });
        } else {
            i += 1;
            if !c.is_whitespace() {
                found.push(Token { text: c.to_string(), line, test: false, depth: 0 });
            }
        }
        line += chars[begin..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    mark_tests(&mut found);
    mark_depth(&mut found);
    found
}

fn mark_depth(tokens: &mut [Token]) {
    let (mut braces, mut modules) = (0, Vec::new());
    for i in 0..tokens.len() {
        match tokens[i].text.as_str() {
            "{" => {
                braces += 1;
                if i > 1 && tokens[i - 2].text == "mod" {
                    modules.push(braces);
                }
            }
            "}" => {
                modules.pop_if(|opened| *opened == braces);
                braces -= 1;
            }
            _ => {}
        }
        tokens[i].depth = modules.len();
    }
}

/// The place after the string or character literal that begins at `i`; `None` when none begins there.
fn string_end(chars: &[char], i: usize) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word_before = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
    let mut open = i;
    if !word_before && matches!(at(open), 'b' | 'c') && matches!(at(open + 1), '"' | 'r' | '\'') {
        open += 1;
    }
    if !word_before && at(open) == 'r' {
        let hashes = chars[open + 1..].iter().take_while(|c| **c == '#').count();
        if at(open + 1 + hashes) == '"' {
            let mut end = open + 2 + hashes;
            while end < chars.len() {
                if at(end) == '"' && chars[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
                    return Some(end + 1 + hashes);
                }
                end += 1;
            }
            return Some(end);
        }
    }
    let quote = at(open);
    if quote == '\'' && at(open + 1) != '\\' && at(open + 2) != '\'' {
        return None; // a lifetime
    }
    if quote != '"' && quote != '\'' {
        return None;
    }
    let mut end = open + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    Some(end + 1)
}

/// Marks what stands under `#[cfg(test)]`: tests may use a real shell and a real folder on every floor.
fn mark_tests(tokens: &mut [Token]) {
    let mut i = 0;
    while i < tokens.len() {
        let words = |from: usize, n: usize| -> Vec<&str> {
            tokens[from..(from + n).min(tokens.len())].iter().map(|token| token.text.as_str()).collect()
        };
        if words(i, 8) == ["#", "!", "[", "cfg", "(", "test", ")", "]"] {
            tokens.iter_mut().for_each(|token| token.test = true);
            return;
        }
        if words(i, 7) != ["#", "[", "cfg", "(", "test", ")", "]"] {
            i += 1;
            continue;
        }
        let mut depth = 0;
        while i < tokens.len() {
            let text = tokens[i].text.clone();
            tokens[i].test = true;
            i += 1;
            match text.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(text.as_str(), "}" | ";") {
                break;
            }
        }
    }
}

/// All text files under a folder whose name ends in `.ext` (any, when `ext` is empty), by path from the package's root.
fn sources(folder: &str, ext: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut todo: Vec<PathBuf> = vec![root.join(folder)];
    let mut found = Vec::new();
    while let Some(path) = todo.pop() {
        if path.file_name().is_some_and(|name| name == ".flowrun" || name == "results" || name == "__pycache__") {
            continue;
        }
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if ext.is_empty() || path.extension().is_some_and(|found| found == ext) {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            found.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_string(), text));
        }
    }
    found.sort();
    found
}

#[test]
fn every_kind_of_fault_is_found() {
    let text = r##"//! Header; `crate::cli::run` in a comment is nothing.
use crate::base::{Digest, id::NodeId};
use crate::{lang::model::Model, plan, cli::{self, run}};
use std::{fmt, fs as files, time::{Duration, Instant}};
/* crate::driver::Driver /* nested */ */
fn f<'a>(x: &'a str) -> char {
    let _ = "crate::store::Store and \" unsafe";
    let _ = (r#"crate::view" "#, b"std::net", '"', '\'');
    std::env::var("X");
    crate::event::Event::new();
    super::report::all();
    x.exists();
    unsafe { call() }
    'x'
}
use std::time;
use std::collections::BTreeMap;
#[cfg(test)]
mod tests {
    use super::{*, report};
    use std::process::Command;
    use crate::sys::spawn;
}
fn g(path: std::path::PathBuf) {}
"##;
    let expected = "\
src/lang/mod.rs:12: `.exists()` looks at the disk; `lang` is on floor 1
src/lang/mod.rs:13: `unsafe` may stand only in src/sys/spawn.rs
src/lang/mod.rs:3: `crate::plan`: `lang` (floor 1) may not import `plan` (floor 2)
src/lang/mod.rs:3: `crate::cli::self`: `lang` (floor 1) may not import `cli` (floor 7)
src/lang/mod.rs:3: `crate::cli::run`: `lang` (floor 1) may not import `cli` (floor 7)
src/lang/mod.rs:4: `std::fs` touches the outside world; `lang` is on floor 1, IO begins on floor 4
src/lang/mod.rs:4: `std::time::Instant` touches the outside world; `lang` is on floor 1, IO begins on floor 4
src/lang/mod.rs:9: `std::env::var` touches the outside world; `lang` is on floor 1, IO begins on floor 4
src/lang/mod.rs:10: `crate::event::Event::new`: `lang` (floor 1) may not import `event` (floor 3)
src/lang/mod.rs:11: `super::report::all`: `lang` (floor 1) may not import `report` (floor 5)
src/lang/mod.rs:16: `std::time` touches the outside world; `lang` is on floor 1, IO begins on floor 4
src/lang/mod.rs:22: `crate::sys::spawn`: `lang` (floor 1) may not import `sys` (floor 4)";
    assert_eq!(faults_of("src/lang/mod.rs", text, false).join("\n"), expected);
    assert_eq!(
        faults_of("src/lang/expr.rs", "use super::plan::Plan;\nuse super::super::plan::Plan;", false).join("\n"),
        "src/lang/expr.rs:2: `super::super::plan::Plan`: `lang` (floor 1) may not import `plan` (floor 2)"
    );
    assert_eq!(
        faults_of("src/store/sqlite.rs", "use crate::view::Screen;\nuse crate::port::Store;", false).join("\n"),
        "src/store/sqlite.rs:1: `crate::view::Screen`: `store` (floor 5) may not import `view` (floor 5)"
    );
    assert_eq!(
        faults_of("src/attic/mod.rs", "", false).join("\n"),
        "src/attic/mod.rs:1: room `attic` has no floor; add it to FLOORS in tests/architecture.rs"
    );
    for fine in ["use crate::event::Event;", "use crate::lang::Model;", "use crate::engine::api::Input;"] {
        assert_eq!(faults_of("src/engine/step.rs", fine, false), Vec::<String>::new());
    }
    assert_eq!(test_modules("src/lang/mod.rs", "mod a; #[cfg(test)] mod b;"), [["lang", "b"]]);
    assert_eq!(faults_of("src/lang/b.rs", "use std::fs;", true), Vec::<String>::new());
    assert_eq!(faults_of("src/sys/spawn.rs", "use std::process::Command; unsafe {}", false), Vec::<String>::new());
}
