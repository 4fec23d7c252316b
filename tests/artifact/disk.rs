//! The real file system as a world: time passes by setting the times of files back.

use super::gate::World;
use flowrun::sys::files::{Disk, Files};
use std::fs::{FileTimes, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl World for Disk {
    const AGES_AT_ANY_TIME: bool = false;

    fn time(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
    }

    fn age(&self, store: &Path, ms: u64) -> u64 {
        for folder in self.names(store).unwrap_or_default() {
            for name in self.names(&store.join(&folder)).unwrap_or_default() {
                let file = std::fs::File::open(store.join(&folder).join(&name)).unwrap();
                let changed = file.metadata().unwrap().modified().unwrap();
                file.set_times(FileTimes::new().set_modified(changed - Duration::from_millis(ms))).unwrap();
            }
        }
        ms
    }

    fn spoil(&self, path: &Path) {
        let mode = path.metadata().unwrap().permissions();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(b"~", 0).unwrap();
        std::fs::set_permissions(path, mode).unwrap();
    }

    fn power_cut(&self) {}
}
