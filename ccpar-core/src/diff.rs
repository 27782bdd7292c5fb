//! What changed between two texts, line by line, to be shown; and which version
//! each line of a text came from.
//!
//! ```
//! use ccpar_core::diff::{Sign, hunks};
//!
//! let hunks = hunks(b"a\nb\nc\n", b"a\nx\nc\n", 0);
//! assert_eq!(hunks[0].lines, [(Sign::Removed, &b"b\n"[..]), (Sign::Added, &b"x\n"[..])]);
//! ```

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;
use similar::algorithms::{Capture, Compact, Replace, histogram};
use similar::{DiffOp, group_diff_ops};

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It stands in both texts.
    Same,
    /// Only the old text has it.
    Removed,
    /// Only the new text has it.
    Added,
}

/// A place where two texts differ, with the lines around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// Which lines of the old text it covers, counted from 0.
    pub old: Range<usize>,
    /// Which lines of the new text it covers, counted from 0.
    pub new: Range<usize>,
    /// The lines, each with its newline where it has one.
    pub lines: Vec<(Sign, &'a [u8])>,
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Compares two lists of lines, by their numbers: so similar is built in once.
fn by_histogram<'a>(sides: [&[&'a [u8]]; 2]) -> Vec<DiffOp> {
    let mut numbers: HashMap<&[u8], u32, RandomState> = HashMap::default();
    let [old, new] = sides.map(|lines| {
        let number = |line: &&'a [u8]| {
            let next = u32::try_from(numbers.len()).expect("numbers are 32 bits wide");
            *numbers.entry(*line).or_insert(next)
        };
        lines.iter().map(number).collect::<Vec<u32>>()
    });
    let mut ops = Compact::new(Replace::new(Capture::new()), &old[..], &new[..]);
    let Ok(()) = histogram::diff(&mut ops, &old[..], 0..old.len(), &new[..], 0..new.len());
    ops.into_inner().into_inner().into_ops()
}

/// Compares what lies between the lines that two texts begin and end with.
fn compare(old: &[&[u8]], new: &[&[u8]]) -> Vec<DiffOp> {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - start;
    let back = old.iter().rev().zip(new.iter().rev()).take(most);
    let end = back.take_while(|(old, new)| old == new).count();
    let middle = [&old[start..old.len() - end], &new[start..new.len() - end]];
    let mut ops = Vec::new();
    let equal = |old_index, new_index, len| {
        (len > 0).then_some(DiffOp::Equal { old_index, new_index, len })
    };
    ops.extend(equal(0, 0, start));
    ops.extend(by_histogram(middle).into_iter().map(|mut op| {
        shift(&mut op, start);
        op
    }));
    ops.extend(equal(old.len() - end, new.len() - end, end));
    ops
}

fn shift(op: &mut DiffOp, by: usize) {
    match op {
        DiffOp::Equal { old_index, new_index, .. }
        | DiffOp::Delete { old_index, new_index, .. }
        | DiffOp::Insert { old_index, new_index, .. }
        | DiffOp::Replace { old_index, new_index, .. } => {
            *old_index += by;
            *new_index += by;
        }
    }
}

/// Where two texts differ, with so many lines of `context` around each place.
pub fn hunks<'a>(old: &'a [u8], new: &'a [u8], context: usize) -> Vec<Hunk<'a>> {
    let (old, new) = (lines(old), lines(new));
    let mut hunks = Vec::new();
    for group in group_diff_ops(compare(&old, &new), context) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let mut hunk = Hunk {
            old: first.old_range().start..last.old_range().end,
            new: first.new_range().start..last.new_range().end,
            lines: Vec::new(),
        };
        for op in &group {
            if let DiffOp::Equal { .. } = op {
                hunk.lines.extend(old[op.old_range()].iter().map(|line| (Sign::Same, *line)));
            } else {
                hunk.lines.extend(old[op.old_range()].iter().map(|line| (Sign::Removed, *line)));
                hunk.lines.extend(new[op.new_range()].iter().map(|line| (Sign::Added, *line)));
            }
        }
        if hunk.lines.iter().any(|(sign, _)| *sign != Sign::Same) {
            hunks.push(hunk);
        }
    }
    hunks
}

/// One version in a row of them, for [`blame`].
#[derive(Debug, Clone)]
pub struct Step<T> {
    /// What to name it by.
    pub origin: T,
    /// Its text.
    pub text: Vec<u8>,
    /// Whether it puts back what stood there before: a line that is back is then
    /// still that of its first author.
    pub restores: bool,
}

