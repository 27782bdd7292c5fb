//! Entries and sections that a side moved.
//!
//! Lines know only deleted and inserted, so that what one side moved and the other
//! edited looks like a deletion against a change, and what both moved stands twice.
//! Before the lines are merged, a moved entry, row or section is therefore merged
//! by itself and put where it was moved to: the side that moved it gets the other's
//! edit, and the other side looks as if it had left it alone. What one side moved
//! and the other deleted is deleted; what both moved, or both added to one list,
//! stands once, where theirs has it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::diff::{BLANK, Edit};
use super::entry::{Kind, Mark};
use super::lines::Lines;

/// What one of the three texts looks like for the merge of the lines.
pub(super) struct Rewritten<'a> {
    pub(super) lines: Lines<'a>,
    /// What was put in place of what, in order.
    pub(super) blocks: Vec<Block>,
}

/// Lines of a text that were replaced.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) original: Range<usize>,
    pub(super) rewritten: Range<usize>,
}

/// One text with all that is asked of it here.
pub(super) struct Text<'s, 'a> {
    pub(super) lines: &'s Lines<'a>,
    pub(super) ids: &'s [u32],
    pub(super) marks: &'s [Mark<'a>],
}

impl Text<'_, '_> {
    /// The lines of the entry, row or section that begins at a line, without the
    /// blank lines after it.
    fn unit(&self, start: usize) -> Range<usize> {
        let indent = |line: usize| {
            self.lines.lines[line].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
        };
        let holds = |line: usize| match (self.marks[start].kind, self.marks[line].kind) {
            (Kind::Heading(level), Kind::Heading(other)) => other > level,
            (Kind::Heading(_), _) | (_, Kind::Blank) => true,
            (Kind::Item(at), Kind::Item(other)) => other > at,
            (Kind::Item(at), Kind::Text | Kind::Row) => indent(line) > at,
            _ => false,
        };
        let mut end = start + 1;
        let mut next = end;
        while next < self.marks.len() && holds(next) {
            next += 1;
            if self.marks[next - 1].kind != Kind::Blank {
                end = next;
            }
        }
        start..end
    }

    fn ids(&self, range: &Range<usize>) -> &[u32] {
        &self.ids[range.clone()]
    }
}

/// The heading and the entry that each line stands under.
fn parents<'a>(text: &Text<'_, 'a>) -> Vec<[Option<&'a [u8]>; 2]> {
    let mut heading = None;
    let mut entries: Vec<(usize, &'a [u8])> = Vec::new();
    let parents = text.lines.lines.iter().zip(text.marks).map(|(line, mark)| {
        let depth = if let Kind::Item(at) = mark.kind { at } else { usize::MAX };
        while entries.last().is_some_and(|(at, _)| *at >= depth) {
            entries.pop();
        }
        let parents = [heading, entries.last().map(|(_, entry)| *entry)];
        match mark.kind {
            Kind::Heading(_) => {
                heading = Some(*line);
                entries.clear();
            }
            Kind::Item(at) => entries.push((at, line)),
            _ => {}
        }
        parents
    });
    parents.collect()
}

/// Where each thing that can be moved stands, if it stands once: by its line, and
/// by its key.
struct Places<'a> {
    by_id: HashMap<u32, Option<usize>>,
    by_key: HashMap<(u8, &'a [u8]), Option<usize>>,
}

impl<'a> Places<'a> {
    fn new(text: &Text<'_, 'a>) -> Places<'a> {
        let mut places = Places { by_id: HashMap::new(), by_key: HashMap::new() };
        for (line, mark) in text.marks.iter().enumerate() {
            let Some(key) = key(*mark) else { continue };
            let once = |place: &mut Option<usize>| *place = None;
            places.by_id.entry(text.ids[line]).and_modify(once).or_insert(Some(line));
            places.by_key.entry(key).and_modify(once).or_insert(Some(line));
        }
        places
    }

    fn of(&self, id: u32, mark: Mark<'a>) -> Option<usize> {
        self.by_id.get(&id).copied().flatten().or_else(|| self.by_key(mark))
    }

    fn by_key(&self, mark: Mark<'a>) -> Option<usize> {
        let key = key(mark).filter(|(_, key)| !key.is_empty())?;
        self.by_key.get(&key).copied().flatten()
    }
}

