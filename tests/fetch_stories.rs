//! Inputs by address: fetched once, whatever breaks on the way, from a server that breaks on purpose.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/http.rs"]
mod http;

use common::{Project, until};
use http::Server;
use snapbox::str;

/// What differs between runs in a text: the port.
fn portless(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split("127.0.0.1:").enumerate() {
        if i > 0 {
            out.push_str("[SERVER]");
        }
        out.push_str(if i > 0 { part.trim_start_matches(|c: char| c.is_ascii_digit()) } else { part });
    }
    out
}

/// A task that says what it was given.
fn task(name: &str, input: &str) -> String {
    format!(
        "[task.{name}]\ncommand = 'echo \"text=$(cat {{{{ inputs.f }}}})\" >> \"$FLOWRUN_OUTPUT\"; basename {{{{ inputs.f }}}}'\n\
         inputs.f = {input}\noutputs.text = \"string\"\n\n"
    )
}

fn requests(server: &Server) -> String {
    let mut requests = server.requests();
    requests.sort_by_key(|request| request.split(' ').nth(1).unwrap_or_default().to_owned());
    requests.join("\n")
}

#[test]
fn a_file_is_fetched_once_whatever_breaks() {
    let server = Server::start();
    let long = "0123456789".repeat(1000);
    let mut pipeline = String::new();
    for (manner, name) in [
        ("plain", "a.fa.gz"),
        ("cut", "b.txt"),
        ("whole", "c.txt"),
        ("changed", "d.txt"),
        ("busy", "e.txt"),
        ("plain", "f%20g.csv"),
    ] {
        let text = format!("{name} {long}");
        pipeline.push_str(&task(manner_name(manner, name), &server.file(manner, name, text.as_bytes())));
    }
    let project = Project::new(&pipeline);
    let said = project.run("run --output json");
    let outputs = said.exits(0).json();
    assert_eq!(outputs["counts"]["succeeded"], 6, "{outputs}");
    assert_eq!(
        requests(&server),
        "\
GET /busy/e.txt
GET /busy/e.txt
GET /busy/e.txt
GET /changed/d.txt
GET /changed/d.txt bytes=10005-
GET /cut/b.txt
GET /cut/b.txt bytes=5003-
GET /plain/a.fa.gz
GET /plain/f%20g.csv
GET /whole/c.txt
GET /whole/c.txt bytes=5003-"
    );
    assert_eq!(project.run("log plain").out(), "a.fa.gz\n");
    assert_eq!(project.run("log other").out(), "f g.csv\n");

    // What is cached needs no file.
    std::fs::remove_dir_all(project.path(".flowrun/artifacts/fetched")).unwrap();
    let before = server.requests().len();
    assert_eq!(project.run("run --output json").json()["counts"]["cached"], 6);
    assert_eq!(server.requests().len(), before);

    // What must run fetches it once more, and never again; then nobody need be there.
    project.run("run --force plain").exits(0);
    assert_eq!(server.requests().len(), before + 1);
    project.edit("pipeline.toml", "/plain/a.fa.gz", "/nowhere/a.fa.gz");
    project.run("run --force plain").exits(0);
    assert_eq!(server.requests().len(), before + 1, "a file that is there needs no server");
}

fn manner_name<'a>(manner: &'a str, name: &str) -> &'a str {
    if name.starts_with('f') { "other" } else { manner }
}

#[test]
fn several_come_at_once_but_few_from_one_host() {
    let server = Server::start();
    let rows: Vec<String> = (0..9)
        .map(|i| {
            let text = format!("{i}\n");
            server.file("four", &format!("{i}.txt"), text.as_bytes());
            format!("{},{}\n", server.url("four", &format!("{i}.txt")), http::sha256(text.as_bytes()))
        })
        .collect();
    let project = Project::new(
        r#"
[task.read]
over = { csv = "files.csv" }
as = "file"
command = 'cat {{ inputs.text }}'
inputs.text = { url = "{{ file.url }}", sha256 = "{{ file.sha256 }}" }
outputs.n = { type = "int", from = "stdout" }

[outputs]
sum = "{{ read.n | sum }}"
"#,
    );
    project.write("files.csv", format!("url,sha256\n{}", rows.concat()));
    let json = project.run("run -j 1 --output json").exits(0).json();
    assert_eq!(json["outputs"]["sum"], 36);
    assert_eq!((server.requests().len(), server.most()), (9, 4));
}

