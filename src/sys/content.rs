//! What a file or a folder holds, as one digest. The only definition: backends, the driver's memory of digests and the
//! artifact store all use it.
//!
//! A file's digest is BLAKE3 over its bytes. A folder's is BLAKE3, in a domain of its own, over its [`Tree`]: every entry
//! below it, sorted bytewise by relative path, with its kind, its exec bit and the digest of its bytes; a symbolic link
//! counts by its target. Times, owners and the other permission bits do not count.

use super::fault::{At, Fault, FaultKind, Result};
use crate::base::Digest;
use crate::base::digest::Stat;
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes read at once; BLAKE3 is at its best from 128 KiB on.
const BLOCK: usize = 256 * 1024;

/// Separates the digests of folders from those of files with the same bytes.
const TREE_DOMAIN: &str = "flowrun 2026-11 folder v1";

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Of the bytes, or of the tree.
    pub digest: Digest,
    /// Bytes of the file, or of all files of the folder.
    pub size: u64,
    /// Whether it is a folder.
    pub dir: bool,
    /// The stat before the bytes were read; of a folder its own, which says nothing of what is inside.
    pub stat: Stat,
}

/// Reads a file or a folder; symbolic links at the path itself are followed.
pub fn digest_path(path: &Path) -> Result<Content> {
    digest_path_with(path, &mut read)
}

/// Gives the digest of a regular file, whose stat was just taken, and the stat that its bytes had.
pub type OfFile<'a> = &'a mut dyn FnMut(&Path, Stat) -> Result<(Digest, Stat)>;

/// Reads every file.
pub fn read(path: &Path, _: Stat) -> Result<(Digest, Stat)> {
    digest_file(path)
}

/// Like [`digest_path`], asking `file` for the digest of every regular file.
pub fn digest_path_with(path: &Path, file: OfFile<'_>) -> Result<Content> {
    let meta = std::fs::metadata(path).at("look at", path)?;
    if meta.is_dir() {
        let tree = Tree::scan(path, file)?;
        Ok(Content { digest: tree.digest(), size: tree.size(), dir: true, stat: stat_of(&meta) })
    } else {
        let (digest, stat) = file(path, stat_of(&meta))?;
        Ok(Content { digest, size: stat.size, dir: false, stat })
    }
}

/// The digest of a regular file's bytes, and its stat; the file did not change while it was read.
pub fn digest_file(path: &Path) -> Result<(Digest, Stat)> {
    // A pipe must not block us before we see that it is one.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    for _ in 0..3 {
        let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).at("read", path)?;
        let meta = file.metadata().at("look at", path)?;
        if !meta.is_file() {
            let what = if meta.is_dir() { "a folder" } else { "neither a file nor a folder" };
            return Err(Fault::new(FaultKind::Other, format!("cannot read `{}`: it is {what}", path.display())));
        }
        let stat = stat_of(&meta);
        let digest = digest_open(&file, stat.size).at("read", path)?;
        if stat_of(&file.metadata().at("look at", path)?) == stat {
            return Ok((digest, stat));
        }
    }
    Err(Fault::new(FaultKind::Busy, format!("cannot read `{}`: it is being written", path.display()))
        .help("wait until nothing writes to it, then give the same command again"))
}

