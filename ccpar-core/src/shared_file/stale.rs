//! What a text without a known base was probably made from, and what its author
//! swallowed.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::half_done;
use crate::error::Result;
use crate::history::{History, Record, Version};
use crate::merge::{self, Merge, Rules};

/// How many of the newest versions are compared, and how much of their content:
/// this runs under the lock, in the path of a plain write.
const VERSIONS: usize = 64;
const BYTES: usize = 16 << 20;

/// Lines that a text replaced whose author had probably not seen them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swallowed {
    /// What the text was probably made from.
    pub base: Version,
    /// What it replaced: the version that holds the lines.
    pub replaced: Version,
    /// The lines.
    pub lines: Vec<Vec<u8>>,
    /// Whether that may have been meant: the text is an older version as it
    /// was, or empty, or as near to what it replaced as to what it was probably
    /// made from; or it has lines of both.
    pub maybe: bool,
}

/// A text as its lines, counted, to tell how far others are from it.
pub(super) struct Census<'a> {
    place: HashMap<&'a [u8], u32, RandomState>,
    count: Vec<u32>,
    pub(super) lines: usize,
}

pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
    ends.map(move |end| &text[std::mem::replace(&mut start, end + 1)..end])
        .filter(|line| !line.is_empty())
}

impl<'a> Census<'a> {
    pub(super) fn new(text: &'a [u8]) -> Census<'a> {
        let mut census =
            Census { place: HashMap::default(), count: Vec::new(), lines: merge::line_count(text) };
        for line in lines(text) {
            let next = u32::try_from(census.count.len()).unwrap_or(u32::MAX);
            let place = *census.place.entry(line).or_insert(next);
            if place == next {
                census.count.push(0);
            }
            census.count[place as usize] += 1;
        }
        census
    }

    pub(super) fn has(&self, line: &[u8]) -> bool {
        self.place.contains_key(line)
    }

    /// How many lines the text has that `other` lacks, and the other way round;
    /// `None` as soon as the latter are more than `most`.
    fn distance(&self, other: &[u8], most: usize) -> Option<(usize, usize)> {
        let mut left = self.count.clone();
        let (mut common, mut removed) = (0, 0);
        for line in lines(other) {
            match self.place.get(line).map(|place| &mut left[*place as usize]) {
                Some(left @ 1..) => {
                    *left -= 1;
                    common += 1;
                }
                _ => removed += 1,
            }
            if removed > most {
                return None;
            }
        }
        Some((self.lines - common, removed))
    }
}

/// A version that a text may have been made from, and its content.
pub(super) type Candidate = (Version, Vec<u8>);

/// Decides whether `text` was made from a version other than `replaced`, which
/// it stands in place of, and if so which lines that swallowed: those that
/// merging would bring back.
///
/// The distance is the number of lines that one has and the other lacks, and
/// the nearest of the `candidates`, newest first, is the base. Among equally
/// near ones the newer wins. If `replaced` itself is as near as the nearest it
/// is a tie, and a loss only where merging meets no conflict (whoever edits one
/// line again and again would meet one each time) and where the text has
/// nothing of `replaced` that the base lacks: who has that had seen it. A
/// version of which the text keeps less than half is no candidate: nothing is
/// called swallowed without a reason.
pub(super) fn infer(
    rules: Rules,
    replaced: &Candidate,
    candidates: &mut dyn Iterator<Item = Candidate>,
    text: &[u8],
) -> Option<Swallowed> {
    // Whoever kept every line had seen every line.
    if replaced.0.is_absent() || merge::swallowed(&replaced.1, text).is_empty() {
        return None;
    }
    if text.trim_ascii().is_empty() {
        let lines = merge::swallowed(&replaced.1, text);
        let base = Version::ABSENT;
        return Some(Swallowed { base, replaced: replaced.0, lines, maybe: true });
    }
    let census = Census::new(text);
    let (added, removed) = census.distance(&replaced.1, usize::MAX)?;
    let limit = added + removed;
    let mut nearest: Option<(usize, Candidate)> = None;
    for (version, old) in candidates {
        let most = nearest.as_ref().map_or(limit, |(distance, _)| distance.saturating_sub(1));
        let Some((added, removed)) = census.distance(&old, most) else {
            continue;
        };
        let kept = census.lines - added;
        if added + removed <= most && kept > 0 && kept >= removed {
            nearest = Some((added + removed, (version, old)));
        }
        if nearest.as_ref().is_some_and(|(distance, _)| *distance == 0) {
            break;
        }
    }
    let Some((distance, (base, old))) = nearest else {
        return half_done::nothing_of_it(replaced, &census, half_done::MISSING);
    };
    let merge = Merge::with_rules(rules, &old, text, &replaced.1);
    if Version::of(&old) != base {
        // Damaged: then nothing can be told of it.
        return None;
    }
    let had_seen = knows_of(&old, &replaced.1, &census);
    let tie = distance == limit;
    if tie && (had_seen || !merge.is_clean()) {
        return None;
    }
    let lines = brought_back(&merge, &old, text);
    let maybe = distance == 0 || tie || had_seen;
    (!lines.is_empty()).then_some(Swallowed { base, replaced: replaced.0, lines, maybe })
}

/// What `text` swallowed of `replaced` that is known to have been made without it, from
/// `base`: it may have been meant all the same, for what `replaced` has beyond its own
/// base is not known here.
pub(super) fn made_without(
    rules: Rules,
    replaced: &Candidate,
    (base, old): &Candidate,
    text: &[u8],
) -> Option<Swallowed> {
    let merge = Merge::with_rules(rules, old, text, &replaced.1);
    let lines = brought_back(&merge, old, text);
    let (base, replaced) = (*base, replaced.0);
    (!lines.is_empty()).then_some(Swallowed { base, replaced, lines, maybe: true })
}

/// The lines that a merge of `base`, `text` and what it replaced brings back. In a
/// conflict that has lines too which the author had seen in the base and dropped:
/// those are not meant.
pub(super) fn brought_back(merge: &Merge<'_>, base: &[u8], text: &[u8]) -> Vec<Vec<u8>> {
    if merge.is_clean() {
        return merge::swallowed(&merge.keep_theirs(), text);
    }
    let dropped = merge::swallowed(base, text).join(&b'\n');
    merge::swallowed(&merge.keep_theirs(), &[text, &dropped].join(&b'\n'))
}

/// The nearest of some versions, of which there is at least one.
pub(super) fn nearest(text: &[u8], versions: impl IntoIterator<Item = Candidate>) -> Candidate {
    let census = Census::new(text);
    let mut nearest = None;
    let mut most = usize::MAX;
    for candidate in versions {
        let distance = census.distance(&candidate.1, most).map(|(added, removed)| added + removed);
        if nearest.is_none() || distance.is_some_and(|distance| distance < most) {
            most = distance.unwrap_or(usize::MAX);
            nearest = Some(candidate);
        }
    }
    let whole = nearest.filter(|(version, text)| Version::of(text) == *version);
    whole.unwrap_or((Version::ABSENT, Vec::new()))
}

/// Whether a text has a line of words that `replaced` has too and that their
/// base lacks.
fn knows_of(base: &[u8], replaced: &[u8], text: &Census<'_>) -> bool {
    const WORDS: usize = 4;
    let base: HashSet<&[u8], RandomState> = lines(base).collect();
    lines(replaced).any(|line| {
        line.iter().filter(|byte| byte.is_ascii_alphanumeric()).count() >= WORDS
            && text.has(line)
            && !base.contains(line)
    })
}

/// The recent versions of a target but for those in `aside`, newest first, each
/// once, without those whose content is gone. Whether a content is whole is for
/// the one that is chosen to be asked.
pub(super) fn candidates<'h>(
    history: &'h History,
    records: &[Record],
    aside: &[Version],
) -> impl Iterator<Item = Candidate> + use<'h> {
    let mut looked_at = vec![Version::ABSENT];
    looked_at.extend(aside);
    let versions: Vec<Version> = records
        .iter()
        .flat_map(Record::texts)
        .filter(|version| {
            let new = !looked_at.contains(version);
            looked_at.push(*version);
            new
        })
        .collect();
    let mut read = 0;
    versions
        .into_iter()
        .map_while(move |version| {
            let content = (read <= BYTES).then(|| history.get_unchecked(version))?;
            read += content.as_ref().map_or(0, |text| text.as_ref().map_or(0, Vec::len));
            Some(Some((version, content.ok()??)))
        })
        .flatten()
}

