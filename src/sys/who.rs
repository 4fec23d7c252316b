//! Who runs this process, and where: names for people, never for a decision.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The user's name: as the environment says, else as `/etc/passwd` does, else the number.
pub fn user() -> String {
    let named = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(|| {
        let id = rustix::process::geteuid().as_raw();
        let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        in_table(&table, id).map_or_else(|| id.to_string(), str::to_owned)
    })
}

/// The user to whom a file belongs; empty when that cannot be told.
pub fn owner(path: &Path) -> String {
    let Ok(meta) = path.metadata() else { return String::new() };
    let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    in_table(&table, meta.uid()).map_or_else(|| meta.uid().to_string(), str::to_owned)
}

fn in_table(table: &str, id: u32) -> Option<&str> {
    let id = id.to_string();
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then_some(name)
    })
}

/// The host's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_name() {
        let table = "root:x:0:0:root:/root:/bin/sh\n# ann\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!([in_table(table, 0), in_table(table, 1000), in_table(table, 7)], [Some("root"), Some("ann"), None]);
    }
}
