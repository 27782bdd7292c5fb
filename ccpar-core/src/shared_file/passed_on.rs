//! Texts that were made elsewhere than from a read of the target: passed on from a
//! copy of it.
//!
//! What their author has seen of the target does not move: it knows the copy.

use super::{Base, Commit, SharedFile};
use crate::error::Result;
use crate::history::{How, Record, Version};
use crate::merge::{Merge, Rules};

/// What three texts come to, with theirs where they do not merge, and in how many
/// places they do not. Bytes that are no text are one place.
pub(crate) fn merged(rules: Rules, base: &[u8], ours: &[u8], theirs: &[u8]) -> (Vec<u8>, usize) {
    if ![base, ours, theirs].iter().any(|text| text.contains(&0)) {
        let merge = Merge::with_rules(rules, base, ours, theirs);
        return (merge.keep_theirs(), merge.conflicts().count());
    }
    let ours_alone = theirs == base;
    let conflict = !ours_alone && ours != base && ours != theirs;
    (if ours_alone { ours } else { theirs }.to_vec(), usize::from(conflict))
}

impl SharedFile<'_> {
    /// Merges in what became of `base`, elsewhere.
    pub(crate) fn merge_in(&self, base: &Base, ours: &[u8]) -> Result<Commit> {
        let mut held = self.enter_to_write()?;
        let base = self.base(&held, base)?;
        let (base, text) = base.unwrap_or((Version::ABSENT, Vec::new()));
        self.commit_from(&mut held, base, &text, ours)
    }

    /// Whether a text, or a removal, that was passed on has arrived since the version
    /// of this number, whatever became of it then.
    pub(crate) fn has_taken_in(&self, version: Version, after: u64) -> Result<bool> {
        // An intent that never took effect is settled first.
        let held = self.enter(self.harness.wait())?;
        let arrived = |record: &Record| {
            let passed_on = match record.how {
                How::Write | How::Merge | How::Conflict => !version.is_absent(),
                How::Remove => version.is_absent(),
                _ => false,
            };
            record.n > after && passed_on && record.texts().any(|text| text == version)
        };
        Ok(held.history.records()?.effective().any(arrived))
    }

    /// Removes the target if it still is at this version. Else it stays, and the version
    /// that it is at is given.
    pub fn remove_if(&self, base: Version) -> Result<Option<Version>> {
        let mut held = self.enter_to_write()?;
        if held.now != base && !held.now.is_absent() {
            return Ok(Some(held.now));
        }
        let _ = self.remove_held(&mut held)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_meanwhile_is_not_removed() {
        let home = tempfile::tempdir().unwrap();
        let root = camino::Utf8Path::from_path(home.path()).unwrap().join("root");
        let harness = crate::Harness::open(root).unwrap();
        let file = harness.file(home.path().join("n.md"));
        let seen = file.append(b"a\n").unwrap().version;
        let now = file.append(b"b\n").unwrap().version;
        assert_eq!(file.remove_if(seen).unwrap(), Some(now));
        assert_eq!(file.look_only().unwrap().version(), now);
        for _ in 0..2 {
            assert_eq!(file.remove_if(now).unwrap(), None);
            assert!(file.look_only().unwrap().version().is_absent());
        }
        assert!(!file.has_taken_in(seen, 1).unwrap());
        assert!(file.has_taken_in(Version::ABSENT, 2).unwrap());
        assert!(!file.has_taken_in(Version::ABSENT, 3).unwrap());
    }

    #[test]
    fn bytes_are_never_mixed() {
        let merge = |base: &[u8], ours: &[u8], theirs: &[u8]| {
            let (text, conflicts) = merged(Rules::Lines, base, ours, theirs);
            (text, conflicts)
        };
        let (b, x, y) = (&b"\0\na\nb\nc\n"[..], &b"\0\nx\nb\nc\n"[..], &b"\0\na\nb\ny\n"[..]);
        assert_eq!(merge(b, x, b), (x.to_vec(), 0));
        assert_eq!(merge(b, b, y), (y.to_vec(), 0));
        assert_eq!(merge(b, y, y), (y.to_vec(), 0));
        assert_eq!(merge(b, x, y), (y.to_vec(), 1));
    }
}
