//! What a tool that tells late may have swallowed.
//!
//! Between its reading and its telling others wrote, and some of these have not told
//! either: what they knew is inferred, from what was known then. A text that comes
//! to light later may be what one of them had gone on from, and then it was not that
//! one who left lines out. Which it was is not known: so such lines are named, as a
//! loss that may have been meant.

use std::collections::HashSet;

use super::back::Swallowed;
use super::held::Held;
use super::{Commit, SharedFile, merged, stale};
use crate::error::Result;
use crate::history::{History, How, Record, Version};
use crate::merge::{self, Merge, Rules};

/// How many versions back it is looked whether a loss is named.
const VERSIONS: usize = 64;

/// What is known of a text that replaced another.
#[derive(Clone, Copy)]
enum Remark {
    /// So many lines may have been swallowed.
    Doubt(usize),
    /// By this one so many lines were.
    Loss(Version, usize),
    /// This one was made from another base than it seemed.
    MadeFrom(Version),
}

/// A text with what its author swallowed.
pub(super) struct Whole {
    pub(super) text: Vec<u8>,
    /// The lines that its author had not seen, there again or not.
    unseen: HashSet<Vec<u8>>,
}

impl Whole {
    pub(super) fn of(text: Vec<u8>) -> Whole {
        Whole { text, unseen: HashSet::new() }
    }

    /// What `text`, made from `base`, and this come to, and in how many places they do
    /// not merge. That it takes a line from `text` that its author had not seen is no
    /// merge either.
    pub(super) fn merged(&self, rules: Rules, base: &[u8], text: &[u8]) -> (Vec<u8>, usize) {
        let (whole, regions) = merged(rules, base, text, &self.text);
        let takes = merge::swallowed(text, &whole).iter().any(|line| self.unseen.contains(line));
        (whole, regions.max(usize::from(takes)))
    }
}

