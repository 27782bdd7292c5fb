//! Three-way merge of texts: what `ours` and `theirs` each made of `base`.
//!
//! A merge cannot fail. It gives [`Region`]s, each resolved or a conflict, and
//! the caller chooses how conflicts come out: as *theirs*
//! ([`Merge::keep_theirs`]: what ccpar leaves in a file that an agent will
//! load) or between markers ([`Merge::with_markers`]).
//!
//! # Rules
//! What one side alone changed is taken, and the same change on both sides is
//! taken once, also if one side changed more besides. Where both changed the same
//! lines, or lines that touch:
//!
//! - Both only **added**: both blocks are kept whole, theirs first; a block that
//!   the other holds is taken once.
//! - A change of **white space** gives way to one of words. Indentation is no
//!   white space: it is what nests a list.
//! - Anything else is a **conflict**: one side deleted what the other changed,
//!   or both changed it. Two wordings of a line are never mixed: the sentence
//!   would be nobody's.
//!
//! In Markdown ([`Rules::Markdown`]) each line is first followed to what a side
//! made of it. Entries of lists and rows of tables are known by their first
//! link, else by what stands before a colon or a dash; headings by their text;
//! fields of the front matter by their name; other lines by their words. What
//! stands in a code fence or a comment is text. So edits of neighbouring lines do
//! not meet:
//!
//! ```
//! use ccpar_core::merge::{Merge, Rules};
//!
//! let base = b"- [a](a.md): old\n- [b](b.md): old\n";
//! let ours = b"- [a](a.md): new\n- [b](b.md): old\n";
//! let theirs = b"- [a](a.md): old\n- [b](b.md): new\n";
//! assert!(!Merge::with_rules(Rules::Lines, base, ours, theirs).is_clean());
//! let merge = Merge::with_rules(Rules::Markdown, base, ours, theirs);
//! assert_eq!(merge.keep_theirs(), b"- [a](a.md): new\n- [b](b.md): new\n");
//! ```
//!
//! Entries, rows and whole sections that one side **moved** follow it, with what
//! the other made of them; what both moved, or both added to one list, stands once.
//!
//! ```
//! # use ccpar_core::merge::{Merge, Rules};
//! let base = b"- a: 1\n- b\n- c\n";
//! let ours = b"- b\n- c\n- a: 1\n";
//! let theirs = b"- a: 2\n- b\n- c\n";
//! let merge = Merge::with_rules(Rules::Markdown, base, ours, theirs);
//! assert_eq!(merge.keep_theirs(), b"- b\n- c\n- a: 2\n");
//! ```
//!
//! Two blocks added at one place share their **headings**, and below one heading
//! equal entries stand once. Entries of a list that is sorted by and large are put
//! in their order, and what is nested keeps its parent. A **numbered** list that
//! both sides added to is numbered on.
//!
//! ```
//! # use ccpar_core::merge::{Merge, Rules};
//! let base = b"# Notes\n";
//! let ours = b"# Notes\n\n## Steps\n\n1. build\n2. ours\n";
//! let theirs = b"# Notes\n\n## Steps\n\n1. build\n2. theirs\n";
//! let merge = Merge::with_rules(Rules::Markdown, base, ours, theirs);
//! assert_eq!(
//!     merge.keep_theirs(),
//!     b"# Notes\n\n## Steps\n\n1. build\n2. theirs\n3. ours\n",
//! );
//! ```
//!
//! Front matter that every write stamps anew is no reason to conflict: of a time
//! (`modified`, `updated`) the later is taken, of an origin (`originSessionId`)
//! theirs.
//!
//! ```
//! # use ccpar_core::merge::{Merge, Rules};
//! let note = |modified: &str, text: &str| {
//!     format!("---\nname: x\nmodified: {modified}\n---\n\n{text}").into_bytes()
//! };
//! let base = note("2026-01-01", "one\n");
//! let ours = note("2026-01-03", "one\ntwo\n");
//! let theirs = note("2026-01-02", "zero\none\n");
//! let merge = Merge::with_rules(Rules::Markdown, &base, &ours, &theirs);
//! assert_eq!(merge.keep_theirs(), note("2026-01-03", "zero\none\ntwo\n"));
//! ```
//!
//! **Blank lines** between two lines are those of the texts in which these two are
//! neighbours: the side that changed them decides.
//!
//! Where a line repeats or was moved, it can be a guess which place a side meant.
//! A merge in which a line stands more often than in the side that has it most,
//! though no two different blocks brought it, or that would come out otherwise
//! when it is tried again on its own result, is a conflict instead: the same commit
//! twice leaves what once leaves.
//!
//! # JSON
//! With [`Rules::Json`], values are merged instead of lines: objects by key,
//! arrays as sets, by what their elements are known by, or by place. The merged
//! text is theirs with what ours changed put in, and it always parses.
//!
//! ```
//! # use ccpar_core::merge::{Merge, Rules};
//! let base = b"{\n  \"model\": \"a\",\n  \"theme\": \"dark\"\n}\n";
//! let ours = b"{\n  \"model\": \"b\",\n  \"theme\": \"dark\"\n}\n";
//! let theirs = b"{\n  \"model\": \"a\",\n  \"theme\": \"light\"\n}\n";
//! let merge = Merge::with_rules(Rules::Json, base, ours, theirs);
//! assert_eq!(
//!     merge.keep_theirs(),
//!     b"{\n  \"model\": \"b\",\n  \"theme\": \"light\"\n}\n",
//! );
//! ```
//!
//! - **Objects** merge by key. What one side alone added, changed or deleted is
//!   taken, and what both did in the same way is taken once. If one side deleted
//!   what the other changed, or both changed it in different ways, it is a
//!   conflict. Values are compared by what they mean: strings decoded, objects
//!   without the order of their keys, numbers as they were written.
//! - **Arrays of scalars** that are sets by meaning (what stands under
//!   `permissions`, and keys such as `allow` or `keywords`) merge as sets with
//!   deletion: an element stays unless one side took it out. So do those in which
//!   no text has a value twice, unless both sides put different elements in place
//!   of the same one: a conflict.
//! - **Arrays of objects** whose elements all have one of the fields `id`, `name`,
//!   `matcher`, `command`, `source`, `path`, `key`, `url`, `file`, with a different
//!   value in each element of a text, merge element by element, like keys. A hook
//!   without a `matcher` is known by the empty one.
//! - **Other arrays** merge by place: edits that share no element are both taken.
//!   Where they meet, elements are merged in pairs if all three arrays have as many
//!   objects, or arrays; else it is a conflict.
//! - What a side adds stands after what precedes it on that side; where both add,
//!   theirs comes first. Elements follow the side that moved them, theirs if both
//!   moved some.
//! - Of a **version** (`"1.2.3"`, `"^1.2"`, or anything of the kind in `version`)
//!   that both raised, and of a stamp (`updated`, `modified` and their like), the
//!   later is taken.
//!
//! The texts are bytes. A line is what stands before a `\n` or `\r\n`. Which of the
//! two, and whether the last line has one, is merged apart from the lines: who
//! changed it decides, and nothing is ever glued to a line that had none. Where one
//! of the texts mixes both, a `\r` is part of its line in all three.
//!
//! ```
//! use ccpar_core::merge::Merge;
//!
//! let base = b"- [a](a.md)\n- [z](z.md)\n";
//! let ours = b"- [a](a.md)\n- [m](m.md)\n- [z](z.md)\n";
//! let theirs = b"- [a](a.md)\n- [n](n.md)\n- [z](z.md)\n";
//!
//! let merge = Merge::new(base, ours, theirs);
//! assert!(merge.is_clean());
//! assert_eq!(
//!     merge.keep_theirs(),
//!     b"- [a](a.md)\n- [n](n.md)\n- [m](m.md)\n- [z](z.md)\n",
//! );
//! ```
//!
//! # Where git differs
//! The cases in which `git merge-file`, the same with `--union` and
//! [`Merge::ours_first`] do not agree; ⏎ is a blank line.
//!
#![doc = include_str!("differences.md")]

