//! What kind of file system a path lies on. Locks and memory maps that several hosts share are not to be relied on where
//! the files of one are the files of all.

use rustix::fs::statfs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Network and cluster file systems, by the number that `statfs` gives: `linux/magic.h`, and the file systems' own
/// sources for those that are not in the kernel.
const NETWORK: &[(u32, &str)] = &[
    (0x0000_6969, "nfs"),
    (0x0000_517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb"),
    (0x0000_564c, "ncpfs"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x0102_1997, "9p"),
    (0xaad7_aaea, "panfs"),
    (0x2003_0528, "orangefs"),
    (0x7461_636f, "ocfs2"),
    (0x0116_1970, "gfs2"),
    (0x6163_6673, "acfs"),
    (0xbeef_dead, "snfs"),
    (0x0131_11a8, "ibrix"),
    (0xbacb_acbc, "vmhgfs"),
    (0x786f_4256, "vboxsf"),
    (0x7c7c_6673, "prl_fs"),
];

/// Programs' file systems: what they are stands in the table of mounts.
const FUSE: u32 = 0x6573_5546;

/// Those of them that lie on this machine's disks. Any other may be on a server.
const LOCAL_FUSE: &[&str] = &[
    "fuseblk",
    "fuse.ntfs-3g",
    "fuse.ntfs",
    "fuse.exfat",
    "fuse.fuse-overlayfs",
    "fuse.mergerfs",
    "fuse.gocryptfs",
    "fuse.encfs",
    "fuse.cryfs",
    "fuse.securefs",
    "fuse.veracrypt",
    "fuse.squashfuse",
    "fuse.archivemount",
    "fuse.portal",
];

/// The name of the network file system on which a path lies, or would lie; `None`: it is this machine's own.
pub fn network(path: &Path) -> Option<String> {
    let there = std::path::absolute(path).ok()?;
    let there = there.ancestors().find(|at| at.exists())?;
    // The number is 32 bits wide in every file system, the field is not, and may have grown a sign.
    let magic = statfs(there).ok()?.f_type as u32;
    if magic != FUSE {
        return NETWORK.iter().find(|(number, _)| *number == magic).map(|(_, name)| (*name).to_owned());
    }
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let kind = kind_of(&table, there.metadata().ok()?.dev()).unwrap_or("fuse");
    (!LOCAL_FUSE.contains(&kind)).then(|| kind.to_owned())
}

/// The kind of the file system on which a path lies, or would lie, as the table of mounts says it: `ext4`.
pub fn kind(path: &Path) -> Option<String> {
    let there = std::path::absolute(path).ok()?;
    let there = there.ancestors().find(|at| at.exists())?.canonicalize().ok()?;
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    if let Some(kind) = kind_of(&table, there.metadata().ok()?.dev()) {
        return Some(kind.to_owned());
    }
    // Subvolumes have device numbers that the table does not know.
    let mounts = table.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?;
        there.starts_with(point).then(|| (point.len(), kind.split(' ').next().unwrap_or_default()))
    });
    mounts.max().map(|(_, kind)| kind.to_owned())
}

/// What is free on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that this user may still write.
    pub bytes: u64,
    /// Of so many.
    pub of: u64,
    /// Files that may still be made; `None`: the file system has no such limit.
    pub files: Option<u64>,
}

/// What is free where a folder lies.
pub fn room(folder: &Path) -> std::io::Result<Room> {
    let room = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    let files = (room.f_files > 0).then_some(room.f_favail);
    Ok(Room { bytes: bytes(room.f_bavail), of: bytes(room.f_blocks), files })
}

/// Whether files in a folder can share their bytes until one of them is written to; tried with two small ones.
pub fn shares_bytes(folder: &Path) -> std::io::Result<bool> {
    let (from, to) = (folder.join("shared"), folder.join("sharer"));
    std::fs::write(&from, [7; 4096])?;
    let shared = rustix::fs::ioctl_ficlone(std::fs::File::create(&to)?, std::fs::File::open(&from)?).is_ok();
    std::fs::remove_file(&from)?;
    std::fs::remove_file(&to)?;
    Ok(shared)
}

/// The kind of the file system with this device number, from the table of mounts.
fn kind_of(table: &str, device: u64) -> Option<&str> {
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    table.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        (place.split(' ').nth(2)? == device).then(|| kind.split(' ').next())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_mounts_names_what_a_program_serves() {
        let table = "24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                     63 43 0:39 / /mnt/a\\040- rw,nosuid - fuse.sshfs ann@host:/data rw,user_id=0\n";
        assert_eq!(kind_of(table, rustix::fs::makedev(0, 39)), Some("fuse.sshfs"));
        assert_eq!(kind_of(table, rustix::fs::makedev(254, 0)), Some("ext4"));
        assert_eq!(kind_of(table, rustix::fs::makedev(0, 7)), None);
    }

    #[test]
    fn what_this_machine_has_by_itself_is_no_network() {
        assert_eq!((network(Path::new("/proc/self/no/such")), network(Path::new("/dev/shm"))), (None, None));
    }
}
