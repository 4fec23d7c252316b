//! Paths on the wire: their bytes, for a path need not be UTF-8.

use super::Stat;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

pub fn serialize<S: Serializer>(path: &Path, s: S) -> Result<S::Ok, S::Error> {
    path.as_os_str().as_bytes().serialize(s)
}

pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<PathBuf, D::Error> {
    Vec::deserialize(d).map(path)
}

pub mod option {
    use super::*;

    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, s: S) -> Result<S::Ok, S::Error> {
        path.as_ref().map(|p| p.as_os_str().as_bytes()).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Vec<u8>>::deserialize(d)?.map(path))
    }
}

pub mod stats {
    use super::*;

    pub fn serialize<S: Serializer>(list: &[(PathBuf, Stat)], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(list.iter().map(|(path, stat)| (path.as_os_str().as_bytes(), stat)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<(PathBuf, Stat)>, D::Error> {
        let list: Vec<(Vec<u8>, Stat)> = Vec::deserialize(d)?;
        Ok(list.into_iter().map(|(bytes, stat)| (path(bytes), stat)).collect())
    }
}
