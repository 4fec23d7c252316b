//! Values that look like shell syntax, in every place where a value may stand, come back byte for byte.

use crate::common::{Project, bytes};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Strings that break careless quoting. None holds NUL, which no argument can.
fn hostile() -> Vec<String> {
    let mut list: Vec<String> = [
        "",
        " ",
        "\n",
        "two\nlines\n",
        "\n\n",
        "\t\r\u{b}",
        "'",
        "\"",
        "''\"\"''",
        "it's \"so\"",
        "$(touch pwned)",
        "`touch pwned`",
        "; touch pwned",
        "' ; touch pwned ; '",
        "\" ; touch pwned ; \"",
        "\"$(touch pwned)\"",
        "') touch pwned (\'",
        "&& touch pwned",
        "| touch pwned",
        "> pwned",
        "<(touch pwned)",
        "$HOME",
        "${HOME}",
        "$((1 + 1))",
        "a[$(touch pwned)0]",
        "\\",
        "\\\\",
        "\\n",
        "\\'",
        "ends with \\",
        "-n",
        "--help",
        "-",
        "*",
        "?",
        "[a-z]",
        "~",
        "~root",
        "!!",
        "#",
        "# not a comment",
        "{a,b}",
        "{{ params.value }}",
        "{% if true %}",
        "%s%n",
        "=",
        "a=b",
        "EOF",
        "EOF\ntouch pwned\n",
        "é ü 漢字 🦀",
        "\u{202e}right to left",
        "\u{1}\u{7f}\u{1b}[31m",
        "gi|9626243|ref|NC_001416.1|",
    ]
    .map(String::from)
    .to_vec();
    list.push("x".repeat(200_000));
    list.push("'\"$`\\\n".repeat(30_000));
    list
}

/// The value in every context of a shell word; the last line of a here-document is its own, so it ends in a newline.
const CONTEXTS: &str = r#"
printf %s {{ VALUE }} > {{ outputs.out }}/bare
printf %s x{{ VALUE }}y > {{ outputs.out }}/attached
printf %s "{{ VALUE }}" > {{ outputs.out }}/double
printf %s "x{{ VALUE }}y" > {{ outputs.out }}/double_attached
printf %s '{{ VALUE }}' > {{ outputs.out }}/single
printf %s "$(printf %s {{ VALUE }}; echo .)" > {{ outputs.out }}/substituted
printf %s "$(printf %s "{{ VALUE }}"; echo .)" > {{ outputs.out }}/substituted_double
ticks=`printf %s {{ VALUE }}; echo .`
printf %s "$ticks" > {{ outputs.out }}/backticks
"#;

