//! One target: read it, commit to it, go back in it.
//!
//! A write that knows nothing of what it replaces loses what came in between,
//! lock or no lock. So a text is put in place by a **commit** against its
//! **base**, the version that its author had read: under the target's lock,
//! what others wrote since then is merged in.
//!
//! # The steps of a commit
//! 1. Lock the target; read what is on disk.
//! 2. If that is not the newest version of the history, settle it: either the
//!    last intent never took effect, or something other than ccpar wrote.
//! 3. Merge base, ours and what is on disk. In a conflict, *theirs* stays in
//!    the file and all of *ours* goes to a conflict copy beside it.
//! 4. Contents into the history, then a line that names the intent.
//! 5. Replace the target; note what the author has now seen; unlock.
//!
//! After a clean commit the author has seen *ours*, not the merge: it does not
//! know the lines that were merged in, and its next text will not hold them.

mod adopt;
mod back;
mod doubt;
mod form;
mod glimpses;
mod half_done;
mod held;
mod loss;
mod passed_on;
mod prune;
mod restore;
mod settle;
mod stale;
mod stray;
mod words;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::harness::{self, Harness};
use crate::history::{History, How, Record, Version};
use crate::lock::{Lock, Mode};
use crate::merge::Rules;
use crate::{atomic, layout, target};
use held::{Held, Made};

pub use adopt::{Stood, Wrote};
pub use glimpses::Glimpses;
pub use loss::{Loss, LostLine};
pub(crate) use passed_on::merged;
pub use settle::Settled;
pub use stale::Swallowed;
pub use words::{Base, Commit, CommitOptions, Outcome, Snapshot, WithoutBase};

/// One shared file of a [`Harness`].
#[derive(Debug, Clone)]
pub struct SharedFile<'h> {
    harness: &'h Harness,
    path: PathBuf,
}

