//! Three-way merge of JSON, by keys and elements instead of lines.
//!
//! Values are compared by what they mean: strings decoded, objects without the
//! order of their keys, numbers as they were written. The merged text is theirs
//! with as little put in and taken out as can be, so that its order of keys, its
//! indentation and its line ends stay.
//! The rules stand in [`super`].

mod array;
mod layout;
pub(super) mod lines;
mod render;
mod scalar;
mod tree;
mod walk;

use std::fmt;
use std::ops::Range;

use super::{Region, Resolution};
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

impl Refusal {
    /// The same with the names of the sides exchanged.
    pub(super) fn swapped(self) -> Refusal {
        let side = match self.side {
            "ours" => "theirs",
            "theirs" => "ours",
            side => side,
        };
        Refusal { side, ..self }
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
    let is_clean = changes.iter().all(|change| change.resolution != Resolution::Conflict);
    let whole = |text: &[u8]| [text.to_vec(), text.to_vec(), text.to_vec()];
    let mut renditions = if ours == theirs || base == ours {
        whole(theirs)
    } else if base == theirs {
        whole(ours)
    } else {
        render::renditions(texts, roots, &node)
    };
    if is_clean {
        let ids = roots.map(|root| root.map(|root| root.id));
        if let Some(text) = as_written(texts, ids, &renditions[2], &mut meanings) {
            renditions = whole(&text);
        }
    }
    Ok(JsonMerge { renditions, changes })
}

/// A text that means what the merged one does, and keeps more of how it was written.
///
/// If ours says all that theirs does, it is ours as it stands, unless theirs changed
/// nothing but the layout. Where the lines alone merge into a text that means the
/// same, it is that one: what a side changed of the layout or of the order of keys
/// comes through. Neither may make another text of a merge that is tried again on its
/// own result.
fn as_written(
    texts: [&[u8]; 3],
    [base_id, ours_id, theirs_id]: [Option<u32>; 3],
    merged: &[u8],
    meanings: &mut Meanings,
) -> Option<Vec<u8>> {
    let [base, ours, theirs] = texts;
    let id = tree::parse(merged, meanings).ok()?.id;
    let is_theirs = merged == theirs;
    let ours_adds_layout = ours_id == base_id || ours_id == theirs_id;
    if merged == ours || is_theirs && !ours_adds_layout {
        return None;
    }
    if !is_theirs && ours_id == Some(id) && theirs_id != base_id {
        return Some(ours.to_vec());
    }
    let clean = |ours: &[u8], theirs: &[u8]| {
        let merge = lines::merge([base, ours, theirs]);
        merge.is_clean().then(|| merge.keep_theirs())
    };
    let text = clean(ours, theirs).filter(|text| text != merged)?;
    let means_the_same = tree::parse(&text, meanings).is_ok_and(|tree| tree.id == id);
    let is_left = |again: Option<Vec<u8>>| again.is_some_and(|again| again == text);
    let is_stable = (!is_theirs || is_left(clean(ours, &text)))
        && (!is_theirs && theirs_id != base_id || is_left(clean(&text, theirs)));
    (means_the_same && is_stable).then_some(text)
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

#[cfg(test)]
mod tests;
