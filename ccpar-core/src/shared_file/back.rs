//! Putting back what a stale writer swallowed, and nothing else.
//!
//! The text that was replaced holds the lines, and also what its own author had
//! dropped: perhaps on purpose, perhaps because that one was stale too. To put
//! lines back takes nothing away, so what was dropped stays as it is now, but
//! for a line in whose place one of those came that are put back: `k: 2` takes
//! that of `k: 1`.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use crate::diff::{Sign, hunks};
use crate::merge::{Merge, Rules};

/// A text with what was swallowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Back {
    pub(super) text: Vec<u8>,
    /// In how many places what was swallowed is in another's way.
    pub(super) conflicts: usize,
}

/// What a stale writer swallowed.
#[derive(Clone, Copy)]
pub(super) struct Swallowed<'a> {
    /// What the writer had seen.
    pub(super) base: &'a [u8],
    /// What stood in the target when it wrote.
    pub(super) replaced: &'a [u8],
    /// The lines that are to come back.
    pub(super) lines: &'a [&'a [u8]],
    /// Lines that other stale writers had swallowed on the way from `base` to
    /// `replaced`: no line came in their place. Asked for where that matters.
    pub(super) by_others: &'a dyn Fn() -> HashSet<Vec<u8>>,
}

impl Swallowed<'_> {
    /// Puts the lines back into `text`.
    pub(super) fn put_back(&self, rules: Rules, text: &[u8]) -> Back {
        let ours = self.added_to_base(rules);
        let merge = Merge::with_rules(rules, self.base, &ours, text);
        let merged = merge.keep_theirs();
        if merge.is_clean() || rules == Rules::Json {
            return Back { text: merged, conflicts: merge.conflicts().count() };
        }
        let (mut missing, mut conflicts) = (Vec::new(), 0);
        for region in merge.conflicts() {
            let [base, ours, theirs] = merge.sides(region);
            // What was added beside what somebody took away, or the other way
            // round, is in nobody's way.
            if is_part(base, ours) || is_part(theirs, base) {
                missing.extend(beyond(base, ours).into_iter().map(<[u8]>::to_vec));
            } else {
                conflicts += 1;
            }
        }
        Back { text: insert(&merged, &ours, &missing), conflicts }
    }

    /// What the base is with these lines, each where it stood.
    fn added_to_base(&self, rules: Rules) -> Vec<u8> {
        let bare = |line: &'_ [u8]| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            // A comma comes and goes with the entry behind it.
            let is_entry = rules == Rules::Json;
            line.strip_suffix(b",").filter(|_| is_entry).unwrap_or(line).to_vec()
        };
        let lines: Vec<Vec<u8>> = self.lines.iter().map(|line| bare(line)).collect();
        let by_others = LazyCell::new(|| -> HashSet<Vec<u8>> {
            (self.by_others)().iter().map(|line| bare(line)).collect()
        });
        let base: Vec<&[u8]> = self.base.split_inclusive(|byte| *byte == b'\n').collect();
        let mut wanted = counted(&lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut lines: Vec<&[u8]> = Vec::new();
        let mut at = 0;
        for hunk in hunks(self.base, self.replaced, 0) {
            lines.extend(&base[at..hunk.old.start]);
            at = hunk.old.end;
            let side = |wanted| {
                let lines = hunk.lines.iter().filter(move |(sign, _)| *sign == wanted);
                lines.map(|(_, line)| *line)
            };
            let added: Vec<&[u8]> =
                side(Sign::Added).filter(|line| take(&mut wanted, &bare(line))).collect();
            // Of a list in JSON each line is an entry of its own, however alike they begin.
            let is_item = |line: &[u8]| rules == Rules::Json && !line.contains(&b':');
            let gives_way = |line: &&[u8]| {
                !is_item(line)
                    && hunk.old.len() <= added.len()
                    && added.iter().any(|new| is_edit(line, new))
                    && !by_others.contains(&bare(line))
            };
            lines.extend(side(Sign::Removed).filter(|line| !gives_way(line)));
            lines.extend(added);
        }
        lines.extend(&base[at..]);
        let mut whole = Vec::with_capacity(self.base.len() + self.replaced.len());
        for line in lines {
            // What was the last line may be no longer.
            if whole.last().is_some_and(|last| *last != b'\n') {
                whole.push(b'\n');
            }
            whole.extend_from_slice(line);
        }
        whole
    }
}

fn counted<'a>(lines: &[&'a [u8]]) -> HashMap<&'a [u8], usize> {
    let mut count = HashMap::new();
    for line in lines {
        *count.entry(*line).or_default() += 1;
    }
    count
}

/// Takes one of these lines, if there is one left.
fn take(lines: &mut HashMap<&[u8], usize>, line: &[u8]) -> bool {
    match lines.get_mut(line) {
        Some(left @ 1..) => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

/// Whether a line may be what became of another: they begin alike for half of
/// their length.
fn is_edit(old: &[u8], new: &[u8]) -> bool {
    let alike = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    alike > 0 && alike * 2 >= old.len().min(new.len())
}

/// What is left of `theirs` where all that `ours` did to base was to drop lines, and
/// `theirs` has all of base still, among others.
pub(super) fn without_dropped<'a>([base, ours, theirs]: [&[&'a [u8]]; 3]) -> Option<Vec<&'a [u8]>> {
    if !is_part(ours, base) || !is_part(base, theirs) {
        return None;
    }
    let mut dropped = counted(&beyond(ours, base));
    let mut left = theirs.to_vec();
    left.retain(|line| !take(&mut dropped, line));
    Some(left)
}

