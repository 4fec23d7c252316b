//! Log segments: two append-only files a slot, `logs/N.out` and `logs/N.err`; an attempt is a range in them.

use crate::event::LogRange;
use crate::sys::fault::{At, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder of segments and the next free number.
pub struct Logs {
    folder: PathBuf,
    next: AtomicU32,
}

impl Logs {
    /// Goes on after the highest number there is: an earlier process of this run may have left writers behind, and on
    /// a cluster others are at work.
    pub fn open(folder: PathBuf) -> Result<Self> {
        let number = |name: &Path| name.file_stem()?.to_str()?.parse::<u32>().ok();
        let entries = std::fs::read_dir(&folder).at("list", &folder)?;
        let last = entries.flatten().filter_map(|e| number(Path::new(&e.file_name()))).max();
        Ok(Self { folder, next: AtomicU32::new(last.map_or(0, |n| n + 1)) })
    }
    /// A new pair.
    pub fn segment(&self) -> Result<Segment> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let path = |ending: &str| self.folder.join(format!("{number}.{ending}"));
            let (out, err) = (path("out"), path("err"));
            let open = |path: &Path| File::options().read(true).append(true).create_new(true).open(path);
            match open(&out) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                file => {
                    let (out, err) = (file.at("write", &out)?, open(&err).at("write", &err)?);
                    return Ok(Segment { number, out, err, out_end: 0, err_end: 0 });
                }
            }
        }
    }
}

/// A pair of files that one slot writes to.
pub struct Segment {
    number: u32,
    /// Standard output.
    pub out: File,
    /// Standard error.
    pub err: File,
    out_end: u64,
    err_end: u64,
}

impl Segment {
    /// Where the next attempt's part begins; its lengths are 0.
    pub fn begin(&self) -> LogRange {
        LogRange { segment: self.number, out: (self.out_end, 0), err: (self.err_end, 0) }
    }
    /// What was written since the last call.
    pub fn take_range(&mut self) -> LogRange {
        let range = |file: &File, end: &mut u64| {
            let begin = *end;
            *end = file.metadata().map_or(begin, |m| m.len()).max(begin);
            (begin, *end - begin)
        };
        LogRange {
            segment: self.number,
            out: range(&self.out, &mut self.out_end),
            err: range(&self.err, &mut self.err_end),
        }
    }
    /// All of a range of standard output.
    pub fn read_out(&self, (begin, length): (u64, u64)) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.out.read_exact_at(&mut bytes, begin)?;
        Ok(bytes)
    }
    /// The last bytes of a range of standard error, at most `most`.
    pub fn tail_of_err(&self, (begin, length): (u64, u64), most: u64) -> Vec<u8> {
        let take = length.min(most);
        let mut bytes = vec![0; take as usize];
        if self.err.read_exact_at(&mut bytes, begin + length - take).is_err() {
            bytes.clear();
        }
        bytes
    }
}
