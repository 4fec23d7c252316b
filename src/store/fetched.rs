//! Files that came from elsewhere: a part of the artifact folder, by their SHA-256 digest.
//!
//! ```text
//! fetched/SHA256/NAME     whole, verified, for reading only; the name is the last part of the address
//! fetched/SHA256/.part    what has come so far
//! fetched/SHA256/.from    where that comes from, and what the server called it
//! fetched/SHA256/.lock    held by the process that fetches it
//! ```
//!
//! A file is under its name when its bytes were digested, never before. It is fetched again by nobody.

use crate::sys::fault;
use crate::sys::files::{Disk, Files as _};
use crate::sys::http::{Answer, Client, Trouble, broken, without_user};
use crate::sys::{At, Fault, FaultKind, durable};
use rustix::fs::FlockOperation;
use sha2::{Digest as _, Sha256};
use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes read at once.
const BLOCK: usize = 128 * 1024;
/// The pause after the first try that brought nothing; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, whatever a server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How often somebody waiting looks whether it goes on.
const LOOK: Duration = Duration::from_millis(100);

/// A file that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Want {
    /// Where it is.
    pub url: String,
    /// What it must be.
    pub sha256: [u8; 32],
    /// What it is to be called.
    pub name: String,
}

impl Want {
    /// Of an address and 64 hexadecimal digits; else which of the two is wrong, and what it is not.
    pub fn new(url: &str, sha256: &str) -> Result<Self, (&'static str, &'static str)> {
        let rest = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
        let rest = rest.ok_or(("url", "is no address that begins with `https://` or `http://`"))?;
        let digest: Result<crate::base::Digest, _> = sha256.parse();
        let digest = digest.map_err(|_| ("sha256", "is no SHA-256 digest of 64 hexadecimal digits"))?;
        Ok(Self { url: url.to_owned(), sha256: digest.0, name: name_of(rest) })
    }

    /// The address for people: without a password.
    pub fn shown(&self) -> String {
        without_user(&self.url).0
    }
}

/// The last part of an address as the name of a file; tools look at endings.
fn name_of(rest: &str) -> String {
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let last = path.split('/').skip(1).filter(|part| !part.is_empty()).last().unwrap_or_default();
    let mut bytes = Vec::new();
    let mut at = last.bytes();
    while let Some(byte) = at.next() {
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).map(|digit| digit as u8);
        let mut ahead = at.clone();
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high * 16 + low);
                at = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    let clean = |c: char| if c == '/' || c == '\u{fffd}' || c.is_control() { '_' } else { c };
    let name: String = String::from_utf8_lossy(&bytes).chars().map(clean).collect();
    // A name has 255 bytes at most, and its end is what counts.
    let from = (0..name.len()).find(|at| name.is_char_boundary(*at) && name.len() - at <= 200).unwrap_or(name.len());
    match &name[from..] {
        "" => "file".to_owned(),
        dotted if dotted.starts_with('.') => format!("_{dotted}"),
        name => name.to_owned(),
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there.
    pub got: u64,
    /// Bytes in all, where the server says it.
    pub total: Option<u64>,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Fetched {
    root: PathBuf,
}

impl Fetched {
    /// Of an artifact folder.
    pub fn within(artifacts: &Path) -> Self {
        Self { root: artifacts.join("fetched") }
    }

    fn folder(&self, want: &Want) -> PathBuf {
        self.root.join(crate::base::Digest(want.sha256).to_string())
    }

    /// Where it is, or will be.
    pub fn path(&self, want: &Want) -> PathBuf {
        self.folder(want).join(&want.name)
    }

    /// Whether it is there.
    pub fn has(&self, want: &Want) -> bool {
        self.path(want).is_file()
    }

    /// Sees to it that it is there. `Ok(false)`: it was stopped, and what has come so far is kept.
    ///
    /// # Errors
    /// When it cannot be had, or is not what it must be; then nothing of it is kept.
    pub fn fetch(
        &self,
        client: &Client,
        want: &Want,
        stop: &AtomicBool,
        told: &mut dyn FnMut(Progress),
    ) -> fault::Result<bool> {
        if self.has(want) {
            return Ok(true);
        }
        let folder = self.folder(want);
        std::fs::create_dir_all(&self.root).at("make the folder", &self.root)?;
        Disk.make_shared_folder(&self.root, &folder).at("make the folder", &folder)?;
        let Some(_lock) = lock(&folder.join(".lock"), stop)? else { return Ok(false) };
        // Whoever held the lock may have been quicker.
        if self.has(want) || self.take_from_a_namesake(want)? {
            return Ok(true);
        }
        let mut transfer = Transfer { client, want, stop, told, folder: &folder, version: None };
        if !transfer.whole()? {
            return Ok(false);
        }
        let (part, path) = (folder.join(".part"), self.path(want));
        std::fs::set_permissions(&part, Permissions::from_mode(0o444)).at("write", &part)?;
        durable::flush(&part).at("write", &part)?;
        durable::rename(&part, &path)?;
        // Nobody reads it any more, and a part without it is begun again.
        let _ = std::fs::remove_file(folder.join(".from"));
        durable::sync_folder(&folder)?;
        Ok(true)
    }

    /// The same file under another name. Both are for reading only, so that one may be the other.
    fn take_from_a_namesake(&self, want: &Want) -> fault::Result<bool> {
        let folder = self.folder(want);
        for entry in std::fs::read_dir(&folder).at("list", &folder)?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b".") || !entry.path().is_file() {
                continue;
            }
            let path = self.path(want);
            let same = std::fs::hard_link(entry.path(), &path).or_else(|_| {
                let temporary = folder.join(".copy");
                std::fs::copy(entry.path(), &temporary).and_then(|_| std::fs::rename(&temporary, &path))
            });
            return same.at("write", &path).map(|()| true);
        }
        Ok(false)
    }
}

