//! One line that both sides changed: merged by words where their edits are
//! apart.

use super::diff::{Edit, dense, diff};

/// Merges a line by its words; `None` if the edits meet.
///
/// Edits that touch are one: the words around an edit belong to its meaning,
/// so at least one unchanged word must stand between two edits of two sides.
#[expect(clippy::many_single_char_names, reason = "b, o, t stand for base, ours, theirs")]
pub(super) fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let [b, o, t] = [base, ours, theirs].map(words);
    let [by_ours, by_theirs] = [&o, &t].map(|side| {
        let [base, side] = dense(&b, side);
        diff(&base, &side)
    });
    let mut out = Vec::with_capacity(ours.len().max(theirs.len()));
    let (mut at, mut i, mut j) = (0, 0, 0);
    let copy = |out: &mut Vec<u8>, words: &[&[u8]]| {
        for word in words {
            out.extend_from_slice(word);
        }
    };
    loop {
        let (one, two) = (by_ours.get(i), by_theirs.get(j));
        let (edit, side) = match (one, two) {
            (None, None) => break,
            (Some(one), Some(two)) if is_same(one, &o, two, &t) => {
                j += 1;
                i += 1;
                (one, &o)
            }
            (Some(one), Some(two)) if !are_apart(one, two, &b) => return None,
            (Some(one), two) if two.is_none_or(|two| one.base.start < two.base.start) => {
                i += 1;
                (one, &o)
            }
            (_, Some(two)) => {
                j += 1;
                (two, &t)
            }
            (Some(_), None) => unreachable!("the arm before last takes it"),
        };
        copy(&mut out, &b[at..edit.base.start]);
        copy(&mut out, &side[edit.side.clone()]);
        at = edit.base.end;
    }
    copy(&mut out, &b[at..]);
    Some(out)
}

fn is_same(one: &Edit, ours: &[&[u8]], two: &Edit, theirs: &[&[u8]]) -> bool {
    one.base == two.base && ours[one.side.clone()] == theirs[two.side.clone()]
}

/// Whether a word stands between the two edits, unchanged.
fn are_apart(one: &Edit, two: &Edit, base: &[&[u8]]) -> bool {
    let between = if one.base.start <= two.base.start {
        one.base.end..two.base.start
    } else {
        two.base.end..one.base.start
    };
    between.start < between.end
        && base[between].iter().any(|word| word.iter().any(|byte| !byte.is_ascii_whitespace()))
}

/// Runs of letters and digits, runs of blanks, and everything else byte by
/// byte; a character of several bytes counts as a letter.
pub(super) fn words(line: &[u8]) -> Vec<&[u8]> {
    let class = |byte: u8| match byte {
        b' ' | b'\t' => 0,
        _ if byte.is_ascii_alphanumeric() || byte >= 0x80 => 1,
        _ => 2,
    };
    let mut words = Vec::new();
    let mut rest = line;
    while let [first, ..] = rest {
        let class_of_first = class(*first);
        let len = if class_of_first == 2 {
            1
        } else {
            rest.iter().take_while(|byte| class(**byte) == class_of_first).count()
        };
        let (word, after) = rest.split_at(len);
        words.push(word);
        rest = after;
    }
    words
}

/// How much of two lines is the same, from 0 to 1: the share of their words, by
/// length, that both have. The words are sorted.
pub(super) fn similarity(one: &[&[u8]], two: &[&[u8]]) -> f64 {
    let weigh = |words: &[&[u8]]| -> usize {
        words.iter().filter(|word| word[0] != b' ').map(|word| word.len()).sum()
    };
    let total = weigh(one) + weigh(two);
    if total == 0 {
        return 0.0;
    }
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < one.len() && j < two.len() {
        match one[i].cmp(two[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                if one[i][0] != b' ' {
                    common += one[i].len();
                }
                i += 1;
                j += 1;
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "lengths of lines")]
    let share = 2.0 * common as f64 / total as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(base: &str, ours: &str, theirs: &str) -> Option<String> {
        merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes())
            .map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn edits_apart_are_both_taken_and_edits_that_meet_are_not() {
        let base = "the quick brown fox";
        assert_eq!(
            merged(base, "a quick brown fox", "the quick brown dog").unwrap(),
            "a quick brown dog"
        );
        assert_eq!(
            merged(base, "a quick brown dog", "the quick brown dog").unwrap(),
            "a quick brown dog"
        );
        assert_eq!(merged(base, "the slow brown fox", "the fast brown fox"), None);
        assert_eq!(merged(base, "the slow brown fox", "the quick red fox").as_deref(), None);
        assert_eq!(merged(base, "the quick brown fox 1", "the quick brown fox 2"), None);
    }
}
