//! What a tool wrote by itself, and then tells.
//!
//! Such a tool takes no lock of ours: it read the target, and replaced it a moment
//! later. When it tells, its text stands there, and what others wrote meanwhile is
//! gone; or others have already written over it. Either way its text becomes a
//! version like any other, with the base that it was really made from, and what it
//! swallowed is merged back.

use super::doubt::{Whole, amends, doubtful, is_doubt_of, is_known_by, place_of, seen_too};
use super::form::{in_form_of, is_same_text, is_shown_otherwise};
use super::held::{Entry, Held, Made};
use super::settle::Standing;
use super::{Base, Commit, Outcome, SharedFile, Snapshot};
use crate::atomic::OnDisk;
use crate::error::{Error, Result};
use crate::history::{How, Record, Version};
use crate::merge::{self, Rules};

/// How many versions back a text is looked for.
const VERSIONS: usize = 64;

/// What a tool found in a target when it replaced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stood<'a> {
    /// That is not known.
    Unknown,
    /// There was no file.
    Absent,
    /// This text.
    Text(&'a [u8]),
}

/// What a tool wrote by itself.
///
/// Texts are taken for those in the target if only their line ends, or the mark at
/// their beginning, are others: tools show texts without these.
#[derive(Debug, Clone)]
pub struct Wrote<'a> {
    /// The whole text.
    pub text: &'a [u8],
    /// What it replaced.
    pub over: Stood<'a>,
    /// What it was made from; if that is not known, what it replaced.
    pub base: Base,
}