fn digest_open(mut file: &File, size: u64) -> std::io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    // One byte more than the size, so that the end of a small file is seen by the first read.
    let mut block = vec![0; usize::try_from(size).map_or(BLOCK, |size| size.saturating_add(1).min(BLOCK))];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(Digest(*hasher.finalize().as_bytes())),
            Ok(n) => {
                hasher.update(&block[..n]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The stat of a file, following symbolic links.
pub fn stat_path(path: &Path) -> Result<Stat> {
    Ok(stat_of(&std::fs::metadata(path).at("look at", path)?))
}

/// The part of a stat that identifies content.
pub fn stat_of(meta: &Metadata) -> Stat {
    let nanos = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Stat {
        size: meta.len(),
        mtime: nanos(meta.mtime(), meta.mtime_nsec()),
        ctime: nanos(meta.ctime(), meta.ctime_nsec()),
        inode: meta.ino(),
    }
}

/// Whether the owner may execute it.
pub fn is_executable(meta: &Metadata) -> bool {
    meta.mode() & 0o100 != 0
}

/// Everything below a folder, in bytewise order of the relative paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Path relative to the folder, and what stands there.
    pub entries: Vec<(PathBuf, Leaf)>,
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// A folder.
    Dir,
    /// A regular file.
    File {
        /// Of its bytes.
        digest: Digest,
        /// Bytes.
        size: u64,
        /// The owner's exec bit.
        exec: bool,
    },
    /// A symbolic link.
    Link {
        /// As it is written in the link.
        target: PathBuf,
    },
}

const TREE_HEAD: &[u8] = b"flowrun tree 1\n";

impl Tree {
    /// Walks a folder, asking `file` for the digest of every regular file.
    pub fn scan(root: &Path, file: OfFile<'_>) -> Result<Self> {
        let mut tree = Tree::default();
        tree.walk(root, Path::new(""), file)?;
        tree.entries.sort_by(|a, b| a.0.as_os_str().as_bytes().cmp(b.0.as_os_str().as_bytes()));
        Ok(tree)
    }

    fn walk(&mut self, root: &Path, below: &Path, file: OfFile<'_>) -> Result<()> {
        let folder = root.join(below);
        for entry in std::fs::read_dir(&folder).at("list", &folder)? {
            let entry = entry.at("list", &folder)?;
            let (path, relative) = (entry.path(), below.join(entry.file_name()));
            let kind = entry.file_type().at("look at", &path)?;
            let leaf = if kind.is_dir() {
                self.walk(root, &relative, file)?;
                Leaf::Dir
            } else if kind.is_symlink() {
                Leaf::Link { target: std::fs::read_link(&path).at("read", &path)? }
            } else {
                let meta = entry.metadata().at("look at", &path)?;
                let (digest, stat) = file(&path, stat_of(&meta))?;
                let exec = is_executable(&meta);
                Leaf::File { digest, size: stat.size, exec }
            };
            self.entries.push((relative, leaf));
        }
        Ok(())
    }

    /// The folder's digest.
    pub fn digest(&self) -> Digest {
        Self::digest_of(&self.encode())
    }

    /// The digest of an encoded tree.
    pub fn digest_of(encoded: &[u8]) -> Digest {
        Digest(*Self::hasher().update(encoded).finalize().as_bytes())
    }

    /// What makes the digest of an encoded tree.
    pub fn hasher() -> blake3::Hasher {
        blake3::Hasher::new_derive_key(TREE_DOMAIN)
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(|(_, leaf)| if let Leaf::File { size, .. } = leaf { *size } else { 0 }).sum()
    }

    /// The canonical text: a line an entry, with lengths before names so that any name is safe.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = TREE_HEAD.to_vec();
        let name = |out: &mut Vec<u8>, text: &OsStr| {
            out.extend_from_slice(format!(" {}:", text.len()).as_bytes());
            out.extend_from_slice(text.as_bytes());
        };
        for (path, leaf) in &self.entries {
            out.push(match leaf {
                Leaf::Dir => b'd',
                Leaf::File { exec: false, .. } => b'f',
                Leaf::File { exec: true, .. } => b'x',
                Leaf::Link { .. } => b'l',
            });
            name(&mut out, path.as_os_str());
            match leaf {
                Leaf::Dir => {}
                Leaf::File { digest, size, .. } => out.extend_from_slice(format!(" {digest} {size}").as_bytes()),
                Leaf::Link { target } => name(&mut out, target.as_os_str()),
            }
            out.push(b'\n');
        }
        out
    }

    /// The tree of a canonical text; `None` if it is not one, or names a path outside of its folder.
    pub fn decode(text: &[u8]) -> Option<Self> {
        let mut rest = text.strip_prefix(TREE_HEAD)?;
        let mut tree = Tree::default();
        while let Some((&kind, tail)) = rest.split_first() {
            rest = tail;
            let path = take_name(&mut rest)?;
            let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !inside || path.as_os_str().is_empty() {
                return None;
            }
            let leaf = match kind {
                b'd' => Leaf::Dir,
                b'l' => Leaf::Link { target: take_name(&mut rest)? },
                b'f' | b'x' => {
                    let digest = std::str::from_utf8(rest.strip_prefix(b" ")?.get(..64)?).ok()?.parse().ok()?;
                    rest = rest[65..].strip_prefix(b" ")?;
                    Leaf::File { digest, size: take_number(&mut rest)?, exec: kind == b'x' }
                }
                _ => return None,
            };
            rest = rest.strip_prefix(b"\n")?;
            tree.entries.push((path, leaf));
        }
        Some(tree)
    }
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, tail) = rest.split_at(end);
    *rest = tail;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn take_name(rest: &mut &[u8]) -> Option<PathBuf> {
    *rest = rest.strip_prefix(b" ")?;
    let length = usize::try_from(take_number(rest)?).ok()?;
    *rest = rest.strip_prefix(b":")?;
    let (name, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(std::ffi::OsString::from_vec(name.to_vec()).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_folder_is_its_names_kinds_exec_bits_and_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("out");
        std::fs::create_dir_all(root.join("b/empty")).unwrap();
        std::fs::write(root.join("b/x"), "one").unwrap();
        std::fs::write(root.join("a b\nc"), "two").unwrap();
        symlink("../gone", root.join("link")).unwrap();
        let whole = digest_path(&root).unwrap();
        let text = Tree::scan(&root, &mut read).unwrap().encode();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            format!(
                "flowrun tree 1\nf 5:a b\nc {} 3\nd 1:b\nd 7:b/empty\nf 3:b/x {} 3\nl 4:link 7:../gone\n",
                Digest::of(b"two"),
                Digest::of(b"one")
            )
        );
        assert_eq!((whole.size, whole.dir), (6, true));

        std::fs::set_permissions(root.join("b/x"), PermissionsExt::from_mode(0o755)).unwrap();
        let executable = digest_path(&root).unwrap();
        assert_ne!(executable.digest, whole.digest);
        std::fs::set_permissions(root.join("b/x"), PermissionsExt::from_mode(0o640)).unwrap();
        assert_eq!(digest_path(&root).unwrap().digest, whole.digest);
        std::fs::remove_dir(root.join("b/empty")).unwrap();
        assert_ne!(digest_path(&root).unwrap().digest, whole.digest);
    }

    #[test]
    fn a_file_with_the_bytes_of_a_tree_is_not_that_folder() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tree");
        std::fs::write(&file, Tree::default().encode()).unwrap();
        assert_ne!(digest_path(&file).unwrap().digest, Tree::default().digest());
    }

    #[test]
    fn what_cannot_be_read_is_said_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let error = digest_path(&pipe).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot read `{}`: it is neither a file nor a folder", pipe.display()));
        let gone = dir.path().join("gone");
        let error = digest_path(&gone).unwrap_err();
        assert_eq!(error.kind, FaultKind::Missing);
        assert_eq!(error.to_string(), format!("cannot look at `{}`: no such file or directory", gone.display()));
    }

    #[test]
    fn a_tree_that_leaves_its_folder_is_refused() {
        for text in ["d 2:..\n", "d 4:/etc\n", "d 0:\n", "d 5:a/../\n", "d 99:a\n", "q 1:a\n", "f 1:a 00 3\n"] {
            assert_eq!(Tree::decode(&[TREE_HEAD, text.as_bytes()].concat()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_tree_comes_back_from_its_text(
            names in proptest::collection::vec(("[a-z\n :0-9\u{e9}]{1,8}", 0u8..4, any::<u64>()), 0..6)
        ) {
            let entries = names
                .into_iter()
                .map(|(name, kind, size)| {
                    let leaf = match kind {
                        0 => Leaf::Dir,
                        1 => Leaf::Link { target: name.clone().into() },
                        _ => Leaf::File { digest: Digest::of(name.as_bytes()), size, exec: kind == 2 },
                    };
                    (name.into(), leaf)
                })
                .collect();
            let tree = Tree { entries };
            prop_assert_eq!(Tree::decode(&tree.encode()), Some(tree));
        }
    }
}
