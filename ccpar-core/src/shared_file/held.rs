//! A target under its lock: what stands there, and how the next version is put
//! in its place.

use std::path::PathBuf;

use super::{Commit, Outcome, SharedFile};
use crate::atomic::{self, Durability, OnDisk, Replace, Unsynced};
use crate::error::{Error, Result};
use crate::harness;
use crate::history::{Before, History, How, Log, Record, Version};
use crate::lock::{Lock, Mode, Owner, Request, Wait};
use crate::{layout, merge};

/// How often a path may change its meaning while its lock is taken.
const RESOLVE_TRIES: usize = 16;

/// A target whose lock is held, and what stands there now.
pub(super) struct Held {
    // Dropped last: fields drop in their order, and the lock covers them all.
    pub(super) log: Log,
    pub(super) found: Option<OnDisk>,
    pub(super) now: Version,
    pub(super) history: History,
    /// Written to the history, and not synced yet.
    pub(super) unsynced: Vec<Unsynced>,
    pub(super) real: PathBuf,
    /// What something other than ccpar did since the last look, if anything.
    pub(super) outside: Option<Record>,
    /// Whether there is a history.
    pub(super) keeps: bool,
    /// The number of the newest record when the lock was taken.
    pub(super) found_at: u64,
    temp_name: String,
    _lock: Lock,
}

/// How what is found on disk is taken when a target is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// What the history does not know was written by something that is not known.
    Look,
    /// It was written by this author.
    Own,
    /// It is not settled yet.
    Unsettled,
}

impl Held {
    /// Keeps a content in the history.
    pub(super) fn keep(&mut self, version: Version, content: &[u8]) -> Result<()> {
        if self.keeps {
            self.unsynced.push(self.history.put_as(version, content)?);
        }
        Ok(())
    }

    /// Keeps what is about to go if only a look has recorded it: that synced nothing,
    /// so a power loss may have taken it since then.
    fn keep_what_goes(&mut self) -> Result<()> {
        let looked = |head: &Record| matches!(head.how, How::Outside | How::Aborted);
        if self.outside.is_none() && self.log.head().is_some_and(looked) {
            self.keep_as_it_stands()?;
        }
        Ok(())
    }

    fn keep_as_it_stands(&mut self) -> Result<()> {
        if let Some(found) = self.found.take() {
            let kept = self.keep(self.now, &found.content);
            self.found = Some(found);
            kept?;
        }
        Ok(())
    }

    pub(super) fn content(&self) -> &[u8] {
        self.found.as_ref().map_or(&[], |found| &found.content)
    }
}

