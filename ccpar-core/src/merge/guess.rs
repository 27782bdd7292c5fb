//! What a merge that only guessed would get silently wrong.
//!
//! Where a line repeats, or moves, it may be a guess which place a side meant.
//! Two things give such a guess away: a line that stands more often than in the
//! side that has it most, and a merge that would come out otherwise when it is
//! tried again on its own result. The regions in question become conflicts.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::entry::{Kind, mark};
use super::lines::Lines;
use super::{Merge, Region, Resolution};

pub(super) fn without_guesses(mut merge: Merge<'_>, markdown: bool) -> Merge<'_> {
    if !merge.doubtful {
        return merge;
    }
    // Where each change is a conflict nothing was guessed.
    let is_open = |region: &Region<'_>| {
        matches!(region.resolution, Resolution::Unchanged | Resolution::Conflict)
    };
    if !markdown && merge.regions.iter().all(is_open) {
        return merge;
    }
    let merged = merge.keep_theirs();
    // A side that holds the other already is nobody's guess: a person wrote it.
    let sides = [merge.ours.text, merge.theirs.text];
    if merge.is_clean() && sides.contains(&&*merged) {
        return merge;
    }
    // Whichever side is called ours, it is the same conflict.
    let mirrored = Merge::unchecked(merge.base.text, merge.theirs.text, merge.ours.text, markdown);
    let mirrored_text = mirrored.keep_theirs();
    if mirrored.is_clean() && sides.contains(&&*mirrored_text) {
        return mirrored.swapped();
    }
    let mut surplus = surplus(&merge, &merged, markdown);
    surplus.extend(self::surplus(&mirrored, &mirrored_text, markdown));
    let texts = [&merge.base, &merge.ours, &merge.theirs];
    if !surplus.is_empty() {
        let is_doubtful = |region: &Region<'_>, sides: [&[&[u8]]; 3]| {
            region.resolution != Resolution::Same
                && sides.iter().any(|lines| lines.iter().any(|line| surplus.contains(line)))
        };
        doubt(&mut merge.regions, is_doubtful, &texts);
    }
    if !merge.is_clean()
        || is_stable(&merge, &merged, markdown) && is_stable(&mirrored, &mirrored_text, markdown)
    {
        return merge;
    }
    let repeated = repeated(&merge);
    doubt(
        &mut merge.regions,
        |region, sides| {
            matches!(region.resolution, Resolution::Merged(..))
                || sides.iter().any(|lines| lines.iter().any(|line| repeated.contains(line)))
        },
        &texts,
    );
    if merge.is_clean() {
        doubt(&mut merge.regions, |_, _| true, &texts);
    }
    merge
}

/// Whether the merge comes out the same when either side tries again on top of it.
fn is_stable(merge: &Merge<'_>, merged: &[u8], markdown: bool) -> bool {
    let [base, ours, theirs] = [&merge.base, &merge.ours, &merge.theirs].map(|text| text.text);
    merge.is_clean()
        && [(ours, merged), (merged, theirs)].into_iter().all(|(ours, theirs)| {
            let again = Merge::unchecked(base, ours, theirs, markdown);
            again.is_clean() && again.keep_theirs() == merged
        })
}

/// Makes a conflict of each changed region that is in doubt.
fn doubt<'a>(
    regions: &mut Vec<Region<'a>>,
    is_doubtful: impl Fn(&Region<'a>, [&[&'a [u8]]; 3]) -> bool,
    texts: &[&Lines<'a>; 3],
) {
    for region in regions.iter_mut() {
        let sides = [
            texts[0].slice(&region.base),
            texts[1].slice(&region.ours),
            texts[2].slice(&region.theirs),
        ];
        if region.resolution != Resolution::Unchanged && is_doubtful(region, sides) {
            region.resolution = Resolution::Conflict;
        }
    }
    *regions = super::refine::coalesce(std::mem::take(regions));
}

/// Says nothing by itself: a fence, a bracket, a rule.
fn says_nothing(line: &[u8]) -> bool {
    !line.iter().any(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80)
}