fn check_contexts(project: &Project, folder: &str, value: &str) {
    let attached = format!("x{value}y");
    let substituted = format!("{value}.");
    for (name, expected) in [
        ("bare", value),
        ("attached", &attached),
        ("double", value),
        ("double_attached", &attached),
        ("single", value),
        ("substituted", &substituted),
        ("substituted_double", &substituted),
        ("backticks", &substituted),
    ] {
        let found = std::fs::read(project.path(folder).join(name)).unwrap();
        let same = found == expected.as_bytes();
        assert!(same, "{name} of {:?}: {:?}", cut(expected), cut(&String::from_utf8_lossy(&found)));
    }
    assert!(!project.path("pwned").exists(), "{:?} became shell syntax", cut(value));
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

#[test]
fn as_a_param() {
    let pipeline = format!(
        "[params.value]\ntype = \"string\"\n[task.write]\ncommand = '''{}'''\noutputs.out = {{ dir = \"out\" }}\n",
        CONTEXTS.replace("VALUE", "params.value")
    );
    let project = Project::new(&pipeline);
    for value in hostile() {
        // one word of a command line holds less than 128 KiB, so a long value comes from a file
        if value.len() > 100_000 {
            project.write("long.json", serde_json::json!({ "value": value }).to_string());
            project.run("run --params long.json").exits(0);
        } else {
            project.run_words(["run", "-p", &format!("value={value}")]).exits(0);
        }
        check_contexts(&project, "out", &value);
    }
}

#[test]
fn as_an_item_of_a_map() {
    let pipeline = format!(
        "[map.each]\nover = {{ jsonl = \"values.jsonl\" }}\nas = \"value\"\n[map.each.task.write]\n\
         command = '''{}'''\noutputs.out = {{ dir = \"out/{{{{ index }}}}\" }}\n",
        CONTEXTS.replace("VALUE", "value")
    );
    let project = Project::new(&pipeline);
    let lines: Vec<String> = hostile().iter().map(|value| serde_json::json!(value).to_string()).collect();
    project.write("values.jsonl", lines.join("\n") + "\n");
    project.run("run").exits(0);
    for (i, value) in hostile().iter().enumerate() {
        check_contexts(&project, &format!("out/{i}"), value);
    }
}

#[test]
fn in_a_here_document() {
    let project = Project::new(
        "[params.value]\ntype = \"string\"\n[task.write]\ncommand = '''\ncat > {{ outputs.plain }} <<EOF\n\
         x{{ params.value }}y\nEOF\ncat > {{ outputs.quoted }} <<'EOF'\nx{{ params.value }}y\nEOF\n'''\n\
         outputs.plain = { file = \"plain\" }\noutputs.quoted = { file = \"quoted\" }\n",
    );
    for value in hostile().iter().filter(|value| value.len() < 100_000) {
        project.run_words(["run", "-p", &format!("value={value}")]).exits(0);
        assert_eq!(project.read("plain"), format!("x{value}y\n"));
        assert_eq!(project.read("quoted"), format!("x{value}y\n"));
        assert!(!project.path("pwned").exists(), "{value:?} became shell syntax");
    }
}

#[test]
fn as_a_value_from_task_to_task() {
    let project = Project::new(
        "[params.value]\ntype = \"string\"\n[task.give]\nscript = '''\nimport json, os\n\
         value = json.load(open(os.environ[\"FLOWRUN_VARS\"]))[\"vars\"][\"value\"]\n\
         open(os.environ[\"FLOWRUN_OUTPUT\"], \"a\").write(\"value=\" + json.dumps(value) + \"\\n\")\n'''\n\
         interpreter = [\"python3\"]\nvars.value = \"{{ params.value }}\"\noutputs.value = \"string\"\n\
         [task.second]\ncommand = 'printf %s {{ give.value }} > {{ outputs.out }}'\noutputs.out = { file = \"out\" }\n",
    );
    for value in hostile().iter().filter(|value| value.len() < 100_000) {
        project.run_words(["run", "-p", &format!("value={value}")]).exits(0);
        assert_eq!(&project.read("out"), value);
    }
}

#[test]
fn as_a_word_of_argv() {
    let project = Project::new(
        "[params.value]\ntype = \"string\"\n[task.write]\n\
         argv = [\"sh\", \"-c\", 'printf %s \"$1\" > \"$2\"', \"sh\", \"{{ params.value }}\", \"{{ outputs.out }}\"]\n\
         outputs.out = { file = \"out\" }\n",
    );
    for value in hostile().iter().filter(|value| value.len() < 100_000) {
        project.run_words(["run", "-p", &format!("value={value}")]).exits(0);
        assert_eq!(&project.read("out"), value);
    }
}

#[test]
fn as_the_name_of_a_file() {
    let project = Project::new(
        "[map.each]\nover = { glob = \"in/*\" }\nas = \"file\"\n[map.each.task.copy]\n\
         command = 'cat {{ file }} > {{ outputs.content }}; printf %s {{ file }} > {{ outputs.name }}'\n\
         outputs.content = { file = \"out/{{ index }}.content\" }\noutputs.name = { file = \"out/{{ index }}.name\" }\n",
    );
    let mut names: Vec<Vec<u8>> = hostile().iter().map(|value| value.clone().into_bytes()).collect();
    names.retain(|name| !name.is_empty() && name.len() < 200 && !name.contains(&b'/') && name != b".");
    names.push(b"not utf-8 \xff\xfe".to_vec());
    names.push(b"\x80".to_vec());
    names.sort();
    for (i, name) in names.iter().enumerate() {
        project.write(PathBuf::from("in").join(OsString::from_vec(name.clone())), format!("content {i}"));
    }
    project.run("run").exits(0);
    for (i, name) in names.iter().enumerate() {
        assert_eq!(project.read(format!("out/{i}.content")), format!("content {i}"));
        let expected = PathBuf::from("in").join(OsString::from_vec(name.clone()));
        assert_eq!(std::fs::read(project.path(format!("out/{i}.name"))).unwrap(), bytes(&expected));
    }
    assert!(!project.path("pwned").exists());
    let again = project.run("run --output json");
    assert_eq!(again.exits(0).json()["counts"]["cached"], names.len());
}