impl SharedFile<'_> {
    /// Writes down what may have been swallowed by a text that nobody looked at, and
    /// that others may have gone on from: lines that one of these records left out
    /// whose author has not told, and that the text lacks too.
    pub(super) fn doubt(
        &self,
        held: &mut Held,
        after: &[Record],
        (base, base_text): (Version, &[u8]),
        text: &[u8],
    ) -> Result<()> {
        let is_untold =
            |record: &&Record| record.how == How::Outside && !record.version.is_absent();
        let untold = after.iter().filter(is_untold);
        let recent = held.history.recent(VERSIONS)?;
        let remarks =
            recent.iter().filter(|record| record.is_remark() && record.base == Some(base));
        let mut told: Vec<Version> = remarks.map(Record::replaced).collect();
        for record in untold {
            let (Some(stood), Some(left)) =
                (held.history.get(record.replaced())?, held.history.get(record.version)?)
            else {
                continue;
            };
            // Its own lines it wrote, and others may not have seen that.
            let own = if record.replaced() == Version::of(text) { base_text } else { text };
            let known = [held.content(), own, base_text, &left].join(&b'\n');
            let lines = merge::swallowed(&stood, &known).len();
            if lines > 0 && !told.contains(&record.replaced()) {
                told.push(record.replaced());
                self.remark(held, (base, base_text), record.replaced(), Remark::Doubt(lines))?;
            }
        }
        Ok(())
    }

    /// Writes down what is known of a text that was made from `base` and replaced what
    /// `stood` there.
    fn remark(
        &self,
        held: &mut Held,
        (base, base_text): (Version, &[u8]),
        stood: Version,
        remark: Remark,
    ) -> Result<()> {
        if !base.is_absent() {
            held.keep(base, base_text)?;
        }
        let (told, lost, maybe) = match remark {
            Remark::Doubt(lines) => (None, Some(lines), true),
            Remark::Loss(told, lines) => (Some(told), Some(lines), false),
            Remark::MadeFrom(told) => (Some(told), None, false),
        };
        let record = Record {
            how: How::Hook,
            parents: [held.now].into_iter().chain(told).collect(),
            over: Some(stood),
            base: Some(base),
            lost,
            maybe,
            ..self.record(held.now)
        };
        held.log.append(record)
    }

    /// Writes down what a text was made from that others took for another's.
    pub(super) fn amend(
        &self,
        held: &mut Held,
        base: (Version, &[u8]),
        told: Version,
        stood: Version,
    ) -> Result<()> {
        self.remark(held, base, stood, Remark::MadeFrom(told))
    }

    /// A text that stood in the target, with what its author swallowed without having
    /// seen it: that one did not delete it.
    pub(super) fn whole_of(
        &self,
        held: &Held,
        recent: &[Record],
        (version, stood): (Version, Version),
        base: Version,
    ) -> Result<Whole> {
        let all = recent;
        let recent = older(all, version, stood);
        let mut text = self.content(&held.history, stood)?;
        let mut unseen = HashSet::new();
        let rules = Rules::of(&held.real);
        let (mut rest, mut version) = (recent, stood);
        let mut closed: HashSet<u64> = HashSet::new();
        // Who went on from a stale text has what that lacked no more than it had.
        while version != base
            && let Some(at) = rest.iter().position(|record| record.version == version)
        {
            let record = &rest[at];
            rest = &rest[at + 1..];
            closed.extend(&record.closes);
            let amended = amended(all, record);
            let record = amended.as_ref().unwrap_or(record);
            // What is in doubt was not deleted for sure.
            let counts = !record.maybe || record.is_remark();
            let is_stale = record.lost.is_some() && counts && !closed.contains(&record.n);
            if is_stale {
                let whole = self.put_back_swallowed(&held.history, rules, record, &text)?;
                unseen.extend(self.swallowed_by(&held.history, rules, record)?);
                // What is in doubt, and named, takes nothing from a text.
                if !record.maybe || merge::swallowed(&text, &whole).is_empty() {
                    text = whole;
                }
            }
            if record.is_remark() {
                continue;
            }
            let is_own = matches!(record.how, How::Hook | How::Outside);
            let own = record.base.filter(|_| is_own && record.lost.is_none());
            version = own.unwrap_or(record.replaced());
        }
        if recent.iter().any(|record| record.lost.is_some() && !record.maybe) {
            text = self.with_lost(&held.history, &text)?;
        }
        Ok(Whole { text, unseen })
    }

    /// A text with what the author of a record swallowed.
    fn put_back_swallowed(
        &self,
        history: &History,
        rules: Rules,
        record: &Record,
        text: &[u8],
    ) -> Result<Vec<u8>> {
        let base = self.content(history, record.base.unwrap_or(Version::ABSENT))?;
        let replaced = self.content(history, record.replaced())?;
        if rules == Rules::Json {
            // Nothing is taken away, nor changed.
            let all = merged(rules, &base, text, &replaced).0;
            return Ok(merged(rules, b"{}", &all, text).0);
        }
        let lines = self.swallowed_by(history, rules, record)?;
        let swallowed = Swallowed {
            base: &base,
            replaced: &replaced,
            lines: &lines.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            by_others: &HashSet::new,
        };
        Ok(swallowed.put_back(rules, text).text)
    }

    /// Writes down that what was made from `base` swallowed lines of what `stood`
    /// there, as far as the target lacks them now. They come back where nothing is in
    /// their way; else to a conflict copy. `None` if it lacks none.
    pub(super) fn name_loss(
        &self,
        held: &mut Held,
        (base, base_text): (Version, &[u8]),
        (stood, theirs): (Version, &[u8]),
        (told, since): (Version, &[Record]),
    ) -> Result<Option<Commit>> {
        let is_named = |record: &Record| {
            record.lost.is_some() && record.base == Some(base) && record.replaced() == stood
        };
        let now = held.content();
        let merge = Merge::with_rules(Rules::of(&held.real), base_text, now, theirs);
        let lost = stale::brought_back(&merge, base_text, now).len();
        if lost == 0 {
            return Ok(None);
        }
        if !held.now.is_absent() && !since.iter().any(is_named) {
            self.remark(held, (base, base_text), stood, Remark::Loss(told, lost))?;
        }
        self.sync(held)?;
        Ok(Some(Commit::unchanged(held.now)))
    }
}

