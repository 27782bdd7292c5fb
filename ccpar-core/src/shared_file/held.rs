//! A target under its lock: what stands there, and how the next version is put
//! in its place.

use std::path::PathBuf;

use super::{Commit, Outcome, SharedFile};
use crate::atomic::{self, Durability, OnDisk, Replace, Unsynced};
use crate::error::{Error, Result};
use crate::harness;
use crate::history::{Before, History, How, Log, Record, Version};
use crate::lock::{Lock, Mode, Request};
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
    temp_name: String,
    _lock: Lock,
}

impl Held {
    pub(super) fn content(&self) -> &[u8] {
        self.found.as_ref().map_or(&[], |found| &found.content)
    }
}

impl SharedFile<'_> {
    pub(super) fn lock_resolved(&self, mode: Mode) -> Result<(Lock, PathBuf)> {
        let owner = self.harness.owner();
        let begun = std::time::Instant::now();
        for _ in 0..RESOLVE_TRIES {
            let real = self.real_path()?;
            let path = layout::lock_file(self.harness.root(), &real);
            let request = Request {
                wait: self.harness.wait().less(begun.elapsed()),
                owner: Some(&owner),
                inside: self.harness.callers(),
                on_wait: &|owner| self.harness.tell_wait(&self.path, owner),
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
    pub(super) fn enter(&self) -> Result<Held> {
        let (lock, real) = self.lock_resolved(Mode::Exclusive)?;
        let found = atomic::read(&real)?;
        let now = found.as_ref().map_or(Version::ABSENT, |found| Version::of(&found.content));
        let history = History::new(self.harness.root(), &real);
        let log = history.open_log()?;
        let temp_name = layout::temp_name(self.harness.root(), &real);
        let mut held =
            Held { log, found, now, history, unsynced: Vec::new(), real, temp_name, _lock: lock };
        self.settle(&mut held)?;
        Ok(held)
    }

    /// Brings the history up to what is on disk.
    fn settle(&self, held: &mut Held) -> Result<()> {
        let head = held.log.head();
        let file = held.found.as_ref().and_then(OnDisk::file_id);
        match what_stands(head, held.now, file) {
            Standing::Head => Ok(()),
            Standing::NeverHappened => {
                let record = Record { how: How::Aborted, ..self.record(held.now) };
                held.log.append(record)
            }
            Standing::Outside => {
                if let Some(found) = &held.found {
                    held.unsynced.push(held.history.put_as(held.now, &found.content)?);
                }
                let before = head.map_or(Version::ABSENT, |head| head.version);
                let old = held.history.get(before).ok().flatten().unwrap_or_default();
                let record = Record {
                    how: How::Outside,
                    parents: head.map(|head| head.version).into_iter().collect(),
                    lines: Some(merge::distance(&old, held.content())),
                    // Whoever wrote it, it was none of our author's doing.
                    session: None,
                    branch: None,
                    pid: None,
                    ..self.record(held.now)
                };
                held.log.append(record)
            }
        }
    }

    /// Writes the whole of a text that could not be merged beside the target.
    pub(super) fn keep_copy(&self, held: &Held, ours: &[u8]) -> Result<PathBuf> {
        let author = self.harness.author();
        let who = author.branch.as_ref().or(author.session.as_ref());
        let who = who.map_or("ours", String::as_str);
        let hash = Version::of(ours).to_string();
        // The same conflict finds its own copy; a copy that somebody has
        // edited since then is left alone.
        for digits in [&hash[..], &hash[8..], &hash[16..], &hash[24..]] {
            let copy = held.real.with_file_name(layout::conflict_name(&held.real, who, digits));
            let durability = self.harness.durability();
            if atomic::create_beside(&copy, ours, held.found.as_ref(), durability)? {
                return Ok(copy);
            }
            if atomic::read(&copy)?.is_some_and(|found| found.content == ours) {
                return Ok(copy);
            }
        }
        Err(Error::Target {
            path: held.real.clone(),
            problem: "has several conflict copies of this very text, all of them edited: settle \
                      and remove those first"
                .to_owned(),
        })
    }

    /// Puts the result in place: contents, intent, replacement.
    pub(super) fn put(
        &self,
        held: &mut Held,
        text: &[u8],
        how: How,
        made: &Made<'_>,
    ) -> Result<Commit> {
        let (real, temp_name) = (held.real.clone(), held.temp_name.clone());
        let replace = Replace {
            path: &real,
            temp_name: &temp_name,
            durability: self.harness.durability(),
            break_hard_link: made.break_hard_link,
        };
        let version = Version::of(text);
        let mut commit =
            Commit { version, outcome: Outcome::Written, swallowed: None, removed_meanwhile: None };
        if version == held.now {
            replace.sweep();
            commit.outcome = Outcome::Unchanged;
            return Ok(commit);
        }
        if let Some(found) = &held.found {
            replace.check(found)?;
        }
        held.unsynced.push(held.history.put_as(version, text)?);
        let mut parents = vec![held.now];
        if let Some(ours) = made.ours.filter(|ours| *ours != text) {
            let version = Version::of(ours);
            held.unsynced.push(held.history.put_as(version, ours)?);
            parents.push(version);
        }
        if let Some(folder) = held.real.parent() {
            atomic::create_folders(folder, replace.durability)?;
        }
        let staged = replace.stage(text, held.found.as_ref())?;
        held.unsynced.push(staged.unsynced()?);
        let record = Record {
            how,
            parents,
            base: made.base,
            lost: made.lost,
            closes: made.closes.clone(),
            lines: Some(merge::distance(held.content(), text)),
            before: Some(Before {
                version: held.now,
                file: held.found.as_ref().and_then(OnDisk::file_id),
            }),
            ..self.record(version)
        };
        self.carry_out(held, record, || staged.put_in_place())?;
        Ok(commit)
    }

    pub(super) fn remove_held(&self, held: &mut Held) -> Result<Commit> {
        let durability = self.harness.durability();
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
        let (real, temp_name) = (held.real.clone(), held.temp_name.clone());
        let replace =
            Replace { path: &real, temp_name: &temp_name, durability, break_hard_link: true };
        self.carry_out(held, record, || replace.remove())?;
        Ok(commit)
    }

    /// Writes an intent, syncs all that it builds on, and does what it says;
    /// takes it back if that failed.
    fn carry_out(
        &self,
        held: &mut Held,
        record: Record,
        act: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let now = held.now;
        held.log.append(record)?;
        self.sync(held).and_then(|()| act()).inspect_err(|error| {
            if !matches!(error, Error::NotDurable { .. }) {
                // If this fails too, the state of the disk tells the next.
                let aborted = Record { how: How::Aborted, ..self.record(now) };
                let _ = held.log.append(aborted);
            }
        })
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
            n: 0,
            version,
            how: How::Write,
            time: harness::now(),
            parents: Vec::new(),
            base: None,
            lost: None,
            closes: Vec::new(),
            session: author.session.clone(),
            branch: author.branch.clone(),
            pid: Some(std::process::id()),
            lines: None,
            before: None,
        }
    }
}

/// What a text was made from, as far as it is known.
#[derive(Default)]
pub(super) struct Made<'a> {
    pub(super) base: Option<Version>,
    /// The author's own text, where the result may be another.
    pub(super) ours: Option<&'a [u8]>,
    /// How many lines of others it swallowed.
    pub(super) lost: Option<usize>,
    /// The losses that it makes good, by number.
    pub(super) closes: Vec<u64>,
    pub(super) break_hard_link: bool,
}

