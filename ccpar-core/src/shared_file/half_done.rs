//! Plain writes that were read, or overwritten, while they were half done.
//!
//! A plain write empties the file first and fills it then. Who reads it in
//! between goes on from a part of the text, or from nothing; and where two write
//! at once, the longer text stands behind the end of the shorter. None of these
//! bases ever was a version, and nobody dropped what they lack.

use super::Swallowed;
use super::stale::{self, Candidate, Census, lines};
use crate::error::Result;
use crate::history::{History, Record, Version};
use crate::merge::{self, Merge, Rules};

/// How long a write may be seen half done, in milliseconds.
pub(super) const HALF_DONE: u64 = 2000;

/// How many versions may come while one writer thinks.
const VERSIONS: usize = 16;

/// How many lines of a text are missing at least from one whose author had read
/// it half done, and how many that author may have added. Of shorter texts
/// nothing can be told: each may be another text altogether, like a number that
/// is counted up.
pub(super) const MISSING: usize = 4;
const OWN: usize = 4;

/// How much of a line there must be at least to see that it is cut off.
const CUT: usize = 6;

/// What is known when a target is looked at.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) history: &'a History,
    pub(super) rules: Rules,
    /// The newest records, newest first.
    pub(super) records: &'a [Record],
    /// Now, in milliseconds since 1970.
    pub(super) time: u64,
}

impl Look<'_> {
    /// What `text` swallowed, if its base was half done, or else what was inferred
    /// from whole versions.
    pub(super) fn settle(
        &self,
        inferred: Option<Swallowed>,
        replaced: &Candidate,
        text: &[u8],
    ) -> Result<Option<Swallowed>> {
        if merge::swallowed(&replaced.1, text).is_empty() {
            return Ok(None);
        }
        let busy = is_busy(self.records.first(), self.time);
        let mut loss = if busy { self.mixed(replaced, text)? } else { None };
        loss = loss.or(inferred);
        if loss.is_none() {
            loss = self.half_read(replaced, text)?;
        }
        if loss.is_none() && busy && self.in_parts() {
            loss = nothing_of_it(replaced, &Census::new(text), 1);
        }
        // Who leaves but a part of the text while others write had read a part,
        // rather than meant that.
        if let Some(loss) = &mut loss
            && busy
            && !text.trim_ascii().is_empty()
            && is_part(Some(loss.base), self.records)
        {
            loss.maybe = false;
        }
        Ok(loss)
    }

    /// What a writer swallowed that had read the target while another was filling
    /// it: its base is what it had read.
    fn half_read(&self, replaced: &Candidate, text: &[u8]) -> Result<Option<Swallowed>> {
        for (_, whole) in self.versions(replaced) {
            let Some((read, sure)) = read_half_done(&whole, text) else {
                continue;
            };
            let loss = self.swallowed(read, replaced, text, !sure)?;
            if loss.is_some() {
                return Ok(loss);
            }
        }
        Ok(None)
    }

    /// What two writers swallowed that wrote at once: their base is the one's before
    /// the seam, and the other's behind it.
    fn mixed(&self, replaced: &Candidate, text: &[u8]) -> Result<Option<Swallowed>> {
        let versions: Vec<Candidate> = self.versions(replaced).collect();
        match mix(text, &versions) {
            Some(base) => self.swallowed(&base, replaced, text, false),
            None => Ok(None),
        }
    }

    fn swallowed(
        &self,
        base: &[u8],
        replaced: &Candidate,
        text: &[u8],
        maybe: bool,
    ) -> Result<Option<Swallowed>> {
        let merge = Merge::with_rules(self.rules, base, text, &replaced.1);
        let lines = stale::brought_back(&merge, base, text);
        if lines.is_empty() {
            return Ok(None);
        }
        let base = self.history.put(base)?;
        Ok(Some(Swallowed { base, replaced: replaced.0, lines, maybe }))
    }

    fn versions(&self, replaced: &Candidate) -> impl Iterator<Item = Candidate> {
        let recent = stale::candidates(self.history, self.records, &[replaced.0]);
        [replaced.clone()].into_iter().chain(recent.take(VERSIONS))
    }

    /// Whether somebody has, for sure, read a part just now: where one did, the next
    /// did too.
    fn in_parts(&self) -> bool {
        let recent = |record: &Record| self.time.saturating_sub(record.time) <= HALF_DONE;
        (0..self.records.len()).take_while(|n| recent(&self.records[*n])).any(|n| {
            let record = &self.records[n];
            let is_sure = record.lost.is_some() && !record.maybe;
            is_sure && is_part(record.base, &self.records[n + 1..])
        })
    }
}

/// Whether a base that was inferred is but a part of a text: what its author had
/// read was no version.
fn is_part(base: Option<Version>, records: &[Record]) -> bool {
    let is_version = |base| records.iter().any(|old| old.texts().any(|text| text == base));
    base.is_none_or(|base| base.is_absent() || !is_version(base))
}

/// Whether somebody else wrote just before.
fn is_busy(head: Option<&Record>, now: u64) -> bool {
    head.is_some_and(|head| {
        let wrote = !head.parents.is_empty() && !head.version.is_absent();
        wrote && now.saturating_sub(head.time) <= HALF_DONE
    })
}

