//! Three-way merge of JSON, by keys and elements instead of lines.
//!
//! Values are compared by what they mean: strings decoded, objects without the
//! order of their keys, numbers as they were written. The merged text is theirs
//! with as little put in and taken out as can be, so that its order of keys, its
//! indentation and its line ends stay.
//! The rules stand in [`super`].

mod array;
mod layout;
mod render;
mod scalar;
mod tree;
mod walk;

use std::fmt;
use std::ops::Range;

use super::diff::diff;
use super::lines::Lines;
use super::{Markers, Merge, Region, Resolution};
use tree::Meanings;

/// Whether the text is one JSON value.
pub(super) fn parses(text: &[u8]) -> bool {
    let text = text.strip_prefix(tree::BOM).unwrap_or(text);
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// Why a text cannot be merged as JSON: it is not JSON, has one key twice in one
/// object, or is nested too deeply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `base`, `ours` or `theirs`.
    pub side: &'static str,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { side, line, column, what } = self;
        write!(f, "{side} is no JSON that can be merged: line {line}, column {column}: {what}")
    }
}

/// What is wrong with a text, and where.
#[derive(Debug)]
struct Fault {
    line: usize,
    column: usize,
    what: String,
}

/// The merged text with each conflict left as base, as ours and as theirs: three
/// values that differ only in the conflicts.
pub(super) type Renditions = [Vec<u8>; 3];

/// The outcome of a merge of JSON.
#[derive(Debug, Clone)]
pub(super) struct JsonMerge {
    pub(super) renditions: Renditions,
    /// What either side changed, in the order of the merged text.
    pub(super) changes: Vec<Change>,
}

/// A value that either side changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Its JSON pointer (RFC 6901), with the place of an element in theirs, or in
    /// ours if theirs lacks it.
    pub(super) pointer: String,
    /// Its lines in base, ours and theirs, counted from 0; empty where it is absent.
    pub(super) lines: [Range<usize>; 3],
    /// What became of it.
    pub(super) resolution: Resolution<'static>,
}

/// Merges what `ours` and `theirs` each made of `base`; an empty base is no value.
pub(super) fn merge(
    base: &[u8],
    ours: &[u8],
    theirs: &[u8],
    ours_first: bool,
) -> Result<JsonMerge, Refusal> {
    let mut meanings = Meanings::default();
    let mut read = |side, text| {
        tree::parse(text, &mut meanings).map_err(|Fault { line, column, what }| Refusal {
            side,
            line,
            column,
            what,
        })
    };
    let is_absent = base.trim_ascii().is_empty();
    let old = if is_absent { None } else { Some(read("base", base)?) };
    let [ours_tree, theirs_tree] = [read("ours", ours)?, read("theirs", theirs)?];
    let texts = [base, ours, theirs];
    let roots = [old.as_ref(), Some(&ours_tree), Some(&theirs_tree)];
    let (node, changes) = walk::Walk::new(texts, ours_first, &mut meanings).merge(roots);
    let renditions = if ours == theirs || base == ours {
        [theirs.to_vec(), theirs.to_vec(), theirs.to_vec()]
    } else if base == theirs {
        [ours.to_vec(), ours.to_vec(), ours.to_vec()]
    } else {
        render::renditions(texts, roots, &node)
    };
    Ok(JsonMerge { renditions, changes })
}

impl JsonMerge {
    /// The changes as regions of the three texts.
    pub(super) fn regions<'a>(&self) -> Vec<Region<'a>> {
        let region = |change: &Change| {
            let [base, ours, theirs] = change.lines.clone();
            let place = Some(change.pointer.clone());
            Region { base, ours, theirs, resolution: change.resolution.clone(), place }
        };
        self.changes.iter().map(region).collect()
    }
}

/// The lines in which renditions differ, between markers.
pub(super) fn with_markers(renditions: &Renditions, markers: Markers<'_>) -> Vec<u8> {
    let [base, ours, theirs] = renditions.each_ref().map(|text| Lines::new(text));
    let regions = conflicts_between(&base, &ours, &theirs);
    let merge = Merge { base, ours, theirs, regions, doubtful: false, json: None, refusal: None };
    merge.with_markers(markers)
}

fn conflicts_between<'a>(
    base: &Lines<'_>,
    ours: &Lines<'_>,
    theirs: &Lines<'_>,
) -> Vec<Region<'a>> {
    let (by_ours, by_theirs) = (diff(&base.lines, &ours.lines), diff(&base.lines, &theirs.lines));
    let (mut o, mut t) = (by_ours.iter().peekable(), by_theirs.iter().peekable());
    let mut regions = Vec::new();
    let mut at = [0, 0, 0];
    let mut push = |len: [usize; 3], resolution: Resolution<'static>| {
        let [base, ours, theirs] = [0, 1, 2].map(|n| at[n]..at[n] + len[n]);
        at = [base.end, ours.end, theirs.end];
        if len != [0, 0, 0] {
            regions.push(Region { base, ours, theirs, resolution, place: None });
        }
    };
    let mut done = 0;
    while let Some(start) =
        [o.peek(), t.peek()].into_iter().flatten().map(|edit| edit.base.start).min()
    {
        push([start - done; 3], Resolution::Unchanged);
        let (mut end, mut grown) = (start, [0_usize, 0]);
        let mut shrunk = [0_usize, 0];
        loop {
            let (n, edit) = if let Some(edit) = o.next_if(|edit| edit.base.start <= end) {
                (0, edit)
            } else if let Some(edit) = t.next_if(|edit| edit.base.start <= end) {
                (1, edit)
            } else {
                break;
            };
            end = end.max(edit.base.end);
            grown[n] += edit.side.len();
            shrunk[n] += edit.base.len();
        }
        let len = end - start;
        push([len, len + grown[0] - shrunk[0], len + grown[1] - shrunk[1]], Resolution::Conflict);
        done = end;
    }
    push([base.len() - done; 3], Resolution::Unchanged);
    regions
}

#[cfg(test)]
mod tests;