/// How what is on disk relates to the newest record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is what the record says.
    Head,
    /// It is what stood there before the record, untouched.
    NeverHappened,
    /// Something other than ccpar wrote it.
    Outside,
}

fn what_stands(head: Option<&Record>, now: Version, file: Option<(u64, u64)>) -> Standing {
    match head {
        None if now.is_absent() => Standing::Head,
        None => Standing::Outside,
        Some(head) if head.version == now => Standing::Head,
        Some(head) => match &head.before {
            Some(before) if before.version == now && before.file == file => Standing::NeverHappened,
            _ => Standing::Outside,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_on_disk_tells_whether_the_last_intent_happened() {
        let [old, new, other] = [b"old", b"new", b"xxx"].map(|text| Version::of(text));
        let file = Some((1, 7));
        let head = Record {
            n: 2,
            version: new,
            how: How::Write,
            time: 0,
            parents: vec![old],
            base: None,
            lost: None,
            closes: Vec::new(),
            session: None,
            branch: None,
            pid: None,
            lines: None,
            before: Some(Before { version: old, file }),
        };
        let cases = [
            (None, Version::ABSENT, None, Standing::Head),
            (None, old, file, Standing::Outside),
            (Some(&head), new, Some((1, 8)), Standing::Head),
            (Some(&head), old, file, Standing::NeverHappened),
            // The same bytes in another file were written by somebody.
            (Some(&head), old, Some((1, 9)), Standing::Outside),
            (Some(&head), other, file, Standing::Outside),
            (Some(&head), Version::ABSENT, None, Standing::Outside),
        ];
        for (head, now, file, expected) in cases {
            assert_eq!(what_stands(head, now, file), expected, "{now} {file:?}");
        }
    }
}