/// The records before that of a text which replaced another.
fn older(recent: &[Record], version: Version, replaced: Version) -> &[Record] {
    let is_it = |record: &Record| record.version == version && record.replaced() == replaced;
    recent.iter().position(is_it).map_or(recent, |place| &recent[place + 1..])
}

/// The records of texts that may have been made from one which nobody looked at in
/// time, by authors who have not told.
pub(super) fn doubtful(
    held: &Held,
    recent: &[Record],
    (version, over): (Version, Option<Version>),
    is_late: bool,
) -> Vec<Record> {
    let Some(over) = over else { return Vec::new() };
    if recent.iter().any(|record| is_known_by(record, over)) {
        return if is_late { after(recent, over).to_vec() } else { Vec::new() };
    }
    // Nobody saw what it replaced: that is recorded as if it came only now, and those
    // who wrote last may have gone on from it.
    let is_untold = |record: &&Record| record.how == How::Outside;
    let last = recent.iter().take_while(is_untold).filter(|_| is_late);
    let seen = |record: &&Record| record.version == version && record.how == How::Outside;
    let late = held.log.head().filter(|head| head.version == over);
    late.into_iter().chain(recent.iter().find(seen)).chain(last).cloned().collect()
}

/// The other records of a text that somebody saw more than once before it was told.
pub(super) fn seen_too(recent: &[Record], told: &Record) -> Vec<Record> {
    let is_it = |record: &&Record| {
        let is_seen = record.how == How::Outside && !record.is_remark();
        is_seen && record.version == told.version && record.n != told.n
    };
    recent.iter().filter(is_it).cloned().collect()
}

/// The records that came after what was written over.
fn after(recent: &[Record], over: Version) -> &[Record] {
    match place_of(recent, over) {
        Some(place) if recent[place].texts().any(|text| text == over) => &recent[..place],
        Some(place) => &recent[..=place],
        None => &[],
    }
}

/// The newest record that says that this stood in the target; if none does, that it
/// was merged into what did.
pub(super) fn place_of(recent: &[Record], version: Version) -> Option<usize> {
    let stood = recent.iter().position(|record| stood_by(record, version));
    stood.or_else(|| recent.iter().position(|record| is_known_by(record, version)))
}

/// Whether a record says that this stood in the target, or was merged into what did: a
/// tool's text stood there before it was told of.
pub(super) fn is_known_by(record: &Record, version: Version) -> bool {
    stood_by(record, version) || record.texts().any(|text| text == version)
}

/// Whether a record says that this stood in the target, then or before.
fn stood_by(record: &Record, version: Version) -> bool {
    // There was nothing before the first.
    let is_first = record.n == 1 && record.parents.is_empty();
    // What else it names was merged in, or tells of a loss.
    let stood = [record.parents.first().copied(), record.over.filter(|_| !record.is_remark())];
    record.version == version || stood.contains(&Some(version)) || (is_first && version.is_absent())
}

/// Whether a record says from what a text that replaced another was really made.
pub(super) fn amends(record: &Record, version: Version, replaced: Version) -> bool {
    record.told() == Some(version) && record.replaced() == replaced
}

/// A record as its author told later, if that is so.
pub(super) fn amended<'r>(
    records: impl IntoIterator<Item = &'r Record>,
    record: &Record,
) -> Option<Record> {
    let seen = Some(record).filter(|record| record.how == How::Outside && !record.is_remark())?;
    let mut records = records.into_iter();
    let told = records.find(|told| amends(told, seen.version, seen.replaced()))?;
    let lost = Some(seen.lost.unwrap_or_default()).filter(|_| told.base != Some(seen.replaced()));
    Some(Record { base: told.base, lost, maybe: false, ..seen.clone() })
}

/// Whether a record says that nobody may have seen a text, of which this one was made.
pub(super) fn is_doubt_of(record: &Record, base: Version) -> bool {
    record.is_remark() && record.maybe && record.replaced() == base
}
