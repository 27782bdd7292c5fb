//! Texts as lines, and what is said of two texts by counting lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use super::entry::Mark;
use super::side::Side;

/// How the lines of a text end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Lf,
    CrLf,
}

impl Ending {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Ending::Lf => b"\n",
            Ending::CrLf => b"\r\n",
        }
    }
}

/// A text as its lines, without their ends.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the lines are what it is")]
pub(crate) struct Lines<'a> {
    pub(super) text: &'a [u8],
    pub(super) lines: Vec<&'a [u8]>,
    /// How all lines end; `None` if none does.
    ending: Option<Ending>,
    /// Whether the last line has a newline; `None` if there is no line.
    newline_at_end: Option<bool>,
    /// Whether the ends of the lines, CR and all, are apart from them.
    is_plain: bool,
}

impl<'a> Lines<'a> {
    /// The lines of three texts. Where one has a CR anywhere but before each of its
    /// newlines, the CR of all three are part of their lines.
    pub(super) fn of(texts: [&'a [u8]; 3]) -> [Lines<'a>; 3] {
        let is_plain = texts.iter().all(|text| is_plain(text));
        texts.map(|text| Lines::new(text, is_plain))
    }

    /// The lines of one more text to compare with these.
    pub(super) fn like(&self, text: &'a [u8]) -> Lines<'a> {
        Lines::new(text, self.is_plain && is_plain(text))
    }

    fn new(text: &'a [u8], is_plain: bool) -> Lines<'a> {
        let newline_at_end = text.last().map(|last| *last == b'\n');
        let mut lines: Vec<&[u8]> = match text.strip_suffix(b"\n").unwrap_or(text) {
            [] if text.is_empty() => Vec::new(),
            text => {
                let mut start = 0;
                let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
                let mut lines = Vec::with_capacity(guess_line_count(text));
                lines.extend(ends.map(|end| &text[std::mem::replace(&mut start, end + 1)..end]));
                lines
            }
        };
        let has_end = lines.len() > 1 || newline_at_end == Some(true);
        let mut ending = has_end.then_some(Ending::Lf);
        if has_end && is_plain && lines[0].ends_with(b"\r") {
            ending = Some(Ending::CrLf);
            for line in &mut lines {
                *line = line.strip_suffix(b"\r").unwrap_or(line);
            }
        }
        Lines { text, lines, ending, newline_at_end, is_plain }
    }

    /// Other lines that end as these do.
    pub(super) fn with(&self, lines: Vec<&'a [u8]>) -> Lines<'a> {
        Lines { text: b"", lines, ..*self }
    }

    /// A stretch of the text as it stands, without the end of its last line; `None`
    /// if there is no line in it, or the lines are of no text.
    fn as_it_stands(&self, range: &Range<usize>) -> Option<&'a [u8]> {
        let [first, last] = match self.slice(range) {
            [] => return None,
            [first, .., last] => [first, last],
            [line] => [line, line],
        };
        let place = |line: &[u8]| (line.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        self.text.get(place(first)?..place(last)? + last.len())
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn side<'s>(
        &'s self,
        ids: &'s [u32],
        loose: &'s [u32],
        marks: &'s [Mark<'a>],
    ) -> Side<'s, 'a> {
        Side { lines: &self.lines, ids, loose, marks }
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> &[&'a [u8]] {
        &self.lines[range.clone()]
    }

    pub(super) fn range(&self, range: &Range<usize>) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.lines[range.clone()].iter().map(|line| Cow::Borrowed(*line))
    }
}

/// Whether all lines end alike, and there is no other CR.
fn is_plain(text: &[u8]) -> bool {
    let mut returns = memchr::memchr_iter(b'\r', text).peekable();
    returns.peek().is_none() || {
        let newlines = memchr::memchr_iter(b'\n', text);
        newlines.map(|newline| newline.checked_sub(1)).eq(returns.map(Some))
    }
}

/// Puts the text of a merge together. How lines end, and whether the last one does:
/// who changed that decides.
pub(super) struct Writer {
    text: Vec<u8>,
    ending: Ending,
    newline_at_end: bool,
    /// Whether there is a line yet, and the last one is empty.
    last_is_empty: Option<bool>,
}

impl Writer {
    pub(super) fn new(base: &Lines<'_>, ours: &Lines<'_>, theirs: &Lines<'_>) -> Writer {
        let (b, o, t) = (base.newline_at_end, ours.newline_at_end, theirs.newline_at_end);
        let newline_at_end = if o == b { t.or(o) } else { o.or(t) }.unwrap_or(true);
        let size = (ours.text.len() + theirs.text.len()).saturating_sub(base.text.len());
        Writer {
            text: Vec::with_capacity(size.max(theirs.text.len()) + 2),
            ending: ending(base, ours, theirs),
            newline_at_end,
            last_is_empty: None,
        }
    }

    pub(super) fn line(&mut self, line: &[u8]) {
        if self.last_is_empty.is_some() {
            self.text.extend_from_slice(self.ending.bytes());
        }
        self.text.extend_from_slice(line);
        self.last_is_empty = Some(line.is_empty());
    }

    /// Appends some lines of a text.
    pub(super) fn range(&mut self, lines: &Lines<'_>, range: &Range<usize>) {
        let ends_alike = lines.ending.is_none_or(|ending| ending == self.ending);
        if ends_alike && let Some(stretch) = lines.as_it_stands(range) {
            self.line(stretch);
            self.last_is_empty = lines.slice(range).last().map(|line| line.is_empty());
        } else {
            lines.slice(range).iter().for_each(|line| self.line(line));
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        // A last line that is empty and has no end would be none.
        if let Some(is_empty) = self.last_is_empty
            && (is_empty || self.newline_at_end)
        {
            self.text.extend_from_slice(self.ending.bytes());
        }
        self.text
    }
}

/// About how many lines a text has, if it goes on as it begins; never so many that
/// they would take more room than the text.
fn guess_line_count(text: &[u8]) -> usize {
    const START: usize = 4096;
    let start = &text[..text.len().min(START)];
    let lines = memchr::memchr_iter(b'\n', start).count() + 1;
    (lines * text.len().div_ceil(START)).min(text.len() / 16) + 8
}

/// How the lines of a merge end.
pub(super) fn ending(base: &Lines<'_>, ours: &Lines<'_>, theirs: &Lines<'_>) -> Ending {
    let (ours, theirs) = (ours.ending, theirs.ending);
    let first = if theirs == base.ending { ours.or(theirs) } else { theirs.or(ours) };
    first.unwrap_or(Ending::Lf)
}

/// How many lines each of two texts has that the other lacks, blank lines and
/// order aside: those of `b` alone, then those of `a` alone.
pub(crate) fn distance(a: &[u8], b: &[u8]) -> (usize, usize) {
    let (a, b) = without_shared_ends(a, b);
    let mut count: HashMap<&[u8], isize, RandomState> = HashMap::default();
    for (text, step) in [(a, -1), (b, 1)] {
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            *count.entry(line).or_default() += step;
        }
    }
    let sum = |sign: isize| count.values().map(|n| (n * sign).max(0)).sum::<isize>().unsigned_abs();
    (sum(1), sum(-1))
}

/// Two texts without the whole lines that both begin with, and those that both end
/// with.
fn without_shared_ends<'t>(a: &'t [u8], b: &'t [u8]) -> (&'t [u8], &'t [u8]) {
    const STEP: usize = 64;
    let same = |(a, b): &(&u8, &u8)| a == b;
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(a, b)| a == b).count();
    let (a_on, b_on) = (&a[steps * STEP..], &b[steps * STEP..]);
    let start = steps * STEP + a_on.iter().zip(b_on).take_while(same).count();
    let start = memchr::memrchr(b'\n', &a[..start]).map_or(0, |end| end + 1);
    let (a, b) = (&a[start..], &b[start..]);
    let steps =
        a.rchunks_exact(STEP).zip(b.rchunks_exact(STEP)).take_while(|(a, b)| a == b).count();
    let (a_on, b_on) = (&a[..a.len() - steps * STEP], &b[..b.len() - steps * STEP]);
    let end = steps * STEP + a_on.iter().rev().zip(b_on.iter().rev()).take_while(same).count();
    let end = memchr::memchr(b'\n', &a[a.len() - end..]).map_or(0, |start| end - start);
    (&a[..a.len() - end], &b[..b.len() - end])
}

/// How many lines a text has, empty ones aside.
pub(crate) fn line_count(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
}

/// The lines of `whole` that `text` lacks, in their order, blank lines aside.
pub(crate) fn swallowed(whole: &[u8], text: &[u8]) -> Vec<Vec<u8>> {
    let (whole, text) = without_shared_ends(whole, text);
    let mut count: HashMap<&[u8], usize, RandomState> = HashMap::default();
    for line in text.split(|byte| *byte == b'\n') {
        *count.entry(line).or_default() += 1;
    }
    whole
        .split(|byte| *byte == b'\n')
        .filter(|line| match count.get_mut(line) {
            Some(left @ 1..) => {
                *left -= 1;
                false
            }
            _ => !line.trim_ascii().is_empty(),
        })
        .map(<[u8]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_both_texts_begin_and_end_with_changes_nothing(
            start in "([a-c]{0,40}\n){0,6}", end in "(\n[a-c]{0,40}){0,6}",
            a in "[ab\n]{0,12}", b in "[ab\n]{0,12}",
        ) {
            let [a, b] = [a, b].map(|text| format!("{start}{text}{end}"));
            let sorted = |text: &str| {
                let mut lines: Vec<_> = text.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect();
                lines.sort_unstable();
                lines
            };
            let alone = |a: &str, b: &str| {
                let (mut alone, mut others) = (Vec::new(), sorted(b));
                for line in sorted(a) {
                    match others.iter().position(|other| *other == line) {
                        Some(at) => { others.remove(at); }
                        None => alone.push(line.into_bytes()),
                    }
                }
                alone
            };
            let mut found = swallowed(a.as_bytes(), b.as_bytes());
            found.sort_unstable();
            prop_assert_eq!(found, alone(&a, &b));
            let counts = (alone(&b, &a).len(), alone(&a, &b).len());
            prop_assert_eq!(distance(a.as_bytes(), b.as_bytes()), counts);
        }
    }
}
