//! The end of a namespace: gone from the folder, kept in the history.

use std::fs;
use std::path::{Path, PathBuf};

use super::Namespace;
use super::folder::{MARKER, has_marker, is_namespace, is_none_of_it};
use super::pass::text_of;
use super::record::{Record, gone};
use super::start::staged;
use crate::error::{Context as _, Result};
use crate::harness::Harness;
use crate::layout;

/// How a discard came out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discarded {
    /// How many files are gone.
    pub files: usize,
    /// How many of those the shared folder does not have as they were: each is in
    /// its history.
    pub kept: usize,
    /// What is no note, and lies there still.
    pub left: Vec<PathBuf>,
}

impl Namespace {
    /// Removes the folder. What the shared folder has as it is, is gone; any other
    /// file is in its own history, and can be restored.
    ///
    /// Nothing is passed on. Again, or after a crash, it goes on.
    pub fn discard(&self, harness: &Harness) -> Result<Discarded> {
        let _lock = self.lock(harness)?;
        let dir = layout::namespace_dir(harness.root(), self.shared(), self.branch());
        let mut discarded = Discarded::default();
        let Some(mut record) = Record::load(&dir)? else { return Ok(discarded) };
        // Its marker goes last: then all the rest is done.
        let is_emptied = record.discarding && !is_namespace(self.folder());
        if !is_emptied && self.exists()? {
            if !record.discarding {
                record.set_discarding()?;
            }
            discarded.empty(harness, self.folder(), self.shared())?;
            // Without it, these would be notes of the shared folder.
            let marker = self.folder().join(MARKER);
            gone(fs::remove_file(&marker)).context("remove", &marker)?;
        }
        // What a start that was cut off has left.
        let staged = staged(self.folder());
        gone(fs::remove_dir_all(&staged)).context("remove", &staged)?;
        if discarded.left.is_empty() {
            // Somebody may have put something there just now.
            let _ = fs::remove_dir(self.folder());
        }
        record.remove()?;
        Ok(discarded)
    }
}

impl Discarded {
    fn empty(&mut self, harness: &Harness, folder: &Path, shared: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).context("list", folder)? {
            let entry = entry.context("list", folder)?;
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().context("examine", &path)?;
            let twin = shared.join(&name);
            if name == MARKER {
                continue;
            }
            if kind.is_dir() {
                if is_none_of_it(&name.to_string_lossy()) || has_marker(&path)? {
                    self.left.push(path);
                    continue;
                }
                let before = self.left.len();
                self.empty(harness, &path, &twin)?;
                if self.left.len() == before {
                    fs::remove_dir(&path).context("remove", &path)?;
                }
            } else if kind.is_file() {
                self.files += 1;
                let passing = is_none_of_it(&name.to_string_lossy());
                let has_twin = passing || text_of(&twin)? == text_of(&path)?;
                let file = harness.file(&path);
                if has_twin && file.history()?.newest()?.is_none() {
                    gone(fs::remove_file(&path)).context("remove", &path)?;
                } else {
                    let _ = file.remove()?;
                    self.kept += usize::from(!has_twin);
                }
            } else if kind.is_symlink() {
                self.files += 1;
                gone(fs::remove_file(&path)).context("remove", &path)?;
            } else {
                self.left.push(path);
            }
        }
        Ok(())
    }
}
