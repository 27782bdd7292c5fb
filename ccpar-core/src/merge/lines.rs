//! Texts as lines, the regions that two sides changed, and what is decided by
//! lines alone.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::Hash;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::entry::{self, Mark};
use super::refine::{Side, Texts};
use super::{Merge, Region, Resolution};

/// A text as its lines, without their newlines.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    text: &'a [u8],
    lines: Vec<&'a [u8]>,
    /// Whether the last line has a newline; `None` if there is no line.
    newline_at_end: Option<bool>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a [u8]) -> Lines<'a> {
        let newline_at_end = text.last().map(|last| *last == b'\n');
        let lines = match text.strip_suffix(b"\n").unwrap_or(text) {
            [] if text.is_empty() => Vec::new(),
            text => text.split(|byte| *byte == b'\n').collect(),
        };
        Lines { text, lines, newline_at_end }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    fn side<'s>(&'s self, ids: &'s [u32], loose: &'s [u32], marks: &'s [Mark<'a>]) -> Side<'s, 'a> {
        Side { lines: &self.lines, ids, loose, marks }
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> &[&'a [u8]] {
        &self.lines[range.clone()]
    }

    pub(super) fn range(&self, range: &Range<usize>) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.lines[range.clone()].iter().map(|line| Cow::Borrowed(*line))
    }
}

/// Whether the merged text ends in a newline: who changed that decides.
pub(super) fn merged_end(base: &Lines<'_>, ours: &Lines<'_>, theirs: &Lines<'_>) -> bool {
    let (b, o, t) = (base.newline_at_end, ours.newline_at_end, theirs.newline_at_end);
    if o == b { t.or(o) } else { o.or(t) }.unwrap_or(true)
}

pub(super) fn join(lines: &[Cow<'_, [u8]>], newline_at_end: bool) -> Vec<u8> {
    let mut text = lines.join(&b'\n');
    if newline_at_end && !lines.is_empty() {
        text.push(b'\n');
    }
    text
}

/// A change of one side: these lines of base became those of the side.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) base: Range<usize>,
    pub(super) side: Range<usize>,
}

/// Cuts the three texts into regions and resolves those that both changed.
///
/// Says too whether any region had to be looked into.
///
/// Like xdiff, changes that merely touch belong to one region: no unchanged
/// line of base stands between them.
pub(super) fn regions<'a>(
    base: &Lines<'a>,
    ours: &Lines<'a>,
    theirs: &Lines<'a>,
    markdown: bool,
) -> (Vec<Region<'a>>, bool) {
    let shared = Shared::new([&base.lines, &ours.lines, &theirs.lines]);
    let ids = intern([&base.lines, &ours.lines, &theirs.lines], &shared);
    let (by_ours, by_theirs) = (shared.diff(&ids, 0, 1), shared.diff(&ids, 0, 2));
    if !by_ours.is_empty() && !by_theirs.is_empty() {
        let whole = |resolution| {
            let [base, ours, theirs] = [base, ours, theirs].map(|text| 0..text.lines.len());
            (vec![Region { base, ours, theirs, resolution }], false)
        };
        if holds(&ids, &shared, &by_ours, 1, 2) {
            return whole(Resolution::Theirs);
        }
        if holds(&ids, &shared, &by_theirs, 2, 1) {
            return whole(Resolution::Ours);
        }
    }
    // Only a region that both sides changed needs to know what its lines are.
    let mut known = None;

    let mut regions = Vec::new();
    // Where the next region begins in base, ours and theirs.
    let mut at = [0, 0, 0];
    let (mut o, mut t) = (by_ours.iter().peekable(), by_theirs.iter().peekable());
    loop {
        let starts = [o.peek(), t.peek()].map(|edit| edit.map(|edit| edit.base.start));
        let Some(start) = starts.into_iter().flatten().min() else { break };
        let same = start - at[0];
        push(&mut regions, &mut at, same, Resolution::Unchanged, [0, 0, 0]);

        // Gather the edits of both sides that touch each other.
        let (mut end, mut grown, mut changed) = (start, [0_isize, 0], [false, false]);
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
            grown[n] += edit.side.len().cast_signed() - edit.base.len().cast_signed();
        }
        let len = end - start;
        let [in_ours, in_theirs] = grown.map(|n| {
            len.checked_add_signed(n).expect("a side cannot lose more lines than base has")
        });
        let (ours_range, theirs_range) = (at[1]..at[1] + in_ours, at[2]..at[2] + in_theirs);
        let resolution = match changed {
            [true, false] => Resolution::Ours,
            [false, true] => Resolution::Theirs,
            _ if ids[1][ours_range] == ids[2][theirs_range] => Resolution::Same,
            _ => Resolution::Conflict,
        };
        let is_conflict = resolution == Resolution::Conflict;
        push(&mut regions, &mut at, 0, resolution, [len, in_ours, in_theirs]);
        if is_conflict && let Some(region) = regions.pop() {
            let (marks, loose) = known.get_or_insert_with(|| {
                let texts = [base, ours, theirs];
                let black = texts.map(|text| {
                    text.lines.iter().map(|line| without_blanks(line)).collect::<Vec<_>>()
                });
                let marks = texts.map(|text| entry::mark(&text.lines, markdown));
                (marks, intern([&black[0], &black[1], &black[2]], &shared))
            });
            let texts = Texts {
                base: base.side(&ids[0], &loose[0], &marks[0]),
                ours: ours.side(&ids[1], &loose[1], &marks[1]),
                theirs: theirs.side(&ids[2], &loose[2], &marks[2]),
            };
            regions.extend(texts.refine(region, markdown));
        }
    }
    let same = base.lines.len() - at[0];
    push(&mut regions, &mut at, same, Resolution::Unchanged, [0, 0, 0]);
    (regions, known.is_some())
}

