//! Where holes stand, what is put there, which words are literal.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::base::Value;

/// The ranges of `@` in a command: there a hole stands, in these tests.
fn holes(text: &str) -> Vec<Range<usize>> {
    text.match_indices('@').map(|(i, _)| i..i + 1).collect()
}

fn shown(spot: &Spot) -> String {
    let place = match spot.place {
        Place::Word => "word".to_owned(),
        Place::Double => "double".to_owned(),
        Place::Single => "single".to_owned(),
        Place::Arithmetic => "arithmetic".to_owned(),
        Place::HereDoc(doc) => format!("document {doc}"),
        Place::Comment => "comment".to_owned(),
    };
    let demand = match spot.demand {
        None => "",
        Some(Demand::Integer) if spot.place == Place::Arithmetic => "",
        Some(Demand::Integer) => " integer",
        Some(Demand::PlainInteger) => " plain integer",
        Some(Demand::Number) => " number",
    };
    let lists = match spot.lists {
        Lists::Words => " list",
        Lists::SomeWords => " command",
        Lists::Refused => "",
    };
    let backticks = if spot.backticks { " backticks" } else { "" };
    match &spot.problem {
        None => format!("{place}{demand}{lists}{backticks}"),
        Some(Problem::Lost(range, what)) => format!("lost at {}: {what}", range.start),
        Some(Problem::Unclosed(range, what)) => format!("unclosed at {}: {what}", range.start),
        Some(Problem::Variable(name)) => format!("variable of {name}"),
        Some(problem) => format!("{problem:?}").to_lowercase(),
    }
}

