//! From texts that were rewritten back to those that were given.

use std::borrow::Cow;
use std::ops::Range;

use super::lines::Lines;
use super::moved::{Block, Rewritten};
use super::{Region, Resolution, Rule};

/// Gives the regions of a merge of rewritten texts the places they have in the
/// texts as they were, and says of each that holds a moved thing that it was moved.
pub(super) fn retrace<'a>(
    regions: &mut Vec<Region<'a>>,
    texts: [&Lines<'a>; 3],
    ours: &Rewritten<'a>,
    theirs: &Rewritten<'a>,
) {
    open_gaps(regions, [ours, theirs]);
    let mut places = [0, 0];
    let mut cursors = [Cursor::default(), Cursor::default()];
    let count = regions.len();
    for (n, region) in regions.iter_mut().enumerate() {
        let is_gap = is_gap(region);
        let put = match region.resolution {
            Resolution::Ours => Some((1, ours.lines.slice(&region.ours))),
            Resolution::Theirs | Resolution::Same | Resolution::Unchanged => {
                Some((2, theirs.lines.slice(&region.theirs)))
            }
            _ => None,
        };
        for (side, range, rewritten) in
            [(0, &mut region.ours, ours), (1, &mut region.theirs, theirs)]
        {
            // A gap takes in what was dropped; other ends stay before it.
            let behind = is_gap || n + 1 == count;
            let end = cursors[side].original(&rewritten.blocks, range.end, behind);
            let end = end.max(places[side]);
            *range = places[side]..end;
            places[side] = end;
        }
        if let Some((text, put)) = put {
            let range = if text == 1 { &region.ours } else { &region.theirs };
            if texts[text].slice(range) != put {
                let lines = put.iter().map(|line| Cow::Borrowed(*line)).collect();
                region.resolution = Resolution::Merged(Rule::Moved, lines);
            }
        }
    }
    regions.retain(|region| !is_gap(region));
}

fn is_gap(region: &Region<'_>) -> bool {
    region.base.is_empty() && region.ours.is_empty() && region.theirs.is_empty()
}

/// Gives what was dropped where it stood a region of its own, empty until it is
/// retraced.
fn open_gaps<'a>(regions: &mut Vec<Region<'a>>, sides: [&Rewritten<'a>; 2]) {
    let mut dropped = sides.map(|side| {
        let gone = side.blocks.iter().filter(|block| block.rewritten.is_empty());
        gone.map(|block| block.rewritten.start).peekable()
    });
    for mut region in std::mem::take(regions) {
        let is_unchanged = region.resolution == Resolution::Unchanged;
        loop {
            let ranges = [region.ours.clone(), region.theirs.clone()];
            let next = [0, 1].map(|side| {
                while dropped[side].next_if(|at| *at < ranges[side].start).is_some() {}
                dropped[side].peek().copied().filter(|at| *at <= ranges[side].end)
            });
            let offsets = [0, 1].map(|side| next[side].map(|at| at - ranges[side].start));
            let Some(before) = offsets.into_iter().flatten().min().filter(|_| is_unchanged) else {
                break;
            };
            let side = usize::from(offsets[0] != Some(before));
            dropped[side].next();
            let [first, rest] = split(&region, before);
            regions.extend((!is_gap(&first)).then_some(first));
            regions.push(Region {
                base: rest.base.start..rest.base.start,
                ours: rest.ours.start..rest.ours.start,
                theirs: rest.theirs.start..rest.theirs.start,
                resolution: Resolution::Merged(Rule::Moved, Vec::new()),
                place: None,
            });
            region = rest;
        }
        regions.extend((!is_gap(&region)).then_some(region));
    }
}

fn split<'a>(region: &Region<'a>, before: usize) -> [Region<'a>; 2] {
    let cut =
        |range: &Range<usize>| [range.start..range.start + before, range.start + before..range.end];
    let [base, ours, theirs] = [cut(&region.base), cut(&region.ours), cut(&region.theirs)];
    [0, 1].map(|n| Region {
        base: base[n].clone(),
        ours: ours[n].clone(),
        theirs: theirs[n].clone(),
        resolution: region.resolution.clone(),
        place: None,
    })
}

/// Walks through the blocks of a text from its start to its end.
#[derive(Default)]
struct Cursor {
    block: usize,
    shift: isize,
}

impl Cursor {
    /// Where a boundary between two lines was before the rewriting; behind what was
    /// dropped there, if asked.
    fn original(&mut self, blocks: &[Block], at: usize, behind: bool) -> usize {
        while let Some(block) = blocks.get(self.block) {
            let is_here = block.rewritten.start == at && !(behind && block.rewritten.is_empty());
            if block.rewritten.start > at || is_here {
                break;
            }
            if at < block.rewritten.end {
                // Inside of what was put there.
                let inside = (at - block.rewritten.start).min(block.original.len());
                return block.original.start + inside;
            }
            self.shift = block.original.end.cast_signed() - block.rewritten.end.cast_signed();
            self.block += 1;
        }
        at.checked_add_signed(self.shift).unwrap_or(at)
    }
}
