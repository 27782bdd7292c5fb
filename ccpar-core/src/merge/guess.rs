//! What a merge that only guessed would get silently wrong.

use std::collections::HashMap;

use super::lines::Lines;
use super::{Merge, Region, Resolution};

/// Where a line repeats, or moves, it may be a guess which place a side meant. A
/// merge that would come out otherwise when it is tried again on its own result,
/// or in which a line stands more often than both sides together have added it,
/// was such a guess: the regions in question become one conflict.
pub(super) fn without_guesses(mut merge: Merge<'_>, markdown: bool) -> Merge<'_> {
    if !merge.doubtful || !merge.is_clean() {
        return merge;
    }
    let touched = Touched::new(&merge);
    let base = merge.base.text;
    let clean = |ours: &[u8], theirs: &[u8]| {
        let again = Merge::unchecked(base, ours, theirs, markdown);
        again.is_clean().then(|| again.keep_theirs())
    };
    let is_sure = |merge: &Merge<'_>| {
        let merged = merge.keep_theirs();
        merge.is_clean() && Touched::new(merge).stand_as_added(&merged) && {
            let sides = [merge.ours.text, merge.theirs.text];
            sides.into_iter().all(|side| {
                [clean(side, &merged), clean(&merged, side)]
                    .iter()
                    .flatten()
                    .filter(|again| black(again).eq(black(&merged)))
                    .count()
                    == 2
            })
        }
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
        place: None,
    };
    merge.regions.splice(first..=last, [conflict]);
    merge
}

/// Nobody can tell one blank line from another.
fn black(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
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
