//! A region that both sides changed, taken apart line by line.
//!
//! Each line of base is paired with what each side made of it: the same line,
//! the same entry in other words, or a line much like it. A line that both
//! sides kept, in whatever words, is an anchor; what stands between two anchors
//! was added, or deleted, or rewritten. So two sides that worked on
//! neighbouring lines do not meet, and a conflict is as small as the lines that
//! both really changed.

use std::borrow::Cow;
use std::ops::Range;

use super::added;
use super::entry::{Kind, label, sort_key};
use super::pair::{Pairs, pair};
use super::side::Side;
use super::{Region, Resolution, Rule};
use super::{numbered, words};

/// How many neighbours on each side tell whether a list is sorted.
const NEIGHBOURS: usize = 12;

/// The three texts, in the order base, ours, theirs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'s, 'a> {
    pub(super) base: Side<'s, 'a>,
    pub(super) ours: Side<'s, 'a>,
    pub(super) theirs: Side<'s, 'a>,
}

/// Three ranges, in the order base, ours, theirs.
#[derive(Debug, Clone)]
struct Ranges {
    base: Range<usize>,
    ours: Range<usize>,
    theirs: Range<usize>,
}

impl Ranges {
    fn region<'a>(&self, resolution: Resolution<'a>) -> Region<'a> {
        Region {
            base: self.base.clone(),
            ours: self.ours.clone(),
            theirs: self.theirs.clone(),
            resolution,
            place: None,
        }
    }
}

