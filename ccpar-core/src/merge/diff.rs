//! What a side changed: lines numbered, trimmed and compared.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use foldhash::fast::RandomState;
use similar::{Algorithm, DiffOp, capture_diff_slices};

/// A change of one side: these lines of base became those of the side.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) base: Range<usize>,
    pub(super) side: Range<usize>,
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
    let mut ids: HashMap<&[u8], u32, RandomState> = HashMap::default();
    ids.extend(BLANK.into_iter().zip(0..));
    texts.map(|lines| {
        let middle = shared.middle(lines.len());
        let mut numbers = vec![u32::MAX; lines.len()];
        for (number, line) in numbers[middle.clone()].iter_mut().zip(&lines[middle]) {
            let next = u32::try_from(ids.len()).expect("a text has under 2^32 lines");
            *number = *ids.entry(line.as_ref()).or_insert(next);
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
    // How often each line stands on each side, and where it was seen last.
    let mut seen = vec![(0_u32, 0_usize, 0_u32, 0_usize); most];
    for (place, id) in base.iter().enumerate() {
        let (count, last, ..) = &mut seen[*id as usize];
        (*count, *last) = (*count + 1, place);
    }
    for (place, id) in side.iter().enumerate() {
        let (.., count, last) = &mut seen[*id as usize];
        (*count, *last) = (*count + 1, place);
    }
    let unique = base.iter().enumerate().filter_map(|(place, id)| match seen[*id as usize] {
        (1, _, 1, there) if *id as usize >= BLANK.len() => Some((place, there)),
        _ => None,
    });
    let mut anchors = longest_increasing(unique);
    anchors.push((base.len(), side.len()));

    let mut edits: Vec<Edit> = Vec::new();
    let mut is_coarse = false;
    // Marks the lines of a piece of base by the number of the piece.
    let mut in_piece = vec![usize::MAX; most];
    let (mut b, mut s) = (0, 0);
    for (piece, (b_end, s_end)) in anchors.into_iter().enumerate() {
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
fn longest_increasing(pairs: impl Iterator<Item = (usize, usize)>) -> Vec<(usize, usize)> {
    // Each pair with the index of its predecessor; the top of each pile.
    let mut all: Vec<((usize, usize), usize)> = Vec::new();
    let mut tops: Vec<usize> = Vec::new();
    for pair in pairs {
        let pile = match tops.last() {
            Some(top) if all[*top].0.1 < pair.1 => tops.len(),
            _ => tops.partition_point(|top| all[*top].0.1 < pair.1),
        };
        let before = if pile == 0 { usize::MAX } else { tops[pile - 1] };
        if pile == tops.len() {
            tops.push(all.len());
        } else {
            tops[pile] = all.len();
        }
        all.push((pair, before));
    }
    let mut chain = Vec::with_capacity(tops.len());
    let mut at = tops.last().copied().unwrap_or(usize::MAX);
    while let Some((pair, before)) = all.get(at) {
        chain.push(*pair);
        at = *before;
    }
    chain.reverse();
    chain
}

/// What a side changed, by similar.
pub(super) fn diff<T: Eq + Hash>(base: &[T], side: &[T]) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for op in capture_diff_slices(Algorithm::Histogram, base, side) {
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