/// The lines that stand more often in the merge than in the side that has them
/// most, under one heading, though no two different blocks brought them.
fn surplus<'a>(merge: &Merge<'a>, merged: &'a [u8], markdown: bool) -> HashSet<&'a [u8]> {
    let merged = merge.base.like(merged);
    let texts = [&merge.base, &merge.ours, &merge.theirs, &merged];
    let most = texts.iter().map(|text| text.lines.len()).max().unwrap_or(0);
    let mut totals: HashMap<&[u8], [usize; 4], _> =
        HashMap::with_capacity_and_hasher(most, RandomState::default());
    for (n, text) in texts.into_iter().enumerate() {
        for line in &text.lines {
            totals.entry(line).or_default()[n] += 1;
        }
    }
    let is_surplus = |[_, ours, theirs, merged]: &[usize; 4]| merged > ours.max(theirs);
    totals.retain(|line, total| is_surplus(total) && !says_nothing(line));
    if totals.is_empty() {
        return HashSet::new();
    }
    // Under which heading such a line stands how often in each text.
    let mut counts: HashMap<(&[u8], &[u8]), [usize; 4], RandomState> = HashMap::default();
    for (n, text) in texts.into_iter().enumerate() {
        let mut heading: &[u8] = b"";
        for (line, mark) in text.lines.iter().zip(mark(&text.lines, markdown)) {
            if matches!(mark.kind, Kind::Heading(_)) {
                heading = line;
            }
            if totals.contains_key(line) {
                counts.entry((heading, line)).or_default()[n] += 1;
            }
        }
    }
    let is_moved = |[base, ours, theirs, merged]: &[usize; 4]| {
        *merged > base + ours.saturating_sub(*base) + theirs.saturating_sub(*base)
    };
    let doubtful = |((_, line), counts): &(&(&'a [u8], &'a [u8]), &[usize; 4])| {
        is_surplus(counts) || is_moved(&totals[line])
    };
    let mut surplus: HashSet<&[u8]> =
        counts.iter().filter(doubtful).map(|((_, line), _)| *line).collect();
    if !surplus.is_empty() {
        let own = [0, 1].map(|side| in_own_block(merge, side, &surplus));
        surplus.retain(|line| !own.iter().all(|own| own.contains(line)));
    }
    surplus
}

/// Which of the lines a side added in a block of its own: one with a line that the
/// other side and base lack. Blocks are kept whole.
fn in_own_block<'a>(
    merge: &Merge<'a>,
    side: usize,
    lines: &HashSet<&'a [u8]>,
) -> HashSet<&'a [u8]> {
    let others = if side == 0 { &merge.theirs } else { &merge.ours };
    let others: HashSet<&[u8]> = others.lines.iter().chain(&merge.base.lines).copied().collect();
    let changed = merge.regions.iter().filter(|r| r.resolution != Resolution::Unchanged);
    let blocks = changed.map(|region| merge.sides(region)[1 + side]);
    blocks
        .filter(|block| block.iter().any(|line| !says_nothing(line) && !others.contains(line)))
        .flatten()
        .copied()
        .filter(|line| lines.contains(line))
        .collect()
}

/// The lines of changed regions that repeat in a text or stand in several
/// regions, blank ones aside.
fn repeated<'a>(merge: &Merge<'a>) -> HashSet<&'a [u8]> {
    let mut regions: HashMap<&'a [u8], (usize, bool)> = HashMap::new();
    for (n, region) in merge.regions.iter().enumerate() {
        if region.resolution != Resolution::Unchanged {
            for line in merge.lines_of(region).filter(|line| !line.trim_ascii().is_empty()) {
                let (first, several) = regions.entry(line).or_insert((n, false));
                *several |= *first != n;
            }
        }
    }
    for text in [&merge.base, &merge.ours, &merge.theirs] {
        let mut seen = HashSet::new();
        for line in &text.lines {
            if !seen.insert(*line)
                && let Some((_, several)) = regions.get_mut(*line)
            {
                *several = true;
            }
        }
    }
    regions.into_iter().filter(|(_, (_, several))| *several).map(|(line, _)| line).collect()
}