impl<'a> Texts<'_, 'a> {
    /// Resolves a region that both sides changed, as far as it can be.
    /// Lines of plain text are not paired: in a program or a configuration two
    /// edits of neighbouring lines may well contradict each other.
    pub(super) fn refine(&self, region: Region<'a>, paired: bool) -> Vec<Region<'a>> {
        let all = Ranges { base: region.base, ours: region.ours, theirs: region.theirs };
        if !paired || self.base.all_blank(&all.base) {
            return vec![self.segment(&all, None, paired)];
        }
        let Some((by_ours, by_theirs)) = pair(&self.base, &all.base, &self.ours, &all.ours)
            .zip(pair(&self.base, &all.base, &self.theirs, &all.theirs))
        else {
            return vec![self.segment(&all, None, paired)];
        };
        let pairs = |at: &Ranges| {
            let within = at.base.start - all.base.start..at.base.end - all.base.start;
            Some((&by_ours[within.clone()], &by_theirs[within]))
        };
        let mut out = Vec::new();
        let mut at = Ranges {
            base: all.base.start..all.base.start,
            ours: all.ours.start..all.ours.start,
            theirs: all.theirs.start..all.theirs.start,
        };
        for (index, line) in all.base.clone().enumerate() {
            let (Some(o), Some(t)) = (by_ours[index], by_theirs[index]) else { continue };
            at = Ranges { base: at.base.end..line, ours: at.ours.end..o, theirs: at.theirs.end..t };
            out.push(self.segment(&at, pairs(&at), paired));
            at = Ranges { base: line..line + 1, ours: o..o + 1, theirs: t..t + 1 };
            out.push(at.region(self.line(&all, line, o, t)));
        }
        at = Ranges {
            base: at.base.end..all.base.end,
            ours: at.ours.end..all.ours.end,
            theirs: at.theirs.end..all.theirs.end,
        };
        out.push(self.segment(&at, pairs(&at), paired));
        coalesce(out)
    }

    /// A line that both sides kept, in whatever words.
    fn line(&self, all: &Ranges, base: usize, ours: usize, theirs: usize) -> Resolution<'a> {
        let ids = [self.base.ids[base], self.ours.ids[ours], self.theirs.ids[theirs]];
        match ids {
            [b, o, t] if b == o && o == t => Resolution::Unchanged,
            [_, o, t] if o == t => Resolution::Same,
            [b, o, _] if b == o => Resolution::Theirs,
            [b, _, t] if b == t => Resolution::Ours,
            _ => {
                let (b, o, t) =
                    (self.base.lines[base], self.ours.lines[ours], self.theirs.lines[theirs]);
                let mark = self.base.marks[base];
                if mark.kind == Kind::Field
                    && mark.is_same_thing(self.ours.marks[ours])
                    && mark.is_same_thing(self.theirs.marks[theirs])
                    && let Some(line) = stamp(self.base.marks[base].key, o, t)
                {
                    return Resolution::Merged(Rule::Stamp, vec![Cow::Borrowed(line)]);
                }
                let [loose_b, loose_o, loose_t] =
                    [self.base.loose[base], self.ours.loose[ours], self.theirs.loose[theirs]];
                if let Some(line) = numbered::merge(b, o, t) {
                    return Resolution::Merged(Rule::Numbered, vec![Cow::Owned(line)]);
                }
                let merged = words::merge(b, o, t);
                if loose_b != loose_o && loose_b != loose_t && loose_o != loose_t {
                    // Two wordings are never mixed: the text would be nobody's.
                    let held = [t, o].into_iter().find(|side| merged.as_deref() == Some(side));
                    return match held.filter(|_| self.is_one_thing(all, ours, theirs)) {
                        Some(side) => Resolution::Merged(Rule::Held, vec![Cow::Borrowed(side)]),
                        None => Resolution::Conflict,
                    };
                }
                match merged {
                    Some(line) => Resolution::Merged(Rule::Words, vec![Cow::Owned(line)]),
                    None if loose_b == loose_t => Resolution::Ours,
                    None => Resolution::Theirs,
                }
            }
        }
    }

    /// Whether a line of ours and one of theirs are one thing in two wordings. Two
    /// entries are that if they have one key and one label, and no other has the key:
    /// that both are much like one of base, or link where it does, may be chance, and
    /// then one of them would be gone.
    fn is_one_thing(&self, all: &Ranges, ours: usize, theirs: usize) -> bool {
        let (one, two) = (self.ours.marks[ours], self.theirs.marks[theirs]);
        let is_named =
            |side: &Side<'_, '_>, line: usize| side.marks[line].is_named(side.lines[line]);
        if !is_named(&self.ours, ours) && !is_named(&self.theirs, theirs) {
            return true;
        }
        one.is_same_thing(two)
            && label(self.ours.lines[ours]) == label(self.theirs.lines[theirs])
            && [(&self.base, &all.base), (&self.ours, &all.ours), (&self.theirs, &all.theirs)]
                .into_iter()
                .all(|(side, range)| {
                    side.marks[range.clone()].iter().filter(|mark| mark.is_same_thing(one)).count()
                        <= 1
                })
    }

    /// What stands between two anchors.
    fn segment(&self, at: &Ranges, pairs: Option<(&Pairs, &Pairs)>, paired: bool) -> Region<'a> {
        let [b, o, t] = [
            &self.base.ids[at.base.clone()],
            &self.ours.ids[at.ours.clone()],
            &self.theirs.ids[at.theirs.clone()],
        ];
        let resolution = if o == t {
            if b == o { Resolution::Unchanged } else { Resolution::Same }
        } else if b == o {
            Resolution::Theirs
        } else if b == t {
            Resolution::Ours
        } else if self
            .ours
            .ids_without_blanks(&at.ours)
            .eq(self.theirs.ids_without_blanks(&at.theirs))
        {
            // They differ in blank lines alone: whichever side is called theirs, it
            // is the same outcome.
            if at.ours.len() > at.theirs.len() { Resolution::Ours } else { Resolution::Theirs }
        } else if self.base.all_blank(&at.base) {
            self.both_added(at, paired)
        } else if let Some(resolution) = self.same_and_more(at) {
            resolution
        } else if let Some((by_ours, by_theirs)) = pairs {
            let loose = |side: &Side<'_, '_>, range| self.base.loose(&at.base) == side.loose(range);
            if loose(&self.theirs, &at.theirs) {
                // A change of white space alone gives way to one of words.
                Resolution::Ours
            } else if loose(&self.ours, &at.ours) {
                Resolution::Theirs
            } else {
                let (ours, theirs) = ((&self.ours, &at.ours), (&self.theirs, &at.theirs));
                let (by_ours, by_theirs) =
                    ((ours.0, ours.1, by_ours), (theirs.0, theirs.1, by_theirs));
                // Where both only deleted, what is left differs in blank lines alone.
                let left = [(by_ours, by_theirs), (by_theirs, by_ours)]
                    .into_iter()
                    .filter_map(|(deleter, other)| self.without(&at.base, deleter, other))
                    .max_by_key(Vec::len);
                left.or_else(|| beside(b, ours.0, ours.1, theirs.0, theirs.1))
                    .or_else(|| beside(b, theirs.0, theirs.1, ours.0, ours.1))
                    .map_or(Resolution::Conflict, |lines| {
                        Resolution::Merged(Rule::Neighbours, lines)
                    })
            }
        } else {
            Resolution::Conflict
        };
        at.region(resolution)
    }

    /// One side's text holds the other's whole: it made the same change, and more.
    fn same_and_more(&self, at: &Ranges) -> Option<Resolution<'a>> {
        let (ours, theirs) = (self.ours.core(&at.ours), self.theirs.core(&at.theirs));
        let (o, t) = (&self.ours.ids[ours], &self.theirs.ids[theirs]);
        let base = &self.base.ids[self.base.core(&at.base)];
        let is_more = |outer: &[u32], inner: &[u32]| {
            !inner.is_empty()
                && holds(outer, inner)
                // What the one deleted, the other must not have left alone.
                && !base.iter().any(|id| outer.contains(id) && !inner.contains(id))
        };
        if is_more(t, o) {
            Some(held(&self.theirs, &at.theirs))
        } else {
            is_more(o, t).then(|| held(&self.ours, &at.ours))
        }
    }

    /// One side only deleted lines that the other left alone or deleted too:
    /// what is left of the other side.
    fn without(
        &self,
        base: &Range<usize>,
        (deleter, deleted, kept): (&Side<'_, 'a>, &Range<usize>, &Pairs),
        (other, range, pairs): (&Side<'_, 'a>, &Range<usize>, &Pairs),
    ) -> Option<Vec<Cow<'a, [u8]>>> {
        let mut added = deleted.clone().filter(|line| !kept.contains(&Some(*line)));
        if added.any(|line| !deleter.is_blank(line)) {
            return None;
        }
        let mut gone = Vec::new();
        for (line, (kept, pair)) in base.clone().zip(kept.iter().zip(pairs)) {
            match (kept, pair) {
                (None, Some(pair)) if other.ids[*pair] == self.base.ids[line] => gone.push(*pair),
                // It was deleted here and reworded there, or reworded here.
                (None, Some(_)) => return None,
                (Some(kept), _) if deleter.ids[*kept] != self.base.ids[line] => return None,
                _ => {}
            }
        }
        if other.has_orphan(range, &gone) {
            return None;
        }
        let left = range.clone().filter(|line| !gone.contains(line));
        Some(left.map(|line| Cow::Borrowed(other.lines[line])).collect())
    }

    /// Both sides added at one place: both are kept, theirs first, each block
    /// whole; a block that the other holds is taken once.
    fn both_added(&self, at: &Ranges, paired: bool) -> Resolution<'a> {
        let (ours, theirs) = (self.ours.core(&at.ours), self.theirs.core(&at.theirs));
        let (o, t) = (&self.ours.ids[ours.clone()], &self.theirs.ids[theirs.clone()]);
        if holds(t, o) {
            return held(&self.theirs, &at.theirs);
        }
        if holds(o, t) {
            return held(&self.ours, &at.ours);
        }
        // Before, between and behind the blocks as many blank lines as the side that has
        // most there: who added at the end of a list seldom meant to close the gap.
        let pick = |in_ours: Range<usize>, in_theirs: Range<usize>| -> Vec<Cow<'a, [u8]>> {
            if in_ours.len() > in_theirs.len() {
                self.ours.cow(in_ours).collect()
            } else {
                self.theirs.cow(in_theirs).collect()
            }
        };
        let blanks_before = pick(at.ours.start..ours.start, at.theirs.start..theirs.start);
        let blanks_after = pick(ours.end..at.ours.end, theirs.end..at.theirs.end);
        let between =
            if blanks_after.len() > blanks_before.len() { &blanks_after } else { &blanks_before };
        let (added, rule) = if paired {
            let is_sorted = self.is_sorted_around(at);
            let both = ((&self.ours, ours), (&self.theirs, theirs));
            let Some((lines, is_sorted)) = added::combine(both.0, both.1, between, is_sorted)
            else {
                return Resolution::Conflict;
            };
            (lines, if is_sorted { Rule::Sorted } else { Rule::BothAdded })
        } else {
            let (ours, theirs) = (self.ours.cow(ours), self.theirs.cow(theirs));
            (theirs.chain(between.iter().cloned()).chain(ours).collect(), Rule::BothAdded)
        };
        let lines = blanks_before.iter().cloned().chain(added).chain(blanks_after.iter().cloned());
        Resolution::Merged(rule, lines.collect())
    }

    /// Whether the list that both added to is sorted by and large: three of four
    /// neighbours stand in order.
    fn is_sorted_around(&self, at: &Ranges) -> bool {
        let is_entry =
            |line: &usize| matches!(self.base.marks[*line].kind, Kind::Item(_) | Kind::Row);
        let before = (0..at.base.start).rev().take_while(is_entry).take(NEIGHBOURS).count();
        let after =
            (at.base.end..self.base.lines.len()).take_while(is_entry).take(NEIGHBOURS).count();
        let keys: Vec<_> = (at.base.start - before..at.base.start)
            .chain(at.base.end..at.base.end + after)
            .map(|line| sort_key(self.base.lines[line]))
            .collect();
        let in_order = keys.windows(2).filter(|pair| pair[0] <= pair[1]).count();
        keys.len() >= 2 && 4 * in_order >= 3 * (keys.len() - 1)
    }
}