mod added;
mod diff;
mod entry;
mod guess;
mod json;
mod lines;
mod moved;
mod numbered;
mod pair;
mod refine;
mod region;
mod regions;
mod render;
mod retrace;
mod side;
mod spacing;
mod words;

use std::path::Path;

pub use json::Refusal;
use json::Renditions;
use lines::Lines;
pub(crate) use lines::{distance, line_count, swallowed};
pub use region::{Region, Resolution, Rule};
pub use render::Markers;

/// What a text is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rules {
    /// Lines.
    Lines,
    /// Markdown: entries of lists and rows of tables, headings and fields of the
    /// front matter are known by their keys, other lines by their words.
    Markdown,
    /// JSON: by keys and elements, see [below](self#json). What is not JSON is
    /// merged as lines, and a merge that would no longer parse is a conflict.
    Json,
}

impl Rules {
    /// The rules for a file of this name.
    pub fn of(name: &Path) -> Rules {
        match name.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("json") => Rules::Json,
            Some(extension) if extension.eq_ignore_ascii_case("md") => Rules::Markdown,
            _ => Rules::Lines,
        }
    }
}

/// The outcome of a three-way merge.
#[derive(Debug, Clone)]
pub struct Merge<'a> {
    base: Lines<'a>,
    ours: Lines<'a>,
    theirs: Lines<'a>,
    regions: Vec<Region<'a>>,
    /// Whether any of it might be a guess.
    doubtful: bool,
    /// What was merged as JSON: its regions are values.
    json: Option<Renditions>,
    refusal: Option<Refusal>,
}

impl<'a> Merge<'a> {
    /// Merges what `ours` and `theirs` each made of `base`, by lines.
    pub fn new(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Merge<'a> {
        Merge::by_lines(base, ours, theirs, false)
    }

