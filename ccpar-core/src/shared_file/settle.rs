//! What happened to a target since ccpar last saw it.
//!
//! Whoever looks at a target under its lock settles it first: the newest line
//! of the log is an intent that never took effect, or something other than
//! ccpar wrote, or all is as it should be. What was written outside becomes a
//! version like any other. Its author used no base, so the base is inferred,
//! and what that says was swallowed stands in the log as a loss.
//!
//! A plain write is seen half done now and then: emptied first, filled later.
//! So a text that begins with all of the one found just before it is taken for
//! the rest of the same write, and held against what stood before both.
//!
//! What was [seen in passing](super::Glimpses) is settled before what stands there
//! now, each text as if it stood there still.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::glimpses::{self, Glimpse};
use super::half_done::{self, HALF_DONE};
use super::held::{Entry, Held};
use super::{SharedFile, Swallowed, stale};
use crate::atomic::{self, OnDisk};
use crate::error::Result;
use crate::harness::{self, Author};
use crate::history::{Before, Damage, How, Record, Version};
use crate::lock::Wait;
use crate::merge::{self, Rules};

/// How many versions back a base is looked for.
const VERSIONS: usize = 64;

/// How many files beside a target that went away are asked whether they are it.
const NEIGHBOURS: usize = 4096;

/// What a look at a target found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The target is as its history says.
    Known,
    /// Something other than ccpar had written, removed or damaged it; this is
    /// the record of that.
    Outside(Box<Record>),
    /// Somebody holds the target's lock, and settles it when they are done.
    Busy,
}

impl SharedFile<'_> {
    /// Looks whether something other than ccpar wrote the target, and records
    /// that. Waits for nobody. A target that was never there is left alone.
    ///
    /// # Durability
    /// What is recorded survives the death of any process; it is made durable
    /// with the next commit. Its own writer did not sync it either.
    pub fn settle(&self) -> Result<Settled> {
        self.settle_as(Entry::Look)
    }

    /// The same where it is known that this author wrote, by other means than
    /// ccpar's: what is recorded is recorded as its.
    pub fn settle_own(&self) -> Result<Settled> {
        self.settle_as(Entry::Own)
    }

    fn settle_as(&self, entry: Entry) -> Result<Settled> {
        let real = self.real_path()?;
        let found = atomic::read(&real)?;
        let now = found.as_ref().map_or(Version::ABSENT, |found| Version::of(&found.content));
        let history = self.history()?;
        let head = history.newest()?;
        match head.as_ref().map(|head| head.version) {
            Some(version) if version != now => {}
            None if !now.is_absent() => {}
            _ => {
                let text = found.as_ref().map_or(&[][..], |found| &found.content);
                if self.harness.glimpses().is_none_or(|glimpses| glimpses.is_all(&real, text)) {
                    return Ok(Settled::Known);
                }
            }
        }
        let wait = if entry == Entry::Own { self.harness.wait() } else { Wait::Never };
        let likely = found.as_ref().map(|found| (now, &found.content[..]));
        let mut held = match self.enter_as(wait, entry, likely) {
            Ok(held) => held,
            Err(crate::Error::Busy { .. } | crate::Error::HeldByCaller { .. }) => {
                return Ok(Settled::Busy);
            }
            Err(error) => return Err(error),
        };
        let len = held.content().len();
        self.prune_now_and_then(&mut held, len);
        Ok(held.outside.map_or(Settled::Known, |record| Settled::Outside(Box::new(record))))
    }

    /// The conflict copies that lie beside the target.
    pub fn conflict_copies(&self) -> Result<Vec<PathBuf>> {
        let real = self.real_path()?;
        let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
            return Ok(Vec::new());
        };
        let start = [name.as_encoded_bytes(), b".conflict-"].concat();
        // A folder that is gone, or closed to us, shows no copies.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut copies: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(&start))
            .map(|entry| entry.path())
            .collect();
        copies.sort_unstable();
        Ok(copies)
    }

    /// Brings the history up to what is on disk, past what was seen there before,
    /// whoever wrote it: something that is not known, or this author by other means.
    pub(super) fn bring_up(
        &self,
        held: &mut Held,
        by_author: bool,
        glimpses: &[Glimpse],
    ) -> Result<()> {
        let found = held.found.take();
        let text = found.as_ref().map_or(&[][..], |found| &found.content);
        let file = found.as_ref().and_then(OnDisk::file_id);
        let author = by_author.then(|| self.harness.author());
        let standing = Standing { author, ..Standing::now(held.now, text, file) };
        let done = self.bring_up_to(held, &standing, glimpses);
        held.found = found;
        done
    }

    /// Brings the history up to what stands in the target, or stood there before
    /// what does now.
    pub(super) fn bring_up_to(
        &self,
        held: &mut Held,
        standing: &Standing<'_>,
        glimpses: &[Glimpse],
    ) -> Result<()> {
        let now = standing.version;
        let mut stood = held.log.head().map(|head| head.version);
        if let Some(head) = held.log.head()
            && let Some(before) = &head.before
            && never_happened(head, before, now, standing.file, || self.replace(held).left_over())
        {
            stood = Some(before.version);
            let record = Record { how: How::Aborted, ..self.record(before.version) };
            held.log.append(record)?;
        }
        stood = glimpses::take_in(held, glimpses, stood)?;
        if stood.unwrap_or(Version::ABSENT) == now {
            return Ok(());
        }
        take_down(held, standing, stood)
    }
}