impl<'h> SharedFile<'h> {
    pub(crate) fn new(harness: &'h Harness, path: PathBuf) -> SharedFile<'h> {
        SharedFile { harness, path }
    }

    /// Another file of the same harness.
    #[must_use]
    pub fn sibling(&self, path: impl Into<PathBuf>) -> SharedFile<'h> {
        SharedFile::new(self.harness, path.into())
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The target's canonical path: links resolved, in parents and in the last
    /// component. The file need not exist.
    pub fn real_path(&self) -> Result<PathBuf> {
        target::resolve(&self.path)
    }

    /// The target's versions.
    pub fn history(&self) -> Result<History> {
        Ok(History::new(self.harness.root(), &self.real_path()?))
    }

    /// The versions that the path itself had, before a link took its place or that
    /// of a folder above it. `None` if it had none, or leads through no link.
    pub fn before_link(&self) -> Result<Option<History>> {
        for own in target::unfollowed(&self.path)? {
            let history = History::new(self.harness.root(), &own);
            if own.ancestors().any(Path::is_symlink) && !history.recent(1)?.is_empty() {
                return Ok(Some(history));
            }
        }
        Ok(None)
    }

    /// The file that the target's lock is on, for scripts that use flock(1)
    /// themselves.
    pub fn lock_path(&self) -> Result<camino::Utf8PathBuf> {
        Ok(layout::lock_file(self.harness.root(), &self.real_path()?))
    }

    /// Takes the target's lock, to be held while something else is done.
    ///
    /// Commits of this file wait for it, those of this process included.
    pub fn lock(&self, mode: Mode) -> Result<Lock> {
        self.lock_resolved(mode, self.harness.wait()).map(|(lock, _)| lock)
    }

    /// Reads the target and notes that this author has seen it. Takes no lock,
    /// and never sees half of a commit.
    ///
    /// For a reader that passes the content on and may fail to: [`look`] and
    /// [`mark_seen`].
    ///
    /// [`look`]: Self::look
    /// [`mark_seen`]: Self::mark_seen
    pub fn read(&self) -> Result<Snapshot> {
        let snapshot = self.look()?;
        self.mark_seen(&snapshot)?;
        Ok(snapshot)
    }

    /// Reads the target and keeps its content, and notes nothing of it: what was
    /// read can be the base of a text.
    pub fn look(&self) -> Result<Snapshot> {
        let real = self.real_path()?;
        let found = atomic::read(&real)?;
        let version = match &found {
            // A base that a power loss takes is gone with its reader.
            Some(found) => History::new(self.harness.root(), &real).put(&found.content)?,
            None => Version::ABSENT,
        };
        Ok(Snapshot { content: found.map(|found| found.content).unwrap_or_default(), version })
    }

    /// Reads the target and keeps nothing of it: writes nowhere.
    pub fn look_only(&self) -> Result<Snapshot> {
        let found = atomic::read(&self.real_path()?)?;
        let version = found.as_ref().map_or(Version::ABSENT, |found| Version::of(&found.content));
        Ok(Snapshot { content: found.map(|found| found.content).unwrap_or_default(), version })
    }

    /// Notes that this author has seen the whole of a snapshot: it is the base
    /// of the author's next text.
    pub fn mark_seen(&self, snapshot: &Snapshot) -> Result<()> {
        match self.harness.author().holders().first() {
            Some(holder) => self.history()?.set_seen(holder, snapshot.version),
            None => Ok(()),
        }
    }

    /// What this author is known to have seen of the target, whole.
    pub fn seen(&self) -> Result<Option<Version>> {
        let history = self.history()?;
        for holder in &self.harness.author().holders() {
            if let Some(version) = history.seen(holder)? {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// Puts a new text in place of the target, merged with what came in between
    /// since its base.
    ///
    /// # Durability
    /// As the harness says. What is acknowledged is in the target and, whole,
    /// in the history.
    ///
    /// # Errors
    /// On any error but [`Error::NotDurable`] the target is as it was.
    pub fn commit(&self, ours: &[u8], options: &CommitOptions) -> Result<Commit> {
        let mut held = self.enter_to_write()?;
        let version = Version::of(ours);
        let mut commit = match self.base(&held, &options.base)? {
            Some((base, text)) => self.commit_from(&mut held, base, &text, ours)?,
            None => self.commit_without_base(&mut held, ours, options)?,
        };
        if let Outcome::Conflict { .. } = commit.outcome {
            return Ok(commit);
        }
        if commit.outcome == Outcome::Unchanged && version != commit.version {
            // All of it stands there already, among what others wrote.
            held.keep(version, ours)?;
            self.sync(&mut held)?;
        }
        if let Some(holder) = self.harness.author().holders().first().filter(|_| held.keeps) {
            // The text is in place, and what is seen may lag behind.
            let _ = held.history.set_seen(holder, version);
        }
        if commit.outcome == Outcome::Written && version != commit.version {
            commit.outcome = Outcome::Merged;
        }
        Ok(commit)
    }

    /// Makes the new text from the current one, under the lock: no base is
    /// needed, and nothing comes in between. `edit` should be quick.
    ///
    /// # Errors
    /// Those of `edit`, which leave the target as it was, and those of
    /// [`commit`](Self::commit).
    pub fn update<E: From<Error>>(
        &self,
        edit: impl FnOnce(&[u8]) -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<Commit, E> {
        let mut held = self.enter_to_write()?;
        let text = edit(held.content())?;
        Ok(self.put(&mut held, &text, How::Edit, &Made::default())?)
    }

    /// Adds text at the end, on a line of its own.
    pub fn append(&self, text: &[u8]) -> Result<Commit> {
        let mut held = self.enter_to_write()?;
        let mut whole = held.content().to_vec();
        if !whole.is_empty() && !whole.ends_with(b"\n") && !text.is_empty() {
            whole.push(b'\n');
        }
        whole.extend_from_slice(text);
        self.put(&mut held, &whole, How::Append, &Made::default())
    }

    /// Removes the target. Its history stays, and [`restore`](Self::restore)
    /// brings it back.
    pub fn remove(&self) -> Result<Commit> {
        self.remove_held(&mut self.enter_to_write()?)
    }

    /// The content of a version of this target.
    ///
    /// # Errors
    /// [`Error::UnknownVersion`] if it is not kept.
    pub fn version(&self, version: Version) -> Result<Vec<u8>> {
        self.content(&self.history()?, version)
    }

    /// Finds a version by its number in the log, or by the first digits of its
    /// hash (at least four).
    ///
    /// # Errors
    /// [`Error::UnknownVersion`] if there is none, or more than one.
    pub fn find(&self, wanted: &str) -> Result<Version> {
        let history = self.history()?;
        let unknown = |hint: String| Error::UnknownVersion {
            path: self.path.clone(),
            wanted: wanted.to_owned(),
            hint,
        };
        if let Ok(version) = wanted.parse::<Version>() {
            if history.get(version)?.is_some() {
                return Ok(version);
            }
            return Err(unknown(String::new()));
        }
        let parsed = history.records()?;
        if let Ok(n) = wanted.parse::<u64>()
            && let Some(record) = parsed.effective().find(|record| record.n == n)
        {
            return Ok(record.version);
        }
        let is_prefix = wanted.len() >= 4 && wanted.bytes().all(|c| c.is_ascii_hexdigit());
        let fits = if is_prefix { history.beginning_with(wanted)? } else { Vec::new() };
        match fits[..] {
            [version] => Ok(version),
            [] => Err(unknown(match parsed.effective().next_back() {
                Some(last) => format!(": the newest is {}", last.n),
                None => ": ccpar has never read or written it".to_owned(),
            })),
            _ => Err(unknown(": more than one begins so; give more digits".to_owned())),
        }
    }

    /// The base of a text, as a version and, unless it is what stands there
    /// now, its content. `None` if it is not known.
    fn base(&self, held: &Held, base: &Base) -> Result<Option<(Version, Vec<u8>)>> {
        let known = |version: Version| {
            let here = version == held.now;
            Ok((version, if here { Vec::new() } else { self.content(&held.history, version)? }))
        };
        match base {
            Base::Version(version) => known(*version).map(Some),
            Base::Text(text) => Ok(Some((Version::of(text), text.clone()))),
            Base::Seen => {
                let holders = self.harness.author().holders();
                for holder in &holders {
                    if let Some(version) = held.history.seen(holder)? {
                        return known(version).map(Some).map_err(|error| match error {
                            Error::UnknownVersion { path, wanted, hint } => {
                                let hint = format!(
                                    "{hint}; `{holder}` had read that: read the file again, and \
                                     write what is still to be written"
                                );
                                Error::UnknownVersion { path, wanted, hint }
                            }
                            other => other,
                        });
                    }
                }
                Ok(None)
            }
        }
    }

    fn content(&self, history: &History, version: Version) -> Result<Vec<u8>> {
        history.get(version)?.ok_or_else(|| Error::UnknownVersion {
            path: self.path.clone(),
            wanted: version.to_string(),
            hint: match history.pruned_until() {
                0 => String::new(),
                _ => " any more: contents that are old, or too many, are pruned".to_owned(),
            },
        })
    }

    fn commit_from(
        &self,
        held: &mut Held,
        base: Version,
        text: &[u8],
        ours: &[u8],
    ) -> Result<Commit> {
        let mut made = Made { base: Some(base), ..Made::default() };
        if held.now == base {
            return self.put(held, ours, How::Write, &made);
        }
        if held.now.is_absent() {
            let by = held.log.head().filter(|head| head.how == How::Remove).cloned();
            let by = by.unwrap_or_else(|| Record::outside(held.now, harness::now()));
            let commit = self.put(held, ours, How::Write, &made)?;
            return Ok(Commit { removed_meanwhile: Some(Box::new(by)), ..commit });
        }
        let theirs = held.content().to_vec();
        let (merged, regions) = passed_on::merged(Rules::of(&held.real), text, ours, &theirs);
        let how = if merged == ours { How::Write } else { How::Merge };
        made.ours = Some(ours);
        if regions == 0 {
            return self.put(held, &merged, how, &made);
        }
        self.put_conflict(held, &merged, regions, &made)
    }

    /// Puts what could be merged in place, and all of *ours* beside it.
    fn put_conflict(
        &self,
        held: &mut Held,
        merged: &[u8],
        regions: usize,
        made: &Made<'_>,
    ) -> Result<Commit> {
        let ours = made.ours.unwrap_or_default();
        self.check(held)?;
        // In the history and beside the target: what is acknowledged is never in one
        // place alone.
        let version = Version::of(ours);
        held.keep(version, ours)?;
        let (copy, created) = self.keep_copy(held, ours)?;
        let done = self.put(held, merged, How::Conflict, made).and_then(|commit| {
            if commit.outcome == Outcome::Unchanged {
                self.note_conflict(held, version, made)?;
            }
            Ok(commit)
        });
        let commit = done.inspect_err(|error| {
            if created && !matches!(error, Error::NotDurable { .. }) {
                let _ = std::fs::remove_file(&copy);
            }
        })?;
        Ok(Commit { outcome: Outcome::Conflict { copy, regions }, ..commit })
    }

    /// Records that nothing of a text merged, unless that is what the log says last.
    fn note_conflict(&self, held: &mut Held, ours: Version, made: &Made<'_>) -> Result<()> {
        let is_told = |head: &Record| head.how == How::Conflict && head.parents.contains(&ours);
        if held.log.head().is_some_and(is_told) {
            return Ok(());
        }
        let record = Record {
            how: How::Conflict,
            parents: vec![held.now, ours],
            base: made.base,
            closes: made.closes.clone(),
            ..self.record(held.now)
        };
        held.log.append(record)?;
        self.sync(held)
    }

    fn commit_without_base(
        &self,
        held: &mut Held,
        ours: &[u8],
        options: &CommitOptions,
    ) -> Result<Commit> {
        if options.without_base == WithoutBase::Refuse && !held.now.is_absent() {
            return Err(Error::NoBase { path: self.path.clone() });
        }
        let head = held.log.head().filter(|_| held.keeps);
        let stale = stale::look(&held.history, Rules::of(&held.real), head, held.content(), ours)?;
        match stale {
            Some(swallowed) if options.without_base == WithoutBase::Merge => {
                let text = self.content(&held.history, swallowed.base)?;
                self.commit_from(held, swallowed.base, &text, ours)
            }
            swallowed => {
                let made = Made {
                    base: swallowed.as_ref().map(|swallowed| swallowed.base),
                    lost: swallowed.as_ref().map(|swallowed| swallowed.lines.len()),
                    maybe: swallowed.as_ref().is_some_and(|swallowed| swallowed.maybe),
                    ..Made::default()
                };
                let commit = self.put(held, ours, How::Write, &made)?;
                Ok(Commit { swallowed, ..commit })
            }
        }
    }
}
