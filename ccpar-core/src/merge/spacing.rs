//! The blank lines of a merge.
//!
//! A blank line looks like any other, so that a diff of lines may put it on either
//! side of what was added, and two sides that both left one gap come out with two,
//! or with none. Where both sides changed the text, the gap between two lines is
//! therefore that of the texts in which these two are neighbours: the side that
//! changed it decides, of two changes the wider one.

use std::borrow::Cow;
use std::collections::HashMap;

use super::lines::Lines;
use super::region::{Line, flat};
use super::{Region, Resolution, Rule};

/// Two lines that are neighbours but for blank lines.
type Pair<'s> = (&'s [u8], &'s [u8]);

/// How wide the gap of a pair is in base, ours and theirs; `Err` if it stands there
/// with several widths.
type Widths = [Option<Result<usize, ()>>; 3];

/// Puts the blank lines in and around changed regions in order.
pub(super) fn settle<'a>(regions: &mut [Region<'a>], texts: [&Lines<'a>; 3]) {
    let lines = flat(regions, texts);
    let gaps = gaps(&lines, regions, texts);
    if gaps.is_empty() {
        return;
    }
    let mut outputs: Vec<Vec<Cow<'a, [u8]>>> = vec![Vec::new(); regions.len()];
    let mut touched = vec![false; regions.len()];
    let mut gaps = gaps.into_iter().peekable();
    let is_changed = |region: usize| regions[region].resolution != Resolution::Unchanged;
    let mut lines = lines.into_iter().enumerate().peekable();
    while let Some((at, (region, line))) = lines.next() {
        outputs[region].extend(line);
        let Some(gap) = gaps.next_if(|gap| gap.after == at) else { continue };
        let mut blanks: Vec<(usize, Cow<'a, [u8]>)> = Vec::new();
        while blanks.len() < gap.blanks
            && let Some((_, (region, Some(line)))) = lines.next()
        {
            blanks.push((region, line));
        }
        while blanks.len() > gap.width {
            let last = blanks.iter().rposition(|(region, _)| is_changed(*region));
            let (region, _) = blanks.remove(last.unwrap_or(blanks.len() - 1));
            touched[region] = true;
        }
        let before = if is_changed(region) { Some(region) } else { None };
        let next = lines.peek().map_or(region, |(_, (next, _))| *next);
        while blanks.len() < gap.width {
            let place = before.unwrap_or(next);
            let at = if before.is_some() { 0 } else { blanks.len() };
            blanks.insert(at, (place, Cow::Borrowed(b"")));
            touched[place] = true;
        }
        for (region, line) in blanks {
            outputs[region].push(line);
        }
    }
    for (n, region) in regions.iter_mut().enumerate().filter(|(n, _)| touched[*n]) {
        let rule = match region.resolution {
            Resolution::Merged(rule, _) => rule,
            _ => Rule::Blanks,
        };
        region.resolution = Resolution::Merged(rule, std::mem::take(&mut outputs[n]));
    }
}

/// A gap that is to have another width.
struct Gap {
    /// The number of the line before it.
    after: usize,
    blanks: usize,
    width: usize,
}

fn gaps(lines: &[Line<'_>], regions: &[Region<'_>], texts: [&Lines<'_>; 3]) -> Vec<Gap> {
    let is_changed = |region: usize| regions[region].resolution != Resolution::Unchanged;
    // Pairs around which something changed.
    let mut pairs: Vec<(Pair<'_>, usize, usize)> = Vec::new();
    let mut before: Option<(usize, &[u8])> = None;
    for (at, (region, line)) in lines.iter().enumerate() {
        let Some(line) = line else {
            before = None;
            continue;
        };
        if is_blank(line) {
            continue;
        }
        if let Some((place, other)) = before
            && (lines[place].0..=*region).any(is_changed)
        {
            pairs.push(((other, line), place, at - place - 1));
        }
        before = Some((at, line));
    }
    let mut widths: HashMap<Pair<'_>, Widths> = HashMap::new();
    widths.extend(pairs.iter().map(|(pair, ..)| (*pair, [None; 3])));
    for (n, text) in texts.into_iter().enumerate() {
        let black = text.lines.iter().enumerate().filter(|(_, line)| !is_blank(line));
        let mut before: Option<(usize, &[u8])> = None;
        for (at, line) in black {
            if let Some((place, other)) = before
                && let Some(widths) = widths.get_mut(&(other, line))
            {
                let width = at - place - 1;
                widths[n] = match widths[n] {
                    Some(known) if known != Ok(width) => Some(Err(())),
                    _ => Some(Ok(width)),
                };
            }
            before = Some((at, line));
        }
    }
    let gaps = pairs.into_iter().filter_map(|(pair, after, blanks)| {
        let width = width(widths[&pair]).filter(|width| *width != blanks)?;
        Some(Gap { after, blanks, width })
    });
    gaps.collect()
}

/// How wide a gap is to be; `None` if the texts do not tell.
fn width(widths: Widths) -> Option<usize> {
    let [base, ours, theirs] = widths.map(Option::transpose);
    match (base.ok()?, ours.ok()?, theirs.ok()?) {
        (Some(base), Some(ours), theirs) if ours == base => theirs.or(Some(ours)),
        (Some(base), ours, Some(theirs)) if theirs == base => ours.or(Some(theirs)),
        (_, ours, theirs) => ours.max(theirs),
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_changed_a_gap_decides_and_of_two_changes_the_wider_one() {
        let some = |width| Some(Ok(width));
        for (widths, expected) in [
            ([some(1), some(1), some(0)], Some(0)),
            ([some(1), some(2), some(1)], Some(2)),
            ([some(1), some(2), some(0)], Some(2)),
            ([None, some(0), some(1)], Some(1)),
            ([some(1), some(1), None], Some(1)),
            ([None, None, some(2)], Some(2)),
            ([some(1), None, None], None),
            ([None, Some(Err(())), some(2)], None),
        ] {
            assert_eq!(width(widths), expected, "{widths:?}");
        }
    }
}
