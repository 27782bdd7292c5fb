//! What a side changed: lines numbered, trimmed and compared.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use foldhash::fast::RandomState;
use similar::DiffOp;
use similar::algorithms::{Capture, Compact, Replace, histogram};

/// A change of one side: these lines of base became those of the side.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) base: Range<usize>,
    pub(super) side: Range<usize>,
}

/// A stretch that one side changed, or both: edits that touch are one.
pub(super) struct Stretch {
    pub(super) base: Range<usize>,
    /// The same in ours and theirs.
    pub(super) sides: [Range<usize>; 2],
    pub(super) changed: [bool; 2],
}

/// What the sides changed, in order. Like xdiff, changes that merely touch belong to
/// one stretch: no unchanged line of base stands between them.
pub(super) fn stretches<'e>(
    ours: &'e [Edit],
    theirs: &'e [Edit],
) -> impl Iterator<Item = Stretch> + use<'e> {
    let mut edits = [ours, theirs].map(|edits| edits.iter().peekable());
    // Where each side is behind, or before, the same line of base.
    let mut shifts = [0_isize; 2];
    let there = |place: usize, shift: isize| {
        place.checked_add_signed(shift).expect("a side cannot lose more lines than base has")
    };
    std::iter::from_fn(move || {
        let starts = edits.each_mut().map(|edits| edits.peek().map(|edit| edit.base.start));
        let start = starts.into_iter().flatten().min()?;
        let begun = shifts.map(|shift| there(start, shift));
        let (mut end, mut changed) = (start, [false; 2]);
        loop {
            let before = end;
            for (n, edits) in edits.iter_mut().enumerate() {
                while let Some(edit) = edits.next_if(|edit| edit.base.start <= end) {
                    end = end.max(edit.base.end);
                    changed[n] = true;
                    shifts[n] += edit.side.len().cast_signed() - edit.base.len().cast_signed();
                }
            }
            if end == before {
                break;
            }
        }
        let sides = [0, 1].map(|n| begun[n]..there(end, shifts[n]));
        Some(Stretch { base: start..end, sides, changed })
    })
}

/// How many lines all three texts begin and end with: they need no diff.
pub(super) struct Shared {
    start: usize,
    end: usize,
}

impl Shared {
    pub(super) fn new(texts: [&[&[u8]]; 3]) -> Shared {
        let [base, ours, theirs] = texts;
        let same = |[b, o, t]: [&&[u8]; 3]| b == o && o == t;
        let shortest = texts.map(<[&[u8]]>::len).into_iter().min().unwrap_or(0);
        let forth = base.iter().zip(ours).zip(theirs);
        let start = forth.take_while(|((b, o), t)| same([b, o, t])).count();
        let back = base.iter().rev().zip(ours.iter().rev()).zip(theirs.iter().rev());
        let back = back.take(shortest - start);
        Shared { start, end: back.take_while(|((b, o), t)| same([b, o, t])).count() }
    }

    /// What of a text of this many lines is not shared.
    pub(super) fn middle(&self, len: usize) -> Range<usize> {
        self.start..len - self.end
    }

    /// Whether so much between two anchors is new that it is compared by pieces.
    pub(super) fn is_coarse(&self, ids: &[Vec<u32>; 3], new: usize) -> bool {
        let [old, new] = [0, new].map(|side| &ids[side][self.middle(ids[side].len())]);
        old.len().min(new.len()) > PIECE && anchored_diff(old, new).is_coarse
    }

    pub(super) fn diff(&self, ids: &[Vec<u32>; 3], old: usize, new: usize) -> Vec<Edit> {
        let [old, new] = [old, new].map(|side| &ids[side][self.middle(ids[side].len())]);
        let mut edits = anchored_diff(old, new).edits;
        for edit in &mut edits {
            for range in [&mut edit.base, &mut edit.side] {
                *range = range.start + self.start..range.end + self.start;
            }
        }
        edits
    }
}

/// Blank lines have the first numbers: they look alike wherever they stand, so that
/// none of them is an anchor.
pub(super) const BLANK: [&[u8]; 2] = [b"", b"\r"];

