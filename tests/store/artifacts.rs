//! The artifact store: files and folders that come back, and damage that is found.

use crate::process::{Child, assert_passed, given_folder};
use flowrun::base::Digest;
use flowrun::store::artifacts::{Artifacts, Condition};
use flowrun::sys::digest_path;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn object(store: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    store.join(&name[..2]).join(&name[2..])
}

fn left_beside(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".flowrun")).collect()
}

/// The kept bytes must not change, whatever is done to the path they came from.
fn files_story(store: Artifacts, folder: &Path, kept: &Path) {
    let path = folder.join("out/result.txt");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "first").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let content = digest_path(&path).unwrap();
    assert_eq!(store.check(&content.digest).unwrap(), Condition::Missing);
    assert_eq!(store.restore(&content.digest, &path, true).unwrap(), Condition::Missing);
    assert!(store.put(&path, &content.digest, false).unwrap());
    assert!(store.put(&path, &content.digest, false).unwrap());
    assert_eq!(store.check(&content.digest).unwrap(), Condition::Whole);
    let kept_meta = object(kept, &content.digest).metadata().unwrap();
    assert_eq!((kept_meta.nlink(), kept_meta.mode() & 0o777), (1, 0o444));

    std::fs::write(&path, "overwritten").unwrap();
    assert_eq!(store.restore(&content.digest, &path, true).unwrap(), Condition::Whole);
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    assert_eq!(path.metadata().unwrap().mode() & 0o700, 0o700);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    assert_eq!(store.restore(&content.digest, &path, true).unwrap(), Condition::Whole);
    assert_eq!(digest_path(&path).unwrap().digest, content.digest);
    assert_eq!(left_beside(&path), Vec::<String>::new());
}

#[test]
fn a_file_comes_back_from_a_folder_that_was_named() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    files_story(Artifacts::named(&kept), dir.path(), &kept);
}

/// By default bytes enter by reflink only. Where there is none, nothing is made and nothing is said.
#[test]
fn without_reflinks_the_default_folder_is_not_made() {
    // A reflink never goes from one file system to another.
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let kept = dir.path().join("artifacts");
    let store = Artifacts::by_reflink(&kept);
    let path = other.path().join("probe");
    std::fs::write(&path, "probe").unwrap();
    let digest = Digest::of(b"probe");
    for _ in 0..2 {
        assert!(!store.put(&path, &digest, false).unwrap());
    }
    assert!(!kept.exists());
    assert_eq!(store.check(&digest).unwrap(), Condition::Missing);
    assert_eq!(store.restore(&digest, &path, false).unwrap(), Condition::Missing);
    assert_eq!(left_beside(&path), Vec::<String>::new());
}

mod needs_reflink {
    use super::*;

    #[test]
    #[ignore = "needs reflink"]
    fn a_file_comes_back_from_the_default_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("btrfs");
        std::fs::create_dir(&folder).unwrap();
        let child = Child::of("artifacts::child_on_btrfs", &folder);
        let output = child.output_on_btrfs(&dir.path().join("image"));
        assert_passed(&output);
    }
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn child_on_btrfs() {
    let Some(folder) = given_folder() else { return };
    let kept = folder.join("artifacts");
    files_story(Artifacts::by_reflink(&kept), &folder, &kept);
}

#[test]
fn a_folder_comes_back_with_its_links_empty_folders_and_exec_bits() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("index");
    std::fs::create_dir_all(root.join("a/empty")).unwrap();
    std::fs::write(root.join("a/tool"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(root.join("a/tool"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(root.join("same"), "#!/bin/sh\n").unwrap();
    symlink("a/tool", root.join("link")).unwrap();
    let content = digest_path(&root).unwrap();
    let kept = dir.path().join("kept");
    let store = Artifacts::named(&kept);
    assert!(store.put(&root, &content.digest, true).unwrap());

    std::fs::write(root.join("same"), "changed").unwrap();
    std::fs::write(root.join("more"), "more").unwrap();
    assert_eq!(store.restore(&content.digest, &root, false).unwrap(), Condition::Whole);
    assert_eq!(digest_path(&root).unwrap().digest, content.digest);
    assert!(!root.join("more").exists());
    // A file in its place was made by somebody else.
    std::fs::remove_dir_all(&root).unwrap();
    std::fs::write(&root, "a file").unwrap();
    let refused = store.restore(&content.digest, &root, false).unwrap_err();
    assert_eq!(refused.to_string(), format!("`{}` is a file, not a folder", root.display()));
    assert_eq!(std::fs::read(&root).unwrap(), b"a file");
    std::fs::remove_file(&root).unwrap();
    assert_eq!(store.restore(&content.digest, &root, false).unwrap(), Condition::Whole);
    assert_eq!(digest_path(&root).unwrap().digest, content.digest);

    // One file of it is gone from the store: nothing half-made takes the place of what is there.
    std::fs::remove_file(object(&kept, &Digest::of(b"#!/bin/sh\n"))).unwrap();
    std::fs::write(root.join("same"), "changed").unwrap();
    assert_eq!(store.restore(&content.digest, &root, false).unwrap(), Condition::Missing);
    assert_eq!(std::fs::read(root.join("same")).unwrap(), b"changed");
    assert_eq!(left_beside(&root), Vec::<String>::new());
}

#[test]
fn a_damaged_object_is_set_aside_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let (kept, path) = (dir.path().join("kept"), dir.path().join("out"));
    let store = Artifacts::named(&kept);
    std::fs::write(&path, "whole").unwrap();
    let digest = Digest::of(b"whole");
    store.put(&path, &digest, false).unwrap();
    let kept_object = object(&kept, &digest);
    std::fs::remove_file(&kept_object).unwrap();
    std::fs::write(&kept_object, "hole").unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(store.check(&digest).unwrap(), Condition::Damaged);
    assert_eq!(store.restore(&digest, &path, false).unwrap(), Condition::Damaged);
    assert!(!path.exists());
    assert_eq!(store.check(&digest).unwrap(), Condition::Missing);
    assert_eq!(std::fs::read(kept.join("damaged").join(digest.to_string())).unwrap(), b"hole");
    std::fs::write(&path, "whole").unwrap();
    assert!(store.put(&path, &digest, false).unwrap());
    assert_eq!(store.restore(&digest, &path, false).unwrap(), Condition::Whole);
}

#[test]
fn a_folder_that_changed_since_it_was_digested_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("out");
    std::fs::create_dir(&root).unwrap();
    let content = digest_path(&root).unwrap();
    std::fs::write(root.join("late"), "").unwrap();
    let store = Artifacts::named(dir.path().join("kept"));
    assert!(!store.put(&root, &content.digest, true).unwrap());
    assert_eq!(store.check(&content.digest).unwrap(), Condition::Missing);
}