/// Looks for a recent version that `text` is nearer to than to `head_text`, the
/// content of the newest record.
pub(super) fn look(
    history: &History,
    rules: Rules,
    head: Option<&Record>,
    head_text: &[u8],
    text: &[u8],
) -> Result<Option<Swallowed>> {
    let Some(head) = head else { return Ok(None) };
    // Nothing at all was said aloud: that is meant.
    let meant = head.version.is_absent() || text.is_empty();
    if meant || merge::swallowed(head_text, text).is_empty() {
        return Ok(None);
    }
    let replaced = (head.version, head_text.to_vec());
    let records = history.recent(VERSIONS)?;
    let mut candidates = candidates(history, &records, &[head.version]);
    let loss = infer(rules, &replaced, &mut candidates, text);
    // Nor is another text altogether a stale one.
    Ok(loss.filter(|loss| !loss.base.is_absent()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is swallowed by a text in place of the last of these versions, and
    /// whether that is sure.
    fn told(versions: &[&str], text: &str) -> Option<(Vec<String>, bool)> {
        let known = |text: &&str| (Version::of(text.as_bytes()), text.as_bytes().to_vec());
        let (replaced, before) = versions.split_last().expect("there is one");
        let mut candidates = before.iter().rev().map(known);
        let loss = infer(Rules::Lines, &known(replaced), &mut candidates, text.as_bytes())?;
        let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
        Some((loss.lines.iter().map(text).collect(), !loss.maybe))
    }

    #[test]
    fn the_nearest_version_is_the_base() {
        let all = ["a\nb\nc\n", "a\nb\nc\nlong line\n", "a\nb\nc\nlong line\nnext line\n"];
        let lost = |lines: &[&str], sure| {
            Some((lines.iter().map(ToString::to_string).collect::<Vec<_>>(), sure))
        };
        // Nothing is missing; the last is missing; both are.
        assert_eq!(told(&all, "a\nb\nc\nlong line\nnext line\nx\n"), None);
        assert_eq!(told(&all, "a\nb\nc\nlong line\nmine\n"), lost(&["next line"], true));
        assert_eq!(told(&all, "a\nb\nc\nmine\n"), lost(&["long line", "next line"], true));
        // An old text as it was may have been put back.
        assert_eq!(told(&all, "a\nb\nc\n"), lost(&["long line", "next line"], false));
        assert_eq!(told(&all, ""), lost(&["a", "b", "c", "long line", "next line"], false));
        // Who has the last line had seen the one that is missing.
        assert_eq!(told(&all, "a\nb\nc\nnext line\nmine\n"), None);
        // Another text, and another text altogether.
        assert_eq!(told(&all, "x\ny\nz\nb\n"), None);
        let all_of_it = lost(&["a", "b", "c", "long line", "next line"], false);
        assert_eq!(told(&all, "x\ny\nz\n"), all_of_it);
        assert_eq!(told(&all, "1\n2\n3\n4\n5\n"), None);
        assert_eq!(told(&["{\"a\": 1}\n"], "{\"a\": 2}\n"), None);
    }

    #[test]
    fn what_its_author_had_seen_and_dropped_is_not_swallowed_where_it_conflicts() {
        let all = ["a\nb\nown line\n", "a\nb\nown line\nother line\n"];
        let lost = told(&all, "a\nb\nnew line\n").expect("a loss");
        assert_eq!(lost, (vec!["other line".to_owned()], true));
    }

    #[test]
    fn a_tie_is_a_loss_that_may_be_meant_and_none_where_lines_are_edited() {
        // Made from either with two lines dropped.
        let all = ["a\nb\nc\nd\ne\nf\ng\n", "new line\na\nb\nd\ne\nf\ng\n"];
        let lost = told(&all, "a\nb\nd\ne\ng\n").expect("a tie");
        assert_eq!(lost, (vec!["new line".to_owned()], false));
        assert_eq!(told(&["n: 1\nx\n", "n: 2\nx\n"], "n: 3\nx\n"), None);
    }

    #[test]
    fn the_distance_counts_each_line_as_often_as_it_stands_there() {
        let census = Census::new(b"a\na\n\nb\n");
        assert_eq!(census.distance(b"a\nb\nb\nc\n", usize::MAX), Some((1, 2)));
        assert_eq!(census.distance(b"a\nb\nb\nc\n", 1), None);
    }
}