/// Numbers lines so that equal lines have equal numbers. What all texts share at
/// their ends is never asked for, and has none.
pub(super) fn intern<L: AsRef<[u8]>>(texts: [&[L]; 3], shared: &Shared) -> [Vec<u32>; 3] {
    let base = texts[0];
    let base_end = shared.middle(base.len()).end;
    let mut ids: HashMap<&[u8], u32, RandomState> =
        HashMap::with_capacity_and_hasher(base_end - shared.start, RandomState::default());
    ids.extend(BLANK.into_iter().zip(0..));
    // Where in base each number stands first.
    let mut places = vec![usize::MAX; BLANK.len()];
    let mut in_base: Vec<u32> = Vec::new();
    [0, 1, 2].map(|n| {
        let lines = texts[n];
        let middle = shared.middle(lines.len());
        let mut numbers = vec![u32::MAX; lines.len()];
        // A side mostly goes on as base does: then no line need be looked up.
        let mut next = shared.start;
        for at in middle {
            let line = lines[at].as_ref();
            if n > 0 && next < base_end && base[next].as_ref() == line {
                numbers[at] = in_base[next];
                next += 1;
                continue;
            }
            if at > shared.start && lines[at - 1].as_ref() == line {
                numbers[at] = numbers[at - 1];
                continue;
            }
            let new = u32::try_from(ids.len()).expect("a text has under 2^32 lines");
            let number = *ids.entry(line).or_insert(new);
            numbers[at] = number;
            if n == 0 {
                places.resize(places.len().max(number as usize + 1), at);
            } else {
                let place = places.get(number as usize).filter(|place| **place != usize::MAX);
                next = place.map_or(next, |place| *place) + 1;
            }
        }
        if n == 0 {
            in_base.clone_from(&numbers);
        }
        numbers
    })
}

/// A line with each run of white space as one blank, and none at its end; the
/// indentation as it is.
pub(super) fn without_blanks(line: &[u8]) -> Vec<u8> {
    let line = line.trim_ascii_end();
    let indent = line.len() - line.trim_ascii_start().len();
    let mut out = line[..indent].to_vec();
    for byte in &line[indent..] {
        if !byte.is_ascii_whitespace() {
            out.push(*byte);
        } else if out.last() != Some(&b' ') {
            out.push(b' ');
        }
    }
    out
}

/// What a side changed, and whether it was looked for by pieces.
pub(super) struct Diff {
    pub(super) edits: Vec<Edit>,
    is_coarse: bool,
}

/// What a side changed, in order; no two changes touch.
///
/// Lines that stand once on each side are anchors, as in a patience diff: the
/// longest run of them that is in order on both sides is kept, and only what
/// stands between two anchors is searched for what it has in common.
pub(super) fn anchored_diff(base: &[u32], side: &[u32]) -> Diff {
    let most = base.iter().chain(side).max().map_or(0, |id| *id as usize + 1);
    // How often each line stands in base and on the side, and where there last.
    let mut seen = vec![[0_u32; 3]; most];
    for id in base {
        seen[*id as usize][0] += 1;
    }
    for (place, id) in (0..).zip(side) {
        let [_, count, last] = &mut seen[*id as usize];
        (*count, *last) = (*count + 1, place);
    }
    let unique = (0..).zip(base).filter_map(|(place, id)| match seen[*id as usize] {
        [1, 1, there] if *id as usize >= BLANK.len() => Some((place, there)),
        _ => None,
    });
    let anchors = longest_increasing(unique.collect());
    let anchors = anchors.into_iter().map(|(b, s)| (b as usize, s as usize));
    let anchors = anchors.chain([(base.len(), side.len())]);

    let mut edits: Vec<Edit> = Vec::new();
    let mut is_coarse = false;
    // Marks the lines of a piece of base by the number of the piece.
    let mut in_piece = vec![usize::MAX; most];
    let (mut b, mut s) = (0, 0);
    for (piece, (b_end, s_end)) in anchors.enumerate() {
        while b < b_end && s < s_end && base[b] == side[s] {
            (b, s) = (b + 1, s + 1);
        }
        let (mut b_last, mut s_last) = (b_end, s_end);
        while b < b_last && s < s_last && base[b_last - 1] == side[s_last - 1] {
            (b_last, s_last) = (b_last - 1, s_last - 1);
        }
        for id in &base[b..b_last] {
            in_piece[*id as usize] = piece;
        }
        let is_common = side[s..s_last].iter().any(|id| in_piece[*id as usize] == piece);
        if is_common {
            is_coarse |= is_long(&base[b..b_last], &side[s..s_last]);
            diff_in_pieces((&base[b..b_last], b), (&side[s..s_last], s), &mut edits);
        } else if b < b_last || s < s_last {
            edits.push(Edit { base: b..b_last, side: s..s_last });
        }
        (b, s) = (b_end, s_end);
    }
    Diff { edits, is_coarse }
}

