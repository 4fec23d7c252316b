//! What a task says of a file output beside its path.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// `keep`: how long the bytes of a file or directory stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// For good.
    #[default]
    Always,
    /// Until all that reads it is done.
    UntilConsumed,
}

impl Keep {
    /// The words of the language, in the order of the variants.
    pub const WORDS: [&str; 2] = ["always", "until_consumed"];

    /// What a word means.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "always" => Some(Keep::Always),
            "until_consumed" => Some(Keep::UntilConsumed),
            _ => None,
        }
    }
}

/// Whether an output may be missing, and what must be true of it when it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// `optional`: it is null, or of a pattern an empty list, when the command did not make it.
    pub optional: bool,
    /// `ensure.non_empty`: of a file one byte at least, of a directory one entry; of a pattern every file.
    pub non_empty: bool,
    /// `ensure.sha256`
    pub sha256: Option<[u8; 32]>,
}

impl Demand {
    /// Whether it demands nothing and allows nothing.
    pub fn is_plain(&self) -> bool {
        *self == Demand::default()
    }
    /// What `ensure` says, as the cache's key has it; `None`: nothing.
    pub fn ensured(&self) -> Option<String> {
        let sha256 = self.sha256.map(|digest| format!("sha256 {}", hex(&digest)));
        let parts: Vec<String> = self.non_empty.then(|| "non_empty".to_owned()).into_iter().chain(sha256).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The 32 bytes that 64 hexadecimal digits say; `None`: it is something else.
pub fn sha256(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}
