//! The regions of a merge: what one side or both changed.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use super::diff::{BLANK, Edit, Shared, Stretch, intern, stretches, without_blanks};
use super::lines::Lines;
use super::moved::Rewritten;
use super::refine::Texts;
use super::{Region, Resolution, entry, moved, numbered, pair, retrace, spacing};

/// Cuts the three texts into regions and resolves those that both changed.
///
/// Says too whether any of it might be a guess: a region had to be looked into,
/// or lines repeat where something changed.
pub(super) fn regions<'a>(
    base: &Lines<'a>,
    ours: &Lines<'a>,
    theirs: &Lines<'a>,
    markdown: bool,
) -> (Vec<Region<'a>>, bool) {
    let cut = Cut::new([base, ours, theirs]);
    let rewritten = if markdown { cut.without_moves() } else { None };
    let (mut regions, mut is_doubtful) = if let Some([ours, theirs]) = rewritten {
        let (mut regions, _) = Cut::new([base, &ours.lines, &theirs.lines]).regions(markdown);
        retrace::retrace(&mut regions, cut.texts, &ours, &theirs);
        (regions, true)
    } else {
        cut.regions(markdown)
    };
    if is_doubtful {
        spacing::settle(&mut regions, cut.texts);
    }
    if markdown && !cut.by_ours.is_empty() && !cut.by_theirs.is_empty() {
        is_doubtful |= numbered::renumber(&mut regions, cut.texts);
    }
    (regions, is_doubtful)
}

/// Whether a merge took a cheaper way than it would with smaller texts: compared by
/// pieces, or with a conflict that was not looked into line by line.
pub(super) fn is_coarse(texts: [&Lines<'_>; 3], regions: &[Region<'_>]) -> bool {
    let is_large = |region: &Region<'_>| {
        let columns = region.ours.len().max(region.theirs.len());
        region.resolution == Resolution::Conflict && pair::is_too_large(region.base.len(), columns)
    };
    regions.iter().any(is_large) || {
        let Cut { shared, ids, .. } = Cut::new(texts);
        shared.is_coarse(&ids, 1) || shared.is_coarse(&ids, 2)
    }
}

/// The three texts, in the order base, ours, theirs, and what the sides changed.
struct Cut<'s, 'a> {
    texts: [&'s Lines<'a>; 3],
    shared: Shared,
    ids: [Vec<u32>; 3],
    by_ours: Vec<Edit>,
    by_theirs: Vec<Edit>,
}

impl<'s, 'a> Cut<'s, 'a> {
    fn new(texts: [&'s Lines<'a>; 3]) -> Cut<'s, 'a> {
        let lines = texts.map(|text| &*text.lines);
        let shared = Shared::new(lines);
        let ids = intern([&texts[0].lines, &texts[1].lines, &texts[2].lines], &shared);
        let (by_ours, by_theirs) = (shared.diff(&ids, 0, 1), shared.diff(&ids, 0, 2));
        Cut { texts, shared, ids, by_ours, by_theirs }
    }

    /// Ours and theirs as they would be if nothing had been moved.
    fn without_moves(&self) -> Option<[Rewritten<'a>; 2]> {
        let edits = [&*self.by_ours, &*self.by_theirs];
        let ids = [0, 1, 2].map(|n| &*self.ids[n]);
        if edits.iter().any(|edits| edits.is_empty()) || !moved::are_possible(ids, edits) {
            return None;
        }
        let marks = self.texts.map(|text| entry::mark(&text.lines, true));
        let texts =
            [0, 1, 2].map(|n| moved::Text { lines: self.texts[n], ids: ids[n], marks: &marks[n] });
        moved::rewrite(&texts, edits, |three| {
            let [base, ours, theirs] = three.map(|lines| self.texts[0].with(lines));
            let (regions, _) = Cut::new([&base, &ours, &theirs]).regions(true);
            merged(&regions, &ours, &theirs)
        })
    }

    /// Whether a side took or added a blank line: which of several it is, is a guess.
    fn touches_blanks(&self) -> bool {
        let is_blank = |n: usize, range: &Range<usize>| {
            self.texts[n].slice(range).iter().any(|line| line.trim_ascii().is_empty())
        };
        [(1, &self.by_ours), (2, &self.by_theirs)].into_iter().any(|(n, edits)| {
            edits.iter().any(|edit| is_blank(0, &edit.base) || is_blank(n, &edit.side))
        })
    }

