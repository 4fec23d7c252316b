//! Glob patterns over the project's files: `* ? [a-z] **`, matched one folder at a time, so that nothing beside the
//! pattern's own folders is read.

use crate::base::pattern::UNDER_WAY;
use globset::{GlobBuilder, GlobMatcher};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The paths that match, relative as the pattern is, sorted bytewise. Names that begin with a dot match only a part
/// of the pattern that begins with one.
///
/// # Errors
/// A pattern that is none, or a folder that cannot be read.
pub fn expand(base: &Path, pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let text = std::str::from_utf8(pattern).map_err(|_| "a glob pattern must be UTF-8".to_owned())?;
    let (start, rest) = match text.strip_prefix('/') {
        Some(rest) => (PathBuf::from("/"), rest),
        None => (PathBuf::new(), text),
    };
    let parts = rest.split('/').filter(|part| !part.is_empty() && *part != ".");
    let parts: Vec<Part> = parts.map(Part::new).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    walk(base, start, &parts, &mut found)?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// As [`expand`] below a folder, files alone, and none that is still being made.
///
/// # Errors
/// As [`expand`].
pub fn files(folder: &Path, pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut found = expand(folder, pattern)?;
    let under_way = |part: &[u8]| UNDER_WAY.iter().any(|prefix| part.starts_with(prefix));
    found.retain(|path| {
        let is_dir = folder.join(OsStr::from_bytes(path)).symlink_metadata().is_ok_and(|m| m.is_dir());
        !is_dir && !path.split(|&b| b == b'/').any(under_way)
    });
    Ok(found)
}

/// Whether a pattern is one, whatever matches it.
///
/// # Errors
/// Why it is none.
pub fn check(pattern: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(pattern).map_err(|_| "a glob pattern must be UTF-8".to_owned())?;
    text.split('/').filter(|part| !part.is_empty()).try_for_each(|part| Part::new(part).map(drop))
}

enum Part {
    /// A name as it stands.
    Plain(String),
    /// Any number of folders.
    Deep,
    /// Names that match.
    Names(GlobMatcher, bool),
}

impl Part {
    fn new(part: &str) -> Result<Self, String> {
        if part == "**" {
            return Ok(Part::Deep);
        }
        if !part.contains(['*', '?', '[']) {
            return Ok(Part::Plain(part.to_owned()));
        }
        let glob = GlobBuilder::new(&plain_braces(part))
            .literal_separator(true)
            .backslash_escape(false)
            .build()
            .map_err(|e| format!("`{part}` is no pattern: {}", e.kind()))?;
        Ok(Part::Names(glob.compile_matcher(), part.starts_with('.')))
    }
}

/// Braces are ordinary in a path; only `* ? [` begin a pattern.
fn plain_braces(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    let mut in_class = false;
    for c in part.chars() {
        match c {
            '{' | '}' if !in_class => out.extend(['[', c, ']']),
            c => out.push(c),
        }
        // A `]` that comes first stands for itself.
        in_class = match c {
            '[' => true,
            ']' => in_class && out.ends_with("[]"),
            _ => in_class,
        };
    }
    out
}

fn walk(base: &Path, at: PathBuf, parts: &[Part], found: &mut Vec<Vec<u8>>) -> Result<(), String> {
    let Some((part, rest)) = parts.split_first() else {
        if base.join(&at).symlink_metadata().is_ok() {
            found.push(at.into_os_string().into_vec());
        }
        return Ok(());
    };
    match part {
        Part::Plain(name) => walk(base, at.join(name), rest, found),
        Part::Deep => {
            walk(base, at.clone(), rest, found)?;
            for (name, folder) in entries(&base.join(&at))? {
                // A link to a folder is not followed, for it may lead in a circle.
                if folder && !name.as_bytes().starts_with(b".") {
                    walk(base, at.join(name), parts, found)?;
                }
            }
            Ok(())
        }
        Part::Names(matcher, dotted) => {
            for (name, _) in entries(&base.join(&at))? {
                if (*dotted || !name.as_bytes().starts_with(b".")) && matcher.is_match(Path::new(&name)) {
                    walk(base, at.join(name), rest, found)?;
                }
            }
            Ok(())
        }
    }
}

/// The names in a folder and whether each is a folder itself; what is no folder has none.
fn entries(folder: &Path) -> Result<Vec<(OsString, bool)>, String> {
    let folder = if folder.as_os_str() == OsStr::new("") { Path::new(".") } else { folder };
    let reader = match std::fs::read_dir(folder) {
        Ok(reader) => reader,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(format!("cannot read the folder {}: {error}", folder.display())),
    };
    let mut names = Vec::new();
    for entry in reader {
        let entry = entry.map_err(|error| format!("cannot read the folder {}: {error}", folder.display()))?;
        names.push((entry.file_name(), entry.file_type().is_ok_and(|kind| kind.is_dir())));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(base: &Path, pattern: &str) -> Vec<String> {
        expand(base, pattern.as_bytes())
            .unwrap()
            .into_iter()
            .map(|p| String::from_utf8_lossy(&p).into_owned())
            .collect()
    }

    #[test]
    fn finds_what_matches_in_the_order_of_bytes() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b.fq", "a.fq", "B.fq", ".hidden.fq", "x{1}.fq", "sub/c.fq", "sub/deep/d.fq", "odd[1].txt"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        assert_eq!(names(dir.path(), "*.fq"), ["B.fq", "a.fq", "b.fq", "x{1}.fq"]);
        assert_eq!(names(dir.path(), "./[ab].fq"), ["a.fq", "b.fq"]);
        assert_eq!(names(dir.path(), "**/?.fq"), ["B.fq", "a.fq", "b.fq", "sub/c.fq", "sub/deep/d.fq"]);
        assert_eq!(names(dir.path(), "sub/*"), ["sub/c.fq", "sub/deep"]);
        assert_eq!(names(dir.path(), ".h*"), [".hidden.fq"]);
        assert_eq!(names(dir.path(), "x{1}*"), ["x{1}.fq"]);
        assert_eq!(names(dir.path(), "nowhere/*"), Vec::<String>::new());
        assert_eq!(names(dir.path(), "odd[[]1[]]*"), ["odd[1].txt"]);
        assert_eq!(expand(dir.path(), b"[a").unwrap_err(), "`[a` is no pattern: unclosed character class; missing ']'");
    }
}