/// Waits until nobody else fetches it; `None`: stopped.
fn lock(path: &Path, stop: &AtomicBool) -> fault::Result<Option<File>> {
    let mut file = File::options().write(true).create(true).truncate(false).mode(0o666).open(path);
    file = file.or_else(|_| File::open(path));
    let file = file.at("write", path)?;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            // A file system without locks: two may then fetch it, and one of them will have to do it again.
            Err(_) => return Ok(Some(file)),
        }
        if !sleep(LOOK, stop) {
            return Ok(None);
        }
    }
}

/// Sleeps; false: stopped meanwhile.
fn sleep(pause: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
}

/// One file on its way, over as many requests as it takes.
struct Transfer<'a> {
    client: &'a Client,
    want: &'a Want,
    stop: &'a AtomicBool,
    told: &'a mut dyn FnMut(Progress),
    folder: &'a Path,
    /// What the server calls what has come so far.
    version: Option<String>,
}

impl Transfer<'_> {
    /// Until `.part` is the file; `Ok(false)`: stopped.
    fn whole(&mut self) -> fault::Result<bool> {
        // What was continued may be the half of one version and the half of another.
        let mut continued = false;
        let mut failures = 0;
        loop {
            let before = self.known();
            continued |= before > 0;
            let step = self.request(before)?;
            let (why, after, tries) = match step {
                Step::Stopped => return Ok(false),
                Step::Ended => match self.verify()? {
                    None => return Ok(true),
                    Some(_) if continued => {
                        continued = false;
                        self.forget()?;
                        continue;
                    }
                    Some(wrong) => {
                        self.forget()?;
                        return Err(wrong);
                    }
                },
                Step::Broken(Trouble::Never { why }) => return Err(self.fault(&why)),
                Step::Broken(Trouble::Again { why, after, tries }) => (why, after, tries),
            };
            if self.known() > before {
                failures = 0;
                if after.is_none() {
                    continue;
                }
            }
            failures += 1;
            if failures >= tries {
                let fault = self.fault(&format!("{why}, {failures} times in a row"));
                return Err(fault.help("what has come so far is kept; the same command goes on with it"));
            }
            let pause = after.unwrap_or(PAUSE * 2u32.saturating_pow(failures - 1)).min(LONGEST_PAUSE);
            if !sleep(pause, self.stop) {
                return Ok(false);
            }
        }
    }

    fn fault(&self, why: &str) -> Fault {
        Fault::new(FaultKind::Away, format!("cannot fetch `{}`: {why}", self.want.shown()))
    }

    /// How much has come, if it is known of what; else it is thrown away.
    fn known(&mut self) -> u64 {
        let length = std::fs::metadata(self.folder.join(".part")).map_or(0, |found| found.len());
        let from = std::fs::read_to_string(self.folder.join(".from")).unwrap_or_default();
        match from.split_once('\n') {
            Some((url, version)) if url == self.want.shown() => {
                self.version = Some(version.trim_end().to_owned()).filter(|version| !version.is_empty());
                length
            }
            _ => {
                self.version = None;
                0
            }
        }
    }

    fn forget(&self) -> fault::Result<()> {
        for name in [".part", ".from"] {
            let path = self.folder.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", &path)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// One request, and all that it brings.
    fn request(&mut self, from: u64) -> fault::Result<Step> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Step::Stopped);
        }
        let (mut body, start, total) = match self.client.get(&self.want.url, from, self.version.as_deref()) {
            Ok(Answer::Nothing) => return Ok(Step::Ended),
            Ok(Answer::Body { body, start, total, version }) => {
                let text = format!("{}\n{}\n", self.want.shown(), version.unwrap_or_default());
                let note = self.folder.join(".from");
                std::fs::write(&note, text).at("write", &note)?;
                (body, start, total)
            }
            Err(trouble) => return Ok(Step::Broken(trouble)),
        };
        let part = self.folder.join(".part");
        let file = File::options().write(true).create(true).truncate(false).open(&part);
        let mut file = file.at("write", &part)?;
        file.set_len(start).at("write", &part)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(start)).at("write", &part)?;
        let mut got = start;
        (self.told)(Progress { got, total });
        let mut buffer = vec![0; BLOCK];
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Step::Stopped);
            }
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    file.write_all(&buffer[..n]).at("write", &part)?;
                    got += n as u64;
                    (self.told)(Progress { got, total });
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let why = broken(&error);
                    return Ok(Step::Broken(Trouble::Again { why, after: None, tries: 8 }));
                }
            }
        }
        if total.is_some_and(|total| got < total) {
            let why = "the server broke off".to_owned();
            return Ok(Step::Broken(Trouble::Again { why, after: None, tries: 8 }));
        }
        Ok(Step::Ended)
    }

    /// Whether what has come is what it must be; else how it is not.
    fn verify(&self) -> fault::Result<Option<Fault>> {
        let part = self.folder.join(".part");
        let mut file = File::open(&part).at("read", &part)?;
        let (mut hasher, mut buffer, mut size) = (Sha256::new(), vec![0; BLOCK], 0);
        loop {
            let n = file.read(&mut buffer).at("read", &part)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            size += n;
        }
        let found: [u8; 32] = hasher.finalize().into();
        if found == self.want.sha256 {
            return Ok(None);
        }
        let hex = |digest| crate::base::Digest(digest).to_string();
        let (expected, found) = (hex(self.want.sha256), hex(found));
        let what = format!(
            "`{}` is not what it must be: expected sha256 {expected}, found {found} ({size} bytes)",
            self.want.shown()
        );
        let help = "if the file was changed there on purpose, give its new digest; nothing of it was kept";
        Ok(Some(Fault::new(FaultKind::Damaged, what).help(help)))
    }
}

/// What came of a request.
enum Step {
    Ended,
    Stopped,
    Broken(Trouble),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_address_ends() {
        assert_eq!(name_of("example.org/a/genome.fa.gz?x=/y#z"), "genome.fa.gz");
        assert_eq!(name_of("example.org/a%20b%2Fc.csv"), "a b_c.csv");
        assert_eq!(name_of("example.org/100%"), "100%");
        assert_eq!(name_of("example.org/dir/"), "dir");
        assert_eq!(name_of("example.org/.part"), "_.part");
        assert_eq!(name_of("example.org/%2e%2e"), "_..");
        assert_eq!(name_of("example.org"), "file");
        assert_eq!(name_of(&format!("h/{}.fa", "é".repeat(200))).len(), 199);
    }
}
