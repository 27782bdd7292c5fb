//! The name of a content.

use std::str::FromStr;

use hmac_sha256::Hash;
use serde::{Deserialize, Serialize};

use crate::layout;

/// One content that a target had, or its absence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(Option<[u8; 32]>);

impl Version {
    /// The state of a target that does not exist. Its text is empty.
    pub const ABSENT: Version = Version(None);

    /// The version that has this content.
    pub fn of(content: &[u8]) -> Version {
        Version(Some(Hash::hash(content)))
    }

    /// Whether this is the absence of the target.
    pub fn is_absent(self) -> bool {
        self.0.is_none()
    }

    /// The first eight hex digits, as people quote it.
    pub fn short(self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(hash) => f.write_str(&layout::hex(&hash)),
            None => f.write_str("absent"),
        }
    }
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Version({self})")
    }
}

/// What a hex digit stands for. A log is full of them.
fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

impl FromStr for Version {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Version, &'static str> {
        if text == "absent" {
            return Ok(Version::ABSENT);
        }
        let bad = "a version is 64 hex digits or `absent`";
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 64 {
            return Err(bad);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0]).ok_or(bad)? << 4 | digit(pair[1]).ok_or(bad)?;
        }
        Ok(Version(Some(hash)))
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Version, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
