//! What goes into a commit and what comes out.

use std::path::PathBuf;

use super::Swallowed;
use crate::history::{Record, Version};

/// A target's content as one reader saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub(super) content: Vec<u8>,
    pub(super) version: Version,
}

impl Snapshot {
    /// The content; empty if the target does not exist.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The version: the base of a text that is made from this content.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The content, by value.
    pub fn into_content(self) -> Vec<u8> {
        self.content
    }
}

/// What a text was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Base {
    /// What the author has last seen of the target, if that is known.
    #[default]
    Seen,
    /// This version, which must be in the history.
    Version(Version),
    /// This text.
    Text(Vec<u8>),
}

/// What to do with a text whose base is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WithoutBase {
    /// It replaces the target, as a bare write would; which lines a stale
    /// author would have swallowed is told.
    #[default]
    Replace,
    /// Its base is inferred from the history, and it is merged.
    Merge,
    /// It is refused with [`Error::NoBase`](crate::Error::NoBase).
    Refuse,
}

/// How a text is to be committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitOptions {
    /// What it was made from.
    pub base: Base,
    /// What to do if that is not known.
    pub without_base: WithoutBase,
}

impl From<&Snapshot> for CommitOptions {
    fn from(base: &Snapshot) -> CommitOptions {
        CommitOptions { base: Base::Version(base.version), ..CommitOptions::default() }
    }
}

/// An acknowledged commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a conflict is an outcome, not an error"]
pub struct Commit {
    /// What the target holds now.
    pub version: Version,
    /// How it came out.
    pub outcome: Outcome,
    /// Lines of siblings that a text without a base replaced.
    pub swallowed: Option<Swallowed>,
    /// The target had been removed since the base was read; this says by whom,
    /// as far as it is known.
    pub removed_meanwhile: Option<Box<Record>>,
}

impl Commit {
    /// The target held this already.
    pub(super) fn unchanged(version: Version) -> Commit {
        let outcome = Outcome::Unchanged;
        Commit { version, outcome, swallowed: None, removed_meanwhile: None }
    }
}

/// How a commit came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The target held the result already; nothing was written.
    Unchanged,
    /// The text is in place as it was given.
    Written,
    /// The text is in place, merged with what others wrote since its base.
    Merged,
    /// The target holds everything that merged, and what others wrote where it
    /// did not. The whole text is in the conflict copy.
    Conflict {
        /// The conflict copy.
        copy: PathBuf,
        /// How many places could not be merged.
        regions: usize,
    },
}