/// Where a line repeats, or moves, it may be a guess which place a side meant. A
/// merge that would come out otherwise when it is tried again on its own result,
/// or in which a line stands more often than both sides together have added it,
/// was such a guess: the regions in question become one conflict.
pub(super) fn without_guesses(mut merge: Merge<'_>, markdown: bool) -> Merge<'_> {
    let changed_by = |side| {
        merge
            .regions
            .iter()
            .any(|region| region.resolution != Resolution::Unchanged && region.resolution != side)
    };
    let one_side = !changed_by(Resolution::Ours) || !changed_by(Resolution::Theirs);
    if one_side && !merge.refined || !merge.is_clean() {
        return merge;
    }
    let touched = Touched::new(&merge);
    if touched.doubtful.is_empty() && !merge.refined {
        return merge;
    }
    let base = merge.base.text;
    let clean = |ours: &[u8], theirs: &[u8]| {
        let again = Merge::unchecked(base, ours, theirs, markdown);
        again.is_clean().then(|| again.keep_theirs())
    };
    let is_sure = |merge: &Merge<'_>| {
        let merged = merge.keep_theirs();
        merge.is_clean()
            && Touched::new(merge).stand_as_added(&merged)
            && clean(merge.ours.text, &merged).as_ref() == Some(&merged)
            && clean(&merged, merge.theirs.text).as_ref() == Some(&merged)
    };
    // Whichever side is called ours, it is the same conflict.
    let mirrored = Merge::unchecked(base, merge.theirs.text, merge.ours.text, markdown);
    if is_sure(&merge) && is_sure(&mirrored) {
        return merge;
    }
    let is_doubtful = |region: &Region<'_>| {
        matches!(region.resolution, Resolution::Merged(..))
            || region.resolution != Resolution::Unchanged
                && merge.lines_of(region).any(|line| touched.doubtful.contains_key(line))
    };
    let is_change = |region: &Region<'_>| region.resolution != Resolution::Unchanged;
    let ends = |is: &dyn Fn(&Region<'_>) -> bool| {
        merge.regions.iter().position(is).zip(merge.regions.iter().rposition(is))
    };
    let Some((first, last)) = ends(&is_doubtful).or_else(|| ends(&is_change)) else {
        return merge;
    };
    let (from, to) = (&merge.regions[first], &merge.regions[last]);
    let conflict = Region {
        base: from.base.start..to.base.end,
        ours: from.ours.start..to.ours.end,
        theirs: from.theirs.start..to.theirs.end,
        resolution: Resolution::Conflict,
    };
    merge.regions.splice(first..=last, [conflict]);
    merge
}

/// The lines that stand in changed regions.
struct Touched<'a> {
    /// Those that repeat or stand in several regions, blank ones aside, and how
    /// often they may stand in the end.
    doubtful: HashMap<&'a [u8], usize>,
}

