//! JSON as lines: a merge that takes nothing but what one side alone changed.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::super::diff::{Stretch, anchored_diff, stretches};
use super::super::lines::Lines;
use super::super::regions::unchanged;
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
    let mut regions = Vec::new();
    let mut at = [0, 0, 0];
    for Stretch { base, sides: [in_ours, in_theirs], changed } in stretches(&by_ours, &by_theirs) {
        unchanged(&mut regions, at, base.start - at[0]);
        at = [base.end, in_ours.end, in_theirs.end];
        let resolution = match changed {
            [true, false] => Resolution::Ours,
            [false, _] => Resolution::Theirs,
            _ if o[in_ours.clone()] == t[in_theirs.clone()] => Resolution::Same,
            _ => Resolution::Conflict,
        };
        regions.push(Region { base, ours: in_ours, theirs: in_theirs, resolution, place: None });
    }
    unchanged(&mut regions, at, b.len() - at[0]);
    regions
}