/// Writes down what stands, in place of what `stood` there before.
pub(super) fn take_down(
    held: &mut Held,
    standing: &Standing<'_>,
    stood: Option<Version>,
) -> Result<()> {
    if !standing.version.is_absent() {
        held.keep(standing.version, standing.text)?;
    }
    let mut record = Record {
        parents: stood.into_iter().collect(),
        file: standing.file,
        ..describe(held, standing, stood.unwrap_or(Version::ABSENT))?
    };
    if let Some(author) = standing.author {
        record.session.clone_from(&author.session);
        record.branch.clone_from(&author.branch);
    }
    held.log.append(record)?;
    held.outside = held.log.head().cloned();
    Ok(())
}

/// What stands in the target, or stood there.
pub(super) struct Standing<'a> {
    pub(super) version: Version,
    pub(super) text: &'a [u8],
    /// Which file it is, where that is known.
    pub(super) file: Option<(u64, u64)>,
    /// Who wrote it, by other means than ccpar's, where that is known.
    pub(super) author: Option<&'a Author>,
    /// When it stood there, in milliseconds since 1970.
    pub(super) time: u64,
    /// The records that came after it and are in the log already, by number.
    pub(super) later: Option<RangeInclusive<u64>>,
}

impl<'a> Standing<'a> {
    /// A text that stands there now, by who knows whom.
    pub(super) fn now(version: Version, text: &'a [u8], file: Option<(u64, u64)>) -> Standing<'a> {
        Standing { version, text, file, author: None, time: harness::now(), later: None }
    }
}

/// The record of what stands in place of `before`.
fn describe(held: &Held, standing: &Standing<'_>, before: Version) -> Result<Record> {
    let &Standing { version, text, time, .. } = standing;
    // As many as stood there then, whatever came since.
    let head = held.log.head().map_or(0, |head| head.n);
    let later = standing.later.as_ref().map_or(0, |later| head.saturating_sub(*later.start()) + 1);
    let most = VERSIONS + usize::try_from(later).unwrap_or(0);
    let mut records = held.history.recent(most)?;
    let is_later = |n: u64| standing.later.as_ref().is_some_and(|later| later.contains(&n));
    records.retain(|record| !is_later(record.n));
    let get = |version| held.history.get(version).ok().flatten().unwrap_or_default();
    let old = get(before);
    let mut record =
        Record { lines: Some(merge::distance(&old, text)), ..Record::outside(version, time) };
    if version.is_absent() {
        let file = records.iter().find(|record| record.version == before);
        record.moved_to = file.and_then(|old| moved_to(&held.real, old));
        return Ok(record);
    }
    let rules = Rules::of(&held.real);
    let begins_with = |version| {
        if version == before {
            return text.starts_with(&old);
        }
        let part = held.history.get_unchecked(version).ok().flatten().unwrap_or_default();
        text.starts_with(&part) && Version::of(&part) == version
    };
    // Back over what was the same write, seen half done.
    let half_done: Vec<&Record> = records
        .iter()
        .take_while(|old| {
            let recent = old.how == How::Outside && time.saturating_sub(old.time) <= HALF_DONE;
            let stood_on = !old.parents.is_empty() && !old.version.is_absent();
            recent && stood_on && begins_with(old.version)
        })
        .collect();
    let aside: Vec<Version> = half_done.iter().map(|record| record.version).collect();
    let mut over = half_done.last().map_or(before, |first| first.replaced());
    // Over a removal too: who wrote the file anew may be a stale writer.
    let removal = records.get(half_done.len());
    let removal = removal.filter(|old| old.version == over && old.is_removal());
    over = removal.map_or(over, Record::replaced);
    let whole = (over, if over == before { old.clone() } else { get(over) });
    let mut candidates = stale::candidates(&held.history, &records, &[over]);
    let whole_loss = stale::infer(rules, &whole, &mut candidates, text);
    // It goes on from what it stands in place of: then that was a text of its
    // own, whatever it begins with.
    let goes_on = whole_loss.as_ref().is_some_and(|loss| aside.contains(&loss.base));
    let (loss, replaced) = if aside.is_empty() || !goes_on {
        (whole_loss, over)
    } else {
        let mut candidates = stale::candidates(&held.history, &records, &[before]);
        (stale::infer(rules, &(before, old.clone()), &mut candidates, text), before)
    };
    let whole = if replaced == before { (before, old) } else { whole };
    let look = half_done::Look { history: &held.history, rules, records: &records, time };
    let mut loss = look.settle(loss, &whole, text)?;
    if removal.is_some_and(|removal| time.saturating_sub(removal.time) > HALF_DONE) {
        // It may have been meant, and a new text is no stale one.
        loss = loss.filter(|loss| !loss.base.is_absent());
        loss = loss.map(|loss| Swallowed { maybe: true, ..loss });
    }
    if replaced != before {
        let closed = half_done.iter().filter(|record| record.lost.is_some());
        record.closes = closed.map(|record| record.n).collect();
        record.over = (loss.is_some() || !record.closes.is_empty()).then_some(replaced);
    }
    if let Some(loss) = loss {
        record.base = Some(loss.base);
        record.lost = Some(loss.lines.len());
        record.maybe = loss.maybe;
    }
    record.damage = Damage::of(&whole.1, text, rules == Rules::Json).or_else(|| {
        // What was broken stays so until it is whole again.
        let head = records.first()?;
        let was = head.damage.filter(|_| head.version == replaced)?;
        let still = match was {
            Damage::Emptied => text.trim_ascii().is_empty(),
            _ => Damage::of(b"0", text, true).is_some(),
        };
        still.then_some(was)
    });
    Ok(record)
}

/// Where the file that a record names lies now, if it, or a folder that it lies in,
/// was renamed where it was: the same inode under another name, with the same
/// content. A freed inode goes to the next file that is made.
fn moved_to(real: &Path, old: &Record) -> Option<String> {
    let file = old.file?;
    // What is gone is that which was renamed.
    let gone = real.ancestors().take_while(|path| fs::symlink_metadata(path).is_err()).last()?;
    let below = real.strip_prefix(gone).ok().filter(|below| !below.as_os_str().is_empty());
    let entries = fs::read_dir(gone.parent()?).ok()?.take(NEIGHBOURS).flatten();
    let paths = entries.map(|entry| match below {
        Some(below) => entry.path().join(below),
        None => entry.path(),
    });
    let mut same = paths.filter(|path| {
        let same_file = |metadata: fs::Metadata| atomic::file_id(&metadata) == Some(file);
        let same_text = |found: OnDisk| Version::of(&found.content) == old.version;
        fs::symlink_metadata(path).is_ok_and(same_file)
            && atomic::read(path).ok().flatten().is_some_and(same_text)
    });
    Some(same.next()?.to_string_lossy().into_owned())
}

/// Whether the newest record, an intent, never took effect. That needs a proof:
/// the very file that was to become the target still lies beside it. The old
/// content alone proves nothing, somebody may have put it back; and a file
/// system gives a freed inode to the next.
fn never_happened(
    head: &Record,
    before: &Before,
    now: Version,
    file: Option<(u64, u64)>,
    left_over: impl FnOnce() -> Option<Option<(u64, u64)>>,
) -> bool {
    if head.version == now {
        return false;
    }
    let is_as_before = before.version == now && before.file == file;
    match (head.how, head.file) {
        // Nothing is staged to remove a file; that it is there is proof enough,
        // and what the record says is not lost by disbelief.
        (How::Remove, _) => is_as_before,
        (_, Some(staged)) => left_over() == Some(Some(staged)),
        // Where files have no identity, what is left beside it has to do.
        (_, None) => is_as_before && left_over().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_never_happened_if_what_it_staged_still_lies_there() {
        let [old, new, other] = [b"old", b"new", b"xxx"].map(|text| Version::of(text));
        let (file, staged) = (Some((1, 7)), Some((1, 8)));
        let write = Record { n: 2, how: How::Write, file: staged, ..Record::outside(new, 0) };
        let remove = Record { how: How::Remove, file: None, ..write.clone() };
        let nameless = Record { file: None, ..write.clone() };
        let was = Before { version: old, file };
        let cases = [
            (&write, new, staged, None, false),
            (&write, old, file, Some(staged), true),
            // Put back by somebody, in a file that got the freed inode.
            (&write, old, file, None, false),
            // What lies beside it is an older writer's.
            (&write, old, file, Some(Some((1, 9))), false),
            // It died, and then somebody wrote or removed the target.
            (&write, other, file, Some(staged), true),
            (&write, Version::ABSENT, None, Some(staged), true),
            (&write, other, file, None, false),
            (&remove, old, file, None, true),
            (&remove, other, file, None, false),
            (&nameless, old, file, Some(None), true),
            (&nameless, other, file, Some(None), false),
        ];
        for (head, now, file, left_over, expected) in cases {
            let told = never_happened(head, &was, now, file, || left_over);
            assert_eq!(told, expected, "{} {now} {file:?} {left_over:?}", head.how);
        }
    }
}
