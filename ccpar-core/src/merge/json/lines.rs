//! JSON as lines: a merge that takes nothing but what one side alone changed.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::super::diff::anchored_diff;
use super::super::lines::Lines;
use super::super::{Markers, Merge, Region, Resolution};
use super::Renditions;

/// The lines in which renditions differ, between markers.
pub(in super::super) fn with_markers(renditions: &Renditions, markers: Markers<'_>) -> Vec<u8> {
    let mut merge = merge(renditions.each_ref().map(Vec::as_slice));
    for region in &mut merge.regions {
        if region.resolution != Resolution::Unchanged {
            region.resolution = Resolution::Conflict;
        }
    }
    merge.with_markers(markers)
}

/// Merges by lines; what both changed, or lines that touch, is a conflict.
pub(super) fn merge(texts: [&[u8]; 3]) -> Merge<'_> {
    let [base, ours, theirs] = Lines::of(texts);
    let regions = regions(&base, &ours, &theirs);
    Merge { base, ours, theirs, regions, doubtful: false, json: None, refusal: None }
}

fn regions<'a>(base: &Lines<'a>, ours: &Lines<'a>, theirs: &Lines<'a>) -> Vec<Region<'a>> {
    let mut known: HashMap<&[u8], u32, RandomState> = HashMap::default();
    let [b, o, t] = [base, ours, theirs].map(|text| {
        let number = |line: &&'a [u8]| {
            let next = u32::try_from(known.len()).expect("a text has under 2^32 lines");
            *known.entry(*line).or_insert(next)
        };
        text.lines.iter().map(number).collect::<Vec<u32>>()
    });
    let (by_ours, by_theirs) = (anchored_diff(&b, &o).edits, anchored_diff(&b, &t).edits);
    let (mut o, mut t) = (by_ours.iter().peekable(), by_theirs.iter().peekable());
    let mut regions = Vec::new();
    let mut at = [0, 0, 0];
    let mut push = |len: [usize; 3], resolution: Option<Resolution<'a>>| {
        let [base, in_ours, in_theirs] = [0, 1, 2].map(|n| at[n]..at[n] + len[n]);
        at = [base.end, in_ours.end, in_theirs.end];
        let is_same = || ours.lines[in_ours.clone()] == theirs.lines[in_theirs.clone()];
        let resolution = resolution
            .unwrap_or_else(|| if is_same() { Resolution::Same } else { Resolution::Conflict });
        if len != [0, 0, 0] {
            regions.push(Region {
                base,
                ours: in_ours,
                theirs: in_theirs,
                resolution,
                place: None,
            });
        }
    };
    let mut done = 0;
    while let Some(start) =
        [o.peek(), t.peek()].into_iter().flatten().map(|edit| edit.base.start).min()
    {
        push([start - done; 3], Some(Resolution::Unchanged));
        let (mut end, mut grown, mut shrunk) = (start, [0_usize; 2], [0_usize; 2]);
        let mut changed = [false; 2];
        loop {
            let (n, edit) = if let Some(edit) = o.next_if(|edit| edit.base.start <= end) {
                (0, edit)
            } else if let Some(edit) = t.next_if(|edit| edit.base.start <= end) {
                (1, edit)
            } else {
                break;
            };
            end = end.max(edit.base.end);
            changed[n] = true;
            grown[n] += edit.side.len();
            shrunk[n] += edit.base.len();
        }
        let len = end - start;
        let resolution = match changed {
            [true, false] => Some(Resolution::Ours),
            [false, _] => Some(Resolution::Theirs),
            [true, true] => None,
        };
        push([len, len + grown[0] - shrunk[0], len + grown[1] - shrunk[1]], resolution);
        done = end;
    }
    push([base.len() - done; 3], Some(Resolution::Unchanged));
    regions
}