/// One side only added lines before or after those that the other rewrote or
/// deleted: they do not meet.
fn beside<'a>(
    base: &[u32],
    adder: &Side<'_, 'a>,
    added: &Range<usize>,
    other: &Side<'_, 'a>,
    rewritten: &Range<usize>,
) -> Option<Vec<Cow<'a, [u8]>>> {
    let ids = &adder.ids[added.clone()];
    let (before, after) = if let Some(before) = ids.strip_suffix(base) {
        (before.len(), 0)
    } else if let Some(after) = ids.strip_prefix(base) {
        (0, after.len())
    } else {
        return None;
    };
    let all: Vec<usize> = (added.start + before..added.end - after).collect();
    if other.all_blank(rewritten) && adder.has_orphan(added, &all) {
        return None;
    }
    // What the other side has there already is not added again.
    let there = &other.ids[rewritten.clone()];
    let before = if there.starts_with(&ids[..before]) { 0 } else { before };
    let after = if there.ends_with(&ids[ids.len() - after..]) { 0 } else { after };
    let lines = adder
        .cow(added.start..added.start + before)
        .chain(other.cow(rewritten.clone()))
        .chain(adder.cow(added.end - after..added.end));
    Some(lines.collect())
}

/// Fields that every write stamps anew, so that two sides nearly always differ
/// in them: of a time the later is taken, of an origin theirs.
pub(super) fn stamp<'a>(name: &[u8], ours: &'a [u8], theirs: &'a [u8]) -> Option<&'a [u8]> {
    match name {
        b"modified" | b"updated" | b"lastModified" | b"last_modified" => {
            // Times in ISO 8601 sort as they are written.
            Some(ours.max(theirs))
        }
        b"originSessionId" | b"node_type" => Some(theirs),
        _ => None,
    }
}

