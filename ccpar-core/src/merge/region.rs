//! What a merge says of a stretch of text.

use std::borrow::Cow;
use std::ops::Range;

use super::lines::Lines;

/// How one region came out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution<'a> {
    /// Neither side changed it.
    Unchanged,
    /// Only ours changed it: ours is taken.
    Ours,
    /// Only theirs changed it: theirs is taken.
    Theirs,
    /// Both changed it in the same way.
    Same,
    /// Both changed it, and both changes are kept: by which rule, and the lines
    /// (none for a value of JSON).
    Merged(Rule, Vec<Cow<'a, [u8]>>),
    /// Both changed it, in ways that cannot both be kept.
    Conflict,
}

/// By which rule two changes are both kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Both only added here: both blocks are kept whole, theirs first.
    BothAdded,
    /// Both only added to a sorted list, which stays sorted.
    Sorted,
    /// One side added beside what the other rewrote or deleted.
    Neighbours,
    /// Both edited one line, one side its white space alone, and apart.
    Words,
    /// A field that every write stamps anew: the later time, or theirs.
    Stamp,
    /// An entry of a numbered list, which still counts.
    Numbered,
    /// One side made the other's change, and more.
    Held,
    /// Blank lines, as the side has them that changed them.
    Blanks,
    /// A version that both raised: the higher.
    Version,
    /// Both changed different elements of an array.
    Elements,
    /// A side moved it: it stands where it was moved to, with the other's edit.
    Moved,
}

impl Resolution<'_> {
    /// Its name for programs: of a rule, that of the rule.
    pub fn name(&self) -> &'static str {
        match self {
            Resolution::Unchanged => "unchanged",
            Resolution::Ours => "ours",
            Resolution::Theirs => "theirs",
            Resolution::Same => "same",
            Resolution::Conflict => "conflict",
            Resolution::Merged(rule, _) => match rule {
                Rule::BothAdded => "both-added",
                Rule::Sorted => "sorted",
                Rule::Neighbours => "neighbours",
                Rule::Words => "white-space",
                Rule::Stamp => "stamp",
                Rule::Numbered => "numbered",
                Rule::Held => "held",
                Rule::Blanks => "blank-lines",
                Rule::Version => "version",
                Rule::Elements => "elements",
                Rule::Moved => "moved",
            },
        }
    }
}

impl std::fmt::Display for Resolution<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Resolution::Unchanged => "nobody changed it",
            Resolution::Ours => "ours is taken",
            Resolution::Theirs => "theirs is taken",
            Resolution::Same => "both made the same change, which is taken once",
            Resolution::Merged(Rule::BothAdded, _) => "both added here: both are kept whole",
            Resolution::Merged(Rule::Sorted, _) => {
                "both added to a sorted list, which stays sorted"
            }
            Resolution::Merged(Rule::Neighbours, _) => {
                "one side changed or deleted lines beside those of the other: both are kept"
            }
            Resolution::Merged(Rule::Words, _) => {
                "one side changed only white space: both are kept"
            }
            Resolution::Merged(Rule::Moved, _) => {
                "a side moved this: it follows, with the other's edit"
            }
            Resolution::Merged(Rule::Numbered, _) => "the list is numbered on",
            Resolution::Merged(Rule::Held, _) => {
                "one side made the other's change, and more: it is taken"
            }
            Resolution::Merged(Rule::Version, _) => "both raised a version: the higher is taken",
            Resolution::Merged(Rule::Elements, _) => {
                "both changed different elements: both changes are kept"
            }
            Resolution::Merged(Rule::Blanks, _) => {
                "the blank lines are those of the side that changed them"
            }
            Resolution::Merged(Rule::Stamp, _) => {
                "a stamp: the later time is taken; of an origin, that of the text which stood there"
            }
            Resolution::Conflict => "both changed it, and both cannot be kept",
        })
    }
}

/// A stretch of the three texts that was resolved as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region<'a> {
    /// Its lines in base, counted from 0.
    pub base: Range<usize>,
    /// Its lines in ours.
    pub ours: Range<usize>,
    /// Its lines in theirs.
    pub theirs: Range<usize>,
    /// What became of it.
    pub resolution: Resolution<'a>,
    /// Of JSON: the pointer (RFC 6901) to the value.
    pub place: Option<String>,
}

/// A line of the merged text with the number of its region; none is a conflict.
pub(super) type Line<'a> = (usize, Option<Cow<'a, [u8]>>);

/// The merged text, line by line.
pub(super) fn flat<'a>(regions: &[Region<'a>], texts: [&Lines<'a>; 3]) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for (n, region) in regions.iter().enumerate() {
        let mut add = |line| lines.push((n, Some(line)));
        match &region.resolution {
            Resolution::Conflict => lines.push((n, None)),
            Resolution::Ours => texts[1].range(&region.ours).for_each(add),
            Resolution::Merged(_, merged) => merged.iter().cloned().for_each(add),
            _ => texts[2].range(&region.theirs).for_each(&mut add),
        }
    }
    lines
}