/// Which version each line of the last text came from, given all of them, oldest
/// first: the line, with its newline where it has one, and its origin.
pub fn blame<T: Clone>(steps: impl IntoIterator<Item = Step<T>>) -> Vec<(Vec<u8>, T)> {
    let mut now: Vec<(Vec<u8>, T)> = Vec::new();
    let mut gone: HashMap<Vec<u8>, T, RandomState> = HashMap::default();
    for step in steps {
        let new = lines(&step.text);
        let old: Vec<&[u8]> = now.iter().map(|(line, _)| &line[..]).collect();
        let ops = compare(&old, &new);
        let mut next = Vec::with_capacity(new.len());
        for op in &ops {
            if let DiffOp::Equal { .. } = op {
                next.extend_from_slice(&now[op.old_range()]);
                continue;
            }
            for (line, origin) in &now[op.old_range()] {
                gone.insert(line.clone(), origin.clone());
            }
        }
        // Only now is all known that went away, moves within this step included.
        let mut at = 0;
        let mut whole = Vec::with_capacity(new.len());
        for op in &ops {
            if let DiffOp::Equal { len, .. } = op {
                whole.extend_from_slice(&next[at..at + len]);
                at += len;
                continue;
            }
            for line in &new[op.new_range()] {
                let back = step.restores.then(|| gone.get(*line).cloned()).flatten();
                whole.push((line.to_vec(), back.unwrap_or_else(|| step.origin.clone())));
            }
        }
        now = whole;
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_hold_what_differs_and_its_surroundings() {
        let old = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = b"1\n2\n3\n4\nX\n6\n7\n8\n9";
        let hunks = hunks(old, new, 1);
        let [first, last] = &hunks[..] else { panic!("{hunks:?}") };
        assert_eq!((first.old.clone(), first.new.clone()), (3..6, 3..6));
        assert_eq!(first.lines[1..3], [(Sign::Removed, &b"5\n"[..]), (Sign::Added, &b"X\n"[..])]);
        assert_eq!(last.lines[1..], [(Sign::Removed, &b"9\n"[..]), (Sign::Added, &b"9"[..])]);
        assert!(super::hunks(old, old, 3).is_empty());
        assert!(super::hunks(b"", b"", 3).is_empty());
        assert_eq!(super::hunks(b"", b"a\n", 3)[0].lines, [(Sign::Added, &b"a\n"[..])]);
    }

    proptest::proptest! {
        #[test]
        fn the_hunks_make_the_new_text_from_the_old(
            old in "[ab\n]{0,24}", new in "[ab\n]{0,24}", context in 0_usize..4,
        ) {
            let before = lines(old.as_bytes());
            let mut made: Vec<u8> = Vec::new();
            let mut at = 0;
            for hunk in hunks(old.as_bytes(), new.as_bytes(), context) {
                made.extend(before[at..hunk.old.start].concat());
                at = hunk.old.end;
                let kept = hunk.lines.iter().filter(|(sign, _)| *sign != Sign::Removed);
                made.extend(kept.flat_map(|(_, line)| *line));
            }
            made.extend(before[at..].concat());
            proptest::prop_assert_eq!(made, new.as_bytes());
        }

        #[test]
        fn blame_names_an_origin_for_each_line_of_the_last_text(
            texts in proptest::collection::vec("[ab\n]{0,12}", 1..6),
        ) {
            let steps = texts.iter().enumerate().map(|(n, text)| Step {
                origin: n, text: text.clone().into_bytes(), restores: n % 2 == 0,
            });
            let told = blame(steps);
            let text: Vec<u8> = told.iter().flat_map(|(line, _)| line.clone()).collect();
            proptest::prop_assert_eq!(&text, texts[texts.len() - 1].as_bytes());
            for (line, origin) in told {
                proptest::prop_assert!(lines(texts[origin].as_bytes()).contains(&&line[..]));
            }
        }
    }

    #[test]
    fn a_line_belongs_to_the_version_that_brought_it_in() {
        let step = |origin, text: &str, restores| Step {
            origin,
            text: text.as_bytes().to_vec(),
            restores,
        };
        let told = blame([
            step(1, "a\nb\n", false),
            step(2, "a\nx\nb\n", false),
            step(3, "a\nb\n", false),
            step(4, "a\nx\nb\nnew\n", true),
            step(5, "b\nnew\na\n", false),
        ]);
        let origins: Vec<_> = told.iter().map(|(_, origin)| *origin).collect();
        assert_eq!(origins, [1, 4, 5]);
        let told = blame([step(1, "x\n", false), step(2, "", false), step(3, "x\n", true)]);
        assert_eq!(told[0].1, 1);
    }
}