    fn regions(&self, markdown: bool) -> (Vec<Region<'a>>, bool) {
        let Cut { texts: lines, shared, ids, by_ours, by_theirs } = self;
        // A side that holds all that the other changed is the result.
        let held = if by_ours.is_empty() || by_theirs.is_empty() {
            None
        } else if holds(ids, shared, [by_ours, by_theirs], [1, 2]) {
            Some(Resolution::Theirs)
        } else {
            holds(ids, shared, [by_theirs, by_ours], [2, 1]).then_some(Resolution::Ours)
        };
        // Only a region that both sides changed needs to know what its lines are.
        let mut known = None;

        let mut regions = Vec::new();
        // Where the next region begins in base, ours and theirs.
        let mut at = [0, 0, 0];
        for Stretch { base, sides: [ours, theirs], changed } in stretches(by_ours, by_theirs) {
            unchanged(&mut regions, at, base.start - at[0]);
            at = [base.end, ours.end, theirs.end];
            let resolution = match (changed, &held) {
                ([true, true], _) if ids[1][ours.clone()] == ids[2][theirs.clone()] => {
                    Resolution::Same
                }
                (_, Some(held)) => held.clone(),
                ([true, false], _) => Resolution::Ours,
                ([false, true], _) => Resolution::Theirs,
                _ => Resolution::Conflict,
            };
            let is_conflict = resolution == Resolution::Conflict;
            let region = Region { base, ours, theirs, resolution, place: None };
            if is_conflict {
                let (marks, loose) = known.get_or_insert_with(|| {
                    let texts = self.texts;
                    let marks = texts.map(|text| entry::mark(&text.lines, markdown));
                    if !markdown {
                        return (marks, ids.clone());
                    }
                    let black = texts.map(|text| {
                        text.lines.iter().map(|line| without_blanks(line)).collect::<Vec<_>>()
                    });
                    (marks, intern([&black[0], &black[1], &black[2]], shared))
                });
                let texts = Texts {
                    base: lines[0].side(&ids[0], &loose[0], &marks[0]),
                    ours: lines[1].side(&ids[1], &loose[1], &marks[1]),
                    theirs: lines[2].side(&ids[2], &loose[2], &marks[2]),
                };
                regions.extend(texts.refine(region, markdown));
            } else {
                regions.push(region);
            }
        }
        unchanged(&mut regions, at, lines[0].len() - at[0]);
        let is_doubtful = known.is_some()
            || !by_ours.is_empty() && !by_theirs.is_empty() && self.touches_blanks()
            || held.is_none() && repeats(&regions, ids, self.texts);
        (regions, is_doubtful)
    }
}

/// The merged lines, if there is no conflict and no line that neither side wrote.
fn merged<'a>(
    regions: &[Region<'a>],
    ours: &Lines<'a>,
    theirs: &Lines<'a>,
) -> Option<Vec<&'a [u8]>> {
    let mut out = Vec::new();
    for region in regions {
        match &region.resolution {
            Resolution::Conflict => return None,
            Resolution::Ours => out.extend_from_slice(ours.slice(&region.ours)),
            Resolution::Merged(_, lines) => {
                for line in lines {
                    let Cow::Borrowed(line) = line else { return None };
                    out.push(line);
                }
            }
            _ => out.extend_from_slice(theirs.slice(&region.theirs)),
        }
    }
    Some(out)
}

/// Whether a line that was touched repeats, or was touched in several places.
fn repeats(regions: &[Region<'_>], ids: &[Vec<u32>; 3], texts: [&Lines<'_>; 3]) -> bool {
    let most = ids.iter().flatten().filter(|id| **id != u32::MAX).max();
    // The region that touched a line.
    let mut touched = vec![usize::MAX; most.map_or(0, |id| *id as usize + 1)];
    for (number, region) in regions.iter().enumerate() {
        if region.resolution == Resolution::Unchanged {
            continue;
        }
        for (n, range) in [&region.base, &region.ours, &region.theirs].into_iter().enumerate() {
            for line in range.clone() {
                let before = std::mem::replace(&mut touched[ids[n][line] as usize], number);
                let is_blank = || texts[n].lines[line].trim_ascii().is_empty();
                if ![usize::MAX, number].contains(&before) && !is_blank() {
                    return true;
                }
            }
        }
    }
    let mut seen = vec![0; touched.len()];
    (1..).zip(ids).zip(texts).any(|((n, ids), text)| {
        ids.iter().zip(&text.lines).any(|(id, line)| {
            touched.get(*id as usize).is_some_and(|region| *region != usize::MAX)
                && std::mem::replace(&mut seen[*id as usize], n) == n
                && !line.trim_ascii().is_empty()
        })
    })
}

/// Whether the `outer` side holds everything that the `inner` one changed: the
/// inner was merged into it before, or both did the same and the outer more.
///
/// Aligning each side with base alone cannot see that where lines repeat.
fn holds(
    ids: &[Vec<u32>; 3],
    shared: &Shared,
    [edits, outer_edits]: [&[Edit]; 2],
    [inner, outer]: [usize; 2],
) -> bool {
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
        // Blank lines are never closed up by a merge.
        _ if id < BLANK.len() => outer_count[id] >= inner_count[id],
        Ordering::Equal => true,
        Ordering::Greater => outer_count[id] >= inner_count[id],
        Ordering::Less => outer_count[id] <= inner_count[id],
    });
    if !counts_fit {
        return false;
    }
    // Counts do not tell what was moved: the outer side must have moved it too.
    let once = |id: u32| {
        let id = id as usize;
        id >= BLANK.len() && [base[id], inner_count[id], outer_count[id]] == [1; 3]
    };
    let moves = |edits: &[Edit], side: usize| {
        let mut was_deleted = vec![false; most];
        for id in edits.iter().flat_map(|edit| &ids[0][edit.base.clone()]) {
            was_deleted[*id as usize] = once(*id);
        }
        let mut inserts = edits.iter().flat_map(|edit| &ids[side][edit.side.clone()]);
        inserts.any(|id| was_deleted[*id as usize])
    };
    if moves(edits, inner) && !moves(outer_edits, outer) {
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
            // Something else in place of what was deleted is a change against a
            // deletion, not the deletion and more.
            let back = || {
                let inserted = &ids[outer][more.side.clone()];
                edit.side.is_empty() && !inserted.is_empty()
                    || inserted.iter().any(|id| deleted.contains(id))
            };
            !(removes || inserts_here && back())
        })
    })
}

/// Appends so many lines that nobody changed.
pub(super) fn unchanged(regions: &mut Vec<Region<'_>>, at: [usize; 3], lines: usize) {
    if lines > 0 {
        let [base, ours, theirs] = at.map(|at| at..at + lines);
        regions.push(Region { base, ours, theirs, resolution: Resolution::Unchanged, place: None });
    }
}