impl SharedFile<'_> {
    pub(super) fn lock_resolved(&self, mode: Mode, wait: Wait) -> Result<(Lock, PathBuf)> {
        let owner = self.harness.owner();
        let begun = std::time::Instant::now();
        let tells = self.harness.tells_wait();
        let tell = |owner: Option<&Owner>| self.harness.tell_wait(&self.path, owner);
        for _ in 0..RESOLVE_TRIES {
            let real = self.real_path()?;
            let path = layout::lock_file(self.harness.root(), &real);
            let request = Request {
                wait: wait.less(begun.elapsed()),
                owner: Some(&owner),
                inside: self.harness.callers(),
                on_wait: tells.then_some(&tell),
            };
            let lock = Lock::acquire(&path, mode, request).map_err(|error| match error {
                // A person asked for the target; the lock file is our matter.
                Error::Busy { waited, owner, .. } => {
                    Error::Busy { path: self.path.clone(), waited, owner }
                }
                Error::HeldByCaller { .. } => Error::HeldByCaller { path: self.path.clone() },
                other => other,
            })?;
            // The path may have become a link, or its link another, meanwhile.
            if self.real_path()? == real {
                return Ok((lock, real));
            }
        }
        Err(Error::Target {
            path: self.path.clone(),
            problem: "keeps being linked to another file: try again when that has settled"
                .to_owned(),
        })
    }

    /// Locks the target and settles what stands there.
    pub(super) fn enter(&self, wait: Wait) -> Result<Held> {
        self.enter_as(wait, Entry::Look, None)
    }

    /// The same, where the text that most likely stands there is known.
    pub(super) fn enter_as(
        &self,
        wait: Wait,
        entry: Entry,
        likely: Option<(Version, &[u8])>,
    ) -> Result<Held> {
        let (lock, real) = self.lock_resolved(Mode::Exclusive, wait)?;
        self.enter_locked(lock, real, entry, likely)
    }

    /// The same when nobody else has claimed the target. A claim is waited for
    /// without the lock; one that is granted later is told only when this lock
    /// is free.
    pub(super) fn enter_to_write(&self) -> Result<Held> {
        let begun = std::time::Instant::now();
        let registry = self.harness.registry();
        // Kept until the lock is: nobody who waits comes in between.
        let mut queue = Vec::new();
        loop {
            let wait = self.harness.wait().less(begun.elapsed());
            let (lock, real) = self.lock_resolved(Mode::Exclusive, wait)?;
            if registry.forbidden(&real)?.is_none() {
                return self.enter_locked(lock, real, Entry::Look, None);
            }
            drop(lock);
            queue.clear();
            let wait = self.harness.wait().less(begun.elapsed());
            queue = registry.wait_for_leave(&self.path, real, wait)?;
        }
    }

    fn enter_locked(
        &self,
        lock: Lock,
        real: PathBuf,
        entry: Entry,
        likely: Option<(Version, &[u8])>,
    ) -> Result<Held> {
        let history = History::new(self.harness.root(), &real);
        let keeps = self.harness.keeps_history();
        let (found, glimpses) =
            match self.harness.glimpses().filter(|_| keeps && entry != Entry::Unsettled) {
                Some(glimpses) => glimpses.read(&real)?,
                None => (atomic::read(&real)?, Vec::new()),
            };
        // Later: of what cannot be read, a folder for one, no history begins.
        let log = if keeps { history.open_log()? } else { history.open_nothing() };
        let now = found.as_ref().map_or(Version::ABSENT, |found| match likely {
            Some((version, text)) if text == found.content => version,
            _ => Version::of(&found.content),
        });
        let temp_name = layout::temp_name(self.harness.root(), &real);
        let found_at = log.head().map_or(0, |head| head.n);
        let mut held = Held {
            log,
            found,
            now,
            history,
            unsynced: Vec::new(),
            real,
            outside: None,
            keeps,
            found_at,
            temp_name,
            _lock: lock,
        };
        if keeps && held.log.head().is_none() && self.harness.durability() == Durability::Disk {
            for folder in held.history.folders() {
                held.unsynced.push(Unsynced::folder(folder)?);
            }
        }
        if keeps && entry != Entry::Unsettled {
            self.bring_up(&mut held, entry == Entry::Own, &glimpses)?;
        }
        Replace { temp_name: &copy_temp(&held.temp_name), ..self.replace(&held) }.sweep();
        Ok(held)
    }

    /// Writes the whole of a text that could not be merged beside the target.
    ///
    /// Says too whether it was created: the same conflict finds its own copy.
    pub(super) fn keep_copy(&self, held: &mut Held, ours: &[u8]) -> Result<(PathBuf, bool)> {
        let who = self.harness.author().name();
        let hash = Version::of(ours).to_string();
        // A copy that somebody has edited since then is left alone.
        for digits in [&hash[..], &hash[8..], &hash[16..], &hash[24..]] {
            let copy = held.real.with_file_name(layout::conflict_name(&held.real, who, digits));
            match atomic::read(&copy)? {
                Some(found) if found.content == ours => {
                    held.unsynced.extend(found.unsynced(&copy)?);
                    return Ok((copy, false));
                }
                Some(_) => {}
                None => {
                    let temp_name = copy_temp(&held.temp_name);
                    let replace =
                        Replace { path: &copy, temp_name: &temp_name, ..self.replace(held) };
                    let mut staged = replace.stage(ours, held.found.as_ref())?;
                    atomic::sync(&[staged.unsynced()?], replace.durability)?;
                    match staged.put_in_place() {
                        // The target's own folder is synced with it.
                        Ok(()) | Err(Error::NotDurable { .. }) => {}
                        Err(error) => return Err(error),
                    }
                    drop(staged);
                    return Ok((copy, true));
                }
            }
        }
        Err(Error::Target {
            path: held.real.clone(),
            problem: "has several conflict copies of this very text, all of them edited: settle \
                      and remove those first"
                .to_owned(),
        })
    }

    pub(super) fn replace<'r>(&self, held: &'r Held) -> Replace<'r> {
        Replace {
            path: &held.real,
            temp_name: &held.temp_name,
            durability: self.harness.durability(),
            break_hard_link: self.harness.break_hard_links(),
        }
    }

    /// Says why the target cannot be replaced, if so.
    pub(super) fn check(&self, held: &Held) -> Result<()> {
        held.found.as_ref().map_or(Ok(()), |found| self.replace(held).check(found))
    }

    /// Puts the result in place: contents, intent, replacement.
    pub(super) fn put(
        &self,
        held: &mut Held,
        text: &[u8],
        how: How,
        made: &Made<'_>,
    ) -> Result<Commit> {
        let version = Version::of(text);
        let mut commit =
            Commit { version, outcome: Outcome::Written, swallowed: None, removed_meanwhile: None };
        if version == held.now {
            self.replace(held).sweep();
            commit.outcome = Outcome::Unchanged;
            self.sync_as_it_stands(held)?;
            return Ok(commit);
        }
        self.check(held)?;
        held.keep_what_goes()?;
        let (path, temp_name) = (held.real.clone(), held.temp_name.clone());
        let replace = Replace {
            path: &path,
            temp_name: &temp_name,
            durability: self.harness.durability(),
            break_hard_link: self.harness.break_hard_links(),
        };
        held.keep(version, text)?;
        let mut parents = vec![held.now];
        if let Some(ours) = made.ours.filter(|ours| *ours != text) {
            let version = Version::of(ours);
            held.keep(version, ours)?;
            parents.push(version);
        }
        if let Some(folder) = held.real.parent() {
            atomic::create_folders(folder, replace.durability)?;
        }
        let mut staged = replace.stage(text, held.found.as_ref())?;
        held.unsynced.push(staged.unsynced()?);
        let record = Record {
            file: staged.file_id(),
            how,
            parents,
            base: made.base,
            lost: made.lost,
            maybe: made.maybe,
            closes: made.closes.clone(),
            lines: Some(merge::distance(held.content(), text)),
            before: Some(Before {
                version: held.now,
                file: held.found.as_ref().and_then(OnDisk::file_id),
            }),
            ..self.record(version)
        };
        let mut told = true;
        let done = self.carry_out(held, record, &mut told, || staged.put_in_place());
        if told {
            drop(staged);
        } else {
            staged.leave();
        }
        done?;
        // What follows is kept or found by the next to look: the text stands.
        if let Some(old) = held.found.take() {
            let time = held.log.head().map_or(0, |head| head.time);
            if let Ok(Some(merged)) = self.take_in_stray(held, &old, text) {
                commit = merged;
            }
            if let Some(glimpses) = self.harness.glimpses() {
                glimpses.keep(&path, old, time);
            }
        }
        self.prune_now_and_then(held, text.len());
        Ok(commit)
    }

    pub(super) fn remove_held(&self, held: &mut Held) -> Result<Commit> {
        self.replace(held).sweep();
        held.keep_what_goes()?;
        let mut commit = Commit {
            version: Version::ABSENT,
            outcome: Outcome::Written,
            swallowed: None,
            removed_meanwhile: None,
        };
        let Some(found) = &held.found else {
            commit.outcome = Outcome::Unchanged;
            return Ok(commit);
        };
        let before = Before { version: held.now, file: found.file_id() };
        let record = Record {
            how: How::Remove,
            parents: vec![held.now],
            lines: Some(merge::distance(&found.content, &[])),
            before: Some(before),
            ..self.record(Version::ABSENT)
        };
        let path = held.real.clone();
        let durability = self.harness.durability();
        let replace = Replace { path: &path, temp_name: "", durability, break_hard_link: true };
        self.carry_out(held, record, &mut true, || replace.remove())?;
        Ok(commit)
    }

    /// Writes an intent, syncs all that it builds on, and does what it says. If
    /// that failed takes it back; whether that could be written down is `told`.
    fn carry_out(
        &self,
        held: &mut Held,
        record: Record,
        told: &mut bool,
        act: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let now = held.now;
        held.log.append(record)?;
        self.sync(held).and_then(|()| act()).inspect_err(|error| {
            if !matches!(error, Error::NotDurable { .. }) {
                let aborted = Record { how: How::Aborted, ..self.record(now) };
                *told = held.log.append(aborted).is_ok();
            }
        })
    }

    /// Makes durable what stands there already: whoever wrote it may not have.
    fn sync_as_it_stands(&self, held: &mut Held) -> Result<()> {
        if self.harness.durability() == Durability::Process {
            return Ok(());
        }
        held.keep_as_it_stands()?;
        if let Some(found) = &held.found {
            held.unsynced.extend(found.unsynced(&held.real)?);
        }
        self.sync(held)
    }

    /// Makes durable what was written so far.
    pub(super) fn sync(&self, held: &mut Held) -> Result<()> {
        let durability = self.harness.durability();
        let mut all = std::mem::take(&mut held.unsynced);
        if durability == Durability::Disk {
            all.extend(held.log.unsynced()?);
        }
        atomic::sync(&all, durability)
    }

    /// A record by this author, now.
    pub(super) fn record(&self, version: Version) -> Record {
        let author = self.harness.author();
        Record {
            how: How::Write,
            session: author.session.clone(),
            branch: author.branch.clone(),
            pid: Some(std::process::id()),
            ..Record::outside(version, harness::now())
        }
    }
}

/// The temp file of a conflict copy: not the one that proves that an intent
/// never happened.
fn copy_temp(temp_name: &str) -> String {
    format!("{temp_name}-copy")
}

/// What a text was made from, as far as it is known.
#[derive(Default)]
pub(super) struct Made<'a> {
    pub(super) base: Option<Version>,
    /// The author's own text, where the result may be another.
    pub(super) ours: Option<&'a [u8]>,
    /// How many lines of others it swallowed.
    pub(super) lost: Option<usize>,
    /// Whether that may have been meant.
    pub(super) maybe: bool,
    /// The losses that it makes good, by number.
    pub(super) closes: Vec<u64>,
}