fn held<'a>(side: &Side<'_, 'a>, range: &Range<usize>) -> Resolution<'a> {
    Resolution::Merged(Rule::Held, side.cow(range.clone()).collect())
}

/// Whether one sequence stands in the other in one piece (Knuth, Morris and Pratt,
/// as lines repeat).
fn holds(outer: &[u32], inner: &[u32]) -> bool {
    if inner.is_empty() || inner.len() > outer.len() {
        return inner.is_empty();
    }
    // How much of inner is left where it stops to match.
    let mut left = vec![0; inner.len()];
    let step = |left: &[usize], mut matched: usize, id: u32| {
        while matched > 0 && (matched == inner.len() || inner[matched] != id) {
            matched = left[matched - 1];
        }
        matched + usize::from(inner[matched] == id)
    };
    for at in 1..inner.len() {
        left[at] = step(&left, left[at - 1], inner[at]);
    }
    let mut matched = 0;
    outer.iter().any(|id| {
        matched = step(&left, matched, *id);
        matched == inner.len()
    })
}

/// Drops regions of no line, and makes one conflict of several that touch.
pub(super) fn coalesce(regions: Vec<Region<'_>>) -> Vec<Region<'_>> {
    let mut out: Vec<Region<'_>> = Vec::with_capacity(regions.len());
    for region in regions {
        if region.base.is_empty() && region.ours.is_empty() && region.theirs.is_empty() {
            continue;
        }
        match out.last_mut() {
            Some(last)
                if last.resolution == Resolution::Conflict
                    && region.resolution == Resolution::Conflict =>
            {
                last.base.end = region.base.end;
                last.ours.end = region.ours.end;
                last.theirs.end = region.theirs.end;
            }
            _ => out.push(region),
        }
    }
    out
}
