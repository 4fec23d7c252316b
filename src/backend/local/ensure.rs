//! What a task's outputs must be (`ensure`), looked at before they are put in place.

use super::explain;
use crate::event::{Cause, Failure};
use crate::lang::outputs::{Demand, hex};
use crate::sys::content::Content;
use crate::sys::fault::At;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Bytes read at once.
const BLOCK: usize = 256 * 1024;

/// Whether what stands at `source` is as demanded. `what` begins the sentence: the output's name, and how its path is
/// shown.
pub fn ensure(demand: &Demand, what: (&str, &str), source: &Path, content: &Content) -> Result<(), Failure> {
    let (name, shown) = what;
    let invalid = |found: String| Failure {
        cause: Cause::OutputInvalid,
        message: format!("the output `{name}`: {shown} {found}").into(),
        help: Some(format!("mend the command, or change `ensure` of the output `{name}`").into()),
    };
    if demand.non_empty {
        let empty = match content.dir {
            true => fs::read_dir(source).at("read", source).map_err(explain::fault)?.next().is_none(),
            false => content.size == 0,
        };
        if empty {
            return Err(invalid("is empty, and `ensure` demands that it is not".to_owned()));
        }
    }
    if let Some(demanded) = &demand.sha256 {
        let found = sha256(source).at("read", source).map_err(explain::fault)?;
        if found != *demanded {
            return Err(invalid(format!("has the SHA-256 {}, and `ensure` demands {}", hex(&found), hex(demanded))));
        }
    }
    Ok(())
}

fn sha256(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finalize().into()),
            n => hasher.update(&block[..n]),
        }
    }
}