impl<'a> Touched<'a> {
    fn new(merge: &Merge<'a>) -> Touched<'a> {
        let mut regions: HashMap<&'a [u8], (usize, bool)> = HashMap::new();
        for (n, region) in merge.regions.iter().enumerate() {
            if region.resolution != Resolution::Unchanged {
                for line in merge.lines_of(region).filter(|line| !line.trim_ascii().is_empty()) {
                    let (first, several) = regions.entry(line).or_insert((n, false));
                    *several |= *first != n;
                }
            }
        }
        let mut counts: HashMap<&'a [u8], [usize; 3]> = HashMap::new();
        for (n, text) in [&merge.base, &merge.ours, &merge.theirs].into_iter().enumerate() {
            for line in text.lines.iter().filter(|line| regions.contains_key(**line)) {
                counts.entry(line).or_default()[n] += 1;
            }
        }
        let doubtful = counts.into_iter().filter_map(|(line, [base, ours, theirs])| {
            let repeats = base > 1 || ours > 1 || theirs > 1;
            let most = base + ours.saturating_sub(base) + theirs.saturating_sub(base);
            (repeats || regions[line].1).then_some((line, most))
        });
        Touched { doubtful: doubtful.collect() }
    }

    fn stand_as_added(&self, merged: &[u8]) -> bool {
        let mut left = self.doubtful.clone();
        Lines::new(merged).lines.iter().all(|line| match left.get_mut(line) {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        })
    }
}

/// Whether the `outer` side holds everything that the `inner` one changed: the
/// inner was merged into it before, or both did the same and the outer more.
///
/// Aligning each side with base alone cannot see that where lines repeat.
fn holds(ids: &[Vec<u32>; 3], shared: &Shared, edits: &[Edit], inner: usize, outer: usize) -> bool {
    let middles = [0, inner, outer].map(|side| &ids[side][shared.middle(ids[side].len())]);
    let most = middles.iter().copied().flatten().max().map_or(0, |id| *id as usize + 1);
    let [base, inner_count, outer_count] = middles.map(|middle| {
        let mut count = vec![0_u32; most];
        for id in middle {
            count[*id as usize] += 1;
        }
        count
    });
    let counts_fit = (0..most).all(|id| match inner_count[id].cmp(&base[id]) {
        Ordering::Equal => true,
        Ordering::Greater => outer_count[id] >= inner_count[id],
        Ordering::Less => outer_count[id] <= inner_count[id],
    });
    if !counts_fit {
        return false;
    }
    // No further edit may take back what an edit did.
    let further = shared.diff(ids, inner, outer);
    edits.iter().all(|edit| {
        let near = further.partition_point(|more| more.base.end < edit.side.start);
        further[near..].iter().take_while(|more| more.base.start <= edit.side.end).all(|more| {
            let removes = more.base.start < edit.side.end && edit.side.start < more.base.end;
            let inserts_here = (edit.side.start..=edit.side.end).contains(&more.base.start);
            let deleted = &ids[0][edit.base.clone()];
            let back = || ids[outer][more.side.clone()].iter().any(|id| deleted.contains(id));
            !removes && !(inserts_here && back())
        })
    })
}

/// How many lines all three texts begin and end with: they need no diff.
struct Shared {
    start: usize,
    end: usize,
}

impl Shared {
    fn new(texts: [&[&[u8]]; 3]) -> Shared {
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
    fn middle(&self, len: usize) -> Range<usize> {
        self.start..len - self.end
    }

    fn diff(&self, ids: &[Vec<u32>; 3], old: usize, new: usize) -> Vec<Edit> {
        let [old, new] = [old, new].map(|side| &ids[side][self.middle(ids[side].len())]);
        let mut edits = diff(old, new);
        for edit in &mut edits {
            for range in [&mut edit.base, &mut edit.side] {
                *range = range.start + self.start..range.end + self.start;
            }
        }
        edits
    }
}

/// Appends a region: `same` lines on all three sides, or `len` on each.
fn push<'a>(
    regions: &mut Vec<Region<'a>>,
    at: &mut [usize; 3],
    same: usize,
    resolution: Resolution<'a>,
    len: [usize; 3],
) {
    let [base, ours, theirs] = [0, 1, 2].map(|n| at[n]..at[n] + same + len[n]);
    *at = [base.end, ours.end, theirs.end];
    if resolution != Resolution::Unchanged || same > 0 {
        regions.push(Region { base, ours, theirs, resolution });
    }
}

/// Numbers lines so that equal lines have equal numbers. What all texts share at
/// their ends is never asked for, and has none.
fn intern<L: AsRef<[u8]>>(texts: [&[L]; 3], shared: &Shared) -> [Vec<u32>; 3] {
    let mut ids: HashMap<&[u8], u32, RandomState> = HashMap::default();
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

/// A line without the white space that says nothing: all but its indentation.
fn without_blanks(line: &[u8]) -> Vec<u8> {
    let indent = line.len() - line.trim_ascii_start().len();
    let words = line[indent..].iter().filter(|byte| !byte.is_ascii_whitespace());
    if indent == line.len() {
        Vec::new()
    } else {
        line[..indent].iter().chain(words).copied().collect()
    }
}

/// What a side changed, in order; no two changes touch.
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

/// How many lines each of two texts has that the other lacks, blank lines and
/// order aside: those of `b` alone, then those of `a` alone.
pub(crate) fn distance(a: &[u8], b: &[u8]) -> (usize, usize) {
    let mut count: HashMap<&[u8], isize> = HashMap::new();
    for (text, step) in [(a, -1), (b, 1)] {
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            *count.entry(line).or_default() += step;
        }
    }
    let sum = |sign: isize| count.values().map(|n| (n * sign).max(0)).sum::<isize>().unsigned_abs();
    (sum(1), sum(-1))
}

/// How many lines a text has, empty ones aside.
pub(crate) fn line_count(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
}

/// The lines of `whole` that `text` lacks, in their order, blank lines aside.
pub(crate) fn swallowed(whole: &[u8], text: &[u8]) -> Vec<Vec<u8>> {
    let mut count: HashMap<&[u8], usize> = HashMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        *count.entry(line).or_default() += 1;
    }
    whole
        .split(|byte| *byte == b'\n')
        .filter(|line| match count.get_mut(line) {
            Some(left @ 1..) => {
                *left -= 1;
                false
            }
            _ => !line.trim_ascii().is_empty(),
        })
        .map(<[u8]>::to_vec)
        .collect()
}
