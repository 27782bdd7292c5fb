//! Which line of a side each line of base became.

use std::collections::HashMap;
use std::ops::Range;

use super::entry::{Kind, Mark};
use super::side::Side;
use super::words;

/// Pairing costs the product of two lengths; beyond this it is not tried.
const CELLS: usize = 60_000;

/// How many words may be compared with each other; beyond this only equal lines and
/// keys pair.
const WORDS: usize = 4_000_000;

/// How alike two lines must be to be two wordings of one.
const ALIKE: f64 = 0.6;

pub(super) fn is_too_large(rows: usize, columns: usize) -> bool {
    rows * columns > CELLS
}

/// For each line of base the line of a side that it became, if any.
pub(super) type Pairs = [Option<usize>];

/// Pairs each line of base with a line of the side, or with none, so that the
/// pairs do not cross and are worth most. `None` if that would cost too much.
pub(super) fn pair(
    base: &Side<'_, '_>,
    base_range: &Range<usize>,
    side: &Side<'_, '_>,
    side_range: &Range<usize>,
) -> Option<Vec<Option<usize>>> {
    let (rows, columns) = (base_range.len(), side_range.len());
    if is_too_large(rows, columns) {
        return None;
    }
    let (base_words, side_words) = (sorted_words(base, base_range), sorted_words(side, side_range));
    let all = |words: &[Vec<_>]| words.iter().map(Vec::len).sum::<usize>();
    let is_wordy = rows * all(&side_words) + columns * all(&base_words) > WORDS;
    let is_known = by_one_key([(base, base_range), (side, side_range)]);
    let worth = |row: usize, column: usize| -> f64 {
        let (b, s) = (base_range.start + row, side_range.start + column);
        let (one, two) = (base.marks[b], side.marks[s]);
        if base.ids[b] == side.ids[s] {
            return if one.kind == Kind::Blank { 0.3 } else { 3.0 };
        }
        if base.loose[b] == side.loose[s] && one.kind != Kind::Blank {
            return 2.8;
        }
        if one.kind == Kind::Blank || two.kind == Kind::Blank {
            return 0.0;
        }
        if is_known[row] && one.is_same_thing(two) {
            return 2.5;
        }
        if is_wordy {
            return 0.0;
        }
        match words::similarity(&base_words[row], &side_words[column]) {
            alike if alike >= ALIKE => 2.0 * alike,
            _ => 0.0,
        }
    };
    // The best worth of the rows and columns from each cell on.
    let width = columns + 1;
    let mut best = vec![0.0_f64; (rows + 1) * width];
    let mut worths = vec![0.0_f64; rows * columns];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let worth = worth(row, column);
            worths[row * columns + column] = worth;
            let skip = best[(row + 1) * width + column].max(best[row * width + column + 1]);
            let take = if worth > 0.0 { worth + best[(row + 1) * width + column + 1] } else { 0.0 };
            best[row * width + column] = skip.max(take);
        }
    }
    let mut pairs = vec![None; rows];
    let (mut row, mut column) = (0, 0);
    while row < rows && column < columns {
        let here = best[row * width + column];
        let worth = worths[row * columns + column];
        if worth > 0.0 && here <= worth + best[(row + 1) * width + column + 1] {
            pairs[row] = Some(side_range.start + column);
            row += 1;
            column += 1;
        } else if here <= best[(row + 1) * width + column] {
            row += 1;
        } else {
            column += 1;
        }
    }
    Some(pairs)
}

/// Whether the key of each line of the first text tells which it is: of entries and
/// rows, no other in either text has it.
fn by_one_key<'a>([base, side]: [(&Side<'_, 'a>, &Range<usize>); 2]) -> Vec<bool> {
    let mut count: HashMap<(bool, &'a [u8]), [usize; 2]> = HashMap::new();
    let key = |mark: &Mark<'a>| match mark.kind {
        Kind::Item(_) => Some((false, mark.key)),
        Kind::Row => Some((true, mark.key)),
        _ => None,
    };
    for (n, (text, range)) in [base, side].into_iter().enumerate() {
        for key in text.marks[range.clone()].iter().filter_map(key) {
            count.entry(key).or_default()[n] += 1;
        }
    }
    let (text, range) = base;
    let marks = text.marks[range.clone()].iter();
    marks.map(|mark| key(mark).is_none_or(|key| count[&key].iter().all(|n| *n <= 1))).collect()
}

fn sorted_words<'a>(side: &Side<'_, 'a>, range: &Range<usize>) -> Vec<Vec<&'a [u8]>> {
    let sorted = side.lines[range.clone()].iter().map(|line| {
        let mut words = words::words(line);
        words.sort_unstable();
        words
    });
    sorted.collect()
}
