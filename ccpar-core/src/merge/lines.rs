//! Texts as lines, the regions that two sides changed, and what is decided by
//! lines alone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::entry::{self, Mark};
use super::refine::{Side, Texts};
use super::{Region, Resolution};

/// A text as its lines, without their newlines.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
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
        Lines { lines, newline_at_end }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    fn side<'s>(&'s self, ids: &'s [u32], loose: &'s [u32], marks: &'s [Mark<'a>]) -> Side<'s, 'a> {
        Side { lines: &self.lines, ids, loose, marks }
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
/// Like xdiff, changes that merely touch belong to one region: no unchanged
/// line of base stands between them.
pub(super) fn regions<'a>(
    base: &Lines<'a>,
    ours: &Lines<'a>,
    theirs: &Lines<'a>,
    markdown: bool,
) -> Vec<Region<'a>> {
    let ids = intern([&base.lines, &ours.lines, &theirs.lines]);
    let (by_ours, by_theirs) = (diff(&ids[0], &ids[1]), diff(&ids[0], &ids[2]));
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
                (marks, intern([&black[0], &black[1], &black[2]]))
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
    regions
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

/// Numbers lines so that equal lines have equal numbers.
fn intern<L: AsRef<[u8]>>(texts: [&Vec<L>; 3]) -> [Vec<u32>; 3] {
    let mut ids: HashMap<&[u8], u32> = HashMap::new();
    texts.map(|lines| {
        lines
            .iter()
            .map(|line| {
                let next = u32::try_from(ids.len()).expect("a text has under 2^32 lines");
                match ids.entry(line.as_ref()) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => *new.insert(next),
                }
            })
            .collect()
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