#[test]
fn what_cannot_be_had_says_why_and_leaves_nothing() {
    let server = Server::start();
    server.file("plain", "a.txt", b"what it was");
    let good = server.file("plain", "a.txt", b"what it was");
    server.file("plain", "a.txt", b"what it is now");
    server.file("cut", "b.txt", b"it breaks off and is wrong");
    let wrong = good.replace("/plain/a.txt", "/cut/b.txt");
    let gone = good.replace("/plain/a.txt", "/gone/a.txt");
    let none = good.replace(&server.url("plain", ""), "http://nobody.invalid/");
    let odd = r#"{ url = "{{ vars.url }}", sha256 = "{{ 'abc' }}" }"#;
    let pipeline = [
        task("changed", &good),
        task("cut", &wrong),
        task("gone", &gone),
        task("unknown", &none),
        task("odd", odd).replace("outputs.", "vars.url = \"ftp://example.org/x\"\noutputs."),
        task("no_digest", odd).replace("outputs.", "vars.url = \"https://example.org/x\"\noutputs."),
    ];
    let project = Project::new(&pipeline.concat());
    let said = project.run("run -j 1 --keep-going --output json").exits(1).json();
    let mut failures: Vec<String> = said["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| format!("{}: {}\n", failure["instance"], failure["message"]))
        .collect();
    failures.sort();
    snapbox::assert_data_eq!(
        portless(&failures.concat()),
        str![[r#"
"changed": "`http://[SERVER]/plain/a.txt` is not what it must be: expected sha256 2b13fd2db31019cd4513e1cdf07b7b6254270714760159c34ee470ada61498b1, found eda5c9e75abfd50a65cb0f538c1774bed0e9da11cd190e8884dbbd0296c6abc5 (14 bytes)"
"cut": "`http://[SERVER]/cut/b.txt` is not what it must be: expected sha256 2b13fd2db31019cd4513e1cdf07b7b6254270714760159c34ee470ada61498b1, found 23bb95045b9744ce8449ebfb8d1d354d5cd4458abb743481c1acee23f5d6517f (26 bytes)"
"gone": "cannot fetch `http://[SERVER]/gone/a.txt`: the server answers 404 (Not Found)"
"no_digest": "`inputs.f`: `abc` is no SHA-256 digest of 64 hexadecimal digits"
"odd": "`inputs.f`: `ftp://example.org/x` is no address that begins with `https://` or `http://`"
"unknown": "cannot fetch `http://nobody.invalid/a.txt`: no such host is known, 3 times in a row"

"#]]
    );
    let left = common::contents(&project.path(".flowrun/artifacts"));
    let left: Vec<_> = left.iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn two_runs_that_need_one_file_fetch_it_once() {
    let server = Server::start();
    let pipeline = task("a", &server.file("held", "a.txt", b"something long enough to be cut into halves"));
    let shared = Project::empty();
    let projects = [Project::new(&pipeline), Project::new(&pipeline)];
    let runs: Vec<_> = projects
        .iter()
        .map(|project| project.start(&format!("run --artifacts {} --output json", shared.dir().display())))
        .collect();
    until(|| server.requests().len() == 1, "the first one has asked");
    for project in &projects {
        until(|| project.path(".flowrun/runs/1").exists(), "both have begun");
    }
    server.release();
    for run in runs {
        assert_eq!(run.wait().exits(0).json()["counts"]["succeeded"], 1);
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_transfer_that_was_stopped_goes_on_where_it_was() {
    let server = Server::start();
    let bytes = [b'x'; 100_000];
    let project = Project::new(&task("a", &server.file("held", "a.txt", &bytes)));
    let part = project.path(format!(".flowrun/artifacts/fetched/{}/.part", http::sha256(&bytes)));
    let run = project.start("run");
    until(|| part.metadata().is_ok_and(|part| part.len() == 50_000), "half of it is there");
    run.signal("INT");
    run.wait().exits(130);
    project.run("run").exits(0);
    assert_eq!(requests(&server), "GET /held/a.txt\nGET /held/a.txt bytes=50000-");
}

#[test]
fn what_is_no_address_is_found_by_check() {
    let project = Project::new(
        r#"
[task.a]
command = "true"
inputs.a = { url = "example.org/x", sha256 = "abc" }
inputs.b = { url = "https://example.org/x" }
inputs.c = { sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
inputs.d = {}
inputs.e = { url = 3, md5 = "x" }
inputs.f = { url = "https://{{ params.n }}", sha256 = "{{ params.list }}" }
inputs.g = ["x", { url = "https://example.org/x" }]

[params]
n = { default = 1 }
list = { default = ["a"] }
"#,
    );
    project.run("check").shows(str![[r#"
exit 2
--- err
error[E0140]: `example.org/x` is no address that can be fetched
 --> pipeline.toml:4:20
  |
4 | inputs.a = { url = "example.org/x", sha256 = "abc" }
  |                    ^^^^^^^^^^^^^^^
  |
  = help: an address is `https://HOST/PATH` or `http://HOST/PATH`

error[E0140]: this is no SHA-256 digest
 --> pipeline.toml:4:46
  |
4 | inputs.a = { url = "example.org/x", sha256 = "abc" }
  |                                              ^^^^^
  |
  = help: it has 64 hexadecimal digits: `sha256sum FILE` prints it

error[E0104]: `b` does not say what is fetched: it has no `sha256`
 --> pipeline.toml:5:12
  |
5 | inputs.b = { url = "https://example.org/x" }
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `curl -L 'https://example.org/x' | sha256sum` prints it

error[E0104]: `c` does not say where it is fetched from
 --> pipeline.toml:6:12
  |
6 | inputs.c = { sha256 = "[DIGEST]" }
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: add `url`; the content of a file of the project counts by itself

error[E0103]: `d` is an empty table
 --> pipeline.toml:7:12
  |
7 | inputs.d = {}
  |            ^^
  |
  = help: write a path: `d = "data/reads.fq"`

error[E0103]: `url` is an integer, not a string
 --> pipeline.toml:8:20
  |
8 | inputs.e = { url = 3, md5 = "x" }
  |                    ^ an integer
  |
  = help: put it in quotes: `url = "3"`

error[E0102]: an input has no key `md5`
 --> pipeline.toml:8:23
  |
8 | inputs.e = { url = 3, md5 = "x" }
  |                       ^^^ unknown key
  |
  = help: write a path alone; a table is for what is fetched: `{ url = …, sha256 = … }`

error[E0317]: `sha256` of the input `f` is no text
 --> pipeline.toml:9:55
  |
9 | inputs.f = { url = "https://{{ params.n }}", sha256 = "{{ params.list }}" }
  |                                                       ^^^^^^^^^^^^^^^^^^^
  |
  = help: it is an address or a digest

error[E0103]: an element of `g` is a table, not a string
  --> pipeline.toml:10:18
   |
10 | inputs.g = ["x", { url = "https://example.org/x" }]
   |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a table
   |
   = help: write strings alone: `g = ["a", "b"]`

9 mistakes in `pipeline.toml`

"#]]);
}

#[test]
fn progress_is_told() {
    let server = Server::start();
    let project = Project::new(&task("a", &server.file("cut", "a.txt", &[b'x'; 100_000])));
    let said = project.run("run").text();
    snapbox::assert_data_eq!(
        portless(&said),
        str![[r#"
exit 0
--- out
run 1 succeeded: 1 succeeded in [TIME]
--- err
[0/1] fetching  http://[SERVER]/cut/a.txt  98 KiB
[0/1] fetched   http://[SERVER]/cut/a.txt  98 KiB in [TIME]
[0/1] started   a
[1/1] done      a  [TIME]

"#]]
    );
}