fn spots(text: &str) -> String {
    read(text, &holes(text)).spots.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The command with every hole filled.
fn filled(text: &str, value: &Value) -> Result<String, String> {
    let holes = holes(text);
    let reading = read(text, &holes);
    let (mut out, mut at) = (Vec::new(), 0);
    for (hole, spot) in holes.iter().zip(&reading.spots) {
        out.extend_from_slice(&text.as_bytes()[at..hole.start]);
        assert_eq!(spot.problem, None, "{text}");
        fill(spot, &reading.docs, value, &mut out).map_err(|refusal| refusal.what)?;
        at = hole.end;
    }
    out.extend_from_slice(&text.as_bytes()[at..]);
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn quotes() {
    for (text, expected) in [
        ("echo @", "word list"),
        ("@", "word command"),
        ("@ a", "word command"),
        ("x=1 @", "word command"),
        ("echo a@b @", "word, word list"),
        ("echo @@", "word, word"),
        ("echo \"@\" '@' \"a'@'\" '\"@\"'", "double, single, double, single"),
        ("echo a\\'@", "word"),
        ("echo 'a\\'@", "word"),
        ("echo \"\\\"@\"", "double"),
        ("echo $a@ ${a}@ \"$a@\" \"${a}@\"", "word, word, double, double"),
        ("x=@ y=\"@\" z=a@", "word, double, word"),
        ("echo @;@&@|@&&@||@", "word list, word command, word command, word command, word command, word command"),
        ("echo > @ 2>@ <@ >>a@ @", "word, word, word, word, word list"),
        ("echo \\\n@ a\\\n@", "word list, word"),
        ("echo {@,b} *@* [@] ~@", "word, word, word, word"),
        ("(@); { @; }; ! @", "word command, word command, word command"),
        ("a=(@ b@ \"@\")", "word list, word, double"),
        ("$\"a@\"", "double"),
        ("cat <<< @", "word"),
        ("diff <(a @) >(@)", "word list, word command"),
    ] {
        assert_eq!(spots(text), expected, "{text}");
    }
}

#[test]
fn substitutions_begin_anew() {
    for (text, expected) in [
        ("\"$(@ @)\"", "word command, word list"),
        ("\"a $(b '@' \"@\" $(c @)) @\"", "single, double, word list, double"),
        ("`@ a`", "word command backticks"),
        ("`a \"@\" '@'` @", "double backticks, single backticks, word list"),
        (
            "\"`a @ \"@\"`\" ${x:-`@`} \"${x:-`@`}\"",
            "word list backticks, double backticks, word command backticks, backticks",
        ),
        ("`a \\`@\\``", "backticks"),
        ("`a $(b @)`", "word list backticks"),
        ("${a:-$(b @)}", "word list"),
        ("\"${a:-$(b '@')}\"", "single"),
        (
            "$(case @ in @) @;; (b|@) @ ;& *) @;; esac; @) @",
            "word, word, word command, word, word command, word command, word command, word list",
        ),
        ("case a in esac) @", "lost at 14: a `)` without its `(`"),
        ("$(a # it's ) @\n @) @", "comment, word command, word list"),
    ] {
        assert_eq!(spots(text), expected, "{text}");
    }
}

#[test]
fn keywords_and_lists_of_words() {
    for (text, expected) in [
        ("if @; then @; elif @; else @; fi", "word command, word command, word command, word command"),
        ("while @; do @; done < @", "word command, word command, word"),
        ("for x in @ a@; do echo @; done", "word list, word, word list"),
        ("for @ in a; do :; done", "literal(\"the variable of a loop\")"),
        ("f() { echo @; }; f @", "word list, word list"),
        ("function f { echo @; }\nfunction g() { @; }", "word list, word command"),
        ("f () (echo @)", "word list"),
        ("case \"@\" in \"@\") a @ ;; esac; @", "double, double, word list, word command"),
        ("case a in a) ;; b) @ ;; esac", "word command"),
        ("time @", "word command"),
        ("case a\nin\n # @\n a) @;;\nesac", "comment, word command"),
    ] {
        assert_eq!(spots(text), expected, "{text}");
    }
}

#[test]
fn where_the_shell_computes() {
    for (text, expected) in [
        ("echo $((@ + 1)) $(( $(a @) + @ ))", "arithmetic, word list, arithmetic"),
        ("(( x += @ )); @", "arithmetic, word command"),
        ("for ((i = 0; i < @; i++)); do @; done", "arithmetic, word command"),
        ("((a); b @)", "lost at 0: `((` that begins a command (write `( (`)"),
        ("( (a @); b @)", "word list, word list"),
        ("echo $(( \"@\" + 1 ))", "arithmetic"),
        ("(( x == \")\" )); @", "lost at 8: a quote where the shell computes"),
        ("a <((b) @)", "lost at 2: two parentheses here (write `<( (`)"),
        ("(( `a @` + \"`b @`\" + $(c `@`) ))", "backticks, backticks, word command backticks"),
        ("x[ab] @", "word list"),
        ("x[a b] @", "lost at 1: this bracket"),
        ("echo $[@ + 1]", "arithmetic"),
        ("echo ${x:@:2} ${x: @} ${x[@]} ${#x[@]}", "arithmetic, arithmetic, arithmetic, arithmetic"),
        ("a[@]=1 a[@]+=b@ x=([@]=@ @)", "arithmetic, arithmetic, word, arithmetic, word, word list"),
        ("echo a[@] a[@]b", "word, word"),
        ("[[ @ -eq @ ]]", "word integer, word integer"),
        ("[[ \"@\" -lt 1@ && @ == @ ]]", "double integer, word integer, word, word"),
        ("[[ ! ( @ -gt 1 || @ =~ ^(a|@ b)$ ) ]]; @", "word integer, word, word, word command"),
        ("[ @ -ge \"@\" ]", "word plain integer, double plain integer"),
        ("test @ = b -a 1 '-ne' @", "word list, word plain integer"),
        ("let x=@ \"y = @\"", "word integer, double integer"),
        ("declare -i n=@; n=@ m=@", "word integer, word integer, word"),
        ("exit @", "word plain integer"),
        ("printf '%s %d %5.1f\\n' @ @ @ @", "word, word plain integer, word number, word"),
        ("printf '%*s' @ @", "word plain integer, word"),
        ("printf '%s' @", "word list"),
        ("RANDOM=@", "word integer"),
        ("[ -t @ ]", "word plain integer"),
    ] {
        assert_eq!(spots(text), expected, "{text}");
    }
}

#[test]
fn here_documents() {
    for (text, expected) in [
        ("cat <<E\na @ \"@\"\nE\n@", "document 0, document 0, word command"),
        ("cat <<'E' @\n@ $( '\nE\n@", "word list, document 0, word command"),
        ("cat <<A <<-\"B\" # '\n@\nA\n@\n\tB\n@", "document 0, document 1, word command"),
        ("cat <<E\n$(echo '@' $((@)))\nE", "single, arithmetic"),
        ("x=$(cat <<E\n@\nE\n) @", "document 0, word command"),
        ("(cat <<E)\n@\nE", "document 0"),
        ("cat <<E | a @\n@\nE", "word list, document 0"),
        ("cat <<@\nE", "delimiter"),
        ("cat <<E\n@", "unclosed at 4: the here-document"),
        ("cat <<E\n@\n E\n", "unclosed at 4: the here-document"),
        ("cat <<E\n$a@ ${a}@ \\@ $@ `@`\nE", "name, document 0, backslash, dollar, word command backticks"),
        ("cat <<E $(a\nb)\n@\nE", "lost at 11: a line break in `$(…)`, on the line of a here-document"),
        ("cat <<E 'a\nb'\n@\nE", "lost at 10: a line break inside a word, on the line of a here-document"),
        (
            "cat <<E\na\\\nE\n@\nE\n@",
            "lost at 11: a delimiter behind a continued line, lost at 11: a delimiter behind a continued line",
        ),
        ("`cat <<E\n@\nE\n`", "backticks"),
        ("cat <<E; cat <<E\n1 @\nE\n2 @\nE\n@", "document 0, document 1, word command"),
    ] {
        assert_eq!(spots(text), expected, "{text}");
    }
}

#[test]
fn comments() {
    assert_eq!(spots("# @\n@ # @"), "comment, word command, comment");
    assert_eq!(spots("a#@ ${#a} $# @"), "word, word list");
    assert_eq!(spots("a;# @ '\n@"), "comment, word command");
    assert_eq!(spots("a \\\n# @\n@"), "comment, word command");
}

#[test]
fn where_no_value_can_stand() {
    for (text, expected) in [
        ("echo \\@", "backslash"),
        ("echo \"\\@\"", "backslash"),
        ("echo $@ \"$@\"", "dollar, dollar"),
        ("echo $'a@' @", "ansic, word list"),
        ("echo $'a\\'b' @", "lost at 8: `\\'` inside `$'…'`"),
        ("echo ${@} ${x:-@} ${x#@} \"${x/a/@}\" ${x:-\"@\"}", "expansion, expansion, expansion, expansion, expansion"),
        ("echo \"$a[@]\" $a[@]", "subscript, subscript"),
        ("echo @(a|b) !(@)", "word"),
        ("echo a?(@) x", "parentheses"),
        ("echo >&@ <&@", "descriptor, descriptor"),
        (
            "unset @; read \"@\"; [[ -v @ ]]; [ -v @ ]; printf -v @ x; export @; local -n x=@",
            "variable of unset, variable of read, variable of -v, variable of -v, variable of printf, variable of export, variable of local",
        ),
        ("echo 'a @", "unclosed at 5: `'`"),
        ("echo @ \"a $(b @", "word list, unclosed at 10: `(`"),
        ("echo $((a) | b @)", "lost at 6: `$((` that begins a command (write `$( (`)"),
        ("echo \"${x%'}'}\" @", "lost at 10: a single quote inside `\"${…}\"`"),
        ("echo \"${x:-it's}\" @", "word list"),
        ("echo \"${x%'.gz'}\" @", "word list"),
        ("a ) @", "lost at 2: a `)` without its `(`"),
        ("case a of @", "lost at 7: a `case` without `in`"),
    ] {
        // The first `@` of `@(a|b)` is a hole as well, in these tests.
        let text = text.replace("@(a|b)", "(a|b)").replace("echo (a|b) !(@)", "echo !(@)");
        let expected = if text == "echo !(@)" { "parentheses" } else { expected };
        assert_eq!(spots(&text), expected, "{text}");
    }
}

#[test]
fn values_are_written_for_their_place() {
    let text = |text: &str, value: &str| filled(text, &Value::str(value)).unwrap();
    assert_eq!(text("echo @ a@", "it's"), "echo 'it'\\''s' a'it'\\''s'");
    assert_eq!(text("echo \"a @ b\"", "$x"), "echo \"a \"'$x'\" b\"");
    assert_eq!(text("echo 'a @'", "it's"), "echo 'a it'\\''s'");
    assert_eq!(text("`echo @`", "$'\\`"), "`echo '\\$'\\\\''\\\\\\`'`");
    assert_eq!(text("cat <<E\n@\nE", "$a `b` \\ \"'"), "cat <<E\n\\$a \\`b\\` \\\\ \"'\nE");
    assert_eq!(text("cat <<'E'\n@\nE", "$a `b` \\"), "cat <<'E'\n$a `b` \\\nE");
    assert_eq!(text("a # @", "\nx"), "a # ");
    let value = |text: &str, json: &str| filled(text, &Value::from_json(json).unwrap());
    assert_eq!(value("echo @ \"@\"", "true").unwrap(), "echo 'true' \"\"'true'\"\"");
    assert_eq!(value("echo @", "0.5").unwrap(), "echo '0.5'");
    assert_eq!(value("echo @", r#"{"a": [1, "x'y"]}"#).unwrap(), r#"echo '{"a":[1,"x'\''y"]}'"#);
    assert_eq!(value("echo @", r#"["a b", 1, {"k": 2}, [3]]"#).unwrap(), r#"echo 'a b' '1' '{"k":2}' '[3]'"#);
    assert_eq!(value("echo @ x", "[]").unwrap(), "echo  x");
    assert_eq!(value("echo $((@ - @))", "-5").unwrap(), "echo $(((-5) - (-5)))");
    assert_eq!(value("echo $((@))", "7").unwrap(), "echo $((7))");
    assert_eq!(value("echo $((@))", "-9223372036854775808").unwrap(), "echo $(((-9223372036854775807-1)))");
    assert_eq!(value("[ @ -lt 3 ]", "-5").unwrap(), "[ '-5' -lt 3 ]");
    assert_eq!(value("[[ @ -lt \"@\" ]]", "-5").unwrap(), "[[ '(-5)' -lt \"\"'(-5)'\"\" ]]");
    assert_eq!(value("printf '%f' @", "-0.5").unwrap(), "printf '%f' '-0.5'");
}

#[test]
fn values_that_fit_nowhere_are_refused() {
    let refused = |text: &str, json: &str| filled(text, &Value::from_json(json).unwrap()).unwrap_err();
    assert_eq!(refused("echo @", "null"), "is null");
    assert_eq!(refused("echo @", "[1, null]"), "is a list that holds null");
    assert_eq!(refused("echo a@", "[1]"), "is a list, and here one word is wanted");
    assert_eq!(refused("echo \"@\"", "[1]"), "is a list, and here it stands inside quotes or text");
    assert_eq!(refused("@ a", "[]"), "is an empty list, where the name of a command is wanted");
    assert_eq!(refused("echo > @", "[1]"), "is a list, and here one word is wanted");
    assert_eq!(refused("echo @", r#""a\u0000b""#), "holds a NUL byte, which no command can be given");
    assert_eq!(refused("echo @", r#"["a\u0000b"]"#), "holds a NUL byte, which no command can be given");
    let computed = |json: &str| refused("echo $((@))", json);
    assert_eq!(
        computed(r#""a[$(cmd)0]""#),
        "is the string `a[$(cmd)0]`, and where the shell computes only an integer may stand"
    );
    assert_eq!(computed(r#""5""#), "is the string `5`, and where the shell computes only an integer may stand");
    assert_eq!(computed("1.0"), "is the float `1.0`, and where the shell computes only an integer may stand");
    assert_eq!(computed("true"), "is the bool `true`, and where the shell computes only an integer may stand");
    assert_eq!(computed("[1]"), "is a list, and where the shell computes only an integer may stand");
    assert_eq!(computed("null"), "is null");
    assert_eq!(
        refused("printf '%f' @", r#""x""#),
        "is the string `x`, and where the shell computes only a number may stand"
    );
}

#[test]
fn lines_of_here_documents_are_watched() {
    let doc =
        |delimiter: &str, strips_tabs| Doc { delimiter: delimiter.into(), quoted: false, strips_tabs, nested: false };
    let check = |doc: &Doc, command: &str| {
        let start = command.find('<').unwrap();
        let end = command.rfind('>').unwrap();
        let plain = command.replace(['<', '>'], "");
        check_doc(doc, plain.as_bytes(), start..end - 1).map_err(|refusal| refusal.what)
    };
    let eof = doc("EOF", false);
    for fine in ["\na<>b\n", "\n<EOFx>\n", "\n<xEOF>\n", "\n<\n\n>\nEOF", "\n<a>EOF\n", "\n<\tx>\n"] {
        assert_eq!(check(&eof, fine), Ok(()), "{fine:?}");
    }
    for wrong in [
        "\n<EOF>\n",
        "\nE<O>F\n",
        "\n<a\nEOF\nb>\n",
        "\n<a\nE>OF\n",
        "\nE<OF\nx>\n",
        "\n< EOF\t>\n",
        "\n<EOF) x>",
        "\n<\n>EOF\n",
    ] {
        let said = "makes a line that could be `EOF`, the end of the here-document";
        assert_eq!(check(&eof, wrong), Err(said.to_owned()), "{wrong:?}");
    }
    let strips = doc("EOF", true);
    let said = Err("has a line that begins with a tab, and `<<-` takes such tabs away".to_owned());
    assert_eq!(check(&strips, "\n<\tx>\n"), said);
    assert_eq!(check(&strips, "\n\t<\tx>\n"), said);
    assert_eq!(check(&strips, "\na<b\n\tx>\n"), said);
    assert_eq!(check(&strips, "\n\ta<\tx>\n"), Ok(()));
    assert_eq!(check(&strips, "\n\t<x>\n"), Ok(()));
    assert_eq!(check(&strips, "\n\t<x>\n\ty"), Ok(()));
    let joined = "has a line that ends with a backslash, and in a here-document the shell joins it with the next one";
    assert_eq!(check(&eof, "\n$(a '<x\\\ny>')\n"), Err(joined.to_owned()));
    assert_eq!(check(&eof, "\n<x\\\\\ny>\n"), Ok(()));
    let quoted = Doc { quoted: true, ..eof };
    assert_eq!(check(&quoted, "\n<x\\>\n"), Ok(()));
    assert_eq!(check(&Doc { nested: true, ..quoted }, "\n<x\\>\n"), Err(joined.to_owned()));
}

#[test]
fn what_is_handed_on_to_another_interpreter() {
    let handed = |text: &str| {
        let reading = read(text, &holes(text));
        reading.handed_on.iter().map(|(hole, name)| format!("{hole} {name}")).collect::<Vec<_>>().join(", ")
    };
    for (text, expected) in [
        ("bash -c \"echo @\"", "0 bash"),
        ("sh -euc 'echo @' sh @", "0 sh"),
        ("bash -o pipefail -c @", "0 bash"),
        ("bash script.sh @", ""),
        ("/bin/bash <<E\n@\nE", "0 bash"),
        ("bash -s @ <<'E'\n@\nE", "1 bash"),
        ("cat <<E\n@\nE", ""),
        ("ssh -p 22 host ls @", "0 ssh"),
        ("ssh @ <<E\n@\nE", "1 ssh"),
        ("awk -F, -v x=@ '{print \"@\"}' @", "1 awk"),
        ("awk -f prog.awk @", ""),
        ("sed -e 's/@/b/' -n \"@p\" @", "0 sed"),
        ("sed \"s/a/@/\" @", "0 sed"),
        ("python3 -c 'print(\"@\")' @", "0 python3"),
        ("python3.12 - @ <<E\n@\nE", "1 python3.12"),
        ("python3 scripts/report.py @ --out @", ""),
        ("perl -ne 'print @'", "0 perl"),
        ("eval \"@\" a", "0 eval"),
        ("find . -name @ -exec sh -c 'a @' \\;", "1 sh"),
        ("sudo -u me env A=@ bash -lc @", "1 bash"),
        ("ls | xargs -I{} sh -c 'a {} @'", "0 sh"),
        ("jq '.@' @", "0 jq"),
        ("Rscript -e 'f(@)' x", "0 Rscript"),
        ("sqlite3 a.db 'select @'", "0 sqlite3"),
        ("psql -d x -c 'select @'", "0 psql"),
        ("x=$(bash -c @)", "0 bash"),
        ("python3 <<< @", "0 python3"),
        ("node --eval @", "0 node"),
        ("echo bash -c @", ""),
        ("trap 'rm @' EXIT", "0 trap"),
    ] {
        assert_eq!(handed(text), expected, "{text}");
    }
}

#[test]
fn literal_words_of_a_command() {
    let found = |text: &str| read(text, &holes(text)).words.iter().map(|w| w.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(found("python3 scripts/report.py @ --out=a/b.txt > out.txt 2>err"), "python3 scripts/report.py a/b.txt");
    assert_eq!(
        found("cat < in.txt >> log | sort -k1 'my file' \"b c\" $x \"$y/z\" > @"),
        "cat in.txt sort my file b c"
    );
    assert_eq!(
        found("X=cfg.yml; for f in a.txt b.txt; do (run.sh $(helper.py \"q.r\")); done"),
        "X=cfg.yml cfg.yml a.txt b.txt run.sh helper.py q.r"
    );
    assert_eq!(found("a &> b; c >| d; e 2>&1; . env.sh"), "a c e . env.sh");
    assert_eq!(words("if [[ -f x.txt ]]; then bash ./a.sh; fi"), ["bash".into(), Arc::<str>::from("./a.sh")]);
}

#[test]
fn shells_are_known_by_name() {
    assert!(is_bourne(&["bash", "-euo", "pipefail", "-c"]));
    assert!(is_bourne(&["/usr/bin/env", "-i", "A=b", "zsh", "-c"]));
    assert!(is_bourne(&["/bin/sh", "-c"]));
    assert!(!is_bourne(&["fish", "-c"]));
    assert!(!is_bourne(&["python3", "-c"]));
    assert!(!is_bourne::<&str>(&[]));
}

#[test]
fn nothing_makes_the_reader_stumble() {
    let alphabet = [
        "@",
        "'",
        "\"",
        "`",
        "$",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "<",
        "<<E",
        "\n",
        "\\",
        " ",
        "a",
        "#",
        ";",
        "|",
        "&",
        "=",
        "case a in ",
        "E\n",
        "$((",
        "${x",
    ];
    let mut state = 7u64;
    for _ in 0..40_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            text.push_str(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        let holes = holes(&text);
        assert_eq!(read(&text, &holes).spots.len(), holes.len());
    }
    let deep = "$(".repeat(500) + "@";
    assert_eq!(spots(&deep), "lost at 121: a nesting too deep");
}