    fn by_lines(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8], markdown: bool) -> Merge<'a> {
        let merge = Merge::unchecked(base, ours, theirs, markdown);
        guess::without_guesses(merge, markdown)
    }

    fn unchecked(base: &'a [u8], ours: &'a [u8], theirs: &'a [u8], markdown: bool) -> Merge<'a> {
        let [base, ours, theirs] = Lines::of([base, ours, theirs]);
        let (regions, doubtful) = regions::regions(&base, &ours, &theirs, markdown);
        Merge { base, ours, theirs, regions, doubtful, json: None, refusal: None }
    }

    /// Merges by the rules for what the texts are.
    pub fn with_rules(rules: Rules, base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Merge<'a> {
        if rules != Rules::Json {
            return Merge::by_lines(base, ours, theirs, rules == Rules::Markdown);
        }
        let refusal = match json::merge(base, ours, theirs, false) {
            Ok(merged) => {
                let regions = merged.regions();
                let json = Some(merged.renditions);
                let [base, ours, theirs] = Lines::of([base, ours, theirs]);
                let (doubtful, refusal) = (false, None);
                return Merge { base, ours, theirs, regions, doubtful, json, refusal };
            }
            // Nothing is lost by merging as lines what one side alone changed.
            Err(_) if ours == theirs || base == ours || base == theirs => None,
            Err(refusal) => Some(refusal),
        };
        let mut merge = Merge { refusal, ..Merge::by_lines(base, ours, theirs, false) };
        // Whichever side is called ours, it is the same conflict.
        let parse = || {
            let other = Merge::by_lines(base, theirs, ours, false);
            json::parses(&merge.keep_theirs()) && json::parses(&other.keep_theirs())
        };
        if json::parses(theirs) && json::parses(ours) && !parse() {
            merge.regions = vec![Region {
                base: 0..merge.base.len(),
                ours: 0..merge.ours.len(),
                theirs: 0..merge.theirs.len(),
                resolution: Resolution::Conflict,
                place: None,
            }];
        }
        merge
    }

    /// Merges with ours as what stands there, as `git merge` has it: where both
    /// added, ours comes first, and what is theirs by a rule of
    /// [`Merge::with_rules`] is ours.
    pub fn ours_first(rules: Rules, base: &'a [u8], ours: &'a [u8], theirs: &'a [u8]) -> Merge<'a> {
        Merge::with_rules(rules, base, theirs, ours).swapped()
    }

    /// The same merge with the names of the sides exchanged.
    fn swapped(mut self) -> Merge<'a> {
        std::mem::swap(&mut self.ours, &mut self.theirs);
        for region in &mut self.regions {
            std::mem::swap(&mut region.ours, &mut region.theirs);
            region.resolution = match std::mem::replace(&mut region.resolution, Resolution::Same) {
                Resolution::Ours => Resolution::Theirs,
                Resolution::Theirs => Resolution::Ours,
                other => other,
            };
        }
        if let Some([_, ours, theirs]) = &mut self.json {
            std::mem::swap(ours, theirs);
        }
        self.refusal = self.refusal.map(Refusal::swapped);
        self
    }

    /// Whether a cheaper way was taken, as the texts are so large and so different:
    /// they were compared by pieces, or a conflict was not looked into line by line.
    /// Conflicts may then be larger than need be. It takes as long as a diff.
    pub fn is_coarse(&self) -> bool {
        !self.is_clean()
            && self.json.is_none()
            && regions::is_coarse([&self.base, &self.ours, &self.theirs], &self.regions)
    }

    /// Why the texts were merged as lines, although they were to be merged as JSON.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The regions, in order; together they cover the three texts. Of JSON: the
    /// values that a side changed.
    pub fn regions(&self) -> &[Region<'a>] {
        &self.regions
    }

    /// The regions that could not be merged.
    pub fn conflicts(&self) -> impl Iterator<Item = &Region<'a>> {
        self.regions.iter().filter(|region| region.resolution == Resolution::Conflict)
    }

    /// Whether everything could be merged.
    pub fn is_clean(&self) -> bool {
        self.conflicts().next().is_none()
    }

    /// Resolves conflicts of lines that only the caller knows how to: from the lines of
    /// base, ours and theirs to those that are to stand there.
    pub(crate) fn settle_conflicts(
        &mut self,
        settle: impl Fn([&[&'a [u8]]; 3]) -> Option<Vec<&'a [u8]>>,
    ) {
        if self.json.is_some() {
            return;
        }
        for n in 0..self.regions.len() {
            let region = &self.regions[n];
            if region.resolution == Resolution::Conflict
                && let Some(lines) = settle(self.sides(region))
            {
                let lines = lines.into_iter().map(std::borrow::Cow::Borrowed).collect();
                self.regions[n].resolution = Resolution::Merged(Rule::Neighbours, lines);
            }
        }
    }

    /// The lines of a region, without their newlines, in base, ours and theirs.
    pub fn sides(&self, region: &Region<'_>) -> [&[&'a [u8]]; 3] {
        [
            self.base.slice(&region.base),
            self.ours.slice(&region.ours),
            self.theirs.slice(&region.theirs),
        ]
    }

    fn lines_of(&self, region: &Region<'_>) -> impl Iterator<Item = &'a [u8]> {
        self.sides(region).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests;