fn key(mark: Mark<'_>) -> Option<(u8, &[u8])> {
    match mark.kind {
        Kind::Heading(level) => Some((u8::try_from(level).unwrap_or(u8::MAX), mark.key)),
        Kind::Item(_) => Some((10, mark.key)),
        Kind::Row => Some((11, mark.key)),
        _ => None,
    }
}

/// Which lines of a text were deleted, or inserted.
fn touched(len: usize, ranges: impl Iterator<Item = Range<usize>>) -> Vec<bool> {
    let mut touched = vec![false; len];
    for range in ranges {
        touched[range].fill(true);
    }
    touched
}

/// A replacement: in ours or theirs, of these lines, by those.
type Replacement<'a> = (usize, Range<usize>, Vec<&'a [u8]>);

/// Rewrites ours and theirs so that moves need no care; `None` if there is none.
///
/// `merge` merges one moved thing by itself: base, ours and theirs of it; `None` is
/// a conflict, and the move is left to the lines.
pub(super) fn rewrite<'a>(
    texts: &[Text<'_, 'a>; 3],
    edits: [&[Edit]; 2],
    merge: impl Fn([Vec<&'a [u8]>; 3]) -> Option<Vec<&'a [u8]>>,
) -> Option<[Rewritten<'a>; 2]> {
    let mut moves = Moves::new(texts, edits);
    let mut next = 0;
    for line in 0..texts[0].ids.len() {
        if line >= next
            && let Some(unit) = moves.follow(line, &merge)
        {
            next = unit.end;
        }
    }
    moves.take_once();
    let Moves { mut replacements, .. } = moves;
    if replacements.is_empty() {
        return None;
    }
    replacements.sort_by_key(|(side, range, _)| (*side, range.start));
    Some([0, 1].map(|side| {
        let mine = replacements.iter().filter(|(of, ..)| *of == side);
        apply(texts[side + 1].lines, mine.map(|(_, range, by)| (range, by)))
    }))
}

/// What is known of the moves, and what is to be replaced for them.
struct Moves<'t, 's, 'a> {
    texts: &'t [Text<'s, 'a>; 3],
    edits: [&'t [Edit]; 2],
    places: [Places<'a>; 3],
    /// The lines of base that ours and theirs deleted, and their lines that they
    /// inserted.
    deleted: [Vec<bool>; 2],
    inserted: [Vec<bool>; 2],
    /// The lines of ours and theirs that belong to something that was looked at.
    taken: [Vec<bool>; 2],
    replacements: Vec<Replacement<'a>>,
}

impl<'t, 's, 'a> Moves<'t, 's, 'a> {
    fn new(texts: &'t [Text<'s, 'a>; 3], edits: [&'t [Edit]; 2]) -> Moves<'t, 's, 'a> {
        let len = texts[0].ids.len();
        let inserted = [0, 1].map(|side| {
            let ranges = edits[side].iter().map(|edit| edit.side.clone());
            touched(texts[side + 1].ids.len(), ranges)
        });
        Moves {
            texts,
            edits,
            places: [0, 1, 2].map(|n| Places::new(&texts[n])),
            deleted: edits.map(|edits| touched(len, edits.iter().map(|edit| edit.base.clone()))),
            inserted,
            taken: [1, 2].map(|n| vec![false; texts[n].ids.len()]),
            replacements: Vec::new(),
        }
    }

    /// Takes lines of a side, if none of them was taken before.
    fn take(&mut self, side: usize, range: &Range<usize>) -> bool {
        let taken = &mut self.taken[side][range.clone()];
        let is_free = !taken.contains(&true);
        taken.fill(true);
        is_free
    }

    fn slice(&self, n: usize, range: &Range<usize>) -> Vec<&'a [u8]> {
        self.texts[n].lines.slice(range).to_vec()
    }

    /// Whether a side changed anything within these lines of base.
    fn is_touched(&self, side: usize, unit: &Range<usize>) -> bool {
        let edits = self.edits[side];
        let next = edits.partition_point(|edit| edit.base.end <= unit.start);
        self.deleted[side][unit.clone()].contains(&true)
            || edits.get(next).is_some_and(|edit| edit.base.start < unit.end)
    }

    /// Follows what stands at a line of base, if a side moved it and the other did
    /// something to it: the lines of base that are done with.
    fn follow(
        &mut self,
        line: usize,
        merge: impl Fn([Vec<&'a [u8]>; 3]) -> Option<Vec<&'a [u8]>>,
    ) -> Option<Range<usize>> {
        let (mark, id) = (self.texts[0].marks[line], self.texts[0].ids[line]);
        key(mark).filter(|_| self.deleted[0][line] || self.deleted[1][line])?;
        if self.places[0].of(id, mark) != Some(line) {
            return None;
        }
        let unit = self.texts[0].unit(line);
        // What several have in base tells nothing of which of them is left.
        let by_key = self.places[0].by_key(mark) == Some(line);
        let units = [0, 1].map(|side| {
            let places = &self.places[side + 1];
            let place = places
                .of(id, mark)
                .filter(|place| by_key || self.texts[side + 1].ids[*place] == id)?;
            Some(self.texts[side + 1].unit(place))
        });
        let has_moved = [0, 1].map(|side| {
            let base = (&self.texts[0], &unit, &*self.deleted[side]);
            self.deleted[side][line]
                && units[side].as_ref().is_some_and(|moved| {
                    is_elsewhere(self.edits[side], line, moved.start)
                        && is_whole(base, (&self.texts[side + 1], moved, &self.inserted[side]))
                })
        });
        match (has_moved, units) {
            ([true, true], [Some(ours), Some(theirs)]) => {
                // Both moved it alike, which the lines see as well.
                let is_same = self.texts[1].ids(&ours) == self.texts[2].ids(&theirs)
                    && is_one_place(self.edits, ours.start, theirs.start);
                if is_same || !(self.take(0, &ours) && self.take(1, &theirs)) {
                    return None;
                }
                let three = [self.slice(0, &unit), self.slice(1, &ours), self.slice(2, &theirs)];
                let merged = merge(three)?;
                self.replacements.push((0, ours, Vec::new()));
                self.replacements.push((1, theirs, merged));
            }
            ([true, false] | [false, true], units) => {
                let mover = usize::from(has_moved[1]);
                let other = 1 - mover;
                let [mine, yours] = [mover, other].map(|side| units[side].clone());
                let mine = mine?;
                let Some(yours) = yours else {
                    // Moved here and deleted there: it is gone.
                    let is_gone = self.texts[mover + 1].ids(&mine) == self.texts[0].ids(&unit)
                        && self.deleted[other][unit.clone()].iter().all(|deleted| *deleted);
                    if !is_gone || !self.take(mover, &mine) {
                        return None;
                    }
                    self.replacements.push((mover, mine, Vec::new()));
                    return Some(unit);
                };
                let is_mine = self.is_touched(other, &unit) && self.take(mover, &mine);
                if !is_mine || !self.take(other, &yours) {
                    return None;
                }
                let base = self.slice(0, &unit);
                let mut three = [base.clone(), Vec::new(), Vec::new()];
                three[mover + 1] = self.slice(mover + 1, &mine);
                three[other + 1] = self.slice(other + 1, &yours);
                let merged = merge(three)?;
                self.replacements.push((mover, mine, merged));
                self.replacements.push((other, yours, base));
            }
            _ => return None,
        }
        Some(unit)
    }

    /// Leaves one of the entries that both added to one list, each at another place.
    fn take_once(&mut self) {
        let texts = self.texts;
        let parents = [1, 2].map(|n| parents(&texts[n]));
        for (line, mark) in texts[1].marks.iter().enumerate() {
            let id = texts[1].ids[line];
            if !self.inserted[0][line]
                || !matches!(mark.kind, Kind::Item(_) | Kind::Row)
                || self.places[0].by_id.contains_key(&id)
            {
                continue;
            }
            let both = [1, 2].map(|n| self.places[n].by_id.get(&id).copied().flatten());
            let [Some(_), Some(place)] = both else { continue };
            let (ours, theirs) = (texts[1].unit(line), texts[2].unit(place));
            if !self.inserted[1][place]
                || texts[1].ids(&ours) != texts[2].ids(&theirs)
                || parents[0][line] != parents[1][place]
                || is_one_place(self.edits, line, place)
            {
                continue;
            }
            for (side, line, unit) in [(0, line, ours), (1, place, theirs)] {
                if is_list(&texts[side + 1], self.edits[side], line) && self.take(side, &unit) {
                    self.replacements.push((side, unit, Vec::new()));
                    break;
                }
            }
        }
    }
}

/// Whether a line of base and the one that it became belong to different edits.
fn is_elsewhere(edits: &[Edit], base: usize, side: usize) -> bool {
    let edit = &edits[edits.partition_point(|edit| edit.base.end <= base)..];
    edit.first().is_none_or(|edit| !edit.base.contains(&base) || !edit.side.contains(&side))
}

/// Whether both sides inserted these lines of theirs at one place of base.
fn is_one_place(edits: [&[Edit]; 2], ours: usize, theirs: usize) -> bool {
    let at = |side: usize, line: usize| {
        let edits = &edits[side][edits[side].partition_point(|edit| edit.side.end <= line)..];
        edits.first().map(|edit| edit.base.clone())
    };
    at(0, ours)
        .zip(at(1, theirs))
        .is_some_and(|(ours, theirs)| ours.start <= theirs.end && theirs.start <= ours.end)
}

/// Whether a line was inserted among entries alone: what else came with it belongs
/// to it, and stays where it is.
fn is_list(text: &Text<'_, '_>, edits: &[Edit], line: usize) -> bool {
    let edit = &edits[edits.partition_point(|edit| edit.side.end <= line)];
    let is_entry = |kind| matches!(kind, Kind::Item(_) | Kind::Row | Kind::Blank);
    text.marks[edit.side.clone()].iter().all(|mark| is_entry(mark.kind))
}

/// Whether a move is possible at all: a side deleted in one place what the other
/// touched, and inserted in another; or both inserted the same line.
pub(super) fn are_possible(ids: [&[u32]; 3], edits: [&[Edit]; 2]) -> bool {
    let most = ids.into_iter().flatten().filter(|id| **id != u32::MAX).max();
    let mut inserted = vec![false; most.map_or(0, |id| *id as usize + 1)];
    let inserts =
        |side: usize| edits[side].iter().flat_map(move |edit| &ids[side + 1][edit.side.clone()]);
    for id in inserts(0).filter(|id| **id as usize >= BLANK.len()) {
        inserted[*id as usize] = true;
    }
    inserts(1).any(|id| inserted[*id as usize])
        || [(0, 1), (1, 0)].into_iter().any(|(mover, other)| {
            let mut others = edits[other].iter().peekable();
            let inserts = edits[mover].iter().filter(|edit| !edit.side.is_empty()).count();
            edits[mover].iter().filter(|edit| !edit.base.is_empty()).any(|edit| {
                while others.next_if(|other| other.base.end < edit.base.start).is_some() {}
                others.peek().is_some_and(|other| other.base.start <= edit.base.end)
                    && inserts > usize::from(!edit.side.is_empty())
            })
        })
}

/// Whether a thing moved as a whole: most of it, word for word, and the sides' lines
/// all deleted there and inserted here.
fn is_whole(
    (base, unit, deleted): (&Text<'_, '_>, &Range<usize>, &[bool]),
    (side, moved, inserted): (&Text<'_, '_>, &Range<usize>, &[bool]),
) -> bool {
    let is_black = |text: &Text<'_, '_>, line: usize| text.marks[line].kind != Kind::Blank;
    let there: HashSet<u32> = side.ids(moved).iter().copied().collect();
    let black = unit.clone().filter(|line| is_black(base, *line));
    let (same, all) = black.fold((0, 0), |(same, all), line| {
        (same + usize::from(there.contains(&base.ids[line])), all + 1)
    });
    let is_heading = matches!(base.marks[unit.start].kind, Kind::Heading(_));
    (unit.len() == 1 && !is_heading || unit.len() > 1 && 2 * same > all)
        && unit.clone().all(|line| deleted[line] || !is_black(base, line))
        && moved.clone().all(|line| inserted[line] || !is_black(side, line))
}

fn apply<'s, 'a: 's>(
    lines: &Lines<'a>,
    replacements: impl Iterator<Item = (&'s Range<usize>, &'s Vec<&'a [u8]>)>,
) -> Rewritten<'a> {
    let mut out = Vec::with_capacity(lines.len());
    let mut blocks = Vec::new();
    let mut at = 0;
    for (range, by) in replacements {
        out.extend_from_slice(&lines.lines[at..range.start]);
        let start = out.len();
        out.extend_from_slice(by);
        blocks.push(Block { original: range.clone(), rewritten: start..out.len() });
        at = range.end;
    }
    out.extend_from_slice(&lines.lines[at..]);
    Rewritten { lines: lines.with(out), blocks }
}
