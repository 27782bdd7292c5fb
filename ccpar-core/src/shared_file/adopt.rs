//! What a tool wrote by itself, and then tells.
//!
//! Such a tool takes no lock of ours: it read the target, and replaced it a moment
//! later. When it tells, its text stands there, and what others wrote meanwhile is
//! gone; or others have already written over it. Either way its text becomes a
//! version like any other, with the base that it was really made from, and what it
//! swallowed is merged back.

use std::borrow::Cow;

use super::held::{Entry, Held, Made};
use super::settle::Standing;
use super::{Base, Commit, Outcome, SharedFile, Snapshot, merged};
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
        let mut held = self.enter_as(self.harness.wait(), Entry::Unsettled)?;
        if is_shown_otherwise(held.content()) {
            // What stands there is what it wrote, as far as can be told.
            self.bring_up(&mut held, true, &[])?;
            self.sync(&mut held)?;
            return Ok(Commit::unchanged(held.now));
        }
        let form = |text| in_form_of(held.content(), text).into_owned();
        let text = if is_same_text(wrote.text, held.content()) {
            held.content().to_vec()
        } else {
            form(wrote.text)
        };
        let version = Version::of(&text);
        let on_disk = held.now == version;
        let base = match &wrote.base {
            Base::Text(text) => Base::Text(form(text)),
            base => base.clone(),
        };
        let over = match wrote.over {
            Stood::Text(text) => Some(form(text)),
            Stood::Absent | Stood::Unknown => None,
        };
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
            Some(told) if told.how == How::Outside && on_disk && is_head(&held, told) => {
                told.replaced()
            }
            Some(told) => return self.correct(held, told, (version, &text), &base, over),
            None => self.bring_up_to_what_stood(&mut held, over.as_ref(), &recent)?,
        };
        let mut theirs = self.content(&held.history, replaced)?;
        let (base, base_text) = self.made_from(&held, &base, over, (replaced, &theirs))?;
        if !on_disk && held.now == replaced && !is_put_back {
            // Who wrote over it has told, and knew nothing of it.
            return self.commit_from(&mut held, base, &base_text, &text);
        }
        // As in a commit, a file that was gone takes nothing from what is written anew.
        let (whole, regions) = if base == replaced || replaced.is_absent() {
            (text.clone(), 0)
        } else {
            if recent.iter().any(|record| record.lost.is_some() && !record.maybe) {
                // What that one swallowed itself, its author did not delete.
                theirs = self.with_lost(&held.history, &theirs)?;
            }
            merged(Rules::of(&held.real), &base_text, &text, &theirs)
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
            closes: told.iter().filter(|told| told.lost.is_some()).map(|told| told.n).collect(),
            lines: Some(merge::distance(&theirs, &text)),
            file: file.filter(|_| on_disk),
            ..self.record(version)
        };
        held.log.append(record)?;
        let closes = held.log.head().filter(|own| own.lost.is_some()).map(|own| own.n);
        if !on_disk {
            return self.settle_and_heal(held);
        }
        if whole == text {
            self.sync(&mut held)?;
            self.prune_now_and_then(&mut held, text.len());
            return Ok(Commit { outcome: Outcome::Written, ..Commit::unchanged(version) });
        }
        let closes = closes.into_iter().collect();
        if regions > 0 {
            let made = Made { base: Some(base), ours: Some(&text), closes, ..Made::default() };
            return self.put_conflict(&mut held, &whole, regions, &made);
        }
        let made = Made { base: Some(base), ours: Some(&theirs), closes, ..Made::default() };
        let commit = self.put(&mut held, &whole, How::Merge, &made)?;
        drop(held);
        // What it was merged with may have swallowed something itself.
        let (healed, healing) = self.heal_own()?;
        let version = if healed == 0 { commit.version } else { healing.version };
        Ok(Commit { outcome: Outcome::Merged, version, ..commit })
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

    /// Brings the history up to what the tool replaced. Says what that is, or what
    /// came after it.
    fn bring_up_to_what_stood(
        &self,
        held: &mut Held,
        over: Option<&(Version, Vec<u8>)>,
        recent: &[Record],
    ) -> Result<Version> {
        if let Some((version, text)) = over {
            let is_known = recent
                .iter()
                .any(|record| record.version == *version || record.parents.contains(version));
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
        if base == stood || told.base == Some(base) && !told.maybe {
            return self.settle_and_heal(held);
        }
        let (whole, regions) = merged(Rules::of(&held.real), &base_text, text, &theirs);
        let known = Version::of(&whole);
        let is_done = |record: &Record| record.texts().any(|text| text == known);
        if regions > 0 || whole == text || held.history.recent(VERSIONS)?.iter().any(is_done) {
            return self.settle_and_heal(held);
        }
        self.bring_up(&mut held, false, &[])?;
        let commit = self.commit_from(&mut held, version, text, &whole)?;
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
    fn settle_and_heal(&self, mut held: Held) -> Result<Commit> {
        self.bring_up(&mut held, false, &[])?;
        self.sync(&mut held)?;
        let now = held.now;
        drop(held);
        let (healed, commit) = self.heal_own()?;
        Ok(if healed == 0 { Commit::unchanged(now) } else { commit })
    }
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
    let is_it = |record: &Record| record.version == *over || record.parents.contains(over);
    let place = recent.iter().position(is_it)?;
    // What only names it among its parents came after it.
    let is_older = recent[place].version == *over && *over != version;
    let after = &recent[..if is_older { place } else { place + 1 }];
    after.iter().find(|record| record.version == version).cloned()
}

fn is_head(held: &Held, record: &Record) -> bool {
    held.log.head().is_some_and(|head| head.n == record.n)
}

/// Whether two texts are the same but for line ends, and the mark at the beginning.
fn is_same_text(one: &[u8], other: &[u8]) -> bool {
    one == other || plain(one) == plain(other)
}

const MARK: &[u8] = "\u{feff}".as_bytes();

/// A text as tools show it.
fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    if memchr::memchr(b'\r', text).is_none() {
        return Cow::Borrowed(text);
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let bare = |line: &[u8]| match line.strip_suffix(b"\r\n") {
        Some(line) => [line, b"\n"].concat(),
        None => line.to_vec(),
    };
    Cow::Owned(lines.flat_map(bare).collect())
}

/// A text that a tool showed, with the line ends and the mark that the file has.
fn in_form_of<'t>(file: &[u8], text: &'t [u8]) -> Cow<'t, [u8]> {
    let has_mark = file.starts_with(MARK) && !text.starts_with(MARK);
    let ends = memchr::memchr_iter(b'\n', file).count();
    let is_dos = ends > 0 && memchr::memmem::find_iter(file, b"\r\n").count() == ends;
    let gets_ends = is_dos && memchr::memchr(b'\r', text).is_none();
    if !has_mark && !gets_ends {
        return Cow::Borrowed(text);
    }
    let mut whole = if has_mark { MARK.to_vec() } else { Vec::new() };
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n").filter(|_| gets_ends) {
            Some(bare) => whole.extend([bare, b"\r\n"].concat()),
            None => whole.extend(line),
        }
    }
    Cow::Owned(whole)
}

/// Whether a tool shows a file otherwise than as its bytes: then what it tells cannot
/// be held against them.
fn is_shown_otherwise(file: &[u8]) -> bool {
    file.starts_with(b"\xff\xfe")
        || file.starts_with(b"\xfe\xff")
        || file.contains(&0)
        || std::str::from_utf8(file).is_err()
}