/// A few lines, and none of them of what they replaced, of which there are `least`
/// at least: their author had read the file while another was about to fill it, or
/// means them to be all.
pub(super) fn nothing_of_it(
    replaced: &Candidate,
    text: &Census<'_>,
    least: usize,
) -> Option<Swallowed> {
    if text.lines > OWN || merge::line_count(&replaced.1) < least {
        return None;
    }
    if lines(&replaced.1).any(|line| text.has(line)) {
        return None;
    }
    let lines = lines(&replaced.1).map(<[u8]>::to_vec).collect();
    Some(Swallowed { base: Version::ABSENT, replaced: replaced.0, lines, maybe: true })
}

/// How much of `whole` the author of `text` had read, if it read the file while
/// another was filling it: the text begins as `whole` does, goes on with a few
/// lines of its own, and has none of the many lines that follow in `whole`. Says
/// too whether that is sure: the text has a line that is cut off.
fn read_half_done<'w>(whole: &'w [u8], text: &[u8]) -> Option<(&'w [u8], bool)> {
    let shared = shared_start(whole, text);
    // Where the author's own text begins a line of `whole` may be cut off, or
    // begin with the same bytes by chance.
    let start = whole[..shared].iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let cut = shared - start >= CUT && text.get(shared).is_none_or(|byte| *byte == b'\n');
    let read = if cut { shared } else { start };
    let rest: Vec<&[u8]> = lines(&whole[start..]).skip(1).collect();
    let own = Census::new(text.get(read..).unwrap_or_default());
    let has = rest.iter().any(|line| own.has(line));
    (read > 0 && rest.len() >= MISSING && own.lines <= OWN && !has).then(|| (&whole[..read], cut))
}

fn shared_start(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The base of a text that two wrote at once: all of one version, and, behind a few
/// lines, many lines of another, at the very place where they stand in that one.
/// Then a few lines may follow again.
fn mix(text: &[u8], versions: &[Candidate]) -> Option<Vec<u8>> {
    let few = |part| merge::line_count(part) <= OWN;
    versions.iter().find_map(|(_, below)| {
        let (same, own) = text.split_at_checked(below.len())?;
        let tail = same.iter().zip(below).rev().take_while(|(a, b)| a == b).count();
        let (head, tail) = same.split_at(same.len() - tail);
        let shared = shared_start(head, below);
        if head.len() == shared || merge::line_count(tail) < MISSING || !few(own) {
            return None;
        }
        let above = versions.iter().map(|(_, above)| above);
        let mut above = above.filter(|above| above.len() > shared && head.starts_with(above));
        let above = above.find(|above| few(&head[above.len()..]))?;
        Some([above, tail].concat())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_wrote_at_once_had_each_read_a_version() {
        let lines =
            |from, to| (from..to).fold(String::new(), |text, n| text + &format!("- line {n}\n"));
        let (below, above) = (lines(10, 30), lines(50, 55));
        let versions = [&below, &above, &lines(10, 12)]
            .map(|text| (Version::of(text.as_bytes()), text.clone().into_bytes()));
        let told = |text: &str| {
            let base = mix(text.as_bytes(), &versions)?;
            Some(String::from_utf8(base).unwrap())
        };
        // The seam cuts a line.
        let seam = above.len() + "- of one\n".len();
        let rest = &below[seam..];
        assert_ne!(below.as_bytes()[seam - 1], b'\n');
        for own in ["", "- of another\n"] {
            let text = format!("{above}- of one\n{rest}{own}");
            assert_eq!(told(&text), Some(format!("{above}{rest}")), "{own}");
        }
        // One of the versions alone, and its lines edited in place.
        for text in [&below, &above, &format!("{below}- of one\n"), &below.replace("20", "XX")] {
            assert_eq!(told(text), None, "{text}");
        }
        assert_eq!(told(&below.replace("- line 10\n", "- line 1X\n")), None);
    }

    #[test]
    fn a_file_that_was_read_while_it_was_filled_is_the_base_as_far_as_it_was_read() {
        let whole = (0..20).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
        let half = "line 0\nline 1\nline 2\n";
        let read = |text: &str| {
            read_half_done(whole.as_bytes(), text.as_bytes())
                .map(|(read, sure)| (String::from_utf8_lossy(read).into_owned(), sure))
        };
        for own in ["mine\n", "linemine\n", "line 3mine\n", "mine\nmore\n"] {
            assert_eq!(read(&format!("{half}{own}")), Some((half.to_owned(), false)), "{own}");
        }
        // A line that is cut off nobody writes.
        let long = "line 0\na line of many words\nx\ny\nz\nq\n";
        let told = read_half_done(long.as_bytes(), b"line 0\na line of\nmine\n");
        assert_eq!(told, Some((&b"line 0\na line of"[..], true)));
        for no in [&whole[..], "mine\n", "line 0\na\nb\nc\nd\ne\n", "line 0\nx\nline 9\n"] {
            assert_eq!(read(no), None, "{no}");
        }
        // The end dropped on purpose.
        let but_two = (0..18).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
        assert_eq!(read(&format!("{but_two}x\n")), None);
    }

    #[test]
    fn a_target_is_busy_for_a_while_after_a_write() {
        let found = Record::outside(Version::of(b"x"), 10_000);
        let written = Record { parents: vec![Version::ABSENT], ..found.clone() };
        assert!(is_busy(Some(&written), 11_000) && is_busy(Some(&written), 12_000));
        assert!(!is_busy(Some(&written), 12_001));
        assert!(!is_busy(Some(&found), 10_000) && !is_busy(None, 0));
    }
}
