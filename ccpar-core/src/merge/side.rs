//! One side of a region: its lines, and what is known of each.

use std::borrow::Cow;
use std::ops::Range;

use super::entry::{Kind, Mark};

/// One of the three texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'s, 'a> {
    pub(super) lines: &'s [&'a [u8]],
    /// Equal lines have equal numbers, on all sides.
    pub(super) ids: &'s [u32],
    /// The same for lines that differ in white space alone.
    pub(super) loose: &'s [u32],
    pub(super) marks: &'s [Mark<'a>],
}

impl<'a> Side<'_, 'a> {
    pub(super) fn is_blank(&self, line: usize) -> bool {
        self.marks[line].kind == Kind::Blank
    }

    pub(super) fn all_blank(&self, range: &Range<usize>) -> bool {
        range.clone().all(|line| self.is_blank(line))
    }

    /// The range without the blank lines around it.
    pub(super) fn core(&self, range: &Range<usize>) -> Range<usize> {
        let mut core = range.clone();
        while core.start < core.end && self.is_blank(core.start) {
            core.start += 1;
        }
        while core.start < core.end && self.is_blank(core.end - 1) {
            core.end -= 1;
        }
        core
    }

    pub(super) fn loose(&self, range: &Range<usize>) -> &[u32] {
        &self.loose[range.clone()]
    }

    pub(super) fn ids_without_blanks(&self, range: &Range<usize>) -> impl Iterator<Item = u32> {
        range.clone().filter(|line| !self.is_blank(*line)).map(|line| self.ids[line])
    }

    /// Whether an entry is left whose parent is gone.
    pub(super) fn has_orphan(&self, range: &Range<usize>, gone: &[usize]) -> bool {
        let mut parents: Vec<(usize, bool)> = Vec::new();
        range.clone().any(|line| {
            let Kind::Item(depth) = self.marks[line].kind else { return false };
            while parents.last().is_some_and(|(other, _)| *other >= depth) {
                parents.pop();
            }
            let is_gone = gone.contains(&line);
            let is_orphan = !is_gone && parents.last().is_some_and(|(_, is_gone)| *is_gone);
            parents.push((depth, is_gone));
            is_orphan
        })
    }

    pub(super) fn cow(&self, range: Range<usize>) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.lines[range].iter().map(|line| Cow::Borrowed(*line))
    }
}