impl SharedFile<'_> {
    /// Takes a text that this author's tool put in the target by itself for a
    /// commit: records it, and merges back what it swallowed. If something else
    /// stands there by now, it is merged into a text of a writer that has told
    /// already; any other text is recorded too, as written by who knows whom, and
    /// what that swallowed is merged back unless it may have been meant.
    ///
    /// What this author has seen does not move. To tell twice does nothing twice.
    /// Claims are not asked for: the tool has written already.
    ///
    /// # Durability
    /// As the harness says, for what is recorded and merged.
    ///
    /// # Errors
    /// The tool's text stands where it put it, whatever fails here.
    pub fn adopt(&self, wrote: &Wrote<'_>) -> Result<Commit> {
        let mut held = self.enter_as(self.harness.wait(), Entry::Unsettled, None)?;
        if is_shown_otherwise(held.content()) {
            // What stands there is what it wrote, as far as can be told.
            self.bring_up(&mut held, true, &[])?;
            self.sync(&mut held)?;
            return Ok(Commit::unchanged(held.now));
        }
        let (text, base, over) = in_the_files_form(held.content(), wrote);
        let (version, on_disk) = (Version::of(&text), held.now == Version::of(&text));
        let over = replaced(&held, over.as_deref().map_or(wrote.over, Stood::Text));
        let file = held.found.as_ref().and_then(OnDisk::file_id);
        let recent = held.history.recent(VERSIONS)?;
        // What it replaced stands there again: somebody may have meant that.
        let over_version = over.as_ref().map(|(over, _)| *over);
        let is_put_back = !on_disk && over_version == Some(held.now);
        let put_back = || {
            let is_it =
                |record: &&Record| record.version == version && record.replaced() == held.now;
            recent.iter().find(is_it).filter(|_| is_put_back).cloned()
        };
        let told = since(&recent, over.as_ref(), version).or_else(put_back);
        let replaced = match &told {
            // Somebody who looked took it for that of a stranger.
            Some(told) if told.how == How::Outside && on_disk && is_newest(&recent, told) => {
                told.replaced()
            }
            Some(told) => return self.correct(held, told, (version, &text), &base, over),
            None => self.bring_up_to_what_stood(&mut held, over.as_ref(), &recent)?,
        };
        let mut theirs = self.content(&held.history, replaced)?;
        let (base, base_text) = self.made_from(&held, &base, over, (replaced, &theirs))?;
        let is_late = !on_disk && told.is_none() && !is_put_back;
        let mut doubtful = match &told {
            Some(told) => seen_too(&recent, told),
            None if is_put_back => Vec::new(),
            None => doubtful(&held, &recent, (version, over_version), is_late),
        };
        if told.is_some() && base == version {
            return self.settle_and_heal(held);
        }
        if is_late && held.now == replaced {
            // Who wrote over it has told, and knew nothing of it.
            self.doubt(&mut held, &doubtful, (base, &base_text), &text)?;
            return self.commit_from(&mut held, base, &base_text, &text);
        }
        // As in a commit, a file that was gone takes nothing from what is written anew.
        let (whole, regions) = if base == replaced || replaced.is_absent() {
            (text.clone(), 0)
        } else {
            // With what was brought up only now.
            let recent = held.history.recent(VERSIONS)?;
            let all = self.whole_of(&held, &recent, (version, replaced), base)?;
            let done = all.merged(Rules::of(&held.real), &base_text, &text);
            theirs = all.text;
            done
        };
        let missing = if whole == text { Vec::new() } else { merge::swallowed(&whole, &text) };
        held.keep(version, &text)?;
        // What a record names can be looked at, and put back.
        if !base.is_absent() {
            held.keep(base, &base_text)?;
        }
        let record = Record {
            how: How::Hook,
            parents: vec![replaced],
            base: Some(base),
            lost: (!missing.is_empty()).then_some(missing.len()),
            closes: told
                .iter()
                .filter(|told| told.lost.is_some())
                .chain(recent.iter().filter(|record| base == replaced && is_doubt_of(record, base)))
                .map(|record| record.n)
                .collect(),
            lines: Some(merge::distance(&theirs, &text)),
            file: file.filter(|_| on_disk),
            ..self.record(version)
        };
        held.log.append(record)?;
        let closes = held.log.head().filter(|own| own.lost.is_some()).map(|own| own.n);
        if !on_disk {
            self.bring_up(&mut held, false, &[])?;
        }
        // Nor that it was written over by somebody who had seen it.
        let is_sure = |head: &Record| head.lost.is_some() && !head.maybe;
        let head = held.log.head().filter(|head| is_late && !is_sure(head));
        doubtful.extend(head.cloned());
        self.doubt(&mut held, &doubtful, (base, &base_text), &text)?;
        if !on_disk {
            return self.settle_and_heal(held);
        }
        if whole == text {
            self.sync(&mut held)?;
            self.prune_now_and_then(&mut held, text.len());
            return Ok(Commit { outcome: Outcome::Written, ..Commit::unchanged(version) });
        }
        let closes = closes.into_iter().collect();
        self.put_merged(held, (base, &text), (&whole, regions), &theirs, closes)
    }

    /// A text of the target that this author's tool was shown, for
    /// [`mark_seen`](Self::mark_seen): the one in the target, if it is that. It is
    /// kept.
    pub fn shown(&self, text: &[u8]) -> Result<Snapshot> {
        let found = self.look_only()?;
        let content = if is_same_text(text, &found.content) { found.content } else { text.into() };
        let version = self.history()?.put(&content)?;
        Ok(Snapshot { content, version })
    }

    /// Puts in place what a text and what it swallowed came to.
    fn put_merged(
        &self,
        mut held: Held,
        (base, text): (Version, &[u8]),
        (whole, regions): (&[u8], usize),
        theirs: &[u8],
        closes: Vec<u64>,
    ) -> Result<Commit> {
        if regions > 0 {
            let made = Made { base: Some(base), ours: Some(text), closes, ..Made::default() };
            return self.put_conflict(&mut held, whole, regions, &made);
        }
        let made = Made { base: Some(base), ours: Some(theirs), closes, ..Made::default() };
        let commit = self.put(&mut held, whole, How::Merge, &made)?;
        drop(held);
        // What it was merged with may have swallowed something itself.
        let (healed, healing) = self.heal_own()?;
        let version = if healed == 0 { commit.version } else { healing.version };
        Ok(Commit { outcome: Outcome::Merged, version, ..commit })
    }

    /// Brings the history up to what the tool replaced. Says what that is, or what
    /// came after it.
    fn bring_up_to_what_stood(
        &self,
        held: &mut Held,
        over: Option<&(Version, Vec<u8>)>,
        recent: &[Record],
    ) -> Result<Version> {
        if let Some((version, text)) = over {
            let is_known = recent.iter().any(|record| is_known_by(record, *version));
            // A target without a history was absent before it was there.
            let was_new = version.is_absent() && recent.is_empty();
            if !is_known && !was_new {
                self.bring_up_to(held, &Standing::now(*version, text, None), &[])?;
            }
        }
        let effective = held.history.recent(1)?;
        Ok(effective.first().map_or(Version::ABSENT, |head| head.version))
    }

    /// A text that somebody saw and took for a stranger's, and that others have
    /// written over since then: what it swallowed was inferred, and is known now.
    fn correct(
        &self,
        mut held: Held,
        told: &Record,
        (version, text): (Version, &[u8]),
        base: &Base,
        over: Option<(Version, Vec<u8>)>,
    ) -> Result<Commit> {
        let stood = told.replaced();
        if told.how != How::Outside || stood.is_absent() {
            return self.settle_and_heal(held);
        }
        let theirs = self.content(&held.history, stood)?;
        let (base, base_text) = self.made_from(&held, base, over, (stood, &theirs))?;
        let recent = held.history.recent(VERSIONS)?;
        let others = seen_too(&recent, told);
        if !others.is_empty() {
            self.bring_up(&mut held, false, &[])?;
            self.doubt(&mut held, &others, (base, &base_text), text)?;
        }
        // Who tells again has seen its own text by then, or what came of it.
        if base == version
            || came_after(&recent, told, base)
            || told.base == Some(base) && !told.maybe
        {
            return self.settle_and_heal(held);
        }
        self.mend(held, told.n, (version, text), (base, &base_text), (stood, theirs))
    }

    /// Merges back what a text swallowed of what `stood` there, into what has become
    /// of it.
    fn mend(
        &self,
        mut held: Held,
        told: u64,
        (version, text): (Version, &[u8]),
        (base, base_text): (Version, &[u8]),
        (stood, theirs): (Version, Vec<u8>),
    ) -> Result<Commit> {
        if base == stood {
            return self.settle_and_heal(held);
        }
        let recent = held.history.recent(VERSIONS)?;
        let rules = Rules::of(&held.real);
        let all = self.whole_of(&held, &recent, (version, stood), base);
        let all = all.unwrap_or_else(|_| Whole::of(theirs));
        let (whole, regions) = all.merged(rules, base_text, text);
        let theirs = all.text;
        // An older record tells of another time: the same text may have stood there then.
        let since = &recent[..recent.iter().take_while(|record| record.n > told).count()];
        let known = Version::of(&whole);
        let has_it = |record: &Record| record.texts().any(|text| text == known);
        let is_done = |record: &Record| !record.is_remark() && has_it(record);
        if whole == text || regions == 0 && since.iter().any(is_done) {
            return self.settle_and_heal(held);
        }
        self.bring_up(&mut held, false, &[])?;
        let commit = if regions > 0 {
            self.name_loss(&mut held, (base, base_text), (stood, &theirs), (version, since))?
        } else {
            let commit = self.commit_from(&mut held, version, text, &whole)?;
            (commit.outcome != Outcome::Unchanged).then_some(commit)
        };
        let Some(commit) = commit else {
            // It is all there. Others go by what the text was made from all the same.
            if !since.iter().any(|record| amends(record, version, stood)) {
                self.amend(&mut held, (base, base_text), version, stood)?;
            }
            return self.settle_and_heal(held);
        };
        drop(held);
        let (healed, healing) = self.heal_own()?;
        Ok(if healed == 0 { commit } else { Commit { version: healing.version, ..commit } })
    }

    /// What the text was made from.
    fn made_from(
        &self,
        held: &Held,
        base: &Base,
        over: Option<(Version, Vec<u8>)>,
        (replaced, theirs): (Version, &[u8]),
    ) -> Result<(Version, Vec<u8>)> {
        let known = match self.base(held, base) {
            Ok(Some((version, _))) if version == held.now => {
                Some((version, held.content().to_vec()))
            }
            Ok(known) => known,
            // What was seen is kept no more.
            Err(Error::UnknownVersion { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(known.or(over).unwrap_or_else(|| (replaced, theirs.to_vec())))
    }

    /// Records what stands in the target, and merges back what that swallowed.
    pub(super) fn settle_and_heal(&self, mut held: Held) -> Result<Commit> {
        self.bring_up(&mut held, false, &[])?;
        self.sync(&mut held)?;
        let now = held.now;
        drop(held);
        let (healed, commit) = self.heal_own()?;
        Ok(if healed == 0 { Commit::unchanged(now) } else { commit })
    }
}

/// The text of a tool, what it was made from and what it replaced, with the line ends
/// and the mark that the file has.
fn in_the_files_form(file: &[u8], wrote: &Wrote<'_>) -> (Vec<u8>, Base, Option<Vec<u8>>) {
    let form = |text| in_form_of(file, text).into_owned();
    let text = if is_same_text(wrote.text, file) { file.to_vec() } else { form(wrote.text) };
    let base = match &wrote.base {
        Base::Text(text) => Base::Text(form(text)),
        base => base.clone(),
    };
    let over = match wrote.over {
        Stood::Text(text) => Some(form(text)),
        Stood::Absent | Stood::Unknown => None,
    };
    (text, base, over)
}

/// What the tool replaced, as the history or the text itself has it.
fn replaced(held: &Held, over: Stood<'_>) -> Option<(Version, Vec<u8>)> {
    let text = match over {
        Stood::Unknown => return None,
        Stood::Absent => return Some((Version::ABSENT, Vec::new())),
        Stood::Text(text) => text,
    };
    let head = held.log.head().map(|head| head.version).filter(|head| !head.is_absent());
    // A head whose content is gone is no text to compare.
    let known = head.and_then(|head| Some((head, held.history.get(head).ok()??)));
    let same = known.filter(|(_, known)| is_same_text(text, known));
    Some(same.unwrap_or_else(|| (Version::of(text), text.to_vec())))
}

/// The record of a text that was written over another, if there is one: the newest
/// after that. An older record of the same text tells nothing: it may have been put
/// back.
fn since(recent: &[Record], over: Option<&(Version, Vec<u8>)>, version: Version) -> Option<Record> {
    let Some((over, _)) = over else {
        let is_found = |head: &&Record| head.version == version && head.how == How::Outside;
        return recent.first().filter(is_found).cloned();
    };
    let place = place_of(recent, *over)?;
    // What only names it among its parents came after it.
    let is_older = recent[place].version == *over && *over != version;
    let after = &recent[..if is_older { place } else { place + 1 }];
    let is_it = |record: &&Record| record.version == version && !record.is_remark();
    let is_own = |record: &&Record| is_it(record) && matches!(record.how, How::Hook | How::Outside);
    // Or it was merged into what stood there, and never stood there alone.
    let has_it = |record: &&Record| record.texts().any(|text| text == version);
    let mut found = after.iter().find(is_own);
    found = found.or_else(|| after.iter().find(is_it)).or_else(|| after.iter().find(has_it));
    found.cloned()
}

/// Whether a version was there only after a record was.
fn came_after(recent: &[Record], told: &Record, version: Version) -> bool {
    let is_it = |record: &Record| is_known_by(record, version);
    let first = recent.iter().rfind(|record| is_it(record));
    first.is_some_and(|first| first.n > told.n)
}

fn is_newest(recent: &[Record], record: &Record) -> bool {
    let newest = recent.iter().find(|record| !record.is_remark());
    newest.is_some_and(|newest| newest.n == record.n)
}