/// Beyond so many lines on both sides without an anchor the sides are compared
/// piece by piece: similar's diff may take the square of the lines that differ.
const PIECE: usize = 8 * 1024;

/// Whether two texts are too long to be compared as a whole where nothing in them
/// is an anchor.
fn is_long(base: &[u32], side: &[u32]) -> bool {
    base.len().min(side.len()) > PIECE
}

/// Appends what is changed between two anchors, each with its place.
fn diff_in_pieces(
    (base, base_start): (&[u32], usize),
    (side, side_start): (&[u32], usize),
    edits: &mut Vec<Edit>,
) {
    let pieces = if is_long(base, side) { base.len().div_ceil(PIECE / 2) } else { 1 };
    let cut = |len: usize, piece: usize| len * piece / pieces;
    for piece in 0..pieces {
        let [b, b_end] = [piece, piece + 1].map(|piece| cut(base.len(), piece));
        let [s, s_end] = [piece, piece + 1].map(|piece| cut(side.len(), piece));
        for edit in diff(&base[b..b_end], &side[s..s_end]) {
            let [b, s] = [b + base_start, s + side_start];
            let base = edit.base.start + b..edit.base.end + b;
            let side = edit.side.start + s..edit.side.end + s;
            match edits.last_mut() {
                // Two pieces that touch.
                Some(last) if last.base.end == base.start && last.side.end == side.start => {
                    last.base.end = base.end;
                    last.side.end = side.end;
                }
                _ => edits.push(Edit { base, side }),
            }
        }
    }
}

/// The longest selection of pairs whose second numbers increase too: patience
/// sorting.
fn longest_increasing(pairs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    if pairs.is_sorted_by_key(|(_, second)| *second) {
        return pairs;
    }
    // The index of each pair's predecessor, and that of the top of each pile.
    let mut before = Vec::with_capacity(pairs.len());
    let mut tops: Vec<usize> = Vec::new();
    for (at, (_, second)) in pairs.iter().enumerate() {
        let pile = match tops.last() {
            Some(top) if pairs[*top].1 < *second => tops.len(),
            _ => tops.partition_point(|top| pairs[*top].1 < *second),
        };
        before.push(if pile == 0 { usize::MAX } else { tops[pile - 1] });
        if pile == tops.len() {
            tops.push(at);
        } else {
            tops[pile] = at;
        }
    }
    let mut chain = Vec::with_capacity(tops.len());
    let mut at = tops.last().copied().unwrap_or(usize::MAX);
    while let Some(pair) = pairs.get(at) {
        chain.push(*pair);
        at = before[at];
    }
    chain.reverse();
    chain
}

/// Numbers without gaps for two lists, the same for what is equal: what a diff can
/// count with.
pub(super) fn dense<T: Eq + Hash>(base: &[T], side: &[T]) -> [Vec<u32>; 2] {
    let mut numbers: HashMap<&T, u32, RandomState> = HashMap::default();
    [base, side].map(|list| {
        let number = |item| {
            let next = u32::try_from(numbers.len()).expect("numbers are 32 bits wide");
            *numbers.entry(item).or_insert(next)
        };
        list.iter().map(number).collect()
    })
}

/// What a side changed, by similar: its one algorithm that is needed, and that for
/// numbers alone, as every other would be built in too.
pub(super) fn diff(base: &[u32], side: &[u32]) -> Vec<Edit> {
    let mut ops = Compact::new(Replace::new(Capture::new()), base, side);
    let Ok(()) = histogram::diff(&mut ops, base, 0..base.len(), side, 0..side.len());
    let mut edits: Vec<Edit> = Vec::new();
    for op in ops.into_inner().into_inner().into_ops() {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let (base, side) = (op.old_range(), op.new_range());
        match edits.last_mut() {
            Some(last) if last.base.end == base.start && last.side.end == side.start => {
                last.base.end = base.end;
                last.side.end = side.end;
            }
            _ => edits.push(Edit { base, side }),
        }
    }
    edits
}
