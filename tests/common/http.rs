//! A small HTTP server that breaks on purpose. What it does with a request is said by the first part of the path.
//!
//! | path | what happens |
//! | --- | --- |
//! | `/plain/F` | the file, or the part that `Range` asks for |
//! | `/cut/F` | the first answer breaks off in the middle |
//! | `/whole/F` | the same, and `Range` is ignored |
//! | `/changed/F` | the first answer is half of an older version |
//! | `/busy/F` | 429 with `Retry-After`, 503, then the file |
//! | `/held/F` | the first answer stops in the middle until [`Server::release`] |
//! | `/four/F` | no answer before four requests are at work |
//! | anything else | 404 |

#![allow(dead_code, clippy::unwrap_used)]

use sha2::Digest as _;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

pub struct Server {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    files: Mutex<HashMap<String, Vec<u8>>>,
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    /// `GET /plain/a bytes=3-`, in the order in which they came.
    requests: Vec<String>,
    at_work: usize,
    most: usize,
    released: bool,
}

pub fn sha256(bytes: &[u8]) -> String {
    let digest: [u8; 32] = sha2::Sha256::digest(bytes).into();
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || state.serve(stream));
            }
        });
        Self { port, state }
    }

    /// Puts a file there; `{ url, sha256 }` of it, for a path that begins with `manner`.
    pub fn file(&self, manner: &str, name: &str, bytes: &[u8]) -> String {
        self.state.files.lock().unwrap().insert(name.to_owned(), bytes.to_vec());
        format!(r#"{{ url = "{}", sha256 = "{}" }}"#, self.url(manner, name), sha256(bytes))
    }

    pub fn url(&self, manner: &str, name: &str) -> String {
        format!("http://127.0.0.1:{}/{manner}/{name}", self.port)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.state.told.lock().unwrap().requests.clone()
    }

    /// How many were at work at once, at most.
    pub fn most(&self) -> usize {
        self.state.told.lock().unwrap().most
    }

    /// Lets answers that are held go on.
    pub fn release(&self) {
        self.state.told.lock().unwrap().released = true;
        self.state.changed.notify_all();
    }
}

impl State {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut first, mut range, mut version) = (String::new(), None, None);
        reader.read_line(&mut first).unwrap_or_default();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() == 0 || line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            match name.to_ascii_lowercase().as_str() {
                "range" => range = Some(value.trim().to_owned()),
                "if-range" => version = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let Some(path) = first.split(' ').nth(1).map(str::to_owned) else { return };
        let earlier = {
            let mut told = self.told.lock().unwrap();
            let earlier = told.requests.iter().filter(|seen| seen.split(' ').nth(1) == Some(&path)).count();
            let line = format!("GET {path} {}", range.as_deref().unwrap_or_default());
            told.requests.push(line.trim_end().to_owned());
            told.at_work += 1;
            told.most = told.most.max(told.at_work);
            self.changed.notify_all();
            earlier
        };
        self.answer(stream, &path, earlier, range, version);
        self.told.lock().unwrap().at_work -= 1;
    }

    /// A client that has gone away is no matter.
    fn answer(&self, mut to: TcpStream, path: &str, earlier: usize, range: Option<String>, version: Option<String>) {
        let mut parts = path.splitn(3, '/').skip(1);
        let (manner, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let file = self.files.lock().unwrap().get(name).cloned();
        let known = ["plain", "cut", "whole", "changed", "busy", "held", "four"].contains(&manner);
        let Some(mut file) = file.filter(|_| known) else {
            let _ = to.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        };
        let mut tag = "\"now\"";
        match (manner, earlier) {
            ("busy", 0 | 1) => {
                let status = ["429 Too Many Requests\r\nRetry-After: 0", "503 Service Unavailable"][earlier];
                let _ = write!(to, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                return;
            }
            ("four", _) => {
                let told = self.told.lock().unwrap();
                drop(self.changed.wait_while(told, |told| told.most < 4).unwrap());
            }
            ("changed", 0) => {
                file = b"older ".repeat(file.len() / 3);
                tag = "\"then\"";
            }
            _ => {}
        }
        let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let same = version.is_none_or(|version| version == tag);
        let from = from.filter(|from| same && manner != "whole" && *from < file.len());
        let status = match from {
            Some(from) => {
                let (last, size) = (file.len() - 1, file.len());
                format!("206 Partial Content\r\nContent-Range: bytes {from}-{last}/{size}")
            }
            None => "200 OK".to_owned(),
        };
        let rest = &file[from.unwrap_or(0)..];
        let head =
            format!("HTTP/1.1 {status}\r\nETag: {tag}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
        let _ = to.write_all(head.as_bytes());
        if earlier > 0 || !["cut", "whole", "changed", "held"].contains(&manner) {
            let _ = to.write_all(rest);
            return;
        }
        let (half, other) = rest.split_at(rest.len() / 2);
        let _ = to.write_all(half);
        let _ = to.flush();
        if manner == "held" {
            let told = self.told.lock().unwrap();
            drop(self.changed.wait_while(told, |told| !told.released).unwrap());
            let _ = to.write_all(other);
        }
    }
}