/// Whether all lines of `part` stand in `whole`, in their order.
fn is_part(part: &[&[u8]], whole: &[&[u8]]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|line| whole.any(|other| other == line))
}

/// The lines of `ours` that `base` lacks.
fn beyond<'a>(base: &[&[u8]], ours: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut left = counted(base);
    let mut lines = ours.to_vec();
    lines.retain(|line| !take(&mut left, line));
    lines
}

/// Puts lines of `whole` that a text lacks where they stood: behind the nearest
/// line before them that the text has, else at its beginning.
fn insert(text: &[u8], whole: &[u8], missing: &[Vec<u8>]) -> Vec<u8> {
    if missing.is_empty() {
        return text.to_vec();
    }
    let bare = |line: &'_ [u8]| line.strip_suffix(b"\n").unwrap_or(line).to_vec();
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(bare).collect();
    let mut wanted = counted(&missing.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut place = 0;
    for line in whole.split_inclusive(|byte| *byte == b'\n').map(bare) {
        if take(&mut wanted, &line) {
            lines.insert(place, line);
            place += 1;
        } else if let Some(next) = lines[place..].iter().position(|other| *other == line) {
            place += next + 1;
        }
    }
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of `replaced` that `base` lacks are put back into `text`.
    fn back(base: &str, replaced: &str, text: &str, by_others: &[&str]) -> (String, usize) {
        let all: Vec<&[u8]> = base.lines().map(str::as_bytes).collect();
        let theirs: Vec<&[u8]> = replaced.lines().map(str::as_bytes).collect();
        let swallowed = Swallowed {
            base: base.as_bytes(),
            replaced: replaced.as_bytes(),
            lines: &beyond(&all, &theirs),
            by_others: &|| by_others.iter().map(|line| line.as_bytes().to_vec()).collect(),
        };
        let back = swallowed.put_back(Rules::Markdown, text.as_bytes());
        (String::from_utf8(back.text).unwrap(), back.conflicts)
    }

    #[test]
    fn what_was_added_comes_back_and_what_was_dropped_is_not_dropped_again() {
        let base = "a\nb\nc\nd\ne\n";
        let whole = back(base, "a\nb\nc\nd\ne\nL\n", "a\nb\nc\nd\ne\nm\n", &[]);
        assert_eq!(whole.0, "a\nb\nc\nd\ne\nm\nL\n");
        // Its author had read next to nothing of the file.
        let (text, conflicts) = back(base, "L\n", "a\nb\nc\nd\ne\nm\n", &[]);
        assert!(text.contains("a\nb\nc\nd\ne\n") && text.contains("L\n"), "{text}");
        assert_eq!((text.lines().count(), conflicts), (7, 0));
    }

    #[test]
    fn a_line_in_whose_place_another_came_gives_way_unless_it_was_swallowed_itself() {
        let put = |text, by_others: &[&str]| back("k: 1\nx\n", "k: 2\nx\n", text, by_others);
        assert_eq!(put("k: 1\nx\nm\n", &[]), ("k: 2\nx\nm\n".to_owned(), 0));
        assert_eq!(put("k: 1\nx\nm\n", &["k: 1"]), ("k: 1\nk: 2\nx\nm\n".to_owned(), 0));
        assert_eq!(put("k: 3\nx\n", &[]), ("k: 3\nx\n".to_owned(), 1));
        // Another line altogether takes nobody's place.
        let (text, _) = back("one line\nx\n", "other\nx\n", "one line\nx\nm\n", &[]);
        assert_eq!(text, "one line\nother\nx\nm\n");
    }

    #[test]
    fn what_was_added_beside_lines_that_are_gone_comes_back_where_it_stood() {
        let base = "a\nb\nc\nd\ne\n";
        assert_eq!(back(base, "a\nb\nc\nd\ne\nL\n", "a\n", &[]), ("a\nL\n".to_owned(), 0));
        for text in ["", "e\n", "a\ne\n", "own\n", "a\nown\nd\n"] {
            let (whole, conflicts) = back(base, "a\nb\nL\nc\nd\ne\n", text, &[]);
            assert_eq!(conflicts, 0, "{text:?}: {whole}");
            assert!(whole.contains("L\n"), "{text:?}: {whole}");
            for line in text.lines() {
                assert!(whole.lines().any(|other| other == line), "{text:?}: {whole}");
            }
        }
    }

    #[test]
    fn only_the_lines_that_are_wanted_come_back() {
        let swallowed = Swallowed {
            base: b"a\n",
            replaced: b"a\nL\nM\n",
            lines: &[b"M"],
            by_others: &HashSet::new,
        };
        let back = swallowed.put_back(Rules::Lines, b"L\na\nx\n");
        assert_eq!(back, Back { text: b"L\na\nx\nM\n".to_vec(), conflicts: 0 });
    }

    proptest::proptest! {
        #[test]
        fn to_put_lines_back_takes_no_line_away_but_for_one_in_whose_place_another_came(
            base in "([a-e]\n){0,6}", replaced in "([a-h]\n){0,6}", text in "([a-e]\n){0,6}",
        ) {
            let (whole, _) = back(&base, &replaced, &text, &[]);
            proptest::prop_assert!(whole.lines().count() >= text.lines().count(), "{whole}");
            // None at all where all that is missing was swallowed.
            let by_others: Vec<&str> = base.lines().collect();
            let (whole, _) = back(&base, &replaced, &text, &by_others);
            for line in text.lines() {
                proptest::prop_assert!(whole.lines().any(|other| other == line), "{whole}");
            }
        }
    }
}
